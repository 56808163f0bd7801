
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _CACHE_RUN_H_INCLUDED_
#define _CACHE_RUN_H_INCLUDED_


#include "unit.h"
#include "ngx_llmops_cache_shm.h"

#include <sched.h>
#include <sys/mman.h>


/*
 * The cache's zone without nginx: an anonymous mapping, and what its files
 * call of nginx.  The mutex is a word with the owner's process id.
 */


ngx_pid_t   ngx_pid;
ngx_uint_t  ngx_pagesize = 4096;


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
ngx_slab_alloc(ngx_slab_pool_t *pool, size_t size)
{
    return (size_t) (pool->end - pool->start) < size ? NULL : pool->start;
}


typedef struct {
    ngx_slab_pool_t            slab;
    ngx_atomic_t               word;
} cache_zone_t;


typedef struct {
    ngx_llmops_cshm_t          shm;
    cache_zone_t              *zone;
    size_t                     size;
} cache_run_t;


static const uint64_t  cache_tags[NGX_LLMOPS_CACHE_TAGS] = { 1, 2, 3, 4 };


static ngx_inline void
cache_create(cache_run_t *run, size_t size)
{
    cache_zone_t  *zone;

    ngx_pid = getpid();

    zone = mmap(NULL, size, PROT_READ|PROT_WRITE, MAP_SHARED|MAP_ANONYMOUS,
                -1, 0);
    assert_ptr_not_equal(zone, MAP_FAILED);

    zone->slab.mutex.lock = &zone->word;
    zone->slab.start = (u_char *) zone + 4096;
    zone->slab.end = (u_char *) zone + size;
    zone->slab.pfree = size / 4096 - 1;

    memset(run, 0, sizeof(cache_run_t));
    run->zone = zone;
    run->size = size;

    assert_int_equal(ngx_llmops_cshm_open(&run->shm, &zone->slab), NGX_OK);

    ngx_llmops_cshm_join(&run->shm, getpid(), 1000);
}


static ngx_inline void
cache_destroy(cache_run_t *run)
{
    munmap(run->zone, run->size);
}


/* another process's view */

static ngx_inline void
cache_attach(cache_run_t *other, cache_run_t *run)
{
    ngx_pid = getpid();

    *other = *run;
    assert_int_equal(ngx_llmops_cshm_open(&other->shm, &run->zone->slab),
                     NGX_OK);
    ngx_llmops_cshm_join(&other->shm, getpid(), 1000);
}


static ngx_inline u_char *
cache_key(int n)
{
    static u_char  key[4][NGX_LLMOPS_CACHE_KEY];
    static int     i;

    i = (i + 1) % 4;
    memset(key[i], n, NGX_LLMOPS_CACHE_KEY);
    memcpy(key[i], &n, sizeof(n));

    return key[i];
}


static ngx_inline void
cache_facts(ngx_llmops_cfacts_t *facts, int64_t fresh, int64_t usable)
{
    memset(facts, 0, sizeof(ngx_llmops_cfacts_t));

    facts->answer.form = NGX_LLMOPS_CACHE_FORM_WHOLE;
    facts->answer.created = 1;
    facts->answer.expires = fresh;
    facts->answer.usage.input = 7;
    facts->usable = usable;
    memcpy(facts->answer.tags, cache_tags, sizeof(cache_tags));
}


/* a text of len bytes that tells n and place */

static ngx_inline u_char *
cache_text(int n, size_t len)
{
    size_t         i;
    static u_char  text[200000];

    for (i = 0; i < len; i++) {
        text[i] = (u_char) (i * 31 + n);
    }

    return text;
}


static ngx_inline ngx_int_t
cache_store(cache_run_t *run, int n, size_t len)
{
    ngx_llmops_cfacts_t  facts;

    cache_facts(&facts, 100, 200);
    facts.answer.body.data = cache_text(n, len);
    facts.answer.body.len = len;

    return ngx_llmops_cshm_store(&run->shm, cache_key(n), &facts);
}


/* whether an entry is there, and whole */

static ngx_inline int
cache_has(cache_run_t *run, int n, size_t len)
{
    ngx_llmops_cfacts_t  facts;
    static u_char        buf[200000];

    if (ngx_llmops_cshm_find(&run->shm, cache_key(n), 50, &facts) != NGX_OK) {
        return 0;
    }

    assert_int_equal(facts.answer.body.len, len);
    assert_int_equal(ngx_llmops_cshm_copy(&run->shm, &facts.reader, buf, len),
                     NGX_OK);
    assert_memory_equal(buf, cache_text(n, len), len);

    return 1;
}


#endif /* _CACHE_RUN_H_INCLUDED_ */
