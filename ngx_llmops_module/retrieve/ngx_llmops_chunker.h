
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CHUNKER_H_INCLUDED_
#define _NGX_LLMOPS_CHUNKER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Cuts a text into chunks that are found by what they say.  Pure: calls no
 * function of nginx, so that unit tests link it alone.
 */


#define NGX_LLMOPS_CHUNK_MIN    200        /* bytes of a chunk */
#define NGX_LLMOPS_CHUNK_MAX    8192


typedef struct {
    ngx_str_t                  text;       /* UTF-8 */
    size_t                     size;       /* bytes of a chunk at most */
    size_t                     overlap;    /* that two share at most; less than
                                              half of size */
    size_t                     pos;        /* where the next one begins */
} ngx_llmops_chunker_t;


/* Begins with a text, which must stay. */
void ngx_llmops_chunker_init(ngx_llmops_chunker_t *c, ngx_str_t *text,
    size_t size, size_t overlap);

/*
 * The next chunk, part of the text, without white space at its ends.  NGX_OK,
 * or NGX_DONE: there is no more.  It ends where a paragraph does, or else a
 * line or sentence, or else a word, or else between two characters.
 */
ngx_int_t ngx_llmops_chunker_next(ngx_llmops_chunker_t *c, ngx_str_t *chunk);


#endif /* _NGX_LLMOPS_CHUNKER_H_INCLUDED_ */
