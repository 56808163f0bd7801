
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CURSOR_H_INCLUDED_
#define _NGX_LLMOPS_CURSOR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif


/*
 * Reads an event in one pass.  The iterator of wire/ skips a value before it
 * hands it out, so that each level of nesting is read once more; here the
 * caller enters a value instead of skipping it.  Every event of every stream
 * takes this way, hence inline functions and no check of what does not matter:
 * brackets are counted, literals and commas are taken as they come.  Bytes
 * that are JSON are read right, others do no harm.
 *
 * last is the object's closing brace itself.  It ends white space, literals
 * and objects, so that only strings have to look for the end: pos <= last.
 *
 * Private to this directory.
 */


typedef struct {
    u_char                    *pos;
    u_char                    *last;
    u_char                    *member;     /* the last key's opening quote */
    u_char                    *comma;      /* before it, or NULL */
} ngx_llmops_cursor_t;


/* what ends the outermost object: it is its last brace and no other's */

#define NGX_LLMOPS_CURSOR_END  NGX_ABORT


#define ngx_llmops_is(s, lit)                                                 \
    ((s)->len == sizeof(lit) - 1                                              \
     && ngx_memcmp((s)->data, lit, sizeof(lit) - 1) == 0)


static ngx_inline u_char *
ngx_llmops_cursor_space(u_char *p)
{
    while (*p <= ' ') {
        p++;
    }

    return p;
}


/* the first quote or backslash, or last */

static ngx_inline u_char *
ngx_llmops_cursor_quote(u_char *p, u_char *last)
{
#ifdef __SSE2__
    __m128i   x;
    unsigned  mask;

    while (last - p >= 16) {
        x = _mm_loadu_si128((const __m128i *) p);
        mask = _mm_movemask_epi8(
                   _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                                _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));
        if (mask) {
            return p + __builtin_ctz(mask);
        }

        p += 16;
    }
#endif

    while (p < last && *p != '"' && *p != '\\') {
        p++;
    }

    return p;
}


/* p is behind the opening quote; returns one past the closing, or NULL */

static ngx_inline u_char *
ngx_llmops_cursor_string(u_char *p, u_char *last)
{
    for ( ;; ) {
        p = ngx_llmops_cursor_quote(p, last);

        if (p >= last) {
            return NULL;
        }

        if (*p == '"') {
            return p + 1;
        }

        /* the byte that is escaped may be the last one */
        p += 2;
    }
}


/* the first quote or bracket, or last */

