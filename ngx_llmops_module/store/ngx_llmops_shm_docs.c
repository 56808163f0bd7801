
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"


/*
 * Documents lie in chains of cells and are found by kind and id, in one table
 * whose buckets are as many as the zone may hold documents: finding one costs
 * the same however many there are.
 *
 * A new value is written to new cells, which then take the place of the old
 * ones: nobody ever reads half a value.  It is read under the lock into this
 * process's scratch, and copied from there to the caller's pool without it.
 */


#define NGX_LLMOPS_DOCS_STRIDE     1024    /* buckets under one lock */
#define NGX_LLMOPS_DOCS_SWEEP      4096    /* buckets looked through for room */


static ngx_int_t ngx_llmops_doc_copy(ngx_llmops_shm_t *shm,
    ngx_pool_t *pool, ngx_llmops_doc_t *doc, ngx_llmops_docsh_t *head);


#define ngx_llmops_doc_hash(shm, kind, id)                                    \
    ngx_llmops_shm_hash(shm, 1 + (uint64_t) (kind), id, NULL)

#define ngx_llmops_doc_size(doc)                                              \
    ((doc) ? (int64_t) (doc)->id_len + (doc)->value_len : 0)

#define ngx_llmops_doc_expired(doc)                                           \
    ((doc)->expires && (doc)->expires <= (int64_t) ngx_time())


void
ngx_llmops_doc_read(ngx_llmops_shm_t *shm, ngx_llmops_docsh_t *doc,
    u_char *buf)
{
    ngx_llmops_cells_read(&shm->root->doc_cells, doc,
                          sizeof(ngx_llmops_docsh_t), buf,
                          (size_t) doc->id_len + doc->value_len);
}


ngx_llmops_docsh_t *
ngx_llmops_doc_find(ngx_llmops_shm_t *shm, ngx_llmops_docs_e kind,
    ngx_str_t *id)
{
    int64_t              hash;
    ngx_llmops_docsh_t  *doc;

    hash = ngx_llmops_doc_hash(shm, kind, id);

    doc = shm->root->docs[(uint64_t) hash & shm->root->docs_mask];

    for ( /* void */ ; doc; doc = doc->chain) {

        if (doc->hash == hash
            && doc->kind == kind
            && doc->id_len == id->len
            && ngx_llmops_shm_same((u_char *) doc
                                   + sizeof(ngx_llmops_docsh_t), id))
        {
            return doc;
        }
    }

    return NULL;
}


ngx_int_t
ngx_llmops_doc_check(ngx_llmops_docsh_t *old, uint64_t expected,
    ngx_uint_t removing)
{
    if (old && ngx_llmops_doc_expired(old)) {
        old = NULL;
    }

    if (removing && old == NULL) {
        return NGX_DECLINED;
    }

    if (expected == NGX_LLMOPS_REVISION_ANY
        || expected == (old ? (uint64_t) old->revision
                            : NGX_LLMOPS_REVISION_NONE))
    {
        return NGX_OK;
    }

    return NGX_DECLINED;
}


ngx_llmops_docsh_t *
ngx_llmops_doc_make(ngx_llmops_shm_t *shm, ngx_llmops_docs_e kind,
    ngx_str_t *id, ngx_str_t *value, time_t expires)
{
    size_t               rest, room;
    ngx_uint_t           n, tried;
    ngx_llmops_docsh_t  *doc;
    ngx_llmops_cells_t  *cells = &shm->root->doc_cells;

    rest = sizeof(ngx_llmops_docsh_t) - sizeof(ngx_llmops_cell_t)
           + id->len + value->len;
    room = cells->size - sizeof(ngx_llmops_cell_t);
    n = (rest + room - 1) / room;

    for (tried = 0; !ngx_llmops_cells_have(shm, cells, n); tried++) {

        if (tried) {
            return NULL;
        }

        ngx_llmops_docs_sweep(shm, NGX_LLMOPS_DOCS_SWEEP);
    }

    doc = ngx_llmops_cells_take(shm, cells, n);

    doc->hash = ngx_llmops_doc_hash(shm, kind, id);
    doc->chain = NULL;
    doc->revision = 0;
    doc->expires = expires;
    doc->kind = kind;
    doc->id_len = id->len;
    doc->value_len = value->len;

    ngx_llmops_cells_write(cells, doc, sizeof(ngx_llmops_docsh_t), id);
    ngx_llmops_cells_write(cells, doc, sizeof(ngx_llmops_docsh_t) + id->len,
                           value);

    return doc;
}


