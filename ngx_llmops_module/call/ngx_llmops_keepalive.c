
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"


/*
 * Idle connections of one worker to one provider.  A handshake with a provider
 * costs three round trips over the Internet, so that a cache is not left to
 * the configuration.  The last one put is the first one taken: it is the least
 * likely to be stale, and a burst's surplus dies of old age.
 *
 * Invariants:  an item in the queue idle has a connection that is open, has
 * c->idle set and the item as its data;  an item in the queue free has none;
 * count is the number of idle items, at most max.
 */

#define NGX_LLMOPS_IDLE_TIMEOUT     60000      /* ms without use */
#define NGX_LLMOPS_IDLE_REQUESTS    1000       /* of one connection */
#define NGX_LLMOPS_IDLE_AGE         3600000    /* ms since it was opened */


typedef struct {
    ngx_queue_t                queue;
    ngx_llmops_provider_t     *provider;
    ngx_connection_t          *connection;
    socklen_t                  socklen;
    ngx_sockaddr_t             sockaddr;
} ngx_llmops_idle_t;


static ngx_uint_t ngx_llmops_keepalive_fit(ngx_http_upstream_t *u,
    ngx_connection_t *c, ngx_uint_t state);
static ngx_uint_t ngx_llmops_keepalive_silent(ngx_connection_t *c);
static ngx_llmops_idle_t *ngx_llmops_keepalive_item(ngx_llmops_provider_t *p);
static void ngx_llmops_keepalive_log(ngx_connection_t *c, ngx_log_t *log);
static void ngx_llmops_keepalive_drop(ngx_llmops_idle_t *item);
static void ngx_llmops_keepalive_release(ngx_llmops_idle_t *item);
static void ngx_llmops_keepalive_read(ngx_event_t *rev);
static void ngx_llmops_keepalive_write(ngx_event_t *wev);
static void ngx_llmops_keepalive_close(ngx_connection_t *c);


ngx_int_t
ngx_llmops_keepalive_get(ngx_llmops_provider_t *p, ngx_peer_connection_t *pc)
{
    ngx_queue_t        *q, *idle, *next;
    ngx_connection_t   *c;
    ngx_llmops_idle_t  *item;

    idle = &p->keepalive.idle;

    for (q = ngx_queue_head(idle); q != ngx_queue_sentinel(idle); q = next) {
        next = ngx_queue_next(q);

        item = ngx_queue_data(q, ngx_llmops_idle_t, queue);

        if (ngx_memn2cmp((u_char *) &item->sockaddr, (u_char *) pc->sockaddr,
                         item->socklen, pc->socklen)
            != 0)
        {
            continue;
        }

        c = item->connection;

        if (!ngx_llmops_keepalive_silent(c)) {
            ngx_llmops_keepalive_drop(item);
            continue;
        }

        ngx_log_debug1(NGX_LOG_DEBUG_HTTP, pc->log, 0,
                       "llm keepalive: taking connection %p", c);

        ngx_llmops_keepalive_release(item);

        if (c->read->timer_set) {
            ngx_del_timer(c->read);
        }

        c->idle = 0;
        c->sent = 0;
        c->data = NULL;
        ngx_llmops_keepalive_log(c, pc->log);

        pc->connection = c;
        pc->cached = 1;

        return NGX_DONE;
    }

    return NGX_DECLINED;
}


void
ngx_llmops_keepalive_put(ngx_llmops_provider_t *p, ngx_http_upstream_t *u,
    ngx_peer_connection_t *pc, ngx_uint_t state)
{
    ngx_connection_t   *c;
    ngx_llmops_idle_t  *item;

    c = pc->connection;

    if (c == NULL
        || p->keepalive.max == 0
        || !ngx_llmops_keepalive_fit(u, c, state)
        || ngx_handle_read_event(c->read, 0) != NGX_OK)
    {
        return;
    }

    item = ngx_llmops_keepalive_item(p);
    if (item == NULL) {
        return;
    }

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, pc->log, 0,
                   "llm keepalive: keeping connection %p", c);

    pc->connection = NULL;

    item->connection = c;
    item->socklen = pc->socklen;
    ngx_memcpy(&item->sockaddr, pc->sockaddr, pc->socklen);

    ngx_queue_insert_head(&p->keepalive.idle, &item->queue);
    p->keepalive.count++;

    if (c->write->timer_set) {
        ngx_del_timer(c->write);
    }

    c->read->delayed = 0;
    ngx_add_timer(c->read, NGX_LLMOPS_IDLE_TIMEOUT);

    c->read->handler = ngx_llmops_keepalive_read;
    c->write->handler = ngx_llmops_keepalive_write;

    c->data = item;
    c->idle = 1;
    ngx_llmops_keepalive_log(c, ngx_cycle->log);

    if (c->read->ready) {
        ngx_llmops_keepalive_read(c->read);
    }
}


/* whether the connection is where the next request may begin */

