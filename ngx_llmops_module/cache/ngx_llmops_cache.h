
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_cache_key.h"
#include "ngx_llmops_digest.h"


/*
 * Answers that are given again: what the files of this room and its few
 * callers know of it.
 *
 *   ngx_llmops_cache.c          the stages of a request: ask, recall
 *   ngx_llmops_cache_request.c  what a request wants of the cache
 *   ngx_llmops_cache_board.c    nobody has an answer: who asks for one
 *   ngx_llmops_cache_rescue.c   a stale one instead of an error
 *   ngx_llmops_cache_conf.c     "llm_cache", and "cache" of a route
 *   ngx_llmops_cache_zone.c     the zone, from the configuration to a worker's
 *                               end
 *   ngx_llmops_cache_shm.c      entries in shared memory
 *   ngx_llmops_cache_entry.c    what is done with one: _read, _write, _sweep,
 *                               _stats
 *   ngx_llmops_cache_wake.c     how workers wake each other
 *   ngx_llmops_cache_take.c     an answer is taken down while it passes
 *   ngx_llmops_cache_play.c     an entry is given to a caller
 *   ngx_llmops_cache_flight.c   one that still comes
 *   ngx_llmops_cache_send.c     what goes out to him
 *   ngx_llmops_cache_event.c    one event on its way to a caller
 *   ngx_llmops_cache_fresh.c    a stale one is asked for again
 *   ngx_llmops_cache_form.c     a whole answer made of a stream's events:
 *                               _chat, _messages
 *   ngx_llmops_cache_spell.c    the events of a whole answer
 *   ngx_llmops_cache_renew.c    its id and its time
 *   ngx_llmops_cache_value.c    an answer as the value of another level
 *   ngx_llmops_cache_key.c      the key of a request
 *   ngx_llmops_cache_canon.c    a text's canonical form: _string, _sort
 *   ngx_llmops_cache_redis.c    the level in Redis
 */


/* how a request was answered: $llm_cache, x-llm-cache */

typedef enum {
    NGX_LLMOPS_CACHE_NONE = 0,             /* the route has no cache */
    NGX_LLMOPS_CACHE_BYPASS,               /* this request is not cached */
    NGX_LLMOPS_CACHE_MISS,
    NGX_LLMOPS_CACHE_HIT,
    NGX_LLMOPS_CACHE_STALE,
    NGX_LLMOPS_CACHE_SHARED,               /* another one's, as it came */
    NGX_LLMOPS_CACHE_SEMANTIC,
    NGX_LLMOPS_CACHE_MAX
} ngx_llmops_cache_status_e;


/* "cache" of a route; times in ms */

typedef struct {
    ngx_msec_t                 ttl;
    ngx_msec_t                 stale;      /* stale-while-revalidate */
    ngx_msec_t                 stale_error;    /* stale-if-error */
    size_t                     max_size;   /* bytes of an answer */
    ngx_uint_t                 replay;     /* tokens per second, 0: at once */
    ngx_http_complex_value_t  *scope;      /* NULL: a tenant and payer */
    ngx_llmops_place_t         place;
    void                      *semantic;   /* "semantic=", or NULL */
    void                      *own;        /* ngx_llmops_cache_own_t */
    unsigned                   always:1;   /* also what is not deterministic */
    unsigned                   count:1;    /* hits count their tokens */
    unsigned                   share:1;    /* flights are shared */
} ngx_llmops_cache_route_t;


/* what an answer is, in the caller's dialect */

typedef enum {
    NGX_LLMOPS_CACHE_FORM_NONE = 0,        /* nothing has come yet */
    NGX_LLMOPS_CACHE_FORM_WHOLE,           /* a JSON document */
    NGX_LLMOPS_CACHE_FORM_STREAM           /* server-sent events */
} ngx_llmops_cache_form_e;


/* a complete answer, wherever its bytes lie */

typedef struct {
    ngx_llmops_cache_form_e    form;
    ngx_str_t                  body;
    ngx_llmops_usage_t         usage;      /* of the call that made it */
    int64_t                    cost;       /* the same; -1: unknown */
    int64_t                    created;    /* ms by ngx_llmops_store_now(),
                                              when it was asked for */
    int64_t                    expires;    /* fresh up to */
    uint64_t                   tags[4];    /* as in an entry: see purge */
} ngx_llmops_cache_answer_t;


/*
 * An answer as an opaque value for another level, and back.  _pack() appends
 * to out (out->failed sticks); _unpack() leaves body inside value.  NGX_OK, or
 * NGX_DECLINED for what is no such value.
 */
void ngx_llmops_cache_pack(ngx_llmops_cache_answer_t *answer,
    ngx_llmops_out_t *out);
ngx_int_t ngx_llmops_cache_unpack(ngx_str_t *value,
    ngx_llmops_cache_answer_t *answer);


