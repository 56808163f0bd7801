
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_INDEX_JOB_H_INCLUDED_
#define _NGX_LLMOPS_INDEX_JOB_H_INCLUDED_


#include "ngx_llmops_index.h"


/* What the files of a job have in common: ngx_llmops_index_job.c, its steps and
   its document's text, ngx_llmops_index_claim.c, the document's head, and
   ngx_llmops_index_chunks.c, its vectors; nobody else includes this. */


typedef struct {
    ngx_str_t                  text;
    u_char                     name[NGX_LLMOPS_INDEX_CHUNK + 1];
    unsigned                   missing:1;  /* in the set of vectors */
} ngx_llmops_job_chunk_t;


struct ngx_llmops_index_job_s {
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_index_t        *index;
    ngx_str_t                  id;         /* in the store */
    u_char                     id_buf[NGX_LLMOPS_INDEX_ID];
    ngx_llmops_index_job_pt    over;
    void                      *data;

    ngx_event_t                event;      /* the next step */
    ngx_llmops_index_job_pt    next;

    ngx_pool_t                *pool;       /* of a round, as all that follows */
    ngx_llmops_docop_t         op;
    char                      *value;      /* being put */
    json_t                    *head;
    uint64_t                   revision;   /* that it takes the place of */
    json_t                    *stay;       /* names of chunks */
    ngx_llmops_job_chunk_t    *chunks;     /* each once */
    ngx_uint_t                 nchunks;
    ngx_uint_t                 at;         /* the one that is looked at */

    ngx_llmops_vectors_ask_t   ask;
    char                      *attributes; /* of chunk "at" */
    ngx_llmops_index_embed_t   embed;
    ngx_str_t                  texts[64];
    ngx_uint_t                 group[64];  /* their chunks */
    float                     *vectors;    /* of the group, in pool */
    size_t                     room;       /* floats of vectors */
    uint32_t                   dims;
    ngx_uint_t                 added;      /* of the group */

    ngx_msec_t                 leased;     /* ngx_current_msec of the claim */
    ngx_uint_t                 rounds;
    unsigned                   asking:1;   /* op is under way */
    unsigned                   deleting:1;
    unsigned                   cleaning:1;
    unsigned                   refused:1;
    unsigned                   done:1;
};


/* ngx_llmops_index_job.c; the job may be gone after each of them */

void ngx_llmops_job_event(ngx_event_t *ev);

/* The job is over: its document waits no more, or still does. */
void ngx_llmops_job_end(ngx_llmops_index_job_t *job, ngx_uint_t done);

/* Asks the store: op's docs, id and so on are set. */
void ngx_llmops_job_store(ngx_llmops_index_job_t *job,
    ngx_int_t (*call)(ngx_llmops_store_t *store, ngx_llmops_docop_t *op),
    ngx_llmops_doc_pt handler);

/* Makes a step in so many milliseconds. */
void ngx_llmops_job_later(ngx_llmops_index_job_t *job,
    ngx_llmops_index_job_pt next, ngx_msec_t ms);

/* Begins anew: what the head says now. */
void ngx_llmops_job_get(ngx_llmops_index_job_t *job);


/* ngx_llmops_index_claim.c; the same holds */

/* The chunks are known: claims the document, then looks or removes. */
void ngx_llmops_job_claim(ngx_llmops_index_job_t *job);

/* Writes the head, with a fresh claim or without. */
void ngx_llmops_job_put(ngx_llmops_index_job_t *job, ngx_uint_t claim,
    ngx_llmops_doc_pt handler);

/* NGX_OK: the claim holds; NGX_AGAIN: next will be made when it has been
   renewed, or the job begins anew. */
ngx_int_t ngx_llmops_job_renew(ngx_llmops_index_job_t *job,
    ngx_llmops_index_job_pt next);
void ngx_llmops_job_renewed(ngx_llmops_docop_t *op);

/* All chunks are where they should be. */
void ngx_llmops_job_finish(ngx_llmops_index_job_t *job);

/* Cannot be done now; refused: 1: nor later, 2: nor after some tries. */
void ngx_llmops_job_fail(ngx_llmops_index_job_t *job, const char *error,
    ngx_uint_t refused);

/* Gives the document back as it stands. */
void ngx_llmops_job_release(ngx_llmops_index_job_t *job);


/* ngx_llmops_index_chunks.c: the steps look, add and remove */

void ngx_llmops_job_look(ngx_llmops_index_job_t *job);
void ngx_llmops_job_remove(ngx_llmops_index_job_t *job);


#endif /* _NGX_LLMOPS_INDEX_JOB_H_INCLUDED_ */
