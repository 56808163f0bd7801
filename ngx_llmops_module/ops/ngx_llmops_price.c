
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_price.h"


/*
 * Money is counted in integers: a price of 10^-12 USD per token holds every
 * price that providers publish exactly (they give at most four decimals of
 * USD per million), and sums do not depend on their order.  2^63 units are
 * 9.2 million USD, more than a request can cost; whatever exceeds it stays at
 * the largest number rather than becoming negative.
 */


#define NGX_LLMOPS_COST_MAX  0x7fffffffffffffffLL


static ngx_int_t ngx_llmops_price_number(ngx_str_t *text, ngx_uint_t exponent,
    uint64_t *mantissa, ngx_int_t *scale);
static ngx_int_t ngx_llmops_price_exponent(u_char *p, u_char *last,
    ngx_int_t *scale);
static ngx_llmops_price_t *ngx_llmops_price_of(ngx_llmops_price_t *price,
    int64_t input);
static void ngx_llmops_price_add(int64_t *cost, int64_t tokens,
    int64_t price);
static int64_t ngx_llmops_price_take(int64_t *rest, int64_t n);


void
ngx_llmops_price_clear(ngx_llmops_price_t *price)
{
    price->input = -1;
    price->output = -1;
    price->cache_read = -1;
    price->cache_write = -1;
    price->cache_write_1h = -1;
    price->reasoning = -1;
    price->audio_in = -1;
    price->audio_out = -1;
    price->image_in = -1;
    price->image_out = -1;
    price->tiers = NULL;
}


ngx_int_t
ngx_llmops_price_parse(ngx_str_t *text, ngx_uint_t scale, ngx_uint_t round,
    int64_t *value)
{
    uint64_t    n, half;
    ngx_int_t   exponent;

    exponent = 0;

    if (ngx_llmops_price_number(text, round, &n, &exponent) != NGX_OK) {
        return NGX_ERROR;
    }

    exponent += (ngx_int_t) scale;

    half = 0;

    while (exponent < 0 && n) {
        if (n % 10 && !round) {
            return NGX_DECLINED;
        }

        /* the last digit that is dropped decides; it rounds up from 5 */

        half = n % 10 >= 5;
        n /= 10;
        exponent++;
    }

    if (exponent < 0) {
        half = 0;                            /* it is far below one half */
    }

    n += half;

    while (exponent > 0 && n) {
        n *= 10;
        exponent--;

        if (n > NGX_LLMOPS_PRICE_MAX) {
            return NGX_ERROR;
        }
    }

    if (n > NGX_LLMOPS_PRICE_MAX) {
        return NGX_ERROR;
    }

    *value = (int64_t) n;

    return NGX_OK;
}


/* digits [ "." digits ] [ exponent ]: mantissa times 10^scale */

static ngx_int_t
ngx_llmops_price_number(ngx_str_t *text, ngx_uint_t exponent,
    uint64_t *mantissa, ngx_int_t *scale)
{
    u_char      *p, *last;
    uint64_t     n;
    ngx_uint_t   digits, point;

    p = text->data;
    last = p + text->len;

    n = 0;
    digits = 0;
    point = 0;
    *scale = 0;

    for ( /* void */ ; p < last; p++) {

        if (*p == '.' && !point) {
            point = 1;
            continue;
        }

        if (*p < '0' || *p > '9') {
            break;
        }

        digits++;

        if (n >= 100000000000000000ULL) {    /* 18 digits are enough */

            if (!point || (*p != '0' && !exponent)) {
                return NGX_ERROR;
            }

            continue;
        }

        n = n * 10 + (*p - '0');
        *scale -= (ngx_int_t) point;
    }

    *mantissa = n;

    if (digits == 0) {
        return NGX_ERROR;
    }

    if (p == last) {
        return NGX_OK;
    }

    if (!exponent || (*p != 'e' && *p != 'E')) {
        return NGX_ERROR;
    }

    return ngx_llmops_price_exponent(p + 1, last, scale);
}


static ngx_int_t
ngx_llmops_price_exponent(u_char *p, u_char *last, ngx_int_t *scale)
{
    ngx_int_t  n, sign;

    sign = 1;

    if (p < last && (*p == '-' || *p == '+')) {
        sign = (*p++ == '-') ? -1 : 1;
    }

    if (p == last || last - p > 3) {
        return NGX_ERROR;
    }

    for (n = 0; p < last; p++) {

        if (*p < '0' || *p > '9') {
            return NGX_ERROR;
        }

        n = n * 10 + (*p - '0');
    }

    *scale += sign * n;

    return NGX_OK;
}


