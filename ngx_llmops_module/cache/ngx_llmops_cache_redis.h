
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_REDIS_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_store.h"
#include "ngx_llmops_cache_key.h"


/*
 * The second level: values in Redis, for all gateways of a fleet.  A value is
 * opaque here.  It carries its age, is compressed when that is worth it, and
 * is checked before anybody sees it: what is cut, changed, too large or lies
 * under another's key is a miss.
 *
 * Redis is never waited for longer than its timeout; while it cannot be
 * reached everything is a miss at once.
 */


#define NGX_LLMOPS_CACHE_VALUE      (4 * 1024 * 1024)  /* most of max_size */

typedef struct ngx_llmops_cache_remote_s  ngx_llmops_cache_remote_t;
typedef struct ngx_llmops_cache_lease_s   ngx_llmops_cache_lease_t;

typedef void (*ngx_llmops_cache_remote_pt)(ngx_llmops_cache_remote_t *remote);


/*
 * The right to be the only one of a fleet who asks a provider.  It ends by
 * itself soon after its holder's death.  The memory is the caller's, zeroed,
 * and lives until _release(), which takes one that is not held too.
 */

struct ngx_llmops_cache_lease_s {
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
    unsigned                   held:1;

    /* private */
    ngx_llmops_store_t        *store;
    ngx_event_t                renew;
    ngx_msec_t                 taken;      /* no earlier than Redis's own */
};


/*
 * A look-up.  The caller provides the memory, zeroed, which must live until
 * the handler has been called or _forget().
 */

struct ngx_llmops_cache_remote_s {
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
    size_t                     max_size;   /* of a value, uncompressed */
    ngx_llmops_cache_lease_t  *lease;      /* to be tried for on a miss, in
                                              the same write; NULL: not */
    ngx_msec_t                 wait;       /* for whoever holds it: at most so
                                              long, then rc is NGX_DECLINED */
    ngx_llmops_cache_remote_pt handler;    /* later, never from within ask() */
    void                      *data;
    ngx_log_t                 *log;

    /* results */
    ngx_int_t                  rc;         /* NGX_OK; NGX_DECLINED: a miss */
    ngx_str_t                  value;      /* only while handler runs */
    int64_t                    created;    /* as put() was told */
    int64_t                    fresh;
    int64_t                    expires;
    unsigned                   waited:1;   /* another gateway had the lease */

    /* private */
    ngx_llmops_store_t        *store;
    ngx_event_t                timer;      /* the next look, while waiting */
    ngx_msec_t                 started;
    ngx_msec_t                 delay;
    void                      *get;        /* commands under way */
    void                      *set;
    ngx_uint_t                 looks;
};


/* of one nginx, in shared memory: for the metrics */

typedef enum {
    NGX_LLMOPS_CACHE_REDIS_HIT = 0,
    NGX_LLMOPS_CACHE_REDIS_MISS,
    NGX_LLMOPS_CACHE_REDIS_BAD,            /* of no use: corrupt, too large */
    NGX_LLMOPS_CACHE_REDIS_DOWN,           /* no reply */
    NGX_LLMOPS_CACHE_REDIS_PUT,
    NGX_LLMOPS_CACHE_REDIS_WAITED,         /* for another gateway's flight */
    NGX_LLMOPS_CACHE_REDIS_EVENTS
} ngx_llmops_cache_redis_event_e;

extern const ngx_str_t  ngx_llmops_cache_redis_events[];

/* counts[NGX_LLMOPS_CACHE_REDIS_EVENTS], or NULL: not counted. */
ngx_atomic_t *ngx_llmops_cache_redis_counts(ngx_shm_zone_t *zone);


/*
 * Asks.  NGX_AGAIN: the handler will be called; NGX_DECLINED: there is no
 * Redis, or it cannot be asked now: a miss, the handler will not be called.
 * What is asked in a turn of the event loop leaves in one write, with the
 * commands of limits.
 *
 * With a lease: on a miss remote->lease->held tells whether it is ours.  If
 * another one has it, the value is looked for again and again until it is
 * there, the lease is free (then it is tried for), or wait is over.
 */
ngx_int_t ngx_llmops_cache_remote_ask(ngx_llmops_store_t *store,
    ngx_llmops_cache_remote_t *remote);

/* The handler will not be called; a lease that was got meanwhile, or is just
   being asked for, is given back.  For one that is not under way too. */
void ngx_llmops_cache_remote_forget(ngx_llmops_cache_remote_t *remote);

/*
 * Stores a value; nobody waits for it.  Times are ms since the epoch by
 * ngx_llmops_store_now(): created when the request came (a purge that is
 * younger counts), fresh until then, expires when Redis forgets it.  Larger
 * ones than NGX_LLMOPS_CACHE_VALUE, and empty ones, are not stored.
 */
void ngx_llmops_cache_remote_put(ngx_llmops_store_t *store,
    const u_char *key, ngx_str_t *value, int64_t created, int64_t fresh,
    int64_t expires);

/* Takes a value out; nobody waits for it. */
void ngx_llmops_cache_remote_drop(ngx_llmops_store_t *store,
    const u_char *key);

/* The flight is over, whatever came of it: others need not wait. */
void ngx_llmops_cache_lease_release(ngx_llmops_cache_lease_t *lease);


/*
 * Values as they lie in Redis; pure, for tests too.  seal() writes to out
 * (reset before), compressed if that saves something.  open() gives the value,
 * in data itself or in out, of at most max bytes.  NGX_OK; NGX_DECLINED:
 * *error says why it is none; NGX_ERROR: out of memory.
 */
typedef struct {
    int64_t                    created;
    int64_t                    fresh;
    int64_t                    expires;
} ngx_llmops_cache_times_t;

#define NGX_LLMOPS_CACHE_SEAL       64     /* bytes before a value */
#define NGX_LLMOPS_CACHE_DEFLATE    1024   /* from so many bytes on */

ngx_int_t ngx_llmops_cache_seal(const u_char *key, ngx_str_t *value,
    ngx_llmops_cache_times_t *times, ngx_llmops_out_t *out);
ngx_int_t ngx_llmops_cache_open(const u_char *key, ngx_str_t *data,
    size_t max, ngx_llmops_cache_times_t *times, ngx_llmops_out_t *out,
    ngx_str_t *value, const char **error);


#endif /* _NGX_LLMOPS_CACHE_REDIS_H_INCLUDED_ */
