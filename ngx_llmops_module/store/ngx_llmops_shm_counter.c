
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"


/*
 * Counters are found by the names of limit and key, in a table of hash chains.
 * One that nothing holds stands in a queue, from whose end it is evicted when
 * a new one needs its cells.  There are two queues: what was counted for a day
 * or a month must not be lost to a flood of keys that somebody invents, as
 * long as there is anything else to evict.
 */


static ngx_llmops_counter_t *ngx_llmops_counter_make(ngx_llmops_shm_t *shm,
    ngx_llmops_charge_t *charge, int64_t hash);
static void *ngx_llmops_counter_cell(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *keep);
static ngx_uint_t ngx_llmops_counter_evict(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *keep);
static void ngx_llmops_counter_drop(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter);
static void ngx_llmops_counter_enqueue(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter);
static void ngx_llmops_counter_dequeue(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter);


ngx_llmops_counter_t *
ngx_llmops_counter_find(ngx_llmops_shm_t *shm, ngx_llmops_charge_t *charge,
    int64_t hash)
{
    ngx_str_t             *name, *key;
    ngx_llmops_root_t     *root = shm->root;
    ngx_llmops_counter_t  *c;

    name = &charge->name;
    key = &charge->key;

    c = root->counters[(uint64_t) hash & root->counters_mask];

    for ( /* void */ ; c; c = c->chain) {

        if (c->hash == hash
            && c->name_len == name->len
            && c->key_len == key->len
            && ngx_llmops_shm_same(c->text, name)
            && ngx_llmops_shm_same(c->text + name->len, key))
        {
            return c;
        }
    }

    return NULL;
}


ngx_llmops_counter_t *
ngx_llmops_counter_get(ngx_llmops_shm_t *shm, ngx_llmops_charge_t *charge,
    int64_t hash)
{
    ngx_llmops_counter_t  *c;

    c = ngx_llmops_counter_find(shm, charge, hash);

    return c ? c : ngx_llmops_counter_make(shm, charge, hash);
}


static ngx_llmops_counter_t *
ngx_llmops_counter_make(ngx_llmops_shm_t *shm, ngx_llmops_charge_t *charge,
    int64_t hash)
{
    u_char                 *p;
    ngx_llmops_root_t      *root = shm->root;
    ngx_llmops_counter_t   *c, **bucket;

    if (charge->name.len > NGX_LLMOPS_COUNTER_NAME
        || charge->key.len > NGX_LLMOPS_COUNTER_KEY)
    {
        return NULL;
    }

    c = ngx_llmops_counter_cell(shm, NULL);
    if (c == NULL) {
        return NULL;
    }

    bucket = &root->counters[(uint64_t) hash & root->counters_mask];

    ngx_memzero((u_char *) c + sizeof(ngx_llmops_cell_t),
                sizeof(ngx_llmops_counter_t) - sizeof(ngx_llmops_cell_t));

    c->hash = hash;
    c->chain = *bucket;
    c->name_len = charge->name.len;
    c->key_len = charge->key.len;

    p = ngx_cpymem(c->text, charge->name.data, charge->name.len);

    if (charge->key.len) {
        ngx_memcpy(p, charge->key.data, charge->key.len);
    }

    ngx_llmops_shm_put(shm, *bucket, c);
    ngx_llmops_shm_put(shm, root->ncounters, root->ncounters + 1);
    ngx_llmops_counter_enqueue(shm, c);

    ngx_llmops_shm_commit(shm);

    return c;
}


ngx_llmops_ring_t *
ngx_llmops_counter_ring(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter)
{
    ngx_llmops_ring_t  *ring;

    ring = ngx_llmops_counter_cell(shm, counter);
    if (ring == NULL) {
        return NULL;
    }

    ring->newest = 0;
    ngx_memzero(ring->bucket, sizeof(ring->bucket));

    return ring;
}


/* an eviction may free several cells, or none if the pool has none at all */

