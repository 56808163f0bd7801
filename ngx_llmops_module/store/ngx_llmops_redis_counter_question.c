
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * A reservation while it is asked for: one claim for each of its charges.  All
 * claims of a turn leave together, and the reservation is answered when the
 * last of them is decided upon.  Whoever asked may lose interest before; then
 * what was claimed is taken back at once, and the claims that are under way
 * are left to their answers, which find nobody.
 */


static ngx_int_t ngx_llmops_question_charge(ngx_llmops_question_t *question,
    ngx_llmops_charge_t *charge);
static void ngx_llmops_claim_periods(ngx_llmops_claim_t *claim);
static void ngx_llmops_claim_ask(ngx_llmops_claim_t *claim);
static void ngx_llmops_question_conclude(ngx_llmops_question_t *question);
static void ngx_llmops_claim_extend(ngx_llmops_claim_t *claim);
static void ngx_llmops_claim_denied(ngx_llmops_claim_t *claim);
static void ngx_llmops_claim_count(ngx_llmops_claim_t *claim);
static void ngx_llmops_claim_drop(ngx_llmops_claim_t *claim);


/*
 * Asks for all charges, unless one of them is known to be full, or none can be
 * asked for.
 */

ngx_int_t
ngx_llmops_question_ask(ngx_llmops_question_t *question)
{
    ngx_uint_t                 i;
    ngx_llmops_claim_t        *claim;
    ngx_llmops_reservation_t  *res;

    res = question->res;

    for (i = 0; i < res->ncharges; i++) {

        if (ngx_llmops_question_charge(question, &res->charges[i])
            == NGX_DECLINED)
        {
            ngx_llmops_question_conclude(question);
            return NGX_OK;
        }
    }

    if (question->left == 0) {
        ngx_llmops_question_conclude(question);
        return NGX_OK;
    }

    for (claim = question->claims; claim; claim = claim->next) {
        ngx_llmops_claim_ask(claim);
    }

    res->engine = question;

    return NGX_AGAIN;
}


/* NGX_OK; NGX_DECLINED: it is denied without being asked for */

static ngx_int_t
ngx_llmops_question_charge(ngx_llmops_question_t *question,
    ngx_llmops_charge_t *charge)
{
    ngx_llmops_claim_t    *claim;
    ngx_llmops_tally_t    *tally;
    ngx_llmops_tallies_t  *tallies;

    tallies = question->tallies;

    tally = ngx_llmops_tally_get(tallies, charge);

    if (tally == NULL) {
        ngx_llmops_tallies_lost(tallies, "cannot be asked for");
        charge->failed = 1;
        return NGX_OK;
    }

    if (!ngx_llmops_redis_takes(tallies->redis, &tally->shares)) {
        charge->failed = 1;
        return NGX_OK;
    }

    if (!question->asking
        && ngx_llmops_tally_full(tally, charge,
                                 ngx_llmops_redis_now(tallies->redis)))
    {
        return NGX_DECLINED;
    }

    claim = ngx_llmops_claim_new(tally, charge);

    if (claim == NULL) {
        charge->failed = 1;
        return NGX_OK;
    }

    ngx_llmops_claim_periods(claim);

    claim->question = question;
    claim->next = question->claims;
    question->claims = claim;
    question->left++;

    if (!question->extend) {
        charge->data = claim;
    }

    return NGX_OK;
}


/* when a period has begun, what was booked before must not count as new in
   it: the books are read again */

static void
ngx_llmops_claim_periods(ngx_llmops_claim_t *claim)
{
    ngx_uint_t                i;
    ngx_llmops_rate_t        *rate;
    ngx_llmops_tally_rate_t  *tr;

    for (i = 0; i < claim->charge->nrates; i++) {
        rate = &claim->charge->rates[i];

        if (rate->period == NGX_LLMOPS_PERIOD_CALENDAR) {
            tr = ngx_llmops_tally_find_rate(claim->tally, rate);

            if (tr->start != rate->start) {
                tr->start = rate->start;
                tr->newest = ngx_max(tr->newest, rate->start);
                claim->tally->read = 0;
            }
        }
    }
}


static void
ngx_llmops_claim_ask(ngx_llmops_claim_t *claim)
{
    ngx_uint_t           unit;
    ngx_llmops_tally_t  *tally;

    tally = claim->tally;

    if (!claim->question->asking) {
        ngx_llmops_tally_claim(claim->charge, claim->claimed);
    }

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {

        if (claim->claimed[unit]) {
            tally->claimed[unit] += claim->claimed[unit];
            tally->write = 1;
        }
    }

    claim->waiting = 1;
    ngx_queue_insert_tail(&tally->waiting, &claim->queue);

    ngx_llmops_tally_changed(tally);
}


void
ngx_llmops_question_answer(ngx_llmops_question_t *question)
{
    question->answered = 1;
    ngx_queue_insert_tail(&question->tallies->answered, &question->queue);
}


/* a handler may do anything, also with other questions that are answered */

