
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_tap.h"


/*
 * The tap of the OpenAI family, which is large: what it looks for may be
 * anywhere that some server puts it, and whatever else there is passes.  An
 * event is read to its end before it counts, so that a broken one changes
 * nothing; the members that matter are gathered in a struct, in one pass.
 */


typedef struct {
    size_t                     bytes;      /* of text, see the meter */
    ngx_llmops_finish_e        finish;
    ngx_str_t                  usage;
    ngx_str_t                  error;
    ngx_str_t                  model;
    ngx_str_t                  object;
    ngx_str_t                  groq;
    ngx_llmops_responses_event_t  event;   /* type, response, delta */
    u_char                    *cut_start;  /* the usage member, with a comma */
    u_char                    *cut_end;
    unsigned                   choices:1;  /* an array, and not empty */
    unsigned                   none:1;     /* an empty array */
    unsigned                   content:1;
    unsigned                   payload:1;  /* a vendor's data */
} ngx_llmops_chunk_t;


/* indexes of ngx_llmops_openai_want, NGX_LLMOPS_OPENAI_NWANT in all */

enum {
    NGX_LLMOPS_OPENAI_USAGE = 0,
    NGX_LLMOPS_OPENAI_MODEL,
    NGX_LLMOPS_OPENAI_ERROR,
    NGX_LLMOPS_OPENAI_GROQ,
    NGX_LLMOPS_OPENAI_STATUS,
    NGX_LLMOPS_OPENAI_DETAILS,
    NGX_LLMOPS_OPENAI_CHOICES,
    NGX_LLMOPS_OPENAI_OUTPUT
};


ngx_llmops_json_want_t  ngx_llmops_openai_want[NGX_LLMOPS_OPENAI_NWANT] = {
    { ngx_string("usage"), 1024 },
    { ngx_string("model"), 128 },
    { ngx_string("error"), 8 },
    { ngx_string("x_groq"), 512 },
    { ngx_string("status"), 32 },
    { ngx_string("incomplete_details"), 128 },
    { ngx_string("choices"), 0 },
    { ngx_string("output"), 0 }
};


static ngx_llmops_finish_e
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
        return ngx_llmops_cursor_text(c, &ch->bytes);
    }

    if (*c->pos == '[' || *c->pos == '{') {
        ch->content = 1;
    }

    return ngx_llmops_cursor_texts(c, &ch->bytes, 0);
}


/* some servers spell the same reasoning twice, under both names */

