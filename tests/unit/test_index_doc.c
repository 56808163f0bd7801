
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_index_doc.h"


static json_t *
parse(const char *text)
{
    json_t  *value;

    value = json_loads(text, 0, NULL);
    assert_non_null(value);

    return value;
}


static void
test_wrong(void **state)
{
    size_t       i;
    json_t      *given;
    const char  *wrong;

    static const struct {
        const char  *text;
        const char  *said;               /* NULL: nothing is wrong */
    } cases[] = {
        { "{\"id\": \"a\", \"text\": \"t\"}", NULL },
        { "{\"id\": \"a\", \"text\": \"t\", \"title\": \"\", \"url\": \"u\", "
          "\"metadata\": {\"a_1\": 1, \"B\": true, \"c\": \"x\"}}", NULL },
        { "[]", "is not an object" },
        { "{\"id\": \"a\"}", "needs an \"id\" and a \"text\"" },
        { "{\"text\": \"a\"}", "needs an \"id\" and a \"text\"" },
        { "{\"id\": \"\", \"text\": \"t\"}", "needs an \"id\" of" },
        { "{\"id\": 1, \"text\": \"t\"}", "needs an \"id\" of" },
        { "{\"id\": \"a\\n\", \"text\": \"t\"}", "control" },
        { "{\"id\": \"a\", \"text\": \"\"}", "needs a \"text\"" },
        { "{\"id\": \"a\", \"text\": [1]}", "needs a \"text\"" },
        { "{\"id\": \"a\", \"text\": \"t\", \"x\": 1}", "unknown member" },
        { "{\"id\": \"a\", \"text\": \"t\", \"title\": 1}", "title" },
        { "{\"id\": \"a\", \"text\": \"t\", \"url\": null}", "url" },
        { "{\"id\": \"a\", \"text\": \"t\", \"metadata\": []}", "metadata" },
        { "{\"id\": \"a\", \"text\": \"t\", \"metadata\": {\"a b\": 1}}",
          "a name in" },
        { "{\"id\": \"a\", \"text\": \"t\", \"metadata\": {\"\": 1}}",
          "a name in" },
        { "{\"id\": \"a\", \"text\": \"t\", \"metadata\": {\"a\": {}}}",
          "a value in" },
        { "{\"id\": \"a\", \"text\": \"t\", \"metadata\": {\"a\": \"\\t\"}}",
          "a value in" },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        given = parse(cases[i].text);
        wrong = ngx_llmops_doc_wrong(given);

        if (cases[i].said == NULL) {
            assert_null(wrong);

        } else {
            assert_non_null(wrong);
            assert_non_null(strstr(wrong, cases[i].said));
        }

        json_decref(given);
    }
}


/* a head keeps what its old one may have in sets, and who is at work */

static void
test_head(void **state)
{
    json_t  *given, *old, *head, *shown;

    (void) state;

    given = parse("{\"id\": \"a\", \"text\": \"text\", \"title\": \"T\"}");

    head = ngx_llmops_doc_head(given, NULL, "sha", "ix:1", "1200/150", 5);
    assert_string_equal(ngx_llmops_doc_string(head, "state"), "pending");
    assert_int_equal(json_integer_value(json_object_get(head, "created")), 5);
    assert_int_equal(json_integer_value(json_object_get(head, "bytes")), 4);
    assert_true(ngx_llmops_doc_same(head, given, "sha", "1200/150", "s"));
    assert_false(ngx_llmops_doc_same(head, given, "other", "1200/150", "s"));
    assert_false(ngx_llmops_doc_same(head, given, "sha", "900/150", "s"));
    json_decref(head);

    old = parse("{\"id\": \"a\", \"state\": \"ready\", \"created\": 1, "
                "\"sha\": \"sha\", \"chunking\": \"c\", \"title\": \"T\", "
                "\"error\": \"no\", \"tries\": 3, \"after\": 99, "
                "\"sets\": {\"s\": {\"c1\": 1}}, \"claim\": {\"by\": 1}}");

    assert_true(ngx_llmops_doc_same(old, given, "sha", "c", "s"));
    assert_false(ngx_llmops_doc_same(old, given, "sha", "c", "s2"));

    head = ngx_llmops_doc_head(given, old, "sha2", "ix:2", "c", 9);
    assert_int_equal(json_integer_value(json_object_get(head, "created")), 1);
    assert_int_equal(json_integer_value(json_object_get(head, "updated")), 9);
    assert_true(json_equal(json_object_get(head, "sets"),
                           json_object_get(old, "sets")));
    assert_non_null(json_object_get(head, "claim"));
    assert_null(json_object_get(head, "error"));
    assert_null(json_object_get(head, "after"));

    shown = ngx_llmops_doc_shown(head);
    assert_int_equal(json_integer_value(json_object_get(shown, "chunks")), 1);
    assert_null(json_object_get(shown, "claim"));

    (void) json_object_set_new(old, "state", json_string("failed"));
    assert_false(ngx_llmops_doc_same(old, given, "sha", "c", "s"));
    (void) json_object_set_new(old, "state", json_string("ready"));
    (void) json_object_del(given, "title");
    assert_false(ngx_llmops_doc_same(old, given, "sha", "c", "s"));

    json_decref(shown);
    json_decref(head);
    json_decref(old);
    json_decref(given);
}


