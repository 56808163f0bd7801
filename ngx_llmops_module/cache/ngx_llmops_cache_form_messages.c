
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_form.h"


/*
 * The events of Anthropic's messages: a message, whose content is blocks.
 */


static void ngx_llmops_gather_block(ngx_llmops_gather_t *g, json_t *ev);


/* members of a block's delta */

static const char  *ngx_llmops_gather_deltas[] = {
    "type", "text", "thinking", "signature", "partial_json", "citation", NULL
};


void
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
    json_t       *to, *delta, *value;
    const char   *key, *type, **k;

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

    json_object_foreach(delta, key, value) {

        for (k = ngx_llmops_gather_deltas; *k && strcmp(key, *k); k++) {
            /* void */
        }

        if (*k == NULL && !json_is_null(value)) {
            g->failed = 1;                  /* how it grows is not known here */
        }
    }

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
