
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_calendar.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>


#define ZONES  "/usr/share/zoneinfo/"

static const char  *kinds[] = { "day", "week", "month" };


static u_char *
slurp(const char *zone, size_t *len)
{
    FILE    *f;
    char     path[256];
    u_char  *data;

    snprintf(path, sizeof(path), ZONES "%s", zone);

    f = fopen(path, "rb");
    if (f == NULL) {
        return NULL;
    }

    data = malloc(65536);
    *len = fread(data, 1, 65536, f);
    fclose(f);

    /* exactly as long as it is, for the sanitizer */
    return realloc(data, *len);
}


/* 0: the machine does not have it */

static int
zone(ngx_llmops_calendar_t *c, const char *name)
{
    size_t                         len;
    u_char                        *data;
    ngx_llmops_calendar_change_t  *changes;

    data = slurp(name, &len);
    if (data == NULL) {
        printf("no %s%s\n", ZONES, name);
        return 0;
    }

    changes = malloc((ngx_llmops_calendar_room(data, len) + 1)
                     * sizeof(ngx_llmops_calendar_change_t));

    assert_int_equal(ngx_llmops_calendar_read(c, data, len, changes), NGX_OK);

    free(data);

    return 1;
}


static int64_t
at(int year, int month, int day, int hour, int minute)
{
    struct tm  tm = { .tm_year = year - 1900, .tm_mon = month - 1,
                      .tm_mday = day, .tm_hour = hour, .tm_min = minute };

    return timegm(&tm);
}


static void
check(ngx_llmops_calendar_t *c, ngx_llmops_calendar_e kind, int64_t now,
    int64_t start, int64_t end)
{
    int64_t  s, e;

    ngx_llmops_calendar_period(c, kind, now * 1000 + 999, &s, &e);

    assert_int_equal(s, start * 1000);
    assert_int_equal(e, end * 1000);
}


static void
test_utc(void **state)
{
    ngx_llmops_calendar_t  c;

    (void) state;

    assert_int_equal(ngx_llmops_calendar_fixed(&c, unit_str("UTC")), NGX_OK);

    check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2026, 3, 1, 0, 0),
          at(2026, 3, 1, 0, 0), at(2026, 3, 2, 0, 0));
    check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2026, 3, 1, 23, 59) + 59,
          at(2026, 3, 1, 0, 0), at(2026, 3, 2, 0, 0));

    /* leap days */
    check(&c, NGX_LLMOPS_CALENDAR_MONTH, at(2028, 2, 29, 12, 0),
          at(2028, 2, 1, 0, 0), at(2028, 3, 1, 0, 0));
    check(&c, NGX_LLMOPS_CALENDAR_MONTH, at(2026, 2, 28, 23, 59),
          at(2026, 2, 1, 0, 0), at(2026, 3, 1, 0, 0));
    check(&c, NGX_LLMOPS_CALENDAR_MONTH, at(2000, 2, 29, 0, 0),
          at(2000, 2, 1, 0, 0), at(2000, 3, 1, 0, 0));
    check(&c, NGX_LLMOPS_CALENDAR_MONTH, at(2025, 12, 31, 23, 59),
          at(2025, 12, 1, 0, 0), at(2026, 1, 1, 0, 0));

    /* weeks from Monday, over the end of a year */
    check(&c, NGX_LLMOPS_CALENDAR_WEEK, at(2026, 1, 1, 8, 0),
          at(2025, 12, 29, 0, 0), at(2026, 1, 5, 0, 0));
    check(&c, NGX_LLMOPS_CALENDAR_WEEK, at(2026, 1, 5, 0, 0),
          at(2026, 1, 5, 0, 0), at(2026, 1, 12, 0, 0));
    check(&c, NGX_LLMOPS_CALENDAR_WEEK, at(2026, 1, 4, 23, 59),
          at(2025, 12, 29, 0, 0), at(2026, 1, 5, 0, 0));
}


