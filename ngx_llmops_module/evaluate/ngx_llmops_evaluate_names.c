
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_route.h"


/* Whether what a specification names is there: looked at when it comes in, and
   again by who runs it, maybe with another configuration. */


static ngx_int_t ngx_llmops_names_candidate(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluation_spec_t *spec, ngx_llmops_evaluation_candidate_t *c,
    char *err);
static ngx_int_t ngx_llmops_names_target(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluation_spec_t *spec, ngx_str_t *name, char *err);
static ngx_int_t ngx_llmops_names_prompt(ngx_llmops_main_conf_t *mcf,
    ngx_str_t *prompt, char *err);


ngx_int_t
ngx_llmops_evaluation_names(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluation_spec_t *spec, json_t *json, char *err)
{
    ngx_str_t   route;
    ngx_uint_t  i;

    route = ngx_llmops_evaluation_string(json, "route");

    if (json_object_get(json, "route")
        && ngx_llmops_route_by_name(mcf, &route) == NULL)
    {
        return ngx_llmops_spec_error(err, "there is no llm_route \"%V\"",
                                     &route);
    }

    if (spec->judge.len
        && ngx_llmops_names_target(mcf, spec, &spec->judge, err) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < spec->ncandidates; i++) {
        if (ngx_llmops_names_candidate(mcf, spec, &spec->candidates[i], err)
            != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_names_candidate(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluation_spec_t *spec, ngx_llmops_evaluation_candidate_t *c,
    char *err)
{
    if (c->prompt.len
        && ngx_llmops_names_prompt(mcf, &c->prompt, err) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    if (c->route.len && ngx_llmops_route_by_name(mcf, &c->route) == NULL) {
        return ngx_llmops_spec_error(err, "there is no llm_route \"%V\"",
                                     &c->route);
    }

    return c->target.len ? ngx_llmops_names_target(mcf, spec, &c->target, err)
                         : NGX_OK;
}


/* labels of metrics are made of the configuration alone */

static ngx_int_t
ngx_llmops_names_target(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluation_spec_t *spec, ngx_str_t *name, char *err)
{
    ngx_llmops_target_t  *t;

    t = ngx_llmops_evaluation_target(mcf->evaluations, name);

    if (t == NULL) {
        return ngx_llmops_spec_error(err, "the configuration has no target "
                                     "\"%V\", name it in an llm_route or write "
                                     "\"llm_evaluations target=%V;\"", name,
                                     name);
    }

    if (spec->budget && t->price == NULL) {
        return ngx_llmops_spec_error(err, "the price of \"%V\" is not known, "
                                     "so that a budget of \"cost\" would bound "
                                     "nothing: write \"llm_price\", or give a "
                                     "budget of \"tokens\"", name);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_names_prompt(ngx_llmops_main_conf_t *mcf, ngx_str_t *prompt,
    char *err)
{
    u_char  *at;

    at = ngx_strlchr(prompt->data, prompt->data + prompt->len, '@');

    if (at == NULL || at == prompt->data
        || at == prompt->data + prompt->len - 1)
    {
        return ngx_llmops_spec_error(err, "\"prompt\" must be NAME@VERSION");
    }

    /* whether it is there the run finds out: the store may have it */

    return mcf->prompts
           ? NGX_OK : ngx_llmops_spec_error(err, "there are no prompts");
}
