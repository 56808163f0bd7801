
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_openai_codec.h"


/*
 * A whole chat completion as the stream that would have said it.  Whatever
 * members there are go along, known or not: those of the answer into each
 * chunk, those of a message into a delta each, those of a choice into its
 * last chunk.
 */


static ngx_uint_t ngx_llmops_openai_replays(json_t *body);
static json_t *ngx_llmops_openai_frame(ngx_llmops_xlate_t *x, json_t *body);
static void ngx_llmops_openai_say(ngx_llmops_xlate_t *x, json_t *frame,
    json_t *choice, json_t *index, json_t *delta);
static void ngx_llmops_openai_say_choice(ngx_llmops_xlate_t *x,
    json_t *frame, json_t *choice, size_t n);
static void ngx_llmops_openai_say_message(ngx_llmops_xlate_t *x,
    json_t *frame, json_t *choice, json_t *index);
static void ngx_llmops_openai_say_member(ngx_llmops_xlate_t *x,
    json_t *frame, json_t *choice, json_t *index, const char *key);
static void ngx_llmops_openai_say_call(ngx_llmops_xlate_t *x, json_t *frame,
    json_t *index, json_t *call, size_t n);
static void ngx_llmops_openai_say_arguments(ngx_llmops_xlate_t *x,
    json_t *frame, json_t *index, size_t n, const char *kind,
    const char *member, json_t *text);


/* reasoning comes before what it leads to */

static const char *const  ngx_llmops_openai_first[] = {
    "reasoning", "reasoning_content", "thinking_blocks", "content", NULL
};


