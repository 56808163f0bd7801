
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <math.h>
#include "ngx_llmops_jschema_node.h"


/*
 * Numbers and equality of values.
 *
 * Numbers are compared as decimals, since 0.0075 is a multiple of 0.0001 only
 * there.  Values are equal if their hashes are: 128 bits of a seeded mix,
 * under which 1.0 is 1 and members have no order.  So uniqueItems and enum
 * need no more memory for a large value than for a small one.
 */


#define NGX_LLMOPS_JNUMBER_DIGITS   19
#define NGX_LLMOPS_JNUMBER_MAX_EXP  100000

/* what a match is worth, in evals of about 50 ns */

#define NGX_LLMOPS_JWORK_QUICK      8      /* and for each so many bytes of */
#define NGX_LLMOPS_JWORK_TEXT       32     /* text one more */
#define NGX_LLMOPS_JWORK_MATCH      2400

#define NGX_LLMOPS_JHASH_K1         0x9e3779b97f4a7c15ULL
#define NGX_LLMOPS_JHASH_K2         0xc2b2ae3d27d4eb4fULL


static const u_char *ngx_llmops_jnumber_digits(ngx_llmops_jnumber_t *n,
    const u_char *p, const u_char *last);
static void ngx_llmops_jnumber_exponent(ngx_llmops_jnumber_t *n,
    const u_char *p, const u_char *last);


void
ngx_llmops_jnumber_read(ngx_llmops_jnumber_t *n, const u_char *p, size_t len)
{
    const u_char  *last;

    ngx_memzero(n, sizeof(ngx_llmops_jnumber_t));

    n->text = p;
    n->len = len;
    n->negative = (*p == '-');
    n->exact = 1;

    last = p + len;

    p = ngx_llmops_jnumber_digits(n, p + n->negative, last);

    if (p < last) {
        ngx_llmops_jnumber_exponent(n, p + 1, last);
    }

    while (n->digits && n->digits % 10 == 0) {
        n->digits /= 10;
        n->exp++;
    }

    if (n->digits == 0) {
        n->exp = 0;
        n->negative = 0;
    }
}


/* up to the exponent, or the end */

static const u_char *
ngx_llmops_jnumber_digits(ngx_llmops_jnumber_t *n, const u_char *p,
    const u_char *last)
{
    ngx_uint_t  digits, point;

    digits = 0;
    point = 0;

    for ( /* void */ ; p < last && (*p | 0x20) != 'e'; p++) {

        if (*p == '.') {
            point = 1;
            continue;
        }

        if (n->digits == 0 && *p == '0') {
            n->exp -= point;
            continue;
        }

        if (++digits > NGX_LLMOPS_JNUMBER_DIGITS) {

            /* more zeros do no harm */

            if (*p != '0') {
                n->exact = 0;
            }

            n->exp += !point;
            continue;
        }

        n->digits = n->digits * 10 + (*p - '0');
        n->exp -= point;
    }

    return p;
}


static void
ngx_llmops_jnumber_exponent(ngx_llmops_jnumber_t *n, const u_char *p,
    const u_char *last)
{
    ngx_int_t   e;
    ngx_uint_t  minus;

    minus = (*p == '-');
    p += (*p == '-' || *p == '+');

    for (e = 0; p < last; p++) {
        e = ngx_min(e * 10 + (*p - '0'), NGX_LLMOPS_JNUMBER_MAX_EXP);
    }

    n->exp += minus ? -e : e;
}


double
ngx_llmops_jnumber_real(const ngx_llmops_jnumber_t *n)
{
    char    buf[NGX_LLMOPS_JTOK_MAX_NUMBER + 1];
    size_t  len;

    if (n->text == NULL) {
        return n->real;
    }

    len = ngx_min(n->len, NGX_LLMOPS_JTOK_MAX_NUMBER);
    ngx_memcpy(buf, n->text, len);
    buf[len] = '\0';

    return strtod(buf, NULL);
}


