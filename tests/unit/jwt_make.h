
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _JWT_MAKE_H_INCLUDED_
#define _JWT_MAKE_H_INCLUDED_


#include "ngx_llmops_jwt.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>


/* Tokens and key sets as an issuer makes them; all texts are the caller's to
   free(). */


static inline char *
jwt_base64(const void *data, size_t len)
{
    char          *text, *p;
    size_t         i;
    uint32_t       n;
    const u_char  *in = data;

    static const char  digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmn"
                                  "opqrstuvwxyz0123456789-_";

    p = text = malloc(len * 4 / 3 + 8);

    for (i = 0; i < len; i += 3) {
        n = (uint32_t) in[i] << 16
            | (i + 1 < len ? (uint32_t) in[i + 1] << 8 : 0)
            | (i + 2 < len ? (uint32_t) in[i + 2] : 0);

        *p++ = digits[n >> 18];
        *p++ = digits[n >> 12 & 63];

        if (i + 1 < len) {
            *p++ = digits[n >> 6 & 63];
        }

        if (i + 2 < len) {
            *p++ = digits[n & 63];
        }
    }

    *p = '\0';

    return text;
}


/* HEADER.PAYLOAD.SIGNATURE of three texts, the last one raw bytes */

static inline char *
jwt_join(const char *header, const char *payload, const void *sig, size_t len)
{
    char  *h, *p, *s, *text;

    h = jwt_base64(header, strlen(header));
    p = jwt_base64(payload, strlen(payload));
    s = jwt_base64(sig, len);

    text = malloc(strlen(h) + strlen(p) + strlen(s) + 3);
    sprintf(text, "%s.%s.%s", h, p, s);

    free(h);
    free(p);
    free(s);

    return text;
}


static inline EVP_PKEY *
jwt_rsa(unsigned bits)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t) bits);
}


static inline EVP_PKEY *
jwt_ec(const char *curve)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
}


static inline EVP_PKEY *
jwt_ed25519(void)
{
    return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}


/* the raw r || s of half bytes each */

static inline size_t
jwt_raw(u_char *sig, size_t len, size_t half)
{
    ECDSA_SIG     *s;
    const u_char  *p = sig;

    s = d2i_ECDSA_SIG(NULL, &p, (long) len);

    BN_bn2binpad(ECDSA_SIG_get0_r(s), sig, (int) half);
    BN_bn2binpad(ECDSA_SIG_get0_s(s), sig + half, (int) half);

    ECDSA_SIG_free(s);

    return 2 * half;
}


/* alg as in the header's text, which says what it wants */

static inline char *
jwt_sign(const char *header, const char *payload, const char *md, int pss,
    size_t half, EVP_PKEY *pkey)
{
    char          *text, *token;
    u_char         sig[2048];
    size_t         len;
    EVP_MD_CTX    *ctx;
    EVP_PKEY_CTX  *pctx;

    text = jwt_join(header, payload, "", 0);
    text[strlen(text) - 1] = '\0';              /* the second dot */

    ctx = EVP_MD_CTX_new();
    len = sizeof(sig);

    EVP_DigestSignInit_ex(ctx, &pctx, md, NULL, NULL, pkey, NULL);

    if (pss) {
        EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING);
        EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, pss == 2 ? 11 : -1);
    }

    if (EVP_DigestSign(ctx, sig, &len, (u_char *) text, strlen(text)) != 1) {
        abort();
    }

    EVP_MD_CTX_free(ctx);
    free(text);

    if (half) {
        len = jwt_raw(sig, len, half);
    }

    token = jwt_join(header, payload, sig, len);

    return token;
}


static inline char *
jwt_hmac(const char *header, const char *payload, const void *secret,
    size_t size)
{
    char          *text, *token;
    u_char         mac[EVP_MAX_MD_SIZE];
    unsigned int   len;

    text = jwt_join(header, payload, "", 0);
    text[strlen(text) - 1] = '\0';

    HMAC(EVP_sha256(), secret, (int) size, (u_char *) text, strlen(text), mac,
         &len);
    free(text);

    token = jwt_join(header, payload, mac, len);

    return token;
}


/* the members of a public key as JWK, with more members behind them */

static inline char *
jwt_jwk(EVP_PKEY *pkey, const char *more)
{
    char     *a, *b, *text;
    u_char    bytes[2048];
    size_t    len;
    BIGNUM   *n;

    text = malloc(8192);
    n = NULL;

    if (EVP_PKEY_is_a(pkey, "RSA")) {
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_N, &n);
        len = (size_t) BN_bn2bin(n, bytes);
        a = jwt_base64(bytes, len);
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &n);
        len = (size_t) BN_bn2bin(n, bytes);
        b = jwt_base64(bytes, len);
        sprintf(text, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}", a, b,
                more);

    } else if (EVP_PKEY_is_a(pkey, "EC")) {
        int  half = (EVP_PKEY_get_bits(pkey) + 7) / 8;

        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_X, &n);
        BN_bn2binpad(n, bytes, half);
        a = jwt_base64(bytes, (size_t) half);
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &n);
        BN_bn2binpad(n, bytes, half);
        b = jwt_base64(bytes, (size_t) half);
        sprintf(text, "{\"kty\":\"EC\",\"crv\":\"P-%d\",\"x\":\"%s\","
                "\"y\":\"%s\"%s}", half * 8, a, b, more);

    } else {
        len = sizeof(bytes);
        EVP_PKEY_get_raw_public_key(pkey, bytes, &len);
        a = jwt_base64(bytes, len);
        b = NULL;
        sprintf(text, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"%s}",
                a, more);
    }

    BN_free(n);
    free(a);
    free(b);

    return text;
}


#endif /* _JWT_MAKE_H_INCLUDED_ */
