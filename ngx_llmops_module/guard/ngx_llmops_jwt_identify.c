
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_jwt_set.h"


/*
 * From a token to an identity.  Which llm_jwt a token belongs to is told by
 * its issuer; where several have the same one, or none, they are tried in
 * turn, and what the last of them says is the reason.
 */


#define NGX_LLMOPS_JWT_TEXT     128        /* bytes of a client's name */


static ngx_int_t ngx_llmops_jwt_try_all(ngx_llmops_auth_conf_t *acf,
    ngx_llmops_auth_t *a, ngx_llmops_jwt_token_t *token,
    ngx_llmops_auth_entry_t *entry, ngx_llmops_jwt_t **lacking);
static ngx_int_t ngx_llmops_jwt_try(ngx_llmops_jwt_t *jwt,
    ngx_llmops_auth_t *a, ngx_llmops_jwt_token_t *token,
    ngx_llmops_auth_entry_t *entry);
static ngx_int_t ngx_llmops_jwt_signed(ngx_llmops_jwt_t *jwt,
    ngx_llmops_jwt_token_t *token, const char **reason);
static ngx_int_t ngx_llmops_jwt_lacks(ngx_llmops_jwt_t *jwt,
    ngx_llmops_auth_t *a);
static ngx_int_t ngx_llmops_jwt_person(ngx_llmops_jwt_t *jwt,
    ngx_llmops_identity_t *identity, json_t *claims, const char **reason);
static ngx_int_t ngx_llmops_jwt_person_text(ngx_llmops_identity_t *identity,
    json_t *claims, ngx_str_t *name, ngx_str_t *to);
static ngx_uint_t ngx_llmops_jwt_printable(const char *p, size_t len);


/* three parts of base64url with dots between them */

ngx_uint_t
ngx_llmops_jwt_form(ngx_str_t *credential)
{
    u_char      *p, *last;
    ngx_uint_t   dots;

    dots = 0;
    last = credential->data + credential->len;

    for (p = credential->data; p < last; p++) {

        if (*p == '.') {
            dots++;

        } else if (!((*p >= 'A' && *p <= 'Z') || (*p >= 'a' && *p <= 'z')
                     || (*p >= '0' && *p <= '9') || *p == '-' || *p == '_'))
        {
            return 0;
        }
    }

    return dots == 2;
}


ngx_int_t
ngx_llmops_jwt_identify(ngx_llmops_auth_conf_t *acf, ngx_llmops_auth_t *a,
    ngx_llmops_auth_entry_t *entry)
{
    ngx_int_t                rc;
    ngx_llmops_jwt_t        *lacking;
    ngx_llmops_jwt_token_t   token;

    if (ngx_llmops_jwt_read(&a->credential, &token, &a->reason) != NGX_OK) {
        return NGX_DECLINED;
    }

    a->reason = "the token's issuer is not accepted";

    rc = ngx_llmops_jwt_try_all(acf, a, &token, entry, &lacking);

    if (rc == NGX_AGAIN) {
        rc = ngx_llmops_jwt_lacks(lacking, a);

        if (rc == NGX_OK) {

            /* there is a newer set already */

            rc = ngx_llmops_jwt_try_all(acf, a, &token, entry, &lacking);

            if (rc == NGX_AGAIN) {
                rc = ngx_llmops_jwt_lacks(lacking, a);
            }
        }
    }

    ngx_llmops_jwt_free(&token);

    if (rc == NGX_OK || rc == NGX_BUSY) {
        a->reason = NULL;
    }

    return rc;
}


/* NGX_AGAIN: *lacking has not the key */

static ngx_int_t
ngx_llmops_jwt_try_all(ngx_llmops_auth_conf_t *acf, ngx_llmops_auth_t *a,
    ngx_llmops_jwt_token_t *token, ngx_llmops_auth_entry_t *entry,
    ngx_llmops_jwt_t **lacking)
{
    ngx_int_t            rc, result;
    ngx_uint_t           i;
    ngx_llmops_jwt_t   **jwts;

    jwts = acf->jwts.elts;

    *lacking = NULL;
    result = NGX_DECLINED;

    for (i = 0; i < acf->jwts.nelts; i++) {

        if (!ngx_llmops_jwt_issued_by(token->claims, &jwts[i]->rules.issuer)) {
            continue;
        }

        rc = ngx_llmops_jwt_try(jwts[i], a, token, entry);

        if (rc == NGX_OK || rc == NGX_ERROR) {
            return rc;
        }

        if (rc == NGX_AGAIN && *lacking == NULL) {
            *lacking = jwts[i];
            result = NGX_AGAIN;
        }
    }

    return result;
}


