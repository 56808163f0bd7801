
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_own.h"


/*
 * Of the semantic level: its parameters of "cache", and its zone.
 */


static ngx_llmops_near_conf_t *ngx_llmops_near_conf(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *cr);
static ngx_int_t ngx_llmops_near_invalid(ngx_conf_t *cf, ngx_str_t *word,
    const char *how);
static ngx_llmops_target_t *ngx_llmops_near_target(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_near_conf_t *conf,
    const char *param, ngx_str_t *name);
static ngx_int_t ngx_llmops_near_zone_init(ngx_shm_zone_t *zone, void *old);


ngx_int_t
ngx_llmops_near_param(ngx_conf_t *cf, ngx_llmops_cache_route_t *cr,
    ngx_str_t *word)
{
    ngx_int_t                n;
    ngx_str_t                s;
    ngx_llmops_near_conf_t  *conf;

    conf = ngx_llmops_near_conf(cf, cr);
    if (conf == NULL) {
        return NGX_ERROR;
    }

    if (ngx_strcmp(word->data, "shadow") == 0) {
        conf->shadow = 1;
        return NGX_OK;
    }

    if (ngx_strncmp(word->data, "semantic=", 9) == 0) {
        n = ngx_atofp(word->data + 9, word->len - 9, 4);

        if (n == NGX_ERROR || n < 5000 || n >= 10000) {
            return ngx_llmops_near_invalid(cf, word, "a similarity from 0.5 "
                                           "to below 1, as in "
                                           "\"semantic=0.93\"");
        }

        conf->threshold = (float) n / 10000;
        return NGX_OK;
    }

    s.data = (u_char *) ngx_strchr(word->data, '=') + 1;
    s.len = word->data + word->len - s.data;

    if (ngx_strncmp(word->data, "embed=", 6) == 0) {
        conf->embed = s;
        return s.len ? NGX_OK
                     : ngx_llmops_near_invalid(cf, word, "a provider and a "
                                               "model, as in \"embed=openai/"
                                               "text-embedding-3-small\"");
    }

    if (ngx_strncmp(word->data, "judge=", 6) == 0) {
        conf->judge = s;
        return s.len ? NGX_OK
                     : ngx_llmops_near_invalid(cf, word, "a provider and a "
                                               "model, as in \"judge=openai/"
                                               "gpt-4.1-nano\"");
    }

    n = ngx_parse_time(&s, 0);

    if (n == NGX_ERROR || n == 0 || n > 10000) {
        return ngx_llmops_near_invalid(cf, word, "a time up to 10s, as in "
                                       "\"wait=200ms\"");
    }

    if (word->data[0] == 'j') {
        conf->judge_timeout = n;

    } else {
        conf->wait = n;
    }

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_near_takes(ngx_str_t *word)
{
    return ngx_strcmp(word->data, "shadow") == 0
           || ngx_strncmp(word->data, "semantic=", 9) == 0
           || ngx_strncmp(word->data, "embed=", 6) == 0
           || ngx_strncmp(word->data, "judge=", 6) == 0
           || ngx_strncmp(word->data, "judge_timeout=", 14) == 0
           || ngx_strncmp(word->data, "wait=", 5) == 0;
}


static ngx_llmops_near_conf_t *
ngx_llmops_near_conf(ngx_conf_t *cf, ngx_llmops_cache_route_t *cr)
{
    ngx_llmops_near_conf_t  *conf = cr->semantic;

    if (conf == NULL) {
        conf = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_near_conf_t));

        if (conf) {
            conf->wait = NGX_LLMOPS_NEAR_WAIT;
            conf->judge_timeout = NGX_LLMOPS_NEAR_JUDGE;
            conf->place.file = cf->conf_file->file.name;
            conf->place.line = cf->conf_file->line;
            cr->semantic = conf;
        }
    }

    return conf;
}


static ngx_int_t
ngx_llmops_near_invalid(ngx_conf_t *cf, ngx_str_t *word, const char *how)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%V\" in \"cache\", write %s", word, how);
    return NGX_ERROR;
}


ngx_int_t
ngx_llmops_near_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route)
{
    ngx_str_t                  name = ngx_string("llm_cache_index");
    ngx_llmops_near_conf_t    *conf;
    ngx_llmops_cache_route_t  *cr = route->cache;

    conf = cr->semantic;

    if (conf == NULL) {
        return NGX_OK;
    }

    if (conf->threshold == 0 || conf->embed.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "%s of \"cache\" in llm_route \"%V\" in %V:%ui",
                      conf->threshold == 0
                      ? "\"embed=\", \"wait=\", \"judge=\" and \"shadow\" "
                        "need \"semantic=\""
                      : "\"semantic=\" needs \"embed=PROVIDER/MODEL\"",
                      &route->name, &conf->place.file, conf->place.line);
        return NGX_ERROR;
    }

    conf->target = ngx_llmops_near_target(cf, mcf, conf, "embed",
                                          &conf->embed);
    if (conf->target == NULL) {
        return NGX_ERROR;
    }

    if (conf->judge.len) {
        conf->judge_target = ngx_llmops_near_target(cf, mcf, conf, "judge",
                                                    &conf->judge);
        if (conf->judge_target == NULL) {
            return NGX_ERROR;
        }
    }

    conf->zone = ngx_shared_memory_add(cf, &name, NGX_LLMOPS_NEAR_SIZE,
                                       &ngx_llmops_module);
    if (conf->zone == NULL) {
        return NGX_ERROR;
    }

    conf->zone->init = ngx_llmops_near_zone_init;

    ngx_llmops_cache_level(mcf, NGX_LLMOPS_CACHE_NEAR,
                           &ngx_llmops_cache_near);
    return NGX_OK;
}


static ngx_llmops_target_t *
ngx_llmops_near_target(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_near_conf_t *conf, const char *param, ngx_str_t *name)
{
    ngx_llmops_target_t  *target;

    target = ngx_llmops_target_named(cf, mcf, name, &conf->place);

    if (target && target->model.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s=%V\" names no model, write "
                      "\"%s=%V/MODEL\" in %V:%ui",
                      param, name, param, name, &conf->place.file,
                      conf->place.line);
        return NULL;
    }

    return target;
}


static ngx_int_t
ngx_llmops_near_zone_init(ngx_shm_zone_t *zone, void *old)
{
    void                    *p;
    size_t                   size;
    ngx_slab_pool_t         *pool;
    ngx_llmops_near_zone_t  *nz;

    if (old) {
        zone->data = old;
        return NGX_OK;
    }

    pool = (ngx_slab_pool_t *) zone->shm.addr;

    if (zone->shm.exists) {
        zone->data = pool->data;
        return NGX_OK;
    }

    nz = ngx_slab_alloc(pool, sizeof(ngx_llmops_near_zone_t));

    /* all pages that are left, in one piece */

    size = pool->pfree * ngx_pagesize;
    p = nz ? ngx_slab_alloc(pool, size) : NULL;

    if (p == NULL) {
        return NGX_ERROR;
    }

    nz->pool = pool;
    nz->index = ngx_llmops_near_index_init(p, size);

    pool->data = nz;
    zone->data = nz;

    return nz->index ? NGX_OK : NGX_ERROR;
}
