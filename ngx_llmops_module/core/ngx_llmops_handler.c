
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_handler.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_retrieve.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_models.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_guard.h"
#include "ngx_llmops_cache.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_ask.h"


/*
 * A stage: NGX_OK: the next one; NGX_AGAIN: it waits, and will be called again
 * by ngx_llmops_handler_resume(); anything else is what the content handler
 * returns.
 */
typedef ngx_int_t (*ngx_llmops_stage_pt)(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


static ngx_int_t ngx_llmops_handler_run(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_handler_wait(ngx_http_request_t *r);
static void ngx_llmops_handler_resume(ngx_http_request_t *r);
static void ngx_llmops_handler_call(ngx_http_request_t *r);

static ngx_int_t ngx_llmops_stage_named(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_stage_route(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_stage_arm(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_stage_chosen(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_stage_auth(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_stage_retrieve(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_stage_prompt(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_stage_plan(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_stage_rules(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_stage_limits(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_stage_recall_ask(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_stage_recall(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

static ngx_int_t ngx_llmops_stage_asked(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

static ngx_int_t ngx_llmops_handler_no_route(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


/* the way of a request, up to its call */

static const ngx_llmops_stage_pt  ngx_llmops_stages[] = {
    ngx_llmops_stage_named,
    ngx_llmops_stage_route,
    ngx_llmops_stage_arm,
    ngx_llmops_stage_chosen,
    ngx_llmops_stage_auth,
    ngx_llmops_stage_retrieve,
    ngx_llmops_stage_prompt,
    ngx_llmops_stage_plan,
    ngx_llmops_stage_rules,
    ngx_llmops_stage_recall_ask,
    ngx_llmops_handler_targets,
    ngx_llmops_stage_limits,
    ngx_llmops_stage_recall,
    ngx_llmops_handler_targets,
    ngx_llmops_stage_asked,
    NULL
};


ngx_int_t
ngx_llmops_handler(ngx_http_request_t *r)
{
    ngx_int_t          rc;
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ctx == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_llmops_auth_passed(ctx);

    if (ctx->env.op == NGX_LLMOPS_OP_MODELS) {
        return ngx_llmops_models_handler(r, ctx);
    }

    ctx->stage = 0;

    rc = ngx_llmops_handler_run(r, ctx);

    if (rc == NGX_AGAIN) {
        return ngx_llmops_handler_wait(r);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_http_read_client_request_body(r, ngx_llmops_handler_call);

    if (rc >= NGX_HTTP_SPECIAL_RESPONSE) {
        return rc;
    }

    return NGX_DONE;
}


/* NGX_OK: the call is due */

static ngx_int_t
ngx_llmops_handler_run(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t                   rc;
    const ngx_llmops_stage_pt  *stage;

    for (stage = &ngx_llmops_stages[ctx->stage]; *stage; stage++) {
        rc = (*stage)(r, ctx);

        if (rc != NGX_OK) {
            return rc;
        }

        ctx->stage++;
    }

    return NGX_OK;
}


/*
 * A stage waits: the request is held by a count, as one whose body is being
 * read, until resume() finalizes it or hands it to its call.  A caller who
 * leaves ends it before.
 */

static ngx_int_t
ngx_llmops_handler_wait(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->main->count++;

    return NGX_DONE;
}


static void
ngx_llmops_handler_resume(ngx_http_request_t *r)
{
    ngx_int_t          rc;
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_llmops_ctx(r);

    /* others may have learnt meanwhile that a target is to be left alone */

    ngx_llmops_plan_again(ctx);

    rc = ngx_llmops_handler_run(r, ctx);

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_handler_targets(r, ctx);    /* the last stage waits */
    }

    if (rc != NGX_OK) {
        ngx_http_finalize_request(r, rc);
        return;
    }

    r->read_event_handler = ngx_http_block_reading;

    ngx_llmops_call_start(r, ctx);
}


/* the body has been read long ago: nginx calls this at once */

static void
ngx_llmops_handler_call(ngx_http_request_t *r)
{
    ngx_llmops_call_start(r, ngx_http_get_module_ctx(r, ngx_llmops_module));
}


/* the prompt that a caller names may name the model that leads to the route */

static ngx_int_t
ngx_llmops_stage_named(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t   rc;
    ngx_str_t   body, *member;

    if (!ctx->env.prompts) {
        return NGX_OK;
    }

    member = NULL;

    if (ctx->env.prompt_end) {
        if (ngx_llmops_body_memory(r, ctx, &body) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        member = &body;
    }

    rc = ngx_llmops_prompt_named(r, ctx, member, ngx_llmops_handler_resume);

    if (rc == NGX_OK && ctx->prompt && ctx->env.model.len == 0) {
        ctx->env.model = ctx->prompt->model;
    }

    return rc;
}


static ngx_int_t
ngx_llmops_stage_arm(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    if (ctx->route->rollout == NULL) {
        return NGX_OK;
    }

    return ngx_llmops_rollout_arm(r, ctx) == NGX_OK
           ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


/* the route's own; the model is known from here on */

static ngx_int_t
ngx_llmops_stage_chosen(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_llmops_error_t  err;

    if (!ctx->env.prompts) {
        return NGX_OK;
    }

    rc = ngx_llmops_prompt_choose(r, ctx, ctx->route,
                                  ngx_llmops_handler_resume);
    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_rollout_prompt(ctx);

    if (ctx->prompt && ctx->env.model.len == 0) {
        ctx->env.model = ctx->prompt->model;
    }

    return ngx_llmops_envelope_named(&ctx->env, &err) == NGX_OK
           ? NGX_OK : ngx_llmops_deny(r, ctx, &err, 0);
}


static ngx_int_t
ngx_llmops_stage_auth(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t  rc;

    rc = ngx_llmops_auth_check(r, ctx, ctx->route);

    return rc == NGX_DECLINED ? ngx_llmops_handler_no_route(r, ctx) : rc;
}


static ngx_int_t
ngx_llmops_stage_retrieve(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    return ctx->route->retrieve
           ? ngx_llmops_retrieve(r, ctx, ngx_llmops_handler_resume) : NGX_OK;
}


static ngx_int_t
ngx_llmops_stage_prompt(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_str_t  body;

    if (!ctx->env.prompts || !ngx_llmops_prompt_needed(ctx, ctx->route)) {
        return NGX_OK;
    }

    if (ngx_llmops_body_memory(r, ctx, &body) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_llmops_prompt_apply(r, ctx, ctx->route, &body);
}


static ngx_int_t
ngx_llmops_stage_plan(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    return ngx_llmops_plan_make(r, ctx, ctx->route) == NGX_OK
           ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_llmops_stage_rules(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    return ctx->route->ruled
           ? ngx_llmops_rules_request(r, ctx, ctx->route) : NGX_OK;
}


static ngx_int_t
ngx_llmops_stage_limits(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    return ngx_llmops_limits_enter(r, ctx, ngx_llmops_handler_resume);
}


/* before limits: what is asked of Redis leaves with what they ask */

static ngx_int_t
ngx_llmops_stage_recall_ask(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    return ngx_llmops_cache_ask(r, ctx);
}


static ngx_int_t
ngx_llmops_stage_recall(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    return ngx_llmops_cache_recall(r, ctx, ngx_llmops_handler_resume);
}


/* the last one, since it may cost money */

static ngx_int_t
ngx_llmops_stage_asked(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    return ngx_llmops_ask_request(r, ctx, ngx_llmops_handler_resume);
}


static ngx_int_t
ngx_llmops_stage_route(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_str_t                name;
    ngx_llmops_loc_conf_t   *llcf;
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);
    llcf = ngx_http_get_module_loc_conf(r, ngx_llmops_module);

    ctx->route = llcf->fixed;

    if (ctx->route) {
        return NGX_OK;
    }

    if (llcf->route) {

        if (ngx_http_complex_value(r, llcf->route, &name) != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        ctx->route = ngx_llmops_route_by_name(mcf, &name);

        if (ctx->route == NULL) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "there is no llm_route \"%V\"", &name);
            return ngx_llmops_handler_no_route(r, ctx);
        }

        return NGX_OK;
    }

    ctx->route = ngx_llmops_route_by_model(mcf, &ctx->env.model);

    return ctx->route ? NGX_OK : ngx_llmops_handler_no_route(r, ctx);
}


static ngx_int_t
ngx_llmops_handler_no_route(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_error_t  err;

    if (ctx->env.prompts
        && ngx_llmops_envelope_named(&ctx->env, &err) != NGX_OK)
    {
        return ngx_llmops_deny(r, ctx, &err, 0);
    }

    if (ctx->env.model.len == 0) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_NOT_FOUND, "",
                                      "no route serves %V requests without a "
                                      "model", &ctx->env.path);
    }

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    (void) ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_NOT_FOUND,
                                  "model_not_found",
                                  "the model \"%V\" does not exist or you do "
                                  "not have access to it", &ctx->env.model);

    if (ctx->refusal) {
        ngx_str_set(&ctx->refusal->param, "model");
    }

    return NGX_HTTP_NOT_FOUND;
}


/* asked again when the cache is known to have nothing */

ngx_int_t
ngx_llmops_handler_targets(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t           seconds;
    ngx_llmops_error_t   err;

    if (ctx->plan.nsteps || ngx_llmops_cache_may(ctx)) {
        return NGX_OK;
    }

    if (ctx->plan.unsupported) {

        if (ctx->env.op == NGX_LLMOPS_OP_COUNT_TOKENS) {

            /* clients then fall back to an estimate of their own */

            return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_NOT_FOUND,
                                          "", "tokens cannot be counted for "
                                          "this model");
        }

        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_INVALID_REQUEST,
                                      "unsupported_operation",
                                      "the model \"%V\" does not support %V",
                                      &ctx->env.model, &ctx->env.path);
    }

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    if (ctx->plan.wait_status == 429) {
        err.kind = NGX_LLMOPS_ERR_RATE_LIMIT;
        ngx_str_set(&err.message, "the provider's rate limit is reached, "
                                  "retry after the time in retry-after");

    } else {
        err.kind = NGX_LLMOPS_ERR_OVERLOADED;
        ngx_str_set(&err.message, "no provider is available now, "
                                  "retry after the time in retry-after");
    }

    seconds = (ctx->plan.wait + 999) / 1000;

    return ngx_llmops_deny(r, ctx, &err, seconds ? seconds : 1);
}
