
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_error.h"


/*
 * The request that a provider gets.  Its header is made anew for each attempt:
 * the provider's path, host and key, and the caller's headers but for those
 * that are the gateway's business (connection, credentials, cookies, what
 * proxies have added).  Its body is the caller's bytes with a few spans
 * replaced, or the translation of them.
 */


#define NGX_LLMOPS_BODY_MAX   (256 * 1024 * 1024)
#define NGX_LLMOPS_JOIN       128          /* bytes of a body with its head */


typedef struct {
    ngx_http_request_t      *r;
    ngx_llmops_ctx_t        *ctx;
    ngx_llmops_step_t       *step;
    ngx_str_t                path;
    ngx_str_t                args;
    ngx_str_t                key;
    ngx_str_t                extra;        /* lines of the translation */
    ngx_str_t                body;         /* translated, or NULL */
    ngx_llmops_slices_t      to;
    off_t                    length;
    ngx_uint_t               nhops;
    ngx_str_t                hops[NGX_LLMOPS_HOPS];
    unsigned                 has_body:1;   /* or might have one */
} ngx_llmops_building_t;


static ngx_int_t ngx_llmops_request_body(ngx_llmops_building_t *bd);
static ngx_int_t ngx_llmops_request_path(ngx_llmops_building_t *bd);
static ngx_int_t ngx_llmops_request_splice(ngx_llmops_building_t *bd);
static ngx_int_t ngx_llmops_request_translate(ngx_llmops_building_t *bd);
static void ngx_llmops_request_args(ngx_llmops_building_t *bd);
static ngx_uint_t ngx_llmops_request_hop(ngx_llmops_building_t *bd,
    u_char *name, size_t len);
static ngx_uint_t ngx_llmops_request_passes(ngx_llmops_building_t *bd,
    ngx_llmops_main_conf_t *mcf, ngx_table_elt_t *h);
static size_t ngx_llmops_request_headers_size(ngx_llmops_building_t *bd);
static u_char *ngx_llmops_request_headers(ngx_llmops_building_t *bd,
    u_char *p);
static ngx_int_t ngx_llmops_request_head(ngx_llmops_building_t *bd,
    ngx_chain_t *cl);
static ngx_chain_t *ngx_llmops_request_key(ngx_llmops_building_t *bd,
    ngx_chain_t *cl, u_char *p);
static u_char *ngx_llmops_request_line(ngx_llmops_building_t *bd, u_char *p);


ngx_int_t
ngx_llmops_request_build(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_step_t *step)
{
    u_char                 start[NGX_LLMOPS_JOIN];
    ngx_int_t              rc;
    ngx_chain_t           *cl, **last;
    ngx_llmops_building_t  bd;

    ngx_memzero(&bd, sizeof(ngx_llmops_building_t));

    bd.r = r;
    bd.ctx = ctx;
    bd.step = step;

    cl = ngx_llmops_slice(r, NULL, 0);      /* for the head */
    if (cl == NULL) {
        return NGX_ERROR;
    }

    /* the model's name stands near the start of most bodies: what is before
       it, and the name, are sent with the head */

    bd.to.last = &cl->next;
    bd.to.start = start;
    bd.to.room = sizeof(start);

    rc = ngx_llmops_request_body(&bd);
    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_llmops_provider_key(r, step->target->provider, &bd.key)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_llmops_request_args(&bd);

    if (ctx->heads.hop) {
        bd.nhops = ngx_llmops_request_hops(r, bd.hops);
        bd.nhops = ngx_min(bd.nhops, NGX_LLMOPS_HOPS);
    }

    if (ngx_llmops_request_head(&bd, cl) != NGX_OK) {
        return NGX_ERROR;
    }

    for (last = &cl; (*last)->next; last = &(*last)->next) { /* void */ }

    /* nginx's TLS buffer would keep the end of the request */

    (*last)->buf->flush = 1;

    r->upstream->request_bufs = cl;

    return NGX_OK;
}


/* fills in path, body and length; the path comes first into the buffer that
   the body's new bytes share, since that may move while it grows */

