
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cache_redis.h"
#include "ngx_llmops_digest.h"

#include <zlib.h>


/*
 * A value as it lies in Redis:
 *
 *   4  "LLMC"           4  bytes of the value (all numbers big endian)
 *   1  version          4  bytes that follow the seal
 *   1  1: deflated     16  of SHA-256 of the key, the bytes so far, and what
 *   2  0                   follows
 *
 * The key is part of the digest, so that a value under another's key is none.
 * It finds what was cut, damaged or confused; who may write to this Redis and
 * knows the format can of course write answers.
 *
 * Compressing costs about 10 ns a byte in the event loop, so that the largest
 * values are stored as they are.
 */


#define NGX_LLMOPS_SEAL_VERSION  1
#define NGX_LLMOPS_SEAL_DIGEST   16
#define NGX_LLMOPS_SEAL_HEAD     (NGX_LLMOPS_CACHE_SEAL                       \
                                  - NGX_LLMOPS_SEAL_DIGEST)


static ngx_int_t ngx_llmops_seal_digest(const u_char *key, const u_char *head,
    const u_char *p, size_t len, u_char *digest);
static ngx_uint_t ngx_llmops_seal_deflate(ngx_str_t *value,
    ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_seal_inflate(const u_char *p, size_t len,
    size_t size, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_seal_room(ngx_llmops_out_t *out, size_t len);
static void ngx_llmops_seal_put(u_char *p, size_t n);
static size_t ngx_llmops_seal_get(const u_char *p);


ngx_int_t
ngx_llmops_cache_seal(const u_char *key, ngx_str_t *value,
    ngx_llmops_out_t *out)
{
    u_char  head[NGX_LLMOPS_CACHE_SEAL];

    ngx_memzero(head, NGX_LLMOPS_CACHE_SEAL);
    ngx_memcpy(head, "LLMC", 4);
    head[4] = NGX_LLMOPS_SEAL_VERSION;

    ngx_llmops_out_reset(out);

    if (ngx_llmops_out_write(out, head, NGX_LLMOPS_CACHE_SEAL) != NGX_OK) {
        return NGX_ERROR;
    }

    if (value->len >= NGX_LLMOPS_CACHE_DEFLATE
        && value->len <= NGX_LLMOPS_CACHE_DEFLATE_MAX
        && ngx_llmops_seal_deflate(value, out))
    {
        head[5] = 1;

    } else if (ngx_llmops_out_str(out, value) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_llmops_seal_put(&head[8], value->len);
    ngx_llmops_seal_put(&head[12], out->len - NGX_LLMOPS_CACHE_SEAL);

    if (ngx_llmops_seal_digest(key, head, out->data + NGX_LLMOPS_CACHE_SEAL,
                               out->len - NGX_LLMOPS_CACHE_SEAL,
                               &head[NGX_LLMOPS_SEAL_HEAD])
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(out->data, head, NGX_LLMOPS_CACHE_SEAL);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_cache_open(const u_char *key, ngx_str_t *data, size_t max,
    ngx_llmops_out_t *out, ngx_str_t *value, const char **error)
{
    u_char   digest[NGX_LLMOPS_SEAL_DIGEST], *p;
    size_t   len, size;

    p = data->data;

    if (data->len < NGX_LLMOPS_CACHE_SEAL || ngx_memcmp(p, "LLMC", 4) != 0
        || p[4] != NGX_LLMOPS_SEAL_VERSION || p[5] > 1)
    {
        *error = "not of this format";
        return NGX_DECLINED;
    }

    size = ngx_llmops_seal_get(p + 8);
    len = ngx_llmops_seal_get(p + 12);

    if (size > max || len > max) {
        *error = "too large";
        return NGX_DECLINED;
    }

    if (len != data->len - NGX_LLMOPS_CACHE_SEAL || (!p[5] && len != size)) {
        *error = "of another length";
        return NGX_DECLINED;
    }

    if (ngx_llmops_seal_digest(key, p, p + NGX_LLMOPS_CACHE_SEAL, len, digest)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (ngx_memcmp(digest, p + NGX_LLMOPS_SEAL_HEAD, NGX_LLMOPS_SEAL_DIGEST)
        != 0)
    {
        *error = "damaged";
        return NGX_DECLINED;
    }

    value->data = p + NGX_LLMOPS_CACHE_SEAL;
    value->len = size;

    if (p[5] == 0) {
        return NGX_OK;
    }

    ngx_llmops_out_reset(out);

    if (ngx_llmops_seal_room(out, size) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_seal_inflate(p + NGX_LLMOPS_CACHE_SEAL, len, size, out)
        != NGX_OK)
    {
        *error = "badly compressed";
        return NGX_DECLINED;
    }

    value->data = out->data;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_seal_digest(const u_char *key, const u_char *head,
    const u_char *p, size_t len, u_char *digest)
{
    u_char     all[NGX_LLMOPS_SHA256];
    ngx_str_t  pieces[3];

    pieces[0].data = (u_char *) key;
    pieces[0].len = NGX_LLMOPS_CACHE_KEY;
    pieces[1].data = (u_char *) head;
    pieces[1].len = NGX_LLMOPS_SEAL_HEAD;
    pieces[2].data = (u_char *) p;
    pieces[2].len = len;

    if (ngx_llmops_sha256_of(pieces, 3, all) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(digest, all, NGX_LLMOPS_SEAL_DIGEST);

    return NGX_OK;
}


/* 0: it saves nothing, or fails; out is as it was */

static ngx_uint_t
ngx_llmops_seal_deflate(ngx_str_t *value, ngx_llmops_out_t *out)
{
    int       rc;
    size_t    room;
    z_stream  z;

    room = value->len - value->len / 8;

    if (ngx_llmops_seal_room(out, room) != NGX_OK) {
        out->failed = 0;
        return 0;
    }

    ngx_memzero(&z, sizeof(z_stream));

    if (deflateInit2(&z, 1, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
        return 0;
    }

    z.next_in = value->data;
    z.avail_in = (uInt) value->len;
    z.next_out = out->data + out->len;
    z.avail_out = (uInt) room;

    rc = deflate(&z, Z_FINISH);

    if (rc == Z_STREAM_END) {
        out->len += room - z.avail_out;
    }

    (void) deflateEnd(&z);

    return rc == Z_STREAM_END;
}


/* the bytes must become exactly size */

static ngx_int_t
ngx_llmops_seal_inflate(const u_char *p, size_t len, size_t size,
    ngx_llmops_out_t *out)
{
    int       rc;
    z_stream  z;

    ngx_memzero(&z, sizeof(z_stream));

    if (inflateInit2(&z, -15) != Z_OK) {
        return NGX_DECLINED;
    }

    z.next_in = (u_char *) p;
    z.avail_in = (uInt) len;
    z.next_out = out->data;
    z.avail_out = (uInt) size;

    rc = inflate(&z, Z_FINISH);

    out->len = size - z.avail_out;

    (void) inflateEnd(&z);

    return (rc == Z_STREAM_END && z.avail_out == 0 && z.avail_in == 0)
           ? NGX_OK : NGX_DECLINED;
}


/* makes room for len bytes behind what is there */

static ngx_int_t
ngx_llmops_seal_room(ngx_llmops_out_t *out, size_t len)
{
    u_char  *p;

    if (len > out->max - out->len) {
        return NGX_ERROR;
    }

    if (len <= out->size - out->len) {
        return NGX_OK;
    }

    p = realloc(out->data, out->len + len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    out->data = p;
    out->size = out->len + len;

    return NGX_OK;
}


static void
ngx_llmops_seal_put(u_char *p, size_t n)
{
    p[0] = (u_char) (n >> 24);
    p[1] = (u_char) (n >> 16);
    p[2] = (u_char) (n >> 8);
    p[3] = (u_char) n;
}


static size_t
ngx_llmops_seal_get(const u_char *p)
{
    return (size_t) p[0] << 24 | (size_t) p[1] << 16 | (size_t) p[2] << 8
           | p[3];
}
