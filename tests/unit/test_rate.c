
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_guard.h"


#define MINUTE  60000LL
#define DAY     86400000LL
#define USD     1000000000000LL


static void
check(const char *text, ngx_llmops_unit_e unit, ngx_llmops_period_e period,
    int64_t window, int64_t limit)
{
    const char         *error;
    ngx_llmops_rate_t   rate;

    error = NULL;
    memset(&rate, 0xff, sizeof(rate));

    assert_int_equal(ngx_llmops_rate_parse(unit_str(text), &rate, &error),
                     NGX_OK);

    assert_int_equal(rate.unit, unit);
    assert_int_equal(rate.period, period);
    assert_int_equal(rate.window, window);
    assert_int_equal(rate.limit, limit);
    assert_int_equal(rate.start, 0);
    assert_int_equal(rate.end, 0);
    assert_null(error);
}


static void
bad(const char *text, const char *advice)
{
    const char         *error;
    ngx_llmops_rate_t   rate;

    error = NULL;
    rate.limit = -7;

    assert_int_equal(ngx_llmops_rate_parse(unit_str(text), &rate, &error),
                     NGX_ERROR);

    assert_non_null(error);
    assert_non_null(strstr(error, advice));
    assert_int_equal(rate.limit, -7);
}


static void
test_windows(void **state)
{
    (void) state;

    check("requests=60/m", NGX_LLMOPS_UNIT_REQUESTS,
          NGX_LLMOPS_PERIOD_SLIDING, MINUTE, 60);
    check("tokens=90k/m", NGX_LLMOPS_UNIT_TOKENS,
          NGX_LLMOPS_PERIOD_SLIDING, MINUTE, 90000);
    check("input=1/s", NGX_LLMOPS_UNIT_INPUT,
          NGX_LLMOPS_PERIOD_SLIDING, 1000, 1);
    check("output=5/10s", NGX_LLMOPS_UNIT_OUTPUT,
          NGX_LLMOPS_PERIOD_SLIDING, 10000, 5);
    check("requests=7/5m", NGX_LLMOPS_UNIT_REQUESTS,
          NGX_LLMOPS_PERIOD_SLIDING, 5 * MINUTE, 7);
    check("tokens=2g/h", NGX_LLMOPS_UNIT_TOKENS,
          NGX_LLMOPS_PERIOD_SLIDING, 60 * MINUTE, 2000000000);
    check("requests=1/366d", NGX_LLMOPS_UNIT_REQUESTS,
          NGX_LLMOPS_PERIOD_SLIDING, 366 * DAY, 1);
    check("cost=0.5usd/d", NGX_LLMOPS_UNIT_COST,
          NGX_LLMOPS_PERIOD_SLIDING, DAY, USD / 2);
    check("tokens=1.5m/d", NGX_LLMOPS_UNIT_TOKENS,
          NGX_LLMOPS_PERIOD_SLIDING, DAY, 1500000);
}


static void
test_calendar(void **state)
{
    (void) state;

    check("cost=400usd/month", NGX_LLMOPS_UNIT_COST,
          NGX_LLMOPS_PERIOD_CALENDAR, 30 * DAY, 400 * USD);
    check("tokens=50m/month", NGX_LLMOPS_UNIT_TOKENS,
          NGX_LLMOPS_PERIOD_CALENDAR, 30 * DAY, 50000000);
    check("requests=10/day", NGX_LLMOPS_UNIT_REQUESTS,
          NGX_LLMOPS_PERIOD_CALENDAR, DAY, 10);
    check("requests=10/week", NGX_LLMOPS_UNIT_REQUESTS,
          NGX_LLMOPS_PERIOD_CALENDAR, 7 * DAY, 10);
    check("cost=0.000000000001usd/day", NGX_LLMOPS_UNIT_COST,
          NGX_LLMOPS_PERIOD_CALENDAR, DAY, 1);
    check("cost=4000000usd/day", NGX_LLMOPS_UNIT_COST,
          NGX_LLMOPS_PERIOD_CALENDAR, DAY, 4000000 * USD);
}


