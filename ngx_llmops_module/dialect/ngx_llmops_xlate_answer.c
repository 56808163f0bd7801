
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_codec.h"


/*
 * Whole answers: tools that stood for something else become what the caller
 * asked for, names and ids what it knows; and an answer as a stream's events.
 */


static void ngx_llmops_emit_message(ngx_llmops_xlate_t *x, json_t *message);
static void ngx_llmops_emit_reasoning(ngx_llmops_xlate_t *x, json_t *message);
static void ngx_llmops_emit_calls(ngx_llmops_xlate_t *x, json_t *calls);
static void ngx_llmops_call_restore(ngx_llmops_xlate_t *x, json_t *call);


/* arguments that are cut or broken go to the caller as they are */

json_t *
ngx_llmops_custom_input(ngx_llmops_xlate_t *x, const char *args, size_t len)
{
    json_t  *tree, *input;

    tree = ngx_llmops_tree_parse(args, len);
    input = json_object_get(tree, "input");

    if (ngx_llmops_tree_is_string(input)) {
        json_incref(input);

    } else {
        input = json_stringn(len ? args : "", len);
    }

    json_decref(tree);

    if (input == NULL) {
        input = json_string("");
    }

    if (input == NULL) {
        x->nomem = 1;
    }

    return input;
}


ngx_uint_t
ngx_llmops_is_object(const char *p, size_t len)
{
    json_t      *tree;
    ngx_uint_t   rc;

    tree = ngx_llmops_tree_parse(p, len);
    rc = json_is_object(tree);
    json_decref(tree);

    return rc;
}


void
ngx_llmops_answer_restore(ngx_llmops_xlate_t *x, json_t *choice)
{
    size_t             i;
    json_t            *message, *calls, *call, *function, *v;
    ngx_llmops_out_t   text;

    message = json_object_get(choice, "message");
    calls = json_object_get(message, "tool_calls");

    ngx_llmops_gather_init(&text);

    v = json_object_get(message, "content");
    ngx_llmops_gather(&text, json_string_value(v), json_string_length(v), "");

    for (i = 0; i < json_array_size(calls); /* void */) {
        call = json_array_get(calls, i);
        function = json_object_get(call, "function");

        if (x->json_tool
            && ngx_llmops_tree_is(function, "name", x->json_tool))
        {
            v = json_object_get(function, "arguments");
            ngx_llmops_gather(&text, json_string_value(v),
                              json_string_length(v), "");
            json_array_remove(calls, i);
            continue;
        }

        ngx_llmops_call_restore(x, call);
        i++;
    }

    v = ngx_llmops_gathered(x, &text);

    if (json_string_length(v) > 0) {
        ngx_llmops_set(x, message, "content", v);

    } else {
        json_decref(v);
    }

    if (calls != NULL && json_array_size(calls) == 0) {
        json_object_del(message, "tool_calls");
    }
}


static void
ngx_llmops_call_restore(ngx_llmops_xlate_t *x, json_t *call)
{
    char        *id, made[64];
    json_t      *function, *args, *custom;
    const char  *name, *native;

    function = json_object_get(call, "function");
    args = json_object_get(function, "arguments");
    name = ngx_llmops_tree_str(function, "name");
    name = ngx_llmops_tool_restore(x, name ? name : "");
    native = ngx_llmops_tree_str(call, "id");

    if (native == NULL || native[0] == '\0') {
        ngx_llmops_random_id(made, sizeof(made), x->caller->call_prefix);
        native = made;
    }

    id = ngx_llmops_safe_id(x, native, x->caller->call_max);

    if (id != NULL) {
        ngx_llmops_set(x, call, "id", json_string(id));
        free(id);
    }

    if (ngx_llmops_pair_to(&x->custom, name) == NULL) {
        ngx_llmops_set(x, function, "name", json_string(name));
        return;
    }

    custom = ngx_llmops_object(x);
    ngx_llmops_set(x, custom, "name", json_string(name));
    ngx_llmops_set(x, custom, "input",
                   ngx_llmops_custom_input(x, json_string_value(args),
                                           json_string_length(args)));

    ngx_llmops_set(x, call, "type", json_string("custom"));
    json_object_del(call, "function");
    ngx_llmops_set(x, call, "custom", custom);
}


/* n above 1 is not asked for where it would have to be translated */

