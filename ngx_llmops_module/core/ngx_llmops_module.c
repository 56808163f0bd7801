
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_conf.h"
#include "ngx_llmops_variables.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_price.h"
#include "ngx_llmops_metrics.h"
#include "ngx_llmops_headers.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_auth.h"
#include "ngx_llmops_redis.h"
#include "ngx_llmops_admin.h"
#include "ngx_llmops_cache.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_registry.h"
#include "ngx_llmops_feedback.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_shadow.h"
#include "ngx_llmops_evaluate.h"
#include "ngx_llmops_samples.h"
#include "ngx_llmops_index.h"


/*
 * The module as nginx sees it: its directives, where they may stand, and the
 * hooks.  The table of directives is the shortest manual there is.
 */


static ngx_int_t ngx_llmops_preconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_llmops_postconfiguration(ngx_conf_t *cf);
static ngx_int_t ngx_llmops_phase(ngx_http_core_main_conf_t *cmcf,
    ngx_uint_t phase, ngx_http_handler_pt handler);
static ngx_int_t ngx_llmops_init_process(ngx_cycle_t *cycle);
static void ngx_llmops_attach(ngx_llmops_main_conf_t *mcf);
static void ngx_llmops_exit_process(ngx_cycle_t *cycle);


static ngx_command_t  ngx_llmops_commands[] = {

    /* http{} */

    { ngx_string("llm_zone"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_llmops_zone_directive,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("llm_state"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_path_slot,
      NGX_HTTP_MAIN_CONF_OFFSET,
      offsetof(ngx_llmops_main_conf_t, state),
      NULL },

    NGX_LLMOPS_REDIS_COMMANDS,

    NGX_LLMOPS_LIMIT_COMMANDS,

    NGX_LLMOPS_CACHE_COMMANDS,

    { ngx_string("llm_prices"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE1,
      ngx_llmops_prices_directive,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    NGX_LLMOPS_PROMPT_COMMANDS,

    NGX_LLMOPS_INDEX_COMMANDS,

    NGX_LLMOPS_FEEDBACK_COMMANDS,

    NGX_LLMOPS_DETACHED_COMMANDS,

    { ngx_string("llm_route"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_llmops_route_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      NGX_LLMOPS_ROUTE_CONF,
      NULL },

    { ngx_string("llm_pattern"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,
      ngx_llmops_pattern_directive,
      NGX_HTTP_MAIN_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("llm_rules"),
      NGX_HTTP_MAIN_CONF|NGX_CONF_BLOCK|NGX_CONF_TAKE1,
      ngx_llmops_rules_block,
      NGX_HTTP_MAIN_CONF_OFFSET,
      NGX_LLMOPS_RULES_CONF,
      NULL },

    /* llm_rules{} */

    { ngx_string("output"),
      NGX_LLMOPS_RULES_CONF|NGX_CONF_1MORE,
      ngx_llmops_rules_output,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("input"),
      NGX_LLMOPS_RULES_CONF|NGX_CONF_1MORE,
      ngx_llmops_rules_input,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("hold"),
      NGX_LLMOPS_RULES_CONF|NGX_CONF_TAKE1,
      ngx_llmops_rules_hold,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },
    /* who may call */

    NGX_LLMOPS_AUTH_COMMANDS,

    /* llm_route{} */

    { ngx_string("match"),
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,
      ngx_llmops_route_match,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("target"),
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,
      ngx_llmops_route_target,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("fallback"),
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,
      ngx_llmops_route_target,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("select"),
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_enum_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_llmops_route_t, select),
      &ngx_llmops_select_names },

    { ngx_string("retry"),
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,
      ngx_llmops_route_retry,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("strict"),
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_llmops_route_t, strict),
      NULL },

    { ngx_string("rules"),
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,
      ngx_llmops_route_rules,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    NGX_LLMOPS_ROUTE_PROMPT_COMMANDS,

    NGX_LLMOPS_ROLLOUT_COMMANDS,

    NGX_LLMOPS_SHADOW_COMMANDS,

    NGX_LLMOPS_EVALUATE_COMMANDS,
    NGX_LLMOPS_SAMPLES_COMMANDS,

    { ngx_string("include"),
      NGX_LLMOPS_ROUTE_CONF|NGX_LLMOPS_RULES_CONF|NGX_CONF_TAKE1,
      ngx_conf_include,
      0,
      0,
      NULL },

    /* upstream{} */

    NGX_LLMOPS_PROVIDER_COMMANDS,

    { ngx_string("llm_price"),
      NGX_HTTP_UPS_CONF|NGX_CONF_2MORE,
      ngx_llmops_price_directive,
      NGX_HTTP_SRV_CONF_OFFSET,
      0,
      NULL },

    /* location{} and above */

    { ngx_string("llm_pass"),
      NGX_HTTP_LOC_CONF|NGX_HTTP_LIF_CONF|NGX_CONF_NOARGS|NGX_CONF_TAKE1,
      ngx_llmops_pass_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

    { ngx_string("llm_metrics"),
      NGX_HTTP_LOC_CONF|NGX_CONF_NOARGS,
      ngx_llmops_metrics_directive,
      0,
      0,
      NULL },

    NGX_LLMOPS_ADMIN_COMMANDS,

    { ngx_string("llm_ignore_client_abort"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_FLAG,
      ngx_conf_set_flag_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_llmops_loc_conf_t, ignore_client_abort),
      NULL },

    { ngx_string("llm_buffer_size"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_TAKE1,
      ngx_conf_set_size_slot,
      NGX_HTTP_LOC_CONF_OFFSET,
      offsetof(ngx_llmops_loc_conf_t, buffer_size),
      NULL },

    { ngx_string("llm_response_headers"),
      NGX_HTTP_MAIN_CONF|NGX_HTTP_SRV_CONF|NGX_HTTP_LOC_CONF|NGX_CONF_1MORE,
      ngx_llmops_response_headers_directive,
      NGX_HTTP_LOC_CONF_OFFSET,
      0,
      NULL },

      ngx_null_command
};


static ngx_http_module_t  ngx_llmops_module_ctx = {
    ngx_llmops_preconfiguration,           /* preconfiguration */
    ngx_llmops_postconfiguration,          /* postconfiguration */

    ngx_llmops_create_main_conf,           /* create main configuration */
    ngx_llmops_init_main_conf,             /* init main configuration */

    ngx_llmops_provider_create,            /* create server configuration */
    NULL,                                  /* merge server configuration */

    ngx_llmops_create_loc_conf,            /* create location configuration */
    ngx_llmops_merge_loc_conf              /* merge location configuration */
};


ngx_module_t  ngx_llmops_module = {
    NGX_MODULE_V1,
    &ngx_llmops_module_ctx,                /* module context */
    ngx_llmops_commands,                   /* module directives */
    NGX_HTTP_MODULE,                       /* module type */
    NULL,                                  /* init master */
    NULL,                                  /* init module */
    ngx_llmops_init_process,               /* init process */
    NULL,                                  /* init thread */
    NULL,                                  /* exit thread */
    ngx_llmops_exit_process,               /* exit process */
    NULL,                                  /* exit master */
    NGX_MODULE_V1_PADDING
};


static ngx_int_t
ngx_llmops_preconfiguration(ngx_conf_t *cf)
{
    if (ngx_llmops_variables_add(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_auth_variables_add(cf);
}


static ngx_int_t
ngx_llmops_postconfiguration(ngx_conf_t *cf)
{
    ngx_llmops_main_conf_t     *mcf;
    ngx_http_core_main_conf_t  *cmcf;

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_llmops_module);

    if (!mcf->used) {
        return NGX_OK;
    }

    cmcf = ngx_http_conf_get_module_main_conf(cf, ngx_http_core_module);

    if (ngx_llmops_phase(cmcf, NGX_HTTP_PREACCESS_PHASE,
                         ngx_llmops_read_handler)
        != NGX_OK
        || ngx_llmops_phase(cmcf, NGX_HTTP_ACCESS_PHASE,
                            ngx_llmops_auth_access)
           != NGX_OK
        || ngx_llmops_phase(cmcf, NGX_HTTP_LOG_PHASE, ngx_llmops_log_handler)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    /* the last one set runs first: ours on errors before the one that adds
       headers to all answers */

    if (ngx_llmops_headers_init(cf) != NGX_OK) {
        return NGX_ERROR;
    }

    if (mcf->admin) {
        ngx_llmops_admin_filters();
    }

    ngx_llmops_keep_filters(cf);
    ngx_llmops_detached_filters(cf);

    return ngx_llmops_error_filters(cf);
}


static ngx_int_t
ngx_llmops_phase(ngx_http_core_main_conf_t *cmcf, ngx_uint_t phase,
    ngx_http_handler_pt handler)
{
    ngx_http_handler_pt  *h;

    h = ngx_array_push(&cmcf->phases[phase].handlers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    *h = handler;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_init_process(ngx_cycle_t *cycle)
{
    ngx_uint_t               i;
    ngx_llmops_provider_t  **providers;
    ngx_llmops_main_conf_t  *mcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return NGX_OK;
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_llmops_module);

    if (mcf == NULL || !mcf->used) {
        return NGX_OK;
    }

    ngx_llmops_metrics_start(mcf);

    if (ngx_llmops_store_start(cycle, mcf->store) != NGX_OK
        || ngx_llmops_auth_start(cycle, mcf) != NGX_OK
        || ngx_llmops_cache_start(cycle, mcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_llmops_limits_start(mcf);

    if (ngx_llmops_detached_init(cycle, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_llmops_attach(mcf);

    providers = mcf->providers.elts;

    for (i = 0; i < mcf->providers.nelts; i++) {
        if (ngx_llmops_provider_start(cycle, providers[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_llmops_feedback_attach(mcf);

    if (ngx_llmops_samples_start(cycle, mcf) != NGX_OK
        || ngx_llmops_indexes_start(cycle, mcf) != NGX_OK
        || ngx_llmops_registry_start(cycle, mcf) != NGX_OK
        || ngx_llmops_rollouts_start(cycle, mcf) != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_llmops_evaluations_start(cycle, mcf);
}


/* what this worker counts in shared memory, of each route and target */

static void
ngx_llmops_attach(ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t             i, k;
    ngx_llmops_route_t   **routes;
    ngx_llmops_target_t   *targets, **named;

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {
        ngx_llmops_rules_attach(mcf, routes[i]);
        ngx_llmops_shadows_attach(mcf, routes[i]);

        targets = routes[i]->targets.elts;

        for (k = 0; k < routes[i]->targets.nelts; k++) {
            ngx_llmops_metrics_attach(mcf, &targets[k]);
        }
    }

    named = mcf->named ? mcf->named->elts : NULL;

    for (i = 0; mcf->named && i < mcf->named->nelts; i++) {
        ngx_llmops_metrics_attach(mcf, named[i]);
    }
}


static void
ngx_llmops_exit_process(ngx_cycle_t *cycle)
{
    ngx_uint_t               i;
    ngx_llmops_provider_t  **providers;
    ngx_llmops_main_conf_t  *mcf;

    if (ngx_process != NGX_PROCESS_WORKER && ngx_process != NGX_PROCESS_SINGLE)
    {
        return;
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_llmops_module);

    if (mcf == NULL || !mcf->used) {
        return;
    }

    providers = mcf->providers.elts;

    for (i = 0; i < mcf->providers.nelts; i++) {
        ngx_llmops_provider_stop(cycle, providers[i]);
    }

    ngx_llmops_evaluations_stop(mcf);
    ngx_llmops_samples_stop(mcf);
    ngx_llmops_indexes_stop(mcf);
    ngx_llmops_cache_stop(cycle, mcf);
    ngx_llmops_registry_stop(mcf);
    ngx_llmops_rollouts_stop(mcf);
    ngx_llmops_limits_stop(mcf);
    ngx_llmops_auth_stop(cycle, mcf);
    ngx_llmops_store_stop(cycle, mcf->store);
}
