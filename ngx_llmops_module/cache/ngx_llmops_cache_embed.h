
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_EMBED_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_EMBED_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_cache_near.h"


/* From a text to its meaning: asks a provider for it, or remembers it. */


typedef struct ngx_llmops_embed_s  ngx_llmops_embed_t;

typedef void (*ngx_llmops_embed_pt)(ngx_llmops_embed_t *e);


/* zeroed and filled in by the caller; must stay until the handler was called,
   or _forget() */

struct ngx_llmops_embed_s {
    ngx_llmops_target_t       *target;
    ngx_str_t                  text;       /* must stay as long */
    ngx_llmops_embed_pt        handler;    /* later, never from within ask() */
    void                      *data;

    const ngx_llmops_near_vector_t  *vector;   /* NULL: none; valid until the
                                                  next is asked for */

    ngx_queue_t                queue;      /* private */
    u_char                     digest[NGX_LLMOPS_CACHE_KEY];
    unsigned                   waiting:1;
};


/*
 * NGX_OK: e->vector is known, the handler will not be called; NGX_AGAIN: it
 * will be, when the provider has answered or failed; NGX_DECLINED: too many
 * wait already, or out of memory.  What is asked for in one turn of the event
 * loop, or while another question is under way, goes out in one request.
 */
ngx_int_t ngx_llmops_embed_ask(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *from, ngx_llmops_embed_t *e);

/* The handler will not be called; the provider's answer is remembered all the
   same.  For one that does not wait, too. */
void ngx_llmops_embed_forget(ngx_llmops_embed_t *e);

/* The vector of a text, if it is remembered; NULL. */
const ngx_llmops_near_vector_t *ngx_llmops_embed_known(
    ngx_llmops_embed_t *e);

/* At the worker's end. */
void ngx_llmops_embed_stop(void);


#endif /* _NGX_LLMOPS_CACHE_EMBED_H_INCLUDED_ */
