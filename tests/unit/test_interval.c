
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_interval.h"
#include "ngx_llmops_summary.h"

#include <math.h>


/* Intervals, against figures of the literature and of other programs; and what
   a summary makes of cases. */


#define near(a, b, digits)                                                    \
    do {                                                                      \
        if (!(fabs((a) - (b)) < 0.5001 * pow(10, -(digits)))) {               \
            fail_msg("%.10g is not %.10g", (double) (a), (double) (b));       \
        }                                                                     \
    } while (0)


/* Newcombe 1998, Statistics in Medicine 17, 857-872, table I, method 3 */

static void
test_wilson(void **state)
{
    ngx_uint_t             i;
    ngx_llmops_interval_t  in;

    static const struct {
        double  k, n, lo, hi;
    } cases[] = {
        { 81, 263, 0.2553, 0.3662 },
        { 15, 148, 0.0624, 0.1605 },
        { 0, 20, 0, 0.1611 },
        { 1, 29, 0.0061, 0.1718 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        in = ngx_llmops_wilson(cases[i].k, cases[i].n, 0.95);

        near(in.lo, cases[i].lo, 4);
        near(in.hi, cases[i].hi, 4);

        /* what holds for failures holds for successes */

        in = ngx_llmops_wilson(cases[i].n - cases[i].k, cases[i].n, 0.95);

        near(1 - in.hi, cases[i].lo, 4);
        near(1 - in.lo, cases[i].hi, 4);
    }

    in = ngx_llmops_wilson(0, 0, 0.95);
    assert_true(in.lo == 0 && in.hi == 1);

    in = ngx_llmops_wilson(7, 7, 0.95);
    assert_true(in.lo > 0.5 && in.hi == 1);
}


/* of R and SciPy: qnorm, qt, binom.test */

static void
test_quantiles(void **state)
{
    ngx_uint_t  i;

    static const struct {
        double  df, q975, q9995;
    } student[] = {
        { 1, 12.7062047362, 636.6192487688 },
        { 2, 4.3026527297, 31.5990545764 },
        { 3, 3.1824463053, 12.9239786367 },
        { 5, 2.5705818356, 6.8688266259 },
        { 9, 2.2621571628, 4.7809125859 },
        { 29, 2.0452296421, 3.6594050195 },
        { 99, 1.9842169516, 3.3915288334 },
        { 999, 1.9623414611, 3.3002924404 },
        { 1e5, 1.9599877075, 3.2906240314 },
    };

    for (i = 0; i < sizeof(student) / sizeof(student[0]); i++) {
        near(ngx_llmops_student_quantile(0.975, student[i].df),
             student[i].q975, 8);
        near(ngx_llmops_student_quantile(0.9995, student[i].df),
             student[i].q9995, 6);
        near(ngx_llmops_student_quantile(0.025, student[i].df),
             -student[i].q975, 8);
    }

    near(ngx_llmops_normal_quantile(0.975), 1.959963984540, 10);
    near(ngx_llmops_normal_quantile(0.0001), -3.719016485456, 10);
    assert_true(ngx_llmops_normal_quantile(0.5) == 0);

    near(ngx_llmops_sign_test(9, 10), 0.021484375, 10);
    near(ngx_llmops_sign_test(1, 10), 0.021484375, 10);
    near(ngx_llmops_sign_test(60, 100), 0.05688793364, 10);
    near(ngx_llmops_sign_test(6, 22), 0.05247879028, 10);
    near(ngx_llmops_sign_test(50500, 100000), 0.001582359879, 10);
    assert_true(ngx_llmops_sign_test(5, 10) == 1);
    assert_true(ngx_llmops_sign_test(0, 0) == 1);
}


static ngx_llmops_pairs_t
pairs_of(int both, int only_a, int only_b, int none)
{
    ngx_llmops_pairs_t  p;

    memset(&p, 0, sizeof(p));

    ngx_llmops_pairs_add(&p, 1, 1, both);
    ngx_llmops_pairs_add(&p, 1, 0, only_a);
    ngx_llmops_pairs_add(&p, 0, 1, only_b);
    ngx_llmops_pairs_add(&p, 0, 0, none);

    return p;
}


/*
 * Newcombe 1998, Statistics in Medicine 17, 2635-2650, method 10: a row of its
 * table II; Altman et al. 2000, "Statistics with confidence", table 6.2;
 * Fagerland, Lydersen, Laake 2017, "Statistical analysis of contingency
 * tables", chapter 8 (Cavo et al. 2012).
 */

static void
test_pairs(void **state)
{
    ngx_uint_t             i;
    ngx_llmops_pairs_t     p;
    ngx_llmops_interval_t  in;

    static const struct {
        int     table[4];
        double  value, lo, hi;
    } cases[] = {
        { { 36, 12, 2, 0 }, 0.2, 0.0569, 0.3404 },
        { { 14, 5, 0, 22 }, 0.122, 0.0115, 0.2265 },
        { { 59, 6, 16, 80 }, -0.0621, -0.1186, -0.0046 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        p = pairs_of(cases[i].table[0], cases[i].table[1], cases[i].table[2],
                     cases[i].table[3]);
        in = ngx_llmops_pairs_interval(&p, 0.95);

        near((p.a.sum - p.b.sum) / p.a.n, cases[i].value, 4);
        near(in.lo, cases[i].lo, 4);
        near(in.hi, cases[i].hi, 4);

        /* the other way round */

        p = pairs_of(cases[i].table[0], cases[i].table[2], cases[i].table[1],
                     cases[i].table[3]);
        in = ngx_llmops_pairs_interval(&p, 0.95);

        near(-in.hi, cases[i].lo, 4);
        near(-in.lo, cases[i].hi, 4);
    }

    /* no difference in ten cases is no proof that there is none */

    p = pairs_of(10, 0, 0, 0);
    in = ngx_llmops_pairs_interval(&p, 0.95);
    assert_true(in.lo < -0.2 && in.hi > 0.2);

    p = pairs_of(0, 0, 0, 0);
    in = ngx_llmops_pairs_interval(&p, 0.95);
    assert_true(in.lo == -1 && in.hi == 1);
}


/* Student's own: the hours of sleep of ten patients with two drugs (1908), here
   by ten, so that they lie between 0 and 1: R's t.test(paired) of "sleep" has
   a mean of -1.58 and an interval of -2.4598858 to -0.7001142 */

static void
test_graded(void **state)
{
    ngx_uint_t             i;
    ngx_llmops_mean_t      m;
    ngx_llmops_pairs_t     p;
    ngx_llmops_interval_t  in;

    static const double  one[] = { 0.7, -1.6, -0.2, -1.2, -0.1,
                                   3.4, 3.7, 0.8, 0.0, 2.0 };
    static const double  two[] = { 1.9, 0.8, 1.1, 0.1, -0.1,
                                   4.4, 5.5, 1.6, 4.6, 3.4 };

    memset(&p, 0, sizeof(p));
    memset(&m, 0, sizeof(m));

    for (i = 0; i < 10; i++) {
        ngx_llmops_pairs_add(&p, (one[i] + 2) / 10, (two[i] + 2) / 10, 1);
        ngx_llmops_mean_add(&m, (one[i] + 2) / 10, 1);
    }

    in = ngx_llmops_pairs_interval(&p, 0.95);

    near((p.a.sum - p.b.sum) / 10, -0.158, 8);
    near(in.lo, -0.24598858, 7);
    near(in.hi, -0.07001142, 7);

    /* t.test of the first drug alone: -0.5297804 to 2.0297804 */

    in = ngx_llmops_mean_interval(&m, 0.95);

    near(in.lo, (-0.5297804 + 2) / 10, 7);
    near(in.hi, (2.0297804 + 2) / 10, 7);

    /* taken back, nothing is left */

    for (i = 0; i < 10; i++) {
        ngx_llmops_pairs_add(&p, (one[i] + 2) / 10, (two[i] + 2) / 10, -1);
    }

    near(p.squares, 0, 12);
    assert_true(p.a.n == 0 && p.a_better == 0 && p.b_better == 0);

    /* equal scores have no variance, and still an interval */

    memset(&m, 0, sizeof(m));

    for (i = 0; i < 20; i++) {
        ngx_llmops_mean_add(&m, 0.8, 1);
    }

    in = ngx_llmops_mean_interval(&m, 0.95);
    assert_true(in.lo < 0.65 && in.hi > 0.85);
}


/* How often the intervals have the true value in them: they are approximate,
   so near 95 per cent, not above it. */

static double
uniform(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005ULL + 1442695040888963407ULL;

    return (double) (*seed >> 11) / (double) (1ULL << 53);
}


static void
test_coverage(void **state)
{
    int                    run, i, share, graded, a, b, hard;
    double                 x, y;
    uint64_t               seed;
    ngx_llmops_pairs_t     p, g;
    ngx_llmops_interval_t  in;

    seed = 7;
    share = 0;
    graded = 0;

    for (run = 0; run < 4000; run++) {
        memset(&p, 0, sizeof(p));
        memset(&g, 0, sizeof(g));

        for (i = 0; i < 60; i++) {

            /* of three cases one is hard for both; true means: 0.7, 0.6 */

            hard = uniform(&seed) < 1.0 / 3;
            a = uniform(&seed) < (hard ? 0.4 : 0.85);
            b = uniform(&seed) < (hard ? 0.2 : 0.8);
            ngx_llmops_pairs_add(&p, a, b, 1);

            x = uniform(&seed) / 2 + 0.4;
            y = x - uniform(&seed) / 5;
            ngx_llmops_pairs_add(&g, x, y, 1);
        }

        in = ngx_llmops_pairs_interval(&p, 0.95);
        share += (in.lo <= 0.1 && 0.1 <= in.hi);

        in = ngx_llmops_pairs_interval(&g, 0.95);
        graded += (in.lo <= 0.1 && 0.1 <= in.hi);
    }

    print_message("of 4000 intervals %d (shares) and %d (scores) have it\n",
                  share, graded);

    /* 0.95 less four standard errors and what an approximation may lack */

    assert_in_range(share, 3740, 3920);
    assert_in_range(graded, 3740, 3860);
}


static ngx_llmops_summary_t *
summary(ngx_uint_t n, ngx_int_t baseline, double min_score)
{
    ngx_llmops_summary_ask_t        ask;
    ngx_llmops_summary_candidate_t  c[3];

    memset(&ask, 0, sizeof(ask));
    memset(c, 0, sizeof(c));

    ask.min_score = min_score;
    ask.margin = -1;
    ask.max_errors = -1;

    c[0].name = *unit_str("new");
    c[0].target = *unit_str("mock/b");
    c[1].name = *unit_str("old");
    c[2].name = *unit_str("third");

    return ngx_llmops_summary_create(c, n, baseline, &ask);
}


static void
outcome(ngx_llmops_summary_outcome_t *row, double score)
{
    row->state = score < 0 ? NGX_LLMOPS_SUMMARY_ERROR
                           : NGX_LLMOPS_SUMMARY_SCORED;
    row->score = score < 0 ? 0 : score;
    row->passed = (score == 1);
    row->cost = 0.001;
    row->latency = 100;
}


static void
cases(ngx_llmops_summary_t *s, const char *slice, ngx_uint_t n, double one,
    double two)
{
    ngx_llmops_summary_outcome_t  row[2];

    outcome(&row[0], one);
    outcome(&row[1], two);

    while (n--) {
        assert_int_equal(ngx_llmops_summary_add(s, unit_str(slice), row),
                         NGX_OK);
    }
}


static double
number(json_t *json, const char *path)
{
    char   name[64];
    const char  *p;

    while (*path && json) {
        p = strchr(path, '.');
        p = p ? p : path + strlen(path);
        snprintf(name, sizeof(name), "%.*s", (int) (p - path), path);

        json = name[0] >= '0' && name[0] <= '9'
               ? json_array_get(json, atoi(name))
               : json_object_get(json, name);

        path = *p ? p + 1 : p;
    }

    assert_true(json_is_number(json));

    return json_number_value(json);
}


/* the Cavo table again, as an evaluation */

static void
test_summary(void **state)
{
    char                   why[256];
    json_t                *json;
    ngx_llmops_summary_t  *s;

    s = summary(2, 1, 0);
    assert_non_null(s);

    cases(s, "a", 59, 1, 1);
    cases(s, "b", 6, 1, 0);
    cases(s, "b", 16, 0, 1);
    cases(s, "", 80, 0, 0);

    json = ngx_llmops_summary_json(s, 1);
    assert_non_null(json);

    near(number(json, "candidates.0.score"), 65 / 161.0, 6);
    near(number(json, "candidates.1.score"), 75 / 161.0, 6);
    near(number(json, "difference.value"), -0.0621, 4);
    near(number(json, "difference.interval.0"), -0.1186, 4);
    near(number(json, "difference.interval.1"), -0.0046, 4);
    near(number(json, "difference.p"), 0.052479, 6);
    near(number(json, "difference.better"), 6, 1);
    near(number(json, "difference.worse"), 16, 1);
    near(number(json, "candidates.0.passed"), 65, 1);
    near(number(json, "candidates.0.failed"), 96, 1);
    near(number(json, "candidates.0.cost"), 0.161, 6);
    assert_in_range(number(json, "candidates.0.latency_p95"), 98, 102);
    near(number(json, "slices.0.candidates.0.score"), 1, 6);
    near(number(json, "slices.1.candidates.1.score"), 16 / 22.0, 6);
    assert_int_equal(json_array_size(json_object_get(json, "slices")), 2);
    assert_string_equal(json_string_value(json_object_get(json, "baseline")),
                        "old");

    /* neither worse than 5 points nor not */

    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_UNDECIDED);
    assert_string_equal(why, "new: -0.062 [-0.119, -0.005] against the "
                        "baseline over 161 cases, -0.050 is allowed");
    assert_int_equal(ngx_llmops_summary_verdict(s, 0, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_UNDECIDED);

    json_decref(json);
    ngx_llmops_summary_free(s);
}


/* 500 cases of two models of which one is better by 10 points */

static void
test_verdict_baseline(void **state)
{
    char                   why[256];
    ngx_llmops_summary_outcome_t   row[2];
    ngx_llmops_summary_t  *s;

    s = summary(2, 1, 0);
    cases(s, "", 400, 1, 1);
    cases(s, "", 60, 1, 0);
    cases(s, "", 10, 0, 1);
    cases(s, "", 30, 0, 0);

    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_PASS);
    ngx_llmops_summary_free(s);

    s = summary(2, 1, 0);
    cases(s, "", 400, 1, 1);
    cases(s, "", 10, 1, 0);
    cases(s, "", 60, 0, 1);
    cases(s, "", 30, 0, 0);

    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_FAIL);

    /* 27 of 527 are more than five per cent */

    outcome(&row[0], -1);
    outcome(&row[1], 1);

    while (ngx_llmops_summary_cases(s) < 527) {
        (void) ngx_llmops_summary_add(s, unit_str(""), row);
    }

    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_UNDECIDED);
    assert_string_equal(why, "new: 27 of 527 cases without a score, more than "
                        "5%");

    /* nor is there one while people are still to judge as many */

    while (ngx_llmops_summary_cases(s) > 500) {
        ngx_llmops_summary_remove(s, unit_str(""), row);
    }

    row[0].state = NGX_LLMOPS_SUMMARY_MISSING;

    while (ngx_llmops_summary_cases(s) < 526) {
        (void) ngx_llmops_summary_add(s, unit_str(""), row);
    }

    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_FAIL);

    (void) ngx_llmops_summary_add(s, unit_str(""), row);

    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_UNDECIDED);
    assert_string_equal(why, "new: 27 of 527 cases without a score, more than "
                        "5%: people are to judge answers");

    /* a person has told what they are worth */

    while (ngx_llmops_summary_cases(s) > 500) {
        ngx_llmops_summary_remove(s, unit_str(""), row);
    }

    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_FAIL);
    near(ngx_llmops_summary_score(s, 0), 0.82, 9);

    ngx_llmops_summary_free(s);
}


