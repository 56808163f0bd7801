
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_PROMPTS_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_PROMPTS_H_INCLUDED_


#include "ngx_llmops_admin.h"
#include "ngx_llmops_prompt_conf.h"


/* Prompts: what the calls that only look, and those that change what is there,
   have in common. */


/* GET prompts: see ngx_llmops_admin_prompt_list.c. */
ngx_int_t ngx_llmops_admin_prompt_list(ngx_llmops_admin_t *a);

/* A prompt of the configuration as it is shown; NULL: out of memory. */
json_t *ngx_llmops_admin_family_shown(ngx_llmops_prompt_family_t *family);

/* Changes of one prompt: see ngx_llmops_admin_prompt_edit.c. */
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


/* -- changes: ngx_llmops_admin_prompt_change.c ---------------------------- */

typedef struct ngx_llmops_prompt_change_s  ngx_llmops_prompt_change_t;

/* As the functions of ngx_llmops_prompt_head.h. */
typedef ngx_int_t (*ngx_llmops_prompt_edit_pt)(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_change_t *change);

struct ngx_llmops_prompt_change_s {
    ngx_llmops_prompt_edit_pt  edit;
    json_t                    *head;
    json_t                    *removed;    /* ids of texts to be removed */
    uint64_t                   if_match;
    uint64_t                   revision;   /* of the head that was read */
    ngx_uint_t                 tries;
    ngx_uint_t                 status;     /* of success */
    ngx_int_t                  rc;         /* of the answer, once it is set */
    ngx_llmops_head_act_t      act;
    ngx_llmops_head_fault_t    fault;
    ngx_str_t                  version;    /* of a label */
    ngx_str_t                  text;       /* id of a new text, or len 0 */
    u_char                     sha256[NGX_LLMOPS_HEAD_SHA256 + 1];
    unsigned                   create:1;   /* there may be no head yet */
    unsigned                   stored:1;   /* the new text is there */
};


/*
 * Begins a change: whether it is allowed, who makes it and why, If-Match.  It
 * is a->data; edit is called once for each head that is read.  NULL: *rc is
 * what the step returns.
 */
ngx_llmops_prompt_change_t *ngx_llmops_prompt_change(ngx_llmops_admin_t *a,
    ngx_llmops_prompt_edit_pt edit, ngx_int_t *rc);

/* The way of a change, to its end.  Returns what a step returns. */
ngx_int_t ngx_llmops_prompt_change_start(ngx_llmops_admin_t *a);

/* Its end, with the error of change->fault; with an answer that is set and the
   rc of it, after the texts in change->removed have gone. */
ngx_int_t ngx_llmops_prompt_change_refused(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_prompt_change_end(ngx_llmops_admin_t *a, ngx_int_t rc);


#endif /* _NGX_LLMOPS_ADMIN_PROMPTS_H_INCLUDED_ */
