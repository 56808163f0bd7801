
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"

#include <math.h>


/*
 * Worker 0: decisions.  Several times a second it looks whether a document has
 * changed, and shows it to all workers; and whether a guard is broken, or a
 * step is over, and then writes the document anew, in the place of the revision
 * that the decision was made for.
 *
 * A decision is a function of the document and of counters that belong to its
 * epoch.  It is made when it is in the store, and not before: who dies earlier
 * has decided nothing, and the next worker 0 sees the same counters; who dies
 * later has decided, and the next one reads a document of which it is no longer
 * true.  Of two gateways that decide at once the second is refused by the
 * store, and reads what the first has made.
 *
 * While the store cannot be asked nothing is decided, and the word stays as it
 * is.
 */


#define NGX_LLMOPS_ROLLOUT_TICK    50      /* ms */
#define NGX_LLMOPS_ROLLOUT_RETRY   500     /* ms: the store has failed */
#define NGX_LLMOPS_ROLLOUT_TEXT    256
#define NGX_LLMOPS_ROLLOUT_UNSEEN  ((uint64_t) -1)


/* of one rollout, in worker 0 */

struct ngx_llmops_rollout_run_s {
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_rollout_t      *ro;
    ngx_llmops_docop_t         op;
    ngx_pool_t                *pool;       /* of op, or NULL */
    json_t                    *json;       /* the document, NULL: not read */
    uint64_t                   revision;   /* of it */
    uint64_t                   seen;       /* the store's, when it was read */
    json_t                    *next;       /* being put */
    json_t                    *entry;      /* of its history, borrowed */
    ngx_llmops_rollout_action_e  action;
    ngx_msec_t                 wait;       /* ngx_current_msec: not before */
    unsigned                   waiting:1;
    unsigned                   shown:1;    /* a document, by this process */
    unsigned                   quiet:1;    /* what is put is no decision */
};


typedef struct {
    ngx_llmops_main_conf_t    *mcf;
    ngx_event_t                timer;
    unsigned                   down:1;     /* the store */
} ngx_llmops_rollout_runner_t;


static void ngx_llmops_rollout_tick(ngx_event_t *ev);
static void ngx_llmops_rollout_up(ngx_llmops_rollout_runner_t *runner);
static void ngx_llmops_rollout_run(ngx_llmops_rollout_run_t *run);
static ngx_int_t ngx_llmops_rollout_op(ngx_llmops_rollout_run_t *run,
    ngx_llmops_doc_pt handler);
static void ngx_llmops_rollout_over(ngx_llmops_rollout_run_t *run);
static void ngx_llmops_rollout_later(ngx_llmops_rollout_run_t *run);

static void ngx_llmops_rollout_read(ngx_llmops_rollout_run_t *run);
static void ngx_llmops_rollout_read_done(ngx_llmops_docop_t *op);
static void ngx_llmops_rollout_create(ngx_llmops_rollout_run_t *run);
static void ngx_llmops_rollout_show(ngx_llmops_rollout_run_t *run,
    ngx_llmops_rollout_doc_t *doc);
static void ngx_llmops_rollout_unreadable(ngx_llmops_rollout_run_t *run);

static void ngx_llmops_rollout_decide(ngx_llmops_rollout_run_t *run);
static ngx_int_t ngx_llmops_rollout_broken(ngx_llmops_rollout_run_t *run,
    uint32_t epoch);
static void ngx_llmops_rollout_reason(ngx_llmops_rollout_t *ro, ngx_uint_t i,
    ngx_str_t *reason);
static void ngx_llmops_rollout_apply(ngx_llmops_rollout_run_t *run,
    ngx_llmops_rollout_action_e action, const char *by, ngx_str_t *reason,
    json_t *figures);
static void ngx_llmops_rollout_put(ngx_llmops_rollout_run_t *run,
    uint64_t expected);
static void ngx_llmops_rollout_put_done(ngx_llmops_docop_t *op);


