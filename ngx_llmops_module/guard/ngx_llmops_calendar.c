
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_calendar.h"


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
#define NGX_LLMOPS_CALENDAR_HEAD   44      /* bytes */
#define NGX_LLMOPS_CALENDAR_FAR    (26 * 3600)     /* s: no offset is larger */


/* the counts of a TZif header, in its order */

enum {
    NGX_LLMOPS_TZIF_ISUT = 0,
    NGX_LLMOPS_TZIF_ISSTD,
    NGX_LLMOPS_TZIF_LEAP,
    NGX_LLMOPS_TZIF_TIMES,
    NGX_LLMOPS_TZIF_TYPES,
    NGX_LLMOPS_TZIF_CHARS,
    NGX_LLMOPS_TZIF_COUNTS
};


typedef struct {
    size_t                     n[NGX_LLMOPS_TZIF_COUNTS];
    const u_char              *body;
    size_t                     size;       /* of the body */
} ngx_llmops_tzif_t;


typedef struct {
    int64_t                    year;
    ngx_int_t                  month;      /* 1 ... 12 */
    ngx_int_t                  day;
} ngx_llmops_civil_t;


static ngx_int_t ngx_llmops_tzif_open(ngx_llmops_tzif_t *f, const u_char *p,
    size_t len, size_t width);
static ngx_int_t ngx_llmops_tzif_second(ngx_llmops_tzif_t *f,
    const u_char *p, size_t len);
static ngx_int_t ngx_llmops_tzif_type(ngx_llmops_tzif_t *f,
    const u_char *types, size_t n, int32_t *offset);
static int64_t ngx_llmops_tzif_number(const u_char *p, size_t width);
static ngx_int_t ngx_llmops_tz_rule(ngx_llmops_calendar_t *c,
    const u_char *p, const u_char *last);
static const u_char *ngx_llmops_tz_name(const u_char *p, const u_char *last);
static const u_char *ngx_llmops_tz_time(const u_char *p, const u_char *last,
    int32_t *seconds);
static const u_char *ngx_llmops_tz_date(const u_char *p, const u_char *last,
    ngx_llmops_calendar_date_t *date);
static const u_char *ngx_llmops_tz_number(const u_char *p,
    const u_char *last, ngx_int_t low, ngx_int_t high, ngx_int_t *n);
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


ngx_int_t
ngx_llmops_calendar_fixed(ngx_llmops_calendar_t *c, ngx_str_t *text)
{
    u_char     *p, *last;
    int32_t     hours, minutes;
    ngx_int_t   digits;

    ngx_memzero(c, sizeof(ngx_llmops_calendar_t));

    if (text->len == 3 && ngx_memcmp(text->data, "UTC", 3) == 0) {
        return NGX_OK;
    }

    p = text->data;
    last = p + text->len;

    if (p == last || (*p != '+' && *p != '-')) {
        return NGX_DECLINED;
    }

    hours = 0;
    minutes = 0;
    digits = 0;

    for (p++; p < last; p++) {

        if (*p == ':' && (digits == 1 || digits == 2) && last - p == 3) {
            digits = 2;
            continue;
        }

        if (*p < '0' || *p > '9') {
            return NGX_DECLINED;
        }

        if (digits < 2) {
            hours = hours * 10 + (*p - '0');

        } else {
            minutes = minutes * 10 + (*p - '0');
        }

        digits++;
    }

    if ((digits != 1 && digits != 2 && digits != 4) || hours > 14
        || minutes > 59)
    {
        return NGX_DECLINED;
    }

    c->before = hours * 3600 + minutes * 60;

    if (text->data[0] == '-') {
        c->before = -c->before;
    }

    c->standard = c->before;

    return NGX_OK;
}


/* finds the counts and the body of the block that starts at p */

