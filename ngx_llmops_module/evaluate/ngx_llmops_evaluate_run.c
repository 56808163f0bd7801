
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"


/*
 * A run is two things at once.  One is a line of steps to and from the store,
 * each of which has a function below: it is made when the one before has been
 * answered, and there is one at a time.  The other is the cases that are being
 * asked, which go on whatever the store does, and leave their results in memory
 * for the next step that writes.
 */


#define NGX_LLMOPS_RUN_TURN  64            /* steps in one turn of the loop */


typedef ngx_int_t (*ngx_llmops_run_pt)(ngx_llmops_evaluation_run_t *run);


static ngx_uint_t ngx_llmops_evaluation_old(ngx_llmops_evaluation_run_t *run);
static void ngx_llmops_evaluation_asked(ngx_llmops_docop_t *op);
static void ngx_llmops_evaluation_over_op(ngx_llmops_evaluation_run_t *run);
static void ngx_llmops_evaluation_free(ngx_llmops_evaluation_run_t *run);
static ngx_uint_t ngx_llmops_evaluation_dead(ngx_llmops_main_conf_t *mcf,
    const char *by);


static const ngx_llmops_run_pt  ngx_llmops_run_steps[] = {
    ngx_llmops_run_claim,
    ngx_llmops_run_claimed,
    ngx_llmops_run_spec,
    ngx_llmops_run_specified,
    ngx_llmops_run_prompts,
    ngx_llmops_run_data,
    ngx_llmops_run_data_got,
    ngx_llmops_run_file,
    ngx_llmops_run_samples,
    ngx_llmops_run_sampled,
    ngx_llmops_run_samples_put,
    ngx_llmops_run_check,
    ngx_llmops_run_chunk,
    ngx_llmops_run_chunk_got,
    ngx_llmops_run_idle,
    ngx_llmops_run_flush,
    ngx_llmops_run_flushed,
    ngx_llmops_run_merge,
    ngx_llmops_run_head,
    ngx_llmops_run_head_put,
    ngx_llmops_run_reread
};

typedef char  ngx_llmops_run_steps_are_all[
    sizeof(ngx_llmops_run_steps) / sizeof(ngx_llmops_run_pt)
    == NGX_LLMOPS_RUN_STATES ? 1 : -1];


void
ngx_llmops_evaluation_run(ngx_llmops_evaluation_runner_t *runner,
    json_t *doc, uint64_t revision)
{
    const char                   *id;
    ngx_llmops_evaluation_run_t  *run;

    id = json_string_value(json_object_get(doc, "id"));
    run = ngx_calloc(sizeof(ngx_llmops_evaluation_run_t), ngx_cycle->log);

    if (run == NULL || id == NULL) {
        ngx_free(run);
        json_decref(doc);
        return;
    }

    run->runner = runner;
    run->mcf = runner->mcf;
    run->evs = runner->evs;
    run->doc = doc;
    run->revision = revision;
    run->again = !ngx_llmops_evaluation_active(doc);
    run->fd = -1;
    run->most_cost = -1;

    ngx_cpystrn((u_char *) run->id, (u_char *) id, sizeof(run->id));
    ngx_queue_init(&run->tasks);

    ngx_queue_insert_tail(&runner->runs, &run->queue);
    runner->nruns++;

    ngx_llmops_evaluation_step(run);
}


void
ngx_llmops_evaluation_step(ngx_llmops_evaluation_run_t *run)
{
    ngx_int_t   rc;
    ngx_uint_t  n;

    if (run->stepping || run->waiting
        || (ngx_msec_int_t) (ngx_current_msec - run->wait) < 0)
    {
        return;
    }

    run->stepping = 1;

    for (n = 0; n < NGX_LLMOPS_RUN_TURN; n++) {

        if (ngx_llmops_evaluation_old(run)) {
            run->back = run->state;
            run->state = NGX_LLMOPS_RUN_HEAD;
        }

        rc = ngx_llmops_run_steps[run->state](run);

        if (rc == NGX_DONE) {
            ngx_llmops_evaluation_free(run);
            return;
        }

        if (rc == NGX_AGAIN) {
            break;
        }
    }

    run->stepping = 0;

    /* after a whole turn the next tick goes on: others want to be served */
}


/*
 * Whether others may soon take it for one that nobody runs.  To read a dataset
 * and to check it takes longer than a claim holds, if it is large: of two
 * gateways each would take it from the other for ever.  One that is running
 * says that it is alive when it writes its results.  Not between a question to
 * the store and its answer, which is in run->op.
 */

static ngx_uint_t
ngx_llmops_evaluation_old(ngx_llmops_evaluation_run_t *run)
{
    if (run->running
        || (ngx_msec_int_t) (ngx_current_msec - run->alive)
           < NGX_LLMOPS_EVAL_FLUSH)
    {
        return 0;
    }

    switch (run->state) {

    case NGX_LLMOPS_RUN_SPEC:
    case NGX_LLMOPS_RUN_PROMPTS:
    case NGX_LLMOPS_RUN_DATA:
    case NGX_LLMOPS_RUN_FILE:
    case NGX_LLMOPS_RUN_SAMPLES:
    case NGX_LLMOPS_RUN_SAMPLED:
    case NGX_LLMOPS_RUN_CHECK:
    case NGX_LLMOPS_RUN_CHUNK:
        return 1;

    default:
        return 0;
    }
}


