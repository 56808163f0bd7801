
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"


/*
 * Evaluations on demand.  Who runs one, and what if he dies?
 *
 * An evaluation is documents in the store.  Its head says what it is, how far
 * it has come, what it has cost, and who runs it until when; beside it lie the
 * specification, the cases (unless they are a file), and results by pieces of
 * EVAL_CHUNK cases.  Any worker that answers the admin API writes a new head
 * and reads what is there; progress is what the head says, so that it is the
 * same on every worker and gateway, at most EVAL_FLUSH old.
 *
 * Worker 0 of any nginx with this store runs them.  It claims one by putting
 * its name and a time into the head, in the place of the revision that it has
 * read: of two that claim at once the store refuses one.  Once a second it
 * writes first the results that are new, then the head, with a later time.
 * Whoever finds a head whose time has passed, or whose owner was a process of
 * this nginx that is gone, claims it: reads the pieces, adds them up anew, and
 * asks for the cases that are not there.  So a reload, a killed worker and a
 * lost machine cost the answers of the last second, which are asked again, and
 * what they cost in money is then the only thing that nobody knows of.  Nothing
 * is counted twice, since sums are always those of the pieces that are kept.
 *
 * The owner notices that it is none any more when its next head is refused.  It
 * has written results by then, perhaps, in the place of revisions that it knew:
 * those of somebody else are never overwritten, they win.  Without a store it
 * asks nobody after the time that it has claimed for.
 *
 * Cancelling, a person's verdict and removing are new heads, too, written by
 * who is asked to; the owner reads them when the kind's revision has changed.
 * What has to be added up anew after a verdict is done by whoever claims the
 * head then, as above, without a case to ask for.  What is removed is hidden at
 * once, and swept piece by piece.
 *
 * Callers must not suffer: an evaluation is detached requests that may take
 * half of the bounds of llm_detached, at most "concurrency" of one and of all
 * runs; texts are scored one at a time, between other events; datasets are read
 * and checked by pieces.  All is bounded: see the head of
 * ngx_llmops_evaluate.h.
 */


#define NGX_LLMOPS_LOOK_PERIOD  300        /* ms between two looks, at least */
#define NGX_LLMOPS_LOOK_ALWAYS  1000       /* ms between two, at the most */
#define NGX_LLMOPS_LOOK_PAGE    32


static void ngx_llmops_evaluations_tick(ngx_event_t *ev);
static void ngx_llmops_evaluations_steps(
    ngx_llmops_evaluation_runner_t *runner);
static void ngx_llmops_evaluations_leave(
    ngx_llmops_evaluation_runner_t *runner);
static void ngx_llmops_evaluations_look(
    ngx_llmops_evaluation_runner_t *runner, ngx_str_t *cursor);
static void ngx_llmops_evaluations_found(ngx_llmops_docop_t *op);
static void ngx_llmops_evaluations_one(ngx_llmops_evaluation_runner_t *runner,
    ngx_llmops_doc_t *found);
static ngx_uint_t ngx_llmops_evaluations_runs(
    ngx_llmops_evaluation_runner_t *runner, const char *id);
static ngx_uint_t ngx_llmops_evaluations_ended(
    ngx_llmops_evaluation_runner_t *runner, ngx_llmops_doc_t *found);
static ngx_uint_t ngx_llmops_evaluations_has(ngx_str_t *value,
    const char *text);
static int64_t ngx_llmops_evaluations_number(ngx_str_t *value,
    const char *member);
static void ngx_llmops_evaluations_looked(
    ngx_llmops_evaluation_runner_t *runner);


