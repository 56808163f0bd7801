
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * Counters that many workers of many gateways share, on a server that is asked
 * with nothing but plain commands: no scripts, which some do not allow and
 * which stop all others; no transactions; and one round trip.
 *
 * A counter is two hashes.  "Books" has what has been used, a field for each
 * bucket of a window or each period.  "Shares" has a field for each worker,
 * which that worker alone writes, always as a whole: all that it holds for
 * requests that are not over, what it has booked, and how much of that it has
 * told to the books.
 *
 * To reserve, a worker writes its share with the new claim in it, then reads
 * the shares of all.  A server does one thing after the other: of two workers
 * that want the last token, one has written before the other has read.  What
 * is read is what anybody may have been granted before; if the claim fits
 * beside that, it is granted; if less fits, and that is enough, so much is;
 * else it is taken back.  So the sum of what is used and what is held passes
 * no limit at any time.  Two may see each other and both be denied: that is
 * the price, and it is paid only where a limit is reached.
 *
 * When a request is over, what it really used moves from held to booked, in
 * one write of the share: nobody can see it in both places or in none.  From
 * there it goes to the books, which are told first; who reads the shares first
 * and then the books counts it at least once.  Books are long, and are read
 * only every second or two: what has been booked since then follows from the
 * shares alone.
 *
 * An amount in a share is absolute, so that writing it again does no harm, and
 * a server that comes back empty knows all that is held as soon as it has been
 * written again.  A worker that dies is missed after its lease, for nobody
 * writes its share.  Time is the server's, so that the clocks of gateways do
 * not matter.
 *
 * Requests are different from tokens only in that it is known at once how many
 * a request uses: one is booked when it is granted.
 *
 * In a busy worker, a request costs two commands when it begins and one when
 * it ends, for each counter, and all requests of one turn of the event loop
 * that meet at a counter share them.
 */


static void ngx_llmops_charge_init(ngx_llmops_charge_t *charge);
static void ngx_llmops_tally_leave(ngx_llmops_tally_t *tally, void *data);
static void ngx_llmops_tally_stop(ngx_llmops_tally_t *tally, void *data);
static void ngx_llmops_tally_left_over(ngx_llmops_tally_t *tally, void *data);


const int64_t  ngx_llmops_nothing[NGX_LLMOPS_UNIT_MAX];


ngx_int_t
ngx_llmops_tallies_reserve(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res)
{
    ngx_uint_t              i;
    ngx_llmops_question_t  *question;

    res->denied = 0;
    res->failed = 0;
    res->held = 0;

    question = ngx_llmops_question_new(tallies, res);
    if (question == NULL) {
        return NGX_ERROR;
    }

    question->asking = res->asking;

    for (i = 0; i < res->ncharges; i++) {
        ngx_llmops_charge_init(&res->charges[i]);
    }

    return ngx_llmops_question_ask(question);
}


static void
ngx_llmops_charge_init(ngx_llmops_charge_t *charge)
{
    ngx_memzero(charge->granted, sizeof(charge->granted));
    ngx_memzero(charge->levels, sizeof(charge->levels));
    charge->denied = 0;
    charge->failed = 0;
    charge->data = NULL;
}


ngx_int_t
ngx_llmops_tallies_extend(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res)
{
    ngx_uint_t              i;
    ngx_llmops_question_t  *question;

    res->denied = 0;
    res->failed = 0;

    question = ngx_llmops_question_new(tallies, res);
    if (question == NULL) {
        return NGX_ERROR;
    }

    question->extend = 1;

    for (i = 0; i < res->ncharges; i++) {
        res->charges[i].denied = 0;
        res->charges[i].failed = 0;
    }

    return ngx_llmops_question_ask(question);
}


void
ngx_llmops_tallies_settle(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res, const int64_t *truth)
{
    ngx_uint_t            i;
    ngx_llmops_charge_t  *charge;

    if (!res->held) {
        return;
    }

    if (res->engine) {
        ngx_llmops_question_drop(res->engine);
    }

    for (i = 0; i < res->ncharges; i++) {
        charge = &res->charges[i];

        if (charge->data) {
            ngx_llmops_claim_settle(charge->data, truth);
            charge->data = NULL;

        } else {
            ngx_llmops_charge_settle(tallies, charge, truth);
        }
    }

    res->held = 0;
}


