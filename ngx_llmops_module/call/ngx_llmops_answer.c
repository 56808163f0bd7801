
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_answer.h"
#include "ngx_llmops_ask.h"
#include "ngx_llmops_inflate.h"


/*
 * The header stage of an answer.  Here, and only here, it is decided whether
 * an answer counts or the next target is asked: once NGX_OK is returned, the
 * header goes to the caller.  So we stay in this stage until we know enough.
 *
 *   error    a failure that may be tried elsewhere ends the attempt
 *   peek     of a stream, until the first whole event is there;  of a whole
 *            JSON answer, until all of it is, if it fits
 *   hold     of an answer that must be rewritten, until all of it is there
 *
 * A peek consumes nothing: the input filter gets the bytes again.  A hold
 * takes the bytes out of nginx's buffer, so that this need not be large.
 */


static void ngx_llmops_answer_forget(ngx_http_request_t *r,
    ngx_llmops_call_t *call);
static ngx_int_t ngx_llmops_answer_status(ngx_http_request_t *r);
static ngx_uint_t ngx_llmops_answer_plain(ngx_http_upstream_t *u);
static ngx_int_t ngx_llmops_answer_header(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_answer_line(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);
static ngx_int_t ngx_llmops_answer_headers_done(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_answer_framing(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);
static ngx_int_t ngx_llmops_answer_coding(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_uint_t ngx_llmops_answer_coding_is(ngx_str_t *value, const char
    *name);
static ngx_int_t ngx_llmops_answer_good(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);


void
ngx_llmops_answer_reset(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t    *call;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    call = &ctx->call;

    /*
     * A peer that answers before it was asked leaves u->request_sent 0, and
     * hosts without nginx commits d7a249470 (1.29.5) and 6df8054cb (1.28.2)
     * then parse the next peer's answer behind the rest of this one: so the
     * reset is ours on all of them.
     */

    u->buffer.pos = u->buffer.start;
    u->buffer.last = u->buffer.start;

    ngx_llmops_answer_forget(r, call);

    ngx_memzero(&call->chunked, sizeof(ngx_http_chunked_t));
    ngx_memzero(&ctx->meter, sizeof(ngx_llmops_meter_t));

    ngx_llmops_sse_free(&call->sse);
    ngx_llmops_out_reset(&call->held);
    ngx_llmops_inflate_free(call);

    call->fail = NGX_LLMOPS_FAIL_NONE;
    call->length = -1;
    call->peeked = 0;
    call->streaming = 0;
    call->json = 0;
    call->encoded = 0;
    call->is_chunked = 0;
    call->hold = 0;
    call->complete = 0;
    call->broken = 0;
    call->ended = 0;
    call->partial = 0;
    call->scan = NULL;
    call->metered = 0;
    call->provider_error = 0;
    call->ahead = 0;
    call->extra = 0;
    call->left = 0;

    /* what an attempt that is over had read was not seen by the caller */

    ctx->first_token = (ngx_msec_t) -1;
    ngx_str_null(&ctx->stream_error);

    if (call->check) {
        ngx_llmops_checked_free(ctx);
        ngx_llmops_ask_forget(ctx);
    }

    r->state = 0;
    u->process_header = ngx_llmops_answer_status;
}


/* the header that has been read so far */

static void
ngx_llmops_answer_forget(ngx_http_request_t *r, ngx_llmops_call_t *call)
{
    ngx_http_upstream_t  *u;

    u = r->upstream;

    ngx_memzero(&u->headers_in, sizeof(ngx_http_upstream_headers_in_t));
    u->headers_in.content_length_n = -1;
    u->headers_in.last_modified_time = -1;

    (void) ngx_list_init(&u->headers_in.headers, r->pool, 8,
                         sizeof(ngx_table_elt_t));
    (void) ngx_list_init(&u->headers_in.trailers, r->pool, 2,
                         sizeof(ngx_table_elt_t));

    ngx_memzero(&call->status, sizeof(ngx_http_status_t));
}


/*
 * Whether bytes have come from a provider of TLS before there was a handshake:
 * anybody on the way may have sent them.  A worker that is busy gets to see the
 * connection and these bytes in one event, and hosts without the guard against
 * CVE-2026-1642 (1.29.5, 1.28.2) take them for the answer.
 */

static ngx_uint_t
ngx_llmops_answer_plain(ngx_http_upstream_t *u)
{
#if (NGX_HTTP_SSL)
    ngx_connection_t  *c;

    c = u->peer.connection;

    return u->ssl && (c->ssl == NULL || !c->ssl->handshaked);
#else
    return 0;
#endif
}


static ngx_int_t
ngx_llmops_answer_status(ngx_http_request_t *r)
{
    size_t                len;
    ngx_int_t             rc;
    ngx_llmops_ctx_t     *ctx;
    ngx_http_status_t    *status;
    ngx_http_upstream_t  *u;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    u = r->upstream;
    status = &ctx->call.status;

    if (ngx_llmops_answer_plain(u)) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "provider has answered before the TLS handshake");
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
    }

    rc = ngx_http_parse_status_line(r, &u->buffer, status);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "provider sent no valid HTTP/1 status line");
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
    }

    u->headers_in.status_n = status->code;
    u->state->status = status->code;

    len = status->end - status->start;

    u->headers_in.status_line.data = ngx_pnalloc(r->pool, len);
    if (u->headers_in.status_line.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(u->headers_in.status_line.data, status->start, len);
    u->headers_in.status_line.len = len;

    u->headers_in.connection_close
                            = (status->http_version < NGX_HTTP_VERSION_11);

    u->process_header = ngx_llmops_answer_header;

    return ngx_llmops_answer_header(r);
}


