
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_patterns_set.h"

#if (NGX_LLMOPS_HYPERSCAN)


/*
 * Hyperscan in its streaming mode: all patterns in one pass, and a match that
 * is cut by the pieces is found as if it were not.
 *
 * To redact or deny, text must wait until no match can begin in it any more:
 * that is as long as the longest match of a pattern, which must be bounded
 * therefore.  A pattern whose match has no white space ("word") holds back no
 * more than the last word.  A pattern that is only noted holds back nothing.
 *
 * A pattern sees bytes.  Beyond its width one byte more is waited for, since
 * "\b" looks at the byte behind.
 *
 * Hyperscan tells where a match ends; to tell where it began would make it
 * slower, and impossible for large repeats.  So PCRE2 looks for the start, in
 * the bytes that are kept anyway, each time that a pattern has matched.
 *
 *   patterns.c      patterns are compiled
 *   window.c        a text that they look at
 *   window_pcre.c   those that Hyperscan does not have
 */


#define NGX_LLMOPS_START_LIMIT    10000    /* steps of PCRE2 */


static ngx_int_t ngx_llmops_patterns_widths(ngx_llmops_patterns_t *set,
    ngx_uint_t *bad, char *err, size_t size);
static ngx_int_t ngx_llmops_patterns_width(ngx_llmops_patterns_t *set,
    ngx_uint_t i, char *err, size_t size);
static ngx_int_t ngx_llmops_patterns_build(ngx_llmops_patterns_t *set,
    ngx_uint_t *bad, char *err, size_t size);
static ngx_int_t ngx_llmops_patterns_start(ngx_llmops_patterns_t *set,
    ngx_uint_t i);


ngx_llmops_patterns_t *
ngx_llmops_patterns_compile(ngx_llmops_pattern_t *patterns, ngx_uint_t n,
    ngx_uint_t *bad, char *err, size_t size)
{
    ngx_llmops_patterns_t  *set;

    *bad = 0;
    snprintf(err, size, "out of memory");

    set = calloc(1, sizeof(ngx_llmops_patterns_t));
    if (set == NULL) {
        return NULL;
    }

    set->patterns = patterns;
    set->n = n;
    set->compiled = calloc(n, sizeof(ngx_llmops_compiled_t));
    set->match_context = pcre2_match_context_create(NULL);
    set->pcre_context = pcre2_match_context_create(NULL);
    set->match_data = pcre2_match_data_create(1, NULL);

    if (set->compiled == NULL || set->match_context == NULL
        || set->pcre_context == NULL || set->match_data == NULL)
    {
        ngx_llmops_patterns_free(set);
        return NULL;
    }

    pcre2_set_match_limit(set->match_context, NGX_LLMOPS_START_LIMIT);
    pcre2_set_match_limit(set->pcre_context, NGX_LLMOPS_PCRE_LIMIT);

    if (ngx_llmops_patterns_widths(set, bad, err, size) != NGX_OK
        || ngx_llmops_patterns_build(set, bad, err, size) != NGX_OK
        || (set->db
            && hs_alloc_scratch(set->db, &set->scratch) != HS_SUCCESS))
    {
        ngx_llmops_patterns_free(set);
        return NULL;
    }

    return set;
}


void
ngx_llmops_patterns_free(ngx_llmops_patterns_t *set)
{
    ngx_uint_t  i;

    for (i = 0; set->compiled && i < set->n; i++) {
        pcre2_code_free(set->compiled[i].inside);
        pcre2_code_free(set->compiled[i].end);
        pcre2_code_free(set->compiled[i].all);
    }

    free(set->compiled);
    pcre2_match_context_free(set->match_context);
    pcre2_match_context_free(set->pcre_context);
    pcre2_match_data_free(set->match_data);

    if (set->scratch) {
        (void) hs_free_scratch(set->scratch);
    }

    if (set->db) {
        (void) hs_free_database(set->db);
    }

    free(set);
}


/* one that is only noted, whatever the match is */