ngx_int_t
ngx_llmops_evaluation_op(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_docs_e docs)
{
    if (run->pool) {
        ngx_llmops_evaluation_over_op(run);
    }

    run->pool = ngx_create_pool(4096, ngx_cycle->log);
    if (run->pool == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&run->op, sizeof(ngx_llmops_docop_t));

    run->op.docs = docs;
    run->op.pool = run->pool;
    run->op.handler = ngx_llmops_evaluation_asked;
    run->op.data = run;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_evaluation_ask(ngx_llmops_evaluation_run_t *run,
    ngx_int_t (*call)(ngx_llmops_store_t *store, ngx_llmops_docop_t *op),
    ngx_llmops_run_state_e next)
{
    ngx_int_t               rc;
    ngx_llmops_run_state_e  state;

    state = run->state;
    run->state = next;

    rc = call(run->mcf->store, &run->op);

    if (rc == NGX_OK || rc == NGX_AGAIN) {
        run->waiting = (rc == NGX_AGAIN);
        return rc;
    }

    return ngx_llmops_evaluation_later(run, state);
}


static void
ngx_llmops_evaluation_asked(ngx_llmops_docop_t *op)
{
    ngx_llmops_evaluation_run_t *run = op->data;

    run->waiting = 0;

    ngx_llmops_evaluation_step(run);
}


static void
ngx_llmops_evaluation_over_op(ngx_llmops_evaluation_run_t *run)
{
    ngx_destroy_pool(run->pool);
    run->pool = NULL;
}


ngx_int_t
ngx_llmops_evaluation_later(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_run_state_e state)
{
    run->state = state;
    run->wait = ngx_current_msec + NGX_LLMOPS_EVAL_RETRY;

    return NGX_AGAIN;
}


ngx_int_t
ngx_llmops_evaluation_fail(ngx_llmops_evaluation_run_t *run,
    const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf((u_char *) run->error,
                      (u_char *) run->error + sizeof(run->error) - 1, fmt,
                      args);
    va_end(args);

    *p = '\0';

    run->stop = 1;
    run->failed_run = 1;

    /* one that is running has something under way in the store, perhaps */

    if (!run->running) {
        run->running = 1;
        run->state = NGX_LLMOPS_RUN_IDLE;
    }

    return NGX_OK;
}


/* nothing is written: who is left finds what is in the store */

void
ngx_llmops_evaluation_drop(ngx_llmops_evaluation_run_t *run)
{
    if (run->waiting) {
        ngx_llmops_store_forget(run->mcf->store, &run->op);
    }

    ngx_llmops_evaluation_free(run);
}


static void
ngx_llmops_evaluation_free(ngx_llmops_evaluation_run_t *run)
{
    ngx_uint_t                      i;
    ngx_queue_t                    *q;
    ngx_llmops_evaluation_task_t   *task;

    while (!ngx_queue_empty(&run->tasks)) {
        q = ngx_queue_head(&run->tasks);
        task = ngx_queue_data(q, ngx_llmops_evaluation_task_t, queue);

        ngx_llmops_evaluation_task_free(task);
    }

    ngx_llmops_run_samples_drop(run);

    for (i = 0; i < NGX_LLMOPS_EVAL_CANDIDATES; i++) {
        if (run->whom[i].asking) {
            ngx_llmops_prompt_asking_free(run->whom[i].asking);
        }

        if (run->whom[i].decorators) {
            ngx_free(run->whom[i].decorators);
        }
    }

    for (i = 0; i < run->nchunks; i++) {
        json_decref(run->chunks[i].cases);
    }

    if (run->fd != -1 && ngx_close_file(run->fd) == NGX_FILE_ERROR) {
        ngx_log_error(NGX_LOG_ALERT, ngx_cycle->log, ngx_errno,
                      ngx_close_file_n " of a dataset failed");
    }

    if (run->pool) {
        ngx_llmops_evaluation_over_op(run);
    }

    if (run->scorer) {
        ngx_llmops_scorer_free(run->scorer);
    }

    if (run->summary) {
        ngx_llmops_summary_free(run->summary);
    }

    ngx_llmops_dataset_free(&run->set);
    ngx_free(run->chunks);

    json_decref(run->spec_json);
    json_decref(run->doc);

    ngx_queue_remove(&run->queue);
    run->runner->nruns--;

    ngx_free(run);
}


ngx_uint_t
ngx_llmops_evaluation_held(ngx_llmops_main_conf_t *mcf, json_t *doc,
    const char *own)
{
    json_t      *runner;
    int64_t      until;
    const char  *by;

    runner = json_object_get(doc, "runner");
    until = json_integer_value(json_object_get(runner, "until"));
    by = json_string_value(json_object_get(runner, "by"));

    if (by == NULL || until <= ngx_llmops_store_now(mcf->store)) {
        return 0;
    }

    /* what this very process held before it began anew with it */

    if (own && ngx_strcmp(by, own) == 0) {
        return 0;
    }

    return !ngx_llmops_evaluation_dead(mcf, by);
}


/*
 * A worker of this nginx that has been killed is known to be gone at once, and
 * so is any other nginx, if there can be none: who has written in this memory,
 * or in the directory of llm_state, has been stopped.
 */

static ngx_uint_t
ngx_llmops_evaluation_dead(ngx_llmops_main_conf_t *mcf, const char *by)
{
    char                          own[NGX_LLMOPS_EVAL_BY];
    size_t                        len;
    ngx_int_t                     pid;
    ngx_llmops_evaluations_sh_t  *sh;

    sh = mcf->evaluations ? ((ngx_llmops_evaluations_t *) mcf->evaluations)->sh
                          : NULL;

    if (sh == NULL || sh->id == 0) {
        return 0;
    }

    len = ngx_sprintf((u_char *) own, "%016xL-", (int64_t) sh->id)
          - (u_char *) own;

    if (ngx_strncmp(by, own, len) != 0) {
        return mcf->store->engine == mcf->store->local;
    }

    pid = ngx_atoi((u_char *) by + len, ngx_strlen(by) - len);

    return pid > 0 && kill((pid_t) pid, 0) == -1 && ngx_errno == NGX_ESRCH;
}
