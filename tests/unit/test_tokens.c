
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


/*
 * Estimates beside the counts of real tokenizers: TOKENS_CORPUS is made by
 * tests/tokens/make.mjs.  The table that it prints is what the documentation
 * promises.
 */


#include "unit.h"
#include "ngx_llmops_tokens.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>


#define CORPUS  "tests/tokens/corpus.json"


static const char  *tokenizers[] = { "o200k_base", "cl100k_base" };

#define O200K   NGX_LLMOPS_TOKENS_O200K
#define CL100K  NGX_LLMOPS_TOKENS_CL100K


static int
compare(const void *one, const void *two)
{
    double  a = *(const double *) one, b = *(const double *) two;

    return (a > b) - (a < b);
}


/* of a text as it stands in a body, whose client escapes all, or little */

static double
estimate(ngx_llmops_tokens_family_e family, json_t *text, size_t flags)
{
    char    *s;
    size_t   len;
    double   n;

    s = json_dumps(text, JSON_ENCODE_ANY|flags);
    len = strlen(s);

    n = (double) ngx_llmops_tokens(family, (u_char *) s + 1,
                                   (u_char *) s + len - 1)
        / NGX_LLMOPS_TOKEN;

    free(s);

    return n;
}


static void
measure(json_t *corpus, const char *kind, ngx_llmops_tokens_family_e family,
    size_t flags, double most)
{
    const char  *tokenizer = tokenizers[family];

    json_t  *row;
    size_t   i, n;
    double   error, bias, errors[256];

    n = 0;
    bias = 0;

    json_array_foreach(corpus, i, row) {

        if (strcmp(json_string_value(json_object_get(row, "kind")), kind)
            != 0)
        {
            continue;
        }

        error = estimate(family, json_object_get(row, "text"), flags)
                / json_integer_value(json_object_get(row, tokenizer))
                - 1;

        bias += error;
        errors[n++] = fabs(error);
    }

    assert_true(n >= 19);

    qsort(errors, n, sizeof(double), compare);

    printf("%-8s %-12s %s  %2zu texts, error p50 %4.1f%%, p95 %4.1f%%, "
           "mean %+5.1f%%\n", kind, tokenizer, flags ? "\\u" : "  ", n,
           100 * errors[n / 2], 100 * errors[(n * 95 - 1) / 100],
           100 * bias / n);

    assert_true(errors[(n * 95 - 1) / 100] <= most);
}


static void
test_corpus(void **state)
{
    json_t      *corpus;
    const char  *path;

    (void) state;

    path = getenv("TOKENS_CORPUS");
    corpus = json_load_file(path ? path : CORPUS, 0, NULL);
    assert_non_null(corpus);

    measure(corpus, "english", O200K, 0, 0.25);
    measure(corpus, "code", O200K, 0, 0.25);
    measure(corpus, "json", O200K, 0, 0.25);
    measure(corpus, "chinese", O200K, 0, 0.25);
    measure(corpus, "chinese", O200K, JSON_ENSURE_ASCII, 0.25);

    measure(corpus, "english", CL100K, 0, 0.25);
    measure(corpus, "code", CL100K, 0, 0.25);
    measure(corpus, "json", CL100K, 0, 0.25);
    measure(corpus, "chinese", CL100K, 0, 0.25);
    measure(corpus, "chinese", CL100K, JSON_ENSURE_ASCII, 0.25);

    json_decref(corpus);
}


static void
test_families(void **state)
{
    ngx_str_t   model;
    ngx_uint_t  i;

    static const char  *older[] = {
        "gpt-4", "gpt-4-0613", "gpt-4-turbo-2024-04-09", "gpt-3.5-turbo",
        "gpt-35-turbo-16k", "text-embedding-3-small", "text-embedding-ada-002"
    };

    static const char  *others[] = {
        "", "gpt", "gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.5-preview",
        "gpt-40", "gpt-5", "o3", "claude-sonnet-4-5", "llama-3.3-70b", "GPT-4"
    };

    (void) state;

    for (i = 0; i < sizeof(older) / sizeof(older[0]); i++) {
        model.data = (u_char *) older[i];
        model.len = strlen(older[i]);
        assert_int_equal(ngx_llmops_tokens_family(&model), CL100K);
    }

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        model.data = (u_char *) others[i];
        model.len = strlen(others[i]);
        assert_int_equal(ngx_llmops_tokens_family(&model), O200K);
    }
}


static size_t
event(const char *text)
{
    return ngx_llmops_tokens_event((u_char *) text,
                                   (u_char *) text + strlen(text));
}


