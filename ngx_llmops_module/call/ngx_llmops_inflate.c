
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_inflate.h"

#include <zlib.h>


#define NGX_LLMOPS_INFLATE_PIECE   8192
#define NGX_LLMOPS_INFLATE_WINDOW  (MAX_WBITS + 32)    /* gzip or zlib */
#define NGX_LLMOPS_INFLATE_MEMBER  0x1f                /* of gzip: its start */


struct ngx_llmops_inflate_s {
    z_stream                   z;
    unsigned                   end:1;      /* the compressed data has ended */
    unsigned                   garbage:1;  /* and what follows is none */
    u_char                     out[NGX_LLMOPS_INFLATE_PIECE];
};


ngx_int_t
ngx_llmops_inflate_start(ngx_llmops_call_t *call)
{
    ngx_llmops_inflate_t  *inf;

    ngx_llmops_inflate_free(call);

    inf = malloc(sizeof(ngx_llmops_inflate_t));
    if (inf == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&inf->z, sizeof(z_stream));
    inf->end = 0;
    inf->garbage = 0;

    if (inflateInit2(&inf->z, NGX_LLMOPS_INFLATE_WINDOW) != Z_OK) {
        free(inf);
        return NGX_ERROR;
    }

    call->inflate = inf;

    return NGX_OK;
}


void
ngx_llmops_inflate_free(ngx_llmops_call_t *call)
{
    if (call->inflate) {
        inflateEnd(&call->inflate->z);
        free(call->inflate);
        call->inflate = NULL;
    }
}


ngx_int_t
ngx_llmops_piece(ngx_http_request_t *r, ngx_llmops_call_t *call,
    ngx_buf_t *b, u_char **p, u_char **last)
{
    int                    zrc;
    size_t                 n;
    u_char                *in, *in_last;
    ngx_int_t              rc;
    ngx_llmops_inflate_t  *inf;

    inf = call->inflate;

    if (inf == NULL) {
        return ngx_llmops_dechunk(r, call, b, p, last);
    }

    for ( ;; ) {

        if (inf->z.avail_in == 0 || inf->garbage) {

            rc = ngx_llmops_dechunk(r, call, b, &in, &in_last);
            if (rc != NGX_OK) {
                return rc;
            }

            inf->z.next_in = in;
            inf->z.avail_in = in_last - in;
        }

        if (inf->end) {

            /* gzip may go on with a further member: RFC 1952, 2.2 */

            if (inf->garbage || *inf->z.next_in != NGX_LLMOPS_INFLATE_MEMBER) {
                inf->garbage = 1;
                continue;
            }

            if (inflateReset(&inf->z) != Z_OK) {
                return NGX_ERROR;
            }

            inf->end = 0;
        }

        inf->z.next_out = inf->out;
        inf->z.avail_out = NGX_LLMOPS_INFLATE_PIECE;

        zrc = inflate(&inf->z, Z_SYNC_FLUSH);

        if (zrc == Z_STREAM_END) {
            inf->end = 1;

        } else if (zrc != Z_OK) {
            ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                          "provider's compressed answer is broken: %d", zrc);
            return NGX_ERROR;
        }

        n = NGX_LLMOPS_INFLATE_PIECE - inf->z.avail_out;

        if (n) {
            *p = inf->out;
            *last = inf->out + n;
            return NGX_OK;
        }
    }
}
