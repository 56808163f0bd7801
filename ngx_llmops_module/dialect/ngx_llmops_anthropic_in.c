
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_anthropic_codec.h"


/* A body of the Messages API as a neutral request: all but its messages. */


static void ngx_llmops_anthropic_plain_in(ngx_llmops_xlate_t *x, json_t *out,
    json_t *body);
static void ngx_llmops_anthropic_notes_in(ngx_llmops_xlate_t *x,
    json_t *body);
static void ngx_llmops_anthropic_effort_in(ngx_llmops_xlate_t *x, json_t *out,
    json_t *body);
static void ngx_llmops_anthropic_format_in(ngx_llmops_xlate_t *x, json_t *out,
    json_t *body);
static void ngx_llmops_anthropic_tools_in(ngx_llmops_xlate_t *x, json_t *out,
    json_t *body);
static void ngx_llmops_anthropic_tool_notes(ngx_llmops_xlate_t *x,
    json_t *tool);
static json_t *ngx_llmops_anthropic_tool_in(ngx_llmops_xlate_t *x,
    json_t *tool);
static void ngx_llmops_anthropic_choice_in(ngx_llmops_xlate_t *x, json_t *out,
    json_t *choice);


/* members that are read below; all others are dropped */

static const char *const  ngx_llmops_anthropic_taken[] = {
    "model", "max_tokens", "messages", "system", "stop_sequences",
    "temperature", "top_p", "top_k", "metadata", "thinking", "output_config",
    "output_format", "tools", "tool_choice", "stream", "service_tier",
    "speed", "mcp_servers", NULL
};


json_t *
ngx_llmops_anthropic_request_in(ngx_llmops_xlate_t *x, json_t *body)
{
    json_t  *out;

    if (json_array_size(json_object_get(body, "messages")) == 0) {
        ngx_llmops_refuse(x, "messages", "invalid_value",
                          "\"messages\" must be an array that is not empty");
        return NULL;
    }

    out = ngx_llmops_object(x);

    ngx_llmops_anthropic_notes_in(x, body);
    ngx_llmops_anthropic_plain_in(x, out, body);
    ngx_llmops_anthropic_effort_in(x, out, body);
    ngx_llmops_anthropic_format_in(x, out, body);
    ngx_llmops_set(x, out, "messages",
                   ngx_llmops_anthropic_messages_in(x, body));
    ngx_llmops_anthropic_tools_in(x, out, body);

    return out;
}


static void
ngx_llmops_anthropic_plain_in(ngx_llmops_xlate_t *x, json_t *out,
    json_t *body)
{
    json_t  *metadata, *stop;

    ngx_llmops_copy(x, out, "model", body, "model");
    ngx_llmops_copy(x, out, "max_completion_tokens", body, "max_tokens");
    ngx_llmops_copy(x, out, "temperature", body, "temperature");
    ngx_llmops_copy(x, out, "top_p", body, "top_p");
    ngx_llmops_copy(x, out, "top_k", body, "top_k");

    stop = json_object_get(body, "stop_sequences");

    if (json_array_size(stop) > 0) {
        ngx_llmops_set(x, out, "stop", json_incref(stop));
    }

    metadata = json_object_get(body, "metadata");

    if (ngx_llmops_tree_has_text(json_object_get(metadata, "user_id"))) {
        ngx_llmops_copy(x, out, "user", metadata, "user_id");
    }
}


static void
ngx_llmops_anthropic_notes_in(ngx_llmops_xlate_t *x, json_t *body)
{
    json_t      *v;
    ngx_uint_t   i;
    const char  *key;

    json_object_foreach(body, key, v) {

        for (i = 0; ngx_llmops_anthropic_taken[i]; i++) {
            if (strcmp(ngx_llmops_anthropic_taken[i], key) == 0) {
                break;
            }
        }

        if (ngx_llmops_anthropic_taken[i] == NULL && !json_is_null(v)) {
            ngx_llmops_drop(x, key);
        }
    }

    if (json_array_size(json_object_get(body, "mcp_servers")) > 0) {
        ngx_llmops_unsupported(x, "mcp_servers", "\"mcp_servers\"");
    }

    v = json_object_get(body, "service_tier");

    if (ngx_llmops_tree_is_string(v)
        && strcmp(json_string_value(v), "auto") != 0)
    {
        ngx_llmops_drop(x, "service_tier");
    }

    if (ngx_llmops_tree_is(body, "speed", "fast")) {
        ngx_llmops_drop(x, "speed");
    }
}


static void
ngx_llmops_anthropic_effort_in(ngx_llmops_xlate_t *x, json_t *out,
    json_t *body)
{
    double       budget;
    json_t      *thinking, *v;
    const char  *effort, *type;

    thinking = json_object_get(body, "thinking");
    type = ngx_llmops_tree_str(thinking, "type");
    effort = ngx_llmops_tree_str(json_object_get(body, "output_config"),
                                 "effort");

    if (type != NULL && strcmp(type, "disabled") == 0) {
        effort = "none";

    } else if (type != NULL && strcmp(type, "enabled") == 0) {
        v = json_object_get(thinking, "budget_tokens");

        if (effort == NULL && ngx_llmops_tree_number(v, &budget) == NGX_OK) {
            effort = (budget < 2048) ? "low"
                     : (budget < 8192) ? "medium" : "high";
        }

    } else if (type != NULL && effort == NULL) {
        effort = "medium";
    }

    if (effort != NULL) {
        ngx_llmops_set(x, out, "reasoning_effort", json_string(effort));
    }
}


