
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_LIVE_H_INCLUDED_
#define _NGX_LLMOPS_LIVE_H_INCLUDED_


#include "ngx_llmops_series.h"

#include <jansson.h>


/*
 * The figures of the status page: one pass over shared memory, at most once a
 * second for all who look at a worker, and never more than a few tables.
 *
 *   ngx_llmops_live.c          once a second, and as large as it may be
 *   ngx_llmops_live_gather.c   from shared memory to rows
 *   ngx_llmops_live_json.c     from rows to JSON
 *
 * Counters and cumulative buckets: whoever reads twice makes rates of them.
 * Names are those of the configuration; nothing of a request, and no value of
 * a limit's key, is in them.
 */


#define NGX_LLMOPS_LIVE_SIZE       (64 * 1024)
#define NGX_LLMOPS_LIVE_ROWS       50      /* of a table */
#define NGX_LLMOPS_LIVE_AGE        1000    /* ms */

/* that are looked at: a route or target beyond has no row */
#define NGX_LLMOPS_LIVE_MOST       512


/* sums of the series of a route, a target, a purpose, or of all */

typedef struct {
    ngx_str_t                  name;
    uint32_t                   hash;       /* of the name */
    ngx_llmops_route_t        *route;      /* of a route */
    ngx_llmops_target_sh_t    *sh;         /* of a target, or NULL */
    uint64_t                   requests;
    uint64_t                   errors[NGX_LLMOPS_ERR_MAX];
    uint64_t                   input;      /* tokens */
    uint64_t                   output;
    uint64_t                   cost;       /* 10^-12 USD */
    uint64_t                   unpriced;
    uint64_t                   checks;     /* rules that were broken */
    uint64_t                   duration[NGX_LLMOPS_MAX_BOUNDS + 1];
    uint64_t                   first_token[NGX_LLMOPS_MAX_BOUNDS + 1];
} ngx_llmops_live_row_t;


typedef struct {
    ngx_str_t                  route;
    ngx_str_t                  rule;
    uint64_t                   count;
    void                      *sh;         /* ngx_llmops_rule_sh_t */
} ngx_llmops_live_rule_t;


/* the fullest key of one rate of a limit; without a period (len 0) it is not
   known how full that is */

typedef struct {
    ngx_str_t                  limit;
    ngx_uint_t                 unit;
    ngx_str_t                  period;
    ngx_uint_t                 used;       /* in 1/10000 */
    int64_t                    reset;      /* ms */
    uint64_t                   denied;
} ngx_llmops_live_limit_t;


typedef struct {
    ngx_pool_t                *pool;       /* of this pass */
    ngx_llmops_main_conf_t    *mcf;
    int64_t                    now;        /* ms since the epoch */
    ngx_array_t                routes;     /* of ngx_llmops_live_row_t */
    ngx_array_t                targets;
    ngx_array_t                purposes;
    ngx_array_t                rules;      /* of ngx_llmops_live_rule_t */
    ngx_array_t                limits;     /* of ngx_llmops_live_limit_t */
    ngx_llmops_live_row_t      total;      /* of callers' requests */
    ngx_uint_t                 workers;
    ngx_uint_t                 requests;   /* in flight */
    ngx_uint_t                 detached;
    ngx_uint_t                 gauges[NGX_LLMOPS_MAX_GAUGES];
    uint64_t                   round_trips;    /* of Redis */
    uint64_t                   round_trip_us;
    unsigned                   failed:1;   /* out of memory */
    unsigned                   truncated:1;
} ngx_llmops_live_t;


/*
 * The text of status.json but for the brace at its end, at most
 * NGX_LLMOPS_LIVE_SIZE bytes, valid until the next call in this worker.
 * NGX_OK, or NGX_ERROR: out of memory.
 */
ngx_int_t ngx_llmops_live(ngx_llmops_main_conf_t *mcf, ngx_str_t *text);

/* Fills the rows in, in l->pool; l is zeroed but for pool and mcf. */
void ngx_llmops_live_gather(ngx_llmops_live_t *l);

/* The object, with tables of at most rows rows, the most used ones; NULL: out
   of memory. */
json_t *ngx_llmops_live_json(ngx_llmops_live_t *l, ngx_uint_t rows);

/* MAX_BOUNDS + 1 buckets, cumulative, without those at the end that add
   nothing: [] where all are 0.  NULL: out of memory. */
json_t *ngx_llmops_live_buckets(const uint64_t *bucket);

/* 10^-12 USD as a text.  NULL: out of memory. */
json_t *ngx_llmops_live_money(uint64_t amount);


#endif /* _NGX_LLMOPS_LIVE_H_INCLUDED_ */
