
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_cache.h"


/*
 * One mechanism for all errors that are not a provider's: nginx makes its
 * built-in page for a status, and the filters replace it.  They know such a
 * page by r->err_status, which only ngx_http_special_response_handler() sets,
 * and by its type.  r->error_page says nothing: nginx sets it wherever there is
 * an error_page, even if for other statuses.  A page that is the user's is that
 * of another location, and one of ours may itself be where error_page leads:
 * err_status then is what it was, whatever is answered there.
 */


#define NGX_LLMOPS_ERROR_TEXT      512
#define NGX_LLMOPS_ERROR_BODY      16384
#define NGX_LLMOPS_RETRY_SANE      60      /* s: above, clients hang */


static ngx_int_t ngx_llmops_error_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_error_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static ngx_uint_t ngx_llmops_error_builtin(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_error_passed(ngx_http_request_t *r);
static ngx_llmops_ctx_t *ngx_llmops_error_ctx(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_error_rescue(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_error_length(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_error_describe(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_error_t *err);
static ngx_llmops_err_e ngx_llmops_error_kind(ngx_uint_t status);
static void ngx_llmops_error_message(ngx_llmops_ctx_t *ctx,
    ngx_uint_t status, ngx_llmops_error_t *err, u_char *buf, size_t size);
static const char *ngx_llmops_error_cause(ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_error_headers(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_error_header(ngx_http_request_t *r,
    const char *name, const char *value);


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_llmops_error_filters(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_llmops_error_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_llmops_error_body_filter;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_deny(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_error_t *err, ngx_uint_t retry)
{
    ngx_llmops_error_t  *copy;

    ctx->error = err->kind;

    copy = ngx_palloc(r->pool, sizeof(ngx_llmops_error_t));
    if (copy == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    *copy = *err;

    copy->message.data = ngx_pstrdup(r->pool, &err->message);
    if (copy->message.data == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (copy->status == 0) {
        copy->status = ngx_llmops_error_status(ctx->env.dialect, err->kind);
    }

    ctx->refusal = copy;
    ctx->retry = retry;

    /*
     * nginx ends the connection after some statuses, which need not be where
     * the body has been read, or there is none.  If it is still to come, nginx
     * throws it away, and ends the connection if its framing is broken: what
     * follows may not be taken for the next request.
     */

    ctx->keepalive = r->keepalive
                     && (r->request_body
                         || (r->headers_in.content_length_n <= 0
                             && !r->headers_in.chunked));

    return copy->status;
}


ngx_int_t
ngx_llmops_deny_text(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_err_e kind, const char *code, const char *fmt, ...)
{
    va_list              args;
    ngx_llmops_error_t   err;
    u_char               text[NGX_LLMOPS_ERROR_TEXT];

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    va_start(args, fmt);
    err.message.len = ngx_vslprintf(text, text + sizeof(text), fmt, args)
                      - text;
    va_end(args);

    err.kind = kind;
    err.message.data = text;
    err.code.data = (u_char *) code;
    err.code.len = ngx_strlen(code);

    return ngx_llmops_deny(r, ctx, &err, 0);
}


static ngx_int_t
ngx_llmops_error_header_filter(ngx_http_request_t *r)
{
    ngx_llmops_ctx_t    *ctx;
    ngx_llmops_out_t     out;
    ngx_llmops_error_t   err;

    if (r->err_status < NGX_HTTP_BAD_REQUEST || r != r->main
        || !ngx_llmops_error_builtin(r))
    {
        return ngx_llmops_error_passed(r) == NGX_OK
               ? ngx_http_next_header_filter(r) : NGX_ERROR;
    }

    ctx = ngx_llmops_error_ctx(r);

    if (ctx == NULL || ctx->own_error) {
        return ngx_http_next_header_filter(r);
    }

    if (ngx_llmops_error_rescue(r, ctx) == NGX_OK) {
        return ngx_http_next_header_filter(r);
    }

    ngx_llmops_error_describe(r, ctx, &err);

    ngx_llmops_out_init(&out, NGX_LLMOPS_ERROR_BODY);

    ctx->env.dialect->write_error(&out, ctx->env.op, &err, &ctx->id, 0);

    ctx->error_body.len = out.len;
    ctx->error_body.data = out.failed ? NULL
                                      : ngx_pnalloc(r->pool, out.len + 1);

    if (ctx->error_body.data == NULL) {
        ngx_llmops_out_free(&out);
        return ngx_http_next_header_filter(r);
    }

    ngx_memcpy(ctx->error_body.data, out.data, out.len);
    ngx_llmops_out_free(&out);

    ctx->own_error = 1;

    if (ngx_llmops_error_headers(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


/*
 * Whether nginx's own page for r->err_status is what goes out, which is HTML,
 * or nothing where nginx knows no page for a status.  While a call is under way
 * it is a provider's answer; all else that we send is JSON or events.
 */

static ngx_uint_t
ngx_llmops_error_builtin(ngx_http_request_t *r)
{
    ngx_str_t         *type;
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ctx && ctx->call.attempts && !ctx->call.finished) {
        return 0;
    }

    type = &r->headers_out.content_type;

    return type->len == 0
           || (type->len == sizeof("text/html") - 1
               && ngx_memcmp(type->data, "text/html",
                             sizeof("text/html") - 1)
                  == 0);
}


/* all providers have failed, but there is an answer from before */

static ngx_int_t
ngx_llmops_error_rescue(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    if (ctx->refusal || r->err_status < 429
        || (ctx->call.attempts == 0 && ctx->call.fail == NGX_LLMOPS_FAIL_NONE)
        || ngx_llmops_cache_rescue(r, ctx, &ctx->error_body) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    ctx->own_error = 1;
    ctx->error = NGX_LLMOPS_ERR_NONE;

    r->err_status = 0;
    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = ngx_llmops_cache_types[ctx->env.stream];
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    ngx_llmops_error_length(r, ctx);

    return NGX_OK;
}


/*
 * A provider's error that passes: what has been tried on several targets, or
 * failed for another reason than a limit, need not be repeated by the client.
 */

static ngx_int_t
ngx_llmops_error_passed(ngx_http_request_t *r)
{
    ngx_table_elt_t    *h;
    ngx_llmops_ctx_t   *ctx;
    ngx_llmops_walk_t   w;

    if (r->headers_out.status < NGX_HTTP_BAD_REQUEST) {
        return NGX_OK;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ctx == NULL || !ctx->call.provider_error
        || (ctx->call.attempts == 1
            && r->headers_out.status == NGX_HTTP_TOO_MANY_REQUESTS))
    {
        return NGX_OK;
    }

    /* clients would see both words in one, and heed neither */

    for (h = ngx_llmops_header_first(&w, &r->headers_out.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        if (h->key.len == sizeof("x-should-retry") - 1
            && ngx_strncasecmp(h->key.data, (u_char *) "x-should-retry",
                               sizeof("x-should-retry") - 1)
               == 0)
        {
            h->hash = 0;
        }
    }

    return ngx_llmops_error_header(r, "X-Should-Retry", "false");
}


static ngx_int_t
ngx_llmops_error_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t         *b;
    ngx_chain_t        out;
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ctx == NULL || !ctx->own_error || in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    if (ctx->own_sent) {
        return ngx_http_next_body_filter(r, NULL);
    }

    ctx->own_sent = 1;

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = ctx->error_body.data;
    b->last = b->pos + ctx->error_body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


/*
 * The context of a request in one of our locations; made here for what nginx
 * refuses before our first handler runs (client_max_body_size).
 */

static ngx_llmops_ctx_t *
ngx_llmops_error_ctx(ngx_http_request_t *r)
{
    ngx_llmops_ctx_t       *ctx;
    ngx_llmops_loc_conf_t  *llcf;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ctx == NULL) {
        llcf = ngx_http_get_module_loc_conf(r, ngx_llmops_module);

        if (llcf == NULL || !llcf->pass) {
            return NULL;
        }

        ctx = ngx_llmops_ctx_create(r);
        if (ctx == NULL) {
            return NULL;
        }
    }

    if (ctx->env.dialect == NULL) {
        (void) ngx_llmops_operation(&ctx->env, &r->uri, 0, 1,
                                    ngx_llmops_header_in(r,
                                        "anthropic-version",
                                        sizeof("anthropic-version") - 1)
                                    != NULL);
    }

    if (ctx->env.dialect == NULL) {
        ctx->env.dialect = &ngx_llmops_openai;
    }

    return ctx;
}


static void
ngx_llmops_error_describe(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_error_t *err)
{
    static u_char  text[NGX_LLMOPS_ERROR_TEXT];

    if (ctx->refusal) {
        *err = *ctx->refusal;
        r->headers_out.status = err->status;
        r->err_status = err->status;

        if (ctx->keepalive) {
            r->keepalive = 1;
        }

        return;
    }

    ngx_memzero(err, sizeof(ngx_llmops_error_t));

    if (ctx->call.attempts || ctx->call.fail) {

        /* our own answer for what the providers did */

        err->kind = ctx->error ? ctx->error
                               : ngx_llmops_error_kind(r->err_status);

    } else {
        err->kind = ngx_llmops_error_kind(r->headers_out.status);
    }

    ctx->error = err->kind;

    ngx_llmops_error_message(ctx, r->headers_out.status, err, text,
                             sizeof(text));

    if (err->kind == NGX_LLMOPS_ERR_NOT_FOUND && ctx->call.attempts == 0) {
        ngx_str_set(&err->code, "unknown_url");     /* there is no model yet */
    }

    if (err->kind == NGX_LLMOPS_ERR_RATE_LIMIT
        || err->kind == NGX_LLMOPS_ERR_OVERLOADED)
    {
        ctx->retry = 1;
    }
}


static ngx_llmops_err_e
ngx_llmops_error_kind(ngx_uint_t status)
{
    switch (status) {

    case 401:
        return NGX_LLMOPS_ERR_AUTH;

    case 402:
        return NGX_LLMOPS_ERR_BILLING;

    case 403:
        return NGX_LLMOPS_ERR_PERMISSION;

    case 404:
        return NGX_LLMOPS_ERR_NOT_FOUND;

    case 405:
        return NGX_LLMOPS_ERR_METHOD;

    case 408:
    case 504:
        return NGX_LLMOPS_ERR_TIMEOUT;

    case 413:
        return NGX_LLMOPS_ERR_TOO_LARGE;

    case 415:
        return NGX_LLMOPS_ERR_MEDIA_TYPE;

    case 429:
        return NGX_LLMOPS_ERR_RATE_LIMIT;

    case 502:
        return NGX_LLMOPS_ERR_UPSTREAM;

    case 503:
        return NGX_LLMOPS_ERR_OVERLOADED;
    }

    return status < 500 ? NGX_LLMOPS_ERR_INVALID_REQUEST
                        : NGX_LLMOPS_ERR_INTERNAL;
}


/* what a caller can do about it, without a name of anything inside */

static void
ngx_llmops_error_message(ngx_llmops_ctx_t *ctx, ngx_uint_t status,
    ngx_llmops_error_t *err, u_char *buf, size_t size)
{
    const char  *text;

    err->message.data = buf;

    if (ctx->call.attempts || ctx->call.fail) {
        err->message.len = ngx_snprintf(buf, size,
                                        "no provider could answer (%ui "
                                        "attempt%s made): %s",
                                        ctx->call.attempts,
                                        ctx->call.attempts == 1 ? "" : "s",
                                        ngx_llmops_error_cause(ctx))
                           - buf;
        return;
    }

    switch (status) {

    case 401:
        text = "authentication is required";
        break;

    case 403:
        text = "access is not allowed";
        break;

    case 404:
        text = "there is nothing at this path";
        break;

    case 413:
        text = "the request's body is too large";
        break;

    case 414:
    case 494:
        text = "the request's header is too large";
        break;

    case 429:
        text = "too many requests, retry later";
        break;

    case 503:
        text = "the gateway is overloaded, retry later";
        break;

    default:
        text = status < 500 ? "the request is not valid"
                            : "the gateway could not handle the request";
    }

    err->message.data = (u_char *) text;
    err->message.len = ngx_strlen(text);
}


static const char *
ngx_llmops_error_cause(ngx_llmops_ctx_t *ctx)
{
    switch (ctx->call.fail) {

    case NGX_LLMOPS_FAIL_CONNECT:
        return "the last one could not be reached";

    case NGX_LLMOPS_FAIL_FIRST_TOKEN:
    case NGX_LLMOPS_FAIL_TOTAL:
        return "the last one did not answer in time";

    case NGX_LLMOPS_FAIL_CLOSED:
        return "the last one broke off before its answer was complete";

    case NGX_LLMOPS_FAIL_STATUS:
    case NGX_LLMOPS_FAIL_FIRST_EVENT:
        return "the last one answered with an error";

    default:
        return "the last one's answer was not valid";
    }
}


static ngx_int_t
ngx_llmops_error_headers(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    u_char      *p;
    ngx_uint_t   again;

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    ngx_llmops_error_length(r, ctx);

    if (ctx->error == NGX_LLMOPS_ERR_METHOD
        && ngx_llmops_error_header(r, "Allow",
                                   ctx->env.op == NGX_LLMOPS_OP_MODELS
                                   ? "GET, HEAD" : "POST")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ctx->retry) {
        p = ngx_pnalloc(r->pool, NGX_INT_T_LEN + 1);
        if (p == NULL) {
            return NGX_ERROR;
        }

        *ngx_sprintf(p, "%ui", ctx->retry) = '\0';

        if (ngx_llmops_error_header(r, "Retry-After", (char *) p) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    /*
     * Clients repeat most errors by themselves, twice, and some of them sleep
     * as long as they are told to.  Only a short wait is worth that; what has
     * been tried on several providers is not.
     */

    again = (ctx->retry && ctx->retry <= NGX_LLMOPS_RETRY_SANE
             && ctx->call.attempts == 0);

    return ngx_llmops_error_header(r, "X-Should-Retry",
                                   again ? "true" : "false");
}


static void
ngx_llmops_error_length(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    r->headers_out.content_length_n = ctx->error_body.len;

    if (r->headers_out.content_length) {
        r->headers_out.content_length->hash = 0;
        r->headers_out.content_length = NULL;
    }
}


static ngx_int_t
ngx_llmops_error_header(ngx_http_request_t *r, const char *name,
    const char *value)
{
    ngx_str_t  text;

    text.data = (u_char *) value;
    text.len = ngx_strlen(value);

    return ngx_llmops_header_out(r, name, &text) ? NGX_OK : NGX_ERROR;
}
