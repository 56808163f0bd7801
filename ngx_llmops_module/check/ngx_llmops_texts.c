
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_texts_read.h"


/*
 * One reader for both: an event has its texts in "delta" or "content_block",
 * a whole answer has them in "message" or "content".  Every member of a name
 * counts, and however the name is spelled: readers do not agree which of two
 * is meant.
 */


static ngx_int_t ngx_llmops_texts_top(ngx_llmops_texts_t *t,
    ngx_llmops_json_iter_t *it, ngx_str_t *key, ngx_str_t *value);
static ngx_int_t ngx_llmops_texts_choice(ngx_llmops_texts_t *t,
    ngx_llmops_json_iter_t *it, ngx_str_t *value);
static ngx_int_t ngx_llmops_texts_message(ngx_llmops_texts_t *t,
    ngx_llmops_json_iter_t *it, ngx_uint_t choice);
static void ngx_llmops_texts_function(ngx_llmops_texts_t *t,
    ngx_str_t *json, ngx_uint_t choice);
static void ngx_llmops_texts_calls(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice);


ngx_uint_t
ngx_llmops_texts_escaped(ngx_str_t *key, const char *name, size_t len)
{
    size_t  n;
    u_char  buf[64];

    return memchr(key->data, '\\', key->len)
           && ngx_llmops_json_decode(key->data, key->len, buf, sizeof(buf),
                                     &n) == NGX_OK
           && n == len && ngx_memcmp(buf, name, n) == 0;
}


void
ngx_llmops_texts_add(ngx_llmops_texts_t *t, ngx_llmops_text_kind_e kind,
    ngx_llmops_text_key_e key, ngx_uint_t choice, ngx_uint_t index,
    ngx_str_t *raw)
{
    ngx_llmops_text_t  *text;

    if (raw->data[0] != '"' && raw->data[0] != '{'
        && !(raw->data[0] == '[' && kind == NGX_LLMOPS_TEXT_TOOL))
    {
        return;                                 /* null, mostly */
    }

    if (t->ntexts == NGX_LLMOPS_TEXTS_MAX) {
        t->overflow = 1;
        return;
    }

    text = &t->texts[t->ntexts++];

    text->kind = kind;
    text->key = key;
    text->choice = choice;
    text->index = index;
    text->raw = *raw;
    text->item.len = 0;
    text->object = (raw->data[0] != '"');
    text->free = 0;
    text->aside = 0;
}


void
ngx_llmops_texts_odds(ngx_llmops_texts_t *t, ngx_uint_t choice,
    ngx_uint_t index, ngx_str_t *raw)
{
    ngx_llmops_text_odds_t  *odds;

    if ((raw->data[0] != '[' && raw->data[0] != '{') || raw->len == 2) {
        return;                                 /* null, or none */
    }

    if (t->nodds == NGX_LLMOPS_TEXTS_MAX) {
        t->overflow = 1;
        return;
    }

    odds = &t->odds[t->nodds++];

    odds->choice = choice;
    odds->index = index;
    odds->raw = *raw;
}


void
ngx_llmops_texts_finish(ngx_llmops_texts_t *t, ngx_uint_t choice)
{
    if (t->nfinished == NGX_LLMOPS_TEXTS_MAX) {
        t->overflow = 1;
        return;
    }

    t->finished[t->nfinished++] = choice;
}


void
ngx_llmops_texts_named(ngx_llmops_texts_t *t, ngx_llmops_text_key_e key,
    ngx_uint_t choice, ngx_uint_t index, ngx_str_t *name)
{
    ngx_llmops_text_call_t  *call;

    if (name->data[0] != '"' || name->len == 2) {
        return;                         /* null, or "" in all but the first */
    }

    if (t->ncalls == NGX_LLMOPS_TEXTS_MAX) {
        t->overflow = 1;
        return;
    }

    call = &t->calls[t->ncalls++];

    call->key = key;
    call->choice = choice;
    call->index = index;
    call->name = *name;
}


ngx_uint_t
ngx_llmops_texts_number(ngx_str_t *value)
{
    int64_t  n;

    n = 0;

    (void) ngx_llmops_json_count(value, &n);

    return n;
}


