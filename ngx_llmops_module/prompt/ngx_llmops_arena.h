
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ARENA_H_INCLUDED_
#define _NGX_LLMOPS_ARENA_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Memory that is given back at once, with a bound, on malloc: what is read
 * from a caller may ask for no more than max bytes, and what is read from a
 * configuration lives until its owner goes.
 */


typedef struct ngx_llmops_arena_block_s  ngx_llmops_arena_block_t;

typedef struct {
    ngx_llmops_arena_block_t  *blocks;
    u_char                    *pos;
    u_char                    *end;
    size_t                     used;       /* of all blocks */
    size_t                     max;
} ngx_llmops_arena_t;


/* Prepares an arena of at most max bytes; allocates nothing. */
void ngx_llmops_arena_init(ngx_llmops_arena_t *arena, size_t max);

/* size bytes, aligned and zeroed; NULL when out of memory or over max. */
void *ngx_llmops_arena_alloc(ngx_llmops_arena_t *arena, size_t size);

/* Copies bytes; NULL as above. */
u_char *ngx_llmops_arena_copy(ngx_llmops_arena_t *arena, const u_char *p,
    size_t len);

/* Frees everything; the arena is then empty and may be used again. */
void ngx_llmops_arena_free(ngx_llmops_arena_t *arena);


#endif /* _NGX_LLMOPS_ARENA_H_INCLUDED_ */
