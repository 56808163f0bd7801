
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_texts_item.h"


/*
 * The texts of responses.  What an event is its type says: "X.delta" has a
 * piece of a text; "X.done", its part, its item and the response have all of
 * it once more.  A text is known by its place: the index of its item, that of
 * the part in it, and what it is there.  A whole answer has no type, and an
 * "output" with the same items.
 */


/* events with pieces of texts: response.NAME.delta and response.NAME.done */

typedef struct {
    ngx_str_t                  name;
    ngx_llmops_text_kind_e     kind;
    ngx_uint_t                 what;
    const char                *part;       /* its index, or NULL */
    ngx_uint_t                 free;
} ngx_llmops_texts_event_t;


static const ngx_llmops_texts_event_t  ngx_llmops_texts_events[] = {

    { ngx_string("output_text"), NGX_LLMOPS_TEXT_CONTENT,
      NGX_LLMOPS_PLACE_CONTENT, "content_index", 0 },

    { ngx_string("refusal"), NGX_LLMOPS_TEXT_REFUSAL,
      NGX_LLMOPS_PLACE_CONTENT, "content_index", 0 },

    { ngx_string("reasoning_summary_text"), NGX_LLMOPS_TEXT_REASONING,
      NGX_LLMOPS_PLACE_SUMMARY, "summary_index", 0 },

    { ngx_string("reasoning_text"), NGX_LLMOPS_TEXT_REASONING,
      NGX_LLMOPS_PLACE_REASONING, "content_index", 0 },

    { ngx_string("function_call_arguments"), NGX_LLMOPS_TEXT_TOOL,
      NGX_LLMOPS_PLACE_ARGUMENTS, NULL, 0 },

    { ngx_string("mcp_call_arguments"), NGX_LLMOPS_TEXT_TOOL,
      NGX_LLMOPS_PLACE_ARGUMENTS, NULL, 0 },

    { ngx_string("custom_tool_call_input"), NGX_LLMOPS_TEXT_TOOL,
      NGX_LLMOPS_PLACE_ARGUMENTS, NULL, 1 },

    { ngx_string("code_interpreter_call_code"), NGX_LLMOPS_TEXT_TOOL,
      NGX_LLMOPS_PLACE_ARGUMENTS, NULL, 1 },

    { ngx_null_string, NGX_LLMOPS_TEXT_CONTENT, 0, NULL, 0 }
};


ngx_uint_t
ngx_llmops_texts_place(ngx_llmops_place_t *place, ngx_uint_t what)
{
    return (place->output & 0xfff) << 20 | (place->part & 0xffff) << 4 | what;
}


void
ngx_llmops_texts_put(ngx_llmops_texts_t *t, ngx_llmops_place_t *place,
    ngx_uint_t row, ngx_str_t *raw)
{
    ngx_uint_t                       n;
    const ngx_llmops_texts_event_t  *e;

    e = &ngx_llmops_texts_events[row];
    n = t->ntexts;

    if (raw->len == 2 && raw->data[0] == '"' && !t->again
        && e->kind != NGX_LLMOPS_TEXT_TOOL)
    {
        return;                         /* of a part that begins */
    }

    ngx_llmops_texts_add(t, e->kind, NGX_LLMOPS_TEXT_KEY_RESPONSES + row, 0,
                         ngx_llmops_texts_place(place, e->what), raw);

    if (t->ntexts != n) {
        t->texts[n].item = place->item;
        t->texts[n].free = e->free;
    }
}


/* a text that is nobody's part: its strings are looked at one by one */

static void
ngx_llmops_texts_aside(ngx_llmops_texts_t *t, ngx_str_t *raw)
{
    ngx_uint_t  n;

    n = t->ntexts;

    ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_CONTENT,
                         NGX_LLMOPS_TEXT_KEY_RESPONSES, 0, (ngx_uint_t) -1,
                         raw);

    if (t->ntexts != n) {
        t->texts[n].object = 1;
        t->texts[n].aside = 1;
    }
}


static ngx_uint_t
ngx_llmops_texts_ends(ngx_str_t *s, const char *end, size_t len)
{
    return s->len > len
           && ngx_memcmp(s->data + s->len - len, end, len) == 0;
}


#define ngx_llmops_texts_end(s, lit)                                          \
    ngx_llmops_texts_ends(s, lit, sizeof(lit) - 1)


/* the row of a type without "response." and ".delta" or ".done" */

