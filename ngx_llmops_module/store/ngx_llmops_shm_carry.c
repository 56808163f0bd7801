
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"


/*
 * What of the ledger is carried elsewhere.  A batch is the rows that have
 * something in taken[]: amounts that are part of the row's sums and may, or
 * may not, have been added over there already.  It lies in shared memory with
 * its number, so that it outlives the worker that carries it, and the next one
 * carries the same once more: with the number over there as well, nothing is
 * added twice and nothing is lost.
 */


static ngx_uint_t ngx_llmops_carry_begin(ngx_llmops_shm_t *shm);
static ngx_uint_t ngx_llmops_carry_mark(ngx_llmops_shm_t *shm,
    ngx_uint_t max);
static ngx_uint_t ngx_llmops_carry_lives(ngx_llmops_shm_t *shm);
static ngx_int_t ngx_llmops_carry_rows(ngx_llmops_shm_t *shm,
    ngx_array_t *rows);
static ngx_uint_t ngx_llmops_carry_copy(ngx_llmops_shm_t *shm,
    ngx_llmops_rowcopy_t *copies, ngx_uint_t n);
static ngx_uint_t ngx_llmops_row_taken(ngx_llmops_row_t *row);
static void ngx_llmops_row_done(ngx_llmops_shm_t *shm, ngx_llmops_day_t *day,
    ngx_llmops_row_t *row, ngx_uint_t ok);


ngx_int_t
ngx_llmops_ledger_take(ngx_llmops_store_t *store, ngx_uint_t max,
    ngx_pool_t *pool, ngx_array_t **rows, uint64_t *batch)
{
    ngx_uint_t         n;
    ngx_array_t       *array;
    ngx_llmops_shm_t  *shm = store->shm;

    ngx_llmops_shm_lock(shm);

    n = ngx_llmops_carry_begin(shm);

    if (n && shm->root->carrier == 0) {
        n = ngx_llmops_carry_mark(shm, max);
    }

    if (n) {
        ngx_llmops_shm_put(shm, shm->root->carrier, shm->serial);
        *batch = (uint64_t) shm->root->batch;
    }

    ngx_llmops_shm_unlock(shm);

    if (n == 0) {
        return NGX_DECLINED;
    }

    array = ngx_array_create(pool, 16, sizeof(ngx_llmops_ledger_row_t));

    if (array == NULL || ngx_llmops_carry_rows(shm, array) != NGX_OK) {
        return NGX_ERROR;                    /* the next call gets it again */
    }

    *rows = array;

    return NGX_OK;
}


/* whether it is on this worker to carry */

static ngx_uint_t
ngx_llmops_carry_begin(ngx_llmops_shm_t *shm)
{
    int64_t  now;

    now = ngx_llmops_shm_now(shm);

    if (ngx_llmops_member_join(shm, now) != NGX_OK) {
        return 0;
    }

    return shm->root->carrier == 0
           || shm->root->carrier == shm->serial
           || !ngx_llmops_carry_lives(shm);
}


static ngx_uint_t
ngx_llmops_carry_lives(ngx_llmops_shm_t *shm)
{
    ngx_llmops_member_t  *m;

    for (m = shm->root->members; m; m = m->next) {
        if (m->serial == shm->root->carrier) {
            return 1;
        }
    }

    return 0;
}


/*
 * Begins a batch.  Rows are marked one by one: should the worker die meanwhile
 * nobody has seen the batch, as it has no carrier yet, and it is marked anew
 * under the same number.  So each row that has been marked by then is taken
 * with what it has now.
 */

static ngx_uint_t
ngx_llmops_carry_mark(ngx_llmops_shm_t *shm, ngx_uint_t max)
{
    ngx_uint_t         i, n, any;
    ngx_llmops_day_t  *day;
    ngx_llmops_row_t  *row;

    n = 0;

    ngx_llmops_shm_put(shm, shm->root->batch,
                       (shm->root->batch + 1) & INT64_MAX);
    ngx_llmops_shm_commit(shm);

    for (day = shm->root->days; day && n < max; day = day->older) {

        for (row = day->rows; row && n < max; row = row->next) {

            for (any = 0, i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
                if (row->sums[i]) {
                    any = 1;
                }

                if (row->sums[i] != row->taken[i]) {
                    ngx_llmops_shm_put(shm, row->taken[i], row->sums[i]);
                }
            }

            ngx_llmops_shm_commit(shm);

            n += any;
        }
    }

    return n;
}


