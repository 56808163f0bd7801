
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
 * CLUSTERDOWN, makes it be asked for again, at most every 200 ms, and not by
 * the node that has just failed.
 *
 * A node is known by "host:port".  Slots have numbers of nodes, so that a node
 * keeps its place in the table as long as it is used.
 */


#define NGX_LLMOPS_REDIS_REFRESH    200    /* ms at least between two maps */
#define NGX_LLMOPS_REDIS_REDIRECTS  5


static void ngx_llmops_redis_cluster_greet(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_cluster_up(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_cluster_down(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_cluster_retry(ngx_llmops_redis_node_t *node);
static ngx_uint_t ngx_llmops_redis_cluster_reply(
    ngx_llmops_redis_node_t *node, ngx_llmops_redis_cmd_t *cmd,
    redisReply *reply);
static void ngx_llmops_redis_cluster_redirect(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd, redisReply *reply, ngx_uint_t moved);
static void ngx_llmops_redis_cluster_resend(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd);
static ngx_llmops_redis_node_t *ngx_llmops_redis_cluster_target(
    ngx_llmops_redis_node_t *node, ngx_str_t *text, ngx_uint_t *slot);
static ngx_llmops_redis_node_t *ngx_llmops_redis_cluster_find(
    ngx_llmops_redis_t *redis, ngx_str_t *host, in_port_t port);
static ngx_llmops_redis_node_t *ngx_llmops_redis_cluster_reuse(
    ngx_llmops_redis_t *redis, ngx_str_t *host, in_port_t port);
static ngx_uint_t ngx_llmops_redis_cluster_number(
    ngx_llmops_redis_node_t *node);

static void ngx_llmops_redis_cluster_stale(ngx_llmops_redis_t *redis);
static void ngx_llmops_redis_cluster_refresh(ngx_event_t *ev);
static void ngx_llmops_redis_cluster_ask(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_cluster_map(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_redis_cluster_range(ngx_llmops_redis_node_t *node,
    redisReply *range);
static void ngx_llmops_redis_cluster_retire(ngx_llmops_redis_t *redis);


static const ngx_llmops_redis_role_t  ngx_llmops_redis_member = {
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
        ngx_llmops_redis_cmd_done(cmd, NULL, 0);
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
        ngx_llmops_redis_cmd_done(cmd, NULL, 0);
        return;
    }

    if (moved) {
        target->master = 1;
        redis->slots[slot] = (uint16_t)
                             (ngx_llmops_redis_cluster_number(target) + 1);

        ngx_llmops_redis_cluster_stale(redis);

    } else {
        cmd->asking = 1;
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
        ngx_llmops_redis_cmd_done(cmd, NULL, 0);
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


/* a node of that name, perhaps a new one; NULL: no memory, or too many */

static ngx_llmops_redis_node_t *
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


static ngx_uint_t
ngx_llmops_redis_cluster_number(ngx_llmops_redis_node_t *node)
{
    ngx_uint_t  i;

    for (i = 0; node->redis->nodes[i] != node; i++) { /* void */ }

    return i;
}


/* the map may be wrong: ask for it soon */

static void
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


static void
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
    redisReply              **e, **a;
    ngx_uint_t                number;
    ngx_llmops_redis_node_t  *master;

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
    a = e[2]->element;

    if (first < 0 || last < first || last >= NGX_LLMOPS_RESP_SLOTS
        || a[1]->integer < 1 || a[1]->integer > 65535)
    {
        return NGX_ERROR;
    }

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
