
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_headers.h"
#include "ngx_llmops_price.h"
#include "ngx_llmops_guard.h"
#include "ngx_llmops_prompt.h"
#include "ngx_llmops_retrieve.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_cache.h"
#include "ngx_llmops_rollout.h"


/*
 * What a caller may know of how its request was served.  The filter sees every
 * answer of a request that has a context: a provider's, our errors, and pages
 * of error_page.
 *
 * A provider may be a gateway like this one: its x-llm-* headers speak of its
 * own routes and targets and do not go further.
 */


/* bits of llm_response_headers are 1 << these */

typedef enum {
    NGX_LLMOPS_HEADER_REQUEST_ID = 0,
    NGX_LLMOPS_HEADER_ROUTE,
    NGX_LLMOPS_HEADER_TARGET,
    NGX_LLMOPS_HEADER_ATTEMPTS,
    NGX_LLMOPS_HEADER_WARNINGS,
    NGX_LLMOPS_HEADER_COST,
    NGX_LLMOPS_HEADER_QUOTA,
    NGX_LLMOPS_HEADER_PROMPT,
    NGX_LLMOPS_HEADER_CHECKS,
    NGX_LLMOPS_HEADER_CACHE,
    NGX_LLMOPS_HEADER_ARM,
    NGX_LLMOPS_HEADER_SOURCES,
    NGX_LLMOPS_HEADER_MAX
} ngx_llmops_header_e;

/* of others, x-ratelimit-* and their like */
#define NGX_LLMOPS_HEADER_RATELIMIT  NGX_LLMOPS_HEADER_MAX


#define NGX_LLMOPS_HEADER_SKIP     (sizeof("x-llm-") - 1)
#define NGX_LLMOPS_HEADERS_ALL     ((1 << (NGX_LLMOPS_HEADER_MAX + 1)) - 1)