int64_t
ngx_llmops_price_cost(ngx_llmops_price_t *price, ngx_llmops_usage_t *usage)
{
    int64_t  cost, in, out, n, write;

    price = ngx_llmops_price_of(price, usage->input);

    in = ngx_max(usage->input, 0);
    out = ngx_max(usage->output, 0);

    if ((in && price->input < 0) || (out && price->output < 0)) {
        return -1;
    }

    cost = 0;

    /* what is not a kind of its own is text; counts of kinds may overlap, so
       that each takes at most what is left */

    n = ngx_llmops_price_take(&in, usage->cache_read);
    ngx_llmops_price_add(&cost, n, ngx_llmops_price_or(price->cache_read,
                                                       price->input));

    write = ngx_llmops_price_or(price->cache_write, price->input);

    n = ngx_min(usage->cache_write_1h, usage->cache_write);
    n = ngx_llmops_price_take(&in, n);
    ngx_llmops_price_add(&cost, n, ngx_llmops_price_or(price->cache_write_1h,
                                                       write));

    n = ngx_llmops_price_take(&in, usage->cache_write - n);
    ngx_llmops_price_add(&cost, n, write);

    n = ngx_llmops_price_take(&in, usage->audio_in);
    ngx_llmops_price_add(&cost, n, ngx_llmops_price_or(price->audio_in,
                                                       price->input));

    n = ngx_llmops_price_take(&in, usage->image_in);
    ngx_llmops_price_add(&cost, n, ngx_llmops_price_or(price->image_in,
                                                       price->input));

    ngx_llmops_price_add(&cost, in, price->input);

    n = ngx_llmops_price_take(&out, usage->reasoning);
    ngx_llmops_price_add(&cost, n, ngx_llmops_price_or(price->reasoning,
                                                       price->output));

    n = ngx_llmops_price_take(&out, usage->audio_out);
    ngx_llmops_price_add(&cost, n, ngx_llmops_price_or(price->audio_out,
                                                       price->output));

    n = ngx_llmops_price_take(&out, usage->image_out);
    ngx_llmops_price_add(&cost, n, ngx_llmops_price_or(price->image_out,
                                                       price->output));

    ngx_llmops_price_add(&cost, out, price->output);

    return cost;
}


int64_t
ngx_llmops_price_sum(int64_t a, int64_t b)
{
    int64_t  sum;

    if (a < 0 || b < 0) {
        return -1;
    }

    return __builtin_add_overflow(a, b, &sum) ? NGX_LLMOPS_COST_MAX : sum;
}


static ngx_llmops_price_t *
ngx_llmops_price_of(ngx_llmops_price_t *price, int64_t input)
{
    ngx_uint_t                i;
    ngx_llmops_price_tier_t  *tiers;

    if (price->tiers == NULL) {
        return price;
    }

    tiers = price->tiers->elts;

    for (i = price->tiers->nelts; i > 0; i--) {
        if (input > tiers[i - 1].above) {
            return &tiers[i - 1].price;
        }
    }

    return price;
}


static void
ngx_llmops_price_add(int64_t *cost, int64_t tokens, int64_t price)
{
    int64_t  n;

    if (tokens <= 0 || price <= 0) {
        return;
    }

    if (__builtin_mul_overflow(tokens, price, &n)
        || __builtin_add_overflow(*cost, n, cost))
    {
        *cost = NGX_LLMOPS_COST_MAX;
    }
}


static int64_t
ngx_llmops_price_take(int64_t *rest, int64_t n)
{
    n = ngx_min(n, *rest);
    n = ngx_max(n, 0);

    *rest -= n;

    return n;
}


u_char *
ngx_llmops_price_print(u_char *p, int64_t cost)
{
    u_char      *q, digits[20];
    uint64_t     n;
    ngx_uint_t   i;

    n = (cost < 0) ? 0 : (uint64_t) cost;
    n = (n + 500) / 1000;                    /* 10^-9 USD */

    /* the digits from the last one on, at least ten: "0" and nine decimals */

    q = digits + sizeof(digits);

    for (i = 0; i < 10 || n; i++) {
        *--q = (u_char) ('0' + n % 10);
        n /= 10;
    }

    for ( /* void */ ; i > 9; i--) {
        *p++ = *q++;
    }

    for (i = 9; i > 0 && q[i - 1] == '0'; i--) { /* void */ }

    if (i == 0) {
        return p;
    }

    *p++ = '.';

    while (i--) {
        *p++ = *q++;
    }

    return p;
}
