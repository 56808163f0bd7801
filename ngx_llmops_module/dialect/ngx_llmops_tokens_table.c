
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_tokens_table.h"


/*
 * The automaton of ngx_llmops_tokens.c: what each kind of byte does to each
 * kind of piece, what the pieces cost, and both unfolded to a table of all
 * bytes, of which each family of vocabularies has one of its own.
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


const ngx_llmops_tokens_step_t *
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
