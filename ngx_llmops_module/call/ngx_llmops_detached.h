
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_DETACHED_H_INCLUDED_
#define _NGX_LLMOPS_DETACHED_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * A request of the gateway's own: a judge's verdict, an embedding, a shadow, a
 * case of an evaluation.  It enters at plan and goes the way of every request
 * (targets, failover, retries, timeouts, translation, TLS, keys, breakers,
 * metering), but belongs to no caller: nobody's connection is held by it, and
 * it outlives the request that caused it.  See ngx_llmops_detached.c.
 *
 * How many there may be, and how much memory they may hold, is bounded for
 * each worker (directive llm_detached).
 *
 * It is counted once, under the route "ROUTE:PURPOSE" (ROUTE is that of d, or
 * the one of from; without both "PURPOSE" alone), in the metrics and in the
 * ledger, there with from's client and tenant.  Neither in the access log nor
 * against anybody's limits.
 */


typedef struct ngx_llmops_detached_s         ngx_llmops_detached_t;
typedef struct ngx_llmops_detached_engine_s  ngx_llmops_detached_engine_t;
typedef struct ngx_llmops_purpose_s          ngx_llmops_purpose_t;

typedef void (*ngx_llmops_detached_pt)(ngx_llmops_detached_t *d);


/*
 * Zeroed and filled in by the caller, to whom it belongs: but from a start()
 * that returned NGX_OK until the handler is called, or cancel() has returned,
 * it must stay where it is.
 */

struct ngx_llmops_detached_s {

    /* what is asked; all of it but target, route and purpose is copied by
       start() */

    ngx_llmops_route_t        *route;      /* its plan; or, with target set, */
    ngx_llmops_target_t       *target;     /* that target alone */
    ngx_llmops_ctx_t          *from;       /* the request that causes it, or
                                              NULL: read during start() only */
    ngx_str_t                  path;       /* "/v1/chat/completions",
                                              "/v1/messages", "/v1/embeddings",
                                              ...: the dialect it is in */
    ngx_str_t                  body;       /* a JSON object with "model", which
                                              a target's own name replaces */
    const char                *purpose;    /* static, a label of metrics:
                                              "judge", "embedding", "shadow" */
    size_t                     max;        /* bytes of the answer to keep */
    ngx_msec_t                 timeout;    /* of all of it; never 0 */
    unsigned                   headers:1;  /* from's arguments and request
                                              headers go along, but its cookies,
                                              connection and credentials, as
                                              they would if it went to the
                                              target itself */
    unsigned                   background:1;   /* nobody waits for it: it may
                                              take half of the bounds only */

    /*
     * Called once, later, never from within start() or cancel(), and not from
     * within any request: whoever resumes one calls
     * ngx_http_run_posted_requests() behind it.  d may be freed in it, or
     * started again.
     */

    ngx_llmops_detached_pt     handler;
    void                      *data;

    /* results: strings are valid during the handler only */

    ngx_uint_t                 status;     /* of HTTP, as a caller would have
                                              got it; 0: there is no answer */
    ngx_llmops_err_e           error;      /* ERR_NONE: a good answer, complete
                                              as its dialect tells */
    ngx_str_t                  answer;     /* the body, in the dialect of path;
                                              with "stream": its raw events */
    ngx_llmops_meter_t         meter;      /* usage, finish, model, events */
    int64_t                    cost;       /* 10^-12 USD; -1: unknown */
    ngx_msec_t                 first_token;    /* ms; -1: none, or no stream */
    ngx_msec_t                 total;      /* ms */
    ngx_uint_t                 attempts;
    ngx_llmops_target_t       *answered;   /* whose answer it is, or NULL */
    unsigned                   broken:1;   /* a rule did not let it pass */
    unsigned                   truncated:1;    /* the answer had more bytes */

    ngx_llmops_detached_engine_t  *engine; /* own; NULL: not under way */
};


/* under what it is counted: one of each route and purpose, in each worker */

struct ngx_llmops_purpose_s {
    ngx_str_t                  route;      /* or len 0 */
    const char                *purpose;
    ngx_str_t                  label;      /* "ROUTE:PURPOSE" */
    void                      *series;     /* ops/ */
    struct ngx_llmops_purpose_sh_s  *sh;   /* NULL: the zone is full */
    ngx_llmops_purpose_t      *next;
};


/* the same, of all workers; in the zone, named by the label */

typedef struct ngx_llmops_purpose_sh_s {
    ngx_atomic_t               dropped;    /* NGX_BUSY */
} ngx_llmops_purpose_sh_t;


/* what it is while under way; ctx->detached of its own request, until that is
   over */

struct ngx_llmops_detached_engine_s {
    ngx_llmops_detached_t     *d;          /* NULL: cancelled */
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_purpose_t      *purpose;
    ngx_http_request_t        *request;    /* NULL: it is over */
    ngx_llmops_out_t           answer;
    size_t                     bytes;      /* of the bounds of memory */
    ngx_event_t                timer;      /* of all of it */
    ngx_event_t                event;      /* what is left to do, posted */
    unsigned                   starting:1;
    unsigned                   truncated:1;
    unsigned                   timedout:1;
};


/*
 * Starts it.  NGX_OK: the handler will be called.  NGX_BUSY: the bounds of
 * this worker are reached (counted: llm_detached_dropped_total).  NGX_ERROR:
 * out of memory or connections, the worker is about to exit, or path and body
 * make no request (logged).
 */
ngx_int_t ngx_llmops_detached_start(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_detached_t *d);

/*
 * Forgets one that is under way, which is then given up: its handler will not
 * be called.  What it has used until then is counted.  At any time, also
 * from cleanup handlers; nothing happens to one that is not under way.
 */
void ngx_llmops_detached_cancel(ngx_llmops_detached_t *d);

/* Prepares this worker; before any start().  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_detached_init(ngx_cycle_t *cycle,
    ngx_llmops_main_conf_t *mcf);

/* The filters that keep the answer; called at postconfiguration, before the
   one that writes errors in the dialect of a request, which runs first. */
void ngx_llmops_detached_filters(ngx_conf_t *cf);

/* llm_detached [requests=N] [memory=SIZE]; */
char *ngx_llmops_detached_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#define NGX_LLMOPS_DETACHED_COMMANDS                                          \
    { ngx_string("llm_detached"),                                             \
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,                                     \
      ngx_llmops_detached_directive,                                          \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL }


#endif /* _NGX_LLMOPS_DETACHED_H_INCLUDED_ */