static ngx_int_t ngx_llmops_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_headers_add(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_headers_values(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_str_t *values, ngx_uint_t *set);
static ngx_int_t ngx_llmops_headers_texts(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_str_t *values, ngx_uint_t *set);
static ngx_int_t ngx_llmops_headers_numbers(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_str_t *values, ngx_uint_t *set);
static ngx_uint_t ngx_llmops_headers_clear(ngx_http_request_t *r,
    const ngx_str_t *id);
static ngx_uint_t ngx_llmops_headers_start(ngx_str_t *key,
    const ngx_str_t *with);
static ngx_int_t ngx_llmops_headers_push(ngx_http_request_t *r,
    const ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_llmops_headers_clean(ngx_pool_t *pool,
    ngx_str_t *value);
static ngx_int_t ngx_llmops_headers_names(ngx_conf_t *cf);


/* in the order of ngx_llmops_header_e; the directive takes them without the
   prefix */

static const ngx_str_t  ngx_llmops_header_names[] = {
    ngx_string("x-llm-request-id"),
    ngx_string("x-llm-route"),
    ngx_string("x-llm-target"),
    ngx_string("x-llm-attempts"),
    ngx_string("x-llm-warnings"),
    ngx_string("x-llm-cost"),
    ngx_string("x-llm-quota-warning"),
    ngx_string("x-llm-prompt"),
    ngx_string("x-llm-checks"),
    ngx_string("x-llm-cache"),
    ngx_string("x-llm-arm"),
    ngx_string("x-llm-sources")
};

static const ngx_str_t  ngx_llmops_header_prefix = ngx_string("x-llm-");

/* what SDKs of either dialect show to their users */

static const ngx_str_t  ngx_llmops_openai_id = ngx_string("x-request-id");
static const ngx_str_t  ngx_llmops_anthropic_id = ngx_string("request-id");


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;


ngx_int_t
ngx_llmops_headers_init(ngx_conf_t *cf)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_llmops_header_filter;

    return ngx_llmops_headers_names(cf);
}


/* names of a configuration may have line ends in them */

static ngx_int_t
ngx_llmops_headers_names(ngx_conf_t *cf)
{
    ngx_uint_t                i, k;
    ngx_llmops_route_t      **routes;
    ngx_llmops_target_t      *targets;
    ngx_llmops_main_conf_t   *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_llmops_module);
    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {

        if (ngx_llmops_headers_clean(cf->pool, &routes[i]->name) != NGX_OK) {
            return NGX_ERROR;
        }

        targets = routes[i]->targets.elts;

        for (k = 0; k < routes[i]->targets.nelts; k++) {

            if (ngx_llmops_headers_clean(cf->pool, &targets[k].name)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_header_filter(ngx_http_request_t *r)
{
    ngx_llmops_ctx_t  *ctx;

    if (r == r->main) {
        ctx = ngx_llmops_ctx(r);

        if (ctx) {

            /* what is no stream, and no provider's, ends here */

            ctx->total = ngx_current_msec - ctx->start;

            if (ngx_llmops_headers_add(r, ctx) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_llmops_headers_add(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_str_t               values[NGX_LLMOPS_HEADER_MAX];
    ngx_uint_t              i, n, has_id;
    const ngx_str_t        *id;
    ngx_llmops_loc_conf_t  *llcf;

    id = (ctx->env.dialect == &ngx_llmops_anthropic) ? &ngx_llmops_anthropic_id
                                                     : &ngx_llmops_openai_id;

    has_id = ngx_llmops_headers_clear(r, id);

    llcf = ngx_http_get_module_loc_conf(r, ngx_llmops_module);

    if (llcf->response_headers == 0) {
        return NGX_OK;
    }

    if (ngx_llmops_headers_values(r, ctx, values, &n) != NGX_OK) {
        return NGX_ERROR;
    }

    n &= llcf->response_headers;

    for (i = 0; n; i++, n >>= 1) {

        if ((n & 1) == 0 || values[i].len == 0) {
            continue;
        }

        if (ngx_llmops_headers_push(r, &ngx_llmops_header_names[i],
                                    &values[i])
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if ((llcf->response_headers & (1 << NGX_LLMOPS_HEADER_RATELIMIT))
        && ngx_llmops_limits_headers(r, ctx) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (has_id
        || (llcf->response_headers & (1 << NGX_LLMOPS_HEADER_REQUEST_ID)) == 0)
    {
        return NGX_OK;
    }

    return ngx_llmops_headers_push(r, id, &ctx->id);
}


/* only those of values are set that have a bit in set */

static ngx_int_t
ngx_llmops_headers_values(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *values, ngx_uint_t *set)
{
    *set = 1 << NGX_LLMOPS_HEADER_REQUEST_ID;
    values[NGX_LLMOPS_HEADER_REQUEST_ID] = ctx->id;

    if (ctx->plan.route) {
        *set |= 1 << NGX_LLMOPS_HEADER_ROUTE;
        values[NGX_LLMOPS_HEADER_ROUTE] = ctx->plan.route->name;
    }

    if (ctx->target) {
        *set |= 1 << NGX_LLMOPS_HEADER_TARGET;
        values[NGX_LLMOPS_HEADER_TARGET] = ctx->target->name;
    }

    if (ctx->prompt) {
        *set |= 1 << NGX_LLMOPS_HEADER_PROMPT;
        values[NGX_LLMOPS_HEADER_PROMPT] = ctx->prompt->full;
    }

    if (ctx->cached) {
        *set |= 1 << NGX_LLMOPS_HEADER_CACHE;
        values[NGX_LLMOPS_HEADER_CACHE]
                                = ngx_llmops_cache_names[ctx->cached->status];
    }

    if (ctx->arm) {
        *set |= 1 << NGX_LLMOPS_HEADER_ARM;
        ngx_llmops_rollout_arm_name(ctx, &values[NGX_LLMOPS_HEADER_ARM]);
    }

    if (ctx->limits) {
        *set |= 1 << NGX_LLMOPS_HEADER_QUOTA;
        ngx_llmops_limits_warnings(ctx, &values[NGX_LLMOPS_HEADER_QUOTA]);
    }

    if (ctx->retrieved) {
        *set |= 1 << NGX_LLMOPS_HEADER_SOURCES;
        ngx_llmops_retrieve_sources(ctx,
                                    &values[NGX_LLMOPS_HEADER_SOURCES]);
    }

    return ngx_llmops_headers_texts(r, ctx, values, set) == NGX_OK
           ? ngx_llmops_headers_numbers(r, ctx, values, set) : NGX_ERROR;
}


/* they may quote a request */

static ngx_int_t
ngx_llmops_headers_texts(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *values, ngx_uint_t *set)
{
    ngx_str_t  *value;

    if (ctx->warnings.len) {
        *set |= 1 << NGX_LLMOPS_HEADER_WARNINGS;

        value = &values[NGX_LLMOPS_HEADER_WARNINGS];
        *value = ctx->warnings;

        if (ngx_llmops_headers_clean(r->pool, value) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ctx->plan.route && ctx->plan.route->ruled) {
        *set |= 1 << NGX_LLMOPS_HEADER_CHECKS;

        value = &values[NGX_LLMOPS_HEADER_CHECKS];

        /* of a stream only what has happened so far */

        if (ngx_llmops_rules_text(r, ctx, ctx->call.attempts
                                          && !ctx->call.streaming,
                                  value)
            != NGX_OK)
        {
            return NGX_ERROR;
        }

        return ngx_llmops_headers_clean(r->pool, value);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_headers_numbers(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *values, ngx_uint_t *set)
{
    u_char     *p;
    int64_t     cost;
    ngx_str_t  *value;

    if (ctx->call.attempts == 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT_T_LEN + NGX_LLMOPS_PRICE_TEXT);
    if (p == NULL) {
        return NGX_ERROR;
    }

    *set |= 1 << NGX_LLMOPS_HEADER_ATTEMPTS;
    value = &values[NGX_LLMOPS_HEADER_ATTEMPTS];

    value->data = p;
    p = ngx_llmops_print_int(p, ctx->call.attempts);
    value->len = p - value->data;

    /* what a stream costs is not known before its end */

    cost = ctx->spent ? ngx_llmops_price_sum(ctx->cost, ctx->spent->cost)
                      : ctx->cost;

    if (cost >= 0 && !ctx->call.streaming) {
        *set |= 1 << NGX_LLMOPS_HEADER_COST;
        value = &values[NGX_LLMOPS_HEADER_COST];

        value->data = p;
        p = ngx_llmops_price_print(p, cost);
        value->len = p - value->data;
    }

    return NGX_OK;
}


/* takes out x-llm-* headers that are not ours; whether there is a request id
   under the name that the caller reads */

static ngx_uint_t
ngx_llmops_headers_clear(ngx_http_request_t *r, const ngx_str_t *id)
{
    ngx_uint_t          has_id;
    ngx_table_elt_t    *h;
    ngx_llmops_walk_t   w;

    has_id = 0;

    for (h = ngx_llmops_header_first(&w, &r->headers_out.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        if (h->hash == 0) {
            continue;
        }

        if (h->key.len == id->len && ngx_llmops_headers_start(&h->key, id)) {
            has_id = 1;

        } else if (ngx_llmops_headers_start(&h->key,
                                            &ngx_llmops_header_prefix))
        {
            h->hash = 0;
        }
    }

    return has_id;
}


/* names are in lower case nearly always */

static ngx_uint_t
ngx_llmops_headers_start(ngx_str_t *key, const ngx_str_t *with)
{
    return key->len >= with->len
           && (ngx_memcmp(key->data, with->data, with->len) == 0
               || ngx_strncasecmp(key->data, with->data, with->len) == 0);
}


static ngx_int_t
ngx_llmops_headers_push(ngx_http_request_t *r, const ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key = *name;
    h->value = *value;
    h->lowcase_key = name->data;

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


/* control characters would end a header, or be refused by clients */

static ngx_int_t
ngx_llmops_headers_clean(ngx_pool_t *pool, ngx_str_t *value)
{
    u_char  *p, *last;

    last = value->data + value->len;

    for (p = value->data; p < last; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            break;
        }
    }

    if (p == last) {
        return NGX_OK;
    }

    value->data = ngx_pstrdup(pool, value);
    if (value->data == NULL) {
        return NGX_ERROR;
    }

    last = value->data + value->len;

    for (p = value->data; p < last; p++) {
        if (*p < 0x20 || *p == 0x7f) {
            *p = '?';
        }
    }

    return NGX_OK;
}


void
ngx_llmops_response_headers_create(ngx_llmops_loc_conf_t *conf)
{
    conf->response_headers = NGX_CONF_UNSET_UINT;
}


void
ngx_llmops_response_headers_merge(ngx_llmops_loc_conf_t *conf,
    ngx_llmops_loc_conf_t *prev)
{
    ngx_conf_merge_uint_value(conf->response_headers, prev->response_headers,
                              NGX_LLMOPS_HEADERS_ALL);
}


char *
ngx_llmops_response_headers_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_llmops_loc_conf_t *llcf = conf;

    ngx_str_t         name, *value;
    ngx_uint_t        i, n;

    if (llcf->response_headers != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;
    llcf->response_headers = 0;

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "on") == 0) {
        llcf->response_headers = NGX_LLMOPS_HEADERS_ALL;
        return NGX_CONF_OK;
    }

    for (i = 1; i < cf->args->nelts; i++) {

        for (n = 0; n < NGX_LLMOPS_HEADER_MAX; n++) {
            name = ngx_llmops_header_names[n];

            if (ngx_strcmp(value[i].data, name.data) == 0
                || ngx_strcmp(value[i].data,
                              name.data + NGX_LLMOPS_HEADER_SKIP)
                   == 0)
            {
                break;
            }
        }

        if (n == NGX_LLMOPS_HEADER_MAX
            && ngx_strcmp(value[i].data, "ratelimit") != 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown header \"%V\" in \"%V\", it takes "
                               "\"on\", \"off\", or some of request-id, route, "
                               "target, attempts, warnings, cost, "
                               "quota-warning, prompt, checks, cache, arm, "
                               "sources and ratelimit",
                               &value[i], &cmd->name);
            return NGX_CONF_ERROR;
        }

        llcf->response_headers |= (ngx_uint_t) 1 << n;
    }

    return NGX_CONF_OK;
}
