
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SAMPLES_OWN_H_INCLUDED_
#define _NGX_LLMOPS_SAMPLES_OWN_H_INCLUDED_


#include "ngx_llmops_samples.h"
#include "ngx_llmops_samples_record.h"
#include "ngx_llmops_samples_diff.h"
#include "ngx_llmops_secret.h"
#include "ngx_llmops_tree.h"
#include "ngx_llmops_reverse.h"


/* What the files of this directory share, and the admin API.  See
   ngx_llmops_samples.c. */


#define NGX_LLMOPS_SAMPLES_GONE    128     /* deletions that are remembered */

/* the time of this machine, and that by which samples are dated: the store's,
   so that gateways agree on what came before a deletion */
#define ngx_llmops_samples_clock()  ((int64_t) ngx_llmops_now())
#define ngx_llmops_samples_now(s)   ngx_llmops_store_now((s)->mcf->store)


typedef struct ngx_llmops_samples_s       ngx_llmops_samples_t;
typedef struct ngx_llmops_samples_task_s  ngx_llmops_samples_task_t;


/* in the zone: one of all routes */

typedef struct {
    u_char                     client[NGX_LLMOPS_RECORD_TAG];
    int64_t                    at;         /* ms since the epoch */
} ngx_llmops_samples_gone_t;

typedef struct {
    ngx_atomic_t               lock;       /* pid of the worker that changes
                                              samples, or 0 */
    ngx_atomic_t               ngone;      /* deletions by client ever */
    ngx_atomic_t               floor;      /* ms: of the last one that is not
                                              remembered any more */
    ngx_llmops_samples_gone_t  gone[NGX_LLMOPS_SAMPLES_GONE];
} ngx_llmops_samples_sh_t;


/* what became of those that were drawn */

typedef enum {
    NGX_LLMOPS_SAMPLE_RECORDED = 0,
    NGX_LLMOPS_SAMPLE_PAIR,                /* recorded, with a shadow */
    NGX_LLMOPS_SAMPLE_LARGE,               /* not: max_size= */
    NGX_LLMOPS_SAMPLE_DENIED,              /* not: by a rule of redact= */
    NGX_LLMOPS_SAMPLE_UNREAD,              /* not: the answer or the request
                                              could not be read */
    NGX_LLMOPS_SAMPLE_STORE,               /* not: disk, memory or Redis */
    NGX_LLMOPS_SAMPLE_OUTCOMES
} ngx_llmops_sample_outcome_e;

/* the same: one of each route */

typedef struct {
    ngx_atomic_t               outcomes[NGX_LLMOPS_SAMPLE_OUTCOMES];
    ngx_atomic_t               bytes;      /* recorded, with heads */
    ngx_atomic_t               us;         /* that recording has taken */
} ngx_llmops_sample_sh_t;


/* "sample" of a route */

typedef struct {
    ngx_llmops_route_t        *route;
    ngx_uint_t                 share;      /* of 10000 */
    ngx_uint_t                 pairs;      /* the same, of those with shadows */
    size_t                     max_size;   /* bytes of a sample's text */
    time_t                     keep;       /* s */
    ngx_array_t               *redact;     /* of ngx_str_t; NULL: off */
    ngx_llmops_ruled_t        *ruled;      /* those rules, or NULL */
    ngx_llmops_sample_sh_t    *sh;         /* NULL: the zone is full */
    ngx_llmops_place_t         place;
} ngx_llmops_sampling_t;


/* a piece of what is kept: a file, or a block of shared memory */

typedef struct {
    u_char                     name[40];   /* of the file, terminated */
    ngx_uint_t                 block;      /* or which block, with what in it */
    ngx_uint_t                 number;
    int64_t                    created;    /* ms since the epoch */
    int64_t                    changed;    /* the same, not earlier than the
                                              last record */
    size_t                     size;
} ngx_llmops_segment_t;


/* where records are kept on this machine */

