
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REDIS_TALLY_H_INCLUDED_
#define _NGX_LLMOPS_REDIS_TALLY_H_INCLUDED_


#include "ngx_llmops_store.h"
#include "ngx_llmops_redis.h"


/* What a process knows of the counters on Redis: shares, rates, tallies, claims
   and questions; for ngx_llmops_redis_counter.h, which tells what they are. */


typedef struct ngx_llmops_tally_s       ngx_llmops_tally_t;
typedef struct ngx_llmops_tally_rate_s  ngx_llmops_tally_rate_t;
typedef struct ngx_llmops_tallies_s     ngx_llmops_tallies_t;
typedef struct ngx_llmops_claim_s       ngx_llmops_claim_t;
typedef struct ngx_llmops_question_s    ngx_llmops_question_t;
typedef struct ngx_llmops_batch_s       ngx_llmops_batch_t;


/* more than any limit: all amounts are kept between it and its opposite, so
   that two of them can be added up */
#define NGX_LLMOPS_TALLY_MAX       ((int64_t) 1 << 61)

#define NGX_LLMOPS_TALLY_AMOUNT    ((int64_t) 1 << 56)     /* of one request */

#define ngx_llmops_tally_clamp(n)                                             \
    ngx_max(ngx_min(n, NGX_LLMOPS_TALLY_MAX), -NGX_LLMOPS_TALLY_MAX)
#define ngx_llmops_tally_add(field, n)                                        \
    (field) = ngx_llmops_tally_clamp((field) + (n))

#define NGX_LLMOPS_TALLY_PARTS     64      /* of a window; the partial one at
                                              its old end makes 65 */
#define NGX_LLMOPS_TALLY_BUCKETS   (NGX_LLMOPS_TALLY_PARTS + 1)
#define NGX_LLMOPS_TALLY_PERIODS   4       /* of a calendar rate */
#define NGX_LLMOPS_TALLY_BOOKS     4       /* buckets or periods of a rate for
                                              which something is to be told */
#define NGX_LLMOPS_TALLY_RATES     16      /* of a counter: a charge's, and
                                              others that it had before */
#define NGX_LLMOPS_TALLY_SHARES    4096    /* workers at one counter */

#define NGX_LLMOPS_TALLY_AGE       2000    /* ms for which books that have been
                                              read are good, at the most */
#define NGX_LLMOPS_TALLY_SOFT      20      /* ms for which a counter is thought
                                              full that may not be */
#define NGX_LLMOPS_TALLY_WAIT      1000    /* ms after which who waits for what
                                              others hold may try again */
#define NGX_LLMOPS_TALLY_GRACE     2       /* leases after which a dead share
                                              is cleared away */


/* -- shares --------------------------------------------------------------- */

/*
 * What one process says of a counter, all amounts by unit.  "told" is what it
 * has added to the buckets since it began this share, "booked" is that and
 * what it has still to add.
 */

typedef struct {
    uint64_t                   id;         /* of the process and, the low 24
                                              bits, of the share: never twice */
    uint64_t                   serial;     /* grows with every write */
    int64_t                    stamp;      /* when it was written */
    int64_t                    lease;      /* how long "held" is good for */
    int64_t                    held[NGX_LLMOPS_UNIT_MAX];
    int64_t                    booked[NGX_LLMOPS_UNIT_MAX];
    int64_t                    told[NGX_LLMOPS_UNIT_MAX];
} ngx_llmops_share_t;

#define ngx_llmops_share_live(share, now)                                     \
    ((now) < (share)->stamp + (share)->lease)

#define ngx_llmops_share_dead(share, now)                                     \
    ((now) >= (share)->stamp + NGX_LLMOPS_TALLY_GRACE * (share)->lease)

/* bytes that suffice for a share's name, its value, a bucket's name */
#define NGX_LLMOPS_SHARE_NAME      16
#define NGX_LLMOPS_SHARE_TEXT      512
#define NGX_LLMOPS_BUCKET_TEXT     64


/* -- rates ---------------------------------------------------------------- */

/* what is to be added to one bucket or period */

typedef struct {
    ngx_llmops_tally_rate_t   *rate;
    int64_t                    at;         /* number of the bucket, or start of
                                              the period */
    int64_t                    amount;
    int64_t                    sent;       /* told, not answered yet */
} ngx_llmops_book_t;


