
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * Who gets what.  A claim has been written to Redis, together with all else
 * that this process holds, before the shares of all were read; so the sum of
 * what others hold, of what is granted here, and of the claim itself is at
 * least what has been claimed before it, by anybody.  If that fits, it is
 * granted.
 *
 * Of our own claims those that are not decided yet do not count against one
 * that is: they are decided later, in the order in which they were sent, and
 * then this one counts against them.
 */


static void ngx_llmops_tally_level(ngx_llmops_tally_t *tally,
    ngx_llmops_charge_t *charge, ngx_uint_t i, int64_t now);
static int64_t ngx_llmops_tally_least(const ngx_llmops_charge_t *charge,
    ngx_llmops_unit_e unit);
static int64_t ngx_llmops_tally_room(const ngx_llmops_charge_t *charge,
    ngx_uint_t i);
static int64_t ngx_llmops_tally_share_of(const ngx_llmops_charge_t *charge,
    int64_t limit);
static ngx_uint_t ngx_llmops_tally_denied(ngx_llmops_tally_t *tally,
    ngx_llmops_charge_t *charge, ngx_uint_t i, int64_t now);
static void ngx_llmops_tally_remember(ngx_llmops_tally_t *tally,
    ngx_llmops_charge_t *charge, ngx_uint_t i, int64_t now);
static ngx_uint_t ngx_llmops_tally_known_full(ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_charge_t *charge, ngx_uint_t i, int64_t now);
static void ngx_llmops_tally_hold(ngx_llmops_claim_t *claim);
static void ngx_llmops_tally_unlimited(ngx_llmops_charge_t *charge);
static ngx_llmops_told_t *ngx_llmops_tally_told(ngx_llmops_tally_t *tally,
    uint64_t id);


void
ngx_llmops_tally_claim(const ngx_llmops_charge_t *charge, int64_t *claimed)
{
    int64_t            most;
    ngx_uint_t         i;
    ngx_llmops_unit_e  unit;

    ngx_memzero(claimed, NGX_LLMOPS_UNIT_MAX * sizeof(int64_t));

    for (i = 0; i < charge->nrates; i++) {
        unit = charge->rates[i].unit;
        claimed[unit] = ngx_max(charge->want[unit], 0);
        claimed[unit] = ngx_min(claimed[unit], NGX_LLMOPS_TALLY_AMOUNT);
    }

    if (charge->dry_run) {
        return;
    }

    /* what can never be granted would only be in others' way */

    for (i = 0; i < charge->nrates; i++) {
        unit = charge->rates[i].unit;
        most = ngx_llmops_tally_share_of(charge, charge->rates[i].limit);
        most += ngx_llmops_tally_share_of(charge, charge->rates[i].carry);
        most = ngx_max(most, 0);

        if (ngx_llmops_tally_least(charge, unit) > most) {
            ngx_memzero(claimed, NGX_LLMOPS_UNIT_MAX * sizeof(int64_t));
            return;
        }

        claimed[unit] = ngx_min(claimed[unit], most);
    }
}


/* a share of a limit that is not 0 is not 0 either: one gateway of many must
   not refuse all */

static int64_t
ngx_llmops_tally_share_of(const ngx_llmops_charge_t *charge, int64_t limit)
{
    limit = ngx_min(limit, NGX_LLMOPS_TALLY_MAX / 2);

    if (charge->divisor > 1 && limit > 0) {
        return ngx_max(limit / (int64_t) charge->divisor, 1);
    }

    return limit;
}


/* what is worth having of what is asked for; 0: anything */

static int64_t
ngx_llmops_tally_least(const ngx_llmops_charge_t *charge,
    ngx_llmops_unit_e unit)
{
    int64_t  least;

    least = ngx_min(charge->least[unit], charge->want[unit]);

    return ngx_max(least, 0);
}


