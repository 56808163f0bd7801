
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * Which node of a Cluster has which slot.  The map is asked for at most every
 * 200 ms, of one node after the other, since the one that is asked may be
 * behind, or just what has failed.
 *
 * A node is known by "host:port".  Slots have numbers of nodes, so that a node
 * keeps its place in the table as long as it is used; one that has no slots
 * any more is closed, and its place may be another's.
 */


#define NGX_LLMOPS_REDIS_REFRESH    200    /* ms at least between two maps */


static ngx_llmops_redis_node_t *ngx_llmops_redis_cluster_reuse(
    ngx_llmops_redis_t *redis, ngx_str_t *host, in_port_t port);
static void ngx_llmops_redis_cluster_ask(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_cluster_map(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_redis_cluster_range(ngx_llmops_redis_node_t *node,
    redisReply *range);
static ngx_int_t ngx_llmops_redis_cluster_check(redisReply *range);
static void ngx_llmops_redis_cluster_retire(ngx_llmops_redis_t *redis);


/* a node of that name, perhaps a new one; NULL: no memory, or too many */

ngx_llmops_redis_node_t *
ngx_llmops_redis_cluster_find(ngx_llmops_redis_t *redis, ngx_str_t *host,
    in_port_t port)
{
    size_t                    len;
    u_char                    text[NGX_LLMOPS_REDIS_HOST + 16];
    ngx_uint_t                i;
    ngx_llmops_redis_node_t  *node;

    if (host->len == 0 || host->len > NGX_LLMOPS_REDIS_HOST) {
        return NULL;
    }

    len = ngx_llmops_redis_name(text, host, port);

    for (i = 0; i < redis->nnodes; i++) {
        node = redis->nodes[i];

        if (node->name.len == len
            && ngx_memcmp(node->name.data, text, len) == 0)
        {
            return node;
        }
    }

    node = ngx_llmops_redis_cluster_reuse(redis, host, port);

    return node ? node
                : ngx_llmops_redis_add(redis, &ngx_llmops_redis_member, host,
                                       port);
}


/* the place of a node that has left the Cluster */

static ngx_llmops_redis_node_t *
ngx_llmops_redis_cluster_reuse(ngx_llmops_redis_t *redis, ngx_str_t *host,
    in_port_t port)
{
    ngx_uint_t                i;
    ngx_llmops_redis_node_t  *node;

    for (i = 0; i < redis->nnodes; i++) {
        node = redis->nodes[i];

        if (node->state == NGX_LLMOPS_REDIS_IDLE
            && !node->seed
            && !node->master)
        {
            (void) ngx_llmops_redis_node_address(node, host, port);
            return node;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_llmops_redis_cluster_number(ngx_llmops_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; node->redis->nodes[i] != node; i++) { /* void */ }

    return i;
}


/* the map may be wrong: ask for it soon */

void
ngx_llmops_redis_cluster_stale(ngx_llmops_redis_t *redis)
{
    ngx_msec_t  since;

    redis->stale = 1;

    if (redis->refresh.timer_set || redis->mapping) {
        return;
    }

    since = ngx_current_msec - redis->map_asked;

    ngx_add_timer(&redis->refresh, (since < NGX_LLMOPS_REDIS_REFRESH)
                                   ? NGX_LLMOPS_REDIS_REFRESH - since : 0);
}


void
ngx_llmops_redis_cluster_refresh(ngx_event_t *ev)
{
    ngx_llmops_redis_t *redis = ev->data;

    ngx_uint_t                i;
    ngx_llmops_redis_node_t  *node;

    if (!redis->stale) {
        ngx_llmops_redis_cluster_retire(redis);
        return;
    }

    redis->map_asked = ngx_current_msec;

    for (i = 0; i < redis->nnodes; i++) {
        node = redis->nodes[redis->turn++ % redis->nnodes];

        if (node->state == NGX_LLMOPS_REDIS_UP
            && ngx_llmops_redis_node_accepts(node))
        {
            ngx_llmops_redis_cluster_ask(node);
            return;
        }
    }

    /* nobody can be asked: begin anew; who comes up first brings us here */

    for (i = 0; i < redis->nnodes; i++) {
        if (redis->nodes[i]->seed
            && redis->nodes[i]->state == NGX_LLMOPS_REDIS_IDLE)
        {
            ngx_llmops_redis_node_open(redis->nodes[i]);
        }
    }
}


static void
ngx_llmops_redis_cluster_ask(ngx_llmops_redis_node_t *node)
{
    ngx_str_t  argv[2];

    ngx_str_set(&argv[0], "CLUSTER");
    ngx_str_set(&argv[1], "SLOTS");

    node->redis->mapping = 1;

    ngx_llmops_redis_node_ask(node, ngx_llmops_redis_cluster_map, 2, argv);
}


static void
ngx_llmops_redis_cluster_map(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_node_t *node = data;

    size_t               i;
    ngx_llmops_redis_t  *redis;

    redis = node->redis;
    redis->mapping = 0;

    if (reply == NULL) {
        ngx_llmops_redis_cluster_stale(redis);
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_llmops_redis_node_drain(node, "CLUSTER SLOTS", reply);
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements == 0) {

        /* it has not met the others yet */

        ngx_llmops_redis_cluster_stale(redis);
        return;
    }

    for (i = 0; i < redis->nnodes; i++) {
        redis->nodes[i]->master = 0;
    }

    ngx_memzero(redis->slots, NGX_LLMOPS_RESP_SLOTS * sizeof(uint16_t));

    redis->stale = 0;
    redis->mapped = 1;

    for (i = 0; i < reply->elements; i++) {
        if (ngx_llmops_redis_cluster_range(node, reply->element[i])
            != NGX_OK)
        {
            ngx_llmops_redis_cluster_stale(redis);
        }
    }

    ngx_llmops_redis_stats_up(redis);

    /* those that are not in it can be closed when no handler runs */

    if (!redis->refresh.timer_set) {
        ngx_add_timer(&redis->refresh, NGX_LLMOPS_REDIS_REFRESH);
    }
}


/* first, last, [host, port, ...], replicas ... */

static ngx_int_t
ngx_llmops_redis_cluster_range(ngx_llmops_redis_node_t *node,
    redisReply *range)
{
    long long                 first, last;
    ngx_str_t                 host;
    redisReply              **a;
    ngx_uint_t                number;
    ngx_llmops_redis_node_t  *master;

    if (ngx_llmops_redis_cluster_check(range) != NGX_OK) {
        return NGX_ERROR;
    }

    first = range->element[0]->integer;
    last = range->element[1]->integer;
    a = range->element[2]->element;

    /* unknown: where we have asked */

    host = node->net.host;

    if (a[0]->type == REDIS_REPLY_STRING
        && a[0]->len && ngx_strcmp(a[0]->str, "?") != 0)
    {
        host.data = (u_char *) a[0]->str;
        host.len = a[0]->len;
    }

    master = ngx_llmops_redis_cluster_find(node->redis, &host,
                                           (in_port_t) a[1]->integer);
    if (master == NULL) {
        return NGX_ERROR;
    }

    master->master = 1;

    if (master->state == NGX_LLMOPS_REDIS_IDLE) {
        ngx_llmops_redis_node_soon(master);
    }

    number = ngx_llmops_redis_cluster_number(master) + 1;

    while (first <= last) {
        node->redis->slots[first++] = (uint16_t) number;
    }

    return NGX_OK;
}


/* [first slot, last slot, [host, port, ...], ...] */

static ngx_int_t
ngx_llmops_redis_cluster_check(redisReply *range)
{
    long long     first, last, port;
    redisReply  **e;

    if (range->type != REDIS_REPLY_ARRAY || range->elements < 3) {
        return NGX_ERROR;
    }

    e = range->element;

    if (e[0]->type != REDIS_REPLY_INTEGER
        || e[1]->type != REDIS_REPLY_INTEGER
        || e[2]->type != REDIS_REPLY_ARRAY
        || e[2]->elements < 2
        || e[2]->element[1]->type != REDIS_REPLY_INTEGER)
    {
        return NGX_ERROR;
    }

    first = e[0]->integer;
    last = e[1]->integer;
    port = e[2]->element[1]->integer;

    return (first < 0 || last < first || last >= NGX_LLMOPS_RESP_SLOTS
            || port < 1 || port > 65535)
           ? NGX_ERROR : NGX_OK;
}


static void
ngx_llmops_redis_cluster_retire(ngx_llmops_redis_t *redis)
{
    ngx_uint_t                i;
    ngx_llmops_redis_node_t  *node;

    for (i = 0; i < redis->nnodes; i++) {
        node = redis->nodes[i];

        if (!node->master && node->state != NGX_LLMOPS_REDIS_IDLE) {
            ngx_llmops_redis_node_idle(node);
        }
    }
}