/* what is noted and does not stay goes, one after the other, from all sets */

static void
test_stale(void **state)
{
    json_t      *head, *stay, *names;
    ngx_uint_t   n;
    const char  *set, *chunk;

    (void) state;

    head = parse("{\"id\": \"a\", \"state\": \"pending\", "
                 "\"sets\": {\"old\": {\"c1\": 1, \"c2\": 1}, "
                 "\"new\": {\"c1\": 1, \"c3\": 1}}}");
    stay = parse("{\"c1\": 1, \"c4\": 1}");

    assert_int_equal(ngx_llmops_doc_note(head, "new", stay), NGX_OK);

    names = json_object_get(json_object_get(head, "sets"), "new");
    assert_int_equal(json_object_size(names), 3);

    for (n = 0;
         ngx_llmops_doc_stale(head, "new", stay, &set, &chunk) == NGX_OK;
         n++)
    {
        assert_true(strcmp(set, "old") == 0 || strcmp(chunk, "c3") == 0);
        ngx_llmops_doc_forget(head, set, chunk);
    }

    assert_int_equal(n, 3);
    assert_int_equal(json_object_size(json_object_get(head, "sets")), 1);
    assert_int_equal(json_object_size(names), 2);

    /* nothing stays: the set goes too */

    (void) json_object_clear(stay);

    while (ngx_llmops_doc_stale(head, "new", stay, &set, &chunk) == NGX_OK) {
        ngx_llmops_doc_forget(head, set, chunk);
    }

    assert_int_equal(json_object_size(json_object_get(head, "sets")), 0);

    json_decref(head);
    json_decref(stay);
}


static void
test_chunk(void **state)
{
    json_t     *head, *attr;
    u_char      digest[32], name[NGX_LLMOPS_INDEX_CHUNK + 1];

    (void) state;

    memset(digest, 0, sizeof(digest));
    digest[0] = 0x08;
    digest[9] = 0x1f;

    ngx_llmops_doc_chunk(digest, name);
    assert_string_equal((char *) name, "baaaaaaaaaaaaaa7");

    head = parse("{\"id\": \"a\", \"title\": \"T\", \"url\": \"U\", "
                 "\"metadata\": {\"x\": \"y\", \"b\": true, "
                 "\"i\": 1, \"r\": 1.1}}");

    attr = ngx_llmops_doc_attributes(head, unit_str("some \"text\""), 3);
    json_decref(head);

    head = parse("{\"d\": \"a\", \"n\": 3, \"t\": \"some \\\"text\\\"\", "
                 "\"title\": \"T\", \"url\": \"U\", \"m_x\": \"y\", "
                 "\"m_b\": \"true\", \"m_i\": \"1\", "
                 "\"m_r\": \"1.1\"}");
    assert_true(json_equal(attr, head));

    json_decref(attr);
    json_decref(head);
}


static void
test_load(void **state)
{
    json_t  *head;

    (void) state;

    head = ngx_llmops_doc_load(unit_str("{\"id\":\"a\",\"state\":\"ready\","
                                        "\"sets\":{}}"));
    assert_non_null(head);
    json_decref(head);

    assert_null(ngx_llmops_doc_load(unit_str("{}")));
    assert_null(ngx_llmops_doc_load(unit_str("[]")));
    assert_null(ngx_llmops_doc_load(unit_str("x")));
    assert_string_equal(ngx_llmops_doc_string(NULL, "state"), "");
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_wrong),
        cmocka_unit_test(test_head),
        cmocka_unit_test(test_stale),
        cmocka_unit_test(test_chunk),
        cmocka_unit_test(test_load)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
