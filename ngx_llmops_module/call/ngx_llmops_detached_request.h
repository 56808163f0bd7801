
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_DETACHED_REQUEST_H_INCLUDED_
#define _NGX_LLMOPS_DETACHED_REQUEST_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_detached.h"


/* Between ngx_llmops_detached.c, which knows what becomes of a detached
   request, and ngx_llmops_detached_request.c, which makes one. */


/* mcf->detached: bounds of this worker, and what is under way in it */

typedef struct {
    ngx_uint_t                 max_requests;   /* 0: not given */
    size_t                     max_bytes;
    ngx_uint_t                 n;
    size_t                     bytes;
    ngx_llmops_purpose_t      *purposes;
    ngx_http_conf_ctx_t       *conf_ctx;   /* of their requests, or NULL */
    ngx_http_addr_conf_t      *addr_conf;
} ngx_llmops_bounds_of_detached_t;


/* Makes the configuration that detached requests run in: the first server's,
   without what belongs to callers (error_page and the like). */
ngx_int_t ngx_llmops_detached_conf(ngx_cycle_t *cycle,
    ngx_llmops_bounds_of_detached_t *b);

/*
 * Makes the request, from d up to its plan, and arms e's timer.  NGX_OK: it is
 * e->request.  NGX_ERROR (logged): nothing is left of it, or, if e->request is
 * set or e's event posted, it is about to end.
 */
ngx_int_t ngx_llmops_detached_request(ngx_llmops_detached_engine_t *e,
    ngx_llmops_detached_t *d);

/* Lets it go; it may end in this. */
void ngx_llmops_detached_go(ngx_llmops_detached_engine_t *e);

/* Gives the request up: it ends in this. */
void ngx_llmops_detached_abort(ngx_http_request_t *r);

/* Its cleanup handler, which comes behind those of the context. */
void ngx_llmops_detached_over(void *data);


#endif /* _NGX_LLMOPS_DETACHED_REQUEST_H_INCLUDED_ */
