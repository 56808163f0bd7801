
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_anthropic_codec.h"


/* Whole answers of the Messages API, and the codec's table. */


static void ngx_llmops_anthropic_block_in(ngx_llmops_xlate_t *x,
    json_t *block, json_t *thinking, json_t *calls, ngx_llmops_out_t *text,
    ngx_llmops_out_t *reasoning);
static json_t *ngx_llmops_anthropic_call_in(ngx_llmops_xlate_t *x,
    json_t *block);
static json_t *ngx_llmops_anthropic_message_in(ngx_llmops_xlate_t *x,
    json_t *content);
static void ngx_llmops_anthropic_usage_read(json_t *body,
    ngx_llmops_usage_t *u);
static json_t *ngx_llmops_anthropic_content(ngx_llmops_xlate_t *x,
    json_t *message);
static void ngx_llmops_anthropic_thoughts(ngx_llmops_xlate_t *x, json_t *to,
    json_t *message);
static json_t *ngx_llmops_anthropic_use(ngx_llmops_xlate_t *x, json_t *call);


const ngx_llmops_codec_t  ngx_llmops_anthropic_codec = {
    "anthropic",
    NGX_LLMOPS_OP_MESSAGES,
    ngx_llmops_anthropic_request_in,
    ngx_llmops_anthropic_request_out,
    ngx_llmops_anthropic_response_in,
    ngx_llmops_anthropic_response_out,
    ngx_llmops_anthropic_replay,
    ngx_llmops_anthropic_event_in,
    ngx_llmops_anthropic_event_out,
    sizeof(ngx_llmops_anthropic_in_t),
    sizeof(ngx_llmops_anthropic_out_t),
    ngx_llmops_anthropic_out_free,
    "msg_",
    "toolu_",
    64,
    128
};


json_t *
ngx_llmops_anthropic_response_in(ngx_llmops_xlate_t *x, json_t *body,
    ngx_llmops_usage_t *usage)
{
    json_t  *content, *out, *choice, *list;

    memset(usage, 0, sizeof(ngx_llmops_usage_t));

    content = json_object_get(body, "content");

    if (!json_is_array(content)) {
        return NULL;
    }

    choice = ngx_llmops_object(x);
    ngx_llmops_set(x, choice, "message",
                   ngx_llmops_anthropic_message_in(x, content));
    ngx_llmops_set(x, choice, "finish_reason",
        json_string(ngx_llmops_finish_text(
            ngx_llmops_anthropic_finish(ngx_llmops_tree_str(body,
                                                           "stop_reason")))));
    ngx_llmops_copy(x, choice, "stop_sequence", body, "stop_sequence");

    list = ngx_llmops_array(x);
    ngx_llmops_append(x, list, choice);

    out = ngx_llmops_object(x);
    ngx_llmops_copy(x, out, "id", body, "id");
    ngx_llmops_set(x, out, "choices", list);

    ngx_llmops_anthropic_usage_read(body, usage);

    return out;
}


/* the one message of a chat's answer, with all that the blocks have */

static json_t *
ngx_llmops_anthropic_message_in(ngx_llmops_xlate_t *x, json_t *content)
{
    size_t             i;
    json_t            *block, *message, *thinking, *calls, *v;
    ngx_llmops_out_t   text, reasoning;

    thinking = ngx_llmops_array(x);
    calls = ngx_llmops_array(x);
    ngx_llmops_gather_init(&text);
    ngx_llmops_gather_init(&reasoning);

    json_array_foreach(content, i, block) {
        ngx_llmops_anthropic_block_in(x, block, thinking, calls, &text,
                                      &reasoning);
    }

    message = ngx_llmops_object(x);
    ngx_llmops_set(x, message, "role", json_string("assistant"));

    v = ngx_llmops_gathered(x, &text);

    if (json_string_length(v) == 0) {
        json_decref(v);
        v = json_null();
    }

    ngx_llmops_set(x, message, "content", v);

    v = ngx_llmops_gathered(x, &reasoning);

    if (json_string_length(v) > 0) {
        ngx_llmops_set(x, message, "reasoning_content", json_incref(v));
    }

    json_decref(v);

    if (json_array_size(thinking) > 0) {
        ngx_llmops_set(x, message, "thinking_blocks", json_incref(thinking));
    }

    if (json_array_size(calls) > 0) {
        ngx_llmops_set(x, message, "tool_calls", json_incref(calls));
    }

    json_decref(thinking);
    json_decref(calls);

    return message;
}


