
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_codec.h"


/*
 * The sink of decoders: puts what they read into the order that encoders may
 * rely on, gives tools their numbers, and turns the calls of tools that
 * stand for something else (a response format, free text) into what the
 * caller asked for.
 *
 * Invariants: START precedes all but PING; nothing follows END; TOOL_ARGS
 * and TOOL_END follow TOOL_START of the same slot; each TOOL_START is met by
 * one TOOL_END before FINISH; FINISH comes once, when the provider's stream
 * ends, since usage may follow the reason of the finish.
 */


static void ngx_llmops_send(ngx_llmops_xlate_t *x, ngx_llmops_ev_e type,
    ngx_llmops_slot_t *slot, const char *p, size_t len);
static ngx_llmops_slot_t *ngx_llmops_slot_add(ngx_llmops_xlate_t *x);
static void ngx_llmops_slot_name(ngx_llmops_xlate_t *x,
    ngx_llmops_slot_t *slot, const char *id, const char *name);
static void ngx_llmops_slot_scan(ngx_llmops_slot_t *slot, const char *p,
    size_t len);
static void ngx_llmops_slot_free(ngx_llmops_slot_t *slot);


ngx_int_t
ngx_llmops_stream_init(ngx_llmops_xlate_t *x)
{
    ngx_llmops_stream_free(x);

    x->in = calloc(1, x->provider->in_size + 1);
    x->enc = calloc(1, x->caller->out_size + 1);

    if (x->in == NULL || x->enc == NULL) {
        x->nomem = 1;
        return NGX_ERROR;
    }

    ngx_llmops_out_init(&x->joined, NGX_MAX_SIZE_T_VALUE / 4);

    ngx_llmops_random_id(x->id, sizeof(x->id), x->caller->id_prefix);

    return NGX_OK;
}


void
ngx_llmops_stream_free(ngx_llmops_xlate_t *x)
{
    ngx_uint_t  i;

    for (i = 0; i < x->nslots; i++) {
        ngx_llmops_slot_free(x->slots[i]);
    }

    free(x->slots);
    x->slots = NULL;
    x->nslots = 0;
    x->slots_size = 0;

    if (x->enc && x->caller->out_free) {
        x->caller->out_free(x->enc);
    }

    free(x->enc);
    free(x->in);
    x->enc = NULL;
    x->in = NULL;

    ngx_llmops_out_free(&x->joined);

    memset(&x->usage, 0, sizeof(ngx_llmops_usage_t));

    x->half[0] = '\0';
    x->ntools = 0;
    x->finish = NGX_LLMOPS_FINISH_NONE;
    x->stop_len = 0;
    x->started = 0;
    x->finished = 0;
    x->ended = 0;
    x->refused = 0;
}


static void
ngx_llmops_send(ngx_llmops_xlate_t *x, ngx_llmops_ev_e type,
    ngx_llmops_slot_t *slot, const char *p, size_t len)
{
    ngx_llmops_ev_t  ev;

    memset(&ev, 0, sizeof(ngx_llmops_ev_t));

    ev.type = type;
    ev.slot = slot;
    ev.text.data = (u_char *) p;
    ev.text.len = len;

    if (type == NGX_LLMOPS_EV_FINISH) {
        ev.finish = ngx_llmops_finish_resolve(x->finish, x->ntools,
                                              x->refused);
    }

    x->caller->event_out(x, &ev);
}


void
ngx_llmops_emit_start(ngx_llmops_xlate_t *x, const char *id)
{
    if (x->started) {
        return;
    }

    x->started = 1;

    if (id != NULL && id[0] != '\0' && strlen(id) < sizeof(x->id)) {
        strcpy(x->id, id);
    }

    ngx_llmops_send(x, NGX_LLMOPS_EV_START, NULL, NULL, 0);
}


