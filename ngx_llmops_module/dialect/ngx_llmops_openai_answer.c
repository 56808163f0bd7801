
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_openai_codec.h"


/* Whole answers, and the codec's table. */


static void ngx_llmops_openai_message(ngx_llmops_xlate_t *x,
    json_t *message);
static void ngx_llmops_openai_call(ngx_llmops_xlate_t *x, json_t *call);
static void ngx_llmops_openai_custom(ngx_llmops_xlate_t *x, json_t *call,
    json_t *custom);
static void ngx_llmops_openai_usage_read(json_t *body,
    ngx_llmops_usage_t *usage);
static json_t *ngx_llmops_openai_choice(ngx_llmops_xlate_t *x, json_t *from,
    size_t n);


const ngx_llmops_codec_t  ngx_llmops_openai_codec = {
    "openai",
    NGX_LLMOPS_OP_CHAT,
    ngx_llmops_openai_request_in,
    ngx_llmops_openai_request_out,
    ngx_llmops_openai_response_in,
    ngx_llmops_openai_response_out,
    ngx_llmops_openai_replay,
    ngx_llmops_openai_event_in,
    ngx_llmops_openai_event_out,
    sizeof(ngx_llmops_openai_in_t),
    sizeof(ngx_llmops_openai_out_t),
    ngx_llmops_openai_out_free,
    "chatcmpl-",
    "call_",
    40,                                    /* the API's own limits */
    64
};


json_t *
ngx_llmops_openai_response_in(ngx_llmops_xlate_t *x, json_t *body,
    ngx_llmops_usage_t *usage)
{
    size_t   i;
    json_t  *choices, *choice, *error, *message;

    error = json_object_get(body, "error");
    choices = json_object_get(body, "choices");

    if (json_array_size(choices) == 0
        || (error != NULL && !json_is_null(error)))
    {
        return NULL;
    }

    json_array_foreach(choices, i, choice) {
        message = json_object_get(choice, "message");

        if (!json_is_object(message)) {
            return NULL;
        }

        ngx_llmops_openai_message(x, message);

        if (ngx_llmops_tree_is_string(json_object_get(choice, "stop_reason")))
        {
            ngx_llmops_copy(x, choice, "stop_sequence", choice,
                            "stop_reason");
        }
    }

    ngx_llmops_openai_usage_read(body, usage);

    return json_incref(body);
}


/* the one spelling of each thing that the rest relies on */

static void
ngx_llmops_openai_message(ngx_llmops_xlate_t *x, json_t *message)
{
    size_t   i;
    json_t  *content, *text, *reasoning, *refusal, *call, *calls;

    content = json_object_get(message, "content");

    if (json_is_array(content)) {
        ngx_llmops_openai_parts(x, content, &text, &reasoning, &refusal);
        ngx_llmops_set(x, message, "content", text);
        ngx_llmops_set(x, message, "reasoning_content", reasoning);

        if (json_string_length(refusal) > 0) {
            ngx_llmops_set(x, message, "refusal", json_incref(refusal));
        }

        json_decref(refusal);

    } else if (!ngx_llmops_tree_has_text(content)) {
        ngx_llmops_set(x, message, "content", json_null());
    }

    if (!ngx_llmops_tree_has_text(json_object_get(message,
                                                  "reasoning_content")))
    {
        json_object_del(message, "reasoning_content");

        if (ngx_llmops_tree_has_text(json_object_get(message, "reasoning"))) {
            ngx_llmops_copy(x, message, "reasoning_content", message,
                            "reasoning");
        }
    }

    if (json_is_object(json_object_get(message, "function_call"))) {
        call = ngx_llmops_object(x);
        calls = ngx_llmops_array(x);
        ngx_llmops_copy(x, call, "function", message, "function_call");
        ngx_llmops_append(x, calls, call);
        ngx_llmops_set(x, message, "tool_calls", calls);
    }

    calls = json_object_get(message, "tool_calls");

    for (i = 0; i < json_array_size(calls); /* void */) {
        call = json_array_get(calls, i);

        if (!json_is_object(call)) {
            json_array_remove(calls, i);
            continue;
        }

        ngx_llmops_openai_call(x, call);
        i++;
    }
}


