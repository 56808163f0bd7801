
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * What is known of a counter, and what follows from it.  An answer to HVALS
 * has what all hold and have booked of late.  An answer to HGETALL, when there
 * is one, has what had been told before; it comes second, since what moves,
 * moves from the shares to the books.
 *
 * Answers come in the order of the questions, and claims are decided in the
 * order in which they were made.
 */


#define NGX_LLMOPS_TALLY_REAPS     16      /* dead shares, of an answer */
#define NGX_LLMOPS_TALLY_DELETES   64      /* old buckets, of an answer */


static void ngx_llmops_tally_gather(ngx_llmops_batch_t *batch);
static ngx_int_t ngx_llmops_tally_ask_shares(ngx_llmops_batch_t *batch);
static ngx_int_t ngx_llmops_tally_ask_books(ngx_llmops_batch_t *batch);
static ngx_uint_t ngx_llmops_tally_books_old(ngx_llmops_tally_t *tally,
    int64_t now);
static void ngx_llmops_tally_shares_answer(redisReply *reply,
    ngx_uint_t sent, void *data);
static ngx_int_t ngx_llmops_tally_read_shares(ngx_llmops_batch_t *batch,
    redisReply *reply);
static void ngx_llmops_tally_books_answer(redisReply *reply,
    ngx_uint_t sent, void *data);
static void ngx_llmops_tally_read_books(ngx_llmops_batch_t *batch,
    redisReply *reply);
static void ngx_llmops_tally_delete_fields(ngx_llmops_tally_t *tally,
    ngx_uint_t n, ngx_str_t *argv);
static void ngx_llmops_batch_decide(ngx_llmops_batch_t *batch);
static void ngx_llmops_claim_decide(ngx_llmops_claim_t *claim,
    ngx_uint_t failed, int64_t now);


static ngx_str_t  ngx_llmops_hdel = ngx_string("HDEL");
static ngx_str_t  ngx_llmops_hvals = ngx_string("HVALS");
static ngx_str_t  ngx_llmops_hgetall = ngx_string("HGETALL");
static ngx_str_t  ngx_llmops_del = ngx_string("DEL");


/* Asks for all claims that are waiting; they fail if that cannot be done. */

void
ngx_llmops_tally_ask(ngx_llmops_tally_t *tally, int64_t now)
{
    ngx_llmops_batch_t  *batch;

    batch = ngx_llmops_batch_new(tally);

    if (batch == NULL) {
        ngx_llmops_tally_fail(tally);
        return;
    }

    ngx_llmops_tally_gather(batch);

    /* a share that could not be written claims nothing */

    if ((batch->serial && tally->write)
        || ngx_llmops_tally_ask_shares(batch) != NGX_OK)
    {
        ngx_llmops_batch_fail(batch);
        return;
    }

    if (ngx_llmops_tally_books_old(tally, now)
        && ngx_llmops_tally_ask_books(batch) != NGX_OK)
    {
        batch->failed = 1;                   /* when the other one comes */
    }
}


static void
ngx_llmops_tally_gather(ngx_llmops_batch_t *batch)
{
    ngx_uint_t           unit;
    ngx_queue_t         *q;
    ngx_llmops_claim_t  *claim;
    ngx_llmops_tally_t  *tally;

    tally = batch->tally;

    while (!ngx_queue_empty(&tally->waiting)) {
        q = ngx_queue_head(&tally->waiting);
        ngx_queue_remove(q);
        ngx_queue_insert_tail(&batch->claims, q);

        claim = ngx_queue_data(q, ngx_llmops_claim_t, queue);
        claim->waiting = 0;
        claim->asked = 1;

        for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {

            if (claim->claimed[unit]) {
                batch->serial = tally->serial;
            }
        }
    }
}


