
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_price.h"
#include "ngx_llmops_route.h"


/*
 * Routes: which models' names lead where.  Everything is resolved while the
 * configuration is read; a request only looks up sorted arrays.  Names are
 * compared byte by byte: unlike the names of servers, those of models are
 * case-sensitive.
 */


static char *ngx_llmops_route_end(ngx_conf_t *cf, ngx_llmops_route_t *route);
static ngx_uint_t ngx_llmops_target_twice(ngx_llmops_route_t *route,
    ngx_str_t *name);
static char *ngx_llmops_target_param(ngx_conf_t *cf, ngx_llmops_target_t *t,
    ngx_str_t *arg);
static char *ngx_llmops_retry_on(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_str_t *list);
static ngx_int_t ngx_llmops_route_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route);
static ngx_int_t ngx_llmops_target_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_target_t *t);
static ngx_int_t ngx_llmops_route_names(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route);
static ngx_int_t ngx_llmops_route_pattern(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route, ngx_str_t *match);
static ngx_int_t ngx_llmops_names_check(ngx_conf_t *cf, ngx_array_t *names,
    const char *what);
static int ngx_libc_cdecl ngx_llmops_name_cmp(const void *one,
    const void *two);
static int ngx_libc_cdecl ngx_llmops_name_cmp_longest(const void *one,
    const void *two);
static ngx_llmops_route_t *ngx_llmops_name_find(ngx_array_t *names,
    ngx_str_t *name);


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
    ngx_int_t            n;
    ngx_str_t           *value, s;
    ngx_uint_t           i;
    ngx_llmops_route_t  *route = conf;

    if (route->attempts || route->retry_on || route->retry_timeout) {
        return "is duplicate";
    }

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        s = value[i];

        if (ngx_strncmp(s.data, "attempts=", 9) == 0) {
            n = ngx_atoi(s.data + 9, s.len - 9);

            if (n == NGX_ERROR || n == 0 || n > NGX_LLMOPS_MAX_TARGETS) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid \"%V\", write a number of attempts "
                                   "from 1 to %d", &s, NGX_LLMOPS_MAX_TARGETS);
                return NGX_CONF_ERROR;
            }

            route->attempts = n;
            continue;
        }

        if (ngx_strncmp(s.data, "timeout=", 8) == 0) {
            s.data += 8;
            s.len -= 8;
            n = ngx_parse_time(&s, 0);

            if (n == NGX_ERROR || n == 0) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid \"%V\", write a time, for example "
                                   "\"timeout=30s\"", &value[i]);
                return NGX_CONF_ERROR;
            }

            route->retry_timeout = n;
            continue;
        }

        if (ngx_strncmp(s.data, "on=", 3) == 0) {
            s.data += 3;
            s.len -= 3;

            if (ngx_llmops_retry_on(cf, route, &s) != NGX_CONF_OK) {
                return NGX_CONF_ERROR;
            }

            continue;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", \"retry\" has "
                           "\"attempts=\", \"on=\" and \"timeout=\"", &s);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_retry_on(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_str_t *list)
{
    u_char      *p, *last, *comma;
    ngx_str_t    word;
    ngx_uint_t   i;

    p = list->data;
    last = p + list->len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        word.data = p;
        word.len = (comma ? comma : last) - p;

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

        if (comma == NULL) {
            return NGX_CONF_OK;
        }

        p = comma + 1;
    }
}


