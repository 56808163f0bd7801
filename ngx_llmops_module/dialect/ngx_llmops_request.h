
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REQUEST_H_INCLUDED_
#define _NGX_LLMOPS_REQUEST_H_INCLUDED_


#include "ngx_llmops_dialect.h"


/* What the edits of the dialects share.  Private to this directory. */


/*
 * The edit that puts another model into the body, if that is one: returns 0
 * or 1.  Until _finish() the text of an edit has its length only, since out
 * may move.
 */
ngx_uint_t ngx_llmops_edit_model(ngx_llmops_envelope_t *env,
    ngx_str_t *model, ngx_llmops_out_t *out, ngx_llmops_edit_t *edits);

/*
 * Sets the texts of n edits, which lie in out one after the other from start
 * on, and sorts the edits.  Returns n, or NGX_ERROR.
 */
ngx_int_t ngx_llmops_edits_finish(ngx_llmops_out_t *out, size_t start,
    ngx_llmops_edit_t *edits, ngx_uint_t n);


#endif /* _NGX_LLMOPS_REQUEST_H_INCLUDED_ */
