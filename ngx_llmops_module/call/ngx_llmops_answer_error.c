
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_hint.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_answer.h"
#include "ngx_llmops_cache.h"


/*
 * Answers with an error status: which of them another target may make good,
 * what they say of the time to wait, and what the caller sees of the last.
 */


#define NGX_LLMOPS_ERROR_WAIT      1000    /* ms */


static ngx_int_t ngx_llmops_answer_last_word(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_uint_t status);
static ngx_uint_t ngx_llmops_answer_retry_bit(ngx_uint_t status);
static ngx_int_t ngx_llmops_answer_error_again(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_answer_body_hint(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, int64_t *wait);


/*
 * Reads what the provider says of its limits and, for a failure, how long it
 * wants to be left alone: an express wish wins over the end of a window, of
 * several windows the nearest counts.
 */

int64_t
ngx_llmops_answer_hints(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t failed)
{
    int64_t               wait, best, now;
    ngx_str_t             name;
    ngx_table_elt_t      *h;
    ngx_llmops_walk_t     w;
    ngx_llmops_hint_e     kind, best_kind;
    ngx_llmops_target_t  *t;

    t = ngx_llmops_step(ctx)->target;
    best = 0;
    best_kind = NGX_LLMOPS_HINT_NONE;
    now = ngx_llmops_now();

    for (h = ngx_llmops_header_first(&w, &r->upstream->headers_in.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        name.data = h->lowcase_key;
        name.len = h->key.len;

        if (name.data[0] != 'r' && name.data[0] != 'x' && name.data[0] != 'a') {
            continue;
        }

        /* x-request-id is none of a provider's limits, and always there */

        if (name.data[0] != 'r' && name.len >= sizeof("x-ratelimit-")) {
            ngx_llmops_target_header(t, &name, &h->value);
        }

        if (!failed) {
            continue;
        }

        kind = ngx_llmops_hint_header(&name, &h->value, now, &wait);

        if (kind > best_kind
            || (kind == best_kind && kind != NGX_LLMOPS_HINT_NONE
                && wait < best))
        {
            best_kind = kind;
            best = wait;
        }
    }

    return best;
}


ngx_int_t
ngx_llmops_answer_error(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    int64_t                 wait;
    ngx_uint_t              status, bit;
    ngx_llmops_call_t      *call;
    ngx_llmops_step_t      *step;

    status = r->upstream->headers_in.status_n;
    call = &ctx->call;
    step = ngx_llmops_step(ctx);
    bit = ngx_llmops_answer_retry_bit(status);

    if (status == NGX_HTTP_NOT_MODIFIED
        && ctx->env.op == NGX_LLMOPS_OP_OTHER)
    {
        return NGX_OK;                  /* what its caller has asked for */
    }

    if (status < 400) {

        /* keys do not follow a redirect, and neither shall the caller */

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "provider \"%V\" answered with a redirect",
                      &step->target->provider->name);
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
    }

    call->provider_error = 1;
    call->streaming = 0;

    wait = ngx_llmops_answer_hints(r, ctx, 1);

    if (wait == 0 && (status == 429 || status == 503)
        && ngx_llmops_answer_body_hint(r, ctx, &wait) == NGX_AGAIN)
    {
        r->upstream->process_header = ngx_llmops_answer_error_again;
        return NGX_AGAIN;
    }

    if (bit && status != NGX_HTTP_NOT_FOUND) {

        /* a model's name that is unknown there says nothing of the target */

        ngx_llmops_target_failed(step->target, status, wait);
    }

    if (bit && ngx_llmops_call_can_next(r, ctx, bit)) {
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_STATUS);
    }

    if ((status >= 500 || status == 429 || status == 408)
        && ngx_llmops_cache_saves(ctx))
    {
        /* our own error, in whose place a stale answer will go out */

        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_STATUS);
    }

    return ngx_llmops_answer_last_word(r, ctx, status);
}


/* as it came, unless the caller speaks another dialect, or it is about the
   gateway's own key, which is none of the caller's */

static ngx_int_t
ngx_llmops_answer_last_word(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t status)
{
    ngx_llmops_call_t  *call;
    ngx_llmops_step_t  *step;

    call = &ctx->call;
    step = ngx_llmops_step(ctx);

    if (status == NGX_HTTP_UNAUTHORIZED && step->target->provider->key == NULL)
    {
        call->hold = 1;
    }

    if (step->translate) {
        call->hold = 1;
    }

    if (!call->hold) {
        return NGX_OK;
    }

    ngx_llmops_out_free(&call->held);
    ngx_llmops_out_init(&call->held, NGX_LLMOPS_HOLD_ERROR_MAX);

    r->upstream->process_header = ngx_llmops_answer_hold;

    return ngx_llmops_answer_hold(r);
}


static ngx_uint_t
ngx_llmops_answer_retry_bit(ngx_uint_t status)
{
    switch (status) {

    case 401:
    case 402:
    case 403:
        return NGX_LLMOPS_ON_AUTH;

    case 404:
        return NGX_LLMOPS_ON_404;

    case 408:
        return NGX_LLMOPS_ON_408;

    case 409:
        return NGX_LLMOPS_ON_409;

    case 424:                               /* a model that is not ready */
    case 425:
        return NGX_LLMOPS_ON_425;

    case 429:
        return NGX_LLMOPS_ON_429;

    case 498:                               /* no capacity left, at one host */
        return NGX_LLMOPS_ON_429;
    }

    return status >= 500 ? NGX_LLMOPS_ON_5XX : 0;
}


static ngx_int_t
ngx_llmops_answer_error_again(ngx_http_request_t *r)
{
    return ngx_llmops_answer_error(r, ngx_http_get_module_ctx(r,
                                                         ngx_llmops_module));
}


/*
 * The wish may stand in the body, which is waited for, but not for long.
 * NGX_AGAIN: the body is not complete yet.
 */

static ngx_int_t
ngx_llmops_answer_body_hint(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    int64_t *wait)
{
    u_char                *p, *last;
    ngx_buf_t              b;
    ngx_str_t              body;
    ngx_uint_t             complete;
    ngx_llmops_call_t     *call;
    ngx_llmops_framing_t   framing;

    call = &ctx->call;

    ngx_llmops_framing_save(call, &framing);

    b = r->upstream->buffer;

    if (ngx_llmops_dechunk(r, call, &b, &p, &last) == NGX_OK) {
        body.data = p;
        body.len = last - p;

        if (ngx_llmops_hint_body(&body, wait) == NGX_LLMOPS_HINT_NONE) {
            *wait = 0;
        }

        while (ngx_llmops_dechunk(r, call, &b, &p, &last) == NGX_OK) {
            /* void */
        }
    }

    complete = call->complete || (!call->is_chunked && call->length == -1);

    ngx_llmops_framing_restore(call, &framing);

    if (*wait || complete || ngx_llmops_answer_full(r)) {
        return NGX_OK;
    }

    if (!call->timer.timer_set || call->peeked == 0) {
        call->peeked = 1;
        ngx_llmops_call_timer(ctx, NGX_LLMOPS_ERROR_WAIT);
    }

    return NGX_AGAIN;
}
