
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"



/* n * 10^shift, if that is an integer in range */

static ngx_int_t
ngx_llmops_json_scale(int64_t *n, int64_t shift)
{
    for ( /* void */ ; *n && shift > 0; shift--) {

        if (*n > NGX_LLMOPS_JSON_MAX_COUNT / 10) {
            return NGX_DECLINED;
        }

        *n *= 10;
    }

    for ( /* void */ ; *n && shift < 0; shift++) {

        if (*n % 10) {
            return NGX_DECLINED;
        }

        *n /= 10;
    }

    return NGX_OK;
}


/* appends the digits at p to *n; returns one past them, NULL on overflow */

static u_char *
ngx_llmops_json_digits_of(u_char *p, u_char *last, int64_t *n)
{
    for ( /* void */ ; p < last && (u_char) (*p - '0') < 10; p++) {
        *n = *n * 10 + *p - '0';

        if (*n > NGX_LLMOPS_JSON_MAX_COUNT) {
            return NULL;
        }
    }

    return p;
}


/* ".500" and the like: the zeros at the end say nothing */

static u_char *
ngx_llmops_json_fraction(u_char *p, u_char *last, int64_t *n, int64_t *shift)
{
    u_char  *start, *end;

    start = p;

    while (p < last && (u_char) (*p - '0') < 10) {
        p++;
    }

    if (p == start) {
        return NULL;
    }

    for (end = p; end > start && end[-1] == '0'; end--) { /* void */ }

    *shift = start - end;

    return ngx_llmops_json_digits_of(start, end, n) ? p : NULL;
}


static u_char *
ngx_llmops_json_exponent(u_char *p, u_char *last, int64_t *shift)
{
    u_char   sign, *start;
    int64_t  e;

    sign = 0;
    e = 0;

    if (p < last && (*p == '-' || *p == '+')) {
        sign = *p++;
    }

    start = p;
    p = ngx_llmops_json_digits_of(p, last, &e);

    if (p == NULL || p == start) {
        return NULL;
    }

    *shift += (sign == '-') ? -e : e;

    return p;
}


ngx_int_t
ngx_llmops_json_count(ngx_str_t *value, int64_t *n)
{
    u_char   *p, *last, *start;
    int64_t   v, shift;

    if (value->len == 0) {
        return NGX_DECLINED;
    }

    v = 0;
    shift = 0;
    p = value->data;
    last = p + value->len;

    if (value->len > 2 && p[0] == '"' && last[-1] == '"') {
        start = ++p;
        p = ngx_llmops_json_digits_of(p, --last, &v);

    } else {
        start = p;
        p = ngx_llmops_json_digits_of(p, last, &v);

        if (p && p - start > 1 && *start == '0') {
            return NGX_DECLINED;
        }

        if (p && p > start && p < last && *p == '.') {
            p = ngx_llmops_json_fraction(p + 1, last, &v, &shift);
        }

        if (p && p > start && p < last && (*p | 0x20) == 'e') {
            p = ngx_llmops_json_exponent(p + 1, last, &shift);
        }
    }

    if (p == NULL || p == start || p != last
        || ngx_llmops_json_scale(&v, shift) != NGX_OK
        || v > NGX_LLMOPS_JSON_MAX_COUNT)
    {
        return NGX_DECLINED;
    }

    *n = v;

    return NGX_OK;
}
