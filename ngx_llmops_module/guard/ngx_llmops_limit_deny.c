
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"
#include "ngx_llmops_error.h"


/*
 * Refusals.  A rate is 429 with the time to wait, which clients do by
 * themselves.  A budget does not come back by waiting a moment: OpenAI says so
 * with 429 and insufficient_quota, Anthropic with 402 billing_error, and no
 * client shall try again or, worse, sleep until the month is over.
 *
 * The message has what the caller can act on: which limit, how much is left,
 * how much the request needs, when it is all there again.  A request that needs
 * more than there ever is gets no time to wait: it would come again for ever.
 */


#define NGX_LLMOPS_LIMIT_TEXT      400


static void ngx_llmops_limit_pick(ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part);
static ngx_uint_t ngx_llmops_limit_never(ngx_llmops_charge_t *charge,
    ngx_uint_t n);
static u_char *ngx_llmops_limit_message(u_char *p, u_char *last,
    ngx_llmops_limits_t *lim, ngx_uint_t budget);
static u_char *ngx_llmops_limit_digits(u_char *p, int64_t n,
    ngx_uint_t decimals);


ngx_int_t
ngx_llmops_limit_deny(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_part_t *part)
{
    u_char                text[NGX_LLMOPS_LIMIT_TEXT];
    int64_t               retry;
    ngx_uint_t            budget, never;
    ngx_llmops_error_t    err;
    ngx_llmops_limits_t  *lim;

    lim = ctx->limits;

    ngx_llmops_limit_pick(lim, part);

    never = ngx_llmops_limit_never(lim->charge, lim->rate);

    budget = ngx_llmops_limit_budget(lim->limit,
                                     &lim->charge->rates[lim->rate]);

    ngx_llmops_limit_count(lim->limit,
                           denied[lim->charge->rates[lim->rate].unit]);

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    err.message.data = text;
    err.message.len = ngx_llmops_limit_message(text, text + sizeof(text), lim,
                                               budget)
                      - text;

    if (budget) {
        err.kind = NGX_LLMOPS_ERR_BILLING;
        ngx_str_set(&err.code, "insufficient_quota");

        return ngx_llmops_deny(r, ctx, &err, 0);
    }

    err.kind = NGX_LLMOPS_ERR_RATE_LIMIT;
    ngx_str_set(&err.code, "rate_limit_exceeded");

    if (never) {
        return ngx_llmops_deny(r, ctx, &err, 0);
    }

    retry = ngx_max(lim->charge->levels[lim->rate].retry, 1);

    return ngx_llmops_deny(r, ctx, &err, (ngx_uint_t) ((retry + 999) / 1000));
}


/* a budget before a rate, since waiting does not help; of rates one that will
   never do, and then the one that takes longest */

static void
ngx_llmops_limit_pick(ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part)
{
    int64_t               wait, longest;
    ngx_uint_t            i, k;
    ngx_llmops_limit_t   *limit;
    ngx_llmops_charge_t  *charge;

    longest = -1;

    for (i = 0; i < part->res.ncharges; i++) {
        charge = &part->res.charges[i];
        limit = part->limits[i];

        if (charge->dry_run) {
            continue;
        }

        for (k = 0; k < charge->nrates; k++) {

            if (!(charge->denied >> k & 1)) {
                continue;
            }

            wait = ngx_llmops_limit_budget(limit, &charge->rates[k])
                   ? NGX_LLMOPS_LIMIT_MOST
                   : ngx_llmops_limit_never(charge, k)
                     ? NGX_LLMOPS_LIMIT_MOST - 1 : charge->levels[k].retry;

            if (wait > longest) {
                longest = wait;

                lim->limit = limit;
                lim->charge = charge;
                lim->rate = k;
            }
        }
    }
}


/* a request that needs more than all of a rate, this machine's share or not */

static ngx_uint_t
ngx_llmops_limit_never(ngx_llmops_charge_t *charge, ngx_uint_t n)
{
    ngx_llmops_rate_t  *rate;

    rate = &charge->rates[n];

    return charge->least[rate->unit] > rate->limit + rate->carry;
}