static void
ngx_llmops_anthropic_block_in(ngx_llmops_xlate_t *x, json_t *block,
    json_t *thinking, json_t *calls, ngx_llmops_out_t *text,
    ngx_llmops_out_t *reasoning)
{
    json_t      *v, *copy;
    const char  *type;

    type = ngx_llmops_tree_str(block, "type");
    type = type ? type : "";

    if (strcmp(type, "text") == 0) {
        v = json_object_get(block, "text");

        if (ngx_llmops_tree_has_text(v)) {
            ngx_llmops_gather(text, json_string_value(v),
                              json_string_length(v), "");
        }

    } else if (strcmp(type, "thinking") == 0) {
        v = json_object_get(block, "thinking");

        if (ngx_llmops_tree_has_text(v)) {
            ngx_llmops_gather(reasoning, json_string_value(v),
                              json_string_length(v), "");
        }

        copy = ngx_llmops_typed(x, "thinking");
        ngx_llmops_copy(x, copy, "thinking", block, "thinking");
        ngx_llmops_copy(x, copy, "signature", block, "signature");
        ngx_llmops_append(x, thinking, copy);

    } else if (strcmp(type, "redacted_thinking") == 0) {
        copy = ngx_llmops_typed(x, "redacted_thinking");
        ngx_llmops_copy(x, copy, "data", block, "data");
        ngx_llmops_append(x, thinking, copy);

    } else if (strcmp(type, "tool_use") == 0) {
        ngx_llmops_append(x, calls, ngx_llmops_anthropic_call_in(x, block));
    }
}


static json_t *
ngx_llmops_anthropic_call_in(ngx_llmops_xlate_t *x, json_t *block)
{
    json_t  *call, *function, *input, *text;

    input = json_object_get(block, "input");

    text = json_is_object(input)
           ? ngx_llmops_tree_text(input, NGX_MAX_SIZE_T_VALUE / 4)
           : json_string("{}");

    function = ngx_llmops_object(x);
    ngx_llmops_copy(x, function, "name", block, "name");
    ngx_llmops_set(x, function, "arguments", text);

    call = ngx_llmops_object(x);
    ngx_llmops_copy(x, call, "id", block, "id");
    ngx_llmops_set(x, call, "type", json_string("function"));
    ngx_llmops_set(x, call, "function", function);

    return call;
}


/* cached tokens are counted beside the input there */

static void
ngx_llmops_anthropic_usage_read(json_t *body, ngx_llmops_usage_t *u)
{
    json_t  *usage, *details;

    usage = json_object_get(body, "usage");

    if (!json_is_object(usage)) {
        return;
    }

    u->source = NGX_LLMOPS_USAGE_REPORTED;
    u->cache_read = ngx_llmops_tree_count(usage,
                                               "cache_read_input_tokens");
    u->cache_write = ngx_llmops_tree_count(usage,
                                             "cache_creation_input_tokens");
    u->input = ngx_llmops_tree_count(usage, "input_tokens")
               + u->cache_read + u->cache_write;
    u->output = ngx_llmops_tree_count(usage, "output_tokens");

    details = json_object_get(usage, "cache_creation");
    u->cache_write_1h = ngx_llmops_tree_count(details,
                                               "ephemeral_1h_input_tokens");

    details = json_object_get(usage, "output_tokens_details");
    u->reasoning = ngx_llmops_tree_count(details, "thinking_tokens");
}


void
ngx_llmops_anthropic_usage_write(ngx_llmops_out_t *out, ngx_llmops_usage_t *u)
{
    int64_t  input;

    input = u->input - u->cache_read - u->cache_write;

    ngx_llmops_out_lit(out, "{\"input_tokens\":");
    ngx_llmops_out_int(out, ngx_max(input, 0));
    ngx_llmops_out_lit(out, ",\"cache_creation_input_tokens\":");
    ngx_llmops_out_int(out, u->cache_write);
    ngx_llmops_out_lit(out, ",\"cache_read_input_tokens\":");
    ngx_llmops_out_int(out, u->cache_read);
    ngx_llmops_out_lit(out, ",\"output_tokens\":");
    ngx_llmops_out_int(out, u->output);
    ngx_llmops_out_lit(out, "}");
}


ngx_llmops_finish_e
ngx_llmops_anthropic_finish(const char *reason)
{
    if (reason == NULL) {
        return NGX_LLMOPS_FINISH_NONE;
    }

    if (strcmp(reason, "max_tokens") == 0
        || strcmp(reason, "model_context_window_exceeded") == 0)
    {
        return NGX_LLMOPS_FINISH_LENGTH;
    }

    if (strcmp(reason, "tool_use") == 0) {
        return NGX_LLMOPS_FINISH_TOOL_CALLS;
    }

    if (strcmp(reason, "refusal") == 0) {
        return NGX_LLMOPS_FINISH_CONTENT_FILTER;
    }

    return NGX_LLMOPS_FINISH_STOP;
}


const char *
ngx_llmops_anthropic_stop_reason(ngx_llmops_finish_e finish, size_t stop_len)
{
    switch (finish) {

    case NGX_LLMOPS_FINISH_LENGTH:
        return "max_tokens";

    case NGX_LLMOPS_FINISH_TOOL_CALLS:
        return "tool_use";

    case NGX_LLMOPS_FINISH_CONTENT_FILTER:
        return "refusal";

    default:
        return stop_len ? "stop_sequence" : "end_turn";
    }
}


