
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_STORE_H_INCLUDED_
#define _NGX_LLMOPS_STORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * What the gateway has to remember beyond a request, behind one interface:
 * counters that are limited, and documents (keys, prompts, records of audits).
 * Two engines have the same semantics and pass the same tests: shared memory,
 * for the workers of one nginx, and Redis, for a fleet.  Nothing here knows of
 * requests, routes or HTTP.
 *
 * Every call that has to ask returns NGX_OK (it is done, the result is in
 * place), NGX_AGAIN (the handler will be called, later, never from within the
 * call), or NGX_ERROR (out of memory; nothing was done, no handler will be
 * called).  Shared memory never answers NGX_AGAIN, but for the two operations
 * that write to the disk: put and remove with llm_state.  What is started in
 * one turn of the event loop leaves for Redis in one write.
 *
 * A handler runs outside of any request: whoever enters a request from it
 * ends with ngx_http_run_posted_requests().
 */


typedef struct ngx_llmops_store_s   ngx_llmops_store_t;
typedef struct ngx_llmops_engine_s  ngx_llmops_engine_t;

typedef struct ngx_llmops_ledger_read_s  ngx_llmops_ledger_read_t;
typedef void (*ngx_llmops_ledger_pt)(ngx_array_t *rows, void *data);


/* -- counters ------------------------------------------------------------- */

/* what is counted */

typedef enum {
    NGX_LLMOPS_UNIT_REQUESTS = 0,
    NGX_LLMOPS_UNIT_TOKENS,                /* input and output */
    NGX_LLMOPS_UNIT_INPUT,
    NGX_LLMOPS_UNIT_OUTPUT,
    NGX_LLMOPS_UNIT_COST,                  /* 10^-12 USD */
    NGX_LLMOPS_UNIT_CONCURRENT,
    NGX_LLMOPS_UNIT_MAX
} ngx_llmops_unit_e;


typedef enum {
    NGX_LLMOPS_PERIOD_SLIDING = 0,         /* the last .window ms */
    NGX_LLMOPS_PERIOD_CALENDAR,            /* from .start to .end */
    NGX_LLMOPS_PERIOD_HELD                 /* as long as it is reserved */
} ngx_llmops_period_e;


/*
 * One number that is limited: "tokens=90k/m".  Unit, period and window are its
 * identity within a counter: a reload may reorder rates and change limits
 * without losing what has been counted.
 */

typedef struct {
    ngx_llmops_unit_e          unit;
    ngx_llmops_period_e        period;
    int64_t                    window;     /* ms: SLIDING; CALENDAR: a nominal
                                              length (day, week, month) that
                                              is part of the identity */
    int64_t                    start;      /* ms since the epoch: CALENDAR, */
    int64_t                    end;        /* set by the caller each time */
    int64_t                    limit;
    int64_t                    carry;      /* CALENDAR: what the period before
                                              has left of the limit is added
                                              to it, up to so much */
} ngx_llmops_rate_t;


#define NGX_LLMOPS_COUNTER_RATES  8
#define NGX_LLMOPS_COUNTER_NAME   64       /* bytes of a limit's name */
#define NGX_LLMOPS_COUNTER_KEY    128      /* bytes of a key's value; callers
                                              hash longer ones */


/* where a rate stands; what this reservation has been granted is in it */

typedef struct {
    int64_t                    limit;      /* that holds now: divided, and with
                                              what was carried over */
    int64_t                    used;       /* settled, in the present window */
    int64_t                    reserved;   /* by all, not settled yet */
    int64_t                    reset;      /* ms from now until all of "used"
                                              has left the window, or until
                                              the period ends; HELD: 0 */
    int64_t                    retry;      /* denied: ms until what was asked
                                              may fit, an estimate >= 1;
                                              HELD: 0, nobody knows */
} ngx_llmops_level_t;


/*
 * One counter of a reservation: the rates of one limit for one value of its
 * key.  The caller fills the first part, the engine the second.  Strings and
 * rates must live until the reservation has been settled.
 *
 * Amounts are by unit and shared by all rates of that unit.  REQUESTS are
 * counted at once, all other units are held as reserved until they are
 * settled.  "least" <= "want" says what is still worth having: an engine grants
 * as much as fits, or, if that is less than "least", denies.  The sum of what
 * is used and granted never passes the limit of a rate, whatever runs at the
 * same time; a limit may be denied though it would just fit while others are
 * being denied.
 */

