
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_schema.h"


typedef ngx_uint_t (*ngx_llmops_schema_pt)(ngx_llmops_xlate_t *x,
    json_t *schema);


static ngx_uint_t ngx_llmops_schema_walk(ngx_llmops_xlate_t *x,
    json_t *schema, ngx_llmops_schema_pt fn);
static ngx_uint_t ngx_llmops_schema_fix_anthropic(ngx_llmops_xlate_t *x,
    json_t *schema);
static ngx_uint_t ngx_llmops_schema_fix_openai(ngx_llmops_xlate_t *x,
    json_t *schema);
static ngx_uint_t ngx_llmops_schema_refused(const char *key, json_t *value);
static void ngx_llmops_schema_describe(ngx_llmops_xlate_t *x, json_t *schema,
    json_t *removed);
static ngx_uint_t ngx_llmops_schema_is_object(json_t *schema);


/* where schemas are inside a schema */

static const char *const  ngx_llmops_schema_maps[] = {
    "properties", "$defs", "definitions", NULL
};

static const char *const  ngx_llmops_schema_places[] = {
    "items", "anyOf", "oneOf", "allOf", "prefixItems", NULL
};

static const char *const  ngx_llmops_schema_limits[] = {
    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "multipleOf", "minLength", "maxLength", "pattern", "maxItems",
    "uniqueItems", "minProperties", "maxProperties", "not",
    "patternProperties", "propertyNames", "contains", "minContains",
    "maxContains", "dependentRequired", "dependentSchemas", "if", "then",
    "else", NULL
};

static const char *const  ngx_llmops_schema_formats[] = {
    "date-time", "time", "date", "duration", "email", "hostname", "uri",
    "ipv4", "ipv6", "uuid", NULL
};


ngx_uint_t
ngx_llmops_schema_anthropic(ngx_llmops_xlate_t *x, json_t *schema)
{
    return ngx_llmops_schema_walk(x, schema, ngx_llmops_schema_fix_anthropic);
}


ngx_uint_t
ngx_llmops_schema_openai(ngx_llmops_xlate_t *x, json_t *schema)
{
    return ngx_llmops_schema_walk(x, schema, ngx_llmops_schema_fix_openai);
}


/* the depth is bounded by that of the parsed text */

static ngx_uint_t
ngx_llmops_schema_walk(ngx_llmops_xlate_t *x, json_t *schema,
    ngx_llmops_schema_pt fn)
{
    size_t       i, k;
    json_t      *v, *item;
    ngx_uint_t   lost;
    const char  *key;

    if (!json_is_object(schema)) {
        return 0;
    }

    lost = fn(x, schema);

    for (i = 0; ngx_llmops_schema_maps[i]; i++) {
        v = json_object_get(schema, ngx_llmops_schema_maps[i]);

        json_object_foreach(v, key, item) {
            lost |= ngx_llmops_schema_walk(x, item, fn);
        }
    }

    for (i = 0; ngx_llmops_schema_places[i]; i++) {
        v = json_object_get(schema, ngx_llmops_schema_places[i]);

        json_array_foreach(v, k, item) {
            lost |= ngx_llmops_schema_walk(x, item, fn);
        }

        lost |= ngx_llmops_schema_walk(x, v, fn);
    }

    return lost;
}


