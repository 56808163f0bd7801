
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_index.h"
#include "ngx_llmops_index_job.h"
#include "ngx_llmops_chunker.h"
#include "ngx_llmops_redis.h"
#include "ngx_llmops_digest.h"

#include <signal.h>


/*
 * One document, from what its head says is to be done until that is done:
 *
 *   get     its head, and whether somebody else is at work on it
 *   cut     its text, in chunks; a chunk is named by document and text
 *   claim   the head is written anew: who is at work, and all chunks that will
 *           be in the set of vectors beside those that are
 *   look    which of the chunks are there; others' attributes are corrected
 *   add     those that are not, batch by batch
 *   remove  those of the document that are not among its chunks any more
 *   finish  the head is written once more: ready
 *
 * So a worker may die anywhere.  The next one goes the same way: it looks what
 * is there, and nothing is embedded twice but what had not been put into the
 * set; and as each chunk is in the head before it is in the set, and leaves the
 * head after it has left the set, there are no orphans.  A document that is
 * taken out goes the same way with no chunks, and at its end text and head are
 * removed.  Old chunks are found until the new ones are there.
 *
 * A head is written in the place of the revision that was read: if somebody has
 * changed it the job begins anew.  Who changes it leaves the claim in it, so
 * that no other gateway begins before this one has noticed.
 *
 * One question at a time, each of whose handlers makes the next step.
 */


static void ngx_llmops_job_got(ngx_llmops_docop_t *op);
static ngx_uint_t ngx_llmops_job_others(ngx_llmops_index_job_t *job);
static void ngx_llmops_job_text(ngx_llmops_docop_t *op);
static ngx_int_t ngx_llmops_job_cut(ngx_llmops_index_job_t *job,
    ngx_str_t *text);
static ngx_int_t ngx_llmops_job_name(ngx_llmops_index_job_t *job,
    ngx_llmops_job_chunk_t *chunk);
static void ngx_llmops_job_clear(ngx_llmops_index_job_t *job);


#define NGX_LLMOPS_JOB_TRIES  5          /* against who changes the head */


ngx_llmops_index_job_t *
ngx_llmops_index_job(ngx_llmops_main_conf_t *mcf, ngx_llmops_index_t *index,
    ngx_str_t *id, ngx_llmops_index_job_pt over, void *data)
{
    ngx_llmops_index_job_t  *job;

    job = ngx_calloc(sizeof(ngx_llmops_index_job_t), ngx_cycle->log);

    if (job == NULL || id->len > NGX_LLMOPS_INDEX_ID) {
        ngx_free(job);
        return NULL;
    }

    job->mcf = mcf;
    job->index = index;
    job->over = over;
    job->data = data;
    job->id.data = job->id_buf;
    job->id.len = id->len;
    ngx_memcpy(job->id_buf, id->data, id->len);

    job->event.handler = ngx_llmops_job_event;
    job->event.data = job;
    job->event.log = ngx_cycle->log;
    job->event.cancelable = 1;

    job->next = ngx_llmops_job_get;

    ngx_post_event(&job->event, &ngx_posted_events);

    return job;
}


void
ngx_llmops_index_job_free(ngx_llmops_index_job_t *job)
{
    if (job->event.posted) {
        ngx_delete_posted_event(&job->event);
    }

    if (job->event.timer_set) {
        ngx_del_timer(&job->event);
    }

    if (job->asking) {
        ngx_llmops_store_forget(job->mcf->store, &job->op);
    }

    ngx_llmops_vectors_forget(&job->ask);
    ngx_llmops_index_embed_forget(&job->embed);

    ngx_llmops_job_clear(job);
    ngx_free(job);
}


/* all of a round */

static void
ngx_llmops_job_clear(ngx_llmops_index_job_t *job)
{
    json_decref(job->head);
    json_decref(job->stay);
    free(job->value);
    free(job->attributes);

    job->head = NULL;
    job->stay = NULL;
    job->value = NULL;
    job->attributes = NULL;
    job->vectors = NULL;
    job->room = 0;

    if (job->pool) {
        ngx_destroy_pool(job->pool);
        job->pool = NULL;
    }
}


