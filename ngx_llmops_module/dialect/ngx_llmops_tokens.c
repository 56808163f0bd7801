
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_tokens.h"


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
 * one word: of its 80 KB a text touches a few.
 */


/* kinds of bytes; letters that follow a backslash have their own */

typedef enum {
    NGX_LLMOPS_TOKENS_PUNCT = 0,           /* and control characters */
    NGX_LLMOPS_TOKENS_LOWER,
    NGX_LLMOPS_TOKENS_LOWER_N,             /* n, r */
    NGX_LLMOPS_TOKENS_LOWER_T,
    NGX_LLMOPS_TOKENS_LOWER_U,
    NGX_LLMOPS_TOKENS_UPPER,
    NGX_LLMOPS_TOKENS_DIGIT,
    NGX_LLMOPS_TOKENS_ZERO,
    NGX_LLMOPS_TOKENS_SPACE,
    NGX_LLMOPS_TOKENS_TAB,
    NGX_LLMOPS_TOKENS_LINE,
    NGX_LLMOPS_TOKENS_ESCAPE,
    NGX_LLMOPS_TOKENS_NEXT,                /* of a character in UTF-8 */
    NGX_LLMOPS_TOKENS_NEXT_80,
    NGX_LLMOPS_TOKENS_LEAD,
    NGX_LLMOPS_TOKENS_LEAD_E3,
    NGX_LLMOPS_TOKENS_KINDS
} ngx_llmops_tokens_kind_e;


#define NGX_LLMOPS_TOKENS_LETTERS  13      /* longer words are no other state */


/* what the piece is that has been read so far */

enum {
    NGX_LLMOPS_TOKENS_START = 0,
    NGX_LLMOPS_TOKENS_WORD,                /* of 1 ... letters */
    NGX_LLMOPS_TOKENS_WORD_B = NGX_LLMOPS_TOKENS_WORD
                               + NGX_LLMOPS_TOKENS_LETTERS,  /* " word" */
    NGX_LLMOPS_TOKENS_CAPS = NGX_LLMOPS_TOKENS_WORD_B
                             + NGX_LLMOPS_TOKENS_LETTERS,
    NGX_LLMOPS_TOKENS_CAPS_B = NGX_LLMOPS_TOKENS_CAPS
                               + NGX_LLMOPS_TOKENS_LETTERS,
    NGX_LLMOPS_TOKENS_NUMBER = NGX_LLMOPS_TOKENS_CAPS_B
                               + NGX_LLMOPS_TOKENS_LETTERS,  /* 1 ... 3 */
    NGX_LLMOPS_TOKENS_BLANK = NGX_LLMOPS_TOKENS_NUMBER + 3,  /* " " alone */
    NGX_LLMOPS_TOKENS_BLANKS,              /* more, and the last is " " */
    NGX_LLMOPS_TOKENS_TABS,
    NGX_LLMOPS_TOKENS_LINES,
    NGX_LLMOPS_TOKENS_RUN,                 /* of 1 ... 4 */
    NGX_LLMOPS_TOKENS_RUN_B = NGX_LLMOPS_TOKENS_RUN + 4,     /* " (" */
    NGX_LLMOPS_TOKENS_WIDE,
    NGX_LLMOPS_TOKENS_WIDE_E3,
    NGX_LLMOPS_TOKENS_HEX,                 /* behind \u: 1 ... 4 */
    NGX_LLMOPS_TOKENS_BACK = NGX_LLMOPS_TOKENS_HEX + 4,
                                           /* a backslash, and before it: */
    NGX_LLMOPS_TOKENS_BACK_BLANK,
    NGX_LLMOPS_TOKENS_BACK_BLANKS,
    NGX_LLMOPS_TOKENS_BACK_LINES,
    NGX_LLMOPS_TOKENS_BACK_RUN,
    NGX_LLMOPS_TOKENS_BACK_RUN_B = NGX_LLMOPS_TOKENS_BACK_RUN + 4,
    NGX_LLMOPS_TOKENS_STATES
};


typedef struct {
    int16_t                    weight;
    uint16_t                   state;      /* that comes next */
} ngx_llmops_tokens_step_t;


static const ngx_llmops_tokens_step_t *ngx_llmops_tokens_steps(
    ngx_llmops_tokens_family_e family);
