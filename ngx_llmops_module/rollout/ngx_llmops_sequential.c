
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_sequential.h"

#include <math.h>


/*
 * Who looks at a usual test after every request, and acts the first time that
 * it says "worse", acts on chance sooner or later.  Here evidence is a bet
 * instead.  Before each observation one puts all money on "x is bad more often
 * than p": with q > p the money is multiplied by
 *
 *     (q/p)^x ((1-q)/(1-p))^(1-x)
 *
 * For x of 0 or 1 that is the likelihood ratio of q and p; for x between it is
 * convex in x, so below its chord.  If the mean of x is at most p, whatever has
 * been before, the expected factor is at most 1: the money is a non-negative
 * supermartingale, and by Ville's inequality the chance that it ever reaches
 * 1/alpha is at most alpha (Ville 1939; Wald's and Robbins' mixtures;
 * Howard, Ramdas, McAuliffe, Sekhon 2021, "Time-uniform, nonparametric,
 * nonasymptotic confidence sequences"; Ramdas, Gruenwald, Vovk, Shafer 2023,
 * "Game-theoretic statistics and safe anytime-valid inference").
 *
 * The right q is not known, so the money is divided over many, and their sum is
 * again such a bet.  The product over all observations depends only on their
 * number and sum.
 *
 * Two arms: the mean of the stable arm, m, is not known.  For each m one bets
 * against "the stable arm's mean is m" and against "the candidate's is at most
 * f(m)", with the same money: if m is true and the candidate no worse, that is
 * such a bet too.  The least of all m is not more than that of the true one.
 * Both bets use the Krichevsky-Trofimov mixture (a prior of Beta(1/2, 1/2)),
 * whose logarithm is convex in m: the least is found by golden section.
 */


#define NGX_LLMOPS_SEQ_STEPS    64         /* of the golden section */
#define NGX_LLMOPS_SEQ_GOLDEN   0.6180339887498949
#define NGX_LLMOPS_SEQ_TINY     1e-12


/* how much worse, as the difference of log odds */

static const double  ngx_llmops_seq_shifts[] = {
    0.1, 0.2, 0.3, 0.45, 0.65, 0.9, 1.2, 1.6, 2.1, 2.8, 3.8, 5.0
};

#define NGX_LLMOPS_SEQ_SHIFTS                                                 \
    (sizeof(ngx_llmops_seq_shifts) / sizeof(ngx_llmops_seq_shifts[0]))


typedef struct {
    const ngx_llmops_seq_t    *candidate;
    const ngx_llmops_seq_t    *stable;
    double                     factor;
    double                     margin;
    double                     mixed[2];   /* logs of both mixtures */
} ngx_llmops_seq_pair_t;


static double ngx_llmops_seq_bet(const ngx_llmops_seq_t *s, double p,
    double sign);
static double ngx_llmops_seq_xlogy(double x, double y);
static double ngx_llmops_seq_mixed(const ngx_llmops_seq_t *s);
static double ngx_llmops_seq_against(const ngx_llmops_seq_t *s, double mixed,
    double p);
static double ngx_llmops_seq_pair(ngx_llmops_seq_pair_t *pair, double m);


double
ngx_llmops_seq_above(const ngx_llmops_seq_t *s, double p)
{
    return ngx_llmops_seq_bet(s, p, 1);
}


/* sign -1: against "at least p" */

static double
ngx_llmops_seq_bet(const ngx_llmops_seq_t *s, double p, double sign)
{
    double      odds, q, one[NGX_LLMOPS_SEQ_SHIFTS], most, sum;
    ngx_uint_t  i;

    odds = log(p) - log1p(-p);
    most = -HUGE_VAL;

    for (i = 0; i < NGX_LLMOPS_SEQ_SHIFTS; i++) {
        q = 1 / (1 + exp(-(odds + sign * ngx_llmops_seq_shifts[i])));

        one[i] = s->k * (log(q) - log(p))
                 + (s->n - s->k) * (log1p(-q) - log1p(-p));

        most = fmax(most, one[i]);
    }

    sum = exp(one[0] - most);

    for (i = 1; i < NGX_LLMOPS_SEQ_SHIFTS; i++) {
        sum += exp(one[i] - most);
    }

    return most + log(sum / (double) NGX_LLMOPS_SEQ_SHIFTS);
}


static double
ngx_llmops_seq_xlogy(double x, double y)
{
    return (x > 0) ? x * log(fmax(y, NGX_LLMOPS_SEQ_TINY)) : 0;
}


/* log of the integral of q^k (1-q)^(n-k) over q, weighed by Beta(1/2, 1/2) */

static double
ngx_llmops_seq_mixed(const ngx_llmops_seq_t *s)
{
    return lgamma(s->k + 0.5) + lgamma(s->n - s->k + 0.5)
           - lgamma(s->n + 1) - log(M_PI);
}


static double
ngx_llmops_seq_against(const ngx_llmops_seq_t *s, double mixed, double p)
{
    return mixed - ngx_llmops_seq_xlogy(s->k, p)
           - ngx_llmops_seq_xlogy(s->n - s->k, 1 - p);
}


