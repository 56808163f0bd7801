
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_guard.h"


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
 */


#define NGX_LLMOPS_PLAY_PIECE      8192
#define NGX_LLMOPS_PLAY_READ       16384
#define NGX_LLMOPS_PLAY_EVENT      (1024 * 1024)
#define NGX_LLMOPS_PLAY_MAX        (64 * 1024 * 1024)


static ngx_llmops_cache_play_t *ngx_llmops_play_make(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_play_whole(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_cache_answer_t *answer,
    ngx_llmops_cache_marks_t *marks);
static void ngx_llmops_play_begin(ngx_http_request_t *r,
    ngx_llmops_cache_play_t *play);
static void ngx_llmops_play_run(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_step(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_more(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_due(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_live(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_landed(ngx_llmops_cache_play_t *play,
    ngx_llmops_cfacts_t *facts);
static ngx_int_t ngx_llmops_play_lost(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_wait(ngx_llmops_cache_play_t *play);
static void ngx_llmops_play_unfollow(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_header(ngx_llmops_cache_play_t *play,
    off_t length);
static ngx_int_t ngx_llmops_play_send(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_chain(ngx_llmops_cache_play_t *play,
    ngx_chain_t *out);
static ngx_int_t ngx_llmops_play_last(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_blocked(ngx_llmops_cache_play_t *play);
static void ngx_llmops_play_account(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer);
static void ngx_llmops_play_over(ngx_llmops_cache_play_t *play, ngx_int_t rc);
static void ngx_llmops_play_writer(ngx_http_request_t *r);
static void ngx_llmops_play_timer(ngx_event_t *ev);


/* of this worker: those that wait for a flight */

static ngx_queue_t  ngx_llmops_play_waiting;


ngx_str_t  ngx_llmops_cache_types[] = {
    ngx_string("application/json"),
    ngx_string("text/event-stream; charset=utf-8")
};


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
                                    &answer->body, &play->got);
        if (rc != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        play->answer.body.data = play->got.data;
        play->answer.body.len = play->got.len;
        play->usage = 1;
    }

    ngx_llmops_play_begin(r, play);

    return NGX_DONE;
}


/* one buf, and it is over: as nginx sends what it has in memory */

static ngx_int_t
ngx_llmops_play_whole(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer, ngx_llmops_cache_marks_t *marks)
{
    ngx_str_t                 body;
    ngx_int_t                 rc;
    ngx_llmops_out_t          out;
    ngx_llmops_cache_play_t  *play;

    play = ngx_llmops_play_make(r, ctx);
    if (play == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    play->answer = *answer;
    play->complete = 1;
    play->given = 1;

    body = answer->body;

    if (answer->form == NGX_LLMOPS_CACHE_FORM_STREAM) {

        rc = ngx_llmops_cache_render(ctx, answer, marks, &out);
        if (rc != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        play->got = out;
        body.data = out.data;
        body.len = out.len;

    } else {
        ngx_llmops_cache_renew(body.data, marks, ngx_time());
    }

    play->answer.body = body;

    ngx_llmops_play_begin(r, play);

    return NGX_DONE;
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

static void
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


/* what has come of a flight since */

static ngx_int_t
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
    }

    return NGX_AGAIN;
}


void
ngx_llmops_cache_woken(void)
{
    ngx_queue_t              *q, list;
    ngx_connection_t         *c;
    ngx_llmops_cache_play_t  *play;

    if (ngx_llmops_play_waiting.next == NULL
        || ngx_queue_empty(&ngx_llmops_play_waiting))
    {
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
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
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


static void
ngx_llmops_play_unfollow(ngx_llmops_cache_play_t *play)
{
    if (play->counted) {
        play->counted = 0;
        ngx_llmops_cshm_unfollow(&ngx_llmops_cache_of(play->request)->shm,
                                 &play->reader);
    }
}


/* NGX_OK: the body may follow; anything else is final */

static ngx_int_t
ngx_llmops_play_header(ngx_llmops_cache_play_t *play, off_t length)
{
    ngx_int_t            rc;
    ngx_str_t           *type;
    ngx_http_request_t  *r;

    r = play->request;

    play->header = 1;
    play->ctx->first_token = ngx_current_msec - play->ctx->start;

    type = &ngx_llmops_cache_types[play->stream];

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = play->stream
                                      ? sizeof("text/event-stream") - 1
                                      : type->len;
    r->headers_out.content_length_n = length;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc == NGX_OK ? NGX_DONE : rc;
    }

    return NGX_OK;
}


/* all that is in play->out, in pieces that are used again */

static ngx_int_t
ngx_llmops_play_send(ngx_llmops_cache_play_t *play)
{
    u_char        *p;
    size_t         n, len;
    ngx_buf_t     *b;
    ngx_int_t      rc;
    ngx_chain_t   *cl, *out, **ll;

    if (!play->header) {
        rc = ngx_llmops_play_header(play, -1);
        if (rc != NGX_OK) {
            return rc;
        }
    }

    p = play->out.data;
    len = play->out.len;
    ll = &out;

    while (len) {
        cl = ngx_chain_get_free_buf(play->request->pool, &play->free);
        if (cl == NULL) {
            return NGX_ERROR;
        }

        b = cl->buf;

        if (b->start == NULL) {
            b->start = ngx_palloc(play->request->pool, NGX_LLMOPS_PLAY_PIECE);
            if (b->start == NULL) {
                return NGX_ERROR;
            }

            b->end = b->start + NGX_LLMOPS_PLAY_PIECE;
        }

        n = ngx_min(len, NGX_LLMOPS_PLAY_PIECE);

        b->pos = b->start;
        b->last = ngx_cpymem(b->start, p, n);
        b->tag = (ngx_buf_tag_t) &ngx_llmops_module;
        b->temporary = 1;
        b->flush = 1;

        p += n;
        len -= n;

        *ll = cl;
        ll = &cl->next;
    }

    *ll = NULL;

    ngx_llmops_out_reset(&play->out);

    return ngx_llmops_play_chain(play, out);
}


static ngx_int_t
ngx_llmops_play_chain(ngx_llmops_cache_play_t *play, ngx_chain_t *out)
{
    ngx_int_t            rc;
    ngx_http_request_t  *r;

    r = play->request;

    rc = ngx_http_output_filter(r, out);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    ngx_chain_update_chains(r->pool, &play->free, &play->busy, &out,
                            (ngx_buf_tag_t) &ngx_llmops_module);

    return NGX_OK;
}


/* the end, with all of a whole answer */

static ngx_int_t
ngx_llmops_play_last(ngx_llmops_cache_play_t *play)
{
    ngx_int_t            rc;
    ngx_buf_t           *b;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = play->request;
    play->last = 1;

    /* before the caller sees the end, and calls again */

    ngx_llmops_play_account(play->ctx, &play->answer);

    if (play->stream) {
        if (!play->header) {
            rc = ngx_llmops_play_header(play, -1);
            if (rc != NGX_OK) {
                return rc;
            }
        }

        return ngx_http_send_special(r, NGX_HTTP_LAST) == NGX_ERROR
               ? NGX_ERROR : NGX_DONE;
    }

    rc = ngx_llmops_play_header(play, play->answer.body.len);
    if (rc != NGX_OK) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = play->answer.body.data;
    b->last = b->pos + play->answer.body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out) == NGX_ERROR ? NGX_ERROR
                                                        : NGX_DONE;
}


/* the caller is slow: as nginx waits for any */

static ngx_int_t
ngx_llmops_play_blocked(ngx_llmops_cache_play_t *play)
{
    ngx_event_t               *wev;
    ngx_http_request_t        *r;
    ngx_http_core_loc_conf_t  *clcf;

    r = play->request;
    wev = r->connection->write;

    if (ngx_llmops_play_chain(play, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    if (play->busy == NULL) {

        if (wev->timer_set && !wev->delayed) {
            ngx_del_timer(wev);
        }

        return NGX_OK;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    if (!wev->delayed && !wev->timer_set) {
        ngx_add_timer(wev, clcf->send_timeout);
    }

    if (ngx_handle_write_event(wev, clcf->send_lowat) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_AGAIN;
}


/* what a hit has used: its request, and with count=on what it would have */

static void
ngx_llmops_play_account(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer)
{
    ngx_llmops_cache_play_t *play = ctx->cached->play;

    ctx->cost = 0;

    if (ctx->cached->route->count) {
        ctx->meter.usage = answer->usage;
        ctx->cost = answer->cost;
    }

    ngx_llmops_limits_settle(ctx->request, ctx);

    if (ctx->cached->route->count) {
        ngx_memzero(&ctx->meter.usage, sizeof(ngx_llmops_usage_t));
        ctx->cost = 0;
    }

    ctx->meter.finish = play->meter.finish;
    ctx->meter.model_len = play->meter.model_len;
    ngx_memcpy(ctx->meter.model, play->meter.model, NGX_LLMOPS_METER_MODEL);
}


static void
ngx_llmops_play_over(ngx_llmops_cache_play_t *play, ngx_int_t rc)
{
    if (play->over) {
        return;
    }

    play->over = 1;

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
