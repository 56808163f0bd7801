
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_shm.h"


/*
 * Entries: found, written, read, evicted, purged.
 *
 * Invariants, outside of a critical section:
 *   - of a key there is at most one FLIGHT and one COMPLETE in the table;
 *   - in the list by use is what is COMPLETE and in the table;
 *   - an entry that is not in the table and COMPLETE has followers: it is
 *     given back when the last one goes;
 *   - followers is the sum of follows[].
 *
 * What is written to an entry before its state says that it may be read needs
 * no undoing: nobody looks at it, and a dead writer's flight is buried whole.
 */


#define NGX_LLMOPS_CACHE_LOOK      32      /* entries looked at for eviction */
#define NGX_LLMOPS_CACHE_BATCH     1024    /* entries purged under one lock */


static ngx_llmops_centry_t **ngx_llmops_centry_bucket(
    ngx_llmops_croot_t *root, u_char *key);
static ngx_llmops_centry_t *ngx_llmops_centry_find(ngx_llmops_croot_t *root,
    u_char *key, int64_t state);
static ngx_llmops_centry_t *ngx_llmops_centry_of(
    ngx_llmops_creader_t *reader);
static ngx_llmops_centry_t *ngx_llmops_centry_make(ngx_llmops_cshm_t *shm,
    u_char *key, const uint64_t *tags, ngx_llmops_creader_t *reader);
static void ngx_llmops_centry_link(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e);
static void ngx_llmops_centry_unlink(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e);
static void ngx_llmops_centry_used(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e);
static void ngx_llmops_centry_unused(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e);
static void ngx_llmops_centry_let_go(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e);
static void ngx_llmops_centry_free(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e);
static void ngx_llmops_centry_count(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e, ngx_int_t slot, int64_t n);
static void ngx_llmops_centry_wake(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e, uint64_t *mask);
static void ngx_llmops_centry_facts(ngx_llmops_centry_t *e,
    ngx_llmops_cfacts_t *facts);
static ngx_int_t ngx_llmops_centry_write(ngx_llmops_cshm_t *shm,
    ngx_llmops_centry_t *e, u_char *p, size_t len);
static size_t ngx_llmops_centry_copy(ngx_llmops_creader_t *reader, u_char *p,
    size_t size);
static void ngx_llmops_centry_done(ngx_llmops_cshm_t *shm,
    ngx_llmops_centry_t *e, ngx_llmops_cfacts_t *facts);
static ngx_uint_t ngx_llmops_centry_has(ngx_llmops_centry_t *e,
    ngx_uint_t kind, uint64_t tag, u_char *key);


/* a key is a digest: its first bytes are as good as any hash of it */

static ngx_llmops_centry_t **
ngx_llmops_centry_bucket(ngx_llmops_croot_t *root, u_char *key)
{
    uint64_t  hash;

    ngx_memcpy(&hash, key, sizeof(uint64_t));

    return &root->buckets[hash & root->mask];
}


static ngx_llmops_centry_t *
ngx_llmops_centry_find(ngx_llmops_croot_t *root, u_char *key, int64_t state)
{
    ngx_llmops_centry_t  *e;

    for (e = *ngx_llmops_centry_bucket(root, key); e; e = e->chain) {

        if (e->state == state
            && ngx_memcmp(e->key, key, NGX_LLMOPS_CACHE_KEY) == 0)
        {
            return e;
        }
    }

    return NULL;
}


/* the entry that a reader or writer knows, or NULL if it is gone */

static ngx_llmops_centry_t *
ngx_llmops_centry_of(ngx_llmops_creader_t *reader)
{
    ngx_llmops_centry_t  *e = reader->entry;

    return (e && e->serial == reader->serial) ? e : NULL;
}


/* a FLIGHT that nobody finds yet */

static ngx_llmops_centry_t *
ngx_llmops_centry_make(ngx_llmops_cshm_t *shm, u_char *key,
    const uint64_t *tags, ngx_llmops_creader_t *reader)
{
    int64_t               serial;
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_centry_t  *e;

    e = ngx_llmops_cshm_entry(shm);
    if (e == NULL) {
        return NULL;
    }

    serial = root->serial + 1;

    ngx_llmops_cshm_put(root, root->serial, serial);
    ngx_llmops_cshm_put(root, root->flights, root->flights + 1);

    /*
     * A free entry's first words are its place among the free ones; the rest
     * is of no meaning to anybody before its serial is set, which undoes the
     * taking if it is undone itself.
     */

    ngx_memzero((u_char *) e + offsetof(ngx_llmops_centry_t, form),
                sizeof(ngx_llmops_centry_t)
                - offsetof(ngx_llmops_centry_t, form));

    ngx_memcpy(e->key, key, NGX_LLMOPS_CACHE_KEY);
    ngx_memcpy(e->tags, tags, sizeof(e->tags));
    e->slot = shm->slot;

    ngx_llmops_cshm_put(root, e->chain, NULL);
    ngx_llmops_cshm_put(root, e->newer, NULL);
    ngx_llmops_cshm_put(root, e->older, NULL);
    ngx_llmops_cshm_put(root, e->state, NGX_LLMOPS_CENTRY_FLIGHT);
    ngx_llmops_cshm_put(root, e->serial, serial);

    ngx_memzero(reader, sizeof(ngx_llmops_creader_t));
    reader->entry = e;
    reader->serial = serial;

    return e;
}


