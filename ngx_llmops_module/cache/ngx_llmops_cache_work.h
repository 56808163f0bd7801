
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_WORK_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_WORK_H_INCLUDED_


#include "ngx_llmops_cache_shm.h"


/* What a process has of the cache, and how an answer is read and written:
   only for the files of this room. */


/* of a configuration: mcf->cache */

typedef struct {
    ngx_shm_zone_t            *zone;
    size_t                     size;       /* of "llm_cache", 0: not given */
    ngx_uint_t                 workers;
    ngx_uint_t                 routes;     /* that have a cache */
    ngx_llmops_cshm_t          shm;        /* of this process */
    ngx_event_t                tick;
    const ngx_llmops_cache_level_t  *levels[NGX_LLMOPS_CACHE_LEVELS];
} ngx_llmops_cache_t;

/* The cache of a request's configuration. */
#define ngx_llmops_cache_of(r)                                                \
    ((ngx_llmops_cache_t *) ((ngx_llmops_main_conf_t *)                       \
        ngx_http_get_module_main_conf(r, ngx_llmops_module))->cache)


/* -- ngx_llmops_cache_wake.c ----------------------------------------------- */

#define NGX_LLMOPS_CACHE_WORDS     (NGX_LLMOPS_CACHE_SLOTS / 64)

/* In the master, while it reads a configuration: what n workers need. */
ngx_int_t ngx_llmops_wake_open(ngx_uint_t n, ngx_log_t *log);

/* In a worker that has that slot: woken() is called whenever another one, or
   it itself, has something for it; later, never from within ring(). */
ngx_int_t ngx_llmops_wake_listen(ngx_cycle_t *cycle, ngx_int_t slot,
    void (*woken)(void));

/* Wakes slots, of which mask has a bit each; own: this worker's slot. */
void ngx_llmops_wake_ring(ngx_int_t own, uint64_t *mask);


/* -- ngx_llmops_cache.c ---------------------------------------------------- */

/* of ngx_llmops_cached_t: state */

enum {
    NGX_LLMOPS_CACHED_OFF = 0,             /* this request is not cached */
    NGX_LLMOPS_CACHED_FOUND,               /* shared memory has a fresh one */
    NGX_LLMOPS_CACHED_ASKING,              /* a level */
    NGX_LLMOPS_CACHED_ANSWERED,            /* by that level */
    NGX_LLMOPS_CACHED_NOTHING,             /* it had none */
    NGX_LLMOPS_CACHED_OVER                 /* the rest is another's */
};

/* the same: found */

typedef struct {
    ngx_llmops_cfacts_t        facts;
    ngx_uint_t                 fresh;
} ngx_llmops_cache_found_t;

/*
 * Looks into shared memory.  NGX_OK with cached->found set, and the state
 * FOUND if it is fresh; NGX_DECLINED: nothing that may be served; NGX_ERROR: no
 * memory.
 */
ngx_int_t ngx_llmops_cached_look(ngx_http_request_t *r,
    ngx_llmops_cached_t *cached);

/* Gives what was found, with that status.  As ngx_llmops_cache_play(), or
   NGX_DECLINED: it is gone meanwhile, and the state is NOTHING. */
ngx_int_t ngx_llmops_cached_found(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_cache_status_e status);

/* Copies an entry's bytes into r->pool: facts->answer.body.  NGX_OK, or
   NGX_DECLINED: it is gone, or there is no memory. */
ngx_int_t ngx_llmops_cached_copy(ngx_http_request_t *r,
    ngx_llmops_cshm_t *shm, ngx_llmops_cfacts_t *facts);


/* -- ngx_llmops_cache_request.c -------------------------------------------- */

/* Of a request whose route has a cache: scope and wishes are set, the status
   is BYPASS.  In r->pool; NULL: no memory, or no scope. */
ngx_llmops_cached_t *ngx_llmops_cached_make(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_cache_route_t *route);

/* Sets cached->tags; when identity, prompt and scope are known. */
void ngx_llmops_cached_tags(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cached_t *cached);


/* -- ngx_llmops_cache_board.c ---------------------------------------------- */

