
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cache_near.h"


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
 */


#define NGX_LLMOPS_GUARD_FACTS  64
#define NGX_LLMOPS_GUARD_WORD   48         /* bytes of a word that count */


typedef struct {
    uint64_t                   facts[NGX_LLMOPS_GUARD_FACTS];
    ngx_uint_t                 nfacts;
    ngx_uint_t                 negations;
    ngx_uint_t                 names;
    ngx_uint_t                 numbers;
    u_char                     word[NGX_LLMOPS_GUARD_WORD];    /* lower case */
    size_t                     len;
    u_char                     before[NGX_LLMOPS_GUARD_WORD];  /* the word */
    size_t                     before_len;
    unsigned                   first:1;    /* of a sentence */
    unsigned                   capital:1;
    unsigned                   inner:1;    /* capital or digit within it */
    unsigned                   digits:1;   /* it has */
    unsigned                   letters:1;
    unsigned                   full:1;     /* more than can be compared */
} ngx_llmops_guard_t;


static const u_char *ngx_llmops_guard_next(ngx_llmops_guard_t *g,
    const u_char *p, const u_char *last);
static ngx_uint_t ngx_llmops_guard_part(const u_char *p, const u_char *last);
static void ngx_llmops_guard_take(ngx_llmops_guard_t *g, u_char ch);
static void ngx_llmops_guard_word(ngx_llmops_guard_t *g,
    ngx_llmops_near_text_t *t);
static void ngx_llmops_guard_fact(ngx_llmops_guard_t *g, char kind,
    const u_char *p, size_t len);
static ngx_uint_t ngx_llmops_guard_negation(ngx_llmops_guard_t *g);
static ngx_uint_t ngx_llmops_guard_in(const char *const *list,
    const u_char *word, size_t len);
static ngx_uint_t ngx_llmops_guard_is(ngx_llmops_guard_t *g,
    const char *word);
static void ngx_llmops_guard_weight(ngx_llmops_guard_t *g,
    ngx_llmops_near_text_t *t);
static size_t ngx_llmops_guard_stem(ngx_llmops_guard_t *g);
static uint64_t ngx_llmops_guard_hash(uint64_t h, const u_char *p, size_t len);
static int ngx_llmops_guard_cmp(const void *one, const void *two);


static const char *const  ngx_llmops_guard_negations[] = {
    "not", "no", "never", "none", "without", "cannot", "neither", "nor",
    "nothing", "nobody", "nowhere", "except", "unless", "dont", "cant",
    "wont", "isnt", "doesnt", "didnt", "avoid", "prevent", "fail", "fails",
    "failed", "nicht", "kein", "keine", "ohne", "nie", "pas", "sans", "sin",
    NULL
};

/* each has an opposite, or a neighbour, that is in the list as well */

static const char *const  ngx_llmops_guard_opposites[] = {
    "increase", "decrease", "raise", "lower", "add", "remove", "delete",
    "create", "enable", "disable", "start", "stop", "open",
    "close", "before", "after", "min", "max", "minimum", "maximum", "first",
    "last", "buy", "sell", "import", "export", "upload", "download",
    "encrypt", "decrypt", "install", "uninstall", "down", "off",
    "left", "right", "hot", "cold", "more", "less", "most", "least", "high",
    "low", "higher", "highest", "lowest", "big", "small", "large", "bigger",
    "smaller", "largest", "smallest", "win", "lose", "push", "pull", "lock",
    "unlock", "old", "new", "oldest", "newest", "best", "worst", "always",
    "send", "receive", "lend", "borrow", "income",
    "expense", "male", "female", "men", "women", "north", "south", "east",
    "west", "northern", "southern", "inside", "outside", "above", "below",
    "longest", "shortest", "fast",
    "slow", "fastest", "slowest", "early", "late", "earliest", "latest",
    "positive", "negative", "true", "false", "legal", "illegal", "public",
    "private", "input", "output", "read", "write", "encode", "decode",
    "compress", "decompress", "grow", "shrink", "gain", "loss", "pros",
    "cons", "advantages", "disadvantages", "benefits", "risks", "subscribe",
    "unsubscribe", "accept", "reject", "allow", "deny", "block", "unblock",
    "activate", "deactivate", "connect", "disconnect", "sync", "async",
    "ascending", "descending", "vertical", "horizontal", "morning",
    "evening", "today", "tomorrow", "yesterday", "monday", "tuesday",
    "wednesday", "thursday", "friday", "saturday", "sunday", "january",
    "february", "march", "april", "june", "july", "august",
    "september", "october", "november", "december", "daily", "weekly",
    "monthly", "yearly", "annual", "day", "week", "month", "year", "hour",
    "minute", "current", "previous", "next", "past", "future",
    "won", "lost", "median", "sum", "average", "hypo", "hyper",
    NULL
};

