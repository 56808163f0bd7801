
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_ask_exchange.h"
#include "ngx_llmops_plain.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_guard.h"
#include "ngx_llmops_call.h"


/*
 * Rules that ask somebody.  All of a request's, or of an answer's, are asked
 * at once; the first who says no decides, and the others are not waited for.
 * Models are asked by detached requests, so that a judge is an upstream with
 * key, TLS, timeouts, breaker and price like any other; a guardrail server by
 * an exchange of our own.
 *
 * Before delivery the request waits: in its stage of the content handler, or
 * with its answer held in the header stage (call/ngx_llmops_asked.c).  After
 * delivery nobody waits, and the asking belongs to nobody: it ends by itself.
 *
 * Who does not answer in time, or so that it cannot be read, has said nothing;
 * fail=open takes that for a yes, fail=closed for a no.  A text that is too
 * long to be sent whole is not asked about in part: what is cut off could be
 * what matters.
 */


#define NGX_LLMOPS_ASK_TEXT     (1024 * 1024)      /* bytes of a text */


/* which of a route's are asked */

typedef enum {
    NGX_LLMOPS_ASK_INPUT = 0,
    NGX_LLMOPS_ASK_OUTPUT,
    NGX_LLMOPS_ASK_AFTER
} ngx_llmops_ask_when_e;


static ngx_int_t ngx_llmops_ask_begin(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx, ngx_llmops_ask_when_e when, ngx_str_t *answer,
    ngx_uint_t stream, ngx_llmops_ask_pt resume,
    ngx_llmops_asking_t **begun);
static ngx_llmops_asking_t *ngx_llmops_ask_create(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx, ngx_llmops_ask_when_e when);


ngx_int_t
ngx_llmops_ask_request(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_ask_pt resume)
{
    ngx_int_t                rc;
    ngx_llmops_ruled_t      *ruled;
    ngx_llmops_rule_t       *broken;
    ngx_llmops_asking_t     *asking;
    ngx_llmops_main_conf_t  *mcf;

    ruled = ctx->route->ruled;
    asking = ctx->asking;

    if (ruled == NULL || !ruled->ask_input || !ctx->env.json) {
        return NGX_OK;
    }

    if (asking == NULL) {
        mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

        rc = ngx_llmops_ask_begin(mcf, ctx, NGX_LLMOPS_ASK_INPUT, NULL, 0,
                                  resume, &ctx->asking);

        if (rc == NGX_ERROR) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        asking = ctx->asking;
    }

    if (asking->waiting) {
        return NGX_AGAIN;
    }

    broken = asking->broken;
    rc = asking->silent;

    ngx_llmops_ask_forget(ctx);

    if (broken == NULL) {
        return NGX_OK;
    }

    ngx_llmops_rules_note(ctx, broken, NGX_LLMOPS_ACT_STOP, 1);

    if (rc) {
        return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_OVERLOADED, "",
                                    "rule \"%V\" could not be asked",
                                    &broken->name);
    }

    return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_CONTENT_POLICY, "",
                                "the request was refused by rule \"%V\"",
                                &broken->name);
}


ngx_int_t
ngx_llmops_ask_answer(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *answer, ngx_uint_t stream, ngx_llmops_ask_pt resume)
{
    ngx_int_t                rc;
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    ngx_llmops_ask_forget(ctx);

    rc = ngx_llmops_ask_begin(mcf, ctx, NGX_LLMOPS_ASK_OUTPUT, answer, stream,
                              resume, &ctx->asking);

    if (rc != NGX_OK) {
        return rc;
    }

    return ctx->asking->broken ? NGX_DECLINED : NGX_OK;
}


ngx_llmops_rule_t *
ngx_llmops_ask_broken(ngx_llmops_ctx_t *ctx)
{
    return ctx->asking ? ctx->asking->broken : NULL;
}


void
ngx_llmops_ask_afterwards(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t             rc;
    ngx_str_t             answer;
    ngx_llmops_asking_t  *asking;

    if (ctx->kept == NULL || ctx->kept->failed) {
        return;
    }

    answer.data = ctx->kept->data;
    answer.len = ctx->kept->len;

    rc = ngx_llmops_ask_begin(mcf, ctx, NGX_LLMOPS_ASK_AFTER, &answer,
                              ctx->call.streaming && !ctx->call.hold, NULL,
                              &asking);

    if (rc == NGX_OK) {
        ngx_free(asking);                       /* nobody could be asked */
    }
}


