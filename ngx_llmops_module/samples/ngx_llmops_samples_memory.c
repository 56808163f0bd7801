
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_own.h"


/*
 * Records in shared memory, for a gateway that has neither llm_state nor
 * Redis: they survive a reload, not a restart.  A ring of blocks; a block that
 * is full is followed by the oldest one, which is emptied for that.
 *
 * All of it is under the zone's mutex, for as long as it takes to copy a record
 * or a block.  A worker that is killed with the mutex leaves at worst a record
 * behind "used", which is not there: "used" is raised when it has been copied.
 */


#define NGX_LLMOPS_SAMPLES_BLOCKS  16
#define NGX_LLMOPS_SAMPLES_LAYOUT  1


typedef struct {
    int64_t                    created;    /* ms; 0: it is empty */
    int64_t                    changed;
    size_t                     used;
    ngx_uint_t                 number;     /* of its contents: never again */
} ngx_llmops_samples_block_t;

typedef struct {
    ngx_uint_t                 layout;
    size_t                     size;       /* of a block */
    ngx_uint_t                 current;
    ngx_uint_t                 numbers;
    ngx_llmops_samples_block_t  blocks[NGX_LLMOPS_SAMPLES_BLOCKS];
    u_char                    *data;
} ngx_llmops_samples_ring_t;


static ngx_int_t ngx_llmops_samples_memory_append(ngx_llmops_samples_t *s,
    ngx_str_t *record);
static void ngx_llmops_samples_memory_next(ngx_llmops_samples_ring_t *ring);
static ngx_int_t ngx_llmops_samples_memory_list(ngx_llmops_samples_t *s,
    ngx_array_t *segments);
static ngx_int_t ngx_llmops_samples_memory_load(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg, ngx_str_t *bytes);
static ngx_int_t ngx_llmops_samples_memory_wipe(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg, size_t offset, ngx_llmops_record_t *rec);
static void ngx_llmops_samples_memory_drop(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg);
static void ngx_llmops_samples_memory_trim(ngx_llmops_samples_t *s);
static int ngx_libc_cdecl ngx_llmops_samples_memory_cmp(const void *one,
    const void *two);


const ngx_llmops_samples_engine_t  ngx_llmops_samples_memory = {
    ngx_llmops_samples_memory_append,
    ngx_llmops_samples_memory_list,
    ngx_llmops_samples_memory_load,
    ngx_llmops_samples_memory_wipe,
    ngx_llmops_samples_memory_drop,
    ngx_llmops_samples_memory_trim
};


#define ngx_llmops_samples_pool(s)                                            \
    ((ngx_slab_pool_t *) (s)->zone->shm.addr)

#define ngx_llmops_samples_ring(s)                                            \
    ((ngx_llmops_samples_ring_t *) ngx_llmops_samples_pool(s)->data)

#define ngx_llmops_samples_at(ring, i)  ((ring)->data + (i) * (ring)->size)


