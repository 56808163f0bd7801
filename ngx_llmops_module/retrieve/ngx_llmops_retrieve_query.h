
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_RETRIEVE_QUERY_H_INCLUDED_
#define _NGX_LLMOPS_RETRIEVE_QUERY_H_INCLUDED_


#include "ngx_llmops_lookup.h"


/*
 * What a request's body asks for, in pool: the variable of that name, or (name
 * len 0) the text of the user's last message, or else the texts among its
 * variables.  At most NGX_LLMOPS_LOOKUP_TEXT bytes, the last ones.  NGX_OK,
 * NGX_DECLINED: nothing, NGX_ERROR: out of memory.
 */
ngx_int_t ngx_llmops_retrieve_query(ngx_pool_t *pool, ngx_llmops_ctx_t *ctx,
    ngx_str_t *body, ngx_str_t *name, ngx_str_t *query);

/* The context and the header's value for what was found, in pool, of texts of
   max bytes in all.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_retrieve_context(ngx_pool_t *pool,
    ngx_llmops_lookup_t *l, size_t max, ngx_str_t *context,
    ngx_str_t *sources);


#endif /* _NGX_LLMOPS_RETRIEVE_QUERY_H_INCLUDED_ */
