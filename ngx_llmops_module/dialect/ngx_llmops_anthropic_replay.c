
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_anthropic_codec.h"


/*
 * A whole message as the stream that would have said it.  Blocks of all types
 * go along, known or not, with all of their members: what grows in a stream
 * (text, thinking, signature, input, citations) comes in deltas, all else with
 * the block's start.
 */


static void ngx_llmops_anthropic_say(ngx_llmops_xlate_t *x, json_t *event);
static json_t *ngx_llmops_anthropic_begun(ngx_llmops_xlate_t *x,
    json_t *body);
static void ngx_llmops_anthropic_say_block(ngx_llmops_xlate_t *x,
    json_t *block, size_t index);
static void ngx_llmops_anthropic_say_text(ngx_llmops_xlate_t *x,
    size_t index, const char *type, const char *member, json_t *text,
    size_t piece);
static void ngx_llmops_anthropic_say_delta(ngx_llmops_xlate_t *x,
    size_t index, const char *type, const char *member, json_t *value);
static void ngx_llmops_anthropic_say_end(ngx_llmops_xlate_t *x, json_t *body);


typedef struct {
    const char                *block;
    const char                *member;
    const char                *delta;
    ngx_uint_t                 joins;      /* clients put its deltas together */
} ngx_llmops_anthropic_grows_t;


/* texts that grow */

static const ngx_llmops_anthropic_grows_t  ngx_llmops_anthropic_grows[] = {
    { "text", "text", "text_delta", 1 },
    { "thinking", "thinking", "thinking_delta", 1 },
    { "thinking", "signature", "signature_delta", 0 },
    { NULL, NULL, NULL, 0 }
};


ngx_int_t
ngx_llmops_anthropic_replay(ngx_llmops_xlate_t *x, json_t *body)
{
    size_t   i;
    json_t  *event, *content, *block;

    content = json_object_get(body, "content");

    if (!json_is_array(content)) {
        return NGX_DECLINED;
    }

    json_array_foreach(content, i, block) {
        if (!json_is_object(block)) {
            return NGX_DECLINED;
        }
    }

    event = ngx_llmops_typed(x, "message_start");
    ngx_llmops_set(x, event, "message", ngx_llmops_anthropic_begun(x, body));
    ngx_llmops_anthropic_say(x, event);

    json_array_foreach(content, i, block) {
        ngx_llmops_anthropic_say_block(x, block, i);
    }

    ngx_llmops_anthropic_say_end(x, body);
    ngx_llmops_anthropic_say(x, ngx_llmops_typed(x, "message_stop"));

    return NGX_OK;
}


/* takes the event over */

static void
ngx_llmops_anthropic_say(ngx_llmops_xlate_t *x, json_t *event)
{
    const char  *type;

    type = ngx_llmops_tree_str(event, "type");

    if (type != NULL) {
        ngx_llmops_out_lit(x->out, "event: ");
        ngx_llmops_out_write(x->out, type, strlen(type));
        ngx_llmops_out_lit(x->out, "\ndata: ");
        ngx_llmops_tree_write(x->out, event);
        ngx_llmops_out_lit(x->out, "\n\n");
    }

    json_decref(event);
}


/* the message as it was when nothing had been said */

static json_t *
ngx_llmops_anthropic_begun(ngx_llmops_xlate_t *x, json_t *body)
{
    json_t  *message, *usage;

    message = json_copy(body);
    usage = json_copy(json_object_get(body, "usage"));

    if (!json_is_object(usage)) {
        json_decref(usage);
        usage = ngx_llmops_object(x);
        ngx_llmops_set(x, usage, "input_tokens", json_integer(0));
    }

    if (message == NULL) {
        x->nomem = 1;
    }

    ngx_llmops_set(x, usage, "output_tokens", json_integer(0));

    if (!ngx_llmops_tree_has_text(json_object_get(body, "id"))) {
        ngx_llmops_set(x, message, "id", json_string(x->id));
    }

    if (json_object_get(body, "model") == NULL) {
        ngx_llmops_set(x, message, "model", json_string(x->model));
    }

    ngx_llmops_set(x, message, "type", json_string("message"));
    ngx_llmops_set(x, message, "role", json_string("assistant"));
    ngx_llmops_set(x, message, "content", ngx_llmops_array(x));
    ngx_llmops_set(x, message, "stop_reason", json_null());
    ngx_llmops_set(x, message, "stop_sequence", json_null());
    ngx_llmops_set(x, message, "usage", usage);

    return message;
}


/* such a text of this block, if it is there */

