
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"
#include "ngx_llmops_price.h"

#include <openssl/sha.h>


/*
 * What a request may use, in the units of a limit.
 *
 * It wants what it may have at the most: the estimated input, and max_tokens
 * for each choice.  What is the least that it is worth depends on the limit:
 *
 *   a rate     the input and a usual answer.  More may come, which then weighs
 *              on the next requests; refusing would hold up everyone who gives
 *              a large max_tokens, as coding agents do.
 *   a budget   for a whole answer all of it: nobody can stop that.  For a
 *              stream the input and a little, since it is ended when the
 *              budget is.  It does not ask for all of its max_tokens at once,
 *              which would keep others from what it never uses, but for more
 *              as it goes on.
 */


static void ngx_llmops_limit_rates(ngx_http_request_t *r,
    ngx_llmops_limit_t *limit, ngx_llmops_charge_t *charge);
static ngx_int_t ngx_llmops_limit_hash(ngx_http_request_t *r,
    ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_want(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim, ngx_llmops_limit_t *limit,
    ngx_llmops_charge_t *charge);
static void ngx_llmops_limit_tokens(ngx_llmops_limits_t *lim, int64_t *amounts,
    int64_t output);
static ngx_llmops_price_t *ngx_llmops_limit_price(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_target_t *t);


ngx_int_t
ngx_llmops_limit_charge(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_limit_t *limit, ngx_llmops_charge_t *charge)
{
    if (ngx_http_complex_value(r, limit->key, &charge->key) != NGX_OK
        || (limit->shard
            && ngx_http_complex_value(r, limit->shard, &charge->shard)
               != NGX_OK))
    {
        return NGX_ERROR;
    }

    if (charge->key.len == 0) {
        return NGX_DECLINED;
    }

    if (ngx_llmops_limit_hash(r, &charge->key) != NGX_OK
        || ngx_llmops_limit_hash(r, &charge->shard) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(charge->rates, limit->rates,
               limit->nrates * sizeof(ngx_llmops_rate_t));

    charge->nrates = limit->nrates;

    return ngx_llmops_limit_fill(r, lim, limit, charge);
}


ngx_int_t
ngx_llmops_limit_fill(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_limit_t *limit, ngx_llmops_charge_t *charge)
{
    charge->name = limit->name;
    charge->divisor = 1;
    charge->dry_run = limit->dry_run | limit->soft;

    ngx_llmops_limit_rates(r, limit, charge);

    return ngx_llmops_limit_want(r, lim, limit, charge);
}


ngx_int_t
ngx_llmops_limit_identify(ngx_http_request_t *r, ngx_llmops_limit_t *limit,
    ngx_llmops_charge_t *charge)
{
    charge->name = limit->name;
    charge->divisor = 1;

    ngx_llmops_limit_rates(r, limit, charge);

    if (ngx_llmops_limit_hash(r, &charge->key) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_limit_hash(r, &charge->shard);
}


/* the periods that the calendar is in */

static void
ngx_llmops_limit_rates(ngx_http_request_t *r, ngx_llmops_limit_t *limit,
    ngx_llmops_charge_t *charge)
{
    int64_t                      now;
    ngx_uint_t                   i;
    ngx_llmops_rate_t           *rate;
    ngx_llmops_calendar_e        kind;
    ngx_llmops_main_conf_t      *mcf;
    ngx_llmops_limit_period_t   *period;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);
    now = ngx_llmops_store_now(mcf->store);

    for (i = 0; i < charge->nrates; i++) {
        rate = &charge->rates[i];

        if (rate->period != NGX_LLMOPS_PERIOD_CALENDAR) {
            continue;
        }

        kind = (rate->window <= NGX_LLMOPS_LIMIT_DAY)
               ? NGX_LLMOPS_CALENDAR_DAY
               : (rate->window <= 7 * NGX_LLMOPS_LIMIT_DAY)
                 ? NGX_LLMOPS_CALENDAR_WEEK : NGX_LLMOPS_CALENDAR_MONTH;

        period = &limit->periods[kind];

        if (now < period->start || now >= period->end) {
            ngx_llmops_calendar_period(&limit->calendar, kind, now,
                                       &period->start, &period->end);
        }

        rate->start = period->start;
        rate->end = period->end;
    }
}


/* a value that is too long for the store: nobody can make two that share a
   counter */

static ngx_int_t
ngx_llmops_limit_hash(ngx_http_request_t *r, ngx_str_t *value)
{
    u_char  *p, digest[SHA256_DIGEST_LENGTH];

    if (value->len <= NGX_LLMOPS_COUNTER_KEY) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, sizeof("sha256:") - 1 + 2 * sizeof(digest));
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) SHA256(value->data, value->len, digest);

    value->data = p;

    p = ngx_cpymem(p, "sha256:", sizeof("sha256:") - 1);
    p = ngx_hex_dump(p, digest, sizeof(digest));

    value->len = p - value->data;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_limit_want(ngx_http_request_t *r, ngx_llmops_limits_t *lim,
    ngx_llmops_limit_t *limit, ngx_llmops_charge_t *charge)
{
    int64_t             usual, output, least, money[2];
    ngx_uint_t          i, budget;
    ngx_llmops_ctx_t   *ctx;
    ngx_llmops_unit_e   unit;

    ctx = lim->ctx;
    budget = 0;

    for (i = 0; i < charge->nrates; i++) {
        if (ngx_llmops_limit_budget(limit, &charge->rates[i])) {
            budget = 1;
        }
    }

    usual = (lim->output == 0)
            ? 0 : ngx_llmops_limit_times(ngx_llmops_limit_usual(limit, charge),
                                         lim->choices);

    output = (lim->output < 0) ? usual : lim->output;

    if (!budget) {
        least = ngx_min(output, usual);

    } else if (ctx->env.stream) {
        output = ngx_min(output, usual);
        least = ngx_min(output, ngx_llmops_limit_times(lim->choices,
                                                 NGX_LLMOPS_LIMIT_LITTLE));

    } else {
        least = output;
    }

    ngx_llmops_limit_tokens(lim, charge->want, output);
    ngx_llmops_limit_tokens(lim, charge->least, least);

    for (i = 0; i < charge->nrates; i++) {
        unit = charge->rates[i].unit;

        if (unit != NGX_LLMOPS_UNIT_COST || charge->want[unit]) {
            continue;
        }

        money[0] = ngx_llmops_limit_dearest(r, ctx, lim->input, output);
        money[1] = (least == output)
                   ? money[0]
                   : ngx_llmops_limit_dearest(r, ctx, lim->input, least);

        if (money[0] < 0 && !charge->dry_run) {
            return NGX_ABORT;
        }

        charge->want[unit] = ngx_max(money[0], 0);
        charge->least[unit] = ngx_max(money[1], 0);
    }

    return NGX_OK;
}


/* of small limits a part, so that they let anything pass at all */

int64_t
ngx_llmops_limit_usual(ngx_llmops_limit_t *limit,
    ngx_llmops_charge_t *charge)
{
    int64_t             usual;
    ngx_uint_t          i;
    ngx_llmops_rate_t  *rate;

    if (limit->reserve) {
        return limit->reserve;
    }

    usual = NGX_LLMOPS_LIMIT_RESERVE;

    for (i = 0; i < charge->nrates; i++) {
        rate = &charge->rates[i];

        if (rate->unit == NGX_LLMOPS_UNIT_TOKENS
            || rate->unit == NGX_LLMOPS_UNIT_OUTPUT)
        {
            usual = ngx_min(usual, rate->limit / 10);
        }
    }

    return ngx_max(usual, 1);
}


static void
ngx_llmops_limit_tokens(ngx_llmops_limits_t *lim, int64_t *amounts,
    int64_t output)
{
    amounts[NGX_LLMOPS_UNIT_REQUESTS] = 1;
    amounts[NGX_LLMOPS_UNIT_CONCURRENT] = 1;
    amounts[NGX_LLMOPS_UNIT_INPUT] = lim->input;
    amounts[NGX_LLMOPS_UNIT_OUTPUT] = output;
    amounts[NGX_LLMOPS_UNIT_TOKENS] = lim->input + output;
}


ngx_uint_t
ngx_llmops_limit_budget(ngx_llmops_limit_t *limit, ngx_llmops_rate_t *rate)
{
    if (limit->key) {
        return limit->quota;
    }

    /* of a caller's key, where both kinds stand in one list */

    return rate->unit == NGX_LLMOPS_UNIT_COST
           || rate->period == NGX_LLMOPS_PERIOD_CALENDAR;
}


int64_t
ngx_llmops_limit_dearest(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    int64_t input, int64_t output)
{
    int64_t              cost, most;
    ngx_uint_t           i;
    ngx_llmops_price_t  *price;

    most = 0;

    for (i = 0; i < ctx->plan.nsteps; i++) {

        price = ngx_llmops_limit_price(r, ctx, ctx->plan.steps[i].target);

        cost = price ? ngx_llmops_limit_cost(price, NULL, input, output) : -1;

        if (cost < 0) {
            return -1;
        }

        most = ngx_max(most, cost);
    }

    return most;
}


int64_t
ngx_llmops_limit_cost(ngx_llmops_price_t *price, ngx_llmops_usage_t *usage,
    int64_t input, int64_t output)
{
    ngx_llmops_usage_t  u;

    if (usage) {
        u = *usage;

    } else {
        ngx_memzero(&u, sizeof(ngx_llmops_usage_t));
        u.input = input;
    }

    u.output = output;
    u.audio_out = 0;
    u.image_out = 0;

    /* what of it is reasoning is not known: the dearer kind */

    u.reasoning = (price->reasoning > price->output) ? output : 0;

    return ngx_llmops_price_cost(price, &u);
}


ngx_llmops_price_t *
ngx_llmops_limit_target_price(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    return ctx->target ? ngx_llmops_limit_price(r, ctx, ctx->target) : NULL;
}


static ngx_llmops_price_t *
ngx_llmops_limit_price(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_target_t *t)
{
    ngx_llmops_main_conf_t  *mcf;

    if (t->price || t->model.len) {
        return t->price;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    return ngx_llmops_price_find(mcf, t->provider, &ctx->env.model);
}


int64_t
ngx_llmops_limit_times(int64_t n, int64_t by)
{
    int64_t  product;

    if (__builtin_mul_overflow(n, by, &product)
        || product > NGX_LLMOPS_LIMIT_MOST)
    {
        return NGX_LLMOPS_LIMIT_MOST;
    }

    return product;
}
