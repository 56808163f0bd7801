
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_detached_request.h"


/*
 * A connection without a socket.  nginx believes that it is always writable,
 * that its reading side has come to its end, and that its descriptor is shared
 * with somebody who closes it; nothing of nginx's own touches the descriptor
 * then.  What would have been sent is taken by two filters, before nginx has
 * made bytes of it.
 */


static ngx_int_t ngx_llmops_detached_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_detached_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_chain_t *ngx_llmops_detached_send(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);

static ngx_int_t ngx_llmops_detached_connect(ngx_connection_t *c,
    ngx_llmops_detached_engine_t *e, ngx_llmops_detached_t *d);
static ngx_int_t ngx_llmops_detached_address(ngx_connection_t *c,
    ngx_connection_t *from);
static void ngx_llmops_detached_closed(ngx_event_t *ev);
static u_char *ngx_llmops_detached_log(ngx_log_t *log, u_char *buf,
    size_t len);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


/* of those that no caller has caused */

static struct sockaddr_in  ngx_llmops_detached_loopback;
static ngx_str_t  ngx_llmops_detached_name = ngx_string("127.0.0.1");


#define ngx_llmops_is_detached(r)                                             \
    ((r)->connection->send_chain == ngx_llmops_detached_send)


void
ngx_llmops_detached_filters(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_llmops_detached_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_llmops_detached_body_filter;
}


static ngx_int_t
ngx_llmops_detached_header_filter(ngx_http_request_t *r)
{
    if (!ngx_llmops_is_detached(r)) {
        return ngx_http_next_header_filter(r);
    }

    r->header_sent = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_detached_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    size_t                         n;
    ngx_buf_t                     *b;
    ngx_llmops_ctx_t              *ctx;
    ngx_llmops_detached_engine_t  *e;

    if (!ngx_llmops_is_detached(r)) {
        return ngx_http_next_body_filter(r, in);
    }

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    e = ctx ? ctx->detached : NULL;

    for ( /* void */ ; in; in = in->next) {
        b = in->buf;

        if (!ngx_buf_in_memory(b) || b->pos == b->last) {
            continue;
        }

        if (e) {
            n = ngx_min((size_t) (b->last - b->pos),
                        e->answer.max - e->answer.len);

            if (n < (size_t) (b->last - b->pos)) {
                e->truncated = 1;
            }

            if (ngx_llmops_out_write(&e->answer, b->pos, n) != NGX_OK) {
                return NGX_ERROR;
            }
        }

        b->pos = b->last;
    }

    return NGX_OK;
}


static ngx_chain_t *
ngx_llmops_detached_send(ngx_connection_t *c, ngx_chain_t *in, off_t limit)
{
    off_t         size;
    ngx_chain_t  *cl;

    size = 0;

    for (cl = in; cl; cl = cl->next) {
        size += ngx_buf_size(cl->buf);
    }

    c->sent += size;

    return ngx_chain_update_sent(in, size);
}


ngx_connection_t *
ngx_llmops_detached_connection(ngx_llmops_detached_engine_t *e,
    ngx_llmops_detached_t *d)
{
    ngx_connection_t  *c;

    c = ngx_get_connection(0, ngx_cycle->log);
    if (c == NULL) {
        return NULL;
    }

    c->shared = 1;                      /* descriptor 0 is not ours to close */
    c->log = ngx_cycle->log;

    c->pool = ngx_create_pool(1024, ngx_cycle->log);

    if (c->pool == NULL || ngx_llmops_detached_connect(c, e, d) != NGX_OK) {
        ngx_llmops_detached_close(c);
        return NULL;
    }

    return c;
}