static ngx_int_t
ngx_llmops_jwt_try(ngx_llmops_jwt_t *jwt, ngx_llmops_auth_t *a,
    ngx_llmops_jwt_token_t *token, ngx_llmops_auth_entry_t *entry)
{
    time_t                  end;
    ngx_int_t               rc;
    ngx_llmops_identity_t  *identity;

    if ((jwt->algs & ((ngx_uint_t) 1 << token->alg)) == 0) {
        a->reason = "the token's algorithm is not accepted";
        return NGX_DECLINED;
    }

    if (ngx_llmops_jwt_check(token->claims, &jwt->rules, ngx_time(), &end,
                             &a->reason)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    rc = ngx_llmops_jwt_signed(jwt, token, &a->reason);

    if (rc != NGX_OK) {
        return rc;
    }

    identity = ngx_llmops_identity_create(ngx_cycle->log);
    if (identity == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_jwt_person(jwt, identity, token->claims, &a->reason);

    if (rc != NGX_OK) {
        ngx_llmops_identity_release(identity);
        return rc;
    }

    identity->expires = end;

    entry->identity = identity;
    entry->jwt = jwt;
    entry->revision = jwt->revision;
    entry->until = end;
    entry->checked = ngx_time();

    return NGX_OK;
}


/* NGX_AGAIN: not with the set that there is */

static ngx_int_t
ngx_llmops_jwt_signed(ngx_llmops_jwt_t *jwt, ngx_llmops_jwt_token_t *token,
    const char **reason)
{
    ngx_int_t              rc;
    ngx_llmops_jwt_key_t  *key;

    if (jwt->secret.value.len) {
        rc = ngx_llmops_jwt_verify_secret(token, &jwt->secret.value);
        *reason = "the token's signature is not valid";

        return rc;
    }

    if (jwt->set == NULL) {
        *reason = "the token cannot be verified";
        return NGX_AGAIN;
    }

    rc = ngx_llmops_jwks_find(jwt->set, token, &key, reason);

    if (rc != NGX_OK) {
        return rc;
    }

    if (ngx_llmops_jwt_verify(token, key) == NGX_OK) {
        return NGX_OK;
    }

    *reason = "the token's signature is not valid";

    /* the only key of an issuer that gives its keys no names may be new */

    return token->kid.len ? NGX_DECLINED : NGX_AGAIN;
}


/* asks for a newer set, once for each request */

static ngx_int_t
ngx_llmops_jwt_lacks(ngx_llmops_jwt_t *jwt, ngx_llmops_auth_t *a)
{
    if (a->jwt == jwt && a->turn && jwt->ended >= a->turn) {
        /* it has waited for a fetch that began after it came */

        return jwt->failures ? NGX_BUSY : NGX_DECLINED;
    }

    return ngx_llmops_jwt_wait(jwt, a);
}


static ngx_int_t
ngx_llmops_jwt_person(ngx_llmops_jwt_t *jwt, ngx_llmops_identity_t *identity,
    json_t *claims, const char **reason)
{
    ngx_int_t                rc;
    ngx_llmops_auth_data_t  *data;

    rc = ngx_llmops_jwt_person_text(identity, claims, &jwt->client,
                                    &identity->client);

    if (rc == NGX_DECLINED || (rc == NGX_OK && identity->client.len == 0)) {
        *reason = "the token does not say whose it is";
        return NGX_DECLINED;
    }

    if (rc == NGX_OK && jwt->tenant.len) {
        rc = ngx_llmops_jwt_person_text(identity, claims, &jwt->tenant,
                                        &identity->tenant);
    }

    if (rc == NGX_OK && jwt->plan.len) {
        rc = ngx_llmops_jwt_person_text(identity, claims, &jwt->plan,
                                        &identity->plan);
    }

    if (rc != NGX_OK) {
        *reason = "the token's tenant or plan is not a text";
        return rc;
    }

    identity->id = jwt->id;

    data = identity->data;
    data->claims = json_incref(claims);

    return NGX_OK;
}


/* a string or a whole number; nothing if the claim is not there */

static ngx_int_t
ngx_llmops_jwt_person_text(ngx_llmops_identity_t *identity, json_t *claims,
    ngx_str_t *name, ngx_str_t *to)
{
    u_char       number[NGX_INT64_LEN];
    size_t       len;
    json_t      *value;
    const char  *text;

    value = ngx_llmops_jwt_claim(claims, name, 0);

    if (value == NULL || json_is_null(value)) {
        return NGX_OK;
    }

    if (json_is_integer(value)) {
        text = (char *) number;
        len = ngx_sprintf(number, "%L", (int64_t) json_integer_value(value))
              - number;

    } else if (json_is_string(value)) {
        text = json_string_value(value);
        len = json_string_length(value);

    } else {
        return NGX_DECLINED;
    }

    if (len == 0 || len > NGX_LLMOPS_JWT_TEXT
        || !ngx_llmops_jwt_printable(text, len))
    {
        return NGX_DECLINED;
    }

    return ngx_llmops_identity_text(identity, to, text, len);
}


static ngx_uint_t
ngx_llmops_jwt_printable(const char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {
        if ((u_char) p[i] < 0x20 || p[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


uint64_t
ngx_llmops_jwt_revision(ngx_llmops_jwt_t *jwt)
{
    return jwt->revision;
}
