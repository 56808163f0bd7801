
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rules_input.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_call.h"


/*
 * Rules on a request, before its plan is made.  All strings of the body are
 * its text, wherever they stand, since a model may be shown any of them; but
 * not the bytes of pictures and files, nor signatures.  The body is written
 * anew only if something in it changes.
 */


static ngx_int_t ngx_llmops_input_reverse(ngx_llmops_input_t *in);
static ngx_int_t ngx_llmops_input_bounds(ngx_llmops_input_t *in);
static ngx_int_t ngx_llmops_input_cap(ngx_llmops_input_t *in);
static ngx_int_t ngx_llmops_input_verdict(ngx_llmops_input_t *in,
    ngx_int_t rc);
static ngx_int_t ngx_llmops_input_rewrite(ngx_llmops_input_t *in);


ngx_int_t
ngx_llmops_rules_request(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route)
{
    ngx_int_t           rc;
    ngx_llmops_input_t  in;

    if (!ctx->env.json) {

        if (route->ruled->input.nrules || route->ruled->output.nrules
            || route->ruled->asks)
        {
            return ngx_llmops_deny_text(r, ctx,
                                        NGX_LLMOPS_ERR_INVALID_REQUEST, "",
                                        "the rules of this model do not "
                                        "allow requests that are not JSON");
        }

        return NGX_OK;
    }

    ngx_memzero(&in, sizeof(ngx_llmops_input_t));

    in.r = r;
    in.ctx = ctx;
    in.ruled = route->ruled;
    in.capped = (route->ruled->max_tokens == 0);

    rc = ngx_llmops_input_bounds(&in);

    if (rc != NGX_OK) {
        return rc;
    }

    if (route->ruled->input.nrules == 0 && route->ruled->forbidden.nelts == 0
        && in.capped)
    {
        return NGX_OK;
    }

    if (ngx_llmops_body_memory(r, ctx, &in.body) != NGX_OK
        || ngx_llmops_input_reverse(&in) != NGX_OK
        || ngx_array_init(&in.edits, r->pool, 4,
                          sizeof(ngx_llmops_input_edit_t))
           != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_llmops_out_init(&in.text, in.body.len + 1);
    ngx_llmops_out_init(&in.clean, in.body.len * 8 + 65536);
    ngx_llmops_out_init(&in.edited, in.body.len * 8 + 65536);

    rc = ngx_llmops_input_read(&in);
    rc = ngx_llmops_input_verdict(&in, rc);

    ngx_llmops_out_free(&in.text);
    ngx_llmops_out_free(&in.clean);
    ngx_llmops_out_free(&in.edited);

    return rc;
}


static ngx_int_t
ngx_llmops_input_bounds(ngx_llmops_input_t *in)
{
    int64_t                 tokens;
    ngx_llmops_ctx_t       *ctx;
    ngx_llmops_ruled_t     *ruled;

    ctx = in->ctx;
    ruled = in->ruled;

    if ((ruled->output.nrules || ruled->ask_output || ruled->ask_after)
        && !ngx_llmops_check_op(ctx->env.op)
        && ctx->env.op != NGX_LLMOPS_OP_EMBEDDINGS
        && ctx->env.op != NGX_LLMOPS_OP_MODERATIONS
        && ctx->env.op != NGX_LLMOPS_OP_RERANK
        && ctx->env.op != NGX_LLMOPS_OP_COUNT_TOKENS)
    {
        /* its answers have text that nobody would look at */

        return ngx_llmops_deny_text(in->r, ctx,
                                    NGX_LLMOPS_ERR_INVALID_REQUEST,
                                    "unsupported_operation",
                                    "the rules of this model do not allow %V",
                                    &ctx->env.path);
    }

    if (ruled->max_size && ctx->env.body_len > ruled->max_size) {
        return ngx_llmops_deny_text(in->r, ctx, NGX_LLMOPS_ERR_TOO_LARGE,
                                    "", "the request has %uz bytes, at most "
                                    "%uz are allowed", ctx->env.body_len,
                                    ruled->max_size);
    }

    tokens = ngx_llmops_estimate_input(&ctx->env);

    if (ruled->max_input && tokens > ruled->max_input) {
        return ngx_llmops_deny_text(in->r, ctx, NGX_LLMOPS_ERR_CONTEXT_LENGTH,
                                    "", "the prompt has about %L tokens, at "
                                    "most %L are allowed", tokens,
                                    ruled->max_input);
    }

    return NGX_OK;
}


/* the answers of these have texts to put values back into */

static ngx_int_t
ngx_llmops_input_reverse(ngx_llmops_input_t *in)
{
    ngx_uint_t            i;
    ngx_llmops_rules_t   *rules;
    ngx_llmops_ruling_t  *ruling;

    rules = &in->ruled->input;

    for (i = 0; i < rules->nrules; i++) {
        if (rules->rules[i].reversible) {
            break;
        }
    }

    if (i == rules->nrules || !ngx_llmops_check_op(in->ctx->env.op)) {
        return NGX_OK;
    }

    ruling = ngx_llmops_ruling(in->r, in->ctx);
    if (ruling == NULL) {
        return NGX_ERROR;
    }

    ruling->reverse = ngx_llmops_reverse_create(&in->body);
    in->reverse = ruling->reverse;

    return in->reverse ? NGX_OK : NGX_ERROR;
}


/* a request that does not bound its answer is given the bound, in the place of
   a null if there is one: two members for it would be refused */

static ngx_int_t
ngx_llmops_input_cap(ngx_llmops_input_t *in)
{
    size_t                    offset, len;
    u_char                   *p;
    ngx_llmops_input_edit_t  *edits, *edit;

    if (in->capped || !ngx_llmops_check_op(in->ctx->env.op)) {
        return NGX_OK;
    }

    offset = in->edited.len;
    p = in->body.data + in->ctx->env.open + 1;
    len = 0;

    if (in->unbound.len) {
        p = in->unbound.data;
        len = in->unbound.len;

    } else if (in->ctx->env.op == NGX_LLMOPS_OP_CHAT) {
        (void) ngx_llmops_out_lit(&in->edited, "\"max_completion_tokens\":");

    } else if (in->ctx->env.op == NGX_LLMOPS_OP_RESPONSES) {
        (void) ngx_llmops_out_lit(&in->edited, "\"max_output_tokens\":");

    } else {
        (void) ngx_llmops_out_lit(&in->edited, "\"max_tokens\":");
    }

    (void) ngx_llmops_out_int(&in->edited, in->ruled->max_tokens);

    if (!in->unbound.len && !in->ctx->env.empty) {
        (void) ngx_llmops_out_lit(&in->edited, ",");
    }

    if (ngx_llmops_input_edit(in, p, len, offset) != NGX_OK) {
        return NGX_ERROR;
    }

    /* it goes to its place among the others */

    edits = in->edits.elts;
    edit = &edits[in->edits.nelts - 1];

    for ( /* void */ ; edit > edits && edit[-1].start > edit->start; edit--) {
        ngx_llmops_input_edit_t  last = *edit;

        edit[0] = edit[-1];
        edit[-1] = last;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_input_verdict(ngx_llmops_input_t *in, ngx_int_t rc)
{
    ngx_uint_t           i;
    ngx_llmops_rules_t  *rules;

    rules = &in->ruled->input;

    for (i = 0; i < rules->nrules; i++) {
        if (in->found >> i & 1) {
            ngx_llmops_rules_note(in->ctx, &rules->rules[i],
                                  rules->rules[i].action, 1);
        }
    }

    if (rc == NGX_DECLINED && in->denied) {
        ngx_llmops_rules_note(in->ctx, in->denied, NGX_LLMOPS_ACT_STOP, 1);

        return ngx_llmops_deny_text(in->r, in->ctx,
                                    NGX_LLMOPS_ERR_CONTENT_POLICY, "",
                                    "the request was refused by rule \"%V\"",
                                    &in->denied->name);
    }

    if (rc == NGX_DECLINED) {
        return ngx_llmops_deny_text(in->r, in->ctx,
                                    NGX_LLMOPS_ERR_INVALID_REQUEST, "",
                                    "the parameter \"%V\" is not allowed "
                                    "for this model", &in->forbidden);
    }

    if (rc != NGX_OK || ngx_llmops_input_cap(in) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (in->edits.nelts == 0) {
        return NGX_OK;
    }

    return ngx_llmops_input_rewrite(in) == NGX_OK
           ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_llmops_input_rewrite(ngx_llmops_input_t *in)
{
    u_char                      *p;
    size_t                       len, at;
    ngx_str_t                    body;
    ngx_uint_t                   i;
    ngx_llmops_input_edit_t     *e;

    e = in->edits.elts;
    len = in->body.len;

    for (i = 0; i < in->edits.nelts; i++) {
        len = len - (e[i].end - e[i].start) + e[i].len;
    }

    body.data = ngx_pnalloc(in->r->pool, len + 1);

    if (body.data == NULL || in->edited.failed) {
        return NGX_ERROR;
    }

    p = body.data;

    for (at = 0, i = 0; i < in->edits.nelts; i++) {
        p = ngx_cpymem(p, in->body.data + at, e[i].start - at);
        p = ngx_cpymem(p, in->edited.data + e[i].offset, e[i].len);
        at = e[i].end;
    }

    p = ngx_cpymem(p, in->body.data + at, in->body.len - at);
    body.len = p - body.data;

    return ngx_llmops_rules_body(in->r, in->ctx, &body);
}