static void
test_held(void **state)
{
    (void) state;

    check("concurrent=32", NGX_LLMOPS_UNIT_CONCURRENT,
          NGX_LLMOPS_PERIOD_HELD, 0, 32);
    check("concurrent=1k", NGX_LLMOPS_UNIT_CONCURRENT,
          NGX_LLMOPS_PERIOD_HELD, 0, 1000);

    bad("concurrent=32/m", "without a period");
    bad("concurrent=", "whole number");
    bad("concurrent=0", "whole number");
}


static void
test_other_words(void **state)
{
    ngx_uint_t          i;
    const char         *error;
    ngx_llmops_rate_t   rate;

    static const char  *words[] = {
        "", "key=x", "requests", "request=1/m", "requests1=1/m", "token=1/m",
        "=", "REQUESTS=1/m", "dry_run", "concurrency=3"
    };

    (void) state;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_int_equal(ngx_llmops_rate_parse(unit_str(words[i]), &rate,
                                               &error),
                         NGX_DECLINED);
    }
}


static void
test_bad(void **state)
{
    (void) state;

    bad("requests=", "whole number");
    bad("requests=/m", "whole number");
    bad("requests=0/m", "whole number");
    bad("requests=0.5/m", "whole number");
    bad("tokens=1.0005k/m", "whole number");
    bad("tokens=-1/m", "whole number");
    bad("tokens=1e3/m", "whole number");
    bad("tokens=1kk/m", "period");
    bad("tokens=1./m", "whole number");
    bad("tokens=.5k/m", "whole number");
    bad("tokens=1.2.3k/m", "whole number");
    bad("tokens=90K/m", "whole number");
    bad("tokens=90t/m", "whole number");
    bad("tokens=1000001g/m", "whole number");
    bad("tokens=99999999999999999999999/m", "whole number");
    bad("tokens=90usd/m", "whole number");

    bad("requests=60", "period");
    bad("requests=60/", "period");
    bad("requests=60/0s", "period");
    bad("requests=60/min", "period");
    bad("requests=60/10", "period");
    bad("requests=60/m/s", "period");
    bad("requests=60/367d", "period");
    bad("requests=60/99999999999999999999d", "period");
    bad("requests=60/Month", "period");
    bad("requests=60/2month", "period");

    bad("cost=400/month", "usd");
    bad("cost=400eur/month", "usd");
    bad("cost=0usd/month", "usd");
    bad("cost=4000001usd/month", "usd");
    bad("cost=0.0000000000001usd/month", "usd");
    bad("cost=1usd", "period");
    bad("cost=1us", "usd");
}


/* what is printed reads as the same */

static void
test_print(void **state)
{
    u_char              text[NGX_LLMOPS_RATE_TEXT], *last;
    ngx_str_t           s;
    ngx_uint_t          i;
    const char         *error;
    ngx_llmops_rate_t   rate;

    static const char  *words[][2] = {
        { "requests=60/m", "requests=60/m" },
        { "requests=60/60s", "requests=60/m" },
        { "requests=60/90s", "requests=60/90s" },
        { "requests=1000/24h", "requests=1k/d" },
        { "tokens=90000/m", "tokens=90k/m" },
        { "tokens=50m/month", "tokens=50m/month" },
        { "tokens=1500k/36h", "tokens=1500k/36h" },
        { "tokens=7000g/week", "tokens=7000g/week" },
        { "input=1/s", "input=1/s" },
        { "output=1000000/day", "output=1m/day" },
        { "concurrent=32", "concurrent=32" },
        { "cost=400.00usd/month", "cost=400usd/month" },
        { "cost=0.000000000001usd/day", "cost=0.000000000001usd/day" },
        { "cost=3999999.999999999999usd/366d",
          "cost=3999999.999999999999usd/366d" },
        { "cost=12.05usd/week", "cost=12.05usd/week" },
    };

    (void) state;

    for (i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        assert_int_equal(ngx_llmops_rate_parse(unit_str(words[i][0]), &rate,
                                               &error),
                         NGX_OK);

        last = ngx_llmops_rate_print(text, &rate);

        s.data = text;
        s.len = last - text;
        assert_true(s.len <= NGX_LLMOPS_RATE_TEXT);
        assert_str(s, words[i][1]);
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_windows),
        cmocka_unit_test(test_calendar),
        cmocka_unit_test(test_held),
        cmocka_unit_test(test_other_words),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_print),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
