
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_call.h"


/*
 * Three times bound an answer: until its first token and in all, for each
 * attempt; and between two reads of a stream.  nginx's own read timer serves
 * none of them: it is not armed again while the header is awaited, and would
 * end a stream without a word.
 */


#define NGX_LLMOPS_GRACE      1000         /* ms */


static void ngx_llmops_stream_expire(ngx_llmops_ctx_t *ctx,
    ngx_llmops_fail_e fail);
static void ngx_llmops_attempt_expire(ngx_llmops_ctx_t *ctx, ngx_llmops_fail_e
    fail);
static void ngx_llmops_first_token_handler(ngx_event_t *ev);
static void ngx_llmops_idle_handler(ngx_event_t *ev);


/*
 * The header stage's own read timer starts when the request has been sent
 * and is never armed again, so the wait for the first token is ours.  nginx
 * does the rest as if its timer had expired: the TLS handshake looks at the
 * write event, the header stage at the read event.
 */

static void
ngx_llmops_attempt_expire(ngx_llmops_ctx_t *ctx, ngx_llmops_fail_e fail)
{
    ngx_connection_t  *c;

    c = ctx->request->upstream->peer.connection;

    if (c == NULL) {
        return;
    }

    ctx->call.fail = fail;

    c->read->timedout = 1;
    c->write->timedout = 1;

    c->read->handler(c->read);

    /* the request may be gone */
}


ngx_uint_t
ngx_llmops_call_cut(ngx_llmops_ctx_t *ctx, ngx_uint_t next)
{
    ngx_llmops_call_t    *call;
    ngx_http_upstream_t  *u;

    call = &ctx->call;
    u = ctx->request->upstream;

    if (u == NULL || u->peer.connection == NULL || call->finished
        || call->ended || call->fail != NGX_LLMOPS_FAIL_NONE)
    {
        return 0;
    }

    if (!call->committed) {

        if (next) {
            ngx_llmops_attempt_expire(ctx, NGX_LLMOPS_FAIL_CUT);
        }

        return next;
    }

    if (!call->streaming || call->hold || ctx->meter.terminal) {
        return 0;
    }

    ngx_llmops_stream_expire(ctx, NGX_LLMOPS_FAIL_CUT);

    return 1;
}


static void
ngx_llmops_first_token_handler(ngx_event_t *ev)
{
    ngx_llmops_attempt_expire(ev->data, NGX_LLMOPS_FAIL_FIRST_TOKEN);
}


void
ngx_llmops_total_handler(ngx_event_t *ev)
{
    ngx_llmops_ctx_t *ctx = ev->data;

    if (ctx->call.committed) {
        ngx_llmops_stream_expire(ctx, NGX_LLMOPS_FAIL_TOTAL);
        return;
    }

    ngx_llmops_attempt_expire(ctx, NGX_LLMOPS_FAIL_TOTAL);
}


void
ngx_llmops_call_timer(ngx_llmops_ctx_t *ctx, ngx_msec_t ms)
{
    ngx_event_t  *ev;

    ev = &ctx->call.timer;

    ev->handler = ngx_llmops_first_token_handler;
    ev->data = ctx;
    ev->log = ctx->request->connection->log;

    ngx_add_timer(ev, ms);
}


void
ngx_llmops_call_timers_off(ngx_llmops_ctx_t *ctx)
{
    if (ctx->call.timer.timer_set) {
        ngx_del_timer(&ctx->call.timer);
    }

    if (ctx->call.deadline.timer_set) {
        ngx_del_timer(&ctx->call.deadline);
    }
}


void
ngx_llmops_idle_timer(ngx_llmops_ctx_t *ctx)
{
    ngx_msec_t              timeout;
    ngx_llmops_call_t      *call;
    ngx_llmops_provider_t  *p;

    call = &ctx->call;
    p = ngx_llmops_step(ctx)->target->provider;

    timeout = p->idle_timeout;

    if (ctx->meter.terminal) {

        /* all has been said: only the end of the framing is missing */

        timeout = NGX_LLMOPS_GRACE;
    }

    if (call->timer.handler != ngx_llmops_idle_handler) {

        if (call->timer.timer_set) {
            ngx_del_timer(&call->timer);
        }

        call->timer.handler = ngx_llmops_idle_handler;
        call->timer.data = ctx;
        call->timer.log = ctx->request->connection->log;
    }

    if (timeout) {
        ngx_add_timer(&call->timer, timeout);
    }
}


static void
ngx_llmops_idle_handler(ngx_event_t *ev)
{
    ngx_llmops_ctx_t *ctx = ev->data;

    if (ctx->request->upstream->busy_bufs) {

        /* a slow caller is not a slow provider */

        ngx_llmops_idle_timer(ctx);
        return;
    }

    ngx_llmops_stream_expire(ctx, NGX_LLMOPS_FAIL_IDLE);
}


static void
ngx_llmops_stream_expire(ngx_llmops_ctx_t *ctx, ngx_llmops_fail_e fail)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_http_upstream_t  *u;

    r = ctx->request;
    u = r->upstream;
    c = r->connection;

    ctx->call.fail = fail;
    ctx->call.broken = 1;

    u->keepalive = 0;
    u->length = ctx->call.streaming ? -1 : 1;
    u->peer.connection->read->eof = 1;

    /* the upstream's own handler looks at eof only when the fd is ready */

    r->write_event_handler(r);

    ngx_http_run_posted_requests(c);
}
