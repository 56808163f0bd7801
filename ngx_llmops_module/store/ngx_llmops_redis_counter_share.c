
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * Everything is text, so that an operator can read it with redis-cli:
 *
 *   HGETALL llm:{llm}:c:per_client:alice:r
 *     9f1c22aa01000007
 *       9f1c22aa01000007 132 1764012345678 15000 r:0,812,810 t:2400,90100,90100
 *   HGETALL llm:{llm}:c:per_client:alice:b
 *     t60000:1881613        120
 *     t86400000@1764028800000  5120
 *
 * A value says whose it is, since HVALS, which has half of HGETALL's words to
 * be parsed, gives no names.
 */


#define NGX_LLMOPS_NUMBER_TEXT     21


static u_char *ngx_llmops_share_amounts(u_char *p,
    const ngx_llmops_share_t *share, ngx_uint_t unit);
static const u_char *ngx_llmops_share_read(const u_char *p,
    const u_char *last, u_char end, int64_t *n);
static ngx_int_t ngx_llmops_share_unit(u_char letter);
static ngx_int_t ngx_llmops_share_hex(const u_char *p, uint64_t *n);
static u_char *ngx_llmops_tally_escape(u_char *p, const ngx_str_t *part,
    const char *special);
static uint64_t ngx_llmops_tally_digest(const ngx_str_t *part);
static u_char *ngx_llmops_tally_tag(u_char *p, const ngx_str_t *prefix,
    const ngx_str_t *shard);


/* by ngx_llmops_unit_e; part of what is stored */
static const u_char  ngx_llmops_share_letters[] = "rtiocn";

static const u_char  ngx_llmops_share_digits[] = "0123456789abcdef";


u_char *
ngx_llmops_share_name(u_char *p, uint64_t id)
{
    ngx_int_t  shift;

    for (shift = 60; shift >= 0; shift -= 4) {
        *p++ = ngx_llmops_share_digits[(id >> shift) & 0xf];
    }

    return p;
}


u_char *
ngx_llmops_share_print(u_char *p, const ngx_llmops_share_t *share)
{
    ngx_uint_t  unit;

    p = ngx_llmops_share_name(p, share->id);
    *p++ = ' ';
    p = ngx_llmops_tally_print(p, (int64_t) share->serial);
    *p++ = ' ';
    p = ngx_llmops_tally_print(p, share->stamp);
    *p++ = ' ';
    p = ngx_llmops_tally_print(p, share->lease);

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {

        if (share->held[unit] || share->booked[unit] || share->told[unit]) {
            p = ngx_llmops_share_amounts(p, share, unit);
        }
    }

    return p;
}


static u_char *
ngx_llmops_share_amounts(u_char *p, const ngx_llmops_share_t *share,
    ngx_uint_t unit)
{
    *p++ = ' ';
    *p++ = ngx_llmops_share_letters[unit];
    *p++ = ':';
    p = ngx_llmops_tally_print(p, share->held[unit]);
    *p++ = ',';
    p = ngx_llmops_tally_print(p, share->booked[unit]);
    *p++ = ',';

    return ngx_llmops_tally_print(p, share->told[unit]);
}