ngx_int_t
ngx_llmops_routes_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t            i;
    ngx_llmops_route_t  **routes;

    if (ngx_array_init(&mcf->models, cf->pool, 8, sizeof(ngx_llmops_name_t))
        != NGX_OK
        || ngx_array_init(&mcf->names, cf->pool, 8, sizeof(ngx_llmops_name_t))
           != NGX_OK
        || ngx_array_init(&mcf->prefixes, cf->pool, 8,
                          sizeof(ngx_llmops_name_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {
        if (ngx_llmops_route_resolve(cf, mcf, routes[i]) != NGX_OK
            || ngx_llmops_route_names(cf, mcf, routes[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_qsort(mcf->models.elts, mcf->models.nelts, sizeof(ngx_llmops_name_t),
              ngx_llmops_name_cmp);
    ngx_qsort(mcf->names.elts, mcf->names.nelts, sizeof(ngx_llmops_name_t),
              ngx_llmops_name_cmp);
    ngx_qsort(mcf->prefixes.elts, mcf->prefixes.nelts,
              sizeof(ngx_llmops_name_t), ngx_llmops_name_cmp_longest);

    if (ngx_llmops_names_check(cf, &mcf->names, "llm_route") != NGX_OK
        || ngx_llmops_names_check(cf, &mcf->models, "model") != NGX_OK
        || ngx_llmops_names_check(cf, &mcf->prefixes, "model prefix")
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_route_resolve(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route)
{
    ngx_uint_t            i, n;
    ngx_array_t           ordered;
    ngx_llmops_target_t  *t, *slot;

    if (ngx_array_init(&ordered, cf->pool, route->targets.nelts,
                       sizeof(ngx_llmops_target_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    t = route->targets.elts;

    /* the targets first, then the fallbacks, each in their order */

    for (n = 0; n < 2; n++) {
        for (i = 0; i < route->targets.nelts; i++) {
            if (t[i].fallback != n) {
                continue;
            }

            if (ngx_llmops_target_resolve(cf, mcf, &t[i]) != NGX_OK) {
                return NGX_ERROR;
            }

            slot = ngx_array_push(&ordered);
            if (slot == NULL) {
                return NGX_ERROR;
            }

            *slot = t[i];
        }
    }

    route->targets = ordered;

    if (route->attempts == 0) {
        route->attempts = ordered.nelts;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_target_resolve(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_target_t *t)
{
    ngx_str_t                name;
    ngx_uint_t               i;
    ngx_llmops_provider_t  **p;

    name = t->name;

    if (t->model.len) {
        name.len = t->model.data - 1 - name.data;
    }

    p = mcf->providers.elts;

    for (i = 0; i < mcf->providers.nelts; i++) {
        if (p[i]->name.len == name.len
            && ngx_strncasecmp(p[i]->name.data, name.data, name.len) == 0)
        {
            t->provider = p[i];

            if (t->model.len) {
                t->price = ngx_llmops_price_find(mcf, p[i], &t->model);
            }

            return NGX_OK;
        }
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "unknown provider \"%V\" in target \"%V\" in %V:%ui, write "
                  "\"upstream %V { llm_dialect ...; }\" with a \"server\" or "
                  "\"llm_endpoint\" in it", &name, &t->name, &t->place.file,
                  t->place.line, &name);
    return NGX_ERROR;
}


static ngx_int_t
ngx_llmops_route_names(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route)
{
    ngx_str_t          *match;
    ngx_uint_t          i;
    ngx_llmops_name_t  *name;

    name = ngx_array_push(&mcf->names);
    if (name == NULL) {
        return NGX_ERROR;
    }

    name->name = route->name;
    name->route = route;

    match = route->matches.elts;

    for (i = 0; i < route->matches.nelts; i++) {

        if (match[i].data[match[i].len - 1] == '*') {
            if (ngx_llmops_route_pattern(cf, mcf, route, &match[i])
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            continue;
        }

        name = ngx_array_push(&mcf->models);
        if (name == NULL) {
            return NGX_ERROR;
        }

        name->name = match[i];
        name->route = route;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_route_pattern(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route, ngx_str_t *match)
{
    ngx_llmops_name_t  *name;

    if (match->len == 1) {

        if (mcf->any) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "duplicate \"match *\" in llm_route \"%V\" in "
                          "%V:%ui and in llm_route \"%V\" in %V:%ui",
                          &route->name, &route->place.file, route->place.line,
                          &mcf->any->name, &mcf->any->place.file,
                          mcf->any->place.line);
            return NGX_ERROR;
        }

        mcf->any = route;
        return NGX_OK;
    }

    name = ngx_array_push(&mcf->prefixes);
    if (name == NULL) {
        return NGX_ERROR;
    }

    name->name = *match;
    name->name.len--;
    name->route = route;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_names_check(ngx_conf_t *cf, ngx_array_t *names, const char *what)
{
    ngx_uint_t           i;
    ngx_llmops_name_t   *n;
    ngx_llmops_route_t  *a, *b;

    n = names->elts;

    for (i = 1; i < names->nelts; i++) {
        if (ngx_llmops_name_cmp(&n[i - 1], &n[i]) != 0) {
            continue;
        }

        a = n[i - 1].route;
        b = n[i].route;

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "duplicate %s \"%V\" in llm_route \"%V\" in %V:%ui "
                      "and in llm_route \"%V\" in %V:%ui", what, &n[i].name,
                      &a->name, &a->place.file, a->place.line,
                      &b->name, &b->place.file, b->place.line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static int ngx_libc_cdecl
ngx_llmops_name_cmp(const void *one, const void *two)
{
    const ngx_llmops_name_t  *a = one;
    const ngx_llmops_name_t  *b = two;

    if (a->name.len != b->name.len) {
        return a->name.len < b->name.len ? -1 : 1;
    }

    return ngx_memcmp(a->name.data, b->name.data, a->name.len);
}


static int ngx_libc_cdecl
ngx_llmops_name_cmp_longest(const void *one, const void *two)
{
    return ngx_llmops_name_cmp(two, one);
}


static ngx_llmops_route_t *
ngx_llmops_name_find(ngx_array_t *names, ngx_str_t *name)
{
    int                 rc;
    ngx_uint_t          low, high, mid;
    ngx_llmops_name_t  *n, key;

    n = names->elts;
    key.name = *name;

    low = 0;
    high = names->nelts;

    while (low < high) {
        mid = (low + high) / 2;
        rc = ngx_llmops_name_cmp(&key, &n[mid]);

        if (rc == 0) {
            return n[mid].route;
        }

        if (rc < 0) {
            high = mid;

        } else {
            low = mid + 1;
        }
    }

    return NULL;
}


ngx_llmops_route_t *
ngx_llmops_route_by_name(ngx_llmops_main_conf_t *mcf, ngx_str_t *name)
{
    return ngx_llmops_name_find(&mcf->names, name);
}


ngx_llmops_route_t *
ngx_llmops_route_by_model(ngx_llmops_main_conf_t *mcf, ngx_str_t *model)
{
    ngx_uint_t           i;
    ngx_llmops_name_t   *p;
    ngx_llmops_route_t  *route;

    route = ngx_llmops_name_find(&mcf->models, model);
    if (route) {
        return route;
    }

    p = mcf->prefixes.elts;

    for (i = 0; i < mcf->prefixes.nelts; i++) {
        if (model->len >= p[i].name.len
            && ngx_memcmp(model->data, p[i].name.data, p[i].name.len) == 0)
        {
            return p[i].route;
        }
    }

    return mcf->any;
}