static ngx_int_t
ngx_llmops_tzif_open(ngx_llmops_tzif_t *f, const u_char *p, size_t len,
    size_t width)
{
    ngx_uint_t  i;

    if (len < NGX_LLMOPS_CALENDAR_HEAD || ngx_memcmp(p, "TZif", 4) != 0) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_LLMOPS_TZIF_COUNTS; i++) {
        f->n[i] = (size_t) (ngx_llmops_tzif_number(p + 20 + 4 * i, 4)
                            & 0xffffffff);

        if (f->n[i] > len) {
            return NGX_DECLINED;
        }
    }

    f->body = p + NGX_LLMOPS_CALENDAR_HEAD;
    f->size = f->n[NGX_LLMOPS_TZIF_TIMES] * (width + 1)
              + f->n[NGX_LLMOPS_TZIF_TYPES] * 6
              + f->n[NGX_LLMOPS_TZIF_CHARS]
              + f->n[NGX_LLMOPS_TZIF_LEAP] * (width + 4)
              + f->n[NGX_LLMOPS_TZIF_ISSTD] + f->n[NGX_LLMOPS_TZIF_ISUT];

    return (f->size <= len - NGX_LLMOPS_CALENDAR_HEAD) ? NGX_OK
                                                       : NGX_DECLINED;
}


/* the block with 64-bit times, which follows the one with 32 */

static ngx_int_t
ngx_llmops_tzif_second(ngx_llmops_tzif_t *f, const u_char *p, size_t len)
{
    size_t  skip;

    if (ngx_llmops_tzif_open(f, p, len, 4) != NGX_OK || p[4] < '2') {
        return NGX_DECLINED;
    }

    skip = NGX_LLMOPS_CALENDAR_HEAD + f->size;

    return ngx_llmops_tzif_open(f, p + skip, len - skip, 8);
}


size_t
ngx_llmops_calendar_room(const u_char *p, size_t len)
{
    ngx_llmops_tzif_t  f;

    return ngx_llmops_tzif_second(&f, p, len) == NGX_OK
           ? f.n[NGX_LLMOPS_TZIF_TIMES] : 0;
}


ngx_int_t
ngx_llmops_calendar_read(ngx_llmops_calendar_t *c, const u_char *p,
    size_t len, ngx_llmops_calendar_change_t *changes)
{
    size_t              i, n;
    const u_char       *last, *index, *types, *footer;
    ngx_llmops_tzif_t   f;

    ngx_memzero(c, sizeof(ngx_llmops_calendar_t));

    /* zones with leap seconds count other seconds than the machine's clock */

    if (ngx_llmops_tzif_second(&f, p, len) != NGX_OK
        || f.n[NGX_LLMOPS_TZIF_TYPES] == 0 || f.n[NGX_LLMOPS_TZIF_LEAP] > 0)
    {
        return NGX_DECLINED;
    }

    last = p + len;
    n = f.n[NGX_LLMOPS_TZIF_TIMES];
    index = f.body + n * 8;
    types = index + n;

    if (ngx_llmops_tzif_type(&f, types, 0, &c->before) != NGX_OK) {
        return NGX_DECLINED;
    }

    for (i = 0; i < n; i++) {
        changes[i].at = ngx_llmops_tzif_number(f.body + i * 8, 8);

        if (ngx_llmops_tzif_type(&f, types, index[i], &changes[i].offset)
            != NGX_OK
            || (i && changes[i].at <= changes[i - 1].at))
        {
            return NGX_DECLINED;
        }
    }

    c->changes = changes;
    c->nchanges = n;
    c->standard = n ? changes[n - 1].offset : c->before;

    footer = f.body + f.size;

    if (footer >= last || *footer++ != '\n') {
        return NGX_DECLINED;
    }

    for (p = footer; p < last && *p != '\n'; p++) { /* void */ }

    if (p == last) {
        return NGX_DECLINED;
    }

    /* no rule: the last change holds for ever */

    return (p == footer) ? NGX_OK : ngx_llmops_tz_rule(c, footer, p);
}


static ngx_int_t
ngx_llmops_tzif_type(ngx_llmops_tzif_t *f, const u_char *types, size_t n,
    int32_t *offset)
{
    int64_t  v;

    if (n >= f->n[NGX_LLMOPS_TZIF_TYPES]) {
        return NGX_DECLINED;
    }

    v = ngx_llmops_tzif_number(types + n * 6, 4);

    if (v <= -NGX_LLMOPS_CALENDAR_FAR || v >= NGX_LLMOPS_CALENDAR_FAR) {
        return NGX_DECLINED;
    }

    *offset = (int32_t) v;

    return NGX_OK;
}


/* big-endian, signed */

static int64_t
ngx_llmops_tzif_number(const u_char *p, size_t width)
{
    size_t    i;
    uint64_t  n;

    n = (p[0] & 0x80) ? (uint64_t) -1 : 0;

    for (i = 0; i < width; i++) {
        n = n << 8 | p[i];
    }

    return (int64_t) n;
}


