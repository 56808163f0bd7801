
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"


/*
 * What is kept of a case.  All that is counted is counted from this, so that
 * who finds it in the store comes to the same sums as who has made it.
 */


#define NGX_LLMOPS_RESULT_EXPECTED  1024   /* bytes as JSON */


static json_t *ngx_llmops_result_answer(ngx_llmops_evaluation_answer_t *an);
static json_t *ngx_llmops_result_expected(json_t *kase);
static ngx_int_t ngx_llmops_result_shorten(json_t *json, const char *member,
    size_t max);
static void ngx_llmops_result_outcome(json_t *result,
    ngx_llmops_summary_outcome_t *o);


json_t *
ngx_llmops_evaluation_result(ngx_llmops_evaluation_task_t *task)
{
    int          rc;
    json_t      *kase, *results, *member;
    ngx_uint_t   i;

    kase = json_pack("{s:I}", "n", (json_int_t) task->n);
    results = json_array();

    rc = (kase == NULL);

    member = json_object_get(task->kase, "id");
    rc |= member ? json_object_set(kase, "id", member) : 0;

    member = json_object_get(task->kase, "slice");
    rc |= member ? json_object_set(kase, "slice", member) : 0;

    rc |= json_object_set_new(kase, "input",
                              ngx_llmops_evaluation_cut(task->input.data,
                                                        task->input.len,
                                                task->run->spec.kept));

    member = ngx_llmops_result_expected(task->kase);
    rc |= member ? json_object_set_new(kase, "expected", member) : 0;

    for (i = 0; i < task->run->spec.ncandidates; i++) {
        rc |= json_array_append_new(results,
                                ngx_llmops_result_answer(&task->answers[i]));
    }

    rc |= json_object_set_new(kase, "results", results);

    if (rc) {
        json_decref(kase);
        return NULL;
    }

    return kase;
}


static json_t *
ngx_llmops_result_expected(json_t *kase)
{
    json_t  *expected;

    expected = json_object_get(kase, "expected");

    if (expected == NULL
        || json_dumpb(expected, NULL, 0, JSON_ENCODE_ANY)
           > NGX_LLMOPS_RESULT_EXPECTED)
    {
        return NULL;
    }

    return json_incref(expected);
}


static json_t *
ngx_llmops_result_answer(ngx_llmops_evaluation_answer_t *an)
{
    int                            rc;
    json_t                        *result;
    ngx_llmops_evaluation_run_t   *run;

    run = an->task->run;
    rc = 0;

    result = an->score ? ngx_llmops_score_json(an->task->scorer, an->score)
                       : json_object();

    rc |= json_object_set_new(result, "candidate",
                 json_stringn((char *)
                              run->spec.candidates[an->candidate].name.data,
                              run->spec.candidates[an->candidate].name.len));

    if (an->error[0]) {
        rc |= json_object_set_new(result, "error",
                                  ngx_llmops_evaluation_cut(
                                      (u_char *) an->error,
                                      ngx_strlen(an->error),
                                      sizeof(an->error)));
    }

    if (an->latency != -1) {
        rc |= json_object_set_new(result, "answer",
                                  ngx_llmops_evaluation_cut(an->text.data,
                                                            an->text.len,
                                                            run->spec.kept));
        rc |= json_object_set_new(result, "latency",
                                  json_integer((json_int_t) an->latency));
    }

    rc |= json_object_set_new(result, "cost",
                              json_real((double) an->cost / 1e12));
    rc |= json_object_set_new(result, "tokens",
                              json_pack("{s:I,s:I}",
                                        "input", (json_int_t) an->input,
                                        "output", (json_int_t) an->output));

    if (rc) {
        json_decref(result);
        return NULL;
    }

    return result;
}


