
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_ENTRY_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_ENTRY_H_INCLUDED_


#include "ngx_llmops_cache_shm.h"


/*
 * What the files of entries share: only for ngx_llmops_cache_entry*.c.  All of
 * it is called with the lock, and undone unless it is committed.
 */


/* The entry of a key that is in the table with that state, or NULL. */
ngx_llmops_centry_t *ngx_llmops_centry_find(ngx_llmops_croot_t *root,
    u_char *key, int64_t state);

/* The entry that a reader or writer knows, or NULL: it is gone, or the reader
   has none. */
ngx_llmops_centry_t *ngx_llmops_centry_of(ngx_llmops_creader_t *reader);

/* A new FLIGHT of this process, which nobody finds before _link(); reader is
   set to its start.  NULL: there is no room.  May evict, which commits. */
ngx_llmops_centry_t *ngx_llmops_centry_make(ngx_llmops_cshm_t *shm,
    u_char *key, const uint64_t *tags, ngx_llmops_creader_t *reader);

/* Into the table, where it is not yet; out of it, if it is there. */
void ngx_llmops_centry_link(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e);
void ngx_llmops_centry_unlink(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e);

/* Into the list by use, as its newest; out of it, in which it must be. */
void ngx_llmops_centry_used(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e);
void ngx_llmops_centry_unused(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e);

/* Nobody finds it any more.  One that is COMPLETE and that nobody follows is
   given back, as by _free(). */
void ngx_llmops_centry_let_go(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e);

/* Gives back an entry and its blocks; it must be in neither table nor list. */
void ngx_llmops_centry_free(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e);

/* n more, or less, follow it in a slot's process. */
void ngx_llmops_centry_count(ngx_llmops_croot_t *root,
    ngx_llmops_centry_t *e, ngx_int_t slot, int64_t n);

/* Adds to mask[] the slots that wait for it, which wait no longer. */
void ngx_llmops_centry_wake(ngx_llmops_croot_t *root, ngx_llmops_centry_t *e,
    uint64_t *mask);


#endif /* _NGX_LLMOPS_CACHE_ENTRY_H_INCLUDED_ */
