
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_jwt.h"


/*
 * From a text to a token.  The order is that of RFC 8725: what the token says
 * of itself chooses nothing but one of the algorithms and one of the keys that
 * the configuration has; keys, addresses and certificates in its header are
 * not looked at.  Claims are checked before the signature, since they are
 * cheaper, and before anybody asks for a new key set on behalf of a token that
 * would be refused anyway.
 */


#define NGX_LLMOPS_JWT_TIME     ((double) 253402300799)


static ngx_int_t ngx_llmops_jwt_read_header(ngx_llmops_jwt_token_t *token,
    const char **reason);
static ngx_int_t ngx_llmops_jwt_alg(ngx_llmops_jwt_token_t *token);
static json_t *ngx_llmops_jwt_object(const u_char *p, const u_char *last);
static ngx_int_t ngx_llmops_jwt_time(json_t *claims, const char *name,
    time_t *time);
static ngx_uint_t ngx_llmops_jwt_audience(json_t *aud,
    ngx_llmops_jwt_rules_t *rules);
static ngx_uint_t ngx_llmops_jwt_audience_is(json_t *aud,
    ngx_llmops_jwt_rules_t *rules);
static ngx_uint_t ngx_llmops_jwt_is(json_t *value, const ngx_str_t *text);
static json_t *ngx_llmops_jwt_member(json_t *object, const u_char *name,
    size_t len, unsigned nocase);


const ngx_str_t  ngx_llmops_jwt_algs[NGX_LLMOPS_JWT_ALGS] = {
    ngx_string("RS256"),
    ngx_string("RS384"),
    ngx_string("RS512"),
    ngx_string("PS256"),
    ngx_string("ES256"),
    ngx_string("EdDSA"),
    ngx_string("HS256")
};


ngx_int_t
ngx_llmops_jwt_read(ngx_str_t *text, ngx_llmops_jwt_token_t *token,
    const char **reason)
{
    u_char  *p, *dot, *sig, *last;

    token->header = NULL;
    token->claims = NULL;

    *reason = "the token is malformed";

    if (text->len > NGX_LLMOPS_JWT_MAX) {
        *reason = "the token is longer than 8192 bytes";
        return NGX_DECLINED;
    }

    p = text->data;
    last = p + text->len;

    dot = memchr(p, '.', text->len);
    if (dot == NULL) {
        return NGX_DECLINED;
    }

    sig = memchr(dot + 1, '.', last - dot - 1);
    if (sig == NULL || memchr(sig + 1, '.', last - sig - 1)) {
        return NGX_DECLINED;
    }

    token->text.data = p;
    token->text.len = sig - p;

    token->header = ngx_llmops_jwt_object(p, dot);

    if (token->header == NULL
        || ngx_llmops_jwt_read_header(token, reason) != NGX_OK)
    {
        goto failed;
    }

    token->claims = ngx_llmops_jwt_object(dot + 1, sig);

    if (token->claims == NULL) {
        goto failed;
    }

    if (ngx_llmops_jwt_base64(sig + 1, last - sig - 1, token->sig,
                              sizeof(token->sig), &token->sig_len)
        != NGX_OK || token->sig_len == 0)
    {
        *reason = "the token has no signature";
        goto failed;
    }

    return NGX_OK;

failed:

    ngx_llmops_jwt_free(token);

    return NGX_DECLINED;
}


void
ngx_llmops_jwt_free(ngx_llmops_jwt_token_t *token)
{
    json_decref(token->header);
    json_decref(token->claims);

    token->header = NULL;
    token->claims = NULL;
}


static ngx_int_t
ngx_llmops_jwt_read_header(ngx_llmops_jwt_token_t *token,
    const char **reason)
{
    json_t  *kid;

    if (ngx_llmops_jwt_alg(token) != NGX_OK) {
        *reason = "the token's algorithm is not accepted";
        return NGX_DECLINED;
    }

    /* extensions that must be understood, and are not (RFC 7515, 4.1.11) */

    if (json_object_get(token->header, "crit")
        || json_object_get(token->header, "b64"))
    {
        *reason = "the token has a critical extension";
        return NGX_DECLINED;
    }

    kid = json_object_get(token->header, "kid");

    if (kid && (!json_is_string(kid)
                || json_string_length(kid) > NGX_LLMOPS_JWT_KID))
    {
        return NGX_DECLINED;
    }

    token->kid.data = (u_char *) json_string_value(kid);
    token->kid.len = json_string_length(kid);

    return NGX_OK;
}


/* the spelling is exact: "none", "NONE" and "hs256" are no algorithms */

