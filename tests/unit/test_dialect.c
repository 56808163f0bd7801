
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include <jansson.h>
#include "ngx_llmops_dialect.h"


/* names, paths, and errors as they are written and read */


static void
test_names(void **state)
{
    size_t  i, j;

    for (i = 0; ngx_llmops_dialects[i]; i++) {
        assert_ptr_equal(ngx_llmops_dialect_find(
                             (ngx_str_t *) &ngx_llmops_dialects[i]->name),
                         ngx_llmops_dialects[i]);
    }

    assert_int_equal(i, 3);
    assert_null(ngx_llmops_dialect_find(unit_str("open")));
    assert_null(ngx_llmops_dialect_find(unit_str("")));

    for (i = 1; i < NGX_LLMOPS_OP_MAX; i++) {
        assert_true(ngx_llmops_op_names[i].len > 0);
    }

    assert_str(ngx_llmops_op_names[NGX_LLMOPS_OP_CHAT], "chat");
    assert_str(ngx_llmops_op_names[NGX_LLMOPS_OP_OTHER], "other");

    for (i = 1; i < NGX_LLMOPS_ERR_MAX; i++) {
        for (j = 1; j < i; j++) {
            assert_string_not_equal(ngx_llmops_error_names[i].data,
                                    ngx_llmops_error_names[j].data);
        }
    }

    assert_str(ngx_llmops_error_names[NGX_LLMOPS_ERR_CLIENT_ABORT],
               "client_abort");
    assert_str(ngx_llmops_finish_names[NGX_LLMOPS_FINISH_ERROR], "error");
}


typedef struct {
    const char                  *uri;
    int                          get;
    int                          anthropic;
    ngx_int_t                    rc;
    ngx_llmops_op_e              op;
    const ngx_llmops_dialect_t  *dialect;
    const char                  *path;
} operation_t;

#define OPENAI     &ngx_llmops_openai
#define ANTHROPIC  &ngx_llmops_anthropic


