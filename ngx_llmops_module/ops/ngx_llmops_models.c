
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_models.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_page.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_guard.h"


/*
 * A caller sees the names that it may ask for, not what stands behind them, nor
 * what is not for it: the exact names of the routes' "match" lines.  A route
 * that has only patterns shows the models of its targets that would come to it.
 *
 * Where llm_pass names a route, every model goes there: the list is that
 * route's, and any id is a model.
 */


#define NGX_LLMOPS_MODELS_LIMIT      20
#define NGX_LLMOPS_MODELS_LIMIT_MAX  1000


/* a part of the list, as [first, last) */

typedef struct {
    ngx_uint_t                 first;
    ngx_uint_t                 last;
    unsigned                   more:1;     /* in the direction of paging */
} ngx_llmops_models_page_t;


static ngx_int_t ngx_llmops_models_list(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_route_t *only);
static ngx_int_t ngx_llmops_models_one(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_route_t *only, ngx_str_t *id);
static ngx_int_t ngx_llmops_models_route(ngx_http_request_t *r,
    ngx_llmops_route_t **route);

static ngx_int_t ngx_llmops_models_gather(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *only, ngx_array_t *names);
static ngx_int_t ngx_llmops_models_exact(ngx_llmops_route_t *route,
    ngx_array_t *names);
static ngx_int_t ngx_llmops_models_targets(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route, ngx_llmops_route_t *only, ngx_array_t *names);
static ngx_int_t ngx_llmops_models_add(ngx_array_t *names, ngx_str_t *name,
    ngx_llmops_route_t *route);
static ngx_llmops_name_t *ngx_llmops_models_find(ngx_array_t *names,
    ngx_uint_t from, ngx_str_t *name);
static void ngx_llmops_models_filter(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_array_t *names);

static ngx_int_t ngx_llmops_models_paging(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_array_t *names, ngx_llmops_models_page_t *page);
static ngx_int_t ngx_llmops_models_cursor(ngx_http_request_t *r,
    const char *arg, size_t len, ngx_array_t *names, ngx_uint_t *at);

static void ngx_llmops_models_write(ngx_llmops_out_t *out,
    ngx_llmops_name_t *name, time_t created, ngx_uint_t anthropic);
static void ngx_llmops_models_write_tail(ngx_llmops_out_t *out,
    ngx_array_t *names, ngx_llmops_models_page_t *page);
static void ngx_llmops_models_write_id(ngx_llmops_out_t *out,
    ngx_llmops_name_t *name);
static ngx_int_t ngx_llmops_models_send(ngx_http_request_t *r,
    ngx_llmops_out_t *out);


/* a route that has no models */

static ngx_llmops_route_t  ngx_llmops_models_none;


