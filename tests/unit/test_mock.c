
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include <jansson.h>
#include "ngx_llmops_mock.h"
#include "tap_run.h"


/* an answer, taken apart */

typedef struct {
    ngx_llmops_mock_answer_t   a;
    int                        status;
    char                      *header;     /* lower case as it was sent */
    char                      *body;       /* without the framing */
    size_t                     len;
    int                        complete;
} answer_t;


/* takes the chunks apart in place */

static void
dechunk(answer_t *t)
{
    char    *p, *d, *end;
    size_t   n;

    end = t->body + t->len;

    for (p = d = t->body; p < end; p += 2) {
        n = strtoul(p, &p, 16);
        assert_memory_equal(p, "\r\n", 2);
        p += 2;

        if (n == 0) {
            t->complete = 1;
        }

        assert_true(p + n + 2 <= end);
        memmove(d, p, n);
        d += n;
        p += n;
        assert_memory_equal(p, "\r\n", 2);
    }

    t->len = d - t->body;
    *d = '\0';
}


static void
ask(answer_t *t, const char *method, const char *path, const char *body)
{
    char        *p, *length;
    ngx_uint_t   i;

    memset(t, 0, sizeof(*t));

    assert_int_equal(ngx_llmops_mock_answer(unit_str(method), unit_str(path),
                                            unit_str(body), &t->a), NGX_OK);

    assert_true(t->a.nchunks > 0);
    assert_int_equal(t->a.chunk[t->a.nchunks - 1], t->a.out.len);

    for (i = 1; i < t->a.nchunks; i++) {
        assert_true(t->a.chunk[i] > t->a.chunk[i - 1]);
    }

    t->header = calloc(1, t->a.out.len + 1);
    memcpy(t->header, t->a.out.data, t->a.out.len);

    assert_int_equal(sscanf(t->header, "HTTP/1.1 %d ", &t->status), 1);
    assert_non_null(strstr(t->header, "\r\nconnection: keep-alive\r\n"));

    p = strstr(t->header, "\r\n\r\n");
    assert_non_null(p);
    *p = '\0';

    t->body = p + 4;
    t->len = t->a.out.len - (t->body - t->header);

    length = strstr(t->header, "content-length: ");

    if (length) {
        t->complete = (strtoul(length + 16, NULL, 10) == t->len);

    } else {
        assert_non_null(strstr(t->header, "transfer-encoding: chunked"));
        dechunk(t);
    }
}


static void
done(answer_t *t)
{
    free(t->header);
    ngx_llmops_out_free(&t->a.out);
}


static json_t *
parse(answer_t *t)
{
    json_t  *v;

    v = json_loadb(t->body, t->len, 0, NULL);
    assert_non_null(v);

    return v;
}


/* follows names and numbers: "choices.0.message.content" */

static json_t *
at(json_t *v, const char *path)
{
    char  *copy, *p, *save;

    copy = strdup(path);

    for (p = strtok_r(copy, ".", &save); p; p = strtok_r(NULL, ".", &save)) {
        v = json_is_array(v) ? json_array_get(v, strtoul(p, NULL, 10))
                             : json_object_get(v, p);
    }

    free(copy);

    return v;
}


static void
check_string(answer_t *t, const char *path, const char *expected)
{
    json_t  *v;

    v = parse(t);
    assert_true(json_is_string(at(v, path)));
    assert_string_equal(json_string_value(at(v, path)), expected);
    json_decref(v);
}


static void
check_int(answer_t *t, const char *path, int expected)
{
    json_t  *v;

    v = parse(t);
    assert_true(json_is_integer(at(v, path)));
    assert_int_equal(json_integer_value(at(v, path)), expected);
    json_decref(v);
}


#define HELLO  "\"messages\":[{\"role\":\"system\",\"content\":\"be kind\"}," \
               "{\"role\":\"user\",\"content\":\"hello big world\"}]"

#define TOOLS  "\"tools\":[{\"type\":\"function\",\"function\":{\"name\":"    \
               "\"weather\",\"parameters\":{\"type\":\"object\","             \
               "\"properties\":{\"city\":{\"type\":\"string\"},\"days\":"     \
               "{\"type\":[\"integer\",\"null\"]},\"unit\":{\"enum\":"        \
               "[\"c\",\"f\"]}}}}}]"


