
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_entry.h"


/*
 * Entries that are read: complete ones, and flights, by those who follow them.
 */


static void ngx_llmops_centry_facts(ngx_llmops_centry_t *e,
    ngx_llmops_cfacts_t *facts);
static size_t ngx_llmops_centry_copy(ngx_llmops_creader_t *reader, u_char *p,
    size_t size);


static void
ngx_llmops_centry_facts(ngx_llmops_centry_t *e, ngx_llmops_cfacts_t *facts)
{
    ngx_memzero(facts, sizeof(ngx_llmops_cfacts_t));

    facts->answer.form = e->form;
    facts->answer.body.len = e->len;
    facts->answer.usage = e->usage;
    facts->answer.cost = e->cost;
    facts->answer.created = e->created;
    facts->answer.expires = e->fresh;
    ngx_memcpy(facts->answer.tags, e->tags, sizeof(e->tags));

    facts->usable = e->usable;
    facts->marks = e->marks;
    facts->reader.entry = e;
    facts->reader.serial = e->serial;
}


ngx_int_t
ngx_llmops_cshm_find(ngx_llmops_cshm_t *shm, u_char *key, int64_t now,
    ngx_llmops_cfacts_t *facts)
{
    ngx_int_t             rc;
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_centry_t  *e;

    rc = NGX_DECLINED;

    ngx_llmops_cshm_lock(shm);

    e = ngx_llmops_centry_find(root, key, NGX_LLMOPS_CENTRY_COMPLETE);

    if (e && now < e->usable) {

        if (root->newest != e) {
            ngx_llmops_centry_unused(root, e);
            ngx_llmops_centry_used(root, e);
        }

        ngx_llmops_centry_facts(e, facts);
        rc = NGX_OK;

    } else if (e) {
        ngx_llmops_centry_let_go(root, e);
    }

    ngx_llmops_cshm_unlock(shm);

    return rc;
}


static size_t
ngx_llmops_centry_copy(ngx_llmops_creader_t *reader, u_char *p, size_t size)
{
    size_t                n, off, rest;
    ngx_llmops_centry_t  *e = reader->entry;

    rest = ngx_min(size, (size_t) (e->len - reader->pos));
    size = rest;

    while (rest) {
        off = reader->pos % NGX_LLMOPS_CACHE_DATA;

        if (reader->block == NULL) {
            reader->block = e->first;

        } else if (off == 0) {
            reader->block = reader->block->next;
        }

        n = ngx_min(rest, NGX_LLMOPS_CACHE_DATA - off);

        p = ngx_cpymem(p, reader->block->data + off, n);
        reader->pos += n;
        rest -= n;
    }

    return size;
}


ngx_int_t
ngx_llmops_cshm_copy(ngx_llmops_cshm_t *shm, ngx_llmops_creader_t *reader,
    u_char *p, size_t len)
{
    size_t  n;

    while (len) {
        n = ngx_min(len, NGX_LLMOPS_CACHE_STEP);

        ngx_llmops_cshm_lock(shm);

        n = ngx_llmops_centry_of(reader)
            ? ngx_llmops_centry_copy(reader, p, n) : 0;

        ngx_llmops_cshm_unlock(shm);

        if (n == 0) {
            return NGX_DECLINED;
        }

        p += n;
        len -= n;
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_cshm_board(ngx_llmops_cshm_t *shm, u_char *key,
    const uint64_t *tags, int64_t now, ngx_uint_t follow, ngx_uint_t lead,
    ngx_llmops_creader_t *reader)
{
    ngx_int_t             rc;
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_centry_t  *e;

    if (shm->slot == -1) {
        return NGX_DECLINED;
    }

    rc = NGX_DECLINED;

    ngx_llmops_cshm_lock(shm);

    e = ngx_llmops_centry_find(root, key, NGX_LLMOPS_CENTRY_FLIGHT);

    if (e) {

        if (follow && e->follows[shm->slot] < 0xffff) {
            ngx_llmops_centry_count(root, e, shm->slot, 1);

            ngx_memzero(reader, sizeof(ngx_llmops_creader_t));
            reader->entry = e;
            reader->serial = e->serial;
            rc = NGX_OK;
        }

        goto done;
    }

    e = ngx_llmops_centry_find(root, key, NGX_LLMOPS_CENTRY_COMPLETE);

    if (e && now && now < e->fresh) {
        rc = NGX_BUSY;
        goto done;
    }

    if (lead) {
        e = ngx_llmops_centry_make(shm, key, tags, reader);

        if (e) {
            ngx_llmops_centry_link(root, e);
            rc = NGX_DONE;
        }
    }

done:

    ngx_llmops_cshm_unlock(shm);

    return rc;
}


void
ngx_llmops_cshm_read(ngx_llmops_cshm_t *shm, ngx_llmops_creader_t *reader,
    u_char *p, size_t size, size_t *n, ngx_uint_t *state,
    ngx_llmops_cache_form_e *form, ngx_llmops_cfacts_t *facts)
{
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_centry_t  *e;

    *n = 0;
    *state = NGX_LLMOPS_CENTRY_FREE;

    ngx_llmops_cshm_lock(shm);

    e = (shm->slot == -1) ? NULL : ngx_llmops_centry_of(reader);

    if (e) {
        *n = ngx_llmops_centry_copy(reader, p, size);
        *state = e->state;
        *form = e->form;

        if (facts && e->state == NGX_LLMOPS_CENTRY_COMPLETE) {
            ngx_llmops_centry_facts(e, facts);
        }

        if (*n == 0 && e->state == NGX_LLMOPS_CENTRY_FLIGHT) {
            ngx_llmops_cshm_put(root, e->waiting[shm->slot / 64],
                                e->waiting[shm->slot / 64]
                                | (uint64_t) 1 << shm->slot % 64);
        }
    }

    ngx_llmops_cshm_unlock(shm);
}


void
ngx_llmops_cshm_unfollow(ngx_llmops_cshm_t *shm, ngx_llmops_creader_t *reader)
{
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_centry_t  *e;

    ngx_llmops_cshm_lock(shm);

    e = ngx_llmops_centry_of(reader);

    if (e && shm->slot != -1 && e->follows[shm->slot]) {
        ngx_llmops_centry_count(root, e, shm->slot, -1);

        if (!e->found && e->state == NGX_LLMOPS_CENTRY_COMPLETE
            && e->followers == 0)
        {
            ngx_llmops_centry_free(root, e);
        }
    }

    ngx_llmops_cshm_unlock(shm);

    reader->entry = NULL;
}


int64_t
ngx_llmops_cshm_followers(ngx_llmops_cshm_t *shm,
    ngx_llmops_creader_t *reader)
{
    int64_t               n;
    ngx_llmops_centry_t  *e;

    ngx_llmops_cshm_lock(shm);

    e = ngx_llmops_centry_of(reader);
    n = e ? e->followers : 0;

    ngx_llmops_cshm_unlock(shm);

    return n;
}
