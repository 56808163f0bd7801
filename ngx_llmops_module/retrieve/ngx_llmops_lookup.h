
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_LOOKUP_H_INCLUDED_
#define _NGX_LLMOPS_LOOKUP_H_INCLUDED_


#include "ngx_llmops_index.h"
#include "ngx_llmops_cache_embed.h"


/* The chunks of an index that are nearest to a text. */


#define NGX_LLMOPS_LOOKUP_TEXT  NGX_LLMOPS_NEAR_TEXT   /* bytes of a query */


typedef struct ngx_llmops_lookup_s  ngx_llmops_lookup_t;

typedef void (*ngx_llmops_lookup_pt)(ngx_llmops_lookup_t *l);


/* a chunk that was found: raw JSON of a chunk's attributes, each len 0 if it
   has none of it */

typedef struct {
    ngx_str_t                  id;         /* of its document: a string, */
    ngx_str_t                  text;       /* a string */
    ngx_str_t                  title;
    ngx_str_t                  url;
    ngx_str_t                  n;          /* a number */
    float                      similarity;
} ngx_llmops_passage_t;


/* zeroed and filled in by the caller, to whom it belongs; it must stay until
   the handler was called, or _cancel() */

struct ngx_llmops_lookup_s {
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_index_t        *index;
    ngx_llmops_ctx_t          *from;       /* or NULL */
    ngx_pool_t                *pool;       /* of the results */
    ngx_log_t                 *log;
    ngx_str_t                  text;       /* valid UTF-8; must stay; at most
                                              _TEXT bytes */
    ngx_uint_t                 top;
    float                      min;
    ngx_str_t                  filter;     /* as ngx_llmops_vectors_query_t
                                              has it */
    ngx_msec_t                 timeout;    /* of all of it */
    ngx_llmops_lookup_pt       handler;    /* later, never from within
                                              _lookup() or another request */
    void                      *data;

    /* results */
    ngx_llmops_retrieve_result_e  result;
    ngx_llmops_passage_t      *passages;   /* the nearest first */
    ngx_uint_t                 n;
    ngx_msec_t                 ms;         /* that it took */

    /* private */
    ngx_llmops_embed_t         embed;
    ngx_llmops_vectors_ask_t   ask;
    ngx_event_t                timer;
    ngx_msec_t                 start;
    float                     *vector;
};


/* NGX_AGAIN: the handler will be called; NGX_OK: it will not, the result is in
   place: there is none. */
ngx_int_t ngx_llmops_lookup(ngx_llmops_lookup_t *l);

/* The handler will not be called; at any time. */
void ngx_llmops_lookup_cancel(ngx_llmops_lookup_t *l);

/* The last bytes of s that are characters and not more than _TEXT. */
void ngx_llmops_lookup_cut(ngx_str_t *s);

/*
 * Appends a condition to a filter of so much room, " and " before it if it has
 * some: the member of metadata has that value.  NGX_OK, NGX_DECLINED: such a
 * value cannot be asked for, or there is no room.
 */
ngx_int_t ngx_llmops_lookup_where(ngx_str_t *filter, size_t room,
    ngx_str_t *key, ngx_str_t *value);


#endif /* _NGX_LLMOPS_LOOKUP_H_INCLUDED_ */