struct ngx_llmops_tally_rate_s {
    ngx_llmops_tally_t        *tally;
    ngx_llmops_unit_e          unit;
    ngx_llmops_period_e        period;
    int64_t                    window;

    ngx_llmops_book_t          books[NGX_LLMOPS_TALLY_BOOKS];

    int64_t                    start;      /* CALENDAR: of the period that was
                                              charged last, and the newest */
    int64_t                    newest;
    int64_t                    full_until; /* 0: may have room */
    int64_t                    full_least; /* for so much, of */
    int64_t                    full_limit; /* such a limit, in the period */
    int64_t                    full_start; /* that begins then */
    unsigned                   full_hard:1;

    /* what the server had at the last look */

    int64_t                    first;      /* SLIDING: number of bucket[0] */
    union {
        int64_t                bucket[NGX_LLMOPS_TALLY_BUCKETS];
        struct {
            int64_t            start;      /* newest first; 0: none */
            int64_t            used;
        } period[NGX_LLMOPS_TALLY_PERIODS];
    } seen;
};


/* an amount that another process had told when the books were last read */

typedef struct {
    uint64_t                   id;
    int64_t                    told[NGX_LLMOPS_UNIT_MAX];
} ngx_llmops_told_t;


/* SLIDING: in which part of a window a time lies; when all of a part has left
   the window */
#define ngx_llmops_tally_part(tr, time)                                       \
    ((time) * NGX_LLMOPS_TALLY_PARTS / (tr)->window)
#define ngx_llmops_tally_left(tr, at)                                         \
    ((((at) + NGX_LLMOPS_TALLY_BUCKETS) * (tr)->window                        \
      + NGX_LLMOPS_TALLY_PARTS - 1) / NGX_LLMOPS_TALLY_PARTS)


/* -- tallies -------------------------------------------------------------- */

struct ngx_llmops_tally_s {
    ngx_llmops_tallies_t      *tallies;
    ngx_llmops_tally_t        *chain;      /* in its hash bucket */
    ngx_queue_t                idle;       /* while nothing refers to it */
    ngx_queue_t                changed;    /* something is to be sent */
    ngx_queue_t                due;        /* books are to be told later */
    ngx_queue_t                written;    /* by .stamp: shares that are live */
    uint64_t                   hash;
    ngx_uint_t                 refs;       /* claims, batches, books sent, and
                                              queues but idle and written */

    ngx_str_t                  name;       /* the identity */
    ngx_str_t                  key;
    ngx_str_t                  shard;
    ngx_str_t                  shares;     /* keys in Redis */
    ngx_str_t                  books;

    ngx_llmops_tally_rate_t   *rates[NGX_LLMOPS_TALLY_RATES];
    ngx_uint_t                 nrates;

    /* ours; amounts by unit */

    uint64_t                   id;         /* of our share; 0: there is none */
    uint64_t                   serial;
    int64_t                    stamp;      /* when it was last written */
    int64_t                    granted[NGX_LLMOPS_UNIT_MAX];
    int64_t                    claimed[NGX_LLMOPS_UNIT_MAX];
    int64_t                    booked[NGX_LLMOPS_UNIT_MAX];
    int64_t                    base[NGX_LLMOPS_UNIT_MAX];
                                           /* told when the share began */
    int64_t                    open[NGX_LLMOPS_UNIT_MAX];
                                           /* booked, not told: as written */
    int64_t                    old[NGX_LLMOPS_UNIT_MAX];
                                           /* the same of a share whose lease
                                              was over, while .token */
    int64_t                    told[NGX_LLMOPS_UNIT_MAX];
                                           /* when the books were last read */

    /* of all others, as last read */

    int64_t                    others_held[NGX_LLMOPS_UNIT_MAX];
    int64_t                    others_new[NGX_LLMOPS_UNIT_MAX];
                                           /* booked since the books were */
    ngx_llmops_told_t         *others;
    ngx_uint_t                 nothers;
    ngx_uint_t                 size;       /* of others, allocated */
    ngx_uint_t                 next;       /* of others, probably */

    int64_t                    read;       /* when the books were; 0: never, or
                                              not to be relied on */
    int64_t                    shares_end; /* when the keys expire, 0: nobody */
    int64_t                    books_end;  /* knows */
    ngx_uint_t                 generation; /* of the connection */
    ngx_msec_t                 flushed;    /* ngx_current_msec of that */
    ngx_msec_t                 flush_at;   /* while .due */