static void
test_verdict_score(void **state)
{
    char                       why[256];
    ngx_llmops_summary_t      *s;
    ngx_llmops_summary_ask_t   ask = { 0.95, 0.9, 0.05, 0.05, 1 };
    ngx_llmops_summary_candidate_t  c;

    s = summary(1, -1, 0.9);
    cases(s, "", 18, 1, 1);
    cases(s, "", 2, 0, 1);
    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_PASS);
    cases(s, "", 1, 0, 1);
    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_FAIL);
    ngx_llmops_summary_free(s);

    /* nothing is asked for: all have to pass */

    s = summary(1, -1, 0);
    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_UNDECIDED);
    cases(s, "", 18, 1, 1);
    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_PASS);
    cases(s, "", 1, 0.5, 1);
    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_FAIL);
    assert_string_equal(why, "new: 1 of 19 cases have failed");
    ngx_llmops_summary_free(s);

    /* strict: the interval decides */

    memset(&c, 0, sizeof(c));
    c.name = *unit_str("new");

    s = ngx_llmops_summary_create(&c, 1, -1, &ask);
    cases(s, "", 30, 1, 1);
    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_UNDECIDED);
    cases(s, "", 10, 1, 1);
    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_PASS);
    cases(s, "", 30, 0, 1);
    assert_int_equal(ngx_llmops_summary_verdict(s, 1, why, sizeof(why)),
                     NGX_LLMOPS_VERDICT_FAIL);
    ngx_llmops_summary_free(s);
}


