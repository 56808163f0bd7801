
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "json_run.h"


/* Documents that every test of splits, cuts and agreement goes through. */

static const char  *documents[] = {
    "{}",
    " \r\n\t{ \t} \n",
    "{\"model\":\"gpt-4o\"}",
    "{\"model\":\"gpt-4o\",\"stream\":true}",
    "{\"stream\":true,\"model\":\"gpt-4o\"}",
    "{\"x\":1,\"model\":\"gpt-4o\",\"y\":[1,{\"model\":\"no\"}]}",
    "{ \"x\" : 1 , \"model\" : \"gpt-4o\" , \"stream\" : false ,"
    " \"n\" : null }",
    "{\"model\":\"a\",\"model\":\"b\",\"model\":\"c\"}",
    "{\"mod\\u0065l\":\"a\"}",
    "{\"model\":\"a\",\"\\u006d\\u006f\\u0064\\u0065\\u006c\":\"b\"}",
    "{\"\\u00e9\":1,\"\xc3\xa9\":2}",
    "{\"\\ud83d\\ude00\":1,\"\\ud83d\":2,\"\\ude00\\ud83d\":3}",
    "{\"mode\":1,\"modelx\":2,\"Model\":3,\"\":4,\"model\\u0000\":5}",
    "{\"model\":\"0123456789abcd\"}",
    "{\"model\":\"0123456789abcde\"}",
    "{\"user\":\"01234567890123456789012345678901234567890123456789\","
    "\"model\":\"0123456789\",\"a\":\"0123456789012345678901234567890\"}",
    "{\"a\":[1,[2,[3,{}]],{\"a\":[]}],\"user\":{\"a\":{\"b\":{}}}}",
    "{\"a\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\uD83D\\uDE00\"}",
    "{\"a\":\"\\ud800\",\"user\":\"\\udc00x\\ud800\\ud800\"}",
    "{\"a\":-0,\"n\":0.5,\"user\":1e10,\"stream\":-1.25E-7,\"x\":10E+2}",
    "{\"a\":9223372036854775807,\"n\":12345678901234567890,\"x\":1e400}",
    "{\"a\":\"caf\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xf4\x8f\xbf\xbf\"}",
    "{\"a\":\"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, "
    "\xe4\xbd\xa0\xe5\xa5\xbd\xef\xbc\x8c\xe4\xb8\x96\xe7\x95\x8c\"}",
    "{\"a\":\"\xe0\xa4\xa8\xe0\xa4\xae \xed\x95\x9c\xed\x9f\xbf\"}",
    "{\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgo=\"},"
    "\"x\":\"data\",\"y\":\"dat:\",\"z\":\"data:\",\"data:key\":\"d\"}",
    "{\"a\":\"a string of more than sixteen, of more than sixty-four bytes,"
    " and then some\\nwith \\\"escapes\\\" in every place\",\"model\":\"m\"}",
    "{\"a key of more than sixteen bytes\":1,"
    "\"max_completion_tokens\":100,\"a_key_of_more_than_sixteen\\n\":2}",
    "{\"max\\u005fcompletion\\u005ftokens\":1,\"stream_options\":"
    "{\"include_usage\":true}}",
    "{\"n\":1,\"a\":true,\"stream\":false,\"user\":null}",

    /* errors */
    "",
    " ",
    "\xef\xbb\xbf{}",
    "[]", "\"x\"", "1", "-1", "true", "false", "null", "x", "}",
    "{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":1,",
    "{\"a\":[", "{\"a\":[1", "{\"a\":\"\\", "{\"a\":\"\\u12", "{\"a\":tr",
    "{}x", "{}{}", "{},", "{]", "{\"a\":[}", "{\"a\":[1}", "{\"a\":1]",
    "{,}", "{\"a\":1,}", "{\"a\",1}", "{\"a\":,}", "{\"a\" 1}", "{a:1}",
    "{'a':1}", "{1:1}", "{\"a\":[1,]}", "{\"a\":[,1]}", "{\"a\":[1 2]}",
    "{\"a\":1 \"b\":2}", "{\"a\"::1}", "{\"a\":}",
    "{\"a\":01}", "{\"a\":-}", "{\"a\":-a}", "{\"a\":+1}", "{\"a\":1.}",
    "{\"a\":.5}", "{\"a\":1.e5}", "{\"a\":1e}", "{\"a\":1e+}",
    "{\"a\":1e5.5}", "{\"a\":0x1}", "{\"a\":1a}", "{\"a\":-01}",
    "{\"a\":--1}", "{\"a\":1-1}", "{\"a\":NaN}", "{\"a\":Infinity}",
    "{\"a\":tru}", "{\"a\":truex}", "{\"a\":True}", "{\"a\":nul}",
    "{\"a\":fals1}", "{\"a\":t}", "{\"a\":nulll}",
    "{\"a\":\"\\x\"}", "{\"a\":\"\\u12g4\"}", "{\"a\":\"\\u\"}",
    "{\"a\":\"\\U0041\"}", "{\"a\":\"\\'\"}", "{\"a\":\"\t\"}",
    "{\"a\":\"\n\"}", "{\"a\":\"\x1f\"}", "{\"a\":\"\x7f\"}",
    "{\"a\nb\":1}", "{\"a\":/**/1}", "{\"a\":1}//", "\v{}", "\f{}",
    "{\"a\":\xc2\xa0" "1}",

    /* UTF-8 */
    "{\"a\":\"\x80\"}", "{\"a\":\"\xbf\"}", "{\"a\":\"\xc0\x80\"}",
    "{\"a\":\"\xc1\xbf\"}", "{\"a\":\"\xc2\"}", "{\"a\":\"\xc2\xc2\"}",
    "{\"a\":\"\xe0\x9f\xbf\"}", "{\"a\":\"\xe0\xa0\"}",
    "{\"a\":\"\xe2\x82\"}", "{\"a\":\"\xe2\x28\xa1\"}",
    "{\"a\":\"\xed\xa0\x80\"}", "{\"a\":\"\xed\xbf\xbf\"}",
    "{\"a\":\"\xee\x80\x80\xef\xbf\xbf\"}",
    "{\"a\":\"\xf0\x8f\xbf\xbf\"}", "{\"a\":\"\xf0\x90\x80\x80\"}",
    "{\"a\":\"\xf0\x90\x80\"}", "{\"a\":\"\xf4\x90\x80\x80\"}",
    "{\"a\":\"\xf5\x80\x80\x80\"}", "{\"a\":\"\xf8\x88\x80\x80\x80\"}",
    "{\"a\":\"\xfe\"}", "{\"a\":\"\xff\"}", "{\"\xff\":1}",
    "{\"a\":\"\xe4\xbd\xa0\xe5\xa5\"}", "{\"a\":\"\xe4\xbd\xa0\xe5\"}",
    "{\"a\":\"0123456789abcdef0123456789abcdef\xc3\x28 and more text\"}",
    "{\"a\":\"\xe4\xbd\xa0\xe5\xa5\xbd\xe4\xb8\x96\xe7\x95\x8c\xc0\xaf\"}",
    "{\"a\":\"\xd0\x9f\xd1\x80\xd0\xb8\xd0\x00\xd0\"}",
};

