
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_multipart.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_guard.h"


/*
 * The read stage.  It runs in PREACCESS, before nginx's own limit_req and
 * limit_conn (an add-on's handlers come first there), so that everything
 * after it can use what the body says.
 */


typedef struct {
    ngx_llmops_envelope_t        *env;
    ngx_llmops_envelope_scan_t   *scan;
    ngx_llmops_multipart_t       *multipart;
    ngx_llmops_error_t           *err;
} ngx_llmops_reading_t;


static ngx_int_t ngx_llmops_read_target(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);
static void ngx_llmops_read_headers(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_read_types(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);
static void ngx_llmops_body_ready(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_read_body(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);
static ngx_int_t ngx_llmops_feed_json(void *data, u_char *p, size_t len);
static ngx_int_t ngx_llmops_read_json(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);
static ngx_int_t ngx_llmops_read_envelope(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, const ngx_str_t *pieces, ngx_llmops_error_t *err);
static ngx_uint_t ngx_llmops_read_pieces(ngx_http_request_t *r,
    ngx_str_t *pieces);
static ngx_int_t ngx_llmops_feed_multipart(void *data, u_char *p, size_t len);
static ngx_int_t ngx_llmops_read_multipart(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


ngx_int_t
ngx_llmops_read_handler(ngx_http_request_t *r)
{
    ngx_int_t                rc;
    ngx_llmops_ctx_t        *ctx;
    ngx_llmops_loc_conf_t   *llcf;

    llcf = ngx_http_get_module_loc_conf(r, ngx_llmops_module);

    if (!llcf->pass || r != r->main) {
        return NGX_DECLINED;
    }

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ctx && ctx->read_rc != NGX_AGAIN) {
        return ctx->read_rc;                    /* the second entry */
    }

    if (ctx == NULL) {
        ctx = ngx_llmops_ctx_create(r);
        if (ctx == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->read_rc = ngx_llmops_read_target(r, ctx);

        if (ctx->read_rc != NGX_OK) {
            return ctx->read_rc;
        }
    }

    ctx->read_rc = ngx_llmops_auth_identify(r, ctx);

    if (ctx->read_rc != NGX_OK) {
        return ctx->read_rc;                    /* NGX_AGAIN: it comes back */
    }

    ctx->read_rc = NGX_DONE;

    rc = ngx_http_read_client_request_body(r, ngx_llmops_body_ready);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        ctx->read_rc = rc;
        return rc;                              /* it has undone its count++ */
    }

    ngx_http_finalize_request(r, NGX_DONE);     /* undoes its count++ */

    return NGX_DONE;
}


ngx_int_t
ngx_llmops_read_detached(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    if (ngx_llmops_read_target(r, ctx) != NGX_OK || !ctx->env.json) {
        return NGX_ERROR;
    }

    return ngx_llmops_read_body(r, ctx) == NGX_DECLINED ? NGX_OK : NGX_ERROR;
}


/* what can be known before the body: NGX_OK, or a status to answer with */

static ngx_int_t
ngx_llmops_read_target(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t  rc;
    ngx_str_t  hops[NGX_LLMOPS_HOPS];

    ngx_llmops_read_headers(r, ctx);

    rc = ngx_llmops_operation(&ctx->env, &r->uri,
                              (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) != 0,
                              (r->method & NGX_HTTP_POST) != 0,
                              ctx->heads.anthropic);

    if (rc == NGX_DECLINED) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_METHOD, "",
                                      "method %V is not allowed for %V",
                                      &r->method_name, &r->uri);
    }

    if (ctx->env.op == NGX_LLMOPS_OP_NONE) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_NOT_FOUND,
                                      "unknown_url",
                                      "unknown path %V: the API's paths start "
                                      "with /v1/", &r->uri);
    }

    /* each header of the request is held against each of these */

    if (ctx->heads.hop && ngx_llmops_request_hops(r, hops) > NGX_LLMOPS_HOPS) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_INVALID_REQUEST,
                                    "", "the header \"connection\" names more "
                                    "than %d headers", NGX_LLMOPS_HOPS);
    }

    return ngx_llmops_read_types(r, ctx);
}


/*
 * Paths that both APIs have: anthropic-version tells, or x-api-key where
 * that is missing (an OpenAI client sends neither).  A Connection that says
 * more than keep-alive names headers that do not go further.
 */

/* the two values that name no headers */

static ngx_uint_t
ngx_llmops_read_plain(ngx_str_t *value)
{
    return (value->len == 10
            && ngx_strncasecmp(value->data, (u_char *) "keep-alive", 10) == 0)
           || (value->len == 5
               && ngx_strncasecmp(value->data, (u_char *) "close", 5) == 0);
}


