
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ROLLOUT_RUN_H_INCLUDED_
#define _NGX_LLMOPS_ROLLOUT_RUN_H_INCLUDED_


#include "ngx_llmops_rollout.h"


/* What the files of worker 0's decisions share; see ngx_llmops_rollout_run.c.
   All of it belongs to worker 0. */


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
    uint64_t                   number;     /* of the decision, or 0 */
    ngx_llmops_rollout_action_e  action;
    ngx_msec_t                 wait;       /* ngx_current_msec: not before */
    time_t                     complain;   /* not before */
    unsigned                   waiting:1;
    unsigned                   shown:1;    /* a document, by this process */
    unsigned                   quiet:1;    /* what is put is no decision */
    unsigned                   lacking:1;  /* an evaluation: has been said */
};


/* rollout_store.c */

/* Asks the store for the document, and shows it to all workers when it is
   there; makes one if there is none.  Not while run->pool is set. */
void ngx_llmops_rollout_read(ngx_llmops_rollout_run_t *run);

/* Makes a document the value of op, as text in pool.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_rollout_value(ngx_llmops_docop_t *op, ngx_pool_t *pool,
    json_t *doc);

/* Puts run->next in the place of that revision (NGX_LLMOPS_REVISION_NONE: of
   none); once it is there it is shown, and told unless run->quiet.  NULL, that
   memory has run out, is tried again later.  Not while run->pool is set. */
void ngx_llmops_rollout_put(ngx_llmops_rollout_run_t *run,
    uint64_t expected);

/* Reads run->json into *doc, and shows it to all workers. */
void ngx_llmops_rollout_show(ngx_llmops_rollout_run_t *run,
    ngx_llmops_rollout_doc_t *doc);

/* The operation is over, or forgotten: frees its pool. */
void ngx_llmops_rollout_over(ngx_llmops_rollout_run_t *run);

/* Nothing is tried for a while. */
void ngx_llmops_rollout_later(ngx_llmops_rollout_run_t *run);


/* rollout_decide.c */

/* Decides what there is to decide, of run->json, and puts it; notes figures of
   the guards in shared memory.  Not while run->pool is set. */
void ngx_llmops_rollout_decide(ngx_llmops_rollout_run_t *run);


#endif /* _NGX_LLMOPS_ROLLOUT_RUN_H_INCLUDED_ */
