
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_near_work.h"
#include "ngx_llmops_cache_note.h"
#include "ngx_llmops_digest.h"


/*
 * The semantic level: when nobody has an answer to this very question, one to
 * a question that means the same.
 *
 * The index has no answers, only keys of entries: what it finds is looked up
 * like any exact hit, so that purges, ends, scopes and forms are those of the
 * entry.  A question is added when its own answer is stored.
 *
 * It is looked for in shared memory, then among the vectors of the whole fleet
 * in Redis, where there are such.  Whatever is found there must have the route,
 * the scope and the prompt of this request: nothing that somebody writes into
 * Redis leads from one scope into another.
 *
 * A provider of embeddings that is slow costs no more than wait=: then the
 * request goes on, and the vector, when it comes, is of use for storing the
 * answer.
 *
 * In shadow mode all is done but the last step: it is counted and logged what
 * would have been served.
 *
 * Its parameters and its zone are in ngx_llmops_cache_near_conf.c.
 */


static ngx_int_t ngx_llmops_near_ask(ngx_llmops_cache_ask_t *ask);
static ngx_llmops_near_t *ngx_llmops_near_create(ngx_llmops_cache_ask_t *ask);
static ngx_int_t ngx_llmops_near_question(ngx_llmops_near_t *near);
static void ngx_llmops_near_cleanup(void *data);
static void ngx_llmops_near_embedded(ngx_llmops_embed_t *e);
static void ngx_llmops_near_late(ngx_event_t *ev);
static ngx_int_t ngx_llmops_near_look(ngx_llmops_near_t *near);
static ngx_int_t ngx_llmops_near_here(ngx_llmops_near_t *near);
static ngx_int_t ngx_llmops_near_remote(ngx_llmops_near_t *near);
static void ngx_llmops_near_reply(ngx_llmops_cache_remote_t *remote);
static ngx_int_t ngx_llmops_near_answered(ngx_llmops_near_t *near);
static void ngx_llmops_near_gone(ngx_llmops_near_t *near);
static void ngx_llmops_near_cancel(ngx_llmops_cache_ask_t *ask);
static void ngx_llmops_near_put(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer);


const ngx_llmops_cache_level_t  ngx_llmops_cache_near = {
    ngx_string("semantic"),
    ngx_llmops_near_ask,
    ngx_llmops_near_cancel,
    ngx_llmops_near_put,
    NULL,
    NULL
};


static ngx_int_t
ngx_llmops_near_ask(ngx_llmops_cache_ask_t *ask)
{
    ngx_int_t                rc;
    ngx_llmops_near_t       *near;
    ngx_llmops_main_conf_t  *mcf;

    if (ask->route->semantic == NULL) {
        return NGX_DECLINED;
    }

    near = ngx_llmops_near_create(ask);

    if (near == NULL || ngx_llmops_near_question(near) != NGX_OK) {
        return NGX_DECLINED;
    }

    ask->ctx->cached->levels[NGX_LLMOPS_CACHE_NEAR] = near;

    mcf = ngx_http_get_module_main_conf(ask->request, ngx_llmops_module);

    rc = ngx_llmops_embed_ask(mcf, ask->ctx, &near->embed);

    if (rc == NGX_OK) {
        return ngx_llmops_near_look(near);
    }

    if (rc == NGX_AGAIN) {
        ngx_add_timer(&near->timer, near->conf->wait);
    }

    return rc;
}


static ngx_llmops_near_t *
ngx_llmops_near_create(ngx_llmops_cache_ask_t *ask)
{
    ngx_llmops_near_t   *near;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(ask->request->pool, sizeof(ngx_llmops_near_t));
    if (cln == NULL) {
        return NULL;
    }

    near = cln->data;
    ngx_memzero(near, sizeof(ngx_llmops_near_t));

    cln->handler = ngx_llmops_near_cleanup;

    near->ask = ask;
    near->conf = ask->route->semantic;

    near->embed.target = near->conf->target;
    near->embed.handler = ngx_llmops_near_embedded;
    near->embed.data = near;

    near->timer.handler = ngx_llmops_near_late;
    near->timer.data = near;
    near->timer.log = ask->request->connection->log;

    return near;
}


/* NGX_DECLINED: it has no text that could be compared */

