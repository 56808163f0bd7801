
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_state.h"


/*
 * What has been used of calendar limits, and the ledger: written as a whole
 * every few seconds, as every request changes it, under another name which
 * then takes the place of the last one.  So the file is always whole: the last
 * frame says how many there are.
 *
 * What slides is not in it, nor what is reserved: both are over before anybody
 * notices a restart.  A period that is over is, for one more: something of it
 * may be carried into the next one.
 *
 *     'c'  name and key of a counter, and its slots
 *     'r'  a row of the ledger
 *     'e'  the end: the number of records
 */


#define NGX_LLMOPS_USAGE_TEMP      "usage.new"
#define NGX_LLMOPS_USAGE_CHUNK     65536
#define NGX_LLMOPS_USAGE_WINDOW    3600000   /* ms: shorter ones are not kept */
#define NGX_LLMOPS_USAGE_BUCKETS   64        /* looked at under one lock */
#define NGX_LLMOPS_USAGE_ROWS      64


typedef struct {
    ngx_llmops_state_t        *st;
    ngx_llmops_out_t           out;
    size_t                     start;      /* of the frame */
    int                        fd;
    uint64_t                   records;
} ngx_llmops_usage_writer_t;


static ngx_int_t ngx_llmops_usage_write(ngx_llmops_usage_writer_t *w);
static ngx_int_t ngx_llmops_usage_begin(ngx_llmops_usage_writer_t *w);
static ngx_int_t ngx_llmops_usage_flush(ngx_llmops_usage_writer_t *w,
    ngx_uint_t last);
static ngx_int_t ngx_llmops_usage_counters(ngx_llmops_usage_writer_t *w);
static ngx_uint_t ngx_llmops_usage_slot(ngx_llmops_slot_t *slot);
static void ngx_llmops_usage_counter(ngx_llmops_usage_writer_t *w,
    ngx_llmops_counter_t *counter);
static ngx_int_t ngx_llmops_usage_rows(ngx_llmops_usage_writer_t *w,
    ngx_uint_t max);
static void ngx_llmops_usage_row(ngx_llmops_usage_writer_t *w,
    ngx_llmops_rowcopy_t *row);


