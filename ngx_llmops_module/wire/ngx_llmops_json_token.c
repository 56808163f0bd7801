
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_scan.h"
#include "ngx_llmops_json_text.h"


/* The tokens that may be long, or end in the middle of a piece. */


/* s->sub in a string: 1 to 4 are the hex digits that are missing */

#define NGX_LLMOPS_JSON_TEXT     0
#define NGX_LLMOPS_JSON_HEX      4
#define NGX_LLMOPS_JSON_ESCAPE   5
#define NGX_LLMOPS_JSON_MORE     5         /* + bytes that are missing */


/* one byte inside an escape or a UTF-8 sequence */

static const u_char *
ngx_llmops_json_pending(ngx_llmops_json_scan_t *s, const u_char *p)
{
    u_char  c;

    c = *p;

    if (s->sub > NGX_LLMOPS_JSON_MORE) {
        if (c < s->low || c > s->high) {
            return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_UTF8);
        }

        s->low = 0x80;
        s->high = 0xbf;
        s->sub--;

        if (s->sub == NGX_LLMOPS_JSON_MORE) {
            s->sub = NGX_LLMOPS_JSON_TEXT;
        }

        return p + 1;
    }

    if (s->sub == NGX_LLMOPS_JSON_ESCAPE) {
        switch (c) {

        case '"':
        case '\\':
        case '/':
        case 'b':
        case 'f':
        case 'n':
        case 'r':
        case 't':
            s->sub = NGX_LLMOPS_JSON_TEXT;
            return p + 1;

        case 'u':
            s->sub = NGX_LLMOPS_JSON_HEX;
            return p + 1;
        }

        return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_SYNTAX);
    }

    if (!ngx_llmops_json_is_digit(c)
        && (u_char) ((c | 0x20) - 'a') > 'f' - 'a')
    {
        return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_SYNTAX);
    }

    s->sub--;

    return p + 1;
}


/* passes over text that is mostly not ASCII */

static const u_char *
ngx_llmops_json_foreign(const u_char *p, const u_char *last)
{
    size_t  n;

    while (p < last) {

        if (*p < 0x80) {

            if (last - p < 2 || p[1] < 0x80 || !ngx_llmops_json_is_plain(*p)) {
                break;
            }

            p++;
            continue;
        }

        n = ngx_llmops_utf8_len(p, last);

        if (n == 0) {
            break;
        }

        p += n;
    }

    return p;
}


/* starts what _pending() is to go on with, at a byte that is not plain */

static const u_char *
ngx_llmops_json_special_byte(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    const u_char            *next;
    ngx_llmops_utf8_lead_t   lead;

    if (*p == '\\') {
        s->escaped = 1;
        s->sub = NGX_LLMOPS_JSON_ESCAPE;
        return p + 1;
    }

    if (*p < 0x80) {
        return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_SYNTAX);
    }

    next = ngx_llmops_json_foreign(p, last);

    if (next != p) {
        return next;
    }

    lead = ngx_llmops_utf8_lead(*p);

    if (lead.more == 0) {
        return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_UTF8);
    }

    s->sub = NGX_LLMOPS_JSON_MORE + lead.more;
    s->low = lead.low;
    s->high = lead.high;

    return p + 1;
}


const u_char *
ngx_llmops_json_text(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    while (p < last) {

        if (s->sub != NGX_LLMOPS_JSON_TEXT) {
            p = ngx_llmops_json_pending(s, p);

        } else {
            p = ngx_llmops_json_plain(p, last);

            if (p == last || *p == '"') {
                return p;
            }

            p = ngx_llmops_json_special_byte(s, p, last);
        }

        if (p == NULL) {
            return NULL;
        }
    }

    return p;
}


static ngx_llmops_json_number_e
ngx_llmops_json_number_next(ngx_uint_t was, u_char c)
{
    ngx_uint_t  whole;

    whole = (was == NGX_LLMOPS_JSON_ZERO || was == NGX_LLMOPS_JSON_INT);

    if (ngx_llmops_json_is_digit(c)) {

        switch (was) {

        case NGX_LLMOPS_JSON_NUMBER_START:
        case NGX_LLMOPS_JSON_MINUS:
            return c == '0' ? NGX_LLMOPS_JSON_ZERO : NGX_LLMOPS_JSON_INT;

        case NGX_LLMOPS_JSON_POINT:
            return NGX_LLMOPS_JSON_FRAC;

        case NGX_LLMOPS_JSON_EXP:
        case NGX_LLMOPS_JSON_EXP_SIGN:
            return NGX_LLMOPS_JSON_EXP_INT;
        }

    } else if (c == '.' && whole) {
        return NGX_LLMOPS_JSON_POINT;

    } else if ((c | 0x20) == 'e' && (whole || was == NGX_LLMOPS_JSON_FRAC)) {
        return NGX_LLMOPS_JSON_EXP;

    } else if ((c == '+' || c == '-') && was == NGX_LLMOPS_JSON_EXP) {
        return NGX_LLMOPS_JSON_EXP_SIGN;

    } else if (c == '-' && was == NGX_LLMOPS_JSON_NUMBER_START) {
        return NGX_LLMOPS_JSON_MINUS;
    }

    return (whole || was == NGX_LLMOPS_JSON_FRAC
            || was == NGX_LLMOPS_JSON_EXP_INT)
           ? NGX_LLMOPS_JSON_NUMBER_END : NGX_LLMOPS_JSON_NUMBER_BAD;
}


const u_char *
ngx_llmops_json_digits(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    ngx_uint_t  next;

    while (p < last) {

        switch (s->sub) {

        case NGX_LLMOPS_JSON_INT:
        case NGX_LLMOPS_JSON_FRAC:
        case NGX_LLMOPS_JSON_EXP_INT:

            while (ngx_llmops_json_is_digit(*p)) {
                if (++p == last) {
                    return p;
                }
            }
        }

        next = ngx_llmops_json_number_next(s->sub, *p);

        if (next == NGX_LLMOPS_JSON_NUMBER_BAD) {
            return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_SYNTAX);
        }

        s->sub = next;

        if (next == NGX_LLMOPS_JSON_NUMBER_END) {
            break;
        }

        p++;
    }

    return p;
}
