
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"
#include "ngx_llmops_rollout_evaluated.h"


/*
 * What has come out of an evaluation, for the metrics of its schedule and for
 * the rollout of its route.
 *
 * The rollout is told when the evaluation's document says how it ended, so what
 * it is told is true, whatever becomes of this worker.  A worker that dies in
 * between, or is replaced while the store cannot be asked, has not told it.  So
 * the next one tells it again of all that have ended, which is passed over if
 * it is known, or is older than the rollout.
 */


static void ngx_llmops_told_metrics(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_verdict_e verdict);
static ngx_llmops_verdict_e ngx_llmops_told_verdict(json_t *json);
static void ngx_llmops_told_rollout(ngx_llmops_evaluation_runner_t *runner,
    json_t *doc, int64_t ended);
static ngx_uint_t ngx_llmops_told_worse(ngx_llmops_evaluation_e one,
    ngx_llmops_evaluation_e other);
static void ngx_llmops_told_candidate(ngx_llmops_evaluation_runner_t *runner,
    json_t *doc, json_t *shown, ngx_llmops_rollout_evaluation_t *ev);
static ngx_llmops_evaluate_t *ngx_llmops_told_line(
    ngx_llmops_evaluations_t *evs, json_t *doc);


void
ngx_llmops_evaluation_told(ngx_llmops_evaluation_run_t *run)
{
    ngx_llmops_told_metrics(run, ngx_llmops_told_verdict(run->doc));

    if (run->loaded) {
        ngx_llmops_told_rollout(run->runner, run->doc, 0);
    }
}


void
ngx_llmops_evaluation_told_again(ngx_llmops_evaluation_runner_t *runner,
    ngx_str_t *value)
{
    json_t   *doc;
    int64_t   ended;

    if (runner->mcf->rollouts == NULL) {
        return;
    }

    doc = ngx_llmops_evaluation_load(value);
    ended = json_integer_value(json_object_get(doc, "ended"));

    if (ended && ngx_llmops_evaluation_is(doc, "completed")) {
        ngx_llmops_told_rollout(runner, doc, ended);
    }

    json_decref(doc);
}


/* of the evaluation, or of one of its candidates */

static ngx_llmops_verdict_e
ngx_llmops_told_verdict(json_t *json)
{
    const char  *text;

    text = json_string_value(json_object_get(json, "verdict"));

    if (text && ngx_strcmp(text, "pass") == 0) {
        return NGX_LLMOPS_VERDICT_PASS;
    }

    return (text && ngx_strcmp(text, "fail") == 0)
           ? NGX_LLMOPS_VERDICT_FAIL : NGX_LLMOPS_VERDICT_UNDECIDED;
}


/* the line of the configuration whose schedule has begun it, or NULL */

static ngx_llmops_evaluate_t *
ngx_llmops_told_line(ngx_llmops_evaluations_t *evs, json_t *doc)
{
    ngx_str_t               by, name, route;
    ngx_uint_t              i;
    ngx_llmops_evaluate_t  *line;

    by = ngx_llmops_evaluation_string(doc, "by");
    name = ngx_llmops_evaluation_string(doc, "name");
    route = ngx_llmops_evaluation_string(doc, "route");

    if (by.len != 8 || ngx_memcmp(by.data, "schedule", 8) != 0) {
        return NULL;
    }

    line = evs->lines.elts;

    for (i = 0; i < evs->lines.nelts; i++) {
        if (ngx_llmops_same(&line[i].name, &name)
            && ngx_llmops_same(&line[i].route->name, &route))
        {
            return &line[i];
        }
    }

    return NULL;
}


