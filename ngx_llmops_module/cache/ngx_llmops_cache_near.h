
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_NEAR_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_NEAR_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cache_key.h"


/*
 * What two questions need to have the same answer, beside being equal in all
 * but their text: meanings that are close, and nothing in their words that
 * says the opposite.  Pure: for tests, too.
 *
 *   ngx_llmops_cache_guard.c    words: _word
 *   ngx_llmops_cache_vector.c   meanings
 *   ngx_llmops_cache_index.c    many of them, in shared memory
 *   ngx_llmops_cache_embed.c    from a text to its meaning: asks a provider
 *   ngx_llmops_cache_near.c     the level, as a request sees it
 */


#define NGX_LLMOPS_NEAR_TEXT   4096        /* bytes of a compared text */
#define NGX_LLMOPS_NEAR_DIMS   3072        /* of a vector, at most */
#define NGX_LLMOPS_NEAR_WORDS  32          /* that carry meaning, of a text */


typedef struct {
    uint64_t                   guard;      /* equal in all that must be: its
                                              numbers, negations, opposites,
                                              names, what is asked for */
    uint32_t                   words[NGX_LLMOPS_NEAR_WORDS];   /* ascending */
    ngx_uint_t                 nwords;
} ngx_llmops_near_text_t;


/* NGX_OK, or NGX_DECLINED: too long, or with too many words, to be compared. */
ngx_int_t ngx_llmops_near_text(ngx_str_t *text, ngx_llmops_near_text_t *t);

/* Whether one word of a text stands for another one of the other: "Paris" for
   "Rome", all else being the same. */
ngx_uint_t ngx_llmops_near_swapped(const uint32_t *a, ngx_uint_t na,
    const uint32_t *b, ngx_uint_t nb);


/* a meaning: int8 with its length, so that cos = a.b / |a||b| */

typedef struct {
    uint32_t                   dims;
    float                      norm;
    int8_t                     v[NGX_LLMOPS_NEAR_DIMS];
} ngx_llmops_near_vector_t;

/* Reads a JSON array of numbers.  NGX_OK, or NGX_DECLINED: it is none, too
   long, or all zero. */
ngx_int_t ngx_llmops_near_read(ngx_str_t *array, ngx_llmops_near_vector_t *v);

/* -1 to 1; -1 for vectors of different lengths. */
float ngx_llmops_near_cos(const ngx_llmops_near_vector_t *a,
    const int8_t *b, uint32_t dims, float norm);

/* The sum of products. */
int32_t ngx_llmops_near_dot(const int8_t *a, const int8_t *b, size_t n);


/* -- the index ------------------------------------------------------------- */

typedef struct ngx_llmops_near_index_s  ngx_llmops_near_index_t;

typedef struct {
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
    float                      similarity;
} ngx_llmops_near_hit_t;

/* Makes an empty index in size bytes at p, aligned to 64; NULL: too small. */
ngx_llmops_near_index_t *ngx_llmops_near_index_init(void *p, size_t size);

/* How many there is room for; how many there are. */
ngx_uint_t ngx_llmops_near_index_size(ngx_llmops_near_index_t *index);
ngx_uint_t ngx_llmops_near_index_used(ngx_llmops_near_index_t *index);

/*
 * The nearest one of at least threshold in a room, whose words are not
 * swapped.  Takes no lock: see there.  NGX_OK or NGX_DECLINED.
 */
ngx_int_t ngx_llmops_near_index_find(ngx_llmops_near_index_t *index,
    uint64_t room, const ngx_llmops_near_text_t *text,
    const ngx_llmops_near_vector_t *v, float threshold,
    ngx_llmops_near_hit_t *hit);

/* Adds one, in the place of the oldest, or of the same key's in that room.
   One at a time: under the caller's lock. */
void ngx_llmops_near_index_add(ngx_llmops_near_index_t *index,
    uint64_t room, const ngx_llmops_near_text_t *text,
    const ngx_llmops_near_vector_t *v, const u_char *key);

/* Takes a key's out: its answer is gone.  Under the caller's lock. */
void ngx_llmops_near_index_drop(ngx_llmops_near_index_t *index,
    uint64_t room, const u_char *key);


#endif /* _NGX_LLMOPS_CACHE_NEAR_H_INCLUDED_ */