#define DOCUMENTS  (sizeof(documents) / sizeof(documents[0]))


/* feeds a document in two pieces, and in pieces of n bytes */

static void
check_splits(const u_char *p, size_t len)
{
    size_t      i, n;
    json_run_t  whole, split;

    json_run(&whole, p, len);

    for (i = 0; i <= len; i++) {
        json_run_start(&split);
        json_run_feed(&split, p, i);
        json_run_feed(&split, p + i, len - i);
        json_run_end(&split);

        assert_true(json_run_same(&whole, &split));
    }

    for (n = 1; n < 4; n++) {
        json_run_start(&split);

        for (i = 0; i < len; i += n) {
            json_run_feed(&split, p + i, ngx_min(n, len - i));
        }

        json_run_end(&split);

        assert_true(json_run_same(&whole, &split));
    }
}


static void
check_document(const u_char *p, size_t len)
{
    ngx_uint_t  i;
    json_run_t  r;

    json_run(&r, p, len);

    if (r.done != NGX_LLMOPS_JSON_NOT_OBJECT
        && !json_run_agrees(&r, p, len))
    {
        fail_msg("no agreement on %.*s", (int) ngx_min(len, 200), p);
    }

    for (i = 0; i < JSON_WANT; i++) {
        if (!json_run_cut_is_right(&r, i, p, len)) {
            fail_msg("wrong cut of %s in %.*s", json_want[i].name.data,
                     (int) len, p);
        }
    }

    if (len <= 1024) {
        check_splits(p, len);
    }
}