ngx_int_t
ngx_llmops_texts_read(ngx_llmops_texts_t *t, ngx_llmops_op_e op,
    ngx_str_t *json)
{
    ngx_int_t               rc;
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    t->ntexts = 0;
    t->nfinished = 0;
    t->ncalls = 0;
    t->nodds = 0;
    t->block_start = 0;
    t->block_stop = 0;
    t->block_item = 0;
    t->again = 0;
    t->partial = 0;
    t->overflow = 0;
    t->sequence.len = 0;
    t->id.len = 0;
    t->created.len = 0;
    t->model.len = 0;

    if (ngx_llmops_json_object(&it, json) != NGX_OK) {
        return NGX_DECLINED;
    }

    if (op == NGX_LLMOPS_OP_MESSAGES) {
        ngx_llmops_texts_anthropic(t, json);

    } else if (op == NGX_LLMOPS_OP_RESPONSES) {
        ngx_llmops_texts_responses(t, json);
    }

    while ((rc = ngx_llmops_json_peek(&it, &key, &value)) == NGX_OK) {

        rc = (op == NGX_LLMOPS_OP_MESSAGES || op == NGX_LLMOPS_OP_RESPONSES)
             ? ngx_llmops_json_pass(&it, &value)        /* only to its end */
             : ngx_llmops_texts_top(t, &it, &key, &value);

        if (rc != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return (rc == NGX_DONE && !t->overflow) ? NGX_OK : NGX_DECLINED;
}


/* a member of what OpenAI's APIs send; no string is read twice */

static ngx_int_t
ngx_llmops_texts_top(ngx_llmops_texts_t *t, ngx_llmops_json_iter_t *it,
    ngx_str_t *key, ngx_str_t *value)
{
    ngx_int_t               rc;
    ngx_str_t               choice;
    ngx_llmops_json_iter_t  choices;

    if (ngx_llmops_texts_is(key, "choices")
        && ngx_llmops_json_array(&choices, value) == NGX_OK)
    {
        while ((rc = ngx_llmops_json_peek(&choices, NULL, &choice)) == NGX_OK)
        {
            rc = ngx_llmops_texts_choice(t, &choices, &choice);

            if (rc != NGX_OK) {
                return NGX_ERROR;
            }
        }

        if (rc == NGX_DONE) {
            ngx_llmops_json_leave(it, &choices, value);
            return NGX_OK;
        }

        return NGX_ERROR;
    }

    if (ngx_llmops_json_pass(it, value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_texts_is(key, "id")) {
        t->id = *value;

    } else if (ngx_llmops_texts_is(key, "created")) {
        t->created = *value;

    } else if (ngx_llmops_texts_is(key, "model")) {
        t->model = *value;
    }

    return NGX_OK;
}


/* a member of a choice, the number of which is known */

static ngx_int_t
ngx_llmops_texts_member(ngx_llmops_texts_t *t, ngx_llmops_json_iter_t *it,
    ngx_str_t *key, ngx_str_t *value, ngx_uint_t choice)
{
    ngx_llmops_json_iter_t  message;

    if ((ngx_llmops_texts_is(key, "delta")
         || ngx_llmops_texts_is(key, "message"))
        && ngx_llmops_json_object(&message, value) == NGX_OK)
    {
        if (ngx_llmops_texts_message(t, &message, choice) != NGX_OK) {
            return NGX_ERROR;
        }

        ngx_llmops_json_leave(it, &message, value);

        return NGX_OK;
    }

    if (ngx_llmops_json_pass(it, value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_texts_is(key, "text")) {
        ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_CONTENT,
                             NGX_LLMOPS_TEXT_KEY_TEXT, choice, 0, value);

    } else if (ngx_llmops_texts_is(key, "finish_reason")
               && value->data[0] == '"' && value->len > 2)
    {
        ngx_llmops_texts_finish(t, choice);

    } else if (ngx_llmops_texts_is(key, "logprobs")) {
        ngx_llmops_texts_odds(t, choice, (ngx_uint_t) -1, value);
    }

    return NGX_OK;
}


/* all members of a choice, by the number it is taken to have; *last becomes
   the last one that it says */

static ngx_int_t
ngx_llmops_texts_members(ngx_llmops_texts_t *t, ngx_llmops_json_iter_t *it,
    ngx_uint_t choice, ngx_uint_t *last)
{
    ngx_int_t  rc;
    ngx_str_t  key, value;

    while ((rc = ngx_llmops_json_peek(it, &key, &value)) == NGX_OK) {

        rc = ngx_llmops_texts_member(t, it, &key, &value, choice);

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_llmops_texts_is(&key, "index")) {
            *last = ngx_llmops_texts_number(&value);
        }
    }

    return rc == NGX_DONE ? NGX_OK : NGX_ERROR;
}


/*
 * The number may stand behind the texts, and the last of several counts, for
 * all of the choice: mostly it is the first of its members, or 0, and a choice
 * is read once.
 */

static ngx_int_t
ngx_llmops_texts_choice(ngx_llmops_texts_t *t, ngx_llmops_json_iter_t *it,
    ngx_str_t *value)
{
    ngx_str_t               key, first;
    ngx_uint_t              choice, last, ntexts, nfinished, nodds, ncalls;
    ngx_llmops_json_iter_t  in, again;

    if (ngx_llmops_json_object(&in, value) != NGX_OK) {
        return ngx_llmops_json_pass(it, value);
    }

    ntexts = t->ntexts;
    nfinished = t->nfinished;
    nodds = t->nodds;
    ncalls = t->ncalls;
    choice = 0;
    again = in;

    if (ngx_llmops_json_peek(&again, &key, &first) == NGX_OK
        && ngx_llmops_texts_is(&key, "index")
        && ngx_llmops_json_pass(&again, &first) == NGX_OK)
    {
        choice = ngx_llmops_texts_number(&first);
    }

    last = choice;
    again = in;

    if (ngx_llmops_texts_members(t, &in, choice, &last) != NGX_OK) {
        return NGX_ERROR;
    }

    if (last != choice) {
        t->ntexts = ntexts;
        t->nfinished = nfinished;
        t->nodds = nodds;
        t->ncalls = ncalls;

        (void) ngx_llmops_texts_members(t, &again, last, &choice);
    }

    ngx_llmops_json_leave(it, &in, value);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_texts_message(ngx_llmops_texts_t *t, ngx_llmops_json_iter_t *it,
    ngx_uint_t choice)
{
    ngx_int_t  rc;
    ngx_str_t  key, value;

    while ((rc = ngx_llmops_json_next(it, &key, &value)) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "content")) {

            if (value.data[0] == '[') {
                ngx_llmops_texts_blocks(t, &value, choice);
                continue;
            }

            ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_CONTENT,
                                 NGX_LLMOPS_TEXT_KEY_CONTENT, choice, 0,
                                 &value);

        } else if (ngx_llmops_texts_is(&key, "refusal")) {
            ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_REFUSAL,
                                 NGX_LLMOPS_TEXT_KEY_REFUSAL, choice, 0,
                                 &value);

        } else if (ngx_llmops_texts_is(&key, "reasoning")) {
            ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_REASONING,
                                 NGX_LLMOPS_TEXT_KEY_REASONING, choice, 0,
                                 &value);

        } else if (ngx_llmops_texts_is(&key, "reasoning_content")) {
            ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_REASONING,
                                 NGX_LLMOPS_TEXT_KEY_REASONING_CONTENT,
                                 choice, 1, &value);

        } else if (ngx_llmops_texts_is(&key, "tool_calls")) {
            ngx_llmops_texts_calls(t, &value, choice);

        } else if (ngx_llmops_texts_is(&key, "function_call")) {
            ngx_llmops_texts_function(t, &value, choice);

        } else if (ngx_llmops_texts_is(&key, "reasoning_details")) {
            ngx_llmops_texts_details(t, &value, choice);

        } else if (ngx_llmops_texts_is(&key, "audio")) {
            ngx_llmops_texts_audio(t, &value, choice);
        }
    }

    return rc == NGX_DONE ? NGX_OK : NGX_ERROR;
}


