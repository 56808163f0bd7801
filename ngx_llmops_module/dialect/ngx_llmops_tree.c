
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <math.h>
#include "ngx_llmops_tree.h"


#define NGX_LLMOPS_TREE_DIGITS  18         /* always fits an int64_t */
#define NGX_LLMOPS_TREE_PIECES  4096       /* of a text */

#define ngx_llmops_is_digit(c)  ((c) >= '0' && (c) <= '9')


static const u_char *ngx_llmops_tree_digits(const u_char *p,
    const u_char *last);
static const u_char *ngx_llmops_tree_scan_number(const u_char *p,
    const u_char *last, ngx_uint_t *plain);
static const u_char *ngx_llmops_tree_copy_number(ngx_llmops_out_t *out,
    const u_char *p, const u_char *last);
static const u_char *ngx_llmops_tree_copy_string(ngx_llmops_out_t *out,
    const u_char *p, const u_char *last);
static const u_char *ngx_llmops_tree_copy_escape(ngx_llmops_out_t *out,
    const u_char *p, const u_char *last);
static ngx_int_t ngx_llmops_tree_hex4(const u_char *p, const u_char *last);
static void ngx_llmops_tree_write_string(ngx_llmops_out_t *out, json_t *v);
static void ngx_llmops_tree_write_array(ngx_llmops_out_t *out, json_t *v);
static void ngx_llmops_tree_write_object(ngx_llmops_out_t *out, json_t *v);


static ngx_uint_t
ngx_llmops_tree_is_raw(json_t *v)
{
    return json_is_string(v) && json_string_length(v) > 0
           && json_string_value(v)[0] == '\0';
}


ngx_uint_t
ngx_llmops_tree_is_string(json_t *v)
{
    return json_is_string(v) && !ngx_llmops_tree_is_raw(v);
}


ngx_uint_t
ngx_llmops_tree_has_text(json_t *v)
{
    return json_string_length(v) > 0 && ngx_llmops_tree_is_string(v);
}


json_t *
ngx_llmops_tree_piece(json_t *v, size_t *at, size_t max)
{
    size_t       len, from, end;
    const char  *p;

    len = json_string_length(v);

    if (max == 0 || !ngx_llmops_tree_is_string(v)) {
        *at = len;
        return json_incref(v);
    }

    p = json_string_value(v);
    from = *at;
    end = from + ngx_max(max, len / NGX_LLMOPS_TREE_PIECES);

    if (end >= len) {
        end = len;

    } else {

        while (end < len && (p[end] & 0xc0) == 0x80) {
            end++;
        }
    }

    *at = end;

    return json_stringn(p + from, end - from);
}


const char *
ngx_llmops_tree_str(json_t *object, const char *key)
{
    json_t  *v;

    v = json_object_get(object, key);

    return ngx_llmops_tree_is_string(v) ? json_string_value(v) : NULL;
}


ngx_uint_t
ngx_llmops_tree_is(json_t *object, const char *key, const char *value)
{
    const char  *s;

    s = ngx_llmops_tree_str(object, key);

    return s != NULL && strcmp(s, value) == 0;
}


ngx_int_t
ngx_llmops_tree_number(json_t *v, double *d)
{
    char        *end;
    const char  *s;

    if (json_is_integer(v)) {
        *d = (double) json_integer_value(v);
        return NGX_OK;
    }

    if (!ngx_llmops_tree_is_raw(v)) {
        return NGX_DECLINED;
    }

    s = json_string_value(v) + 1;
    *d = strtod(s, &end);

    return (end != s && *end == '\0' && isfinite(*d)) ? NGX_OK
                                                      : NGX_DECLINED;
}


int64_t
ngx_llmops_tree_count(json_t *object, const char *key)
{
    double  n;

    if (ngx_llmops_tree_number(json_object_get(object, key), &n) != NGX_OK
        || n < 0 || n > 9007199254740992.0)
    {
        return 0;
    }

    return (int64_t) n;
}


