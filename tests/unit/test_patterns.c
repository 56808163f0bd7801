
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include <time.h>
#include "patterns_run.h"


/* A text is found, redacted and denied the same however it is cut. */


#if (NGX_LLMOPS_HYPERSCAN)

static const char *const  texts[] = {
    "",
    "write to ann.b@example.org or bob@example.com, please",
    "ann@example.org",
    "ann@example.orgbob@example.com x@y.de",
    "card 4111 1111 1111 1111 and 5 4111111111111111, not 4111111111111112",
    "the code word is xyzzy-1234567890, or xyzzy-12",
    "xyzzy xyzzyxyzzy plugh",
    "a first text, then SECRET_abcdefghijklmnop and more",
    "ann@example.org SECRET_abcdefghijklmnop",
    "SECRET_abcdefghijklmnop SECRET_abcdefghijklmnoq",
    "\xc3\xa4nn@example.org \xe2\x82\xac \xf0\x9f\x98\x80 \xc3\xa4\xc3\xa4",
    "one two three four five six seven eight nine ten eleven twelve"
        " thirteen fourteen fifteen",
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa@b.cc",
    "end xyzzy",
};


static void
check_text(ngx_llmops_patterns_t *set, const char *text, size_t len)
{
    size_t             i, k;
    patterns_result_t  whole, r;

    patterns_split(set, text, len, len, len, &whole);

    for (i = 0; i <= len; i++) {

        patterns_split(set, text, len, i, len, &r);
        patterns_equal(&whole, &r);
        patterns_release(&r);

        for (k = i; k <= len && len < 64; k += 3) {
            patterns_split(set, text, len, i, k, &r);
            patterns_equal(&whole, &r);
            patterns_release(&r);
        }
    }

    patterns_pieces(set, text, len, 1, &r);
    patterns_equal(&whole, &r);
    patterns_release(&r);

    patterns_release(&whole);
}


static void
test_splits(void **state)
{
    ngx_uint_t              i;
    ngx_llmops_patterns_t  *set;

    set = patterns_set();

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        check_text(set, texts[i], strlen(texts[i]));
    }

    ngx_llmops_patterns_free(set);
}


static void
test_results(void **state)
{
    ngx_uint_t              i;
    patterns_result_t       r;
    ngx_llmops_patterns_t  *set;

    static const struct {
        const char  *text;
        const char  *out;
        ngx_int_t    rc;
    } cases[] = {
        { "to ann@example.org now", "to [EMAIL] now", NGX_OK },
        { "ann@example.org", "[EMAIL]", NGX_OK },
        { "a 4111 1111 1111 1111 b", "a [CARD] b", NGX_OK },
        { "5 4111111111111111", "5 [CARD]", NGX_OK },
        { "4111111111111112", "4111111111111112", NGX_OK },
        { "say xyzzy-1 now", "say [WORD] now", NGX_OK },
        { "some words come first, and then there is SECRET_abcdefghijklmnop!",
          "some words come first, and then ", NGX_DECLINED },
    };

    set = patterns_set();

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        patterns_split(set, cases[i].text, strlen(cases[i].text), 5, 9, &r);

        assert_int_equal(r.rc, cases[i].rc);

        if (r.rc == NGX_OK) {
            assert_int_equal(r.out.len, strlen(cases[i].out));
            assert_memory_equal(r.out.data, cases[i].out, r.out.len);

        } else {

            /* nothing of the match, nor of what may belong to it */

            assert_int_equal(r.denied, PATTERNS_SECRET);
            assert_true(r.out.len <= strlen(cases[i].out) + 9);
            assert_memory_equal(r.out.data, cases[i].text, r.out.len);
            assert_null(memmem(r.out.data, r.out.len, "SECRET", 6));
        }

        patterns_release(&r);
    }

    ngx_llmops_patterns_free(set);
}


/* no more is held than the longest match that is bounded; words leave when
   the next begins */

