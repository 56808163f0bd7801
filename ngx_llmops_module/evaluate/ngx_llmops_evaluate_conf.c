
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_evaluate.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_score.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_shadow.h"


/*
 * What evaluations may use is known when the configuration has been read: each
 * target that some line of it names, alone and without the rules and fallbacks
 * of its route, and each llm_rules, by itself.
 */


#define NGX_LLMOPS_EVAL_MAX          100
#define NGX_LLMOPS_EVAL_KEEP         (30 * 86400)
#define NGX_LLMOPS_EVAL_ALL          16


static ngx_int_t ngx_llmops_evaluations_param(ngx_conf_t *cf,
    ngx_llmops_evaluations_t *evs, ngx_str_t *word);
static ngx_int_t ngx_llmops_evaluations_targets(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_evaluations_t *evs);
static ngx_int_t ngx_llmops_evaluations_route(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_evaluations_t *evs,
    ngx_llmops_route_t *route);
static ngx_int_t ngx_llmops_evaluations_target(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_evaluations_t *evs,
    ngx_str_t *name, ngx_llmops_place_t *place);
static ngx_int_t ngx_llmops_evaluations_lines(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_evaluations_t *evs);
static ngx_int_t ngx_llmops_evaluations_rules(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_evaluations_t *evs);
static ngx_llmops_ruled_t *ngx_llmops_evaluations_ruled(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_ruleset_t *set);


ngx_llmops_evaluations_t *
ngx_llmops_evaluations_conf(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_evaluations_t  *evs;

    if (mcf->evaluations) {
        return mcf->evaluations;
    }

    evs = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_evaluations_t));

    if (evs == NULL
        || ngx_array_init(&evs->lines, cf->pool, 4,
                          sizeof(ngx_llmops_evaluate_t)) != NGX_OK
        || ngx_array_init(&evs->targets, cf->pool, 8,
                          sizeof(ngx_llmops_target_t *)) != NGX_OK
        || ngx_array_init(&evs->more, cf->pool, 4, sizeof(ngx_str_t))
           != NGX_OK
        || ngx_array_init(&evs->rules, cf->pool, 4,
                          sizeof(ngx_llmops_score_rules_t)) != NGX_OK)
    {
        return NULL;
    }

    mcf->evaluations = evs;

    return evs;
}


