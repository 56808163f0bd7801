
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cache_key.h"


/*
 * Numbers, without ever making a double of them: 0.1 and 0.10 are equal since
 * their digits are, whatever the reader's precision.
 */


#define NGX_LLMOPS_CACHE_EXPONENT  9       /* digits of an exponent */


/* [-] before . after E exponent */

typedef struct {
    ngx_str_t                  before;
    ngx_str_t                  after;
    int64_t                    exponent;
    unsigned                   negative:1;
    unsigned                   integer:1;  /* by its spelling */
} ngx_llmops_number_t;


static ngx_int_t ngx_llmops_number_read(ngx_llmops_number_t *n,
    ngx_str_t *text);
static ngx_int_t ngx_llmops_number_exponent(ngx_llmops_number_t *n,
    const u_char *p, const u_char *last);
static void ngx_llmops_number_write(ngx_llmops_out_t *out,
    ngx_llmops_number_t *n, ngx_uint_t value);
static u_char ngx_llmops_number_digit(ngx_llmops_number_t *n, size_t i);


void
ngx_llmops_cache_number(ngx_llmops_out_t *out, ngx_str_t *number,
    ngx_uint_t value)
{
    ngx_llmops_number_t  n;

    if (ngx_llmops_number_read(&n, number) != NGX_OK) {
        ngx_llmops_out_lit(out, "r");
        ngx_llmops_out_str(out, number);
        ngx_llmops_out_lit(out, ";");
        return;
    }

    if (n.integer && !value) {
        ngx_llmops_out_lit(out, "i");
        ngx_llmops_out_str(out, number);
        ngx_llmops_out_lit(out, ";");
        return;
    }

    ngx_llmops_number_write(out, &n, value);
}


/* NGX_DECLINED: the exponent is out of bounds */

static ngx_int_t
ngx_llmops_number_read(ngx_llmops_number_t *n, ngx_str_t *text)
{
    const u_char  *p, *last;

    ngx_memzero(n, sizeof(ngx_llmops_number_t));

    p = text->data;
    last = p + text->len;

    n->integer = 1;

    if (p < last && *p == '-') {
        n->negative = 1;
        p++;
    }

    n->before.data = (u_char *) p;

    while (p < last && *p >= '0' && *p <= '9') {
        p++;
    }

    n->before.len = p - n->before.data;

    if (p < last && *p == '.') {
        n->integer = 0;
        n->after.data = (u_char *) ++p;

        while (p < last && *p >= '0' && *p <= '9') {
            p++;
        }

        n->after.len = p - n->after.data;
    }

    return p == last ? NGX_OK : ngx_llmops_number_exponent(n, p, last);
}


static ngx_int_t
ngx_llmops_number_exponent(ngx_llmops_number_t *n, const u_char *p,
    const u_char *last)
{
    ngx_uint_t  negative;

    if (*p != 'e' && *p != 'E') {
        return NGX_DECLINED;
    }

    n->integer = 0;
    negative = 0;
    p++;

    if (p < last && (*p == '+' || *p == '-')) {
        negative = (*p++ == '-');
    }

    while (p < last && *p == '0') {
        p++;
    }

    if (last - p > NGX_LLMOPS_CACHE_EXPONENT) {
        return NGX_DECLINED;
    }

    for ( /* void */ ; p < last; p++) {

        if (*p < '0' || *p > '9') {
            return NGX_DECLINED;
        }

        n->exponent = n->exponent * 10 + (*p - '0');
    }

    if (negative) {
        n->exponent = -n->exponent;
    }

    return NGX_OK;
}


static void
ngx_llmops_number_write(ngx_llmops_out_t *out, ngx_llmops_number_t *n,
    ngx_uint_t value)
{
    u_char  ch;
    size_t  i, first, end;

    first = 0;
    end = n->before.len + n->after.len;

    while (first < end && ngx_llmops_number_digit(n, first) == '0') {
        first++;
    }

    while (first < end && ngx_llmops_number_digit(n, end - 1) == '0') {
        end--;
    }

    ngx_llmops_out_lit(out, "d");

    /* -0.0 is 0 as a value, and not when it is printed */

    if (n->negative && (first < end || !value)) {
        ngx_llmops_out_lit(out, "-");
    }

    if (first == end) {
        ngx_llmops_out_lit(out, "0;");
        return;
    }

    for (i = first; i < end; i++) {
        ch = ngx_llmops_number_digit(n, i);
        ngx_llmops_out_write(out, &ch, 1);
    }

    ngx_llmops_out_lit(out, "E");
    ngx_llmops_out_int(out, n->exponent + (int64_t) n->before.len
                            - (int64_t) end);
    ngx_llmops_out_lit(out, ";");
}


static u_char
ngx_llmops_number_digit(ngx_llmops_number_t *n, size_t i)
{
    return i < n->before.len ? n->before.data[i]
                             : n->after.data[i - n->before.len];
}
