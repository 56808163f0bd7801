
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ARG_H_INCLUDED_
#define _NGX_LLMOPS_ARG_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * Arguments of directives of the form "name=value".  A value ends with the
 * null byte of its word, so that ngx_strcmp() may be used on it.
 */


typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  value;
} ngx_llmops_arg_t;


/* Splits a word at its first "=".  NGX_OK, or NGX_ERROR: it has none. */
ngx_int_t ngx_llmops_arg_read(ngx_str_t *word, ngx_llmops_arg_t *arg);

/* Whether that is the argument's name; a literal. */
#define ngx_llmops_arg_is(arg, lit)                                           \
    ((arg)->name.len == sizeof(lit) - 1                                       \
     && ngx_memcmp((arg)->name.data, lit, sizeof(lit) - 1) == 0)

/* The next item of a list with commas, which is moved on; 0: that was the last.
   Between two commas there is an item, be it empty, and so there is before the
   first and behind the last: an empty list is one empty item. */
ngx_uint_t ngx_llmops_arg_next(ngx_str_t *list, ngx_str_t *item);

/* "12.5%" as 1250, with at most two decimals and up to 100%.  NGX_ERROR: it is
   something else. */
ngx_int_t ngx_llmops_arg_percent(ngx_str_t *value);

/* The same in *share.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_arg_share(ngx_str_t *value, ngx_uint_t *share);

/* Compiles a text that may have variables.  NGX_OK or NGX_ERROR (logged). */
ngx_int_t ngx_llmops_arg_compile(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t *cv);

/* The same, in memory of cf->pool.  NULL: logged. */
ngx_http_complex_value_t *ngx_llmops_arg_complex(ngx_conf_t *cf,
    ngx_str_t *value);


#endif /* _NGX_LLMOPS_ARG_H_INCLUDED_ */