static ngx_int_t
ngx_llmops_chunk_reasoning(ngx_llmops_cursor_t *c, ngx_llmops_chunk_t *ch,
    size_t *reasoning)
{
    size_t  bytes;

    bytes = 0;

    if (ngx_llmops_cursor_text(c, &bytes) != NGX_OK) {
        return NGX_ERROR;
    }

    if (bytes > *reasoning) {
        ch->bytes += bytes - *reasoning;
        *reasoning = bytes;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_chunk_delta(ngx_llmops_cursor_t *c, ngx_llmops_chunk_t *ch)
{
    size_t     reasoning;
    ngx_int_t  rc;
    ngx_str_t  key;

    if (*c->pos != '{') {
        return ngx_llmops_cursor_value(c, NULL);
    }

    c->pos++;
    reasoning = 0;

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
            rc = ngx_llmops_cursor_value(c, NULL);
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return rc;
}


static ngx_int_t
ngx_llmops_chunk_choice_member(ngx_llmops_cursor_t *c, ngx_str_t *key,
    ngx_llmops_chunk_t *ch)
{
    ngx_str_t            value;
    ngx_llmops_finish_e  finish;

    if (ngx_llmops_is(key, "delta")) {
        return (ngx_llmops_chunk_delta(c, ch) == NGX_ERROR) ? NGX_ERROR
                                                            : NGX_OK;
    }

    if (ngx_llmops_is(key, "text")) {
        return ngx_llmops_cursor_text(c, &ch->bytes);
    }

    if (ngx_llmops_cursor_value(c, &value) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_is(key, "finish_reason")) {
        finish = ngx_llmops_openai_finish(&value);

        if (finish != NGX_LLMOPS_FINISH_NONE) {
            ch->finish = finish;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_chunk_choice(ngx_llmops_cursor_t *c, ngx_llmops_chunk_t *ch)
{
    ngx_int_t  rc;
    ngx_str_t  key;

    if (*c->pos != '{') {
        return ngx_llmops_cursor_value(c, NULL);
    }

    c->pos++;

    while ((rc = ngx_llmops_cursor_member(c, &key)) == NGX_OK) {

        if (ngx_llmops_chunk_choice_member(c, &key, ch) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_chunk_choices(ngx_llmops_cursor_t *c, ngx_llmops_chunk_t *ch)
{
    ngx_int_t  rc;

    if (*c->pos != '[') {
        return ngx_llmops_cursor_value(c, NULL);
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
    u_char  *p;

    ch->cut_start = c->comma ? c->comma : c->member;

    if (ngx_llmops_cursor_value(c, &ch->usage) != NGX_OK) {
        return NGX_ERROR;
    }

    ch->cut_end = c->pos;

    if (ch->cut_start == c->member) {
        p = ngx_llmops_cursor_space(c->pos, c->last);

        if (p < c->last && *p == ',') {
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
            return ngx_llmops_cursor_text(c, &ch->event.bytes);
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

    return ngx_llmops_chunk_other(c, key, ch);
}


static ngx_int_t
ngx_llmops_chunk_read(ngx_llmops_chunk_t *ch, ngx_str_t *data)
{
    ngx_int_t            rc;
    ngx_str_t            key;
    ngx_llmops_cursor_t  c;

    c.last = data->data + data->len;
    c.pos = ngx_llmops_cursor_space(data->data, c.last);

    if (c.pos == c.last || *c.pos != '{') {
        return NGX_DECLINED;
    }

    c.pos++;

    while ((rc = ngx_llmops_cursor_member(&c, &key)) == NGX_OK) {

        if (ngx_llmops_chunk_member(&c, &key, ch) != NGX_OK) {
            return NGX_DECLINED;
        }
    }

    return (rc == NGX_DONE) ? NGX_OK : NGX_DECLINED;
}


/* errors of every shape that has been seen; raw is the object, or the text */

static ngx_uint_t
ngx_llmops_chunk_error(ngx_llmops_chunk_t *ch, ngx_llmops_sse_event_t *ev,
    ngx_str_t *raw)
{
    if (ch->error.len && ngx_llmops_tap_truthy(&ch->error)) {
        *raw = ch->error;
        return 1;
    }

    if (ngx_llmops_is(&ch->event.type, "error")
        || ngx_llmops_is(&ev->name, "error")
        || ngx_llmops_is(&ch->object, "\"error\""))
    {
        *raw = ev->data;
        return 1;
    }

    return 0;
}


static void
ngx_llmops_chunk_meter(ngx_llmops_meter_t *m, ngx_llmops_chunk_t *ch)
{
    ngx_str_t  usage;

    if (ch->bytes) {
        m->output_bytes += ch->bytes;
        m->content = 1;
    }

    if (ch->content) {
        m->content = 1;
    }

    if (ch->finish != NGX_LLMOPS_FINISH_NONE) {
        m->finish = ch->finish;
    }

    if (m->model_len == 0 && ch->model.len) {
        ngx_llmops_tap_model(m, &ch->model);
    }

    /* Groq repeats in x_groq what it may also have under usage */

    if (ch->groq.len
        && ngx_llmops_json_get(&ch->groq, "usage", &usage) == NGX_OK)
    {
        (void) ngx_llmops_usage_openai(&usage, &m->usage);
    }

    if (ch->usage.len > 4) {
        (void) ngx_llmops_usage_openai(&ch->usage, &m->usage);
    }
}


/* the caller did not ask for usage: it gets none */

static void
ngx_llmops_chunk_hide(ngx_llmops_chunk_t *ch, ngx_llmops_sse_event_t *ev,
    ngx_llmops_tap_t *tap)
{
    u_char  *raw;

    if (ch->none && ch->usage.data[0] == '{' && !ch->payload
        && tap->error.len == 0)
    {
        tap->action = NGX_LLMOPS_TAP_DROP;
        return;
    }

    raw = ev->raw.data;

    /* the data of several lines is joined elsewhere: rare enough to pass */

    if (ch->cut_start < raw || ch->cut_end > raw + ev->raw.len) {
        return;
    }

    tap->action = NGX_LLMOPS_TAP_CUT;
    tap->cut_start = ch->cut_start - raw;
    tap->cut_end = ch->cut_end - raw;
}


static ngx_uint_t
ngx_llmops_openai_done(ngx_str_t *data)
{
    u_char  *p, *last;

    p = data->data;
    last = p + data->len;

    while (last > p && last[-1] <= ' ') {
        last--;
    }

    p = ngx_llmops_cursor_space(p, last);

    return last - p == sizeof("[DONE]") - 1
           && ngx_memcmp(p, "[DONE]", sizeof("[DONE]") - 1) == 0;
}


/* no JSON object: the end, an error in plain text, or not ours to judge */

static void
ngx_llmops_openai_text_event(ngx_llmops_meter_t *m,
    ngx_llmops_sse_event_t *ev, ngx_llmops_tap_t *tap)
{
    if (ngx_llmops_openai_done(&ev->data)) {
        m->terminal = 1;

    } else if (ngx_llmops_is(&ev->name, "error")) {
        ngx_llmops_tap_error(m, tap, &ev->data);
    }
}


void
ngx_llmops_openai_event(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_sse_event_t *ev, unsigned want_usage, ngx_llmops_tap_t *tap)
{
    ngx_str_t           error;
    ngx_llmops_chunk_t  ch;

    ngx_memzero(tap, sizeof(ngx_llmops_tap_t));

    if (!ev->has_data) {
        return;
    }

    m->events++;

    ngx_memzero(&ch, sizeof(ngx_llmops_chunk_t));

    if (ngx_llmops_chunk_read(&ch, &ev->data) != NGX_OK) {
        ngx_llmops_openai_text_event(m, ev, tap);
        return;
    }

    ngx_llmops_chunk_meter(m, &ch);

    if (ch.event.type.len) {
        ngx_llmops_tap_unquote(&ch.event.type);
        ngx_llmops_responses_tap(m, &ch.event, tap);
    }

    if (ngx_llmops_chunk_error(&ch, ev, &error)) {
        ngx_llmops_tap_error(m, tap, &error);

    } else if (!m->error) {
        m->started = 1;
    }

    if (ch.usage.len && !want_usage
        && (op == NGX_LLMOPS_OP_CHAT || op == NGX_LLMOPS_OP_COMPLETIONS))
    {
        ngx_llmops_chunk_hide(&ch, ev, tap);
    }
}


static void
ngx_llmops_openai_body_usage(ngx_llmops_meter_t *m,
    ngx_llmops_json_member_t *found)
{
    ngx_str_t  usage;

    if (ngx_llmops_json_get(&found[NGX_LLMOPS_OPENAI_GROQ].value, "usage",
                            &usage)
        == NGX_OK)
    {
        (void) ngx_llmops_usage_openai(&usage, &m->usage);
    }

    (void) ngx_llmops_usage_openai(&found[NGX_LLMOPS_OPENAI_USAGE].value,
                                   &m->usage);
}


void
ngx_llmops_openai_body(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_llmops_json_member_t *found)
{
    ngx_llmops_json_type_e  error;

    error = found[NGX_LLMOPS_OPENAI_ERROR].type;

    m->terminal = 1;

    if (error == NGX_LLMOPS_JSON_OBJECT || error == NGX_LLMOPS_JSON_STRING) {
        m->error = 1;
        m->finish = NGX_LLMOPS_FINISH_ERROR;

    } else {
        m->started = 1;
    }

    ngx_llmops_openai_body_usage(m, found);
    ngx_llmops_tap_model(m, &found[NGX_LLMOPS_OPENAI_MODEL].value);
    ngx_llmops_tap_span(m, &found[NGX_LLMOPS_OPENAI_CHOICES]);
    ngx_llmops_tap_span(m, &found[NGX_LLMOPS_OPENAI_OUTPUT]);

    if (op == NGX_LLMOPS_OP_RESPONSES) {
        ngx_llmops_responses_status(m,
                                 &found[NGX_LLMOPS_OPENAI_STATUS].value,
                                 &found[NGX_LLMOPS_OPENAI_DETAILS].value);
    }
}