ngx_int_t
ngx_llmops_rollouts_start(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t               i;
    ngx_llmops_rollout_t   **ro;
    ngx_llmops_rollouts_t   *rollouts;

    rollouts = mcf->rollouts;

    if (rollouts == NULL) {
        return NGX_OK;
    }

    ro = rollouts->rollouts.elts;

    for (i = 0; i < rollouts->rollouts.nelts; i++) {

        ngx_llmops_rollout_attach(mcf, ro[i]);

        if (ro[i]->sh == NULL) {
            ngx_log_error(NGX_LOG_ERR, cycle->log, 0,
                          "llm canary \"%V\" of route \"%V\" has no room in "
                          "llm_zone, it gets no requests", &ro[i]->candidate,
                          &ro[i]->route->name);
        }

        if (ro[i]->webhook) {
            ngx_llmops_rollout_webhook(ro[i]);
        }
    }

    if (ngx_worker != 0) {
        return NGX_OK;
    }

    if (ngx_llmops_rollout_run_start(cycle, mcf) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_rollout_fleet_start(cycle, mcf);
}


void
ngx_llmops_rollouts_stop(ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t               i;
    ngx_llmops_rollout_t   **ro;
    ngx_llmops_rollouts_t   *rollouts;

    rollouts = mcf->rollouts;

    if (rollouts == NULL) {
        return;
    }

    ngx_llmops_rollout_fleet_stop(mcf);
    ngx_llmops_rollout_run_stop(mcf);

    ro = rollouts->rollouts.elts;

    for (i = 0; i < rollouts->rollouts.nelts; i++) {
        if (ro[i]->webhook) {
            ngx_llmops_webhook_stop(ro[i]->webhook);
        }
    }
}


ngx_int_t
ngx_llmops_rollout_run_start(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                     i;
    ngx_llmops_rollout_t         **ro;
    ngx_llmops_rollouts_t         *rollouts;
    ngx_llmops_rollout_run_t      *run;
    ngx_llmops_rollout_runner_t   *runner;

    rollouts = mcf->rollouts;
    ro = rollouts->rollouts.elts;

    runner = ngx_pcalloc(cycle->pool, sizeof(ngx_llmops_rollout_runner_t));
    run = ngx_pcalloc(cycle->pool, rollouts->rollouts.nelts
                                   * sizeof(ngx_llmops_rollout_run_t));

    if (runner == NULL || run == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < rollouts->rollouts.nelts; i++) {
        run[i].mcf = mcf;
        run[i].ro = ro[i];

        ro[i]->run = (ro[i]->sh != NULL) ? &run[i] : NULL;
    }

    runner->mcf = mcf;
    runner->timer.handler = ngx_llmops_rollout_tick;
    runner->timer.data = runner;
    runner->timer.log = cycle->log;
    runner->timer.cancelable = 1;

    rollouts->runner = runner;

    ngx_add_timer(&runner->timer, 1);

    return NGX_OK;
}


void
ngx_llmops_rollout_run_stop(ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                     i;
    ngx_llmops_rollout_t         **ro;
    ngx_llmops_rollouts_t         *rollouts;
    ngx_llmops_rollout_run_t      *run;
    ngx_llmops_rollout_runner_t   *runner;

    rollouts = mcf->rollouts;
    runner = rollouts->runner;

    if (runner && runner->timer.timer_set) {
        ngx_del_timer(&runner->timer);
    }

    ro = rollouts->rollouts.elts;

    for (i = 0; i < rollouts->rollouts.nelts; i++) {

        run = ro[i]->run;

        if (run == NULL) {
            continue;
        }

        if (run->pool) {
            ngx_llmops_store_forget(mcf->store, &run->op);
            ngx_llmops_rollout_over(run);
        }

        json_decref(run->next);
        json_decref(run->json);

        run->next = NULL;
        run->json = NULL;
        ro[i]->run = NULL;
    }
}


static void
ngx_llmops_rollout_tick(ngx_event_t *ev)
{
    ngx_uint_t                     i;
    ngx_llmops_rollout_t         **ro;
    ngx_llmops_rollouts_t         *rollouts;
    ngx_llmops_rollout_runner_t   *runner = ev->data;

    /* the next worker 0 is there already */

    if (ngx_exiting) {
        return;
    }

    ngx_add_timer(ev, NGX_LLMOPS_ROLLOUT_TICK);

    ngx_llmops_rollout_up(runner);

    rollouts = runner->mcf->rollouts;
    ro = rollouts->rollouts.elts;

    for (i = 0; i < rollouts->rollouts.nelts; i++) {
        if (ro[i]->run) {
            ro[i]->sh->stale = runner->down;
            ngx_llmops_rollout_run(ro[i]->run);
        }
    }
}


static void
ngx_llmops_rollout_up(ngx_llmops_rollout_runner_t *runner)
{
    ngx_uint_t           down;
    ngx_llmops_store_t  *store;

    store = runner->mcf->store;
    down = !ngx_llmops_store_up(store);

    if (down == runner->down) {
        return;
    }

    runner->down = down;

    if (down) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "llm canaries stay as they are, %V cannot be asked",
                      &store->engine->name);

    } else {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "llm canaries go on, %V can be asked",
                      &store->engine->name);
    }
}


