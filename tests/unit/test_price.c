
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_price.h"


static void
check_parse(const char *text, ngx_uint_t scale, ngx_uint_t round,
    ngx_int_t rc, int64_t expected)
{
    int64_t  value;

    value = -7;

    assert_int_equal(ngx_llmops_price_parse(unit_str(text), scale, round,
                                            &value),
                     rc);
    assert_int_equal(value, rc == NGX_OK ? expected : -7);
}


static void
test_per_million(void **state)
{
    (void) state;

    check_parse("2.00", 6, 0, NGX_OK, 2000000);
    check_parse("2", 6, 0, NGX_OK, 2000000);
    check_parse("0", 6, 0, NGX_OK, 0);
    check_parse("0.0", 6, 0, NGX_OK, 0);
    check_parse(".5", 6, 0, NGX_OK, 500000);
    check_parse("5.", 6, 0, NGX_OK, 5000000);
    check_parse("0.075", 6, 0, NGX_OK, 75000);
    check_parse("0.000001", 6, 0, NGX_OK, 1);
    check_parse("0.10000000000000000000000000", 6, 0, NGX_OK, 100000);
    check_parse("1000000000", 6, 0, NGX_OK, NGX_LLMOPS_PRICE_MAX);

    check_parse("0.0000001", 6, 0, NGX_DECLINED, 0);
    check_parse("0.1234567", 6, 0, NGX_DECLINED, 0);
    check_parse("0.1000000000000000000000001", 6, 0, NGX_ERROR, 0);

    check_parse("", 6, 0, NGX_ERROR, 0);
    check_parse(".", 6, 0, NGX_ERROR, 0);
    check_parse("-1", 6, 0, NGX_ERROR, 0);
    check_parse("+1", 6, 0, NGX_ERROR, 0);
    check_parse(" 1", 6, 0, NGX_ERROR, 0);
    check_parse("1 ", 6, 0, NGX_ERROR, 0);
    check_parse("1.2.3", 6, 0, NGX_ERROR, 0);
    check_parse("1e3", 6, 0, NGX_ERROR, 0);
    check_parse("cheap", 6, 0, NGX_ERROR, 0);
    check_parse("1000000000.000001", 6, 0, NGX_ERROR, 0);
    check_parse("1000000001", 6, 0, NGX_ERROR, 0);
    check_parse("99999999999999999999999999", 6, 0, NGX_ERROR, 0);
}


static void
test_per_token(void **state)
{
    (void) state;

    check_parse("3e-7", 12, 1, NGX_OK, 300000);
    check_parse("1.5E-06", 12, 1, NGX_OK, 1500000);
    check_parse("0.000002", 12, 1, NGX_OK, 2000000);
    check_parse("1e+1", 12, 1, NGX_OK, 10000000000000);
    check_parse("0e99", 12, 1, NGX_OK, 0);
    check_parse("1e-999", 12, 1, NGX_OK, 0);

    /* to the nearest */

    check_parse("4.9e-13", 12, 1, NGX_OK, 0);
    check_parse("5e-13", 12, 1, NGX_OK, 1);
    check_parse("1.4999e-12", 12, 1, NGX_OK, 1);
    check_parse("9.9e-14", 12, 1, NGX_OK, 0);
    check_parse("0.1234567890123456789", 12, 1, NGX_OK, 123456789012);

    check_parse("1e4", 12, 1, NGX_ERROR, 0);
    check_parse("1e9999", 12, 1, NGX_ERROR, 0);
    check_parse("1e", 12, 1, NGX_ERROR, 0);
    check_parse("1e-", 12, 1, NGX_ERROR, 0);
    check_parse("1ex", 12, 1, NGX_ERROR, 0);
    check_parse("e3", 12, 1, NGX_ERROR, 0);
    check_parse("nan", 12, 1, NGX_ERROR, 0);
}


static void
prices(ngx_llmops_price_t *price, int64_t input, int64_t output)
{
    ngx_llmops_price_clear(price);

    price->input = input;
    price->output = output;
}