ngx_int_t
ngx_llmops_evaluations_start(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf)
{
    ngx_str_t                        name = ngx_string("evaluations");
    ngx_llmops_evaluations_t        *evs;
    ngx_llmops_evaluation_runner_t  *runner;

    evs = mcf->evaluations;

    if (evs == NULL || mcf->store == NULL) {
        return NGX_OK;
    }

    evs->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_EVALUATIONS,
                                   &name, sizeof(ngx_llmops_evaluations_sh_t));

    ngx_llmops_evaluate_attach(mcf, evs);

    if (ngx_worker != 0 || evs->sh == NULL) {
        return NGX_OK;
    }

    /* the first worker 0 of all names this nginx, until it is stopped */

    (void) ngx_atomic_cmp_set(&evs->sh->id, 0,
                              ((ngx_atomic_uint_t) ngx_random() << 32
                               ^ (ngx_atomic_uint_t) ngx_random() << 8
                               ^ (ngx_atomic_uint_t) ngx_pid << 40
                               ^ (ngx_atomic_uint_t) ngx_time()) | 1);

    runner = ngx_pcalloc(cycle->pool, sizeof(ngx_llmops_evaluation_runner_t));
    if (runner == NULL) {
        return NGX_ERROR;
    }

    runner->mcf = mcf;
    runner->evs = evs;
    runner->look = ngx_current_msec;
    runner->seen = (uint64_t) -1;

    ngx_queue_init(&runner->runs);
    ngx_queue_init(&runner->seen_queue);

    (void) ngx_sprintf((u_char *) runner->by, "%016xL-%P%Z",
                       (int64_t) evs->sh->id, ngx_pid);

    runner->timer.handler = ngx_llmops_evaluations_tick;
    runner->timer.data = runner;
    runner->timer.log = cycle->log;
    runner->timer.cancelable = 1;

    if (ngx_llmops_evaluation_schedule_start(runner, cycle) != NGX_OK) {
        return NGX_ERROR;
    }

    evs->runner = runner;

    ngx_add_timer(&runner->timer, NGX_LLMOPS_EVAL_TICK);

    return NGX_OK;
}


void
ngx_llmops_evaluations_stop(ngx_llmops_main_conf_t *mcf)
{
    ngx_queue_t                     *q;
    ngx_llmops_evaluations_t        *evs;
    ngx_llmops_evaluation_runner_t  *runner;

    evs = mcf->evaluations;

    if (evs == NULL || evs->runner == NULL) {
        return;
    }

    runner = evs->runner;
    evs->runner = NULL;

    if (runner->timer.timer_set) {
        ngx_del_timer(&runner->timer);
    }

    /* what can be written at once is */

    ngx_llmops_evaluations_leave(runner);
    ngx_llmops_evaluations_steps(runner);

    while (!ngx_queue_empty(&runner->runs)) {
        q = ngx_queue_head(&runner->runs);

        ngx_llmops_evaluation_drop(ngx_queue_data(q,
                                          ngx_llmops_evaluation_run_t, queue));
    }

    ngx_llmops_evaluation_schedule_stop(runner);
    ngx_llmops_evaluation_compare_stop(runner);

    if (runner->pool) {
        ngx_llmops_store_forget(mcf->store, &runner->op);
        ngx_destroy_pool(runner->pool);
        runner->pool = NULL;
    }

    ngx_llmops_evaluations_sweep_stop(runner);
}


static void
ngx_llmops_evaluations_tick(ngx_event_t *ev)
{
    ngx_str_t                        start = ngx_null_string;
    ngx_llmops_evaluation_runner_t  *runner = ev->data;

    ngx_add_timer(ev, NGX_LLMOPS_EVAL_TICK);

    if (ngx_exiting) {
        ngx_llmops_evaluations_leave(runner);
    }

    ngx_llmops_evaluations_steps(runner);

    /* the next worker 0 is there already */

    if (ngx_exiting) {
        return;
    }

    runner->evs->sh->running = runner->nruns;

    ngx_llmops_evaluation_schedule_tick(runner);
    ngx_llmops_evaluations_sweep(runner);
    ngx_llmops_evaluations_look(runner, &start);
}


static void
ngx_llmops_evaluations_steps(ngx_llmops_evaluation_runner_t *runner)
{
    ngx_queue_t  *q, *next;

    for (q = ngx_queue_head(&runner->runs);
         q != ngx_queue_sentinel(&runner->runs);
         q = next)
    {
        next = ngx_queue_next(q);

        ngx_llmops_evaluation_step(ngx_queue_data(q,
                                          ngx_llmops_evaluation_run_t, queue));
    }
}


/* who is under way is given up; what is there is written, and nobody holds it
   any more */

