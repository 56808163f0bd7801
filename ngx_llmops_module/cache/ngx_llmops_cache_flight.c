
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"


/*
 * A flight that is followed: what has come of it is given, or kept until all
 * is there; who has nothing new waits until a writer, in whichever worker,
 * wakes him.  It lands, or it is lost: before anything of it was given the
 * request goes on as if there had been none.
 */


static ngx_int_t ngx_llmops_play_landed(ngx_llmops_cache_play_t *play,
    ngx_llmops_cfacts_t *facts);
static ngx_int_t ngx_llmops_play_lost(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_wait(ngx_llmops_cache_play_t *play);


/* of this worker: those that wait for a flight */

static ngx_queue_t  ngx_llmops_play_waiting;


/* what has come of a flight since */

ngx_int_t
ngx_llmops_play_live(ngx_llmops_cache_play_t *play)
{
    u_char                   *p, *last;
    size_t                    n;
    ngx_int_t                 rc;
    ngx_uint_t                state;
    ngx_llmops_cache_t       *cache;
    ngx_llmops_cfacts_t       facts;
    ngx_llmops_sse_event_t    ev;
    ngx_llmops_cache_form_e   form;
    u_char                    buf[NGX_LLMOPS_PLAY_READ];

    cache = ngx_llmops_cache_of(play->request);

    ngx_llmops_cshm_read(&cache->shm, &play->reader, buf, sizeof(buf), &n,
                         &state, &form, &facts);

    if (n == 0) {

        if (state == NGX_LLMOPS_CENTRY_FLIGHT) {
            return ngx_llmops_play_wait(play);
        }

        return state == NGX_LLMOPS_CENTRY_COMPLETE
               ? ngx_llmops_play_landed(play, &facts)
               : ngx_llmops_play_lost(play);
    }

    play->answer.form = form;

    if (!play->stream || form != NGX_LLMOPS_CACHE_FORM_STREAM) {
        return ngx_llmops_out_write(&play->got, buf, n);
    }

    p = buf;
    last = buf + n;

    for ( ;; ) {
        rc = ngx_llmops_sse_next(&play->sse, &p, last, &ev);

        if (rc == NGX_AGAIN) {
            return NGX_OK;
        }

        if (rc != NGX_OK || ngx_llmops_play_event(play, &ev) != NGX_OK) {
            return NGX_ERROR;
        }
    }
}


static ngx_int_t
ngx_llmops_play_wait(ngx_llmops_cache_play_t *play)
{
    if (!play->waiting) {

        if (ngx_llmops_play_waiting.next == NULL) {
            ngx_queue_init(&ngx_llmops_play_waiting);
        }

        play->waiting = 1;
        ngx_queue_insert_tail(&ngx_llmops_play_waiting, &play->queue);

        /* a worker that is to exit stays for whoever has no timer of his own */

        ngx_llmops_cache_of(play->request)->tick.cancelable = 0;
    }

    return NGX_AGAIN;
}


ngx_uint_t
ngx_llmops_cache_waited(void)
{
    return ngx_llmops_play_waiting.next
           && !ngx_queue_empty(&ngx_llmops_play_waiting);
}


void
ngx_llmops_cache_woken(void)
{
    ngx_queue_t              *q, list;
    ngx_connection_t         *c;
    ngx_llmops_cache_play_t  *play;

    if (!ngx_llmops_cache_waited()) {
        return;
    }

    /* who has nothing new waits again, in the other list */

    ngx_queue_init(&list);
    ngx_queue_add(&list, &ngx_llmops_play_waiting);
    ngx_queue_init(&ngx_llmops_play_waiting);

    while (!ngx_queue_empty(&list)) {
        q = ngx_queue_head(&list);
        ngx_queue_remove(q);

        play = ngx_queue_data(q, ngx_llmops_cache_play_t, queue);
        play->waiting = 0;

        c = play->request->connection;

        ngx_llmops_play_run(play);

        ngx_http_run_posted_requests(c);
    }
}


/* the flight is complete, and all of it has been read */

static ngx_int_t
ngx_llmops_play_landed(ngx_llmops_cache_play_t *play,
    ngx_llmops_cfacts_t *facts)
{
    ngx_int_t          rc;
    ngx_str_t          body;
    ngx_llmops_out_t   out;
    ngx_llmops_ctx_t  *ctx;

    ctx = play->ctx;

    ngx_llmops_play_unfollow(play);

    ctx->cached->saved = facts->answer.usage;
    ctx->cached->saved_cost = facts->answer.cost;

    body.data = play->got.data;
    body.len = play->got.len;

    facts->answer.form = play->answer.form;
    facts->answer.body = body;

    play->answer = facts->answer;
    play->live = 0;
    play->complete = 1;

    if (play->stream) {

        if (play->answer.form == NGX_LLMOPS_CACHE_FORM_STREAM) {
            play->given = 1;
            return ngx_llmops_play_rest(play);
        }

        rc = ngx_llmops_cache_spell(ctx->env.dialect, ctx->env.op,
                                    &ctx->env.model, ctx->env.include_usage,
                                    ngx_llmops_cache_piece(ctx->cached),
                                    &body, &out);
        play->usage = 1;

    } else {

        if (play->answer.form == NGX_LLMOPS_CACHE_FORM_WHOLE) {
            ngx_llmops_cache_mark(ctx->env.op, &body, &facts->marks);
        }

        rc = ngx_llmops_cache_render(ctx, &play->answer, &facts->marks, &out);
        play->given = 1;
    }

    if (rc != NGX_OK) {
        return ngx_llmops_play_lost(play);  /* of no use in this form */
    }

    ngx_llmops_out_free(&play->got);
    play->got = out;

    play->answer.body.data = out.data;
    play->answer.body.len = out.len;

    return NGX_OK;
}


/* it has failed */

static ngx_int_t
ngx_llmops_play_lost(ngx_llmops_cache_play_t *play)
{
    ngx_llmops_ctx_t    *ctx;
    ngx_llmops_error_t   err;

    ctx = play->ctx;

    ngx_llmops_play_unfollow(play);

    if (!play->header) {
        play->over = 1;
        ngx_llmops_cache_play_end(play);

        /* its count is the call's from here on */

        return NGX_DECLINED;
    }

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    err.kind = NGX_LLMOPS_ERR_UPSTREAM;
    ngx_str_set(&err.message, "the provider's stream broke off, "
                              "the answer is incomplete");

    ctx->error = err.kind;
    ctx->env.dialect->write_error(&play->out, ctx->env.op, &err, &ctx->id, 1);

    play->complete = 1;
    play->given = 1;
    play->live = 0;

    return NGX_OK;
}


void
ngx_llmops_play_unfollow(ngx_llmops_cache_play_t *play)
{
    if (play->counted) {
        play->counted = 0;
        ngx_llmops_cshm_unfollow(&ngx_llmops_cache_of(play->request)->shm,
                                 &play->reader);
    }
}
