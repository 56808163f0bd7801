
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SEQUENTIAL_H_INCLUDED_
#define _NGX_LLMOPS_SEQUENTIAL_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Tests that may be looked at after every observation.  Pure functions of
 * counters: no state, no clock, nothing of nginx but its types.
 *
 * What is observed is a number x from 0 (good) to 1 (bad): whether a request
 * has failed, whether it took longer than a bound, how far a score is from the
 * best one.  All that a test needs of an arm is how many there were and their
 * sum, so that counters of workers and of gateways are simply added up, in any
 * order.
 */


typedef struct {
    double                     n;          /* observations */
    double                     k;          /* sum of x: 0 <= k <= n */
} ngx_llmops_seq_t;


/* bins of a histogram of positive values, eight to a doubling */

#define NGX_LLMOPS_SEQ_BINS     192
#define NGX_LLMOPS_SEQ_OCTAVE   8


/*
 * The natural logarithm of the evidence (an "e-value") against the claim that
 * the mean of x is at most p, 0 < p < 1.  If the claim is true, the chance that
 * the evidence ever reaches 1/alpha, whenever one looks, is at most alpha.
 */
double ngx_llmops_seq_above(const ngx_llmops_seq_t *s, double p);

/*
 * The same against the claim that the mean of the candidate is at most factor
 * times that of the stable arm, plus margin (factor > 0, margin >= 0), whatever
 * that one is.
 */
double ngx_llmops_seq_beyond(const ngx_llmops_seq_t *candidate,
    const ngx_llmops_seq_t *stable, double factor, double margin);

/*
 * The same against the claim that the candidate's quantile q (0 < q < 1) is at
 * most factor (> 0) times that of the stable arm; both are histograms.  A
 * factor is rounded up to the next bin, at most 9 per cent.
 */
double ngx_llmops_seq_slower(const uint64_t *candidate,
    const uint64_t *stable, double q, double factor);

/* The bin of a value: 0 for all up to 1, the last for all that are larger than
   the one before. */
ngx_uint_t ngx_llmops_seq_bin(double value);

/* The logarithm that the evidence of one of tests tests must reach, for a
   chance of alpha that any of them raises a false alarm. */
double ngx_llmops_seq_needed(double alpha, ngx_uint_t tests);


#endif /* _NGX_LLMOPS_SEQUENTIAL_H_INCLUDED_ */
