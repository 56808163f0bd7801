
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SHM_LAYOUT_H_INCLUDED_
#define _NGX_LLMOPS_SHM_LAYOUT_H_INCLUDED_


#include <ngx_event.h>

#include "ngx_llmops_store.h"
#include "ngx_llmops_ledger.h"


/* What lies in shared memory below the root, and what a process knows of it;
   for ngx_llmops_shm.h. */


/* -- cells ---------------------------------------------------------------- */

/* the first word of every cell, in use or not: it outlives the giving and
   taking that are undone, so nobody writes it but the pool */

typedef struct ngx_llmops_cell_s  ngx_llmops_cell_t;

struct ngx_llmops_cell_s {
    ngx_llmops_cell_t         *next;       /* in the free list, or of the chain
                                              that was taken as one */
};


typedef struct {
    ngx_llmops_cell_t         *free;
    u_char                    *fresh;      /* never used yet, up to */
    u_char                    *end;
    int64_t                    nfree;      /* in the list */
    int64_t                    used;       /* cells that are taken */
    int64_t                    bytes;      /* had from the zone */

    size_t                     size;       /* of a cell: constant, like */
    size_t                     extent;     /* bytes asked for at a time */
    int64_t                    max;        /* bytes at the most */
} ngx_llmops_cells_t;


/* -- counters ------------------------------------------------------------- */

/*
 * A sliding window is counted in 64 parts of it, and the one that is going
 * on: all that happened within the last window lies in these 65, and what is
 * older by up to one part as well.  So the limit holds for every window, and
 * in the long run a 65th less is admitted.
 */

#define NGX_LLMOPS_RING_PARTS      64
#define NGX_LLMOPS_RING_BUCKETS    65


typedef struct {
    ngx_llmops_cell_t          cell;
    int64_t                    newest;     /* part in which something was last
                                              counted */
    int64_t                    bucket[NGX_LLMOPS_RING_BUCKETS];
                                           /* part n in n % 65 */
} ngx_llmops_ring_t;


/* what is counted for a rate that is SLIDING or CALENDAR */

typedef struct {
    int64_t                    id;         /* unit, period, window; 0: free */
    int64_t                    used;       /* SLIDING: the sum of the ring */
    int64_t                    at;         /* SLIDING: number of the part up to
                                              which the ring is right;
                                              CALENDAR: start of the period */
    int64_t                    end;        /* CALENDAR */
    int64_t                    carried;    /* CALENDAR: into this period */
    ngx_llmops_ring_t         *ring;       /* SLIDING */
} ngx_llmops_slot_t;


typedef struct ngx_llmops_counter_s  ngx_llmops_counter_t;

/*
 * All rates of one limit for one value of its key.  In one of two queues
 * while nothing holds it, by when that was last so: a queue's end is evicted
 * when room is needed.
 */

struct ngx_llmops_counter_s {
    ngx_llmops_cell_t          cell;
    ngx_llmops_counter_t      *chain;      /* in its hash bucket */
    ngx_llmops_counter_t      *newer;      /* in its queue */
    ngx_llmops_counter_t      *older;
    int64_t                    hash;
    int64_t                    holds;      /* reservations; 0: in a queue */
    int64_t                    queue;      /* NGX_LLMOPS_QUEUE_... */
    int64_t                    reserved[NGX_LLMOPS_UNIT_MAX];
    ngx_llmops_slot_t          slots[NGX_LLMOPS_COUNTER_RATES];
    uint32_t                   name_len;
    uint32_t                   key_len;
    u_char                     text[NGX_LLMOPS_COUNTER_NAME
                                    + NGX_LLMOPS_COUNTER_KEY];
};


/* what a queue's counters lose when they are evicted: what slides is gone
   soon anyway, so these go first */

#define NGX_LLMOPS_QUEUE_SLIDING   0
#define NGX_LLMOPS_QUEUE_CALENDAR  1
#define NGX_LLMOPS_QUEUES          2

typedef struct {
    ngx_llmops_counter_t      *newest;
    ngx_llmops_counter_t      *oldest;
} ngx_llmops_queue_t;


/* -- workers and what they hold ------------------------------------------- */

typedef struct ngx_llmops_hold_s    ngx_llmops_hold_t;
typedef struct ngx_llmops_member_s  ngx_llmops_member_t;

/* one charge of one reservation */

struct ngx_llmops_hold_s {
    ngx_llmops_cell_t          cell;
    ngx_llmops_hold_t         *next;       /* in its worker's list */
    ngx_llmops_hold_t         *prev;
    ngx_llmops_counter_t      *counter;
    int64_t                    serial;     /* never twice; 0: not in use */
    int64_t                    made;       /* ms, monotonic; -1: its request
                                              was counted nobody knows when */
    int64_t                    amounts[NGX_LLMOPS_UNIT_MAX];
                                           /* REQUESTS: counted, not held */
};


/* one of each process that reserves */

struct ngx_llmops_member_s {
    ngx_llmops_cell_t          cell;
    ngx_llmops_member_t       *next;
    ngx_llmops_hold_t         *holds;
    int64_t                    pid;
    int64_t                    serial;     /* never twice; 0: not in use */
    int64_t                    beat;       /* ms, monotonic: it lived */
};


/* -- documents ------------------------------------------------------------ */

typedef struct ngx_llmops_docsh_s  ngx_llmops_docsh_t;

/* id and value follow, through all cells of the chain */

