
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_net.h"


/*
 * One connection of the gateway's own.  The list of functions is the list of
 * its states:
 *
 *     open -> (lookup ->) connect -> connected -> (handshake ->) opened
 *
 * and from each of them there is one way out, fail().  One timer serves them
 * all: it is the deadline of the whole, except where something has to be told
 * to the owner that is known already within a call of his; then it is the next
 * turn of the event loop ("step").  So an owner's handlers are never called
 * from within his own calls, and may close, free and open as they like.
 *
 * A name may have several addresses, some of which are dead: they are tried
 * one after the other, each with its share of the time that is left.
 *
 * nginx logs each connection that fails, at levels that wake people up, and
 * without saying whose it was.  Here that goes to a log of the connection's
 * own, which keeps the last text; only alerts, which are about this machine,
 * and debugging pass through.
 */


#define NGX_LLMOPS_NET_POOL  512


static ngx_int_t ngx_llmops_net_start(ngx_llmops_net_t *net);
static void ngx_llmops_net_log(ngx_llmops_net_t *net);
static void ngx_llmops_net_keep(ngx_log_t *log, ngx_uint_t level, u_char *buf,
    size_t len);
static u_char *ngx_llmops_net_message(u_char *p, u_char *last);
static ngx_int_t ngx_llmops_net_connect_one(ngx_llmops_net_t *net,
    ngx_llmops_net_addr_t *addr);
static void ngx_llmops_net_connect_handler(ngx_event_t *ev);
static ngx_int_t ngx_llmops_net_test(ngx_connection_t *c);
static void ngx_llmops_net_connected(ngx_llmops_net_t *net);
static void ngx_llmops_net_handshaken(ngx_llmops_net_t *net, ngx_int_t rc,
    const char *error);
static void ngx_llmops_net_again(ngx_llmops_net_t *net, const char *error);
static void ngx_llmops_net_timer(ngx_event_t *ev);
static void ngx_llmops_net_disconnect(ngx_llmops_net_t *net);
static void ngx_llmops_net_read(ngx_event_t *ev);
static void ngx_llmops_net_write(ngx_event_t *ev);


