
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * Claims, and what has to be remembered while they are under way.  Used ones
 * are kept for the next requests.
 */


#define NGX_LLMOPS_CLAIMS_FREE     1024    /* that are kept */


static void *ngx_llmops_reuse(void **list, ngx_uint_t *n, size_t size,
    ngx_log_t *log);
static void ngx_llmops_keep(void **list, ngx_uint_t *n, void *p);
static ngx_uint_t ngx_llmops_charge_book(ngx_llmops_tally_t *tally,
    ngx_llmops_claim_t *claim, ngx_llmops_charge_t *charge,
    const int64_t *truth);


ngx_llmops_claim_t *
ngx_llmops_claim_new(ngx_llmops_tally_t *tally, ngx_llmops_charge_t *charge)
{
    ngx_llmops_claim_t    *claim;
    ngx_llmops_tallies_t  *tallies;

    tallies = tally->tallies;

    claim = ngx_llmops_reuse(&tallies->free_claims, &tallies->nfree_claims,
                             sizeof(ngx_llmops_claim_t), tallies->log);
    if (claim == NULL) {
        return NULL;
    }

    ngx_llmops_tally_ref(tally);

    claim->tally = tally;
    claim->charge = charge;

    return claim;
}


void
ngx_llmops_claim_free(ngx_llmops_claim_t *claim)
{
    ngx_llmops_tally_t    *tally;
    ngx_llmops_tallies_t  *tallies;

    tally = claim->tally;
    tallies = tally->tallies;

    ngx_llmops_keep(&tallies->free_claims, &tallies->nfree_claims, claim);
    ngx_llmops_tally_unref(tally);
}


ngx_llmops_question_t *
ngx_llmops_question_new(ngx_llmops_tallies_t *tallies,
    ngx_llmops_reservation_t *res)
{
    ngx_llmops_question_t  *question;

    question = ngx_llmops_reuse(&tallies->free_questions,
                                &tallies->nfree_questions,
                                sizeof(ngx_llmops_question_t), tallies->log);
    if (question == NULL) {
        return NULL;
    }

    question->tallies = tallies;
    question->res = res;

    return question;
}


void
ngx_llmops_question_free(ngx_llmops_question_t *question)
{
    ngx_llmops_tallies_t  *tallies;

    tallies = question->tallies;

    ngx_llmops_keep(&tallies->free_questions, &tallies->nfree_questions,
                    question);
}


ngx_llmops_batch_t *
ngx_llmops_batch_new(ngx_llmops_tally_t *tally)
{
    ngx_llmops_batch_t  *batch;

    batch = ngx_calloc(sizeof(ngx_llmops_batch_t), tally->tallies->log);
    if (batch == NULL) {
        return NULL;
    }

    ngx_llmops_tally_ref(tally);

    batch->tally = tally;
    ngx_queue_init(&batch->claims);
    ngx_queue_insert_tail(&tally->tallies->batches, &batch->queue);

    return batch;
}


void
ngx_llmops_batch_free(ngx_llmops_batch_t *batch)
{
    ngx_llmops_tally_t  *tally;

    tally = batch->tally;

    ngx_queue_remove(&batch->queue);
    ngx_free(batch);

    ngx_llmops_tally_unref(tally);
}


static void *
ngx_llmops_reuse(void **list, ngx_uint_t *n, size_t size, ngx_log_t *log)
{
    void  *p;

    if (*list == NULL) {
        return ngx_calloc(size, log);
    }

    p = *list;
    *list = *(void **) p;
    (*n)--;

    ngx_memzero(p, size);

    return p;
}


static void
ngx_llmops_keep(void **list, ngx_uint_t *n, void *p)
{
    if (*n == NGX_LLMOPS_CLAIMS_FREE) {
        ngx_free(p);
        return;
    }

    *(void **) p = *list;
    *list = p;
    (*n)++;
}


void
ngx_llmops_claim_settle(ngx_llmops_claim_t *claim, const int64_t *truth)
{
    ngx_llmops_tally_t  *tally;

    tally = claim->tally;

    ngx_llmops_tally_unclaim(claim);
    ngx_llmops_tally_release(claim);

    if (ngx_llmops_charge_book(tally, claim, claim->charge, truth)) {
        tally->write = 1;
    }

    ngx_llmops_tally_booked(tally, 0);
    ngx_llmops_tally_touched(tally);

    ngx_llmops_claim_free(claim);
}


/* the server could not be asked, and the request was let in all the same: it
   will be told that there was one */

void
ngx_llmops_charge_settle(ngx_llmops_tallies_t *tallies,
    ngx_llmops_charge_t *charge, const int64_t *truth)
{
    ngx_llmops_tally_t  *tally;

    tally = ngx_llmops_tally_get(tallies, charge);

    if (tally == NULL) {
        ngx_llmops_tallies_lost(tallies, "is lost");
        return;
    }

    if (ngx_llmops_charge_book(tally, NULL, charge, truth)) {
        tally->write = 1;
        ngx_llmops_tally_booked(tally, 0);
        ngx_llmops_tally_touched(tally);
    }
}


/* books the truth, less what has been booked already; 1: there was something */

static ngx_uint_t
ngx_llmops_charge_book(ngx_llmops_tally_t *tally, ngx_llmops_claim_t *claim,
    ngx_llmops_charge_t *charge, const int64_t *truth)
{
    int64_t            amount, now;
    ngx_uint_t         booked;
    ngx_llmops_unit_e  unit;

    now = ngx_llmops_redis_now(tally->tallies->redis);
    booked = 0;

    for (unit = 0; unit < NGX_LLMOPS_UNIT_CONCURRENT; unit++) {
        amount = ngx_min(truth[unit], NGX_LLMOPS_TALLY_AMOUNT);

        if (claim && unit == NGX_LLMOPS_UNIT_REQUESTS) {
            amount -= claim->counted;
        }

        if (amount > 0) {
            ngx_llmops_tally_book(tally, charge, unit, amount, now);
            booked = 1;

        } else if (amount < 0 && unit == NGX_LLMOPS_UNIT_REQUESTS) {
            ngx_llmops_tally_unbook(tally, charge, unit, -amount, claim->when,
                                    now);
            booked = 1;
        }
    }

    return booked;
}


void
ngx_llmops_tallies_lost(ngx_llmops_tallies_t *tallies, const char *what)
{
    if (ngx_time() < tallies->lost_logged + 60) {
        return;
    }

    tallies->lost_logged = ngx_time();

    ngx_log_error(NGX_LOG_ERR, tallies->log, 0,
                  "too many counters are in use in this worker, or there is "
                  "no memory: a limit %s", what);
}
