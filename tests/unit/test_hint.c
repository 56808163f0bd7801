
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_hint.h"


#define NONE   NGX_LLMOPS_HINT_NONE
#define RESET  NGX_LLMOPS_HINT_RESET
#define RETRY  NGX_LLMOPS_HINT_RETRY

/* Sun, 06 Nov 1994 08:49:37 GMT */
#define NOV94  784111777LL

/* 2026-03-01T12:00:00Z */
#define MAR26  1772366400LL


static const struct {
    const char         *name;
    const char         *value;
    int64_t             now;           /* seconds */
    ngx_llmops_hint_e   kind;
    int64_t             wait;
}  headers[] = {
    { "retry-after", "2", MAR26, RETRY, 2000 },
    { "retry-after", " 2 ", MAR26, RETRY, 2000 },
    { "retry-after", "0", MAR26, RETRY, 0 },
    { "retry-after", "0.2", MAR26, RETRY, 200 },
    { "retry-after", "0.0001", MAR26, RETRY, 1 },
    { "retry-after", "1.2345", MAR26, RETRY, 1235 },
    { "retry-after", "100000", MAR26, RETRY, NGX_LLMOPS_HINT_MAX },
    { "retry-after", "99999999999999999999999", MAR26, RETRY,
      NGX_LLMOPS_HINT_MAX },
    { "retry-after", "34s", MAR26, RETRY, 34000 },
    { "retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", NOV94 - 5, RETRY,
      5000 },
    { "retry-after", "Sunday, 06-Nov-94 08:49:37 GMT", NOV94 - 5, RETRY,
      5000 },
    { "retry-after", "Sun Nov  6 08:49:37 1994", NOV94 - 5, RETRY, 5000 },
    { "retry-after", "Thu Nov 17 08:49:37 1994", NOV94 + 11 * 86400 - 1,
      RETRY, 1000 },
    { "retry-after", "Sun, 06 Nov 1994 08:49:37 GMT", NOV94 + 5, RETRY,
      0 },
    { "retry-after", "Sun, 01 Mar 2026 12:00:30 GMT", MAR26, RETRY,
      30000 },
    { "retry-after", "Sun, 01 Mar 2026 12:00:30 UTC", MAR26, NONE, -1 },
    { "retry-after", "Sun, 32 Mar 2026 12:00:30 GMT", MAR26, NONE, -1 },
    { "retry-after", "Sun, 01 Mor 2026 12:00:30 GMT", MAR26, NONE, -1 },
    { "retry-after", "Sun, 01 Mar 2026 24:00:30 GMT", MAR26, NONE, -1 },
    { "retry-after", "Sun, 01 Mar 2026 12:00:30", MAR26, NONE, -1 },
    { "retry-after", "Sun, 01 Mar", MAR26, NONE, -1 },
    { "retry-after", "Sun,", MAR26, NONE, -1 },
    { "retry-after", "Sun", MAR26, NONE, -1 },
    { "retry-after", "", MAR26, NONE, -1 },
    { "retry-after", "-1", MAR26, NONE, -1 },
    { "retry-after", "soon", MAR26, NONE, -1 },
    { "retry-after", ".", MAR26, NONE, -1 },
    { "retry-after", "1,5", MAR26, NONE, -1 },

    { "retry-after-ms", "1500", MAR26, RETRY, 1500 },
    { "retry-after-ms", "1500.5", MAR26, RETRY, 1501 },
    { "retry-after-ms", "99999999999999999", MAR26, RETRY,
      NGX_LLMOPS_HINT_MAX },
    { "retry-after-ms", "1s", MAR26, NONE, -1 },
    { "x-ms-retry-after-ms", "250", MAR26, RETRY, 250 },

    { "x-ratelimit-reset", "30", MAR26, RESET, 30000 },
    { "x-ratelimit-reset", "1772366460", MAR26, RESET, 60000 },
    { "x-ratelimit-reset", "1772366460.5", MAR26, RESET, 60500 },
    { "x-ratelimit-reset", "1772366460000", MAR26, RESET, 60000 },
    { "x-ratelimit-reset", "1772366399", MAR26, RESET, 0 },
    { "x-ratelimit-reset", "2591999", MAR26, RESET, NGX_LLMOPS_HINT_MAX },
    { "x-ratelimit-reset", "2592000", MAR26, RESET, 0 },
    { "x-ratelimit-reset-requests", "120ms", MAR26, RESET, 120 },
    { "x-ratelimit-reset-tokens", "6m0s", MAR26, RESET, 360000 },
    { "x-ratelimit-reset-tokens", "1.5s", MAR26, RESET, 1500 },
    { "x-ratelimit-reset-tokens", "60", MAR26, RESET, 60000 },
    { "x-ratelimit-reset-tokens", "x", MAR26, NONE, -1 },
    { "x-ratelimit-remaining", "5", MAR26, NONE, -1 },

    { "anthropic-ratelimit-requests-reset", "2026-03-01T12:00:10Z",
      MAR26, RESET, 10000 },
    { "anthropic-ratelimit-tokens-reset", "2026-03-01t12:00:10.25z",
      MAR26, RESET, 10250 },
    { "anthropic-ratelimit-input-tokens-reset",
      "2026-03-01T14:00:10+02:00", MAR26, RESET, 10000 },
    { "anthropic-ratelimit-output-tokens-reset",
      "2026-03-01 06:30:10-05:30", MAR26, RESET, 10000 },
    { "anthropic-ratelimit-tokens-reset", "2026-03-01T11:59:00Z", MAR26,
      RESET, 0 },
    { "anthropic-ratelimit-tokens-reset", "2026-03-01T12:00:10", MAR26,
      NONE, -1 },
    { "anthropic-ratelimit-tokens-reset", "2026-13-01T12:00:10Z", MAR26,
      NONE, -1 },
    { "anthropic-ratelimit-tokens-reset", "2026-03-01", MAR26, NONE, -1 },
    { "anthropic-ratelimit-tokens-reset", "2026-03-01T12:00:10.Z", MAR26,
      NONE, -1 },
    { "anthropic-ratelimit-unified-reset", "1772366410", MAR26, RESET,
      10000 },
    { "anthropic-ratelimit-unified-5h-reset", "1772366410", MAR26, RESET,
      10000 },
    { "anthropic-ratelimit-reset", "1", MAR26, NONE, -1 },
    { "anthropic-ratelimit-tokens-limit", "1000", MAR26, NONE, -1 },
    { "content-type", "1", MAR26, NONE, -1 },
    { "", "1", MAR26, NONE, -1 },
};


