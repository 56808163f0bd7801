
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_VECTORS_H_INCLUDED_
#define _NGX_LLMOPS_VECTORS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_store.h"


/*
 * Vectors in Redis: sets of them, by a name, in which the nearest ones to a
 * vector are found.  Redis 8 has them built in (VADD, VSIM, ...); Redis 7 and
 * Valkey have not, and whether a server has is found out on each connection.
 * Where there are none every function says NGX_DECLINED, and what to do then
 * is the caller's: he has an index of his own, or does without.
 *
 * They have a connection of their own in each worker, made when one is first
 * used, so that no limit waits behind them.  A search is waited for as long as
 * llm_redis says (timeout=), what changes something for 2 seconds more.
 *
 * A set of the name NAME has the key "PREFIX:v:{NAME}": in a Cluster it lies on
 * one node.  All vectors of a set have the same number of dimensions, and are
 * kept as a byte for each (Q8).  A name is of at most
 * NGX_LLMOPS_VECTORS_NAME bytes without "{" and "}"; what comes from callers is
 * to be digested before it is part of one.
 *
 *   ngx_llmops_vectors.c        commands, from begin to end
 *   ngx_llmops_vectors_change.c those about elements
 *   ngx_llmops_vectors_find.c   the search, and its hits
 *   ngx_llmops_vectors_able.c   what a server can do; counts
 */


#define NGX_LLMOPS_VECTORS_NAME        128     /* bytes of a set's name */
#define NGX_LLMOPS_VECTORS_ELEMENT     512     /* bytes of an element's name */
#define NGX_LLMOPS_VECTORS_DIMS        4096
#define NGX_LLMOPS_VECTORS_ATTRIBUTES  65536   /* bytes of one's attributes */
#define NGX_LLMOPS_VECTORS_FILTER      4096    /* bytes of a filter */
#define NGX_LLMOPS_VECTORS_FOUND       64      /* hits of a search */


typedef struct ngx_llmops_vectors_ask_s  ngx_llmops_vectors_ask_t;

typedef void (*ngx_llmops_vectors_pt)(ngx_llmops_vectors_ask_t *ask);


typedef struct {
    const float               *v;          /* any length; its direction is
                                              what counts */
    uint32_t                   dims;
} ngx_llmops_vector_t;


/* one that was found; strings only while the handler runs */

typedef struct {
    ngx_str_t                  element;
    float                      similarity; /* the cosine, -1 to 1 */
    ngx_str_t                  attributes; /* data NULL: none, or not wanted */
} ngx_llmops_vectors_hit_t;


/* what is looked for */

typedef struct {
    ngx_llmops_vector_t        vector;
    ngx_uint_t                 count;      /* hits at most, 1 to _FOUND */
    float                      min;        /* similarity of a hit; -1: any */
    ngx_str_t                  filter;     /* of attributes, as in
                                              ".exp > 5 and .lang == 'de'";
                                              len 0: none.  Its strings know no
                                              escapes that would be undone:
                                              none with quotes or "\" */
    ngx_uint_t                 effort;     /* EF: candidates that are looked
                                              at; 0: the server's default */
    unsigned                   attributes:1;   /* are wanted: costs another
                                                  round trip */
    unsigned                   exact:1;    /* TRUTH: all are looked at */
} ngx_llmops_vectors_query_t;


/*
 * A question.  The memory is the caller's, with handler, data and log set and
 * all else zeroed; it must live until the handler has been called or _forget().
 * It may be used again from within the handler, zeroed by the functions
 * themselves.
 */

struct ngx_llmops_vectors_ask_s {
    ngx_llmops_vectors_pt      handler;    /* later, never from within the
                                              function that asks */
    void                      *data;
    ngx_log_t                 *log;

    /* results; strings and hits only while the handler runs */
    ngx_int_t                  rc;         /* NGX_OK; NGX_DECLINED: this server
                                              has no vector sets; NGX_ERROR: no
                                              reply in time, or an error
                                              (logged) */
    int64_t                    n;          /* _add: 1 new, 0 replaced;
                                              _remove, _describe: 1 done, 0 not
                                              there; _count: how many;
                                              _drop: 1 or 0 */
    ngx_str_t                  value;      /* _attributes: data NULL: none */
    ngx_llmops_vectors_hit_t  *hits;       /* _find: the nearest first */
    ngx_uint_t                 nhits;

