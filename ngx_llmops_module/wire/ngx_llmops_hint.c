
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_hint.h"
#include "ngx_llmops_json.h"


/*
 * Times are kept in nanoseconds, which an int64_t holds beyond the year 2100:
 * all the spellings come down to a decimal number and a unit.  Milliseconds
 * are rounded up, so that nobody is asked again too early.
 */


#define NGX_LLMOPS_NS          ((int64_t) 1000000000)
#define NGX_LLMOPS_NS_MAX      (4500000000 * NGX_LLMOPS_NS)
#define NGX_LLMOPS_MS          ((int64_t) 1000000)

/* from here on a plain number is the time of day, in seconds, then ms */
#define NGX_LLMOPS_HINT_EPOCH      (30 * 86400)
#define NGX_LLMOPS_HINT_EPOCH_MS   ((int64_t) 100000000000)


typedef struct {
    int64_t                    whole;
    int64_t                    nano;       /* billionths */
} ngx_llmops_decimal_t;


typedef struct {
    int64_t                    year;
    int64_t                    month;      /* 1 to 12 */
    int64_t                    day;
    int64_t                    hour;
    int64_t                    minute;
    int64_t                    second;
} ngx_llmops_date_t;


static ngx_str_t
ngx_llmops_hint_trim(ngx_str_t *value)
{
    ngx_str_t  s;

    s = *value;

    while (s.len && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.len--;
    }

    while (s.len && (s.data[s.len - 1] == ' ' || s.data[s.len - 1] == '\t')) {
        s.len--;
    }

    return s;
}


/* one past "12", "12.5" or ".5", or NULL */

static u_char *
ngx_llmops_hint_decimal(u_char *p, u_char *last, ngx_llmops_decimal_t *d)
{
    u_char    *start;
    int64_t    unit;

    start = p;
    d->whole = 0;
    d->nano = 0;

    for ( /* void */ ; p < last && (u_char) (*p - '0') < 10; p++) {

        if (d->whole < NGX_LLMOPS_NS_MAX / 100) {
            d->whole = d->whole * 10 + *p - '0';
        }
    }

    if (p < last && *p == '.') {
        unit = NGX_LLMOPS_NS / 10;

        for (p++; p < last && (u_char) (*p - '0') < 10; p++) {
            d->nano += (*p - '0') * unit;
            unit /= 10;
        }

        if (p == start + 1) {
            return NULL;
        }
    }

    return (p == start) ? NULL : p;
}


/* d units of so many nanoseconds, at most NS_MAX */

static int64_t
ngx_llmops_hint_scale(ngx_llmops_decimal_t *d, int64_t unit)
{
    int64_t  part;

    if (d->whole >= NGX_LLMOPS_NS_MAX / unit) {
        return NGX_LLMOPS_NS_MAX;
    }

    /* unit is less than a billionth, or a multiple of it */

    part = (unit < NGX_LLMOPS_NS) ? d->nano * unit / NGX_LLMOPS_NS
                                  : d->nano * (unit / NGX_LLMOPS_NS);

    return d->whole * unit + part;
}


static int64_t
ngx_llmops_hint_ms(int64_t ns)
{
    return (ns + NGX_LLMOPS_MS - 1) / NGX_LLMOPS_MS;
}


/* the unit at *pp in nanoseconds, or 0 */

static int64_t
ngx_llmops_hint_unit(u_char **pp, u_char *last)
{
    size_t      len;
    ngx_uint_t  i;

    static const struct {
        const char  *name;
        int64_t      ns;
    } units[] = {
        { "ms", 1000000 },
        { "us", 1000 },
        { "\xc2\xb5s", 1000 },
        { "\xce\xbcs", 1000 },
        { "ns", 1 },
        { "s", 1000000000 },
        { "m", 60 * NGX_LLMOPS_NS },
        { "h", 3600 * NGX_LLMOPS_NS }
    };

    for (i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        len = ngx_strlen(units[i].name);

        if ((size_t) (last - *pp) >= len
            && ngx_memcmp(*pp, units[i].name, len) == 0)
        {
            *pp += len;
            return units[i].ns;
        }
    }

    return 0;
}


ngx_int_t
ngx_llmops_duration(ngx_str_t *value, int64_t *ms)
{
    u_char                *p, *last;
    int64_t                ns, unit;
    ngx_str_t              s;
    ngx_uint_t             units;
    ngx_llmops_decimal_t   d;

    s = ngx_llmops_hint_trim(value);

    if (s.len == 0) {
        return NGX_DECLINED;
    }

    ns = 0;
    units = 0;
    p = s.data;
    last = p + s.len;

    while (p < last) {
        p = ngx_llmops_hint_decimal(p, last, &d);

        if (p == NULL) {
            return NGX_DECLINED;
        }

        if (p == last) {

            if (units) {
                return NGX_DECLINED;
            }

            unit = NGX_LLMOPS_NS;

        } else {
            unit = ngx_llmops_hint_unit(&p, last);
            units++;
        }

        if (unit == 0) {
            return NGX_DECLINED;
        }

        ns += ngx_llmops_hint_scale(&d, unit);
        ns = ngx_min(ns, NGX_LLMOPS_NS_MAX);
    }

    *ms = ngx_llmops_hint_ms(ns);

    return NGX_OK;
}


