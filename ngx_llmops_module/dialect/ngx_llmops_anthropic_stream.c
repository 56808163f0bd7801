
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_anthropic_codec.h"


/* Reading streams of the Messages API. */


/* an object as the start of a call's arguments: see content_block_start */
#define NGX_LLMOPS_ANTHROPIC_INPUT  1048576


static void ngx_llmops_anthropic_start(ngx_llmops_xlate_t *x, json_t *ev);
static void ngx_llmops_anthropic_block_start(ngx_llmops_xlate_t *x,
    json_t *ev);
static void ngx_llmops_anthropic_block_delta(ngx_llmops_xlate_t *x,
    json_t *ev);
static void ngx_llmops_anthropic_block_stop(ngx_llmops_xlate_t *x,
    json_t *ev);
static void ngx_llmops_anthropic_delta(ngx_llmops_xlate_t *x, json_t *ev);
static void ngx_llmops_anthropic_stop(ngx_llmops_xlate_t *x, json_t *ev);
static void ngx_llmops_anthropic_ping(ngx_llmops_xlate_t *x, json_t *ev);
static ngx_llmops_slot_t *ngx_llmops_anthropic_slot(ngx_llmops_xlate_t *x,
    json_t *ev);


typedef struct {
    const char                *type;
    void                     (*handler)(ngx_llmops_xlate_t *x, json_t *ev);
} ngx_llmops_anthropic_event_t;


/* events of other types are left out */

static const ngx_llmops_anthropic_event_t  ngx_llmops_anthropic_events[] = {
    { "content_block_delta", ngx_llmops_anthropic_block_delta },
    { "content_block_start", ngx_llmops_anthropic_block_start },
    { "content_block_stop",  ngx_llmops_anthropic_block_stop },
    { "message_start",       ngx_llmops_anthropic_start },
    { "message_delta",       ngx_llmops_anthropic_delta },
    { "message_stop",        ngx_llmops_anthropic_stop },
    { "ping",                ngx_llmops_anthropic_ping },
    { NULL, NULL }
};


void
ngx_llmops_anthropic_event_in(ngx_llmops_xlate_t *x, ngx_str_t *name,
    ngx_str_t *data)
{
    json_t      *ev;
    ngx_uint_t   i;
    const char  *type;

    ev = ngx_llmops_tree_parse(data->data, data->len);
    type = ngx_llmops_tree_str(ev, "type");

    for (i = 0; ev != NULL && ngx_llmops_anthropic_events[i].type; i++) {

        if (type != NULL
            ? strcmp(type, ngx_llmops_anthropic_events[i].type) == 0
            : (name->len == strlen(ngx_llmops_anthropic_events[i].type)
               && memcmp(name->data, ngx_llmops_anthropic_events[i].type,
                         name->len) == 0))
        {
            ngx_llmops_anthropic_events[i].handler(x, ev);
            break;
        }
    }

    json_decref(ev);
}


static void
ngx_llmops_anthropic_start(ngx_llmops_xlate_t *x, json_t *ev)
{
    ngx_llmops_emit_start(x, ngx_llmops_tree_str(json_object_get(ev,
                                                      "message"), "id"));
}


static json_int_t
ngx_llmops_anthropic_index(ngx_llmops_xlate_t *x, json_t *ev)
{
    json_t                      *index;
    ngx_llmops_anthropic_in_t   *in;

    in = x->in;
    index = json_object_get(ev, "index");

    return json_is_integer(index) ? json_integer_value(index) : in->index;
}