ngx_int_t
ngx_llmops_models_handler(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_str_t            id;
    ngx_llmops_route_t  *only;

    static const char  models[] = "/models";

    if (ngx_llmops_models_route(r, &only) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    id = ctx->env.path;

    if (id.len >= sizeof(models) - 1) {
        id.data += sizeof(models) - 1;
        id.len -= sizeof(models) - 1;
    }

    if (id.len <= 1) {                       /* "", "/" */
        return ngx_llmops_models_list(r, ctx, only);
    }

    id.data++;
    id.len--;

    return ngx_llmops_models_one(r, ctx, only, &id);
}


/* the only route of this location, or NULL: by the model's name; where the name
   of a route is computed, and there is none of it, the one without models */

static ngx_int_t
ngx_llmops_models_route(ngx_http_request_t *r, ngx_llmops_route_t **route)
{
    ngx_str_t               name;
    ngx_llmops_loc_conf_t  *llcf;

    llcf = ngx_http_get_module_loc_conf(r, ngx_llmops_module);

    *route = llcf->fixed;

    if (*route || llcf->route == NULL) {
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, llcf->route, &name) != NGX_OK) {
        return NGX_ERROR;
    }

    *route = ngx_llmops_route_by_name(ngx_http_get_module_main_conf(r,
                                                           ngx_llmops_module),
                                      &name);
    if (*route == NULL) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "there is no llm_route \"%V\"", &name);
        *route = &ngx_llmops_models_none;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_models_list(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *only)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i, anthropic;
    ngx_array_t                names;
    ngx_llmops_out_t           out;
    ngx_llmops_name_t         *name;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_models_page_t   page;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    if (ngx_array_init(&names, r->pool, 16, sizeof(ngx_llmops_name_t))
        != NGX_OK
        || ngx_llmops_models_gather(mcf, only, &names) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_llmops_models_filter(r, ctx, &names);

    anthropic = (ctx->env.dialect == &ngx_llmops_anthropic);

    page.first = 0;
    page.last = names.nelts;
    page.more = 0;

    if (anthropic) {
        rc = ngx_llmops_models_paging(r, ctx, &names, &page);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    ngx_llmops_out_init(&out, NGX_MAX_INT32_VALUE);

    if (anthropic) {
        ngx_llmops_out_lit(&out, "{\"data\":[");

    } else {
        ngx_llmops_out_lit(&out, "{\"object\":\"list\",\"data\":[");
    }

    name = names.elts;

    for (i = page.first; i < page.last; i++) {

        if (i > page.first) {
            ngx_llmops_out_lit(&out, ",");
        }

        ngx_llmops_models_write(&out, &name[i], mcf->started, anthropic);
    }

    ngx_llmops_out_lit(&out, "]");

    if (anthropic) {
        ngx_llmops_models_write_tail(&out, &names, &page);
    }

    ngx_llmops_out_lit(&out, "}");

    return ngx_llmops_models_send(r, &out);
}


static ngx_int_t
ngx_llmops_models_one(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *only, ngx_str_t *id)
{
    ngx_llmops_out_t         out;
    ngx_llmops_name_t        name;
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    name.name = *id;
    name.route = NULL;

    if (id->len <= NGX_LLMOPS_MODEL_MAX && only != &ngx_llmops_models_none) {
        name.route = only ? only : ngx_llmops_route_by_model(mcf, id);
    }

    if (name.route == NULL
        || !ngx_llmops_auth_allowed(r, ctx, name.route, id))
    {
        name.name.len = ngx_min(id->len, NGX_LLMOPS_MODEL_MAX);

        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_NOT_FOUND,
                                    "model_not_found",
                                    "the model \"%V\" does not exist or you "
                                    "do not have access to it", &name.name);
    }

    ngx_llmops_out_init(&out, NGX_MAX_INT32_VALUE);

    ngx_llmops_models_write(&out, &name, mcf->started,
                            ctx->env.dialect == &ngx_llmops_anthropic);

    return ngx_llmops_models_send(r, &out);
}


