
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_form.h"
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
 *
 * What an event is in a dialect is in ngx_llmops_cache_form_chat.c and
 * ..._form_messages.c; a response tells all of itself in its last event.
 */


#define NGX_LLMOPS_GATHER_TEXTS    512     /* members that grow */
#define NGX_LLMOPS_GATHER_MAX      (16 * 1024 * 1024)
#define NGX_LLMOPS_GATHER_INDEX    256     /* choices, blocks, tool calls */


static void ngx_llmops_gather_event(ngx_llmops_gather_t *g, ngx_str_t *data);
static void ngx_llmops_gather_put(ngx_llmops_gather_t *g);
static ngx_int_t ngx_llmops_gather_write(ngx_llmops_gather_t *g,
    ngx_llmops_usage_t *usage, ngx_llmops_out_t *out);


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


/* the object at an index of a list, both made if need be */

json_t *
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


void
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


void
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
