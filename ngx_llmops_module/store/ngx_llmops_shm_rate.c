
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"


/*
 * What is counted for one rate, and where it stands.
 *
 * A sliding window W is divided into 64 parts; part n lasts from n * W / 64 to
 * (n + 1) * W / 64, in milliseconds of the monotonic clock, which no change of
 * the time of day moves.  At a time in part n the window reaches back into
 * part n - 64.  So the sum of the 65 parts n - 64 ... n has all that happened
 * in the window and what is older by less than a part: a limit that holds for
 * the sum holds for the window, at every time.
 *
 * The ring has a bucket for each of the 65, and the sum is kept, so that a
 * check costs the same for every window.  It is brought up to now before
 * anything else: buckets of parts that were left behind are emptied.
 *
 * A calendar rate counts in the period that the caller names by its start.  A
 * later period begins at 0.  An earlier one is that of a caller whose look at
 * the clock is older, and counts as the present one.  Only a clock that was
 * wrong by more than a period and has been set right makes the present one
 * begin in a future that is too far away: it is given up.
 */


static ngx_llmops_slot_t *ngx_llmops_slot_find(ngx_llmops_counter_t *counter,
    ngx_llmops_charge_t *charge, ngx_uint_t n);
static ngx_llmops_slot_t *ngx_llmops_slot_make(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter, ngx_llmops_charge_t *charge, ngx_uint_t n,
    int64_t now);
static ngx_llmops_slot_t *ngx_llmops_slot_free(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter, ngx_llmops_charge_t *charge);
static void ngx_llmops_slot_slide(ngx_llmops_shm_t *shm,
    ngx_llmops_slot_t *slot, int64_t part);
static void ngx_llmops_slot_period(ngx_llmops_shm_t *shm,
    ngx_llmops_slot_t *slot, ngx_llmops_rate_t *rate);
static int64_t ngx_llmops_slot_retry(ngx_llmops_slot_t *slot,
    ngx_llmops_rate_t *rate, int64_t excess, int64_t now);
static void ngx_llmops_slot_empty(ngx_llmops_shm_t *shm,
    ngx_llmops_slot_t *slot);
static int64_t ngx_llmops_rate_id(ngx_llmops_rate_t *rate);
static int64_t ngx_llmops_rate_limit(ngx_llmops_charge_t *charge,
    int64_t limit);


#define ngx_llmops_rate_window(rate)                                          \
    (((rate)->window > 0) ? (rate)->window : 1)

#define ngx_llmops_rate_part(rate, time)                                      \
    ((time) * NGX_LLMOPS_RING_PARTS / ngx_llmops_rate_window(rate))

/* the first millisecond at which part n is no more in the window */
#define ngx_llmops_rate_leaves(rate, n)                                       \
    ((((n) + NGX_LLMOPS_RING_BUCKETS) * ngx_llmops_rate_window(rate)          \
      + NGX_LLMOPS_RING_PARTS - 1) / NGX_LLMOPS_RING_PARTS)

/* what waits for others to settle may try again after this, ms */
#define NGX_LLMOPS_RATE_WAIT       1000


static int64_t
ngx_llmops_rate_id(ngx_llmops_rate_t *rate)
{
    return ((int64_t) rate->unit + 1) << 56 | (int64_t) rate->period << 48
           | (rate->window & NGX_LLMOPS_WINDOW_MASK);
}


ngx_int_t
ngx_llmops_rates_advance(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter,
    ngx_llmops_charge_t *charge, int64_t now)
{
    ngx_uint_t          i;
    ngx_llmops_rate_t  *rate;
    ngx_llmops_slot_t  *slot;

    for (i = 0; i < charge->nrates; i++) {
        rate = &charge->rates[i];

        if (rate->period == NGX_LLMOPS_PERIOD_HELD) {
            continue;
        }

        slot = ngx_llmops_slot_find(counter, charge, i);

        if (slot == NULL) {
            slot = ngx_llmops_slot_make(shm, counter, charge, i, now);

            if (slot == NULL) {
                return NGX_DECLINED;
            }
        }

        if (rate->period == NGX_LLMOPS_PERIOD_SLIDING) {
            ngx_llmops_slot_slide(shm, slot, ngx_llmops_rate_part(rate, now));

        } else {
            ngx_llmops_slot_period(shm, slot, rate);
        }

        ngx_llmops_shm_commit(shm);
    }

    return NGX_OK;
}