typedef struct {
    ngx_str_t                  name;       /* of the limit, and with */
    ngx_str_t                  key;        /* that its identity */
    ngx_str_t                  shard;      /* Redis Cluster: counters with the
                                              same one share a node; len 0:
                                              that of all else */
    ngx_llmops_rate_t          rates[NGX_LLMOPS_COUNTER_RATES];
    ngx_uint_t                 nrates;
    ngx_uint_t                 divisor;    /* >= 1: limits are divided by it */
    int64_t                    want[NGX_LLMOPS_UNIT_MAX];
    int64_t                    least[NGX_LLMOPS_UNIT_MAX];
    unsigned                   dry_run:1;  /* never denied: "denied" only says
                                              what would have been */

    int64_t                    granted[NGX_LLMOPS_UNIT_MAX];
    ngx_llmops_level_t         levels[NGX_LLMOPS_COUNTER_RATES];
    ngx_uint_t                 denied;     /* bit of each rate that has no
                                              room; 0: granted */
    unsigned                   failed:1;   /* the engine cannot be asked now;
                                              levels are unknown */
    unsigned                   local:1;    /* set by the caller, for all of a
                                              reservation's charges or none:
                                              ask, and settle with, shared
                                              memory */
    void                      *data;       /* the engine's own */
    int64_t                    mark;       /* the same */
} ngx_llmops_charge_t;


typedef struct ngx_llmops_reservation_s  ngx_llmops_reservation_t;

typedef void (*ngx_llmops_reserved_pt)(ngx_llmops_reservation_t *res);

/*
 * All that one request has reserved.  The caller provides the memory, zeroed,
 * which must live until settle or cancel, and sets the first part.
 */

struct ngx_llmops_reservation_s {
    ngx_llmops_charge_t       *charges;
    ngx_uint_t                 ncharges;
    ngx_llmops_reserved_pt     handler;
    void                      *data;
    ngx_log_t                 *log;        /* NULL: the cycle's */

    unsigned                   denied:1;   /* some charge was; all others have
                                              been given back */
    unsigned                   failed:1;   /* some charge has .failed; the
                                              others stand as they are */
    unsigned                   held:1;     /* settle() is due */
    unsigned                   asking:1;   /* set by the store: levels() */
    void                      *engine;     /* the engine's own */
};


/* -- documents ------------------------------------------------------------ */

/* a kind of documents; each has its own names and its own revision */

typedef enum {
    NGX_LLMOPS_DOCS_KEYS = 0,
    NGX_LLMOPS_DOCS_AUDIT,
    NGX_LLMOPS_DOCS_PURGES,                /* of the cache */
    NGX_LLMOPS_DOCS_PROMPTS,               /* their versions and labels */
    NGX_LLMOPS_DOCS_TEXTS,                 /* of prompts' versions, and of
                                              documents: large, got by their
                                              ids and never listed */
    NGX_LLMOPS_DOCS_ROLLOUTS,
    NGX_LLMOPS_DOCS_OBSERVED,              /* by gateways, for each other */
    NGX_LLMOPS_DOCS_EVALUATIONS,           /* what they are, and how far */
    NGX_LLMOPS_DOCS_EVALUATED,             /* their cases and results: large,
                                              never listed */
    NGX_LLMOPS_DOCS_INDEXED,               /* documents of indexes: what is
                                              known of each, but its text */
    NGX_LLMOPS_DOCS_REGISTRY,              /* what has served when */
    NGX_LLMOPS_DOCS_MAX
} ngx_llmops_docs_e;

#define NGX_LLMOPS_DOC_ID         128      /* bytes of an id at the most */
#define NGX_LLMOPS_DOC_SIZE       65536    /* bytes of a value at the most, */
#define NGX_LLMOPS_DOC_HEAD       (256 * 1024)     /* of a prompt's head, */
#define NGX_LLMOPS_DOC_LARGE      (1024 * 1024)    /* and of a text */

#define ngx_llmops_doc_max(docs)                                              \
    ((docs) == NGX_LLMOPS_DOCS_TEXTS ? NGX_LLMOPS_DOC_LARGE                   \
     : (docs) == NGX_LLMOPS_DOCS_EVALUATED ? NGX_LLMOPS_DOC_LARGE             \
     : (docs) == NGX_LLMOPS_DOCS_EVALUATIONS ? NGX_LLMOPS_DOC_HEAD            \
     : (docs) == NGX_LLMOPS_DOCS_PROMPTS ? NGX_LLMOPS_DOC_HEAD                \
     : NGX_LLMOPS_DOC_SIZE)

