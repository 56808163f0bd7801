
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_guard.h"


/*
 * How a rate is written: "tokens=90k/m".  The same words stand in the
 * configuration and in the records of keys, so that nothing here needs nginx:
 * it reads a string and fills a structure.
 *
 * A window of s, m, h or d slides; day, week and month are of the calendar.
 * That "m" is a million in an amount and a minute behind the slash is how
 * people write it.
 */


#define NGX_LLMOPS_RATE_COUNT  1000000000000000LL         /* 10^15 */
#define NGX_LLMOPS_RATE_MONEY  4000000000000000000LL      /* 4 million USD */

#define NGX_LLMOPS_RATE_WINDOW  366            /* days at the most */

#define NGX_LLMOPS_SECOND  1000LL
#define NGX_LLMOPS_MINUTE  (60 * NGX_LLMOPS_SECOND)
#define NGX_LLMOPS_HOUR    (60 * NGX_LLMOPS_MINUTE)
#define NGX_LLMOPS_DAY     (24 * NGX_LLMOPS_HOUR)


typedef struct {
    ngx_str_t                  name;
    int64_t                    ms;
} ngx_llmops_rate_span_t;


static ngx_int_t ngx_llmops_rate_unit(ngx_str_t *word, u_char **value);
static ngx_int_t ngx_llmops_rate_amount(u_char **pos, u_char *last,
    ngx_uint_t money, int64_t *amount);
static ngx_int_t ngx_llmops_rate_number(u_char **pos, u_char *last,
    uint64_t *mantissa, ngx_uint_t *decimals);
static ngx_int_t ngx_llmops_rate_scale(u_char **pos, u_char *last,
    ngx_uint_t money, ngx_uint_t *scale);
static ngx_int_t ngx_llmops_rate_period(u_char *p, u_char *last,
    ngx_llmops_rate_t *rate);
static ngx_int_t ngx_llmops_rate_window(u_char *p, u_char *last,
    ngx_llmops_rate_t *rate);
static u_char *ngx_llmops_rate_digits(u_char *p, uint64_t n);
static u_char *ngx_llmops_rate_money(u_char *p, int64_t cost);
static u_char *ngx_llmops_rate_count(u_char *p, int64_t n);
static u_char *ngx_llmops_rate_copy(u_char *p, const ngx_str_t *s);


static const ngx_str_t  ngx_llmops_rate_units[] = {
    ngx_string("requests"),
    ngx_string("tokens"),
    ngx_string("input"),
    ngx_string("output"),
    ngx_string("cost"),
    ngx_string("concurrent")
};


/* the nominal lengths are part of a counter's identity, nothing is measured
   by them */

static const ngx_llmops_rate_span_t  ngx_llmops_rate_calendar[] = {
    { ngx_string("day"), NGX_LLMOPS_DAY },
    { ngx_string("week"), 7 * NGX_LLMOPS_DAY },
    { ngx_string("month"), 30 * NGX_LLMOPS_DAY },
    { ngx_null_string, 0 }
};


static const ngx_llmops_rate_span_t  ngx_llmops_rate_sliding[] = {
    { ngx_string("d"), NGX_LLMOPS_DAY },
    { ngx_string("h"), NGX_LLMOPS_HOUR },
    { ngx_string("m"), NGX_LLMOPS_MINUTE },
    { ngx_string("s"), NGX_LLMOPS_SECOND },
    { ngx_null_string, 0 }
};


ngx_int_t
ngx_llmops_rate_parse(ngx_str_t *word, ngx_llmops_rate_t *rate,
    const char **error)
{
    u_char             *p, *last;
    ngx_int_t           unit;
    ngx_llmops_rate_t   found;

    unit = ngx_llmops_rate_unit(word, &p);

    if (unit == NGX_DECLINED) {
        return NGX_DECLINED;
    }

    last = word->data + word->len;

    found = (ngx_llmops_rate_t) { .unit = (ngx_llmops_unit_e) unit };

    if (ngx_llmops_rate_amount(&p, last, unit == NGX_LLMOPS_UNIT_COST,
                               &found.limit)
        != NGX_OK)
    {
        *error = (unit == NGX_LLMOPS_UNIT_COST)
                 ? "write an amount from 0.000000000001usd to 4000000usd, for "
                   "example \"cost=400usd/month\""
                 : "write a whole number of at least 1, also with k, m or g, "
                   "for example \"tokens=90k/m\"";
        return NGX_ERROR;
    }

    if (unit == NGX_LLMOPS_UNIT_CONCURRENT) {

        if (p != last) {
            *error = "write \"concurrent=N\" without a period";
            return NGX_ERROR;
        }

        found.period = NGX_LLMOPS_PERIOD_HELD;
        *rate = found;

        return NGX_OK;
    }

    if (ngx_llmops_rate_period(p, last, &found) != NGX_OK) {
        *error = "write a period behind the amount: /s, /m, /h or /d, also "
                 "/10s (sliding, at most 366 days), or /day, /week or /month "
                 "(of the calendar)";
        return NGX_ERROR;
    }

    *rate = found;

    return NGX_OK;
}


