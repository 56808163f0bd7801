
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _PATTERNS_RUN_H_INCLUDED_
#define _PATTERNS_RUN_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_patterns.h"


/* A set with patterns of all kinds, and runs of it over a text in pieces. */


enum {
    PATTERNS_EMAIL = 0,
    PATTERNS_CARD,
    PATTERNS_WORD,
    PATTERNS_SECRET,
    PATTERNS_NOTED,
    PATTERNS_MAX
};


#define patterns_check(condition)                                             \
    do {                                                                      \
        if (!(condition)) {                                                   \
            fprintf(stderr, "failed: %s\n", #condition);                      \
            abort();                                                          \
        }                                                                     \
    } while (0)


typedef struct {
    ngx_int_t                  rc;
    uint64_t                   found;
    ngx_uint_t                 denied;
    ngx_llmops_out_t           out;
} patterns_result_t;


static inline ngx_llmops_patterns_t *
patterns_set(void)
{
    char                    err[256];
    ngx_str_t               luhn = ngx_string("luhn");
    ngx_uint_t              bad;
    ngx_llmops_patterns_t  *set;

    static ngx_llmops_pattern_t  p[] = {
        { .regex = ngx_string("\\b[a-z.]{1,30}@[a-z]{1,20}\\.[a-z]{2,5}\\b"),
          .scan = ngx_string("[a-z.]@[a-z]{1,20}\\.[a-z]{2,5}\\b"),
          .replacement = ngx_string("[EMAIL]"),
          .action = NGX_LLMOPS_PATTERN_REDACT,
          .rule = PATTERNS_EMAIL, .word = 1 },
        { .regex = ngx_string("\\b(?:[0-9][ -]?){12,18}[0-9]\\b"),
          .replacement = ngx_string("[CARD]"),
          .action = NGX_LLMOPS_PATTERN_REDACT, .rule = PATTERNS_CARD },
        { .regex = ngx_string("xyzzy(-[0-9]{1,6})?"),
          .replacement = ngx_string("[WORD]"),
          .action = NGX_LLMOPS_PATTERN_REDACT,
          .rule = PATTERNS_WORD, .nocase = 1, .word = 1 },
        { .regex = ngx_string("SECRET_[a-z]{16}"),
          .action = NGX_LLMOPS_PATTERN_DENY,
          .rule = PATTERNS_SECRET, .word = 1 },
        { .regex = ngx_string("one.*three|plugh$"),
          .action = NGX_LLMOPS_PATTERN_MARK, .rule = PATTERNS_NOTED },
    };

    p[1].proof = ngx_llmops_proof_find(&luhn);

    set = ngx_llmops_patterns_compile(p, PATTERNS_MAX, &bad, err,
                                      sizeof(err));
    if (set == NULL) {
        fprintf(stderr, "pattern %d: %s\n", (int) bad, err);
    }

    patterns_check(set);

    return set;
}


/* pieces that end at the offsets of cuts; each in a block of its own size */

static inline void
patterns_cuts(ngx_llmops_patterns_t *set, const char *text, const size_t *cuts,
    size_t n, patterns_result_t *r)
{
    size_t                i, at, len;
    u_char               *piece;
    ngx_llmops_window_t  *w;

    w = ngx_llmops_window_create(set);
    patterns_check(w);

    ngx_llmops_out_init(&r->out, 1024 * 1024);

    for (at = 0, i = 0; i < n; i++) {
        len = cuts[i] - at;
        piece = malloc(len + !len);
        memcpy(piece, text + at, len);
        at = cuts[i];

        r->rc = ngx_llmops_window_feed(w, piece, len, i + 1 == n, &r->out);

        free(piece);

        if (r->rc != NGX_OK) {
            break;
        }

        patterns_check(ngx_llmops_window_held(w)
                       <= ngx_llmops_patterns_hold(set) + 3);
    }

    r->found = ngx_llmops_window_found(w);
    r->denied = ngx_llmops_window_denied(w);

    ngx_llmops_window_free(w);
}


static inline void
patterns_split(ngx_llmops_patterns_t *set, const char *text, size_t len,
    size_t one, size_t two, patterns_result_t *r)
{
    size_t  cuts[3];

    cuts[0] = ngx_min(one, len);
    cuts[1] = ngx_min(two, len);
    cuts[2] = len;

    patterns_cuts(set, text, cuts, 3, r);
}


static inline void
patterns_pieces(ngx_llmops_patterns_t *set, const char *text, size_t len,
    size_t each, patterns_result_t *r)
{
    size_t   n, *cuts;

    n = len / each + 1;
    cuts = malloc(n * sizeof(size_t));

    for (n = 0; (n + 1) * each < len; n++) {
        cuts[n] = (n + 1) * each;
    }

    cuts[n++] = len;

    patterns_cuts(set, text, cuts, n, r);

    free(cuts);
}


static inline void
patterns_equal(patterns_result_t *a, patterns_result_t *b)
{
    patterns_check(a->rc == b->rc && a->found == b->found
                   && a->denied == b->denied);
    patterns_check(a->out.len == b->out.len
                   && memcmp(a->out.data ? a->out.data : (u_char *) "",
                             b->out.data ? b->out.data : (u_char *) "",
                             a->out.len) == 0);
}


static inline void
patterns_release(patterns_result_t *r)
{
    ngx_llmops_out_free(&r->out);
}


#endif /* _PATTERNS_RUN_H_INCLUDED_ */
