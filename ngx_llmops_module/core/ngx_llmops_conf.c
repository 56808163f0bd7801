
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_conf.h"
#include "ngx_llmops_handler.h"
#include "ngx_llmops_headers.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_price.h"
#include "ngx_llmops_metrics.h"
#include "ngx_llmops_auth.h"
#include "ngx_llmops_redis.h"
#include "ngx_llmops_admin.h"
#include "ngx_llmops_cache.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_evaluate.h"
#include "ngx_llmops_samples.h"
#include "ngx_llmops_index.h"


/*
 * nginx's defaults suit forms and uploads.  Prompts are larger, and one that
 * is spooled to a file costs seven times as much as one in memory.
 */

#define NGX_LLMOPS_BODY_BUFFER     (2 * 1024 * 1024)
#define NGX_LLMOPS_BODY_LIMIT      (64 * 1024 * 1024)
#define NGX_LLMOPS_BUFFER_SIZE     8192


static ngx_int_t ngx_llmops_init_zone(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);
static ngx_int_t ngx_llmops_init_redis(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);
static ngx_int_t ngx_llmops_init_store(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);
static ngx_int_t ngx_llmops_init_providers(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);
static ngx_int_t ngx_llmops_dropped_add(ngx_array_t *names, ngx_str_t *name);
static ngx_int_t ngx_llmops_dropped_keys(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_array_t *names);
static ngx_int_t ngx_llmops_init_dropped(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);
static ngx_int_t ngx_llmops_init_outer(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);
static char *ngx_llmops_merge_pass(ngx_conf_t *cf,
    ngx_llmops_loc_conf_t *conf);


/*
 * Request headers that do not cross to a provider: those of the connection
 * (RFC 9110, 7.6.1), credentials, what browsers and proxies add, and those
 * that we write ourselves.
 */

static ngx_str_t  ngx_llmops_dropped_headers[] = {
    ngx_string("host"),
    ngx_string("connection"),
    ngx_string("keep-alive"),
    ngx_string("proxy-connection"),
    ngx_string("proxy-authorization"),
    ngx_string("proxy-authenticate"),
    ngx_string("te"),
    ngx_string("trailer"),
    ngx_string("transfer-encoding"),
    ngx_string("upgrade"),
    ngx_string("http2-settings"),
    ngx_string("content-length"),
    ngx_string("content-encoding"),
    ngx_string("expect"),
    ngx_string("accept-encoding"),
    ngx_string("authorization"),
    ngx_string("x-api-key"),
    ngx_string("api-key"),
    ngx_string("x-goog-api-key"),
    ngx_string("cookie"),
    ngx_string("origin"),
    ngx_string("referer"),
    ngx_string("forwarded"),
    ngx_string("via"),
    ngx_string("x-forwarded-for"),
    ngx_string("x-forwarded-host"),
    ngx_string("x-forwarded-port"),
    ngx_string("x-forwarded-proto"),
    ngx_string("x-real-ip"),
    ngx_null_string
};


void *
ngx_llmops_create_main_conf(ngx_conf_t *cf)
{
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_main_conf_t));
    if (mcf == NULL) {
        return NULL;
    }

    if (ngx_array_init(&mcf->providers, cf->pool, 4,
                       sizeof(ngx_llmops_provider_t *))
        != NGX_OK
        || ngx_array_init(&mcf->routes, cf->pool, 4,
                          sizeof(ngx_llmops_route_t *))
           != NGX_OK)
    {
        return NULL;
    }

    mcf->started = ngx_time();

    return mcf;
}


