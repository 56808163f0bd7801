
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_tap.h"


/*
 * The tap of Anthropic's API.  Its streams are strict: one object for each
 * event, whose type says what it is, usage at the start and as running totals
 * in each message_delta, and message_stop as the end.  Usage is part of the
 * protocol, so that nothing is ever taken out for that.
 */


typedef struct {
    ngx_llmops_text_t          text;
    ngx_str_t                  type;
    ngx_str_t                  message;
    ngx_str_t                  error;
    ngx_str_t                  model;      /* of a whole answer */
    ngx_str_t                  stop_reason;
    int64_t                    index;      /* of a content block */
    unsigned                   usage:1;
    ngx_llmops_counts_t        counts;     /* set with usage: not zeroed */
} ngx_llmops_message_event_t;


/* indexes of ngx_llmops_anthropic_want, NGX_LLMOPS_ANTHROPIC_NWANT in all */

enum {
    NGX_LLMOPS_ANTHROPIC_USAGE = 0,
    NGX_LLMOPS_ANTHROPIC_MODEL,
    NGX_LLMOPS_ANTHROPIC_ERROR,
    NGX_LLMOPS_ANTHROPIC_STOP,
    NGX_LLMOPS_ANTHROPIC_CONTENT
};


ngx_llmops_json_want_t
ngx_llmops_anthropic_want[NGX_LLMOPS_ANTHROPIC_NWANT] = {
    { ngx_string("usage"), 1024 },
    { ngx_string("model"), 128 },
    { ngx_string("error"), 8 },
    { ngx_string("stop_reason"), 48 },
    { ngx_string("content"), 0 }
};


static ngx_llmops_finish_e
ngx_llmops_anthropic_finish(ngx_str_t *value)
{
    ngx_str_t  s;

    s = *value;
    ngx_llmops_tap_unquote(&s);

    if (s.len == 0) {
        return NGX_LLMOPS_FINISH_NONE;
    }

    if (ngx_llmops_is(&s, "tool_use")) {
        return NGX_LLMOPS_FINISH_TOOL_CALLS;
    }

    if (ngx_llmops_is(&s, "max_tokens")
        || ngx_llmops_is(&s, "model_context_window_exceeded"))
    {
        return NGX_LLMOPS_FINISH_LENGTH;
    }

    if (ngx_llmops_is(&s, "refusal")) {
        return NGX_LLMOPS_FINISH_CONTENT_FILTER;
    }

    return NGX_LLMOPS_FINISH_STOP;
}


/* the text of a delta; a signature is not text, nor is a citation */

