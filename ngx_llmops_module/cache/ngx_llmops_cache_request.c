
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_cache_own.h"
#include "ngx_llmops_guard.h"
#include "ngx_llmops_prompt.h"
#include "ngx_llmops_provider.h"


/*
 * What a request is to the cache, beside its key: its scope, what its caller
 * wants of the cache, and the tags by which its answer may be purged.
 */


static ngx_int_t ngx_llmops_cached_scope(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_cached_t *cached);
static ngx_int_t ngx_llmops_cached_payer(ngx_http_request_t *r,
    ngx_llmops_route_t *route, ngx_llmops_cached_t *cached);
static void ngx_llmops_cached_headers(ngx_http_request_t *r,
    ngx_llmops_cached_t *cached);
static ngx_uint_t ngx_llmops_cached_wish(ngx_str_t *value, const char *word);


ngx_llmops_cached_t *
ngx_llmops_cached_make(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_route_t *route)
{
    ngx_llmops_cached_t  *cached;

    cached = ngx_pcalloc(r->pool, sizeof(ngx_llmops_cached_t));
    if (cached == NULL) {
        return NULL;
    }

    cached->route = route;
    cached->status = NGX_LLMOPS_CACHE_BYPASS;
    cached->saved_cost = -1;

    if (ngx_llmops_cached_scope(r, ctx, cached) != NGX_OK) {
        return NULL;
    }

    ngx_llmops_cached_headers(r, cached);

    return cached;
}


/* without scope= an answer is for those who would have paid for it: a tenant,
   and where callers bring keys of their own, whoever has the same */

static ngx_int_t
ngx_llmops_cached_scope(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cached_t *cached)
{
    if (cached->route->scope) {
        return ngx_http_complex_value(r, cached->route->scope,
                                      &cached->scope);
    }

    if (ctx->identity) {
        cached->scope = ctx->identity->tenant;
    }

    return ngx_llmops_cached_payer(r, ctx->route, cached);
}


/* of all targets, since whom a request would go to may differ each time */

static ngx_int_t
ngx_llmops_cached_payer(ngx_http_request_t *r, ngx_llmops_route_t *route,
    ngx_llmops_cached_t *cached)
{
    ngx_str_t             pieces[2];
    ngx_uint_t            i;
    ngx_llmops_target_t  *t;

    t = route->targets.elts;

    pieces[0].data = cached->payer;
    pieces[0].len = NGX_LLMOPS_SHA256;

    for (i = 0; i < route->targets.nelts; i++) {

        if (t[i].provider->key == NULL) {
            continue;
        }

        if (ngx_llmops_provider_key(r, t[i].provider, &pieces[1]) != NGX_OK
            || ngx_llmops_sha256_of(pieces, 2, cached->payer) != NGX_OK)
        {
            return NGX_ERROR;
        }

        cached->pays = 1;
    }

    return NGX_OK;
}


/* x-llm-cache: no-cache, no-store; and whether there is more to look at */

static void
ngx_llmops_cached_headers(ngx_http_request_t *r, ngx_llmops_cached_t *cached)
{
    ngx_table_elt_t    *h;
    ngx_llmops_walk_t   w;

    for (h = ngx_llmops_header_first(&w, &r->headers_in.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        if (ngx_llmops_cache_heeded(h)) {
            cached->heeded += ngx_llmops_cache_heeded_size(h);

        } else if (ngx_llmops_header_is(h, "x-llm-cache")) {

            /* two of them are one list */

            cached->no_cache |= ngx_llmops_cached_wish(&h->value, "no-cache");
            cached->no_store |= ngx_llmops_cached_wish(&h->value, "no-store");
        }
    }
}


static ngx_uint_t
ngx_llmops_cached_wish(ngx_str_t *value, const char *word)
{
    return value->len >= 8
           && ngx_strlcasestrn(value->data, value->data + value->len,
                               (u_char *) word, 8 - 1)
              != NULL;
}


uint64_t
ngx_llmops_cache_tag(ngx_str_t *name)
{
    size_t    i;
    uint64_t  h;

    if (name->len == 0) {
        return 0;
    }

    h = 0xcbf29ce484222325ull;

    for (i = 0; i < name->len; i++) {
        h = (h ^ name->data[i]) * 0x100000001b3ull;
    }

    return h ? h : 1;
}


void
ngx_llmops_cached_tags(ngx_llmops_ctx_t *ctx, ngx_llmops_cached_t *cached)
{
    cached->tags[NGX_LLMOPS_CACHE_TAG_ROUTE]
                                    = ngx_llmops_cache_tag(&ctx->route->name);
    cached->tags[NGX_LLMOPS_CACHE_TAG_SCOPE]
                                    = ngx_llmops_cache_tag(&cached->scope);

    if (ctx->identity) {
        cached->tags[NGX_LLMOPS_CACHE_TAG_TENANT]
                              = ngx_llmops_cache_tag(&ctx->identity->tenant);
    }

    if (ctx->prompt) {
        cached->tags[NGX_LLMOPS_CACHE_TAG_PROMPT]
                                   = ngx_llmops_cache_tag(&ctx->prompt->full);
    }
}
