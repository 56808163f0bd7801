
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_route.h"


/*
 * llm_route { ... }: the words inside it.  Names are resolved later, in
 * ngx_llmops_routes_init(), since what they mean may stand further down.
 */


static char *ngx_llmops_route_end(ngx_conf_t *cf, ngx_llmops_route_t *route);
static ngx_uint_t ngx_llmops_target_twice(ngx_llmops_route_t *route, ngx_str_t
    *name);
static char *ngx_llmops_target_param(ngx_conf_t *cf, ngx_llmops_target_t *t,
    ngx_str_t *arg);
static char *ngx_llmops_retry_param(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_str_t *word);
static char *ngx_llmops_retry_on(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_str_t *list);


ngx_conf_enum_t  ngx_llmops_select_names[] = {
    { ngx_string("weight"), NGX_LLMOPS_SELECT_WEIGHT },
    { ngx_string("cost"), NGX_LLMOPS_SELECT_COST },
    { ngx_string("latency"), NGX_LLMOPS_SELECT_LATENCY },
    { ngx_string("headroom"), NGX_LLMOPS_SELECT_HEADROOM },
    { ngx_null_string, 0 }
};


static ngx_conf_bitmask_t  ngx_llmops_retry_names[] = {
    { ngx_string("connect"), NGX_LLMOPS_ON_CONNECT },
    { ngx_string("timeout"), NGX_LLMOPS_ON_TIMEOUT },
    { ngx_string("408"), NGX_LLMOPS_ON_408 },
    { ngx_string("409"), NGX_LLMOPS_ON_409 },
    { ngx_string("425"), NGX_LLMOPS_ON_425 },
    { ngx_string("429"), NGX_LLMOPS_ON_429 },
    { ngx_string("5xx"), NGX_LLMOPS_ON_5XX },
    { ngx_string("auth"), NGX_LLMOPS_ON_AUTH },
    { ngx_string("404"), NGX_LLMOPS_ON_404 },
    { ngx_string("first_event"), NGX_LLMOPS_ON_FIRST_EVENT },
    { ngx_string("invalid"), NGX_LLMOPS_ON_INVALID },
    { ngx_null_string, 0 }
};


char *
ngx_llmops_route_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                     *rv;
    ngx_str_t                *value;
    ngx_conf_t                save;
    ngx_llmops_route_t       *route, **slot;
    ngx_http_conf_ctx_t      *ctx;
    ngx_llmops_main_conf_t   *mcf = conf;

    value = cf->args->elts;

    route = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_route_t));
    slot = ngx_array_push(&mcf->routes);
    ctx = ngx_palloc(cf->pool, sizeof(ngx_http_conf_ctx_t));
    if (route == NULL || slot == NULL || ctx == NULL) {
        return NGX_CONF_ERROR;
    }

    *slot = route;

    route->name = value[1];
    route->select = NGX_CONF_UNSET_UINT;
    route->strict = NGX_CONF_UNSET;
    route->place.file = cf->conf_file->file.name;
    route->place.line = cf->conf_file->line;

    if (ngx_array_init(&route->matches, cf->pool, 4, sizeof(ngx_str_t))
        != NGX_OK
        || ngx_array_init(&route->targets, cf->pool, 4,
                          sizeof(ngx_llmops_target_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    *ctx = *(ngx_http_conf_ctx_t *) cf->ctx;

    ctx->loc_conf = ngx_pcalloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    if (ctx->loc_conf == NULL) {
        return NGX_CONF_ERROR;
    }

    ctx->loc_conf[ngx_llmops_module.ctx_index] = route;

    save = *cf;
    cf->ctx = ctx;
    cf->cmd_type = cmd->offset;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    if (rv != NGX_CONF_OK) {
        return rv;
    }

    return ngx_llmops_route_end(cf, route);
}


static char *
ngx_llmops_route_end(ngx_conf_t *cf, ngx_llmops_route_t *route)
{
    ngx_uint_t            i;
    ngx_llmops_target_t  *t;

    ngx_conf_init_uint_value(route->select, NGX_LLMOPS_SELECT_WEIGHT);
    ngx_conf_init_value(route->strict, 0);

    if (route->retry_on == 0) {
        route->retry_on = NGX_LLMOPS_ON_DEFAULT;
    }

    route->retry_on |= NGX_LLMOPS_ON_CHECK;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {
        t[i].route = route;

        if (!t[i].fallback) {
            route->ntargets++;
            route->total_weight += t[i].weight;
        }
    }

    if (route->ntargets == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no \"target\" in llm_route \"%V\", "
                           "add \"target UPSTREAM/MODEL;\"", &route->name);
        return NGX_CONF_ERROR;
    }

    if (route->total_weight == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the weights of the targets of llm_route \"%V\" "
                           "add up to nothing, give one of them "
                           "\"weight=1\"", &route->name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


char *
ngx_llmops_route_match(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    u_char              *star;
    ngx_str_t           *value, *match;
    ngx_uint_t           i;
    ngx_llmops_route_t  *route = conf;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        star = ngx_strlchr(value[i].data, value[i].data + value[i].len, '*');

        if (star && star != value[i].data + value[i].len - 1) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid model name \"%V\" in \"match\", \"*\" "
                               "may only be its last character", &value[i]);
            return NGX_CONF_ERROR;
        }

        if (value[i].len == 0 || value[i].len > NGX_LLMOPS_MODEL_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid model name \"%V\" in \"match\", it "
                               "must have 1 to %d bytes", &value[i],
                               NGX_LLMOPS_MODEL_MAX);
            return NGX_CONF_ERROR;
        }

        match = ngx_array_push(&route->matches);
        if (match == NULL) {
            return NGX_CONF_ERROR;
        }

        *match = value[i];
    }

    return NGX_CONF_OK;
}