void
ngx_llmops_emit(ngx_llmops_xlate_t *x, ngx_llmops_ev_e type, const char *text,
    size_t len)
{
    if (type == NGX_LLMOPS_EV_PING) {
        ngx_llmops_send(x, type, NULL, NULL, 0);
        return;
    }

    if (len == 0 || x->finished) {
        return;
    }

    ngx_llmops_emit_start(x, NULL);

    if (type == NGX_LLMOPS_EV_REFUSAL) {
        x->refused = 1;
    }

    ngx_llmops_send(x, type, NULL, text, len);
}


void
ngx_llmops_emit_string(ngx_llmops_xlate_t *x, ngx_llmops_ev_e type, json_t *v)
{
    if (ngx_llmops_tree_has_text(v)) {
        ngx_llmops_emit(x, type, json_string_value(v), json_string_length(v));
    }
}


/* the latest call of that key: keys come again in compatible servers */

ngx_llmops_slot_t *
ngx_llmops_slot(ngx_llmops_xlate_t *x, int64_t key)
{
    ngx_uint_t  i;

    for (i = x->nslots; i > 0; i--) {
        if (x->slots[i - 1]->key == key) {
            return x->slots[i - 1];
        }
    }

    return NULL;
}


static ngx_llmops_slot_t *
ngx_llmops_slot_add(ngx_llmops_xlate_t *x)
{
    ngx_uint_t           size;
    ngx_llmops_slot_t   *slot, **slots;

    if (x->nslots == x->slots_size) {
        size = x->slots_size ? x->slots_size * 2 : 4;

        if (size > NGX_LLMOPS_MAX_SLOTS) {
            x->nomem = 1;
            return NULL;
        }

        slots = realloc(x->slots, size * sizeof(ngx_llmops_slot_t *));
        if (slots == NULL) {
            x->nomem = 1;
            return NULL;
        }

        x->slots = slots;
        x->slots_size = size;
    }

    slot = calloc(1, sizeof(ngx_llmops_slot_t));
    if (slot == NULL) {
        x->nomem = 1;
        return NULL;
    }

    ngx_llmops_out_init(&slot->held, x->out->max);

    x->slots[x->nslots++] = slot;

    return slot;
}


static void
ngx_llmops_slot_free(ngx_llmops_slot_t *slot)
{
    ngx_llmops_out_free(&slot->held);
    free(slot->native);
    free(slot->id);
    free(slot->name);
    free(slot);
}


/* what the caller is to know the call by */

static void
ngx_llmops_slot_name(ngx_llmops_xlate_t *x, ngx_llmops_slot_t *slot,
    const char *id, const char *name)
{
    char         made[64];
    const char  *own;

    own = ngx_llmops_tool_restore(x, name);

    if (x->json_tool && strcmp(name, x->json_tool) == 0) {
        slot->kind = NGX_LLMOPS_SLOT_JSON;

    } else if (ngx_llmops_pair_to(&x->custom, own)) {
        slot->kind = NGX_LLMOPS_SLOT_CUSTOM;
    }

    if (id == NULL || id[0] == '\0') {
        ngx_llmops_random_id(made, sizeof(made), x->caller->call_prefix);
        id = made;
    }

    slot->native = ngx_llmops_dup(x, id);
    slot->id = ngx_llmops_safe_id(x, id, x->caller->call_max);
    slot->name = ngx_llmops_dup(x, own);
}


ngx_llmops_slot_t *
ngx_llmops_emit_tool(ngx_llmops_xlate_t *x, int64_t key, const char *id,
    const char *name)
{
    ngx_llmops_slot_t  *slot;

    if (x->finished) {
        return NULL;
    }

    ngx_llmops_emit_start(x, NULL);

    slot = ngx_llmops_slot_add(x);

    if (slot == NULL) {
        return NULL;
    }

    slot->key = key;

    ngx_llmops_slot_name(x, slot, id, name ? name : "");

    if (x->nomem) {
        x->nslots--;
        ngx_llmops_slot_free(slot);
        return NULL;
    }

    if (slot->kind != NGX_LLMOPS_SLOT_JSON) {
        slot->index = x->ntools++;
        ngx_llmops_send(x, NGX_LLMOPS_EV_TOOL_START, slot, NULL, 0);
    }

    return slot;
}