static void
test_documents(void **state)
{
    ngx_uint_t  i;

    (void) state;

    for (i = 0; i < DOCUMENTS; i++) {
        check_document((u_char *) documents[i], strlen(documents[i]));
    }
}


/* the same, each document as the value of a member, so that arrays count */

static void
check_wrapped(const u_char *p, size_t len)
{
    u_char  *doc;

    doc = malloc(len + 6);
    memcpy(doc, "{\"a\":", 5);
    memcpy(doc + 5, p, len);
    doc[len + 5] = '}';

    check_document(doc, len + 6);

    free(doc);
}


static void
test_wrapped(void **state)
{
    ngx_uint_t  i;

    (void) state;

    for (i = 0; i < DOCUMENTS; i++) {
        check_wrapped((u_char *) documents[i], strlen(documents[i]));
    }
}


/*
 * A suite in a file of lines "name hex", for example JSONTestSuite as unit.mk
 * prepares it.  The name's first letter says what a parser must do with it.
 */

static void
check_suite_line(const char *name, const char *hex)
{
    size_t       i, len;
    u_char      *p;
    unsigned     byte;
    json_run_t   r;

    len = strlen(hex) / 2;
    p = malloc(len + 6);

    memcpy(p, "{\"a\":", 5);

    for (i = 0; i < len; i++) {
        assert_int_equal(sscanf(hex + i * 2, "%2x", &byte), 1);
        p[i + 5] = byte;
    }

    p[len + 5] = '}';

    json_run(&r, p, len + 6);

    if ((name[0] == 'y' && r.done != NGX_LLMOPS_JSON_OK)
        || (name[0] == 'n' && r.done == NGX_LLMOPS_JSON_OK))
    {
        fail_msg("%s: %s", name, ngx_llmops_json_error(r.done));
    }

    check_document(p + 5, len);
    check_document(p, len + 6);

    free(p);
}


static void
test_suite(void **state)
{
    char        *line, *hex;
    FILE        *f;
    size_t       size;
    ngx_uint_t   n;

    (void) state;

    f = getenv("JSON_SUITE") ? fopen(getenv("JSON_SUITE"), "r") : NULL;

    if (f == NULL) {
        skip();
    }

    n = 0;
    line = NULL;
    size = 0;

    while (getline(&line, &size, f) > 0) {
        hex = strchr(line, ' ');
        assert_non_null(hex);

        *hex++ = '\0';
        hex[strcspn(hex, "\n")] = '\0';

        check_suite_line(line, hex);
        n++;
    }

    print_message("%d cases of the suite\n", (int) n);
    assert_true(n > 0);

    free(line);
    fclose(f);
}


static ngx_uint_t
scan_error(const char *doc, size_t *offset)
{
    json_run_t  r;

    json_run(&r, (u_char *) doc, strlen(doc));
    *offset = r.scan.offset;

    return r.done;
}


