
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REDIS_COUNTER_H_INCLUDED_
#define _NGX_LLMOPS_REDIS_COUNTER_H_INCLUDED_


#include "ngx_llmops_store.h"
#include "ngx_llmops_redis.h"


/*
 * Counters on Redis, as their own files see them; nobody else includes this
 * but the engine.  How they work is told in ngx_llmops_redis_counter.c.
 *
 *   ngx_llmops_redis_counter.c        what the store asks for
 *   ngx_llmops_redis_counter_question.c  reservations that are asked for
 *   ngx_llmops_redis_counter_claim.c  claims, and how they are settled
 *   ngx_llmops_redis_counter_send.c   what a turn has changed
 *   ngx_llmops_redis_counter_ask.c    questions, and their answers
 *   ngx_llmops_redis_counter_lease.c  shares: how they begin and end
 *   ngx_llmops_redis_counter_table.c  counters that are known
 *   ngx_llmops_redis_counter_keep.c   what is due later: books, leases, ends
 *   ngx_llmops_redis_counter_spill.c  books of a worker that has ended
 *   ngx_llmops_redis_counter_grant.c  arithmetic: who gets what
 *   ngx_llmops_redis_counter_rate.c   arithmetic: windows and periods
 *   ngx_llmops_redis_counter_book.c   arithmetic: what is to be told
 *   ngx_llmops_redis_counter_share.c  texts: names, fields, values
 *
 * The last four call no function of nginx.
 *
 * Words: a "share" is what one worker process says of a counter, in one field
 * of a hash in Redis.  A "tally" is a counter as this process knows it.  A
 * "claim" is what one reservation wants or has of one counter.  All times are
 * milliseconds since the epoch by the server's clock.
 */


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


/* -- texts ---------------------------------------------------------------- */

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

u_char *ngx_llmops_share_name(u_char *p, uint64_t id);
u_char *ngx_llmops_share_print(u_char *p, const ngx_llmops_share_t *share);

/* NGX_OK, or NGX_ERROR: it is no share. */
ngx_int_t ngx_llmops_share_parse(const u_char *p, size_t len,
    ngx_llmops_share_t *share);

/* The field of a bucket or a period in the hash of books. */
u_char *ngx_llmops_bucket_print(u_char *p, ngx_llmops_unit_e unit,
    ngx_llmops_period_e period, int64_t window, int64_t at);
ngx_int_t ngx_llmops_bucket_parse(const u_char *p, size_t len,
    ngx_llmops_unit_e *unit, ngx_llmops_period_e *period, int64_t *window,
    int64_t *at);

/* A decimal number, which has to be all of the text; clamped. */
u_char *ngx_llmops_tally_print(u_char *p, int64_t n);
ngx_int_t ngx_llmops_tally_number(const u_char *p, size_t len, int64_t *n);

/*
 * The name of a counter's hash: of shares with which 'r', of books with 'b'.
 * Both have the same hash tag, whatever bytes are in the parts, and no two
 * counters share a name.  Returns its end; size() is the most it may take.
 */
size_t ngx_llmops_tally_key_size(const ngx_str_t *prefix,
    const ngx_llmops_charge_t *charge);
u_char *ngx_llmops_tally_key(u_char *p, const ngx_str_t *prefix,
    const ngx_llmops_charge_t *charge, u_char which);


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


/* -- ngx_llmops_redis_counter_rate.c --------------------------------------- */

/* The tally's own of a charge's rate; NULL: it has not been seen yet. */
ngx_llmops_tally_rate_t *ngx_llmops_tally_find_rate(
    const ngx_llmops_tally_t *tally, const ngx_llmops_rate_t *rate);

/* Initializes one. */
void ngx_llmops_tally_init_rate(ngx_llmops_tally_t *tally,
    ngx_llmops_tally_rate_t *tr, const ngx_llmops_rate_t *rate);

/* CALENDAR: the start of the period in which rate counts. */
int64_t ngx_llmops_tally_start(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate);

/* Used in the window or period of rate at a time, by all that is known. */
int64_t ngx_llmops_tally_used(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate, int64_t now);

/* What is added to its limit of what the period before has left. */
int64_t ngx_llmops_tally_carried(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate);

