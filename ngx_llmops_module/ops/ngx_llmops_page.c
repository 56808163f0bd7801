
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_page.h"


#define NGX_LLMOPS_PAGE_BUFFER  16384
#define NGX_LLMOPS_PAGE_TEXT    256


static ngx_int_t ngx_llmops_page_grow(ngx_llmops_page_t *page);


void
ngx_llmops_page_init(ngx_llmops_page_t *page, ngx_pool_t *pool)
{
    ngx_memzero(page, sizeof(ngx_llmops_page_t));

    page->pool = pool;
    page->last = &page->first;
}


void
ngx_llmops_page_write(ngx_llmops_page_t *page, const void *p, size_t len)
{
    size_t         n;
    const u_char  *from = p;

    while (len && !page->failed) {

        if (page->buf == NULL || page->buf->last == page->buf->end) {

            if (ngx_llmops_page_grow(page) != NGX_OK) {
                page->failed = 1;
                return;
            }
        }

        n = ngx_min(len, (size_t) (page->buf->end - page->buf->last));

        page->buf->last = ngx_cpymem(page->buf->last, from, n);
        page->size += n;

        from += n;
        len -= n;
    }
}


static ngx_int_t
ngx_llmops_page_grow(ngx_llmops_page_t *page)
{
    ngx_chain_t  *cl;

    cl = ngx_alloc_chain_link(page->pool);
    if (cl == NULL) {
        return NGX_ERROR;
    }

    cl->buf = ngx_create_temp_buf(page->pool, NGX_LLMOPS_PAGE_BUFFER);
    if (cl->buf == NULL) {
        return NGX_ERROR;
    }

    cl->next = NULL;

    *page->last = cl;
    page->last = &cl->next;
    page->buf = cl->buf;

    return NGX_OK;
}


void
ngx_llmops_page_static(ngx_llmops_page_t *page, const u_char *p, size_t len)
{
    ngx_buf_t    *b;
    ngx_chain_t  *cl;

    b = ngx_calloc_buf(page->pool);
    cl = ngx_alloc_chain_link(page->pool);

    if (b == NULL || cl == NULL) {
        page->failed = 1;
        return;
    }

    b->pos = (u_char *) p;
    b->last = b->pos + len;
    b->start = b->pos;
    b->end = b->last;                      /* nothing is appended to it */
    b->memory = 1;

    cl->buf = b;
    cl->next = NULL;

    *page->last = cl;
    page->last = &cl->next;
    page->buf = b;
    page->size += len;
}


void
ngx_llmops_page_printf(ngx_llmops_page_t *page, const char *fmt, ...)
{
    u_char   *p, text[NGX_LLMOPS_PAGE_TEXT];
    va_list   args;

    va_start(args, fmt);
    p = ngx_vslprintf(text, text + sizeof(text), fmt, args);
    va_end(args);

    ngx_llmops_page_write(page, text, p - text);
}


ngx_int_t
ngx_llmops_page_send(ngx_http_request_t *r, ngx_llmops_page_t *page,
    ngx_str_t *type)
{
    u_char     *end;
    ngx_int_t   rc;

    if (page->failed) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_http_discard_request_body(r);
    if (rc != NGX_OK) {
        return rc;
    }

    if (page->buf) {
        page->buf->last_buf = (r == r->main) ? 1 : 0;
        page->buf->last_in_chain = 1;

    } else {
        r->header_only = 1;                  /* nothing is there to be sent */
    }

    if (r->headers_out.status == 0) {
        r->headers_out.status = NGX_HTTP_OK;
    }

    r->headers_out.content_length_n = page->size;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_lowcase = NULL;

    /* a length without the parameters says that there is a charset */

    end = ngx_strlchr(type->data, type->data + type->len, ';');
    r->headers_out.content_type_len = end ? (size_t) (end - type->data)
                                          : type->len;

    rc = ngx_http_send_header(r);

    if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
        return rc;
    }

    return ngx_http_output_filter(r, page->first);
}