static void
test_errors(void **state)
{
    size_t      i, at;
    json_run_t  r;

    static const struct {
        const char  *doc;
        ngx_uint_t   error;
        size_t       offset;
    } cases[] = {
        { "", NGX_LLMOPS_JSON_TRUNCATED, 0 },
        { "{\"a\":1", NGX_LLMOPS_JSON_TRUNCATED, 6 },
        { "{\"a\":\"\xe2\x82", NGX_LLMOPS_JSON_TRUNCATED, 8 },
        { " [1]", NGX_LLMOPS_JSON_NOT_OBJECT, 1 },
        { "\"x\"", NGX_LLMOPS_JSON_NOT_OBJECT, 0 },
        { "-", NGX_LLMOPS_JSON_NOT_OBJECT, 0 },
        { "x", NGX_LLMOPS_JSON_SYNTAX, 0 },
        { "\xef\xbb\xbf{}", NGX_LLMOPS_JSON_SYNTAX, 0 },
        { "{}  x", NGX_LLMOPS_JSON_SYNTAX, 4 },
        { "{\"a\":tru }", NGX_LLMOPS_JSON_SYNTAX, 8 },
        { "{\"a\":01}", NGX_LLMOPS_JSON_SYNTAX, 6 },
        { "{\"a\":1.}", NGX_LLMOPS_JSON_SYNTAX, 7 },
        { "{\"a\":\"\\u00g0\"}", NGX_LLMOPS_JSON_SYNTAX, 10 },
        { "{\"a\":\"\x01\"}", NGX_LLMOPS_JSON_SYNTAX, 6 },
        { "{\"a\":\"\xc3\"}", NGX_LLMOPS_JSON_UTF8, 7 },
        { "{\"a\":\"\xff\"}", NGX_LLMOPS_JSON_UTF8, 6 },
        { "{\"a\":\"\xed\xa0\x80\"}", NGX_LLMOPS_JSON_UTF8, 7 },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(scan_error(cases[i].doc, &at), cases[i].error);
        assert_int_equal(at, cases[i].offset);
    }

    /* an error stays, and so does its place */

    json_run_start(&r);
    json_run_feed(&r, (u_char *) "{x", 2);
    json_run_feed(&r, (u_char *) "{}", 2);
    json_run_end(&r);

    assert_int_equal(r.rc, NGX_LLMOPS_JSON_SYNTAX);
    assert_int_equal(r.done, NGX_LLMOPS_JSON_SYNTAX);
    assert_int_equal(r.scan.offset, 1);

    for (i = 0; i < 8; i++) {
        assert_true(strlen(ngx_llmops_json_error(i)) > 0);
    }
}


static void
test_depth(void **state)
{
    size_t      n;
    u_char      doc[2 * NGX_LLMOPS_JSON_MAX_DEPTH + 8];
    json_run_t  r;

    (void) state;

    n = NGX_LLMOPS_JSON_MAX_DEPTH - 1;

    memcpy(doc, "{\"a\":", 5);
    memset(doc + 5, '[', n);
    memset(doc + 5 + n, ']', n);
    doc[5 + 2 * n] = '}';

    json_run(&r, doc, 6 + 2 * n);
    assert_int_equal(r.done, NGX_LLMOPS_JSON_OK);

    doc[5 + n] = '[';

    json_run(&r, doc, 6 + 2 * n);
    assert_int_equal(r.done, NGX_LLMOPS_JSON_DEPTH);
    assert_int_equal(r.scan.offset, 5 + n);
}


static void
test_members(void **state)
{
    json_run_t                 r;
    const char                *doc;
    ngx_llmops_json_member_t  *m;

    (void) state;

    doc = " {\"x\":[{\"model\":1}], \"model\" : \"gpt\" ,\"stream\":true,"
          "\"m\\u006fdel\":\"\\u0067pt-4\"} ";

    json_run(&r, (u_char *) doc, strlen(doc));

    assert_int_equal(r.done, NGX_LLMOPS_JSON_OK);
    assert_int_equal(r.scan.open, 1);
    assert_int_equal(r.scan.close, strlen(doc) - 2);
    assert_int_equal(r.scan.members, 4);
    assert_int_equal(r.scan.text_bytes, 3 + 10);

    m = &r.found[0];

    assert_int_equal(m->count, 2);
    assert_int_equal(m->type, NGX_LLMOPS_JSON_STRING);
    assert_str(m->value, "\"\\u0067pt-4\"");
    assert_int_equal(m->end - m->start, m->value.len);
    assert_memory_equal(doc + m->start, m->value.data, m->value.len);
    assert_int_equal(doc[m->cut_start], ',');
    assert_int_equal(m->cut_end, m->end);

    m = &r.found[1];

    assert_int_equal(m->count, 1);
    assert_int_equal(m->type, NGX_LLMOPS_JSON_TRUE);
    assert_str(m->value, "true");

    assert_int_equal(r.found[2].count, 0);
    assert_int_equal(r.found[2].type, NGX_LLMOPS_JSON_NONE);
}


