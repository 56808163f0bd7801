
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_anthropic_codec.h"
#include "ngx_llmops_schema.h"


/*
 * Tools and the response format of a request to Anthropic.  They belong
 * together, since models without structured output are asked for it with a
 * tool that they must call: its arguments are then the answer's text.
 */


static void ngx_llmops_anthropic_list(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *list);
static json_t *ngx_llmops_anthropic_allowed(json_t *choice);
static ngx_uint_t ngx_llmops_anthropic_is_allowed(json_t *allowed,
    const char *name);
static json_t *ngx_llmops_anthropic_tool(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *tool);
static json_t *ngx_llmops_anthropic_custom(ngx_llmops_xlate_t *x,
    json_t *custom);
static json_t *ngx_llmops_anthropic_parameters(ngx_llmops_xlate_t *x,
    json_t *schema);
static json_t *ngx_llmops_anthropic_choice(ngx_llmops_xlate_t *x,
    json_t *choice);
static json_t *ngx_llmops_anthropic_named(ngx_llmops_xlate_t *x,
    const char *name);
static void ngx_llmops_anthropic_format(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *list);
static void ngx_llmops_anthropic_schema(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *format);
static void ngx_llmops_anthropic_json_tool(ngx_llmops_xlate_t *x,
    json_t *format, json_t *list);


void
ngx_llmops_anthropic_tools_out(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r)
{
    json_t      *list, *choice;
    size_t       own;
    const char  *type;

    list = ngx_llmops_array(x);

    ngx_llmops_anthropic_list(x, r, list);
    own = json_array_size(list);
    ngx_llmops_anthropic_format(x, r, list);

    choice = NULL;

    if (x->json_tool != NULL) {
        choice = ngx_llmops_anthropic_choice(x,
                     own ? json_object_get(r->in, "tool_choice") : NULL);

        if (own == 0 || ngx_llmops_tree_is(choice, "type", "none")) {
            json_decref(choice);
            choice = ngx_llmops_anthropic_named(x, x->json_tool);

        } else if (!ngx_llmops_tree_is(choice, "type", "tool")) {
            json_decref(choice);
            choice = ngx_llmops_typed(x, "any");
        }

        ngx_llmops_set(x, choice, "disable_parallel_tool_use", json_true());

    } else if (own > 0) {
        choice = ngx_llmops_anthropic_choice(x,
                     json_object_get(r->in, "tool_choice"));

        if (json_is_false(json_object_get(r->in, "parallel_tool_calls"))) {
            choice = choice ? choice : ngx_llmops_typed(x, "auto");

            if (!ngx_llmops_tree_is(choice, "type", "none")) {
                ngx_llmops_set(x, choice, "disable_parallel_tool_use",
                               json_true());
            }
        }
    }

    if (json_array_size(list) > 0) {
        ngx_llmops_set(x, r->out, "tools", json_incref(list));
    }

    json_decref(list);

    if (choice != NULL) {
        type = ngx_llmops_tree_str(choice, "type");
        r->forced = (type && (strcmp(type, "any") == 0
                              || strcmp(type, "tool") == 0));
        ngx_llmops_set(x, r->out, "tool_choice", choice);
    }
}


static void
ngx_llmops_anthropic_list(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *list)
{
    size_t       i;
    json_t      *tools, *tool, *allowed;
    const char  *name;

    tools = json_object_get(r->in, "tools");
    allowed = ngx_llmops_anthropic_allowed(json_object_get(r->in,
                                                           "tool_choice"));

    json_array_foreach(tools, i, tool) {
        name = ngx_llmops_tree_str(json_object_get(tool, "function"), "name");

        if (name == NULL) {
            name = ngx_llmops_tree_str(json_object_get(tool, "custom"),
                                       "name");
        }

        if (name == NULL || name[0] == '\0') {
            ngx_llmops_refuse(x, "tools", "invalid_value",
                              "tools[%lu] is neither a function nor a custom "
                              "tool, or has no name", (unsigned long) i);
            return;
        }

        if (allowed == NULL || ngx_llmops_anthropic_is_allowed(allowed, name))
        {
            ngx_llmops_append(x, list, ngx_llmops_anthropic_tool(x, r, tool));
        }
    }
}