static ngx_inline u_char *
ngx_llmops_cursor_structure(u_char *p, u_char *last)
{
#ifdef __SSE2__
    __m128i   x, y;
    unsigned  mask;

    while (last - p >= 16) {
        x = _mm_loadu_si128((const __m128i *) p);

        /* in ASCII a bit tells "{" from "[" and "}" from "]" */

        y = _mm_or_si128(x, _mm_set1_epi8(0x20));
        y = _mm_or_si128(_mm_cmpeq_epi8(y, _mm_set1_epi8('{')),
                         _mm_cmpeq_epi8(y, _mm_set1_epi8('}')));

        mask = _mm_movemask_epi8(
                   _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')), y));
        if (mask) {
            return p + __builtin_ctz(mask);
        }

        p += 16;
    }
#endif

    while (p < last && *p != '"' && (*p | 0x20) != '{' && (*p | 0x20) != '}') {
        p++;
    }

    return p;
}


/* p is at a bracket; returns one past the one that closes it, or NULL */

static ngx_inline u_char *
ngx_llmops_cursor_nested(u_char *p, u_char *last)
{
    ngx_uint_t  depth;

    depth = 0;

    for ( ;; ) {
        p = ngx_llmops_cursor_structure(p, last);

        if (p == last) {
            return NULL;
        }

        switch (*p++) {

        case '"':
            p = ngx_llmops_cursor_string(p, last);

            if (p == NULL) {
                return NULL;
            }

            break;

        case '{':
        case '[':
            depth++;
            break;

        default: /* a closing bracket */
            if (--depth == 0) {
                return p;
            }
        }
    }
}


static ngx_inline u_char *
ngx_llmops_cursor_literal(u_char *p, u_char *last)
{
    u_char  *start;

    if (last - p > 4 && ngx_memcmp(p, "null", 4) == 0) {
        return p + 4;
    }

    start = p;

    while ((u_char) (*p - '0') < 10) {
        p++;
    }

    while (*p > ' ' && *p != ',' && *p != '}' && *p != ']') {
        p++;
    }

    return (p == start) ? NULL : p;
}


/* Passes over the value at pos; v is set to its bytes. */

static ngx_inline ngx_int_t
ngx_llmops_cursor_value(ngx_llmops_cursor_t *c, ngx_str_t *v)
{
    u_char  *p;

    p = c->pos;
    v->data = p;

    if (*p == '"') {
        p = ngx_llmops_cursor_string(p + 1, c->last);

    } else if (*p == '{' || *p == '[') {
        p = ngx_llmops_cursor_nested(p, c->last);

    } else {
        p = ngx_llmops_cursor_literal(p, c->last);
    }

    if (p == NULL) {
        return NGX_ERROR;
    }

    v->len = p - v->data;
    c->pos = p;

    return NGX_OK;
}


/*
 * Passes over a count in its usual form, a few digits, inside of an object.
 * NGX_DECLINED, and pos stays, if there is anything else.
 */

static ngx_inline ngx_int_t
ngx_llmops_cursor_count(ngx_llmops_cursor_t *c, int64_t *n)
{
    u_char   *p;
    int64_t   v;

    v = 0;

    for (p = c->pos; (u_char) (*p - '0') < 10 && p - c->pos < 12; p++) {
        v = v * 10 + *p - '0';
    }

    if (p == c->pos || (*p != ',' && *p != '}')
        || (*c->pos == '0' && p - c->pos > 1))
    {
        return NGX_DECLINED;
    }

    *n = v;
    c->pos = p;

    return NGX_OK;
}


static ngx_inline ngx_int_t
ngx_llmops_cursor_skip(ngx_llmops_cursor_t *c)
{
    ngx_str_t  v;

    return ngx_llmops_cursor_value(c, &v);
}


/* Enters the object at the start of data: NGX_OK, or NGX_DECLINED. */

static ngx_inline ngx_int_t
ngx_llmops_cursor_open(ngx_llmops_cursor_t *c, ngx_str_t *data)
{
    u_char  *last;

    last = data->data + data->len;

    while (last > data->data && last[-1] <= ' ') {
        last--;
    }

    if (last - data->data < 2 || *--last != '}') {
        return NGX_DECLINED;
    }

    c->last = last;
    c->pos = ngx_llmops_cursor_space(data->data);

    return (*c->pos++ == '{') ? NGX_OK : NGX_DECLINED;
}


/*
 * The next member of the object that was entered (pos was moved past its
 * bracket).  NGX_OK: pos is at its value, which must be read or passed over
 * before the next call.  NGX_DONE: pos is past the object; CURSOR_END if that
 * is the outermost.
 */

static ngx_inline ngx_int_t
ngx_llmops_cursor_member(ngx_llmops_cursor_t *c, ngx_str_t *key)
{
    u_char  *p;

    p = ngx_llmops_cursor_space(c->pos);
    c->comma = NULL;

    if (*p == ',') {
        c->comma = p;
        p = ngx_llmops_cursor_space(p + 1);
    }

    if (*p != '"') {

        if (*p != '}') {
            return NGX_ERROR;
        }

        c->pos = p + 1;

        return (p < c->last) ? NGX_DONE : NGX_LLMOPS_CURSOR_END;
    }

    c->member = p++;
    key->data = p;

    p = ngx_llmops_cursor_string(p, c->last);

    if (p == NULL) {
        return NGX_ERROR;
    }

    key->len = p - 1 - key->data;

    p = ngx_llmops_cursor_space(p);

    if (*p != ':') {
        return NGX_ERROR;
    }

    c->pos = ngx_llmops_cursor_space(p + 1);

    return NGX_OK;
}


/* The same for the elements of an array. */

static ngx_inline ngx_int_t
ngx_llmops_cursor_element(ngx_llmops_cursor_t *c)
{
    u_char  *p;

    p = ngx_llmops_cursor_space(c->pos);

    if (*p == ',') {
        p = ngx_llmops_cursor_space(p + 1);
    }

    c->pos = p;

    if (*p == ']') {
        c->pos++;
        return NGX_DONE;
    }

    return (p < c->last) ? NGX_OK : NGX_ERROR;
}


/* Passes over the value at pos and adds the bytes of its text to *bytes, if
   it is a string. */
ngx_int_t ngx_llmops_cursor_text(ngx_llmops_cursor_t *c, size_t *bytes);

/*
 * Passes over the array or object at pos and adds the bytes of what a model
 * writes: strings under "text", "thinking", "arguments" and "input", at
 * any depth that occurs.
 */
ngx_int_t ngx_llmops_cursor_texts(ngx_llmops_cursor_t *c, size_t *bytes,
    ngx_uint_t depth);


#endif /* _NGX_LLMOPS_CURSOR_H_INCLUDED_ */