static void
ngx_llmops_anthropic_block_start(ngx_llmops_xlate_t *x, json_t *ev)
{
    json_t                      *block, *input, *text;
    const char                  *type;
    ngx_llmops_slot_t           *slot;
    ngx_llmops_anthropic_in_t   *in;

    in = x->in;
    in->index = ngx_llmops_anthropic_index(x, ev);

    block = json_object_get(ev, "content_block");
    type = ngx_llmops_tree_str(block, "type");
    type = type ? type : "";

    if (strcmp(type, "text") == 0) {
        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_TEXT,
                               json_object_get(block, "text"));

    } else if (strcmp(type, "thinking") == 0) {
        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_REASONING,
                               json_object_get(block, "thinking"));
        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_SIGNATURE,
                               json_object_get(block, "signature"));

    } else if (strcmp(type, "redacted_thinking") == 0) {
        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_REDACTED,
                               json_object_get(block, "data"));

    } else if (strcmp(type, "tool_use") == 0) {
        slot = ngx_llmops_emit_tool(x, in->index,
                                    ngx_llmops_tree_str(block, "id"),
                                    ngx_llmops_tree_str(block, "name"));

        /* compatible servers may give all arguments at once */

        input = json_object_get(block, "input");

        if (slot != NULL && json_object_size(input) > 0) {
            text = ngx_llmops_tree_text(input, NGX_LLMOPS_ANTHROPIC_INPUT);
            ngx_llmops_emit_args(x, slot, json_string_value(text),
                                 json_string_length(text));
            json_decref(text);
        }
    }
}


/* the open call of that block, or NULL */

static ngx_llmops_slot_t *
ngx_llmops_anthropic_slot(ngx_llmops_xlate_t *x, json_t *ev)
{
    ngx_llmops_slot_t  *slot;

    slot = ngx_llmops_slot(x, ngx_llmops_anthropic_index(x, ev));

    return (slot != NULL && !slot->ended) ? slot : NULL;
}


static void
ngx_llmops_anthropic_block_delta(ngx_llmops_xlate_t *x, json_t *ev)
{
    json_t             *delta, *json;
    const char         *type;
    ngx_llmops_slot_t  *slot;

    delta = json_object_get(ev, "delta");
    type = ngx_llmops_tree_str(delta, "type");
    type = type ? type : "";

    if (strcmp(type, "text_delta") == 0) {
        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_TEXT,
                               json_object_get(delta, "text"));

    } else if (strcmp(type, "thinking_delta") == 0) {
        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_REASONING,
                               json_object_get(delta, "thinking"));

    } else if (strcmp(type, "signature_delta") == 0) {
        ngx_llmops_emit_string(x, NGX_LLMOPS_EV_SIGNATURE,
                               json_object_get(delta, "signature"));

    } else if (strcmp(type, "input_json_delta") == 0) {
        slot = ngx_llmops_anthropic_slot(x, ev);
        json = json_object_get(delta, "partial_json");

        if (slot != NULL && ngx_llmops_tree_has_text(json)) {
            ngx_llmops_emit_args(x, slot, json_string_value(json),
                                 json_string_length(json));
        }
    }
}


static void
ngx_llmops_anthropic_block_stop(ngx_llmops_xlate_t *x, json_t *ev)
{
    ngx_llmops_slot_t  *slot;

    slot = ngx_llmops_anthropic_slot(x, ev);

    if (slot != NULL) {
        ngx_llmops_emit_tool_end(x, slot);
    }
}


/* there may be several: only one of them tells why the answer ends */

static void
ngx_llmops_anthropic_delta(ngx_llmops_xlate_t *x, json_t *ev)
{
    json_t      *delta;
    const char  *reason;

    delta = json_object_get(ev, "delta");
    reason = ngx_llmops_tree_str(delta, "stop_reason");

    if (reason != NULL) {
        ngx_llmops_emit_finish(x, ngx_llmops_anthropic_finish(reason),
                               json_object_get(delta, "stop_sequence"));
    }
}


static void
ngx_llmops_anthropic_stop(ngx_llmops_xlate_t *x, json_t *ev)
{
    (void) ev;

    ngx_llmops_emit_end(x);
}


static void
ngx_llmops_anthropic_ping(ngx_llmops_xlate_t *x, json_t *ev)
{
    (void) ev;

    ngx_llmops_emit(x, NGX_LLMOPS_EV_PING, NULL, 0);
}
