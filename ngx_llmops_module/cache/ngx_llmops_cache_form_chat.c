
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_form.h"


/*
 * The events of OpenAI's chat and completions: chunks, whose choices have
 * deltas.
 */


static void ngx_llmops_gather_choice(ngx_llmops_gather_t *g, json_t *from);
static void ngx_llmops_gather_delta(ngx_llmops_gather_t *g, json_t *message,
    json_t *delta);
static void ngx_llmops_gather_tool(ngx_llmops_gather_t *g, json_t *message,
    json_t *from);
static void ngx_llmops_gather_called(ngx_llmops_gather_t *g, json_t *to,
    const char *key, json_t *from);
static void ngx_llmops_gather_lists(ngx_llmops_gather_t *g, json_t *object,
    const char *key, json_t *from);


/* texts of a chat's delta; everything else is said once, or is a list */

static const char  *ngx_llmops_gather_keys[] = {
    "content", "reasoning_content", "reasoning", "refusal", NULL
};


void
ngx_llmops_gather_chunk(ngx_llmops_gather_t *g, json_t *chunk)
{
    size_t       i;
    json_t      *value, *choices;
    const char  *key;

    if (g->top == NULL) {
        g->top = json_object();
    }

    json_object_foreach(chunk, key, value) {

        if (strcmp(key, "choices") == 0) {
            continue;
        }

        if (strcmp(key, "object") == 0) {
            value = json_string(g->op == NGX_LLMOPS_OP_CHAT
                                ? "chat.completion" : "text_completion");
            ngx_llmops_gather_set(g, g->top, key, value);
            json_decref(value);
            continue;
        }

        if (!json_is_null(value) || json_object_get(g->top, key) == NULL) {
            ngx_llmops_gather_set(g, g->top, key, value);
        }

        if (strcmp(key, "model") == 0
            && json_object_get(g->top, "choices") == NULL)
        {
            value = json_array();
            ngx_llmops_gather_set(g, g->top, "choices", value);
            json_decref(value);
        }
    }

    choices = json_object_get(chunk, "choices");

    for (i = 0; i < json_array_size(choices); i++) {
        value = json_array_get(choices, i);

        if (i && !json_is_integer(json_object_get(value, "index"))) {
            g->failed = 1;                  /* which of them it goes on from */
        }

        ngx_llmops_gather_choice(g, value);
    }
}


static void
ngx_llmops_gather_choice(ngx_llmops_gather_t *g, json_t *from)
{
    json_t      *to, *message, *value, *index;
    const char  *key;

    to = ngx_llmops_gather_slot(g, g->top, "choices",
                                json_object_get(from, "index"));
    if (to == NULL) {
        return;
    }

    if (g->op == NGX_LLMOPS_OP_CHAT
        && json_object_get(to, "message") == NULL)
    {
        index = json_integer(json_integer_value(json_object_get(from,
                                                                "index")));
        ngx_llmops_gather_set(g, to, "index", index);
        json_decref(index);

        message = json_pack("{s:s,s:n}", "role", "assistant", "content");
        ngx_llmops_gather_set(g, to, "message", message);
        json_decref(message);
    }

    json_object_foreach(from, key, value) {

        if (strcmp(key, "delta") == 0) {
            ngx_llmops_gather_delta(g, json_object_get(to, "message"), value);

        } else if (strcmp(key, "text") == 0) {
            ngx_llmops_gather_text(g, to, "text", value, 0);

        } else if (strcmp(key, "logprobs") == 0 && json_is_object(value)) {
            ngx_llmops_gather_lists(g, to, "logprobs", value);

        } else if (!json_is_null(value)
                   || json_object_get(to, key) == NULL)
        {
            ngx_llmops_gather_set(g, to, key, value);
        }
    }
}


