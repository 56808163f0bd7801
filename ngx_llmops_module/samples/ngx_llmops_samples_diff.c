
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_llmops_out.h"
#include "ngx_llmops_samples_diff.h"


/*
 * Two texts, word by word: the shortest way from one to the other, by the
 * greedy algorithm of Myers ("An O(ND) Difference Algorithm and Its
 * Variations", Algorithmica 1, 1986).  It costs words times differences; who
 * asks is a person who looks at two answers, so that there are bounds on both:
 * beyond them what lies between the first and the last common words is simply
 * all different.
 *
 * A word is what stands between two runs of white space, with the run behind
 * it: so a cut is never within a character of UTF-8, and the parts give both
 * texts again.
 */


#define NGX_LLMOPS_DIFF_WORDS      65536
#define NGX_LLMOPS_DIFF_EDITS      1000


typedef struct {
    const char                *p;
    size_t                     len;
} ngx_llmops_word_t;

typedef struct {
    ngx_llmops_word_t         *words;
    size_t                     n;
} ngx_llmops_words_t;

typedef struct {
    json_t                    *parts;
    ngx_uint_t                 what;       /* of the one that is gathered */
    ngx_llmops_out_t           text;
    unsigned                   failed:1;
} ngx_llmops_diff_t;


enum { NGX_LLMOPS_DIFF_SAME = 0, NGX_LLMOPS_DIFF_STABLE,
       NGX_LLMOPS_DIFF_SHADOW };

static const char  *ngx_llmops_diff_names[] = { "same", "stable", "shadow" };


static ngx_int_t ngx_llmops_diff_words(const char *p, size_t len,
    ngx_llmops_words_t *words);
static size_t ngx_llmops_diff_middle(ngx_llmops_diff_t *df,
    ngx_llmops_words_t *a, ngx_llmops_words_t *b);
static ngx_int_t ngx_llmops_diff_forward(ngx_llmops_words_t *a,
    ngx_llmops_words_t *b, int32_t **trace);
static size_t ngx_llmops_diff_back(ngx_llmops_diff_t *df,
    ngx_llmops_words_t *a, ngx_llmops_words_t *b, int32_t **trace,
    ngx_int_t d);
static void ngx_llmops_diff_add(ngx_llmops_diff_t *df, ngx_uint_t what,
    ngx_llmops_word_t *w, size_t n);
static void ngx_llmops_diff_flush(ngx_llmops_diff_t *df);


static ngx_uint_t
ngx_llmops_diff_equal(ngx_llmops_word_t *a, ngx_llmops_word_t *b)
{
    return a->len == b->len && ngx_memcmp(a->p, b->p, a->len) == 0;
}


json_t *
ngx_llmops_sample_diff(const char *stable, size_t stable_len,
    const char *shadow, size_t shadow_len)
{
    size_t              head, tail, same, all;
    json_t             *result;
    ngx_llmops_diff_t   df;
    ngx_llmops_words_t  a, b, ma, mb;

    ngx_memzero(&df, sizeof(ngx_llmops_diff_t));
    ngx_memzero(&a, sizeof(ngx_llmops_words_t));
    ngx_memzero(&b, sizeof(ngx_llmops_words_t));

    ngx_llmops_out_init(&df.text, stable_len + shadow_len + 1);

    df.parts = json_array();
    result = NULL;

    if (ngx_llmops_diff_words(stable, stable_len, &a) == NGX_OK
        && ngx_llmops_diff_words(shadow, shadow_len, &b) == NGX_OK)
    {
        for (head = 0;
             head < a.n && head < b.n
             && ngx_llmops_diff_equal(&a.words[head], &b.words[head]);
             head++)
        {
            /* void */
        }

        for (tail = 0;
             tail < a.n - head && tail < b.n - head
             && ngx_llmops_diff_equal(&a.words[a.n - 1 - tail],
                                      &b.words[b.n - 1 - tail]);
             tail++)
        {
            /* void */
        }

        ngx_llmops_diff_add(&df, NGX_LLMOPS_DIFF_SAME, a.words, head);

        ma.words = a.words + head;
        ma.n = a.n - head - tail;
        mb.words = b.words + head;
        mb.n = b.n - head - tail;

        same = head + tail + ngx_llmops_diff_middle(&df, &ma, &mb);
        all = a.n + b.n;

        ngx_llmops_diff_add(&df, NGX_LLMOPS_DIFF_SAME,
                            a.words + a.n - tail, tail);
        ngx_llmops_diff_flush(&df);

        if (!df.failed) {
            result = json_pack("{s:O,s:f}", "parts", df.parts, "same",
                               all ? 2.0 * (double) same / (double) all : 1.0);
        }
    }

    json_decref(df.parts);
    ngx_llmops_out_free(&df.text);
    free(a.words);
    free(b.words);

    return result;
}


static ngx_int_t
ngx_llmops_diff_words(const char *p, size_t len, ngx_llmops_words_t *words)
{
    size_t  i, start;

    words->n = 0;
    words->words = malloc((len / 2 + 2) * sizeof(ngx_llmops_word_t));

    if (words->words == NULL) {
        return NGX_ERROR;
    }

#define blank(c)  ((c) == ' ' || (c) == '\n' || (c) == '\t' || (c) == '\r')

    for (i = 0; i < len; /* void */) {
        start = i;

        while (i < len && !blank(p[i])) {
            i++;
        }

        while (i < len && blank(p[i])) {
            i++;
        }

        words->words[words->n].p = p + start;
        words->words[words->n++].len = i - start;
    }

#undef blank

    return NGX_OK;
}


/* what differs at both ends; the number of words that are the same */

