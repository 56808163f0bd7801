
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PATTERNS_SET_H_INCLUDED_
#define _NGX_LLMOPS_PATTERNS_SET_H_INCLUDED_


#include "ngx_llmops_patterns.h"

#if (NGX_LLMOPS_HYPERSCAN)

#define PCRE2_CODE_UNIT_WIDTH  8

#include <pcre2.h>
#include <hs/hs.h>


/* The inside of patterns and windows.  Private to this directory. */


#define NGX_LLMOPS_WINDOW_SLICE   4096     /* bytes scanned in one go */
#define NGX_LLMOPS_WINDOW_MARGIN  1

/* patterns that Hyperscan does not have: see window_pcre.c */

#define NGX_LLMOPS_PCRE_BLOCK     256      /* starts looked for in one go */
#define NGX_LLMOPS_PCRE_WIDTH     256      /* bytes, unless width= */
#define NGX_LLMOPS_PCRE_BACK      256      /* bytes a look-behind may see */
#define NGX_LLMOPS_PCRE_LIMIT     20000    /* steps for a block */


/* what a pattern has become */

typedef struct {
    size_t                     width;      /* of its longest match */
    pcre2_code                *inside;     /* looks for the start of a match
                                              with a byte behind it */
    pcre2_code                *end;        /* of one without */
    pcre2_code                *all;        /* Hyperscan does not have it */
} ngx_llmops_compiled_t;


/* a part of the text that is replaced; regions do not overlap */

typedef struct {
    uint64_t                   from;
    uint64_t                   to;
    uint64_t                   first;      /* where the match began that
                                              says what it becomes */
    ngx_uint_t                 pattern;
    unsigned                   written:1;  /* its replacement is out */
} ngx_llmops_region_t;


struct ngx_llmops_patterns_s {
    hs_database_t             *db;         /* NULL: all are PCRE2's */
    hs_scratch_t              *scratch;
    pcre2_match_context       *match_context;
    pcre2_match_context       *pcre_context;
    pcre2_match_data          *match_data;
    ngx_llmops_pattern_t      *patterns;
    ngx_llmops_compiled_t     *compiled;
    ngx_uint_t                 n;
    ngx_uint_t                 npcre;
    size_t                     pcre;       /* width of the widest of them */
    size_t                     wide;       /* of those that may have spaces */
    size_t                     word;       /* of the others */
    size_t                     history;    /* kept for proofs */
    unsigned                   pcre_holds:1;   /* one is more than noted */
};


struct ngx_llmops_window_s {
    ngx_llmops_patterns_t     *set;
    hs_stream_t               *stream;     /* NULL: none, or closed */
    u_char                    *memory;     /* with the slack */
    u_char                    *buf;        /* [base, base + len) */
    size_t                     len;
    size_t                     size;
    uint64_t                   base;
    uint64_t                   released;   /* what is out, or skipped */
    uint64_t                   searched;   /* by PCRE2: a multiple of BLOCK */
    uint64_t                   found;
    ngx_llmops_region_t       *regions;
    size_t                     nregions;
    size_t                     max_regions;
    uint64_t                   denied_from;
    uint64_t                   denied_at;  /* end of the match */
    ngx_uint_t                 denied_rule;
    ngx_llmops_window_map_pt   map;        /* or NULL */
    void                      *map_data;
    unsigned                   closed:1;
    unsigned                   denied:1;
    unsigned                   failed:1;
};


/* window.c: a match at [from, to), the proof of which is still to stand; what
   follows from it. */
void ngx_llmops_window_hit(ngx_llmops_window_t *w, ngx_uint_t id,
    uint64_t from, uint64_t to);

/* Nothing goes any more, because of a rule that has matched at [from, to). */
void ngx_llmops_window_deny(ngx_llmops_window_t *w, ngx_uint_t rule,
    uint64_t from, uint64_t to);


/* window_region.c */

/* Joins a match with all that it overlaps.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_window_region(ngx_llmops_window_t *w,
    ngx_uint_t pattern, uint64_t from, uint64_t to);

/* The text up to there goes, but for what is replaced. */
void ngx_llmops_window_release(ngx_llmops_window_t *w, uint64_t to,
    ngx_llmops_out_t *out);


/* window_pcre.c */

/* Compiles a pattern that Hyperscan does not have.  NGX_OK, or NGX_ERROR with
   the reason in err[size]. */
ngx_int_t ngx_llmops_window_pcre_compile(ngx_llmops_patterns_t *set,
    ngx_uint_t i, char *err, size_t size);

/* Where the next block can be searched: so many bytes of text must be there;
   (uint64_t) -1 without such patterns. */
uint64_t ngx_llmops_window_pcre_next(ngx_llmops_window_t *w);

/* Searches the blocks for which there is enough text, with last all. */
void ngx_llmops_window_pcre(ngx_llmops_window_t *w, ngx_uint_t last);

#endif


#endif /* _NGX_LLMOPS_PATTERNS_SET_H_INCLUDED_ */