ngx_int_t
ngx_llmops_net_open(ngx_llmops_net_t *net)
{
    ngx_memzero(&net->timer, sizeof(ngx_event_t));

    net->timer.handler = ngx_llmops_net_timer;
    net->timer.data = net;
    net->timer.log = net->log;
    net->timer.cancelable = 1;

    net->deadline = ngx_current_msec + net->timeout;
    net->error = NULL;
    net->step = NULL;
    net->naddrs = 0;
    net->turn = 0;
    net->open = 0;
    net->blocked = 0;

    ngx_llmops_net_log(net);

    net->pool = ngx_create_pool(NGX_LLMOPS_NET_POOL, &net->quiet);
    if (net->pool == NULL) {
        return NGX_ERROR;
    }

    if (ngx_llmops_net_start(net) != NGX_OK) {
        ngx_llmops_net_close(net);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_net_start(ngx_llmops_net_t *net)
{
    net->addrs = ngx_palloc(net->pool, NGX_LLMOPS_NET_ADDRS
                                       * sizeof(ngx_llmops_net_addr_t));
    if (net->addrs == NULL) {
        return NGX_ERROR;
    }

    if (ngx_llmops_net_literal(net) != NGX_OK) {
        return ngx_llmops_net_lookup(net);
    }

    return ngx_llmops_net_connect(net);
}


static void
ngx_llmops_net_log(ngx_llmops_net_t *net)
{
    ngx_memzero(&net->quiet, sizeof(ngx_log_t));

    net->quiet.log_level = ngx_max(net->log->log_level, NGX_LOG_ERR);
    net->quiet.file = net->log->file;
    net->quiet.writer = ngx_llmops_net_keep;
    net->quiet.wdata = net;
}


static void
ngx_llmops_net_keep(ngx_log_t *log, ngx_uint_t level, u_char *buf, size_t len)
{
    ngx_llmops_net_t *net = log->wdata;

    u_char  *p, *last;

    last = buf + len;
    p = ngx_llmops_net_message(buf, last);

    while (last > p && (last[-1] == LF || last[-1] == CR)) {
        last--;
    }

    if (level <= NGX_LOG_ALERT || level == NGX_LOG_DEBUG) {
        if (net->log->log_level >= level) {
            ngx_log_error_core(level, net->log, 0, "%*s", last - p, p);
        }

        return;
    }

    if (level <= NGX_LOG_ERR) {
        len = ngx_min((size_t) (last - p), NGX_LLMOPS_NET_TEXT - 1);

        *ngx_cpymem(net->text, p, len) = '\0';
        net->error = (char *) net->text;
    }
}


/* what follows "2026/11/25 18:00:00 [err] 12#12: " */

static u_char *
ngx_llmops_net_message(u_char *p, u_char *last)
{
    u_char  *start;

    for (start = p; p + 1 < last; p++) {
        if (p[0] == ':' && p[1] == ' ') {
            return p + 2;
        }
    }

    return start;
}


/* the next address that does not refuse at once; NGX_ERROR: no descriptor */

ngx_int_t
ngx_llmops_net_connect(ngx_llmops_net_t *net)
{
    ngx_int_t  rc;

    while (net->turn < net->naddrs) {

        rc = ngx_llmops_net_connect_one(net, &net->addrs[net->turn++]);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc == NGX_OK) {
            ngx_llmops_net_later(net, ngx_llmops_net_connected, NULL);
            return NGX_OK;
        }

        if (rc == NGX_AGAIN) {
            ngx_llmops_net_arm(net, net->naddrs - net->turn + 1);
            return NGX_OK;
        }
    }

    ngx_llmops_net_later(net, ngx_llmops_net_fail, "cannot be connected");

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_net_connect_one(ngx_llmops_net_t *net, ngx_llmops_net_addr_t *addr)
{
    u_char                 text[NGX_SOCKADDR_STRLEN];
    ngx_int_t              rc;
    ngx_str_t              name;
    ngx_connection_t      *c;
    ngx_peer_connection_t  pc;

    name.data = text;
    name.len = ngx_sock_ntop(&addr->sockaddr.sockaddr, addr->socklen, text,
                             NGX_SOCKADDR_STRLEN, 1);

    ngx_memzero(&pc, sizeof(ngx_peer_connection_t));

    pc.sockaddr = &addr->sockaddr.sockaddr;
    pc.socklen = addr->socklen;
    pc.name = &name;
    pc.get = ngx_event_get_peer;
    pc.log = &net->quiet;
    pc.log_error = NGX_ERROR_ERR;
    pc.so_keepalive = (addr->sockaddr.sockaddr.sa_family != AF_UNIX);

    rc = ngx_event_connect_peer(&pc);

    if (rc != NGX_OK && rc != NGX_AGAIN) {
        return rc;
    }

    c = pc.connection;

    c->data = net;
    c->pool = net->pool;
    c->read->handler = ngx_llmops_net_connect_handler;
    c->write->handler = ngx_llmops_net_connect_handler;

    net->connection = c;

    return rc;
}


static void
ngx_llmops_net_connect_handler(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;

    ngx_llmops_net_t  *net;

    net = c->data;

    if (net->step) {
        return;                              /* its turn comes with the timer */
    }

    if (c->close || ngx_llmops_net_test(c) != NGX_OK) {
        ngx_llmops_net_again(net, "connect() failed");
        return;
    }

    ngx_llmops_net_connected(net);
}


static ngx_int_t
ngx_llmops_net_test(ngx_connection_t *c)
{
    int        err;
    socklen_t  len;

    err = 0;
    len = sizeof(int);

    if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, (void *) &err, &len) == -1) {
        err = ngx_socket_errno;
    }

    if (err) {
        ngx_log_error(NGX_LOG_ERR, c->log, err, "connect() failed");
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_llmops_net_connected(ngx_llmops_net_t *net)
{
    ngx_connection_t  *c;

    c = net->connection;

    if (ngx_tcp_nodelay(c) != NGX_OK) {
        ngx_llmops_net_again(net, "setsockopt(TCP_NODELAY) failed");
        return;
    }

    ngx_llmops_net_arm(net, 1);

    if (net->tls) {
        ngx_llmops_net_handshake(net, ngx_llmops_net_handshaken);
        return;
    }

    ngx_llmops_net_handshaken(net, NGX_OK, NULL);
}


static void
ngx_llmops_net_handshaken(ngx_llmops_net_t *net, ngx_int_t rc,
    const char *error)
{
    ngx_connection_t  *c;

    if (rc != NGX_OK) {
        if (error) {
            net->error = error;
        }

        ngx_llmops_net_fail(net);
        return;
    }

    c = net->connection;

    c->read->handler = ngx_llmops_net_read;
    c->write->handler = ngx_llmops_net_write;

    if (net->timer.timer_set) {
        ngx_del_timer(&net->timer);
    }

    net->open = 1;
    net->error = NULL;

    /* what came with the end of the handshake makes no event of its own */

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);
    }

    net->opened(net);
}


