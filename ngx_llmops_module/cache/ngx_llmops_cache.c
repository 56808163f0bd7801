
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_cache_note.h"
#include "ngx_llmops_guard.h"
#include "ngx_llmops_prompt.h"


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


/* of ngx_llmops_cached_t */

enum {
    NGX_LLMOPS_CACHED_OFF = 0,             /* this request is not cached */
    NGX_LLMOPS_CACHED_FOUND,               /* shared memory has a fresh one */
    NGX_LLMOPS_CACHED_ASKING,              /* a level */
    NGX_LLMOPS_CACHED_ANSWERED,            /* by that level */
    NGX_LLMOPS_CACHED_NOTHING,             /* it had none */
    NGX_LLMOPS_CACHED_OVER                 /* the rest is another's */
};

#define NGX_LLMOPS_CACHED_FLIGHTS  2       /* that may fail before one goes on
                                              alone */


typedef struct {
    ngx_llmops_cfacts_t        facts;
    ngx_uint_t                 fresh;
} ngx_llmops_cache_found_t;


static ngx_llmops_cached_t *ngx_llmops_cached_make(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_cache_route_t *route);
static void ngx_llmops_cached_wishes(ngx_http_request_t *r,
    ngx_llmops_cached_t *cached);
static ngx_uint_t ngx_llmops_cached_wish(ngx_str_t *value, const char *word);
static void ngx_llmops_cached_tags(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cached_t *cached);
static ngx_int_t ngx_llmops_cached_look(ngx_http_request_t *r,
    ngx_llmops_cached_t *cached);