static ngx_uint_t
ngx_llmops_patterns_plain(ngx_llmops_pattern_t *p)
{
    return p->action == NGX_LLMOPS_PATTERN_MARK && p->proof == NULL
           && !p->word && p->scan.data == NULL;
}


static unsigned
ngx_llmops_patterns_flags(ngx_llmops_patterns_t *set, ngx_uint_t i)
{
    unsigned               flags;
    ngx_llmops_pattern_t  *p;

    p = &set->patterns[i];

    flags = p->nocase ? HS_FLAG_CASELESS : 0;

    if (ngx_llmops_patterns_plain(p)) {
        return flags | HS_FLAG_SINGLEMATCH;
    }

    /* where there is no start to look for, Hyperscan tells it */

    return set->compiled[i].end ? flags : flags | HS_FLAG_SOM_LEFTMOST;
}


/* what Hyperscan looks for */

static const char *
ngx_llmops_patterns_scan(ngx_llmops_pattern_t *p)
{
    return (const char *) (p->scan.data ? p->scan.data : p->regex.data);
}


static ngx_int_t
ngx_llmops_patterns_widths(ngx_llmops_patterns_t *set, ngx_uint_t *bad,
    char *err, size_t size)
{
    size_t                 width;
    ngx_uint_t             i;
    ngx_llmops_pattern_t  *p;

    for (i = 0; i < set->n; i++) {
        p = &set->patterns[i];
        *bad = i;

        if (ngx_llmops_patterns_width(set, i, err, size) != NGX_OK) {
            return NGX_ERROR;
        }

        width = set->compiled[i].width;

        if (set->compiled[i].all) {
            set->pcre_holds |= (p->action != NGX_LLMOPS_PATTERN_MARK);
            set->pcre = ngx_max(set->pcre, width);
            set->npcre++;
            continue;
        }

        if (width == 0) {
            continue;                   /* it is only noted */
        }

        width += NGX_LLMOPS_WINDOW_MARGIN;
        set->history = ngx_max(set->history, width);

        if (p->action == NGX_LLMOPS_PATTERN_MARK) {
            continue;
        }

        if (p->word) {
            set->word = ngx_max(set->word, width);

        } else {
            set->wide = ngx_max(set->wide, width);
        }
    }

    return NGX_OK;
}


/* the width of one, 0 if it does not matter; or it becomes PCRE2's */

static ngx_int_t
ngx_llmops_patterns_width(ngx_llmops_patterns_t *set, ngx_uint_t i, char *err,
    size_t size)
{
    unsigned               min, max;
    hs_expr_info_t        *info;
    hs_compile_error_t    *error;
    ngx_llmops_pattern_t  *p;

    p = &set->patterns[i];

    if (hs_expression_info((char *) p->regex.data,
                           ngx_llmops_patterns_flags(set, i), &info, &error)
        != HS_SUCCESS)
    {
        snprintf(err, size, "%s", error->message);
        (void) hs_free_compile_error(error);

        return ngx_llmops_window_pcre_compile(set, i, err, size);
    }

    min = info->min_width;
    max = info->max_width;

    free(info);

    if (min == 0) {
        snprintf(err, size, "it matches the empty text");
        return NGX_ERROR;
    }

    if (ngx_llmops_patterns_flags(set, i) & HS_FLAG_SINGLEMATCH) {
        return NGX_OK;
    }

    if (max > NGX_LLMOPS_PATTERN_MAX) {

        if (p->width) {
            return ngx_llmops_window_pcre_compile(set, i, err, size);
        }

        snprintf(err, size, "its match has no bound, or one above %d "
                 "bytes: write {1,100} instead of + or *",
                 NGX_LLMOPS_PATTERN_MAX);
        return NGX_ERROR;
    }

    set->compiled[i].width = max;

    if (ngx_llmops_patterns_start(set, i) != NGX_OK && p->scan.data) {
        snprintf(err, size, "PCRE2 does not understand it");
        return NGX_ERROR;
    }

    return NGX_OK;
}


/* the same pattern for PCRE2; NGX_DECLINED: it does not understand it */

