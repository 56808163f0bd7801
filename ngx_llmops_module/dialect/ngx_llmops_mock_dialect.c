
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_mock.h"
#include "ngx_llmops_tap.h"


/*
 * The dialect of the built-in provider, which has none: it answers in that of
 * the request, so that it is never translated to, and all work is done by the
 * functions of the other two.
 */


/* Anthropic's members are after OpenAI's, of which it shares the first */

enum {
    NGX_LLMOPS_MOCK_STOP = NGX_LLMOPS_OPENAI_NWANT,
    NGX_LLMOPS_MOCK_CONTENT,
    NGX_LLMOPS_MOCK_NWANT
};


static ngx_llmops_json_want_t  ngx_llmops_mock_want[NGX_LLMOPS_MOCK_NWANT] = {
    { ngx_string("usage"), 1024 },
    { ngx_string("model"), 128 },
    { ngx_string("error"), 8 },
    { ngx_string("x_groq"), 512 },
    { ngx_string("status"), 32 },
    { ngx_string("incomplete_details"), 128 },
    { ngx_string("choices"), 0 },
    { ngx_string("output"), 0 },
    { ngx_string("stop_reason"), 48 },
    { ngx_string("content"), 0 }
};


static const ngx_llmops_dialect_t *
ngx_llmops_mock_as(ngx_llmops_op_e op)
{
    return (op == NGX_LLMOPS_OP_MESSAGES || op == NGX_LLMOPS_OP_COUNT_TOKENS)
           ? &ngx_llmops_anthropic : &ngx_llmops_openai;
}


static void
ngx_llmops_mock_path(ngx_llmops_op_e op, ngx_str_t *base, ngx_str_t *path,
    ngx_llmops_out_t *out)
{
    ngx_llmops_mock_as(op)->path(op, base, path, out);
}


static ngx_int_t
ngx_llmops_mock_edits(ngx_llmops_envelope_t *env, ngx_str_t *model,
    ngx_llmops_out_t *out, ngx_llmops_edit_t *edits)
{
    return ngx_llmops_mock_as(env->op)->edits(env, model, out, edits);
}


static void
ngx_llmops_mock_tap(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_sse_event_t *ev, unsigned want_usage, ngx_llmops_tap_t *tap)
{
    ngx_llmops_mock_as(op)->event(m, op, ev, want_usage, tap);
}


static ngx_int_t
ngx_llmops_mock_whole_answer(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_str_t *body)
{
    return ngx_llmops_mock_as(op)->whole(m, op, body);
}


static void
ngx_llmops_mock_body(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_json_member_t *found)
{
    ngx_llmops_json_member_t  messages[NGX_LLMOPS_ANTHROPIC_NWANT];

    if (ngx_llmops_mock_as(op) == &ngx_llmops_openai) {
        ngx_llmops_openai_body(m, op, found);
        return;
    }

    messages[0] = found[0];
    messages[1] = found[1];
    messages[2] = found[2];
    messages[3] = found[NGX_LLMOPS_MOCK_STOP];
    messages[4] = found[NGX_LLMOPS_MOCK_CONTENT];

    ngx_llmops_anthropic_body(m, op, messages);
}


static void
ngx_llmops_mock_write_error(ngx_llmops_out_t *out, ngx_llmops_op_e op,
    ngx_llmops_error_t *err, ngx_str_t *id, unsigned in_stream)
{
    ngx_llmops_mock_as(op)->write_error(out, op, err, id, in_stream);
}


const ngx_llmops_dialect_t  ngx_llmops_mock = {
    ngx_string("mock"),
    ngx_string("mock"),
    ngx_string("/v1"),
    (1 << NGX_LLMOPS_OP_MAX) - 2,
    ngx_string("authorization"),
    ngx_string("Bearer "),

    ngx_llmops_mock_path,
    ngx_llmops_mock_edits,
    ngx_llmops_mock_tap,
    ngx_llmops_mock_whole_answer,
    ngx_llmops_mock_want,
    NGX_LLMOPS_MOCK_NWANT,
    ngx_llmops_mock_body,
    ngx_llmops_openai_body_tail,
    ngx_llmops_mock_write_error
};
