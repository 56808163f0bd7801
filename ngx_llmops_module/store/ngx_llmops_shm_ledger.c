
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"


/*
 * The ledger in shared memory.  Rows are found by day and identity in a table
 * of hash chains, and hang on their day.  A day begins with its row "other",
 * which stays the last of its list, so that there is always something to add
 * to.
 *
 * When room is short, old detail goes before new: an invoice asks for last
 * month's rows, a chart of the year for its sums.  So days that are more than
 * 32 days back are folded into their "other" one by one, and what is left of
 * the last cells is kept for days to come.
 */


#define NGX_LLMOPS_LEDGER_DETAIL   32      /* days that are not folded */
#define NGX_LLMOPS_LEDGER_DAYS     400     /* days that are kept */
#define NGX_LLMOPS_LEDGER_SPARE    64      /* cells kept for new days */
#define NGX_LLMOPS_LEDGER_QUIET    60      /* s between two messages */


typedef struct {
    int64_t                    hash;
    uint32_t                   day;
    uint8_t                    len[NGX_LLMOPS_LEDGER_PARTS];
    size_t                     size;       /* of text */
    u_char                     text[NGX_LLMOPS_LEDGER_TEXT];
} ngx_llmops_rowkey_t;


static void ngx_llmops_rowkey(ngx_llmops_shm_t *shm,
    ngx_llmops_rowkey_t *key, uint32_t day, ngx_str_t *parts[]);
static size_t ngx_llmops_rowkey_part(u_char *p, ngx_str_t *part);
static ngx_llmops_row_t *ngx_llmops_row_get(ngx_llmops_shm_t *shm,
    ngx_llmops_rowkey_t *key, ngx_uint_t *full);
static ngx_llmops_row_t *ngx_llmops_row_find(ngx_llmops_shm_t *shm,
    ngx_llmops_rowkey_t *key);
static ngx_llmops_row_t *ngx_llmops_row_make(ngx_llmops_shm_t *shm,
    ngx_llmops_day_t *day, ngx_llmops_rowkey_t *key);
static ngx_uint_t ngx_llmops_row_room(ngx_llmops_shm_t *shm, ngx_uint_t n,
    uint32_t today);
static void ngx_llmops_row_add(ngx_llmops_shm_t *shm, ngx_llmops_row_t *row,
    const int64_t *sums);
static ngx_llmops_day_t *ngx_llmops_day_get(ngx_llmops_shm_t *shm,
    uint32_t day);
static ngx_llmops_day_t *ngx_llmops_day_make(ngx_llmops_shm_t *shm,
    uint32_t day);
static ngx_uint_t ngx_llmops_day_fold(ngx_llmops_shm_t *shm, int64_t before);
static void ngx_llmops_day_expire(ngx_llmops_shm_t *shm, int64_t before);
static int64_t ngx_llmops_day_number(uint32_t day);


static ngx_str_t  ngx_llmops_ledger_other = ngx_string("other");


#define ngx_llmops_row_cells(shm, len)                                        \
    (((len) - sizeof(ngx_llmops_cell_t)                                       \
      + (shm)->root->row_cells.size - sizeof(ngx_llmops_cell_t) - 1)          \
     / ((shm)->root->row_cells.size - sizeof(ngx_llmops_cell_t)))


void
ngx_llmops_shm_ledger_add(ngx_llmops_shm_t *shm, ngx_llmops_ledger_row_t *row)
{
    ngx_str_t             *parts[NGX_LLMOPS_LEDGER_PARTS];
    ngx_uint_t             full;
    ngx_llmops_row_t      *r;
    ngx_llmops_rowkey_t    key;

    parts[0] = &row->client;
    parts[1] = &row->tenant;
    parts[2] = &row->route;
    parts[3] = &row->model;

    ngx_llmops_rowkey(shm, &key, row->day, parts);

    full = 0;

    ngx_llmops_shm_lock(shm);

    r = ngx_llmops_row_get(shm, &key, &full);

    if (r) {
        ngx_llmops_row_add(shm, r, row->sums);
    }

    shm->root->changes++;

    ngx_llmops_shm_unlock(shm);

    if (full && ngx_time() >= shm->rows_full) {
        shm->rows_full = ngx_time() + NGX_LLMOPS_LEDGER_QUIET;

        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "llm_zone is too small for the ledger, usage is counted "
                      "as of \"other\"%s", r ? "" : ", or not at all");
    }
}


