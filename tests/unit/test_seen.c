
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_cache_own.h"


/* Bodies and keys that a process remembers. */


#define CHAT       NGX_LLMOPS_OP_CHAT
#define RESPONSES  NGX_LLMOPS_OP_RESPONSES

#define FACTS      (offsetof(ngx_llmops_envelope_t, model_buf)                \
                    - offsetof(ngx_llmops_envelope_t, model))


static void
seen_fresh(ngx_llmops_envelope_t *env, ngx_llmops_op_e op, ngx_uint_t prompts)
{
    memset(env, 0xa5, sizeof(*env));
    memset(env, 0, offsetof(ngx_llmops_envelope_t, model_buf));

    env->op = op;
    env->prompts = prompts;
}


/* reads a body, without any memory */

static void
seen_read(ngx_llmops_envelope_t *env, ngx_llmops_op_e op, ngx_uint_t prompts,
    const char *body, size_t len)
{
    ngx_llmops_error_t          err;
    ngx_llmops_envelope_scan_t  scan;

    seen_fresh(env, op, prompts);

    ngx_llmops_envelope_begin(env, &scan);

    assert_int_equal(ngx_llmops_envelope_feed(env, &scan, (u_char *) body, len,
                                              &err), NGX_OK);
    assert_int_equal(ngx_llmops_envelope_end(env, &scan, &err), NGX_OK);
}


/* the same pieces in memory of their own, so that a byte too many is found */

static ngx_int_t
seen_recall(ngx_llmops_envelope_t *env, ngx_llmops_op_e op,
    ngx_uint_t prompts, const char *body, size_t len, size_t cut)
{
    ngx_int_t  rc;
    ngx_str_t  pieces[2];

    seen_fresh(env, op, prompts);

    pieces[0].len = cut;
    pieces[0].data = malloc(cut);
    pieces[1].len = len - cut;
    pieces[1].data = malloc(len - cut);

    memcpy(pieces[0].data, body, cut);
    memcpy(pieces[1].data, body + cut, len - cut);

    rc = ngx_llmops_envelope_recall(env, pieces);

    free(pieces[0].data);
    free(pieces[1].data);

    return rc;
}


static uint64_t
seen_learn(ngx_llmops_op_e op, ngx_uint_t prompts, const char *body,
    size_t len)
{
    u_char                 *copy;
    ngx_str_t               pieces[2];
    ngx_llmops_envelope_t   env;

    seen_read(&env, op, prompts, body, len);

    /* nothing of it is needed later */

    copy = malloc(len);
    memcpy(copy, body, len);

    pieces[0].data = copy;
    pieces[0].len = len;
    pieces[1].data = NULL;
    pieces[1].len = 0;

    ngx_llmops_envelope_remember(&env, pieces);

    free(copy);
    memset(env.model_buf, 0xa5, sizeof(env.model_buf));

    return env.seen;
}


/* a body of so many bytes; n makes it another one */

static size_t
seen_body(char *p, size_t len, unsigned n)
{
    size_t  head;

    head = sprintf(p, "{\"model\":\"m\",\"messages\":[{\"role\":\"user\","
                   "\"content\":\"%08u", n);

    memset(p + head, 'x', len - head);
    memcpy(p + len - 4, "\"}]}", 4);

    return len;
}


static void
test_seen_same(void **state)
{
    size_t                  i, cut, len;
    uint64_t                number;
    ngx_str_t               model, options;
    ngx_llmops_envelope_t   read, seen;

    static const char *const  bodies[] = {
        "{\"model\":\"gpt-4.1\",\"messages\":[]}",
        " { \"model\" : \"a\\u0062c\" , \"stream\" : true, \"n\": 3,"
        "\"stream_options\":{\"include_usage\":true},\"max_tokens\":17} ",
        "{\"stream_options\":null,\"model\":\"x\",\"max_output_tokens\":9,"
        "\"input\":[{\"image_url\":\"data:image/png;base64,AAAA\"}]}",
        "{\"model\":\"x\",\"prompt\":{\"id\":\"p\"},\"input\":\"hello\"}",
        "{\"prompt\":{\"id\":\"p\"}}",
    };

    for (i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
        len = strlen(bodies[i]);

        number = seen_learn(RESPONSES, 1, bodies[i], len);
        assert_int_not_equal(number, 0);

        number = seen_learn(i == 1 ? CHAT : RESPONSES, 1, bodies[i], len);
        seen_read(&read, i == 1 ? CHAT : RESPONSES, 1, bodies[i], len);

        for (cut = 0; cut <= len; cut++) {
            assert_int_equal(seen_recall(&seen, read.op, 1, bodies[i], len,
                                         cut),
                             NGX_OK);
            assert_int_not_equal(seen.seen, 0);

            model = seen.model;
            options = seen.options;

            assert_int_equal(model.len, read.model.len);
            assert_int_equal(options.len, read.options.len);

            if (model.len) {
                assert_ptr_equal(model.data, seen.model_buf);
                assert_memory_equal(model.data, read.model.data, model.len);
            }

            if (options.len) {
                assert_ptr_equal(options.data, seen.capture);
                assert_memory_equal(options.data, read.options.data,
                                    options.len);
            }

            seen.model = read.model;
            seen.options = read.options;
            seen.seen = 0;

            assert_memory_equal(&seen.model, &read.model, FACTS);
        }
    }
}


