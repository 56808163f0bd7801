
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_chunk.h"


/*
 * Reading of an event of the OpenAI family, which is large: what matters may
 * be anywhere that some server puts it, and is noted on the way; nothing is
 * judged here.  A whole answer has the same members, with a message where an
 * event has a delta, and a few more.
 */


typedef struct {
    ngx_uint_t                 index;
    ngx_uint_t                 finished;
} ngx_llmops_chunk_choice_t;


ngx_llmops_finish_e
ngx_llmops_openai_finish(ngx_str_t *value)
{
    ngx_str_t  s;

    s = *value;
    ngx_llmops_tap_unquote(&s);

    if (s.len == 0) {
        return NGX_LLMOPS_FINISH_NONE;
    }

    if (ngx_llmops_is(&s, "length")) {
        return NGX_LLMOPS_FINISH_LENGTH;
    }

    if (ngx_llmops_is(&s, "tool_calls") || ngx_llmops_is(&s, "function_call"))
    {
        return NGX_LLMOPS_FINISH_TOOL_CALLS;
    }

    if (ngx_llmops_is(&s, "content_filter")) {
        return NGX_LLMOPS_FINISH_CONTENT_FILTER;
    }

    if (ngx_llmops_is(&s, "error")) {
        return NGX_LLMOPS_FINISH_ERROR;
    }

    return NGX_LLMOPS_FINISH_STOP;
}


/* a string, or parts as Mistral sends them; or tool calls */

static ngx_int_t
ngx_llmops_chunk_texts(ngx_llmops_cursor_t *c, ngx_llmops_chunk_t *ch)
{
    if (*c->pos == '"') {
        return ngx_llmops_cursor_text(c, &ch->text);
    }

    if (*c->pos == '[' || *c->pos == '{') {
        ch->content = 1;
    }

    return ngx_llmops_cursor_texts(c, &ch->text, 0);
}


/* some servers spell the same reasoning twice, under both names */

