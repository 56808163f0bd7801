
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_multipart.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_error.h"


/*
 * The read stage.  It runs in PREACCESS, before nginx's own limit_req and
 * limit_conn (an add-on's handlers come first there), so that everything
 * after it can use what the body says.  The body's bytes are scanned where
 * they lie and are never changed: failover sends them again.
 */


#define NGX_LLMOPS_READ_PIECE  65536


static ngx_int_t ngx_llmops_read_target(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_uint_t ngx_llmops_read_anthropic(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_read_types(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_body_ready(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_read_body(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_read_json(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_read_multipart(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_body_each(ngx_http_request_t *r,
    ngx_int_t (*each)(void *data, u_char *p, size_t len), void *data);
static ngx_int_t ngx_llmops_body_each_file(ngx_buf_t *b,
    ngx_int_t (*each)(void *data, u_char *p, size_t len), void *data);
static ngx_chain_t *ngx_llmops_slice(ngx_http_request_t *r, u_char *p,
    size_t len);
static ngx_int_t ngx_llmops_slice_body(ngx_http_request_t *r,
    ngx_chain_t **in, size_t *skip, size_t len, ngx_chain_t ***last);


typedef struct {
    ngx_llmops_envelope_t        *env;
    ngx_llmops_envelope_scan_t   *scan;
    ngx_llmops_multipart_t       *multipart;
    ngx_llmops_error_t            err;
} ngx_llmops_reading_t;


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

    if (ctx) {
        return ctx->read_rc;                    /* the second entry */
    }

    ctx = ngx_llmops_ctx_create(r);
    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_llmops_read_target(r, ctx);

    if (rc != NGX_OK) {
        ctx->read_rc = rc;
        return rc;
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


/* what can be known before the body: NGX_OK, or a status to answer with */

static ngx_int_t
ngx_llmops_read_target(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_llmops_operation(&ctx->env, &r->uri,
                              (r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD)) != 0,
                              (r->method & NGX_HTTP_POST) != 0,
                              ngx_llmops_read_anthropic(r, ctx));

    if (rc == NGX_DECLINED) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_METHOD, "",
                                      "method %V is not allowed for %V",
                                      &r->method_name, &r->uri);
    }

    if (ctx->env.op == NGX_LLMOPS_OP_NONE) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_NOT_FOUND, "",
                                      "unknown path %V: the API's paths start "
                                      "with /v1/", &r->uri);
    }

    return ngx_llmops_read_types(r, ctx);
}


/*
 * Paths that both APIs have: anthropic-version tells, or x-api-key where
 * that is missing (an OpenAI client sends neither).
 */

static ngx_uint_t
ngx_llmops_read_anthropic(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t        i;
    ngx_list_part_t  *part;
    ngx_table_elt_t  *h;

    part = &r->headers_in.headers.part;
    h = part->elts;

    for (i = 0; /* void */ ; i++) {

        if (i >= part->nelts) {
            if (part->next == NULL) {
                return 0;
            }

            part = part->next;
            h = part->elts;
            i = 0;
        }

        if ((h[i].key.len == sizeof("anthropic-version") - 1
             && ngx_memcmp(h[i].lowcase_key, "anthropic-version",
                           sizeof("anthropic-version") - 1) == 0)
            || (h[i].key.len == sizeof("x-api-key") - 1
                && ngx_memcmp(h[i].lowcase_key, "x-api-key",
                              sizeof("x-api-key") - 1) == 0))
        {
            return 1;
        }
    }
}


static ngx_int_t
ngx_llmops_read_types(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_str_t         type;
    ngx_table_elt_t  *h;

    if (ctx->env.op == NGX_LLMOPS_OP_MODELS
        || ctx->env.op == NGX_LLMOPS_OP_OTHER)
    {
        return NGX_OK;
    }

    h = ngx_llmops_header_in(r, "content-encoding",
                             sizeof("content-encoding") - 1);

    if (h && h->value.len
        && (h->value.len != 8
            || ngx_strncasecmp(h->value.data, (u_char *) "identity", 8) != 0))
    {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_MEDIA_TYPE,
                                      "request_body_encoding_unsupported",
                                      "content-encoding \"%V\" is not "
                                      "supported, send the body uncompressed",
                                      &h->value);
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

    return ngx_llmops_envelope_feed(rd->env, rd->scan, p, len, &rd->err);
}


static ngx_int_t
ngx_llmops_read_json(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t                   rc;
    ngx_llmops_reading_t        rd;
    ngx_llmops_envelope_scan_t  scan;

    rd.env = &ctx->env;
    rd.scan = &scan;

    ngx_llmops_envelope_begin(&ctx->env, &scan);

    rc = ngx_llmops_body_each(r, ngx_llmops_feed_json, &rd);

    if (rc == NGX_OK) {
        rc = ngx_llmops_envelope_end(&ctx->env, &scan, &rd.err);
    }

    if (rc == NGX_DECLINED) {
        return ngx_llmops_deny(r, ctx, &rd.err, 0);
    }

    return rc == NGX_OK ? NGX_DECLINED : NGX_HTTP_INTERNAL_SERVER_ERROR;
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


off_t
ngx_llmops_body_size(ngx_http_request_t *r)
{
    off_t         size;
    ngx_chain_t  *cl;

    size = 0;

    if (r->request_body) {
        for (cl = r->request_body->bufs; cl; cl = cl->next) {
            size += ngx_buf_size(cl->buf);
        }
    }

    return size;
}


/* calls each() for every piece of the body, from memory or from its file */

static ngx_int_t
ngx_llmops_body_each(ngx_http_request_t *r,
    ngx_int_t (*each)(void *data, u_char *p, size_t len), void *data)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (r->request_body == NULL) {
        return NGX_OK;
    }

    for (cl = r->request_body->bufs; cl; cl = cl->next) {
        b = cl->buf;

        rc = b->in_file ? ngx_llmops_body_each_file(b, each, data)
                        : each(data, b->pos, b->last - b->pos);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_body_each_file(ngx_buf_t *b,
    ngx_int_t (*each)(void *data, u_char *p, size_t len), void *data)
{
    off_t      pos;
    u_char    *piece;
    size_t     size;
    ssize_t    n;
    ngx_int_t  rc;

    piece = ngx_alloc(NGX_LLMOPS_READ_PIECE, b->file->log);
    if (piece == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_OK;

    for (pos = b->file_pos; pos < b->file_last && rc == NGX_OK; pos += n) {

        size = (size_t) ngx_min(b->file_last - pos, NGX_LLMOPS_READ_PIECE);

        n = ngx_read_file(b->file, piece, size, pos);

        if (n <= 0) {
            rc = NGX_ERROR;
            break;
        }

        rc = each(data, piece, n);
    }

    ngx_free(piece);

    return rc;
}


static ngx_int_t
ngx_llmops_append(void *data, u_char *p, size_t len)
{
    ngx_str_t  *body = data;

    ngx_memcpy(body->data + body->len, p, len);
    body->len += len;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_body_memory(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *body)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    if (ctx->memory.data) {
        *body = ctx->memory;
        return NGX_OK;
    }

    ngx_str_null(body);

    cl = r->request_body ? r->request_body->bufs : NULL;

    if (cl == NULL) {
        return NGX_OK;
    }

    b = cl->buf;

    if (cl->next == NULL && !b->in_file) {
        body->data = b->pos;
        body->len = b->last - b->pos;

    } else {
        body->data = ngx_pnalloc(r->pool, ctx->env.body_len + 1);
        if (body->data == NULL) {
            return NGX_ERROR;
        }

        if (ngx_llmops_body_each(r, ngx_llmops_append, body) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ctx->memory = *body;

    return NGX_OK;
}


/*
 * nginx rewinds every buf that it has sent to its start when the next attempt
 * is made, and a buf in a file to the file's first byte.  So each attempt has
 * bufs of its own, each starts where its bytes do, and a body in a file is
 * sent from there only if it is sent whole.
 */

ngx_int_t
ngx_llmops_body_slices(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_edit_t *edits, ngx_uint_t nedits, ngx_chain_t ***last,
    off_t *length)
{
    size_t        at, skip;
    ngx_str_t     whole;
    ngx_buf_t     memory;
    ngx_uint_t    i;
    ngx_chain_t  *in, *cl, one;

    in = r->request_body ? r->request_body->bufs : NULL;

    *length = ctx->env.body_len;

    if (in == NULL) {
        return NGX_OK;
    }

    if (ctx->memory.data == NULL && r->request_body->temp_file) {

        if (nedits == 0 && in->next == NULL) {
            cl = ngx_llmops_slice(r, NULL, 0);
            if (cl == NULL) {
                return NGX_ERROR;
            }

            *cl->buf = *in->buf;
            **last = cl;
            *last = &cl->next;

            return NGX_OK;
        }

        if (ngx_llmops_body_memory(r, ctx, &whole) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ctx->memory.data) {
        ngx_memzero(&memory, sizeof(ngx_buf_t));
        memory.pos = ctx->memory.data;
        memory.last = ctx->memory.data + ctx->memory.len;

        one.buf = &memory;
        one.next = NULL;
        in = &one;
    }

    at = 0;
    skip = 0;

    for (i = 0; i < nedits; i++) {

        if (ngx_llmops_slice_body(r, &in, &skip, edits[i].start - at, last)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        cl = ngx_llmops_slice(r, edits[i].text.data, edits[i].text.len);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        **last = cl;
        *last = &cl->next;

        at = edits[i].end;
        skip += edits[i].end - edits[i].start;
        *length += (off_t) edits[i].text.len
                   - (off_t) (edits[i].end - edits[i].start);
    }

    return ngx_llmops_slice_body(r, &in, &skip, ctx->env.body_len - at, last);
}


/* skips bytes of the body from *in on, then appends len bytes of it */

static ngx_int_t
ngx_llmops_slice_body(ngx_http_request_t *r, ngx_chain_t **in, size_t *skip,
    size_t len, ngx_chain_t ***last)
{
    size_t        size;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    while (len && *in) {
        b = (*in)->buf;
        size = b->last - b->pos;

        if (*skip >= size) {
            *skip -= size;
            *in = (*in)->next;
            continue;
        }

        size = ngx_min(size - *skip, len);

        cl = ngx_llmops_slice(r, b->pos + *skip, size);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        **last = cl;
        *last = &cl->next;

        *skip += size;
        len -= size;
    }

    return NGX_OK;
}


static ngx_chain_t *
ngx_llmops_slice(ngx_http_request_t *r, u_char *p, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_calloc_buf(r->pool);
    cl = ngx_alloc_chain_link(r->pool);

    if (b == NULL || cl == NULL) {
        return NULL;
    }

    b->start = p;
    b->pos = p;
    b->last = p + len;
    b->end = b->last;
    b->memory = 1;

    cl->buf = b;
    cl->next = NULL;

    return cl;
}
