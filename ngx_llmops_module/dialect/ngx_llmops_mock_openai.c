
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <time.h>
#include "ngx_llmops_mock_job.h"


/* The built-in provider: chat and completions of OpenAI. */


#define NGX_LLMOPS_MOCK_CHOICES  8


static ngx_uint_t
ngx_llmops_mock_choices(ngx_llmops_mock_job_t *j)
{
    json_int_t  n;

    n = json_integer_value(json_object_get(j->request, "n"));

    return (n < 1) ? 1 : ngx_min(n, NGX_LLMOPS_MOCK_CHOICES);
}


static const char *
ngx_llmops_mock_finish(ngx_llmops_mock_job_t *j)
{
    return j->tool ? "tool_calls" : j->truncated ? "length" : "stop";
}


static json_t *
ngx_llmops_mock_usage(ngx_llmops_mock_job_t *j)
{
    json_int_t  in, out;

    in = j->input;
    out = j->output * ngx_llmops_mock_choices(j);

    return json_pack("{s:I,s:I,s:I,s:{s:i,s:i},s:{s:i,s:i}}",
                     "prompt_tokens", in,
                     "completion_tokens", out,
                     "total_tokens", in + out,
                     "prompt_tokens_details",
                     "cached_tokens", 0, "audio_tokens", 0,
                     "completion_tokens_details",
                     "reasoning_tokens", 0, "audio_tokens", 0);
}


/* what all objects of an answer begin with */

static json_t *
ngx_llmops_mock_object(ngx_llmops_mock_job_t *j, const char *prefix,
    const char *object, json_t *choices)
{
    return json_pack("{s:s+,s:s,s:I,s:s,s:o}",
                     "id", prefix, j->id,
                     "object", object,
                     "created", (json_int_t) time(NULL),
                     "model", j->model,
                     "choices", choices);
}


static json_t *
ngx_llmops_mock_tool_calls(ngx_llmops_mock_job_t *j)
{
    return json_pack("[{s:s+,s:s,s:{s:O,s:s%}}]",
                     "id", "call_", j->id,
                     "type", "function",
                     "function",
                     "name", j->tool,
                     "arguments", j->arguments.data, j->arguments.len);
}


static json_t *
ngx_llmops_mock_message(ngx_llmops_mock_job_t *j)
{
    if (j->tool) {
        return json_pack("{s:s,s:n,s:n,s:o}",
                         "role", "assistant", "content", "refusal",
                         "tool_calls", ngx_llmops_mock_tool_calls(j));
    }

    return json_pack("{s:s,s:s%,s:n}",
                     "role", "assistant",
                     "content", j->text.data, j->text.len,
                     "refusal");
}


static void
ngx_llmops_mock_chat_whole(ngx_llmops_mock_job_t *j)
{
    json_t      *choices, *answer;
    ngx_uint_t   i;

    choices = json_array();

    for (i = 0; i < ngx_llmops_mock_choices(j); i++) {
        json_array_append_new(choices,
                              json_pack("{s:i,s:o,s:n,s:s}",
                                        "index", (int) i,
                                        "message", ngx_llmops_mock_message(j),
                                        "logprobs",
                                        "finish_reason",
                                        ngx_llmops_mock_finish(j)));
    }

    answer = ngx_llmops_mock_object(j, "chatcmpl-", "chat.completion",
                                    choices);
    json_object_set_new(answer, "usage", ngx_llmops_mock_usage(j));

    ngx_llmops_mock_json(j, answer);
}


/* one chunk for each of the choices, which so come interleaved */

static void
ngx_llmops_mock_chunk(ngx_llmops_mock_job_t *j, json_t *delta,
    const char *finish)
{
    json_t      *chunk, *choice;
    ngx_uint_t   i;

    for (i = 0; i < ngx_llmops_mock_choices(j); i++) {
        choice = json_pack("{s:i,s:O,s:n,s:s?}",
                           "index", (int) i,
                           "delta", delta,
                           "logprobs",
                           "finish_reason", finish);

        chunk = ngx_llmops_mock_object(j, "chatcmpl-",
                                       "chat.completion.chunk",
                                       json_pack("[o]", choice));
        if (j->usage) {
            json_object_set_new(chunk, "usage", json_null());
        }

        ngx_llmops_mock_event(j, NULL, chunk);
    }

    json_decref(delta);
}


/* name first, then the arguments in two pieces */

static void
ngx_llmops_mock_tool_chunks(ngx_llmops_mock_job_t *j)
{
    size_t       half;
    const char  *p;

    p = (const char *) j->arguments.data;
    half = j->arguments.len / 2;

    ngx_llmops_mock_chunk(j,
        json_pack("{s:[{s:i,s:s+,s:s,s:{s:O,s:s}}]}",
                  "tool_calls", "index", 0, "id", "call_", j->id,
                  "type", "function",
                  "function", "name", j->tool, "arguments", ""),
        NULL);

    ngx_llmops_mock_chunk(j,
        json_pack("{s:[{s:i,s:{s:s%}}]}",
                  "tool_calls", "index", 0,
                  "function", "arguments", p, half),
        NULL);

    ngx_llmops_mock_chunk(j,
        json_pack("{s:[{s:i,s:{s:s%}}]}",
                  "tool_calls", "index", 0,
                  "function", "arguments", p + half,
                  j->arguments.len - half),
        NULL);
}


