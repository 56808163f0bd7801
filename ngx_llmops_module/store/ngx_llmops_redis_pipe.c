
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * The pipeline of a node.  Commands of one turn of the event loop are written
 * together, by a posted event; replies come in the same order.
 *
 * A command whose time is over is told to its caller, but keeps its place: its
 * reply comes nevertheless, and must not be taken for another's.  From then on
 * nothing is sent until any reply comes (stalled), so that of all requests only
 * those that were already waiting wait for a frozen server; and when nothing
 * comes for a second, the connection is given up.
 *
 * Handlers send commands, and cancel them.  So timeouts and ends are told from
 * lists that have been detached before, and a command that is cancelled stays
 * where it is, without its handler.
 */


static void ngx_llmops_redis_node_deadline(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd);
static void ngx_llmops_redis_node_count(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd, ngx_int_t n);
static ngx_int_t ngx_llmops_redis_node_put(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd);
static ngx_int_t ngx_llmops_redis_node_room(ngx_llmops_redis_node_t *node,
    size_t size);
static void ngx_llmops_redis_node_write(ngx_llmops_redis_node_t *node);
static ngx_int_t ngx_llmops_redis_node_replies(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_node_reply(ngx_llmops_redis_node_t *node,
    redisReply *reply);
static ngx_uint_t ngx_llmops_redis_node_message(redisReply *reply);
static void ngx_llmops_redis_node_overdue(ngx_llmops_redis_node_t *node,
    ngx_queue_t *queue, ngx_queue_t *due);
static void ngx_llmops_redis_node_told(ngx_llmops_redis_node_t *node,
    ngx_queue_t *due);


#define ngx_llmops_redis_left(deadline)                                       \
    ((ngx_msec_int_t) ((deadline) - ngx_current_msec))


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
    ngx_uint_t sent)
{
    void                 *data;
    ngx_llmops_redis_pt   handler;

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


/* there is one timer, for the nearest deadline */

static void
ngx_llmops_redis_node_deadline(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd)
{
    ngx_msec_int_t  left;

    left = ngx_llmops_redis_left(cmd->deadline);
    left = ngx_max(left, 0);

    if (node->timer.timer_set) {

        if (!node->timer.cancelable
            && (ngx_msec_int_t) (cmd->deadline - node->timer.timer.key) >= 0)
        {
            return;
        }

        ngx_del_timer(&node->timer);
    }

    /* a worker that shuts down waits for replies, not for silence */

    node->timer.cancelable = 0;
    ngx_add_timer(&node->timer, (ngx_msec_t) left);
}


static void
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
    cmd->start = ngx_current_msec;

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

    ngx_post_event(net->connection->read, &ngx_posted_events);
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

    node->stalled = 0;

    q = ngx_queue_head(&node->sent);
    cmd = ngx_queue_data(q, ngx_llmops_redis_cmd_t, queue);

    if (cmd->skip) {
        cmd->skip = 0;
        return;
    }

    ngx_queue_remove(q);
    ngx_llmops_redis_node_count(node, cmd, -1);

    if (!cmd->internal
        && reply->type == REDIS_REPLY_ERROR
        && node->role->reply(node, cmd, reply))
    {
        return;
    }

    ngx_llmops_redis_cmd_done(cmd, reply, 1);
}


static ngx_uint_t
ngx_llmops_redis_node_message(redisReply *reply)
{
    return reply->type == REDIS_REPLY_ARRAY
           && reply->elements == 3
           && reply->element[0]->type == REDIS_REPLY_STRING
           && ngx_strcmp(reply->element[0]->str, "message") == 0;
}


/* the timer: some deadline has passed, or the server has been silent */

void
ngx_llmops_redis_node_expire(ngx_event_t *ev)
{
    ngx_llmops_redis_node_t *node = ev->data;

    ngx_queue_t  due;

    if (node->stalled
        && ngx_current_msec - node->silent_since >= NGX_LLMOPS_REDIS_DEAD)
    {
        ngx_llmops_redis_node_lost(node, "no reply", 0);
        return;
    }

    ngx_queue_init(&due);

    ngx_llmops_redis_node_overdue(node, &node->sent, &due);
    ngx_llmops_redis_node_overdue(node, &node->waiting, &due);

    if (!ngx_queue_empty(&due)) {

        if (!node->stalled) {
            node->stalled = 1;
            node->silent_since = ngx_current_msec;
        }

        ngx_llmops_redis_node_told(node, &due);

        if (node->doom) {
            ngx_llmops_redis_node_lost(node, node->doom, 0);
            return;
        }
    }

    ngx_llmops_redis_node_arm(node);
}


