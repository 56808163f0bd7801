
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_shm.h"

#include <signal.h>


/*
 * The memory of the cache's zone: its lock, entries, blocks, and who is there.
 * What entries mean is in ngx_llmops_cache_entry.c.
 *
 * The zone is cut without the slab allocator, which could not give back
 * hundreds of pages of different owners without falling to pieces: blocks of
 * one size are never fragmented, and taking or giving back a chain of them
 * changes three words.  The slab pool remains for its mutex, which nginx's
 * master breaks when a worker dies that held it.
 */


#define NGX_LLMOPS_CACHE_MAGIC     0x6c6c6d63          /* "llmc" */
#define NGX_LLMOPS_CACHE_LAYOUT    1


static ngx_int_t ngx_llmops_cshm_cut(ngx_llmops_cshm_t *shm);
static ngx_uint_t ngx_llmops_cshm_dead(ngx_llmops_cslot_t *slot, int64_t ms);


void
ngx_llmops_cshm_lock(ngx_llmops_cshm_t *shm)
{
    ngx_llmops_croot_t  *root = shm->root;
    ngx_llmops_cundo_t  *undo;

    ngx_shmtx_lock(&shm->slab->mutex);

    while (root->nundo) {
        undo = &root->undo[root->nundo - 1];

        *undo->addr = undo->old;
        ngx_llmops_cshm_barrier();

        root->nundo--;
        ngx_llmops_cshm_barrier();
    }
}


void
ngx_llmops_cshm_unlock(ngx_llmops_cshm_t *shm)
{
    ngx_llmops_cshm_commit(shm->root);

    ngx_shmtx_unlock(&shm->slab->mutex);
}


ngx_int_t
ngx_llmops_cshm_open(ngx_llmops_cshm_t *shm, ngx_slab_pool_t *slab)
{
    shm->slab = slab;
    shm->root = slab->data;
    shm->slot = -1;

    if (shm->root == NULL) {
        return ngx_llmops_cshm_cut(shm);
    }

    return (shm->root->magic == NGX_LLMOPS_CACHE_MAGIC
            && shm->root->layout == NGX_LLMOPS_CACHE_LAYOUT)
           ? NGX_OK : NGX_DECLINED;
}


/* in the master, before anybody else can see it: a fresh zone's free pages are
   one piece */

static ngx_int_t
ngx_llmops_cshm_cut(ngx_llmops_cshm_t *shm)
{
    u_char              *p, *last;
    size_t               size, each;
    uint64_t             n;
    ngx_llmops_croot_t  *root;

    size = (shm->slab->pfree > 1) ? (shm->slab->pfree - 1) * ngx_pagesize : 0;
    p = size ? ngx_slab_alloc(shm->slab, size) : NULL;

    if (p == NULL) {
        return NGX_ERROR;
    }

    last = p + size;

    root = (ngx_llmops_croot_t *) p;
    ngx_memzero(root, sizeof(ngx_llmops_croot_t));
    p += ngx_align(sizeof(ngx_llmops_croot_t), 64);

    each = NGX_LLMOPS_CACHE_BLOCK + sizeof(ngx_llmops_centry_t)
           + 2 * sizeof(void *);

    if ((size_t) (last - p) < 16 * each) {
        return NGX_ERROR;
    }

    root->nentries = (last - p - NGX_LLMOPS_CACHE_BLOCK) / each;
    root->nblocks = root->nentries;

    for (n = 1; n * 2 <= (uint64_t) root->nentries * 2; n *= 2) { /* void */ }

    root->mask = n - 1;
    root->buckets = (ngx_llmops_centry_t **) p;
    ngx_memzero(p, n * sizeof(void *));
    p += n * sizeof(void *);

    root->entries = (ngx_llmops_centry_t *) p;
    p += (size_t) root->nentries * sizeof(ngx_llmops_centry_t);

    root->blocks = ngx_align_ptr(p, NGX_LLMOPS_CACHE_BLOCK);
    root->nblocks = ngx_min((last - root->blocks) / NGX_LLMOPS_CACHE_BLOCK,
                            root->nblocks);

    root->magic = NGX_LLMOPS_CACHE_MAGIC;
    root->layout = NGX_LLMOPS_CACHE_LAYOUT;

    shm->root = root;
    shm->slab->data = root;

    return NGX_OK;
}