/* what comes for the first time leaves no more than a trace */

static void
test_seen_once(void **state)
{
    char                    body[200], other[200];
    size_t                  len;
    ngx_llmops_envelope_t   env;

    len = seen_body(body, sizeof(body), 123456);
    (void) seen_body(other, sizeof(other), 123457);

    assert_int_equal(seen_recall(&env, CHAT, 0, body, len, 20), NGX_DECLINED);
    assert_int_equal(seen_recall(&env, CHAT, 0, body, len, 50), NGX_AGAIN);
    assert_int_equal(env.seen, 0);
    assert_int_equal(seen_recall(&env, CHAT, 0, other, len, 20),
                     NGX_DECLINED);

    (void) seen_learn(CHAT, 0, body, len);
    assert_int_equal(seen_recall(&env, CHAT, 0, body, len, 30), NGX_OK);
    assert_int_equal(seen_recall(&env, CHAT, 0, other, len, 30), NGX_AGAIN);
}


/* one byte makes another body, also where the hash does not look */

static void
test_seen_other(void **state)
{
    char                   *body;
    size_t                  i, k, len;
    ngx_llmops_envelope_t   env;

    static const size_t  sizes[] = { 90, 127, 128, 129, 2048, 2049, 5000,
                                     16384 };

    body = malloc(16384);

    for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        len = seen_body(body, sizes[k], 7);

        assert_int_not_equal(seen_learn(CHAT, 0, body, len), 0);
        assert_int_equal(seen_recall(&env, CHAT, 0, body, len, len / 2),
                         NGX_OK);

        for (i = 0; i < len; i++) {
            body[i] ^= 1;
            assert_int_not_equal(seen_recall(&env, CHAT, 0, body, len,
                                             len / 3),
                                 NGX_OK);
            body[i] ^= 1;
        }

        assert_int_not_equal(seen_recall(&env, CHAT, 0, body, len - 1, 5),
                             NGX_OK);
        assert_int_not_equal(seen_recall(&env, CHAT, 1, body, len, 5),
                             NGX_OK);
        assert_int_not_equal(seen_recall(&env, RESPONSES, 0, body, len, 5),
                             NGX_OK);
        assert_int_equal(seen_recall(&env, CHAT, 0, body, len, 5), NGX_OK);
    }

    free(body);
}


/* whether the hash looks at byte i: with another one there a body that comes
   again passes for one that has not been there */

static ngx_uint_t
seen_looked(char *body, size_t len, size_t i)
{
    ngx_int_t              rc;
    ngx_llmops_envelope_t  env;

    (void) seen_recall(&env, CHAT, 0, body, len, len / 2);
    assert_int_equal(seen_recall(&env, CHAT, 0, body, len, len / 2),
                     NGX_AGAIN);

    body[i] ^= 1;
    rc = seen_recall(&env, CHAT, 0, body, len, len / 2);
    body[i] ^= 1;

    return rc == NGX_DECLINED;
}


/* all bytes, or of a longer body some everywhere: no fewer than half of the
   longest that is hashed whole, and no more than that one; but all at its end,
   where dialogues differ */