/* the unit, and *value behind the "=" */

static ngx_int_t
ngx_llmops_rate_unit(ngx_str_t *word, u_char **value)
{
    ngx_int_t         i;
    const ngx_str_t  *name;

    for (i = 0; i < NGX_LLMOPS_UNIT_MAX; i++) {
        name = &ngx_llmops_rate_units[i];

        if (word->len > name->len && word->data[name->len] == '='
            && ngx_memcmp(word->data, name->data, name->len) == 0)
        {
            *value = word->data + name->len + 1;
            return i;
        }
    }

    return NGX_DECLINED;
}


/* 90k, 1.5m, 400usd: the number and its suffix, exactly */

static ngx_int_t
ngx_llmops_rate_amount(u_char **pos, u_char *last, ngx_uint_t money,
    int64_t *amount)
{
    uint64_t    n, max;
    ngx_uint_t  decimals, scale;

    if (ngx_llmops_rate_number(pos, last, &n, &decimals) != NGX_OK
        || ngx_llmops_rate_scale(pos, last, money, &scale) != NGX_OK)
    {
        return NGX_ERROR;
    }

    max = money ? NGX_LLMOPS_RATE_MONEY : NGX_LLMOPS_RATE_COUNT;

    for ( /* void */ ; decimals > scale; decimals--) {
        if (n % 10) {
            return NGX_ERROR;
        }

        n /= 10;
    }

    for ( /* void */ ; decimals < scale; decimals++) {
        if (n > max / 10) {
            return NGX_ERROR;
        }

        n *= 10;
    }

    if (n == 0 || n > max) {
        return NGX_ERROR;
    }

    *amount = (int64_t) n;

    return NGX_OK;
}


/* digits [ "." digits ] */

