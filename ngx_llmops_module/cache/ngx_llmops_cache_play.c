
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"


/*
 * An answer is given: one that is complete, or a flight while it comes.
 *
 * The request is held by a count, as one whose upstream is at work, and
 * finalized here, once.  A slow caller is not read for: nothing is taken from
 * the flight before what was taken has been sent, so that one needs a few
 * pieces of memory however long the answer is, unless he wants it in the other
 * form than it has.
 *
 * What can happen is in one loop, ngx_llmops_play_run(), which is entered
 * again by the caller's socket, by a timer (a paced replay) and by a wake-up.
 * How a flight is followed is in ngx_llmops_cache_flight.c, and what goes out
 * to the caller in ngx_llmops_cache_send.c.
 */


#define NGX_LLMOPS_PLAY_EVENT      (1024 * 1024)
#define NGX_LLMOPS_PLAY_MAX        (64 * 1024 * 1024)


static ngx_llmops_cache_play_t *ngx_llmops_play_make(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_play_whole(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_cache_answer_t *answer,
    ngx_llmops_cache_marks_t *marks);
static ngx_int_t ngx_llmops_play_unfit(ngx_llmops_ctx_t *ctx);
static void ngx_llmops_play_begin(ngx_http_request_t *r,
    ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_step(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_more(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_due(ngx_llmops_cache_play_t *play);
static void ngx_llmops_play_over(ngx_llmops_cache_play_t *play, ngx_int_t rc);
static void ngx_llmops_play_writer(ngx_http_request_t *r);
static void ngx_llmops_play_timer(ngx_event_t *ev);


ngx_int_t
ngx_llmops_cache_play(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer, ngx_llmops_cache_marks_t *marks)
{
    ngx_int_t                 rc;
    ngx_llmops_cache_play_t  *play;

    ctx->cached->saved = answer->usage;
    ctx->cached->saved_cost = answer->cost;

    if (!ctx->env.stream) {
        return ngx_llmops_play_whole(r, ctx, answer, marks);
    }

    play = ngx_llmops_play_make(r, ctx);
    if (play == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    play->answer = *answer;
    play->complete = 1;

    if (answer->form == NGX_LLMOPS_CACHE_FORM_WHOLE) {

        rc = ngx_llmops_cache_spell(ctx->env.dialect, ctx->env.op,
                                    &ctx->env.model, ctx->env.include_usage,
                                    ngx_llmops_cache_piece(ctx->cached),
                                    &answer->body, &play->got);
        if (rc != NGX_OK) {
            return ngx_llmops_play_unfit(ctx);
        }

        play->answer.body.data = play->got.data;
        play->answer.body.len = play->got.len;
        play->usage = 1;
    }

    ngx_llmops_play_begin(r, play);

    return NGX_DONE;
}


/* a document: one buf, and it is over */

static ngx_int_t
ngx_llmops_play_whole(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer, ngx_llmops_cache_marks_t *marks)
{
    ngx_int_t                 rc;
    ngx_llmops_cache_play_t  *play;

    if (answer->form == NGX_LLMOPS_CACHE_FORM_STREAM) {

        /* what it is made into has to be freed */

        play = ngx_llmops_play_make(r, ctx);

        if (play == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        if (ngx_llmops_cache_render(ctx, answer, marks, &play->got)
            != NGX_OK)
        {
            return ngx_llmops_play_unfit(ctx);
        }

        answer->body.data = play->got.data;
        answer->body.len = play->got.len;

    } else {
        ngx_llmops_cache_renew(answer->body.data, marks, ngx_time());
    }

    rc = ngx_llmops_play_document(r, ctx, answer);

    if (rc == NGX_ERROR && ctx->error == NGX_LLMOPS_ERR_NONE) {
        ctx->error = NGX_LLMOPS_ERR_CLIENT_ABORT;
    }

    r->main->count++;

    ngx_http_finalize_request(r, rc == NGX_DONE ? NGX_OK : rc);

    return NGX_DONE;
}


/* it cannot be said in the form that the caller wants: his request goes on as
   if there was none, and by itself */

static ngx_int_t
ngx_llmops_play_unfit(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_cached_t *cached = ctx->cached;

    ngx_llmops_cache_play_free(ctx);

    cached->play = NULL;
    cached->state = NGX_LLMOPS_CACHED_OVER;
    cached->status = NGX_LLMOPS_CACHE_MISS;
    cached->saved_cost = -1;
    ngx_memzero(&cached->saved, sizeof(ngx_llmops_usage_t));

    return NGX_OK;
}


ngx_int_t
ngx_llmops_cache_follow(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_creader_t *reader, void (*resume)(ngx_http_request_t *r))
{
    ngx_llmops_cache_play_t  *play;

    play = ngx_llmops_play_make(r, ctx);

    if (play == NULL) {
        ngx_llmops_cshm_unfollow(&ngx_llmops_cache_of(r)->shm, reader);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    play->reader = *reader;
    play->counted = 1;
    play->live = 1;
    play->resume = resume;

    ngx_llmops_play_begin(r, play);

    return NGX_DONE;
}


static ngx_llmops_cache_play_t *
ngx_llmops_play_make(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_cache_play_t  *play;

    play = ngx_pcalloc(r->pool, sizeof(ngx_llmops_cache_play_t));
    if (play == NULL) {
        return NULL;
    }

    play->request = r;
    play->ctx = ctx;
    play->stream = ctx->env.stream;
    play->started = ngx_current_msec;

    play->timer.handler = ngx_llmops_play_timer;
    play->timer.data = play;
    play->timer.log = r->connection->log;

    ngx_llmops_sse_init(&play->sse, NGX_LLMOPS_PLAY_EVENT);
    ngx_llmops_out_init(&play->got, NGX_LLMOPS_PLAY_MAX);
    ngx_llmops_out_init(&play->out, NGX_LLMOPS_PLAY_MAX);

    ctx->cached->play = play;

    return play;
}


static void
ngx_llmops_play_begin(ngx_http_request_t *r, ngx_llmops_cache_play_t *play)
{
    ngx_connection_t  *c;

    c = r->connection;

    r->main->count++;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_llmops_play_writer;

    /* who has all at once need not be looked after */

    if (play->live || play->ctx->cached->route->replay) {

        if (c->read->ready) {
            ngx_post_event(c->read, &ngx_posted_events);

        } else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
            ngx_llmops_play_over(play, NGX_ERROR);
            return;
        }
    }

    ngx_llmops_play_run(play);
}


/* the request may be gone when it returns */

void
ngx_llmops_play_run(ngx_llmops_cache_play_t *play)
{
    ngx_int_t  rc;

    do {
        rc = ngx_llmops_play_step(play);
    } while (rc == NGX_OK);

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc == NGX_DECLINED) {
        ngx_llmops_cached_again(play->request, play->ctx);
        return;
    }

    ngx_llmops_play_over(play, rc == NGX_DONE ? NGX_OK : rc);
}


/*
 * NGX_OK: there is more to do; NGX_AGAIN: something will call; NGX_DONE: it is
 * over; NGX_DECLINED: the flight has failed in time; or an error.
 */

static ngx_int_t
ngx_llmops_play_step(ngx_llmops_cache_play_t *play)
{
    if (play->busy) {
        return ngx_llmops_play_blocked(play);
    }

    if (play->out.failed) {
        return NGX_ERROR;
    }

    if (play->out.len) {
        return ngx_llmops_play_send(play);
    }

    if (play->last) {
        return NGX_DONE;
    }

    if (play->given) {
        return ngx_llmops_play_last(play);
    }

    if (play->timer.timer_set) {
        return NGX_AGAIN;
    }

    return play->complete ? ngx_llmops_play_more(play)
                          : ngx_llmops_play_live(play);
}


/* the next events of a stream that lies here */

static ngx_int_t
ngx_llmops_play_more(ngx_llmops_cache_play_t *play)
{
    u_char                  *p, *last;
    ngx_int_t                rc;
    ngx_llmops_sse_event_t   ev;

    p = play->answer.body.data + play->pos;
    last = play->answer.body.data + play->answer.body.len;

    while (play->out.len < NGX_LLMOPS_PLAY_READ) {
        rc = ngx_llmops_sse_next(&play->sse, &p, last, &ev);

        play->pos = p - play->answer.body.data;

        if (rc == NGX_AGAIN) {
            play->given = 1;
            return ngx_llmops_play_rest(play);
        }

        if (rc != NGX_OK || ngx_llmops_play_event(play, &ev) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_llmops_play_due(play) == NGX_AGAIN) {
            return NGX_OK;
        }
    }

    return NGX_OK;
}


/* with replay=: as many tokens as there was time for */

static ngx_int_t
ngx_llmops_play_due(ngx_llmops_cache_play_t *play)
{
    uint64_t    due;
    ngx_uint_t  rate;
    ngx_msec_t  now;

    rate = play->ctx->cached->route->replay;

    if (rate == 0) {
        return NGX_OK;
    }

    due = (uint64_t) play->meter.output_tokens * 1000 / rate;
    now = ngx_current_msec - play->started;

    if (due <= now) {
        return NGX_OK;
    }

    ngx_add_timer(&play->timer, (ngx_msec_t) (due - now));

    return NGX_AGAIN;
}


static void
ngx_llmops_play_over(ngx_llmops_cache_play_t *play, ngx_int_t rc)
{
    if (play->over) {
        return;
    }

    play->over = 1;
    play->ctx->total = ngx_current_msec - play->ctx->start;

    if (play->timer.timer_set) {
        ngx_del_timer(&play->timer);
    }

    if (rc == NGX_ERROR && play->ctx->error == NGX_LLMOPS_ERR_NONE
        && play->header)
    {
        play->ctx->error = NGX_LLMOPS_ERR_CLIENT_ABORT;
    }

    ngx_http_finalize_request(play->request, rc);
}


void
ngx_llmops_cache_play_end(ngx_llmops_cache_play_t *play)
{
    ngx_llmops_play_unfollow(play);

    if (play->timer.timer_set) {
        ngx_del_timer(&play->timer);
    }

    if (play->waiting) {
        play->waiting = 0;
        ngx_queue_remove(&play->queue);
    }

    play->over = 1;
}


/* memory that a body's bufs may point to until the pool goes */

void
ngx_llmops_cache_play_free(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_cache_play_t  *play;

    play = ctx->cached ? ctx->cached->play : NULL;

    if (play) {
        ngx_llmops_sse_free(&play->sse);
        ngx_llmops_out_free(&play->got);
        ngx_llmops_out_free(&play->out);
    }
}


static void
ngx_llmops_play_writer(ngx_http_request_t *r)
{
    ngx_event_t       *wev;
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_llmops_ctx(r);
    wev = r->connection->write;

    if (wev->timedout) {
        r->connection->timedout = 1;
        ngx_llmops_play_over(ctx->cached->play, NGX_HTTP_REQUEST_TIME_OUT);
        return;
    }

    /* an event of the socket is no reason to look at a flight */

    if (ctx->cached->play && !ctx->cached->play->waiting) {
        ngx_llmops_play_run(ctx->cached->play);
    }
}


static void
ngx_llmops_play_timer(ngx_event_t *ev)
{
    ngx_connection_t         *c;
    ngx_llmops_cache_play_t  *play = ev->data;

    c = play->request->connection;

    ngx_llmops_play_run(play);

    ngx_http_run_posted_requests(c);
}
