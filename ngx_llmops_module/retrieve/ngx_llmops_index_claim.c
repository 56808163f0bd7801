
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_index_job.h"
#include "ngx_llmops_redis.h"


/*
 * The head of a job's document as the job writes it: with its claim, renewed as
 * long as it is at work, and at the end with what has come of it.
 */


static void ngx_llmops_job_claimed(ngx_llmops_docop_t *op);
static ngx_uint_t ngx_llmops_job_written(ngx_llmops_index_job_t *job);
static void ngx_llmops_job_ready(ngx_llmops_docop_t *op);
static void ngx_llmops_job_text_gone(ngx_llmops_docop_t *op);
static void ngx_llmops_job_gone(ngx_llmops_docop_t *op);
static void ngx_llmops_job_failed(ngx_llmops_docop_t *op);


#define NGX_LLMOPS_JOB_REFUSED  2          /* by the provider: given up; the
                                              second time it was alone */
#define NGX_LLMOPS_JOB_WAIT     60         /* s: between two tries, at most */


/* writes the head anew, with the claim or without; the job may be gone */

void
ngx_llmops_job_put(ngx_llmops_index_job_t *job, ngx_uint_t claim,
    ngx_llmops_doc_pt handler)
{
    json_t  *value;

    if (claim) {
        value = json_pack("{s:I,s:i,s:I}",
                     "by", (json_int_t)
                           ngx_llmops_redis_gateway(job->mcf->store),
                     "pid", (int) ngx_pid,
                     "until", (json_int_t)
                              ngx_llmops_store_now(job->mcf->store)
                              + NGX_LLMOPS_INDEX_LEASE);

        (void) json_object_set_new(job->head, "claim", value);
        job->leased = ngx_current_msec;

    } else {
        (void) json_object_del(job->head, "claim");
    }

    free(job->value);
    job->value = json_dumps(job->head, JSON_COMPACT);

    if (job->value == NULL) {
        ngx_llmops_job_end(job, 0);
        return;
    }

    job->op.docs = NGX_LLMOPS_DOCS_INDEXED;
    job->op.id = job->id;
    job->op.expected = job->revision;
    job->op.value.data = (u_char *) job->value;
    job->op.value.len = ngx_strlen(job->value);

    ngx_llmops_job_store(job, ngx_llmops_store_put, handler);
}


/* one with too many old chunks to note the new ones beside them is cleaned
   before */

void
ngx_llmops_job_claim(ngx_llmops_index_job_t *job)
{
    size_t       n;
    json_t      *names;
    const char  *set;

    if (job->stay == NULL) {
        ngx_llmops_job_end(job, 0);
        return;
    }

    n = job->nchunks;

    json_object_foreach(json_object_get(job->head, "sets"), set, names) {
        n += json_object_size(names);
    }

    job->cleaning = (n > 2 * NGX_LLMOPS_INDEX_CHUNKS + 64
                     && json_object_size(json_object_get(job->head, "sets")));

    if (!job->cleaning && job->nchunks
        && ngx_llmops_doc_note(job->head, (char *) job->index->set.data,
                               job->stay)
           != NGX_OK)
    {
        ngx_llmops_job_end(job, 0);
        return;
    }

    ngx_llmops_job_put(job, 1, ngx_llmops_job_claimed);
}


static void
ngx_llmops_job_claimed(ngx_llmops_docop_t *op)
{
    ngx_llmops_index_job_t  *job = op->data;

    if (!ngx_llmops_job_written(job)) {
        return;
    }

    job->revision = op->doc.revision;

    if (job->cleaning || job->deleting) {
        ngx_llmops_job_remove(job);

    } else {
        ngx_llmops_job_look(job);
    }
}


/* whether the head could be written; if somebody has changed it the job begins
   anew, and else it is over */

static ngx_uint_t
ngx_llmops_job_written(ngx_llmops_index_job_t *job)
{
    job->asking = 0;

    if (job->op.rc == NGX_OK) {
        return 1;
    }

    if (job->op.rc == NGX_DECLINED) {
        ngx_llmops_job_later(job, ngx_llmops_job_get, 10);

    } else {
        ngx_llmops_job_end(job, 0);
    }

    return 0;
}


/* the claim is kept alive; NGX_AGAIN: next is made afterwards, or the job has
   begun anew */

ngx_int_t
ngx_llmops_job_renew(ngx_llmops_index_job_t *job, ngx_llmops_index_job_pt next)
{
    ngx_msec_t  since;

    since = ngx_current_msec - job->leased;

    if (since > NGX_LLMOPS_INDEX_LEASE) {

        /* another gateway may be at work on it */

        ngx_llmops_job_later(job, ngx_llmops_job_get, 10);
        return NGX_AGAIN;
    }

    if (since < NGX_LLMOPS_INDEX_LEASE / 3) {
        return NGX_OK;
    }

    job->next = next;
    ngx_llmops_job_put(job, 1, ngx_llmops_job_renewed);

    return NGX_AGAIN;
}