json_t *
ngx_llmops_anthropic_response_out(ngx_llmops_xlate_t *x, json_t *neutral,
    ngx_llmops_usage_t *usage)
{
    json_t               *out, *choice, *message, *stop;
    const char           *id, *reason;
    ngx_uint_t            refused;
    ngx_llmops_out_t      text;
    ngx_llmops_finish_e   finish;

    choice = json_array_get(json_object_get(neutral, "choices"), 0);
    message = json_object_get(choice, "message");
    stop = json_object_get(choice, "stop_sequence");
    id = ngx_llmops_tree_str(neutral, "id");

    reason = ngx_llmops_tree_str(choice, "finish_reason");
    refused = ngx_llmops_tree_has_text(json_object_get(message, "refusal"));
    finish = ngx_llmops_finish_resolve(ngx_llmops_finish_parse(reason),
                 json_array_size(json_object_get(message, "tool_calls")),
                 refused);
    reason = ngx_llmops_anthropic_stop_reason(finish,
                 ngx_llmops_tree_has_text(stop));

    out = ngx_llmops_object(x);

    ngx_llmops_set(x, out, "id", json_string(id && id[0] ? id : x->id));
    ngx_llmops_set(x, out, "type", json_string("message"));
    ngx_llmops_set(x, out, "role", json_string("assistant"));
    ngx_llmops_set(x, out, "model", json_string(x->model));
    ngx_llmops_set(x, out, "content",
                   ngx_llmops_anthropic_content(x, message));
    ngx_llmops_set(x, out, "stop_reason", json_string(reason));
    ngx_llmops_set(x, out, "stop_sequence",
                   strcmp(reason, "stop_sequence") == 0 ? json_incref(stop)
                                                        : json_null());

    ngx_llmops_gather_init(&text);
    ngx_llmops_anthropic_usage_write(&text, usage);

    ngx_llmops_set_gathered(x, out, "usage", &text);

    return out;
}


/* thinking, text, calls: the order that callers expect */

static json_t *
ngx_llmops_anthropic_content(ngx_llmops_xlate_t *x, json_t *message)
{
    size_t                    i;
    json_t                   *list, *v, *call;
    static const char *const  texts[] = { "content", "refusal" };

    list = ngx_llmops_array(x);

    ngx_llmops_anthropic_thoughts(x, list, message);

    for (i = 0; i < 2; i++) {
        v = json_object_get(message, texts[i]);

        if (ngx_llmops_tree_has_text(v)) {
            ngx_llmops_append(x, list,
                ngx_llmops_anthropic_text(x, json_string_value(v),
                                          json_string_length(v)));
        }
    }

    json_array_foreach(json_object_get(message, "tool_calls"), i, call) {
        ngx_llmops_append(x, list, ngx_llmops_anthropic_use(x, call));
    }

    return list;
}


/* the signature is a required member, but only its maker can fill it */

static void
ngx_llmops_anthropic_thoughts(ngx_llmops_xlate_t *x, json_t *to,
    json_t *message)
{
    size_t   i;
    json_t  *blocks, *from, *block;

    blocks = json_object_get(message, "thinking_blocks");

    json_array_foreach(blocks, i, from) {

        if (ngx_llmops_tree_has_text(json_object_get(from, "data"))) {
            block = ngx_llmops_typed(x, "redacted_thinking");
            ngx_llmops_copy(x, block, "data", from, "data");

        } else {
            block = ngx_llmops_typed(x, "thinking");
            ngx_llmops_set(x, block, "thinking", json_string(""));
            ngx_llmops_set(x, block, "signature", json_string(""));
            ngx_llmops_copy(x, block, "thinking", from, "thinking");
            ngx_llmops_copy(x, block, "signature", from, "signature");
        }

        ngx_llmops_append(x, to, block);
    }

    from = json_object_get(message, "reasoning_content");

    if (json_array_size(blocks) == 0 && ngx_llmops_tree_has_text(from)) {
        block = ngx_llmops_typed(x, "thinking");
        ngx_llmops_set(x, block, "thinking", json_incref(from));
        ngx_llmops_set(x, block, "signature", json_string(""));
        ngx_llmops_append(x, to, block);
    }
}


/* arguments that do not parse cannot be said there */

static json_t *
ngx_llmops_anthropic_use(ngx_llmops_xlate_t *x, json_t *call)
{
    json_t  *block, *function, *args, *input;

    function = json_object_get(call, "function");
    args = json_object_get(function, "arguments");

    input = NULL;

    if (ngx_llmops_tree_has_text(args)
        && ngx_llmops_is_object(json_string_value(args),
                                json_string_length(args)))
    {
        input = ngx_llmops_tree_raw(json_string_value(args),
                                    json_string_length(args));
    }

    if (input == NULL) {
        input = ngx_llmops_object(x);
    }

    block = ngx_llmops_typed(x, "tool_use");
    ngx_llmops_copy(x, block, "id", call, "id");
    ngx_llmops_set(x, block, "name", json_string(""));
    ngx_llmops_copy(x, block, "name", function, "name");
    ngx_llmops_set(x, block, "input", input);

    return block;
}
