
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"


/*
 * The bytes of a request's body: where they lie, in memory or in a file, and
 * as slices for the request that goes to a provider.  They are never changed:
 * failover sends them again.
 */


#define NGX_LLMOPS_READ_PIECE  65536


/* a link and its buf, in one piece of memory */

typedef struct {
    ngx_chain_t                cl;
    ngx_buf_t                  buf;
} ngx_llmops_slice_t;


static ngx_int_t ngx_llmops_body_each_file(ngx_buf_t *b, ngx_int_t (*each)(void
    *data, u_char *p, size_t len), void *data);
static ngx_int_t ngx_llmops_append(void *data, u_char *p, size_t len);
static ngx_int_t ngx_llmops_slice_body(ngx_http_request_t *r, ngx_chain_t **in,
    size_t *skip, size_t len, ngx_chain_t ***last);


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

ngx_int_t
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


ngx_chain_t *
ngx_llmops_slice(ngx_http_request_t *r, u_char *p, size_t len)
{
    ngx_buf_t           *b;
    ngx_llmops_slice_t  *slice;

    slice = ngx_pcalloc(r->pool, sizeof(ngx_llmops_slice_t));
    if (slice == NULL) {
        return NULL;
    }

    b = &slice->buf;

    b->start = p;
    b->pos = p;
    b->last = p + len;
    b->end = b->last;
    b->memory = 1;

    slice->cl.buf = b;

    return &slice->cl;
}
