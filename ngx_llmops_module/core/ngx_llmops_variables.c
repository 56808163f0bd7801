
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_variables.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_price.h"
#include "ngx_llmops_guard.h"
#include "ngx_llmops_prompt.h"
#include "ngx_llmops_retrieve.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_cache.h"
#include "ngx_llmops_rollout.h"


/*
 * None of them may be remembered by nginx: what is asked for before the body
 * has been read is not known yet, and most change until the request is over.
 * Values are not copied where the memory lives as long as the request.
 */


typedef enum {
    NGX_LLMOPS_VAR_MODEL = 0,
    NGX_LLMOPS_VAR_ROUTE,
    NGX_LLMOPS_VAR_TARGET,
    NGX_LLMOPS_VAR_PROVIDER,
    NGX_LLMOPS_VAR_UPSTREAM_MODEL,
    NGX_LLMOPS_VAR_OPERATION,
    NGX_LLMOPS_VAR_DIALECT,
    NGX_LLMOPS_VAR_STREAM,
    NGX_LLMOPS_VAR_FINISH_REASON,
    NGX_LLMOPS_VAR_ERROR,
    NGX_LLMOPS_VAR_REQUEST_ID,
    NGX_LLMOPS_VAR_RESPONSE_MODEL,
    NGX_LLMOPS_VAR_WARNINGS,
    NGX_LLMOPS_VAR_USAGE,
    NGX_LLMOPS_VAR_LIMIT,
    NGX_LLMOPS_VAR_LIMIT_DRY_RUN,
    NGX_LLMOPS_VAR_QUOTA_WARNING,
    NGX_LLMOPS_VAR_PROMPT,
    NGX_LLMOPS_VAR_CACHE,
    NGX_LLMOPS_VAR_CACHE_KEY,
    NGX_LLMOPS_VAR_ARM,
    NGX_LLMOPS_VAR_SOURCES
} ngx_llmops_var_e;


typedef enum {
    NGX_LLMOPS_VAR_INPUT = 0,
    NGX_LLMOPS_VAR_OUTPUT,
    NGX_LLMOPS_VAR_TOTAL,
    NGX_LLMOPS_VAR_CACHED,
    NGX_LLMOPS_VAR_CACHE_WRITE,
    NGX_LLMOPS_VAR_REASONING,
    NGX_LLMOPS_VAR_ATTEMPTS,
    NGX_LLMOPS_VAR_ESTIMATED,
    NGX_LLMOPS_VAR_MAX_TOKENS,
    NGX_LLMOPS_VAR_RESERVED
} ngx_llmops_var_number_e;


