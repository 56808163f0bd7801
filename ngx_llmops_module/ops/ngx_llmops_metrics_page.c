
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics.h"
#include "ngx_llmops_metrics_print.h"
#include "ngx_llmops_cache_own.h"
#include "ngx_llmops_limit_sh.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_shadow.h"
#include "ngx_llmops_evaluate.h"


/*
 * The page of llm_metrics, family by family as both formats ask for: each
 * family walks over the nodes of its kind.  What has never been counted is
 * not there; what has been counted once stays, also when a reload takes the
 * target out of the configuration, since it may still have requests.
 */


static void ngx_llmops_print_family(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f);
static ngx_int_t ngx_llmops_print_node(ngx_str_t *name, void *node,
    void *data);
static ngx_int_t ngx_llmops_gather_worker(ngx_str_t *name, void *node,
    void *data);


#define NGX_LLMOPS_SERIES(field)  offsetof(ngx_llmops_series_sh_t, field)
#define NGX_LLMOPS_TARGET(field)  offsetof(ngx_llmops_target_sh_t, field)

#define NGX_LLMOPS_SIDE(field)    offsetof(ngx_llmops_shadow_side_t, field)

#define NGX_LLMOPS_LIMIT_FIELD(field)                                         \
    offsetof(ngx_llmops_limit_sh_t, field)