static ngx_uint_t
ngx_llmops_keepalive_fit(ngx_http_upstream_t *u, ngx_connection_t *c,
    ngx_uint_t state)
{
    if ((state & NGX_PEER_FAILED)
        || c->read->eof
        || c->read->error
        || c->read->timedout
        || c->write->error
        || c->write->timedout
        || c->error)
    {
        return 0;
    }

    if (!u->keepalive || !u->request_body_sent) {
        return 0;
    }

    if (c->requests >= NGX_LLMOPS_IDLE_REQUESTS
        || ngx_current_msec - c->start_time > NGX_LLMOPS_IDLE_AGE)
    {
        return 0;
    }

    /* bytes that nobody asked for would become the next answer */

    if (c->ssl && SSL_pending(c->ssl->connection)) {
        return 0;
    }

    return !ngx_terminate && !ngx_exiting;
}


/*
 * Whether there is nothing to be read.  That is asked once more when a
 * connection is taken, although its event would tell: the event may come later
 * in this turn of the loop.  Bytes after the end of one caller's answer must
 * never become another caller's, and a request had better not be sent into a
 * connection that has been closed.
 */

static ngx_uint_t
ngx_llmops_keepalive_silent(ngx_connection_t *c)
{
    char  byte[1];

    return recv(c->fd, byte, 1, MSG_PEEK) == -1
           && ngx_socket_errno == NGX_EAGAIN;
}


/* an item that is in no queue; the oldest connection gives way */

static ngx_llmops_idle_t *
ngx_llmops_keepalive_item(ngx_llmops_provider_t *p)
{
    ngx_queue_t             *q;
    ngx_llmops_idle_t       *item;
    ngx_llmops_keepalive_t  *ka;

    ka = &p->keepalive;

    if (ka->count >= ka->max) {
        q = ngx_queue_last(&ka->idle);
        ngx_llmops_keepalive_drop(ngx_queue_data(q, ngx_llmops_idle_t, queue));
    }

    if (!ngx_queue_empty(&ka->free)) {
        q = ngx_queue_head(&ka->free);
        ngx_queue_remove(q);

        return ngx_queue_data(q, ngx_llmops_idle_t, queue);
    }

    item = ngx_alloc(sizeof(ngx_llmops_idle_t), ngx_cycle->log);
    if (item == NULL) {
        return NULL;
    }

    item->provider = p;

    return item;
}


static void
ngx_llmops_keepalive_log(ngx_connection_t *c, ngx_log_t *log)
{
    c->log = log;
    c->read->log = log;
    c->write->log = log;
    c->pool->log = log;
}


/* the item has no connection any more */

static void
ngx_llmops_keepalive_release(ngx_llmops_idle_t *item)
{
    ngx_llmops_keepalive_t  *ka;

    ka = &item->provider->keepalive;

    item->connection = NULL;

    ngx_queue_remove(&item->queue);
    ngx_queue_insert_head(&ka->free, &item->queue);

    ka->count--;
}


static void
ngx_llmops_keepalive_drop(ngx_llmops_idle_t *item)
{
    ngx_connection_t  *c;

    c = item->connection;

    ngx_llmops_keepalive_release(item);
    ngx_llmops_keepalive_close(c);
}


/*
 * The provider has closed, or sent what nobody asked for; the connection is
 * too old; or nginx wants to exit and has set c->close.
 */

static void
ngx_llmops_keepalive_read(ngx_event_t *rev)
{
    ngx_connection_t  *c;

    c = rev->data;

    ngx_log_debug1(NGX_LOG_DEBUG_HTTP, rev->log, 0,
                   "llm keepalive: event on connection %p", c);

    if (!c->close && !rev->timedout && ngx_llmops_keepalive_silent(c)) {
        rev->ready = 0;

        if (ngx_handle_read_event(rev, 0) == NGX_OK) {
            return;
        }
    }

    ngx_llmops_keepalive_drop(c->data);
}


static void
ngx_llmops_keepalive_write(ngx_event_t *wev)
{
    ngx_log_debug0(NGX_LOG_DEBUG_HTTP, wev->log, 0,
                   "llm keepalive: write event");
}


/* also called again by ngx_ssl_shutdown() when it can go on */

static void
ngx_llmops_keepalive_close(ngx_connection_t *c)
{
    if (c->ssl) {
        c->ssl->no_wait_shutdown = 1;
        c->ssl->no_send_shutdown = 1;

        if (ngx_ssl_shutdown(c) == NGX_AGAIN) {
            c->ssl->handler = ngx_llmops_keepalive_close;
            return;
        }
    }

    ngx_destroy_pool(c->pool);
    ngx_close_connection(c);
}


void
ngx_llmops_keepalive_stop(ngx_llmops_provider_t *p)
{
    ngx_queue_t        *q;
    ngx_llmops_idle_t  *item;

    while (!ngx_queue_empty(&p->keepalive.idle)) {
        q = ngx_queue_head(&p->keepalive.idle);
        ngx_llmops_keepalive_drop(ngx_queue_data(q, ngx_llmops_idle_t, queue));
    }

    while (!ngx_queue_empty(&p->keepalive.free)) {
        q = ngx_queue_head(&p->keepalive.free);
        ngx_queue_remove(q);

        item = ngx_queue_data(q, ngx_llmops_idle_t, queue);
        ngx_free(item);
    }
}
