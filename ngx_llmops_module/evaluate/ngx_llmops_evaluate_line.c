
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_evaluate.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_score.h"


/*
 * evaluate NAME FILE ...; of llm_route: becomes what POST would be given, so
 * that there is one way to run it.  Without "candidate=" it looks at what the
 * route has: the candidate of its canary beside the route as it is, or else the
 * route alone.
 */


static ngx_llmops_evaluate_t *ngx_llmops_evaluate_add(ngx_conf_t *cf,
    ngx_llmops_evaluations_t *evs, ngx_llmops_route_t *route);
static ngx_uint_t ngx_llmops_evaluate_known(ngx_llmops_evaluations_t *evs,
    ngx_llmops_route_t *route, ngx_str_t *name);
static ngx_int_t ngx_llmops_evaluate_param(ngx_llmops_evaluate_t *ev,
    ngx_str_t *word);
static ngx_int_t ngx_llmops_evaluate_text(json_t *spec, const char *name,
    ngx_str_t *value);
static ngx_int_t ngx_llmops_evaluate_real(json_t *spec, const char *name,
    ngx_str_t *value);
static ngx_int_t ngx_llmops_evaluate_candidate(json_t *spec,
    const char *name, ngx_str_t *target);
static ngx_int_t ngx_llmops_evaluate_check(json_t *spec, ngx_str_t *type);
static ngx_int_t ngx_llmops_evaluate_budget(json_t *spec, ngx_str_t *value);
static void ngx_llmops_evaluate_cleanup(void *data);
static ngx_int_t ngx_llmops_evaluate_default(ngx_llmops_evaluate_t *ev);
static ngx_int_t ngx_llmops_evaluate_cases(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_evaluate_t *ev,
    ngx_llmops_evaluation_spec_t *spec, char *err);
static ngx_int_t ngx_llmops_evaluate_case(ngx_llmops_evaluations_t *evs,
    ngx_llmops_dataset_t *set, ngx_uint_t n, ngx_llmops_scorer_t *scorer,
    char *err);


static const char  ngx_llmops_evaluate_rubric[] =
    "The answer is correct, complete and to the point. Where an expected "
    "answer is given, it says the same.";


