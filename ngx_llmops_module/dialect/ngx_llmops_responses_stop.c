
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <string.h>
#include "ngx_llmops_tree.h"
#include "ngx_llmops_responses_state.h"


/*
 * A stream of Responses ends with the whole response once more, and each of
 * its items with itself: to end one we have to know all that was said.  So the
 * events of a stream that may have to be ended are read into trees, which no
 * other stream pays for.  The text that is growing is kept aside.
 */


static void ngx_llmops_responses_part(ngx_llmops_responses_state_t *s,
    json_t *event, ngx_uint_t done);
static void ngx_llmops_responses_item(ngx_llmops_responses_state_t *s,
    json_t *event, ngx_uint_t done);
static void ngx_llmops_responses_grow(ngx_llmops_responses_state_t *s,
    json_t *event, ngx_llmops_grows_e what);
static void ngx_llmops_responses_put(json_t *array, ngx_int_t index,
    json_t *value);
static ngx_int_t ngx_llmops_responses_index(json_t *event, const char *name);
static void ngx_llmops_responses_close_text(ngx_llmops_responses_state_t *s,
    json_t *item, ngx_llmops_out_t *out);
static void ngx_llmops_responses_close_arguments(
    ngx_llmops_responses_state_t *s, json_t *item, ngx_llmops_out_t *out);


/* an output has no more items, an item no more parts than this */
#define NGX_LLMOPS_RESPONSES_ITEMS  512


ngx_llmops_responses_state_t *
ngx_llmops_responses_create(void)
{
    ngx_llmops_responses_state_t  *s;

    s = calloc(1, sizeof(ngx_llmops_responses_state_t));
    if (s == NULL) {
        return NULL;
    }

    s->output = json_array();
    s->open = -1;
    s->part = -1;

    ngx_llmops_out_init(&s->text, NGX_LLMOPS_RESPONSES_MAX);

    if (s->output == NULL) {
        free(s);
        return NULL;
    }

    return s;
}


void
ngx_llmops_responses_free(ngx_llmops_responses_state_t *s)
{
    if (s) {
        json_decref(s->response);
        json_decref(s->output);
        ngx_llmops_out_free(&s->text);
        free(s);
    }
}


void
ngx_llmops_responses_track(ngx_llmops_responses_state_t *s, ngx_str_t *data)
{
    json_t      *event;
    const char  *type;

    event = ngx_llmops_tree_parse(data->data, data->len);

    type = json_is_object(event) ? ngx_llmops_tree_str(event, "type") : NULL;

    if (type) {
        s->sequence = json_integer_value(json_object_get(event,
                                                         "sequence_number"))
                      + 1;
        ngx_llmops_responses_see(s, event, type);
    }

    json_decref(event);
}


void
ngx_llmops_responses_see(ngx_llmops_responses_state_t *s, json_t *event,
    const char *type)
{
    json_t  *response;

    if (strcmp(type, "response.output_text.delta") == 0) {
        ngx_llmops_responses_grow(s, event, NGX_LLMOPS_GROWS_TEXT);

    } else if (strcmp(type, "response.function_call_arguments.delta") == 0) {
        ngx_llmops_responses_grow(s, event, NGX_LLMOPS_GROWS_ARGUMENTS);

    } else if (strcmp(type, "response.output_item.added") == 0) {
        ngx_llmops_responses_item(s, event, 0);

    } else if (strcmp(type, "response.output_item.done") == 0) {
        ngx_llmops_responses_item(s, event, 1);

    } else if (strcmp(type, "response.content_part.added") == 0) {
        ngx_llmops_responses_part(s, event, 0);

    } else if (strcmp(type, "response.content_part.done") == 0) {
        ngx_llmops_responses_part(s, event, 1);

    } else if (s->response == NULL) {
        response = json_object_get(event, "response");

        if (json_is_object(response)) {
            s->response = json_incref(response);
        }
    }
}


