
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_mock_job.h"
#include "ngx_llmops_tap.h"


/*
 * The built-in provider.  It answers in the dialect of the request, so it is
 * never translated to, and its taps are those of that dialect.  This file has
 * the way of a request and the framing of answers; what they say is in the
 * files beside it.  It is no hot path: it reads and writes with jansson.
 */


#define NGX_LLMOPS_MOCK_MAX    (64 * 1024 * 1024)
#define NGX_LLMOPS_MOCK_WORDS  100000
#define NGX_LLMOPS_MOCK_DELAY  60000


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
    { ngx_string("x_groq"), 0 },
    { ngx_string("status"), 32 },
    { ngx_string("incomplete_details"), 128 },
    { ngx_string("choices"), 0 },
    { ngx_string("output"), 0 },
    { ngx_string("stop_reason"), 48 },
    { ngx_string("content"), 0 }
};


/* by ngx_llmops_op_e; NULL: not found */

static const ngx_llmops_mock_handler_pt
ngx_llmops_mock_handlers[NGX_LLMOPS_OP_MAX] = {
    NULL,
    ngx_llmops_mock_chat,
    ngx_llmops_mock_messages,
    ngx_llmops_mock_completions,
    ngx_llmops_mock_embeddings,
    ngx_llmops_mock_responses,
    ngx_llmops_mock_count_tokens,
    ngx_llmops_mock_moderations,
    ngx_llmops_mock_images,
    ngx_llmops_mock_audio,
    ngx_llmops_mock_rerank,
    ngx_llmops_mock_models,
    NULL
};


static const char *
ngx_llmops_mock_reason(ngx_uint_t status)
{
    switch (status) {

    case 200:
        return "OK";

    case 404:
        return "Not Found";

    case 405:
        return "Method Not Allowed";

    case 429:
        return "Too Many Requests";

    default:
        return status < 500 ? "Bad Request" : "Internal Server Error";
    }
}


static void
ngx_llmops_mock_puts(ngx_llmops_out_t *out, const char *s)
{
    (void) ngx_llmops_out_write(out, s, ngx_strlen(s));
}


/* a part ends here; the last one takes what has no place */

static void
ngx_llmops_mock_part(ngx_llmops_mock_job_t *j)
{
    ngx_llmops_mock_answer_t  *a;

    a = j->a;

    if (a->nchunks < sizeof(a->chunk) / sizeof(a->chunk[0])) {
        a->nchunks++;
    }

    a->chunk[a->nchunks - 1] = a->out.len;
}


static void
ngx_llmops_mock_header(ngx_llmops_mock_job_t *j, ngx_uint_t status,
    const char *type)
{
    ngx_llmops_out_t  *out;

    out = &j->a->out;

    ngx_llmops_mock_puts(out, "HTTP/1.1 ");
    (void) ngx_llmops_out_int(out, status);
    ngx_llmops_mock_puts(out, " ");
    ngx_llmops_mock_puts(out, ngx_llmops_mock_reason(status));
    ngx_llmops_mock_puts(out, "\r\ncontent-type: ");
    ngx_llmops_mock_puts(out, type);
    ngx_llmops_mock_puts(out, "\r\nconnection: keep-alive\r\n");
    ngx_llmops_mock_puts(out, j->env.dialect == &ngx_llmops_anthropic
                              ? "request-id: req_" : "x-request-id: req_");
    ngx_llmops_mock_puts(out, j->id);

    if (status == 429 || status == 503) {
        ngx_llmops_mock_puts(out, "\r\nretry-after: 1");
    }

    ngx_llmops_mock_puts(out, "\r\n");
}


void
ngx_llmops_mock_whole(ngx_llmops_mock_job_t *j, ngx_uint_t status,
    const char *type, const void *body, size_t len)
{
    ngx_llmops_mock_header(j, status, type);
    ngx_llmops_mock_puts(&j->a->out, "content-length: ");
    (void) ngx_llmops_out_int(&j->a->out, len);
    ngx_llmops_mock_puts(&j->a->out, "\r\n\r\n");

    if (j->script.cut && status == 200) {
        len /= 2;
        j->a->reset = 1;
    }

    (void) ngx_llmops_out_write(&j->a->out, body, len);
    ngx_llmops_mock_part(j);
}


