
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_inflate.h"
#include "ngx_llmops_cache.h"


/*
 * The input filter: an answer's bytes on their way to the caller.
 *
 * Bytes that pass are not copied: the bufs that go out point into nginx's
 * buffer for this upstream, which nginx fills again only when all of them
 * have been sent; that is also what holds the provider back for a slow
 * caller.  Only an event that a read has cut in two, and what a translation
 * writes, lies in memory of its own: pieces of 2 KB that nginx gives back to
 * us when they have been sent.
 *
 * Events leave whole: the start of one waits for its end, which comes with
 * one of the next reads, so that an error event can follow at any time.
 */


#define NGX_LLMOPS_EVENTS_MAX (64 * 1024 * 1024)


static void ngx_llmops_filter_stream(ngx_llmops_call_t *call);
static ngx_int_t ngx_llmops_pass_init(ngx_llmops_ctx_t *ctx);
static void ngx_llmops_filter_cache(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_filter_piece(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, u_char *p, u_char *last);
static ngx_int_t ngx_llmops_filter_pass(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx, ngx_llmops_sse_event_t *ev, ngx_llmops_tap_t *tap);
static ngx_int_t ngx_llmops_filter_raw(ngx_http_request_t *r, ngx_uint_t
    copied, u_char *p, size_t len);
static void ngx_llmops_first_token(ngx_llmops_ctx_t *ctx);


/* nginx calls it when the header has gone out */

ngx_int_t
ngx_llmops_filter_init(void *data)
{
    ngx_http_request_t *r = data;

    ngx_llmops_ctx_t     *ctx;
    ngx_llmops_call_t    *call;
    ngx_http_upstream_t  *u;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    u = r->upstream;
    call = &ctx->call;

    call->committed = 1;
    call->last = &u->out_bufs;

    if (call->timer.timer_set) {
        ngx_del_timer(&call->timer);
    }

    /*
     * An error of the socket (a reset, TLS) would make nginx cut the caller
     * off; as an end of the stream it goes through the finalize hook, which
     * can say what happened.  See ngx_llmops_recv().
     */

    u->peer.connection->recv = ngx_llmops_recv;

    ngx_llmops_filter_cache(r, ctx);

    if (call->hold) {
        u->length = 0;
        u->keepalive = call->complete && !u->headers_in.connection_close;
        ngx_llmops_first_token(ctx);
        return ngx_llmops_emit_slice(r, call->held.data, call->held.len);
    }

    /*
     * With -1 an end of the connection finalizes with 0, and the hook may
     * still write; with anything else nginx cuts the caller off, which is the
     * only way to tell of a broken whole answer.
     */

    u->length = call->streaming || (!call->is_chunked && call->length == -1)
                ? -1 : 1;

    if (!call->is_chunked && call->length == 0) {
        u->length = 0;
        u->keepalive = !u->headers_in.connection_close;
    }

    if (call->ahead) {

        /* the header stage has begun with the stream: call->held waits */

        if (ctx->meter.content) {
            ngx_llmops_first_token(ctx);
        }

        ngx_llmops_idle_timer(ctx);
        return NGX_OK;
    }

    if (call->streaming) {
        ngx_llmops_filter_stream(call);
        ngx_llmops_idle_timer(ctx);
        return NGX_OK;
    }

    return ngx_llmops_pass_init(ctx);
}


static void
ngx_llmops_filter_stream(ngx_llmops_call_t *call)
{
    ngx_llmops_sse_init(&call->sse, NGX_LLMOPS_EVENT_MAX);

    ngx_llmops_out_free(&call->held);
    ngx_llmops_out_init(&call->held, NGX_LLMOPS_EVENTS_MAX);
    ngx_llmops_out_init(&call->parked, NGX_LLMOPS_EVENTS_MAX);
    ngx_llmops_out_init(&call->last_event, NGX_LLMOPS_EVENT_MAX);
}


/* an answer that the cache takes down begins */

static void
ngx_llmops_filter_cache(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_str_t  *type;

    if (!ngx_llmops_cache_leads(ctx) || ctx->call.provider_error
        || ctx->call.encoded || r->headers_out.status != NGX_HTTP_OK)
    {
        return;
    }

    type = &r->headers_out.content_type;

    ngx_llmops_cache_begin(ctx, type->len >= 17
                                && ngx_strncasecmp(type->data,
                                               (u_char *) "text/event-stream",
                                               17)
                                   == 0);
}


static ngx_int_t
ngx_llmops_pass_init(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t           *call;
    const ngx_llmops_dialect_t  *d;

    call = &ctx->call;
    d = ngx_llmops_step(ctx)->dialect;

    if (!call->json || call->encoded || call->provider_error
        || call->metered || d->body_want == NULL)
    {
        return NGX_OK;
    }

    call->scan = ngx_palloc(ctx->request->pool,
                            sizeof(ngx_llmops_body_scan_t));
    if (call->scan == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_whole_start(ctx, call->scan);

    return NGX_OK;
}


/*
 * Hosts without nginx commit 39892c626 (1.23.3) loop for ever when TLS fails
 * while the caller is blocked, since ngx_ssl_recv() leaves read->ready set.
 * It keeps no state, so that it may stay on a connection that is cached.
 */

ssize_t
ngx_llmops_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    ssize_t  n;

    n = ngx_llmops_recv_plain(c, buf, size);

    if (n == NGX_ERROR) {
        c->read->ready = 0;
        c->read->error = 0;
        c->read->eof = 1;
        return 0;
    }

    return n;
}


ngx_int_t
ngx_llmops_filter(void *data, ssize_t bytes)
{
    ngx_http_request_t *r = data;

    u_char               *p, *last;
    ngx_buf_t             b;
    ngx_int_t             rc;
    ngx_llmops_ctx_t     *ctx;
    ngx_llmops_call_t    *call;
    ngx_http_upstream_t  *u;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    u = r->upstream;
    call = &ctx->call;

    b = u->buffer;
    b.pos = b.last;
    b.last += bytes;

    u->buffer.last = b.last;

    if (ctx->client_gone && !ngx_llmops_drain_wanted(r, ctx)) {
        return NGX_ERROR;                       /* who followed has left, too */
    }

    if (call->hold) {
        return NGX_OK;                          /* these are in call->held */
    }

    if (call->ahead) {
        call->ahead = 0;
        b.pos = b.last - call->extra;
    }

    while ((rc = ngx_llmops_piece(r, call, &b, &p, &last)) == NGX_OK) {
        if (ngx_llmops_filter_piece(r, ctx, p, last) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "provider \"%V\" sent a broken body",
                      &ngx_llmops_step(ctx)->target->provider->name);

        call->broken = 1;
        call->paused = 0;
        call->fail = NGX_LLMOPS_FAIL_CLOSED;
        u->peer.connection->read->eof = 1;
        return ngx_llmops_stream_flush(r, ctx);
    }

    if (call->streaming) {
        ngx_llmops_idle_timer(ctx);
    }

    call->clean = (b.pos == b.last);

    return call->paused ? ngx_llmops_stream_flush(r, ctx)
                        : ngx_llmops_filter_end(r, ctx);
}


ngx_int_t
ngx_llmops_filter_end(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    if (ctx->call.complete) {
        if (ngx_llmops_stream_end(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        u->keepalive = (ctx->call.clean && !u->headers_in.connection_close);
        u->length = 0;
    }

    return ngx_llmops_stream_flush(r, ctx);
}


ngx_int_t
ngx_llmops_dechunk(ngx_http_request_t *r, ngx_llmops_call_t *call,
    ngx_buf_t *b, u_char **p, u_char **last)
{
    off_t      size;
    ngx_int_t  rc;

    if (call->complete) {
        return NGX_DONE;
    }

    size = b->last - b->pos;

    if (call->is_chunked) {

        rc = ngx_llmops_parse_chunked(r, b, &call->chunked);

        if (rc == NGX_DONE) {
            call->complete = 1;
            return NGX_DONE;
        }

        if (rc == NGX_AGAIN) {
            return NGX_DONE;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        size = ngx_min(b->last - b->pos, call->chunked.size);
        call->chunked.size -= size;

    } else if (call->length != -1) {

        size = ngx_min(size, call->length);
        call->length -= size;
        call->complete = (call->length == 0);
    }

    if (size == 0) {
        return NGX_DONE;
    }

    *p = b->pos;
    b->pos += size;
    *last = b->pos;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_filter_piece(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    u_char *p, u_char *last)
{
    if (ctx->call.streaming) {
        return ngx_llmops_stream_read(r, ctx, p, last);
    }

    ngx_llmops_first_token(ctx);

    if (ctx->call.scan) {
        ngx_llmops_whole_feed(ctx->call.scan, p, last - p);
    }

    return ngx_llmops_filter_raw(r, 0, p, last - p);
}


ngx_int_t
ngx_llmops_stream_read(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    u_char *p, u_char *last)
{
    ngx_int_t               rc;
    ngx_llmops_sse_event_t  ev;

    for ( ;; ) {

        if (ctx->call.paused) {
            return ngx_llmops_out_write(&ctx->call.parked, p, last - p);
        }

        rc = ngx_llmops_sse_next(&ctx->call.sse, &p, last, &ev);

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        if (rc != NGX_OK || ngx_llmops_filter_event(r, ctx, &ev) != NGX_OK) {
            return NGX_ERROR;
        }
    }
}


ngx_int_t
ngx_llmops_filter_event(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_sse_event_t *ev)
{
    ngx_int_t           rc;
    ngx_llmops_tap_t    tap;
    ngx_llmops_call_t  *call;
    ngx_llmops_step_t  *step;

    call = &ctx->call;
    step = ngx_llmops_step(ctx);

    ngx_memzero(&tap, sizeof(ngx_llmops_tap_t));

    if (call->ended) {
        return NGX_OK;                  /* nothing follows a stream's end */
    }

    call->partial = ev->partial;

    if (ev->has_data && !ev->partial) {
        step->dialect->event(&ctx->meter, step->op, ev,
                             ctx->env.include_usage, &tap);

        if (ctx->meter.content && call->committed) {
            ngx_llmops_first_token(ctx);
        }
    }

    if (!step->translate) {
        rc = ngx_llmops_filter_pass(r, ctx, ev, &tap);

        return (rc == NGX_OK) ? ngx_llmops_stream_checked(r, ctx, ev) : rc;
    }

    if (ev->partial) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "provider sent an event that is too large to be "
                      "translated");
        call->fail = NGX_LLMOPS_FAIL_CLOSED;
        call->broken = 1;
        call->ended = 1;
        r->upstream->peer.connection->read->eof = 1;
        return NGX_OK;
    }

    if (ctx->meter.error) {

        /* the rest is the finalize hook's, in the caller's dialect */

        call->fail = NGX_LLMOPS_FAIL_CLOSED;
        call->broken = 1;
        call->ended = 1;
        r->upstream->peer.connection->read->eof = 1;
        return ngx_llmops_keep_error(r, ctx, &tap.error);
    }

    rc = ngx_llmops_xlate_event(call->xlate, ev, &ctx->meter.usage,
                                ngx_llmops_stream_out(call));

    if (rc == NGX_OK) {
        rc = ngx_llmops_checked_translated(r, ctx);
    }

    if (rc == NGX_OK && ctx->meter.terminal) {
        return ngx_llmops_stream_end(r, ctx);
    }

    return (rc == NGX_OK) ? ngx_llmops_stream_checked(r, ctx, ev) : rc;
}


static ngx_int_t
ngx_llmops_filter_pass(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_sse_event_t *ev, ngx_llmops_tap_t *tap)
{
    u_char  *p;

    p = ev->raw.data;

    switch (tap->action) {

    case NGX_LLMOPS_TAP_DROP:
        return NGX_OK;

    case NGX_LLMOPS_TAP_CUT:
        if (ngx_llmops_filter_raw(r, ev->copied, p, tap->cut_start)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        return ngx_llmops_filter_raw(r, ev->copied, p + tap->cut_end,
                                     ev->raw.len - tap->cut_end);

    default: /* NGX_LLMOPS_TAP_PASS */
        return ngx_llmops_filter_raw(r, ev->copied, p, ev->raw.len);
    }
}


static ngx_int_t
ngx_llmops_filter_raw(ngx_http_request_t *r, ngx_uint_t copied, u_char *p,
    size_t len)
{
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ctx->call.check) {
        return ngx_llmops_checked_events(r, ctx, p, len);
    }

    if (copied || ctx->call.inflate || ctx->call.replay) {
        return ngx_llmops_stream_emit(r, p, len);
    }

    return ngx_llmops_emit_slice(r, p, len);
}


static void
ngx_llmops_first_token(ngx_llmops_ctx_t *ctx)
{
    if (ctx->first_token == (ngx_msec_t) -1) {
        ctx->first_token = ngx_current_msec - ctx->start;
    }
}
