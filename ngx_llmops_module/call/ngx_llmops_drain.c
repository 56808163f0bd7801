
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_cache.h"


/*
 * llm_ignore_client_abort: the provider goes on when the caller has left, so
 * that its usage is learnt.  nginx would end the request at the first write
 * that fails; so writes to such a caller go through a function of ours, which
 * from the first failure on takes everything and sends nothing.  The timers
 * of the provider bound it as any other answer.
 *
 * The same for an answer that others follow, as long as one of them is there.
 */


static ngx_chain_t *ngx_llmops_drain_send_chain(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);
static ngx_chain_t *ngx_llmops_drain_sink(ngx_connection_t *c,
    ngx_chain_t *in, off_t limit);
static void ngx_llmops_drain_gone(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_drain_read(ngx_http_request_t *r);
static void ngx_llmops_drain_left(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


void
ngx_llmops_drain_start(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = r->connection;

    ctx->call.send_chain = c->send_chain;
    c->send_chain = ngx_llmops_drain_send_chain;

    r->read_event_handler = ngx_llmops_drain_read;

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);

    } else {
        (void) ngx_handle_read_event(c->read, 0);
    }
}


void
ngx_llmops_drain_stop(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    if (ctx->call.send_chain == NULL) {
        return;
    }

    r->connection->send_chain = ctx->call.send_chain;
    ctx->call.send_chain = NULL;

    if (ctx->client_gone) {
        r->keepalive = 0;
        r->connection->error = 1;
    }
}


ngx_uint_t
ngx_llmops_drain_wanted(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_loc_conf_t  *llcf;

    llcf = ngx_http_get_module_loc_conf(r, ngx_llmops_module);

    return llcf->ignore_client_abort || ngx_llmops_cache_followed(ctx);
}


static void
ngx_llmops_drain_gone(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_connection_t  *c;

    c = r->connection;

    ngx_log_error(NGX_LOG_INFO, c->log, 0,
                  "client has left, its answer is read to the end");

    ctx->client_gone = 1;

    c->error = 0;
    c->write->error = 0;
    c->write->ready = 1;
    c->send_chain = ngx_llmops_drain_sink;
}


static ngx_chain_t *
ngx_llmops_drain_send_chain(ngx_connection_t *c, ngx_chain_t *in,
    off_t limit)
{
    ngx_chain_t         *out;
    ngx_llmops_ctx_t    *ctx;
    ngx_http_request_t  *r;

    r = c->data;
    ctx = ngx_llmops_ctx(r);

    out = ctx->call.send_chain(c, in, limit);

    if (out != NGX_CHAIN_ERROR || !ngx_llmops_drain_wanted(r, ctx)) {
        return out;
    }

    ngx_llmops_drain_gone(r, ctx);

    return ngx_llmops_drain_sink(c, in, limit);
}


static ngx_chain_t *
ngx_llmops_drain_sink(ngx_connection_t *c, ngx_chain_t *in, off_t limit)
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


/* what ngx_http_test_reading() looks for, without ending the request */

static void
ngx_llmops_drain_read(ngx_http_request_t *r)
{
    char               byte;
    ssize_t            n;
    ngx_llmops_ctx_t  *ctx;
    ngx_connection_t  *c;

    c = r->connection;
    ctx = ngx_llmops_ctx(r);

    if (ctx->client_gone) {
        return;
    }

#if (NGX_HTTP_V2)

    if (r->stream) {
        if (c->error) {
            ngx_llmops_drain_left(r, ctx);
        }

        return;
    }

#endif

    n = recv(c->fd, &byte, 1, MSG_PEEK);

    if (n == 0 || (n == -1 && ngx_socket_errno != NGX_EAGAIN)) {
        c->read->eof = 1;
        ngx_llmops_drain_left(r, ctx);
    }
}


/* the request may be gone when it returns */

static void
ngx_llmops_drain_left(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    if (ngx_llmops_drain_wanted(r, ctx)) {
        ngx_llmops_drain_gone(r, ctx);
        return;
    }

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "client has left while its answer was on its way");

    ctx->client_gone = 1;
    r->connection->error = 1;

    /* as ngx_http_request_handler() ends one: the upstream, which is closed by
       a cleanup handler, takes a count with it */

    r->main->count++;

    ngx_http_finalize_request(r, NGX_HTTP_CLIENT_CLOSED_REQUEST);
}
