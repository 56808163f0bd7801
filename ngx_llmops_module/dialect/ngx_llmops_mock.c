
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_mock_job.h"


/*
 * The built-in provider: the way of a request.  What is said, and how it is
 * framed, is in the files beside this one.  It is no hot path: it reads and
 * writes with jansson.
 */


#define NGX_LLMOPS_MOCK_MAX    (64 * 1024 * 1024)
#define NGX_LLMOPS_MOCK_WORDS  100000
#define NGX_LLMOPS_MOCK_DELAY  60000


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