static void
test_fixed(void **state)
{
    ngx_uint_t             i;
    ngx_llmops_calendar_t  c;

    static const struct {
        const char  *text;
        int32_t      offset;
    } good[] = {
        { "+02:00", 7200 }, { "-0330", -12600 }, { "+5", 18000 },
        { "+5:45", 20700 }, { "-11", -39600 }, { "+14:00", 50400 },
        { "+00:00", 0 }
    };

    static const char  *bad[] = {
        "", "+", "-", "2", "+2:0", "+2:000", "+123", "+15:00", "+02:60",
        "utc", "UTC+2", "+ 2", "+02:", "+:30", "Europe/Berlin", "+02:00:00"
    };

    (void) state;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        assert_int_equal(ngx_llmops_calendar_fixed(&c, unit_str(good[i].text)),
                         NGX_OK);
        assert_int_equal(ngx_llmops_calendar_offset(&c, 1764000000),
                         good[i].offset);
    }

    for (i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(ngx_llmops_calendar_fixed(&c, unit_str(bad[i])),
                         NGX_DECLINED);
    }

    assert_int_equal(ngx_llmops_calendar_fixed(&c, unit_str("-03:30")),
                     NGX_OK);
    check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2026, 5, 2, 3, 29),
          at(2026, 5, 1, 3, 30), at(2026, 5, 2, 3, 30));
}


static void
test_summer_time(void **state)
{
    ngx_llmops_calendar_t  c;

    (void) state;

    if (!zone(&c, "Europe/Berlin")) {
        skip();
    }

    /* 23 hours, and 25 */
    check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2026, 3, 29, 12, 0),
          at(2026, 3, 28, 23, 0), at(2026, 3, 29, 22, 0));
    check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2026, 10, 25, 12, 0),
          at(2026, 10, 24, 22, 0), at(2026, 10, 25, 23, 0));

    check(&c, NGX_LLMOPS_CALENDAR_MONTH, at(2026, 3, 31, 22, 0),
          at(2026, 3, 31, 22, 0), at(2026, 4, 30, 22, 0));
    check(&c, NGX_LLMOPS_CALENDAR_MONTH, at(2026, 3, 31, 21, 59),
          at(2026, 2, 28, 23, 0), at(2026, 3, 31, 22, 0));
    check(&c, NGX_LLMOPS_CALENDAR_WEEK, at(2026, 3, 29, 12, 0),
          at(2026, 3, 22, 23, 0), at(2026, 3, 29, 22, 0));

    /* by the rule, long after the last change of the file */
    check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2099, 3, 29, 12, 0),
          at(2099, 3, 28, 23, 0), at(2099, 3, 29, 22, 0));

    free(c.changes);
}


static void
test_midnights(void **state)
{
    ngx_llmops_calendar_t  c;

    (void) state;

    /* clocks skip the midnight: the day begins at one */

    if (zone(&c, "America/Sao_Paulo")) {
        check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2018, 11, 4, 12, 0),
              at(2018, 11, 4, 3, 0), at(2018, 11, 5, 2, 0));
        check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2018, 11, 4, 2, 59),
              at(2018, 11, 3, 3, 0), at(2018, 11, 4, 3, 0));

        /* back from midnight to eleven: the day is not begun twice */
        check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2018, 2, 18, 2, 30),
              at(2018, 2, 17, 2, 0), at(2018, 2, 18, 3, 0));
        free(c.changes);
    }

    /* a date that never was */

    if (zone(&c, "Pacific/Apia")) {
        check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2011, 12, 30, 9, 59),
              at(2011, 12, 29, 10, 0), at(2011, 12, 30, 10, 0));
        check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2011, 12, 30, 10, 0),
              at(2011, 12, 30, 10, 0), at(2011, 12, 31, 10, 0));
        free(c.changes);
    }

    /* back over midnight, to yesterday: that is over */

    if (zone(&c, "America/Havana")) {
        check(&c, NGX_LLMOPS_CALENDAR_DAY, at(2024, 11, 3, 5, 30),
              at(2024, 11, 3, 4, 0), at(2024, 11, 4, 5, 0));
        free(c.changes);
    }
}