void
ngx_llmops_mock_json(ngx_llmops_mock_job_t *j, json_t *body)
{
    char  *s;

    s = body ? json_dumps(body, JSON_COMPACT) : NULL;

    if (s == NULL) {
        j->a->out.failed = 1;

    } else {
        ngx_llmops_mock_whole(j, 200, "application/json", s, ngx_strlen(s));
    }

    free(s);
    json_decref(body);
}


void
ngx_llmops_mock_error(ngx_llmops_mock_job_t *j, ngx_llmops_err_e kind,
    ngx_uint_t status, const char *param, const char *message)
{
    ngx_str_t           id;
    ngx_llmops_error_t  err;

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    err.kind = kind;
    err.message.data = (u_char *) message;
    err.message.len = ngx_strlen(message);
    err.param.data = (u_char *) param;
    err.param.len = ngx_strlen(param);

    if (err.param.len) {
        ngx_str_set(&err.code, "missing_required_parameter");

    } else if (j->env.op == NGX_LLMOPS_OP_OTHER
               || j->env.op == NGX_LLMOPS_OP_NONE)
    {
        ngx_str_set(&err.code, "unknown_url");
    }

    id.data = (u_char *) j->id;
    id.len = ngx_strlen(j->id);

    ngx_llmops_out_reset(&j->event);
    j->env.dialect->write_error(&j->event, j->env.op, &err, &id, 0);

    ngx_llmops_mock_whole(j, status, "application/json", j->event.data,
                          j->event.len);
}


void
ngx_llmops_mock_begin(ngx_llmops_mock_job_t *j)
{
    ngx_llmops_mock_header(j, 200, "text/event-stream; charset=utf-8");
    ngx_llmops_mock_puts(&j->a->out, "cache-control: no-cache\r\n"
                                     "transfer-encoding: chunked\r\n\r\n");
}


/* an event is a chunk of the transfer encoding, and a part */

static void
ngx_llmops_mock_frame(ngx_llmops_mock_job_t *j)
{
    size_t             n;
    u_char            *p, hex[16];
    ngx_llmops_out_t  *out;

    out = &j->a->out;
    p = hex + sizeof(hex);

    for (n = j->event.len; n; n >>= 4) {
        *--p = "0123456789abcdef"[n & 0xf];
    }

    (void) ngx_llmops_out_write(out, p, hex + sizeof(hex) - p);
    ngx_llmops_mock_puts(out, "\r\n");
    (void) ngx_llmops_out_write(out, j->event.data, j->event.len);
    ngx_llmops_mock_puts(out, "\r\n");

    out->failed |= j->event.failed;

    ngx_llmops_mock_part(j);
}


void
ngx_llmops_mock_event(ngx_llmops_mock_job_t *j, const char *name,
    json_t *data)
{
    char  *s;

    s = data ? json_dumps(data, JSON_COMPACT) : NULL;

    if (s == NULL) {
        j->a->out.failed = 1;
        json_decref(data);
        return;
    }

    ngx_llmops_out_reset(&j->event);

    if (name) {
        ngx_llmops_mock_puts(&j->event, "event: ");
        ngx_llmops_mock_puts(&j->event, name);
        ngx_llmops_mock_puts(&j->event, "\n");
    }

    ngx_llmops_mock_puts(&j->event, "data: ");
    ngx_llmops_mock_puts(&j->event, s);
    ngx_llmops_mock_puts(&j->event, "\n\n");

    ngx_llmops_mock_frame(j);

    free(s);
    json_decref(data);
}


/* a stream that shall break off loses the second half of its parts */

static void
ngx_llmops_mock_cut(ngx_llmops_mock_job_t *j)
{
    ngx_llmops_mock_answer_t  *a;

    a = j->a;

    if (!j->script.cut || a->nchunks < 2) {
        return;
    }

    a->nchunks /= 2;
    a->out.len = a->chunk[a->nchunks - 1];
    a->reset = 1;
}


