
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_SHM_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_SHM_H_INCLUDED_


#include "ngx_llmops_cache.h"


/*
 * Entries in shared memory, as the files of this room see them.
 *
 * The zone is the cache's own, so that it is as large as its owner says, a
 * flood of answers takes nothing from counters and keys, and its lock is held
 * up by nobody else.  It is cut once, when it is made: a root, a table of
 * hashes, and as many entries as there are blocks.
 *
 * An entry is a chain of blocks that is complete, or is still being written:
 * a flight.  Complete ones are found by their key and hang in a list by when
 * they were last used, whose end is taken when blocks are needed.  A flight is
 * found by the same key, so that there is one at a time; when it is complete
 * it takes the place of what was complete before.
 *
 * Who reads a complete entry copies it under the lock, in steps; who follows a
 * flight is counted, by worker, and what is followed is not taken away.  An
 * entry whose serial is another one than it was is gone.
 *
 * All changes are made as in store/ngx_llmops_shm_undo.c: the old value is
 * written to a log first, a commit empties the log, and who takes the lock and
 * finds the log not empty puts the old values back.  The log is this zone's
 * own, as the lock is.
 */


#define NGX_LLMOPS_CACHE_BLOCK     4096
#define NGX_LLMOPS_CACHE_SLOTS     128     /* workers, also of old cycles */
#define NGX_LLMOPS_CACHE_UNDO      64
#define NGX_LLMOPS_CACHE_SILENT    30000   /* ms after which a worker is dead */
#define NGX_LLMOPS_CACHE_STEP      65536   /* bytes copied at once */


typedef struct ngx_llmops_cblock_s  ngx_llmops_cblock_t;
typedef struct ngx_llmops_centry_s  ngx_llmops_centry_t;

struct ngx_llmops_cblock_s {
    ngx_llmops_cblock_t       *next;
    u_char                     data[NGX_LLMOPS_CACHE_BLOCK
                                    - sizeof(ngx_llmops_cblock_t *)];
};

#define NGX_LLMOPS_CACHE_DATA                                                 \
    (NGX_LLMOPS_CACHE_BLOCK - sizeof(ngx_llmops_cblock_t *))


typedef enum {
    NGX_LLMOPS_CENTRY_FREE = 0,
    NGX_LLMOPS_CENTRY_FLIGHT,
    NGX_LLMOPS_CENTRY_COMPLETE
} ngx_llmops_centry_e;


/* where the members are that each replay has anew; len 0: there is none.  In
   a whole answer only. */

typedef struct {
    uint32_t                   id;         /* without its quotes */
    uint32_t                   id_len;
    uint32_t                   created;
    uint32_t                   created_len;
} ngx_llmops_cache_marks_t;


struct ngx_llmops_centry_s {
    ngx_llmops_centry_t       *chain;      /* in its bucket, or the next one
                                              that is free */
    ngx_llmops_centry_t       *newer;      /* COMPLETE: in the list by use */
    ngx_llmops_centry_t       *older;
    int64_t                    serial;     /* never twice; 0: not in use */
    int64_t                    state;
    int64_t                    form;
    int64_t                    len;        /* bytes that may be read */
    int64_t                    nblocks;
    ngx_llmops_cblock_t       *first;
    ngx_llmops_cblock_t       *last;
    int64_t                    slot;       /* FLIGHT: of its worker */
    int64_t                    found;      /* it is in the table */
    int64_t                    followers;
    uint64_t                   waiting[NGX_LLMOPS_CACHE_SLOTS / 64];
                                           /* slots to be woken */
    int64_t                    created;    /* ms since the epoch, as all are */
    int64_t                    fresh;      /* up to */
    int64_t                    usable;     /* the same, by the longer of both
                                              stale times */
    int64_t                    cost;
    uint64_t                   tags[NGX_LLMOPS_CACHE_TAGS];
    ngx_llmops_cache_marks_t   marks;
    ngx_llmops_usage_t         usage;
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
    uint16_t                   follows[NGX_LLMOPS_CACHE_SLOTS];
};


typedef struct {
    int64_t                    pid;        /* 0: free */
    int64_t                    beat;       /* ms, monotonic */
} ngx_llmops_cslot_t;


typedef struct {
    uintptr_t                 *addr;
    uintptr_t                  old;
} ngx_llmops_cundo_t;


