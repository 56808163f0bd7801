
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * The way out of a node's pipeline: commands of one turn of the event loop are
 * written together, by a posted event.
 *
 * Handlers send commands, and cancel them; so a command that is cancelled stays
 * where it is, without its handler.
 */


static ngx_int_t ngx_llmops_redis_node_put(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd);
static ngx_int_t ngx_llmops_redis_node_room(ngx_llmops_redis_node_t *node,
    size_t size);
static void ngx_llmops_redis_node_write(ngx_llmops_redis_node_t *node);


ngx_uint_t
ngx_llmops_redis_node_accepts(ngx_llmops_redis_node_t *node)
{
    if (node->stalled
        || node->doom
        || node->commands >= NGX_LLMOPS_REDIS_PENDING
        || node->bytes >= NGX_LLMOPS_REDIS_BYTES)
    {
        return 0;
    }

    switch (node->state) {

    case NGX_LLMOPS_REDIS_UP:
        return 1;

    case NGX_LLMOPS_REDIS_WAITING:
    case NGX_LLMOPS_REDIS_OPENING:
    case NGX_LLMOPS_REDIS_GREETING:
        return node->failures == 0;

    default:                                 /* IDLE */
        return 0;
    }
}


ngx_llmops_redis_cmd_t *
ngx_llmops_redis_cmd_create(ngx_llmops_redis_t *redis, ngx_uint_t argc,
    const ngx_str_t *argv, ngx_llmops_redis_pt handler, void *data)
{
    size_t                   size;
    ngx_llmops_redis_cmd_t  *cmd;

    size = ngx_llmops_resp_size(argc, argv);

    cmd = ngx_alloc(sizeof(ngx_llmops_redis_cmd_t) + size, redis->log);
    if (cmd == NULL) {
        return NULL;
    }

    ngx_memzero(cmd, sizeof(ngx_llmops_redis_cmd_t));

    cmd->redis = redis;
    cmd->handler = handler;
    cmd->data = data;
    cmd->deadline = ngx_current_msec + redis->conf->timeout;
    cmd->len = ngx_llmops_resp_write(cmd->wire, argc, argv) - cmd->wire;

    return cmd;
}


void
ngx_llmops_redis_cmd_done(ngx_llmops_redis_cmd_t *cmd, redisReply *reply,
    ngx_uint_t sent, ngx_llmops_redis_outcome_e why)
{
    void                 *data;
    ngx_llmops_redis_pt   handler;

    if (reply) {
        why = (reply->type == REDIS_REPLY_ERROR) ? NGX_LLMOPS_REDIS_ERROR
                                                 : NGX_LLMOPS_REDIS_OK;
    }

    if (!cmd->internal && !cmd->overdue) {
        ngx_llmops_redis_stats_count(cmd->redis, why);
    }

    handler = cmd->handler;
    data = cmd->data;

    ngx_free(cmd);

    if (handler) {
        handler(reply, sent, data);
    }
}


void
ngx_llmops_redis_node_send(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd)
{
    ngx_queue_insert_tail(&node->waiting, &cmd->queue);

    ngx_llmops_redis_node_count(node, cmd, 1);
    ngx_llmops_redis_node_deadline(node, cmd);

    if (node->state == NGX_LLMOPS_REDIS_UP) {
        ngx_post_event(&node->flush, &ngx_posted_events);
    }
}


void
ngx_llmops_redis_node_count(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd, ngx_int_t n)
{
    node->commands += n;
    node->bytes += n * (ngx_int_t) cmd->len;
}


