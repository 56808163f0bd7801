
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_key_check.h"


/* Networks, without nginx's own parser, so that tests link it alone. */


static ngx_int_t ngx_llmops_key_bits(u_char *p, u_char *last,
    ngx_uint_t *bits);
static void ngx_llmops_key_mask(u_char *addr, u_char *mask, size_t len,
    ngx_uint_t bits);


ngx_int_t
ngx_llmops_key_cidr(ngx_str_t *text, ngx_cidr_t *cidr)
{
    char         addr[INET6_ADDRSTRLEN];
    size_t       len;
    u_char      *slash;
    ngx_uint_t   bits, most;

    ngx_memzero(cidr, sizeof(ngx_cidr_t));

    slash = memchr(text->data, '/', text->len);
    len = slash ? (size_t) (slash - text->data) : text->len;

    if (len == 0 || len >= sizeof(addr)) {
        return NGX_DECLINED;
    }

    ngx_memcpy(addr, text->data, len);
    addr[len] = '\0';

    if (inet_pton(AF_INET, addr, &cidr->u.in.addr) == 1) {
        cidr->family = AF_INET;
        most = 32;

#if (NGX_HAVE_INET6)
    } else if (inet_pton(AF_INET6, addr, &cidr->u.in6.addr) == 1) {
        cidr->family = AF_INET6;
        most = 128;
#endif

    } else {
        return NGX_DECLINED;
    }

    bits = most;

    if (slash
        && (ngx_llmops_key_bits(slash + 1, text->data + text->len, &bits)
            != NGX_OK
            || bits > most))
    {
        return NGX_DECLINED;
    }

#if (NGX_HAVE_INET6)
    if (cidr->family == AF_INET6) {
        ngx_llmops_key_mask(cidr->u.in6.addr.s6_addr,
                            cidr->u.in6.mask.s6_addr, 16, bits);
        return NGX_OK;
    }
#endif

    ngx_llmops_key_mask((u_char *) &cidr->u.in.addr,
                        (u_char *) &cidr->u.in.mask, 4, bits);

    return NGX_OK;
}


/* one to three digits */

static ngx_int_t
ngx_llmops_key_bits(u_char *p, u_char *last, ngx_uint_t *bits)
{
    if (p == last || last - p > 3) {
        return NGX_DECLINED;
    }

    for (*bits = 0; p < last; p++) {
        if (*p < '0' || *p > '9') {
            return NGX_DECLINED;
        }

        *bits = *bits * 10 + (*p - '0');
    }

    return NGX_OK;
}


static void
ngx_llmops_key_mask(u_char *addr, u_char *mask, size_t len, ngx_uint_t bits)
{
    size_t      i;
    ngx_uint_t  n;

    for (i = 0; i < len; i++) {
        n = ngx_min(bits, 8);
        bits -= n;

        mask[i] = (u_char) (0xff00 >> n);
        addr[i] &= mask[i];
    }
}