static const operation_t  operations[] = {
    { "/v1/chat/completions", 0, 0, NGX_OK, NGX_LLMOPS_OP_CHAT, OPENAI,
      "/chat/completions" },
    { "/v1/chat/completions", 0, 1, NGX_OK, NGX_LLMOPS_OP_CHAT, OPENAI,
      "/chat/completions" },
    { "/v1/chat/completions", 1, 0, NGX_DECLINED, NGX_LLMOPS_OP_CHAT, OPENAI,
      "/chat/completions" },
    { "/v1/chat/completions//", 0, 0, NGX_OK, NGX_LLMOPS_OP_CHAT, OPENAI,
      "/chat/completions" },
    { "/team/v1/a/v1/chat/completions", 0, 0, NGX_OK, NGX_LLMOPS_OP_CHAT,
      OPENAI, "/chat/completions" },
    { "/chat/completions", 0, 0, NGX_OK, NGX_LLMOPS_OP_CHAT, OPENAI,
      "/chat/completions" },
    { "/v1/completions", 0, 0, NGX_OK, NGX_LLMOPS_OP_COMPLETIONS, OPENAI,
      "/completions" },
    { "/v1/embeddings", 0, 0, NGX_OK, NGX_LLMOPS_OP_EMBEDDINGS, OPENAI,
      "/embeddings" },
    { "/v1/responses", 0, 0, NGX_OK, NGX_LLMOPS_OP_RESPONSES, OPENAI,
      "/responses" },
    { "/v1/responses/resp_1", 1, 0, NGX_OK, NGX_LLMOPS_OP_OTHER, OPENAI,
      "/responses/resp_1" },
    { "/v1/messages", 0, 0, NGX_OK, NGX_LLMOPS_OP_MESSAGES, ANTHROPIC,
      "/messages" },
    { "/anthropic/v1/messages", 0, 0, NGX_OK, NGX_LLMOPS_OP_MESSAGES,
      ANTHROPIC, "/messages" },
    { "/v1/messages/count_tokens", 0, 0, NGX_OK, NGX_LLMOPS_OP_COUNT_TOKENS,
      ANTHROPIC, "/messages/count_tokens" },
    { "/v1/messages/batches/b/results", 1, 0, NGX_OK, NGX_LLMOPS_OP_OTHER,
      ANTHROPIC, "/messages/batches/b/results" },
    { "/v1/messages/", 0, 0, NGX_OK, NGX_LLMOPS_OP_MESSAGES, ANTHROPIC,
      "/messages" },
    { "/v1/responses/", 0, 0, NGX_OK, NGX_LLMOPS_OP_RESPONSES, OPENAI,
      "/responses" },
    { "/v1/messages/v1/chat/completions", 0, 0, NGX_OK, NGX_LLMOPS_OP_CHAT,
      OPENAI, "/chat/completions" },
    { "/v1/moderations", 0, 0, NGX_OK, NGX_LLMOPS_OP_MODERATIONS, OPENAI,
      "/moderations" },
    { "/v1/images/edits", 0, 0, NGX_OK, NGX_LLMOPS_OP_IMAGES, OPENAI,
      "/images/edits" },
    { "/v1/audio/speech", 0, 0, NGX_OK, NGX_LLMOPS_OP_AUDIO, OPENAI,
      "/audio/speech" },
    { "/v1/audio/voices", 1, 0, NGX_OK, NGX_LLMOPS_OP_OTHER, OPENAI,
      "/audio/voices" },
    { "/v1/audiobooks", 0, 0, NGX_OK, NGX_LLMOPS_OP_OTHER, OPENAI,
      "/audiobooks" },
    { "/v1/rerank", 0, 0, NGX_OK, NGX_LLMOPS_OP_RERANK, OPENAI, "/rerank" },
    { "/v1/models", 1, 0, NGX_OK, NGX_LLMOPS_OP_MODELS, OPENAI, "/models" },
    { "/v1/models", 1, 1, NGX_OK, NGX_LLMOPS_OP_MODELS, ANTHROPIC,
      "/models" },
    { "/v1/models/org/name", 1, 0, NGX_OK, NGX_LLMOPS_OP_MODELS, OPENAI,
      "/models/org/name" },
    { "/v1/models", 0, 0, NGX_DECLINED, NGX_LLMOPS_OP_MODELS, OPENAI,
      "/models" },
    { "/v1/files/f", 1, 1, NGX_OK, NGX_LLMOPS_OP_OTHER, ANTHROPIC,
      "/files/f" },
    { "/v1", 1, 0, NGX_OK, NGX_LLMOPS_OP_NONE, OPENAI, "" },
    { "/v1/", 1, 0, NGX_OK, NGX_LLMOPS_OP_NONE, OPENAI, "" },
    { "/v10/chat/completions", 0, 0, NGX_OK, NGX_LLMOPS_OP_NONE, OPENAI,
      "/v10/chat/completions" },
    { "/", 1, 0, NGX_OK, NGX_LLMOPS_OP_NONE, OPENAI, "" },
    { "", 1, 1, NGX_OK, NGX_LLMOPS_OP_NONE, ANTHROPIC, "" },
    { "/other", 1, 0, NGX_OK, NGX_LLMOPS_OP_NONE, OPENAI, "/other" },
};


static void
test_operations(void **state)
{
    size_t                  i;
    const operation_t      *t;
    ngx_llmops_envelope_t   env;

    for (i = 0; i < sizeof(operations) / sizeof(operations[0]); i++) {
        t = &operations[i];

        assert_int_equal(ngx_llmops_operation(&env, unit_str(t->uri), t->get,
                                              !t->get, t->anthropic),
                         t->rc);
        assert_int_equal(env.op, t->op);
        assert_ptr_equal(env.dialect, t->dialect);
        assert_str(env.path, t->path);
    }
}


static void
check_path(const ngx_llmops_dialect_t *d, ngx_llmops_op_e op,
    const char *base, const char *path, const char *expected)
{
    ngx_llmops_out_t  out;

    ngx_llmops_out_init(&out, 256);
    d->path(op, unit_str(base), unit_str(path), &out);
    assert_str(out, expected);
    ngx_llmops_out_free(&out);
}