/* the tools that tool_choice allows, or NULL: all */

static json_t *
ngx_llmops_anthropic_allowed(json_t *choice)
{
    if (!ngx_llmops_tree_is(choice, "type", "allowed_tools")) {
        return NULL;
    }

    return json_object_get(json_object_get(choice, "allowed_tools"), "tools");
}


static ngx_uint_t
ngx_llmops_anthropic_is_allowed(json_t *allowed, const char *name)
{
    size_t   i;
    json_t  *tool;

    json_array_foreach(allowed, i, tool) {
        if (ngx_llmops_tree_is(json_object_get(tool, "function"), "name", name)
            || ngx_llmops_tree_is(json_object_get(tool, "custom"), "name",
                                  name)
            || ngx_llmops_tree_is(tool, "name", name))
        {
            return 1;
        }
    }

    return 0;
}


static json_t *
ngx_llmops_anthropic_tool(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *tool)
{
    char    *name;
    json_t  *function, *out, *schema;

    if (json_is_object(json_object_get(tool, "custom"))) {
        return ngx_llmops_anthropic_custom(x, json_object_get(tool, "custom"));
    }

    function = json_object_get(tool, "function");
    name = ngx_llmops_tool_name(x, ngx_llmops_tree_str(function, "name"));

    out = ngx_llmops_object(x);
    ngx_llmops_set(x, out, "name", json_string(name));
    free(name);

    if (ngx_llmops_tree_has_text(json_object_get(function, "description"))) {
        ngx_llmops_copy(x, out, "description", function, "description");
    }

    schema = ngx_llmops_anthropic_parameters(x,
                 json_object_get(function, "parameters"));

    if (json_is_true(json_object_get(function, "strict"))) {

        if (!r->model.format) {
            ngx_llmops_drop(x, "tools.strict");

        } else {
            if (ngx_llmops_schema_anthropic(x, schema)) {
                ngx_llmops_approx(x, "tools.parameters", "limits_described");
            }

            ngx_llmops_set(x, out, "strict", json_true());
        }
    }

    ngx_llmops_set(x, out, "input_schema", schema);

    return out;
}


/* free text becomes the one argument of a function */

static json_t *
ngx_llmops_anthropic_custom(ngx_llmops_xlate_t *x, json_t *custom)
{
    char        *safe;
    json_t      *out, *schema, *input;
    const char  *name;

    if (ngx_llmops_tree_is(json_object_get(custom, "format"), "type",
                           "grammar"))
    {
        ngx_llmops_unsupported(x, "tools", "a custom tool with a grammar");
    }

    name = ngx_llmops_tree_str(custom, "name");
    safe = ngx_llmops_tool_name(x, name);

    ngx_llmops_approx(x, "tools.custom", "function");
    ngx_llmops_pair_add(x, &x->custom, name, "");

    out = ngx_llmops_object(x);
    ngx_llmops_set(x, out, "name", json_string(safe));
    free(safe);

    if (ngx_llmops_tree_has_text(json_object_get(custom, "description"))) {
        ngx_llmops_copy(x, out, "description", custom, "description");
    }

    input = ngx_llmops_object(x);
    ngx_llmops_set(x, input, "input", ngx_llmops_typed(x, "string"));

    schema = ngx_llmops_typed(x, "object");
    ngx_llmops_set(x, schema, "properties", input);

    input = ngx_llmops_array(x);
    ngx_llmops_append(x, input, json_string("input"));
    ngx_llmops_set(x, schema, "required", input);

    ngx_llmops_set(x, out, "input_schema", schema);

    return out;
}


static json_t *
ngx_llmops_anthropic_parameters(ngx_llmops_xlate_t *x, json_t *schema)
{
    json_t  *v;

    if (!json_is_object(schema) || json_object_size(schema) == 0) {
        v = ngx_llmops_typed(x, "object");
        ngx_llmops_set(x, v, "properties", ngx_llmops_object(x));
        return v;
    }

    if (json_object_get(schema, "type") == NULL) {
        ngx_llmops_set(x, schema, "type", json_string("object"));
    }

    return json_incref(schema);
}


