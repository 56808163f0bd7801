
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_jwt.h"


/*
 * nginx's own decoder takes padding, both alphabets and bits that are left
 * over, so that many texts are one token.  Here each has one spelling, and
 * what the cache knows by its digest cannot come back in another.
 */


static ngx_int_t ngx_llmops_jwt_digit(u_char ch);


ngx_int_t
ngx_llmops_jwt_base64(const u_char *src, size_t len, u_char *dst,
    size_t size, size_t *dst_len)
{
    size_t      i;
    u_char     *p;
    uint32_t    n;
    ngx_int_t   digit;
    ngx_uint_t  bits;

    if (len % 4 == 1 || len / 4 * 3 + (len % 4 * 3) / 4 > size) {
        return NGX_DECLINED;
    }

    p = dst;
    n = 0;
    bits = 0;

    for (i = 0; i < len; i++) {
        digit = ngx_llmops_jwt_digit(src[i]);

        if (digit == NGX_ERROR) {
            return NGX_DECLINED;
        }

        n = (n << 6 | (uint32_t) digit) & 0xffffff;
        bits += 6;

        if (bits >= 8) {
            bits -= 8;
            *p++ = (u_char) (n >> bits);
        }
    }

    if (n & ((1 << bits) - 1)) {
        return NGX_DECLINED;
    }

    *dst_len = p - dst;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_jwt_digit(u_char ch)
{
    if (ch >= 'A' && ch <= 'Z') {
        return ch - 'A';
    }

    if (ch >= 'a' && ch <= 'z') {
        return ch - 'a' + 26;
    }

    if (ch >= '0' && ch <= '9') {
        return ch - '0' + 52;
    }

    switch (ch) {

    case '-':
        return 62;

    case '_':
        return 63;
    }

    return NGX_ERROR;
}
