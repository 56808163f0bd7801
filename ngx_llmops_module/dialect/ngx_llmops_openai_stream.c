
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_openai_codec.h"


/*
 * Reading streams of chat completions, as they come from OpenAI and from the
 * many servers that resemble it: what has been seen of them is tolerated.
 */


static void ngx_llmops_openai_choice_in(ngx_llmops_xlate_t *x,
    json_t *choices);
static void ngx_llmops_openai_delta(ngx_llmops_xlate_t *x, json_t *delta);
static void ngx_llmops_openai_thinking(ngx_llmops_xlate_t *x,
    json_t *blocks);
static void ngx_llmops_openai_content(ngx_llmops_xlate_t *x,
    json_t *content);
static void ngx_llmops_openai_tool(ngx_llmops_xlate_t *x, json_t *call);
static ngx_llmops_slot_t *ngx_llmops_openai_slot(ngx_llmops_xlate_t *x,
    json_t *call, const char *id, const char *name);
static void ngx_llmops_openai_fragment(ngx_llmops_xlate_t *x,
    ngx_llmops_slot_t *slot, json_t *args);


void
ngx_llmops_openai_event_in(ngx_llmops_xlate_t *x, ngx_str_t *name,
    ngx_str_t *data)
{
    json_t  *chunk, *choices;

    (void) name;

    if (data->len == 6 && memcmp(data->data, "[DONE]", 6) == 0) {
        ngx_llmops_emit_end(x);
        return;
    }

    chunk = ngx_llmops_tree_parse(data->data, data->len);
    choices = json_object_get(chunk, "choices");

    /* usage and filter results come without choices */

    if (json_array_size(choices) > 0) {
        ngx_llmops_emit_start(x, ngx_llmops_tree_str(chunk, "id"));
        ngx_llmops_openai_choice_in(x, choices);
    }

    json_decref(chunk);
}


/* index may be missing or start at 1: the first one seen is ours */

static void
ngx_llmops_openai_choice_in(ngx_llmops_xlate_t *x, json_t *choices)
{
    size_t                    i;
    json_t                   *choice, *delta;
    json_int_t                index;
    const char               *reason;
    ngx_llmops_openai_in_t   *in;

    in = x->in;

    json_array_foreach(choices, i, choice) {
        index = json_integer_value(json_object_get(choice, "index"));

        if (!in->chosen) {
            in->chosen = 1;
            in->choice = index;
        }

        if (index != in->choice) {
            continue;
        }

        delta = json_object_get(choice, "delta");

        if (!json_is_object(delta)) {
            delta = json_object_get(choice, "message");
        }

        ngx_llmops_openai_delta(x, delta);

        reason = ngx_llmops_tree_str(choice, "finish_reason");

        if (reason != NULL && reason[0] != '\0') {
            ngx_llmops_emit_finish(x, ngx_llmops_finish_parse(reason),
                                   json_object_get(choice, "stop_reason"));
        }
    }
}


/* one delta may hold several things: reasoning comes before text */

static void
ngx_llmops_openai_delta(ngx_llmops_xlate_t *x, json_t *delta)
{
    size_t                    i;
    json_t                   *v, *call;
    ngx_llmops_slot_t        *slot;
    ngx_llmops_openai_in_t   *in;

    in = x->in;

    v = json_object_get(delta, "reasoning_content");

    if (!ngx_llmops_tree_has_text(v)) {
        v = json_object_get(delta, "reasoning");
    }

    if (ngx_llmops_tree_has_text(v)) {
        in->reasoning = 1;
        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_REASONING, v);
    }

    ngx_llmops_openai_thinking(x, json_object_get(delta, "thinking_blocks"));
    ngx_llmops_openai_content(x, json_object_get(delta, "content"));

    ngx_llmops_emit_string(x, NGX_LLMOPS_EV_REFUSAL,
                           json_object_get(delta, "refusal"));

    json_array_foreach(json_object_get(delta, "tool_calls"), i, call) {
        ngx_llmops_openai_tool(x, call);
    }

    v = json_object_get(delta, "function_call");

    if (json_is_object(v)) {
        slot = ngx_llmops_slot(x, -1);

        if (slot == NULL) {
            slot = ngx_llmops_emit_tool(x, -1, NULL,
                                        ngx_llmops_tree_str(v, "name"));
        }

        ngx_llmops_openai_fragment(x, slot, json_object_get(v, "arguments"));
    }
}