/* target UPSTREAM[/MODEL] [weight=N]; fallback UPSTREAM[/MODEL]; */

char *
ngx_llmops_route_target(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                 *rv;
    u_char               *slash, *last;
    ngx_str_t            *value;
    ngx_uint_t            i;
    ngx_llmops_route_t   *route = conf;
    ngx_llmops_target_t  *t;

    value = cf->args->elts;

    if (route->targets.nelts == NGX_LLMOPS_MAX_TARGETS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "llm_route \"%V\" has more than %d targets",
                           &route->name, NGX_LLMOPS_MAX_TARGETS);
        return NGX_CONF_ERROR;
    }

    t = ngx_array_push(&route->targets);
    if (t == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(t, sizeof(ngx_llmops_target_t));

    t->name = value[1];
    t->weight = 1;
    t->fallback = (value[0].data[0] == 'f');
    t->place.file = cf->conf_file->file.name;
    t->place.line = cf->conf_file->line;

    last = t->name.data + t->name.len;
    slash = ngx_strlchr(t->name.data, last, '/');

    if (slash == t->name.data || slash == last - 1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid target \"%V\", write UPSTREAM/MODEL, or "
                           "UPSTREAM alone to keep the caller's model name",
                           &t->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_llmops_target_twice(route, &t->name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate target \"%V\", give one of them the "
                           "weight of both", &t->name);
        return NGX_CONF_ERROR;
    }

    if (slash) {
        t->model.data = slash + 1;
        t->model.len = last - slash - 1;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_llmops_target_param(cf, t, &value[i]);
        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_llmops_target_twice(ngx_llmops_route_t *route, ngx_str_t *name)
{
    ngx_uint_t            i;
    ngx_llmops_target_t  *t;

    t = route->targets.elts;

    for (i = 0; i + 1 < route->targets.nelts; i++) {
        if (t[i].name.len == name->len
            && ngx_memcmp(t[i].name.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static char *
ngx_llmops_target_param(ngx_conf_t *cf, ngx_llmops_target_t *t,
    ngx_str_t *arg)
{
    ngx_int_t  weight;

    if (!t->fallback && ngx_strncmp(arg->data, "weight=", 7) == 0) {

        weight = ngx_atoi(arg->data + 7, arg->len - 7);

        if (weight != NGX_ERROR && weight <= 1000000) {
            t->weight = weight;
            return NGX_CONF_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid weight in \"%V\", write a whole number "
                           "from 0 to 1000000", arg);
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", %s", arg,
                       t->fallback ? "\"fallback\" has none"
                                   : "\"target\" has \"weight=N\"");
    return NGX_CONF_ERROR;
}


/* retry [attempts=N] [on=kind,kind] [timeout=TIME]; */

char *
ngx_llmops_route_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_str_t           *value;
    ngx_uint_t           i;
    ngx_llmops_route_t  *route = conf;

    if (route->attempts || route->retry_on || route->retry_timeout) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_llmops_retry_param(cf, route, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_retry_param(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_str_t *word)
{
    ngx_int_t         n;
    ngx_llmops_arg_t  arg;

    if (ngx_llmops_arg_read(word, &arg) != NGX_OK) {
        ngx_str_null(&arg.name);
    }

    if (ngx_llmops_arg_is(&arg, "on")) {
        return ngx_llmops_retry_on(cf, route, &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "attempts")) {
        n = ngx_atoi(arg.value.data, arg.value.len);
        route->attempts = n;

        if (n > 0 && n <= NGX_LLMOPS_MAX_TARGETS) {
            return NGX_CONF_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\", write a number of attempts "
                           "from 1 to %d", word, NGX_LLMOPS_MAX_TARGETS);
        return NGX_CONF_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "timeout")) {
        n = ngx_parse_time(&arg.value, 0);
        route->retry_timeout = n;

        if (n > 0) {
            return NGX_CONF_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"%V\", write a time, for example "
                           "\"timeout=30s\"", word);
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", \"retry\" has "
                       "\"attempts=\", \"on=\" and \"timeout=\"", word);
    return NGX_CONF_ERROR;
}


static char *
ngx_llmops_retry_on(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_str_t *list)
{
    ngx_str_t   word;
    ngx_uint_t  i;

    while (ngx_llmops_arg_next(list, &word)) {

        for (i = 0; ngx_llmops_retry_names[i].name.len; i++) {
            if (word.len == ngx_llmops_retry_names[i].name.len
                && ngx_memcmp(word.data, ngx_llmops_retry_names[i].name.data,
                              word.len)
                   == 0)
            {
                break;
            }
        }

        if (ngx_llmops_retry_names[i].name.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\" in \"retry on=\", it knows "
                               "connect, timeout, 408, 409, 425, 429, 5xx, "
                               "auth, 404, first_event and invalid", &word);
            return NGX_CONF_ERROR;
        }

        route->retry_on |= ngx_llmops_retry_names[i].mask;
    }

    return NGX_CONF_OK;
}
