
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_FETCH_ANSWER_H_INCLUDED_
#define _NGX_LLMOPS_FETCH_ANSWER_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_out.h"


/*
 * An HTTP/1.1 answer that comes in pieces.  Nothing in here needs nginx.
 */


typedef enum {
    NGX_LLMOPS_FETCH_HEAD = 0,
    NGX_LLMOPS_FETCH_LENGTH,               /* "left" bytes are to come */
    NGX_LLMOPS_FETCH_CLOSE,                /* all until the end */
    NGX_LLMOPS_FETCH_SIZE,                 /* the line with a chunk's size */
    NGX_LLMOPS_FETCH_CHUNK,                /* "left" bytes of it are to come */
    NGX_LLMOPS_FETCH_CHUNK_END,            /* its line's end */
    NGX_LLMOPS_FETCH_TRAILER,
    NGX_LLMOPS_FETCH_DONE
} ngx_llmops_fetch_state_e;


typedef struct {
    ngx_llmops_fetch_state_e   state;
    ngx_uint_t                 status;     /* 0: not yet known */
    ngx_llmops_out_t           line;       /* the head, or a line of chunks */
    ngx_llmops_out_t           body;
    uint64_t                   left;
    const char                *error;      /* static text, after NGX_ERROR */
} ngx_llmops_fetch_answer_t;


/* A body of at most max bytes. */
void ngx_llmops_fetch_answer_init(ngx_llmops_fetch_answer_t *answer,
    size_t max);
void ngx_llmops_fetch_answer_free(ngx_llmops_fetch_answer_t *answer);

/* More bytes.  NGX_AGAIN; NGX_OK: it is complete, what follows is ignored;
   NGX_ERROR. */
ngx_int_t ngx_llmops_fetch_answer_feed(ngx_llmops_fetch_answer_t *answer,
    const u_char *p, size_t len);

/* The connection's end.  NGX_OK if that is the answer's too, or NGX_ERROR. */
ngx_int_t ngx_llmops_fetch_answer_end(ngx_llmops_fetch_answer_t *answer);


#endif /* _NGX_LLMOPS_FETCH_ANSWER_H_INCLUDED_ */
