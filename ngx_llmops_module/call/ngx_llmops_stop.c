
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_guard.h"


/*
 * Streams that budgets end, and streams that have to wait to hear whether they
 * do.
 *
 * The end is written in the caller's dialect, as that of an answer that has
 * reached its max_tokens; then the provider's connection is closed, which
 * stops what it charges for.
 *
 * A stream that waits reads no more: its connection gets a receive function
 * that says there is nothing yet, and what had been read already lies in
 * call->parked.  To nginx it looks like a provider that is slow.  When it goes
 * on, these bytes take the way that all bytes take.
 */


#define NGX_LLMOPS_STOP_MAX  (16 * 1024 * 1024)


static ngx_int_t ngx_llmops_stream_last(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_stop_t *stop);
static ngx_int_t ngx_llmops_stream_stop(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_str_t *data);
static ngx_int_t ngx_llmops_stream_pause(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_str_t *data);
static ssize_t ngx_llmops_recv_paused(ngx_connection_t *c, u_char *buf,
    size_t size);
static ngx_int_t ngx_llmops_stream_replay(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


ngx_int_t
ngx_llmops_stream_check(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_sse_event_t *ev)
{
    if (!ev->has_data || ev->partial || ctx->call.ended) {
        return NGX_OK;
    }

    if (ngx_llmops_step(ctx)->op == NGX_LLMOPS_OP_RESPONSES) {

        if (ctx->call.responses == NULL) {
            ctx->call.responses = ngx_llmops_responses_create();

            if (ctx->call.responses == NULL) {
                return NGX_ERROR;
            }
        }

        ngx_llmops_responses_track(ctx->call.responses, &ev->data);
    }

    switch (ngx_llmops_limits_stream(r, ctx)) {

    case NGX_OK:
        return NGX_OK;

    case NGX_AGAIN:
        return ngx_llmops_stream_pause(r, ctx, &ev->data);

    default: /* NGX_DECLINED */
        return ngx_llmops_stream_stop(r, ctx, &ev->data);
    }
}


static ngx_int_t
ngx_llmops_stream_stop(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *data)
{
    u_char              rate[NGX_LLMOPS_RATE_TEXT];
    ngx_llmops_call_t  *call;
    ngx_llmops_stop_t   stop;

    call = &ctx->call;

    if (call->check && ctx->env.op != NGX_LLMOPS_OP_RESPONSES) {

        /* what a rule has held back has been paid for, and goes first */

        if (ngx_llmops_checked_end(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        if (call->ended) {
            return NGX_OK;                      /* a rule ends it instead */
        }
    }

    /* what has come by now is what is charged */

    ngx_llmops_meter_estimate(&ctx->meter, &ctx->env);
    ctx->meter.finish = NGX_LLMOPS_FINISH_LENGTH;

    call->ended = 1;
    call->stopped = 1;

    ngx_memzero(&stop, sizeof(ngx_llmops_stop_t));

    stop.op = ngx_llmops_step(ctx)->op;
    stop.event = *data;
    stop.meter = &ctx->meter;
    stop.choices = ngx_llmops_limits_choices(ctx);
    stop.want_usage = ctx->env.include_usage;
    stop.state = call->responses;

    ngx_llmops_limits_name(ctx, &stop.limit);
    ngx_llmops_limits_ended(ctx, rate, &stop.rate);

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "budget \"%V\" (%V) is used up, the stream is ended",
                  &stop.limit, &stop.rate);

    if (ngx_llmops_stream_last(r, ctx, &stop) != NGX_OK) {
        return NGX_ERROR;
    }

    r->upstream->peer.connection->read->eof = 1;

    return call->held.failed ? NGX_ERROR : NGX_OK;
}


/* the end as its dialect has it, behind a comment that says why */

static ngx_int_t
ngx_llmops_stream_last(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_stop_t *stop)
{
    ngx_llmops_out_t   *out;
    ngx_llmops_call_t  *call;

    call = &ctx->call;
    out = &call->held;

    out->max = ngx_max(out->max, NGX_LLMOPS_STOP_MAX);

    (void) ngx_llmops_out_lit(out, ": x-llm-limit: ");
    (void) ngx_llmops_out_str(out, &stop->limit);
    (void) ngx_llmops_out_lit(out, " ");
    (void) ngx_llmops_out_str(out, &stop->rate);
    (void) ngx_llmops_out_lit(out, "\n\n");

    if (ngx_llmops_step(ctx)->translate) {
        if (ngx_llmops_xlate_stop(call->xlate, &ctx->meter.usage, out)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

    } else if (call->check && ctx->env.op == NGX_LLMOPS_OP_RESPONSES) {

        /* it tells what was said once more, as the provider did: rules look
           at it as at the provider's own end */

        ctx->env.dialect->write_stop(&call->unchecked, stop);

        if (ngx_llmops_checked_translated(r, ctx) != NGX_OK) {
            return NGX_ERROR;
        }

        if (call->broken || call->replaced) {
            call->stopped = 0;                  /* a rule ends it instead */
        }

    } else {
        ctx->env.dialect->write_stop(out, stop);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_stream_pause(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *data)
{
    ngx_llmops_call_t  *call;

    call = &ctx->call;

    call->paused = 1;

    /* should it be the last one: ids and the like */

    ngx_llmops_out_reset(&call->last_event);
    (void) ngx_llmops_out_str(&call->last_event, data);

    r->upstream->peer.connection->recv = ngx_llmops_recv_paused;

    return call->last_event.failed ? NGX_ERROR : NGX_OK;
}


static ssize_t
ngx_llmops_recv_paused(ngx_connection_t *c, u_char *buf, size_t size)
{
    c->read->ready = 0;

    return NGX_AGAIN;
}


void
ngx_llmops_stream_resume(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_connection_t   *pc;
    ngx_llmops_call_t  *call;

    call = &ctx->call;

    if (!call->paused || call->finished || r->upstream == NULL
        || r->upstream->peer.connection == NULL)
    {
        return;
    }

    pc = r->upstream->peer.connection;

    if (ngx_llmops_stream_replay(r, ctx) != NGX_OK) {

        /* out of memory: the caller gets an error event */

        call->fail = NGX_LLMOPS_FAIL_CLOSED;
        call->broken = 1;
        pc->read->eof = 1;
    }

    if (call->paused) {
        return;
    }

    pc->recv = ngx_llmops_recv;
    pc->read->ready = 1;

    ngx_post_event(pc->read, &ngx_posted_events);

    /* sends what is there, and ends the call if it is over */

    r->write_event_handler(r);
}


/* the event that waits for its verdict, and what had come behind it */

static ngx_int_t
ngx_llmops_stream_replay(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_str_t           data;
    ngx_llmops_out_t    parked;
    ngx_llmops_call_t  *call;

    call = &ctx->call;

    rc = ngx_llmops_limits_stream(r, ctx);

    if (rc == NGX_AGAIN) {
        return NGX_OK;
    }

    call->paused = 0;

    if (rc == NGX_DECLINED) {
        data.data = call->last_event.data;
        data.len = call->last_event.len;

        if (ngx_llmops_stream_stop(r, ctx, &data) != NGX_OK) {
            return NGX_ERROR;
        }

        return ngx_llmops_stream_flush(r, ctx);
    }

    parked = call->parked;
    ngx_llmops_out_init(&call->parked, parked.max);

    call->replay = 1;
    rc = ngx_llmops_stream_read(r, ctx, parked.data,
                                  parked.data + parked.len);
    call->replay = 0;

    ngx_llmops_out_free(&parked);

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    return call->paused ? ngx_llmops_stream_flush(r, ctx)
                        : ngx_llmops_filter_end(r, ctx);
}
