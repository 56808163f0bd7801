
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_call.h"


/*
 * A call that ends in an error: what kind of error that is, and how the caller
 * of a stream that has begun is told.
 */


#define NGX_LLMOPS_KEPT_ERROR  2048


static void ngx_llmops_finish_message(ngx_llmops_ctx_t *ctx,
    ngx_llmops_error_t *err);
static ngx_int_t ngx_llmops_finish_send(ngx_http_request_t *r, u_char *p,
    size_t len);
static ngx_llmops_err_e ngx_llmops_finish_status_kind(ngx_uint_t status);


ngx_int_t
ngx_llmops_finish_error_event(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t            rc;
    ngx_llmops_out_t     out;
    ngx_llmops_error_t   err;

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    ngx_llmops_finish_message(ctx, &err);

    ctx->error = err.kind;

    ngx_llmops_out_init(&out, 16384);

    if (ctx->call.partial) {
        (void) ngx_llmops_out_lit(&out, "\n\n");
    }

    ctx->env.dialect->write_error(&out, ctx->env.op, &err, &ctx->id, 1);

    rc = out.failed ? NGX_ERROR
                    : ngx_llmops_finish_send(r, out.data, out.len);

    ngx_llmops_out_free(&out);

    return rc;
}


static void
ngx_llmops_finish_message(ngx_llmops_ctx_t *ctx, ngx_llmops_error_t *err)
{
    err->kind = NGX_LLMOPS_ERR_UPSTREAM;

    if (ctx->stream_error.len) {
        err->message = ctx->stream_error;

        if (ctx->error != NGX_LLMOPS_ERR_NONE) {
            err->kind = ctx->error;             /* as the provider said */
        }

        return;
    }

    switch (ctx->call.fail) {

    case NGX_LLMOPS_FAIL_IDLE:
        err->kind = NGX_LLMOPS_ERR_TIMEOUT;
        ngx_str_set(&err->message, "the provider sent nothing for too long, "
                                   "the answer is incomplete");
        return;

    case NGX_LLMOPS_FAIL_TOTAL:
        err->kind = NGX_LLMOPS_ERR_TIMEOUT;
        ngx_str_set(&err->message, "the answer took longer than is allowed, "
                                   "it is incomplete");
        return;

    case NGX_LLMOPS_FAIL_CUT:
        err->kind = NGX_LLMOPS_ERR_OVERLOADED;
        ngx_str_set(&err->message, "the model that was answering has been "
                                   "withdrawn, the answer is incomplete; send "
                                   "the request again");
        return;

    default:
        ngx_str_set(&err->message, "the provider's stream broke off, "
                                   "the answer is incomplete");
    }
}


static ngx_int_t
ngx_llmops_finish_send(ngx_http_request_t *r, u_char *p, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t   out;

    b = ngx_create_temp_buf(r->pool, len);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_cpymem(b->last, p, len);
    b->flush = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out);
}


ngx_int_t
ngx_llmops_keep_error(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *error)
{
    ngx_str_t           body;
    ngx_llmops_error_t  err;
    u_char              scratch[NGX_LLMOPS_KEPT_ERROR];

    if (error->len == 0) {
        return NGX_OK;
    }

    body = *error;

    /* it came with 200: what kind it is only its words tell */

    ngx_llmops_error_read(NGX_HTTP_OK, &body, scratch, sizeof(scratch), &err);

    ctx->error = err.kind;

    ctx->stream_error.data = ngx_pstrdup(r->pool, &err.message);
    if (ctx->stream_error.data == NULL) {
        return NGX_ERROR;
    }

    ctx->stream_error.len = err.message.len;

    return NGX_OK;
}


ngx_llmops_err_e
ngx_llmops_finish_kind(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_int_t rc)
{
    ngx_llmops_call_t  *call;

    call = &ctx->call;

    if (ctx->client_gone) {
        return NGX_LLMOPS_ERR_CLIENT_ABORT;
    }

    if (!call->committed) {

        switch (call->fail) {

        case NGX_LLMOPS_FAIL_FIRST_TOKEN:
        case NGX_LLMOPS_FAIL_TOTAL:
            return NGX_LLMOPS_ERR_TIMEOUT;

        case NGX_LLMOPS_FAIL_NONE:
            return ngx_llmops_finish_status_kind(rc);

        default:
            return NGX_LLMOPS_ERR_UPSTREAM;
        }
    }

    if (call->provider_error) {
        return ngx_llmops_finish_status_kind(r->headers_out.status);
    }

    if (ctx->meter.error || rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return NGX_LLMOPS_ERR_UPSTREAM;
    }

    return rc == NGX_ERROR ? NGX_LLMOPS_ERR_CLIENT_ABORT
                           : NGX_LLMOPS_ERR_NONE;
}


static ngx_llmops_err_e
ngx_llmops_finish_status_kind(ngx_uint_t status)
{
    ngx_str_t            body;
    ngx_llmops_error_t   err;
    u_char               scratch[64];

    ngx_str_null(&body);

    ngx_llmops_error_read(status, &body, scratch, sizeof(scratch), &err);

    return err.kind;
}