static void *
ngx_llmops_counter_cell(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *keep)
{
    ngx_llmops_cells_t  *cells = &shm->root->cells;

    while (!ngx_llmops_cells_have(shm, cells, 1)) {

        if (!ngx_llmops_counter_evict(shm, keep)) {
            return NULL;
        }
    }

    return ngx_llmops_cells_take(shm, cells, 1);
}


static ngx_uint_t
ngx_llmops_counter_evict(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *keep)
{
    ngx_uint_t             i;
    ngx_llmops_root_t     *root = shm->root;
    ngx_llmops_counter_t  *c;

    for (i = 0; i < NGX_LLMOPS_QUEUES; i++) {

        c = root->queues[i].oldest;

        if (c && c == keep) {
            c = c->newer;
        }

        if (c == NULL) {
            continue;
        }

        ngx_llmops_counter_drop(shm, c);
        ngx_llmops_shm_put(shm, root->evicted[i], root->evicted[i] + 1);

        ngx_llmops_shm_commit(shm);

        return 1;
    }

    return 0;
}


/* at most 10 words for the queue, the chain and the numbers, and 4 for each of
   9 cells */

static void
ngx_llmops_counter_drop(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter)
{
    ngx_uint_t              i;
    ngx_llmops_root_t      *root = shm->root;
    ngx_llmops_counter_t  **c;

    ngx_llmops_counter_dequeue(shm, counter);

    c = &root->counters[(uint64_t) counter->hash & root->counters_mask];

    while (*c != counter) {
        c = &(*c)->chain;
    }

    ngx_llmops_shm_put(shm, *c, counter->chain);
    ngx_llmops_shm_put(shm, root->ncounters, root->ncounters - 1);

    for (i = 0; i < NGX_LLMOPS_COUNTER_RATES; i++) {
        if (counter->slots[i].ring) {
            ngx_llmops_cells_give(shm, &root->cells, counter->slots[i].ring);
        }
    }

    ngx_llmops_cells_give(shm, &root->cells, counter);
}


void
ngx_llmops_counter_hold(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter)
{
    if (counter->holds == 0) {
        ngx_llmops_counter_dequeue(shm, counter);
    }

    ngx_llmops_shm_put(shm, counter->holds, counter->holds + 1);
}


void
ngx_llmops_counter_unhold(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter)
{
    ngx_llmops_shm_put(shm, counter->holds, counter->holds - 1);

    if (counter->holds == 0) {
        ngx_llmops_counter_enqueue(shm, counter);
    }
}


void
ngx_llmops_counter_keep(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter)
{
    if (counter->queue == NGX_LLMOPS_QUEUE_CALENDAR) {
        return;
    }

    if (counter->holds == 0) {
        ngx_llmops_counter_dequeue(shm, counter);
    }

    ngx_llmops_shm_put(shm, counter->queue, NGX_LLMOPS_QUEUE_CALENDAR);

    if (counter->holds == 0) {
        ngx_llmops_counter_enqueue(shm, counter);
    }
}


static void
ngx_llmops_counter_enqueue(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter)
{
    ngx_llmops_queue_t  *q = &shm->root->queues[counter->queue];

    ngx_llmops_shm_put(shm, counter->newer, NULL);
    ngx_llmops_shm_put(shm, counter->older, q->newest);

    if (q->newest) {
        ngx_llmops_shm_put(shm, q->newest->newer, counter);

    } else {
        ngx_llmops_shm_put(shm, q->oldest, counter);
    }

    ngx_llmops_shm_put(shm, q->newest, counter);
}


static void
ngx_llmops_counter_dequeue(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter)
{
    ngx_llmops_queue_t  *q = &shm->root->queues[counter->queue];

    if (counter->newer) {
        ngx_llmops_shm_put(shm, counter->newer->older, counter->older);

    } else {
        ngx_llmops_shm_put(shm, q->newest, counter->older);
    }

    if (counter->older) {
        ngx_llmops_shm_put(shm, counter->older->newer, counter->newer);

    } else {
        ngx_llmops_shm_put(shm, q->oldest, counter->newer);
    }
}
