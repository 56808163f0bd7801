
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REDIS_COUNTER_H_INCLUDED_
#define _NGX_LLMOPS_REDIS_COUNTER_H_INCLUDED_


#include "ngx_llmops_redis_tally.h"


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


/* -- ngx_llmops_redis_counter_share.c ------------------------------------- */

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