static void
test_capture(void **state)
{
    json_run_t   r;
    const char  *doc;

    (void) state;

    /* 16 bytes with the quotes are the most for a model */

    doc = "{\"model\":\"0123456789abcd\"}";
    json_run(&r, (u_char *) doc, strlen(doc));
    assert_str(r.found[0].value, "\"0123456789abcd\"");

    doc = "{\"model\":\"0123456789abcde\"}";
    json_run(&r, (u_char *) doc, strlen(doc));
    assert_int_equal(r.found[0].count, 1);
    assert_null(r.found[0].value.data);

    /* the same member again and again needs no more room */

    doc = "{\"model\":\"0123456789\",\"model\":\"0123456789\","
          "\"model\":\"0123456789\",\"model\":\"0123456789\","
          "\"model\":\"0123456789\",\"model\":\"012345678x\"}";
    json_run(&r, (u_char *) doc, strlen(doc));
    assert_int_equal(r.found[0].count, 6);
    assert_str(r.found[0].value, "\"012345678x\"");

    /* what does not fit is found without its bytes */

    doc = "{\"user\":\"01234567890123456789012345678901234567890123456789\","
          "\"model\":\"0123456789a\"}";
    json_run(&r, (u_char *) doc, strlen(doc));
    assert_int_equal(r.found[7].value.len, 52);
    assert_int_equal(r.found[0].count, 1);
    assert_null(r.found[0].value.data);

    doc = "{\"stream_options\": { \"include_usage\" : true } }";
    json_run(&r, (u_char *) doc, strlen(doc));
    assert_int_equal(r.found[2].type, NGX_LLMOPS_JSON_OBJECT);
    assert_str(r.found[2].value, "{ \"include_usage\" : true }");
}


static void
test_data_urls(void **state)
{
    json_run_t   r;
    const char  *doc;

    (void) state;

    doc = "{\"x\":[\"data:image/png;base64,AAAA\",\"data\",\"datax:\","
          "\"data:\",\"\\u0064ata:\",\"\"],\"data:\":\"text\"}";

    json_run(&r, (u_char *) doc, strlen(doc));

    assert_int_equal(r.scan.data_urls, 2);
    assert_int_equal(r.scan.data_bytes, 26 + 5);
    assert_int_equal(r.scan.text_bytes, 4 + 6 + 10 + 4);
}


static void
test_iterate(void **state)
{
    ngx_int_t               rc;
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    (void) state;

    assert_int_equal(ngx_llmops_json_object(&it, unit_str(
                         " { \"a\" : [ 1 , \"]\\\"\" ] , \"b\\\"\":{\"c\":{}},"
                         "\"d\":-1.5e3 , \"e\":null}")),
                     NGX_OK);

    assert_int_equal(ngx_llmops_json_next(&it, &key, &value), NGX_OK);
    assert_str(key, "a");
    assert_str(value, "[ 1 , \"]\\\"\" ]");

    assert_int_equal(ngx_llmops_json_next(&it, &key, &value), NGX_OK);
    assert_str(key, "b\\\"");
    assert_str(value, "{\"c\":{}}");

    assert_int_equal(ngx_llmops_json_next(&it, &key, &value), NGX_OK);
    assert_str(key, "d");
    assert_str(value, "-1.5e3");

    assert_int_equal(ngx_llmops_json_next(&it, &key, &value), NGX_OK);
    assert_str(value, "null");

    rc = ngx_llmops_json_next(&it, &key, &value);
    assert_int_equal(rc, NGX_DONE);
    assert_int_equal(ngx_llmops_json_next(&it, &key, &value), NGX_DONE);

    assert_int_equal(ngx_llmops_json_array(&it, unit_str("[true, \"x\"]")),
                     NGX_OK);
    assert_int_equal(ngx_llmops_json_next(&it, NULL, &value), NGX_OK);
    assert_str(value, "true");
    assert_int_equal(ngx_llmops_json_next(&it, NULL, &value), NGX_OK);
    assert_str(value, "\"x\"");
    assert_int_equal(ngx_llmops_json_next(&it, NULL, &value), NGX_DONE);

    assert_int_equal(ngx_llmops_json_array(&it, unit_str("{}")),
                     NGX_DECLINED);
    assert_int_equal(ngx_llmops_json_object(&it, unit_str("[]")),
                     NGX_DECLINED);
    assert_int_equal(ngx_llmops_json_object(&it, unit_str("  ")),
                     NGX_DECLINED);
    assert_int_equal(ngx_llmops_json_object(&it, unit_str("")),
                     NGX_DECLINED);
}


