
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_NOTE_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_NOTE_H_INCLUDED_


#include "ngx_llmops_cache.h"


/*
 * A purge, as all gateways learn of it: a note that says what is no more
 * served if it was asked for before a moment.
 */


#define NGX_LLMOPS_CACHE_NOTES      512    /* that may stand at a time */
#define NGX_LLMOPS_CACHE_NOTE_TIME  (35 * 86400)   /* s that one stands; no
                                                      answer is kept longer */
#define NGX_LLMOPS_CACHE_NOTE_ID    80


typedef struct {
    ngx_llmops_cache_tag_e     kind;
    uint64_t                   tag;        /* but for KEY and ALL */
    u_char                     key[NGX_LLMOPS_CACHE_KEY];  /* of KEY */
    int64_t                    at;         /* ms, ngx_llmops_store_now() */
    uint64_t                   revision;   /* of its document, as it was read */
} ngx_llmops_cache_note_t;


/*
 * Whether what was asked for at created (ms, ngx_llmops_store_now()) may still
 * be served: 0 if a note fits, or while the worker has not read the newest
 * ones.  tags[NGX_LLMOPS_CACHE_TAGS] as in an entry.
 */
ngx_uint_t ngx_llmops_cache_stands(ngx_llmops_main_conf_t *mcf,
    const u_char *key, const uint64_t *tags, int64_t created);

/* How many notes there are; whether that one is among them, at any time. */
ngx_uint_t ngx_llmops_cache_notes(void);
ngx_uint_t ngx_llmops_cache_noted(ngx_llmops_cache_note_t *note);

/*
 * Those that say nothing more beside one that names everything, at that moment:
 * copies in pool, *n of them; the worker's known ones, at any time.  NULL:
 * none, or out of memory.
 */
ngx_llmops_cache_note_t *ngx_llmops_cache_notes_covered(ngx_pool_t *pool,
    int64_t at, ngx_uint_t *n);

/* The id of its document; id has NGX_LLMOPS_CACHE_NOTE_ID bytes. Returns its
   length. */
size_t ngx_llmops_cache_note_id(ngx_llmops_cache_note_t *note, u_char *id);

/* Names of kinds: "route", "scope", ... */
extern const ngx_str_t  ngx_llmops_cache_tag_names[];

/* Per worker. */
void ngx_llmops_cache_notes_start(ngx_llmops_main_conf_t *mcf);
void ngx_llmops_cache_notes_stop(ngx_llmops_main_conf_t *mcf);


#endif /* _NGX_LLMOPS_CACHE_NOTE_H_INCLUDED_ */
