
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_detached.h"


/*
 * stale=: the caller has got the old answer, and the same question is asked
 * again in the background, by a request of the gateway's own that leads the
 * flight as any caller would.  Its answer is taken down on its way to nobody,
 * by the same hooks; so rules, failover and all that makes an answer good or
 * bad are the same.
 */


#define NGX_LLMOPS_FRESH_TIMEOUT   300000
#define NGX_LLMOPS_FRESH_KEPT      1       /* nobody reads it */
#define NGX_LLMOPS_FRESH_PATH      256


typedef struct {
    ngx_llmops_detached_t      detached;
    u_char                     path[NGX_LLMOPS_FRESH_PATH];
} ngx_llmops_fresh_t;


static ngx_int_t ngx_llmops_fresh_start(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_creader_t *reader);
static ngx_int_t ngx_llmops_fresh_lead(ngx_llmops_detached_t *d,
    ngx_llmops_cached_t *from, ngx_llmops_creader_t *reader);
static void ngx_llmops_fresh_done(ngx_llmops_detached_t *d);


void
ngx_llmops_cache_refresh(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_creader_t *reader)
{
    uint64_t             mask[NGX_LLMOPS_CACHE_WORDS] = { 0 };
    ngx_llmops_cache_t  *cache;

    if (ngx_llmops_fresh_start(r, ctx, reader) == NGX_OK) {
        return;
    }

    /* the next one who comes may try */

    cache = ngx_llmops_cache_of(r);

    ngx_llmops_cshm_fail(&cache->shm, reader, mask);
    ngx_llmops_wake_ring(cache->shm.slot, mask);
}


static ngx_int_t
ngx_llmops_fresh_start(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_creader_t *reader)
{
    ngx_llmops_fresh_t      *f;
    ngx_llmops_detached_t   *d;
    ngx_llmops_main_conf_t  *mcf;

    if (ctx->env.path.len > NGX_LLMOPS_FRESH_PATH - 3) {
        return NGX_DECLINED;
    }

    f = ngx_calloc(sizeof(ngx_llmops_fresh_t), r->connection->log);
    if (f == NULL) {
        return NGX_ERROR;
    }

    d = &f->detached;

    if (ngx_llmops_body_memory(r, ctx, &d->body) != NGX_OK) {
        ngx_free(f);
        return NGX_ERROR;
    }

    d->path.data = f->path;
    d->path.len = ngx_cpymem(ngx_cpymem(f->path, "/v1", 3),
                             ctx->env.path.data, ctx->env.path.len)
                  - f->path;

    d->route = ctx->route;
    d->from = ctx;
    d->purpose = "refresh";
    d->max = NGX_LLMOPS_FRESH_KEPT;
    d->timeout = NGX_LLMOPS_FRESH_TIMEOUT;
    d->headers = 1;
    d->background = 1;
    d->handler = ngx_llmops_fresh_done;
    d->data = f;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    if (ngx_llmops_detached_start(mcf, d) != NGX_OK) {
        ngx_free(f);
        return NGX_DECLINED;
    }

    if (ngx_llmops_fresh_lead(d, ctx->cached, reader) != NGX_OK) {
        ngx_llmops_detached_cancel(d);
        ngx_free(f);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* no answer can have come yet: a provider is read from by events only */

static ngx_int_t
ngx_llmops_fresh_lead(ngx_llmops_detached_t *d, ngx_llmops_cached_t *from,
    ngx_llmops_creader_t *reader)
{
    ngx_llmops_ctx_t     *ctx;
    ngx_http_request_t   *r;
    ngx_llmops_cached_t  *cached;

    r = d->engine ? d->engine->request : NULL;

    if (r == NULL) {
        return NGX_DECLINED;               /* it has ended at once */
    }

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    cached = ngx_pcalloc(r->pool, sizeof(ngx_llmops_cached_t));

    if (ctx == NULL || cached == NULL) {
        return NGX_ERROR;
    }

    cached->take = ngx_pcalloc(r->pool, sizeof(ngx_llmops_cache_take_t));
    if (cached->take == NULL) {
        return NGX_ERROR;
    }

    cached->take->reader = *reader;
    cached->route = from->route;
    cached->status = NGX_LLMOPS_CACHE_NONE;    /* it is nobody's miss */
    cached->saved_cost = -1;

    ngx_memcpy(cached->key, from->key, NGX_LLMOPS_CACHE_KEY);
    ngx_memcpy(cached->tags, from->tags, sizeof(from->tags));

    ngx_memcpy(cached->payer, from->payer, NGX_LLMOPS_SHA256);
    cached->pays = from->pays;

    cached->scope.len = from->scope.len;
    cached->scope.data = ngx_pstrdup(r->pool, &from->scope);

    if (cached->scope.data == NULL) {
        return NGX_ERROR;
    }

    ctx->cached = cached;

    return NGX_OK;
}


static void
ngx_llmops_fresh_done(ngx_llmops_detached_t *d)
{
    ngx_free(d->data);
}
