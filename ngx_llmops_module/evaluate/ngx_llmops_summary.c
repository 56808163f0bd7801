
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_summary.h"
#include "ngx_llmops_summary_sums.h"

#include <math.h>


/*
 * Sums of each candidate, over all cases and in each slice, and of the pairs
 * that it makes with the baseline.  All that is shown is computed of them when
 * it is asked for, which takes some microseconds for each candidate and slice.
 *
 * A case without a score (no answer, a judge who could not be understood) says
 * nothing of quality: it is counted apart, and a pair needs two scores.
 *
 * Latency is a histogram of 32 bins to a doubling: a quantile is exact to 2.2
 * per cent.
 */


#define NGX_LLMOPS_SUMMARY_LEVEL   0.95
#define NGX_LLMOPS_SUMMARY_MARGIN  0.05
#define NGX_LLMOPS_SUMMARY_ERRORS  0.05


static ngx_int_t ngx_llmops_summary_copy(ngx_llmops_summary_t *s,
    ngx_llmops_summary_candidate_t *candidates);
static void ngx_llmops_summary_row(ngx_llmops_summary_t *s,
    ngx_llmops_sums_t *sums, ngx_llmops_summary_outcome_t *row, double n);
static ngx_llmops_slice_t *ngx_llmops_summary_slice(ngx_llmops_summary_t *s,
    ngx_str_t *name, ngx_uint_t add);
static ngx_uint_t ngx_llmops_summary_bin(double ms);


ngx_llmops_summary_t *
ngx_llmops_summary_create(ngx_llmops_summary_candidate_t *candidates,
    ngx_uint_t n, ngx_int_t baseline, ngx_llmops_summary_ask_t *ask)
{
    ngx_llmops_summary_t  *s;

    if (n == 0 || n > NGX_LLMOPS_SUMMARY_CANDIDATES
        || baseline >= (ngx_int_t) n)
    {
        return NULL;
    }

    s = calloc(1, sizeof(ngx_llmops_summary_t));
    if (s == NULL) {
        return NULL;
    }

    s->n = n;
    s->baseline = baseline;
    s->ask = *ask;

    if (!(s->ask.level > 0 && s->ask.level < 1)) {
        s->ask.level = NGX_LLMOPS_SUMMARY_LEVEL;
    }

    if (!(s->ask.margin >= 0)) {
        s->ask.margin = NGX_LLMOPS_SUMMARY_MARGIN;
    }

    if (!(s->ask.max_errors >= 0)) {
        s->ask.max_errors = NGX_LLMOPS_SUMMARY_ERRORS;
    }

    s->all = calloc(n, sizeof(ngx_llmops_sums_t));
    s->latency = calloc(n * NGX_LLMOPS_SUMMARY_BINS, sizeof(uint32_t));
    s->other.sums = calloc(n, sizeof(ngx_llmops_sums_t));

    if (s->all == NULL || s->latency == NULL || s->other.sums == NULL
        || ngx_llmops_summary_copy(s, candidates) != NGX_OK)
    {
        ngx_llmops_summary_free(s);
        return NULL;
    }

    return s;
}


void
ngx_llmops_summary_free(ngx_llmops_summary_t *s)
{
    ngx_uint_t  i;

    if (s == NULL) {
        return;
    }

    for (i = 0; i < s->nslices; i++) {
        free(s->slices[i].sums);
    }

    free(s->other.sums);
    free(s->all);
    free(s->latency);
    free(s->texts);
    free(s);
}


