
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * How a caller names a prompt: in the body, as OpenAI's clients do it, or in a
 * header.
 */


static ngx_int_t ngx_llmops_prompt_reference(ngx_llmops_reference_t *ref);
static ngx_int_t ngx_llmops_prompt_string(ngx_llmops_reference_t *ref,
    ngx_str_t *raw, u_char *buf, size_t size, ngx_str_t *text);
static ngx_int_t ngx_llmops_prompt_lookup(ngx_llmops_reference_t *ref);
static ngx_uint_t ngx_llmops_prompt_foreign(ngx_llmops_reference_t *ref);
static ngx_int_t ngx_llmops_prompt_unknown(ngx_llmops_reference_t *ref,
    ngx_llmops_which_t *found);


ngx_int_t
ngx_llmops_prompt_named(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *body, ngx_llmops_prompt_resume_pt resume)
{
    ngx_int_t                rc;
    ngx_llmops_form_e        form;
    ngx_llmops_reference_t   ref;

    if (!ngx_llmops_prompt_has_form(ctx, &form)) {
        return NGX_OK;
    }

    ngx_memzero(&ref, offsetof(ngx_llmops_reference_t, id_buf));

    ref.r = r;
    ref.ctx = ctx;
    ref.body = body;
    ref.resume = resume;

    rc = ngx_llmops_prompt_reference(&ref);

    if (rc != NGX_OK || ref.id.len == 0) {
        return rc;
    }

    return ngx_llmops_prompt_lookup(&ref);
}


ngx_uint_t
ngx_llmops_prompt_has_form(ngx_llmops_ctx_t *ctx, ngx_llmops_form_e *form)
{
    if (!ctx->env.json) {
        return 0;
    }

    switch (ctx->env.op) {

    case NGX_LLMOPS_OP_CHAT:
        *form = NGX_LLMOPS_FORM_CHAT;
        return 1;

    case NGX_LLMOPS_OP_MESSAGES:
    case NGX_LLMOPS_OP_COUNT_TOKENS:
        *form = NGX_LLMOPS_FORM_MESSAGES;
        return 1;

    case NGX_LLMOPS_OP_RESPONSES:
        *form = NGX_LLMOPS_FORM_RESPONSES;
        return 1;

    default:
        return 0;
    }
}


/* the header x-llm-prompt, or the body's member "prompt" */

static ngx_int_t
ngx_llmops_prompt_reference(ngx_llmops_reference_t *ref)
{
    u_char           *at, *last;
    ngx_int_t         rc;
    ngx_table_elt_t  *h;

    rc = ref->body ? ngx_llmops_prompt_member(ref) : NGX_OK;

    if (rc != NGX_OK) {
        return rc;
    }

    h = ngx_llmops_header_in(ref->r, "x-llm-prompt",
                             sizeof("x-llm-prompt") - 1);

    if (h && h->value.len) {

        if (ref->id.len) {
            return ngx_llmops_prompt_deny(ref, "duplicate_parameter",
                                          "prompt", "the prompt is named in "
                                          "x-llm-prompt and in the request "
                                          "body: keep one of them");
        }

        ref->id = h->value;
    }

    if (ref->id.len == 0) {
        return NGX_OK;
    }

    last = ref->id.data + ref->id.len;
    at = ngx_strlchr(ref->id.data, last, '@');

    if (at == NULL) {
        return NGX_OK;
    }

    if (ref->version.len) {
        return ngx_llmops_prompt_deny(ref, "invalid_value", "prompt",
                                      "the prompt's version is given twice: "
                                      "keep it in \"id\" or in \"version\"");
    }

    ref->id.len = at - ref->id.data;
    ref->version.data = at + 1;
    ref->version.len = last - ref->version.data;

    if (ref->id.len == 0 || ref->version.len == 0) {
        return ngx_llmops_prompt_deny(ref, "invalid_value", "prompt",
                                      "name the prompt as NAME, NAME@VERSION "
                                      "or NAME@LABEL");
    }

    return NGX_OK;
}


/* {"id": ..., "version": ..., "variables": {...}}, as OpenAI has it */