static void
test_paths(void **state)
{
    check_path(OPENAI, NGX_LLMOPS_OP_CHAT, "/v1", "/chat/completions",
               "/chat/completions");
    check_path(OPENAI, NGX_LLMOPS_OP_CHAT, "/v1", "/messages",
               "/chat/completions");
    check_path(OPENAI, NGX_LLMOPS_OP_IMAGES, "", "/images/edits",
               "/images/edits");
    check_path(OPENAI, NGX_LLMOPS_OP_OTHER, "/v1", "/files/f", "/files/f");

    check_path(ANTHROPIC, NGX_LLMOPS_OP_MESSAGES, "/v1", "/messages",
               "/messages");
    check_path(ANTHROPIC, NGX_LLMOPS_OP_MESSAGES, "/a/v12", "", "/messages");
    check_path(ANTHROPIC, NGX_LLMOPS_OP_MESSAGES, "", "/chat/completions",
               "/v1/messages");
    check_path(ANTHROPIC, NGX_LLMOPS_OP_COUNT_TOKENS, "/anthropic", "",
               "/v1/messages/count_tokens");
    check_path(ANTHROPIC, NGX_LLMOPS_OP_MESSAGES, "/v", "", "/v1/messages");
    check_path(ANTHROPIC, NGX_LLMOPS_OP_MESSAGES, "/1", "", "/v1/messages");
    check_path(ANTHROPIC, NGX_LLMOPS_OP_MESSAGES, "v1", "", "/v1/messages");
    check_path(ANTHROPIC, NGX_LLMOPS_OP_OTHER, "/v1", "/files", "/files");

    check_path(&ngx_llmops_mock, NGX_LLMOPS_OP_MESSAGES, "/v1", "",
               "/messages");
    check_path(&ngx_llmops_mock, NGX_LLMOPS_OP_CHAT, "/v1", "",
               "/chat/completions");
}


/* errors that we write */

static json_t *
written(ngx_llmops_out_t *out, const char *before, const char *after)
{
    size_t   skip;
    json_t  *v;

    skip = strlen(before) + strlen(after);

    assert_false(out->failed);
    assert_true(out->len > skip);
    assert_memory_equal(out->data, before, strlen(before));
    assert_memory_equal(out->data + out->len - strlen(after), after,
                        strlen(after));

    v = json_loadb((char *) out->data + strlen(before), out->len - skip, 0,
                   NULL);
    assert_non_null(v);

    return v;
}


static void
check_written(const ngx_llmops_dialect_t *d, ngx_llmops_op_e op,
    ngx_llmops_error_t *err, int in_stream, const char *before,
    const char *after, const char *expected)
{
    json_t            *v, *e;
    ngx_llmops_out_t   out;

    ngx_llmops_out_init(&out, 1 << 16);
    d->write_error(&out, op, err, unit_str("req_1"), in_stream);

    v = written(&out, before, after);
    e = json_loads(expected, 0, NULL);
    assert_non_null(e);
    assert_true(json_equal(v, e));

    json_decref(v);
    json_decref(e);
    ngx_llmops_out_free(&out);
}


