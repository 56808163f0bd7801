
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"


/*
 * What a whole answer says of itself.  In one piece, as most are, its dialect
 * reads it in one go, like an event of a stream; else a scanner finds the
 * wanted members while its bytes go by.  The reason of its finish stands
 * deeper, but near its end, so that the last bytes are kept for a look.
 */


ngx_int_t
ngx_llmops_whole(ngx_llmops_ctx_t *ctx, ngx_str_t *body)
{
    ngx_llmops_step_t  *step;

    step = ngx_llmops_step(ctx);

    return step->dialect->whole(&ctx->meter, step->op, body);
}


void
ngx_llmops_whole_start(ngx_llmops_ctx_t *ctx, ngx_llmops_body_scan_t *bs)
{
    const ngx_llmops_dialect_t  *d;

    d = ngx_llmops_step(ctx)->dialect;

    ngx_llmops_json_scan_init(&bs->scan, d->body_want, bs->found,
                              d->nbody_want, bs->capture,
                              NGX_LLMOPS_BODY_CAPTURE);
    bs->tail_len = 0;
}


void
ngx_llmops_whole_feed(ngx_llmops_body_scan_t *bs, u_char *p, size_t len)
{
    size_t  keep;

    (void) ngx_llmops_json_scan(&bs->scan, p, len);

    if (len >= NGX_LLMOPS_BODY_TAIL) {
        ngx_memcpy(bs->tail, p + len - NGX_LLMOPS_BODY_TAIL,
                   NGX_LLMOPS_BODY_TAIL);
        bs->tail_len = NGX_LLMOPS_BODY_TAIL;
        return;
    }

    keep = ngx_min(bs->tail_len, NGX_LLMOPS_BODY_TAIL - len);

    ngx_memmove(bs->tail, bs->tail + bs->tail_len - keep, keep);
    ngx_memcpy(bs->tail + keep, p, len);

    bs->tail_len = keep + len;
}


ngx_int_t
ngx_llmops_whole_end(ngx_llmops_ctx_t *ctx, ngx_llmops_body_scan_t *bs)
{
    ngx_str_t                    tail;
    ngx_llmops_step_t           *step;
    const ngx_llmops_dialect_t  *d;

    if (ngx_llmops_json_scan_done(&bs->scan) != NGX_LLMOPS_JSON_OK) {
        return NGX_DECLINED;
    }

    step = ngx_llmops_step(ctx);
    d = step->dialect;

    d->body(&ctx->meter, step->op, bs->found);

    if (d->body_tail && ctx->meter.finish == NGX_LLMOPS_FINISH_NONE) {
        tail.data = bs->tail;
        tail.len = bs->tail_len;

        d->body_tail(&ctx->meter, &tail);
    }

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_whole_broken(ngx_llmops_body_scan_t *bs)
{
    ngx_uint_t  code;

    code = ngx_llmops_json_scan_done(&bs->scan);

    return code == NGX_LLMOPS_JSON_TRUNCATED
           || code == NGX_LLMOPS_JSON_NOT_OBJECT;
}
