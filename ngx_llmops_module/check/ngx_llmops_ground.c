
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_ground.h"


/*
 * The context is a set of hashes: of its words, and of each three of them in a
 * row.  A statement is a sentence, or an item of a list.  It is supported if
 *
 *   all its numbers are in the context,
 *   all its quotes of three words or more are, word by word,
 *   and 60 % of its longer words are; names (a capital inside of a sentence)
 *   count twice.
 *
 * That finds invented figures, names and quotes, and sentences about something
 * else.  It does not understand: a denial looks like its opposite, another
 * word for the same is not found, nor is a translation.
 *
 * A word is a run of letters and digits, in lower case if it is ASCII; in
 * scripts without spaces each character is one.
 */


#define NGX_LLMOPS_GROUND_SLOTS    1024    /* the first, then doubled */
#define NGX_LLMOPS_GROUND_WORD     4       /* bytes of one that counts */
#define NGX_LLMOPS_GROUND_WANTED   600     /* thousandths of them */
#define NGX_LLMOPS_GROUND_FEW      3       /* words of no statement */


struct ngx_llmops_ground_s {
    uint64_t                  *slots;      /* 0: free */
    size_t                     size;       /* a power of two */
    size_t                     used;
    size_t                     bytes;      /* of context */
};


typedef struct {
    uint64_t                   hash;
    const u_char              *start;
    size_t                     len;
    unsigned                   number:1;
    unsigned                   capital:1;
} ngx_llmops_ground_word_t;


/* what a sentence has shown so far */

typedef struct {
    uint64_t                   last[2];    /* words before, of a quote */
    ngx_uint_t                 quoted;     /* words of the quote */
    ngx_uint_t                 words;
    ngx_uint_t                 total;      /* weights */
    ngx_uint_t                 found;
    unsigned                   quote:1;
    unsigned                   facts:1;    /* has a number or a quote */
    unsigned                   failed:1;
} ngx_llmops_ground_sentence_t;


ngx_llmops_ground_t *
ngx_llmops_ground_create(void)
{
    ngx_llmops_ground_t  *g;

    g = calloc(1, sizeof(ngx_llmops_ground_t));
    if (g == NULL) {
        return NULL;
    }

    g->size = NGX_LLMOPS_GROUND_SLOTS;
    g->slots = calloc(g->size, sizeof(uint64_t));

    if (g->slots == NULL) {
        free(g);
        return NULL;
    }

    return g;
}


void
ngx_llmops_ground_free(ngx_llmops_ground_t *g)
{
    if (g) {
        free(g->slots);
        free(g);
    }
}


static uint64_t *
ngx_llmops_ground_slot(ngx_llmops_ground_t *g, uint64_t hash)
{
    size_t  i;

    for (i = hash & (g->size - 1);
         g->slots[i] && g->slots[i] != hash;
         i = (i + 1) & (g->size - 1))
    {
        /* void */
    }

    return &g->slots[i];
}


static ngx_int_t
ngx_llmops_ground_put(ngx_llmops_ground_t *g, uint64_t hash)
{
    size_t     i, size;
    uint64_t  *slot, *old;

    if (g->used * 2 >= g->size) {
        old = g->slots;
        size = g->size;

        slot = calloc(size * 2, sizeof(uint64_t));
        if (slot == NULL) {
            return NGX_ERROR;
        }

        g->slots = slot;
        g->size = size * 2;

        for (i = 0; i < size; i++) {
            if (old[i]) {
                *ngx_llmops_ground_slot(g, old[i]) = old[i];
            }
        }

        free(old);
    }

    slot = ngx_llmops_ground_slot(g, hash);

    g->used += (*slot == 0);
    *slot = hash;

    return NGX_OK;
}


static ngx_inline ngx_uint_t
ngx_llmops_ground_has(ngx_llmops_ground_t *g, uint64_t hash)
{
    return *ngx_llmops_ground_slot(g, hash) != 0;
}