/* the present address does not answer: the next one, if there is one */

static void
ngx_llmops_net_again(ngx_llmops_net_t *net, const char *error)
{
    ngx_llmops_net_disconnect(net);

    if (net->error == NULL) {
        net->error = error;
    }

    if (net->turn == net->naddrs || ngx_llmops_net_connect(net) != NGX_OK) {
        ngx_llmops_net_fail(net);
    }
}


/* in the next turn of the event loop */

void
ngx_llmops_net_later(ngx_llmops_net_t *net, ngx_llmops_net_pt step,
    const char *error)
{
    if (net->error == NULL) {
        net->error = error;
    }

    net->step = step;

    if (net->timer.timer_set) {
        ngx_del_timer(&net->timer);
    }

    ngx_add_timer(&net->timer, 0);
}


/* the deadline; share: of how many addresses this is one */

void
ngx_llmops_net_arm(ngx_llmops_net_t *net, ngx_uint_t share)
{
    ngx_msec_int_t  left;

    left = (ngx_msec_int_t) (net->deadline - ngx_current_msec);
    left = ngx_max(left, 1);

    net->step = NULL;

    if (net->timer.timer_set) {
        ngx_del_timer(&net->timer);
    }

    ngx_add_timer(&net->timer, left / share + 1);
}


static void
ngx_llmops_net_timer(ngx_event_t *ev)
{
    ngx_llmops_net_t   *net = ev->data;
    ngx_llmops_net_pt   step;

    if (net->step) {
        step = net->step;
        net->step = NULL;

        step(net);
        return;
    }

    if (net->connection == NULL) {
        net->error = "the name could not be resolved in time";
        ngx_llmops_net_fail(net);
        return;
    }

    if (net->connection->ssl) {
        net->error = "TLS handshake timed out";
        ngx_llmops_net_fail(net);
        return;
    }

    net->error = "connect() timed out";
    ngx_llmops_net_again(net, net->error);
}


void
ngx_llmops_net_fail(ngx_llmops_net_t *net)
{
    ngx_llmops_net_close(net);

    net->failed(net);
}


void
ngx_llmops_net_close(ngx_llmops_net_t *net)
{
    if (net->timer.timer_set) {
        ngx_del_timer(&net->timer);
    }

    net->step = NULL;
    net->open = 0;
    net->blocked = 0;

    if (net->lookup) {
        ngx_resolve_name_done(net->lookup);
        net->lookup = NULL;
    }

    ngx_llmops_net_disconnect(net);

    if (net->pool) {
        ngx_destroy_pool(net->pool);
        net->pool = NULL;
    }
}


static void
ngx_llmops_net_disconnect(ngx_llmops_net_t *net)
{
    ngx_connection_t  *c;

    c = net->connection;

    if (c == NULL) {
        return;
    }

    net->connection = NULL;

    if (c->ssl) {
        ngx_llmops_net_handshake_close(c);
    }

    ngx_close_connection(c);
}


ssize_t
ngx_llmops_net_recv(ngx_llmops_net_t *net, u_char *buf, size_t size)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = net->connection;

    if (c->close) {
        net->error = "the worker process is shutting down";
        return NGX_ERROR;
    }

    n = c->recv(c, buf, size);

    if (n == NGX_AGAIN && ngx_handle_read_event(c->read, 0) != NGX_OK) {
        return NGX_ERROR;
    }

    return n;
}


ssize_t
ngx_llmops_net_send(ngx_llmops_net_t *net, u_char *buf, size_t size)
{
    ssize_t            n;
    ngx_connection_t  *c;

    c = net->connection;

    n = c->send(c, buf, size);

    if (n != NGX_AGAIN) {
        return n;
    }

    net->blocked = 1;

    return (ngx_handle_write_event(c->write, 0) == NGX_OK) ? NGX_AGAIN
                                                           : NGX_ERROR;
}


static void
ngx_llmops_net_read(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;

    ngx_llmops_net_t *net = c->data;

    net->readable(net);
}


static void
ngx_llmops_net_write(ngx_event_t *ev)
{
    ngx_connection_t *c = ev->data;

    ngx_llmops_net_t *net = c->data;

    if (!net->blocked) {
        (void) ngx_handle_write_event(ev, 0);
        return;
    }

    net->blocked = 0;
    net->writable(net);
}