static ngx_int_t
ngx_llmops_answer_header(ngx_http_request_t *r)
{
    ngx_int_t             rc;
    ngx_llmops_ctx_t     *ctx;
    ngx_http_upstream_t  *u;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    u = r->upstream;

    for ( ;; ) {
        rc = ngx_http_parse_header_line(r, &u->buffer, 1);

        if (rc == NGX_OK) {
            rc = ngx_llmops_answer_line(r, ctx);
            if (rc != NGX_OK) {
                return rc;
            }

            continue;
        }

        if (rc == NGX_AGAIN) {
            return NGX_AGAIN;
        }

        if (rc == NGX_HTTP_PARSE_HEADER_DONE) {
            break;
        }

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "provider sent an invalid header line");
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
    }

    if (u->headers_in.status_n < 200) {

        /* an interim answer: the real one follows, and nothing that this one
           has said of a body is about that */

        ngx_llmops_answer_forget(r, &ctx->call);

        r->state = 0;
        u->process_header = ngx_llmops_answer_status;

        return u->buffer.pos < u->buffer.last ? ngx_llmops_answer_status(r)
                                              : NGX_AGAIN;
    }

    return ngx_llmops_answer_headers_done(r, ctx);
}


static ngx_int_t
ngx_llmops_answer_line(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    u_char                         *p;
    ngx_int_t                       rc;
    ngx_table_elt_t                *h;
    ngx_http_upstream_t            *u;
    ngx_http_upstream_header_t     *hh;
    ngx_http_upstream_main_conf_t  *umcf;

    u = r->upstream;

    h = ngx_list_push(&u->headers_in.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = r->header_hash;
    h->key.len = r->header_name_end - r->header_name_start;
    h->value.len = r->header_end - r->header_start;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    p = ngx_pnalloc(r->pool, h->key.len + 1 + h->value.len + 1 + h->key.len);
    if (p == NULL) {
        h->hash = 0;
        return NGX_ERROR;
    }

    h->key.data = p;
    h->value.data = p + h->key.len + 1;
    h->lowcase_key = h->value.data + h->value.len + 1;

    ngx_memcpy(h->key.data, r->header_name_start, h->key.len);
    h->key.data[h->key.len] = '\0';
    ngx_memcpy(h->value.data, r->header_start, h->value.len);
    h->value.data[h->value.len] = '\0';

    if (h->key.len == r->lowcase_index) {
        ngx_memcpy(h->lowcase_key, r->lowcase_header, h->key.len);

    } else {
        ngx_strlow(h->lowcase_key, h->key.data, h->key.len);
    }

    umcf = ngx_http_get_module_main_conf(r, ngx_http_upstream_module);

    hh = ngx_hash_find(&umcf->headers_in_hash, h->hash, h->lowcase_key,
                       h->key.len);

    if (hh) {
        rc = hh->handler(r, h, hh->offset);
        if (rc != NGX_OK) {
            if (rc == NGX_HTTP_UPSTREAM_INVALID_HEADER) {
                ctx->call.fail = NGX_LLMOPS_FAIL_INVALID;
            }

            return rc;
        }
    }

    return NGX_OK;
}


/* the attempt is lost: nginx asks our peer.free where to go from here */

ngx_int_t
ngx_llmops_answer_fail(ngx_llmops_ctx_t *ctx, ngx_llmops_fail_e fail)
{
    ctx->call.fail = fail;
    ctx->call.real_status = ctx->request->upstream->headers_in.status_n;

    return NGX_HTTP_UPSTREAM_INVALID_HEADER;
}


static ngx_int_t
ngx_llmops_answer_headers_done(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t  rc;

    ngx_llmops_answer_framing(r, ctx);

    rc = ngx_llmops_answer_coding(r, ctx);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_DECLINED) {
        ctx->call.encoded = 1;

        if (ngx_llmops_step(ctx)->translate || ctx->call.streaming
            || ngx_llmops_checked_wanted(ctx))
        {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "provider \"%V\" sent an answer in a content "
                          "coding that it was not asked for",
                          &ngx_llmops_step(ctx)->target->provider->name);
            return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
        }
    }

    if (r->upstream->headers_in.status_n >= 300) {
        return ngx_llmops_answer_error(r, ctx);
    }

    (void) ngx_llmops_answer_hints(r, ctx, 0);

    return ngx_llmops_answer_good(r, ctx);
}