static size_t
ngx_llmops_diff_middle(ngx_llmops_diff_t *df, ngx_llmops_words_t *a,
    ngx_llmops_words_t *b)
{
    size_t       same;
    int32_t    **trace;
    ngx_int_t    d, i;

    trace = NULL;
    d = NGX_DECLINED;
    same = 0;

    if (a->n && b->n && a->n + b->n <= NGX_LLMOPS_DIFF_WORDS) {
        trace = calloc(NGX_LLMOPS_DIFF_EDITS + 1, sizeof(int32_t *));

        if (trace == NULL) {
            df->failed = 1;
            return 0;
        }

        d = ngx_llmops_diff_forward(a, b, trace);
    }

    if (d == NGX_ERROR) {
        df->failed = 1;

    } else if (d == NGX_DECLINED) {
        ngx_llmops_diff_add(df, NGX_LLMOPS_DIFF_STABLE, a->words, a->n);
        ngx_llmops_diff_add(df, NGX_LLMOPS_DIFF_SHADOW, b->words, b->n);

    } else {
        same = ngx_llmops_diff_back(df, a, b, trace, d);
    }

    for (i = 0; trace && i <= NGX_LLMOPS_DIFF_EDITS; i++) {
        free(trace[i]);
    }

    free(trace);

    return same;
}


/*
 * trace[d][k + d] is how far one comes in a with d edits on diagonal k (of
 * -d, -d + 2, ..., d).  The number of edits, NGX_DECLINED if there are too
 * many, NGX_ERROR.
 */

static ngx_int_t
ngx_llmops_diff_forward(ngx_llmops_words_t *a, ngx_llmops_words_t *b,
    int32_t **trace)
{
    int32_t    *v, *last;
    ngx_int_t   d, k, x, y;

    for (d = 0; d <= NGX_LLMOPS_DIFF_EDITS; d++) {

        v = malloc((2 * d + 1) * sizeof(int32_t));
        if (v == NULL) {
            return NGX_ERROR;
        }

        trace[d] = v;
        last = d ? trace[d - 1] + d - 1 : NULL;      /* by diagonal */

        for (k = -d; k <= d; k += 2) {

            if (d == 0) {
                x = 0;

            } else if (k == -d || (k != d && last[k - 1] < last[k + 1])) {
                x = last[k + 1];

            } else {
                x = last[k - 1] + 1;
            }

            y = x - k;

            while (x < (ngx_int_t) a->n && y < (ngx_int_t) b->n
                   && ngx_llmops_diff_equal(&a->words[x], &b->words[y]))
            {
                x++;
                y++;
            }

            v[k + d] = (int32_t) x;

            if (x >= (ngx_int_t) a->n && y >= (ngx_int_t) b->n) {
                return d;
            }
        }
    }

    return NGX_DECLINED;
}


/* the way back is noted, and then gone forwards: op[i] is what happens before
   the run of same words behind it */

static size_t
ngx_llmops_diff_back(ngx_llmops_diff_t *df, ngx_llmops_words_t *a,
    ngx_llmops_words_t *b, int32_t **trace, ngx_int_t d)
{
    size_t      same;
    int32_t    *last;
    ngx_int_t   i, k, x, y, px, py;
    struct {
        int32_t   run;                       /* of same words, after it */
        u_char    insert;                    /* of b; else a word of a */
    }          *ops;

    ops = calloc(d + 1, sizeof(*ops));
    if (ops == NULL) {
        df->failed = 1;
        return 0;
    }

    x = (ngx_int_t) a->n;
    y = (ngx_int_t) b->n;

    for (i = d; i > 0; i--) {
        last = trace[i - 1] + i - 1;
        k = x - y;

        ops[i].insert = (k == -i || (k != i && last[k - 1] < last[k + 1]));

        px = ops[i].insert ? last[k + 1] : last[k - 1];
        py = px - (ops[i].insert ? k + 1 : k - 1);

        ops[i].run = (int32_t) (ops[i].insert ? x - px : x - px - 1);

        x = px;
        y = py;
    }

    ops[0].run = (int32_t) x;
    same = 0;
    x = 0;
    y = 0;

    for (i = 0; i <= d; i++) {

        if (i && ops[i].insert) {
            ngx_llmops_diff_add(df, NGX_LLMOPS_DIFF_SHADOW, &b->words[y++], 1);

        } else if (i) {
            ngx_llmops_diff_add(df, NGX_LLMOPS_DIFF_STABLE, &a->words[x++], 1);
        }

        ngx_llmops_diff_add(df, NGX_LLMOPS_DIFF_SAME, &a->words[x],
                            ops[i].run);
        x += ops[i].run;
        y += ops[i].run;
        same += ops[i].run;
    }

    free(ops);

    return same;
}


/* words stand one behind the other in their text */

static void
ngx_llmops_diff_add(ngx_llmops_diff_t *df, ngx_uint_t what,
    ngx_llmops_word_t *w, size_t n)
{
    if (n == 0) {
        return;
    }

    if (df->what != what) {
        ngx_llmops_diff_flush(df);
        df->what = what;
    }

    (void) ngx_llmops_out_write(&df->text, w[0].p,
                                w[n - 1].p + w[n - 1].len - w[0].p);
}


static void
ngx_llmops_diff_flush(ngx_llmops_diff_t *df)
{
    json_t  *part;

    if (df->text.failed) {
        df->failed = 1;
    }

    if (df->text.len == 0 || df->failed) {
        return;
    }

    part = json_pack("{s:s,s:s%}", "is", ngx_llmops_diff_names[df->what],
                     "text", (char *) df->text.data, df->text.len);

    if (part == NULL || json_array_append_new(df->parts, part) != 0) {
        df->failed = 1;
    }

    ngx_llmops_out_reset(&df->text);
}
