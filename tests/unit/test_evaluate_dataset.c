
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


/* Datasets: lines of JSON, however they are cut, and their mistakes. */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>


/* -- what nginx has ------------------------------------------------------- */

/* enough of it for the messages: %s, %d, %ui */

u_char * ngx_cdecl
ngx_snprintf(u_char *buf, size_t max, const char *fmt, ...)
{
    char      number[32];
    u_char   *last;
    va_list   args;

    last = buf + max;

    va_start(args, fmt);

    for ( /* void */ ; *fmt && buf < last; fmt++) {

        if (*fmt != '%') {
            *buf++ = *fmt;
            continue;
        }

        fmt++;

        if (*fmt == 's') {
            buf = ngx_cpymem(buf, "TEXT", 4);
            (void) va_arg(args, char *);
            continue;
        }

        if (*fmt == 'u') {
            fmt++;
            (void) snprintf(number, sizeof(number), "%lu",
                            (unsigned long) va_arg(args, ngx_uint_t));
        } else {
            (void) snprintf(number, sizeof(number), "%d", va_arg(args, int));
        }

        buf = ngx_cpymem(buf, number, strlen(number));
    }

    va_end(args);

    return buf;
}


#if (NGX_HAVE_VARIADIC_MACROS)

void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
}

#endif


/* -- tests ---------------------------------------------------------------- */

static const char  lines[] =
    "{\"input\": \"one\", \"expected\": \"1\", \"id\": \"a\"}\n"
    "\n"
    "  \t\r\n"
    "{\"input\": [{\"role\": \"user\", \"content\": \"two\"}], "
        "\"slice\": \"s\"}\r\n"
    "{\"variables\": {\"x\": \"\xc3\xa4\"}}";


static ngx_int_t
feed(ngx_llmops_dataset_t *set, const char *text, size_t len, size_t piece,
    char *err)
{
    size_t     n;
    u_char    *copy;
    ngx_int_t  rc;

    while (len) {
        n = ngx_min(piece, len);

        /* of exactly that size, so that who reads on is caught */

        copy = malloc(n);
        assert_non_null(copy);
        memcpy(copy, text, n);

        rc = ngx_llmops_dataset_feed(set, copy, n, err);

        free(copy);

        if (rc != NGX_OK) {
            return rc;
        }

        text += n;
        len -= n;
    }

    return ngx_llmops_dataset_end(set, err);
}


static void
test_any_cut(void **state)
{
    char                   err[NGX_LLMOPS_EVAL_TEXT];
    size_t                 piece;
    json_t                *kase;
    ngx_str_t              text;
    ngx_llmops_dataset_t   set, again;

    for (piece = 1; piece <= sizeof(lines); piece++) {

        memset(&set, 0, sizeof(set));

        assert_int_equal(feed(&set, lines, sizeof(lines) - 1, piece, err),
                         NGX_OK);
        assert_int_equal(set.n, 3);

        kase = ngx_llmops_dataset_case(&set, 0);
        assert_string_equal(json_string_value(json_object_get(kase, "id")),
                            "a");
        json_decref(kase);

        kase = ngx_llmops_dataset_case(&set, 1);
        assert_true(json_is_array(json_object_get(kase, "input")));
        json_decref(kase);

        kase = ngx_llmops_dataset_case(&set, 2);
        assert_string_equal(json_string_value(json_object_get(
                                json_object_get(kase, "variables"), "x")),
                            "\xc3\xa4");
        json_decref(kase);

        /* what is kept is what it is made of */

        text = ngx_llmops_dataset_text(&set);

        memset(&again, 0, sizeof(again));

        assert_int_equal(feed(&again, (char *) text.data, text.len, 7, err),
                         NGX_OK);
        assert_int_equal(again.n, 3);
        assert_int_equal(again.len, set.len);
        assert_memory_equal(again.data, set.data, set.len);

        ngx_llmops_dataset_free(&again);
        ngx_llmops_dataset_free(&set);
    }
}


