
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_OWN_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_OWN_H_INCLUDED_


#include "ngx_llmops_cache.h"
#include "ngx_llmops_cache_near.h"
#include "ngx_llmops_cache_redis.h"
#include "ngx_llmops_route.h"


/*
 * What a route's cache has beyond its entries in shared memory: its version,
 * the levels behind it, and what it has saved.
 *
 *   ngx_llmops_cache_question.c  from a request to its key
 *   ngx_llmops_cache_version.c   what of the configuration is part of that
 *   ngx_llmops_cache_far.c       the level in Redis, as a request sees it
 *   ngx_llmops_cache_near.c      the semantic level, as a request sees it:
 *                                _redis, _judge
 *   ngx_llmops_cache_near_conf.c its parameters, and its zone
 *   ngx_llmops_cache_saved.c     counts
 */


/* in shared memory, one of each route, by its name */

typedef struct {
    ngx_atomic_t               requests[NGX_LLMOPS_CACHE_MAX];
    ngx_atomic_t               input;      /* tokens that hits have saved */
    ngx_atomic_t               output;
    ngx_atomic_t               cost;       /* 10^-12 USD */
    ngx_atomic_t               shadow_hits;    /* "semantic" in shadow mode */
    ngx_atomic_t               judged[3];  /* ngx_llmops_says_e */
} ngx_llmops_cache_sh_t;


/* cached->route->own */

typedef struct {
    u_char                     version[NGX_LLMOPS_CACHE_KEY];
    ngx_msec_t                 lease;      /* that another gateway's flight is
                                              waited for; 0: none is shared */
    ngx_llmops_cache_sh_t     *sh;         /* NULL: the zone is full */
} ngx_llmops_cache_own_t;


/* cached->route->semantic */

typedef struct {
    float                      threshold;
    ngx_str_t                  embed;      /* PROVIDER/MODEL */
    ngx_llmops_target_t       *target;
    ngx_msec_t                 wait;
    ngx_str_t                  judge;      /* the same, or len 0 */
    ngx_llmops_target_t       *judge_target;   /* NULL: nobody judges */
    ngx_msec_t                 judge_timeout;
    ngx_shm_zone_t            *zone;
    ngx_llmops_place_t         place;
    unsigned                   shadow:1;
} ngx_llmops_near_conf_t;

/* conf->zone->data */

typedef struct {
    ngx_slab_pool_t           *pool;       /* its mutex: for changes */
    ngx_llmops_near_index_t   *index;
} ngx_llmops_near_zone_t;

#define NGX_LLMOPS_NEAR_WAIT         200   /* ms: default of wait= */
#define NGX_LLMOPS_NEAR_JUDGE        2000  /* of judge_timeout= */
#define NGX_LLMOPS_NEAR_SIZE         (16 * 1024 * 1024)

#define NGX_LLMOPS_CACHE_PACKED      1024  /* of a value beside its body */

#define NGX_LLMOPS_CACHE_LEASE_WAIT  1000  /* default of lease= */


/*
 * A parameter of "cache" that is not about shared memory: "lease=", and those
 * of the semantic level.  NGX_OK; NGX_DECLINED: it is none of these; NGX_ERROR,
 * logged.
 */
ngx_int_t ngx_llmops_cache_own_param(ngx_conf_t *cf,
    ngx_llmops_cache_route_t *cr, ngx_str_t *word);

/* When routes, rules and targets are resolved: for each route with a cache.
   NGX_OK or NGX_ERROR (logged). */
ngx_int_t ngx_llmops_cache_own_init(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route);

/* Per worker. */
void ngx_llmops_cache_own_start(ngx_llmops_main_conf_t *mcf);
void ngx_llmops_cache_own_stop(ngx_llmops_main_conf_t *mcf);


/*
 * All of a route that decides what an answer is: targets, rules with their
 * schemas and patterns.  It is the same on all gateways that have the same
 * configuration, and after a reload of the same one.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_llmops_cache_version(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route, u_char *version);

/* Whether a header is part of a key: versions and betas of an API. */

static ngx_inline ngx_uint_t
ngx_llmops_cache_heeded(ngx_table_elt_t *h)
{
    return (h->key.len > 7
            && h->lowcase_key[0] == 'o'
            && ngx_memcmp(h->lowcase_key, "openai-", 7) == 0)
           || (h->key.len > 10
               && h->lowcase_key[1] == 'n'
               && ngx_memcmp(h->lowcase_key, "anthropic-", 10) == 0);
}

#define ngx_llmops_cache_heeded_size(h)                                       \
    (2 * sizeof(uint32_t) + (h)->key.len + (h)->value.len)


/*
 * Keys of bodies that have a number: of q op, seen and parts are set.  _find():
 * NGX_AGAIN: it is not remembered; else what ngx_llmops_cache_digest() has
 * returned, with why and key; frame and text are not set.  _keep(): remembers
 * what that has returned, which was not NGX_ERROR.  Without a number nothing is
 * found or kept.  Of a process; they, too, call no function of nginx.
 */
ngx_int_t ngx_llmops_cache_memo_find(ngx_llmops_cache_question_t *q);
void ngx_llmops_cache_memo_keep(ngx_llmops_cache_question_t *q, ngx_int_t rc);

/* As ngx_llmops_cache_key(), with what the semantic level needs: q->frame and
   q->text, valid until the next key is made. */
ngx_int_t ngx_llmops_cache_question(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_cached_t *cached,
    ngx_llmops_cache_question_t *q);


/* Of the semantic level, as own_param() and own_init(). */
ngx_uint_t ngx_llmops_near_takes(ngx_str_t *word);
ngx_int_t ngx_llmops_near_param(ngx_conf_t *cf, ngx_llmops_cache_route_t *cr,
    ngx_str_t *word);
ngx_int_t ngx_llmops_near_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route);


extern const ngx_llmops_cache_level_t  ngx_llmops_cache_far;
extern const ngx_llmops_cache_level_t  ngx_llmops_cache_near;

/* What came back, as ask->answer, in the request's pool.  NGX_OK, or
   NGX_DECLINED: nothing, or it was purged. */
ngx_int_t ngx_llmops_cache_far_answer(ngx_llmops_cache_remote_t *remote,
    ngx_llmops_cache_ask_t *ask);


/* A request is over: what its cache has saved is counted, once. */
void ngx_llmops_cache_account(ngx_llmops_ctx_t *ctx);

#endif /* _NGX_LLMOPS_CACHE_OWN_H_INCLUDED_ */
