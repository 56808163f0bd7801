
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_index_job.h"


/*
 * Of a job: its chunks in the set of vectors.  An element's name is that of the
 * document and that of the chunk, and its attributes have the text: what is
 * found has all that a prompt needs.
 */


static void ngx_llmops_job_looked(ngx_llmops_vectors_ask_t *ask);
static void ngx_llmops_job_described(ngx_llmops_vectors_ask_t *ask);
static void ngx_llmops_job_group(ngx_llmops_index_job_t *job);
static void ngx_llmops_job_embed(ngx_llmops_index_job_t *job);
static void ngx_llmops_job_embedded(ngx_llmops_index_embed_t *e);
static ngx_int_t ngx_llmops_job_vectors(ngx_llmops_index_job_t *job);
static void ngx_llmops_job_add(ngx_llmops_index_job_t *job);
static void ngx_llmops_job_added(ngx_llmops_vectors_ask_t *ask);
static void ngx_llmops_job_removed(ngx_llmops_vectors_ask_t *ask);

static void ngx_llmops_job_sent(ngx_llmops_index_job_t *job, ngx_int_t rc,
    ngx_llmops_index_job_pt step);
static ngx_llmops_vectors_ask_t *ngx_llmops_job_ask(
    ngx_llmops_index_job_t *job, ngx_llmops_vectors_pt handler);
static ngx_int_t ngx_llmops_job_attributes(ngx_llmops_index_job_t *job,
    ngx_str_t *attributes);
static void ngx_llmops_job_element(ngx_llmops_index_job_t *job,
    const char *chunk, ngx_str_t *element, u_char *p);


#define NGX_LLMOPS_JOB_ELEMENT  (2 * NGX_LLMOPS_INDEX_CHUNK + 2)
#define NGX_LLMOPS_JOB_BUSY     50         /* ms */


/* the next chunk that may be there */

void
ngx_llmops_job_look(ngx_llmops_index_job_t *job)
{
    u_char                   name[NGX_LLMOPS_JOB_ELEMENT];
    ngx_str_t                element;
    ngx_llmops_job_chunk_t  *c;

    while (job->at < job->nchunks && job->chunks[job->at].missing) {
        job->at++;
    }

    if (job->at == job->nchunks) {
        job->at = 0;
        ngx_llmops_job_group(job);
        return;
    }

    if (ngx_llmops_job_renew(job, ngx_llmops_job_look) != NGX_OK) {
        return;
    }

    c = &job->chunks[job->at];

    ngx_llmops_job_element(job, (char *) c->name, &element, name);

    ngx_llmops_job_sent(job,
                        ngx_llmops_vectors_attributes(job->mcf->store,
                             ngx_llmops_job_ask(job, ngx_llmops_job_looked),
                             &job->index->set, &element),
                        ngx_llmops_job_look);
}


static void
ngx_llmops_job_looked(ngx_llmops_vectors_ask_t *ask)
{
    u_char                   name[NGX_LLMOPS_JOB_ELEMENT];
    ngx_str_t                element, attributes;
    ngx_llmops_job_chunk_t  *c;
    ngx_llmops_index_job_t  *job = ask->data;

    if (ask->rc != NGX_OK) {
        ngx_llmops_job_fail(job, "Redis cannot be asked", 0);
        return;
    }

    c = &job->chunks[job->at];

    if (ask->value.data == NULL) {
        c->missing = 1;
        ngx_llmops_job_look(job);
        return;
    }

    if (ngx_llmops_job_attributes(job, &attributes) != NGX_OK) {
        ngx_llmops_job_end(job, 0);
        return;
    }

    if (ask->value.len == attributes.len
        && ngx_memcmp(ask->value.data, attributes.data, attributes.len) == 0)
    {
        job->at++;
        ngx_llmops_job_look(job);
        return;
    }

    ngx_llmops_job_element(job, (char *) c->name, &element, name);

    ngx_llmops_job_sent(job,
                        ngx_llmops_vectors_describe(job->mcf->store,
                           ngx_llmops_job_ask(job, ngx_llmops_job_described),
                           &job->index->set, &element, &attributes),
                        ngx_llmops_job_look);
}


