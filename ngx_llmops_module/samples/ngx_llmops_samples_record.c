
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_record.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/crypto.h>


/*
 * Encryption is AES-256-GCM with a random nonce of 96 bits, which is good for
 * 2^32 records under one key.  What stands in the head is authenticated with
 * the text, but for the flags, which change.  Two keys are derived from the
 * one that is configured, one for the cipher and one for tags, each time that
 * they are needed: they are nowhere but on the stack, and wiped there.
 */


#define NGX_LLMOPS_RECORD_NONCE    128
#define NGX_LLMOPS_RECORD_AUTH     140
#define NGX_LLMOPS_RECORD_BOUND    (NGX_LLMOPS_RECORD_NONCE - 16)  /* bytes
                                              from 16 on that are tied to the
                                              text */


static ngx_int_t ngx_llmops_record_hash(const u_char *key, u_char what,
    ngx_str_t *name, u_char *hash);
static ngx_int_t ngx_llmops_record_number(const u_char *key, u_char *number);
static ngx_int_t ngx_llmops_record_crypt(u_char *head, const u_char *key,
    u_char *from, size_t len, u_char *to, int encrypt);
static uint32_t ngx_llmops_record_sum(u_char *p, size_t len);


static void
ngx_llmops_record_put(u_char *p, uint64_t value, ngx_uint_t n)
{
    while (n--) {
        *p++ = (u_char) value;
        value >>= 8;
    }
}


static uint64_t
ngx_llmops_record_get(u_char *p, ngx_uint_t n)
{
    uint64_t  value;

    for (value = 0; n; n--) {
        value = value << 8 | p[n - 1];
    }

    return value;
}


ngx_int_t
ngx_llmops_record_key(ngx_str_t *text, u_char key[NGX_LLMOPS_RECORD_KEY])
{
    u_char      buf[NGX_LLMOPS_RECORD_KEY + 4];
    ngx_int_t   n;
    ngx_str_t   out;
    ngx_uint_t  i;

    if (text->len == 2 * NGX_LLMOPS_RECORD_KEY) {

        for (i = 0; i < NGX_LLMOPS_RECORD_KEY; i++) {
            n = ngx_hextoi(text->data + 2 * i, 2);

            if (n == NGX_ERROR) {
                return NGX_ERROR;
            }

            key[i] = (u_char) n;
        }

        return NGX_OK;
    }

    out.data = buf;

    if (text->len < 43 || text->len > 44
        || ngx_decode_base64(&out, text) != NGX_OK
        || out.len != NGX_LLMOPS_RECORD_KEY)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(key, buf, NGX_LLMOPS_RECORD_KEY);
    OPENSSL_cleanse(buf, sizeof(buf));

    return NGX_OK;
}


/* 32 bytes; without a key those of a digest */

static ngx_int_t
ngx_llmops_record_hash(const u_char *key, u_char what, ngx_str_t *name,
    u_char *hash)
{
    u_char         derived[EVP_MAX_MD_SIZE], *text;
    ngx_int_t      rc;
    unsigned       n;
    static u_char  purpose[] = "llmops sample tag";

    text = malloc(name->len + 1);
    if (text == NULL) {
        return NGX_ERROR;
    }

    text[0] = what;

    if (name->len) {
        ngx_memcpy(text + 1, name->data, name->len);
    }

    rc = NGX_ERROR;

    if (key == NULL) {
        if (EVP_Digest(text, name->len + 1, hash, &n, EVP_sha256(), NULL)) {
            rc = NGX_OK;
        }

    } else if (HMAC(EVP_sha256(), key, NGX_LLMOPS_RECORD_KEY, purpose,
                    sizeof(purpose), derived, &n)
               && HMAC(EVP_sha256(), derived, 32, text, name->len + 1, hash,
                       &n))
    {
        rc = NGX_OK;
    }

    OPENSSL_cleanse(derived, sizeof(derived));
    free(text);

    return rc;
}


/* by which a record says what key it has */

