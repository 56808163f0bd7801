
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_CANON_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_CANON_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cache_key.h"


/* What the files of the canonical form share: only for
   ngx_llmops_cache_canon*.c.  The form itself is in ngx_llmops_cache_key.h. */


/* one of scratch->members, which are those of all objects that are open */

typedef struct {
    size_t                     start;      /* of its name, in out */
    size_t                     end;        /* of its value */
    const u_char              *name;       /* while they are sorted */
} ngx_llmops_canon_member_t;


/* a text that is being read */

typedef struct {
    const u_char              *p;
    const u_char              *last;
    ngx_llmops_cache_scratch_t  *s;
    ngx_llmops_op_e            op;
    ngx_llmops_cache_why_e     why;
    ngx_uint_t                 depth;
    size_t                     moves;      /* bytes that may still be moved */
} ngx_llmops_canon_t;


/* Appends the string at c->p, which is at its quote, to c->s->out, and goes
   behind it.  NGX_OK, or NGX_ERROR: it is not JSON, or there is no memory. */
ngx_int_t ngx_llmops_canon_string(ngx_llmops_canon_t *c);

/*
 * An object's end: its members, those from offset first of c->s->members on,
 * are put in order and forgotten, and the end is appended.  NGX_OK;
 * NGX_DECLINED, with c->why set: a name is there twice, or too much would have
 * to be moved; NGX_ERROR.
 */
ngx_int_t ngx_llmops_canon_close(ngx_llmops_canon_t *c, size_t first);


#endif /* _NGX_LLMOPS_CACHE_CANON_H_INCLUDED_ */
