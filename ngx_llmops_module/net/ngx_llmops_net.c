
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
static ngx_int_t ngx_llmops_net_literal(ngx_llmops_net_t *net);
static ngx_int_t ngx_llmops_net_unix(ngx_llmops_net_addr_t *addr,
    ngx_str_t *host);
static ngx_str_t ngx_llmops_net_bare(ngx_str_t *host);
static ngx_int_t ngx_llmops_net_lookup(ngx_llmops_net_t *net);
static void ngx_llmops_net_found(ngx_resolver_ctx_t *ctx);
static void ngx_llmops_net_address(ngx_llmops_net_t *net,
    struct sockaddr *sockaddr, socklen_t socklen);
static ngx_int_t ngx_llmops_net_connect(ngx_llmops_net_t *net);
static ngx_int_t ngx_llmops_net_connect_one(ngx_llmops_net_t *net,
    ngx_llmops_net_addr_t *addr);
static void ngx_llmops_net_connect_handler(ngx_event_t *ev);
static ngx_int_t ngx_llmops_net_test(ngx_connection_t *c);
static void ngx_llmops_net_connected(ngx_llmops_net_t *net);
static void ngx_llmops_net_handshaken(ngx_llmops_net_t *net, ngx_int_t rc,
    const char *error);
static void ngx_llmops_net_again(ngx_llmops_net_t *net, const char *error);
static void ngx_llmops_net_later(ngx_llmops_net_t *net, ngx_llmops_net_pt step,
    const char *error);
static void ngx_llmops_net_arm(ngx_llmops_net_t *net, ngx_uint_t share);
static void ngx_llmops_net_timer(ngx_event_t *ev);
static void ngx_llmops_net_fail(ngx_llmops_net_t *net);
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


/* NGX_OK: it is an address; NGX_DECLINED: a name */

static ngx_int_t
ngx_llmops_net_literal(ngx_llmops_net_t *net)
{
    ngx_str_t               host;
    struct sockaddr_in     *sin;
    ngx_llmops_net_addr_t  *addr;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6    *sin6;
#endif

    addr = net->addrs;
    host = ngx_llmops_net_bare(&net->host);

    ngx_memzero(addr, sizeof(ngx_llmops_net_addr_t));

    switch (ngx_llmops_net_family(&net->host)) {

    case AF_UNIX:
        net->naddrs = 1;
        return ngx_llmops_net_unix(addr, &host);

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = &addr->sockaddr.sockaddr_in6;
        sin6->sin6_family = AF_INET6;
        (void) ngx_inet6_addr(host.data, host.len, sin6->sin6_addr.s6_addr);
        addr->socklen = sizeof(struct sockaddr_in6);
        break;
#endif

    case AF_INET:
        sin = &addr->sockaddr.sockaddr_in;
        sin->sin_family = AF_INET;
        sin->sin_addr.s_addr = ngx_inet_addr(host.data, host.len);
        addr->socklen = sizeof(struct sockaddr_in);
        break;

    default:
        return NGX_DECLINED;
    }

    ngx_inet_set_port(&addr->sockaddr.sockaddr, net->port);
    net->naddrs = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_net_unix(ngx_llmops_net_addr_t *addr, ngx_str_t *host)
{
    struct sockaddr_un  *sun;

    sun = &addr->sockaddr.sockaddr_un;

    sun->sun_family = AF_UNIX;
    (void) ngx_cpystrn((u_char *) sun->sun_path, host->data,
                       ngx_min(host->len + 1, sizeof(sun->sun_path)));

    addr->socklen = sizeof(struct sockaddr_un);

    return NGX_OK;
}


/* without "unix:" or brackets */

static ngx_str_t
ngx_llmops_net_bare(ngx_str_t *host)
{
    ngx_str_t  bare;

    bare = *host;

    if (bare.len > 5 && ngx_strncasecmp(bare.data, (u_char *) "unix:", 5) == 0)
    {
        bare.data += 5;
        bare.len -= 5;

    } else if (bare.len > 2 && bare.data[0] == '['
               && bare.data[bare.len - 1] == ']')
    {
        bare.data += 1;
        bare.len -= 2;
    }

    return bare;
}


ngx_int_t
ngx_llmops_net_family(ngx_str_t *host)
{
    ngx_str_t  bare;
#if (NGX_HAVE_INET6)
    u_char     addr[16];
#endif

    if (host->len >= 5
        && ngx_strncasecmp(host->data, (u_char *) "unix:", 5) == 0)
    {
        return AF_UNIX;
    }

    bare = ngx_llmops_net_bare(host);

    if (ngx_inet_addr(bare.data, bare.len) != INADDR_NONE) {
        return AF_INET;
    }

#if (NGX_HAVE_INET6)

    if (ngx_inet6_addr(bare.data, bare.len, addr) == NGX_OK) {
        return AF_INET6;
    }

#endif

    return AF_UNSPEC;
}


static ngx_int_t
ngx_llmops_net_lookup(ngx_llmops_net_t *net)
{
    ngx_resolver_ctx_t  *ctx;

    if (net->resolver == NULL) {
        ngx_llmops_net_later(net, ngx_llmops_net_fail,
                             "no resolver is configured");
        return NGX_OK;
    }

    ctx = ngx_resolve_start(net->resolver, NULL);

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ctx == NGX_NO_RESOLVER) {
        ngx_llmops_net_later(net, ngx_llmops_net_fail,
                             "no resolver is configured");
        return NGX_OK;
    }

    ctx->name = net->host;
    ctx->handler = ngx_llmops_net_found;
    ctx->data = net;
    ctx->timeout = net->resolver_timeout ? net->resolver_timeout
                                         : net->timeout;
    ctx->cancelable = 1;

    net->lookup = ctx;
    ngx_llmops_net_arm(net, 1);

    /* may call the handler at once; on NGX_ERROR ctx is gone */

    if (ngx_resolve_name(ctx) != NGX_OK) {
        net->lookup = NULL;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_llmops_net_found(ngx_resolver_ctx_t *ctx)
{
    ngx_llmops_net_t *net = ctx->data;

    ngx_uint_t   i;
    const char  *error;

    net->lookup = NULL;
    error = "the name could not be resolved";

    if (ctx->state) {
        error = ngx_resolver_strerror(ctx->state);

    } else {
        for (i = 0; i < ctx->naddrs; i++) {
            ngx_llmops_net_address(net, ctx->addrs[i].sockaddr,
                                   ctx->addrs[i].socklen);
        }
    }

    ngx_resolve_name_done(ctx);

    if (net->naddrs == 0) {
        ngx_llmops_net_later(net, ngx_llmops_net_fail, error);
        return;
    }

    if (ngx_llmops_net_connect(net) != NGX_OK) {
        ngx_llmops_net_later(net, ngx_llmops_net_fail,
                             "no connection of worker_connections is free");
    }
}


static void
ngx_llmops_net_address(ngx_llmops_net_t *net, struct sockaddr *sockaddr,
    socklen_t socklen)
{
    ngx_llmops_net_addr_t  *addr;

    if (net->naddrs == NGX_LLMOPS_NET_ADDRS) {
        return;
    }

    addr = &net->addrs[net->naddrs++];

    ngx_memcpy(&addr->sockaddr, sockaddr, socklen);
    addr->socklen = socklen;

    ngx_inet_set_port(&addr->sockaddr.sockaddr, net->port);
}


/* the next address that does not refuse at once; NGX_ERROR: no descriptor */

static ngx_int_t
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

static void
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

static void
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


static void
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