/*
 * The batch does not change while it has a carrier that lives: it may be
 * counted first and copied then.
 */

static ngx_int_t
ngx_llmops_carry_rows(ngx_llmops_shm_t *shm, ngx_array_t *rows)
{
    ngx_uint_t                 i, n;
    ngx_llmops_rowcopy_t      *copies;
    ngx_llmops_ledger_row_t   *row;

    n = ngx_llmops_carry_copy(shm, NULL, 0);

    copies = ngx_palloc(rows->pool, (n + 1) * sizeof(ngx_llmops_rowcopy_t));
    if (copies == NULL) {
        return NGX_ERROR;
    }

    n = ngx_llmops_carry_copy(shm, copies, n);

    for (i = 0; i < n; i++) {
        row = ngx_array_push(rows);

        if (row == NULL
            || ngx_llmops_ledger_public(rows->pool, &copies[i], row) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


/* copies up to n rows, if there is where to; returns how many there are */

static ngx_uint_t
ngx_llmops_carry_copy(ngx_llmops_shm_t *shm, ngx_llmops_rowcopy_t *copies,
    ngx_uint_t n)
{
    ngx_uint_t         i;
    ngx_llmops_day_t  *day;
    ngx_llmops_row_t  *row;

    i = 0;

    ngx_llmops_shm_lock(shm);

    for (day = shm->root->days; day; day = day->older) {

        for (row = day->rows; row; row = row->next) {

            if (!ngx_llmops_row_taken(row)) {
                continue;
            }

            if (copies && i < n) {
                ngx_llmops_ledger_copy(shm, row, &copies[i]);
                ngx_memcpy(copies[i].sums, row->taken, sizeof(row->taken));
            }

            i++;
        }
    }

    ngx_llmops_shm_unlock(shm);

    return copies ? ngx_min(i, n) : i;
}


void
ngx_llmops_ledger_done(ngx_llmops_store_t *store, uint64_t batch,
    ngx_uint_t ok)
{
    ngx_llmops_day_t   *day;
    ngx_llmops_row_t   *row, *next;
    ngx_llmops_shm_t   *shm = store->shm;
    ngx_llmops_root_t  *root = shm->root;

    ngx_llmops_shm_lock(shm);

    if (root->carrier == 0 || root->batch != (int64_t) batch) {
        ngx_llmops_shm_unlock(shm);
        return;
    }

    for (day = root->days; day; day = day->older) {

        for (row = day->rows; row; row = next) {
            next = row->next;

            if (ngx_llmops_row_taken(row)) {
                ngx_llmops_row_done(shm, day, row, ok);
            }
        }
    }

    ngx_llmops_shm_put(shm, root->carrier, 0);

    ngx_llmops_shm_unlock(shm);
}


static ngx_uint_t
ngx_llmops_row_taken(ngx_llmops_row_t *row)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
        if (row->taken[i]) {
            return 1;
        }
    }

    return 0;
}


/* at most 30 words; should the worker die between two rows, the rest of the
   batch is still taken, under the same number, and whoever carries it again
   learns from there that it has been added */

static void
ngx_llmops_row_done(ngx_llmops_shm_t *shm, ngx_llmops_day_t *day,
    ngx_llmops_row_t *row, ngx_uint_t ok)
{
    ngx_uint_t  i, left;

    left = 0;

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {

        if (row->taken[i] && ok) {
            ngx_llmops_shm_put(shm, row->sums[i],
                               row->sums[i] - row->taken[i]);
        }

        if (row->taken[i]) {
            ngx_llmops_shm_put(shm, row->taken[i], 0);
        }

        left |= (row->sums[i] != 0);
    }

    if (!left && row != day->other) {
        ngx_llmops_ledger_drop(shm, day, row);
    }

    ngx_llmops_shm_commit(shm);
}
