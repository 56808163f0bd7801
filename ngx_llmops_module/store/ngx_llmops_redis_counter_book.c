
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_counter.h"


/*
 * What has been booked and is still to be told, for each rate by bucket or
 * period.  There is room for a few of them, which is enough while the server
 * can be asked; when it is away for long, what is older goes with what is
 * newer, and so leaves its window later than it should.
 */


static ngx_int_t ngx_llmops_tally_take_out(ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate, int64_t amount, int64_t when, int64_t now);
static ngx_llmops_book_t *ngx_llmops_tally_page(ngx_llmops_tally_rate_t *tr,
    int64_t at);
static int64_t ngx_llmops_tally_unsaid(const ngx_llmops_tally_rate_t *tr);
static int64_t ngx_llmops_tally_strike(ngx_llmops_tally_rate_t *tr,
    int64_t amount);


ngx_uint_t
ngx_llmops_tally_rate_idle(const ngx_llmops_tally_rate_t *tr)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_TALLY_BOOKS; i++) {

        if (tr->books[i].amount || tr->books[i].sent) {
            return 0;
        }
    }

    return 1;
}


void
ngx_llmops_tally_book(ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge, ngx_llmops_unit_e unit, int64_t amount,
    int64_t when)
{
    int64_t                   at;
    ngx_uint_t                i, n;
    ngx_llmops_tally_rate_t  *tr;

    for (n = 0, i = 0; i < charge->nrates; i++) {

        if (charge->rates[i].unit != unit) {
            continue;
        }

        tr = ngx_llmops_tally_find_rate(tally, &charge->rates[i]);

        if (tr == NULL || tr->period == NGX_LLMOPS_PERIOD_HELD) {
            continue;
        }

        at = (tr->period == NGX_LLMOPS_PERIOD_CALENDAR)
             ? ngx_llmops_tally_start(tr, &charge->rates[i])
             : ngx_llmops_tally_part(tr, when);

        (void) ngx_llmops_tally_note(tr, at, amount);
        n++;
    }

    if (n) {
        tally->booked[unit] += amount;
    }
}


/*
 * Where a bucket has left its window meanwhile nothing is to be taken out, and
 * less booked would count there: then it is told only by the buckets of the
 * other rates.
 */

void
ngx_llmops_tally_unbook(ngx_llmops_tally_t *tally,
    const ngx_llmops_charge_t *charge, ngx_llmops_unit_e unit, int64_t amount,
    int64_t when, int64_t now)
{
    ngx_uint_t                i, n, missed;
    ngx_llmops_tally_rate_t  *tr;

    for (n = 0, missed = 0, i = 0; i < charge->nrates; i++) {

        if (charge->rates[i].unit != unit) {
            continue;
        }

        tr = ngx_llmops_tally_find_rate(tally, &charge->rates[i]);

        if (tr == NULL || tr->period == NGX_LLMOPS_PERIOD_HELD) {
            continue;
        }

        n++;

        if (ngx_llmops_tally_take_out(tr, &charge->rates[i], amount, when, now)
            != NGX_OK)
        {
            missed++;
        }
    }

    if (n && !missed) {
        tally->booked[unit] -= amount;
    }
}


static ngx_int_t
ngx_llmops_tally_take_out(ngx_llmops_tally_rate_t *tr,
    const ngx_llmops_rate_t *rate, int64_t amount, int64_t when, int64_t now)
{
    int64_t  at;

    if (tr->period == NGX_LLMOPS_PERIOD_CALENDAR) {
        return ngx_llmops_tally_note(tr, ngx_llmops_tally_start(tr, rate),
                                     -amount);
    }

    at = ngx_llmops_tally_part(tr, when);

    if (ngx_llmops_tally_left(tr, at) <= now) {
        return NGX_DECLINED;
    }

    return ngx_llmops_tally_note(tr, at, -amount);
}


