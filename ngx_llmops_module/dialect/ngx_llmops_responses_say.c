
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <time.h>
#include "ngx_llmops_responses_state.h"


/* A text of ours in a response: the rest of a stream, or all of an answer. */


/* an event that is seen as those of the provider are */

static void
ngx_llmops_responses_tell(ngx_llmops_responses_state_t *s,
    ngx_llmops_out_t *out, const char *type, json_t *members)
{
    json_t  *event;

    event = ngx_llmops_responses_event(s, type, NULL);

    if (members == NULL || json_object_update(event, members) != 0) {
        out->failed = 1;
        json_decref(members);
        json_decref(event);
        return;
    }

    json_decref(members);

    ngx_llmops_responses_see(s, event, type);
    ngx_llmops_responses_send(s, out, event, NULL);
}


void
ngx_llmops_responses_say(ngx_llmops_responses_state_t *s, ngx_str_t *text,
    ngx_llmops_usage_t *usage, ngx_llmops_out_t *out)
{
    json_int_t  i;

    static const char  id[] = "msg_replaced";

    if (s->open >= 0) {
        ngx_llmops_responses_close(s, "incomplete", out);
        s->open = -1;
    }

    i = json_array_size(s->output);

    ngx_llmops_responses_tell(s, out, "response.output_item.added",
        json_pack("{s:I,s:{s:s,s:s,s:s,s:s,s:[]}}", "output_index", i,
                  "item", "id", id, "type", "message",
                  "status", "in_progress", "role", "assistant", "content"));

    ngx_llmops_responses_tell(s, out, "response.content_part.added",
        json_pack("{s:s,s:I,s:i,s:{s:s,s:s,s:[],s:[]}}", "item_id", id,
                  "output_index", i, "content_index", 0,
                  "part", "type", "output_text", "text", "",
                  "annotations", "logprobs"));

    ngx_llmops_responses_tell(s, out, "response.output_text.delta",
        json_pack("{s:s,s:I,s:i,s:s%,s:[]}", "item_id", id,
                  "output_index", i, "content_index", 0,
                  "delta", text->data, text->len, "logprobs"));

    ngx_llmops_responses_end(s, "content_filter", usage, NULL, out);
}


/* a response without the items that it will have */

static json_t *
ngx_llmops_responses_empty(ngx_str_t *id, ngx_str_t *model,
    const char *status)
{
    return json_pack("{s:s+%,s:s,s:I,s:s,s:n,s:n,s:n,s:s%,s:[],s:b,s:s,s:[],"
                     "s:{},s:n}",
                     "id", "resp_", id->data, id->len,
                     "object", "response",
                     "created_at", (json_int_t) time(NULL),
                     "status", status,
                     "error", "incomplete_details", "instructions",
                     "model", model->data, model->len,
                     "output",
                     "parallel_tool_calls", 1,
                     "tool_choice", "auto",
                     "tools", "metadata", "usage");
}


void
ngx_llmops_responses_begin(ngx_llmops_responses_state_t *s, ngx_str_t *id,
    ngx_str_t *model, ngx_llmops_out_t *out)
{
    json_t  *response;

    response = ngx_llmops_responses_empty(id, model, "in_progress");

    if (response == NULL) {
        out->failed = 1;
        return;
    }

    ngx_llmops_responses_tell(s, out, "response.created",
                              json_pack("{s:o}", "response", response));
}


void
ngx_llmops_responses_whole(ngx_str_t *id, ngx_str_t *model, ngx_str_t *text,
    ngx_llmops_usage_t *usage, ngx_llmops_out_t *out)
{
    json_t  *response;

    response = ngx_llmops_responses_empty(id, model, "incomplete");

    if (response == NULL) {
        out->failed = 1;
        return;
    }

    (void) json_object_set_new(response, "incomplete_details",
                               json_pack("{s:s}", "reason",
                                         "content_filter"));
    (void) json_object_set_new(response, "usage",
                               ngx_llmops_responses_usage(usage));
    (void) json_object_set_new(response, "output",
        json_pack("[{s:s,s:s,s:s,s:s,s:[{s:s,s:s%,s:[],s:[]}]}]",
                  "id", "msg_replaced", "type", "message",
                  "status", "completed", "role", "assistant", "content",
                  "type", "output_text", "text", text->data, text->len,
                  "annotations", "logprobs"));

    ngx_llmops_tree_write(out, response);

    json_decref(response);
}
