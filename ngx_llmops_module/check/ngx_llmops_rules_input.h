
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_RULES_INPUT_H_INCLUDED_
#define _NGX_LLMOPS_RULES_INPUT_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_rules.h"


/* What the two files of rules on a request share. */


/* [start, end) of the body becomes the text at offset, as it is */

typedef struct {
    size_t                     start;
    size_t                     end;
    size_t                     offset;
    size_t                     len;
} ngx_llmops_input_edit_t;


typedef struct {
    ngx_http_request_t        *r;
    ngx_llmops_ctx_t          *ctx;
    ngx_llmops_ruled_t        *ruled;
    ngx_str_t                  body;
    ngx_llmops_out_t           text;       /* a string, decoded */
    ngx_llmops_out_t           clean;      /* the same, redacted */
    ngx_llmops_out_t           edited;     /* as JSON */
    ngx_array_t                edits;
    uint64_t                   found;
    ngx_llmops_rule_t         *denied;
    ngx_llmops_reverse_t      *reverse;    /* or NULL */
    ngx_str_t                  forbidden;
    ngx_str_t                  unbound;    /* a null that could bound the
                                              answer, in the body */
    unsigned                   capped:1;   /* the body bounds its answer */
} ngx_llmops_input_t;


/* rules_input_read.c */

/*
 * Goes through in->body, and fills edits, found and capped.  NGX_OK;
 * NGX_DECLINED: in->denied is a rule that refuses it, or in->forbidden the
 * member that does; NGX_ERROR: the body cannot be read, or out of memory.
 */
ngx_int_t ngx_llmops_input_read(ngx_llmops_input_t *in);

/* Notes that len bytes at p, of the body, become what has been written to
   in->edited from offset on.  NGX_OK, or NGX_ERROR: out of memory, or there are
   too many. */
ngx_int_t ngx_llmops_input_edit(ngx_llmops_input_t *in, u_char *p, size_t len,
    size_t offset);


#endif /* _NGX_LLMOPS_RULES_INPUT_H_INCLUDED_ */
