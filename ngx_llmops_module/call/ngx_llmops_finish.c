
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_price.h"
#include "ngx_llmops_metrics.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_inflate.h"
#include "ngx_llmops_guard.h"
#include "ngx_llmops_account.h"
#include "ngx_llmops_cache.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_feedback.h"
#include "ngx_llmops_registry.h"
#include "ngx_llmops_ask.h"
#include "ngx_llmops_shadow.h"
#include "ngx_llmops_samples.h"


/*
 * Every call ends here, once, whatever ended it: nginx calls finalize_request
 * for all of them.  What is still owed to the caller is written, what was
 * used is counted, and the log and the metrics get their facts.
 */


static void ngx_llmops_finish_stream(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_finish_after(ngx_llmops_ctx_t *ctx);
static void ngx_llmops_finish_target(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_uint_t ngx_llmops_finish_good(ngx_llmops_ctx_t *ctx);
static ngx_uint_t ngx_llmops_finish_whole(ngx_llmops_ctx_t *ctx);
static ngx_uint_t ngx_llmops_finish_checks(ngx_llmops_ctx_t *ctx);


void
ngx_llmops_abort(ngx_http_request_t *r)
{
    /* nginx finalizes right after it */
}


void
ngx_llmops_finalize(ngx_http_request_t *r, ngx_int_t rc)
{
    ngx_llmops_ctx_t   *ctx;
    ngx_llmops_call_t  *call;

    ctx = ngx_llmops_ctx(r);

    if (ctx == NULL || ctx->call.finished) {
        return;
    }

    call = &ctx->call;
    call->finished = 1;
    ctx->total = ngx_current_msec - ctx->start;

    ngx_llmops_call_timers_off(ctx);

    if (rc == NGX_HTTP_CLIENT_CLOSED_REQUEST || r->connection->error) {
        ctx->client_gone = 1;
    }

    if (r->header_only && r->upstream->header_sent) {

        /* all of an answer to HEAD, or of one with 204: nginx asks no input
           filter for it */

        call->committed = 1;
        call->streaming = 0;
    }

    if (call->committed && call->streaming && !call->hold
        && !ctx->client_gone)
    {
        ngx_llmops_finish_stream(r, ctx);

    } else if (call->committed && !call->streaming && !call->is_chunked
               && call->length == -1)
    {
        /* a whole answer that ended with its connection */

        (void) ngx_llmops_stream_end(r, ctx);
    }

    ngx_llmops_checked_note(ctx);

    if (!call->committed) {
        ngx_llmops_attempt_status(r, ctx, 1);
    }

    if (ctx->error == NGX_LLMOPS_ERR_NONE) {
        ctx->error = ngx_llmops_finish_kind(r, ctx, rc);
    }

    if (call->committed) {
        ngx_llmops_call_usage(r, ctx);
        ngx_llmops_finish_target(r, ctx);

    } else {
        ngx_llmops_call_spend(r, ctx);
    }

    /* before the caller sees the last chunk, and calls again */

    if (ctx->cached) {
        ngx_llmops_cache_finish(ctx, ngx_llmops_finish_good(ctx));
    }

    ngx_llmops_call_spent(ctx);
    ngx_llmops_limits_settle(r, ctx);

    ngx_llmops_drain_stop(r, ctx);
}


/* an answer that others may have: all of it, and nothing wrong with it */

static ngx_uint_t
ngx_llmops_finish_good(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t *call = &ctx->call;

    if (!call->committed || call->provider_error || call->encoded
        || call->fail != NGX_LLMOPS_FAIL_NONE || call->broken
        || call->stopped || ctx->meter.error)
    {
        return 0;
    }

    if (ctx->error != NGX_LLMOPS_ERR_NONE
        && ctx->error != NGX_LLMOPS_ERR_CLIENT_ABORT)
    {
        return 0;
    }

    switch (ctx->meter.finish) {

    case NGX_LLMOPS_FINISH_LENGTH:
    case NGX_LLMOPS_FINISH_CONTENT_FILTER:
    case NGX_LLMOPS_FINISH_ERROR:
        return 0;

    default:
        break;
    }

    return ngx_llmops_finish_whole(ctx) && ngx_llmops_finish_checks(ctx);
}


static ngx_uint_t
ngx_llmops_finish_whole(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t *call = &ctx->call;

    if (call->hold || !call->streaming) {
        return call->complete;
    }

    return ngx_llmops_stream_complete(ctx)
           && (!ngx_llmops_step(ctx)->translate || call->ended);
}


/* a rule that is broken, if only for the record, is the caller's own */

static ngx_uint_t
ngx_llmops_finish_checks(ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t             i;
    ngx_llmops_checked_t  *checked;

    if (ctx->checked == NULL) {
        return 1;
    }

    checked = ctx->checked->elts;

    for (i = 0; i < ctx->checked->nelts; i++) {
        if (!checked[i].input
            && (checked[i].action == NGX_LLMOPS_ACT_MARK
                || checked[i].action == NGX_LLMOPS_ACT_STOP))
        {
            return 0;
        }
    }

    return 1;
}


/* what is left to do when the caller has been served: it does not wait */

static void
ngx_llmops_finish_after(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_ruled_t      *ruled;
    ngx_llmops_main_conf_t  *mcf;

    if (!ctx->call.committed || ctx->error != NGX_LLMOPS_ERR_NONE) {
        return;
    }

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_llmops_module);
    ruled = ctx->plan.route->ruled;

    if (ruled && ruled->ask_after) {
        ngx_llmops_ask_afterwards(mcf, ctx);
    }

    if (ctx->arm) {
        ngx_llmops_rollout_judge(mcf, ctx);
    }

    if (ctx->shadow) {
        ngx_llmops_shadow_cast(mcf, ctx);
    }

    if (ctx->sampled) {
        ngx_llmops_sample_cast(ctx);
    }
}


static void
ngx_llmops_finish_stream(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t    *call;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    call = &ctx->call;

    if (!call->is_chunked && call->length == -1 && !call->broken) {

        /* a stream without framing ends with its connection */

        if (ngx_llmops_stream_end(r, ctx) != NGX_OK
            || ngx_llmops_stream_flush(r, ctx) != NGX_OK)
        {
            return;
        }

    } else if (ngx_llmops_step(ctx)->translate && !call->ended
               && ngx_llmops_stream_complete(ctx))
    {
        /* cut off behind the finish reason: the caller's end is still due */

        if (ngx_llmops_stream_finish(r, ctx) != NGX_OK
            || ngx_llmops_stream_flush(r, ctx) != NGX_OK)
        {
            return;
        }
    }

    if (u->out_bufs) {
        (void) ngx_http_output_filter(r, u->out_bufs);
        u->out_bufs = NULL;
    }

    if (ngx_llmops_stream_complete(ctx)) {
        return;
    }

    if (ctx->meter.error && !ngx_llmops_step(ctx)->translate) {
        return;                         /* the provider's own has passed */
    }

    (void) ngx_llmops_finish_error_event(r, ctx);
}


void
ngx_llmops_call_usage(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    if (ctx->call.provider_error || ctx->env.op == NGX_LLMOPS_OP_OTHER
        || ctx->env.op == NGX_LLMOPS_OP_COUNT_TOKENS)
    {
        return;
    }

    if (ctx->meter.usage.source == NGX_LLMOPS_USAGE_NONE
        && ctx->meter.started)
    {
        (void) ngx_llmops_estimate_request(r, ctx);
    }

    if (ctx->call.streaming
        || ctx->meter.usage.source != NGX_LLMOPS_USAGE_REPORTED)
    {
        ngx_llmops_meter_estimate(&ctx->meter, &ctx->env);
    }

    ngx_llmops_call_cost(r, ctx);
}


void
ngx_llmops_call_cost(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_price_t      *price;
    ngx_llmops_target_t     *t;
    ngx_llmops_main_conf_t  *mcf;

    if (ctx->meter.usage.source == NGX_LLMOPS_USAGE_NONE) {
        return;
    }

    t = ctx->target;
    price = t->price;

    if (price == NULL && t->model.len == 0) {
        mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);
        price = ngx_llmops_price_find(mcf, t->provider, &ctx->env.model);
    }

    if (price) {
        ctx->cost = ngx_llmops_price_cost(price, &ctx->meter.usage);
    }
}