/* the shortest decimal that reads as this number, in buf[64] */

static size_t
ngx_llmops_jnumber_text(char *buf, json_t *value)
{
    int         len;
    ngx_uint_t  i;

    if (json_is_integer(value)) {
        return snprintf(buf, 64, "%" JSON_INTEGER_FORMAT,
                        json_integer_value(value));
    }

    len = 0;

    for (i = 1; i <= 17; i++) {
        len = snprintf(buf, 64, "%.*g", (int) i, json_real_value(value));

        if (strtod(buf, NULL) == json_real_value(value)) {
            break;
        }
    }

    return len;
}


void
ngx_llmops_jnumber_json(ngx_llmops_jnumber_t *n, json_t *value)
{
    char    buf[64];
    size_t  len;

    len = ngx_llmops_jnumber_text(buf, value);

    ngx_llmops_jnumber_read(n, (u_char *) buf, len);

    n->real = ngx_llmops_jnumber_real(n);
    n->text = NULL;
}


ngx_uint_t
ngx_llmops_jnumber_integral(const ngx_llmops_jnumber_t *n)
{
    double  real;

    if (n->exact) {
        return n->exp >= 0;
    }

    real = ngx_llmops_jnumber_real(n);

    return floor(real) == real;
}


/* the sign of a - b; both are exact, and so near that 128 bits will do */

static ngx_int_t
ngx_llmops_jnumber_near(const ngx_llmops_jnumber_t *a,
    const ngx_llmops_jnumber_t *b)
{
    int32_t            e;
    unsigned __int128  x, y;

    x = a->digits;
    y = b->digits;

    for (e = a->exp - b->exp; e > 0; e--) {
        x *= 10;
    }

    for ( /* void */ ; e < 0; e++) {
        y *= 10;
    }

    return (x == y) ? 0 : (x > y) != a->negative ? 1 : -1;
}


ngx_int_t
ngx_llmops_jnumber_compare(const ngx_llmops_jnumber_t *a,
    const ngx_llmops_jnumber_t *b)
{
    double  x, y;

    if (b->digits == 0) {               /* as most bounds are */
        return a->digits == 0 ? 0 : a->negative ? -1 : 1;
    }

    if (a->exact && b->exact && a->negative == b->negative
        && a->exp - b->exp <= NGX_LLMOPS_JNUMBER_DIGITS
        && b->exp - a->exp <= NGX_LLMOPS_JNUMBER_DIGITS)
    {
        return ngx_llmops_jnumber_near(a, b);
    }

    x = ngx_llmops_jnumber_real(a);
    y = ngx_llmops_jnumber_real(b);

    return (x > y) - (x < y);
}


/* a / b is whole: digits_a * 10^(exp_a - exp_b) divides by digits_b */

ngx_uint_t
ngx_llmops_jnumber_multiple(const ngx_llmops_jnumber_t *a,
    const ngx_llmops_jnumber_t *b)
{
    int32_t            e;
    uint64_t           power, base;
    unsigned __int128  x;

    if (a->exact && a->digits == 0) {
        return 1;
    }

    if (!a->exact || !b->exact) {
        return fmod(ngx_llmops_jnumber_real(a), ngx_llmops_jnumber_real(b))
               == 0;
    }

    e = a->exp - b->exp;

    if (e < 0) {
        return 0;                       /* digits_a has no trailing zero */
    }

    power = 1 % b->digits;
    base = 10 % b->digits;

    for ( /* void */ ; e; e >>= 1) {
        if (e & 1) {
            power = (unsigned __int128) power * base % b->digits;
        }

        base = (unsigned __int128) base * base % b->digits;
    }

    x = a->digits % b->digits;

    return x * power % b->digits == 0;
}


