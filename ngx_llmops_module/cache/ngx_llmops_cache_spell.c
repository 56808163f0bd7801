
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_tree.h"


/*
 * A whole answer as the stream that would have said it, and where in it is what
 * each replay has anew (ngx_llmops_cache_renew.c).
 */


#define NGX_LLMOPS_SPELL_MAX       (64 * 1024 * 1024)


/* a response */

typedef struct {
    ngx_llmops_out_t          *out;
    json_int_t                 seq;        /* of the next event */
    size_t                     piece;
} ngx_llmops_spell_t;


static ngx_int_t ngx_llmops_spell_xlate(const ngx_llmops_dialect_t *dialect,
    ngx_llmops_op_e op, ngx_str_t *model, ngx_uint_t usage, size_t piece,
    ngx_str_t *body, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_spell_completion(json_t *body, ngx_uint_t usage,
    size_t piece, ngx_llmops_out_t *out);
static json_t *ngx_llmops_spell_ends(json_t *body, json_t *choices,
    size_t piece, ngx_llmops_out_t *out);
static json_t *ngx_llmops_spell_choice(json_t *choice, json_t *text,
    ngx_uint_t last);
static void ngx_llmops_spell_chunk(json_t *body, json_t *choices,
    json_t *usage, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_spell_responses(json_t *body, size_t piece,
    ngx_llmops_out_t *out);
static void ngx_llmops_spell_state(ngx_llmops_spell_t *s, json_t *body,
    const char *type);
static void ngx_llmops_spell_item(ngx_llmops_spell_t *s, json_t *item,
    size_t index);
static void ngx_llmops_spell_arguments(ngx_llmops_spell_t *s,
    json_t *arguments, const char *id, size_t index);
static void ngx_llmops_spell_part(ngx_llmops_spell_t *s, json_t *part,
    const char *id, size_t index, size_t content);
static void ngx_llmops_spell_text(ngx_llmops_spell_t *s, json_t *text,
    const char *member, const char *id, size_t index, size_t content);
static void ngx_llmops_spell_event(ngx_llmops_spell_t *s, json_t *event);
static uint32_t ngx_llmops_mark_digits(ngx_str_t *value);


ngx_int_t
ngx_llmops_cache_spell(const ngx_llmops_dialect_t *dialect,
    ngx_llmops_op_e op, ngx_str_t *model, ngx_uint_t usage, size_t piece,
    ngx_str_t *body, ngx_llmops_out_t *out)
{
    json_t     *tree;
    ngx_int_t   rc;

    ngx_llmops_out_init(out, NGX_LLMOPS_SPELL_MAX);

    if (op == NGX_LLMOPS_OP_CHAT || op == NGX_LLMOPS_OP_MESSAGES) {
        rc = ngx_llmops_spell_xlate(dialect, op, model, usage, piece, body,
                                    out);

    } else {
        tree = ngx_llmops_tree_parse(body->data, body->len);

        rc = !json_is_object(tree) ? NGX_DECLINED
             : (op == NGX_LLMOPS_OP_COMPLETIONS)
               ? ngx_llmops_spell_completion(tree, usage, piece, out)
               : ngx_llmops_spell_responses(tree, piece, out);

        json_decref(tree);
    }

    if (rc == NGX_OK && out->failed) {
        rc = NGX_ERROR;
    }

    if (rc != NGX_OK) {
        ngx_llmops_out_free(out);
    }

    return rc;
}


static ngx_int_t
ngx_llmops_spell_xlate(const ngx_llmops_dialect_t *dialect,
    ngx_llmops_op_e op, ngx_str_t *model, ngx_uint_t usage, size_t piece,
    ngx_str_t *body, ngx_llmops_out_t *out)
{
    ngx_int_t            rc;
    ngx_llmops_xlate_t  *x;

    x = ngx_llmops_xlate_create(dialect, dialect, op, model, 1, usage, 0);
    if (x == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_xlate_pieces(x, piece);

    rc = ngx_llmops_xlate_replay(x, body, out);

    ngx_llmops_xlate_free(x);

    return rc;
}


/* one chunk for all choices, as servers send it who know all at once; or, in
   pieces, for their ends */

static ngx_int_t
ngx_llmops_spell_completion(json_t *body, ngx_uint_t usage, size_t piece,
    ngx_llmops_out_t *out)
{
    json_t  *choices, *empty;

    choices = json_object_get(body, "choices");

    if (!json_is_array(choices)) {
        return NGX_DECLINED;
    }

    choices = ngx_llmops_spell_ends(body, choices, piece, out);
    empty = json_array();

    if (choices && empty) {
        ngx_llmops_spell_chunk(body, choices, NULL, out);

        if (usage && json_is_object(json_object_get(body, "usage"))) {
            ngx_llmops_spell_chunk(body, empty,
                                   json_object_get(body, "usage"), out);
        }

        ngx_llmops_out_lit(out, "data: [DONE]\n\n");

    } else {
        out->failed = 1;
    }

    json_decref(choices);
    json_decref(empty);

    return NGX_OK;
}


/* says all but the last piece of each text; returns the choices with these, for
   the caller to free; NULL: out of memory */

static json_t *
ngx_llmops_spell_ends(json_t *body, json_t *choices, size_t piece,
    ngx_llmops_out_t *out)
{
    size_t   i, at, max;
    json_t  *ends, *choice, *one, *text, *part;

    ends = json_array();

    json_array_foreach(choices, i, choice) {

        text = json_object_get(choice, "text");
        at = 0;
        max = json_is_object(json_object_get(choice, "logprobs")) ? 0 : piece;

        for ( ;; ) {
            part = ngx_llmops_tree_piece(text, &at, max);

            if (at >= json_string_length(text)) {
                break;
            }

            one = json_array();

            if (json_array_append_new(one,
                                      ngx_llmops_spell_choice(choice, part, 0))
                == 0)
            {
                ngx_llmops_spell_chunk(body, one, NULL, out);

            } else {
                out->failed = 1;
            }

            json_decref(one);
        }

        if (json_array_append_new(ends,
                                  ngx_llmops_spell_choice(choice, part, 1))
            != 0)
        {
            out->failed = 1;
        }
    }

    return ends;
}


/* takes the text over; NULL: out of memory */

static json_t *
ngx_llmops_spell_choice(json_t *choice, json_t *text, ngx_uint_t last)
{
    json_t  *copy;

    copy = json_copy(choice);

    if (copy && text) {
        json_object_set(copy, "text", text);
    }

    if (copy && !last) {
        json_object_set_new(copy, "finish_reason", json_null());
    }

    json_decref(text);

    return copy;
}


static void
ngx_llmops_spell_chunk(json_t *body, json_t *choices, json_t *usage,
    ngx_llmops_out_t *out)
{
    json_t  *chunk;

    chunk = json_copy(body);

    if (chunk == NULL) {
        out->failed = 1;
        return;
    }

    json_object_del(chunk, "usage");
    json_object_set(chunk, "choices", choices);

    if (usage) {
        json_object_set(chunk, "usage", usage);
    }

    ngx_llmops_out_lit(out, "data: ");
    ngx_llmops_tree_write(out, chunk);
    ngx_llmops_out_lit(out, "\n\n");

    json_decref(chunk);
}


static ngx_int_t
ngx_llmops_spell_responses(json_t *body, size_t piece, ngx_llmops_out_t *out)
{
    size_t               i;
    json_t              *output;
    ngx_llmops_spell_t   s;

    output = json_object_get(body, "output");

    if (!json_is_array(output)) {
        return NGX_DECLINED;
    }

    s.out = out;
    s.seq = 0;
    s.piece = piece;

    ngx_llmops_spell_state(&s, body, "response.created");
    ngx_llmops_spell_state(&s, body, "response.in_progress");

    for (i = 0; i < json_array_size(output); i++) {
        ngx_llmops_spell_item(&s, json_array_get(output, i), i);
    }

    ngx_llmops_spell_event(&s, json_pack("{s:s,s:O}", "type",
                                         "response.completed", "response",
                                         body));

    return NGX_OK;
}


/* the response as it was when nothing had been said */

static void
ngx_llmops_spell_state(ngx_llmops_spell_t *s, json_t *body, const char *type)
{
    json_t  *response;

    response = json_copy(body);

    if (response) {
        json_object_set_new(response, "status", json_string("in_progress"));
        json_object_set_new(response, "output", json_array());
        json_object_set_new(response, "usage", json_null());
    }

    ngx_llmops_spell_event(s, json_pack("{s:s,s:o}", "type", type, "response",
                                        response));
}


static void
ngx_llmops_spell_item(ngx_llmops_spell_t *s, json_t *item, size_t index)
{
    size_t       i;
    json_t      *begun, *content, *arguments;
    const char  *id;

    id = ngx_llmops_tree_str(item, "id");
    id = id ? id : "";

    content = json_object_get(item, "content");
    arguments = json_object_get(item, "arguments");

    begun = json_copy(item);

    if (begun == NULL) {
        s->out->failed = 1;
        return;
    }

    if (json_object_get(item, "status")) {
        json_object_set_new(begun, "status", json_string("in_progress"));
    }

    if (content) {
        json_object_set_new(begun, "content", json_array());
    }

    if (arguments) {
        json_object_set_new(begun, "arguments", json_string(""));
    }

    ngx_llmops_spell_event(s, json_pack("{s:s,s:I,s:o}", "type",
                                        "response.output_item.added",
                                        "output_index", (json_int_t) index,
                                        "item", begun));

    for (i = 0; i < json_array_size(content); i++) {
        ngx_llmops_spell_part(s, json_array_get(content, i), id, index, i);
    }

    if (ngx_llmops_tree_is_string(arguments)) {
        ngx_llmops_spell_arguments(s, arguments, id, index);
    }

    ngx_llmops_spell_event(s, json_pack("{s:s,s:I,s:O}", "type",
                                        "response.output_item.done",
                                        "output_index", (json_int_t) index,
                                        "item", item));
}


static void
ngx_llmops_spell_arguments(ngx_llmops_spell_t *s, json_t *arguments,
    const char *id, size_t index)
{
    size_t   at;
    json_t  *piece;

    at = 0;

    do {
        piece = ngx_llmops_tree_piece(arguments, &at, s->piece);

        ngx_llmops_spell_event(s, json_pack("{s:s,s:s,s:I,s:o}", "type",
                                   "response.function_call_arguments.delta",
                                   "item_id", id,
                                   "output_index", (json_int_t) index,
                                   "delta", piece));

    } while (at < json_string_length(arguments));

    ngx_llmops_spell_event(s, json_pack("{s:s,s:s,s:I,s:O}", "type",
                                   "response.function_call_arguments.done",
                                   "item_id", id,
                                   "output_index", (json_int_t) index,
                                   "arguments", arguments));
}


/* a text, or a refusal */

static void
ngx_llmops_spell_part(ngx_llmops_spell_t *s, json_t *part, const char *id,
    size_t index, size_t content)
{
    json_t      *begun, *text;
    const char  *member;

    member = ngx_llmops_tree_is(part, "type", "refusal") ? "refusal" : "text";
    text = json_object_get(part, member);

    begun = json_copy(part);

    if (begun == NULL) {
        s->out->failed = 1;
        return;
    }

    if (text) {
        json_object_set_new(begun, member, json_string(""));
    }

    ngx_llmops_spell_event(s, json_pack("{s:s,s:s,s:I,s:I,s:o}", "type",
                                        "response.content_part.added",
                                        "item_id", id,
                                        "output_index", (json_int_t) index,
                                        "content_index", (json_int_t) content,
                                        "part", begun));

    if (ngx_llmops_tree_is_string(text)) {
        ngx_llmops_spell_text(s, text, member, id, index, content);
    }

    ngx_llmops_spell_event(s, json_pack("{s:s,s:s,s:I,s:I,s:O}", "type",
                                        "response.content_part.done",
                                        "item_id", id,
                                        "output_index", (json_int_t) index,
                                        "content_index", (json_int_t) content,
                                        "part", part));
}


static void
ngx_llmops_spell_text(ngx_llmops_spell_t *s, json_t *text, const char *member,
    const char *id, size_t index, size_t content)
{
    size_t       at;
    json_t      *piece;
    ngx_uint_t   refusal;

    at = 0;
    refusal = (member[0] == 'r');

    do {
        piece = ngx_llmops_tree_piece(text, &at, s->piece);

        ngx_llmops_spell_event(s, json_pack("{s:s,s:s,s:I,s:I,s:o,s:[]}",
                                   "type",
                                   refusal ? "response.refusal.delta"
                                           : "response.output_text.delta",
                                   "item_id", id,
                                   "output_index", (json_int_t) index,
                                   "content_index", (json_int_t) content,
                                   "delta", piece, "logprobs"));

    } while (at < json_string_length(text));

    ngx_llmops_spell_event(s, json_pack("{s:s,s:s,s:I,s:I,s:O,s:[]}", "type",
                                   refusal ? "response.refusal.done"
                                           : "response.output_text.done",
                                   "item_id", id,
                                   "output_index", (json_int_t) index,
                                   "content_index", (json_int_t) content,
                                   member, text, "logprobs"));
}


/* takes the event over; NULL: out of memory */

static void
ngx_llmops_spell_event(ngx_llmops_spell_t *s, json_t *event)
{
    const char        *type;
    ngx_llmops_out_t  *out = s->out;

    type = ngx_llmops_tree_str(event, "type");

    if (type == NULL) {
        json_decref(event);
        out->failed = 1;
        return;
    }

    json_object_set_new(event, "sequence_number", json_integer(s->seq++));

    ngx_llmops_out_lit(out, "event: ");
    ngx_llmops_out_write(out, type, strlen(type));
    ngx_llmops_out_lit(out, "\ndata: ");
    ngx_llmops_tree_write(out, event);
    ngx_llmops_out_lit(out, "\n\n");

    json_decref(event);
}


void
ngx_llmops_cache_mark(ngx_llmops_op_e op, ngx_str_t *body,
    ngx_llmops_cache_marks_t *marks)
{
    ngx_str_t  value;

    ngx_memzero(marks, sizeof(ngx_llmops_cache_marks_t));

    if (op != NGX_LLMOPS_OP_CHAT && op != NGX_LLMOPS_OP_COMPLETIONS
        && op != NGX_LLMOPS_OP_MESSAGES)
    {
        return;
    }

    if (ngx_llmops_json_get(body, "id", &value) == NGX_OK
        && value.len >= 7
        && ngx_llmops_json_type(&value) == NGX_LLMOPS_JSON_STRING)
    {
        marks->id = value.data + 1 - body->data;
        marks->id_len = value.len - 2;
    }

    if (op != NGX_LLMOPS_OP_MESSAGES
        && ngx_llmops_json_get(body, "created", &value) == NGX_OK)
    {
        marks->created = value.data - body->data;
        marks->created_len = ngx_llmops_mark_digits(&value);
    }
}


/* a time of ten digits can be replaced where it stands, up to the year 2286 */

static uint32_t
ngx_llmops_mark_digits(ngx_str_t *value)
{
    size_t  i;

    for (i = 0; i < value->len; i++) {
        if (value->data[i] < '0' || value->data[i] > '9') {
            return 0;
        }
    }

    return value->len == NGX_LLMOPS_CACHE_DIGITS ? value->len : 0;
}