static void
test_seen_looks(void **state)
{
    char    *body;
    size_t   i, k, len, next, n;

    static const size_t  sizes[] = { 90, 4096, 4097, 8191, 16384 };

    body = malloc(16384);

    for (k = 0; k < sizeof(sizes) / sizeof(sizes[0]); k++) {
        len = seen_body(body, sizes[k], 11);
        next = 0;
        n = 0;

        for (i = 0; i < len; i++) {
            if (seen_looked(body, len, i)) {
                assert_true(i - next <= len / 128);
                next = i + 1;
                n++;

            } else {
                assert_true(len > 4096 && i < len - 128);
            }
        }

        assert_in_range(n, ngx_min(len, 2048), ngx_min(len, 4096 + 160));
    }

    free(body);
}


static void
test_seen_bounds(void **state)
{
    char                   *body;
    size_t                  len;
    unsigned                i;
    uint64_t                first, last, number;
    ngx_uint_t              known;
    ngx_llmops_envelope_t   env;

    body = malloc(NGX_LLMOPS_SEEN_BYTES + 1);

    len = seen_body(body, NGX_LLMOPS_SEEN_BYTES + 1, 0);
    assert_int_equal(seen_learn(CHAT, 0, body, len), 0);
    assert_int_equal(seen_recall(&env, CHAT, 0, body, len, 9), NGX_DECLINED);
    assert_int_equal(seen_recall(&env, CHAT, 0, body, 0, 0), NGX_DECLINED);

    /* who is asked for all along stays; the others go; no number comes back */

    len = seen_body(body, 200, 0);
    first = seen_learn(CHAT, 0, body, len);
    last = first;

    for (i = 1; i <= 5000; i++) {
        len = seen_body(body, 200, i);
        number = seen_learn(CHAT, 0, body, len);

        assert_true(number > last);
        last = number;

        len = seen_body(body, 200, 0);
        assert_int_equal(seen_recall(&env, CHAT, 0, body, len, 100), NGX_OK);
        assert_int_equal(env.seen, first);
    }

    known = 0;

    for (i = 1; i <= 5000; i++) {
        len = seen_body(body, 200, i);
        known += (seen_recall(&env, CHAT, 0, body, len, 100) == NGX_OK);
    }

    assert_true(known > 0 && known < NGX_LLMOPS_SEEN_BODIES);

    free(body);
}


/* an envelope that is read anew is of another body */

static void
test_seen_begin(void **state)
{
    char                         body[200];
    size_t                       len;
    ngx_llmops_envelope_t        env;
    ngx_llmops_envelope_scan_t   scan;

    len = seen_body(body, sizeof(body), 1);
    (void) seen_learn(CHAT, 0, body, len);
    assert_int_equal(seen_recall(&env, CHAT, 0, body, len, 0), NGX_OK);

    ngx_llmops_envelope_begin(&env, &scan);
    assert_int_equal(env.seen, 0);
}


/* -- keys ------------------------------------------------------------------ */

#define PARTS  NGX_LLMOPS_CACHE_PARTS

/* of the others some are empty */
#define GIVEN  5


static void
memo_question(ngx_llmops_cache_question_t *q, ngx_str_t *parts,
    const char *const *text)
{
    ngx_uint_t  i;

    memset(q, 0, sizeof(*q));

    memset(parts, 0, PARTS * sizeof(ngx_str_t));

    for (i = 0; i < GIVEN; i++) {
        parts[i].data = (u_char *) text[i];
        parts[i].len = text[i] ? strlen(text[i]) : 0;
    }

    q->op = CHAT;
    q->seen = 77;
    q->parts = parts;
    q->nparts = PARTS;
}


/* remembers a key of so many equal bytes */

static void
memo_keep(ngx_llmops_cache_question_t *q, u_char key, ngx_int_t rc)
{
    memset(q->key, key, NGX_LLMOPS_CACHE_KEY);
    q->why = NGX_LLMOPS_CACHE_SAMPLED;

    ngx_llmops_cache_memo_keep(q, rc);
}


static void
memo_has(ngx_llmops_cache_question_t *q, u_char key)
{
    memset(q->key, 0, NGX_LLMOPS_CACHE_KEY);
    q->why = NGX_LLMOPS_CACHE_OPERATION;

    assert_int_equal(ngx_llmops_cache_memo_find(q), NGX_OK);
    assert_int_equal(q->why, NGX_LLMOPS_CACHE_SAMPLED);
    assert_int_equal(q->key[0], key);
    assert_int_equal(q->key[NGX_LLMOPS_CACHE_KEY - 1], key);
}


