
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * Redis behind Sentinel.  A connection to one of the Sentinels asks for the
 * master and then listens for +switch-master on the same connection; it is
 * asked again, by another connection and mostly another Sentinel, each time
 * that the master fails.  Whether the server found is really a master it has
 * to say itself (ROLE), since a Sentinel may be behind.
 *
 * When no Sentinel can be asked, the master that was known last is as good as
 * any.
 */


static void ngx_llmops_redis_master_greet(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_master_down(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_master_retry(ngx_llmops_redis_node_t *node);

static void ngx_llmops_redis_sentinel_greet(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_sentinel_up(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_sentinel_down(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_sentinel_retry(ngx_llmops_redis_node_t *node);
static ngx_uint_t ngx_llmops_redis_sentinel_reply(
    ngx_llmops_redis_node_t *node, ngx_llmops_redis_cmd_t *cmd,
    redisReply *reply);
static void ngx_llmops_redis_sentinel_push(ngx_llmops_redis_node_t *node,
    redisReply *reply);
static void ngx_llmops_redis_sentinel_address(redisReply *reply,
    ngx_uint_t sent, void *data);
static void ngx_llmops_redis_sentinel_subscribed(redisReply *reply,
    ngx_uint_t sent, void *data);
static ngx_uint_t ngx_llmops_redis_sentinel_words(redisReply *reply,
    ngx_str_t *words, ngx_uint_t max);
static ngx_int_t ngx_llmops_redis_sentinel_found(ngx_llmops_redis_t *redis,
    ngx_str_t *host, ngx_str_t *port);


static const ngx_llmops_redis_role_t  ngx_llmops_redis_master = {
    ngx_llmops_redis_master_greet,
    ngx_llmops_redis_is_up,
    ngx_llmops_redis_master_down,
    ngx_llmops_redis_master_retry,
    ngx_llmops_redis_refused,
    NULL
};


static const ngx_llmops_redis_role_t  ngx_llmops_redis_watcher = {
    ngx_llmops_redis_sentinel_greet,
    ngx_llmops_redis_sentinel_up,
    ngx_llmops_redis_sentinel_down,
    ngx_llmops_redis_sentinel_retry,
    ngx_llmops_redis_sentinel_reply,
    ngx_llmops_redis_sentinel_push
};


ngx_int_t
ngx_llmops_redis_sentinel_start(ngx_llmops_redis_t *redis)
{
    ngx_llmops_redis_node_t  *master;
    ngx_llmops_redis_addr_t  *addr;

    addr = redis->conf->nodes->elts;

    /* not every worker shall begin with the same one */

    redis->turn = ngx_random() % redis->conf->nodes->nelts;
    addr += redis->turn;

    redis->sentinel = ngx_llmops_redis_node_create(redis,
                                                   &ngx_llmops_redis_watcher,
                                                   &addr->host, addr->port);
    if (redis->sentinel == NULL) {
        return NGX_ERROR;
    }

    master = ngx_llmops_redis_node_create(redis, &ngx_llmops_redis_master,
                                          &redis->conf->sentinel, 0);
    if (master == NULL) {
        return NGX_ERROR;
    }

    redis->nodes[redis->nnodes++] = master;

    /* where it is will be known soon */

    master->state = NGX_LLMOPS_REDIS_WAITING;
    master->name = redis->conf->sentinel;

    ngx_llmops_redis_node_soon(redis->sentinel);

    return NGX_OK;
}


static void
ngx_llmops_redis_master_greet(ngx_llmops_redis_node_t *node)
{
    ngx_llmops_redis_conf_t  *conf;

    conf = node->redis->conf;

    ngx_llmops_redis_greet(node, &conf->user, &conf->password.value, conf->db,
                           1);
}


static void
ngx_llmops_redis_master_down(ngx_llmops_redis_node_t *node)
{
    /* after the back-off it is asked for */
}


static void
ngx_llmops_redis_master_retry(ngx_llmops_redis_node_t *node)
{
    ngx_llmops_redis_t       *redis;
    ngx_llmops_redis_node_t  *sentinel;

    redis = node->redis;
    sentinel = redis->sentinel;

    if (sentinel->state == NGX_LLMOPS_REDIS_UP) {

        /* it only listens now */

        ngx_llmops_redis_node_idle(sentinel);
        ngx_llmops_redis_sentinel_retry(sentinel);
        return;
    }

    if (sentinel->failures) {

        /* nobody to ask: perhaps it is where it was */

        if (node->net.port) {
            ngx_llmops_redis_node_open(node);
        }

        return;
    }

    /* else it is being asked */
}


static void
ngx_llmops_redis_sentinel_greet(ngx_llmops_redis_node_t *node)
{
    ngx_str_t  none;

    ngx_str_null(&none);

    ngx_llmops_redis_greet(node, &none,
                           &node->redis->conf->sentinel_password.value, 0, 0);
}


static void
ngx_llmops_redis_sentinel_up(ngx_llmops_redis_node_t *node)
{
    ngx_str_t  argv[3];

    ngx_str_set(&argv[0], "SENTINEL");
    ngx_str_set(&argv[1], "get-master-addr-by-name");
    argv[2] = node->redis->conf->sentinel;

    ngx_llmops_redis_node_ask(node, ngx_llmops_redis_sentinel_address, 3,
                              argv);

    ngx_str_set(&argv[0], "SUBSCRIBE");
    ngx_str_set(&argv[1], "+switch-master");

    ngx_llmops_redis_node_ask(node, ngx_llmops_redis_sentinel_subscribed, 2,
                              argv);
}


/* also when it could not be reached at all */

static void
ngx_llmops_redis_sentinel_down(ngx_llmops_redis_node_t *node)
{
    ngx_llmops_redis_node_t  *master;

    master = node->redis->nodes[0];

    if (master->state == NGX_LLMOPS_REDIS_WAITING
        && master->net.port
        && !master->pause.timer_set)
    {
        ngx_llmops_redis_node_open(master);
    }
}


static void
ngx_llmops_redis_sentinel_retry(ngx_llmops_redis_node_t *node)
{
    ngx_array_t              *nodes;
    ngx_llmops_redis_t       *redis;
    ngx_llmops_redis_addr_t  *addr;

    redis = node->redis;
    nodes = redis->conf->nodes;

    addr = nodes->elts;
    addr += ++redis->turn % nodes->nelts;

    (void) ngx_llmops_redis_node_address(node, &addr->host, addr->port);

    ngx_llmops_redis_node_open(node);
}


static ngx_uint_t
ngx_llmops_redis_sentinel_reply(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd, redisReply *reply)
{
    return 0;                                /* there are none of a caller's */
}


static void
ngx_llmops_redis_sentinel_address(redisReply *reply, ngx_uint_t sent,
    void *data)
{
    ngx_llmops_redis_node_t *node = data;

    ngx_str_t  words[2];

    if (reply == NULL) {
        ngx_llmops_redis_node_doom(node, "no reply to SENTINEL");
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_llmops_redis_node_doom(node, "SENTINEL: %s", reply->str);
        return;
    }

    if (ngx_llmops_redis_sentinel_words(reply, words, 2) != 2
        || ngx_llmops_redis_sentinel_found(node->redis, &words[0], &words[1])
           != NGX_OK)
    {
        ngx_llmops_redis_node_doom(node, "it knows no address of \"%V\"",
                                   &node->redis->conf->sentinel);
    }
}


static void
ngx_llmops_redis_sentinel_subscribed(redisReply *reply, ngx_uint_t sent,
    void *data)
{
    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        ngx_llmops_redis_node_doom(data, "SUBSCRIBE: %s",
                                   reply ? reply->str : "no reply");
    }
}


/* message, +switch-master, "NAME OLD-HOST OLD-PORT HOST PORT" */

static void
ngx_llmops_redis_sentinel_push(ngx_llmops_redis_node_t *node,
    redisReply *reply)
{
    u_char      *p, *last, *start;
    ngx_str_t    words[5], *name;
    ngx_uint_t   n;

    if (reply->element[2]->type != REDIS_REPLY_STRING) {
        return;
    }

    p = (u_char *) reply->element[2]->str;
    last = p + reply->element[2]->len;

    for (n = 0; p < last && n < 5; n++) {
        start = p;
        p = ngx_strlchr(p, last, ' ');
        p = p ? p : last;

        words[n].data = start;
        words[n].len = p++ - start;
    }

    name = &node->redis->conf->sentinel;

    if (n == 5
        && words[0].len == name->len
        && ngx_strncmp(words[0].data, name->data, name->len) == 0)
    {
        (void) ngx_llmops_redis_sentinel_found(node->redis, &words[3],
                                               &words[4]);
    }
}


static ngx_uint_t
ngx_llmops_redis_sentinel_words(redisReply *reply, ngx_str_t *words,
    ngx_uint_t max)
{
    ngx_uint_t  n;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return 0;
    }

    for (n = 0; n < max && n < reply->elements; n++) {

        if (reply->element[n]->type != REDIS_REPLY_STRING) {
            break;
        }

        words[n].data = (u_char *) reply->element[n]->str;
        words[n].len = reply->element[n]->len;
    }

    return n;
}


static ngx_int_t
ngx_llmops_redis_sentinel_found(ngx_llmops_redis_t *redis, ngx_str_t *host,
    ngx_str_t *port)
{
    size_t                    len;
    u_char                    text[NGX_LLMOPS_REDIS_HOST + 16];
    ngx_int_t                 n;
    ngx_llmops_redis_node_t  *master;

    n = ngx_atoi(port->data, port->len);

    if (n < 1 || n > 65535
        || host->len == 0 || host->len > NGX_LLMOPS_REDIS_HOST)
    {
        return NGX_ERROR;
    }

    master = redis->nodes[0];

    len = ngx_llmops_redis_name(text, host, (in_port_t) n);

    if (len != master->name.len
        || ngx_memcmp(text, master->name.data, len) != 0)
    {
        ngx_log_error(NGX_LOG_NOTICE, redis->log, 0,
                      "redis \"%V\": the master is %*s",
                      &redis->conf->sentinel, len, text);

        ngx_llmops_redis_node_move(master, host, (in_port_t) n);
        return NGX_OK;
    }

    if (!master->pause.timer_set) {
        ngx_llmops_redis_node_open(master);
    }

    return NGX_OK;
}
