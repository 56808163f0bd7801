
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PAGE_H_INCLUDED_
#define _NGX_LLMOPS_PAGE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_http.h>


/*
 * A page that we make ourselves: pieces appended to a chain of buffers of
 * equal size in r->pool, sent with its length.  A failure sticks until the
 * page is sent.
 */


typedef struct {
    ngx_pool_t                *pool;
    ngx_chain_t               *first;
    ngx_chain_t              **last;
    ngx_buf_t                 *buf;        /* the one being filled */
    off_t                      size;
    unsigned                   failed:1;
} ngx_llmops_page_t;


/* Prepares an empty page; allocates nothing. */
void ngx_llmops_page_init(ngx_llmops_page_t *page, ngx_pool_t *pool);

/* Appends bytes. */
void ngx_llmops_page_write(ngx_llmops_page_t *page, const void *p,
    size_t len);

/* Appends bytes that live as long as the request, without a copy. */
void ngx_llmops_page_static(ngx_llmops_page_t *page, const u_char *p,
    size_t len);

/* Appends formatted text (as ngx_sprintf) of at most 255 bytes. */
void ngx_llmops_page_printf(ngx_llmops_page_t *page, const char *fmt, ...);

/* Sends the page, to HEAD its header alone, with r->headers_out.status, or 200
   where that is not set.  Returns what a content handler returns. */
ngx_int_t ngx_llmops_page_send(ngx_http_request_t *r,
    ngx_llmops_page_t *page, ngx_str_t *type);

#define ngx_llmops_page_lit(page, lit)                                        \
    ngx_llmops_page_write(page, lit, sizeof(lit) - 1)

#define ngx_llmops_page_str(page, s)                                          \
    ngx_llmops_page_write(page, (s)->data, (s)->len)


#endif /* _NGX_LLMOPS_PAGE_H_INCLUDED_ */
