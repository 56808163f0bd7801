
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PATTERNS_H_INCLUDED_
#define _NGX_LLMOPS_PATTERNS_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_out.h"
#include "ngx_llmops_proof.h"


/*
 * Patterns over a text that comes in pieces.  What is found, and what is made
 * of it, is the same however the text is cut.
 *
 * All matches of all patterns count, each from its leftmost start: those that
 * overlap are one, which is replaced as the one that starts first says.
 *
 * What Hyperscan cannot say (look-around, back-references) is left to PCRE2,
 * with bounds: on its steps, and on the bytes that a match and what it looks
 * at may have (width).  A text that makes it exceed its steps is denied by a
 * rule that redacts or denies, since it cannot tell what is in it.
 */


#define NGX_LLMOPS_PATTERN_MAX   4096      /* bytes of a match that is
                                              replaced or denied */
#define NGX_LLMOPS_PATTERN_RULES 64


typedef struct ngx_llmops_patterns_s  ngx_llmops_patterns_t;
typedef struct ngx_llmops_window_s    ngx_llmops_window_t;


typedef enum {
    NGX_LLMOPS_PATTERN_MARK = 0,           /* only noted */
    NGX_LLMOPS_PATTERN_REDACT,
    NGX_LLMOPS_PATTERN_DENY
} ngx_llmops_pattern_action_e;


typedef struct {
    ngx_str_t                  regex;      /* NUL-terminated */
    ngx_str_t                  scan;       /* or NULL: a cheaper regex that
                                              ends wherever regex does */
    ngx_str_t                  replacement;
    const ngx_llmops_proof_t  *proof;      /* or NULL */
    ngx_llmops_pattern_action_e  action;
    ngx_uint_t                 rule;       /* below PATTERN_RULES */
    ngx_str_t                  name;       /* for placeholders, may be NULL */
    size_t                     width;      /* of a match, for PCRE2; 0: as
                                              it is without */
    unsigned                   reversible:1;   /* the window's map says what
                                                  a match becomes */
    unsigned                   nocase:1;
    unsigned                   word:1;     /* with white space in it it is
                                              no match */
} ngx_llmops_pattern_t;


/*
 * Compiles them for use together; they are referenced as long as the result
 * lives.  NULL: err[size] says why, *bad is the index of the offending one.
 */
ngx_llmops_patterns_t *ngx_llmops_patterns_compile(
    ngx_llmops_pattern_t *patterns, ngx_uint_t n, ngx_uint_t *bad, char *err,
    size_t size);

void ngx_llmops_patterns_free(ngx_llmops_patterns_t *set);

/* The most bytes that a window holds back. */
size_t ngx_llmops_patterns_hold(ngx_llmops_patterns_t *set);


/* A window over one text; NULL if out of memory.  The set outlives it. */
ngx_llmops_window_t *ngx_llmops_window_create(ngx_llmops_patterns_t *set);

void ngx_llmops_window_free(ngx_llmops_window_t *w);

/*
 * The next piece, or with last the end, of the text.  What may go is appended
 * to out, redacted.  NGX_OK; NGX_DECLINED: a pattern that is denied has been
 * found, by the rule of _denied(), and nothing goes any more; NGX_ERROR when
 * out of memory.
 */
ngx_int_t ngx_llmops_window_feed(ngx_llmops_window_t *w, const u_char *p,
    size_t len, ngx_uint_t last, ngx_llmops_out_t *out);

/* Bits of the rules that have matched. */
uint64_t ngx_llmops_window_found(ngx_llmops_window_t *w);

ngx_uint_t ngx_llmops_window_denied(ngx_llmops_window_t *w);

/* Bytes that are held back. */
size_t ngx_llmops_window_held(ngx_llmops_window_t *w);

/*
 * From now on matches of patterns that are reversible become what map()
 * appends to out.  All text then waits for the last piece: for texts that are
 * fed in one go.
 */
typedef void (*ngx_llmops_window_map_pt)(void *data, ngx_llmops_pattern_t *p,
    const u_char *text, size_t len, ngx_llmops_out_t *out);

void ngx_llmops_window_map(ngx_llmops_window_t *w,
    ngx_llmops_window_map_pt map, void *data);


#endif /* _NGX_LLMOPS_PATTERNS_H_INCLUDED_ */