ngx_uint_t
ngx_llmops_tally_full(ngx_llmops_tally_t *tally, ngx_llmops_charge_t *charge,
    int64_t now)
{
    ngx_uint_t                i;
    ngx_llmops_tally_rate_t  *tr;

    if (charge->dry_run) {
        return 0;
    }

    for (i = 0; i < charge->nrates; i++) {
        tr = ngx_llmops_tally_find_rate(tally, &charge->rates[i]);

        if (tr && tr->full_until) {
            ngx_llmops_tally_level(tally, charge, i, now);

            if (ngx_llmops_tally_known_full(tr, charge, i, now)) {
                charge->denied |= (ngx_uint_t) 1 << i;
            }
        }
    }

    if (charge->denied == 0) {
        return 0;
    }

    ngx_llmops_tally_levels(tally, charge, now);

    for (i = 0; i < charge->nrates; i++) {

        if (charge->denied & ((ngx_uint_t) 1 << i)) {
            (void) ngx_llmops_tally_denied(tally, charge, i, now);
        }
    }

    return 1;
}


/*
 * Of a flood that is denied only one at a time is asked for: the claims of the
 * others would make the counter look full to whoever could still have some.
 */

static ngx_uint_t
ngx_llmops_tally_known_full(ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_charge_t *charge, ngx_uint_t i, int64_t now)
{
    int64_t  least;

    least = ngx_llmops_tally_least(charge, tr->unit);

    if (least == 0
        || least < tr->full_least
        || charge->levels[i].limit > tr->full_limit
        || charge->rates[i].start != tr->full_start)
    {
        return 0;
    }

    if (now < tr->full_until) {
        return 1;
    }

    /* nobody has asked for a while: it is no flood any more */

    if (now >= tr->full_until + NGX_LLMOPS_TALLY_SOFT) {
        tr->full_until = 0;
        return 0;
    }

    tr->full_until = now + NGX_LLMOPS_TALLY_SOFT;
    tr->full_hard = 0;

    return 0;
}


void
ngx_llmops_tally_grant(ngx_llmops_claim_t *claim, int64_t now)
{
    ngx_uint_t            i;
    ngx_llmops_tally_t   *tally;
    ngx_llmops_charge_t  *charge;

    tally = claim->tally;
    charge = claim->charge;
    charge->denied = 0;

    ngx_llmops_tally_levels(tally, charge, now);

    for (i = 0; i < charge->nrates; i++) {

        if (ngx_llmops_tally_denied(tally, charge, i, now)) {
            charge->denied |= (ngx_uint_t) 1 << i;
            ngx_llmops_tally_remember(tally, charge, i, now);
        }
    }

    if (charge->denied && !charge->dry_run) {
        ngx_llmops_tally_unclaim(claim);
        return;
    }

    claim->when = now;

    ngx_llmops_tally_hold(claim);
}


void
ngx_llmops_tally_levels(ngx_llmops_tally_t *tally, ngx_llmops_charge_t *charge,
    int64_t now)
{
    ngx_uint_t  i;

    for (i = 0; i < charge->nrates; i++) {
        ngx_llmops_tally_level(tally, charge, i, now);
    }
}


static void
ngx_llmops_tally_level(ngx_llmops_tally_t *tally, ngx_llmops_charge_t *charge,
    ngx_uint_t i, int64_t now)
{
    int64_t                   held, carried;
    ngx_llmops_rate_t        *rate;
    ngx_llmops_level_t       *level;
    ngx_llmops_tally_rate_t  *tr;

    rate = &charge->rates[i];
    level = &charge->levels[i];

    ngx_memzero(level, sizeof(ngx_llmops_level_t));

    level->limit = ngx_llmops_tally_share_of(charge, rate->limit);

    held = tally->granted[rate->unit];
    ngx_llmops_tally_add(held, tally->others_held[rate->unit]);

    tr = ngx_llmops_tally_find_rate(tally, rate);

    if (tr) {
        level->used = ngx_llmops_tally_used(tr, rate, now);
        level->reset = ngx_llmops_tally_reset_time(tr, rate, now);

        carried = ngx_llmops_tally_carried(tr, rate);
        level->limit += ngx_llmops_tally_share_of(charge, carried);
    }

    /* requests that are being let in count as if they had been */

    if (rate->unit == NGX_LLMOPS_UNIT_REQUESTS) {
        ngx_llmops_tally_add(level->used, held);

    } else {
        level->reserved = held;
    }
}


/* what is left of a rate; it may have been passed */

