
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REDIS_H_INCLUDED_
#define _NGX_LLMOPS_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <hiredis/hiredis.h>

#include "ngx_llmops_net.h"
#include "ngx_llmops_secret.h"
#include "ngx_llmops_zone.h"


/*
 * Redis, as commands and replies: standalone, behind Sentinel, or a Cluster.
 * hiredis formats and parses, nginx connects.  One connection per worker and
 * node; all commands of one turn of the event loop leave in one write per
 * node; replies come in order, each to its command's handler.
 *
 * While a server cannot be reached commands fail at once: nobody waits for
 * longer than the timeout, and that only once.  What to do then is the
 * caller's policy.
 *
 *   ngx_llmops_redis.c          what callers see: commands, time, state
 *   ngx_llmops_redis_conf.c     llm_redis, and ngx_llmops_redis_param.c
 *   ngx_llmops_redis_node.c     one server: its connection
 *   ngx_llmops_redis_pipe.c     one server: commands,
 *   ngx_llmops_redis_reply.c    replies,
 *   ngx_llmops_redis_deadline.c and what comes too late
 *   ngx_llmops_redis_greet.c    what a connection begins with
 *   ngx_llmops_redis_stats.c    counts for the metrics
 *   ngx_llmops_redis_cluster.c  MOVED, ASK
 *   ngx_llmops_redis_map.c      which node has which slot
 *   ngx_llmops_redis_sentinel.c finding the master
 *   ngx_llmops_redis_counter.c  the store's counters
 *   ngx_llmops_redis_docs.c     the store's documents
 *   ngx_llmops_vectors.c        vector sets, for whoever wants them
 */


typedef struct ngx_llmops_redis_s      ngx_llmops_redis_t;  /* of a worker */
typedef struct ngx_llmops_redis_cmd_s  ngx_llmops_redis_cmd_t;

/*
 * reply is NULL if none came: not connected, timed out, cut; then
 * sent says whether the server may have seen the command.  The reply is freed
 * when the handler returns.  An error reply (REDIS_REPLY_ERROR) is a reply.
 */
typedef void (*ngx_llmops_redis_pt)(redisReply *reply, ngx_uint_t sent,
    void *data);


/* fail=: what a limit does while the store cannot be asked */

typedef enum {
    NGX_LLMOPS_DOWN_OPEN = 0,
    NGX_LLMOPS_DOWN_CLOSED,
    NGX_LLMOPS_DOWN_LOCAL
} ngx_llmops_policy_e;

/* how callers' commands ended */

typedef enum {
    NGX_LLMOPS_REDIS_OK = 0,               /* a reply */
    NGX_LLMOPS_REDIS_ERROR,                /* an error as a reply */
    NGX_LLMOPS_REDIS_TIMEOUT,              /* none in time */
    NGX_LLMOPS_REDIS_LOST,                 /* none: the connection has ended */
    NGX_LLMOPS_REDIS_UNABLE,               /* not carried out: LOADING, ... */
    NGX_LLMOPS_REDIS_REFUSED,              /* not sent: fail-fast */
    NGX_LLMOPS_REDIS_OUTCOMES
} ngx_llmops_redis_outcome_e;

#define NGX_LLMOPS_REDIS_BOUNDS  12

/* in shared memory, one of each process slot; only its owner writes it */

typedef struct {
    ngx_atomic_t               pid;        /* 0: nobody's, "up" is of no use */
    ngx_atomic_t               up;
    ngx_atomic_t               commands[NGX_LLMOPS_REDIS_OUTCOMES];
    ngx_atomic_t               us;         /* sum of round trips */
    ngx_atomic_t               bucket[NGX_LLMOPS_REDIS_BOUNDS + 1];
} ngx_llmops_redis_sh_t;

typedef struct {
    uint64_t                   us;         /* inclusive */
    const char                *text;       /* in seconds */
} ngx_llmops_redis_bound_t;

extern const ngx_str_t                 ngx_llmops_redis_outcomes[];
extern const ngx_llmops_redis_bound_t  ngx_llmops_redis_bounds[];


typedef struct {
    ngx_str_t                  host;       /* as ngx_llmops_net_t has it */
    in_port_t                  port;
} ngx_llmops_redis_addr_t;


typedef struct {
    ngx_array_t               *nodes;      /* of ngx_llmops_redis_addr_t */
    ngx_str_t                  sentinel;   /* the master's name, or len 0 */
    ngx_str_t                  user;
    ngx_llmops_secret_t        password;
    ngx_llmops_secret_t        sentinel_password;
    ngx_uint_t                 db;
    ngx_str_t                  prefix;     /* of all keys, default "llm";
                                              without a colon at its end */
    ngx_msec_t                 timeout;
    ngx_llmops_net_tls_t      *tls;        /* NULL: plain */
    ngx_str_t                  server;     /* ssl_name=, or len 0 */
    ngx_str_t                  ssl_ca;
    ngx_str_t                  ssl_cert;
    ngx_str_t                  ssl_key;
    ngx_uint_t                 policy;     /* ngx_llmops_policy_e: default of
                                              limits that do not say */
    ngx_resolver_t            *resolver;   /* NULL: there is none */
    ngx_shm_zone_t            *zone;       /* for the metrics */
    ngx_llmops_redis_sh_t     *sh;         /* of this worker; NULL: no room */
    ngx_str_t                  file;       /* where llm_redis stands */
    ngx_uint_t                 line;
    unsigned                   cluster:1;
    unsigned                   ssl:1;
    unsigned                   ssl_verify:1;
} ngx_llmops_redis_conf_t;


