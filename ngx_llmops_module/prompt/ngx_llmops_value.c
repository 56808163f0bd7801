
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_value.h"


static ngx_int_t ngx_llmops_value_read(ngx_llmops_arena_t *arena,
    ngx_llmops_value_t *v, ngx_uint_t depth);
static ngx_int_t ngx_llmops_value_key(ngx_llmops_arena_t *arena,
    ngx_str_t *raw, ngx_str_t *key);


ngx_llmops_value_t *
ngx_llmops_value_parse(ngx_llmops_arena_t *arena, ngx_str_t *raw)
{
    u_char              *p, *last;
    ngx_llmops_value_t  *v;

    v = ngx_llmops_arena_alloc(arena, sizeof(ngx_llmops_value_t));
    if (v == NULL) {
        return NULL;
    }

    p = raw->data;
    last = p + raw->len;

    while (p < last && (*p == ' ' || *p == '\t' || *p == LF || *p == CR)) {
        p++;
    }

    while (p < last && (last[-1] == ' ' || last[-1] == '\t'
                        || last[-1] == LF || last[-1] == CR))
    {
        last--;
    }

    v->raw.data = p;
    v->raw.len = last - p;

    return ngx_llmops_value_read(arena, v, 0) == NGX_OK ? v : NULL;
}


/*
 * The iterator skips what is nested, which is then read again one level
 * deeper: the work is bounded by VALUE_DEPTH times the length.
 */

static ngx_int_t
ngx_llmops_value_read(ngx_llmops_arena_t *arena, ngx_llmops_value_t *v,
    ngx_uint_t depth)
{
    ngx_int_t                rc;
    ngx_str_t                key, raw;
    ngx_llmops_value_t      *child, **last;
    ngx_llmops_json_iter_t   it;

    v->type = ngx_llmops_json_type(&v->raw);

    if (depth == NGX_LLMOPS_VALUE_DEPTH) {
        return NGX_OK;
    }

    rc = (v->type == NGX_LLMOPS_JSON_OBJECT)
         ? ngx_llmops_json_object(&it, &v->raw)
         : ngx_llmops_json_array(&it, &v->raw);

    if (rc != NGX_OK) {
        return NGX_OK;
    }

    last = &v->first;

    while (ngx_llmops_json_next(&it, &key, &raw) == NGX_OK) {

        child = ngx_llmops_arena_alloc(arena, sizeof(ngx_llmops_value_t));
        if (child == NULL) {
            return NGX_ERROR;
        }

        if (v->type == NGX_LLMOPS_JSON_OBJECT
            && ngx_llmops_value_key(arena, &key, &child->key) != NGX_OK)
        {
            return NGX_ERROR;
        }

        child->raw = raw;

        if (ngx_llmops_value_read(arena, child, depth + 1) != NGX_OK) {
            return NGX_ERROR;
        }

        *last = child;
        last = &child->next;
        v->children++;
    }

    return NGX_OK;
}


/* raw is without its quotes; most keys have no escape and stay in place */

static ngx_int_t
ngx_llmops_value_key(ngx_llmops_arena_t *arena, ngx_str_t *raw,
    ngx_str_t *key)
{
    u_char     *buf;
    ngx_str_t   quoted;

    if (ngx_strlchr(raw->data, raw->data + raw->len, '\\') == NULL) {
        *key = *raw;
        return NGX_OK;
    }

    quoted.data = raw->data - 1;
    quoted.len = raw->len + 2;

    buf = ngx_llmops_arena_alloc(arena, raw->len);
    if (buf == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_json_string(&quoted, buf, raw->len, key) == NGX_OK
           ? NGX_OK : NGX_ERROR;
}


ngx_llmops_value_t *
ngx_llmops_value_get(ngx_llmops_value_t *v, const u_char *name, size_t len,
    size_t *work)
{
    ngx_llmops_value_t  *child;

    if (v == NULL || v->type != NGX_LLMOPS_JSON_OBJECT) {
        return NULL;
    }

    for (child = v->first; child; child = child->next) {
        (*work)++;

        if (child->key.len == len
            && ngx_memcmp(child->key.data, name, len) == 0)
        {
            break;
        }
    }

    return child;
}


ngx_llmops_value_t *
ngx_llmops_value_member(ngx_llmops_value_t *v, const char *name)
{
    size_t  work;

    work = 0;

    return ngx_llmops_value_get(v, (const u_char *) name, ngx_strlen(name),
                                &work);
}


void
ngx_llmops_value_distrust(ngx_llmops_value_t *v)
{
    ngx_llmops_value_t  *child;

    v->escape = 1;

    for (child = v->first; child; child = child->next) {
        ngx_llmops_value_distrust(child);
    }
}


ngx_str_t
ngx_llmops_value_inner(ngx_llmops_value_t *v)
{
    ngx_str_t  s;

    s = v->raw;

    if (v->type == NGX_LLMOPS_JSON_STRING && s.len >= 2) {
        s.data++;
        s.len -= 2;
    }

    return s;
}


size_t
ngx_llmops_value_chars(ngx_llmops_value_t *v)
{
    size_t       n;
    u_char      *p, *last;
    ngx_str_t    s;
    ngx_uint_t   high, low;

    s = ngx_llmops_value_inner(v);
    last = s.data + s.len;
    high = 0;
    n = 0;

    for (p = s.data; p < last; n++) {

        if (*p != '\\') {
            high = 0;
            p++;

            while (p < last && (*p & 0xc0) == 0x80) {
                p++;
            }

            continue;
        }

        if (last - p < 6 || p[1] != 'u') {
            high = 0;
            p += 2;
            continue;
        }

        /* d800 to dbff, and what makes a pair with them: dc00 to dfff */

        low = ((p[2] | 0x20) == 'd' && (p[3] | 0x20) >= 'c' && p[3] > '9');

        if (high && low) {
            n--;
        }

        high = ((p[2] | 0x20) == 'd' && !low && p[3] >= '8');

        p += 6;
    }

    return n;
}


ngx_str_t
ngx_llmops_value_text(ngx_llmops_arena_t *arena, ngx_llmops_value_t *v)
{
    u_char     *buf;
    ngx_str_t   text;

    ngx_str_null(&text);

    if (v == NULL || v->type != NGX_LLMOPS_JSON_STRING) {
        return text;
    }

    buf = ngx_llmops_arena_alloc(arena, v->raw.len);

    if (buf == NULL
        || ngx_llmops_json_string(&v->raw, buf, v->raw.len, &text) != NGX_OK)
    {
        ngx_str_null(&text);
    }

    return text;
}


ngx_uint_t
ngx_llmops_value_is(ngx_llmops_value_t *v, const char *text)
{
    size_t     len;
    ngx_str_t  s;

    if (v == NULL || v->type != NGX_LLMOPS_JSON_STRING) {
        return 0;
    }

    s = ngx_llmops_value_inner(v);
    len = ngx_strlen(text);

    return s.len == len && ngx_memcmp(s.data, text, len) == 0;
}
