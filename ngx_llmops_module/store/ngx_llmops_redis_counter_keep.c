
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * What is due later.
 *
 * Books are told at once if none were told a moment ago, and else a moment
 * later, all that has come up in one go: a counter that is asked for a
 * thousand times a second does not need a thousand bookings, as what is booked
 * and not told stands in the share.  A moment is shorter than a bucket of the
 * shortest window.
 *
 * Books that cannot be told now are parked until they can, for as long as it
 * takes.  They are bounded: a counter has a few for each of its rates, into
 * which all that comes later goes; and there is a bound on counters.
 *
 * A worker that is asked to end does so when no timer is left but those that
 * may be cancelled.  Ours may not be while there is something to be told to a
 * server that can be reached, and the transport's may not while an answer is
 * to come; this is a matter of milliseconds.  When the server is away the
 * worker ends, and others take the books over, see
 * ngx_llmops_redis_counter_spill.c.
 */


#define NGX_LLMOPS_TALLY_FAST      15      /* ms: moments */
#define NGX_LLMOPS_TALLY_SLOW      100
#define NGX_LLMOPS_TALLY_TICK      1000
#define NGX_LLMOPS_TALLY_CHUNK     1024    /* tallies that are looked at, of
                                              each queue, in one tick */


static ngx_msec_t ngx_llmops_tally_moment(ngx_llmops_tally_t *tally);
static void ngx_llmops_tally_enqueue(ngx_llmops_tally_t *tally,
    ngx_queue_t *queue);
static void ngx_llmops_tallies_wake(ngx_llmops_tallies_t *tallies,
    ngx_msec_t wait);
static ngx_msec_t ngx_llmops_tallies_due(ngx_queue_t *queue, ngx_msec_t wait);
static void ngx_llmops_tallies_parked(ngx_llmops_tallies_t *tallies);
static void ngx_llmops_tallies_renew(ngx_llmops_tallies_t *tallies);


void
ngx_llmops_tally_booked(ngx_llmops_tally_t *tally, ngx_uint_t later)
{
    ngx_msec_t             moment;
    ngx_llmops_tallies_t  *tallies;

    tallies = tally->tallies;

    if (tally->nsent
        || tally->token
        || tallies->stopped
        || !ngx_llmops_tally_books_due(tally))
    {
        return;                              /* goes on with the answer */
    }

    moment = ngx_llmops_tally_moment(tally);

    if (ngx_exiting
        || (!later && ngx_current_msec - tally->flushed >= moment))
    {
        tally->flush = 1;
        ngx_llmops_tally_changed(tally);
        return;
    }

    if (tally->is_due || tally->flush) {
        return;
    }

    tally->flush_at = ngx_current_msec + moment;

    ngx_llmops_tally_enqueue(tally, (moment == NGX_LLMOPS_TALLY_FAST)
                                    ? &tallies->fast : &tallies->slow);

    ngx_llmops_tallies_wake(tallies, moment);
}


/* rates of one unit have the same to tell: it is booked once */

void
ngx_llmops_tally_take_over(ngx_llmops_tally_rate_t *tr, int64_t at,
    int64_t amount)
{
    int64_t              before;
    ngx_llmops_tally_t  *tally;

    tally = tr->tally;

    before = ngx_llmops_tally_open(tally, tr->unit);

    if (ngx_llmops_tally_note(tr, at, amount) != NGX_OK) {
        return;
    }

    tally->booked[tr->unit] += ngx_llmops_tally_open(tally, tr->unit) - before;
    tally->write = 1;

    ngx_llmops_tally_booked(tally, 1);
}


static ngx_msec_t
ngx_llmops_tally_moment(ngx_llmops_tally_t *tally)
{
    int64_t  most;

    most = NGX_LLMOPS_TALLY_SLOW * NGX_LLMOPS_TALLY_PARTS;

    return (ngx_llmops_tally_shortest(tally, most) < most)
           ? NGX_LLMOPS_TALLY_FAST : NGX_LLMOPS_TALLY_SLOW;
}


void
ngx_llmops_tally_park(ngx_llmops_tally_t *tally)
{
    ngx_llmops_tallies_t  *tallies;

    tallies = tally->tallies;

    if (tally->refused && ngx_time() >= tallies->refused_logged + 60) {
        tallies->refused_logged = ngx_time();

        ngx_log_error(NGX_LOG_ERR, tallies->log, 0,
                      "redis does not take what has been used of a limit, it "
                      "is kept and tried again");
    }

    tally->flush = 0;
    tally->refused = 0;

    if (!tallies->stopped) {
        ngx_llmops_tally_undue(tally);
        ngx_llmops_tally_enqueue(tally, &tallies->parked);
    }
}


static void
ngx_llmops_tally_enqueue(ngx_llmops_tally_t *tally, ngx_queue_t *queue)
{
    tally->is_due = 1;
    ngx_llmops_tally_ref(tally);
    ngx_queue_insert_tail(queue, &tally->due);

    ngx_llmops_tallies_arm(tally->tallies);
}


/* whoever calls it refers to the tally as well */

void
ngx_llmops_tally_undue(ngx_llmops_tally_t *tally)
{
    if (!tally->is_due) {
        return;
    }

    tally->is_due = 0;
    ngx_queue_remove(&tally->due);
    ngx_llmops_tally_unref(tally);

    ngx_llmops_tallies_arm(tally->tallies);
}