static void
test_header(void **state)
{
    size_t             i;
    int64_t            wait;
    ngx_llmops_hint_e  kind;

    (void) state;

    for (i = 0; i < sizeof(headers) / sizeof(headers[0]); i++) {
        wait = -1;

        kind = ngx_llmops_hint_header(unit_str(headers[i].name),
                                      unit_str(headers[i].value),
                                      headers[i].now * 1000, &wait);

        if (kind != headers[i].kind || wait != headers[i].wait) {
            fail_msg("%s: %s is %d, %lld ms", headers[i].name, headers[i].value,
                     kind, (long long) wait);
        }
    }
}


/* every day of a century, as gmtime() has it */

static void
test_dates(void **state)
{
    char        text[64];
    time_t      t;
    int64_t     wait;
    struct tm   tm;

    (void) state;

    for (t = 3600; t < 4102444800; t += 86400 + 61) {
        gmtime_r(&t, &tm);

        strftime(text, sizeof(text), "%a, %d %b %Y %H:%M:%S GMT", &tm);
        assert_int_equal(ngx_llmops_hint_header(unit_str("retry-after"),
                             unit_str(text), (t - 1) * 1000LL, &wait),
                         RETRY);
        assert_int_equal(wait, 1000);

        strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
        assert_int_equal(ngx_llmops_hint_header(
                             unit_str("anthropic-ratelimit-tokens-reset"),
                             unit_str(text), (t - 1) * 1000LL, &wait),
                         RESET);
        assert_int_equal(wait, 1000);
    }
}