/* any number of slices, in bounded memory */

static void
test_slices(void **state)
{
    char                   name[100];
    json_t                *json, *slices, *last;
    ngx_uint_t             i;
    ngx_llmops_summary_t  *s;

    s = summary(2, -1, 0);

    for (i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "slice %d", (int) i % 200);
        cases(s, name, 1, 1, 0);
    }

    json = ngx_llmops_summary_json(s, 0);
    slices = json_object_get(json, "slices");
    assert_int_equal(json_array_size(slices), NGX_LLMOPS_SUMMARY_SLICES + 1);

    last = json_array_get(slices, NGX_LLMOPS_SUMMARY_SLICES);
    assert_string_equal(json_string_value(json_object_get(last, "name")),
                        "(other)");
    near(number(last, "cases"), 1000 - 5 * NGX_LLMOPS_SUMMARY_SLICES, 1);
    near(number(json, "slices.0.cases"), 5, 1);

    json_decref(json);

    /* a name that is cut in the middle of a character */

    ngx_llmops_summary_free(s);
    s = summary(2, -1, 0);

    memset(name, 'x', sizeof(name));
    memcpy(name + NGX_LLMOPS_SUMMARY_NAME - 1, "\xc3\xa4", 3);
    cases(s, name, 1, 1, 0);

    json = ngx_llmops_summary_json(s, 0);
    slices = json_object_get(json, "slices");
    assert_int_equal(json_string_length(json_object_get(
                         json_array_get(slices, 0), "name")),
                     NGX_LLMOPS_SUMMARY_NAME - 1);

    json_decref(json);
    ngx_llmops_summary_free(s);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_wilson),
        cmocka_unit_test(test_quantiles),
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_graded),
        cmocka_unit_test(test_coverage),
        cmocka_unit_test(test_summary),
        cmocka_unit_test(test_verdict_baseline),
        cmocka_unit_test(test_verdict_score),
        cmocka_unit_test(test_slices),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
