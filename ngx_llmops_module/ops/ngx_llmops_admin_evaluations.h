
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_EVALUATIONS_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_EVALUATIONS_H_INCLUDED_


#include "ngx_llmops_admin.h"
#include "ngx_llmops_evaluate.h"


/* What the files of the resource "evaluations" share. */


/* Reads the document that args[0] names, in a->op; then makes the step next.
   Returns what a step does: an error, if it cannot be an id. */
ngx_int_t ngx_llmops_admin_evaluation_find(ngx_llmops_admin_t *a,
    ngx_llmops_admin_pt next);

/*
 * The document that was read: a new reference.  NULL: *rc is what the step
 * returns; it is not there, or the store cannot be asked.
 */
json_t *ngx_llmops_admin_evaluation_found(ngx_llmops_admin_t *a,
    ngx_int_t *rc);

/* A document as it is shown, which is taken over. */
json_t *ngx_llmops_admin_evaluation_shown(ngx_llmops_admin_t *a,
    json_t *doc);

/* Puts a document in the place of the one that was read.  As a step. */
ngx_int_t ngx_llmops_admin_evaluation_put(ngx_llmops_admin_t *a,
    json_t *doc, ngx_llmops_admin_pt next);

/* _cases.c, _judge.c, _events.c */
ngx_int_t ngx_llmops_admin_evaluation_cases(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_evaluation_queue(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_evaluation_report(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_evaluation_verdict(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_evaluation_events(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_evaluation_create(ngx_llmops_admin_t *a);


#endif /* _NGX_LLMOPS_ADMIN_EVALUATIONS_H_INCLUDED_ */
