
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include <dirent.h>
#include <ftw.h>
#include "jcheck_run.h"


/*
 * The official JSON-Schema-Test-Suite (JSON_SCHEMA_SUITE: a directory that
 * has tests/draft2020-12, tests/draft7, remotes and metaschemas), and what it
 * does not ask: where a document is refused, and that no split matters.
 */


#define MAX_DOCS  256


static ngx_llmops_jschema_doc_t  docs[MAX_DOCS];
static ngx_uint_t                ndocs;
static size_t                    remotes_len;


typedef struct {
    ngx_uint_t                 groups;
    ngx_uint_t                 cases;
    ngx_uint_t                 passed;
    ngx_uint_t                 excepted;
    ngx_uint_t                 prefixes;
} figures_t;


/* what we do not do; see docs/directives.md, "Rules" */

static const char *const  exceptions[] = {

    /* vocabularies of a metaschema are not read: all keywords count */
    "vocabulary.json: schema that uses custom metaschema with with no "
    "validation vocabulary",

    NULL
};


static int
remote(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
    char     uri[512];
    json_t  *root;

    if (flag != FTW_F || ndocs == MAX_DOCS) {
        return 0;
    }

    root = json_load_file(path, JSON_DECODE_ANY, NULL);

    if (root == NULL || strstr(path, "draft3") || strstr(path, "draft4")
        || strstr(path, "draft6") || strstr(path, "draft-next")
        || strstr(path, "draft2019-09"))
    {
        json_decref(root);
        return 0;
    }

    snprintf(uri, sizeof(uri), "http://localhost:1234/%s",
             path + remotes_len + 1);

    docs[ndocs].uri = strdup(uri);
    docs[ndocs++].root = root;

    return 0;
}


/* those name themselves */

static void
metaschemas(const char *dir)
{
    char            path[1024];
    DIR            *d;
    json_t         *root;
    struct dirent  *e;

    d = opendir(dir);

    while (d && (e = readdir(d))) {
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        root = json_load_file(path, 0, NULL);

        if (root && ndocs < MAX_DOCS) {
            docs[ndocs].uri = json_string_value(json_object_get(root, "$id"));
            docs[ndocs++].root = root;
        }
    }

    if (d) {
        closedir(d);
    }
}


static ngx_uint_t
excepted(const char *file, const char *group)
{
    char        name[512];
    ngx_uint_t  i;

    snprintf(name, sizeof(name), "%s: %s", file, group);

    for (i = 0; exceptions[i]; i++) {
        if (strcmp(exceptions[i], name) == 0) {
            return 1;
        }
    }

    return 0;
}


/* the tree and the pieces, for every prefix and split */

static ngx_uint_t
agree(ngx_llmops_jschema_t *s, ngx_llmops_jcheck_t *c, const char *text,
    figures_t *f)
{
    size_t           len, at, n;
    ngx_int_t        tree;
    jcheck_result_t  whole, r;

    len = strlen(text);
    memset(&whole, 0, sizeof(jcheck_result_t));

    for (n = 0; n <= len; n++) {

        /* long documents: their last prefixes, and some of the others */

        if (len > 300 && n < len - 40 && n % 17) {
            continue;
        }

        tree = jcheck_tree(s, text, n);
        whole = jcheck_split(c, text, n, n);
        f->prefixes++;

        if (tree != NGX_ABORT && tree != whole.rc) {
            print_message("prefix %zu of %s: tree %d, pieces %d (%s)\n", n,
                          text, (int) tree, (int) whole.rc, whole.keyword);
            return 0;
        }

        for (at = 0; n == len && at < n; at++) {
            r = jcheck_split(c, text, n, at);

            if (r.rc != whole.rc || r.error != whole.error
                || r.offset != whole.offset)
            {
                print_message("split at %zu of %s: offset %zu, not %zu\n", at,
                              text, r.offset, whole.offset);
                return 0;
            }
        }
    }

    r = jcheck_bytes(c, text, len);

    return r.rc == whole.rc && r.offset == whole.offset
           && r.error == whole.error;
}


