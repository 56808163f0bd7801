
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * The rates of a counter: what the server had in their buckets when they were
 * last read, and what has been used by all that is known.
 *
 * A window is counted in 64 parts: part n of a window W lasts from n * W / 64
 * to (n + 1) * W / 64.  A part counts until all of it has left the window; so
 * these are 65, with the present one, and never less than the window.
 *
 * The parts that were read are never changed afterwards.  What has been booked
 * since, by anybody, is known as one sum for each unit, from the shares.  It
 * is newer than the reading, so that it cannot have left a window before the
 * next one.
 *
 * Periods are the caller's, by the time of this machine; all else goes by the
 * server's.
 */


static ngx_int_t ngx_llmops_tally_read_bucket(ngx_llmops_tally_rate_t *tr,
    int64_t at, int64_t amount, int64_t now);
static ngx_int_t ngx_llmops_tally_read_period(ngx_llmops_tally_rate_t *tr,
    int64_t start, int64_t amount, int64_t now);
static int64_t ngx_llmops_tally_elsewhere(const ngx_llmops_tally_rate_t *tr,
    int64_t start);
static int64_t ngx_llmops_tally_fresh(const ngx_llmops_tally_t *tally,
    ngx_llmops_unit_e unit);
static int64_t ngx_llmops_tally_sum(const ngx_llmops_tally_rate_t *tr,
    int64_t now);
static int64_t ngx_llmops_tally_period(const ngx_llmops_tally_rate_t *tr,
    int64_t start);
static ngx_int_t ngx_llmops_tally_is_rate(const ngx_llmops_tally_rate_t *tr,
    ngx_llmops_unit_e unit, ngx_llmops_period_e period, int64_t window);


/* the oldest part of which some may be in the window */
#define ngx_llmops_tally_oldest(tr, now)                                      \
    (ngx_llmops_tally_part(tr, now) - NGX_LLMOPS_TALLY_PARTS)

/* so many that all of them can be added up */
#define ngx_llmops_tally_bucket(n)                                            \
    ngx_max(ngx_min(n, NGX_LLMOPS_TALLY_MAX / 32), -NGX_LLMOPS_TALLY_MAX / 32)


ngx_llmops_tally_rate_t *
ngx_llmops_tally_find_rate(const ngx_llmops_tally_t *tally,
    const ngx_llmops_rate_t *rate)
{
    ngx_uint_t  i;

    for (i = 0; i < tally->nrates; i++) {

        if (ngx_llmops_tally_is_rate(tally->rates[i], rate->unit,
                                     rate->period, rate->window))
        {
            return tally->rates[i];
        }
    }

    return NULL;
}


static ngx_int_t
ngx_llmops_tally_is_rate(const ngx_llmops_tally_rate_t *tr,
    ngx_llmops_unit_e unit, ngx_llmops_period_e period, int64_t window)
{
    return tr->unit == unit && tr->period == period
           && (tr->window == window || period == NGX_LLMOPS_PERIOD_HELD);
}


void
ngx_llmops_tally_init_rate(ngx_llmops_tally_t *tally,
    ngx_llmops_tally_rate_t *tr, const ngx_llmops_rate_t *rate)
{
    ngx_uint_t  i;

    ngx_memzero(tr, sizeof(ngx_llmops_tally_rate_t));

    tr->tally = tally;
    tr->unit = rate->unit;
    tr->period = rate->period;
    tr->window = ngx_max(rate->window, 1);

    for (i = 0; i < NGX_LLMOPS_TALLY_BOOKS; i++) {
        tr->books[i].rate = tr;
    }
}


/*
 * The period in which a rate counts.  When the server's clock is before the
 * beginning of one that others count in already, it is that one: a clock that
 * is set back must not refill anything.  One that begins in a future that is
 * too far away is of a clock that was wrong.
 */

int64_t
ngx_llmops_tally_start(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate)
{
    int64_t  newest, ahead;

    newest = ngx_max(tr->newest, tr->seen.period[0].start);
    ahead = newest - ngx_llmops_redis_now(tr->tally->tallies->redis);

    return (newest > rate->start && ahead > 0 && ahead <= tr->window)
           ? newest : rate->start;
}


int64_t
ngx_llmops_tally_used(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate, int64_t now)
{
    int64_t  used, start;

    switch (tr->period) {

    case NGX_LLMOPS_PERIOD_SLIDING:
        used = ngx_llmops_tally_sum(tr, now);
        break;

    case NGX_LLMOPS_PERIOD_CALENDAR:
        start = ngx_llmops_tally_start(tr, rate);
        used = ngx_llmops_tally_period(tr, start)
               - ngx_llmops_tally_elsewhere(tr, start);
        break;

    default:                                 /* HELD: nothing is booked */
        return 0;
    }

    ngx_llmops_tally_add(used, ngx_llmops_tally_fresh(tr->tally, tr->unit));

    return ngx_max(used, 0);
}


