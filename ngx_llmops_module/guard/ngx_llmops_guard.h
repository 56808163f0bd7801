
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_GUARD_H_INCLUDED_
#define _NGX_LLMOPS_GUARD_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_store.h"


/*
 * Who calls, what he may, and how much.  Identity comes first, before the body
 * is read, so that a stranger costs nothing; what has been identified are the
 * values of $llm_client and the others in all of nginx.  Limits come last,
 * when the route is known and everything of nginx's own has agreed: they
 * reserve by estimate, in one question to the store, and are settled to the
 * truth when the request is over, however it ended.
 *
 *   ngx_llmops_auth.c         the caller's credential: finding, checking
 *   ngx_llmops_key_*.c        virtual keys: records, files, cache
 *   ngx_llmops_jwt*.c         tokens and key sets
 *   ngx_llmops_geo.c          networks, countries
 *   ngx_llmops_limit*.c       limits and quotas
 *   ngx_llmops_estimate.c     tokens of a request before it is made
 */


/* -- identity ------------------------------------------------------------- */

/*
 * A virtual key, or what a JWT says, as it is needed at each request.
 * Immutable and shared: held by a count, freed with the last reference.
 */

typedef struct ngx_llmops_identity_s  ngx_llmops_identity_t;

struct ngx_llmops_identity_s {
    ngx_str_t                  id;         /* public id: may be logged */
    ngx_str_t                  client;
    ngx_str_t                  tenant;
    ngx_str_t                  plan;
    ngx_str_t                  metadata;   /* a JSON object, or len 0 */
    ngx_array_t               *routes;     /* of ngx_str_t, "x" or "x*"; NULL:
                                              all */
    ngx_array_t               *models;     /* the same */
    ngx_array_t               *networks;   /* of ngx_cidr_t; NULL: all */
    ngx_array_t               *countries;  /* of ngx_str_t; NULL: all */
    time_t                     expires;    /* 0: never */
    ngx_llmops_rate_t          rates[NGX_LLMOPS_COUNTER_RATES];
    ngx_uint_t                 nrates;     /* of its own limits: "limit" key,
                                              counter key = id */
    ngx_uint_t                 refs;       /* of this worker */
    void                      *data;       /* auth's own: claims ... */
    ngx_pool_t                *pool;
};


/*
 * Reads the caller's credential, before the body.  With llm_auth off it does
 * nothing.  Sets ctx->identity.  NGX_OK: go on (known, or access will refuse);
 * NGX_AGAIN: the store is asked, r's phases are run again later, when calling
 * it again gives the result; else a status to answer with.
 */
