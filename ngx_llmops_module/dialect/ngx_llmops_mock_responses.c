
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <time.h>
#include "ngx_llmops_mock_job.h"


/* The built-in provider: OpenAI's Responses. */


/* the message, or the call, as it is in the end, or empty at its start */

static json_t *
ngx_llmops_mock_item(ngx_llmops_mock_job_t *j, ngx_uint_t done)
{
    const char  *status;

    status = done ? "completed" : "in_progress";

    if (j->tool) {
        return json_pack("{s:s+,s:s,s:s,s:s%,s:s+,s:O}",
                         "id", "fc_", j->id,
                         "type", "function_call",
                         "status", status,
                         "arguments", done ? (char *) j->arguments.data : "",
                         done ? j->arguments.len : 0,
                         "call_id", "call_", j->id,
                         "name", j->tool);
    }

    if (!done) {
        return json_pack("{s:s+,s:s,s:s,s:s,s:[]}",
                         "id", "msg_", j->id, "type", "message",
                         "status", status, "role", "assistant", "content");
    }

    return json_pack("{s:s+,s:s,s:s,s:s,s:[{s:s,s:s%,s:[],s:[]}]}",
                     "id", "msg_", j->id, "type", "message",
                     "status", status, "role", "assistant", "content",
                     "type", "output_text",
                     "text", j->text.data, j->text.len,
                     "annotations", "logprobs");
}


static json_t *
ngx_llmops_mock_responses_usage(ngx_llmops_mock_job_t *j)
{
    return json_pack("{s:I,s:{s:i},s:I,s:{s:i},s:I}",
                     "input_tokens", (json_int_t) j->input,
                     "input_tokens_details", "cached_tokens", 0,
                     "output_tokens", (json_int_t) j->output,
                     "output_tokens_details", "reasoning_tokens", 0,
                     "total_tokens", (json_int_t) (j->input + j->output));
}


static json_t *
ngx_llmops_mock_response(ngx_llmops_mock_job_t *j, ngx_uint_t done)
{
    json_t      *r, *details, *tools;
    const char  *status;

    status = !done ? "in_progress" : j->truncated ? "incomplete"
                                                  : "completed";

    details = (done && j->truncated)
              ? json_pack("{s:s}", "reason", "max_output_tokens")
              : json_null();

    tools = json_object_get(j->request, "tools");

    r = json_pack("{s:s+,s:s,s:I,s:s,s:n,s:o,s:O?,s:s,s:o,s:b,s:s,s:o,s:{}}",
                  "id", "resp_", j->id,
                  "object", "response",
                  "created_at", (json_int_t) time(NULL),
                  "status", status,
                  "error",
                  "incomplete_details", details,
                  "instructions", json_object_get(j->request, "instructions"),
                  "model", j->model,
                  "output", done ? json_pack("[o]", ngx_llmops_mock_item(j, 1))
                                 : json_array(),
                  "parallel_tool_calls", 1,
                  "tool_choice", "auto",
                  "tools", tools ? json_incref(tools) : json_array(),
                  "metadata");

    json_object_set_new(r, "usage",
                        done ? ngx_llmops_mock_responses_usage(j)
                             : json_null());

    return r;
}


/* adds what every event has, and sends it */

static void
ngx_llmops_mock_responses_event(ngx_llmops_mock_job_t *j, const char *type,
    ngx_uint_t *seq, json_t *members)
{
    json_t  *event;

    event = json_pack("{s:s,s:I}", "type", type,
                      "sequence_number", (json_int_t) (*seq)++);

    if (event && (members == NULL
                  || json_object_update(event, members) != 0))
    {
        json_decref(event);
        event = NULL;
    }

    json_decref(members);

    ngx_llmops_mock_event(j, type, event);
}