/* usually it stands where the rate does */

static ngx_llmops_slot_t *
ngx_llmops_slot_find(ngx_llmops_counter_t *counter,
    ngx_llmops_charge_t *charge, ngx_uint_t n)
{
    int64_t     id;
    ngx_uint_t  i;

    id = ngx_llmops_rate_id(&charge->rates[n]);

    if (counter->slots[n].id == id) {
        return &counter->slots[n];
    }

    for (i = 0; i < NGX_LLMOPS_COUNTER_RATES; i++) {
        if (counter->slots[i].id == id) {
            return &counter->slots[i];
        }
    }

    return NULL;
}


static ngx_llmops_slot_t *
ngx_llmops_slot_make(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter,
    ngx_llmops_charge_t *charge, ngx_uint_t n, int64_t now)
{
    ngx_llmops_ring_t  *ring;
    ngx_llmops_rate_t  *rate;
    ngx_llmops_slot_t  *slot;

    rate = &charge->rates[n];
    ring = NULL;

    if (rate->period == NGX_LLMOPS_PERIOD_SLIDING) {
        ring = ngx_llmops_counter_ring(shm, counter);

        if (ring == NULL) {
            return NULL;
        }

    } else {
        ngx_llmops_counter_keep(shm, counter);
    }

    slot = ngx_llmops_slot_free(shm, counter, charge);

    ngx_llmops_shm_put(shm, slot->id, ngx_llmops_rate_id(rate));
    ngx_llmops_shm_put(shm, slot->used, 0);
    ngx_llmops_shm_put(shm, slot->at, ring ? ngx_llmops_rate_part(rate, now)
                                           : rate->start);
    ngx_llmops_shm_put(shm, slot->end, rate->end);
    ngx_llmops_shm_put(shm, slot->carried, 0);
    ngx_llmops_shm_put(shm, slot->ring, ring);

    ngx_llmops_shm_commit(shm);

    return slot;
}


/*
 * A slot that is free, or one that the charge does not use: a rate of another
 * configuration.  There is one, since a charge has no more rates than a
 * counter slots, and the one to be placed has none.
 */

static ngx_llmops_slot_t *
ngx_llmops_slot_free(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter,
    ngx_llmops_charge_t *charge)
{
    ngx_uint_t          i, k;
    ngx_llmops_slot_t  *slot;

    for (i = 0; i < NGX_LLMOPS_COUNTER_RATES; i++) {
        if (counter->slots[i].id == 0) {
            return &counter->slots[i];
        }
    }

    for (i = 0; i < NGX_LLMOPS_COUNTER_RATES - 1; i++) {

        for (k = 0; k < charge->nrates; k++) {
            if (counter->slots[i].id == ngx_llmops_rate_id(&charge->rates[k])) {
                break;
            }
        }

        if (k == charge->nrates) {
            break;
        }
    }

    slot = &counter->slots[i];

    if (slot->ring) {
        ngx_llmops_cells_give(shm, &shm->root->cells, slot->ring);
    }

    return slot;
}


static void
ngx_llmops_slot_slide(ngx_llmops_shm_t *shm, ngx_llmops_slot_t *slot,
    int64_t part)
{
    int64_t   n, used, *bucket;

    if (part <= slot->at) {
        return;
    }

    used = slot->used;

    if (used) {
        n = ngx_max(slot->at + 1, part - NGX_LLMOPS_RING_PARTS);

        for ( /* void */ ; n <= part; n++) {
            bucket = &slot->ring->bucket[n % NGX_LLMOPS_RING_BUCKETS];

            if (*bucket) {
                used -= *bucket;
                ngx_llmops_shm_put(shm, *bucket, 0);
            }
        }

        ngx_llmops_shm_put(shm, slot->used, used);
    }

    ngx_llmops_shm_put(shm, slot->at, part);
}


static void
ngx_llmops_slot_period(ngx_llmops_shm_t *shm, ngx_llmops_slot_t *slot,
    ngx_llmops_rate_t *rate)
{
    int64_t  left;

    if (rate->start <= slot->at
        && slot->at - ngx_llmops_shm_wall() <= ngx_llmops_rate_window(rate))
    {
        return;
    }

    /* what was carried into the old period is not carried on */

    left = 0;

    if (rate->start > slot->at) {
        left = rate->limit - (rate->start == slot->end ? slot->used : 0);
        left = ngx_max(ngx_min(left, rate->carry), 0);
    }

    ngx_llmops_shm_put(shm, slot->carried, left);
    ngx_llmops_shm_put(shm, slot->used, 0);
    ngx_llmops_shm_put(shm, slot->at, rate->start);
    ngx_llmops_shm_put(shm, slot->end, rate->end);
}


