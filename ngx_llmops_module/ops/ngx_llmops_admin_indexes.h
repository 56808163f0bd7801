
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_INDEXES_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_INDEXES_H_INCLUDED_


#include "ngx_llmops_admin.h"
#include "ngx_llmops_index.h"


/*
 *   ngx_llmops_admin_indexes.c        what there is
 *   ngx_llmops_admin_index_search.c   a search
 *   ngx_llmops_admin_index_put.c      documents put
 *   ngx_llmops_admin_index_drop.c     documents taken out
 *   ngx_llmops_admin_index_head.c     the head of a document, read and put
 *   ngx_llmops_admin_index_export.c   documents as lines of JSON
 */


/* The index that args[0] names; NULL: *rc is what the step returns. */
ngx_llmops_index_t *ngx_llmops_admin_index(ngx_llmops_admin_t *a,
    ngx_int_t *rc);

/* Whether the id of a document in the store is one of that index. */
ngx_uint_t ngx_llmops_admin_index_has(ngx_llmops_index_t *index,
    ngx_str_t *id);

/* Sets the error of a document that is not there.  NGX_DECLINED. */
ngx_int_t ngx_llmops_admin_index_no_doc(ngx_llmops_admin_t *a);

/* A value that is freed with the request; NULL: out of memory. */
json_t **ngx_llmops_admin_index_json(ngx_llmops_admin_t *a, json_t *value);

ngx_int_t ngx_llmops_admin_index_put(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_index_delete(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_index_export(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_index_search(ngx_llmops_admin_t *a);


#endif /* _NGX_LLMOPS_ADMIN_INDEXES_H_INCLUDED_ */