static void
ngx_llmops_evaluations_leave(ngx_llmops_evaluation_runner_t *runner)
{
    ngx_queue_t                  *q, *next;
    ngx_llmops_evaluation_run_t  *run;

    for (q = ngx_queue_head(&runner->runs);
         q != ngx_queue_sentinel(&runner->runs);
         q = next)
    {
        next = ngx_queue_next(q);
        run = ngx_queue_data(q, ngx_llmops_evaluation_run_t, queue);

        run->leaving = 1;
        run->stop = 1;

        ngx_llmops_evaluation_abandon(run);

        if (!run->running) {
            ngx_llmops_evaluation_drop(run);
        }
    }
}


/* -- what there is to do -------------------------------------------------- */

static void
ngx_llmops_evaluations_look(ngx_llmops_evaluation_runner_t *runner,
    ngx_str_t *cursor)
{
    uint64_t         revision;
    ngx_int_t        rc;
    ngx_msec_int_t   late;

    if (runner->pool && cursor->len == 0) {
        return;
    }

    if (cursor->len == 0) {

        late = (ngx_msec_int_t) (ngx_current_msec - runner->look);
        revision = ngx_llmops_store_revision(runner->mcf->store,
                                             NGX_LLMOPS_DOCS_EVALUATIONS);

        if (late < 0
            || (revision == runner->seen && late < NGX_LLMOPS_LOOK_ALWAYS)
            || !ngx_llmops_store_up(runner->mcf->store))
        {
            return;
        }

        runner->seen = revision;
        runner->kept = 0;
        runner->oldest[0] = '\0';
        runner->pool = ngx_create_pool(4096, ngx_cycle->log);

        if (runner->pool == NULL) {
            return;
        }
    }

    ngx_memzero(&runner->op, sizeof(ngx_llmops_docop_t));

    runner->op.docs = NGX_LLMOPS_DOCS_EVALUATIONS;
    runner->op.id = *cursor;
    runner->op.max = NGX_LLMOPS_LOOK_PAGE;
    runner->op.pool = runner->pool;
    runner->op.handler = ngx_llmops_evaluations_found;
    runner->op.data = runner;

    rc = ngx_llmops_store_list(runner->mcf->store, &runner->op);

    if (rc == NGX_OK) {
        ngx_llmops_evaluations_found(&runner->op);

    } else if (rc != NGX_AGAIN) {
        runner->op.rc = NGX_ERROR;
        ngx_llmops_evaluations_looked(runner);
    }
}


static void
ngx_llmops_evaluations_found(ngx_llmops_docop_t *op)
{
    ngx_str_t                        next;
    ngx_uint_t                       i;
    ngx_pool_t                      *pool;
    ngx_llmops_doc_t                *found;
    ngx_llmops_evaluation_runner_t  *runner = op->data;

    if (op->rc != NGX_OK) {
        ngx_llmops_evaluations_looked(runner);
        return;
    }

    found = op->list.elts;

    for (i = 0; i < op->list.nelts; i++) {
        ngx_llmops_evaluations_one(runner, &found[i]);
    }

    if (op->next.len == 0) {
        ngx_llmops_evaluations_looked(runner);
        return;
    }

    /* a page's memory is not kept for the next one */

    pool = runner->pool;
    runner->pool = ngx_create_pool(4096, ngx_cycle->log);

    next.len = op->next.len;
    next.data = runner->pool ? ngx_pstrdup(runner->pool, &op->next) : NULL;

    ngx_destroy_pool(pool);

    if (next.data == NULL) {
        op->rc = NGX_ERROR;
        ngx_llmops_evaluations_looked(runner);
        return;
    }

    ngx_llmops_evaluations_look(runner, &next);
}


static void
ngx_llmops_evaluations_one(ngx_llmops_evaluation_runner_t *runner,
    ngx_llmops_doc_t *found)
{
    json_t      *doc;
    const char  *id, *status;

    if (!ngx_llmops_evaluation_is_id(&found->id)) {
        return;
    }

    if (!runner->told
        && ngx_llmops_evaluations_has(&found->value,
                                      "\"status\":\"completed\""))
    {
        ngx_llmops_evaluation_told_again(runner, &found->value);
    }

    if (ngx_llmops_evaluations_ended(runner, found)) {
        return;
    }

    doc = ngx_llmops_evaluation_load(&found->value);
    id = json_string_value(json_object_get(doc, "id"));
    status = json_string_value(json_object_get(doc, "status"));

    if (id == NULL || status == NULL
        || ngx_llmops_evaluations_runs(runner, id)
        || ngx_llmops_evaluation_held(runner->mcf, doc, runner->by))
    {
        json_decref(doc);
        return;
    }

    if (ngx_llmops_evaluation_is(doc, "deleted")) {
        ngx_llmops_evaluations_remove(runner, id,
                               json_integer_value(json_object_get(doc,
                                                                  "cases")));

    } else if (runner->nruns < NGX_LLMOPS_EVAL_TASKS) {
        ngx_llmops_evaluation_run(runner, doc, found->revision);
        return;
    }

    json_decref(doc);
}