/* exactly n digits */

static u_char *
ngx_llmops_hint_digits(u_char *p, u_char *last, size_t n, int64_t *value)
{
    if (p == NULL || (size_t) (last - p) < n) {
        return NULL;
    }

    for (*value = 0; n; n--, p++) {

        if ((u_char) (*p - '0') >= 10) {
            return NULL;
        }

        *value = *value * 10 + *p - '0';
    }

    return p;
}


static u_char *
ngx_llmops_hint_char(u_char *p, u_char *last, u_char c)
{
    return (p && p < last && *p == c) ? p + 1 : NULL;
}


static u_char *
ngx_llmops_hint_clock(u_char *p, u_char *last, ngx_llmops_date_t *date)
{
    p = ngx_llmops_hint_digits(p, last, 2, &date->hour);
    p = ngx_llmops_hint_char(p, last, ':');
    p = ngx_llmops_hint_digits(p, last, 2, &date->minute);
    p = ngx_llmops_hint_char(p, last, ':');

    return ngx_llmops_hint_digits(p, last, 2, &date->second);
}


static u_char *
ngx_llmops_hint_month(u_char *p, u_char *last, int64_t *month)
{
    ngx_uint_t         i;
    static const char  names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";

    if (p == NULL || last - p < 3) {
        return NULL;
    }

    for (i = 0; i < 12; i++) {
        if (ngx_memcmp(p, names + i * 3, 3) == 0) {
            *month = i + 1;
            return p + 3;
        }
    }

    return NULL;
}


/* seconds since the epoch, or NGX_ERROR: nobody sends times before it */

static int64_t
ngx_llmops_hint_epoch(ngx_llmops_date_t *d)
{
    int64_t  year, month, days;

    if (d->month < 1 || d->month > 12 || d->day < 1 || d->day > 31
        || d->hour > 23 || d->minute > 59 || d->second > 60
        || d->year < 1970)
    {
        return NGX_ERROR;
    }

    /* years begin with March, so that a leap day comes last */

    month = (d->month + 9) % 12;
    year = d->year - (d->month <= 2);

    days = year * 365 + year / 4 - year / 100 + year / 400
           + (month * 153 + 2) / 5 + d->day - 1 - 719468;

    return ((days * 24 + d->hour) * 60 + d->minute) * 60 + d->second;
}


/* Sun, 06 Nov 1994 08:49:37 GMT and Sunday, 06-Nov-94 08:49:37 GMT */

static u_char *
ngx_llmops_hint_date_comma(u_char *p, u_char *last, ngx_llmops_date_t *date)
{
    u_char  sep;

    p = ngx_llmops_hint_char(p, last, ' ');
    p = ngx_llmops_hint_digits(p, last, 2, &date->day);

    sep = (p && p < last && *p == '-') ? '-' : ' ';

    p = ngx_llmops_hint_char(p, last, sep);
    p = ngx_llmops_hint_month(p, last, &date->month);
    p = ngx_llmops_hint_char(p, last, sep);

    if (sep == '-') {
        p = ngx_llmops_hint_digits(p, last, 2, &date->year);
        date->year += (date->year < 70) ? 2000 : 1900;

    } else {
        p = ngx_llmops_hint_digits(p, last, 4, &date->year);
    }

    p = ngx_llmops_hint_char(p, last, ' ');
    p = ngx_llmops_hint_clock(p, last, date);

    if (p == NULL || last - p != 4 || ngx_memcmp(p, " GMT", 4) != 0) {
        return NULL;
    }

    return last;
}


/* Sun Nov  6 08:49:37 1994 */

static u_char *
ngx_llmops_hint_date_c(u_char *p, u_char *last, ngx_llmops_date_t *date)
{
    p = ngx_llmops_hint_char(p, last, ' ');
    p = ngx_llmops_hint_month(p, last, &date->month);
    p = ngx_llmops_hint_char(p, last, ' ');

    if (p && p < last && *p == ' ') {
        p = ngx_llmops_hint_digits(p + 1, last, 1, &date->day);

    } else {
        p = ngx_llmops_hint_digits(p, last, 2, &date->day);
    }

    p = ngx_llmops_hint_char(p, last, ' ');
    p = ngx_llmops_hint_clock(p, last, date);
    p = ngx_llmops_hint_char(p, last, ' ');

    return ngx_llmops_hint_digits(p, last, 4, &date->year);
}


