
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_ask.h"


/*
 * Answers that somebody is asked about before they go.  Such an answer is held
 * whole, and the header stage waits for the verdict as it would for bytes that
 * have not come: the connection gets a receive function that says there is
 * nothing, so that nginx goes on with other things and sees no end of the
 * connection either.  With the verdict there comes one byte that nobody looks
 * at, since nginx asks for our opinion only when it has read something.
 *
 * The provider has done its part by then: its timers are off.
 */


static ngx_int_t ngx_llmops_asked_header(ngx_http_request_t *r);
static void ngx_llmops_asked_resume(ngx_http_request_t *r);
static ssize_t ngx_llmops_asked_nothing(ngx_connection_t *c, u_char *buf,
    size_t size);
static ssize_t ngx_llmops_asked_byte(ngx_connection_t *c, u_char *buf,
    size_t size);


ngx_int_t
ngx_llmops_asked(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t stream)
{
    ngx_int_t             rc;
    ngx_str_t             answer;
    ngx_connection_t     *c;
    ngx_http_upstream_t  *u;

    if (ctx->call.check == NULL || !ctx->plan.route->ruled->ask_output) {
        return NGX_OK;
    }

    answer.data = ctx->call.held.data;
    answer.len = ctx->call.held.len;

    rc = ngx_llmops_ask_answer(r, ctx, &answer, stream,
                               ngx_llmops_asked_resume);

    if (rc == NGX_DECLINED) {
        return ngx_llmops_checked_broken(r, ctx) == NGX_OK
               ? ngx_llmops_checked_verdict(r, ctx) : NGX_ERROR;
    }

    if (rc != NGX_AGAIN) {
        return rc;
    }

    u = r->upstream;
    c = u->peer.connection;

    ngx_llmops_call_timers_off(ctx);

    if (c->read->timer_set) {
        ngx_del_timer(c->read);
    }

    c->recv = ngx_llmops_asked_nothing;

    u->buffer.last = u->buffer.pos;             /* these bytes are ours now */
    u->process_header = ngx_llmops_asked_header;

    return NGX_AGAIN;
}


/* u->process_header, once the verdict is there */

static ngx_int_t
ngx_llmops_asked_header(ngx_http_request_t *r)
{
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ngx_llmops_ask_broken(ctx)) {
        return ngx_llmops_checked_broken(r, ctx) == NGX_OK
               ? ngx_llmops_checked_verdict(r, ctx) : NGX_ERROR;
    }

    if (!ctx->call.hold) {
        ctx->call.ahead = r->upstream->buffer.last - r->upstream->buffer.pos;
    }

    return NGX_OK;
}


static void
ngx_llmops_asked_resume(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->upstream->peer.connection;

    c->recv = ngx_llmops_asked_byte;
    c->read->ready = 1;

    c->read->handler(c->read);

    /* the request may be gone */
}


static ssize_t
ngx_llmops_asked_nothing(ngx_connection_t *c, u_char *buf, size_t size)
{
    c->read->ready = 0;

    return NGX_AGAIN;
}


static ssize_t
ngx_llmops_asked_byte(ngx_connection_t *c, u_char *buf, size_t size)
{
    c->recv = ngx_llmops_recv;

    buf[0] = LF;

    return 1;
}
