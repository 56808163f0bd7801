
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_summary.h"
#include "ngx_llmops_summary_sums.h"

#include <math.h>


/* A summary as the members of an evaluation. */


static json_t *ngx_llmops_summary_one(ngx_llmops_summary_t *s, ngx_uint_t i,
    ngx_uint_t ended);
static json_t *ngx_llmops_summary_numbers(ngx_llmops_summary_t *s,
    ngx_llmops_sums_t *sums);
static json_t *ngx_llmops_summary_difference(ngx_llmops_summary_t *s,
    ngx_llmops_sums_t *sums);
static json_t *ngx_llmops_summary_slices(ngx_llmops_summary_t *s);
static json_t *ngx_llmops_summary_part(ngx_llmops_summary_t *s,
    ngx_llmops_slice_t *sl, const char *name, size_t len);


/* six decimals are more than the figures are worth, and short */

static json_t *
ngx_llmops_summary_real(double value)
{
    return json_real(round(value * 1e6) / 1e6);
}


static json_t *
ngx_llmops_summary_text(ngx_str_t *text)
{
    json_t  *json;

    json = json_stringn((char *) text->data, text->len);

    return json ? json : json_string("?");
}


static json_t *
ngx_llmops_summary_interval(ngx_llmops_interval_t in)
{
    return json_pack("[oo]", ngx_llmops_summary_real(in.lo),
                     ngx_llmops_summary_real(in.hi));
}


json_t *
ngx_llmops_summary_json(ngx_llmops_summary_t *s, ngx_uint_t ended)
{
    int                    failed;
    char                   why[NGX_LLMOPS_SUMMARY_WHY];
    json_t                *json, *list;
    ngx_uint_t             i, only;
    ngx_llmops_verdict_e   verdict;

    json = json_object();
    list = json_array();
    failed = json_object_set_new(json, "candidates", list);

    for (i = 0; i < s->n && !failed; i++) {
        failed = json_array_append_new(list,
                                       ngx_llmops_summary_one(s, i, ended));
    }

    failed |= json_object_set_new(json, "baseline", s->baseline < 0
                           ? json_null()
                           : ngx_llmops_summary_text(
                                 &s->candidates[s->baseline].name));

    /* of the only other candidate */

    only = (s->baseline == 0) ? 1 : 0;

    failed |= json_object_set_new(json, "difference",
                                  s->n == 2 && s->baseline >= 0
                                  ? ngx_llmops_summary_difference(s,
                                                              &s->all[only])
                                  : json_null());

    verdict = ngx_llmops_summary_verdict(s, ended, why, sizeof(why));

    failed |= json_object_set_new(json, "verdict",
                            json_string(ngx_llmops_verdict_names[verdict]));
    failed |= json_object_set_new(json, "why", json_string(why));
    failed |= json_object_set_new(json, "slices",
                                  ngx_llmops_summary_slices(s));

    if (failed) {
        json_decref(json);
        return NULL;
    }

    return json;
}


static json_t *
ngx_llmops_summary_one(ngx_llmops_summary_t *s, ngx_uint_t i,
    ngx_uint_t ended)
{
    int                              failed;
    char                             why[NGX_LLMOPS_SUMMARY_WHY];
    json_t                          *json;
    double                           p50, p95;
    ngx_llmops_verdict_e             verdict;
    ngx_llmops_summary_candidate_t  *candidate;

    candidate = &s->candidates[i];
    json = ngx_llmops_summary_numbers(s, &s->all[i]);

    failed = json_object_set_new(json, "name",
                                 ngx_llmops_summary_text(&candidate->name));

    if (candidate->target.len) {
        failed |= json_object_set_new(json, "target",
                                 ngx_llmops_summary_text(&candidate->target));
    }

    if (candidate->prompt.len) {
        failed |= json_object_set_new(json, "prompt",
                                 ngx_llmops_summary_text(&candidate->prompt));
    }

    p50 = ngx_llmops_summary_quantile(s, i, 0.5);
    p95 = ngx_llmops_summary_quantile(s, i, 0.95);

    failed |= json_object_set_new(json, "latency_p50",
                                  p50 < 0 ? json_null()
                                          : json_integer(lround(p50)))
              | json_object_set_new(json, "latency_p95",
                                    p95 < 0 ? json_null()
                                            : json_integer(lround(p95)));

    if (ended && ((ngx_int_t) i != s->baseline || s->n == 1)) {
        verdict = ngx_llmops_summary_judge(s, i, why, sizeof(why));

        failed |= json_object_set_new(json, "verdict",
                              json_string(ngx_llmops_verdict_names[verdict]))
                  | json_object_set_new(json, "why", json_string(why));
    }

    if (failed) {
        json_decref(json);
        return NULL;
    }

    return json;
}