static void
ngx_llmops_centry_link(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e)
{
    ngx_llmops_centry_t  **bucket;

    bucket = ngx_llmops_centry_bucket(root, e->key);

    ngx_llmops_cshm_put(root, e->chain, *bucket);
    ngx_llmops_cshm_put(root, *bucket, e);
    ngx_llmops_cshm_put(root, e->found, 1);
}


static void
ngx_llmops_centry_unlink(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e)
{
    ngx_llmops_centry_t  **pe;

    if (!e->found) {
        return;
    }

    for (pe = ngx_llmops_centry_bucket(root, e->key);
         *pe != e;
         pe = &(*pe)->chain) { /* void */ }

    ngx_llmops_cshm_put(root, *pe, e->chain);
    ngx_llmops_cshm_put(root, e->found, 0);
}


/* the newest in the list by use */

static void
ngx_llmops_centry_used(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e)
{
    if (root->newest) {
        ngx_llmops_cshm_put(root, root->newest->newer, e);

    } else {
        ngx_llmops_cshm_put(root, root->oldest, e);
    }

    ngx_llmops_cshm_put(root, e->older, root->newest);
    ngx_llmops_cshm_put(root, e->newer, NULL);
    ngx_llmops_cshm_put(root, root->newest, e);
}


static void
ngx_llmops_centry_unused(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e)
{
    if (e->newer) {
        ngx_llmops_cshm_put(root, e->newer->older, e->older);

    } else {
        ngx_llmops_cshm_put(root, root->newest, e->older);
    }

    if (e->older) {
        ngx_llmops_cshm_put(root, e->older->newer, e->newer);

    } else {
        ngx_llmops_cshm_put(root, root->oldest, e->newer);
    }
}


/* nobody will find it any more; those who follow it read it to its end */

static void
ngx_llmops_centry_let_go(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e)
{
    if (e->state == NGX_LLMOPS_CENTRY_FLIGHT) {
        ngx_llmops_centry_unlink(root, e);
        return;
    }

    if (e->found) {
        ngx_llmops_centry_unused(root, e);
        ngx_llmops_centry_unlink(root, e);
        ngx_llmops_cshm_put(root, root->complete, root->complete - 1);
    }

    if (e->followers == 0) {
        ngx_llmops_centry_free(root, e);
    }
}


/* it is neither in the table nor in the list */

static void
ngx_llmops_centry_free(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e)
{
    if (e->first) {
        ngx_llmops_cshm_put(root, e->last->next, root->free_blocks);
        ngx_llmops_cshm_put(root, root->free_blocks, e->first);
        ngx_llmops_cshm_put(root, root->bused, root->bused - e->nblocks);
    }

    if (e->state == NGX_LLMOPS_CENTRY_FLIGHT) {
        ngx_llmops_cshm_put(root, root->flights, root->flights - 1);
    }

    ngx_llmops_cshm_put(root, e->serial, 0);
    ngx_llmops_cshm_put(root, e->state, NGX_LLMOPS_CENTRY_FREE);
    ngx_llmops_cshm_put(root, e->chain, root->free);
    ngx_llmops_cshm_put(root, root->free, e);
}


/* commits what was done before */

void
ngx_llmops_cshm_evict(ngx_llmops_cshm_t *shm)
{
    ngx_uint_t            i;
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_centry_t  *e;

    ngx_llmops_cshm_commit(root);

    e = root->oldest;

    for (i = 0; e && e->followers && i < NGX_LLMOPS_CACHE_LOOK; i++) {
        e = e->newer;
    }

    if (e == NULL || e->followers) {
        return;
    }

    ngx_llmops_centry_let_go(root, e);
    ngx_llmops_cshm_put(root, root->evicted, root->evicted + 1);

    ngx_llmops_cshm_commit(root);
}


/* counters of two bytes are undone by the word that they lie in */

static void
ngx_llmops_centry_count(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e,
    ngx_int_t slot, int64_t n)
{
    uintptr_t  word;

    word = (uintptr_t) &e->follows[slot] & ~(sizeof(uintptr_t) - 1);

    ngx_llmops_cshm_put(root, e->followers, e->followers + n);
    ngx_llmops_cshm_note(root, (uintptr_t *) word);

    e->follows[slot] = (uint16_t) (e->follows[slot] + n);
}


