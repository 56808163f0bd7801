
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_price.h"
#include "ngx_llmops_guard.h"


/*
 * What attempts have used whose answers nobody got: a rule has refused one, or
 * it broke off, or its caller left, while it was still held back.  Its provider
 * bills it as any other.  So the request has used it too, beside what the
 * answer took that went out in the end: in the log, in the ledger, of its
 * limits.
 *
 * That answer alone is what a cache keeps, and what decides upon its target.
 */


static void ngx_llmops_spent_add(ngx_llmops_usage_t *to,
    ngx_llmops_usage_t *usage);


void
ngx_llmops_call_spend(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t   *call;
    ngx_llmops_spent_t  *spent;

    call = &ctx->call;

    if (call->committed || call->left
        || (call->fail != NGX_LLMOPS_FAIL_CHECK && !ctx->meter.content))
    {
        return;
    }

    call->left = 1;
    ctx->cost = -1;

    ngx_llmops_limits_again(ctx);
    ngx_llmops_call_usage(r, ctx);

    if (ctx->meter.usage.source == NGX_LLMOPS_USAGE_NONE) {
        return;
    }

    spent = ctx->spent;

    if (spent == NULL) {
        spent = ngx_pcalloc(r->pool, sizeof(ngx_llmops_spent_t));
        if (spent == NULL) {
            return;
        }

        ctx->spent = spent;
    }

    ngx_llmops_spent_add(&spent->usage, &ctx->meter.usage);

    spent->cost = ngx_llmops_price_sum(spent->cost, ctx->cost);
    ctx->cost = -1;

    ngx_memzero(&ctx->meter.usage, sizeof(ngx_llmops_usage_t));
}


void
ngx_llmops_call_spent(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_spent_t  *spent;

    spent = ctx->spent;

    if (spent == NULL) {
        return;
    }

    ctx->spent = NULL;

    ctx->cost = (ctx->meter.usage.source == NGX_LLMOPS_USAGE_NONE)
                ? spent->cost : ngx_llmops_price_sum(spent->cost, ctx->cost);

    ngx_llmops_spent_add(&ctx->meter.usage, &spent->usage);
}


static void
ngx_llmops_spent_add(ngx_llmops_usage_t *to, ngx_llmops_usage_t *usage)
{
    to->input += usage->input;
    to->output += usage->output;
    to->cache_read += usage->cache_read;
    to->cache_write += usage->cache_write;
    to->cache_write_1h += usage->cache_write_1h;
    to->reasoning += usage->reasoning;
    to->audio_in += usage->audio_in;
    to->audio_out += usage->audio_out;
    to->image_in += usage->image_in;
    to->image_out += usage->image_out;

    /* a sum is as good as the worse of both */

    to->source = (to->source == NGX_LLMOPS_USAGE_NONE)
                 ? usage->source : ngx_min(to->source, usage->source);
}
