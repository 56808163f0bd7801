
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"


/*
 * Removing an evaluation, of which there may be hundreds of documents: some of
 * them at each tick, one evaluation at a time.  When that is cut off, the next
 * look finds it again, since its head goes last.
 */


#define NGX_LLMOPS_SWEEP_PARTS  32         /* of each tick */


static ngx_int_t ngx_llmops_evaluations_sweep_op(
    ngx_llmops_evaluation_runner_t *runner);
static void ngx_llmops_evaluations_swept(ngx_llmops_docop_t *op);


void
ngx_llmops_evaluations_remove(ngx_llmops_evaluation_runner_t *runner,
    const char *id, ngx_uint_t cases)
{
    if (runner->removed[0]) {
        return;
    }

    cases = ngx_min(cases, NGX_LLMOPS_EVAL_CASES);

    ngx_cpystrn((u_char *) runner->removed, (u_char *) id,
                sizeof(runner->removed));

    runner->removed_part = 0;
    runner->removed_parts = (cases + NGX_LLMOPS_EVAL_CHUNK - 1)
                            / NGX_LLMOPS_EVAL_CHUNK;
}


void
ngx_llmops_evaluations_sweep(ngx_llmops_evaluation_runner_t *runner)
{
    ngx_int_t   rc;
    ngx_uint_t  n;

    for (n = 0; n < NGX_LLMOPS_SWEEP_PARTS; n++) {

        if (runner->removed[0] == '\0' || runner->remove_pool
            || ngx_llmops_evaluations_sweep_op(runner) != NGX_OK)
        {
            return;
        }

        rc = ngx_llmops_store_remove(runner->mcf->store, &runner->remove);

        if (rc == NGX_AGAIN) {
            return;
        }

        if (rc != NGX_OK) {
            runner->remove.rc = NGX_ERROR;
        }

        ngx_llmops_evaluations_swept(&runner->remove);
    }
}


/* the head is the last to go: until then it is known that there is more */

static ngx_int_t
ngx_llmops_evaluations_sweep_op(ngx_llmops_evaluation_runner_t *runner)
{
    u_char      *p;
    ngx_uint_t   part;

    runner->remove_pool = ngx_create_pool(1024, ngx_cycle->log);
    if (runner->remove_pool == NULL) {
        return NGX_ERROR;
    }

    p = ngx_pnalloc(runner->remove_pool, NGX_LLMOPS_DOC_ID);
    if (p == NULL) {
        ngx_destroy_pool(runner->remove_pool);
        runner->remove_pool = NULL;
        return NGX_ERROR;
    }

    ngx_memzero(&runner->remove, sizeof(ngx_llmops_docop_t));

    part = runner->removed_part;

    runner->remove.docs = NGX_LLMOPS_DOCS_EVALUATED;

    if (part < runner->removed_parts) {
        runner->remove.id = ngx_llmops_evaluation_chunk(p, runner->removed,
                                                        part);
    } else if (part < runner->removed_parts + 2) {
        runner->remove.id = ngx_llmops_evaluation_part(p, runner->removed,
                                part == runner->removed_parts ? "data"
                                                              : "spec");
    } else {
        runner->remove.docs = NGX_LLMOPS_DOCS_EVALUATIONS;
        runner->remove.id.data = p;
        runner->remove.id.len = ngx_strlen(runner->removed);
        ngx_memcpy(p, runner->removed, runner->remove.id.len);
    }

    runner->remove.expected = NGX_LLMOPS_REVISION_ANY;
    runner->remove.pool = runner->remove_pool;
    runner->remove.handler = ngx_llmops_evaluations_swept;
    runner->remove.data = runner;

    return NGX_OK;
}


void
ngx_llmops_evaluations_sweep_stop(ngx_llmops_evaluation_runner_t *runner)
{
    if (runner->remove_pool) {
        ngx_llmops_store_forget(runner->mcf->store, &runner->remove);
        ngx_destroy_pool(runner->remove_pool);
        runner->remove_pool = NULL;
    }
}


static void
ngx_llmops_evaluations_swept(ngx_llmops_docop_t *op)
{
    ngx_llmops_evaluation_runner_t  *runner = op->data;

    ngx_destroy_pool(runner->remove_pool);
    runner->remove_pool = NULL;

    if (op->rc != NGX_OK && op->rc != NGX_DECLINED) {
        runner->removed[0] = '\0';           /* another look finds it again */
        return;
    }

    if (++runner->removed_part == runner->removed_parts + 3) {
        runner->removed[0] = '\0';
    }
}
