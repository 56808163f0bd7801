
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_anthropic_codec.h"


/*
 * Neutral messages as the turns of the Messages API.  They alternate there:
 * messages of one side that follow each other become one turn, in which
 * results of tools come first.  Empty texts and empty turns are refused
 * there, so they are left out.
 */


typedef struct {
    json_t                    *messages;
    json_t                    *content;    /* of the last turn */
    const char                *role;       /* of the last turn */
    size_t                     results;    /* at the start of its content */
} ngx_llmops_anthropic_turns_t;


static void ngx_llmops_anthropic_turn(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_turns_t *t, const char *role);
static void ngx_llmops_anthropic_message_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, ngx_llmops_anthropic_turns_t *t,
    json_t *message);
static void ngx_llmops_anthropic_system_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *content);
static void ngx_llmops_anthropic_content_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *to, json_t *content);
static void ngx_llmops_anthropic_assistant_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *to, json_t *message);
static void ngx_llmops_anthropic_thinking_out(ngx_llmops_xlate_t *x,
    json_t *to, json_t *message);
static json_t *ngx_llmops_anthropic_call_out(ngx_llmops_xlate_t *x,
    json_t *call);
static json_t *ngx_llmops_anthropic_input(ngx_llmops_xlate_t *x,
    json_t *call, const char **name);
static void ngx_llmops_anthropic_result_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, ngx_llmops_anthropic_turns_t *t,
    json_t *message);
static void ngx_llmops_anthropic_prefill(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_turns_t *t);


/* for "json_object", which has no counterpart */

static const char  ngx_llmops_anthropic_json[] =
    "Answer with one valid JSON object and nothing else: no explanation, no "
    "code fence.";


void
ngx_llmops_anthropic_messages_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r)
{
    size_t                         i;
    json_t                        *message;
    ngx_llmops_anthropic_turns_t   t;

    memset(&t, 0, sizeof(ngx_llmops_anthropic_turns_t));

    t.messages = ngx_llmops_array(x);
    t.role = "";

    json_array_foreach(json_object_get(r->in, "messages"), i, message) {
        ngx_llmops_anthropic_message_out(x, r, &t, message);
    }

    if (json_array_size(t.messages) == 0) {
        ngx_llmops_approx(x, "messages", "user_turn_added");
        ngx_llmops_anthropic_turn(x, &t, "user");
        ngx_llmops_append(x, t.content, ngx_llmops_anthropic_text(x, ".", 1));
    }

    ngx_llmops_anthropic_prefill(x, &t);

    if (r->instruct) {
        ngx_llmops_append(x, r->system,
            ngx_llmops_anthropic_text(x, ngx_llmops_anthropic_json,
                                   sizeof(ngx_llmops_anthropic_json) - 1));
    }

    if (json_array_size(r->system) > 0) {
        ngx_llmops_set(x, r->out, "system", json_incref(r->system));
    }

    ngx_llmops_set(x, r->out, "messages", t.messages);
}


/* the last turn, if it is that side's, or a new one */

static void
ngx_llmops_anthropic_turn(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_turns_t *t, const char *role)
{
    json_t  *turn;

    if (strcmp(t->role, role) == 0) {
        return;
    }

    if (t->role[0] == '\0' && strcmp(role, "assistant") == 0) {

        /* the first turn must be the user's */

        ngx_llmops_approx(x, "messages", "user_turn_added");
        ngx_llmops_anthropic_turn(x, t, "user");
        ngx_llmops_append(x, t->content, ngx_llmops_anthropic_text(x, ".", 1));
    }

    turn = ngx_llmops_object(x);
    t->content = ngx_llmops_array(x);
    t->role = role;
    t->results = 0;

    ngx_llmops_set(x, turn, "role", json_string(role));
    ngx_llmops_set(x, turn, "content", t->content);
    ngx_llmops_append(x, t->messages, turn);
}


