
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_interval.h"

#include <float.h>
#include <math.h>


/*
 * What is used, and why:
 *
 * A share.  Wilson's interval (E. B. Wilson 1927, "Probable inference, the law
 * of succession, and statistical inference").  It is near its level from a few
 * cases on and at shares near 0 and 1, where those of golden datasets are, and
 * never leaves [0, 1] (L. D. Brown, T. T. Cai, A. DasGupta 2001, "Interval
 * estimation for a binomial proportion"; R. G. Newcombe 1998, Statistics in
 * Medicine 17, 857-872).
 *
 * A mean of graded scores.  Student's, since their variance is known from the
 * scores only; within [0, 1].  Where all scores are the same the variance says
 * nothing, and Wilson's formula is used with the mean for the share: no values
 * from 0 to 1 vary more than those that are only 0 or 1.
 *
 * The difference of two shares over the same cases.  Newcombe's "square and
 * add" with the correlation of the pairs, method 10 of R. G. Newcombe 1998,
 * "Improved confidence intervals for the difference between binomial
 * proportions based on paired data", Statistics in Medicine 17, 2635-2650.  The
 * cases are the same, so what is hard for one candidate is hard for the other:
 * that is taken into account, and the interval is narrower than that of two
 * samples.  Unlike Wald's it does not shrink to a point where the two agree in
 * all cases.
 *
 * The difference of graded scores.  Student's of the differences, case by case
 * (W. S. Gosset 1908); where they are all the same, square and add of the
 * intervals of the means without correlation, which is the wider (G. Y. Zou,
 * A. Donner 2008, Statistics in Medicine 27, 1693-1702).
 *
 * Whether pairs that differ fall on one side by chance: the sign test, which
 * for shares is McNemar's, exact.
 */


#define NGX_LLMOPS_INTERVAL_STEPS  200
#define NGX_LLMOPS_INTERVAL_TERMS  10000


static ngx_llmops_interval_t ngx_llmops_student(double mean, double variance,
    double n, double level);
static ngx_llmops_interval_t ngx_llmops_square_add(
    const ngx_llmops_pairs_t *p, double level, double phi);
static double ngx_llmops_pairs_phi(const ngx_llmops_pairs_t *p);
static double ngx_llmops_student_cdf(double t, double df);
static double ngx_llmops_beta(double a, double b, double x);
static double ngx_llmops_beta_fraction(double a, double b, double x);


void
ngx_llmops_mean_add(ngx_llmops_mean_t *m, double value, double n)
{
    m->n += n;
    m->sum += n * value;
    m->squares += n * value * value;

    if (value == 1) {
        m->ones += n;

    } else if (value == 0) {
        m->zeros += n;
    }
}


void
ngx_llmops_pairs_add(ngx_llmops_pairs_t *p, double a, double b, double n)
{
    ngx_llmops_mean_add(&p->a, a, n);
    ngx_llmops_mean_add(&p->b, b, n);

    p->squares += n * (a - b) * (a - b);

    if (a > b) {
        p->a_better += n;

    } else if (a < b) {
        p->b_better += n;
    }

    if (a == 1 && b == 0) {
        p->only_a += n;

    } else if (a == 0 && b == 1) {
        p->only_b += n;
    }
}


static ngx_llmops_interval_t
ngx_llmops_within(double lo, double hi, double least, double most)
{
    ngx_llmops_interval_t  i;

    i.lo = (lo > least) ? lo : least;
    i.hi = (hi < most) ? hi : most;

    return i;
}


ngx_llmops_interval_t
ngx_llmops_wilson(double k, double n, double level)
{
    double  z, centre, half, wide;

    if (n <= 0) {
        return ngx_llmops_within(0, 1, 0, 1);
    }

    z = ngx_llmops_normal_quantile((1 + level) / 2);

    wide = n + z * z;
    centre = k + z * z / 2;
    half = z * sqrt(k * (n - k) / n + z * z / 4);

    /* at its ends it is 0 and 1, but for the rounding */

    return ngx_llmops_within(k <= 0 ? 0 : (centre - half) / wide,
                             k >= n ? 1 : (centre + half) / wide, 0, 1);
}


