
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_state.h"


/*
 * Reads the frames of a file one by one, with a buffer of the largest frame
 * there can be, however large the file is.  Not by mmap(): a file that others
 * cut meanwhile would end the process.
 */


static ngx_int_t ngx_llmops_reader_fill(ngx_llmops_reader_t *r, size_t want);


ngx_int_t
ngx_llmops_reader_open(ngx_llmops_reader_t *r, ngx_llmops_state_t *st,
    int fd, const char *name, off_t from)
{
    ngx_memzero(r, sizeof(ngx_llmops_reader_t));

    r->st = st;
    r->fd = fd;
    r->name = name;
    r->offset = from;

    r->buf = malloc(NGX_LLMOPS_FRAME_MAX);
    if (r->buf == NULL) {
        return ngx_llmops_state_failed(st, "no memory", name, 0);
    }

    return NGX_OK;
}


void
ngx_llmops_reader_close(ngx_llmops_reader_t *r)
{
    free(r->buf);
    r->buf = NULL;
}


/* makes sure that so many bytes are in the buffer, or all to the end */

static ngx_int_t
ngx_llmops_reader_fill(ngx_llmops_reader_t *r, size_t want)
{
    ssize_t  n;

    if (r->pos + want > NGX_LLMOPS_FRAME_MAX) {
        ngx_memmove(r->buf, r->buf + r->pos, r->last - r->pos);
        r->offset += r->pos;
        r->last -= r->pos;
        r->pos = 0;
    }

    while (r->last - r->pos < want && !r->end) {
        n = pread(r->fd, r->buf + r->last, NGX_LLMOPS_FRAME_MAX - r->last,
                  r->offset + (off_t) r->last);

        if (n == -1 && ngx_errno == NGX_EINTR) {
            continue;
        }

        if (n == -1) {
            return ngx_llmops_state_failed(r->st, "pread()", r->name,
                                           ngx_errno);
        }

        r->last += n;
        r->end = (n == 0);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_reader_bytes(ngx_llmops_reader_t *r, size_t n, u_char **p)
{
    if (ngx_llmops_reader_fill(r, n) != NGX_OK) {
        return NGX_ERROR;
    }

    if (r->last - r->pos < n) {
        return NGX_DECLINED;
    }

    *p = r->buf + r->pos;
    r->pos += n;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_reader_frame(ngx_llmops_reader_t *r, ngx_str_t *inside)
{
    size_t   len;
    u_char  *p;

    if (ngx_llmops_reader_fill(r, NGX_LLMOPS_FRAME_HEAD) != NGX_OK) {
        return NGX_ERROR;
    }

    p = r->buf + r->pos;

    if (p == r->buf + r->last) {
        return NGX_DONE;
    }

    if (ngx_llmops_frame_head(p, r->buf + r->last, &len) != NGX_OK
        || len > NGX_LLMOPS_FRAME_MAX)
    {
        return NGX_DECLINED;
    }

    if (ngx_llmops_reader_fill(r, len) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_frame_read(r->buf + r->pos, r->buf + r->last, inside)
        != NGX_OK)
    {
        return NGX_DECLINED;
    }

    r->pos += len;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_reader_follows(ngx_llmops_reader_t *r)
{
    ngx_int_t              rc;
    ngx_str_t              inside;
    ngx_llmops_reader_t    at;

    at = *r;                                 /* the buffer is used up by it */

    for ( ;; ) {
        rc = ngx_llmops_reader_bytes(&at, 1, &(u_char *) { NULL });

        if (rc != NGX_OK) {
            return rc;
        }

        rc = ngx_llmops_reader_frame(&at, &inside);

        if (rc != NGX_DECLINED) {
            return (rc == NGX_DONE) ? NGX_DECLINED : rc;
        }
    }
}