char *
ngx_llmops_evaluate_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_route_t *route = conf;

    ngx_str_t                 *value;
    ngx_uint_t                 i;
    ngx_llmops_evaluate_t     *ev;
    ngx_llmops_evaluations_t  *evs;

    evs = ngx_llmops_evaluations_conf(cf,
                        ngx_http_conf_get_module_main_conf(cf,
                                                           ngx_llmops_module));
    if (evs == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (ngx_llmops_evaluate_known(evs, route, &value[1])) {
        return "is duplicate";
    }

    ev = ngx_llmops_evaluate_add(cf, evs, route);
    if (ev == NULL) {
        return NGX_CONF_ERROR;
    }

    if (!ngx_llmops_evaluation_is_name(&ev->name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\" of \"evaluate\", it is 1 to "
                           "64 of letters, digits, \".\", \"_\" and \"-\"",
                           &ev->name);
        return NGX_CONF_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, &ev->file, 1) != NGX_OK
        || ngx_llmops_evaluate_text(ev->spec, "name", &ev->name) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    for (i = 3; i < cf->args->nelts; i++) {
        if (ngx_llmops_evaluate_param(ev, &value[i]) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid or duplicate parameter \"%V\" of "
                               "\"evaluate\", it has every=6h, min_score=0.9, "
                               "margin=0.05, judge=UPSTREAM/MODEL, "
                               "candidate=UPSTREAM/MODEL, "
                               "baseline=UPSTREAM/MODEL, check=TYPE, "
                               "concurrency=4 and budget=5usd", &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_llmops_evaluate_t *
ngx_llmops_evaluate_add(ngx_conf_t *cf, ngx_llmops_evaluations_t *evs,
    ngx_llmops_route_t *route)
{
    ngx_str_t              *value;
    ngx_pool_cleanup_t     *cln;
    ngx_llmops_evaluate_t  *ev;

    value = cf->args->elts;
    ev = ngx_array_push(&evs->lines);
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (ev == NULL || cln == NULL) {
        return NULL;
    }

    ngx_memzero(ev, sizeof(ngx_llmops_evaluate_t));

    ev->name = value[1];
    ev->file = value[2];
    ev->route = route;
    ev->place.file = cf->conf_file->file.name;
    ev->place.line = cf->conf_file->line;
    ev->spec = json_object();

    cln->handler = ngx_llmops_evaluate_cleanup;
    cln->data = ev->spec;

    return ev;
}


static ngx_uint_t
ngx_llmops_evaluate_known(ngx_llmops_evaluations_t *evs,
    ngx_llmops_route_t *route, ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_llmops_evaluate_t  *line;

    line = evs->lines.elts;

    for (i = 0; i < evs->lines.nelts; i++) {
        if (line[i].route == route && line[i].name.len == name->len
            && ngx_memcmp(line[i].name.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static void
ngx_llmops_evaluate_cleanup(void *data)
{
    json_decref(data);
}


static ngx_int_t
ngx_llmops_evaluate_param(ngx_llmops_evaluate_t *ev, ngx_str_t *word)
{
    ngx_int_t         n;
    ngx_llmops_arg_t  arg;

    if (ngx_llmops_arg_read(word, &arg) != NGX_OK || arg.value.len == 0) {
        return NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "every") && ev->every == 0) {
        n = ngx_parse_time(&arg.value, 1);
        ev->every = n;
        return n >= 1 ? NGX_OK : NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "min_score")) {
        return ngx_llmops_evaluate_real(ev->spec, "min_score", &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "margin")) {
        return ngx_llmops_evaluate_real(ev->spec, "margin", &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "judge")) {
        return ngx_llmops_evaluate_text(ev->spec, "judge", &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "candidate")) {
        return ngx_llmops_evaluate_candidate(ev->spec, "candidate", &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "baseline")) {
        return ngx_llmops_evaluate_candidate(ev->spec, "baseline", &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "check")) {
        return ngx_llmops_evaluate_check(ev->spec, &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "budget")) {
        return ngx_llmops_evaluate_budget(ev->spec, &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "concurrency")
        && json_object_get(ev->spec, "concurrency") == NULL)
    {
        n = ngx_atoi(arg.value.data, arg.value.len);

        return (n > 0 && n <= NGX_LLMOPS_EVAL_CONCURRENCY
                && json_object_set_new(ev->spec, "concurrency",
                                       json_integer(n)) == 0)
               ? NGX_OK : NGX_ERROR;
    }

    return NGX_ERROR;
}


static ngx_int_t
ngx_llmops_evaluate_text(json_t *spec, const char *name, ngx_str_t *value)
{
    if (json_object_get(spec, name)) {
        return NGX_ERROR;
    }

    return json_object_set_new(spec, name,
                               json_stringn((char *) value->data, value->len))
           == 0 ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_evaluate_real(json_t *spec, const char *name, ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atofp(value->data, value->len, 6);

    if (json_object_get(spec, name) || n == NGX_ERROR || n > 1000000) {
        return NGX_ERROR;
    }

    return json_object_set_new(spec, name, json_real((double) n / 1e6)) == 0
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_evaluate_candidate(json_t *spec, const char *name,
    ngx_str_t *target)
{
    size_t   i;
    json_t  *list, *one;

    list = json_object_get(spec, "candidates");

    if (list == NULL) {
        list = json_array();

        if (json_object_set_new(spec, "candidates", list) != 0) {
            return NGX_ERROR;
        }
    }

    json_array_foreach(list, i, one) {
        if (ngx_strcmp(json_string_value(json_object_get(one, "name")), name)
            == 0)
        {
            return NGX_ERROR;
        }
    }

    return json_array_append_new(list,
               json_pack("{s:s,s:s%}", "name", name, "target",
                         (char *) target->data, target->len)) == 0
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_evaluate_check(json_t *spec, ngx_str_t *type)
{
    json_t  *list, *one;

    list = json_object_get(spec, "checks");

    if (list == NULL) {
        list = json_array();

        if (json_object_set_new(spec, "checks", list) != 0) {
            return NGX_ERROR;
        }
    }

    one = json_pack("{s:s%}", "type", (char *) type->data, type->len);

    if (type->len == 5 && ngx_memcmp(type->data, "judge", 5) == 0
        && json_object_set_new(one, "rubric",
                               json_string(ngx_llmops_evaluate_rubric)) != 0)
    {
        json_decref(one);
        return NGX_ERROR;
    }

    return json_array_append_new(list, one) == 0 ? NGX_OK : NGX_ERROR;
}


/* budget=5usd */

static ngx_int_t
ngx_llmops_evaluate_budget(json_t *spec, ngx_str_t *value)
{
    ngx_int_t  n;

    if (value->len < 4
        || ngx_memcmp(value->data + value->len - 3, "usd", 3) != 0
        || json_object_get(spec, "budget"))
    {
        return NGX_ERROR;
    }

    n = ngx_atofp(value->data, value->len - 3, 6);

    if (n == NGX_ERROR || n == 0) {
        return NGX_ERROR;
    }

    return json_object_set_new(spec, "budget",
                               json_pack("{s:f}", "cost", (double) n / 1e6))
           == 0 ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_llmops_evaluate_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluate_t *ev)
{
    char                           err[NGX_LLMOPS_EVAL_TEXT];
    ngx_int_t                      rc;
    ngx_llmops_evaluation_spec_t   spec;

    if (ngx_llmops_evaluate_default(ev) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_evaluation_spec(ev->spec, &spec, err);

    if (rc == NGX_OK) {
        rc = ngx_llmops_evaluation_names(mcf, &spec, ev->spec, err);
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_evaluate_cases(cf, mcf, ev, &spec, err);
    }

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "evaluate \"%V\" with \"%V\" in %V:%ui: %s", &ev->name,
                  &ev->file, &ev->place.file, ev->place.line, err);
    return NGX_ERROR;
}


/* what the line does not say */

static ngx_int_t
ngx_llmops_evaluate_default(ngx_llmops_evaluate_t *ev)
{
    int                    rc;
    json_t                *list, *one, *stable;
    ngx_str_t              judge = ngx_string("judge");
    ngx_llmops_rollout_t  *ro;

    rc = ngx_llmops_evaluate_text(ev->spec, "route", &ev->route->name);

    rc |= json_object_set_new(ev->spec, "dataset",
               json_pack("{s:s%}", "file", (char *) ev->file.data,
                         ev->file.len));

    if (json_object_get(ev->spec, "judge")
        && json_object_get(ev->spec, "checks") == NULL)
    {
        rc |= ngx_llmops_evaluate_check(ev->spec, &judge);
    }

    list = json_object_get(ev->spec, "candidates");

    if (list == NULL) {
        ro = ev->route->rollout;
        list = json_array();
        stable = json_pack("{s:s,s:s%}", "name", "stable", "route",
                           (char *) ev->route->name.data,
                           ev->route->name.len);

        if (ro && (ro->model.len || ro->reference.len)) {
            one = json_pack("{s:s}", "name", "candidate");

            /* with what the route says, as callers would get it */

            rc |= ngx_llmops_evaluate_text(one, "route", &ev->route->name);

            if (ro->model.len) {
                rc |= ngx_llmops_evaluate_text(one, "target", &ro->model);
            }

            if (ro->reference.len) {
                rc |= ngx_llmops_evaluate_text(one, "prompt", &ro->reference);
            }

            rc |= json_array_append_new(list, one);
            rc |= json_object_set_new(ev->spec, "baseline",
                                      json_string("stable"));
        }

        rc |= json_array_append_new(list, stable);
        rc |= json_object_set_new(ev->spec, "candidates", list);

        return rc ? NGX_ERROR : NGX_OK;
    }

    if (json_array_size(list) == 2) {
        rc |= json_object_set_new(ev->spec, "baseline",
                                  json_string("baseline"));
    }

    return rc ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_llmops_evaluate_cases(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluate_t *ev, ngx_llmops_evaluation_spec_t *spec, char *err)
{
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_llmops_scorer_t       *scorer;
    ngx_llmops_dataset_t       set;
    ngx_llmops_evaluations_t  *evs;

    evs = mcf->evaluations;
    scorer = NULL;

    ngx_memzero(&set, sizeof(ngx_llmops_dataset_t));

    rc = ngx_llmops_dataset_file(&set, &ev->file, cf->log, err);

    if (rc == NGX_OK && spec->checks) {
        scorer = ngx_llmops_scorer_create(spec->checks, evs->rules.elts,
                                          evs->rules.nelts, err,
                                          NGX_LLMOPS_EVAL_TEXT);
        rc = scorer ? NGX_OK : NGX_DECLINED;
    }

    for (i = 0; rc == NGX_OK && i < set.n; i++) {
        rc = ngx_llmops_evaluate_case(evs, &set, i, scorer, err);
    }

    if (rc == NGX_ERROR) {
        ngx_cpystrn((u_char *) err, (u_char *) "out of memory",
                    NGX_LLMOPS_EVAL_TEXT);
    }

    if (scorer) {
        ngx_llmops_scorer_free(scorer);
    }

    ngx_llmops_dataset_free(&set);

    return rc;
}


static ngx_int_t
ngx_llmops_evaluate_case(ngx_llmops_evaluations_t *evs,
    ngx_llmops_dataset_t *set, ngx_uint_t n, ngx_llmops_scorer_t *scorer,
    char *err)
{
    char                  why[NGX_LLMOPS_EVAL_TEXT - 64];
    json_t               *kase, *checks;
    ngx_int_t             rc;
    ngx_llmops_scorer_t  *own;

    own = NULL;
    kase = ngx_llmops_dataset_case(set, n);
    checks = json_object_get(kase, "checks");

    ngx_cpystrn((u_char *) why, (u_char *) "there is no check for it, write "
                "\"check=TYPE\" or \"judge=\", or give it \"checks\"",
                sizeof(why));

    if (checks) {
        own = ngx_llmops_scorer_create(checks, evs->rules.elts,
                                       evs->rules.nelts, why, sizeof(why));
        scorer = own;
    }

    rc = scorer ? ngx_llmops_score_case(scorer, kase, why, sizeof(why))
                : NGX_DECLINED;

    if (rc != NGX_OK) {
        rc = NGX_DECLINED;
        *ngx_snprintf((u_char *) err, NGX_LLMOPS_EVAL_TEXT - 1,
                      "case %ui: %s", n, why) = '\0';
    }

    if (own) {
        ngx_llmops_scorer_free(own);
    }

    json_decref(kase);

    return rc;
}


ngx_uint_t
ngx_llmops_evaluate_file(ngx_llmops_evaluations_t *evs, ngx_str_t *path)
{
    ngx_uint_t              i;
    ngx_llmops_evaluate_t  *line;

    line = evs->lines.elts;

    for (i = 0; i < evs->lines.nelts; i++) {
        if (line[i].file.len == path->len
            && ngx_memcmp(line[i].file.data, path->data, path->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_llmops_evaluate_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluations_t *evs)
{
    u_char                 *p;
    ngx_str_t               name;
    ngx_uint_t              i;
    ngx_llmops_evaluate_t  *line;

    line = evs->lines.elts;

    for (i = 0; i < evs->lines.nelts; i++) {

        name.len = line[i].route->name.len + 1 + line[i].name.len;
        name.data = ngx_pnalloc(ngx_cycle->pool, name.len);

        if (name.data == NULL) {
            return;
        }

        p = ngx_cpymem(name.data, line[i].route->name.data,
                       line[i].route->name.len);
        *p++ = '\0';
        ngx_memcpy(p, line[i].name.data, line[i].name.len);

        line[i].sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_EVALUATE,
                                          &name,
                                          sizeof(ngx_llmops_evaluate_sh_t));
    }
}
