
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_registry.h"


/*
 * Worker 0: what has been counted since the last time goes to the documents of
 * the registry, one after the other; each is read, and put in the place of what
 * was read, so that gateways add up.  A worker that dies between a document and
 * noting that it has it counts that much twice: the registry is a history, not
 * a ledger.
 *
 * When nginx is stopped, the last of its processes writes what has come since;
 * a reload needs none of that, the next worker 0 goes on with what is counted
 * in shared memory.  With llm_redis that is lost, up to five seconds: a
 * document would have to be read, and put, and no process waits for a network
 * when all of its requests are over.
 */


#define NGX_LLMOPS_REGISTRY_PERIOD  5000   /* ms */
#define NGX_LLMOPS_REGISTRY_BATCH   64     /* documents, of one period */


typedef struct {
    ngx_llmops_main_conf_t    *mcf;
    ngx_event_t                timer;
    ngx_llmops_docop_t         op;
    ngx_pool_t                *pool;       /* of op, or NULL */
    ngx_uint_t                 next;       /* ordinal from which on to look */
    ngx_uint_t                 left;       /* of this tick */
    ngx_str_t                  name;       /* of the node under way, */
    ngx_llmops_registry_sh_t  *sh;         /* and it, or NULL */
    ngx_atomic_uint_t          n[NGX_LLMOPS_REGISTRY_COUNTS];  /* being kept */
    u_char                     id[NGX_LLMOPS_DOC_ID];
} ngx_llmops_registry_t;


static void ngx_llmops_registry_tick(ngx_event_t *ev);
static ngx_int_t ngx_llmops_registry_visit(ngx_str_t *name, void *node,
    void *data);
static void ngx_llmops_registry_next(ngx_llmops_registry_t *reg);
static ngx_int_t ngx_llmops_registry_op(ngx_llmops_registry_t *reg,
    ngx_llmops_doc_pt handler);
static void ngx_llmops_registry_over(ngx_llmops_registry_t *reg);
static void ngx_llmops_registry_read(ngx_llmops_docop_t *op);
static ngx_int_t ngx_llmops_registry_put(ngx_llmops_registry_t *reg,
    json_t *doc, uint64_t expected);
static void ngx_llmops_registry_done(ngx_llmops_docop_t *op);
static void ngx_llmops_registry_last(void *data);


/* of this worker, NULL but in worker 0 */

static ngx_llmops_registry_t  *ngx_llmops_registry_own;


ngx_int_t
ngx_llmops_registry_start(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_registry_t  *reg;

    mcf->store->last = ngx_llmops_registry_last;
    mcf->store->last_data = mcf;

    if (ngx_worker != 0) {
        return NGX_OK;
    }

    reg = ngx_pcalloc(cycle->pool, sizeof(ngx_llmops_registry_t));
    if (reg == NULL) {
        return NGX_ERROR;
    }

    reg->mcf = mcf;
    reg->timer.handler = ngx_llmops_registry_tick;
    reg->timer.data = reg;
    reg->timer.log = cycle->log;
    reg->timer.cancelable = 1;

    ngx_llmops_registry_own = reg;

    ngx_add_timer(&reg->timer, NGX_LLMOPS_REGISTRY_PERIOD);

    return NGX_OK;
}


void
ngx_llmops_registry_stop(ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_registry_t  *reg;

    reg = ngx_llmops_registry_own;

    if (reg == NULL) {
        return;
    }

    ngx_llmops_registry_own = NULL;

    if (reg->timer.timer_set) {
        ngx_del_timer(&reg->timer);
    }

    if (reg->pool) {
        ngx_llmops_store_forget(mcf->store, &reg->op);
        ngx_llmops_registry_over(reg);
    }
}


static void
ngx_llmops_registry_tick(ngx_event_t *ev)
{
    ngx_llmops_registry_t *reg = ev->data;

    if (ngx_exiting) {
        return;
    }

    ngx_add_timer(ev, NGX_LLMOPS_REGISTRY_PERIOD);

    if (reg->pool == NULL && ngx_llmops_store_up(reg->mcf->store)) {
        reg->left = NGX_LLMOPS_REGISTRY_BATCH;
        ngx_llmops_registry_next(reg);
    }
}


static ngx_int_t
ngx_llmops_registry_visit(ngx_str_t *name, void *node, void *data)
{
    ngx_uint_t                 i;
    ngx_llmops_registry_t     *reg = data;
    ngx_llmops_registry_sh_t  *sh = node;

    if (ngx_llmops_zone_ordinal(node) < reg->next) {
        return NGX_OK;
    }

    for (i = 0; i < NGX_LLMOPS_REGISTRY_COUNTS; i++) {
        if (sh->n[i] != sh->kept[i]) {
            reg->name = *name;
            reg->sh = sh;
            return NGX_DONE;
        }
    }

    return NGX_OK;
}


/* the next one that has something to tell; with shared memory alone this comes
   back here for each of a batch */