#define NGX_LLMOPS_REVISION_ANY   ((uint64_t) -1)
#define NGX_LLMOPS_REVISION_NONE  0        /* it must not exist */


typedef struct ngx_llmops_docop_s  ngx_llmops_docop_t;

typedef void (*ngx_llmops_doc_pt)(ngx_llmops_docop_t *op);

typedef struct {
    ngx_str_t                  id;
    ngx_str_t                  value;
    uint64_t                   revision;   /* of this document: 1, 2, ... */
} ngx_llmops_doc_t;

/*
 * One operation on documents.  The caller provides the memory, zeroed, which
 * must live until the handler has been called or the operation cancelled; the
 * results are allocated from pool.
 */

struct ngx_llmops_docop_s {
    ngx_llmops_docs_e          docs;
    ngx_str_t                  id;         /* list: the cursor, len 0: start */
    ngx_str_t                  value;      /* put */
    uint64_t                   expected;   /* put, remove: the revision that is
                                              replaced, ANY, or NONE */
    time_t                     expires;    /* put: seconds since the epoch when
                                              it may be forgotten, 0: never */
    ngx_uint_t                 max;        /* list: about so many */
    ngx_pool_t                *pool;
    ngx_llmops_doc_pt          handler;
    void                      *data;

    ngx_int_t                  rc;         /* NGX_OK; NGX_DECLINED: there is no
                                              such document, or it has another
                                              revision (conflict), or no such
                                              cursor; NGX_BUSY: no
                                              room; NGX_ERROR: the engine
                                              cannot be asked now */
    ngx_llmops_doc_t           doc;        /* get: it; put: new revision */
    ngx_array_t                list;       /* of ngx_llmops_doc_t, any order */
    ngx_str_t                  next;       /* list: cursor, len 0: the end */
    void                      *engine;     /* the engine's own; NULL: idle */
};


/* -- engines -------------------------------------------------------------- */

struct ngx_llmops_engine_s {
    ngx_str_t                  name;       /* "shared memory", "redis" */

    ngx_int_t                (*reserve)(ngx_llmops_store_t *store,
                                   ngx_llmops_reservation_t *res);
    ngx_int_t                (*extend)(ngx_llmops_store_t *store,
                                   ngx_llmops_reservation_t *res);
    void                     (*settle)(ngx_llmops_store_t *store,
                                   ngx_llmops_reservation_t *res,
                                   const int64_t *truth);
    void                     (*cancel)(ngx_llmops_store_t *store,
                                   ngx_llmops_reservation_t *res);
    ngx_int_t                (*reset)(ngx_llmops_store_t *store,
                                   ngx_llmops_reservation_t *res);

    ngx_int_t                (*get)(ngx_llmops_store_t *store,
                                   ngx_llmops_docop_t *op);
    ngx_int_t                (*put)(ngx_llmops_store_t *store,
                                   ngx_llmops_docop_t *op);
    ngx_int_t                (*remove)(ngx_llmops_store_t *store,
                                   ngx_llmops_docop_t *op);
    ngx_int_t                (*list)(ngx_llmops_store_t *store,
                                   ngx_llmops_docop_t *op);
    void                     (*forget)(ngx_llmops_store_t *store,
                                   ngx_llmops_docop_t *op);
    uint64_t                 (*revision)(ngx_llmops_store_t *store,
                                   ngx_llmops_docs_e docs);

    /* as ngx_llmops_ledger_rows() */
    ngx_int_t                (*rows)(ngx_llmops_store_t *store, uint32_t from,
                                   uint32_t to, ngx_pool_t *pool,
                                   ngx_array_t **rows,
                                   ngx_llmops_ledger_pt handler, void *data,
                                   ngx_llmops_ledger_read_t **read);

    ngx_uint_t               (*up)(ngx_llmops_store_t *store);
    int64_t                  (*now)(ngx_llmops_store_t *store);

    ngx_int_t                (*start)(ngx_cycle_t *cycle,
                                   ngx_llmops_store_t *store);
    void                     (*stop)(ngx_cycle_t *cycle,
                                   ngx_llmops_store_t *store);
};


/* one of a configuration; made at its end, the same address until the next */