static ngx_inline uint64_t
ngx_llmops_jhash_mix(uint64_t x, uint64_t k)
{
    unsigned __int128  m;

    m = (unsigned __int128) (x ^ k) * NGX_LLMOPS_JHASH_K1;
    x = (uint64_t) m ^ (uint64_t) (m >> 64);

    x ^= x >> 29;
    x *= NGX_LLMOPS_JHASH_K2;

    return x ^ x >> 32;
}


/* what is left, less than eight bytes, as a word: some of them twice */

static ngx_inline uint64_t
ngx_llmops_jhash_rest(const u_char *p, size_t len)
{
    uint32_t  first, last;

    if (len < 4) {
        return p[0] | (uint64_t) p[len / 2] << 8 | (uint64_t) p[len - 1] << 16;
    }

    ngx_memcpy(&first, p, 4);
    ngx_memcpy(&last, p + len - 4, 4);

    return first | (uint64_t) last << 32;
}


ngx_llmops_jhash_t
ngx_llmops_jhash_bytes(uint64_t seed, const u_char *p, size_t len)
{
    uint64_t            word;
    ngx_llmops_jhash_t  h;

    h.a = seed ^ len;
    h.b = ~seed + len;

    for ( /* void */ ; len; len -= ngx_min(len, 8)) {

        if (len >= 8) {
            ngx_memcpy(&word, p, 8);
            p += 8;

        } else {
            word = ngx_llmops_jhash_rest(p, len);
        }

        h.a = ngx_llmops_jhash_mix(h.a + word, seed);
        h.b = ngx_llmops_jhash_mix(h.b ^ word, h.a);
    }

    return h;
}


ngx_llmops_jhash_t
ngx_llmops_jhash_scalar(uint64_t seed, ngx_llmops_jtok_type_e type,
    ngx_str_t *text)
{
    uint64_t              words[3];
    ngx_llmops_jhash_t    h;
    ngx_llmops_jnumber_t  n;

    switch (type) {

    case NGX_LLMOPS_JTOK_STRING:
        h = ngx_llmops_jhash_bytes(seed, text->data, text->len);
        break;

    case NGX_LLMOPS_JTOK_NUMBER:
        ngx_llmops_jnumber_read(&n, text->data, text->len);

        words[0] = n.exact ? n.digits : 0;
        words[1] = (uint64_t) n.exp << 1 | n.negative;
        words[2] = 0;

        if (!n.exact) {
            n.real = ngx_llmops_jnumber_real(&n);
            ngx_memcpy(&words[2], &n.real, sizeof(double));
            words[1] = 0;
        }

        h = ngx_llmops_jhash_bytes(seed, (u_char *) words, sizeof(words));
        break;

    default:
        h.a = seed;
        h.b = ~seed;
    }

    return ngx_llmops_jhash_end(seed, type, h);
}


ngx_llmops_jhash_t
ngx_llmops_jhash_item(ngx_llmops_jhash_t acc, ngx_llmops_jhash_t item)
{
    acc.a = ngx_llmops_jhash_mix(acc.a + 1, item.a);
    acc.b = ngx_llmops_jhash_mix(acc.b + 3, item.b);

    return acc;
}


ngx_llmops_jhash_t
ngx_llmops_jhash_member(ngx_llmops_jhash_t acc, ngx_llmops_jhash_t name,
    ngx_llmops_jhash_t value)
{
    /* a sum: the order does not matter */

    acc.a += ngx_llmops_jhash_mix(name.a, value.b);
    acc.b += ngx_llmops_jhash_mix(name.b, value.a);

    return acc;
}


ngx_llmops_jhash_t
ngx_llmops_jhash_end(uint64_t seed, ngx_llmops_jtok_type_e type,
    ngx_llmops_jhash_t acc)
{
    acc.a = ngx_llmops_jhash_mix(acc.a, seed + type);
    acc.b = ngx_llmops_jhash_mix(acc.b ^ seed, type + 1);

    return acc;
}


