
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_cache_near.h"

#include <math.h>


/* made by tests/data/paraphrases.py */
#define PARAPHRASES  "tests/data/paraphrases.tsv"
#define DIMS         384
#define THRESHOLD    0.93f                 /* as the documentation has it */


typedef struct {
    int                        group;
    char                       kind;       /* '=' or '!' */
    char                       text[256];
    ngx_llmops_near_text_t     words;
    ngx_llmops_near_vector_t   vector;
} phrase_t;


static ngx_llmops_near_text_t
text(const char *s)
{
    ngx_llmops_near_text_t  t;

    assert_int_equal(ngx_llmops_near_text(unit_str(s), &t), NGX_OK);

    return t;
}


/* -- guards --------------------------------------------------------------- */

static const char *const  alike[][2] = {
    { "How do I reset my password?", "how can I reset my password" },
    { "Convert 1,000 metres", "convert 1000 metres" },
    { "two apples", "2 apples" },
    { "Don't restart the server", "Do not restart the server" },
    { "The server isn\xe2\x80\x99t running", "the server isn't running" },
    { "What is the capital of France?", "Tell me the capital of France." },
    { "Why is it late?", "Why was it late?" },
    { "convert miles to kilometers", "convert miles into kilometers" },
    { "how to reset it", "how do I reset it" }
};

static const char *const  unlike[][2] = {
    { "with 5 users", "with 50 users" },
    { "costs 1.5 dollars", "costs 15 dollars" },
    { "restart the server", "do not restart the server" },
    { "works with a proxy", "works without a proxy" },
    { "increase the limit", "decrease the limit" },
    { "backup before the update", "backup after the update" },
    { "the capital of France", "the capital of Spain" },
    { "fly from Paris to Rome", "fly from Rome to Paris" },
    { "drive from paris", "drive from rome" },
    { "5 miles to kilometers", "5 kilometers to miles" },
    { "who sang it", "when was it sung" },
    { "how many sheep", "how old are sheep" },
    { "use version v2", "use version v3" },
    { "call getUser here", "call setUser here" },
    { "the weather today", "the weather tomorrow" }
};


static void
test_guards(void **state)
{
    size_t  i;

    for (i = 0; i < sizeof(alike) / sizeof(alike[0]); i++) {
        if (text(alike[i][0]).guard != text(alike[i][1]).guard) {
            fail_msg("unlike: %s / %s", alike[i][0], alike[i][1]);
        }
    }

    for (i = 0; i < sizeof(unlike) / sizeof(unlike[0]); i++) {
        if (text(unlike[i][0]).guard == text(unlike[i][1]).guard) {
            fail_msg("alike: %s / %s", unlike[i][0], unlike[i][1]);
        }
    }
}


static int
swapped(const char *a, const char *b)
{
    ngx_llmops_near_text_t  one, two;

    one = text(a);
    two = text(b);

    return ngx_llmops_near_swapped(one.words, one.nwords, two.words,
                                   two.nwords);
}


static void
test_swapped(void **state)
{
    assert_true(swapped("reset my password", "delete my password"));
    assert_true(swapped("a pan of copper", "a pan of iron"));
    assert_false(swapped("reset my password", "please reset my passwords"));
    assert_false(swapped("boil an egg", "boiling eggs"));
    assert_false(swapped("reset my password", "reset my old mail password"));
}


