
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_cache_own.h"


/*
 * "llm_cache" of http{}, and "cache" of a route.
 */


#define NGX_LLMOPS_CACHE_MIN       (1024 * 1024)
#define NGX_LLMOPS_CACHE_TTL       600000
#define NGX_LLMOPS_CACHE_MAX_SIZE  (1024 * 1024)
#define NGX_LLMOPS_CACHE_LARGEST   (4 * 1024 * 1024)
#define NGX_LLMOPS_CACHE_FASTEST   100000  /* tokens per second */


typedef char *(*ngx_llmops_cache_param_pt)(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *value);

typedef struct {
    ngx_str_t                  name;       /* with "=" */
    ngx_llmops_cache_param_pt  set;
    const char                *how;        /* it is written */
} ngx_llmops_cache_param_t;


static char *ngx_llmops_cache_param(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *arg);
static char *ngx_llmops_cache_check(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route);
static char *ngx_llmops_cache_time(ngx_str_t *value, ngx_msec_t *ms);
static char *ngx_llmops_cache_flag(ngx_str_t *value, ngx_uint_t *flag);
static char *ngx_llmops_cache_set_ttl(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *value);
static char *ngx_llmops_cache_set_stale(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *value);
static char *ngx_llmops_cache_set_stale_if_error(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *value);
static char *ngx_llmops_cache_set_scope(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *value);
static char *ngx_llmops_cache_set_max_size(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *value);
static char *ngx_llmops_cache_set_replay(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *value);
static char *ngx_llmops_cache_set_count(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *value);
static char *ngx_llmops_cache_set_share(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *value);
static ngx_llmops_cache_t *ngx_llmops_cache_main(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);


static const ngx_llmops_cache_param_t  ngx_llmops_cache_params[] = {
    { ngx_string("ttl="), ngx_llmops_cache_set_ttl,
      "a time, for example \"ttl=10m\"" },
    { ngx_string("scope="), ngx_llmops_cache_set_scope,
      "a value with variables, for example \"scope=$llm_tenant\"" },
    { ngx_string("stale="), ngx_llmops_cache_set_stale,
      "a time, for example \"stale=1m\"" },
    { ngx_string("stale_if_error="), ngx_llmops_cache_set_stale_if_error,
      "a time, for example \"stale_if_error=1h\"" },
    { ngx_string("max_size="), ngx_llmops_cache_set_max_size,
      "a size from 1k to 4m, for example \"max_size=256k\"" },
    { ngx_string("replay="), ngx_llmops_cache_set_replay,
      "tokens per second, for example \"replay=80tps\"" },
    { ngx_string("count="), ngx_llmops_cache_set_count,
      "\"count=on\" or \"count=off\"" },
    { ngx_string("share="), ngx_llmops_cache_set_share,
      "\"share=on\" or \"share=off\"" },
    { ngx_null_string, NULL, NULL }
};


/* llm_cache size=SIZE; */

char *
ngx_llmops_cache_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ssize_t               size;
    ngx_str_t            *value, s;
    ngx_llmops_cache_t   *cache;

    cache = ngx_llmops_cache_main(cf, conf);
    if (cache == NULL) {
        return NGX_CONF_ERROR;
    }

    if (cache->size) {
        return "is duplicate";
    }

    value = cf->args->elts;
    s = value[1];

    if (cf->args->nelts != 2 || s.len < 5
        || ngx_strncmp(s.data, "size=", 5) != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", write \"llm_cache "
                           "size=SIZE;\"", &value[cf->args->nelts - 1]);
        return NGX_CONF_ERROR;
    }

    s.data += 5;
    s.len -= 5;

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR || size < NGX_LLMOPS_CACHE_MIN) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size in \"%V\", write at least "
                           "\"size=1m\"", &value[1]);
        return NGX_CONF_ERROR;
    }

    cache->size = size;

    return NGX_CONF_OK;
}


/* cache off; cache [ttl=TIME] ... [always]; */

