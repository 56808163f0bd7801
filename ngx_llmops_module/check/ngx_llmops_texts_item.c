
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_texts_item.h"


/* The items of a response, whole as they are in its output. */


void
ngx_llmops_texts_part(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_llmops_place_t *place, ngx_uint_t row)
{
    ngx_str_t               key, value, type;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, json) != NGX_OK) {
        return;
    }

    if (ngx_llmops_json_get(json, "type", &type) == NGX_OK
        && ngx_llmops_texts_is(&type, "\"reasoning_text\""))
    {
        row = NGX_LLMOPS_ROW_REASONING;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "text")) {
            ngx_llmops_texts_put(t, place, row, &value);

        } else if (ngx_llmops_texts_is(&key, "refusal")) {
            ngx_llmops_texts_put(t, place, NGX_LLMOPS_ROW_REFUSAL, &value);

        } else if (ngx_llmops_texts_is(&key, "logprobs")) {
            ngx_llmops_texts_odds(t, 0,
                  ngx_llmops_texts_place(place, NGX_LLMOPS_PLACE_CONTENT),
                  &value);
        }
    }
}


static void
ngx_llmops_texts_parts(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_llmops_place_t *place, ngx_uint_t row)
{
    ngx_str_t               value;
    ngx_llmops_json_iter_t  it;

    if (json->data[0] == '"') {
        ngx_llmops_texts_put(t, place, row, json);
        return;
    }

    if (ngx_llmops_json_array(&it, json) != NGX_OK) {
        return;
    }

    for (place->part = 0;
         ngx_llmops_json_next(&it, NULL, &value) == NGX_OK;
         place->part++)
    {
        ngx_llmops_texts_part(t, &value, place, row);
    }

    place->part = 0;
}


/* which rows an item's members are, by its type */

static ngx_uint_t
ngx_llmops_texts_item_row(ngx_str_t *type)
{
    if (ngx_llmops_texts_is(type, "\"function_call\"")) {
        return NGX_LLMOPS_ROW_CALL;
    }

    if (ngx_llmops_texts_is(type, "\"code_interpreter_call\"")) {
        return NGX_LLMOPS_ROW_CODE;
    }

    if (ngx_llmops_texts_is(type, "\"reasoning\"")) {
        return NGX_LLMOPS_ROW_REASONING;
    }

    if (ngx_llmops_texts_is(type, "\"custom_tool_call\"")) {
        return NGX_LLMOPS_ROW_CUSTOM;
    }

    return NGX_LLMOPS_ROW_MCP;
}


/* what a tool of the API's own is to do (a shell, a patch, a screen, a search),
   or what code that has run has printed; objects and arrays */

static ngx_uint_t
ngx_llmops_texts_acts(ngx_str_t *key)
{
    return ngx_llmops_texts_is(key, "action")
           || ngx_llmops_texts_is(key, "actions")
           || ngx_llmops_texts_is(key, "operation")
           || ngx_llmops_texts_is(key, "queries")
           || ngx_llmops_texts_is(key, "outputs");
}


static void
ngx_llmops_texts_item_member(ngx_llmops_texts_t *t, ngx_llmops_place_t *place,
    ngx_uint_t row, ngx_str_t *key, ngx_str_t *value)
{
    ngx_uint_t  n;

    if (ngx_llmops_texts_is(key, "content")) {
        ngx_llmops_texts_parts(t, value, place,
                               row == NGX_LLMOPS_ROW_REASONING
                               ? row : NGX_LLMOPS_ROW_TEXT);

    } else if (ngx_llmops_texts_is(key, "summary")) {
        ngx_llmops_texts_parts(t, value, place, NGX_LLMOPS_ROW_SUMMARY);

    } else if (ngx_llmops_texts_is(key, "arguments")) {
        ngx_llmops_texts_put(t, place,
                             row == NGX_LLMOPS_ROW_CALL ? row
                                                        : NGX_LLMOPS_ROW_MCP,
                             value);

    } else if (ngx_llmops_texts_is(key, "input")) {
        ngx_llmops_texts_put(t, place, NGX_LLMOPS_ROW_CUSTOM, value);

    } else if (ngx_llmops_texts_is(key, "code")) {
        ngx_llmops_texts_put(t, place, NGX_LLMOPS_ROW_CODE, value);

    } else if ((ngx_llmops_texts_is(key, "output") && value->data[0] == '"')
               || (value->data[0] != '"' && ngx_llmops_texts_acts(key)))
    {
        n = t->ntexts;
        ngx_llmops_texts_put(t, place, NGX_LLMOPS_ROW_CUSTOM, value);

        if (t->ntexts != n) {
            t->texts[n].index = ngx_llmops_texts_place(place,
                                                   NGX_LLMOPS_PLACE_OUTPUT);
        }
    }
}


void
ngx_llmops_texts_item(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t output)
{
    ngx_str_t               key, value, type, name;
    ngx_uint_t              row;
    ngx_llmops_place_t      place;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, json) != NGX_OK) {
        return;
    }

    ngx_memzero(&place, sizeof(ngx_llmops_place_t));
    place.output = output;

    ngx_str_null(&type);
    ngx_str_null(&name);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "type")) {
            type = value;

        } else if (ngx_llmops_texts_is(&key, "id")) {
            place.item = value;

        } else if (ngx_llmops_texts_is(&key, "name")) {
            name = value;
        }
    }

    row = ngx_llmops_texts_item_row(&type);

    (void) ngx_llmops_json_object(&it, json);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {
        ngx_llmops_texts_item_member(t, &place, row, &key, &value);
    }

    /* tools of the provider's own have other types */

    if (row == NGX_LLMOPS_ROW_CALL && name.len) {
        ngx_llmops_texts_named(t, NGX_LLMOPS_TEXT_KEY_RESPONSES + row, 0,
                     ngx_llmops_texts_place(&place,
                                            NGX_LLMOPS_PLACE_ARGUMENTS),
                     &name);
    }
}


void
ngx_llmops_texts_output(ngx_llmops_texts_t *t, ngx_str_t *json)
{
    ngx_str_t               value;
    ngx_uint_t              i;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_array(&it, json) != NGX_OK) {
        return;
    }

    for (i = 0; ngx_llmops_json_next(&it, NULL, &value) == NGX_OK; i++) {
        ngx_llmops_texts_item(t, &value, i);
    }
}
