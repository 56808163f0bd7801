
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_dialect.h"


/*
 * The read stage's view of a JSON body.  A body whose meaning depends on the
 * reader is refused: a gateway that routes by one of two "model" members, or
 * reads "mod\u0065l" as another name than the provider does, can be led past
 * its limits.  The texts say what the caller can do.
 */


#define NGX_LLMOPS_OPTIONS_MAX  384


static ngx_llmops_json_want_t  ngx_llmops_envelope_want[] = {
    { ngx_string("model"), 1024 },
    { ngx_string("stream"), 0 },
    { ngx_string("stream_options"), NGX_LLMOPS_OPTIONS_MAX },
    { ngx_string("max_tokens"), 32 },
    { ngx_string("max_completion_tokens"), 32 },
    { ngx_string("max_output_tokens"), 32 },
    { ngx_string("n"), 32 },
    { ngx_string("prompt"), 0 },
    { ngx_string("best_of"), 32 }
};


#define ngx_llmops_envelope_error(err, p, c, text)                            \
    ngx_str_set(&(err)->param, p);                                            \
    ngx_str_set(&(err)->code, c);                                             \
    ngx_str_set(&(err)->message, text)


static void
ngx_llmops_envelope_clear(ngx_llmops_error_t *err)
{
    ngx_memzero(err, sizeof(ngx_llmops_error_t));

    err->kind = NGX_LLMOPS_ERR_INVALID_REQUEST;
    err->status = 400;
}


static u_char *
ngx_llmops_envelope_text(u_char *p, const char *text)
{
    size_t  len;

    len = ngx_strlen(text);
    ngx_memcpy(p, text, len);

    return p + len;
}


/* the place of the fault: capture is not needed any more */

static void
ngx_llmops_envelope_at(ngx_llmops_envelope_t *env, const char *text,
    size_t offset, ngx_llmops_error_t *err)
{
    u_char  *p;

    p = ngx_llmops_envelope_text(env->capture, text);
    p = ngx_llmops_envelope_text(p, " at byte ");
    p = ngx_llmops_print_int(p, offset);

    err->message.data = env->capture;
    err->message.len = p - env->capture;
}


static ngx_int_t
ngx_llmops_envelope_invalid(ngx_llmops_envelope_t *env, ngx_uint_t code,
    size_t offset, ngx_llmops_error_t *err)
{
    ngx_llmops_envelope_clear(err);
    ngx_str_set(&err->code, "invalid_json");

    switch (code) {

    case NGX_LLMOPS_JSON_NOT_OBJECT:
        ngx_str_set(&err->message,
                    "the request body is not a JSON object: send the "
                    "parameters as {\"model\": ..., ...}");
        break;

    case NGX_LLMOPS_JSON_TRUNCATED:
        if (offset == 0) {
            ngx_str_set(&err->message, "the request body is empty: send a "
                                       "JSON object");
            break;
        }

        ngx_llmops_envelope_at(env, "the request body is not complete JSON: "
                               "it ends", offset, err);
        break;

    case NGX_LLMOPS_JSON_DEPTH:
        ngx_llmops_envelope_at(env, "the request body is nested too deeply: "
                               "more than 128 levels", offset, err);
        break;

    case NGX_LLMOPS_JSON_UTF8:
        ngx_llmops_envelope_at(env, "the request body is not UTF-8: "
                               "a string has an invalid sequence", offset,
                               err);
        break;

    default:
        ngx_llmops_envelope_at(env, "the request body is not JSON: "
                               "unexpected character", offset, err);
    }

    return NGX_DECLINED;
}


/* every member we look at decides something, so none may be there twice */