static void
test_hold(void **state)
{
    size_t                  i, hold;
    ngx_llmops_out_t        out;
    ngx_llmops_window_t    *w;
    ngx_llmops_patterns_t  *set;
    ngx_uint_t              bad;
    char                    err[256];

    static ngx_llmops_pattern_t  email[] = {
        { .regex = ngx_string("\\b[a-z.]{1,30}@[a-z]{1,20}\\.[a-z]{2,5}\\b"),
          .replacement = ngx_string("[EMAIL]"),
          .action = NGX_LLMOPS_PATTERN_REDACT, .word = 1 }
    };

    set = patterns_set();
    hold = ngx_llmops_patterns_hold(set);
    assert_true(hold < 100);

    w = ngx_llmops_window_create(set);
    ngx_llmops_out_init(&out, 100000);

    for (i = 0; i < 5000; i++) {
        assert_int_equal(ngx_llmops_window_feed(w, (u_char *) "x1", 1 + i % 2,
                                                0, &out),
                         NGX_OK);
        assert_true(ngx_llmops_window_held(w) <= hold);
    }

    ngx_llmops_window_free(w);
    ngx_llmops_patterns_free(set);
    ngx_llmops_out_reset(&out);

    set = ngx_llmops_patterns_compile(email, 1, &bad, err, sizeof(err));
    assert_non_null(set);
    w = ngx_llmops_window_create(set);

    assert_int_equal(ngx_llmops_window_feed(w, (u_char *) "Hello my", 8, 0,
                                            &out), NGX_OK);
    assert_int_equal(out.len, 6);

    ngx_llmops_window_free(w);
    ngx_llmops_patterns_free(set);
    ngx_llmops_out_free(&out);
}


static void
test_refused(void **state)
{
    char                   err[256];
    ngx_uint_t             i, bad;
    ngx_llmops_pattern_t   p[2];

    static const char *const  cases[][2] = {
        { "a+", "has no bound" },
        { "x{5000}", "has no bound" },
        { "(", "Missing close" },
        { "a*", "empty text" },
        { "(a)\\2", "" },
        { "(?<=a{300})b", "looks back" },
        { "(?!b)a*", "empty text" },
    };

    memset(p, 0, sizeof(p));
    p[0].regex = *unit_str("abc");
    p[1].action = NGX_LLMOPS_PATTERN_DENY;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        p[1].regex = *unit_str(cases[i][0]);

        assert_null(ngx_llmops_patterns_compile(p, 2, &bad, err, sizeof(err)));
        assert_int_equal(bad, 1);
        assert_non_null(strstr(err, cases[i][1]));
    }
}


/* a match of 2 KB, and a long text, in pieces */

static void
test_long(void **state)
{
    char                   *text;
    char                    err[256];
    size_t                  i;
    ngx_uint_t              bad;
    patterns_result_t       whole, r;
    ngx_llmops_patterns_t  *set;

    static ngx_llmops_pattern_t  p[] = {
        { .regex = ngx_string("<<[a-y ]{2000,2100}>>"),
          .replacement = ngx_string("[LONG]"),
          .action = NGX_LLMOPS_PATTERN_REDACT },
    };

    set = ngx_llmops_patterns_compile(p, 1, &bad, err, sizeof(err));
    assert_non_null(set);

    text = malloc(40000);

    for (i = 0; i < 40000; i++) {
        text[i] = "abc defgh"[i % 9];
    }

    memcpy(text + 7000, "<<", 2);
    memcpy(text + 9050, ">>", 2);

    patterns_split(set, text, 40000, 8000, 9000, &whole);
    assert_int_equal(whole.out.len, 40000 - 2052 + 6);
    assert_memory_equal(whole.out.data + 7000, "[LONG]", 6);

    for (i = 1; i < 9000; i = i * 3 + 1) {
        patterns_pieces(set, text, 40000, i, &r);
        patterns_equal(&whole, &r);
        patterns_release(&r);
    }

    patterns_release(&whole);
    ngx_llmops_patterns_free(set);
    free(text);
}

/* what Hyperscan does not have, together with what it has, at all splits */