void
ngx_llmops_tallies_cancel(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res)
{
    ngx_uint_t            i;
    ngx_llmops_charge_t  *charge;

    if (res->engine) {
        ngx_llmops_question_drop(res->engine);
    }

    for (i = 0; i < res->ncharges; i++) {
        charge = &res->charges[i];

        if (charge->data) {
            ngx_llmops_claim_settle(charge->data, ngx_llmops_nothing);
            charge->data = NULL;
        }
    }

    res->held = 0;
}


/* deletes the books, and asks for the levels then */

ngx_int_t
ngx_llmops_tallies_reset(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res)
{
    ngx_int_t            rc;
    ngx_uint_t           i;
    ngx_llmops_tally_t  *tally;

    res->asking = 1;

    for (i = 0; i < res->ncharges; i++) {
        tally = ngx_llmops_tally_get(tallies, &res->charges[i]);

        if (tally == NULL || ngx_llmops_tally_delete(tally) != NGX_OK) {
            break;
        }
    }

    rc = ngx_llmops_tallies_reserve(tallies, res);

    if (i == res->ncharges || rc == NGX_ERROR) {
        return rc;
    }

    if (rc == NGX_AGAIN) {
        ngx_llmops_question_drop(res->engine);
    }

    res->charges[i].failed = 1;
    res->failed = 1;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_tallies_start(ngx_llmops_tallies_t *tallies)
{
    if (ngx_llmops_tallies_init(tallies) != NGX_OK) {
        return NGX_ERROR;
    }

    tallies->turn.handler = ngx_llmops_tallies_turn;
    tallies->turn.data = tallies;
    tallies->turn.log = tallies->log;

    tallies->tick.handler = ngx_llmops_tallies_tick;
    tallies->tick.data = tallies;
    tallies->tick.log = tallies->log;
    tallies->tick.cancelable = 1;

    tallies->looked = ngx_current_msec;

    ngx_add_timer(&tallies->tick, 1000);

    return ngx_llmops_redis_on_up(tallies->redis, ngx_llmops_tallies_up,
                                  tallies);
}


void
ngx_llmops_tallies_stop(ngx_llmops_tallies_t *tallies,
    ngx_llmops_left_pt left)
{
    ngx_queue_t  *q;

    tallies->stopped = 1;

    ngx_llmops_tallies_each(tallies, ngx_llmops_tally_leave, NULL);

    if (tallies->tick.timer_set) {
        ngx_del_timer(&tallies->tick);
    }

    if (tallies->turn.posted) {
        ngx_delete_posted_event(&tallies->turn);
    }

    ngx_llmops_tallies_each(tallies, ngx_llmops_tally_stop, NULL);

    while (!ngx_queue_empty(&tallies->batches)) {
        q = ngx_queue_head(&tallies->batches);
        ngx_llmops_batch_fail(ngx_queue_data(q, ngx_llmops_batch_t, queue));
    }

    ngx_llmops_tallies_answer(tallies);

    if (left) {
        ngx_llmops_tallies_each(tallies, ngx_llmops_tally_left_over, &left);
    }

    ngx_llmops_tallies_free(tallies);
}


static void
ngx_llmops_tally_leave(ngx_llmops_tally_t *tally, void *data)
{
    ngx_llmops_tally_send_last(tally);
}


static void
ngx_llmops_tally_stop(ngx_llmops_tally_t *tally, void *data)
{
    ngx_llmops_tally_fail(tally);
}


/* what was sent and not answered is told once more, by somebody else */

static void
ngx_llmops_tally_left_over(ngx_llmops_tally_t *tally, void *data)
{
    ngx_uint_t          i, k;
    ngx_llmops_left_pt  left;
    ngx_llmops_book_t  *book;

    left = *(ngx_llmops_left_pt *) data;

    for (i = 0; i < tally->nrates; i++) {
        for (k = 0; k < NGX_LLMOPS_TALLY_BOOKS; k++) {
            book = &tally->rates[i]->books[k];

            ngx_llmops_tally_add(book->amount, book->sent);
            book->sent = 0;

            if (book->amount) {
                left(tally->tallies, book);
            }
        }
    }
}