/* RFC 9110, 5.6.7; milliseconds since the epoch */

static ngx_int_t
ngx_llmops_hint_http_date(ngx_str_t *value, int64_t *time)
{
    u_char             *p, *last;
    int64_t             epoch;
    ngx_llmops_date_t   date;

    ngx_memzero(&date, sizeof(ngx_llmops_date_t));

    p = value->data;
    last = p + value->len;

    while (p < last && (u_char) ((*p | 0x20) - 'a') < 26) {
        p++;
    }

    if (p < last && *p == ',') {
        p = ngx_llmops_hint_date_comma(p + 1, last, &date);

    } else {
        p = ngx_llmops_hint_date_c(p, last, &date);
    }

    if (p == NULL || p != last) {
        return NGX_DECLINED;
    }

    epoch = ngx_llmops_hint_epoch(&date);
    *time = epoch * 1000;

    return epoch == NGX_ERROR ? NGX_DECLINED : NGX_OK;
}


/* the "Z" or "+01:00" of RFC 3339; seconds east */

static u_char *
ngx_llmops_hint_zone(u_char *p, u_char *last, int64_t *east)
{
    int64_t  sign, hour, minute;

    *east = 0;

    if (p == NULL || p == last) {
        return NULL;
    }

    if (*p == 'Z' || *p == 'z') {
        return p + 1;
    }

    if (*p != '+' && *p != '-') {
        return NULL;
    }

    sign = (*p == '+') ? 1 : -1;

    p = ngx_llmops_hint_digits(p + 1, last, 2, &hour);
    p = ngx_llmops_hint_char(p, last, ':');
    p = ngx_llmops_hint_digits(p, last, 2, &minute);

    if (p) {
        *east = sign * (hour * 60 + minute) * 60;
    }

    return p;
}


/* 2026-01-31T08:49:37.25Z; milliseconds since the epoch */

static ngx_int_t
ngx_llmops_hint_rfc3339(ngx_str_t *value, int64_t *time)
{
    u_char                *p, *last;
    int64_t                epoch, east;
    ngx_llmops_date_t      date;
    ngx_llmops_decimal_t   d;

    p = value->data;
    last = p + value->len;

    p = ngx_llmops_hint_digits(p, last, 4, &date.year);
    p = ngx_llmops_hint_char(p, last, '-');
    p = ngx_llmops_hint_digits(p, last, 2, &date.month);
    p = ngx_llmops_hint_char(p, last, '-');
    p = ngx_llmops_hint_digits(p, last, 2, &date.day);

    if (p == NULL || p == last || (*p != 'T' && *p != 't' && *p != ' ')) {
        return NGX_DECLINED;
    }

    p = ngx_llmops_hint_clock(p + 1, last, &date);
    d.nano = 0;

    if (p && p < last && *p == '.') {
        p = ngx_llmops_hint_decimal(p, last, &d);
    }

    p = ngx_llmops_hint_zone(p, last, &east);

    if (p == NULL || p != last) {
        return NGX_DECLINED;
    }

    epoch = ngx_llmops_hint_epoch(&date);
    *time = (epoch - east) * 1000 + ngx_llmops_hint_ms(d.nano);

    return epoch == NGX_ERROR ? NGX_DECLINED : NGX_OK;
}


/* a plain number: relative seconds, or the time of day in seconds or ms */

static ngx_int_t
ngx_llmops_hint_plain(ngx_str_t *value, int64_t now, int64_t *wait)
{
    u_char                *p, *last;
    ngx_llmops_decimal_t   d;

    last = value->data + value->len;
    p = ngx_llmops_hint_decimal(value->data, last, &d);

    if (p != last) {
        return NGX_DECLINED;
    }

    if (d.whole >= NGX_LLMOPS_HINT_EPOCH_MS) {
        *wait = ngx_llmops_hint_ms(ngx_llmops_hint_scale(&d, NGX_LLMOPS_MS))
                - now;
        return NGX_OK;
    }

    *wait = ngx_llmops_hint_ms(ngx_llmops_hint_scale(&d, NGX_LLMOPS_NS));

    if (d.whole >= NGX_LLMOPS_HINT_EPOCH) {
        *wait -= now;
    }

    return NGX_OK;
}


/* any of the ways to tell when a window ends */

