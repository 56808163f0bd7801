
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_account.h"
#include "ngx_llmops_guard.h"
#include "ngx_llmops_ledger.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_cache_own.h"


/*
 * A request as it stands in the ledger.  All parts of a row's identity come
 * from the configuration or from a key that somebody has made: what a caller
 * writes must not make rows.  So a target that takes the caller's name of a
 * model is counted under the "match" that let it in.
 */


static uint32_t ngx_llmops_account_day(time_t now);
static void ngx_llmops_account_model(ngx_llmops_ctx_t *ctx,
    ngx_str_t *model);
static void ngx_llmops_account_usage(ngx_llmops_ctx_t *ctx, int64_t *sums);


void
ngx_llmops_account(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_ledger_row_t  row;

    ngx_llmops_cache_account(ctx);

    if (mcf->store == NULL) {
        return;
    }

    ngx_memzero(&row, sizeof(ngx_llmops_ledger_row_t));

    row.day = ngx_llmops_account_day(ngx_time());

    if (ctx->identity) {
        row.client = ctx->identity->client;
        row.tenant = ctx->identity->tenant;
    }

    if (ctx->plan.route) {
        row.route = ctx->plan.route->name;
        ngx_llmops_account_model(ctx, &row.model);
    }

    if (ctx->detached) {
        row.route = ctx->detached->purpose->label;
    }

    row.sums[NGX_LLMOPS_LEDGER_REQUESTS] = 1;
    row.sums[NGX_LLMOPS_LEDGER_ERRORS] = (ctx->error != NGX_LLMOPS_ERR_NONE);

    ngx_llmops_account_usage(ctx, row.sums);

    ngx_llmops_ledger_add(mcf->store, &row);
}


/* mostly it is the same second as the last time */

static uint32_t
ngx_llmops_account_day(time_t now)
{
    ngx_tm_t  tm;

    static time_t    last;
    static uint32_t  day;

    if (now != last || day == 0) {
        ngx_gmtime(now, &tm);

        last = now;
        day = tm.ngx_tm_year * 10000 + tm.ngx_tm_mon * 100 + tm.ngx_tm_mday;
    }

    return day;
}


static void
ngx_llmops_account_model(ngx_llmops_ctx_t *ctx, ngx_str_t *model)
{
    size_t       len;
    ngx_str_t   *match, *asked;
    ngx_uint_t   i;

    if (ctx->target && ctx->target->model.len) {
        *model = ctx->target->model;
        return;
    }

    /* the longest one that fits; a route that llm_pass names takes all */

    ngx_str_set(model, "*");

    asked = &ctx->env.model;
    match = ctx->plan.route->matches.elts;

    for (i = 0; i < ctx->plan.route->matches.nelts; i++) {

        len = match[i].len;

        if (match[i].data[len - 1] == '*') {

            if (len <= model->len || asked->len < len - 1
                || ngx_memcmp(asked->data, match[i].data, len - 1) != 0)
            {
                continue;
            }

            *model = match[i];

        } else if (asked->len == len
                   && ngx_memcmp(asked->data, match[i].data, len) == 0)
        {
            *model = match[i];
            return;
        }
    }
}


static void
ngx_llmops_account_usage(ngx_llmops_ctx_t *ctx, int64_t *sums)
{
    ngx_llmops_usage_t  *usage;

    usage = &ctx->meter.usage;

    if (usage->source == NGX_LLMOPS_USAGE_NONE) {
        return;
    }

    sums[NGX_LLMOPS_LEDGER_INPUT] = usage->input;
    sums[NGX_LLMOPS_LEDGER_OUTPUT] = usage->output;
    sums[NGX_LLMOPS_LEDGER_CACHE_READ] = usage->cache_read;
    sums[NGX_LLMOPS_LEDGER_CACHE_WRITE] = usage->cache_write;
    sums[NGX_LLMOPS_LEDGER_REASONING] = usage->reasoning;

    sums[NGX_LLMOPS_LEDGER_ESTIMATED] =
                               (usage->source == NGX_LLMOPS_USAGE_ESTIMATED);

    if (ctx->cost < 0) {
        sums[NGX_LLMOPS_LEDGER_UNPRICED] = 1;

    } else {
        sums[NGX_LLMOPS_LEDGER_COST] = ctx->cost;
    }
}
