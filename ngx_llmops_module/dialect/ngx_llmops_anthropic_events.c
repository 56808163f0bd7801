
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_anthropic_codec.h"


/*
 * Writing streams of the Messages API.
 *
 * Blocks are numbered without gaps, never overlap, and hold one kind of
 * thing each; the neutral events may mix them.  A tool whose arguments are
 * incomplete keeps its block open ("blocks"), and what comes meanwhile waits:
 * arguments of other tools in their slots, texts in the state.  In practice
 * tools come one after the other and nothing waits.
 */


static void ngx_llmops_anthropic_message_start(ngx_llmops_xlate_t *x);
static ngx_uint_t ngx_llmops_anthropic_blocks(ngx_llmops_anthropic_out_t *st);
static void ngx_llmops_anthropic_open(ngx_llmops_xlate_t *x,
    ngx_llmops_block_e block);
static void ngx_llmops_anthropic_close(ngx_llmops_xlate_t *x);
static void ngx_llmops_anthropic_write(ngx_llmops_xlate_t *x,
    ngx_llmops_block_e block, const char *type, const char *member,
    const u_char *p, size_t len);
static void ngx_llmops_anthropic_string(ngx_llmops_xlate_t *x,
    ngx_llmops_block_e block, ngx_str_t *text);
static void ngx_llmops_anthropic_signature(ngx_llmops_xlate_t *x,
    ngx_str_t *text);
static void ngx_llmops_anthropic_redacted(ngx_llmops_xlate_t *x,
    ngx_str_t *text);
static void ngx_llmops_anthropic_tool_args(ngx_llmops_xlate_t *x,
    ngx_llmops_slot_t *slot, ngx_str_t *text);
static void ngx_llmops_anthropic_open_tool(ngx_llmops_xlate_t *x,
    ngx_llmops_slot_t *slot);
static void ngx_llmops_anthropic_advance(ngx_llmops_xlate_t *x);
static void ngx_llmops_anthropic_flush(ngx_llmops_xlate_t *x,
    ngx_llmops_block_e block, ngx_llmops_out_t *held);
static void ngx_llmops_anthropic_message_delta(ngx_llmops_xlate_t *x,
    ngx_llmops_ev_t *ev);


void
ngx_llmops_anthropic_event_out(ngx_llmops_xlate_t *x, ngx_llmops_ev_t *ev)
{
    switch (ev->type) {

    case NGX_LLMOPS_EV_START:
        ngx_llmops_anthropic_message_start(x);
        break;

    case NGX_LLMOPS_EV_TEXT:
    case NGX_LLMOPS_EV_REFUSAL:
        ngx_llmops_anthropic_string(x, NGX_LLMOPS_BLOCK_TEXT, &ev->text);
        break;

    case NGX_LLMOPS_EV_REASONING:
        ngx_llmops_anthropic_string(x, NGX_LLMOPS_BLOCK_THINKING, &ev->text);
        break;

    case NGX_LLMOPS_EV_SIGNATURE:
        ngx_llmops_anthropic_signature(x, &ev->text);
        break;

    case NGX_LLMOPS_EV_REDACTED:
        ngx_llmops_anthropic_redacted(x, &ev->text);
        break;

    case NGX_LLMOPS_EV_TOOL_ARGS:
        ngx_llmops_anthropic_tool_args(x, ev->slot, &ev->text);
        ngx_llmops_anthropic_advance(x);
        break;

    case NGX_LLMOPS_EV_TOOL_START:
    case NGX_LLMOPS_EV_TOOL_END:
        ngx_llmops_anthropic_advance(x);
        break;

    case NGX_LLMOPS_EV_FINISH:
        ngx_llmops_anthropic_close(x);
        ngx_llmops_anthropic_message_delta(x, ev);
        break;

    case NGX_LLMOPS_EV_PING:
        ngx_llmops_out_lit(x->out,
                           "event: ping\ndata: {\"type\":\"ping\"}\n\n");
        break;

    case NGX_LLMOPS_EV_END:
        ngx_llmops_out_lit(x->out, "event: message_stop\n"
                           "data: {\"type\":\"message_stop\"}\n\n");
        break;

    default:
        break;
    }
}