/* for a stable mean of m; the candidate's bet falls up to its own mean */

static double
ngx_llmops_seq_pair(ngx_llmops_seq_pair_t *pair, double m)
{
    double  f, mean;

    mean = pair->candidate->k / pair->candidate->n;
    f = fmin(pair->factor * m + pair->margin, mean);

    return ngx_llmops_seq_against(pair->candidate, pair->mixed[0], f)
           + ngx_llmops_seq_against(pair->stable, pair->mixed[1], m);
}


double
ngx_llmops_seq_beyond(const ngx_llmops_seq_t *candidate,
    const ngx_llmops_seq_t *stable, double factor, double margin)
{
    double                 a, b, low, high, at[2];
    ngx_uint_t             i;
    ngx_llmops_seq_pair_t  pair;

    if (candidate->n <= 0 || stable->n <= 0) {
        return 0;
    }

    pair.candidate = candidate;
    pair.stable = stable;
    pair.factor = factor;
    pair.margin = margin;
    pair.mixed[0] = ngx_llmops_seq_mixed(candidate);
    pair.mixed[1] = ngx_llmops_seq_mixed(stable);

    /*
     * Below the stable arm's own mean both bets fall; above the one at which
     * the candidate's bound is its own mean only the stable one's changes, and
     * rises.
     */

    low = stable->k / stable->n;
    high = (candidate->k / candidate->n - margin) / factor;

    if (high <= low) {
        return ngx_llmops_seq_pair(&pair, low);
    }

    a = high - (high - low) * NGX_LLMOPS_SEQ_GOLDEN;
    b = low + (high - low) * NGX_LLMOPS_SEQ_GOLDEN;
    at[0] = ngx_llmops_seq_pair(&pair, a);
    at[1] = ngx_llmops_seq_pair(&pair, b);

    for (i = 0; i < NGX_LLMOPS_SEQ_STEPS; i++) {

        if (at[0] < at[1]) {
            high = b;
            b = a;
            at[1] = at[0];
            a = high - (high - low) * NGX_LLMOPS_SEQ_GOLDEN;
            at[0] = ngx_llmops_seq_pair(&pair, a);

        } else {
            low = a;
            a = b;
            at[0] = at[1];
            b = low + (high - low) * NGX_LLMOPS_SEQ_GOLDEN;
            at[1] = ngx_llmops_seq_pair(&pair, b);
        }
    }

    return fmin(at[0], at[1]);
}


/*
 * The stable arm's quantile lies in some bin j, at most at its upper end.  Then
 * no more than 1 - q of its values are above bin j, no fewer above bin j - 1,
 * and of the candidate's no more than 1 - q above bin j + shift.  The money is
 * bet against all of it, for each j, and the least of all counts.
 */

double
ngx_llmops_seq_slower(const uint64_t *candidate, const uint64_t *stable,
    double q, double factor)
{
    double            least, bet, one, other, n[2];
    ngx_int_t         j, shift, c;
    uint64_t          above[2][NGX_LLMOPS_SEQ_BINS + 1];
    ngx_llmops_seq_t  s, t, u;

    above[0][NGX_LLMOPS_SEQ_BINS] = 0;
    above[1][NGX_LLMOPS_SEQ_BINS] = 0;

    for (j = NGX_LLMOPS_SEQ_BINS - 1; j >= 0; j--) {
        above[0][j] = above[0][j + 1] + candidate[j];
        above[1][j] = above[1][j + 1] + stable[j];
    }

    n[0] = (double) above[0][0];
    n[1] = (double) above[1][0];

    if (n[0] <= 0 || n[1] <= 0) {
        return 0;
    }

    shift = (ngx_int_t) ceil(log2(factor) * NGX_LLMOPS_SEQ_OCTAVE - 1e-9);
    least = HUGE_VAL;

    for (j = 0; j < NGX_LLMOPS_SEQ_BINS; j++) {

        /* above[][j + 1]: what is above bin j */

        c = ngx_min(ngx_max(j + shift + 1, 0), NGX_LLMOPS_SEQ_BINS);

        s.n = n[0];
        s.k = (double) above[0][c];
        t.n = n[1];
        t.k = (double) above[1][j + 1];
        u.n = n[1];
        u.k = (double) above[1][j];

        one = ngx_llmops_seq_bet(&t, 1 - q, 1);
        other = ngx_llmops_seq_bet(&u, 1 - q, -1);

        bet = ngx_llmops_seq_bet(&s, 1 - q, 1)
              + fmax(one, other) + log1p(exp(-fabs(one - other))) - log(2);

        least = fmin(least, bet);
    }

    return least;
}


ngx_uint_t
ngx_llmops_seq_bin(double value)
{
    double  bin;

    if (!(value > 1)) {
        return 0;
    }

    bin = log2(value) * NGX_LLMOPS_SEQ_OCTAVE;

    return (bin < NGX_LLMOPS_SEQ_BINS - 1) ? (ngx_uint_t) bin
                                           : NGX_LLMOPS_SEQ_BINS - 1;
}


double
ngx_llmops_seq_needed(double alpha, ngx_uint_t tests)
{
    return log((double) tests / alpha);
}
