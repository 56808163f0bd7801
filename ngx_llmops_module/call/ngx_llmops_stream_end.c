
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_answer.h"


/* The end of an answer's bytes: what is still held back, whether the answer is
   whole, and what a translation has left to say. */


/* the provider's stream is over, properly or not: what is still in hand */

ngx_int_t
ngx_llmops_stream_end(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t       *call;
    ngx_llmops_sse_event_t   ev;

    call = &ctx->call;

    if (!call->streaming) {

        if (call->scan && ngx_llmops_whole_end(ctx, call->scan) != NGX_OK
            && ngx_llmops_answer_is_object(ctx)
            && ngx_llmops_whole_broken(call->scan))
        {
            /* too late for another target, but no answer for the cache */

            call->fail = NGX_LLMOPS_FAIL_INVALID;
            ctx->error = NGX_LLMOPS_ERR_UPSTREAM;
        }

        return NGX_OK;
    }

    if (call->ended) {
        return NGX_OK;
    }

    if (!ctx->meter.terminal
        && ngx_llmops_sse_end(&call->sse, &ev) == NGX_OK
        && ngx_llmops_filter_event(r, ctx, &ev) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (call->ended || !ngx_llmops_stream_complete(ctx)) {
        return NGX_OK;
    }

    if (!ngx_llmops_step(ctx)->translate) {
        return call->check ? ngx_llmops_checked_end(r, ctx) : NGX_OK;
    }

    return ngx_llmops_stream_finish(r, ctx);
}


/* where a translation writes to */

ngx_llmops_out_t *
ngx_llmops_stream_out(ngx_llmops_call_t *call)
{
    return call->check ? &call->unchecked : &call->held;
}


ngx_int_t
ngx_llmops_stream_finish(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t  *call;

    call = &ctx->call;
    call->ended = 1;

    if (ngx_llmops_xlate_end(call->xlate, &ctx->meter.usage,
                             ngx_llmops_stream_out(call))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_llmops_checked_translated(r, ctx);
}


ngx_uint_t
ngx_llmops_stream_complete(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_step_t  *step;

    step = ngx_llmops_step(ctx);

    if (ctx->call.fail == NGX_LLMOPS_FAIL_CHECK) {
        return 0;
    }

    if (ctx->meter.terminal || ctx->call.stopped || ctx->call.replaced) {
        return 1;
    }

    if (ctx->call.broken || ctx->call.partial) {
        return 0;
    }

    switch (step->op) {

    case NGX_LLMOPS_OP_CHAT:
    case NGX_LLMOPS_OP_COMPLETIONS:

        /* some servers leave out [DONE], which a finish reason makes up for */

        return ctx->meter.finish != NGX_LLMOPS_FINISH_NONE
               && (ctx->call.complete
                   || (!ctx->call.is_chunked && ctx->call.length == -1));

    case NGX_LLMOPS_OP_MESSAGES:
    case NGX_LLMOPS_OP_RESPONSES:
        return 0;

    default:

        /* how these streams end is their own affair: without framing nobody
           can tell an end from a cut */

        return ctx->call.complete
               || (!ctx->call.is_chunked && ctx->call.length == -1);
    }
}


/* translated events, gathered in call->held, go out in recycled pieces */

ngx_int_t
ngx_llmops_stream_flush(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_out_t  *held;

    held = &ctx->call.held;

    if (held->failed) {
        return NGX_ERROR;
    }

    if (held->len == 0) {
        return NGX_OK;
    }

    if (ngx_llmops_stream_emit(r, held->data, held->len) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_llmops_out_reset(held);

    return NGX_OK;
}