/* what the header says of the body */

static void
ngx_llmops_answer_framing(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_str_t            *type;
    ngx_llmops_call_t    *call;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    call = &ctx->call;

    if (u->headers_in.chunked) {
        call->is_chunked = 1;
        u->headers_in.content_length_n = -1;

    } else {
        call->length = u->headers_in.content_length_n;
    }

    if (u->headers_in.status_n == NGX_HTTP_NO_CONTENT
        || u->headers_in.status_n == NGX_HTTP_NOT_MODIFIED
        || r->method == NGX_HTTP_HEAD)
    {
        call->is_chunked = 0;
        call->length = 0;
    }

    if (u->headers_in.content_type) {
        type = &u->headers_in.content_type->value;

        call->streaming = (type->len >= 17
                           && ngx_strncasecmp(type->data,
                                              (u_char *) "text/event-stream",
                                              17)
                              == 0);

        call->json = (type->len >= 16
                      && (ngx_memcmp(type->data, "application/json", 16) == 0
                          || ngx_strncasecmp(type->data,
                                             (u_char *) "application/json", 16)
                             == 0));
    }
}


/*
 * A compressed answer is inflated, and its header then does not say so any
 * more.  NGX_DECLINED: it is in a coding that we cannot read.
 */

static ngx_int_t
ngx_llmops_answer_coding(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_table_elt_t    *h;
    ngx_llmops_walk_t   w;

    for (h = ngx_llmops_header_first(&w, &r->upstream->headers_in.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        if (ngx_llmops_header_is(h, "content-encoding")) {
            break;
        }
    }

    if (h == NULL || ngx_llmops_answer_coding_is(&h->value, "identity")) {
        return NGX_OK;
    }

    if (!ngx_llmops_answer_coding_is(&h->value, "gzip")
        && !ngx_llmops_answer_coding_is(&h->value, "deflate"))
    {
        return NGX_DECLINED;
    }

    if (ngx_llmops_inflate_start(&ctx->call) != NGX_OK) {
        return NGX_ERROR;
    }

    /* a name that is always hidden takes the header out of the copy */

    ngx_str_set(&h->key, "X-Accel-Expires");
    h->lowcase_key = (u_char *) "x-accel-expires";
    h->hash = ngx_hash_key(h->lowcase_key, h->key.len);

    r->upstream->headers_in.content_length_n = -1;

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_answer_coding_is(ngx_str_t *value, const char *name)
{
    return value->len == ngx_strlen(name)
           && ngx_strncasecmp(value->data, (u_char *) name, value->len) == 0;
}


static ngx_int_t
ngx_llmops_answer_good(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t    *call;
    ngx_llmops_step_t    *step;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    call = &ctx->call;
    step = ngx_llmops_step(ctx);

    if (ctx->plan.route->ruled && ngx_llmops_checked_wanted(ctx)
        && ngx_llmops_checked_start(ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (call->streaming && call->check) {
        u->headers_in.content_length_n = -1;

        ngx_llmops_sse_init(&call->sse, NGX_LLMOPS_EVENT_MAX);

        u->process_header = ngx_llmops_checked_stream;
        return ngx_llmops_checked_stream(r);
    }

    if (call->streaming) {
        u->headers_in.content_length_n = -1;    /* we may leave things out */

        ngx_llmops_sse_init(&call->sse, u->buffer.end - u->buffer.start);

        if (call->inflate) {
            return NGX_OK;              /* would have to be inflated twice */
        }

        u->process_header = ngx_llmops_answer_peek_stream;
        return ngx_llmops_answer_peek_stream(r);
    }

    if (!call->json && ngx_llmops_answer_is_object(ctx)) {

        /* a page of some other server in the way */

        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "provider \"%V\" answered with another content type "
                      "than JSON or an event stream",
                      &step->target->provider->name);
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
    }

    if (call->length == 0 && ngx_llmops_answer_is_object(ctx)) {
        return ngx_llmops_answer_broken(ctx);
    }

    if (step->translate || call->check || ngx_llmops_answer_replays(ctx)) {
        call->hold = 1;

        ngx_llmops_out_free(&call->held);
        ngx_llmops_out_init(&call->held, NGX_LLMOPS_HOLD_MAX);

        u->process_header = ngx_llmops_answer_hold;
        return ngx_llmops_answer_hold(r);
    }

    if (call->json && call->length != 0 && !call->inflate && !call->encoded) {
        u->process_header = ngx_llmops_answer_peek_json;
        return ngx_llmops_answer_peek_json(r);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_answer_replays(ngx_llmops_ctx_t *ctx)
{
    return ctx->env.stream && ctx->call.json
           && (ctx->env.op == NGX_LLMOPS_OP_CHAT
               || ctx->env.op == NGX_LLMOPS_OP_MESSAGES);
}


ngx_uint_t
ngx_llmops_answer_is_object(ngx_llmops_ctx_t *ctx)
{
    switch (ctx->env.op) {

    case NGX_LLMOPS_OP_CHAT:
    case NGX_LLMOPS_OP_MESSAGES:
    case NGX_LLMOPS_OP_COMPLETIONS:
    case NGX_LLMOPS_OP_EMBEDDINGS:
    case NGX_LLMOPS_OP_RESPONSES:
    case NGX_LLMOPS_OP_COUNT_TOKENS:
    case NGX_LLMOPS_OP_MODERATIONS:
        return 1;

    default:
        return 0;
    }
}


ngx_int_t
ngx_llmops_answer_broken(ngx_llmops_ctx_t *ctx)
{
    ngx_log_error(NGX_LOG_ERR, ctx->request->connection->log, 0,
                  "provider \"%V\" sent an answer that is empty, cut off or "
                  "no JSON object",
                  &ngx_llmops_step(ctx)->target->provider->name);

    return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
}


/* nginx takes a buffer that we leave full for a header that is too big */

ngx_uint_t
ngx_llmops_answer_full(ngx_http_request_t *r)
{
    return r->upstream->buffer.last == r->upstream->buffer.end;
}
