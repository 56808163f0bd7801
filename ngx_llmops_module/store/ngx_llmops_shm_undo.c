
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"


/*
 * A worker may be killed between any two instructions, also while it changes
 * what all share.  The master breaks its lock (ngx_unlock_mutexes(), for the
 * mutex of each zone), but half a change would stay.  So before a word is
 * changed its old value is written to a log in the same memory, and a commit
 * empties the log.  Whoever takes the lock and finds the log not empty knows
 * that its last owner has died, and puts the old values back, the last one
 * first.
 *
 * Why no barrier of the processor is needed: a process that is killed has
 * executed its instructions up to one point in program order and none behind
 * it, and whoever comes next has taken the lock, after a context switch or an
 * atomic instruction.  The compiler alone must keep the order: log entry,
 * count, change.
 *
 * The undoing may be cut short as well: old values are put back from the end,
 * and the count goes down only after that, so that doing it twice does no
 * harm.
 *
 * The lock is the mutex of the zone's slab pool, since this is the one that
 * the master breaks, and on whose semaphore others sleep.
 */


#define NGX_LLMOPS_DOC_CELL        256
#define NGX_LLMOPS_COUNTER_CELL    704
#define NGX_LLMOPS_ROW_CELL        256


static ngx_int_t ngx_llmops_shm_make(ngx_llmops_shm_t *shm, size_t size);
static void ngx_llmops_shm_share(ngx_llmops_cells_t *cells, size_t size,
    size_t max);
static void *ngx_llmops_shm_table(ngx_llmops_shm_t *shm, size_t max,
    uint64_t *mask);
static uint64_t ngx_llmops_shm_mix(uint64_t h, ngx_str_t *s);


typedef char  ngx_llmops_counter_fits[
    (sizeof(ngx_llmops_counter_t) <= NGX_LLMOPS_COUNTER_CELL
     && sizeof(ngx_llmops_ring_t) <= NGX_LLMOPS_COUNTER_CELL) ? 1 : -1];


void
ngx_llmops_shm_lock(ngx_llmops_shm_t *shm)
{
    ngx_llmops_undo_t  *undo;
    ngx_llmops_root_t  *root = shm->root;

    ngx_shmtx_lock(&shm->slab->mutex);

    while (root->nundo) {
        undo = &root->undo[root->nundo - 1];

        *undo->addr = undo->old;
        ngx_llmops_shm_barrier();

        root->nundo--;
        ngx_llmops_shm_barrier();
    }
}


void
ngx_llmops_shm_unlock(ngx_llmops_shm_t *shm)
{
    ngx_llmops_shm_commit(shm);

    ngx_shmtx_unlock(&shm->slab->mutex);
}


/*
 * nginx's monotonic clock is the machine's, the same in all processes, but
 * each keeps the time of its last look at it.  The newest one that was used
 * is the time of all: no window ever moves back.
 */

int64_t
ngx_llmops_shm_now(ngx_llmops_shm_t *shm)
{
    int64_t  now;

    now = (int64_t) ngx_current_msec;

    if (now > shm->root->clock) {
        shm->root->clock = now;              /* one word: nothing to undo */
    }

    return shm->root->clock;
}


int64_t
ngx_llmops_shm_hash(ngx_llmops_shm_t *shm, uint64_t kind, ngx_str_t *a,
    ngx_str_t *b)
{
    uint64_t  h;

    h = shm->root->seed + kind * 0x9e3779b97f4a7c15ull;
    h = ngx_llmops_shm_mix(h, a);

    if (b) {
        h = ngx_llmops_shm_mix(h, b);
    }

    return (int64_t) h;
}


/* eight bytes at a time, folded by a multiplication that spreads them */