json_t *
ngx_llmops_tree_raw(const char *p, size_t len)
{
    char    *copy;
    json_t  *v;

    copy = malloc(len + 1);
    if (copy == NULL) {
        return NULL;
    }

    copy[0] = '\0';
    memcpy(copy + 1, p, len);

    v = json_stringn(copy, len + 1);

    free(copy);

    return v;
}


json_t *
ngx_llmops_tree_text(json_t *v, size_t max)
{
    json_t            *text;
    ngx_llmops_out_t   out;

    ngx_llmops_out_init(&out, max);
    ngx_llmops_tree_write(&out, v);

    text = out.failed ? NULL : json_stringn((char *) out.data, out.len);

    ngx_llmops_out_free(&out);

    return text;
}


json_t *
ngx_llmops_tree_parse(const void *data, size_t len)
{
    json_t            *v;
    const u_char      *p, *run, *last;
    json_error_t       error;
    ngx_llmops_out_t   out;

    if (len == 0) {
        return NULL;
    }

    p = data;
    last = p + len;

    /* "-0" takes nine bytes more, and a comma must stand beside it */
    ngx_llmops_out_init(&out, 16 + 6 * len);

    while (p < last) {
        run = p;

        while (p < last && *p != '"' && *p != '-' && !ngx_llmops_is_digit(*p))
        {
            p++;
        }

        ngx_llmops_out_write(&out, run, p - run);

        if (p == last) {
            break;
        }

        p = (*p == '"') ? ngx_llmops_tree_copy_string(&out, p, last)
                        : ngx_llmops_tree_copy_number(&out, p, last);
    }

    v = out.failed ? NULL
                   : json_loadb((char *) out.data, out.len, JSON_ALLOW_NUL,
                                &error);

    ngx_llmops_out_free(&out);

    return v;
}


static const u_char *
ngx_llmops_tree_digits(const u_char *p, const u_char *last)
{
    while (p < last && ngx_llmops_is_digit(*p)) {
        p++;
    }

    return p;
}


/* the end of a valid number, or NULL; plain: jansson keeps it as it is */

static const u_char *
ngx_llmops_tree_scan_number(const u_char *p, const u_char *last,
    ngx_uint_t *plain)
{
    const u_char  *start, *mark;

    start = p;
    p += (*p == '-');

    mark = p;
    p = ngx_llmops_tree_digits(p, last);

    if (p == mark || (*mark == '0' && p - mark > 1)) {
        return NULL;
    }

    *plain = (p - mark <= NGX_LLMOPS_TREE_DIGITS)
             && !(*start == '-' && *mark == '0');

    if (p < last && *p == '.') {
        *plain = 0;
        mark = ++p;
        p = ngx_llmops_tree_digits(p, last);

        if (p == mark) {
            return NULL;
        }
    }

    if (p < last && (*p == 'e' || *p == 'E')) {
        *plain = 0;
        p++;
        p += (p < last && (*p == '+' || *p == '-'));
        mark = p;
        p = ngx_llmops_tree_digits(p, last);

        if (p == mark) {
            return NULL;
        }
    }

    return p;
}


static const u_char *
ngx_llmops_tree_copy_number(ngx_llmops_out_t *out, const u_char *p,
    const u_char *last)
{
    ngx_uint_t     plain;
    const u_char  *end;

    end = ngx_llmops_tree_scan_number(p, last, &plain);

    if (end == NULL) {

        /* let jansson refuse it */

        ngx_llmops_out_write(out, p, 1);
        return p + 1;
    }

    if (plain) {
        ngx_llmops_out_write(out, p, end - p);
        return end;
    }

    ngx_llmops_out_lit(out, "\"\\u0000");
    ngx_llmops_out_write(out, p, end - p);
    ngx_llmops_out_lit(out, "\"");

    return end;
}


static const u_char *
ngx_llmops_tree_copy_string(ngx_llmops_out_t *out, const u_char *p,
    const u_char *last)
{
    const u_char  *run;

    run = p++;

    while (p < last && *p != '"') {

        if (*p != '\\') {
            p++;
            continue;
        }

        ngx_llmops_out_write(out, run, p - run);
        p = ngx_llmops_tree_copy_escape(out, p, last);
        run = p;
    }

    p += (p < last);
    ngx_llmops_out_write(out, run, p - run);

    return p;
}


