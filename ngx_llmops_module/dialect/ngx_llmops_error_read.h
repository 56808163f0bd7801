
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ERROR_READ_H_INCLUDED_
#define _NGX_LLMOPS_ERROR_READ_H_INCLUDED_


#include "ngx_llmops_dialect.h"


/* The reading of errors, apart from what they mean.  Private to it. */


typedef struct {
    u_char                    *pos;        /* free part of the scratch */
    u_char                    *last;
    ngx_str_t                  details;    /* Anthropic's error_code */
    ngx_uint_t                 number;     /* a code that is a status */
} ngx_llmops_error_reader_t;


/* Finds message, code, type and param in a body of any shape. */
void ngx_llmops_error_body_read(ngx_llmops_error_reader_t *r,
    ngx_str_t *body, ngx_llmops_error_t *err);

/* One past the first place of what, which is in lower case, or NULL. */
u_char *ngx_llmops_error_find(ngx_str_t *s, const ngx_str_t *what);


#endif /* _NGX_LLMOPS_ERROR_READ_H_INCLUDED_ */
