
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _SHM_RUN_H_INCLUDED_
#define _SHM_RUN_H_INCLUDED_


#include "unit.h"
#include "ngx_llmops_shm.h"

#include <sched.h>
#include <sys/mman.h>


/*
 * The engine in shared memory without nginx: an anonymous mapping instead of
 * a zone, and what the engine calls of nginx.  Time is what a test sets it to.
 *
 * The mutex is a word with the owner's process id, as nginx's is.  A test that
 * kills plays the master: ngx_shmtx_force_unlock() once it has seen the end.
 */


volatile ngx_msec_t           ngx_current_msec = 1000000;
static volatile ngx_time_t    shm_time = { 1767225600, 0, 0 };  /* 2026 */
volatile ngx_time_t          *ngx_cached_time = &shm_time;
ngx_pid_t                     ngx_pid;
ngx_uint_t                    ngx_pagesize = 4096;
static ngx_log_t              shm_log = { .log_level = NGX_LOG_INFO };
static ngx_cycle_t            shm_cycle = { .log = &shm_log };
volatile ngx_cycle_t         *ngx_cycle = &shm_cycle;
static ngx_uint_t             shm_logged;


void
ngx_log_error_core(ngx_uint_t level, ngx_log_t *log, ngx_err_t err,
    const char *fmt, ...)
{
    shm_logged++;
}


void
ngx_debug_point(void)
{
    abort();
}


void
ngx_shmtx_lock(ngx_shmtx_t *mtx)
{
    ngx_uint_t  i;

    for (i = 1; !ngx_atomic_cmp_set(mtx->lock, 0, ngx_pid); i++) {
        if (i % 100 == 0) {
            sched_yield();
        }
    }
}


void
ngx_shmtx_unlock(ngx_shmtx_t *mtx)
{
    if (!ngx_atomic_cmp_set(mtx->lock, ngx_pid, 0)) {
        abort();
    }
}


ngx_uint_t
ngx_shmtx_force_unlock(ngx_shmtx_t *mtx, ngx_pid_t pid)
{
    return ngx_atomic_cmp_set(mtx->lock, pid, 0);
}


void *
ngx_slab_alloc_locked(ngx_slab_pool_t *pool, size_t size)
{
    u_char  *p;

    p = ngx_align_ptr(pool->start, size < 4096 ? 64 : 4096);

    if ((size_t) (pool->end - p) < size) {
        return NULL;
    }

    pool->start = p + size;

    return p;
}


void *
ngx_slab_calloc_locked(ngx_slab_pool_t *pool, size_t size)
{
    void  *p;

    p = ngx_slab_alloc_locked(pool, size);

    return p ? memset(p, 0, size) : NULL;
}


/* pools: all that was allocated is freed by shm_free() */

static void         *shm_blocks[1000000];
static ngx_uint_t    shm_nblocks;


void *
ngx_palloc(ngx_pool_t *pool, size_t size)
{
    assert_true(shm_nblocks < 1000000);

    return shm_blocks[shm_nblocks++] = malloc(size);
}


void *
ngx_pnalloc(ngx_pool_t *pool, size_t size)
{
    return ngx_palloc(pool, size);
}


void *
ngx_pcalloc(ngx_pool_t *pool, size_t size)
{
    return memset(ngx_palloc(pool, size), 0, size);
}


ngx_array_t *
ngx_array_create(ngx_pool_t *pool, ngx_uint_t n, size_t size)
{
    ngx_array_t  *a;

    a = ngx_palloc(pool, sizeof(ngx_array_t));

    return ngx_array_init(a, pool, n, size) == NGX_OK ? a : NULL;
}


void *
ngx_array_push(ngx_array_t *a)
{
    void  *elts;

    if (a->nelts == a->nalloc) {
        elts = ngx_palloc(a->pool, 2 * a->nalloc * a->size);
        memcpy(elts, a->elts, a->nelts * a->size);
        a->elts = elts;
        a->nalloc *= 2;
    }

    return (u_char *) a->elts + a->size * a->nelts++;
}


static ngx_inline void
shm_free(void)
{
    while (shm_nblocks) {
        free(shm_blocks[--shm_nblocks]);
    }
}


off_t
ngx_atoof(u_char *line, size_t n)
{
    off_t  value;

    for (value = 0; n--; line++) {
        if (*line < '0' || *line > '9') {
            return NGX_ERROR;
        }

        value = value * 10 + (*line - '0');
    }

    return value;
}


u_char * ngx_cdecl
ngx_sprintf(u_char *buf, const char *fmt, ...)
{
    va_list  args;

    assert_string_equal(fmt, "%uL");

    va_start(args, fmt);
    buf += sprintf((char *) buf, "%llu",
                   (unsigned long long) va_arg(args, uint64_t));
    va_end(args);

    return buf;
}


/* -- a zone --------------------------------------------------------------- */

typedef struct {
    ngx_slab_pool_t            slab;
    ngx_atomic_t               word;       /* of the mutex */
    ngx_llmops_root_t          root;
} shm_zone_t;


/* a process's view of a zone; the first one makes it */

typedef struct {
    ngx_llmops_store_t         store;
    ngx_llmops_shm_t           shm;
    shm_zone_t                *zone;
    size_t                     size;
} shm_run_t;