void
ngx_llmops_mock_end(ngx_llmops_mock_job_t *j, const char *last)
{
    if (last) {
        ngx_llmops_out_reset(&j->event);
        ngx_llmops_mock_puts(&j->event, last);
        ngx_llmops_mock_frame(j);
    }

    ngx_llmops_mock_puts(&j->a->out, "0\r\n\r\n");
    j->a->chunk[j->a->nchunks - 1] = j->a->out.len;

    ngx_llmops_mock_cut(j);
}


static ngx_uint_t
ngx_llmops_mock_number(const char *s, ngx_uint_t max)
{
    ngx_uint_t  n;

    for (n = 0; *s >= '0' && *s <= '9' && n <= max; s++) {
        n = n * 10 + *s - '0';
    }

    return ngx_min(n, max);
}


static void
ngx_llmops_mock_read_script(ngx_llmops_mock_job_t *j)
{
    const char                *m;
    ngx_llmops_mock_script_t  *s;

    m = j->model;
    s = &j->script;

    if (ngx_strncmp(m, "lorem-", 6) == 0) {
        s->words = ngx_llmops_mock_number(m + 6, NGX_LLMOPS_MOCK_WORDS);

    } else if (ngx_strncmp(m, "slow-", 5) == 0) {
        s->delay = ngx_llmops_mock_number(m + 5, NGX_LLMOPS_MOCK_DELAY);

    } else if (ngx_strncmp(m, "error-", 6) == 0) {
        s->status = ngx_llmops_mock_number(m + 6, 599);

        if (s->status < 400) {
            s->status = 500;
        }

    } else {
        s->hang = (ngx_strcmp(m, "hang") == 0);
        s->cut = (ngx_strcmp(m, "cut") == 0);
        s->tool = (ngx_strcmp(m, "tool") == 0);
    }

    j->a->hang = s->hang;
    j->a->delay = s->delay;
    j->a->first_delay = s->delay;
}


static void
ngx_llmops_mock_scripted_error(ngx_llmops_mock_job_t *j)
{
    u_char              scratch[64];
    ngx_str_t           body;
    ngx_llmops_error_t  err;

    ngx_str_null(&body);

    ngx_llmops_error_read(j->script.status, &body, scratch, sizeof(scratch),
                          &err);

    if (err.kind == NGX_LLMOPS_ERR_UPSTREAM_AUTH) {
        /* here it is the key of the one who calls */
        err.kind = NGX_LLMOPS_ERR_AUTH;
    }

    ngx_llmops_mock_error(j, err.kind, j->script.status, "",
                          "the mock provider was asked for this error");
}


static json_t *
ngx_llmops_mock_schema(json_t *request)
{
    json_t  *s;

    s = json_object_get(request, "response_format");
    s = json_object_get(json_object_get(s, "json_schema"), "schema");

    if (s == NULL) {
        s = json_object_get(json_object_get(request, "text"), "format");
        s = json_object_get(s, "schema");
    }

    if (s == NULL) {
        s = json_object_get(request, "output_config");
        s = json_object_get(json_object_get(s, "format"), "schema");
    }

    return s;
}


static ngx_int_t
ngx_llmops_mock_limit_of(json_t *request)
{
    json_t      *v;
    ngx_uint_t   i;

    static const char *const  names[] = {
        "max_completion_tokens", "max_output_tokens", "max_tokens"
    };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        v = json_object_get(request, names[i]);

        if (json_is_integer(v) && json_integer_value(v) >= 0) {
            return json_integer_value(v);
        }
    }

    return -1;
}


/* NGX_DECLINED if a body was to be JSON and is not */

