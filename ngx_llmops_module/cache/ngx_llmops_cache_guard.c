
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_guard.h"


/*
 * Vectors are blind to what decides most: "with 5 users" and "with 50", "can I"
 * and "can I not", "before" and "after", Paris and Rome lie as close together
 * as two ways of saying the same.  So the words are looked at, too.  What must
 * be equal makes a digest that is part of where a text may be looked for:
 *
 *   numbers, in their order; a few are known as words as well
 *   how many negations there are
 *   words that have an opposite
 *   names: words that begin with a capital within a sentence, or have one, or
 *     a digit, within them, in their order
 *   what stands behind "from" and "than", and what in front of "to" and "into",
 *     if it has weight: miles to kilometers are not kilometers to miles
 *   what is asked for: who, when, where, why, how many
 *
 * And two texts that differ in exactly one word of weight each are not the
 * same question, however close they are.
 *
 * All this errs on one side: what it does not understand costs a hit.  The
 * lists are English; in other languages numbers, names and swapped words are
 * compared, and the threshold has to be higher.
 *
 * How a text falls into words is here, and what a word says in
 * ngx_llmops_cache_guard_word.c.
 */


static const u_char *ngx_llmops_guard_next(ngx_llmops_guard_t *g,
    const u_char *p, const u_char *last);
static ngx_uint_t ngx_llmops_guard_part(const u_char *p, const u_char *last);
static void ngx_llmops_guard_take(ngx_llmops_guard_t *g, u_char ch);
static int ngx_llmops_guard_cmp(const void *one, const void *two);


ngx_int_t
ngx_llmops_near_text(ngx_str_t *text, ngx_llmops_near_text_t *t)
{
    ngx_uint_t           i;
    const u_char        *p, *last;
    ngx_llmops_guard_t   g;

    ngx_memzero(&g, sizeof(ngx_llmops_guard_t));
    ngx_memzero(t, sizeof(ngx_llmops_near_text_t));

    if (text->len == 0 || text->len > NGX_LLMOPS_NEAR_TEXT) {
        return NGX_DECLINED;
    }

    p = text->data;
    last = p + text->len;

    g.first = 1;

    for ( ;; ) {
        p = ngx_llmops_guard_next(&g, p, last);

        if (p == NULL) {
            break;
        }

        ngx_llmops_guard_word(&g, t);

        ngx_memcpy(g.before, g.word, g.len);
        g.before_len = g.len;
        g.first = 0;
    }

    if (g.full || t->nwords == 0) {
        return NGX_DECLINED;
    }

    qsort(g.facts, g.nfacts, sizeof(uint64_t), ngx_llmops_guard_cmp);

    t->guard = ngx_llmops_guard_hash(g.negations + 1, NULL, 0);

    for (i = 0; i < g.nfacts; i++) {

        /* a fact that is told twice is one */

        if (i == 0 || g.facts[i] != g.facts[i - 1]) {
            t->guard = ngx_llmops_guard_hash(t->guard,
                                             (u_char *) &g.facts[i],
                                             sizeof(uint64_t));
        }
    }

    return NGX_OK;
}


ngx_uint_t
ngx_llmops_near_swapped(const uint32_t *a, ngx_uint_t na, const uint32_t *b,
    ngx_uint_t nb)
{
    ngx_uint_t  i, j, only_a, only_b;

    i = 0;
    j = 0;
    only_a = 0;
    only_b = 0;

    while (i < na || j < nb) {

        if (j == nb || (i < na && a[i] < b[j])) {
            only_a++;
            i++;

        } else if (i == na || b[j] < a[i]) {
            only_b++;
            j++;

        } else {
            i++;
            j++;
        }
    }

    return only_a == 1 && only_b == 1;
}


/* the next word into g; NULL: there is none */

static const u_char *
ngx_llmops_guard_next(ngx_llmops_guard_t *g, const u_char *p,
    const u_char *last)
{
    while (p < last && !ngx_llmops_guard_part(p, last)) {

        if (*p == '.' || *p == '?' || *p == '!' || *p == '\n' || *p == ':') {
            g->first = 1;
        }

        p++;
    }

    if (p == last) {
        return NULL;
    }

    g->len = 0;
    g->capital = (*p >= 'A' && *p <= 'Z');
    g->inner = 0;
    g->digits = 0;
    g->letters = 0;

    for ( /* void */ ; p < last; p++) {

        if (ngx_llmops_guard_part(p, last)) {
            ngx_llmops_guard_take(g, *p);

        } else if (p + 1 < last && g->digits && !g->letters
                   && (*p == '.' || *p == ',' || *p == ':')
                   && p[1] >= '0' && p[1] <= '9')
        {
            /* 1,000 is 1000; 1.5 and 12:30 stay */

            if (*p != ',') {
                ngx_llmops_guard_take(g, *p);
            }

        } else if (*p != '\'' && !(last - p >= 3 && p[0] == 0xe2
                                   && p[1] == 0x80 && p[2] == 0x99))
        {
            break;

        } else if (*p != '\'') {
            p += 2;
        }
    }

    return p;
}


/* of a word: letters, digits, and all that is not ASCII but an apostrophe */

static ngx_uint_t
ngx_llmops_guard_part(const u_char *p, const u_char *last)
{
    u_char  ch;

    if (last - p >= 3 && p[0] == 0xe2 && p[1] == 0x80) {
        return 0;                            /* quotes, dashes */
    }

    ch = *p | 0x20;

    return (ch >= 'a' && ch <= 'z') || (*p >= '0' && *p <= '9') || *p >= 0x80
           || *p == '%' || *p == '$' || *p == '_' || *p == '#';
}


static void
ngx_llmops_guard_take(ngx_llmops_guard_t *g, u_char ch)
{
    if (ch >= '0' && ch <= '9') {
        g->digits = 1;

    } else if (ch != '.' && ch != ':' && ch != '%' && ch != '$') {
        g->letters = 1;
    }

    if (g->len && ((ch >= 'A' && ch <= 'Z') || ch == '_' || ch == '#')) {
        g->inner = 1;
    }

    if (ch >= 'A' && ch <= 'Z') {
        ch |= 0x20;
    }

    if (g->len < NGX_LLMOPS_GUARD_WORD) {
        g->word[g->len++] = ch;
    }
}


uint64_t
ngx_llmops_guard_hash(uint64_t h, const u_char *p, size_t len)
{
    h ^= 0xcbf29ce484222325ull;

    while (len--) {
        h = (h ^ *p++) * 0x100000001b3ull;
    }

    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15ull;

    return h ^ h >> 29;
}


static int
ngx_llmops_guard_cmp(const void *one, const void *two)
{
    uint64_t  a, b;

    a = *(const uint64_t *) one;
    b = *(const uint64_t *) two;

    return (a > b) - (a < b);
}
