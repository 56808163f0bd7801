
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_INTERVAL_H_INCLUDED_
#define _NGX_LLMOPS_INTERVAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Confidence intervals of what an evaluation measures, each with its source in
 * ngx_llmops_interval.c.  Pure functions; level is that of the interval, two
 * sided, 0 < level < 1: 0.95.  They hold for a number of cases that was decided
 * beforehand, as that of a dataset is: who looks while it runs, to stop when he
 * likes what he sees, has rollout/ngx_llmops_sequential.h.
 */


typedef struct {
    double                     lo;
    double                     hi;
} ngx_llmops_interval_t;


/* sums of values from 0 to 1, to which values can be added in any order */

typedef struct {
    double                     n;
    double                     sum;
    double                     squares;
    double                     ones;       /* how many were 1, and 0 */
    double                     zeros;
} ngx_llmops_mean_t;


/* the same of pairs over the same cases: a of a candidate, b of a baseline */

typedef struct {
    ngx_llmops_mean_t          a;
    ngx_llmops_mean_t          b;
    double                     squares;    /* of a - b */
    double                     only_a;     /* a 1 and b 0 */
    double                     only_b;
    double                     a_better;   /* a > b */
    double                     b_better;
} ngx_llmops_pairs_t;


/* Adds n (1, or -1 to take it back) times a value, a pair. */
void ngx_llmops_mean_add(ngx_llmops_mean_t *m, double value, double n);
void ngx_llmops_pairs_add(ngx_llmops_pairs_t *p, double a, double b, double n);

/* A share of k in n, 0 <= k <= n (not necessarily whole); [0, 1] for n 0. */
ngx_llmops_interval_t ngx_llmops_wilson(double k, double n, double level);

/* The mean of values from 0 to 1; that of a share if all are 0 or 1. */
ngx_llmops_interval_t ngx_llmops_mean_interval(const ngx_llmops_mean_t *m,
    double level);

/* The difference of the means, a - b; [-1, 1] without pairs. */
ngx_llmops_interval_t ngx_llmops_pairs_interval(const ngx_llmops_pairs_t *p,
    double level);

/*
 * The chance that of n tosses of a fair coin as many, or more, fall on one side
 * as of k here: two sided and exact; 1 for n 0.  For pairs that differ.
 */
double ngx_llmops_sign_test(double k, double n);

/* The quantile of the normal distribution, 0 < p < 1; and of Student's with
   df degrees of freedom, df >= 1. */
double ngx_llmops_normal_quantile(double p);
double ngx_llmops_student_quantile(double p, double df);


#endif /* _NGX_LLMOPS_INTERVAL_H_INCLUDED_ */