ngx_int_t
ngx_llmops_usage_save(ngx_llmops_state_t *st)
{
    int64_t                     changes;
    ngx_int_t                   rc;
    ngx_llmops_root_t          *root = st->shm->root;
    ngx_llmops_usage_writer_t   w;

    changes = root->changes;

    if (changes == root->saved) {
        return NGX_OK;
    }

    ngx_memzero(&w, sizeof(ngx_llmops_usage_writer_t));
    ngx_llmops_out_init(&w.out, NGX_LLMOPS_FRAME_MAX);

    w.st = st;
    w.fd = ngx_llmops_state_open(st, NGX_LLMOPS_USAGE_TEMP,
                                 O_WRONLY|O_CREAT|O_TRUNC);
    if (w.fd == -1) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_usage_write(&w);

    ngx_llmops_out_free(&w.out);

    if (rc == NGX_OK && fsync(w.fd) == -1) {
        rc = ngx_llmops_state_failed(st, "fsync()", NGX_LLMOPS_USAGE_TEMP,
                                     ngx_errno);
    }

    if (close(w.fd) == -1 && rc == NGX_OK) {
        rc = ngx_llmops_state_failed(st, "close()", NGX_LLMOPS_USAGE_TEMP,
                                     ngx_errno);
    }

    if (rc != NGX_OK
        || ngx_llmops_state_rename(st, NGX_LLMOPS_USAGE_TEMP,
                                   NGX_LLMOPS_USAGE_NAME)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    root->saved = changes;

    return NGX_OK;
}


/* rows that are folded into others while they are written would count twice:
   then all of them are copied at once */

static ngx_int_t
ngx_llmops_usage_write(ngx_llmops_usage_writer_t *w)
{
    ngx_int_t  rc;

    rc = ngx_llmops_usage_begin(w);

    if (rc == NGX_OK) {
        rc = ngx_llmops_usage_rows(w, NGX_LLMOPS_USAGE_ROWS);
    }

    if (rc == NGX_AGAIN) {
        rc = ngx_llmops_usage_begin(w);

        if (rc == NGX_OK) {
            rc = ngx_llmops_usage_rows(w, 0);
        }
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_llmops_frame_number(&w->out, 'e', 1);
    ngx_llmops_frame_number(&w->out, w->records, 8);

    return ngx_llmops_usage_flush(w, 1);
}


static ngx_int_t
ngx_llmops_usage_begin(ngx_llmops_usage_writer_t *w)
{
    if (ftruncate(w->fd, 0) == -1 || lseek(w->fd, 0, SEEK_SET) == -1) {
        return ngx_llmops_state_failed(w->st, "ftruncate()",
                                       NGX_LLMOPS_USAGE_TEMP, ngx_errno);
    }

    w->records = 0;

    ngx_llmops_out_reset(&w->out);
    w->start = ngx_llmops_frame_begin(&w->out);

    return ngx_llmops_usage_counters(w);
}


/* a frame that is large enough, or the last one */

static ngx_int_t
ngx_llmops_usage_flush(ngx_llmops_usage_writer_t *w, ngx_uint_t last)
{
    if (!last && w->out.len < NGX_LLMOPS_USAGE_CHUNK) {
        return NGX_OK;
    }

    ngx_llmops_frame_end(&w->out, w->start);

    if (w->out.failed) {
        return ngx_llmops_state_failed(w->st, "no memory",
                                       NGX_LLMOPS_USAGE_TEMP, 0);
    }

    if (ngx_llmops_state_write(w->st, w->fd, NGX_LLMOPS_USAGE_TEMP,
                               w->out.data, w->out.len)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_llmops_out_reset(&w->out);
    w->start = ngx_llmops_frame_begin(&w->out);

    return NGX_OK;
}


/*
 * Counters are copied under the lock, one at a time, and written without it.
 * One that is evicted or made meanwhile in the same bucket may be missed once;
 * the next time is a few seconds away.
 */

static ngx_int_t
ngx_llmops_usage_counters(ngx_llmops_usage_writer_t *w)
{
    uint64_t               b;
    ngx_uint_t             i, n, skip;
    ngx_llmops_shm_t      *shm = w->st->shm;
    ngx_llmops_counter_t  *c, *copy;

    copy = (ngx_llmops_counter_t *) w->st->scratch;
    skip = 0;

    for (b = 0; b <= shm->root->counters_mask; /* void */ ) {

        ngx_llmops_shm_lock(shm);

        c = NULL;

        for (i = 0; i < NGX_LLMOPS_USAGE_BUCKETS; i++) {

            c = shm->root->counters[b];

            for (n = 0; c && n < skip; n++) {
                c = c->chain;
            }

            if (c) {
                skip++;
                *copy = *c;
                break;
            }

            skip = 0;

            if (++b > shm->root->counters_mask) {
                break;
            }
        }

        ngx_llmops_shm_unlock(shm);

        if (c) {
            ngx_llmops_usage_counter(w, copy);

            if (ngx_llmops_usage_flush(w, 0) != NGX_OK) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_usage_slot(ngx_llmops_slot_t *slot)
{
    return slot->id
           && slot->ring == NULL
           && (slot->used || slot->carried)
           && ngx_llmops_slot_window(slot) >= NGX_LLMOPS_USAGE_WINDOW
           && slot->end + ngx_llmops_slot_window(slot) > ngx_llmops_shm_wall();
}


static void
ngx_llmops_usage_counter(ngx_llmops_usage_writer_t *w, ngx_llmops_counter_t *c)
{
    ngx_uint_t         i, n;
    ngx_llmops_out_t  *out = &w->out;

    for (n = 0, i = 0; i < NGX_LLMOPS_COUNTER_RATES; i++) {
        n += ngx_llmops_usage_slot(&c->slots[i]);
    }

    if (n == 0) {
        return;
    }

    w->records++;

    ngx_llmops_frame_number(out, 'c', 1);
    ngx_llmops_frame_number(out, n, 1);
    ngx_llmops_frame_number(out, c->name_len, 1);
    ngx_llmops_frame_number(out, c->key_len, 1);
    ngx_llmops_out_write(out, c->text, (size_t) c->name_len + c->key_len);

    for (i = 0; i < NGX_LLMOPS_COUNTER_RATES; i++) {

        if (ngx_llmops_usage_slot(&c->slots[i])) {
            ngx_llmops_frame_number(out, (uint64_t) c->slots[i].id, 8);
            ngx_llmops_frame_number(out, (uint64_t) c->slots[i].used, 8);
            ngx_llmops_frame_number(out, (uint64_t) c->slots[i].at, 8);
            ngx_llmops_frame_number(out, (uint64_t) c->slots[i].end, 8);
            ngx_llmops_frame_number(out, (uint64_t) c->slots[i].carried, 8);
        }
    }
}


/* a few at a time, or (0) all at once; NGX_AGAIN: begin again */

static ngx_int_t
ngx_llmops_usage_rows(ngx_llmops_usage_writer_t *w, ngx_uint_t max)
{
    ngx_int_t              rc;
    ngx_uint_t             i, n;
    ngx_llmops_walk_t      walk;
    ngx_llmops_rowcopy_t  *rows, *all;

    all = NULL;
    rows = (ngx_llmops_rowcopy_t *) w->st->scratch;

    if (max == 0) {
        max = (ngx_uint_t) w->st->shm->root->nrows + 1024;

        all = malloc(max * sizeof(ngx_llmops_rowcopy_t));
        if (all == NULL) {
            return ngx_llmops_state_failed(w->st, "no memory",
                                           NGX_LLMOPS_USAGE_TEMP, 0);
        }

        rows = all;
    }

    ngx_memzero(&walk, sizeof(ngx_llmops_walk_t));

    do {
        n = ngx_llmops_ledger_walk(w->st->shm, &walk, rows, max);

        rc = walk.moved ? NGX_AGAIN : NGX_OK;

        for (i = 0; i < n; i++) {
            ngx_llmops_usage_row(w, &rows[i]);
        }

        if (rc == NGX_OK) {
            rc = ngx_llmops_usage_flush(w, 0);
        }

    } while (rc == NGX_OK && n == max);

    free(all);

    return rc;
}


static void
ngx_llmops_usage_row(ngx_llmops_usage_writer_t *w, ngx_llmops_rowcopy_t *row)
{
    size_t             len;
    ngx_uint_t         i;
    ngx_llmops_out_t  *out = &w->out;

    w->records++;

    ngx_llmops_frame_number(out, 'r', 1);
    ngx_llmops_frame_number(out, row->day, 4);
    ngx_llmops_out_write(out, row->len, NGX_LLMOPS_LEDGER_PARTS);

    for (len = 0, i = 0; i < NGX_LLMOPS_LEDGER_PARTS; i++) {
        len += row->len[i];
    }

    ngx_llmops_out_write(out, row->text, len);

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
        ngx_llmops_frame_number(out, (uint64_t) row->sums[i], 8);
    }
}