void
ngx_llmops_emit_args(ngx_llmops_xlate_t *x, ngx_llmops_slot_t *slot,
    const char *p, size_t len)
{
    if (len == 0 || slot->ended || x->finished) {
        return;
    }

    if (slot->kind == NGX_LLMOPS_SLOT_CUSTOM) {
        ngx_llmops_out_write(&slot->held, p, len);
        x->nomem |= slot->held.failed;
        return;
    }

    if (slot->kind == NGX_LLMOPS_SLOT_JSON) {
        ngx_llmops_emit(x, NGX_LLMOPS_EV_TEXT, p, len);
        return;
    }

    ngx_llmops_slot_scan(slot, p, len);

    ngx_llmops_send(x, NGX_LLMOPS_EV_TOOL_ARGS, slot, p, len);
}


/* follows the brackets, to know when the arguments are complete */

static void
ngx_llmops_slot_scan(ngx_llmops_slot_t *slot, const char *p, size_t len)
{
    size_t  i;

    for (i = 0; i < len; i++) {

        slot->fragments |= (p[i] != ' ' && p[i] != '\n');

        if (slot->in_string) {

            if (slot->escape) {
                slot->escape = 0;

            } else if (p[i] == '\\') {
                slot->escape = 1;

            } else if (p[i] == '"') {
                slot->in_string = 0;
            }

            continue;
        }

        switch (p[i]) {

        case '"':
            slot->in_string = 1;
            break;

        case '{':
        case '[':
            slot->depth++;
            break;

        case '}':
        case ']':
            if (slot->depth > 0 && --slot->depth == 0) {
                slot->complete = 1;
            }
        }
    }
}


void
ngx_llmops_emit_tool_end(ngx_llmops_xlate_t *x, ngx_llmops_slot_t *slot)
{
    json_t  *input;

    if (slot->ended) {
        return;
    }

    slot->ended = 1;

    if (slot->kind == NGX_LLMOPS_SLOT_JSON) {
        return;
    }

    if (slot->kind == NGX_LLMOPS_SLOT_CUSTOM) {
        input = ngx_llmops_custom_input(x, (char *) slot->held.data,
                                        slot->held.len);

        if (json_string_length(input) > 0) {
            ngx_llmops_send(x, NGX_LLMOPS_EV_TOOL_ARGS, slot,
                            json_string_value(input),
                            json_string_length(input));
        }

        json_decref(input);

    } else if (!slot->fragments) {

        /* no arguments at all would not parse as JSON */

        slot->fragments = 1;
        slot->complete = 1;
        ngx_llmops_send(x, NGX_LLMOPS_EV_TOOL_ARGS, slot, "{}", 2);
    }

    ngx_llmops_send(x, NGX_LLMOPS_EV_TOOL_END, slot, NULL, 0);
}


void
ngx_llmops_emit_finish(ngx_llmops_xlate_t *x, ngx_llmops_finish_e finish,
    json_t *stop_sequence)
{
    size_t  len;

    ngx_llmops_emit_start(x, NULL);

    x->finish = finish;

    len = json_string_length(stop_sequence);

    if (ngx_llmops_tree_has_text(stop_sequence) && len <= sizeof(x->stop)) {
        memcpy(x->stop, json_string_value(stop_sequence), len);
        x->stop_len = len;
    }
}


void
ngx_llmops_emit_end(ngx_llmops_xlate_t *x)
{
    ngx_uint_t  i;

    if (x->ended) {
        return;
    }

    ngx_llmops_emit_start(x, NULL);

    for (i = 0; i < x->nslots; i++) {
        ngx_llmops_emit_tool_end(x, x->slots[i]);
    }

    x->finished = 1;

    ngx_llmops_send(x, NGX_LLMOPS_EV_FINISH, NULL, x->stop, x->stop_len);

    x->ended = 1;

    ngx_llmops_send(x, NGX_LLMOPS_EV_END, NULL, NULL, 0);
}
