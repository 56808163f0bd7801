
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_rules.h"


/* What "canary" names, when all has been read: it may stand further down. */


static ngx_int_t ngx_llmops_rollout_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_rollout_t *ro);
static ngx_int_t ngx_llmops_rollout_resolve_prompt(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_rollout_t *ro);
static ngx_int_t ngx_llmops_rollout_resolve_rules(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_rollout_t *ro);
static ngx_uint_t ngx_llmops_rollout_ruleset(ngx_llmops_main_conf_t *mcf,
    ngx_str_t *name);
static ngx_int_t ngx_llmops_rollout_check(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_rollout_t *ro);
static ngx_int_t ngx_llmops_rollout_resolver(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro);


ngx_int_t
ngx_llmops_rollouts_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t               i;
    ngx_llmops_route_t     **routes;
    ngx_llmops_rollout_t   **slot;
    ngx_llmops_rollouts_t   *rollouts;

    rollouts = NULL;
    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {

        if (routes[i]->rollout == NULL) {
            continue;
        }

        if (rollouts == NULL) {
            rollouts = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_rollouts_t));

            if (rollouts == NULL
                || ngx_array_init(&rollouts->rollouts, cf->pool, 4,
                                  sizeof(ngx_llmops_rollout_t *))
                   != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        slot = ngx_array_push(&rollouts->rollouts);
        if (slot == NULL) {
            return NGX_ERROR;
        }

        *slot = routes[i]->rollout;

        if (ngx_llmops_rollout_resolve(cf, mcf, *slot) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    mcf->rollouts = rollouts;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_resolve(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro)
{
    ngx_uint_t            i;
    ngx_llmops_target_t  *t;

    t = ro->route->targets.elts;

    for (i = 0; ro->model.len && i < ro->route->targets.nelts; i++) {
        if (t[i].name.len == ro->model.len
            && ngx_memcmp(t[i].name.data, ro->model.data, ro->model.len) == 0)
        {
            ro->target = &t[i];
        }
    }

    if (ngx_llmops_rollout_resolve_prompt(cf, mcf, ro) != NGX_OK
        || ngx_llmops_rollout_resolve_rules(cf, mcf, ro) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_llmops_rollout_check(cf, mcf, ro);
}


static ngx_int_t
ngx_llmops_rollout_resolve_prompt(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro)
{
    u_char                      *at;
    ngx_str_t                    name, version;
    ngx_llmops_prompt_family_t  *family;

    if (ro->reference.len == 0) {
        return NGX_OK;
    }

    at = ngx_strlchr(ro->reference.data,
                     ro->reference.data + ro->reference.len, '@');

    name.data = ro->reference.data;
    name.len = at - name.data;
    version.data = at + 1;
    version.len = ro->reference.data + ro->reference.len - version.data;

    family = mcf->prompts ? ngx_llmops_prompt_family(mcf->prompts, &name)
                          : NULL;

    ro->prompt = family ? ngx_llmops_prompt_version(family, &version) : NULL;

    if (ro->prompt) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "unknown prompt \"%V\" in \"canary\" in %V:%ui, write "
                  "\"llm_prompt %V %V FILE;\" in http{}", &ro->reference,
                  &ro->place.file, ro->place.line, &name, &version);
    return NGX_ERROR;
}


/* the route once more, with the candidate's rules in the place of its own; what
   the route becomes until workers start is copied then */

static ngx_int_t
ngx_llmops_rollout_resolve_rules(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro)
{
    ngx_str_t           *names;
    ngx_uint_t           i;
    ngx_llmops_route_t  *other;

    other = ro->other;

    if (other == NULL) {
        return NGX_OK;
    }

    names = other->rules->elts;

    for (i = 0; i < other->rules->nelts; i++) {

        if (!ngx_llmops_rollout_ruleset(mcf, &names[i])) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown llm_rules \"%V\" in \"canary\" in %V:%ui, "
                          "write \"llm_rules %V { ... }\" in http{}",
                          &names[i], &ro->place.file, ro->place.line,
                          &names[i]);
            return NGX_ERROR;
        }
    }

    other->name = ro->route->name;
    other->rules_place = ro->place;

    return ngx_llmops_rules_resolve(cf, mcf, other);
}