static void ngx_llmops_tokens_init(void);
static void ngx_llmops_tokens_unfold(ngx_llmops_tokens_family_e family);
static int64_t ngx_llmops_tokens_wide(ngx_llmops_tokens_family_e family,
    ngx_uint_t c);
static void ngx_llmops_tokens_init_bytes(void);
static void ngx_llmops_tokens_init_any(ngx_uint_t s);
static void ngx_llmops_tokens_init_word(ngx_uint_t blank, ngx_uint_t n);
static void ngx_llmops_tokens_init_blanks(void);
static void ngx_llmops_tokens_init_runs(void);
static void ngx_llmops_tokens_init_wide(void);
static void ngx_llmops_tokens_init_back(ngx_uint_t back, ngx_uint_t s);
static void ngx_llmops_tokens_set(ngx_uint_t s, ngx_uint_t kind,
    int64_t weight, ngx_uint_t state);
static void ngx_llmops_tokens_letters(ngx_uint_t s, int64_t weight,
    ngx_uint_t blank);
static int64_t ngx_llmops_tokens_word(ngx_uint_t blank, ngx_uint_t n);
static int64_t ngx_llmops_tokens_caps(ngx_uint_t n);
static const u_char *ngx_llmops_tokens_cut(const u_char *p);
static int64_t ngx_llmops_tokens_lanes(const ngx_llmops_tokens_step_t *steps,
    const u_char *p, const u_char *q, const u_char *r, const u_char *w,
    const u_char *last);
static int64_t ngx_llmops_tokens_rest(const ngx_llmops_tokens_step_t *steps,
    ngx_uint_t s, const u_char *p, const u_char *last);


/* what pieces cost, in 1/256 of a token */

/* words of 1, 3, 5 ... letters and more; the second with a space before it */
static const int16_t  ngx_llmops_tokens_words[2][7] = {
    { 331, 294, 206, 268, 343, 400, 416 },
    { 231, 281, 282, 182, 282, 357, 416 }
};

/* all in capitals: one, two, four, six letters and more */
static const int16_t  ngx_llmops_tokens_upper[4] = { 375, 252, 255, 395 };

/* punctuation: 1, 2, 3, 4 characters and more */
static const int16_t  ngx_llmops_tokens_run[4] = { 282, 257, 259, 425 };

#define NGX_LLMOPS_TOKENS_LETTER   64      /* beyond twelve */
#define NGX_LLMOPS_TOKENS_CAPITAL  111     /* beyond six */
#define NGX_LLMOPS_TOKENS_DIGITS   303     /* three of them */
#define NGX_LLMOPS_TOKENS_SPACES   246
#define NGX_LLMOPS_TOKENS_NEWLINE  345
#define NGX_LLMOPS_TOKENS_PREFIX   52      /* goes with the word behind it */
#define NGX_LLMOPS_TOKENS_MORE     24      /* beyond four */
#define NGX_LLMOPS_TOKENS_CJK      130     /* "," and "." more than kana */
#define NGX_LLMOPS_TOKENS_UNICODE  180     /* \u4e2d, whatever it is */
#define NGX_LLMOPS_TOKENS_UNICODE_0  100   /* \u0434 */
#define NGX_LLMOPS_TOKENS_OLDER    3       /* halves: Chinese in cl100k */


/* other scripts: characters of two bytes, by the first from 0xc0 on: Latin
   with accents, Greek, Cyrillic, Hebrew and Arabic; of three, of four */

static const int16_t  ngx_llmops_tokens_lead[64] = {
    233, 233, 233, 233, 233, 233, 233, 233, 233, 233, 233, 233, 244, 244, 244,
    244, 64, 64, 64, 64, 179, 179, 179, 179, 179, 179, 179, 179, 179, 179, 179,
    179,
    244, 244, 78, 177, 92, 179, 191, 159, 192, 307, 176, 176, 176, 176, 244,
    353,
    562, 562, 562, 562, 562, 562, 562, 562, 562, 562, 562, 562, 562, 562, 562,
    562
};


/* made from the above when first used, by the one thread that a worker has */

static ngx_llmops_tokens_step_t
ngx_llmops_tokens_table[NGX_LLMOPS_TOKENS_STATES][NGX_LLMOPS_TOKENS_KINDS];

static u_char    ngx_llmops_tokens_kind[256];
static unsigned  ngx_llmops_tokens_ready;

/* for each state and byte; the next state is 256 times its number */

