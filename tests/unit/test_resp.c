
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_resp.h"

#include <sys/time.h>
#include <hiredis/hiredis.h>


#define BYTES     1000
#define ELEMENTS  20


static ngx_int_t
scan(const char *text, size_t piece, const char **error)
{
    size_t                   i, len, n;
    u_char                  *copy;
    ngx_int_t                rc;
    ngx_llmops_resp_scan_t   s;

    ngx_llmops_resp_init(&s, BYTES, ELEMENTS);

    len = strlen(text);
    rc = NGX_OK;

    for (i = 0; i < len && rc == NGX_OK; i += n) {
        n = ngx_min(piece, len - i);

        /* of its exact size, for the sanitizer */

        copy = malloc(n);
        memcpy(copy, text + i, n);
        rc = ngx_llmops_resp_scan(&s, copy, n);
        free(copy);
    }

    *error = s.error;

    if (rc == NGX_OK) {
        return ngx_llmops_resp_between(&s) ? NGX_OK : NGX_AGAIN;
    }

    assert_non_null(s.error);

    /* for good */

    assert_int_equal(ngx_llmops_resp_scan(&s, (u_char *) "+OK\r\n", 5),
                     NGX_ERROR);
    return rc;
}


static const struct {
    const char  *text;
    ngx_int_t    rc;
    const char  *error;
} replies[] = {
    { "", NGX_OK, NULL },
    { "+OK\r\n", NGX_OK, NULL },
    { "+\r\n", NGX_OK, NULL },
    { "-ERR no\r\n", NGX_OK, NULL },
    { "+a\rb\r\n", NGX_OK, NULL },
    { "+a\r\r\n", NGX_OK, NULL },
    { "+a\n", NGX_AGAIN, NULL },
    { ":0\r\n", NGX_OK, NULL },
    { ":-17\r\n", NGX_OK, NULL },
    { ":9223372036854775807\r\n", NGX_OK, NULL },
    { ":-9223372036854775808\r\n", NGX_OK, NULL },
    { "$0\r\n\r\n", NGX_OK, NULL },
    { "$5\r\nhello\r\n", NGX_OK, NULL },
    { "$5\r\nhe\r\no\r\n", NGX_OK, NULL },
    { "$5\r\nhello", NGX_AGAIN, NULL },
    { "$5\r\nhello\r", NGX_AGAIN, NULL },
    { "$-1\r\n", NGX_OK, NULL },
    { "*-1\r\n", NGX_OK, NULL },
    { "*0\r\n", NGX_OK, NULL },
    { "*2\r\n:1\r\n:2\r\n", NGX_OK, NULL },
    { "*2\r\n:1\r\n", NGX_AGAIN, NULL },
    { "*2\r\n*0\r\n*1\r\n$-1\r\n", NGX_OK, NULL },
    { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", NGX_OK, NULL },
    { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n", NGX_OK, NULL },
    { "+OK\r\n:1\r\n$1\r\nx\r\n*0\r\n-E\r\n", NGX_OK, NULL },
    { "*20\r\n", NGX_AGAIN, NULL },

    { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", NGX_ERROR,
      "a reply is nested too deeply" },
    { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*0\r\n", NGX_ERROR,
      "a reply is nested too deeply" },
    { "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*-1\r\n", NGX_ERROR,
      "a reply is nested too deeply" },
    { "*21\r\n", NGX_ERROR, "a reply has too many elements" },
    { "*10\r\n*11\r\n", NGX_ERROR, "a reply has too many elements" },
    { "*2147483647\r\n", NGX_ERROR, "a reply has too many elements" },
    { "*9223372036854775807\r\n", NGX_ERROR,
      "a reply has too many elements" },
    { "$536870912\r\n", NGX_ERROR, "a reply is too large" },
    { "$9223372036854775807\r\n", NGX_ERROR, "a reply is too large" },
    { "$9223372036854775808\r\n", NGX_ERROR,
      "a reply has an invalid number" },
    { ":-9223372036854775809\r\n", NGX_ERROR,
      "a reply has an invalid number" },
    { ":01\r\n", NGX_ERROR, "a reply has an invalid number" },
    { "$00\r\n", NGX_ERROR, "a reply has an invalid number" },
    { ":-0\r\n", NGX_ERROR, "a reply has an invalid number" },
    { "$1000\r\n", NGX_ERROR, "a reply is too large" },
    { "$99999999999999999999\r\n", NGX_ERROR,
      "a reply has an invalid number" },
    { "$-2\r\n", NGX_ERROR, "a reply has an invalid length" },
    { "*-2\r\n", NGX_ERROR, "a reply has an invalid length" },
    { "$5\r\nhello!\r\n", NGX_ERROR, "a reply has an invalid length" },
    { "$5\r\nhello\rx", NGX_ERROR, "a reply has an invalid length" },
    { "$5\r\nhellox\n", NGX_ERROR, "a reply has an invalid length" },
    { ":\r\n", NGX_ERROR, "a reply has an invalid number" },
    { ":-\r\n", NGX_ERROR, "a reply has an invalid number" },
    { ":--1\r\n", NGX_ERROR, "a reply has an invalid number" },
    { ":1x\r\n", NGX_ERROR, "a reply has an invalid number" },
    { ":1\n", NGX_ERROR, "a reply has an invalid number" },
    { ":1\r1", NGX_ERROR, "a reply is not one of Redis" },
    { "HTTP/1.1 400 Bad Request\r\n", NGX_ERROR,
      "a reply is not one of Redis" },
    { "_\r\n", NGX_ERROR, "a reply is not one of Redis" },
    { "%1\r\n", NGX_ERROR, "a reply is not one of Redis" },
    { "+OK\r\n\r\n", NGX_ERROR, "a reply is not one of Redis" },
    { "\026\003\001", NGX_ERROR, "a reply is not one of Redis" },
};


static void
test_scan(void **state)
{
    size_t       i, piece;
    ngx_int_t    rc;
    const char  *error;

    (void) state;

    for (i = 0; i < sizeof(replies) / sizeof(replies[0]); i++) {
        for (piece = 1; piece < 12; piece++) {

            rc = scan(replies[i].text, piece, &error);

            if (rc != replies[i].rc
                || (error == NULL) != (replies[i].error == NULL)
                || (error && strcmp(error, replies[i].error) != 0))
            {
                fail_msg("%s in pieces of %zu: %ld, %s", replies[i].text, piece,
                         (long) rc, error ? error : "no error");
            }
        }
    }
}


/* a status that never ends, an array of many small elements */

static void
test_endless(void **state)
{
    u_char                  text[64];
    ngx_int_t               rc;
    ngx_uint_t              i;
    ngx_llmops_resp_scan_t  s;

    (void) state;

    memset(text, 'x', sizeof(text));
    ngx_llmops_resp_init(&s, 1 << 30, 1 << 20);

    rc = ngx_llmops_resp_scan(&s, (u_char *) "+", 1);

    for (i = 0; rc == NGX_OK && i < 10000; i++) {
        rc = ngx_llmops_resp_scan(&s, text, sizeof(text));
    }

    assert_int_equal(rc, NGX_ERROR);
    assert_int_equal(i, NGX_LLMOPS_RESP_LINE / sizeof(text) + 1);

    ngx_llmops_resp_init(&s, BYTES, 1 << 20);

    rc = ngx_llmops_resp_scan(&s, (u_char *) "*1000\r\n", 7);

    for (i = 0; rc == NGX_OK && i < 10000; i++) {
        rc = ngx_llmops_resp_scan(&s, (u_char *) ":1\r\n", 4);
    }

    assert_int_equal(rc, NGX_ERROR);
    assert_string_equal(s.error, "a reply is too large");
    assert_int_equal(i, (BYTES - 7) / 4 + 1);
}


/* bounds are those of one reply */

static void
test_many(void **state)
{
    ngx_uint_t              i;
    ngx_llmops_resp_scan_t  s;

    (void) state;

    ngx_llmops_resp_init(&s, 32, 2);

    for (i = 0; i < 1000; i++) {
        assert_int_equal(ngx_llmops_resp_scan(&s, (u_char *)
                                              "*2\r\n:1\r\n$3\r\nabc\r\n", 17),
                         NGX_OK);
        assert_true(ngx_llmops_resp_between(&s));
    }
}


static void
test_write(void **state)
{
    size_t                  n, size;
    u_char                 *p, *last;
    ngx_str_t               argv[3];
    ngx_llmops_resp_scan_t  s;

    static const char  expected[] = "*3\r\n$4\r\nHSET\r\n$0\r\n\r\n"
                                    "$12\r\na\0b\r\n1234567\r\n";

    (void) state;

    ngx_str_set(&argv[0], "HSET");
    ngx_str_null(&argv[1]);
    argv[1].data = (u_char *) "";
    ngx_str_set(&argv[2], "a\0b\r\n1234567");

    size = ngx_llmops_resp_size(3, argv);
    p = malloc(size);
    last = ngx_llmops_resp_write(p, 3, argv);
    n = last - p;

    assert_true(n <= size);
    assert_int_equal(n, sizeof(expected) - 1);
    assert_memory_equal(p, expected, n);

    ngx_llmops_resp_init(&s, BYTES, ELEMENTS);
    assert_int_equal(ngx_llmops_resp_scan(&s, p, n), NGX_OK);
    assert_true(ngx_llmops_resp_between(&s));

    free(p);
}


/* as CLUSTER KEYSLOT of a server has it */

static void
test_slot(void **state)
{
    size_t  i;

    static const struct {
        const char  *key;
        ngx_uint_t   slot;
    } cases[] = {
        { "123456789", 0x31c3 },
        { "", 0 },
        { "foo", 12182 },
        { "somekey", 11058 },
        { "foo{hash_tag}", 2515 },
        { "{hash_tag}", 2515 },
        { "hash_tag", 2515 },
        { "{user1000}.following", 3443 },
        { "{user1000}.followers", 3443 },
        { "foo{}{bar}", 8363 },
        { "foo{{bar}}zap", 4015 },
        { "{bar", 4015 },
        { "foo{bar}{zap}", 5061 },
        { "bar", 5061 },
        { "foo{bar", 15278 },
        { "foo}bar{", 11073 },
    };

    (void) state;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {

        if (ngx_llmops_resp_slot(unit_str(cases[i].key)) != cases[i].slot) {
            fail_msg("%s is in slot %lu", cases[i].key,
                     ngx_llmops_resp_slot(unit_str(cases[i].key)));
        }
    }
}


/* what passes, hiredis parses */

static void
test_hiredis(void **state)
{
    void                    *reply;
    size_t                   i;
    redisReply              *r;
    redisReader             *reader;
    ngx_llmops_resp_scan_t   s;

    static const char  text[] =
        "*7\r\n+a\r\n-b c\r\n:-5\r\n$3\r\nx\r\n\r\n$-1\r\n*-1\r\n"
        "*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n";

    (void) state;

    ngx_llmops_resp_init(&s, BYTES, ELEMENTS);
    reader = redisReaderCreate();
    reply = NULL;

    for (i = 0; i < sizeof(text) - 1; i++) {
        assert_null(reply);
        assert_int_equal(ngx_llmops_resp_scan(&s, (u_char *) text + i, 1),
                         NGX_OK);
        assert_int_equal(redisReaderFeed(reader, text + i, 1), REDIS_OK);
        assert_int_equal(redisReaderGetReply(reader, &reply), REDIS_OK);
        assert_int_equal(reply != NULL, ngx_llmops_resp_between(&s));
    }

    r = reply;
    assert_non_null(r);
    assert_int_equal(r->elements, 7);
    assert_int_equal(r->element[2]->integer, -5);

    freeReplyObject(reply);
    redisReaderFree(reader);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_scan),
        cmocka_unit_test(test_endless),
        cmocka_unit_test(test_many),
        cmocka_unit_test(test_write),
        cmocka_unit_test(test_slot),
        cmocka_unit_test(test_hiredis),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
