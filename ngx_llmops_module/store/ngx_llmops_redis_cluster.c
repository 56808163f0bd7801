
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * Redis Cluster.  The addresses of the configuration are only where to begin:
 * whoever of them answers first gives the map, which node has which of the
 * 16384 slots, and from then on there is a connection to each master.
 *
 * A key that has moved is found by MOVED, which corrects the map, or ASK, which
 * does not, since the slot is still on its way; the command follows, within its
 * time.  All else that looks as if the map were wrong, a master that fails, a
 * CLUSTERDOWN, makes it be asked for again; see ngx_llmops_redis_map.c.
 */


#define NGX_LLMOPS_REDIS_REDIRECTS  5


static void ngx_llmops_redis_cluster_greet(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_cluster_up(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_cluster_down(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_cluster_retry(ngx_llmops_redis_node_t *node);
static ngx_uint_t ngx_llmops_redis_cluster_reply(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd, redisReply *reply);
static void ngx_llmops_redis_cluster_redirect(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd, redisReply *reply, ngx_uint_t moved);
static void ngx_llmops_redis_cluster_resend(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd);
static ngx_llmops_redis_node_t *ngx_llmops_redis_cluster_target(
    ngx_llmops_redis_node_t *node, ngx_str_t *text, ngx_uint_t *slot);


const ngx_llmops_redis_role_t  ngx_llmops_redis_member = {
    ngx_llmops_redis_cluster_greet,
    ngx_llmops_redis_cluster_up,
    ngx_llmops_redis_cluster_down,
    ngx_llmops_redis_cluster_retry,
    ngx_llmops_redis_cluster_reply,
    NULL
};


ngx_int_t
ngx_llmops_redis_cluster_start(ngx_llmops_redis_t *redis)
{
    ngx_uint_t                i, n;
    ngx_llmops_redis_addr_t  *addr;
    ngx_llmops_redis_node_t  *node;

    redis->slots = ngx_calloc(NGX_LLMOPS_RESP_SLOTS * sizeof(uint16_t),
                              redis->log);
    if (redis->slots == NULL) {
        return NGX_ERROR;
    }

    redis->refresh.handler = ngx_llmops_redis_cluster_refresh;
    redis->refresh.data = redis;
    redis->refresh.log = redis->log;
    redis->refresh.cancelable = 1;

    redis->stale = 1;

    addr = redis->conf->nodes->elts;
    n = ngx_min(redis->conf->nodes->nelts, NGX_LLMOPS_REDIS_NODES / 2);

    for (i = 0; i < n; i++) {
        node = ngx_llmops_redis_add(redis, &ngx_llmops_redis_member,
                                    &addr[i].host, addr[i].port);
        if (node == NULL) {
            return NGX_ERROR;
        }

        node->seed = 1;
    }

    return NGX_OK;
}


ngx_llmops_redis_node_t *
ngx_llmops_redis_cluster_node(ngx_llmops_redis_t *redis, ngx_str_t *key)
{
    ngx_uint_t                i, n;
    ngx_llmops_redis_node_t  *node, *best;

    if (key->len) {
        n = redis->slots[ngx_llmops_resp_slot(key)];

        if (n) {
            return redis->nodes[n - 1];
        }

        if (redis->mapped) {
            return NULL;                     /* nobody has that slot */
        }
    }

    /* any one: it knows better, or will soon */

    best = NULL;

    for (i = 0; i < redis->nnodes; i++) {
        node = redis->nodes[i];

        if (!ngx_llmops_redis_node_accepts(node)) {
            continue;
        }

        if (node->state == NGX_LLMOPS_REDIS_UP) {
            return node;
        }

        best = node;
    }

    return best;
}


static void
ngx_llmops_redis_cluster_greet(ngx_llmops_redis_node_t *node)
{
    ngx_llmops_redis_conf_t  *conf;

    conf = node->redis->conf;

    ngx_llmops_redis_greet(node, &conf->user, &conf->password.value, 0, 0);
}


static void
ngx_llmops_redis_cluster_up(ngx_llmops_redis_node_t *node)
{
    if (node->redis->stale) {
        ngx_llmops_redis_cluster_stale(node->redis);
    }

    ngx_llmops_redis_is_up(node);
}


static void
ngx_llmops_redis_cluster_down(ngx_llmops_redis_node_t *node)
{
    ngx_llmops_redis_cluster_stale(node->redis);
}


static void
ngx_llmops_redis_cluster_retry(ngx_llmops_redis_node_t *node)
{
    if (node->redis->mapped && !node->master && !node->redis->stale) {
        ngx_llmops_redis_node_idle(node);
        return;
    }

    ngx_llmops_redis_node_open(node);
}


static ngx_uint_t
ngx_llmops_redis_cluster_reply(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd, redisReply *reply)
{
    if (ngx_llmops_redis_is(reply, "MOVED ")) {
        ngx_llmops_redis_cluster_redirect(node, cmd, reply, 1);
        return 1;
    }

    if (ngx_llmops_redis_is(reply, "ASK ")) {
        ngx_llmops_redis_cluster_redirect(node, cmd, reply, 0);
        return 1;
    }

    if (ngx_llmops_redis_is(reply, "CLUSTERDOWN ")) {
        ngx_llmops_redis_cluster_stale(node->redis);
        ngx_llmops_redis_cmd_done(cmd, NULL, 0, NGX_LLMOPS_REDIS_UNABLE);
        return 1;
    }

    return ngx_llmops_redis_refused(node, cmd, reply);
}


/* "MOVED 3999 10.0.0.7:6379" */

static void
ngx_llmops_redis_cluster_redirect(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd, redisReply *reply, ngx_uint_t moved)
{
    ngx_str_t                 text;
    ngx_uint_t                slot;
    ngx_llmops_redis_t       *redis;
    ngx_llmops_redis_node_t  *target;

    redis = node->redis;

    text.data = (u_char *) reply->str;
    text.len = reply->len;

    target = ngx_llmops_redis_cluster_target(node, &text, &slot);

    if (target == NULL) {
        ngx_llmops_redis_cluster_stale(redis);
        ngx_llmops_redis_cmd_done(cmd, cmd->pinned ? reply : NULL, 0,
                                  NGX_LLMOPS_REDIS_UNABLE);
        return;
    }

    if (moved) {
        target->master = 1;
        redis->slots[slot] = (uint16_t)
                             (ngx_llmops_redis_cluster_number(target) + 1);

        ngx_llmops_redis_cluster_stale(redis);

    } else if (!cmd->pinned) {
        cmd->asking = 1;
    }

    if (cmd->pinned) {
        ngx_llmops_redis_cmd_done(cmd, reply, 1, NGX_LLMOPS_REDIS_ERROR);
        return;
    }

    ngx_llmops_redis_cluster_resend(target, cmd);
}


static void
ngx_llmops_redis_cluster_resend(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd)
{
    if (cmd->redirects++ == NGX_LLMOPS_REDIS_REDIRECTS
        || cmd->overdue
        || (ngx_msec_int_t) (cmd->deadline - ngx_current_msec) <= 0
        || !ngx_llmops_redis_node_accepts(node))
    {
        ngx_llmops_redis_cmd_done(cmd, NULL, 0, NGX_LLMOPS_REDIS_UNABLE);
        return;
    }

    cmd->end = 0;
    cmd->skip = 0;

    /* it may be older than others there */

    node->mixed = 1;

    ngx_llmops_redis_node_send(node, cmd);
}


/* the node that a redirection names, opened if it is new; NULL: none */

static ngx_llmops_redis_node_t *
ngx_llmops_redis_cluster_target(ngx_llmops_redis_node_t *node,
    ngx_str_t *text, ngx_uint_t *slot)
{
    u_char                   *p, *last, *colon;
    ngx_int_t                 n, port;
    ngx_str_t                 host;
    ngx_llmops_redis_node_t  *target;

    last = text->data + text->len;

    p = ngx_strlchr(text->data, last, ' ');
    if (p == NULL) {
        return NULL;
    }

    host.data = ngx_strlchr(++p, last, ' ');
    if (host.data == NULL) {
        return NULL;
    }

    n = ngx_atoi(p, host.data - p);

    host.data++;

    for (colon = last; colon > host.data && colon[-1] != ':'; colon--) {
        /* void */
    }

    if (colon == host.data) {
        return NULL;
    }

    port = ngx_atoi(colon, last - colon);

    if (n < 0 || n >= NGX_LLMOPS_RESP_SLOTS || port < 1 || port > 65535) {
        return NULL;
    }

    host.len = colon - 1 - host.data;

    /* without a host it is the one that is talking */

    target = ngx_llmops_redis_cluster_find(node->redis,
                                           host.len ? &host : &node->net.host,
                                           (in_port_t) port);
    if (target == NULL) {
        return NULL;
    }

    if (target->state == NGX_LLMOPS_REDIS_IDLE) {
        ngx_llmops_redis_node_soon(target);
    }

    *slot = n;

    return target;
}
