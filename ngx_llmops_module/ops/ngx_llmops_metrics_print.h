
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_METRICS_PRINT_H_INCLUDED_
#define _NGX_LLMOPS_METRICS_PRINT_H_INCLUDED_


#include "ngx_llmops_series.h"
#include "ngx_llmops_page.h"


/*
 * Between ngx_llmops_metrics_page.c, which knows what families there are, and
 * ngx_llmops_metrics_print.c, which knows how their samples are written.
 */


typedef struct ngx_llmops_family_s  ngx_llmops_family_t;
typedef struct ngx_llmops_print_s   ngx_llmops_print_t;

typedef void (*ngx_llmops_print_pt)(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);


struct ngx_llmops_family_s {
    ngx_str_t                  name;       /* of a counter: with "_total" */
    const char                *type;
    const char                *unit;       /* if the name ends in it */
    const char                *help;
    ngx_llmops_node_e          kind;       /* 0: printed once; _ROLLOUT: for
                                              each canary of the configuration,
                                              which is the node then */
    ngx_llmops_print_pt        print;
    size_t                     offset;     /* in the node */
    const ngx_llmops_bounds_t *bounds;
};


/* the page being printed, also what the visitor of nodes gets */

struct ngx_llmops_print_s {
    ngx_llmops_page_t          page;
    ngx_llmops_main_conf_t    *mcf;
    const ngx_llmops_family_t *family;
    int64_t                    now;
    ngx_uint_t                 requests;   /* in flight */
    ngx_uint_t                 detached;
    ngx_uint_t                 targets[NGX_LLMOPS_MAX_GAUGES];
    unsigned                   openmetrics:1;
};


/* Whether the value of Accept asks for OpenMetrics rather than for the older
   format. */
ngx_uint_t ngx_llmops_openmetrics(ngx_str_t *accept);


/* The samples of a family, of the whole page or of one node. */

void ngx_llmops_print_info(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_loaded(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_in_flight(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_detached(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_purpose(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_requests(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_duration(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_usage(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_times(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_tokens(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_cost(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_counter(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_attempts(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_checks(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_asks(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_sample_outcomes(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_sample_bytes(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_sample_us(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_shadow_outcomes(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_shadow_verdicts(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_shadow_similar(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_shadow_ms(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_shadow_count(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_shadow_cost(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_target_in_flight(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_blocked(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_breaker(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_remaining(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_limit(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_limit_units(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_limit_told(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_limit_ratio(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);

/* A family of canaries, by print() of each that has been shown. */
void ngx_llmops_print_rollouts(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f);
void ngx_llmops_print_rollout_requests(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_rollout_share(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_rollout_state(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_rollout_stale(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_rollout_evidence(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_rollout_decisions(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_evaluations_ended(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_evaluations_cases(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_evaluations_count(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_evaluations_cost(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_evaluate_score(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_evaluate_told(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_evaluate_verdicts(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_rollout_judged(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_rollout_score(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_rollout_told(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);

void ngx_llmops_print_feedback_total(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_feedback_score(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);


/* A label's value, with its escapes. */
void ngx_llmops_print_escaped(ngx_llmops_print_t *pr, u_char *p, size_t len);

void ngx_llmops_print_redis_up(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_redis_commands(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_redis_round_trip(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);

void ngx_llmops_print_cache_requests(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_cache_tokens(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_cache_cost(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_cache_shadow(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_cache_memory(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_cache_redis(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_cache_judged(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_vectors(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);

/* of indexes */
void ngx_llmops_print_retrievals(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_retrieval_time(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_indexed_chunks(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);
void ngx_llmops_print_indexed(ngx_llmops_print_t *pr,
    const ngx_llmops_family_t *f, ngx_str_t *name, void *node);


#endif /* _NGX_LLMOPS_METRICS_PRINT_H_INCLUDED_ */
