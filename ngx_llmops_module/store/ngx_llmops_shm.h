
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SHM_H_INCLUDED_
#define _NGX_LLMOPS_SHM_H_INCLUDED_


#include "ngx_llmops_shm_layout.h"


/*
 * The engine in shared memory, as its own files see it; nobody else includes
 * this.  What it keeps lies in the zone of llm_zone, below one root, which is
 * a node of that zone:
 *
 *   ngx_llmops_shm_undo.c     the lock; changes that are whole or not at all
 *   ngx_llmops_shm_cells.c    memory: pools of cells of one size
 *   ngx_llmops_shm_counter.c  counters: found, made, evicted
 *   ngx_llmops_shm_rate.c     rates: sliding windows, periods, levels
 *   ngx_llmops_shm_reserve.c  reservations
 *   ngx_llmops_shm_worker.c   who holds what, and what becomes of it
 *   ngx_llmops_shm_docs.c     documents
 *   ngx_llmops_shm_ledger.c   the ledger's rows and days
 *   ngx_llmops_shm_rows.c     reading them
 *   ngx_llmops_shm_carry.c    what of it is carried elsewhere
 *   ngx_llmops_shm_engine.c   what the store sees of all that
 *
 * All is protected by one lock, the zone's mutex: a request holds it twice,
 * for well below a microsecond.  nginx's master breaks it as soon as it has
 * seen the end of a worker that held it.  What that worker was changing is
 * then undone by whoever takes the lock next: each change is written to a
 * short log before it is made, see ngx_llmops_shm_undo.c.  So every sequence
 * of changes between two commits happens whole or not at all, whenever a
 * worker is killed.
 *
 * Pointers are kept as they are: all workers have the zone at one address,
 * inherited from the master, also across a reload.
 *
 * A process that has the lock calls nothing that may wait or log, and no
 * allocator but the zone's, which is asked only to grow a pool: a bounded
 * number of times in the life of a zone.
 */


/* -- ngx_llmops_shm_undo.c ------------------------------------------------ */

#define ngx_llmops_shm_barrier()   __asm__ volatile ("" ::: "memory")

/*
 * Changes a field of shared memory, of the size of an int64_t or a pointer,
 * so that it can be undone.  With the lock.
 */
#define ngx_llmops_shm_put(shm, field, value)                                 \
    do {                                                                      \
        ngx_llmops_undo_note((shm)->root, (uintptr_t *) (void *) &(field),    \
                             sizeof(field));                                  \
        (field) = (value);                                                    \
    } while (0)

/* All that has been changed since the last one stays. */
#define ngx_llmops_shm_commit(shm)                                            \
    do {                                                                      \
        ngx_llmops_shm_barrier();                                             \
        (shm)->root->nundo = 0;                                               \
        ngx_llmops_shm_barrier();                                             \
    } while (0)


static ngx_inline void
ngx_llmops_undo_note(ngx_llmops_root_t *root, uintptr_t *addr, size_t size)
{
    size_t              i;
    ngx_llmops_undo_t  *undo;

    for (i = 0; i < size / sizeof(uintptr_t); i++) {

#if (NGX_DEBUG)
        if (root->nundo == NGX_LLMOPS_UNDO_MAX) {
            ngx_debug_point();
            abort();
        }
#endif

        undo = &root->undo[root->nundo];

        undo->addr = &addr[i];
        undo->old = addr[i];
        ngx_llmops_shm_barrier();

        root->nundo++;
        ngx_llmops_shm_barrier();
    }
}

/* Takes the lock, and undoes what a worker was doing that died with it. */
void ngx_llmops_shm_lock(ngx_llmops_shm_t *shm);

/* Commits, and gives the lock back. */
void ngx_llmops_shm_unlock(ngx_llmops_shm_t *shm);

/* Milliseconds that never go back, the same for all workers.  With the lock. */
int64_t ngx_llmops_shm_now(ngx_llmops_shm_t *shm);

/* Milliseconds since the epoch. */
#define ngx_llmops_shm_wall()                                                 \
    ((int64_t) ngx_cached_time->sec * 1000 + (int64_t) ngx_cached_time->msec)

