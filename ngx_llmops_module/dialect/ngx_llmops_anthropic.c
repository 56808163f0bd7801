
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_tap.h"
#include "ngx_llmops_request.h"


/*
 * Anthropic's API.  Only the model's name is ever changed in a request: usage
 * comes unasked, and thinking blocks are signed, byte for byte.
 */


/* by ngx_llmops_err_e */

static const ngx_str_t  ngx_llmops_anthropic_errors[] = {
    ngx_string("api_error"),
    ngx_string("invalid_request_error"),
    ngx_string("invalid_request_error"),
    ngx_string("invalid_request_error"),
    ngx_string("authentication_error"),
    ngx_string("billing_error"),
    ngx_string("permission_error"),
    ngx_string("not_found_error"),
    ngx_string("invalid_request_error"),
    ngx_string("request_too_large"),
    ngx_string("invalid_request_error"),
    ngx_string("rate_limit_error"),
    ngx_string("api_error"),
    ngx_string("api_error"),
    ngx_string("overloaded_error"),
    ngx_string("timeout_error"),
    ngx_string("api_error"),
    ngx_string("api_error")
};


/* "/v1" at the end of a path, or another number */

static ngx_uint_t
ngx_llmops_anthropic_versioned(ngx_str_t *base)
{
    u_char  *p;
    size_t   digits;

    p = base->data + base->len;

    for (digits = 0;
         digits < base->len && (u_char) (p[-1] - '0') < 10;
         digits++)
    {
        p--;
    }

    return digits && base->len - digits >= 2 && p[-1] == 'v' && p[-2] == '/';
}


/* hosts of this API give their URL without the version: SDKs add it */

static void
ngx_llmops_anthropic_path(ngx_llmops_op_e op, ngx_str_t *base,
    ngx_str_t *path, ngx_llmops_out_t *out)
{
    if (!ngx_llmops_anthropic_versioned(base)) {
        (void) ngx_llmops_out_lit(out, "/v1");
    }

    switch (op) {

    case NGX_LLMOPS_OP_MESSAGES:
        (void) ngx_llmops_out_lit(out, "/messages");
        break;

    case NGX_LLMOPS_OP_COUNT_TOKENS:
        (void) ngx_llmops_out_lit(out, "/messages/count_tokens");
        break;

    default:
        (void) ngx_llmops_out_str(out, path);
    }
}


static ngx_int_t
ngx_llmops_anthropic_edits(ngx_llmops_envelope_t *env, ngx_str_t *model,
    ngx_llmops_out_t *out, ngx_llmops_edit_t *edits)
{
    size_t      start;
    ngx_uint_t  n;

    start = out->len;
    n = ngx_llmops_edit_model(env, model, out, edits);

    return ngx_llmops_edits_finish(out, start, edits, n);
}


static void
ngx_llmops_anthropic_write_error(ngx_llmops_out_t *out, ngx_llmops_op_e op,
    ngx_llmops_error_t *err, ngx_str_t *id, unsigned in_stream)
{
    const ngx_str_t  *type;

    type = &ngx_llmops_anthropic_errors[err->kind];

    if (in_stream) {
        (void) ngx_llmops_out_lit(out, "event: error\ndata: ");
    }

    (void) ngx_llmops_out_lit(out, "{\"type\":\"error\",\"error\":{"
                                   "\"type\":");
    (void) ngx_llmops_out_json(out, type->data, type->len);
    (void) ngx_llmops_out_lit(out, ",\"message\":");
    (void) ngx_llmops_out_json(out, err->message.data, err->message.len);
    (void) ngx_llmops_out_lit(out, "},\"request_id\":");

    if (id->len) {
        (void) ngx_llmops_out_json(out, id->data, id->len);

    } else {
        (void) ngx_llmops_out_lit(out, "null");
    }

    (void) ngx_llmops_out_lit(out, "}");

    if (in_stream) {
        (void) ngx_llmops_out_lit(out, "\n\n");
    }
}


const ngx_llmops_dialect_t  ngx_llmops_anthropic = {
    ngx_string("anthropic"),
    ngx_string("anthropic"),
    ngx_string("/v1"),
    1 << NGX_LLMOPS_OP_MESSAGES
        | 1 << NGX_LLMOPS_OP_COUNT_TOKENS
        | 1 << NGX_LLMOPS_OP_MODELS
        | 1 << NGX_LLMOPS_OP_OTHER,
    ngx_string("x-api-key"),
    ngx_null_string,

    ngx_llmops_anthropic_path,
    ngx_llmops_anthropic_edits,
    ngx_llmops_anthropic_event,
    ngx_llmops_anthropic_whole,
    ngx_llmops_anthropic_want,
    NGX_LLMOPS_ANTHROPIC_NWANT,
    ngx_llmops_anthropic_body,
    NULL,
    ngx_llmops_anthropic_write_error
};
