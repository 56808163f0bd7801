
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_calendar_tz.h"


/*
 * A period of the calendar is a difference of two midnights, and a midnight is
 * a question to the time zone: days have 23 or 25 hours, and in some years and
 * countries a day begins at one o'clock, since the clocks skip its midnight,
 * or has two of them.  A day begins at the first moment of its date.
 *
 * Dates are counted by days since the epoch in the Gregorian calendar, by
 * years that begin in March, so that the leap day is the last one.
 */


#define NGX_LLMOPS_CALENDAR_DAYS   86400


typedef struct {
    int64_t                    year;
    ngx_int_t                  month;      /* 1 ... 12 */
    ngx_int_t                  day;
} ngx_llmops_civil_t;


static int32_t ngx_llmops_calendar_rule(ngx_llmops_calendar_t *c, int64_t t);
static int64_t ngx_llmops_calendar_date(ngx_llmops_calendar_date_t *date,
    int64_t year);
static int64_t ngx_llmops_calendar_utc(ngx_llmops_calendar_t *c,
    int64_t local);
static int64_t ngx_llmops_calendar_begin(ngx_llmops_calendar_t *c,
    ngx_llmops_calendar_e kind, int64_t day, ngx_int_t next);
static int64_t ngx_llmops_days(int64_t year, ngx_int_t month, ngx_int_t day);
static ngx_llmops_civil_t ngx_llmops_civil(int64_t days);
static int64_t ngx_llmops_floor(int64_t n, int64_t by);


int32_t
ngx_llmops_calendar_offset(ngx_llmops_calendar_t *c, int64_t t)
{
    ngx_uint_t  low, high, mid;

    if (c->nchanges == 0 || t >= c->changes[c->nchanges - 1].at) {
        return c->has_rule ? ngx_llmops_calendar_rule(c, t) : c->standard;
    }

    if (t < c->changes[0].at) {
        return c->before;
    }

    /* changes[low].at <= t < changes[high].at */

    low = 0;
    high = c->nchanges - 1;

    while (high - low > 1) {
        mid = (low + high) / 2;

        if (c->changes[mid].at <= t) {
            low = mid;

        } else {
            high = mid;
        }
    }

    return c->changes[low].offset;
}


static int32_t
ngx_llmops_calendar_rule(ngx_llmops_calendar_t *c, int64_t t)
{
    int64_t  year, from, to;

    if (!c->has_summer) {
        return c->standard;
    }

    year = ngx_llmops_civil(ngx_llmops_floor(t + c->standard,
                                             NGX_LLMOPS_CALENDAR_DAYS)).year;

    from = ngx_llmops_calendar_date(&c->from, year) - c->standard;
    to = ngx_llmops_calendar_date(&c->to, year) - c->summer;

    /* in the south it is winter in the middle of the year */

    if (from < to) {
        return (t >= from && t < to) ? c->summer : c->standard;
    }

    return (t >= to && t < from) ? c->standard : c->summer;
}


/* local seconds since the epoch */

static int64_t
ngx_llmops_calendar_date(ngx_llmops_calendar_date_t *date, int64_t year)
{
    int64_t    days, first;
    ngx_int_t  leap;

    if (date->kind == 'M') {

        first = ngx_llmops_days(year, date->month, 1);

        /* the epoch was a Thursday */

        days = first + (date->day - (first + 4) % 7 + 7) % 7
               + (date->week - 1) * 7;

        while (ngx_llmops_civil(days).month != date->month) {
            days -= 7;                     /* there is no fifth one */
        }

    } else {
        first = ngx_llmops_days(year, 1, 1);
        leap = (ngx_llmops_days(year + 1, 1, 1) - first == 366);

        days = first + date->day;

        if (date->kind == 'J') {
            days += (leap && date->day >= 60) ? 0 : -1;
        }
    }

    return days * NGX_LLMOPS_CALENDAR_DAYS + date->time;
}