static void
test_cost(void **state)
{
    ngx_llmops_price_t  price;
    ngx_llmops_usage_t  usage;

    (void) state;

    ngx_memzero(&usage, sizeof(ngx_llmops_usage_t));

    usage.input = 1000;
    usage.output = 500;
    usage.cache_read = 400;

    prices(&price, 2000000, 8000000);
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 6000000000);

    price.cache_read = 500000;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 5400000000);

    price.cache_read = 0;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 5200000000);

    /* writes for an hour are part of all writes */

    usage.cache_write = 300;
    usage.cache_write_1h = 100;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 5200000000);

    price.cache_write = 2500000;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage),
                     300 * 2000000LL + 300 * 2500000LL + 4000000000);

    price.cache_write_1h = 4000000;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage),
                     300 * 2000000LL + 200 * 2500000LL + 100 * 4000000LL
                     + 4000000000);

    usage.reasoning = 100;
    usage.audio_out = 50;
    price.reasoning = 1;
    price.audio_out = 2;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage),
                     300 * 2000000LL + 200 * 2500000LL + 100 * 4000000LL
                     + 350 * 8000000LL + 100 + 100);
}


static void
test_overlapping_counts(void **state)
{
    ngx_llmops_price_t  price;
    ngx_llmops_usage_t  usage;

    (void) state;

    ngx_memzero(&usage, sizeof(ngx_llmops_usage_t));

    prices(&price, 10, 100);
    price.cache_read = 1;
    price.audio_in = 1000;

    usage.input = 100;
    usage.cache_read = 80;
    usage.audio_in = 50;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 80 + 20 * 1000);

    /* more of a kind than there is, and nonsense below zero */

    usage.cache_read = 1000;
    usage.cache_write = 1000;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 100);

    usage.cache_read = -5;
    usage.cache_write = -5;
    usage.cache_write_1h = 7;
    usage.audio_in = -5;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 1000);

    usage.output = 10;
    usage.reasoning = 50;
    price.reasoning = 3;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 1030);

    usage.input = -100;
    usage.output = -100;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 0);
}


static void
test_unknown_and_too_much(void **state)
{
    ngx_llmops_price_t  price;
    ngx_llmops_usage_t  usage;

    (void) state;

    ngx_memzero(&usage, sizeof(ngx_llmops_usage_t));

    prices(&price, 10, -1);

    usage.input = 5;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 50);

    usage.output = 1;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), -1);

    prices(&price, NGX_LLMOPS_PRICE_MAX, NGX_LLMOPS_PRICE_MAX);

    usage.input = 9007199254740992;
    usage.output = 9007199254740992;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), INT64_MAX);
}


static void
test_tiers(void **state)
{
    ngx_array_t               tiers;
    ngx_llmops_price_t        price;
    ngx_llmops_usage_t        usage;
    ngx_llmops_price_tier_t   tier[2];

    (void) state;

    ngx_memzero(&usage, sizeof(ngx_llmops_usage_t));
    ngx_memzero(&tiers, sizeof(ngx_array_t));

    prices(&price, 1, 10);
    prices(&tier[0].price, 2, 20);
    prices(&tier[1].price, 3, 30);

    tier[0].above = 128000;
    tier[1].above = 200000;

    tiers.elts = tier;
    tiers.nelts = 2;
    price.tiers = &tiers;

    usage.output = 1;

    usage.input = 128000;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 128000 + 10);

    usage.input = 128001;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 256002 + 20);

    usage.input = 200001;
    usage.cache_read = 100000;
    assert_int_equal(ngx_llmops_price_cost(&price, &usage), 600003 + 30);
}


static void
test_print(void **state)
{
    size_t       i;
    u_char      *last, text[NGX_LLMOPS_PRICE_TEXT];
    ngx_str_t    s;

    static const struct {
        int64_t      cost;
        const char  *text;
    } cases[] = {
        { 0, "0" },
        { -1, "0" },
        { 499, "0" },
        { 500, "0.000000001" },
        { 1050000000, "0.00105" },
        { 1000000000000, "1" },
        { 1500000000000, "1.5" },
        { 10000000000000, "10" },
        { 123456789012345, "123.456789012" },
        { 999999999999, "1" },
        { INT64_MAX, "9223372.036854776" }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        last = ngx_llmops_price_print(text, cases[i].cost);

        s.data = text;
        s.len = last - text;

        assert_true(s.len <= sizeof(text));
        assert_str(s, cases[i].text);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_per_million),
        cmocka_unit_test(test_per_token),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_overlapping_counts),
        cmocka_unit_test(test_unknown_and_too_much),
        cmocka_unit_test(test_tiers),
        cmocka_unit_test(test_print)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