static void
test_iterate_garbage(void **state)
{
    size_t                  i, len;
    u_char                 *copy;
    ngx_int_t               rc;
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    static const char  *garbage[] = {
        "{", "{\"", "{\"a", "{\"a\"", "{\"a\":", "{\"a\":1", "{\"a\":\"",
        "{\"a\":\"\\\"", "{\"a\":[}", "{\"a\":[1}", "{\"a\":{]}", "{,}",
        "{\"a\":1 2}", "{\"a\":tru}", "{\"a\":x}", "{\"a\":1,}", "{1:1}",
        "{\"a\" 1}", "{\"a\":,}", "{\"a\":[\"}", "{\"a\":1]"
    };

    (void) state;

    for (i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
        len = strlen(garbage[i]);
        copy = malloc(len);
        memcpy(copy, garbage[i], len);

        value.data = copy;
        value.len = len;

        assert_int_equal(ngx_llmops_json_object(&it, &value), NGX_OK);

        do {
            rc = ngx_llmops_json_next(&it, &key, &value);
        } while (rc == NGX_OK);

        assert_int_equal(rc, NGX_ERROR);

        free(copy);
    }
}


static void
test_iterate_depth(void **state)
{
    u_char                  doc[2 * NGX_LLMOPS_JSON_MAX_DEPTH + 4];
    ngx_str_t               array, value;
    ngx_llmops_json_iter_t  it;

    (void) state;

    /* one bracket is the iterated array's own */

    array.data = doc;
    array.len = 2 * (NGX_LLMOPS_JSON_MAX_DEPTH + 1);

    memset(doc, '[', array.len / 2);
    memset(doc + array.len / 2, ']', array.len / 2);

    assert_int_equal(ngx_llmops_json_array(&it, &array), NGX_OK);
    assert_int_equal(ngx_llmops_json_next(&it, NULL, &value), NGX_OK);
    assert_int_equal(value.len, 2 * NGX_LLMOPS_JSON_MAX_DEPTH);

    array.len += 2;

    memset(doc, '[', array.len / 2);
    memset(doc + array.len / 2, ']', array.len / 2);

    assert_int_equal(ngx_llmops_json_array(&it, &array), NGX_OK);
    assert_int_equal(ngx_llmops_json_next(&it, NULL, &value), NGX_ERROR);
}


