
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_answer.h"


/*
 * Looks into the start of an answer's body before its header goes out: an
 * error may come with status 200, as the first event of a stream or as the
 * first key of a document.
 */


#define NGX_LLMOPS_PEEK_JSON       64


/* what there is of a document, nothing of which is used up by the look */

typedef struct {
    ngx_uint_t                 pieces;
    ngx_uint_t                 complete;
    ngx_str_t                  body;       /* the first piece */
    ngx_str_t                  head;       /* its start, copied into buf */
    u_char                     buf[NGX_LLMOPS_PEEK_JSON];
} ngx_llmops_look_t;


static ngx_uint_t ngx_llmops_answer_event_is_error(ngx_llmops_ctx_t *ctx,
    ngx_llmops_sse_event_t *ev);
static void ngx_llmops_answer_look(ngx_http_request_t *r,
    ngx_llmops_call_t *call, ngx_llmops_look_t *look);
static void ngx_llmops_answer_head(ngx_str_t *head, u_char *p, u_char *last);
static ngx_int_t ngx_llmops_answer_meter(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_look_t *look);
static void ngx_llmops_answer_scan(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_body_scan_t *bs);


ngx_int_t
ngx_llmops_answer_peek_stream(ngx_http_request_t *r)
{
    off_t                        length;
    u_char                      *p, *last;
    ngx_int_t                    rc;
    ngx_buf_t                    b;
    ngx_llmops_ctx_t            *ctx;
    ngx_llmops_call_t           *call;
    ngx_llmops_sse_event_t       ev;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    call = &ctx->call;

    b = r->upstream->buffer;
    b.pos += call->peeked;

    length = call->length;

    if (length != -1) {
        length += call->peeked;
    }

    for ( ;; ) {
        rc = ngx_llmops_dechunk(r, call, &b, &p, &last);

        if (rc == NGX_ERROR) {
            return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
        }

        if (rc == NGX_DONE) {

            if (!call->complete) {
                break;
            }

            /* an empty stream is no answer */
            return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_FIRST_EVENT);
        }

        while (ngx_llmops_sse_next(&call->sse, &p, last, &ev) == NGX_OK) {

            if (!ev.has_data && !ev.partial) {
                continue;
            }

            if (!ev.partial && ngx_llmops_answer_event_is_error(ctx, &ev)
                && ngx_llmops_call_can_next(r, ctx,
                                            NGX_LLMOPS_ON_FIRST_EVENT))
            {
                return ngx_llmops_answer_fail(ctx,
                                              NGX_LLMOPS_FAIL_FIRST_EVENT);
            }

            goto answer;
        }
    }

    call->peeked = r->upstream->buffer.last - r->upstream->buffer.pos;

    if (!ngx_llmops_answer_full(r)) {
        return NGX_AGAIN;
    }

answer:

    /* the input filter starts from the first byte again */

    ngx_memzero(&call->chunked, sizeof(ngx_http_chunked_t));
    ngx_llmops_sse_free(&call->sse);
    call->complete = 0;
    call->length = length;

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_answer_event_is_error(ngx_llmops_ctx_t *ctx,
    ngx_llmops_sse_event_t *ev)
{
    ngx_llmops_tap_t     tap;
    ngx_llmops_meter_t   meter;

    ngx_memzero(&meter, sizeof(ngx_llmops_meter_t));

    ngx_llmops_step(ctx)->dialect->event(&meter, ngx_llmops_step(ctx)->op,
                                         ev, 1, &tap);

    return meter.error;
}


/* an error that came with 200: {"error": ...} */

