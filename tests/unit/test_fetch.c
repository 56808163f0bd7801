
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_fetch_answer.h"


#define MAX  64


/* the same, whatever pieces it comes in */

static void
answer(const char *text, ngx_int_t rc, ngx_uint_t status, const char *body)
{
    char                       *piece;
    size_t                      len, n, at, step;
    ngx_int_t                   got;
    ngx_llmops_fetch_answer_t   a;

    len = strlen(text);

    for (step = 1; step <= len + 1; step += (step < 8 ? 1 : len / 5 + 1)) {

        ngx_llmops_fetch_answer_init(&a, MAX);

        got = NGX_AGAIN;

        for (at = 0; at < len && got == NGX_AGAIN; at += n) {
            n = ngx_min(step, len - at);

            piece = malloc(n);
            memcpy(piece, text + at, n);
            got = ngx_llmops_fetch_answer_feed(&a, (u_char *) piece, n);
            free(piece);
        }

        if (got == NGX_AGAIN) {
            got = ngx_llmops_fetch_answer_end(&a);
        }

        if (got != rc) {
            fail_msg("%s: %d (%s) in pieces of %d", text, (int) got,
                     a.error ? a.error : "", (int) step);
        }

        if (rc == NGX_OK) {
            assert_int_equal(a.status, status);
            assert_int_equal(a.body.len, strlen(body));
            assert_memory_equal(a.body.len ? a.body.data : (u_char *) "", body,
                                a.body.len);

        } else {
            assert_non_null(a.error);
            assert_non_null(strstr(a.error, body));
        }

        ngx_llmops_fetch_answer_free(&a);
    }
}


#define good(text, status, body)  answer(text, NGX_OK, status, body)
#define bad(text, error)          answer(text, NGX_ERROR, 0, error)


static void
test_good(void **state)
{
    (void) state;

    good("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 200, "hi");
    good("HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nhi", 200, "hi");
    good("HTTP/1.0 404 Not Found\r\n\r\ngone", 404, "gone");
    good("HTTP/1.1 200 OK\ncontent-LENGTH:2\n\nhi", 200, "hi");
    good("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "");
    good("HTTP/1.1 204 No\r\n\r\nignored", 204, "");
    good("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi and more", 200, "hi");
    good("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
         200, "hi");
    good("HTTP/1.1 200 OK\r\nContent-Encoding: identity\r\n\r\nhi", 200, "hi");

    good("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nLink: x\r\n\r\n"
         "HTTP/1.1 201 Made\r\nContent-Length: 1\r\n\r\nx", 201, "x");
}


static void
test_chunked(void **state)
{
    (void) state;

    good("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
         "3\r\nabc\r\n0002;x=y\r\nde\r\n0\r\n\r\n", 200, "abcde");
    good("HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n"
         "A \r\n0123456789\r\n0\r\nTrailer: x\r\nMore: y\r\n\r\n", 200,
         "0123456789");
    good("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n1\na\n0\n\n", 200,
         "a");

    bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        "cut off");
    bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nab",
        "cut off");
    bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n0\r\n", "cut off");
    bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabcd\r\n0\r\n\r\n", "chunk's end");
    bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
        "chunk's size");
    bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        "chunk's size");
    bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        "fffffffffffffffff\r\n", "chunk's size");
    bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\n",
        "chunk's size");
}


static void
test_cut(void **state)
{
    (void) state;

    bad("", "cut off");
    bad("HTTP/1.1 200 OK\r\n", "cut off");
    bad("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhi", "cut off");
    bad("HTTP/1.1 100 Continue\r\n\r\n", "cut off");
}


static void
test_not_valid(void **state)
{
    (void) state;

    bad("SSH-2.0-OpenSSH_9\r\n\r\n", "not HTTP");
    bad("HTTP/2 200\r\n\r\n", "not HTTP");
    bad("HTTP/1.1 2OO OK\r\n\r\n", "not HTTP");
    bad("HTTP/1.1 020 OK\r\n\r\n", "not HTTP");
    bad("HTTP/1.1 2000 OK\r\n\r\n", "not HTTP");
    bad("HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "header is not valid");
    bad("HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
        "length is not valid");
    bad("HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\n",
        "length is not valid");
    bad("HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\n",
        "length is not valid");
    bad("HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\n",
        "length is not valid");
    bad("HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\n\r\n",
        "length is not valid");
    bad("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
        "Transfer-Encoding: chunked\r\n\r\n", "beside");
    bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        "unknown transfer");
    bad("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n"
        "Transfer-Encoding: chunked\r\n\r\n", "unknown transfer");
    bad("HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n", "compressed");
}


static void
test_bounds(void **state)
{
    char  *text, body[MAX + 2];

    (void) state;

    memset(body, 'x', sizeof(body));
    body[MAX] = '\0';

    text = malloc(40000);

    sprintf(text, "HTTP/1.1 200 OK\r\n\r\n%s", body);
    good(text, 200, body);

    body[MAX] = 'x';
    body[MAX + 1] = '\0';

    sprintf(text, "HTTP/1.1 200 OK\r\n\r\n%s", body);
    bad(text, "too large");

    sprintf(text, "HTTP/1.1 200 OK\r\nContent-Length: 65\r\n\r\n%s", body);
    bad(text, "too large");

    sprintf(text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
            "40\r\n%.64s\r\n1\r\nx\r\n0\r\n\r\n", body);
    bad(text, "too large");

    /* header, and a line of chunks */

    sprintf(text, "HTTP/1.1 200 OK\r\nX: ");
    memset(text + 20, 'x', 17000);
    text[17020] = '\0';
    bad(text, "header is too large");

    sprintf(text, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    memset(text + 49, 'x', 300);
    text[349] = '\0';
    bad(text, "too long");

    free(text);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_chunked),
        cmocka_unit_test(test_cut),
        cmocka_unit_test(test_not_valid),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