static void
test_whole(void **state)
{
    answer_t  t;

    ask(&t, "POST", "/v1/chat/completions", "{\"model\":\"echo\"," HELLO "}");
    assert_int_equal(t.status, 200);
    assert_true(t.complete);
    check_string(&t, "choices.0.message.content", "hello big world");
    check_string(&t, "choices.0.finish_reason", "stop");
    check_string(&t, "model", "echo");
    check_int(&t, "usage.prompt_tokens", 5);
    check_int(&t, "usage.completion_tokens", 3);
    done(&t);

    ask(&t, "POST", "/v1/chat/completions", "{\"model\":\"lorem-4\","
        "\"max_tokens\":2,\"n\":2," HELLO "}");
    check_string(&t, "choices.1.message.content", "lorem ipsum ");
    check_string(&t, "choices.1.finish_reason", "length");
    check_int(&t, "usage.completion_tokens", 4);
    done(&t);

    ask(&t, "POST", "/v1/chat/completions", "{\"model\":\"tool\"," TOOLS ","
        HELLO "}");
    check_string(&t, "choices.0.message.tool_calls.0.function.name",
                 "weather");
    check_string(&t, "choices.0.message.tool_calls.0.function.arguments",
                 "{\"city\":\"mock\",\"days\":1,\"unit\":\"c\"}");
    check_string(&t, "choices.0.finish_reason", "tool_calls");
    done(&t);

    /* the tool's result ends the loop */

    ask(&t, "POST", "/v1/chat/completions", "{\"model\":\"tool\"," TOOLS ","
        "\"messages\":[{\"role\":\"user\",\"content\":\"a\"},{\"role\":"
        "\"tool\",\"tool_call_id\":\"x\",\"content\":\"sunny\"}]}");
    check_string(&t, "choices.0.message.content", "sunny");
    done(&t);

    ask(&t, "POST", "/v1/chat/completions", "{\"response_format\":{\"type\":"
        "\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"object\","
        "\"properties\":{\"a\":{\"type\":\"array\",\"items\":{\"type\":"
        "\"boolean\"}}}}}}," HELLO "}");
    check_string(&t, "choices.0.message.content", "{\"a\":[true]}");
    done(&t);

    ask(&t, "POST", "/v1/completions", "{\"prompt\":\"ab cd\"}");
    check_string(&t, "choices.0.text", "ab cd");
    done(&t);

    ask(&t, "POST", "/v1/messages", "{\"max_tokens\":9,\"system\":\"x\","
        "\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"text\","
        "\"text\":\"a b\"},{\"type\":\"image\",\"source\":{}}]}]}");
    assert_non_null(strstr(t.header, "\r\nrequest-id: req_"));
    check_string(&t, "content.0.text", "a b");
    check_string(&t, "stop_reason", "end_turn");
    check_int(&t, "usage.input_tokens", 3);
    done(&t);

    ask(&t, "POST", "/v1/messages/count_tokens", "{" HELLO "}");
    check_int(&t, "input_tokens", 5);
    done(&t);

    ask(&t, "POST", "/v1/responses", "{\"input\":[{\"role\":\"user\","
        "\"content\":[{\"type\":\"input_text\",\"text\":\"hi you\"}]}]}");
    check_string(&t, "output.0.content.0.text", "hi you");
    check_string(&t, "status", "completed");
    check_int(&t, "usage.output_tokens", 2);
    done(&t);
}


