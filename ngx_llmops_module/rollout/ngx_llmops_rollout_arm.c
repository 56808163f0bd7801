
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * The arm of a request: one word of shared memory, and the hash of a key.  The
 * hash is the same on all machines and lies anywhere from 0 to 9999; the
 * candidate's are those below its share, so that a larger share only adds
 * callers and a caller who has had the candidate keeps it.  It is salted with
 * the rollout's name: the first of one canary are not the first of the next.
 */


#define NGX_LLMOPS_ARM_FNV_START   0xcbf29ce484222325ULL
#define NGX_LLMOPS_ARM_FNV_PRIME   0x100000001b3ULL


static ngx_int_t ngx_llmops_rollout_choose(ngx_http_request_t *r,
    ngx_llmops_rollout_t *ro, ngx_uint_t share, ngx_uint_t *candidate);
static uint64_t ngx_llmops_rollout_hash(uint64_t h, ngx_str_t *s);


ngx_int_t
ngx_llmops_rollout_arm(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t                    rc;
    ngx_uint_t                   candidate;
    ngx_llmops_arm_t            *arm;
    ngx_atomic_uint_t            word;
    ngx_llmops_rollout_t        *ro;
    ngx_llmops_rollout_state_e   state;

    ro = ctx->route->rollout;

    if (ro == NULL || ro->sh == NULL || ctx->env.op == NGX_LLMOPS_OP_OTHER) {
        return NGX_OK;
    }

    /* who names a prompt gets that one, with the stable arm's target */

    if (ro->prompt && (ctx->prompt || !ctx->env.prompts)) {
        return NGX_OK;
    }

    word = ro->sh->word;

    if (word == 0) {                         /* no document has been read yet */
        return NGX_OK;
    }

    rc = ngx_llmops_rollout_choose(r, ro, ngx_llmops_rollout_share(word),
                                   &candidate);
    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : NGX_ERROR;
    }

    arm = ngx_pcalloc(r->pool, sizeof(ngx_llmops_arm_t));
    if (arm == NULL) {
        return NGX_ERROR;
    }

    state = ngx_llmops_rollout_state(word);

    arm->rollout = ro;
    arm->ctx = ctx;
    arm->epoch = ngx_llmops_rollout_epoch(word);
    arm->candidate = candidate;
    arm->watched = (state != NGX_LLMOPS_ROLLOUT_PROMOTED
                    && state != NGX_LLMOPS_ROLLOUT_ROLLED_BACK);

    ctx->arm = arm;

    if (ro->other && candidate) {
        ctx->route = ro->other;
    }

    if (ro->cut && candidate && ctx->env.stream) {
        ngx_llmops_rollout_cut_add(arm);
    }

    return NGX_OK;
}


/* NGX_DECLINED: a request without a key is in no rollout, until all are */

static ngx_int_t
ngx_llmops_rollout_choose(ngx_http_request_t *r, ngx_llmops_rollout_t *ro,
    ngx_uint_t share, ngx_uint_t *candidate)
{
    uint64_t   h;
    ngx_str_t  key;

    if (share == 0 || share == 10000) {
        *candidate = (share != 0);
        return NGX_OK;
    }

    if (ro->by == NULL) {
        *candidate = ((ngx_uint_t) ngx_random() % 10000 < share);
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, ro->by, &key) != NGX_OK) {
        return NGX_ERROR;
    }

    if (key.len == 0) {
        return NGX_DECLINED;
    }

    h = ngx_llmops_rollout_hash(NGX_LLMOPS_ARM_FNV_START, &ro->id);
    h = ngx_llmops_rollout_hash(h, &key);

    /* the finalizer of splitmix64: FNV's low bits are not good enough */

    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9ULL;
    h = (h ^ (h >> 27)) * 0x94d049bb133111ebULL;
    h ^= h >> 31;

    *candidate = (h % 10000 < share);

    return NGX_OK;
}


static uint64_t
ngx_llmops_rollout_hash(uint64_t h, ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        h = (h ^ s->data[i]) * NGX_LLMOPS_ARM_FNV_PRIME;
    }

    return (h ^ 0xff) * NGX_LLMOPS_ARM_FNV_PRIME;
}


void
ngx_llmops_rollout_prompt(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_form_e      form;
    ngx_llmops_rollout_t  *ro;

    if (ctx->arm == NULL) {
        return;
    }

    ro = ctx->arm->rollout;

    if (ro->prompt == NULL) {
        return;
    }

    if (!ngx_llmops_prompt_has_form(ctx, &form)) {
        ngx_llmops_rollout_leave(ctx);

    } else if (ctx->arm->candidate) {
        ctx->prompt = ro->prompt;
    }
}


ngx_llmops_target_t *
ngx_llmops_rollout_target(ngx_llmops_ctx_t *ctx)
{
    return (ctx->arm && ctx->arm->candidate) ? ctx->arm->rollout->target
                                             : NULL;
}


ngx_uint_t
ngx_llmops_rollout_ill(ngx_llmops_route_t *route)
{
    int64_t                now;
    ngx_llmops_rollout_t  *ro;

    ro = route->rollout;

    if (ro == NULL || ro->sh == NULL || ro->sh->ill == 0) {
        return 0;
    }

    now = ngx_llmops_now();

    return (int64_t) ro->sh->ill > now;
}


void
ngx_llmops_rollout_leave(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_rollout_t  *ro;

    if (ctx->arm == NULL) {
        return;
    }

    ngx_llmops_rollout_gone(ctx);

    ro = ctx->arm->rollout;
    ctx->arm = NULL;

    if (ro->other == NULL || ctx->route != ro->other) {
        return;
    }

    ctx->route = ro->route;

    if (ctx->plan.route) {
        ctx->plan.route = ro->route;
    }
}


void
ngx_llmops_rollout_gone(ngx_llmops_ctx_t *ctx)
{
    if (ctx->arm && ctx->arm->queued) {
        ngx_llmops_rollout_cut_remove(ctx->arm);
    }
}


void
ngx_llmops_rollout_arm_name(ngx_llmops_ctx_t *ctx, ngx_str_t *name)
{
    if (ctx->arm == NULL) {
        ngx_str_null(name);

    } else if (ctx->arm->candidate) {
        ngx_str_set(name, "candidate");

    } else {
        ngx_str_set(name, "stable");
    }
}
