
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_tap.h"


/*
 * Events that say what they are: those of the Responses API, and of the
 * image and audio streams.  Their usage is part of the protocol, and their
 * end is an event of its own.
 */


static ngx_uint_t
ngx_llmops_responses_starts(ngx_str_t *s, const char *with, size_t len)
{
    return s->len >= len && ngx_memcmp(s->data, with, len) == 0;
}


static ngx_uint_t
ngx_llmops_responses_ends(ngx_str_t *s, const char *with, size_t len)
{
    return s->len >= len
           && ngx_memcmp(s->data + s->len - len, with, len) == 0;
}


#define ngx_llmops_starts(s, lit)                                             \
    ngx_llmops_responses_starts(s, lit, sizeof(lit) - 1)

#define ngx_llmops_ends(s, lit)                                               \
    ngx_llmops_responses_ends(s, lit, sizeof(lit) - 1)


static void
ngx_llmops_responses_incomplete(ngx_llmops_meter_t *m, ngx_str_t *details)
{
    ngx_str_t  reason;

    m->finish = NGX_LLMOPS_FINISH_LENGTH;

    if (ngx_llmops_json_get(details, "reason", &reason) == NGX_OK
        && ngx_llmops_is(&reason, "\"content_filter\""))
    {
        m->finish = NGX_LLMOPS_FINISH_CONTENT_FILTER;
    }
}


void
ngx_llmops_responses_status(ngx_llmops_meter_t *m, ngx_str_t *status,
    ngx_str_t *details)
{
    if (ngx_llmops_is(status, "\"completed\"")) {
        m->finish = NGX_LLMOPS_FINISH_STOP;

    } else if (ngx_llmops_is(status, "\"incomplete\"")) {
        ngx_llmops_responses_incomplete(m, details);

    } else if (ngx_llmops_is(status, "\"failed\"")) {
        m->finish = NGX_LLMOPS_FINISH_ERROR;
    }
}


/* what an event carries in its response object */

static void
ngx_llmops_responses_object(ngx_llmops_meter_t *m, ngx_str_t *response)
{
    ngx_str_t  value;

    if (ngx_llmops_json_get(response, "usage", &value) == NGX_OK) {
        (void) ngx_llmops_usage_openai(&value, &m->usage);
    }

    if (m->model_len == 0
        && ngx_llmops_json_get(response, "model", &value) == NGX_OK)
    {
        ngx_llmops_tap_model(m, &value);
    }
}


static void
ngx_llmops_responses_failed(ngx_llmops_meter_t *m, ngx_str_t *response,
    ngx_llmops_tap_t *tap)
{
    ngx_str_t  error;

    m->terminal = 1;

    if (ngx_llmops_json_get(response, "error", &error) != NGX_OK) {
        error = *response;
    }

    ngx_llmops_tap_error(m, tap, &error);
}


/* deltas of audio are base64, which is not counted in tokens */

static void
ngx_llmops_responses_delta(ngx_llmops_meter_t *m,
    ngx_llmops_responses_event_t *e)
{
    m->content = 1;

    if (!ngx_llmops_ends(&e->type, "audio.delta")) {
        m->output_bytes += e->text.bytes;
        m->output_tokens += e->text.tokens;
    }
}


static void
ngx_llmops_responses_terminal(ngx_llmops_meter_t *m,
    ngx_llmops_responses_event_t *e, ngx_llmops_tap_t *tap)
{
    ngx_str_t  details;

    if (ngx_llmops_is(&e->type, "response.failed")) {
        ngx_llmops_responses_failed(m, &e->response, tap);

    } else if (ngx_llmops_is(&e->type, "response.incomplete")) {
        m->terminal = 1;

        if (ngx_llmops_json_get(&e->response, "incomplete_details", &details)
            != NGX_OK)
        {
            ngx_str_null(&details);
        }

        ngx_llmops_responses_incomplete(m, &details);

    } else if (ngx_llmops_is(&e->type, "response.completed")) {
        m->terminal = 1;

        if (m->finish == NGX_LLMOPS_FINISH_NONE) {
            m->finish = NGX_LLMOPS_FINISH_STOP;
        }
    }
}


static void
ngx_llmops_media_tap(ngx_llmops_meter_t *m, ngx_llmops_responses_event_t *e)
{
    if (ngx_llmops_is(&e->type, "image_generation.completed")
        || ngx_llmops_is(&e->type, "image_edit.completed")
        || ngx_llmops_is(&e->type, "transcript.text.done")
        || ngx_llmops_is(&e->type, "speech.audio.done"))
    {
        m->terminal = 1;
        m->content = 1;
        m->finish = NGX_LLMOPS_FINISH_STOP;

    } else if (ngx_llmops_ends(&e->type, ".delta")
               || ngx_llmops_ends(&e->type, ".partial_image"))
    {
        ngx_llmops_responses_delta(m, e);
    }
}


void
ngx_llmops_responses_tap(ngx_llmops_meter_t *m,
    ngx_llmops_responses_event_t *e, ngx_llmops_tap_t *tap)
{
    if (!ngx_llmops_starts(&e->type, "response.")) {
        ngx_llmops_media_tap(m, e);
        return;
    }

    if (ngx_llmops_ends(&e->type, ".delta")) {
        ngx_llmops_responses_delta(m, e);
        return;
    }

    if (ngx_llmops_is(&e->type, "response.function_call_arguments.done")
        || ngx_llmops_is(&e->type, "response.custom_tool_call_input.done"))
    {
        m->finish = NGX_LLMOPS_FINISH_TOOL_CALLS;
        return;
    }

    if (e->response.len) {
        ngx_llmops_responses_object(m, &e->response);
        ngx_llmops_responses_terminal(m, e, tap);
    }
}