static ngx_int_t
ngx_llmops_request_body(ngx_llmops_building_t *bd)
{
    ngx_int_t               rc;
    ngx_llmops_out_t       *out;

    out = &bd->ctx->call.body;

    if (out->max == 0) {
        ngx_llmops_out_init(out, NGX_LLMOPS_BODY_MAX);
    }

    ngx_llmops_out_reset(out);

    if (ngx_llmops_request_path(bd) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = bd->step->translate ? ngx_llmops_request_translate(bd)
                             : ngx_llmops_request_splice(bd);

    bd->path.data = out->data;

    return rc;
}


/*
 * nginx has decoded the caller's path, so that "%0d%0a" is a line's end in it:
 * what may not stand in a request line is encoded again.
 */

static ngx_int_t
ngx_llmops_request_path(ngx_llmops_building_t *bd)
{
    u_char                 *p;
    ngx_str_t               path;
    uintptr_t               escapes;
    ngx_llmops_out_t       *out;
    ngx_llmops_provider_t  *provider;

    path = bd->ctx->env.path;
    escapes = ngx_escape_uri(NULL, path.data, path.len, NGX_ESCAPE_URI);

    if (escapes) {
        p = ngx_pnalloc(bd->r->pool, path.len + 2 * escapes);
        if (p == NULL) {
            return NGX_ERROR;
        }

        path.len = (u_char *) ngx_escape_uri(p, path.data, path.len,
                                             NGX_ESCAPE_URI)
                   - p;
        path.data = p;
    }

    out = &bd->ctx->call.body;
    provider = bd->step->target->provider;

    (void) ngx_llmops_out_str(out, &provider->base);
    bd->step->dialect->path(bd->step->op, &provider->base, &path, out);
    bd->path.len = out->len;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_request_splice(ngx_llmops_building_t *bd)
{
    ngx_int_t               n;
    ngx_llmops_ctx_t       *ctx;
    ngx_llmops_edit_t       edits[NGX_LLMOPS_MAX_EDITS];

    ctx = bd->ctx;
    n = 0;

    if (ctx->env.multipart && bd->step->target->model.len) {

        /* a form has the name as it is */

        edits[0].start = ctx->env.model_start;
        edits[0].end = ctx->env.model_end;
        edits[0].text = bd->step->target->model;
        n = 1;

    } else if (ctx->env.json) {
        n = bd->step->dialect->edits(&ctx->env, &bd->step->target->model,
                                     &ctx->call.body, edits);
        if (n == NGX_ERROR) {
            return NGX_ERROR;
        }
    }

    return ngx_llmops_body_slices(bd->r, ctx, edits, n, &bd->to, &bd->length);
}


static ngx_int_t
ngx_llmops_request_translate(ngx_llmops_building_t *bd)
{
    ngx_int_t               rc;
    ngx_str_t               body, *model;
    ngx_llmops_ctx_t       *ctx;
    ngx_llmops_call_t      *call;
    ngx_llmops_error_t      err;

    ctx = bd->ctx;
    call = &ctx->call;

    if (ngx_llmops_body_memory(bd->r, ctx, &body) != NGX_OK) {
        return NGX_ERROR;
    }

    if (call->xlate) {
        ngx_llmops_xlate_free(call->xlate);
    }

    call->xlate = ngx_llmops_xlate_create(ctx->env.dialect, bd->step->dialect,
                                          ctx->env.op, &ctx->env.model,
                                          ctx->env.stream,
                                          ctx->env.include_usage,
                                          ctx->plan.route->strict);
    if (call->xlate == NULL) {
        return NGX_ERROR;
    }

    model = bd->step->target->model.len ? &bd->step->target->model
                                        : &ctx->env.model;

    rc = ngx_llmops_xlate_request(call->xlate, &body, model, &call->body,
                                  &err);

    if (rc == NGX_DECLINED) {
        (void) ngx_llmops_deny(bd->r, ctx, &err, 0);
        return NGX_DECLINED;
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    bd->extra = *ngx_llmops_xlate_headers(call->xlate);
    bd->length = call->body.len - bd->path.len;

    if (ngx_llmops_slices_add(bd->r, &bd->to, call->body.data + bd->path.len,
                              bd->length)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_llmops_set_warnings(bd->r, ctx,
                                   ngx_llmops_xlate_warnings(call->xlate));
}


/* the caller's arguments, unless they carry a key (Google's clients put it
   there) or belong to another API */

static void
ngx_llmops_request_args(ngx_llmops_building_t *bd)
{
    u_char     *p, *last;
    ngx_str_t   args;

    args = bd->r->args;

    if (bd->step->translate || args.len == 0) {
        return;
    }

    p = args.data;
    last = p + args.len;

    while (p < last) {
        if (last - p >= 4 && ngx_strncmp(p, "key=", 4) == 0) {
            return;
        }

        p = ngx_strlchr(p, last, '&');
        if (p == NULL) {
            break;
        }

        p++;
    }

    bd->args = args;
}


/* whether a header is for this connection alone */

static ngx_uint_t
ngx_llmops_request_hop(ngx_llmops_building_t *bd, u_char *name, size_t len)
{
    ngx_uint_t  i;

    for (i = 0; i < bd->nhops; i++) {
        if (bd->hops[i].len == len
            && ngx_strncasecmp(bd->hops[i].data, name, len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_llmops_request_passes(ngx_llmops_building_t *bd,
    ngx_llmops_main_conf_t *mcf, ngx_table_elt_t *h)
{
    size_t                  len;
    u_char                 *name;
    ngx_http_headers_in_t  *in;

    /* nginx has found these by their names */

    in = &bd->r->headers_in;

    if (h == in->host || h == in->content_length || h == in->connection) {
        return 0;
    }

    name = h->lowcase_key;
    len = h->key.len;

    /* the body was read as the first one says, a provider may heed another */

    if (len == 12 && h != in->content_type
        && ngx_memcmp(name, "content-type", 12) == 0)
    {
        return 0;
    }

    if (bd->ctx->heads.hop && ngx_llmops_request_hop(bd, name, len)) {
        return 0;
    }

    if (ngx_hash_find(&mcf->dropped, h->hash, name, len)) {

        /* a body that nobody has looked into is as its caller says */

        return bd->ctx->env.op == NGX_LLMOPS_OP_OTHER
               && len == 16 && ngx_memcmp(name, "content-encoding", 16) == 0;
    }

    if (name[0] == 'x' && len > 6
        && (ngx_memcmp(name, "x-llm-", 6) == 0
            || (len > 8 && ngx_memcmp(name, "x-accel-", 8) == 0)))
    {
        return 0;
    }

    if (!bd->step->translate) {
        return 1;
    }

    /* what speaks of the caller's API would confuse another one */

    return !((len == 12 && ngx_memcmp(name, "content-type", 12) == 0)
             || (len > 10 && ngx_memcmp(name, "anthropic-", 10) == 0)
             || (len > 7 && ngx_memcmp(name, "openai-", 7) == 0)
             || (len > 12 && ngx_memcmp(name, "x-stainless-", 12) == 0));
}


/* the most that the caller's lines can take */

static size_t
ngx_llmops_request_headers_size(ngx_llmops_building_t *bd)
{
    size_t              size;
    ngx_table_elt_t    *h;
    ngx_llmops_walk_t   w;

    size = 0;

    for (h = ngx_llmops_header_first(&w, &bd->r->headers_in.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        size += h->key.len + h->value.len + sizeof(": " CRLF) - 1;
    }

    return size;
}


#define ngx_llmops_put(p, lit)  ngx_cpymem(p, lit, sizeof(lit) - 1)
#define ngx_llmops_put_str(p, s)  ngx_cpymem(p, (s)->data, (s)->len)


/* the lines that pass; a body without a type is taken for JSON */

static u_char *
ngx_llmops_request_headers(ngx_llmops_building_t *bd, u_char *p)
{
    ngx_uint_t               type;
    ngx_table_elt_t         *h;
    ngx_llmops_walk_t        w;
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(bd->r, ngx_llmops_module);
    type = 0;

    for (h = ngx_llmops_header_first(&w, &bd->r->headers_in.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        if (!ngx_llmops_request_passes(bd, mcf, h)) {
            continue;
        }

        if (h == bd->r->headers_in.content_type) {
            type = 1;
        }

        p = ngx_llmops_put_str(p, &h->key);
        *p++ = ':';
        *p++ = ' ';
        p = ngx_llmops_put_str(p, &h->value);
        *p++ = CR;
        *p++ = LF;
    }

    if (!type && bd->has_body) {
        p = ngx_llmops_put(p, "Content-Type: application/json" CRLF);
    }

    return p;
}


static ngx_int_t
ngx_llmops_request_head(ngx_llmops_building_t *bd, ngx_chain_t *cl)
{
    u_char                      *p;
    size_t                       size;
    ngx_buf_t                   *b;
    ngx_llmops_provider_t       *provider;
    const ngx_llmops_dialect_t  *dialect;

    provider = bd->step->target->provider;
    dialect = bd->step->dialect;

    size = bd->r->method_name.len + bd->path.len + bd->args.len
           + provider->host_header.len + dialect->key_header.len
           + dialect->key_prefix.len + bd->extra.len
           + NGX_OFF_T_LEN + ngx_llmops_request_headers_size(bd)
           + bd->to.len
           + sizeof("  ? HTTP/1.1\r\nHost: \r\n: \r\nContent-Length: \r\n"
                    "Content-Type: application/json\r\n"
                    "Accept-Encoding: identity\r\n\r\n");

    p = ngx_pnalloc(bd->r->pool, size);
    if (p == NULL) {
        return NGX_ERROR;
    }

    b = cl->buf;
    b->start = p;
    b->pos = p;

    p = ngx_llmops_request_line(bd, p);

    if (bd->key.len) {
        p = ngx_llmops_put_str(p, &dialect->key_header);
        *p++ = ':';
        *p++ = ' ';
        p = ngx_llmops_put_str(p, &dialect->key_prefix);

        cl = ngx_llmops_request_key(bd, cl, p);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        b = cl->buf;

        *p++ = CR;
        *p++ = LF;
    }

    bd->has_body = bd->length
                   || (bd->r->method & (NGX_HTTP_POST|NGX_HTTP_PUT)) != 0;

    if (bd->has_body) {
        p = ngx_llmops_put(p, "Content-Length: ");
        p = ngx_llmops_print_int(p, bd->length);
        *p++ = CR;
        *p++ = LF;
    }

    p = ngx_llmops_put_str(p, &bd->extra);
    p = ngx_llmops_request_headers(bd, p);
    p = ngx_llmops_put(p, "Accept-Encoding: identity" CRLF CRLF);
    p = ngx_cpymem(p, bd->to.start, bd->to.len);

    b->last = p;
    b->end = p;

    return NGX_OK;
}


/*
 * The key is sent from where it lies, memory that no core dump has, instead
 * of being copied into the request's pool.  Ends cl's buf at p; returns the
 * link of the buf that goes on there.
 */

static ngx_chain_t *
ngx_llmops_request_key(ngx_llmops_building_t *bd, ngx_chain_t *cl, u_char *p)
{
    ngx_chain_t  *key, *rest;

    key = ngx_llmops_slice(bd->r, bd->key.data, bd->key.len);
    rest = ngx_llmops_slice(bd->r, p, 0);

    if (key == NULL || rest == NULL) {
        return NULL;
    }

    cl->buf->last = p;
    cl->buf->end = p;

    rest->next = cl->next;
    key->next = rest;
    cl->next = key;

    return rest;
}


static u_char *
ngx_llmops_request_line(ngx_llmops_building_t *bd, u_char *p)
{
    ngx_llmops_provider_t  *provider;

    provider = bd->step->target->provider;

    p = ngx_llmops_put_str(p, &bd->r->method_name);
    *p++ = ' ';
    p = ngx_llmops_put_str(p, &bd->path);

    if (bd->args.len) {
        *p++ = '?';
        p = ngx_llmops_put_str(p, &bd->args);
    }

    p = ngx_llmops_put(p, " HTTP/1.1" CRLF "Host: ");
    p = ngx_llmops_put_str(p, &provider->host_header);
    *p++ = CR;
    *p++ = LF;

    return p;
}