static ngx_inline uint64_t
ngx_llmops_ground_mix(uint64_t h, uint64_t x)
{
    h = (h ^ x) * 0x9e3779b97f4a7c15ULL;

    h ^= h >> 29;

    return h ? h : 1;
}


/* a character that is a word: Han, kana, Hangul */

static ngx_inline ngx_uint_t
ngx_llmops_ground_wide(const u_char *p, const u_char *last)
{
    return last - p >= 3 && *p >= 0xe3 && *p <= 0xed
           && !(*p == 0xe3 && p[1] == 0x80);    /* its punctuation */
}


static ngx_inline ngx_uint_t
ngx_llmops_ground_in_word(const u_char *p, const u_char *last)
{
    u_char  c;

    c = *p;

    if ((c >= '0' && c <= '9') || ((c | 0x20) >= 'a' && (c | 0x20) <= 'z')) {
        return 1;
    }

    if (c < 0x80) {
        return 0;
    }

    /* quotes, dashes and the like (U+2000 to U+206F), and Han's own */

    return !(c == 0xe2 && last - p >= 3 && (p[1] == 0x80 || p[1] == 0x81))
           && !(c == 0xe3 && last - p >= 3 && p[1] == 0x80)
           && !(c == 0xc2 && last - p >= 2 && (p[1] == 0xab || p[1] == 0xbb));
}


/* "1,000.50" is one word, without its comma */

static ngx_inline ngx_uint_t
ngx_llmops_ground_point(const u_char *p, const u_char *start,
    const u_char *last)
{
    return (*p == '.' || *p == ',') && p > start && last - p > 1
           && p[-1] >= '0' && p[-1] <= '9' && p[1] >= '0' && p[1] <= '9';
}


/* the word at p, which is in one; returns its end */

static const u_char *
ngx_llmops_ground_word(const u_char *p, const u_char *last,
    ngx_llmops_ground_word_t *w)
{
    u_char         c;
    const u_char  *start;

    start = p;

    w->start = p;
    w->hash = 0x517cc1b727220a95ULL;
    w->number = 0;
    w->capital = (*p >= 'A' && *p <= 'Z');

    if (ngx_llmops_ground_wide(p, last)) {
        last = p + 3;
    }

    for ( /* void */ ; p < last; p++) {

        if (!ngx_llmops_ground_in_word(p, last)
            && !ngx_llmops_ground_point(p, start, last)
            && !(*p >= 0x80 && p > start && last - start <= 3))
        {
            break;
        }

        if (p > start && ngx_llmops_ground_wide(p, last)) {
            break;
        }

        c = *p;

        if (c == ',') {
            continue;
        }

        w->number |= (c >= '0' && c <= '9');
        w->hash = ngx_llmops_ground_mix(w->hash, (c >= 'A' && c <= 'Z')
                                                 ? (c | 0x20) : c);
    }

    w->len = p - start;

    return p;
}


ngx_int_t
ngx_llmops_ground_add(ngx_llmops_ground_t *g, const u_char *p, size_t len)
{
    uint64_t                   one, two;
    const u_char              *last;
    ngx_llmops_ground_word_t   w;

    len = ngx_min(len, NGX_LLMOPS_GROUND_MAX - g->bytes);
    g->bytes += len;

    last = p + len;
    one = 0;
    two = 0;

    while (p < last) {

        if (!ngx_llmops_ground_in_word(p, last)) {
            p++;
            continue;
        }

        p = ngx_llmops_ground_word(p, last, &w);

        if (ngx_llmops_ground_put(g, w.hash) != NGX_OK
            || (two && ngx_llmops_ground_put(g,
                           ngx_llmops_ground_mix(
                               ngx_llmops_ground_mix(two, one), w.hash))
                       != NGX_OK))
        {
            return NGX_ERROR;
        }

        two = one;
        one = w.hash;
    }

    return NGX_OK;
}