static void
ngx_llmops_rowkey(ngx_llmops_shm_t *shm, ngx_llmops_rowkey_t *key,
    uint32_t day, ngx_str_t *parts[])
{
    u_char      *p;
    ngx_str_t    text, lens;
    ngx_uint_t   i;

    p = key->text;

    for (i = 0; i < NGX_LLMOPS_LEDGER_PARTS; i++) {
        key->len[i] = ngx_llmops_rowkey_part(p, parts[i]);
        p += key->len[i];
    }

    key->day = day;
    key->size = p - key->text;

    text.data = key->text;
    text.len = key->size;
    lens.data = key->len;
    lens.len = NGX_LLMOPS_LEDGER_PARTS;

    key->hash = ngx_llmops_shm_hash(shm, day, &text, &lens);
}


/* a part that is too long is cut, before a character of UTF-8 that would be
   cut in two */

static size_t
ngx_llmops_rowkey_part(u_char *p, ngx_str_t *part)
{
    size_t  n;

    n = part->len;

    if (n == 0) {
        return 0;
    }

    if (n <= NGX_LLMOPS_LEDGER_PART) {
        ngx_memcpy(p, part->data, n);
        return n;
    }

    n = NGX_LLMOPS_LEDGER_PART - 1;

    while (n && (part->data[n] & 0xc0) == 0x80) {
        n--;
    }

    ngx_memcpy(p, part->data, n);
    p[n] = '*';

    return n + 1;
}


/* the row to add to; NULL only if a day has not even a row "other" */

static ngx_llmops_row_t *
ngx_llmops_row_get(ngx_llmops_shm_t *shm, ngx_llmops_rowkey_t *key,
    ngx_uint_t *full)
{
    ngx_llmops_row_t  *row;
    ngx_llmops_day_t  *day;

    row = ngx_llmops_row_find(shm, key);
    if (row) {
        return row;
    }

    day = ngx_llmops_day_get(shm, key->day);

    if (day == NULL) {
        *full = 1;
        return NULL;
    }

    if (ngx_llmops_row_room(shm, ngx_llmops_row_cells(shm,
                                  sizeof(ngx_llmops_row_t) + key->size),
                            key->day))
    {
        row = ngx_llmops_row_make(shm, day, key);
    }

    if (row == NULL) {
        *full = 1;
        return day->other;
    }

    return row;
}


static ngx_llmops_row_t *
ngx_llmops_row_find(ngx_llmops_shm_t *shm, ngx_llmops_rowkey_t *key)
{
    u_char              text[NGX_LLMOPS_LEDGER_TEXT];
    ngx_llmops_row_t   *row;
    ngx_llmops_root_t  *root = shm->root;

    row = root->rows[(uint64_t) key->hash & root->rows_mask];

    for ( /* void */ ; row; row = row->chain) {

        if (row->hash != key->hash
            || row->day != key->day
            || ngx_memcmp(row->len, key->len, NGX_LLMOPS_LEDGER_PARTS) != 0)
        {
            continue;
        }

        ngx_llmops_cells_read(&root->row_cells, row, sizeof(ngx_llmops_row_t),
                              text, key->size);

        if (ngx_memcmp(text, key->text, key->size) == 0) {
            return row;
        }
    }

    return NULL;
}