static ngx_int_t
ngx_llmops_summary_copy(ngx_llmops_summary_t *s,
    ngx_llmops_summary_candidate_t *candidates)
{
    u_char      *p;
    size_t       len;
    ngx_str_t   *to, *from[3];
    ngx_uint_t   i, k;

    for (len = 1, i = 0; i < s->n; i++) {
        len += candidates[i].name.len + candidates[i].target.len
               + candidates[i].prompt.len;
    }

    s->texts = malloc(len);
    if (s->texts == NULL) {
        return NGX_ERROR;
    }

    p = s->texts;

    for (i = 0; i < s->n; i++) {
        from[0] = &candidates[i].name;
        from[1] = &candidates[i].target;
        from[2] = &candidates[i].prompt;

        to = &s->candidates[i].name;

        for (k = 0; k < 3; k++) {
            to = (k == 0) ? &s->candidates[i].name
                 : (k == 1) ? &s->candidates[i].target
                            : &s->candidates[i].prompt;

            to->data = p;
            to->len = from[k]->len;

            if (to->len) {
                p = ngx_cpymem(p, from[k]->data, to->len);
            }
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_summary_add(ngx_llmops_summary_t *s, ngx_str_t *slice,
    ngx_llmops_summary_outcome_t *row)
{
    ngx_uint_t           i;
    ngx_llmops_slice_t  *sl;

    s->cases++;
    ngx_llmops_summary_row(s, s->all, row, 1);

    for (i = 0; i < s->n; i++) {
        if (row[i].state != NGX_LLMOPS_SUMMARY_MISSING && row[i].latency >= 0)
        {
            s->latency[i * NGX_LLMOPS_SUMMARY_BINS
                       + ngx_llmops_summary_bin(row[i].latency)]++;
        }
    }

    if (slice->len == 0) {
        return NGX_OK;
    }

    sl = ngx_llmops_summary_slice(s, slice, 1);

    if (sl == NULL) {
        s->other.cases++;
        ngx_llmops_summary_row(s, s->other.sums, row, 1);

        return NGX_ERROR;
    }

    sl->cases++;
    ngx_llmops_summary_row(s, sl->sums, row, 1);

    return NGX_OK;
}


void
ngx_llmops_summary_remove(ngx_llmops_summary_t *s, ngx_str_t *slice,
    ngx_llmops_summary_outcome_t *row)
{
    uint32_t            *bin;
    ngx_uint_t           i;
    ngx_llmops_slice_t  *sl;

    if (s->cases == 0) {
        return;
    }

    s->cases--;
    ngx_llmops_summary_row(s, s->all, row, -1);

    for (i = 0; i < s->n; i++) {
        if (row[i].state != NGX_LLMOPS_SUMMARY_MISSING && row[i].latency >= 0)
        {
            bin = &s->latency[i * NGX_LLMOPS_SUMMARY_BINS
                              + ngx_llmops_summary_bin(row[i].latency)];
            *bin -= (*bin > 0);
        }
    }

    sl = slice->len ? ngx_llmops_summary_slice(s, slice, 0) : NULL;

    if (sl && sl->cases) {
        sl->cases--;
        ngx_llmops_summary_row(s, sl->sums, row, -1);
    }
}


static void
ngx_llmops_summary_row(ngx_llmops_summary_t *s, ngx_llmops_sums_t *sums,
    ngx_llmops_summary_outcome_t *row, double n)
{
    ngx_uint_t             i;
    ngx_llmops_summary_outcome_t  *base;

    base = (s->baseline >= 0) ? &row[s->baseline] : NULL;

    for (i = 0; i < s->n; i++) {

        sums[i].cost += n * row[i].cost;

        if (row[i].state == NGX_LLMOPS_SUMMARY_MISSING) {
            sums[i].missing += n;
            continue;
        }

        if (row[i].state == NGX_LLMOPS_SUMMARY_ERROR) {
            sums[i].errors += n;
            continue;
        }

        ngx_llmops_mean_add(&sums[i].score, row[i].score, n);
        sums[i].passed += row[i].passed ? n : 0;

        if (base && base != &row[i]
            && base->state == NGX_LLMOPS_SUMMARY_SCORED)
        {
            ngx_llmops_pairs_add(&sums[i].pairs, row[i].score, base->score, n);
        }
    }
}


/* NULL: out of memory, or, without add, there is none */

static ngx_llmops_slice_t *
ngx_llmops_summary_slice(ngx_llmops_summary_t *s, ngx_str_t *name,
    ngx_uint_t add)
{
    size_t               len;
    ngx_uint_t           i;
    ngx_llmops_slice_t  *sl;

    len = ngx_min(name->len, NGX_LLMOPS_SUMMARY_NAME);

    for (i = 0; i < s->nslices; i++) {
        sl = &s->slices[i];

        if (sl->len == len && ngx_memcmp(sl->name, name->data, len) == 0) {
            return sl;
        }
    }

    if (s->nslices == NGX_LLMOPS_SUMMARY_SLICES) {
        return &s->other;
    }

    if (!add) {
        return NULL;
    }

    sl = &s->slices[s->nslices];

    sl->sums = calloc(s->n, sizeof(ngx_llmops_sums_t));
    if (sl->sums == NULL) {
        return NULL;
    }

    sl->len = len;
    ngx_memcpy(sl->name, name->data, len);
    s->nslices++;

    return sl;
}


static ngx_uint_t
ngx_llmops_summary_bin(double ms)
{
    double  bin;

    bin = (ms > 1) ? log2(ms) * NGX_LLMOPS_SUMMARY_OCTAVE : 0;

    return bin < NGX_LLMOPS_SUMMARY_BINS - 1 ? (ngx_uint_t) bin
                                             : NGX_LLMOPS_SUMMARY_BINS - 1;
}


double
ngx_llmops_summary_quantile(ngx_llmops_summary_t *s, ngx_uint_t candidate,
    double q)
{
    double       n, rank;
    uint32_t    *bins;
    ngx_uint_t   i;

    bins = &s->latency[candidate * NGX_LLMOPS_SUMMARY_BINS];

    for (n = 0, i = 0; i < NGX_LLMOPS_SUMMARY_BINS; i++) {
        n += bins[i];
    }

    if (n == 0) {
        return -1;
    }

    rank = ceil(q * n);

    for (i = 0; i < NGX_LLMOPS_SUMMARY_BINS - 1; i++) {
        rank -= bins[i];

        if (rank <= 0) {
            break;
        }
    }

    return exp2((i + 0.5) / NGX_LLMOPS_SUMMARY_OCTAVE);
}


ngx_uint_t
ngx_llmops_summary_cases(ngx_llmops_summary_t *s)
{
    return s->cases;
}


double
ngx_llmops_summary_score(ngx_llmops_summary_t *s, ngx_uint_t candidate)
{
    return ngx_llmops_sums_score(&s->all[candidate]);
}


double
ngx_llmops_sums_score(ngx_llmops_sums_t *sums)
{
    return sums->score.n > 0 ? sums->score.sum / sums->score.n : -1;
}
