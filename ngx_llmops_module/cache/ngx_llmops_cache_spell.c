
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


static ngx_int_t ngx_llmops_spell_xlate(const ngx_llmops_dialect_t *dialect,
    ngx_llmops_op_e op, ngx_str_t *model, ngx_uint_t usage, ngx_str_t *body,
    ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_spell_completion(json_t *body, ngx_uint_t usage,
    ngx_llmops_out_t *out);
static void ngx_llmops_spell_chunk(json_t *body, json_t *choices,
    json_t *usage, ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_spell_responses(json_t *body,
    ngx_llmops_out_t *out);
static void ngx_llmops_spell_state(json_t *body, const char *type,
    json_int_t *seq, ngx_llmops_out_t *out);
static void ngx_llmops_spell_item(json_t *item, size_t index,
    json_int_t *seq, ngx_llmops_out_t *out);
static void ngx_llmops_spell_part(json_t *part, const char *id, size_t index,
    size_t content, json_int_t *seq, ngx_llmops_out_t *out);
static void ngx_llmops_spell_event(json_t *event, json_int_t *seq,
    ngx_llmops_out_t *out);
static uint32_t ngx_llmops_mark_digits(ngx_str_t *value);


ngx_int_t
ngx_llmops_cache_spell(const ngx_llmops_dialect_t *dialect,
    ngx_llmops_op_e op, ngx_str_t *model, ngx_uint_t usage, ngx_str_t *body,
    ngx_llmops_out_t *out)
{
    json_t     *tree;
    ngx_int_t   rc;

    ngx_llmops_out_init(out, NGX_LLMOPS_SPELL_MAX);

    if (op == NGX_LLMOPS_OP_CHAT || op == NGX_LLMOPS_OP_MESSAGES) {
        rc = ngx_llmops_spell_xlate(dialect, op, model, usage, body, out);

    } else {
        tree = ngx_llmops_tree_parse(body->data, body->len);

        rc = !json_is_object(tree) ? NGX_DECLINED
             : (op == NGX_LLMOPS_OP_COMPLETIONS)
               ? ngx_llmops_spell_completion(tree, usage, out)
               : ngx_llmops_spell_responses(tree, out);

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
    ngx_llmops_op_e op, ngx_str_t *model, ngx_uint_t usage, ngx_str_t *body,
    ngx_llmops_out_t *out)
{
    ngx_int_t            rc;
    ngx_llmops_xlate_t  *x;

    x = ngx_llmops_xlate_create(dialect, dialect, op, model, 1, usage, 0);
    if (x == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_xlate_replay(x, body, out);

    ngx_llmops_xlate_free(x);

    return rc;
}


/* one chunk for all choices, as servers send it who know all at once */

static ngx_int_t
ngx_llmops_spell_completion(json_t *body, ngx_uint_t usage,
    ngx_llmops_out_t *out)
{
    json_t  *choices, *empty;

    choices = json_object_get(body, "choices");
    empty = json_array();

    if (!json_is_array(choices) || empty == NULL) {
        json_decref(empty);
        return NGX_DECLINED;
    }

    ngx_llmops_spell_chunk(body, choices, NULL, out);

    if (usage && json_is_object(json_object_get(body, "usage"))) {
        ngx_llmops_spell_chunk(body, empty, json_object_get(body, "usage"),
                               out);
    }

    json_decref(empty);

    return ngx_llmops_out_lit(out, "data: [DONE]\n\n");
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
ngx_llmops_spell_responses(json_t *body, ngx_llmops_out_t *out)
{
    size_t       i;
    json_t      *output;
    json_int_t   seq;

    output = json_object_get(body, "output");

    if (!json_is_array(output)) {
        return NGX_DECLINED;
    }

    seq = 0;

    ngx_llmops_spell_state(body, "response.created", &seq, out);
    ngx_llmops_spell_state(body, "response.in_progress", &seq, out);

    for (i = 0; i < json_array_size(output); i++) {
        ngx_llmops_spell_item(json_array_get(output, i), i, &seq, out);
    }

    ngx_llmops_spell_event(json_pack("{s:s,s:O}", "type",
                                     "response.completed", "response", body),
                           &seq, out);

    return NGX_OK;
}


/* the response as it was when nothing had been said */

static void
ngx_llmops_spell_state(json_t *body, const char *type, json_int_t *seq,
    ngx_llmops_out_t *out)
{
    json_t  *response;

    response = json_copy(body);

    if (response) {
        json_object_set_new(response, "status", json_string("in_progress"));
        json_object_set_new(response, "output", json_array());
        json_object_set_new(response, "usage", json_null());
    }

    ngx_llmops_spell_event(json_pack("{s:s,s:o}", "type", type, "response",
                                     response),
                           seq, out);
}


static void
ngx_llmops_spell_item(json_t *item, size_t index, json_int_t *seq,
    ngx_llmops_out_t *out)
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
        out->failed = 1;
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

    ngx_llmops_spell_event(json_pack("{s:s,s:I,s:o}", "type",
                                     "response.output_item.added",
                                     "output_index", (json_int_t) index,
                                     "item", begun),
                           seq, out);

    for (i = 0; i < json_array_size(content); i++) {
        ngx_llmops_spell_part(json_array_get(content, i), id, index, i, seq,
                              out);
    }

    if (ngx_llmops_tree_is_string(arguments)) {
        ngx_llmops_spell_event(json_pack("{s:s,s:s,s:I,s:O}", "type",
                                   "response.function_call_arguments.delta",
                                   "item_id", id,
                                   "output_index", (json_int_t) index,
                                   "delta", arguments),
                               seq, out);
        ngx_llmops_spell_event(json_pack("{s:s,s:s,s:I,s:O}", "type",
                                   "response.function_call_arguments.done",
                                   "item_id", id,
                                   "output_index", (json_int_t) index,
                                   "arguments", arguments),
                               seq, out);
    }

    ngx_llmops_spell_event(json_pack("{s:s,s:I,s:O}", "type",
                                     "response.output_item.done",
                                     "output_index", (json_int_t) index,
                                     "item", item),
                           seq, out);
}


/* a text, or a refusal */

static void
ngx_llmops_spell_part(json_t *part, const char *id, size_t index,
    size_t content, json_int_t *seq, ngx_llmops_out_t *out)
{
    json_t      *begun, *text;
    ngx_uint_t   refusal;

    refusal = ngx_llmops_tree_is(part, "type", "refusal");
    text = json_object_get(part, refusal ? "refusal" : "text");

    begun = json_copy(part);

    if (begun == NULL) {
        out->failed = 1;
        return;
    }

    if (text) {
        json_object_set_new(begun, refusal ? "refusal" : "text",
                            json_string(""));
    }

    ngx_llmops_spell_event(json_pack("{s:s,s:s,s:I,s:I,s:o}", "type",
                                     "response.content_part.added",
                                     "item_id", id,
                                     "output_index", (json_int_t) index,
                                     "content_index", (json_int_t) content,
                                     "part", begun),
                           seq, out);

    if (ngx_llmops_tree_is_string(text)) {

        ngx_llmops_spell_event(json_pack("{s:s,s:s,s:I,s:I,s:O,s:[]}", "type",
                                   refusal ? "response.refusal.delta"
                                           : "response.output_text.delta",
                                   "item_id", id,
                                   "output_index", (json_int_t) index,
                                   "content_index", (json_int_t) content,
                                   "delta", text, "logprobs"),
                               seq, out);

        ngx_llmops_spell_event(json_pack("{s:s,s:s,s:I,s:I,s:O,s:[]}", "type",
                                   refusal ? "response.refusal.done"
                                           : "response.output_text.done",
                                   "item_id", id,
                                   "output_index", (json_int_t) index,
                                   "content_index", (json_int_t) content,
                                   refusal ? "refusal" : "text", text,
                                   "logprobs"),
                               seq, out);
    }

    ngx_llmops_spell_event(json_pack("{s:s,s:s,s:I,s:I,s:O}", "type",
                                     "response.content_part.done",
                                     "item_id", id,
                                     "output_index", (json_int_t) index,
                                     "content_index", (json_int_t) content,
                                     "part", part),
                           seq, out);
}


/* takes the event over */

static void
ngx_llmops_spell_event(json_t *event, json_int_t *seq, ngx_llmops_out_t *out)
{
    const char  *type;

    type = ngx_llmops_tree_str(event, "type");

    if (type == NULL) {
        json_decref(event);
        out->failed = 1;
        return;
    }

    json_object_set_new(event, "sequence_number", json_integer((*seq)++));

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