static void
ngx_llmops_ground_judge(ngx_llmops_ground_t *g,
    ngx_llmops_ground_sentence_t *s, ngx_llmops_ground_word_t *w)
{
    ngx_uint_t  has, weight;

    has = ngx_llmops_ground_has(g, w->hash);

    s->words++;

    if (w->number) {
        s->facts = 1;
        s->failed |= !has;
    }

    if (w->number || w->len >= NGX_LLMOPS_GROUND_WORD
        || w->start[0] >= 0xe3)
    {
        weight = (w->capital && s->words > 1) ? 2 : 1;
        s->total += weight;
        s->found += has ? weight : 0;
    }

    if (!s->quote) {
        return;
    }

    if (s->quoted >= 2) {
        s->facts = 1;
        s->failed |= !ngx_llmops_ground_has(g,
                          ngx_llmops_ground_mix(
                              ngx_llmops_ground_mix(s->last[1], s->last[0]),
                              w->hash));
    }

    s->quoted++;
    s->last[1] = s->last[0];
    s->last[0] = w->hash;
}


/* the end of a sentence: one more statement, supported or not */

static void
ngx_llmops_ground_end(ngx_llmops_ground_sentence_t *s, size_t *all,
    size_t *good)
{
    if (s->words >= NGX_LLMOPS_GROUND_FEW || s->facts) {
        *all += 1;
        *good += (!s->failed
                  && s->found * 1000 >= s->total * NGX_LLMOPS_GROUND_WANTED);
    }

    ngx_memzero(s, sizeof(ngx_llmops_ground_sentence_t));
}


/* a quote opens or closes at p: bytes of it, or 0 */

static size_t
ngx_llmops_ground_quote(const u_char *p, const u_char *last)
{
    if (*p == '"') {
        return 1;
    }

    /* U+201C to U+201E, and guillemets */

    if (last - p >= 3 && p[0] == 0xe2 && p[1] == 0x80
        && p[2] >= 0x9c && p[2] <= 0x9e)
    {
        return 3;
    }

    return (last - p >= 2 && p[0] == 0xc2 && (p[1] == 0xab || p[1] == 0xbb))
           ? 2 : 0;
}


static ngx_uint_t
ngx_llmops_ground_stops(const u_char *p, const u_char *last)
{
    if (*p == LF) {
        return 1;
    }

    if (*p == '.' || *p == '!' || *p == '?') {
        return last - p == 1 || p[1] <= ' ' || p[1] == '"';
    }

    /* U+3002, and the full-width "!" and "?" */

    return last - p >= 3
           && ((p[0] == 0xe3 && p[1] == 0x80 && p[2] == 0x82)
               || (p[0] == 0xef && p[1] == 0xbc
                   && (p[2] == 0x81 || p[2] == 0x9f)));
}


ngx_uint_t
ngx_llmops_ground_share(ngx_llmops_ground_t *g, const u_char *p, size_t len)
{
    size_t                         all, good, n;
    const u_char                  *last;
    ngx_llmops_ground_word_t       w;
    ngx_llmops_ground_sentence_t   s;

    ngx_memzero(&s, sizeof(ngx_llmops_ground_sentence_t));

    last = p + len;
    all = 0;
    good = 0;

    while (p < last) {

        if (ngx_llmops_ground_stops(p, last)) {
            ngx_llmops_ground_end(&s, &all, &good);
            p += (*p >= 0x80) ? 3 : 1;
            continue;
        }

        n = ngx_llmops_ground_quote(p, last);

        if (n) {
            s.quote = !s.quote;
            s.quoted = 0;
            p += n;
            continue;
        }

        if (!ngx_llmops_ground_in_word(p, last)) {
            p++;
            continue;
        }

        p = ngx_llmops_ground_word(p, last, &w);

        ngx_llmops_ground_judge(g, &s, &w);
    }

    ngx_llmops_ground_end(&s, &all, &good);

    return all ? good * 1000 / all : 1000;
}
