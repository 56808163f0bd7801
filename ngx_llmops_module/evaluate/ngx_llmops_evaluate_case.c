
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"


/*
 * The cases that are being asked, and whose turn it is.  A case that has begun
 * is ended before another one begins, as far as there is something to ask of
 * it: so that few of them are lost when a run is given up, and a pair is judged
 * soon after it has answered.
 *
 * A budget is not overrun: a request is sent only if what has been spent, and
 * as much as the dearest one so far for it and each that is under way, is
 * within.  Until the first one has told what requests cost it is alone.
 */


static ngx_int_t ngx_llmops_case_next(ngx_llmops_evaluation_run_t *run);
static ngx_int_t ngx_llmops_case_ask(ngx_llmops_evaluation_task_t *task);
static ngx_int_t ngx_llmops_case_begin(ngx_llmops_evaluation_run_t *run);
static ngx_llmops_evaluation_task_t *ngx_llmops_case_task(
    ngx_llmops_evaluation_run_t *run, ngx_uint_t n);
static ngx_int_t ngx_llmops_case_afford(ngx_llmops_evaluation_run_t *run);
static ngx_uint_t ngx_llmops_case_idle(ngx_llmops_evaluation_task_t *task);
static void ngx_llmops_case_purge(ngx_llmops_evaluation_run_t *run);
static ngx_uint_t ngx_llmops_case_may(ngx_llmops_evaluation_answer_t *an);
static void ngx_llmops_case_score(ngx_llmops_evaluation_answer_t *an);
static void ngx_llmops_case_ended(ngx_llmops_evaluation_task_t *task);


#define ngx_llmops_case_asks(an)                                              \
    ((an)->state == NGX_LLMOPS_ANSWER_ASK                                     \
     || (an)->state == NGX_LLMOPS_ANSWER_JUDGE)


void
ngx_llmops_evaluation_pump(ngx_llmops_evaluation_run_t *run)
{
    ngx_uint_t  n;

    if (!run->running) {
        return;
    }

    /* who cannot say that he is alive may not be the owner any more, and a
       worker that is leaving makes no requests */

    if (!run->stop && !ngx_exiting && !ngx_terminate
        && (ngx_msec_int_t) (ngx_current_msec - run->alive)
           < NGX_LLMOPS_EVAL_LEASE)
    {
        for (n = 0; n < 2 * NGX_LLMOPS_EVAL_CONCURRENCY; n++) {

            if (run->asking >= run->spec.concurrency
                || run->runner->asking >= run->evs->concurrency
                || ngx_llmops_case_next(run) != NGX_OK)
            {
                break;
            }
        }
    }

    if (run->stop) {
        ngx_llmops_case_purge(run);
    }
}


/* asks one question.  NGX_DECLINED: there is none that may be asked now */

static ngx_int_t
ngx_llmops_case_next(ngx_llmops_evaluation_run_t *run)
{
    ngx_int_t     rc;
    ngx_queue_t  *q, *next;

    rc = ngx_llmops_case_afford(run);

    if (rc != NGX_OK) {
        return rc;
    }

    for (q = ngx_queue_head(&run->tasks);
         q != ngx_queue_sentinel(&run->tasks);
         q = next)
    {
        next = ngx_queue_next(q);

        rc = ngx_llmops_case_ask(ngx_queue_data(q,
                                         ngx_llmops_evaluation_task_t, queue));

        if (rc != NGX_DECLINED) {
            return (rc == NGX_OK) ? NGX_OK : NGX_DECLINED;
        }
    }

    if (run->ntasks >= run->spec.concurrency) {
        return NGX_DECLINED;
    }

    return ngx_llmops_case_begin(run);
}


/* NGX_DECLINED: it has nothing to ask now; NGX_BUSY: nobody may */