static void
test_write(void **state)
{
    ngx_llmops_error_t  err;

    memset(&err, 0, sizeof(err));
    err.kind = NGX_LLMOPS_ERR_RATE_LIMIT;
    err.message = *unit_str("slow \"down\"\n");

    check_written(OPENAI, NGX_LLMOPS_OP_CHAT, &err, 0, "", "",
                  "{\"error\":{\"message\":\"slow \\\"down\\\"\\n\","
                  "\"type\":\"rate_limit_error\",\"param\":null,"
                  "\"code\":\"rate_limit_exceeded\"}}");
    check_written(OPENAI, NGX_LLMOPS_OP_CHAT, &err, 1, "data: ", "\n\n",
                  "{\"error\":{\"message\":\"slow \\\"down\\\"\\n\","
                  "\"type\":\"rate_limit_error\",\"param\":null,"
                  "\"code\":\"rate_limit_exceeded\"}}");
    check_written(ANTHROPIC, NGX_LLMOPS_OP_MESSAGES, &err, 0, "", "",
                  "{\"type\":\"error\",\"error\":{\"type\":"
                  "\"rate_limit_error\",\"message\":"
                  "\"slow \\\"down\\\"\\n\"},\"request_id\":\"req_1\"}");
    check_written(ANTHROPIC, NGX_LLMOPS_OP_MESSAGES, &err, 1,
                  "event: error\ndata: ", "\n\n",
                  "{\"type\":\"error\",\"error\":{\"type\":"
                  "\"rate_limit_error\",\"message\":"
                  "\"slow \\\"down\\\"\\n\"},\"request_id\":\"req_1\"}");
    check_written(&ngx_llmops_mock, NGX_LLMOPS_OP_MESSAGES, &err, 0, "", "",
                  "{\"type\":\"error\",\"error\":{\"type\":"
                  "\"rate_limit_error\",\"message\":"
                  "\"slow \\\"down\\\"\\n\"},\"request_id\":\"req_1\"}");

    err.kind = NGX_LLMOPS_ERR_INVALID_REQUEST;
    err.message = *unit_str("no");
    err.param = *unit_str("model");
    err.code = *unit_str("missing_required_parameter");

    check_written(OPENAI, NGX_LLMOPS_OP_CHAT, &err, 0, "", "",
                  "{\"error\":{\"message\":\"no\",\"type\":"
                  "\"invalid_request_error\",\"param\":\"model\","
                  "\"code\":\"missing_required_parameter\"}}");
}


/* two events, each of which is enough for some client */

static void
test_write_responses(void **state)
{
    char                *second;
    json_t              *v;
    ngx_llmops_out_t     out, part;
    ngx_llmops_error_t   err;

    memset(&err, 0, sizeof(err));
    err.kind = NGX_LLMOPS_ERR_INVALID_REQUEST;
    err.message = *unit_str("no");

    ngx_llmops_out_init(&out, 1 << 16);
    ngx_llmops_openai.write_error(&out, NGX_LLMOPS_OP_RESPONSES, &err,
                                  unit_str(""), 1);
    ngx_llmops_out_write(&out, "", 1);

    second = strstr((char *) out.data, "event: response.failed\n");
    assert_non_null(second);

    part = out;
    part.len = second - (char *) out.data;
    v = written(&part, "event: error\ndata: ", "\n\n");
    assert_string_equal(json_string_value(json_object_get(v, "type")),
                        "error");
    assert_string_equal(json_string_value(json_object_get(v, "message")),
                        "no");
    assert_string_equal(json_string_value(json_object_get(v, "code")),
                        "invalid_request_error");
    assert_true(json_is_object(json_object_get(v, "error")));
    json_decref(v);

    part.data = (u_char *) second;
    part.len = strlen(second);
    v = written(&part, "event: response.failed\ndata: ", "\n\n");
    assert_string_equal(json_string_value(json_object_get(
                            json_object_get(v, "response"), "status")),
                        "failed");
    assert_string_equal(json_string_value(json_object_get(json_object_get(
                            json_object_get(v, "response"), "error"),
                            "message")),
                        "no");
    json_decref(v);

    ngx_llmops_out_free(&out);
}


/* each kind has a type, and all of them are read as the kind they are */

static void
test_kinds(void **state)
{
    size_t               i;
    u_char               scratch[512];
    ngx_uint_t           status;
    ngx_llmops_out_t     out;
    ngx_llmops_error_t   err, back;

    for (i = 1; i < NGX_LLMOPS_ERR_CLIENT_ABORT; i++) {
        memset(&err, 0, sizeof(err));
        err.kind = i;
        err.message = *unit_str("m");

        ngx_llmops_out_init(&out, 4096);
        ngx_llmops_openai.write_error(&out, NGX_LLMOPS_OP_CHAT, &err,
                                      unit_str(""), 0);

        status = ngx_llmops_error_status(&ngx_llmops_openai, i);
        assert_in_range(status, 400, 599);

        ngx_llmops_error_read(status, (ngx_str_t *) (void *)
                              &(ngx_str_t) { out.len, out.data },
                              scratch, sizeof(scratch), &back);
        assert_str(back.message, "m");
        ngx_llmops_out_free(&out);

        if (i == NGX_LLMOPS_ERR_AUTH) {
            assert_int_equal(back.kind, NGX_LLMOPS_ERR_UPSTREAM_AUTH);

        } else if (i != NGX_LLMOPS_ERR_INTERNAL
                   && i != NGX_LLMOPS_ERR_UPSTREAM_AUTH)
        {
            assert_int_equal(back.kind, i);
        }
    }

    assert_int_equal(ngx_llmops_error_status(OPENAI,
                                             NGX_LLMOPS_ERR_OVERLOADED), 503);
    assert_int_equal(ngx_llmops_error_status(ANTHROPIC,
                                             NGX_LLMOPS_ERR_OVERLOADED), 529);
    assert_int_equal(ngx_llmops_error_status(OPENAI,
                                             NGX_LLMOPS_ERR_BILLING), 429);
    assert_int_equal(ngx_llmops_error_status(ANTHROPIC,
                                             NGX_LLMOPS_ERR_BILLING), 402);
}


