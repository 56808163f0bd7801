
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"


/*
 * What a worker has checked, so that a known caller costs a digest and a look
 * into a table.  It is a hash table of lists with a queue through all entries,
 * the least recently used first, and never has more than so many of them.
 * Those who are known and those who are not have a table each: who sends
 * nonsense cannot push out who does not.
 *
 * A caller chooses the digests that come here, and can make as many as it
 * likes that look alike in a few bits.  So the bucket is chosen by a
 * multiplication with a number that nobody outside of this worker knows.
 */


#define NGX_LLMOPS_CACHE_BITS   13


struct ngx_llmops_auth_cache_s {
    ngx_queue_t                queue;
    ngx_uint_t                 count;
    ngx_uint_t                 max;
    uint64_t                   odd;        /* secret, of this worker */
    ngx_log_t                 *log;
    ngx_llmops_auth_entry_t   *buckets[1 << NGX_LLMOPS_CACHE_BITS];
};


static ngx_llmops_auth_entry_t **ngx_llmops_auth_cache_bucket(
    ngx_llmops_auth_cache_t *cache, const u_char *digest);
static ngx_llmops_auth_entry_t *ngx_llmops_auth_cache_room(
    ngx_llmops_auth_cache_t *cache);
static void ngx_llmops_auth_cache_remove(ngx_llmops_auth_cache_t *cache,
    ngx_llmops_auth_entry_t *entry);


ngx_llmops_auth_cache_t *
ngx_llmops_auth_cache_create(ngx_uint_t max, ngx_log_t *log)
{
    ngx_llmops_auth_cache_t  *cache;

    cache = ngx_calloc(sizeof(ngx_llmops_auth_cache_t), log);
    if (cache == NULL) {
        return NULL;
    }

    if (ngx_llmops_key_random((u_char *) &cache->odd, sizeof(uint64_t), 62)
        != NGX_OK)
    {
        cache->odd = ((uint64_t) ngx_random() << 32) ^ (uint64_t) ngx_random();
    }

    cache->odd |= 1;
    cache->max = max;
    cache->log = log;

    ngx_queue_init(&cache->queue);

    return cache;
}


void
ngx_llmops_auth_cache_free(ngx_llmops_auth_cache_t *cache)
{
    ngx_llmops_auth_entry_t  *entry;

    if (cache == NULL) {
        return;
    }

    while (!ngx_queue_empty(&cache->queue)) {
        entry = ngx_queue_data(ngx_queue_head(&cache->queue),
                               ngx_llmops_auth_entry_t, queue);

        ngx_llmops_auth_cache_remove(cache, entry);
        ngx_free(entry);
    }

    ngx_free(cache);
}


ngx_llmops_auth_entry_t *
ngx_llmops_auth_cache_find(ngx_llmops_auth_cache_t *cache,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST])
{
    ngx_llmops_auth_entry_t  *entry;

    if (cache == NULL) {
        return NULL;
    }

    for (entry = *ngx_llmops_auth_cache_bucket(cache, digest);
         entry;
         entry = entry->next)
    {
        if (ngx_llmops_key_equal(entry->digest, digest)) {
            ngx_queue_remove(&entry->queue);
            ngx_queue_insert_tail(&cache->queue, &entry->queue);

            return entry;
        }
    }

    return NULL;
}


ngx_llmops_auth_entry_t *
ngx_llmops_auth_cache_add(ngx_llmops_auth_cache_t *cache,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST])
{
    ngx_llmops_auth_entry_t  *entry, **bucket;

    if (cache == NULL) {
        return NULL;
    }

    entry = ngx_llmops_auth_cache_find(cache, digest);

    if (entry) {
        ngx_llmops_auth_cache_remove(cache, entry);

    } else {
        entry = ngx_llmops_auth_cache_room(cache);

        if (entry == NULL) {
            return NULL;
        }
    }

    ngx_memzero(entry, sizeof(ngx_llmops_auth_entry_t));
    ngx_memcpy(entry->digest, digest, NGX_LLMOPS_KEY_DIGEST);

    bucket = ngx_llmops_auth_cache_bucket(cache, digest);

    entry->next = *bucket;
    *bucket = entry;

    ngx_queue_insert_tail(&cache->queue, &entry->queue);
    cache->count++;

    return entry;
}


static ngx_llmops_auth_entry_t **
ngx_llmops_auth_cache_bucket(ngx_llmops_auth_cache_t *cache,
    const u_char *digest)
{
    uint64_t  n;

    ngx_memcpy(&n, digest, sizeof(uint64_t));

    return &cache->buckets[n * cache->odd >> (64 - NGX_LLMOPS_CACHE_BITS)];
}


/* memory for an entry: new, or that of the least recently used */

static ngx_llmops_auth_entry_t *
ngx_llmops_auth_cache_room(ngx_llmops_auth_cache_t *cache)
{
    ngx_llmops_auth_entry_t  *entry;

    if (cache->count < cache->max) {
        return ngx_alloc(sizeof(ngx_llmops_auth_entry_t), cache->log);
    }

    entry = ngx_queue_data(ngx_queue_head(&cache->queue),
                           ngx_llmops_auth_entry_t, queue);

    ngx_llmops_auth_cache_remove(cache, entry);

    return entry;
}


static void
ngx_llmops_auth_cache_remove(ngx_llmops_auth_cache_t *cache,
    ngx_llmops_auth_entry_t *entry)
{
    ngx_llmops_auth_entry_t  **p;

    p = ngx_llmops_auth_cache_bucket(cache, entry->digest);

    while (*p != entry) {
        p = &(*p)->next;
    }

    *p = entry->next;

    ngx_queue_remove(&entry->queue);
    cache->count--;

    ngx_llmops_identity_release(entry->identity);
    entry->identity = NULL;
}
