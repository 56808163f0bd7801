
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_PURGE_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_PURGE_H_INCLUDED_


#include "ngx_llmops_store.h"
#include "ngx_llmops_cache_key.h"


/*
 * A purge is a note, not a search: "what was asked before T is no more
 * served", for a route, a scope (tenant), a prompt or a key, or for a
 * combination of them.  It is a document of the store, so that all gateways
 * learn of it, and is forgotten when nothing so old can be there any more.
 * Whoever finds an entry compares its age with the notes that fit: in shared
 * memory, in Redis, and in an index of meanings alike.
 */


#define NGX_LLMOPS_CACHE_PURGES     512    /* that may stand at a time */

typedef struct {
    ngx_str_t                  route;      /* name */
    ngx_str_t                  scope;      /* value of scope= */
    ngx_str_t                  prompt;     /* "name@version", or len 0 */
    const u_char              *key;
    int64_t                    created;    /* ms, ngx_llmops_store_now() at
                                              the time of the request */
} ngx_llmops_cache_entry_t;

/*
 * Whether an entry may still be served: 1: yes.  0: it was purged, or it is
 * just being found out whether it was.
 */
ngx_uint_t ngx_llmops_cache_stands(ngx_llmops_store_t *store,
    ngx_llmops_cache_entry_t *entry);

/* Forgets the worker's notes, at its end. */
void ngx_llmops_cache_purges_stop(void);


#endif /* _NGX_LLMOPS_CACHE_PURGE_H_INCLUDED_ */
