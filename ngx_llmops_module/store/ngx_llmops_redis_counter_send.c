
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * What a turn of the event loop has changed is sent at its end, once for each
 * counter, however many requests had a part in it:
 *
 *   HINCRBY  books, bucket, amount       what has been used, now and then
 *   HSET     shares, ours, all we hold   whenever it has changed
 *   HVALS    shares                      if somebody asks, all that is held
 *   HGETALL  books                       and, when what is known is too old,
 *                                        all that has been used
 *
 * The order matters.  Books come before the share that says they have been
 * told: who reads that share, and the books after it, finds them there.  Our
 * share comes before we read those of others: of two that want the same, at
 * least one sees both.
 */


#define NGX_LLMOPS_TALLY_TURN      1024    /* counters of a turn */


static void ngx_llmops_tally_send(ngx_llmops_tally_t *tally);
static void ngx_llmops_tally_wait(ngx_llmops_tally_t *tally);
static void ngx_llmops_tally_gate(ngx_llmops_tally_t *tally);
static void ngx_llmops_tally_opened(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_tally_send_books(ngx_llmops_tally_t *tally,
    int64_t now);
static ngx_int_t ngx_llmops_tally_send_book(ngx_llmops_book_t *book);
static void ngx_llmops_tally_book_answer(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_tally_untold(ngx_llmops_book_t *book);
static void ngx_llmops_tally_send_share(ngx_llmops_tally_t *tally,
    int64_t now);
static void ngx_llmops_tally_send_expire(ngx_llmops_tally_t *tally,
    ngx_str_t *key, int64_t *end, int64_t now);


static ngx_str_t  ngx_llmops_hset = ngx_string("HSET");
static ngx_str_t  ngx_llmops_exists = ngx_string("EXISTS");
static ngx_str_t  ngx_llmops_hincrby = ngx_string("HINCRBY");
static ngx_str_t  ngx_llmops_pexpireat = ngx_string("PEXPIREAT");


void
ngx_llmops_tally_changed(ngx_llmops_tally_t *tally)
{
    ngx_llmops_tallies_t  *tallies;

    tallies = tally->tallies;

    if (tally->is_changed || tallies->stopped) {
        return;
    }

    tally->is_changed = 1;
    ngx_llmops_tally_ref(tally);
    ngx_queue_insert_tail(&tallies->changed, &tally->changed);

    ngx_post_event(&tallies->turn, &ngx_posted_events);
}


void
ngx_llmops_tallies_turn(ngx_event_t *ev)
{
    ngx_uint_t             n;
    ngx_queue_t           *q;
    ngx_llmops_tally_t    *tally;
    ngx_llmops_tallies_t  *tallies;

    tallies = ev->data;

    for (n = 0; n < NGX_LLMOPS_TALLY_TURN; n++) {

        if (ngx_queue_empty(&tallies->changed)) {
            break;
        }

        q = ngx_queue_head(&tallies->changed);
        ngx_queue_remove(q);

        tally = ngx_queue_data(q, ngx_llmops_tally_t, changed);
        tally->is_changed = 0;

        ngx_llmops_tally_send(tally);

        ngx_llmops_tally_unref(tally);
    }

    if (!ngx_queue_empty(&tallies->changed)) {
        ngx_post_event(&tallies->turn, &ngx_posted_next_events);
    }

    ngx_llmops_tallies_answer(tallies);
}


static void
ngx_llmops_tally_send(ngx_llmops_tally_t *tally)
{
    int64_t              now;
    ngx_llmops_redis_t  *redis;

    redis = tally->tallies->redis;

    if (!ngx_llmops_redis_up(redis, &tally->shares)) {
        ngx_llmops_tally_wait(tally);
        return;
    }

    now = ngx_llmops_redis_now(redis);

    ngx_llmops_tally_share_check(tally, now);

    if (tally->flush && tally->nsent == 0 && !tally->token) {
        ngx_llmops_tally_send_books(tally, now);
    }

    if (tally->write) {
        ngx_llmops_tally_send_share(tally, now);
    }

    if (!ngx_queue_empty(&tally->waiting)) {
        ngx_llmops_tally_ask(tally, now);
    }

    if (tally->write) {
        ngx_llmops_tally_park(tally);
    }
}


/*
 * There is no connection.  If the first one is being made, as in a worker that
 * has just started, claims wait for it; nothing can be written before, as the
 * server's time is not known.  Else they fail, and the rest is kept.
 */

static void
ngx_llmops_tally_wait(ngx_llmops_tally_t *tally)
{
    if (!tally->gate && !ngx_queue_empty(&tally->waiting)) {
        ngx_llmops_tally_gate(tally);
    }

    if (!tally->gate) {
        ngx_llmops_tally_fail(tally);
    }

    if (!tally->is_written && !ngx_llmops_tally_holds(tally)) {
        tally->write = 0;                    /* nobody has seen it */
    }

    if (tally->write || ngx_llmops_tally_books_due(tally)) {
        ngx_llmops_tally_park(tally);
    }
}


static void
ngx_llmops_tally_gate(ngx_llmops_tally_t *tally)
{
    ngx_str_t            argv[2];
    ngx_llmops_redis_t  *redis;

    redis = tally->tallies->redis;

    argv[0] = ngx_llmops_exists;
    argv[1] = tally->shares;

    if (ngx_llmops_redis_command(redis, &tally->shares, 2, argv,
                                 ngx_llmops_tally_opened, tally)
        == NULL)
    {
        return;
    }

    tally->gate = 1;
    ngx_llmops_tally_ref(tally);
}


static void
ngx_llmops_tally_opened(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_tally_t *tally = data;

    ngx_llmops_tallies_t  *tallies;

    tallies = tally->tallies;

    tally->gate = 0;

    if (reply && ngx_llmops_redis_up(tallies->redis, &tally->shares)) {
        ngx_llmops_tally_changed(tally);

    } else {
        ngx_llmops_tally_fail(tally);
        ngx_llmops_tally_touched(tally);
    }

    ngx_llmops_tally_unref(tally);

    ngx_llmops_tallies_answer(tallies);
}


static void
ngx_llmops_tally_send_books(ngx_llmops_tally_t *tally, int64_t now)
{
    ngx_uint_t          i, k;
    ngx_llmops_book_t  *book;

    tally->flush = 0;
    tally->flushed = ngx_current_msec;
    tally->lost = 0;

    ngx_llmops_tally_undue(tally);

    for (i = 0; i < tally->nrates; i++) {
        for (k = 0; k < NGX_LLMOPS_TALLY_BOOKS; k++) {
            book = &tally->rates[i]->books[k];

            if (ngx_llmops_tally_book_due(book, now)
                && ngx_llmops_tally_send_book(book) != NGX_OK)
            {
                ngx_llmops_tally_park(tally);
                return;
            }
        }
    }

    tally->write = 1;                        /* it has been told */

    if (tally->nsent) {
        ngx_llmops_tally_send_expire(tally, &tally->books, &tally->books_end,
                                     now);
    }
}


/*
 * What is sent now is taken for told: the connections write it before they are
 * closed, and nobody is there to hear the answer.
 */

void
ngx_llmops_tally_send_last(ngx_llmops_tally_t *tally)
{
    int64_t     now;
    ngx_uint_t  i, k, sent, holds;

    holds = ngx_llmops_tally_holds(tally);

    ngx_memzero(tally->granted, sizeof(tally->granted));
    ngx_memzero(tally->claimed, sizeof(tally->claimed));

    if (!ngx_llmops_redis_up(tally->tallies->redis, &tally->shares)) {
        return;
    }

    now = ngx_llmops_redis_now(tally->tallies->redis);
    sent = tally->nsent;

    if (sent == 0 && !tally->token && ngx_llmops_tally_books_due(tally)) {
        tally->flush = 1;
    }

    if (!tally->flush && !(tally->is_written && holds)) {
        return;
    }

    tally->write = 1;

    ngx_llmops_tally_share_check(tally, now);

    if (tally->flush) {
        ngx_llmops_tally_send_books(tally, now);
    }

    ngx_llmops_tally_send_share(tally, now);

    for (i = 0; !sent && i < tally->nrates; i++) {
        for (k = 0; k < NGX_LLMOPS_TALLY_BOOKS; k++) {
            tally->rates[i]->books[k].sent = 0;
        }
    }
}


static ngx_int_t
ngx_llmops_tally_send_book(ngx_llmops_book_t *book)
{
    u_char                    field[NGX_LLMOPS_BUCKET_TEXT];
    u_char                    amount[NGX_LLMOPS_BUCKET_TEXT];
    ngx_str_t                 argv[4];
    ngx_llmops_tally_t       *tally;
    ngx_llmops_tally_rate_t  *tr;

    tr = book->rate;
    tally = tr->tally;

    argv[0] = ngx_llmops_hincrby;
    argv[1] = tally->books;
    argv[2].data = field;
    argv[2].len = ngx_llmops_bucket_print(field, tr->unit, tr->period,
                                          tr->window, book->at)
                  - field;
    argv[3].data = amount;
    argv[3].len = ngx_llmops_tally_print(amount, book->amount) - amount;

    if (ngx_llmops_redis_send(tally->tallies->redis, NGX_LLMOPS_REDIS_PATIENT,
                              &tally->books, 4, argv,
                              ngx_llmops_tally_book_answer, book)
        == NULL)
    {
        return NGX_DECLINED;
    }

    book->sent = book->amount;
    book->amount = 0;

    tally->nsent++;
    ngx_llmops_tally_ref(tally);

    return NGX_OK;
}


/*
 * Late answers are waited for.  Only if the connection is lost, what was sent
 * and not answered is sent again: it may then be booked twice, which is the
 * safe side.  An error, as of a server that is out of memory, is no reason to
 * forget it either.
 */

static void
ngx_llmops_tally_book_answer(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_book_t *book = data;

    ngx_llmops_tally_t  *tally;

    tally = book->rate->tally;

    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER) {
        ngx_llmops_tally_untold(book);

        tally->lost = 1;
        tally->refused |= (reply != NULL);
    }

    book->sent = 0;
    tally->nsent--;

    if (tally->nsent == 0 && ngx_llmops_tally_books_due(tally)) {

        if (tally->lost) {
            ngx_llmops_tally_park(tally);

        } else if (tally->flush) {
            ngx_llmops_tally_changed(tally);

        } else {
            ngx_llmops_tally_booked(tally, 1);
        }
    }

    ngx_llmops_tally_unref(tally);
}


/* what has been read, or is being so, does not have it */

static void
ngx_llmops_tally_untold(ngx_llmops_book_t *book)
{
    ngx_queue_t         *q, *batches;
    ngx_llmops_tally_t  *tally;
    ngx_llmops_batch_t  *batch;

    tally = book->rate->tally;
    batches = &tally->tallies->batches;

    ngx_llmops_tally_add(book->amount, book->sent);

    tally->told[book->rate->unit] -= book->sent;
    tally->read = 0;
    tally->write = 1;

    for (q = ngx_queue_head(batches);
         q != ngx_queue_sentinel(batches);
         q = ngx_queue_next(q))
    {
        batch = ngx_queue_data(q, ngx_llmops_batch_t, queue);

        if (batch->tally == tally) {
            batch->told[book->rate->unit] -= book->sent;
        }
    }
}


static void
ngx_llmops_tally_send_share(ngx_llmops_tally_t *tally, int64_t now)
{
    u_char                   name[NGX_LLMOPS_SHARE_NAME];
    u_char                   text[NGX_LLMOPS_SHARE_TEXT];
    ngx_str_t                argv[4];
    ngx_uint_t               unit;
    ngx_llmops_share_t       share;
    ngx_llmops_tallies_t    *tallies;

    tallies = tally->tallies;

    tally->serial++;
    ngx_llmops_tally_share(tally, now, &share);

    argv[0] = ngx_llmops_hset;
    argv[1] = tally->shares;
    argv[2].data = name;
    argv[2].len = ngx_llmops_share_name(name, tally->id) - name;
    argv[3].data = text;
    argv[3].len = ngx_llmops_share_print(text, &share) - text;

    if (ngx_llmops_redis_command(tallies->redis, &tally->shares, 4, argv, NULL,
                                 NULL)
        == NULL)
    {
        return;
    }

    tally->write = 0;
    tally->stamp = now;

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {
        tally->open[unit] = share.booked[unit] - share.told[unit];
    }

    if (tally->is_written) {
        ngx_queue_remove(&tally->written);
    }

    tally->is_written = 1;
    ngx_queue_insert_tail(&tallies->written, &tally->written);

    ngx_llmops_tally_send_expire(tally, &tally->shares, &tally->shares_end,
                                 now);
}


/* the end is moved on when a quarter of the time is over */

static void
ngx_llmops_tally_send_expire(ngx_llmops_tally_t *tally, ngx_str_t *key,
    int64_t *end, int64_t now)
{
    u_char     text[NGX_LLMOPS_BUCKET_TEXT];
    int64_t    span;
    ngx_str_t  argv[3];

    span = ngx_llmops_tally_span(tally);

    if (*end >= now + span - span / 4) {
        return;
    }

    argv[0] = ngx_llmops_pexpireat;
    argv[1] = *key;
    argv[2].data = text;
    argv[2].len = ngx_llmops_tally_print(text, now + span) - text;

    if (ngx_llmops_redis_command(tally->tallies->redis, key, 3, argv, NULL,
                                 NULL)
        != NULL)
    {
        *end = now + span;
    }
}