static void
ngx_llmops_told_metrics(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_verdict_e verdict)
{
    double                  score;
    ngx_uint_t              i;
    ngx_llmops_evaluate_t  *line;

    line = ngx_llmops_told_line(run->evs, run->doc);

    if (line == NULL) {
        return;
    }

    if (verdict == NGX_LLMOPS_VERDICT_FAIL) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "llm evaluation \"%V\" of route \"%V\" has failed: %s",
                      &line->name, &line->route->name,
                      json_string_value(json_object_get(run->doc, "why")));
    }

    if (line->sh == NULL) {
        return;
    }

    i = (run->spec.baseline == 0 && run->spec.ncandidates > 1);
    score = run->loaded ? ngx_llmops_summary_score(run->summary, i) : -1;

    if (score >= 0) {
        line->sh->score = (ngx_atomic_uint_t) (score * 1000 + 0.5);
        line->sh->scored = 1;
    }

    line->sh->told = ngx_time();

    if (!run->again) {
        (void) ngx_atomic_fetch_add(&line->sh->verdicts[verdict], 1);
    }
}


/* ended: 0, or when, of one that may have been told before.  A version of a
   prompt may have been tried with several targets: the worst of them counts */

static void
ngx_llmops_told_rollout(ngx_llmops_evaluation_runner_t *runner, json_t *doc,
    int64_t ended)
{
    json_t                           *shown, *name;
    ngx_uint_t                        i;
    ngx_llmops_rollout_evaluation_t   ev, worst;

    ngx_memzero(&worst, sizeof(ngx_llmops_rollout_evaluation_t));

    json_array_foreach(json_object_get(doc, "candidates"), i, shown) {

        name = json_object_get(shown, "name");

        if (name == NULL || json_equal(name, json_object_get(doc, "baseline")))
        {
            continue;
        }

        ngx_llmops_told_candidate(runner, doc, shown, &ev);

        if (ngx_llmops_rollout_evaluates(runner->mcf, &ev)
            && (worst.id.len == 0
                || ngx_llmops_told_worse(ev.verdict, worst.verdict)))
        {
            worst = ev;
        }
    }

    if (worst.id.len == 0 || worst.name.len == 0) {
        return;
    }

    worst.ended = ended;

    if (ngx_llmops_rollout_evaluated(runner->mcf, &worst) == NGX_ERROR) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "llm rollout of route \"%V\" cannot be told of "
                      "evaluation \"%V\", there is no memory",
                      &worst.route, &worst.id);
    }
}


static ngx_uint_t
ngx_llmops_told_worse(ngx_llmops_evaluation_e one,
    ngx_llmops_evaluation_e other)
{
    return (one == NGX_LLMOPS_EVALUATION_FAIL
            && other != NGX_LLMOPS_EVALUATION_FAIL)
           || (one == NGX_LLMOPS_EVALUATION_UNDECIDED
               && other == NGX_LLMOPS_EVALUATION_PASS);
}


/* borrowed from doc and shown */

static void
ngx_llmops_told_candidate(ngx_llmops_evaluation_runner_t *runner, json_t *doc,
    json_t *shown, ngx_llmops_rollout_evaluation_t *ev)
{
    json_t                *interval;
    ngx_llmops_verdict_e   verdict;

    ngx_memzero(ev, sizeof(ngx_llmops_rollout_evaluation_t));

    interval = json_object_get(shown, "interval");

    ev->route = ngx_llmops_evaluation_string(doc, "route");
    ev->name = ngx_llmops_evaluation_string(doc, "name");
    ev->id = ngx_llmops_evaluation_string(doc, "id");
    ev->target = ngx_llmops_evaluation_string(shown, "target");
    ev->prompt = ngx_llmops_evaluation_string(shown, "prompt");
    ev->reason = ngx_llmops_evaluation_string(shown, "why");
    ev->score = json_number_value(json_object_get(shown, "score"));
    ev->low = json_number_value(json_array_get(interval, 0));
    ev->high = json_number_value(json_array_get(interval, 1));
    ev->cases = (ngx_uint_t) json_integer_value(json_object_get(doc, "done"));
    ev->guard = (ngx_llmops_told_line(runner->evs, doc) != NULL);

    verdict = ngx_llmops_told_verdict(shown);

    ev->verdict = (verdict == NGX_LLMOPS_VERDICT_PASS)
                  ? NGX_LLMOPS_EVALUATION_PASS
                  : (verdict == NGX_LLMOPS_VERDICT_FAIL)
                    ? NGX_LLMOPS_EVALUATION_FAIL
                    : NGX_LLMOPS_EVALUATION_UNDECIDED;
}
