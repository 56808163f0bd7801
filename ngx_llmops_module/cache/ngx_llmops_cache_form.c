
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_openai_codec.h"


/*
 * An answer in the other form than it was given in: a document made of the
 * events of a stream.  (The way back is in ngx_llmops_cache_spell.c.)
 *
 * The members of a delta are of three kinds, whatever their names: texts that
 * are to be joined, lists that are to be put one behind the other, and what
 * says something once.  So what a provider adds to an API is kept, too.
 *
 * Texts are gathered in buffers of their own, one for each member of each
 * object that grows, and put in at the end: a stream of n tokens costs n.
 */


#define NGX_LLMOPS_GATHER_TEXTS    512     /* members that grow */
#define NGX_LLMOPS_GATHER_MAX      (16 * 1024 * 1024)
#define NGX_LLMOPS_GATHER_INDEX    256     /* choices, blocks, tool calls */


typedef struct {
    json_t                    *target;     /* borrowed: it is part of top */
    const char                *key;        /* of target's, static */
    ngx_llmops_out_t           out;
    unsigned                   json:1;     /* it is the text of a value */
} ngx_llmops_gather_text_t;


typedef struct {
    ngx_llmops_op_e            op;
    json_t                    *top;
    ngx_llmops_gather_text_t  *texts;
    ngx_uint_t                 ntexts;
    unsigned                   failed:1;
    unsigned                   ended:1;
} ngx_llmops_gather_t;


static void ngx_llmops_gather_event(ngx_llmops_gather_t *g, ngx_str_t *data);
static void ngx_llmops_gather_chunk(ngx_llmops_gather_t *g, json_t *chunk);
static void ngx_llmops_gather_choice(ngx_llmops_gather_t *g, json_t *from);
static void ngx_llmops_gather_delta(ngx_llmops_gather_t *g, json_t *message,
    json_t *delta);
static void ngx_llmops_gather_tool(ngx_llmops_gather_t *g, json_t *message,
    json_t *from);
static void ngx_llmops_gather_message(ngx_llmops_gather_t *g, json_t *ev);
static void ngx_llmops_gather_block(ngx_llmops_gather_t *g, json_t *ev);
static json_t *ngx_llmops_gather_slot(ngx_llmops_gather_t *g, json_t *object,
    const char *key, json_t *index);
static void ngx_llmops_gather_text(ngx_llmops_gather_t *g, json_t *target,
    const char *key, json_t *value, ngx_uint_t json);
static void ngx_llmops_gather_lists(ngx_llmops_gather_t *g, json_t *object,
    const char *key, json_t *from);
static void ngx_llmops_gather_set(ngx_llmops_gather_t *g, json_t *object,
    const char *key, json_t *value);
static void ngx_llmops_gather_put(ngx_llmops_gather_t *g);
static ngx_int_t ngx_llmops_gather_write(ngx_llmops_gather_t *g,
    ngx_llmops_usage_t *usage, ngx_llmops_out_t *out);


/* texts of a chat's delta; everything else is said once, or is a list */

static const char  *ngx_llmops_gather_keys[] = {
    "content", "reasoning_content", "reasoning", "refusal", NULL
};


ngx_int_t
ngx_llmops_cache_gather(ngx_llmops_op_e op, ngx_str_t *events,
    ngx_llmops_usage_t *usage, ngx_llmops_out_t *out)
{
    u_char                  *p, *last;
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_llmops_sse_t         sse;
    ngx_llmops_gather_t      g;
    ngx_llmops_sse_event_t   ev;

    ngx_memzero(&g, sizeof(ngx_llmops_gather_t));

    g.op = op;
    g.texts = calloc(NGX_LLMOPS_GATHER_TEXTS,
                     sizeof(ngx_llmops_gather_text_t));
    if (g.texts == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_sse_init(&sse, NGX_LLMOPS_GATHER_MAX);

    p = events->data;
    last = p + events->len;

    while ((rc = ngx_llmops_sse_next(&sse, &p, last, &ev)) == NGX_OK) {
        ngx_llmops_gather_event(&g, &ev.data);
    }

    if (ngx_llmops_sse_end(&sse, &ev) == NGX_OK) {
        ngx_llmops_gather_event(&g, &ev.data);
    }

    ngx_llmops_sse_free(&sse);

    if (rc != NGX_ERROR) {
        rc = ngx_llmops_gather_write(&g, usage, out);
    }

    for (i = 0; i < g.ntexts; i++) {
        ngx_llmops_out_free(&g.texts[i].out);
    }

    free(g.texts);
    json_decref(g.top);

    return rc;
}


static void
ngx_llmops_gather_event(ngx_llmops_gather_t *g, ngx_str_t *data)
{
    json_t  *ev, *response;

    if (data->len == 0 || g->failed) {
        return;
    }

    if (data->len == 6 && ngx_memcmp(data->data, "[DONE]", 6) == 0) {
        g->ended = 1;
        return;
    }

    ev = ngx_llmops_tree_parse(data->data, data->len);

    if (!json_is_object(ev)) {
        json_decref(ev);
        g->failed = 1;
        return;
    }

    switch (g->op) {

    case NGX_LLMOPS_OP_CHAT:
    case NGX_LLMOPS_OP_COMPLETIONS:
        ngx_llmops_gather_chunk(g, ev);
        break;

    case NGX_LLMOPS_OP_MESSAGES:
        ngx_llmops_gather_message(g, ev);
        break;

    default: /* NGX_LLMOPS_OP_RESPONSES: the last event has all */

        response = json_object_get(ev, "response");

        if (ngx_llmops_tree_is(ev, "type", "response.completed")
            && json_is_object(response) && !g->ended)
        {
            g->top = json_incref(response);
            g->ended = 1;
        }
    }

    json_decref(ev);
}


static void
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
        ngx_llmops_gather_choice(g, json_array_get(choices, i));
    }
}


