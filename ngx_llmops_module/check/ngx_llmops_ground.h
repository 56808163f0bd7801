
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_GROUND_H_INCLUDED_
#define _NGX_LLMOPS_GROUND_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * How much of a text others support: the share of its statements, the words,
 * names, numbers and quotes of which occur there.
 */

#define NGX_LLMOPS_GROUND_MAX  (256 * 1024)    /* bytes of context */


typedef struct ngx_llmops_ground_s  ngx_llmops_ground_t;


/* NULL if out of memory. */
ngx_llmops_ground_t *ngx_llmops_ground_create(void);
void ngx_llmops_ground_free(ngx_llmops_ground_t *g);

/* Adds a text to the context, of which the first GROUND_MAX bytes count.
   NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_ground_add(ngx_llmops_ground_t *g, const u_char *p,
    size_t len);

/* The share in thousandths, 1000 if there is no statement. */
ngx_uint_t ngx_llmops_ground_share(ngx_llmops_ground_t *g, const u_char *p,
    size_t len);


#endif /* _NGX_LLMOPS_GROUND_H_INCLUDED_ */
