
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_digest.h"
#include "ngx_llmops_key_check.h"

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>


/*
 * Secrets have 256 random bits, so that a plain SHA-256 of them is as good as
 * a slow hash: there is nothing to guess.  That is also why a table may be
 * looked up by the digest: how long that takes tells of the digests that are
 * stored, and nobody finds a key from a digest.  What decides is a comparison
 * of all 32 bytes, whose time says nothing.
 */


static const char  ngx_llmops_key_letters[] =
    "abcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

#define NGX_LLMOPS_KEY_LOWER    36         /* of them are [a-z0-9] */
#define NGX_LLMOPS_KEY_ALNUM    62


static size_t ngx_llmops_key_id_len(ngx_str_t *key);


u_char *
ngx_llmops_key_hex(u_char *p, const u_char *bytes, size_t len)
{
    static const char  digits[] = "0123456789abcdef";

    while (len--) {
        *p++ = digits[*bytes >> 4];
        *p++ = digits[*bytes++ & 15];
    }

    return p;
}


ngx_int_t
ngx_llmops_key_unhex(ngx_str_t *hex, u_char digest[NGX_LLMOPS_KEY_DIGEST])
{
    u_char      ch, n;
    ngx_uint_t  i;

    if (hex->len != NGX_LLMOPS_KEY_HEX) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_LLMOPS_KEY_HEX; i++) {
        ch = hex->data[i];

        if (ch >= '0' && ch <= '9') {
            n = ch - '0';

        } else {
            ch |= 0x20;

            if (ch < 'a' || ch > 'f') {
                return NGX_DECLINED;
            }

            n = ch - 'a' + 10;
        }

        digest[i / 2] = (i & 1) ? (u_char) (digest[i / 2] | n)
                                : (u_char) (n << 4);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_key_random(u_char *p, size_t len, ngx_uint_t letters)
{
    u_char      bytes[64];
    ngx_uint_t  i, top;

    /* what lies above the largest multiple would favour some letters */

    top = 256 / letters * letters;

    while (len) {

        if (RAND_bytes(bytes, sizeof(bytes)) != 1) {
            ERR_clear_error();
            return NGX_ERROR;
        }

        for (i = 0; i < sizeof(bytes) && len; i++) {
            if (bytes[i] < top) {
                *p++ = ngx_llmops_key_letters[bytes[i] % letters];
                len--;
            }
        }
    }

    OPENSSL_cleanse(bytes, sizeof(bytes));

    return NGX_OK;
}


ngx_int_t
ngx_llmops_key_secret(ngx_str_t *id, ngx_llmops_key_secret_t *secret,
    char hex[NGX_LLMOPS_KEY_HEX + 1])
{
    u_char  *p, digest[NGX_LLMOPS_KEY_DIGEST];

    p = ngx_cpymem(secret->text, NGX_LLMOPS_KEY_PREFIX,
                   sizeof(NGX_LLMOPS_KEY_PREFIX) - 1);
    p = ngx_cpymem(p, id->data, id->len);
    *p++ = '-';

    if (ngx_llmops_key_random(p, NGX_LLMOPS_KEY_SECRET, NGX_LLMOPS_KEY_ALNUM)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p += NGX_LLMOPS_KEY_SECRET;
    *p = '\0';

    secret->len = p - secret->text;

    if (ngx_llmops_sha256(secret->text, secret->len, digest) != NGX_OK) {
        return NGX_ERROR;
    }

    *ngx_llmops_key_hex((u_char *) hex, digest, sizeof(digest)) = '\0';

    return NGX_OK;
}


ngx_int_t
ngx_llmops_key_new_id(u_char id[NGX_LLMOPS_KEY_ID])
{
    return ngx_llmops_key_random(id, NGX_LLMOPS_KEY_ID, NGX_LLMOPS_KEY_LOWER);
}


ngx_uint_t
ngx_llmops_key_id_of(ngx_str_t *key,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST], ngx_str_t *id)
{
    id->len = ngx_llmops_key_id_len(key);

    if (id->len) {
        ngx_memcpy(id->data, key->data + sizeof(NGX_LLMOPS_KEY_PREFIX) - 1,
                   id->len);
        return 1;
    }

    id->data[0] = 'h';
    id->len = ngx_llmops_key_hex(id->data + 1, digest, 12) - id->data;

    return 0;
}


/* of the id in "sk-llm-ID-SECRET", 0 if it is not of that form */

static size_t
ngx_llmops_key_id_len(ngx_str_t *key)
{
    u_char  *p, *start, *last;

    if (key->len < sizeof(NGX_LLMOPS_KEY_PREFIX) - 1
        || ngx_memcmp(key->data, NGX_LLMOPS_KEY_PREFIX,
                      sizeof(NGX_LLMOPS_KEY_PREFIX) - 1)
           != 0)
    {
        return 0;
    }

    start = key->data + sizeof(NGX_LLMOPS_KEY_PREFIX) - 1;
    last = key->data + key->len;

    for (p = start; p < last && *p != '-'; p++) {
        if (!((*p >= 'a' && *p <= 'z') || (*p >= '0' && *p <= '9'))) {
            return 0;
        }
    }

    /* the dash, and something behind it */

    if (p - start > NGX_LLMOPS_KEY_ID_MAX || last - p < 2) {
        return 0;
    }

    return p - start;
}


ngx_uint_t
ngx_llmops_key_equal(const u_char a[NGX_LLMOPS_KEY_DIGEST],
    const u_char b[NGX_LLMOPS_KEY_DIGEST])
{
    return CRYPTO_memcmp(a, b, NGX_LLMOPS_KEY_DIGEST) == 0;
}


ngx_uint_t
ngx_llmops_key_matches(json_t *record,
    const u_char digest[NGX_LLMOPS_KEY_DIGEST], time_t *until)
{
    size_t       i;
    u_char       stored[NGX_LLMOPS_KEY_DIGEST];
    json_t      *hash;
    ngx_str_t    hex;
    ngx_uint_t   found;

    found = 0;
    *until = 0;

    /* all of them, whichever it is */

    json_array_foreach(json_object_get(record, "hashes"), i, hash) {

        hex.data = (u_char *) json_string_value(json_object_get(hash,
                                                                "sha256"));
        hex.len = NGX_LLMOPS_KEY_HEX;

        if (hex.data == NULL || ngx_strlen(hex.data) != hex.len
            || ngx_llmops_key_unhex(&hex, stored) != NGX_OK)
        {
            continue;
        }

        if (ngx_llmops_key_equal(stored, digest)) {
            found = 1;
            *until = (time_t) json_integer_value(json_object_get(hash,
                                                                 "until"));
        }
    }

    return found;
}