static void
test_others(void **state)
{
    json_t    *v, *e;
    double     sum;
    size_t     i;
    answer_t   t, u;

    ask(&t, "POST", "/v1/embeddings", "{\"input\":[\"a\",\"b\"]}");
    v = parse(&t);
    assert_int_equal(json_array_size(at(v, "data")), 2);
    assert_int_equal(json_array_size(at(v, "data.0.embedding")), 256);

    sum = 0;
    json_array_foreach(at(v, "data.1.embedding"), i, e) {
        sum += json_real_value(e) * json_real_value(e);
    }

    assert_true(sum > 0.9999 && sum < 1.0001);
    json_decref(v);

    ask(&u, "POST", "/v1/embeddings", "{\"input\":[\"a\",\"b\"]}");
    assert_int_equal(t.len, u.len);
    assert_memory_equal(t.body, u.body, t.len);
    done(&u);
    done(&t);

    ask(&t, "POST", "/v1/embeddings", "{\"input\":[1,2,3],\"dimensions\":2,"
        "\"encoding_format\":\"base64\"}");
    v = parse(&t);
    assert_int_equal(json_array_size(at(v, "data")), 1);
    assert_int_equal(json_string_length(at(v, "data.0.embedding")), 12);
    json_decref(v);
    check_int(&t, "usage.prompt_tokens", 3);
    done(&t);

    ask(&t, "POST", "/v1/moderations", "{\"input\":[\"a\",\"b\"]}");
    v = parse(&t);
    assert_int_equal(json_array_size(at(v, "results")), 2);
    json_decref(v);
    done(&t);

    ask(&t, "POST", "/v1/images/generations", "{\"prompt\":\"a\",\"n\":2}");
    v = parse(&t);
    assert_int_equal(json_array_size(at(v, "data")), 2);
    json_decref(v);
    done(&t);

    ask(&t, "POST", "/v1/rerank", "{\"documents\":[\"a\",\"b\"]}");
    check_int(&t, "results.1.index", 1);
    done(&t);

    ask(&t, "POST", "/v1/audio/speech", "{\"input\":\"a\"}");
    assert_non_null(strstr(t.header, "audio/wav"));
    assert_memory_equal(t.body, "RIFF", 4);
    assert_memory_equal(t.body + 36, "data", 4);
    done(&t);

    ask(&t, "POST", "/v1/audio/transcriptions",
        "--b\r\ncontent-disposition: form-data; name=\"model\"\r\n\r\n"
        "whisper\r\n"
        "--b\r\ncontent-disposition: form-data; name=\"file\"; "
        "filename=\"a.wav\"\r\n\r\nabc\r\n--b--\r\n");
    check_string(&t, "text",
                 "A recording named a.wav, in a request of 144 bytes.");
    check_string(&t, "usage.type", "tokens");
    done(&t);

    ask(&t, "GET", "/v1/models", "");
    check_string(&t, "data.0.id", "echo");
    done(&t);

    ask(&t, "GET", "/v1/models/a/b?x=1", "");
    check_string(&t, "id", "a/b");
    done(&t);
}


static void
test_errors(void **state)
{
    answer_t  t;

    ask(&t, "POST", "/v1/chat/completions", "{\"model\":\"error-429\"}");
    assert_int_equal(t.status, 429);
    assert_non_null(strstr(t.header, "\r\nretry-after: 1"));
    check_string(&t, "error.code", "rate_limit_exceeded");
    done(&t);

    ask(&t, "POST", "/v1/messages", "{\"model\":\"error-529\"}");
    assert_int_equal(t.status, 529);
    check_string(&t, "error.type", "overloaded_error");
    done(&t);

    ask(&t, "POST", "/v1/messages", "{\"model\":\"error-x\"}");
    assert_int_equal(t.status, 500);
    check_string(&t, "error.type", "api_error");
    done(&t);

    ask(&t, "POST", "/v1/chat/completions", "{\"model\":\"error-401\"}");
    assert_int_equal(t.status, 401);
    check_string(&t, "error.code", "invalid_api_key");
    done(&t);

    ask(&t, "POST", "/v1/chat/completions", "{\"messages\":[]}");
    assert_int_equal(t.status, 400);
    check_string(&t, "error.param", "messages");
    done(&t);

    ask(&t, "POST", "/v1/chat/completions", "nothing");
    assert_int_equal(t.status, 400);
    done(&t);

    ask(&t, "GET", "/v1/chat/completions", "");
    assert_int_equal(t.status, 405);
    done(&t);

    ask(&t, "POST", "/v1/files", "{}");
    assert_int_equal(t.status, 404);
    check_string(&t, "error.code", "unknown_url");
    done(&t);
}


/* streams are what a tap takes for a whole one */

static void
check_stream(const char *path, ngx_llmops_op_e op, const char *body,
    int64_t input, int64_t output, ngx_llmops_finish_e finish, size_t bytes)
{
    answer_t   t;
    tap_run_t  r;

    ask(&t, "POST", path, body);
    assert_int_equal(t.status, 200);
    assert_non_null(strstr(t.header, "text/event-stream"));
    assert_true(t.complete);
    assert_true(t.a.nchunks > 1);

    tap_run_start(&r, &ngx_llmops_mock, op, 1);
    tap_run_feed(&r, t.body, t.len);
    tap_run_end(&r);

    assert_int_equal(r.out.len, t.len);
    assert_int_equal(r.meter.terminal, 1);
    assert_int_equal(r.meter.error, 0);
    assert_int_equal(r.meter.usage.input, input);
    assert_int_equal(r.meter.usage.output, output);
    assert_int_equal(r.meter.finish, finish);
    assert_int_equal(r.meter.output_bytes, bytes);

    tap_run_free(&r);
    done(&t);
}