static void
test_duration(void **state)
{
    size_t   i;
    int64_t  ms;

    static const struct {
        const char  *value;
        int64_t      ms;                   /* -1: none */
    } cases[] = {
        { "0", 0 }, { "0s", 0 }, { "1", 1000 }, { "1.5", 1500 },
        { "1h2m3s", 3723000 }, { "6m0s", 360000 }, { "120ms", 120 },
        { "1.5s", 1500 }, { "1.5h", 5400000 }, { "34.074824224s", 34075 },
        { "1m30.951s", 90951 }, { "7.66s", 7660 }, { "17ms", 17 },
        { "500us", 1 }, { "1500\xc2\xb5s", 2 }, { "1500\xce\xbcs", 2 },
        { "999ns", 1 }, { ".5s", 500 }, { "1.s", 1000 }, { "2m", 120000 },
        { "0.000000000001s", 0 },
        { "99999999999999999999h", 4500000000000 },
        { "4000000000s4000000000s", 4500000000000 },
        { "", -1 }, { "s", -1 }, { ".", -1 }, { "-1s", -1 }, { "+1s", -1 },
        { "1x", -1 }, { "1m5", -1 }, { "0m5", -1 }, { "1 s", -1 },
        { "1s ", 1000 }, { "1sm", -1 }, { "1\xc2", -1 }, { "1e3", -1 }
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        ms = -1;

        if (ngx_llmops_duration(unit_str(cases[i].value), &ms)
            != (cases[i].ms < 0 ? NGX_DECLINED : NGX_OK)
            || ms != cases[i].ms)
        {
            fail_msg("%s is %lld ms", cases[i].value, (long long) ms);
        }
    }
}


static void
test_body(void **state)
{
    size_t   i;
    int64_t  wait;

    static const struct {
        const char  *body;
        int64_t      wait;                 /* -1: none */
    } cases[] = {
        { "{\"error\":{\"code\":429,\"details\":["
          "{\"@type\":\"type.googleapis.com/google.rpc.QuotaFailure\"},"
          "{\"@type\":\"type.googleapis.com/google.rpc.RetryInfo\","
          "\"retryDelay\":\"34s\"}]}}", 34000 },
        { "[{\"error\":{\"details\":[{\"retryDelay\":\"34.07s\"}]}}]", 34070 },
        { "{\"error\":{\"details\":[{\"retryDelay\":\"999999s\"}]}}",
          NGX_LLMOPS_HINT_MAX },
        { "{\"error\":{\"details\":[{\"retryDelay\":34},"
          "{\"retryDelay\":\"x\"},{\"retryDelay\":\"1s\"}]}}", 1000 },
        { "{\"error\":{\"details\":[{\"retryDelay\":\"\"}]}}", -1 },
        { "{\"error\":{\"details\":{\"retryDelay\":\"1s\"}}}", -1 },
        { "{\"error\":{\"details\":[]}}", -1 },
        { "{\"error\":{\"message\":\"x\"}}", -1 },
        { "{\"error\":\"x\"}", -1 },
        { "[]", -1 }, { "[", -1 }, { "", -1 }, { "<html>", -1 },
        { "{\"error\":{\"details\":[{\"retryDelay\":\"1s\"", -1 },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        wait = -1;

        if (ngx_llmops_hint_body(unit_str(cases[i].body), &wait)
            != (cases[i].wait < 0 ? NONE : RETRY)
            || wait != cases[i].wait)
        {
            fail_msg("%s is %lld ms", cases[i].body, (long long) wait);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_header),
        cmocka_unit_test(test_dates),
        cmocka_unit_test(test_duration),
        cmocka_unit_test(test_body),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