static const char *const  ngx_llmops_guard_asked[] = {
    "who", "whom", "whose", "when", "where", "why", NULL
};

static const char *const  ngx_llmops_guard_amounts[] = {
    "many", "much", "long", "old", "far", "often", "tall", "big", "large",
    "high", "deep", "heavy", "fast", NULL
};

/* the next word belongs to them */

static const char *const  ngx_llmops_guard_bound[] = {
    "from", "than", "versus", "vs", NULL
};

/* words of no weight */

static const char *const  ngx_llmops_guard_light[] = {
    "a", "an", "the", "is", "are", "was", "were", "be", "been", "am", "do",
    "does", "did", "can", "could", "would", "should", "will", "shall",
    "might", "must", "have", "has", "had", "i", "me", "my", "you", "your",
    "we", "our", "us", "it", "its", "they", "them", "their", "this", "that",
    "these", "those", "of", "in", "at", "by", "for", "with", "about", "as",
    "and", "or", "but", "if", "then", "so", "what", "which", "how", "there",
    "here", "to", "on", "please", "tell", "explain", "give", "show", "let",
    "know", "want", "need", "like", "some", "any", "also", "just", "hi",
    "hello", "hey", "thanks", "thank", "s", "m", "re", "ve", "ll", "d", "t",
    "whats", "hows", "way", "kindly", "get", "s", NULL
};

static const char *const  ngx_llmops_guard_numbers[] = {
    "zero", "two", "three", "four", "five", "six", "seven", "eight", "nine",
    "ten", "eleven", "twelve", "twenty", "thirty", "forty", "fifty", "sixty",
    "seventy", "eighty", "ninety", "hundred", "thousand", "million",
    "billion", "half", "twice", "double", "triple", "dozen", "second",
    "third", "fourth", "fifth", NULL
};

/* the digits of the first few */

static const char *const  ngx_llmops_guard_digits[] = {
    "0", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "20",
    "30", "40", "50", "60", "70", "80", "90", "100", "1000", NULL
};


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


static void
ngx_llmops_guard_word(ngx_llmops_guard_t *g, ngx_llmops_near_text_t *t)
{
    ngx_uint_t  i;

    if (g->digits && !g->letters) {
        ngx_llmops_guard_fact(g, '1', g->word, g->len);
        return;
    }

    i = ngx_llmops_guard_in(ngx_llmops_guard_numbers, g->word, g->len);

    if (i) {
        if (i <= 22) {
            ngx_llmops_guard_fact(g, '1',
                                  (u_char *) ngx_llmops_guard_digits[i - 1],
                                  strlen(ngx_llmops_guard_digits[i - 1]));
        } else {
            ngx_llmops_guard_fact(g, '1', g->word, g->len);
        }

        return;
    }

    if (ngx_llmops_guard_negation(g)) {
        g->negations++;
        return;
    }

    if (ngx_llmops_guard_in(ngx_llmops_guard_asked, g->word, g->len)) {
        ngx_llmops_guard_fact(g, '?', g->word, g->len);
        return;
    }

    if (g->before_len == 3 && ngx_memcmp(g->before, "how", 3) == 0
        && ngx_llmops_guard_in(ngx_llmops_guard_amounts, g->word, g->len))
    {
        ngx_llmops_guard_fact(g, '?', g->word, g->len);
        return;
    }

    if ((ngx_llmops_guard_is(g, "to") || ngx_llmops_guard_is(g, "into"))) {

        if (!ngx_llmops_guard_in(ngx_llmops_guard_light, g->before,
                                 g->before_len))
        {
            ngx_llmops_guard_fact(g, '<', g->before, g->before_len);
        }

        return;
    }

    if (ngx_llmops_guard_in(ngx_llmops_guard_opposites, g->word, g->len)) {
        ngx_llmops_guard_fact(g, '+', g->word, g->len);
    }

    if (ngx_llmops_guard_in(ngx_llmops_guard_bound, g->before,
                            g->before_len))
    {
        ngx_llmops_guard_fact(g, '>', g->word, ngx_llmops_guard_stem(g));
    }

    if ((g->capital && !g->first && !ngx_llmops_guard_is(g, "i"))
        || g->inner || g->digits)
    {
        ngx_llmops_guard_fact(g, 'A', g->word, ngx_llmops_guard_stem(g));
    }

    ngx_llmops_guard_weight(g, t);
}


