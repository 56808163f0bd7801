
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SUMMARY_H_INCLUDED_
#define _NGX_LLMOPS_SUMMARY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_llmops_interval.h"


/*
 * What all cases say of each candidate, so far: fed case by case in any order,
 * asked at any time.  Its memory does not depend on the number of cases:
 * NGX_LLMOPS_SUMMARY_SLICES slices have sums of their own, those that come
 * later share the one called "(other)".
 *
 * It is not kept: whoever resumes feeds it again with what was kept of the
 * cases, which gives the same.  Memory is malloc's.
 */


#define NGX_LLMOPS_SUMMARY_CANDIDATES  16
#define NGX_LLMOPS_SUMMARY_SLICES      64
#define NGX_LLMOPS_SUMMARY_NAME        64      /* bytes of a slice's name */


typedef struct ngx_llmops_summary_s  ngx_llmops_summary_t;


typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  target;     /* UPSTREAM/MODEL, or empty */
    ngx_str_t                  prompt;     /* NAME@VERSION, or empty */
} ngx_llmops_summary_candidate_t;


/* what is asked of an evaluation; all have defaults.  Without a baseline and
   without min_score every case has to pass. */

typedef struct {
    double                     level;      /* of intervals; 0: 0.95 */
    double                     min_score;  /* a candidate's mean; 0: any */
    double                     margin;     /* by how much it may be below the
                                              baseline; < 0: 0.05 */
    double                     max_errors; /* share of the cases; < 0: 0.05 */
    unsigned                   strict:1;   /* min_score is for the interval's
                                              end, not for the mean */
} ngx_llmops_summary_ask_t;


typedef enum {
    NGX_LLMOPS_SUMMARY_MISSING = 0,        /* a person is to say it */
    NGX_LLMOPS_SUMMARY_SCORED,
    NGX_LLMOPS_SUMMARY_ERROR               /* no answer, or no score for it */
} ngx_llmops_summary_state_e;


/* of one case and candidate */

typedef struct {
    ngx_llmops_summary_state_e
                               state;
    double                     score;      /* 0 to 1, if SCORED */
    double                     cost;       /* of the answer and its judges, in
                                              the currency of the prices */
    double                     latency;    /* ms, of the answer; < 0: none */
    unsigned                   passed:1;
} ngx_llmops_summary_outcome_t;


typedef enum {
    NGX_LLMOPS_VERDICT_UNDECIDED = 0,
    NGX_LLMOPS_VERDICT_PASS,
    NGX_LLMOPS_VERDICT_FAIL
} ngx_llmops_verdict_e;

extern const char  *ngx_llmops_verdict_names[];


/* n is 1 to SUMMARY_CANDIDATES, baseline an index of them or -1; texts are
   copied.  NULL if out of memory. */
ngx_llmops_summary_t *ngx_llmops_summary_create(
    ngx_llmops_summary_candidate_t *candidates, ngx_uint_t n,
    ngx_int_t baseline, ngx_llmops_summary_ask_t *ask);

void ngx_llmops_summary_free(ngx_llmops_summary_t *s);

/*
 * A case, with an outcome for each candidate, in their order; slice may be
 * empty.  NGX_OK, NGX_ERROR: out of memory, and then the case counts in the
 * slice "(other)" only.
 */
ngx_int_t ngx_llmops_summary_add(ngx_llmops_summary_t *s, ngx_str_t *slice,
    ngx_llmops_summary_outcome_t *row);

/* Takes back a case that was added with the same values: for a person's verdict
   on it, after which it is added again. */
void ngx_llmops_summary_remove(ngx_llmops_summary_t *s, ngx_str_t *slice,
    ngx_llmops_summary_outcome_t *row);

/* Cases so far. */
ngx_uint_t ngx_llmops_summary_cases(ngx_llmops_summary_t *s);

/*
 * What it comes to.  While ended is 0 it is UNDECIDED.  why, which may be NULL,
 * says it in one line, with figures.
 */
ngx_llmops_verdict_e ngx_llmops_summary_verdict(ngx_llmops_summary_t *s,
    ngx_uint_t ended, char *why, size_t size);

/* Mean score of a candidate; -1 if nothing is scored. */
double ngx_llmops_summary_score(ngx_llmops_summary_t *s, ngx_uint_t candidate);

/*
 * The members of an evaluation that tell its outcome: "candidates", "baseline",
 * "difference", "verdict", "why", "slices"; a new reference, to be merged into
 * the evaluation with json_object_update().  NULL if out of memory.
 */
json_t *ngx_llmops_summary_json(ngx_llmops_summary_t *s, ngx_uint_t ended);


#endif /* _NGX_LLMOPS_SUMMARY_H_INCLUDED_ */
