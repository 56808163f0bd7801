
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_summary.h"
#include "ngx_llmops_summary_sums.h"


/*
 * What an evaluation comes to.  There is no verdict where too many cases have
 * no score, or have none yet since a person is to give it: those that are left
 * may be the easy ones; nor where there are too few of them to tell.
 */


static ngx_llmops_verdict_e ngx_llmops_summary_against(
    ngx_llmops_summary_t *s, ngx_llmops_sums_t *sums, char *why, size_t size);


const char  *ngx_llmops_verdict_names[] = { "undecided", "pass", "fail" };


ngx_llmops_verdict_e
ngx_llmops_summary_verdict(ngx_llmops_summary_t *s, ngx_uint_t ended,
    char *why, size_t size)
{
    char                   line[NGX_LLMOPS_SUMMARY_WHY];
    ngx_uint_t             i, first;
    ngx_llmops_verdict_e   one, verdict;

    if (why) {
        snprintf(why, size, "%s", ended ? "there is no candidate"
                                        : "it has not ended");
    }

    if (!ended) {
        return NGX_LLMOPS_VERDICT_UNDECIDED;
    }

    /* the worst of all, and its reason */

    verdict = NGX_LLMOPS_VERDICT_UNDECIDED;
    first = 1;

    for (i = 0; i < s->n; i++) {

        if ((ngx_int_t) i == s->baseline && s->n > 1) {
            continue;
        }

        one = ngx_llmops_summary_judge(s, i, line, sizeof(line));

        if (first || one == NGX_LLMOPS_VERDICT_FAIL
            || (one == NGX_LLMOPS_VERDICT_UNDECIDED
                && verdict == NGX_LLMOPS_VERDICT_PASS))
        {
            if (first || one != verdict) {
                verdict = one;

                if (why) {
                    snprintf(why, size, "%.*s: %s",
                             (int) ngx_min(s->candidates[i].name.len, 64),
                             (char *) s->candidates[i].name.data, line);
                }
            }
        }

        first = 0;
    }

    return verdict;
}


/*
 * What one candidate comes to.  Against a baseline it is not enough to be not
 * shown to be worse, which every small dataset does: it has to be shown to be
 * worse by no more than the margin.
 */

ngx_llmops_verdict_e
ngx_llmops_summary_judge(ngx_llmops_summary_t *s, ngx_uint_t i, char *why,
    size_t size)
{
    double                  n, without, score, low, high;
    ngx_llmops_sums_t      *sums;
    ngx_llmops_interval_t   in;

    sums = &s->all[i];
    without = sums->errors + sums->missing;
    n = sums->score.n + without;
    score = ngx_llmops_sums_score(sums);

    if (score < 0) {
        snprintf(why, size, "no case has a score");
        return NGX_LLMOPS_VERDICT_UNDECIDED;
    }

    if (without > s->ask.max_errors * n) {
        snprintf(why, size, "%.0f of %.0f cases without a score, more than "
                 "%g%%%s", without, n, 100 * s->ask.max_errors,
                 sums->missing > 0 ? ": people are to judge answers" : "");
        return NGX_LLMOPS_VERDICT_UNDECIDED;
    }

    if (s->ask.min_score > 0) {
        in = ngx_llmops_mean_interval(&sums->score, s->ask.level);

        low = s->ask.strict ? in.lo : score;
        high = s->ask.strict ? in.hi : score;

        snprintf(why, size, "score %.3f [%.3f, %.3f], asked for %g", score,
                 in.lo, in.hi, s->ask.min_score);

        if (high < s->ask.min_score - 1e-9) {
            return NGX_LLMOPS_VERDICT_FAIL;
        }

        if (low < s->ask.min_score - 1e-9) {
            return NGX_LLMOPS_VERDICT_UNDECIDED;
        }
    }

    if (s->baseline >= 0 && (ngx_int_t) i != s->baseline) {
        return ngx_llmops_summary_against(s, sums, why, size);
    }

    /* nothing was asked for but that the cases pass */

    if (s->ask.min_score <= 0) {
        snprintf(why, size, "%.0f of %.0f cases have failed",
                 sums->score.n - sums->passed, sums->score.n);

        if (sums->passed < sums->score.n) {
            return NGX_LLMOPS_VERDICT_FAIL;
        }
    }

    return NGX_LLMOPS_VERDICT_PASS;
}


static ngx_llmops_verdict_e
ngx_llmops_summary_against(ngx_llmops_summary_t *s, ngx_llmops_sums_t *sums,
    char *why, size_t size)
{
    double                  n;
    ngx_llmops_interval_t   in;

    n = sums->pairs.a.n;

    if (n <= 0) {
        snprintf(why, size, "no case has a score of the baseline, too");
        return NGX_LLMOPS_VERDICT_UNDECIDED;
    }

    in = ngx_llmops_pairs_interval(&sums->pairs, s->ask.level);

    snprintf(why, size, "%+.3f [%+.3f, %+.3f] against the baseline over %.0f "
             "cases, %+.3f is allowed",
             (sums->pairs.a.sum - sums->pairs.b.sum) / n, in.lo, in.hi, n,
             -s->ask.margin);

    if (in.hi < -s->ask.margin) {
        return NGX_LLMOPS_VERDICT_FAIL;
    }

    return in.lo >= -s->ask.margin ? NGX_LLMOPS_VERDICT_PASS
                                   : NGX_LLMOPS_VERDICT_UNDECIDED;
}