static ngx_int_t
ngx_llmops_anthropic_delta(ngx_llmops_cursor_t *c,
    ngx_llmops_message_event_t *e)
{
    ngx_int_t  rc;
    ngx_str_t  key;

    if (*c->pos != '{') {
        return ngx_llmops_cursor_skip(c);
    }

    c->pos++;

    while ((rc = ngx_llmops_cursor_member(c, &key)) == NGX_OK) {

        if (ngx_llmops_is(&key, "text") || ngx_llmops_is(&key, "thinking")
            || ngx_llmops_is(&key, "partial_json"))
        {
            rc = ngx_llmops_cursor_text(c, &e->text);

        } else if (ngx_llmops_is(&key, "stop_reason")) {
            rc = ngx_llmops_cursor_value(c, &e->stop_reason);

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
ngx_llmops_anthropic_index(ngx_llmops_cursor_t *c,
    ngx_llmops_message_event_t *e)
{
    ngx_str_t  value;

    if (ngx_llmops_cursor_value(c, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    (void) ngx_llmops_json_count(&value, &e->index);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_anthropic_member(ngx_llmops_cursor_t *c, ngx_str_t *key,
    ngx_llmops_message_event_t *e)
{
    if (ngx_llmops_is(key, "type")) {
        return ngx_llmops_cursor_value(c, &e->type);
    }

    if (ngx_llmops_is(key, "delta")) {
        return ngx_llmops_anthropic_delta(c, e);
    }

    if (ngx_llmops_is(key, "content_block")) {
        /* empty but for servers that send it whole */
        return ngx_llmops_cursor_texts(c, &e->text, 0);
    }

    if (ngx_llmops_is(key, "message")) {
        return ngx_llmops_cursor_value(c, &e->message);
    }

    if (ngx_llmops_is(key, "index")) {
        return ngx_llmops_anthropic_index(c, e);
    }

    if (ngx_llmops_is(key, "usage")) {
        e->usage = 1;
        return ngx_llmops_usage_read_anthropic(c, &e->counts);
    }

    if (ngx_llmops_is(key, "error")) {
        return ngx_llmops_cursor_value(c, &e->error);
    }

    return ngx_llmops_cursor_skip(c);
}


/* a whole answer is the message itself */

static ngx_int_t
ngx_llmops_anthropic_member_whole(ngx_llmops_cursor_t *c, ngx_str_t *key,
    ngx_llmops_message_event_t *e)
{
    if (ngx_llmops_is(key, "content")) {
        return ngx_llmops_cursor_texts(c, &e->text, 0);
    }

    if (ngx_llmops_is(key, "model")) {
        return ngx_llmops_cursor_value(c, &e->model);
    }

    if (ngx_llmops_is(key, "stop_reason")) {
        return ngx_llmops_cursor_value(c, &e->stop_reason);
    }

    if (ngx_llmops_is(key, "delta") || ngx_llmops_is(key, "content_block")) {
        return ngx_llmops_cursor_skip(c);       /* of events only */
    }

    return ngx_llmops_anthropic_member(c, key, e);
}


static ngx_int_t
ngx_llmops_anthropic_read(ngx_llmops_message_event_t *e, ngx_str_t *data,
    ngx_uint_t whole)
{
    ngx_int_t            rc;
    ngx_str_t            key;
    ngx_llmops_cursor_t  c;

    ngx_memzero(e, offsetof(ngx_llmops_message_event_t, counts));
    e->text.whole = whole;

    if (ngx_llmops_cursor_open(&c, data) != NGX_OK) {
        return NGX_DECLINED;
    }

    while ((rc = ngx_llmops_cursor_member(&c, &key)) == NGX_OK) {

        rc = whole ? ngx_llmops_anthropic_member_whole(&c, &key, e)
                   : ngx_llmops_anthropic_member(&c, &key, e);

        if (rc != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    ngx_llmops_tap_unquote(&e->type);

    return (rc == NGX_LLMOPS_CURSOR_END) ? NGX_OK : NGX_DECLINED;
}


/*
 * Some servers start a message twice, which the SDK's helpers take for an
 * error of ours: the second start is kept back, but its usage counts.
 */

static void
ngx_llmops_anthropic_start(ngx_llmops_meter_t *m,
    ngx_llmops_message_event_t *e, ngx_llmops_tap_t *tap)
{
    ngx_str_t  value;

    if (m->model_len) {
        tap->action = NGX_LLMOPS_TAP_DROP;
    }

    m->started = 1;

    if (ngx_llmops_json_get(&e->message, "usage", &value) == NGX_OK) {
        ngx_llmops_usage_anthropic(&value, m);
    }

    if (m->model_len == 0
        && ngx_llmops_json_get(&e->message, "model", &value) == NGX_OK)
    {
        ngx_llmops_tap_model(m, &value);
    }
}


static void
ngx_llmops_anthropic_end(ngx_llmops_meter_t *m,
    ngx_llmops_message_event_t *e)
{
    ngx_llmops_finish_e  finish;

    finish = ngx_llmops_anthropic_finish(&e->stop_reason);

    if (finish != NGX_LLMOPS_FINISH_NONE) {
        m->finish = finish;
    }

    if (e->usage) {
        ngx_llmops_usage_set_anthropic(&e->counts, m);
        ngx_llmops_tap_running(m);
    }
}


static void
ngx_llmops_anthropic_meter(ngx_llmops_meter_t *m,
    ngx_llmops_message_event_t *e, ngx_llmops_tap_t *tap)
{
    if (e->text.bytes) {
        m->output_bytes += e->text.bytes;
        m->output_tokens += e->text.tokens;
        m->content = 1;
    }

    if (ngx_llmops_is(&e->type, "content_block_delta")) {
        m->started = 1;

    } else if (ngx_llmops_is(&e->type, "content_block_start")) {
        m->started = 1;
        m->content = 1;
        m->block = (ngx_uint_t) e->index + 1;

    } else if (ngx_llmops_is(&e->type, "content_block_stop")) {
        m->block = 0;

    } else if (ngx_llmops_is(&e->type, "message_start")) {
        ngx_llmops_anthropic_start(m, e, tap);

    } else if (ngx_llmops_is(&e->type, "message_delta")) {
        m->started = 1;
        ngx_llmops_anthropic_end(m, e);

    } else if (ngx_llmops_is(&e->type, "message_stop")) {
        m->started = 1;
        m->terminal = 1;
    }
}


/* with an event line, a type, or neither, as servers of the other kind do */

static ngx_uint_t
ngx_llmops_anthropic_error(ngx_llmops_message_event_t *e,
    ngx_llmops_sse_event_t *ev, ngx_str_t *raw)
{
    if (e->error.len && ngx_llmops_tap_truthy(&e->error)) {
        *raw = e->error;
        return 1;
    }

    if (ngx_llmops_is(&e->type, "error") || ngx_llmops_is(&ev->name, "error"))
    {
        *raw = ev->data;
        return 1;
    }

    return 0;
}


void
ngx_llmops_anthropic_event(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_sse_event_t *ev, unsigned want_usage, ngx_llmops_tap_t *tap)
{
    ngx_int_t                   rc;
    ngx_str_t                   error;
    ngx_llmops_message_event_t  e;

    ngx_memzero(tap, sizeof(ngx_llmops_tap_t));

    if (!ev->has_data) {
        return;
    }

    m->events++;

    rc = ngx_llmops_anthropic_read(&e, &ev->data, 0);

    if (rc != NGX_OK) {
        /* what was gathered of a broken event does not count */
        ngx_memzero(&e, sizeof(ngx_llmops_message_event_t));
    }

    if (ngx_llmops_anthropic_error(&e, ev, &error)) {
        ngx_llmops_tap_error(m, tap, &error);
        return;
    }

    if (rc == NGX_OK) {
        ngx_llmops_anthropic_meter(m, &e, tap);
    }
}


ngx_int_t
ngx_llmops_anthropic_whole(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_str_t *body)
{
    ngx_llmops_message_event_t  e;

    if (ngx_llmops_anthropic_read(&e, body, 1) != NGX_OK) {
        return NGX_DECLINED;
    }

    m->terminal = 1;

    if (ngx_llmops_json_type(&e.error) == NGX_LLMOPS_JSON_OBJECT) {
        m->error = 1;
        m->finish = NGX_LLMOPS_FINISH_ERROR;
        return NGX_OK;
    }

    m->started = 1;

    if (e.text.bytes) {
        m->output_bytes += e.text.bytes;
        m->content = 1;
    }

    ngx_llmops_tap_model(m, &e.model);
    ngx_llmops_anthropic_end(m, &e);

    return NGX_OK;
}


void
ngx_llmops_anthropic_body(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_json_member_t *found)
{
    ngx_llmops_finish_e  finish;

    m->terminal = 1;

    if (found[NGX_LLMOPS_ANTHROPIC_ERROR].type == NGX_LLMOPS_JSON_OBJECT) {
        m->error = 1;
        m->finish = NGX_LLMOPS_FINISH_ERROR;
        return;
    }

    m->started = 1;

    finish = ngx_llmops_anthropic_finish(
                                      &found[NGX_LLMOPS_ANTHROPIC_STOP].value);
    if (finish != NGX_LLMOPS_FINISH_NONE) {
        m->finish = finish;
    }

    ngx_llmops_usage_anthropic(&found[NGX_LLMOPS_ANTHROPIC_USAGE].value, m);
    ngx_llmops_tap_model(m, &found[NGX_LLMOPS_ANTHROPIC_MODEL].value);
    ngx_llmops_tap_span(m, &found[NGX_LLMOPS_ANTHROPIC_CONTENT]);
}
