
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_admin.h"
#include "ngx_llmops_feedback.h"
#include "ngx_llmops_live.h"
#include "ngx_llmops_rollout.h"


/*
 * Both arms of a canary side by side, of this nginx, since its step began; what
 * people have said of them since nginx was started.
 */


static json_t *ngx_llmops_admin_arm(ngx_llmops_rollout_t *ro,
    ngx_uint_t candidate);
static json_t *ngx_llmops_admin_arm_times(ngx_atomic_t *bucket);
static void ngx_llmops_admin_arm_scores(ngx_llmops_rollout_t *ro,
    ngx_uint_t arm, uint64_t *n, double *sum);
static ngx_int_t ngx_llmops_admin_arm_score(ngx_str_t *name, void *node,
    void *data);


json_t *
ngx_llmops_admin_rollout_arms(ngx_llmops_rollout_t *ro)
{
    json_t      *bounds;
    ngx_uint_t   i;

    bounds = json_array();

    for (i = 0; i < NGX_LLMOPS_ROLLOUT_BOUNDS; i++) {
        (void) json_array_append_new(bounds,
            json_real((double) ngx_llmops_rollout_bounds[i] / 1000));
    }

    return json_pack("{s:o,s:o,s:o}",
                     "bounds", bounds,
                     "stable", ngx_llmops_admin_arm(ro, 0),
                     "candidate", ngx_llmops_admin_arm(ro, 1));
}


static json_t *
ngx_llmops_admin_arm(ngx_llmops_rollout_t *ro, ngx_uint_t candidate)
{
    double                        sum;
    uint64_t                      n;
    ngx_llmops_rollout_arm_sh_t  *arm, none;

    if (ro->arms) {
        arm = &ro->arms->arm[candidate];

    } else {
        ngx_memzero(&none, sizeof(ngx_llmops_rollout_arm_sh_t));
        arm = &none;
    }

    ngx_llmops_admin_arm_scores(ro, candidate, &n, &sum);

    return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:I,s:o,s:o,s:o,s:{s:I,s:f}}",
                     "requests", (json_int_t) arm->requests,
                     "errors", (json_int_t) arm->errors,
                     "broken", (json_int_t) arm->broken,
                     "answered", (json_int_t) arm->answered,
                     "input_tokens", (json_int_t) arm->input,
                     "output_tokens", (json_int_t) arm->output,
                     "priced", (json_int_t) arm->priced,
                     "cost_usd", ngx_llmops_live_money(arm->cost),
                     "first_token",
                         ngx_llmops_admin_arm_times(arm->first_token),
                     "total", ngx_llmops_admin_arm_times(arm->total),
                     "feedback",
                         "observed", (json_int_t) n,
                         "score", n ? sum / (double) n : 0.0);
}


static json_t *
ngx_llmops_admin_arm_times(ngx_atomic_t *bucket)
{
    uint64_t    copy[NGX_LLMOPS_MAX_BOUNDS + 1];
    ngx_uint_t  i;

    ngx_memzero(copy, sizeof(copy));

    for (i = 0; i <= NGX_LLMOPS_ROLLOUT_BOUNDS; i++) {
        copy[i] = bucket[i];
    }

    return ngx_llmops_live_buckets(copy);
}


typedef struct {
    ngx_str_t                 *route;
    ngx_uint_t                 arm;
    uint64_t                   n;
    double                     sum;
} ngx_llmops_arm_scores_t;


static void
ngx_llmops_admin_arm_scores(ngx_llmops_rollout_t *ro, ngx_uint_t arm,
    uint64_t *n, double *sum)
{
    ngx_llmops_arm_scores_t   scores;
    ngx_llmops_main_conf_t   *mcf;

    mcf = ngx_http_cycle_get_module_main_conf(ngx_cycle, ngx_llmops_module);

    ngx_memzero(&scores, sizeof(ngx_llmops_arm_scores_t));

    scores.route = &ro->route->name;
    scores.arm = arm + 1;                  /* 0 is of no canary */

    (void) ngx_llmops_zone_each(mcf->zone, NGX_LLMOPS_NODE_SCORES,
                                ngx_llmops_admin_arm_score, &scores);
    *n = scores.n;
    *sum = scores.sum;
}


static ngx_int_t
ngx_llmops_admin_arm_score(ngx_str_t *name, void *node, void *data)
{
    ngx_llmops_arm_scores_t         *scores = data;
    ngx_llmops_feedback_count_sh_t  *sh = node;

    if (name->len == scores->route->len
        && ngx_memcmp(name->data, scores->route->data, name->len) == 0)
    {
        scores->n = sh->n[scores->arm];
        scores->sum = (double) sh->sum[scores->arm]
                      / NGX_LLMOPS_ROLLOUT_MICRO;
    }

    return NGX_OK;
}