void
ngx_llmops_anthropic_out_free(void *state)
{
    ngx_llmops_anthropic_out_t  *st = state;

    ngx_llmops_out_free(&st->thinking);
    ngx_llmops_out_free(&st->text);
}


static void
ngx_llmops_anthropic_quote(ngx_llmops_xlate_t *x, const char *s)
{
    ngx_llmops_out_json(x->out, (const u_char *) s, strlen(s));
}


static void
ngx_llmops_anthropic_message_start(ngx_llmops_xlate_t *x)
{
    int64_t                       input;
    ngx_llmops_anthropic_out_t   *st;

    st = x->enc;

    ngx_llmops_out_init(&st->thinking, x->out->max);
    ngx_llmops_out_init(&st->text, x->out->max);

    input = x->usage.input - x->usage.cache_read - x->usage.cache_write;

    ngx_llmops_out_lit(x->out, "event: message_start\ndata: {\"type\":"
                       "\"message_start\",\"message\":{\"id\":");
    ngx_llmops_anthropic_quote(x, x->id);
    ngx_llmops_out_lit(x->out, ",\"type\":\"message\",\"role\":"
                       "\"assistant\",\"model\":");
    ngx_llmops_anthropic_quote(x, x->model);
    ngx_llmops_out_lit(x->out, ",\"content\":[],\"stop_reason\":null,"
                       "\"stop_sequence\":null,\"usage\":"
                       "{\"input_tokens\":");
    ngx_llmops_out_int(x->out, ngx_max(input, 0));
    ngx_llmops_out_lit(x->out, ",\"output_tokens\":0}}}\n\n");
}


static ngx_uint_t
ngx_llmops_anthropic_blocks(ngx_llmops_anthropic_out_t *st)
{
    return st->block == NGX_LLMOPS_BLOCK_TOOL
           && !st->slot->complete && !st->slot->ended;
}


/* the head of a block's start; a tool's has more to follow */

static void
ngx_llmops_anthropic_open(ngx_llmops_xlate_t *x, ngx_llmops_block_e block)
{
    ngx_llmops_anthropic_out_t  *st;

    st = x->enc;

    if (st->block == block && block != NGX_LLMOPS_BLOCK_TOOL) {
        return;
    }

    ngx_llmops_anthropic_close(x);

    st->block = block;

    ngx_llmops_out_lit(x->out, "event: content_block_start\ndata: {\"type\":"
                       "\"content_block_start\",\"index\":");
    ngx_llmops_out_int(x->out, (int64_t) st->index);
    ngx_llmops_out_lit(x->out, ",\"content_block\":{\"type\":");

    if (block == NGX_LLMOPS_BLOCK_TEXT) {
        ngx_llmops_out_lit(x->out, "\"text\",\"text\":\"\"}}\n\n");

    } else if (block == NGX_LLMOPS_BLOCK_THINKING) {
        ngx_llmops_out_lit(x->out, "\"thinking\",\"thinking\":\"\","
                           "\"signature\":\"\"}}\n\n");
    }
}


static void
ngx_llmops_anthropic_close(ngx_llmops_xlate_t *x)
{
    ngx_llmops_anthropic_out_t  *st;

    st = x->enc;

    if (st->block == NGX_LLMOPS_BLOCK_NONE) {
        return;
    }

    if (st->slot != NULL) {
        st->slot->closed = 1;
        st->slot = NULL;
    }

    ngx_llmops_out_lit(x->out, "event: content_block_stop\ndata: {\"type\":"
                       "\"content_block_stop\",\"index\":");
    ngx_llmops_out_int(x->out, (int64_t) st->index);
    ngx_llmops_out_lit(x->out, "}\n\n");

    st->block = NGX_LLMOPS_BLOCK_NONE;
    st->index++;
}