static void
suite_group(const char *file, json_t *group, ngx_llmops_jschema_draft_e draft,
    figures_t *f)
{
    char                          err[256], *text;
    size_t                        i;
    json_t                       *tests, *test;
    ngx_uint_t                    valid, expected, except;
    ngx_llmops_jcheck_t          *c;
    ngx_llmops_jschema_t         *s;
    ngx_llmops_jschema_options_t  o = { draft, NULL, docs, ndocs, 7919 };

    s = ngx_llmops_jschema_compile(json_object_get(group, "schema"), &o, err,
                                   sizeof(err));
    if (s == NULL) {
        print_message("%s: %s: %s\n", file,
                      json_string_value(json_object_get(group,
                                                        "description")), err);
    }

    c = s ? ngx_llmops_jcheck_create(s) : NULL;
    tests = json_object_get(group, "tests");
    except = excepted(file, json_string_value(json_object_get(group,
                                                          "description")));
    f->groups++;

    json_array_foreach(tests, i, test) {
        text = json_dumps(json_object_get(test, "data"),
                          JSON_ENCODE_ANY|JSON_COMPACT
                          |JSON_REAL_PRECISION(15)|(i % 2 ? JSON_ENSURE_ASCII
                                                          : 0));
        expected = json_is_true(json_object_get(test, "valid"));
        valid = s && ngx_llmops_jschema_valid(s, json_object_get(test,
                                                                 "data"));
        f->cases++;

        if (s && agree(s, c, text, f) && valid == expected) {
            f->passed++;

        } else if (except) {
            f->excepted++;

        } else {
            print_message("%s: %s: %s: %s\n", file,
                   json_string_value(json_object_get(group, "description")),
                   json_string_value(json_object_get(test, "description")),
                   text);
        }

        free(text);
    }

    if (s) {
        ngx_llmops_jcheck_free(c);
        ngx_llmops_jschema_free(s);
    }
}


static void
suite(const char *dir, ngx_llmops_jschema_draft_e draft, figures_t *f)
{
    char            path[1024];
    DIR            *d;
    size_t          i;
    json_t         *groups, *group;
    struct dirent  *e;

    memset(f, 0, sizeof(figures_t));

    d = opendir(dir);
    assert_non_null(d);

    while ((e = readdir(d))) {
        snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
        groups = json_load_file(path, 0, NULL);

        json_array_foreach(groups, i, group) {
            suite_group(e->d_name, group, draft, f);
        }

        json_decref(groups);
    }

    closedir(d);

    print_message("%s: %zu groups, %zu cases, %zu passed, %zu excepted; "
                  "%zu prefixes agree\n", dir, f->groups, f->cases, f->passed,
                  f->excepted, f->prefixes);
}


static void
test_suite(void **state)
{
    char        path[512];
    figures_t   f;
    const char  *dir = getenv("JSON_SCHEMA_SUITE");

    if (dir == NULL || access(dir, R_OK) != 0) {
        skip();
    }

    snprintf(path, sizeof(path), "%s/remotes", dir);
    remotes_len = strlen(path);
    (void) nftw(path, remote, 16, FTW_PHYS);

    snprintf(path, sizeof(path), "%s/metaschemas", dir);
    metaschemas(path);

    snprintf(path, sizeof(path), "%s/tests/draft2020-12", dir);
    suite(path, NGX_LLMOPS_JSCHEMA_2020_12, &f);
    assert_int_equal(f.cases, f.passed + f.excepted);
    assert_true(f.cases > 1000);

    snprintf(path, sizeof(path), "%s/tests/draft7", dir);
    suite(path, NGX_LLMOPS_JSCHEMA_DRAFT_7, &f);
    assert_int_equal(f.cases, f.passed + f.excepted);
    assert_true(f.cases > 700);

    while (ndocs--) {
        json_decref(docs[ndocs].root);
    }
}