/* the older form of a tool's call */

static void
ngx_llmops_texts_function(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice)
{
    ngx_str_t  value;

    if (ngx_llmops_json_get(json, "name", &value) == NGX_OK) {
        ngx_llmops_texts_named(t, NGX_LLMOPS_TEXT_KEY_FUNCTION_CALL, choice,
                               (ngx_uint_t) -1, &value);
    }

    if (ngx_llmops_json_get(json, "arguments", &value) == NGX_OK) {
        ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_TOOL,
                             NGX_LLMOPS_TEXT_KEY_FUNCTION_CALL, choice,
                             (ngx_uint_t) -1, &value);
    }
}


/* of a custom tool: a text, and no JSON */

static void
ngx_llmops_texts_custom(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice, ngx_uint_t index)
{
    ngx_str_t               key, value;
    ngx_uint_t              n;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, json) != NGX_OK) {
        return;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (!ngx_llmops_texts_is(&key, "input")) {
            continue;
        }

        n = t->ntexts;

        ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_TOOL,
                             NGX_LLMOPS_TEXT_KEY_CUSTOM, choice, index,
                             &value);

        if (t->ntexts != n) {
            t->texts[n].free = 1;
        }
    }
}


static void
ngx_llmops_texts_call(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice, ngx_uint_t index)
{
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it, function;

    if (ngx_llmops_json_object(&it, json) != NGX_OK) {
        return;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {
        if (ngx_llmops_texts_is(&key, "index")) {
            index = ngx_llmops_texts_number(&value);
        }
    }

    (void) ngx_llmops_json_object(&it, json);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "custom")) {
            ngx_llmops_texts_custom(t, &value, choice, index);
            continue;
        }

        if (!ngx_llmops_texts_is(&key, "function")
            || ngx_llmops_json_object(&function, &value) != NGX_OK)
        {
            continue;
        }

        while (ngx_llmops_json_next(&function, &key, &value) == NGX_OK) {
            if (ngx_llmops_texts_is(&key, "arguments")) {
                ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_TOOL,
                                     NGX_LLMOPS_TEXT_KEY_ARGUMENTS, choice,
                                     index, &value);

            } else if (ngx_llmops_texts_is(&key, "name")) {
                ngx_llmops_texts_named(t, NGX_LLMOPS_TEXT_KEY_ARGUMENTS,
                                       choice, index, &value);
            }
        }
    }
}


static void
ngx_llmops_texts_calls(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice)
{
    ngx_str_t               value;
    ngx_uint_t              i;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_array(&it, json) != NGX_OK) {
        return;
    }

    for (i = 0; ngx_llmops_json_next(&it, NULL, &value) == NGX_OK; i++) {
        ngx_llmops_texts_call(t, &value, choice, i);
    }
}
