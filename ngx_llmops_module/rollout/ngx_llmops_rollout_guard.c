
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout_guard.h"

#include <math.h>


/*
 * Every guard becomes a claim about the mean of an x from 0 to 1:
 *
 *   errors<2%                  x: it has failed; mean at most 0.02
 *   checks>97%                 x: a rule was broken; at most 0.03
 *   first_token_p95<1500ms     x: it took longer; at most 0.05
 *   tokens_per_second_p10>20   x: it was slower; at most 0.1
 *   cost<0.01usd               x: cost / (8 * 0.01), 1 beyond; at most 1/8
 *   feedback>0.8, judge>0.8    x: 1 - score; at most 0.2
 *   errors<+1%, checks>-1%     ... at most that of the stable arm, plus 0.01
 *   errors<1.5x                ... at most that of the stable arm, times 1.5
 *   latency_p95<1.2x           a quantile against the stable arm's, by bins
 *   failures<5                 a trip-wire
 *
 * A mean of something without a bound is capped: what is above the cap makes x
 * no larger, so that it can hide damage, but never be taken for some.
 */


#define NGX_LLMOPS_GUARD_CAP    8          /* times the bound */


typedef enum {
    NGX_LLMOPS_GUARD_UNIT_SHARE = 0,             /* "2%" */
    NGX_LLMOPS_GUARD_UNIT_TIME,                  /* "1500ms", "10s" */
    NGX_LLMOPS_GUARD_UNIT_SPEED,                 /* "20" */
    NGX_LLMOPS_GUARD_UNIT_USD,                   /* "0.01usd" */
    NGX_LLMOPS_GUARD_UNIT_SCORE,                 /* "0.8" */
    NGX_LLMOPS_GUARD_UNIT_COUNT                  /* "5" */
} ngx_llmops_guard_unit_e;


typedef struct {
    const char                *name;
    ngx_llmops_guard_unit_e    unit;
    unsigned                   less:1;     /* smaller is worse: ">" */
    unsigned                   quantile:1; /* has "_pNN" */
    unsigned                   mean:1;     /* may be without */
    unsigned                   points:1;   /* has "+1%" */
    unsigned                   times:1;    /* has "1.5x", without "_pNN" */
    const char                *example;
} ngx_llmops_guard_kind_t;


static u_char *ngx_llmops_guard_name(u_char *p, u_char *last,
    ngx_llmops_guard_t *guard, const char **error);
static ngx_int_t ngx_llmops_guard_value(u_char *p, u_char *last,
    ngx_llmops_guard_t *guard);
static u_char *ngx_llmops_guard_number(u_char *p, u_char *last, double *n);
static double ngx_llmops_guard_scale(ngx_llmops_guard_unit_e unit, u_char *p,
    u_char *last);
static ngx_int_t ngx_llmops_guard_finish(ngx_llmops_guard_t *guard);


/* in the order of ngx_llmops_measure_e */

static const ngx_llmops_guard_kind_t  ngx_llmops_guard_kinds[] = {

    { "errors", NGX_LLMOPS_GUARD_UNIT_SHARE, 0, 0, 1, 1, 1,
      "write \"errors<2%\", or against the stable arm \"errors<+1%\" or "
      "\"errors<1.5x\"" },

    { "failures", NGX_LLMOPS_GUARD_UNIT_COUNT, 0, 0, 1, 0, 0,
      "write \"failures<5\": fewer than 5 in a row" },

    { "checks", NGX_LLMOPS_GUARD_UNIT_SHARE, 1, 0, 1, 1, 0,
      "write \"checks>97%\", or against the stable arm \"checks>-1%\"" },

    { "refusals", NGX_LLMOPS_GUARD_UNIT_SHARE, 0, 0, 1, 1, 1,
      "write \"refusals<5%\", or against the stable arm \"refusals<+1%\" or "
      "\"refusals<1.5x\"" },

    { "first_token", NGX_LLMOPS_GUARD_UNIT_TIME, 0, 1, 0, 0, 0,
      "write \"first_token_p95<1500ms\", or against the stable arm "
      "\"first_token_p95<1.2x\"" },

    { "latency", NGX_LLMOPS_GUARD_UNIT_TIME, 0, 1, 0, 0, 0,
      "write \"latency_p95<20s\", or against the stable arm "
      "\"latency_p95<1.2x\"" },

    { "tokens_per_second", NGX_LLMOPS_GUARD_UNIT_SPEED, 1, 1, 0, 0, 0,
      "write \"tokens_per_second_p10>20\", or against the stable arm "
      "\"tokens_per_second_p50>0.8x\"" },

    { "cost", NGX_LLMOPS_GUARD_UNIT_USD, 0, 1, 1, 0, 0,
      "write \"cost<0.01usd\", \"cost_p90<0.02usd\", or against the stable "
      "arm \"cost_p50<1.2x\"" },

    { "feedback", NGX_LLMOPS_GUARD_UNIT_SCORE, 1, 0, 1, 1, 0,
      "write \"feedback>0.8\", or against the stable arm "
      "\"feedback>-0.05\"" },

    { "judge", NGX_LLMOPS_GUARD_UNIT_SCORE, 1, 0, 1, 1, 0,
      "write \"judge>0.8\", or against the stable arm \"judge>-0.05\"" }
};