static ngx_int_t
ngx_llmops_case_ask(ngx_llmops_evaluation_task_t *task)
{
    ngx_int_t                        rc;
    ngx_uint_t                       i;
    ngx_llmops_evaluation_answer_t  *an;

    for (i = 0; i < task->run->spec.ncandidates; i++) {
        an = &task->answers[i];

        if (!ngx_llmops_case_asks(an)
            || (ngx_msec_int_t) (ngx_current_msec - an->wait) < 0)
        {
            continue;
        }

        rc = ngx_llmops_evaluation_question(an);

        if (rc == NGX_DECLINED) {

            /* it cannot be asked at all; the case may be over, and gone */

            an->state = NGX_LLMOPS_ANSWER_DONE;
            ngx_llmops_evaluation_advance(task);
            return NGX_OK;
        }

        return rc;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_case_begin(ngx_llmops_evaluation_run_t *run)
{
    ngx_llmops_evaluation_task_t  *task;

    while (run->next < run->set.n
           && ngx_llmops_evaluation_has(run, run->next))
    {
        run->next++;
    }

    if (run->next >= run->set.n) {
        return NGX_DECLINED;
    }

    task = ngx_llmops_case_task(run, run->next);

    if (task == NULL) {
        (void) ngx_llmops_evaluation_fail(run, "out of memory, or case %ui "
                                          "cannot be read", run->next);
        return NGX_DECLINED;
    }

    run->next++;

    ngx_queue_insert_tail(&run->tasks, &task->queue);
    run->ntasks++;

    return NGX_OK;
}


static ngx_llmops_evaluation_task_t *
ngx_llmops_case_task(ngx_llmops_evaluation_run_t *run, ngx_uint_t n)
{
    char                             err[NGX_LLMOPS_EVAL_TEXT];
    json_t                          *checks;
    ngx_uint_t                       i;
    ngx_llmops_evaluation_task_t    *task;
    ngx_llmops_evaluation_answer_t  *an;

    task = ngx_calloc(sizeof(ngx_llmops_evaluation_task_t)
                      + run->spec.ncandidates
                        * sizeof(ngx_llmops_evaluation_answer_t),
                      ngx_cycle->log);
    if (task == NULL) {
        return NULL;
    }

    task->run = run;
    task->n = n;
    task->kase = ngx_llmops_dataset_case(&run->set, n);
    task->scorer = run->scorer;

    ngx_llmops_out_init(&task->input, NGX_LLMOPS_SCORE_ANSWER);

    for (i = 0; i < run->spec.ncandidates; i++) {
        an = &task->answers[i];

        an->task = task;
        an->candidate = i;
        an->latency = -1;
        an->wait = ngx_current_msec;

        ngx_llmops_out_init(&an->text, NGX_LLMOPS_SCORE_ANSWER);
        ngx_llmops_out_init(&an->body, NGX_LLMOPS_SCORE_ANSWER);
        ngx_llmops_out_init(&an->request, NGX_LLMOPS_EVAL_REQUEST);
    }

    checks = json_object_get(task->kase, "checks");

    if (checks) {
        task->own = ngx_llmops_scorer_create(checks, run->evs->rules.elts,
                                             run->evs->rules.nelts, err,
                                             sizeof(err));
        task->scorer = task->own;
    }

    if (task->kase && task->scorer) {
        (void) ngx_llmops_score_input(task->kase, &task->input);
        return task;
    }

    ngx_queue_init(&task->queue);
    run->ntasks++;
    ngx_llmops_evaluation_task_free(task);

    return NULL;
}


static ngx_int_t
ngx_llmops_case_afford(ngx_llmops_evaluation_run_t *run)
{
    int64_t                        n;
    ngx_llmops_evaluation_spec_t  *spec;

    spec = &run->spec;

    if (spec->budget == 0 && spec->tokens == 0) {
        return NGX_OK;
    }

    if (run->most_cost == -1) {
        return run->asking ? NGX_DECLINED : NGX_OK;
    }

    n = (int64_t) run->asking + 1;

    if ((spec->budget == 0
         || run->cost + n * run->most_cost <= spec->budget)
        && (spec->tokens == 0
            || run->tokens + n * run->most_tokens <= spec->tokens))
    {
        return NGX_OK;
    }

    if (run->asking == 0
        && (run->ntasks || run->next < run->set.n))
    {
        (void) ngx_llmops_evaluation_fail(run, "the budget is used up");
        run->over = 1;
    }

    return NGX_DECLINED;
}


ngx_uint_t
ngx_llmops_evaluation_over(ngx_llmops_evaluation_run_t *run)
{
    if (run->ntasks) {
        return 0;
    }

    if (run->stop) {
        return 1;
    }

    while (run->next < run->set.n
           && ngx_llmops_evaluation_has(run, run->next))
    {
        run->next++;
    }

    return run->next >= run->set.n;
}


static ngx_uint_t
ngx_llmops_case_idle(ngx_llmops_evaluation_task_t *task)
{
    ngx_uint_t  i;

    for (i = 0; i < task->run->spec.ncandidates; i++) {
        if (task->answers[i].d.engine) {
            return 0;
        }
    }

    return 1;
}


/* cases of which nothing is under way, and nothing will be */

static void
ngx_llmops_case_purge(ngx_llmops_evaluation_run_t *run)
{
    ngx_queue_t                   *q, *next;
    ngx_llmops_evaluation_task_t  *task;

    for (q = ngx_queue_head(&run->tasks);
         q != ngx_queue_sentinel(&run->tasks);
         q = next)
    {
        next = ngx_queue_next(q);
        task = ngx_queue_data(q, ngx_llmops_evaluation_task_t, queue);

        if (ngx_llmops_case_idle(task)) {
            ngx_llmops_evaluation_task_free(task);
        }
    }
}


void
ngx_llmops_evaluation_abandon(ngx_llmops_evaluation_run_t *run)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&run->tasks)) {
        q = ngx_queue_head(&run->tasks);

        ngx_llmops_evaluation_task_free(
                  ngx_queue_data(q, ngx_llmops_evaluation_task_t, queue));
    }
}


