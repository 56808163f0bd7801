
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_answer.h"


/* What follows from a broken rule while nothing has gone out yet: another
   attempt, or what goes in the answer's place. */


static ngx_int_t ngx_llmops_checked_refuse(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_checked_fixed(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_rule_t *rule);


/* what follows from a broken rule, where nothing has gone out yet */

static ngx_llmops_rule_action_e
ngx_llmops_checked_action(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_rule_t *rule)
{
    ngx_llmops_rule_action_e  action;

    action = rule ? rule->action : NGX_LLMOPS_ACT_NEXT;

    switch (action) {

    case NGX_LLMOPS_ACT_REPLACE:
        return action;

    case NGX_LLMOPS_ACT_NEXT:
    case NGX_LLMOPS_ACT_RETRY:
    case NGX_LLMOPS_ACT_REPAIR:
        return ngx_llmops_call_can_next(r, ctx, NGX_LLMOPS_ON_CHECK)
               ? NGX_LLMOPS_ACT_NEXT : NGX_LLMOPS_ACT_STOP;

    default:
        return NGX_LLMOPS_ACT_STOP;
    }
}


ngx_int_t
ngx_llmops_checked_verdict(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t                  rc;
    ngx_llmops_rule_t         *rule;
    ngx_llmops_rule_action_e   action;

    rule = ngx_llmops_checked_rule(ctx);

    ngx_llmops_checked_note(ctx);

    rc = ngx_llmops_rules_retry(r, ctx, rule);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc == NGX_OK) {
        ctx->call.again = 1;
        action = NGX_LLMOPS_ACT_RETRY;

    } else {
        action = ngx_llmops_checked_action(r, ctx, rule);
    }

    if (rule) {
        ngx_llmops_rules_note(ctx, rule, action, 0);
    }

    switch (action) {

    case NGX_LLMOPS_ACT_RETRY:
    case NGX_LLMOPS_ACT_NEXT:
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_CHECK);

    case NGX_LLMOPS_ACT_REPLACE:
        return ngx_llmops_checked_fixed(r, ctx, rule);

    default:
        return ngx_llmops_checked_refuse(r, ctx);
    }
}


/* an error in place of the answer: its header has not gone out */

