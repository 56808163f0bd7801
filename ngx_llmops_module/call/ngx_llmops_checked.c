
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_ask.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_answer.h"
#include "ngx_llmops_inflate.h"


/*
 * Answers of routes with rules.  A whole one is held and checked before its
 * header goes.  Of a stream the header stage reads as much as the rules want
 * held, through the same functions as the input filter later: what has passed
 * the rules waits in call->held, and a rule that is broken still leads to the
 * next target.  Once the header has gone out the stream is cut instead, with
 * the error event of the caller's dialect.
 */


static ngx_int_t ngx_llmops_checked_refuse(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_checked_fixed(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_rule_t *rule);
static ngx_uint_t ngx_llmops_checked_ready(ngx_llmops_ctx_t *ctx);
static void ngx_llmops_checked_wait(ngx_llmops_ctx_t *ctx);


ngx_uint_t
ngx_llmops_checked_wanted(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_ruled_t  *ruled;

    ruled = ctx->plan.route->ruled;

    return ruled && ngx_llmops_check_op(ctx->env.op)
           && (ruled->output.nrules || ruled->ask_output
               || ngx_llmops_rules_reverse(ctx));
}


ngx_int_t
ngx_llmops_checked_start(ngx_llmops_ctx_t *ctx)
{
    ngx_str_t              body;
    ngx_llmops_call_t     *call;
    ngx_llmops_rules_t    *rules;
    ngx_llmops_reverse_t  *reverse;

    call = &ctx->call;
    rules = &ctx->plan.route->ruled->output;

    ngx_llmops_checked_free(ctx);

    call->check = ngx_llmops_check_create(rules, ctx->env.op);
    if (call->check == NULL) {
        return NGX_ERROR;
    }

    reverse = ngx_llmops_rules_reverse(ctx);

    if (reverse || ngx_llmops_check_asks_request(rules)) {

        if (ngx_llmops_body_memory(ctx->request, ctx, &body) != NGX_OK
            || ngx_llmops_check_request(call->check, &body, reverse)
               != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    ngx_llmops_out_free(&call->held);
    ngx_llmops_out_init(&call->held, NGX_LLMOPS_HOLD_MAX);
    ngx_llmops_out_init(&call->unchecked, NGX_LLMOPS_HOLD_MAX);

    return NGX_OK;
}


void
ngx_llmops_checked_free(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t  *call;

    call = &ctx->call;

    if (call->check) {
        ngx_llmops_check_free(call->check);
        call->check = NULL;
    }

    ngx_llmops_out_free(&call->unchecked);
    call->noted = 0;
}


/* the rule that ended it, found here or by somebody who was asked */

static ngx_llmops_rule_t *
ngx_llmops_checked_rule(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_rule_t  *rule;

    rule = ngx_llmops_ask_broken(ctx);

    return rule ? rule : ngx_llmops_check_broken(ctx->call.check);
}


/* what the rules have done since the last time; the one that is broken is
   noted when it is known what follows from it */

void
ngx_llmops_checked_note(ngx_llmops_ctx_t *ctx)
{
    uint64_t             noted;
    ngx_uint_t           i;
    ngx_llmops_rule_t   *rule, *broken;
    ngx_llmops_rules_t  *rules;

    if (ctx->call.check == NULL) {
        return;
    }

    rules = &ctx->plan.route->ruled->output;
    broken = ngx_llmops_check_broken(ctx->call.check);
    noted = ngx_llmops_check_noted(ctx->call.check) & ~ctx->call.noted;

    for (i = 0; noted && i < rules->nrules; i++) {
        rule = &rules->rules[i];

        if ((noted >> i & 1) && rule != broken) {
            ngx_llmops_rules_note(ctx, rule, rule->action, 0);
        }
    }

    ctx->call.noted |= noted;
}


/* the reason, for log and caller; what the answer said is in neither */

static ngx_int_t
ngx_llmops_checked_message(ngx_llmops_ctx_t *ctx)
{
    u_char             *p;
    ngx_llmops_rule_t  *rule;

    static const char  text[] = "the answer was refused by rule \"%V\"";

    rule = ngx_llmops_checked_rule(ctx);

    if (rule == NULL) {
        ngx_str_set(&ctx->stream_error, "the answer cannot be read by the "
                                        "rules that it is checked with");
        return NGX_OK;
    }

    p = ngx_pnalloc(ctx->request->pool, sizeof(text) + rule->name.len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ctx->stream_error.data = p;
    p = ngx_sprintf(p, text, &rule->name);
    ctx->stream_error.len = p - ctx->stream_error.data;

    return NGX_OK;
}


/* the rest of a stream is a fixed text, and its end is a proper one */

static ngx_int_t
ngx_llmops_checked_replace(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_rule_t *rule)
{
    ngx_llmops_call_t  *call;

    call = &ctx->call;

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "the rest of an answer is replaced by rule \"%V\"",
                  &rule->name);

    ngx_llmops_checked_note(ctx);
    ngx_llmops_rules_note(ctx, rule, NGX_LLMOPS_ACT_REPLACE, 0);

    ngx_llmops_check_replace(call->check, &call->held);

    /* what has come by now is what is charged */

    ngx_llmops_meter_estimate(&ctx->meter, &ctx->env);

    call->ended = 1;
    call->replaced = 1;

    r->upstream->peer.connection->read->eof = 1;

    return NGX_OK;
}


/* a rule is broken, in a stream that has been committed or not */

ngx_int_t
ngx_llmops_checked_broken(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_call_t  *call;
    ngx_llmops_rule_t  *rule;

    call = &ctx->call;
    rule = ngx_llmops_checked_rule(ctx);

    if (call->committed && rule && rule->action == NGX_LLMOPS_ACT_REPLACE) {
        return ngx_llmops_checked_replace(r, ctx, rule);
    }

    call->fail = NGX_LLMOPS_FAIL_CHECK;
    call->broken = 1;
    call->ended = 1;

    if (ngx_llmops_checked_message(ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0, "%V: \"%V\"",
                  &ctx->stream_error, &ngx_llmops_step(ctx)->target->name);

    if (!call->committed) {
        return NGX_OK;
    }

    ngx_llmops_checked_note(ctx);

    if (rule) {
        ngx_llmops_rules_note(ctx, rule, NGX_LLMOPS_ACT_STOP, 0);
    }

    r->upstream->peer.connection->read->eof = 1;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_checked_events(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    u_char *p, size_t len)
{
    ngx_int_t  rc;

    if (ctx->call.fail == NGX_LLMOPS_FAIL_CHECK || ctx->call.replaced) {
        return NGX_OK;                          /* nothing goes any more */
    }

    rc = ngx_llmops_check_events(ctx->call.check, p, len, &ctx->call.held);

    return rc == NGX_DECLINED ? ngx_llmops_checked_broken(r, ctx) : rc;
}


ngx_int_t
ngx_llmops_checked_end(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t  rc;

    if (ctx->call.fail == NGX_LLMOPS_FAIL_CHECK || ctx->call.replaced) {
        return NGX_OK;
    }

    rc = ngx_llmops_check_end(ctx->call.check, &ctx->call.held);

    return rc == NGX_DECLINED ? ngx_llmops_checked_broken(r, ctx) : rc;
}


ngx_int_t
ngx_llmops_checked_translated(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t          rc;
    ngx_llmops_out_t  *out;

    out = &ctx->call.unchecked;

    if (ctx->call.check == NULL) {
        return NGX_OK;
    }

    if (out->failed) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_checked_events(r, ctx, out->data, out->len);

    ngx_llmops_out_reset(out);

    return rc;
}


/* u->process_header of a stream with rules */

ngx_int_t
ngx_llmops_checked_stream(ngx_http_request_t *r)
{
    u_char               *p, *last;
    ngx_int_t             rc;
    ngx_buf_t             b;
    ngx_llmops_ctx_t     *ctx;
    ngx_llmops_call_t    *call;
    ngx_http_upstream_t  *u;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);
    u = r->upstream;
    call = &ctx->call;

    b = u->buffer;

    while ((rc = ngx_llmops_piece(r, call, &b, &p, &last)) == NGX_OK) {
        if (ngx_llmops_stream_read(r, ctx, p, last) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (rc == NGX_ERROR) {
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
    }

    if (call->complete && ngx_llmops_stream_end(r, ctx) != NGX_OK) {
        return NGX_ERROR;
    }

    if (call->fail == NGX_LLMOPS_FAIL_CHECK) {
        return ngx_llmops_checked_verdict(r, ctx);
    }

    if ((ctx->meter.error || (call->complete && ctx->meter.events == 0))
        && ngx_llmops_call_can_next(r, ctx, NGX_LLMOPS_ON_FIRST_EVENT))
    {
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_FIRST_EVENT);
    }

    if (call->complete && !ngx_llmops_stream_complete(ctx)
        && !ctx->meter.error
        && ngx_llmops_call_can_next(r, ctx, NGX_LLMOPS_ON_CONNECT))
    {
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_CLOSED);
    }

    if (call->held.failed) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "provider's answer is too large to be held");
        return ngx_llmops_answer_fail(ctx, NGX_LLMOPS_FAIL_INVALID);
    }

    if (!ngx_llmops_checked_ready(ctx)) {
        ngx_llmops_checked_wait(ctx);
        u->buffer.last = u->buffer.pos;         /* these bytes are ours now */
        return NGX_AGAIN;
    }

    /*
     * nginx looks at what we have to send only when there is something left
     * in its buffer, so that the last bytes stay there: the input filter is
     * told that they have been used.
     */

    call->ahead = u->buffer.last - u->buffer.pos;
    call->extra = (b.pos < b.last);

    ngx_llmops_checked_note(ctx);

    return ctx->meter.error ? NGX_OK : ngx_llmops_asked(r, ctx, 1);
}


/* whether enough has passed for the header to go */

static ngx_uint_t
ngx_llmops_checked_ready(ngx_llmops_ctx_t *ctx)
{
    size_t               passed;
    ngx_llmops_ruled_t  *ruled;

    if (ctx->call.complete || ctx->meter.terminal || ctx->meter.error) {
        return 1;
    }

    ruled = ctx->plan.route->ruled;
    passed = ngx_llmops_check_passed(ctx->call.check);

    switch (ruled->hold) {

    case NGX_LLMOPS_HOLD_FIRST:
        return passed > 0;

    case NGX_LLMOPS_HOLD_SIZE:
        return passed >= ruled->hold_size;

    default: /* NGX_LLMOPS_HOLD_ALL */
        return 0;
    }
}


/* from the first token on the time between two reads counts */

static void
ngx_llmops_checked_wait(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_provider_t  *p;

    if (!ctx->meter.content) {
        return;
    }

    p = ngx_llmops_step(ctx)->target->provider;

    if (p->idle_timeout) {
        ngx_llmops_call_timer(ctx, p->idle_timeout);

    } else if (ctx->call.timer.timer_set) {
        ngx_del_timer(&ctx->call.timer);
    }
}


ngx_int_t
ngx_llmops_checked_whole(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_out_t *out, ngx_uint_t stream)
{
    ngx_int_t            rc;
    ngx_str_t            body;
    ngx_llmops_out_t     passed;
    ngx_llmops_check_t  *check;

    check = ctx->call.check;

    if (check == NULL) {
        return NGX_OK;
    }

    ngx_llmops_out_init(&passed, NGX_LLMOPS_HOLD_MAX);

    if (stream) {
        rc = ngx_llmops_check_events(check, out->data, out->len, &passed);

        if (rc == NGX_OK) {
            rc = ngx_llmops_check_end(check, &passed);
        }

    } else {
        body.data = out->data;
        body.len = out->len;

        rc = ngx_llmops_check_body(check, &body, &passed);
    }

    if (rc == NGX_OK) {
        ngx_llmops_out_free(out);
        *out = passed;

        ngx_llmops_checked_note(ctx);

        return NGX_OK;
    }

    ngx_llmops_out_free(&passed);

    if (rc != NGX_DECLINED) {
        return NGX_ERROR;
    }

    return ngx_llmops_checked_broken(r, ctx) == NGX_OK ? NGX_DECLINED
                                                       : NGX_ERROR;
}


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
    ngx_llmops_out_t      out;
    ngx_llmops_call_t    *call;
    ngx_llmops_error_t    err;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    call = &ctx->call;

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    err.kind = NGX_LLMOPS_ERR_UPSTREAM;
    err.message = ctx->stream_error;
    ngx_str_set(&err.code, "answer_refused");

    ctx->error = err.kind;

    ngx_llmops_out_init(&out, NGX_LLMOPS_HOLD_ERROR_MAX);

    ctx->env.dialect->write_error(&out, ctx->env.op, &err, &ctx->id, 0);

    if (out.failed) {
        ngx_llmops_out_free(&out);
        return NGX_ERROR;
    }

    ngx_llmops_out_free(&call->held);

    call->held = out;
    call->hold = 1;
    call->streaming = 0;

    u->headers_in.status_n = NGX_HTTP_BAD_GATEWAY;
    ngx_str_null(&u->headers_in.status_line);

    return ngx_llmops_answer_replaced(r, ctx, 0);
}


/* a whole answer with a fixed text, in the caller's API */

static void
ngx_llmops_checked_answer(ngx_llmops_ctx_t *ctx, ngx_str_t *text,
    ngx_llmops_out_t *out)
{
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


/* the answer that goes in place of one that a rule has refused */

static ngx_int_t
ngx_llmops_checked_fixed(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_rule_t *rule)
{
    ngx_int_t             rc;
    ngx_str_t             body;
    ngx_llmops_out_t      whole, out;
    ngx_llmops_call_t    *call;
    ngx_llmops_xlate_t   *xlate;
    ngx_http_upstream_t  *u;

    u = r->upstream;
    call = &ctx->call;

    ngx_llmops_meter_estimate(&ctx->meter, &ctx->env);

    ngx_llmops_out_init(&whole, NGX_LLMOPS_HOLD_ERROR_MAX);
    ngx_llmops_out_init(&out, NGX_LLMOPS_HOLD_ERROR_MAX);

    ngx_llmops_checked_answer(ctx, &rule->with, &whole);

    if (whole.failed) {
        ngx_llmops_out_free(&whole);
        return NGX_ERROR;
    }

    if (!ctx->env.stream) {
        out = whole;

    } else if (ctx->env.op == NGX_LLMOPS_OP_COMPLETIONS) {

        /* an event of it has the form of the whole */

        (void) ngx_llmops_out_lit(&out, "data: ");
        (void) ngx_llmops_out_write(&out, whole.data, whole.len);
        (void) ngx_llmops_out_lit(&out, "\n\ndata: [DONE]\n\n");

        ngx_llmops_out_free(&whole);

        if (out.failed) {
            ngx_llmops_out_free(&out);
            return NGX_ERROR;
        }

    } else {
        body.data = whole.data;
        body.len = whole.len;

        xlate = ngx_llmops_xlate_create(ctx->env.dialect, ctx->env.dialect,
                                        ctx->env.op, &ctx->env.model, 1,
                                        ctx->env.include_usage, 0);

        rc = xlate ? ngx_llmops_xlate_replay(xlate, &body, &out) : NGX_ERROR;

        if (xlate) {
            ngx_llmops_xlate_free(xlate);
        }

        ngx_llmops_out_free(&whole);

        if (rc != NGX_OK || out.failed) {
            ngx_llmops_out_free(&out);
            return NGX_ERROR;
        }
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