static void
test_bounds(void **state)
{
    int                     i;
    char                    buf[NGX_LLMOPS_NEAR_TEXT + 2];
    ngx_str_t               s;
    ngx_llmops_near_text_t  t;

    s.data = (u_char *) buf;

    memset(buf, 'x', sizeof(buf));

    s.len = NGX_LLMOPS_NEAR_TEXT;
    assert_int_equal(ngx_llmops_near_text(&s, &t), NGX_OK);

    s.len++;
    assert_int_equal(ngx_llmops_near_text(&s, &t), NGX_DECLINED);

    s.len = 0;
    assert_int_equal(ngx_llmops_near_text(&s, &t), NGX_DECLINED);

    /* nothing of weight */

    assert_int_equal(ngx_llmops_near_text(unit_str("is it?"), &t),
                     NGX_DECLINED);

    /* more than can be compared */

    for (i = 0; i < NGX_LLMOPS_NEAR_WORDS + 1; i++) {
        s.len += sprintf(buf + s.len, "w%cx%c ", 'a' + i % 26, 'a' + i / 26);
    }

    assert_int_equal(ngx_llmops_near_text(&s, &t), NGX_DECLINED);
}


/* -- vectors -------------------------------------------------------------- */

static void
test_read(void **state)
{
    ngx_llmops_near_vector_t  v;

    assert_int_equal(ngx_llmops_near_read(unit_str("[0.5, -1e0,0]"), &v),
                     NGX_OK);
    assert_int_equal(v.dims, 3);
    assert_int_equal(v.v[0], 64);
    assert_int_equal(v.v[1], -127);
    assert_int_equal(v.v[2], 0);

    assert_int_equal(ngx_llmops_near_read(unit_str("[]"), &v), NGX_DECLINED);
    assert_int_equal(ngx_llmops_near_read(unit_str("[0,0]"), &v),
                     NGX_DECLINED);
    assert_int_equal(ngx_llmops_near_read(unit_str("[1,\"2\"]"), &v),
                     NGX_DECLINED);
    assert_int_equal(ngx_llmops_near_read(unit_str("[1,1e999]"), &v),
                     NGX_DECLINED);
    assert_int_equal(ngx_llmops_near_read(unit_str("{}"), &v), NGX_DECLINED);
    assert_int_equal(ngx_llmops_near_read(unit_str("[1,2"), &v),
                     NGX_DECLINED);
}


static void
test_dot(void **state)
{
    size_t   n, i;
    int32_t  sum;
    int8_t   a[NGX_LLMOPS_NEAR_DIMS], b[NGX_LLMOPS_NEAR_DIMS];

    srand(3);

    for (i = 0; i < NGX_LLMOPS_NEAR_DIMS; i++) {
        a[i] = (int8_t) (rand() % 255 - 127);
        b[i] = (int8_t) (rand() % 255 - 127);
    }

    for (n = 0; n <= NGX_LLMOPS_NEAR_DIMS; n += 1 + n / 7) {
        sum = 0;

        for (i = 0; i < n; i++) {
            sum += a[i] * b[i];
        }

        assert_int_equal(ngx_llmops_near_dot(a, b, n), sum);
    }

    memset(a, -127, sizeof(a));

    assert_int_equal(ngx_llmops_near_dot(a, a, NGX_LLMOPS_NEAR_DIMS),
                     127 * 127 * NGX_LLMOPS_NEAR_DIMS);
}


/* -- the index ------------------------------------------------------------ */

static void
direction(ngx_llmops_near_vector_t *v, int degree)
{
    char  buf[64];

    snprintf(buf, sizeof(buf), "[%f,%f]", cos(degree * M_PI / 180),
             sin(degree * M_PI / 180));

    assert_int_equal(ngx_llmops_near_read(unit_str(buf), v), NGX_OK);
}


/* three vectors in room 7, with keys 1 to 3 */

static void
index_fill(ngx_llmops_near_index_t *index, ngx_llmops_near_text_t *t,
    u_char *key)
{
    int                       i;
    ngx_llmops_near_vector_t  v;

    memset(key, 0, NGX_LLMOPS_CACHE_KEY);

    for (i = 1; i <= 3; i++) {
        key[0] = (u_char) i;
        direction(&v, 10 * i);
        ngx_llmops_near_index_add(index, 7, t, &v, key);
    }

    assert_int_equal(ngx_llmops_near_index_used(index), 3);
}


