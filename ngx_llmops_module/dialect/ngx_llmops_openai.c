
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <time.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_tap.h"
#include "ngx_llmops_request.h"


/*
 * OpenAI's API, and what speaks it: most servers there are.  A stream of chat
 * or completions tells its usage only if asked to, so that a request for one
 * is made to ask; the tap takes the answer out again.
 */


#define NGX_LLMOPS_USAGE_ON   "\"include_usage\":true"


typedef struct {
    ngx_str_t                  type;
    ngx_str_t                  code;       /* len 0: null */
} ngx_llmops_openai_error_t;


/* by ngx_llmops_err_e */

static const ngx_llmops_openai_error_t  ngx_llmops_openai_errors[] = {
    { ngx_string("server_error"), ngx_null_string },
    { ngx_string("invalid_request_error"), ngx_null_string },
    { ngx_string("invalid_request_error"),
      ngx_string("context_length_exceeded") },
    { ngx_string("invalid_request_error"), ngx_string("content_filter") },
    { ngx_string("invalid_request_error"), ngx_string("invalid_api_key") },
    { ngx_string("insufficient_quota"), ngx_string("insufficient_quota") },
    { ngx_string("permission_error"), ngx_null_string },
    { ngx_string("invalid_request_error"), ngx_string("model_not_found") },
    { ngx_string("invalid_request_error"),
      ngx_string("method_not_supported") },
    { ngx_string("invalid_request_error"), ngx_null_string },
    { ngx_string("invalid_request_error"),
      ngx_string("unsupported_media_type") },
    { ngx_string("rate_limit_error"), ngx_string("rate_limit_exceeded") },
    { ngx_string("server_error"), ngx_string("upstream_auth") },
    { ngx_string("server_error"), ngx_string("upstream_error") },
    { ngx_string("server_error"), ngx_string("overloaded") },
    { ngx_string("server_error"), ngx_string("timeout") },
    { ngx_string("server_error"), ngx_string("internal_error") },
    { ngx_string("server_error"), ngx_null_string }
};


/* by ngx_llmops_op_e; others have a path of their own */

static const ngx_str_t  ngx_llmops_openai_paths[NGX_LLMOPS_OP_MAX] = {
    ngx_null_string,
    ngx_string("/chat/completions"),
    ngx_null_string,
    ngx_string("/completions"),
    ngx_string("/embeddings"),
    ngx_string("/responses"),
    ngx_null_string,
    ngx_string("/moderations"),
    ngx_null_string,
    ngx_null_string,
    ngx_string("/rerank"),
    ngx_null_string,
    ngx_null_string
};


static void
ngx_llmops_openai_path(ngx_llmops_op_e op, ngx_str_t *base, ngx_str_t *path,
    ngx_llmops_out_t *out)
{
    const ngx_str_t  *p;

    p = &ngx_llmops_openai_paths[op];

    if (p->len == 0) {
        p = path;
    }

    (void) ngx_llmops_out_str(out, p);
}


/*
 * Where include_usage's value is in the captured options; where it is absent
 * the place behind the brace, with *end before it.
 */

static ngx_uint_t
ngx_llmops_openai_find_usage(ngx_llmops_envelope_t *env, size_t *start,
    size_t *end)
{
    u_char                  buf[NGX_LLMOPS_JSON_MAX_KEY];
    ngx_str_t               key, name, value;
    ngx_uint_t              members;
    ngx_llmops_json_iter_t  it;

    members = 0;
    (void) ngx_llmops_json_object(&it, &env->options);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {
        members++;

        key.data--;
        key.len += 2;

        if (ngx_llmops_json_string(&key, buf, sizeof(buf), &name) == NGX_OK
            && ngx_llmops_is(&name, "include_usage"))
        {
            *start = env->options_start + (value.data - env->options.data);
            *end = *start + value.len;

            return 0;
        }
    }

    *start = env->options_start + 1;
    *end = *start;

    return members ? 2 : 1;
}


