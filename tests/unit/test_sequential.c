
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_sequential.h"

#include <math.h>


/*
 * The claims, simulated: with fixed seeds, so that a run is as good as the
 * next.  A false alarm is one at any of the looks of a run: after each bad
 * observation, when evidence can rise.  Of 10,000 runs with a chance of 5 per
 * cent each, 500 are expected at the most, and 566 are three standard
 * deviations more.
 */


#define RUNS    10000
#define ALPHA   0.05
#define ALARMS  566


static uint64_t  seed;


static double
uniform(void)
{
    uint64_t  z;

    seed += 0x9e3779b97f4a7c15ULL;

    z = seed;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

    return (double) ((z ^ (z >> 31)) >> 11) / (double) (1ULL << 53);
}


/* how many observations until the alarm; 0: none in max */

static ngx_uint_t
bound_run(double p, double bound, ngx_uint_t max)
{
    double            needed;
    ngx_uint_t        i;
    ngx_llmops_seq_t  s = { 0, 0 };

    needed = ngx_llmops_seq_needed(ALPHA, 1);

    for (i = 1; i <= max; i++) {
        s.n++;

        if (uniform() < p) {
            s.k++;

            if (ngx_llmops_seq_above(&s, bound) >= needed) {
                return i;
            }
        }
    }

    return 0;
}


/* of the candidate, which gets a share of all */

static ngx_uint_t
pair_run(double p, double stable, double share, double factor, double margin,
    ngx_uint_t max)
{
    double            needed;
    ngx_uint_t        i;
    ngx_llmops_seq_t  c = { 0, 0 }, s = { 0, 0 };

    needed = ngx_llmops_seq_needed(ALPHA, 1);

    for (i = 0; i < max; /* void */ ) {

        if (uniform() >= share) {
            s.n++;
            s.k += (uniform() < stable);
            continue;
        }

        i++;
        c.n++;

        if (uniform() < p) {
            c.k++;

            if (ngx_llmops_seq_beyond(&c, &s, factor, margin) >= needed) {
                return i;
            }
        }
    }

    return 0;
}


static ngx_uint_t
alarms_of_bound(double p, double bound, ngx_uint_t max)
{
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < RUNS; i++) {
        n += (bound_run(p, bound, max) != 0);
    }

    print_message("bound %.3f, true %.3f: %lu false alarms in %d runs of "
                  "%lu\n", bound, p, (unsigned long) n, RUNS,
                  (unsigned long) max);
    return n;
}


static ngx_uint_t
alarms_of_pair(double p, double stable, double factor, double margin,
    ngx_uint_t max)
{
    ngx_uint_t  i, n;

    for (n = 0, i = 0; i < RUNS; i++) {
        n += (pair_run(p, stable, 0.25, factor, margin, max) != 0);
    }

    print_message("candidate %.3f, stable %.3f, %.2f x + %.3f: %lu false "
                  "alarms in %d runs of %lu\n", p, stable, factor, margin,
                  (unsigned long) n, RUNS, (unsigned long) max);
    return n;
}


static void
test_false_alarms_of_bounds(void **state)
{
    (void) state;

    seed = 1;

    assert_in_range(alarms_of_bound(0.02, 0.02, 2000), 1, ALARMS);
    assert_in_range(alarms_of_bound(0.05, 0.05, 1000), 1, ALARMS);
    assert_in_range(alarms_of_bound(0.5, 0.5, 300), 1, ALARMS);
    assert_in_range(alarms_of_bound(0.01, 0.02, 2000), 0, 100);
}


static void
test_false_alarms_of_pairs(void **state)
{
    (void) state;

    seed = 2;

    assert_in_range(alarms_of_pair(0.03, 0.02, 1, 0.01, 500), 0, ALARMS);
    assert_in_range(alarms_of_pair(0.1, 0.1, 1, 0, 300), 0, ALARMS);
    assert_in_range(alarms_of_pair(0.15, 0.1, 1.5, 0, 200), 0, ALARMS);
}


/* scores: not 0 or 1, but all between */

static void
test_false_alarms_of_means(void **state)
{
    double            needed;
    ngx_uint_t        i, k, n;
    ngx_llmops_seq_t  s;

    (void) state;

    seed = 3;
    needed = ngx_llmops_seq_needed(ALPHA, 1);

    for (n = 0, i = 0; i < RUNS; i++) {
        s.n = 0;
        s.k = 0;

        for (k = 0; k < 200; k++) {
            s.n++;
            s.k += (uniform() < 0.5) ? 0 : 0.8 * uniform();    /* mean 0.2 */

            if (ngx_llmops_seq_above(&s, 0.2) >= needed) {
                n++;
                break;
            }
        }
    }

    print_message("mean 0.2: %lu false alarms\n", (unsigned long) n);
    assert_in_range(n, 0, ALARMS);
}


static double
latency(double scale)
{
    return scale * exp(0.8 * sqrt(-2 * log(1 - uniform()))
                           * cos(2 * M_PI * uniform()));
}


/* observations of the candidate, 0: no alarm */

static ngx_uint_t
slower_run(double scale, double factor, ngx_uint_t max)
{
    double      needed;
    uint64_t    c[NGX_LLMOPS_SEQ_BINS], s[NGX_LLMOPS_SEQ_BINS];
    ngx_uint_t  i, k;

    memset(c, 0, sizeof(c));
    memset(s, 0, sizeof(s));

    needed = ngx_llmops_seq_needed(ALPHA, 1);

    for (i = 1; i <= max; i++) {
        c[ngx_llmops_seq_bin(latency(4000 * scale))]++;

        for (k = 0; k < 3; k++) {
            s[ngx_llmops_seq_bin(latency(4000))]++;
        }

        if (i % 25 == 0 && ngx_llmops_seq_slower(c, s, 0.95, factor) >= needed)
        {
            return i;
        }
    }

    return 0;
}