void
ngx_llmops_job_renewed(ngx_llmops_docop_t *op)
{
    ngx_llmops_index_job_t  *job = op->data;

    if (!ngx_llmops_job_written(job)) {
        return;
    }

    job->revision = op->doc.revision;
    job->next(job);
}


/* -- the end --------------------------------------------------------------- */

void
ngx_llmops_job_finish(ngx_llmops_index_job_t *job)
{
    if (job->deleting) {
        job->op.docs = NGX_LLMOPS_DOCS_TEXTS;
        job->op.id.data = (u_char *) ngx_llmops_doc_string(job->head, "text");
        job->op.id.len = ngx_strlen(job->op.id.data);
        job->op.expected = NGX_LLMOPS_REVISION_ANY;

        ngx_llmops_job_store(job, ngx_llmops_store_remove,
                             ngx_llmops_job_text_gone);
        return;
    }

    if (job->cleaning) {
        job->rounds--;
        job->next = ngx_llmops_job_get;
        ngx_llmops_job_put(job, 1, ngx_llmops_job_renewed);
        return;
    }

    (void) json_object_set_new(job->head, "state", json_string("ready"));
    (void) json_object_set_new(job->head, "chunking",
                               json_string((char *) job->index->chunking));
    (void) json_object_set_new(job->head, "indexed",
                               json_integer(ngx_time()));
    (void) json_object_del(job->head, "error");
    (void) json_object_del(job->head, "tries");
    (void) json_object_del(job->head, "after");

    ngx_llmops_job_put(job, 0, ngx_llmops_job_ready);
}


static void
ngx_llmops_job_ready(ngx_llmops_docop_t *op)
{
    ngx_llmops_index_job_t  *job = op->data;

    if (!ngx_llmops_job_written(job)) {
        return;
    }

    if (job->index->sh) {
        (void) ngx_atomic_fetch_add(&job->index->sh->indexed, 1);
    }

    ngx_llmops_job_end(job, 1);
}


static void
ngx_llmops_job_text_gone(ngx_llmops_docop_t *op)
{
    ngx_llmops_index_job_t  *job = op->data;

    job->asking = 0;

    if (op->rc != NGX_OK && op->rc != NGX_DECLINED) {
        ngx_llmops_job_end(job, 0);
        return;
    }

    op->docs = NGX_LLMOPS_DOCS_INDEXED;
    op->id = job->id;
    op->expected = job->revision;

    ngx_llmops_job_store(job, ngx_llmops_store_remove, ngx_llmops_job_gone);
}


/* who has put it again between the two has put a text of another name */

static void
ngx_llmops_job_gone(ngx_llmops_docop_t *op)
{
    ngx_llmops_index_job_t  *job = op->data;

    if (!ngx_llmops_job_written(job)) {
        return;
    }

    ngx_llmops_job_end(job, 1);
}


/*
 * Tried in vain: again later, or, what a provider refuses, not any more until
 * it is put again.  The claim is given back.
 */

void
ngx_llmops_job_fail(ngx_llmops_index_job_t *job, const char *error,
    ngx_uint_t refused)
{
    ngx_int_t  tries;

    tries = json_integer_value(json_object_get(job->head, "tries")) + 1;

    job->refused = (refused && (refused == 1
                                || tries >= NGX_LLMOPS_JOB_REFUSED));

    (void) json_object_set_new(job->head, "error", json_string(error));
    (void) json_object_set_new(job->head, "tries", json_integer(tries));
    (void) json_object_set_new(job->head, "after",
                     json_integer(ngx_time()
                                  + ngx_min(NGX_LLMOPS_JOB_WAIT,
                                            1 << ngx_min(tries - 1, 10))));

    if (job->refused) {
        (void) json_object_set_new(job->head, "state", json_string("failed"));
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "llm_index \"%V\": a document cannot be indexed%s: %s",
                  &job->index->name, job->refused ? "" : " now", error);

    if (job->index->sh) {
        (void) ngx_atomic_fetch_add(&job->index->sh->failed, 1);
    }

    ngx_llmops_job_put(job, 0, ngx_llmops_job_failed);
}


/* the worker is about to exit: the next one goes on at once */

void
ngx_llmops_job_release(ngx_llmops_index_job_t *job)
{
    job->refused = 0;

    ngx_llmops_job_put(job, 0, ngx_llmops_job_failed);
}


static void
ngx_llmops_job_failed(ngx_llmops_docop_t *op)
{
    ngx_llmops_index_job_t  *job = op->data;

    job->asking = 0;

    ngx_llmops_job_end(job, op->rc == NGX_OK && job->refused);
}
