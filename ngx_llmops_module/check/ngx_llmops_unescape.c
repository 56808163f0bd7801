
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_unescape.h"


static ngx_int_t
ngx_llmops_unescape_hex(const u_char *p)
{
    u_char      c;
    ngx_int_t   n;
    ngx_uint_t  i;

    for (n = 0, i = 0; i < 4; i++) {
        c = p[i] | 0x20;

        if (p[i] >= '0' && p[i] <= '9') {
            n = n << 4 | (p[i] - '0');

        } else if (c >= 'a' && c <= 'f') {
            n = n << 4 | (c - 'a' + 10);

        } else {
            return -1;
        }
    }

    return n;
}


/* writes a character; 0 if JSON wants it escaped, or it is none */

static ngx_uint_t
ngx_llmops_unescape_char(uint32_t cp, ngx_llmops_out_t *out)
{
    u_char  buf[4], *p;

    if (cp < 0x20 || cp == '"' || cp == '\\' || cp == 0x7f
        || (cp >= 0xd800 && cp < 0xe000))
    {
        return 0;
    }

    p = buf;

    if (cp < 0x80) {
        *p++ = cp;

    } else if (cp < 0x800) {
        *p++ = 0xc0 | cp >> 6;
        *p++ = 0x80 | (cp & 0x3f);

    } else if (cp < 0x10000) {
        *p++ = 0xe0 | cp >> 12;
        *p++ = 0x80 | (cp >> 6 & 0x3f);
        *p++ = 0x80 | (cp & 0x3f);

    } else {
        *p++ = 0xf0 | cp >> 18;
        *p++ = 0x80 | (cp >> 12 & 0x3f);
        *p++ = 0x80 | (cp >> 6 & 0x3f);
        *p++ = 0x80 | (cp & 0x3f);
    }

    (void) ngx_llmops_out_write(out, buf, p - buf);

    return 1;
}


/*
 * What is held begins with a backslash.  Takes one escape, or its first half
 * when it is no pair, from its front and writes it; 0: more bytes are needed.
 */

static ngx_uint_t
ngx_llmops_unescape_take(ngx_llmops_unescape_t *u, ngx_llmops_out_t *out)
{
    ngx_int_t    n, low;
    ngx_uint_t   used;
    u_char      *h;

    h = u->held;
    used = 2;

    if (u->len < 2) {
        return 0;
    }

    if (h[1] == 'u') {

        if (u->len < 6) {
            return 0;
        }

        n = ngx_llmops_unescape_hex(h + 2);

        if (n >= 0xd800 && n < 0xdc00) {

            if (u->len < 12 && (u->len < 7 || h[6] == '\\')
                && (u->len < 8 || h[7] == 'u'))
            {
                return 0;
            }

            low = (u->len == 12) ? ngx_llmops_unescape_hex(h + 8) : -1;

            if (low >= 0xdc00 && low < 0xe000) {
                (void) ngx_llmops_unescape_char(0x10000 + ((n & 0x3ff) << 10)
                                                + (low & 0x3ff), out);
                u->len = 0;
                return 1;
            }
        }

        if (n >= 0) {
            used = 6;

            if (ngx_llmops_unescape_char(n, out)) {
                goto taken;
            }
        }
    }

    (void) ngx_llmops_out_write(out, h, used);

taken:

    u->len -= used;
    ngx_memmove(h, h + used, u->len);

    return 1;
}


/* what does not begin an escape goes; what does, as far as it can */

static void
ngx_llmops_unescape_drain(ngx_llmops_unescape_t *u, ngx_llmops_out_t *out)
{
    while (u->len) {

        if (u->held[0] != '\\') {
            (void) ngx_llmops_out_write(out, u->held, 1);
            u->len--;
            ngx_memmove(u->held, u->held + 1, u->len);

        } else if (!ngx_llmops_unescape_take(u, out)) {
            return;
        }
    }
}


void
ngx_llmops_unescape(ngx_llmops_unescape_t *u, const u_char *p, size_t len,
    ngx_uint_t last, ngx_llmops_out_t *out)
{
    u_char        *next;
    const u_char  *end;

    end = len ? p + len : p;

    while (p < end) {

        if (u->len == 0) {
            next = memchr(p, '\\', end - p);
            len = (next ? next : end) - p;

            (void) ngx_llmops_out_write(out, p, len);
            p += len;

            if (p == end) {
                break;
            }
        }

        u->held[u->len++] = *p++;
        ngx_llmops_unescape_drain(u, out);
    }

    if (last) {
        (void) ngx_llmops_out_write(out, u->held, u->len);
        u->len = 0;
    }
}