/* a share of a limit that is not 0 is not 0 either: one gateway of many must
   not refuse all */

static int64_t
ngx_llmops_rate_limit(ngx_llmops_charge_t *charge, int64_t limit)
{
    if (charge->divisor > 1 && limit > 0) {
        return ngx_max(limit / (int64_t) charge->divisor, 1);
    }

    return limit;
}


void
ngx_llmops_rates_levels(ngx_llmops_counter_t *counter,
    ngx_llmops_charge_t *charge, int64_t now)
{
    ngx_uint_t           i;
    ngx_llmops_rate_t   *rate;
    ngx_llmops_slot_t   *slot;
    ngx_llmops_level_t  *level;

    for (i = 0; i < charge->nrates; i++) {
        rate = &charge->rates[i];
        level = &charge->levels[i];

        level->limit = ngx_llmops_rate_limit(charge, rate->limit);
        level->used = 0;
        level->reserved = 0;
        level->reset = 0;

        if (rate->period == NGX_LLMOPS_PERIOD_CALENDAR) {
            level->reset = ngx_max(rate->end - ngx_llmops_shm_wall(), 0);
        }

        if (counter == NULL) {
            continue;
        }

        if (rate->unit != NGX_LLMOPS_UNIT_REQUESTS) {
            level->reserved = counter->reserved[rate->unit];
        }

        if (rate->period == NGX_LLMOPS_PERIOD_HELD) {
            continue;
        }

        slot = ngx_llmops_slot_find(counter, charge, i);
        if (slot == NULL) {
            continue;
        }

        level->used = slot->used;

        if (slot->carried && rate->carry) {
            level->limit += ngx_llmops_rate_limit(
                                charge, ngx_min(slot->carried, rate->carry));
        }

        if (slot->ring && slot->used) {
            level->reset = ngx_max(ngx_llmops_rate_leaves(rate,
                                                  slot->ring->newest) - now, 0);
        }
    }
}


void
ngx_llmops_rates_grant(ngx_llmops_counter_t *counter,
    ngx_llmops_charge_t *charge, int64_t now)
{
    int64_t             excess, *want;
    ngx_uint_t          i;
    ngx_llmops_unit_e   unit;
    ngx_llmops_slot_t  *slot;

    want = charge->want;
    charge->denied = 0;

    for (i = 0; i < NGX_LLMOPS_UNIT_MAX; i++) {
        want[i] = ngx_min(ngx_max(want[i], 0), NGX_LLMOPS_AMOUNT_MAX);
        charge->granted[i] = want[i];
    }

    for (i = 0; i < charge->nrates; i++) {
        unit = charge->rates[i].unit;
        charge->levels[i].retry = 0;

        excess = charge->levels[i].limit - charge->levels[i].used
                 - charge->levels[i].reserved;

        if (!charge->dry_run) {
            charge->granted[unit] = ngx_min(charge->granted[unit],
                                            ngx_max(excess, 0));
        }

        excess = ngx_min(charge->least[unit], want[unit]) - excess;

        if (excess <= 0 || want[unit] == 0 || charge->least[unit] <= 0) {
            continue;
        }

        charge->denied |= (ngx_uint_t) 1 << i;

        if (charge->rates[i].period == NGX_LLMOPS_PERIOD_HELD) {
            continue;
        }

        slot = counter ? ngx_llmops_slot_find(counter, charge, i) : NULL;

        charge->levels[i].retry = ngx_llmops_slot_retry(slot,
                                            &charge->rates[i], excess, now);

        if (charge->levels[i].reserved >= excess) {
            charge->levels[i].retry = ngx_min(charge->levels[i].retry,
                                              NGX_LLMOPS_RATE_WAIT);
        }
    }
}


/* ms until so much of what has been used is gone; what is reserved comes back
   nobody knows when */