/* an extension; its text may repeat what came as plain reasoning */

static void
ngx_llmops_openai_thinking(ngx_llmops_xlate_t *x, json_t *blocks)
{
    ngx_llmops_openai_in_t  *in;

    in = x->in;

    ngx_llmops_emit_thinking(x, blocks, !in->reasoning);
}


static void
ngx_llmops_openai_content(ngx_llmops_xlate_t *x, json_t *content)
{
    json_t  *text, *reasoning, *refusal;

    if (!json_is_array(content)) {
        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_TEXT, content);
        return;
    }

    ngx_llmops_openai_parts(x, content, &text, &reasoning, &refusal);

    ngx_llmops_emit_string(x, NGX_LLMOPS_EV_REASONING, reasoning);
    ngx_llmops_emit_string(x, NGX_LLMOPS_EV_TEXT, text);
    ngx_llmops_emit_string(x, NGX_LLMOPS_EV_REFUSAL, refusal);

    json_decref(text);
    json_decref(reasoning);
    json_decref(refusal);
}


static void
ngx_llmops_openai_tool(ngx_llmops_xlate_t *x, json_t *call)
{
    json_t                   *function, *custom;
    const char               *id, *name;
    ngx_llmops_slot_t        *slot;
    ngx_llmops_openai_in_t   *in;

    in = x->in;

    function = json_object_get(call, "function");
    custom = json_object_get(call, "custom");

    id = ngx_llmops_tree_str(call, "id");
    name = ngx_llmops_tree_str(custom ? custom : function, "name");

    slot = ngx_llmops_openai_slot(x, call, id ? id : "", name ? name : "");

    if (slot == NULL) {

        /* an id without a name: the name is still to come */

        if (id != NULL && strlen(id) < sizeof(in->pending)) {
            strcpy(in->pending, id);
        }

        return;
    }

    ngx_llmops_openai_fragment(x, slot,
                               json_object_get(custom ? custom : function,
                                               custom ? "input"
                                                      : "arguments"));
}


/*
 * The call that a delta belongs to, or a new one if it has a name.  Some
 * servers leave the index out, some give all calls the same one: then the
 * id decides.
 */

static ngx_llmops_slot_t *
ngx_llmops_openai_slot(ngx_llmops_xlate_t *x, json_t *call, const char *id,
    const char *name)
{
    int64_t                   key;
    json_t                   *index;
    ngx_llmops_slot_t        *slot;
    ngx_llmops_openai_in_t   *in;

    in = x->in;
    index = json_object_get(call, "index");

    if (json_is_integer(index) && json_integer_value(index) >= 0) {
        key = json_integer_value(index);
        slot = ngx_llmops_slot(x, key);

    } else {
        key = -2;
        slot = (x->nslots > 0) ? x->slots[x->nslots - 1] : NULL;
    }

    if (slot != NULL && (name[0] == '\0' || strcmp(id, slot->native) == 0
                         || (key >= 0 && id[0] == '\0')))
    {
        return slot;
    }

    if (name[0] == '\0') {
        return NULL;
    }

    if (id[0] == '\0') {
        id = in->pending;
    }

    slot = ngx_llmops_emit_tool(x, key, id, name);
    in->pending[0] = '\0';

    return slot;
}


static void
ngx_llmops_openai_fragment(ngx_llmops_xlate_t *x, ngx_llmops_slot_t *slot,
    json_t *args)
{
    json_t  *text;

    if (slot == NULL) {
        return;
    }

    if (ngx_llmops_tree_has_text(args)) {
        ngx_llmops_emit_args(x, slot, json_string_value(args),
                             json_string_length(args));

    } else if (json_is_object(args)) {
        text = ngx_llmops_openai_arguments(x, args);
        ngx_llmops_emit_args(x, slot, json_string_value(text),
                             json_string_length(text));
        json_decref(text);
    }
}
