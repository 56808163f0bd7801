
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_INDEX_PUT_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_INDEX_PUT_H_INCLUDED_


#include "ngx_llmops_admin_indexes.h"
#include "ngx_llmops_prompt_conf.h"


/* Calls that change documents of an index.  Private to the files of admin_
   index_put, _drop and _head. */


#define NGX_LLMOPS_INDEX_TRIES  8          /* against others who are faster */


typedef struct {
    ngx_llmops_index_t        *index;
    json_t                    *list;       /* documents, borrowed; or */
    u_char                    *pos;        /* lines */
    u_char                    *last;
    ngx_uint_t                 number;     /* of the present document */
    json_t                    *given;      /* it, owned */
    json_t                    *head;       /* that is there, or NULL */
    char                      *value;      /* being put */
    json_t                    *seen;       /* ids in the store */
    json_t                    *others;     /* an array of them: to go */
    uint64_t                   revision;   /* of head */
    ngx_uint_t                 tries;
    ngx_uint_t                 taken;
    ngx_uint_t                 unchanged;
    ngx_uint_t                 removed;
    u_char                     sha[NGX_LLMOPS_HEAD_SHA256 + 1];
    u_char                     id[NGX_LLMOPS_INDEX_ID + 1];
    u_char                     text[NGX_LLMOPS_DOC_ID + 1];
    unsigned                   stored:1;   /* text is in the store, and no head
                                              names it yet */
    unsigned                   sweep:1;    /* others=delete */
    unsigned                   one:1;      /* a call to delete */
} ngx_llmops_admin_put_t;


/* A call's state, in a->data, freed with the request.  NULL: *rc is what the
   step returns. */
ngx_llmops_admin_put_t *ngx_llmops_index_put_create(ngx_llmops_admin_t *a,
    ngx_int_t *rc);

/* All documents have been put: marks those of the index that are not in
   put->seen.  A step. */
ngx_int_t ngx_llmops_index_drop_others(ngx_llmops_admin_t *a);

/* Sets the answer of a call that has done its work.  A step. */
ngx_int_t ngx_llmops_index_put_end(ngx_llmops_admin_t *a);


/* Asks for the head of put->id, then makes the step next.  A step. */
ngx_int_t ngx_llmops_index_head_get(ngx_llmops_admin_t *a,
    ngx_llmops_admin_pt next);

/* What came of it: NGX_OK, with put->head (NULL: there is none) and its
   revision; otherwise what the step returns. */
ngx_int_t ngx_llmops_index_head_got(ngx_llmops_admin_t *a);

/* Puts a head, borrowed, in the place of the revision that was read, then
   makes the step next.  NULL: out of memory.  A step. */
ngx_int_t ngx_llmops_index_head_put(ngx_llmops_admin_t *a, json_t *head,
    ngx_llmops_admin_pt next);

/* The head could not be put: where others were faster, the step again is to
   read it anew, up to NGX_LLMOPS_INDEX_TRIES times.  A step. */
ngx_int_t ngx_llmops_index_head_late(ngx_llmops_admin_t *a,
    ngx_llmops_admin_pt again);


#endif /* _NGX_LLMOPS_ADMIN_INDEX_PUT_H_INCLUDED_ */