ngx_str_t *
ngx_llmops_index_job_id(ngx_llmops_index_job_t *job)
{
    return &job->id;
}


ngx_uint_t
ngx_llmops_index_job_done(ngx_llmops_index_job_t *job)
{
    return job->done;
}


void *
ngx_llmops_index_job_data(ngx_llmops_index_job_t *job)
{
    return job->data;
}


void
ngx_llmops_job_event(ngx_event_t *ev)
{
    ngx_llmops_index_job_t *job = ev->data;

    job->next(job);
}


/* the job is gone afterwards */

void
ngx_llmops_job_end(ngx_llmops_index_job_t *job, ngx_uint_t done)
{
    job->done = done;
    job->over(job);
}


/* asks the store; the job may be gone afterwards */

void
ngx_llmops_job_store(ngx_llmops_index_job_t *job,
    ngx_int_t (*call)(ngx_llmops_store_t *store, ngx_llmops_docop_t *op),
    ngx_llmops_doc_pt handler)
{
    ngx_int_t  rc;

    job->op.pool = job->pool;
    job->op.handler = handler;
    job->op.data = job;

    rc = call(job->mcf->store, &job->op);

    if (rc == NGX_AGAIN) {
        job->asking = 1;
        return;
    }

    if (rc == NGX_ERROR || job->op.rc != NGX_OK) {
        ngx_llmops_job_end(job, 0);
        return;
    }

    handler(&job->op);
}


/* makes that step in so many milliseconds */

void
ngx_llmops_job_later(ngx_llmops_index_job_t *job,
    ngx_llmops_index_job_pt next, ngx_msec_t ms)
{
    job->next = next;

    ngx_add_timer(&job->event, ms);
}


/* -- get, cut -------------------------------------------------------------- */

void
ngx_llmops_job_get(ngx_llmops_index_job_t *job)
{
    ngx_llmops_job_clear(job);

    job->pool = ngx_create_pool(4096, ngx_cycle->log);

    if (job->pool == NULL || ++job->rounds > NGX_LLMOPS_JOB_TRIES) {
        ngx_llmops_job_end(job, 0);
        return;
    }

    job->chunks = NULL;
    job->nchunks = 0;
    job->at = 0;
    job->deleting = 0;
    job->cleaning = 0;

    ngx_memzero(&job->op, sizeof(ngx_llmops_docop_t));

    job->op.docs = NGX_LLMOPS_DOCS_INDEXED;
    job->op.id = job->id;

    ngx_llmops_job_store(job, ngx_llmops_store_get, ngx_llmops_job_got);
}


static void
ngx_llmops_job_got(ngx_llmops_docop_t *op)
{
    const char              *state;
    ngx_llmops_index_job_t  *job = op->data;

    job->asking = 0;

    if (op->rc != NGX_OK) {
        ngx_llmops_job_end(job, op->rc == NGX_DECLINED);
        return;
    }

    job->head = ngx_llmops_doc_load(&op->doc.value);
    job->revision = op->doc.revision;

    state = ngx_llmops_doc_string(job->head, "state");
    job->deleting = (ngx_strcmp(state, "deleting") == 0);

    if (!job->deleting && ngx_strcmp(state, "pending") != 0) {
        ngx_llmops_job_end(job, 1);
        return;
    }

    if (json_integer_value(json_object_get(job->head, "after")) > ngx_time()
        || ngx_llmops_job_others(job))
    {
        ngx_llmops_job_end(job, 0);
        return;
    }

    job->stay = json_object();

    if (job->stay == NULL || job->deleting) {
        ngx_llmops_job_claim(job);
        return;
    }

    op->docs = NGX_LLMOPS_DOCS_TEXTS;
    op->id.data = (u_char *) ngx_llmops_doc_string(job->head, "text");
    op->id.len = ngx_strlen(op->id.data);

    ngx_llmops_job_store(job, ngx_llmops_store_get, ngx_llmops_job_text);
}


