
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"
#include "ngx_llmops_variables.h"


/*
 * Who calls, for all of nginx: limit_req_zone, map, log_format.  A claim is
 * what an issuer has signed, but it may have taken it from a user: one with
 * control characters, which could end a line of a log or a header, is not
 * shown.
 */


typedef enum {
    NGX_LLMOPS_VAR_CLIENT = 0,
    NGX_LLMOPS_VAR_TENANT,
    NGX_LLMOPS_VAR_PLAN,
    NGX_LLMOPS_VAR_KEY_ID,
    NGX_LLMOPS_VAR_METADATA
} ngx_llmops_auth_var_e;


static ngx_int_t ngx_llmops_auth_variable(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_str_t ngx_llmops_auth_text(ngx_llmops_identity_t *identity,
    uintptr_t which);
static ngx_int_t ngx_llmops_auth_variable_country(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_llmops_auth_variable_claim(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_llmops_auth_variable_json(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, json_t *value);


#define ngx_llmops_auth_var(name, handler, data)                              \
    { ngx_string(name), NULL, handler, data, NGX_HTTP_VAR_NOCACHEABLE, 0 }


static ngx_http_variable_t  ngx_llmops_auth_variables[] = {

    ngx_llmops_auth_var("llm_client", ngx_llmops_auth_variable,
                        NGX_LLMOPS_VAR_CLIENT),
    ngx_llmops_auth_var("llm_tenant", ngx_llmops_auth_variable,
                        NGX_LLMOPS_VAR_TENANT),
    ngx_llmops_auth_var("llm_plan", ngx_llmops_auth_variable,
                        NGX_LLMOPS_VAR_PLAN),
    ngx_llmops_auth_var("llm_key_id", ngx_llmops_auth_variable,
                        NGX_LLMOPS_VAR_KEY_ID),
    ngx_llmops_auth_var("llm_metadata", ngx_llmops_auth_variable,
                        NGX_LLMOPS_VAR_METADATA),

    ngx_llmops_auth_var("llm_country", ngx_llmops_auth_variable_country, 0),

    { ngx_string("llm_claim_"), NULL, ngx_llmops_auth_variable_claim, 0,
      NGX_HTTP_VAR_NOCACHEABLE|NGX_HTTP_VAR_PREFIX, 0 },

      ngx_http_null_variable
};


ngx_int_t
ngx_llmops_auth_variables_add(ngx_conf_t *cf)
{
    return ngx_llmops_variables_add_all(cf, ngx_llmops_auth_variables);
}


static ngx_int_t
ngx_llmops_auth_variable(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t          value;
    ngx_llmops_ctx_t  *ctx;

    ngx_str_null(&value);

    ctx = ngx_llmops_ctx(r);

    if (ctx && ctx->identity) {
        value = ngx_llmops_auth_text(ctx->identity, data);
    }

    return ngx_llmops_variable_set(v, value.data, value.len);
}


static ngx_str_t
ngx_llmops_auth_text(ngx_llmops_identity_t *identity, uintptr_t which)
{
    switch (which) {

    case NGX_LLMOPS_VAR_CLIENT:
        return identity->client;

    case NGX_LLMOPS_VAR_TENANT:
        return identity->tenant;

    case NGX_LLMOPS_VAR_PLAN:
        return identity->plan;

    case NGX_LLMOPS_VAR_KEY_ID:
        return identity->id;

    default:
        return identity->metadata;
    }
}


static ngx_int_t
ngx_llmops_auth_variable_country(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t                value;
    ngx_llmops_main_conf_t  *mcf;
    ngx_llmops_auth_conf_t  *acf;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);
    acf = mcf->keys;

    value.len = 2;
    value.data = ngx_pnalloc(r->pool, value.len);
    if (value.data == NULL) {
        return NGX_ERROR;
    }

    if (acf == NULL
        || ngx_llmops_geo_country(acf->geo, r->connection->sockaddr,
                                  value.data)
           != NGX_OK)
    {
        value.len = 0;
    }

    return ngx_llmops_variable_set(v, value.data, value.len);
}


/* data is the variable's whole name, which nginx has put in lower case */

static ngx_int_t
ngx_llmops_auth_variable_claim(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t  *name = (ngx_str_t *) data;

    json_t                  *value;
    ngx_str_t                claim;
    ngx_llmops_ctx_t        *ctx;
    ngx_llmops_auth_data_t  *known;

    ctx = ngx_llmops_ctx(r);

    value = NULL;

    if (ctx && ctx->identity) {
        claim.data = name->data + sizeof("llm_claim_") - 1;
        claim.len = name->len - (sizeof("llm_claim_") - 1);

        known = ctx->identity->data;

        value = ngx_llmops_jwt_claim(known->claims, &claim, 1);
    }

    return ngx_llmops_auth_variable_json(r, v, value);
}


/* a string as it is, anything else as JSON */

static ngx_int_t
ngx_llmops_auth_variable_json(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, json_t *value)
{
    char       *text;
    size_t      i;
    ngx_str_t   s;

    if (value == NULL || json_is_null(value)) {
        v->not_found = 1;
        return NGX_OK;
    }

    if (json_is_string(value)) {
        s.data = (u_char *) json_string_value(value);
        s.len = json_string_length(value);

        for (i = 0; i < s.len; i++) {
            if (s.data[i] < 0x20 || s.data[i] == 0x7f) {
                s.len = 0;
            }
        }

        return ngx_llmops_variable_set(v, s.data, s.len);
    }

    text = json_dumps(value, NGX_LLMOPS_KEY_DUMP|JSON_ENCODE_ANY);
    if (text == NULL) {
        return NGX_ERROR;
    }

    s.len = ngx_strlen(text);
    s.data = ngx_pnalloc(r->pool, s.len);

    if (s.data) {
        ngx_memcpy(s.data, text, s.len);
    }

    free(text);

    return s.data ? ngx_llmops_variable_set(v, s.data, s.len) : NGX_ERROR;
}