ngx_llmops_interval_t
ngx_llmops_mean_interval(const ngx_llmops_mean_t *m, double level)
{
    double                 mean, variance;
    ngx_llmops_interval_t  i;

    if (m->n < 2 || m->ones + m->zeros >= m->n) {
        return ngx_llmops_wilson(m->sum, m->n, level);
    }

    mean = m->sum / m->n;
    variance = (m->squares - m->n * mean * mean) / (m->n - 1);

    /* the sums lose some digits */

    if (variance < 1e-12) {
        return ngx_llmops_wilson(m->sum, m->n, level);
    }

    i = ngx_llmops_student(mean, variance, m->n, level);

    return ngx_llmops_within(i.lo, i.hi, 0, 1);
}


ngx_llmops_interval_t
ngx_llmops_pairs_interval(const ngx_llmops_pairs_t *p, double level)
{
    double                 n, mean, variance;
    ngx_llmops_interval_t  i;

    n = p->a.n;

    if (n <= 0) {
        return ngx_llmops_within(-1, 1, -1, 1);
    }

    if (p->a.ones + p->a.zeros >= n && p->b.ones + p->b.zeros >= n) {
        i = ngx_llmops_square_add(p, level, ngx_llmops_pairs_phi(p));
        return ngx_llmops_within(i.lo, i.hi, -1, 1);
    }

    mean = (p->a.sum - p->b.sum) / n;
    variance = (n < 2) ? 0 : (p->squares - n * mean * mean) / (n - 1);

    i = (variance < 1e-12) ? ngx_llmops_square_add(p, level, 0)
                           : ngx_llmops_student(mean, variance, n, level);

    return ngx_llmops_within(i.lo, i.hi, -1, 1);
}


static ngx_llmops_interval_t
ngx_llmops_student(double mean, double variance, double n, double level)
{
    double                 half;
    ngx_llmops_interval_t  i;

    half = ngx_llmops_student_quantile((1 + level) / 2, n - 1)
           * sqrt(variance / n);

    i.lo = mean - half;
    i.hi = mean + half;

    return i;
}


static ngx_llmops_interval_t
ngx_llmops_square_add(const ngx_llmops_pairs_t *p, double level, double phi)
{
    double                 n, a, b, below, above;
    ngx_llmops_interval_t  one, two, i;

    n = p->a.n;
    a = p->a.sum / n;
    b = p->b.sum / n;

    one = ngx_llmops_wilson(p->a.sum, n, level);
    two = ngx_llmops_wilson(p->b.sum, n, level);

    below = (a - one.lo) * (a - one.lo) + (two.hi - b) * (two.hi - b)
            - 2 * phi * (a - one.lo) * (two.hi - b);
    above = (b - two.lo) * (b - two.lo) + (one.hi - a) * (one.hi - a)
            - 2 * phi * (b - two.lo) * (one.hi - a);

    i.lo = a - b - sqrt(below > 0 ? below : 0);
    i.hi = a - b + sqrt(above > 0 ? above : 0);

    return i;
}


/* the correlation of pairs of 0 and 1, with Newcombe's correction */

static double
ngx_llmops_pairs_phi(const ngx_llmops_pairs_t *p)
{
    double  n, both, none, product, excess;

    n = p->a.n;
    both = p->a.ones - p->only_a;
    none = n - both - p->only_a - p->only_b;

    product = p->a.ones * (n - p->a.ones) * p->b.ones * (n - p->b.ones);

    if (product <= 0) {
        return 0;
    }

    excess = both * none - p->only_a * p->only_b;

    if (excess > 0) {
        excess = (excess > n / 2) ? excess - n / 2 : 0;
    }

    return excess / sqrt(product);
}