static void
ngx_llmops_anthropic_message_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, ngx_llmops_anthropic_turns_t *t,
    json_t *message)
{
    json_t      *blocks, *content;
    const char  *role;

    role = ngx_llmops_tree_str(message, "role");
    role = role ? role : "";
    content = json_object_get(message, "content");

    if (strcmp(role, "tool") == 0) {
        ngx_llmops_anthropic_result_out(x, r, t, message);
        return;
    }

    if (ngx_llmops_tree_has_text(json_object_get(message, "name"))) {
        ngx_llmops_drop(x, "messages.name");
    }

    if (strcmp(role, "system") == 0 || strcmp(role, "developer") == 0) {

        if (json_array_size(t->messages) > 0) {
            ngx_llmops_approx(x, "messages.system", "hoisted");
        }

        ngx_llmops_anthropic_system_out(x, r, content);
        return;
    }

    blocks = ngx_llmops_array(x);

    if (strcmp(role, "assistant") == 0) {
        role = "assistant";
        ngx_llmops_anthropic_assistant_out(x, r, blocks, message);

    } else if (strcmp(role, "user") == 0) {
        role = "user";
        ngx_llmops_anthropic_content_out(x, r, blocks, content);

    } else {
        ngx_llmops_refuse(x, "messages", "invalid_value",
                          "\"%.32s\" is no role of a message", role);
    }

    if (json_array_size(blocks) > 0) {
        ngx_llmops_anthropic_turn(x, t, role);

        if (json_array_extend(t->content, blocks) != 0) {
            x->nomem = 1;
        }
    }

    json_decref(blocks);
}


json_t *
ngx_llmops_anthropic_text(ngx_llmops_xlate_t *x, const char *text, size_t len)
{
    json_t  *block;

    block = ngx_llmops_typed(x, "text");
    ngx_llmops_set(x, block, "text", json_stringn(text, len));

    return block;
}


static void
ngx_llmops_anthropic_system_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *content)
{
    ngx_llmops_anthropic_content_out(x, r, r->system, content);
}


/* a string or parts, as blocks */

static void
ngx_llmops_anthropic_content_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *to, json_t *content)
{
    size_t   i;
    json_t  *part, *block;

    if (ngx_llmops_tree_has_text(content)) {
        ngx_llmops_append(x, to,
            ngx_llmops_anthropic_text(x, json_string_value(content),
                                      json_string_length(content)));
        return;
    }

    json_array_foreach(content, i, part) {
        block = ngx_llmops_anthropic_block(x, r, part);

        if (block != NULL) {
            ngx_llmops_append(x, to, block);
        }
    }
}


static void
ngx_llmops_anthropic_assistant_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *to, json_t *message)
{
    size_t   i;
    json_t  *call, *refusal;

    ngx_llmops_anthropic_thinking_out(x, to, message);

    ngx_llmops_anthropic_content_out(x, r, to,
                                     json_object_get(message, "content"));

    refusal = json_object_get(message, "refusal");

    if (ngx_llmops_tree_has_text(refusal)) {
        ngx_llmops_append(x, to,
            ngx_llmops_anthropic_text(x, json_string_value(refusal),
                                      json_string_length(refusal)));
    }

    if (json_is_object(json_object_get(message, "audio"))) {
        ngx_llmops_drop(x, "messages.audio");
    }

    json_array_foreach(json_object_get(message, "tool_calls"), i, call) {
        ngx_llmops_append(x, to, ngx_llmops_anthropic_call_out(x, call));
    }
}


/* a signature cannot be made up, and without one a block is refused */

static void
ngx_llmops_anthropic_thinking_out(ngx_llmops_xlate_t *x, json_t *to,
    json_t *message)
{
    size_t       i;
    json_t      *from, *block, *blocks;
    ngx_uint_t   kept;

    kept = 0;
    blocks = json_object_get(message, "thinking_blocks");

    json_array_foreach(blocks, i, from) {

        if (ngx_llmops_tree_has_text(json_object_get(from, "data"))) {
            block = ngx_llmops_typed(x, "redacted_thinking");
            ngx_llmops_copy(x, block, "data", from, "data");

        } else if (ngx_llmops_tree_has_text(json_object_get(from,
                                                            "signature"))
                   && ngx_llmops_tree_str(from, "thinking"))
        {
            block = ngx_llmops_typed(x, "thinking");
            ngx_llmops_copy(x, block, "thinking", from, "thinking");
            ngx_llmops_copy(x, block, "signature", from, "signature");

        } else {
            continue;
        }

        kept++;
        ngx_llmops_append(x, to, block);
    }

    if (kept < json_array_size(blocks)) {
        ngx_llmops_drop(x, "messages.thinking_blocks");
    }

    if (kept == 0
        && (ngx_llmops_tree_has_text(json_object_get(message, "reasoning"))
            || ngx_llmops_tree_has_text(json_object_get(message,
                                                    "reasoning_content"))))
    {
        ngx_llmops_drop(x, "messages.reasoning_content");
    }
}