typedef struct {
    uint32_t                   magic;
    uint32_t                   layout;
    int64_t                    nundo;
    ngx_llmops_cundo_t         undo[NGX_LLMOPS_CACHE_UNDO];

    ngx_llmops_centry_t      **buckets;
    uint64_t                   mask;

    ngx_llmops_centry_t       *free;       /* entries */
    ngx_llmops_centry_t       *entries;    /* all of them */
    int64_t                    nfresh;     /* of them, never used yet: from */
    int64_t                    nentries;

    ngx_llmops_cblock_t       *free_blocks;
    u_char                    *blocks;
    int64_t                    bfresh;     /* the same for blocks */
    int64_t                    nblocks;
    int64_t                    bused;

    ngx_llmops_centry_t       *newest;
    ngx_llmops_centry_t       *oldest;

    int64_t                    serial;
    int64_t                    complete;
    int64_t                    flights;
    int64_t                    evicted;
    int64_t                    stored;

    ngx_llmops_cslot_t         slots[NGX_LLMOPS_CACHE_SLOTS];
} ngx_llmops_croot_t;


/* of a process */

typedef struct {
    ngx_llmops_croot_t        *root;
    ngx_slab_pool_t           *slab;       /* whose mutex is the lock */
    ngx_int_t                  slot;       /* -1: none was free */
    int64_t                    pid;        /* that the slot has while it is
                                              this process's */
} ngx_llmops_cshm_t;


/* where a reader is in an entry */

typedef struct {
    ngx_llmops_centry_t       *entry;
    int64_t                    serial;
    ngx_llmops_cblock_t       *block;      /* NULL: at its start */
    int64_t                    pos;        /* bytes read */
} ngx_llmops_creader_t;


/* what an entry says of itself, copied */

typedef struct {
    ngx_llmops_cache_answer_t  answer;     /* body.len is set, data is not */
    int64_t                    usable;
    ngx_llmops_cache_marks_t   marks;
    ngx_llmops_creader_t       reader;
} ngx_llmops_cfacts_t;


#define ngx_llmops_cshm_barrier()  __asm__ volatile ("" ::: "memory")

/* Changes a field of the size of an int64_t or a pointer.  With the lock. */
#define ngx_llmops_cshm_put(root, field, value)                               \
    do {                                                                      \
        ngx_llmops_cshm_note(root, (uintptr_t *) (void *) &(field));          \
        (field) = (value);                                                    \
    } while (0)

#define ngx_llmops_cshm_commit(root)                                          \
    do {                                                                      \
        ngx_llmops_cshm_barrier();                                            \
        (root)->nundo = 0;                                                    \
        ngx_llmops_cshm_barrier();                                            \
    } while (0)


static ngx_inline void
ngx_llmops_cshm_note(ngx_llmops_croot_t *root, uintptr_t *addr)
{
    ngx_llmops_cundo_t  *undo;

#if (NGX_DEBUG)
    if (root->nundo == NGX_LLMOPS_CACHE_UNDO) {
        ngx_debug_point();
        abort();
    }
#endif

    undo = &root->undo[root->nundo];

    undo->addr = addr;
    undo->old = *addr;
    ngx_llmops_cshm_barrier();

    root->nundo++;
    ngx_llmops_cshm_barrier();
}


/* of ngx_llmops_cache_shm.c and _entry*.c to each other: with the lock */

/* A block, an entry; NULL: there is no room.  May evict, which commits. */
ngx_llmops_cblock_t *ngx_llmops_cshm_block(ngx_llmops_cshm_t *shm);
ngx_llmops_centry_t *ngx_llmops_cshm_entry(ngx_llmops_cshm_t *shm);

/* Gives back what was used least recently and is not followed.  Commits. */
void ngx_llmops_cshm_evict(ngx_llmops_cshm_t *shm);

/* Clears away what a slot flies and follows.  Commits. */
void ngx_llmops_cshm_bury(ngx_llmops_cshm_t *shm, ngx_int_t slot,
    uint64_t *mask);


/* Takes the lock, and undoes what a worker was doing that died with it. */
void ngx_llmops_cshm_lock(ngx_llmops_cshm_t *shm);

/* Commits, and gives the lock back. */
void ngx_llmops_cshm_unlock(ngx_llmops_cshm_t *shm);

/*
 * Cuts memory of a fresh zone; or finds it cut.  NGX_OK; NGX_DECLINED: it was
 * cut by another version; NGX_ERROR: it is too small.
 */
ngx_int_t ngx_llmops_cshm_open(ngx_llmops_cshm_t *shm, ngx_slab_pool_t *slab);

/* This process takes a slot, and gives it back with all it has.  Takes the
   lock.  ms: monotonic. */
void ngx_llmops_cshm_join(ngx_llmops_cshm_t *shm, ngx_pid_t pid, int64_t ms);
void ngx_llmops_cshm_leave(ngx_llmops_cshm_t *shm);

