
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"


/*
 * The end of what a request has reserved.  The truth is what was counted for
 * it: the provider's own numbers, or for an answer that was cut what had come
 * by then, which the provider bills as well.  A request that ended in an error
 * has used nothing but its request.
 */


static void ngx_llmops_limits_truth(ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_t *lim, int64_t *truth);
static void ngx_llmops_limits_dry_part(ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part, const int64_t *truth);
static void ngx_llmops_limits_settle_part(ngx_llmops_store_t *store,
    ngx_llmops_limits_part_t *part, const int64_t *truth);


void
ngx_llmops_limits_settle(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    int64_t                  truth[NGX_LLMOPS_UNIT_MAX];
    ngx_llmops_limits_t     *lim;
    ngx_llmops_main_conf_t  *mcf;

    lim = ctx->limits;

    if (lim == NULL || lim->state == NGX_LLMOPS_LIMITS_OVER) {
        return;
    }

    if (lim->state != NGX_LLMOPS_LIMITS_ENTERED) {
        ngx_llmops_limits_release(r, lim);
        return;
    }

    ngx_llmops_limits_truth(ctx, lim, truth);

    if (ctx->env.stream) {
        ngx_llmops_limits_dry_part(lim, &lim->store, truth);
        ngx_llmops_limits_dry_part(lim, &lim->local, truth);
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    lim->state = NGX_LLMOPS_LIMITS_OVER;
    lim->extending = 0;
    ctx->limits_at = NGX_LLMOPS_LIMITS_NEVER;

    ngx_llmops_limits_settle_part(mcf->store, &lim->store, truth);
    ngx_llmops_limits_settle_part(mcf->store, &lim->local, truth);
}


void
ngx_llmops_limits_release(ngx_http_request_t *r, ngx_llmops_limits_t *lim)
{
    ngx_llmops_limits_state_e   state;
    ngx_llmops_main_conf_t     *mcf;

    static const int64_t  nothing[NGX_LLMOPS_UNIT_MAX];

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    state = lim->state;
    lim->state = NGX_LLMOPS_LIMITS_OVER;

    if (state == NGX_LLMOPS_LIMITS_ASKING) {
        ngx_llmops_store_cancel(mcf->store, &lim->store.res);
        return;
    }

    /* it may have been answered and not looked at: the caller has left */

    lim->store.held = lim->store.res.held;

    ngx_llmops_limits_settle_part(mcf->store, &lim->store, nothing);
    ngx_llmops_limits_settle_part(mcf->store, &lim->local, nothing);
}


/* budgets with dry_run that it has passed before the store could say so */

static void
ngx_llmops_limits_dry_part(ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part, const int64_t *truth)
{
    int64_t               others;
    ngx_uint_t            i, k;
    ngx_llmops_unit_e     unit;
    ngx_llmops_level_t   *level;
    ngx_llmops_charge_t  *charge;

    for (i = 0; i < part->res.ncharges && lim->dry == NULL; i++) {
        charge = &part->res.charges[i];

        if (!part->limits[i]->dry_run || part->limits[i]->soft
            || (part->away >> i & 1))
        {
            continue;
        }

        for (k = 0; k < charge->nrates; k++) {
            unit = charge->rates[k].unit;
            level = &charge->levels[k];
            others = level->used + level->reserved - charge->granted[unit];

            if (ngx_llmops_limit_budget(part->limits[i], &charge->rates[k])
                && truth[unit] > charge->granted[unit]
                && others + truth[unit] > level->limit)
            {
                ngx_llmops_limit_count(part->limits[i], dry_run[unit]);
                lim->dry = part->limits[i];
                break;
            }
        }
    }
}


static void
ngx_llmops_limits_settle_part(ngx_llmops_store_t *store,
    ngx_llmops_limits_part_t *part, const int64_t *truth)
{
    if (part->held) {
        part->held = 0;
        ngx_llmops_store_settle(store, &part->res, truth);
    }
}


static void
ngx_llmops_limits_truth(ngx_llmops_ctx_t *ctx, ngx_llmops_limits_t *lim,
    int64_t *truth)
{
    ngx_llmops_usage_t  *usage;

    ngx_memzero(truth, NGX_LLMOPS_UNIT_MAX * sizeof(int64_t));

    truth[NGX_LLMOPS_UNIT_REQUESTS] = 1;

    usage = &ctx->meter.usage;

    if (usage->source == NGX_LLMOPS_USAGE_NONE) {
        return;
    }

    truth[NGX_LLMOPS_UNIT_INPUT] = usage->input;
    truth[NGX_LLMOPS_UNIT_OUTPUT] = usage->output;
    truth[NGX_LLMOPS_UNIT_TOKENS] = usage->input + usage->output;

    /* what cannot be priced costs what it was expected to */

    truth[NGX_LLMOPS_UNIT_COST] = (ctx->cost >= 0)
                                  ? ctx->cost
                                  : ngx_llmops_limits_granted(lim,
                                                      NGX_LLMOPS_UNIT_COST);
}


int64_t
ngx_llmops_limits_granted(ngx_llmops_limits_t *lim, ngx_llmops_unit_e unit)
{
    int64_t     most;
    ngx_uint_t  i;

    most = 0;

    for (i = 0; i < lim->store.res.ncharges; i++) {
        if (!(lim->store.away >> i & 1)) {
            most = ngx_max(most, lim->store.res.charges[i].granted[unit]);
        }
    }

    for (i = 0; i < lim->local.res.ncharges; i++) {
        if (!(lim->local.away >> i & 1)) {
            most = ngx_max(most, lim->local.res.charges[i].granted[unit]);
        }
    }

    return most;
}
