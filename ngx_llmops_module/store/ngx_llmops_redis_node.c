
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * One server: its connection comes and goes here, commands and replies pass
 * in ngx_llmops_redis_pipe.c.
 *
 *     IDLE -> OPENING -> GREETING -> UP
 *              ^   \________|_______/
 *              |            v
 *              +------- WAITING
 *
 * Every way out of the right side is lost().  A connection that was good and
 * is closed by the server is opened again at once, since mostly the server has
 * only been restarted, and commands wait for that; whatever fails after that
 * waits for longer each time, and meanwhile commands fail at once.  The pause
 * has an upper bound below a second, so that limits hold again soon after the
 * server is back, and is spread, so that workers do not come together.
 *
 * Nothing is closed while a handler runs: a handler that finds a reason leaves
 * it (doom), and who called it closes.
 */


static void ngx_llmops_redis_node_opened(ngx_llmops_net_t *net);
static void ngx_llmops_redis_node_failed(ngx_llmops_net_t *net);
static void ngx_llmops_redis_node_again(ngx_event_t *ev);
static void ngx_llmops_redis_node_close(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_node_pause(ngx_llmops_redis_node_t *node,
    const char *error);
static void ngx_llmops_redis_node_recovered(ngx_llmops_redis_node_t *node);
static void ngx_llmops_redis_node_say(ngx_llmops_redis_node_t *node,
    const char *error, ngx_msec_t delay);


ngx_llmops_redis_node_t *
ngx_llmops_redis_node_create(ngx_llmops_redis_t *redis,
    const ngx_llmops_redis_role_t *role, ngx_str_t *host, in_port_t port)
{
    ngx_llmops_redis_node_t  *node;

    node = ngx_calloc(sizeof(ngx_llmops_redis_node_t), redis->log);
    if (node == NULL) {
        return NULL;
    }

    node->redis = redis;
    node->role = role;

    ngx_queue_init(&node->waiting);
    ngx_queue_init(&node->sent);

    node->timer.handler = ngx_llmops_redis_node_expire;
    node->timer.data = node;
    node->timer.log = redis->log;

    node->pause.handler = ngx_llmops_redis_node_again;
    node->pause.data = node;
    node->pause.log = redis->log;
    node->pause.cancelable = 1;

    node->flush.handler = ngx_llmops_redis_node_flush;
    node->flush.data = node;
    node->flush.log = redis->log;

    node->net.server = redis->conf->server;
    node->net.tls = redis->conf->tls;
    node->net.resolver = redis->conf->resolver;
    node->net.timeout = NGX_LLMOPS_REDIS_CONNECT;
    node->net.log = redis->log;
    node->net.opened = ngx_llmops_redis_node_opened;
    node->net.readable = ngx_llmops_redis_node_readable;
    node->net.writable = ngx_llmops_redis_node_writable;
    node->net.failed = ngx_llmops_redis_node_failed;
    node->net.data = node;

    if (ngx_llmops_redis_node_address(node, host, port) != NGX_OK) {
        ngx_free(node);
        return NULL;
    }

    return node;
}


ngx_int_t
ngx_llmops_redis_node_address(ngx_llmops_redis_node_t *node, ngx_str_t *host,
    in_port_t port)
{
    if (host->len == 0 || host->len > NGX_LLMOPS_REDIS_HOST) {
        return NGX_ERROR;
    }

    *ngx_cpymem(node->host, host->data, host->len) = '\0';

    node->net.host.data = node->host;
    node->net.host.len = host->len;
    node->net.port = port;

    node->name.data = node->text;
    node->name.len = ngx_llmops_redis_name(node->text, host, port);

    return NGX_OK;
}


size_t
ngx_llmops_redis_name(u_char *buf, ngx_str_t *host, in_port_t port)
{
    u_char     *p;
    ngx_int_t   family;

    family = ngx_llmops_net_family(host);

    if (family == AF_UNIX) {
        p = ngx_sprintf(buf, "%V", host);

    } else if (family == AF_INET6 && host->data[0] != '[') {
        p = ngx_sprintf(buf, "[%V]:%d", host, (int) port);

    } else {
        p = ngx_sprintf(buf, "%V:%d", host, (int) port);
    }

    return p - buf;
}


void
ngx_llmops_redis_node_destroy(ngx_llmops_redis_node_t *node)
{
    ngx_llmops_redis_node_close(node);
    ngx_llmops_redis_node_drop(node, 0);

    ngx_free(node);
}


void
ngx_llmops_redis_node_soon(ngx_llmops_redis_node_t *node)
{
    node->state = NGX_LLMOPS_REDIS_WAITING;

    ngx_add_timer(&node->pause, 0);
}


void
ngx_llmops_redis_node_open(ngx_llmops_redis_node_t *node)
{
    if (node->state != NGX_LLMOPS_REDIS_IDLE
        && node->state != NGX_LLMOPS_REDIS_WAITING)
    {
        return;
    }

    if (node->pause.timer_set) {
        ngx_del_timer(&node->pause);
    }

    node->state = NGX_LLMOPS_REDIS_OPENING;
    node->late = 0;
    node->generation++;
    node->doom = NULL;
    node->drain = 0;

    if (ngx_llmops_net_open(&node->net) != NGX_OK) {
        ngx_llmops_redis_node_lost(node, "no memory, or none of "
                                   "worker_connections is free", 0);
    }
}


static void
ngx_llmops_redis_node_opened(ngx_llmops_net_t *net)
{
    ngx_llmops_redis_node_t *node = net->data;

    node->reader = redisReaderCreate();

    if (node->reader == NULL) {
        ngx_llmops_redis_node_lost(node, "no memory", 0);
        return;
    }

    ngx_llmops_resp_init(&node->scan, NGX_LLMOPS_REDIS_REPLY,
                         NGX_LLMOPS_REDIS_ELEMENTS);

    node->given = 0;
    node->written = 0;
    node->state = NGX_LLMOPS_REDIS_GREETING;

    node->role->greet(node);

    if (node->doom) {
        ngx_llmops_redis_node_lost(node, node->doom, 0);
    }
}


static void
ngx_llmops_redis_node_failed(ngx_llmops_net_t *net)
{
    ngx_llmops_redis_node_lost(net->data, net->error, 0);
}


void
ngx_llmops_redis_node_ready(ngx_llmops_redis_node_t *node)
{
    node->state = NGX_LLMOPS_REDIS_UP;
    node->up_since = ngx_current_msec;
    node->stalled = 0;

    if (node->failing && !node->flapping) {
        ngx_llmops_redis_node_recovered(node);
    }

    if (!ngx_queue_empty(&node->waiting)) {
        ngx_post_event(&node->flush, &ngx_posted_events);
    }

    ngx_llmops_redis_stats_up(node->redis);

    node->role->up(node);
}


static void
ngx_llmops_redis_node_recovered(ngx_llmops_redis_node_t *node)
{
    node->failing = 0;

    ngx_log_error(NGX_LOG_NOTICE, node->redis->log, 0,
                  "redis \"%V\" can be asked again", &node->name);
}


void
ngx_llmops_redis_node_settled(ngx_llmops_redis_node_t *node)
{
    if (node->state != NGX_LLMOPS_REDIS_UP
        || ngx_current_msec - node->up_since < NGX_LLMOPS_REDIS_STABLE)
    {
        return;
    }

    node->flapping = 0;
    node->said[0] = '\0';

    if (node->failing) {
        ngx_llmops_redis_node_recovered(node);
    }
}


void
ngx_llmops_redis_node_doom(ngx_llmops_redis_node_t *node, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    if (node->doom) {
        return;                              /* the first reason is the cause */
    }

    va_start(args, fmt);
    p = ngx_vslprintf(node->reason, node->reason + NGX_LLMOPS_NET_TEXT - 1,
                      fmt, args);
    va_end(args);

    *p = '\0';

    node->doom = (char *) node->reason;
}


void
ngx_llmops_redis_node_drain(ngx_llmops_redis_node_t *node,
    const char *command, redisReply *reply)
{
    if (node->doom == NULL) {
        node->drain = 1;
        ngx_llmops_redis_node_doom(node, "%s: %s", command, reply->str);
    }
}


void
ngx_llmops_redis_node_lost(ngx_llmops_redis_node_t *node, const char *error,
    ngx_uint_t quick)
{
    if (node->state == NGX_LLMOPS_REDIS_UP) {

        /* a reason that has been logged is so again only after a good time */

        node->flapping = 1;
        ngx_llmops_redis_node_settled(node);
    }

    if (quick && node->state == NGX_LLMOPS_REDIS_UP && !node->flapping) {
        node->failures = 0;

    } else {
        node->failures++;
    }

    ngx_llmops_redis_node_close(node);
    ngx_llmops_redis_node_pause(node, error);

    node->role->down(node);

    /* handlers find that nothing can be sent, unless it comes back at once */

    ngx_llmops_redis_node_drop(node, 1);

    node->doom = NULL;
}


void
ngx_llmops_redis_node_idle(ngx_llmops_redis_node_t *node)
{
    ngx_llmops_redis_node_close(node);

    node->state = NGX_LLMOPS_REDIS_IDLE;
    node->failures = 0;

    ngx_llmops_redis_node_drop(node, 1);
}


void
ngx_llmops_redis_node_move(ngx_llmops_redis_node_t *node, ngx_str_t *host,
    in_port_t port)
{
    ngx_llmops_redis_node_close(node);

    (void) ngx_llmops_redis_node_address(node, host, port);

    node->state = NGX_LLMOPS_REDIS_WAITING;
    node->failures = 0;

    /* who is told may send again: it waits for the new connection, as what
       has come before the first one was found does */

    ngx_llmops_redis_node_part(node);
    ngx_llmops_redis_node_open(node);
}


static void
ngx_llmops_redis_node_close(ngx_llmops_redis_node_t *node)
{
    ngx_llmops_net_close(&node->net);

    if (node->reader) {
        redisReaderFree(node->reader);
        node->reader = NULL;
    }

    if (node->out) {
        ngx_explicit_memzero(node->out, node->out_len);
        ngx_free(node->out);
        node->out = NULL;
    }

    node->out_pos = 0;
    node->out_len = 0;
    node->out_size = 0;

    if (node->timer.timer_set) {
        ngx_del_timer(&node->timer);
    }

    if (node->pause.timer_set) {
        ngx_del_timer(&node->pause);
    }

    if (node->flush.posted) {
        ngx_delete_posted_event(&node->flush);
    }

    node->state = NGX_LLMOPS_REDIS_IDLE;
    node->stalled = 0;
    node->late = 0;
    node->generation++;

    ngx_llmops_redis_stats_up(node->redis);
}


/* WAITING, for as long as the number of failures says */

static void
ngx_llmops_redis_node_pause(ngx_llmops_redis_node_t *node, const char *error)
{
    ngx_msec_t  delay;

    delay = 0;

    if (node->failures) {
        delay = (ngx_msec_t) NGX_LLMOPS_REDIS_BACKOFF_MIN
                << ngx_min(node->failures - 1, 8);
        delay = ngx_min(delay, NGX_LLMOPS_REDIS_BACKOFF_MAX);
        delay = delay * 3 / 4 + (ngx_msec_t) ngx_random() % (delay / 2);
    }

    ngx_llmops_redis_node_say(node, error, delay);

    node->state = NGX_LLMOPS_REDIS_WAITING;

    ngx_add_timer(&node->pause, delay);
}


/* once for each reason, not for each attempt */

static void
ngx_llmops_redis_node_say(ngx_llmops_redis_node_t *node, const char *error,
    ngx_msec_t delay)
{
    if (error == NULL) {
        error = "connection failed";
    }

    if (node->failures == 0) {
        ngx_log_error(NGX_LOG_INFO, node->redis->log, 0,
                      "redis \"%V\": %s, %ui commands under way",
                      &node->name, error, node->commands);
        return;
    }

    node->failing = 1;

    if (ngx_strcmp(node->said, error) == 0) {
        return;
    }

    (void) ngx_cpystrn(node->said, (u_char *) error, NGX_LLMOPS_NET_TEXT);

    ngx_log_error(NGX_LOG_ERR, node->redis->log, 0,
                  "redis \"%V\" cannot be asked: %s, %ui commands under way, "
                  "next attempt in %Mms", &node->name, error, node->commands,
                  delay);
}


static void
ngx_llmops_redis_node_again(ngx_event_t *ev)
{
    ngx_llmops_redis_node_t *node = ev->data;

    if (ngx_terminate) {
        return;
    }

    node->role->retry(node);
}
