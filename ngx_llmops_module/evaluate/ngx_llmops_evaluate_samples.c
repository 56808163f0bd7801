
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"
#include "ngx_llmops_samples.h"


/*
 * Cases that are the last samples of a route.  They are read once, and kept
 * with the evaluation: who goes on with it has the same, whatever has been
 * recorded since, or deleted.
 */


typedef struct {
    ngx_llmops_evaluation_run_t  *run;
    ngx_llmops_samples_read_t     rd;
    ngx_pool_t                   *pool;
    unsigned                      here:1;
} ngx_llmops_run_samples_t;


static void ngx_llmops_run_samples_here(ngx_llmops_samples_read_t *rd);
static ngx_int_t ngx_llmops_run_samples_take(
    ngx_llmops_evaluation_run_t *run, char *err);


ngx_int_t
ngx_llmops_run_samples(ngx_llmops_evaluation_run_t *run)
{
    json_t                    *want;
    ngx_int_t                  rc;
    ngx_pool_t                *pool;
    ngx_llmops_run_samples_t  *s;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    s = pool ? ngx_pcalloc(pool, sizeof(ngx_llmops_run_samples_t)) : NULL;

    if (s == NULL) {
        if (pool) {
            ngx_destroy_pool(pool);
        }

        return ngx_llmops_evaluation_later(run, run->state);
    }

    want = json_object_get(json_object_get(run->spec_json, "dataset"),
                           "samples");

    s->run = run;
    s->pool = pool;
    s->rd.route = ngx_llmops_evaluation_string(want, "route");
    s->rd.tenant = ngx_llmops_evaluation_string(want, "tenant");
    s->rd.n = json_integer_value(json_object_get(want, "last"));
    s->rd.bytes = NGX_LLMOPS_DOC_LARGE;
    s->rd.pool = pool;
    s->rd.handler = ngx_llmops_run_samples_here;
    s->rd.data = s;

    run->samples = s;
    run->state = NGX_LLMOPS_RUN_SAMPLED;

    rc = ngx_llmops_samples_last(run->mcf, &s->rd);

    if (rc == NGX_AGAIN) {
        return NGX_OK;
    }

    ngx_llmops_run_samples_drop(run);

    if (rc == NGX_DECLINED) {
        return ngx_llmops_evaluation_fail(run, "no route has \"sample\": there "
                                          "are no samples");
    }

    return ngx_llmops_evaluation_later(run, NGX_LLMOPS_RUN_SAMPLES);
}


static void
ngx_llmops_run_samples_here(ngx_llmops_samples_read_t *rd)
{
    ngx_llmops_run_samples_t *s = rd->data;

    s->here = 1;

    ngx_llmops_evaluation_step(s->run);
}


/* oldest first, as far as there is room for them */

ngx_int_t
ngx_llmops_run_sampled(ngx_llmops_evaluation_run_t *run)
{
    char                       err[NGX_LLMOPS_EVAL_TEXT];
    ngx_int_t                  rc;
    ngx_llmops_run_samples_t  *s;

    s = run->samples;

    if (!s->here) {
        return NGX_AGAIN;
    }

    if (s->rd.rc == NGX_ERROR) {
        ngx_llmops_run_samples_drop(run);
        return ngx_llmops_evaluation_later(run, NGX_LLMOPS_RUN_SAMPLES);
    }

    rc = ngx_llmops_run_samples_take(run, err);

    ngx_llmops_run_samples_drop(run);

    if (rc == NGX_DECLINED) {
        return ngx_llmops_evaluation_fail(run, "samples: %s", err);
    }

    if (rc != NGX_OK
        || ngx_llmops_evaluation_op(run, NGX_LLMOPS_DOCS_EVALUATED) != NGX_OK)
    {
        return ngx_llmops_evaluation_fail(run, "out of memory");
    }

    run->op.id = ngx_llmops_evaluation_part(run->buf, run->id, "data");
    run->op.value = ngx_llmops_dataset_text(&run->set);
    run->op.expected = NGX_LLMOPS_REVISION_ANY;

    if (run->op.value.len > NGX_LLMOPS_DOC_LARGE) {
        return ngx_llmops_evaluation_fail(run, "the samples have more than "
                                          "1 MB, ask for fewer");
    }

    return ngx_llmops_evaluation_ask(run, ngx_llmops_store_put,
                                     NGX_LLMOPS_RUN_SAMPLES_PUT);
}


/* makes cases of the samples, the oldest first; as ngx_llmops_dataset_end().
   One that is too large for a case does not forbid the others */

static ngx_int_t
ngx_llmops_run_samples_take(ngx_llmops_evaluation_run_t *run, char *err)
{
    json_t                    *json, *kase;
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_llmops_sample_t       *sample;
    ngx_llmops_run_samples_t  *s = run->samples;

    rc = NGX_OK;
    sample = s->rd.samples.elts;

    for (i = s->rd.samples.nelts; i-- > 0 && rc == NGX_OK; /* void */) {

        json = ngx_llmops_evaluation_load(&sample[i].text);
        kase = ngx_llmops_dataset_sample(json);

        if (kase) {
            rc = ngx_llmops_dataset_add(&run->set, kase, err);
        }

        if (rc == NGX_DECLINED) {
            rc = NGX_OK;
        }

        json_decref(kase);
        json_decref(json);
    }

    return rc == NGX_OK ? ngx_llmops_dataset_end(&run->set, err) : rc;
}


ngx_int_t
ngx_llmops_run_samples_put(ngx_llmops_evaluation_run_t *run)
{
    if (run->op.rc == NGX_BUSY) {
        return ngx_llmops_evaluation_fail(run, "the store has no room for the "
                                          "samples, make llm_zone larger");
    }

    ngx_llmops_dataset_free(&run->set);

    if (run->op.rc != NGX_OK) {
        return ngx_llmops_evaluation_later(run, NGX_LLMOPS_RUN_SAMPLES);
    }

    run->state = NGX_LLMOPS_RUN_DATA;        /* what is read is what is kept */

    return NGX_OK;
}


void
ngx_llmops_run_samples_drop(ngx_llmops_evaluation_run_t *run)
{
    ngx_llmops_run_samples_t  *s;

    s = run->samples;

    if (s == NULL) {
        return;
    }

    run->samples = NULL;

    ngx_llmops_samples_forget(&s->rd);
    ngx_destroy_pool(s->pool);
}