static uint64_t
ngx_llmops_shm_mix(uint64_t h, ngx_str_t *s)
{
    size_t     n;
    u_char    *p;
    uint64_t   w;

    p = s->data;
    h ^= (uint64_t) s->len * 0xff51afd7ed558ccdull;

    for (n = s->len; n; /* void */ ) {
        w = 0;

        if (n >= 8) {
            ngx_memcpy(&w, p, 8);
            p += 8;
            n -= 8;

        } else {
            ngx_memcpy(&w, p, n);
            n = 0;
        }

        h = (h ^ w) * 0x9fb21c651e98df25ull;
        h ^= h >> 29;
    }

    h *= 0xc4ceb9fe1a85ec53ull;

    return h ^ (h >> 32);
}


ngx_int_t
ngx_llmops_shm_open(ngx_llmops_shm_t *shm, ngx_slab_pool_t *slab,
    ngx_llmops_root_t *root, size_t size)
{
    ngx_int_t  rc;

    shm->slab = slab;
    shm->root = root;
    shm->pid = (int64_t) ngx_pid;

    ngx_llmops_shm_lock(shm);

    rc = root->ready ? NGX_OK : ngx_llmops_shm_make(shm, size);

    ngx_llmops_shm_unlock(shm);

    return rc;
}


/*
 * How a zone is divided, at the most: a quarter for counters, an eighth for
 * what is held of them, an eighth for the ledger, three eighths for documents;
 * an eighth, or what nobody has asked for yet, is left to the nodes.  Only
 * tables of hashes are made now: pools grow when they need to.
 */

static ngx_int_t
ngx_llmops_shm_make(ngx_llmops_shm_t *shm, size_t size)
{
    struct timeval      tv;
    ngx_llmops_root_t  *root = shm->root;

    ngx_gettimeofday(&tv);

    root->seed = ((uint64_t) tv.tv_sec * 1000000 + tv.tv_usec)
                 * 0x9e3779b97f4a7c15ull ^ ((uint64_t) ngx_pid << 32)
                 ^ (uintptr_t) root;
    root->gateways = 1;
    root->serial = 0;
    root->batch = (int64_t) (root->seed >> 1);  /* another one in each zone */

    ngx_llmops_shm_share(&root->cells, NGX_LLMOPS_COUNTER_CELL, size / 4);
    ngx_llmops_shm_share(&root->hold_cells, sizeof(ngx_llmops_hold_t),
                         size / 8);
    ngx_llmops_shm_share(&root->member_cells, sizeof(ngx_llmops_member_t),
                         16 * ngx_pagesize);
    ngx_llmops_shm_share(&root->doc_cells, NGX_LLMOPS_DOC_CELL, size / 8 * 3);
    ngx_llmops_shm_share(&root->row_cells, NGX_LLMOPS_ROW_CELL, size / 8);

    root->member_cells.extent = ngx_pagesize;

    root->counters = ngx_llmops_shm_table(shm,
                              size / 4 / NGX_LLMOPS_COUNTER_CELL,
                              &root->counters_mask);
    root->docs = ngx_llmops_shm_table(shm,
                              size / 8 * 3 / NGX_LLMOPS_DOC_CELL / 2,
                              &root->docs_mask);
    root->rows = ngx_llmops_shm_table(shm, size / 8 / NGX_LLMOPS_ROW_CELL,
                              &root->rows_mask);

    if (root->counters == NULL || root->docs == NULL || root->rows == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_shm_barrier();
    root->ready = 1;

    return NGX_OK;
}


/* an extent is a 32nd of what a pool may have, so that what is taken and not
   used yet is little, and the zone's allocator is seldom asked */

static void
ngx_llmops_shm_share(ngx_llmops_cells_t *cells, size_t size, size_t max)
{
    cells->size = size;
    cells->max = (int64_t) max;
    cells->extent = ngx_align(ngx_max(max / 32, size), ngx_pagesize);
}


/* a table for so many, with a power of two of buckets */

static void *
ngx_llmops_shm_table(ngx_llmops_shm_t *shm, size_t max, uint64_t *mask)
{
    size_t  n;

    for (n = 16; n < max; n *= 2) { /* void */ }

    *mask = n - 1;

    return ngx_slab_calloc_locked(shm->slab, n * sizeof(void *));
}
