
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_rollout.h"


/*
 * The plan of a request: which targets will be asked, in which order.  It is
 * made once, before the first attempt, from the route, the envelope and one
 * look at the targets' shared state, and never changes afterwards: failover
 * only walks along it.
 *
 * Three rings, each in its own order: the targets by the route's "select",
 * then the fallbacks as they are written, then those of both whose breaker is
 * open, which are better than nothing.  A target whose provider has asked to
 * be left alone for a time is in no ring.  Where a rollout has found the
 * targets ill, the fallbacks come before them.
 */


typedef struct {
    ngx_llmops_ctx_t      *ctx;
    ngx_llmops_plan_t     *plan;
    int64_t                now;
    int64_t                wait;           /* the shortest, -1: none */
    ngx_uint_t             capable;
    ngx_llmops_step_t      open[NGX_LLMOPS_MAX_TARGETS];
    ngx_uint_t             nopen;
} ngx_llmops_planner_t;


static ngx_int_t ngx_llmops_plan_begin(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_route_t *route, ngx_uint_t max,
    ngx_llmops_planner_t *pl);
static void ngx_llmops_plan_only(ngx_llmops_planner_t *pl,
    ngx_llmops_route_t *route);
static void ngx_llmops_plan_end(ngx_llmops_planner_t *pl);
static ngx_uint_t ngx_llmops_plan_serves(ngx_llmops_envelope_t *env,
    ngx_llmops_target_t *t, ngx_llmops_step_t *step);
static ngx_uint_t ngx_llmops_plan_blocked(ngx_llmops_planner_t *pl,
    ngx_llmops_target_t *t);
static void ngx_llmops_plan_add(ngx_llmops_planner_t *pl,
    ngx_llmops_target_t *t);
static void ngx_llmops_plan_candidate(ngx_llmops_planner_t *pl);
static void ngx_llmops_plan_fallbacks(ngx_llmops_planner_t *pl,
    ngx_llmops_route_t *route);
static void ngx_llmops_plan_targets(ngx_llmops_planner_t *pl,
    ngx_llmops_route_t *route);
static void ngx_llmops_plan_weighted(ngx_llmops_target_t **t, ngx_uint_t n);
static void ngx_llmops_plan_sorted(ngx_llmops_target_t **t, ngx_uint_t n,
    ngx_uint_t select);
static int64_t ngx_llmops_plan_rank(ngx_llmops_target_t *t,
    ngx_uint_t select);
static int64_t ngx_llmops_plan_headroom(ngx_llmops_target_sh_t *sh);


