
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_guard.h"


/*
 * What is due goes out to the caller: header, pieces, end; and waits for one
 * who is slow.  The end accounts the request.
 */


#define NGX_LLMOPS_PLAY_PIECE      8192


static ngx_int_t ngx_llmops_play_header(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, off_t length);
static ngx_int_t ngx_llmops_play_stream(ngx_llmops_cache_play_t *play);
static ngx_int_t ngx_llmops_play_chain(ngx_llmops_cache_play_t *play,
    ngx_chain_t *out);
static void ngx_llmops_play_account(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer);


ngx_str_t  ngx_llmops_cache_types[] = {
    ngx_string("application/json"),
    ngx_string("text/event-stream; charset=utf-8")
};


/* NGX_OK: the body may follow; anything else is final */

static ngx_int_t
ngx_llmops_play_header(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    off_t length)
{
    ngx_int_t   rc;
    ngx_str_t  *type;

    ctx->first_token = ngx_current_msec - ctx->start;

    type = &ngx_llmops_cache_types[ctx->env.stream];

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = ctx->env.stream
                                      ? sizeof("text/event-stream") - 1
                                      : type->len;
    r->headers_out.content_length_n = length;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc == NGX_OK ? NGX_DONE : rc;
    }

    return NGX_OK;
}


/* the header of a stream, once */

static ngx_int_t
ngx_llmops_play_stream(ngx_llmops_cache_play_t *play)
{
    if (play->header) {
        return NGX_OK;
    }

    play->header = 1;

    return ngx_llmops_play_header(play->request, play->ctx, -1);
}


/* all that is in play->out, in pieces that are used again */

ngx_int_t
ngx_llmops_play_send(ngx_llmops_cache_play_t *play)
{
    u_char        *p;
    size_t         n, len;
    ngx_buf_t     *b;
    ngx_int_t      rc;
    ngx_chain_t   *cl, *out, **ll;

    rc = ngx_llmops_play_stream(play);
    if (rc != NGX_OK) {
        return rc;
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

ngx_int_t
ngx_llmops_play_last(ngx_llmops_cache_play_t *play)
{
    ngx_int_t  rc;

    play->last = 1;

    if (!play->stream) {
        play->header = 1;

        rc = ngx_llmops_play_document(play->request, play->ctx, &play->answer);

        return rc == NGX_OK ? NGX_DONE : rc;
    }

    /* before the caller sees the end, and calls again */

    ngx_llmops_play_account(play->ctx, &play->answer);

    rc = ngx_llmops_play_stream(play);
    if (rc != NGX_OK) {
        return rc;
    }

    return ngx_http_send_special(play->request, NGX_HTTP_LAST) == NGX_ERROR
           ? NGX_ERROR : NGX_DONE;
}


ngx_int_t
ngx_llmops_play_document(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer)
{
    ngx_int_t     rc;
    ngx_buf_t    *b;
    ngx_chain_t   out;

    ngx_llmops_play_account(ctx, answer);

    rc = ngx_llmops_play_header(r, ctx, answer->body.len);
    if (rc != NGX_OK) {
        return rc;
    }

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = answer->body.data;
    b->last = b->pos + answer->body.len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_output_filter(r, &out) == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


/* the caller is slow: as nginx waits for any */

ngx_int_t
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

    if (ctx->limits) {

        if (ctx->cached->route->count) {
            ctx->meter.usage = answer->usage;
            ctx->cost = answer->cost;
        }

        ngx_llmops_limits_settle(ctx->request, ctx);

        if (ctx->cached->route->count) {
            ngx_memzero(&ctx->meter.usage, sizeof(ngx_llmops_usage_t));
            ctx->cost = 0;
        }
    }

    if (play == NULL) {
        return;
    }

    ctx->meter.finish = play->meter.finish;
    ctx->meter.model_len = play->meter.model_len;
    ngx_memcpy(ctx->meter.model, play->meter.model, NGX_LLMOPS_METER_MODEL);
}
