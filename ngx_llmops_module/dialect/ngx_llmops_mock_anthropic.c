
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_mock_job.h"


/* The built-in provider: Anthropic's Messages. */


static const char *
ngx_llmops_mock_stop_reason(ngx_llmops_mock_job_t *j)
{
    return j->tool ? "tool_use" : j->truncated ? "max_tokens" : "end_turn";
}


static json_t *
ngx_llmops_mock_messages_usage(ngx_llmops_mock_job_t *j, json_int_t output)
{
    return json_pack("{s:I,s:i,s:i,s:I}",
                     "input_tokens", (json_int_t) j->input,
                     "cache_creation_input_tokens", 0,
                     "cache_read_input_tokens", 0,
                     "output_tokens", output);
}


static json_t *
ngx_llmops_mock_messages_object(ngx_llmops_mock_job_t *j, json_t *content,
    const char *stop, json_int_t output)
{
    return json_pack("{s:s+,s:s,s:s,s:s,s:o,s:s?,s:n,s:o}",
                     "id", "msg_", j->id,
                     "type", "message",
                     "role", "assistant",
                     "model", j->model,
                     "content", content,
                     "stop_reason", stop,
                     "stop_sequence",
                     "usage", ngx_llmops_mock_messages_usage(j, output));
}


static json_t *
ngx_llmops_mock_block(ngx_llmops_mock_job_t *j, ngx_uint_t done)
{
    json_t  *input;

    if (j->tool) {
        input = done ? json_loadb((char *) j->arguments.data,
                                  j->arguments.len, 0, NULL)
                     : json_object();

        return json_pack("{s:s,s:s+,s:O,s:o}",
                         "type", "tool_use", "id", "toolu_", j->id,
                         "name", j->tool, "input", input);
    }

    return json_pack("{s:s,s:s%}", "type", "text",
                     "text", done ? (char *) j->text.data : "",
                     done ? j->text.len : 0);
}


static void
ngx_llmops_mock_block_delta(ngx_llmops_mock_job_t *j, const char *type,
    const char *name, const void *p, size_t len)
{
    ngx_llmops_mock_event(j, "content_block_delta",
                          json_pack("{s:s,s:i,s:{s:s,s:s%}}",
                                    "type", "content_block_delta",
                                    "index", 0, "delta",
                                    "type", type, name, p, len));
}


static void
ngx_llmops_mock_block_deltas(ngx_llmops_mock_job_t *j)
{
    size_t     half;
    ngx_str_t  rest, word;

    if (j->tool) {
        half = j->arguments.len / 2;

        ngx_llmops_mock_block_delta(j, "input_json_delta", "partial_json",
                                    "", 0);
        ngx_llmops_mock_block_delta(j, "input_json_delta", "partial_json",
                                    j->arguments.data, half);
        ngx_llmops_mock_block_delta(j, "input_json_delta", "partial_json",
                                    j->arguments.data + half,
                                    j->arguments.len - half);
        return;
    }

    rest.data = j->text.data;
    rest.len = j->text.len;

    while ((word = ngx_llmops_mock_word(&rest)).len) {
        ngx_llmops_mock_block_delta(j, "text_delta", "text",
                                    word.data, word.len);
    }
}


static void
ngx_llmops_mock_messages_stream(ngx_llmops_mock_job_t *j)
{
    json_t  *message;

    message = ngx_llmops_mock_messages_object(j, json_array(), NULL, 1);

    ngx_llmops_mock_begin(j);

    ngx_llmops_mock_event(j, "message_start",
                          json_pack("{s:s,s:o}", "type", "message_start",
                                    "message", message));

    ngx_llmops_mock_event(j, "content_block_start",
                          json_pack("{s:s,s:i,s:o}",
                                    "type", "content_block_start",
                                    "index", 0, "content_block",
                                    ngx_llmops_mock_block(j, 0)));

    ngx_llmops_mock_event(j, "ping", json_pack("{s:s}", "type", "ping"));

    ngx_llmops_mock_block_deltas(j);

    ngx_llmops_mock_event(j, "content_block_stop",
                          json_pack("{s:s,s:i}",
                                    "type", "content_block_stop",
                                    "index", 0));

    ngx_llmops_mock_event(j, "message_delta",
                          json_pack("{s:s,s:{s:s,s:n},s:o}",
                                    "type", "message_delta", "delta",
                                    "stop_reason",
                                    ngx_llmops_mock_stop_reason(j),
                                    "stop_sequence", "usage",
                                    ngx_llmops_mock_messages_usage(j,
                                                              j->output)));

    ngx_llmops_mock_event(j, "message_stop",
                          json_pack("{s:s}", "type", "message_stop"));

    ngx_llmops_mock_end(j, NULL);
}


static ngx_int_t
ngx_llmops_mock_messages_read(ngx_llmops_mock_job_t *j)
{
    j->messages = json_object_get(j->request, "messages");

    if (ngx_llmops_mock_think(j) == NGX_OK) {
        return NGX_OK;
    }

    ngx_llmops_mock_error(j, NGX_LLMOPS_ERR_INVALID_REQUEST, 400, "messages",
                          "messages: Field required");

    return NGX_DECLINED;
}


void
ngx_llmops_mock_messages(ngx_llmops_mock_job_t *j)
{
    json_t  *content;

    if (ngx_llmops_mock_messages_read(j) != NGX_OK) {
        return;
    }

    if (j->stream) {
        ngx_llmops_mock_messages_stream(j);
        return;
    }

    content = json_pack("[o]", ngx_llmops_mock_block(j, 1));

    ngx_llmops_mock_json(j,
        ngx_llmops_mock_messages_object(j, content,
                                        ngx_llmops_mock_stop_reason(j),
                                        j->output));
}


void
ngx_llmops_mock_count_tokens(ngx_llmops_mock_job_t *j)
{
    if (ngx_llmops_mock_messages_read(j) != NGX_OK) {
        return;
    }

    ngx_llmops_mock_json(j, json_pack("{s:I}", "input_tokens",
                                      (json_int_t) j->input));
}