static const ngx_llmops_family_t  ngx_llmops_families[] = {

    { ngx_string("llm_config_info"), "info", NULL,
      "Versions of the module and of nginx.",
      0, ngx_llmops_print_info, 0, NULL },

    { ngx_string("llm_config_loaded_timestamp_seconds"), "gauge", "seconds",
      "When the configuration was loaded.",
      0, ngx_llmops_print_loaded, 0, NULL },

    { ngx_string("llm_requests_in_flight"), "gauge", NULL,
      "Requests that are being served.",
      0, ngx_llmops_print_in_flight, 0, NULL },

    { ngx_string("llm_detached_in_flight"), "gauge", NULL,
      "Requests of the gateway's own that are under way.",
      0, ngx_llmops_print_detached, 0, NULL },

    { ngx_string("llm_detached_dropped_total"), "counter", NULL,
      "Requests of the gateway's own that were not made, as there were too "
      "many of them.",
      NGX_LLMOPS_NODE_PURPOSE, ngx_llmops_print_purpose,
      offsetof(ngx_llmops_purpose_sh_t, dropped), NULL },

    { ngx_string("llm_requests_total"), "counter", NULL,
      "Requests that are over, by kind of error.",
      NGX_LLMOPS_NODE_SERIES, ngx_llmops_print_requests, 0, NULL },

    { ngx_string("gen_ai_client_operation_duration_seconds"), "histogram",
      "seconds", "Time from a request's arrival to the end of its answer.",
      NGX_LLMOPS_NODE_SERIES, ngx_llmops_print_duration, 0,
      &ngx_llmops_duration_bounds },

    { ngx_string("gen_ai_client_token_usage"), "histogram", NULL,
      "Tokens of a request, of input and of output.",
      NGX_LLMOPS_NODE_SERIES, ngx_llmops_print_usage, 0,
      &ngx_llmops_token_bounds },

    { ngx_string("gen_ai_server_time_to_first_token_seconds"), "histogram",
      "seconds", "Time from a request's arrival to the first token of a "
      "stream.", NGX_LLMOPS_NODE_SERIES, ngx_llmops_print_times,
      NGX_LLMOPS_SERIES(first_token), &ngx_llmops_first_token_bounds },

    { ngx_string("gen_ai_server_time_per_output_token_seconds"), "histogram",
      "seconds", "Time per token of a stream, after the first one.",
      NGX_LLMOPS_NODE_SERIES, ngx_llmops_print_times,
      NGX_LLMOPS_SERIES(per_token), &ngx_llmops_per_token_bounds },

    { ngx_string("llm_tokens_total"), "counter", NULL,
      "Tokens by type; cached and cache_write are part of input, reasoning "
      "is part of output.",
      NGX_LLMOPS_NODE_SERIES, ngx_llmops_print_tokens, 0, NULL },

    { ngx_string("llm_cost_usd_total"), "counter", NULL,
      "Cost in USD of the requests whose price is known.",
      NGX_LLMOPS_NODE_SERIES, ngx_llmops_print_cost, 0, NULL },

    { ngx_string("llm_usage_estimated_total"), "counter", NULL,
      "Requests whose tokens were estimated, since none were reported.",
      NGX_LLMOPS_NODE_SERIES, ngx_llmops_print_counter,
      NGX_LLMOPS_SERIES(estimated), NULL },

    { ngx_string("llm_price_unknown_total"), "counter", NULL,
      "Requests with tokens whose price is not known.",
      NGX_LLMOPS_NODE_SERIES, ngx_llmops_print_counter,
      NGX_LLMOPS_SERIES(unpriced), NULL },

    { ngx_string("llm_attempts_total"), "counter", NULL,
      "Attempts on a target, by status class or kind of failure.",
      NGX_LLMOPS_NODE_TARGET, ngx_llmops_print_attempts, 0, NULL },

    { ngx_string("llm_checks_total"), "counter", NULL,
      "What rules have done with requests and answers.",
      NGX_LLMOPS_NODE_RULE, ngx_llmops_print_checks, 0, NULL },

    { ngx_string("llm_asks_total"), "counter", NULL,
      "What those said whom rules have asked.",
      NGX_LLMOPS_NODE_ASK, ngx_llmops_print_asks, 0, NULL },

    { ngx_string("llm_shadow_requests_total"), "counter", NULL,
      "Copies of requests for a shadow, by what became of them.",
      NGX_LLMOPS_NODE_SHADOW, ngx_llmops_print_shadow_outcomes, 0, NULL },

    { ngx_string("llm_shadow_similarity"), "histogram", NULL,
      "How much a shadow's answers have in common with those that callers "
      "got, by words.",
      NGX_LLMOPS_NODE_SHADOW, ngx_llmops_print_shadow_similar,
      offsetof(ngx_llmops_shadow_sh_t, words), NULL },

    { ngx_string("llm_shadow_meaning_similarity"), "histogram", NULL,
      "How much a shadow's answers mean what those mean that callers got, by "
      "embeddings.",
      NGX_LLMOPS_NODE_SHADOW, ngx_llmops_print_shadow_similar,
      offsetof(ngx_llmops_shadow_sh_t, meaning), NULL },

    { ngx_string("llm_shadow_verdicts_total"), "counter", NULL,
      "Which answer of a pair a judge has found better.",
      NGX_LLMOPS_NODE_SHADOW, ngx_llmops_print_shadow_verdicts, 0, NULL },

    { ngx_string("llm_shadow_seconds_total"), "counter", NULL,
      "Time that the answers took that were compared, of both sides.",
      NGX_LLMOPS_NODE_SHADOW, ngx_llmops_print_shadow_ms,
      NGX_LLMOPS_SIDE(time), NULL },

    { ngx_string("llm_shadow_first_token_seconds_total"), "counter", NULL,
      "Time until the first tokens of the streams that were compared.",
      NGX_LLMOPS_NODE_SHADOW, ngx_llmops_print_shadow_ms,
      NGX_LLMOPS_SIDE(first_token), NULL },

    { ngx_string("llm_shadow_output_tokens_total"), "counter", NULL,
      "Tokens of the answers that were compared.",
      NGX_LLMOPS_NODE_SHADOW, ngx_llmops_print_shadow_count,
      NGX_LLMOPS_SIDE(tokens), NULL },

    { ngx_string("llm_shadow_text_bytes_total"), "counter", NULL,
      "Bytes of text of the answers that were compared.",
      NGX_LLMOPS_NODE_SHADOW, ngx_llmops_print_shadow_count,
      NGX_LLMOPS_SIDE(bytes), NULL },

    { ngx_string("llm_shadow_cost_usd_total"), "counter", NULL,
      "Cost in USD of the answers that were compared.",
      NGX_LLMOPS_NODE_SHADOW, ngx_llmops_print_shadow_cost,
      NGX_LLMOPS_SIDE(cost), NULL },

    { ngx_string("llm_samples_total"), "counter", NULL,
      "Requests that were drawn to be recorded, by what became of them.",
      NGX_LLMOPS_NODE_SAMPLE, ngx_llmops_print_sample_outcomes, 0, NULL },

    { ngx_string("llm_samples_bytes_total"), "counter", NULL,
      "Bytes of the samples that were recorded.",
      NGX_LLMOPS_NODE_SAMPLE, ngx_llmops_print_sample_bytes, 0, NULL },

    { ngx_string("llm_samples_seconds_total"), "counter", NULL,
      "Time that workers have spent on recording.",
      NGX_LLMOPS_NODE_SAMPLE, ngx_llmops_print_sample_us, 0, NULL },

    { ngx_string("llm_retrievals_total"), "counter", NULL,
      "Searches for a prompt's context, by how they ended.",
      NGX_LLMOPS_NODE_INDEX, ngx_llmops_print_retrievals, 0, NULL },

    { ngx_string("llm_retrieval_seconds_total"), "counter", NULL,
      "Time that searches for a context took.",
      NGX_LLMOPS_NODE_INDEX, ngx_llmops_print_retrieval_time, 0, NULL },

    { ngx_string("llm_index_chunks_total"), "counter", NULL,
      "Chunks of documents that were embedded.",
      NGX_LLMOPS_NODE_INDEX, ngx_llmops_print_indexed_chunks, 0, NULL },

    { ngx_string("llm_index_documents_total"), "counter", NULL,
      "Documents that were indexed, and tries in vain.",
      NGX_LLMOPS_NODE_INDEX, ngx_llmops_print_indexed, 0, NULL },

    { ngx_string("llm_target_in_flight"), "gauge", NULL,
      "Requests that a target is serving.",
      NGX_LLMOPS_NODE_TARGET, ngx_llmops_print_target_in_flight, 0, NULL },

    { ngx_string("llm_target_blocked_seconds"), "gauge", "seconds",
      "Time during which a target's provider has asked to be left alone.",
      NGX_LLMOPS_NODE_TARGET, ngx_llmops_print_blocked, 0, NULL },

    { ngx_string("llm_target_breaker_open"), "gauge", NULL,
      "Whether a target comes last because it has failed.",
      NGX_LLMOPS_NODE_TARGET, ngx_llmops_print_breaker, 0, NULL },

    { ngx_string("llm_target_remaining_requests"), "gauge", NULL,
      "Requests left in the provider's rate limit, as last reported.",
      NGX_LLMOPS_NODE_TARGET, ngx_llmops_print_remaining,
      NGX_LLMOPS_TARGET(remaining_requests), NULL },

    { ngx_string("llm_target_remaining_tokens"), "gauge", NULL,
      "Tokens left in the provider's rate limit, as last reported.",
      NGX_LLMOPS_NODE_TARGET, ngx_llmops_print_remaining,
      NGX_LLMOPS_TARGET(remaining_tokens), NULL },

    { ngx_string("llm_cache_requests_total"), "counter", NULL,
      "Requests of routes with a cache, by how they were answered.",
      NGX_LLMOPS_NODE_CACHED, ngx_llmops_print_cache_requests, 0, NULL },

    { ngx_string("llm_cache_saved_tokens_total"), "counter", NULL,
      "Tokens that answers from the cache had cost when they were made.",
      NGX_LLMOPS_NODE_CACHED, ngx_llmops_print_cache_tokens, 0, NULL },

    { ngx_string("llm_cache_saved_cost_usd_total"), "counter", NULL,
      "The same in USD, of answers whose price is known.",
      NGX_LLMOPS_NODE_CACHED, ngx_llmops_print_cache_cost, 0, NULL },

    { ngx_string("llm_cache_shadow_hits_total"), "counter", NULL,
      "Requests that the semantic cache would have answered.",
      NGX_LLMOPS_NODE_CACHED, ngx_llmops_print_cache_shadow, 0, NULL },

    { ngx_string("llm_cache_judged_total"), "counter", NULL,
      "Verdicts of the judge of the semantic cache.",
      NGX_LLMOPS_NODE_CACHED, ngx_llmops_print_cache_judged, 0, NULL },

    { ngx_string("llm_cache_size_bytes"), "gauge", "bytes",
      "Memory that cached answers may take.",
      0, ngx_llmops_print_cache_memory,
      offsetof(ngx_llmops_cache_stats_t, size), NULL },

    { ngx_string("llm_cache_used_bytes"), "gauge", "bytes",
      "Memory that cached answers take.",
      0, ngx_llmops_print_cache_memory,
      offsetof(ngx_llmops_cache_stats_t, used), NULL },

    { ngx_string("llm_cache_entries"), "gauge", NULL,
      "Complete answers in shared memory.",
      0, ngx_llmops_print_cache_memory,
      offsetof(ngx_llmops_cache_stats_t, entries), NULL },

    { ngx_string("llm_cache_evicted_total"), "counter", NULL,
      "Answers that made place for others before their end.",
      0, ngx_llmops_print_cache_memory,
      offsetof(ngx_llmops_cache_stats_t, evicted), NULL },

    { ngx_string("llm_cache_redis_total"), "counter", NULL,
      "What came of asking Redis for answers, and of storing them there.",
      NGX_LLMOPS_NODE_CACHE_REDIS, ngx_llmops_print_cache_redis, 0, NULL },

    { ngx_string("llm_vectors_commands_total"), "counter", NULL,
      "Commands for vector sets in Redis, by how they ended.",
      NGX_LLMOPS_NODE_VECTORS, ngx_llmops_print_vectors, 0, NULL },

    { ngx_string("llm_redis_up"), "gauge", NULL,
      "Whether all worker processes can ask Redis.",
      0, ngx_llmops_print_redis_up, 0, NULL },

    { ngx_string("llm_redis_commands_total"), "counter", NULL,
      "Commands for Redis, by how they ended.",
      0, ngx_llmops_print_redis_commands, 0, NULL },

    { ngx_string("llm_redis_round_trip_seconds"), "histogram", "seconds",
      "Time from sending a command to Redis to its reply.",
      0, ngx_llmops_print_redis_round_trip, 0, NULL },

    { ngx_string("llm_limit_denied_total"), "counter", NULL,
      "Requests that a limit has refused.",
      NGX_LLMOPS_NODE_LIMIT, ngx_llmops_print_limit_units,
      NGX_LLMOPS_LIMIT_FIELD(denied), NULL },

    { ngx_string("llm_limit_dry_run_total"), "counter", NULL,
      "Requests that a limit would have refused, were it not for dry_run.",
      NGX_LLMOPS_NODE_LIMIT, ngx_llmops_print_limit_units,
      NGX_LLMOPS_LIMIT_FIELD(dry_run), NULL },

    { ngx_string("llm_limit_ended_total"), "counter", NULL,
      "Streams that a budget has ended.",
      NGX_LLMOPS_NODE_LIMIT, ngx_llmops_print_limit_units,
      NGX_LLMOPS_LIMIT_FIELD(ended), NULL },

    { ngx_string("llm_limit_unknown_total"), "counter", NULL,
      "Times that a limit could not be asked for.",
      NGX_LLMOPS_NODE_LIMIT, ngx_llmops_print_limit,
      NGX_LLMOPS_LIMIT_FIELD(failed), NULL },

    { ngx_string("llm_quota_warnings_total"), "counter", NULL,
      "Times that some key has passed a warn= threshold of a quota.",
      NGX_LLMOPS_NODE_LIMIT, ngx_llmops_print_limit,
      NGX_LLMOPS_LIMIT_FIELD(warned), NULL },

    { ngx_string("llm_quota_webhooks_total"), "counter", NULL,
      "Messages to the webhook of a quota, by what became of them.",
      NGX_LLMOPS_NODE_LIMIT, ngx_llmops_print_limit_told,
      NGX_LLMOPS_LIMIT_FIELD(told), NULL },

    { ngx_string("llm_quota_used_ratio"), "gauge", NULL,
      "How much of a quota the key that has used most of it has used.",
      NGX_LLMOPS_NODE_LIMIT, ngx_llmops_print_limit_ratio, 0, NULL },

    { ngx_string("llm_rollout_requests_total"), "counter", NULL,
      "Requests of a canary, by arm and by how its first target did.",
      NGX_LLMOPS_NODE_ROLLOUT, ngx_llmops_print_rollout_requests, 0, NULL },

    { ngx_string("llm_rollout_share_ratio"), "gauge", NULL,
      "Share of the requests that a canary's candidate gets.",
      NGX_LLMOPS_NODE_ROLLOUT, ngx_llmops_print_rollout_share, 0, NULL },

    { ngx_string("llm_rollout_state"), "gauge", NULL,
      "State of a canary: 1 for the one that it is in.",
      NGX_LLMOPS_NODE_ROLLOUT, ngx_llmops_print_rollout_state, 0, NULL },

    { ngx_string("llm_rollout_stale"), "gauge", NULL,
      "Whether a canary stays as it is because the store cannot be asked.",
      NGX_LLMOPS_NODE_ROLLOUT, ngx_llmops_print_rollout_stale, 0, NULL },

    { ngx_string("llm_rollout_guard_evidence_ratio"), "gauge", NULL,
      "Evidence that a guard is broken, by that which ends the canary: 1.",
      NGX_LLMOPS_NODE_ROLLOUT, ngx_llmops_print_rollout_evidence, 0, NULL },

    { ngx_string("llm_rollout_decisions_total"), "counter", NULL,
      "Decisions about a canary that this nginx has made, by action.",
      NGX_LLMOPS_NODE_ROLLOUT, ngx_llmops_print_rollout_decisions, 0, NULL },

    { ngx_string("llm_rollout_webhooks_total"), "counter", NULL,
      "Messages to the webhook of a canary, by what became of them.",
      NGX_LLMOPS_NODE_ROLLOUT, ngx_llmops_print_rollout_told, 0, NULL },

    { ngx_string("llm_evaluations_total"), "counter", NULL,
      "Evaluations that have ended, by how.",
      NGX_LLMOPS_NODE_EVALUATIONS, ngx_llmops_print_evaluations_ended, 0,
      NULL },

    { ngx_string("llm_evaluations_running"), "gauge", NULL,
      "Evaluations that this nginx runs.",
      NGX_LLMOPS_NODE_EVALUATIONS, ngx_llmops_print_evaluations_count,
      offsetof(ngx_llmops_evaluations_sh_t, running), NULL },

    { ngx_string("llm_evaluation_cases_total"), "counter", NULL,
      "Cases of evaluations, by what became of them.",
      NGX_LLMOPS_NODE_EVALUATIONS, ngx_llmops_print_evaluations_cases, 0,
      NULL },

    { ngx_string("llm_evaluation_cost_usd_total"), "counter", NULL,
      "What evaluations have cost, in USD.",
      NGX_LLMOPS_NODE_EVALUATIONS, ngx_llmops_print_evaluations_cost, 0,
      NULL },

    { ngx_string("llm_evaluation_model_changes_total"), "counter", NULL,
      "Targets that have turned out to be another model behind their name.",
      NGX_LLMOPS_NODE_EVALUATIONS, ngx_llmops_print_evaluations_count,
      offsetof(ngx_llmops_evaluations_sh_t, changes), NULL },

    { ngx_string("llm_evaluate_score_ratio"), "gauge", NULL,
      "Score of the candidate in the last evaluation of a route's schedule.",
      NGX_LLMOPS_NODE_EVALUATE, ngx_llmops_print_evaluate_score, 0, NULL },

    { ngx_string("llm_evaluate_ended_timestamp_seconds"), "gauge", NULL,
      "When the last evaluation of a route's schedule ended.",
      NGX_LLMOPS_NODE_EVALUATE, ngx_llmops_print_evaluate_told, 0, NULL },

    { ngx_string("llm_evaluate_verdicts_total"), "counter", NULL,
      "Evaluations of a route's schedule, by verdict.",
      NGX_LLMOPS_NODE_EVALUATE, ngx_llmops_print_evaluate_verdicts, 0, NULL },

    { ngx_string("llm_rollout_judged_total"), "counter", NULL,
      "Answers drawn to be judged by a model, by what became of it.",
      NGX_LLMOPS_NODE_ROLLOUT, ngx_llmops_print_rollout_judged, 0, NULL },

    { ngx_string("llm_rollout_judge_score_ratio"), "gauge", NULL,
      "Mean score of the answers that a model has judged, by arm.",
      NGX_LLMOPS_NODE_ROLLOUT, ngx_llmops_print_rollout_score, 0, NULL },

    { ngx_string("llm_feedback_total"), "counter", NULL,
      "Requests that people have judged, by arm of the route's canary.",
      NGX_LLMOPS_NODE_SCORES, ngx_llmops_print_feedback_total, 0, NULL },

    { ngx_string("llm_feedback_score_total"), "counter", NULL,
      "Sum of their scores, 0 to 1 each.",
      NGX_LLMOPS_NODE_SCORES, ngx_llmops_print_feedback_score, 0, NULL },

    { ngx_null_string, NULL, NULL, NULL, 0, NULL, 0, NULL }
};