/* what a candidate has in all cases, and in those of a slice */

static json_t *
ngx_llmops_summary_numbers(ngx_llmops_summary_t *s, ngx_llmops_sums_t *sums)
{
    int      failed;
    double   score;
    json_t  *json;

    json = json_object();
    score = ngx_llmops_sums_score(sums);

    failed = json_object_set_new(json, "score", score < 0 ? json_null()
                                         : ngx_llmops_summary_real(score))
             | json_object_set_new(json, "interval",
                           ngx_llmops_summary_interval(
                               ngx_llmops_mean_interval(&sums->score,
                                                        s->ask.level)))
             | json_object_set_new(json, "passed",
                                   json_integer(lround(sums->passed)))
             | json_object_set_new(json, "failed",
                                   json_integer(lround(sums->score.n
                                                       - sums->passed)))
             | json_object_set_new(json, "errors",
                                   json_integer(lround(sums->errors)))
             | json_object_set_new(json, "cost",
                                   ngx_llmops_summary_real(sums->cost));

    if (sums->pairs.a.n > 0) {
        failed |= json_object_set_new(json, "difference",
                                      ngx_llmops_summary_difference(s, sums));
    }

    if (failed) {
        json_decref(json);
        return NULL;
    }

    return json;
}


static json_t *
ngx_llmops_summary_difference(ngx_llmops_summary_t *s,
    ngx_llmops_sums_t *sums)
{
    ngx_llmops_pairs_t  *p;

    p = &sums->pairs;

    if (p->a.n <= 0) {
        return json_null();
    }

    return json_pack("{so,so,si,si,si,so}",
                     "value", ngx_llmops_summary_real((p->a.sum - p->b.sum)
                                                      / p->a.n),
                     "interval", ngx_llmops_summary_interval(
                                     ngx_llmops_pairs_interval(p,
                                                           s->ask.level)),
                     "pairs", (int) lround(p->a.n),
                     "better", (int) lround(p->a_better),
                     "worse", (int) lround(p->b_better),
                     "p", ngx_llmops_summary_real(
                              ngx_llmops_sign_test(p->a_better,
                                             p->a_better + p->b_better)));
}


static json_t *
ngx_llmops_summary_slices(ngx_llmops_summary_t *s)
{
    json_t              *list;
    ngx_str_t            name;
    ngx_uint_t           i;
    ngx_llmops_slice_t  *sl;

    list = json_array();

    for (i = 0; i < s->nslices; i++) {
        sl = &s->slices[i];
        name.data = sl->name;
        name.len = sl->len;

        /* a name that was too long may end in half of a character */

        while (name.len && (sl->name[name.len - 1] & 0x80)
               && name.len == NGX_LLMOPS_SUMMARY_NAME)
        {
            name.len--;
        }

        if (json_array_append_new(list,
                                  ngx_llmops_summary_part(s, sl,
                                                          (char *) name.data,
                                                          name.len))
            != 0)
        {
            json_decref(list);
            return NULL;
        }
    }

    if (s->other.cases
        && json_array_append_new(list,
                                 ngx_llmops_summary_part(s, &s->other,
                                                         "(other)", 7))
           != 0)
    {
        json_decref(list);
        return NULL;
    }

    return list;
}


static json_t *
ngx_llmops_summary_part(ngx_llmops_summary_t *s, ngx_llmops_slice_t *sl,
    const char *name, size_t len)
{
    int          failed;
    json_t      *json, *list, *one;
    ngx_str_t    text;
    ngx_uint_t   i;

    text.data = (u_char *) name;
    text.len = len;

    json = json_object();
    list = json_array();

    failed = json_object_set_new(json, "name", ngx_llmops_summary_text(&text))
             | json_object_set_new(json, "cases", json_integer(sl->cases))
             | json_object_set_new(json, "candidates", list);

    for (i = 0; i < s->n && !failed; i++) {
        one = ngx_llmops_summary_numbers(s, &sl->sums[i]);

        failed = json_object_set_new(one, "name",
                              ngx_llmops_summary_text(&s->candidates[i].name))
                 | json_array_append_new(list, one);
    }

    if (failed) {
        json_decref(json);
        return NULL;
    }

    return json;
}
