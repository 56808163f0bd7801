
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include <jansson.h>
#include "ngx_llmops_out.h"


static void
test_write(void **state)
{
    size_t            i;
    ngx_str_t         s = ngx_string("str");
    ngx_llmops_out_t  out;

    (void) state;

    ngx_llmops_out_init(&out, 65536);
    assert_null(out.data);

    assert_int_equal(ngx_llmops_out_lit(&out, "lit "), NGX_OK);
    assert_int_equal(ngx_llmops_out_str(&out, &s), NGX_OK);
    assert_int_equal(ngx_llmops_out_write(&out, NULL, 0), NGX_OK);
    assert_str(out, "lit str");

    for (i = 0; i < 10000; i++) {
        assert_int_equal(ngx_llmops_out_write(&out, "0123", 4), NGX_OK);
    }

    assert_int_equal(out.len, 40007);
    assert_memory_equal(out.data + 40003, "0123", 4);
    assert_true(out.size <= out.max);

    ngx_llmops_out_free(&out);
    assert_null(out.data);
    assert_int_equal(out.len, 0);

    assert_int_equal(ngx_llmops_out_lit(&out, "again"), NGX_OK);
    assert_str(out, "again");
    ngx_llmops_out_free(&out);
    ngx_llmops_out_free(&out);
}


static void
test_bound(void **state)
{
    u_char            *data;
    ngx_llmops_out_t   out;

    (void) state;

    ngx_llmops_out_init(&out, 8);

    assert_int_equal(ngx_llmops_out_write(&out, "01234567", 8), NGX_OK);
    assert_false(out.failed);

    assert_int_equal(ngx_llmops_out_write(&out, "8", 1), NGX_ERROR);
    assert_true(out.failed);
    assert_str(out, "01234567");

    /* it sticks, for what would fit as well */
    assert_int_equal(ngx_llmops_out_write(&out, "", 0), NGX_ERROR);

    data = out.data;
    ngx_llmops_out_reset(&out);
    assert_false(out.failed);
    assert_ptr_equal(out.data, data);

    assert_int_equal(ngx_llmops_out_write(&out, "0123", 4), NGX_OK);
    assert_int_equal(ngx_llmops_out_write(&out, "x", (size_t) -1), NGX_ERROR);
    assert_int_equal(ngx_llmops_out_write(&out, "x", 1), NGX_ERROR);
    assert_str(out, "0123");

    ngx_llmops_out_reset(&out);
    assert_int_equal(ngx_llmops_out_json(&out, (u_char *) "123456", 6),
                     NGX_OK);
    assert_int_equal(ngx_llmops_out_int(&out, 1), NGX_ERROR);

    ngx_llmops_out_reset(&out);
    assert_int_equal(ngx_llmops_out_json(&out, (u_char *) "12345\n", 6),
                     NGX_ERROR);
    assert_int_equal(out.len, 0);

    ngx_llmops_out_free(&out);

    ngx_llmops_out_init(&out, 0);
    assert_int_equal(ngx_llmops_out_write(&out, "x", 1), NGX_ERROR);
    ngx_llmops_out_free(&out);
}


static void
test_int(void **state)
{
    size_t            i;
    char              text[32];
    ngx_llmops_out_t  out;

    static const int64_t  values[] = {
        0, 1, -1, 9, 10, -10, 1234567890, INT64_MAX, INT64_MIN
    };

    (void) state;

    ngx_llmops_out_init(&out, 64);

    for (i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        ngx_llmops_out_reset(&out);
        assert_int_equal(ngx_llmops_out_int(&out, values[i]), NGX_OK);

        sprintf(text, "%lld", (long long) values[i]);
        assert_str(out, text);
    }

    ngx_llmops_out_free(&out);
}


/* whatever is written as a string, jansson reads it back */

static void
test_json(void **state)
{
    u_char            c[3];
    json_t           *value;
    unsigned          i;
    ngx_llmops_out_t  out;

    (void) state;

    ngx_llmops_out_init(&out, 64);

    for (i = 0; i < 65536; i++) {
        c[0] = 'x';
        c[1] = i >> 8;
        c[2] = i;

        ngx_llmops_out_reset(&out);
        assert_int_equal(ngx_llmops_out_json(&out, c, 3), NGX_OK);

        value = json_loadb((char *) out.data, out.len,
                           JSON_DECODE_ANY|JSON_ALLOW_NUL, NULL);
        assert_non_null(value);

        if (i < 0x8000 && (i & 0x80) == 0) {
            assert_int_equal(json_string_length(value), 3);
            assert_memory_equal(json_string_value(value), c, 3);
        }

        json_decref(value);
    }

    ngx_llmops_out_free(&out);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_int),
        cmocka_unit_test(test_json),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