ngx_int_t
ngx_llmops_metrics_handler(ngx_http_request_t *r)
{
    ngx_str_t                   type;
    ngx_table_elt_t            *accept;
    ngx_llmops_print_t         *pr;
    const ngx_llmops_family_t  *f;

    if (!(r->method & (NGX_HTTP_GET|NGX_HTTP_HEAD))) {
        return NGX_HTTP_NOT_ALLOWED;
    }

    pr = ngx_pcalloc(r->pool, sizeof(ngx_llmops_print_t));
    if (pr == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_llmops_page_init(&pr->page, r->pool);

    pr->mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);
    pr->now = ngx_llmops_now();

    accept = ngx_llmops_header_in(r, "accept", sizeof("accept") - 1);

    if (accept) {
        pr->openmetrics = ngx_llmops_openmetrics(&accept->value);
    }

    (void) ngx_llmops_zone_each(pr->mcf->zone, NGX_LLMOPS_NODE_WORKER,
                                ngx_llmops_gather_worker, pr);

    for (f = ngx_llmops_families; f->name.len; f++) {
        ngx_llmops_print_family(pr, f);
    }

    if (pr->openmetrics) {
        ngx_llmops_page_lit(&pr->page, "# EOF\n");
        ngx_str_set(&type, "application/openmetrics-text; version=1.0.0; "
                           "charset=utf-8");
    } else {
        ngx_str_set(&type, "text/plain; version=0.0.4; charset=utf-8");
    }

    return ngx_llmops_page_send(r, &pr->page, &type);
}