static void
ngx_llmops_rollout_run(ngx_llmops_rollout_run_t *run)
{
    if (run->pool
        || (run->waiting
            && (ngx_msec_int_t) (ngx_current_msec - run->wait) < 0))
    {
        return;
    }

    run->waiting = 0;

    if (run->json == NULL
        || run->seen != ngx_llmops_store_revision(run->mcf->store,
                                                  NGX_LLMOPS_DOCS_ROLLOUTS))
    {
        ngx_llmops_rollout_read(run);
        return;
    }

    if (!run->ro->sh->stale) {
        ngx_llmops_rollout_decide(run);
    }
}


/* -- operations ----------------------------------------------------------- */

/* makes op ready, with a pool of its own; NGX_ERROR: not now */

static ngx_int_t
ngx_llmops_rollout_op(ngx_llmops_rollout_run_t *run,
    ngx_llmops_doc_pt handler)
{
    run->pool = ngx_create_pool(4096, ngx_cycle->log);

    if (run->pool == NULL) {
        ngx_llmops_rollout_later(run);
        return NGX_ERROR;
    }

    ngx_memzero(&run->op, sizeof(ngx_llmops_docop_t));

    run->op.docs = NGX_LLMOPS_DOCS_ROLLOUTS;
    run->op.id = run->ro->id;
    run->op.pool = run->pool;
    run->op.handler = handler;
    run->op.data = run;

    return NGX_OK;
}


static void
ngx_llmops_rollout_over(ngx_llmops_rollout_run_t *run)
{
    ngx_destroy_pool(run->pool);
    run->pool = NULL;
}


static void
ngx_llmops_rollout_later(ngx_llmops_rollout_run_t *run)
{
    run->waiting = 1;
    run->wait = ngx_current_msec + NGX_LLMOPS_ROLLOUT_RETRY;
}


static void
ngx_llmops_rollout_read(ngx_llmops_rollout_run_t *run)
{
    ngx_int_t  rc;

    if (ngx_llmops_rollout_op(run, ngx_llmops_rollout_read_done) != NGX_OK) {
        return;
    }

    /* before the question: a change in between is seen at the next tick */

    run->seen = ngx_llmops_store_revision(run->mcf->store,
                                          NGX_LLMOPS_DOCS_ROLLOUTS);

    rc = ngx_llmops_store_get(run->mcf->store, &run->op);

    if (rc == NGX_OK) {
        ngx_llmops_rollout_read_done(&run->op);

    } else if (rc != NGX_AGAIN) {
        ngx_llmops_rollout_over(run);
        ngx_llmops_rollout_later(run);
    }
}


static void
ngx_llmops_rollout_read_done(ngx_llmops_docop_t *op)
{
    json_t                    *json;
    ngx_int_t                  rc;
    uint64_t                   revision;
    ngx_llmops_rollout_doc_t   doc;
    ngx_llmops_rollout_run_t  *run = op->data;

    rc = op->rc;
    revision = op->doc.revision;

    json = (rc == NGX_OK) ? ngx_llmops_rollout_doc_load(&op->doc.value)
                          : NULL;

    ngx_llmops_rollout_over(run);

    if (json) {
        json_decref(run->json);
        run->json = json;
        run->revision = revision;

        ngx_llmops_rollout_show(run, &doc);
        return;
    }

    if (rc == NGX_DECLINED) {
        ngx_llmops_rollout_create(run);
        return;
    }

    if (rc == NGX_OK) {
        run->revision = revision;
        ngx_llmops_rollout_unreadable(run);
    }

    run->seen = NGX_LLMOPS_ROLLOUT_UNSEEN;   /* it is read again */

    ngx_llmops_rollout_later(run);
}


