
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SUMMARY_SUMS_H_INCLUDED_
#define _NGX_LLMOPS_SUMMARY_SUMS_H_INCLUDED_


#include "ngx_llmops_summary.h"


/* The inside of a summary.  Private to this directory. */


#define NGX_LLMOPS_SUMMARY_OCTAVE  32
#define NGX_LLMOPS_SUMMARY_BINS    640     /* up to 2^20 ms, 17 minutes */
#define NGX_LLMOPS_SUMMARY_WHY     256


/* of a candidate, over all cases or those of a slice */

typedef struct {
    ngx_llmops_mean_t          score;
    ngx_llmops_pairs_t         pairs;      /* with the baseline */
    double                     passed;
    double                     errors;
    double                     missing;    /* a person is to say it */
    double                     cost;
} ngx_llmops_sums_t;


typedef struct {
    u_char                     name[NGX_LLMOPS_SUMMARY_NAME];
    size_t                     len;
    ngx_uint_t                 cases;
    ngx_llmops_sums_t         *sums;       /* of each candidate */
} ngx_llmops_slice_t;


struct ngx_llmops_summary_s {
    ngx_uint_t                 n;
    ngx_int_t                  baseline;
    ngx_llmops_summary_ask_t   ask;
    ngx_uint_t                 cases;
    ngx_llmops_sums_t         *all;
    uint32_t                  *latency;    /* BINS of each candidate */
    u_char                    *texts;
    ngx_uint_t                 nslices;
    ngx_llmops_slice_t         other;      /* what came when all were taken */
    ngx_llmops_summary_candidate_t
                               candidates[NGX_LLMOPS_SUMMARY_CANDIDATES];
    ngx_llmops_slice_t         slices[NGX_LLMOPS_SUMMARY_SLICES];
};


/* The mean, or -1. */
double ngx_llmops_sums_score(ngx_llmops_sums_t *sums);

/* A quantile of a candidate's latency in ms, or -1. */
double ngx_llmops_summary_quantile(ngx_llmops_summary_t *s,
    ngx_uint_t candidate, double q);

/* What a candidate comes to when all is done; why[size] says it with
   figures. */
ngx_llmops_verdict_e ngx_llmops_summary_judge(ngx_llmops_summary_t *s,
    ngx_uint_t candidate, char *why, size_t size);


#endif /* _NGX_LLMOPS_SUMMARY_SUMS_H_INCLUDED_ */
