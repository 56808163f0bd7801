
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PROMPT_KEPT_H_INCLUDED_
#define _NGX_LLMOPS_PROMPT_KEPT_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_prompt.h"
#include "ngx_llmops_prompt_head.h"


/*
 * What a worker has read of the prompts in the store, see
 * ngx_llmops_prompt_kept.c.  Private to this room.
 */


typedef struct ngx_llmops_kept_s         ngx_llmops_kept_t;
typedef struct ngx_llmops_kept_entry_s   ngx_llmops_kept_entry_t;
typedef struct ngx_llmops_kept_wait_s    ngx_llmops_kept_wait_t;


/* one who waits; wake() is called once, outside of any request, when what it
   waits for has been asked; it ends with ngx_http_run_posted_requests() */

struct ngx_llmops_kept_wait_s {
    ngx_queue_t                queue;
    void                     (*wake)(ngx_llmops_kept_wait_t *wait);
    ngx_uint_t                 asked;      /* how often it has waited */
    unsigned                   waiting:1;
};


struct ngx_llmops_kept_entry_s {
    ngx_str_node_t             sn;         /* "h" or "t", and the id */
    ngx_queue_t                queue;
    ngx_queue_t                waiting;
    ngx_llmops_kept_t         *kept;
    ngx_llmops_store_t        *store;
    ngx_pool_t                *pool;       /* of the question; NULL: none */
    ngx_llmops_docop_t         op;
    uint64_t                   asked;      /* revision when it was asked, */
    uint64_t                   revision;   /* and when it was answered */
    ngx_msec_t                 failed;     /* when the store could not be */

    json_t                    *head;       /* NULL: there is no such prompt */
    ngx_str_t                  version;    /* a text: what it is of */
    ngx_llmops_prompt_t       *prompt;     /* a text: referenced */
    size_t                     size;       /* of it */

    unsigned                   text:1;     /* which of the two it is */
    unsigned                   answered:1;
    unsigned                   trouble:1;  /* the last question failed */
    unsigned                   invalid:1;  /* a text that does not parse */
    unsigned                   listed:1;   /* it stands in a queue */
};


/*
 * The head of a prompt, or the text of a version.  NGX_OK: *entry is as it is in the store, or, while
 * that cannot be asked, as it was last seen; its head is NULL, or its prompt
 * is, if there is none.  It is good until the event handler returns.
 * NGX_AGAIN: wait->wake() will be called.  NGX_BUSY: the store cannot be asked
 * and nothing is known.  NGX_ERROR: out of memory.
 */
ngx_int_t ngx_llmops_kept_head(ngx_llmops_main_conf_t *mcf, ngx_str_t *name,
    ngx_llmops_kept_wait_t *wait, ngx_llmops_kept_entry_t **entry);
ngx_int_t ngx_llmops_kept_text(ngx_llmops_main_conf_t *mcf, ngx_str_t *id,
    ngx_str_t *version, ngx_llmops_kept_wait_t *wait,
    ngx_llmops_kept_entry_t **entry);

/* Nobody waits any more. */
void ngx_llmops_kept_leave(ngx_llmops_kept_wait_t *wait);

/* The head is asked anew by whoever comes next: it names a text that is no
   longer there. */
void ngx_llmops_kept_doubt(ngx_llmops_main_conf_t *mcf, ngx_str_t *name);


/* -- the table: ngx_llmops_prompt_kept_table.c ---------------------------- */

/* The entry of a name, or, with a version, of a text's id; a new one if there
   is none.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_kept_find(ngx_llmops_main_conf_t *mcf, ngx_str_t *id,
    ngx_str_t *version, ngx_llmops_kept_entry_t **entry);

/* It is the last one to go; others may have to make room. */
void ngx_llmops_kept_use(ngx_llmops_kept_entry_t *entry);

/* Out of its queue: before its head, prompt or size changes. */
void ngx_llmops_kept_unlist(ngx_llmops_kept_entry_t *entry);


#endif /* _NGX_LLMOPS_PROMPT_KEPT_H_INCLUDED_ */