static void
ngx_llmops_centry_wake(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e,
    uint64_t *mask)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_CACHE_SLOTS / 64; i++) {

        mask[i] |= e->waiting[i];

        if (e->waiting[i]) {
            ngx_llmops_cshm_put(root, e->waiting[i], 0);
        }
    }
}


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


/* a process is gone: with the lock */

void
ngx_llmops_cshm_bury(ngx_llmops_cshm_t *shm, ngx_int_t slot, uint64_t *mask)
{
    int64_t               i;
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_centry_t  *e;

    for (i = 0; i < root->nfresh; i++) {
        e = &root->entries[i];

        if (e->serial == 0) {
            continue;
        }

        ngx_llmops_cshm_commit(root);

        if (e->follows[slot]) {
            ngx_llmops_centry_count(root, e, slot, -e->follows[slot]);
        }

        if (e->state == NGX_LLMOPS_CENTRY_FLIGHT) {

            if (e->slot == slot) {
                ngx_llmops_centry_wake(root, e, mask);
                ngx_llmops_centry_unlink(root, e);
                ngx_llmops_centry_free(root, e);
            }

        } else if (!e->found && e->followers == 0) {
            ngx_llmops_centry_free(root, e);
        }
    }

    ngx_llmops_cshm_commit(root);
}


static ngx_uint_t
ngx_llmops_centry_has(ngx_llmops_centry_t *e, ngx_uint_t kind, uint64_t tag,
    u_char *key)
{
    switch (kind) {

    case NGX_LLMOPS_CACHE_TAG_ALL:
        return 1;

    case NGX_LLMOPS_CACHE_TAG_KEY:
        return ngx_memcmp(e->key, key, NGX_LLMOPS_CACHE_KEY) == 0;

    default:
        return kind < NGX_LLMOPS_CACHE_TAGS && e->tags[kind] == tag;
    }
}


ngx_uint_t
ngx_llmops_cshm_purge(ngx_llmops_cshm_t *shm, ngx_uint_t kind, uint64_t tag,
    u_char *key)
{
    int64_t               i, n;
    ngx_uint_t            found;
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_centry_t  *e;

    found = 0;

    for (i = 0, n = 1; i < n; /* void */ ) {

        ngx_llmops_cshm_lock(shm);

        n = root->nfresh;

        do {
            if (i == n) {
                break;
            }

            e = &root->entries[i++];

            if (e->serial && e->found
                && ngx_llmops_centry_has(e, kind, tag, key))
            {
                found += (e->state == NGX_LLMOPS_CENTRY_COMPLETE);
                ngx_llmops_centry_let_go(root, e);
                ngx_llmops_cshm_commit(root);
            }

        } while (i % NGX_LLMOPS_CACHE_BATCH);

        ngx_llmops_cshm_unlock(shm);
    }

    return found;
}


void
ngx_llmops_cshm_stats(ngx_llmops_cshm_t *shm, ngx_llmops_cache_stats_t *stats)
{
    ngx_llmops_croot_t  *root = shm->root;

    ngx_llmops_cshm_lock(shm);

    stats->size = root->nblocks * NGX_LLMOPS_CACHE_BLOCK;
    stats->used = root->bused * NGX_LLMOPS_CACHE_BLOCK;
    stats->entries = root->complete;
    stats->flights = root->flights;
    stats->evicted = root->evicted;
    stats->stored = root->stored;

    ngx_llmops_cshm_unlock(shm);
}


/* the two lists and the table say the same; nothing is lost */

ngx_uint_t
ngx_llmops_cshm_sane(ngx_llmops_cshm_t *shm)
{
    int64_t               i, k, blocks, listed, complete, flights, follows;
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_cblock_t  *b;
    ngx_llmops_centry_t  *e;

    blocks = root->bused;
    complete = 0;
    flights = 0;

    for (b = root->free_blocks; b; b = b->next) {
        blocks++;
    }

    if (blocks != root->bfresh) {
        return 0;
    }

    for (i = 0, blocks = 0; i < root->nfresh; i++) {
        e = &root->entries[i];

        if (e->serial == 0) {
            continue;
        }

        flights += (e->state == NGX_LLMOPS_CENTRY_FLIGHT);
        complete += (e->state == NGX_LLMOPS_CENTRY_COMPLETE && e->found);
        blocks += e->nblocks;

        for (k = 0, b = e->first; b; b = b->next) {
            k++;
        }

        for (follows = 0, listed = 0; listed < NGX_LLMOPS_CACHE_SLOTS;
             listed++)
        {
            follows += e->follows[listed];
        }

        if (k != e->nblocks || follows != e->followers
            || (size_t) e->len > (size_t) k * NGX_LLMOPS_CACHE_DATA
            || (e->found
                && ngx_llmops_centry_find(root, e->key, e->state) != e))
        {
            return 0;
        }
    }

    for (listed = 0, e = root->oldest; e; e = e->newer) {
        listed++;
    }

    return blocks == root->bused && flights == root->flights
           && complete == root->complete && listed == complete;
}
