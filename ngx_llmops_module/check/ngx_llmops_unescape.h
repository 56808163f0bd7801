
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_UNESCAPE_H_INCLUDED_
#define _NGX_LLMOPS_UNESCAPE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_out.h"


/*
 * Arguments of tools are JSON inside a string: a word in them may be spelled
 * with \u escapes once more.  Here those that need none are written as the
 * character that they mean, so that patterns see it; the JSON stays the same
 * for whoever reads it.
 */


typedef struct {
    ngx_uint_t                 len;
    u_char                     held[12];   /* of an escape that goes on */
} ngx_llmops_unescape_t;


/* The next piece, any split gives the same; with last, what is held goes. */
void ngx_llmops_unescape(ngx_llmops_unescape_t *u, const u_char *p,
    size_t len, ngx_uint_t last, ngx_llmops_out_t *out);


#endif /* _NGX_LLMOPS_UNESCAPE_H_INCLUDED_ */