typedef struct {
    /* Appends a record of that id.  NGX_OK or NGX_ERROR (logged). */
    ngx_int_t                (*append)(ngx_llmops_samples_t *s,
                                 ngx_str_t *record);

    /* All segments, the last one changed first.  NGX_OK or NGX_ERROR. */
    ngx_int_t                (*list)(ngx_llmops_samples_t *s,
                                 ngx_array_t *segments);

    /* The bytes of one, malloc()ed.  NGX_OK; NGX_DECLINED: it is gone;
       NGX_ERROR. */
    ngx_int_t                (*load)(ngx_llmops_samples_t *s,
                                 ngx_llmops_segment_t *seg, ngx_str_t *bytes);

    /* Wipes the record at an offset, if it is still that one.  NGX_OK;
       NGX_DECLINED: it is not; NGX_ERROR. */
    ngx_int_t                (*wipe)(ngx_llmops_samples_t *s,
                                 ngx_llmops_segment_t *seg, size_t offset,
                                 ngx_llmops_record_t *rec);

    /* Nothing of it is needed any more. */
    void                     (*drop)(ngx_llmops_samples_t *s,
                                 ngx_llmops_segment_t *seg);

    /* Drops what is beyond the bound. */
    void                     (*trim)(ngx_llmops_samples_t *s);
} ngx_llmops_samples_engine_t;

extern const ngx_llmops_samples_engine_t  ngx_llmops_samples_file;
extern const ngx_llmops_samples_engine_t  ngx_llmops_samples_memory;

/* Of the zone of blocks. */
ngx_int_t ngx_llmops_samples_zone_init(ngx_shm_zone_t *zone, void *old);


/* mcf->samples: of a configuration; NULL: neither llm_samples nor "sample" */

struct ngx_llmops_samples_s {
    ngx_llmops_main_conf_t    *mcf;
    size_t                     size;       /* bytes of all; 0: not said */
    size_t                     segment;    /* of one segment */
    ngx_llmops_secret_t        secrets[NGX_LLMOPS_RECORD_KEYS];
    ngx_llmops_record_keys_t   keys;
    ngx_array_t                routes;     /* of ngx_llmops_sampling_t * */
    time_t                     shortest;   /* keep= of all */
    const ngx_llmops_samples_engine_t  *engine;    /* NULL: Redis */
    ngx_str_t                  dir;        /* of files, terminated */
    ngx_shm_zone_t            *zone;       /* of blocks, or NULL */

    /* of this worker */
    ngx_llmops_samples_sh_t   *sh;         /* NULL: the zone is full */
    ngx_fd_t                   fd;         /* file that is appended to */
    size_t                     offset;     /* its length */
    u_char                     last[NGX_LLMOPS_RECORD_TAG];    /* id made */
    ngx_event_t                sweep;
    ngx_llmops_samples_task_t *sweeping;
    time_t                     complained;
    int64_t                    used;       /* of Redis: bytes, as last told */
    ngx_uint_t                 trimming;   /* of Redis: commands under way */
    unsigned                   said:1;     /* there is llm_samples */
};


/* -- ngx_llmops_samples.c -------------------------------------------------- */

/* A sample that is being made: what is known of a request when it has ended.
   Belongs to nobody's pool. */
typedef struct ngx_llmops_sample_draft_s  ngx_llmops_sample_draft_t;

struct ngx_llmops_sample_draft_s {
    ngx_llmops_samples_t      *samples;
    ngx_llmops_sampling_t     *sampling;
    ngx_llmops_record_t        rec;
    u_char                     client[NGX_LLMOPS_RECORD_TAG];  /* without a
                                              key */
    json_t                    *doc;        /* by ngx_llmops_tree.h */
    ngx_llmops_op_e            op;
    uint64_t                   us;         /* spent on it so far */
};

/* Appends a record, or sends it: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_samples_put(ngx_llmops_samples_t *s,
    ngx_llmops_record_t *rec, ngx_str_t *record, u_char *client);

/* Whether a client's samples up to a time have been deleted. */
ngx_uint_t ngx_llmops_samples_is_gone(ngx_llmops_samples_t *s, u_char *client,
    int64_t created);

/* Complains about storage, at most once a minute. */
ngx_uint_t ngx_llmops_samples_complain(ngx_llmops_samples_t *s);

void ngx_llmops_sample_count(ngx_llmops_sampling_t *sampling,
    ngx_llmops_sample_outcome_e outcome);

/* "smp_" and hex digits, SAMPLE_ID bytes; and back: NGX_OK or NGX_ERROR. */
void ngx_llmops_sample_id_text(u_char *id, u_char *text);
ngx_int_t ngx_llmops_sample_id_read(ngx_str_t *text, u_char *id);