/*
 * Says that this process lives, and clears away what dead ones had: their
 * flights fail.  Returns whether there was one; then mask[] has the slots that
 * are to be woken.  Takes the lock.
 */
ngx_uint_t ngx_llmops_cshm_tick(ngx_llmops_cshm_t *shm, int64_t ms,
    uint64_t *mask);


/* All that follows takes the lock itself; now: ms since the epoch. */

/*
 * The complete entry of a key, fresh or at least usable.  NGX_OK with facts;
 * NGX_DECLINED.  It is the newest in the list from now on.
 */
ngx_int_t ngx_llmops_cshm_find(ngx_llmops_cshm_t *shm, u_char *key,
    int64_t now, ngx_llmops_cfacts_t *facts);

/* Copies a complete entry's bytes to p, facts->answer.body.len of them.
   NGX_OK; NGX_DECLINED: it is gone. */
ngx_int_t ngx_llmops_cshm_copy(ngx_llmops_cshm_t *shm,
    ngx_llmops_creader_t *reader, u_char *p, size_t len);

/*
 * The flight of a key: NGX_OK: there is one, which is followed from now on;
 * NGX_DONE: it is this process's own new one;  NGX_BUSY: a complete entry that
 * is fresh has come meanwhile (not with now 0);  NGX_DECLINED: none of all
 * that.  follow, lead: what is wanted.
 */
ngx_int_t ngx_llmops_cshm_board(ngx_llmops_cshm_t *shm, u_char *key,
    const uint64_t *tags, int64_t now, ngx_uint_t follow, ngx_uint_t lead,
    ngx_llmops_creader_t *reader);

/*
 * Reads on: up to size bytes into p.  *n is how many; *state what is known:
 * FLIGHT: there may be more, and if *n is 0 this worker will be woken;
 * COMPLETE: *n 0 is the end, facts (if not NULL) are set; FREE: it is gone.
 */
void ngx_llmops_cshm_read(ngx_llmops_cshm_t *shm,
    ngx_llmops_creader_t *reader, u_char *p, size_t size, size_t *n,
    ngx_uint_t *state, ngx_llmops_cache_form_e *form,
    ngx_llmops_cfacts_t *facts);

/* Does not follow any more. */
void ngx_llmops_cshm_unfollow(ngx_llmops_cshm_t *shm,
    ngx_llmops_creader_t *reader);


/* of the flight's own process; mask[] gets the slots to be woken */

/* The form is known.  NGX_OK; NGX_DECLINED: the entry is gone. */
ngx_int_t ngx_llmops_cshm_form(ngx_llmops_cshm_t *shm,
    ngx_llmops_creader_t *reader, ngx_llmops_cache_form_e form,
    uint64_t *mask);

/* Appends.  NGX_OK; NGX_DECLINED: no room, or gone: the flight has failed. */
ngx_int_t ngx_llmops_cshm_append(ngx_llmops_cshm_t *shm,
    ngx_llmops_creader_t *reader, u_char *p, size_t len, uint64_t *mask);

/*
 * It is complete: stored with what facts say of it (or, with usable 0, only
 * given to those who follow).  marks are set by the caller.
 */
void ngx_llmops_cshm_complete(ngx_llmops_cshm_t *shm,
    ngx_llmops_creader_t *reader, ngx_llmops_cfacts_t *facts, uint64_t *mask);

/* It has failed. */
void ngx_llmops_cshm_fail(ngx_llmops_cshm_t *shm,
    ngx_llmops_creader_t *reader, uint64_t *mask);

/* How many follow it. */
int64_t ngx_llmops_cshm_followers(ngx_llmops_cshm_t *shm,
    ngx_llmops_creader_t *reader);


/* Stores a whole answer that came from elsewhere.  NGX_OK or NGX_DECLINED. */
ngx_int_t ngx_llmops_cshm_store(ngx_llmops_cshm_t *shm, u_char *key,
    ngx_llmops_cfacts_t *facts);

/* As ngx_llmops_cache_purge(), for this zone. */
ngx_uint_t ngx_llmops_cshm_purge(ngx_llmops_cshm_t *shm, ngx_uint_t kind,
    uint64_t tag, u_char *key);

void ngx_llmops_cshm_stats(ngx_llmops_cshm_t *shm,
    ngx_llmops_cache_stats_t *stats);

/* Whether all is as it must be; for tests and debug.  With the lock. */
ngx_uint_t ngx_llmops_cshm_sane(ngx_llmops_cshm_t *shm);


#endif /* _NGX_LLMOPS_CACHE_SHM_H_INCLUDED_ */