static ngx_inline void
shm_attach(shm_run_t *run, shm_zone_t *zone, size_t size)
{
    memset(run, 0, sizeof(shm_run_t));

    ngx_pid = getpid();

    run->zone = zone;
    run->size = size;
    run->store.shm = &run->shm;
    run->store.lease = 15000;
    run->shm.lease = 15000;
    run->shm.scratch = malloc(NGX_LLMOPS_DOC_ID + NGX_LLMOPS_DOC_LARGE);

    assert_int_equal(ngx_llmops_shm_open(&run->shm, &zone->slab, &zone->root,
                                         size),
                     NGX_OK);
}


static ngx_inline void
shm_create(shm_run_t *run, size_t size)
{
    shm_zone_t  *zone;

    zone = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                -1, 0);
    assert_ptr_not_equal(zone, MAP_FAILED);

    zone->slab.mutex.lock = &zone->word;
    zone->slab.start = (u_char *) zone + sizeof(shm_zone_t);
    zone->slab.end = (u_char *) zone + size;

    shm_attach(run, zone, size);
}


static ngx_inline void
shm_destroy(shm_run_t *run)
{
    free(run->shm.scratch);
    munmap(run->zone, run->size);
    shm_free();
}


/* -- what is asked for ---------------------------------------------------- */

static ngx_inline ngx_llmops_rate_t
shm_sliding(ngx_llmops_unit_e unit, int64_t limit, int64_t window)
{
    return (ngx_llmops_rate_t) { .unit = unit, .limit = limit,
                                 .window = window };
}


static ngx_inline ngx_llmops_rate_t
shm_calendar(ngx_llmops_unit_e unit, int64_t limit, int64_t window,
    int64_t start)
{
    return (ngx_llmops_rate_t) { .unit = unit, .limit = limit,
                                 .window = window,
                                 .period = NGX_LLMOPS_PERIOD_CALENDAR,
                                 .start = start, .end = start + window };
}


static ngx_inline ngx_llmops_rate_t
shm_held(ngx_llmops_unit_e unit, int64_t limit)
{
    return (ngx_llmops_rate_t) { .unit = unit, .limit = limit,
                                 .period = NGX_LLMOPS_PERIOD_HELD };
}


static ngx_inline void
shm_charge(ngx_llmops_charge_t *charge, const char *name, const char *key,
    ngx_llmops_rate_t rate)
{
    memset(charge, 0, sizeof(ngx_llmops_charge_t));

    charge->name = *unit_str(name);
    charge->key = *unit_str(key);
    charge->divisor = 1;
    charge->nrates = 1;
    charge->rates[0] = rate;
}


static ngx_inline void
shm_res(ngx_llmops_reservation_t *res, ngx_llmops_charge_t *charges,
    ngx_uint_t n)
{
    memset(res, 0, sizeof(ngx_llmops_reservation_t));

    res->charges = charges;
    res->ncharges = n;
}


/* what must be true whenever nobody has the lock: 1, or says what is not */

static ngx_inline int
shm_sane(shm_run_t *run)
{
    int64_t                i, n, held, reserved, sum;
    ngx_llmops_cell_t     *cell;
    ngx_llmops_hold_t     *h;
    ngx_llmops_root_t     *root = &run->zone->root;
    ngx_llmops_member_t   *m;
    ngx_llmops_counter_t  *c;
    ngx_llmops_cells_t    *pools[] = { &root->cells, &root->hold_cells,
                                       &root->member_cells,
                                       &root->doc_cells,
                                       &root->row_cells };

    ngx_llmops_shm_lock(&run->shm);

    for (i = 0; i < 5; i++) {
        for (n = 0, cell = pools[i]->free; cell; cell = cell->next) {
            n++;
        }

        assert_int_equal(n, pools[i]->nfree);
        assert_true(pools[i]->bytes <= pools[i]->max);
    }

    for (held = 0, reserved = 0, n = 0, i = 0;
         i <= (int64_t) root->counters_mask;
         i++)
    {
        for (c = root->counters[i]; c; c = c->chain) {
            n++;
            held += c->holds;

            for (int u = 0; u < NGX_LLMOPS_UNIT_MAX; u++) {
                assert_true(c->reserved[u] >= 0);
                reserved += c->reserved[u];
                assert_true(c->holds || c->reserved[u] == 0);
            }

            for (int s = 0; s < NGX_LLMOPS_COUNTER_RATES; s++) {
                assert_true(c->slots[s].used >= 0);

                if (c->slots[s].ring == NULL) {
                    continue;
                }

                sum = 0;

                for (int b = 0; b < NGX_LLMOPS_RING_BUCKETS; b++) {
                    assert_true(c->slots[s].ring->bucket[b] >= 0);
                    sum += c->slots[s].ring->bucket[b];
                }

                assert_int_equal(sum, c->slots[s].used);
            }
        }
    }

    assert_int_equal(n, root->ncounters);

    for (m = root->members; m; m = m->next) {
        for (h = m->holds; h; h = h->next) {
            held--;
            assert_true(h->serial != 0);
            assert_true(h->next == NULL || h->next->prev == h);

            for (int u = 1; u < NGX_LLMOPS_UNIT_MAX; u++) {
                reserved -= h->amounts[u];
            }
        }
    }

    assert_int_equal(held, 0);
    assert_int_equal(reserved, 0);

    n = 0;

    for (ngx_llmops_day_t *d = root->days; d; d = d->older) {
        for (ngx_llmops_row_t *row = d->rows; row; row = row->next) {
            n++;
            assert_true(row->next || row == d->other);
        }
    }

    assert_int_equal(n, root->nrows);

    ngx_llmops_shm_unlock(&run->shm);

    return 1;
}


#endif /* _SHM_RUN_H_INCLUDED_ */