/* -- ngx_llmops_samples_make.c, _form.c ------------------------------------ */

/* The request and the answer of a request that has ended, as JSON: NULL if
   they cannot be read. */
json_t *ngx_llmops_sample_make(ngx_llmops_ctx_t *ctx, u_char *id);

/* An answer in the dialect of op, whole or a stream's events: {"text",
   "message", "finish"}.  NULL if it cannot be read, or out of memory. */
json_t *ngx_llmops_sample_answer(ngx_llmops_op_e op, ngx_str_t *answer,
    ngx_llmops_finish_e finish, ngx_llmops_usage_t *usage);

/* A request of any operation that can be checked, as one of chat completions,
   without model and stream.  NULL likewise. */
json_t *ngx_llmops_sample_request(ngx_llmops_op_e op, ngx_str_t *body);

/* {"input", ...}, or null. */
json_t *ngx_llmops_sample_usage(ngx_llmops_usage_t *usage);

/* USD, from 10^-12; null if below 0. */
json_t *ngx_llmops_sample_cost(int64_t cost);

/* A number that is finite. */
json_t *ngx_llmops_sample_real(double value);

/* _form.c: the API of responses */
json_t *ngx_llmops_form_request(json_t *body);
json_t *ngx_llmops_form_answer(json_t *body);


/* -- ngx_llmops_samples_redact.c ------------------------------------------- */

/*
 * All strings of a document are redacted, its keys too; pictures and files are
 * left out.  NGX_OK; NGX_DECLINED: a rule denies it; NGX_ERROR.
 */
ngx_int_t ngx_llmops_sample_redact(json_t *doc, ngx_llmops_ruled_t *ruled);

/* Placeholders take the places again of what was put back into an answer.
   NGX_OK, or NGX_ERROR: it is not to be shown. */
ngx_int_t ngx_llmops_sample_hide(json_t *answer,
    ngx_llmops_reverse_t *reverse);


/* -- ngx_llmops_samples_task.c, _redis.c ----------------------------------- */

typedef enum {
    NGX_LLMOPS_SAMPLES_READ = 0,
    NGX_LLMOPS_SAMPLES_REMOVE,             /* by id or client */
    NGX_LLMOPS_SAMPLES_EDIT,               /* by id or request */
    NGX_LLMOPS_SAMPLES_SWEEP
} ngx_llmops_samples_do_e;

/* a record that was found, malloc()ed */

typedef struct {
    ngx_llmops_record_t        rec;
    ngx_str_t                  bytes;      /* of the record; for done of a
                                              READ the text, or data NULL */
    ngx_llmops_segment_t       segment;
    size_t                     offset;
} ngx_llmops_samples_hit_t;

typedef void (*ngx_llmops_samples_done_pt)(ngx_llmops_samples_task_t *task);

/* Changes a document: NGX_OK; NGX_DECLINED: leave it as it is. */
typedef ngx_int_t (*ngx_llmops_samples_edit_pt)(json_t *doc, void *data);

/*
 * Something that goes through samples, piece by piece: one piece a turn of
 * the event loop.  Made by _task(), filled in, started by _run(); freed by
 * itself when it has called done, or when it has been let go.
 */

struct ngx_llmops_samples_task_s {
    ngx_llmops_samples_t      *samples;
    ngx_llmops_samples_do_e    what;
    ngx_llmops_samples_done_pt  done;      /* NULL: nobody waits */
    void                      *data;

    u_char                     id[NGX_LLMOPS_RECORD_TAG];
    u_char                     request[NGX_LLMOPS_RECORD_TAG];
    u_char                     before[NGX_LLMOPS_RECORD_TAG];
    ngx_llmops_record_name_t   route;
    ngx_llmops_record_name_t   tenant;
    ngx_llmops_record_name_t   client;
    u_char                     client_tag[NGX_LLMOPS_RECORD_TAG];
    ngx_uint_t                 n;
    size_t                     bytes;
    ngx_llmops_samples_edit_pt  edit;
    void                      *edit_data;
    ngx_int_t                  judged;     /* edit: RECORD_JUDGED, or 0 */
    unsigned                   by_id:1;
    unsigned                   by_request:1;
    unsigned                   by_before:1;
    unsigned                   by_route:1;
    unsigned                   by_tenant:1;
    unsigned                   by_client:1;
    unsigned                   by_pair:1;
    unsigned                   by_judged:1;

