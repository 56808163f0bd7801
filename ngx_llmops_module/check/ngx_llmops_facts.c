
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_out.h"
#include "ngx_llmops_facts.h"
#include "ngx_llmops_plain.h"


#define NGX_LLMOPS_FACTS_SCHEMA  65536     /* bytes of a tool's schema */
#define NGX_LLMOPS_FACTS_DEPTH   16


static ngx_int_t ngx_llmops_facts_tools(ngx_str_t *tools, ngx_str_t *name,
    ngx_str_t *schema);
static ngx_int_t ngx_llmops_facts_texts(ngx_str_t *value,
    ngx_llmops_ground_t *g, ngx_llmops_out_t *text, ngx_uint_t depth);


#define ngx_llmops_facts_is(key, lit)                                         \
    ((key)->len == sizeof(lit) - 1                                            \
     && ngx_memcmp((key)->data, lit, sizeof(lit) - 1) == 0)


ngx_int_t
ngx_llmops_facts_tool(ngx_str_t *body, ngx_str_t *name, ngx_str_t *schema)
{
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, body) != NGX_OK) {
        return NGX_DECLINED;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if ((ngx_llmops_facts_is(&key, "tools")
             || ngx_llmops_facts_is(&key, "functions"))
            && ngx_llmops_facts_tools(&value, name, schema) == NGX_OK)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


/* whether a raw string reads so */

static ngx_uint_t
ngx_llmops_facts_named(ngx_str_t *raw, ngx_str_t *name)
{
    ngx_str_t  text;
    u_char     buf[256];

    return ngx_llmops_json_string(raw, buf, sizeof(buf), &text) == NGX_OK
           && text.len == name->len
           && ngx_memcmp(text.data, name->data, name->len) == 0;
}


/* one tool; what OpenAI's chat API says of it is in "function" */

static ngx_int_t
ngx_llmops_facts_of(ngx_str_t *tool, ngx_str_t *name, ngx_str_t *schema,
    ngx_uint_t depth)
{
    ngx_str_t               key, value, function;
    ngx_uint_t              named;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, tool) != NGX_OK) {
        return NGX_DECLINED;
    }

    named = 0;
    schema->len = 0;
    function.len = 0;

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_facts_is(&key, "name")) {
            named = ngx_llmops_facts_named(&value, name);

        } else if (ngx_llmops_facts_is(&key, "parameters")
                   || ngx_llmops_facts_is(&key, "input_schema"))
        {
            *schema = value;

        } else if (ngx_llmops_facts_is(&key, "function")) {
            function = value;
        }
    }

    if (function.len && depth == 0) {
        return ngx_llmops_facts_of(&function, name, schema, 1);
    }

    return named ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_facts_tools(ngx_str_t *tools, ngx_str_t *name, ngx_str_t *schema)
{
    ngx_str_t               value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_array(&it, tools) != NGX_OK) {
        return NGX_DECLINED;
    }

    while (ngx_llmops_json_next(&it, NULL, &value) == NGX_OK) {
        if (ngx_llmops_facts_of(&value, name, schema, 0) == NGX_OK) {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


ngx_llmops_jschema_t *
ngx_llmops_facts_schema(ngx_str_t *json)
{
    char                   err[256];
    json_t                *root;
    ngx_llmops_jschema_t  *schema;

    if (json->len > NGX_LLMOPS_FACTS_SCHEMA) {
        return NULL;
    }

    root = json_loadb((char *) json->data, json->len,
                      JSON_DECODE_ANY|JSON_REJECT_DUPLICATES, NULL);
    if (root == NULL) {
        return NULL;
    }

    schema = ngx_llmops_jschema_compile(root, NULL, err, sizeof(err));

    json_decref(root);

    return schema;
}


/* a turn: its role decides */

static ngx_int_t
ngx_llmops_facts_turn(ngx_str_t *turn, ngx_llmops_ground_t *g,
    ngx_llmops_out_t *text)
{
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, turn) != NGX_OK) {
        return ngx_llmops_facts_texts(turn, g, text, 0);
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {
        if (ngx_llmops_facts_is(&key, "role")
            && ngx_llmops_facts_is(&value, "\"assistant\""))
        {
            return NGX_OK;
        }
    }

    return ngx_llmops_facts_texts(turn, g, text, 0);
}


/* strings, but for those that are no text */

static ngx_int_t
ngx_llmops_facts_texts(ngx_str_t *value, ngx_llmops_ground_t *g,
    ngx_llmops_out_t *text, ngx_uint_t depth)
{
    size_t                  n;
    ngx_int_t               rc;
    ngx_str_t               key, v;
    ngx_llmops_json_iter_t  it;

    if (value->data[0] == '"') {
        ngx_llmops_out_reset(text);

        if (ngx_llmops_out_write(text, value->data, value->len) != NGX_OK
            || ngx_llmops_json_decode(value->data + 1, value->len - 2,
                                      text->data, text->size, &n)
               != NGX_OK)
        {
            return NGX_OK;              /* too long to be of use */
        }

        return ngx_llmops_ground_add(g, text->data, n);
    }

    if (depth == NGX_LLMOPS_FACTS_DEPTH) {
        return NGX_OK;
    }

    ngx_str_null(&key);

    rc = (value->data[0] == '{') ? ngx_llmops_json_object(&it, value)
                                 : ngx_llmops_json_array(&it, value);

    while (rc == NGX_OK
           && ngx_llmops_json_next(&it, value->data[0] == '{' ? &key : NULL,
                                   &v)
              == NGX_OK)
    {
        if (ngx_llmops_facts_is(&key, "role")
            || ngx_llmops_facts_is(&key, "type")
            || (ngx_llmops_facts_is(&key, "data")
                && !ngx_llmops_plain_data(value))
            || ngx_llmops_facts_is(&key, "url"))
        {
            continue;
        }

        if (ngx_llmops_facts_texts(&v, g, text, depth + 1) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_facts_ground(ngx_str_t *body, ngx_llmops_ground_t *g)
{
    ngx_int_t               rc;
    ngx_str_t               key, value, turn;
    ngx_llmops_out_t        text;
    ngx_llmops_json_iter_t  it, turns;

    if (ngx_llmops_json_object(&it, body) != NGX_OK) {
        return NGX_OK;
    }

    rc = NGX_OK;
    ngx_llmops_out_init(&text, NGX_LLMOPS_GROUND_MAX);

    while (rc == NGX_OK && ngx_llmops_json_next(&it, &key, &value) == NGX_OK)
    {
        if (ngx_llmops_facts_is(&key, "system")
            || ngx_llmops_facts_is(&key, "instructions")
            || ngx_llmops_facts_is(&key, "prompt"))
        {
            rc = ngx_llmops_facts_texts(&value, g, &text, 0);
            continue;
        }

        if (!ngx_llmops_facts_is(&key, "messages")
            && !ngx_llmops_facts_is(&key, "input"))
        {
            continue;
        }

        if (ngx_llmops_json_array(&turns, &value) != NGX_OK) {
            rc = ngx_llmops_facts_texts(&value, g, &text, 0);
            continue;
        }

        while (rc == NGX_OK
               && ngx_llmops_json_next(&turns, NULL, &turn) == NGX_OK)
        {
            rc = ngx_llmops_facts_turn(&turn, g, &text);
        }
    }

    ngx_llmops_out_free(&text);

    return rc;
}