static u_char *
ngx_llmops_limit_message(u_char *p, u_char *last, ngx_llmops_limits_t *lim,
    ngx_uint_t budget)
{
    u_char               rate[NGX_LLMOPS_RATE_TEXT];
    u_char               left[NGX_LLMOPS_LIMIT_TIME];
    u_char               need[NGX_LLMOPS_LIMIT_TIME];
    u_char               time[NGX_LLMOPS_LIMIT_TIME];
    ngx_str_t            s[4];
    ngx_llmops_rate_t   *r;
    ngx_llmops_level_t  *level;

    r = &lim->charge->rates[lim->rate];
    level = &lim->charge->levels[lim->rate];

    s[0].data = rate;
    s[0].len = ngx_llmops_rate_print(rate, r) - rate;
    s[1].data = left;
    s[1].len = ngx_llmops_limit_amount(left, r->unit,
                                 ngx_max(level->limit - level->used
                                         - level->reserved, 0)) - left;
    s[2].data = need;
    s[2].len = ngx_llmops_limit_amount(need, r->unit,
                                       lim->charge->least[r->unit]) - need;

    if (ngx_llmops_limit_never(lim->charge, lim->rate)) {
        return ngx_slprintf(p, last, "%s \"%V\" (%V) is too small: this "
                            "request %s %V; send a shorter one, or a smaller "
                            "max_tokens", budget ? "budget" : "limit",
                            &lim->limit->name, &s[0],
                            r->unit == NGX_LLMOPS_UNIT_COST ? "may cost"
                                                            : "needs", &s[2]);
    }

    p = ngx_slprintf(p, last, "%s \"%V\" (%V) is %s: %V left, this request "
                     "%s %V", budget ? "budget" : "limit", &lim->limit->name,
                     &s[0], budget ? "used up" : "reached", &s[1],
                     r->unit == NGX_LLMOPS_UNIT_COST ? "may cost" : "needs",
                     &s[2]);

    if (r->period == NGX_LLMOPS_PERIOD_HELD) {
        return ngx_slprintf(p, last, "; retry when another request is over");
    }

    s[3].data = time;
    s[3].len = ngx_llmops_limit_time(time, level->reset) - time;

    p = ngx_slprintf(p, last, "; it resets in %V", &s[3]);

    if (budget) {
        return p;
    }

    s[3].len = ngx_llmops_limit_time(time, ngx_max(level->retry, 1)) - time;

    return ngx_slprintf(p, last, ", retry in %V", &s[3]);
}


ngx_int_t
ngx_llmops_limit_unknown(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limit_t *limit)
{
    ngx_llmops_error_t  err;

    ctx->limits->limit = limit;

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    err.kind = NGX_LLMOPS_ERR_OVERLOADED;
    ngx_str_set(&err.code, "limits_unavailable");
    ngx_str_set(&err.message, "the limits of this request cannot be checked "
                              "now, retry after the time in retry-after");

    return ngx_llmops_deny(r, ctx, &err, 1);
}


ngx_int_t
ngx_llmops_limit_unpriced(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limit_t *limit)
{
    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "a target for model \"%V\" has no price, and \"%V\" is a "
                  "budget in money: add llm_price or llm_prices",
                  &ctx->env.model, &limit->name);

    return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_PERMISSION,
                                "model_without_price",
                                "the model \"%V\" has no price here, and the "
                                "budget \"%V\" is in money", &ctx->env.model,
                                &limit->name);
}


u_char *
ngx_llmops_limit_time(u_char *p, int64_t ms)
{
    int64_t  s;

    if (ms > 0 && ms < 1000) {
        p = ngx_llmops_print_int(p, ms);
        *p++ = 'm';
        *p++ = 's';

        return p;
    }

    s = (ms + 999) / 1000;

    if (s >= 3600) {
        p = ngx_llmops_print_int(p, s / 3600);
        *p++ = 'h';
    }

    if (s >= 60) {
        p = ngx_llmops_print_int(p, s / 60 % 60);
        *p++ = 'm';
    }

    p = ngx_llmops_print_int(p, s % 60);
    *p++ = 's';

    return p;
}


u_char *
ngx_llmops_limit_amount(u_char *p, ngx_llmops_unit_e unit, int64_t n)
{
    if (unit != NGX_LLMOPS_UNIT_COST) {
        return ngx_sprintf(p, "%L", n);
    }

    /* micro-dollars are as fine as anyone can act on */

    p = ngx_llmops_limit_digits(p, n / 1000000, 6);

    return ngx_cpymem(p, "usd", 3);
}


/* n is in units of the last decimal; zeros at the end say nothing */

static u_char *
ngx_llmops_limit_digits(u_char *p, int64_t n, ngx_uint_t decimals)
{
    int64_t  scale;

    for (scale = 1; decimals; decimals--) {
        scale *= 10;
    }

    /* scale is a power of ten, which cppcheck does not see */
    /* cppcheck-suppress zerodivcond */
    p = ngx_sprintf(p, "%L", n / scale);
    n %= scale;

    if (n == 0) {
        return p;
    }

    for (*p++ = '.'; n; n %= scale) {
        n *= 10;
        *p++ = (u_char) ('0' + n / scale);
    }

    return p;
}
