
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REDIS_STORE_H_INCLUDED_
#define _NGX_LLMOPS_REDIS_STORE_H_INCLUDED_


#include "ngx_llmops_store.h"
#include "ngx_llmops_ledger.h"
#include "ngx_llmops_redis.h"


/*
 * The engine on Redis, as its own files see it; nobody else includes this.
 *
 *   ngx_llmops_redis_engine.c   what the store sees of all that
 *   ngx_llmops_redis_counter*.c counters, with a header of their own
 *   ngx_llmops_redis_docs.c     documents
 *   ngx_llmops_redis_change.c   documents: what changes them
 *   ngx_llmops_redis_carry.c    the ledger: from shared memory to Redis
 *   ngx_llmops_redis_rows.c     the ledger: reading it
 *   ngx_llmops_redis_watch.c    revisions and gateways, looked at by one worker
 *
 * All keys but counters' have the prefix as their hash tag, so that in a
 * Cluster they are on one node and may be changed in one transaction.
 */


/* in shared memory, for all workers of this nginx */

typedef struct {
    ngx_atomic_t               revisions[NGX_LLMOPS_DOCS_MAX];
    ngx_atomic_t               looked;     /* ngx_current_msec of the last
                                              look, by whichever worker */
    ngx_atomic_t               id;         /* of this gateway, random */
} ngx_llmops_redis_words_t;


typedef struct ngx_llmops_redis_store_s  ngx_llmops_redis_store_t;
typedef struct ngx_llmops_redis_turn_s   ngx_llmops_redis_turn_t;


/*
 * WATCH, MULTI and EXEC are about a whole connection, which all commands of a
 * worker share.  Those who need them take turns; run() is called, later or at
 * once, when it is one's turn.
 */

struct ngx_llmops_redis_turn_s {
    ngx_queue_t                queue;
    void                     (*run)(ngx_llmops_redis_turn_t *turn);
    unsigned                   waiting:1;  /* in the queue, also while it is
                                              its turn */
};


/* of a worker: store->redis */

struct ngx_llmops_redis_store_s {
    ngx_llmops_redis_conf_t   *conf;
    ngx_llmops_store_t        *store;
    ngx_llmops_redis_t        *redis;      /* NULL: not started */
    ngx_llmops_redis_words_t     *sh;         /* NULL: the zone is full */
    ngx_llmops_redis_words_t      own;        /* is used then */
    void                      *tallies;    /* counters */
    ngx_log_t                 *log;

    ngx_str_t                  docs[NGX_LLMOPS_DOCS_MAX];  /* keys */
    ngx_str_t                  revisions;
    ngx_str_t                  gateways;

    ngx_queue_t                turns;
    ngx_queue_t                tasks;      /* operations on documents */

    ngx_event_t                look;
    ngx_llmops_redis_cmd_t    *looking;    /* under way */
    ngx_llmops_redis_cmd_t    *counting;
    ngx_uint_t                 looks;
    ngx_uint_t                 stuck;      /* connection that is to forget a
                                              transaction, or 0 */

    ngx_event_t                carry;
    void                      *batch;      /* what is being carried */
    ngx_uint_t                 carry_tries;    /* in vain, since it ends */
    time_t                     carry_logged;
};


/* -- ngx_llmops_redis_engine.c --------------------------------------------- */

/* "PREFIX:{PREFIX}:rest" in pool; len 0: out of memory. */
ngx_str_t ngx_llmops_redis_key(ngx_llmops_redis_store_t *rs, ngx_pool_t *pool,
    const char *rest, size_t len);

void ngx_llmops_redis_turn_take(ngx_llmops_redis_store_t *rs,
    ngx_llmops_redis_turn_t *turn);

/* Ends a turn, or gives it up before it came; the next one runs. */
void ngx_llmops_redis_turn_end(ngx_llmops_redis_store_t *rs,
    ngx_llmops_redis_turn_t *turn);

/*
 * A transaction was begun and could not be ended, for want of memory or room:
 * the connection is told to forget it, again and again until that is possible.
 * Until then replies are of no use, which all who ask can see.
 */
void ngx_llmops_redis_discard(ngx_llmops_redis_store_t *rs);

/* A number that nobody else has. */
uint64_t ngx_llmops_redis_random(void);

/* a constant word of a command, as an initializer of ngx_str_t */
#define ngx_llmops_redis_word(text)  { sizeof(text) - 1, (u_char *) text }


/* -- ngx_llmops_redis_docs.c, _change.c: as in ngx_llmops_engine_t --------- */

/* an operation under way: op->engine */

typedef struct {
    ngx_llmops_redis_turn_t    turn;       /* of changes; first */
    ngx_queue_t                queue;
    ngx_llmops_redis_store_t  *rs;
    ngx_llmops_docop_t        *op;
    ngx_llmops_redis_cmd_t    *cmd;
    ngx_uint_t                 generation; /* of the connection that watches */
    ngx_uint_t                 tries;
    uint64_t                   written;    /* revision that was tried, or 0 */
    unsigned                   removing:1;
    unsigned                   later:1;    /* NGX_AGAIN has been returned */
    unsigned                   watching:1;
} ngx_llmops_redis_task_t;

/* NULL: out of memory. */
ngx_llmops_redis_task_t *ngx_llmops_redis_task(ngx_llmops_redis_store_t *rs,
    ngx_llmops_docop_t *op);

/* The operation is over: frees the task, and calls the handler if its caller
   has gone on. */
void ngx_llmops_redis_task_done(ngx_llmops_redis_task_t *task, ngx_int_t rc);

/* A document as it lies in its field.  NGX_OK, or NGX_DECLINED: it has
   expired, or is none. */
ngx_int_t ngx_llmops_redis_doc_parse(ngx_str_t *field,
    ngx_llmops_doc_t *doc, time_t now);

ngx_int_t ngx_llmops_redis_get(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
ngx_int_t ngx_llmops_redis_put(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
ngx_int_t ngx_llmops_redis_remove(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
ngx_int_t ngx_llmops_redis_list(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
void ngx_llmops_redis_forget(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
uint64_t ngx_llmops_redis_revision(ngx_llmops_store_t *store,
    ngx_llmops_docs_e docs);

/* At the worker's end: nobody is called any more. */
void ngx_llmops_redis_docs_stop(ngx_llmops_redis_store_t *rs);


/* -- ngx_llmops_redis_carry.c, _rows.c ------------------------------------- */

/* NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_redis_carry_start(ngx_llmops_redis_store_t *rs);
void ngx_llmops_redis_carry_stop(ngx_llmops_redis_store_t *rs);

/* the names of fields end in one of these */
#define NGX_LLMOPS_REDIS_SUMS      "raiocwmeup"

/* as ngx_llmops_ledger_rows() */
ngx_int_t ngx_llmops_redis_rows(ngx_llmops_store_t *store, uint32_t from,
    uint32_t to, ngx_pool_t *pool, ngx_array_t **rows,
    ngx_llmops_ledger_pt handler, void *data,
    ngx_llmops_ledger_read_t **read);


/* -- ngx_llmops_redis_watch.c ---------------------------------------------- */

/* Whether it can be asked. */
ngx_uint_t ngx_llmops_redis_store_up(ngx_llmops_store_t *store);

/* What others have changed, and how many gateways there are, is looked at
   from now on.  The gateway's id is set. */
void ngx_llmops_redis_watch_start(ngx_llmops_redis_store_t *rs);
void ngx_llmops_redis_watch_stop(ngx_llmops_redis_store_t *rs);


#endif /* _NGX_LLMOPS_REDIS_STORE_H_INCLUDED_ */
