
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_cache_own.h"


/*
 * The cache's zone: made when the configuration is known, used by each worker
 * from its start to its end, told of and purged.
 */


#define NGX_LLMOPS_CACHE_SIZE      (32 * 1024 * 1024)
#define NGX_LLMOPS_CACHE_WORKERS   8       /* more than there are: old ones */


static ngx_int_t ngx_llmops_cache_zone_init(ngx_shm_zone_t *zone, void *old);
static void ngx_llmops_cache_tick(ngx_event_t *ev);


/* in a zone of its own: a larger one begins empty, and nothing else is lost */

ngx_int_t
ngx_llmops_cache_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_str_t            name = ngx_string("llm_cache");
    ngx_uint_t           i;
    ngx_core_conf_t     *ccf;
    ngx_llmops_route_t **routes;
    ngx_llmops_cache_t  *cache = mcf->cache;

    if (cache == NULL || cache->routes == 0) {
        mcf->cache = NULL;
        return NGX_OK;
    }

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {
        if (routes[i]->cache
            && ngx_llmops_cache_own_init(cf, mcf, routes[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    cache->zone = ngx_shared_memory_add(cf, &name,
                                        cache->size ? cache->size
                                                    : NGX_LLMOPS_CACHE_SIZE,
                                        &ngx_llmops_module);
    if (cache->zone == NULL) {
        return NGX_ERROR;
    }

    /* the core's own configuration has its defaults later */

    ccf = (ngx_core_conf_t *) ngx_get_conf(cf->cycle->conf_ctx,
                                           ngx_core_module);

    cache->workers = NGX_LLMOPS_CACHE_WORKERS
                     + 2 * (ccf->worker_processes > 0 ? ccf->worker_processes
                                                      : 1);
    cache->zone->init = ngx_llmops_cache_zone_init;
    cache->zone->data = cache;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_cache_zone_init(ngx_shm_zone_t *zone, void *old)
{
    ngx_int_t            rc;
    ngx_llmops_cache_t  *cache = zone->data;

    rc = ngx_llmops_cshm_open(&cache->shm,
                              (ngx_slab_pool_t *) zone->shm.addr);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "the cache in shared memory was made by another version "
                      "of the module, restart nginx or give \"llm_cache\" "
                      "another size");
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                      "the cache's zone of %uzk is too small",
                      zone->shm.size / 1024);
        return NGX_ERROR;
    }

    return ngx_llmops_wake_open(cache->workers, zone->shm.log);
}


ngx_int_t
ngx_llmops_cache_start(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_cache_t  *cache = mcf->cache;

    if (cache == NULL) {
        return NGX_OK;
    }

    ngx_llmops_cshm_join(&cache->shm, ngx_pid, (int64_t) ngx_current_msec);

    if (cache->shm.slot == -1) {
        ngx_log_error(NGX_LOG_WARN, cycle->log, 0,
                      "more than %d workers use the cache: this one only "
                      "reads from it", NGX_LLMOPS_CACHE_SLOTS);
    }

    ngx_llmops_cache_own_start(mcf);

    cache->tick.handler = ngx_llmops_cache_tick;
    cache->tick.data = cache;
    cache->tick.log = cycle->log;
    cache->tick.cancelable = 1;

    ngx_add_timer(&cache->tick, 1000);

    return ngx_llmops_wake_listen(cycle, cache->shm.slot,
                                  ngx_llmops_cache_woken);
}


static void
ngx_llmops_cache_tick(ngx_event_t *ev)
{
    uint64_t             mask[NGX_LLMOPS_CACHE_WORDS];
    ngx_llmops_cache_t  *cache = ev->data;

    ngx_add_timer(ev, 1000);

    if (ngx_llmops_cshm_tick(&cache->shm, (int64_t) ngx_current_msec, mask)) {
        ngx_llmops_wake_ring(cache->shm.slot, mask);
    }

    ngx_llmops_cache_woken();

    ev->cancelable = !ngx_llmops_cache_waited();
}


void
ngx_llmops_cache_stop(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_cache_t  *cache = mcf->cache;

    if (cache) {
        ngx_llmops_cache_own_stop(mcf);
        ngx_llmops_cshm_leave(&cache->shm);
    }
}


void
ngx_llmops_cache_stats(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_cache_stats_t *stats)
{
    ngx_llmops_cache_t  *cache = mcf->cache;

    ngx_memzero(stats, sizeof(ngx_llmops_cache_stats_t));

    if (cache) {
        ngx_llmops_cshm_stats(&cache->shm, stats);
    }
}


ngx_uint_t
ngx_llmops_cache_purge(ngx_llmops_main_conf_t *mcf, ngx_uint_t kind,
    uint64_t tag, u_char *key)
{
    ngx_uint_t           i, n;
    ngx_llmops_cache_t  *cache = mcf->cache;

    if (cache == NULL) {
        return 0;
    }

    n = ngx_llmops_cshm_purge(&cache->shm, kind, tag, key);

    for (i = 0; i < NGX_LLMOPS_CACHE_LEVELS; i++) {
        if (cache->levels[i] && cache->levels[i]->purge) {
            cache->levels[i]->purge(mcf, kind, tag, key);
        }
    }

    return n;
}