static ngx_int_t
ngx_llmops_rate_number(u_char **pos, u_char *last, uint64_t *mantissa,
    ngx_uint_t *decimals)
{
    u_char      *p;
    uint64_t     n;
    ngx_uint_t   digits, point;

    n = 0;
    digits = 0;
    point = 0;
    *decimals = 0;

    for (p = *pos; p < last; p++) {

        if (*p == '.' && digits && !point) {
            point = 1;
            continue;
        }

        if (*p < '0' || *p > '9') {
            break;
        }

        if (n > NGX_LLMOPS_RATE_MONEY / 10) {
            return NGX_ERROR;
        }

        digits++;
        *decimals += point;
        n = n * 10 + (*p - '0');
    }

    if (digits == 0 || p[-1] == '.') {
        return NGX_ERROR;
    }

    *mantissa = n;
    *pos = p;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rate_scale(u_char **pos, u_char *last, ngx_uint_t money,
    ngx_uint_t *scale)
{
    u_char  *p;

    p = *pos;
    *scale = 0;

    if (money) {
        if (last - p < 3 || ngx_memcmp(p, "usd", 3) != 0) {
            return NGX_ERROR;
        }

        *scale = 12;
        *pos = p + 3;

        return NGX_OK;
    }

    if (p == last || *p == '/') {
        return NGX_OK;
    }

    switch (*p) {

    case 'k':
        *scale = 3;
        break;

    case 'm':
        *scale = 6;
        break;

    case 'g':
        *scale = 9;
        break;

    default:
        return NGX_ERROR;
    }

    *pos = p + 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rate_period(u_char *p, u_char *last, ngx_llmops_rate_t *rate)
{
    const ngx_llmops_rate_span_t  *c;

    if (p == last || *p++ != '/') {
        return NGX_ERROR;
    }

    for (c = ngx_llmops_rate_calendar; c->name.len; c++) {

        if ((size_t) (last - p) == c->name.len
            && ngx_memcmp(p, c->name.data, c->name.len) == 0)
        {
            rate->period = NGX_LLMOPS_PERIOD_CALENDAR;
            rate->window = c->ms;
            return NGX_OK;
        }
    }

    return ngx_llmops_rate_window(p, last, rate);
}


/* [ digits ] s|m|h|d */

static ngx_int_t
ngx_llmops_rate_window(u_char *p, u_char *last, ngx_llmops_rate_t *rate)
{
    int64_t                        n;
    u_char                        *start;
    const ngx_llmops_rate_span_t  *s;

    start = p;

    for (n = 0; p < last && *p >= '0' && *p <= '9'; p++) {

        n = n * 10 + (*p - '0');

        if (n > NGX_LLMOPS_RATE_WINDOW * NGX_LLMOPS_DAY / NGX_LLMOPS_SECOND) {
            return NGX_ERROR;
        }
    }

    if (p == start) {
        n = 1;
    }

    if (n == 0 || last - p != 1) {
        return NGX_ERROR;
    }

    for (s = ngx_llmops_rate_sliding; s->name.len; s++) {

        if (*p == s->name.data[0]) {

            if (n > NGX_LLMOPS_RATE_WINDOW * NGX_LLMOPS_DAY / s->ms) {
                return NGX_ERROR;
            }

            rate->period = NGX_LLMOPS_PERIOD_SLIDING;
            rate->window = n * s->ms;

            return NGX_OK;
        }
    }

    return NGX_ERROR;
}


u_char *
ngx_llmops_rate_print(u_char *p, ngx_llmops_rate_t *rate)
{
    const ngx_llmops_rate_span_t  *s;

    p = ngx_llmops_rate_copy(p, &ngx_llmops_rate_units[rate->unit]);
    *p++ = '=';

    p = (rate->unit == NGX_LLMOPS_UNIT_COST)
        ? ngx_llmops_rate_money(p, rate->limit)
        : ngx_llmops_rate_count(p, rate->limit);

    if (rate->period == NGX_LLMOPS_PERIOD_HELD) {
        return p;
    }

    *p++ = '/';

    if (rate->period == NGX_LLMOPS_PERIOD_CALENDAR) {

        for (s = ngx_llmops_rate_calendar; s->name.len; s++) {
            if (rate->window == s->ms) {
                return ngx_llmops_rate_copy(p, &s->name);
            }
        }

        return p;
    }

    /* the largest span that measures it: 60s is 1m */

    for (s = ngx_llmops_rate_sliding; s[1].name.len; s++) {
        if (rate->window % s->ms == 0) {
            break;
        }
    }

    if (rate->window != s->ms) {
        p = ngx_llmops_rate_digits(p, (uint64_t) (rate->window / s->ms));
    }

    return ngx_llmops_rate_copy(p, &s->name);
}


static u_char *
ngx_llmops_rate_copy(u_char *p, const ngx_str_t *s)
{
    return ngx_cpymem(p, s->data, s->len);
}


static u_char *
ngx_llmops_rate_digits(u_char *p, uint64_t n)
{
    u_char  *q, digits[20];

    q = digits + sizeof(digits);

    do {
        *--q = (u_char) ('0' + n % 10);
        n /= 10;
    } while (n);

    return ngx_cpymem(p, q, digits + sizeof(digits) - q);
}


static u_char *
ngx_llmops_rate_count(u_char *p, int64_t n)
{
    ngx_uint_t           i;
    static const u_char  suffix[] = " kmg";

    for (i = 0; i < 3 && n && n % 1000 == 0; i++) {
        n /= 1000;
    }

    p = ngx_llmops_rate_digits(p, (uint64_t) n);

    if (i) {
        *p++ = suffix[i];
    }

    return p;
}


/* all twelve decimals that are not trailing zeros: it has to be exact */

static u_char *
ngx_llmops_rate_money(u_char *p, int64_t cost)
{
    uint64_t    rest;
    ngx_uint_t  i;

    p = ngx_llmops_rate_digits(p, (uint64_t) cost / 1000000000000ULL);

    rest = (uint64_t) cost % 1000000000000ULL;

    if (rest) {
        *p++ = '.';

        for (i = 12; rest && i > 0; i--) {
            rest *= 10;
            *p++ = (u_char) ('0' + rest / 1000000000000ULL);
            rest %= 1000000000000ULL;
        }
    }

    return ngx_cpymem(p, "usd", 3);
}