struct ngx_llmops_store_s {
    const ngx_llmops_engine_t *engine;     /* the one that holds */
    const ngx_llmops_engine_t *local;      /* shared memory, always there */
    ngx_shm_zone_t            *zone;
    ngx_cycle_t               *cycle;      /* of the configuration */
    ngx_str_t                  state;      /* directory of llm_state, len 0:
                                              nothing outlives nginx */
    ngx_msec_t                 lease;      /* ms: what a dead worker has
                                              reserved comes back after it */
    void                     (*last)(void *data);  /* or NULL: llm_state, and
                                              no other process uses it now: what
                                              is put then is NGX_AGAIN, may be
                                              forgotten at once, and is written
                                              before this process ends */
    void                      *last_data;
    void                      *shm;        /* the engines' own, per cycle */
    void                      *redis;      /* until a worker starts: what
                                              llm_redis says */
    ngx_atomic_t              *gateways;   /* in shared memory: how many were
                                              seen last, >= 1 */
};


extern const ngx_llmops_engine_t  ngx_llmops_store_shm;
extern const ngx_llmops_engine_t  ngx_llmops_store_redis;


/*
 * Makes the store of a configuration, at its end; engine is the one that
 * holds, state the directory of llm_state, or NULL.  NULL: out of memory.
 */
ngx_llmops_store_t *ngx_llmops_store_create(ngx_conf_t *cf,
    const ngx_llmops_engine_t *engine, ngx_shm_zone_t *zone,
    ngx_path_t *state);

/* Per worker, from init_process and exit_process. */
ngx_int_t ngx_llmops_store_start(ngx_cycle_t *cycle,
    ngx_llmops_store_t *store);
void ngx_llmops_store_stop(ngx_cycle_t *cycle, ngx_llmops_store_t *store);


/*
 * Reserves all charges of res, or none.  On NGX_OK, or when the handler is
 * called, res says how it went: denied, failed, or held.  A charge that has
 * .local is made in shared memory.
 */
ngx_int_t ngx_llmops_store_reserve(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);

/*
 * More for a reservation that is held: want[] and least[] of its charges are
 * the additional amounts (REQUESTS and CONCURRENT 0); granted[] grows by what
 * was had.  Unlike reserve(), a denied charge gives nothing back.  Not while
 * another call on res is under way.
 */
ngx_int_t ngx_llmops_store_extend(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);

/*
 * The end of a reservation that is held: what was really used, by unit, takes
 * the place of what was reserved.  truth[REQUESTS] is 1, or 0 to take the
 * request out again; CONCURRENT is ignored.  Exactly once; never fails, what
 * cannot be told to Redis now is told later.  An extend() under way is
 * cancelled.  Afterwards the memory of res is the caller's again.
 */
void ngx_llmops_store_settle(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res, const int64_t *truth);

/* A reserve() under way is not waited for: the handler will not be called, and
   what is granted is given back.  The memory of res is the caller's again. */
void ngx_llmops_store_cancel(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);

/*
 * Levels of counters without reserving (all want[] 0): as reserve(), but
 * nothing is held.  reset(): sets what is used to 0, reservations stand; for
 * administrators.
 */
ngx_int_t ngx_llmops_store_levels(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);
ngx_int_t ngx_llmops_store_reset(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);


/*
 * Documents.  put() is durable when it is done (shared memory: in llm_state,
 * if there is one; Redis: as Redis is configured).  list() goes through all,
 * page by page; what changes meanwhile may be missed or seen twice.
 * forget(): the handler of an operation under way will not be called.
 */
ngx_int_t ngx_llmops_store_get(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
ngx_int_t ngx_llmops_store_put(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
ngx_int_t ngx_llmops_store_remove(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
ngx_int_t ngx_llmops_store_list(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
void ngx_llmops_store_forget(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);

/*
 * A number that changes whenever a document of that kind changes, on any
 * gateway: at once for a change made through this nginx, else within 500 ms.
 * Never waits.  What was read under an older revision may be out of date.
 */
uint64_t ngx_llmops_store_revision(ngx_llmops_store_t *store,
    ngx_llmops_docs_e docs);


/* Milliseconds since the epoch by the engine's clock, by which periods of the
   calendar begin and end: a fleet's machines need not agree on the time. */
int64_t ngx_llmops_store_now(ngx_llmops_store_t *store);

/* Whether the engine can be asked now.  In a worker that has started. */
ngx_uint_t ngx_llmops_store_up(ngx_llmops_store_t *store);


/* Names of units, as the configuration spells them: "requests", ... */
extern const ngx_str_t  ngx_llmops_unit_names[];


#endif /* _NGX_LLMOPS_STORE_H_INCLUDED_ */
