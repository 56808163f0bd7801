
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REVERSE_H_INCLUDED_
#define _NGX_LLMOPS_REVERSE_H_INCLUDED_


#include "ngx_llmops_out.h"


/*
 * What was taken out of a request, and the placeholders that stand for it; and
 * the way back.  It lives as long as its request, in this worker's memory.
 */


#define NGX_LLMOPS_REVERSE_MAX     1024    /* values of a request */
#define NGX_LLMOPS_REVERSE_NAME    64      /* bytes of a placeholder */


typedef struct ngx_llmops_reverse_s  ngx_llmops_reverse_t;


/* where a text stands that placeholders are put back into; zeroed before */

typedef struct {
    size_t                     len;
    u_char                     held[NGX_LLMOPS_REVERSE_NAME];
} ngx_llmops_restore_t;


/* body is the request as it came: a placeholder does not occur in it.  It is
   only looked at by _put().  NULL if out of memory. */
ngx_llmops_reverse_t *ngx_llmops_reverse_create(ngx_str_t *body);
void ngx_llmops_reverse_free(ngx_llmops_reverse_t *rv);

/*
 * Appends the placeholder of a value, "[EMAIL_1]": the same for the same one.
 * name is that of its pattern, the last part of which is used.
 */
void ngx_llmops_reverse_put(ngx_llmops_reverse_t *rv, ngx_str_t *name,
    const u_char *p, size_t len, ngx_llmops_out_t *out);

/* Whether there are any; whether there are more than can be kept. */
ngx_uint_t ngx_llmops_reverse_used(ngx_llmops_reverse_t *rv);
ngx_uint_t ngx_llmops_reverse_failed(ngx_llmops_reverse_t *rv);

/*
 * The other way, for a text in which values have been put back: their
 * placeholders take their places again, those of the longest values first.
 * NGX_OK, or NGX_ERROR: out of memory, or it would take too long; text is then
 * not to be shown.
 */
ngx_int_t ngx_llmops_reverse_hide(ngx_llmops_reverse_t *rv,
    ngx_llmops_out_t *text);

/*
 * The next piece, or with last the end, of a text: what may go is appended to
 * out with the values put back; with json, as they are written inside a JSON
 * string.  The start of a placeholder waits.
 */
void ngx_llmops_restore(ngx_llmops_reverse_t *rv, ngx_llmops_restore_t *st,
    const u_char *p, size_t len, ngx_uint_t json, ngx_uint_t last,
    ngx_llmops_out_t *out);


#endif /* _NGX_LLMOPS_REVERSE_H_INCLUDED_ */
