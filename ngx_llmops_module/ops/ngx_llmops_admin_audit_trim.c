
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_audit.h"


/*
 * Documents expire by time, but changes may come faster than that.  Each
 * worker counts what it has written, and after a while looks at all records
 * and takes the oldest away.  Two that do so at once take away the same ones.
 */


typedef struct {
    ngx_llmops_docop_t         op;
    ngx_llmops_store_t        *store;
    ngx_pool_t                *pool;
    ngx_array_t                ids;        /* of ngx_str_t */
    ngx_uint_t                 keep;       /* of them, 0: all but two */
    ngx_uint_t                 next;       /* to be removed */
    void                     (*done)(void *data);
    void                      *data;
} ngx_llmops_admin_trim_t;


static ngx_llmops_admin_trim_t *ngx_llmops_admin_trim_create(
    ngx_llmops_store_t *store);
static void ngx_llmops_admin_trim_start(ngx_llmops_admin_trim_t *trim);
static ngx_int_t ngx_llmops_admin_trim_list(ngx_llmops_admin_trim_t *trim);
static void ngx_llmops_admin_trim_listed(ngx_llmops_docop_t *op);
static ngx_int_t ngx_llmops_admin_trim_take(ngx_llmops_admin_trim_t *trim);
static void ngx_llmops_admin_trim_sort(ngx_llmops_admin_trim_t *trim);
static int ngx_libc_cdecl ngx_llmops_admin_trim_cmp(const void *one,
    const void *two);
static ngx_int_t ngx_llmops_admin_trim_remove(ngx_llmops_admin_trim_t *trim);
static void ngx_llmops_admin_trim_removed(ngx_llmops_docop_t *op);
static void ngx_llmops_admin_trim_end(ngx_llmops_admin_trim_t *trim);


/* of this worker */

static ngx_uint_t  ngx_llmops_admin_trim_count;
static ngx_uint_t  ngx_llmops_admin_trimming;


void
ngx_llmops_admin_audit_trim(ngx_llmops_store_t *store)
{
    ngx_llmops_admin_trim_t  *trim;

    if (++ngx_llmops_admin_trim_count % NGX_LLMOPS_AUDIT_EVERY) {
        return;
    }

    trim = ngx_llmops_admin_trim_create(store);

    if (trim) {
        trim->keep = NGX_LLMOPS_AUDIT_MAX;

        ngx_llmops_admin_trim_start(trim);
    }
}


ngx_int_t
ngx_llmops_admin_audit_drop(ngx_llmops_store_t *store,
    void (*done)(void *data), void *data)
{
    ngx_llmops_admin_trim_t  *trim;

    trim = ngx_llmops_admin_trim_create(store);

    if (trim == NULL) {
        return NGX_DECLINED;
    }

    trim->done = done;
    trim->data = data;

    ngx_llmops_admin_trim_start(trim);

    return NGX_OK;
}


/* NULL: out of memory, or another one runs */