void
ngx_llmops_ask_forget(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_asking_t  *asking;

    asking = ctx->asking;

    if (asking) {
        ctx->asking = NULL;
        ngx_llmops_ask_cancel(asking);
        ngx_free(asking);
    }
}


/* NGX_OK: nobody is waited for; NGX_AGAIN; NGX_ERROR */

static ngx_int_t
ngx_llmops_ask_begin(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx,
    ngx_llmops_ask_when_e when, ngx_str_t *answer, ngx_uint_t stream,
    ngx_llmops_ask_pt resume, ngx_llmops_asking_t **begun)
{
    ngx_int_t               rc;
    ngx_llmops_out_t        input, output;
    ngx_llmops_asking_t    *asking;
    ngx_llmops_question_t   q;

    asking = ngx_llmops_ask_create(mcf, ctx, when);
    if (asking == NULL) {
        return NGX_ERROR;
    }

    *begun = asking;
    asking->resume = resume;

    ngx_memzero(&q, sizeof(ngx_llmops_question_t));

    ngx_llmops_out_init(&input, NGX_LLMOPS_ASK_TEXT);
    ngx_llmops_out_init(&output, NGX_LLMOPS_ASK_TEXT);

    rc = ngx_llmops_ask_texts(ctx, answer, stream, &input, &output);

    q.id = ctx->id;
    q.route = ctx->plan.route->name;
    q.model = ctx->env.model;

    if (ctx->identity) {
        q.client = ctx->identity->client;
        q.tenant = ctx->identity->tenant;
    }

    q.input.data = input.data;
    q.input.len = input.len;
    q.output.len = output.len;
    q.output.data = answer ? (output.data ? output.data : (u_char *) "")
                           : NULL;

    ngx_llmops_ask_start(asking, ctx, rc == NGX_OK ? &q : NULL);

    ngx_llmops_out_free(&input);
    ngx_llmops_out_free(&output);

    return asking->waiting ? NGX_AGAIN : NGX_OK;
}


static ngx_llmops_asking_t *
ngx_llmops_ask_create(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx,
    ngx_llmops_ask_when_e when)
{
    ngx_uint_t            i, is;
    ngx_array_t          *asks;
    ngx_llmops_ask_t     *ask;
    ngx_llmops_asking_t  *asking;

    asks = ctx->plan.route->ruled->asks;

    asking = ngx_calloc(sizeof(ngx_llmops_asking_t)
                        + asks->nelts * sizeof(ngx_llmops_asked_t),
                        ctx->request->connection->log);
    if (asking == NULL) {
        return NULL;
    }

    asking->mcf = mcf;

    if (when != NGX_LLMOPS_ASK_AFTER) {
        asking->request = ctx->request;
        asking->ctx = ctx;
    }

    ask = asks->elts;

    for (i = 0; i < asks->nelts; i++) {
        is = ask[i].input ? NGX_LLMOPS_ASK_INPUT
           : ask[i].after ? NGX_LLMOPS_ASK_AFTER : NGX_LLMOPS_ASK_OUTPUT;

        if (is == when) {
            asking->asked[asking->n].asking = asking;
            asking->asked[asking->n++].ask = &ask[i];
        }
    }

    return asking;
}


/*
 * What the rules have taken out of the request, and put back into the answer,
 * is not for those who are asked: they get the placeholders in both.
 */

ngx_int_t
ngx_llmops_ask_texts(ngx_llmops_ctx_t *ctx, ngx_str_t *answer,
    ngx_uint_t stream, ngx_llmops_out_t *input, ngx_llmops_out_t *output)
{
    ngx_str_t              body;
    ngx_llmops_reverse_t  *reverse;

    if (ngx_llmops_body_memory(ctx->request, ctx, &body) != NGX_OK
        || ngx_llmops_plain_request(&body, input) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (answer == NULL) {
        return NGX_OK;
    }

    if (ngx_llmops_plain_answer(ctx->env.op, answer, stream, output)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    reverse = ngx_llmops_rules_reverse(ctx);

    return reverse ? ngx_llmops_reverse_hide(reverse, output) : NGX_OK;
}
