
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_codec.h"


/*
 * Characters that a provider has cut in two.  Servers whose strings are UTF-16
 * may end a delta with the first half of a surrogate pair, escaped, and begin
 * the next one with the second.  Callers whose strings are of that kind join
 * them unawares; a tree of UTF-8 cannot hold a half.  So a half at the end of
 * a string waits, and goes before the one that a later event begins with.
 */


typedef enum {
    NGX_LLMOPS_HALF_NONE = 0,
    NGX_LLMOPS_HALF_HIGH,
    NGX_LLMOPS_HALF_LOW
} ngx_llmops_half_e;


static ngx_llmops_half_e ngx_llmops_half_kind(const u_char *p,
    const u_char *last);
static const u_char *ngx_llmops_half_string(const u_char *p,
    const u_char *last, const u_char **lone);
static ngx_int_t ngx_llmops_half_join(ngx_llmops_xlate_t *x, ngx_str_t *data,
    const u_char *join, const u_char *cut);


ngx_int_t
ngx_llmops_half(ngx_llmops_xlate_t *x, ngx_str_t *data)
{
    const u_char  *p, *last, *join, *cut, *lone;

    if (data->len < 2 || memmem(data->data, data->len, "\\u", 2) == NULL) {
        return NGX_OK;
    }

    p = data->data;
    last = p + data->len;
    join = NULL;
    cut = NULL;

    while (p < last && (p = memchr(p, '"', last - p)) != NULL) {
        p++;

        if (x->half[0] && join == NULL
            && ngx_llmops_half_kind(p, last) == NGX_LLMOPS_HALF_LOW)
        {
            join = p;
        }

        p = ngx_llmops_half_string(p, last, &lone);

        if (lone != NULL) {
            cut = lone;
        }
    }

    return (join || cut) ? ngx_llmops_half_join(x, data, join, cut) : NGX_OK;
}


static ngx_llmops_half_e
ngx_llmops_half_kind(const u_char *p, const u_char *last)
{
    u_char  c;

    if (last - p < 6 || p[0] != '\\' || p[1] != 'u' || (p[2] | 0x20) != 'd') {
        return NGX_LLMOPS_HALF_NONE;
    }

    c = p[3] | 0x20;

    if (c == '8' || c == '9' || c == 'a' || c == 'b') {
        return NGX_LLMOPS_HALF_HIGH;
    }

    return (c >= 'c' && c <= 'f') ? NGX_LLMOPS_HALF_LOW
                                  : NGX_LLMOPS_HALF_NONE;
}


/* p is inside of a string; one past it, and the half that it ends with */

static const u_char *
ngx_llmops_half_string(const u_char *p, const u_char *last,
    const u_char **lone)
{
    *lone = NULL;

    while (p < last && *p != '"') {

        if (ngx_llmops_half_kind(p, last) == NGX_LLMOPS_HALF_HIGH) {
            *lone = p;
            p += 6;

            if (ngx_llmops_half_kind(p, last) == NGX_LLMOPS_HALF_LOW) {
                *lone = NULL;
                p += 6;
            }

            continue;
        }

        *lone = NULL;
        p += (*p == '\\' && last - p > 1) ? 2 : 1;
    }

    return (p < last) ? p + 1 : last;
}


/* the event with the half that has waited, and without the one that is to */

static ngx_int_t
ngx_llmops_half_join(ngx_llmops_xlate_t *x, ngx_str_t *data,
    const u_char *join, const u_char *cut)
{
    const u_char       *p, *last;
    ngx_llmops_out_t   *out;

    p = data->data;
    last = p + data->len;
    out = &x->joined;

    ngx_llmops_out_reset(out);

    if (join != NULL) {
        ngx_llmops_out_write(out, p, join - p);
        ngx_llmops_out_write(out, x->half, 6);
        x->half[0] = '\0';
        p = join;
    }

    if (cut != NULL) {
        ngx_llmops_out_write(out, p, cut - p);
        memcpy(x->half, cut, 6);
        p = cut + 6;
    }

    ngx_llmops_out_write(out, p, last - p);

    if (out->failed) {
        x->nomem = 1;
        return NGX_ERROR;
    }

    data->data = out->data;
    data->len = out->len;

    return NGX_OK;
}