/* Whether the bytes at p are those of s, whose data may be NULL if it is
   empty. */
#define ngx_llmops_shm_same(p, s)                                             \
    ((s)->len == 0 || ngx_memcmp(p, (s)->data, (s)->len) == 0)

/* A hash that callers cannot foresee, of two strings. */
int64_t ngx_llmops_shm_hash(ngx_llmops_shm_t *shm, uint64_t kind,
    ngx_str_t *a, ngx_str_t *b);

/*
 * Makes the root of a zone of that many bytes, or finds it made.  Takes the
 * lock.  NGX_OK or NGX_ERROR: the zone is too small.
 */
ngx_int_t ngx_llmops_shm_open(ngx_llmops_shm_t *shm, ngx_slab_pool_t *slab,
    ngx_llmops_root_t *root, size_t size);


/* -- ngx_llmops_shm_cells.c: with the lock --------------------------------- */

/* Whether n cells could be taken now; grows the pool if need be.  Commits. */
ngx_uint_t ngx_llmops_cells_have(ngx_llmops_shm_t *shm,
    ngx_llmops_cells_t *cells, ngx_uint_t n);

/*
 * Takes n cells, chained, the last one's next being NULL; NULL if there are
 * not so many.  Commits what was done before.  What is in the cells behind
 * the first word may be written without ceremony until the next commit.
 */
void *ngx_llmops_cells_take(ngx_llmops_shm_t *shm, ngx_llmops_cells_t *cells,
    ngx_uint_t n);

/* Gives a chain back. */
void ngx_llmops_cells_give(ngx_llmops_shm_t *shm, ngx_llmops_cells_t *cells,
    void *first);

/*
 * Copies to and from a chain of cells.  Offsets go through the chain as if it
 * were one piece; the first words of all but the first cell do not count.
 */
void ngx_llmops_cells_write(ngx_llmops_cells_t *cells, void *first,
    size_t offset, ngx_str_t *s);
void ngx_llmops_cells_read(ngx_llmops_cells_t *cells, void *first,
    size_t offset, u_char *p, size_t len);


/* -- ngx_llmops_shm_counter.c: with the lock ------------------------------- */

/* The counter of a charge, or NULL. */
ngx_llmops_counter_t *ngx_llmops_counter_find(ngx_llmops_shm_t *shm,
    ngx_llmops_charge_t *charge, int64_t hash);

/* The same, made if there is none; NULL: no room.  Commits. */
ngx_llmops_counter_t *ngx_llmops_counter_get(ngx_llmops_shm_t *shm,
    ngx_llmops_charge_t *charge, int64_t hash);

/* A cell for a ring of counter, which is not evicted for it; NULL: no room.
   Commits. */
ngx_llmops_ring_t *ngx_llmops_counter_ring(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter);

/* One reservation more, one less. */
void ngx_llmops_counter_hold(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter);
void ngx_llmops_counter_unhold(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter);

/* The counter has a calendar rate: it is not evicted before all that have
   none.  While it is not held. */
void ngx_llmops_counter_keep(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter);


#define ngx_llmops_charge_hash(shm, charge)                                   \
    ngx_llmops_shm_hash(shm, 0, &(charge)->name, &(charge)->key)


/* -- ngx_llmops_shm_rate.c: with the lock ---------------------------------- */

/* a window is at most 2^48 ms, some 9000 years; a slot's id has it */

#define NGX_LLMOPS_WINDOW_MASK     (((int64_t) 1 << 48) - 1)

#define ngx_llmops_slot_window(slot)  ((slot)->id & NGX_LLMOPS_WINDOW_MASK)

/* more than any limit, and far from an overflow when added up */
#define NGX_LLMOPS_AMOUNT_MAX      ((int64_t) 1 << 56)

/*
 * Brings what is counted for a charge's rates up to now: slots are made,
 * windows move on, periods begin.  Commits.  NGX_OK; NGX_DECLINED: no room.
 */
ngx_int_t ngx_llmops_rates_advance(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter, ngx_llmops_charge_t *charge, int64_t now);