char *
ngx_llmops_route_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                      *rv;
    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_llmops_route_t        *route = conf;
    ngx_llmops_cache_t        *cache;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_cache_route_t  *cr;

    value = cf->args->elts;
    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_llmops_module);

    if (route->cache) {
        return "is duplicate";
    }

    if (cf->args->nelts == 2 && ngx_strcmp(value[1].data, "off") == 0) {
        return NGX_CONF_OK;
    }

    cr = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_cache_route_t));
    cache = ngx_llmops_cache_main(cf, mcf);

    if (cr == NULL || cache == NULL) {
        return NGX_CONF_ERROR;
    }

    cr->ttl = NGX_LLMOPS_CACHE_TTL;
    cr->max_size = NGX_LLMOPS_CACHE_MAX_SIZE;
    cr->share = 1;
    cr->place.file = cf->conf_file->file.name;
    cr->place.line = cf->conf_file->line;

    for (i = 1; i < cf->args->nelts; i++) {
        rv = ngx_llmops_cache_param(cf, cr, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    route->cache = cr;
    cache->routes++;

    return ngx_llmops_cache_check(cf, cr);
}


static char *
ngx_llmops_cache_param(ngx_conf_t *cf, ngx_llmops_cache_route_t *route,
    ngx_str_t *arg)
{
    char                            *rv;
    ngx_str_t                        s;
    ngx_int_t                        rc;
    const ngx_llmops_cache_param_t  *p;

    if (ngx_strcmp(arg->data, "always") == 0) {
        route->always = 1;
        return NGX_CONF_OK;
    }

    for (p = ngx_llmops_cache_params; p->name.len; p++) {

        if (arg->len < p->name.len
            || ngx_memcmp(arg->data, p->name.data, p->name.len) != 0)
        {
            continue;
        }

        s.data = arg->data + p->name.len;
        s.len = arg->len - p->name.len;

        rv = s.len ? p->set(cf, route, &s) : NGX_CONF_ERROR;

        if (rv != NGX_CONF_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\" in \"cache\", write %s", arg,
                               p->how);
        }

        return rv;
    }

    rc = ngx_llmops_cache_own_param(cf, route, arg);

    if (rc != NGX_DECLINED) {
        return rc == NGX_OK ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", \"cache\" has \"ttl=\", "
                       "\"scope=\", \"stale=\", \"stale_if_error=\", "
                       "\"max_size=\", \"replay=\", \"count=\", \"share=\", "
                       "\"lease=\", \"semantic=\", \"embed=\", \"wait=\", "
                       "\"shadow\" and \"always\", or \"off\" alone", arg);
    return NGX_CONF_ERROR;
}


static char *
ngx_llmops_cache_check(ngx_conf_t *cf, ngx_llmops_cache_route_t *route)
{
    if (route->stale_error && route->stale_error < route->stale) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"stale_if_error\" is shorter than \"stale\": what "
                           "may be given while it is asked for again may be "
                           "given when that fails, too");
        return NGX_CONF_ERROR;
    }

    if (route->stale_error == 0) {
        route->stale_error = route->stale;
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_cache_time(ngx_str_t *value, ngx_msec_t *ms)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 0);

    if (n == NGX_ERROR || n == 0) {
        return NGX_CONF_ERROR;
    }

    *ms = n;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_cache_flag(ngx_str_t *value, ngx_uint_t *flag)
{
    if (value->len == 2 && ngx_memcmp(value->data, "on", 2) == 0) {
        *flag = 1;
        return NGX_CONF_OK;
    }

    *flag = 0;

    return (value->len == 3 && ngx_memcmp(value->data, "off", 3) == 0)
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static char *
ngx_llmops_cache_set_ttl(ngx_conf_t *cf, ngx_llmops_cache_route_t *route,
    ngx_str_t *value)
{
    return ngx_llmops_cache_time(value, &route->ttl);
}


static char *
ngx_llmops_cache_set_stale(ngx_conf_t *cf, ngx_llmops_cache_route_t *route,
    ngx_str_t *value)
{
    return ngx_llmops_cache_time(value, &route->stale);
}


static char *
ngx_llmops_cache_set_stale_if_error(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *value)
{
    return ngx_llmops_cache_time(value, &route->stale_error);
}


static char *
ngx_llmops_cache_set_scope(ngx_conf_t *cf, ngx_llmops_cache_route_t *route,
    ngx_str_t *value)
{
    ngx_http_compile_complex_value_t  ccv;

    route->scope = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (route->scope == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = route->scope;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


static char *
ngx_llmops_cache_set_max_size(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *route, ngx_str_t *value)
{
    ssize_t  size;

    size = ngx_parse_size(value);

    if (size == NGX_ERROR || size < 1024 || size > NGX_LLMOPS_CACHE_LARGEST) {
        return NGX_CONF_ERROR;
    }

    route->max_size = size;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_cache_set_replay(ngx_conf_t *cf, ngx_llmops_cache_route_t *route,
    ngx_str_t *value)
{
    ngx_int_t  n;

    if (value->len < 4
        || ngx_memcmp(value->data + value->len - 3, "tps", 3) != 0)
    {
        return NGX_CONF_ERROR;
    }

    n = ngx_atoi(value->data, value->len - 3);

    if (n == NGX_ERROR || n == 0 || n > NGX_LLMOPS_CACHE_FASTEST) {
        return NGX_CONF_ERROR;
    }

    route->replay = n;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_cache_set_count(ngx_conf_t *cf, ngx_llmops_cache_route_t *route,
    ngx_str_t *value)
{
    char        *rv;
    ngx_uint_t   flag;

    rv = ngx_llmops_cache_flag(value, &flag);
    route->count = flag;

    return rv;
}


static char *
ngx_llmops_cache_set_share(ngx_conf_t *cf, ngx_llmops_cache_route_t *route,
    ngx_str_t *value)
{
    char        *rv;
    ngx_uint_t   flag;

    rv = ngx_llmops_cache_flag(value, &flag);
    route->share = flag;

    return rv;
}


static ngx_llmops_cache_t *
ngx_llmops_cache_main(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    if (mcf->cache == NULL) {
        mcf->cache = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_cache_t));
    }

    return mcf->cache;
}


void
ngx_llmops_cache_level(ngx_llmops_main_conf_t *mcf, ngx_uint_t n,
    const ngx_llmops_cache_level_t *level)
{
    ngx_llmops_cache_t *cache = mcf->cache;

    if (cache) {
        cache->levels[n] = level;
    }
}