#define NGX_LLMOPS_REDIS_COMMANDS                                             \
    { ngx_string("llm_redis"),                                                \
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,                                      \
      ngx_llmops_redis_directive,                                             \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      offsetof(ngx_llmops_main_conf_t, redis),                                \
      NULL }


/* llm_redis ADDRESS ... [parameters], in http{}; sets the pointer at
   cmd->offset of conf to an ngx_llmops_redis_conf_t. */
char *ngx_llmops_redis_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* At the end of the configuration: resolver is that of http{}, or NULL; zone
   that of llm_zone.  NGX_OK, or NGX_ERROR (logged): there is a name, and nobody
   to resolve it. */
ngx_int_t ngx_llmops_redis_init(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_resolver_t *resolver, ngx_shm_zone_t *zone);

/*
 * Starts and stops this worker's connections; start does not wait, and may be
 * called again for connections of their own (WATCH, vectors).  stop() writes
 * what has been sent in this turn; handlers of what is under way are not
 * called.  Not from within a handler.
 */
ngx_llmops_redis_t *ngx_llmops_redis_start(ngx_cycle_t *cycle,
    ngx_llmops_redis_conf_t *conf);
void ngx_llmops_redis_stop(ngx_llmops_redis_t *redis);

/*
 * Sends a command to the node that has the slot of key (len 0: any node; not
 * looked at without Cluster).  argv is copied.  handler may be NULL: the
 * reply does not matter.  NULL: cannot be asked now (fail fast), or out of
 * memory; the handler will not be called.  Redirections (MOVED, ASK) are
 * followed within the timeout; a LOADING, READONLY, MASTERDOWN, BUSY, NOAUTH
 * or CLUSTERDOWN reply makes it look for a master that can be used, and counts
 * as no reply, unsent.
 */
ngx_llmops_redis_cmd_t *ngx_llmops_redis_command(ngx_llmops_redis_t *redis,
    ngx_str_t *key, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_llmops_redis_pt handler, void *data);

/*
 * The same, with flags.  PATIENT: a reply that is late is waited for, as long
 * as the connection is not given up, so that it is known whether the command
 * was carried out.  PINNED: it is not redirected; MOVED and ASK are its reply,
 * and correct the map.  So a transaction is carried out by one server or not
 * at all.
 */
#define NGX_LLMOPS_REDIS_PATIENT   1
#define NGX_LLMOPS_REDIS_PINNED    2

ngx_llmops_redis_cmd_t *ngx_llmops_redis_send(ngx_llmops_redis_t *redis,
    ngx_uint_t flags, ngx_str_t *key, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_llmops_redis_pt handler, void *data);

/* The handler of a command under way will not be called; its late reply is
   swallowed. */
void ngx_llmops_redis_cancel(ngx_llmops_redis_cmd_t *cmd);

/* Whether commands for that key have a connection now, whose server answers. */
ngx_uint_t ngx_llmops_redis_up(ngx_llmops_redis_t *redis, ngx_str_t *key);

/* Whether a command for that key would be taken now: there is such a
   connection, or the first one is being made. */
ngx_uint_t ngx_llmops_redis_takes(ngx_llmops_redis_t *redis, ngx_str_t *key);

/*
 * A number of the connection for that key, another one for each connection; 0
 * while there is none.  What a connection keeps (WATCH) holds for commands that
 * are sent while it is the same: they leave on that connection or not at all.
 */
ngx_uint_t ngx_llmops_redis_generation(ngx_llmops_redis_t *redis,
    ngx_str_t *key);

/*
 * Milliseconds since the epoch by the server's clock (TIME, asked at connect
 * and every few seconds; this machine's clock until then), so that gateways
 * whose clocks differ agree on windows.
 */
int64_t ngx_llmops_redis_now(ngx_llmops_redis_t *redis);

/* Called, with data, each time that commands can be sent to a node again: it
   has been connected, or answers in time again.  At most 4. */
ngx_int_t ngx_llmops_redis_on_up(ngx_llmops_redis_t *redis,
    void (*handler)(void *data), void *data);

/*
 * The connections of a store whose engine is Redis, in a worker that has
 * started, and in *prefix the one of its keys; NULL: there are none.  For
 * commands of others than the store: they leave with the store's own.
 */
struct ngx_llmops_store_s;

ngx_llmops_redis_t *ngx_llmops_redis_of(struct ngx_llmops_store_s *store,
    ngx_str_t *prefix);

/*
 * Connections of their own to the same servers, for commands that others must
 * not wait behind; made now, whoever asks for them stops them, before the
 * store's.  NULL: the engine is another one, or out of memory.
 */
ngx_llmops_redis_t *ngx_llmops_redis_another(struct ngx_llmops_store_s *store);

/* A number of such a store's gateway, the same in all of its workers; no other
   gateway has it. */
uint64_t ngx_llmops_redis_gateway(struct ngx_llmops_store_s *store);


#endif /* _NGX_LLMOPS_REDIS_H_INCLUDED_ */