static void
ngx_llmops_mock_responses_text(ngx_llmops_mock_job_t *j, ngx_uint_t *seq)
{
    json_t     *part;
    ngx_str_t   rest, word;

    ngx_llmops_mock_responses_event(j, "response.content_part.added", seq,
        json_pack("{s:s+,s:i,s:i,s:{s:s,s:s,s:[],s:[]}}",
                  "item_id", "msg_", j->id, "output_index", 0,
                  "content_index", 0, "part", "type", "output_text",
                  "text", "", "annotations", "logprobs"));

    rest.data = j->text.data;
    rest.len = j->text.len;

    while ((word = ngx_llmops_mock_word(&rest)).len) {
        ngx_llmops_mock_responses_event(j, "response.output_text.delta", seq,
            json_pack("{s:s+,s:i,s:i,s:s%,s:[]}",
                      "item_id", "msg_", j->id, "output_index", 0,
                      "content_index", 0,
                      "delta", word.data, word.len, "logprobs"));
    }

    ngx_llmops_mock_responses_event(j, "response.output_text.done", seq,
        json_pack("{s:s+,s:i,s:i,s:s%,s:[]}",
                  "item_id", "msg_", j->id, "output_index", 0,
                  "content_index", 0,
                  "text", j->text.data, j->text.len, "logprobs"));

    part = json_pack("{s:s,s:s%,s:[],s:[]}", "type", "output_text",
                     "text", j->text.data, j->text.len,
                     "annotations", "logprobs");

    ngx_llmops_mock_responses_event(j, "response.content_part.done", seq,
        json_pack("{s:s+,s:i,s:i,s:o}",
                  "item_id", "msg_", j->id, "output_index", 0,
                  "content_index", 0, "part", part));
}


static void
ngx_llmops_mock_responses_call(ngx_llmops_mock_job_t *j, ngx_uint_t *seq)
{
    ngx_llmops_mock_responses_event(j,
        "response.function_call_arguments.delta", seq,
        json_pack("{s:s+,s:i,s:s%}",
                  "item_id", "fc_", j->id, "output_index", 0,
                  "delta", j->arguments.data, j->arguments.len));

    ngx_llmops_mock_responses_event(j,
        "response.function_call_arguments.done", seq,
        json_pack("{s:s+,s:i,s:s%}",
                  "item_id", "fc_", j->id, "output_index", 0,
                  "arguments", j->arguments.data, j->arguments.len));
}


static void
ngx_llmops_mock_responses_stream(ngx_llmops_mock_job_t *j)
{
    ngx_uint_t  seq;

    seq = 0;

    ngx_llmops_mock_begin(j);

    ngx_llmops_mock_responses_event(j, "response.created", &seq,
        json_pack("{s:o}", "response", ngx_llmops_mock_response(j, 0)));

    ngx_llmops_mock_responses_event(j, "response.in_progress", &seq,
        json_pack("{s:o}", "response", ngx_llmops_mock_response(j, 0)));

    ngx_llmops_mock_responses_event(j, "response.output_item.added", &seq,
        json_pack("{s:i,s:o}", "output_index", 0,
                  "item", ngx_llmops_mock_item(j, 0)));

    if (j->tool) {
        ngx_llmops_mock_responses_call(j, &seq);

    } else {
        ngx_llmops_mock_responses_text(j, &seq);
    }

    ngx_llmops_mock_responses_event(j, "response.output_item.done", &seq,
        json_pack("{s:i,s:o}", "output_index", 0,
                  "item", ngx_llmops_mock_item(j, 1)));

    ngx_llmops_mock_responses_event(j,
        j->truncated ? "response.incomplete" : "response.completed", &seq,
        json_pack("{s:o}", "response", ngx_llmops_mock_response(j, 1)));

    ngx_llmops_mock_end(j, NULL);
}


void
ngx_llmops_mock_responses(ngx_llmops_mock_job_t *j)
{
    j->messages = json_object_get(j->request, "input");

    if (ngx_llmops_mock_think(j) != NGX_OK) {
        ngx_llmops_mock_error(j, NGX_LLMOPS_ERR_INVALID_REQUEST, 400,
                              "input", "\"input\" is missing or empty");
        return;
    }

    if (j->stream) {
        ngx_llmops_mock_responses_stream(j);

    } else {
        ngx_llmops_mock_json(j, ngx_llmops_mock_response(j, 1));
    }
}
