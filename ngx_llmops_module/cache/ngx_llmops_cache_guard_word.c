
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_guard.h"


/*
 * What a word says of its text, and the lists of words that say something.
 */


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


void
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
