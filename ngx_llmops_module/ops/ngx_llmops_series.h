
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SERIES_H_INCLUDED_
#define _NGX_LLMOPS_SERIES_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * What the counters look like in the zone: shared by those who count
 * (ngx_llmops_metrics.c) and those who print (ngx_llmops_metrics_page.c).
 *
 * Every change of a layout here, also of ngx_llmops_err_e, needs another
 * NGX_LLMOPS_ZONE_LAYOUT.
 */


/*
 * A series is named by its labels, joined by null bytes.  Providers and models
 * are properties of targets, but a configuration may change them, which then
 * begins another series.
 */

typedef enum {
    NGX_LLMOPS_LABEL_ROUTE = 0,
    NGX_LLMOPS_LABEL_TARGET,
    NGX_LLMOPS_LABEL_OPERATION,
    NGX_LLMOPS_LABEL_PROVIDER,             /* of OpenTelemetry's names */
    NGX_LLMOPS_LABEL_MODEL,
    NGX_LLMOPS_LABEL_PROMPT,               /* not there without one */
    NGX_LLMOPS_LABEL_MAX
} ngx_llmops_label_e;


#define NGX_LLMOPS_MAX_BOUNDS  16

/* upper bounds, inclusive; text as in label "le" */

typedef struct {
    ngx_uint_t                 nelts;
    int64_t                    bound[NGX_LLMOPS_MAX_BOUNDS];   /* us, tokens */
    const char                *text[NGX_LLMOPS_MAX_BOUNDS];
} ngx_llmops_bounds_t;

extern const ngx_llmops_bounds_t  ngx_llmops_duration_bounds;
extern const ngx_llmops_bounds_t  ngx_llmops_token_bounds;
extern const ngx_llmops_bounds_t  ngx_llmops_first_token_bounds;
extern const ngx_llmops_bounds_t  ngx_llmops_per_token_bounds;


/* the last one of the buckets that are used is that of +Inf; each counts only
   its own, and their sum is the number of observations */

typedef struct {
    ngx_atomic_t               sum;
    ngx_atomic_t               bucket[NGX_LLMOPS_MAX_BOUNDS + 1];
} ngx_llmops_histogram_t;


typedef struct {
    ngx_llmops_histogram_t     duration[NGX_LLMOPS_ERR_MAX];   /* us */
    ngx_llmops_histogram_t     input;      /* tokens */
    ngx_llmops_histogram_t     output;
    ngx_llmops_histogram_t     first_token;    /* us */
    ngx_llmops_histogram_t     per_token;  /* us */
    ngx_atomic_t               cached;
    ngx_atomic_t               cache_write;
    ngx_atomic_t               reasoning;
    ngx_atomic_t               cost;       /* 10^-12 USD: wraps at 18 million,
                                              which reads as a restart */
    ngx_atomic_t               estimated;  /* requests */
    ngx_atomic_t               unpriced;
} ngx_llmops_series_sh_t;


/* targets beyond have no gauge of what is in flight */
#define NGX_LLMOPS_MAX_GAUGES  1000

/* one of each process slot; pid is 0 while nobody owns it */

typedef struct {
    ngx_atomic_t               pid;
    ngx_atomic_t               requests;
    ngx_atomic_t               detached;
    ngx_atomic_t               targets[NGX_LLMOPS_MAX_GAUGES];
} ngx_llmops_worker_sh_t;


/* Whether a worker's node counts: its owner lives. */
ngx_uint_t ngx_llmops_worker_lives(ngx_llmops_worker_sh_t *w);

extern const ngx_str_t  ngx_llmops_outcome_names[];


#endif /* _NGX_LLMOPS_SERIES_H_INCLUDED_ */