static void
test_mistakes(void **state)
{
    char                   err[NGX_LLMOPS_EVAL_TEXT];
    size_t                 i;
    ngx_llmops_dataset_t   set;

    static const struct {
        const char  *text;
        const char  *says;
    } cases[] = {
        { "", "has no cases" },
        { "\n\n", "has no cases" },
        { "{\"input\": \"x\"}\n{", "line 2 is not JSON" },
        { "\n\n[1]\n", "\"input\" must be" },
        { "\"x\"\n", "line 1 is not JSON" },
        { "{\"input\": 1}", "case 1: \"input\" must be" },
        { "{\"input\": []}", "\"input\" must be" },
        { "{\"input\": [{\"content\": \"x\"}]}", "\"input\" must be" },
        { "{}", "\"input\" must be" },
        { "{\"input\": \"x\", \"expectd\": 1}", "unknown member" },
        { "{\"input\": \"x\", \"id\": 1}", "\"id\"" },
        { "{\"input\": \"x\", \"slice\": 1}", "\"slice\"" },
        { "{\"input\": \"x\", \"variables\": []}", "\"variables\"" },
        { "{\"input\": \"x\", \"input\": \"y\"}", "not JSON" }
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        memset(&set, 0, sizeof(set));

        assert_int_equal(feed(&set, cases[i].text, strlen(cases[i].text), 3,
                              err),
                         NGX_DECLINED);
        assert_non_null(strstr(err, cases[i].says));

        ngx_llmops_dataset_free(&set);
    }
}


static void
test_bounds(void **state)
{
    char                   err[NGX_LLMOPS_EVAL_TEXT], *line;
    size_t                 i;
    json_t                *kase;
    ngx_llmops_dataset_t   set;

    memset(&set, 0, sizeof(set));

    /* a case too many */

    kase = json_pack("{s:s}", "input", "x");

    for (i = 0; i < NGX_LLMOPS_EVAL_CASES; i++) {
        assert_int_equal(ngx_llmops_dataset_add(&set, kase, err), NGX_OK);
    }

    assert_int_equal(ngx_llmops_dataset_add(&set, kase, err), NGX_DECLINED);
    assert_non_null(strstr(err, "more than 10000"));

    json_decref(kase);
    ngx_llmops_dataset_free(&set);

    /* a line too long, that never ends */

    line = malloc(NGX_LLMOPS_EVAL_LINE);
    assert_non_null(line);
    memset(line, 'x', NGX_LLMOPS_EVAL_LINE);

    assert_int_equal(ngx_llmops_dataset_feed(&set, (u_char *) line,
                                             NGX_LLMOPS_EVAL_LINE, err),
                     NGX_OK);
    assert_int_equal(ngx_llmops_dataset_feed(&set, (u_char *) line, 1, err),
                     NGX_DECLINED);
    assert_non_null(strstr(err, "256 KB"));

    ngx_llmops_dataset_free(&set);

    /* all of it together */

    memcpy(line, "{\"input\": \"", 11);
    line[NGX_LLMOPS_EVAL_LINE - 3] = '"';
    line[NGX_LLMOPS_EVAL_LINE - 2] = '}';
    line[NGX_LLMOPS_EVAL_LINE - 1] = '\n';

    for (i = 0; i < NGX_LLMOPS_EVAL_DATASET / NGX_LLMOPS_EVAL_LINE; i++) {
        assert_int_equal(ngx_llmops_dataset_feed(&set, (u_char *) line,
                                                 NGX_LLMOPS_EVAL_LINE, err),
                         NGX_OK);
    }

    assert_int_equal(ngx_llmops_dataset_feed(&set, (u_char *) line,
                                             NGX_LLMOPS_EVAL_LINE, err),
                     NGX_DECLINED);
    assert_non_null(strstr(err, "16 MB"));

    ngx_llmops_dataset_free(&set);
    free(line);
}


static void
test_samples(void **state)
{
    json_t  *sample, *kase;

    sample = json_pack("{s:s,s:{s:[{s:s,s:s}]},s:{s:s}}", "id", "smp_1",
                       "request", "messages", "role", "user",
                       "content", "hi", "answer", "text", "hello");
    kase = ngx_llmops_dataset_sample(sample);

    assert_string_equal(json_string_value(json_object_get(kase, "expected")),
                        "hello");
    assert_string_equal(json_string_value(json_object_get(kase, "id")),
                        "smp_1");
    assert_int_equal(json_array_size(json_object_get(kase, "input")), 1);

    json_decref(kase);
    (void) json_object_del(sample, "request");

    assert_null(ngx_llmops_dataset_sample(sample));

    json_decref(sample);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_any_cut),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_samples),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