    ngx_queue_t                waiting;    /* claims to be sent this turn */
    ngx_uint_t                 nsent;      /* books without a reply */

    unsigned                   is_changed:1;   /* in the queue */
    unsigned                   is_due:1;
    unsigned                   is_written:1;
    unsigned                   write:1;    /* the share is to be written */
    unsigned                   flush:1;    /* books are to be told now */
    unsigned                   lost:1;     /* the last ones were not taken, */
    unsigned                   refused:1;  /* with an error */
    unsigned                   gate:1;     /* waiting for a connection */
    unsigned                   token:1;    /* asking whose our old books are */
};


/* a process's counters; the engine has one */

struct ngx_llmops_tallies_s {
    ngx_llmops_redis_t        *redis;
    ngx_log_t                 *log;
    ngx_str_t                  prefix;
    int64_t                    lease;
    uint64_t                   id;         /* of the process: low 24 bits 0 */
    uint64_t                   shares;     /* begun so far */
    uint64_t                   seed;       /* of hashes */

    ngx_llmops_tally_t       **table;
    ngx_uint_t                 ntallies;
    ngx_queue_t                idle;       /* oldest first */
    ngx_queue_t                changed;
    ngx_queue_t                fast;       /* .due, of short windows */
    ngx_queue_t                slow;       /* .due */
    ngx_queue_t                parked;     /* .due, when it can be sent */
    ngx_queue_t                written;
    ngx_queue_t                answered;   /* questions */
    ngx_queue_t                batches;    /* under way */

    ngx_event_t                turn;       /* posted: sends */
    ngx_event_t                tick;
    ngx_msec_t                 looked;     /* what is done each second */
    ngx_uint_t                 generation;
    void                      *free_claims;
    void                      *free_questions;
    ngx_uint_t                 nfree_claims;
    ngx_uint_t                 nfree_questions;

    void                     (*spilled)(ngx_llmops_tallies_t *tallies);
                                           /* each tick: takes over what others
                                              have left; NULL: nothing */
    ngx_shm_zone_t            *zone;       /* for that; or NULL */
    void                      *data;       /* the list in it */
    time_t                     lost_logged;
    time_t                     refused_logged;
    unsigned                   stopped:1;
};


/* what a reservation wants or has of one counter */

struct ngx_llmops_claim_s {
    ngx_queue_t                queue;      /* of its tally, or of a batch */
    ngx_llmops_claim_t        *next;       /* of its question */
    ngx_llmops_tally_t        *tally;
    ngx_llmops_question_t     *question;   /* NULL: answered, or not asked for
                                              any more */
    ngx_llmops_charge_t       *charge;
    int64_t                    claimed[NGX_LLMOPS_UNIT_MAX];
    int64_t                    held[NGX_LLMOPS_UNIT_MAX];
    int64_t                    counted;    /* requests that have been booked */
    int64_t                    when;       /* it was granted */
    unsigned                   waiting:1;  /* to be sent */
    unsigned                   asked:1;    /* sent, and not answered */
};


/* a reservation that is being asked for */

struct ngx_llmops_question_s {
    ngx_queue_t                queue;      /* answered */
    ngx_llmops_tallies_t      *tallies;
    ngx_llmops_reservation_t  *res;
    ngx_llmops_claim_t        *claims;
    ngx_uint_t                 left;       /* claims without an answer */
    unsigned                   extend:1;
    unsigned                   asking:1;   /* nothing is to be held */
    unsigned                   answered:1; /* in the queue */
};


/* the claims on one counter that are asked with the same commands */

struct ngx_llmops_batch_s {
    ngx_queue_t                queue;      /* of tallies */
    ngx_queue_t                claims;
    ngx_llmops_tally_t        *tally;
    ngx_llmops_redis_cmd_t    *shares;     /* under way, or NULL */
    ngx_llmops_redis_cmd_t    *books;
    uint64_t                   serial;     /* of our share, that has to be in
                                              the answer; 0: need not */
    int64_t                    told[NGX_LLMOPS_UNIT_MAX];
    unsigned                   failed:1;
};


#endif /* _NGX_LLMOPS_REDIS_TALLY_H_INCLUDED_ */
