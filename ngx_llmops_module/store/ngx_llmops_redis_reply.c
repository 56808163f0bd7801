
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * The way back: replies come in the order of the commands.  Bytes are looked at
 * before hiredis gets them, and replies are told one by one; who is told sends
 * and cancels as he likes, but nothing is closed before all that has come has
 * been told.
 */


static ngx_int_t ngx_llmops_redis_node_replies(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_node_reply(ngx_llmops_redis_node_t *node,
    redisReply *reply);
static ngx_uint_t ngx_llmops_redis_node_message(redisReply *reply);


void
ngx_llmops_redis_node_readable(ngx_llmops_net_t *net)
{
    ngx_llmops_redis_node_t *node = net->data;

    u_char   *buf;
    size_t    total;
    ssize_t   n;

    buf = node->redis->buffer;

    for (total = 0; total < NGX_LLMOPS_REDIS_TURN; total += n) {

        n = ngx_llmops_net_recv(net, buf, NGX_LLMOPS_REDIS_BUFFER);

        if (n == NGX_AGAIN) {
            return;
        }

        if (n <= 0) {
            ngx_llmops_redis_node_lost(node, n == 0 ? "closed by the server"
                                                    : net->error, 1);
            return;
        }

        node->redis->us = ngx_llmops_redis_us();

        if (ngx_llmops_resp_scan(&node->scan, buf, n) != NGX_OK) {
            ngx_llmops_redis_node_lost(node, node->scan.error, 0);
            return;
        }

        if (redisReaderFeed(node->reader, (char *) buf, n) != REDIS_OK) {
            ngx_llmops_redis_node_lost(node, "no memory for a reply", 0);
            return;
        }

        if (ngx_llmops_redis_node_replies(node) != NGX_OK) {
            return;
        }
    }

    /* others have their turn too */

    ngx_post_event(net->connection->read, &ngx_posted_next_events);
}


/* NGX_ERROR: the connection is no longer the same */

static ngx_int_t
ngx_llmops_redis_node_replies(ngx_llmops_redis_node_t *node)
{
    void        *reply;
    ngx_uint_t   generation;

    generation = node->generation;

    for ( ;; ) {

        if (redisReaderGetReply(node->reader, &reply) != REDIS_OK) {
            ngx_llmops_redis_node_lost(node, "a reply cannot be parsed", 0);
            return NGX_ERROR;
        }

        if (reply == NULL) {
            break;
        }

        ngx_llmops_redis_node_reply(node, reply);

        freeReplyObject(reply);

        if (node->stalled && ngx_queue_empty(&node->sent)) {
            ngx_llmops_redis_node_probe(node);
        }

        if (generation != node->generation) {
            return NGX_ERROR;
        }
    }

    /*
     * Not before all that has come has been told to those who wait; and if
     * the server is only unable, the other replies will come too.
     */

    if (node->doom && (!node->drain || ngx_queue_empty(&node->sent))) {
        ngx_llmops_redis_node_lost(node, node->doom, 0);
        return NGX_ERROR;
    }

    /* the deadline is one of nothing now, which nobody has to wait for */

    if (ngx_queue_empty(&node->sent) && ngx_queue_empty(&node->waiting)) {
        node->timer.cancelable = 1;
    }

    return NGX_OK;
}


static void
ngx_llmops_redis_node_reply(ngx_llmops_redis_node_t *node, redisReply *reply)
{
    ngx_queue_t             *q;
    ngx_llmops_redis_cmd_t  *cmd;

    if (node->role->push && ngx_llmops_redis_node_message(reply)) {
        node->role->push(node, reply);
        return;
    }

    if (ngx_queue_empty(&node->sent)) {
        ngx_llmops_redis_node_doom(node, "a reply without a command");
        return;
    }

    node->silent_since = ngx_current_msec;

    q = ngx_queue_head(&node->sent);
    cmd = ngx_queue_data(q, ngx_llmops_redis_cmd_t, queue);

    if (cmd->skip) {
        cmd->skip = 0;
        return;
    }

    ngx_queue_remove(q);
    ngx_llmops_redis_node_count(node, cmd, -1);

    if (!cmd->internal) {
        ngx_llmops_redis_stats_observe(node->redis,
                                       node->redis->us - cmd->start);

        if (reply->type == REDIS_REPLY_ERROR
            && node->role->reply(node, cmd, reply))
        {
            return;
        }
    }

    ngx_llmops_redis_cmd_done(cmd, reply, 1, NGX_LLMOPS_REDIS_OK);
}


static ngx_uint_t
ngx_llmops_redis_node_message(redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY
           && reply->elements == 3
           && reply->element[0]->type == REDIS_REPLY_STRING
           && ngx_strcmp(reply->element[0]->str, "message") == 0;
}
