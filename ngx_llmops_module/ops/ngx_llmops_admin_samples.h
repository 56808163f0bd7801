
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_SAMPLES_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_SAMPLES_H_INCLUDED_


#include "ngx_llmops_admin.h"
#include "ngx_llmops_samples_own.h"


/* What the files of the resource "samples" share. */


/* A question with the filters of the query, in a->data; NULL: *rc is what the
   handler returns.  limit is up to most. */
ngx_llmops_samples_read_t *ngx_llmops_admin_samples_question(
    ngx_llmops_admin_t *a, ngx_int_t most, ngx_int_t usual, ngx_int_t *rc);

/* Asks it; the next step is made later.  Returns what a step returns. */
ngx_int_t ngx_llmops_admin_samples_ask(ngx_llmops_admin_t *a,
    ngx_llmops_samples_read_t *rd, ngx_llmops_admin_pt next);

/* Appends a text as a JSON string to the page. */
void ngx_llmops_admin_samples_quote(ngx_llmops_admin_t *a, const char *text);

/* Errors: no route has samples; there is no such one; not now. */
ngx_int_t ngx_llmops_admin_samples_off(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_samples_none(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_samples_error(ngx_llmops_admin_t *a);

/* Handlers. */
ngx_int_t ngx_llmops_admin_samples_verdict(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_samples_delete(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_samples_delete_all(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_samples_export(ngx_llmops_admin_t *a);


#endif /* _NGX_LLMOPS_ADMIN_SAMPLES_H_INCLUDED_ */
