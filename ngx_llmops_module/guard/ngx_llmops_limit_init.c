
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_price.h"


/*
 * What can be said of limits only when the whole configuration is known: what
 * the names in "limit" mean, whether what is limited in money has prices, and
 * what happens without Redis.
 */


static ngx_int_t ngx_llmops_limits_route(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route);
static ngx_int_t ngx_llmops_limits_resolve(ngx_conf_t *cf,
    ngx_llmops_limits_conf_t *lcf, ngx_llmops_limit_ref_t *ref);
static ngx_int_t ngx_llmops_limits_prices(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route,
    ngx_llmops_limit_t *limit);
static ngx_uint_t ngx_llmops_limits_priced(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_target_t *t);
static ngx_int_t ngx_llmops_limits_resolver(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit);
static void ngx_llmops_limits_told(void *data, ngx_uint_t sent);
static void ngx_llmops_limits_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_limit_t *limit);


const char *
ngx_llmops_limit_directive_name(ngx_llmops_limit_t *limit)
{
    return limit->quota ? "llm_quota" : "llm_limit";
}


/* limit NAME ... ; in llm_route{} */

char *
ngx_llmops_route_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_route_t *route = conf;

    ngx_str_t               *value;
    ngx_uint_t               i, n;
    ngx_llmops_limit_ref_t  *ref, *have;

    if (route->limits == NULL) {
        route->limits = ngx_array_create(cf->pool, 4,
                                         sizeof(ngx_llmops_limit_ref_t));
        if (route->limits == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        have = route->limits->elts;

        for (n = 0; n < route->limits->nelts; n++) {
            if (have[n].name.len == value[i].len
                && ngx_memcmp(have[n].name.data, value[i].data, value[i].len)
                   == 0)
            {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "duplicate limit \"%V\" of llm_route "
                                   "\"%V\"", &value[i], &route->name);
                return NGX_CONF_ERROR;
            }
        }

        if (route->limits->nelts == NGX_LLMOPS_LIMIT_ROUTE) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "llm_route \"%V\" has more than %d limits",
                               &route->name, NGX_LLMOPS_LIMIT_ROUTE);
            return NGX_CONF_ERROR;
        }

        ref = ngx_array_push(route->limits);
        if (ref == NULL) {
            return NGX_CONF_ERROR;
        }

        ref->name = value[i];
        ref->limit = NULL;
        ref->place.file = cf->conf_file->file.name;
        ref->place.line = cf->conf_file->line;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_llmops_limits_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                  i, policy;
    ngx_llmops_limit_t        **limits;
    ngx_llmops_route_t        **routes;
    ngx_llmops_redis_conf_t    *rcf;
    ngx_llmops_limits_conf_t   *lcf;

    /* keys may have limits of their own where the configuration has none */

    lcf = ngx_llmops_limits_conf(cf, mcf);
    if (lcf == NULL) {
        return NGX_ERROR;
    }

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {
        if (ngx_llmops_limits_route(cf, mcf, routes[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    rcf = mcf->redis;
    policy = rcf ? rcf->policy : NGX_LLMOPS_DOWN_LOCAL;

    ngx_conf_init_uint_value(lcf->own.fail, policy);

    limits = lcf->limits.elts;

    for (i = 0; i < lcf->limits.nelts; i++) {
        ngx_conf_init_uint_value(limits[i]->fail, policy);

        if (limits[i]->webhook
            && ngx_llmops_limits_resolver(cf, limits[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }

        if (!limits[i]->used) {
            ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                          "%s \"%V\" in %V:%ui limits nothing, write "
                          "\"limit %V;\" in the llm_route that it is for",
                          ngx_llmops_limit_directive_name(limits[i]),
                          &limits[i]->name, &limits[i]->place.file,
                          limits[i]->place.line, &limits[i]->name);
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_limits_route(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route)
{
    ngx_uint_t               i;
    ngx_llmops_limit_ref_t  *ref;

    if (route->limits == NULL) {
        return NGX_OK;
    }

    ref = route->limits->elts;

    for (i = 0; i < route->limits->nelts; i++) {

        if (ngx_llmops_limits_resolve(cf, mcf->limits, &ref[i]) != NGX_OK) {
            return NGX_ERROR;
        }

        if ((ref[i].limit->units & (1 << NGX_LLMOPS_UNIT_COST))
            && ngx_llmops_limits_prices(cf, mcf, route, ref[i].limit)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_limits_resolve(ngx_conf_t *cf, ngx_llmops_limits_conf_t *lcf,
    ngx_llmops_limit_ref_t *ref)
{
    ngx_uint_t            i;
    ngx_llmops_limit_t  **limits;

    limits = lcf->limits.elts;

    for (i = 0; i < lcf->limits.nelts; i++) {
        if (limits[i]->name.len == ref->name.len
            && ngx_memcmp(limits[i]->name.data, ref->name.data, ref->name.len)
               == 0)
        {
            ref->limit = limits[i];
            limits[i]->used = 1;
            return NGX_OK;
        }
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "unknown limit \"%V\" in %V:%ui, write \"llm_limit %V "
                  "key=VALUE requests=600/m;\" or \"llm_quota ...\" in http{}",
                  &ref->name, &ref->place.file, ref->place.line, &ref->name);

    return NGX_ERROR;
}


/*
 * A target without a price could be used for nothing.  What a caller's own
 * names of models cost is known only then; a request without a price is
 * refused by a hard budget.
 */

static ngx_int_t
ngx_llmops_limits_prices(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route, ngx_llmops_limit_t *limit)
{
    ngx_str_t            *model, any = ngx_string("MODEL");
    ngx_uint_t            i, level;
    ngx_llmops_target_t  *t;

    level = (limit->soft || limit->dry_run) ? NGX_LOG_WARN : NGX_LOG_EMERG;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {

        if (ngx_llmops_limits_priced(mcf, &t[i])) {
            continue;
        }

        model = t[i].model.len ? &t[i].model : &any;

        ngx_log_error(level, cf->log, 0,
                      "%s \"%V\" in %V:%ui is in money, but target \"%V\" of "
                      "llm_route \"%V\" in %V:%ui has no price: add "
                      "\"llm_price %V input=USD output=USD;\" to upstream "
                      "\"%V\", or llm_prices",
                      ngx_llmops_limit_directive_name(limit), &limit->name,
                      &limit->place.file, limit->place.line, &t[i].name,
                      &route->name, &t[i].place.file, t[i].place.line, model,
                      &t[i].provider->name);

        if (level == NGX_LOG_EMERG) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_limits_priced(ngx_llmops_main_conf_t *mcf, ngx_llmops_target_t *t)
{
    if (t->model.len) {
        return t->price && t->price->input >= 0 && t->price->output >= 0;
    }

    return t->provider->prices != NULL || mcf->prices != NULL;
}


static ngx_int_t
ngx_llmops_limits_resolver(ngx_conf_t *cf, ngx_llmops_limit_t *limit)
{
    ngx_llmops_webhook_t      *wh;
    ngx_http_core_loc_conf_t  *clcf;

    wh = limit->webhook;

    if (ngx_llmops_net_family(&wh->url.host) != AF_UNSPEC) {
        return NGX_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* nginx puts in a resolver without servers if none is configured */

    if (clcf->resolver == NULL || clcf->resolver->connections.nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no resolver to resolve \"%V\" of the webhook of "
                      "llm_quota \"%V\" in %V:%ui, write \"resolver "
                      "ADDRESS;\" in http{}", &wh->url.host, &limit->name,
                      &limit->place.file, limit->place.line);
        return NGX_ERROR;
    }

    wh->resolver = clcf->resolver;

    return NGX_OK;
}


void
ngx_llmops_limits_start(ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_llmops_limit_t        **limits;
    ngx_llmops_limits_conf_t   *lcf;

    lcf = mcf->limits;
    limits = lcf->limits.elts;

    ngx_llmops_limits_attach(mcf, &lcf->own);

    for (i = 0; i < lcf->limits.nelts; i++) {
        ngx_llmops_limits_attach(mcf, limits[i]);
    }
}


static void
ngx_llmops_limits_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_limit_t *limit)
{
    ngx_str_t  warned = ngx_string("warned");

    limit->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_LIMIT,
                                     &limit->name,
                                     sizeof(ngx_llmops_limit_sh_t));

    if (limit->webhook) {
        limit->webhook->over = ngx_llmops_limits_told;
        limit->webhook->data = limit;
        ngx_llmops_webhook_start(limit->webhook);
    }

    if (limit->nwarn) {
        limit->warned = ngx_llmops_zone_node(mcf->zone,
                                             NGX_LLMOPS_NODE_WARNED, &warned,
                                             sizeof(ngx_llmops_warned_sh_t));
    }
}


static void
ngx_llmops_limits_told(void *data, ngx_uint_t sent)
{
    ngx_llmops_limit_t *limit = data;

    ngx_llmops_limit_count(limit, told[sent]);
}


void
ngx_llmops_limits_stop(ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                  i;
    ngx_llmops_limit_t        **limits;
    ngx_llmops_limits_conf_t   *lcf;

    lcf = mcf->limits;
    limits = lcf->limits.elts;

    for (i = 0; i < lcf->limits.nelts; i++) {
        if (limits[i]->webhook) {
            ngx_llmops_webhook_stop(limits[i]->webhook);
        }
    }
}