static void
ngx_llmops_job_described(ngx_llmops_vectors_ask_t *ask)
{
    ngx_llmops_index_job_t  *job = ask->data;

    if (ask->rc != NGX_OK) {
        ngx_llmops_job_fail(job, "Redis cannot be asked", 0);
        return;
    }

    job->at++;
    ngx_llmops_job_look(job);
}


/* -- add ------------------------------------------------------------------- */

/* the next ones that are missing */

static void
ngx_llmops_job_group(ngx_llmops_index_job_t *job)
{
    ngx_uint_t  n;

    if (ngx_llmops_job_renew(job, ngx_llmops_job_group) != NGX_OK) {
        return;
    }

    n = 0;

    for ( /* void */ ; job->at < job->nchunks && n < job->index->batch;
         job->at++)
    {
        if (job->chunks[job->at].missing) {
            job->texts[n] = job->chunks[job->at].text;
            job->group[n++] = job->at;
        }
    }

    job->embed.n = n;
    job->added = 0;

    if (n) {
        ngx_llmops_job_embed(job);

    } else {
        ngx_llmops_job_remove(job);
    }
}


static void
ngx_llmops_job_embed(ngx_llmops_index_job_t *job)
{
    ngx_llmops_index_embed_t  *e = &job->embed;

    e->mcf = job->mcf;
    e->index = job->index;
    e->texts = job->texts;
    e->handler = ngx_llmops_job_embedded;
    e->data = job;
    e->alone = (json_object_get(job->head, "tries") != NULL);

    if (ngx_llmops_index_embed(e) != NGX_AGAIN) {
        ngx_llmops_job_end(job, 0);
    }
}


static void
ngx_llmops_job_embedded(ngx_llmops_index_embed_t *e)
{
    ngx_llmops_index_job_t  *job = e->data;

    if (e->vectors && ngx_llmops_job_vectors(job) == NGX_OK) {
        ngx_llmops_job_add(job);
        return;
    }

    if (ngx_exiting) {
        ngx_llmops_job_release(job);
        return;
    }

    ngx_llmops_job_fail(job, e->error ? e->error : "out of memory",
                        (e->status == NGX_HTTP_BAD_REQUEST
                         || e->status == NGX_HTTP_REQUEST_ENTITY_TOO_LARGE
                         || e->status == 422) ? 2 : 0);
}


/* they are needed for longer than the provider's answer is there */

static ngx_int_t
ngx_llmops_job_vectors(ngx_llmops_index_job_t *job)
{
    size_t  n;

    n = job->embed.n * job->embed.dims;

    if (n > job->room || job->vectors == NULL) {
        job->vectors = ngx_palloc(job->pool, n * sizeof(float));
        job->room = n;

        if (job->vectors == NULL) {
            return NGX_ERROR;
        }
    }

    ngx_memcpy(job->vectors, job->embed.vectors, n * sizeof(float));
    job->dims = job->embed.dims;

    return NGX_OK;
}


static void
ngx_llmops_job_add(ngx_llmops_index_job_t *job)
{
    u_char                   name[NGX_LLMOPS_JOB_ELEMENT];
    ngx_str_t                element, attributes;
    ngx_uint_t               save;
    ngx_llmops_vector_t      vector;

    if (ngx_llmops_job_renew(job, ngx_llmops_job_add) != NGX_OK) {
        return;
    }

    save = job->at;
    job->at = job->group[job->added];

    if (ngx_llmops_job_attributes(job, &attributes) != NGX_OK) {
        ngx_llmops_job_end(job, 0);
        return;
    }

    ngx_llmops_job_element(job, (char *) job->chunks[job->at].name, &element,
                           name);
    job->at = save;

    vector.v = job->vectors + job->added * job->dims;
    vector.dims = job->dims;

    ngx_llmops_job_sent(job,
                        ngx_llmops_vectors_add(job->mcf->store,
                             ngx_llmops_job_ask(job, ngx_llmops_job_added),
                             &job->index->set, &element, &vector, &attributes,
                             0),
                        ngx_llmops_job_add);
}