/* what we have yet to tell of other periods, which is new as well */

static int64_t
ngx_llmops_tally_elsewhere(const ngx_llmops_tally_rate_t *tr, int64_t start)
{
    int64_t     sum;
    ngx_uint_t  i;

    for (sum = 0, i = 0; i < NGX_LLMOPS_TALLY_BOOKS; i++) {

        if (tr->books[i].at != start) {
            ngx_llmops_tally_add(sum, tr->books[i].amount);
        }
    }

    return sum;
}


/* booked since the books were read, by all */

static int64_t
ngx_llmops_tally_fresh(const ngx_llmops_tally_t *tally,
    ngx_llmops_unit_e unit)
{
    return ngx_llmops_tally_clamp(tally->others_new[unit]
                                  + (tally->booked[unit]
                                     - tally->told[unit]));
}


/*
 * What the period before has left of the limit.  Not if there was none, since
 * the counter is new then.  Which one was before is seen from when they began:
 * a day of 23 or 25 hours, a month of 28 or 31 days are far from two.
 */

int64_t
ngx_llmops_tally_carried(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate)
{
    int64_t     left, start, present;
    ngx_uint_t  i;

    if (rate->carry <= 0 || tr->period != NGX_LLMOPS_PERIOD_CALENDAR) {
        return 0;
    }

    present = ngx_llmops_tally_start(tr, rate);

    for (i = 0; i < NGX_LLMOPS_TALLY_PERIODS; i++) {
        start = tr->seen.period[i].start;

        if (start == 0 || start >= present) {
            continue;
        }

        left = rate->limit;

        if (present - start < tr->window + tr->window / 2) {
            left -= tr->seen.period[i].used;
        }

        return ngx_max(ngx_min(left, rate->carry), 0);
    }

    return 0;
}


static int64_t
ngx_llmops_tally_sum(const ngx_llmops_tally_rate_t *tr, int64_t now)
{
    int64_t  i, sum;

    i = ngx_llmops_tally_oldest(tr, now) - tr->first;
    i = ngx_max(i, 0);

    for (sum = 0; i < NGX_LLMOPS_TALLY_BUCKETS; i++) {
        sum += tr->seen.bucket[i];
    }

    return sum;
}


static int64_t
ngx_llmops_tally_period(const ngx_llmops_tally_rate_t *tr, int64_t start)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_TALLY_PERIODS; i++) {

        if (tr->seen.period[i].start == start) {
            return tr->seen.period[i].used;
        }
    }

    return 0;
}


int64_t
ngx_llmops_tally_reset_time(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate, int64_t now)
{
    int64_t  i;

    if (tr->period == NGX_LLMOPS_PERIOD_CALENDAR) {
        return ngx_max(rate->end - now, 0);
    }

    if (tr->period != NGX_LLMOPS_PERIOD_SLIDING) {
        return 0;
    }

    if (ngx_llmops_tally_fresh(tr->tally, tr->unit) > 0) {
        i = ngx_llmops_tally_part(tr, now);
        return ngx_llmops_tally_left(tr, i) - now;
    }

    for (i = NGX_LLMOPS_TALLY_BUCKETS - 1; i >= 0; i--) {

        if (tr->seen.bucket[i] > 0) {
            return ngx_max(ngx_llmops_tally_left(tr, tr->first + i) - now, 0);
        }
    }

    return 0;
}


int64_t
ngx_llmops_tally_retry_time(const ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate, int64_t need, int64_t now)
{
    int64_t  i, sum, wait;

    if (tr->period == NGX_LLMOPS_PERIOD_HELD) {
        return 0;
    }

    if (tr->period == NGX_LLMOPS_PERIOD_CALENDAR) {

        if (ngx_llmops_tally_used(tr, rate, now) < need) {
            return NGX_LLMOPS_TALLY_WAIT;
        }

        return ngx_max(rate->end - now, 1);
    }

    i = ngx_llmops_tally_oldest(tr, now) - tr->first;
    i = ngx_max(i, 0);

    for (sum = 0; i < NGX_LLMOPS_TALLY_BUCKETS; i++) {
        sum += tr->seen.bucket[i];

        if (sum >= need) {
            wait = ngx_llmops_tally_left(tr, tr->first + i) - now;
            return ngx_max(wait, 1);
        }
    }

    ngx_llmops_tally_add(sum, ngx_llmops_tally_fresh(tr->tally, tr->unit));

    if (sum >= need) {
        i = ngx_llmops_tally_part(tr, now);
        return ngx_llmops_tally_left(tr, i) - now;
    }

    /* it is reserved, or can never be had */

    return NGX_LLMOPS_TALLY_WAIT;
}


void
ngx_llmops_tally_read_begin(ngx_llmops_tally_t *tally, int64_t now)
{
    ngx_uint_t                i;
    ngx_llmops_tally_rate_t  *tr;

    for (i = 0; i < tally->nrates; i++) {
        tr = tally->rates[i];

        ngx_memzero(&tr->seen, sizeof(tr->seen));
        tr->first = ngx_llmops_tally_oldest(tr, now);
    }
}


