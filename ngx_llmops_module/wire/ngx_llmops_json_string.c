
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"


/* Between the bytes of a JSON string and the text that it means. */


#define ngx_llmops_is_high_surrogate(c)  (((c) & 0xfffffc00) == 0xd800)
#define ngx_llmops_is_low_surrogate(c)   (((c) & 0xfffffc00) == 0xdc00)

#define NGX_LLMOPS_REPLACEMENT           0xfffd
#define NGX_LLMOPS_JSON_RUN              16


/* the four digits of \uXXXX; NGX_ERROR if they are none */

static ngx_int_t
ngx_llmops_json_hex4(const u_char *p, const u_char *last)
{
    u_char      c;
    ngx_int_t   n;
    ngx_uint_t  i;

    if (last - p < 4) {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 0; i < 4; i++) {
        c = p[i];

        if ((u_char) (c - '0') < 10) {
            n = n * 16 + c - '0';
            continue;
        }

        c |= 0x20;

        if (c < 'a' || c > 'f') {
            return NGX_ERROR;
        }

        n = n * 16 + c - 'a' + 10;
    }

    return n;
}


/* p is behind "\u"; returns one past the escape or the pair, or NULL */

static const u_char *
ngx_llmops_json_unicode(const u_char *p, const u_char *last, uint32_t *cp)
{
    ngx_int_t  n, low;

    n = ngx_llmops_json_hex4(p, last);

    if (n == NGX_ERROR) {
        return NULL;
    }

    p += 4;

    if (ngx_llmops_is_high_surrogate(n)
        && last - p >= 6 && p[0] == '\\' && p[1] == 'u')
    {
        low = ngx_llmops_json_hex4(p + 2, last);

        if (low != NGX_ERROR && ngx_llmops_is_low_surrogate(low)) {
            *cp = 0x10000 + ((n & 0x3ff) << 10) + (low & 0x3ff);
            return p + 6;
        }
    }

    *cp = (ngx_llmops_is_high_surrogate(n) || ngx_llmops_is_low_surrogate(n))
          ? NGX_LLMOPS_REPLACEMENT : n;

    return p;
}


static size_t
ngx_llmops_utf8_encode(u_char *dst, uint32_t cp)
{
    if (cp < 0x80) {
        dst[0] = cp;
        return 1;
    }

    if (cp < 0x800) {
        dst[0] = 0xc0 | cp >> 6;
        dst[1] = 0x80 | (cp & 0x3f);
        return 2;
    }

    if (cp < 0x10000) {
        dst[0] = 0xe0 | cp >> 12;
        dst[1] = 0x80 | (cp >> 6 & 0x3f);
        dst[2] = 0x80 | (cp & 0x3f);
        return 3;
    }

    dst[0] = 0xf0 | cp >> 18;
    dst[1] = 0x80 | (cp >> 12 & 0x3f);
    dst[2] = 0x80 | (cp >> 6 & 0x3f);
    dst[3] = 0x80 | (cp & 0x3f);
    return 4;
}


/* p is behind the backslash; returns one past the escape, or NULL */

static const u_char *
ngx_llmops_json_unescape(const u_char *p, const u_char *last, uint32_t *cp)
{
    if (p == last) {
        return NULL;
    }

    switch (*p) {

    case '"':
    case '\\':
    case '/':
        *cp = *p;
        break;

    case 'b':
        *cp = '\b';
        break;

    case 'f':
        *cp = '\f';
        break;

    case 'n':
        *cp = '\n';
        break;

    case 'r':
        *cp = '\r';
        break;

    case 't':
        *cp = '\t';
        break;

    case 'u':
        return ngx_llmops_json_unicode(p + 1, last, cp);

    default:
        return NULL;
    }

    return p + 1;
}


/* the first one, or NULL: often it is near, and a call would cost more */

static ngx_inline const u_char *
ngx_llmops_json_backslash(const u_char *p, const u_char *last)
{
    p = ngx_llmops_json_plain(p, last);

    if (p == last) {
        return NULL;
    }

    return (*p == '\\') ? p : memchr(p, '\\', last - p);
}


/*
 * Escapes are often near each other.  A short run of other bytes is copied
 * with what is behind it, since a copy of a fixed size is no call; dst has
 * room, and is written over or left.  So src and dst must not overlap.
 */