static void
test_index(void **state)
{
    int                        i;
    void                      *p;
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
    ngx_uint_t                 size;
    ngx_llmops_near_hit_t      hit;
    ngx_llmops_near_text_t     t, other;
    ngx_llmops_near_index_t   *index;
    ngx_llmops_near_vector_t   v;

    assert_null(ngx_llmops_near_index_init(&i, sizeof(int)));

    p = malloc(16384);
    index = ngx_llmops_near_index_init(p, 16384);
    size = ngx_llmops_near_index_size(index);

    assert_int_equal(size, 4);

    t = text("reset password");
    other = text("delete password");
    index_fill(index, &t, key);

    /* the nearest one, if it is near enough */

    direction(&v, 19);
    assert_int_equal(ngx_llmops_near_index_find(index, 7, &t, &v, 0.99f,
                                                &hit), NGX_OK);
    assert_int_equal(hit.key[0], 2);
    assert_true(hit.similarity > 0.999f && hit.similarity < 1.001f);

    direction(&v, 50);
    assert_int_equal(ngx_llmops_near_index_find(index, 7, &t, &v, 0.99f,
                                                &hit), NGX_DECLINED);

    /* in its room, and unless a word is swapped */

    direction(&v, 20);
    assert_int_equal(ngx_llmops_near_index_find(index, 8, &t, &v, 0.5f,
                                                &hit), NGX_DECLINED);
    assert_int_equal(ngx_llmops_near_index_find(index, 7, &other, &v, 0.5f,
                                                &hit), NGX_DECLINED);

    /* of vectors of its own length */

    assert_int_equal(ngx_llmops_near_read(unit_str("[1,2,3]"), &v), NGX_OK);
    assert_int_equal(ngx_llmops_near_index_find(index, 7, &t, &v, 0.5f,
                                                &hit), NGX_DECLINED);

    free(p);
}


static void
test_index_places(void **state)
{
    int                        i;
    void                      *p;
    u_char                     key[NGX_LLMOPS_CACHE_KEY];
    ngx_uint_t                 size;
    ngx_llmops_near_hit_t      hit;
    ngx_llmops_near_text_t     t;
    ngx_llmops_near_index_t   *index;
    ngx_llmops_near_vector_t   v;

    p = malloc(16384);
    index = ngx_llmops_near_index_init(p, 16384);
    size = ngx_llmops_near_index_size(index);

    t = text("reset password");
    index_fill(index, &t, key);

    /* the same key takes no other slot; gone is gone */

    direction(&v, 80);
    key[0] = 2;
    ngx_llmops_near_index_add(index, 7, &t, &v, key);
    assert_int_equal(ngx_llmops_near_index_used(index), 3);
    assert_int_equal(ngx_llmops_near_index_find(index, 7, &t, &v, 0.99f,
                                                &hit), NGX_OK);
    assert_int_equal(hit.key[0], 2);

    ngx_llmops_near_index_drop(index, 7, key);
    assert_int_equal(ngx_llmops_near_index_used(index), 2);
    assert_int_equal(ngx_llmops_near_index_find(index, 7, &t, &v, 0.99f,
                                                &hit), NGX_DECLINED);

    /* the oldest makes place */

    for (i = 0; i < 20; i++) {
        key[0] = (u_char) (100 + i);
        direction(&v, 4 * i);
        ngx_llmops_near_index_add(index, 9, &t, &v, key);
    }

    assert_int_equal(ngx_llmops_near_index_used(index), size);

    direction(&v, 0);
    assert_int_equal(ngx_llmops_near_index_find(index, 9, &t, &v, 0.3f,
                                                &hit), NGX_OK);
    assert_int_equal(hit.key[0], 100 + 20 - size);

    free(p);
}


/* -- paraphrases, with a real model's vectors ------------------------------ */