/* ms from now until all that is used has left; until "need" of it has. */
int64_t ngx_llmops_tally_reset_time(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate, int64_t now);
int64_t ngx_llmops_tally_retry_time(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate, int64_t need, int64_t now);

/*
 * Begins to read what the server has: all is 0.  Then one of its fields:
 * NGX_OK; NGX_DECLINED: it is out of date, may be deleted; NGX_ERROR: not
 * ours.
 */
void ngx_llmops_tally_read_begin(ngx_llmops_tally_t *tally, int64_t now);
ngx_int_t ngx_llmops_tally_read_field(ngx_llmops_tally_t *tally,
    const ngx_str_t *field, const ngx_str_t *value, int64_t now);

/* ms for which the keys have to live after the last change. */
int64_t ngx_llmops_tally_span(const ngx_llmops_tally_t *tally);

/* The shortest sliding window, at most "most". */
int64_t ngx_llmops_tally_shortest(const ngx_llmops_tally_t *tally,
    int64_t most);


/* -- ngx_llmops_redis_counter_book.c --------------------------------------- */

/* Books an amount in all rates of the charge that count the unit, at a time
   (SLIDING), in the charge's period (CALENDAR). */
void ngx_llmops_tally_book(ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge, ngx_llmops_unit_e unit, int64_t amount,
    int64_t when);

/* Takes out what was booked at a time. */
void ngx_llmops_tally_unbook(ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge, ngx_llmops_unit_e unit, int64_t amount,
    int64_t when, int64_t now);

/* Adds to a rate's books: where there is no room for one more bucket, to a
   later one.  NGX_OK; NGX_DECLINED: that will not do for what is taken out. */
ngx_int_t ngx_llmops_tally_note(ngx_llmops_tally_rate_t *tr, int64_t at,
    int64_t amount);

/* Whether a book has anything to tell; one that has left its window is
   forgotten. */
ngx_uint_t ngx_llmops_tally_book_due(ngx_llmops_book_t *book, int64_t now);

/* Whether any of the tally's has. */
ngx_uint_t ngx_llmops_tally_books_due(const ngx_llmops_tally_t *tally);

/* Booked, and to be told yet. */
int64_t ngx_llmops_tally_open(const ngx_llmops_tally_t *tally,
    ngx_llmops_unit_e unit);

/* Forgets up to an amount of each unit of what is to be told. */
void ngx_llmops_tally_forget(ngx_llmops_tally_t *tally,
    const int64_t *amounts);

/* Whether nothing is lost when it is forgotten. */
ngx_uint_t ngx_llmops_tally_rate_idle(const ngx_llmops_tally_rate_t *tr);


/* -- ngx_llmops_redis_counter_grant.c -------------------------------------- */

/* What is claimed of a counter for a charge: no more than its limits. */
void ngx_llmops_tally_claim(const ngx_llmops_charge_t *charge,
    int64_t *claimed);

/*
 * Whether a charge need not be asked for, because its counter is known to be
 * full; sets denied and levels then.  When it is time to look again, one
 * charge passes.
 */
ngx_uint_t ngx_llmops_tally_full(ngx_llmops_tally_t *tally,
    ngx_llmops_charge_t *charge, int64_t now);

/*
 * Decides upon a claim, the answer to which has been read: sets the charge's
 * granted, denied and levels, moves what is granted from the tally's claimed
 * to its granted and into claim->held, and takes the rest back.
 */
void ngx_llmops_tally_grant(ngx_llmops_claim_t *claim, int64_t now);

/* Sets the charge's levels, by what is known now. */
void ngx_llmops_tally_levels(ngx_llmops_tally_t *tally,
    ngx_llmops_charge_t *charge, int64_t now);

/* Gives back what a claim holds. */
void ngx_llmops_tally_release(ngx_llmops_claim_t *claim);

/* Takes back what it has claimed. */
void ngx_llmops_tally_unclaim(ngx_llmops_claim_t *claim);

/* Our own share, to be written now. */
void ngx_llmops_tally_share(const ngx_llmops_tally_t *tally, int64_t now,
    ngx_llmops_share_t *share);