static void
test_events(void **state)
{
    (void) state;

    assert_int_equal(event(""), 1);
    assert_int_equal(event("a"), 1);
    assert_int_equal(event(" "), 1);
    assert_int_equal(event(" word"), 1);
    assert_int_equal(event(" understanding"), 1);
    assert_int_equal(event("word12 "), 1);
    assert_int_equal(event("\\n\\n"), 1);
    assert_int_equal(event("\xe4\xbd\xa0\xe5\xa5\xbd"), 1);
    assert_int_equal(event(" two words"), 2);
    assert_in_range(event("The ferry left the harbour at a quarter past six, "
                          "long before the fog had lifted."), 17, 25);
}


/* cut anywhere, also inside an escape or a character */

static void
test_pieces(void **state)
{
    size_t   i, len;
    u_char  *exact;
    int64_t  whole, parts;

    static const char  text[] =
        "He said \\\"na\xc3\xafve\\\" and \\u4f60\\u597d \xe4\xbd\xa0\xe5\xa5"
        "\xbd,\\n\\n    then\\t\\tleft: 12345.67 (maxTokens) \\\\ "
        "\xf0\x9f\x98\x80 -------- the end of the sentence, as it were";

    (void) state;

    len = sizeof(text) - 1;
    whole = ngx_llmops_tokens(O200K, (u_char *) text, (u_char *) text + len);

    assert_in_range(whole / NGX_LLMOPS_TOKEN, 40, 65);

    for (i = 0; i <= len; i++) {

        /* copies that end where they end, for the sanitizer */

        exact = malloc(i + 1);
        memcpy(exact, text, i);
        parts = ngx_llmops_tokens(O200K, exact, exact + i);
        free(exact);

        exact = malloc(len - i + 1);
        memcpy(exact, text + i, len - i);
        parts += ngx_llmops_tokens(O200K, exact, exact + len - i);
        free(exact);

        assert_in_range(parts - whole + 4 * NGX_LLMOPS_TOKEN, 0,
                        8 * NGX_LLMOPS_TOKEN);
    }
}


static int64_t
body(const char *text, ngx_uint_t *binary)
{
    size_t   len;
    u_char  *exact;
    int64_t  n;

    len = strlen(text);
    exact = malloc(len);
    memcpy(exact, text, len);

    n = ngx_llmops_tokens_body(O200K, exact, len, binary);

    free(exact);

    return n;
}


/* numbers as the services count them: 3, and for each message 4 and its text */

static void
test_body(void **state)
{
    ngx_uint_t  binary;

    (void) state;

    assert_in_range(body("{\"model\":\"gpt-4.1-2025-04-14\",\"messages\":["
                         "{\"role\":\"user\",\"content\":\"hi\"}],"
                         "\"stream\":true,\"max_tokens\":100}", &binary),
                    8, 9);
    assert_int_equal(binary, 0);

    assert_in_range(body("{\"messages\":[{\"role\":\"system\",\"content\":"
                         "\"You are a helpful assistant.\"},{\"role\":"
                         "\"user\",\"content\":[{\"type\":\"text\",\"text\":"
                         "\"What is the capital of France?\"}]}]}", &binary),
                    23, 27);

    /* what is said beside the text is not read by the model */

    assert_in_range(body("{\"model\":\"m\",\"input\":[\"one\",\"two\"],"
                         "\"user\":\"a-very-long-name-of-somebody\"}",
                         &binary),
                    5, 6);

    /* tokens that the caller has made */

    assert_int_equal(body("{\"input\":[1, 22, 333, 4],\"dimensions\":256}",
                          &binary), 7);

    /* of a tool all counts: about what it has as JSON */

    assert_in_range(body("{\"tools\":[{\"type\":\"function\",\"function\":{"
                         "\"name\":\"get_weather\",\"parameters\":{\"type\":"
                         "\"object\",\"properties\":{\"city\":{\"type\":"
                         "\"string\"}},\"required\":[\"city\"]}}}]}",
                         &binary),
                    20, 36);
}


static void
test_body_binary(void **state)
{
    char        text[2048], base64[601];
    ngx_uint_t  binary, i;

    (void) state;

    for (i = 0; i < 600; i++) {
        base64[i] = "iVBORw0KGgoAAAANSUhEUgAAAgAAAAIACAYAAAD0eNT6"[i % 44];
    }

    base64[600] = '\0';

    snprintf(text, sizeof(text),
             "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
             "\"image\",\"source\":{\"media_type\":\"image/png\",\"data\":"
             "\"%s\"}},{\"type\":\"image_url\",\"image_url\":{\"url\":"
             "\"data:image/png;base64,%s\"}}]}]}", base64, base64);

    assert_in_range(body(text, &binary), 7, 30);
    assert_int_equal(binary, 1);

    /* text, if no good one */

    memset(base64, 'x', 600);
    snprintf(text, sizeof(text), "{\"prompt\":\"%s\"}", base64);

    assert_in_range(body(text, &binary), 75, 200);
    assert_int_equal(binary, 0);
}


