
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_answer.h"
#include "ngx_llmops_inflate.h"


/*
 * Answers that are rewritten as a whole: translated, made into a stream for
 * a caller who wants one, or an error in the caller's dialect.  They are
 * gathered here, so that one that proves to be broken can still be replaced
 * by another target's.
 */


static ssize_t ngx_llmops_answer_recv(ngx_connection_t *c, u_char *buf,
    size_t size);
static ngx_int_t ngx_llmops_answer_held_error(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_answer_held(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);
static ngx_int_t ngx_llmops_answer_rewritten(ngx_llmops_ctx_t *ctx,
    ngx_llmops_out_t *out);


ngx_int_t
ngx_llmops_answer_hold(ngx_http_request_t *r)
{
    u_char               *p, *last;
    ngx_int_t             rc;
    ngx_buf_t             b;
    ngx_llmops_ctx_t     *ctx;
    ngx_llmops_call_t    *call;
    ngx_http_upstream_t  *u;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    u = r->upstream;
    call = &ctx->call;

    if (!call->is_chunked && call->length == -1) {
        u->peer.connection->recv = ngx_llmops_answer_recv;
    }

    b = u->buffer;

    while ((rc = ngx_llmops_piece(r, call, &b, &p, &last)) == NGX_OK) {
        if (ngx_llmops_out_write(&call->held, p, last - p) != NGX_OK
            && !call->provider_error)
        {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "provider's answer is too large to be translated");
            return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
        }
    }

    if (rc == NGX_ERROR) {
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
    }

    if (!call->is_chunked && call->length == -1
        && u->peer.connection->read->eof)
    {
        call->complete = 1;
    }

    if (!call->complete) {
        u->buffer.last = u->buffer.pos;         /* these bytes are ours now */
        return NGX_AGAIN;
    }

    return call->provider_error ? ngx_llmops_answer_held_error(r, ctx)
                                : ngx_llmops_answer_held(r, ctx);
}


/*
 * An answer without length or chunks ends with its connection, in which nginx
 * would see a failure while the header has not gone out.  So the end is one
 * line end more, and that of a document; whether it is all of one is found by
 * whoever reads it.  A reset stays an error.
 */

static ssize_t
ngx_llmops_answer_recv(ngx_connection_t *c, u_char *buf, size_t size)
{
    ssize_t  n;

    n = ngx_llmops_recv_plain(c, buf, size);

    if (n == 0 && size && c->read->eof) {
        *buf = LF;
        return 1;
    }

    return n;
}


/* a whole answer for a caller of another dialect, or of a stream */

static ngx_int_t
ngx_llmops_answer_held(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t             rc;
    ngx_str_t             body;
    ngx_uint_t            replays, stream;
    ngx_llmops_out_t      out;
    ngx_llmops_call_t    *call;
    ngx_llmops_step_t    *step;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    call = &ctx->call;
    step = ngx_llmops_step(ctx);

    body.data = call->held.data;
    body.len = call->held.len;

    if (ngx_llmops_error_body(&body)) {
        ctx->meter.error = 1;

    } else {
        (void) ngx_llmops_whole(ctx, &body);
        ngx_llmops_call_cost(r, ctx);
    }

    if (ctx->meter.error
        && ngx_llmops_call_can_next(r, ctx, NGX_LLMOPS_ON_FIRST_EVENT))
    {
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_FIRST_EVENT);
    }

    if (ctx->meter.error) {
        u->headers_in.status_n = NGX_HTTP_BAD_GATEWAY;
        ngx_str_null(&u->headers_in.status_line);
        return ngx_llmops_answer_held_error(r, ctx);
    }

    replays = ngx_llmops_answer_replays(ctx);
    stream = ctx->env.stream && (step->translate || replays);

    if (!step->translate && !replays) {
        out = call->held;                       /* it is only checked */
        ngx_llmops_out_init(&call->held, NGX_LLMOPS_HOLD_MAX);

    } else {
        rc = ngx_llmops_answer_rewritten(ctx, &out);

        if (rc == NGX_ERROR) {
            return NGX_ERROR;
        }

        if (rc != NGX_OK) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "provider's answer is not of its dialect");
            return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
        }
    }

    rc = ngx_llmops_checked_whole(r, ctx, &out, stream);

    if (rc != NGX_OK) {
        ngx_llmops_out_free(&out);

        return rc == NGX_DECLINED ? ngx_llmops_checked_verdict(r, ctx)
                                  : NGX_ERROR;
    }

    ngx_llmops_out_free(&call->held);
    call->held = out;

    if (ngx_llmops_answer_replaced(r, ctx, stream) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_asked(r, ctx, stream);
}