void
ngx_llmops_emit_answer(ngx_llmops_xlate_t *x, json_t *neutral)
{
    json_t      *choice;
    const char  *reason;

    choice = json_array_get(json_object_get(neutral, "choices"), 0);

    ngx_llmops_emit_start(x, ngx_llmops_tree_str(neutral, "id"));
    ngx_llmops_emit_message(x, json_object_get(choice, "message"));

    reason = ngx_llmops_tree_str(choice, "finish_reason");
    ngx_llmops_emit_finish(x, ngx_llmops_finish_parse(reason),
                           json_object_get(choice, "stop_sequence"));
}


static void
ngx_llmops_emit_message(ngx_llmops_xlate_t *x, json_t *message)
{
    ngx_llmops_emit_reasoning(x, message);

    ngx_llmops_emit_string(x, NGX_LLMOPS_EV_TEXT,
                           json_object_get(message, "content"));
    ngx_llmops_emit_string(x, NGX_LLMOPS_EV_REFUSAL,
                           json_object_get(message, "refusal"));

    ngx_llmops_emit_calls(x, json_object_get(message, "tool_calls"));
}


static void
ngx_llmops_emit_reasoning(ngx_llmops_xlate_t *x, json_t *message)
{
    json_t  *blocks;

    blocks = json_object_get(message, "thinking_blocks");

    if (json_array_size(blocks) == 0) {
        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_REASONING,
                               json_object_get(message, "reasoning_content"));
        return;
    }

    ngx_llmops_emit_thinking(x, blocks, 1);
}


void
ngx_llmops_emit_thinking(ngx_llmops_xlate_t *x, json_t *blocks,
    ngx_uint_t texts)
{
    size_t   i;
    json_t  *block;

    json_array_foreach(blocks, i, block) {

        if (texts) {
            ngx_llmops_emit_string(x, NGX_LLMOPS_EV_REASONING,
                                   json_object_get(block, "thinking"));
        }

        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_SIGNATURE,
                               json_object_get(block, "signature"));
        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_REDACTED,
                               json_object_get(block, "data"));
    }
}


static void
ngx_llmops_emit_calls(ngx_llmops_xlate_t *x, json_t *calls)
{
    size_t              i;
    json_t             *call, *function, *args;
    ngx_llmops_slot_t  *slot;

    json_array_foreach(calls, i, call) {
        function = json_object_get(call, "function");

        slot = ngx_llmops_emit_tool(x, (int64_t) i,
                                    ngx_llmops_tree_str(call, "id"),
                                    ngx_llmops_tree_str(function, "name"));
        if (slot == NULL) {
            return;
        }

        args = json_object_get(function, "arguments");

        if (ngx_llmops_tree_has_text(args)) {
            ngx_llmops_emit_args(x, slot, json_string_value(args),
                                 json_string_length(args));
        }

        ngx_llmops_emit_tool_end(x, slot);
    }
}


ngx_llmops_finish_e
ngx_llmops_finish_parse(const char *reason)
{
    if (reason == NULL) {
        return NGX_LLMOPS_FINISH_NONE;
    }

    if (strcmp(reason, "length") == 0) {
        return NGX_LLMOPS_FINISH_LENGTH;
    }

    if (strcmp(reason, "content_filter") == 0) {
        return NGX_LLMOPS_FINISH_CONTENT_FILTER;
    }

    if (strcmp(reason, "tool_calls") == 0
        || strcmp(reason, "function_call") == 0)
    {
        return NGX_LLMOPS_FINISH_TOOL_CALLS;
    }

    return NGX_LLMOPS_FINISH_STOP;
}


const char *
ngx_llmops_finish_text(ngx_llmops_finish_e finish)
{
    switch (finish) {

    case NGX_LLMOPS_FINISH_LENGTH:
        return "length";

    case NGX_LLMOPS_FINISH_CONTENT_FILTER:
        return "content_filter";

    case NGX_LLMOPS_FINISH_TOOL_CALLS:
        return "tool_calls";

    default:
        return "stop";
    }
}


ngx_llmops_finish_e
ngx_llmops_finish_resolve(ngx_llmops_finish_e finish, ngx_uint_t tools,
    ngx_uint_t refused)
{
    switch (finish) {

    case NGX_LLMOPS_FINISH_LENGTH:
    case NGX_LLMOPS_FINISH_CONTENT_FILTER:
        return finish;

    default:

        /*
         * Some servers say "stop" after calls of tools, and a call that
         * stood for a response format is no call to the caller.
         */

        if (tools > 0) {
            return NGX_LLMOPS_FINISH_TOOL_CALLS;
        }

        return refused ? NGX_LLMOPS_FINISH_CONTENT_FILTER
                       : NGX_LLMOPS_FINISH_STOP;
    }
}