static ngx_int_t
ngx_llmops_jwt_alg(ngx_llmops_jwt_token_t *token)
{
    json_t      *alg;
    ngx_uint_t   i;

    alg = json_object_get(token->header, "alg");

    for (i = 0; i < NGX_LLMOPS_JWT_ALGS; i++) {

        if (ngx_llmops_jwt_is(alg, &ngx_llmops_jwt_algs[i])) {
            token->alg = (ngx_llmops_jwt_alg_e) i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* a JSON object in base64url, without members of the same name */

static json_t *
ngx_llmops_jwt_object(const u_char *p, const u_char *last)
{
    json_t        *object;
    size_t         len;
    json_error_t   err;
    u_char         text[NGX_LLMOPS_JWT_MAX];

    if (ngx_llmops_jwt_base64(p, last - p, text, sizeof(text), &len)
        != NGX_OK)
    {
        return NULL;
    }

    object = json_loadb((char *) text, len, JSON_REJECT_DUPLICATES, &err);

    if (!json_is_object(object)) {
        json_decref(object);
        return NULL;
    }

    return object;
}


ngx_int_t
ngx_llmops_jwt_check(json_t *claims, ngx_llmops_jwt_rules_t *rules,
    time_t now, time_t *end, const char **reason)
{
    time_t     exp, from;
    ngx_int_t  rc;

    if (!ngx_llmops_jwt_issued_by(claims, &rules->issuer)) {
        *reason = "the token's issuer is not accepted";
        return NGX_DECLINED;
    }

    if (rules->naudiences
        && !ngx_llmops_jwt_audience(json_object_get(claims, "aud"), rules))
    {
        *reason = "the token is not for this audience";
        return NGX_DECLINED;
    }

    if (ngx_llmops_jwt_time(claims, "exp", &exp) != NGX_OK) {
        *reason = "the token has no valid time of expiry";
        return NGX_DECLINED;
    }

    *end = exp + rules->leeway;

    if (*end <= now) {
        *reason = "the token has expired";
        return NGX_DECLINED;
    }

    rc = ngx_llmops_jwt_time(claims, "nbf", &from);

    if (rc == NGX_ERROR || (rc == NGX_OK && from > now + rules->leeway)) {
        *reason = "the token is not valid yet";
        return NGX_DECLINED;
    }

    rc = ngx_llmops_jwt_time(claims, "iat", &from);

    if (rc == NGX_ERROR || (rc == NGX_OK && from > now + rules->leeway)) {
        *reason = "the token was issued in the future";
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* NumericDate (RFC 7519, 2), which may have a fraction.  NGX_DECLINED: there
   is none; NGX_ERROR: it is something else. */

static ngx_int_t
ngx_llmops_jwt_time(json_t *claims, const char *name, time_t *time)
{
    double   t;
    json_t  *value;

    value = json_object_get(claims, name);

    if (value == NULL) {
        return NGX_DECLINED;
    }

    t = json_is_number(value) ? json_number_value(value) : -1;

    if (!(t >= 0 && t <= NGX_LLMOPS_JWT_TIME)) {
        return NGX_ERROR;
    }

    *time = (time_t) t;

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_jwt_issued_by(json_t *claims, ngx_str_t *issuer)
{
    return issuer->len == 0
           || ngx_llmops_jwt_is(json_object_get(claims, "iss"), issuer);
}


/* a string, or an array of strings */

static ngx_uint_t
ngx_llmops_jwt_audience(json_t *aud, ngx_llmops_jwt_rules_t *rules)
{
    size_t   i;
    json_t  *one;

    if (!json_is_array(aud)) {
        return ngx_llmops_jwt_audience_is(aud, rules);
    }

    json_array_foreach(aud, i, one) {
        if (ngx_llmops_jwt_audience_is(one, rules)) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_llmops_jwt_audience_is(json_t *aud, ngx_llmops_jwt_rules_t *rules)
{
    ngx_uint_t  i;

    for (i = 0; i < rules->naudiences; i++) {
        if (ngx_llmops_jwt_is(aud, &rules->audiences[i])) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_llmops_jwt_is(json_t *value, const ngx_str_t *text)
{
    return json_is_string(value)
           && json_string_length(value) == text->len
           && ngx_memcmp(json_string_value(value), text->data, text->len) == 0;
}


json_t *
ngx_llmops_jwt_claim(json_t *claims, ngx_str_t *name, unsigned nocase)
{
    u_char  *p, *dot, *last;
    json_t  *value;

    value = ngx_llmops_jwt_member(claims, name->data, name->len, nocase);

    if (value) {
        return value;
    }

    value = claims;
    last = name->data + name->len;

    for (p = name->data; value; p = dot + 1) {

        dot = memchr(p, '.', last - p);

        if (dot == NULL) {
            return p == name->data ? NULL
                                   : ngx_llmops_jwt_member(value, p, last - p,
                                                           nocase);
        }

        value = ngx_llmops_jwt_member(value, p, dot - p, nocase);
    }

    return NULL;
}


static json_t *
ngx_llmops_jwt_member(json_t *object, const u_char *name, size_t len,
    unsigned nocase)
{
    size_t       n;
    json_t      *value, *found;
    const char  *key;

    found = NULL;

    json_object_foreach(object, key, value) {

        n = ngx_strlen(key);

        if (n != len) {
            continue;
        }

        if (ngx_memcmp(key, name, n) == 0) {
            return value;
        }

        if (nocase && found == NULL
            && strncasecmp(key, (const char *) name, n) == 0)
        {
            found = value;
        }
    }

    return found;
}