#define STREAM  "\"stream\":true,"
#define USAGE   "\"stream_options\":{\"include_usage\":true},"


static void
test_streams(void **state)
{
    check_stream("/v1/chat/completions", NGX_LLMOPS_OP_CHAT,
                 "{" STREAM USAGE HELLO "}", 5, 3, NGX_LLMOPS_FINISH_STOP,
                 15);
    check_stream("/v1/chat/completions", NGX_LLMOPS_OP_CHAT,
                 "{" STREAM HELLO "}", 0, 0, NGX_LLMOPS_FINISH_STOP, 15);
    check_stream("/v1/chat/completions", NGX_LLMOPS_OP_CHAT,
                 "{\"n\":3," STREAM USAGE HELLO "}", 5, 9,
                 NGX_LLMOPS_FINISH_STOP, 45);
    check_stream("/v1/chat/completions", NGX_LLMOPS_OP_CHAT,
                 "{\"model\":\"tool\"," STREAM USAGE TOOLS "," HELLO "}", 5,
                 1, NGX_LLMOPS_FINISH_TOOL_CALLS, 35);
    check_stream("/v1/completions", NGX_LLMOPS_OP_COMPLETIONS,
                 "{\"prompt\":\"a b\",\"max_tokens\":1," STREAM USAGE
                 "\"x\":1}", 2, 1, NGX_LLMOPS_FINISH_LENGTH, 2);
    check_stream("/v1/messages", NGX_LLMOPS_OP_MESSAGES,
                 "{" STREAM HELLO "}", 5, 3, NGX_LLMOPS_FINISH_STOP, 15);
    check_stream("/v1/messages", NGX_LLMOPS_OP_MESSAGES,
                 "{\"model\":\"tool\"," STREAM "\"tools\":[{\"name\":\"f\","
                 "\"input_schema\":{\"properties\":{\"a\":{}}}}]," HELLO "}",
                 5, 1, NGX_LLMOPS_FINISH_TOOL_CALLS, 8);
    check_stream("/v1/responses", NGX_LLMOPS_OP_RESPONSES,
                 "{" STREAM "\"input\":\"a b\"}", 2, 2,
                 NGX_LLMOPS_FINISH_STOP, 3);
    check_stream("/v1/responses", NGX_LLMOPS_OP_RESPONSES,
                 "{" STREAM "\"max_output_tokens\":1,\"input\":\"a b\"}", 2,
                 1, NGX_LLMOPS_FINISH_LENGTH, 2);
    check_stream("/v1/responses", NGX_LLMOPS_OP_RESPONSES,
                 "{\"model\":\"tool\"," STREAM "\"input\":\"a b\",\"tools\":"
                 "[{\"type\":\"function\",\"name\":\"f\",\"parameters\":{}}]}",
                 2, 1, NGX_LLMOPS_FINISH_TOOL_CALLS, 2);
    check_stream("/v1/chat/completions", NGX_LLMOPS_OP_CHAT,
                 "{\"model\":\"lorem-1000\"," STREAM USAGE HELLO "}", 5, 1000,
                 NGX_LLMOPS_FINISH_STOP, 6368);
    check_stream("/v1/audio/speech", NGX_LLMOPS_OP_AUDIO,
                 "{\"input\":\"a\",\"stream_format\":\"sse\"}", 8, 8,
                 NGX_LLMOPS_FINISH_STOP, 0);
}


static void
test_script(void **state)
{
    answer_t  t;

    ask(&t, "POST", "/v1/chat/completions", "{\"model\":\"slow-100ms\","
        STREAM HELLO "}");
    assert_int_equal(t.a.delay, 100);
    assert_int_equal(t.a.first_delay, 100);
    assert_false(t.a.reset);
    done(&t);

    ask(&t, "POST", "/v1/chat/completions", "{\"model\":\"hang\"," HELLO "}");
    assert_true(t.a.hang);
    done(&t);

    ask(&t, "POST", "/v1/chat/completions", "{\"model\":\"cut\"," STREAM
        HELLO "}");
    assert_true(t.a.reset);
    assert_false(t.complete);
    assert_null(strstr(t.body, "[DONE]"));
    assert_non_null(strstr(t.body, "hello"));
    done(&t);

    ask(&t, "POST", "/v1/chat/completions", "{\"model\":\"cut\"," HELLO "}");
    assert_true(t.a.reset);
    assert_false(t.complete);
    done(&t);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_whole),
        cmocka_unit_test(test_others),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_script)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
