
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ANSWER_H_INCLUDED_
#define _NGX_LLMOPS_ANSWER_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * What the files of the header stage share.  Those that take only r are, or
 * become, u->process_header: NGX_OK lets the header go out, NGX_AGAIN waits
 * for more bytes, NGX_HTTP_UPSTREAM_INVALID_HEADER ends the attempt.
 */


#define NGX_LLMOPS_HOLD_MAX        (64 * 1024 * 1024)
#define NGX_LLMOPS_HOLD_ERROR_MAX  65536


/* The attempt is lost: notes why, and returns what ends it. */
ngx_int_t ngx_llmops_answer_fail(ngx_llmops_ctx_t *ctx,
    ngx_llmops_fail_e fail);

/* Whether u->buffer is full: nginx takes one that is left so for a header
   that is too big. */
ngx_uint_t ngx_llmops_answer_full(ngx_http_request_t *r);

/* Decides on an answer with a status from 300 on. */
ngx_int_t ngx_llmops_answer_error(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* Reads the headers that speak of limits; for a failed answer returns the
   time in ms that the provider wants to be left alone, or 0. */
int64_t ngx_llmops_answer_hints(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t failed);

/* Whether a whole answer becomes a stream: clients would take it for an empty
   one. */
ngx_uint_t ngx_llmops_answer_replays(ngx_llmops_ctx_t *ctx);

/* call->held goes out in place of the provider's body. */
ngx_int_t ngx_llmops_answer_replaced(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_uint_t stream);

/* The same with an error of ours in call->held, in the caller's dialect.
   NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_answer_own_error(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_error_t *err, ngx_uint_t status);

/* Whether a whole answer to the request can only be a JSON object. */
ngx_uint_t ngx_llmops_answer_is_object(ngx_llmops_ctx_t *ctx);

/* It is none, or not all of one: as ngx_llmops_answer_fail(), with a line in
   the log. */
ngx_int_t ngx_llmops_answer_broken(ngx_llmops_ctx_t *ctx);

ngx_int_t ngx_llmops_answer_peek_stream(ngx_http_request_t *r);
ngx_int_t ngx_llmops_answer_peek_json(ngx_http_request_t *r);
ngx_int_t ngx_llmops_answer_hold(ngx_http_request_t *r);


#endif /* _NGX_LLMOPS_ANSWER_H_INCLUDED_ */