static ngx_int_t
ngx_llmops_detached_connect(ngx_connection_t *c,
    ngx_llmops_detached_engine_t *e, ngx_llmops_detached_t *d)
{
    ngx_log_t                        *log;
    ngx_http_log_ctx_t               *ctx;
    ngx_http_connection_t            *hc;
    ngx_llmops_bounds_of_detached_t  *b;

    b = e->mcf->detached;

    log = ngx_palloc(c->pool, sizeof(ngx_log_t));
    ctx = ngx_pcalloc(c->pool, sizeof(ngx_http_log_ctx_t));
    hc = ngx_pcalloc(c->pool, sizeof(ngx_http_connection_t));
    c->buffer = ngx_create_temp_buf(c->pool, 1);

    if (log == NULL || ctx == NULL || hc == NULL || c->buffer == NULL
        || ngx_llmops_detached_address(c, d->from
                                          ? d->from->request->connection
                                          : NULL)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;

    *log = *ngx_cycle->log;
    log->connection = c->number;
    log->handler = ngx_llmops_detached_log;
    log->data = ctx;
    log->action = NULL;

    ctx->connection = c;

    c->log = log;
    c->pool->log = log;
    c->read->log = log;
    c->write->log = log;
    c->log_error = NGX_ERROR_INFO;

    hc->conf_ctx = b->conf_ctx;
    hc->addr_conf = b->addr_conf;

    c->data = hc;
    c->type = SOCK_STREAM;
    c->sndlowat = 1;
    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;
    c->send_chain = ngx_llmops_detached_send;

    c->read->handler = ngx_llmops_detached_closed;
    c->write->handler = ngx_llmops_detached_closed;

    c->read->eof = 1;
    c->write->ready = 1;

    /* what is active is not added to epoll; what is level-triggered would be
       deleted from where it never was */

    c->write->active = (ngx_event_flags & NGX_USE_CLEAR_EVENT) ? 1 : 0;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_detached_address(ngx_connection_t *c, ngx_connection_t *from)
{
    ngx_llmops_detached_loopback.sin_family = AF_INET;
    ngx_llmops_detached_loopback.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

    c->local_sockaddr = (struct sockaddr *) &ngx_llmops_detached_loopback;
    c->local_socklen = sizeof(ngx_llmops_detached_loopback);

    if (from == NULL) {
        c->sockaddr = c->local_sockaddr;
        c->socklen = c->local_socklen;
        c->addr_text = ngx_llmops_detached_name;

        return NGX_OK;
    }

    c->socklen = from->socklen;
    c->sockaddr = ngx_palloc(c->pool, from->socklen);
    c->addr_text.len = from->addr_text.len;
    c->addr_text.data = ngx_pstrdup(c->pool, &from->addr_text);

    if (c->sockaddr == NULL || c->addr_text.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(c->sockaddr, from->sockaddr, from->socklen);

    return NGX_OK;
}


void
ngx_llmops_detached_close(ngx_connection_t *c)
{
    ngx_pool_t  *pool;

    pool = c->pool;

    ngx_close_connection(c);

    if (pool) {
        ngx_destroy_pool(pool);
    }
}


/* nginx has no other reason to call it than worker_shutdown_timeout */

static void
ngx_llmops_detached_closed(ngx_event_t *ev)
{
    ngx_connection_t  *c;

    c = ev->data;

    if (c->close) {
        ngx_llmops_detached_abort(c->data);
    }
}


static u_char *
ngx_llmops_detached_log(ngx_log_t *log, u_char *buf, size_t len)
{
    u_char              *p, *last;
    ngx_llmops_ctx_t    *ctx;
    ngx_http_request_t  *r;
    ngx_http_log_ctx_t  *log_ctx;

    p = buf;
    last = buf + len;

    if (log->action) {
        p = ngx_slprintf(p, last, " while %s", log->action);
    }

    log_ctx = log->data;
    r = log_ctx->request;

    if (r == NULL) {
        return p;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ctx && ctx->detached) {
        p = ngx_slprintf(p, last, ", detached: \"%V\"",
                         &ctx->detached->purpose->label);
    }

    return r->log_handler(r, log_ctx->current_request, p, last - p);
}