static void
ngx_llmops_anthropic_write(ngx_llmops_xlate_t *x, ngx_llmops_block_e block,
    const char *type, const char *member, const u_char *p, size_t len)
{
    ngx_llmops_anthropic_out_t  *st;

    st = x->enc;

    if (block != NGX_LLMOPS_BLOCK_TOOL) {
        ngx_llmops_anthropic_open(x, block);
    }

    ngx_llmops_out_lit(x->out, "event: content_block_delta\ndata: {\"type\":"
                       "\"content_block_delta\",\"index\":");
    ngx_llmops_out_int(x->out, (int64_t) st->index);
    ngx_llmops_out_lit(x->out, ",\"delta\":{\"type\":");
    ngx_llmops_anthropic_quote(x, type);
    ngx_llmops_out_lit(x->out, ",");
    ngx_llmops_anthropic_quote(x, member);
    ngx_llmops_out_lit(x->out, ":");
    ngx_llmops_out_json(x->out, p, len);
    ngx_llmops_out_lit(x->out, "}}\n\n");
}


static void
ngx_llmops_anthropic_string(ngx_llmops_xlate_t *x, ngx_llmops_block_e block,
    ngx_str_t *text)
{
    ngx_llmops_out_t             *held;
    ngx_llmops_anthropic_out_t   *st;

    st = x->enc;

    if (ngx_llmops_anthropic_blocks(st)) {
        held = (block == NGX_LLMOPS_BLOCK_TEXT) ? &st->text : &st->thinking;

        if (ngx_llmops_out_write(held, text->data, text->len) != NGX_OK) {
            x->nomem = 1;
        }

        return;
    }

    if (block == NGX_LLMOPS_BLOCK_TEXT) {
        ngx_llmops_anthropic_write(x, block, "text_delta", "text", text->data,
                                   text->len);

    } else {
        ngx_llmops_anthropic_write(x, block, "thinking_delta", "thinking",
                                   text->data, text->len);
    }
}


/*
 * A signature ends its block.  There may be one without text, when the
 * provider does not show its thinking.
 */

static void
ngx_llmops_anthropic_signature(ngx_llmops_xlate_t *x, ngx_str_t *text)
{
    if (ngx_llmops_anthropic_blocks(x->enc)) {
        return;
    }

    ngx_llmops_anthropic_write(x, NGX_LLMOPS_BLOCK_THINKING,
                               "signature_delta", "signature", text->data,
                               text->len);
    ngx_llmops_anthropic_close(x);
}


static void
ngx_llmops_anthropic_redacted(ngx_llmops_xlate_t *x, ngx_str_t *text)
{
    ngx_llmops_anthropic_out_t  *st;

    st = x->enc;

    if (ngx_llmops_anthropic_blocks(st)) {
        return;
    }

    ngx_llmops_anthropic_close(x);

    ngx_llmops_out_lit(x->out, "event: content_block_start\ndata: {\"type\":"
                       "\"content_block_start\",\"index\":");
    ngx_llmops_out_int(x->out, (int64_t) st->index);
    ngx_llmops_out_lit(x->out, ",\"content_block\":{\"type\":"
                       "\"redacted_thinking\",\"data\":");
    ngx_llmops_out_json(x->out, text->data, text->len);
    ngx_llmops_out_lit(x->out, "}}\n\n");

    st->block = NGX_LLMOPS_BLOCK_THINKING;
    ngx_llmops_anthropic_close(x);
}


static void
ngx_llmops_anthropic_tool_args(ngx_llmops_xlate_t *x, ngx_llmops_slot_t *slot,
    ngx_str_t *text)
{
    ngx_llmops_anthropic_out_t  *st;

    st = x->enc;

    if (st->slot == slot) {
        ngx_llmops_anthropic_write(x, NGX_LLMOPS_BLOCK_TOOL,
                                   "input_json_delta", "partial_json",
                                   text->data, text->len);
        return;
    }

    /* what follows complete arguments can only be white space */

    if (!slot->closed
        && ngx_llmops_out_write(&slot->held, text->data, text->len) != NGX_OK)
    {
        x->nomem = 1;
    }
}