static ngx_int_t
ngx_llmops_near_question(ngx_llmops_near_t *near)
{
    u_char                       *p, all[2 * NGX_LLMOPS_CACHE_KEY];
    ngx_str_t                    *name;
    ngx_llmops_cache_ask_t       *ask = near->ask;
    ngx_llmops_cache_question_t   q;

    if (ngx_llmops_cache_question(ask->request, ask->ctx, ask->ctx->cached,
                                  &q)
        != NGX_OK
        || ngx_llmops_near_text(&q.text, &near->text) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    near->embed.text.len = q.text.len;
    near->embed.text.data = ngx_pstrdup(ask->request->pool, &q.text);

    if (near->embed.text.data == NULL) {
        return NGX_DECLINED;
    }

    /* vectors of two models have nothing to do with each other */

    name = &near->conf->target->name;

    if (ngx_llmops_sha256(name->data, name->len, all) != NGX_OK) {
        return NGX_DECLINED;
    }

    p = all + 16;
    p = ngx_cpymem(p, &near->text.guard, sizeof(uint64_t));
    p = ngx_cpymem(p, q.frame, NGX_LLMOPS_CACHE_KEY);

    if (ngx_llmops_sha256(all, p - all, near->digest) != NGX_OK) {
        return NGX_DECLINED;
    }

    ngx_memcpy(&near->room, near->digest, sizeof(uint64_t));
    near->room |= 1;

    return NGX_OK;
}


static void
ngx_llmops_near_cleanup(void *data)
{
    ngx_llmops_near_t *near = data;

    ngx_llmops_embed_forget(&near->embed);
    ngx_llmops_vectors_forget(&near->vectors);
    ngx_llmops_cache_remote_forget(&near->remote);
    ngx_llmops_detached_cancel(&near->judge);

    if (near->timer.timer_set) {
        ngx_del_timer(&near->timer);
    }
}


static void
ngx_llmops_near_embedded(ngx_llmops_embed_t *e)
{
    ngx_int_t           rc;
    ngx_llmops_near_t  *near = e->data;

    if (!near->timer.timer_set) {
        return;                              /* it was too late */
    }

    ngx_del_timer(&near->timer);

    rc = e->vector ? ngx_llmops_near_look(near) : NGX_DECLINED;

    if (rc != NGX_AGAIN) {
        ngx_llmops_near_finish(near, rc);
    }
}


/* the vector may still come, for storing this question's own answer */

static void
ngx_llmops_near_late(ngx_event_t *ev)
{
    ngx_llmops_near_t *near = ev->data;

    ngx_llmops_near_finish(near, NGX_DECLINED);
}


void
ngx_llmops_near_finish(ngx_llmops_near_t *near, ngx_int_t rc)
{
    ngx_llmops_cache_ask_t *ask = near->ask;

    if (rc != NGX_OK) {
        ask->answer.form = NGX_LLMOPS_CACHE_FORM_NONE;
    }

    ask->handler(ask);
}


/* NGX_OK: ask->answer is set; NGX_DECLINED; NGX_AGAIN */

static ngx_int_t
ngx_llmops_near_look(ngx_llmops_near_t *near)
{
    ngx_llmops_near_zone_t  *zone = near->conf->zone->data;

    if (ngx_llmops_near_index_find(zone->index, near->room, &near->text,
                                   near->embed.vector,
                                   near->conf->threshold, &near->hit)
        == NGX_OK)
    {
        return ngx_llmops_near_found(near);
    }

    return ngx_llmops_near_far_look(near);
}


ngx_int_t
ngx_llmops_near_found(ngx_llmops_near_t *near)
{
    ngx_int_t  rc;

    rc = ngx_llmops_near_here(near);

    return rc == NGX_OK ? ngx_llmops_near_answered(near)
                        : ngx_llmops_near_remote(near);
}


/* in shared memory */

static ngx_int_t
ngx_llmops_near_here(ngx_llmops_near_t *near)
{
    ngx_llmops_cfacts_t      facts;
    ngx_llmops_cache_t      *cache;
    ngx_http_request_t      *r = near->ask->request;
    ngx_llmops_main_conf_t  *mcf;

    cache = ngx_llmops_cache_of(r);
    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    if (ngx_llmops_cshm_find(&cache->shm, near->hit.key, ngx_llmops_now(),
                             &facts)
        != NGX_OK
        || !ngx_llmops_cache_stands(mcf, near->hit.key, facts.answer.tags,
                                    facts.answer.created)
        || ngx_llmops_cached_copy(r, &cache->shm, &facts) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    near->ask->answer = facts.answer;

    return NGX_OK;
}


/* it has left shared memory, or never was there, and may be in Redis */

static ngx_int_t
ngx_llmops_near_remote(ngx_llmops_near_t *near)
{
    ngx_int_t                rc;
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(near->ask->request, ngx_llmops_module);

    rc = NGX_DECLINED;

    if (mcf->redis) {
        ngx_memcpy(near->remote.key, near->hit.key, NGX_LLMOPS_CACHE_KEY);

        near->remote.max_size = near->ask->route->max_size
                                + NGX_LLMOPS_CACHE_PACKED;
        near->remote.handler = ngx_llmops_near_reply;
        near->remote.data = near;
        near->remote.log = near->ask->request->connection->log;

        rc = ngx_llmops_cache_remote_ask(mcf->store, &near->remote);
    }

    if (rc != NGX_AGAIN) {
        ngx_llmops_near_gone(near);
    }

    return rc;
}


static void
ngx_llmops_near_reply(ngx_llmops_cache_remote_t *remote)
{
    ngx_int_t           rc;
    ngx_llmops_near_t  *near = remote->data;

    rc = ngx_llmops_cache_far_answer(remote, near->ask);

    if (rc == NGX_OK) {
        rc = ngx_llmops_near_answered(near);

    } else {
        ngx_llmops_near_gone(near);
    }

    if (rc != NGX_AGAIN) {
        ngx_llmops_near_finish(near, rc);
    }
}


/* as _found(): whose answer it is, and of when */

static ngx_int_t
ngx_llmops_near_answered(ngx_llmops_near_t *near)
{
    uint64_t             *own, *tags;
    ngx_llmops_cached_t  *cached = near->ask->ctx->cached;

    own = cached->tags;
    tags = near->ask->answer.tags;

    if ((int64_t) ngx_llmops_now() >= near->ask->answer.expires
        || tags[NGX_LLMOPS_CACHE_TAG_ROUTE] != own[NGX_LLMOPS_CACHE_TAG_ROUTE]
        || tags[NGX_LLMOPS_CACHE_TAG_SCOPE] != own[NGX_LLMOPS_CACHE_TAG_SCOPE]
        || tags[NGX_LLMOPS_CACHE_TAG_PROMPT]
           != own[NGX_LLMOPS_CACHE_TAG_PROMPT])
    {
        ngx_llmops_near_gone(near);
        near->ask->answer.form = NGX_LLMOPS_CACHE_FORM_NONE;
        return NGX_DECLINED;
    }

    return near->conf->judge_target ? ngx_llmops_near_judge(near)
                                    : ngx_llmops_near_serve(near, 1);
}


ngx_int_t
ngx_llmops_near_serve(ngx_llmops_near_t *near, ngx_uint_t judged)
{
    ngx_http_request_t      *r = near->ask->request;
    ngx_llmops_cache_own_t  *own = near->ask->route->own;

    ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                  "cache: a question of similarity 0.%04ui %s",
                  (ngx_uint_t) ngx_min(9999, near->hit.similarity * 10000),
                  !judged ? "is another one to the judge"
                  : near->conf->shadow ? "would have answered" : "is known");

    if (judged && !near->conf->shadow) {
        near->ask->status = NGX_LLMOPS_CACHE_SEMANTIC;
        return NGX_OK;
    }

    if (judged && own->sh) {
        (void) ngx_atomic_fetch_add(&own->sh->shadow_hits, 1);
    }

    near->ask->answer.form = NGX_LLMOPS_CACHE_FORM_NONE;

    return NGX_DECLINED;
}


/* what led to it is of no use any more, here or there */

static void
ngx_llmops_near_gone(ngx_llmops_near_t *near)
{
    ngx_llmops_near_zone_t  *zone = near->conf->zone->data;

    if (near->far) {
        ngx_llmops_near_far_drop(near);
        return;
    }

    ngx_shmtx_lock(&zone->pool->mutex);
    ngx_llmops_near_index_drop(zone->index, near->room, near->hit.key);
    ngx_shmtx_unlock(&zone->pool->mutex);
}


static void
ngx_llmops_near_cancel(ngx_llmops_cache_ask_t *ask)
{
    ngx_llmops_near_t  *near;

    near = ask->ctx->cached->levels[NGX_LLMOPS_CACHE_NEAR];

    ngx_llmops_near_cleanup(near);
}


static void
ngx_llmops_near_put(ngx_llmops_ctx_t *ctx, ngx_llmops_cache_answer_t *answer)
{
    ngx_llmops_near_t               *near;
    ngx_llmops_near_zone_t          *zone;
    const ngx_llmops_near_vector_t  *vector;

    near = ctx->cached->levels[NGX_LLMOPS_CACHE_NEAR];

    if (near == NULL) {
        return;
    }

    vector = ngx_llmops_embed_known(&near->embed);

    if (vector == NULL) {
        return;
    }

    zone = near->conf->zone->data;

    ngx_shmtx_lock(&zone->pool->mutex);
    ngx_llmops_near_index_add(zone->index, near->room, &near->text, vector,
                              ctx->cached->key);
    ngx_shmtx_unlock(&zone->pool->mutex);

    ngx_llmops_near_far_add(near, ctx->cached, vector, answer->expires);
}
