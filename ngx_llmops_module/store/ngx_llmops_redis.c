
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * What callers see of Redis.  They give a command and the key that it is
 * about, and get one reply, or none, within the timeout.  Which server that
 * is, whether it has to be looked for, and that a key has moved meanwhile, is
 * found out here, in ngx_llmops_redis_sentinel.c and _cluster.c.
 *
 * No scripts are used, so that it works for accounts that may not, and on
 * whatever speaks the protocol.
 */


static void ngx_llmops_redis_tick(ngx_event_t *ev);
static void ngx_llmops_redis_single_greet(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_single_down(ngx_llmops_redis_node_t *node);
static ngx_llmops_redis_node_t *ngx_llmops_redis_node(
    ngx_llmops_redis_t *redis, ngx_str_t *key);


static const ngx_llmops_redis_role_t  ngx_llmops_redis_single = {
    ngx_llmops_redis_single_greet,
    ngx_llmops_redis_is_up,
    ngx_llmops_redis_single_down,
    ngx_llmops_redis_node_open,
    ngx_llmops_redis_refused,
    NULL
};


ngx_llmops_redis_t *
ngx_llmops_redis_start(ngx_cycle_t *cycle, ngx_llmops_redis_conf_t *conf)
{
    ngx_int_t                 rc;
    ngx_llmops_redis_t       *redis;
    ngx_llmops_redis_addr_t  *addr;

    redis = ngx_calloc(sizeof(ngx_llmops_redis_t), cycle->log);
    if (redis == NULL) {
        return NULL;
    }

    redis->conf = conf;
    redis->log = cycle->log;

    ngx_llmops_redis_stats_start(redis);

    ngx_llmops_secret_start(&conf->password);
    ngx_llmops_secret_start(&conf->sentinel_password);

    redis->tick.handler = ngx_llmops_redis_tick;
    redis->tick.data = redis;
    redis->tick.log = cycle->log;
    redis->tick.cancelable = 1;

    if (conf->sentinel.len) {
        rc = ngx_llmops_redis_sentinel_start(redis);

    } else if (conf->cluster) {
        rc = ngx_llmops_redis_cluster_start(redis);

    } else {
        addr = conf->nodes->elts;
        rc = ngx_llmops_redis_add(redis, &ngx_llmops_redis_single,
                                  &addr->host, addr->port)
             ? NGX_OK : NGX_ERROR;
    }

    if (rc != NGX_OK) {
        ngx_llmops_redis_stop(redis);
        return NULL;
    }

    ngx_add_timer(&redis->tick, NGX_LLMOPS_REDIS_TICK);

    return redis;
}


ngx_llmops_redis_node_t *
ngx_llmops_redis_add(ngx_llmops_redis_t *redis,
    const ngx_llmops_redis_role_t *role, ngx_str_t *host, in_port_t port)
{
    ngx_llmops_redis_node_t  *node;

    if (redis->nnodes == NGX_LLMOPS_REDIS_NODES) {
        return NULL;
    }

    node = ngx_llmops_redis_node_create(redis, role, host, port);
    if (node == NULL) {
        return NULL;
    }

    redis->nodes[redis->nnodes++] = node;

    /* the resolver's sockets cannot be made before the event loop runs */

    ngx_llmops_redis_node_soon(node);

    return node;
}


void
ngx_llmops_redis_stop(ngx_llmops_redis_t *redis)
{
    ngx_uint_t                i;
    ngx_llmops_redis_node_t  *node;

    /* from here on the nodes are no more to be looked at together */

    ngx_llmops_redis_stats_stop(redis);

    /* what was said in the last turn shall not be lost; if one cannot be told,
       its commands' handlers still find all the others */

    for (i = 0; i < redis->nnodes; i++) {
        node = redis->nodes[i];

        if (node->state == NGX_LLMOPS_REDIS_UP) {
            ngx_llmops_redis_node_flush(&node->flush);
        }
    }

    for (i = 0; i < redis->nnodes; i++) {
        ngx_llmops_redis_node_destroy(redis->nodes[i]);
    }

    if (redis->sentinel) {
        ngx_llmops_redis_node_destroy(redis->sentinel);
    }

    if (redis->tick.timer_set) {
        ngx_del_timer(&redis->tick);
    }

    if (redis->refresh.timer_set) {
        ngx_del_timer(&redis->refresh);
    }

    if (redis->slots) {
        ngx_free(redis->slots);
    }

    ngx_free(redis);
}


ngx_llmops_redis_cmd_t *
ngx_llmops_redis_command(ngx_llmops_redis_t *redis, ngx_str_t *key,
    ngx_uint_t argc, const ngx_str_t *argv, ngx_llmops_redis_pt handler,
    void *data)
{
    return ngx_llmops_redis_send(redis, 0, key, argc, argv, handler, data);
}


ngx_llmops_redis_cmd_t *
ngx_llmops_redis_send(ngx_llmops_redis_t *redis, ngx_uint_t flags,
    ngx_str_t *key, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_llmops_redis_pt handler, void *data)
{
    ngx_llmops_redis_cmd_t   *cmd;
    ngx_llmops_redis_node_t  *node;

    node = ngx_llmops_redis_node(redis, key);

    if (node == NULL || !ngx_llmops_redis_node_accepts(node)) {
        ngx_llmops_redis_stats_count(redis, NGX_LLMOPS_REDIS_REFUSED);
        return NULL;
    }

    cmd = ngx_llmops_redis_cmd_create(redis, argc, argv, handler, data);

    if (cmd == NULL) {
        return NULL;
    }

    if (flags & NGX_LLMOPS_REDIS_PINNED) {
        cmd->pinned = 1;
    }

    if (flags & NGX_LLMOPS_REDIS_PATIENT) {

        /* a server that is silent for so long is given up before */

        cmd->deadline += 2 * NGX_LLMOPS_REDIS_DEAD;
        node->mixed = 1;
    }

    ngx_llmops_redis_node_send(node, cmd);

    return cmd;
}


void
ngx_llmops_redis_cancel(ngx_llmops_redis_cmd_t *cmd)
{
    cmd->handler = NULL;
}


ngx_uint_t
ngx_llmops_redis_up(ngx_llmops_redis_t *redis, ngx_str_t *key)
{
    ngx_llmops_redis_node_t  *node;

    node = ngx_llmops_redis_node(redis, key);

    return node && node->state == NGX_LLMOPS_REDIS_UP
           && ngx_llmops_redis_node_accepts(node);
}


ngx_uint_t
ngx_llmops_redis_takes(ngx_llmops_redis_t *redis, ngx_str_t *key)
{
    ngx_llmops_redis_node_t  *node;

    node = ngx_llmops_redis_node(redis, key);

    return node && ngx_llmops_redis_node_accepts(node);
}


ngx_uint_t
ngx_llmops_redis_generation(ngx_llmops_redis_t *redis, ngx_str_t *key)
{
    ngx_llmops_redis_node_t  *node;

    node = ngx_llmops_redis_node(redis, key);

    return (node && node->state == NGX_LLMOPS_REDIS_UP) ? node->generation : 0;
}


static ngx_llmops_redis_node_t *
ngx_llmops_redis_node(ngx_llmops_redis_t *redis, ngx_str_t *key)
{
    if (redis->conf->cluster) {
        return ngx_llmops_redis_cluster_node(redis, key);
    }

    return redis->nodes[0];
}


ngx_llmops_redis_node_t *
ngx_llmops_redis_clock(ngx_llmops_redis_t *redis)
{
    return ngx_llmops_redis_node(redis, &redis->conf->prefix);
}


int64_t
ngx_llmops_redis_now(ngx_llmops_redis_t *redis)
{
    ngx_time_t  *tp;

    if (redis->timed) {
        return redis->offset + (int64_t) ngx_current_msec;
    }

    tp = ngx_timeofday();

    return (int64_t) tp->sec * 1000 + tp->msec;
}


ngx_int_t
ngx_llmops_redis_on_up(ngx_llmops_redis_t *redis, void (*handler)(void *data),
    void *data)
{
    if (redis->nup == sizeof(redis->up) / sizeof(redis->up[0])) {
        return NGX_ERROR;
    }

    redis->up[redis->nup] = handler;
    redis->up_data[redis->nup++] = data;

    return NGX_OK;
}


void
ngx_llmops_redis_is_up(ngx_llmops_redis_node_t *node)
{
    ngx_uint_t           i;
    ngx_llmops_redis_t  *redis;

    redis = node->redis;

    for (i = 0; i < redis->nup; i++) {
        redis->up[i](redis->up_data[i]);
    }
}


/* clocks drift, and a silent server is found before a request finds it */

static void
ngx_llmops_redis_tick(ngx_event_t *ev)
{
    ngx_llmops_redis_t *redis = ev->data;

    ngx_uint_t  i;

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    for (i = 0; i < redis->nnodes; i++) {
        ngx_llmops_redis_node_settled(redis->nodes[i]);
        ngx_llmops_redis_look(redis->nodes[i]);
    }

    if (redis->sentinel) {
        ngx_llmops_redis_node_settled(redis->sentinel);
        ngx_llmops_redis_look(redis->sentinel);
    }

    ngx_add_timer(ev, NGX_LLMOPS_REDIS_TICK);
}


ngx_uint_t
ngx_llmops_redis_refused(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd, redisReply *reply)
{
    if (ngx_llmops_redis_unusable(reply) == NULL) {
        return 0;
    }

    ngx_llmops_redis_node_drain(node, "a command", reply);
    ngx_llmops_redis_cmd_done(cmd, NULL, 0, NGX_LLMOPS_REDIS_UNABLE);

    return 1;
}


static void
ngx_llmops_redis_single_greet(ngx_llmops_redis_node_t *node)
{
    ngx_llmops_redis_conf_t  *conf;

    conf = node->redis->conf;

    ngx_llmops_redis_greet(node, &conf->user, &conf->password.value, conf->db,
                           0);
}


static void
ngx_llmops_redis_single_down(ngx_llmops_redis_node_t *node)
{
    /* the back-off is all there is to do */
}
