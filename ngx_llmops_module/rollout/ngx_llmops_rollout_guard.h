
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ROLLOUT_GUARD_H_INCLUDED_
#define _NGX_LLMOPS_ROLLOUT_GUARD_H_INCLUDED_


#include "ngx_llmops_sequential.h"


/*
 * A guard: what is measured, and how bad it may be.  Pure functions, as those
 * of ngx_llmops_sequential.h, to which each guard is reduced.
 */


/* what is measured of a request */

typedef enum {
    NGX_LLMOPS_MEASURE_ERRORS = 0,         /* 0, or 1: it has failed */
    NGX_LLMOPS_MEASURE_FAILURES,           /* the same, in a row */
    NGX_LLMOPS_MEASURE_CHECKS,             /* 0, or 1: a rule was broken */
    NGX_LLMOPS_MEASURE_REFUSALS,           /* 0, or 1: the model has refused */
    NGX_LLMOPS_MEASURE_FIRST_TOKEN,        /* ms */
    NGX_LLMOPS_MEASURE_LATENCY,            /* ms */
    NGX_LLMOPS_MEASURE_SPEED,              /* tokens per second */
    NGX_LLMOPS_MEASURE_COST,               /* USD */
    NGX_LLMOPS_MEASURE_FEEDBACK,           /* a score, 0 ... 1: the best */
    NGX_LLMOPS_MEASURE_JUDGE,              /* the same, of a model */
    NGX_LLMOPS_MEASURE_MAX
} ngx_llmops_measure_e;


typedef enum {
    NGX_LLMOPS_GUARD_BOUND = 0,            /* a value that may not be passed */
    NGX_LLMOPS_GUARD_TIMES,                /* the stable arm's, times .bound */
    NGX_LLMOPS_GUARD_POINTS,               /* the stable arm's, plus .bound */
    NGX_LLMOPS_GUARD_ROW                   /* a trip-wire: no statistics */
} ngx_llmops_guard_mode_e;


typedef struct {
    ngx_str_t                  text;       /* "first_token_p95<1500ms" */
    ngx_llmops_measure_e       measure;
    ngx_llmops_guard_mode_e    mode;
    double                     quantile;   /* of values of which the larger are
                                              worse; 0: their mean */
    double                     bound;
    double                     cap;        /* mean of a value: x is 1 there */
    double                     p;          /* BOUND: what x may be on average */
} ngx_llmops_guard_t;


/* all that has been observed of one arm, or of both; bins only where
   ngx_llmops_guard_binned() */

typedef struct {
    ngx_llmops_seq_t           arm[2];     /* stable, candidate */
    uint64_t                   bins[2][NGX_LLMOPS_SEQ_BINS];
    ngx_uint_t                 row;        /* the most failures in a row */
} ngx_llmops_guard_seen_t;


/* Reads the text behind "guard=", which is not copied.  NGX_ERROR: *error says
   what to write instead. */
ngx_int_t ngx_llmops_guard_parse(ngx_str_t *text, ngx_llmops_guard_t *guard,
    const char **error);

/* x of a value, from 0 (good) to 1; for TIMES of a quantile it is not used. */
double ngx_llmops_guard_x(const ngx_llmops_guard_t *guard, double value);

/* Whether values go to bins, and to which. */
ngx_uint_t ngx_llmops_guard_binned(const ngx_llmops_guard_t *guard);
ngx_uint_t ngx_llmops_guard_bin(const ngx_llmops_guard_t *guard,
    double value);

/* Logarithm of the evidence that the guard is broken; ROW: HUGE_VAL if it is,
   else 0. */
double ngx_llmops_guard_evidence(const ngx_llmops_guard_t *guard,
    const ngx_llmops_guard_seen_t *seen);


extern const char  *ngx_llmops_measure_names[];


#endif /* _NGX_LLMOPS_ROLLOUT_GUARD_H_INCLUDED_ */
