
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_openai_codec.h"


/* Writing streams of chat completions. */


/* longer thinking is not kept for its signature */
#define NGX_LLMOPS_OPENAI_THINKING  1048576


static void ngx_llmops_openai_open(ngx_llmops_xlate_t *x);
static void ngx_llmops_openai_close(ngx_llmops_xlate_t *x,
    const char *finish);
static void ngx_llmops_openai_quote(ngx_llmops_xlate_t *x, const char *s);
static void ngx_llmops_openai_text_out(ngx_llmops_xlate_t *x,
    const char *member, ngx_str_t *text);
static void ngx_llmops_openai_call_out(ngx_llmops_xlate_t *x,
    ngx_llmops_ev_t *ev);
static void ngx_llmops_openai_tool_start(ngx_llmops_xlate_t *x,
    ngx_llmops_slot_t *slot);
static void ngx_llmops_openai_tool_args(ngx_llmops_xlate_t *x,
    ngx_llmops_slot_t *slot, ngx_str_t *text);
static void ngx_llmops_openai_function(ngx_llmops_xlate_t *x,
    ngx_llmops_slot_t *slot, ngx_str_t *text);
static void ngx_llmops_openai_signature(ngx_llmops_xlate_t *x,
    ngx_str_t *text);
static void ngx_llmops_openai_end(ngx_llmops_xlate_t *x);


void
ngx_llmops_openai_event_out(ngx_llmops_xlate_t *x, ngx_llmops_ev_t *ev)
{
    ngx_llmops_openai_out_t  *st;

    st = x->enc;

    switch (ev->type) {

    case NGX_LLMOPS_EV_START:
        ngx_llmops_out_free(&st->thinking);
        ngx_llmops_out_init(&st->thinking, NGX_LLMOPS_OPENAI_THINKING);
        ngx_llmops_openai_open(x);
        ngx_llmops_out_lit(x->out, "{\"role\":\"assistant\",\"content\":\"\"}");
        ngx_llmops_openai_close(x, NULL);
        break;

    case NGX_LLMOPS_EV_TEXT:
        ngx_llmops_openai_text_out(x, "content", &ev->text);
        break;

    case NGX_LLMOPS_EV_REASONING:
        ngx_llmops_out_str(&st->thinking, &ev->text);
        ngx_llmops_openai_text_out(x, "reasoning_content", &ev->text);
        break;

    case NGX_LLMOPS_EV_REFUSAL:
        ngx_llmops_openai_text_out(x, "refusal", &ev->text);
        break;

    case NGX_LLMOPS_EV_SIGNATURE:
    case NGX_LLMOPS_EV_REDACTED:
        ngx_llmops_openai_open(x);

        if (ev->type == NGX_LLMOPS_EV_SIGNATURE) {
            ngx_llmops_openai_signature(x, &ev->text);

        } else {
            ngx_llmops_out_lit(x->out, "{\"thinking_blocks\":[{\"type\":"
                               "\"redacted_thinking\",\"data\":");
            ngx_llmops_out_json(x->out, ev->text.data, ev->text.len);
            ngx_llmops_out_lit(x->out, "}]}");
        }

        ngx_llmops_openai_close(x, NULL);
        break;

    case NGX_LLMOPS_EV_TOOL_START:
    case NGX_LLMOPS_EV_TOOL_ARGS:
        ngx_llmops_openai_call_out(x, ev);
        break;

    case NGX_LLMOPS_EV_FINISH:
        ngx_llmops_openai_open(x);
        ngx_llmops_out_lit(x->out, "{}");
        ngx_llmops_openai_close(x,
                               ngx_llmops_openai_finish_reason(x, ev->finish));
        break;

    case NGX_LLMOPS_EV_PING:
        ngx_llmops_out_lit(x->out, ": ping\n\n");
        break;

    case NGX_LLMOPS_EV_END:
        ngx_llmops_openai_end(x);
        break;

    default:
        break;
    }
}


void
ngx_llmops_openai_out_free(void *state)
{
    ngx_llmops_openai_out_t  *st = state;

    ngx_llmops_out_free(&st->thinking);
}


static void
ngx_llmops_openai_quote(ngx_llmops_xlate_t *x, const char *s)
{
    ngx_llmops_out_json(x->out, (const u_char *) s, strlen(s));
}


static void
ngx_llmops_openai_head(ngx_llmops_xlate_t *x)
{
    ngx_llmops_out_lit(x->out, "data: {\"id\":");
    ngx_llmops_openai_quote(x, x->id);
    ngx_llmops_out_lit(x->out,
                       ",\"object\":\"chat.completion.chunk\",\"created\":");
    ngx_llmops_out_int(x->out, x->created);
    ngx_llmops_out_lit(x->out, ",\"model\":");
    ngx_llmops_openai_quote(x, x->model);
    ngx_llmops_out_lit(x->out, ",\"system_fingerprint\":null,\"choices\":[");
}


/* a chunk up to its delta, and from there on */

static void
ngx_llmops_openai_open(ngx_llmops_xlate_t *x)
{
    ngx_llmops_openai_head(x);
    ngx_llmops_out_lit(x->out, "{\"index\":0,\"delta\":");
}


static void
ngx_llmops_openai_close(ngx_llmops_xlate_t *x, const char *finish)
{
    ngx_llmops_out_lit(x->out, ",\"logprobs\":null,\"finish_reason\":");

    if (finish != NULL) {
        ngx_llmops_openai_quote(x, finish);

    } else {
        ngx_llmops_out_lit(x->out, "null");
    }

    ngx_llmops_out_lit(x->out, "}]");

    /* as OpenAI does when the caller has asked for usage */

    if (x->want_usage) {
        ngx_llmops_out_lit(x->out, ",\"usage\":null");
    }

    ngx_llmops_out_lit(x->out, "}\n\n");
}