/* marks those whose time is over, oldest first */

static void
ngx_llmops_redis_node_overdue(ngx_llmops_redis_node_t *node,
    ngx_queue_t *queue, ngx_queue_t *due)
{
    ngx_queue_t             *q;
    ngx_llmops_redis_cmd_t  *cmd;

    for (q = ngx_queue_head(queue);
         q != ngx_queue_sentinel(queue);
         q = ngx_queue_next(q))
    {
        cmd = ngx_queue_data(q, ngx_llmops_redis_cmd_t, queue);

        if (cmd->overdue) {
            continue;
        }

        if (ngx_llmops_redis_left(cmd->deadline) > 0) {

            if (node->mixed) {
                continue;
            }

            return;
        }

        cmd->overdue = 1;
        ngx_queue_insert_tail(due, &cmd->due);
    }
}


static void
ngx_llmops_redis_node_told(ngx_llmops_redis_node_t *node, ngx_queue_t *due)
{
    void                    *data;
    ngx_queue_t             *q;
    ngx_llmops_redis_pt      handler;
    ngx_llmops_redis_cmd_t  *cmd;

    while (!ngx_queue_empty(due)) {

        q = ngx_queue_head(due);
        cmd = ngx_queue_data(q, ngx_llmops_redis_cmd_t, due);

        ngx_queue_remove(q);

        if (cmd->end == 0) {                 /* it has not been sent */
            ngx_queue_remove(&cmd->queue);
            ngx_llmops_redis_node_count(node, cmd, -1);
            ngx_llmops_redis_cmd_done(cmd, NULL, 0);
            continue;
        }

        handler = cmd->handler;
        data = cmd->data;

        cmd->handler = NULL;

        if (handler) {
            handler(NULL, 1, data);
        }
    }
}


void
ngx_llmops_redis_node_arm(ngx_llmops_redis_node_t *node)
{
    ngx_queue_t             *q, *queue;
    ngx_msec_int_t           left, nearest;
    ngx_llmops_redis_cmd_t  *cmd;

    if (node->timer.timer_set) {
        ngx_del_timer(&node->timer);
    }

    nearest = NGX_MAX_INT_T_VALUE;

    for (queue = &node->sent; queue; queue = (queue == &node->sent)
                                             ? &node->waiting : NULL)
    {
        for (q = ngx_queue_head(queue);
             q != ngx_queue_sentinel(queue);
             q = ngx_queue_next(q))
        {
            cmd = ngx_queue_data(q, ngx_llmops_redis_cmd_t, queue);

            if (cmd->overdue) {
                continue;
            }

            left = ngx_llmops_redis_left(cmd->deadline);
            nearest = ngx_min(nearest, left);

            if (!node->mixed) {
                break;
            }
        }
    }

    node->timer.cancelable = 0;

    if (nearest == NGX_MAX_INT_T_VALUE) {

        node->mixed = 0;

        if (!node->stalled) {
            return;
        }

        /* all that is left is to wait for a sign of life */

        node->timer.cancelable = 1;
        nearest = NGX_LLMOPS_REDIS_DEAD
                  - (ngx_current_msec - node->silent_since);
    }

    ngx_add_timer(&node->timer, (ngx_msec_t) ngx_max(nearest, 0));
}


void
ngx_llmops_redis_node_drop(ngx_llmops_redis_node_t *node, ngx_uint_t tell)
{
    ngx_uint_t               sent;
    ngx_queue_t              all, *q;
    ngx_llmops_redis_cmd_t  *cmd;

    /* a handler may send again, which must not be dropped with the rest */

    ngx_queue_init(&all);
    ngx_queue_add(&all, &node->sent);
    ngx_queue_init(&node->sent);
    ngx_queue_add(&all, &node->waiting);
    ngx_queue_init(&node->waiting);

    node->commands = 0;
    node->bytes = 0;
    node->mixed = 0;

    while (!ngx_queue_empty(&all)) {

        q = ngx_queue_head(&all);
        cmd = ngx_queue_data(q, ngx_llmops_redis_cmd_t, queue);

        ngx_queue_remove(q);

        /* what has not left in whole cannot have been carried out */

        sent = (cmd->end && cmd->end <= node->written);

        if (!tell) {
            cmd->handler = NULL;
        }

        ngx_llmops_redis_cmd_done(cmd, NULL, sent);
    }
}
