
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics_print.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_feedback.h"

#include <math.h>


/*
 * The samples of canaries: those of the configuration, as they are shown in
 * shared memory.
 */


static void ngx_llmops_print_rollout_name(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_llmops_rollout_t *ro);
static void ngx_llmops_print_results(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_llmops_rollout_t *ro, ngx_uint_t n,
    ngx_atomic_t *counts, const char *const *results);
static void ngx_llmops_print_feedback(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, ngx_uint_t arm);


void
ngx_llmops_print_rollouts(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f)
{
    ngx_uint_t               i;
    ngx_llmops_rollout_t   **ro;
    ngx_llmops_rollouts_t   *rollouts;

    rollouts = pr->mcf->rollouts;

    if (rollouts == NULL) {
        return;
    }

    ro = rollouts->rollouts.elts;

    for (i = 0; i < rollouts->rollouts.nelts; i++) {
        if (ro[i]->sh && ro[i]->sh->word) {
            f->print(pr, f, NULL, ro[i]);
        }
    }
}


static void
ngx_llmops_print_rollout_name(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_llmops_rollout_t *ro)
{
    ngx_llmops_page_printf(&pr->page, "%V{route=\"", &f->name);
    ngx_llmops_print_escaped(pr, ro->route->name.data, ro->route->name.len);
    ngx_llmops_page_lit(&pr->page, "\",candidate=\"");
    ngx_llmops_print_escaped(pr, ro->candidate.data, ro->candidate.len);
    ngx_llmops_page_lit(&pr->page, "\"");
}


/* those of n results that have been seen */

static void
ngx_llmops_print_results(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f,
    ngx_llmops_rollout_t *ro, ngx_uint_t n, ngx_atomic_t *counts,
    const char *const *results)
{
    ngx_uint_t  i;

    for (i = 0; i < n; i++) {
        if (counts[i]) {
            ngx_llmops_print_rollout_name(pr, f, ro);
            ngx_llmops_page_printf(&pr->page, ",result=\"%s\"} %uA\n",
                                   results[i], counts[i]);
        }
    }
}


void
ngx_llmops_print_rollout_requests(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_rollout_t *ro = node;

    ngx_uint_t  arm, failed;

    static const char  *arms[] = { "stable", "candidate" };
    static const char  *results[] = { "ok", "failed" };

    for (arm = 0; arm < 2; arm++) {
        for (failed = 0; failed < 2; failed++) {
            ngx_llmops_print_rollout_name(pr, f, ro);
            ngx_llmops_page_printf(&pr->page,
                                   ",arm=\"%s\",result=\"%s\"} %uA\n",
                                   arms[arm], results[failed],
                                   ro->sh->total[arm][failed]);
        }
    }
}


void
ngx_llmops_print_rollout_share(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_rollout_t *ro = node;

    ngx_uint_t  share;

    share = ngx_llmops_rollout_share(ro->sh->word);

    ngx_llmops_print_rollout_name(pr, f, ro);
    ngx_llmops_page_printf(&pr->page, "} %ui.%04ui\n", share / 10000,
                           share % 10000);
}


void
ngx_llmops_print_rollout_state(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_rollout_t *ro = node;

    ngx_uint_t  i, state;

    state = ngx_llmops_rollout_state(ro->sh->word);

    for (i = 0; i < NGX_LLMOPS_ROLLOUT_STATES; i++) {
        ngx_llmops_print_rollout_name(pr, f, ro);
        ngx_llmops_page_printf(&pr->page, ",state=\"%s\"} %d\n",
                               ngx_llmops_rollout_state_names[i],
                               i == state);
    }
}


void
ngx_llmops_print_rollout_stale(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_rollout_t *ro = node;

    ngx_llmops_print_rollout_name(pr, f, ro);
    ngx_llmops_page_printf(&pr->page, "} %uA\n", ro->sh->stale);
}


/* as a share of the logarithm that is needed: it grows evenly, and ends at 1 */

