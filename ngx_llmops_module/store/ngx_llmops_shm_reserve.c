
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"


/*
 * Reservations.  All charges of a request are made under one lock, so that
 * nobody sees, or is refused for, half of a request.  Each charge is a
 * sequence of its own for the undo log: should the worker be killed between
 * two, the holds of the first ones hang on its entry already and come back
 * like those of any dead worker.  The request that such a worker had counted
 * stays counted: on the safe side.
 *
 * A hold says what a charge has taken from its counter, so that settling does
 * not depend on what the configuration is by then.
 */


static ngx_uint_t ngx_llmops_charge_make(ngx_llmops_shm_t *shm,
    ngx_llmops_reservation_t *res, ngx_llmops_charge_t *charge, int64_t now);
static ngx_uint_t ngx_llmops_charge_failed(ngx_llmops_reservation_t *res,
    ngx_llmops_charge_t *charge);
static void ngx_llmops_charge_book(ngx_llmops_shm_t *shm,
    ngx_llmops_hold_t *hold, ngx_llmops_charge_t *charge,
    const int64_t *amounts);
static void ngx_llmops_charge_back(ngx_llmops_shm_t *shm,
    ngx_llmops_reservation_t *res, int64_t now);
static void ngx_llmops_charge_more(ngx_llmops_shm_t *shm,
    ngx_llmops_reservation_t *res, ngx_llmops_charge_t *charge, int64_t now);
static ngx_llmops_hold_t *ngx_llmops_charge_again(ngx_llmops_shm_t *shm,
    ngx_llmops_charge_t *charge, int64_t now);
static void ngx_llmops_charge_settle(ngx_llmops_shm_t *shm,
    ngx_llmops_charge_t *charge, const int64_t *truth, int64_t now);
static void ngx_llmops_shm_full(ngx_llmops_shm_t *shm,
    ngx_llmops_reservation_t *res);


ngx_int_t
ngx_llmops_shm_reserve(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    int64_t            now;
    ngx_uint_t         i;
    ngx_llmops_shm_t  *shm = store->shm;

    res->denied = 0;
    res->failed = 0;
    res->held = 0;

    for (i = 0; i < res->ncharges; i++) {
        res->charges[i].data = NULL;
        res->charges[i].failed = 0;
        res->charges[i].mark = ngx_llmops_charge_hash(shm, &res->charges[i]);
    }

    ngx_llmops_shm_lock(shm);

    now = ngx_llmops_shm_now(shm);

    if (ngx_llmops_member_join(shm, now) != NGX_OK) {
        res->failed = 1;
    }

    for (i = 0; i < res->ncharges; i++) {
        if (ngx_llmops_charge_make(shm, res, &res->charges[i], now)) {
            res->denied = 1;
        }
    }

    if (res->denied) {
        ngx_llmops_charge_back(shm, res, now);

    } else {
        shm->root->changes++;                /* requests are counted now */
    }

    ngx_llmops_shm_unlock(shm);

    res->held = !res->denied && !res->asking;

    if (res->failed) {
        ngx_llmops_shm_full(shm, res);
    }

    return NGX_OK;
}


/* returns 1 if the charge is denied */

static ngx_uint_t
ngx_llmops_charge_make(ngx_llmops_shm_t *shm, ngx_llmops_reservation_t *res,
    ngx_llmops_charge_t *charge, int64_t now)
{
    int64_t                hash;
    ngx_llmops_hold_t     *hold;
    ngx_llmops_counter_t  *counter;

    hash = charge->mark;

    counter = res->asking ? ngx_llmops_counter_find(shm, charge, hash)
                          : ngx_llmops_counter_get(shm, charge, hash);

    if ((counter == NULL && !res->asking) || shm->member == NULL) {
        return ngx_llmops_charge_failed(res, charge);
    }

    if (counter
        && ngx_llmops_rates_advance(shm, counter, charge, now) != NGX_OK)
    {
        return ngx_llmops_charge_failed(res, charge);
    }

    ngx_llmops_rates_levels(counter, charge, now);
    ngx_llmops_rates_grant(counter, charge, now);

    if (res->asking || (charge->denied && !charge->dry_run)) {
        return charge->denied != 0;
    }

    hold = ngx_llmops_hold_make(shm, counter, now);
    if (hold == NULL) {
        return ngx_llmops_charge_failed(res, charge);
    }

    ngx_llmops_charge_book(shm, hold, charge, charge->granted);

    charge->data = hold;
    charge->mark = hold->serial;

    ngx_llmops_shm_commit(shm);

    ngx_llmops_rates_levels(counter, charge, now);

    return 0;
}


static ngx_uint_t
ngx_llmops_charge_failed(ngx_llmops_reservation_t *res,
    ngx_llmops_charge_t *charge)
{
    charge->failed = 1;
    charge->denied = 0;
    res->failed = 1;

    ngx_memzero(charge->granted, sizeof(charge->granted));
    ngx_memzero(charge->levels, sizeof(charge->levels));

    return 0;
}


