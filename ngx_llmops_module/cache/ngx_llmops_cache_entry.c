
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_entry.h"


/*
 * Entries: made, put into table and list and taken out of them, given back.
 * How they are read is in ngx_llmops_cache_entry_read.c, how they are written
 * in _entry_write.c, and how they are taken away in _entry_sweep.c.
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


static ngx_llmops_centry_t **ngx_llmops_centry_bucket(
    ngx_llmops_croot_t *root, u_char *key);


/* a key is a digest: its first bytes are as good as any hash of it */

static ngx_llmops_centry_t **
ngx_llmops_centry_bucket(ngx_llmops_croot_t *root, u_char *key)
{
    uint64_t  hash;

    ngx_memcpy(&hash, key, sizeof(uint64_t));

    return &root->buckets[hash & root->mask];
}


ngx_llmops_centry_t *
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

ngx_llmops_centry_t *
ngx_llmops_centry_of(ngx_llmops_creader_t *reader)
{
    ngx_llmops_centry_t  *e = reader->entry;

    return (e && e->serial == reader->serial) ? e : NULL;
}


/* a FLIGHT that nobody finds yet */

ngx_llmops_centry_t *
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


void
ngx_llmops_centry_link(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e)
{
    ngx_llmops_centry_t  **bucket;

    bucket = ngx_llmops_centry_bucket(root, e->key);

    ngx_llmops_cshm_put(root, e->chain, *bucket);
    ngx_llmops_cshm_put(root, *bucket, e);
    ngx_llmops_cshm_put(root, e->found, 1);
}


void
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

void
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


void
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

void
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

void
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


/* counters of two bytes are undone by the word that they lie in */

void
ngx_llmops_centry_count(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e,
    ngx_int_t slot, int64_t n)
{
    uintptr_t  word;

    word = (uintptr_t) &e->follows[slot] & ~(sizeof(uintptr_t) - 1);

    ngx_llmops_cshm_put(root, e->followers, e->followers + n);
    ngx_llmops_cshm_note(root, (uintptr_t *) word);

    e->follows[slot] = (uint16_t) (e->follows[slot] + n);
}


void
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
