
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_STATE_H_INCLUDED_
#define _NGX_LLMOPS_STATE_H_INCLUDED_


#include "ngx_llmops_shm.h"
#include "ngx_llmops_out.h"


/*
 * What outlives nginx when there is no Redis: the directory of llm_state.
 * Internal to the engine in shared memory.
 *
 *   ngx_llmops_state.c          of a process: load, start, queue, threads
 *   ngx_llmops_state_dir.c      the directory, who owns it, the writer's lock
 *   ngx_llmops_state_frame.c    frames: bytes with a checksum
 *   ngx_llmops_state_reader.c   the frames of a file
 *   ngx_llmops_state_journal.c  documents: changes
 *   ngx_llmops_state_file.c     documents: the journal as a file
 *   ngx_llmops_state_load.c     documents: reading a journal
 *   ngx_llmops_state_usage.c    counters of calendar limits, and the ledger
 *   ngx_llmops_state_restore.c  reading them
 *   ngx_llmops_state_claim.c    who of several zones writes
 *
 *     owner      who writes here: a zone's number, and the master's process
 *     lock       the writer's lock
 *     keys.log   a journal of each kind of documents
 *     audit.log
 *     usage      counters and the ledger as they were at most 5 s ago
 *
 * All but the first file may be called from a thread, so they log nothing:
 * what went wrong is left in the state, for the caller to say.
 */


#define NGX_LLMOPS_STATE_PATH      1024    /* bytes, with a file's name */
#define NGX_LLMOPS_FRAME_HEAD      16
#define NGX_LLMOPS_FRAME_MAX       (4 * 1024 * 1024)
#define NGX_LLMOPS_JOURNAL_HEAD    32
#define NGX_LLMOPS_RECORD_HEAD     24


/* of a process; used by one thread at a time */

typedef struct {
    ngx_llmops_shm_t          *shm;
    ngx_str_t                  dir;
    int                        lock;       /* descriptors; -1: not open */
    int                        owner;
    int                        journals[NGX_LLMOPS_DOCS_MAX];
    int64_t                    opened[NGX_LLMOPS_DOCS_MAX];
                                           /* their generations */
    u_char                    *scratch;    /* room for a document */

    /* what went wrong, for ngx_llmops_state_error() */
    const char                *what;       /* a call, or what is wrong */
    ngx_err_t                  err;
    off_t                      at;         /* -1: not at a certain byte */
    char                       path[NGX_LLMOPS_STATE_PATH];

    /* journals that ended in half a record, since it was last asked */
    off_t                      torn[NGX_LLMOPS_DOCS_MAX];
} ngx_llmops_state_t;


/* a change that is to be durable */

typedef struct ngx_llmops_change_s  ngx_llmops_change_t;

struct ngx_llmops_change_s {
    ngx_llmops_docs_e          kind;
    ngx_str_t                  id;
    ngx_str_t                  value;
    uint64_t                   expected;
    int64_t                    expires;
    unsigned                   removing:1;

    ngx_int_t                  rc;         /* as in ngx_llmops_docop_t */
    uint64_t                   revision;   /* that it has now */

    ngx_llmops_docsh_t        *doc;        /* while it is being written */
    ngx_llmops_change_t       *next;
    ngx_llmops_docop_t        *op;         /* whose it is; NULL: forgotten */
};


/* -- ngx_llmops_state_dir.c ----------------------------------------------- */

/* Prepares a state; opens nothing.  NGX_OK, or NGX_ERROR: the name is too
   long. */
ngx_int_t ngx_llmops_state_init(ngx_llmops_state_t *st,
    ngx_llmops_shm_t *shm, ngx_str_t *dir);

/* A number that stands for the directory's name. */
#define ngx_llmops_state_id(st)                                               \
    ngx_llmops_shm_hash((st)->shm, 0x7374617465, &(st)->dir, NULL)

/* Closes what is open. */
void ngx_llmops_state_close(ngx_llmops_state_t *st);

/* Whether the directory can be written, by user (-1: ourselves) too; what is
   in it becomes his.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_state_check(ngx_llmops_state_t *st, ngx_uid_t user);

/* Whether no other nginx uses it; one whose master is pid or parent may.  A
   number says nothing where it may be that of another container's: 0 then.
   NGX_OK, NGX_BUSY or NGX_ERROR; may be called again after NGX_BUSY. */