static ngx_uint_t
ngx_llmops_texts_row(ngx_str_t *type)
{
    ngx_uint_t                       i;
    const ngx_llmops_texts_event_t  *e;

    e = ngx_llmops_texts_events;

    for (i = 0; e[i].name.len; i++) {
        if (type->len == e[i].name.len
            && ngx_memcmp(type->data, e[i].name.data, type->len) == 0)
        {
            break;
        }
    }

    return i;
}


/* a response: the whole answer, or a member of an event */

static void
ngx_llmops_texts_response(ngx_llmops_texts_t *t, ngx_str_t *json)
{
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, json) != NGX_OK) {
        return;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "output")) {
            ngx_llmops_texts_output(t, &value);

        } else if (ngx_llmops_texts_is(&key, "output_text")
                   || ngx_llmops_texts_is(&key, "delta"))
        {
            ngx_llmops_texts_aside(t, &value);
        }
    }
}


/* what has ended with an event that ends in ".done" */

static void
ngx_llmops_texts_done(ngx_llmops_texts_t *t, ngx_str_t *name,
    ngx_llmops_place_t *place, ngx_uint_t row)
{
    ngx_uint_t  what;

    t->block_stop = 1;

    if (ngx_llmops_texts_is(name, "output_item")) {
        t->block_item = 1;
        t->block = place->output & 0xfff;
        return;
    }

    what = ngx_llmops_texts_is(name, "reasoning_summary_part")
           ? NGX_LLMOPS_PLACE_SUMMARY : ngx_llmops_texts_events[row].what;

    t->block = ngx_llmops_texts_place(place, what);
}


/* what a type says of its event; name becomes that of the text */

static ngx_uint_t
ngx_llmops_texts_type(ngx_llmops_texts_t *t, ngx_str_t *name,
    ngx_llmops_place_t *place, ngx_uint_t *delta)
{
    ngx_uint_t  row;

    *delta = 0;

    if (name->len > 9 && ngx_memcmp(name->data, "response.", 9) == 0) {
        name->data += 9;
        name->len -= 9;
    }

    if (ngx_llmops_texts_is(name, "completed")
        || ngx_llmops_texts_is(name, "incomplete"))
    {
        t->again = 1;
        ngx_llmops_texts_finish(t, 0);

    } else if (ngx_llmops_texts_end(name, ".done")) {
        t->again = 1;
        name->len -= 5;

        row = ngx_llmops_texts_row(name);
        ngx_llmops_texts_done(t, name, place, row);

        return row;

    } else if (ngx_llmops_texts_end(name, ".delta")) {
        *delta = 1;
        name->len -= 6;

    } else if (!ngx_llmops_texts_end(name, ".added")) {
        t->again = 1;                   /* "created", "failed" and others */
        t->partial = 1;
    }

    return ngx_llmops_texts_row(name);
}


/* pieces that are no text */

static ngx_uint_t
ngx_llmops_texts_binary(ngx_str_t *name)
{
    return ngx_llmops_texts_is(name, "audio")
           || ngx_llmops_texts_is(name, "output_audio");
}


static void
ngx_llmops_texts_member(ngx_llmops_texts_t *t, ngx_llmops_place_t *place,
    ngx_str_t *name, ngx_uint_t row, ngx_uint_t delta, ngx_str_t *key,
    ngx_str_t *value)
{
    ngx_uint_t  known;

    known = (ngx_llmops_texts_events[row].name.len != 0);

    if (ngx_llmops_texts_is(key, "delta")) {

        if (known && delta) {
            ngx_llmops_texts_put(t, place, row, value);

        } else if (!ngx_llmops_texts_binary(name)) {
            ngx_llmops_texts_aside(t, value);
        }

    } else if (ngx_llmops_texts_is(key, "text")
               || ngx_llmops_texts_is(key, "refusal")
               || ngx_llmops_texts_is(key, "arguments")
               || ngx_llmops_texts_is(key, "input")
               || ngx_llmops_texts_is(key, "code")
               || ngx_llmops_texts_is(key, "transcript"))
    {
        if (known && !delta) {
            ngx_llmops_texts_put(t, place, row, value);

        } else {
            ngx_llmops_texts_aside(t, value);
        }

    } else if (ngx_llmops_texts_is(key, "part")) {
        ngx_llmops_texts_part(t, value, place,
                              name->len > 9
                              && ngx_memcmp(name->data, "reasoning", 9) == 0
                              ? NGX_LLMOPS_ROW_SUMMARY : NGX_LLMOPS_ROW_TEXT);

    } else if (ngx_llmops_texts_is(key, "item")) {
        ngx_llmops_texts_item(t, value, place->output);

    } else if (ngx_llmops_texts_is(key, "response")) {
        ngx_llmops_texts_response(t, value);

    } else if (ngx_llmops_texts_is(key, "logprobs")) {
        ngx_llmops_texts_odds(t, 0,
                    ngx_llmops_texts_place(place, NGX_LLMOPS_PLACE_CONTENT),
                    value);
    }
}