/* where a document is refused: the first byte that no other end makes good */

static void
test_offsets(void **state)
{
    char                   err[256];
    json_t                *root;
    ngx_uint_t             i;
    jcheck_result_t        r;
    ngx_llmops_jcheck_t   *c;
    ngx_llmops_jschema_t  *s;

    static const struct {
        const char  *schema;
        const char  *text;
        size_t       offset;
        const char  *keyword;
    } cases[] = {
        { "{\"type\":\"object\"}", "[1]", 0, "type" },
        { "{\"type\":[\"string\",\"null\"]}", "  12", 2, "type" },
        { "{\"additionalProperties\":false,\"properties\":{\"a\":{}}}",
          "{\"a\":1,\"b\":2}", 9, "additionalProperties" },
        { "{\"properties\":{\"a\":{\"type\":\"integer\"}}}",
          "{\"a\":\"x\"}", 5, "type" },
        { "{\"properties\":{\"a\":{\"type\":\"integer\"}}}",
          "{\"a\":1.5}", 8, "type" },
        { "{\"required\":[\"a\"]}", "{\"b\":{}}", 7, "required" },
        { "{\"maxItems\":1}", "[1,2]", 3, "maxItems" },
        { "{\"maxLength\":3}", "\"abcdef\"", 4, "maxLength" },
        { "{\"maxLength\":1}", "\"\\u00e4\xc3\xa4\"", 8, "maxLength" },
        { "{\"uniqueItems\":true}", "[1,2,1.0,3]", 8, "uniqueItems" },
        { "{\"enum\":[\"a\",\"b\"]}", "\"c\" ", 2, "enum" },
        { "{\"anyOf\":[{\"type\":\"array\"},{\"type\":\"object\"}]}", "null", 0,
          "anyOf" },
        { "{\"not\":{\"type\":\"array\"}}", "[]", 1, "not" },
        { "{\"maxProperties\":1}", "{\"a\":1,\"b\":1}", 9, "maxProperties" },
        { "{\"propertyNames\":{\"maxLength\":2}}", "{\"abc\":1}", 5,
          "maxLength" },
        { "true", "{\"a\":1,\"a\":2}", 9, "repeated member" },
        { "true", "{\"a\" 1}", 5, "" },
        { "{\"$ref\":\"#\"}", "1", 0, "" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        root = json_loads(cases[i].schema, JSON_DECODE_ANY, NULL);
        s = ngx_llmops_jschema_compile(root, NULL, err, sizeof(err));
        assert_non_null(s);
        json_decref(root);

        c = ngx_llmops_jcheck_create(s);
        r = jcheck_split(c, cases[i].text, strlen(cases[i].text), 0);

        assert_int_equal(r.rc, NGX_DECLINED);
        assert_int_equal(r.offset, cases[i].offset);
        assert_string_equal(r.keyword, cases[i].keyword);

        ngx_llmops_jcheck_free(c);
        ngx_llmops_jschema_free(s);
    }
}


static void
test_bad_schemas(void **state)
{
    char         err[256];
    json_t      *root;
    ngx_uint_t   i;

    static const char *const  cases[][2] = {
        { "3", "a schema must be" },
        { "{\"type\":\"text\"}", "unknown \"type\" \"text\"" },
        { "{\"$ref\":\"#/nowhere\"}", "leads nowhere" },
        { "{\"$ref\":\"http://example.com/x\"}", "leads nowhere" },
        { "{\"pattern\":\"(\"}", "invalid pattern" },
        { "{\"minLength\":-1}", "\"minLength\" must be" },
        { "{\"multipleOf\":0}", "must be above 0" },
        { "{\"allOf\":{}}", "\"allOf\" must be an array" },
        { "{\"properties\":{\"a\":[]}}", "a schema must be" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        root = json_loads(cases[i][0], JSON_DECODE_ANY, NULL);

        assert_null(ngx_llmops_jschema_compile(root, NULL, err, sizeof(err)));
        assert_non_null(strstr(err, cases[i][1]));

        json_decref(root);
    }
}


/* memory is bounded, whatever comes */

static void
test_limits(void **state)
{
    int                    i;
    char                   err[256], buf[64];
    json_t                *root;
    ngx_int_t              rc;
    ngx_llmops_jcheck_t   *c;
    ngx_llmops_jschema_t  *s;

    root = json_loads("{\"uniqueItems\":true}", 0, NULL);
    s = ngx_llmops_jschema_compile(root, NULL, err, sizeof(err));
    json_decref(root);

    c = ngx_llmops_jcheck_create(s);
    rc = ngx_llmops_jcheck_feed(c, (u_char *) "[0", 2);

    for (i = 1; i < 400000 && rc == NGX_OK; i++) {
        rc = ngx_llmops_jcheck_feed(c, (u_char *) buf,
                                    snprintf(buf, sizeof(buf), ",%d", i));
    }

    assert_int_equal(rc, NGX_DECLINED);
    assert_true(i > 50000);
    assert_int_equal(ngx_llmops_jcheck_error(c), NGX_LLMOPS_JTOK_LIMIT);

    /* and it may be used again */

    ngx_llmops_jcheck_reset(c);
    rc = NGX_OK;

    for (i = 0; i < 200 && rc == NGX_OK; i++) {
        rc = ngx_llmops_jcheck_feed(c, (u_char *) "[", 1);
    }

    assert_int_equal(ngx_llmops_jcheck_error(c), NGX_LLMOPS_JTOK_DEPTH);
    assert_int_equal(i, NGX_LLMOPS_JTOK_MAX_DEPTH + 1);

    ngx_llmops_jcheck_free(c);
    ngx_llmops_jschema_free(s);
}


/* a pattern that backtracks for ever is given up: no match, soon */

static void
test_bad_pattern(void **state)
{
    char                   err[256];
    json_t                *root;
    struct timespec        a, b;
    jcheck_result_t        r;
    ngx_llmops_jcheck_t   *c;
    ngx_llmops_jschema_t  *s;
    const char            *text = "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
                                  "!\"";

    root = json_loads("{\"pattern\":\"^(a+)+$\"}", 0, NULL);
    s = ngx_llmops_jschema_compile(root, NULL, err, sizeof(err));
    json_decref(root);

    c = ngx_llmops_jcheck_create(s);

    clock_gettime(CLOCK_MONOTONIC, &a);
    r = jcheck_split(c, text, strlen(text), 0);
    clock_gettime(CLOCK_MONOTONIC, &b);

    assert_int_equal(r.rc, NGX_DECLINED);
    /* by going back it would take years */
    assert_true(b.tv_sec - a.tv_sec < 20);

    ngx_llmops_jcheck_free(c);
    ngx_llmops_jschema_free(s);
}


/* A text of n times that, in which each "#" is the number; malloc'ed. */

static char *
repeated(const char *begin, const char *one, int n, const char *end)
{
    int         i;
    char       *text, *p;
    const char *c;

    text = malloc(strlen(begin) + strlen(end) + n * (strlen(one) + 8) + 1);
    p = stpcpy(text, begin);

    for (i = 0; i < n; i++) {
        p += i ? sprintf(p, ",") : 0;

        for (c = one; *c; c++) {
            p += (*c == '#') ? sprintf(p, "%d", i) : sprintf(p, "%c", *c);
        }
    }

    strcpy(p, end);

    return text;
}


/* what a check says of a document; both are freed */

static jcheck_result_t
checked(char *schema, char *document)
{
    char                   err[256];
    json_t                *root;
    jcheck_result_t        r;
    ngx_llmops_jcheck_t   *c;
    ngx_llmops_jschema_t  *s;

    root = json_loads(schema, 0, NULL);
    s = ngx_llmops_jschema_compile(root, NULL, err, sizeof(err));
    assert_non_null(s);

    c = ngx_llmops_jcheck_create(s);
    r = jcheck_split(c, document, strlen(document), 0);

    ngx_llmops_jcheck_free(c);
    ngx_llmops_jschema_free(s);
    json_decref(root);
    free(schema);
    free(document);

    return r;
}


/* a caller's schema can ask for any amount of work on his arguments */

static void
test_work(void **state)
{
    char                   err[256], *text, one[300];
    json_t                *root;

    (void) state;

    /* patterns that need many steps, on many names */

    memset(one, 'a', 200);
    strcpy(one + 200, "b#");
    memmove(one + 1, one, 203);
    one[0] = '"';
    strcat(one, "\":1");

    assert_int_equal(checked(repeated("{\"patternProperties\":{",
                                      "\"(a+)+#$\":{}", 300, "}}"),
                             repeated("{", one, 60, "}")).error,
                     NGX_LLMOPS_JTOK_LIMIT);

    /* many schemas for each of many items */

    assert_int_equal(checked(repeated("{\"items\":{\"anyOf\":[",
                                      "{\"const\":#}", 2000, "]}}"),
                             repeated("[", "1", 20000, "]")).error,
                     NGX_LLMOPS_JTOK_LIMIT);

    /* usual ones may be large */

    assert_int_equal(checked(repeated("{\"patternProperties\":{",
                                      "\"^[a-z]+_#$\":{\"minimum\":0}", 50,
                                      "},\"additionalProperties\":false}"),
                             repeated("{", "\"name_#\":1", 50, "}")).rc,
                     NGX_OK);

    assert_int_equal(checked(repeated("{\"items\":{\"anyOf\":[",
                                      "{\"const\":#}", 100, "]}}"),
                             repeated("[", "1", 5000, "]")).rc,
                     NGX_OK);

    /* patterns that are long when they are compiled */

    text = repeated("{\"patternProperties\":{",
                    "\"(?:abcdefghij){2000}#\":{}", 100, "}}");
    root = json_loads(text, 0, NULL);
    assert_null(ngx_llmops_jschema_compile(root, NULL, err, sizeof(err)));
    assert_non_null(strstr(err, "its patterns need more than"));

    json_decref(root);
    free(text);
}


/* numbers that are the same as doubles */

static void
test_near_numbers(void **state)
{
    size_t                     i;
    char                       schema[100], document[100];

    static const struct {
        const char            *keyword;
        const char            *bound;
        const char            *number;
        ngx_int_t              rc;
    } tests[] = {
        { "maximum", "10000000000000000", "10000000000000001", NGX_DECLINED },
        { "maximum", "10000000000000000", "1e16", NGX_OK },
        { "maximum", "9223372036854775800", "9223372036854775807",
          NGX_DECLINED },
        { "minimum", "-10000000000000000", "-10000000000000001",
          NGX_DECLINED },
        { "exclusiveMinimum", "10000000000000000", "10000000000000001",
          NGX_OK },
        { "minimum", "9999999999999999", "1e35", NGX_OK },
        { "maximum", "9999999999999999", "1e400", NGX_DECLINED },
        { "minimum", "0", "-0.0", NGX_OK }
    };

    (void) state;

    for (i = 0; i < sizeof(tests) / sizeof(tests[0]); i++) {
        snprintf(schema, sizeof(schema), "{\"%s\":%s}", tests[i].keyword,
                 tests[i].bound);
        snprintf(document, sizeof(document), "[%s]", tests[i].number);
        assert_int_equal(checked(repeated("{\"items\":", schema, 1, "}"),
                                 strdup(document)).rc, tests[i].rc);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_suite),
        cmocka_unit_test(test_offsets),
        cmocka_unit_test(test_bad_schemas),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_bad_pattern),
        cmocka_unit_test(test_work),
        cmocka_unit_test(test_near_numbers),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