static void
ngx_llmops_job_added(ngx_llmops_vectors_ask_t *ask)
{
    ngx_llmops_index_job_t  *job = ask->data;

    if (ask->rc != NGX_OK) {
        ngx_llmops_job_fail(job, "Redis does not take its vectors", 0);
        return;
    }

    if (++job->added < job->embed.n) {
        ngx_llmops_job_add(job);

    } else {
        ngx_llmops_job_group(job);
    }
}


/* -- remove ---------------------------------------------------------------- */

void
ngx_llmops_job_remove(ngx_llmops_index_job_t *job)
{
    u_char       name[NGX_LLMOPS_JOB_ELEMENT];
    ngx_str_t    element, key;
    const char  *set, *chunk;

    if (ngx_llmops_job_renew(job, ngx_llmops_job_remove) != NGX_OK) {
        return;
    }

    if (ngx_llmops_doc_stale(job->head, (char *) job->index->set.data,
                             job->stay, &set, &chunk)
        != NGX_OK)
    {
        ngx_llmops_job_finish(job);
        return;
    }

    ngx_llmops_job_element(job, chunk, &element, name);

    key.data = (u_char *) set;
    key.len = ngx_strlen(set);

    ngx_llmops_job_sent(job,
                        ngx_llmops_vectors_remove(job->mcf->store,
                             ngx_llmops_job_ask(job, ngx_llmops_job_removed),
                             &key, &element),
                        ngx_llmops_job_remove);
}


static void
ngx_llmops_job_removed(ngx_llmops_vectors_ask_t *ask)
{
    const char              *set, *chunk;
    ngx_llmops_index_job_t  *job = ask->data;

    if (ask->rc != NGX_OK) {
        ngx_llmops_job_fail(job, "Redis cannot be asked", 0);
        return;
    }

    if (ngx_llmops_doc_stale(job->head, (char *) job->index->set.data,
                             job->stay, &set, &chunk)
        == NGX_OK)
    {
        ngx_llmops_doc_forget(job->head, set, chunk);
    }

    ngx_llmops_job_remove(job);
}


/* -- questions ------------------------------------------------------------- */

static ngx_llmops_vectors_ask_t *
ngx_llmops_job_ask(ngx_llmops_index_job_t *job, ngx_llmops_vectors_pt handler)
{
    job->ask.handler = handler;
    job->ask.data = job;
    job->ask.log = ngx_cycle->log;

    return &job->ask;
}


/* what came of sending a question; the job may be gone */

static void
ngx_llmops_job_sent(ngx_llmops_index_job_t *job, ngx_int_t rc,
    ngx_llmops_index_job_pt step)
{
    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc == NGX_BUSY) {
        ngx_llmops_job_later(job, step, NGX_LLMOPS_JOB_BUSY);
        return;
    }

    /* what has been begun is gone on with when Redis can be asked again */

    ngx_llmops_job_end(job, 0);
}


/* of chunk "at" */

static ngx_int_t
ngx_llmops_job_attributes(ngx_llmops_index_job_t *job, ngx_str_t *attributes)
{
    json_t  *value;

    value = ngx_llmops_doc_attributes(job->head, &job->chunks[job->at].text,
                                      job->at);

    free(job->attributes);
    job->attributes = value ? json_dumps(value, JSON_COMPACT|JSON_SORT_KEYS)
                            : NULL;

    json_decref(value);

    if (job->attributes == NULL) {
        return NGX_ERROR;
    }

    attributes->data = (u_char *) job->attributes;
    attributes->len = ngx_strlen(job->attributes);

    return NGX_OK;
}


static void
ngx_llmops_job_element(ngx_llmops_index_job_t *job, const char *chunk,
    ngx_str_t *element, u_char *p)
{
    ngx_str_t  doc;

    doc.data = job->id.data + job->id.len - NGX_LLMOPS_INDEX_CHUNK;
    doc.len = NGX_LLMOPS_INDEX_CHUNK;

    element->data = p;
    element->len = ngx_sprintf(p, "%V:%s", &doc, chunk) - p;
}