char *
ngx_llmops_init_main_conf(ngx_conf_t *cf, void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    if (ngx_llmops_init_providers(cf, mcf) != NGX_OK
        || ngx_llmops_routes_init(cf, mcf) != NGX_OK
        || ngx_llmops_prompts_init(cf, mcf) != NGX_OK
        || ngx_llmops_indexes_init(cf, mcf) != NGX_OK
        || ngx_llmops_rollouts_init(cf, mcf) != NGX_OK
        || ngx_llmops_evaluations_init(cf, mcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (!mcf->used) {
        return NGX_CONF_OK;
    }

    if (ngx_llmops_init_zone(cf, mcf) != NGX_OK
        || ngx_llmops_init_redis(cf, mcf) != NGX_OK
        || ngx_llmops_init_store(cf, mcf) != NGX_OK
        || ngx_llmops_auth_init(cf, mcf) != NGX_OK
        || ngx_llmops_limits_init(cf, mcf) != NGX_OK
        || ngx_llmops_cache_init(cf, mcf) != NGX_OK
        || ngx_llmops_samples_init(cf, mcf) != NGX_OK
        || ngx_llmops_init_dropped(cf, mcf) != NGX_OK
        || ngx_llmops_init_outer(cf, mcf) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_llmops_init_zone(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_str_t  name = ngx_string("llm");

    if (mcf->zone == NULL) {
        mcf->zone = ngx_llmops_zone_add(cf, &name, NGX_LLMOPS_ZONE_DEFAULT,
                                        &ngx_llmops_module);
    }

    return mcf->zone ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_init_redis(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (mcf->redis == NULL) {
        return NGX_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    return ngx_llmops_redis_init(cf, mcf->redis, clcf->resolver, mcf->zone);
}


static ngx_int_t
ngx_llmops_init_store(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    mcf->store = ngx_llmops_store_create(cf, mcf->redis
                                             ? &ngx_llmops_store_redis
                                             : &ngx_llmops_store_shm,
                                         mcf->zone, mcf->state);

    if (mcf->store == NULL) {
        return NGX_ERROR;
    }

    mcf->store->redis = mcf->redis;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_init_providers(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                       i;
    ngx_llmops_provider_t           *p, **slot;
    ngx_http_upstream_srv_conf_t   **uscf;
    ngx_http_upstream_main_conf_t   *umcf;

    umcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_upstream_module);
    uscf = umcf->upstreams.elts;

    for (i = 0; i < umcf->upstreams.nelts; i++) {

        if (uscf[i]->srv_conf == NULL) {
            continue;                           /* not from an upstream{} */
        }

        p = ngx_http_conf_upstream_srv_conf(uscf[i], ngx_llmops_module);

        if (!p->used) {
            continue;
        }

        p->name = uscf[i]->host;
        p->uscf = uscf[i];

        if (ngx_llmops_provider_init(cf, mcf, p) != NGX_OK) {
            return NGX_ERROR;
        }

        slot = ngx_array_push(&mcf->providers);
        if (slot == NULL) {
            return NGX_ERROR;
        }

        *slot = p;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_dropped_add(ngx_array_t *names, ngx_str_t *name)
{
    ngx_hash_key_t  *key;

    key = ngx_array_push(names);
    if (key == NULL) {
        return NGX_ERROR;
    }

    key->key = *name;
    key->key_hash = ngx_hash_key_lc(name->data, name->len);
    key->value = (void *) 1;

    return NGX_OK;
}


/*
 * The header that "llm_api_key $http_..." takes a caller's key for one provider
 * from: it is no other provider's business.
 */

static ngx_int_t
ngx_llmops_dropped_keys(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_array_t *names)
{
    size_t                   len;
    u_char                  *p, *last;
    ngx_str_t                name;
    ngx_uint_t               i;
    ngx_llmops_provider_t  **providers;

    len = sizeof("http_") - 1;
    providers = mcf->providers.elts;

    for (i = 0; i < mcf->providers.nelts; i++) {

        if (providers[i]->key == NULL) {
            continue;
        }

        p = providers[i]->key->value.data;
        last = p + providers[i]->key->value.len;

        while ((p = ngx_strlchr(p, last, '$')) != NULL) {
            p += (p + 1 < last && p[1] == '{') ? 2 : 1;

            if ((size_t) (last - p) <= len
                || ngx_strncasecmp(p, (u_char *) "http_", len) != 0)
            {
                continue;
            }

            p += len;

            name.len = 0;
            name.data = ngx_pnalloc(cf->pool, last - p);
            if (name.data == NULL) {
                return NGX_ERROR;
            }

            for ( /* void */ ; p < last && (*p == '_' || isalnum(*p)); p++) {
                name.data[name.len++] = (*p == '_') ? '-' : ngx_tolower(*p);
            }

            if (ngx_llmops_dropped_add(names, &name) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_init_dropped(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_str_t        *name;
    ngx_array_t       names;
    ngx_hash_init_t   hash;

    if (ngx_array_init(&names, cf->temp_pool, 32, sizeof(ngx_hash_key_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (name = ngx_llmops_dropped_headers; name->len; name++) {
        if (ngx_llmops_dropped_add(&names, name) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (ngx_llmops_dropped_keys(cf, mcf, &names) != NGX_OK) {
        return NGX_ERROR;
    }

    hash.hash = &mcf->dropped;
    hash.key = ngx_hash_key_lc;
    hash.max_size = 512;
    hash.bucket_size = ngx_align(64, ngx_cacheline_size);
    hash.name = "llm_dropped_headers_hash";
    hash.pool = cf->pool;
    hash.temp_pool = NULL;

    return ngx_hash_init(&hash, names.elts, names.nelts);
}


/* the balancer in front of all: registered nowhere, entered by our calls */

static ngx_int_t
ngx_llmops_init_outer(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                     i;
    ngx_http_upstream_conf_t      *conf;
    ngx_http_upstream_srv_conf_t  *us;

    us = ngx_pcalloc(cf->pool, sizeof(ngx_http_upstream_srv_conf_t));
    conf = ngx_pcalloc(cf->pool, 2 * sizeof(ngx_http_upstream_conf_t));

    if (us == NULL || conf == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&us->host, "llm");
    us->peer.init = ngx_llmops_outer_init;

    for (i = 0; i < 2; i++) {
        conf[i].upstream = us;
        conf[i].ignore_client_abort = i;

        /* for bodies that are sent from a file over TLS */

        conf[i].bufs.num = 4;
        conf[i].bufs.size = 32768;
    }

    mcf->outer = us;
    mcf->outer_conf = conf;

    return NGX_OK;
}


void *
ngx_llmops_create_loc_conf(ngx_conf_t *cf)
{
    ngx_llmops_loc_conf_t  *conf;

    conf = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_loc_conf_t));
    if (conf == NULL) {
        return NULL;
    }

    conf->ignore_client_abort = NGX_CONF_UNSET;
    conf->buffer_size = NGX_CONF_UNSET_SIZE;

    ngx_llmops_response_headers_create(conf);

    return conf;
}


char *
ngx_llmops_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child)
{
    ngx_llmops_loc_conf_t *prev = parent;
    ngx_llmops_loc_conf_t *conf = child;

    ngx_http_core_loc_conf_t  *clcf;

    ngx_conf_merge_value(conf->ignore_client_abort,
                         prev->ignore_client_abort, 0);
    ngx_conf_merge_size_value(conf->buffer_size, prev->buffer_size,
                              NGX_LLMOPS_BUFFER_SIZE);

    ngx_llmops_response_headers_merge(conf, prev);

    if (conf->auth == NULL) {
        conf->auth = prev->auth;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* an "if" and a limit_except inherit the handler, as proxy_pass has it */

    if (clcf->noname && clcf->handler == NULL && prev->pass && !conf->pass) {
        conf->pass = prev->pass;
        conf->route = prev->route;
        conf->fixed = prev->fixed;
        clcf->handler = ngx_llmops_handler;
    }

    ngx_llmops_admin_merge(cf, prev, conf);

    if (!conf->pass) {
        return NGX_CONF_OK;
    }

    if (clcf->handler != ngx_llmops_handler) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"llm_pass\" in %V:%ui is followed by another directive "
                      "that answers requests, such as \"proxy_pass\": remove "
                      "one of them", &conf->place.file, conf->place.line);
        return NGX_CONF_ERROR;
    }

    if (clcf->client_body_buffer_size == (size_t) 2 * ngx_pagesize) {
        clcf->client_body_buffer_size = NGX_LLMOPS_BODY_BUFFER;
    }

    if (clcf->client_max_body_size == 1 * 1024 * 1024) {
        clcf->client_max_body_size = NGX_LLMOPS_BODY_LIMIT;
    }

    if (conf->buffer_size < 1024) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"llm_buffer_size\" must be at least 1k, a "
                           "provider's response header has to fit in");
        return NGX_CONF_ERROR;
    }

    return ngx_llmops_merge_pass(cf, conf);
}


/* a constant name is resolved now: routes are known since init_main_conf */

static char *
ngx_llmops_merge_pass(ngx_conf_t *cf, ngx_llmops_loc_conf_t *conf)
{
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_llmops_module);

    if (mcf->routes.nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"llm_pass\" in %V:%ui needs a route, write "
                      "\"llm_route NAME { match ...; target ...; }\" in "
                      "http{}", &conf->place.file, conf->place.line);
        return NGX_CONF_ERROR;
    }

    if (conf->route == NULL || conf->route->lengths) {
        return NGX_CONF_OK;
    }

    conf->fixed = ngx_llmops_route_by_name(mcf, &conf->route->value);

    if (conf->fixed == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown route \"%V\" in \"llm_pass\" in %V:%ui, write "
                      "\"llm_route %V { match ...; target ...; }\" in http{}",
                      &conf->route->value, &conf->place.file,
                      conf->place.line, &conf->route->value);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_llmops_pass_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_loc_conf_t *llcf = conf;

    ngx_str_t                 *value;
    ngx_llmops_main_conf_t    *mcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (llcf->pass) {
        return "is duplicate";
    }

    llcf->pass = 1;
    llcf->place.file = cf->conf_file->file.name;
    llcf->place.line = cf->conf_file->line;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_llmops_module);
    mcf->used = 1;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_llmops_metrics_handler) {
        return "cannot stand beside \"llm_metrics\" in one location";
    }

    if (clcf->handler == ngx_llmops_admin_handler) {
        return "cannot stand beside \"llm_admin\" in one location";
    }

    if (clcf->handler) {
        return "cannot stand beside another directive that answers requests, "
               "such as \"proxy_pass\", in one location";
    }

    clcf->handler = ngx_llmops_handler;

    if (cf->args->nelts == 1) {
        return NGX_CONF_OK;
    }

    value = cf->args->elts;

    llcf->route = ngx_llmops_arg_complex(cf, &value[1]);

    return llcf->route ? NGX_CONF_OK : NGX_CONF_ERROR;
}


char *
ngx_llmops_metrics_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_main_conf_t    *mcf;
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_llmops_handler) {
        return "cannot stand beside \"llm_pass\" in one location";
    }

    if (clcf->handler == ngx_llmops_admin_handler) {
        return "cannot stand beside \"llm_admin\" in one location";
    }

    clcf->handler = ngx_llmops_metrics_handler;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_llmops_module);
    mcf->used = 1;

    return NGX_CONF_OK;
}


/* llm_zone NAME:SIZE */

char *
ngx_llmops_zone_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    u_char     *colon;
    ssize_t     size;
    ngx_str_t  *value, name, s;

    if (mcf->zone) {
        return "is duplicate";
    }

    value = cf->args->elts;
    name = value[1];

    colon = ngx_strlchr(name.data, name.data + name.len, ':');

    if (colon == NULL || colon == name.data) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid zone \"%V\", write \"llm_zone "
                           "NAME:SIZE;\", for example llm:32m", &name);
        return NGX_CONF_ERROR;
    }

    s.data = colon + 1;
    s.len = name.data + name.len - s.data;
    name.len = colon - name.data;

    size = ngx_parse_size(&s);

    if (size == NGX_ERROR || size < (ssize_t) (16 * ngx_pagesize)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid size of zone \"%V\", write at least %uzk",
                           &value[1], 16 * ngx_pagesize / 1024);
        return NGX_CONF_ERROR;
    }

    mcf->zone = ngx_llmops_zone_add(cf, &name, size, &ngx_llmops_module);

    return mcf->zone ? NGX_CONF_OK : NGX_CONF_ERROR;
}