void
ngx_llmops_evaluation_task_free(ngx_llmops_evaluation_task_t *task)
{
    ngx_uint_t                       i;
    ngx_llmops_evaluation_run_t     *run;
    ngx_llmops_evaluation_answer_t  *an;

    run = task->run;

    for (i = 0; i < run->spec.ncandidates; i++) {
        an = &task->answers[i];

        if (an->d.engine) {
            ngx_llmops_detached_cancel(&an->d);
            run->asking--;
            run->runner->asking--;
        }

        ngx_llmops_out_free(&an->text);
        ngx_llmops_out_free(&an->body);
        ngx_llmops_out_free(&an->request);
        ngx_free(an->score);
    }

    if (task->own) {
        ngx_llmops_scorer_free(task->own);
    }

    ngx_llmops_out_free(&task->input);
    json_decref(task->kase);

    ngx_queue_remove(&task->queue);
    run->ntasks--;

    ngx_free(task);
}


/* -- answers -------------------------------------------------------------- */

void
ngx_llmops_evaluation_advance(ngx_llmops_evaluation_task_t *task)
{
    ngx_uint_t                       i, left;
    ngx_llmops_evaluation_answer_t  *an;

    left = 0;

    for (i = 0; i < task->run->spec.ncandidates; i++) {
        an = &task->answers[i];

        if (an->state == NGX_LLMOPS_ANSWER_HERE && ngx_llmops_case_may(an)) {
            ngx_llmops_case_score(an);
        }

        left += (an->state != NGX_LLMOPS_ANSWER_DONE);
    }

    if (left == 0) {
        ngx_llmops_case_ended(task);
    }
}


/* pairs wait for the baseline */

static ngx_uint_t
ngx_llmops_case_may(ngx_llmops_evaluation_answer_t *an)
{
    ngx_int_t                        baseline;
    ngx_llmops_evaluation_task_t    *task;
    ngx_llmops_evaluation_answer_t  *other;

    task = an->task;
    baseline = task->run->spec.baseline;

    if (baseline == -1 || (ngx_uint_t) baseline == an->candidate
        || !ngx_llmops_scorer_pairwise(task->scorer))
    {
        return 1;
    }

    other = &task->answers[baseline];

    return other->state != NGX_LLMOPS_ANSWER_ASK
           && other->state != NGX_LLMOPS_ANSWER_ASKING;
}


void
ngx_llmops_evaluation_said(ngx_llmops_evaluation_answer_t *an,
    ngx_llmops_score_said_t *said)
{
    ngx_int_t                        baseline;
    ngx_llmops_evaluation_task_t    *task;
    ngx_llmops_evaluation_answer_t  *other;

    task = an->task;
    baseline = task->run->spec.baseline;

    ngx_memzero(said, sizeof(ngx_llmops_score_said_t));

    said->text.data = an->text.data ? an->text.data : (u_char *) "";
    said->text.len = an->text.len;
    said->body.data = an->body.data;
    said->body.len = an->body.len;
    said->request.data = an->request.data;
    said->request.len = an->request.len;
    said->baseline = (baseline != -1
                      && (ngx_uint_t) baseline == an->candidate);
    said->input.data = task->input.data ? task->input.data : (u_char *) "";
    said->input.len = task->input.len;

    if (baseline != -1 && (ngx_uint_t) baseline != an->candidate) {
        other = &task->answers[baseline];

        if (other->latency != -1) {
            said->other.data = other->text.data ? other->text.data
                                                : (u_char *) "";
            said->other.len = other->text.len;
        }
    }
}


static void
ngx_llmops_case_score(ngx_llmops_evaluation_answer_t *an)
{
    ngx_int_t                rc;
    ngx_llmops_score_said_t  said;

    an->score = ngx_calloc(sizeof(ngx_llmops_score_t), ngx_cycle->log);

    ngx_llmops_evaluation_said(an, &said);

    rc = an->score ? ngx_llmops_score(an->task->scorer, an->task->kase, &said,
                                      an->score)
                   : NGX_ERROR;

    if (rc == NGX_AGAIN) {
        an->state = NGX_LLMOPS_ANSWER_JUDGE;
        an->question = 0;
        an->tries = 0;
        an->wait = ngx_current_msec;
        return;
    }

    an->state = NGX_LLMOPS_ANSWER_DONE;

    if (rc != NGX_OK) {
        ngx_cpystrn((u_char *) an->error, (u_char *) "out of memory",
                    sizeof(an->error));
    }
}


static void
ngx_llmops_case_ended(ngx_llmops_evaluation_task_t *task)
{
    json_t                       *kase;
    ngx_uint_t                    n, failed;
    ngx_llmops_evaluation_run_t  *run;

    n = task->n;
    run = task->run;
    failed = run->failed;

    kase = ngx_llmops_evaluation_result(task);

    ngx_llmops_evaluation_task_free(task);

    if (kase == NULL
        || ngx_llmops_evaluation_keep(run, n, json_incref(kase)) != NGX_OK)
    {
        json_decref(kase);
        (void) ngx_llmops_evaluation_fail(run, "out of memory");
        return;
    }

    ngx_llmops_evaluation_count(run, kase);

    if (run->evs->sh) {
        (void) ngx_atomic_fetch_add(&run->evs->sh->cases[run->failed > failed],
                                    1);
    }

    json_decref(kase);
}