static json_t *
ngx_llmops_anthropic_grown(json_t *block,
    const ngx_llmops_anthropic_grows_t *g)
{
    json_t  *v;

    v = json_object_get(block, g->member);

    return (ngx_llmops_tree_is(block, "type", g->block)
            && ngx_llmops_tree_has_text(v))
           ? v : NULL;
}


static void
ngx_llmops_anthropic_say_block(ngx_llmops_xlate_t *x, json_t *block,
    size_t index)
{
    size_t                               i;
    json_t                              *event, *begun, *v, *input, *citations;
    const ngx_llmops_anthropic_grows_t  *g;

    begun = json_copy(block);

    if (begun == NULL) {
        x->nomem = 1;
        return;
    }

    for (g = ngx_llmops_anthropic_grows; g->member; g++) {
        if (ngx_llmops_anthropic_grown(block, g)) {
            ngx_llmops_set(x, begun, g->member, json_string(""));
        }
    }

    input = json_object_get(block, "input");
    input = json_object_size(input) > 0 ? input : NULL;
    citations = json_object_get(block, "citations");

    if (input != NULL) {
        ngx_llmops_set(x, begun, "input", ngx_llmops_object(x));
    }

    if (json_array_size(citations) > 0) {
        ngx_llmops_set(x, begun, "citations", ngx_llmops_array(x));
    }

    event = ngx_llmops_typed(x, "content_block_start");
    ngx_llmops_set(x, event, "index", json_integer((json_int_t) index));
    ngx_llmops_set(x, event, "content_block", begun);
    ngx_llmops_anthropic_say(x, event);

    for (g = ngx_llmops_anthropic_grows; g->member; g++) {
        v = ngx_llmops_anthropic_grown(block, g);

        if (v != NULL) {
            ngx_llmops_anthropic_say_text(x, index, g->delta, g->member,
                                          json_incref(v),
                                          g->joins ? x->piece : 0);
        }
    }

    if (input != NULL) {
        ngx_llmops_anthropic_say_text(x, index, "input_json_delta",
            "partial_json",
            ngx_llmops_tree_text(input, NGX_MAX_SIZE_T_VALUE / 4), x->piece);
    }

    json_array_foreach(citations, i, v) {
        ngx_llmops_anthropic_say_delta(x, index, "citations_delta",
                                       "citation", json_incref(v));
    }

    event = ngx_llmops_typed(x, "content_block_stop");
    ngx_llmops_set(x, event, "index", json_integer((json_int_t) index));
    ngx_llmops_anthropic_say(x, event);
}


/* takes the text over */

static void
ngx_llmops_anthropic_say_text(ngx_llmops_xlate_t *x, size_t index,
    const char *type, const char *member, json_t *text, size_t piece)
{
    size_t  at;

    if (text == NULL) {
        x->nomem = 1;
        return;
    }

    for (at = 0; at < json_string_length(text); /* void */ ) {
        ngx_llmops_anthropic_say_delta(x, index, type, member,
                              ngx_llmops_tree_piece(text, &at, piece));
    }

    json_decref(text);
}


/* takes the value over */

static void
ngx_llmops_anthropic_say_delta(ngx_llmops_xlate_t *x, size_t index,
    const char *type, const char *member, json_t *value)
{
    json_t  *event, *delta;

    delta = ngx_llmops_typed(x, type);
    ngx_llmops_set(x, delta, member, value);

    event = ngx_llmops_typed(x, "content_block_delta");
    ngx_llmops_set(x, event, "index", json_integer((json_int_t) index));
    ngx_llmops_set(x, event, "delta", delta);
    ngx_llmops_anthropic_say(x, event);
}


static void
ngx_llmops_anthropic_say_end(ngx_llmops_xlate_t *x, json_t *body)
{
    size_t                    i;
    json_t                   *event, *delta, *usage;
    static const char *const  members[] = {
        "stop_reason", "stop_sequence", "stop_details", "container"
    };

    delta = ngx_llmops_object(x);
    ngx_llmops_set(x, delta, "stop_reason", json_string("end_turn"));
    ngx_llmops_set(x, delta, "stop_sequence", json_null());

    for (i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        ngx_llmops_copy(x, delta, members[i], body, members[i]);
    }

    usage = json_object_get(body, "usage");

    if (json_is_object(usage)) {
        json_incref(usage);

    } else {
        usage = ngx_llmops_object(x);
        ngx_llmops_set(x, usage, "output_tokens", json_integer(0));
    }

    event = ngx_llmops_typed(x, "message_delta");
    ngx_llmops_set(x, event, "delta", delta);
    ngx_llmops_set(x, event, "usage", usage);
    ngx_llmops_copy(x, event, "context_management", body,
                    "context_management");
    ngx_llmops_anthropic_say(x, event);
}
