
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_GUARD_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_GUARD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cache_near.h"


/* What the files share that look at words: only for
   ngx_llmops_cache_guard*.c. */


#define NGX_LLMOPS_GUARD_FACTS  64
#define NGX_LLMOPS_GUARD_WORD   48         /* bytes of a word that count */


/* a text that is being read, at a word */

typedef struct {
    uint64_t                   facts[NGX_LLMOPS_GUARD_FACTS];
    ngx_uint_t                 nfacts;
    ngx_uint_t                 negations;
    ngx_uint_t                 names;
    ngx_uint_t                 numbers;
    u_char                     word[NGX_LLMOPS_GUARD_WORD];    /* lower case */
    size_t                     len;
    u_char                     before[NGX_LLMOPS_GUARD_WORD];  /* the word */
    size_t                     before_len;
    unsigned                   first:1;    /* of a sentence */
    unsigned                   capital:1;
    unsigned                   inner:1;    /* capital or digit within it */
    unsigned                   digits:1;   /* it has */
    unsigned                   letters:1;
    unsigned                   full:1;     /* more than can be compared */
} ngx_llmops_guard_t;


/* Takes the word that g is at: adds to the facts of g, and to the words of t.
   Sets g->full if there is no room. */
void ngx_llmops_guard_word(ngx_llmops_guard_t *g, ngx_llmops_near_text_t *t);

/* A digest of h and of len bytes at p. */
uint64_t ngx_llmops_guard_hash(uint64_t h, const u_char *p, size_t len);


#endif /* _NGX_LLMOPS_CACHE_GUARD_H_INCLUDED_ */
