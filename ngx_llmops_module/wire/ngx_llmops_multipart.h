
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_MULTIPART_H_INCLUDED_
#define _NGX_LLMOPS_MULTIPART_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Finds the "model" and "stream" fields of a multipart/form-data body
 * (RFC 7578) that comes in pieces, and where their values are, so that the
 * model can be replaced without touching a byte of the file beside it.
 */


#define NGX_LLMOPS_MULTIPART_VALUE      256
#define NGX_LLMOPS_MULTIPART_BOUNDARY   70      /* RFC 2046, 5.1.1 */
#define NGX_LLMOPS_MULTIPART_HEADER     1024    /* of one part */


typedef struct {
    ngx_uint_t                 count;
    size_t                     start;      /* offsets in the body */
    size_t                     end;
    size_t                     len;        /* of value */
    u_char                     value[NGX_LLMOPS_MULTIPART_VALUE];
} ngx_llmops_multipart_field_t;


typedef struct {
    ngx_llmops_multipart_field_t   model;
    ngx_llmops_multipart_field_t   stream;
    unsigned                   complete:1; /* the closing boundary was seen */
    unsigned                   fresh:1;    /* private: behind a header */

    /* private */
    size_t                     offset;     /* of the piece */
    ngx_uint_t                 state;
    size_t                     match;      /* bytes of the delimiter */
    ngx_llmops_multipart_field_t  *field;  /* of the part, or NULL */
    size_t                     header_len;
    size_t                     delimiter_len;
    u_char                     delimiter[NGX_LLMOPS_MULTIPART_BOUNDARY + 4];
    u_char                     header[NGX_LLMOPS_MULTIPART_HEADER];
} ngx_llmops_multipart_t;


/*
 * Prepares m from the value of the Content-Type header.  NGX_OK, or
 * NGX_DECLINED if it has no valid boundary.
 */
ngx_int_t ngx_llmops_multipart_init(ngx_llmops_multipart_t *m,
    ngx_str_t *content_type);

/*
 * Reads the next piece.  NGX_OK, or NGX_ERROR when the framing is broken or
 * a part's header or a wanted value is too long.
 */
ngx_int_t ngx_llmops_multipart_feed(ngx_llmops_multipart_t *m,
    const u_char *p, size_t len);

/*
 * Whether a field's value is a text that may go into headers and logs: UTF-8
 * without control characters.
 */
ngx_uint_t ngx_llmops_multipart_text(ngx_llmops_multipart_field_t *field);


#endif /* _NGX_LLMOPS_MULTIPART_H_INCLUDED_ */
