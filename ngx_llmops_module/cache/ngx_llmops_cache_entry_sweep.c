
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_entry.h"


/*
 * Entries that are taken away: for want of room, with a process that has died,
 * and because somebody wants them gone.
 */


#define NGX_LLMOPS_CACHE_LOOK      32      /* entries looked at for eviction */
#define NGX_LLMOPS_CACHE_BATCH     1024    /* entries purged under one lock */


static ngx_uint_t ngx_llmops_centry_has(ngx_llmops_centry_t *e,
    ngx_uint_t kind, uint64_t tag, u_char *key);


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