static ngx_llmops_jtok_type_e
ngx_llmops_jhash_type(json_t *value)
{
    switch (json_typeof(value)) {

    case JSON_NULL:
        return NGX_LLMOPS_JTOK_NULL;

    case JSON_FALSE:
        return NGX_LLMOPS_JTOK_FALSE;

    case JSON_TRUE:
        return NGX_LLMOPS_JTOK_TRUE;

    case JSON_STRING:
        return NGX_LLMOPS_JTOK_STRING;

    case JSON_ARRAY:
        return NGX_LLMOPS_JTOK_ARRAY;

    case JSON_OBJECT:
        return NGX_LLMOPS_JTOK_OBJECT;

    default: /* JSON_INTEGER, JSON_REAL */
        return NGX_LLMOPS_JTOK_NUMBER;
    }
}


ngx_llmops_jhash_t
ngx_llmops_jhash_json(uint64_t seed, json_t *value)
{
    char                    buf[64];
    size_t                  i;
    json_t                 *v;
    ngx_str_t               text;
    const char             *name;
    ngx_llmops_jhash_t      acc = { 0, 0 };
    ngx_llmops_jtok_type_e  type;

    type = ngx_llmops_jhash_type(value);
    ngx_str_null(&text);

    switch (type) {

    case NGX_LLMOPS_JTOK_ARRAY:
        json_array_foreach(value, i, v) {
            acc = ngx_llmops_jhash_item(acc, ngx_llmops_jhash_json(seed, v));
        }

        return ngx_llmops_jhash_end(seed, type, acc);

    case NGX_LLMOPS_JTOK_OBJECT:
        json_object_foreach(value, name, v) {
            acc = ngx_llmops_jhash_member(acc,
                               ngx_llmops_jhash_bytes(seed, (u_char *) name,
                                                      ngx_strlen(name)),
                               ngx_llmops_jhash_json(seed, v));
        }

        return ngx_llmops_jhash_end(seed, type, acc);

    case NGX_LLMOPS_JTOK_STRING:
        text.data = (u_char *) json_string_value(value);
        text.len = json_string_length(value);
        break;

    case NGX_LLMOPS_JTOK_NUMBER:
        text.data = (u_char *) buf;
        text.len = ngx_llmops_jnumber_text(buf, value);
        break;

    default:
        break;
    }

    return ngx_llmops_jhash_scalar(seed, type, &text);
}


/* PCRE2 does not tell how many steps it has made.  Nearly all matches need a
   few: one that needs more is known by that, and is made once more. */

ngx_uint_t
ngx_llmops_jschema_match(ngx_llmops_jschema_t *s, pcre2_code *regex,
    ngx_str_t *text, size_t *work)
{
    int      rc;
    u_char  *p;

    p = text->len ? text->data : (u_char *) "";

    *work += NGX_LLMOPS_JWORK_QUICK + text->len / NGX_LLMOPS_JWORK_TEXT;

    rc = pcre2_match(regex, p, text->len, 0, PCRE2_NO_UTF_CHECK,
                     s->match_data, s->match_quick);

    if (rc == PCRE2_ERROR_MATCHLIMIT) {
        *work += NGX_LLMOPS_JWORK_MATCH;

        rc = pcre2_match(regex, p, text->len, 0, PCRE2_NO_UTF_CHECK,
                         s->match_data, s->match_context);
    }

    /* an error (of the limits, too) is no match */

    return rc >= 0;
}


ngx_int_t
ngx_llmops_jnode_name(ngx_llmops_jnode_t *node, ngx_str_t *name)
{
    ngx_int_t   rc;
    ngx_str_t  *s;
    ngx_uint_t  low, high, middle;

    low = 0;
    high = node->nnames;

    while (low < high) {
        middle = (low + high) / 2;
        s = &node->names[middle].name;

        rc = (name->len == s->len) ? ngx_memcmp(name->data, s->data, s->len)
             : (name->len < s->len) ? -1 : 1;

        if (rc == 0) {
            return middle;
        }

        if (rc < 0) {
            high = middle;

        } else {
            low = middle + 1;
        }
    }

    return -1;
}
