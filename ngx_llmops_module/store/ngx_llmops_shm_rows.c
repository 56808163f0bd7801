
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"


/*
 * Reading the ledger: rows are copied a few at a time, so that no lock is held
 * for long, and made public outside of it.
 */


static ngx_int_t ngx_llmops_rows_collect(ngx_array_t *array,
    ngx_llmops_rowcopy_t *copy);


void
ngx_llmops_ledger_copy(ngx_llmops_shm_t *shm, ngx_llmops_row_t *row,
    ngx_llmops_rowcopy_t *copy)
{
    size_t      size;
    ngx_uint_t  i;

    copy->day = row->day;
    ngx_memcpy(copy->len, row->len, NGX_LLMOPS_LEDGER_PARTS);
    ngx_memcpy(copy->sums, row->sums, sizeof(copy->sums));

    for (size = 0, i = 0; i < NGX_LLMOPS_LEDGER_PARTS; i++) {
        size += row->len[i];
    }

    ngx_llmops_cells_read(&shm->root->row_cells, row, sizeof(ngx_llmops_row_t),
                          copy->text, size);
}


/*
 * New rows come before those that have been passed, new days too: they are
 * missed.  Rows that were freed may have been the next one: begin again.
 */

ngx_uint_t
ngx_llmops_ledger_walk(ngx_llmops_shm_t *shm, ngx_llmops_walk_t *walk,
    ngx_llmops_rowcopy_t *copies, ngx_uint_t n)
{
    ngx_uint_t          i;
    ngx_llmops_root_t  *root = shm->root;

    i = 0;

    ngx_llmops_shm_lock(shm);

    if (!walk->begun) {
        walk->begun = 1;
        walk->freed = root->rows_freed;
        walk->day = root->days;
        walk->row = walk->day ? walk->day->rows : NULL;
    }

    walk->moved = (walk->freed != root->rows_freed);

    while (!walk->moved && walk->day && i < n) {

        if (walk->row == NULL) {
            walk->day = walk->day->older;
            walk->row = walk->day ? walk->day->rows : NULL;
            continue;
        }

        ngx_llmops_ledger_copy(shm, walk->row, &copies[i++]);
        walk->row = walk->row->next;
    }

    ngx_llmops_shm_unlock(shm);

    return i;
}


ngx_int_t
ngx_llmops_ledger_public(ngx_pool_t *pool, ngx_llmops_rowcopy_t *copy,
    ngx_llmops_ledger_row_t *row)
{
    size_t       size;
    u_char      *p;
    ngx_str_t   *parts[NGX_LLMOPS_LEDGER_PARTS];
    ngx_uint_t   i;

    parts[0] = &row->client;
    parts[1] = &row->tenant;
    parts[2] = &row->route;
    parts[3] = &row->model;

    for (size = 0, i = 0; i < NGX_LLMOPS_LEDGER_PARTS; i++) {
        size += copy->len[i];
    }

    p = ngx_pnalloc(pool, size + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(p, copy->text, size);

    for (i = 0; i < NGX_LLMOPS_LEDGER_PARTS; i++) {
        parts[i]->data = p;
        parts[i]->len = copy->len[i];
        p += copy->len[i];
    }

    row->day = copy->day;
    ngx_memcpy(row->sums, copy->sums, sizeof(row->sums));

    return NGX_OK;
}


/* rows without sums are those of days that have no "other" */

static ngx_int_t
ngx_llmops_rows_collect(ngx_array_t *array, ngx_llmops_rowcopy_t *copy)
{
    ngx_uint_t                i;
    ngx_llmops_ledger_row_t  *row;

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
        if (copy->sums[i]) {
            break;
        }
    }

    if (i == NGX_LLMOPS_LEDGER_MAX) {
        return NGX_OK;
    }

    row = ngx_array_push(array);
    if (row == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_ledger_public(array->pool, copy, row);
}


ngx_int_t
ngx_llmops_shm_rows(ngx_llmops_store_t *store, uint32_t from, uint32_t to,
    ngx_pool_t *pool, ngx_array_t **rows, ngx_llmops_ledger_pt handler,
    void *data, ngx_llmops_ledger_read_t **read)
{
    ngx_uint_t             i, n, max;
    ngx_array_t           *array;
    ngx_llmops_shm_t      *shm = store->shm;
    ngx_llmops_walk_t      walk;
    ngx_llmops_rowcopy_t  *copies;

    copies = (ngx_llmops_rowcopy_t *) shm->scratch;
    max = NGX_LLMOPS_DOC_SIZE / sizeof(ngx_llmops_rowcopy_t);

    array = ngx_array_create(pool, 64, sizeof(ngx_llmops_ledger_row_t));
    if (array == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&walk, sizeof(ngx_llmops_walk_t));

    for ( ;; ) {
        n = ngx_llmops_ledger_walk(shm, &walk, copies, max);

        if (walk.moved) {
            array->nelts = 0;
            ngx_memzero(&walk, sizeof(ngx_llmops_walk_t));
            continue;
        }

        if (n == 0) {
            break;
        }

        for (i = 0; i < n; i++) {
            if (copies[i].day >= from && copies[i].day <= to
                && ngx_llmops_rows_collect(array, &copies[i]) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }
    }

    *rows = array;

    return NGX_OK;
}
