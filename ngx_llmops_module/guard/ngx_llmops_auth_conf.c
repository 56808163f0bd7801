
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"


/*
 * llm_auth and country, and what a worker needs at its start.  The caches are
 * bounded by count: some 2 KB for each caller that is known, some 120 bytes
 * for each that is not.
 */


#define NGX_LLMOPS_AUTH_KNOWN_MAX    8192
#define NGX_LLMOPS_AUTH_UNKNOWN_MAX  8192


/* what llcf->auth points to */

static ngx_conf_enum_t  ngx_llmops_auth_modes[] = {
    { ngx_string("off"), NGX_LLMOPS_AUTH_OFF },
    { ngx_string("optional"), NGX_LLMOPS_AUTH_OPTIONAL },
    { ngx_string("on"), NGX_LLMOPS_AUTH_ON },
    { ngx_null_string, 0 }
};


ngx_llmops_auth_conf_t *
ngx_llmops_auth_conf(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_auth_conf_t  *acf;

    if (mcf->keys) {
        return mcf->keys;
    }

    acf = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_auth_conf_t));

    if (acf == NULL
        || ngx_array_init(&acf->jwts, cf->pool, 2, sizeof(ngx_llmops_jwt_t *))
           != NGX_OK)
    {
        return NULL;
    }

    mcf->keys = acf;

    return acf;
}


/* llm_auth on | off | optional */

char *
ngx_llmops_auth_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_loc_conf_t *llcf = conf;

    ngx_str_t               *value;
    ngx_conf_enum_t         *mode;
    ngx_llmops_main_conf_t  *mcf;

    if (llcf->auth) {
        return "is duplicate";
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_llmops_module);

    if (ngx_llmops_auth_conf(cf, mcf) == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    for (mode = ngx_llmops_auth_modes; mode->name.len; mode++) {
        if (mode->name.len == value[1].len
            && ngx_strcmp(mode->name.data, value[1].data) == 0)
        {
            llcf->auth = mode;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid value \"%V\" in \"llm_auth\", write \"on\", "
                       "\"optional\" or \"off\"", &value[1]);

    return NGX_CONF_ERROR;
}


ngx_uint_t
ngx_llmops_auth_mode(ngx_http_request_t *r)
{
    ngx_conf_enum_t        *mode;
    ngx_llmops_loc_conf_t  *llcf;

    llcf = ngx_http_get_module_loc_conf(r, ngx_llmops_module);
    mode = llcf->auth;

    return mode ? mode->value : NGX_LLMOPS_AUTH_OFF;
}


/* country XX ..., in llm_route */

char *
ngx_llmops_country_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_route_t *route = conf;

    u_char                  *p;
    ngx_str_t               *value, *country;
    ngx_uint_t               i;
    ngx_llmops_main_conf_t  *mcf;
    ngx_llmops_auth_conf_t  *acf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_llmops_module);

    acf = ngx_llmops_auth_conf(cf, mcf);
    if (acf == NULL) {
        return NGX_CONF_ERROR;
    }

    if (route->countries == NULL) {
        route->countries = ngx_array_create(cf->pool, 4, sizeof(ngx_str_t));
        if (route->countries == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        p = value[i].data;

        if (value[i].len != 2 || p[0] < 'A' || p[0] > 'Z'
            || p[1] < 'A' || p[1] > 'Z')
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid country \"%V\", write two capital "
                               "letters (ISO 3166), for example \"DE\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }

        country = ngx_array_push(route->countries);
        if (country == NULL) {
            return NGX_CONF_ERROR;
        }

        *country = value[i];
    }

    if (acf->countries.line == 0) {
        acf->countries.file = cf->conf_file->file.name;
        acf->countries.line = cf->conf_file->line;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_llmops_auth_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                i;
    ngx_llmops_jwt_t        **jwts;
    ngx_llmops_auth_conf_t   *acf;

    acf = mcf->keys;

    if (acf == NULL) {
        return NGX_OK;
    }

    if (acf->countries.line && acf->geo == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "the countries in %V:%ui need a database, write "
                      "\"llm_geo FILE.mmdb;\" in http{}",
                      &acf->countries.file, acf->countries.line);
        return NGX_ERROR;
    }

    jwts = acf->jwts.elts;

    for (i = 0; i < acf->jwts.nelts; i++) {
        if (ngx_llmops_jwt_init(cf, jwts[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_auth_start(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                i;
    ngx_llmops_jwt_t        **jwts;
    ngx_llmops_auth_conf_t   *acf;

    acf = mcf->keys;

    if (acf == NULL) {
        return NGX_OK;
    }

    acf->known = ngx_llmops_auth_cache_create(NGX_LLMOPS_AUTH_KNOWN_MAX,
                                              cycle->log);
    acf->unknown = ngx_llmops_auth_cache_create(NGX_LLMOPS_AUTH_UNKNOWN_MAX,
                                                cycle->log);

    if (acf->known == NULL || acf->unknown == NULL) {
        return NGX_ERROR;
    }

    jwts = acf->jwts.elts;

    for (i = 0; i < acf->jwts.nelts; i++) {
        ngx_llmops_jwt_start(cycle, mcf, jwts[i]);
    }

    return NGX_OK;
}


void
ngx_llmops_auth_stop(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                i;
    ngx_llmops_jwt_t        **jwts;
    ngx_llmops_auth_conf_t   *acf;

    acf = mcf->keys;

    if (acf == NULL) {
        return;
    }

    jwts = acf->jwts.elts;

    for (i = 0; i < acf->jwts.nelts; i++) {
        ngx_llmops_jwt_stop(jwts[i]);
    }

    ngx_llmops_auth_cache_free(acf->known);
    ngx_llmops_auth_cache_free(acf->unknown);

    acf->known = NULL;
    acf->unknown = NULL;
}
