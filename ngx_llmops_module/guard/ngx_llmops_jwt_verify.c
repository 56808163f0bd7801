
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_jwt.h"

#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rsa.h>


/*
 * Signatures.  The algorithm is the token's only as far as the key allows it;
 * the key decides the type.  An RSA or Ed25519 verification takes some 30 to
 * 130 microseconds, which the cache saves for a token that comes again.
 */


#define NGX_LLMOPS_JWT_POINT    32         /* bytes of each half of ES256 */


static const char *ngx_llmops_jwt_md(ngx_llmops_jwt_alg_e alg);
static ngx_int_t ngx_llmops_jwt_verify_bytes(ngx_llmops_jwt_token_t *token,
    EVP_PKEY *pkey, const u_char *sig, size_t len);
static ngx_int_t ngx_llmops_jwt_verify_ecdsa(ngx_llmops_jwt_token_t *token,
    EVP_PKEY *pkey);
static ngx_int_t ngx_llmops_jwt_der(const u_char *raw, u_char **der,
    size_t *len);


ngx_int_t
ngx_llmops_jwt_verify(ngx_llmops_jwt_token_t *token,
    ngx_llmops_jwt_key_t *key)
{
    ngx_int_t  rc;

    if ((key->algs & ((ngx_uint_t) 1 << token->alg)) == 0) {
        return NGX_DECLINED;
    }

    rc = (key->type == NGX_LLMOPS_JWT_P256)
         ? ngx_llmops_jwt_verify_ecdsa(token, key->pkey)
         : ngx_llmops_jwt_verify_bytes(token, key->pkey, token->sig,
                                       token->sig_len);

    ERR_clear_error();

    return rc;
}


static ngx_int_t
ngx_llmops_jwt_verify_bytes(ngx_llmops_jwt_token_t *token, EVP_PKEY *pkey,
    const u_char *sig, size_t len)
{
    int            ok;
    EVP_MD_CTX    *ctx;
    EVP_PKEY_CTX  *pctx;

    ctx = EVP_MD_CTX_new();
    if (ctx == NULL) {
        return NGX_DECLINED;
    }

    ok = EVP_DigestVerifyInit_ex(ctx, &pctx, ngx_llmops_jwt_md(token->alg),
                                 NULL, NULL, pkey, NULL);

    if (ok == 1 && token->alg == NGX_LLMOPS_JWT_PS256) {

        /* the digest's own for the mask, and its length of salt */

        ok = EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING) == 1
             && EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, RSA_PSS_SALTLEN_DIGEST)
                == 1;
    }

    if (ok == 1) {
        ok = EVP_DigestVerify(ctx, sig, len, token->text.data,
                              token->text.len);
    }

    EVP_MD_CTX_free(ctx);

    return ok == 1 ? NGX_OK : NGX_DECLINED;
}


/* NULL: Ed25519 has its own */

static const char *
ngx_llmops_jwt_md(ngx_llmops_jwt_alg_e alg)
{
    switch (alg) {

    case NGX_LLMOPS_JWT_EDDSA:
        return NULL;

    case NGX_LLMOPS_JWT_RS384:
        return "SHA384";

    case NGX_LLMOPS_JWT_RS512:
        return "SHA512";

    default:
        return "SHA256";
    }
}


/* two numbers of 32 bytes (RFC 7518, 3.4), which OpenSSL wants in DER */

static ngx_int_t
ngx_llmops_jwt_verify_ecdsa(ngx_llmops_jwt_token_t *token, EVP_PKEY *pkey)
{
    u_char     *der;
    size_t      len;
    ngx_int_t   rc;

    if (token->sig_len != 2 * NGX_LLMOPS_JWT_POINT
        || ngx_llmops_jwt_der(token->sig, &der, &len) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    rc = ngx_llmops_jwt_verify_bytes(token, pkey, der, len);

    OPENSSL_free(der);

    return rc;
}


static ngx_int_t
ngx_llmops_jwt_der(const u_char *raw, u_char **der, size_t *len)
{
    int         n;
    BIGNUM     *r, *s;
    ECDSA_SIG  *sig;

    r = BN_bin2bn(raw, NGX_LLMOPS_JWT_POINT, NULL);
    s = BN_bin2bn(raw + NGX_LLMOPS_JWT_POINT, NGX_LLMOPS_JWT_POINT, NULL);
    sig = ECDSA_SIG_new();

    if (r == NULL || s == NULL || sig == NULL
        || ECDSA_SIG_set0(sig, r, s) != 1)
    {
        BN_free(r);
        BN_free(s);
        ECDSA_SIG_free(sig);
        return NGX_DECLINED;
    }

    *der = NULL;
    n = i2d_ECDSA_SIG(sig, der);

    ECDSA_SIG_free(sig);                       /* with r and s */

    if (n <= 0) {
        return NGX_DECLINED;
    }

    *len = n;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_jwt_verify_secret(ngx_llmops_jwt_token_t *token, ngx_str_t *secret)
{
    u_char        mac[EVP_MAX_MD_SIZE];
    unsigned int  len;

    if (token->alg != NGX_LLMOPS_JWT_HS256
        || HMAC(EVP_sha256(), secret->data, (int) secret->len,
                token->text.data, token->text.len, mac, &len)
           == NULL)
    {
        ERR_clear_error();
        return NGX_DECLINED;
    }

    return (token->sig_len == len
            && CRYPTO_memcmp(mac, token->sig, len) == 0)
           ? NGX_OK : NGX_DECLINED;
}
