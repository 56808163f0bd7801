
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * Replies that do not come.
 *
 * A command whose time is over is told to its caller, but keeps its place: its
 * reply comes nevertheless, and must not be taken for another's.  From then on
 * nothing is sent (stalled) until all late replies have come and a PING has
 * been answered in time.  So of all requests only those that were already
 * waiting wait for a server that is frozen, and none for one that is always
 * too slow; and when nothing comes for a second, the connection is given up.
 *
 * Of one that has not been sent, because there is no connection yet, nothing
 * comes: it says nothing of the server, and fails alone.  How long a connection
 * may take to be made is bounded; where none is being made, since nobody has
 * said yet where the master is, a second after the first such command the node
 * counts as one that cannot be reached (late).
 *
 * Who is told sends and cancels.  So timeouts and ends are told from lists that
 * have been detached before.
 */


static void ngx_llmops_redis_node_overdue(ngx_llmops_redis_node_t *node,
    ngx_queue_t *queue, ngx_queue_t *due);
static ngx_uint_t ngx_llmops_redis_node_overdue_sent(ngx_queue_t *due);
static void ngx_llmops_redis_node_stall(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_node_probed(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_redis_node_told(ngx_llmops_redis_node_t *node,
    ngx_queue_t *due);
static void ngx_llmops_redis_node_fail(ngx_llmops_redis_node_t *node,
    ngx_queue_t *all, ngx_uint_t tell);
static ngx_msec_int_t ngx_llmops_redis_node_nearest(
    ngx_llmops_redis_node_t *node, ngx_queue_t *queue);


#define ngx_llmops_redis_left(deadline)                                       \
    ((ngx_msec_int_t) ((deadline) - ngx_current_msec))

#define NGX_LLMOPS_REDIS_NEVER  NGX_MAX_INT_T_VALUE


/* there is one timer, for the nearest deadline */

void
ngx_llmops_redis_node_deadline(ngx_llmops_redis_node_t *node,
    ngx_llmops_redis_cmd_t *cmd)
{
    ngx_msec_int_t  left;

    left = ngx_llmops_redis_left(cmd->deadline);
    left = ngx_max(left, 0);

    /* a worker that shuts down waits for replies, not for silence */

    node->timer.cancelable = 0;

    if (node->timer.timer_set) {

        if ((ngx_msec_int_t) (cmd->deadline - node->timer.timer.key) >= 0) {
            return;
        }

        ngx_del_timer(&node->timer);
    }

    ngx_add_timer(&node->timer, (ngx_msec_t) left);
}


/* the timer: some deadline has passed, or the server has been silent */

void
ngx_llmops_redis_node_expire(ngx_event_t *ev)
{
    ngx_llmops_redis_node_t *node = ev->data;

    ngx_queue_t  due;

    if ((node->stalled || node->late)
        && ngx_current_msec - node->silent_since >= NGX_LLMOPS_REDIS_DEAD)
    {
        ngx_llmops_redis_node_lost(node, node->stalled ? "no reply"
                                                   : "its address is not known",
                                   0);
        return;
    }

    ngx_queue_init(&due);

    ngx_llmops_redis_node_overdue(node, &node->sent, &due);
    ngx_llmops_redis_node_overdue(node, &node->waiting, &due);

    if (!ngx_queue_empty(&due)) {

        if (ngx_llmops_redis_node_overdue_sent(&due)) {
            ngx_llmops_redis_node_stall(node);

        } else if (node->state == NGX_LLMOPS_REDIS_WAITING && !node->late) {
            node->late = 1;
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


static ngx_uint_t
ngx_llmops_redis_node_overdue_sent(ngx_queue_t *due)
{
    ngx_llmops_redis_cmd_t  *cmd;

    /* those that have been sent come first */

    cmd = ngx_queue_data(ngx_queue_head(due), ngx_llmops_redis_cmd_t, due);

    return cmd->end != 0;
}


static void
ngx_llmops_redis_node_stall(ngx_llmops_redis_node_t *node)
{
    if (node->stalled) {
        return;
    }

    node->stalled = 1;
    node->silent_since = ngx_current_msec;

    ngx_llmops_redis_stats_up(node->redis);
}


void
ngx_llmops_redis_node_probe(ngx_llmops_redis_node_t *node)
{
    ngx_str_t  argv[1];

    if (node->state != NGX_LLMOPS_REDIS_UP || node->doom
        || !ngx_queue_empty(&node->waiting))
    {
        return;
    }

    ngx_str_set(&argv[0], "PING");
    ngx_llmops_redis_node_ask(node, ngx_llmops_redis_node_probed, 1, argv);
}


/* without a reply: in time; a late one is followed by the next probe */

static void
ngx_llmops_redis_node_probed(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_node_t *node = data;

    if (reply == NULL) {
        return;
    }

    if (reply->type == REDIS_REPLY_ERROR && ngx_llmops_redis_unusable(reply)) {
        ngx_llmops_redis_node_drain(node, "PING", reply);
        return;
    }

    node->stalled = 0;
    ngx_llmops_redis_stats_up(node->redis);

    if (node != node->redis->sentinel) {
        ngx_llmops_redis_is_up(node);
    }
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

        if (!cmd->internal) {
            ngx_llmops_redis_stats_count(cmd->redis, NGX_LLMOPS_REDIS_TIMEOUT);
        }

        if (cmd->end == 0) {                 /* it has not been sent */
            ngx_queue_remove(&cmd->queue);
            ngx_llmops_redis_node_count(node, cmd, -1);
            ngx_llmops_redis_cmd_done(cmd, NULL, 0, NGX_LLMOPS_REDIS_TIMEOUT);
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
    ngx_msec_int_t  nearest, waiting, dead;

    if (node->timer.timer_set) {
        ngx_del_timer(&node->timer);
    }

    nearest = ngx_llmops_redis_node_nearest(node, &node->sent);
    waiting = ngx_llmops_redis_node_nearest(node, &node->waiting);
    nearest = ngx_min(nearest, waiting);

    if (nearest == NGX_LLMOPS_REDIS_NEVER) {
        node->mixed = 0;
    }

    /* a worker that shuts down waits for replies, not for a sign of life */

    node->timer.cancelable = (nearest == NGX_LLMOPS_REDIS_NEVER);

    if (node->stalled || node->late) {
        dead = (ngx_msec_int_t) (node->silent_since + NGX_LLMOPS_REDIS_DEAD
                                 - ngx_current_msec);
        nearest = ngx_min(nearest, dead);
    }

    if (nearest != NGX_LLMOPS_REDIS_NEVER) {
        ngx_add_timer(&node->timer, (ngx_msec_t) ngx_max(nearest, 0));
    }
}


/* ms until the first deadline that has not been told */

static ngx_msec_int_t
ngx_llmops_redis_node_nearest(ngx_llmops_redis_node_t *node,
    ngx_queue_t *queue)
{
    ngx_queue_t             *q;
    ngx_msec_int_t           left, nearest;
    ngx_llmops_redis_cmd_t  *cmd;

    nearest = NGX_LLMOPS_REDIS_NEVER;

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

    return nearest;
}


void
ngx_llmops_redis_node_drop(ngx_llmops_redis_node_t *node, ngx_uint_t tell)
{
    ngx_queue_t  all;

    /* a handler may send again, which must not be dropped with the rest */

    ngx_queue_init(&all);
    ngx_queue_add(&all, &node->sent);
    ngx_queue_init(&node->sent);
    ngx_queue_add(&all, &node->waiting);
    ngx_queue_init(&node->waiting);

    node->commands = 0;
    node->bytes = 0;
    node->mixed = 0;

    ngx_llmops_redis_node_fail(node, &all, tell);
}


void
ngx_llmops_redis_node_part(ngx_llmops_redis_node_t *node)
{
    ngx_queue_t              all, *q, *next;
    ngx_llmops_redis_cmd_t  *cmd;

    ngx_queue_init(&all);
    ngx_queue_add(&all, &node->sent);
    ngx_queue_init(&node->sent);

    for (q = ngx_queue_head(&node->waiting);
         q != ngx_queue_sentinel(&node->waiting);
         q = next)
    {
        next = ngx_queue_next(q);
        cmd = ngx_queue_data(q, ngx_llmops_redis_cmd_t, queue);

        if (cmd->pinned || cmd->internal) {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&all, q);
        }
    }

    for (q = ngx_queue_head(&all);
         q != ngx_queue_sentinel(&all);
         q = ngx_queue_next(q))
    {
        cmd = ngx_queue_data(q, ngx_llmops_redis_cmd_t, queue);
        ngx_llmops_redis_node_count(node, cmd, -1);
    }

    ngx_llmops_redis_node_arm(node);
    ngx_llmops_redis_node_fail(node, &all, 1);
}


/* the end of commands that are no longer the node's */

static void
ngx_llmops_redis_node_fail(ngx_llmops_redis_node_t *node, ngx_queue_t *all,
    ngx_uint_t tell)
{
    ngx_uint_t               sent;
    ngx_queue_t             *q;
    ngx_llmops_redis_cmd_t  *cmd;

    while (!ngx_queue_empty(all)) {

        q = ngx_queue_head(all);
        cmd = ngx_queue_data(q, ngx_llmops_redis_cmd_t, queue);

        ngx_queue_remove(q);

        /* what has not left in whole cannot have been carried out */

        sent = (cmd->end && cmd->end <= node->written);

        if (!tell) {
            cmd->handler = NULL;
        }

        ngx_llmops_redis_cmd_done(cmd, NULL, sent, NGX_LLMOPS_REDIS_LOST);
    }
}
