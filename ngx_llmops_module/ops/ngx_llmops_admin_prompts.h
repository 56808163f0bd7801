
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_PROMPTS_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_PROMPTS_H_INCLUDED_


#include "ngx_llmops_admin.h"
#include "ngx_llmops_prompt_conf.h"


/* Prompts: what the calls that only look, and those that change what is there,
   have in common. */


/* Changes of one prompt: see ngx_llmops_admin_prompt_change.c. */
ngx_int_t ngx_llmops_admin_prompt_put(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_prompt_delete(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_version_delete(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_label_put(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_label_delete(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_label_rollback(ngx_llmops_admin_t *a);

/* POST prompts/render: see ngx_llmops_admin_prompt_render.c. */
ngx_int_t ngx_llmops_admin_prompt_render(ngx_llmops_admin_t *a);

/* The prompts of the configuration with the name of the path, or NULL. */
ngx_llmops_prompt_family_t *ngx_llmops_admin_prompt_family(
    ngx_llmops_admin_t *a);

/* a->op becomes one on the head of that name; NGX_DECLINED if no prompt can
   have it, and 404 has been set. */
ngx_int_t ngx_llmops_admin_prompt_named(ngx_llmops_admin_t *a);

/* Sets 404. */
ngx_int_t ngx_llmops_admin_prompt_none(ngx_llmops_admin_t *a);

/* The head in a->op.doc, which is the caller's to json_decref(); NULL, with the
   error set and *rc what the step returns, if there is none. */
json_t *ngx_llmops_admin_prompt_head(ngx_llmops_admin_t *a, ngx_int_t *rc);

/* Answers with a prompt of the store: head is only looked at. */
ngx_int_t ngx_llmops_admin_prompt_answer(ngx_llmops_admin_t *a,
    ngx_uint_t status, json_t *head, uint64_t revision);


#endif /* _NGX_LLMOPS_ADMIN_PROMPTS_H_INCLUDED_ */
