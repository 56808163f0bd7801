
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_retrieve.h"


/*
 * The variable "context" of a request whose route retrieves.  A prompt may
 * declare it or not; no caller can set it.  Its texts come from documents,
 * which nobody has to trust: whatever the template does not say of escaping,
 * they are written with & < > " escaped.
 */


static ngx_llmops_value_t *ngx_llmops_context_given(ngx_llmops_ctx_t *ctx,
    ngx_llmops_value_t *given, ngx_llmops_arena_t *arena,
    ngx_llmops_error_t *err);
static ngx_int_t ngx_llmops_context_put(ngx_llmops_ctx_t *ctx,
    ngx_llmops_value_t *values, ngx_llmops_arena_t *arena);


static ngx_str_t  ngx_llmops_context_name = ngx_string("context");


ngx_llmops_value_t *
ngx_llmops_prompt_values(ngx_llmops_ctx_t *ctx, ngx_llmops_value_t *given,
    ngx_llmops_arena_t *arena, ngx_llmops_error_t *err)
{
    ngx_llmops_value_t  *values;

    if (ctx->retrieved == NULL
        || (given && given->type != NGX_LLMOPS_JSON_OBJECT))
    {
        return ngx_llmops_prompt_check(ctx->prompt, given, arena, err);
    }

    ngx_memzero(err, sizeof(ngx_llmops_error_t));

    given = ngx_llmops_context_given(ctx, given, arena, err);
    if (given == NULL) {
        return NULL;
    }

    values = ngx_llmops_prompt_check(ctx->prompt, given, arena, err);

    if (values && ngx_llmops_context_put(ctx, values, arena) != NGX_OK) {
        ngx_memzero(err, sizeof(ngx_llmops_error_t));
        return NULL;
    }

    return values;
}


/* the caller's variables, and an empty context where it is declared, so that
   none is missing */

static ngx_llmops_value_t *
ngx_llmops_context_given(ngx_llmops_ctx_t *ctx, ngx_llmops_value_t *given,
    ngx_llmops_arena_t *arena, ngx_llmops_error_t *err)
{
    ngx_llmops_value_t     *root, *empty;
    ngx_llmops_variable_t  *var;

    if (ngx_llmops_value_member(given, "context")) {
        err->kind = NGX_LLMOPS_ERR_INVALID_REQUEST;
        ngx_str_set(&err->code, "unknown_variable");
        ngx_str_set(&err->param, "context");
        ngx_str_set(&err->message, "the variable \"context\" is filled by the "
                                   "gateway here: leave it out");
        return NULL;
    }

    root = ngx_llmops_arena_alloc(arena, sizeof(ngx_llmops_value_t));
    empty = ngx_llmops_arena_alloc(arena, sizeof(ngx_llmops_value_t));

    if (root == NULL || empty == NULL) {
        return NULL;
    }

    root->type = NGX_LLMOPS_JSON_OBJECT;
    root->first = given ? given->first : NULL;

    for (var = ctx->prompt->variables; var; var = var->next) {

        if (ngx_llmops_same(&var->name, &ngx_llmops_context_name)
            && var->type.data[0] == 'a')
        {
            empty->type = NGX_LLMOPS_JSON_ARRAY;
            empty->key = ngx_llmops_context_name;
            empty->next = root->first;
            ngx_str_set(&empty->raw, "[]");

            root->first = empty;
        }
    }

    return root;
}


static ngx_int_t
ngx_llmops_context_put(ngx_llmops_ctx_t *ctx, ngx_llmops_value_t *values,
    ngx_llmops_arena_t *arena)
{
    ngx_llmops_value_t  *v, **last;

    v = ngx_llmops_value_parse(arena, &ctx->retrieved->context);
    if (v == NULL) {
        return NGX_ERROR;
    }

    v->key = ngx_llmops_context_name;
    ngx_llmops_value_distrust(v);

    for (last = &values->first; *last; last = &(*last)->next) {

        if (ngx_llmops_same(&(*last)->key, &ngx_llmops_context_name)) {
            v->next = (*last)->next;
            v->fence = (*last)->fence;
            break;
        }
    }

    *last = v;

    return NGX_OK;
}
