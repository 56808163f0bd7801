
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_FORM_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_FORM_H_INCLUDED_


#include "ngx_llmops_cache_work.h"
#include "ngx_llmops_tree.h"


/* What the files share that make a document of a stream's events: only for
   ngx_llmops_cache_form*.c.  Whatever goes wrong sets g->failed. */


/* a member that grows */

typedef struct {
    json_t                    *target;     /* borrowed: it is part of top */
    const char                *key;        /* of target's, static */
    ngx_llmops_out_t           out;
    unsigned                   json:1;     /* it is the text of a value */
} ngx_llmops_gather_text_t;


/* an answer that is being made */

typedef struct {
    ngx_llmops_op_e            op;
    json_t                    *top;
    ngx_llmops_gather_text_t  *texts;
    ngx_uint_t                 ntexts;
    unsigned                   failed:1;
    unsigned                   ended:1;
} ngx_llmops_gather_t;


/* Takes an event, which is an object, of chat or completions; of messages. */
void ngx_llmops_gather_chunk(ngx_llmops_gather_t *g, json_t *chunk);
void ngx_llmops_gather_message(ngx_llmops_gather_t *g, json_t *ev);


/* The object at an index (NULL: the first) of a list that is a member of
   object, both made if need be; borrowed.  NULL: failed. */
json_t *ngx_llmops_gather_slot(ngx_llmops_gather_t *g, json_t *object,
    const char *key, json_t *index);

/*
 * A member of target grows by value, if that is a string; json: in the end it
 * is not text but what the text says.  key is static, the same pointer each
 * time, and target stays a part of g->top.
 */
void ngx_llmops_gather_text(ngx_llmops_gather_t *g, json_t *target,
    const char *key, json_t *value, ngx_uint_t json);

/* Sets a member of object, with a reference of its own; NULL fails. */
void ngx_llmops_gather_set(ngx_llmops_gather_t *g, json_t *object,
    const char *key, json_t *value);


#endif /* _NGX_LLMOPS_CACHE_FORM_H_INCLUDED_ */