static ngx_int_t
ngx_llmops_tally_ask_shares(ngx_llmops_batch_t *batch)
{
    ngx_str_t            argv[2];
    ngx_llmops_tally_t  *tally;

    tally = batch->tally;

    argv[0] = ngx_llmops_hvals;
    argv[1] = tally->shares;

    batch->shares = ngx_llmops_redis_command(tally->tallies->redis,
                                             &tally->shares, 2, argv,
                                             ngx_llmops_tally_shares_answer,
                                             batch);

    return batch->shares ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_tally_ask_books(ngx_llmops_batch_t *batch)
{
    ngx_str_t            argv[2];
    ngx_uint_t           unit;
    ngx_llmops_tally_t  *tally;

    tally = batch->tally;

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {
        batch->told[unit] = tally->booked[unit]
                            - ngx_llmops_tally_open(tally, unit);
    }

    argv[0] = ngx_llmops_hgetall;
    argv[1] = tally->books;

    batch->books = ngx_llmops_redis_command(tally->tallies->redis,
                                            &tally->books, 2, argv,
                                            ngx_llmops_tally_books_answer,
                                            batch);

    return batch->books ? NGX_OK : NGX_DECLINED;
}


/*
 * Books that were read are good for as long as nothing of what is known to be
 * newer can leave a window, and a share cannot come and go unseen.
 */

static ngx_uint_t
ngx_llmops_tally_books_old(ngx_llmops_tally_t *tally, int64_t now)
{
    int64_t     age;
    ngx_uint_t  i;

    for (i = 0; i < tally->nrates; i++) {

        if (tally->rates[i]->period != NGX_LLMOPS_PERIOD_HELD) {
            break;
        }
    }

    if (i == tally->nrates) {
        return 0;                            /* it has none */
    }

    age = ngx_llmops_tally_shortest(tally, NGX_LLMOPS_TALLY_AGE * 32) / 32;
    age = ngx_min(age, tally->tallies->lease / 4);

    return tally->read == 0 || now < tally->read || now >= tally->read + age;
}


static void
ngx_llmops_tally_shares_answer(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_batch_t *batch = data;

    ngx_llmops_tallies_t  *tallies;

    tallies = batch->tally->tallies;

    batch->shares = NULL;

    if (reply == NULL
        || reply->type != REDIS_REPLY_ARRAY
        || ngx_llmops_tally_read_shares(batch, reply) != NGX_OK)
    {
        batch->failed = 1;
    }

    if (batch->books == NULL) {
        ngx_llmops_batch_decide(batch);
        ngx_llmops_tallies_answer(tallies);
    }
}


static ngx_int_t
ngx_llmops_tally_read_shares(ngx_llmops_batch_t *batch, redisReply *reply)
{
    size_t               i;
    int64_t              now;
    ngx_uint_t           fresh, ours, reaps;
    redisReply          *e;
    ngx_llmops_share_t   share;
    ngx_llmops_tally_t  *tally;

    tally = batch->tally;
    now = ngx_llmops_redis_now(tally->tallies->redis);

    fresh = (batch->books != NULL);
    ours = (batch->serial == 0);
    reaps = 0;

    if (fresh) {
        tally->read = 0;                     /* until the books are there */
    }

    ngx_llmops_tally_others_begin(tally, fresh);

    for (i = 0; i < reply->elements; i++) {
        e = reply->element[i];

        if (e->type != REDIS_REPLY_STRING
            || ngx_llmops_share_parse((u_char *) e->str, e->len, &share)
               != NGX_OK)
        {
            continue;                        /* nobody of us wrote that */
        }

        if (share.id == tally->id) {
            ours |= (share.serial >= batch->serial);
            continue;
        }

        if (ngx_llmops_tally_others_add(tally, &share, fresh, now) != NGX_OK) {
            return NGX_ERROR;
        }

        if (ngx_llmops_share_dead(&share, now)
            && reaps++ < NGX_LLMOPS_TALLY_REAPS)
        {
            ngx_llmops_tally_reap(tally, &share);
        }
    }

    /* the server did not take it, or took it later than the question */

    return ours ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_tally_books_answer(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_batch_t *batch = data;

    ngx_llmops_tallies_t  *tallies;

    tallies = batch->tally->tallies;

    batch->books = NULL;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        batch->failed = 1;

    } else if (!batch->failed) {
        ngx_llmops_tally_read_books(batch, reply);
    }

    if (batch->shares == NULL) {
        ngx_llmops_batch_decide(batch);
        ngx_llmops_tallies_answer(tallies);
    }
}


static void
ngx_llmops_tally_read_books(ngx_llmops_batch_t *batch, redisReply *reply)
{
    size_t               i;
    int64_t              now;
    ngx_int_t            rc;
    ngx_str_t            field, value, argv[NGX_LLMOPS_TALLY_DELETES + 2];
    ngx_uint_t           n;
    ngx_llmops_tally_t  *tally;

    tally = batch->tally;
    now = ngx_llmops_redis_now(tally->tallies->redis);

    ngx_llmops_tally_read_begin(tally, now);

    for (n = 0, i = 0; i + 1 < reply->elements; i += 2) {

        if (reply->element[i]->type != REDIS_REPLY_STRING
            || reply->element[i + 1]->type != REDIS_REPLY_STRING)
        {
            continue;
        }

        field.data = (u_char *) reply->element[i]->str;
        field.len = reply->element[i]->len;
        value.data = (u_char *) reply->element[i + 1]->str;
        value.len = reply->element[i + 1]->len;

        rc = ngx_llmops_tally_read_field(tally, &field, &value, now);

        if (rc == NGX_DECLINED && n < NGX_LLMOPS_TALLY_DELETES) {
            argv[2 + n++] = field;
        }
    }

    ngx_memcpy(tally->told, batch->told, sizeof(tally->told));
    tally->read = now;

    if (reply->elements == 0) {
        tally->books_end = 0;                /* deleted, and its end with it */
        tally->shares_end = 0;
    }

    if (n) {
        ngx_llmops_tally_delete_fields(tally, n, argv);
    }
}


static void
ngx_llmops_tally_delete_fields(ngx_llmops_tally_t *tally, ngx_uint_t n,
    ngx_str_t *argv)
{
    argv[0] = ngx_llmops_hdel;
    argv[1] = tally->books;

    (void) ngx_llmops_redis_command(tally->tallies->redis, &tally->books,
                                    n + 2, argv, NULL, NULL);
}


void
ngx_llmops_batch_fail(ngx_llmops_batch_t *batch)
{
    batch->failed = 1;

    ngx_llmops_batch_decide(batch);
}


static void
ngx_llmops_batch_decide(ngx_llmops_batch_t *batch)
{
    int64_t              now;
    ngx_queue_t         *q;
    ngx_llmops_tally_t  *tally;

    tally = batch->tally;
    now = ngx_llmops_redis_now(tally->tallies->redis);

    while (!ngx_queue_empty(&batch->claims)) {
        q = ngx_queue_head(&batch->claims);
        ngx_queue_remove(q);

        ngx_llmops_claim_decide(ngx_queue_data(q, ngx_llmops_claim_t, queue),
                                batch->failed, now);
    }

    ngx_llmops_tally_touched(tally);

    ngx_llmops_batch_free(batch);
}


void
ngx_llmops_tally_fail(ngx_llmops_tally_t *tally)
{
    ngx_queue_t  *q;

    while (!ngx_queue_empty(&tally->waiting)) {
        q = ngx_queue_head(&tally->waiting);
        ngx_queue_remove(q);

        ngx_llmops_claim_decide(ngx_queue_data(q, ngx_llmops_claim_t, queue),
                                1, 0);
    }
}


static void
ngx_llmops_claim_decide(ngx_llmops_claim_t *claim, ngx_uint_t failed,
    int64_t now)
{
    ngx_llmops_question_t  *question;

    claim->waiting = 0;
    claim->asked = 0;

    question = claim->question;

    if (question == NULL) {                  /* nobody waits for it any more */
        ngx_llmops_claim_free(claim);
        return;
    }

    if (failed) {
        claim->charge->failed = 1;
        ngx_llmops_tally_unclaim(claim);

    } else {
        ngx_llmops_tally_grant(claim, now);
    }

    if (--question->left == 0) {
        ngx_llmops_question_answer(question);
    }
}


ngx_int_t
ngx_llmops_tally_delete(ngx_llmops_tally_t *tally)
{
    ngx_str_t   argv[2];
    ngx_uint_t  i, k;

    argv[0] = ngx_llmops_del;
    argv[1] = tally->books;

    if (ngx_llmops_redis_command(tally->tallies->redis, &tally->books, 2, argv,
                                 NULL, NULL)
        == NULL)
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < tally->nrates; i++) {
        tally->rates[i]->full_until = 0;

        for (k = 0; k < NGX_LLMOPS_TALLY_BOOKS; k++) {
            tally->rates[i]->books[k].amount = 0;
        }
    }

    tally->read = 0;
    tally->books_end = 0;

    if (tally->id) {
        tally->write = 1;
        ngx_llmops_tally_changed(tally);
    }

    return NGX_OK;
}
