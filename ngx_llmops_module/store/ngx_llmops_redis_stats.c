
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * What the metrics show.  Each worker has a node of the zone of its own, as
 * that of its process slot, and is the only one who writes it; counts go on
 * where the last owner of the slot has left them, so that sums never go down.
 */


static ngx_uint_t ngx_llmops_redis_all_up(ngx_llmops_redis_t *redis);


/* in the order of ngx_llmops_redis_outcome_e */

const ngx_str_t  ngx_llmops_redis_outcomes[] = {
    ngx_string("ok"),
    ngx_string("error"),
    ngx_string("timeout"),
    ngx_string("lost"),
    ngx_string("unable"),
    ngx_string("refused")
};


const ngx_llmops_redis_bound_t  ngx_llmops_redis_bounds[] = {
    { 100, "0.0001" },
    { 250, "0.00025" },
    { 500, "0.0005" },
    { 1000, "0.001" },
    { 2500, "0.0025" },
    { 5000, "0.005" },
    { 10000, "0.01" },
    { 25000, "0.025" },
    { 50000, "0.05" },
    { 100000, "0.1" },
    { 250000, "0.25" },
    { 500000, "0.5" }
};


void
ngx_llmops_redis_stats_start(ngx_llmops_redis_t *redis)
{
    u_char                 *p, text[NGX_INT_T_LEN];
    ngx_str_t               name;
    ngx_llmops_redis_sh_t  *sh;

    /* connections of their own (WATCH) count where the first ones do */

    if (redis->conf->sh || redis->conf->zone == NULL) {
        return;
    }

    p = ngx_sprintf(text, "%i", ngx_process_slot);

    name.data = text;
    name.len = p - text;

    sh = ngx_llmops_zone_node(redis->conf->zone, NGX_LLMOPS_NODE_REDIS, &name,
                              sizeof(ngx_llmops_redis_sh_t));
    if (sh == NULL) {
        return;
    }

    /* a slot is given away only when its last owner is gone */

    sh->up = 0;
    ngx_memory_barrier();
    sh->pid = (ngx_atomic_uint_t) ngx_pid;

    redis->conf->sh = sh;
    redis->first = 1;
}


void
ngx_llmops_redis_stats_stop(ngx_llmops_redis_t *redis)
{
    if (redis->first) {
        redis->conf->sh->pid = 0;
        redis->conf->sh = NULL;
        redis->first = 0;
    }
}


void
ngx_llmops_redis_stats_up(ngx_llmops_redis_t *redis)
{
    if (redis->first) {
        redis->conf->sh->up = ngx_llmops_redis_all_up(redis);
    }
}


static ngx_uint_t
ngx_llmops_redis_all_up(ngx_llmops_redis_t *redis)
{
    ngx_uint_t                i;
    ngx_llmops_redis_node_t  *node;

    if (redis->conf->cluster && !redis->mapped) {
        return 0;
    }

    for (i = 0; i < redis->nnodes; i++) {
        node = redis->nodes[i];

        if ((node->master || !redis->conf->cluster)
            && (node->state != NGX_LLMOPS_REDIS_UP || node->stalled))
        {
            return 0;
        }
    }

    return 1;
}


void
ngx_llmops_redis_stats_count(ngx_llmops_redis_t *redis,
    ngx_llmops_redis_outcome_e outcome)
{
    if (redis->conf->sh) {
        redis->conf->sh->commands[outcome]++;
    }
}


void
ngx_llmops_redis_stats_observe(ngx_llmops_redis_t *redis, uint64_t us)
{
    ngx_uint_t              i;
    ngx_llmops_redis_sh_t  *sh;

    sh = redis->conf->sh;

    if (sh == NULL) {
        return;
    }

    for (i = 0; i < NGX_LLMOPS_REDIS_BOUNDS; i++) {
        if (us <= ngx_llmops_redis_bounds[i].us) {
            break;
        }
    }

    sh->us += us;
    sh->bucket[i]++;
}


uint64_t
ngx_llmops_redis_us(void)
{
    struct timespec  ts;

    if (clock_gettime(CLOCK_MONOTONIC, &ts) != 0) {
        return 0;
    }

    return (uint64_t) ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}
