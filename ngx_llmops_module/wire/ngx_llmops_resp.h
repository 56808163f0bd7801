
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_RESP_H_INCLUDED_
#define _NGX_LLMOPS_RESP_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * RESP2, the protocol of Redis: commands are written, and replies are looked
 * at before a parser gets them.  A parser trusts the lengths that it reads; a
 * server that is broken, or none at all, can make it allocate gigabytes with
 * ten bytes.  The scan lets only what is well formed and within bounds pass.
 */


#define NGX_LLMOPS_RESP_DEPTH     7        /* arrays within arrays; hiredis
                                              0.14 cannot do more */
#define NGX_LLMOPS_RESP_LINE      65536    /* bytes of an error or a status */


typedef struct {
    size_t                     max_bytes;  /* of one reply */
    size_t                     max_elements;
    const char                *error;      /* static text, or NULL */

    size_t                     bytes;      /* of the present reply */
    size_t                     elements;
    size_t                     left;       /* of a bulk string, with CRLF */
    size_t                     line;
    uint64_t                   number;     /* without its sign */
    ngx_uint_t                 digits;
    ngx_uint_t                 depth;
    size_t                     open[NGX_LLMOPS_RESP_DEPTH];
                                           /* elements that are still to come */
    u_char                     type;
    u_char                     state;
    unsigned                   negative:1;
} ngx_llmops_resp_scan_t;


void ngx_llmops_resp_init(ngx_llmops_resp_scan_t *scan, size_t max_bytes,
    size_t max_elements);

/*
 * Looks at the next bytes of a stream of replies, however it is cut.  NGX_OK,
 * or NGX_ERROR, for good, with scan->error: nothing of these bytes may be
 * parsed.
 */
ngx_int_t ngx_llmops_resp_scan(ngx_llmops_resp_scan_t *scan, u_char *p,
    size_t len);

/* Whether the last byte that was looked at has ended a reply. */
#define ngx_llmops_resp_between(scan)  ((scan)->bytes == 0)


/* A command as an array of bulk strings: the size of what write() writes; the
   end of what it has written. */
size_t ngx_llmops_resp_size(ngx_uint_t argc, const ngx_str_t *argv);
u_char *ngx_llmops_resp_write(u_char *p, ngx_uint_t argc,
    const ngx_str_t *argv);


#define NGX_LLMOPS_RESP_SLOTS     16384

/* The slot of a key in Redis Cluster: CRC16 (XMODEM) of what is between the
   first "{" and the next "}", if that is not empty, else of the whole. */
ngx_uint_t ngx_llmops_resp_slot(const ngx_str_t *key);


#endif /* _NGX_LLMOPS_RESP_H_INCLUDED_ */
