
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_JCHECK_H_INCLUDED_
#define _NGX_LLMOPS_JCHECK_H_INCLUDED_


#include "ngx_llmops_jschema_node.h"


/*
 * The inside of a check of bytes that come in pieces.  Private to this
 * directory.
 *
 * An eval is one schema applied to one value.  Those of the values that are
 * open lie in one array, a frame of it for each value: a schema's own eval
 * before those of the schemas that it applies to the same value.  When a
 * value ends its frame is settled from the end, so that an eval hears of its
 * parts before it is asked itself, and is popped.
 *
 * An eval that fails tells its parent at once, which fails with it unless the
 * keyword forgives (anyOf, not, if, ...): a failure that reaches the root is
 * the document's.
 *
 * Schemas of tools are their callers', and a few kilobytes of them can ask for
 * any amount of work on a few kilobytes of arguments.  So work is counted, in
 * evals of about 50 ns, and a document may cause so much, and so much more for
 * each of its bytes.
 */


#define NGX_LLMOPS_JCHECK_MAX_MEMORY  (4 * 1024 * 1024)
#define NGX_LLMOPS_JCHECK_MAX_EVALS   8192
#define NGX_LLMOPS_JCHECK_MAX_REFS    64       /* to one value, in a row */
#define NGX_LLMOPS_JCHECK_WORK        (2 * 1024 * 1024)
#define NGX_LLMOPS_JCHECK_WORK_BYTE   16
#define NGX_LLMOPS_JCHECK_FEW         8        /* evals that are not counted,
                                                  since a byte pays for more */
#define NGX_LLMOPS_JCHECK_FRAMES      (NGX_LLMOPS_JTOK_MAX_DEPTH + 2)


/* how an eval counts for its parent */

typedef enum {
    NGX_LLMOPS_JROLE_ROOT = 0,
    NGX_LLMOPS_JROLE_CHILD,                /* a member's or item's: must hold */
    NGX_LLMOPS_JROLE_CONTAINS,
    NGX_LLMOPS_JROLE_UNEVALUATED,          /* counts if nothing else did */

    /* of the same value */
    NGX_LLMOPS_JROLE_SAME,                 /* allOf, $ref: must hold */
    NGX_LLMOPS_JROLE_ANY,
    NGX_LLMOPS_JROLE_ONE,
    NGX_LLMOPS_JROLE_NOT,
    NGX_LLMOPS_JROLE_IF,
    NGX_LLMOPS_JROLE_THEN,
    NGX_LLMOPS_JROLE_ELSE,
    NGX_LLMOPS_JROLE_DEPENDENT
} ngx_llmops_jrole_e;


/* a set of indexes of members or items; keeps its memory */

typedef struct {
    uint64_t                  *words;
    uint32_t                   nwords;     /* in use */
    uint32_t                   size;
} ngx_llmops_jbits_t;


typedef struct {
    ngx_llmops_jnode_t        *node;
    ngx_int_t                  parent;     /* index, or -1 */
    uint32_t                   slot;       /* index of item, member, dep */
    uint32_t                   any_failed;
    uint32_t                   one_failed;
    uint32_t                   one_passed;
    size_t                     contains;
    uint64_t                   deps_failed;
    size_t                     seen;       /* in check->words: names */
    ngx_int_t                  named;      /* index of the present member's
                                              name, or -1 */
    unsigned                   role:4;
    unsigned                   failed:1;
    unsigned                   track:1;    /* evaluated is of interest */
    unsigned                   if_passed:1;
    unsigned                   if_failed:1;
    unsigned                   then_failed:1;
    unsigned                   else_failed:1;

    ngx_llmops_jbits_t         evaluated;  /* last, as they keep memory */
    ngx_llmops_jbits_t         allowed;    /* by unevaluated* */
} ngx_llmops_jeval_t;


/* a set of hashes: the names of an object, or the items of an array */

typedef struct {
    ngx_llmops_jhash_t        *slots;
    size_t                     size;       /* a power of two */
    size_t                     used;
} ngx_llmops_jset_t;


/* an open value */

typedef struct {
    size_t                     base;       /* of its evals */
    size_t                     words;      /* what to go back to */
    size_t                     count;      /* members or items begun */
    ngx_llmops_jtok_type_e     type;
    unsigned                   hashed:1;   /* its hash is wanted */
    unsigned                   unique:1;   /* its items' are */
    ngx_llmops_jhash_t         acc;
    ngx_llmops_jhash_t         name;       /* of the present member */
    ngx_llmops_jset_t          set;        /* last, as it keeps memory */
} ngx_llmops_jframe_t;


struct ngx_llmops_jcheck_s {
    ngx_llmops_jschema_t      *schema;
    ngx_llmops_jtok_t          tok;

    ngx_llmops_jeval_t        *evals;
    size_t                     nevals;
    size_t                     size;       /* all their memory is set up */
    uint64_t                  *words;
    size_t                     nwords;
    size_t                     words_size;
    size_t                     memory;
    size_t                     work;       /* that is allowed yet */
    size_t                     counted;    /* bytes that work was allowed for */

    ngx_uint_t                 nframes;
    const char                *keyword;
    unsigned                   opened:1;   /* the value's frame, by its key */
    unsigned                   limit:1;
    ngx_llmops_jframe_t        frames[NGX_LLMOPS_JCHECK_FRAMES];
};


