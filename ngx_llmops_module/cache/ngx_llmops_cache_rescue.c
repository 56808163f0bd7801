
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_cache_note.h"


/*
 * A stale answer that goes out instead of an error.
 */


ngx_uint_t
ngx_llmops_cache_saves(ngx_llmops_ctx_t *ctx)
{
    return ctx->cached && ctx->cached->found;
}


ngx_int_t
ngx_llmops_cache_rescue(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *body)
{
    ngx_llmops_out_t           out;
    ngx_llmops_cfacts_t        facts;
    ngx_llmops_cache_t        *cache;
    ngx_llmops_cached_t       *cached;
    ngx_llmops_main_conf_t    *mcf;

    if (!ngx_llmops_cache_saves(ctx)) {
        return NGX_DECLINED;
    }

    cache = ngx_llmops_cache_of(r);
    cached = ctx->cached;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    if (ngx_llmops_cshm_find(&cache->shm, cached->key, ngx_llmops_now(),
                             &facts)
        != NGX_OK
        || !ngx_llmops_cache_stands(mcf, cached->key, facts.answer.tags,
                                    facts.answer.created)
        || ngx_llmops_cached_copy(r, &cache->shm, &facts) != NGX_OK
        || ngx_llmops_cache_render(ctx, &facts.answer, &facts.marks, &out)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    body->len = out.len;
    body->data = ngx_pnalloc(r->pool, out.len);

    if (body->data) {
        ngx_memcpy(body->data, out.data, out.len);
    }

    ngx_llmops_out_free(&out);

    if (body->data == NULL) {
        return NGX_DECLINED;
    }

    cached->status = NGX_LLMOPS_CACHE_STALE;
    cached->saved = facts.answer.usage;
    cached->saved_cost = facts.answer.cost;

    return NGX_OK;
}
