
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout_run.h"


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


typedef struct {
    ngx_llmops_main_conf_t    *mcf;
    ngx_event_t                timer;
    unsigned                   down:1;     /* the store */
} ngx_llmops_rollout_runner_t;


static void ngx_llmops_rollout_tick(ngx_event_t *ev);
static void ngx_llmops_rollout_up(ngx_llmops_rollout_runner_t *runner);
static void ngx_llmops_rollout_run(ngx_llmops_rollout_run_t *run);


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

    ngx_llmops_rollout_evaluated_start(rollouts);

    ro = rollouts->rollouts.elts;

    for (i = 0; i < rollouts->rollouts.nelts; i++) {

        ngx_llmops_rollout_attach(mcf, ro[i]);
        ngx_llmops_rollout_cut_init(ro[i]);
        ngx_llmops_rollout_rules(mcf, ro[i]);

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

    ngx_llmops_rollout_evaluated_stop(mcf);
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