ngx_int_t ngx_llmops_state_alone(ngx_llmops_state_t *st, ngx_pid_t pid,
    ngx_pid_t parent);

/* Who is the owner, and its master. */
ngx_int_t ngx_llmops_state_owner(ngx_llmops_state_t *st, uint64_t *number,
    ngx_pid_t *master);

/* Makes the zone the owner.  With the writer's lock. */
ngx_int_t ngx_llmops_state_own(ngx_llmops_state_t *st, ngx_pid_t master);

/* Waits for the writer's lock, and makes sure that the zone is the owner of
   this directory (any: or not).  NGX_OK, or NGX_ERROR: without the lock. */
ngx_int_t ngx_llmops_state_lock(ngx_llmops_state_t *st, ngx_uint_t any);
void ngx_llmops_state_unlock(ngx_llmops_state_t *st);

/* Opens a file of the directory; -1 on errors, of which a file that is not
   there (without O_CREAT) is none: err is NGX_ENOENT then. */
int ngx_llmops_state_open(ngx_llmops_state_t *st, const char *name, int flags);

/* Takes a file that has been written and closed the place of another. */
ngx_int_t ngx_llmops_state_rename(ngx_llmops_state_t *st, const char *from,
    const char *to);

/* Notes what went wrong.  Returns NGX_ERROR. */
ngx_int_t ngx_llmops_state_failed(ngx_llmops_state_t *st, const char *what,
    const char *name, ngx_err_t err);

/* Writes all of it.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_state_write(ngx_llmops_state_t *st, int fd,
    const char *name, u_char *p, size_t len);


/* -- ngx_llmops_state_frame.c --------------------------------------------- */

/*
 * A frame is written by one write() and is whole or worth nothing: all numbers
 * are little endian.
 *
 *     "llmf"  length of what follows the head  its CRC-32  that of the 12 bytes
 */

/* Begins a frame at the end of out; returns where. */
size_t ngx_llmops_frame_begin(ngx_llmops_out_t *out);
void ngx_llmops_frame_end(ngx_llmops_out_t *out, size_t start);

/* The frame at p: NGX_OK with what is in it, or NGX_DECLINED. */
ngx_int_t ngx_llmops_frame_read(u_char *p, u_char *last, ngx_str_t *inside);

/* Whether this looks like the head of one, and how long it is with that. */
ngx_int_t ngx_llmops_frame_head(u_char *p, u_char *last, size_t *len);

/* Numbers of n bytes, appended and read. */
void ngx_llmops_frame_number(ngx_llmops_out_t *out, uint64_t value,
    ngx_uint_t n);
uint64_t ngx_llmops_frame_get(u_char *p, ngx_uint_t n);


/* -- ngx_llmops_state_reader.c --------------------------------------------- */

typedef struct {
    ngx_llmops_state_t        *st;
    int                        fd;
    const char                *name;
    u_char                    *buf;
    size_t                     pos;        /* in buf: what comes next */
    size_t                     last;
    off_t                      offset;     /* of buf in the file */
    unsigned                   end:1;      /* there is no more */
} ngx_llmops_reader_t;

#define ngx_llmops_reader_at(r)  ((r)->offset + (off_t) (r)->pos)

/* Begins at a byte of an open file.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_reader_open(ngx_llmops_reader_t *r,
    ngx_llmops_state_t *st, int fd, const char *name, off_t from);
void ngx_llmops_reader_close(ngx_llmops_reader_t *r);

/* The next n bytes, good until the next call.  NGX_OK; NGX_DECLINED: there are
   not so many; NGX_ERROR. */
ngx_int_t ngx_llmops_reader_bytes(ngx_llmops_reader_t *r, size_t n,
    u_char **p);

/* What is in the next frame, good until the next call.  NGX_OK; NGX_DONE: the
   end of the file; NGX_DECLINED: it is none; NGX_ERROR. */
ngx_int_t ngx_llmops_reader_frame(ngx_llmops_reader_t *r, ngx_str_t *inside);

/* Whether there is a frame anywhere behind one that is none; the reader is of
   no use then.  NGX_OK, NGX_DECLINED, NGX_ERROR. */
