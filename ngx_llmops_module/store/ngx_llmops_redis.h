
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REDIS_H_INCLUDED_
#define _NGX_LLMOPS_REDIS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <hiredis/hiredis.h>

#include "ngx_llmops_net.h"


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
 *   ngx_llmops_redis_conf.c     llm_redis
 *   ngx_llmops_redis_node.c     one server: connection, pipeline, deadlines
 *   ngx_llmops_redis_cluster.c  slots, MOVED, ASK
 *   ngx_llmops_redis_sentinel.c finding the master
 *   ngx_llmops_redis_counter.c  the store's counters
 *   ngx_llmops_redis_docs.c     the store's documents
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

typedef struct {
    ngx_array_t                nodes;      /* of ngx_llmops_net_t templates */
    ngx_str_t                  sentinel;   /* the master's name, or len 0 */
    ngx_str_t                  user;
    ngx_str_t                  password;
    ngx_str_t                  sentinel_password;
    ngx_uint_t                 db;
    ngx_str_t                  prefix;     /* of all keys, default "llm" */
    ngx_msec_t                 timeout;
    ngx_llmops_net_tls_t      *tls;
    ngx_uint_t                 policy;     /* ngx_llmops_policy_e: default of
                                              limits that do not say */
    ngx_resolver_t            *resolver;
    unsigned                   cluster:1;
} ngx_llmops_redis_conf_t;


/* llm_redis ADDRESS ... [parameters], in http{}. */
char *ngx_llmops_redis_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Starts and stops this worker's connections; start does not wait. */
ngx_llmops_redis_t *ngx_llmops_redis_start(ngx_cycle_t *cycle,
    ngx_llmops_redis_conf_t *conf);
void ngx_llmops_redis_stop(ngx_llmops_redis_t *redis);

/*
 * Sends a command to the node that has the slot of key (len 0: any node; not
 * looked at without Cluster).  argv is copied.  handler may be NULL: the
 * reply does not matter.  NULL: cannot be asked now (fail fast), or out of
 * memory; the handler will not be called.  Redirections (MOVED, ASK) are
 * followed within the timeout; a LOADING, READONLY, CLUSTERDOWN or MASTERDOWN
 * reply makes it look for another master and counts as no reply, unsent.
 */
ngx_llmops_redis_cmd_t *ngx_llmops_redis_command(ngx_llmops_redis_t *redis,
    ngx_str_t *key, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_llmops_redis_pt handler, void *data);

/* The handler of a command under way will not be called; its late reply is
   swallowed. */
void ngx_llmops_redis_cancel(ngx_llmops_redis_cmd_t *cmd);

/* Whether commands for that key have a connection now. */
ngx_uint_t ngx_llmops_redis_up(ngx_llmops_redis_t *redis, ngx_str_t *key);

/*
 * Milliseconds since the epoch by the server's clock (TIME, asked at connect
 * and every few seconds; this machine's clock until then), so that gateways
 * whose clocks differ agree on windows.
 */
int64_t ngx_llmops_redis_now(ngx_llmops_redis_t *redis);

/* Called, with data, each time a node becomes reachable again.  At most 4. */
ngx_int_t ngx_llmops_redis_on_up(ngx_llmops_redis_t *redis,
    void (*handler)(void *data), void *data);


#endif /* _NGX_LLMOPS_REDIS_H_INCLUDED_ */