static size_t
phrases(phrase_t *p, size_t max)
{
    char    line[2048], *s, *hex;
    FILE   *file;
    size_t  n, i;
    double  sum;

    file = fopen(PARAPHRASES, "r");
    assert_non_null(file);

    for (n = 0; n < max && fgets(line, sizeof(line), file); n++) {
        p[n].group = atoi(line);

        s = strchr(line, '\t') + 1;
        p[n].kind = *s;

        s = strchr(s, '\t') + 1;
        hex = strchr(s, '\t');
        *hex++ = '\0';

        snprintf(p[n].text, sizeof(p[n].text), "%s", s);
        p[n].words = text(s);
        p[n].vector.dims = DIMS;

        for (i = 0, sum = 0; i < DIMS; i++) {
            unsigned  byte;

            assert_int_equal(sscanf(hex + 2 * i, "%2x", &byte), 1);
            p[n].vector.v[i] = (int8_t) byte;
            sum += (double) p[n].vector.v[i] * p[n].vector.v[i];
        }

        p[n].vector.norm = (float) sqrt(sum);
    }

    fclose(file);

    return n;
}


static int
takes(phrase_t *a, phrase_t *b, float threshold, int guards)
{
    if (ngx_llmops_near_cos(&a->vector, b->vector.v, DIMS, b->vector.norm)
        < threshold)
    {
        return 0;
    }

    return !guards
           || (a->words.guard == b->words.guard
               && !ngx_llmops_near_swapped(a->words.words, a->words.nwords,
                                           b->words.words, b->words.nwords));
}


typedef struct {
    int  right;
    int  wrong;
    int  asked;                            /* paraphrases of something stored */
    int  answered;
} score_t;


/* each text against each other one: all that would be taken for the same */

static score_t
measure(phrase_t *p, size_t n, float threshold, int guards, int verbose)
{
    int      right;
    size_t   i, j;
    score_t  score;

    memset(&score, 0, sizeof(score));

    for (i = 0; i < n; i++) {
        right = 0;

        for (j = 0; j < n; j++) {

            if (i == j || !takes(&p[i], &p[j], threshold, guards)) {
                continue;
            }

            if (p[i].group == p[j].group && p[i].kind == '='
                && p[j].kind == '=')
            {
                right++;

            } else {
                score.wrong++;

                if (verbose) {
                    printf("wrong: %s / %s\n", p[i].text, p[j].text);
                }
            }
        }

        score.right += right;

        if (p[i].kind == '=') {
            score.asked++;
            score.answered += (right > 0);
        }
    }

    return score;
}


static void
test_paraphrases(void **state)
{
    size_t                   n, i;
    score_t                  with, without;
    phrase_t                *p;

    static const float  thresholds[] = { 0.80f, 0.85f, 0.90f, THRESHOLD,
                                         0.95f };

    p = calloc(600, sizeof(phrase_t));
    n = phrases(p, 600);
    assert_true(n > 150);

    for (i = 0; i < sizeof(thresholds) / sizeof(thresholds[0]); i++) {
        with = measure(p, n, thresholds[i], 1, 0);
        without = measure(p, n, thresholds[i], 0, 0);

        printf("similarity %.2f: precision %.3f, hit rate %.2f; without "
               "guards %.3f, %.2f\n", thresholds[i],
               (double) with.right / (with.right + with.wrong),
               (double) with.answered / with.asked,
               (double) without.right / (without.right + without.wrong),
               (double) without.answered / without.asked);
    }

    with = measure(p, n, THRESHOLD, 1, 1);
    without = measure(p, n, THRESHOLD, 0, 0);

    assert_true(with.right >= 98 * (with.right + with.wrong) / 100.0);
    assert_true(with.answered * 4 > with.asked);

    /* what the guards are there for */

    assert_true(without.wrong > 4 * with.wrong);

    free(p);
}


int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_guards),
        cmocka_unit_test(test_swapped),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_dot),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_index_places),
        cmocka_unit_test(test_paraphrases)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
