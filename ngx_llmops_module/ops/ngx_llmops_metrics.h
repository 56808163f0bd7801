
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_METRICS_H_INCLUDED_
#define _NGX_LLMOPS_METRICS_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * Counters and histograms in the shared zone, and their page.  Label values
 * come from the configuration (route, target, operation, error kinds), never
 * from a caller, so that their number is bounded.
 */


/*
 * Gauges of what is in flight are kept by each worker for itself, in a node
 * of the zone that has the number of its process slot.  Only the owner writes
 * it, so that no atomic operation is needed, and a worker that dies takes its
 * counts with it: they are left out as soon as its process is gone, and
 * zeroed by the next one with that slot.
 */


/* Takes this worker's node and sets all its gauges to 0; called once by each
   worker at its start, before any of the functions below. */
void ngx_llmops_metrics_start(ngx_llmops_main_conf_t *mcf);

/* Finds the shared nodes of a target (its sh and series pointers); called in
   each worker at its start.  Without room in the zone t->sh stays NULL. */
void ngx_llmops_metrics_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_target_t *t);

/* A request has entered, or left, the module: the gauge of requests. */
void ngx_llmops_metrics_enter(ngx_llmops_main_conf_t *mcf);
void ngx_llmops_metrics_leave(ngx_llmops_main_conf_t *mcf);

/* How many detached requests this worker has under way. */
void ngx_llmops_metrics_detached(ngx_llmops_main_conf_t *mcf, ngx_uint_t n);

/* One attempt on a target has ended with that status (0: no answer). */
void ngx_llmops_metrics_attempt(ngx_llmops_ctx_t *ctx,
    ngx_llmops_target_t *t, ngx_uint_t status, ngx_llmops_fail_e fail);

/*
 * A request is over: counts it once, with its tokens, cost, duration, first
 * token and kind of error, under ctx->plan.route and ctx->target (which may
 * be NULL: refused before any target).
 */
void ngx_llmops_metrics_account(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx);

/* A call to a target begins, and is over: the gauge of targets. */

static ngx_inline void
ngx_llmops_target_enter(ngx_llmops_target_t *t)
{
    if (t->in_flight) {
        (*t->in_flight)++;
    }
}


static ngx_inline void
ngx_llmops_target_leave(ngx_llmops_target_t *t)
{
    if (t->in_flight && *t->in_flight) {
        (*t->in_flight)--;
    }
}


/* How many calls to a target are in flight, in all workers that live. */
ngx_uint_t ngx_llmops_target_in_flight(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_target_t *t);

/* The handler of llm_metrics: Prometheus text 0.0.4 or OpenMetrics 1.0.0, by
   the Accept header. */
ngx_int_t ngx_llmops_metrics_handler(ngx_http_request_t *r);


#endif /* _NGX_LLMOPS_METRICS_H_INCLUDED_ */