double
ngx_llmops_sign_test(double k, double n)
{
    double  more, tail;

    if (n <= 0) {
        return 1;
    }

    more = (k > n - k) ? k : n - k;

    /* the chance of at least that many heads, as an incomplete beta */

    tail = 2 * ngx_llmops_beta(more, n - more + 1, 0.5);

    return tail < 1 ? tail : 1;
}


/*
 * Newton's way from the middle: the distribution bends so that no step goes too
 * far, and ten or so suffice.
 */

double
ngx_llmops_normal_quantile(double p)
{
    double      x, step;
    ngx_uint_t  i;

    if (p < 0.5) {
        return -ngx_llmops_normal_quantile(1 - p);
    }

    x = 0;

    for (i = 0; i < NGX_LLMOPS_INTERVAL_STEPS; i++) {
        step = (1 - p - erfc(x / M_SQRT2) / 2)
               / (exp(-x * x / 2) / sqrt(2 * M_PI));

        x -= step;

        if (!(fabs(step) > 1e-13)) {
            break;
        }
    }

    return x;
}


/* Newton's way again, from the normal quantile and the first terms of its
   expansion (Abramowitz and Stegun, 26.7.5) */

double
ngx_llmops_student_quantile(double p, double df)
{
    double      z, z2, t, step, density;
    ngx_uint_t  i;

    if (p < 0.5) {
        return -ngx_llmops_student_quantile(1 - p, df);
    }

    if (df < 1.5) {
        return tan(M_PI * (p - 0.5));
    }

    z = ngx_llmops_normal_quantile(p);
    z2 = z * z;

    t = z + z * (z2 + 1) / (4 * df)
        + z * ((5 * z2 + 16) * z2 + 3) / (96 * df * df);

    density = exp(lgamma((df + 1) / 2) - lgamma(df / 2)) / sqrt(df * M_PI);

    for (i = 0; i < NGX_LLMOPS_INTERVAL_STEPS; i++) {
        step = (ngx_llmops_student_cdf(t, df) - p)
               / (density * pow(1 + t * t / df, -(df + 1) / 2));

        /* the distribution is flat far out: a step from there leads too far */

        t = (step < t) ? t - step : t / 2;

        if (fabs(step) < 1e-10 * (1 + t)) {
            break;
        }
    }

    return t;
}


static double
ngx_llmops_student_cdf(double t, double df)
{
    return 1 - ngx_llmops_beta(df / 2, 0.5, df / (df + t * t)) / 2;
}


/* the regularized incomplete beta function, I_x(a, b) */

static double
ngx_llmops_beta(double a, double b, double x)
{
    double  front;

    if (x <= 0 || x >= 1) {
        return x <= 0 ? 0 : 1;
    }

    front = exp(lgamma(a + b) - lgamma(a) - lgamma(b)
                + a * log(x) + b * log1p(-x));

    /* the fraction converges fast on this side only */

    if (x > (a + 1) / (a + b + 2)) {
        return 1 - front * ngx_llmops_beta_fraction(b, a, 1 - x) / b;
    }

    return front * ngx_llmops_beta_fraction(a, b, x) / a;
}


/* its continued fraction (Abramowitz and Stegun, 26.5.8), by Lentz's method */

static double
ngx_llmops_beta_fraction(double a, double b, double x)
{
    double      c, d, f, m, term;
    ngx_uint_t  i;

    f = 1;
    c = 1;
    d = 0;

    /* some square root of a + b suffices */

    for (i = 1; i < NGX_LLMOPS_INTERVAL_TERMS; i++) {
        m = (double) (i / 2);

        if (i & 1) {
            term = -(a + m) * (a + b + m) * x
                   / ((a + 2 * m) * (a + 2 * m + 1));

        } else {
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
        }

        d = 1 + term * d;
        d = 1 / (fabs(d) < DBL_MIN ? DBL_MIN : d);

        c = 1 + term / c;
        c = (fabs(c) < DBL_MIN) ? DBL_MIN : c;

        f *= c * d;

        if (fabs(c * d - 1) < 1e-15) {
            break;
        }
    }

    return 1 / f;
}