static void
ngx_llmops_responses_item(ngx_llmops_responses_state_t *s, json_t *event,
    ngx_uint_t done)
{
    json_t     *item;
    ngx_int_t   index;

    item = json_object_get(event, "item");
    index = ngx_llmops_responses_index(event, "output_index");

    if (!json_is_object(item) || index < 0) {
        return;
    }

    ngx_llmops_responses_put(s->output, index, item);

    s->open = done ? -1 : index;
    s->part = -1;
    s->grows = NGX_LLMOPS_GROWS_NOTHING;
    ngx_llmops_out_reset(&s->text);
}


static void
ngx_llmops_responses_part(ngx_llmops_responses_state_t *s, json_t *event,
    ngx_uint_t done)
{
    json_t     *part, *content;
    ngx_int_t   index;

    part = json_object_get(event, "part");
    index = ngx_llmops_responses_index(event, "content_index");

    content = json_object_get(json_array_get(s->output, (size_t) s->open),
                              "content");

    if (s->open < 0 || !json_is_object(part) || !json_is_array(content)
        || index < 0)
    {
        return;
    }

    ngx_llmops_responses_put(content, index, part);

    s->part = done ? -1 : index;
    s->grows = NGX_LLMOPS_GROWS_NOTHING;
    ngx_llmops_out_reset(&s->text);
}


static void
ngx_llmops_responses_grow(ngx_llmops_responses_state_t *s, json_t *event,
    ngx_llmops_grows_e what)
{
    json_t  *delta;

    delta = json_object_get(event, "delta");

    if (!ngx_llmops_tree_is_string(delta)) {
        return;
    }

    s->grows = what;

    (void) ngx_llmops_out_write(&s->text, json_string_value(delta),
                                json_string_length(delta));
}


/* at index, or behind the last one */

static void
ngx_llmops_responses_put(json_t *array, ngx_int_t index, json_t *value)
{
    if ((size_t) index < json_array_size(array)) {
        (void) json_array_set(array, (size_t) index, value);

    } else if (json_array_size(array) < NGX_LLMOPS_RESPONSES_ITEMS) {
        (void) json_array_append(array, value);
    }
}


static ngx_int_t
ngx_llmops_responses_index(json_t *event, const char *name)
{
    json_t  *n;

    n = json_object_get(event, name);

    if (!json_is_integer(n) || json_integer_value(n) < 0
        || json_integer_value(n) >= NGX_LLMOPS_RESPONSES_ITEMS)
    {
        return -1;
    }

    return (ngx_int_t) json_integer_value(n);
}


void
ngx_llmops_responses_write_stop(ngx_llmops_out_t *out,
    ngx_llmops_stop_t *stop)
{
    ngx_llmops_responses_state_t  *s = stop->state;

    if (s == NULL) {
        out->failed = 1;
        return;
    }

    ngx_llmops_responses_end(s, "max_output_tokens", &stop->meter->usage, stop,
                             out);
}


/* the response is over, before it was complete */

void
ngx_llmops_responses_end(ngx_llmops_responses_state_t *s, const char *reason,
    ngx_llmops_usage_t *usage, ngx_llmops_stop_t *stop, ngx_llmops_out_t *out)
{
    json_t  *event, *response;

    ngx_llmops_responses_close(s, stop ? "incomplete" : "completed", out);

    response = s->response ? s->response : json_object();

    (void) json_object_set_new(response, "object", json_string("response"));
    (void) json_object_set_new(response, "status", json_string("incomplete"));
    (void) json_object_set_new(response, "incomplete_details",
                               json_pack("{s:s}", "reason", reason));
    (void) json_object_set(response, "output", s->output);
    (void) json_object_set_new(response, "usage",
                               usage ? ngx_llmops_responses_usage(usage)
                                     : json_null());

    event = ngx_llmops_responses_event(s, "response.incomplete", NULL);
    (void) json_object_set(event, "response", response);

    if (s->response == NULL) {
        json_decref(response);
    }

    ngx_llmops_responses_send(s, out, event, stop);
}


/* the item that is open, and what is open in it */