void
ngx_llmops_tallies_answer(ngx_llmops_tallies_t *tallies)
{
    ngx_queue_t               *q;
    ngx_llmops_question_t     *question;
    ngx_llmops_reservation_t  *res;

    while (!ngx_queue_empty(&tallies->answered)) {
        q = ngx_queue_head(&tallies->answered);
        ngx_queue_remove(q);

        question = ngx_queue_data(q, ngx_llmops_question_t, queue);
        question->answered = 0;

        res = question->res;
        res->engine = NULL;

        ngx_llmops_question_conclude(question);

        if (!tallies->stopped) {
            res->handler(res);
        }
    }
}


/* all charges are decided upon: what the reservation makes of them */

static void
ngx_llmops_question_conclude(ngx_llmops_question_t *question)
{
    ngx_uint_t                 i;
    ngx_llmops_claim_t        *claim, *next;
    ngx_llmops_charge_t       *charge;
    ngx_llmops_reservation_t  *res;

    res = question->res;

    for (i = 0; i < res->ncharges; i++) {
        charge = &res->charges[i];

        res->denied |= (charge->denied && !charge->dry_run);
        res->failed |= charge->failed;
    }

    for (claim = question->claims; claim; claim = next) {
        next = claim->next;

        claim->question = NULL;
        claim->next = NULL;

        if (question->extend) {
            ngx_llmops_claim_extend(claim);

        } else if (question->asking || claim->charge->failed) {
            claim->charge->data = NULL;
            ngx_llmops_claim_free(claim);

        } else if (res->denied) {
            ngx_llmops_claim_denied(claim);

        } else {
            ngx_llmops_claim_count(claim);
        }
    }

    if (!question->extend) {
        res->held = (!res->denied && !question->asking);
    }

    ngx_llmops_question_free(question);
}


/*
 * What has been had in addition; it may be nothing.  A charge that had failed
 * before has not got a claim yet: then it is this one.
 */

static void
ngx_llmops_claim_extend(ngx_llmops_claim_t *claim)
{
    ngx_uint_t            unit;
    ngx_llmops_claim_t   *held;
    ngx_llmops_charge_t  *charge;

    charge = claim->charge;
    held = charge->data;

    if (held == NULL && !charge->failed) {
        charge->data = claim;
        return;
    }

    for (unit = 0; held && unit < NGX_LLMOPS_UNIT_MAX; unit++) {
        held->held[unit] += claim->held[unit];
        claim->held[unit] = 0;
    }

    ngx_llmops_claim_free(claim);
}


/* this charge or another one of the reservation */

static void
ngx_llmops_claim_denied(ngx_llmops_claim_t *claim)
{
    ngx_llmops_tally_t   *tally;
    ngx_llmops_charge_t  *charge;

    tally = claim->tally;
    charge = claim->charge;

    charge->data = NULL;
    ngx_memzero(charge->granted, sizeof(charge->granted));

    ngx_llmops_tally_unclaim(claim);
    ngx_llmops_tally_release(claim);

    if (!charge->denied) {
        ngx_llmops_tally_levels(tally, charge,
                                ngx_llmops_redis_now(tally->tallies->redis));
    }

    ngx_llmops_tally_touched(tally);
    ngx_llmops_claim_free(claim);
}


/* a request that is let in is one that has been made */

static void
ngx_llmops_claim_count(ngx_llmops_claim_t *claim)
{
    int64_t              n;
    ngx_llmops_tally_t  *tally;

    tally = claim->tally;
    n = claim->held[NGX_LLMOPS_UNIT_REQUESTS];

    if (n == 0) {
        return;
    }

    claim->held[NGX_LLMOPS_UNIT_REQUESTS] = 0;
    claim->counted = n;

    /* both say the same, the share need not be written for it */

    tally->granted[NGX_LLMOPS_UNIT_REQUESTS] -= n;

    ngx_llmops_tally_book(tally, claim->charge, NGX_LLMOPS_UNIT_REQUESTS, n,
                          claim->when);
    ngx_llmops_tally_booked(tally, 1);
}


/*
 * Nobody waits for the answers any more.  Claims that have been sent are taken
 * out of our share, and then only have to be there until their answer comes.
 */

void
ngx_llmops_question_drop(ngx_llmops_question_t *question)
{
    ngx_llmops_claim_t  *claim, *next;

    for (claim = question->claims; claim; claim = next) {
        next = claim->next;

        claim->question = NULL;
        claim->next = NULL;

        if (!question->extend) {
            claim->charge->data = NULL;
        }

        ngx_llmops_claim_drop(claim);
    }

    if (question->answered) {
        ngx_queue_remove(&question->queue);
    }

    question->res->engine = NULL;

    ngx_llmops_question_free(question);
}


static void
ngx_llmops_claim_drop(ngx_llmops_claim_t *claim)
{
    if (claim->waiting) {
        claim->waiting = 0;
        ngx_queue_remove(&claim->queue);
    }

    if (claim->asked) {
        ngx_llmops_tally_unclaim(claim);
        ngx_llmops_tally_touched(claim->tally);

        claim->charge = NULL;                /* it is the caller's again */
        return;
    }

    ngx_llmops_claim_settle(claim, ngx_llmops_nothing);
}