static void
ngx_llmops_openai_force_usage(ngx_llmops_envelope_t *env,
    ngx_llmops_out_t *out, ngx_llmops_edit_t *e)
{
    if (!env->has_options) {
        e->start = env->close;
        e->end = env->close;
        (void) ngx_llmops_out_lit(out, ",\"stream_options\":{"
                                       NGX_LLMOPS_USAGE_ON "}");
        return;
    }

    if (env->options.data[0] == 'n') {
        e->start = env->options_start;
        e->end = env->options_end;
        (void) ngx_llmops_out_lit(out, "{" NGX_LLMOPS_USAGE_ON "}");
        return;
    }

    switch (ngx_llmops_openai_find_usage(env, &e->start, &e->end)) {

    case 0:
        (void) ngx_llmops_out_lit(out, "true");
        break;

    case 1:
        (void) ngx_llmops_out_lit(out, NGX_LLMOPS_USAGE_ON);
        break;

    default:
        (void) ngx_llmops_out_lit(out, NGX_LLMOPS_USAGE_ON ",");
    }
}


static ngx_int_t
ngx_llmops_openai_edits(ngx_llmops_envelope_t *env, ngx_str_t *model,
    ngx_llmops_out_t *out, ngx_llmops_edit_t *edits)
{
    size_t      start;
    ngx_uint_t  n;

    start = out->len;
    n = ngx_llmops_edit_model(env, model, out, edits);

    if (env->stream && !env->include_usage && env->json
        && (env->op == NGX_LLMOPS_OP_CHAT
            || env->op == NGX_LLMOPS_OP_COMPLETIONS))
    {
        edits[n].text.len = out->len;
        ngx_llmops_openai_force_usage(env, out, &edits[n]);
        edits[n].text.len = out->len - edits[n].text.len;
        n++;
    }

    return ngx_llmops_edits_finish(out, start, edits, n);
}


static void
ngx_llmops_openai_member(ngx_llmops_out_t *out, const ngx_str_t *s)
{
    if (s->len) {
        (void) ngx_llmops_out_json(out, s->data, s->len);

    } else {
        (void) ngx_llmops_out_lit(out, "null");
    }
}


static const ngx_str_t *
ngx_llmops_openai_code(ngx_llmops_error_t *err)
{
    return err->code.len ? &err->code
                         : &ngx_llmops_openai_errors[err->kind].code;
}


/* {"message":...,"type":...,"param":...,"code":...} */

static void
ngx_llmops_openai_object(ngx_llmops_out_t *out, ngx_llmops_error_t *err)
{
    (void) ngx_llmops_out_lit(out, "{\"message\":");
    (void) ngx_llmops_out_json(out, err->message.data, err->message.len);
    (void) ngx_llmops_out_lit(out, ",\"type\":");
    ngx_llmops_openai_member(out, &ngx_llmops_openai_errors[err->kind].type);
    (void) ngx_llmops_out_lit(out, ",\"param\":");
    ngx_llmops_openai_member(out, &err->param);
    (void) ngx_llmops_out_lit(out, ",\"code\":");
    ngx_llmops_openai_member(out, ngx_llmops_openai_code(err));
    (void) ngx_llmops_out_lit(out, "}");
}


/* code and message, as the error of a response object has them */

static void
ngx_llmops_openai_reason(ngx_llmops_out_t *out, ngx_llmops_error_t *err)
{
    const ngx_str_t  *code;

    code = ngx_llmops_openai_code(err);

    if (code->len == 0) {
        code = &ngx_llmops_openai_errors[err->kind].type;
    }

    (void) ngx_llmops_out_lit(out, "\"code\":");
    (void) ngx_llmops_out_json(out, code->data, code->len);
    (void) ngx_llmops_out_lit(out, ",\"message\":");
    (void) ngx_llmops_out_json(out, err->message.data, err->message.len);
}


