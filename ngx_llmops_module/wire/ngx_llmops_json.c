
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"


/*
 * The iterator.  It trusts nothing: it never reads past it->last, and a
 * value whose brackets or quotes do not pair up is an error.  What is between
 * them is left to whom it concerns.
 */


static u_char *
ngx_llmops_json_skip_space(u_char *p, u_char *last)
{
    while (p < last
           && (*p == ' ' || *p == '\t' || *p == LF || *p == CR))
    {
        p++;
    }

    return p;
}


/*
 * The first quote or backslash of the next 64 bytes, or NULL.  JSON that stands
 * in a string has a backslash every few bytes, where memchr() for each quote
 * would cost more than a look at all bytes.
 */

static ngx_inline u_char *
ngx_llmops_json_near(u_char *p, u_char *last)
{
#ifdef __SSE2__
    u_char    *end;
    __m128i    x;
    uint32_t   mask;

    end = (last - p > 64) ? p + 64 : last;

    for ( /* void */ ; end - p >= 16; p += 16) {
        x = _mm_loadu_si128((__m128i *) p);

        mask = _mm_movemask_epi8(
                   _mm_or_si128(_mm_cmpeq_epi8(x, _mm_set1_epi8('"')),
                                _mm_cmpeq_epi8(x, _mm_set1_epi8('\\'))));
        if (mask) {
            return p + __builtin_ctz(mask);
        }
    }
#endif

    return NULL;
}


/*
 * p is behind the opening quote; returns one past the closing quote.  A quote
 * closes if the backslashes before it are even in number.
 */

static u_char *
ngx_llmops_json_skip_long_string(u_char *p, u_char *last)
{
    u_char  *quote, *b;

    while (p < last) {
        b = ngx_llmops_json_near(p, last);

        if (b) {

            if (*b == '"') {
                return b + 1;
            }

            p = b + 2;                  /* what is escaped */
            continue;
        }

        quote = memchr(p, '"', last - p);

        if (quote == NULL) {
            return NULL;
        }

        for (b = quote; b > p && b[-1] == '\\'; b--) { /* void */ }

        p = quote + 1;

        if ((quote - b) % 2 == 0) {
            return p;
        }
    }

    return NULL;
}


/* keys, and most values, end within 32 bytes */

static ngx_inline u_char *
ngx_llmops_json_skip_string(u_char *p, u_char *last)
{
#ifdef __SSE2__
    u_char       *quote;
    uint32_t      mask;

    if (last - p >= 32) {
        mask = _mm_movemask_epi8(_mm_cmpeq_epi8(
                   _mm_loadu_si128((__m128i *) p), _mm_set1_epi8('"')));
        quote = p;

        if (mask == 0) {
            quote = p + 16;
            mask = _mm_movemask_epi8(_mm_cmpeq_epi8(
                       _mm_loadu_si128((__m128i *) quote),
                       _mm_set1_epi8('"')));
        }

        if (mask) {
            quote += __builtin_ctz(mask);

            /* before p is the opening quote */

            if (quote[-1] != '\\') {
                return quote + 1;
            }
        }
    }
#endif

    return ngx_llmops_json_skip_long_string(p, last);
}


static const u_char  ngx_llmops_json_structure[256] = {
    ['"'] = 1, ['{'] = 1, ['['] = 1, ['}'] = 1, [']'] = 1
};


/* p is at a bracket; returns one past the one that closes it */

static u_char *
ngx_llmops_json_skip_nested(u_char *p, u_char *last)
{
    u_char      stack[NGX_LLMOPS_JSON_MAX_DEPTH];
    ngx_uint_t  depth;

    depth = 0;

    for ( ;; ) {

        while (p < last && !ngx_llmops_json_structure[*p]) {
            p++;
        }

        if (p == last) {
            return NULL;
        }

        switch (*p++) {

        case '"':
            p = ngx_llmops_json_skip_string(p, last);

            if (p == NULL) {
                return NULL;
            }

            break;

        case '{':
        case '[':
            if (depth == NGX_LLMOPS_JSON_MAX_DEPTH) {
                return NULL;
            }

            /* in ASCII a closing bracket is the opening one plus 2 */
            stack[depth++] = p[-1] + 2;
            break;

        default: /* a closing bracket */
            if (stack[--depth] != p[-1]) {
                return NULL;
            }

            if (depth == 0) {
                return p;
            }
        }
    }
}


static u_char *
ngx_llmops_json_skip_literal(u_char *p, u_char *last, const char *literal)
{
    size_t  len;

    len = ngx_strlen(literal);

    if ((size_t) (last - p) < len || ngx_memcmp(p, literal, len) != 0) {
        return NULL;
    }

    return p + len;
}


static u_char *
ngx_llmops_json_skip_number(u_char *p, u_char *last)
{
    u_char  *start;

    for (start = p; p < last; p++) {

        if ((u_char) (*p - '0') >= 10 && *p != '.' && (*p | 0x20) != 'e'
            && *p != '-' && *p != '+')
        {
            break;
        }
    }

    return (p == start) ? NULL : p;
}


static u_char *
ngx_llmops_json_skip_value(u_char *p, u_char *last)
{
    if (p == last) {
        return NULL;
    }

    switch (*p) {

    case '"':
        return ngx_llmops_json_skip_string(p + 1, last);

    case '{':
    case '[':
        return ngx_llmops_json_skip_nested(p, last);

    case 't':
        return ngx_llmops_json_skip_literal(p, last, "true");

    case 'f':
        return ngx_llmops_json_skip_literal(p, last, "false");

    case 'n':
        return ngx_llmops_json_skip_literal(p, last, "null");

    default:
        return ngx_llmops_json_skip_number(p, last);
    }
}


