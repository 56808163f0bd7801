
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REGISTRY_H_INCLUDED_
#define _NGX_LLMOPS_REGISTRY_H_INCLUDED_


#include "ngx_llmops.h"

#include <jansson.h>


/*
 * What has served when: targets, versions of prompts, sets of rules, and the
 * models that providers say have answered, of each route.
 *
 *   ngx_llmops_registry.c        counts in shared memory
 *   ngx_llmops_registry_keep.c   worker 0: adds them to documents
 */


typedef enum {
    NGX_LLMOPS_REGISTRY_TARGET = 0,
    NGX_LLMOPS_REGISTRY_PROMPT,            /* NAME@VERSION */
    NGX_LLMOPS_REGISTRY_RULES,             /* NAME,NAME */
    NGX_LLMOPS_REGISTRY_MODEL              /* UPSTREAM/MODEL, as it says */
} ngx_llmops_registry_kind_e;


typedef enum {
    NGX_LLMOPS_REGISTRY_REQUESTS = 0,
    NGX_LLMOPS_REGISTRY_ERRORS,
    NGX_LLMOPS_REGISTRY_CHECKED,           /* answers that rules have seen */
    NGX_LLMOPS_REGISTRY_BROKEN,            /* that have broken some */
    NGX_LLMOPS_REGISTRY_FEEDBACK,          /* answers that people have scored */
    NGX_LLMOPS_REGISTRY_FEEDBACK_SUM,      /* times 10^6 */
    NGX_LLMOPS_REGISTRY_JUDGED,            /* and those a model has */
    NGX_LLMOPS_REGISTRY_JUDGED_SUM,
    NGX_LLMOPS_REGISTRY_COUNTS
} ngx_llmops_registry_count_e;


/* in the zone, named "ROUTE\0KIND\0NAME"; all workers add to n, worker 0 alone
   writes kept: what of it the documents have */

typedef struct {
    ngx_atomic_t               first;      /* ms since the epoch */
    ngx_atomic_t               last;
    ngx_atomic_t               n[NGX_LLMOPS_REGISTRY_COUNTS];
    ngx_atomic_t               kept[NGX_LLMOPS_REGISTRY_COUNTS];
} ngx_llmops_registry_sh_t;


/* A request is over: counts what has served it.  Once, from the log handler. */
void ngx_llmops_registry_note(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx);

/* A score from 0 to 1 of an answer: what is FEEDBACK or JUDGED; prompt is
   NAME@VERSION, or NULL. */
void ngx_llmops_registry_score(ngx_llmops_main_conf_t *mcf, ngx_str_t *route,
    ngx_str_t *target, ngx_str_t *prompt, ngx_llmops_registry_count_e what,
    double score);

/* Sets name to that of the prompt, NAME@VERSION, that has served the route and
   has that CRC-32; leaves it alone if there is none.  It is in the zone. */
void ngx_llmops_registry_prompt(ngx_llmops_main_conf_t *mcf, ngx_str_t *route,
    uint32_t hash, ngx_str_t *name);

/* The parts of a node's name. */
void ngx_llmops_registry_parts(ngx_str_t *node, ngx_str_t *route,
    ngx_llmops_registry_kind_e *kind, ngx_str_t *name);

/* The id of a node's document, written to id (NGX_LLMOPS_DOC_ID bytes); its
   length. */
size_t ngx_llmops_registry_id(ngx_str_t *node, u_char *id);

/* A new document of a node; or doc, taken over; with what it has not been told
   yet of these counts.  NULL: out of memory. */
json_t *ngx_llmops_registry_merge(json_t *doc, ngx_str_t *name,
    ngx_llmops_registry_sh_t *sh, const ngx_atomic_uint_t *counts);

/* Worker 0. */
ngx_int_t ngx_llmops_registry_start(ngx_cycle_t *cycle,
    ngx_llmops_main_conf_t *mcf);
void ngx_llmops_registry_stop(ngx_llmops_main_conf_t *mcf);


extern const char  *ngx_llmops_registry_kinds[];


#endif /* _NGX_LLMOPS_REGISTRY_H_INCLUDED_ */
