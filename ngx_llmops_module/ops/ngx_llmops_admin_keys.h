
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_KEYS_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_KEYS_H_INCLUDED_


#include "ngx_llmops_admin.h"
#include "ngx_llmops_key.h"


/* Virtual keys: what the calls that only look or make, and those that change
   what is there, have in common. */


/* Changes of one key: see ngx_llmops_admin_key_change.c. */
ngx_int_t ngx_llmops_admin_key_replace(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_key_rotate(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_key_disable(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_key_enable(ngx_llmops_admin_t *a);

/* Whether the path's id can be that of a key; NGX_DECLINED if not, and 404
   has been set. */
ngx_int_t ngx_llmops_admin_key_named(ngx_llmops_admin_t *a);

/* Sets 412: the key has another revision than If-Match says. */
ngx_int_t ngx_llmops_admin_key_stale(ngx_llmops_admin_t *a);

/* The record in a->op.doc, which is the caller's to json_decref(); NULL, with
   the error set and *rc what the step returns, if a->op failed or the document
   is no record. */
json_t *ngx_llmops_admin_key_record(ngx_llmops_admin_t *a, ngx_int_t *rc);

/* What is shown of a record, with its revision; NULL: out of memory. */
json_t *ngx_llmops_admin_key_shown(json_t *record, uint64_t revision);

/* Answers with a key: record is only looked at; secret may be NULL, is shown
   if it has one, and wiped. */
ngx_int_t ngx_llmops_admin_key_answer(ngx_llmops_admin_t *a,
    ngx_uint_t status, json_t *record, uint64_t revision,
    ngx_llmops_key_secret_t *secret);

/* a->op becomes a put of that record, in place of the revision expected.
   NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_admin_key_put(ngx_llmops_admin_t *a, json_t *record,
    uint64_t expected);


#endif /* _NGX_LLMOPS_ADMIN_KEYS_H_INCLUDED_ */