static const u_char *
ngx_llmops_tree_copy_escape(ngx_llmops_out_t *out, const u_char *p,
    const u_char *last)
{
    size_t     n;
    ngx_int_t  c, low;

    c = ngx_llmops_tree_hex4(p, last);

    if (c == NGX_ERROR) {
        n = ngx_min(2, last - p);

    } else if (c >= 0xd800 && c <= 0xdbff) {
        low = ngx_llmops_tree_hex4(p + 6, last);
        n = (low >= 0xdc00 && low <= 0xdfff) ? 12 : 0;

    } else {
        n = (c == 0 || (c >= 0xdc00 && c <= 0xdfff)) ? 0 : 6;
    }

    if (n == 0) {
        ngx_llmops_out_lit(out, "\\ufffd");
        return p + 6;
    }

    ngx_llmops_out_write(out, p, n);

    return p + n;
}


/* the value of a \uXXXX escape at p, or NGX_ERROR */

static ngx_int_t
ngx_llmops_tree_hex4(const u_char *p, const u_char *last)
{
    u_char      c;
    ngx_int_t   n;
    ngx_uint_t  i;

    if (last - p < 6 || p[0] != '\\' || p[1] != 'u') {
        return NGX_ERROR;
    }

    n = 0;

    for (i = 2; i < 6; i++) {
        c = p[i];

        if (ngx_llmops_is_digit(c)) {
            n = n * 16 + (c - '0');
            continue;
        }

        c |= 0x20;

        if (c < 'a' || c > 'f') {
            return NGX_ERROR;
        }

        n = n * 16 + (c - 'a' + 10);
    }

    return n;
}


void
ngx_llmops_tree_write(ngx_llmops_out_t *out, json_t *v)
{
    switch (json_typeof(v)) {

    case JSON_OBJECT:
        ngx_llmops_tree_write_object(out, v);
        break;

    case JSON_ARRAY:
        ngx_llmops_tree_write_array(out, v);
        break;

    case JSON_STRING:
        ngx_llmops_tree_write_string(out, v);
        break;

    case JSON_INTEGER:
        ngx_llmops_out_int(out, json_integer_value(v));
        break;

    case JSON_TRUE:
        ngx_llmops_out_lit(out, "true");
        break;

    case JSON_FALSE:
        ngx_llmops_out_lit(out, "false");
        break;

    default:                               /* reals are never made */
        ngx_llmops_out_lit(out, "null");
        break;
    }
}


static void
ngx_llmops_tree_write_string(ngx_llmops_out_t *out, json_t *v)
{
    size_t         len;
    const u_char  *p;

    p = (const u_char *) json_string_value(v);
    len = json_string_length(v);

    if (ngx_llmops_tree_is_raw(v)) {
        ngx_llmops_out_write(out, p + 1, len - 1);
        return;
    }

    ngx_llmops_out_json(out, p, len);
}


static void
ngx_llmops_tree_write_array(ngx_llmops_out_t *out, json_t *v)
{
    size_t   i;
    json_t  *item;

    ngx_llmops_out_lit(out, "[");

    json_array_foreach(v, i, item) {

        if (i > 0) {
            ngx_llmops_out_lit(out, ",");
        }

        ngx_llmops_tree_write(out, item);
    }

    ngx_llmops_out_lit(out, "]");
}


static void
ngx_llmops_tree_write_object(ngx_llmops_out_t *out, json_t *v)
{
    json_t      *item;
    ngx_uint_t   n;
    const char  *key;

    n = 0;

    ngx_llmops_out_lit(out, "{");

    json_object_foreach(v, key, item) {

        if (n++ > 0) {
            ngx_llmops_out_lit(out, ",");
        }

        ngx_llmops_out_json(out, (const u_char *) key, strlen(key));
        ngx_llmops_out_lit(out, ":");
        ngx_llmops_tree_write(out, item);
    }

    ngx_llmops_out_lit(out, "}");
}
