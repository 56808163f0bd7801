
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_jwt.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>


/*
 * Key sets.  A key is bound to what it may verify when it is read, by its type
 * and by what it says of itself, so that nothing in a token can give it
 * another use: an RSA key as the secret of an HMAC, a curve for another.
 * Secrets ("oct") are not taken from a set at all, which is public.
 */


#define NGX_LLMOPS_JWT_RSA_MIN  2048       /* bits: RFC 7518, 3.3 */
#define NGX_LLMOPS_JWT_RSA_MAX  8192
#define NGX_LLMOPS_JWT_NUMBER   (NGX_LLMOPS_JWT_RSA_MAX / 8 + 1)


static ngx_int_t ngx_llmops_jwks_key(ngx_llmops_jwt_key_t *key, json_t *jwk);
static ngx_uint_t ngx_llmops_jwks_verifies(json_t *jwk);
static ngx_int_t ngx_llmops_jwks_kid(ngx_llmops_jwt_key_t *key, json_t *jwk);
static ngx_int_t ngx_llmops_jwks_alg(ngx_llmops_jwt_key_t *key, json_t *jwk);
static EVP_PKEY *ngx_llmops_jwks_rsa(json_t *jwk);
static EVP_PKEY *ngx_llmops_jwks_rsa_make(BIGNUM *n, BIGNUM *e);
static BIGNUM *ngx_llmops_jwks_number(json_t *jwk, const char *name);
static EVP_PKEY *ngx_llmops_jwks_p256(json_t *jwk);
static EVP_PKEY *ngx_llmops_jwks_ed25519(json_t *jwk);
static EVP_PKEY *ngx_llmops_jwks_make(const char *type, OSSL_PARAM *params);
static ngx_int_t ngx_llmops_jwks_bytes(json_t *jwk, const char *name,
    u_char *dst, size_t size, size_t *len);
static ngx_uint_t ngx_llmops_jwks_is(json_t *jwk, const char *name,
    const char *value);


ngx_llmops_jwks_t *
ngx_llmops_jwks_read(ngx_str_t *text, const char **reason)
{
    size_t              i;
    json_t             *root, *keys, *jwk;
    json_error_t        err;
    ngx_llmops_jwks_t  *set;

    root = json_loadb((char *) text->data, text->len, 0, &err);
    keys = json_object_get(root, "keys");

    if (!json_is_array(keys)) {
        *reason = "is not a key set: it must be {\"keys\": [...]}";
        json_decref(root);
        return NULL;
    }

    set = calloc(1, sizeof(ngx_llmops_jwks_t));

    if (set == NULL) {
        *reason = "found no memory";
        json_decref(root);
        return NULL;
    }

    json_array_foreach(keys, i, jwk) {

        if (set->nkeys == NGX_LLMOPS_JWT_KEYS) {
            break;
        }

        if (ngx_llmops_jwks_key(&set->keys[set->nkeys], jwk) == NGX_OK) {
            set->nkeys++;
        }
    }

    json_decref(root);

    /* nginx takes what is left in OpenSSL's queue for errors of its own */

    ERR_clear_error();

    if (set->nkeys == 0) {
        *reason = "has no key that can be used (RSA from 2048 bits, P-256, "
                  "Ed25519)";
        ngx_llmops_jwks_free(set);
        return NULL;
    }

    return set;
}


void
ngx_llmops_jwks_free(ngx_llmops_jwks_t *set)
{
    ngx_uint_t  i;

    if (set == NULL) {
        return;
    }

    for (i = 0; i < set->nkeys; i++) {
        EVP_PKEY_free(set->keys[i].pkey);
    }

    free(set);
}


ngx_uint_t
ngx_llmops_jwks_count(ngx_llmops_jwks_t *set)
{
    return set->nkeys;
}


