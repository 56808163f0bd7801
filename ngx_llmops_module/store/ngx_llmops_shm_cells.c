
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"


/*
 * Memory of the engine.  A pool has cells of one size; what is larger takes
 * several of them, chained by their first words.  So nothing is ever
 * fragmented, and taking and giving of any number of cells changes three
 * words: the list of free cells is a chain already, of which the front is cut
 * off.
 *
 * A pool has its memory from the zone, in extents, up to its share, and keeps
 * it.
 */


static void ngx_llmops_cells_thread(ngx_llmops_shm_t *shm,
    ngx_llmops_cells_t *cells);
static ngx_uint_t ngx_llmops_cells_grow(ngx_llmops_shm_t *shm,
    ngx_llmops_cells_t *cells);
static void ngx_llmops_cells_copy(ngx_llmops_cells_t *cells,
    ngx_llmops_cell_t *cell, size_t offset, u_char *p, size_t len,
    ngx_uint_t write);


#define NGX_LLMOPS_CELLS_BATCH  32


ngx_uint_t
ngx_llmops_cells_have(ngx_llmops_shm_t *shm, ngx_llmops_cells_t *cells,
    ngx_uint_t n)
{
    ngx_llmops_shm_commit(shm);

    while (cells->nfree < (int64_t) n) {

        if ((size_t) (cells->end - cells->fresh) < cells->size
            && !ngx_llmops_cells_grow(shm, cells))
        {
            return 0;
        }

        ngx_llmops_cells_thread(shm, cells);
    }

    return 1;
}


/* moves a few fresh cells to the list; nobody sees them before */

static void
ngx_llmops_cells_thread(ngx_llmops_shm_t *shm, ngx_llmops_cells_t *cells)
{
    u_char             *p;
    ngx_uint_t          i, n;
    ngx_llmops_cell_t  *cell, *next;

    n = (cells->end - cells->fresh) / cells->size;
    n = ngx_min(n, NGX_LLMOPS_CELLS_BATCH);

    p = cells->fresh + n * cells->size;
    next = cells->free;

    for (i = n; i; i--) {
        cell = (ngx_llmops_cell_t *) (cells->fresh + (i - 1) * cells->size);
        cell->next = next;
        next = cell;
    }

    ngx_llmops_shm_put(shm, cells->free, next);
    ngx_llmops_shm_put(shm, cells->fresh, p);
    ngx_llmops_shm_put(shm, cells->nfree, cells->nfree + (int64_t) n);

    ngx_llmops_shm_commit(shm);
}


/* should the process die between the two, an extent is lost: one of some 32 */

static ngx_uint_t
ngx_llmops_cells_grow(ngx_llmops_shm_t *shm, ngx_llmops_cells_t *cells)
{
    u_char  *p;

    if (cells->bytes + (int64_t) cells->extent > cells->max) {
        return 0;
    }

    p = ngx_slab_alloc_locked(shm->slab, cells->extent);
    if (p == NULL) {
        return 0;
    }

    ngx_llmops_shm_put(shm, cells->fresh, p);
    ngx_llmops_shm_put(shm, cells->end, p + cells->extent);
    ngx_llmops_shm_put(shm, cells->bytes,
                       cells->bytes + (int64_t) cells->extent);

    ngx_llmops_shm_commit(shm);

    return 1;
}


void *
ngx_llmops_cells_take(ngx_llmops_shm_t *shm, ngx_llmops_cells_t *cells,
    ngx_uint_t n)
{
    ngx_uint_t          i;
    ngx_llmops_cell_t  *first, *last;

    if (!ngx_llmops_cells_have(shm, cells, n)) {
        return NULL;
    }

    first = cells->free;
    last = first;

    for (i = 1; i < n; i++) {
        last = last->next;
    }

    ngx_llmops_shm_put(shm, cells->free, last->next);
    ngx_llmops_shm_put(shm, last->next, NULL);
    ngx_llmops_shm_put(shm, cells->nfree, cells->nfree - (int64_t) n);
    ngx_llmops_shm_put(shm, cells->used, cells->used + (int64_t) n);

    return first;
}


void
ngx_llmops_cells_give(ngx_llmops_shm_t *shm, ngx_llmops_cells_t *cells,
    void *first)
{
    int64_t             n;
    ngx_llmops_cell_t  *last;

    last = first;

    for (n = 1; last->next; n++) {
        last = last->next;
    }

    ngx_llmops_shm_put(shm, last->next, cells->free);
    ngx_llmops_shm_put(shm, cells->free, (ngx_llmops_cell_t *) first);
    ngx_llmops_shm_put(shm, cells->nfree, cells->nfree + n);
    ngx_llmops_shm_put(shm, cells->used, cells->used - n);
}


void
ngx_llmops_cells_write(ngx_llmops_cells_t *cells, void *first, size_t offset,
    ngx_str_t *s)
{
    ngx_llmops_cells_copy(cells, first, offset, s->data, s->len, 1);
}


void
ngx_llmops_cells_read(ngx_llmops_cells_t *cells, void *first, size_t offset,
    u_char *p, size_t len)
{
    ngx_llmops_cells_copy(cells, first, offset, p, len, 0);
}


/* an offset counts the bytes of all cells, and the first word of the first
   one, but not those of the others */

static void
ngx_llmops_cells_copy(ngx_llmops_cells_t *cells, ngx_llmops_cell_t *cell,
    size_t offset, u_char *p, size_t len, ngx_uint_t write)
{
    size_t   n;
    u_char  *q;

    while (len) {

        if (offset >= cells->size) {
            offset -= cells->size - sizeof(ngx_llmops_cell_t);
            cell = cell->next;
            continue;
        }

        q = (u_char *) cell + offset;
        n = ngx_min(len, cells->size - offset);

        if (write) {
            ngx_memcpy(q, p, n);

        } else {
            ngx_memcpy(p, q, n);
        }

        p += n;
        len -= n;
        offset += n;
    }
}