void
ngx_llmops_redis_node_ask(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_pt handler, ngx_uint_t argc, const ngx_str_t *argv)
{
    ngx_llmops_redis_cmd_t  *cmd;

    cmd = ngx_llmops_redis_cmd_create(node->redis, argc, argv, handler, node);

    if (cmd == NULL) {
        ngx_llmops_redis_node_doom(node, "no memory");
        return;
    }

    cmd->internal = 1;

    if (node->state == NGX_LLMOPS_REDIS_UP) {
        ngx_llmops_redis_node_send(node, cmd);
        return;
    }

    /* callers' commands wait until the greeting is over */

    cmd->deadline = ngx_current_msec + NGX_LLMOPS_REDIS_CONNECT;

    ngx_llmops_redis_node_count(node, cmd, 1);

    if (ngx_llmops_redis_node_put(node, cmd) != NGX_OK) {
        ngx_llmops_redis_node_doom(node, "no memory");
        ngx_queue_insert_tail(&node->waiting, &cmd->queue);
        return;
    }

    ngx_explicit_memzero(cmd->wire, cmd->len);   /* it may be a password */

    ngx_llmops_redis_node_deadline(node, cmd);
    ngx_post_event(&node->flush, &ngx_posted_events);
}


/* into the buffer, and into the queue of those that wait for replies */

static ngx_int_t
ngx_llmops_redis_node_put(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd)
{
    u_char  *p, *last;

    static const char  asking[] = "*1" CRLF "$6" CRLF "ASKING" CRLF;

    if (ngx_llmops_redis_node_room(node, cmd->len + sizeof(asking)) != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = node->out + node->out_len;
    last = p;

    if (cmd->asking) {
        cmd->asking = 0;
        cmd->skip = 1;
        last = ngx_cpymem(last, asking, sizeof(asking) - 1);
    }

    last = ngx_cpymem(last, cmd->wire, cmd->len);

    node->out_len += last - p;
    node->given += last - p;

    cmd->end = node->given;
    cmd->start = node->redis->us;

    ngx_queue_insert_tail(&node->sent, &cmd->queue);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_redis_node_room(ngx_llmops_redis_node_t *node, size_t size)
{
    u_char  *out;
    size_t   n;

    if (node->out_size - node->out_len >= size) {
        return NGX_OK;
    }

    n = ngx_max(node->out_size, 4096);

    while (n - node->out_len < size) {
        n *= 2;
    }

    out = ngx_alloc(n, node->redis->log);
    if (out == NULL) {
        return NGX_ERROR;
    }

    if (node->out) {
        ngx_memcpy(out, node->out, node->out_len);
        ngx_explicit_memzero(node->out, node->out_len);
        ngx_free(node->out);
    }

    node->out = out;
    node->out_size = n;

    return NGX_OK;
}


void
ngx_llmops_redis_node_flush(ngx_event_t *ev)
{
    ngx_llmops_redis_node_t *node = ev->data;

    ngx_queue_t             *q;
    ngx_llmops_redis_cmd_t  *cmd;

    node->redis->us = ngx_llmops_redis_us();

    while (node->state == NGX_LLMOPS_REDIS_UP
           && !ngx_queue_empty(&node->waiting))
    {
        q = ngx_queue_head(&node->waiting);
        cmd = ngx_queue_data(q, ngx_llmops_redis_cmd_t, queue);

        ngx_queue_remove(q);

        if (ngx_llmops_redis_node_put(node, cmd) != NGX_OK) {
            ngx_queue_insert_head(&node->waiting, q);
            ngx_llmops_redis_node_lost(node, "no memory", 0);
            return;
        }
    }

    if (!node->net.blocked) {
        ngx_llmops_redis_node_write(node);
    }
}


void
ngx_llmops_redis_node_writable(ngx_llmops_net_t *net)
{
    ngx_llmops_redis_node_write(net->data);
}


static void
ngx_llmops_redis_node_write(ngx_llmops_redis_node_t *node)
{
    ssize_t  n;

    while (node->out_pos < node->out_len) {

        n = ngx_llmops_net_send(&node->net, node->out + node->out_pos,
                                node->out_len - node->out_pos);

        if (n == NGX_AGAIN) {
            return;
        }

        if (n <= 0) {
            ngx_llmops_redis_node_lost(node, node->net.error, 1);
            return;
        }

        ngx_explicit_memzero(node->out + node->out_pos, n);

        node->out_pos += n;
        node->written += n;
    }

    node->out_pos = 0;
    node->out_len = 0;

    if (node->out_size > 8 * NGX_LLMOPS_REDIS_BUFFER) {
        ngx_free(node->out);
        node->out = NULL;
        node->out_size = 0;
    }
}
