
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_state.h"


/*
 * Reading what has been used.  It may be read into a zone that counts already:
 * of what is in both the larger number is right, since nothing that is counted
 * here ever becomes less within its period.
 */


typedef struct {
    ngx_llmops_state_t        *st;
    uint64_t                   records;
    unsigned                   ended:1;
    unsigned                   full:1;
} ngx_llmops_usage_reader_t;


static ngx_int_t ngx_llmops_usage_read(ngx_llmops_state_t *st,
    ngx_llmops_reader_t *file);
static ngx_int_t ngx_llmops_usage_frame(ngx_llmops_usage_reader_t *r,
    ngx_str_t *inside);
static u_char *ngx_llmops_usage_record(ngx_llmops_usage_reader_t *r, u_char *p,
    u_char *last);
static u_char *ngx_llmops_usage_get_counter(ngx_llmops_usage_reader_t *r,
    u_char *p, u_char *last);
static void ngx_llmops_usage_get_slot(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter, u_char *p);
static u_char *ngx_llmops_usage_get_row(ngx_llmops_usage_reader_t *r,
    u_char *p, u_char *last);


ngx_int_t
ngx_llmops_usage_load(ngx_llmops_state_t *st)
{
    int                  fd;
    ngx_int_t            rc;
    ngx_llmops_reader_t  file;

    fd = ngx_llmops_state_open(st, NGX_LLMOPS_USAGE_NAME, O_RDONLY);

    if (fd == -1) {
        return (st->err == NGX_ENOENT) ? NGX_OK : NGX_ERROR;
    }

    rc = ngx_llmops_reader_open(&file, st, fd, NGX_LLMOPS_USAGE_NAME, 0);

    if (rc == NGX_OK) {
        rc = ngx_llmops_usage_read(st, &file);
    }

    ngx_llmops_reader_close(&file);

    (void) close(fd);

    return rc;
}


