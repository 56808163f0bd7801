
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_INFLATE_H_INCLUDED_
#define _NGX_LLMOPS_INFLATE_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * Providers are asked for plain answers; some proxy in front of one may
 * compress all the same.  What must be read (streams, usage, translations) is
 * then inflated on the way.
 */


/* Prepares call->inflate for gzip or deflate.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_inflate_start(ngx_llmops_call_t *call);

/* Frees it; any number of times. */
void ngx_llmops_inflate_free(ngx_llmops_call_t *call);

/*
 * The next piece of the body as ngx_llmops_dechunk() has it, inflated if
 * call->inflate is set: it then lies in memory that the next call uses again.
 */
ngx_int_t ngx_llmops_piece(ngx_http_request_t *r, ngx_llmops_call_t *call,
    ngx_buf_t *b, u_char **p, u_char **last);


#endif /* _NGX_LLMOPS_INFLATE_H_INCLUDED_ */