ngx_int_t
ngx_llmops_prompt_member(ngx_llmops_reference_t *ref)
{
    ngx_int_t               rc;
    ngx_str_t               raw, key, value;
    ngx_llmops_json_iter_t  it;

    raw.data = ref->body->data + ref->ctx->env.prompt_start;
    raw.len = ref->ctx->env.prompt_end - ref->ctx->env.prompt_start;

    if (ngx_llmops_json_type(&raw) == NGX_LLMOPS_JSON_NULL) {
        return NGX_OK;
    }

    if (ngx_llmops_json_object(&it, &raw) != NGX_OK) {
        return ngx_llmops_prompt_deny(ref, "invalid_type", "prompt",
                                      "\"prompt\" is not an object, send "
                                      "{\"id\": NAME, \"version\": VERSION, "
                                      "\"variables\": {...}}");
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        rc = NGX_OK;

        if (key.len == 2 && ngx_memcmp(key.data, "id", 2) == 0) {
            rc = ngx_llmops_prompt_string(ref, &value, ref->id_buf,
                                          sizeof(ref->id_buf), &ref->id);

        } else if (key.len == 7 && ngx_memcmp(key.data, "version", 7) == 0
                   && ngx_llmops_json_type(&value) != NGX_LLMOPS_JSON_NULL)
        {
            rc = ngx_llmops_prompt_string(ref, &value, ref->version_buf,
                                          sizeof(ref->version_buf),
                                          &ref->version);

        } else if (key.len == 9 && ngx_memcmp(key.data, "variables", 9) == 0
                   && ngx_llmops_json_type(&value) != NGX_LLMOPS_JSON_NULL)
        {
            ref->variables = value;
        }

        if (rc != NGX_OK) {
            return rc;
        }
    }

    if (ref->id.len == 0) {
        return ngx_llmops_prompt_deny(ref, "missing_required_parameter",
                                      "prompt.id", "\"prompt\" has no \"id\": "
                                      "send the name of a prompt");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_prompt_string(ngx_llmops_reference_t *ref, ngx_str_t *raw,
    u_char *buf, size_t size, ngx_str_t *text)
{
    if (ngx_llmops_json_string(raw, buf, size, text) == NGX_OK
        && text->len > 0 && text->len <= size)
    {
        return NGX_OK;
    }

    return ngx_llmops_prompt_deny(ref, "invalid_value", "prompt",
                                  "\"id\" and \"version\" of \"prompt\" are "
                                  "strings with the names of a prompt and of "
                                  "its version");
}


static ngx_int_t
ngx_llmops_prompt_lookup(ngx_llmops_reference_t *ref)
{
    ngx_int_t                    rc;
    ngx_llmops_ctx_t            *ctx;
    ngx_llmops_which_t           found;
    ngx_llmops_prompt_asking_t  *asking;

    ctx = ref->ctx;

    if (ngx_llmops_prompt_foreign(ref)) {
        return NGX_OK;
    }

    asking = ngx_llmops_prompt_asks(ref->r, ctx, ref->resume);

    if (asking == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_llmops_prompt_find(asking, &ref->id, &ref->version, &found,
                                &ctx->prompt);

    switch (rc) {

    case NGX_OK:
    case NGX_AGAIN:
        return rc;

    case NGX_DECLINED:
        return ngx_llmops_prompt_unknown(ref, &found);

    case NGX_BUSY:
        return ngx_llmops_prompt_away(ref->r, ctx, &ref->id);

    default:
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }
}


/* a prompt that OpenAI keeps is none of ours */

static ngx_uint_t
ngx_llmops_prompt_foreign(ngx_llmops_reference_t *ref)
{
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(ref->r, ngx_llmops_module);

    return ref->ctx->env.op == NGX_LLMOPS_OP_RESPONSES
           && ref->id.len > 5
           && ngx_memcmp(ref->id.data, "pmpt_", 5) == 0
           && ngx_llmops_prompt_family(mcf->prompts, &ref->id) == NULL;
}


static ngx_int_t
ngx_llmops_prompt_unknown(ngx_llmops_reference_t *ref,
    ngx_llmops_which_t *found)
{
    if (!found->known) {
        return ngx_llmops_deny_text(ref->r, ref->ctx, NGX_LLMOPS_ERR_NOT_FOUND,
                                    "prompt_not_found",
                                    "there is no prompt \"%V\"", &ref->id);
    }

    if (ref->version.len == 0) {
        return ngx_llmops_deny_text(ref->r, ref->ctx, NGX_LLMOPS_ERR_NOT_FOUND,
                                    "prompt_not_found",
                                    "the prompt \"%V\" has no label "
                                    "\"production\": name a version or a "
                                    "label", &ref->id);
    }

    return ngx_llmops_deny_text(ref->r, ref->ctx, NGX_LLMOPS_ERR_NOT_FOUND,
                                "prompt_not_found",
                                "the prompt \"%V\" has no version or label "
                                "\"%V\"", &ref->id, &ref->version);
}


ngx_int_t
ngx_llmops_prompt_deny(ngx_llmops_reference_t *ref, const char *code,
    const char *param, const char *text)
{
    ngx_llmops_error_t  err;

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    err.kind = NGX_LLMOPS_ERR_INVALID_REQUEST;
    err.code.data = (u_char *) code;
    err.code.len = ngx_strlen(code);
    err.param.data = (u_char *) param;
    err.param.len = ngx_strlen(param);
    err.message.data = (u_char *) text;
    err.message.len = ngx_strlen(text);

    return ngx_llmops_deny(ref->r, ref->ctx, &err, 0);
}
