
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_store.h"
#include "ngx_llmops_redis_counter.h"
#include "ngx_llmops_vectors.h"

#include <openssl/rand.h>


/*
 * The engine on Redis as the store sees it, and what its parts have in common:
 * names of keys, and turns at the connection.
 */


static ngx_int_t ngx_llmops_redis_engine_start(ngx_cycle_t *cycle,
    ngx_llmops_store_t *store);
static int64_t ngx_llmops_redis_clock(ngx_llmops_store_t *store);
static ngx_int_t ngx_llmops_redis_keys(ngx_llmops_redis_store_t *rs,
    ngx_pool_t *pool);
static ngx_llmops_tallies_t *ngx_llmops_redis_tallies(
    ngx_llmops_redis_store_t *rs, ngx_pool_t *pool);
static void ngx_llmops_redis_engine_stop(ngx_cycle_t *cycle,
    ngx_llmops_store_t *store);
static ngx_int_t ngx_llmops_redis_reserve(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);
static ngx_int_t ngx_llmops_redis_extend(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);
static void ngx_llmops_redis_settle(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res, const int64_t *truth);
static void ngx_llmops_redis_giveback(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);
static ngx_int_t ngx_llmops_redis_reset(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);


const ngx_llmops_engine_t  ngx_llmops_store_redis = {
    ngx_string("redis"),
    ngx_llmops_redis_reserve,
    ngx_llmops_redis_extend,
    ngx_llmops_redis_settle,
    ngx_llmops_redis_giveback,
    ngx_llmops_redis_reset,
    ngx_llmops_redis_get,
    ngx_llmops_redis_put,
    ngx_llmops_redis_remove,
    ngx_llmops_redis_list,
    ngx_llmops_redis_forget,
    ngx_llmops_redis_revision,
    ngx_llmops_redis_rows,
    ngx_llmops_redis_store_up,
    ngx_llmops_redis_clock,
    ngx_llmops_redis_engine_start,
    ngx_llmops_redis_engine_stop
};


/* store->redis is the configuration's until a worker starts */

static ngx_int_t
ngx_llmops_redis_engine_start(ngx_cycle_t *cycle, ngx_llmops_store_t *store)
{
    ngx_str_t                  name = ngx_string("redis");
    ngx_llmops_redis_store_t  *rs;

    rs = ngx_pcalloc(cycle->pool, sizeof(ngx_llmops_redis_store_t));
    if (rs == NULL) {
        return NGX_ERROR;
    }

    rs->conf = store->redis;
    rs->store = store;
    rs->log = cycle->log;

    ngx_queue_init(&rs->turns);
    ngx_queue_init(&rs->tasks);

    rs->sh = ngx_llmops_zone_node(store->zone, NGX_LLMOPS_NODE_STORE, &name,
                                  sizeof(ngx_llmops_redis_words_t));
    if (rs->sh == NULL) {
        rs->sh = &rs->own;
    }

    if (ngx_llmops_redis_keys(rs, cycle->pool) != NGX_OK) {
        return NGX_ERROR;
    }

    rs->redis = ngx_llmops_redis_start(cycle, rs->conf);
    if (rs->redis == NULL) {
        return NGX_ERROR;
    }

    store->redis = rs;

    ngx_llmops_vectors_start(store->zone, cycle->log);
    ngx_llmops_redis_watch_start(rs);

    rs->tallies = ngx_llmops_redis_tallies(rs, cycle->pool);

    if (rs->tallies == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_redis_carry_start(rs);
}


static ngx_int_t
ngx_llmops_redis_keys(ngx_llmops_redis_store_t *rs, ngx_pool_t *pool)
{
    u_char      text[2 + NGX_INT_T_LEN];
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_DOCS_MAX; i++) {
        rs->docs[i] = ngx_llmops_redis_key(rs, pool, (char *) text,
                                           ngx_sprintf(text, "d:%ui", i)
                                           - text);
        if (rs->docs[i].len == 0) {
            return NGX_ERROR;
        }
    }

    rs->revisions = ngx_llmops_redis_key(rs, pool, "v", 1);
    rs->gateways = ngx_llmops_redis_key(rs, pool, "g", 1);

    return (rs->revisions.len && rs->gateways.len) ? NGX_OK : NGX_ERROR;
}


ngx_str_t
ngx_llmops_redis_key(ngx_llmops_redis_store_t *rs, ngx_pool_t *pool,
    const char *rest, size_t len)
{
    ngx_str_t   key;
    ngx_str_t  *prefix = &rs->conf->prefix;

    key.len = 2 * prefix->len + sizeof(":{}:") - 1 + len;
    key.data = ngx_pnalloc(pool, key.len);

    if (key.data == NULL) {
        key.len = 0;
        return key;
    }

    ngx_sprintf(key.data, "%V:{%V}:%*s", prefix, prefix, len, rest);

    return key;
}


/*
 * Workers know each other by such a number.  nginx's own random numbers follow
 * from a process id and the time, which containers that are started together
 * may share.
 */

uint64_t
ngx_llmops_redis_random(void)
{
    uint64_t  n;

    if (RAND_bytes((u_char *) &n, sizeof(uint64_t)) == 1) {
        return n;
    }

    return ((uint64_t) ngx_random() << 33) ^ ((uint64_t) ngx_random() << 12)
           ^ ((uint64_t) ngx_pid << 24);
}