ngx_int_t
ngx_llmops_json_decode(const u_char *src, size_t len, u_char *dst,
    size_t size, size_t *n)
{
    size_t         run, used;
    u_char         utf8[4];
    uint32_t       cp;
    const u_char  *p, *last, *esc;

    used = 0;
    last = src + len;

    for (p = src; p < last; /* void */ ) {
        esc = ngx_llmops_json_backslash(p, last);
        run = (esc ? esc : last) - p;

        if (run > size - used) {
            return NGX_DECLINED;
        }

        if (run <= NGX_LLMOPS_JSON_RUN
            && last - p >= NGX_LLMOPS_JSON_RUN
            && size - used >= NGX_LLMOPS_JSON_RUN)
        {
            ngx_memcpy(dst + used, p, NGX_LLMOPS_JSON_RUN);

        } else if (run) {
            ngx_memcpy(dst + used, p, run);
        }

        used += run;

        if (esc == NULL) {
            break;
        }

        if (last - esc > 1 && (esc[1] == '"' || esc[1] == '\\')
            && used < size)
        {
            dst[used++] = esc[1];
            p = esc + 2;
            continue;
        }

        p = ngx_llmops_json_unescape(esc + 1, last, &cp);

        if (p == NULL) {
            return NGX_DECLINED;
        }

        run = ngx_llmops_utf8_encode(utf8, cp);

        if (run > size - used) {
            return NGX_DECLINED;
        }

        ngx_memcpy(dst + used, utf8, run);
        used += run;
    }

    *n = used;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_json_string(ngx_str_t *value, u_char *dst, size_t size,
    ngx_str_t *out)
{
    size_t   len, n;
    u_char  *src;

    len = value->len;
    src = value->data;

    if (len < 2 || src[0] != '"' || src[len - 1] != '"') {
        return NGX_DECLINED;
    }

    src++;
    len -= 2;

    if (memchr(src, '\\', len) == NULL) {
        out->data = src;
        out->len = len;
        return NGX_OK;
    }

    if (ngx_llmops_json_decode(src, len, dst, size, &n) != NGX_OK) {
        return NGX_DECLINED;
    }

    out->data = dst;
    out->len = n;

    return NGX_OK;
}


/*
 * What stands for the byte at p, that is not plain, inside a JSON string:
 * *text of the returned length, or the sequence itself.  *used bytes of the
 * source are done with.
 */

static size_t
ngx_llmops_json_escape_one(const u_char *p, const u_char *last, u_char *buf,
    const u_char **text, size_t *used)
{
    size_t               n;
    static const u_char  hex[] = "0123456789abcdef";
    static const u_char  names[] = "btn\0fr";

    *text = buf;
    *used = 1;

    if (*p >= 0x80) {
        n = ngx_llmops_utf8_len(p, last);

        if (n == 0) {
            return ngx_llmops_utf8_encode(buf, NGX_LLMOPS_REPLACEMENT);
        }

        *text = p;
        *used = n;
        return n;
    }

    buf[0] = '\\';
    buf[1] = *p;

    if (*p == '"' || *p == '\\') {
        return 2;
    }

    if (*p >= '\b' && *p <= '\r' && *p != '\v') {
        buf[1] = names[*p - '\b'];
        return 2;
    }

    buf[1] = 'u';
    buf[2] = '0';
    buf[3] = '0';
    buf[4] = hex[*p >> 4];
    buf[5] = hex[*p & 0xf];

    return 6;
}


size_t
ngx_llmops_json_escaped_len(const u_char *src, size_t len)
{
    size_t         n, used;
    u_char         buf[6];
    const u_char  *p, *next, *last, *text;

    if (len == 0) {
        return 0;
    }

    n = 0;
    last = src + len;

    for (p = src; p < last; p = next + used) {
        next = ngx_llmops_json_plain(p, last);
        n += next - p;

        if (next == last) {
            break;
        }

        n += ngx_llmops_json_escape_one(next, last, buf, &text, &used);
    }

    return n;
}


u_char *
ngx_llmops_json_escape(u_char *dst, const u_char *src, size_t len)
{
    size_t         n, used;
    u_char         buf[6];
    const u_char  *p, *next, *last, *text;

    if (len == 0) {
        return dst;
    }

    last = src + len;

    for (p = src; p < last; p = next + used) {
        next = ngx_llmops_json_plain(p, last);
        dst = ngx_cpymem(dst, p, next - p);

        if (next == last) {
            break;
        }

        if (*next == '"' || *next == '\\') {
            *dst++ = '\\';
            *dst++ = *next;
            used = 1;
            continue;
        }

        n = ngx_llmops_json_escape_one(next, last, buf, &text, &used);
        dst = ngx_cpymem(dst, text, n);
    }

    return dst;
}