static ngx_llmops_row_t *
ngx_llmops_row_make(ngx_llmops_shm_t *shm, ngx_llmops_day_t *day,
    ngx_llmops_rowkey_t *key)
{
    ngx_str_t            text;
    ngx_llmops_row_t    *row, **bucket;
    ngx_llmops_root_t   *root = shm->root;

    row = ngx_llmops_cells_take(shm, &root->row_cells,
                                ngx_llmops_row_cells(shm,
                                    sizeof(ngx_llmops_row_t) + key->size));
    if (row == NULL) {
        return NULL;
    }

    text.data = key->text;
    text.len = key->size;

    bucket = &root->rows[(uint64_t) key->hash & root->rows_mask];

    row->chain = *bucket;
    row->next = day->rows;
    row->hash = key->hash;
    row->day = key->day;

    ngx_memcpy(row->len, key->len, NGX_LLMOPS_LEDGER_PARTS);
    ngx_memzero(row->sums, sizeof(row->sums));
    ngx_memzero(row->taken, sizeof(row->taken));

    ngx_llmops_cells_write(&root->row_cells, row, sizeof(ngx_llmops_row_t),
                           &text);

    ngx_llmops_shm_put(shm, *bucket, row);
    ngx_llmops_shm_put(shm, day->rows, row);
    ngx_llmops_shm_put(shm, root->nrows, root->nrows + 1);

    if (day->other == NULL) {
        ngx_llmops_shm_put(shm, day->other, row);
    }

    ngx_llmops_shm_commit(shm);

    return row;
}


/* a quarter is spare where the whole is not much */

static ngx_uint_t
ngx_llmops_row_room(ngx_llmops_shm_t *shm, ngx_uint_t n, uint32_t today)
{
    int64_t              before;
    ngx_uint_t           spare;
    ngx_llmops_cells_t  *cells = &shm->root->row_cells;

    spare = cells->max / cells->size / 4;
    spare = ngx_min(spare, NGX_LLMOPS_LEDGER_SPARE);

    before = ngx_llmops_day_number(today) - NGX_LLMOPS_LEDGER_DETAIL;

    while (!ngx_llmops_cells_have(shm, cells, n + spare)) {

        if (!ngx_llmops_day_fold(shm, before)) {
            return 0;
        }
    }

    return 1;
}


/* at most 10 words */

static void
ngx_llmops_row_add(ngx_llmops_shm_t *shm, ngx_llmops_row_t *row,
    const int64_t *sums)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
        if (sums[i]) {
            ngx_llmops_shm_put(shm, row->sums[i], row->sums[i] + sums[i]);
        }
    }
}


static ngx_llmops_day_t *
ngx_llmops_day_get(ngx_llmops_shm_t *shm, uint32_t day)
{
    int64_t            number;
    ngx_llmops_day_t  *d;

    for (d = shm->root->days; d; d = d->older) {
        if (d->day == day) {
            return d;
        }
    }

    number = ngx_llmops_day_number(day);

    ngx_llmops_day_expire(shm, number - NGX_LLMOPS_LEDGER_DAYS);

    while (!ngx_llmops_cells_have(shm, &shm->root->row_cells, 2)) {

        if (!ngx_llmops_day_fold(shm, number)) {
            return NULL;
        }
    }

    return ngx_llmops_day_make(shm, day);
}


/* two sequences: a day whose maker died in between is found without "other",
   and is completed by the next one */

static ngx_llmops_day_t *
ngx_llmops_day_make(ngx_llmops_shm_t *shm, uint32_t day)
{
    ngx_uint_t            i;
    ngx_str_t            *parts[NGX_LLMOPS_LEDGER_PARTS];
    ngx_llmops_day_t     *d;
    ngx_llmops_rowkey_t   key;

    d = ngx_llmops_cells_take(shm, &shm->root->row_cells, 1);
    if (d == NULL) {
        return NULL;
    }

    d->day = day;
    d->rows = NULL;
    d->other = NULL;
    d->older = shm->root->days;

    ngx_llmops_shm_put(shm, shm->root->days, d);
    ngx_llmops_shm_commit(shm);

    for (i = 0; i < NGX_LLMOPS_LEDGER_PARTS; i++) {
        parts[i] = &ngx_llmops_ledger_other;
    }

    ngx_llmops_rowkey(shm, &key, day, parts);

    return ngx_llmops_row_make(shm, d, &key) ? d : NULL;
}


