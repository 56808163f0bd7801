
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"


/*
 * An identity lives in a pool of its own, since it is shared by the cache and
 * by all requests that it makes, and outlives any of them.  It never changes:
 * a key that is changed is another identity.
 */


#define NGX_LLMOPS_IDENTITY_POOL  1024


ngx_llmops_identity_t *
ngx_llmops_identity_create(ngx_log_t *log)
{
    ngx_pool_t             *pool;
    ngx_llmops_identity_t  *identity;

    pool = ngx_create_pool(NGX_LLMOPS_IDENTITY_POOL, log);
    if (pool == NULL) {
        return NULL;
    }

    identity = ngx_pcalloc(pool, sizeof(ngx_llmops_identity_t));

    if (identity) {
        identity->data = ngx_pcalloc(pool, sizeof(ngx_llmops_auth_data_t));
    }

    if (identity == NULL || identity->data == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    identity->pool = pool;
    identity->refs = 1;

    return identity;
}


ngx_llmops_identity_t *
ngx_llmops_identity_hold(ngx_llmops_identity_t *identity)
{
    identity->refs++;

    return identity;
}


void
ngx_llmops_identity_release(ngx_llmops_identity_t *identity)
{
    ngx_llmops_auth_data_t  *data;

    if (identity == NULL || --identity->refs) {
        return;
    }

    data = identity->data;

    json_decref(data->claims);

    ngx_destroy_pool(identity->pool);
}


ngx_int_t
ngx_llmops_identity_text(ngx_llmops_identity_t *identity, ngx_str_t *to,
    const char *text, size_t len)
{
    to->data = ngx_pnalloc(identity->pool, len + 1);
    if (to->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(to->data, text, len);
    to->data[len] = '\0';
    to->len = len;

    return NGX_OK;
}
