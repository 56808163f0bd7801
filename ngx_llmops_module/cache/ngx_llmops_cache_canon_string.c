
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_canon.h"


/*
 * Strings of a canonical form.
 *
 * A string is what it decodes to.  A lone surrogate, which has no UTF-8, is
 * written as the three bytes that it would have: valid UTF-8 never has them, so
 * that it stays apart from all other strings.
 */


static ngx_int_t ngx_llmops_canon_escape(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_unicode(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_hex(ngx_llmops_canon_t *c, uint32_t *unit);
static void ngx_llmops_canon_utf8(ngx_llmops_out_t *out, uint32_t ch);


ngx_int_t
ngx_llmops_canon_string(ngx_llmops_canon_t *c)
{
    size_t             at;
    uint32_t           len;
    const u_char      *end, *escape;
    ngx_llmops_out_t  *out = &c->s->out;

    ngx_llmops_out_lit(out, "s\0\0\0\0");
    at = out->len;

    end = c->p++;

    for ( ;; ) {

        /* a quote that was found stays the next one until it is passed */

        if (end < c->p) {
            end = memchr(c->p, '"', c->last - c->p);

            if (end == NULL) {
                return NGX_ERROR;
            }
        }

        escape = memchr(c->p, '\\', end - c->p);

        if (escape == NULL) {
            ngx_llmops_out_write(out, c->p, end - c->p);
            c->p = end + 1;
            break;
        }

        ngx_llmops_out_write(out, c->p, escape - c->p);
        c->p = escape;

        if (ngx_llmops_canon_escape(c) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (out->failed) {
        return NGX_ERROR;
    }

    len = (uint32_t) (out->len - at);
    ngx_memcpy(out->data + at - sizeof(uint32_t), &len, sizeof(uint32_t));

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_canon_escape(ngx_llmops_canon_t *c)
{
    u_char         ch;
    const char    *p;

    static const char  names[] = "\"\\/bfnrt";
    static const char  chars[] = "\"\\/\b\f\n\r\t";

    if (c->last - c->p < 2) {
        return NGX_ERROR;
    }

    ch = c->p[1];
    c->p += 2;

    if (ch == 'u') {
        return ngx_llmops_canon_unicode(c);
    }

    p = ch ? strchr(names, ch) : NULL;

    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_out_write(&c->s->out, &chars[p - names], 1);

    return NGX_OK;
}


/* behind "\u": the two halves of a pair are one character */

static ngx_int_t
ngx_llmops_canon_unicode(ngx_llmops_canon_t *c)
{
    uint32_t       unit, low;
    const u_char  *p;

    if (ngx_llmops_canon_hex(c, &unit) != NGX_OK) {
        return NGX_ERROR;
    }

    if (unit >= 0xd800 && unit < 0xdc00
        && c->last - c->p >= 6 && c->p[0] == '\\' && c->p[1] == 'u')
    {
        p = c->p;
        c->p += 2;

        if (ngx_llmops_canon_hex(c, &low) != NGX_OK) {
            return NGX_ERROR;
        }

        if (low >= 0xdc00 && low < 0xe000) {
            unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);

        } else {
            c->p = p;
        }
    }

    ngx_llmops_canon_utf8(&c->s->out, unit);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_canon_hex(ngx_llmops_canon_t *c, uint32_t *unit)
{
    u_char      ch;
    ngx_uint_t  i;

    if (c->last - c->p < 4) {
        return NGX_ERROR;
    }

    *unit = 0;

    for (i = 0; i < 4; i++) {
        ch = *c->p++;

        if (ch >= '0' && ch <= '9') {
            ch -= '0';

        } else {
            ch |= 0x20;

            if (ch < 'a' || ch > 'f') {
                return NGX_ERROR;
            }

            ch = (u_char) (ch - 'a' + 10);
        }

        *unit = *unit << 4 | ch;
    }

    return NGX_OK;
}


static void
ngx_llmops_canon_utf8(ngx_llmops_out_t *out, uint32_t ch)
{
    u_char  buf[4], *p;

    p = buf;

    if (ch < 0x80) {
        *p++ = (u_char) ch;

    } else if (ch < 0x800) {
        *p++ = (u_char) (0xc0 | ch >> 6);
        *p++ = (u_char) (0x80 | (ch & 0x3f));

    } else if (ch < 0x10000) {
        *p++ = (u_char) (0xe0 | ch >> 12);
        *p++ = (u_char) (0x80 | (ch >> 6 & 0x3f));
        *p++ = (u_char) (0x80 | (ch & 0x3f));

    } else {
        *p++ = (u_char) (0xf0 | ch >> 18);
        *p++ = (u_char) (0x80 | (ch >> 12 & 0x3f));
        *p++ = (u_char) (0x80 | (ch >> 6 & 0x3f));
        *p++ = (u_char) (0x80 | (ch & 0x3f));
    }

    ngx_llmops_out_write(out, buf, p - buf);
}