static ngx_llmops_tokens_step_t
ngx_llmops_tokens_byte_steps[NGX_LLMOPS_TOKENS_FAMILIES]
                            [NGX_LLMOPS_TOKENS_STATES * 256];
static unsigned  ngx_llmops_tokens_unfolded[NGX_LLMOPS_TOKENS_FAMILIES];


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


static const ngx_llmops_tokens_step_t *
ngx_llmops_tokens_steps(ngx_llmops_tokens_family_e family)
{
    if (!ngx_llmops_tokens_unfolded[family]) {

        if (!ngx_llmops_tokens_ready) {
            ngx_llmops_tokens_init();
        }

        ngx_llmops_tokens_unfold(family);
    }

    return ngx_llmops_tokens_byte_steps[family];
}


static void
ngx_llmops_tokens_unfold(ngx_llmops_tokens_family_e family)
{
    int64_t                    weight;
    ngx_uint_t                 c, s;
    ngx_llmops_tokens_step_t  *step, *steps;

    steps = ngx_llmops_tokens_byte_steps[family];

    for (s = 0; s < NGX_LLMOPS_TOKENS_STATES; s++) {
        for (c = 0; c < 256; c++) {

            step = &ngx_llmops_tokens_table[s][ngx_llmops_tokens_kind[c]];
            weight = step->weight + ngx_llmops_tokens_wide(family, c);

            /* \u4e2d: the digit that is not 0 */

            if (family == NGX_LLMOPS_TOKENS_CL100K
                && s == NGX_LLMOPS_TOKENS_HEX && c >= '4' && c <= '9')
            {
                weight = weight * NGX_LLMOPS_TOKENS_OLDER / 2;
            }

            steps->weight = (int16_t) weight;
            steps->state = (uint16_t) (step->state * 256);
            steps++;
        }
    }

    ngx_llmops_tokens_unfolded[family] = 1;
}


/* what a character of other scripts costs, by its first byte */

static int64_t
ngx_llmops_tokens_wide(ngx_llmops_tokens_family_e family, ngx_uint_t c)
{
    int64_t  weight;

    if (c < 0xc0) {
        return 0;
    }

    weight = ngx_llmops_tokens_lead[c - 0xc0];

    return (family == NGX_LLMOPS_TOKENS_CL100K && c >= 0xe4 && c <= 0xe9)
           ? weight * NGX_LLMOPS_TOKENS_OLDER / 2 : weight;
}


static void
ngx_llmops_tokens_init(void)
{
    ngx_uint_t  n, s;

    ngx_llmops_tokens_init_bytes();

    for (s = 0; s < NGX_LLMOPS_TOKENS_STATES; s++) {
        ngx_llmops_tokens_init_any(s);
    }

    for (n = 1; n <= NGX_LLMOPS_TOKENS_LETTERS; n++) {
        ngx_llmops_tokens_init_word(0, n);
        ngx_llmops_tokens_init_word(1, n);
    }

    for (n = 0; n < 2; n++) {
        s = NGX_LLMOPS_TOKENS_NUMBER + n;
        ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_DIGIT, 0, s + 1);
        ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_ZERO, 0, s + 1);
    }

    ngx_llmops_tokens_init_blanks();
    ngx_llmops_tokens_init_runs();
    ngx_llmops_tokens_init_wide();

    ngx_llmops_tokens_init_back(NGX_LLMOPS_TOKENS_BACK,
                                NGX_LLMOPS_TOKENS_START);
    ngx_llmops_tokens_init_back(NGX_LLMOPS_TOKENS_BACK_BLANK,
                                NGX_LLMOPS_TOKENS_BLANK);
    ngx_llmops_tokens_init_back(NGX_LLMOPS_TOKENS_BACK_BLANKS,
                                NGX_LLMOPS_TOKENS_BLANKS);
    ngx_llmops_tokens_init_back(NGX_LLMOPS_TOKENS_BACK_LINES,
                                NGX_LLMOPS_TOKENS_LINES);
    ngx_llmops_tokens_init_back(NGX_LLMOPS_TOKENS_BACK_RUN_B,
                                NGX_LLMOPS_TOKENS_RUN_B);

    for (n = 0; n < 4; n++) {
        ngx_llmops_tokens_init_back(NGX_LLMOPS_TOKENS_BACK_RUN + n,
                                    NGX_LLMOPS_TOKENS_RUN + n);
    }

    ngx_llmops_tokens_ready = 1;
}