ngx_int_t
ngx_llmops_answer_peek_json(ngx_http_request_t *r)
{
    ngx_llmops_ctx_t   *ctx;
    ngx_llmops_call_t  *call;
    ngx_llmops_look_t   look;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    call = &ctx->call;

    ngx_llmops_answer_look(r, call, &look);

    if (ngx_llmops_error_body(&look.head)) {
        ctx->meter.error = 1;

        if (ngx_llmops_call_can_next(r, ctx, NGX_LLMOPS_ON_FIRST_EVENT)) {
            return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_FIRST_EVENT);
        }

        /* clients look at the status */

        call->provider_error = 1;
        r->upstream->headers_in.status_n = NGX_HTTP_BAD_GATEWAY;
        ngx_str_null(&r->upstream->headers_in.status_line);

        return NGX_OK;
    }

    if (look.complete) {

        /* usage is known before the header goes out, and so is the cost */

        return ngx_llmops_answer_meter(r, ctx, &look) == NGX_OK
               ? NGX_OK : ngx_llmops_answer_broken(ctx);
    }

    if (!call->is_chunked && call->length == -1) {
        return NGX_OK;                          /* its end cannot be seen */
    }

    /* nobody can use half of a document: wait while there is room for it */

    if (ngx_llmops_answer_full(r)
        || call->length > r->upstream->buffer.end - r->upstream->buffer.pos)
    {
        return NGX_OK;
    }

    return NGX_AGAIN;
}


static void
ngx_llmops_answer_look(ngx_http_request_t *r, ngx_llmops_call_t *call,
    ngx_llmops_look_t *look)
{
    u_char                *p, *last;
    ngx_buf_t              b;
    ngx_llmops_framing_t   framing;

    ngx_llmops_framing_save(call, &framing);

    b = r->upstream->buffer;

    look->pieces = 0;
    ngx_str_null(&look->body);

    look->head.data = look->buf;
    look->head.len = 0;

    while (ngx_llmops_dechunk(r, call, &b, &p, &last) == NGX_OK) {

        if (look->pieces++ == 0) {
            look->body.data = p;
            look->body.len = last - p;
        }

        if (look->head.len < NGX_LLMOPS_PEEK_JSON) {
            ngx_llmops_answer_head(&look->head, p, last);
        }
    }

    look->complete = call->complete;

    ngx_llmops_framing_restore(call, &framing);
}


/* white space comes first from some servers that have us wait */

static void
ngx_llmops_answer_head(ngx_str_t *head, u_char *p, u_char *last)
{
    size_t  n;

    while (head->len == 0 && p < last
           && (*p == ' ' || *p == LF || *p == CR || *p == '\t'))
    {
        p++;
    }

    n = ngx_min((size_t) (last - p), NGX_LLMOPS_PEEK_JSON - head->len);

    ngx_memcpy(head->data + head->len, p, n);
    head->len += n;
}


/* NGX_DECLINED: it is not what it has to be */

static ngx_int_t
ngx_llmops_answer_meter(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_look_t *look)
{
    ngx_llmops_body_scan_t  bs;

    ctx->call.metered = 1;

    if (look->pieces == 1 && ngx_llmops_whole(ctx, &look->body) == NGX_OK) {
        ngx_llmops_call_cost(r, ctx);
        return NGX_OK;
    }

    ngx_llmops_answer_scan(r, ctx, &bs);

    if (look->pieces != 1 && ngx_llmops_whole_end(ctx, &bs) == NGX_OK) {
        ngx_llmops_call_cost(r, ctx);
        return NGX_OK;
    }

    return ngx_llmops_answer_is_object(ctx) && ngx_llmops_whole_broken(&bs)
           ? NGX_DECLINED : NGX_OK;
}


static void
ngx_llmops_answer_scan(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_body_scan_t *bs)
{
    u_char                  *p, *last;
    ngx_buf_t                b;
    ngx_llmops_framing_t     framing;

    ngx_llmops_framing_save(&ctx->call, &framing);

    b = r->upstream->buffer;

    ngx_llmops_whole_start(ctx, bs);

    while (ngx_llmops_dechunk(r, &ctx->call, &b, &p, &last) == NGX_OK) {
        ngx_llmops_whole_feed(bs, p, last - p);
    }

    ngx_llmops_framing_restore(&ctx->call, &framing);
}