static void
test_memo_same(void **state)
{
    ngx_str_t                    parts[PARTS];
    ngx_llmops_cache_question_t  q;

    static const char *const  text[GIVEN] = {
        "openai", "/chat/completions", NULL, "tenant-a", "0123456789abcdef"
    };

    memo_question(&q, parts, text);
    assert_int_equal(ngx_llmops_cache_memo_find(&q), NGX_AGAIN);

    memo_keep(&q, 1, NGX_OK);
    memo_has(&q, 1);

    /* a body that has no key has none the next time */

    q.seen = 78;
    memo_keep(&q, 2, NGX_DECLINED);
    assert_int_equal(ngx_llmops_cache_memo_find(&q), NGX_DECLINED);

    /* without a number nothing is known */

    q.seen = 0;
    memo_keep(&q, 3, NGX_OK);
    assert_int_equal(ngx_llmops_cache_memo_find(&q), NGX_AGAIN);
}


/* each of these is another question, also those that lie in the same slot:
   equal lengths, first and last bytes */

static void
test_memo_other(void **state)
{
    ngx_uint_t                   i, k;
    ngx_str_t                    parts[PARTS];
    ngx_llmops_cache_question_t  q;

    static const char *const  texts[][GIVEN] = {
        { "a", "b", "c", "scope-01-tenant-A-01-end-01", "" },
        { "a", "b", "c", "scope-01-tenant-B-01-end-01", "" },
        { "a", "b", "c", "scope-01-tenant-A-02-end-01", "" },
        { "a", "b", "", "scope-01-tenant-A-01-end-01", "c" },
        { "ab", "", "c", "scope-01-tenant-A-01-end-01", "" },
        { "", "ab", "c", "scope-01-tenant-A-01-end-01", "" },
        { "a", "b", "cscope-01-tenant-A-01-end-01", "", "" },
        { "a", "b", "c", "", "scope-01-tenant-A-01-end-01" },
        { "a", "b", "c", "x", "tenant-A-01-end-01" },
        { "a", "b", "c", "x", "tenant-B-01-end-01" },
        { "a", "b", "c", "", "" },
        { "", "", "", "", "" },
    };

    const ngx_uint_t  n = sizeof(texts) / sizeof(texts[0]);

    for (i = 0; i < n; i++) {
        memo_question(&q, parts, texts[i]);
        q.seen = 1000;
        memo_keep(&q, (u_char) (i + 1), NGX_OK);
        memo_has(&q, (u_char) (i + 1));

        for (k = 0; k < n; k++) {
            memo_question(&q, parts, texts[k]);
            q.seen = 1000;

            if (ngx_llmops_cache_memo_find(&q) == NGX_OK) {
                assert_int_equal(q.key[0], k + 1);
                assert_true(k <= i);
            }
        }

        memo_question(&q, parts, texts[i]);
        q.seen = 1001;
        assert_int_equal(ngx_llmops_cache_memo_find(&q), NGX_AGAIN);

        q.seen = 1000;
        q.op = RESPONSES;
        assert_int_equal(ngx_llmops_cache_memo_find(&q), NGX_AGAIN);
    }
}


/* scopes are as long as a configuration makes them: not without a bound */

static void
test_memo_bound(void **state)
{
    char                         scope[4096];
    size_t                       len;
    ngx_str_t                    parts[PARTS];
    const char                  *text[GIVEN] = { "a", "b", "c", "d", scope };
    ngx_llmops_cache_question_t  q;

    for (len = 1900; len < 2100; len++) {
        memset(scope, 's', len);
        scope[len] = '\0';

        memo_question(&q, parts, text);
        q.seen = 5000 + len;

        memo_keep(&q, 9, NGX_OK);

        if (len + 4 + PARTS * sizeof(size_t) <= 2048) {
            memo_has(&q, 9);

        } else {
            assert_int_equal(ngx_llmops_cache_memo_find(&q), NGX_AGAIN);
        }
    }
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_seen_same),
        cmocka_unit_test(test_seen_once),
        cmocka_unit_test(test_seen_other),
        cmocka_unit_test(test_seen_looks),
        cmocka_unit_test(test_seen_bounds),
        cmocka_unit_test(test_seen_begin),
        cmocka_unit_test(test_memo_same),
        cmocka_unit_test(test_memo_other),
        cmocka_unit_test(test_memo_bound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
