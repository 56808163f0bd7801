
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_cache_note.h"


/*
 * Answers that are given again.
 *
 * There is one mechanism: an entry in shared memory, a chain of blocks that
 * somebody writes while his provider answers, and that anybody reads with the
 * same key.  Who comes when it is complete has a hit; who comes before follows
 * it: he gets what has come so far, and then each piece as it comes, in
 * whichever worker he is.  So a flight that is shared needs nothing that a hit
 * does not need, but for being woken.
 *
 * What is kept is the answer in the caller's dialect, byte for byte as it has
 * gone out, after translation and rules, as a document or as events: most who
 * ask again want the same form and get it copied, with an id and a time of
 * their own.  The other form is made when it is wanted (..._form.c).  A
 * neutral form would have to be written out for all, and would lose what it
 * does not know of.
 *
 * The first caller is the one who asks the provider, so that limits, failover,
 * rules and accounts are those of any request.  If he leaves, the answer is
 * read on as long as others follow.  If his flight fails, those who have got
 * nothing yet look again: one of them becomes the next to ask, once; after
 * that each asks for himself.
 *
 * A hit is accounted as a request that has used nothing.
 */


static void ngx_llmops_cached_level(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_uint_t n);
static void ngx_llmops_cached_answer(ngx_llmops_cache_ask_t *ask);
static ngx_int_t ngx_llmops_cached_answered(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_cached_store(ngx_http_request_t *r,
    ngx_llmops_cached_t *cached, ngx_llmops_cache_answer_t *answer,
    ngx_llmops_cache_marks_t *marks);
static ngx_int_t ngx_llmops_cached_over(ngx_http_request_t *r,
    ngx_llmops_cached_t *cached, ngx_llmops_cache_answer_t *answer,
    ngx_llmops_cache_marks_t *marks);


const ngx_str_t  ngx_llmops_cache_names[] = {
    ngx_null_string,
    ngx_string("bypass"),
    ngx_string("miss"),
    ngx_string("hit"),
    ngx_string("stale"),
    ngx_string("shared"),
    ngx_string("semantic")
};


ngx_int_t
ngx_llmops_cache_ask(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_cached_t  *cached;

    if (ctx->route->cache == NULL) {
        return NGX_OK;
    }

    cached = ngx_llmops_cached_make(r, ctx, ctx->route->cache);
    if (cached == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ctx->cached = cached;

    if (ngx_llmops_cache_key(r, ctx, cached) != NGX_OK) {
        return NGX_OK;
    }

    ngx_llmops_cached_tags(ctx, cached);

    if (cached->no_cache) {
        cached->state = NGX_LLMOPS_CACHED_NOTHING;
        cached->level = NGX_LLMOPS_CACHE_LEVELS;
        return NGX_OK;
    }

    cached->status = NGX_LLMOPS_CACHE_MISS;

    if (ngx_llmops_cached_look(r, cached) == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (cached->state != NGX_LLMOPS_CACHED_FOUND) {
        ngx_llmops_cached_level(r, ctx, 0);
    }

    return NGX_OK;
}


/* NGX_OK, NGX_DECLINED, NGX_ERROR */

ngx_int_t
ngx_llmops_cached_look(ngx_http_request_t *r, ngx_llmops_cached_t *cached)
{
    int64_t                    now;
    ngx_llmops_cache_t        *cache;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_cache_found_t  *found;

    cache = ngx_llmops_cache_of(r);
    now = ngx_llmops_now();

    found = ngx_palloc(r->pool, sizeof(ngx_llmops_cache_found_t));
    if (found == NULL) {
        return NGX_ERROR;
    }

    if (ngx_llmops_cshm_find(&cache->shm, cached->key, now, &found->facts)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    if (!ngx_llmops_cache_stands(mcf, cached->key, found->facts.answer.tags,
                                 found->facts.answer.created))
    {
        cached->purged = 1;
        return NGX_DECLINED;
    }

    found->fresh = (now < found->facts.answer.expires);

    cached->found = found;

    if (found->fresh) {
        cached->state = NGX_LLMOPS_CACHED_FOUND;
    }

    return NGX_OK;
}


/* asks level n, or the next one that there is */

static void
ngx_llmops_cached_level(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t n)
{
    ngx_int_t                        rc;
    ngx_llmops_cache_t              *cache;
    ngx_llmops_cached_t             *cached;
    ngx_llmops_cache_ask_t          *ask;
    const ngx_llmops_cache_level_t  *level;

    cache = ngx_llmops_cache_of(r);
    cached = ctx->cached;

    for ( /* void */ ; n < NGX_LLMOPS_CACHE_LEVELS; n++) {
        level = cache->levels[n];

        if (level == NULL) {
            continue;
        }

        ask = &cached->asks[n];

        ask->request = r;
        ask->ctx = ctx;
        ask->route = cached->route;
        ask->handler = ngx_llmops_cached_answer;

        cached->level = n;

        rc = level->ask(ask);

        if (rc == NGX_AGAIN) {
            cached->state = NGX_LLMOPS_CACHED_ASKING;
            return;
        }

        if (rc == NGX_OK) {
            cached->state = NGX_LLMOPS_CACHED_ANSWERED;
            return;
        }
    }

    cached->level = n;
    cached->state = NGX_LLMOPS_CACHED_NOTHING;
}


static void
ngx_llmops_cached_answer(ngx_llmops_cache_ask_t *ask)
{
    ngx_connection_t     *c;
    ngx_http_request_t   *r;
    ngx_llmops_cached_t  *cached;

    r = ask->request;
    c = r->connection;
    cached = ask->ctx->cached;

    cached->state = (ask->answer.form == NGX_LLMOPS_CACHE_FORM_NONE)
                    ? NGX_LLMOPS_CACHED_NOTHING
                    : NGX_LLMOPS_CACHED_ANSWERED;

    if (cached->waiting) {
        cached->waiting = 0;
        cached->resume(r);

        ngx_http_run_posted_requests(c);
    }
}


ngx_uint_t
ngx_llmops_cache_may(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_cached_t *cached = ctx->cached;

    return cached
           && (cached->state == NGX_LLMOPS_CACHED_FOUND
               || cached->state == NGX_LLMOPS_CACHED_ASKING
               || cached->state == NGX_LLMOPS_CACHED_ANSWERED
               || (cached->state == NGX_LLMOPS_CACHED_NOTHING
                   && cached->found));
}


ngx_int_t
ngx_llmops_cache_recall(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    void (*resume)(ngx_http_request_t *r))
{
    ngx_int_t             rc;
    ngx_llmops_cached_t  *cached;

    cached = ctx->cached;

    if (cached == NULL) {
        return NGX_OK;
    }

    cached->resume = resume;

    for ( ;; ) {

        switch (cached->state) {

        case NGX_LLMOPS_CACHED_FOUND:
            rc = ngx_llmops_cached_found(r, ctx, NGX_LLMOPS_CACHE_HIT);
            break;

        case NGX_LLMOPS_CACHED_ASKING:
            cached->waiting = 1;
            return NGX_AGAIN;

        case NGX_LLMOPS_CACHED_ANSWERED:
            rc = ngx_llmops_cached_answered(r, ctx);
            break;

        case NGX_LLMOPS_CACHED_NOTHING:

            if (cached->level < NGX_LLMOPS_CACHE_LEVELS) {
                ngx_llmops_cached_level(r, ctx, cached->level + 1);
                continue;
            }

            rc = ngx_llmops_cached_board(r, ctx);
            break;

        default: /* OFF, OVER */
            return NGX_OK;
        }

        if (rc != NGX_DECLINED) {
            return rc;
        }
    }
}


/* NGX_DECLINED: it is gone meanwhile */

ngx_int_t
ngx_llmops_cached_found(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_status_e status)
{
    ngx_llmops_cache_t        *cache;
    ngx_llmops_cached_t       *cached;
    ngx_llmops_cache_found_t  *found;

    cache = ngx_llmops_cache_of(r);
    cached = ctx->cached;
    found = cached->found;

    if (ngx_llmops_cached_copy(r, &cache->shm, &found->facts) != NGX_OK) {
        cached->found = NULL;
        cached->state = NGX_LLMOPS_CACHED_NOTHING;
        return NGX_DECLINED;
    }

    cached->state = NGX_LLMOPS_CACHED_OVER;
    cached->status = status;

    return ngx_llmops_cache_play(r, ctx, &found->facts.answer,
                                 &found->facts.marks);
}


ngx_int_t
ngx_llmops_cached_copy(ngx_http_request_t *r, ngx_llmops_cshm_t *shm,
    ngx_llmops_cfacts_t *facts)
{
    ngx_str_t  *body;

    body = &facts->answer.body;

    body->data = ngx_pnalloc(r->pool, body->len);
    if (body->data == NULL) {
        return NGX_DECLINED;
    }

    facts->reader.pos = 0;
    facts->reader.block = NULL;

    return ngx_llmops_cshm_copy(shm, &facts->reader, body->data, body->len);
}


/* what another level had is from now on here as well */

static ngx_int_t
ngx_llmops_cached_answered(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_cached_t        *cached;
    ngx_llmops_cache_ask_t     *ask;
    ngx_llmops_cache_marks_t    marks;
    ngx_llmops_cache_answer_t  *answer;

    cached = ctx->cached;
    ask = &cached->asks[cached->level];
    answer = &ask->answer;

    ngx_memzero(&marks, sizeof(ngx_llmops_cache_marks_t));

    if (answer->form == NGX_LLMOPS_CACHE_FORM_WHOLE) {
        ngx_llmops_cache_mark(ctx->env.op, &answer->body, &marks);
    }

    if (ask->status == NGX_LLMOPS_CACHE_NONE) {

        if ((int64_t) ngx_llmops_now() >= answer->expires) {
            return ngx_llmops_cached_over(r, cached, answer, &marks);
        }

        if (!cached->no_store) {
            ngx_llmops_cached_store(r, cached, answer, &marks);
        }
    }

    cached->state = NGX_LLMOPS_CACHED_OVER;
    cached->status = (ask->status == NGX_LLMOPS_CACHE_NONE)
                     ? NGX_LLMOPS_CACHE_HIT : ask->status;

    return ngx_llmops_cache_play(r, ctx, answer, &marks);
}


static void
ngx_llmops_cached_store(ngx_http_request_t *r, ngx_llmops_cached_t *cached,
    ngx_llmops_cache_answer_t *answer, ngx_llmops_cache_marks_t *marks)
{
    ngx_llmops_cfacts_t  facts;

    ngx_memzero(&facts, sizeof(ngx_llmops_cfacts_t));

    facts.answer = *answer;
    facts.marks = *marks;
    facts.usable = answer->expires
                   + (int64_t) ngx_max(cached->route->stale,
                                       cached->route->stale_error);

    (void) ngx_llmops_cshm_store(&ngx_llmops_cache_of(r)->shm, cached->key,
                                 &facts);
}


/* a stale one is treated as any that lies here: it is given while it is asked
   for again, or when nobody else can answer */

static ngx_int_t
ngx_llmops_cached_over(ngx_http_request_t *r, ngx_llmops_cached_t *cached,
    ngx_llmops_cache_answer_t *answer, ngx_llmops_cache_marks_t *marks)
{
    ngx_llmops_cache_found_t  *found;

    cached->state = NGX_LLMOPS_CACHED_NOTHING;

    if (ngx_llmops_cached_look(r, cached) == NGX_OK) {
        found = cached->found;

        if (found->facts.answer.created >= answer->created) {
            return NGX_DECLINED;
        }
    }

    ngx_llmops_cached_store(r, cached, answer, marks);

    (void) ngx_llmops_cached_look(r, cached);

    return NGX_DECLINED;
}


void
ngx_llmops_cache_cleanup(ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t                       i;
    ngx_llmops_cache_t              *cache;
    ngx_llmops_cached_t             *cached;
    ngx_llmops_cache_play_t         *play;
    const ngx_llmops_cache_level_t  *level;

    cached = ctx->cached;

    if (cached == NULL) {
        return;
    }

    cache = ngx_llmops_cache_of(ctx->request);

    ngx_llmops_cache_finish(ctx, 0);

    play = cached->play;

    if (play) {

        if (!play->over && (play->live || play->complete)
            && ctx->error == NGX_LLMOPS_ERR_NONE)
        {
            ctx->error = NGX_LLMOPS_ERR_CLIENT_ABORT;   /* nginx has seen it */
        }

        ngx_llmops_cache_play_end(play);
    }

    if (cached->state == NGX_LLMOPS_CACHED_ASKING) {
        cached->state = NGX_LLMOPS_CACHED_OVER;
        cache->levels[cached->level]->cancel(&cached->asks[cached->level]);
    }

    for (i = 0; i < NGX_LLMOPS_CACHE_LEVELS; i++) {
        level = cache->levels[i];

        if (level && level->done && cached->levels[i]) {
            level->done(ctx);
        }
    }
}
