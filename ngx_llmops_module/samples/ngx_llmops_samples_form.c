
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_own.h"


/*
 * The API of responses as chat completions: its items are messages, calls of
 * tools, and their results.  Items of other kinds (reasoning, searches) have
 * no place there and are left out.
 */


static ngx_int_t ngx_llmops_form_item(json_t *messages, json_t *item);
static ngx_int_t ngx_llmops_form_say(json_t *messages, const char *role,
    json_t *content);
static json_t *ngx_llmops_form_content(json_t *content);
static ngx_int_t ngx_llmops_form_call(json_t *message, json_t *item);


json_t *
ngx_llmops_form_request(json_t *body)
{
    size_t    i;
    json_t   *request, *messages, *v, *item;

    request = json_is_object(body) ? json_copy(body) : NULL;
    messages = json_array();

    if (request == NULL
        || json_object_set_new(request, "messages", messages) != 0)
    {
        json_decref(request);
        return NULL;
    }

    v = json_object_get(body, "instructions");

    if (ngx_llmops_tree_is_string(v)
        && ngx_llmops_form_say(messages, "system", v) != NGX_OK)
    {
        json_decref(request);
        return NULL;
    }

    v = json_object_get(body, "input");

    if (ngx_llmops_tree_is_string(v)
        && ngx_llmops_form_say(messages, "user", v) != NGX_OK)
    {
        json_decref(request);
        return NULL;
    }

    json_array_foreach(v, i, item) {
        if (ngx_llmops_form_item(messages, item) != NGX_OK) {
            json_decref(request);
            return NULL;
        }
    }

    (void) json_object_del(request, "input");
    (void) json_object_del(request, "instructions");

    return request;
}


json_t *
ngx_llmops_form_answer(json_t *body)
{
    size_t    i;
    json_t   *message, *item, *output, *content, *part;
    size_t    k;

    output = json_object_get(body, "output");
    message = json_pack("{s:s,s:[]}", "role", "assistant", "content");

    if (!json_is_array(output) || message == NULL) {
        json_decref(message);
        return NULL;
    }

    content = json_object_get(message, "content");

    json_array_foreach(output, i, item) {

        if (ngx_llmops_tree_is(item, "type", "function_call")) {

            if (ngx_llmops_form_call(message, item) != NGX_OK) {
                json_decref(message);
                return NULL;
            }

            continue;
        }

        if (!ngx_llmops_tree_is(item, "type", "message")) {
            continue;
        }

        json_array_foreach(json_object_get(item, "content"), k, part) {
            if (ngx_llmops_tree_is(part, "type", "output_text")
                && json_array_append_new(content,
                       json_pack("{s:s,s:O}", "type", "text", "text",
                                 json_object_get(part, "text")))
                   != 0)
            {
                json_decref(message);
                return NULL;
            }
        }
    }

    /* one text, as nearly all have, is a string */

    if (json_array_size(content) == 1) {
        part = json_object_get(json_array_get(content, 0), "text");

        (void) json_object_set(message, "content", part);

    } else if (json_array_size(content) == 0) {
        (void) json_object_set_new(message, "content", json_null());
    }

    return message;
}


static ngx_int_t
ngx_llmops_form_item(json_t *messages, json_t *item)
{
    json_t      *message;
    ngx_int_t    rc;
    const char  *role;

    if (ngx_llmops_tree_is(item, "type", "function_call")) {

        message = json_pack("{s:s,s:n}", "role", "assistant", "content");

        rc = message ? ngx_llmops_form_call(message, item) : NGX_ERROR;

        if (rc != NGX_OK) {
            json_decref(message);
            return rc;
        }

        return json_array_append_new(messages, message) == 0 ? NGX_OK
                                                             : NGX_ERROR;
    }

    if (ngx_llmops_tree_is(item, "type", "function_call_output")) {

        message = json_pack("{s:s,s:O?,s:O?}", "role", "tool",
                            "tool_call_id", json_object_get(item, "call_id"),
                            "content", json_object_get(item, "output"));

        return json_array_append_new(messages, message) == 0 ? NGX_OK
                                                             : NGX_ERROR;
    }

    role = ngx_llmops_tree_str(item, "role");

    return role ? ngx_llmops_form_say(messages, role,
                                      json_object_get(item, "content"))
                : NGX_OK;
}


static ngx_int_t
ngx_llmops_form_say(json_t *messages, const char *role, json_t *content)
{
    json_t  *message;

    message = json_pack("{s:s,s:o}", "role", role, "content",
                        ngx_llmops_form_content(content));

    return json_array_append_new(messages, message) == 0 ? NGX_OK : NGX_ERROR;
}


/* parts under the names that chat completions have for them */

static json_t *
ngx_llmops_form_content(json_t *content)
{
    size_t   i;
    json_t  *parts, *part, *own;

    if (!json_is_array(content)) {
        return content ? json_incref(content) : json_null();
    }

    parts = json_array();

    json_array_foreach(content, i, part) {

        if (ngx_llmops_tree_is(part, "type", "input_text")
            || ngx_llmops_tree_is(part, "type", "output_text"))
        {
            own = json_pack("{s:s,s:O?}", "type", "text", "text",
                            json_object_get(part, "text"));

        } else if (ngx_llmops_tree_is(part, "type", "input_image")) {
            own = json_pack("{s:s,s:{s:O?}}", "type", "image_url", "image_url",
                            "url", json_object_get(part, "image_url"));

        } else {
            own = json_incref(part);
        }

        if (json_array_append_new(parts, own) != 0) {
            json_decref(parts);
            return NULL;
        }
    }

    return parts;
}


static ngx_int_t
ngx_llmops_form_call(json_t *message, json_t *item)
{
    json_t  *calls;

    calls = json_object_get(message, "tool_calls");

    if (calls == NULL) {
        calls = json_array();

        if (json_object_set_new(message, "tool_calls", calls) != 0) {
            return NGX_ERROR;
        }
    }

    return json_array_append_new(calls,
               json_pack("{s:O?,s:s,s:{s:O?,s:O?}}",
                         "id", json_object_get(item, "call_id"),
                         "type", "function", "function",
                         "name", json_object_get(item, "name"),
                         "arguments", json_object_get(item, "arguments")))
           == 0 ? NGX_OK : NGX_ERROR;
}
