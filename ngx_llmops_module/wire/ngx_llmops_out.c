
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_out.h"


#define NGX_LLMOPS_OUT_SHORT  1024
#define NGX_LLMOPS_OUT_SIZE  256           /* the first, then doubled */


/* makes room for len more bytes and returns where they go, or NULL */

static u_char *
ngx_llmops_out_room(ngx_llmops_out_t *out, size_t len)
{
    size_t   size;
    u_char  *data;

    if (out->failed || len > out->max - out->len) {
        out->failed = 1;
        return NULL;
    }

    if (len > out->size - out->len) {
        size = (out->size < out->max / 2) ? out->size * 2 : out->max;
        size = ngx_max(size, ngx_min(out->max, NGX_LLMOPS_OUT_SIZE));
        size = ngx_max(size, out->len + len);

        data = realloc(out->data, size);
        if (data == NULL) {
            out->failed = 1;
            return NULL;
        }

        out->data = data;
        out->size = size;
    }

    return out->data + out->len;
}


void
ngx_llmops_out_init(ngx_llmops_out_t *out, size_t max)
{
    ngx_memzero(out, sizeof(ngx_llmops_out_t));

    out->max = max;
}


void
ngx_llmops_out_free(ngx_llmops_out_t *out)
{
    if (out->data == NULL && !out->failed) {
        return;                              /* as most of a request's */
    }

    free(out->data);

    ngx_llmops_out_init(out, out->max);
}


void
ngx_llmops_out_reset(ngx_llmops_out_t *out)
{
    out->len = 0;
    out->failed = 0;
}


ngx_int_t
ngx_llmops_out_write(ngx_llmops_out_t *out, const void *p, size_t len)
{
    u_char  *dst;

    if (len == 0) {
        return out->failed ? NGX_ERROR : NGX_OK;
    }

    dst = (len <= out->size - out->len && !out->failed)
          ? out->data + out->len : ngx_llmops_out_room(out, len);

    if (dst == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(dst, p, len);
    out->len += len;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_out_json(ngx_llmops_out_t *out, const u_char *src, size_t len)
{
    size_t   n;
    u_char  *p, *dst;

    /* short texts get room for the worst that can come of them: that costs
       less than to count first */

    n = 6 * len + 2;

    if (len > NGX_LLMOPS_OUT_SHORT || n > out->max - out->len) {
        n = ngx_llmops_json_escaped_len(src, len) + 2;
    }

    dst = ngx_llmops_out_room(out, n);

    if (dst == NULL) {
        return NGX_ERROR;
    }

    p = dst;

    *p++ = '"';
    p = ngx_llmops_json_escape(p, src, len);
    *p++ = '"';

    out->len += p - dst;

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_out_entity(ngx_llmops_out_t *out, u_char c)
{
    switch (c) {

    case '<':
        (void) ngx_llmops_out_lit(out, "&lt;");
        return 1;

    case '>':
        (void) ngx_llmops_out_lit(out, "&gt;");
        return 1;

    case '&':
        (void) ngx_llmops_out_lit(out, "&amp;");
        return 1;

    case '"':
        (void) ngx_llmops_out_lit(out, "&quot;");
        return 1;

    default:
        return 0;
    }
}


u_char *
ngx_llmops_print_int(u_char *p, int64_t n)
{
    u_char    buf[NGX_INT64_LEN], *d;
    uint64_t  u;

    /* of the lowest number too, whose negation is no int64_t */
    u = (n < 0) ? 0 - (uint64_t) n : (uint64_t) n;
    d = buf + sizeof(buf);

    do {
        *--d = '0' + u % 10;
        u /= 10;
    } while (u);

    if (n < 0) {
        *--d = '-';
    }

    return ngx_cpymem(p, d, buf + sizeof(buf) - d);
}


ngx_int_t
ngx_llmops_out_int(ngx_llmops_out_t *out, int64_t n)
{
    u_char  buf[NGX_INT64_LEN];

    return ngx_llmops_out_write(out, buf, ngx_llmops_print_int(buf, n) - buf);
}