void
ngx_llmops_print_rollout_evidence(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_rollout_t *ro = node;

    double             ratio;
    ngx_uint_t         i;
    ngx_atomic_uint_t  evidence;

    for (i = 0; i < ro->nguards; i++) {

        if (ro->guard_sh[i] == NULL) {
            continue;
        }

        evidence = ro->guard_sh[i]->evidence;
        ratio = evidence ? ((double) evidence - 1e9) / 1000 / ro->needed : 0;

        ngx_llmops_print_rollout_name(pr, f, ro);
        ngx_llmops_page_lit(&pr->page, ",guard=\"");
        ngx_llmops_print_escaped(pr, ro->guards[i].text.data,
                                 ro->guards[i].text.len);
        ngx_llmops_page_printf(&pr->page, "\"} %.4f\n",
                               fmax(fmin(ratio, 1), 0));
    }
}


void
ngx_llmops_print_rollout_decisions(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_rollout_t *ro = node;

    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_ROLLOUT_ACTIONS; i++) {
        if (ro->sh->decided[i]) {
            ngx_llmops_print_rollout_name(pr, f, ro);
            ngx_llmops_page_printf(&pr->page, ",action=\"%s\"} %uA\n",
                                   ngx_llmops_rollout_action_names[i],
                                   ro->sh->decided[i]);
        }
    }
}


void
ngx_llmops_print_rollout_told(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_rollout_t *ro = node;

    static const char  *results[] = { "failed", "sent" };

    ngx_llmops_print_results(pr, f, ro, 2, ro->sh->told, results);
}


void
ngx_llmops_print_rollout_judged(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_rollout_t *ro = node;

    static const char  *results[] = { "scored", "failed", "dropped" };

    ngx_llmops_print_results(pr, f, ro, NGX_LLMOPS_JUDGED_MAX, ro->sh->judged,
                             results);
}


void
ngx_llmops_print_rollout_score(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_llmops_rollout_t *ro = node;

    ngx_uint_t  arm;

    for (arm = 0; arm < 2; arm++) {
        if (ro->sh->scored[arm]) {
            ngx_llmops_print_rollout_name(pr, f, ro);
            ngx_llmops_page_printf(&pr->page, ",arm=\"%s\"} %.4f\n",
                                   arm ? "candidate" : "stable",
                                   (double) ro->sh->score[arm]
                                   / NGX_LLMOPS_ROLLOUT_MICRO
                                   / (double) ro->sh->scored[arm]);
        }
    }
}


/* -- feedback ------------------------------------------------------------- */

static void
ngx_llmops_print_feedback(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, ngx_uint_t arm)
{
    static const char  *arms[] = { "", ",arm=\"stable\"",
                                   ",arm=\"candidate\"" };

    ngx_llmops_page_printf(&pr->page, "%V{route=\"", &f->name);
    ngx_llmops_print_escaped(pr, name->data, name->len);
    ngx_llmops_page_printf(&pr->page, "\"%s} ", arms[arm]);
}


void
ngx_llmops_print_feedback_total(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t                       i;
    ngx_llmops_feedback_count_sh_t  *sh = node;

    for (i = 0; i < 3; i++) {
        if (sh->n[i]) {
            ngx_llmops_print_feedback(pr, f, name, i);
            ngx_llmops_page_printf(&pr->page, "%uA\n", sh->n[i]);
        }
    }
}


void
ngx_llmops_print_feedback_score(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node)
{
    ngx_uint_t                       i;
    ngx_llmops_feedback_count_sh_t  *sh = node;

    for (i = 0; i < 3; i++) {
        if (sh->n[i]) {
            ngx_llmops_print_feedback(pr, f, name, i);
            ngx_llmops_page_printf(&pr->page, "%uA.%06uA\n",
                                   sh->sum[i] / NGX_LLMOPS_ROLLOUT_MICRO,
                                   sh->sum[i] % NGX_LLMOPS_ROLLOUT_MICRO);
        }
    }
}