static void
test_pcre(void **state)
{
    char                   *text;
    char                    err[256];
    size_t                  i, k, len;
    ngx_uint_t              bad;
    patterns_result_t       whole, r;
    ngx_llmops_patterns_t  *set;

    static ngx_llmops_pattern_t  p[] = {
        { .regex = ngx_string("(?<!not )\\bred(?= car)"),
          .replacement = ngx_string("[COLOUR]"), .width = 20,
          .action = NGX_LLMOPS_PATTERN_REDACT, .rule = 0 },
        { .regex = ngx_string("\\b(\\w{2,8})-\\1\\b"),
          .replacement = ngx_string("[TWICE]"), .width = 30,
          .action = NGX_LLMOPS_PATTERN_REDACT, .rule = 1 },
        { .regex = ngx_string("[0-9]{4,6}"),
          .replacement = ngx_string("[NUMBER]"),
          .action = NGX_LLMOPS_PATTERN_REDACT, .rule = 2 },
        { .regex = ngx_string("(?<=the )end"), .width = 20,
          .action = NGX_LLMOPS_PATTERN_MARK, .rule = 3 },
        { .regex = ngx_string("(?<!un)forbidden(?! fruit)"), .width = 20,
          .action = NGX_LLMOPS_PATTERN_DENY, .rule = 4 },
        { .regex = ngx_string("SECRET"),
          .action = NGX_LLMOPS_PATTERN_DENY, .rule = 5 },
    };

    static const char *const  cases[][3] = {
        { "a red car, not red cars, a red bike; so-so and bon-bons 12345",
          "a [COLOUR] car, not red cars, a red bike; [TWICE] and bon-bons "
          "[NUMBER]", "" },
        { "so-so", "[TWICE]", "" },
        { "unforbidden forbidden fruit the end", NULL, "" },
        { "a red car is forbidden", "a [COLOUR] car is ", "deny" },
        { "a SECRET, and forbidden", "a ", "deny" },
    };

    set = ngx_llmops_patterns_compile(p, 6, &bad, err, sizeof(err));
    assert_non_null(set);

    text = malloc(2000);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        /* where blocks of 256 bytes meet, too */

        for (k = 0; k < 600; k += (k < 200 || k > 280) ? 50 : 7) {
            memset(text, '.', k);
            len = k + sprintf(text + k, "%s", cases[i][0]);

            patterns_split(set, text, len, len, len, &whole);

            assert_int_equal(whole.rc, cases[i][2][0] ? NGX_DECLINED
                                                      : NGX_OK);
            if (cases[i][2][0]) {
                assert_true(whole.out.len <= k + strlen(cases[i][1]));
                assert_memory_equal(whole.out.data + k, cases[i][1],
                                    whole.out.len > k ? whole.out.len - k : 0);

            } else {
                assert_int_equal(whole.out.len - k,
                                 strlen(cases[i][1] ? cases[i][1]
                                                    : cases[i][0]));
                assert_memory_equal(whole.out.data + k,
                                    cases[i][1] ? cases[i][1] : cases[i][0],
                                    whole.out.len - k);
            }

            for (bad = 1; bad < len; bad = bad * 2 + 1) {
                patterns_pieces(set, text, len, bad, &r);
                patterns_equal(&whole, &r);
                patterns_release(&r);
            }

            patterns_release(&whole);
        }
    }

    ngx_llmops_patterns_free(set);
    free(text);
}


/* patterns that are known to take PCRE2 for ever: what cannot be searched is
   denied, and soon */

static void
test_catastrophic(void **state)
{
    char                    text[4096], err[256];
    clock_t                 start;
    ngx_uint_t              i, bad, action;
    patterns_result_t       r;
    ngx_llmops_pattern_t    p;
    ngx_llmops_patterns_t  *set;

    static const char *const  regexes[] = {
        "(?=(a+)+$)(a+)+[!?]",
        "^(?!x)(a|aa)+$[!?]",
        "(?!b)(a|a?)+[!?]",
        "(x+x+)+y(?!z)|(?=a)(a*)*b",
        "(?=a)([a-zA-Z]+)*[!?]",
        "(?=a)(.*)*,(.*)*,(.*)*[!?]",
        "([a-z]{1,200}){1,20}(?<!a)[!?]",
        "(?:a{1,50}){1,50}b",              /* Hyperscan's */
        "[a-z]{1,4000}",
        "(a?){200}a{200}",
    };

    memset(text, 'a', sizeof(text));

    for (i = 0; i < sizeof(regexes) / sizeof(regexes[0]); i++) {
        for (action = 0; action <= NGX_LLMOPS_PATTERN_DENY; action++) {

            memset(&p, 0, sizeof(p));
            p.regex = *unit_str(regexes[i]);
            p.replacement = *unit_str("[X]");
            p.action = action;

            set = ngx_llmops_patterns_compile(&p, 1, &bad, err, sizeof(err));

            if (set == NULL) {
                continue;               /* also an answer */
            }

            start = clock();
            patterns_pieces(set, text, sizeof(text), 250, &r);

            /* of 17 pieces; one would do for a worker to be missed */

            assert_true(clock() - start < CLOCKS_PER_SEC);
            patterns_release(&r);
            ngx_llmops_patterns_free(set);
        }
    }
}

