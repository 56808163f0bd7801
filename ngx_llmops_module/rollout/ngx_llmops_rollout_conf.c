
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"
#include "ngx_llmops_route.h"


/*
 * canary [UPSTREAM/MODEL] [prompt=NAME@VERSION] [rules=NAME,NAME]
 *        guard=... [guard=...] [share=5% | steps=5%,25%,100%] ...;
 *
 * The candidate's target is one of the route's, with a weight of 0: it is
 * resolved, priced, counted and shown like all others, and no plan has it but
 * those of the candidate's requests.
 */


#define NGX_LLMOPS_ROLLOUT_HOLD     (30 * 60 * 1000)
#define NGX_LLMOPS_ROLLOUT_MIN      200
#define NGX_LLMOPS_ROLLOUT_ALPHA    0.05


static char *ngx_llmops_rollout_candidate(ngx_conf_t *cf,
    ngx_llmops_route_t *route, ngx_llmops_rollout_t *ro, ngx_str_t *name);
static char *ngx_llmops_rollout_finish(ngx_conf_t *cf,
    ngx_llmops_route_t *route, ngx_llmops_rollout_t *ro);
static ngx_int_t ngx_llmops_rollout_name(ngx_conf_t *cf,
    ngx_llmops_route_t *route, ngx_llmops_rollout_t *ro);


char *
ngx_llmops_rollout_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_route_t *route = conf;

    ngx_str_t             *value;
    ngx_uint_t             i, seen;
    ngx_llmops_rollout_t  *ro;

    if (route->rollout) {
        return "is duplicate, a route has one canary at a time";
    }

    ro = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_rollout_t));
    if (ro == NULL) {
        return NGX_CONF_ERROR;
    }

    route->rollout = ro;

    ro->route = route;
    ro->manual = NGX_CONF_UNSET;
    ro->hold = NGX_CONF_UNSET_MSEC;
    ro->place.file = cf->conf_file->file.name;
    ro->place.line = cf->conf_file->line;

    value = cf->args->elts;
    seen = 0;
    i = 1;

    if (ngx_strlchr(value[1].data, value[1].data + value[1].len, '=') == NULL)
    {
        if (ngx_llmops_rollout_candidate(cf, route, ro, &value[1])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        i = 2;
    }

    for ( /* void */ ; i < cf->args->nelts; i++) {
        value = cf->args->elts;

        if (ngx_llmops_rollout_param(cf, ro, &value[i], &seen) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_llmops_rollout_finish(cf, route, ro);
}


/* as "target UPSTREAM/MODEL weight=0;" */

static char *
ngx_llmops_rollout_candidate(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_llmops_rollout_t *ro, ngx_str_t *name)
{
    char                 *rv;
    ngx_str_t            *value;
    ngx_uint_t            i;
    ngx_array_t          *args, target;
    ngx_llmops_target_t  *t;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts; i++) {
        if (t[i].name.len == name->len
            && ngx_memcmp(t[i].name.data, name->data, name->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "the candidate \"%V\" is a target of the route "
                               "already, take it out of \"%s\"", name,
                               t[i].fallback ? "fallback" : "target");
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_array_init(&target, cf->temp_pool, 3, sizeof(ngx_str_t))
        != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    value = ngx_array_push_n(&target, 3);

    ngx_str_set(&value[0], "target");
    value[1] = *name;
    ngx_str_set(&value[2], "weight=0");

    args = cf->args;
    cf->args = &target;

    rv = ngx_llmops_route_target(cf, NULL, route);

    cf->args = args;

    ro->model = *name;

    return rv;
}


static char *
ngx_llmops_rollout_finish(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_llmops_rollout_t *ro)
{
    ngx_conf_init_msec_value(ro->hold, NGX_LLMOPS_ROLLOUT_HOLD);
    ngx_conf_init_value(ro->manual, 0);

    if (ro->min == 0) {
        ro->min = NGX_LLMOPS_ROLLOUT_MIN;
    }

    if (ro->alpha == 0) {
        ro->alpha = NGX_LLMOPS_ROLLOUT_ALPHA;
    }

    if (ro->model.len == 0 && ro->reference.len == 0 && ro->rules.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"canary\" has no candidate, write \"canary "
                           "UPSTREAM/MODEL ...\", \"canary "
                           "prompt=NAME@VERSION ...\" or \"canary rules=NAME "
                           "...\"");
        return NGX_CONF_ERROR;
    }

    if (ro->nguards == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"canary\" without a guard would never be rolled "
                           "back, add for example \"guard=errors<2%%\"");
        return NGX_CONF_ERROR;
    }

    if (ro->nsteps == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"canary\" says nothing of how many requests the "
                           "candidate gets, add \"share=5%%\" or "
                           "\"steps=5%%,25%%,50%%,100%%\"");
        return NGX_CONF_ERROR;
    }

    if (ro->webhook && ro->webhook->url.host.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"canary\" has \"webhook_secret=\" without a URL, "
                           "add \"webhook=https://...\"");
        return NGX_CONF_ERROR;
    }

    if (ro->nevaluations && ro->model.len == 0 && ro->reference.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"evaluation=\" is of a target or of a version of "
                           "a prompt, and this \"canary\" has none");
        return NGX_CONF_ERROR;
    }

    /* each guard, at each step, has its part of the chance */

    ro->needed = ngx_llmops_seq_needed(ro->alpha, ro->nguards * ro->nsteps);

    return ngx_llmops_rollout_name(cf, route, ro) == NGX_OK ? NGX_CONF_OK
                                                            : NGX_CONF_ERROR;
}


/* "openai/gpt-5-mini prompt=support@v4 rules=strict"; the document is
   "ROUTE:..." */

static ngx_int_t
ngx_llmops_rollout_name(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_llmops_rollout_t *ro)
{
    u_char  *p;
    size_t   len;

    len = route->name.len + 1 + ro->model.len + sizeof(" prompt=") - 1
          + ro->reference.len + sizeof(" rules=") - 1 + ro->rules.len;

    p = ngx_pnalloc(cf->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ro->id.data = p;
    p = ngx_sprintf(p, "%V:", &route->name);

    ro->candidate.data = p;
    p = ngx_cpymem(p, ro->model.data, ro->model.len);

    if (ro->reference.len) {
        p = ngx_sprintf(p, "%sprompt=%V", ro->model.len ? " " : "",
                        &ro->reference);
    }

    if (ro->rules.len) {
        p = ngx_sprintf(p, "%srules=%V", p > ro->candidate.data ? " " : "",
                        &ro->rules);
    }

    ro->candidate.len = p - ro->candidate.data;
    ro->id.len = p - ro->id.data;

    if (ro->id.len > NGX_LLMOPS_DOC_ID) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the names of route and candidate are too long, "
                           "they may have %d bytes together",
                           NGX_LLMOPS_DOC_ID - 1);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_llmops_rollout_t *
ngx_llmops_rollout_named(ngx_llmops_main_conf_t *mcf, ngx_str_t *route)
{
    ngx_uint_t               i;
    ngx_llmops_rollout_t   **ro;
    ngx_llmops_rollouts_t   *rollouts;

    rollouts = mcf->rollouts;

    if (rollouts == NULL) {
        return NULL;
    }

    ro = rollouts->rollouts.elts;

    for (i = 0; i < rollouts->rollouts.nelts; i++) {
        if (ro[i]->route->name.len == route->len
            && ngx_memcmp(ro[i]->route->name.data, route->data, route->len)
               == 0)
        {
            return ro[i];
        }
    }

    return NULL;
}