static void
ngx_llmops_read_headers(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_table_elt_t     *h;
    ngx_llmops_walk_t    w;
    ngx_llmops_heads_t  *heads;

    heads = &ctx->heads;

    for (h = ngx_llmops_header_first(&w, &r->headers_in.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        switch (h->key.len) {

        case sizeof("anthropic-version") - 1:

            if (ngx_llmops_header_is(h, "anthropic-version")) {
                heads->anthropic = 1;
            }

            break;

        case sizeof("x-api-key") - 1:

            if (ngx_llmops_header_is(h, "x-api-key")) {
                heads->anthropic = 1;
            }

            break;

        case sizeof("content-encoding") - 1:

            if (heads->encoding == NULL
                && ngx_llmops_header_is(h, "content-encoding"))
            {
                heads->encoding = &h->value;
            }

            break;

        case sizeof("connection") - 1:

            if (ngx_llmops_header_is(h, "connection")
                && !ngx_llmops_read_plain(&h->value))
            {
                heads->hop = 1;
            }

            break;
        }
    }
}


static ngx_int_t
ngx_llmops_read_types(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_str_t         type, *encoding;
    ngx_table_elt_t  *h;

    if (ctx->env.op == NGX_LLMOPS_OP_MODELS
        || ctx->env.op == NGX_LLMOPS_OP_OTHER)
    {
        return NGX_OK;
    }

    encoding = ctx->heads.encoding;

    if (encoding && encoding->len
        && (encoding->len != 8
            || ngx_strncasecmp(encoding->data, (u_char *) "identity", 8) != 0))
    {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_MEDIA_TYPE,
                                      "request_body_encoding_unsupported",
                                      "content-encoding \"%V\" is not "
                                      "supported, send the body uncompressed",
                                      encoding);
    }

    h = r->headers_in.content_type;

    if (h == NULL || h->value.len == 0) {
        ctx->env.json = 1;
        return NGX_OK;
    }

    type = h->value;

    if (type.len >= 16
        && (ngx_memcmp(type.data, "application/json", 16) == 0
            || ngx_strncasecmp(type.data, (u_char *) "application/json", 16)
               == 0)
        && (type.len == 16 || type.data[16] == ';' || type.data[16] == ' '))
    {
        ctx->env.json = 1;
        return NGX_OK;
    }

    if (type.len >= 19
        && ngx_strncasecmp(type.data, (u_char *) "multipart/form-data", 19)
           == 0
        && (ctx->env.op == NGX_LLMOPS_OP_AUDIO
            || ctx->env.op == NGX_LLMOPS_OP_IMAGES))
    {
        ctx->env.multipart = 1;
        return NGX_OK;
    }

    return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_MEDIA_TYPE,
                                  "unsupported_media_type",
                                  "content-type \"%V\" is not supported here, "
                                  "send application/json", &type);
}


static void
ngx_llmops_body_ready(ngx_http_request_t *r)
{
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    ctx->read_rc = ngx_llmops_read_body(r, ctx);

    r->preserve_body = 1;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);
}


/* NGX_DECLINED, for the phases to go on, or a status to answer with */

