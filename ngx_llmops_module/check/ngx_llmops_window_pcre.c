
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_patterns_set.h"

#if (NGX_LLMOPS_HYPERSCAN)


/*
 * Patterns that Hyperscan does not have: look-around, back-references,
 * possessive repeats.  PCRE2 has no state that lives from piece to piece, so
 * the text is searched in blocks: for matches that start in [k, k + BLOCK),
 * when there are as many bytes behind the block as the widest of these
 * patterns may want to see.  What it sees is [k - BACK, k + BLOCK + width),
 * whatever the pieces were, and so is what it finds.
 *
 * A pattern can be such that PCRE2 tries an exponential number of ways.  The
 * number of steps is limited therefore, for each block and pattern; where the
 * limit ends a search, nothing is known of the block, and a rule that would
 * redact or deny something denies the text.
 */


ngx_int_t
ngx_llmops_window_pcre_compile(ngx_llmops_patterns_t *set, ngx_uint_t i,
    char *err, size_t size)
{
    int                     code;
    size_t                  offset;
    uint32_t                back, empty;
    pcre2_code             *re;
    ngx_llmops_pattern_t   *p;

    p = &set->patterns[i];

    re = pcre2_compile((PCRE2_SPTR) p->regex.data, p->regex.len,
                       PCRE2_NEVER_BACKSLASH_C|PCRE2_USE_OFFSET_LIMIT
                       |(p->nocase ? PCRE2_CASELESS : 0),
                       &code, &offset, NULL);
    if (re == NULL) {
        return NGX_ERROR;               /* err is Hyperscan's */
    }

    set->compiled[i].all = re;
    set->compiled[i].width = p->width ? p->width : NGX_LLMOPS_PCRE_WIDTH;

    (void) pcre2_pattern_info(re, PCRE2_INFO_MAXLOOKBEHIND, &back);
    (void) pcre2_pattern_info(re, PCRE2_INFO_MATCHEMPTY, &empty);

    if (empty) {
        snprintf(err, size, "it matches the empty text");
        return NGX_ERROR;
    }

    if (back > NGX_LLMOPS_PCRE_BACK) {
        snprintf(err, size, "it looks back further than %d bytes",
                 NGX_LLMOPS_PCRE_BACK);
        return NGX_ERROR;
    }

    /* without it the pattern is only slower */
    (void) pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);

    return NGX_OK;
}


uint64_t
ngx_llmops_window_pcre_next(ngx_llmops_window_t *w)
{
    return w->set->npcre
           ? w->searched + NGX_LLMOPS_PCRE_BLOCK + w->set->pcre
           : (uint64_t) -1;
}


/* the matches of one pattern that start in [from, to), of text up to end */

static void
ngx_llmops_window_pcre_block(ngx_llmops_window_t *w, ngx_uint_t id,
    uint64_t from, uint64_t to, uint64_t end)
{
    int          rc;
    size_t       at, len, *ovector;
    u_char      *text;
    uint64_t     back;
    ngx_uint_t   notbol;

    back = (from > NGX_LLMOPS_PCRE_BACK) ? from - NGX_LLMOPS_PCRE_BACK : 0;
    notbol = back ? PCRE2_NOTBOL : 0;

    text = w->buf + (back - w->base);
    len = end - back;

    pcre2_set_offset_limit(w->set->pcre_context, to - back - 1);
    ovector = pcre2_get_ovector_pointer(w->set->match_data);

    for (at = from - back; at < to - back; /* void */ ) {

        rc = pcre2_match(w->set->compiled[id].all, text, len, at, notbol,
                         w->set->match_data, w->set->pcre_context);

        if (rc == PCRE2_ERROR_NOMATCH) {
            return;
        }

        if (rc < 0) {

            if (w->set->patterns[id].action != NGX_LLMOPS_PATTERN_MARK) {
                ngx_llmops_window_deny(w, w->set->patterns[id].rule, from,
                                       end);
            }

            return;
        }

        ngx_llmops_window_hit(w, id, back + ovector[0], back + ovector[1]);

        /* "\K" may put the start behind the end */

        at = ngx_max(ovector[1], at + 1);
    }
}


void
ngx_llmops_window_pcre(ngx_llmops_window_t *w, ngx_uint_t last)
{
    uint64_t    end, to, text;
    ngx_uint_t  i;

    text = w->base + w->len;

    while (w->searched < text && !w->denied) {

        to = w->searched + NGX_LLMOPS_PCRE_BLOCK;
        end = to + w->set->pcre;

        if (end > text) {

            if (!last) {
                return;
            }

            end = text;
            to = ngx_min(to, text);
        }

        for (i = 0; i < w->set->n; i++) {
            if (w->set->compiled[i].all) {
                ngx_llmops_window_pcre_block(w, i, w->searched, to, end);
            }
        }

        w->searched += NGX_LLMOPS_PCRE_BLOCK;
    }
}

#endif