void
ngx_llmops_openai_parts(ngx_llmops_xlate_t *x, json_t *parts, json_t **text,
    json_t **reasoning, json_t **refusal)
{
    size_t             i;
    json_t            *part, *v, *inner, *none;
    ngx_llmops_out_t   t, r, f;

    ngx_llmops_gather_init(&t);
    ngx_llmops_gather_init(&r);
    ngx_llmops_gather_init(&f);

    json_array_foreach(parts, i, part) {
        v = json_object_get(part, "text");

        if (ngx_llmops_tree_has_text(v)) {
            ngx_llmops_gather(&t, json_string_value(v),
                              json_string_length(v), "");
        }

        v = json_object_get(part, "refusal");

        if (ngx_llmops_tree_has_text(v)) {
            ngx_llmops_gather(&f, json_string_value(v),
                              json_string_length(v), "");
        }

        v = json_object_get(part, "thinking");

        if (ngx_llmops_tree_has_text(v)) {
            ngx_llmops_gather(&r, json_string_value(v),
                              json_string_length(v), "");

        } else if (json_is_array(v) && reasoning != NULL) {

            /* text parts again; no further level is looked at */

            ngx_llmops_openai_parts(x, v, &inner, NULL, &none);
            ngx_llmops_gather(&r, json_string_value(inner),
                              json_string_length(inner), "");
            json_decref(inner);
            json_decref(none);
        }
    }

    *text = ngx_llmops_gathered(x, &t);
    *refusal = ngx_llmops_gathered(x, &f);

    if (reasoning != NULL) {
        *reasoning = ngx_llmops_gathered(x, &r);

    } else {
        ngx_llmops_out_free(&r);
    }
}


static void
ngx_llmops_openai_call(ngx_llmops_xlate_t *x, json_t *call)
{
    json_t  *function, *custom;

    custom = json_object_get(call, "custom");

    if (json_is_object(custom)) {
        ngx_llmops_openai_custom(x, call, custom);
        return;
    }

    function = json_object_get(call, "function");

    if (!json_is_object(function)) {
        function = ngx_llmops_object(x);
        ngx_llmops_set(x, call, "function", function);
    }

    ngx_llmops_set(x, call, "type", json_string("function"));
    ngx_llmops_set(x, function, "arguments",
                   ngx_llmops_openai_arguments(x,
                       json_object_get(function, "arguments")));
}


/* free text travels as the one argument of a function */

static void
ngx_llmops_openai_custom(ngx_llmops_xlate_t *x, json_t *call, json_t *custom)
{
    json_t  *function, *args;

    args = ngx_llmops_object(x);
    ngx_llmops_copy(x, args, "input", custom, "input");

    function = ngx_llmops_object(x);
    ngx_llmops_copy(x, function, "name", custom, "name");
    ngx_llmops_set(x, function, "arguments",
                   ngx_llmops_openai_arguments(x, args));
    json_decref(args);

    ngx_llmops_set(x, call, "type", json_string("function"));
    json_object_del(call, "custom");
    ngx_llmops_set(x, call, "function", function);
}


json_t *
ngx_llmops_openai_arguments(ngx_llmops_xlate_t *x, json_t *args)
{
    json_t  *v;

    if (ngx_llmops_tree_has_text(args)) {
        return json_incref(args);
    }

    v = json_is_object(args)
        ? ngx_llmops_tree_text(args, NGX_MAX_SIZE_T_VALUE / 4)
        : json_string("{}");

    if (v == NULL) {
        x->nomem = 1;
    }

    return v;
}


static void
ngx_llmops_openai_usage_read(json_t *body, ngx_llmops_usage_t *u)
{
    json_t   *usage, *in, *out;
    int64_t   total;

    usage = json_object_get(body, "usage");

    if (!json_is_object(usage)) {
        usage = json_object_get(json_object_get(body, "x_groq"), "usage");
    }

    if (!json_is_object(usage)) {
        return;
    }

    in = json_object_get(usage, "prompt_tokens_details");
    out = json_object_get(usage, "completion_tokens_details");

    u->source = NGX_LLMOPS_USAGE_REPORTED;
    u->input = ngx_llmops_tree_count(usage, "prompt_tokens");
    u->output = ngx_llmops_tree_count(usage, "completion_tokens");
    u->cache_read = ngx_llmops_tree_count(in, "cached_tokens");
    u->cache_write = ngx_llmops_tree_count(in, "cache_write_tokens");
    u->reasoning = ngx_llmops_tree_count(out, "reasoning_tokens");

    if (u->cache_read == 0) {
        u->cache_read = ngx_llmops_tree_count(usage, "cached_tokens");
    }

    if (u->cache_read == 0) {
        u->cache_read = ngx_llmops_tree_count(usage,
                                                "prompt_cache_hit_tokens");
    }

    if (u->reasoning == 0) {
        u->reasoning = ngx_llmops_tree_count(usage, "reasoning_tokens");
    }

    /* some count reasoning beside the completion: the sum tells */

    total = ngx_llmops_tree_count(usage, "total_tokens");

    if (u->reasoning > 0 && total == u->input + u->output + u->reasoning) {
        u->output += u->reasoning;
    }
}