static void
ngx_llmops_gather_choice(ngx_llmops_gather_t *g, json_t *from)
{
    json_t      *to, *message, *value;
    const char  *key;

    to = ngx_llmops_gather_slot(g, g->top, "choices",
                                json_object_get(from, "index"));
    if (to == NULL) {
        return;
    }

    if (g->op == NGX_LLMOPS_OP_CHAT
        && json_object_get(to, "message") == NULL)
    {
        ngx_llmops_gather_set(g, to, "index", json_object_get(from, "index"));

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

        } else if (strcmp(key, "tool_calls") == 0) {

            for (i = 0; i < json_array_size(value); i++) {
                ngx_llmops_gather_tool(g, message, json_array_get(value, i));
            }

        } else if (json_is_array(value)
                   && json_is_array(json_object_get(message, key)))
        {
            if (json_array_extend(json_object_get(message, key), value) != 0) {
                g->failed = 1;
            }

        } else {
            ngx_llmops_gather_set(g, message, key, value);
        }
    }
}


static void
ngx_llmops_gather_tool(ngx_llmops_gather_t *g, json_t *message, json_t *from)
{
    json_t      *to, *value, *part, *object;
    const char  *key, *name;

    to = ngx_llmops_gather_slot(g, message, "tool_calls",
                                json_object_get(from, "index"));
    if (to == NULL) {
        return;
    }

    json_object_foreach(from, key, value) {

        if (strcmp(key, "index") == 0 || json_is_null(value)) {
            continue;
        }

        if (!json_is_object(value)) {
            ngx_llmops_gather_set(g, to, key, value);
            continue;
        }

        /* "function", "custom" */

        object = json_object_get(to, key);

        if (object == NULL) {
            object = json_object();
            ngx_llmops_gather_set(g, to, key, object);
            json_decref(object);
        }

        json_object_foreach(value, name, part) {

            if (strcmp(name, "arguments") == 0) {
                ngx_llmops_gather_text(g, object, "arguments", part, 0);

            } else if (strcmp(name, "input") == 0) {
                ngx_llmops_gather_text(g, object, "input", part, 0);

            } else if (!json_is_null(part)) {
                ngx_llmops_gather_set(g, object, name, part);
            }
        }
    }
}


static void
ngx_llmops_gather_message(ngx_llmops_gather_t *g, json_t *ev)
{
    json_t      *value, *usage;
    const char  *key, *type;

    type = ngx_llmops_tree_str(ev, "type");

    if (type == NULL) {
        return;
    }

    if (strcmp(type, "message_start") == 0) {
        value = json_object_get(ev, "message");

        if (json_is_object(value) && g->top == NULL) {
            g->top = json_incref(value);
        }

        return;
    }

    if (g->top == NULL) {
        return;
    }

    if (strcmp(type, "message_stop") == 0) {
        g->ended = 1;
        return;
    }

    if (strcmp(type, "message_delta") == 0) {

        json_object_foreach(json_object_get(ev, "delta"), key, value) {
            ngx_llmops_gather_set(g, g->top, key, value);
        }

        usage = json_object_get(g->top, "usage");

        json_object_foreach(json_object_get(ev, "usage"), key, value) {
            if (json_is_object(usage)) {
                ngx_llmops_gather_set(g, usage, key, value);
            }
        }

        return;
    }

    ngx_llmops_gather_block(g, ev);
}


static void
ngx_llmops_gather_block(ngx_llmops_gather_t *g, json_t *ev)
{
    json_t      *to, *delta, *value;
    const char  *key, *type;

    type = ngx_llmops_tree_str(ev, "type");

    if (strncmp(type, "content_block_", 14) != 0
        || strcmp(type, "content_block_stop") == 0)
    {
        return;
    }

    to = ngx_llmops_gather_slot(g, g->top, "content",
                                json_object_get(ev, "index"));
    if (to == NULL) {
        return;
    }

    if (strcmp(type, "content_block_start") == 0) {

        json_object_foreach(json_object_get(ev, "content_block"), key, value) {
            ngx_llmops_gather_set(g, to, key, value);
        }

        return;
    }

    delta = json_object_get(ev, "delta");

    ngx_llmops_gather_text(g, to, "text", json_object_get(delta, "text"), 0);
    ngx_llmops_gather_text(g, to, "thinking",
                           json_object_get(delta, "thinking"), 0);
    ngx_llmops_gather_text(g, to, "signature",
                           json_object_get(delta, "signature"), 0);
    ngx_llmops_gather_text(g, to, "input",
                           json_object_get(delta, "partial_json"), 1);

    value = json_object_get(delta, "citation");

    if (value) {
        if (!json_is_array(json_object_get(to, "citations"))) {
            json_object_set_new(to, "citations", json_array());
        }

        if (json_array_append(json_object_get(to, "citations"), value) != 0) {
            g->failed = 1;
        }
    }
}