static ngx_int_t
ngx_llmops_models_gather(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *only, ngx_array_t *names)
{
    ngx_uint_t            i, n;
    ngx_llmops_route_t  **routes;

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {

        if (only && routes[i] != only) {
            continue;
        }

        n = names->nelts;

        if (ngx_llmops_models_exact(routes[i], names) != NGX_OK) {
            return NGX_ERROR;
        }

        if (names->nelts == n
            && ngx_llmops_models_targets(mcf, routes[i], only, names)
               != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (only && names->nelts == n
            && ngx_llmops_models_add(names, &only->name, only) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_models_exact(ngx_llmops_route_t *route, ngx_array_t *names)
{
    ngx_str_t   *match;
    ngx_uint_t   i;

    match = route->matches.elts;

    for (i = 0; i < route->matches.nelts; i++) {

        if (match[i].data[match[i].len - 1] != '*'
            && ngx_llmops_models_add(names, &match[i], route) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* the models of a route's targets that lead to it again when asked for */

static ngx_int_t
ngx_llmops_models_targets(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route, ngx_llmops_route_t *only, ngx_array_t *names)
{
    ngx_uint_t            i, from;
    ngx_llmops_target_t  *t;

    t = route->targets.elts;
    from = names->nelts;

    for (i = 0; i < route->targets.nelts; i++) {

        if (t[i].model.len == 0
            || ngx_llmops_models_find(names, from, &t[i].model)
            || (only == NULL
                && ngx_llmops_route_by_model(mcf, &t[i].model) != route))
        {
            continue;
        }

        if (ngx_llmops_models_add(names, &t[i].model, route) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_models_add(ngx_array_t *names, ngx_str_t *name,
    ngx_llmops_route_t *route)
{
    ngx_llmops_name_t  *n;

    n = ngx_array_push(names);
    if (n == NULL) {
        return NGX_ERROR;
    }

    n->name = *name;
    n->route = route;

    return NGX_OK;
}


static ngx_llmops_name_t *
ngx_llmops_models_find(ngx_array_t *names, ngx_uint_t from, ngx_str_t *name)
{
    ngx_uint_t          i;
    ngx_llmops_name_t  *n;

    n = names->elts;

    for (i = from; i < names->nelts; i++) {
        if (n[i].name.len == name->len
            && ngx_memcmp(n[i].name.data, name->data, name->len) == 0)
        {
            return &n[i];
        }
    }

    return NULL;
}


/* leaves what the caller may use, in its order */

static void
ngx_llmops_models_filter(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_array_t *names)
{
    ngx_uint_t          i, n;
    ngx_llmops_name_t  *name;

    n = 0;
    name = names->elts;

    for (i = 0; i < names->nelts; i++) {
        if (ngx_llmops_auth_allowed(r, ctx, name[i].route, &name[i].name)) {
            name[n++] = name[i];
        }
    }

    names->nelts = n;
}


/*
 * limit, after_id, before_id.  A cursor that has gone, for example with a
 * reload between two pages, is an error, so that no client loops.
 */

static ngx_int_t
ngx_llmops_models_paging(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_array_t *names, ngx_llmops_models_page_t *page)
{
    ngx_int_t   after, before, limit;
    ngx_str_t   value;
    ngx_uint_t  at;

    limit = NGX_LLMOPS_MODELS_LIMIT;

    if (ngx_http_arg(r, (u_char *) "limit", 5, &value) == NGX_OK) {
        limit = ngx_atoi(value.data, value.len);

        if (limit < 1 || limit > NGX_LLMOPS_MODELS_LIMIT_MAX) {
            return ngx_llmops_deny_text(r, ctx,
                                        NGX_LLMOPS_ERR_INVALID_REQUEST, "",
                                        "limit must be from 1 to %d",
                                        NGX_LLMOPS_MODELS_LIMIT_MAX);
        }
    }

    at = 0;

    after = ngx_llmops_models_cursor(r, "after_id", 8, names, &at);

    if (after == NGX_OK) {
        page->first = at + 1;
    }

    before = ngx_llmops_models_cursor(r, "before_id", 9, names, &at);

    if (before == NGX_OK) {
        page->last = at;
    }

    if (after == NGX_ERROR || before == NGX_ERROR) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_INVALID_REQUEST,
                                    "", "%s is not the id of a model",
                                    after == NGX_ERROR ? "after_id"
                                                       : "before_id");
    }

    if (page->first > page->last) {
        page->first = page->last;
    }

    if (page->last - page->first > (ngx_uint_t) limit) {

        /* the models next to the cursor */

        page->more = 1;

        if (before == NGX_OK && after != NGX_OK) {
            page->first = page->last - limit;

        } else {
            page->last = page->first + limit;
        }
    }

    return NGX_OK;
}


/* NGX_DECLINED: not given; NGX_ERROR: not in the list */

static ngx_int_t
ngx_llmops_models_cursor(ngx_http_request_t *r, const char *arg, size_t len,
    ngx_array_t *names, ngx_uint_t *at)
{
    u_char             *dst, *src, text[NGX_LLMOPS_MODEL_MAX];
    ngx_str_t           value;
    ngx_llmops_name_t  *name;

    if (ngx_http_arg(r, (u_char *) arg, len, &value) != NGX_OK
        || value.len == 0)
    {
        return NGX_DECLINED;
    }

    if (value.len > sizeof(text)) {
        return NGX_ERROR;
    }

    dst = text;
    src = value.data;

    ngx_unescape_uri(&dst, &src, value.len, 0);

    value.data = text;
    value.len = dst - text;

    name = ngx_llmops_models_find(names, 0, &value);

    if (name == NULL) {
        return NGX_ERROR;
    }

    *at = name - (ngx_llmops_name_t *) names->elts;

    return NGX_OK;
}


static void
ngx_llmops_models_write(ngx_llmops_out_t *out, ngx_llmops_name_t *name,
    time_t created, ngx_uint_t anthropic)
{
    u_char                 *p, text[sizeof("1970-09-28T12:00:00Z") + 8];
    ngx_tm_t                tm;
    ngx_llmops_target_t    *t;
    ngx_llmops_provider_t  *provider;

    if (anthropic) {
        ngx_gmtime(created, &tm);

        p = ngx_snprintf(text, sizeof(text), "%4d-%02d-%02dT%02d:%02d:%02dZ",
                         tm.ngx_tm_year, tm.ngx_tm_mon, tm.ngx_tm_mday,
                         tm.ngx_tm_hour, tm.ngx_tm_min, tm.ngx_tm_sec);

        ngx_llmops_out_lit(out, "{\"type\":\"model\",\"id\":");
        ngx_llmops_models_write_id(out, name);
        ngx_llmops_out_lit(out, ",\"display_name\":");
        ngx_llmops_models_write_id(out, name);
        ngx_llmops_out_lit(out, ",\"created_at\":\"");
        ngx_llmops_out_write(out, text, p - text);
        ngx_llmops_out_lit(out, "\"}");
        return;
    }

    t = name->route->targets.elts;
    provider = t[0].provider;

    ngx_llmops_out_lit(out, "{\"id\":");
    ngx_llmops_models_write_id(out, name);
    ngx_llmops_out_lit(out, ",\"object\":\"model\",\"created\":");
    ngx_llmops_out_int(out, (int64_t) created);
    ngx_llmops_out_lit(out, ",\"owned_by\":");
    ngx_llmops_out_json(out, provider->name.data, provider->name.len);
    ngx_llmops_out_lit(out, "}");
}


static void
ngx_llmops_models_write_tail(ngx_llmops_out_t *out, ngx_array_t *names,
    ngx_llmops_models_page_t *page)
{
    ngx_llmops_name_t  *name;

    name = names->elts;

    if (page->first == page->last) {
        ngx_llmops_out_lit(out, ",\"has_more\":false,\"first_id\":null,"
                                "\"last_id\":null");
        return;
    }

    if (page->more) {
        ngx_llmops_out_lit(out, ",\"has_more\":true,\"first_id\":");

    } else {
        ngx_llmops_out_lit(out, ",\"has_more\":false,\"first_id\":");
    }

    ngx_llmops_models_write_id(out, &name[page->first]);
    ngx_llmops_out_lit(out, ",\"last_id\":");
    ngx_llmops_models_write_id(out, &name[page->last - 1]);
}


static void
ngx_llmops_models_write_id(ngx_llmops_out_t *out, ngx_llmops_name_t *name)
{
    ngx_llmops_out_json(out, name->name.data, name->name.len);
}


static ngx_int_t
ngx_llmops_models_send(ngx_http_request_t *r, ngx_llmops_out_t *out)
{
    ngx_str_t          type;
    ngx_llmops_page_t  page;

    ngx_llmops_page_init(&page, r->pool);

    page.failed = out->failed;
    ngx_llmops_page_write(&page, out->data, out->len);

    ngx_llmops_out_free(out);

    ngx_str_set(&type, "application/json");

    return ngx_llmops_page_send(r, &page, &type);
}
