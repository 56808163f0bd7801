
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_JTOK_H_INCLUDED_
#define _NGX_LLMOPS_JTOK_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_out.h"


/*
 * A JSON reader (RFC 8259) for documents that come in pieces: any value may
 * be outermost, all of it is checked, and whoever listens hears of each token
 * at the byte that makes it known.  Any split gives the calls of one piece.
 *
 * Lone surrogates are refused, as they have no UTF-8.
 */


#define NGX_LLMOPS_JTOK_MAX_DEPTH   128
#define NGX_LLMOPS_JTOK_MAX_KEY     65536      /* bytes, decoded */
#define NGX_LLMOPS_JTOK_MAX_NUMBER  512
#define NGX_LLMOPS_JTOK_MAX_TEXT    (1024 * 1024)  /* of a wanted string */


typedef enum {
    NGX_LLMOPS_JTOK_NULL = 0,
    NGX_LLMOPS_JTOK_FALSE,
    NGX_LLMOPS_JTOK_TRUE,
    NGX_LLMOPS_JTOK_NUMBER,
    NGX_LLMOPS_JTOK_STRING,
    NGX_LLMOPS_JTOK_ARRAY,
    NGX_LLMOPS_JTOK_OBJECT
} ngx_llmops_jtok_type_e;


typedef enum {
    NGX_LLMOPS_JTOK_OK = 0,
    NGX_LLMOPS_JTOK_SYNTAX,
    NGX_LLMOPS_JTOK_UTF8,
    NGX_LLMOPS_JTOK_DEPTH,
    NGX_LLMOPS_JTOK_LIMIT,                 /* longer than we keep */
    NGX_LLMOPS_JTOK_REFUSED,               /* by the listener */
    NGX_LLMOPS_JTOK_TRUNCATED              /* only _finish() */
} ngx_llmops_jtok_error_e;


typedef struct ngx_llmops_jtok_s  ngx_llmops_jtok_t;


/*
 * The listener's functions return NGX_OK, or something else to refuse the
 * document.
 *
 * start   a value begins; for a string or an object's key the text is kept
 *         for end only if t->want_text is set here (it is 0 before)
 * key     the decoded name of a member
 * over    a string value has more than t->max_chars characters (code
 *         points), which start may have set and over sets anew
 * end     a value is complete: text is that of a number or of a wanted
 *         string, chars the length of a string
 */

typedef struct {
    ngx_int_t                (*start)(void *data, ngx_llmops_jtok_type_e type);
    ngx_int_t                (*key)(void *data, ngx_str_t *name);
    ngx_int_t                (*over)(void *data, size_t chars);
    ngx_int_t                (*end)(void *data, ngx_llmops_jtok_type_e type,
                                    ngx_str_t *text, size_t chars);
} ngx_llmops_jtok_listener_t;


struct ngx_llmops_jtok_s {
    size_t                     offset;     /* bytes read; of the offending
                                              byte after an error */
    ngx_llmops_jtok_error_e    error;
    ngx_uint_t                 depth;
    size_t                     chars;      /* of the present string */
    size_t                     max_chars;
    unsigned                   want_text:1;

    /* private */
    unsigned                   is_key:1;
    u_char                     state;      /* no bits: asked for each byte */
    u_char                     number;
    ngx_uint_t                 left;       /* digits or bytes to come */
    u_char                     low;        /* bounds of the next UTF-8 byte */
    u_char                     high;
    uint32_t                   unit;       /* of \u */
    uint32_t                   lead;       /* the first half of a pair */
    const char                *literal;
    ngx_llmops_jtok_type_e     type;       /* of the literal */
    const ngx_llmops_jtok_listener_t  *listener;
    void                      *data;
    ngx_llmops_out_t           text;
    u_char                     object[NGX_LLMOPS_JTOK_MAX_DEPTH / 8];
};


/* Prepares t for a document; keeps memory of an earlier one. t is zeroed
   before its first use. */
void ngx_llmops_jtok_init(ngx_llmops_jtok_t *t,
    const ngx_llmops_jtok_listener_t *listener, void *data);

/* Frees what t holds; t may be used again after an _init(). */
void ngx_llmops_jtok_free(ngx_llmops_jtok_t *t);

/* Reads the next piece.  NGX_OK, or NGX_DECLINED with t->error, which every
   further call repeats. */
ngx_int_t ngx_llmops_jtok_feed(ngx_llmops_jtok_t *t, const u_char *p,
    size_t len);

/* No piece follows.  NGX_OK if exactly one value was read. */
ngx_int_t ngx_llmops_jtok_finish(ngx_llmops_jtok_t *t);

/* Appends what would make the document complete, for one that was cut.
   NGX_OK, or NGX_DECLINED if it cannot be told.  Nothing is read. */
ngx_int_t ngx_llmops_jtok_closers(ngx_llmops_jtok_t *t,
    ngx_llmops_out_t *out);

/* Whether the next byte belongs to a string. */
ngx_uint_t ngx_llmops_jtok_in_text(ngx_llmops_jtok_t *t);

/* Whether the outermost value is complete; a number only at its end. */
ngx_uint_t ngx_llmops_jtok_complete(ngx_llmops_jtok_t *t);


#endif /* _NGX_LLMOPS_JTOK_H_INCLUDED_ */
