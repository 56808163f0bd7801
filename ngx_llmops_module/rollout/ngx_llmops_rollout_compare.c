
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"


/*
 * Both arms side by side, for a person who looks at them.  A guard knows one
 * measure, and of that only what its test needs; whoever has to decide wants
 * to see all of them, of the same requests, whatever the guards are.
 *
 * Additions without a lock: a reader may see a request in one figure and not
 * yet in the next.
 */


static void ngx_llmops_rollout_bucket(ngx_atomic_t *buckets, ngx_msec_t ms);


const ngx_uint_t  ngx_llmops_rollout_bounds[NGX_LLMOPS_ROLLOUT_BOUNDS] = {
    25, 50, 100, 150, 200, 300, 400, 600, 800, 1200, 1600, 2400, 3200, 4800,
    6400, 12800
};


void
ngx_llmops_rollout_compare(ngx_llmops_rollout_t *ro, ngx_llmops_ctx_t *ctx,
    ngx_uint_t failed, ngx_uint_t broken, ngx_uint_t timed)
{
    ngx_llmops_usage_t           *usage;
    ngx_llmops_rollout_arm_sh_t  *arm;

    if (ro->arms == NULL) {
        return;
    }

    arm = &ro->arms->arm[ctx->arm->candidate];

    (void) ngx_atomic_fetch_add(&arm->requests, 1);
    (void) ngx_atomic_fetch_add(&arm->errors, failed);
    (void) ngx_atomic_fetch_add(&arm->broken, broken);

    if (!timed) {
        return;
    }

    ngx_llmops_rollout_bucket(arm->total, ngx_llmops_ctx_total(ctx));

    /* a whole answer comes at once: its first byte is not its first token */

    if (ctx->call.streaming && ctx->first_token != (ngx_msec_t) -1) {
        ngx_llmops_rollout_bucket(arm->first_token, ctx->first_token);
    }

    usage = &ctx->meter.usage;

    if (usage->source == NGX_LLMOPS_USAGE_NONE) {
        return;
    }

    (void) ngx_atomic_fetch_add(&arm->answered, 1);
    (void) ngx_atomic_fetch_add(&arm->input,
                                (ngx_atomic_int_t) ngx_max(usage->input, 0));
    (void) ngx_atomic_fetch_add(&arm->output,
                                (ngx_atomic_int_t) ngx_max(usage->output, 0));

    if (ctx->cost >= 0) {
        (void) ngx_atomic_fetch_add(&arm->priced, 1);
        (void) ngx_atomic_fetch_add(&arm->cost, (ngx_atomic_int_t) ctx->cost);
    }
}


static void
ngx_llmops_rollout_bucket(ngx_atomic_t *buckets, ngx_msec_t ms)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_ROLLOUT_BOUNDS; i++) {
        if (ms <= ngx_llmops_rollout_bounds[i]) {
            break;
        }
    }

    (void) ngx_atomic_fetch_add(&buckets[i], 1);
}