/* to all workers; what the process before this one has shown may be of a store
   that is no longer in use */

static void
ngx_llmops_rollout_show(ngx_llmops_rollout_run_t *run,
    ngx_llmops_rollout_doc_t *doc)
{
    ngx_llmops_rollout_doc_get(run->json, doc);

    ngx_llmops_rollout_publish(run->mcf, run->ro, doc, run->revision,
                               !run->shown);
    run->shown = 1;
}


static void
ngx_llmops_rollout_unreadable(ngx_llmops_rollout_run_t *run)
{
    ngx_llmops_rollout_doc_t  doc;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "the document of llm canary \"%V\" of route \"%V\" cannot "
                  "be read, the candidate gets no requests",
                  &run->ro->candidate, &run->ro->route->name);

    ngx_memzero(&doc, sizeof(ngx_llmops_rollout_doc_t));

    doc.state = NGX_LLMOPS_ROLLOUT_ROLLED_BACK;

    ngx_llmops_rollout_publish(run->mcf, run->ro, &doc, run->revision, 1);
}


/*
 * There is none.  If the workers have been shown one, the store has lost it, or
 * is another one since a reload: a candidate that was taken back must not begin
 * anew for that.  It is put back as it was, with what is known of its history.
 */

static void
ngx_llmops_rollout_create(ngx_llmops_rollout_run_t *run)
{
    ngx_atomic_uint_t         word;
    ngx_llmops_rollout_doc_t  doc;

    word = run->ro->sh->word;

    run->shown = 0;                          /* revisions begin anew */
    run->quiet = (word != 0);
    run->action = NGX_LLMOPS_ROLLOUT_START;

    if (run->json && word) {
        run->next = json_deep_copy(run->json);

    } else {
        run->next = ngx_llmops_rollout_doc_new(&run->ro->route->name,
                                               &run->ro->candidate,
                                      ngx_llmops_store_now(run->mcf->store));
    }

    if (run->next && word) {
        doc.state = ngx_llmops_rollout_state(word);
        doc.step = ngx_llmops_rollout_step(word);
        doc.epoch = ngx_llmops_rollout_epoch(word);
        doc.since = (int64_t) run->ro->sh->since;

        if (ngx_llmops_rollout_doc_set(run->next, &doc) != NGX_OK) {
            json_decref(run->next);
            run->next = NULL;
        }
    }

    run->entry = json_array_get(json_object_get(run->next, "history"), 0);

    ngx_llmops_rollout_put(run, NGX_LLMOPS_REVISION_NONE);
}


/* -- decisions ------------------------------------------------------------ */