static ngx_int_t
ngx_llmops_json_enter(ngx_llmops_json_iter_t *it, ngx_str_t *value,
    u_char bracket)
{
    u_char  *p;

    if (value->len == 0) {
        return NGX_DECLINED;
    }

    it->last = value->data + value->len;

    p = ngx_llmops_json_skip_space(value->data, it->last);

    if (p == it->last || *p != bracket) {
        return NGX_DECLINED;
    }

    it->pos = p + 1;
    it->close = bracket + 2;
    it->started = 0;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_json_object(ngx_llmops_json_iter_t *it, ngx_str_t *value)
{
    return ngx_llmops_json_enter(it, value, '{');
}


ngx_int_t
ngx_llmops_json_array(ngx_llmops_json_iter_t *it, ngx_str_t *value)
{
    return ngx_llmops_json_enter(it, value, '[');
}


/* reads "key": and returns where the value begins, or NULL */

static u_char *
ngx_llmops_json_next_key(u_char *p, u_char *last, ngx_str_t *key)
{
    u_char  *start;

    if (p == last || *p != '"') {
        return NULL;
    }

    start = p + 1;
    p = ngx_llmops_json_skip_string(start, last);

    if (p == NULL) {
        return NULL;
    }

    if (key) {
        key->data = start;
        key->len = p - 1 - start;
    }

    p = ngx_llmops_json_skip_space(p, last);

    if (p == last || *p != ':') {
        return NULL;
    }

    return ngx_llmops_json_skip_space(p + 1, last);
}


ngx_int_t
ngx_llmops_json_peek(ngx_llmops_json_iter_t *it, ngx_str_t *key,
    ngx_str_t *value)
{
    u_char  *p, *last;

    last = it->last;
    p = ngx_llmops_json_skip_space(it->pos, last);

    if (p == last) {
        return NGX_ERROR;
    }

    if (*p == it->close) {
        /* pos stays, so that a further call ends here as well */
        it->pos = p;
        return NGX_DONE;
    }

    if (it->started) {

        if (*p != ',') {
            return NGX_ERROR;
        }

        p = ngx_llmops_json_skip_space(p + 1, last);
    }

    if (it->close == '}') {
        p = ngx_llmops_json_next_key(p, last, key);

        if (p == NULL) {
            return NGX_ERROR;
        }
    }

    if (p == last) {
        return NGX_ERROR;
    }

    value->data = p;
    value->len = last - p;
    it->pos = p;
    it->started = 1;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_json_pass(ngx_llmops_json_iter_t *it, ngx_str_t *value)
{
    u_char  *p;

    p = ngx_llmops_json_skip_value(value->data, it->last);

    if (p == NULL) {
        return NGX_ERROR;
    }

    value->len = p - value->data;
    it->pos = p;

    return NGX_OK;
}


void
ngx_llmops_json_leave(ngx_llmops_json_iter_t *it,
    ngx_llmops_json_iter_t *inner, ngx_str_t *value)
{
    it->pos = inner->pos + 1;
    value->len = it->pos - value->data;
}


ngx_int_t
ngx_llmops_json_next(ngx_llmops_json_iter_t *it, ngx_str_t *key,
    ngx_str_t *value)
{
    ngx_int_t  rc;

    rc = ngx_llmops_json_peek(it, key, value);

    return rc == NGX_OK ? ngx_llmops_json_pass(it, value) : rc;
}


/* the last member of that name */

static ngx_int_t
ngx_llmops_json_find(ngx_str_t *object, const char *name, size_t len,
    ngx_str_t *value)
{
    ngx_int_t               rc;
    ngx_str_t               key, v;
    ngx_uint_t              found;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, object) != NGX_OK) {
        return NGX_DECLINED;
    }

    found = 0;

    while ((rc = ngx_llmops_json_next(&it, &key, &v)) == NGX_OK) {

        if (key.len == len && ngx_memcmp(key.data, name, len) == 0) {
            *value = v;
            found = 1;
        }
    }

    return (rc == NGX_DONE && found) ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_llmops_json_get(ngx_str_t *object, const char *path, ngx_str_t *value)
{
    ngx_str_t    v;
    const char  *dot;

    v = *object;

    for ( ;; ) {
        dot = strchr(path, '.');

        if (ngx_llmops_json_find(&v, path,
                                 dot ? (size_t) (dot - path)
                                     : ngx_strlen(path), &v)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }

        if (dot == NULL) {
            break;
        }

        path = dot + 1;
    }

    *value = v;

    return NGX_OK;
}


ngx_llmops_json_type_e
ngx_llmops_json_type(ngx_str_t *value)
{
    if (value->len == 0) {
        return NGX_LLMOPS_JSON_NONE;
    }

    switch (value->data[0]) {

    case '{':
        return NGX_LLMOPS_JSON_OBJECT;

    case '[':
        return NGX_LLMOPS_JSON_ARRAY;

    case '"':
        return NGX_LLMOPS_JSON_STRING;

    case 't':
        return NGX_LLMOPS_JSON_TRUE;

    case 'f':
        return NGX_LLMOPS_JSON_FALSE;

    case 'n':
        return NGX_LLMOPS_JSON_NULL;

    default:
        return (value->data[0] == '-' || (u_char) (value->data[0] - '0') < 10)
               ? NGX_LLMOPS_JSON_NUMBER : NGX_LLMOPS_JSON_NONE;
    }
}