static void
ngx_llmops_finish_target(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_msec_t           first;
    ngx_llmops_call_t   *call;

    call = &ctx->call;

    if (call->provider_error) {

        /* its breaker has heard of it in the header stage */

        ngx_llmops_metrics_attempt(ctx, ctx->target,
                                   r->upstream->headers_in.status_n,
                                   NGX_LLMOPS_FAIL_STATUS);
        return;
    }

    if (ctx->error == NGX_LLMOPS_ERR_NONE
        || ctx->error == NGX_LLMOPS_ERR_CLIENT_ABORT)
    {
        first = (ctx->first_token == (ngx_msec_t) -1)
                ? (ngx_msec_t) -1
                : ctx->start + ctx->first_token - call->started;

        ngx_llmops_target_ok(ctx->target, first);

        ngx_llmops_metrics_attempt(ctx, ctx->target, 200,
                                   NGX_LLMOPS_FAIL_NONE);
        return;
    }

    if (call->fail == NGX_LLMOPS_FAIL_CHECK
        || call->fail == NGX_LLMOPS_FAIL_CUT)
    {
        /* the target has answered, if not as the rules want it, or for longer
           than we wanted it */

        ngx_llmops_metrics_attempt(ctx, ctx->target, 200, call->fail);
        return;
    }

    if (call->fail == NGX_LLMOPS_FAIL_NONE) {
        call->fail = NGX_LLMOPS_FAIL_CLOSED;
    }

    ngx_llmops_target_failed(ctx->target, 0, 0);
    ngx_llmops_metrics_attempt(ctx, ctx->target, 200, call->fail);
}