/*
 * The specification has the error's members in the event itself, recorded
 * streams in an object inside: clients that know either find theirs.  What
 * was sent before is not kept, so that the numbers start anew.
 */

static void
ngx_llmops_openai_responses_error(ngx_llmops_out_t *out,
    ngx_llmops_error_t *err, ngx_str_t *id)
{
    (void) ngx_llmops_out_lit(out, "event: error\ndata: {\"type\":\"error\","
                                   "\"sequence_number\":0,");
    ngx_llmops_openai_reason(out, err);
    (void) ngx_llmops_out_lit(out, ",\"param\":");
    ngx_llmops_openai_member(out, &err->param);
    (void) ngx_llmops_out_lit(out, ",\"error\":");
    ngx_llmops_openai_object(out, err);

    (void) ngx_llmops_out_lit(out, "}\n\nevent: response.failed\ndata: "
                                   "{\"type\":\"response.failed\","
                                   "\"sequence_number\":1,\"response\":{"
                                   "\"id\":");

    if (id->len) {
        (void) ngx_llmops_out_json(out, id->data, id->len);

    } else {
        (void) ngx_llmops_out_lit(out, "\"resp_failed\"");
    }

    (void) ngx_llmops_out_lit(out, ",\"object\":\"response\","
                                   "\"created_at\":");
    (void) ngx_llmops_out_int(out, time(NULL));
    (void) ngx_llmops_out_lit(out, ",\"status\":\"failed\",\"error\":{");
    ngx_llmops_openai_reason(out, err);
    (void) ngx_llmops_out_lit(out, "},\"incomplete_details\":null,"
                                   "\"instructions\":null,\"metadata\":{},"
                                   "\"model\":\"\",\"output\":[],"
                                   "\"parallel_tool_calls\":true,"
                                   "\"tool_choice\":\"auto\",\"tools\":[],"
                                   "\"usage\":null}}\n\n");
}


static void
ngx_llmops_openai_write_error(ngx_llmops_out_t *out, ngx_llmops_op_e op,
    ngx_llmops_error_t *err, ngx_str_t *id, unsigned in_stream)
{
    if (in_stream && op == NGX_LLMOPS_OP_RESPONSES) {
        ngx_llmops_openai_responses_error(out, err, id);
        return;
    }

    /* no [DONE] after it: the stream did not get there */

    if (in_stream) {
        (void) ngx_llmops_out_lit(out, "data: ");
    }

    (void) ngx_llmops_out_lit(out, "{\"error\":");
    ngx_llmops_openai_object(out, err);
    (void) ngx_llmops_out_lit(out, "}");

    if (in_stream) {
        (void) ngx_llmops_out_lit(out, "\n\n");
    }
}


const ngx_llmops_dialect_t  ngx_llmops_openai = {
    ngx_string("openai"),
    ngx_string("openai"),
    ngx_string("/v1"),
    1 << NGX_LLMOPS_OP_CHAT
        | 1 << NGX_LLMOPS_OP_COMPLETIONS
        | 1 << NGX_LLMOPS_OP_EMBEDDINGS
        | 1 << NGX_LLMOPS_OP_RESPONSES
        | 1 << NGX_LLMOPS_OP_MODERATIONS
        | 1 << NGX_LLMOPS_OP_IMAGES
        | 1 << NGX_LLMOPS_OP_AUDIO
        | 1 << NGX_LLMOPS_OP_RERANK
        | 1 << NGX_LLMOPS_OP_MODELS
        | 1 << NGX_LLMOPS_OP_OTHER,
    ngx_string("authorization"),
    ngx_string("Bearer "),

    ngx_llmops_openai_path,
    ngx_llmops_openai_edits,
    ngx_llmops_openai_event,
    ngx_llmops_openai_whole,
    ngx_llmops_openai_want,
    NGX_LLMOPS_OPENAI_NWANT,
    ngx_llmops_openai_body,
    ngx_llmops_openai_body_tail,
    ngx_llmops_openai_write_error
};