ngx_int_t
ngx_llmops_share_parse(const u_char *p, size_t len, ngx_llmops_share_t *share)
{
    int64_t        serial;
    ngx_int_t      unit;
    const u_char  *last;

    ngx_memzero(share, sizeof(ngx_llmops_share_t));

    last = p + len;

    if (len < NGX_LLMOPS_SHARE_NAME + 1
        || p[NGX_LLMOPS_SHARE_NAME] != ' '
        || ngx_llmops_share_hex(p, &share->id) != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = ngx_llmops_share_read(p + NGX_LLMOPS_SHARE_NAME + 1, last, ' ',
                              &serial);
    p = ngx_llmops_share_read(p, last, ' ', &share->stamp);
    p = ngx_llmops_share_read(p, last, ' ', &share->lease);

    if (p == NULL || serial < 0 || share->stamp < 0 || share->lease < 0) {
        return NGX_ERROR;
    }

    share->serial = serial;

    while (p < last) {
        unit = ngx_llmops_share_unit(*p);

        if (unit == NGX_ERROR || last - p < 2 || p[1] != ':') {
            return NGX_ERROR;
        }

        p = ngx_llmops_share_read(p + 2, last, ',', &share->held[unit]);
        p = ngx_llmops_share_read(p, last, ',', &share->booked[unit]);
        p = ngx_llmops_share_read(p, last, ' ', &share->told[unit]);

        if (p == NULL || share->held[unit] < 0) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* a number up to "end", which may be missing at the end of the text; the
   place behind it, or NULL */

static const u_char *
ngx_llmops_share_read(const u_char *p, const u_char *last, u_char end,
    int64_t *n)
{
    const u_char  *start;

    if (p == NULL) {
        return NULL;
    }

    start = p;

    while (p < last && *p != end) {
        p++;
    }

    if (p == last && end != ' ') {
        return NULL;
    }

    if (ngx_llmops_tally_number(start, p - start, n) != NGX_OK) {
        return NULL;
    }

    return (p == last) ? p : p + 1;
}


static ngx_int_t
ngx_llmops_share_unit(u_char letter)
{
    ngx_uint_t  unit;

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {

        if (ngx_llmops_share_letters[unit] == letter) {
            return unit;
        }
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_llmops_share_hex(const u_char *p, uint64_t *n)
{
    ngx_uint_t  i;

    *n = 0;

    for (i = 0; i < NGX_LLMOPS_SHARE_NAME; i++) {

        if (p[i] >= '0' && p[i] <= '9') {
            *n = (*n << 4) + (p[i] - '0');

        } else if (p[i] >= 'a' && p[i] <= 'f') {
            *n = (*n << 4) + (p[i] - 'a' + 10);

        } else {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


u_char *
ngx_llmops_bucket_print(u_char *p, ngx_llmops_unit_e unit,
    ngx_llmops_period_e period, int64_t window, int64_t at)
{
    *p++ = ngx_llmops_share_letters[unit];
    p = ngx_llmops_tally_print(p, window);
    *p++ = (period == NGX_LLMOPS_PERIOD_CALENDAR) ? '@' : ':';

    return ngx_llmops_tally_print(p, at);
}


ngx_int_t
ngx_llmops_bucket_parse(const u_char *p, size_t len, ngx_llmops_unit_e *unit,
    ngx_llmops_period_e *period, int64_t *window, int64_t *at)
{
    ngx_int_t      u;
    const u_char  *mark, *last;

    last = p + len;

    u = len ? ngx_llmops_share_unit(*p) : NGX_ERROR;
    if (u == NGX_ERROR) {
        return NGX_ERROR;
    }

    for (mark = p + 1; mark < last && *mark != ':' && *mark != '@'; mark++) {
        /* void */
    }

    if (mark == last
        || ngx_llmops_tally_number(p + 1, mark - p - 1, window) != NGX_OK
        || ngx_llmops_tally_number(mark + 1, last - mark - 1, at) != NGX_OK)
    {
        return NGX_ERROR;
    }

    *unit = u;
    *period = (*mark == '@') ? NGX_LLMOPS_PERIOD_CALENDAR
                             : NGX_LLMOPS_PERIOD_SLIDING;

    return NGX_OK;
}


u_char *
ngx_llmops_tally_print(u_char *p, int64_t n)
{
    u_char    *q, buf[NGX_LLMOPS_NUMBER_TEXT];
    uint64_t   m;

    m = (n < 0) ? 0 - (uint64_t) n : (uint64_t) n;

    if (n < 0) {
        *p++ = '-';
    }

    q = buf + sizeof(buf);

    do {
        *--q = (u_char) ('0' + m % 10);
        m /= 10;
    } while (m);

    return ngx_cpymem(p, q, buf + sizeof(buf) - q);
}


ngx_int_t
ngx_llmops_tally_number(const u_char *p, size_t len, int64_t *n)
{
    uint64_t    value;
    ngx_uint_t  negative;

    negative = (len && *p == '-');

    p += negative;
    len -= negative;

    if (len == 0 || len > 19) {
        return NGX_ERROR;
    }

    for (value = 0; len; len--, p++) {

        if (*p < '0' || *p > '9') {
            return NGX_ERROR;
        }

        value = value * 10 + (*p - '0');
    }

    value = ngx_min(value, (uint64_t) NGX_LLMOPS_TALLY_MAX);

    *n = negative ? -(int64_t) value : (int64_t) value;

    return NGX_OK;
}


size_t
ngx_llmops_tally_key_size(const ngx_str_t *prefix,
    const ngx_llmops_charge_t *charge)
{
    return 2 * prefix->len + charge->shard.len + 3 * charge->name.len
           + charge->key.len + sizeof(":{}:c:::r") - 1
           + NGX_LLMOPS_SHARE_NAME;
}


u_char *
ngx_llmops_tally_key(u_char *p, const ngx_str_t *prefix,
    const ngx_llmops_charge_t *charge, u_char which)
{
    p = ngx_cpymem(p, prefix->data, prefix->len);
    *p++ = ':';
    p = ngx_llmops_tally_tag(p, prefix, &charge->shard);
    *p++ = ':';
    *p++ = 'c';
    *p++ = ':';

    /* the name ends at the first colon, the key has all the rest */

    p = ngx_llmops_tally_escape(p, &charge->name, "%:");
    *p++ = ':';

    if (charge->key.len) {
        p = ngx_cpymem(p, charge->key.data, charge->key.len);
    }

    *p++ = ':';
    *p++ = which;

    return p;
}


/*
 * What Redis Cluster hashes is between the first brace of the key and the one
 * that closes it.  A shard with braces, or an empty one, would be cut or not
 * seen at all, and a counter's two keys would be torn apart.
 */

static u_char *
ngx_llmops_tally_tag(u_char *p, const ngx_str_t *prefix,
    const ngx_str_t *shard)
{
    size_t  i;

    *p++ = '{';

    for (i = 0; i < shard->len; i++) {

        if (shard->data[i] == '{' || shard->data[i] == '}') {
            p = ngx_llmops_share_name(p, ngx_llmops_tally_digest(shard));
            *p++ = '}';
            return p;
        }
    }

    if (shard->len) {
        p = ngx_cpymem(p, shard->data, shard->len);

    } else {
        p = ngx_cpymem(p, prefix->data, prefix->len);
    }

    *p++ = '}';

    return p;
}


static u_char *
ngx_llmops_tally_escape(u_char *p, const ngx_str_t *part, const char *special)
{
    size_t       i;
    u_char       ch;
    const char  *s;

    for (i = 0; i < part->len; i++) {
        ch = part->data[i];

        for (s = special; *s && (u_char) *s != ch; s++) { /* void */ }

        if (*s) {
            *p++ = '%';
            *p++ = ngx_llmops_share_digits[ch >> 4];
            *p++ = ngx_llmops_share_digits[ch & 0xf];

        } else {
            *p++ = ch;
        }
    }

    return p;
}


/* FNV-1a: two shards with the same one share a node, which is no harm */

static uint64_t
ngx_llmops_tally_digest(const ngx_str_t *part)
{
    size_t    i;
    uint64_t  hash;

    hash = 14695981039346656037u;

    for (i = 0; i < part->len; i++) {
        hash = (hash ^ part->data[i]) * 1099511628211u;
    }

    return hash;
}