static ngx_int_t
ngx_llmops_read_body(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ctx->env.body_len = ngx_llmops_body_size(r);

    if (ctx->env.json) {
        return ngx_llmops_read_json(r, ctx);
    }

    if (ctx->env.multipart) {
        return ngx_llmops_read_multipart(r, ctx);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_feed_json(void *data, u_char *p, size_t len)
{
    ngx_llmops_reading_t  *rd = data;

    return ngx_llmops_envelope_feed(rd->env, rd->scan, p, len, rd->err);
}


static ngx_int_t
ngx_llmops_read_json(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t                rc;
    ngx_str_t                pieces[2];
    ngx_llmops_error_t       err;
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    ctx->env.prompts = (mcf->prompts != NULL && ctx->detached == NULL);

    rc = ngx_llmops_read_envelope(r, ctx, ngx_llmops_read_pieces(r, pieces)
                                          ? pieces : NULL,
                                  &err);

    if (rc == NGX_DECLINED) {
        return ngx_llmops_deny(r, ctx, &err, 0);
    }

    return rc == NGX_OK ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


ngx_int_t
ngx_llmops_read_again(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_error_t *err)
{
    ngx_int_t               rc;
    ngx_str_t               path, model, pieces[2];
    ngx_uint_t              prompts;
    ngx_llmops_op_e         op;
    ngx_llmops_envelope_t  *env;

    const ngx_llmops_dialect_t  *dialect;

    env = &ctx->env;

    /* what is not of the body, and a model that a prompt has given */

    dialect = env->dialect;
    op = env->op;
    path = env->path;
    prompts = env->prompts;
    model = env->model;

    ngx_memzero(env, offsetof(ngx_llmops_envelope_t, model_buf));

    env->dialect = dialect;
    env->op = op;
    env->path = path;
    env->prompts = prompts;

    pieces[0] = ctx->memory;
    ngx_str_null(&pieces[1]);

    rc = ngx_llmops_read_envelope(r, ctx, pieces, err);

    if (rc == NGX_OK && env->model.len == 0) {
        env->model = model;
    }

    return rc;
}


/* pieces: where the body is in memory, or NULL */

static ngx_int_t
ngx_llmops_read_envelope(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    const ngx_str_t *pieces, ngx_llmops_error_t *err)
{
    ngx_int_t                    rc, seen;
    ngx_llmops_reading_t         rd;
    ngx_llmops_main_conf_t      *mcf;
    ngx_llmops_envelope_scan_t   scan;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    /* where answers are not kept few ask the same again */

    seen = (pieces && mcf->cache)
           ? ngx_llmops_envelope_recall(&ctx->env, pieces) : NGX_DECLINED;

    if (seen == NGX_OK) {
        return NGX_OK;
    }

    rd.env = &ctx->env;
    rd.scan = &scan;
    rd.err = err;

    ngx_llmops_envelope_begin(&ctx->env, &scan);

    if (pieces) {
        rc = ngx_llmops_feed_json(&rd, pieces[0].data, pieces[0].len);

        if (rc == NGX_OK && pieces[1].len) {
            rc = ngx_llmops_feed_json(&rd, pieces[1].data, pieces[1].len);
        }

    } else {
        rc = ngx_llmops_body_each(r, ngx_llmops_feed_json, &rd);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_envelope_end(&ctx->env, &scan, err);
    }

    if (rc == NGX_OK && seen == NGX_AGAIN) {
        ngx_llmops_envelope_remember(&ctx->env, pieces);
    }

    return rc;
}


/* what came with the headers, and the rest: whether that is all of it, and in
   memory */

static ngx_uint_t
ngx_llmops_read_pieces(ngx_http_request_t *r, ngx_str_t *pieces)
{
    ngx_uint_t    i;
    ngx_chain_t  *cl;

    cl = r->request_body ? r->request_body->bufs : NULL;

    for (i = 0; i < 2; i++) {
        ngx_str_null(&pieces[i]);

        if (cl == NULL) {
            continue;
        }

        if (cl->buf->in_file) {
            return 0;
        }

        pieces[i].data = cl->buf->pos;
        pieces[i].len = cl->buf->last - cl->buf->pos;

        cl = cl->next;
    }

    return cl == NULL;
}


static ngx_int_t
ngx_llmops_feed_multipart(void *data, u_char *p, size_t len)
{
    ngx_llmops_reading_t  *rd = data;

    return ngx_llmops_multipart_feed(rd->multipart, p, len) == NGX_OK
           ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_read_multipart(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t                rc;
    ngx_llmops_reading_t     rd;
    ngx_llmops_multipart_t   m;
    ngx_llmops_envelope_t   *env;

    env = &ctx->env;
    rd.multipart = &m;

    rc = ngx_llmops_multipart_init(&m, &r->headers_in.content_type->value);

    if (rc == NGX_OK) {
        rc = ngx_llmops_body_each(r, ngx_llmops_feed_multipart, &rd);
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc != NGX_OK || !m.complete) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_INVALID_REQUEST,
                                      "", "the body is not valid "
                                      "multipart/form-data");
    }

    if (m.model.count != 1 || m.model.len == 0) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_INVALID_REQUEST,
                                      "", "the form must have the field "
                                      "\"model\" once");
    }

    if (!ngx_llmops_multipart_text(&m.model)) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_INVALID_REQUEST,
                                      "invalid_value", "\"model\" has control "
                                      "characters, or is not UTF-8: send the "
                                      "name of a model");
    }

    ngx_memcpy(env->model_buf, m.model.value, m.model.len);
    env->model.data = env->model_buf;
    env->model.len = m.model.len;
    env->model_start = m.model.start;
    env->model_end = m.model.end;
    env->max_tokens = -1;
    env->n = 1;
    env->stream = (m.stream.count == 1 && m.stream.len == 4
                   && ngx_memcmp(m.stream.value, "true", 4) == 0);

    return NGX_DECLINED;
}