/* errors that we read */

typedef struct {
    ngx_uint_t        status;
    const char       *body;
    ngx_llmops_err_e  kind;
    ngx_uint_t        shown;
    const char       *message;             /* NULL: any */
    const char       *code;
    const char       *type;
    const char       *param;
} shape_t;



static const shape_t  shapes[] = {

    { 429, "{\"error\":{\"message\":\"Rate limit\",\"type\":\"requests\","
      "\"param\":null,\"code\":\"rate_limit_exceeded\"}}",
      NGX_LLMOPS_ERR_RATE_LIMIT, 429, "Rate limit", "rate_limit_exceeded",
      "requests", "" },
    { 429, "{\"error\":{\"message\":\"You exceeded\",\"type\":"
      "\"insufficient_quota\",\"param\":null,\"code\":"
      "\"insufficient_quota\"}}",
      NGX_LLMOPS_ERR_BILLING, 429, "You exceeded", "insufficient_quota",
      "insufficient_quota", "" },
    { 400, "{\"error\":{\"message\":\"too long\",\"type\":"
      "\"invalid_request_error\",\"param\":\"messages\",\"code\":"
      "\"context_length_exceeded\"}}",
      NGX_LLMOPS_ERR_CONTEXT_LENGTH, 400, "too long",
      "context_length_exceeded", "invalid_request_error", "messages" },
    { 400, "{\"type\":\"error\",\"error\":{\"type\":"
      "\"invalid_request_error\",\"message\":\"Prompt is too long: 210000 "
      "tokens > 200000 maximum\"},\"request_id\":\"req_1\"}",
      NGX_LLMOPS_ERR_CONTEXT_LENGTH, 400,
      "Prompt is too long: 210000 tokens > 200000 maximum", "",
      "invalid_request_error", "" },
    { 400, "{\"object\":\"error\",\"message\":\"This model's maximum context "
      "length is 4096 tokens\",\"type\":\"BadRequestError\",\"param\":null,"
      "\"code\":400}",
      NGX_LLMOPS_ERR_CONTEXT_LENGTH, 400,
      "This model's maximum context length is 4096 tokens", "400",
      "BadRequestError", "" },
    { 400, "{\"error\":{\"message\":\"filtered\",\"type\":null,\"param\":"
      "\"prompt\",\"code\":\"content_filter\",\"status\":400,"
      "\"innererror\":{\"code\":\"ResponsibleAIPolicyViolation\"}}}",
      NGX_LLMOPS_ERR_CONTENT_POLICY, 400, "filtered", "content_filter", "",
      "prompt" },
    { 529, "{\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\","
      "\"message\":\"Overloaded\"}}",
      NGX_LLMOPS_ERR_OVERLOADED, 0, "Overloaded", "", "overloaded_error",
      "" },
    { 429, "{\"type\":\"error\",\"error\":{\"type\":\"rate_limit_error\","
      "\"message\":\"m\",\"details\":{\"error_code\":"
      "\"contract_spend_limit_reached\"}}}",
      NGX_LLMOPS_ERR_BILLING, 429, "m", "", "rate_limit_error", "" },
    { 401, "{\"statusCode\":401,\"message\":\"Access denied\"}",
      NGX_LLMOPS_ERR_UPSTREAM_AUTH, 0, "Access denied", "", "", "" },
    { 404, "{\"error\":{\"code\":\"DeploymentNotFound\",\"message\":\"d\"}}",
      NGX_LLMOPS_ERR_NOT_FOUND, 404, "d", "DeploymentNotFound", "", "" },
    { 429, "{\"error\":{\"code\":\"429\",\"message\":\"wait\"}}",
      NGX_LLMOPS_ERR_RATE_LIMIT, 429, "wait", "429", "", "" },
    { 422, "{\"error\":\"bad\",\"error_type\":\"validation\"}",
      NGX_LLMOPS_ERR_INVALID_REQUEST, 422, "bad", "", "validation", "" },
    { 422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\","
      "\"type\":\"missing\"}]}",
      NGX_LLMOPS_ERR_INVALID_REQUEST, 422, "field required", "", "", "" },
    { 404, "{\"detail\":\"Not Found\"}",
      NGX_LLMOPS_ERR_NOT_FOUND, 404, "Not Found", "", "", "" },
    { 400, "{\"error\":{\"message\":{\"message\":\"deep\"}}}",
      NGX_LLMOPS_ERR_INVALID_REQUEST, 400, "deep", "", "", "" },
    { 400, "{\"error\":{\"message\":{\"detail\":[{\"msg\":\"no\"}]}}}",
      NGX_LLMOPS_ERR_INVALID_REQUEST, 400, NULL, "", "", "" },
    { 403, "{\"Message\":\"denied\"}",
      NGX_LLMOPS_ERR_PERMISSION, 403, "denied", "", "", "" },
    { 429, "[{\"error\":{\"code\":429,\"message\":\"exhausted\","
      "\"status\":\"RESOURCE_EXHAUSTED\"}}]",
      NGX_LLMOPS_ERR_RATE_LIMIT, 429, "exhausted", "429", "", "" },
    { 502, "<html>\r\n<head><TITLE>502 Bad Gateway</title></head></html>",
      NGX_LLMOPS_ERR_UPSTREAM, 502, "502 Bad Gateway", "", "", "" },
    { 413, "<html>", NGX_LLMOPS_ERR_TOO_LARGE, 413, NULL, "", "", "" },
    { 500, "Internal Server Error\n",
      NGX_LLMOPS_ERR_UPSTREAM, 500, "Internal Server Error", "", "", "" },
    { 500, "\"just a string \\u00e9\"",
      NGX_LLMOPS_ERR_UPSTREAM, 500, "just a string \xc3\xa9", "", "", "" },
    { 503, "", NGX_LLMOPS_ERR_OVERLOADED, 0, NULL, "", "", "" },
    { 498, "{}", NGX_LLMOPS_ERR_OVERLOADED, 0, NULL, "", "", "" },
    { 504, " \n", NGX_LLMOPS_ERR_TIMEOUT, 504, NULL, "", "", "" },
    { 408, "{\"error\":null}", NGX_LLMOPS_ERR_TIMEOUT, 408, NULL, "", "",
      "" },
    { 409, "{\"error\":7}", NGX_LLMOPS_ERR_UPSTREAM, 409, NULL, "", "", "" },
    { 402, "[]", NGX_LLMOPS_ERR_BILLING, 402, NULL, "", "", "" },
    { 418, "{\"error\":{", NGX_LLMOPS_ERR_INVALID_REQUEST, 418, NULL, "", "",
      "" },

    /* in a stream, after 200 */

    { 200, "{\"message\":\"m\",\"type\":\"server_error\",\"code\":null}",
      NGX_LLMOPS_ERR_UPSTREAM, 0, "m", "", "server_error", "" },
    { 200, "{\"object\":\"error\",\"message\":\"m\",\"type\":"
      "\"BadRequestError\",\"code\":400}",
      NGX_LLMOPS_ERR_INVALID_REQUEST, 0, "m", "400", "BadRequestError", "" },
    { 200, "{\"code\":429,\"message\":\"m\"}",
      NGX_LLMOPS_ERR_RATE_LIMIT, 0, "m", "429", "", "" },
    { 200, "{\"type\":\"overloaded_error\",\"message\":\"Overloaded\"}",
      NGX_LLMOPS_ERR_OVERLOADED, 0, "Overloaded", "", "overloaded_error",
      "" },
};


