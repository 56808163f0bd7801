
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout_run.h"

#include <math.h>


/* What is decided of a rollout, from its document and its counters; the head of
   ngx_llmops_rollout_run.c says when it holds. */


#define NGX_LLMOPS_ROLLOUT_TEXT    NGX_LLMOPS_ROLLOUT_REASON


static ngx_uint_t ngx_llmops_rollout_lacking(ngx_llmops_rollout_run_t *run);
static ngx_int_t ngx_llmops_rollout_broken(ngx_llmops_rollout_run_t *run,
    uint32_t epoch);
static void ngx_llmops_rollout_back(ngx_llmops_rollout_run_t *run,
    ngx_uint_t broken);
static void ngx_llmops_rollout_sum(ngx_llmops_rollout_run_t *run,
    uint32_t epoch);
static void ngx_llmops_rollout_reason(ngx_llmops_rollout_t *ro, ngx_uint_t i,
    ngx_str_t *reason);
static int64_t ngx_llmops_rollout_stable(ngx_llmops_rollout_run_t *run,
    ngx_str_t *reason);
static void ngx_llmops_rollout_apply(ngx_llmops_rollout_run_t *run,
    ngx_llmops_rollout_action_e action, const char *by, ngx_str_t *reason,
    json_t *figures, int64_t ill);


void
ngx_llmops_rollout_decide(ngx_llmops_rollout_run_t *run)
{
    u_char                     text[NGX_LLMOPS_ROLLOUT_TEXT];
    int64_t                    now;
    ngx_int_t                  broken;
    ngx_str_t                  reason;
    ngx_llmops_rollout_t      *ro;
    ngx_llmops_rollout_doc_t   doc;

    ro = run->ro;

    ngx_llmops_rollout_doc_get(run->json, &doc);

    if (!ngx_llmops_rollout_counts(ro, doc.epoch)) {
        ngx_llmops_rollout_show(run, &doc);
    }

    if (doc.state == NGX_LLMOPS_ROLLOUT_PROMOTED
        || doc.state == NGX_LLMOPS_ROLLOUT_ROLLED_BACK
        || !ngx_llmops_rollout_counts(ro, doc.epoch))
    {
        return;
    }

    broken = ngx_llmops_rollout_broken(run, doc.epoch);

    if (broken != NGX_DECLINED) {
        ngx_llmops_rollout_back(run, broken);
        return;
    }

    ngx_llmops_rollout_sum(run, doc.epoch);

    now = ngx_llmops_store_now(run->mcf->store);

    if (doc.state != NGX_LLMOPS_ROLLOUT_RUNNING
        || now - doc.since < (int64_t) ro->hold
        || ro->sh->seen[1] < ro->min
        || (!ro->manual && ngx_llmops_rollout_lacking(run)))
    {
        return;
    }

    reason.data = text;
    reason.len = ngx_snprintf(text, NGX_LLMOPS_ROLLOUT_TEXT,
                              "%L s at this step with %uA requests of the "
                              "candidate, and no guard is broken",
                              (now - doc.since) / 1000, ro->sh->seen[1])
                 - text;

    ngx_llmops_rollout_apply(run, ro->manual ? NGX_LLMOPS_ROLLOUT_HOLD
                                             : NGX_LLMOPS_ROLLOUT_STEP,
                             "time", &reason, NULL, 0);
}


static void
ngx_llmops_rollout_back(ngx_llmops_rollout_run_t *run, ngx_uint_t broken)
{
    u_char      text[NGX_LLMOPS_ROLLOUT_TEXT];
    int64_t     ill;
    ngx_str_t   reason;

    reason.data = text;

    ngx_llmops_rollout_reason(run->ro, broken, &reason);
    ill = ngx_llmops_rollout_stable(run, &reason);

    ngx_llmops_rollout_apply(run, NGX_LLMOPS_ROLLOUT_ROLLBACK, "guard",
                             &reason,
                             ngx_llmops_rollout_figures(run->ro, broken), ill);
}