static ngx_int_t
ngx_llmops_envelope_repeated(ngx_llmops_json_member_t *found,
    ngx_llmops_error_t *err)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_WANT_MAX; i++) {

        if (found[i].count > 1) {
            ngx_llmops_envelope_error(err, "", "duplicate_parameter",
                "a parameter is in the request body more than once, maybe "
                "spelled with escapes or in capitals: send it once");
            err->param = ngx_llmops_envelope_want[i].name;

            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_envelope_needs_model(ngx_llmops_op_e op)
{
    return op == NGX_LLMOPS_OP_CHAT || op == NGX_LLMOPS_OP_MESSAGES
           || op == NGX_LLMOPS_OP_COMPLETIONS
           || op == NGX_LLMOPS_OP_EMBEDDINGS
           || op == NGX_LLMOPS_OP_RESPONSES
           || op == NGX_LLMOPS_OP_COUNT_TOKENS;
}


/* a name goes into headers and logs: no control characters */

static ngx_uint_t
ngx_llmops_envelope_printable(ngx_str_t *s)
{
    size_t  i;

    for (i = 0; i < s->len; i++) {
        if (s->data[i] < 0x20 || s->data[i] == 0x7f) {
            return 0;
        }
    }

    return 1;
}


static ngx_int_t
ngx_llmops_envelope_name(ngx_llmops_envelope_t *env, ngx_str_t *raw,
    ngx_llmops_error_t *err)
{
    ngx_str_t  name;

    if (raw->data == NULL
        || ngx_llmops_json_string(raw, env->model_buf, NGX_LLMOPS_MODEL_MAX,
                                  &name)
           != NGX_OK
        || name.len > NGX_LLMOPS_MODEL_MAX)
    {
        ngx_llmops_envelope_error(err, "model", "string_above_max_length",
            "\"model\" is longer than 256 bytes");
        return NGX_DECLINED;
    }

    if (name.len == 0) {
        ngx_llmops_envelope_error(err, "model", "invalid_value",
            "\"model\" is empty: send the name of a model");
        return NGX_DECLINED;
    }

    if (!ngx_llmops_envelope_printable(&name)) {
        ngx_llmops_envelope_error(err, "model", "invalid_value",
            "\"model\" has control characters: send the name of a model");
        return NGX_DECLINED;
    }

    if (name.data != env->model_buf) {
        ngx_memcpy(env->model_buf, name.data, name.len);
    }

    env->model.data = env->model_buf;
    env->model.len = name.len;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_envelope_model(ngx_llmops_envelope_t *env,
    ngx_llmops_json_member_t *m, ngx_llmops_error_t *err)
{
    env->model_start = m->start;
    env->model_end = m->end;

    if (m->type == NGX_LLMOPS_JSON_STRING) {
        return ngx_llmops_envelope_name(env, &m->value, err);
    }

    if (m->type != NGX_LLMOPS_JSON_NONE && m->type != NGX_LLMOPS_JSON_NULL) {
        ngx_llmops_envelope_error(err, "model", "invalid_type",
            "\"model\" is not a string: send the name of a model");
        return NGX_DECLINED;
    }

    if (env->prompts) {
        return NGX_OK;
    }

    return ngx_llmops_envelope_named(env, err);
}


ngx_int_t
ngx_llmops_envelope_named(ngx_llmops_envelope_t *env, ngx_llmops_error_t *err)
{
    if (env->model.len || !ngx_llmops_envelope_needs_model(env->op)) {
        return NGX_OK;
    }

    ngx_llmops_envelope_clear(err);
    ngx_llmops_envelope_error(err, "model", "missing_required_parameter",
        "\"model\" is missing: send the name of a model");

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_envelope_stream(ngx_llmops_envelope_t *env,
    ngx_llmops_json_member_t *m, ngx_llmops_error_t *err)
{
    switch (m->type) {

    case NGX_LLMOPS_JSON_TRUE:
        env->stream = 1;

        /* fall through */

    case NGX_LLMOPS_JSON_NONE:
    case NGX_LLMOPS_JSON_NULL:
    case NGX_LLMOPS_JSON_FALSE:
        return NGX_OK;

    default:
        ngx_llmops_envelope_error(err, "stream", "invalid_type",
            "\"stream\" is not a boolean: send true or false");
        return NGX_DECLINED;
    }
}


/* include_usage has one meaning only: one member, true, false or null */

static ngx_int_t
ngx_llmops_envelope_usage(ngx_llmops_envelope_t *env,
    ngx_llmops_error_t *err)
{
    u_char                  buf[NGX_LLMOPS_JSON_MAX_KEY];
    ngx_str_t               key, name, value;
    ngx_uint_t              n;
    ngx_llmops_json_iter_t  it;

    n = 0;
    (void) ngx_llmops_json_object(&it, &env->options);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        /* with the quotes around it */
        key.data--;
        key.len += 2;

        if (ngx_llmops_json_string(&key, buf, sizeof(buf), &name) != NGX_OK
            || name.len != sizeof("include_usage") - 1
            || ngx_memcmp(name.data, "include_usage", name.len) != 0)
        {
            continue;
        }

        if (n++) {
            ngx_llmops_envelope_error(err, "stream_options.include_usage",
                "duplicate_parameter",
                "\"include_usage\" is there more than once, maybe spelled "
                "with escapes: send it once");
            return NGX_DECLINED;
        }

        switch (ngx_llmops_json_type(&value)) {

        case NGX_LLMOPS_JSON_TRUE:
            env->include_usage = 1;
            break;

        case NGX_LLMOPS_JSON_FALSE:
        case NGX_LLMOPS_JSON_NULL:
            break;

        default:
            ngx_llmops_envelope_error(err, "stream_options.include_usage",
                "invalid_type",
                "\"include_usage\" is not a boolean: send true or false");
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_envelope_options(ngx_llmops_envelope_t *env,
    ngx_llmops_json_member_t *m, ngx_llmops_error_t *err)
{
    /* other operations have other options, or none */

    if (m->type == NGX_LLMOPS_JSON_NONE || (env->op != NGX_LLMOPS_OP_CHAT
                          && env->op != NGX_LLMOPS_OP_COMPLETIONS))
    {
        return NGX_OK;
    }

    env->has_options = 1;
    env->options_start = m->start;
    env->options_end = m->end;
    env->options = m->value;

    if (m->type == NGX_LLMOPS_JSON_NULL) {
        return NGX_OK;
    }

    if (m->type != NGX_LLMOPS_JSON_OBJECT) {
        ngx_llmops_envelope_error(err, "stream_options", "invalid_type",
            "\"stream_options\" is not an object");
        return NGX_DECLINED;
    }

    if (m->value.data == NULL) {
        ngx_llmops_envelope_error(err, "stream_options", "invalid_value",
            "\"stream_options\" is longer than 384 bytes");
        return NGX_DECLINED;
    }

    return ngx_llmops_envelope_usage(env, err);
}


/*
 * Numbers that are none are the provider's to refuse.  There are lax ones that
 * take "4000" for 4000, and 4000.0 with any number of zeros: what may be a
 * number to one of them, and is none that we can read, is the largest one.
 * Limits go by it, and nobody gets past them by its spelling.
 */

static ngx_int_t
ngx_llmops_envelope_number(ngx_llmops_json_member_t *m, int64_t *n)
{
    u_char  *p, *last;

    if (m->type != NGX_LLMOPS_JSON_NUMBER
        && m->type != NGX_LLMOPS_JSON_STRING)
    {
        return NGX_DECLINED;
    }

    if (m->value.data && ngx_llmops_json_count(&m->value, n) == NGX_OK) {
        return NGX_OK;
    }

    if (m->value.data) {
        p = m->value.data + (m->type == NGX_LLMOPS_JSON_STRING);
        last = m->value.data + m->value.len;

        while (p < last && *p == ' ') {
            p++;
        }

        if ((*p < '0' || *p > '9') && *p != '+' && *p != '\\') {
            return NGX_DECLINED;             /* negative, or words */
        }
    }

    *n = NGX_LLMOPS_JSON_MAX_COUNT;

    return NGX_OK;
}


static void
ngx_llmops_envelope_numbers(ngx_llmops_envelope_t *env,
    ngx_llmops_json_member_t *found)
{
    int64_t     n;
    ngx_uint_t  i;

    for (i = NGX_LLMOPS_WANT_MAX_TOKENS;
         i <= NGX_LLMOPS_WANT_MAX_OUTPUT_TOKENS;
         i++)
    {
        if (ngx_llmops_envelope_number(&found[i], &n) == NGX_OK) {
            env->max_tokens = ngx_max(env->max_tokens, n);
        }
    }

    if (ngx_llmops_envelope_number(&found[NGX_LLMOPS_WANT_N], &n) == NGX_OK
        && n > 0)
    {
        env->n = n;
    }

    if (env->op == NGX_LLMOPS_OP_COMPLETIONS
        && ngx_llmops_envelope_number(&found[NGX_LLMOPS_WANT_BEST_OF], &n)
           == NGX_OK)
    {
        env->n = ngx_max(env->n, n);
    }
}


void
ngx_llmops_envelope_begin(ngx_llmops_envelope_t *env,
    ngx_llmops_envelope_scan_t *state)
{
    ngx_uint_t  n;

    env->max_tokens = -1;
    env->n = 1;
    env->estimated = 0;
    env->seen = 0;

    n = (env->op == NGX_LLMOPS_OP_COMPLETIONS) ? NGX_LLMOPS_WANT_MAX
        : env->prompts ? NGX_LLMOPS_WANT_PROMPT + 1 : NGX_LLMOPS_WANT_PROMPT;

    ngx_llmops_json_scan_init(&state->scan, ngx_llmops_envelope_want,
                              state->found, n, env->capture,
                              NGX_LLMOPS_CAPTURE);

    state->found[NGX_LLMOPS_WANT_PROMPT].count = 0;
    state->found[NGX_LLMOPS_WANT_BEST_OF].count = 0;
}


ngx_int_t
ngx_llmops_envelope_feed(ngx_llmops_envelope_t *env,
    ngx_llmops_envelope_scan_t *state, const u_char *p, size_t len,
    ngx_llmops_error_t *err)
{
    ngx_uint_t  code;

    code = ngx_llmops_json_scan(&state->scan, p, len);

    if (code == NGX_LLMOPS_JSON_OK) {
        return NGX_OK;
    }

    return ngx_llmops_envelope_invalid(env, code, state->scan.offset, err);
}


ngx_int_t
ngx_llmops_envelope_end(ngx_llmops_envelope_t *env,
    ngx_llmops_envelope_scan_t *state, ngx_llmops_error_t *err)
{
    ngx_uint_t                 code;
    ngx_llmops_json_member_t  *found;

    code = ngx_llmops_json_scan_done(&state->scan);

    if (code != NGX_LLMOPS_JSON_OK) {
        return ngx_llmops_envelope_invalid(env, code, state->scan.offset,
                                           err);
    }

    env->json = 1;
    env->body_len = state->scan.offset;
    env->open = state->scan.open;
    env->close = state->scan.close;
    env->empty = (state->scan.members == 0);
    env->text_bytes = state->scan.text_bytes;
    env->images = state->scan.data_urls;

    found = state->found;

    if (found[NGX_LLMOPS_WANT_PROMPT].count) {
        env->prompt_start = found[NGX_LLMOPS_WANT_PROMPT].start;
        env->prompt_end = found[NGX_LLMOPS_WANT_PROMPT].end;
    }

    ngx_llmops_envelope_clear(err);
    ngx_llmops_envelope_numbers(env, found);

    if (ngx_llmops_envelope_repeated(found, err) != NGX_OK
        || ngx_llmops_envelope_model(env, &found[NGX_LLMOPS_WANT_MODEL], err)
           != NGX_OK
        || ngx_llmops_envelope_stream(env, &found[NGX_LLMOPS_WANT_STREAM],
                                      err)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    return ngx_llmops_envelope_options(env,
                                      &found[NGX_LLMOPS_WANT_STREAM_OPTIONS],
                                      err);
}