static void
test_get(void **state)
{
    ngx_str_t   value, *doc;

    (void) state;

    doc = unit_str("{\"usage\":{\"prompt_tokens\":12,\"prompt_tokens_details\":"
                   "{\"cached_tokens\":7}},\"usage2\":1,\"a\":1,\"a\":2}");

    assert_int_equal(ngx_llmops_json_get(doc, "usage.prompt_tokens", &value),
                     NGX_OK);
    assert_str(value, "12");

    assert_int_equal(ngx_llmops_json_get(doc,
                         "usage.prompt_tokens_details.cached_tokens", &value),
                     NGX_OK);
    assert_str(value, "7");

    assert_int_equal(ngx_llmops_json_get(doc, "a", &value), NGX_OK);
    assert_str(value, "2");

    assert_int_equal(ngx_llmops_json_get(doc, "b", &value), NGX_DECLINED);
    assert_int_equal(ngx_llmops_json_get(doc, "a.b", &value), NGX_DECLINED);
    assert_int_equal(ngx_llmops_json_get(doc, "usage.x", &value),
                     NGX_DECLINED);
    assert_int_equal(ngx_llmops_json_get(unit_str("{\"a\":1"), "a", &value),
                     NGX_DECLINED);
    assert_str(value, "2");
}


static void
test_type(void **state)
{
    (void) state;

    assert_int_equal(ngx_llmops_json_type(unit_str("{}")),
                     NGX_LLMOPS_JSON_OBJECT);
    assert_int_equal(ngx_llmops_json_type(unit_str("[]")),
                     NGX_LLMOPS_JSON_ARRAY);
    assert_int_equal(ngx_llmops_json_type(unit_str("\"\"")),
                     NGX_LLMOPS_JSON_STRING);
    assert_int_equal(ngx_llmops_json_type(unit_str("-1")),
                     NGX_LLMOPS_JSON_NUMBER);
    assert_int_equal(ngx_llmops_json_type(unit_str("0")),
                     NGX_LLMOPS_JSON_NUMBER);
    assert_int_equal(ngx_llmops_json_type(unit_str("true")),
                     NGX_LLMOPS_JSON_TRUE);
    assert_int_equal(ngx_llmops_json_type(unit_str("false")),
                     NGX_LLMOPS_JSON_FALSE);
    assert_int_equal(ngx_llmops_json_type(unit_str("null")),
                     NGX_LLMOPS_JSON_NULL);
    assert_int_equal(ngx_llmops_json_type(unit_str("")),
                     NGX_LLMOPS_JSON_NONE);
    assert_int_equal(ngx_llmops_json_type(unit_str("x")),
                     NGX_LLMOPS_JSON_NONE);
}