static int64_t
ngx_llmops_tally_room(const ngx_llmops_charge_t *charge, ngx_uint_t i)
{
    int64_t  room;

    room = charge->levels[i].limit - charge->levels[i].used
           - charge->levels[i].reserved;

    return ngx_max(room, 0);
}


static ngx_uint_t
ngx_llmops_tally_denied(ngx_llmops_tally_t *tally, ngx_llmops_charge_t *charge,
    ngx_uint_t i, int64_t now)
{
    int64_t                   need, least;
    ngx_llmops_rate_t        *rate;
    ngx_llmops_level_t       *level;
    ngx_llmops_tally_rate_t  *tr;

    rate = &charge->rates[i];
    level = &charge->levels[i];

    least = ngx_llmops_tally_least(charge, rate->unit);

    if (ngx_llmops_tally_room(charge, i) >= least) {
        return 0;
    }

    if (rate->period == NGX_LLMOPS_PERIOD_HELD) {
        return 1;
    }

    need = least + level->used + level->reserved - level->limit;

    tr = ngx_llmops_tally_find_rate(tally, rate);

    level->retry = tr ? ngx_llmops_tally_retry_time(tr, rate, need, now)
                      : NGX_LLMOPS_TALLY_WAIT;

    if (level->reserved >= need) {
        level->retry = ngx_min(level->retry, NGX_LLMOPS_TALLY_WAIT);
    }

    return 1;
}


static void
ngx_llmops_tally_remember(ngx_llmops_tally_t *tally,
    ngx_llmops_charge_t *charge, ngx_uint_t i, int64_t now)
{
    int64_t                   used;
    ngx_llmops_level_t       *level;
    ngx_llmops_tally_rate_t  *tr;

    tr = ngx_llmops_tally_find_rate(tally, &charge->rates[i]);

    if (tr == NULL || charge->dry_run) {
        return;
    }

    level = &charge->levels[i];
    used = level->used;

    /* the requests of others may be claimed only, and denied */

    if (tr->unit == NGX_LLMOPS_UNIT_REQUESTS) {
        used -= tally->others_held[tr->unit];
    }

    tr->full_least = ngx_llmops_tally_least(charge, tr->unit);
    tr->full_limit = level->limit;
    tr->full_start = charge->rates[i].start;
    tr->full_hard = (level->limit - used < tr->full_least);

    /* what slides out of a window is known, but not what an administrator
       does; what is reserved may be given back at any time */

    tr->full_until = now + (tr->full_hard
                            ? ngx_min(level->retry, NGX_LLMOPS_TALLY_WAIT)
                            : NGX_LLMOPS_TALLY_SOFT);
}


/* all of the charge's units have room for at least what they have to */

static void
ngx_llmops_tally_hold(ngx_llmops_claim_t *claim)
{
    int64_t                   amount[NGX_LLMOPS_UNIT_MAX];
    ngx_uint_t                i;
    ngx_llmops_unit_e         unit;
    ngx_llmops_tally_t       *tally;
    ngx_llmops_charge_t      *charge;
    ngx_llmops_tally_rate_t  *tr;

    tally = claim->tally;
    charge = claim->charge;

    ngx_memcpy(amount, claim->claimed, sizeof(amount));

    for (i = 0; i < charge->nrates; i++) {
        unit = charge->rates[i].unit;

        if (!charge->dry_run && charge->want[unit] > 0) {
            amount[unit] = ngx_min(amount[unit],
                                   ngx_llmops_tally_room(charge, i));
        }
    }

    ngx_llmops_tally_unlimited(charge);

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {

        if (amount[unit] != claim->claimed[unit]) {
            tally->write = 1;                /* else the share says it all */
        }

        tally->claimed[unit] -= claim->claimed[unit];
        claim->claimed[unit] = 0;

        claim->held[unit] += amount[unit];
        tally->granted[unit] += amount[unit];
        charge->granted[unit] += amount[unit];
    }

    for (i = 0; i < charge->nrates; i++) {
        unit = charge->rates[i].unit;

        if (unit == NGX_LLMOPS_UNIT_REQUESTS) {
            charge->levels[i].used += amount[unit];

        } else {
            charge->levels[i].reserved += amount[unit];
        }

        tr = ngx_llmops_tally_find_rate(tally, &charge->rates[i]);

        if (tr && amount[unit]) {
            tr->full_until = 0;
        }
    }
}