static ngx_llmops_admin_trim_t *
ngx_llmops_admin_trim_create(ngx_llmops_store_t *store)
{
    ngx_pool_t               *pool;
    ngx_llmops_admin_trim_t  *trim;

    if (ngx_llmops_admin_trimming) {
        return NULL;
    }

    pool = ngx_create_pool(16384, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    trim = ngx_pcalloc(pool, sizeof(ngx_llmops_admin_trim_t));

    if (trim == NULL
        || ngx_array_init(&trim->ids, pool, 256, sizeof(ngx_str_t)) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    trim->pool = pool;
    trim->store = store;

    return trim;
}


static void
ngx_llmops_admin_trim_start(ngx_llmops_admin_trim_t *trim)
{
    ngx_llmops_admin_trimming = 1;

    trim->op.docs = NGX_LLMOPS_DOCS_AUDIT;
    trim->op.pool = trim->pool;
    trim->op.data = trim;

    if (ngx_llmops_admin_trim_list(trim) != NGX_AGAIN) {
        ngx_llmops_admin_trim_end(trim);
    }
}


/* NGX_AGAIN: goes on later; else it is over */

static ngx_int_t
ngx_llmops_admin_trim_list(ngx_llmops_admin_trim_t *trim)
{
    ngx_int_t  rc;

    trim->op.max = NGX_LLMOPS_AUDIT_PAGE;
    trim->op.handler = ngx_llmops_admin_trim_listed;

    do {
        rc = ngx_llmops_store_list(trim->store, &trim->op);

        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_llmops_admin_trim_take(trim);

    } while (rc == NGX_OK && trim->op.id.len);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_admin_trim_sort(trim);

    return ngx_llmops_admin_trim_remove(trim);
}


static void
ngx_llmops_admin_trim_listed(ngx_llmops_docop_t *op)
{
    ngx_int_t                 rc;
    ngx_llmops_admin_trim_t  *trim = op->data;

    rc = ngx_llmops_admin_trim_take(trim);

    if (rc == NGX_OK) {

        if (op->id.len) {
            rc = ngx_llmops_admin_trim_list(trim);

        } else {
            ngx_llmops_admin_trim_sort(trim);
            rc = ngx_llmops_admin_trim_remove(trim);
        }
    }

    if (rc != NGX_AGAIN) {
        ngx_llmops_admin_trim_end(trim);
    }
}


/* ids of one page, and the cursor of the next one */

static ngx_int_t
ngx_llmops_admin_trim_take(ngx_llmops_admin_trim_t *trim)
{
    ngx_str_t         *id;
    ngx_uint_t         i;
    ngx_llmops_doc_t  *doc;

    if (trim->op.rc != NGX_OK) {
        return NGX_ERROR;
    }

    doc = trim->op.list.elts;

    for (i = 0; i < trim->op.list.nelts; i++) {

        id = ngx_array_push(&trim->ids);
        if (id == NULL) {
            return NGX_ERROR;
        }

        *id = doc[i].id;
    }

    trim->op.id = trim->op.next;

    return NGX_OK;
}


/* oldest first; a list may have had one twice */

static void
ngx_llmops_admin_trim_sort(ngx_llmops_admin_trim_t *trim)
{
    ngx_str_t   *id;
    ngx_uint_t   i, n;

    id = trim->ids.elts;

    ngx_qsort(id, trim->ids.nelts, sizeof(ngx_str_t),
              ngx_llmops_admin_trim_cmp);

    for (i = 0, n = 0; i < trim->ids.nelts; i++) {
        if (n == 0 || ngx_llmops_admin_trim_cmp(&id[n - 1], &id[i]) != 0) {
            id[n++] = id[i];
        }
    }

    trim->ids.nelts = n;

    if (trim->keep == 0) {
        trim->keep = n - ngx_min(n, NGX_LLMOPS_AUDIT_DROP);
    }
}


static int ngx_libc_cdecl
ngx_llmops_admin_trim_cmp(const void *one, const void *two)
{
    const ngx_str_t *a = one;
    const ngx_str_t *b = two;

    return (int) ngx_memn2cmp(a->data, b->data, a->len, b->len);
}


static ngx_int_t
ngx_llmops_admin_trim_remove(ngx_llmops_admin_trim_t *trim)
{
    ngx_int_t   rc;
    ngx_str_t  *id;

    id = trim->ids.elts;

    trim->op.expected = NGX_LLMOPS_REVISION_ANY;
    trim->op.handler = ngx_llmops_admin_trim_removed;

    while (trim->next + trim->keep < trim->ids.nelts) {

        trim->op.id = id[trim->next++];

        rc = ngx_llmops_store_remove(trim->store, &trim->op);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static void
ngx_llmops_admin_trim_removed(ngx_llmops_docop_t *op)
{
    ngx_llmops_admin_trim_t  *trim = op->data;

    if (op->rc == NGX_ERROR
        || ngx_llmops_admin_trim_remove(trim) != NGX_AGAIN)
    {
        ngx_llmops_admin_trim_end(trim);
    }
}


static void
ngx_llmops_admin_trim_end(ngx_llmops_admin_trim_t *trim)
{
    void   *data;
    void  (*done)(void *data);

    done = trim->done;
    data = trim->data;

    ngx_llmops_admin_trimming = 0;

    ngx_destroy_pool(trim->pool);

    if (done) {
        done(data);
    }
}