static json_t *
ngx_llmops_anthropic_call_out(ngx_llmops_xlate_t *x, json_t *call)
{
    char        *id, *safe;
    json_t      *block, *input;
    const char  *name, *native;

    input = ngx_llmops_anthropic_input(x, call, &name);
    native = ngx_llmops_tree_str(call, "id");

    if (name == NULL || name[0] == '\0' || native == NULL) {
        ngx_llmops_refuse(x, "messages", "invalid_value",
                          "a tool call has no name or no id");
        json_decref(input);
        return ngx_llmops_object(x);
    }

    id = ngx_llmops_safe_id(x, native, x->provider->call_max);
    safe = ngx_llmops_tool_name(x, name);

    block = ngx_llmops_typed(x, "tool_use");
    ngx_llmops_set(x, block, "id", json_string(id));
    ngx_llmops_set(x, block, "name", json_string(safe));
    ngx_llmops_set(x, block, "input", input);

    free(id);
    free(safe);

    return block;
}


/* the arguments, with the bytes that the caller sent */

static json_t *
ngx_llmops_anthropic_input(ngx_llmops_xlate_t *x, json_t *call,
    const char **name)
{
    size_t       len;
    json_t      *function, *custom, *args, *input;
    const char  *p;

    function = json_object_get(call, "function");
    custom = json_object_get(call, "custom");

    *name = ngx_llmops_tree_str(custom ? custom : function, "name");

    if (custom != NULL) {
        input = ngx_llmops_object(x);
        ngx_llmops_copy(x, input, "input", custom, "input");
        return input;
    }

    args = json_object_get(function, "arguments");

    if (json_is_object(args)) {
        return json_incref(args);
    }

    if (!ngx_llmops_tree_has_text(args)) {
        return ngx_llmops_object(x);
    }

    p = json_string_value(args);
    len = json_string_length(args);

    if (p[strspn(p, " \t\r\n")] == '\0') {
        return ngx_llmops_object(x);
    }

    if (!ngx_llmops_is_object(p, len)) {
        ngx_llmops_refuse(x, "messages", "invalid_value",
                          "the arguments of a call of \"%.64s\" are not a "
                          "JSON object", *name ? *name : "");
        return NULL;
    }

    input = ngx_llmops_tree_raw(p, len);

    if (input == NULL) {
        x->nomem = 1;
    }

    return input;
}


/* results come before anything else that the user says in the turn */

static void
ngx_llmops_anthropic_result_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, ngx_llmops_anthropic_turns_t *t,
    json_t *message)
{
    char        *id;
    json_t      *block, *blocks;
    const char  *native;

    native = ngx_llmops_tree_str(message, "tool_call_id");
    id = ngx_llmops_safe_id(x, native ? native : "", x->provider->call_max);

    if (id == NULL) {
        return;
    }

    block = ngx_llmops_typed(x, "tool_result");
    ngx_llmops_set(x, block, "tool_use_id", json_string(id));
    free(id);

    blocks = ngx_llmops_array(x);
    ngx_llmops_anthropic_content_out(x, r, blocks,
                                     json_object_get(message, "content"));

    if (json_array_size(blocks) > 0) {
        ngx_llmops_set(x, block, "content", blocks);

    } else {
        json_decref(blocks);
    }

    ngx_llmops_anthropic_turn(x, t, "user");

    if (json_array_insert_new(t->content, t->results++, block) != 0) {
        x->nomem = 1;
    }
}


/* the start of an answer may not end with white space there */

static void
ngx_llmops_anthropic_prefill(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_turns_t *t)
{
    size_t       n, len;
    json_t      *block, *text;
    const char  *p;

    if (strcmp(t->role, "assistant") != 0) {
        return;
    }

    n = json_array_size(t->content);
    block = json_array_get(t->content, n - 1);
    text = json_object_get(block, "text");

    if (!ngx_llmops_tree_is_string(text)) {
        return;
    }

    p = json_string_value(text);
    len = json_string_length(text);

    while (len > 0 && strchr(" \t\r\n", p[len - 1]) != NULL) {
        len--;
    }

    if (len > 0) {
        ngx_llmops_set(x, block, "text", json_stringn(p, len));
        return;
    }

    json_array_remove(t->content, n - 1);

    if (n == 1) {
        json_array_remove(t->messages, json_array_size(t->messages) - 1);
    }
}