const char  *ngx_llmops_measure_names[] = {
    "errors", "failures", "checks", "refusals", "first_token", "latency",
    "tokens_per_second", "cost", "feedback", "judge"
};


ngx_int_t
ngx_llmops_guard_parse(ngx_str_t *text, ngx_llmops_guard_t *guard,
    const char **error)
{
    u_char                         *p, *last;
    const ngx_llmops_guard_kind_t  *kind;

    ngx_memzero(guard, sizeof(ngx_llmops_guard_t));

    guard->text = *text;
    last = text->data + text->len;

    p = ngx_llmops_guard_name(text->data, last, guard, error);
    if (p == NULL) {
        return NGX_ERROR;
    }

    kind = &ngx_llmops_guard_kinds[guard->measure];
    *error = kind->example;

    if (p == last || *p != (kind->less ? '>' : '<')) {
        return NGX_ERROR;
    }

    if (guard->quantile > 0 ? !kind->quantile : !kind->mean) {
        return NGX_ERROR;
    }

    if (ngx_llmops_guard_value(p + 1, last, guard) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_guard_finish(guard);
}


/* the measure and "_pNN"; what is behind them, or NULL */

static u_char *
ngx_llmops_guard_name(u_char *p, u_char *last, ngx_llmops_guard_t *guard,
    const char **error)
{
    size_t       len, n;
    double       percent;
    ngx_uint_t   i;
    const char  *name;

    for (len = 0; p + len < last && p[len] != '<' && p[len] != '>'; len++) {
        /* void */
    }

    for (i = 0; i < NGX_LLMOPS_MEASURE_MAX; i++) {

        name = ngx_llmops_guard_kinds[i].name;
        n = ngx_strlen(name);

        if (len < n || ngx_memcmp(p, name, n) != 0) {
            continue;
        }

        guard->measure = i;

        if (len == n) {
            return p + len;
        }

        *error = ngx_llmops_guard_kinds[i].example;

        if (len < n + 3 || p[n] != '_' || p[n + 1] != 'p'
            || ngx_llmops_guard_number(p + n + 2, p + len, &percent)
               != p + len
            || percent <= 0 || percent >= 100)
        {
            return NULL;
        }

        guard->quantile = percent / 100;

        return p + len;
    }

    *error = "it knows errors, failures, checks, refusals, first_token_pNN, "
             "latency_pNN, tokens_per_second_pNN, cost, cost_pNN, feedback and "
             "judge";
    return NULL;
}


/* "2%", "+1%", "1.5x", ... */

static ngx_int_t
ngx_llmops_guard_value(u_char *p, u_char *last, ngx_llmops_guard_t *guard)
{
    u_char                          sign;
    double                          n, scale;
    const ngx_llmops_guard_kind_t  *kind;

    kind = &ngx_llmops_guard_kinds[guard->measure];
    sign = 0;

    if (p < last && (*p == '+' || *p == '-')) {
        sign = *p++;

        if (!kind->points || sign != (kind->less ? '-' : '+')) {
            return NGX_ERROR;
        }
    }

    p = ngx_llmops_guard_number(p, last, &n);

    if (p == NULL) {
        return NGX_ERROR;
    }

    if (sign == 0 && last - p == 1 && *p == 'x') {

        if (n <= 0 || !(kind->times || guard->quantile > 0)) {
            return NGX_ERROR;
        }

        guard->mode = NGX_LLMOPS_GUARD_TIMES;
        guard->bound = n;

        return NGX_OK;
    }

    scale = ngx_llmops_guard_scale(kind->unit, p, last);

    if (scale <= 0) {
        return NGX_ERROR;
    }

    guard->mode = sign ? NGX_LLMOPS_GUARD_POINTS : NGX_LLMOPS_GUARD_BOUND;
    guard->bound = n * scale;

    return NGX_OK;
}


/* a decimal number without a sign; what is behind it, or NULL */

static u_char *
ngx_llmops_guard_number(u_char *p, u_char *last, double *n)
{
    u_char  *start;
    double   unit;

    *n = 0;
    start = p;

    for ( /* void */ ; p < last && *p >= '0' && *p <= '9'; p++) {
        *n = *n * 10 + (*p - '0');
    }

    if (p == start || p - start > 9) {
        return NULL;
    }

    if (p == last || *p != '.') {
        return p;
    }

    start = ++p;

    for (unit = 0.1; p < last && *p >= '0' && *p <= '9'; p++) {
        *n += (*p - '0') * unit;
        unit /= 10;
    }

    return (p == start || p - start > 12) ? NULL : p;
}


/* what a unit is worth; 0: it is none */

static double
ngx_llmops_guard_scale(ngx_llmops_guard_unit_e unit, u_char *p, u_char *last)
{
    size_t  len;

    len = last - p;

    switch (unit) {

    case NGX_LLMOPS_GUARD_UNIT_SHARE:
        return (len == 1 && *p == '%') ? 0.01 : 0;

    case NGX_LLMOPS_GUARD_UNIT_TIME:
        if (len == 2 && ngx_memcmp(p, "ms", 2) == 0) {
            return 1;
        }

        return (len == 1 && *p == 's') ? 1000 : 0;

    case NGX_LLMOPS_GUARD_UNIT_USD:
        return (len == 3 && ngx_memcmp(p, "usd", 3) == 0) ? 1 : 0;

    default:
        return len == 0;
    }
}


/* the claim that follows from it, and whether it can be tested at all */

static ngx_int_t
ngx_llmops_guard_finish(ngx_llmops_guard_t *guard)
{
    const ngx_llmops_guard_kind_t  *kind;

    kind = &ngx_llmops_guard_kinds[guard->measure];

    /* where smaller is worse: the quantile from the other end */

    if (kind->less && guard->quantile > 0) {
        guard->quantile = 1 - guard->quantile;
    }

    if (guard->measure == NGX_LLMOPS_MEASURE_FAILURES) {
        guard->mode = NGX_LLMOPS_GUARD_ROW;

        return (guard->bound >= 1 && guard->bound <= 1000
                && floor(guard->bound) == guard->bound)
               ? NGX_OK : NGX_ERROR;
    }

    if (guard->mode != NGX_LLMOPS_GUARD_BOUND) {
        return (guard->mode == NGX_LLMOPS_GUARD_TIMES || guard->bound < 1)
               ? NGX_OK : NGX_ERROR;
    }

    if (guard->quantile > 0) {
        guard->p = 1 - guard->quantile;

    } else if (guard->measure == NGX_LLMOPS_MEASURE_COST) {
        guard->cap = guard->bound * NGX_LLMOPS_GUARD_CAP;
        guard->p = 1.0 / NGX_LLMOPS_GUARD_CAP;

    } else {
        guard->p = kind->less ? 1 - guard->bound : guard->bound;
    }

    return (guard->bound > 0 && guard->p > 0 && guard->p < 1) ? NGX_OK
                                                              : NGX_ERROR;
}


double
ngx_llmops_guard_x(const ngx_llmops_guard_t *guard, double value)
{
    if (guard->measure == NGX_LLMOPS_MEASURE_FEEDBACK
        || guard->measure == NGX_LLMOPS_MEASURE_JUDGE)
    {
        return 1 - value;
    }

    if (guard->quantile > 0) {
        return ngx_llmops_guard_kinds[guard->measure].less
               ? value < guard->bound : value > guard->bound;
    }

    if (guard->cap > 0) {
        return fmin(value / guard->cap, 1);
    }

    return value;
}


ngx_uint_t
ngx_llmops_guard_binned(const ngx_llmops_guard_t *guard)
{
    return guard->mode == NGX_LLMOPS_GUARD_TIMES && guard->quantile > 0;
}


/* 24 doublings: times from 1/16 ms on, per token from 1 us on, money from
   10^-8 USD on */

ngx_uint_t
ngx_llmops_guard_bin(const ngx_llmops_guard_t *guard, double value)
{
    switch (guard->measure) {

    case NGX_LLMOPS_MEASURE_SPEED:
        return ngx_llmops_seq_bin(1e6 / fmax(value, 1e-6));

    case NGX_LLMOPS_MEASURE_COST:
        return ngx_llmops_seq_bin(value * 1e8);

    default:
        return ngx_llmops_seq_bin(value * 16);
    }
}


double
ngx_llmops_guard_evidence(const ngx_llmops_guard_t *guard,
    const ngx_llmops_guard_seen_t *seen)
{
    double  factor;

    switch (guard->mode) {

    case NGX_LLMOPS_GUARD_ROW:
        return (double) seen->row >= guard->bound ? HUGE_VAL : 0;

    case NGX_LLMOPS_GUARD_BOUND:
        return ngx_llmops_seq_above(&seen->arm[1], guard->p);

    case NGX_LLMOPS_GUARD_POINTS:
        return ngx_llmops_seq_beyond(&seen->arm[1], &seen->arm[0], 1,
                                     guard->bound);

    default:                               /* TIMES */
        break;
    }

    if (guard->quantile == 0) {
        return ngx_llmops_seq_beyond(&seen->arm[1], &seen->arm[0],
                                     guard->bound, 0);
    }

    factor = ngx_llmops_guard_kinds[guard->measure].less ? 1 / guard->bound
                                                         : guard->bound;

    return ngx_llmops_seq_slower(seen->bins[1], seen->bins[0],
                                 guard->quantile, factor);
}
