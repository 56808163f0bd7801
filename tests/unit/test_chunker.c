
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_chunker.h"
#include "ngx_llmops_json_text.h"

#include <stdlib.h>


static ngx_llmops_chunker_t  chunker;


static ngx_str_t
next(void)
{
    ngx_str_t  chunk;

    assert_int_equal(ngx_llmops_chunker_next(&chunker, &chunk), NGX_OK);

    return chunk;
}


static void
done(void)
{
    ngx_str_t  chunk;

    assert_int_equal(ngx_llmops_chunker_next(&chunker, &chunk), NGX_DONE);
}


/* n times c */

static u_char *
fill(u_char *p, u_char c, size_t n)
{
    memset(p, c, n);

    return p + n;
}


static void
test_short(void **state)
{
    ngx_str_t  chunk;

    (void) state;

    ngx_llmops_chunker_init(&chunker, unit_str(" \n one thing.\n\n"), 200, 20);
    chunk = next();
    assert_str(chunk, "one thing.");
    done();
    done();

    ngx_llmops_chunker_init(&chunker, unit_str(" \n\t "), 200, 20);
    done();

    ngx_llmops_chunker_init(&chunker, unit_str(""), 200, 20);
    done();
}


/* a paragraph's end is better than a later sentence's, that than a word's */

static void
test_borders(void **state)
{
    u_char      text[600], *p;
    ngx_str_t   s, chunk;

    (void) state;

    p = fill(text, 'a', 120);
    p = ngx_cpymem(p, "\n \nBegin. ", 10);
    p = fill(p, 'b', 40);
    p = ngx_cpymem(p, " ", 1);
    p = fill(p, 'c', 200);

    s.data = text;
    s.len = p - text;

    ngx_llmops_chunker_init(&chunker, &s, 200, 0);
    assert_int_equal(next().len, 120);
    chunk = next();
    assert_memory_equal(chunk.data, "Begin. bbb", 10);

    /* no paragraph in the second half: the sentence */

    text[120] = text[121] = text[122] = 'a';

    ngx_llmops_chunker_init(&chunker, &s, 200, 0);
    chunk = next();
    assert_memory_equal(chunk.data + chunk.len - 3, "in.", 3);
    assert_int_equal(next().data[0], 'b');

    /* no sentence: the word */

    text[128] = 'n';

    ngx_llmops_chunker_init(&chunker, &s, 200, 0);
    chunk = next();
    assert_int_equal(chunk.data[chunk.len - 1], 'b');
    assert_int_equal(next().data[0], 'c');
}


/* the whole sentences (or else words) that fit into "overlap" come again */

static void
test_overlap(void **state)
{
    u_char      text[600], *p;
    ngx_str_t   s, chunk;

    (void) state;

    p = fill(text, 'a', 130);
    p = ngx_cpymem(p, ". One two three. Four five. ", 28);
    p = fill(p, 'b', 300);

    s.data = text;
    s.len = p - text;

    ngx_llmops_chunker_init(&chunker, &s, 200, 40);
    chunk = next();
    assert_memory_equal(chunk.data + chunk.len - 5, "five.", 5);
    assert_memory_equal(next().data, "One two three. Four", 19);

    ngx_llmops_chunker_init(&chunker, &s, 200, 14);
    (void) next();
    assert_memory_equal(next().data, "Four five. bb", 13);

    ngx_llmops_chunker_init(&chunker, &s, 200, 8);
    (void) next();
    assert_memory_equal(next().data, "five. bb", 8);
}


static void
test_other_stops(void **state)
{
    u_char      text[900], *p;
    ngx_str_t   s, chunk;
    ngx_uint_t  i;

    (void) state;

    p = text;

    for (i = 0; i < 50; i++) {
        p = ngx_cpymem(p, "\xe6\x96\x87", 3);
    }

    p = ngx_cpymem(p, "\xe3\x80\x82", 3);

    for (i = 0; i < 200; i++) {
        p = ngx_cpymem(p, "\xe5\xad\x97", 3);
    }

    s.data = text;
    s.len = p - text;

    ngx_llmops_chunker_init(&chunker, &s, 200, 0);
    chunk = next();
    assert_int_equal(chunk.len, 153);
    assert_memory_equal(next().data, "\xe5\xad\x97", 3);
}


/*
 * Of any text: chunks are UTF-8, not longer than they may be, nothing but
 * white space is in none of them, two share no more than the overlap, and
 * there is an end.
 */

static void
test_any(void **state)
{
    size_t         len, at, size, overlap, n, was;
    u_char         text[5000], *p;
    unsigned       seed;
    ngx_str_t      s, chunk;
    const u_char  *q, *last;

    static const char *const  pieces[] = {
        "a", "word", " ", " ", "\n", "\n\n", ". ", "!", "\xc3\xa9",
        "\xe4\xb8\xad", "\xf0\x9f\x98\x80", "\xe3\x80\x82", "\"", "\t"
    };

    (void) state;

    for (seed = 1; seed < 3000; seed++) {
        srand(seed);

        n = 1 + rand() % 14;
        len = rand() % 4900;

        for (p = text; (size_t) (p - text) < len; /* void */ ) {
            at = rand() % n;
            p = ngx_cpymem(p, pieces[at], strlen(pieces[at]));
        }

        s.data = text;
        s.len = p - text;
        size = 200 + rand() % 600;
        overlap = rand() % (size / 4 + 1);
        was = 0;
        n = 0;

        ngx_llmops_chunker_init(&chunker, &s, size, overlap);

        while (ngx_llmops_chunker_next(&chunker, &chunk) == NGX_OK) {

            assert_true(++n < 200);
            assert_true(chunk.len > 0 && chunk.len <= size);

            at = chunk.data - text;
            assert_true(at + overlap >= was);

            for ( /* void */ ; was < at; was++) {
                assert_non_null(strchr(" \t\r\n", text[was]));
            }

            was = at + chunk.len;
            last = chunk.data + chunk.len;

            for (q = chunk.data; q < last; /* void */ ) {
                at = (*q < 0x80) ? 1 : ngx_llmops_utf8_len(q, last);
                assert_true(at > 0);
                q += at;
            }
        }

        for ( /* void */ ; was < s.len; was++) {
            assert_non_null(strchr(" \t\r\n", text[was]));
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_short),
        cmocka_unit_test(test_borders),
        cmocka_unit_test(test_overlap),
        cmocka_unit_test(test_other_stops),
        cmocka_unit_test(test_any)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
