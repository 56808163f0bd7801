
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_price.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_shadow.h"


/*
 * Routes: which models' names lead where.  Everything is resolved while the
 * configuration is read; a request only looks up sorted arrays.  Names are
 * compared byte by byte: unlike the names of servers, those of models are
 * case-sensitive.
 */


static ngx_int_t ngx_llmops_route_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route);
static ngx_llmops_target_t *ngx_llmops_target_alone(ngx_conf_t *cf,
    ngx_str_t *name, ngx_llmops_place_t *place);
static ngx_int_t ngx_llmops_target_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_target_t *t);
static ngx_int_t ngx_llmops_route_names(ngx_conf_t *cf, ngx_llmops_main_conf_t
    *mcf, ngx_llmops_route_t *route);
static ngx_int_t ngx_llmops_route_pattern(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route, ngx_str_t *match);
static ngx_int_t ngx_llmops_names_check(ngx_conf_t *cf, ngx_array_t *names,
    const char *what);
static int ngx_libc_cdecl ngx_llmops_name_cmp(const void *one, const void
    *two);
static int ngx_libc_cdecl ngx_llmops_name_cmp_longest(const void *one, const
    void *two);
static ngx_llmops_route_t *ngx_llmops_name_find(ngx_array_t *names, ngx_str_t
    *name);


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
            || ngx_llmops_route_names(cf, mcf, routes[i]) != NGX_OK
            || ngx_llmops_rules_resolve(cf, mcf, routes[i]) != NGX_OK
            || ngx_llmops_shadows_resolve(cf, mcf, routes[i]) != NGX_OK)
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


ngx_llmops_target_t *
ngx_llmops_target_named(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_str_t *name, ngx_llmops_place_t *place)
{
    u_char                *slash, *last;
    ngx_uint_t             i;
    ngx_llmops_target_t   *t, **named;

    if (mcf->named == NULL) {
        mcf->named = ngx_array_create(cf->pool, 4,
                                      sizeof(ngx_llmops_target_t *));
        if (mcf->named == NULL) {
            return NULL;
        }
    }

    named = mcf->named->elts;

    for (i = 0; i < mcf->named->nelts; i++) {
        if (named[i]->name.len == name->len
            && ngx_memcmp(named[i]->name.data, name->data, name->len) == 0)
        {
            return named[i];
        }
    }

    last = name->data + name->len;
    slash = ngx_strlchr(name->data, last, '/');

    if (name->len == 0 || slash == name->data || slash == last - 1) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "invalid target \"%V\" in %V:%ui, write UPSTREAM/MODEL",
                      name, &place->file, place->line);
        return NULL;
    }

    t = ngx_llmops_target_alone(cf, name, place);
    named = ngx_array_push(mcf->named);

    if (t == NULL || named == NULL) {
        return NULL;
    }

    if (slash) {
        t->model.data = slash + 1;
        t->model.len = last - slash - 1;
    }

    *named = t;

    return ngx_llmops_target_resolve(cf, mcf, t) == NGX_OK ? t : NULL;
}


/* a target with a route of its own, in which it is the only one */

static ngx_llmops_target_t *
ngx_llmops_target_alone(ngx_conf_t *cf, ngx_str_t *name,
    ngx_llmops_place_t *place)
{
    ngx_llmops_route_t   *route;
    ngx_llmops_target_t  *t;

    route = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_route_t));
    if (route == NULL) {
        return NULL;
    }

    if (ngx_array_init(&route->targets, cf->pool, 1,
                       sizeof(ngx_llmops_target_t))
        != NGX_OK)
    {
        return NULL;
    }

    t = ngx_array_push(&route->targets);
    if (t == NULL) {
        return NULL;
    }

    ngx_memzero(t, sizeof(ngx_llmops_target_t));

    route->ntargets = 1;
    route->total_weight = 1;
    route->attempts = 1;
    route->retry_on = NGX_LLMOPS_ON_DEFAULT|NGX_LLMOPS_ON_CHECK;
    route->place = *place;

    t->name = *name;
    t->weight = 1;
    t->route = route;
    t->place = *place;

    return t;
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