static ngx_int_t
ngx_llmops_usage_read(ngx_llmops_state_t *st, ngx_llmops_reader_t *file)
{
    off_t                      at;
    int64_t                    evicted;
    ngx_int_t                  rc;
    ngx_str_t                  inside;
    ngx_llmops_root_t         *root = st->shm->root;
    ngx_llmops_usage_reader_t  r;

    ngx_memzero(&r, sizeof(ngx_llmops_usage_reader_t));

    r.st = st;

    evicted = root->evicted[NGX_LLMOPS_QUEUE_CALENDAR];

    do {
        at = ngx_llmops_reader_at(file);

        rc = ngx_llmops_reader_frame(file, &inside);

        if (rc == NGX_OK) {
            rc = ngx_llmops_usage_frame(&r, &inside);
        }

    } while (rc == NGX_OK);

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    if (rc != NGX_DONE || !r.ended) {
        (void) ngx_llmops_state_failed(st, "it is damaged; restore it from a "
                            "backup, or move it away to begin with nothing "
                            "used", NGX_LLMOPS_USAGE_NAME, 0);
        st->at = at;
        return NGX_ERROR;
    }

    if (r.full || evicted != root->evicted[NGX_LLMOPS_QUEUE_CALENDAR]) {
        return ngx_llmops_state_failed(st, "llm_zone is too small for what is "
                                       "in it, make it larger",
                                       NGX_LLMOPS_USAGE_NAME, 0);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_usage_frame(ngx_llmops_usage_reader_t *r, ngx_str_t *inside)
{
    u_char  *p, *last;

    p = inside->data;
    last = p + inside->len;

    if (r->ended) {
        return NGX_DECLINED;
    }

    while (p && p != last) {
        p = ngx_llmops_usage_record(r, p, last);
    }

    return p ? NGX_OK : NGX_DECLINED;
}


/* returns where the next one begins; NULL: this is none */

static u_char *
ngx_llmops_usage_record(ngx_llmops_usage_reader_t *r, u_char *p, u_char *last)
{
    switch (*p++) {

    case 'c':
        r->records++;
        return ngx_llmops_usage_get_counter(r, p, last);

    case 'r':
        r->records++;
        return ngx_llmops_usage_get_row(r, p, last);

    case 'e':
        if (last - p == 8 && ngx_llmops_frame_get(p, 8) == r->records) {
            r->ended = 1;
            return last;
        }

        /* fall through */

    default:
        return NULL;
    }
}


static u_char *
ngx_llmops_usage_get_counter(ngx_llmops_usage_reader_t *r, u_char *p,
    u_char *last)
{
    ngx_uint_t             n;
    ngx_llmops_shm_t      *shm = r->st->shm;
    ngx_llmops_charge_t    charge;
    ngx_llmops_counter_t  *counter;

    if (last - p < 3) {
        return NULL;
    }

    ngx_memzero(&charge, sizeof(ngx_llmops_charge_t));

    n = p[0];
    charge.name.len = p[1];
    charge.key.len = p[2];
    charge.name.data = p + 3;
    charge.key.data = charge.name.data + charge.name.len;

    p = charge.name.data;

    if ((size_t) (last - p) < charge.name.len + charge.key.len
                              + n * NGX_LLMOPS_SLOT_BYTES)
    {
        return NULL;
    }

    p = charge.key.data + charge.key.len;

    ngx_llmops_shm_lock(shm);

    counter = ngx_llmops_counter_get(shm, &charge,
                                     ngx_llmops_charge_hash(shm, &charge));
    if (counter == NULL) {
        r->full = 1;
    }

    for ( /* void */ ; n; n--) {

        if (counter) {
            ngx_llmops_usage_get_slot(shm, counter, p);
        }

        p += NGX_LLMOPS_SLOT_BYTES;
    }

    ngx_llmops_shm_unlock(shm);

    return p;
}


/* what the zone has of the same period, or of a later one, stays if it is
   more */

static void
ngx_llmops_usage_get_slot(ngx_llmops_shm_t *shm, ngx_llmops_counter_t *counter,
    u_char *p)
{
    int64_t             id, used, at, end, carried;
    ngx_uint_t          i;
    ngx_llmops_slot_t  *slot;

    id = (int64_t) ngx_llmops_frame_get(p, 8);
    used = (int64_t) ngx_llmops_frame_get(p + 8, 8);
    at = (int64_t) ngx_llmops_frame_get(p + 16, 8);
    end = (int64_t) ngx_llmops_frame_get(p + 24, 8);
    carried = (int64_t) ngx_llmops_frame_get(p + 32, 8);

    if (end + (id & NGX_LLMOPS_WINDOW_MASK) <= ngx_llmops_shm_wall()) {
        return;
    }

    slot = NULL;

    for (i = 0; i < NGX_LLMOPS_COUNTER_RATES; i++) {

        if (counter->slots[i].id == id) {
            slot = &counter->slots[i];
            break;
        }

        if (slot == NULL && counter->slots[i].id == 0) {
            slot = &counter->slots[i];
        }
    }

    if (slot == NULL
        || (slot->id == id
            && (slot->at > at || (slot->at == at && slot->used >= used))))
    {
        return;
    }

    ngx_llmops_counter_keep(shm, counter);

    ngx_llmops_shm_put(shm, slot->id, id);
    ngx_llmops_shm_put(shm, slot->used, used);
    ngx_llmops_shm_put(shm, slot->at, at);
    ngx_llmops_shm_put(shm, slot->end, end);
    ngx_llmops_shm_put(shm, slot->carried, carried);

    ngx_llmops_shm_commit(shm);
}


static u_char *
ngx_llmops_usage_get_row(ngx_llmops_usage_reader_t *r, u_char *p, u_char *last)
{
    size_t                 len;
    ngx_uint_t             i;
    ngx_llmops_rowcopy_t   row;

    if (last - p < 4 + NGX_LLMOPS_LEDGER_PARTS) {
        return NULL;
    }

    row.day = ngx_llmops_frame_get(p, 4);
    p += 4;

    for (len = 0, i = 0; i < NGX_LLMOPS_LEDGER_PARTS; i++) {
        row.len[i] = *p++;
        len += row.len[i];

        if (row.len[i] > NGX_LLMOPS_LEDGER_PART) {
            return NULL;
        }
    }

    if ((size_t) (last - p) < len + 8 * NGX_LLMOPS_LEDGER_MAX) {
        return NULL;
    }

    ngx_memcpy(row.text, p, len);
    p += len;

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
        row.sums[i] = (int64_t) ngx_llmops_frame_get(p, 8);
        p += 8;
    }

    ngx_llmops_ledger_restore(r->st->shm, &row);

    return p;
}
