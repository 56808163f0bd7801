
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_answer.h"
#include "ngx_llmops_inflate.h"


/* The header stage of a stream with rules: until enough has passed them. */


static ngx_llmops_fail_e ngx_llmops_checked_fails(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_uint_t ngx_llmops_checked_ready(ngx_llmops_ctx_t *ctx);
static void ngx_llmops_checked_wait(ngx_llmops_ctx_t *ctx);


/* u->process_header of a stream with rules */

ngx_int_t
ngx_llmops_checked_stream(ngx_http_request_t *r)
{
    u_char               *p, *last;
    ngx_int_t             rc;
    ngx_buf_t             b;
    ngx_llmops_ctx_t     *ctx;
    ngx_llmops_fail_e     fail;
    ngx_llmops_call_t    *call;
    ngx_http_upstream_t  *u;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    u = r->upstream;
    call = &ctx->call;

    b = u->buffer;

    while ((rc = ngx_llmops_piece(r, call, &b, &p, &last)) == NGX_OK) {
        if (ngx_llmops_stream_read(r, ctx, p, last) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (rc == NGX_ERROR) {
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
    }

    if (call->complete && ngx_llmops_stream_end(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (call->fail == NGX_LLMOPS_FAIL_CHECK) {
        return ngx_llmops_checked_verdict(r, ctx);
    }

    fail = ngx_llmops_checked_fails(r, ctx);

    if (fail != NGX_LLMOPS_FAIL_NONE) {
        return ngx_llmops_answer_fail(ctx, fail);
    }

    if (!ngx_llmops_checked_ready(ctx)) {
        ngx_llmops_checked_wait(ctx);
        u->buffer.last = u->buffer.pos;         /* these bytes are ours now */
        return NGX_AGAIN;
    }

    /*
     * nginx looks at what we have to send only when there is something left
     * in its buffer, so that the last bytes stay there: the input filter is
     * told that they have been used.
     */

    call->ahead = u->buffer.last - u->buffer.pos;
    call->extra = (b.pos < b.last);

    ngx_llmops_checked_note(ctx);

    return ctx->meter.error ? NGX_OK : ngx_llmops_asked(r, ctx, 1);
}


/*
 * An error, or a stream that breaks off, leads to another target if there is
 * one.  Where all of the answer is held, it is the end of the request
 * otherwise: what has come has not passed as a whole, and nobody has been asked
 * about it.
 */

static ngx_llmops_fail_e
ngx_llmops_checked_fails(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t          all;
    ngx_llmops_call_t  *call;

    call = &ctx->call;
    all = (ctx->plan.route->ruled->hold == NGX_LLMOPS_HOLD_ALL);

    if ((ctx->meter.error || (call->complete && ctx->meter.events == 0))
        && (all || ngx_llmops_call_can_next(r, ctx,
                                            NGX_LLMOPS_ON_FIRST_EVENT)))
    {
        return NGX_LLMOPS_FAIL_FIRST_EVENT;
    }

    if (call->complete && !ngx_llmops_stream_complete(ctx)
        && !ctx->meter.error
        && (all || ngx_llmops_call_can_next(r, ctx, NGX_LLMOPS_ON_CONNECT)))
    {
        return NGX_LLMOPS_FAIL_CLOSED;
    }

    if (call->held.failed) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "provider's answer is too large to be held");
        return NGX_LLMOPS_FAIL_INVALID;
    }

    return NGX_LLMOPS_FAIL_NONE;
}


/* whether enough has passed for the header to go */

static ngx_uint_t
ngx_llmops_checked_ready(ngx_llmops_ctx_t *ctx)
{
    size_t               passed;
    ngx_llmops_ruled_t  *ruled;

    if (ctx->call.complete || ctx->meter.terminal || ctx->meter.error) {
        return 1;
    }

    ruled = ctx->plan.route->ruled;
    passed = ngx_llmops_check_passed(ctx->call.check);

    switch (ruled->hold) {

    case NGX_LLMOPS_HOLD_FIRST:
        return passed > 0;

    case NGX_LLMOPS_HOLD_SIZE:
        return passed >= ruled->hold_size;

    default: /* NGX_LLMOPS_HOLD_ALL */
        return 0;
    }
}


/* from the first token on the time between two reads counts */

static void
ngx_llmops_checked_wait(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_provider_t  *p;

    if (!ctx->meter.content) {
        return;
    }

    p = ngx_llmops_step(ctx)->target->provider;

    if (p->idle_timeout) {
        ngx_llmops_call_timer(ctx, p->idle_timeout);

    } else if (ctx->call.timer.timer_set) {
        ngx_del_timer(&ctx->call.timer);
    }
}