void
ngx_llmops_cleanup(void *data)
{
    ngx_llmops_ctx_t *ctx = data;

    ngx_llmops_call_timers_off(ctx);
    ngx_llmops_cache_cleanup(ctx);
    ngx_llmops_auth_cleanup(ctx);

    if (ctx->limits) {
        ngx_llmops_limits_settle(ctx->request, ctx);
    }

    ngx_llmops_ask_forget(ctx);
    ngx_llmops_rollout_gone(ctx);
    ngx_llmops_finish_after(ctx);

    if (ctx->call.counted) {
        ctx->call.counted = 0;
        ngx_llmops_target_leave(ngx_llmops_step(ctx)->target);
    }

    ngx_llmops_ctx_left(ctx->request, ctx);
}


void
ngx_llmops_pool_cleanup(void *data)
{
    ngx_llmops_ctx_t *ctx = data;

    ngx_llmops_sse_free(&ctx->call.sse);
    ngx_llmops_inflate_free(&ctx->call);
    ngx_llmops_out_free(&ctx->call.held);
    ngx_llmops_out_free(&ctx->call.body);
    ngx_llmops_out_free(&ctx->call.parked);
    ngx_llmops_out_free(&ctx->call.last_event);
    ngx_llmops_responses_free(ctx->call.responses);
    ngx_llmops_checked_free(ctx);
    ngx_llmops_cache_play_free(ctx);

    if (ctx->kept) {
        ngx_llmops_out_free(ctx->kept);
    }

    if (ctx->call.xlate) {
        ngx_llmops_xlate_free(ctx->call.xlate);
        ctx->call.xlate = NULL;
    }

    ngx_llmops_auth_release(ctx);
}


ngx_int_t
ngx_llmops_log_handler(ngx_http_request_t *r)
{
    ngx_llmops_ctx_t        *ctx;
    ngx_llmops_main_conf_t  *mcf;

    ctx = ngx_llmops_ctx(r);

    if (ctx && !ctx->accounted) {
        ctx->accounted = 1;

        mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

        ngx_llmops_account(mcf, ctx);
        ngx_llmops_metrics_account(mcf, ctx);
        ngx_llmops_rollout_observe(mcf, ctx);
        ngx_llmops_feedback_remember(mcf, ctx);
        ngx_llmops_registry_note(mcf, ctx);
    }

    return NGX_OK;
}
