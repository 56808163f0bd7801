
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "multipart_run.h"


#define TYPE  "multipart/form-data; boundary=xyz"

#define PART(name, value)                                                     \
    "--xyz\r\nContent-Disposition: form-data; name=\"" name "\"\r\n\r\n"      \
    value "\r\n"

#define HEAD(header)  "--xyz\r\n" header "\r\n\r\nv\r\n--xyz--\r\n"

#define DIGITS  "01234567890123456789012345678901234"

#define END  "--xyz--\r\n"


typedef struct {
    const char  *body;
    ngx_int_t    rc;
    ngx_uint_t   models;
    const char  *model;
    const char  *stream;
} case_t;


static case_t  cases[] = {
    { PART("model", "whisper-1") END, NGX_OK, 1, "whisper-1", NULL },
    { PART("model", "whisper-1") "--xyz--", NGX_OK, 1, "whisper-1", NULL },
    { PART("a", "b") PART("model", "m") PART("stream", "true") END,
      NGX_OK, 1, "m", "true" },
    { PART("model", "") END, NGX_OK, 1, "", NULL },
    { PART("model", "a") PART("model", "bc") END, NGX_OK, 2, "bc", NULL },
    { PART("models", "a") PART("mode", "b") PART("Model", "c") END,
      NGX_OK, 0, NULL, NULL },
    { PART("model", "a\r\nb\r\r\n--xy\r\n-\n") END,
      NGX_OK, 1, "a\r\nb\r\r\n--xy\r\n-\n", NULL },
    { PART("model", "\r\n--x") END, NGX_OK, 1, "\r\n--x", NULL },
    { PART("model", "\r") END, NGX_OK, 1, "\r", NULL },
    { PART("model", "-") END, NGX_OK, 1, "-", NULL },
    { PART("model", "--xy") END, NGX_OK, 1, "--xy", NULL },
    { "\r\n" PART("model", "m") END, NGX_OK, 1, "m", NULL },
    { "preamble\r\n--xy\r\n" PART("model", "m") END "epilogue\r\n--xyz\r\n",
      NGX_OK, 1, "m", NULL },
    { "--xyz \t\r\nContent-Disposition:form-data;name=model\r\n\r\nm\r\n"
      "--xyz--", NGX_OK, 1, "m", NULL },
    { "--xyz\r\nX-Y: z\r\nCONTENT-DISPOSITION : form-data ; filename=\"a;"
      " name=\\\"no\\\"\" ; NAME=\"model\";\r\ncontent-type: text/plain\r\n"
      "Content-Transfer-Encoding: 8BIT\r\n\r\nm\r\n--xyz--",
      NGX_OK, 1, "m", NULL },
    { HEAD("Content-Disposition: form-data; name=\"mo\\del\""),
      NGX_OK, 1, "v", NULL },
    { "--xyz\r\n\r\nno header\r\n" PART("model", "m") END,
      NGX_OK, 1, "m", NULL },
    { HEAD("X: y"), NGX_OK, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data"), NGX_OK, 0, NULL, NULL },
    { PART("file", "\r\n\r\n--xy\r\n--\x01") PART("model", "m") END,
      NGX_OK, 1, "m", NULL },

    { PART("model", "m") "--xyzz", NGX_ERROR, 1, "m", NULL },
    { PART("model", "m") "--xyz-", NGX_OK, 1, "m", NULL },
    { PART("model", "m") "--xyz-x", NGX_ERROR, 1, "m", NULL },
    { PART("model", "m") "--xyz x", NGX_ERROR, 1, "m", NULL },
    { PART("model", "m") "--xyz\rx", NGX_ERROR, 1, "m", NULL },
    { PART("model", "m") "--xyz\nx", NGX_ERROR, 1, "m", NULL },
    { "--xyz\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n"
      "--xyz\r\n", NGX_ERROR, 1, "", NULL },
    { "--xyz\r\n\r\n--xyz--\r\n", NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name*=utf-8''model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name=a; name*0=model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name*0*=utf-8''model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name =model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name\f=model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name=\fmodel"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name=model\xa0"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name=<model>"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition\f: form-data; name=model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name=a; name=model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name=a\r\n"
           "Content-Disposition: form-data; name=model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data;\r\n name=model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("X: y\nContent-Disposition: form-data; name=model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("X: y\rContent-Disposition: form-data; name=model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name=\"model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name=mo\"del\""),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data x; name=model"),
      NGX_ERROR, 0, NULL, NULL },
    { HEAD("no colon"), NGX_ERROR, 0, NULL, NULL },
    { HEAD("Content-Disposition: form-data; name=model\r\n"
           "Content-Transfer-Encoding: base64"),
      NGX_ERROR, 1, "", NULL },
};

#define CASES  (sizeof(cases) / sizeof(cases[0]))


static void
start(multipart_run_t *r)
{
    assert_int_equal(ngx_llmops_multipart_init(&r->m, unit_str(TYPE)),
                     NGX_OK);
    r->rc = NGX_OK;
}


static void
check_field(ngx_llmops_multipart_field_t *field, const char *value,
    const char *body)
{
    if (value == NULL) {
        assert_int_equal(field->count, 0);
        return;
    }

    assert_int_equal(field->len, strlen(value));
    assert_memory_equal(field->value, value, strlen(value));

    if (field->end) {
        assert_int_equal(field->end - field->start, strlen(value));
        assert_memory_equal(body + field->start, value, strlen(value));
    }
}


static void
check_splits(const char *body, size_t len, multipart_run_t *whole)
{
    size_t           i, n;
    multipart_run_t  r;
    const u_char    *p;

    p = (const u_char *) body;

    for (i = 0; i <= len; i++) {
        start(&r);
        multipart_run_feed(&r, p, i);
        multipart_run_feed(&r, p + i, len - i);
        assert_true(multipart_run_same(whole, &r));
    }

    for (n = 1; n < 4; n++) {
        start(&r);

        for (i = 0; i < len; i += n) {
            multipart_run_feed(&r, p + i, ngx_min(n, len - i));
        }

        assert_true(multipart_run_same(whole, &r));
    }
}


static void
test_cases(void **state)
{
    size_t            len;
    case_t           *c;
    multipart_run_t   r;

    (void) state;

    for (c = cases; c < cases + CASES; c++) {
        len = strlen(c->body);

        start(&r);
        multipart_run_feed(&r, (u_char *) c->body, len);

        if (r.rc != c->rc || r.m.model.count != c->models) {
            fail_msg("rc %d, %d models of %s", (int) r.rc,
                     (int) r.m.model.count, c->body);
        }

        check_field(&r.m.model, c->model, c->body);
        check_field(&r.m.stream, c->stream, c->body);
        check_splits(c->body, len, &r);
    }
}


static void
test_complete(void **state)
{
    multipart_run_t  r;

    (void) state;

    start(&r);
    assert_int_equal(ngx_llmops_multipart_feed(&r.m, NULL, 0), NGX_OK);

    multipart_run_feed(&r, (u_char *) PART("model", "m"),
                       sizeof(PART("model", "m")) - 1);
    assert_false(r.m.complete);

    multipart_run_feed(&r, (u_char *) END, sizeof(END) - 1);
    assert_int_equal(r.rc, NGX_OK);
    assert_true(r.m.complete);
}


static void
test_bounds(void **state)
{
    size_t           i;
    u_char           byte;
    const char      *head;
    multipart_run_t  r;

    (void) state;

    /* a value of the longest length, then one more byte */

    head = "--xyz\r\nContent-Disposition: form-data; name=model\r\n\r\n";

    start(&r);
    multipart_run_feed(&r, (u_char *) head, strlen(head));

    byte = 'v';

    for (i = 0; i < NGX_LLMOPS_MULTIPART_VALUE; i++) {
        multipart_run_feed(&r, &byte, 1);
        assert_int_equal(r.rc, NGX_OK);
    }

    multipart_run_feed(&r, &byte, 1);
    assert_int_equal(r.rc, NGX_ERROR);
    multipart_run_feed(&r, (u_char *) "\r\n--xyz--", 9);
    assert_int_equal(r.rc, NGX_ERROR);

    /* a header that never ends */

    start(&r);
    multipart_run_feed(&r, (u_char *) "--xyz\r\n", 7);

    for (i = 0; i < NGX_LLMOPS_MULTIPART_HEADER; i++) {
        multipart_run_feed(&r, &byte, 1);
        assert_int_equal(r.rc, NGX_OK);
    }

    multipart_run_feed(&r, &byte, 1);
    assert_int_equal(r.rc, NGX_ERROR);
}


static void
test_boundary(void **state)
{
    size_t                  i;
    ngx_llmops_multipart_t  m;

    static const struct {
        const char  *type;
        const char  *boundary;             /* NULL: refused */
    } types[] = {
        { "multipart/form-data; boundary=abc", "abc" },
        { "Multipart/Form-Data;BOUNDARY=\"a b\";charset=utf-8", "a b" },
        { " multipart/form-data ; charset=utf-8 ; boundary=a ", "a" },
        { "multipart/form-data; boundary=----WebKitFormBoundaryX0",
          "----WebKitFormBoundaryX0" },
        { "multipart/form-data; boundary=\"a\\b'()+_,-./:=?\"",
          "ab'()+_,-./:=?" },
        { "multipart/form-data; boundary=a;", "a" },
        { "multipart/form-data; boundary=" DIGITS DIGITS, DIGITS DIGITS },
        { "multipart/form-data; boundary=" DIGITS DIGITS "0", NULL },
        { "", NULL }, { "multipart/form-data", NULL },
        { "multipart/form-data; boundary", NULL },
        { "multipart/form-data; boundary=", NULL },
        { "multipart/form-data; boundary=\"\"", NULL },
        { "multipart/form-data; boundary=\"a", NULL },
        { "multipart/form-data; boundary=\"a \"", NULL },
        { "multipart/form-data; boundary=\"a\rb\"", NULL },
        { "multipart/form-data; boundary=a{b", NULL },
        { "multipart/form-data; boundary=a; boundary=b", NULL },
        { "multipart/form-data; boundary*=utf-8''a", NULL },
        { "multipart/form-data; boundary=a; boundary*0=b", NULL },
        { "multipart/form-data; boundary=a; boundary =b", NULL },
        { "multipart/form-data boundary=a", NULL },
        { "multipart/mixed; boundary=a", NULL },
        { "application/json", NULL },
    };

    (void) state;

    for (i = 0; i < sizeof(types) / sizeof(types[0]); i++) {

        if (ngx_llmops_multipart_init(&m, unit_str(types[i].type))
            != (types[i].boundary ? NGX_OK : NGX_DECLINED))
        {
            fail_msg("%s", types[i].type);
        }

        if (types[i].boundary) {
            assert_int_equal(m.delimiter_len, strlen(types[i].boundary) + 4);
            assert_memory_equal(m.delimiter + 4, types[i].boundary,
                                strlen(types[i].boundary));
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_cases),
        cmocka_unit_test(test_complete),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_boundary),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