static ngx_uint_t
ngx_llmops_schema_in(const char *const *list, const char *s)
{
    for ( /* void */ ; *list; list++) {
        if (strcmp(*list, s) == 0) {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_llmops_schema_is_object(json_t *schema)
{
    size_t   i;
    json_t  *type, *v;

    type = json_object_get(schema, "type");

    json_array_foreach(type, i, v) {
        if (ngx_llmops_tree_is_string(v)
            && strcmp(json_string_value(v), "object") == 0)
        {
            return 1;
        }
    }

    return ngx_llmops_tree_is(schema, "type", "object")
           || json_is_object(json_object_get(schema, "properties"));
}


static ngx_uint_t
ngx_llmops_schema_refused(const char *key, json_t *value)
{
    double  n;

    if (strcmp(key, "format") == 0) {
        return !ngx_llmops_tree_is_string(value)
               || !ngx_llmops_schema_in(ngx_llmops_schema_formats,
                                        json_string_value(value));
    }

    if (strcmp(key, "minItems") == 0) {
        return ngx_llmops_tree_number(value, &n) != NGX_OK || n > 1;
    }

    return ngx_llmops_schema_in(ngx_llmops_schema_limits, key);
}


static ngx_uint_t
ngx_llmops_schema_fix_anthropic(ngx_llmops_xlate_t *x, json_t *schema)
{
    void        *tmp;
    json_t      *v, *removed;
    ngx_uint_t   lost;
    const char  *key;

    removed = ngx_llmops_object(x);

    json_object_foreach_safe(schema, tmp, key, v) {
        if (ngx_llmops_schema_refused(key, v)) {
            ngx_llmops_set(x, removed, key, json_incref(v));
            json_object_del(schema, key);
        }
    }

    v = json_object_get(schema, "oneOf");

    if (v != NULL && json_object_get(schema, "anyOf") == NULL) {
        ngx_llmops_set(x, schema, "anyOf", json_incref(v));
        json_object_del(schema, "oneOf");
    }

    if (ngx_llmops_schema_is_object(schema)) {
        v = json_object_get(schema, "additionalProperties");

        if (json_is_object(v) || json_is_true(v)) {
            ngx_llmops_set(x, removed, "additionalProperties",
                           json_incref(v));
        }

        ngx_llmops_set(x, schema, "additionalProperties", json_false());
    }

    lost = json_object_size(removed) > 0;

    if (lost) {
        ngx_llmops_schema_describe(x, schema, removed);
    }

    json_decref(removed);

    return lost;
}


/* the model can still be told of a limit that is not enforced */

static void
ngx_llmops_schema_describe(ngx_llmops_xlate_t *x, json_t *schema,
    json_t *removed)
{
    json_t            *text;
    const char        *description;
    ngx_llmops_out_t   out;

    text = ngx_llmops_tree_text(removed, NGX_MAX_SIZE_T_VALUE / 4);

    if (text == NULL) {
        x->nomem = 1;
        return;
    }

    ngx_llmops_gather_init(&out);

    description = ngx_llmops_tree_str(schema, "description");

    if (description != NULL) {
        ngx_llmops_gather(&out, description, strlen(description), "");
    }

    ngx_llmops_gather(&out, json_string_value(text), json_string_length(text),
                      " ");

    json_decref(text);

    ngx_llmops_set(x, schema, "description", ngx_llmops_gathered(x, &out));
}


static ngx_uint_t
ngx_llmops_schema_requires(json_t *schema, const char *key)
{
    size_t   i;
    json_t  *v;

    json_array_foreach(json_object_get(schema, "required"), i, v) {
        if (ngx_llmops_tree_is_string(v)
            && strcmp(json_string_value(v), key) == 0)
        {
            return 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_llmops_schema_fix_openai(ngx_llmops_xlate_t *x, json_t *schema)
{
    json_t      *properties, *required, *v;
    ngx_uint_t   lost;
    const char  *key;

    if (!ngx_llmops_schema_is_object(schema)) {
        return 0;
    }

    v = json_object_get(schema, "additionalProperties");
    lost = json_is_object(v) || json_is_true(v);

    properties = json_object_get(schema, "properties");
    required = ngx_llmops_array(x);

    json_object_foreach(properties, key, v) {
        lost |= !ngx_llmops_schema_requires(schema, key);
        ngx_llmops_append(x, required, json_string(key));
    }

    ngx_llmops_set(x, schema, "required", required);
    ngx_llmops_set(x, schema, "additionalProperties", json_false());

    return lost;
}
