
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_REDIS_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include "ngx_llmops_store.h"
#include "ngx_llmops_cache_key.h"


/*
 * The second level: values in Redis, for all gateways of a fleet, and leases
 * on what they ask providers.  A value is opaque here.
 */


#define NGX_LLMOPS_CACHE_VALUE      (1024 * 1024)  /* bytes of one at most */

typedef struct ngx_llmops_cache_remote_s  ngx_llmops_cache_remote_t;
typedef struct ngx_llmops_cache_lease_s   ngx_llmops_cache_lease_t;

typedef void (*ngx_llmops_cache_remote_pt)(ngx_llmops_cache_remote_t *remote);
typedef void (*ngx_llmops_cache_lease_pt)(ngx_llmops_cache_lease_t *lease,
    void *data);


/*
 * The right to be the only one of a fleet who asks a provider.  It ends by
 * itself soon after its holder's death.  The memory is the caller's, zeroed,
 * and lives until _release(), which takes one that is not held too.
 */

struct ngx_llmops_cache_lease_s {
    unsigned                   held:1;
    unsigned                   ours:1;     /* another caller of this nginx has
                                              it, or nobody is known to */

    /* private */
    ngx_llmops_store_t        *store;
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
    ngx_event_t                renew;
    ngx_msec_t                 taken;      /* no later than by Redis's clock */
    ngx_msec_t                 sent;       /* the same, if renewed */
    void                      *cmd;        /* under way, and */
    void                      *holder;
    ngx_llmops_cache_lease_pt  handler;    /* of who tries for it */
    void                      *data;
};


/*
 * A look-up.  The caller provides the memory, zeroed, which must live until
 * the handler has been called or _forget().
 */

struct ngx_llmops_cache_remote_s {
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
    size_t                     max_size;   /* of a value */
    ngx_llmops_cache_lease_t  *lease;      /* to be tried for on a miss; NULL:
                                              not */
    ngx_msec_t                 wait;       /* for whoever holds it */
    ngx_llmops_cache_remote_pt handler;    /* later, never from within ask() */
    ngx_uint_t               (*useful)(ngx_llmops_cache_remote_t *remote);
                                           /* of what was found, value: 0 makes
                                              it a miss; NULL: all is */
    void                      *data;
    ngx_log_t                 *log;

    /* results */
    ngx_int_t                  rc;         /* NGX_OK; NGX_DECLINED: a miss */
    ngx_str_t                  value;      /* only while handler runs */
    unsigned                   waited:1;   /* another one had the lease */

    /* private */
    unsigned                   last:1;     /* look: there will be no other */
    ngx_llmops_store_t        *store;
    ngx_event_t                timer;      /* the next look, while waiting */
    ngx_msec_t                 started;
    ngx_msec_t                 delay;
    void                      *cmd;        /* under way */
};


/* what came of it, by all workers of this nginx: for the metrics */

typedef enum {
    NGX_LLMOPS_CACHE_REDIS_HIT = 0,
    NGX_LLMOPS_CACHE_REDIS_MISS,
    NGX_LLMOPS_CACHE_REDIS_INVALID,        /* of no use: corrupt, too large */
    NGX_LLMOPS_CACHE_REDIS_DOWN,           /* not asked, or no reply */
    NGX_LLMOPS_CACHE_REDIS_WAITED,         /* for another gateway's flight */
    NGX_LLMOPS_CACHE_REDIS_STORED,
    NGX_LLMOPS_CACHE_REDIS_DROPPED,        /* not stored: too much under way */
    NGX_LLMOPS_CACHE_REDIS_EVENTS
} ngx_llmops_cache_redis_event_e;

extern const ngx_str_t  ngx_llmops_cache_redis_events[];

typedef struct {
    ngx_atomic_t               events[NGX_LLMOPS_CACHE_REDIS_EVENTS];
} ngx_llmops_cache_redis_sh_t;

/* Where a worker counts: at its start; zone may be NULL. */
void ngx_llmops_cache_redis_start(ngx_shm_zone_t *zone);


/*
 * Asks.  NGX_AGAIN: the handler will be called; NGX_DECLINED: there is no
 * Redis, or it cannot be asked now: a miss, the handler will not be called.
 * What is asked in a turn of the event loop leaves in one write, with the
 * commands of limits.
 *
 * With a lease: on a miss remote->lease->held tells whether it is ours.  If
 * another one has it, the value is looked for again and again until it is
 * there, the lease is free (then it is ours), or wait is over.
 */
ngx_int_t ngx_llmops_cache_remote_ask(ngx_llmops_store_t *store,
    ngx_llmops_cache_remote_t *remote);

/* The handler will not be called.  For one that is not under way, too.  Its
   lease, held or just asked for, is left to _release(). */
void ngx_llmops_cache_remote_forget(ngx_llmops_cache_remote_t *remote);

/*
 * Stores a value for ttl milliseconds; nobody waits for it.  What is larger
 * than NGX_LLMOPS_CACHE_VALUE is not stored, nor is anything while too much
 * is on its way: other commands must not wait behind it.
 */
void ngx_llmops_cache_remote_put(ngx_llmops_store_t *store,
    const u_char *key, ngx_str_t *value, ngx_msec_t ttl);

/* Takes a value out; nobody waits for it. */
void ngx_llmops_cache_remote_drop(ngx_llmops_store_t *store,
    const u_char *key);

/* The flight is over, whatever came of it: others need not wait. */
void ngx_llmops_cache_lease_release(ngx_llmops_cache_lease_t *lease);


/* -- private to the files of this level, and for tests --------------------- */

#define NGX_LLMOPS_CACHE_SEAL         32   /* bytes before a value */
#define NGX_LLMOPS_CACHE_DEFLATE      2048 /* bytes from which on, and up to */
#define NGX_LLMOPS_CACHE_DEFLATE_MAX  (256 * 1024)     /* which, it is tried */

/* Writes a value as it lies in Redis to out, which is reset before.  NGX_OK or
   NGX_ERROR: out of memory, or over out's bound. */
ngx_int_t ngx_llmops_cache_seal(const u_char *key, ngx_str_t *value,
    ngx_llmops_out_t *out);

/* The value of at most max bytes: in data itself, or in out.  NGX_OK;
   NGX_DECLINED: *error says why it is none; NGX_ERROR: out of memory. */
ngx_int_t ngx_llmops_cache_open(const u_char *key, ngx_str_t *data,
    size_t max, ngx_llmops_out_t *out, ngx_str_t *value,
    const char **error);


/* a name of a value ('c') or lease ('l'), and what is known of the server */

typedef struct {
    struct ngx_llmops_redis_s *redis;      /* NULL: there is none */
    ngx_str_t                  name;
    u_char                     buf[128 + NGX_LLMOPS_CACHE_HEX];
} ngx_llmops_cache_name_t;

void ngx_llmops_cache_name(ngx_llmops_cache_name_t *n,
    ngx_llmops_store_t *store, const u_char *key, u_char kind);

void ngx_llmops_cache_redis_count(ngx_llmops_cache_redis_event_e event);

/* Tries for the lease: NGX_AGAIN, and the handler will be called, later, when
   lease->held is known; or NGX_DECLINED: it cannot be asked for now. */
ngx_int_t ngx_llmops_cache_lease_try(ngx_llmops_store_t *store,
    const u_char *key, ngx_llmops_cache_lease_t *lease,
    ngx_llmops_cache_lease_pt handler, void *data);


#endif /* _NGX_LLMOPS_CACHE_REDIS_H_INCLUDED_ */
