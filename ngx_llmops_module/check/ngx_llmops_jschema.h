
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_JSCHEMA_H_INCLUDED_
#define _NGX_LLMOPS_JSCHEMA_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_llmops_jtok.h"


/*
 * JSON Schema (2020-12 and draft 7), compiled once and then applied to
 * documents that come in pieces.  A document is refused at the first byte
 * that no continuation can make good; what can only be decided at the end of
 * a value (required, anyOf, uniqueItems, ...) is decided there.
 *
 * Nothing here calls a function of nginx: memory is malloc's.
 */


typedef struct ngx_llmops_jschema_s   ngx_llmops_jschema_t;
typedef struct ngx_llmops_jcheck_s    ngx_llmops_jcheck_t;


typedef enum {
    NGX_LLMOPS_JSCHEMA_2020_12 = 0,
    NGX_LLMOPS_JSCHEMA_DRAFT_7
} ngx_llmops_jschema_draft_e;


/* a document that a $ref may lead to; kept as long as the schema */

typedef struct {
    const char                *uri;        /* absolute, without a fragment */
    json_t                    *root;
} ngx_llmops_jschema_doc_t;


typedef struct {
    ngx_llmops_jschema_draft_e   draft;    /* if "$schema" does not say it */
    const char                *uri;        /* of the document, or NULL */
    ngx_llmops_jschema_doc_t  *docs;
    ngx_uint_t                 ndocs;
    uint64_t                   seed;       /* of hashes, not to be guessed */
} ngx_llmops_jschema_options_t;


/*
 * Compiles a schema.  options may be NULL.  root is referenced as long as the
 * schema lives.  NULL if it is no schema that we can apply: err[size] then
 * says why.
 */
ngx_llmops_jschema_t *ngx_llmops_jschema_compile(json_t *root,
    ngx_llmops_jschema_options_t *options, char *err, size_t size);

void ngx_llmops_jschema_free(ngx_llmops_jschema_t *schema);

/*
 * Whether a whole tree is valid: the plain reading of the specification,
 * recursive, for values that we have as trees.
 */
ngx_uint_t ngx_llmops_jschema_valid(ngx_llmops_jschema_t *schema,
    json_t *value);


/*
 * A check of one document; schema NULL: only JSON.  The schema must outlive
 * it.  Memory is bounded (4 MB), and so is the time that it may take (about
 * 0.1 s, and 1 us for each byte): a document that needs more is refused with
 * NGX_LLMOPS_JTOK_LIMIT.  NULL if out of memory.
 */
ngx_llmops_jcheck_t *ngx_llmops_jcheck_create(ngx_llmops_jschema_t *schema);

/* Forgets the document, keeps the memory. */
void ngx_llmops_jcheck_reset(ngx_llmops_jcheck_t *check);

void ngx_llmops_jcheck_free(ngx_llmops_jcheck_t *check);

/* The next piece; the end.  NGX_OK or NGX_DECLINED: the document is refused,
   which every further call repeats. */
ngx_int_t ngx_llmops_jcheck_feed(ngx_llmops_jcheck_t *check, const u_char *p,
    size_t len);
ngx_int_t ngx_llmops_jcheck_finish(ngx_llmops_jcheck_t *check);

/* Whether the document is complete and valid so far: only white space may
   follow. */
ngx_uint_t ngx_llmops_jcheck_complete(ngx_llmops_jcheck_t *check);

/* See ngx_llmops_jtok_closers() and _in_text(). */
ngx_int_t ngx_llmops_jcheck_closers(ngx_llmops_jcheck_t *check,
    ngx_llmops_out_t *out);
ngx_uint_t ngx_llmops_jcheck_in_text(ngx_llmops_jcheck_t *check);

/* Why it was refused, where, and by which keyword ("" if it is not JSON);
   the offset is that of the first byte that cannot be.  Static texts. */
ngx_llmops_jtok_error_e ngx_llmops_jcheck_error(ngx_llmops_jcheck_t *check);
size_t ngx_llmops_jcheck_offset(ngx_llmops_jcheck_t *check);
const char *ngx_llmops_jcheck_keyword(ngx_llmops_jcheck_t *check);


#endif /* _NGX_LLMOPS_JSCHEMA_H_INCLUDED_ */