static void
test_quantiles_of_two_arms(void **state)
{
    ngx_uint_t  i, n, delay;

    (void) state;

    seed = 4;

    for (n = 0, i = 0; i < 1000; i++) {
        n += (slower_run(1.2, 1.2, 200) != 0);
    }

    print_message("p95 < 1.2x, true 1.2: %lu false alarms in 1000 runs\n",
                  (unsigned long) n);
    assert_in_range(n, 0, 71);                   /* 50 + 3 deviations */

    for (n = 0, delay = 0, i = 0; i < 50; i++) {
        n = slower_run(2, 1.2, 5000);
        assert_true(n != 0);
        delay += n;
    }

    print_message("p95 < 1.2x, true 2.0: found after %lu\n",
                  (unsigned long) delay / 50);
    assert_in_range(delay / 50, 1, 1000);
}


static int
compare(const void *one, const void *two)
{
    ngx_uint_t  a = *(const ngx_uint_t *) one;
    ngx_uint_t  b = *(const ngx_uint_t *) two;

    return (a > b) - (a < b);
}


/* median and 90th percentile of the delay; all runs must find the damage */

static void
delay(const char *what, double damage, ngx_uint_t pair, ngx_uint_t max)
{
    ngx_uint_t  i, n[200];

    for (i = 0; i < 200; i++) {
        n[i] = pair ? pair_run(0.02 + damage, 0.02, 0.25, 1, 0, max * 20)
                    : bound_run(0.02 + damage, 0.02, max * 20);
        assert_true(n[i] != 0);
    }

    qsort(n, 200, sizeof(ngx_uint_t), compare);

    print_message("%s, 2 %% became %.0f %%: found after %lu (median), %lu (9 "
                  "of 10)\n", what, (0.02 + damage) * 100,
                  (unsigned long) n[100], (unsigned long) n[180]);

    assert_in_range(n[100], 1, max);
}


static void
test_detection(void **state)
{
    (void) state;

    seed = 5;

    delay("bound", 0.01, 0, 3500);
    delay("bound", 0.02, 0, 1000);
    delay("bound", 0.05, 0, 220);
    delay("bound", 0.2, 0, 30);

    delay("stable", 0.01, 1, 10000);
    delay("stable", 0.02, 1, 2600);
    delay("stable", 0.05, 1, 500);
    delay("stable", 0.2, 1, 60);
}


/* all at once is as good as one by one, and arms add up */

static void
test_values(void **state)
{
    double            e;
    ngx_llmops_seq_t  s = { 0, 0 }, c = { 100, 30 }, t = { 1000, 20 };

    (void) state;

    assert_true(fabs(ngx_llmops_seq_above(&s, 0.02)) < 1e-9);
    assert_true(ngx_llmops_seq_beyond(&s, &t, 1, 0) == 0);
    assert_true(ngx_llmops_seq_beyond(&c, &s, 1, 0) == 0);

    /* one bad observation: what was bet on it, and no more */

    s.n = 1;
    s.k = 1;
    e = exp(ngx_llmops_seq_above(&s, 0.5));
    assert_true(e > 1 && e < 2);

    assert_true(ngx_llmops_seq_above(&c, 0.02) > 40);
    assert_true(ngx_llmops_seq_above(&t, 0.02) < 0);
    assert_true(ngx_llmops_seq_beyond(&c, &t, 1, 0) > 20);
    assert_true(ngx_llmops_seq_beyond(&c, &t, 1, 0.5) < 0);
    assert_true(ngx_llmops_seq_beyond(&c, &t, 20, 0) < 0);
    assert_true(ngx_llmops_seq_beyond(&t, &c, 1, 0) < 0);

    s.n = 50;
    s.k = 50;
    t.k = 0;
    assert_true(ngx_llmops_seq_beyond(&s, &t, 1, 0) > 100);
    assert_true(ngx_llmops_seq_beyond(&t, &t, 1, 0) < 0);

    assert_true(fabs(exp(ngx_llmops_seq_needed(0.05, 3)) - 60) < 1e-6);
}


static void
test_bins(void **state)
{
    (void) state;

    assert_int_equal(ngx_llmops_seq_bin(0), 0);
    assert_int_equal(ngx_llmops_seq_bin(-1), 0);
    assert_int_equal(ngx_llmops_seq_bin(1), 0);
    assert_int_equal(ngx_llmops_seq_bin(2), 8);
    assert_int_equal(ngx_llmops_seq_bin(3), 12);
    assert_int_equal(ngx_llmops_seq_bin(1e30), NGX_LLMOPS_SEQ_BINS - 1);
    assert_int_equal(ngx_llmops_seq_bin(HUGE_VAL), NGX_LLMOPS_SEQ_BINS - 1);
    assert_int_equal(ngx_llmops_seq_bin(NAN), 0);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_bins),
        cmocka_unit_test(test_false_alarms_of_bounds),
        cmocka_unit_test(test_false_alarms_of_pairs),
        cmocka_unit_test(test_false_alarms_of_means),
        cmocka_unit_test(test_quantiles_of_two_arms),
        cmocka_unit_test(test_detection)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