/* how many requests both arms have had at this step, everywhere */

static void
ngx_llmops_rollout_sum(ngx_llmops_rollout_run_t *run, uint32_t epoch)
{
    ngx_llmops_rollout_t     *ro;
    ngx_llmops_guard_seen_t   seen;

    ro = run->ro;

    ngx_memzero(&seen, sizeof(ngx_llmops_guard_seen_t));

    seen.arm[0].n = (double) ro->sh->requests[0];
    seen.arm[1].n = (double) ro->sh->requests[1];

    ngx_llmops_rollout_fleet_add(run->mcf, ro, NGX_LLMOPS_ROLLOUT_GUARDS,
                                 epoch, &seen);

    ro->sh->seen[0] = (ngx_atomic_uint_t) seen.arm[0].n;
    ro->sh->seen[1] = (ngx_atomic_uint_t) seen.arm[1].n;
}


/* whether the next step waits for an evaluation, which is said once */

static ngx_uint_t
ngx_llmops_rollout_lacking(ngx_llmops_rollout_run_t *run)
{
    const ngx_str_t       *name;
    ngx_llmops_rollout_t  *ro;

    ro = run->ro;
    name = ngx_llmops_rollout_lacks(ro, run->json);

    if (name && !run->lacking) {
        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "llm canary \"%V\" of route \"%V\" stays at its step "
                      "until evaluation \"%V\" has passed", &ro->candidate,
                      &ro->route->name, name);
    }

    run->lacking = (name != NULL);

    return name != NULL;
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


/*
 * A candidate that is taken back leaves its callers to the stable arm.  Where
 * that breaks a bound itself, of this or of another guard, the route's
 * fallbacks come first for a while: until when, or 0.  What is looked at is
 * what the guards have been shown a moment ago.
 */

static int64_t
ngx_llmops_rollout_stable(ngx_llmops_rollout_run_t *run, ngx_str_t *reason)
{
    ngx_uint_t                      i;
    ngx_llmops_seq_t                seq;
    ngx_llmops_guard_t             *g;
    ngx_llmops_rollout_t           *ro;
    ngx_llmops_rollout_guard_sh_t  *sh;

    ro = run->ro;

    for (i = 0; ro->fallback && i < ro->nguards; i++) {

        g = &ro->guards[i];
        sh = ro->guard_sh[i];

        if (g->mode != NGX_LLMOPS_GUARD_BOUND) {
            continue;
        }

        seq.n = (double) sh->seen_n[0];
        seq.k = (double) sh->seen_k[0] / NGX_LLMOPS_ROLLOUT_MICRO;

        if (ngx_llmops_seq_above(&seq, g->p) < ro->needed) {
            continue;
        }

        reason->len = ngx_snprintf(reason->data + reason->len,
                                   NGX_LLMOPS_ROLLOUT_TEXT - reason->len,
                                   "; the stable arm is ill, too (%V: %.1f "
                                   "of %.0f), fallbacks come first for %M s",
                                   &g->text, seq.k, seq.n,
                                   ro->fallback / 1000)
                      - reason->data;

        return ngx_llmops_store_now(run->mcf->store) + (int64_t) ro->fallback;
    }

    return 0;
}


static void
ngx_llmops_rollout_apply(ngx_llmops_rollout_run_t *run,
    ngx_llmops_rollout_action_e action, const char *by, ngx_str_t *reason,
    json_t *figures, int64_t ill)
{
    ngx_int_t                 rc;
    ngx_str_t                 who;
    const char               *error;
    ngx_llmops_rollout_doc_t  doc;

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

    if (rc == NGX_OK && ill) {
        ngx_llmops_rollout_doc_get(run->next, &doc);
        doc.ill = ill;

        rc = ngx_llmops_rollout_doc_set(run->next, &doc);
    }

    if (rc != NGX_OK) {
        json_decref(run->next);
        run->next = NULL;
        ngx_llmops_rollout_later(run);
        return;
    }

    ngx_llmops_rollout_put(run, run->revision);
}