/* the place in its chain of a document, or the chain's end */

static ngx_llmops_docsh_t **
ngx_llmops_doc_place(ngx_llmops_shm_t *shm, int64_t hash,
    ngx_llmops_docsh_t *doc)
{
    ngx_llmops_docsh_t  **place;

    place = &shm->root->docs[(uint64_t) hash & shm->root->docs_mask];

    while (*place && *place != doc) {
        place = &(*place)->chain;
    }

    return place;
}


void
ngx_llmops_doc_replace(ngx_llmops_shm_t *shm, ngx_llmops_docsh_t *old,
    ngx_llmops_docsh_t *doc)
{
    ngx_uint_t            kind;
    ngx_llmops_root_t    *root = shm->root;
    ngx_llmops_docsh_t   *any, *rest, **place;

    any = doc ? doc : old;
    rest = old ? old->chain : NULL;
    kind = any->kind;

    place = ngx_llmops_doc_place(shm, any->hash, old);

    if (doc) {
        ngx_llmops_shm_put(shm, doc->chain, rest);
    }

    ngx_llmops_shm_put(shm, *place, doc ? doc : rest);

    if (old) {
        ngx_llmops_cells_give(shm, &root->doc_cells, old);
    }

    ngx_llmops_shm_put(shm, root->ndocs[kind],
                       root->ndocs[kind] + (doc != NULL) - (old != NULL));
    ngx_llmops_shm_put(shm, root->docs_bytes[kind],
                       root->docs_bytes[kind] + ngx_llmops_doc_size(doc)
                       - ngx_llmops_doc_size(old));
    ngx_llmops_shm_put(shm, root->revisions[kind],
                       root->revisions[kind] + 1);

    ngx_llmops_shm_commit(shm);
}


void
ngx_llmops_docs_sweep(ngx_llmops_shm_t *shm, ngx_uint_t n)
{
    uint64_t              b;
    ngx_llmops_root_t    *root = shm->root;
    ngx_llmops_docsh_t  **place;

    for ( /* void */ ; n; n--) {
        b = (uint64_t) root->swept & root->docs_mask;

        for (place = &root->docs[b]; *place; /* void */ ) {

            if (ngx_llmops_doc_expired(*place)) {
                ngx_llmops_doc_replace(shm, *place, NULL);

            } else {
                place = &(*place)->chain;
            }
        }

        root->swept = (int64_t) (b + 1);
    }
}


ngx_int_t
ngx_llmops_shm_get(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    ngx_llmops_shm_t    *shm = store->shm;
    ngx_llmops_docsh_t   head, *doc;

    ngx_llmops_shm_lock(shm);

    doc = ngx_llmops_doc_find(shm, op->docs, &op->id);

    if (doc && ngx_llmops_doc_expired(doc)) {
        doc = NULL;
    }

    if (doc) {
        head = *doc;
        ngx_llmops_doc_read(shm, doc, shm->scratch);
    }

    ngx_llmops_shm_unlock(shm);

    if (doc == NULL) {
        op->rc = NGX_DECLINED;
        return NGX_OK;
    }

    op->rc = NGX_OK;

    return ngx_llmops_doc_copy(shm, op->pool, &op->doc, &head);
}


/* from the scratch to the caller's memory */