/* the whole answer in the caller's dialect, as a document or as a stream */

static ngx_int_t
ngx_llmops_answer_rewritten(ngx_llmops_ctx_t *ctx, ngx_llmops_out_t *out)
{
    ngx_int_t           rc;
    ngx_str_t           body;
    ngx_llmops_call_t  *call;
    ngx_llmops_step_t  *step;

    call = &ctx->call;
    step = ngx_llmops_step(ctx);

    body.data = call->held.data;
    body.len = call->held.len;

    if (!step->translate) {

        /* only for the replay; one of an earlier attempt is of no use */

        if (call->xlate) {
            ngx_llmops_xlate_free(call->xlate);
        }

        call->xlate = ngx_llmops_xlate_create(ctx->env.dialect, step->dialect,
                                              ctx->env.op, &ctx->env.model,
                                              ctx->env.stream,
                                              ctx->env.include_usage, 0);
        if (call->xlate == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_llmops_out_init(out, NGX_LLMOPS_HOLD_MAX);

    rc = ctx->env.stream
         ? ngx_llmops_xlate_replay(call->xlate, &body, out)
         : ngx_llmops_xlate_response(call->xlate, &body, out);

    if (rc != NGX_OK) {
        ngx_llmops_out_free(out);
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_answer_held_error(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    u_char               scratch[4096];
    ngx_str_t            body;
    ngx_uint_t           status;
    ngx_llmops_error_t   err;

    status = r->upstream->headers_in.status_n;

    body.data = ctx->call.held.data;
    body.len = ctx->call.held.len;

    ngx_llmops_error_read(status, &body, scratch, sizeof(scratch), &err);

    if (status == NGX_HTTP_UNAUTHORIZED
        && ngx_llmops_step(ctx)->target->provider->key == NULL)
    {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "provider \"%V\" refused the gateway's key with 401",
                      &ngx_llmops_step(ctx)->target->provider->name);

        ngx_memzero(&err, sizeof(ngx_llmops_error_t));
        err.kind = NGX_LLMOPS_ERR_UPSTREAM_AUTH;
        ngx_str_set(&err.message,
                    "the provider did not accept the gateway's credentials");
        ngx_str_set(&err.code, "upstream_auth");
        status = NGX_HTTP_BAD_GATEWAY;

    } else if (status == NGX_HTTP_UNAUTHORIZED) {

        err.kind = NGX_LLMOPS_ERR_AUTH;         /* the caller's own key */

    } else if (err.kind == NGX_LLMOPS_ERR_OVERLOADED
               || status == 529)
    {
        status = ngx_llmops_error_status(ctx->env.dialect, err.kind);
    }

    return ngx_llmops_answer_own_error(r, ctx, &err, status);
}


ngx_int_t
ngx_llmops_answer_own_error(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_error_t *err, ngx_uint_t status)
{
    ngx_llmops_out_t  out;

    ctx->error = err->kind;

    ngx_llmops_out_init(&out, NGX_LLMOPS_HOLD_ERROR_MAX);

    ctx->env.dialect->write_error(&out, ctx->env.op, err, &ctx->id, 0);

    if (out.failed) {
        ngx_llmops_out_free(&out);
        return NGX_ERROR;
    }

    ngx_llmops_out_free(&ctx->call.held);
    ctx->call.held = out;

    r->upstream->headers_in.status_n = status;
    ngx_str_null(&r->upstream->headers_in.status_line);

    return ngx_llmops_answer_replaced(r, ctx, 0);
}


ngx_int_t
ngx_llmops_answer_replaced(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t stream)
{
    ngx_http_upstream_t  *u;

    static ngx_str_t  types[] = {
        ngx_string("application/json"),
        ngx_string("text/event-stream; charset=utf-8")
    };

    u = r->upstream;

    if (u->headers_in.content_type) {
        u->headers_in.content_type->value = types[stream];

    } else {
        r->headers_out.content_type = types[stream];
        r->headers_out.content_type_len = types[stream].len;
    }

    u->headers_in.content_length_n = stream ? -1 : (off_t) ctx->call.held.len;

    return NGX_OK;
}