/* a whole answer ends, unless it is still being made, or has failed */

static void
ngx_llmops_texts_whole(ngx_llmops_texts_t *t, ngx_str_t *json)
{
    ngx_str_t  value;

    ngx_llmops_texts_response(t, json);

    if (ngx_llmops_json_get(json, "output", &value) != NGX_OK) {
        return;
    }

    if (ngx_llmops_json_get(json, "status", &value) != NGX_OK
        || ngx_llmops_texts_is(&value, "\"completed\"")
        || ngx_llmops_texts_is(&value, "\"incomplete\""))
    {
        ngx_llmops_texts_finish(t, 0);

    } else {
        t->partial = 1;
    }
}


void
ngx_llmops_texts_responses(ngx_llmops_texts_t *t, ngx_str_t *json)
{
    u_char                  buf[64];
    ngx_str_t               key, value, type, name;
    ngx_uint_t              row, delta;
    ngx_llmops_place_t      place;
    ngx_llmops_json_iter_t  it;

    ngx_memzero(&place, sizeof(ngx_llmops_place_t));
    ngx_str_null(&type);
    ngx_str_null(&name);

    (void) ngx_llmops_json_object(&it, json);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "type")) {
            type = value;

        } else if (ngx_llmops_texts_is(&key, "sequence_number")) {
            t->sequence = value;

        } else if (ngx_llmops_texts_is(&key, "item_id")) {
            place.item = value;

        } else if (ngx_llmops_texts_is(&key, "output_index")) {
            place.output = ngx_llmops_texts_number(&value);

        } else if (ngx_llmops_texts_is(&key, "content_index")
                   || ngx_llmops_texts_is(&key, "summary_index"))
        {
            place.part = ngx_llmops_texts_number(&value);
        }
    }

    if (type.len == 0) {
        ngx_llmops_texts_whole(t, json);
        return;
    }

    (void) ngx_llmops_json_string(&type, buf, sizeof(buf), &name);

    row = ngx_llmops_texts_type(t, &name, &place, &delta);

    (void) ngx_llmops_json_object(&it, json);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {
        ngx_llmops_texts_member(t, &place, &name, row, delta, &key, &value);
    }
}


void
ngx_llmops_texts_delta_responses(ngx_llmops_out_t *out, int64_t sequence,
    ngx_llmops_text_t *text, ngx_str_t *piece)
{
    const ngx_llmops_texts_event_t  *e;

    e = &ngx_llmops_texts_events[text->key - NGX_LLMOPS_TEXT_KEY_RESPONSES];

    (void) ngx_llmops_out_lit(out, "event: response.");
    (void) ngx_llmops_out_str(out, &e->name);
    (void) ngx_llmops_out_lit(out, ".delta\ndata: {\"type\":\"response.");
    (void) ngx_llmops_out_str(out, &e->name);
    (void) ngx_llmops_out_lit(out, ".delta\",\"sequence_number\":");
    (void) ngx_llmops_out_int(out, sequence);

    if (text->item.len) {
        (void) ngx_llmops_out_lit(out, ",\"item_id\":");
        (void) ngx_llmops_out_str(out, &text->item);
    }

    (void) ngx_llmops_out_lit(out, ",\"output_index\":");
    (void) ngx_llmops_out_int(out, ngx_llmops_text_output(text->index));

    if (e->part) {
        (void) ngx_llmops_out_lit(out, ",\"");
        (void) ngx_llmops_out_write(out, e->part, ngx_strlen(e->part));
        (void) ngx_llmops_out_lit(out, "\":");
        (void) ngx_llmops_out_int(out, text->index >> 4 & 0xffff);
    }

    (void) ngx_llmops_out_lit(out, ",\"delta\":");
    (void) ngx_llmops_out_json(out, piece->data, piece->len);

    if (text->kind == NGX_LLMOPS_TEXT_CONTENT) {
        (void) ngx_llmops_out_lit(out, ",\"logprobs\":[]");
    }

    (void) ngx_llmops_out_lit(out, "}\n\n");
}