static ngx_int_t
ngx_llmops_checked_refuse(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_error_t  err;

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    err.kind = NGX_LLMOPS_ERR_UPSTREAM;
    err.message = ctx->stream_error;
    ngx_str_set(&err.code, "answer_refused");

    if (ngx_llmops_answer_own_error(r, ctx, &err, NGX_HTTP_BAD_GATEWAY)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ctx->call.hold = 1;
    ctx->call.streaming = 0;

    return NGX_OK;
}


/* a whole answer with a fixed text, in the caller's API */

static void
ngx_llmops_checked_answer(ngx_llmops_ctx_t *ctx, ngx_str_t *text,
    ngx_llmops_out_t *out)
{
    if (ctx->env.op == NGX_LLMOPS_OP_RESPONSES) {
        ngx_llmops_responses_whole(&ctx->id, &ctx->env.model, text,
                                   &ctx->meter.usage, out);
        return;
    }

    if (ctx->env.op == NGX_LLMOPS_OP_MESSAGES) {
        (void) ngx_llmops_out_lit(out, "{\"id\":\"msg_");
        (void) ngx_llmops_out_str(out, &ctx->id);
        (void) ngx_llmops_out_lit(out, "\",\"type\":\"message\","
                                  "\"role\":\"assistant\",\"model\":");
        (void) ngx_llmops_out_json(out, ctx->env.model.data,
                                   ctx->env.model.len);
        (void) ngx_llmops_out_lit(out, ",\"content\":[{\"type\":\"text\","
                                  "\"text\":");
        (void) ngx_llmops_out_json(out, text->data, text->len);
        (void) ngx_llmops_out_lit(out, "}],\"stop_reason\":\"refusal\","
                                  "\"stop_sequence\":null,\"usage\":{"
                                  "\"input_tokens\":");
        (void) ngx_llmops_out_int(out, ctx->meter.usage.input);
        (void) ngx_llmops_out_lit(out, ",\"output_tokens\":");
        (void) ngx_llmops_out_int(out, ctx->meter.usage.output);
        (void) ngx_llmops_out_lit(out, "}}");
        return;
    }

    (void) ngx_llmops_out_lit(out, "{\"id\":\"chatcmpl-");
    (void) ngx_llmops_out_str(out, &ctx->id);
    (void) ngx_llmops_out_lit(out, "\",\"object\":\"");

    if (ctx->env.op == NGX_LLMOPS_OP_CHAT) {
        (void) ngx_llmops_out_lit(out, "chat.completion");

    } else {
        (void) ngx_llmops_out_lit(out, "text_completion");
    }

    (void) ngx_llmops_out_lit(out, "\",\"created\":");
    (void) ngx_llmops_out_int(out, ngx_time());
    (void) ngx_llmops_out_lit(out, ",\"model\":");
    (void) ngx_llmops_out_json(out, ctx->env.model.data, ctx->env.model.len);
    (void) ngx_llmops_out_lit(out, ",\"choices\":[{\"index\":0,");

    if (ctx->env.op == NGX_LLMOPS_OP_CHAT) {
        (void) ngx_llmops_out_lit(out, "\"message\":{\"role\":"
                                  "\"assistant\",\"content\":");
        (void) ngx_llmops_out_json(out, text->data, text->len);
        (void) ngx_llmops_out_lit(out, "}");

    } else {
        (void) ngx_llmops_out_lit(out, "\"text\":");
        (void) ngx_llmops_out_json(out, text->data, text->len);
    }

    (void) ngx_llmops_out_lit(out, ",\"finish_reason\":\"content_filter\"}],"
                              "\"usage\":{\"prompt_tokens\":");
    (void) ngx_llmops_out_int(out, ctx->meter.usage.input);
    (void) ngx_llmops_out_lit(out, ",\"completion_tokens\":");
    (void) ngx_llmops_out_int(out, ctx->meter.usage.output);
    (void) ngx_llmops_out_lit(out, ",\"total_tokens\":");
    (void) ngx_llmops_out_int(out, ctx->meter.usage.input
                                   + ctx->meter.usage.output);
    (void) ngx_llmops_out_lit(out, "}}");
}


/* the events of responses, which are no translation's */

static ngx_int_t
ngx_llmops_checked_responses(ngx_llmops_ctx_t *ctx, ngx_str_t *text,
    ngx_llmops_out_t *out)
{
    ngx_llmops_responses_state_t  *state;

    state = ngx_llmops_responses_create();
    if (state == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_responses_begin(state, &ctx->id, &ctx->env.model, out);
    ngx_llmops_responses_say(state, text, &ctx->meter.usage, out);

    ngx_llmops_responses_free(state);

    return out->failed ? NGX_ERROR : NGX_OK;
}


/* the events of a whole answer; out is empty if it fails */

static ngx_int_t
ngx_llmops_checked_replay(ngx_llmops_ctx_t *ctx, ngx_str_t *body,
    ngx_llmops_out_t *out)
{
    ngx_int_t            rc;
    ngx_llmops_xlate_t  *xlate;

    if (ctx->env.op == NGX_LLMOPS_OP_COMPLETIONS) {

        /* an event of it has the form of the whole */

        (void) ngx_llmops_out_lit(out, "data: ");
        (void) ngx_llmops_out_str(out, body);
        (void) ngx_llmops_out_lit(out, "\n\ndata: [DONE]\n\n");

        return out->failed ? NGX_ERROR : NGX_OK;
    }

    xlate = ngx_llmops_xlate_create(ctx->env.dialect, ctx->env.dialect,
                                    ctx->env.op, &ctx->env.model, 1,
                                    ctx->env.include_usage, 0);
    if (xlate == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_xlate_replay(xlate, body, out);

    ngx_llmops_xlate_free(xlate);

    return (rc == NGX_OK && !out->failed) ? NGX_OK : NGX_ERROR;
}


/* the answer that goes in place of one that a rule has refused */

static ngx_int_t
ngx_llmops_checked_fixed(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_rule_t *rule)
{
    ngx_int_t             rc;
    ngx_str_t             body;
    ngx_llmops_out_t      whole, out;
    ngx_llmops_call_t    *call;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    call = &ctx->call;

    ngx_llmops_meter_estimate(&ctx->meter, &ctx->env);

    ngx_llmops_out_init(&whole, NGX_LLMOPS_HOLD_ERROR_MAX);
    ngx_llmops_out_init(&out, NGX_LLMOPS_HOLD_ERROR_MAX);

    if (ctx->env.stream && ctx->env.op == NGX_LLMOPS_OP_RESPONSES) {
        rc = ngx_llmops_checked_responses(ctx, &rule->with, &out);

    } else {
        ngx_llmops_checked_answer(ctx, &rule->with, &whole);
        rc = whole.failed ? NGX_ERROR : NGX_OK;

        if (rc == NGX_OK && ctx->env.stream) {
            body.data = whole.data;
            body.len = whole.len;

            rc = ngx_llmops_checked_replay(ctx, &body, &out);
            ngx_llmops_out_free(&whole);

        } else {
            out = whole;
        }
    }

    if (rc != NGX_OK) {
        ngx_llmops_out_free(&out);
        return NGX_ERROR;
    }

    ngx_llmops_out_free(&call->held);

    call->held = out;
    call->hold = 1;
    call->streaming = 0;
    call->fail = NGX_LLMOPS_FAIL_NONE;
    call->broken = 0;
    call->replaced = 1;

    ngx_str_null(&ctx->stream_error);

    u->headers_in.status_n = NGX_HTTP_OK;
    ngx_str_null(&u->headers_in.status_line);

    return ngx_llmops_answer_replaced(r, ctx, ctx->env.stream);
}