/* Sets charge->levels; counter NULL: nothing has been counted. */
void ngx_llmops_rates_levels(ngx_llmops_counter_t *counter,
    ngx_llmops_charge_t *charge, int64_t now);

/* Sets granted and denied by the levels, and the denied ones' retry. */
void ngx_llmops_rates_grant(ngx_llmops_counter_t *counter,
    ngx_llmops_charge_t *charge, int64_t now);

/* Counts amounts, by unit, in all rates of the charge, which have been brought
   up to now. */
void ngx_llmops_rates_add(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter, ngx_llmops_charge_t *charge,
    const int64_t *amounts);

/* Takes out again what was counted at a time; no more than there is. */
void ngx_llmops_rates_subtract(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter, ngx_llmops_charge_t *charge,
    ngx_llmops_unit_e unit, int64_t amount, int64_t then);

/* Forgets what has been counted for the charge's rates.  Commits. */
void ngx_llmops_rates_reset(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter, ngx_llmops_charge_t *charge);


/* -- ngx_llmops_shm_worker.c ---------------------------------------------- */

/* Makes sure that this process is known.  With the lock; commits.  NGX_OK;
   NGX_DECLINED: no room. */
ngx_int_t ngx_llmops_member_join(ngx_llmops_shm_t *shm, int64_t now);

/* A new hold of this process on a counter; NULL: no room.  With the lock;
   commits what was done before. */
ngx_llmops_hold_t *ngx_llmops_hold_make(ngx_llmops_shm_t *shm,
    ngx_llmops_counter_t *counter, int64_t now);

/* The end of a hold: what is held in its counter is given back.  With the
   lock. */
void ngx_llmops_hold_end(ngx_llmops_shm_t *shm, ngx_llmops_hold_t *hold);

/* A charge's hold, or NULL if it has none or the lease is over. */
ngx_llmops_hold_t *ngx_llmops_hold_of(ngx_llmops_charge_t *charge);

/*
 * Each second: says that this process lives, and gives back what dead ones
 * hold: those that are gone (all: ask about every one, else only about those
 * that have been silent for a while) and those that have been silent for the
 * lease.  Takes the lock.
 */
void ngx_llmops_members_tick(ngx_llmops_shm_t *shm, ngx_uint_t all);

/* This process ends: what it holds is given back.  Whether it was the last one
   that is known.  Takes the lock. */
ngx_uint_t ngx_llmops_member_leave(ngx_llmops_shm_t *shm);


/* -- ngx_llmops_shm_docs.c: with the lock ---------------------------------- */

/* Copies a document's id and value, one after the other. */
void ngx_llmops_doc_read(ngx_llmops_shm_t *shm, ngx_llmops_docsh_t *doc,
    u_char *buf);

/* The document of that kind and id, also if it has expired; or NULL. */
ngx_llmops_docsh_t *ngx_llmops_doc_find(ngx_llmops_shm_t *shm,
    ngx_llmops_docs_e kind, ngx_str_t *id);

/* Whether what there is (NULL: nothing) is what a put or remove expects.
   NGX_OK or NGX_DECLINED. */
ngx_int_t ngx_llmops_doc_check(ngx_llmops_docsh_t *old, uint64_t expected,
    ngx_uint_t removing);

/* A new document, which nobody finds yet; NULL: no room.  What has expired may
   be removed for it.  Commits what was done before. */
ngx_llmops_docsh_t *ngx_llmops_doc_make(ngx_llmops_shm_t *shm,
    ngx_llmops_docs_e kind, ngx_str_t *id, ngx_str_t *value, time_t expires);

/* Puts doc into the place of old, which is freed; one of the two may be NULL.
   Commits. */
void ngx_llmops_doc_replace(ngx_llmops_shm_t *shm, ngx_llmops_docsh_t *old,
    ngx_llmops_docsh_t *doc);

/*
 * The next document of a kind at or behind bucket *b of which *skip have been
 * seen, that has not expired.  NULL: let others have the lock, and go on at
 * *b, up to the mask.
 */
ngx_llmops_docsh_t *ngx_llmops_doc_next(ngx_llmops_shm_t *shm,
    ngx_llmops_docs_e kind, uint64_t *b, ngx_uint_t *skip);