char *
ngx_llmops_evaluations_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_llmops_evaluations_t  *evs;

    evs = ngx_llmops_evaluations_conf(cf, mcf);
    if (evs == NULL) {
        return NGX_CONF_ERROR;
    }

    if (evs->place.line) {
        return "is duplicate";
    }

    evs->place.file = cf->conf_file->file.name;
    evs->place.line = cf->conf_file->line;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_llmops_evaluations_param(cf, evs, &value[i]) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid or duplicate parameter \"%V\" of "
                               "\"llm_evaluations\", it has "
                               "dir=/etc/nginx/llm/datasets, max=100, "
                               "keep=30d, concurrency=16 and "
                               "target=UPSTREAM/MODEL", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_llmops_evaluations_param(ngx_conf_t *cf, ngx_llmops_evaluations_t *evs,
    ngx_str_t *word)
{
    ngx_int_t          n;
    ngx_str_t         *more;
    ngx_llmops_arg_t   arg;

    if (ngx_llmops_arg_read(word, &arg) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "dir") && evs->dir.len == 0 && arg.value.len) {
        evs->dir = arg.value;

        while (evs->dir.len > 1 && evs->dir.data[evs->dir.len - 1] == '/') {
            evs->dir.len--;
        }

        return ngx_conf_full_name(cf->cycle, &evs->dir, 1);
    }

    if (ngx_llmops_arg_is(&arg, "target") && arg.value.len) {
        more = ngx_array_push(&evs->more);
        if (more == NULL) {
            return NGX_ERROR;
        }

        *more = arg.value;
        return NGX_OK;
    }

    if (ngx_llmops_arg_is(&arg, "max") && evs->max == 0) {
        n = ngx_atoi(arg.value.data, arg.value.len);
        evs->max = n;
        return (n > 0 && n <= 10000) ? NGX_OK : NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "concurrency") && evs->concurrency == 0) {
        n = ngx_atoi(arg.value.data, arg.value.len);
        evs->concurrency = n;
        return (n > 0 && n <= 1024) ? NGX_OK : NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "keep") && evs->keep == 0) {
        n = ngx_parse_time(&arg.value, 1);
        evs->keep = n;
        return n > 0 ? NGX_OK : NGX_ERROR;
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_llmops_evaluations_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                 i;
    ngx_llmops_evaluate_t     *line;
    ngx_llmops_evaluations_t  *evs;

    if (mcf->evaluations == NULL && !mcf->admin) {
        return NGX_OK;                       /* nobody could ask for one */
    }

    evs = ngx_llmops_evaluations_conf(cf, mcf);
    if (evs == NULL) {
        return NGX_ERROR;
    }

    evs->max = evs->max ? evs->max : NGX_LLMOPS_EVAL_MAX;
    evs->keep = evs->keep ? evs->keep : NGX_LLMOPS_EVAL_KEEP;
    evs->concurrency = evs->concurrency ? evs->concurrency
                                        : NGX_LLMOPS_EVAL_ALL;

    if (ngx_llmops_evaluations_targets(cf, mcf, evs) != NGX_OK
        || ngx_llmops_evaluations_rules(cf, mcf, evs) != NGX_OK)
    {
        return NGX_ERROR;
    }

    line = evs->lines.elts;

    for (i = 0; i < evs->lines.nelts; i++) {
        if (ngx_llmops_evaluate_init(cf, mcf, &line[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_evaluations_targets(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluations_t *evs)
{
    ngx_str_t             *more;
    ngx_uint_t             i, n;
    ngx_llmops_route_t   **routes;
    ngx_llmops_target_t  **named;

    /* judges, shadows, embeddings; who is pushed is one of them */

    named = mcf->named ? mcf->named->elts : NULL;
    n = mcf->named ? mcf->named->nelts : 0;

    for (i = 0; i < n; i++) {
        if (named[i]->model.len
            && ngx_llmops_evaluations_target(cf, mcf, evs, &named[i]->name,
                                             &named[i]->place)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    if (ngx_llmops_evaluations_lines(cf, mcf, evs) != NGX_OK) {
        return NGX_ERROR;
    }

    more = evs->more.elts;

    for (i = 0; i < evs->more.nelts; i++) {
        if (ngx_llmops_evaluations_target(cf, mcf, evs, &more[i], &evs->place)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {
        if (ngx_llmops_evaluations_route(cf, mcf, evs, routes[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* whom a route asks, and its shadows */

static ngx_int_t
ngx_llmops_evaluations_route(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluations_t *evs, ngx_llmops_route_t *route)
{
    ngx_uint_t            i, n;
    ngx_llmops_shadow_t  *s;
    ngx_llmops_target_t  *t;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {
        if (t[i].model.len
            && ngx_llmops_evaluations_target(cf, mcf, evs, &t[i].name,
                                             &t[i].place)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    s = route->shadows ? route->shadows->elts : NULL;
    n = route->shadows ? route->shadows->nelts : 0;

    for (i = 0; i < n; i++) {
        if (s[i].target->model.len
            && ngx_llmops_evaluations_target(cf, mcf, evs, &s[i].name,
                                             &s[i].place)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* whom "evaluate" asks */

static ngx_int_t
ngx_llmops_evaluations_lines(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluations_t *evs)
{
    size_t                  k;
    json_t                 *one;
    ngx_str_t               name;
    ngx_uint_t              i;
    ngx_llmops_evaluate_t  *line;

    line = evs->lines.elts;

    for (i = 0; i < evs->lines.nelts; i++) {

        name = ngx_llmops_evaluation_string(line[i].spec, "judge");

        if (name.len && ngx_llmops_evaluations_target(cf, mcf, evs, &name,
                                                      &line[i].place)
                        != NGX_OK)
        {
            return NGX_ERROR;
        }

        json_array_foreach(json_object_get(line[i].spec, "candidates"), k,
                           one)
        {
            name = ngx_llmops_evaluation_string(one, "target");

            if (ngx_llmops_evaluations_target(cf, mcf, evs, &name,
                                              &line[i].place)
                != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_evaluations_target(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluations_t *evs, ngx_str_t *name, ngx_llmops_place_t *place)
{
    ngx_llmops_target_t  *t, **slot;

    if (ngx_llmops_evaluation_target(evs, name)) {
        return NGX_OK;
    }

    t = ngx_llmops_target_named(cf, mcf, name, place);
    if (t == NULL) {
        return NGX_ERROR;
    }

    if (t->model.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "invalid target \"%V\" in %V:%ui, write UPSTREAM/MODEL",
                      name, &place->file, place->line);
        return NGX_ERROR;
    }

    slot = ngx_array_push(&evs->targets);
    if (slot == NULL) {
        return NGX_ERROR;
    }

    *slot = t;

    return NGX_OK;
}


ngx_llmops_target_t *
ngx_llmops_evaluation_target(ngx_llmops_evaluations_t *evs, ngx_str_t *name)
{
    ngx_uint_t             i;
    ngx_llmops_target_t  **t;

    t = evs->targets.elts;

    for (i = 0; i < evs->targets.nelts; i++) {
        if (t[i]->name.len == name->len
            && ngx_memcmp(t[i]->name.data, name->data, name->len) == 0)
        {
            return t[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_llmops_evaluations_rules(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluations_t *evs)
{
    ngx_uint_t                  i;
    ngx_llmops_ruled_t         *ruled;
    ngx_llmops_ruleset_t      **sets;
    ngx_llmops_score_rules_t   *rules;

    if (mcf->rulesets == NULL) {
        return NGX_OK;
    }

    sets = mcf->rulesets->elts;

    for (i = 0; i < mcf->rulesets->nelts; i++) {

        ruled = ngx_llmops_evaluations_ruled(cf, mcf, sets[i]);
        rules = ngx_array_push(&evs->rules);

        if (ruled == NULL || rules == NULL) {
            return NGX_ERROR;
        }

        rules->name = sets[i]->name;
        rules->output = &ruled->output;
    }

    return NGX_OK;
}


/* those of a route that has this set alone, if there is one: patterns take
   their time to compile */

static ngx_llmops_ruled_t *
ngx_llmops_evaluations_ruled(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ruleset_t *set)
{
    ngx_str_t            *name;
    ngx_uint_t            i;
    ngx_llmops_route_t   *route, **routes;

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {

        if (routes[i]->rules == NULL || routes[i]->rules->nelts != 1) {
            continue;
        }

        name = routes[i]->rules->elts;

        if (name->len == set->name.len
            && ngx_memcmp(name->data, set->name.data, name->len) == 0)
        {
            return routes[i]->ruled;
        }
    }

    route = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_route_t));
    if (route == NULL) {
        return NULL;
    }

    route->rules = ngx_array_create(cf->pool, 1, sizeof(ngx_str_t));
    name = route->rules ? ngx_array_push(route->rules) : NULL;

    if (name == NULL) {
        return NULL;
    }

    *name = set->name;
    route->name = set->name;
    route->rules_place = set->place;

    return ngx_llmops_rules_resolve(cf, mcf, route) == NGX_OK ? route->ruled
                                                              : NULL;
}