static void
ngx_llmops_rollout_decide(ngx_llmops_rollout_run_t *run)
{
    int64_t                    now;
    ngx_int_t                  broken;
    ngx_str_t                  reason;
    u_char                     text[NGX_LLMOPS_ROLLOUT_TEXT];
    ngx_llmops_rollout_t      *ro;
    ngx_llmops_guard_seen_t    seen;
    ngx_llmops_rollout_doc_t   doc;

    ro = run->ro;

    ngx_llmops_rollout_doc_get(run->json, &doc);

    if ((uint32_t) ro->sh->counted != doc.epoch) {
        ngx_llmops_rollout_show(run, &doc);
    }

    if (doc.state == NGX_LLMOPS_ROLLOUT_PROMOTED
        || doc.state == NGX_LLMOPS_ROLLOUT_ROLLED_BACK
        || (uint32_t) ro->sh->counted != doc.epoch)
    {
        return;
    }

    broken = ngx_llmops_rollout_broken(run, doc.epoch);

    reason.data = text;

    if (broken != NGX_DECLINED) {
        ngx_llmops_rollout_reason(ro, broken, &reason);
        ngx_llmops_rollout_apply(run, NGX_LLMOPS_ROLLOUT_ROLLBACK, "guard",
                                 &reason,
                                 ngx_llmops_rollout_figures(ro, broken));
        return;
    }

    ngx_memzero(&seen, sizeof(ngx_llmops_guard_seen_t));

    seen.arm[0].n = (double) ro->sh->requests[0];
    seen.arm[1].n = (double) ro->sh->requests[1];

    ngx_llmops_rollout_fleet_add(run->mcf, ro, NGX_LLMOPS_ROLLOUT_GUARDS,
                                 doc.epoch, &seen);

    ro->sh->seen[0] = (ngx_atomic_uint_t) seen.arm[0].n;
    ro->sh->seen[1] = (ngx_atomic_uint_t) seen.arm[1].n;

    now = ngx_llmops_store_now(run->mcf->store);

    if (doc.state != NGX_LLMOPS_ROLLOUT_RUNNING
        || now - doc.since < (int64_t) ro->hold
        || ro->sh->seen[1] < ro->min)
    {
        return;
    }

    reason.len = ngx_snprintf(text, NGX_LLMOPS_ROLLOUT_TEXT,
                              "%L s at this step with %uA requests of the "
                              "candidate, and no guard is broken",
                              (now - doc.since) / 1000, ro->sh->seen[1])
                 - text;

    ngx_llmops_rollout_apply(run, ro->manual ? NGX_LLMOPS_ROLLOUT_HOLD
                                             : NGX_LLMOPS_ROLLOUT_STEP,
                             "time", &reason, NULL);
}


/* the number of a guard that is broken, or NGX_DECLINED; its figures, and those
   of the others, are then in shared memory */

static ngx_int_t
ngx_llmops_rollout_broken(ngx_llmops_rollout_run_t *run, uint32_t epoch)
{
    double                          evidence;
    ngx_int_t                       broken;
    ngx_uint_t                      i, arm;
    ngx_llmops_rollout_t           *ro;
    ngx_llmops_guard_seen_t         seen;
    ngx_llmops_rollout_guard_sh_t  *sh;

    ro = run->ro;
    broken = NGX_DECLINED;

    for (i = 0; i < ro->nguards; i++) {

        sh = ro->guard_sh[i];

        ngx_llmops_rollout_seen(ro, i, &seen);
        ngx_llmops_rollout_fleet_add(run->mcf, ro, i, epoch, &seen);

        for (arm = 0; arm < 2; arm++) {
            sh->seen_n[arm] = (ngx_atomic_uint_t) seen.arm[arm].n;
            sh->seen_k[arm] = (ngx_atomic_uint_t) (seen.arm[arm].k
                                                 * NGX_LLMOPS_ROLLOUT_MICRO);
        }

        evidence = ngx_llmops_guard_evidence(&ro->guards[i], &seen);

        sh->evidence = (ngx_atomic_uint_t)
                           (fmax(fmin(evidence, 9e5), -9e5) * 1000 + 1e9);

        if (evidence >= ro->needed && broken == NGX_DECLINED) {
            broken = i;
        }
    }

    return broken;
}


static void
ngx_llmops_rollout_reason(ngx_llmops_rollout_t *ro, ngx_uint_t i,
    ngx_str_t *reason)
{
    double                          e;
    ngx_llmops_guard_t             *g;
    ngx_llmops_rollout_guard_sh_t  *sh;

    g = &ro->guards[i];
    sh = ro->guard_sh[i];

    if (g->mode == NGX_LLMOPS_GUARD_ROW) {
        reason->len = ngx_snprintf(reason->data, NGX_LLMOPS_ROLLOUT_TEXT,
                                   "%V is broken: %uA in a row", &g->text,
                                   sh->row)
                      - reason->data;
        return;
    }

    e = ((double) sh->evidence - 1e9) / 1000;

    reason->len = ngx_snprintf(reason->data, NGX_LLMOPS_ROLLOUT_TEXT,
                     "%V is broken: candidate %.1f of %uA, stable %.1f of "
                     "%uA, evidence %.0f of %.0f", &g->text,
                     (double) sh->seen_k[1] / NGX_LLMOPS_ROLLOUT_MICRO,
                     sh->seen_n[1],
                     (double) sh->seen_k[0] / NGX_LLMOPS_ROLLOUT_MICRO,
                     sh->seen_n[0], exp(fmin(e, 30)), exp(ro->needed))
                  - reason->data;
}