/* Removes what has expired from the next n buckets.  Commits. */
void ngx_llmops_docs_sweep(ngx_llmops_shm_t *shm, ngx_uint_t n);


/* -- ngx_llmops_shm_ledger.c, ngx_llmops_shm_rows.c ----------------------- */

/* a row, copied */

typedef struct {
    uint32_t                   day;
    uint8_t                    len[NGX_LLMOPS_LEDGER_PARTS];
    int64_t                    sums[NGX_LLMOPS_LEDGER_MAX];
    u_char                     text[NGX_LLMOPS_LEDGER_TEXT];
} ngx_llmops_rowcopy_t;

/* a way through all rows; zeroed: the start */

typedef struct {
    ngx_llmops_day_t          *day;
    ngx_llmops_row_t          *row;
    int64_t                    freed;      /* rows_freed, at the last step */
    unsigned                   begun:1;
    unsigned                   moved:1;    /* rows were freed meanwhile: begin
                                              again */
} ngx_llmops_walk_t;


/* Adds; takes the lock. */
void ngx_llmops_shm_ledger_add(ngx_llmops_shm_t *shm,
    ngx_llmops_ledger_row_t *row);

/* Sets the sums of a row to these where they are larger, for what is read from
   llm_state.  Takes the lock. */
void ngx_llmops_ledger_restore(ngx_llmops_shm_t *shm,
    ngx_llmops_rowcopy_t *copy);

/* The next rows, n at the most; 0: the end, or walk->moved.  Takes the lock. */
ngx_uint_t ngx_llmops_ledger_walk(ngx_llmops_shm_t *shm,
    ngx_llmops_walk_t *walk, ngx_llmops_rowcopy_t *copies, ngx_uint_t n);

/* Makes a public row of a copy.  NGX_OK or NGX_ERROR: out of memory. */
ngx_int_t ngx_llmops_ledger_public(ngx_pool_t *pool,
    ngx_llmops_rowcopy_t *copy, ngx_llmops_ledger_row_t *row);

/* With the lock: a row's copy; a row is empty now and can go. */
void ngx_llmops_ledger_copy(ngx_llmops_shm_t *shm, ngx_llmops_row_t *row,
    ngx_llmops_rowcopy_t *copy);
void ngx_llmops_ledger_drop(ngx_llmops_shm_t *shm, ngx_llmops_day_t *day,
    ngx_llmops_row_t *row);


/* -- ngx_llmops_shm_engine.c ----------------------------------------------- */

/* Finds the root in a zone, or makes it.  NGX_OK or NGX_ERROR, logged. */
ngx_int_t ngx_llmops_shm_attach(ngx_llmops_shm_t *shm, ngx_shm_zone_t *zone);

/* The zone's ngx_llmops_zone_pt: data is the store. */
ngx_int_t ngx_llmops_shm_init(ngx_shm_zone_t *zone, ngx_uint_t fresh,
    void *data);


/* -- what the engine consists of: as in ngx_llmops_engine_t ---------------- */

ngx_int_t ngx_llmops_shm_reserve(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);
ngx_int_t ngx_llmops_shm_extend(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);
void ngx_llmops_shm_settle(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res, const int64_t *truth);
void ngx_llmops_shm_cancel(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);
ngx_int_t ngx_llmops_shm_reset(ngx_llmops_store_t *store,
    ngx_llmops_reservation_t *res);

ngx_int_t ngx_llmops_shm_get(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
ngx_int_t ngx_llmops_shm_put_doc(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
ngx_int_t ngx_llmops_shm_remove(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
ngx_int_t ngx_llmops_shm_list(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op);
uint64_t ngx_llmops_shm_revision(ngx_llmops_store_t *store,
    ngx_llmops_docs_e docs);
ngx_int_t ngx_llmops_shm_rows(ngx_llmops_store_t *store, uint32_t from,
    uint32_t to, ngx_pool_t *pool, ngx_array_t **rows,
    ngx_llmops_ledger_pt handler, void *data,
    ngx_llmops_ledger_read_t **read);


#endif /* _NGX_LLMOPS_SHM_H_INCLUDED_ */