/* "CET-1CEST,M3.5.0,M10.5.0/3", as in the environment variable TZ */

static ngx_int_t
ngx_llmops_tz_rule(ngx_llmops_calendar_t *c, const u_char *p,
    const u_char *last)
{
    p = ngx_llmops_tz_name(p, last);

    if (p == NULL
        || (p = ngx_llmops_tz_time(p, last, &c->standard)) == NULL)
    {
        return NGX_DECLINED;
    }

    c->standard = -c->standard;            /* there, west is positive */
    c->has_rule = 1;

    if (p == last) {
        return NGX_OK;
    }

    p = ngx_llmops_tz_name(p, last);

    if (p == NULL) {
        return NGX_DECLINED;
    }

    c->has_summer = 1;
    c->summer = c->standard + 3600;

    if (p < last && *p != ',') {
        p = ngx_llmops_tz_time(p, last, &c->summer);

        if (p == NULL) {
            return NGX_DECLINED;
        }

        c->summer = -c->summer;
    }

    if ((p = ngx_llmops_tz_date(p, last, &c->from)) == NULL
        || (p = ngx_llmops_tz_date(p, last, &c->to)) == NULL
        || p != last)
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* letters, or anything in <> */

static const u_char *
ngx_llmops_tz_name(const u_char *p, const u_char *last)
{
    const u_char  *start;

    if (p < last && *p == '<') {
        while (p < last && *p != '>') {
            p++;
        }

        return (p < last) ? p + 1 : NULL;
    }

    for (start = p;
         p < last && (u_char) ((*p | 0x20) - 'a') < 26;
         p++)
    {
        /* void */
    }

    return (p - start >= 3) ? p : NULL;
}


/* [+-]hh[:mm[:ss]] */

static const u_char *
ngx_llmops_tz_time(const u_char *p, const u_char *last, int32_t *seconds)
{
    int32_t      sign, unit;
    ngx_int_t    n;

    sign = 1;

    if (p < last && (*p == '+' || *p == '-')) {
        sign = (*p++ == '-') ? -1 : 1;
    }

    p = ngx_llmops_tz_number(p, last, 0, 167, &n);

    if (p == NULL) {
        return NULL;
    }

    *seconds = (int32_t) n * 3600;

    for (unit = 60; unit && p < last && *p == ':'; unit /= 60) {
        p = ngx_llmops_tz_number(p + 1, last, 0, 59, &n);

        if (p == NULL) {
            return NULL;
        }

        *seconds += (int32_t) n * unit;
    }

    *seconds *= sign;

    return p;
}


/* ,Mm.w.d or ,Jn or ,n and the time, if it is not two o'clock */

static const u_char *
ngx_llmops_tz_date(const u_char *p, const u_char *last,
    ngx_llmops_calendar_date_t *date)
{
    if (last - p < 2 || *p != ',') {
        return NULL;
    }

    p++;

    if (*p == 'M') {
        date->kind = 'M';

        p = ngx_llmops_tz_number(p + 1, last, 1, 12, &date->month);

        if (p == NULL || p == last || *p != '.') {
            return NULL;
        }

        p = ngx_llmops_tz_number(p + 1, last, 1, 5, &date->week);

        if (p == NULL || p == last || *p != '.') {
            return NULL;
        }

        p = ngx_llmops_tz_number(p + 1, last, 0, 6, &date->day);

    } else if (*p == 'J') {
        date->kind = 'J';
        p = ngx_llmops_tz_number(p + 1, last, 1, 365, &date->day);

    } else {
        date->kind = 'D';
        p = ngx_llmops_tz_number(p, last, 0, 365, &date->day);
    }

    if (p == NULL) {
        return NULL;
    }

    date->time = 7200;

    return (p < last && *p == '/') ? ngx_llmops_tz_time(p + 1, last,
                                                        &date->time)
                                   : p;
}


static const u_char *
ngx_llmops_tz_number(const u_char *p, const u_char *last, ngx_int_t low,
    ngx_int_t high, ngx_int_t *n)
{
    const u_char  *start;

    *n = 0;

    for (start = p; p < last && *p >= '0' && *p <= '9'; p++) {
        *n = *n * 10 + (*p - '0');

        if (*n > high) {
            return NULL;
        }
    }

    return (p > start && *n >= low) ? p : NULL;
}


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