/* of a unit that no rate of the charge counts there is as much as is wanted */

static void
ngx_llmops_tally_unlimited(ngx_llmops_charge_t *charge)
{
    ngx_uint_t         i;
    ngx_llmops_unit_e  unit;

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {

        for (i = 0; i < charge->nrates; i++) {

            if (charge->rates[i].unit == unit) {
                break;
            }
        }

        if (i == charge->nrates && charge->want[unit] > 0) {
            charge->granted[unit] += charge->want[unit];
        }
    }
}


void
ngx_llmops_tally_unclaim(ngx_llmops_claim_t *claim)
{
    ngx_uint_t  unit;

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {

        if (claim->claimed[unit]) {
            claim->tally->claimed[unit] -= claim->claimed[unit];
            claim->claimed[unit] = 0;
            claim->tally->write = 1;
        }
    }
}


void
ngx_llmops_tally_release(ngx_llmops_claim_t *claim)
{
    ngx_uint_t                i;
    ngx_llmops_tally_t       *tally;
    ngx_llmops_unit_e         unit;
    ngx_llmops_tally_rate_t  *tr;

    tally = claim->tally;

    for (i = 0; i < tally->nrates; i++) {
        tr = tally->rates[i];

        if (claim->held[tr->unit] && !tr->full_hard) {
            tr->full_until = 0;
        }
    }

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {

        if (claim->held[unit]) {
            tally->granted[unit] -= claim->held[unit];
            claim->held[unit] = 0;
            tally->write = 1;
        }
    }
}


void
ngx_llmops_tally_share(const ngx_llmops_tally_t *tally, int64_t now,
    ngx_llmops_share_t *share)
{
    ngx_llmops_unit_e  unit;

    share->id = tally->id;
    share->serial = tally->serial;
    share->stamp = now;
    share->lease = tally->tallies->lease;

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {
        share->held[unit] = tally->granted[unit] + tally->claimed[unit];
        share->booked[unit] = tally->booked[unit] - tally->base[unit];
        share->told[unit] = share->booked[unit]
                            - ngx_llmops_tally_open(tally, unit);
    }
}


void
ngx_llmops_tally_others_begin(ngx_llmops_tally_t *tally, ngx_uint_t fresh)
{
    ngx_memzero(tally->others_held, sizeof(tally->others_held));
    ngx_memzero(tally->others_new, sizeof(tally->others_new));
    tally->next = 0;

    if (fresh) {
        tally->nothers = 0;
    }
}


ngx_int_t
ngx_llmops_tally_others_add(ngx_llmops_tally_t *tally,
    const ngx_llmops_share_t *share, ngx_uint_t fresh, int64_t now)
{
    int64_t             booked, told;
    ngx_llmops_unit_e   unit;
    ngx_llmops_told_t  *other;

    if (fresh) {
        other = ngx_llmops_tally_other(tally);
        if (other == NULL) {
            return NGX_ERROR;
        }

        other->id = share->id;
        ngx_memcpy(other->told, share->told, sizeof(other->told));

    } else {
        other = ngx_llmops_tally_told(tally, share->id);
    }

    for (unit = 0; unit < NGX_LLMOPS_UNIT_MAX; unit++) {

        if (ngx_llmops_share_live(share, now)) {
            ngx_llmops_tally_add(tally->others_held[unit], share->held[unit]);
        }

        /* one that was not there has told nothing before */

        told = other ? other->told[unit] : 0;
        booked = ngx_llmops_tally_clamp(share->booked[unit] - told);

        ngx_llmops_tally_add(tally->others_new[unit], booked);
    }

    return NGX_OK;
}


/* Redis keeps the order of a small hash: the next is mostly the next */

static ngx_llmops_told_t *
ngx_llmops_tally_told(ngx_llmops_tally_t *tally, uint64_t id)
{
    ngx_uint_t  i, n;

    n = tally->next;

    for (i = 0; i < tally->nothers; i++) {

        if (n >= tally->nothers) {
            n = 0;
        }

        if (tally->others[n].id == id) {
            tally->next = n + 1;
            return &tally->others[n];
        }

        n++;
    }

    return NULL;
}
