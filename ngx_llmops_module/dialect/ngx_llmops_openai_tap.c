
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_chunk.h"


/*
 * The tap of the OpenAI family.  An event is read to its end before any of it
 * counts, so that a broken one changes nothing.  What the caller did not ask
 * for is cut out of the bytes, or the whole event is dropped, if it was sent
 * for our sake only; whatever else there is passes.
 */


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

    if (ch->text.bytes) {
        m->output_bytes += ch->text.bytes;
        m->output_tokens += ch->text.tokens;
        m->content = 1;
    }

    if (ch->content) {
        m->content = 1;
    }

    if (ch->finish != NGX_LLMOPS_FINISH_NONE) {
        m->finish = ch->finish;
        m->finished |= ch->finished;
        m->ends += ch->ends;
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

    if (ch->usage.len
        && ngx_llmops_usage_set_openai(&ch->counts, &m->usage) == NGX_OK)
    {
        ngx_llmops_tap_running(m);
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


/* no JSON object: the end, an error in plain text, or not ours to judge */

static void
ngx_llmops_openai_text_event(ngx_llmops_meter_t *m,
    ngx_llmops_sse_event_t *ev, ngx_llmops_tap_t *tap)
{
    if (ngx_llmops_sse_done(&ev->data)) {
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

    if (ngx_llmops_chunk_read(&ch, &ev->data, 0) != NGX_OK) {
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


/* a whole answer is an error, or is one, that has come to its end */

static void
ngx_llmops_openai_body_end(ngx_llmops_meter_t *m,
    ngx_llmops_json_type_e error)
{
    m->terminal = 1;

    if (error == NGX_LLMOPS_JSON_OBJECT || error == NGX_LLMOPS_JSON_STRING) {
        m->error = 1;
        m->finish = NGX_LLMOPS_FINISH_ERROR;

    } else {
        m->started = 1;
    }
}


ngx_int_t
ngx_llmops_openai_whole(ngx_llmops_meter_t *m, ngx_llmops_op_e op,
    ngx_str_t *body)
{
    ngx_llmops_chunk_t  ch;

    if (ngx_llmops_chunk_read(&ch, body, 1) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_llmops_chunk_meter(m, &ch);
    ngx_llmops_openai_body_end(m, ngx_llmops_json_type(&ch.error));

    if (op == NGX_LLMOPS_OP_RESPONSES) {
        ngx_llmops_responses_status(m, &ch.status, &ch.details);
    }

    return NGX_OK;
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
    ngx_llmops_openai_body_end(m, found[NGX_LLMOPS_OPENAI_ERROR].type);
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


/*
 * A quote inside a string is always escaped, so that this spelling can only be
 * the key; the reason follows the message, however long that is.
 */

void
ngx_llmops_openai_body_tail(ngx_llmops_meter_t *m, ngx_str_t *tail)
{
    size_t      n;
    u_char     *p, *f, *last;
    ngx_str_t   value;

    static const u_char  key[] = "\"finish_reason\"";

    n = sizeof(key) - 1;
    last = tail->data + tail->len;

    /* the last one; an "f" behind a quote is rare enough */

    for (f = last; ; /* void */ ) {
        f = memrchr(tail->data, 'f', f - tail->data);

        if (f == NULL || f == tail->data) {
            return;
        }

        p = f - 1;

        if ((size_t) (last - p) > n && ngx_memcmp(p, key, n) == 0) {
            break;
        }
    }

    for (p += n; p < last && (*p == ' ' || *p == ':'); p++) { /* void */ }

    value.data = p;

    if (p == last || *p != '"') {
        return;
    }

    p = memchr(p + 1, '"', last - p - 1);

    if (p) {
        value.len = p + 1 - value.data;
        m->finish = ngx_llmops_openai_finish(&value);
    }
}