static void
ngx_llmops_gather_delta(ngx_llmops_gather_t *g, json_t *message,
    json_t *delta)
{
    size_t        i;
    json_t       *value;
    const char   *key, **k;

    json_object_foreach(delta, key, value) {

        if (json_is_null(value)) {
            continue;
        }

        for (k = ngx_llmops_gather_keys; *k && strcmp(key, *k); k++) {
            /* void */
        }

        if (*k && ngx_llmops_tree_is_string(value)) {
            ngx_llmops_gather_text(g, message, *k, value, 0);

        } else if (*k) {
            g->failed = 1;                  /* a text, in pieces of a kind */

        } else if (strcmp(key, "tool_calls") == 0) {

            for (i = 0; i < json_array_size(value); i++) {
                ngx_llmops_gather_tool(g, message, json_array_get(value, i));
            }

        } else if (strcmp(key, "function_call") == 0
                   && json_is_object(value))
        {
            ngx_llmops_gather_called(g, message, key, value);

        } else if (strcmp(key, "audio") == 0) {
            g->failed = 1;                  /* pieces of base64 */

        } else if (json_is_array(value)
                   && json_is_array(json_object_get(message, key)))
        {
            if (json_array_extend(json_object_get(message, key), value) != 0) {
                g->failed = 1;
            }

        } else if (ngx_llmops_tree_is_string(value)
                   && ngx_llmops_tree_is_string(json_object_get(message, key))
                   && !json_equal(value, json_object_get(message, key)))
        {
            g->failed = 1;                  /* a text that is not known here */

        } else {
            ngx_llmops_gather_set(g, message, key, value);
        }
    }
}


static void
ngx_llmops_gather_tool(ngx_llmops_gather_t *g, json_t *message, json_t *from)
{
    json_t      *to, *value;
    const char  *key;

    if (!json_is_integer(json_object_get(from, "index"))) {
        g->failed = 1;                      /* another one, or more of one */
        return;
    }

    to = ngx_llmops_gather_slot(g, message, "tool_calls",
                                json_object_get(from, "index"));
    if (to == NULL) {
        return;
    }

    json_object_foreach(from, key, value) {

        if (strcmp(key, "index") == 0 || json_is_null(value)) {
            continue;
        }

        if (json_is_object(value)) {
            ngx_llmops_gather_called(g, to, key, value);

        } else {
            ngx_llmops_gather_set(g, to, key, value);
        }
    }
}


/* "function", "custom", and "function_call", which has no list around it */

static void
ngx_llmops_gather_called(ngx_llmops_gather_t *g, json_t *to, const char *key,
    json_t *from)
{
    json_t      *object, *part;
    const char  *name;

    object = json_object_get(to, key);

    if (object == NULL) {
        object = json_object();
        ngx_llmops_gather_set(g, to, key, object);
        json_decref(object);
    }

    json_object_foreach(from, name, part) {

        if (strcmp(name, "arguments") == 0) {
            ngx_llmops_gather_text(g, object, "arguments", part, 0);

        } else if (strcmp(name, "input") == 0) {
            ngx_llmops_gather_text(g, object, "input", part, 0);

        } else if (!json_is_null(part)) {
            ngx_llmops_gather_set(g, object, name, part);
        }
    }
}


/* an object whose members are lists that grow */

static void
ngx_llmops_gather_lists(ngx_llmops_gather_t *g, json_t *object,
    const char *key, json_t *from)
{
    json_t      *to, *value, *list;
    const char  *name;

    to = json_object_get(object, key);

    if (!json_is_object(to)) {
        to = json_deep_copy(from);
        ngx_llmops_gather_set(g, object, key, to);
        json_decref(to);
        return;
    }

    json_object_foreach(from, name, value) {
        list = json_object_get(to, name);

        if (json_is_array(list) && json_is_array(value)) {
            if (json_array_extend(list, value) != 0) {
                g->failed = 1;
            }

        } else if (!json_is_null(value)) {
            ngx_llmops_gather_set(g, to, name, value);
        }
    }
}
