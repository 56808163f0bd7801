
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CACHE_KEY_H_INCLUDED_
#define _NGX_LLMOPS_CACHE_KEY_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_dialect.h"


/*
 * Which requests are the same: those that have the same key.  A key is a
 * SHA-256 over what changes an answer (the body in a canonical form, and what
 * the gateway adds to it: version of the route, prompt, scope) and over
 * nothing else.
 *
 * Pure: no function of nginx is called, memory is the caller's scratch, so that
 * tests and a fuzzer link it alone.
 */


#define NGX_LLMOPS_CACHE_KEY        32     /* bytes of a key */
#define NGX_LLMOPS_CACHE_HEX        64

#define NGX_LLMOPS_CACHE_BODY       (1024 * 1024)  /* bytes of a body */
#define NGX_LLMOPS_CACHE_DEPTH      64     /* of its nesting */
#define NGX_LLMOPS_CACHE_KEEP       (256 * 1024)   /* of a scratch, kept */


/*
 * What a request is, for the cache.  Up to SAMPLED it may be cached where the
 * route says so; DETERMINISTIC ones are cached by default; from STATEFUL on
 * there is no key.
 */

typedef enum {
    NGX_LLMOPS_CACHE_DETERMINISTIC = 0,
    NGX_LLMOPS_CACHE_SAMPLED,              /* neither temperature 0 nor seed */
    NGX_LLMOPS_CACHE_OUTSIDE,              /* the provider's tools look
                                              elsewhere: a search, a file */
    NGX_LLMOPS_CACHE_STATEFUL,             /* goes on from what the provider
                                              has stored, or makes it store */
    NGX_LLMOPS_CACHE_OPERATION,            /* not JSON, or not one of those
                                              whose answers are understood */
    NGX_LLMOPS_CACHE_DUPLICATE,            /* a member is there twice: which
                                              one counts is not known */
    NGX_LLMOPS_CACHE_COMPLEX,              /* too large, too deep */
    NGX_LLMOPS_CACHE_WHY_MAX
} ngx_llmops_cache_why_e;

/* "deterministic", "sampled", ... */
extern const ngx_str_t  ngx_llmops_cache_why_names[];


/* bytes that a canonical form has at the most */
#define NGX_LLMOPS_CACHE_CANONICAL  (2 * NGX_LLMOPS_CACHE_BODY + 64)


/* what must be equal beside the body, in this order */

enum {
    NGX_LLMOPS_CACHE_PART_DIALECT = 0,     /* the caller's */
    NGX_LLMOPS_CACHE_PART_PATH,
    NGX_LLMOPS_CACHE_PART_ROUTE,
    NGX_LLMOPS_CACHE_PART_VERSION,         /* of the route */
    NGX_LLMOPS_CACHE_PART_SCOPE,
    NGX_LLMOPS_CACHE_PART_PAYER,           /* the caller's own keys */
    NGX_LLMOPS_CACHE_PART_ARGS,            /* of the request's line */
    NGX_LLMOPS_CACHE_PART_HEADERS,         /* that a provider may heed */
    NGX_LLMOPS_CACHE_PART_PROMPT,          /* and its version */
    NGX_LLMOPS_CACHE_PART_ARM,             /* a canary's candidate */
    NGX_LLMOPS_CACHE_PART_CONTEXT,         /* what was retrieved */
    NGX_LLMOPS_CACHE_PARTS
};

/* memory that lives from one request to the next; zeroed before first use */

typedef struct {
    ngx_llmops_out_t           out;        /* canonical form */
    ngx_llmops_out_t           swap;
    ngx_llmops_out_t           members;    /* of the objects that are open */
} ngx_llmops_cache_scratch_t;


typedef struct {
    /* set by the caller */
    ngx_llmops_op_e            op;
    uint64_t                   seen;       /* the body's number, as in an
                                              envelope; 0: it has none */
    ngx_str_t                  body;       /* in one piece; valid, as the scan
                                              of JSON has found */
    const ngx_str_t           *parts;      /* what else must be equal */
    ngx_uint_t                 nparts;

    /* results */
    ngx_llmops_cache_why_e     why;
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
    u_char                     frame[NGX_LLMOPS_CACHE_KEY];
                                           /* all but text: equal frames differ
                                              in no more than that */
    ngx_str_t                  text;       /* of the last message, decoded, if
                                              it is a user's and has one; in
                                              scratch; len 0: none */
} ngx_llmops_cache_question_t;


/*
 * Fills in the results.  NGX_OK: there is a key (why says whether it is used
 * by default); NGX_DECLINED: why not; NGX_ERROR: out of memory, or the bytes
 * are not JSON.  q->text is valid until scratch is used again or trimmed.
 */
ngx_int_t ngx_llmops_cache_digest(ngx_llmops_cache_question_t *q,
    ngx_llmops_cache_scratch_t *scratch);

/* Gives back what is beyond NGX_LLMOPS_CACHE_KEEP, or all. */
void ngx_llmops_cache_scratch_trim(ngx_llmops_cache_scratch_t *scratch);
void ngx_llmops_cache_scratch_free(ngx_llmops_cache_scratch_t *scratch);


/* -- private to the key's files, and for tests ----------------------------- */

/*
 * The canonical form is a row of tokens, each of which says where it ends:
 *
 *   n t f          null, true, false
 *   i DIGITS ;     an integer, as it is spelled
 *   d NUMBER ;     another number, or one whose spelling cannot matter:
 *                  [-] digits without zeros at their ends, E, exponent
 *   r NUMBER ;     one whose exponent is too long to be calculated with
 *   s LENGTH TEXT  a string, decoded; 4 bytes of length
 *   a ... e        an array
 *   o ... e        an object: names (as strings) and values, by name
 *
 * So two texts have the same form if and only if they have the same tokens,
 * and nothing can be mistaken for something else.
 */

/*
 * The canonical form of a JSON object, in scratch->out, which is reset before.
 * NGX_OK, NGX_DECLINED with *why (DUPLICATE, COMPLEX), NGX_ERROR.
 */
ngx_int_t ngx_llmops_cache_canonical(ngx_llmops_op_e op, ngx_str_t *body,
    ngx_llmops_cache_scratch_t *scratch, ngx_llmops_cache_why_e *why);

/* Appends a number, as it is spelled in JSON; value: only its value counts. */
void ngx_llmops_cache_number(ngx_llmops_out_t *out, ngx_str_t *number,
    ngx_uint_t value);

/* Whether a member of a request's outermost object changes no answer. */
ngx_uint_t ngx_llmops_cache_volatile(ngx_llmops_op_e op, const u_char *name,
    size_t len);


/* one past the value at p, in a canonical form */
const u_char *ngx_llmops_cache_skip(const u_char *p);

/* The member of the object at p, or NULL: there is none, or p is NULL or at
   something else. */
const u_char *ngx_llmops_cache_member(const u_char *p, const char *name);

/* The string at p; data NULL if p is NULL or at something else. */
ngx_str_t ngx_llmops_cache_string(const u_char *p);

/* What a request is, by its canonical form: up to STATEFUL, or OPERATION. */
ngx_llmops_cache_why_e ngx_llmops_cache_kind(ngx_llmops_op_e op,
    const u_char *form);


#endif /* _NGX_LLMOPS_CACHE_KEY_H_INCLUDED_ */
