
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_cache.h"


/*
 * The bufs that go out to the caller.  nginx keeps them in u->free_bufs when
 * they have been sent; one that once had bytes copied keeps its piece of
 * memory for the next time.
 */


#define NGX_LLMOPS_PIECE      2048


static ngx_chain_t *ngx_llmops_emit_buf(ngx_http_request_t *r);
static void ngx_llmops_emit_taken(ngx_http_request_t *r, u_char *p,
    size_t len);


static ngx_chain_t *
ngx_llmops_emit_buf(ngx_http_request_t *r)
{
    ngx_buf_t            *b;
    ngx_chain_t          *cl;
    ngx_llmops_ctx_t     *ctx;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    cl = ngx_chain_get_free_buf(r->pool, &u->free_bufs);
    if (cl == NULL) {
        return NULL;
    }

    b = cl->buf;

    b->tag = u->output.tag;
    b->memory = 0;
    b->temporary = 1;
    b->flush = 1;

    if (u->out_bufs == NULL) {
        ctx->call.last = &u->out_bufs;
    }

    *ctx->call.last = cl;
    ctx->call.last = &cl->next;

    return cl;
}


/* what the caller gets the cache may take down */

static void
ngx_llmops_emit_taken(ngx_http_request_t *r, u_char *p, size_t len)
{
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ngx_llmops_cache_leads(ctx)) {
        ngx_llmops_cache_take(ctx, p, len);
    }
}


/* bytes that stay where they are until they have been sent */

ngx_int_t
ngx_llmops_emit_slice(ngx_http_request_t *r, u_char *p, size_t len)
{
    ngx_chain_t  *cl;

    if (len == 0) {
        return NGX_OK;
    }

    ngx_llmops_emit_taken(r, p, len);

    cl = ngx_llmops_emit_buf(r);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    /* start and end stay those of the buf's own piece, if it has one */

    cl->buf->pos = p;
    cl->buf->last = p + len;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_stream_emit(ngx_http_request_t *r, u_char *p, size_t len)
{
    size_t        n;
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    ngx_llmops_emit_taken(r, p, len);

    while (len) {
        cl = ngx_llmops_emit_buf(r);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        b = cl->buf;

        if (b->start == NULL) {
            b->start = ngx_palloc(r->pool, NGX_LLMOPS_PIECE);
            if (b->start == NULL) {
                return NGX_ERROR;
            }

            b->end = b->start + NGX_LLMOPS_PIECE;
        }

        n = ngx_min(len, NGX_LLMOPS_PIECE);

        b->pos = b->start;
        b->last = ngx_cpymem(b->start, p, n);

        p += n;
        len -= n;
    }

    return NGX_OK;
}
