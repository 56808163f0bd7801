
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


static void ngx_llmops_texts_choice(ngx_llmops_texts_t *t, ngx_str_t *json);
static void ngx_llmops_texts_choice_slow(ngx_llmops_texts_t *t,
    ngx_str_t *json);
static void ngx_llmops_texts_message(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice);
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

    if (raw->data[0] != '"' && raw->data[0] != '{') {
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
    text->object = (raw->data[0] == '{');
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
    ngx_llmops_json_iter_t  it, choices;

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

    while ((rc = ngx_llmops_json_next(&it, &key, &value)) == NGX_OK) {

        if (op == NGX_LLMOPS_OP_MESSAGES || op == NGX_LLMOPS_OP_RESPONSES) {
            continue;                           /* only to its end */
        }

        if (ngx_llmops_texts_is(&key, "id")) {
            t->id = value;

        } else if (ngx_llmops_texts_is(&key, "created")) {
            t->created = value;

        } else if (ngx_llmops_texts_is(&key, "model")) {
            t->model = value;

        } else if (ngx_llmops_texts_is(&key, "choices")
                   && ngx_llmops_json_array(&choices, &value) == NGX_OK)
        {
            while (ngx_llmops_json_next(&choices, NULL, &value) == NGX_OK) {
                ngx_llmops_texts_choice(t, &value);
            }
        }
    }

    return (rc == NGX_DONE && !t->overflow) ? NGX_OK : NGX_DECLINED;
}


/* a member of a choice, the number of which is known */

static void
ngx_llmops_texts_member(ngx_llmops_texts_t *t, ngx_str_t *key,
    ngx_str_t *value, ngx_uint_t choice)
{
    if (ngx_llmops_texts_is(key, "delta")
        || ngx_llmops_texts_is(key, "message"))
    {
        ngx_llmops_texts_message(t, value, choice);

    } else if (ngx_llmops_texts_is(key, "text")) {
        ngx_llmops_texts_add(t, NGX_LLMOPS_TEXT_CONTENT,
                             NGX_LLMOPS_TEXT_KEY_TEXT, choice, 0, value);

    } else if (ngx_llmops_texts_is(key, "finish_reason")
               && value->data[0] == '"' && value->len > 2)
    {
        ngx_llmops_texts_finish(t, choice);

    } else if (ngx_llmops_texts_is(key, "logprobs")) {
        ngx_llmops_texts_odds(t, choice, (ngx_uint_t) -1, value);
    }
}


/*
 * The number may stand behind the texts.  It seldom does: a choice that begins
 * with it, and does not have it twice, is read once.
 */

static void
ngx_llmops_texts_choice(ngx_llmops_texts_t *t, ngx_str_t *json)
{
    ngx_str_t               key, value;
    ngx_uint_t              choice, again, ntexts, nfinished, nodds;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, json) != NGX_OK) {
        return;
    }

    ntexts = t->ntexts;
    nfinished = t->nfinished;
    nodds = t->nodds;
    choice = 0;
    again = 0;

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "index")) {
            again = (choice != ngx_llmops_texts_number(&value));
            choice = ngx_llmops_texts_number(&value);
            break;
        }

        ngx_llmops_texts_member(t, &key, &value, choice);
    }

    again = again && (t->ntexts != ntexts || t->nfinished != nfinished
                      || t->nodds != nodds);

    while (!again && ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

        if (ngx_llmops_texts_is(&key, "index")) {
            again = (choice != ngx_llmops_texts_number(&value));
            continue;
        }

        ngx_llmops_texts_member(t, &key, &value, choice);
    }

    if (again) {
        t->ntexts = ntexts;
        t->nfinished = nfinished;
        t->nodds = nodds;

        ngx_llmops_texts_choice_slow(t, json);
    }
}


/* the last of several numbers counts, for all of the choice */

static void
ngx_llmops_texts_choice_slow(ngx_llmops_texts_t *t, ngx_str_t *json)
{
    ngx_str_t               key, value;
    ngx_uint_t              choice;
    ngx_llmops_json_iter_t  it;

    choice = 0;

    (void) ngx_llmops_json_object(&it, json);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {
        if (ngx_llmops_texts_is(&key, "index")) {
            choice = ngx_llmops_texts_number(&value);
        }
    }

    (void) ngx_llmops_json_object(&it, json);

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {
        ngx_llmops_texts_member(t, &key, &value, choice);
    }
}


static void
ngx_llmops_texts_message(ngx_llmops_texts_t *t, ngx_str_t *json,
    ngx_uint_t choice)
{
    ngx_str_t               key, value;
    ngx_llmops_json_iter_t  it;

    if (ngx_llmops_json_object(&it, json) != NGX_OK) {
        return;
    }

    while (ngx_llmops_json_next(&it, &key, &value) == NGX_OK) {

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
        }
    }
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
