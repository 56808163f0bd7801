
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_NEAR_WORK_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_NEAR_WORK_H_INCLUDED_


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_cache_own.h"
#include "ngx_llmops_cache_embed.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_vectors.h"


/*
 * What the files of the semantic level share.
 *
 *   ngx_llmops_cache_near.c        the level, as a request sees it
 *   ngx_llmops_cache_near_redis.c  vectors of a fleet
 *   ngx_llmops_cache_near_judge.c  a model that judges what was found
 */


/* of a request: cached->levels[NGX_LLMOPS_CACHE_NEAR], in its pool */

typedef struct {
    ngx_llmops_embed_t         embed;
    ngx_llmops_near_text_t     text;
    u_char                     digest[NGX_LLMOPS_CACHE_KEY];   /* of all that
                                              must be equal */
    uint64_t                   room;       /* the same, here */
    ngx_event_t                timer;
    ngx_llmops_cache_ask_t    *ask;
    ngx_llmops_near_conf_t    *conf;
    ngx_llmops_near_hit_t      hit;
    ngx_llmops_cache_remote_t  remote;
    ngx_llmops_vectors_ask_t   vectors;
    ngx_llmops_detached_t      judge;
    unsigned                   far:1;      /* the hit is of Redis, and */
    uint32_t                   words[NGX_LLMOPS_NEAR_WORDS];   /* of its
                                              question */
    ngx_uint_t                 nwords;
} ngx_llmops_near_t;


/* -- ngx_llmops_cache_near.c ----------------------------------------------- */

/* Something is found: near->hit.  NGX_OK: ask->answer is set; NGX_DECLINED;
   NGX_AGAIN: ask->handler() will be called. */
ngx_int_t ngx_llmops_near_found(ngx_llmops_near_t *near);

/* What was waited for has come to that (not NGX_AGAIN): tells. */
void ngx_llmops_near_finish(ngx_llmops_near_t *near, ngx_int_t rc);

/* The last word about ask->answer; judged: a judge lets it pass.  NGX_OK or
   NGX_DECLINED. */
ngx_int_t ngx_llmops_near_serve(ngx_llmops_near_t *near, ngx_uint_t judged);


/* -- ngx_llmops_cache_near_redis.c ----------------------------------------- */

/* Looks in Redis: NGX_AGAIN, and near_finish() will be called; or
   NGX_DECLINED. */
ngx_int_t ngx_llmops_near_far_look(ngx_llmops_near_t *near);

/* Adds the request's own question, whose answer has been stored. */
void ngx_llmops_near_far_add(ngx_llmops_near_t *near,
    ngx_llmops_cached_t *cached, const ngx_llmops_near_vector_t *v,
    int64_t expires);

/* The hit's answer is gone: takes it out. */
void ngx_llmops_near_far_drop(ngx_llmops_near_t *near);

/* At a worker's start. */
void ngx_llmops_near_far_start(void);


/* -- ngx_llmops_cache_near_judge.c ----------------------------------------- */

/* Asks whether ask->answer is one to this question, too.  NGX_OK, NGX_DECLINED:
   it is known; NGX_AGAIN: near_finish() will be called. */
ngx_int_t ngx_llmops_near_judge(ngx_llmops_near_t *near);


#endif /* _NGX_LLMOPS_CACHE_NEAR_WORK_H_INCLUDED_ */