#else

static void
test_none(void **state)
{
    char                  err[256];
    ngx_uint_t            bad;
    ngx_llmops_pattern_t  p;

    memset(&p, 0, sizeof(p));

    assert_null(ngx_llmops_patterns_compile(&p, 1, &bad, err, sizeof(err)));
    assert_non_null(strstr(err, "built without Hyperscan"));
}

#endif


static void
test_proofs(void **state)
{
    size_t                     start;
    ngx_uint_t                 i, valid;
    const ngx_llmops_proof_t  *proof;

    static const struct {
        const char  *proof;
        const char  *text;
        ngx_uint_t   valid;
    } cases[] = {
        { "luhn", "4111 1111 1111 1111", 1 },
        { "luhn", "378282246310005", 1 },
        { "luhn", "4111 1111 1111 1112", 0 },
        { "luhn", "0000000000000000", 0 },
        { "iban", "DE89 3704 0044 0532 0130 00", 1 },
        { "iban", "GB29NWBK60161331926819", 1 },
        { "iban", "de89370400440532013000", 1 },
        { "iban", "DE88370400440532013000", 0 },
        { "iban", "DE8937040044053201300", 0 },
        { "iban", "ZZ29NWBK60161331926819", 0 },
        { "ssn", "078-05-1120", 1 },
        { "ssn", "666-05-1120", 0 },
        { "ssn", "900-05-1120", 0 },
        { "ssn", "078-00-1120", 0 },
        { "nir", "2 55 08 14 168 025 38", 1 },
        { "nir", "2 55 08 14 168 025 39", 0 },
        { "nir", "1 81 06 2A 004 032 37", 0 },
        { "steuerid", "86095742719", 1 },
        { "steuerid", "86095742718", 0 },
        { "steuerid", "12345678901", 0 },
        { "dni", "12345678Z", 1 },
        { "dni", "X1234567L", 1 },
        { "dni", "12345678A", 0 },
        { "codice", "RSSMRA85T10A562S", 1 },
        { "codice", "RSSMRA85T10A562T", 0 },
        { "pesel", "44051401359", 1 },
        { "pesel", "44051401358", 0 },
        { "cpf", "529.982.247-25", 1 },
        { "cpf", "529.982.247-24", 0 },
        { "cpf", "111.111.111-11", 0 },
        { "aadhaar", "2345 6789 0124", 1 },
        { "aadhaar", "2345 6789 0123", 0 },
        { "cnid", "11010519491231002X", 1 },
        { "cnid", "110105194912310021", 0 },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        proof = ngx_llmops_proof_find(unit_str(cases[i].proof));
        assert_non_null(proof);

        start = 0;
        valid = proof->check((u_char *) cases[i].text, strlen(cases[i].text),
                             &start);

        if (valid != cases[i].valid) {
            print_message("%s %s\n", cases[i].proof, cases[i].text);
        }

        assert_int_equal(valid, cases[i].valid);
    }

    assert_null(ngx_llmops_proof_find(unit_str("lunh")));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
#if (NGX_LLMOPS_HYPERSCAN)
        cmocka_unit_test(test_splits),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_hold),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_long),
        cmocka_unit_test(test_pcre),
        cmocka_unit_test(test_catastrophic),
#else
        cmocka_unit_test(test_none),
#endif
        cmocka_unit_test(test_proofs),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
