
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
 */


static ngx_int_t ngx_llmops_export_write(json_t *line, ngx_llmops_out_t *out);
static json_t *ngx_llmops_export_chat(json_t *request, json_t *message);
static json_t *ngx_llmops_export_pair(ngx_llmops_export_e format,
    json_t *request, json_t *chosen, json_t *rejected);


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

    messages = json_copy(json_object_get(request, "messages"));

    if (messages == NULL || json_array_append(messages, message) != 0) {
        json_decref(messages);
        return NULL;
    }

    return json_pack("{s:o,s:O*}", "messages", messages,
                     "tools", json_object_get(request, "tools"));
}


static json_t *
ngx_llmops_export_pair(ngx_llmops_export_e format, json_t *request,
    json_t *chosen, json_t *rejected)
{
    json_t  *messages, *tools;

    messages = json_object_get(request, "messages");
    tools = json_object_get(request, "tools");

    if (format == NGX_LLMOPS_EXPORT_DPO) {
        return json_pack("{s:O,s:[O],s:[O],s:O*}", "prompt", messages,
                         "chosen", chosen, "rejected", rejected,
                         "tools", tools);
    }

    return json_pack("{s:{s:O,s:O*},s:[O],s:[O]}",
                     "input", "messages", messages, "tools", tools,
                     "preferred_output", chosen,
                     "non_preferred_output", rejected);
}