/* whatever it is given, it ends and stays inside */

static void
test_body_garbage(void **state)
{
    size_t      i;
    ngx_uint_t  k, binary;
    char        text[256];

    static const char  bytes[] = "{}[]\":,\\ tru1\"\"{[";

    (void) state;

    srand(1);

    for (k = 0; k < 20000; k++) {
        for (i = 0; i < (size_t) (rand() % 255); i++) {
            text[i] = bytes[rand() % (sizeof(bytes) - 1)];
        }

        text[i] = '\0';
        (void) body(text, &binary);
    }
}


typedef struct {
    u_char      *data;
    size_t       size;
    ngx_uint_t   reads;
    size_t       bytes;
    ngx_uint_t   fail;                       /* at that read */
} source_t;


static const u_char *
source_read(void *data, size_t offset, size_t len, u_char *buf)
{
    source_t  *s = data;

    assert_true(offset + len <= s->size);

    s->bytes += len;

    if (++s->reads == s->fail) {
        return NULL;
    }

    memcpy(buf, s->data + offset, len);

    return buf;
}


static int64_t
sample(source_t *s, ngx_uint_t *binary)
{
    int64_t  n;

    s->reads = 0;
    s->bytes = 0;

    n = ngx_llmops_tokens_sample(O200K, source_read, s, s->size, binary);

    /* bounded, whatever it is */

    assert_true(s->reads < 600);
    assert_true(s->bytes < 65536);

    return n;
}


static const char  sentence[] =
    "The company reported revenue of 4.27 billion for the third quarter, up "
    "11.6 per cent from a year earlier and ahead of what had been expected. ";


static void
fill(u_char *p, size_t len, const char *with, size_t n)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        p[i] = with[i % n];
    }
}


static void
test_sample(void **state)
{
    double      each;
    source_t    s;
    ngx_uint_t  binary, i;

    static const size_t  sizes[] = { 3073, 10000, 100000, 1000000, 20000000 };

    (void) state;

    each = (double) ngx_llmops_tokens(O200K, (u_char *) sentence,
                                      (u_char *) sentence
                                      + sizeof(sentence) - 1)
           / NGX_LLMOPS_TOKEN / (sizeof(sentence) - 1);

    for (i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        memset(&s, 0, sizeof(s));
        s.size = sizes[i];
        s.data = malloc(s.size);

        fill(s.data, s.size, sentence, sizeof(sentence) - 1);

        assert_in_range(sample(&s, &binary), (uintmax_t) (each * s.size * 0.95),
                        (uintmax_t) (each * s.size * 1.05));
        assert_int_equal(binary, 0);

        s.fail = 3;
        s.reads = 0;
        assert_int_equal(ngx_llmops_tokens_sample(O200K, source_read, &s,
                                                  s.size, &binary), -1);
        free(s.data);
    }
}


/* one image in a text: only the text counts, wherever the image is */

static void
test_sample_binary(void **state)
{
    int64_t     n, text;
    source_t    s;
    ngx_uint_t  binary, i;

    static const char  base64[] =
        "iVBORw0KGgoAAAANSUhEUgAAAgAAAAIACAYAAAD0eNT6AAAABHNCSVQICAgIfAhk+/";

    (void) state;

    memset(&s, 0, sizeof(s));
    s.size = 1000000;
    s.data = malloc(s.size);

    for (i = 0; i < 3; i++) {
        fill(s.data, s.size, sentence, sizeof(sentence) - 1);
        fill(s.data + i * 50000, 900000, base64, sizeof(base64) - 1);

        n = sample(&s, &binary);

        fill(s.data, 100000, sentence, sizeof(sentence) - 1);
        text = ngx_llmops_tokens(O200K, s.data, s.data + 100000)
               / NGX_LLMOPS_TOKEN;

        assert_int_equal(binary, 1);
        assert_in_range(n, (uintmax_t) text * 9 / 10,
                        (uintmax_t) text * 11 / 10);
    }

    fill(s.data, s.size, base64, sizeof(base64) - 1);
    assert_int_equal(sample(&s, &binary), 0);
    assert_int_equal(binary, 1);

    free(s.data);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_corpus),
        cmocka_unit_test(test_families),
        cmocka_unit_test(test_events),
        cmocka_unit_test(test_pieces),
        cmocka_unit_test(test_body),
        cmocka_unit_test(test_body_binary),
        cmocka_unit_test(test_body_garbage),
        cmocka_unit_test(test_sample),
        cmocka_unit_test(test_sample_binary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