static ngx_llmops_tallies_t *
ngx_llmops_redis_tallies(ngx_llmops_redis_store_t *rs, ngx_pool_t *pool)
{
    ngx_llmops_tallies_t  *tallies;

    tallies = ngx_pcalloc(pool, sizeof(ngx_llmops_tallies_t));
    if (tallies == NULL) {
        return NULL;
    }

    tallies->redis = rs->redis;
    tallies->log = rs->log;
    tallies->prefix = rs->conf->prefix;
    tallies->lease = rs->store->lease;
    tallies->zone = rs->store->zone;
    tallies->spilled = ngx_llmops_spill_take;
    tallies->id = ngx_llmops_redis_random() & ~(uint64_t) 0xffffff;
    tallies->seed = ngx_llmops_redis_random();

    return ngx_llmops_tallies_start(tallies) == NGX_OK ? tallies : NULL;
}


static void
ngx_llmops_redis_engine_stop(ngx_cycle_t *cycle, ngx_llmops_store_t *store)
{
    ngx_llmops_redis_store_t  *rs = store->redis;

    if (rs->redis == NULL) {
        return;
    }

    if (rs->tallies) {
        ngx_llmops_tallies_stop(rs->tallies, ngx_llmops_spill_leave);
        rs->tallies = NULL;
    }

    ngx_llmops_redis_watch_stop(rs);
    ngx_llmops_redis_carry_stop(rs);

    ngx_llmops_vectors_stop();

    ngx_llmops_redis_stop(rs->redis);
    rs->redis = NULL;

    ngx_llmops_redis_docs_stop(rs);
}


ngx_uint_t
ngx_llmops_redis_store_up(ngx_llmops_store_t *store)
{
    ngx_llmops_redis_store_t  *rs = store->redis;

    return ngx_llmops_redis_up(rs->redis, &rs->revisions);
}


ngx_llmops_redis_t *
ngx_llmops_redis_of(struct ngx_llmops_store_s *store, ngx_str_t *prefix)
{
    ngx_llmops_redis_store_t  *rs;

    if (store->engine != &ngx_llmops_store_redis) {
        return NULL;
    }

    rs = store->redis;
    *prefix = rs->conf->prefix;

    return rs->redis;
}


ngx_llmops_redis_t *
ngx_llmops_redis_another(struct ngx_llmops_store_s *store)
{
    ngx_llmops_redis_store_t  *rs;

    if (store->engine != &ngx_llmops_store_redis) {
        return NULL;
    }

    rs = store->redis;

    return ngx_llmops_redis_start((ngx_cycle_t *) ngx_cycle, rs->conf);
}


uint64_t
ngx_llmops_redis_gateway(struct ngx_llmops_store_s *store)
{
    ngx_llmops_redis_store_t  *rs = store->redis;

    return rs->sh->id;
}


static int64_t
ngx_llmops_redis_clock(ngx_llmops_store_t *store)
{
    ngx_llmops_redis_store_t  *rs = store->redis;

    return ngx_llmops_redis_now(rs->redis);
}


void
ngx_llmops_redis_turn_take(ngx_llmops_redis_store_t *rs,
    ngx_llmops_redis_turn_t *turn)
{
    ngx_uint_t  free;

    free = ngx_queue_empty(&rs->turns);

    ngx_queue_insert_tail(&rs->turns, &turn->queue);
    turn->waiting = 1;

    if (free) {
        turn->run(turn);
    }
}


void
ngx_llmops_redis_turn_end(ngx_llmops_redis_store_t *rs,
    ngx_llmops_redis_turn_t *turn)
{
    ngx_uint_t                first;
    ngx_llmops_redis_turn_t  *next;

    if (!turn->waiting) {
        return;
    }

    first = (ngx_queue_head(&rs->turns) == &turn->queue);

    ngx_queue_remove(&turn->queue);
    turn->waiting = 0;

    if (first && !ngx_queue_empty(&rs->turns)) {
        next = ngx_queue_data(ngx_queue_head(&rs->turns),
                              ngx_llmops_redis_turn_t, queue);
        next->run(next);
    }
}


void
ngx_llmops_redis_discard(ngx_llmops_redis_store_t *rs)
{
    ngx_str_t   discard = ngx_llmops_redis_word("DISCARD");
    ngx_uint_t  generation;

    generation = ngx_llmops_redis_generation(rs->redis, &rs->revisions);

    if (rs->stuck && rs->stuck != generation) {
        rs->stuck = 0;                       /* it went with its connection */
        return;
    }

    rs->stuck = generation;

    if (generation
        && ngx_llmops_redis_command(rs->redis, &rs->revisions, 1, &discard,
                                    NULL, NULL))
    {
        rs->stuck = 0;
    }
}


static ngx_int_t
ngx_llmops_redis_reserve(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    ngx_llmops_redis_store_t  *rs = store->redis;

    return ngx_llmops_tallies_reserve(rs->tallies, res);
}


static ngx_int_t
ngx_llmops_redis_extend(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    ngx_llmops_redis_store_t  *rs = store->redis;

    return ngx_llmops_tallies_extend(rs->tallies, res);
}


static void
ngx_llmops_redis_settle(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res, const int64_t *truth)
{
    ngx_llmops_redis_store_t  *rs = store->redis;

    ngx_llmops_tallies_settle(rs->tallies, res, truth);
}


static void
ngx_llmops_redis_giveback(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    ngx_llmops_redis_store_t  *rs = store->redis;

    ngx_llmops_tallies_cancel(rs->tallies, res);
}


static ngx_int_t
ngx_llmops_redis_reset(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    ngx_llmops_redis_store_t  *rs = store->redis;

    return ngx_llmops_tallies_reset(rs->tallies, res);
}