/*
 * A level behind shared memory, asked one after the other when the one before
 * has nothing: Redis, then the semantic one.  What is asked is zeroed but for
 * its first part; it lies in the request's pool.
 *
 * ask()     NGX_OK: an answer is there at once; NGX_DECLINED: none, nothing
 *           will follow; NGX_AGAIN: handler() will be called, once, never from
 *           within ask(), with ask->answer set or (form NONE) none; it must
 *           come within a bound that the level keeps.  The bytes of an answer
 *           live as long as the request's pool.
 * cancel()  the caller has left, or need not know any more: handler() is not
 *           called.  Only after NGX_AGAIN and before handler().
 * put()     a good answer is complete.  Fire and forget; copies what it keeps.
 *           ctx is there, with its envelope and route.
 * done()    no answer will be put for a request that was asked for: a lease is
 *           given back.  May be NULL.
 * purge()   what has that tag (see ngx_llmops_cache_purge()); fire and forget.
 */

typedef struct ngx_llmops_cache_ask_s    ngx_llmops_cache_ask_t;
typedef struct ngx_llmops_cache_level_s  ngx_llmops_cache_level_t;

struct ngx_llmops_cache_ask_s {
    ngx_http_request_t        *request;
    ngx_llmops_ctx_t          *ctx;        /* ctx->cached has the key */
    ngx_llmops_cache_route_t  *route;
    void                     (*handler)(ngx_llmops_cache_ask_t *ask);

    /* set by the level */
    ngx_llmops_cache_answer_t  answer;
    ngx_llmops_cache_status_e  status;     /* 0: HIT, or STALE by its times */
    void                      *data;       /* the level's own */
};


struct ngx_llmops_cache_level_s {
    ngx_str_t                  name;
    ngx_int_t                (*ask)(ngx_llmops_cache_ask_t *ask);
    void                     (*cancel)(ngx_llmops_cache_ask_t *ask);
    void                     (*put)(ngx_llmops_ctx_t *ctx,
                                   ngx_llmops_cache_answer_t *answer);
    void                     (*done)(ngx_llmops_ctx_t *ctx);
    void                     (*purge)(ngx_llmops_main_conf_t *mcf,
                                   ngx_uint_t kind, uint64_t tag,
                                   u_char *key);
};

#define NGX_LLMOPS_CACHE_LEVELS    2       /* of a request, in this order */
#define NGX_LLMOPS_CACHE_REDIS     0
#define NGX_LLMOPS_CACHE_NEAR      1

/*
 * While the configuration is read, or later in init_main_conf: level n of all
 * requests.  A level's ask() says NGX_DECLINED for routes that do not use it.
 */
void ngx_llmops_cache_level(ngx_llmops_main_conf_t *mcf, ngx_uint_t n,
    const ngx_llmops_cache_level_t *level);


/* by what entries are purged */

typedef enum {
    NGX_LLMOPS_CACHE_TAG_ROUTE = 0,
    NGX_LLMOPS_CACHE_TAG_SCOPE,
    NGX_LLMOPS_CACHE_TAG_TENANT,           /* $llm_tenant */
    NGX_LLMOPS_CACHE_TAG_PROMPT,           /* NAME/VERSION as in x-llm-prompt */
    NGX_LLMOPS_CACHE_TAG_KEY,              /* one entry, by its key */
    NGX_LLMOPS_CACHE_TAG_ALL               /* everything */
} ngx_llmops_cache_tag_e;

#define NGX_LLMOPS_CACHE_TAGS      4       /* that are kept: up to PROMPT */

/* The tag of a name; 0 for an empty one. */
uint64_t ngx_llmops_cache_tag(ngx_str_t *name);

/* "hit", "miss" ...; by status, the first is empty. */
extern const ngx_str_t  ngx_llmops_cache_names[];


/* of a request, ctx->cached; NULL: its route has no cache */

typedef struct ngx_llmops_cached_s {
    ngx_llmops_cache_route_t  *route;
    ngx_llmops_cache_status_e  status;
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
    uint64_t                   tags[NGX_LLMOPS_CACHE_TAGS];
    ngx_str_t                  scope;
    u_char                     payer[NGX_LLMOPS_SHA256];
                                           /* a digest of the keys that the
                                              request brings for providers */
    size_t                     heeded;     /* bytes of the caller's headers that
                                              are part of its key */
    const char                *reason;     /* why it is not cached, or NULL:
                                              static */
    ngx_llmops_usage_t         saved;      /* by a hit; source NONE: nothing */
    int64_t                    saved_cost; /* 10^-12 USD, -1: unknown */
    ngx_llmops_cache_ask_t     asks[NGX_LLMOPS_CACHE_LEVELS];
    void                      *levels[NGX_LLMOPS_CACHE_LEVELS];
                                           /* a level's own, from ask() to
                                              put() or done() */
    struct ngx_llmops_cache_take_s  *take; /* an entry that is being written */
    struct ngx_llmops_cache_play_s  *play; /* one that is being read */

    /* ngx_llmops_cache.c */
    ngx_uint_t                 state;
    ngx_uint_t                 level;      /* that is asked, or was last */
    ngx_uint_t                 tries;      /* flights that have failed */
    void                      *found;      /* in shared memory, also if it is
                                              stale, or NULL */
    void                     (*resume)(ngx_http_request_t *r);
    unsigned                   waiting:1;  /* resume() is due */
    unsigned                   purged:1;   /* what is there is not served */
    unsigned                   no_cache:1; /* the caller's x-llm-cache */
    unsigned                   no_store:1;
    unsigned                   pays:1;     /* there is a payer */
} ngx_llmops_cached_t;