static void
test_read(void **state)
{
    size_t               i, n;
    u_char               scratch[4096];
    ngx_str_t            body;
    const shape_t       *t;
    ngx_llmops_error_t   err;

    for (i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        t = &shapes[i];

        /* on the heap with its exact size */
        body.len = strlen(t->body);
        body.data = malloc(body.len + !body.len);
        memcpy(body.data, t->body, body.len);

        ngx_llmops_error_read(t->status, &body, scratch, sizeof(scratch),
                              &err);

        assert_int_equal(err.kind, t->kind);
        assert_int_equal(err.status, t->shown);
        assert_true(err.message.len > 0);

        if (t->message) {
            assert_str(err.message, t->message);
        }

        assert_str(err.code, t->code);
        assert_str(err.type, t->type);
        assert_str(err.param, t->param);

        /* any size of memory, and any length of body, will do */

        for (n = 0; n < 64; n++) {
            ngx_llmops_error_read(t->status, &body, scratch, n, &err);
            assert_true(err.message.len > 0);
        }

        for (n = body.len; n > 0; n--) {
            body.len = n;
            ngx_llmops_error_read(t->status, &body, scratch, 128, &err);
            assert_true(err.message.len > 0);
        }

        free(body.data);
    }
}


/* the message is cut at 2 KB, but not inside of a character */