static ngx_int_t ngx_llmops_variable_text(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_llmops_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_llmops_variable_cost(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_llmops_variable_first_token(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static ngx_int_t ngx_llmops_variable_checks(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data);
static void ngx_llmops_text(ngx_llmops_ctx_t *ctx, uintptr_t which,
    ngx_str_t *value);
static void ngx_llmops_text_answer(ngx_llmops_ctx_t *ctx, uintptr_t which,
    ngx_str_t *value);
static void ngx_llmops_text_target(ngx_llmops_ctx_t *ctx, uintptr_t which,
    ngx_str_t *value);
static int64_t ngx_llmops_number(ngx_llmops_ctx_t *ctx, uintptr_t which);
static int64_t ngx_llmops_number_usage(ngx_llmops_usage_t *usage,
    uintptr_t which);


#define ngx_llmops_var(name, handler, data)                                   \
    { ngx_string(name), NULL, handler, data, NGX_HTTP_VAR_NOCACHEABLE, 0 }


static ngx_http_variable_t  ngx_llmops_variables[] = {

    ngx_llmops_var("llm_model", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_MODEL),
    ngx_llmops_var("llm_route", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_ROUTE),
    ngx_llmops_var("llm_target", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_TARGET),
    ngx_llmops_var("llm_provider", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_PROVIDER),
    ngx_llmops_var("llm_upstream_model", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_UPSTREAM_MODEL),
    ngx_llmops_var("llm_operation", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_OPERATION),
    ngx_llmops_var("llm_dialect", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_DIALECT),
    ngx_llmops_var("llm_stream", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_STREAM),
    ngx_llmops_var("llm_finish_reason", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_FINISH_REASON),
    ngx_llmops_var("llm_error", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_ERROR),
    ngx_llmops_var("llm_request_id", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_REQUEST_ID),
    ngx_llmops_var("llm_response_model", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_RESPONSE_MODEL),
    ngx_llmops_var("llm_warnings", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_WARNINGS),
    ngx_llmops_var("llm_usage", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_USAGE),
    ngx_llmops_var("llm_limit", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_LIMIT),
    ngx_llmops_var("llm_limit_dry_run", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_LIMIT_DRY_RUN),
    ngx_llmops_var("llm_quota_warning", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_QUOTA_WARNING),
    ngx_llmops_var("llm_cache", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_CACHE),
    ngx_llmops_var("llm_cache_key", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_CACHE_KEY),
    ngx_llmops_var("llm_prompt", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_PROMPT),
    ngx_llmops_var("llm_arm", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_ARM),
    ngx_llmops_var("llm_sources", ngx_llmops_variable_text,
                   NGX_LLMOPS_VAR_SOURCES),

    ngx_llmops_var("llm_input_tokens", ngx_llmops_variable_number,
                   NGX_LLMOPS_VAR_INPUT),
    ngx_llmops_var("llm_output_tokens", ngx_llmops_variable_number,
                   NGX_LLMOPS_VAR_OUTPUT),
    ngx_llmops_var("llm_total_tokens", ngx_llmops_variable_number,
                   NGX_LLMOPS_VAR_TOTAL),
    ngx_llmops_var("llm_cached_tokens", ngx_llmops_variable_number,
                   NGX_LLMOPS_VAR_CACHED),
    ngx_llmops_var("llm_cache_write_tokens", ngx_llmops_variable_number,
                   NGX_LLMOPS_VAR_CACHE_WRITE),
    ngx_llmops_var("llm_reasoning_tokens", ngx_llmops_variable_number,
                   NGX_LLMOPS_VAR_REASONING),
    ngx_llmops_var("llm_attempts", ngx_llmops_variable_number,
                   NGX_LLMOPS_VAR_ATTEMPTS),
    ngx_llmops_var("llm_estimated_tokens", ngx_llmops_variable_number,
                   NGX_LLMOPS_VAR_ESTIMATED),
    ngx_llmops_var("llm_max_tokens", ngx_llmops_variable_number,
                   NGX_LLMOPS_VAR_MAX_TOKENS),
    ngx_llmops_var("llm_reserved_tokens", ngx_llmops_variable_number,
                   NGX_LLMOPS_VAR_RESERVED),

    ngx_llmops_var("llm_cost", ngx_llmops_variable_cost, 0),
    ngx_llmops_var("llm_checks", ngx_llmops_variable_checks, 0),
    ngx_llmops_var("llm_first_token_time", ngx_llmops_variable_first_token, 0),

      ngx_http_null_variable
};


ngx_int_t
ngx_llmops_variables_add(ngx_conf_t *cf)
{
    return ngx_llmops_variables_add_all(cf, ngx_llmops_variables);
}


ngx_int_t
ngx_llmops_variables_add_all(ngx_conf_t *cf, ngx_http_variable_t *v)
{
    ngx_http_variable_t  *var;

    for ( /* void */ ; v->name.len; v++) {

        var = ngx_http_add_variable(cf, &v->name, v->flags);
        if (var == NULL) {
            return NGX_ERROR;
        }

        var->get_handler = v->get_handler;
        var->data = v->data;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_variable_text(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    ngx_str_t          value;
    ngx_llmops_ctx_t  *ctx;

    ngx_str_null(&value);

    ctx = ngx_llmops_ctx(r);

    if (ctx) {
        ngx_llmops_text(ctx, data, &value);
    }

    return ngx_llmops_variable_set(v, value.data, value.len);
}


static void
ngx_llmops_text(ngx_llmops_ctx_t *ctx, uintptr_t which, ngx_str_t *value)
{
    switch (which) {

    case NGX_LLMOPS_VAR_MODEL:
        *value = ctx->env.model;
        break;

    case NGX_LLMOPS_VAR_PROMPT:
        if (ctx->prompt) {
            *value = ctx->prompt->full;
        }
        break;

    case NGX_LLMOPS_VAR_ARM:
        ngx_llmops_rollout_arm_name(ctx, value);
        break;

    case NGX_LLMOPS_VAR_ROUTE:
        if (ctx->plan.route) {
            *value = ctx->plan.route->name;
        }
        break;

    case NGX_LLMOPS_VAR_OPERATION:
        if (ctx->env.op != NGX_LLMOPS_OP_NONE) {
            *value = ngx_llmops_op_names[ctx->env.op];
        }
        break;

    case NGX_LLMOPS_VAR_DIALECT:
        if (ctx->env.dialect) {
            *value = ctx->env.dialect->name;
        }
        break;

    case NGX_LLMOPS_VAR_STREAM:
        value->data = (u_char *) (ctx->env.stream ? "1" : "0");
        value->len = 1;
        break;

    case NGX_LLMOPS_VAR_LIMIT:
        ngx_llmops_limits_name(ctx, value);
        break;

    case NGX_LLMOPS_VAR_LIMIT_DRY_RUN:
        ngx_llmops_limits_dry_name(ctx, value);
        break;

    case NGX_LLMOPS_VAR_QUOTA_WARNING:
        ngx_llmops_limits_warnings(ctx, value);
        break;

    case NGX_LLMOPS_VAR_CACHE_KEY:
        ngx_llmops_cache_key_text(ctx, value);
        break;

    case NGX_LLMOPS_VAR_CACHE:
        if (ctx->cached) {
            *value = ngx_llmops_cache_names[ctx->cached->status];
        }

        break;

    case NGX_LLMOPS_VAR_SOURCES:
        ngx_llmops_retrieve_sources(ctx, value);
        break;

    case NGX_LLMOPS_VAR_REQUEST_ID:
        *value = ctx->id;
        break;

    default:
        ngx_llmops_text_answer(ctx, which, value);
    }
}


/* what is known only of an answer, or of a target */

static void
ngx_llmops_text_answer(ngx_llmops_ctx_t *ctx, uintptr_t which,
    ngx_str_t *value)
{
    static const ngx_str_t  usage[] = {
        ngx_string("none"),
        ngx_string("estimated"),
        ngx_string("reported")
    };

    switch (which) {

    case NGX_LLMOPS_VAR_FINISH_REASON:
        if (ctx->call.stopped) {
            ngx_str_set(value, "limit");
            break;
        }

        *value = ngx_llmops_finish_names[ctx->meter.finish];
        break;

    case NGX_LLMOPS_VAR_ERROR:
        *value = ngx_llmops_error_names[ctx->error];
        break;

    case NGX_LLMOPS_VAR_RESPONSE_MODEL:
        value->data = ctx->meter.model;
        value->len = ctx->meter.model_len;
        break;

    case NGX_LLMOPS_VAR_WARNINGS:
        *value = ctx->warnings;
        break;

    case NGX_LLMOPS_VAR_USAGE:
        *value = usage[ctx->meter.usage.source];
        break;

    default:
        if (ctx->target) {
            ngx_llmops_text_target(ctx, which, value);
        }
    }
}


static void
ngx_llmops_text_target(ngx_llmops_ctx_t *ctx, uintptr_t which,
    ngx_str_t *value)
{
    ngx_llmops_target_t  *t = ctx->target;

    switch (which) {

    case NGX_LLMOPS_VAR_TARGET:
        *value = t->name;
        break;

    case NGX_LLMOPS_VAR_PROVIDER:
        *value = t->provider->name;
        break;

    case NGX_LLMOPS_VAR_UPSTREAM_MODEL:
        *value = t->model.len ? t->model : ctx->env.model;
        break;

    default:
        break;
    }
}


static ngx_int_t
ngx_llmops_variable_number(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char            *p;
    int64_t            n;
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_llmops_ctx(r);

    n = ctx ? ngx_llmops_number(ctx, data) : -1;

    if (n < 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_variable_set(v, p, ngx_sprintf(p, "%L", n) - p);
}


/* -1: not known */

static int64_t
ngx_llmops_number(ngx_llmops_ctx_t *ctx, uintptr_t which)
{
    switch (which) {

    case NGX_LLMOPS_VAR_ATTEMPTS:
        return (int64_t) ctx->call.attempts;

    case NGX_LLMOPS_VAR_ESTIMATED:
        return ngx_llmops_estimate_request(ctx->request, ctx);

    case NGX_LLMOPS_VAR_RESERVED:
        return ngx_llmops_limits_reserved_tokens(ctx);

    case NGX_LLMOPS_VAR_MAX_TOKENS:
        return ctx->env.json ? ctx->env.max_tokens : -1;

    default:
        return ngx_llmops_number_usage(&ctx->meter.usage, which);
    }
}


static int64_t
ngx_llmops_number_usage(ngx_llmops_usage_t *usage, uintptr_t which)
{
    if (usage->source == NGX_LLMOPS_USAGE_NONE) {
        return -1;
    }

    switch (which) {

    case NGX_LLMOPS_VAR_INPUT:
        return usage->input;

    case NGX_LLMOPS_VAR_OUTPUT:
        return usage->output;

    case NGX_LLMOPS_VAR_TOTAL:
        return usage->input + usage->output;

    case NGX_LLMOPS_VAR_CACHED:
        return usage->cache_read;

    case NGX_LLMOPS_VAR_CACHE_WRITE:
        return usage->cache_write;

    case NGX_LLMOPS_VAR_REASONING:
        return usage->reasoning;

    default:
        return -1;
    }
}


static ngx_int_t
ngx_llmops_variable_cost(ngx_http_request_t *r, ngx_http_variable_value_t *v,
    uintptr_t data)
{
    u_char            *p;
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_llmops_ctx(r);

    if (ctx == NULL || ctx->cost < 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_LLMOPS_PRICE_TEXT);
    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_variable_set(v, p,
                                   ngx_llmops_price_print(p, ctx->cost) - p);
}


static ngx_int_t
ngx_llmops_variable_first_token(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    u_char            *p;
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_llmops_ctx(r);

    if (ctx == NULL || ctx->first_token == (ngx_msec_t) -1) {
        v->not_found = 1;
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_TIME_T_LEN + 4);
    if (p == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_variable_set(v, p,
                                   ngx_sprintf(p, "%T.%03M",
                                         (time_t) (ctx->first_token / 1000),
                                         ctx->first_token % 1000) - p);
}


static ngx_int_t
ngx_llmops_variable_checks(ngx_http_request_t *r,
    ngx_http_variable_value_t *v, uintptr_t data)
{
    ngx_str_t          text;
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_llmops_ctx(r);

    if (ctx == NULL) {
        v->not_found = 1;
        return NGX_OK;
    }

    if (ngx_llmops_rules_text(r, ctx, ctx->call.finished, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_variable_set(v, text.data, text.len);
}


ngx_int_t
ngx_llmops_variable_set(ngx_http_variable_value_t *v, u_char *p, size_t len)
{
    if (len == 0) {
        v->not_found = 1;
        return NGX_OK;
    }

    v->data = p;
    v->len = (unsigned) len;
    v->valid = 1;
    v->no_cacheable = 0;
    v->not_found = 0;

    return NGX_OK;
}