ngx_int_t
ngx_llmops_samples_zone_init(ngx_shm_zone_t *zone, void *old)
{
    size_t                      size;
    ngx_slab_pool_t            *pool;
    ngx_llmops_samples_ring_t  *ring;

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (old || zone->shm.exists) {
        ring = pool->data;
        zone->data = ring;

        if (ring == NULL || ring->layout != NGX_LLMOPS_SAMPLES_LAYOUT) {
            ngx_log_error(NGX_LOG_EMERG, zone->shm.log, 0,
                          "the shared memory \"%V\" is of another version of "
                          "the module, restart nginx", &zone->shm.name);
            return NGX_ERROR;
        }

        return NGX_OK;
    }

    ring = ngx_slab_calloc(pool, sizeof(ngx_llmops_samples_ring_t));
    if (ring == NULL) {
        return NGX_ERROR;
    }

    /* all pages that are left, in one piece */

    size = pool->pfree * ngx_pagesize;

    ring->data = ngx_slab_alloc(pool, size);
    if (ring->data == NULL) {
        return NGX_ERROR;
    }

    ring->layout = NGX_LLMOPS_SAMPLES_LAYOUT;
    ring->size = size / NGX_LLMOPS_SAMPLES_BLOCKS;

    pool->data = ring;
    zone->data = ring;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_samples_memory_append(ngx_llmops_samples_t *s, ngx_str_t *record)
{
    ngx_slab_pool_t             *pool;
    ngx_llmops_samples_ring_t   *ring;
    ngx_llmops_samples_block_t  *block;

    pool = ngx_llmops_samples_pool(s);
    ring = ngx_llmops_samples_ring(s);

    if (record->len > ring->size) {
        return NGX_ERROR;
    }

    ngx_shmtx_lock(&pool->mutex);

    block = &ring->blocks[ring->current];

    if (block->created == 0 || block->used + record->len > ring->size) {
        ngx_llmops_samples_memory_next(ring);
        block = &ring->blocks[ring->current];
    }

    ngx_memcpy(ngx_llmops_samples_at(ring, ring->current) + block->used,
               record->data, record->len);

    ngx_memory_barrier();

    block->used += record->len;
    block->changed = ngx_llmops_samples_clock() + 1;

    ngx_shmtx_unlock(&pool->mutex);

    return NGX_OK;
}


/* the next block, emptied */

static void
ngx_llmops_samples_memory_next(ngx_llmops_samples_ring_t *ring)
{
    size_t                       used;
    ngx_llmops_samples_block_t  *block;

    block = &ring->blocks[ring->current];

    if (block->created) {
        ring->current = (ring->current + 1) % NGX_LLMOPS_SAMPLES_BLOCKS;
        block = &ring->blocks[ring->current];
    }

    used = block->used;

    block->used = 0;
    block->number = ++ring->numbers;
    block->created = ngx_llmops_samples_clock();

    ngx_memzero(ngx_llmops_samples_at(ring, ring->current), used);
}


static ngx_int_t
ngx_llmops_samples_memory_list(ngx_llmops_samples_t *s, ngx_array_t *segments)
{
    ngx_int_t                    rc;
    ngx_uint_t                   i;
    ngx_slab_pool_t             *pool;
    ngx_llmops_segment_t        *seg;
    ngx_llmops_samples_ring_t   *ring;
    ngx_llmops_samples_block_t  *block;

    pool = ngx_llmops_samples_pool(s);
    ring = ngx_llmops_samples_ring(s);
    rc = NGX_OK;

    ngx_shmtx_lock(&pool->mutex);

    for (i = 0; i < NGX_LLMOPS_SAMPLES_BLOCKS; i++) {
        block = &ring->blocks[i];

        if (block->used == 0) {
            continue;
        }

        seg = ngx_array_push(segments);      /* there is room for all */
        if (seg == NULL) {
            rc = NGX_ERROR;
            break;
        }

        ngx_memzero(seg, sizeof(ngx_llmops_segment_t));

        seg->block = i;
        seg->number = block->number;
        seg->created = block->created;
        seg->changed = block->changed;
        seg->size = block->used;
    }

    ngx_shmtx_unlock(&pool->mutex);

    ngx_qsort(segments->elts, segments->nelts, sizeof(ngx_llmops_segment_t),
              ngx_llmops_samples_memory_cmp);

    return rc;
}


static int ngx_libc_cdecl
ngx_llmops_samples_memory_cmp(const void *one, const void *two)
{
    const ngx_llmops_segment_t *a = one;
    const ngx_llmops_segment_t *b = two;

    return a->number < b->number ? 1 : -1;
}


static ngx_int_t
ngx_llmops_samples_memory_load(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg, ngx_str_t *bytes)
{
    ngx_slab_pool_t             *pool;
    ngx_llmops_samples_ring_t   *ring;
    ngx_llmops_samples_block_t  *block;

    pool = ngx_llmops_samples_pool(s);
    ring = ngx_llmops_samples_ring(s);

    bytes->len = 0;
    bytes->data = ngx_alloc(ring->size, ngx_cycle->log);

    if (bytes->data == NULL) {
        return NGX_ERROR;
    }

    ngx_shmtx_lock(&pool->mutex);

    block = &ring->blocks[seg->block];

    if (block->number == seg->number) {
        bytes->len = block->used;
        ngx_memcpy(bytes->data, ngx_llmops_samples_at(ring, seg->block),
                   bytes->len);
    }

    ngx_shmtx_unlock(&pool->mutex);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_samples_memory_wipe(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg, size_t offset, ngx_llmops_record_t *rec)
{
    size_t                       size;
    u_char                      *p, wiped[NGX_LLMOPS_RECORD_HEAD];
    ngx_int_t                    rc;
    ngx_slab_pool_t             *pool;
    ngx_llmops_record_t          found;
    ngx_llmops_samples_ring_t   *ring;
    ngx_llmops_samples_block_t  *block;

    pool = ngx_llmops_samples_pool(s);
    ring = ngx_llmops_samples_ring(s);
    rc = NGX_DECLINED;

    ngx_shmtx_lock(&pool->mutex);

    block = &ring->blocks[seg->block];
    p = ngx_llmops_samples_at(ring, seg->block) + offset;

    if (block->number == seg->number && offset < block->used
        && ngx_llmops_record_read(p, block->used - offset, &found, &size)
           == NGX_OK
        && ngx_memcmp(found.id, rec->id, NGX_LLMOPS_RECORD_TAG) == 0)
    {
        ngx_memzero(p + NGX_LLMOPS_RECORD_HEAD, found.len);
        ngx_llmops_record_wiped(p, wiped);
        ngx_memcpy(p, wiped, NGX_LLMOPS_RECORD_HEAD);
        rc = NGX_OK;
    }

    ngx_shmtx_unlock(&pool->mutex);

    return rc;
}


/* a block that is appended to stays: it will be emptied in its turn */

static void
ngx_llmops_samples_memory_drop(ngx_llmops_samples_t *s,
    ngx_llmops_segment_t *seg)
{
}


static void
ngx_llmops_samples_memory_trim(ngx_llmops_samples_t *s)
{
}
