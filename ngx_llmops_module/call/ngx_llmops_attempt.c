
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_metrics.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_cache.h"
#include "ngx_llmops_ask.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_shadow.h"
#include "ngx_llmops_samples.h"


/*
 * The outer balancer.  nginx calls peer.get for every attempt before there is
 * a socket, and reads u->conf, the request's bufs and the TLS settings only
 * afterwards: so that is where the next target of the plan is entered.  The
 * provider's own balancer (round robin, least_conn, a cache of connections
 * ...) goes on working behind ours; it is entered once per target and freed
 * once per get.
 *
 * Invariants:  call.got is set between an inner get that gave a peer and its
 * inner free;  call.cur only grows;  pc->tries is 0 if and only if nothing
 * more may be tried.
 */


static ngx_str_t  ngx_llmops_mock_name = ngx_string("mock");


static ngx_int_t ngx_llmops_create_request(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_reinit_request(ngx_http_request_t *r);
static void ngx_llmops_outer_hooks(ngx_peer_connection_t *pc, ngx_llmops_ctx_t
    *ctx);
static ngx_int_t ngx_llmops_outer_get(ngx_peer_connection_t *pc, void *data);
static ngx_int_t ngx_llmops_enter_next(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);
static ngx_int_t ngx_llmops_enter(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);
static ngx_int_t ngx_llmops_inner_get(ngx_peer_connection_t *pc,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_call_buffer(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);
static void ngx_llmops_attempt_started(ngx_http_request_t *r, ngx_llmops_ctx_t
    *ctx);
static void ngx_llmops_outer_notify(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t type);
static ngx_int_t ngx_llmops_outer_set_session(ngx_peer_connection_t *pc, void
    *data);
static void ngx_llmops_outer_save_session(ngx_peer_connection_t *pc, void
    *data);


void
ngx_llmops_call_start(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t               drain;
    ngx_http_upstream_t     *u;
    ngx_llmops_loc_conf_t   *llcf;
    ngx_llmops_main_conf_t  *mcf;

    if (ngx_http_upstream_create(r) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);
    llcf = ngx_http_get_module_loc_conf(r, ngx_llmops_module);

    u = r->upstream;

    /* an answer that others may follow does not end with its caller; a detached
       request has none who might leave */

    drain = (llcf->ignore_client_abort || ngx_llmops_cache_leads(ctx))
            && ctx->detached == NULL;

    u->conf = &mcf->outer_conf[drain || ctx->detached];
    u->buffering = 0;
    u->output.tag = (ngx_buf_tag_t) &ngx_llmops_module;

    u->create_request = ngx_llmops_create_request;
    u->reinit_request = ngx_llmops_reinit_request;
    u->process_header = NULL;                   /* set by every get */
    u->abort_request = ngx_llmops_abort;
    u->finalize_request = ngx_llmops_finalize;
    u->input_filter_init = ngx_llmops_filter_init;
    u->input_filter = ngx_llmops_filter;
    u->input_filter_ctx = r;

    if (ngx_llmops_shadow_draw(ctx) != NGX_OK
        || ngx_llmops_sample_draw(ctx) != NGX_OK
        || ngx_llmops_rollout_judge_draw(ctx) != NGX_OK
        || (ctx->plan.route->ruled && ctx->plan.route->ruled->ask_after
            && ngx_llmops_check_op(ctx->env.op)
            && ngx_llmops_keep(ctx, NGX_LLMOPS_KEPT_MAX) != NGX_OK))
    {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    if (drain) {
        ngx_llmops_drain_start(r, ctx);
    }

    ctx->call.first = ngx_current_msec;

    ngx_http_upstream_init(r);
}


static ngx_int_t
ngx_llmops_create_request(ngx_http_request_t *r)
{
    r->upstream->request_bufs = NULL;

    return NGX_OK;
}


/* called after the next get, and not always: nothing may depend on it */

static ngx_int_t
ngx_llmops_reinit_request(ngx_http_request_t *r)
{
    return NGX_OK;
}


ngx_int_t
ngx_llmops_outer_init(ngx_http_request_t *r, ngx_http_upstream_srv_conf_t *us)
{
    ngx_llmops_ctx_t       *ctx;
    ngx_peer_connection_t  *pc;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    pc = &r->upstream->peer;

    ngx_llmops_outer_hooks(pc, ctx);

    pc->tries = ctx->plan.nsteps;

    return NGX_OK;
}


static void
ngx_llmops_outer_hooks(ngx_peer_connection_t *pc, ngx_llmops_ctx_t *ctx)
{
    pc->data = ctx;
    pc->get = ngx_llmops_outer_get;
    pc->free = ngx_llmops_outer_free;
#if (NGX_HTTP_SSL)
    pc->set_session = ngx_llmops_outer_set_session;
    pc->save_session = ngx_llmops_outer_save_session;
#endif
}


static ngx_int_t
ngx_llmops_outer_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_llmops_ctx_t *ctx = data;

    ngx_int_t            rc;
    ngx_llmops_call_t   *call;
    ngx_http_request_t  *r;

    r = ctx->request;
    call = &ctx->call;

    ngx_llmops_attempt_status(r, ctx, 2);

    if (ngx_llmops_call_buffer(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    for ( ;; ) {
        rc = ngx_llmops_enter_next(r, ctx);

        if (rc == NGX_OK) {
            rc = ngx_llmops_inner_get(pc, ctx);
        }

        pc->tries = ctx->plan.nsteps - call->cur;

        if (rc != NGX_BUSY) {
            break;
        }

        /* unresolved, or all its servers are down: costs nothing */

        call->fail = NGX_LLMOPS_FAIL_CONNECT;
        ngx_llmops_target_failed(ngx_llmops_step(ctx)->target, 0, 0);
        ngx_llmops_metrics_attempt(ctx, ngx_llmops_step(ctx)->target, 0,
                                   call->fail);

        if (!ngx_llmops_call_can_next(r, ctx, NGX_LLMOPS_ON_CONNECT)) {
            pc->name = &ngx_llmops_step(ctx)->target->provider->name;
            break;
        }

        ngx_llmops_call_advance(ctx);
    }

    if (rc == NGX_OK || rc == NGX_AGAIN || rc == NGX_DONE) {
        ngx_llmops_attempt_started(r, ctx);
    }

    return rc;
}


/* enters the present step, or the next one whose dialect can say it */

static ngx_int_t
ngx_llmops_enter_next(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_llmops_call_t  *call;

    call = &ctx->call;

    while (!call->entered) {
        rc = ngx_llmops_enter(r, ctx);

        if (rc == NGX_OK) {
            break;
        }

        if (rc != NGX_DECLINED || call->cur + 1 == ctx->plan.nsteps) {
            return NGX_ERROR;
        }

        ngx_llmops_call_advance(ctx);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_enter(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t               rc;
    ngx_llmops_call_t      *call;
    ngx_llmops_step_t      *step;
    ngx_http_upstream_t    *u;
    ngx_llmops_provider_t  *p;
    ngx_peer_connection_t  *pc;

    u = r->upstream;
    pc = &u->peer;
    call = &ctx->call;
    step = ngx_llmops_step(ctx);
    p = step->target->provider;

    rc = ngx_llmops_request_build(r, ctx, step);
    if (rc != NGX_OK) {
        return rc;
    }

    ctx->target = step->target;
    ctx->refusal = NULL;            /* of an earlier step's dialect */
    ctx->error = NGX_LLMOPS_ERR_NONE;

    if (!step->translate) {
        ctx->warnings.len = 0;
    }

    u->conf = &p->uconf;
    u->upstream = p->uscf;
#if (NGX_HTTP_SSL)
    u->ssl = p->ssl;
    u->ssl_name = p->host;
#endif

    call->entered = 1;

    if (p->mock) {
        call->inner_tries = 1;
        return NGX_OK;
    }

    pc->data = NULL;                /* round robin adopts a non-NULL one */
    pc->notify = NULL;

    if (p->uscf->peer.init(r, p->uscf) != NGX_OK) {
        return NGX_ERROR;
    }

    call->inner_data = pc->data;
    call->inner_get = pc->get;
    call->inner_free = pc->free;
    call->inner_notify = pc->notify;
    call->inner_tries = pc->tries;
#if (NGX_HTTP_SSL)
    call->inner_set_session = pc->set_session;
    call->inner_save_session = pc->save_session;
#endif

    ngx_llmops_outer_hooks(pc, ctx);

    if (pc->notify) {
        pc->notify = ngx_llmops_outer_notify;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_inner_get(ngx_peer_connection_t *pc, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t               rc;
    ngx_llmops_call_t      *call;
    ngx_llmops_provider_t  *p;

    call = &ctx->call;
    p = ngx_llmops_step(ctx)->target->provider;

    pc->cached = 0;
    pc->connection = NULL;

    if (p->mock) {
        rc = ngx_llmops_mock_connect(ctx->request, pc);
        pc->name = &ngx_llmops_mock_name;
        call->got = (rc != NGX_ERROR);
        return rc;
    }

    pc->tries = call->inner_tries;

    rc = call->inner_get(pc, call->inner_data);

    call->inner_tries = pc->tries;

    if (rc == NGX_ERROR || rc == NGX_BUSY || rc == NGX_DECLINED) {
        return rc;
    }

    call->got = 1;

    if (rc == NGX_OK && pc->connection == NULL) {

        /* the provider's balancer has no cache of connections: ours has */

        if (ngx_llmops_keepalive_get(p, pc) == NGX_DONE) {
            return NGX_DONE;
        }
    }

    return rc;
}


/*
 * u->buffer is allocated once, for the first provider that answers, and by
 * nginx in the size that this one's configuration gives.  Ours depends on
 * what is asked for: whole answers are read in larger pieces than streams,
 * whose memory counts.
 */

static ngx_int_t
ngx_llmops_call_buffer(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    size_t                  size;
    ngx_http_upstream_t    *u;
    ngx_llmops_loc_conf_t  *llcf;

    u = r->upstream;

    if (u->buffer.start) {
        return NGX_OK;
    }

    llcf = ngx_http_get_module_loc_conf(r, ngx_llmops_module);

    size = llcf->buffer_size;

    if (!ctx->env.stream) {
        size *= 2;
    }

    u->buffer.start = ngx_palloc(r->pool, size);
    if (u->buffer.start == NULL) {
        return NGX_ERROR;
    }

    u->buffer.end = u->buffer.start + size;
    u->buffer.temporary = 1;
    u->buffer.tag = u->output.tag;

    return NGX_OK;
}


static void
ngx_llmops_attempt_started(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t      *call;
    ngx_llmops_provider_t  *p;

    call = &ctx->call;
    p = ngx_llmops_step(ctx)->target->provider;

    call->attempts++;
    call->started = ngx_current_msec;
    call->counted = 1;

    ngx_llmops_target_enter(ngx_llmops_step(ctx)->target);
    ngx_llmops_answer_reset(r, ctx);

    if (ctx->env.stream && p->first_token_timeout) {
        ngx_llmops_call_timer(ctx, p->first_token_timeout);
    }

    if (p->total_timeout) {
        call->deadline.handler = ngx_llmops_total_handler;
        call->deadline.data = ctx;
        call->deadline.log = r->connection->log;
        ngx_add_timer(&call->deadline, p->total_timeout);
    }
}


static void
ngx_llmops_outer_notify(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t type)
{
    ngx_llmops_ctx_t *ctx = data;

    ctx->call.inner_notify(pc, ctx->call.inner_data, type);
}


#if (NGX_HTTP_SSL)

static ngx_int_t
ngx_llmops_outer_set_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_llmops_ctx_t *ctx = data;

    if (ctx->call.inner_set_session) {
        return ctx->call.inner_set_session(pc, ctx->call.inner_data);
    }

    return NGX_OK;
}


static void
ngx_llmops_outer_save_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_llmops_ctx_t *ctx = data;

    if (ctx->call.inner_save_session) {
        ctx->call.inner_save_session(pc, ctx->call.inner_data);
    }
}

#endif
