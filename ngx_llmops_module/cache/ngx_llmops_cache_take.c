
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"


/*
 * An answer is taken down while it goes to its caller.  Pieces go to shared
 * memory as they come, so that those who follow have them in the same turn.
 *
 * An answer that grows larger than the route stores is let go at once if
 * nobody follows it, and nobody will find it; else it goes on up to a bound of
 * its own, and is not stored.
 */


#define NGX_LLMOPS_CACHE_FLIGHT    (16 * 1024 * 1024)


static ngx_int_t ngx_llmops_take_fits(ngx_llmops_cache_t *cache,
    ngx_llmops_cached_t *cached, ngx_llmops_cache_take_t *take);
static void ngx_llmops_take_drop(ngx_llmops_cache_t *cache,
    ngx_llmops_cached_t *cached);
static void ngx_llmops_take_store(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_t *cache, ngx_llmops_cache_take_t *take);
static void ngx_llmops_take_put(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_t *cache, ngx_llmops_cache_answer_t *answer);


void
ngx_llmops_cache_begin(ngx_llmops_ctx_t *ctx, ngx_uint_t stream)
{
    uint64_t                  mask[NGX_LLMOPS_CACHE_WORDS] = { 0 };
    ngx_llmops_cache_t       *cache;
    ngx_llmops_cache_take_t  *take;

    if (!ngx_llmops_cache_leads(ctx)) {
        return;
    }

    cache = ngx_llmops_cache_of(ctx->request);
    take = ctx->cached->take;

    take->form = stream ? NGX_LLMOPS_CACHE_FORM_STREAM
                        : NGX_LLMOPS_CACHE_FORM_WHOLE;

    if (ngx_llmops_cshm_form(&cache->shm, &take->reader, take->form, mask)
        != NGX_OK)
    {
        ctx->cached->take = NULL;
        return;
    }

    ngx_llmops_wake_ring(cache->shm.slot, mask);
}


void
ngx_llmops_cache_take(ngx_llmops_ctx_t *ctx, u_char *p, size_t len)
{
    uint64_t                  mask[NGX_LLMOPS_CACHE_WORDS] = { 0 };
    ngx_llmops_cache_t       *cache;
    ngx_llmops_cache_take_t  *take;

    take = ctx->cached->take;

    if (take->form == NGX_LLMOPS_CACHE_FORM_NONE) {
        return;                            /* no answer that is taken down */
    }

    cache = ngx_llmops_cache_of(ctx->request);
    take->len += len;

    if (ngx_llmops_take_fits(cache, ctx->cached, take) != NGX_OK) {
        ngx_llmops_take_drop(cache, ctx->cached);
        return;
    }

    if (ngx_llmops_cshm_append(&cache->shm, &take->reader, p, len, mask)
        != NGX_OK)
    {
        ctx->cached->take = NULL;
    }

    ngx_llmops_wake_ring(cache->shm.slot, mask);
}


static ngx_int_t
ngx_llmops_take_fits(ngx_llmops_cache_t *cache, ngx_llmops_cached_t *cached,
    ngx_llmops_cache_take_t *take)
{
    if (take->len <= cached->route->max_size) {
        return NGX_OK;
    }

    take->large = 1;

    return take->len <= NGX_LLMOPS_CACHE_FLIGHT
           && ngx_llmops_cshm_followers(&cache->shm, &take->reader)
           ? NGX_OK : NGX_DECLINED;
}


static void
ngx_llmops_take_drop(ngx_llmops_cache_t *cache, ngx_llmops_cached_t *cached)
{
    uint64_t  mask[NGX_LLMOPS_CACHE_WORDS] = { 0 };

    ngx_llmops_cshm_fail(&cache->shm, &cached->take->reader, mask);
    cached->take = NULL;

    ngx_llmops_wake_ring(cache->shm.slot, mask);
}


ngx_uint_t
ngx_llmops_cache_followed(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_cache_t  *cache;

    if (!ngx_llmops_cache_leads(ctx)) {
        return 0;
    }

    cache = ngx_llmops_cache_of(ctx->request);

    return ngx_llmops_cshm_followers(&cache->shm, &ctx->cached->take->reader)
           != 0;
}


void
ngx_llmops_cache_finish(ngx_llmops_ctx_t *ctx, ngx_uint_t good)
{
    ngx_llmops_cache_t       *cache;
    ngx_llmops_cache_take_t  *take;

    if (!ngx_llmops_cache_leads(ctx)) {
        return;
    }

    cache = ngx_llmops_cache_of(ctx->request);
    take = ctx->cached->take;

    if (!good || take->form == NGX_LLMOPS_CACHE_FORM_NONE || take->len == 0) {
        ngx_llmops_take_drop(cache, ctx->cached);
        return;
    }

    ctx->cached->take = NULL;

    ngx_llmops_take_store(ctx, cache, take);
}


static void
ngx_llmops_take_store(ngx_llmops_ctx_t *ctx, ngx_llmops_cache_t *cache,
    ngx_llmops_cache_take_t *take)
{
    int64_t                    now;
    uint64_t                   mask[NGX_LLMOPS_CACHE_WORDS] = { 0 };
    ngx_llmops_cfacts_t        facts;
    ngx_llmops_creader_t       reader;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_cache_route_t  *route;

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_llmops_module);
    route = ctx->cached->route;
    now = ngx_llmops_now();

    ngx_memzero(&facts, sizeof(ngx_llmops_cfacts_t));

    facts.answer.form = take->form;
    facts.answer.usage = ctx->meter.usage;
    facts.answer.cost = ctx->cost;
    facts.answer.created = ngx_llmops_store_now(mcf->store)
                           - (int64_t) (ngx_current_msec - ctx->start);
    facts.answer.expires = now + (int64_t) route->ttl;
    facts.answer.body.len = take->len;
    ngx_memcpy(facts.answer.tags, ctx->cached->tags,
               sizeof(facts.answer.tags));

    if (!take->large) {
        facts.usable = facts.answer.expires
                       + (int64_t) ngx_max(route->stale, route->stale_error);

        /* it cannot go away while it is a flight */

        reader = take->reader;
        facts.answer.body.data = ngx_alloc(take->len,
                                           ctx->request->connection->log);

        if (facts.answer.body.data
            && ngx_llmops_cshm_copy(&cache->shm, &reader,
                                    facts.answer.body.data, take->len)
               != NGX_OK)
        {
            /* but with a worker that was thought dead */

            ngx_free(facts.answer.body.data);
            facts.answer.body.data = NULL;
        }

        if (facts.answer.body.data
            && take->form == NGX_LLMOPS_CACHE_FORM_WHOLE)
        {
            ngx_llmops_cache_mark(ctx->env.op, &facts.answer.body,
                                  &facts.marks);
        }
    }

    ngx_llmops_cshm_complete(&cache->shm, &take->reader, &facts, mask);
    ngx_llmops_wake_ring(cache->shm.slot, mask);

    if (facts.answer.body.data) {
        ngx_llmops_take_put(ctx, cache, &facts.answer);
        ngx_free(facts.answer.body.data);
    }
}


static void
ngx_llmops_take_put(ngx_llmops_ctx_t *ctx, ngx_llmops_cache_t *cache,
    ngx_llmops_cache_answer_t *answer)
{
    ngx_uint_t                       i;
    const ngx_llmops_cache_level_t  *level;

    for (i = 0; i < NGX_LLMOPS_CACHE_LEVELS; i++) {
        level = cache->levels[i];

        if (level && level->put) {
            level->put(ctx, answer);
        }
    }
}