#define ngx_llmops_jcheck_frame(c)  (&(c)->frames[(c)->nframes - 1])


/* jcheck.c */

/* A new frame at the end, without evals; NGX_OK or NGX_DECLINED.  The end of
   the last one. */
ngx_int_t ngx_llmops_jcheck_push(ngx_llmops_jcheck_t *c);
void ngx_llmops_jcheck_pop(ngx_llmops_jcheck_t *c);

/* What the kind of a value decides; a string that is longer than some want;
   a value that is complete.  NGX_OK or NGX_DECLINED. */
ngx_int_t ngx_llmops_jcheck_begin(ngx_llmops_jcheck_t *c,
    ngx_llmops_jtok_type_e type);
ngx_int_t ngx_llmops_jcheck_over(void *data, size_t chars);
ngx_int_t ngx_llmops_jcheck_settle(ngx_llmops_jcheck_t *c,
    ngx_llmops_jtok_type_e type, ngx_str_t *text, size_t chars,
    ngx_llmops_jhash_t *hash);


/* jcheck_member.c: a name, to the object's schemas; and to those of its value,
   the frame of which is the last.  NGX_OK or NGX_DECLINED. */
ngx_int_t ngx_llmops_jcheck_name(ngx_llmops_jcheck_t *c, ngx_str_t *name);
ngx_int_t ngx_llmops_jcheck_member(ngx_llmops_jcheck_t *c, ngx_str_t *name);


/* jcheck_eval.c; all return NGX_OK, or NGX_DECLINED: the document is lost */

/* Applies a node to the value whose frame is the last. */
ngx_int_t ngx_llmops_jeval_push(ngx_llmops_jcheck_t *c,
    ngx_llmops_jnode_t *node, ngx_int_t parent, ngx_llmops_jrole_e role,
    uint32_t slot, ngx_uint_t refs);

/* An eval does not hold, because of that keyword. */
ngx_int_t ngx_llmops_jeval_fail(ngx_llmops_jcheck_t *c, size_t i,
    const char *keyword);

/* A value has ended and its eval holds. */
ngx_int_t ngx_llmops_jeval_pass(ngx_llmops_jcheck_t *c, size_t i);

/* Whether it still matters: asked for each eval of each value, and inline. */
static ngx_inline ngx_uint_t
ngx_llmops_jeval_alive(ngx_llmops_jcheck_t *c, size_t i, size_t base)
{
    ngx_int_t  k;

    for (k = i; k >= (ngx_int_t) base; k = c->evals[k].parent) {
        if (c->evals[k].failed) {
            return 0;
        }
    }

    return 1;
}


/* The same, and whether it asks anything: "true" does not. */
static ngx_inline ngx_uint_t
ngx_llmops_jeval_asks(ngx_llmops_jcheck_t *c, size_t i, size_t base)
{
    return !c->evals[i].node->always && ngx_llmops_jeval_alive(c, i, base);
}


/* The memory is used up, or the work. */
ngx_int_t ngx_llmops_jcheck_limit(ngx_llmops_jcheck_t *c);


/* Allows more work for the bytes that have come, if that is enough for n. */
ngx_int_t ngx_llmops_jcheck_more_work(ngx_llmops_jcheck_t *c, size_t n);


/* So much work is done, as evals; NGX_DECLINED: that is too much. */
static ngx_inline ngx_int_t
ngx_llmops_jcheck_work(ngx_llmops_jcheck_t *c, size_t n)
{
    if (n > c->work) {
        return ngx_llmops_jcheck_more_work(c, n);
    }

    c->work -= n;

    return NGX_OK;
}


/* Whether a pattern is found in text: 1 or 0; NGX_DECLINED: that was too much
   work. */
ngx_int_t ngx_llmops_jcheck_match(ngx_llmops_jcheck_t *c, pcre2_code *regex,
    ngx_str_t *text);

/* A bigger block, counted; NULL: none, or over the limit. */
void *ngx_llmops_jcheck_grow(ngx_llmops_jcheck_t *c, void *p, size_t old,
    size_t size);

ngx_int_t ngx_llmops_jbits_set(ngx_llmops_jcheck_t *c,
    ngx_llmops_jbits_t *bits, size_t i);
ngx_uint_t ngx_llmops_jbits_get(ngx_llmops_jbits_t *bits, size_t i);

/* The name of that index has been seen in the object of an eval. */
#define ngx_llmops_jeval_seen(c, e, name)                                     \
    ((c)->words[(e)->seen + (name) / 64] & (uint64_t) 1 << (name) % 64)

/* Whether the set had it already; otherwise it has it now.  NGX_OK: it is
   new, NGX_BUSY: it was there, NGX_DECLINED: the limit. */
ngx_int_t ngx_llmops_jset_add(ngx_llmops_jcheck_t *c, ngx_llmops_jset_t *set,
    ngx_llmops_jhash_t h);


/* jcheck_value.c */

/* What the end of a value decides of one eval's own keywords. */
ngx_int_t ngx_llmops_jeval_end(ngx_llmops_jcheck_t *c, size_t i,
    ngx_llmops_jtok_type_e type, ngx_str_t *text, size_t chars,
    ngx_llmops_jhash_t *hash);


#endif /* _NGX_LLMOPS_JCHECK_H_INCLUDED_ */