static void
ngx_llmops_anthropic_format_in(ngx_llmops_xlate_t *x, json_t *out,
    json_t *body)
{
    json_t  *format, *schema, *response;

    format = json_object_get(json_object_get(body, "output_config"),
                             "format");

    if (!json_is_object(format)) {
        format = json_object_get(body, "output_format");
    }

    if (!json_is_object(json_object_get(format, "schema"))) {
        return;
    }

    schema = ngx_llmops_object(x);
    ngx_llmops_set(x, schema, "name", json_string("structured_output"));
    ngx_llmops_set(x, schema, "strict", json_true());
    ngx_llmops_copy(x, schema, "schema", format, "schema");

    response = ngx_llmops_typed(x, "json_schema");
    ngx_llmops_set(x, response, "json_schema", schema);

    ngx_llmops_set(x, out, "response_format", response);
}


static void
ngx_llmops_anthropic_tools_in(ngx_llmops_xlate_t *x, json_t *out,
    json_t *body)
{
    size_t   i;
    json_t  *tools, *tool, *list;

    tools = json_object_get(body, "tools");

    if (json_array_size(tools) == 0) {
        return;
    }

    list = ngx_llmops_array(x);

    json_array_foreach(tools, i, tool) {
        ngx_llmops_append(x, list, ngx_llmops_anthropic_tool_in(x, tool));
    }

    ngx_llmops_set(x, out, "tools", list);

    ngx_llmops_anthropic_choice_in(x, out,
                                   json_object_get(body, "tool_choice"));
}


/* what a function does not have */

static void
ngx_llmops_anthropic_tool_notes(ngx_llmops_xlate_t *x, json_t *tool)
{
    char         param[96];
    json_t      *v;
    ngx_uint_t   i;
    const char  *key;

    static const char *const  taken[] = {
        "name", "description", "input_schema", "type", "strict",
        "cache_control", NULL
    };

    if (json_is_object(json_object_get(tool, "cache_control"))) {
        ngx_llmops_drop(x, "cache_control");
    }

    json_object_foreach(tool, key, v) {

        for (i = 0; taken[i] && strcmp(taken[i], key) != 0; i++) {
            /* void */
        }

        if (taken[i] == NULL && !json_is_null(v) && !json_is_false(v)) {
            snprintf(param, sizeof(param), "tools.%.64s", key);
            ngx_llmops_drop(x, param);
        }
    }
}


static json_t *
ngx_llmops_anthropic_tool_in(ngx_llmops_xlate_t *x, json_t *tool)
{
    json_t      *function, *out, *schema;
    const char  *name, *type;

    name = ngx_llmops_tree_str(tool, "name");
    type = ngx_llmops_tree_str(tool, "type");

    /* what the vendor itself runs, or what its models were trained for */

    if (type != NULL && strcmp(type, "custom") != 0) {
        ngx_llmops_refuse(x, "tools", "unsupported_parameter",
                          "the tool type \"%.64s\" cannot be translated for "
                          "the provider of this model", type);

    } else if (name == NULL || name[0] == '\0') {
        ngx_llmops_refuse(x, "tools", "invalid_value", "a tool has no name");
    }

    ngx_llmops_anthropic_tool_notes(x, tool);

    function = ngx_llmops_object(x);
    ngx_llmops_copy(x, function, "name", tool, "name");
    ngx_llmops_copy(x, function, "description", tool, "description");

    schema = json_object_get(tool, "input_schema");

    if (json_is_object(schema)) {
        ngx_llmops_set(x, function, "parameters", json_incref(schema));

    } else {
        schema = ngx_llmops_typed(x, "object");
        ngx_llmops_set(x, schema, "properties", ngx_llmops_object(x));
        ngx_llmops_set(x, function, "parameters", schema);
    }

    ngx_llmops_copy(x, function, "strict", tool, "strict");

    out = ngx_llmops_typed(x, "function");
    ngx_llmops_set(x, out, "function", function);

    return out;
}


static void
ngx_llmops_anthropic_choice_in(ngx_llmops_xlate_t *x, json_t *out,
    json_t *choice)
{
    json_t      *named, *function;
    const char  *type;

    type = ngx_llmops_tree_str(choice, "type");

    if (type == NULL) {
        return;
    }

    if (strcmp(type, "tool") == 0) {
        function = ngx_llmops_object(x);
        ngx_llmops_copy(x, function, "name", choice, "name");

        named = ngx_llmops_typed(x, "function");
        ngx_llmops_set(x, named, "function", function);

        ngx_llmops_set(x, out, "tool_choice", named);

    } else {
        ngx_llmops_set(x, out, "tool_choice",
                       json_string(strcmp(type, "any") == 0 ? "required"
                                   : strcmp(type, "none") == 0 ? "none"
                                   : "auto"));
    }

    if (json_is_true(json_object_get(choice, "disable_parallel_tool_use"))) {
        ngx_llmops_set(x, out, "parallel_tool_calls", json_false());
    }
}