static void ngx_llmops_cached_level(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_uint_t n);
static void ngx_llmops_cached_answer(ngx_llmops_cache_ask_t *ask);
static ngx_int_t ngx_llmops_cached_found(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_cache_status_e status);
static ngx_int_t ngx_llmops_cached_answered(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_cached_board(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);
static ngx_int_t ngx_llmops_cached_lead(ngx_http_request_t *r,
    ngx_llmops_cached_t *cached, ngx_llmops_creader_t *reader);


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


static ngx_llmops_cached_t *
ngx_llmops_cached_make(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_route_t *route)
{
    ngx_llmops_cached_t  *cached;

    cached = ngx_pcalloc(r->pool, sizeof(ngx_llmops_cached_t));
    if (cached == NULL) {
        return NULL;
    }

    cached->route = route;
    cached->status = NGX_LLMOPS_CACHE_BYPASS;
    cached->saved_cost = -1;

    if (route->scope) {
        if (ngx_http_complex_value(r, route->scope, &cached->scope)
            != NGX_OK)
        {
            return NULL;
        }

    } else if (ctx->identity) {
        cached->scope = ctx->identity->tenant;
    }

    ngx_llmops_cached_wishes(r, cached);

    return cached;
}


/* x-llm-cache: no-cache, no-store */

static void
ngx_llmops_cached_wishes(ngx_http_request_t *r, ngx_llmops_cached_t *cached)
{
    ngx_table_elt_t  *h;

    h = ngx_llmops_header_in(r, "x-llm-cache", sizeof("x-llm-cache") - 1);

    if (h) {
        cached->no_cache = ngx_llmops_cached_wish(&h->value, "no-cache");
        cached->no_store = ngx_llmops_cached_wish(&h->value, "no-store");
    }
}


static ngx_uint_t
ngx_llmops_cached_wish(ngx_str_t *value, const char *word)
{
    return value->len >= 8
           && ngx_strlcasestrn(value->data, value->data + value->len,
                               (u_char *) word, 8 - 1)
              != NULL;
}


uint64_t
ngx_llmops_cache_tag(ngx_str_t *name)
{
    size_t    i;
    uint64_t  h;

    if (name->len == 0) {
        return 0;
    }

    h = 0xcbf29ce484222325ull;

    for (i = 0; i < name->len; i++) {
        h = (h ^ name->data[i]) * 0x100000001b3ull;
    }

    return h ? h : 1;
}


static void
ngx_llmops_cached_tags(ngx_llmops_ctx_t *ctx, ngx_llmops_cached_t *cached)
{
    cached->tags[NGX_LLMOPS_CACHE_TAG_ROUTE]
                                    = ngx_llmops_cache_tag(&ctx->route->name);
    cached->tags[NGX_LLMOPS_CACHE_TAG_SCOPE]
                                    = ngx_llmops_cache_tag(&cached->scope);

    if (ctx->identity) {
        cached->tags[NGX_LLMOPS_CACHE_TAG_TENANT]
                              = ngx_llmops_cache_tag(&ctx->identity->tenant);
    }

    if (ctx->prompt) {
        cached->tags[NGX_LLMOPS_CACHE_TAG_PROMPT]
                                   = ngx_llmops_cache_tag(&ctx->prompt->full);
    }
}


/* NGX_OK, NGX_DECLINED, NGX_ERROR */

static ngx_int_t
ngx_llmops_cached_look(ngx_http_request_t *r, ngx_llmops_cached_t *cached)
{
    int64_t                    now;
    ngx_llmops_cfacts_t        facts;
    ngx_llmops_cache_t        *cache;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_cache_found_t  *found;

    cache = ngx_llmops_cache_of(r);
    now = ngx_llmops_now();

    if (ngx_llmops_cshm_find(&cache->shm, cached->key, now, &facts)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    if (!ngx_llmops_cache_stands(mcf, cached->key, cached->tags,
                                 facts.answer.created))
    {
        cached->purged = 1;
        return NGX_DECLINED;
    }

    found = ngx_palloc(r->pool, sizeof(ngx_llmops_cache_found_t));
    if (found == NULL) {
        return NGX_ERROR;
    }

    found->facts = facts;
    found->fresh = (now < facts.answer.expires);

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

static ngx_int_t
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
    ngx_msec_t                  stale;
    ngx_llmops_cfacts_t         facts;
    ngx_llmops_cache_t         *cache;
    ngx_llmops_cached_t        *cached;
    ngx_llmops_cache_ask_t     *ask;
    ngx_llmops_cache_answer_t  *answer;

    cache = ngx_llmops_cache_of(r);
    cached = ctx->cached;
    ask = &cached->asks[cached->level];
    answer = &ask->answer;

    ngx_memzero(&facts, sizeof(ngx_llmops_cfacts_t));

    if (answer->form == NGX_LLMOPS_CACHE_FORM_WHOLE) {
        ngx_llmops_cache_mark(ctx->env.op, &answer->body, &facts.marks);
    }

    if (ask->status == NGX_LLMOPS_CACHE_NONE && !cached->no_store) {
        stale = ngx_max(cached->route->stale, cached->route->stale_error);

        facts.answer = *answer;
        facts.usable = answer->expires + (int64_t) stale;
        ngx_memcpy(facts.answer.tags, cached->tags, sizeof(cached->tags));

        (void) ngx_llmops_cshm_store(&cache->shm, cached->key, &facts);
    }

    cached->state = NGX_LLMOPS_CACHED_OVER;

    if (ask->status != NGX_LLMOPS_CACHE_NONE) {
        cached->status = ask->status;

    } else {
        cached->status = NGX_LLMOPS_CACHE_HIT;

        if ((int64_t) ngx_llmops_now() >= answer->expires) {
            cached->status = NGX_LLMOPS_CACHE_STALE;
        }
    }

    return ngx_llmops_cache_play(r, ctx, answer, &facts.marks);
}


/*
 * Nobody has a fresh answer.  A stale one is given if no target can be asked,
 * after flights have failed, or while somebody else asks for a new one.
 */

static ngx_int_t
ngx_llmops_cached_board(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    int64_t                    now;
    ngx_int_t                  rc;
    ngx_uint_t                 follow, stale;
    ngx_llmops_cache_t        *cache;
    ngx_llmops_cached_t       *cached;
    ngx_llmops_creader_t       reader;
    ngx_llmops_cache_found_t  *found;

    cache = ngx_llmops_cache_of(r);
    cached = ctx->cached;
    found = cached->found;
    now = ngx_llmops_now();

    if (found && (ctx->plan.nsteps == 0
                  || cached->tries == NGX_LLMOPS_CACHED_FLIGHTS))
    {
        return ngx_llmops_cached_found(r, ctx, NGX_LLMOPS_CACHE_STALE);
    }

    stale = found && !found->fresh
            && now < found->facts.answer.expires
                     + (int64_t) cached->route->stale;

    follow = cached->route->share && !cached->no_cache && !stale
             && cached->tries < NGX_LLMOPS_CACHED_FLIGHTS;

    if (ctx->plan.nsteps == 0) {
        cached->state = NGX_LLMOPS_CACHED_OVER;
        return NGX_OK;
    }

    rc = ngx_llmops_cshm_board(&cache->shm, cached->key, cached->tags,
                               (cached->no_cache || cached->purged)
                               ? 0 : now,
                               follow,
                               !cached->no_store, &reader);

    if (rc == NGX_BUSY && ngx_llmops_cached_look(r, cached) == NGX_OK) {
        return NGX_DECLINED;
    }

    if (stale) {
        if (rc == NGX_DONE) {
            ngx_llmops_cache_refresh(r, ctx, &reader);
        }

        return ngx_llmops_cached_found(r, ctx, NGX_LLMOPS_CACHE_STALE);
    }

    cached->state = NGX_LLMOPS_CACHED_OVER;

    if (rc == NGX_OK) {
        cached->status = NGX_LLMOPS_CACHE_SHARED;
        return ngx_llmops_cache_follow(r, ctx, &reader, cached->resume);
    }

    if (rc == NGX_DONE) {
        return ngx_llmops_cached_lead(r, cached, &reader);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_cached_lead(ngx_http_request_t *r, ngx_llmops_cached_t *cached,
    ngx_llmops_creader_t *reader)
{
    ngx_llmops_cache_take_t  *take;

    take = ngx_pcalloc(r->pool, sizeof(ngx_llmops_cache_take_t));

    if (take == NULL) {
        uint64_t  mask[NGX_LLMOPS_CACHE_WORDS] = { 0 };

        ngx_llmops_cshm_fail(&ngx_llmops_cache_of(r)->shm, reader, mask);
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    take->reader = *reader;
    cached->take = take;

    return NGX_OK;
}


/* a flight has failed before anything of it was given */

void
ngx_llmops_cached_again(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_cached_t *cached = ctx->cached;

    cached->play = NULL;
    cached->tries++;
    cached->status = NGX_LLMOPS_CACHE_MISS;
    cached->level = NGX_LLMOPS_CACHE_LEVELS;
    cached->state = NGX_LLMOPS_CACHED_NOTHING;

    if (ngx_llmops_cached_look(r, cached) == NGX_DECLINED) {
        cached->found = NULL;
    }

    cached->resume(r);
}


ngx_uint_t
ngx_llmops_cache_saves(ngx_llmops_ctx_t *ctx)
{
    return ctx->cached && ctx->cached->found;
}


ngx_int_t
ngx_llmops_cache_rescue(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *body)
{
    ngx_llmops_out_t           out;
    ngx_llmops_cfacts_t        facts;
    ngx_llmops_cache_t        *cache;
    ngx_llmops_cached_t       *cached;

    if (!ngx_llmops_cache_saves(ctx)) {
        return NGX_DECLINED;
    }

    cache = ngx_llmops_cache_of(r);
    cached = ctx->cached;

    if (ngx_llmops_cshm_find(&cache->shm, cached->key, ngx_llmops_now(),
                             &facts)
        != NGX_OK
        || ngx_llmops_cached_copy(r, &cache->shm, &facts) != NGX_OK
        || ngx_llmops_cache_render(ctx, &facts.answer, &facts.marks, &out)
           != NGX_OK)
    {
        return NGX_DECLINED;
    }

    body->len = out.len;
    body->data = ngx_pnalloc(r->pool, out.len);

    if (body->data) {
        ngx_memcpy(body->data, out.data, out.len);
    }

    ngx_llmops_out_free(&out);

    if (body->data == NULL) {
        return NGX_DECLINED;
    }

    cached->status = NGX_LLMOPS_CACHE_STALE;
    cached->saved = facts.answer.usage;
    cached->saved_cost = facts.answer.cost;

    return NGX_OK;
}


void
ngx_llmops_cache_cleanup(ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t                       i;
    ngx_llmops_cache_t              *cache;
    ngx_llmops_cached_t             *cached;
    const ngx_llmops_cache_level_t  *level;

    cached = ctx->cached;

    if (cached == NULL) {
        return;
    }

    cache = ngx_llmops_cache_of(ctx->request);

    ngx_llmops_cache_finish(ctx, 0);

    if (cached->play) {
        ngx_llmops_cache_play_end(cached->play);
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
