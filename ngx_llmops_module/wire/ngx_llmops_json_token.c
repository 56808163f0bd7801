
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_scan.h"
#include "ngx_llmops_json_text.h"

#ifdef __SSE2__
#include <immintrin.h>
#endif


/* The tokens that may be long, or end in the middle of a piece. */


/* s->sub in a string: 1 to 4 are the hex digits that are missing */

#define NGX_LLMOPS_JSON_TEXT     0
#define NGX_LLMOPS_JSON_HEX      4
#define NGX_LLMOPS_JSON_ESCAPE   5
#define NGX_LLMOPS_JSON_MORE     5         /* + bytes that are missing */


static ngx_inline ngx_uint_t
ngx_llmops_json_is_escape(u_char c)
{
    switch (c) {

    case '"':
    case '\\':
    case '/':
    case 'b':
    case 'f':
    case 'n':
    case 'r':
    case 't':
        return 1;

    default:
        return 0;
    }
}


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

        if (ngx_llmops_json_is_escape(c)) {
            s->sub = NGX_LLMOPS_JSON_TEXT;
            return p + 1;
        }

        if (c == 'u') {
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


#define ngx_llmops_utf8_is_more(c)  ((signed char) (c) < (signed char) 0xc0)


/*
 * Passes over text that is mostly not ASCII, two or three bytes a character,
 * and stops at whatever is not as usual.
 */

static const u_char *
ngx_llmops_json_foreign(const u_char *p, const u_char *last)
{
    size_t         n;
    const u_char  *end;

    /* no sequence is longer than four bytes */

    for (end = last - 4; p <= end; p += n) {

        if (*p >= 0xe1 && *p <= 0xec) {
            n = (ngx_llmops_utf8_is_more(p[1])
                 && ngx_llmops_utf8_is_more(p[2])) ? 3 : 0;

        } else if (*p >= 0xc2 && *p <= 0xdf) {
            n = ngx_llmops_utf8_is_more(p[1]) ? 2 : 0;

        } else if (*p >= 0x80) {
            n = ngx_llmops_utf8_len(p, last);

        } else {
            n = (p[1] >= 0x80 && ngx_llmops_json_is_plain(*p));
        }

        if (n == 0) {
            break;
        }
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

        if (last - p > 1 && ngx_llmops_json_is_escape(p[1])) {
            return p + 2;
        }

        s->sub = NGX_LLMOPS_JSON_ESCAPE;
        return p + 1;
    }

    if (*p < 0x80) {
        return ngx_llmops_json_fail(s, p, NGX_LLMOPS_JSON_SYNTAX);
    }

    if (last - p >= 4) {
        next = ngx_llmops_json_foreign(p, last);

        if (next != p) {
            return next;
        }
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


#ifdef __SSE2__

/*
 * Passes over whole blocks of 64 bytes, escapes of one character included:
 * in prose every other block has some, in code all have.  Stops at what takes
 * a longer look, or where less than a block and a byte is left.
 */

#define ngx_llmops_json_pass_blocks(s, p, last, special64)                    \
                                                                              \
    for ( /* void */ ; last - p > 64; p += 64 + (n == 63)) {                  \
                                                                              \
        n = 0;                                                                \
                                                                              \
        for (mask = special64(p); mask; mask &= ~((uint64_t) 3 << n)) {       \
            n = __builtin_ctzll(mask);                                        \
                                                                              \
            if (p[n] != '\\' || !ngx_llmops_json_escapes[p[n + 1]]) {         \
                return p + n;                                                 \
            }                                                                 \
                                                                              \
            s->escaped = 1;                                                   \
        }                                                                     \
    }                                                                         \
                                                                              \
    return p


static const u_char  ngx_llmops_json_escapes[256] = {
    ['"'] = 1, ['\\'] = 1, ['/'] = 1,
    ['b'] = 1, ['f'] = 1, ['n'] = 1, ['r'] = 1, ['t'] = 1
};


static const u_char *
ngx_llmops_json_blocks_sse2(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    uint64_t    mask;
    ngx_uint_t  n;

    ngx_llmops_json_pass_blocks(s, p, last, ngx_llmops_json_special64);
}


/* the same with registers of 32 bytes */

#define NGX_LLMOPS_AVX2  __attribute__((target("avx2")))


static ngx_inline NGX_LLMOPS_AVX2 __m256i
ngx_llmops_json_special_avx2(const u_char *p)
{
    __m256i  x, y;

    x = _mm256_loadu_si256((const __m256i *) p);
    y = _mm256_subs_epi8(_mm256_xor_si256(x, _mm256_set1_epi8(2)),
                         _mm256_set1_epi8(0x21));

    return _mm256_or_si256(y, _mm256_cmpeq_epi8(x, _mm256_set1_epi8('\\')));
}


static ngx_inline NGX_LLMOPS_AVX2 uint64_t
ngx_llmops_json_special64_avx2(const u_char *p)
{
    __m256i  a, b;

    a = ngx_llmops_json_special_avx2(p);
    b = ngx_llmops_json_special_avx2(p + 32);

    return (uint32_t) _mm256_movemask_epi8(a)
           | (uint64_t) (uint32_t) _mm256_movemask_epi8(b) << 32;
}


static NGX_LLMOPS_AVX2 const u_char *
ngx_llmops_json_blocks_avx2(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    uint64_t    mask;
    ngx_uint_t  n;

    ngx_llmops_json_pass_blocks(s, p, last, ngx_llmops_json_special64_avx2);
}


static ngx_inline const u_char *
ngx_llmops_json_blocks(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    if (last - p <= 64) {
        return p;
    }

    return __builtin_cpu_supports("avx2")
           ? ngx_llmops_json_blocks_avx2(s, p, last)
           : ngx_llmops_json_blocks_sse2(s, p, last);
}

#else

#define ngx_llmops_json_blocks(s, p, last)  (p)

#endif


const u_char *
ngx_llmops_json_text(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    while (p < last) {

        if (s->sub != NGX_LLMOPS_JSON_TEXT) {
            p = ngx_llmops_json_pending(s, p);
            continue;
        }

        p = ngx_llmops_json_blocks(s, p, last);
        p = ngx_llmops_json_plain(p, last);

        if (p == last || *p == '"') {
            return p;
        }

        p = ngx_llmops_json_special_byte(s, p, last);
    }

    return p;
}


static ngx_inline const u_char *
ngx_llmops_json_pass_digits(const u_char *p, const u_char *last)
{
    while (p < last && ngx_llmops_json_is_digit(*p)) {
        p++;
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


/* one past a number that is whole and has no exponent, else NULL */

static const u_char *
ngx_llmops_json_near_number(const u_char *p, const u_char *last)
{
    const u_char  *point;

    if (*p == '-') {
        p++;
    }

    if (p == last || !ngx_llmops_json_is_digit(*p)) {
        return NULL;
    }

    p = (*p == '0') ? p + 1 : ngx_llmops_json_pass_digits(p, last);

    if (p < last && *p == '.') {
        point = p++;
        p = ngx_llmops_json_pass_digits(p, last);

        if (p == point + 1) {
            return NULL;
        }
    }

    return (p < last && (*p | 0x20) != 'e') ? p : NULL;
}


const u_char *
ngx_llmops_json_digits(ngx_llmops_json_scan_t *s, const u_char *p,
    const u_char *last)
{
    ngx_uint_t     next;
    const u_char  *end;

    if (s->sub == NGX_LLMOPS_JSON_NUMBER_START) {
        end = ngx_llmops_json_near_number(p, last);

        if (end) {
            s->sub = NGX_LLMOPS_JSON_NUMBER_END;
            return end;
        }
    }

    while (p < last) {

        switch (s->sub) {

        case NGX_LLMOPS_JSON_INT:
        case NGX_LLMOPS_JSON_FRAC:
        case NGX_LLMOPS_JSON_EXP_INT:

            p = ngx_llmops_json_pass_digits(p, last);

            if (p == last) {
                return p;
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