static void
ngx_llmops_mock_usage_chunk(ngx_llmops_mock_job_t *j, const char *prefix,
    const char *object)
{
    json_t  *chunk;

    if (!j->usage) {
        return;
    }

    chunk = ngx_llmops_mock_object(j, prefix, object, json_array());
    json_object_set_new(chunk, "usage", ngx_llmops_mock_usage(j));

    ngx_llmops_mock_event(j, NULL, chunk);
}


static void
ngx_llmops_mock_chat_stream(ngx_llmops_mock_job_t *j)
{
    ngx_str_t  rest, word;

    ngx_llmops_mock_begin(j);

    if (j->tool) {
        ngx_llmops_mock_chunk(j, json_pack("{s:s,s:n}", "role", "assistant",
                                           "content"), NULL);
        ngx_llmops_mock_tool_chunks(j);

    } else {
        ngx_llmops_mock_chunk(j, json_pack("{s:s,s:s,s:n}",
                                           "role", "assistant",
                                           "content", "", "refusal"), NULL);
    }

    rest.data = j->text.data;
    rest.len = j->text.len;

    while ((word = ngx_llmops_mock_word(&rest)).len) {
        ngx_llmops_mock_chunk(j, json_pack("{s:s%}", "content",
                                           word.data, word.len), NULL);
    }

    ngx_llmops_mock_chunk(j, json_object(), ngx_llmops_mock_finish(j));
    ngx_llmops_mock_usage_chunk(j, "chatcmpl-", "chat.completion.chunk");
    ngx_llmops_mock_end(j, "data: [DONE]\n\n");
}


void
ngx_llmops_mock_chat(ngx_llmops_mock_job_t *j)
{
    j->messages = json_object_get(j->request, "messages");

    if (ngx_llmops_mock_think(j) != NGX_OK) {
        ngx_llmops_mock_error(j, NGX_LLMOPS_ERR_INVALID_REQUEST, 400,
                              "messages", "\"messages\" is missing or empty");
        return;
    }

    if (j->stream) {
        ngx_llmops_mock_chat_stream(j);

    } else {
        ngx_llmops_mock_chat_whole(j);
    }
}


static json_t *
ngx_llmops_mock_text_object(ngx_llmops_mock_job_t *j, ngx_str_t *text,
    const char *finish)
{
    json_t      *choices;
    ngx_uint_t   i;

    choices = json_array();

    for (i = 0; i < ngx_llmops_mock_choices(j); i++) {
        json_array_append_new(choices,
                              json_pack("{s:s%,s:i,s:n,s:s?}",
                                        "text", text->data, text->len,
                                        "index", (int) i, "logprobs",
                                        "finish_reason", finish));
    }

    return ngx_llmops_mock_object(j, "cmpl-", "text_completion", choices);
}


static void
ngx_llmops_mock_completions_stream(ngx_llmops_mock_job_t *j)
{
    json_t     *chunk;
    ngx_str_t   rest, word;

    ngx_llmops_mock_begin(j);

    rest.data = j->text.data;
    rest.len = j->text.len;

    do {
        word = ngx_llmops_mock_word(&rest);

        if (word.len == 0) {
            word.data = (u_char *) "";
        }

        chunk = ngx_llmops_mock_text_object(j, &word,
                                            word.len ? NULL
                                                  : ngx_llmops_mock_finish(j));
        if (j->usage) {
            json_object_set_new(chunk, "usage", json_null());
        }

        ngx_llmops_mock_event(j, NULL, chunk);

    } while (word.len);

    ngx_llmops_mock_usage_chunk(j, "cmpl-", "text_completion");
    ngx_llmops_mock_end(j, "data: [DONE]\n\n");
}


void
ngx_llmops_mock_completions(ngx_llmops_mock_job_t *j)
{
    json_t     *answer;
    ngx_str_t   text;

    j->messages = json_object_get(j->request, "prompt");

    if (ngx_llmops_mock_think(j) != NGX_OK) {
        ngx_llmops_mock_error(j, NGX_LLMOPS_ERR_INVALID_REQUEST, 400,
                              "prompt", "\"prompt\" is missing or empty");
        return;
    }

    if (j->stream) {
        ngx_llmops_mock_completions_stream(j);
        return;
    }

    text.data = j->text.data;
    text.len = j->text.len;

    answer = ngx_llmops_mock_text_object(j, &text, ngx_llmops_mock_finish(j));
    json_object_set_new(answer, "usage", ngx_llmops_mock_usage(j));

    ngx_llmops_mock_json(j, answer);
}