/*
 * Makes one row less of the oldest day before that one that has more than its
 * "other": its newest row's sums go there.  What is being carried stays.  At
 * most 20 words for the sums, 8 for the row.
 */

static ngx_uint_t
ngx_llmops_day_fold(ngx_llmops_shm_t *shm, int64_t before)
{
    ngx_uint_t         i;
    ngx_llmops_day_t  *d, *oldest;
    ngx_llmops_row_t  *row;

    oldest = NULL;

    for (d = shm->root->days; d; d = d->older) {

        if (d->rows == d->other
            || ngx_llmops_day_number(d->day) >= before
            || (oldest && oldest->day < d->day))
        {
            continue;
        }

        for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
            if (d->rows->taken[i]) {
                break;
            }
        }

        if (i == NGX_LLMOPS_LEDGER_MAX) {
            oldest = d;
        }
    }

    if (oldest == NULL) {
        return 0;
    }

    row = oldest->rows;

    ngx_llmops_row_add(shm, oldest->other, row->sums);
    ngx_llmops_ledger_drop(shm, oldest, row);
    ngx_llmops_shm_commit(shm);

    return 1;
}


static void
ngx_llmops_day_expire(ngx_llmops_shm_t *shm, int64_t before)
{
    ngx_llmops_root_t   *root = shm->root;
    ngx_llmops_day_t    *d, **place;

    for (place = &root->days; *place; /* void */ ) {
        d = *place;

        if (ngx_llmops_day_number(d->day) >= before) {
            place = &d->older;
            continue;
        }

        while (d->rows) {
            ngx_llmops_ledger_drop(shm, d, d->rows);
            ngx_llmops_shm_commit(shm);
        }

        ngx_llmops_shm_put(shm, *place, d->older);
        ngx_llmops_cells_give(shm, &root->row_cells, d);
        ngx_llmops_shm_put(shm, root->rows_freed, root->rows_freed + 1);
        ngx_llmops_shm_commit(shm);
    }
}


void
ngx_llmops_ledger_drop(ngx_llmops_shm_t *shm, ngx_llmops_day_t *day,
    ngx_llmops_row_t *row)
{
    ngx_llmops_row_t   **place;
    ngx_llmops_root_t   *root = shm->root;

    place = &root->rows[(uint64_t) row->hash & root->rows_mask];

    while (*place != row) {
        place = &(*place)->chain;
    }

    ngx_llmops_shm_put(shm, *place, row->chain);

    for (place = &day->rows; *place != row; place = &(*place)->next) {
        /* void */
    }

    ngx_llmops_shm_put(shm, *place, row->next);

    if (day->other == row) {
        ngx_llmops_shm_put(shm, day->other, NULL);
    }

    ngx_llmops_cells_give(shm, &root->row_cells, row);

    ngx_llmops_shm_put(shm, root->nrows, root->nrows - 1);
    ngx_llmops_shm_put(shm, root->rows_freed, root->rows_freed + 1);
}


/* days since the first of March of the year 0, so that a leap day is the last
   of its year */

static int64_t
ngx_llmops_day_number(uint32_t day)
{
    int64_t  y, m, d;

    y = day / 10000;
    m = day / 100 % 100;
    d = day % 100;

    m -= 3;

    if (m < 0) {
        m += 12;
        y--;
    }

    return y * 365 + y / 4 - y / 100 + y / 400 + (m * 153 + 2) / 5 + d;
}