static void
ngx_llmops_guard_fact(ngx_llmops_guard_t *g, char kind, const u_char *p,
    size_t len)
{
    ngx_uint_t  n;

    if (g->nfacts == NGX_LLMOPS_GUARD_FACTS) {
        g->full = 1;
        return;
    }

    n = (kind == '1') ? ++g->numbers : (kind == 'A') ? ++g->names : 0;

    g->facts[g->nfacts++] = ngx_llmops_guard_hash((uint64_t) kind << 32 | n, p,
                                                  len);
}


static ngx_uint_t
ngx_llmops_guard_negation(ngx_llmops_guard_t *g)
{
    /* an apostrophe is left out: "don't" has become "dont" */

    return ngx_llmops_guard_in(ngx_llmops_guard_negations, g->word, g->len)
           || (g->len > 4 && ngx_memcmp(g->word + g->len - 2, "nt", 2) == 0
               && (ngx_memcmp(g->word, "would", 5) == 0
                   || ngx_memcmp(g->word, "could", 5) == 0
                   || ngx_memcmp(g->word, "should", 5) == 0
                   || ngx_memcmp(g->word, "were", 4) == 0
                   || ngx_memcmp(g->word, "aren", 4) == 0
                   || ngx_memcmp(g->word, "wasn", 4) == 0
                   || ngx_memcmp(g->word, "have", 4) == 0
                   || ngx_memcmp(g->word, "hasn", 4) == 0));
}


/* its place in a list, from 1 on; 0: it is not there */

static ngx_uint_t
ngx_llmops_guard_in(const char *const *list, const u_char *word, size_t len)
{
    ngx_uint_t  i;

    for (i = 0; len && list[i]; i++) {
        if (list[i][0] == (char) word[0] && strlen(list[i]) == len
            && ngx_memcmp(list[i], word, len) == 0)
        {
            return i + 1;
        }
    }

    return 0;
}


static ngx_uint_t
ngx_llmops_guard_is(ngx_llmops_guard_t *g, const char *word)
{
    return strlen(word) == g->len && ngx_memcmp(word, g->word, g->len) == 0;
}


/* adds the word to those of weight, unless it is there */

static void
ngx_llmops_guard_weight(ngx_llmops_guard_t *g, ngx_llmops_near_text_t *t)
{
    uint32_t    h;
    ngx_uint_t  i;

    if (ngx_llmops_guard_in(ngx_llmops_guard_light, g->word, g->len)) {
        return;
    }

    h = (uint32_t) ngx_llmops_guard_hash(0, g->word, ngx_llmops_guard_stem(g));

    for (i = 0; i < t->nwords && t->words[i] < h; i++) { /* void */ }

    if (i < t->nwords && t->words[i] == h) {
        return;
    }

    if (t->nwords == NGX_LLMOPS_NEAR_WORDS) {
        g->full = 1;
        return;
    }

    ngx_memmove(&t->words[i + 1], &t->words[i],
                (t->nwords - i) * sizeof(uint32_t));

    t->words[i] = h;
    t->nwords++;
}


/* the length of a word without its ending */

static size_t
ngx_llmops_guard_stem(ngx_llmops_guard_t *g)
{
    size_t  len = g->len;

    if (len > 5 && ngx_memcmp(g->word + len - 3, "ing", 3) == 0) {
        return len - 3;
    }

    if (len > 4 && ngx_memcmp(g->word + len - 2, "ed", 2) == 0) {
        return len - 2;
    }

    if (len > 4 && ngx_memcmp(g->word + len - 2, "es", 2) == 0) {
        return len - 2;
    }

    if (len > 3 && (g->word[len - 1] == 's' || g->word[len - 1] == 'e')) {
        return len - 1;
    }

    return len;
}


static uint64_t
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
