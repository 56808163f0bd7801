
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_tokens_table.h"


/*
 * How many tokens a text has, without a vocabulary.
 *
 * Tokenizers of the BPE family first cut a text where the kind of character
 * changes, and then each piece into what their vocabulary has.  The cut can
 * be done here; the second step is replaced by what a piece of that kind and
 * length costs on the average.  The averages were fitted, by least squares of
 * the relative error, to the counts that OpenAI's o200k and cl100k give for
 * two thousand texts (prose, documentation, code, JSON, Chinese and eight
 * other languages) which are not those that the tests measure by.  Where the
 * two differ, as they do for Chinese, of which cl100k makes half as many again,
 * o200k counts, but for the models that are known to have the older one.
 *
 * Pieces: a word with the space before it, which ends in front of a capital
 * ("maxTokens" is two); three digits; a run of punctuation, whose last
 * character a word takes over; line ends, which punctuation takes over; a run
 * of spaces.  Other scripts are counted by characters.
 *
 * Branches on text are mispredicted, which costs several times what the text
 * is worth.  So the cutting is an automaton that adds a weight and takes the
 * next state from a table, byte by byte, and four parts of a text are run at
 * once, since each step has to wait for the one before it.  The table is
 * written down by kinds of bytes, and unfolded to all bytes, so that a step is
 * one word: of its 80 KB a text touches a few.  ngx_llmops_tokens_table.c has
 * it; here it is run.
 */


static const u_char *ngx_llmops_tokens_cut(const u_char *p);
static int64_t ngx_llmops_tokens_lanes(const ngx_llmops_tokens_step_t *steps,
    const u_char *p, const u_char *q, const u_char *r, const u_char *w,
    const u_char *last);
static int64_t ngx_llmops_tokens_rest(const ngx_llmops_tokens_step_t *steps,
    ngx_uint_t s, const u_char *p, const u_char *last);


#define NGX_LLMOPS_TOKENS_LANE   32        /* bytes from which they pay */
#define NGX_LLMOPS_TOKENS_CUT    16
#define NGX_LLMOPS_TOKENS_WORD_BYTES  16   /* of an event with one token */

/* s is 256 times the state */

#define ngx_llmops_tokens_next(steps, s, sum, p)                              \
    do {                                                                      \
        const ngx_llmops_tokens_step_t  *step;                                \
                                                                              \
        step = &(steps)[(s) + *(p)];                                          \
        sum += step->weight;                                                  \
        s = step->state;                                                      \
    } while (0)


int64_t
ngx_llmops_tokens(ngx_llmops_tokens_family_e family, const u_char *p,
    const u_char *last)
{
    size_t                           len;
    const u_char                    *q, *r, *w;
    const ngx_llmops_tokens_step_t  *steps;

    steps = ngx_llmops_tokens_steps(family);

    len = (last - p) / 4;

    if (len < NGX_LLMOPS_TOKENS_LANE) {
        return ngx_llmops_tokens_rest(steps, NGX_LLMOPS_TOKENS_START, p, last);
    }

    q = ngx_llmops_tokens_cut(p + len);
    r = ngx_llmops_tokens_cut(p + 2 * len);
    w = ngx_llmops_tokens_cut(p + 3 * len);

    return ngx_llmops_tokens_lanes(steps, p, q, r, w, last);
}


/* OpenAI's models up to GPT-4 Turbo, and its embeddings; all others have
   o200k, or one of their own that is not known here */

ngx_llmops_tokens_family_e
ngx_llmops_tokens_family(const ngx_str_t *model)
{
    ngx_uint_t        i;
    const ngx_str_t  *known;

    static const ngx_str_t  prefixes[] = {
        ngx_string("gpt-4-"),
        ngx_string("gpt-3"),
        ngx_string("text-embedding-3"),
        ngx_string("text-embedding-ada")
    };

    for (i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        known = &prefixes[i];

        if (model->len >= known->len
            && ngx_memcmp(model->data, known->data, known->len) == 0)
        {
            return NGX_LLMOPS_TOKENS_CL100K;
        }
    }

    return (model->len == 5 && ngx_memcmp(model->data, "gpt-4", 5) == 0)
           ? NGX_LLMOPS_TOKENS_CL100K : NGX_LLMOPS_TOKENS_O200K;
}


/* between two words, if there is such a place near: p + CUT is inside */

static const u_char *
ngx_llmops_tokens_cut(const u_char *p)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_TOKENS_CUT; i++) {
        if (p[i] == ' ') {
            return p + i;
        }
    }

    return p;
}


/*
 * Parts that each go to the next one; as long as all last, they run at once.
 * One sum, and one index that ends at 0: the loop just fits into registers.
 */

static int64_t
ngx_llmops_tokens_lanes(const ngx_llmops_tokens_step_t *steps,
    const u_char *p, const u_char *q, const u_char *r, const u_char *w,
    const u_char *last)
{
    int64_t     sum;
    ssize_t     i, len;
    ngx_uint_t  s, t, u, v;

    len = ngx_min(ngx_min(q - p, r - q), ngx_min(w - r, last - w));

    p += len;
    q += len;
    r += len;
    w += len;

    s = t = u = v = NGX_LLMOPS_TOKENS_START;
    sum = 0;

    for (i = -len; i < 0; i++) {
        ngx_llmops_tokens_next(steps, s, sum, p + i);
        ngx_llmops_tokens_next(steps, t, sum, q + i);
        ngx_llmops_tokens_next(steps, u, sum, r + i);
        ngx_llmops_tokens_next(steps, v, sum, w + i);
    }

    return sum + ngx_llmops_tokens_rest(steps, s, p, q - len)
           + ngx_llmops_tokens_rest(steps, t, q, r - len)
           + ngx_llmops_tokens_rest(steps, u, r, w - len)
           + ngx_llmops_tokens_rest(steps, v, w, last);
}


static int64_t
ngx_llmops_tokens_rest(const ngx_llmops_tokens_step_t *steps, ngx_uint_t s,
    const u_char *p, const u_char *last)
{
    int64_t  sum;

    sum = 0;

    for ( /* void */ ; p < last; p++) {
        ngx_llmops_tokens_next(steps, s, sum, p);
    }

    if (s == NGX_LLMOPS_TOKENS_BLANK * 256) {
        sum += NGX_LLMOPS_TOKENS_SPACES;
    }

    return sum;
}


size_t
ngx_llmops_tokens_event(const u_char *p, const u_char *last)
{
    size_t         n;
    const u_char  *q;

    if (last - p <= NGX_LLMOPS_TOKENS_WORD_BYTES) {

        /* a blank inside makes it two words */

        for (q = p + 1; q < last - 1 && *q != ' '; q++) { /* void */ }

        if (q >= last - 1) {
            return 1;
        }
    }

    n = (size_t) (ngx_llmops_tokens(NGX_LLMOPS_TOKENS_O200K, p, last)
                  + NGX_LLMOPS_TOKEN / 2)
        / NGX_LLMOPS_TOKEN;

    return n ? n : 1;
}
