
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"
#include "ngx_llmops_error.h"


/*
 * What a known caller may use.  A route or model that is not his does not
 * exist for him, in the same words as one that nobody has; where his address
 * is the reason he is told so, since it is not about him.
 */


static ngx_uint_t ngx_llmops_auth_listed(ngx_array_t *patterns,
    ngx_str_t *name);


ngx_uint_t
ngx_llmops_auth_allowed(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route, ngx_str_t *model)
{
    ngx_llmops_identity_t  *identity;

    identity = ctx->identity;

    if (identity
        && (!ngx_llmops_auth_listed(identity->routes, &route->name)
            || (model->len
                && !ngx_llmops_auth_listed(identity->models, model))))
    {
        return 0;
    }

    return ngx_llmops_geo_allowed(r, route->countries);
}


ngx_int_t
ngx_llmops_auth_check(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route)
{
    ngx_llmops_identity_t  *identity;

    identity = ctx->identity;

    if (identity) {

        if (!ngx_llmops_auth_listed(identity->routes, &route->name)) {
            return NGX_DECLINED;
        }

        if (identity->models && ctx->env.model.len == 0) {

            /* whatever such a request does, nobody knows with which model */

            return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_PERMISSION,
                                        "model_required",
                                        "the API key may only be used with "
                                        "certain models, and this request "
                                        "names none");
        }

        if (!ngx_llmops_auth_listed(identity->models, &ctx->env.model)) {
            return NGX_DECLINED;
        }
    }

    if (!ngx_llmops_geo_allowed(r, route->countries)) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_PERMISSION,
                                    "country_not_allowed",
                                    "this model may not be used from this "
                                    "country");
    }

    return NGX_OK;
}


/* NULL: all are */

static ngx_uint_t
ngx_llmops_auth_listed(ngx_array_t *patterns, ngx_str_t *name)
{
    size_t      len;
    ngx_str_t  *p;
    ngx_uint_t  i;

    if (patterns == NULL) {
        return 1;
    }

    p = patterns->elts;

    for (i = 0; i < patterns->nelts; i++) {

        len = p[i].len;

        if (p[i].data[len - 1] == '*') {
            len--;

            if (name->len < len) {
                continue;
            }

        } else if (name->len != len) {
            continue;
        }

        if (ngx_memcmp(p[i].data, name->data, len) == 0) {
            return 1;
        }
    }

    return 0;
}