ngx_int_t
ngx_llmops_tally_read_field(ngx_llmops_tally_t *tally, const ngx_str_t *field,
    const ngx_str_t *value, int64_t now)
{
    int64_t                   window, at, amount;
    ngx_uint_t                i;
    ngx_llmops_rate_t         rate;
    ngx_llmops_unit_e         unit;
    ngx_llmops_period_e       period;
    ngx_llmops_tally_rate_t  *tr, other;

    if (ngx_llmops_bucket_parse(field->data, field->len, &unit, &period,
                                &window, &at)
        != NGX_OK
        || ngx_llmops_tally_number(value->data, value->len, &amount) != NGX_OK
        || window <= 0)
    {
        return NGX_ERROR;
    }

    tr = NULL;

    for (i = 0; i < tally->nrates; i++) {

        if (ngx_llmops_tally_is_rate(tally->rates[i], unit, period, window)) {
            tr = tally->rates[i];
            break;
        }
    }

    if (tr == NULL) {

        /* another gateway's; when it is over, anybody may clear it away */

        rate.unit = unit;
        rate.period = period;
        rate.window = window;

        tr = &other;
        ngx_llmops_tally_init_rate(tally, tr, &rate);
        tr->first = ngx_llmops_tally_oldest(tr, now);
    }

    if (period == NGX_LLMOPS_PERIOD_SLIDING) {
        return ngx_llmops_tally_read_bucket(tr, at, amount, now);
    }

    return ngx_llmops_tally_read_period(tr, at, amount, now);
}


/*
 * A bucket of the future is from before the server's clock was set back, or
 * from a worker whose idea of it is a little ahead.  It counts as the newest;
 * but not for ever, if the clock was set back by more than the window.
 */

static ngx_int_t
ngx_llmops_tally_read_bucket(ngx_llmops_tally_rate_t *tr, int64_t at,
    int64_t amount, int64_t now)
{
    int64_t  i;

    i = at - tr->first;

    if (i < 0) {

        /* some others may think that it is a little earlier */

        return (ngx_llmops_tally_left(tr, at) + tr->window / 8 + 1000 < now)
               ? NGX_DECLINED : NGX_OK;
    }

    if (i >= 2 * NGX_LLMOPS_TALLY_BUCKETS) {
        return NGX_DECLINED;
    }

    i = ngx_min(i, NGX_LLMOPS_TALLY_BUCKETS - 1);

    amount += tr->seen.bucket[i];
    tr->seen.bucket[i] = ngx_llmops_tally_bucket(amount);

    return NGX_OK;
}


/* periods that are over are kept for a while: somebody may look at the last */

static ngx_int_t
ngx_llmops_tally_read_period(ngx_llmops_tally_rate_t *tr, int64_t start,
    int64_t amount, int64_t now)
{
    ngx_uint_t  i, k;

    now = tr->start ? tr->start : now;

    if (start + NGX_LLMOPS_TALLY_PERIODS * tr->window < now) {
        return NGX_DECLINED;
    }

    for (i = 0; i < NGX_LLMOPS_TALLY_PERIODS; i++) {

        if (start > tr->seen.period[i].start) {
            break;
        }
    }

    if (i == NGX_LLMOPS_TALLY_PERIODS) {
        return NGX_OK;
    }

    for (k = NGX_LLMOPS_TALLY_PERIODS - 1; k > i; k--) {
        tr->seen.period[k] = tr->seen.period[k - 1];
    }

    tr->seen.period[i].start = start;
    tr->seen.period[i].used = amount;

    return NGX_OK;
}


int64_t
ngx_llmops_tally_span(const ngx_llmops_tally_t *tally)
{
    int64_t                   span, need;
    ngx_uint_t                i;
    ngx_llmops_tally_rate_t  *tr;

    span = 4 * tally->tallies->lease;

    for (i = 0; i < tally->nrates; i++) {
        tr = tally->rates[i];

        if (tr->period == NGX_LLMOPS_PERIOD_HELD) {
            continue;
        }

        /* a period may have begun just now, and is looked at after its end */

        need = (tr->period == NGX_LLMOPS_PERIOD_CALENDAR)
               ? (NGX_LLMOPS_TALLY_PERIODS + 1) * tr->window : 2 * tr->window;

        span = ngx_max(span, need);
    }

    return span + 60000;
}


int64_t
ngx_llmops_tally_shortest(const ngx_llmops_tally_t *tally, int64_t most)
{
    ngx_uint_t  i;

    for (i = 0; i < tally->nrates; i++) {

        if (tally->rates[i]->period == NGX_LLMOPS_PERIOD_SLIDING) {
            most = ngx_min(most, tally->rates[i]->window);
        }
    }

    return most;
}