    /* results */
    ngx_int_t                  rc;         /* NGX_OK; NGX_DECLINED: there is
                                              none; NGX_BUSY: somebody else
                                              changes samples; NGX_ERROR */
    ngx_array_t                hits;       /* of ngx_llmops_samples_hit_t,
                                              newest first */
    size_t                     held;       /* bytes of them */
    ngx_uint_t                 removed;
    ngx_uint_t                 unreadable; /* of unknown keys */
    unsigned                   more:1;

    /* own */
    ngx_pool_t                *pool;
    ngx_event_t                event;
    ngx_array_t                segments;
    ngx_uint_t                 i;
    size_t                     offset;     /* in that segment, */
    ngx_uint_t                 living;     /* and what is before it */
    ngx_msec_t                 started;
    ngx_uint_t                 pending;    /* of Redis: replies to come */
    ngx_str_t                  member;     /* the last one seen */
    unsigned                   began:1;
    unsigned                   locked:1;
    unsigned                   ended:1;    /* Redis: no more pages */
    unsigned                   edited:1;   /* the same: SET has been sent */
    unsigned                   failed:1;
};

ngx_llmops_samples_task_t *ngx_llmops_samples_task(ngx_llmops_samples_t *s,
    ngx_llmops_samples_do_e what);

/* Starts it: done is called later. */
void ngx_llmops_samples_run(ngx_llmops_samples_task_t *task);

/* Nobody waits for it any more; what is to be changed is changed. */
void ngx_llmops_samples_let(ngx_llmops_samples_task_t *task);

/* Whether a head fits; an unknown key is counted.  1 or 0. */
ngx_uint_t ngx_llmops_samples_fits(ngx_llmops_samples_task_t *task,
    ngx_llmops_record_t *rec);

/* Puts a copy of a record among the hits.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_samples_hit(ngx_llmops_samples_task_t *task,
    ngx_llmops_record_t *rec, u_char *p, size_t size,
    ngx_llmops_segment_t *seg, size_t offset);

/* The record that takes the place of a hit: in out.  NGX_OK, NGX_DECLINED,
   NGX_ERROR. */
ngx_int_t ngx_llmops_samples_edited(ngx_llmops_samples_task_t *task,
    ngx_llmops_samples_hit_t *hit, ngx_llmops_record_t *rec,
    ngx_llmops_out_t *out);

/* All hits of a READ are there: replaces them by their texts, those that cannot
   be read by none, and ends. */
void ngx_llmops_samples_open(ngx_llmops_samples_task_t *task);

/* Calls done, and frees it. */
void ngx_llmops_samples_end(ngx_llmops_samples_task_t *task, ngx_int_t rc);

/* Frees what _end() does not reach. */
void ngx_llmops_samples_task_free(ngx_llmops_samples_task_t *task);

ngx_int_t ngx_llmops_samples_redis_put(ngx_llmops_samples_t *s,
    ngx_llmops_record_t *rec, ngx_str_t *record);
void ngx_llmops_samples_redis_run(ngx_llmops_samples_task_t *task);
void ngx_llmops_samples_redis_sweep(ngx_llmops_samples_t *s);

/* -- ngx_llmops_samples_read.c --------------------------------------------- */

/* A text that somebody has written about a sample, redacted as that is; NULL
   if it is denied, or out of memory. */
json_t *ngx_llmops_sample_comment(ngx_llmops_samples_t *s, json_t *doc,
    const char *comment);

/*
 * The "verdict" of a sample; by is "human" or "judge", winner and comment may
 * be NULL, and so may score, which is a reference of its own.  NULL: out of
 * memory.
 */
json_t *ngx_llmops_sample_verdict(ngx_llmops_samples_t *s, json_t *doc,
    const char *by, const char *winner, json_t *score, const char *comment);

/* Fills in a name that is looked for.  NGX_OK or NGX_ERROR. */
#define ngx_llmops_samples_named(task, member, what, text)                    \
    ((task)->by_ ## member = 1,                                               \
     ngx_llmops_record_name(&(task)->samples->keys, what, text,               \
                            &(task)->member))


#endif /* _NGX_LLMOPS_SAMPLES_OWN_H_INCLUDED_ */