ngx_int_t
ngx_llmops_openai_replay(ngx_llmops_xlate_t *x, json_t *body)
{
    size_t   i;
    json_t  *frame, *choice, *usage;

    if (!ngx_llmops_openai_replays(body)) {
        return NGX_DECLINED;
    }

    frame = ngx_llmops_openai_frame(x, body);

    json_array_foreach(json_object_get(body, "choices"), i, choice) {
        ngx_llmops_openai_say_choice(x, frame, choice, i);
    }

    usage = json_object_get(body, "usage");

    if (x->want_usage && json_is_object(usage)) {
        ngx_llmops_set(x, frame, "usage", json_incref(usage));
        ngx_llmops_openai_say(x, frame, NULL, NULL, NULL);
    }

    json_decref(frame);

    ngx_llmops_out_lit(x->out, "data: [DONE]\n\n");

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_openai_replays(json_t *body)
{
    size_t   i;
    json_t  *choices, *choice, *error;

    error = json_object_get(body, "error");
    choices = json_object_get(body, "choices");

    if (json_array_size(choices) == 0
        || (error != NULL && !json_is_null(error)))
    {
        return 0;
    }

    json_array_foreach(choices, i, choice) {
        if (!json_is_object(json_object_get(choice, "message"))) {
            return 0;
        }
    }

    return 1;
}


/* what all chunks have in common */

static json_t *
ngx_llmops_openai_frame(ngx_llmops_xlate_t *x, json_t *body)
{
    json_t  *frame;

    frame = json_copy(body);

    if (frame == NULL) {
        x->nomem = 1;
        return NULL;
    }

    json_object_del(frame, "usage");
    ngx_llmops_set(x, frame, "object", json_string("chat.completion.chunk"));

    if (!ngx_llmops_tree_has_text(json_object_get(frame, "id"))) {
        ngx_llmops_set(x, frame, "id", json_string(x->id));
    }

    if (json_object_get(frame, "created") == NULL) {
        ngx_llmops_set(x, frame, "created", json_integer(x->created));
    }

    if (json_object_get(frame, "model") == NULL) {
        ngx_llmops_set(x, frame, "model", json_string(x->model));
    }

    /* as OpenAI does when the caller has asked for usage */

    if (x->want_usage) {
        ngx_llmops_set(x, frame, "usage", json_null());
    }

    return frame;
}


/* One chunk.  choice has what is not of the delta, or is NULL; the delta is
   taken over; without one the chunk has no choices. */

static void
ngx_llmops_openai_say(ngx_llmops_xlate_t *x, json_t *frame, json_t *choice,
    json_t *index, json_t *delta)
{
    json_t      *choices, *one, *v;
    const char  *key;

    choices = ngx_llmops_array(x);

    if (delta != NULL) {
        one = ngx_llmops_object(x);
        ngx_llmops_set(x, one, "index", json_incref(index));
        ngx_llmops_set(x, one, "delta", delta);
        ngx_llmops_set(x, one, "logprobs", json_null());
        ngx_llmops_set(x, one, "finish_reason", json_null());

        json_object_foreach(choice, key, v) {
            ngx_llmops_set(x, one, key, json_incref(v));
        }

        ngx_llmops_append(x, choices, one);
    }

    ngx_llmops_set(x, frame, "choices", choices);

    if (frame != NULL) {
        ngx_llmops_out_lit(x->out, "data: ");
        ngx_llmops_tree_write(x->out, frame);
        ngx_llmops_out_lit(x->out, "\n\n");
    }
}


static void
ngx_llmops_openai_say_choice(ngx_llmops_xlate_t *x, json_t *frame,
    json_t *choice, size_t n)
{
    json_t  *index, *delta, *rest, *message;

    index = json_object_get(choice, "index");
    index = json_is_integer(index) ? json_incref(index)
                                   : json_integer((json_int_t) n);
    rest = json_copy(choice);

    if (index == NULL || rest == NULL) {
        x->nomem = 1;
        json_decref(index);
        json_decref(rest);
        return;
    }

    delta = ngx_llmops_object(x);
    ngx_llmops_set(x, delta, "role", json_string("assistant"));
    ngx_llmops_set(x, delta, "content", json_string(""));
    ngx_llmops_openai_say(x, frame, NULL, index, delta);

    ngx_llmops_openai_say_message(x, frame, rest, index);

    if (json_is_null(json_object_get(rest, "finish_reason"))) {
        json_object_del(rest, "finish_reason");
    }

    if (json_object_get(rest, "finish_reason") == NULL) {
        message = json_object_get(choice, "message");
        n = json_array_size(json_object_get(message, "tool_calls"));
        ngx_llmops_set(x, rest, "finish_reason",
                       json_string(n ? "tool_calls" : "stop"));
    }

    json_object_del(rest, "index");
    json_object_del(rest, "message");
    ngx_llmops_openai_say(x, frame, rest, index, ngx_llmops_object(x));

    json_decref(index);
    json_decref(rest);
}


static void
ngx_llmops_openai_say_message(ngx_llmops_xlate_t *x, json_t *frame,
    json_t *choice, json_t *index)
{
    size_t              i;
    json_t             *message, *v;
    const char         *key;
    const char *const  *first;

    message = json_object_get(choice, "message");

    for (first = ngx_llmops_openai_first; *first; first++) {
        ngx_llmops_openai_say_member(x, frame, choice, index, *first);
    }

    json_object_foreach(message, key, v) {

        for (first = ngx_llmops_openai_first; *first; first++) {
            if (strcmp(*first, key) == 0) {
                break;
            }
        }

        if (*first == NULL && strcmp(key, "role") != 0
            && strcmp(key, "tool_calls") != 0)
        {
            ngx_llmops_openai_say_member(x, frame, choice, index, key);
        }
    }

    json_array_foreach(json_object_get(message, "tool_calls"), i, v) {
        ngx_llmops_openai_say_call(x, frame, index, v, i);
    }
}


/* a member of the message by itself; the logprobs go with the text */

static void
ngx_llmops_openai_say_member(ngx_llmops_xlate_t *x, json_t *frame,
    json_t *choice, json_t *index, const char *key)
{
    size_t   at, piece;
    json_t  *v, *delta, *extra, *logprobs;

    v = json_object_get(json_object_get(choice, "message"), key);

    if (v == NULL || json_is_null(v)
        || (json_is_string(v) && json_string_length(v) == 0)
        || (json_is_array(v) && json_array_size(v) == 0))
    {
        return;
    }

    extra = NULL;
    logprobs = json_object_get(choice, "logprobs");

    if (json_is_object(logprobs)
        && (strcmp(key, "content") == 0 || strcmp(key, "refusal") == 0))
    {
        extra = ngx_llmops_object(x);
        ngx_llmops_set(x, extra, "logprobs", json_incref(logprobs));
        json_object_del(choice, "logprobs");
    }

    at = 0;
    piece = extra ? 0 : x->piece;

    do {
        delta = ngx_llmops_object(x);
        ngx_llmops_set(x, delta, key, ngx_llmops_tree_piece(v, &at, piece));
        ngx_llmops_openai_say(x, frame, extra, index, delta);

    } while (at < json_string_length(v));

    json_decref(extra);
}


static json_t *
ngx_llmops_openai_calls(ngx_llmops_xlate_t *x, json_t *call)
{
    json_t  *calls, *delta;

    calls = ngx_llmops_array(x);
    ngx_llmops_append(x, calls, call);

    delta = ngx_llmops_object(x);
    ngx_llmops_set(x, delta, "tool_calls", calls);

    return delta;
}


/* all of the call but its arguments, then these */

static void
ngx_llmops_openai_say_call(ngx_llmops_xlate_t *x, json_t *frame,
    json_t *index, json_t *call, size_t n)
{
    size_t       i;
    json_t      *begun, *inner, *text;

    static const char *const  kinds[] = { "function", "custom" };
    static const char *const  members[] = { "arguments", "input" };

    begun = ngx_llmops_object(x);
    ngx_llmops_set(x, begun, "index", json_integer((json_int_t) n));

    if (json_object_update_missing(begun, call) != 0) {
        json_decref(begun);
        return;
    }

    text = NULL;

    for (i = 0; i < 2; i++) {
        text = json_object_get(json_object_get(call, kinds[i]), members[i]);

        if (ngx_llmops_tree_has_text(text)) {
            inner = json_copy(json_object_get(call, kinds[i]));

            if (inner == NULL) {
                x->nomem = 1;
            }

            ngx_llmops_set(x, inner, members[i], json_string(""));
            ngx_llmops_set(x, begun, kinds[i], inner);
            break;
        }
    }

    ngx_llmops_openai_say(x, frame, NULL, index,
                          ngx_llmops_openai_calls(x, begun));

    if (i < 2) {
        ngx_llmops_openai_say_arguments(x, frame, index, n, kinds[i],
                                        members[i], text);
    }
}


static void
ngx_llmops_openai_say_arguments(ngx_llmops_xlate_t *x, json_t *frame,
    json_t *index, size_t n, const char *kind, const char *member,
    json_t *text)
{
    size_t   at;
    json_t  *more, *inner;

    for (at = 0; at < json_string_length(text); /* void */ ) {

        inner = ngx_llmops_object(x);
        ngx_llmops_set(x, inner, member,
                       ngx_llmops_tree_piece(text, &at, x->piece));

        more = ngx_llmops_object(x);
        ngx_llmops_set(x, more, "index", json_integer((json_int_t) n));
        ngx_llmops_set(x, more, kind, inner);

        ngx_llmops_openai_say(x, frame, NULL, index,
                              ngx_llmops_openai_calls(x, more));
    }
}