void
ngx_llmops_responses_close(ngx_llmops_responses_state_t *s,
    const char *status, ngx_llmops_out_t *out)
{
    json_t  *item, *event;

    item = (s->open < 0) ? NULL : json_array_get(s->output, (size_t) s->open);

    if (item == NULL) {
        return;
    }

    if (s->part >= 0) {
        ngx_llmops_responses_close_text(s, item, out);

    } else if (s->grows == NGX_LLMOPS_GROWS_ARGUMENTS) {
        ngx_llmops_responses_close_arguments(s, item, out);
    }

    (void) json_object_set_new(item, "status", json_string(status));

    event = ngx_llmops_responses_event(s, "response.output_item.done", NULL);
    (void) json_object_set_new(event, "output_index", json_integer(s->open));
    (void) json_object_set(event, "item", item);

    ngx_llmops_responses_send(s, out, event, NULL);
}


static void
ngx_llmops_responses_close_text(ngx_llmops_responses_state_t *s, json_t *item,
    ngx_llmops_out_t *out)
{
    json_t  *part, *event;

    part = json_array_get(json_object_get(item, "content"), (size_t) s->part);

    if (part == NULL) {
        return;
    }

    if (s->grows == NGX_LLMOPS_GROWS_TEXT) {
        (void) json_object_set_new(part, "text",
                                   json_stringn((char *) s->text.data,
                                                s->text.len));

        event = ngx_llmops_responses_event(s, "response.output_text.done",
                                           item);
        (void) json_object_set_new(event, "content_index",
                                   json_integer(s->part));
        (void) json_object_set(event, "text", json_object_get(part, "text"));
        (void) json_object_set_new(event, "logprobs", json_array());

        ngx_llmops_responses_send(s, out, event, NULL);
    }

    event = ngx_llmops_responses_event(s, "response.content_part.done", item);
    (void) json_object_set_new(event, "content_index", json_integer(s->part));
    (void) json_object_set(event, "part", part);

    ngx_llmops_responses_send(s, out, event, NULL);
}


static void
ngx_llmops_responses_close_arguments(ngx_llmops_responses_state_t *s,
    json_t *item, ngx_llmops_out_t *out)
{
    json_t  *event;

    (void) json_object_set_new(item, "arguments",
                               json_stringn((char *) s->text.data,
                                            s->text.len));

    event = ngx_llmops_responses_event(s,
                                "response.function_call_arguments.done", item);
    (void) json_object_set(event, "arguments",
                           json_object_get(item, "arguments"));

    ngx_llmops_responses_send(s, out, event, NULL);
}


json_t *
ngx_llmops_responses_event(ngx_llmops_responses_state_t *s, const char *type,
    json_t *item)
{
    json_t  *event;

    event = json_pack("{s:s, s:I}", "type", type, "sequence_number",
                      (json_int_t) s->sequence++);

    if (item) {
        (void) json_object_set(event, "item_id", json_object_get(item, "id"));
        (void) json_object_set_new(event, "output_index",
                                   json_integer(s->open));
    }

    return event;
}


/* takes the event over; NULL for want of memory fails out */

void
ngx_llmops_responses_send(ngx_llmops_responses_state_t *s,
    ngx_llmops_out_t *out, json_t *event, ngx_llmops_stop_t *stop)
{
    const char  *type;

    type = event ? ngx_llmops_tree_str(event, "type") : NULL;

    if (type == NULL) {
        out->failed = 1;
        json_decref(event);
        return;
    }

    (void) ngx_llmops_out_lit(out, "event: ");
    (void) ngx_llmops_out_write(out, type, strlen(type));
    (void) ngx_llmops_out_lit(out, "\ndata: ");
    ngx_llmops_tree_write(out, event);

    if (stop && out->len && !out->failed) {
        out->len--;                          /* "}" */
        ngx_llmops_stop_mark(out, stop);
        (void) ngx_llmops_out_lit(out, "}");
    }

    (void) ngx_llmops_out_lit(out, "\n\n");

    json_decref(event);
}


json_t *
ngx_llmops_responses_usage(ngx_llmops_usage_t *usage)
{
    return json_pack("{s:I, s:{s:I}, s:I, s:{s:I}, s:I}",
                     "input_tokens", (json_int_t) usage->input,
                     "input_tokens_details",
                     "cached_tokens", (json_int_t) usage->cache_read,
                     "output_tokens", (json_int_t) usage->output,
                     "output_tokens_details",
                     "reasoning_tokens", (json_int_t) usage->reasoning,
                     "total_tokens",
                     (json_int_t) (usage->input + usage->output));
}