static ngx_uint_t
ngx_llmops_evaluations_runs(ngx_llmops_evaluation_runner_t *runner,
    const char *id)
{
    ngx_queue_t                  *q;
    ngx_llmops_evaluation_run_t  *run;

    for (q = ngx_queue_head(&runner->runs);
         q != ngx_queue_sentinel(&runner->runs);
         q = ngx_queue_next(q))
    {
        run = ngx_queue_data(q, ngx_llmops_evaluation_run_t, queue);

        if (ngx_strcmp(run->id, id) == 0) {
            return 1;
        }
    }

    return 0;
}


/*
 * Whether it has ended, and nothing is to be done about it, as most have: that
 * is seen in the text, which jansson has written, and in which no string can
 * look like a member.  The oldest one goes when it is too old, or they are too
 * many: one at each look.
 */

static ngx_uint_t
ngx_llmops_evaluations_ended(ngx_llmops_evaluation_runner_t *runner,
    ngx_llmops_doc_t *found)
{
    int64_t  ended;
    u_char   id[NGX_LLMOPS_EVAL_ID + 1];

    if (!ngx_llmops_evaluations_has(&found->value, "\"status\":\"completed\"")
        && !ngx_llmops_evaluations_has(&found->value,
                                       "\"status\":\"failed\"")
        && !ngx_llmops_evaluations_has(&found->value,
                                       "\"status\":\"cancelled\""))
    {
        return 0;
    }

    if (ngx_llmops_evaluations_has(&found->value, "\"recount\":true")) {
        return 0;
    }

    ended = ngx_llmops_evaluations_number(&found->value, "\"ended\":");

    ngx_memcpy(id, found->id.data, NGX_LLMOPS_EVAL_ID);
    id[NGX_LLMOPS_EVAL_ID] = '\0';

    runner->kept++;

    if (runner->oldest[0] == '\0' || ended < runner->oldest_ended) {
        runner->oldest_ended = ended;
        runner->oldest_cases = ngx_llmops_evaluations_number(&found->value,
                                                             "\"cases\":");
        ngx_cpystrn((u_char *) runner->oldest, id, sizeof(runner->oldest));
    }

    return 1;
}


static ngx_uint_t
ngx_llmops_evaluations_has(ngx_str_t *value, const char *text)
{
    return ngx_strnstr(value->data, (char *) text, value->len) != NULL;
}


static int64_t
ngx_llmops_evaluations_number(ngx_str_t *value, const char *member)
{
    u_char   *p, *last;
    int64_t   n;

    n = 0;
    last = value->data + value->len;
    p = ngx_strnstr(value->data, (char *) member, value->len);

    if (p == NULL) {
        return 0;
    }

    for (p += ngx_strlen(member); p < last && *p >= '0' && *p <= '9'; p++) {
        n = n * 10 + (*p - '0');
    }

    return n;
}


static void
ngx_llmops_evaluations_looked(ngx_llmops_evaluation_runner_t *runner)
{
    runner->look = ngx_current_msec + NGX_LLMOPS_LOOK_PERIOD;

    if (runner->pool) {
        ngx_destroy_pool(runner->pool);
        runner->pool = NULL;
    }

    if (runner->op.rc != NGX_OK) {
        return;
    }

    runner->told = 1;

    if (runner->oldest[0] == '\0') {
        return;
    }

    if (runner->kept > runner->evs->max
        || runner->oldest_ended + (int64_t) runner->evs->keep
           < ngx_llmops_store_now(runner->mcf->store) / 1000)
    {
        ngx_llmops_evaluations_remove(runner, runner->oldest,
                                      runner->oldest_cases);
    }
}