/*
 * Takes note of what others say: begin, each share, end.  fresh: the books are
 * being read as well, so that what has been told until now is in them.  NGX_OK,
 * or NGX_ERROR: there is no memory for it.
 */
void ngx_llmops_tally_others_begin(ngx_llmops_tally_t *tally,
    ngx_uint_t fresh);
ngx_int_t ngx_llmops_tally_others_add(ngx_llmops_tally_t *tally,
    const ngx_llmops_share_t *share, ngx_uint_t fresh, int64_t now);


/* -- ngx_llmops_redis_counter_table.c -------------------------------------- */

ngx_int_t ngx_llmops_tallies_init(ngx_llmops_tallies_t *tallies);
void ngx_llmops_tallies_free(ngx_llmops_tallies_t *tallies);

/* The tally of a charge, with all of its rates, made if there is none.  NULL:
   out of memory, or too many are in use. */
ngx_llmops_tally_t *ngx_llmops_tally_get(ngx_llmops_tallies_t *tallies,
    const ngx_llmops_charge_t *charge);

/* Room for one more of others; NULL: out of memory, or too many. */
ngx_llmops_told_t *ngx_llmops_tally_other(ngx_llmops_tally_t *tally);

/* Forgets up to n that nothing refers to, if there are too many. */
void ngx_llmops_tallies_evict(ngx_llmops_tallies_t *tallies, ngx_uint_t n);

/* Calls visit for each. */
void ngx_llmops_tallies_each(ngx_llmops_tallies_t *tallies,
    void (*visit)(ngx_llmops_tally_t *tally, void *data), void *data);

/* One thing more, or less, that refers to it. */
void ngx_llmops_tally_ref(ngx_llmops_tally_t *tally);
void ngx_llmops_tally_unref(ngx_llmops_tally_t *tally);

/* -- ngx_llmops_redis_counter_send.c --------------------------------------- */

/* Something of it is to be sent at the end of this turn. */
void ngx_llmops_tally_changed(ngx_llmops_tally_t *tally);

/* The same, if its share has changed. */
#define ngx_llmops_tally_touched(tally)                                       \
    do {                                                                      \
        if ((tally)->write) {                                                 \
            ngx_llmops_tally_changed(tally);                                  \
        }                                                                     \
    } while (0)

/* At the end of the process: what it holds is given back, and its books are
   told, as far as there is a connection. */
void ngx_llmops_tally_send_last(ngx_llmops_tally_t *tally);

/* The handler of tallies->turn. */
void ngx_llmops_tallies_turn(ngx_event_t *ev);


/* -- ngx_llmops_redis_counter_ask.c ---------------------------------------- */

/* Asks for all claims that are waiting, in one batch.  Its share has been
   written. */
void ngx_llmops_tally_ask(ngx_llmops_tally_t *tally, int64_t now);

/* All claims that are waiting fail; those of a batch. */
void ngx_llmops_tally_fail(ngx_llmops_tally_t *tally);
void ngx_llmops_batch_fail(ngx_llmops_batch_t *batch);

/* Deletes its books, and forgets ours.  NGX_OK; NGX_DECLINED: the server
   cannot be asked now. */
ngx_int_t ngx_llmops_tally_delete(ngx_llmops_tally_t *tally);


/* -- ngx_llmops_redis_counter_lease.c -------------------------------------- */

/* Before something is sent: a share is begun, if one is needed. */
void ngx_llmops_tally_share_check(ngx_llmops_tally_t *tally, int64_t now);

/* Clears a dead one away, and takes its books over. */
void ngx_llmops_tally_reap(ngx_llmops_tally_t *tally,
    const ngx_llmops_share_t *share);


/* -- ngx_llmops_redis_counter_keep.c --------------------------------------- */

/* Something has been booked: it is told now or, if books were told a moment
   ago, in a moment. */
void ngx_llmops_tally_booked(ngx_llmops_tally_t *tally, ngx_uint_t later);

/* Something cannot be sent now; it is tried again. */
void ngx_llmops_tally_park(ngx_llmops_tally_t *tally);

/* Whether it has claims, or what was granted. */
ngx_uint_t ngx_llmops_tally_holds(ngx_llmops_tally_t *tally);

/* Takes over what somebody else had to tell; it is told in a moment. */
void ngx_llmops_tally_take_over(ngx_llmops_tally_rate_t *tr, int64_t at,
    int64_t amount);