static void
ngx_llmops_rollout_apply(ngx_llmops_rollout_run_t *run,
    ngx_llmops_rollout_action_e action, const char *by, ngx_str_t *reason,
    json_t *figures)
{
    ngx_int_t    rc;
    ngx_str_t    who;
    const char  *error;

    who.data = (u_char *) by;
    who.len = ngx_strlen(by);

    run->action = action;
    run->next = json_deep_copy(run->json);

    if (run->next == NULL) {
        json_decref(figures);
        ngx_llmops_rollout_later(run);
        return;
    }

    rc = ngx_llmops_rollout_doc_apply(run->next, action, run->ro->nsteps,
                                      ngx_llmops_store_now(run->mcf->store),
                                      &who, reason, figures, &run->entry,
                                      &error);
    if (rc != NGX_OK) {
        json_decref(run->next);
        run->next = NULL;
        ngx_llmops_rollout_later(run);
        return;
    }

    ngx_llmops_rollout_put(run, run->revision);
}


static void
ngx_llmops_rollout_put(ngx_llmops_rollout_run_t *run, uint64_t expected)
{
    char       *text;
    ngx_int_t   rc;

    text = run->next ? json_dumps(run->next, JSON_COMPACT) : NULL;
    rc = NGX_ERROR;

    if (text
        && ngx_llmops_rollout_op(run, ngx_llmops_rollout_put_done) == NGX_OK)
    {
        run->op.expected = expected;
        run->op.value.len = ngx_strlen(text);
        run->op.value.data = ngx_pnalloc(run->pool, run->op.value.len);

        if (run->op.value.data) {
            ngx_memcpy(run->op.value.data, text, run->op.value.len);

            rc = ngx_llmops_store_put(run->mcf->store, &run->op);
        }
    }

    free(text);

    if (rc == NGX_OK) {
        ngx_llmops_rollout_put_done(&run->op);

    } else if (rc != NGX_AGAIN) {

        if (run->pool) {
            ngx_llmops_rollout_over(run);
        }

        json_decref(run->next);
        run->next = NULL;

        ngx_llmops_rollout_later(run);
    }
}


static void
ngx_llmops_rollout_put_done(ngx_llmops_docop_t *op)
{
    ngx_int_t                  rc;
    uint64_t                   revision;
    ngx_llmops_rollout_doc_t   doc;
    ngx_llmops_rollout_run_t  *run = op->data;

    rc = op->rc;
    revision = op->doc.revision;

    ngx_llmops_rollout_over(run);

    if (rc == NGX_OK) {
        json_decref(run->json);

        run->json = run->next;
        run->next = NULL;
        run->revision = revision;

        ngx_llmops_rollout_show(run, &doc);

        if (run->quiet) {
            run->quiet = 0;

            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "%V did not have llm canary \"%V\" of route "
                          "\"%V\", it is put back: %s",
                          &run->mcf->store->engine->name, &run->ro->candidate,
                          &run->ro->route->name,
                          ngx_llmops_rollout_state_names[doc.state]);
            return;
        }

        ngx_llmops_rollout_tell(run->ro, run->action, &doc, run->entry);

        return;
    }

    json_decref(run->next);
    run->next = NULL;

    if (rc == NGX_DECLINED) {

        /* somebody else was faster: what has he decided? */

        run->seen = NGX_LLMOPS_ROLLOUT_UNSEEN;
        run->quiet = 0;

        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "\"%s\" of llm canary \"%V\" of route \"%V\" cannot be "
                  "stored, it is tried again",
                  ngx_llmops_rollout_action_names[run->action],
                  &run->ro->candidate, &run->ro->route->name);

    ngx_llmops_rollout_later(run);
}