static void
ngx_llmops_registry_next(ngx_llmops_registry_t *reg)
{
    ngx_int_t  rc;

    reg->sh = NULL;

    if (reg->left == 0) {
        return;
    }

    reg->left--;

    (void) ngx_llmops_zone_each(reg->mcf->zone, NGX_LLMOPS_NODE_REGISTRY,
                                ngx_llmops_registry_visit, reg);

    if (reg->sh == NULL) {
        reg->next = 0;
        return;
    }

    reg->next = ngx_llmops_zone_ordinal(reg->sh) + 1;

    if (ngx_llmops_registry_op(reg, ngx_llmops_registry_read) != NGX_OK) {
        return;
    }

    rc = ngx_llmops_store_get(reg->mcf->store, &reg->op);

    if (rc == NGX_OK) {
        ngx_llmops_registry_read(&reg->op);

    } else if (rc != NGX_AGAIN) {
        ngx_llmops_registry_over(reg);
    }
}


static ngx_int_t
ngx_llmops_registry_op(ngx_llmops_registry_t *reg, ngx_llmops_doc_pt handler)
{
    reg->pool = ngx_create_pool(4096, ngx_cycle->log);

    if (reg->pool == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&reg->op, sizeof(ngx_llmops_docop_t));

    reg->op.docs = NGX_LLMOPS_DOCS_REGISTRY;
    reg->op.id.data = reg->id;
    reg->op.id.len = ngx_llmops_registry_id(&reg->name, reg->id);
    reg->op.pool = reg->pool;
    reg->op.handler = handler;
    reg->op.data = reg;

    return NGX_OK;
}


static void
ngx_llmops_registry_over(ngx_llmops_registry_t *reg)
{
    ngx_destroy_pool(reg->pool);
    reg->pool = NULL;
}


static void
ngx_llmops_registry_read(ngx_llmops_docop_t *op)
{
    json_t                 *doc;
    ngx_int_t               rc;
    uint64_t                revision;
    ngx_uint_t              i;
    ngx_llmops_registry_t  *reg = op->data;

    rc = op->rc;
    doc = NULL;
    revision = NGX_LLMOPS_REVISION_NONE;

    if (rc == NGX_OK) {
        doc = json_loadb((char *) op->doc.value.data, op->doc.value.len, 0,
                         NULL);
        revision = op->doc.revision;
    }

    ngx_llmops_registry_over(reg);

    if (rc != NGX_OK && rc != NGX_DECLINED) {
        return;                              /* at the next tick */
    }

    /* kept is set to what is in the document, not to what will have come by
       then */

    for (i = 0; i < NGX_LLMOPS_REGISTRY_COUNTS; i++) {
        reg->n[i] = reg->sh->n[i];
    }

    doc = ngx_llmops_registry_merge(doc, &reg->name, reg->sh, reg->n);

    if (doc == NULL) {
        return;
    }

    if (ngx_llmops_registry_put(reg, doc, revision) == NGX_OK) {
        ngx_llmops_registry_done(&reg->op);
    }

    json_decref(doc);
}


/* NGX_OK: it is done; NGX_AGAIN; NGX_ERROR: nothing is under way */

static ngx_int_t
ngx_llmops_registry_put(ngx_llmops_registry_t *reg, json_t *doc,
    uint64_t expected)
{
    char       *text;
    ngx_int_t   rc;

    text = json_dumps(doc, JSON_COMPACT);
    rc = NGX_ERROR;

    if (text && ngx_llmops_registry_op(reg, ngx_llmops_registry_done)
                == NGX_OK)
    {
        reg->op.expected = expected;
        reg->op.value.len = ngx_strlen(text);
        reg->op.value.data = ngx_pnalloc(reg->pool, reg->op.value.len);

        if (reg->op.value.data) {
            ngx_memcpy(reg->op.value.data, text, reg->op.value.len);

            rc = ngx_llmops_store_put(reg->mcf->store, &reg->op);
        }

        if (rc != NGX_OK && rc != NGX_AGAIN) {
            ngx_llmops_registry_over(reg);
        }
    }

    free(text);

    return rc;
}


static void
ngx_llmops_registry_done(ngx_llmops_docop_t *op)
{
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_llmops_registry_t  *reg = op->data;

    rc = op->rc;

    ngx_llmops_registry_over(reg);

    if (rc == NGX_OK) {
        for (i = 0; i < NGX_LLMOPS_REGISTRY_COUNTS; i++) {
            reg->sh->kept[i] = reg->n[i];
        }

    } else if (rc != NGX_DECLINED) {
        return;                              /* at the next tick */
    }

    /* of one that somebody else was faster with, too, at the next tick */

    ngx_llmops_registry_next(reg);
}


/* the documents are in memory, and what is put waits to be written; it cannot
   be refused, since nobody else is there */

static void
ngx_llmops_registry_last(void *data)
{
    ngx_uint_t               i;
    ngx_llmops_registry_t    reg;
    ngx_llmops_main_conf_t  *mcf = data;

    ngx_memzero(&reg, sizeof(ngx_llmops_registry_t));

    reg.mcf = mcf;

    do {
        reg.left = 1;
        ngx_llmops_registry_next(&reg);

        if (reg.pool == NULL) {
            continue;                        /* no more, or no memory */
        }

        ngx_llmops_store_forget(mcf->store, &reg.op);
        ngx_llmops_registry_over(&reg);

        for (i = 0; i < NGX_LLMOPS_REGISTRY_COUNTS; i++) {
            reg.sh->kept[i] = reg.n[i];
        }

    } while (reg.sh);
}