static ngx_int_t
ngx_llmops_chunk_reasoning(ngx_llmops_cursor_t *c, ngx_llmops_chunk_t *ch,
    ngx_llmops_text_t *reasoning)
{
    ngx_llmops_text_t  text;

    ngx_memzero(&text, sizeof(ngx_llmops_text_t));
    text.whole = ch->text.whole;

    if (ngx_llmops_cursor_text(c, &text) != NGX_OK) {
        return NGX_ERROR;
    }

    if (text.bytes > reasoning->bytes) {
        ch->text.bytes += text.bytes - reasoning->bytes;
        ch->text.tokens += text.tokens - ngx_min(text.tokens,
                                                 reasoning->tokens);
        *reasoning = text;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_chunk_delta(ngx_llmops_cursor_t *c, ngx_llmops_chunk_t *ch)
{
    ngx_int_t          rc;
    ngx_str_t          key;
    ngx_llmops_text_t  reasoning;

    if (*c->pos != '{') {
        return ngx_llmops_cursor_skip(c);
    }

    c->pos++;
    ngx_memzero(&reasoning, sizeof(ngx_llmops_text_t));

    while ((rc = ngx_llmops_cursor_member(c, &key)) == NGX_OK) {

        if (ngx_llmops_is(&key, "content")
            || ngx_llmops_is(&key, "refusal")
            || ngx_llmops_is(&key, "tool_calls")
            || ngx_llmops_is(&key, "function_call"))
        {
            rc = ngx_llmops_chunk_texts(c, ch);

        } else if (ngx_llmops_is(&key, "reasoning")
                   || ngx_llmops_is(&key, "reasoning_content"))
        {
            rc = ngx_llmops_chunk_reasoning(c, ch, &reasoning);

        } else {
            rc = ngx_llmops_cursor_skip(c);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_chunk_choice_member(ngx_llmops_cursor_t *c, ngx_str_t *key,
    ngx_llmops_chunk_t *ch, ngx_llmops_chunk_choice_t *choice)
{
    int64_t              n;
    ngx_str_t            value;
    ngx_llmops_finish_e  finish;

    /* some servers repeat the message at the end of a stream */

    if (ch->whole ? ngx_llmops_is(key, "message")
                  : ngx_llmops_is(key, "delta"))
    {
        return ngx_llmops_chunk_delta(c, ch);
    }

    if (ngx_llmops_is(key, "text")) {
        return ngx_llmops_cursor_text(c, &ch->text);
    }

    if (ngx_llmops_cursor_value(c, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_is(key, "finish_reason")) {
        finish = ngx_llmops_openai_finish(&value);

        if (finish != NGX_LLMOPS_FINISH_NONE) {
            ch->finish = finish;
            choice->finished = 1;
        }

    } else if (ngx_llmops_is(key, "index")
               && ngx_llmops_json_count(&value, &n) == NGX_OK && n < 32)
    {
        choice->index = (ngx_uint_t) n;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_chunk_choice(ngx_llmops_cursor_t *c, ngx_llmops_chunk_t *ch)
{
    ngx_int_t                   rc;
    ngx_str_t                   key;
    ngx_llmops_chunk_choice_t   choice;

    if (*c->pos != '{') {
        return ngx_llmops_cursor_skip(c);
    }

    c->pos++;

    choice.index = 0;
    choice.finished = 0;

    while ((rc = ngx_llmops_cursor_member(c, &key)) == NGX_OK) {

        if (ngx_llmops_chunk_choice_member(c, &key, ch, &choice) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ch->finished |= (uint32_t) choice.finished << choice.index;
    ch->ends += (uint32_t) choice.finished;

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_chunk_choices(ngx_llmops_cursor_t *c, ngx_llmops_chunk_t *ch)
{
    ngx_int_t  rc;

    if (*c->pos != '[') {
        return ngx_llmops_cursor_skip(c);
    }

    c->pos++;
    ch->none = 1;

    while ((rc = ngx_llmops_cursor_element(c)) == NGX_OK) {
        ch->none = 0;
        ch->choices = 1;

        if (ngx_llmops_chunk_choice(c, ch) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}


/* the member goes with the comma before it, the first with the one behind */

static ngx_int_t
ngx_llmops_chunk_usage(ngx_llmops_cursor_t *c, ngx_llmops_chunk_t *ch)
{
    u_char  *p, *member;

    ch->cut_start = c->comma ? c->comma : c->member;
    member = c->member;

    ch->usage.data = c->pos;

    if (ngx_llmops_usage_read_openai(c, &ch->counts) != NGX_OK) {
        return NGX_ERROR;
    }

    ch->usage.len = c->pos - ch->usage.data;
    ch->cut_end = c->pos;

    if (ch->cut_start == member) {
        p = ngx_llmops_cursor_space(c->pos);

        if (*p == ',') {
            ch->cut_end = p + 1;
        }
    }

    return NGX_OK;
}


/*
 * Members that nobody has to know.  A chunk without choices that carries an
 * object or array under another name than these is a vendor's own.
 */

static ngx_int_t
ngx_llmops_chunk_other(ngx_llmops_cursor_t *c, ngx_str_t *key,
    ngx_llmops_chunk_t *ch)
{
    ngx_str_t  value;

    if (ngx_llmops_cursor_value(c, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if ((value.data[0] == '{' || value.data[0] == '[') && value.len > 2
        && !ngx_llmops_is(key, "timings") && !ngx_llmops_is(key, "metrics"))
    {
        ch->payload = 1;
    }

    return NGX_OK;
}


/* what only whole answers have: those of the Responses API */

static ngx_int_t
ngx_llmops_chunk_answer(ngx_llmops_cursor_t *c, ngx_str_t *key,
    ngx_llmops_chunk_t *ch)
{
    if (ngx_llmops_is(key, "status")) {
        return ngx_llmops_cursor_value(c, &ch->status);
    }

    if (ngx_llmops_is(key, "output")) {
        return ngx_llmops_chunk_texts(c, ch);
    }

    if (ngx_llmops_is(key, "incomplete_details")) {
        return ngx_llmops_cursor_value(c, &ch->details);
    }

    return ngx_llmops_cursor_skip(c);
}


static ngx_int_t
ngx_llmops_chunk_member(ngx_llmops_cursor_t *c, ngx_str_t *key,
    ngx_llmops_chunk_t *ch)
{
    switch (key->len) {

    case 4:
        if (ngx_llmops_is(key, "type")) {
            return ngx_llmops_cursor_value(c, &ch->event.type);
        }

        break;

    case 5:
        if (ngx_llmops_is(key, "usage")) {
            return ngx_llmops_chunk_usage(c, ch);
        }

        if (ngx_llmops_is(key, "model")) {
            return ngx_llmops_cursor_value(c, &ch->model);
        }

        if (ngx_llmops_is(key, "error")) {
            return ngx_llmops_cursor_value(c, &ch->error);
        }

        if (ngx_llmops_is(key, "delta")) {
            return ngx_llmops_cursor_text(c, &ch->event.text);
        }

        break;

    case 6:
        if (ngx_llmops_is(key, "object")) {
            return ngx_llmops_cursor_value(c, &ch->object);
        }

        if (ngx_llmops_is(key, "x_groq")) {
            return ngx_llmops_cursor_value(c, &ch->groq);
        }

        break;

    case 7:
        if (ngx_llmops_is(key, "choices")) {
            return ngx_llmops_chunk_choices(c, ch);
        }

        break;

    case 8:
        if (ngx_llmops_is(key, "response")) {
            return ngx_llmops_cursor_value(c, &ch->event.response);
        }

        break;
    }

    return ch->whole ? ngx_llmops_chunk_answer(c, key, ch)
                     : ngx_llmops_chunk_other(c, key, ch);
}


ngx_int_t
ngx_llmops_chunk_read(ngx_llmops_chunk_t *ch, ngx_str_t *data,
    ngx_uint_t whole)
{
    ngx_int_t            rc;
    ngx_str_t            key;
    ngx_llmops_cursor_t  c;

    ngx_memzero(ch, offsetof(ngx_llmops_chunk_t, counts));
    ch->whole = whole;
    ch->text.whole = whole;
    ch->event.text.whole = whole;

    if (ngx_llmops_cursor_open(&c, data) != NGX_OK) {
        return NGX_DECLINED;
    }

    while ((rc = ngx_llmops_cursor_member(&c, &key)) == NGX_OK) {

        if (ngx_llmops_chunk_member(&c, &key, ch) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return (rc == NGX_LLMOPS_CURSOR_END) ? NGX_OK : NGX_DECLINED;
}
