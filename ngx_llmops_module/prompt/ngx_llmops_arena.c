
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_arena.h"


#define NGX_LLMOPS_ARENA_BLOCK  4096
#define NGX_LLMOPS_ARENA_LARGE  65536


struct ngx_llmops_arena_block_s {
    ngx_llmops_arena_block_t  *next;
    size_t                     size;       /* keeps what follows aligned */
};


static ngx_int_t ngx_llmops_arena_grow(ngx_llmops_arena_t *arena,
    size_t size);


void
ngx_llmops_arena_init(ngx_llmops_arena_t *arena, size_t max)
{
    ngx_memzero(arena, sizeof(ngx_llmops_arena_t));

    arena->max = max;
}


void *
ngx_llmops_arena_alloc(ngx_llmops_arena_t *arena, size_t size)
{
    u_char  *p;

    if (size > arena->max) {
        return NULL;
    }

    size = ngx_align(size, sizeof(uint64_t));

    if (size > (size_t) (arena->end - arena->pos)
        && ngx_llmops_arena_grow(arena, size) != NGX_OK)
    {
        return NULL;
    }

    p = arena->pos;
    arena->pos += size;

    ngx_memzero(p, size);

    return p;
}


/* blocks double, so that many small pieces cost few of them */

static ngx_int_t
ngx_llmops_arena_grow(ngx_llmops_arena_t *arena, size_t size)
{
    size_t                     n;
    ngx_llmops_arena_block_t  *block;

    n = arena->blocks ? 2 * arena->blocks->size : NGX_LLMOPS_ARENA_BLOCK;
    n = ngx_min(n, NGX_LLMOPS_ARENA_LARGE);
    n = ngx_max(n, size + sizeof(ngx_llmops_arena_block_t));

    if (n > arena->max - arena->used) {
        n = size + sizeof(ngx_llmops_arena_block_t);

        if (n > arena->max - arena->used) {
            return NGX_ERROR;
        }
    }

    block = malloc(n);
    if (block == NULL) {
        return NGX_ERROR;
    }

    block->next = arena->blocks;
    block->size = n;

    arena->blocks = block;
    arena->used += n;
    arena->pos = (u_char *) (block + 1);
    arena->end = (u_char *) block + n;

    return NGX_OK;
}


u_char *
ngx_llmops_arena_copy(ngx_llmops_arena_t *arena, const u_char *p, size_t len)
{
    u_char  *copy;

    copy = ngx_llmops_arena_alloc(arena, len + 1);

    if (copy && len) {
        ngx_memcpy(copy, p, len);
    }

    return copy;
}


void
ngx_llmops_arena_free(ngx_llmops_arena_t *arena)
{
    ngx_llmops_arena_block_t  *block, *next;

    for (block = arena->blocks; block; block = next) {
        next = block->next;
        free(block);
    }

    ngx_llmops_arena_init(arena, arena->max);
}
