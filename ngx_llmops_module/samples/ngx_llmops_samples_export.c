
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_diff.h"
#include "ngx_llmops_tree.h"


/*
 * Samples as lines of data sets: a conversation with its answer, as models are
 * fine-tuned with; or two answers of which one is better, as preferences are
 * learnt from: in the form of the TRL library (a prompt, the chosen and the
 * rejected answer, as messages), or in that of OpenAI's fine-tuning API.
 *
 * Which one is better a verdict says.  A tie is no preference.
 *
 * Providers answer with more than a message of a conversation may have
 * ("annotations", a "refusal" that is null), and clients send that back: those
 * who check data sets refuse it, so that it is left out.
 */


static ngx_int_t ngx_llmops_export_write(json_t *line, ngx_llmops_out_t *out);
static json_t *ngx_llmops_export_chat(json_t *request, json_t *message);
static json_t *ngx_llmops_export_pair(ngx_llmops_export_e format,
    json_t *request, json_t *chosen, json_t *rejected);
static json_t *ngx_llmops_export_messages(json_t *request);
static json_t *ngx_llmops_export_message(json_t *message);
static json_t *ngx_llmops_export_tools(json_t *request);


/* of a message; those that are null are left out, too, but for "content" */

static const char  *ngx_llmops_export_members[] = {
    "role", "content", "name", "tool_calls", "tool_call_id", "function_call",
    "refusal", "weight", NULL
};


ngx_int_t
ngx_llmops_sample_export(ngx_llmops_export_e format, json_t *doc,
    ngx_llmops_out_t *out)
{
    json_t  *request, *stable, *shadow, *verdict;

    request = json_object_get(doc, "request");
    stable = json_object_get(json_object_get(doc, "answer"), "message");

    if (!json_is_array(json_object_get(request, "messages"))
        || !json_is_object(stable))
    {
        return NGX_DECLINED;
    }

    if (format == NGX_LLMOPS_EXPORT_CHAT) {
        return ngx_llmops_export_write(ngx_llmops_export_chat(request, stable),
                                       out);
    }

    shadow = json_object_get(json_object_get(json_object_get(doc, "shadow"),
                                             "answer"), "message");
    verdict = json_object_get(doc, "verdict");

    if (!json_is_object(shadow)) {
        return NGX_DECLINED;
    }

    if (ngx_llmops_tree_is(verdict, "winner", "stable")) {
        return ngx_llmops_export_write(
                   ngx_llmops_export_pair(format, request, stable, shadow),
                   out);
    }

    if (ngx_llmops_tree_is(verdict, "winner", "shadow")) {
        return ngx_llmops_export_write(
                   ngx_llmops_export_pair(format, request, shadow, stable),
                   out);
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_export_write(json_t *line, ngx_llmops_out_t *out)
{
    if (line == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_tree_write(out, line);
    (void) ngx_llmops_out_lit(out, "\n");

    json_decref(line);

    return out->failed ? NGX_ERROR : NGX_OK;
}


/* the tools that a model may use are part of what it learns */

static json_t *
ngx_llmops_export_chat(json_t *request, json_t *message)
{
    json_t  *messages;

    messages = ngx_llmops_export_messages(request);

    if (json_array_append_new(messages, ngx_llmops_export_message(message))
        != 0)
    {
        json_decref(messages);
        return NULL;
    }

    return json_pack("{s:o,s:O*}", "messages", messages,
                     "tools", ngx_llmops_export_tools(request));
}


static json_t *
ngx_llmops_export_pair(ngx_llmops_export_e format, json_t *request,
    json_t *chosen, json_t *rejected)
{
    json_t  *messages, *tools;

    messages = ngx_llmops_export_messages(request);
    chosen = ngx_llmops_export_message(chosen);
    rejected = ngx_llmops_export_message(rejected);
    tools = ngx_llmops_export_tools(request);

    if (format == NGX_LLMOPS_EXPORT_DPO) {
        return json_pack("{s:o,s:[o],s:[o],s:O*}", "prompt", messages,
                         "chosen", chosen, "rejected", rejected,
                         "tools", tools);
    }

    return json_pack("{s:{s:o,s:O*},s:[o],s:[o]}",
                     "input", "messages", messages, "tools", tools,
                     "preferred_output", chosen,
                     "non_preferred_output", rejected);
}


/* NULL: out of memory */

static json_t *
ngx_llmops_export_messages(json_t *request)
{
    size_t   i;
    json_t  *messages, *one;

    messages = json_array();

    json_array_foreach(json_object_get(request, "messages"), i, one) {
        if (json_array_append_new(messages, ngx_llmops_export_message(one))
            != 0)
        {
            json_decref(messages);
            return NULL;
        }
    }

    return messages;
}


static json_t *
ngx_llmops_export_message(json_t *message)
{
    json_t       *copy, *value;
    const char  **member;

    copy = json_object();

    for (member = ngx_llmops_export_members; *member; member++) {
        value = json_object_get(message, *member);

        if (value == NULL
            || (json_is_null(value) && ngx_strcmp(*member, "content") != 0))
        {
            continue;
        }

        if (json_object_set(copy, *member, value) != 0) {
            json_decref(copy);
            return NULL;
        }
    }

    return copy;
}


/* borrowed; NULL: there are none */

static json_t *
ngx_llmops_export_tools(json_t *request)
{
    json_t  *tools;

    tools = json_object_get(request, "tools");

    return json_array_size(tools) ? tools : NULL;
}
