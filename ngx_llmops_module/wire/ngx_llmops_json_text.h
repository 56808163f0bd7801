
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_JSON_TEXT_H_INCLUDED_
#define _NGX_LLMOPS_JSON_TEXT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#ifdef __SSE2__
#include <emmintrin.h>
#endif


/*
 * What the scanner, the iterator and the writer of JSON share: the search
 * for the next byte of a string that needs a look, and UTF-8.  Private to
 * this directory, and inline: most strings are shorter than a call is worth.
 */


/*
 * A byte of a string is plain unless it is a quote, a backslash, a control
 * character or not ASCII.  XOR 2 puts the quote (0x22) on 0x20, next to the
 * control characters, so that one signed comparison with 0x21 finds quotes,
 * control characters and, as they are negative, the bytes from 0x80 on.
 */

#define ngx_llmops_json_is_plain(c)                                           \
    ((signed char) ((c) ^ 2) >= 0x21 && (c) != '\\')


/* what the first byte of a UTF-8 sequence demands */

typedef struct {
    u_char                     more;       /* bytes that follow, 0: none can */
    u_char                     low;        /* of the second byte */
    u_char                     high;
} ngx_llmops_utf8_lead_t;


static ngx_inline const u_char *
ngx_llmops_json_plain_tail(const u_char *p, const u_char *last)
{
    while (p < last && ngx_llmops_json_is_plain(*p)) {
        p++;
    }

    return p;
}


#ifdef __SSE2__

/* the sign bits of the result mark the bytes that are not plain */

static ngx_inline __m128i
ngx_llmops_json_special(const u_char *p)
{
    __m128i  x, y;

    x = _mm_loadu_si128((const __m128i *) p);
    y = _mm_subs_epi8(_mm_xor_si128(x, _mm_set1_epi8(2)),
                      _mm_set1_epi8(0x21));

    return _mm_or_si128(y, _mm_cmpeq_epi8(x, _mm_set1_epi8('\\')));
}


/* a bit for each of 64 bytes that is not plain */

static ngx_inline uint64_t
ngx_llmops_json_special64(const u_char *p)
{
    __m128i   a, b, c, d;
    uint64_t  mask;

    a = ngx_llmops_json_special(p);
    b = ngx_llmops_json_special(p + 16);
    c = ngx_llmops_json_special(p + 32);
    d = ngx_llmops_json_special(p + 48);

    if (_mm_movemask_epi8(_mm_or_si128(_mm_or_si128(a, b),
                                       _mm_or_si128(c, d)))
        == 0)
    {
        return 0;
    }

    mask = (uint32_t) _mm_movemask_epi8(a)
           | (uint32_t) _mm_movemask_epi8(b) << 16;

    return mask | (uint64_t) (uint32_t) _mm_movemask_epi8(c) << 32
                | (uint64_t) (uint32_t) _mm_movemask_epi8(d) << 48;
}


/* the first byte from p on that is not plain, or last */

static ngx_inline const u_char *
ngx_llmops_json_plain(const u_char *p, const u_char *last)
{
    uint64_t  mask;

    if (last - p < 16) {
        return ngx_llmops_json_plain_tail(p, last);
    }

    mask = _mm_movemask_epi8(ngx_llmops_json_special(p));

    if (mask) {
        return p + __builtin_ctzll(mask);
    }

    p += 16;

    while (last - p >= 64) {
        mask = ngx_llmops_json_special64(p);

        if (mask) {
            return p + __builtin_ctzll(mask);
        }

        p += 64;
    }

    while (last - p >= 16) {
        mask = _mm_movemask_epi8(ngx_llmops_json_special(p));

        if (mask) {
            return p + __builtin_ctzll(mask);
        }

        p += 16;
    }

    /* the rest, together with bytes before it that are known to be plain */

    mask = _mm_movemask_epi8(ngx_llmops_json_special(last - 16));
    mask >>= 16 - (last - p);

    return mask ? p + __builtin_ctzll(mask) : last;
}


/* the closing quote of a short string, NULL if it takes a longer look */

static ngx_inline const u_char *
ngx_llmops_json_near_quote(const u_char *p, const u_char *last)
{
    uint32_t  mask;

    if (last - p < 16) {
        return NULL;
    }

    mask = _mm_movemask_epi8(ngx_llmops_json_special(p));

    if (mask == 0) {
        return NULL;
    }

    p += __builtin_ctz(mask);

    return (*p == '"') ? p : NULL;
}

#else

#define NGX_LLMOPS_EACH(c)  ((uint64_t) (c) * 0x0101010101010101ULL)

/*
 * Eight bytes at a time.  A subtraction may borrow from the next byte, but
 * only out of a byte that is itself not plain, so the verdict on the eight
 * is right, whatever the order of bytes.
 */

static ngx_inline const u_char *
ngx_llmops_json_plain(const u_char *p, const u_char *last)
{
    uint64_t  x, quote, back;

    while (last - p >= 8) {
        ngx_memcpy(&x, p, 8);

        quote = (x ^ NGX_LLMOPS_EACH(2)) - NGX_LLMOPS_EACH(0x21);
        back = (x ^ NGX_LLMOPS_EACH('\\')) - NGX_LLMOPS_EACH(1);

        if ((x | quote | back) & NGX_LLMOPS_EACH(0x80)) {
            break;
        }

        p += 8;
    }

    return ngx_llmops_json_plain_tail(p, last);
}


static ngx_inline const u_char *
ngx_llmops_json_near_quote(const u_char *p, const u_char *last)
{
    const u_char  *end;

    end = (last - p < 16) ? last : p + 16;
    p = ngx_llmops_json_plain_tail(p, end);

    return (p < end && *p == '"') ? p : NULL;
}

#endif


/* What may follow the first byte c >= 0x80 of a sequence (RFC 3629, 4). */

static ngx_inline ngx_llmops_utf8_lead_t
ngx_llmops_utf8_lead(u_char c)
{
    ngx_llmops_utf8_lead_t  lead;

    lead.more = (c < 0xc2 || c > 0xf4) ? 0 : 1 + (c >= 0xe0) + (c >= 0xf0);
    lead.low = (c == 0xe0) ? 0xa0 : (c == 0xf0) ? 0x90 : 0x80;
    lead.high = (c == 0xed) ? 0x9f : (c == 0xf4) ? 0x8f : 0xbf;

    return lead;
}


/* The length of the sequence of two or more bytes at p, 0 if it is none. */

static ngx_inline size_t
ngx_llmops_utf8_len(const u_char *p, const u_char *last)
{
    size_t                  i;
    ngx_llmops_utf8_lead_t  lead;

    lead = ngx_llmops_utf8_lead(*p);

    if (lead.more == 0 || last - p <= lead.more
        || p[1] < lead.low || p[1] > lead.high)
    {
        return 0;
    }

    for (i = 2; i <= lead.more; i++) {
        if ((p[i] & 0xc0) != 0x80) {
            return 0;
        }
    }

    return lead.more + 1;
}


/*
 * Decodes the inside of a JSON string.  NGX_OK and *n bytes in dst, or
 * NGX_DECLINED when an escape is broken or size is too small.
 */
ngx_int_t ngx_llmops_json_decode(const u_char *src, size_t len, u_char *dst,
    size_t size, size_t *n);


#endif /* _NGX_LLMOPS_JSON_TEXT_H_INCLUDED_ */