static void
ngx_llmops_tokens_init_bytes(void)
{
    u_char      *kind;
    ngx_uint_t   c;

    kind = ngx_llmops_tokens_kind;           /* all PUNCT */

    for (c = 0; c < 26; c++) {
        kind['a' + c] = NGX_LLMOPS_TOKENS_LOWER;
        kind['A' + c] = NGX_LLMOPS_TOKENS_UPPER;
    }

    for (c = '1'; c <= '9'; c++) {
        kind[c] = NGX_LLMOPS_TOKENS_DIGIT;
    }

    kind['0'] = NGX_LLMOPS_TOKENS_ZERO;
    kind['n'] = NGX_LLMOPS_TOKENS_LOWER_N;
    kind['r'] = NGX_LLMOPS_TOKENS_LOWER_N;
    kind['t'] = NGX_LLMOPS_TOKENS_LOWER_T;
    kind['u'] = NGX_LLMOPS_TOKENS_LOWER_U;
    kind[' '] = NGX_LLMOPS_TOKENS_SPACE;
    kind['\t'] = NGX_LLMOPS_TOKENS_TAB;
    kind['\n'] = NGX_LLMOPS_TOKENS_LINE;
    kind['\r'] = NGX_LLMOPS_TOKENS_LINE;
    kind['\\'] = NGX_LLMOPS_TOKENS_ESCAPE;

    for (c = 0x80; c < 0xc0; c++) {
        kind[c] = NGX_LLMOPS_TOKENS_NEXT;
    }

    kind[0x80] = NGX_LLMOPS_TOKENS_NEXT_80;

    for (c = 0xc0; c < 0x100; c++) {
        kind[c] = NGX_LLMOPS_TOKENS_LEAD;
    }

    kind[0xe3] = NGX_LLMOPS_TOKENS_LEAD_E3;
}


static void
ngx_llmops_tokens_set(ngx_uint_t s, ngx_uint_t kind, int64_t weight,
    ngx_uint_t state)
{
    ngx_llmops_tokens_table[s][kind].weight = (int16_t) weight;
    ngx_llmops_tokens_table[s][kind].state = (uint16_t) state;
}


/* the start of a piece, whatever was before it */

static void
ngx_llmops_tokens_init_any(ngx_uint_t s)
{
    ngx_uint_t  k;

    ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_PUNCT,
                          ngx_llmops_tokens_run[0], NGX_LLMOPS_TOKENS_RUN);

    ngx_llmops_tokens_letters(s, 0, 0);

    for (k = NGX_LLMOPS_TOKENS_DIGIT; k <= NGX_LLMOPS_TOKENS_ZERO; k++) {
        ngx_llmops_tokens_set(s, k, NGX_LLMOPS_TOKENS_DIGITS,
                              NGX_LLMOPS_TOKENS_NUMBER);
    }

    ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_SPACE, 0,
                          NGX_LLMOPS_TOKENS_BLANK);
    ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_TAB,
                          NGX_LLMOPS_TOKENS_SPACES, NGX_LLMOPS_TOKENS_TABS);
    ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_LINE,
                          NGX_LLMOPS_TOKENS_NEWLINE, NGX_LLMOPS_TOKENS_LINES);
    ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_ESCAPE, 0,
                          NGX_LLMOPS_TOKENS_BACK);

    for (k = NGX_LLMOPS_TOKENS_NEXT; k <= NGX_LLMOPS_TOKENS_LEAD; k++) {
        ngx_llmops_tokens_set(s, k, 0, NGX_LLMOPS_TOKENS_WIDE);
    }

    ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_LEAD_E3, 0,
                          NGX_LLMOPS_TOKENS_WIDE_E3);
}


/* a word begins, which costs so much more or less */

static void
ngx_llmops_tokens_letters(ngx_uint_t s, int64_t weight, ngx_uint_t blank)
{
    ngx_uint_t  k;

    for (k = NGX_LLMOPS_TOKENS_LOWER; k <= NGX_LLMOPS_TOKENS_LOWER_U; k++) {
        ngx_llmops_tokens_set(s, k,
                              weight + ngx_llmops_tokens_word(blank, 1),
                              blank ? NGX_LLMOPS_TOKENS_WORD_B
                                    : NGX_LLMOPS_TOKENS_WORD);
    }

    ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_UPPER,
                          weight + ngx_llmops_tokens_caps(1),
                          blank ? NGX_LLMOPS_TOKENS_CAPS_B
                                : NGX_LLMOPS_TOKENS_CAPS);
}


