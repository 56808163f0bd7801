
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_OUT_H_INCLUDED_
#define _NGX_LLMOPS_OUT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * A growing byte buffer with a bound, on malloc: what writes a document does
 * not have to check every step, since a failure sticks until the end.
 */


typedef struct {
    u_char                    *data;
    size_t                     len;
    size_t                     size;
    size_t                     max;
    unsigned                   failed:1;   /* out of memory, or over max */
} ngx_llmops_out_t;


/* Prepares an empty buffer of at most max bytes; allocates nothing. */
void ngx_llmops_out_init(ngx_llmops_out_t *out, size_t max);

/* Frees the memory; the buffer is then empty and may be used again. */
void ngx_llmops_out_free(ngx_llmops_out_t *out);

/* Forgets the content and the failure, keeps the memory. */
void ngx_llmops_out_reset(ngx_llmops_out_t *out);

/* Appends bytes.  NGX_OK, or NGX_ERROR, now and until a reset. */
ngx_int_t ngx_llmops_out_write(ngx_llmops_out_t *out, const void *p,
    size_t len);

/* The same, inline: for pieces of a few bytes. */
static ngx_inline ngx_int_t
ngx_llmops_out_put(ngx_llmops_out_t *out, const void *p, size_t len)
{
    if (len == 0 || len > out->size - out->len || out->failed) {
        return ngx_llmops_out_write(out, p, len);
    }

    ngx_memcpy(out->data + out->len, p, len);
    out->len += len;

    return NGX_OK;
}


/* Appends src as a JSON string, with quotes. */
ngx_int_t ngx_llmops_out_json(ngx_llmops_out_t *out, const u_char *src,
    size_t len);

/* Appends the entity that stands for c in XML, if c is one of <, >, & and ":
   whether it is. */
ngx_uint_t ngx_llmops_out_entity(ngx_llmops_out_t *out, u_char c);

/* Appends a decimal number. */
ngx_int_t ngx_llmops_out_int(ngx_llmops_out_t *out, int64_t n);

/* Writes a decimal number of at most NGX_INT64_LEN bytes to p; returns one
   past it. */
u_char *ngx_llmops_print_int(u_char *p, int64_t n);

/* Appends a string literal. */
#define ngx_llmops_out_lit(out, lit)                                          \
    ngx_llmops_out_write(out, lit, sizeof(lit) - 1)

/* Appends an ngx_str_t. */
#define ngx_llmops_out_str(out, s)                                            \
    ngx_llmops_out_write(out, (s)->data, (s)->len)


#endif /* _NGX_LLMOPS_OUT_H_INCLUDED_ */