static ngx_int_t
ngx_llmops_hint_reset(ngx_str_t *value, int64_t now, int64_t *wait)
{
    int64_t  time;

    if (ngx_llmops_hint_plain(value, now, wait) == NGX_OK
        || ngx_llmops_duration(value, wait) == NGX_OK)
    {
        return NGX_OK;
    }

    if (ngx_llmops_hint_rfc3339(value, &time) == NGX_OK) {
        *wait = time - now;
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_hint_retry(ngx_str_t *value, int64_t now, int64_t *wait)
{
    int64_t  time;

    if (ngx_llmops_duration(value, wait) == NGX_OK) {
        return NGX_OK;
    }

    if (ngx_llmops_hint_http_date(value, &time) == NGX_OK) {
        *wait = time - now;
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_hint_retry_ms(ngx_str_t *value, int64_t *wait)
{
    u_char                *p, *last;
    ngx_llmops_decimal_t   d;

    last = value->data + value->len;
    p = ngx_llmops_hint_decimal(value->data, last, &d);

    if (p != last) {
        return NGX_DECLINED;
    }

    *wait = ngx_llmops_hint_ms(ngx_llmops_hint_scale(&d, NGX_LLMOPS_MS));

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_hint_is(ngx_str_t *name, const char *s)
{
    return name->len == ngx_strlen(s)
           && ngx_memcmp(name->data, s, name->len) == 0;
}


static ngx_uint_t
ngx_llmops_hint_is_reset(ngx_str_t *name)
{
    static const char  prefix[] = "anthropic-ratelimit-";
    static const char  suffix[] = "-reset";

    if (ngx_llmops_hint_is(name, "x-ratelimit-reset")
        || ngx_llmops_hint_is(name, "x-ratelimit-reset-requests")
        || ngx_llmops_hint_is(name, "x-ratelimit-reset-tokens"))
    {
        return 1;
    }

    return name->len > sizeof(prefix) - 1 + sizeof(suffix) - 1
           && ngx_memcmp(name->data, prefix, sizeof(prefix) - 1) == 0
           && ngx_memcmp(name->data + name->len - (sizeof(suffix) - 1),
                         suffix, sizeof(suffix) - 1)
              == 0;
}


static ngx_llmops_hint_e
ngx_llmops_hint_cut(ngx_llmops_hint_e kind, int64_t ms, int64_t *wait)
{
    *wait = (ms < 0) ? 0 : ngx_min(ms, NGX_LLMOPS_HINT_MAX);

    return kind;
}


ngx_llmops_hint_e
ngx_llmops_hint_header(ngx_str_t *name, ngx_str_t *value, int64_t now,
    int64_t *wait)
{
    int64_t             ms;
    ngx_int_t           rc;
    ngx_str_t           v;
    ngx_llmops_hint_e   kind;

    kind = NGX_LLMOPS_HINT_RETRY;
    v = ngx_llmops_hint_trim(value);

    if (v.len == 0) {
        return NGX_LLMOPS_HINT_NONE;
    }

    if (ngx_llmops_hint_is(name, "retry-after")) {
        rc = ngx_llmops_hint_retry(&v, now, &ms);

    } else if (ngx_llmops_hint_is(name, "retry-after-ms")
               || ngx_llmops_hint_is(name, "x-ms-retry-after-ms"))
    {
        rc = ngx_llmops_hint_retry_ms(&v, &ms);

    } else if (ngx_llmops_hint_is_reset(name)) {
        kind = NGX_LLMOPS_HINT_RESET;
        rc = ngx_llmops_hint_reset(&v, now, &ms);

    } else {
        return NGX_LLMOPS_HINT_NONE;
    }

    if (rc != NGX_OK) {
        return NGX_LLMOPS_HINT_NONE;
    }

    return ngx_llmops_hint_cut(kind, ms, wait);
}


ngx_llmops_hint_e
ngx_llmops_hint_body(ngx_str_t *body, int64_t *wait)
{
    int64_t                 ms;
    ngx_str_t               object, details, detail, delay;
    ngx_llmops_json_iter_t  it;

    object = *body;

    /* Gemini wraps the error in an array if the stream was to be one */

    if (ngx_llmops_json_array(&it, body) == NGX_OK
        && ngx_llmops_json_next(&it, NULL, &object) != NGX_OK)
    {
        return NGX_LLMOPS_HINT_NONE;
    }

    if (ngx_llmops_json_get(&object, "error.details", &details) != NGX_OK
        || ngx_llmops_json_array(&it, &details) != NGX_OK)
    {
        return NGX_LLMOPS_HINT_NONE;
    }

    while (ngx_llmops_json_next(&it, NULL, &detail) == NGX_OK) {

        if (ngx_llmops_json_get(&detail, "retryDelay", &delay) != NGX_OK
            || ngx_llmops_json_type(&delay) != NGX_LLMOPS_JSON_STRING)
        {
            continue;
        }

        delay.data++;
        delay.len -= 2;

        if (ngx_llmops_duration(&delay, &ms) == NGX_OK) {
            return ngx_llmops_hint_cut(NGX_LLMOPS_HINT_RETRY, ms, wait);
        }
    }

    return NGX_LLMOPS_HINT_NONE;
}