static ngx_int_t
ngx_llmops_doc_copy(ngx_llmops_shm_t *shm, ngx_pool_t *pool,
    ngx_llmops_doc_t *doc, ngx_llmops_docsh_t *head)
{
    size_t   len;
    u_char  *p;

    len = (size_t) head->id_len + head->value_len;

    p = ngx_pnalloc(pool, len ? len : 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, shm->scratch, len);

    doc->id.data = p;
    doc->id.len = head->id_len;
    doc->value.data = p + head->id_len;
    doc->value.len = head->value_len;
    doc->revision = (uint64_t) head->revision;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_shm_put_doc(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    uint64_t             revision;
    ngx_llmops_shm_t    *shm = store->shm;
    ngx_llmops_docsh_t  *old, *doc;

    if (op->id.len > NGX_LLMOPS_DOC_ID
        || op->value.len > ngx_llmops_doc_max(op->docs))
    {
        op->rc = NGX_BUSY;
        return NGX_OK;
    }

    revision = 0;

    ngx_llmops_shm_lock(shm);

    op->rc = ngx_llmops_doc_check(ngx_llmops_doc_find(shm, op->docs, &op->id),
                                  op->expected, 0);

    if (op->rc == NGX_OK) {
        doc = ngx_llmops_doc_make(shm, op->docs, &op->id, &op->value,
                                  op->expires);

        /* only now, as making room may have swept it away */

        old = ngx_llmops_doc_find(shm, op->docs, &op->id);

        if (doc) {
            revision = old ? (uint64_t) old->revision + 1 : 1;
            doc->revision = (int64_t) revision;

            ngx_llmops_doc_replace(shm, old, doc);

        } else {
            op->rc = NGX_BUSY;
        }
    }

    ngx_llmops_shm_unlock(shm);

    op->doc.id = op->id;
    op->doc.value = op->value;
    op->doc.revision = revision;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_shm_remove(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    ngx_llmops_shm_t    *shm = store->shm;
    ngx_llmops_docsh_t  *old;

    ngx_llmops_shm_lock(shm);

    old = ngx_llmops_doc_find(shm, op->docs, &op->id);

    op->rc = ngx_llmops_doc_check(old, op->expected, 1);

    if (op->rc == NGX_OK) {
        ngx_llmops_doc_replace(shm, old, NULL);
    }

    ngx_llmops_shm_unlock(shm);

    return NGX_OK;
}


/*
 * A page is what lies in the buckets behind the cursor, which is a bucket's
 * number; whole buckets, so that a document that stays is in exactly one page.
 */

ngx_int_t
ngx_llmops_shm_list(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    u_char              *p;
    int64_t              bucket;
    uint64_t             b;
    ngx_uint_t           max, skip;
    ngx_llmops_shm_t    *shm = store->shm;
    ngx_llmops_doc_t    *doc;
    ngx_llmops_docsh_t   head, *next;

    bucket = op->id.len ? ngx_atoof(op->id.data, op->id.len) : 0;
    max = op->max ? op->max : 100;

    if (bucket < 0) {
        op->rc = NGX_DECLINED;
        return NGX_OK;
    }

    if (ngx_array_init(&op->list, op->pool, max, sizeof(ngx_llmops_doc_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    b = bucket;
    skip = 0;
    op->next.len = 0;

    while (b <= shm->root->docs_mask) {

        if (skip == 0 && op->list.nelts >= max) {
            p = ngx_pnalloc(op->pool, NGX_INT64_LEN);
            if (p == NULL) {
                return NGX_ERROR;
            }

            op->next.data = p;
            op->next.len = ngx_sprintf(p, "%uL", b) - p;
            break;
        }

        ngx_llmops_shm_lock(shm);

        next = ngx_llmops_doc_next(shm, op->docs, &b, &skip);

        if (next) {
            head = *next;
            ngx_llmops_doc_read(shm, next, shm->scratch);
        }

        ngx_llmops_shm_unlock(shm);

        if (next == NULL) {
            continue;
        }

        doc = ngx_array_push(&op->list);

        if (doc == NULL
            || ngx_llmops_doc_copy(shm, op->pool, doc, &head) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    op->rc = NGX_OK;

    return NGX_OK;
}


ngx_llmops_docsh_t *
ngx_llmops_doc_next(ngx_llmops_shm_t *shm, ngx_llmops_docs_e kind,
    uint64_t *b, ngx_uint_t *skip)
{
    ngx_uint_t           i, n;
    ngx_llmops_docsh_t  *doc;

    for (i = 0; i < NGX_LLMOPS_DOCS_STRIDE; i++) {

        if (*b > shm->root->docs_mask) {
            return NULL;
        }

        n = 0;

        for (doc = shm->root->docs[*b]; doc; doc = doc->chain) {

            if (doc->kind != kind || ngx_llmops_doc_expired(doc)) {
                continue;
            }

            if (n++ == *skip) {
                (*skip)++;
                return doc;
            }
        }

        (*b)++;
        *skip = 0;

        if (n) {
            return NULL;                     /* a page may end here */
        }
    }

    return NULL;
}


uint64_t
ngx_llmops_shm_revision(ngx_llmops_store_t *store, ngx_llmops_docs_e docs)
{
    ngx_llmops_shm_t  *shm = store->shm;

    return shm->root->revisions[docs];
}