static ngx_uint_t
ngx_llmops_rollout_ruleset(ngx_llmops_main_conf_t *mcf, ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_llmops_ruleset_t  **sets;

    sets = mcf->rulesets ? mcf->rulesets->elts : NULL;

    for (i = 0; sets && i < mcf->rulesets->nelts; i++) {
        if (sets[i]->name.len == name->len
            && ngx_memcmp(sets[i]->name.data, name->data, name->len) == 0)
        {
            return 1;
        }
    }

    return 0;
}


void
ngx_llmops_rollout_rules(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro)
{
    ngx_array_t         *rules;
    ngx_llmops_ruled_t  *ruled;

    if (ro->other == NULL) {
        return;
    }

    rules = ro->other->rules;
    ruled = ro->other->ruled;

    *ro->other = *ro->route;

    ro->other->rules = rules;
    ro->other->ruled = ruled;

    ngx_llmops_rules_attach(mcf, ro->other);
}


/* whether guards have something to look at */

static ngx_int_t
ngx_llmops_rollout_check(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro)
{
    if ((ro->measures & (1 << NGX_LLMOPS_MEASURE_CHECKS))
        && ro->route->ruled == NULL && ro->other == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"guard=checks\" in %V:%ui has no rules to look at, add "
                      "\"rules NAME;\" to llm_route \"%V\"",
                      &ro->place.file, ro->place.line, &ro->route->name);
        return NGX_ERROR;
    }

    if ((ro->measures & (1 << NGX_LLMOPS_MEASURE_FEEDBACK))
        && mcf->feedback == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"guard=feedback\" in %V:%ui needs \"llm_feedback "
                      "24h;\" in http{}", &ro->place.file, ro->place.line);
        return NGX_ERROR;
    }

    if ((ro->measures & (1 << NGX_LLMOPS_MEASURE_COST)) && ro->target
        && ro->target->model.len && ro->target->price == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"guard=cost\" in %V:%ui needs the price of \"%V\", "
                      "write \"llm_price %V input=... output=...;\" in its "
                      "upstream{}", &ro->place.file, ro->place.line,
                      &ro->model, &ro->target->model);
        return NGX_ERROR;
    }

    if (ro->fallback && ro->route->ntargets == ro->route->targets.nelts) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"fallback=\" of \"canary\" in %V:%ui has nobody to "
                      "fall back on, add \"fallback UPSTREAM/MODEL;\" to "
                      "llm_route \"%V\"", &ro->place.file, ro->place.line,
                      &ro->route->name);
        return NGX_ERROR;
    }

    if (ngx_llmops_judge_resolve(cf, mcf, ro) != NGX_OK) {
        return NGX_ERROR;
    }

    return ro->webhook ? ngx_llmops_rollout_resolver(cf, ro) : NGX_OK;
}


static ngx_int_t
ngx_llmops_rollout_resolver(ngx_conf_t *cf, ngx_llmops_rollout_t *ro)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (ngx_llmops_net_family(&ro->webhook->url.host) != AF_UNSPEC) {
        return NGX_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* nginx puts in a resolver without servers if none is configured */

    if (clcf->resolver == NULL || clcf->resolver->connections.nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no resolver to resolve \"%V\" of the webhook of "
                      "\"canary\" in %V:%ui, write \"resolver ADDRESS;\" in "
                      "http{}", &ro->webhook->url.host, &ro->place.file,
                      ro->place.line);
        return NGX_ERROR;
    }

    ro->webhook->resolver = clcf->resolver;

    return NGX_OK;
}