ngx_int_t ngx_llmops_auth_identify(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* The handler of the ACCESS phase: 401 and 403, composing with "satisfy". */
ngx_int_t ngx_llmops_auth_access(ngx_http_request_t *r);

/* What ACCESS has refused, and another means of "satisfy any" has let in, is no
   error any more.  At the start of the content handler. */
void ngx_llmops_auth_passed(ngx_llmops_ctx_t *ctx);

/*
 * Whether the caller may use a route, under a model's name (len 0: any).
 * allowed(): for lists.  check(), under the name that was asked for: NGX_OK;
 * NGX_DECLINED, when it is to be answered as if there were no such route,
 * since the caller need not know that it exists; or 403 with its refusal made.
 */
ngx_uint_t ngx_llmops_auth_allowed(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_route_t *route, ngx_str_t *model);
ngx_int_t ngx_llmops_auth_check(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route);

/* Stops a question under way: from the request's cleanup.  release() gives
   ctx->identity back: from that of its pool, after the log. */
void ngx_llmops_auth_cleanup(ngx_llmops_ctx_t *ctx);
void ngx_llmops_auth_release(ngx_llmops_ctx_t *ctx);

/* Per worker: key caches, key sets. */
ngx_int_t ngx_llmops_auth_start(ngx_cycle_t *cycle,
    ngx_llmops_main_conf_t *mcf);
void ngx_llmops_auth_stop(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf);


/* -- limits --------------------------------------------------------------- */

/* of a request: in r->pool, NULL if nothing limits it */

typedef struct ngx_llmops_limits_s  ngx_llmops_limits_t;


/*
 * Reserves all that limits a request on ctx->plan.route: the route's limits,
 * those of the location, the caller's own.  NGX_OK: go on; NGX_AGAIN: next(r)
 * is called later, with the result of calling it again; else a status whose
 * refusal has been made (429, 402, 403, 503).
 */
ngx_int_t ngx_llmops_limits_enter(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, void (*next)(ngx_http_request_t *r));

/*
 * After each event of a stream that passes: NGX_OK; NGX_DECLINED when a hard
 * budget is used up with it and the stream has to end now, properly (the
 * reason is in ctx->limits); NGX_AGAIN when the store has not answered yet
 * whether there is more: nothing may pass until ngx_llmops_stream_resume() is
 * called.  Costs one compare unless something is near.
 */
#define ngx_llmops_limits_stream(r, ctx)                                      \
    (((ctx)->limits_at > (ctx)->meter.output_tokens)                          \
     ? NGX_OK : ngx_llmops_limits_near(r, ctx))

ngx_int_t ngx_llmops_limits_near(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* The answer of an attempt goes to nobody: what the next one may have, at the
   price of its target, is worked out at its first event. */
void ngx_llmops_limits_again(ngx_llmops_ctx_t *ctx);

/* Settles to ctx->meter.usage and ctx->cost, once; from the log handler and,
   if that never ran, the request's cleanup. */
void ngx_llmops_limits_settle(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);

/* Adds x-ratelimit-* (or anthropic-ratelimit-*) and retry-after-ms to an
   answer.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_limits_headers(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* Of a request, for headers and variables; len 0 if there is nothing: budgets
   that are nearly used up; the limit that refused it or ended its stream; the
   one that would have, but for dry_run. */
void ngx_llmops_limits_warnings(ngx_llmops_ctx_t *ctx, ngx_str_t *value);
void ngx_llmops_limits_name(ngx_llmops_ctx_t *ctx, ngx_str_t *value);
void ngx_llmops_limits_dry_name(ngx_llmops_ctx_t *ctx, ngx_str_t *value);

/* The rate by which that limit ended a stream, as the configuration has it;
   len 0: none has.  In text[NGX_LLMOPS_RATE_TEXT]. */
void ngx_llmops_limits_ended(ngx_llmops_ctx_t *ctx, u_char *text,
    ngx_str_t *value);

/* How many answers a request that limits let in has asked for, at least 1. */
int64_t ngx_llmops_limits_choices(ngx_llmops_ctx_t *ctx);

/* Tokens that were reserved at first, the most of all limits; -1: none. */
int64_t ngx_llmops_limits_reserved_tokens(ngx_llmops_ctx_t *ctx);


/*
 * Completes what the configuration says of limits: after the routes, once in
 * each (re)load.  NGX_OK or NGX_ERROR (logged with file and line).  start()
 * and stop(): per worker.
 */
ngx_int_t ngx_llmops_limits_init(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);
void ngx_llmops_limits_start(ngx_llmops_main_conf_t *mcf);
void ngx_llmops_limits_stop(ngx_llmops_main_conf_t *mcf);


/* llm_limit and llm_quota, of http{}; limit, of llm_route{} */

char *ngx_llmops_limit_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_llmops_route_limit(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

#define NGX_LLMOPS_LIMIT_COMMANDS                                             \
                                                                              \
    { ngx_string("llm_limit"),                                                \
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,                                      \
      ngx_llmops_limit_directive,                                             \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL },                                                                 \
                                                                              \
    { ngx_string("llm_quota"),                                                \
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,                                      \
      ngx_llmops_limit_directive,                                             \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL },                                                                 \
                                                                              \
    { ngx_string("limit"),                                                    \
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,                                   \
      ngx_llmops_route_limit,                                                 \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL }


/*
 * Reads "requests=60/m", "tokens=90k/m", "input=", "output=", "concurrent=32",
 * "cost=400usd/month" into a rate: amounts with k, m, g; sliding windows s, m,
 * h, d (also "10s", "5m"); calendar periods day, week, month.  *error is set
 * to what to write instead.  NGX_OK, NGX_DECLINED (not a rate's name), or
 * NGX_ERROR.  Used by the configuration and by key records.
 */
ngx_int_t ngx_llmops_rate_parse(ngx_str_t *word, ngx_llmops_rate_t *rate,
    const char **error);

/* Writes a rate as rate_parse() reads it, at most NGX_LLMOPS_RATE_TEXT. */
#define NGX_LLMOPS_RATE_TEXT       64
u_char *ngx_llmops_rate_print(u_char *p, ngx_llmops_rate_t *rate);


/*
 * Tokens of a request's input before it is made, better than bytes: within a
 * quarter for the usual texts.  Samples a bounded part of the body.
 */
int64_t ngx_llmops_estimate_request(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


#endif /* _NGX_LLMOPS_GUARD_H_INCLUDED_ */
