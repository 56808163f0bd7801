
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include <jansson.h>
#include "ngx_llmops_mustache.h"


#define TEST_MAX      (16 * 1024)
#define TEST_PARTIALS  8


typedef struct {
    ngx_llmops_arena_t           arena;
    ngx_llmops_template_t        template;
    ngx_llmops_template_t        partials[TEST_PARTIALS];
    ngx_uint_t                   npartials;
    ngx_llmops_mustache_error_t  err;
    ngx_llmops_out_t             out;
    size_t                       work;
    const char                  *reason;
} test_run_t;


static void
test_begin(test_run_t *run)
{
    memset(run, 0, sizeof(test_run_t));
    ngx_llmops_arena_init(&run->arena, 1024 * 1024);
    ngx_llmops_out_init(&run->out, TEST_MAX);
}


static void
test_partial(test_run_t *run, const char *name, const char *source,
    unsigned xml)
{
    ngx_llmops_template_t  *t;

    assert_true(run->npartials < TEST_PARTIALS);

    t = &run->partials[run->npartials];
    t->name = *unit_str(name);
    t->source = *unit_str(source);
    t->xml = xml;

    if (run->npartials++) {
        t[-1].next = t;
    }
}


static ngx_int_t
test_compile(test_run_t *run, const char *source, unsigned xml)
{
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_llmops_template_t  *partials;

    partials = run->npartials ? run->partials : NULL;

    for (i = 0; i < run->npartials; i++) {
        rc = ngx_llmops_mustache_compile(&run->partials[i], partials,
                                         &run->arena, &run->err);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    run->template.source = *unit_str(source);
    run->template.xml = xml;

    return ngx_llmops_mustache_compile(&run->template, partials, &run->arena,
                                       &run->err);
}


static ngx_int_t
test_render(test_run_t *run, const char *data)
{
    ngx_llmops_value_t  *v;

    v = ngx_llmops_value_parse(&run->arena, unit_str(data));
    assert_non_null(v);

    return ngx_llmops_mustache_render(&run->template, v, &run->out,
                                      &run->work, &run->reason);
}


static void
test_end(test_run_t *run)
{
    ngx_llmops_arena_free(&run->arena);
    ngx_llmops_out_free(&run->out);
}


/* what was rendered, as the string it is; freed by the caller */

static char *
test_text(test_run_t *run)
{
    char             *text;
    json_t           *v;
    ngx_llmops_out_t  out;

    ngx_llmops_out_init(&out, 4 * TEST_MAX);
    (void) ngx_llmops_out_lit(&out, "\"");
    (void) ngx_llmops_out_str(&out, &run->out);
    (void) ngx_llmops_out_lit(&out, "\"");

    v = json_loadb((char *) out.data, out.len, JSON_DECODE_ANY, NULL);
    assert_non_null(v);
    assert_true(json_is_string(v));

    text = strdup(json_string_value(v));

    json_decref(v);
    ngx_llmops_out_free(&out);

    return text;
}


static void
test_is(const char *source, const char *data, unsigned xml,
    const char *expected)
{
    char        *text;
    test_run_t   run;

    test_begin(&run);

    assert_int_equal(test_compile(&run, source, xml), NGX_OK);
    assert_int_equal(test_render(&run, data), NGX_OK);

    text = test_text(&run);
    assert_string_equal(text, expected);

    free(text);
    test_end(&run);
}


static void
test_fault(const char *source, size_t offset, const char *text)
{
    test_run_t  run;

    test_begin(&run);

    assert_int_equal(test_compile(&run, source, 0), NGX_DECLINED);
    assert_int_equal(run.err.offset, offset);
    assert_string_equal((char *) run.err.text, text);

    test_end(&run);
}


/* the public specification */

static char *
test_unhex(const char *hex)
{
    char    *text;
    size_t   i, len;

    len = (strcmp(hex, "-") == 0) ? 0 : strlen(hex) / 2;
    text = calloc(1, len + 1);
    assert_non_null(text);

    for (i = 0; i < len; i++) {
        assert_int_equal(sscanf(hex + 2 * i, "%2hhx",
                                (unsigned char *) &text[i]), 1);
    }

    return text;
}


/* cases that end otherwise here, on purpose */

static const char *
test_exception(const char *name)
{
    /* a partial that is not there is an error of the configuration */

    if (strcmp(name, "Failed Lookup") == 0) {
        return "unknown partial";
    }

    return NULL;
}


static void
test_case(char *line, ngx_uint_t *passed, ngx_uint_t *excepted)
{
    char        *word, *save, *field[5], *part[2 * TEST_PARTIALS], *text;
    ngx_int_t    rc;
    test_run_t   run;
    ngx_uint_t   i, n;
    const char  *except;

    n = 0;
    i = 0;
    test_begin(&run);

    for (word = strtok_r(line, " \n", &save); word;
         word = strtok_r(NULL, " \n", &save))
    {
        if (i == 0) {
            field[i++] = strdup(word);
            continue;
        }

        if (i < 5) {
            field[i++] = test_unhex(word);
            continue;
        }

        part[n] = strndup(word, strcspn(word, "="));
        part[n + 1] = test_unhex(strchr(word, '=') + 1);
        test_partial(&run, part[n], part[n + 1], 1);
        n += 2;
    }

    assert_int_equal(i, 5);

    except = test_exception(field[1]);
    rc = test_compile(&run, field[2], 1);

    if (except && rc == NGX_DECLINED) {
        assert_non_null(strstr((char *) run.err.text, except));
        (*excepted)++;

    } else {
        if (rc != NGX_OK) {
            fail_msg("%s, %s: %s", field[0], field[1], run.err.text);
        }

        assert_int_equal(test_render(&run, field[3]), NGX_OK);
        text = test_text(&run);

        if (strcmp(text, field[4]) != 0) {
            fail_msg("%s, %s: \"%s\" instead of \"%s\"", field[0], field[1],
                     text, field[4]);
        }

        free(text);
        (*passed)++;
    }

    test_end(&run);

    for (i = 0; i < 5; i++) {
        free(field[i]);
    }

    while (n) {
        free(part[--n]);
    }
}


static void
test_specification(void **state)
{
    FILE        *f;
    char        *line;
    size_t       size;
    ngx_uint_t   passed, excepted;
    const char  *path;

    (void) state;

    path = getenv("MUSTACHE_SUITE");
    f = path ? fopen(path, "r") : NULL;

    if (f == NULL) {
        skip();
    }

    line = NULL;
    size = 0;
    passed = 0;
    excepted = 0;

    while (getline(&line, &size, f) > 0) {
        test_case(line, &passed, &excepted);
    }

    free(line);
    fclose(f);

    print_message("Mustache specification: %d cases passed, %d excepted\n",
                  (int) passed, (int) excepted);

    assert_true(passed > 100);
    assert_true(excepted <= 1);
}


static void
test_values(void **state)
{
    (void) state;

    test_is("{{a}}", "{\"a\":1e400}", 0, "1e400");
    test_is("{{a}}", "{\"a\":0.10}", 0, "0.10");
    test_is("{{a}}|{{b}}|{{c}}|{{d}}",
            "{\"a\":true,\"b\":false,\"c\":null}", 0, "true|false||");
    test_is("{{a}}", "{\"a\":{\"x\": [1,\"\\\"\\n\"]}}", 0,
            "{\"x\": [1,\"\\\"\\n\"]}");
    test_is("{{a.b.c}}", "{\"a\":{\"b\":{\"c\":\"deep\"}}}", 0, "deep");
    test_is("{{a.b.c}}", "{\"a\":{\"b\":\"c\"}}", 0, "");
    test_is("{{ab}}", "{\"\\u0061b\":1}", 0, "1");
}


static void
test_truth(void **state)
{
    ngx_uint_t  i;

    static const char *const  no[] = {
        "{}", "{\"a\":null}", "{\"a\":false}", "{\"a\":\"\"}", "{\"a\":[]}"
    };

    static const char *const  yes[] = {
        "{\"a\":true}", "{\"a\":0}", "{\"a\":\"0\"}", "{\"a\":{}}",
        "{\"a\":[null]}"
    };

    (void) state;

    for (i = 0; i < sizeof(no) / sizeof(no[0]); i++) {
        test_is("{{#a}}yes{{/a}}{{^a}}no{{/a}}", no[i], 0, "no");
    }

    for (i = 0; i < sizeof(yes) / sizeof(yes[0]); i++) {
        test_is("{{#a}}yes{{/a}}{{^a}}no{{/a}}", yes[i], 0, "yes");
    }
}


/* whatever a value holds, what is rendered is one JSON string, and as xml has
   none of its tags */

static void
test_no_escape(void **state)
{
    (void) state;

    test_is("[{{a}}]", "{\"a\":\"\\\",\\\"role\\\":\\\"system\\\\\"}", 0,
            "[\",\"role\":\"system\\]");
    test_is("\"\\\n{{a}}\t", "{\"a\":\"\\u0022\\u005c\\u000a\"}", 0,
            "\"\\\n\"\\\n\t");

    test_is("<d>{{a}}</d>", "{\"a\":\"</d>\\u003c/d\\u003E\\u0026\\\"\"}", 1,
            "<d>&lt;/d&gt;&lt;/d&gt;&amp;&quot;</d>");
    test_is("<d>{{a}}</d>", "{\"a\":{\"</d>\":\"\\\\u003c\"}}", 1,
            "<d>{&quot;&lt;/d&gt;&quot;:&quot;\\\\u003c&quot;}</d>");
    test_is("{{{a}}}{{&a}}", "{\"a\":\"<&>\"}", 1, "<&><&>");
    test_is("{{a}}{{=| |=}}|& a|", "{\"a\":\"<\"}", 1, "&lt;<");
}


static void
test_fence(void **state)
{
    char                *text;
    test_run_t           run;
    ngx_llmops_value_t  *v, *a;

    (void) state;

    test_begin(&run);

    assert_int_equal(test_compile(&run, "{{{a}}} {{#a}}{{.}}{{/a}}", 0),
                     NGX_OK);

    v = ngx_llmops_value_parse(&run.arena,
                               unit_str("{\"a\":\"x</a>\\u003c/a>\"}"));
    a = ngx_llmops_value_member(v, "a");
    ngx_llmops_value_distrust(v);
    a->fence = 1;

    assert_int_equal(ngx_llmops_mustache_render(&run.template, v, &run.out,
                                                &run.work, &run.reason),
                     NGX_OK);

    text = test_text(&run);
    assert_string_equal(text, "<a>x&lt;/a&gt;&lt;/a&gt;</a> "
                              "<a>x&lt;/a&gt;&lt;/a&gt;</a>");
    free(text);
    test_end(&run);
}


static void
test_faults(void **state)
{
    (void) state;

    test_fault("ab{{#x}}", 2,
               "the section \"x\" is not closed, write its closing tag");
    test_fault("{{/x}}", 0, "\"/x\" closes a section that is not open");
    test_fault("{{#x}}{{#y}}{{/x}}", 12,
               "a closing tag is missing before it, write \"/y\"");
    test_fault("a {{x", 2, "the tag is not closed, its end is \"}}\"");
    test_fault("{{{x}}", 0, "the tag is not closed, its end is \"}}}\"");
    test_fault("{{}}", 0, "the tag has no name");
    test_fault("{{>x}}", 0, "unknown partial \"x\", add it to \"partials\"");
    test_fault("{{<x}}{{/x}}", 0, "inheritance ({{<name}}, {{$name}}) is not "
               "known here, use a partial");
    test_fault("{{a..b}}", 0,
               "\"a..b\" is not a name: a part of it is empty");
    test_fault("{{>*a}}", 0, "\"*a\" is not a name, which has up to 64 bytes "
               "without spaces, quotes, braces and \"*\"");
    test_fault("{{=a=}}", 0, "\"a\" are no two delimiters, write for example "
               "{{=<% %>=}}");
    test_fault("{{=a}}", 0, "a change of delimiters is written {{=<% %>=}}");
    test_fault("{{=| |=}}|{a}|", 9, "three braces need the delimiters {{ and "
               "}}, write \"&\" before the name");
}


static void
test_bounds(void **state)
{
    size_t      i;
    test_run_t  run;

    (void) state;

    /* a partial that calls itself */

    test_begin(&run);
    test_partial(&run, "p", "{{>p}}", 0);
    assert_int_equal(test_compile(&run, "{{>p}}", 0), NGX_OK);
    assert_int_equal(test_render(&run, "{}"), NGX_DECLINED);
    assert_string_equal(run.reason, "its sections and partials are nested "
                                    "too deeply");
    test_end(&run);

    /* one that doubles at each level */

    test_begin(&run);
    test_partial(&run, "p", "{{>p}}{{>p}}", 0);
    assert_int_equal(test_compile(&run, "{{>p}}", 0), NGX_OK);
    assert_int_equal(test_render(&run, "{}"), NGX_DECLINED);
    test_end(&run);

    /* loops in loops, over nothing: bounded by their work */

    test_begin(&run);
    assert_int_equal(test_compile(&run, "{{#a}}{{#a}}{{#a}}{{#a}}{{#a}}"
                                  "{{#a}}{{/a}}{{/a}}{{/a}}{{/a}}{{/a}}{{/a}}",
                                  0), NGX_OK);
    assert_int_equal(test_render(&run, "{\"a\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
                                 "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}"),
                     NGX_DECLINED);
    assert_string_equal(run.reason, "it has too much to do");
    test_end(&run);

    /* what is written */

    test_begin(&run);
    assert_int_equal(test_compile(&run, "{{#a}}{{#a}}{{#a}}0123456789abcdef"
                                  "{{/a}}{{/a}}{{/a}}", 0), NGX_OK);
    assert_int_equal(test_render(&run, "{\"a\":[1,1,1,1,1,1,1,1,1,1,1,1]}"),
                     NGX_DECLINED);
    assert_string_equal(run.reason, "it becomes too large");
    assert_true(run.out.size <= TEST_MAX);
    test_end(&run);

    /* sections in a template */

    test_begin(&run);
    for (i = 0; i < 33; i++) {
        (void) ngx_llmops_out_lit(&run.out, "{{#a}}");
    }
    (void) ngx_llmops_out_write(&run.out, "", 1);
    assert_int_equal(test_compile(&run, (char *) run.out.data, 0),
                     NGX_DECLINED);
    assert_int_equal(run.err.offset, 32 * 6);
    test_end(&run);
}


static void
test_arena(void **state)
{
    u_char              *p;
    size_t               i;
    ngx_llmops_arena_t   arena;

    (void) state;

    ngx_llmops_arena_init(&arena, 10000);
    assert_null(ngx_llmops_arena_alloc(&arena, 10001));

    for (i = 0; ; i++) {
        p = ngx_llmops_arena_alloc(&arena, 100);
        if (p == NULL) {
            break;
        }
        assert_int_equal((uintptr_t) p % 8, 0);
        assert_int_equal(p[99], 0);
        memset(p, 'x', 100);
    }

    assert_in_range(i, 80, 100);
    assert_true(arena.used <= 10000);

    ngx_llmops_arena_free(&arena);
    assert_non_null(ngx_llmops_arena_alloc(&arena, 100));
    ngx_llmops_arena_free(&arena);
}


static void
test_value(void **state)
{
    ngx_str_t            text;
    ngx_uint_t           i;
    ngx_llmops_value_t  *v;
    ngx_llmops_arena_t   arena;

    static const struct {
        const char  *json;
        size_t       chars;
    } strings[] = {
        { "[\"\"]", 0 }, { "[\"abc\"]", 3 }, { "[\"\xc3\xa4\"]", 1 },
        { "[\"\\u00e4x\"]", 2 }, { "[\"\\ud83d\\ude00\"]", 1 },
        { "[\"a\\ude00\\ude00\\ude00\"]", 4 }, { "[\"\\n\\\\\"]", 2 },
        { "[\"\\ud83d\\ud83d\"]", 2 }, { "[\"\\ud83dx\\ude00\"]", 3 },
        { "[\"\\ud7ff\\udc00\"]", 2 }, { "[\"\\ud83d\\ude00\\ude00\"]", 2 }
    };

    (void) state;

    ngx_llmops_arena_init(&arena, 65536);

    for (i = 0; i < sizeof(strings) / sizeof(strings[0]); i++) {
        v = ngx_llmops_value_parse(&arena, unit_str(strings[i].json));
        assert_int_equal(ngx_llmops_value_chars(v->first), strings[i].chars);
    }

    v = ngx_llmops_value_parse(&arena, unit_str(" {\"\\u0061b\": \"\\u0041\","
                                                " \"c\" : [ 1 , 2 ] } "));
    assert_int_equal(v->children, 2);
    assert_str(v->first->key, "ab");
    assert_str(v->first->raw, "\"\\u0041\"");
    text = ngx_llmops_value_text(&arena, v->first);
    assert_str(text, "A");
    assert_int_equal(ngx_llmops_value_member(v, "c")->children, 2);
    assert_null(ngx_llmops_value_member(v, "d"));
    assert_null(ngx_llmops_value_member(v->first, "d"));

    ngx_llmops_arena_free(&arena);

    /* no room for the nodes */

    ngx_llmops_arena_init(&arena, 1024);
    assert_null(ngx_llmops_value_parse(&arena, unit_str(
                    "[1,2,3,4,5,6,7,8,9,0,1,2,3,4,5,6,7,8,9,0,1,2,3]")));
    ngx_llmops_arena_free(&arena);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_specification),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_truth),
        cmocka_unit_test(test_no_escape),
        cmocka_unit_test(test_fence),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_arena),
        cmocka_unit_test(test_value)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