void
ngx_llmops_cshm_join(ngx_llmops_cshm_t *shm, ngx_pid_t pid, int64_t ms)
{
    ngx_int_t            i;
    ngx_llmops_cslot_t  *slots;

    shm->slot = -1;
    shm->pid = (int64_t) pid;

    ngx_llmops_cshm_lock(shm);

    slots = shm->root->slots;

    for (i = 0; i < NGX_LLMOPS_CACHE_SLOTS; i++) {

        if (slots[i].pid == 0) {
            ngx_llmops_cshm_put(shm->root, slots[i].beat, ms);
            ngx_llmops_cshm_put(shm->root, slots[i].pid, (int64_t) pid);
            shm->slot = i;
            break;
        }
    }

    ngx_llmops_cshm_unlock(shm);
}


void
ngx_llmops_cshm_leave(ngx_llmops_cshm_t *shm)
{
    uint64_t  mask[NGX_LLMOPS_CACHE_SLOTS / 64];

    if (shm->slot == -1) {
        return;
    }

    ngx_llmops_cshm_lock(shm);

    if (shm->root->slots[shm->slot].pid == shm->pid) {
        ngx_memzero(mask, sizeof(mask));
        ngx_llmops_cshm_bury(shm, shm->slot, mask);
        ngx_llmops_cshm_put(shm->root, shm->root->slots[shm->slot].pid, 0);
    }

    ngx_llmops_cshm_unlock(shm);

    shm->slot = -1;
}


ngx_uint_t
ngx_llmops_cshm_tick(ngx_llmops_cshm_t *shm, int64_t ms, uint64_t *mask)
{
    ngx_int_t            i;
    ngx_uint_t           found;
    ngx_llmops_cslot_t  *slots;

    found = 0;
    slots = shm->root->slots;

    ngx_llmops_cshm_lock(shm);

    if (shm->slot != -1 && slots[shm->slot].pid != shm->pid) {
        shm->slot = -1;                    /* it was thought dead */
    }

    if (shm->slot != -1) {
        ngx_llmops_cshm_put(shm->root, slots[shm->slot].beat, ms);
        ngx_llmops_cshm_commit(shm->root);
    }

    for (i = 0; i < NGX_LLMOPS_CACHE_SLOTS; i++) {

        if (i == shm->slot || !ngx_llmops_cshm_dead(&slots[i], ms)) {
            continue;
        }

        if (!found) {
            ngx_memzero(mask, NGX_LLMOPS_CACHE_SLOTS / 8);
            found = 1;
        }

        /* free only when all is cleared away, as the next one may die of it */

        ngx_llmops_cshm_bury(shm, i, mask);
        ngx_llmops_cshm_put(shm->root, slots[i].pid, 0);
        ngx_llmops_cshm_commit(shm->root);
    }

    ngx_llmops_cshm_unlock(shm);

    return found;
}


/* a process that is gone, or whose number another program has now */

static ngx_uint_t
ngx_llmops_cshm_dead(ngx_llmops_cslot_t *slot, int64_t ms)
{
    if (slot->pid == 0) {
        return 0;
    }

    return (kill((pid_t) slot->pid, 0) == -1 && ngx_errno == NGX_ESRCH)
           || ms - slot->beat > NGX_LLMOPS_CACHE_SILENT;
}


ngx_llmops_cblock_t *
ngx_llmops_cshm_block(ngx_llmops_cshm_t *shm)
{
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_cblock_t  *b;

    if (root->free_blocks == NULL && root->bfresh == root->nblocks) {
        ngx_llmops_cshm_evict(shm);
    }

    b = root->free_blocks;

    if (b) {
        ngx_llmops_cshm_put(root, root->free_blocks, b->next);

    } else if (root->bfresh < root->nblocks) {
        b = (ngx_llmops_cblock_t *) (root->blocks
                                     + root->bfresh * NGX_LLMOPS_CACHE_BLOCK);
        ngx_llmops_cshm_put(root, root->bfresh, root->bfresh + 1);

    } else {
        return NULL;
    }

    ngx_llmops_cshm_put(root, root->bused, root->bused + 1);
    ngx_llmops_cshm_put(root, b->next, NULL);

    return b;
}


ngx_llmops_centry_t *
ngx_llmops_cshm_entry(ngx_llmops_cshm_t *shm)
{
    ngx_llmops_croot_t   *root = shm->root;
    ngx_llmops_centry_t  *e;

    if (root->free == NULL && root->nfresh == root->nentries) {
        ngx_llmops_cshm_evict(shm);
    }

    e = root->free;

    if (e) {
        ngx_llmops_cshm_put(root, root->free, e->chain);

    } else if (root->nfresh < root->nentries) {
        e = &root->entries[root->nfresh];
        ngx_llmops_cshm_put(root, root->nfresh, root->nfresh + 1);

    } else {
        return NULL;
    }

    return e;
}