/* 2 words for each unit, and what rates_add() needs for requests */

static void
ngx_llmops_charge_book(ngx_llmops_shm_t *shm, ngx_llmops_hold_t *hold,
    ngx_llmops_charge_t *charge, const int64_t *amounts)
{
    int64_t                requests[NGX_LLMOPS_UNIT_MAX] = { 0 };
    ngx_uint_t             i;
    ngx_llmops_counter_t  *c = hold->counter;

    for (i = 0; i < NGX_LLMOPS_UNIT_MAX; i++) {

        if (amounts[i] == 0) {
            continue;
        }

        ngx_llmops_shm_put(shm, hold->amounts[i],
                           hold->amounts[i] + amounts[i]);

        if (i == NGX_LLMOPS_UNIT_REQUESTS) {
            requests[i] = amounts[i];
            ngx_llmops_rates_add(shm, c, charge, requests);
            continue;
        }

        ngx_llmops_shm_put(shm, c->reserved[i], c->reserved[i] + amounts[i]);
    }
}


/* some charge was denied: the others are as if they had not been made */

static void
ngx_llmops_charge_back(ngx_llmops_shm_t *shm, ngx_llmops_reservation_t *res,
    int64_t now)
{
    ngx_uint_t              i;
    ngx_llmops_hold_t      *hold;
    ngx_llmops_charge_t    *charge;
    ngx_llmops_counter_t   *counter;
    static const int64_t    nothing[NGX_LLMOPS_UNIT_MAX];

    for (i = 0; i < res->ncharges; i++) {
        charge = &res->charges[i];

        ngx_memzero(charge->granted, sizeof(charge->granted));

        hold = ngx_llmops_hold_of(charge);
        if (hold == NULL) {
            continue;
        }

        counter = hold->counter;

        ngx_llmops_charge_settle(shm, charge, nothing, now);
        ngx_llmops_rates_levels(counter, charge, now);
    }
}


ngx_int_t
ngx_llmops_shm_extend(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    int64_t            now;
    ngx_uint_t         i;
    ngx_llmops_shm_t  *shm = store->shm;

    res->denied = 0;
    res->failed = 0;

    ngx_llmops_shm_lock(shm);

    now = ngx_llmops_shm_now(shm);

    if (ngx_llmops_member_join(shm, now) == NGX_OK) {

        for (i = 0; i < res->ncharges; i++) {
            ngx_llmops_charge_more(shm, res, &res->charges[i], now);
        }

    } else {
        res->failed = 1;
    }

    ngx_llmops_shm_unlock(shm);

    return NGX_OK;
}


static void
ngx_llmops_charge_more(ngx_llmops_shm_t *shm, ngx_llmops_reservation_t *res,
    ngx_llmops_charge_t *charge, int64_t now)
{
    int64_t             before[NGX_LLMOPS_UNIT_MAX];
    ngx_uint_t          i;
    ngx_llmops_hold_t  *hold;

    hold = ngx_llmops_hold_of(charge);

    if (hold == NULL) {
        hold = ngx_llmops_charge_again(shm, charge, now);
    }

    if (hold == NULL
        || ngx_llmops_rates_advance(shm, hold->counter, charge, now) != NGX_OK)
    {
        charge->failed = 1;
        res->failed = 1;
        return;
    }

    ngx_memcpy(before, charge->granted, sizeof(before));

    ngx_llmops_rates_levels(hold->counter, charge, now);
    ngx_llmops_rates_grant(hold->counter, charge, now);

    if (charge->denied && !charge->dry_run) {
        res->denied = 1;
        ngx_memcpy(charge->granted, before, sizeof(before));
        return;
    }

    ngx_llmops_charge_book(shm, hold, charge, charge->granted);
    ngx_llmops_shm_commit(shm);

    ngx_llmops_rates_levels(hold->counter, charge, now);

    for (i = 0; i < NGX_LLMOPS_UNIT_MAX; i++) {
        charge->granted[i] += before[i];
    }
}


/*
 * The lease was over, or the charge had failed: what has been granted is held
 * again, whatever the limit says, since it is being used.  The request itself
 * is still counted.
 */

