
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_openai_codec.h"


/*
 * One event of an entry, on its way to a caller who is not the one for whom
 * it was written: with another id and another time, and with or without the
 * usage that OpenAI's callers must ask for.
 *
 * Ids and times are replaced by others of the same length, where they stand.
 */


#define NGX_LLMOPS_RENDER_MAX      (64 * 1024 * 1024)


static void ngx_llmops_play_identify(ngx_llmops_cache_play_t *play,
    ngx_llmops_sse_event_t *ev);
static void ngx_llmops_play_renew(ngx_llmops_cache_play_t *play, size_t from);
static void ngx_llmops_play_created(u_char *p, size_t len);
static ngx_int_t ngx_llmops_play_usage(ngx_llmops_cache_play_t *play);
static ngx_uint_t ngx_llmops_play_wants(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_events(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer, ngx_uint_t usage,
    ngx_llmops_out_t *out);


#define ngx_llmops_event_done(ev)                                             \
    ((ev)->data.len == 6 && ngx_memcmp((ev)->data.data, "[DONE]", 6) == 0)


ngx_int_t
ngx_llmops_play_event(ngx_llmops_cache_play_t *play,
    ngx_llmops_sse_event_t *ev)
{
    size_t             from;
    u_char            *p;
    ngx_llmops_ctx_t  *ctx;
    ngx_llmops_tap_t   tap;

    ctx = play->ctx;
    p = ev->raw.data;
    from = play->out.len;

    if (!ev->has_data || ev->partial) {
        return ngx_llmops_out_str(&play->out, &ev->raw);
    }

    if (ngx_llmops_event_done(ev) && ngx_llmops_play_wants(play)) {

        if (!play->complete) {
            play->held = 1;
            return NGX_OK;
        }

        if (ngx_llmops_play_usage(play) != NGX_OK) {
            return NGX_ERROR;
        }

        from = play->out.len;
    }

    ngx_memzero(&tap, sizeof(ngx_llmops_tap_t));

    ctx->env.dialect->event(&play->meter, ctx->env.op, ev,
                            ctx->env.include_usage, &tap);

    if (play->meter.usage.source == NGX_LLMOPS_USAGE_REPORTED) {
        play->usage = 1;
    }

    if (tap.action == NGX_LLMOPS_TAP_DROP) {
        return NGX_OK;
    }

    if (play->id_len == 0) {
        ngx_llmops_play_identify(play, ev);
    }

    if (tap.action == NGX_LLMOPS_TAP_CUT) {
        (void) ngx_llmops_out_write(&play->out, p, tap.cut_start);
        (void) ngx_llmops_out_write(&play->out, p + tap.cut_end,
                                    ev->raw.len - tap.cut_end);

    } else {
        (void) ngx_llmops_out_write(&play->out, p, ev->raw.len);
    }

    if (play->out.failed) {
        return NGX_ERROR;
    }

    ngx_llmops_play_renew(play, from);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_play_rest(ngx_llmops_cache_play_t *play)
{
    ngx_str_t               done;
    ngx_llmops_sse_event_t  ev;

    if (ngx_llmops_sse_end(&play->sse, &ev) == NGX_OK
        && ngx_llmops_play_event(play, &ev) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (!play->held) {
        return NGX_OK;
    }

    play->held = 0;

    if (ngx_llmops_play_usage(play) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_str_set(&done, "data: [DONE]\n\n");

    return ngx_llmops_out_str(&play->out, &done);
}


/* the first event that has an id tells it: at its top, or in the message that
   Anthropic begins with;  that of a stored response stays, since a caller may
   go on from it */

static void
ngx_llmops_play_identify(ngx_llmops_cache_play_t *play,
    ngx_llmops_sse_event_t *ev)
{
    ngx_str_t    id;
    const char  *path;

    switch (play->ctx->env.op) {

    case NGX_LLMOPS_OP_CHAT:
    case NGX_LLMOPS_OP_COMPLETIONS:
        path = "id";
        break;

    case NGX_LLMOPS_OP_MESSAGES:
        path = "message.id";
        break;

    default:
        return;
    }

    if (ngx_llmops_json_get(&ev->data, path, &id) != NGX_OK
        || ngx_llmops_json_type(&id) != NGX_LLMOPS_JSON_STRING
        || id.len < 7 || id.len - 2 > sizeof(play->id))
    {
        return;
    }

    play->id_len = id.len - 2;
    ngx_memcpy(play->old_id, id.data, id.len);

    ngx_llmops_cache_new_id(play->id, id.data + 1, play->id_len);
}


/* what was added last: the first place with the old id, the first "created" */

static void
ngx_llmops_play_renew(ngx_llmops_cache_play_t *play, size_t from)
{
    u_char  *p, *found;
    size_t   len;

    p = play->out.data + from;
    len = play->out.len - from;

    if (play->id_len == 0) {
        return;
    }

    found = memmem(p, len, play->old_id, play->id_len + 2);

    if (found) {
        ngx_memcpy(found + 1, play->id, play->id_len);
    }

    if (play->ctx->env.op != NGX_LLMOPS_OP_MESSAGES) {
        ngx_llmops_play_created(p, len);
    }
}


static void
ngx_llmops_play_created(u_char *p, size_t len)
{
    u_char  *last, *found, *digits;

    last = p + len;

    found = memmem(p, len, "\"created\":", sizeof("\"created\":") - 1);
    if (found == NULL) {
        return;
    }

    p = found + sizeof("\"created\":") - 1;

    while (p < last && *p == ' ') {
        p++;
    }

    for (digits = p; p < last && *p >= '0' && *p <= '9'; p++) { /* void */ }

    if (p - digits == NGX_LLMOPS_CACHE_DIGITS) {
        ngx_llmops_cache_time_put(digits, ngx_time());
    }
}


/* whether the caller wants a usage that the events do not tell */

static ngx_uint_t
ngx_llmops_play_wants(ngx_llmops_cache_play_t *play)
{
    return play->ctx->env.include_usage && !play->usage
           && (play->ctx->env.op == NGX_LLMOPS_OP_CHAT
               || play->ctx->env.op == NGX_LLMOPS_OP_COMPLETIONS);
}


/* the chunk with which a stream of OpenAI's tells it */

static ngx_int_t
ngx_llmops_play_usage(ngx_llmops_cache_play_t *play)
{
    ngx_llmops_out_t    *out;
    ngx_llmops_ctx_t    *ctx;
    ngx_llmops_usage_t  *u;

    ctx = play->ctx;
    out = &play->out;
    u = &play->answer.usage;

    play->usage = 1;

    if (u->source == NGX_LLMOPS_USAGE_NONE) {
        return NGX_OK;
    }

    ngx_llmops_out_lit(out, "data: {\"id\":");
    ngx_llmops_out_json(out, play->id, play->id_len);
    ngx_llmops_out_lit(out, ",\"object\":");

    if (ctx->env.op == NGX_LLMOPS_OP_CHAT) {
        ngx_llmops_out_lit(out, "\"chat.completion.chunk\"");

    } else {
        ngx_llmops_out_lit(out, "\"text_completion\"");
    }

    ngx_llmops_out_lit(out, ",\"created\":");
    ngx_llmops_out_int(out, ngx_time());
    ngx_llmops_out_lit(out, ",\"model\":");
    ngx_llmops_out_json(out, play->meter.model_len ? play->meter.model
                                                   : ctx->env.model.data,
                        play->meter.model_len ? play->meter.model_len
                                              : ctx->env.model.len);
    ngx_llmops_out_lit(out, ",\"choices\":[],\"usage\":");
    ngx_llmops_openai_usage_write(out, u);

    return ngx_llmops_out_lit(out, "}\n\n");
}


/* all events of an answer at once */

static ngx_int_t
ngx_llmops_play_events(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer, ngx_uint_t usage,
    ngx_llmops_out_t *out)
{
    u_char                   *p, *last;
    ngx_int_t                 rc;
    ngx_llmops_sse_event_t    ev;
    ngx_llmops_cache_play_t   play;

    ngx_memzero(&play, sizeof(ngx_llmops_cache_play_t));

    play.ctx = ctx;
    play.answer = *answer;
    play.complete = 1;
    play.usage = usage;

    ngx_llmops_sse_init(&play.sse, NGX_LLMOPS_RENDER_MAX);
    ngx_llmops_out_init(&play.out, NGX_LLMOPS_RENDER_MAX);

    p = answer->body.data;
    last = p + answer->body.len;

    do {
        rc = ngx_llmops_sse_next(&play.sse, &p, last, &ev);

        if (rc == NGX_OK && ngx_llmops_play_event(&play, &ev) != NGX_OK) {
            rc = NGX_ERROR;
        }
    } while (rc == NGX_OK);

    if (rc == NGX_AGAIN) {
        rc = ngx_llmops_play_rest(&play);
    }

    ngx_llmops_sse_free(&play.sse);

    if (rc != NGX_OK || play.out.failed) {
        ngx_llmops_out_free(&play.out);
        return NGX_ERROR;
    }

    *out = play.out;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_cache_render(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer, ngx_llmops_cache_marks_t *marks,
    ngx_llmops_out_t *out)
{
    ngx_int_t                  rc;
    ngx_str_t                  body;
    ngx_llmops_out_t           events;
    ngx_llmops_cache_marks_t   found;
    ngx_llmops_cache_answer_t  spelled;

    if (ctx->env.stream && answer->form == NGX_LLMOPS_CACHE_FORM_STREAM) {
        return ngx_llmops_play_events(ctx, answer, 0, out);
    }

    if (ctx->env.stream) {

        rc = ngx_llmops_cache_spell(ctx->env.dialect, ctx->env.op,
                                    &ctx->env.model, ctx->env.include_usage,
                                    0, &answer->body, &events);
        if (rc != NGX_OK) {
            return rc;
        }

        spelled = *answer;
        spelled.body.data = events.data;
        spelled.body.len = events.len;

        rc = ngx_llmops_play_events(ctx, &spelled, 1, out);

        ngx_llmops_out_free(&events);

        return rc;
    }

    if (answer->form == NGX_LLMOPS_CACHE_FORM_WHOLE) {
        ngx_llmops_out_init(out, NGX_LLMOPS_RENDER_MAX);

        if (ngx_llmops_out_str(out, &answer->body) != NGX_OK) {
            ngx_llmops_out_free(out);
            return NGX_ERROR;
        }

        ngx_llmops_cache_renew(out->data, marks, ngx_time());

        return NGX_OK;
    }

    rc = ngx_llmops_cache_gather(ctx->env.op, &answer->body, &answer->usage,
                                 out);
    if (rc != NGX_OK) {
        return rc;
    }

    body.data = out->data;
    body.len = out->len;

    ngx_llmops_cache_mark(ctx->env.op, &body, &found);
    ngx_llmops_cache_renew(out->data, &found, ngx_time());

    return NGX_OK;
}
