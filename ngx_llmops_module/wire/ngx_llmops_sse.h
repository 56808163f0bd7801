
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SSE_H_INCLUDED_
#define _NGX_LLMOPS_SSE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>


/*
 * Cuts a byte stream into server-sent events (WHATWG HTML, 9.2.6) without
 * losing a byte: the raw extents of all events, in order, are the stream.  An
 * event that lies inside the piece that was fed is not copied; one that spans
 * pieces is gathered in memory of the parser's own (malloc), up to max bytes.
 */


typedef struct {
    ngx_str_t                  raw;        /* with the blank line */
    ngx_str_t                  name;       /* of "event:", len 0 if none */
    ngx_str_t                  data;       /* of "data:", lines joined by LF */
    unsigned                   has_data:1; /* there was a "data" field */
    unsigned                   copied:1;   /* raw is in the parser's memory,
                                              valid until its next call */
    unsigned                   partial:1;  /* a piece of an event longer than
                                              max: only raw is set */
} ngx_llmops_sse_event_t;


typedef struct {
    size_t                     max;
    u_char                    *buf;        /* gathered event, or NULL */
    size_t                     len;
    size_t                     size;
    u_char                    *joined;     /* data of several lines */
    size_t                     joined_size;
    unsigned                   state:4;
    unsigned                   oversize:1;
    unsigned                   given:1;    /* buf has been given out */
    unsigned                   started:1;  /* the BOM has been dealt with */
} ngx_llmops_sse_t;


/* Prepares a parser; max bounds the bytes that one event may gather. */
void ngx_llmops_sse_init(ngx_llmops_sse_t *sse, size_t max);

/* Frees what the parser holds; it may be called any number of times. */
void ngx_llmops_sse_free(ngx_llmops_sse_t *sse);

/*
 * Takes bytes from *pos up to last, advances *pos past those it has used.
 *
 * NGX_OK: ev is a whole event, or, with ev->partial, a piece of one that is
 * longer than max.  Blank lines and comments are events without data.
 * NGX_AGAIN: all bytes are used, the event is not complete.
 * NGX_ERROR: out of memory.
 */
ngx_int_t ngx_llmops_sse_next(ngx_llmops_sse_t *sse, u_char **pos,
    u_char *last, ngx_llmops_sse_event_t *ev);

/*
 * The end of the stream.  NGX_OK: ev is the event whose blank line never
 * came (raw without it).  NGX_DONE: nothing was left.
 */
ngx_int_t ngx_llmops_sse_end(ngx_llmops_sse_t *sse,
    ngx_llmops_sse_event_t *ev);

/* Whether an event's data are "[DONE]", by which some end their streams. */
ngx_uint_t ngx_llmops_sse_done(ngx_str_t *data);


#endif /* _NGX_LLMOPS_SSE_H_INCLUDED_ */