void
ngx_llmops_calendar_period(ngx_llmops_calendar_t *c,
    ngx_llmops_calendar_e kind, int64_t now, int64_t *start, int64_t *end)
{
    int64_t    t, day;
    ngx_int_t  next;

    t = ngx_llmops_floor(now, 1000);
    day = ngx_llmops_floor(t + ngx_llmops_calendar_offset(c, t),
                           NGX_LLMOPS_CALENDAR_DAYS);

    *start = ngx_llmops_calendar_begin(c, kind, day, 0);
    *end = ngx_llmops_calendar_begin(c, kind, day, 1);

    /* clocks that are put back over midnight show yesterday's date once more,
       which is over */

    for (next = 2; t >= *end; next++) {
        *start = *end;
        *end = ngx_llmops_calendar_begin(c, kind, day, next);
    }

    *start *= 1000;
    *end *= 1000;
}


/* when the period of that local day, or the next one after it, begins: UTC */

static int64_t
ngx_llmops_calendar_begin(ngx_llmops_calendar_t *c,
    ngx_llmops_calendar_e kind, int64_t day, ngx_int_t next)
{
    ngx_int_t           month;
    ngx_llmops_civil_t  civil;

    switch (kind) {

    case NGX_LLMOPS_CALENDAR_DAY:
        day += next;
        break;

    case NGX_LLMOPS_CALENDAR_WEEK:
        day -= ((day + 3) % 7 + 7) % 7;
        day += 7 * next;
        break;

    default: /* NGX_LLMOPS_CALENDAR_MONTH */
        civil = ngx_llmops_civil(day);
        month = civil.month - 1 + next;
        day = ngx_llmops_days(civil.year + month / 12, month % 12 + 1, 1);
    }

    return ngx_llmops_calendar_utc(c, day * NGX_LLMOPS_CALENDAR_DAYS);
}


/* the first moment at which clocks show at least that */

static int64_t
ngx_llmops_calendar_utc(ngx_llmops_calendar_t *c, int64_t local)
{
    int32_t  before, after;
    int64_t  low, high, mid;

    low = local - NGX_LLMOPS_CALENDAR_FAR;
    high = local + NGX_LLMOPS_CALENDAR_FAR;

    before = ngx_llmops_calendar_offset(c, low);
    after = ngx_llmops_calendar_offset(c, high);

    if (ngx_llmops_calendar_offset(c, local - before) == before) {
        return local - before;
    }

    if (before >= after) {
        return local - after;
    }

    /* clocks are put on in between; the time may be one that they skip */

    while (high - low > 1) {
        mid = low + (high - low) / 2;

        if (mid + ngx_llmops_calendar_offset(c, mid) < local) {
            low = mid;

        } else {
            high = mid;
        }
    }

    return high;
}


/* days since the epoch of a date, and the other way round */

static int64_t
ngx_llmops_days(int64_t year, ngx_int_t month, ngx_int_t day)
{
    int64_t  y, era, of_era, of_year;

    y = year - (month <= 2);
    era = ngx_llmops_floor(y, 400);
    of_era = y - era * 400;
    of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;

    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year
           - 719468;
}


static ngx_llmops_civil_t
ngx_llmops_civil(int64_t days)
{
    int64_t             era, of_era, y, of_year, m;
    ngx_llmops_civil_t  civil;

    days += 719468;
    era = ngx_llmops_floor(days, 146097);
    of_era = days - era * 146097;
    y = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    of_year = of_era - (365 * y + y / 4 - y / 100);
    m = (5 * of_year + 2) / 153;

    civil.day = (ngx_int_t) (of_year - (153 * m + 2) / 5 + 1);
    civil.month = (ngx_int_t) (m < 10 ? m + 3 : m - 9);
    civil.year = y + era * 400 + (civil.month <= 2);

    return civil;
}


static int64_t
ngx_llmops_floor(int64_t n, int64_t by)
{
    return (n >= 0) ? n / by : -((by - 1 - n) / by);
}