    /* private */
    void                      *task;       /* under way */
};


/*
 * Whether that set's server has vector sets: NGX_OK; NGX_DECLINED: it has none,
 * or there is no llm_redis; NGX_AGAIN: not known yet, or not connected: it is
 * being asked.  Cheap: to be called for every request.  What cannot be done is
 * logged once for all workers, at level notice.
 */
ngx_int_t ngx_llmops_vectors_able(ngx_llmops_store_t *store, ngx_str_t *set);

/*
 * All of the following return NGX_AGAIN: sent, the handler will be called;
 * NGX_DECLINED: the set's server has no vector sets, there is no llm_redis, or
 * it cannot be asked now; NGX_BUSY: too much is on its way, to be tried again
 * later; NGX_ERROR: out of bounds (see above), or of memory.  Except with
 * NGX_AGAIN the handler is not called.  Arguments are copied.
 *
 * ask may be NULL in those that change something: then nobody is told.
 */

/* The nearest ones: ask->hits.  A set that is not there has none. */
ngx_int_t ngx_llmops_vectors_find(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set,
    ngx_llmops_vectors_query_t *query);

/*
 * Adds or replaces an element.  attributes: a JSON object, NULL: none (those
 * that it had stay).  ttl, in milliseconds: the set lives for at least so long
 * from now, 0: for ever; all of a set's are 0, or none is.  Elements do not
 * expire by themselves: that is an attribute, and a filter.
 */
ngx_int_t ngx_llmops_vectors_add(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set, ngx_str_t *element,
    ngx_llmops_vector_t *vector, ngx_str_t *attributes, ngx_msec_t ttl);

ngx_int_t ngx_llmops_vectors_remove(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set, ngx_str_t *element);

/* How many elements it has. */
ngx_int_t ngx_llmops_vectors_count(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set);

/* An element's attributes: ask->value. */
ngx_int_t ngx_llmops_vectors_attributes(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set, ngx_str_t *element);

/* Other attributes for an element. */
ngx_int_t ngx_llmops_vectors_describe(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set, ngx_str_t *element,
    ngx_str_t *attributes);

/* Takes a whole set out. */
ngx_int_t ngx_llmops_vectors_drop(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set);

/* The handler will not be called.  For one that is not under way, too. */
void ngx_llmops_vectors_forget(ngx_llmops_vectors_ask_t *ask);


/* what came of searches and changes, by all workers: for the metrics */

typedef enum {
    NGX_LLMOPS_VECTORS_FIND = 0,
    NGX_LLMOPS_VECTORS_ADD,
    NGX_LLMOPS_VECTORS_OTHER,
    NGX_LLMOPS_VECTORS_KINDS
} ngx_llmops_vectors_kind_e;

typedef enum {
    NGX_LLMOPS_VECTORS_DONE = 0,
    NGX_LLMOPS_VECTORS_FAILED,             /* an error, or no reply */
    NGX_LLMOPS_VECTORS_BUSY,               /* not sent: too much under way */
    NGX_LLMOPS_VECTORS_NONE,               /* not sent: no vector sets there */
    NGX_LLMOPS_VECTORS_RESULTS
} ngx_llmops_vectors_result_e;

extern const ngx_str_t  ngx_llmops_vectors_kinds[];
extern const ngx_str_t  ngx_llmops_vectors_results[];

typedef struct {
    ngx_atomic_t               told;       /* that there are none */
    ngx_atomic_t               counts[NGX_LLMOPS_VECTORS_KINDS]
                                     [NGX_LLMOPS_VECTORS_RESULTS];
} ngx_llmops_vectors_sh_t;

/* With the store, at a worker's start and end; zone may be NULL: nothing is
   counted.  Questions under way are forgotten. */
void ngx_llmops_vectors_start(ngx_shm_zone_t *zone, ngx_log_t *log);
void ngx_llmops_vectors_stop(void);


#endif /* _NGX_LLMOPS_VECTORS_H_INCLUDED_ */