static int
same_day(struct tm *a, struct tm *b)
{
    return a->tm_year == b->tm_year && a->tm_yday == b->tm_yday;
}


/* the first second of a period, as the C library sees it and the one before */

static void
check_start(const char *name, ngx_llmops_calendar_e kind, int64_t start)
{
    time_t     t;
    struct tm  first, before;

    t = (time_t) (start / 1000);
    localtime_r(&t, &first);

    t--;
    localtime_r(&t, &before);

    if (same_day(&first, &before)
        || (kind == NGX_LLMOPS_CALENDAR_MONTH
            && first.tm_mon == before.tm_mon)
        || (kind == NGX_LLMOPS_CALENDAR_WEEK && first.tm_wday != 1
            && !(first.tm_wday == 2 && before.tm_wday == 0)))
    {
        fail_msg("%s: %s starts at %lld", name, kinds[kind],
                 (long long) start);
    }
}


static void
test_against_libc(void **state)
{
    time_t                  t;
    int64_t                 start, end;
    struct tm               tm;
    ngx_uint_t              i, k, n;
    ngx_llmops_calendar_t   c;

    static const char  *names[] = {
        "Europe/Berlin", "America/New_York", "Australia/Lord_Howe",
        "Asia/Kolkata", "Asia/Kathmandu", "Africa/Casablanca",
        "America/St_Johns", "Pacific/Chatham", "Europe/Dublin",
        "America/Sao_Paulo", "Asia/Tehran", "Pacific/Kiritimati", "Asia/Gaza"
    };

    (void) state;

    srand(7);

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {

        if (!zone(&c, names[i])) {
            continue;
        }

        setenv("TZ", names[i], 1);
        tzset();

        for (n = 0; n < 20000; n++) {

            /* 1970 ... 2100 */
            t = (time_t) (((uint64_t) rand() << 16 ^ (uint64_t) rand())
                          % 4102444800UL);
            localtime_r(&t, &tm);

            assert_int_equal(ngx_llmops_calendar_offset(&c, t), tm.tm_gmtoff);

            for (k = 0; k < 3 && n % 4 == 0; k++) {
                ngx_llmops_calendar_period(&c, k, (int64_t) t * 1000, &start,
                                           &end);

                assert_true(start <= (int64_t) t * 1000);
                assert_true(end > (int64_t) t * 1000);

                check_start(names[i], k, start);
                check_start(names[i], k, end);
            }
        }

        free(c.changes);
    }

    unsetenv("TZ");
    tzset();
}


/* a file of another kind, or a broken one, is refused */

static void
test_broken(void **state)
{
    size_t                         len, i;
    u_char                        *data, *copy;
    ngx_uint_t                     k;
    ngx_llmops_calendar_t          c;
    ngx_llmops_calendar_change_t   changes[4096];

    (void) state;

    data = slurp("Europe/Berlin", &len);

    if (data == NULL) {
        skip();
    }

    for (i = 0; i < len; i++) {
        copy = malloc(i + 1);
        memcpy(copy, data, i);
        assert_int_equal(ngx_llmops_calendar_read(&c, copy, i, changes),
                         NGX_DECLINED);
        assert_true(ngx_llmops_calendar_room(copy, i) <= 4096);
        free(copy);
    }

    /* whatever is changed: no more than another zone */

    srand(3);

    for (k = 0; k < 20000; k++) {
        copy = malloc(len);
        memcpy(copy, data, len);
        copy[rand() % len] = (u_char) rand();
        copy[rand() % 64] = (u_char) rand();

        if (ngx_llmops_calendar_room(copy, len) <= 4096) {
            (void) ngx_llmops_calendar_read(&c, copy, len, changes);
        }

        free(copy);
    }

    free(data);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_utc),
        cmocka_unit_test(test_fixed),
        cmocka_unit_test(test_summer_time),
        cmocka_unit_test(test_midnights),
        cmocka_unit_test(test_against_libc),
        cmocka_unit_test(test_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