static ngx_int_t
ngx_llmops_gather_worker(ngx_str_t *name, void *node, void *data)
{
    ngx_uint_t               i;
    ngx_llmops_print_t      *pr = data;
    ngx_llmops_worker_sh_t  *w = node;

    if (!ngx_llmops_worker_lives(w)) {
        return NGX_OK;
    }

    pr->requests += w->requests;
    pr->detached += w->detached;

    for (i = 0; i < NGX_LLMOPS_MAX_GAUGES; i++) {
        pr->targets[i] += w->targets[i];
    }

    return NGX_OK;
}


static void
ngx_llmops_print_family(ngx_llmops_print_t *pr, const ngx_llmops_family_t *f)
{
    ngx_str_t           name;
    const char         *type;
    ngx_llmops_page_t  *page;

    page = &pr->page;
    name = f->name;
    type = f->type;

    if (pr->openmetrics) {

        /* a family has its own name, and its samples have suffixes */

        if (ngx_strcmp(type, "counter") == 0) {
            name.len -= sizeof("_total") - 1;

        } else if (ngx_strcmp(type, "info") == 0) {
            name.len -= sizeof("_info") - 1;
        }

    } else if (ngx_strcmp(type, "info") == 0) {
        type = "gauge";
    }

    ngx_llmops_page_printf(page, "# HELP %V %s\n# TYPE %V %s\n", &name,
                           f->help, &name, type);

    if (pr->openmetrics && f->unit) {
        ngx_llmops_page_printf(page, "# UNIT %V %s\n", &name, f->unit);
    }

    if (f->kind == 0) {
        f->print(pr, f, NULL, NULL);
        return;
    }

    if (f->kind == NGX_LLMOPS_NODE_ROLLOUT) {
        ngx_llmops_print_rollouts(pr, f);
        return;
    }

    pr->family = f;

    (void) ngx_llmops_zone_each(pr->mcf->zone, f->kind, ngx_llmops_print_node,
                                pr);
}


static ngx_int_t
ngx_llmops_print_node(ngx_str_t *name, void *node, void *data)
{
    ngx_llmops_print_t *pr = data;

    pr->family->print(pr, pr->family, name, node);

    return pr->page.failed ? NGX_ERROR : NGX_OK;
}