/* the object at an index of a list, both made if need be */

static json_t *
ngx_llmops_gather_slot(ngx_llmops_gather_t *g, json_t *object,
    const char *key, json_t *index)
{
    json_t       *list;
    json_int_t    i;

    i = json_integer_value(index);          /* none is the first */
    list = json_object_get(object, key);

    if (!json_is_array(list)) {
        list = json_array();
        ngx_llmops_gather_set(g, object, key, list);
        json_decref(list);
    }

    if (i < 0 || i >= NGX_LLMOPS_GATHER_INDEX) {
        g->failed = 1;
        return NULL;
    }

    while (!g->failed && json_array_size(list) <= (size_t) i) {
        if (json_array_append_new(list, json_object()) != 0) {
            g->failed = 1;
        }
    }

    return g->failed ? NULL : json_array_get(list, (size_t) i);
}


static void
ngx_llmops_gather_text(ngx_llmops_gather_t *g, json_t *target,
    const char *key, json_t *value, ngx_uint_t json)
{
    json_t                    *had;
    ngx_uint_t                 i;
    ngx_llmops_gather_text_t  *t;

    if (!ngx_llmops_tree_is_string(value)) {
        return;
    }

    for (i = 0; i < g->ntexts; i++) {
        t = &g->texts[i];

        if (t->target == target && t->key == key) {
            goto found;
        }
    }

    if (g->ntexts == NGX_LLMOPS_GATHER_TEXTS) {
        g->failed = 1;
        return;
    }

    t = &g->texts[g->ntexts++];

    t->target = target;
    t->key = key;
    t->json = json;

    ngx_llmops_out_init(&t->out, NGX_LLMOPS_GATHER_MAX);

    had = json_object_get(target, key);

    if (!json && ngx_llmops_tree_is_string(had)) {
        (void) ngx_llmops_out_write(&t->out, json_string_value(had),
                                    json_string_length(had));
    }

found:

    if (ngx_llmops_out_write(&t->out, json_string_value(value),
                             json_string_length(value))
        != NGX_OK)
    {
        g->failed = 1;
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


static void
ngx_llmops_gather_set(ngx_llmops_gather_t *g, json_t *object,
    const char *key, json_t *value)
{
    if (value == NULL || json_object_set(object, key, value) != 0) {
        g->failed = 1;
    }
}


static void
ngx_llmops_gather_put(ngx_llmops_gather_t *g)
{
    json_t                    *value;
    ngx_uint_t                 i;
    ngx_llmops_gather_text_t  *t;

    for (i = 0; i < g->ntexts; i++) {
        t = &g->texts[i];

        if (t->json) {
            value = t->out.len ? ngx_llmops_tree_parse(t->out.data,
                                                       t->out.len)
                               : json_object();
        } else {
            value = json_stringn(t->out.len ? (char *) t->out.data : "",
                                 t->out.len);
        }

        if (value == NULL
            || json_object_set_new(t->target, t->key, value) != 0)
        {
            g->failed = 1;
        }
    }
}


static ngx_int_t
ngx_llmops_gather_write(ngx_llmops_gather_t *g, ngx_llmops_usage_t *usage,
    ngx_llmops_out_t *out)
{
    json_t            *value;
    ngx_llmops_out_t   text;

    if (g->top == NULL || !g->ended || g->failed) {
        return NGX_DECLINED;
    }

    ngx_llmops_gather_put(g);

    if ((g->op == NGX_LLMOPS_OP_CHAT || g->op == NGX_LLMOPS_OP_COMPLETIONS)
        && !json_is_object(json_object_get(g->top, "usage"))
        && usage->source != NGX_LLMOPS_USAGE_NONE)
    {
        ngx_llmops_out_init(&text, 1024);
        ngx_llmops_openai_usage_write(&text, usage);

        value = ngx_llmops_tree_raw((char *) text.data, text.len);
        ngx_llmops_out_free(&text);

        if (value == NULL || json_object_set_new(g->top, "usage", value)) {
            g->failed = 1;
        }
    }

    if (g->failed) {
        return NGX_ERROR;
    }

    ngx_llmops_out_init(out, NGX_LLMOPS_GATHER_MAX);
    ngx_llmops_tree_write(out, g->top);

    if (out->failed) {
        ngx_llmops_out_free(out);
        return NGX_ERROR;
    }

    return NGX_OK;
}
