
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_entry.h"


/*
 * What there is of entries, and whether it is as it must be.
 */


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
