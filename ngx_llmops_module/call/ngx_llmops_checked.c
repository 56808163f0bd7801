
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_ask.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_answer.h"


/*
 * Answers of routes with rules.  A whole one is held and checked before its
 * header goes.  Of a stream the header stage reads as much as the rules want
 * held, through the same functions as the input filter later: what has passed
 * the rules waits in call->held, and a rule that is broken still leads to the
 * next target.  Once the header has gone out the stream is cut instead, with
 * the error event of the caller's dialect.
 */


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

ngx_llmops_rule_t *
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

    ngx_llmops_check_replace(call->check, &rule->with, &call->held);

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

    if (ctx->call.fail == NGX_LLMOPS_FAIL_CHECK || ctx->call.replaced
        || ctx->meter.error)
    {
        return NGX_OK;              /* an error has told the end of it */
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