void
ngx_llmops_openai_usage_write(ngx_llmops_out_t *out, ngx_llmops_usage_t *u)
{
    ngx_llmops_out_lit(out, "{\"prompt_tokens\":");
    ngx_llmops_out_int(out, u->input);
    ngx_llmops_out_lit(out, ",\"completion_tokens\":");
    ngx_llmops_out_int(out, u->output);
    ngx_llmops_out_lit(out, ",\"total_tokens\":");
    ngx_llmops_out_int(out, u->input + u->output);
    ngx_llmops_out_lit(out, ",\"prompt_tokens_details\":{\"cached_tokens\":");
    ngx_llmops_out_int(out, u->cache_read);

    if (u->cache_write > 0) {
        ngx_llmops_out_lit(out, ",\"cache_write_tokens\":");
        ngx_llmops_out_int(out, u->cache_write);
    }

    ngx_llmops_out_lit(out,
                  "},\"completion_tokens_details\":{\"reasoning_tokens\":");
    ngx_llmops_out_int(out, u->reasoning);
    ngx_llmops_out_lit(out, "}}");
}


json_t *
ngx_llmops_openai_response_out(ngx_llmops_xlate_t *x, json_t *neutral,
    ngx_llmops_usage_t *usage)
{
    size_t             i;
    json_t            *out, *choices, *choice;
    const char        *id;
    ngx_llmops_out_t   text;

    id = ngx_llmops_tree_str(neutral, "id");

    out = ngx_llmops_object(x);

    ngx_llmops_set(x, out, "id", json_string(id && id[0] ? id : x->id));
    ngx_llmops_set(x, out, "object", json_string("chat.completion"));
    ngx_llmops_set(x, out, "created", json_integer(x->created));
    ngx_llmops_set(x, out, "model", json_string(x->model));
    ngx_llmops_set(x, out, "system_fingerprint", json_null());

    choices = ngx_llmops_array(x);

    json_array_foreach(json_object_get(neutral, "choices"), i, choice) {
        ngx_llmops_append(x, choices, ngx_llmops_openai_choice(x, choice, i));
    }

    ngx_llmops_set(x, out, "choices", choices);

    ngx_llmops_gather_init(&text);
    ngx_llmops_openai_usage_write(&text, usage);

    ngx_llmops_set_gathered(x, out, "usage", &text);

    return out;
}


const char *
ngx_llmops_openai_finish_reason(ngx_llmops_xlate_t *x,
    ngx_llmops_finish_e finish)
{
    return (x->legacy && finish == NGX_LLMOPS_FINISH_TOOL_CALLS)
           ? "function_call" : ngx_llmops_finish_text(finish);
}


static json_t *
ngx_llmops_openai_choice(ngx_llmops_xlate_t *x, json_t *from, size_t n)
{
    json_t               *choice, *message, *m, *calls;
    const char           *reason;
    ngx_uint_t            refused;
    ngx_llmops_finish_e   finish;

    m = json_object_get(from, "message");
    message = ngx_llmops_object(x);

    ngx_llmops_set(x, message, "role", json_string("assistant"));
    ngx_llmops_set(x, message, "content", json_null());
    ngx_llmops_set(x, message, "refusal", json_null());
    ngx_llmops_copy(x, message, "content", m, "content");
    ngx_llmops_copy(x, message, "refusal", m, "refusal");
    ngx_llmops_copy(x, message, "reasoning_content", m, "reasoning_content");
    ngx_llmops_copy(x, message, "thinking_blocks", m, "thinking_blocks");

    calls = json_object_get(m, "tool_calls");

    if (x->legacy && json_array_size(calls) > 0) {
        ngx_llmops_copy(x, message, "function_call", json_array_get(calls, 0),
                        "function");

    } else {
        ngx_llmops_copy(x, message, "tool_calls", m, "tool_calls");
    }

    reason = ngx_llmops_tree_str(from, "finish_reason");
    refused = ngx_llmops_tree_has_text(json_object_get(m, "refusal"));

    finish = ngx_llmops_finish_resolve(ngx_llmops_finish_parse(reason),
                 json_array_size(calls), refused);

    choice = ngx_llmops_object(x);

    ngx_llmops_set(x, choice, "index", json_integer((json_int_t) n));
    ngx_llmops_set(x, choice, "message", message);
    ngx_llmops_set(x, choice, "logprobs", json_null());
    ngx_llmops_set(x, choice, "finish_reason",
                   json_string(ngx_llmops_openai_finish_reason(x, finish)));

    return choice;
}
