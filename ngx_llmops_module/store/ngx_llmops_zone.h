
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ZONE_H_INCLUDED_
#define _NGX_LLMOPS_ZONE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * The shared memory of llm_zone: nodes that are found by kind and name and
 * are never freed while nginx runs, so that a reload keeps every counter and
 * a pointer to a node, once found, needs no lock.  Names, not positions in
 * the configuration, are the identity.
 */


/* a node's kind is part of its identity and fixes its size and layout */

typedef enum {
    NGX_LLMOPS_NODE_TARGET = 1,            /* ngx_llmops_target_sh_t */
    NGX_LLMOPS_NODE_SERIES,                /* ngx_llmops_series_sh_t */
    NGX_LLMOPS_NODE_WORKER,                /* ngx_llmops_worker_sh_t */
    NGX_LLMOPS_NODE_ENDPOINT,              /* ngx_llmops_endpoint_sh_t */
    NGX_LLMOPS_NODE_STORE,                 /* ngx_llmops_root_t */
    NGX_LLMOPS_NODE_KEYSET,                /* ngx_llmops_jwt_sh_t */
    NGX_LLMOPS_NODE_REDIS,                 /* ngx_llmops_redis_sh_t */
    NGX_LLMOPS_NODE_LIMIT,                 /* ngx_llmops_limit_sh_t */
    NGX_LLMOPS_NODE_WARNED,                /* ngx_llmops_warned_sh_t */
    NGX_LLMOPS_NODE_SPILL,                 /* ngx_llmops_spill_sh_t */
    NGX_LLMOPS_NODE_RULE,                  /* ngx_llmops_rule_sh_t */
    NGX_LLMOPS_NODE_CACHED,                /* ngx_llmops_cache_sh_t */
    NGX_LLMOPS_NODE_CACHE_REDIS,           /* of cache/: counts */
    NGX_LLMOPS_NODE_ROLLOUT,               /* ngx_llmops_rollout_sh_t */
    NGX_LLMOPS_NODE_GUARD,                 /* ngx_llmops_rollout_guard_sh_t */
    NGX_LLMOPS_NODE_FLEET,                 /* this nginx's name in it */
    NGX_LLMOPS_NODE_FEEDBACK,              /* of ngx_llmops_feedback_set_t */
    NGX_LLMOPS_NODE_SCORES,                /* ngx_llmops_feedback_count_sh_t */
    NGX_LLMOPS_NODE_PURPOSE,               /* ngx_llmops_purpose_sh_t */
    NGX_LLMOPS_NODE_ASK,                   /* ngx_llmops_ask_sh_t */
    NGX_LLMOPS_NODE_SHADOW,                /* ngx_llmops_shadow_sh_t */
    NGX_LLMOPS_NODE_EVALUATIONS,           /* ngx_llmops_evaluations_sh_t */
    NGX_LLMOPS_NODE_EVALUATE,              /* ngx_llmops_evaluate_sh_t */
    NGX_LLMOPS_NODE_VECTORS,               /* ngx_llmops_vectors_sh_t */
    NGX_LLMOPS_NODE_INDEX,                 /* ngx_llmops_index_sh_t */
    NGX_LLMOPS_NODE_ARMS,                  /* ngx_llmops_rollout_arms_sh_t */
    NGX_LLMOPS_NODE_SAMPLES,               /* ngx_llmops_samples_sh_t */
    NGX_LLMOPS_NODE_SAMPLE,                /* ngx_llmops_sample_sh_t */
    NGX_LLMOPS_NODE_REGISTRY,              /* ngx_llmops_registry_sh_t */
    NGX_LLMOPS_NODE_MAX
} ngx_llmops_node_e;


/* bumped with every change of a node's layout */
#define NGX_LLMOPS_ZONE_LAYOUT      13
#define NGX_LLMOPS_ZONE_DEFAULT     (8 * 1024 * 1024)


/*
 * Adds the zone while the configuration is read.  Returns NULL (logged) on
 * failure.  A reload keeps the nodes of a zone of the same name and size; an
 * incompatible layout is an EMERG.
 */
ngx_shm_zone_t *ngx_llmops_zone_add(ngx_conf_t *cf, ngx_str_t *name,
    size_t size, void *tag);

/*
 * Asks to be called in the master, once the zone is mapped and before workers
 * start; fresh: nothing is in it yet.  Before init; data as the caller likes.
 * What it returns is the result of the zone's init: NGX_ERROR (logged) refuses
 * the configuration.
 */
typedef ngx_int_t (*ngx_llmops_zone_pt)(ngx_shm_zone_t *zone,
    ngx_uint_t fresh, void *data);

ngx_int_t ngx_llmops_zone_on_init(ngx_conf_t *cf, ngx_shm_zone_t *zone,
    ngx_llmops_zone_pt handler, void *data);

/*
 * The node of that kind and name, made (zeroed) if there is none.  NULL when
 * the zone is full: logged once per minute, and the caller goes on without.
 * Takes the zone's mutex only to make a node.  May be called once the zone is
 * mapped (init_module, workers).
 */
void *ngx_llmops_zone_node(ngx_shm_zone_t *zone, ngx_llmops_node_e kind,
    ngx_str_t *name, size_t size);

/* A node's number among those of its kind, from 0, in order of creation. */
ngx_uint_t ngx_llmops_zone_ordinal(void *node);

/*
 * Calls visit for every node of a kind, in order of creation, with its name
 * and its memory; stops at the first result that is not NGX_OK and returns
 * it.  Nodes are only ever added, at the list's end, so that it runs without
 * the mutex.
 */
ngx_int_t ngx_llmops_zone_each(ngx_shm_zone_t *zone, ngx_llmops_node_e kind,
    ngx_int_t (*visit)(ngx_str_t *name, void *node, void *data), void *data);


#endif /* _NGX_LLMOPS_ZONE_H_INCLUDED_ */