static void
ngx_llmops_openai_text_out(ngx_llmops_xlate_t *x, const char *member,
    ngx_str_t *text)
{
    ngx_llmops_openai_open(x);
    ngx_llmops_out_lit(x->out, "{\"");
    ngx_llmops_out_write(x->out, member, strlen(member));
    ngx_llmops_out_lit(x->out, "\":");
    ngx_llmops_out_json(x->out, text->data, text->len);
    ngx_llmops_out_lit(x->out, "}");
    ngx_llmops_openai_close(x, NULL);
}


/* a call's start, or a piece of its arguments */

static void
ngx_llmops_openai_call_out(ngx_llmops_xlate_t *x, ngx_llmops_ev_t *ev)
{
    if (x->legacy) {
        ngx_llmops_openai_function(x, ev->slot,
                                   ev->type == NGX_LLMOPS_EV_TOOL_ARGS
                                   ? &ev->text : NULL);

    } else if (ev->type == NGX_LLMOPS_EV_TOOL_START) {
        ngx_llmops_openai_tool_start(x, ev->slot);

    } else {
        ngx_llmops_openai_tool_args(x, ev->slot, &ev->text);
    }
}


static void
ngx_llmops_openai_tool_start(ngx_llmops_xlate_t *x, ngx_llmops_slot_t *slot)
{
    ngx_uint_t  custom;

    custom = (slot->kind == NGX_LLMOPS_SLOT_CUSTOM);

    ngx_llmops_openai_open(x);
    ngx_llmops_out_lit(x->out, "{\"tool_calls\":[{\"index\":");
    ngx_llmops_out_int(x->out, (int64_t) slot->index);
    ngx_llmops_out_lit(x->out, ",\"id\":");
    ngx_llmops_openai_quote(x, slot->id);

    if (custom) {
        ngx_llmops_out_lit(x->out,
                           ",\"type\":\"custom\",\"custom\":{\"name\":");
        ngx_llmops_openai_quote(x, slot->name);
        ngx_llmops_out_lit(x->out, ",\"input\":\"\"}}]}");

    } else {
        ngx_llmops_out_lit(x->out,
                           ",\"type\":\"function\",\"function\":{\"name\":");
        ngx_llmops_openai_quote(x, slot->name);
        ngx_llmops_out_lit(x->out, ",\"arguments\":\"\"}}]}");
    }

    ngx_llmops_openai_close(x, NULL);
}


static void
ngx_llmops_openai_tool_args(ngx_llmops_xlate_t *x, ngx_llmops_slot_t *slot,
    ngx_str_t *text)
{
    ngx_llmops_openai_open(x);
    ngx_llmops_out_lit(x->out, "{\"tool_calls\":[{\"index\":");
    ngx_llmops_out_int(x->out, (int64_t) slot->index);

    if (slot->kind == NGX_LLMOPS_SLOT_CUSTOM) {
        ngx_llmops_out_lit(x->out, ",\"custom\":{\"input\":");

    } else {
        ngx_llmops_out_lit(x->out, ",\"function\":{\"arguments\":");
    }

    ngx_llmops_out_json(x->out, text->data, text->len);
    ngx_llmops_out_lit(x->out, "}}]}");
    ngx_llmops_openai_close(x, NULL);
}


/* a call in the old form, which has no second one: its start or arguments */

static void
ngx_llmops_openai_function(ngx_llmops_xlate_t *x, ngx_llmops_slot_t *slot,
    ngx_str_t *text)
{
    if (slot->index > 0) {
        return;
    }

    ngx_llmops_openai_open(x);
    ngx_llmops_out_lit(x->out, "{\"function_call\":{");

    if (text == NULL) {
        ngx_llmops_out_lit(x->out, "\"name\":");
        ngx_llmops_openai_quote(x, slot->name);
        ngx_llmops_out_lit(x->out, ",\"arguments\":\"\"}}");

    } else {
        ngx_llmops_out_lit(x->out, "\"arguments\":");
        ngx_llmops_out_json(x->out, text->data, text->len);
        ngx_llmops_out_lit(x->out, "}}");
    }

    ngx_llmops_openai_close(x, NULL);
}


/*
 * A signature is of use only with all of its text: callers that send
 * thinking_blocks back need not gather it.
 */

static void
ngx_llmops_openai_signature(ngx_llmops_xlate_t *x, ngx_str_t *text)
{
    ngx_llmops_openai_out_t  *st;

    st = x->enc;

    if (st->thinking.failed) {
        ngx_llmops_out_lit(x->out, "{}");

    } else {
        ngx_llmops_out_lit(x->out, "{\"thinking_blocks\":[{\"type\":"
                           "\"thinking\",\"thinking\":");
        ngx_llmops_out_json(x->out, st->thinking.len ? st->thinking.data
                                                     : (u_char *) "",
                            st->thinking.len);
        ngx_llmops_out_lit(x->out, ",\"signature\":");
        ngx_llmops_out_json(x->out, text->data, text->len);
        ngx_llmops_out_lit(x->out, "}]}");
    }

    ngx_llmops_out_reset(&st->thinking);
}


static void
ngx_llmops_openai_end(ngx_llmops_xlate_t *x)
{
    if (x->want_usage) {
        ngx_llmops_openai_head(x);
        ngx_llmops_out_lit(x->out, "],\"usage\":");
        ngx_llmops_openai_usage_write(x->out, &x->usage);
        ngx_llmops_out_lit(x->out, "}\n\n");
    }

    ngx_llmops_out_lit(x->out, "data: [DONE]\n\n");
}