static int64_t
ngx_llmops_tokens_word(ngx_uint_t blank, ngx_uint_t n)
{
    const int16_t  *words = ngx_llmops_tokens_words[blank];

    return (n <= 12) ? words[(n - 1) / 2]
                     : words[6] + (int64_t) (n - 12)
                                  * NGX_LLMOPS_TOKENS_LETTER;
}


static int64_t
ngx_llmops_tokens_caps(ngx_uint_t n)
{
    return (n <= 5) ? ngx_llmops_tokens_upper[n / 2]
                    : ngx_llmops_tokens_upper[3]
                      + (int64_t) (n - 6) * NGX_LLMOPS_TOKENS_CAPITAL;
}


/* one more letter behind n: what the longer word costs more */

static void
ngx_llmops_tokens_init_word(ngx_uint_t blank, ngx_uint_t n)
{
    int64_t     word, caps, mixed;
    ngx_uint_t  k, lower, upper, more;

    lower = (blank ? NGX_LLMOPS_TOKENS_WORD_B : NGX_LLMOPS_TOKENS_WORD) - 1;
    upper = (blank ? NGX_LLMOPS_TOKENS_CAPS_B : NGX_LLMOPS_TOKENS_CAPS) - 1;

    more = ngx_min(n + 1, NGX_LLMOPS_TOKENS_LETTERS);

    word = ngx_llmops_tokens_word(blank, n + 1)
           - ngx_llmops_tokens_word(blank, n);
    caps = ngx_llmops_tokens_caps(n + 1) - ngx_llmops_tokens_caps(n);
    mixed = ngx_llmops_tokens_word(blank, n + 1) - ngx_llmops_tokens_caps(n);

    for (k = NGX_LLMOPS_TOKENS_LOWER; k <= NGX_LLMOPS_TOKENS_LOWER_U; k++) {
        ngx_llmops_tokens_set(lower + n, k, word, lower + more);
        ngx_llmops_tokens_set(upper + n, k, mixed, lower + more);
    }

    ngx_llmops_tokens_set(upper + n, NGX_LLMOPS_TOKENS_UPPER, caps,
                          upper + more);
}


/* the last space goes with a word or with punctuation; one that does not is
   paid for when that is known */

static void
ngx_llmops_tokens_init_blanks(void)
{
    ngx_uint_t  k, s;

    for (k = 0; k < NGX_LLMOPS_TOKENS_KINDS; k++) {
        ngx_llmops_tokens_table[NGX_LLMOPS_TOKENS_BLANK][k].weight
            += NGX_LLMOPS_TOKENS_SPACES;
    }

    ngx_llmops_tokens_set(NGX_LLMOPS_TOKENS_BLANK, NGX_LLMOPS_TOKENS_TAB,
                          NGX_LLMOPS_TOKENS_SPACES, NGX_LLMOPS_TOKENS_TABS);

    for (s = NGX_LLMOPS_TOKENS_BLANK; s <= NGX_LLMOPS_TOKENS_BLANKS; s++) {
        ngx_llmops_tokens_letters(s, 0, 1);

        ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_PUNCT,
                              ngx_llmops_tokens_run[0],
                              NGX_LLMOPS_TOKENS_RUN_B);
    }

    for (s = NGX_LLMOPS_TOKENS_BLANK; s <= NGX_LLMOPS_TOKENS_TABS; s++) {
        ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_SPACE,
                              s == NGX_LLMOPS_TOKENS_BLANK
                              ? NGX_LLMOPS_TOKENS_SPACES : 0,
                              NGX_LLMOPS_TOKENS_BLANKS);
        ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_ESCAPE, 0,
                              s == NGX_LLMOPS_TOKENS_BLANK
                              ? NGX_LLMOPS_TOKENS_BACK_BLANK
                              : NGX_LLMOPS_TOKENS_BACK_BLANKS);
    }

    ngx_llmops_tokens_set(NGX_LLMOPS_TOKENS_BLANKS, NGX_LLMOPS_TOKENS_TAB, 0,
                          NGX_LLMOPS_TOKENS_TABS);
    ngx_llmops_tokens_set(NGX_LLMOPS_TOKENS_TABS, NGX_LLMOPS_TOKENS_TAB, 0,
                          NGX_LLMOPS_TOKENS_TABS);
    ngx_llmops_tokens_set(NGX_LLMOPS_TOKENS_LINES, NGX_LLMOPS_TOKENS_LINE, 0,
                          NGX_LLMOPS_TOKENS_LINES);
    ngx_llmops_tokens_set(NGX_LLMOPS_TOKENS_LINES, NGX_LLMOPS_TOKENS_ESCAPE,
                          0, NGX_LLMOPS_TOKENS_BACK_LINES);
}


