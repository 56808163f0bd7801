
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_state.h"

#include <zlib.h>


/*
 * Frames make it possible to tell what a crash has left.  The next frame is
 * written only after the last one has reached the disk, so that only the last
 * one of a file can be incomplete.  A frame that is wrong and has a good one
 * somewhere behind it has been damaged later, which is another matter: then a
 * key that was taken away might come back.
 */


#define NGX_LLMOPS_FRAME_MAGIC     0x666d6c6c          /* "llmf" */


size_t
ngx_llmops_frame_begin(ngx_llmops_out_t *out)
{
    static const u_char  head[NGX_LLMOPS_FRAME_HEAD];

    ngx_llmops_out_write(out, head, NGX_LLMOPS_FRAME_HEAD);

    return out->len - NGX_LLMOPS_FRAME_HEAD;
}


static void
ngx_llmops_frame_set(u_char *p, uint64_t value, ngx_uint_t n)
{
    while (n--) {
        *p++ = (u_char) value;
        value >>= 8;
    }
}


void
ngx_llmops_frame_end(ngx_llmops_out_t *out, size_t start)
{
    size_t   len;
    u_char  *p;

    if (out->failed) {
        return;
    }

    p = out->data + start;
    len = out->len - start - NGX_LLMOPS_FRAME_HEAD;

    ngx_llmops_frame_set(p, NGX_LLMOPS_FRAME_MAGIC, 4);
    ngx_llmops_frame_set(p + 4, len, 4);
    ngx_llmops_frame_set(p + 8, crc32(0, p + NGX_LLMOPS_FRAME_HEAD, len), 4);
    ngx_llmops_frame_set(p + 12, crc32(0, p, 12), 4);
}


ngx_int_t
ngx_llmops_frame_head(u_char *p, u_char *last, size_t *len)
{
    if (last - p < NGX_LLMOPS_FRAME_HEAD
        || ngx_llmops_frame_get(p, 4) != NGX_LLMOPS_FRAME_MAGIC
        || ngx_llmops_frame_get(p + 12, 4) != crc32(0, p, 12))
    {
        return NGX_DECLINED;
    }

    *len = ngx_llmops_frame_get(p + 4, 4) + NGX_LLMOPS_FRAME_HEAD;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_frame_read(u_char *p, u_char *last, ngx_str_t *inside)
{
    size_t  len;

    if (ngx_llmops_frame_head(p, last, &len) != NGX_OK
        || len > (size_t) (last - p))
    {
        return NGX_DECLINED;
    }

    inside->data = p + NGX_LLMOPS_FRAME_HEAD;
    inside->len = len - NGX_LLMOPS_FRAME_HEAD;

    if (ngx_llmops_frame_get(p + 8, 4) != crc32(0, inside->data, inside->len))
    {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


void
ngx_llmops_frame_number(ngx_llmops_out_t *out, uint64_t value, ngx_uint_t n)
{
    u_char  buf[8];

    ngx_llmops_frame_set(buf, value, n);

    ngx_llmops_out_write(out, buf, n);
}


uint64_t
ngx_llmops_frame_get(u_char *p, ngx_uint_t n)
{
    uint64_t  value;

    for (value = 0; n; n--) {
        value = value << 8 | p[n - 1];
    }

    return value;
}