static void
test_read_long(void **state)
{
    size_t               i;
    u_char               scratch[4096];
    ngx_str_t            body;
    ngx_llmops_out_t     out;
    ngx_llmops_error_t   err;

    ngx_llmops_out_init(&out, 1 << 20);
    ngx_llmops_out_lit(&out, "x");

    for (i = 0; i < 2000; i++) {
        ngx_llmops_out_lit(&out, "\xc3\xa9");
    }

    body.data = out.data;
    body.len = out.len;
    ngx_llmops_error_read(500, &body, scratch, sizeof(scratch), &err);
    assert_int_equal(err.message.len, 2047);

    ngx_llmops_out_reset(&out);
    ngx_llmops_out_lit(&out, "{\"error\":{\"message\":\"");

    for (i = 0; i < 2000; i++) {
        ngx_llmops_out_lit(&out, "\\u00e9");
    }

    ngx_llmops_out_lit(&out, "\"}}");

    body.data = out.data;
    body.len = out.len;
    ngx_llmops_error_read(500, &body, scratch, sizeof(scratch), &err);
    assert_int_equal(err.message.len, 2048 / 6 * 2);

    ngx_llmops_out_free(&out);
}


static void
test_error_body(void **state)
{
    assert_true(ngx_llmops_error_body(unit_str("{\"error\":{\"a\":1}}")));
    assert_true(ngx_llmops_error_body(unit_str("\n\n {\"error\":\"x\"}")));
    assert_true(ngx_llmops_error_body(unit_str("{ \"error\" : {\"mess")));
    assert_true(ngx_llmops_error_body(unit_str("{\"error\":\"")));
    assert_true(ngx_llmops_error_body(unit_str("{\"type\": \"error\",")));
    assert_false(ngx_llmops_error_body(unit_str("{\"type\":\"errors\"}")));
    assert_false(ngx_llmops_error_body(unit_str("{\"type\":\"err")));
    assert_false(ngx_llmops_error_body(unit_str("{\"type\"")));
    assert_false(ngx_llmops_error_body(unit_str("{\"error\":")));
    assert_false(ngx_llmops_error_body(unit_str("{\"errors\":{")));
    assert_false(ngx_llmops_error_body(unit_str("{\"error\":null}")));
    assert_false(ngx_llmops_error_body(unit_str("{\"id\":1,\"error\":{}}")));
    assert_false(ngx_llmops_error_body(unit_str("{}")));
    assert_false(ngx_llmops_error_body(unit_str("[]")));
    assert_false(ngx_llmops_error_body(unit_str("")));
    assert_false(ngx_llmops_error_body(unit_str("{\"error\"")));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_operations),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_write_responses),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_read_long),
        cmocka_unit_test(test_error_body)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