static void
ngx_llmops_tokens_init_runs(void)
{
    ngx_uint_t      n, s;
    const int16_t  *run = ngx_llmops_tokens_run;

    /* the last state is that behind a space, of one character */

    for (s = NGX_LLMOPS_TOKENS_RUN; s <= NGX_LLMOPS_TOKENS_RUN_B; s++) {

        n = (s == NGX_LLMOPS_TOKENS_RUN_B) ? 0 : s - NGX_LLMOPS_TOKENS_RUN;

        ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_PUNCT,
                              n < 3 ? run[n + 1] - run[n]
                                    : NGX_LLMOPS_TOKENS_MORE,
                              NGX_LLMOPS_TOKENS_RUN + ngx_min(n + 1, 3));
        ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_LINE, 0,
                              NGX_LLMOPS_TOKENS_LINES);
        ngx_llmops_tokens_set(s, NGX_LLMOPS_TOKENS_ESCAPE, 0,
                              NGX_LLMOPS_TOKENS_BACK_RUN
                              + s - NGX_LLMOPS_TOKENS_RUN);
    }

    ngx_llmops_tokens_letters(NGX_LLMOPS_TOKENS_RUN,
                              NGX_LLMOPS_TOKENS_PREFIX - run[0], 0);
}


static void
ngx_llmops_tokens_init_wide(void)
{
    ngx_uint_t  k, n;

    ngx_llmops_tokens_set(NGX_LLMOPS_TOKENS_WIDE_E3,
                          NGX_LLMOPS_TOKENS_NEXT_80, NGX_LLMOPS_TOKENS_CJK,
                          NGX_LLMOPS_TOKENS_WIDE);

    /* whatever stands where digits have to be is one */

    for (k = 0; k < NGX_LLMOPS_TOKENS_KINDS; k++) {

        ngx_llmops_tokens_set(NGX_LLMOPS_TOKENS_HEX, k,
                              NGX_LLMOPS_TOKENS_UNICODE,
                              NGX_LLMOPS_TOKENS_HEX + 1);

        for (n = 1; n < 4; n++) {
            ngx_llmops_tokens_set(NGX_LLMOPS_TOKENS_HEX + n, k, 0,
                                  n < 3 ? NGX_LLMOPS_TOKENS_HEX + n + 1
                                        : NGX_LLMOPS_TOKENS_WIDE);
        }
    }

    ngx_llmops_tokens_set(NGX_LLMOPS_TOKENS_HEX, NGX_LLMOPS_TOKENS_ZERO,
                          NGX_LLMOPS_TOKENS_UNICODE_0,
                          NGX_LLMOPS_TOKENS_HEX + 1);
}


/* behind a backslash in state s: what the escape stands for */

static void
ngx_llmops_tokens_init_back(ngx_uint_t back, ngx_uint_t s)
{
    ngx_uint_t                 k;
    ngx_llmops_tokens_step_t  *from, *to;

    from = ngx_llmops_tokens_table[s];
    to = ngx_llmops_tokens_table[back];

    for (k = 0; k < NGX_LLMOPS_TOKENS_KINDS; k++) {
        to[k] = from[NGX_LLMOPS_TOKENS_PUNCT];
    }

    to[NGX_LLMOPS_TOKENS_LOWER_N] = from[NGX_LLMOPS_TOKENS_LINE];
    to[NGX_LLMOPS_TOKENS_LOWER_T] = from[NGX_LLMOPS_TOKENS_TAB];
    to[NGX_LLMOPS_TOKENS_LOWER_U] = from[NGX_LLMOPS_TOKENS_LEAD];
    to[NGX_LLMOPS_TOKENS_LOWER_U].state = NGX_LLMOPS_TOKENS_HEX;
}
