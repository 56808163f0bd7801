
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_texts_read.h"


/* The texts of messages, and of content that is an array of parts. */


static void ngx_llmops_texts_block(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice, ngx_uint_t index);


/* events by their type, but whatever has a text counts */

/* the block that an event is about, and whether it begins or ends one */

static ngx_uint_t
ngx_llmops_texts_index(ngx_llmops_texts_t *t, ngx_str_t *json)
{
    ngx_str_t               key, value, type;
    ngx_uint_t              index;
    ngx_llmops_json_iter_t  it;

    ngx_str_null(&type);
    index = 0;

    (void) ngx_llmops_json_object(&it, json);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "index")) {
            index = ngx_llmops_texts_number(&value);

        } else if (ngx_llmops_texts_is(&key, "type")) {
            type = value;
        }
    }

    if (type.len == 20 && ngx_memcmp(type.data, "\"content_block_stop\"", 20)
                          == 0)
    {
        t->block = index;
        t->block_stop = 1;

    } else if (type.len == 21
               && ngx_memcmp(type.data, "\"content_block_start\"", 21) == 0)
    {
        t->block = index;
        t->block_start = 1;
    }

    return index;
}


void
ngx_llmops_texts_anthropic(ngx_llmops_texts_t *t, ngx_str_t *json)
{
    ngx_str_t               key, value, reason, content;
    ngx_uint_t              index;
    ngx_llmops_json_iter_t  it;

    index = ngx_llmops_texts_index(t, json);

    (void) ngx_llmops_json_object(&it, json);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "delta")
            || ngx_llmops_texts_is(&key, "content_block"))
        {
            ngx_llmops_texts_block(t, &value, 0, index);

            if (ngx_llmops_json_get(&value, "stop_reason", &reason) == NGX_OK
                && reason.data[0] == '"')
            {
                ngx_llmops_texts_finish(t, 0);
            }

        } else if (ngx_llmops_texts_is(&key, "content")) {
            ngx_llmops_texts_blocks(t, &value, 0);

        } else if (ngx_llmops_texts_is(&key, "stop_reason")
                   && value.data[0] == '"')
        {
            ngx_llmops_texts_finish(t, 0);

        } else if (ngx_llmops_texts_is(&key, "message")
                   && ngx_llmops_json_get(&value, "content", &content)
                      == NGX_OK)
        {
            ngx_llmops_texts_blocks(t, &content, 0);
        }
    }
}


void
ngx_llmops_texts_blocks(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice)
{
    ngx_str_t               value;
    ngx_uint_t              i;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_array(&it, json) != NGX_OK) {
        return;
    }

    for (i = 0; ngx_llmops_json_next(&it, NULL, &value) == NGX_OK; i++) {
        ngx_llmops_texts_block(t, &value, choice, i);
    }
}


/* what a tool has said that the provider has called: of MCP, or code that has
   run; searches give what they have found encrypted, too */

static ngx_uint_t
ngx_llmops_texts_result(ngx_str_t *type)
{
    static const char  code[] = "code_execution_tool_result\"";

    return ngx_llmops_texts_is(type, "\"mcp_tool_result\"")
           || (type->len >= sizeof(code)
               && ngx_memcmp(type->data + type->len - sizeof(code) + 1, code,
                             sizeof(code) - 1) == 0);
}


/* reasoning as parts of content */

static void
ngx_llmops_texts_thinking(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice, ngx_uint_t index)
{
    ngx_str_t               part, key, value;
    ngx_llmops_json_iter_t  parts, it;

    if (ngx_llmops_json_array(&parts, json) != NGX_OK) {
        return;
    }

    while (ngx_llmops_json_next(&parts, NULL, &part) == NGX_OK) {

        if (ngx_llmops_json_object(&it, &part) != NGX_OK) {
            continue;
        }

        while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {
            if (ngx_llmops_texts_is(&key, "text")) {
                ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_REASONING,
                                     NGX_LLMOPS_TEXT_KEY_REASONING, choice,
                                     index, &value);
            }
        }
    }
}


static void
ngx_llmops_texts_block(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice, ngx_uint_t index)
{
    ngx_str_t               key, value, name, type, said;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, json) != NGX_OK) {
        return;
    }

    ngx_str_null(&name);
    ngx_str_null(&type);
    ngx_str_null(&said);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "name")) {
            name = value;

        } else if (ngx_llmops_texts_is(&key, "type")) {
            type = value;

        } else if (ngx_llmops_texts_is(&key, "text")) {
            ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_CONTENT,
                                 NGX_LLMOPS_TEXT_KEY_CONTENT, choice, index,
                                 &value);

        } else if (ngx_llmops_texts_is(&key, "thinking")) {

            if (value.data[0] == '[') {         /* of Mistral's parts */
                ngx_llmops_texts_thinking(t, &value, choice, index);
                continue;
            }

            ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_REASONING,
                                 NGX_LLMOPS_TEXT_KEY_REASONING, choice,
                                 index, &value);

        } else if (ngx_llmops_texts_is(&key, "partial_json")
                   || ngx_llmops_texts_is(&key, "input"))
        {
            ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_TOOL,
                                 NGX_LLMOPS_TEXT_KEY_ARGUMENTS, choice,
                                 index, &value);

        } else if (ngx_llmops_texts_is(&key, "content")) {
            said = value;
        }
    }

    if (said.len && ngx_llmops_texts_result(&type)) {
        ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_TOOL,
                             NGX_LLMOPS_TEXT_KEY_ARGUMENTS, choice, index,
                             &said);
    }

    /* tools of the provider's own have other types */

    if (name.len && type.len == 10
        && ngx_memcmp(type.data, "\"tool_use\"", 10) == 0)
    {
        ngx_llmops_texts_named(t, NGX_LLMOPS_TEXT_KEY_ARGUMENTS, choice,
                               index, &name);
    }
}


/* one of reasoning_details */

static void
ngx_llmops_texts_detail(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice, ngx_uint_t element)
{
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, json) != NGX_OK) {
        return;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {
        if (ngx_llmops_texts_is(&key, "index")) {
            element = ngx_llmops_texts_number(&value);
        }
    }

    (void) ngx_llmops_json_object(&it, json);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "text")) {
            ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_REASONING,
                                 NGX_LLMOPS_TEXT_KEY_DETAIL, choice,
                                 ngx_llmops_text_detail(element), &value);

        } else if (ngx_llmops_texts_is(&key, "summary")) {
            ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_REASONING,
                                 NGX_LLMOPS_TEXT_KEY_SUMMARY, choice,
                                 ngx_llmops_text_detail(element) + 1, &value);
        }
    }
}


void
ngx_llmops_texts_details(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice)
{
    ngx_str_t               value;
    ngx_uint_t              i;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_array(&it, json) != NGX_OK) {
        return;
    }

    for (i = 0; ngx_llmops_json_next(&it, NULL, &value) == NGX_OK; i++) {
        ngx_llmops_texts_detail(t, &value, choice, i);
    }
}


void
ngx_llmops_texts_audio(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice)
{
    ngx_str_t               key, value;
    ngx_uint_t              n;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, json) != NGX_OK) {
        return;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (!ngx_llmops_texts_is(&key, "transcript")) {
            continue;
        }

        n = t->ntexts;

        ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_CONTENT,
                             NGX_LLMOPS_TEXT_KEY_TRANSCRIPT, choice,
                             (ngx_uint_t) -1, &value);

        if (t->ntexts != n) {
            t->texts[n].aside = 1;
        }
    }
}
