
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"


/*
 * Nobody has a fresh answer: who follows a flight, who leads one, who gets a
 * stale answer meanwhile; and again, when a flight has failed.
 */


#define NGX_LLMOPS_CACHED_FLIGHTS  2       /* that may fail before one goes on
                                              alone */


static ngx_int_t ngx_llmops_cached_lead(ngx_http_request_t *r,
    ngx_llmops_cached_t *cached, ngx_llmops_creader_t *reader);


/*
 * Nobody has a fresh answer.  A stale one is given if no target can be asked,
 * after flights have failed, or while somebody else asks for a new one.
 */

ngx_int_t
ngx_llmops_cached_board(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    int64_t                    now;
    ngx_int_t                  rc;
    ngx_uint_t                 follow, stale;
    ngx_llmops_cache_t        *cache;
    ngx_llmops_cached_t       *cached;
    ngx_llmops_creader_t       reader;
    ngx_llmops_cache_found_t  *found;

    cache = ngx_llmops_cache_of(r);
    cached = ctx->cached;
    found = cached->found;
    now = ngx_llmops_now();

    if (found && (ctx->plan.nsteps == 0
                  || cached->tries == NGX_LLMOPS_CACHED_FLIGHTS))
    {
        return ngx_llmops_cached_found(r, ctx, NGX_LLMOPS_CACHE_STALE);
    }

    stale = found && !found->fresh
            && now < found->facts.answer.expires
                     + (int64_t) cached->route->stale;

    follow = cached->route->share && !cached->no_cache && !stale
             && cached->tries < NGX_LLMOPS_CACHED_FLIGHTS;

    if (ctx->plan.nsteps == 0) {
        cached->state = NGX_LLMOPS_CACHED_OVER;
        return NGX_OK;
    }

    rc = ngx_llmops_cshm_board(&cache->shm, cached->key, cached->tags,
                               (cached->no_cache || cached->purged)
                               ? 0 : now,
                               follow,
                               !cached->no_store, &reader);

    if (rc == NGX_BUSY && ngx_llmops_cached_look(r, cached) == NGX_OK) {
        return NGX_DECLINED;
    }

    if (stale) {
        if (rc == NGX_DONE) {
            ngx_llmops_cache_refresh(r, ctx, &reader);
        }

        return ngx_llmops_cached_found(r, ctx, NGX_LLMOPS_CACHE_STALE);
    }

    cached->state = NGX_LLMOPS_CACHED_OVER;

    if (rc == NGX_OK) {
        cached->status = NGX_LLMOPS_CACHE_SHARED;
        return ngx_llmops_cache_follow(r, ctx, &reader, cached->resume);
    }

    if (rc == NGX_DONE) {
        return ngx_llmops_cached_lead(r, cached, &reader);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_cached_lead(ngx_http_request_t *r, ngx_llmops_cached_t *cached,
    ngx_llmops_creader_t *reader)
{
    ngx_llmops_cache_take_t  *take;

    take = ngx_pcalloc(r->pool, sizeof(ngx_llmops_cache_take_t));

    if (take == NULL) {
        uint64_t  mask[NGX_LLMOPS_CACHE_WORDS] = { 0 };

        ngx_llmops_cshm_fail(&ngx_llmops_cache_of(r)->shm, reader, mask);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    take->reader = *reader;
    cached->take = take;

    return NGX_OK;
}


/* a flight has failed before anything of it was given */

void
ngx_llmops_cached_again(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_cached_t *cached = ctx->cached;

    /* nothing of it was sent: what it has gathered is nobody's */

    ngx_llmops_cache_play_free(ctx);

    cached->play = NULL;
    cached->tries++;
    cached->saved_cost = -1;
    ngx_memzero(&cached->saved, sizeof(ngx_llmops_usage_t));
    cached->status = NGX_LLMOPS_CACHE_MISS;
    cached->level = NGX_LLMOPS_CACHE_LEVELS;
    cached->state = NGX_LLMOPS_CACHED_NOTHING;

    if (ngx_llmops_cached_look(r, cached) == NGX_DECLINED) {
        cached->found = NULL;
    }

    cached->resume(r);
}