static json_t *
ngx_llmops_anthropic_choice(ngx_llmops_xlate_t *x, json_t *choice)
{
    json_t      *inner;
    const char  *s;

    if (json_is_object(choice)) {
        inner = json_object_get(choice, "allowed_tools");

        if (inner != NULL) {
            return ngx_llmops_typed(x, ngx_llmops_tree_is(inner, "mode",
                                                          "required")
                                       ? "any" : "auto");
        }

        inner = json_object_get(choice, "custom");
        inner = inner ? inner : json_object_get(choice, "function");
        s = ngx_llmops_tree_str(inner, "name");

        if (s == NULL) {
            ngx_llmops_refuse(x, "tool_choice", "invalid_value",
                              "\"tool_choice\" names no tool");
            return NULL;
        }

        return ngx_llmops_anthropic_named(x, s);
    }

    if (!ngx_llmops_tree_is_string(choice)) {
        return NULL;
    }

    s = json_string_value(choice);

    return ngx_llmops_typed(x, strcmp(s, "required") == 0 ? "any"
                               : strcmp(s, "none") == 0 ? "none" : "auto");
}


static json_t *
ngx_llmops_anthropic_named(ngx_llmops_xlate_t *x, const char *name)
{
    char    *safe;
    json_t  *choice;

    safe = ngx_llmops_tool_name(x, name);

    choice = ngx_llmops_typed(x, "tool");
    ngx_llmops_set(x, choice, "name", json_string(safe));

    free(safe);

    return choice;
}


static void
ngx_llmops_anthropic_format(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *list)
{
    json_t      *format;
    const char  *type;

    format = json_object_get(r->in, "response_format");
    type = ngx_llmops_tree_str(format, "type");

    if (type == NULL || strcmp(type, "text") == 0) {
        return;
    }

    if (strcmp(type, "json_object") == 0) {
        ngx_llmops_approx(x, "response_format", "instruction");
        r->instruct = 1;
        return;
    }

    format = json_object_get(format, "json_schema");

    if (strcmp(type, "json_schema") != 0
        || !json_is_object(json_object_get(format, "schema")))
    {
        ngx_llmops_refuse(x, "response_format", "invalid_value",
                          "\"response_format\" is of an unknown type or has "
                          "no schema");
        return;
    }

    if (r->model.format) {
        ngx_llmops_anthropic_schema(x, r, format);

    } else {
        ngx_llmops_anthropic_json_tool(x, format, list);
    }
}


static void
ngx_llmops_anthropic_schema(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r, json_t *format)
{
    json_t  *config, *out, *schema;

    schema = json_object_get(format, "schema");

    if (ngx_llmops_schema_anthropic(x, schema)) {
        ngx_llmops_approx(x, "response_format", "limits_described");
    }

    out = ngx_llmops_typed(x, "json_schema");
    ngx_llmops_set(x, out, "schema", json_incref(schema));

    config = ngx_llmops_object(x);
    ngx_llmops_set(x, config, "format", out);
    ngx_llmops_set(x, r->out, "output_config", config);
}


static void
ngx_llmops_anthropic_json_tool(ngx_llmops_xlate_t *x, json_t *format,
    json_t *list)
{
    char         name[96];
    size_t       i;
    json_t      *tool;
    const char  *base;

    base = ngx_llmops_tree_str(format, "name");
    snprintf(name, sizeof(name), "%.48s", base && base[0] ? base : "json");

    /* a name that no tool of the caller has */

    for (i = 0; i < json_array_size(list); i++) {
        if (ngx_llmops_tree_is(json_array_get(list, i), "name", name)) {
            ngx_llmops_random_id(name, sizeof(name), "json_");
            break;
        }
    }

    x->json_tool = ngx_llmops_safe_id(x, name, sizeof(name) - 1);

    ngx_llmops_approx(x, "response_format", "tool");

    tool = ngx_llmops_object(x);
    ngx_llmops_set(x, tool, "name",
                   json_string(x->json_tool ? x->json_tool : ""));
    ngx_llmops_set(x, tool, "description",
                   json_string("Gives the answer. Always answer by calling "
                               "this tool."));
    ngx_llmops_set(x, tool, "input_schema",
                   ngx_llmops_anthropic_parameters(x,
                       json_object_get(format, "schema")));
    ngx_llmops_append(x, list, tool);
}
