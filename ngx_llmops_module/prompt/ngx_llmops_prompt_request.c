
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * A request's prompt.  Which one it is, is known before the route (a prompt
 * may name the model) and settled by the route; what it says is written once,
 * before the plan.  From then on the request has another body, in one piece,
 * with an envelope that describes it: whatever comes later (splices,
 * translation, failover) treats it like any other.
 */


static ngx_int_t ngx_llmops_prompt_only(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_prompt_variables_raw(ngx_llmops_reference_t *ref);
static ngx_int_t ngx_llmops_prompt_build(ngx_llmops_reference_t *ref,
    ngx_llmops_route_prompt_t *rp, ngx_llmops_prompt_build_t *build);
static ngx_int_t ngx_llmops_prompt_write(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_prompt_build_t *build, ngx_str_t *body);
static ngx_int_t ngx_llmops_prompt_envelope(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_prompt_out_cleanup(void *data);


ngx_int_t
ngx_llmops_prompt_choose(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route, ngx_llmops_prompt_resume_pt resume)
{
    ngx_llmops_form_e           form;
    ngx_llmops_route_prompt_t  *rp;

    rp = route->prompt;

    if (rp == NULL || !rp->set) {
        return NGX_OK;
    }

    if (!ngx_llmops_prompt_has_form(ctx, &form)) {
        return rp->only ? ngx_llmops_prompt_only(r, ctx) : NGX_OK;
    }

    if (rp->reference.len == 0) {
        return ctx->prompt ? NGX_OK : ngx_llmops_prompt_only(r, ctx);
    }

    if (ctx->prompt && !rp->only) {
        return NGX_OK;
    }

    return ngx_llmops_prompt_route_choose(r, ctx, route, resume);
}


static ngx_int_t
ngx_llmops_prompt_only(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_INVALID_REQUEST,
                                "prompt_required",
                                "only requests with a prompt are served here: "
                                "name one in \"prompt\" or x-llm-prompt");
}


ngx_uint_t
ngx_llmops_prompt_needed(ngx_llmops_ctx_t *ctx, ngx_llmops_route_t *route)
{
    ngx_llmops_form_e           form;
    ngx_llmops_route_prompt_t  *rp;

    rp = route->prompt;

    return ctx->prompt
           || (rp && rp->messages.nelts
               && ngx_llmops_prompt_has_form(ctx, &form));
}


ngx_int_t
ngx_llmops_prompt_apply(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route, ngx_str_t *body)
{
    ngx_int_t                  rc;
    ngx_llmops_error_t         err;
    ngx_llmops_value_t        *given;
    ngx_llmops_arena_t         arena;
    ngx_llmops_reference_t     ref;
    ngx_llmops_prompt_build_t  build;

    ngx_memzero(&ref, offsetof(ngx_llmops_reference_t, id_buf));
    ngx_memzero(&build, sizeof(ngx_llmops_prompt_build_t));

    ref.r = r;
    ref.ctx = ctx;
    ref.body = body;

    ngx_llmops_arena_init(&arena, NGX_LLMOPS_PROMPT_VARIABLES);

    rc = NGX_OK;

    if (ctx->prompt) {
        rc = ngx_llmops_prompt_variables_raw(&ref);

        if (rc != NGX_OK) {
            return rc;
        }

        given = NULL;

        if (ref.variables.data) {
            given = ngx_llmops_value_parse(&arena, &ref.variables);

            if (given == NULL) {
                rc = ngx_llmops_prompt_deny(&ref, "variables_too_large",
                                            "variables", "the prompt's "
                                            "variables are too many or too "
                                            "large");
                goto done;
            }
        }

        build.values = ngx_llmops_prompt_values(ctx, given, &arena, &err);

        if (build.values == NULL) {
            rc = (err.kind == NGX_LLMOPS_ERR_NONE)
                 ? NGX_HTTP_INTERNAL_SERVER_ERROR
                 : ngx_llmops_deny(r, ctx, &err, 0);
            goto done;
        }
    }

    rc = ngx_llmops_prompt_build(&ref, route->prompt, &build);

done:

    ngx_llmops_arena_free(&arena);

    return rc;
}


/* those of the member "prompt", or the member "variables" beside it */

static ngx_int_t
ngx_llmops_prompt_variables_raw(ngx_llmops_reference_t *ref)
{
    u_char                  buf[NGX_LLMOPS_JSON_RAW_KEY];
    ngx_int_t               rc;
    ngx_str_t               key, name, value;
    ngx_llmops_json_iter_t  it;

    if (ref->ctx->env.prompt_end) {
        rc = ngx_llmops_prompt_member(ref);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    (void) ngx_llmops_json_object(&it, ref->body);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        /* with the quotes around it */
        key.data--;
        key.len += 2;

        if (ngx_llmops_json_string(&key, buf, sizeof(buf), &name) != NGX_OK
            || name.len != 9 || ngx_memcmp(name.data, "variables", 9) != 0
            || ngx_llmops_json_type(&value) == NGX_LLMOPS_JSON_NULL)
        {
            continue;
        }

        if (ref->variables.data) {
            return ngx_llmops_prompt_deny(ref, "duplicate_parameter",
                                          "variables", "the prompt's "
                                          "variables are there more than "
                                          "once: send them in \"prompt\" or "
                                          "in \"variables\"");
        }

        ref->variables = value;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_prompt_build(ngx_llmops_reference_t *ref,
    ngx_llmops_route_prompt_t *rp, ngx_llmops_prompt_build_t *build)
{
    ngx_llmops_ctx_t  *ctx;

    ctx = ref->ctx;

    (void) ngx_llmops_prompt_has_form(ctx, &build->form);

    build->prompt = ctx->prompt;
    build->count = (ctx->env.op == NGX_LLMOPS_OP_COUNT_TOKENS);
    build->model = ctx->env.model;

    if (rp && ngx_llmops_prompt_messages(ref->r, rp, build) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_llmops_prompt_write(ref->r, ctx, build, ref->body);
}


ngx_int_t
ngx_llmops_prompt_messages(ngx_http_request_t *r,
    ngx_llmops_route_prompt_t *rp, ngx_llmops_prompt_build_t *build)
{
    ngx_uint_t                   i;
    ngx_llmops_decorator_t      *d;
    ngx_llmops_route_message_t  *m;

    if (rp->messages.nelts == 0) {
        return NGX_OK;
    }

    d = ngx_pcalloc(r->pool, rp->messages.nelts
                             * sizeof(ngx_llmops_decorator_t));
    if (d == NULL) {
        return NGX_ERROR;
    }

    m = rp->messages.elts;

    for (i = 0; i < rp->messages.nelts; i++) {
        d[i].role = m[i].role;
        d[i].append = m[i].append;

        if (ngx_http_complex_value(r, &m[i].text, &d[i].text) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    build->decorators = d;
    build->ndecorators = rp->messages.nelts;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_prompt_write(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_prompt_build_t *build, ngx_str_t *body)
{
    ngx_int_t            rc;
    ngx_llmops_out_t    *out;
    ngx_llmops_error_t   err;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_llmops_out_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    out = cln->data;

    ngx_llmops_out_init(out, body->len + NGX_LLMOPS_PROMPT_OUTPUT);

    cln->handler = ngx_llmops_prompt_out_cleanup;

    rc = ngx_llmops_prompt_body(build, body, out, &err);

    if (rc == NGX_DECLINED) {
        return ngx_llmops_deny(r, ctx, &err, 0);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->memory.data = out->data;
    ctx->memory.len = out->len;

    return ngx_llmops_prompt_envelope(r, ctx);
}


/* the envelope of the new body, which passes the same checks */

static ngx_int_t
ngx_llmops_prompt_envelope(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_int_t           rc;
    ngx_llmops_error_t  err;

    ctx->env.prompts = 0;

    rc = ngx_llmops_read_again(r, ctx, &err);

    if (rc == NGX_DECLINED) {
        return ngx_llmops_deny(r, ctx, &err, 0);
    }

    return rc == NGX_OK ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static void
ngx_llmops_prompt_out_cleanup(void *data)
{
    ngx_llmops_out_free(data);
}