static void
ngx_llmops_anthropic_open_tool(ngx_llmops_xlate_t *x, ngx_llmops_slot_t *slot)
{
    ngx_llmops_anthropic_out_t  *st;

    st = x->enc;

    ngx_llmops_anthropic_open(x, NGX_LLMOPS_BLOCK_TOOL);

    slot->begun = 1;
    st->slot = slot;

    ngx_llmops_out_lit(x->out, "\"tool_use\",\"id\":");
    ngx_llmops_anthropic_quote(x, slot->id);
    ngx_llmops_out_lit(x->out, ",\"name\":");
    ngx_llmops_anthropic_quote(x, slot->name);
    ngx_llmops_out_lit(x->out, ",\"input\":{}}}\n\n");

    if (slot->held.len > 0 && slot->kind == NGX_LLMOPS_SLOT_CALL) {
        ngx_llmops_anthropic_write(x, NGX_LLMOPS_BLOCK_TOOL,
                                   "input_json_delta", "partial_json",
                                   slot->held.data, slot->held.len);
        ngx_llmops_out_free(&slot->held);
    }
}


/* brings out what waits, as far as no tool blocks */

static void
ngx_llmops_anthropic_advance(ngx_llmops_xlate_t *x)
{
    ngx_uint_t                    i;
    ngx_llmops_slot_t            *slot;
    ngx_llmops_anthropic_out_t   *st;

    st = x->enc;

    for (i = 0; /* void */ ; i++) {

        if (ngx_llmops_anthropic_blocks(st)) {
            return;
        }

        /* an ended tool needs its block no more */

        if (st->slot != NULL && st->slot->ended) {
            ngx_llmops_anthropic_close(x);
        }

        ngx_llmops_anthropic_flush(x, NGX_LLMOPS_BLOCK_THINKING,
                                   &st->thinking);
        ngx_llmops_anthropic_flush(x, NGX_LLMOPS_BLOCK_TEXT, &st->text);

        if (i >= x->nslots) {
            return;
        }

        slot = x->slots[i];

        if (!slot->begun && slot->kind != NGX_LLMOPS_SLOT_JSON) {
            ngx_llmops_anthropic_open_tool(x, slot);
        }
    }
}


static void
ngx_llmops_anthropic_flush(ngx_llmops_xlate_t *x, ngx_llmops_block_e block,
    ngx_llmops_out_t *held)
{
    ngx_str_t  text;

    if (held->len == 0) {
        return;
    }

    text.data = held->data;
    text.len = held->len;

    ngx_llmops_anthropic_string(x, block, &text);

    ngx_llmops_out_reset(held);
}


/* usage must be there, and counts the whole answer */

static void
ngx_llmops_anthropic_message_delta(ngx_llmops_xlate_t *x, ngx_llmops_ev_t *ev)
{
    const char  *reason;

    reason = ngx_llmops_anthropic_stop_reason(ev->finish, ev->text.len);

    ngx_llmops_out_lit(x->out, "event: message_delta\ndata: {\"type\":"
                       "\"message_delta\",\"delta\":{\"stop_reason\":");
    ngx_llmops_anthropic_quote(x, reason);
    ngx_llmops_out_lit(x->out, ",\"stop_sequence\":");

    if (strcmp(reason, "stop_sequence") == 0) {
        ngx_llmops_out_json(x->out, ev->text.data, ev->text.len);

    } else {
        ngx_llmops_out_lit(x->out, "null");
    }

    ngx_llmops_out_lit(x->out, "},\"usage\":");
    ngx_llmops_anthropic_usage_write(x->out, &x->usage);
    ngx_llmops_out_lit(x->out, "}\n\n");
}