ngx_int_t
ngx_llmops_tally_note(ngx_llmops_tally_rate_t *tr, int64_t at, int64_t amount)
{
    ngx_llmops_book_t  *book;

    book = ngx_llmops_tally_page(tr, at);

    if (book->at != at) {

        if (amount < 0) {
            return NGX_DECLINED;             /* it stays booked */
        }

        book->at = ngx_max(book->at, at);
    }

    ngx_llmops_tally_add(book->amount, amount);

    return NGX_OK;
}


/* the book of "at", an empty one made that, or else the newest */

static ngx_llmops_book_t *
ngx_llmops_tally_page(ngx_llmops_tally_rate_t *tr, int64_t at)
{
    ngx_uint_t          i;
    ngx_llmops_book_t  *book, *empty, *newest;

    empty = NULL;
    newest = NULL;

    for (i = 0; i < NGX_LLMOPS_TALLY_BOOKS; i++) {
        book = &tr->books[i];

        if (book->amount == 0 && book->sent == 0) {
            empty = book;
            continue;
        }

        if (book->at == at) {
            return book;
        }

        if (newest == NULL || book->at > newest->at) {
            newest = book;
        }
    }

    if (empty) {
        empty->at = at;
        return empty;
    }

    return newest;
}


ngx_uint_t
ngx_llmops_tally_book_due(ngx_llmops_book_t *book, int64_t now)
{
    if (book->amount
        && book->rate->period == NGX_LLMOPS_PERIOD_SLIDING
        && ngx_llmops_tally_left(book->rate, book->at) <= now)
    {
        book->amount = 0;
    }

    return book->amount != 0;
}


ngx_uint_t
ngx_llmops_tally_books_due(const ngx_llmops_tally_t *tally)
{
    ngx_uint_t  i, k;

    for (i = 0; i < tally->nrates; i++) {
        for (k = 0; k < NGX_LLMOPS_TALLY_BOOKS; k++) {

            if (tally->rates[i]->books[k].amount) {
                return 1;
            }
        }
    }

    return 0;
}


/*
 * Rates of the same unit have the same to tell, but for what had left a
 * window or was refused; the most counts, which is the safe side.
 */

int64_t
ngx_llmops_tally_open(const ngx_llmops_tally_t *tally, ngx_llmops_unit_e unit)
{
    int64_t                   amount, open;
    ngx_uint_t                i, n;
    ngx_llmops_tally_rate_t  *tr;

    for (open = 0, n = 0, i = 0; i < tally->nrates; i++) {
        tr = tally->rates[i];

        if (tr->unit != unit || tr->period == NGX_LLMOPS_PERIOD_HELD) {
            continue;
        }

        amount = ngx_llmops_tally_unsaid(tr);

        if (n++ == 0 || amount > open) {
            open = amount;
        }
    }

    return open;
}


static int64_t
ngx_llmops_tally_unsaid(const ngx_llmops_tally_rate_t *tr)
{
    int64_t     sum;
    ngx_uint_t  i;

    for (sum = 0, i = 0; i < NGX_LLMOPS_TALLY_BOOKS; i++) {
        ngx_llmops_tally_add(sum, tr->books[i].amount);
    }

    return sum;
}


void
ngx_llmops_tally_forget(ngx_llmops_tally_t *tally, const int64_t *amounts)
{
    int64_t     left;
    ngx_uint_t  i;

    for (i = 0; i < tally->nrates; i++) {
        left = amounts[tally->rates[i]->unit];

        while (left > 0) {
            left = ngx_llmops_tally_strike(tally->rates[i], left);
        }
    }
}


/* takes as much as there is from the oldest book; what is left to be taken,
   0 if there is none */

static int64_t
ngx_llmops_tally_strike(ngx_llmops_tally_rate_t *tr, int64_t amount)
{
    int64_t             n;
    ngx_uint_t          i;
    ngx_llmops_book_t  *book, *oldest;

    oldest = NULL;

    for (i = 0; i < NGX_LLMOPS_TALLY_BOOKS; i++) {
        book = &tr->books[i];

        if (book->amount > 0 && (oldest == NULL || book->at < oldest->at)) {
            oldest = book;
        }
    }

    if (oldest == NULL) {
        return 0;
    }

    n = ngx_min(oldest->amount, amount);
    oldest->amount -= n;

    return amount - n;
}