struct ngx_llmops_docsh_s {
    ngx_llmops_cell_t          cell;
    ngx_llmops_docsh_t        *chain;      /* in its hash bucket */
    int64_t                    hash;
    int64_t                    revision;
    int64_t                    expires;    /* seconds since the epoch, 0: no */
    uint32_t                   value_len;
    uint16_t                   kind;
    uint16_t                   id_len;
};


/* -- the ledger ----------------------------------------------------------- */

#define NGX_LLMOPS_LEDGER_PARTS    4       /* client, tenant, route, model */
#define NGX_LLMOPS_LEDGER_TEXT                                                \
    (NGX_LLMOPS_LEDGER_PARTS * NGX_LLMOPS_LEDGER_PART)

typedef struct ngx_llmops_row_s  ngx_llmops_row_t;
typedef struct ngx_llmops_day_s  ngx_llmops_day_t;

/* the four parts of its identity follow, one after the other, through all
   cells of the chain */

struct ngx_llmops_row_s {
    ngx_llmops_cell_t          cell;
    ngx_llmops_row_t          *chain;      /* in its hash bucket */
    ngx_llmops_row_t          *next;       /* of its day */
    int64_t                    hash;
    uint32_t                   day;        /* 20261125 */
    uint8_t                    len[NGX_LLMOPS_LEDGER_PARTS];
    int64_t                    sums[NGX_LLMOPS_LEDGER_MAX];
    int64_t                    taken[NGX_LLMOPS_LEDGER_MAX];
                                           /* of these, what is being carried
                                              elsewhere */
};


struct ngx_llmops_day_s {
    ngx_llmops_cell_t          cell;
    ngx_llmops_day_t          *older;      /* not always by date */
    ngx_llmops_row_t          *rows;
    ngx_llmops_row_t          *other;      /* the last one of them */
    int64_t                    day;
};


/* -- the root ------------------------------------------------------------- */

typedef struct {
    uintptr_t                 *addr;
    uintptr_t                  old;
} ngx_llmops_undo_t;

/* the longest sequence between two commits is the emptying of a ring: 65 and
   a few; see there for what is said about each */
#define NGX_LLMOPS_UNDO_MAX        (1024 / sizeof(uintptr_t))


/* a kind's journal in llm_state; with the writer's lock */

typedef struct {
    int64_t                    generation; /* of the file; 0: there is none */
    int64_t                    size;       /* that has been made visible */
} ngx_llmops_journal_t;


typedef struct {
    volatile ngx_uint_t        nundo;
    ngx_llmops_undo_t          undo[NGX_LLMOPS_UNDO_MAX];

    ngx_atomic_t               ready;      /* 0: what follows is not valid */
    ngx_atomic_t               gateways;
    ngx_atomic_t               revisions[NGX_LLMOPS_DOCS_MAX];

    int64_t                    clock;      /* ms, monotonic: newest ever seen */
    int64_t                    changes;    /* of counters and the ledger: to
                                              see whether there were any */
    int64_t                    serial;     /* last one given away */
    uint64_t                   seed;       /* of hashes */

    ngx_llmops_cells_t         cells;      /* counters and rings */
    ngx_llmops_cells_t         hold_cells;
    ngx_llmops_cells_t         member_cells;
    ngx_llmops_cells_t         doc_cells;
    ngx_llmops_cells_t         row_cells;  /* of the ledger */

    ngx_llmops_counter_t     **counters;   /* hash */
    uint64_t                   counters_mask;
    int64_t                    ncounters;
    ngx_llmops_queue_t         queues[NGX_LLMOPS_QUEUES];
    int64_t                    evicted[NGX_LLMOPS_QUEUES];

    ngx_llmops_member_t       *members;

    ngx_llmops_docsh_t       **docs;       /* hash, of all kinds */
    uint64_t                   docs_mask;
    int64_t                    ndocs[NGX_LLMOPS_DOCS_MAX];
    int64_t                    docs_bytes[NGX_LLMOPS_DOCS_MAX];
                                           /* of ids and values */
    int64_t                    swept;      /* bucket up to which expired ones
                                              were looked for */

    ngx_llmops_row_t         **rows;       /* hash */
    uint64_t                   rows_mask;
    int64_t                    nrows;
    int64_t                    rows_freed; /* how often: a pointer to a row is
                                              good as long as it stays */
    ngx_llmops_day_t          *days;
    int64_t                    batch;      /* number of what is being carried */
    int64_t                    carrier;    /* its worker's serial; 0: nothing
                                              is being carried */

    int64_t                    state_id;   /* of the directory of llm_state */
    int64_t                    owned;      /* it is this zone's */
    ngx_llmops_journal_t       journals[NGX_LLMOPS_DOCS_MAX];
    ngx_llmops_docsh_t        *pending;    /* documents that are being written
                                              by who has the writer's lock */
    int64_t                    saved;      /* changes, when last saved */
    int64_t                    saved_at;   /* ms, monotonic */
} ngx_llmops_root_t;


/* of a process: store->shm */

typedef struct {
    ngx_llmops_root_t         *root;
    ngx_slab_pool_t           *slab;       /* the zone's: its mutex is ours */
    ngx_llmops_member_t       *member;
    int64_t                    serial;     /* the member's, when it was ours */
    int64_t                    pid;
    ngx_msec_t                 lease;
    u_char                    *scratch;    /* room for a document */
    ngx_event_t                tick;
    void                      *state;      /* llm_state's, or NULL */
    time_t                     full;       /* when it may be said again */
    time_t                     rows_full;  /* the same, of the ledger */
} ngx_llmops_shm_t;


#endif /* _NGX_LLMOPS_SHM_LAYOUT_H_INCLUDED_ */
