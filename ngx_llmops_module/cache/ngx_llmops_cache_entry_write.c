
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_entry.h"


/*
 * Entries that are written: a flight, by the process that leads it, and a
 * whole answer that came from elsewhere.
 */


static ngx_int_t ngx_llmops_centry_write(ngx_llmops_cshm_t *shm,
    ngx_llmops_centry_t *e, u_char *p, size_t len);
static void ngx_llmops_centry_done(ngx_llmops_cshm_t *shm,
    ngx_llmops_centry_t *e, ngx_llmops_cfacts_t *facts);


ngx_int_t
ngx_llmops_cshm_form(ngx_llmops_cshm_t *shm, ngx_llmops_creader_t *reader,
    ngx_llmops_cache_form_e form, uint64_t *mask)
{
    ngx_llmops_centry_t  *e;

    ngx_llmops_cshm_lock(shm);

    e = ngx_llmops_centry_of(reader);

    if (e) {
        ngx_llmops_cshm_put(shm->root, e->form, (int64_t) form);
        ngx_llmops_centry_wake(shm->root, e, mask);
    }

    ngx_llmops_cshm_unlock(shm);

    return e ? NGX_OK : NGX_DECLINED;
}


/* the length is set last: readers go no further */

static ngx_int_t
ngx_llmops_centry_write(ngx_llmops_cshm_t *shm, ngx_llmops_centry_t *e,
    u_char *p, size_t len)
{
    size_t                n, off, at;
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_cblock_t  *b;

    at = e->len;

    while (len) {
        off = at - (size_t) (e->nblocks ? e->nblocks - 1 : 0)
                   * NGX_LLMOPS_CACHE_DATA;

        if (e->nblocks == 0 || off == NGX_LLMOPS_CACHE_DATA) {

            b = ngx_llmops_cshm_block(shm);
            if (b == NULL) {
                return NGX_DECLINED;
            }

            if (e->last) {
                ngx_llmops_cshm_put(root, e->last->next, b);

            } else {
                ngx_llmops_cshm_put(root, e->first, b);
            }

            ngx_llmops_cshm_put(root, e->last, b);
            ngx_llmops_cshm_put(root, e->nblocks, e->nblocks + 1);
            ngx_llmops_cshm_commit(root);

            off = 0;
        }

        n = ngx_min(len, NGX_LLMOPS_CACHE_DATA - off);

        ngx_memcpy(e->last->data + off, p, n);
        p += n;
        at += n;
        len -= n;
    }

    ngx_llmops_cshm_put(root, e->len, (int64_t) at);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_cshm_append(ngx_llmops_cshm_t *shm, ngx_llmops_creader_t *reader,
    u_char *p, size_t len, uint64_t *mask)
{
    size_t                n;
    ngx_int_t             rc;
    ngx_llmops_centry_t  *e;

    rc = NGX_OK;

    while (len && rc == NGX_OK) {
        n = ngx_min(len, NGX_LLMOPS_CACHE_STEP);

        ngx_llmops_cshm_lock(shm);

        e = ngx_llmops_centry_of(reader);
        rc = e ? ngx_llmops_centry_write(shm, e, p, n) : NGX_DECLINED;

        if (rc == NGX_OK) {
            ngx_llmops_centry_wake(shm->root, e, mask);
        }

        ngx_llmops_cshm_unlock(shm);

        p += n;
        len -= n;
    }

    if (rc != NGX_OK) {
        ngx_llmops_cshm_fail(shm, reader, mask);
    }

    return rc;
}


static void
ngx_llmops_centry_done(ngx_llmops_cshm_t *shm, ngx_llmops_centry_t *e,
    ngx_llmops_cfacts_t *facts)
{
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_centry_t  *old;

    e->usage = facts->answer.usage;
    e->cost = facts->answer.cost;
    e->created = facts->answer.created;
    e->fresh = facts->answer.expires;
    e->usable = facts->usable;
    e->marks = facts->marks;

    ngx_llmops_cshm_commit(root);

    if (facts->usable == 0) {
        ngx_llmops_centry_unlink(root, e);
    }

    ngx_llmops_cshm_put(root, root->flights, root->flights - 1);

    if (!e->found) {
        ngx_llmops_cshm_put(root, e->state, NGX_LLMOPS_CENTRY_COMPLETE);

        if (e->followers == 0) {
            ngx_llmops_centry_free(root, e);
        }

        return;
    }

    old = ngx_llmops_centry_find(root, e->key, NGX_LLMOPS_CENTRY_COMPLETE);

    if (old) {
        ngx_llmops_centry_let_go(root, old);
    }

    ngx_llmops_cshm_put(root, e->state, NGX_LLMOPS_CENTRY_COMPLETE);
    ngx_llmops_cshm_put(root, root->complete, root->complete + 1);
    ngx_llmops_cshm_put(root, root->stored, root->stored + 1);

    ngx_llmops_centry_used(root, e);
}


void
ngx_llmops_cshm_complete(ngx_llmops_cshm_t *shm,
    ngx_llmops_creader_t *reader, ngx_llmops_cfacts_t *facts, uint64_t *mask)
{
    ngx_llmops_centry_t  *e;

    ngx_llmops_cshm_lock(shm);

    e = ngx_llmops_centry_of(reader);

    if (e) {
        ngx_llmops_centry_wake(shm->root, e, mask);
        ngx_llmops_centry_done(shm, e, facts);
    }

    ngx_llmops_cshm_unlock(shm);

    reader->entry = NULL;
}


void
ngx_llmops_cshm_fail(ngx_llmops_cshm_t *shm, ngx_llmops_creader_t *reader,
    uint64_t *mask)
{
    ngx_llmops_centry_t  *e;

    ngx_llmops_cshm_lock(shm);

    e = ngx_llmops_centry_of(reader);

    if (e) {
        ngx_llmops_centry_wake(shm->root, e, mask);
        ngx_llmops_centry_unlink(shm->root, e);
        ngx_llmops_centry_free(shm->root, e);
    }

    ngx_llmops_cshm_unlock(shm);

    reader->entry = NULL;
}


ngx_int_t
ngx_llmops_cshm_store(ngx_llmops_cshm_t *shm, u_char *key,
    ngx_llmops_cfacts_t *facts)
{
    ngx_int_t             rc;
    uint64_t              mask[NGX_LLMOPS_CACHE_SLOTS / 64];
    ngx_llmops_centry_t  *e;
    ngx_llmops_creader_t  reader;

    if (shm->slot == -1) {
        return NGX_DECLINED;               /* should we die, who would know */
    }

    ngx_llmops_cshm_lock(shm);

    e = ngx_llmops_centry_make(shm, key, facts->answer.tags, &reader);

    if (e) {
        e->form = facts->answer.form;
    }

    ngx_llmops_cshm_unlock(shm);

    if (e == NULL) {
        return NGX_DECLINED;
    }

    rc = ngx_llmops_cshm_append(shm, &reader, facts->answer.body.data,
                                facts->answer.body.len, mask);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_cshm_lock(shm);

    e = ngx_llmops_centry_of(&reader);

    if (e) {
        ngx_llmops_centry_link(shm->root, e);
        ngx_llmops_centry_done(shm, e, facts);
    }

    ngx_llmops_cshm_unlock(shm);

    return e ? NGX_OK : NGX_DECLINED;
}