static ngx_int_t
ngx_llmops_record_number(const u_char *key, u_char *number)
{
    u_char     hash[EVP_MAX_MD_SIZE];
    ngx_str_t  none = ngx_null_string;

    ngx_memzero(number, 8);

    if (key == NULL) {
        return NGX_OK;
    }

    if (ngx_llmops_record_hash(key, 'k', &none, hash) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_memcpy(number, hash, 8);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_record_tag(ngx_llmops_record_keys_t *keys, u_char what,
    ngx_str_t *name, u_char tag[NGX_LLMOPS_RECORD_TAG])
{
    u_char  hash[EVP_MAX_MD_SIZE];

    if (ngx_llmops_record_hash(keys->n ? keys->keys[0] : NULL, what, name,
                               hash)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_memcpy(tag, hash, NGX_LLMOPS_RECORD_TAG);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_record_name(ngx_llmops_record_keys_t *keys, u_char what,
    ngx_str_t *name, ngx_llmops_record_name_t *all)
{
    u_char      *key, hash[EVP_MAX_MD_SIZE];
    ngx_uint_t   i;

    for (i = 0; i <= keys->n; i++) {
        key = i ? keys->keys[i - 1] : NULL;

        if (ngx_llmops_record_number(key, all->key[i]) != NGX_OK
            || ngx_llmops_record_hash(key, what, name, hash) != NGX_OK)
        {
            return NGX_ERROR;
        }

        ngx_memcpy(all->tag[i], hash, NGX_LLMOPS_RECORD_TAG);
    }

    all->n = i;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_record_is(ngx_llmops_record_name_t *name, ngx_llmops_record_t *rec,
    u_char tag[NGX_LLMOPS_RECORD_TAG])
{
    ngx_uint_t  i;

    for (i = 0; i < name->n; i++) {
        if (ngx_memcmp(name->key[i], rec->key, 8) == 0) {
            return ngx_memcmp(name->tag[i], tag, NGX_LLMOPS_RECORD_TAG)
                   ? NGX_DECLINED : NGX_OK;
        }
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_llmops_record_write(ngx_llmops_record_t *rec,
    ngx_llmops_record_keys_t *keys, ngx_str_t *text, ngx_llmops_out_t *out)
{
    size_t   at;
    u_char  *p, head[NGX_LLMOPS_RECORD_HEAD];

    rec->len = (uint32_t) text->len;
    rec->flags &= ~NGX_LLMOPS_RECORD_SEALED;

    if (text->len > NGX_LLMOPS_RECORD_MAX
        || ngx_llmops_record_number(keys->n ? keys->keys[0] : NULL, rec->key)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (keys->n) {
        rec->flags |= NGX_LLMOPS_RECORD_SEALED;
    }

    ngx_memzero(head, sizeof(head));

    ngx_memcpy(head, "lsm1", 4);
    ngx_llmops_record_put(head + 4, rec->len, 4);
    ngx_llmops_record_put(head + 8, rec->flags, 4);
    ngx_memcpy(head + 16, rec->id, 16);
    ngx_llmops_record_put(head + 32, rec->created, 8);
    ngx_llmops_record_put(head + 40, rec->expires, 8);
    ngx_memcpy(head + 48, rec->request, 16);
    ngx_memcpy(head + 64, rec->route, 16);
    ngx_memcpy(head + 80, rec->tenant, 16);
    ngx_memcpy(head + 96, rec->client, 16);
    ngx_memcpy(head + 112, rec->key, 8);
    ngx_llmops_record_put(head + 120, rec->edition, 4);

    at = out->len;

    if (ngx_llmops_out_write(out, head, sizeof(head)) != NGX_OK
        || ngx_llmops_out_write(out, text->data, text->len) != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = out->data + at;

    if (keys->n
        && (RAND_bytes(p + NGX_LLMOPS_RECORD_NONCE, 12) != 1
            || ngx_llmops_record_crypt(p, keys->keys[0],
                                       p + NGX_LLMOPS_RECORD_HEAD, text->len,
                                       p + NGX_LLMOPS_RECORD_HEAD, 1)
               != NGX_OK))
    {
        out->len = at;
        return NGX_ERROR;
    }

    ngx_llmops_record_put(p + 12, ngx_llmops_record_sum(p, text->len), 4);

    return NGX_OK;
}


static uint32_t
ngx_llmops_record_sum(u_char *p, size_t len)
{
    return ngx_crc32_long(p + 16, NGX_LLMOPS_RECORD_HEAD - 16 + len);
}


/* in place, or from one place to another; the tag is put into the head, or
   compared with the one there */

static ngx_int_t
ngx_llmops_record_crypt(u_char *head, const u_char *key, u_char *from,
    size_t len, u_char *to, int encrypt)
{
    int              n;
    u_char           derived[EVP_MAX_MD_SIZE];
    unsigned         size;
    ngx_int_t        rc;
    EVP_CIPHER_CTX  *ctx;

    static u_char  purpose[] = "llmops sample cipher";

    ctx = EVP_CIPHER_CTX_new();
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    if (HMAC(EVP_sha256(), key, NGX_LLMOPS_RECORD_KEY, purpose,
             sizeof(purpose), derived, &size)
        && EVP_CipherInit_ex(ctx, EVP_aes_256_gcm(), NULL, derived,
                             head + NGX_LLMOPS_RECORD_NONCE, encrypt)
        && (encrypt
            || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_SET_TAG, 16,
                                   head + NGX_LLMOPS_RECORD_AUTH))
        && EVP_CipherUpdate(ctx, NULL, &n, head + 16,
                            NGX_LLMOPS_RECORD_BOUND)
        && EVP_CipherUpdate(ctx, to, &n, from, (int) len)
        && EVP_CipherFinal_ex(ctx, to + n, &n)
        && (!encrypt
            || EVP_CIPHER_CTX_ctrl(ctx, EVP_CTRL_GCM_GET_TAG, 16,
                                   head + NGX_LLMOPS_RECORD_AUTH)))
    {
        rc = NGX_OK;
    }

    OPENSSL_cleanse(derived, sizeof(derived));
    EVP_CIPHER_CTX_free(ctx);

    return rc;
}


ngx_int_t
ngx_llmops_record_read(u_char *p, size_t len, ngx_llmops_record_t *rec,
    size_t *size)
{
    if (len < NGX_LLMOPS_RECORD_HEAD || ngx_memcmp(p, "lsm1", 4) != 0) {
        return NGX_DECLINED;
    }

    rec->len = (uint32_t) ngx_llmops_record_get(p + 4, 4);

    if (rec->len > NGX_LLMOPS_RECORD_MAX
        || len - NGX_LLMOPS_RECORD_HEAD < rec->len)
    {
        return NGX_DECLINED;
    }

    rec->flags = (uint32_t) ngx_llmops_record_get(p + 8, 4);
    *size = NGX_LLMOPS_RECORD_HEAD + rec->len;

    ngx_memcpy(rec->id, p + 16, 16);
    ngx_memcpy(rec->request, p + 48, 16);
    ngx_memcpy(rec->route, p + 64, 16);
    ngx_memcpy(rec->tenant, p + 80, 16);
    ngx_memcpy(rec->client, p + 96, 16);
    ngx_memcpy(rec->key, p + 112, 8);

    rec->created = (int64_t) ngx_llmops_record_get(p + 32, 8);
    rec->expires = (int64_t) ngx_llmops_record_get(p + 40, 8);
    rec->edition = (uint32_t) ngx_llmops_record_get(p + 120, 4);

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_record_sound(u_char *p, ngx_llmops_record_t *rec)
{
    return !(rec->flags & NGX_LLMOPS_RECORD_GONE)
           && ngx_llmops_record_get(p + 12, 4)
              == ngx_llmops_record_sum(p, rec->len);
}


ngx_int_t
ngx_llmops_record_text(u_char *p, ngx_llmops_record_t *rec,
    ngx_llmops_record_keys_t *keys, ngx_llmops_out_t *out)
{
    size_t                    at;
    ngx_llmops_record_keys_t  own;

    if (rec->flags & NGX_LLMOPS_RECORD_GONE) {
        return NGX_ERROR;
    }

    if (ngx_llmops_record_keys(rec, keys, &own) != NGX_OK) {
        return NGX_DECLINED;
    }

    at = out->len;

    if (ngx_llmops_out_write(out, p + NGX_LLMOPS_RECORD_HEAD, rec->len)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (own.n
        && ngx_llmops_record_crypt(p, own.keys[0], p + NGX_LLMOPS_RECORD_HEAD,
                                   rec->len, out->data + at, 0)
           != NGX_OK)
    {
        out->len = at;
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_record_keys(ngx_llmops_record_t *rec,
    ngx_llmops_record_keys_t *keys, ngx_llmops_record_keys_t *own)
{
    u_char      number[8];
    ngx_uint_t  i;

    own->n = 0;

    if (!(rec->flags & NGX_LLMOPS_RECORD_SEALED)) {
        return NGX_OK;
    }

    for (i = 0; i < keys->n; i++) {
        if (ngx_llmops_record_number(keys->keys[i], number) == NGX_OK
            && ngx_memcmp(number, rec->key, 8) == 0)
        {
            own->keys[own->n++] = keys->keys[i];
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


void
ngx_llmops_record_wiped(u_char *p, u_char head[NGX_LLMOPS_RECORD_HEAD])
{
    ngx_memzero(head, NGX_LLMOPS_RECORD_HEAD);

    ngx_memcpy(head, p, 8);                  /* how long it is */
    ngx_llmops_record_put(head + 8, NGX_LLMOPS_RECORD_GONE, 4);
}
