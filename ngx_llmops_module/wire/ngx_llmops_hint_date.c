
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_hint.h"
#include "ngx_llmops_hint_time.h"


/* Dates, as they come from the tables of two RFCs. */


typedef struct {
    int64_t                    year;
    int64_t                    month;      /* 1 to 12 */
    int64_t                    day;
    int64_t                    hour;
    int64_t                    minute;
    int64_t                    second;
} ngx_llmops_date_t;


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

    static const u_char  length[] = { 31, 28, 31, 30, 31, 30,
                                      31, 31, 30, 31, 30, 31 };

    if (d->month < 1 || d->month > 12
        || d->hour > 23 || d->minute > 59 || d->second > 60
        || d->year < 1970)
    {
        return NGX_ERROR;
    }

    days = length[d->month - 1]
           + (d->month == 2 && d->year % 4 == 0
              && (d->year % 100 != 0 || d->year % 400 == 0));

    if (d->day < 1 || d->day > days) {
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


ngx_int_t
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

    if (p && (hour > 23 || minute > 59)) {
        return NULL;
    }

    if (p) {
        *east = sign * (hour * 60 + minute) * 60;
    }

    return p;
}


ngx_int_t
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