static ngx_int_t
ngx_llmops_mock_read(ngx_llmops_mock_job_t *j)
{
    json_t  *v;

    j->max_tokens = -1;
    j->model = "echo";

    j->request = json_loadb((char *) j->body->data, j->body->len, 0, NULL);

    if (!json_is_object(j->request)) {

        if (j->env.op == NGX_LLMOPS_OP_AUDIO
            || j->env.op == NGX_LLMOPS_OP_IMAGES)
        {
            ngx_llmops_mock_form(j);
            return NGX_OK;
        }

        return (j->env.op == NGX_LLMOPS_OP_MODELS) ? NGX_OK : NGX_DECLINED;
    }

    v = json_object_get(j->request, "model");

    if (json_is_string(v)) {
        j->model = json_string_value(v);
    }

    v = json_object_get(j->request, "stream_options");

    j->usage = json_is_true(json_object_get(v, "include_usage"));
    j->stream = json_is_true(json_object_get(j->request, "stream"));
    j->max_tokens = ngx_llmops_mock_limit_of(j->request);
    j->schema = ngx_llmops_mock_schema(j->request);

    return NGX_OK;
}


static void
ngx_llmops_mock_run(ngx_llmops_mock_job_t *j, ngx_int_t rc)
{
    ngx_llmops_mock_handler_pt  handler;

    handler = ngx_llmops_mock_handlers[j->env.op];

    if (handler == NULL) {
        ngx_llmops_mock_error(j, NGX_LLMOPS_ERR_NOT_FOUND, 404, "",
                              "the mock provider does not know this path");
        return;
    }

    if (rc != NGX_OK) {
        ngx_llmops_mock_error(j, NGX_LLMOPS_ERR_METHOD, 405, "",
                              "the mock provider knows this path, but not "
                              "with this method");
        return;
    }

    if (ngx_llmops_mock_read(j) != NGX_OK) {
        ngx_llmops_mock_error(j, NGX_LLMOPS_ERR_INVALID_REQUEST, 400, "",
                              "the request body is not a JSON object");
        return;
    }

    ngx_llmops_mock_read_script(j);

    if (j->script.status) {
        ngx_llmops_mock_scripted_error(j);
        return;
    }

    handler(j);
}


static void
ngx_llmops_mock_identify(ngx_llmops_mock_job_t *j)
{
    uint64_t    h;
    ngx_uint_t  i;

    h = ngx_llmops_mock_hash(j->body->data, j->body->len);

    for (i = 0; i < 16; i++) {
        j->id[i] = "0123456789abcdef"[h >> 60];
        h <<= 4;
    }
}


ngx_int_t
ngx_llmops_mock_answer(ngx_str_t *method, ngx_str_t *path, ngx_str_t *body,
    ngx_llmops_mock_answer_t *a)
{
    u_char                *p;
    ngx_int_t              rc;
    ngx_str_t              uri;
    ngx_llmops_mock_job_t  j;

    ngx_memzero(a, sizeof(ngx_llmops_mock_answer_t));
    ngx_memzero(&j, sizeof(ngx_llmops_mock_job_t));

    ngx_llmops_out_init(&a->out, NGX_LLMOPS_MOCK_MAX);
    ngx_llmops_out_init(&j.text, NGX_LLMOPS_MOCK_MAX);
    ngx_llmops_out_init(&j.arguments, NGX_LLMOPS_MOCK_MAX);
    ngx_llmops_out_init(&j.event, NGX_LLMOPS_MOCK_MAX);

    j.a = a;
    j.body = body;

    uri = *path;
    p = memchr(uri.data, '?', uri.len);

    if (p) {
        uri.len = p - uri.data;
    }

    ngx_llmops_mock_identify(&j);

    rc = ngx_llmops_operation(&j.env, &uri,
                       method->len == 3 && ngx_memcmp(method->data, "GET", 3)
                                           == 0,
                       method->len == 4 && ngx_memcmp(method->data, "POST", 4)
                                           == 0,
                       0);

    ngx_llmops_mock_run(&j, rc);

    a->out.failed |= j.text.failed | j.arguments.failed;

    json_decref(j.request);
    ngx_llmops_out_free(&j.text);
    ngx_llmops_out_free(&j.arguments);
    ngx_llmops_out_free(&j.event);

    return a->out.failed ? NGX_ERROR : NGX_OK;
}


/* the dialect */

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
    ngx_llmops_mock_want,
    NGX_LLMOPS_MOCK_NWANT,
    ngx_llmops_mock_body,
    ngx_llmops_mock_write_error
};