static pcre2_code *
ngx_llmops_patterns_pcre(ngx_llmops_pattern_t *p, ngx_uint_t end)
{
    int          code;
    char        *text;
    size_t       offset, len;
    pcre2_code  *re;

    static const char  form[] = "(?:%s)(?=(?s:.)\\z)";

    len = p->regex.len + sizeof(form);

    text = malloc(len);
    if (text == NULL) {
        return NULL;
    }

    len = snprintf(text, len, end ? "%s" : form, p->regex.data);

    re = pcre2_compile((PCRE2_SPTR) text, len,
                       PCRE2_NEVER_BACKSLASH_C
                       |(end ? PCRE2_ENDANCHORED : 0)
                       |(p->nocase ? PCRE2_CASELESS : 0),
                       &code, &offset, NULL);
    free(text);

    if (re) {
        /* without it the pattern is only slower */
        (void) pcre2_jit_compile(re, PCRE2_JIT_COMPLETE);
    }

    return re;
}


static ngx_int_t
ngx_llmops_patterns_start(ngx_llmops_patterns_t *set, ngx_uint_t i)
{
    ngx_llmops_compiled_t  *c;

    c = &set->compiled[i];

    c->inside = ngx_llmops_patterns_pcre(&set->patterns[i], 0);
    c->end = ngx_llmops_patterns_pcre(&set->patterns[i], 1);

    if (c->inside && c->end) {
        return NGX_OK;
    }

    pcre2_code_free(c->inside);
    pcre2_code_free(c->end);
    c->inside = NULL;
    c->end = NULL;

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_patterns_build(ngx_llmops_patterns_t *set, ngx_uint_t *bad,
    char *err, size_t size)
{
    unsigned             *flags, *ids;
    ngx_int_t             rc;
    ngx_uint_t            i, n;
    const char          **regexes;
    hs_compile_error_t   *error;

    if (set->npcre == set->n) {
        return NGX_OK;
    }

    regexes = calloc(set->n, sizeof(char *));
    flags = calloc(set->n, sizeof(unsigned));
    ids = calloc(set->n, sizeof(unsigned));

    rc = NGX_ERROR;

    if (regexes == NULL || flags == NULL || ids == NULL) {
        goto done;
    }

    for (n = 0, i = 0; i < set->n; i++) {

        if (set->compiled[i].all) {
            continue;
        }

        regexes[n] = ngx_llmops_patterns_scan(&set->patterns[i]);
        flags[n] = ngx_llmops_patterns_flags(set, i);
        ids[n++] = i;
    }

    if (hs_compile_multi(regexes, flags, ids, n,
                         HS_MODE_STREAM|HS_MODE_SOM_HORIZON_LARGE, NULL,
                         &set->db, &error)
        != HS_SUCCESS)
    {
        *bad = error->expression < 0 ? 0 : ids[error->expression];
        snprintf(err, size, "%s", error->message);
        (void) hs_free_compile_error(error);
        goto done;
    }

    rc = NGX_OK;

done:

    free(regexes);
    free(flags);
    free(ids);

    return rc;
}


size_t
ngx_llmops_patterns_hold(ngx_llmops_patterns_t *set)
{
    size_t  hold;

    hold = ngx_max(set->wide, set->word);

    return set->pcre_holds
           ? ngx_max(hold, set->pcre + NGX_LLMOPS_PCRE_BLOCK) : hold;
}

#else /* !NGX_LLMOPS_HYPERSCAN */


ngx_llmops_patterns_t *
ngx_llmops_patterns_compile(ngx_llmops_pattern_t *patterns, ngx_uint_t n,
    ngx_uint_t *bad, char *err, size_t size)
{
    *bad = 0;
    snprintf(err, size, "the module was built without Hyperscan "
             "(libhyperscan-dev)");

    return NULL;
}


void
ngx_llmops_patterns_free(ngx_llmops_patterns_t *set)
{
    /* there is none */
}


size_t
ngx_llmops_patterns_hold(ngx_llmops_patterns_t *set)
{
    return 0;
}

#endif
