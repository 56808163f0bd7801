
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_near_work.h"
#include "ngx_llmops_cache_note.h"
#include "ngx_llmops_zone.h"


/*
 * What a route's cache has beyond its entries, from the configuration to the
 * worker; and what it has saved: how requests were answered, and the tokens and
 * the money that the answers have cost when they were made.
 */


static ngx_llmops_cache_own_t *ngx_llmops_cache_own(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *cr);


ngx_int_t
ngx_llmops_cache_own_param(ngx_conf_t *cf, ngx_llmops_cache_route_t *cr,
    ngx_str_t *word)
{
    ngx_int_t                ms;
    ngx_str_t                s;
    ngx_llmops_cache_own_t  *own;

    if (ngx_llmops_near_takes(word)) {
        return ngx_llmops_near_param(cf, cr, word);
    }

    if (word->len < 6 || ngx_strncmp(word->data, "lease=", 6) != 0) {
        return NGX_DECLINED;
    }

    own = ngx_llmops_cache_own(cf, cr);
    if (own == NULL) {
        return NGX_ERROR;
    }

    s.data = word->data + 6;
    s.len = word->len - 6;

    if (s.len == 3 && ngx_strncmp(s.data, "off", 3) == 0) {
        own->lease = 0;
        return NGX_OK;
    }

    ms = ngx_parse_time(&s, 0);

    if (ms == NGX_ERROR || ms == 0 || ms > 60000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\" of \"cache\", write how long "
                           "another gateway's answer is waited for, up to "
                           "60s, as in \"lease=1s\", or \"lease=off\"", word);
        return NGX_ERROR;
    }

    own->lease = ms;

    return NGX_OK;
}


static ngx_llmops_cache_own_t *
ngx_llmops_cache_own(ngx_conf_t *cf, ngx_llmops_cache_route_t *cr)
{
    ngx_llmops_cache_own_t  *own = cr->own;

    if (own == NULL) {
        own = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_cache_own_t));

        if (own) {
            own->lease = NGX_LLMOPS_CACHE_LEASE_WAIT;
            cr->own = own;
        }
    }

    return own;
}


ngx_int_t
ngx_llmops_cache_own_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route)
{
    ngx_llmops_cache_own_t  *own;

    own = ngx_llmops_cache_own(cf, route->cache);
    if (own == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_cache_level(mcf, NGX_LLMOPS_CACHE_REDIS, &ngx_llmops_cache_far);

    if (ngx_llmops_near_init(cf, mcf, route) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_cache_version(cf, mcf, route, own->version);
}


void
ngx_llmops_cache_own_start(ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                 i;
    ngx_llmops_route_t       **routes;
    ngx_llmops_cache_own_t    *own;
    ngx_llmops_cache_route_t  *cr;

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {
        cr = routes[i]->cache;

        if (cr == NULL || mcf->zone == NULL) {
            continue;
        }

        own = cr->own;
        own->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_CACHED,
                                       &routes[i]->name,
                                       sizeof(ngx_llmops_cache_sh_t));
    }

    if (mcf->redis) {
        ngx_llmops_cache_redis_start(mcf->zone);
        ngx_llmops_near_far_start();
    }

    ngx_llmops_cache_notes_start(mcf);
}


void
ngx_llmops_cache_own_stop(ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_cache_notes_stop(mcf);
    ngx_llmops_embed_stop();
}


void
ngx_llmops_cache_account(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_cached_t     *cached = ctx->cached;
    ngx_llmops_cache_sh_t   *sh;
    ngx_llmops_cache_own_t  *own;

    if (cached == NULL || cached->status == NGX_LLMOPS_CACHE_NONE) {
        return;
    }

    own = cached->route->own;
    sh = own->sh;

    if (sh == NULL) {
        return;
    }

    (void) ngx_atomic_fetch_add(&sh->requests[cached->status], 1);

    if (cached->saved.source == NGX_LLMOPS_USAGE_NONE) {
        return;
    }

    (void) ngx_atomic_fetch_add(&sh->input, cached->saved.input);
    (void) ngx_atomic_fetch_add(&sh->output, cached->saved.output);

    if (cached->saved_cost > 0) {
        (void) ngx_atomic_fetch_add(&sh->cost, cached->saved_cost);
    }
}