/* No longer in the queue. */
void ngx_llmops_tally_undue(ngx_llmops_tally_t *tally);

/* A worker that is asked to end stays until its books are told. */
void ngx_llmops_tallies_arm(ngx_llmops_tallies_t *tallies);

/* The handler of tallies->tick, and of a server that is back. */
void ngx_llmops_tallies_tick(ngx_event_t *ev);
void ngx_llmops_tallies_up(void *data);


/* -- ngx_llmops_redis_counter_claim.c -------------------------------------- */

/* Claims refer to their tally; all of them are zeroed.  NULL: no memory. */
ngx_llmops_claim_t *ngx_llmops_claim_new(ngx_llmops_tally_t *tally,
    ngx_llmops_charge_t *charge);
void ngx_llmops_claim_free(ngx_llmops_claim_t *claim);
ngx_llmops_question_t *ngx_llmops_question_new(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res);
void ngx_llmops_question_free(ngx_llmops_question_t *question);
ngx_llmops_batch_t *ngx_llmops_batch_new(ngx_llmops_tally_t *tally);
void ngx_llmops_batch_free(ngx_llmops_batch_t *batch);

/* The end of a claim: what it holds is given back, and the truth booked. */
void ngx_llmops_claim_settle(ngx_llmops_claim_t *claim, const int64_t *truth);

/* The same of a charge without one: it could not be asked for. */
void ngx_llmops_charge_settle(ngx_llmops_tallies_t *tallies,
    ngx_llmops_charge_t *charge, const int64_t *truth);

/* Logs, once a minute, that a limit cannot be asked for, or is lost. */
void ngx_llmops_tallies_lost(ngx_llmops_tallies_t *tallies, const char *what);


/* -- ngx_llmops_redis_counter_question.c ----------------------------------- */

/* Asks.  NGX_OK: it is answered already, and gone; NGX_AGAIN. */
ngx_int_t ngx_llmops_question_ask(ngx_llmops_question_t *question);

/* Nobody waits for it any more: what it has claimed is given back. */
void ngx_llmops_question_drop(ngx_llmops_question_t *question);

/* All claims of a question have an answer: it is put among the answered. */
void ngx_llmops_question_answer(ngx_llmops_question_t *question);

/* Calls the handlers of all that are answered. */
void ngx_llmops_tallies_answer(ngx_llmops_tallies_t *tallies);


/* -- ngx_llmops_redis_counter_spill.c -------------------------------------- */

/* Leaves a book in shared memory, for another worker: to be given to stop(). */
void ngx_llmops_spill_leave(ngx_llmops_tallies_t *tallies,
    ngx_llmops_book_t *book);

/* Takes over what others have left: to be set as .spilled. */
void ngx_llmops_spill_take(ngx_llmops_tallies_t *tallies);


/* -- ngx_llmops_redis_counter.c -------------------------------------------- */

/* of truth: as if it had never been */
extern const int64_t  ngx_llmops_nothing[];


/*
 * Starts and stops a process's counters: the caller sets redis, log, prefix,
 * lease, id, seed, and if it likes zone and spilled, of a zeroed structure.
 * stop() comes before that of the connections, which are to write its last
 * words: that nothing is held any more.  It drops all questions, and calls
 * left() for what is still to be booked and could not be said.
 */
typedef void (*ngx_llmops_left_pt)(ngx_llmops_tallies_t *tallies,
    ngx_llmops_book_t *book);

ngx_int_t ngx_llmops_tallies_start(ngx_llmops_tallies_t *tallies);
void ngx_llmops_tallies_stop(ngx_llmops_tallies_t *tallies,
    ngx_llmops_left_pt left);

/* The engine's, see ngx_llmops_store.h. */
ngx_int_t ngx_llmops_tallies_reserve(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res);
ngx_int_t ngx_llmops_tallies_extend(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res);
void ngx_llmops_tallies_settle(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res, const int64_t *truth);
void ngx_llmops_tallies_cancel(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res);
ngx_int_t ngx_llmops_tallies_reset(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res);


#endif /* _NGX_LLMOPS_REDIS_COUNTER_H_INCLUDED_ */
