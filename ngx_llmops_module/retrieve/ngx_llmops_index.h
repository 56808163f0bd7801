
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_INDEX_H_INCLUDED_
#define _NGX_LLMOPS_INDEX_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_index_doc.h"
#include "ngx_llmops_vectors.h"


/*
 * Indexes: documents in chunks, each a vector, from which prompts get their
 * context.
 *
 *   ngx_llmops_chunker.c       a text in chunks
 *   ngx_llmops_index_doc.c    what is known of a document
 *   ngx_llmops_index_conf.c   llm_index, and "retrieve" of a route
 *   ngx_llmops_index_run.c    worker 0: finds documents that are to be indexed
 *   ngx_llmops_index_job.c    one of them, step by step
 *   ngx_llmops_index_embed.c  chunks of documents to vectors, in batches
 *   ngx_llmops_lookup.c       the chunks that are nearest to a text
 *   ngx_llmops_retrieve.c     of a request: the context of its prompt
 */


/* how looking for a context ended, as a metric's label */

typedef enum {
    NGX_LLMOPS_RETRIEVE_FOUND = 0,
    NGX_LLMOPS_RETRIEVE_EMPTY,             /* nothing is near enough */
    NGX_LLMOPS_RETRIEVE_NO_QUERY,          /* the request has no text */
    NGX_LLMOPS_RETRIEVE_TIMEOUT,
    NGX_LLMOPS_RETRIEVE_UNSUPPORTED,       /* Redis has no vector sets */
    NGX_LLMOPS_RETRIEVE_FAILED,            /* no embedding, or no Redis */
    NGX_LLMOPS_RETRIEVE_RESULTS
} ngx_llmops_retrieve_result_e;

extern const ngx_str_t  ngx_llmops_retrieve_results[];


/* in the zone, by the index's name */

typedef struct {
    ngx_atomic_t               results[NGX_LLMOPS_RETRIEVE_RESULTS];
    ngx_atomic_t               ms;         /* sum of the time that it took */
    ngx_atomic_t               embedded;   /* chunks */
    ngx_atomic_t               indexed;    /* documents that became ready */
    ngx_atomic_t               failed;     /* documents: tries in vain */
} ngx_llmops_index_sh_t;


/* llm_index */

typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  embed;      /* as written, and */
    ngx_llmops_target_t       *target;     /* what it is */
    size_t                     chunk;
    size_t                     overlap;
    ngx_uint_t                 batch;
    ngx_str_t                  set;        /* of vectors: terminated */
    u_char                     chunking[2 * NGX_INT_T_LEN + 2];
    ngx_llmops_index_sh_t     *sh;         /* NULL: the zone is full */
    void                      *batcher;    /* of worker 0, while it is used */
    ngx_llmops_place_t         place;
} ngx_llmops_index_t;


/* mcf->indexes */

typedef struct {
    ngx_array_t                indexes;    /* of ngx_llmops_index_t * */
    void                      *runner;     /* of worker 0 */
} ngx_llmops_indexes_t;


/* a condition of "where=": the member of metadata has that value */

typedef struct {
    ngx_str_t                  key;
    ngx_http_complex_value_t   value;
} ngx_llmops_where_t;


/* route->retrieve */

typedef struct {
    ngx_str_t                  name;
    ngx_llmops_index_t        *index;
    ngx_uint_t                 top;
    float                      min;
    size_t                     max;        /* bytes of text of a context */
    ngx_msec_t                 timeout;
    ngx_str_t                  query;      /* a variable; len 0: the last
                                              message */
    ngx_array_t                where;      /* of ngx_llmops_where_t */
    ngx_llmops_place_t         place;
    unsigned                   closed:1;   /* fail=closed */
} ngx_llmops_retrieve_conf_t;


char *ngx_llmops_index_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);
char *ngx_llmops_retrieve_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

#define NGX_LLMOPS_INDEX_COMMANDS                                             \
                                                                              \
    { ngx_string("llm_index"),                                                \
      NGX_HTTP_MAIN_CONF|NGX_CONF_2MORE,                                      \
      ngx_llmops_index_directive,                                             \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL },                                                                 \
                                                                              \
    { ngx_string("retrieve"),                                                 \
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,                                   \
      ngx_llmops_retrieve_directive,                                          \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL }


/* Resolves names when all has been read.  NGX_OK or NGX_ERROR (logged with file
   and line). */
ngx_int_t ngx_llmops_indexes_init(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);

/* The index of that name, or NULL. */
ngx_llmops_index_t *ngx_llmops_index_named(ngx_llmops_main_conf_t *mcf,
    ngx_str_t *name);


/* -- documents ------------------------------------------------------------- */

/* "INDEX/DIGEST" of a document, its id in the store: room for both. */
#define NGX_LLMOPS_INDEX_ID  (NGX_LLMOPS_INDEX_NAME + 1                       \
                              + NGX_LLMOPS_INDEX_CHUNK + 1)

/* The id in the store of a document, at p, terminated; NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_index_id(ngx_llmops_index_t *index, const char *doc,
    u_char p[NGX_LLMOPS_INDEX_ID + 1]);

/* The index that an id of the store belongs to; NULL: none of this
   configuration. */
ngx_llmops_index_t *ngx_llmops_index_of(ngx_llmops_main_conf_t *mcf,
    ngx_str_t *id);

/* Per worker: the counters in the zone; worker 0 begins with its work. */
ngx_int_t ngx_llmops_indexes_start(ngx_cycle_t *cycle,
    ngx_llmops_main_conf_t *mcf);
void ngx_llmops_indexes_stop(ngx_llmops_main_conf_t *mcf);

/* A document waits, in the store: in whichever worker, the one at work is told.
   What gets lost of it is found later. */
void ngx_llmops_index_enqueue(ngx_llmops_main_conf_t *mcf, ngx_str_t *id);


/* -- room's own: worker 0 -------------------------------------------------- */

#define NGX_LLMOPS_INDEX_LEASE  30000      /* ms: who does not say anything for
                                              so long is dead */

typedef struct ngx_llmops_index_job_s  ngx_llmops_index_job_t;

typedef void (*ngx_llmops_index_job_pt)(ngx_llmops_index_job_t *job);

/* Begins with a document; over is called at its end, whatever came of it, and
   frees the job.  NULL: out of memory. */
ngx_llmops_index_job_t *ngx_llmops_index_job(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_index_t *index, ngx_str_t *id, ngx_llmops_index_job_pt over,
    void *data);

/* Gives it up; what it has done stays, and is not done again. */
void ngx_llmops_index_job_free(ngx_llmops_index_job_t *job);

/* Its document, and whether it waits no more; data of _job(). */
ngx_str_t *ngx_llmops_index_job_id(ngx_llmops_index_job_t *job);
ngx_uint_t ngx_llmops_index_job_done(ngx_llmops_index_job_t *job);
void *ngx_llmops_index_job_data(ngx_llmops_index_job_t *job);


/* chunks that are wanted as vectors */

typedef struct ngx_llmops_index_embed_s  ngx_llmops_index_embed_t;

struct ngx_llmops_index_embed_s {
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_index_t        *index;
    ngx_str_t                 *texts;      /* must stay, as this must */
    ngx_uint_t                 n;          /* 1 to index->batch */
    void                     (*handler)(ngx_llmops_index_embed_t *e);
                                           /* later, never from within ask() */
    void                      *data;

    /* results */
    float                     *vectors;    /* n times dims, one after the other,
                                              while the handler runs; NULL: it
                                              failed */
    uint32_t                   dims;
    ngx_uint_t                 status;     /* of it: HTTP's, 0: no answer */
    const char                *error;

    ngx_queue_t                queue;      /* private */
    unsigned                   waiting:1;
    unsigned                   asked:1;

    unsigned                   alone:1;    /* set by the caller: in a question
                                              of its own */
};

/* What is asked for at about the same time goes out in one question.  NGX_AGAIN
   or NGX_ERROR. */
ngx_int_t ngx_llmops_index_embed(ngx_llmops_index_embed_t *e);

/* The handler will not be called. */
void ngx_llmops_index_embed_forget(ngx_llmops_index_embed_t *e);

/* At the worker's end. */
void ngx_llmops_index_embed_stop(ngx_llmops_index_t *index);


#endif /* _NGX_LLMOPS_INDEX_H_INCLUDED_ */