/* whether somebody else is at work on it, who is alive */

static ngx_uint_t
ngx_llmops_job_others(ngx_llmops_index_job_t *job)
{
    json_t     *claim;
    ngx_pid_t   pid;

    claim = json_object_get(job->head, "claim");

    if (claim == NULL
        || json_integer_value(json_object_get(claim, "until"))
           <= ngx_llmops_store_now(job->mcf->store))
    {
        return 0;
    }

    if ((uint64_t) json_integer_value(json_object_get(claim, "by"))
        != ngx_llmops_redis_gateway(job->mcf->store))
    {
        return 1;
    }

    pid = (ngx_pid_t) json_integer_value(json_object_get(claim, "pid"));

    return pid != ngx_pid && (kill(pid, 0) == 0 || ngx_errno != NGX_ESRCH);
}


static void
ngx_llmops_job_text(ngx_llmops_docop_t *op)
{
    ngx_llmops_index_job_t  *job = op->data;

    job->asking = 0;

    if (op->rc == NGX_DECLINED) {

        /* it has just been changed, or is lost */

        if (job->rounds < NGX_LLMOPS_JOB_TRIES) {
            ngx_llmops_job_later(job, ngx_llmops_job_get, 100);

        } else {
            ngx_llmops_job_fail(job, "its text is lost, put it again", 1);
        }

        return;
    }

    if (op->rc != NGX_OK) {
        ngx_llmops_job_end(job, 0);
        return;
    }

    switch (ngx_llmops_job_cut(job, &op->doc.value)) {

    case NGX_OK:
        ngx_llmops_job_claim(job);
        return;

    case NGX_DECLINED:
        ngx_llmops_job_fail(job, "it has more than 1024 chunks, put it in "
                            "parts", 1);
        return;

    default:
        ngx_llmops_job_end(job, 0);
    }
}


/* NGX_OK, NGX_DECLINED: too many chunks, NGX_ERROR */

static ngx_int_t
ngx_llmops_job_cut(ngx_llmops_index_job_t *job, ngx_str_t *text)
{
    size_t                   n;
    json_t                  *noted;
    ngx_str_t                chunk;
    ngx_llmops_chunker_t     chunker;
    ngx_llmops_job_chunk_t  *c;

    /* a chunk begins at least a quarter of its size behind the one before */

    n = text->len / (job->index->chunk / 4) + 2;
    n = ngx_min(n, NGX_LLMOPS_INDEX_CHUNKS);

    job->chunks = ngx_palloc(job->pool, n * sizeof(ngx_llmops_job_chunk_t));
    if (job->chunks == NULL) {
        return NGX_ERROR;
    }

    noted = json_object_get(json_object_get(job->head, "sets"),
                            (char *) job->index->set.data);

    ngx_llmops_chunker_init(&chunker, text, job->index->chunk,
                            job->index->overlap);

    while (ngx_llmops_chunker_next(&chunker, &chunk) == NGX_OK) {

        if (job->nchunks == n) {
            return NGX_DECLINED;
        }

        c = &job->chunks[job->nchunks];
        c->text = chunk;

        if (ngx_llmops_job_name(job, c) != NGX_OK) {
            return NGX_ERROR;
        }

        if (json_object_get(job->stay, (char *) c->name)) {
            continue;                        /* the document repeats itself */
        }

        c->missing = (json_object_get(noted, (char *) c->name) == NULL);

        if (json_object_set_new(job->stay, (char *) c->name, json_integer(1))
            != 0)
        {
            return NGX_ERROR;
        }

        job->nchunks++;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_job_name(ngx_llmops_index_job_t *job, ngx_llmops_job_chunk_t *c)
{
    u_char  digest[32];

    if (ngx_llmops_sha256(c->text.data, c->text.len, digest) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_llmops_doc_chunk(digest, c->name);

    return NGX_OK;
}
