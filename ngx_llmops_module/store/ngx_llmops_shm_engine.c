
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"
#include "ngx_llmops_state.h"
#include "ngx_llmops_zone.h"


/*
 * The engine as the store knows it, and its part of each worker's life: the
 * root is found in the zone, the worker announces itself, and once a second it
 * says that it lives and looks after those that do not.
 */


#define NGX_LLMOPS_SHM_TICK        1000

/* with Redis nothing here has to outlive nginx */
#define ngx_llmops_shm_durable(store)                                         \
    ((store)->state.len && (store)->engine == (store)->local)


static ngx_uint_t ngx_llmops_shm_up(ngx_llmops_store_t *store);
static int64_t ngx_llmops_shm_clock(ngx_llmops_store_t *store);
static ngx_int_t ngx_llmops_shm_start(ngx_cycle_t *cycle,
    ngx_llmops_store_t *store);
static void ngx_llmops_shm_stop(ngx_cycle_t *cycle, ngx_llmops_store_t *store);
static void ngx_llmops_shm_tick(ngx_event_t *ev);
static void ngx_llmops_shm_cleanup(void *data);
static ngx_int_t ngx_llmops_shm_engine_put(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
static ngx_int_t ngx_llmops_shm_engine_remove(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
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
    ngx_llmops_shm_engine_put,
    ngx_llmops_shm_engine_remove,
    ngx_llmops_shm_list,
    ngx_llmops_shm_forget,
    ngx_llmops_shm_revision,
    ngx_llmops_shm_rows,
    ngx_llmops_shm_up,
    ngx_llmops_shm_clock,
    ngx_llmops_shm_start,
    ngx_llmops_shm_stop
};


ngx_int_t
ngx_llmops_shm_attach(ngx_llmops_shm_t *shm, ngx_shm_zone_t *zone)
{
    ngx_str_t           name = ngx_string("store");
    ngx_llmops_root_t  *root;

    root = ngx_llmops_zone_node(zone, NGX_LLMOPS_NODE_STORE, &name,
                                sizeof(ngx_llmops_root_t));

    if (root
        && ngx_llmops_shm_open(shm, (ngx_slab_pool_t *) zone->shm.addr, root,
                               zone->shm.size)
           == NGX_OK)
    {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                  "llm_zone \"%V\" is too small, give it more than %uzk",
                  &zone->shm.name, zone->shm.size / 1024);
    return NGX_ERROR;
}


static ngx_uint_t
ngx_llmops_shm_up(ngx_llmops_store_t *store)
{
    return 1;
}


static int64_t
ngx_llmops_shm_clock(ngx_llmops_store_t *store)
{
    return ngx_llmops_shm_wall();
}


static ngx_int_t
ngx_llmops_shm_start(ngx_cycle_t *cycle, ngx_llmops_store_t *store)
{
    ngx_llmops_shm_t    *shm;
    ngx_pool_cleanup_t  *cln;

    shm = ngx_pcalloc(cycle->pool, sizeof(ngx_llmops_shm_t));
    cln = ngx_pool_cleanup_add(cycle->pool, 0);

    if (shm == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    shm->scratch = ngx_palloc(cycle->pool,
                              NGX_LLMOPS_DOC_ID + NGX_LLMOPS_DOC_LARGE);

    if (shm->scratch == NULL
        || ngx_llmops_shm_attach(shm, store->zone) != NGX_OK)
    {
        return NGX_ERROR;
    }

    shm->lease = store->lease;

    store->shm = shm;
    store->gateways = &shm->root->gateways;

    if (ngx_llmops_shm_durable(store)
        && ngx_llmops_state_start(store, cycle) != NGX_OK)
    {
        return NGX_ERROR;
    }

    shm->tick.handler = ngx_llmops_shm_tick;
    shm->tick.data = store;
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
    ngx_llmops_shm_t    *shm;
    ngx_llmops_store_t  *store = ev->data;

    shm = store->shm;

    ngx_add_timer(ev, NGX_LLMOPS_SHM_TICK);

    ngx_llmops_members_tick(shm, 0);

    if (shm->state) {
        ngx_llmops_state_tick(store);
    }
}


static void
ngx_llmops_shm_stop(ngx_cycle_t *cycle, ngx_llmops_store_t *store)
{
    ngx_uint_t         last;
    ngx_llmops_shm_t  *shm = store->shm;

    if (shm == NULL) {
        return;
    }

    ngx_llmops_shm_cleanup(shm);

    /* one that was killed is not there until its silence is noticed */

    if (shm->state) {
        ngx_llmops_members_tick(shm, 1);
    }

    last = ngx_llmops_member_leave(shm);

    ngx_llmops_state_stop(store, cycle, last);
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


/* a document has an id, which fits; what does not never will */

static ngx_int_t
ngx_llmops_shm_engine_put(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    ngx_llmops_shm_t  *shm = store->shm;

    if (op->id.len > NGX_LLMOPS_DOC_ID
        || op->value.len > ngx_llmops_doc_max(op->docs))
    {
        op->rc = NGX_BUSY;
        return NGX_OK;
    }

    return shm->state ? ngx_llmops_state_change(store, op, 0)
                      : ngx_llmops_shm_put_doc(store, op);
}


static ngx_int_t
ngx_llmops_shm_engine_remove(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    ngx_llmops_shm_t  *shm = store->shm;

    if (op->id.len > NGX_LLMOPS_DOC_ID) {
        op->rc = NGX_DECLINED;
        return NGX_OK;
    }

    return shm->state ? ngx_llmops_state_change(store, op, 1)
                      : ngx_llmops_shm_remove(store, op);
}


static void
ngx_llmops_shm_forget(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    ngx_llmops_shm_t  *shm = store->shm;

    if (shm->state) {
        ngx_llmops_state_forget(op);
    }

    op->engine = NULL;
}


/* in the master, before there are workers */

ngx_int_t
ngx_llmops_shm_init(ngx_shm_zone_t *zone, ngx_uint_t fresh, void *data)
{
    ngx_llmops_store_t  *store = data;

    if (!ngx_llmops_shm_durable(store)) {
        return NGX_OK;
    }

    return ngx_llmops_state_load(store, fresh);
}
