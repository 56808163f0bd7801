
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cache_key.h"


/*
 * From a JSON text to its canonical form, in one pass: values are written as
 * they come, and an object's members are put in order when its end is there,
 * by moving what has been written.  What is in order already stays where it
 * is; how much is moved in all is bounded, as texts can be built so that each
 * level moves everything within it.
 *
 * A string is what it decodes to.  A lone surrogate, which has no UTF-8, is
 * written as the three bytes that it would have: valid UTF-8 never has them, so
 * that it stays apart from all other strings.
 */


#define NGX_LLMOPS_CACHE_MEMBERS  65536    /* of objects that are open */
#define NGX_LLMOPS_CACHE_MOVES    16       /* times the body's bytes */


typedef struct {
    size_t                     start;      /* of its name, in out */
    size_t                     end;        /* of its value */
    const u_char              *name;       /* while they are sorted */
} ngx_llmops_canon_member_t;


typedef struct {
    const u_char              *p;
    const u_char              *last;
    ngx_llmops_cache_scratch_t  *s;
    ngx_llmops_op_e            op;
    ngx_llmops_cache_why_e     why;
    ngx_uint_t                 depth;
    size_t                     moves;      /* bytes that may still be moved */
} ngx_llmops_canon_t;


static ngx_int_t ngx_llmops_canon_value(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_array(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_object(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_pair(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_enter(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_close(ngx_llmops_canon_t *c, size_t first);
static ngx_int_t ngx_llmops_canon_move(ngx_llmops_canon_t *c,
    ngx_llmops_canon_member_t *m, size_t n, size_t start);
static int ngx_llmops_canon_cmp(const void *one, const void *two);
static ngx_int_t ngx_llmops_canon_cmp_names(const u_char *a, const u_char *b);
static ngx_int_t ngx_llmops_canon_string(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_escape(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_unicode(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_hex(ngx_llmops_canon_t *c, uint32_t *unit);
static void ngx_llmops_canon_utf8(ngx_llmops_out_t *out, uint32_t ch);
static ngx_int_t ngx_llmops_canon_number(ngx_llmops_canon_t *c);
static ngx_int_t ngx_llmops_canon_literal(ngx_llmops_canon_t *c);
static void ngx_llmops_canon_space(ngx_llmops_canon_t *c);


ngx_int_t
ngx_llmops_cache_canonical(ngx_llmops_op_e op, ngx_str_t *body,
    ngx_llmops_cache_scratch_t *scratch, ngx_llmops_cache_why_e *why)
{
    ngx_int_t           rc;
    ngx_llmops_canon_t  c;

    if (scratch->out.max == 0) {
        ngx_llmops_out_init(&scratch->out, NGX_LLMOPS_CACHE_CANONICAL);
        ngx_llmops_out_init(&scratch->swap, NGX_LLMOPS_CACHE_CANONICAL);
        ngx_llmops_out_init(&scratch->members, NGX_LLMOPS_CACHE_MEMBERS
                                         * sizeof(ngx_llmops_canon_member_t));
    }

    ngx_llmops_out_reset(&scratch->out);
    ngx_llmops_out_reset(&scratch->swap);
    ngx_llmops_out_reset(&scratch->members);

    if (body->len > NGX_LLMOPS_CACHE_BODY) {
        *why = NGX_LLMOPS_CACHE_COMPLEX;
        return NGX_DECLINED;
    }

    ngx_memzero(&c, sizeof(ngx_llmops_canon_t));

    c.p = body->data;
    c.last = body->data + body->len;
    c.s = scratch;
    c.op = op;
    c.moves = body->len * NGX_LLMOPS_CACHE_MOVES;

    ngx_llmops_canon_space(&c);

    rc = (c.p < c.last && *c.p == '{') ? ngx_llmops_canon_value(&c)
                                       : NGX_ERROR;

    ngx_llmops_canon_space(&c);

    if (rc == NGX_OK && (c.p != c.last || scratch->out.failed)) {
        rc = NGX_ERROR;
    }

    *why = c.why;

    return rc;
}


static ngx_int_t
ngx_llmops_canon_value(ngx_llmops_canon_t *c)
{
    if (c->p == c->last) {
        return NGX_ERROR;
    }

    switch (*c->p) {

    case '{':
        return ngx_llmops_canon_object(c);

    case '[':
        return ngx_llmops_canon_array(c);

    case '"':
        return ngx_llmops_canon_string(c);

    case 't':
    case 'f':
    case 'n':
        return ngx_llmops_canon_literal(c);

    default:
        return ngx_llmops_canon_number(c);
    }
}


static ngx_int_t
ngx_llmops_canon_array(ngx_llmops_canon_t *c)
{
    ngx_int_t  rc;

    rc = ngx_llmops_canon_enter(c);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_out_lit(&c->s->out, "a");

    if (c->p < c->last && *c->p != ']') {

        for ( ;; ) {
            rc = ngx_llmops_canon_value(c);
            if (rc != NGX_OK) {
                return rc;
            }

            ngx_llmops_canon_space(c);

            if (c->p == c->last || *c->p != ',') {
                break;
            }

            c->p++;
            ngx_llmops_canon_space(c);
        }
    }

    if (c->p == c->last || *c->p++ != ']') {
        return NGX_ERROR;
    }

    c->depth--;

    return ngx_llmops_out_lit(&c->s->out, "e");
}


static ngx_int_t
ngx_llmops_canon_object(ngx_llmops_canon_t *c)
{
    size_t     first;
    ngx_int_t  rc;

    rc = ngx_llmops_canon_enter(c);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_out_lit(&c->s->out, "o");

    first = c->s->members.len;

    if (c->p < c->last && *c->p != '}') {

        for ( ;; ) {
            rc = ngx_llmops_canon_pair(c);
            if (rc != NGX_OK) {
                return rc;
            }

            ngx_llmops_canon_space(c);

            if (c->p == c->last || *c->p != ',') {
                break;
            }

            c->p++;
            ngx_llmops_canon_space(c);
        }
    }

    if (c->p == c->last || *c->p++ != '}') {
        return NGX_ERROR;
    }

    rc = ngx_llmops_canon_close(c, first);

    c->depth--;

    return rc;
}


static ngx_int_t
ngx_llmops_canon_pair(ngx_llmops_canon_t *c)
{
    ngx_int_t                   rc;
    ngx_str_t                   name;
    ngx_uint_t                  skip;
    ngx_llmops_canon_member_t   m;
    ngx_llmops_cache_scratch_t  *s = c->s;

    if (c->p == c->last || *c->p != '"') {
        return NGX_ERROR;
    }

    m.start = s->out.len;
    m.name = NULL;

    rc = ngx_llmops_canon_string(c);
    if (rc != NGX_OK) {
        return rc;
    }

    name = ngx_llmops_cache_string(s->out.data + m.start);
    skip = c->depth == 1
           && ngx_llmops_cache_volatile(c->op, name.data, name.len);

    ngx_llmops_canon_space(c);

    if (c->p == c->last || *c->p++ != ':') {
        return NGX_ERROR;
    }

    ngx_llmops_canon_space(c);

    rc = ngx_llmops_canon_value(c);
    if (rc != NGX_OK) {
        return rc;
    }

    if (skip) {
        s->out.len = m.start;
        return NGX_OK;
    }

    m.end = s->out.len;

    if (ngx_llmops_out_write(&s->members, &m, sizeof(m)) != NGX_OK) {
        c->why = NGX_LLMOPS_CACHE_COMPLEX;
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* an array or object begins */

static ngx_int_t
ngx_llmops_canon_enter(ngx_llmops_canon_t *c)
{
    if (c->depth == NGX_LLMOPS_CACHE_DEPTH) {
        c->why = NGX_LLMOPS_CACHE_COMPLEX;
        return NGX_DECLINED;
    }

    c->depth++;
    c->p++;

    ngx_llmops_canon_space(c);

    return NGX_OK;
}


/* an object's end: its members, those from offset first on, are sorted */

static ngx_int_t
ngx_llmops_canon_close(ngx_llmops_canon_t *c, size_t first)
{
    size_t                      i, n, start;
    ngx_int_t                   rc;
    ngx_uint_t                  sorted;
    ngx_llmops_canon_member_t  *m;
    ngx_llmops_cache_scratch_t *s = c->s;

    n = (s->members.len - first) / sizeof(ngx_llmops_canon_member_t);

    if (s->out.failed) {
        return NGX_ERROR;
    }

    if (n > 1) {
        m = (ngx_llmops_canon_member_t *) (void *) (s->members.data + first);
        start = m[0].start;
        sorted = 1;

        for (i = 0; i < n; i++) {
            m[i].name = s->out.data + m[i].start;

            if (i && ngx_llmops_canon_cmp_names(m[i - 1].name, m[i].name)
                     > 0)
            {
                sorted = 0;
            }
        }

        if (!sorted) {
            qsort(m, n, sizeof(ngx_llmops_canon_member_t),
                  ngx_llmops_canon_cmp);
        }

        for (i = 1; i < n; i++) {
            if (ngx_llmops_canon_cmp_names(m[i - 1].name, m[i].name) == 0) {
                c->why = NGX_LLMOPS_CACHE_DUPLICATE;
                return NGX_DECLINED;
            }
        }

        if (!sorted) {
            rc = ngx_llmops_canon_move(c, m, n, start);
            if (rc != NGX_OK) {
                return rc;
            }
        }
    }

    s->members.len = first;

    return ngx_llmops_out_lit(&s->out, "e");
}


static ngx_int_t
ngx_llmops_canon_move(ngx_llmops_canon_t *c, ngx_llmops_canon_member_t *m,
    size_t n, size_t start)
{
    size_t                       i, size;
    ngx_llmops_cache_scratch_t  *s = c->s;

    size = s->out.len - start;

    if (size > c->moves) {
        c->why = NGX_LLMOPS_CACHE_COMPLEX;
        return NGX_DECLINED;
    }

    c->moves -= size;

    ngx_llmops_out_reset(&s->swap);

    for (i = 0; i < n; i++) {
        ngx_llmops_out_write(&s->swap, s->out.data + m[i].start,
                             m[i].end - m[i].start);
    }

    /* members that were left out have left no gaps */

    if (s->swap.failed || s->swap.len != size) {
        return NGX_ERROR;
    }

    ngx_memcpy(s->out.data + start, s->swap.data, size);

    return NGX_OK;
}


static int
ngx_llmops_canon_cmp(const void *one, const void *two)
{
    const ngx_llmops_canon_member_t  *a = one;
    const ngx_llmops_canon_member_t  *b = two;

    return (int) ngx_llmops_canon_cmp_names(a->name, b->name);
}


static ngx_int_t
ngx_llmops_canon_cmp_names(const u_char *a, const u_char *b)
{
    int        rc;
    ngx_str_t  one, two;

    one = ngx_llmops_cache_string(a);
    two = ngx_llmops_cache_string(b);

    rc = memcmp(one.data, two.data, ngx_min(one.len, two.len));

    if (rc) {
        return rc;
    }

    return (one.len > two.len) - (one.len < two.len);
}


static ngx_int_t
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


/*
 * Numbers of the outermost object are parameters, which a provider compares
 * and calculates with: "temperature" may be 0 or 0.0.  Deeper ones may be
 * printed into a prompt, as a schema's default is, where 1 and 1.0 are two.
 */

static ngx_int_t
ngx_llmops_canon_number(ngx_llmops_canon_t *c)
{
    ngx_str_t  number;

    number.data = (u_char *) c->p;

    while (c->p < c->last
           && ((*c->p >= '0' && *c->p <= '9') || *c->p == '-' || *c->p == '+'
               || *c->p == '.' || *c->p == 'e' || *c->p == 'E'))
    {
        c->p++;
    }

    number.len = c->p - number.data;

    if (number.len == 0) {
        return NGX_ERROR;
    }

    ngx_llmops_cache_number(&c->s->out, &number, c->depth == 1);

    return c->s->out.failed ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_llmops_canon_literal(ngx_llmops_canon_t *c)
{
    size_t       len;
    const char  *name;

    name = (*c->p == 't') ? "true" : (*c->p == 'f') ? "false" : "null";
    len = strlen(name);

    if ((size_t) (c->last - c->p) < len || memcmp(c->p, name, len) != 0) {
        return NGX_ERROR;
    }

    c->p += len;

    return ngx_llmops_out_write(&c->s->out, name, 1);
}


static void
ngx_llmops_canon_space(ngx_llmops_canon_t *c)
{
    while (c->p < c->last
           && (*c->p == ' ' || *c->p == '\n' || *c->p == '\t' || *c->p == '\r'))
    {
        c->p++;
    }
}
