
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"
#include "ngx_llmops_zone.h"

#if (NGX_THREADS)
#include <ngx_thread_pool.h>
#endif


/*
 * The way to the engines.  One holds the counters and documents of this
 * configuration; shared memory is always there beside it, for counters that
 * are to go on while Redis cannot be asked.
 *
 * The engines differ in what they cost and in when they answer, not in what an
 * answer means, so that nobody behind this file asks which one it is.
 */


#define NGX_LLMOPS_STORE_LEASE  15000


static const ngx_llmops_engine_t *ngx_llmops_store_engine(
    ngx_llmops_store_t *store, ngx_llmops_reservation_t *res);


/* in the order of ngx_llmops_unit_e */

const ngx_str_t  ngx_llmops_unit_names[] = {
    ngx_string("requests"),
    ngx_string("tokens"),
    ngx_string("input"),
    ngx_string("output"),
    ngx_string("cost"),
    ngx_string("concurrent")
};


static const ngx_llmops_engine_t *
ngx_llmops_store_engine(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    return (res->ncharges && res->charges[0].local) ? store->local
                                                    : store->engine;
}


ngx_int_t
ngx_llmops_store_reserve(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    res->asking = 0;

    return ngx_llmops_store_engine(store, res)->reserve(store, res);
}


ngx_int_t
ngx_llmops_store_extend(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    return ngx_llmops_store_engine(store, res)->extend(store, res);
}


void
ngx_llmops_store_settle(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res, const int64_t *truth)
{
    ngx_llmops_store_engine(store, res)->settle(store, res, truth);
}


void
ngx_llmops_store_cancel(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    ngx_llmops_store_engine(store, res)->cancel(store, res);
}


ngx_int_t
ngx_llmops_store_levels(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    ngx_uint_t  i;

    res->asking = 1;

    for (i = 0; i < res->ncharges; i++) {
        ngx_memzero(res->charges[i].want, sizeof(res->charges[i].want));
        ngx_memzero(res->charges[i].least, sizeof(res->charges[i].least));
    }

    return ngx_llmops_store_engine(store, res)->reserve(store, res);
}


ngx_int_t
ngx_llmops_store_reset(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    return ngx_llmops_store_engine(store, res)->reset(store, res);
}


ngx_int_t
ngx_llmops_store_get(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    return store->engine->get(store, op);
}


ngx_int_t
ngx_llmops_store_put(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    return store->engine->put(store, op);
}


ngx_int_t
ngx_llmops_store_remove(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    return store->engine->remove(store, op);
}


ngx_int_t
ngx_llmops_store_list(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    return store->engine->list(store, op);
}


void
ngx_llmops_store_forget(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    store->engine->forget(store, op);
}


uint64_t
ngx_llmops_store_revision(ngx_llmops_store_t *store, ngx_llmops_docs_e docs)
{
    return store->engine->revision(store, docs);
}


ngx_uint_t
ngx_llmops_store_up(ngx_llmops_store_t *store)
{
    return store->engine->up(store);
}


int64_t
ngx_llmops_store_now(ngx_llmops_store_t *store)
{
    return store->engine->now(store);
}


ngx_llmops_store_t *
ngx_llmops_store_create(ngx_conf_t *cf, const ngx_llmops_engine_t *engine,
    ngx_shm_zone_t *zone, ngx_path_t *state)
{
    ngx_llmops_store_t  *store;

    store = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_store_t));
    if (store == NULL) {
        return NULL;
    }

    store->engine = engine;
    store->local = &ngx_llmops_store_shm;
    store->zone = zone;
    store->cycle = cf->cycle;
    store->lease = NGX_LLMOPS_STORE_LEASE;

    if (state) {
        store->state = state->name;

#if (NGX_THREADS)
        if (ngx_thread_pool_add(cf, NULL) == NULL) {
            return NULL;
        }
#endif
    }

    if (ngx_llmops_zone_on_init(cf, zone, ngx_llmops_shm_init, store)
        != NGX_OK)
    {
        return NULL;
    }

    return store;
}


ngx_int_t
ngx_llmops_store_start(ngx_cycle_t *cycle, ngx_llmops_store_t *store)
{
    if (store->local->start(cycle, store) != NGX_OK) {
        return NGX_ERROR;
    }

    if (store->engine == store->local) {
        return NGX_OK;
    }

    return store->engine->start(cycle, store);
}


void
ngx_llmops_store_stop(ngx_cycle_t *cycle, ngx_llmops_store_t *store)
{
    if (store->engine != store->local) {
        store->engine->stop(cycle, store);
    }

    store->local->stop(cycle, store);
}
