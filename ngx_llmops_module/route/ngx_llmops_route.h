
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ROUTE_H_INCLUDED_
#define _NGX_LLMOPS_ROUTE_H_INCLUDED_


#include "ngx_llmops.h"


/* llm_route NAME { ... } and the words inside it, for the module's table. */
char *ngx_llmops_route_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_llmops_route_match(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_llmops_route_target(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_llmops_route_retry(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

extern ngx_conf_enum_t  ngx_llmops_select_names[];

/*
 * Completes all routes after the configuration has been read: resolves
 * providers and prices, builds the tables of model names.  NGX_OK or
 * NGX_ERROR (logged with file and line).
 */
ngx_int_t ngx_llmops_routes_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf);

/*
 * The target that a directive names as UPSTREAM/MODEL ("embed=", "judge="), or
 * UPSTREAM alone for those that keep the model of what they are asked with.
 * The same name gives the same target; it belongs to no llm_route (a nameless
 * one with this target alone stands behind it), has its price, and a share in
 * the breaker of all targets of that name.  place is where the name stands, for
 * errors.  Once the providers are known: from ngx_llmops_routes_init() on.
 * NULL: logged with file and line.
 */
ngx_llmops_target_t *ngx_llmops_target_named(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_str_t *name, ngx_llmops_place_t *place);

/* The route that serves a model's name: an exact match, else the longest
   prefix, else "match *", else NULL.  model may have len 0. */
ngx_llmops_route_t *ngx_llmops_route_by_model(ngx_llmops_main_conf_t *mcf,
    ngx_str_t *model);

/* The route of that name, or NULL. */
ngx_llmops_route_t *ngx_llmops_route_by_name(ngx_llmops_main_conf_t *mcf,
    ngx_str_t *name);

/*
 * Makes ctx->plan: the ordered list of targets that may be tried.
 * A pure function of route, envelope and the targets' shared state.  Targets
 * that cannot serve the operation, and those that have asked to be left alone,
 * are not in it; those whose breaker is open come last.  NGX_OK, or NGX_ERROR
 * when out of memory.  With no target left plan.nsteps is 0 and the plan says
 * why.
 */
ngx_int_t ngx_llmops_plan_make(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route);

/*
 * A request whose call has not begun has waited since its plan was made: takes
 * out the targets that have asked to be left alone meanwhile.  plan.nsteps may
 * become 0, as with _make().  A canary's candidate stays.
 */
void ngx_llmops_plan_again(ngx_llmops_ctx_t *ctx);

/* As _make(), for one target alone, whatever the others of its route are. */
ngx_int_t ngx_llmops_plan_target(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_target_t *t);


/*
 * What an attempt taught us of a target, for all workers.  _failed: wait is
 * the provider's hint in ms or 0; status is the HTTP status or 0.  _blocked:
 * whether such a time is not over.  _headers: rate-limit headers of any answer,
 * one by one.
 */
void ngx_llmops_target_failed(ngx_llmops_target_t *t, ngx_uint_t status,
    int64_t wait);
ngx_uint_t ngx_llmops_target_blocked(ngx_llmops_target_t *t);
void ngx_llmops_target_ok(ngx_llmops_target_t *t, ngx_msec_t first_token);
void ngx_llmops_target_header(ngx_llmops_target_t *t, ngx_str_t *name,
    ngx_str_t *value);


#endif /* _NGX_LLMOPS_ROUTE_H_INCLUDED_ */