static int64_t
ngx_llmops_slot_retry(ngx_llmops_slot_t *slot, ngx_llmops_rate_t *rate,
    int64_t excess, int64_t now)
{
    int64_t  n, wait;

    if (slot == NULL || slot->used < excess) {
        return NGX_LLMOPS_RATE_WAIT;
    }

    if (slot->ring == NULL) {
        wait = slot->end - ngx_llmops_shm_wall();
        return ngx_max(wait, 1);
    }

    for (n = slot->at - NGX_LLMOPS_RING_PARTS; n < slot->at; n++) {
        if (n >= 0) {
            excess -= slot->ring->bucket[n % NGX_LLMOPS_RING_BUCKETS];
        }

        if (excess <= 0) {
            break;
        }
    }

    wait = ngx_llmops_rate_leaves(rate, n) - now;

    return ngx_max(wait, 1);
}


/* at most 3 words for each of 8 rates; the ring's last part is the present
   one, since it has just been brought up to now */

void
ngx_llmops_rates_add(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter,
    ngx_llmops_charge_t *charge, const int64_t *amounts)
{
    int64_t             amount, *bucket;
    ngx_uint_t          i;
    ngx_llmops_rate_t  *rate;
    ngx_llmops_slot_t  *slot;

    for (i = 0; i < charge->nrates; i++) {
        rate = &charge->rates[i];
        amount = amounts[rate->unit];

        if (amount <= 0 || rate->period == NGX_LLMOPS_PERIOD_HELD) {
            continue;
        }

        slot = ngx_llmops_slot_find(counter, charge, i);

        if (slot == NULL || slot->used > INT64_MAX / 2) {
            continue;
        }

        amount = ngx_min(amount, NGX_LLMOPS_AMOUNT_MAX);

        if (slot->ring) {
            bucket = &slot->ring->bucket[slot->at % NGX_LLMOPS_RING_BUCKETS];

            ngx_llmops_shm_put(shm, *bucket, *bucket + amount);
            ngx_llmops_shm_put(shm, slot->ring->newest, slot->at);

        } else if (rate->start < slot->at
                   && ngx_llmops_shm_wall() >= slot->at)
        {
            continue;                        /* of a period that is over */
        }

        ngx_llmops_shm_put(shm, slot->used, slot->used + amount);
    }
}


void
ngx_llmops_rates_subtract(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter, ngx_llmops_charge_t *charge,
    ngx_llmops_unit_e unit, int64_t amount, int64_t then)
{
    int64_t             n, part, *bucket;
    ngx_uint_t          i;
    ngx_llmops_rate_t  *rate;
    ngx_llmops_slot_t  *slot;

    if (then < 0) {                          /* nobody knows when */
        return;
    }

    for (i = 0; i < charge->nrates; i++) {
        rate = &charge->rates[i];

        if (rate->unit != unit || rate->period == NGX_LLMOPS_PERIOD_HELD) {
            continue;
        }

        slot = ngx_llmops_slot_find(counter, charge, i);
        if (slot == NULL) {
            continue;
        }

        if (slot->ring == NULL) {

            if (rate->start == slot->at) {
                n = ngx_min(amount, slot->used);
                ngx_llmops_shm_put(shm, slot->used, slot->used - n);
            }

            continue;
        }

        part = ngx_llmops_rate_part(rate, then);

        if (part < slot->at - NGX_LLMOPS_RING_PARTS || part > slot->at) {
            continue;                        /* has left the window */
        }

        bucket = &slot->ring->bucket[part % NGX_LLMOPS_RING_BUCKETS];

        n = ngx_min(amount, *bucket);

        ngx_llmops_shm_put(shm, *bucket, *bucket - n);
        ngx_llmops_shm_put(shm, slot->used, slot->used - n);
    }
}


void
ngx_llmops_rates_reset(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter,
    ngx_llmops_charge_t *charge)
{
    ngx_uint_t          i;
    ngx_llmops_slot_t  *slot;

    for (i = 0; i < charge->nrates; i++) {
        slot = ngx_llmops_slot_find(counter, charge, i);

        if (slot) {
            ngx_llmops_slot_empty(shm, slot);
            ngx_llmops_shm_commit(shm);
        }
    }
}


static void
ngx_llmops_slot_empty(ngx_llmops_shm_t *shm, ngx_llmops_slot_t *slot)
{
    ngx_uint_t  i;

    for (i = 0; slot->ring && i < NGX_LLMOPS_RING_BUCKETS; i++) {
        if (slot->ring->bucket[i]) {
            ngx_llmops_shm_put(shm, slot->ring->bucket[i], 0);
        }
    }

    ngx_llmops_shm_put(shm, slot->used, 0);
}