static ngx_int_t
ngx_llmops_jwks_key(ngx_llmops_jwt_key_t *key, json_t *jwk)
{
    key->pkey = NULL;

    if (!ngx_llmops_jwks_verifies(jwk)
        || ngx_llmops_jwks_kid(key, jwk) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (ngx_llmops_jwks_is(jwk, "kty", "RSA")) {
        key->type = NGX_LLMOPS_JWT_RSA;
        key->algs = 1 << NGX_LLMOPS_JWT_RS256 | 1 << NGX_LLMOPS_JWT_RS384
                    | 1 << NGX_LLMOPS_JWT_RS512 | 1 << NGX_LLMOPS_JWT_PS256;

    } else if (ngx_llmops_jwks_is(jwk, "kty", "EC")
               && ngx_llmops_jwks_is(jwk, "crv", "P-256"))
    {
        key->type = NGX_LLMOPS_JWT_P256;
        key->algs = 1 << NGX_LLMOPS_JWT_ES256;

    } else if (ngx_llmops_jwks_is(jwk, "kty", "OKP")
               && ngx_llmops_jwks_is(jwk, "crv", "Ed25519"))
    {
        key->type = NGX_LLMOPS_JWT_ED25519;
        key->algs = 1 << NGX_LLMOPS_JWT_EDDSA;

    } else {
        return NGX_DECLINED;
    }

    if (ngx_llmops_jwks_alg(key, jwk) != NGX_OK) {
        return NGX_DECLINED;
    }

    switch (key->type) {

    case NGX_LLMOPS_JWT_RSA:
        key->pkey = ngx_llmops_jwks_rsa(jwk);
        break;

    case NGX_LLMOPS_JWT_P256:
        key->pkey = ngx_llmops_jwks_p256(jwk);
        break;

    case NGX_LLMOPS_JWT_ED25519:
        key->pkey = ngx_llmops_jwks_ed25519(jwk);
        break;
    }

    return key->pkey ? NGX_OK : NGX_DECLINED;
}


/* "use" and "key_ops", where they are given */

static ngx_uint_t
ngx_llmops_jwks_verifies(json_t *jwk)
{
    size_t   i;
    json_t  *ops, *op;

    if (json_object_get(jwk, "use") && !ngx_llmops_jwks_is(jwk, "use", "sig"))
    {
        return 0;
    }

    ops = json_object_get(jwk, "key_ops");

    if (ops == NULL) {
        return 1;
    }

    json_array_foreach(ops, i, op) {
        if (json_is_string(op)
            && ngx_strcmp(json_string_value(op), "verify") == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_int_t
ngx_llmops_jwks_kid(ngx_llmops_jwt_key_t *key, json_t *jwk)
{
    json_t  *kid;

    kid = json_object_get(jwk, "kid");

    key->kid_len = json_string_length(kid);

    if ((kid && !json_is_string(kid)) || key->kid_len > NGX_LLMOPS_JWT_KID) {
        return NGX_DECLINED;
    }

    if (key->kid_len) {
        ngx_memcpy(key->kid, json_string_value(kid), key->kid_len);
    }

    return NGX_OK;
}


/* a key that names its algorithm has no other */

static ngx_int_t
ngx_llmops_jwks_alg(ngx_llmops_jwt_key_t *key, json_t *jwk)
{
    ngx_uint_t  i;

    if (json_object_get(jwk, "alg") == NULL) {
        return NGX_OK;
    }

    for (i = 0; i < NGX_LLMOPS_JWT_ALGS; i++) {

        if ((key->algs & ((ngx_uint_t) 1 << i))
            && ngx_llmops_jwks_is(jwk, "alg",
                                  (char *) ngx_llmops_jwt_algs[i].data))
        {
            key->algs = (ngx_uint_t) 1 << i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static EVP_PKEY *
ngx_llmops_jwks_rsa(json_t *jwk)
{
    BIGNUM    *n, *e;
    EVP_PKEY  *pkey;

    n = ngx_llmops_jwks_number(jwk, "n");
    e = ngx_llmops_jwks_number(jwk, "e");

    pkey = (n && e) ? ngx_llmops_jwks_rsa_make(n, e) : NULL;

    BN_free(n);
    BN_free(e);

    return pkey;
}


static EVP_PKEY *
ngx_llmops_jwks_rsa_make(BIGNUM *n, BIGNUM *e)
{
    EVP_PKEY        *pkey;
    OSSL_PARAM      *params;
    OSSL_PARAM_BLD  *bld;

    /* an exponent of 1 would make every signature its own message */

    if (BN_num_bits(n) < NGX_LLMOPS_JWT_RSA_MIN
        || BN_num_bits(n) > NGX_LLMOPS_JWT_RSA_MAX
        || !BN_is_odd(n) || !BN_is_odd(e)
        || BN_is_one(e) || BN_num_bits(e) > 64)
    {
        return NULL;
    }

    pkey = NULL;
    params = NULL;

    bld = OSSL_PARAM_BLD_new();

    if (bld
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n) == 1
        && OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e) == 1)
    {
        params = OSSL_PARAM_BLD_to_param(bld);
    }

    if (params) {
        pkey = ngx_llmops_jwks_make("RSA", params);
    }

    OSSL_PARAM_free(params);
    OSSL_PARAM_BLD_free(bld);

    return pkey;
}


static BIGNUM *
ngx_llmops_jwks_number(json_t *jwk, const char *name)
{
    u_char  bytes[NGX_LLMOPS_JWT_NUMBER];
    size_t  len;

    if (ngx_llmops_jwks_bytes(jwk, name, bytes, sizeof(bytes), &len)
        != NGX_OK)
    {
        return NULL;
    }

    return BN_bin2bn(bytes, (int) len, NULL);
}


static EVP_PKEY *
ngx_llmops_jwks_p256(json_t *jwk)
{
    size_t      x, y;
    u_char      point[1 + 2 * 32];
    OSSL_PARAM  params[3];

    static char  group[] = "P-256";

    point[0] = 4;                              /* not compressed */

    if (ngx_llmops_jwks_bytes(jwk, "x", point + 1, 32, &x) != NGX_OK
        || ngx_llmops_jwks_bytes(jwk, "y", point + 33, 32, &y) != NGX_OK
        || x != 32 || y != 32)
    {
        return NULL;
    }

    params[0] = OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME,
                                                 group, 0);
    params[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY,
                                                  point, sizeof(point));
    params[2] = OSSL_PARAM_construct_end();

    return ngx_llmops_jwks_make("EC", params);
}


static EVP_PKEY *
ngx_llmops_jwks_ed25519(json_t *jwk)
{
    u_char  x[32];
    size_t  len;

    if (ngx_llmops_jwks_bytes(jwk, "x", x, sizeof(x), &len) != NGX_OK
        || len != sizeof(x))
    {
        return NULL;
    }

    return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, x, sizeof(x));
}


/* a point that is not on its curve is refused here */

static EVP_PKEY *
ngx_llmops_jwks_make(const char *type, OSSL_PARAM *params)
{
    EVP_PKEY      *pkey;
    EVP_PKEY_CTX  *ctx;

    pkey = NULL;

    ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);

    if (ctx == NULL
        || EVP_PKEY_fromdata_init(ctx) != 1
        || EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
    {
        EVP_PKEY_free(pkey);
        pkey = NULL;
    }

    EVP_PKEY_CTX_free(ctx);

    return pkey;
}


static ngx_int_t
ngx_llmops_jwks_bytes(json_t *jwk, const char *name, u_char *dst, size_t size,
    size_t *len)
{
    json_t  *value;

    value = json_object_get(jwk, name);

    if (!json_is_string(value)) {
        return NGX_DECLINED;
    }

    return ngx_llmops_jwt_base64((u_char *) json_string_value(value),
                                 json_string_length(value), dst, size, len);
}


static ngx_uint_t
ngx_llmops_jwks_is(json_t *jwk, const char *name, const char *value)
{
    json_t  *member;

    member = json_object_get(jwk, name);

    return json_is_string(member)
           && ngx_strcmp(json_string_value(member), value) == 0;
}


ngx_int_t
ngx_llmops_jwks_find(ngx_llmops_jwks_t *set, ngx_llmops_jwt_token_t *token,
    ngx_llmops_jwt_key_t **key, const char **reason)
{
    ngx_uint_t             i, suited;
    ngx_llmops_jwt_key_t  *k;

    suited = 0;

    for (i = 0; i < set->nkeys; i++) {
        k = &set->keys[i];

        if ((k->algs & ((ngx_uint_t) 1 << token->alg)) == 0) {
            continue;
        }

        if (token->kid.len == 0) {
            suited++;
            *key = k;

        } else if (k->kid_len == token->kid.len
                   && ngx_memcmp(k->kid, token->kid.data, k->kid_len) == 0)
        {
            *key = k;
            return NGX_OK;
        }
    }

    if (suited == 1) {
        return NGX_OK;
    }

    if (suited) {
        *reason = "the token does not say which key it was signed with";
        return NGX_DECLINED;
    }

    *reason = "the token was signed with an unknown key";

    return NGX_AGAIN;
}
