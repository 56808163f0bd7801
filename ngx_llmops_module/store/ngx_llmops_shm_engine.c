
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"
#include "ngx_llmops_zone.h"


/*
 * The engine as the store knows it, and its part of each worker's life: the
 * root is found in the zone, the worker announces itself, and once a second it
 * says that it lives and looks after those that do not.
 */


#define NGX_LLMOPS_SHM_TICK        1000


static ngx_int_t ngx_llmops_shm_start(ngx_cycle_t *cycle,
    ngx_llmops_store_t *store);
static void ngx_llmops_shm_stop(ngx_cycle_t *cycle, ngx_llmops_store_t *store);
static void ngx_llmops_shm_tick(ngx_event_t *ev);
static void ngx_llmops_shm_cleanup(void *data);
static void ngx_llmops_shm_forget(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);


const ngx_llmops_engine_t  ngx_llmops_store_shm = {
    ngx_string("shared memory"),
    ngx_llmops_shm_reserve,
    ngx_llmops_shm_extend,
    ngx_llmops_shm_settle,
    ngx_llmops_shm_cancel,
    ngx_llmops_shm_reset,
    ngx_llmops_shm_get,
    ngx_llmops_shm_put_doc,
    ngx_llmops_shm_remove,
    ngx_llmops_shm_list,
    ngx_llmops_shm_forget,
    ngx_llmops_shm_revision,
    ngx_llmops_shm_rows,
    ngx_llmops_shm_start,
    ngx_llmops_shm_stop
};


static ngx_int_t
ngx_llmops_shm_start(ngx_cycle_t *cycle, ngx_llmops_store_t *store)
{
    ngx_str_t            name = ngx_string("store");
    ngx_slab_pool_t     *slab;
    ngx_llmops_shm_t    *shm;
    ngx_llmops_root_t   *root;
    ngx_pool_cleanup_t  *cln;

    shm = ngx_pcalloc(cycle->pool, sizeof(ngx_llmops_shm_t));
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (shm == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    shm->scratch = ngx_palloc(cycle->pool,
                              NGX_LLMOPS_DOC_ID + NGX_LLMOPS_DOC_SIZE);
    if (shm->scratch == NULL) {
        return NGX_ERROR;
    }

    slab = (ngx_slab_pool_t *) store->zone->shm.addr;

    root = ngx_llmops_zone_node(store->zone, NGX_LLMOPS_NODE_STORE, &name,
                                sizeof(ngx_llmops_root_t));

    if (root == NULL
        || ngx_llmops_shm_open(shm, slab, root, store->zone->shm.size)
           != NGX_OK)
    {
        ngx_log_error(NGX_LOG_EMERG, cycle->log, 0,
                      "llm_zone \"%V\" is too small, give it more than %uzk",
                      &store->zone->shm.name, store->zone->shm.size / 1024);
        return NGX_ERROR;
    }

    shm->lease = store->lease;

    store->shm = shm;
    store->gateways = &root->gateways;

    shm->tick.handler = ngx_llmops_shm_tick;
    shm->tick.data = shm;
    shm->tick.log = cycle->log;
    shm->tick.cancelable = 1;

    cln->handler = ngx_llmops_shm_cleanup;
    cln->data = shm;

    ngx_llmops_members_tick(shm, 1);

    ngx_add_timer(&shm->tick, NGX_LLMOPS_SHM_TICK);

    return NGX_OK;
}


/*
 * Goes on while the worker drains: it holds what its last requests have
 * reserved, and must not be taken for dead.
 */

static void
ngx_llmops_shm_tick(ngx_event_t *ev)
{
    ngx_llmops_shm_t  *shm = ev->data;

    ngx_add_timer(ev, NGX_LLMOPS_SHM_TICK);

    ngx_llmops_members_tick(shm, 0);
}


static void
ngx_llmops_shm_stop(ngx_cycle_t *cycle, ngx_llmops_store_t *store)
{
    ngx_llmops_shm_t  *shm = store->shm;

    if (shm == NULL) {
        return;
    }

    ngx_llmops_shm_cleanup(shm);
    ngx_llmops_member_leave(shm);
}


/* without a master a cycle may end while the process goes on */

static void
ngx_llmops_shm_cleanup(void *data)
{
    ngx_llmops_shm_t  *shm = data;

    if (shm->tick.timer_set) {
        ngx_del_timer(&shm->tick);
    }
}


static void
ngx_llmops_shm_forget(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    op->engine = NULL;
}
