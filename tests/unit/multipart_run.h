
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _MULTIPART_RUN_H_INCLUDED_
#define _MULTIPART_RUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_multipart.h"


/* One run of the reader over a body in pieces, and all of its result. */


typedef struct {
    ngx_int_t                  rc;
    ngx_llmops_multipart_t     m;
} multipart_run_t;


static inline void
multipart_run_feed(multipart_run_t *r, const u_char *p, size_t len)
{
    u_char  *copy;

    copy = malloc(len ? len : 1);
    memcpy(copy, p, len);

    r->rc = ngx_llmops_multipart_feed(&r->m, copy, len);

    memset(copy, 0xaa, len);
    free(copy);
}


static inline int
multipart_run_same_field(ngx_llmops_multipart_field_t *a,
    ngx_llmops_multipart_field_t *b)
{
    return a->count == b->count && a->start == b->start && a->end == b->end
           && a->len == b->len && memcmp(a->value, b->value, a->len) == 0;
}


static inline int
multipart_run_same(multipart_run_t *a, multipart_run_t *b)
{
    /* after an error nothing else is told */

    if (a->rc == NGX_ERROR) {
        return b->rc == NGX_ERROR;
    }

    return a->rc == b->rc && a->m.complete == b->m.complete
           && multipart_run_same_field(&a->m.model, &b->m.model)
           && multipart_run_same_field(&a->m.stream, &b->m.stream);
}


#endif /* _MULTIPART_RUN_H_INCLUDED_ */
