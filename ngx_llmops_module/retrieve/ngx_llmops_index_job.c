
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


static void ngx_llmops_job_get(ngx_llmops_index_job_t *job);
static void ngx_llmops_job_got(ngx_llmops_docop_t *op);
static ngx_uint_t ngx_llmops_job_others(ngx_llmops_index_job_t *job);
static void ngx_llmops_job_text(ngx_llmops_docop_t *op);
static ngx_int_t ngx_llmops_job_cut(ngx_llmops_index_job_t *job,
    ngx_str_t *text);
static ngx_int_t ngx_llmops_job_name(ngx_llmops_index_job_t *job,
    ngx_llmops_job_chunk_t *chunk);
static void ngx_llmops_job_claim(ngx_llmops_index_job_t *job);
static void ngx_llmops_job_claimed(ngx_llmops_docop_t *op);
static void ngx_llmops_job_changed(ngx_llmops_index_job_t *job, ngx_int_t rc);
static void ngx_llmops_job_ready(ngx_llmops_docop_t *op);
static void ngx_llmops_job_text_gone(ngx_llmops_docop_t *op);
static void ngx_llmops_job_gone(ngx_llmops_docop_t *op);
static void ngx_llmops_job_failed(ngx_llmops_docop_t *op);
static void ngx_llmops_job_clear(ngx_llmops_index_job_t *job);


#define NGX_LLMOPS_JOB_TRIES    5          /* against who changes the head */
#define NGX_LLMOPS_JOB_REFUSED  2          /* by the provider: given up; the
                                              second time it was alone */
#define NGX_LLMOPS_JOB_WAIT     60         /* s: between two tries, at most */


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


/* -- get, cut -------------------------------------------------------------- */

static void
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


/* -- claim ----------------------------------------------------------------- */

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

static void
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

    job->asking = 0;

    if (op->rc != NGX_OK) {
        ngx_llmops_job_changed(job, op->rc);
        return;
    }

    job->revision = op->doc.revision;

    if (job->cleaning || job->deleting) {
        ngx_llmops_job_remove(job);

    } else {
        ngx_llmops_job_look(job);
    }
}


/* NGX_DECLINED: somebody has changed the head */

static void
ngx_llmops_job_changed(ngx_llmops_index_job_t *job, ngx_int_t rc)
{
    if (rc == NGX_DECLINED) {
        ngx_llmops_job_later(job, ngx_llmops_job_get, 10);

    } else {
        ngx_llmops_job_end(job, 0);
    }
}


/* makes that step in so many milliseconds */

void
ngx_llmops_job_later(ngx_llmops_index_job_t *job,
    ngx_llmops_index_job_pt next, ngx_msec_t ms)
{
    job->next = next;

    ngx_add_timer(&job->event, ms);
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

    job->asking = 0;

    if (op->rc != NGX_OK) {
        ngx_llmops_job_changed(job, op->rc);
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

    job->asking = 0;

    if (op->rc != NGX_OK) {
        ngx_llmops_job_changed(job, op->rc);
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

    job->asking = 0;

    if (op->rc != NGX_OK) {
        ngx_llmops_job_changed(job, op->rc);
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
