
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_RETRIEVE_H_INCLUDED_
#define _NGX_LLMOPS_RETRIEVE_H_INCLUDED_


#include "ngx_llmops.h"


/* The context of a request's prompt, from an index: ngx_llmops_retrieve.c. */


#define NGX_LLMOPS_RETRIEVE_TOP_MAX    20
#define NGX_LLMOPS_RETRIEVE_MAX_MAX    (256 * 1024)
#define NGX_LLMOPS_RETRIEVE_WHERE_MAX  4
#define NGX_LLMOPS_RETRIEVE_SOURCES    2048    /* bytes of the header */


/* ctx->retrieved; there if the route has "retrieve" and the request a prompt
   that uses a context */

typedef struct ngx_llmops_retrieved_s {
    ngx_str_t                  context;    /* a JSON array of {"id", "text",
                                              "score", "number", and maybe
                                              "title", "url"} */
    ngx_str_t                  sources;    /* value of x-llm-sources */
    void                      *lookup;     /* private */
    unsigned                   done:1;
    unsigned                   failed:1;   /* it goes on without (fail=open) */
} ngx_llmops_retrieved_t;


/*
 * Before the prompt is applied.  NGX_OK, also if there is nothing to do;
 * NGX_AGAIN: resume will be called, and then this again; or a status to answer
 * with.  ctx->retrieved->context is an array from then on, maybe an empty one.
 */
ngx_int_t ngx_llmops_retrieve(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    void (*resume)(ngx_http_request_t *r));

/* The value of x-llm-sources and $llm_sources; len 0: none. */
#define ngx_llmops_retrieve_sources(ctx, value)                               \
    if ((ctx)->retrieved) {                                                   \
        *(value) = (ctx)->retrieved->sources;                                 \
    }


#endif /* _NGX_LLMOPS_RETRIEVE_H_INCLUDED_ */