static ngx_llmops_hold_t *
ngx_llmops_charge_again(ngx_llmops_shm_t *shm, ngx_llmops_charge_t *charge,
    int64_t now)
{
    int64_t                requests;
    ngx_llmops_hold_t     *hold;
    ngx_llmops_counter_t  *counter;

    counter = ngx_llmops_counter_get(shm, charge,
                                     ngx_llmops_charge_hash(shm, charge));
    if (counter == NULL) {
        return NULL;
    }

    hold = ngx_llmops_hold_make(shm, counter, now);
    if (hold == NULL) {
        return NULL;
    }

    requests = charge->granted[NGX_LLMOPS_UNIT_REQUESTS];
    charge->granted[NGX_LLMOPS_UNIT_REQUESTS] = 0;

    ngx_llmops_charge_book(shm, hold, charge, charge->granted);

    charge->granted[NGX_LLMOPS_UNIT_REQUESTS] = requests;
    ngx_llmops_shm_put(shm, hold->amounts[NGX_LLMOPS_UNIT_REQUESTS], requests);
    ngx_llmops_shm_put(shm, hold->made, -1);

    ngx_llmops_shm_commit(shm);

    charge->data = hold;
    charge->mark = hold->serial;
    charge->failed = 0;

    return hold;
}


void
ngx_llmops_shm_settle(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res, const int64_t *truth)
{
    int64_t            now;
    ngx_uint_t         i;
    ngx_llmops_shm_t  *shm = store->shm;

    ngx_llmops_shm_lock(shm);

    now = ngx_llmops_shm_now(shm);

    (void) ngx_llmops_member_join(shm, now); /* in case the lease was over */

    for (i = 0; i < res->ncharges; i++) {
        ngx_llmops_charge_settle(shm, &res->charges[i], truth, now);
    }

    shm->root->changes++;

    ngx_llmops_shm_unlock(shm);

    res->held = 0;
}


void
ngx_llmops_shm_cancel(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res)
{
    static const int64_t  nothing[NGX_LLMOPS_UNIT_MAX];

    if (res->held) {
        ngx_llmops_shm_settle(store, res, nothing);
    }
}


/*
 * The truth takes the place of what was held, in one sequence: at most 3 words
 * for each of 8 rates, 20 for the hold and 5 for its counter's queue.
 */

static void
ngx_llmops_charge_settle(ngx_llmops_shm_t *shm, ngx_llmops_charge_t *charge,
    const int64_t *truth, int64_t now)
{
    int64_t                 n, amounts[NGX_LLMOPS_UNIT_MAX];
    ngx_llmops_hold_t      *hold;
    ngx_llmops_counter_t   *counter;

    if (charge->failed || charge->data == NULL) {
        return;
    }

    hold = ngx_llmops_hold_of(charge);

    if (hold == NULL) {                      /* the lease was over */
        hold = ngx_llmops_charge_again(shm, charge, now);
    }

    charge->data = NULL;

    if (hold == NULL) {
        return;
    }

    counter = hold->counter;

    /* without room for a slot its rate is not counted, and the others are */

    (void) ngx_llmops_rates_advance(shm, counter, charge, now);

    ngx_memcpy(amounts, truth, sizeof(amounts));

    n = truth[NGX_LLMOPS_UNIT_REQUESTS]
        - hold->amounts[NGX_LLMOPS_UNIT_REQUESTS];

    amounts[NGX_LLMOPS_UNIT_REQUESTS] = n;

    ngx_llmops_rates_add(shm, counter, charge, amounts);

    if (n < 0) {
        ngx_llmops_rates_subtract(shm, counter, charge,
                                  NGX_LLMOPS_UNIT_REQUESTS, -n, hold->made);
    }

    ngx_llmops_hold_end(shm, hold);

    ngx_llmops_shm_commit(shm);
}


ngx_int_t
ngx_llmops_shm_reset(ngx_llmops_store_t *store, ngx_llmops_reservation_t *res)
{
    int64_t                now;
    ngx_uint_t             i;
    ngx_llmops_shm_t      *shm = store->shm;
    ngx_llmops_charge_t   *charge;
    ngx_llmops_counter_t  *counter;

    res->denied = 0;
    res->failed = 0;
    res->held = 0;

    ngx_llmops_shm_lock(shm);

    now = ngx_llmops_shm_now(shm);

    for (i = 0; i < res->ncharges; i++) {
        charge = &res->charges[i];

        charge->failed = 0;
        charge->denied = 0;
        charge->data = NULL;

        counter = ngx_llmops_counter_find(shm, charge,
                                          ngx_llmops_charge_hash(shm, charge));
        if (counter) {
            ngx_llmops_rates_reset(shm, counter, charge);
        }

        ngx_llmops_rates_levels(counter, charge, now);
    }

    shm->root->changes++;

    ngx_llmops_shm_unlock(shm);

    return NGX_OK;
}


static void
ngx_llmops_shm_full(ngx_llmops_shm_t *shm, ngx_llmops_reservation_t *res)
{
    if (ngx_time() < shm->full) {
        return;
    }

    shm->full = ngx_time() + 60;

    ngx_log_error(NGX_LOG_ERR, res->log ? res->log : ngx_cycle->log, 0,
                  "llm_zone is too small for what is limited at a time, some "
                  "limits are not counted; give it more than %uzk",
                  (size_t) (shm->slab->end - (u_char *) shm->slab) / 1024);
}
