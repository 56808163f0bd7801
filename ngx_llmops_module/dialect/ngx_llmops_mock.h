
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_MOCK_H_INCLUDED_
#define _NGX_LLMOPS_MOCK_H_INCLUDED_


#include "ngx_llmops_dialect.h"


/*
 * The built-in provider: answers every operation in the dialect of the
 * request, without network or key, so that a gateway can be tried and tested.
 * This file makes its bytes; the connection it answers on is call/'s.
 */


typedef struct {
    ngx_llmops_out_t           out;        /* the answer, with its header */
    size_t                     chunk[256]; /* ends of the parts to be sent one
                                              by one; the last is out.len */
    ngx_uint_t                 nchunks;
    ngx_uint_t                 first_delay;    /* ms before the first part */
    ngx_uint_t                 delay;          /* ms between the parts */
    unsigned                   hang:1;         /* never answer */
    unsigned                   reset:1;        /* close after the parts,
                                                  though the answer is cut */
} ngx_llmops_mock_answer_t;


/*
 * Makes the whole HTTP/1.1 answer to one request (request line, header and
 * body lie in memory).  The text echoes the last user message, so that a
 * caller sees that its prompt arrived; usage counts words.  The model's name
 * may script it: "echo" (default), "lorem-200" (so many words),
 * "slow-100ms" (that delay between tokens), "error-429" (that status),
 * "hang", "cut" (the stream breaks off), "tool" (calls the first tool).
 * NGX_OK, or NGX_ERROR when out of memory.  Free a->out afterwards.
 */
ngx_int_t ngx_llmops_mock_answer(ngx_str_t *method, ngx_str_t *path,
    ngx_str_t *body, ngx_llmops_mock_answer_t *a);


#endif /* _NGX_LLMOPS_MOCK_H_INCLUDED_ */
