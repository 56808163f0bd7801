
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_guard.h"
#include "ngx_llmops_tokens.h"
#include "ngx_llmops_call.h"


/*
 * The estimate of a request's input: ngx_llmops_tokens_body.c at the body of
 * a request, wherever nginx has put it, or at the one that a prompt has made
 * of it.  It is made when it is first asked for and kept.
 */


static ngx_llmops_tokens_family_e ngx_llmops_estimate_family(
    ngx_llmops_ctx_t *ctx);
static int64_t ngx_llmops_estimate_whole(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static int64_t ngx_llmops_estimate_sample(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_estimate_gather(void *data, u_char *p,
    size_t len);
static const u_char *ngx_llmops_estimate_piece(void *data, size_t offset,
    size_t len, u_char *buf);
static const u_char *ngx_llmops_estimate_read(void *data, size_t offset,
    size_t len, u_char *buf);
static ngx_int_t ngx_llmops_estimate_copy(ngx_buf_t *b, size_t offset,
    size_t len, u_char *buf);


int64_t
ngx_llmops_estimate_request(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    size_t   len;
    int64_t  n;

    if (!ctx->env.json) {
        return -1;
    }

    if (ctx->env.estimated == 0) {

        len = ctx->memory.data ? ctx->memory.len : ctx->env.body_len;

        n = (len <= NGX_LLMOPS_TOKENS_WHOLE)
            ? ngx_llmops_estimate_whole(r, ctx)
            : ngx_llmops_estimate_sample(r, ctx);

        if (n < 0) {
            return -1;
        }

        ctx->env.estimated = n + 1;
    }

    return ctx->env.estimated - 1;
}


/* of several models that may be asked, the one that makes more of a text */

static ngx_llmops_tokens_family_e
ngx_llmops_estimate_family(ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t  i;
    ngx_str_t  *model;

    for (i = 0; i < ctx->plan.nsteps; i++) {
        model = &ctx->plan.steps[i].target->model;

        if (ngx_llmops_tokens_family(model->len ? model : &ctx->env.model)
            == NGX_LLMOPS_TOKENS_CL100K)
        {
            return NGX_LLMOPS_TOKENS_CL100K;
        }
    }

    return ctx->plan.nsteps ? NGX_LLMOPS_TOKENS_O200K
                            : ngx_llmops_tokens_family(&ctx->env.model);
}


static int64_t
ngx_llmops_estimate_whole(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    u_char      copy[NGX_LLMOPS_TOKENS_WHOLE];
    int64_t     n;
    ngx_str_t   body;
    ngx_uint_t  binary;

    body = ctx->memory;

    if (body.data == NULL) {
        body.data = copy;
        body.len = 0;

        if (ngx_llmops_body_each(r, ngx_llmops_estimate_gather, &body)
            != NGX_OK)
        {
            return -1;
        }
    }

    n = ngx_llmops_tokens_body(ngx_llmops_estimate_family(ctx), body.data,
                               body.len, &binary);

    /* "data:" URLs have been counted when the body was read */

    return n + (int64_t) (ctx->env.images + binary) * NGX_LLMOPS_IMAGE_TOKENS;
}


/* samples find both kinds of images, and not all of them */

static int64_t
ngx_llmops_estimate_sample(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    int64_t                     n;
    ngx_uint_t                  binary;
    ngx_llmops_tokens_family_e  family;

    family = ngx_llmops_estimate_family(ctx);

    n = ctx->memory.data
        ? ngx_llmops_tokens_sample(family, ngx_llmops_estimate_piece,
                                   &ctx->memory, ctx->memory.len, &binary)
        : ngx_llmops_tokens_sample(family, ngx_llmops_estimate_read, r,
                                   ctx->env.body_len, &binary);

    if (n < 0) {
        return -1;
    }

    return n + (int64_t) ngx_max(ctx->env.images, binary)
               * NGX_LLMOPS_IMAGE_TOKENS;
}


static const u_char *
ngx_llmops_estimate_piece(void *data, size_t offset, size_t len, u_char *buf)
{
    ngx_str_t  *body = data;

    return body->data + offset;
}


/* into one piece, which it usually is */

static ngx_int_t
ngx_llmops_estimate_gather(void *data, u_char *p, size_t len)
{
    ngx_str_t  *body = data;

    if (len > NGX_LLMOPS_TOKENS_WHOLE - body->len) {
        return NGX_ERROR;
    }

    ngx_memcpy(body->data + body->len, p, len);
    body->len += len;

    return NGX_OK;
}


static const u_char *
ngx_llmops_estimate_read(void *data, size_t offset, size_t len, u_char *buf)
{
    ngx_http_request_t *r = data;

    size_t        have, n;
    u_char       *to;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    to = buf;

    for (cl = r->request_body->bufs; cl && len; cl = cl->next) {
        b = cl->buf;
        have = (size_t) ngx_buf_size(b);

        if (offset >= have) {
            offset -= have;
            continue;
        }

        if (to == buf && !b->in_file && have - offset >= len) {
            return b->pos + offset;
        }

        n = ngx_min(have - offset, len);

        if (ngx_llmops_estimate_copy(b, offset, n, to) != NGX_OK) {
            return NULL;
        }

        to += n;
        len -= n;
        offset = 0;
    }

    return len ? NULL : buf;
}


static ngx_int_t
ngx_llmops_estimate_copy(ngx_buf_t *b, size_t offset, size_t len, u_char *buf)
{
    if (!b->in_file) {
        ngx_memcpy(buf, b->pos + offset, len);
        return NGX_OK;
    }

    /* a few hundred bytes that have just been written: nginx reads bodies from
       their files in the same way */

    return ngx_read_file(b->file, buf, len, b->file_pos + (off_t) offset)
           == (ssize_t) len ? NGX_OK : NGX_ERROR;
}