ngx_int_t
ngx_llmops_plan_make(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route)
{
    ngx_llmops_planner_t  pl;

    if (ngx_llmops_plan_begin(r, ctx, route, route->targets.nelts, &pl)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_llmops_plan_candidate(&pl);

    if (ctx->env.op == NGX_LLMOPS_OP_OTHER) {
        ngx_llmops_plan_only(&pl, route);

    } else if (ngx_llmops_rollout_ill(route)) {
        ngx_llmops_plan_fallbacks(&pl, route);
        ngx_llmops_plan_targets(&pl, route);

    } else {
        ngx_llmops_plan_targets(&pl, route);
        ngx_llmops_plan_fallbacks(&pl, route);
    }

    ngx_llmops_plan_end(&pl);

    return NGX_OK;
}


/*
 * What is passed through untouched may create things that have ids, which are
 * known only where they were made: always the same target, no other, whatever
 * state it is in.
 */

static void
ngx_llmops_plan_only(ngx_llmops_planner_t *pl, ngx_llmops_route_t *route)
{
    ngx_uint_t            i;
    ngx_llmops_target_t  *t;

    t = route->targets.elts;

    for (i = 0; i < route->targets.nelts && pl->capable == 0; i++) {
        if (t[i].weight || i >= route->ntargets) {
            ngx_llmops_plan_add(pl, &t[i]);
        }
    }
}


static void
ngx_llmops_plan_fallbacks(ngx_llmops_planner_t *pl, ngx_llmops_route_t *route)
{
    ngx_uint_t            i;
    ngx_llmops_target_t  *t;

    t = route->targets.elts;

    for (i = route->ntargets; i < route->targets.nelts; i++) {
        ngx_llmops_plan_add(pl, &t[i]);
    }
}


ngx_int_t
ngx_llmops_plan_target(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_target_t *t)
{
    ngx_llmops_planner_t  pl;

    if (ngx_llmops_plan_begin(r, ctx, t->route, 1, &pl) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_llmops_plan_add(&pl, t);
    ngx_llmops_plan_end(&pl);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_plan_begin(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route, ngx_uint_t max, ngx_llmops_planner_t *pl)
{
    ngx_llmops_plan_t  *plan;

    plan = &ctx->plan;

    plan->route = route;
    plan->nsteps = 0;
    plan->steps = ngx_palloc(r->pool, max * sizeof(ngx_llmops_step_t));
    if (plan->steps == NULL) {
        return NGX_ERROR;
    }

    pl->ctx = ctx;
    pl->plan = plan;
    pl->now = ngx_llmops_ticks();
    pl->wait = -1;
    pl->capable = 0;
    pl->nopen = 0;

    return NGX_OK;
}


static void
ngx_llmops_plan_end(ngx_llmops_planner_t *pl)
{
    ngx_uint_t          i;
    ngx_llmops_plan_t  *plan;

    plan = pl->plan;

    for (i = 0; i < pl->nopen; i++) {
        plan->steps[plan->nsteps++] = pl->open[i];
    }

    plan->wait = (pl->wait > 0) ? (ngx_msec_t) pl->wait : 0;
    plan->unsupported = (pl->capable == 0);
}


/*
 * A canary's candidate comes before all others, which are what its callers get
 * when it fails.  An open breaker does not keep requests from it: its guards
 * count failures, and decide better if there are some to count.
 */

static void
ngx_llmops_plan_candidate(ngx_llmops_planner_t *pl)
{
    ngx_llmops_step_t     made;
    ngx_llmops_target_t  *t;

    t = ngx_llmops_rollout_target(pl->ctx);

    if (t == NULL) {
        return;
    }

    if (!ngx_llmops_plan_serves(&pl->ctx->env, t, &made)
        || ngx_llmops_plan_blocked(pl, t))
    {
        ngx_llmops_rollout_leave(pl->ctx);
        return;
    }

    pl->capable++;
    pl->plan->steps[pl->plan->nsteps++] = made;
}


static void
ngx_llmops_plan_targets(ngx_llmops_planner_t *pl, ngx_llmops_route_t *route)
{
    ngx_uint_t            i, n;
    ngx_llmops_target_t  *t, *ordered[NGX_LLMOPS_MAX_TARGETS];

    t = route->targets.elts;
    n = 0;

    for (i = 0; i < route->ntargets; i++) {
        if (t[i].weight) {
            ordered[n++] = &t[i];
        }
    }

    if (n > 1) {
        if (route->select == NGX_LLMOPS_SELECT_WEIGHT) {
            ngx_llmops_plan_weighted(ordered, n);

        } else {
            ngx_llmops_plan_sorted(ordered, n, route->select);
        }
    }

    for (i = 0; i < n; i++) {
        ngx_llmops_plan_add(pl, ordered[i]);
    }
}


static void
ngx_llmops_plan_add(ngx_llmops_planner_t *pl, ngx_llmops_target_t *t)
{
    ngx_llmops_step_t  *step, made;

    if (!ngx_llmops_plan_serves(&pl->ctx->env, t, &made)) {
        return;
    }

    pl->capable++;

    if (ngx_llmops_plan_blocked(pl, t)) {
        return;
    }

    if (t->sh && (int64_t) t->sh->open_until > pl->now) {
        step = &pl->open[pl->nopen++];

    } else {
        step = &pl->plan->steps[pl->plan->nsteps++];
    }

    *step = made;
}


static ngx_uint_t
ngx_llmops_plan_serves(ngx_llmops_envelope_t *env, ngx_llmops_target_t *t,
    ngx_llmops_step_t *step)
{
    step->target = t;
    step->op = env->op;
    step->translate = 0;
    step->dialect = t->provider->mock ? env->dialect : t->provider->dialect;

    if (step->dialect == env->dialect) {
        return (step->dialect->ops >> env->op) & 1;
    }

    step->op = ngx_llmops_xlate_op(env->dialect, step->dialect, env->op);
    step->translate = 1;

    return step->op != NGX_LLMOPS_OP_NONE;
}


static ngx_uint_t
ngx_llmops_plan_blocked(ngx_llmops_planner_t *pl, ngx_llmops_target_t *t)
{
    int64_t  wait;

    if (t->sh == NULL) {
        return 0;
    }

    wait = (int64_t) t->sh->blocked_until - pl->now;

    if (wait <= 0) {
        return 0;
    }

    if (pl->wait == -1 || wait < pl->wait) {
        pl->wait = wait;
        pl->plan->wait_status = t->sh->blocked_status;
    }

    return 1;
}


/* a random order in which the heavier come first more often */

static void
ngx_llmops_plan_weighted(ngx_llmops_target_t **t, ngx_uint_t n)
{
    ngx_uint_t            i, k, total, point;
    ngx_llmops_target_t  *chosen;

    total = 0;

    for (i = 0; i < n; i++) {
        total += t[i]->weight;
    }

    for (i = 0; i + 1 < n; i++) {
        point = (ngx_uint_t) ngx_random() % total;

        for (k = i; k + 1 < n && point >= t[k]->weight; k++) {
            point -= t[k]->weight;
        }

        chosen = t[k];
        t[k] = t[i];
        t[i] = chosen;
        total -= chosen->weight;
    }
}


/* insertion sort: stable, and the arrays are short */

static void
ngx_llmops_plan_sorted(ngx_llmops_target_t **t, ngx_uint_t n,
    ngx_uint_t select)
{
    int64_t               rank[NGX_LLMOPS_MAX_TARGETS], r;
    ngx_uint_t            i, k;
    ngx_llmops_target_t  *moved;

    for (i = 0; i < n; i++) {
        moved = t[i];
        r = ngx_llmops_plan_rank(moved, select);

        for (k = i; k > 0 && rank[k - 1] > r; k--) {
            t[k] = t[k - 1];
            rank[k] = rank[k - 1];
        }

        t[k] = moved;
        rank[k] = r;
    }
}


/* the lowest comes first */

static int64_t
ngx_llmops_plan_rank(ngx_llmops_target_t *t, ngx_uint_t select)
{
    if (select == NGX_LLMOPS_SELECT_COST) {

        if (t->price == NULL || t->price->input < 0 || t->price->output < 0) {
            return NGX_MAX_OFF_T_VALUE;
        }

        /* typical chats read four times what they write */
        return 4 * t->price->input + t->price->output;
    }

    if (t->sh == NULL) {
        return 0;
    }

    if (select == NGX_LLMOPS_SELECT_LATENCY) {
        return (int64_t) t->sh->ewma_first_token;
    }

    return -ngx_llmops_plan_headroom(t->sh);
}


/* what is left of the provider's limits, in thousandths; all if unknown */

static int64_t
ngx_llmops_plan_headroom(ngx_llmops_target_sh_t *sh)
{
    int64_t  requests, tokens;

    requests = 1000;
    tokens = 1000;

    if (sh->remaining_requests && sh->limit_requests) {
        requests = ((int64_t) sh->remaining_requests - 1) * 1000
                   / (int64_t) sh->limit_requests;
    }

    if (sh->remaining_tokens && sh->limit_tokens) {
        tokens = ((int64_t) sh->remaining_tokens - 1) * 1000
                 / (int64_t) sh->limit_tokens;
    }

    return ngx_min(requests, tokens);
}