ngx_int_t ngx_llmops_reader_follows(ngx_llmops_reader_t *r);


/* -- ngx_llmops_state_journal.c, _file.c, _load.c -------------------------- */

/*
 * Makes changes durable, then visible; each gets its rc.  Not two of the same
 * document.  At most NGX_LLMOPS_STATE_BATCH, and about a megabyte.
 */
void ngx_llmops_journal_write(ngx_llmops_state_t *st,
    ngx_llmops_change_t *changes);

/* Reads a kind's journal; merge: into a zone that has documents of it, of
   which later revisions stay.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_journal_load(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind, ngx_uint_t merge);

/* With the writer's lock: the generation, and the size that is visible. */
void ngx_llmops_journal_set(ngx_llmops_state_t *st, ngx_llmops_docs_e kind,
    int64_t generation, int64_t size);

/* With the writer's lock: forgets the kind's documents, and reads the journal
   again; writes the journal anew, from what is in memory. */
ngx_int_t ngx_llmops_journal_reload(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind);
ngx_int_t ngx_llmops_journal_rewrite(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind);

/*
 * With the writer's lock: opens the journal and makes sure that it ends where
 * the zone thinks: what somebody has written and not made visible is made
 * visible, and half a record is cut off.
 */
ngx_int_t ngx_llmops_journal_ready(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind);

/* Applies the records of a frame.  NGX_OK, NGX_DECLINED: it is no such frame;
   NGX_BUSY: no room. */
ngx_int_t ngx_llmops_journal_apply(ngx_llmops_state_t *st,
    ngx_llmops_docs_e kind, ngx_str_t *frame, ngx_uint_t replay);

/* The head of a journal: written to 32 bytes; read, the generation, or -1. */
void ngx_llmops_journal_head(u_char *p, ngx_llmops_docs_e kind,
    int64_t generation);
int64_t ngx_llmops_journal_generation(u_char *p, ngx_llmops_docs_e kind);

/* Appends a record to a frame. */
void ngx_llmops_journal_record(ngx_llmops_out_t *out, ngx_uint_t removing,
    uint64_t revision, int64_t expires, ngx_str_t *id, ngx_str_t *value);

extern const char  *ngx_llmops_journal_names[];
extern const char  *ngx_llmops_journal_temp[];


/* -- ngx_llmops_state_usage.c, ngx_llmops_state_restore.c ------------------ */

#define NGX_LLMOPS_USAGE_NAME      "usage"
#define NGX_LLMOPS_SLOT_BYTES      40

/* With the writer's lock: writes counters and the ledger, if they have changed
   since that was last done. */
ngx_int_t ngx_llmops_usage_save(ngx_llmops_state_t *st);

/* Reads them into the zone; what is there already stays if it is more. */
ngx_int_t ngx_llmops_usage_load(ngx_llmops_state_t *st);


/* With the writer's lock, as a worker starts: makes the zone the owner, and
   brings memory and directory together.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_state_claim(ngx_llmops_state_t *st, ngx_pid_t master);


/* -- ngx_llmops_state.c ---------------------------------------------------- */

/* In the master, when the zone is fresh, or kept at a reload: reads what there
   is.  NGX_OK or NGX_ERROR, logged. */
ngx_int_t ngx_llmops_state_load(ngx_llmops_store_t *store, ngx_uint_t fresh);

/* Of a worker.  start: NGX_OK or NGX_ERROR, logged.  stop: last says whether
   no other process uses the store any more. */
ngx_int_t ngx_llmops_state_start(ngx_llmops_store_t *store,
    ngx_cycle_t *cycle);
void ngx_llmops_state_stop(ngx_llmops_store_t *store, ngx_cycle_t *cycle,
    ngx_uint_t last);

/* Each second. */
void ngx_llmops_state_tick(ngx_llmops_store_t *store);

/* Queues an operation: NGX_AGAIN; NGX_OK: op->rc says why not; NGX_ERROR:
   out of memory. */
ngx_int_t ngx_llmops_state_change(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op, ngx_uint_t removing);

/* Its handler will not be called. */
void ngx_llmops_state_forget(ngx_llmops_docop_t *op);


#endif /* _NGX_LLMOPS_STATE_H_INCLUDED_ */
