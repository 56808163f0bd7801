
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_metrics.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_call.h"


/*
 * An attempt is over: its peer is given back, what became of it is counted,
 * and pc->tries says whether, and call.cur and call.entered where, the next one
 * goes.
 */


static void ngx_llmops_attempt_failed(ngx_peer_connection_t *pc,
    ngx_llmops_ctx_t *ctx);
static ngx_uint_t ngx_llmops_attempt_on(ngx_llmops_fail_e fail);
static ngx_uint_t ngx_llmops_attempt_timedout(ngx_peer_connection_t *pc);
static ngx_uint_t ngx_llmops_call_following(ngx_llmops_ctx_t *ctx);


void
ngx_llmops_attempt_status(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t back)
{
    ngx_uint_t                  n;
    ngx_http_upstream_state_t  *state;

    if (ctx->call.real_status == 0) {
        return;
    }

    n = r->upstream_states->nelts;
    state = r->upstream_states->elts;

    if (n >= back) {
        state[n - back].status = ctx->call.real_status;
    }

    ctx->call.real_status = 0;
}


void
ngx_llmops_outer_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_llmops_ctx_t *ctx = data;

    ngx_uint_t              failed;
    ngx_llmops_call_t      *call;
    ngx_llmops_target_t    *t;
    ngx_http_request_t     *r;

    r = ctx->request;
    call = &ctx->call;
    t = ngx_llmops_step(ctx)->target;
    failed = state & (NGX_PEER_FAILED|NGX_PEER_NEXT);

    ngx_llmops_call_timers_off(ctx);

    if (call->counted) {
        call->counted = 0;
        ngx_llmops_target_leave(t);
    }

    if (call->got) {
        call->got = 0;

        if (t->provider->mock) {
            call->inner_tries = 0;

        } else {
            pc->tries = call->inner_tries;
            call->inner_free(pc, call->inner_data, state);
            call->inner_tries = pc->tries;

            if (pc->connection) {
                ngx_llmops_keepalive_put(t->provider, r->upstream, pc, state);
            }
        }
    }

    pc->tries = 0;

    if (failed) {
        ngx_llmops_attempt_failed(pc, ctx);
    }
}


/*
 * Where to go from a failed attempt.  A connection from the cache that died
 * before it gave a byte was stale: the same target again, on a new one.  A
 * server that gave no byte, and did not time out, may have a healthy sibling
 * in the same provider.  Anything else leads to the next target.
 */

static void
ngx_llmops_attempt_failed(ngx_peer_connection_t *pc, ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t             on, silent, timedout;
    ngx_llmops_call_t     *call;
    ngx_http_request_t    *r;

    r = ctx->request;
    call = &ctx->call;

    timedout = ngx_llmops_attempt_timedout(pc);
    silent = (r->upstream->state->bytes_received == 0 && !timedout);

    if (silent && pc->cached) {
        call->inner_tries++;
        call->attempts--;

        /* nginx counts one more itself for a cached connection */

        pc->tries = ctx->plan.nsteps - call->cur - 1;
        return;
    }

    if (call->fail == NGX_LLMOPS_FAIL_NONE) {
        call->fail = timedout ? NGX_LLMOPS_FAIL_FIRST_TOKEN
                   : silent ? NGX_LLMOPS_FAIL_CONNECT
                   : NGX_LLMOPS_FAIL_CLOSED;
    }

    ngx_llmops_call_spend(r, ctx);

    ngx_llmops_metrics_attempt(ctx, ngx_llmops_step(ctx)->target,
                               call->real_status, call->fail);

    if (call->fail != NGX_LLMOPS_FAIL_STATUS
        && call->fail != NGX_LLMOPS_FAIL_CHECK
        && call->fail != NGX_LLMOPS_FAIL_CUT)
    {
        /* for a status the answer's header has done that, with its hints;
           an answer that breaks a rule, or is cut by us, is no outage */

        ngx_llmops_target_failed(ngx_llmops_step(ctx)->target, 0, 0);
    }

    if (silent && call->inner_tries > 0) {
        pc->tries = ctx->plan.nsteps - call->cur;
        return;
    }

    if (call->again) {

        /* a rule has put the reason into the request, which is made anew */

        call->again = 0;
        call->entered = 0;
        pc->tries = ctx->plan.nsteps - call->cur;
        return;
    }

    on = ngx_llmops_attempt_on(call->fail);

    if (ngx_llmops_call_can_next(r, ctx, on)) {
        ngx_llmops_call_advance(ctx);
        pc->tries = ctx->plan.nsteps - call->cur;
    }
}


/* what of "retry on=" lets a failure lead to the next target */

static ngx_uint_t
ngx_llmops_attempt_on(ngx_llmops_fail_e fail)
{
    switch (fail) {

    case NGX_LLMOPS_FAIL_FIRST_TOKEN:
    case NGX_LLMOPS_FAIL_TOTAL:
        return NGX_LLMOPS_ON_TIMEOUT;

    case NGX_LLMOPS_FAIL_STATUS:
        return NGX_LLMOPS_ON_DEFAULT;           /* has been asked before */

    case NGX_LLMOPS_FAIL_FIRST_EVENT:
        return NGX_LLMOPS_ON_FIRST_EVENT;

    case NGX_LLMOPS_FAIL_INVALID:
        return NGX_LLMOPS_ON_INVALID;

    case NGX_LLMOPS_FAIL_CHECK:
    case NGX_LLMOPS_FAIL_CUT:
        return NGX_LLMOPS_ON_CHECK;

    default:
        return NGX_LLMOPS_ON_CONNECT;
    }
}


static ngx_uint_t
ngx_llmops_attempt_timedout(ngx_peer_connection_t *pc)
{
    ngx_connection_t  *c;

    c = pc->connection;

    return c && (c->read->timedout || c->write->timedout);
}


ngx_uint_t
ngx_llmops_call_can_next(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t on)
{
    ngx_uint_t           again;
    ngx_msec_t           elapsed;
    ngx_llmops_route_t  *route;

    route = ctx->plan.route;

    /* what a rule asks once more has its own bound */

    again = ctx->ruling ? ctx->ruling->tries : 0;

    if (!(route->retry_on & on)
        || ngx_llmops_call_following(ctx) >= ctx->plan.nsteps
        || ctx->call.attempts >= route->attempts + again)
    {
        return 0;
    }

    elapsed = ngx_current_msec - ctx->call.first;

    return route->retry_timeout == 0 || elapsed < route->retry_timeout;
}


/* the next step whose target has not asked to be left alone since the plan was
   made, or plan.nsteps */

static ngx_uint_t
ngx_llmops_call_following(ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t  i;

    for (i = ctx->call.cur + 1; i < ctx->plan.nsteps; i++) {
        if (!ngx_llmops_target_blocked(ctx->plan.steps[i].target)) {
            break;
        }
    }

    return i;
}


/* another worker may hear of such a wish between the two looks */

void
ngx_llmops_call_advance(ngx_llmops_ctx_t *ctx)
{
    ctx->call.cur = ngx_min(ngx_llmops_call_following(ctx),
                            ctx->plan.nsteps - 1);
    ctx->call.entered = 0;
}
