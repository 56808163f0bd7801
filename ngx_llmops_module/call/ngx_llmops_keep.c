
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"


/*
 * Keeps a copy of what goes to a caller, for those who look at it when it has
 * gone: rules that ask somebody afterwards, and shadows.  The copy is bounded;
 * what is longer is not kept at all.
 */


static ngx_int_t ngx_llmops_keep_filter(ngx_http_request_t *r,
    ngx_chain_t *in);


static ngx_http_output_body_filter_pt  ngx_http_next_body_filter;


void
ngx_llmops_keep_filters(ngx_conf_t *cf)
{
    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_llmops_keep_filter;
}


ngx_int_t
ngx_llmops_keep(ngx_llmops_ctx_t *ctx, size_t max)
{
    if (ctx->kept == NULL) {
        ctx->kept = ngx_palloc(ctx->request->pool, sizeof(ngx_llmops_out_t));
        if (ctx->kept == NULL) {
            return NGX_ERROR;
        }

        ngx_llmops_out_init(ctx->kept, max);
    }

    ctx->kept->max = ngx_max(ctx->kept->max, max);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_keep_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_chain_t       *cl;
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ctx && ctx->kept) {
        for (cl = in; cl; cl = cl->next) {
            if (ngx_buf_in_memory(cl->buf)) {
                (void) ngx_llmops_out_write(ctx->kept, cl->buf->pos,
                                            cl->buf->last - cl->buf->pos);
            }
        }
    }

    return ngx_http_next_body_filter(r, in);
}