void
ngx_llmops_tallies_arm(ngx_llmops_tallies_t *tallies)
{
    tallies->tick.cancelable = (ngx_queue_empty(&tallies->fast)
                                && ngx_queue_empty(&tallies->slow));
}


static void
ngx_llmops_tallies_wake(ngx_llmops_tallies_t *tallies, ngx_msec_t wait)
{
    ngx_event_t  *tick;

    tick = &tallies->tick;

    if (tick->timer_set) {

        if ((ngx_msec_int_t) (tick->timer.key - ngx_current_msec)
            <= (ngx_msec_int_t) wait)
        {
            return;
        }

        ngx_del_timer(tick);
    }

    ngx_add_timer(tick, wait);
}


void
ngx_llmops_tallies_tick(ngx_event_t *ev)
{
    ngx_msec_t             wait;
    ngx_llmops_tallies_t  *tallies;

    tallies = ev->data;

    wait = ngx_min(NGX_LLMOPS_TALLY_TICK, (ngx_msec_t) tallies->lease / 6 + 1);

    if (ngx_current_msec - tallies->looked >= wait) {
        tallies->looked = ngx_current_msec;

        ngx_llmops_tallies_parked(tallies);
        ngx_llmops_tallies_renew(tallies);
        ngx_llmops_tallies_evict(tallies, NGX_LLMOPS_TALLY_CHUNK);

        if (tallies->spilled && !ngx_exiting) {
            tallies->spilled(tallies);
        }
    }

    wait = ngx_llmops_tallies_due(&tallies->fast, wait);
    wait = ngx_llmops_tallies_due(&tallies->slow, wait);

    ngx_add_timer(ev, wait);
}


/* what is due in a queue; ms until the next is, or "wait" */

static ngx_msec_t
ngx_llmops_tallies_due(ngx_queue_t *queue, ngx_msec_t wait)
{
    ngx_queue_t         *q;
    ngx_msec_int_t       left;
    ngx_llmops_tally_t  *tally;

    while (!ngx_queue_empty(queue)) {
        q = ngx_queue_head(queue);
        tally = ngx_queue_data(q, ngx_llmops_tally_t, due);

        left = (ngx_msec_int_t) (tally->flush_at - ngx_current_msec);

        if (left > 0) {
            return ngx_min(wait, (ngx_msec_t) left);
        }

        tally->flush = 1;
        ngx_llmops_tally_changed(tally);     /* and so it is referred to */
        ngx_llmops_tally_undue(tally);
    }

    return wait;
}


static void
ngx_llmops_tallies_parked(ngx_llmops_tallies_t *tallies)
{
    ngx_uint_t           n;
    ngx_queue_t         *q, *last;
    ngx_llmops_tally_t  *tally;

    if (ngx_queue_empty(&tallies->parked)) {
        return;
    }

    last = ngx_queue_last(&tallies->parked);

    for (n = 0; n < NGX_LLMOPS_TALLY_CHUNK; n++) {
        q = ngx_queue_head(&tallies->parked);
        tally = ngx_queue_data(q, ngx_llmops_tally_t, due);

        if (ngx_llmops_redis_up(tallies->redis, &tally->books)) {
            tally->flush = ngx_llmops_tally_books_due(tally);
            ngx_llmops_tally_changed(tally);
            ngx_llmops_tally_undue(tally);

        } else {
            ngx_queue_remove(q);
            ngx_queue_insert_tail(&tallies->parked, q);
        }

        if (q == last) {
            break;
        }
    }
}


/* shares that hold something are written again after a third of the lease;
   others need not be known as live */

static void
ngx_llmops_tallies_renew(ngx_llmops_tallies_t *tallies)
{
    int64_t              now;
    ngx_uint_t           n;
    ngx_queue_t         *q, *next;
    ngx_llmops_tally_t  *tally;

    now = ngx_llmops_redis_now(tallies->redis);

    q = ngx_queue_head(&tallies->written);

    for (n = 0; n < NGX_LLMOPS_TALLY_CHUNK; n++, q = next) {

        if (q == ngx_queue_sentinel(&tallies->written)) {
            break;
        }

        next = ngx_queue_next(q);
        tally = ngx_queue_data(q, ngx_llmops_tally_t, written);

        if (now < tally->stamp + tallies->lease / 3) {
            break;
        }

        if (!ngx_llmops_redis_up(tallies->redis, &tally->shares)) {
            continue;
        }

        if (ngx_llmops_tally_holds(tally)) {
            tally->write = 1;
            ngx_llmops_tally_changed(tally);

        } else {
            tally->is_written = 0;
            ngx_queue_remove(q);
        }
    }
}


ngx_uint_t
ngx_llmops_tally_holds(ngx_llmops_tally_t *tally)
{
    ngx_uint_t  unit;

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {

        if (tally->granted[unit] || tally->claimed[unit]) {
            return 1;
        }
    }

    return 0;
}


/*
 * A server is there again: it may have missed our last words, be another one,
 * or have lost everything.  All shares are written as they are.
 */

void
ngx_llmops_tallies_up(void *data)
{
    ngx_llmops_tallies_t *tallies = data;

    ngx_queue_t         *q;
    ngx_llmops_tally_t  *tally;

    tallies->generation++;

    for (q = ngx_queue_head(&tallies->written);
         q != ngx_queue_sentinel(&tallies->written);
         q = ngx_queue_next(q))
    {
        tally = ngx_queue_data(q, ngx_llmops_tally_t, written);

        tally->write = 1;
        ngx_llmops_tally_changed(tally);
    }

    ngx_llmops_tallies_parked(tallies);
}