ngx_uint_t
ngx_llmops_evaluation_outcomes(json_t *kase, ngx_uint_t n,
    ngx_llmops_summary_outcome_t *row)
{
    json_t      *results;
    ngx_uint_t   i, errors;

    results = json_object_get(kase, "results");
    errors = 0;

    for (i = 0; i < n; i++) {
        ngx_llmops_result_outcome(json_array_get(results, i), &row[i]);

        errors += (row[i].state == NGX_LLMOPS_SUMMARY_ERROR);
    }

    return errors;
}


/* what other checks say is not all that was asked for, while a person is still
   to speak */

static void
ngx_llmops_result_outcome(json_t *result, ngx_llmops_summary_outcome_t *o)
{
    json_t      *latency, *score;
    ngx_uint_t   human;

    ngx_memzero(o, sizeof(ngx_llmops_summary_outcome_t));

    score = json_object_get(result, "score");
    latency = json_object_get(result, "latency");

    o->cost = json_number_value(json_object_get(result, "cost"));
    o->latency = latency ? json_number_value(latency) : -1;

    human = json_is_true(json_object_get(result, "human"));

    if (json_object_get(result, "error")) {
        o->state = NGX_LLMOPS_SUMMARY_ERROR;

    } else if (human) {
        o->state = NGX_LLMOPS_SUMMARY_MISSING;

    } else if (json_is_number(score)) {
        o->state = NGX_LLMOPS_SUMMARY_SCORED;
        o->score = json_number_value(score);
        o->passed = json_is_true(json_object_get(result, "passed"));

    } else {
        o->state = NGX_LLMOPS_SUMMARY_ERROR;
    }
}


void
ngx_llmops_evaluation_count(ngx_llmops_evaluation_run_t *run, json_t *kase)
{
    ngx_str_t             slice;
    ngx_uint_t            errors;
    ngx_llmops_summary_outcome_t  row[NGX_LLMOPS_EVAL_CANDIDATES];

    slice = ngx_llmops_evaluation_string(kase, "slice");

    errors = ngx_llmops_evaluation_outcomes(kase, run->spec.ncandidates, row);

    run->done++;
    run->failed += (errors != 0);

    (void) ngx_llmops_summary_add(run->summary, &slice, row);
}


ngx_int_t
ngx_llmops_evaluation_shorten(json_t *cases, size_t max)
{
    json_t      *kase, *result;
    ngx_int_t    rc;
    ngx_uint_t   i;
    const char  *key;

    rc = NGX_OK;

    json_object_foreach(cases, key, kase) {

        rc |= ngx_llmops_result_shorten(kase, "input", max);

        json_array_foreach(json_object_get(kase, "results"), i, result) {
            rc |= ngx_llmops_result_shorten(result, "answer", max);
        }
    }

    return rc == NGX_OK ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_result_shorten(json_t *json, const char *member, size_t max)
{
    json_t  *text;

    text = json_object_get(json, member);

    if (json_string_length(text) <= max) {
        return NGX_OK;
    }

    return json_object_set_new(json, member,
                               ngx_llmops_evaluation_cut(
                                   (u_char *) json_string_value(text),
                                   json_string_length(text), max))
           == 0 ? NGX_OK : NGX_ERROR;
}


json_t *
ngx_llmops_evaluation_cut(u_char *p, size_t len, size_t max)
{
    char    *copy;
    size_t   i;
    json_t  *value;

    if (len > max) {

        for (len = max; len && (p[len] & 0xc0) == 0x80; len--) { /* void */ }
    }

    if (len == 0) {
        return json_string("");
    }

    value = json_stringn((char *) p, len);

    if (value) {
        return value;
    }

    /* not UTF-8 */

    copy = ngx_alloc(len, ngx_cycle->log);
    if (copy == NULL) {
        return NULL;
    }

    for (i = 0; i < len; i++) {
        copy[i] = (p[i] < 0x80) ? (char) p[i] : '?';
    }

    value = json_stringn(copy, len);

    ngx_free(copy);

    return value;
}