static void
test_count(void **state)
{
    size_t   i;
    int64_t  n;

    static const struct {
        const char  *value;
        int64_t      n;                    /* -1: none */
    } cases[] = {
        { "0", 0 }, { "12", 12 }, { "12.0", 12 },
        { "12.000000000000000000", 12 },
        { "1e3", 1000 }, { "1E+3", 1000 }, { "1.5e1", 15 }, { "1200e-2", 12 },
        { "0e99999999999999999", -1 }, { "0e5", 0 }, { "0.0", 0 },
        { "\"12\"", 12 }, { "\"0\"", 0 }, { "9007199254740992", 1LL << 53 },
        { "9007199254740993", -1 }, { "9.007199254740992e15", 1LL << 53 },
        { "9007199254740992e1", -1 }, { "900719925474099200e-2", -1 },
        { "1e15", 1000000000000000 }, { "1e16", -1 }, { "1e400", -1 },
        { "1e-400", -1 }, { "0e400", 0 },
        { "", -1 }, { "-1", -1 }, { "-0", -1 }, { "1.5", -1 }, { "1e-1", -1 },
        { "01", -1 }, { "1.", -1 }, { ".5", -1 }, { "1e", -1 }, { "e5", -1 },
        { "1e+", -1 }, { "1x", -1 }, { "\"\"", -1 }, { "\"1.0\"", -1 },
        { "\"-1\"", -1 }, { "\"1 \"", -1 }, { "\"", -1 }, { "null", -1 },
        { "true", -1 }, { "[1]", -1 }, { "99999999999999999999999", -1 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        n = -1;

        if (ngx_llmops_json_count(unit_str(cases[i].value), &n)
            != (cases[i].n < 0 ? NGX_DECLINED : NGX_OK)
            || n != cases[i].n)
        {
            fail_msg("count of %s is %lld", cases[i].value, (long long) n);
        }
    }
}


static void
test_string(void **state)
{
    size_t     i;
    u_char     buf[16], copy[32];
    ngx_str_t  out, value;

    static const struct {
        const char  *value;
        const char  *text;                 /* NULL: none */
    } cases[] = {
        { "\"\"", "" }, { "\"abc\"", "abc" }, { "\"a\\nb\"", "a\nb" },
        { "\"\\\"\\\\\\/\\b\\f\\r\\t\"", "\"\\/\b\f\r\t" },
        { "\"\\u0041\\u00e9\\u20ac\"", "A\xc3\xa9\xe2\x82\xac" },
        { "\"\\uD83D\\uDE00\"", "\xf0\x9f\x98\x80" },
        { "\"\\uD83Dx\"", "\xef\xbf\xbdx" }, { "\"\\uDE00\"", "\xef\xbf\xbd" },
        { "\"\\uD83D\\uD83D\"", "\xef\xbf\xbd\xef\xbf\xbd" },
        { "\"\\uD83D\\n\"", "\xef\xbf\xbd\n" },
        { "\"\\n012345678901234\"", "\n012345678901234" },
        { "\"\\n0123456789012345\"", NULL },
        { "\"01234567890123456789\"", "01234567890123456789" },
        { "\"0123456789012\\u20ac\"", "0123456789012\xe2\x82\xac" },
        { "\"01234567890123\\u20ac\"", NULL },
        { "", NULL }, { "\"", NULL }, { "1", NULL }, { "\"a", NULL },
        { "\"\\\"", NULL }, { "\"\\x\"", NULL }, { "\"\\u12\"", NULL },
        { "\"\\u123g\"", NULL }, { "\"\\ud83d\\u12\"", NULL }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        value.len = strlen(cases[i].value);
        value.data = copy;
        memcpy(copy, cases[i].value, value.len);

        if (cases[i].text == NULL) {
            assert_int_equal(ngx_llmops_json_string(&value, buf, sizeof(buf),
                                                    &out),
                             NGX_DECLINED);
            continue;
        }

        assert_int_equal(ngx_llmops_json_string(&value, buf, sizeof(buf),
                                                &out),
                         NGX_OK);
        assert_str(out, cases[i].text);
    }
}


static void
test_escape(void **state)
{
    size_t  i, len, n;
    u_char  buf[256];

    static const struct {
        const char  *text;
        const char  *escaped;
    } cases[] = {
        { "", "" }, { "abc", "abc" }, { "\"\\/", "\\\"\\\\/" },
        { "\b\t\n\v\f\r\x01\x1f\x7f",
          "\\b\\t\\n\\u000b\\f\\r\\u0001\\u001f\x7f" },
        { "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80",
          "\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "\xff", "\xef\xbf\xbd" }, { "a\xc3", "a\xef\xbf\xbd" },
        { "\xc3\"", "\xef\xbf\xbd\\\"" },
        { "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" },
        { "a text of more than sixteen and of more than sixty-four bytes, "
          "with a \"quote\" in it and a\nline end",
          "a text of more than sixteen and of more than sixty-four bytes, "
          "with a \\\"quote\\\" in it and a\\nline end" }
    };

    (void) state;

    assert_int_equal(ngx_llmops_json_escaped_len(NULL, 0), 0);
    assert_ptr_equal(ngx_llmops_json_escape(buf, NULL, 0), buf);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        len = strlen(cases[i].text);
        n = ngx_llmops_json_escape(buf, (u_char *) cases[i].text, len) - buf;

        assert_int_equal(n, strlen(cases[i].escaped));
        assert_memory_equal(buf, cases[i].escaped, n);
        assert_int_equal(ngx_llmops_json_escaped_len(
                             (u_char *) cases[i].text, len), n);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_wrapped),
        cmocka_unit_test(test_suite),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_capture),
        cmocka_unit_test(test_data_urls),
        cmocka_unit_test(test_iterate),
        cmocka_unit_test(test_iterate_garbage),
        cmocka_unit_test(test_iterate_depth),
        cmocka_unit_test(test_get),
        cmocka_unit_test(test_type),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_string),
        cmocka_unit_test(test_escape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