/*
 * No level has a fresh answer: follows a flight, or leads one, or gives a stale
 * answer.  As a stage returns (NGX_OK: the request goes on to its call), or
 * NGX_DECLINED: the state has changed, look at it again.
 */
ngx_int_t ngx_llmops_cached_board(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* The flight that was followed has failed, and nothing of it was given: looks
   again, and resumes the request. */
void ngx_llmops_cached_again(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx);


/* -- ngx_llmops_cache_fresh.c ---------------------------------------------- */

/* The caller gets a stale answer; asks for a new one in the background, with
   the flight that this process leads. */
void ngx_llmops_cache_refresh(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_creader_t *reader);


/* -- an entry that is written: ngx_llmops_cache_take.c --------------------- */

typedef struct ngx_llmops_cache_take_s  ngx_llmops_cache_take_t;

struct ngx_llmops_cache_take_s {
    ngx_llmops_creader_t       reader;
    size_t                     len;
    ngx_llmops_cache_form_e    form;
    ngx_llmops_out_t           batch;      /* of one turn, not yet there */
    unsigned                   large:1;    /* not to be stored any more */
};


/* -- an entry that is read: ngx_llmops_cache_play.c ------------------------ */

typedef struct ngx_llmops_cache_play_s  ngx_llmops_cache_play_t;

struct ngx_llmops_cache_play_s {
    ngx_http_request_t        *request;
    ngx_llmops_ctx_t          *ctx;
    void                     (*resume)(ngx_http_request_t *r);

    ngx_llmops_creader_t       reader;     /* of a flight: entry not NULL */
    ngx_llmops_cache_answer_t  answer;     /* complete, its body here */
    ngx_llmops_cache_marks_t   marks;
    ngx_llmops_out_t           got;        /* of a flight: read before it can be
                                              given */
    ngx_queue_t                queue;      /* those that wait to be woken */
    ngx_event_t                timer;      /* the next piece is due */

    ngx_llmops_sse_t           sse;
    ngx_llmops_meter_t         meter;      /* of what is given */
    ngx_llmops_out_t           out;        /* events that are due */
    size_t                     pos;        /* of answer.body */
    ngx_msec_t                 started;
    ngx_chain_t               *free;
    ngx_chain_t               *busy;
    u_char                     old_id[66]; /* as it stands, with its quotes */
    u_char                     id[64];     /* in its place, within them */
    size_t                     id_len;

    unsigned                   waiting:1;  /* in the queue */
    unsigned                   live:1;     /* gives a flight as it comes */
    unsigned                   complete:1; /* answer is all there is */
    unsigned                   given:1;    /* all events have been written */
    unsigned                   header:1;   /* has gone out */
    unsigned                   stream:1;   /* the caller wants one */
    unsigned                   last:1;     /* the last buf has been sent */
    unsigned                   usage:1;    /* it has been told */
    unsigned                   counted:1;  /* in reader.entry */
    unsigned                   held:1;     /* "[DONE]" waits for the usage */
    unsigned                   over:1;     /* has been finalized */
};

/*
 * Gives a complete answer, or follows a flight: the request is counted up, and
 * will be finalized, or (a flight that failed before anything was given)
 * resumed.  Returns what a stage is to return: NGX_DONE, an error, or (not of a
 * flight) NGX_OK: it cannot be said in the form that the caller wants, and his
 * request goes on to its call.
 */
ngx_int_t ngx_llmops_cache_play(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer, ngx_llmops_cache_marks_t *marks);
ngx_int_t ngx_llmops_cache_follow(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_creader_t *reader,
    void (*resume)(ngx_http_request_t *r));

/* The request is over: lets go of what it has.  Any number of times. */
void ngx_llmops_cache_play_end(ngx_llmops_cache_play_t *play);

#define NGX_LLMOPS_PLAY_READ       16384   /* bytes read at once */

/* Something has happened: does what can be done now.  The request may be gone
   when it returns; who calls from an event runs posted requests. */
void ngx_llmops_play_run(ngx_llmops_cache_play_t *play);

/*
 * Steps of ngx_llmops_play_run().  NGX_OK: there is more to do; NGX_AGAIN:
 * something will call; NGX_DONE: it is over; NGX_DECLINED: the flight has
 * failed before anything of it was given; or an error.
 */

/* -- ngx_llmops_cache_flight.c: a flight that is followed */

/* Reads what has come of the flight since; with play->out empty. */
ngx_int_t ngx_llmops_play_live(ngx_llmops_cache_play_t *play);

/* Does not follow any more.  Any number of times. */
void ngx_llmops_play_unfollow(ngx_llmops_cache_play_t *play);

/* Goes through those that wait to be woken; whether there are any. */
void ngx_llmops_cache_woken(void);
ngx_uint_t ngx_llmops_cache_waited(void);

/* -- ngx_llmops_cache_send.c: to the caller */

/* Sends all that is in play->out, which is empty then; with the header, if it
   has not gone out. */
ngx_int_t ngx_llmops_play_send(ngx_llmops_cache_play_t *play);

/* Accounts the request and sends the end, once; to who wants no stream with
   header and body.  play->answer has all. */
ngx_int_t ngx_llmops_play_last(ngx_llmops_cache_play_t *play);

/* The same for who wants no stream and has none: a complete answer in the form
   of a document, its body in memory that lives as long as the request's pool.
   What a content handler returns. */
ngx_int_t ngx_llmops_play_document(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_cache_answer_t *answer);

/* With play->busy: tries again, and waits for the socket if that is of no
   use. */
ngx_int_t ngx_llmops_play_blocked(ngx_llmops_cache_play_t *play);

/* -- ngx_llmops_cache_event.c: one event on its way to a caller */

/* Adds to play->out what of an event the caller is to get.  NGX_OK or
   NGX_ERROR. */
ngx_int_t ngx_llmops_play_event(ngx_llmops_cache_play_t *play,
    ngx_llmops_sse_event_t *ev);

/* All has been read: adds an event without its blank line, and an end that had
   to wait for its usage. */
ngx_int_t ngx_llmops_play_rest(ngx_llmops_cache_play_t *play);

/* A complete answer as it goes to this caller, in the form that he wants, with
   an id and a time of its own; in out.  NGX_OK, NGX_DECLINED, NGX_ERROR. */
ngx_int_t ngx_llmops_cache_render(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer, ngx_llmops_cache_marks_t *marks,
    ngx_llmops_out_t *out);


/* -- ngx_llmops_cache_form.c: knows nothing of requests -------------------- */

/*
 * A whole answer made of the events of a stream, in the same dialect; usage
 * for one that has not told it.  NGX_OK; NGX_DECLINED: it is no such stream, or
 * not complete; NGX_ERROR.
 */
ngx_int_t ngx_llmops_cache_gather(ngx_llmops_op_e op, ngx_str_t *events,
    ngx_llmops_usage_t *usage, ngx_llmops_out_t *out);

/*
 * The events that would have said a whole answer, with texts in pieces of about
 * so many bytes (0: each in one).  The same results.
 */
ngx_int_t ngx_llmops_cache_spell(const ngx_llmops_dialect_t *dialect,
    ngx_llmops_op_e op, ngx_str_t *model, ngx_uint_t usage, size_t piece,
    ngx_str_t *body, ngx_llmops_out_t *out);

/* That of a replay which is paced: about four tokens. */
#define ngx_llmops_cache_piece(cached)                                        \
    ((cached)->route->replay ? 16 : 0)

/* Where id and time of a whole answer are; of the caller's copy. */
void ngx_llmops_cache_mark(ngx_llmops_op_e op, ngx_str_t *body,
    ngx_llmops_cache_marks_t *marks);


/* -- ngx_llmops_cache_renew.c: the same ------------------------------------ */

/* An id of the same kind and length as old, which id may be. */
void ngx_llmops_cache_new_id(u_char *id, const u_char *old, size_t len);

/* A time in seconds, as so many digits at p. */
#define NGX_LLMOPS_CACHE_DIGITS    10

void ngx_llmops_cache_time_put(u_char *p, time_t now);

/* Puts another id, and now, where marks say. */
void ngx_llmops_cache_renew(u_char *body, ngx_llmops_cache_marks_t *marks,
    time_t now);


#endif /* _NGX_LLMOPS_CACHE_WORK_H_INCLUDED_ */
