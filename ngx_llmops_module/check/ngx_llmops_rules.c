
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_rules.h"


/*
 * What came of the rules of a request.  The list of it has an entry for each
 * rule that did something, in each attempt, in order: "strict.json=next,
 * strict.redact=redact"; "pass" where none did.
 */


#define NGX_LLMOPS_CHECKED_MAX  64


/* in the order of ngx_llmops_rule_action_e; the last is a request's */

const ngx_str_t  ngx_llmops_act_names[] = {
    ngx_string("mark"),
    ngx_string("redact"),
    ngx_string("stop"),
    ngx_string("next"),
    ngx_string("retry"),
    ngx_string("replace"),
    ngx_string("repair"),
    ngx_string("reject")
};


static ngx_uint_t
ngx_llmops_rules_act(ngx_llmops_rule_action_e action, ngx_uint_t input)
{
    return (input && action == NGX_LLMOPS_ACT_STOP) ? NGX_LLMOPS_ACT_MAX
                                                    : action;
}


static void
ngx_llmops_ruling_cleanup(void *data)
{
    ngx_llmops_ruling_t *ruling = data;

    if (ruling->reverse) {
        ngx_llmops_reverse_free(ruling->reverse);
        ruling->reverse = NULL;
    }
}


ngx_llmops_ruling_t *
ngx_llmops_ruling(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_pool_cleanup_t   *cln;
    ngx_llmops_ruling_t  *ruling;

    if (ctx->ruling) {
        return ctx->ruling;
    }

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_llmops_ruling_t));
    if (cln == NULL) {
        return NULL;
    }

    ruling = cln->data;
    ngx_memzero(ruling, sizeof(ngx_llmops_ruling_t));

    cln->handler = ngx_llmops_ruling_cleanup;
    ctx->ruling = ruling;

    return ruling;
}


ngx_llmops_reverse_t *
ngx_llmops_rules_reverse(ngx_llmops_ctx_t *ctx)
{
    return (ctx->ruling && ctx->ruling->reverse
            && ngx_llmops_reverse_used(ctx->ruling->reverse))
           ? ctx->ruling->reverse : NULL;
}


void
ngx_llmops_rules_note(ngx_llmops_ctx_t *ctx, ngx_llmops_rule_t *rule,
    ngx_llmops_rule_action_e action, ngx_uint_t input)
{
    ngx_llmops_rule_sh_t  *sh;
    ngx_llmops_checked_t  *c;

    sh = rule->data;

    if (sh) {
        (void) ngx_atomic_fetch_add(
                         &sh->count[ngx_llmops_rules_act(action, input)], 1);
    }

    if (ctx->checked == NULL) {
        ctx->checked = ngx_array_create(ctx->request->pool, 4,
                                        sizeof(ngx_llmops_checked_t));
    }

    /* what cannot be listed has been counted */

    if (ctx->checked == NULL
        || ctx->checked->nelts == NGX_LLMOPS_CHECKED_MAX)
    {
        return;
    }

    c = ngx_array_push(ctx->checked);

    if (c) {
        c->rule = rule;
        c->action = action;
        c->input = input;
    }
}


ngx_int_t
ngx_llmops_rules_text(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t over, ngx_str_t *text)
{
    u_char                *p;
    size_t                 len;
    ngx_uint_t             i, n;
    const ngx_str_t       *name;
    ngx_llmops_checked_t  *c;

    ngx_str_null(text);

    if (ctx->plan.route == NULL || ctx->plan.route->ruled == NULL) {
        return NGX_OK;
    }

    n = ctx->checked ? ctx->checked->nelts : 0;

    if (n == 0) {

        if (over) {
            ngx_str_set(text, "pass");
        }

        return NGX_OK;
    }

    c = ctx->checked->elts;

    for (len = 0, i = 0; i < n; i++) {
        len += c[i].rule->name.len + sizeof("=replace, ") - 1;
    }

    p = ngx_pnalloc(r->pool, len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    text->data = p;

    for (i = 0; i < n; i++) {
        name = &ngx_llmops_act_names[ngx_llmops_rules_act(c[i].action,
                                                          c[i].input)];
        p = ngx_sprintf(p, "%s%V=%V", i ? ", " : "", &c[i].rule->name, name);
    }

    text->len = p - text->data;

    return NGX_OK;
}
