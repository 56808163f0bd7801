
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_calendar_tz.h"


/* Time zones as texts: a fixed offset, and the rule that holds after the last
   change of a file. */


static const u_char *ngx_llmops_tz_name(const u_char *p, const u_char *last);
static const u_char *ngx_llmops_tz_time(const u_char *p, const u_char *last,
    int32_t *seconds);
static const u_char *ngx_llmops_tz_date(const u_char *p, const u_char *last,
    ngx_llmops_calendar_date_t *date);
static const u_char *ngx_llmops_tz_number(const u_char *p,
    const u_char *last, ngx_int_t low, ngx_int_t high, ngx_int_t *n);


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


/* "CET-1CEST,M3.5.0,M10.5.0/3", as in the environment variable TZ */

ngx_int_t
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