/* what shared memory holds, for metrics and admin */

typedef struct {
    int64_t                    size;       /* bytes that answers may take */
    int64_t                    used;
    int64_t                    entries;    /* complete ones */
    int64_t                    flights;    /* being written */
    int64_t                    evicted;    /* for want of room, since start */
    int64_t                    stored;     /* since start */
} ngx_llmops_cache_stats_t;

/* What there is; zeroes if no route has a cache.  Takes the cache's lock. */
void ngx_llmops_cache_stats(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_cache_stats_t *stats);

/*
 * Removes the entries of shared memory that have a tag (key: of KEY, else
 * NULL), and tells the other levels.  Returns how many there were here.
 * Entries that are being written are let go as well: they will not be stored.
 */
ngx_uint_t ngx_llmops_cache_purge(ngx_llmops_main_conf_t *mcf,
    ngx_uint_t kind, uint64_t tag, u_char *key);


/*
 * The key of a request (ngx_llmops_cache_key.c): SHA-256 of what changes an
 * answer, and of route, rules, prompt and scope.  NGX_OK with cached->key set;
 * NGX_DECLINED: it is not cached, cached->reason says why; NGX_ERROR.  Whether
 * the caller wants a stream, and its usage, is not part of it; the dialect is.
 * After prompt and rules of the request have been applied; before limits.
 */
ngx_int_t ngx_llmops_cache_key(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cached_t *cached);


/* The key in hexadecimal, in the request's pool; len 0: it has none. */
void ngx_llmops_cache_key_text(ngx_llmops_ctx_t *ctx, ngx_str_t *text);


/* -- the stages (core/ngx_llmops_handler.c) -------------------------------- */

/*
 * _ask() looks into shared memory, and else asks the first level: before
 * limits, so that all leaves in one write.  _recall(), behind limits, answers
 * from cache, waits for another's answer, or lets the request go on to its
 * call.  As stages return; resume() as ngx_llmops_limits_enter() has it.
 */
ngx_int_t ngx_llmops_cache_ask(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);
ngx_int_t ngx_llmops_cache_recall(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, void (*resume)(ngx_http_request_t *r));

/* Whether there may be an answer though no target can be asked. */
ngx_uint_t ngx_llmops_cache_may(ngx_llmops_ctx_t *ctx);


/* -- hooks of call/ -------------------------------------------------------- */

/* Bytes go to the caller.  Only with ctx->cached->take. */
void ngx_llmops_cache_take(ngx_llmops_ctx_t *ctx, u_char *p, size_t len);

/* Whether the request leads a flight. */
#define ngx_llmops_cache_leads(ctx)                                           \
    ((ctx)->cached && (ctx)->cached->take)

/* A good answer's header goes out; stream: of events.  Before any bytes. */
void ngx_llmops_cache_begin(ngx_llmops_ctx_t *ctx, ngx_uint_t stream);

/* The call is over: what was taken down is complete and good, or let go.  Also
   when nothing was; any number of times. */
void ngx_llmops_cache_finish(ngx_llmops_ctx_t *ctx, ngx_uint_t good);

/* The request's cleanup: whatever it still waits for or holds; and memory of
   its own, with its pool. */
void ngx_llmops_cache_cleanup(ngx_llmops_ctx_t *ctx);
void ngx_llmops_cache_play_free(ngx_llmops_ctx_t *ctx);

/* Whether others wait for the answer, so that it is read to its end though
   its caller has left. */
ngx_uint_t ngx_llmops_cache_followed(ngx_llmops_ctx_t *ctx);

/* Whether a stale answer could stand in for an error. */
ngx_uint_t ngx_llmops_cache_saves(ngx_llmops_ctx_t *ctx);

/* All targets have failed.  NGX_OK: a stale answer, in *body (r->pool) for the
   caller, is to go out instead of the error; NGX_DECLINED: there is none. */
ngx_int_t ngx_llmops_cache_rescue(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_str_t *body);

/* The type of such an answer. */
extern ngx_str_t  ngx_llmops_cache_types[];    /* [ctx->env.stream] */


/* -- configuration and processes ------------------------------------------- */

char *ngx_llmops_cache_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_llmops_route_cache(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* In init_main_conf, when routes are known.  NGX_OK or NGX_ERROR, logged. */
ngx_int_t ngx_llmops_cache_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf);

ngx_int_t ngx_llmops_cache_start(ngx_cycle_t *cycle,
    ngx_llmops_main_conf_t *mcf);
void ngx_llmops_cache_stop(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf);


#define NGX_LLMOPS_CACHE_COMMANDS                                             \
    { ngx_string("llm_cache"),                                                \
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,                                      \
      ngx_llmops_cache_directive,                                             \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL },                                                                 \
                                                                              \
    { ngx_string("cache"),                                                    \
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,                                   \
      ngx_llmops_route_cache,                                                 \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL }


#endif /* _NGX_LLMOPS_CACHE_H_INCLUDED_ */
