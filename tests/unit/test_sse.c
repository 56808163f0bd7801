
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "sse_run.h"


#define MAX  4096


static const char  *streams[] = {
    "",
    "data: a\n\n",
    "data: a\r\n\r\n",
    "data: a\r\r",
    "data: a\n\r\n",
    "data: a\r\n\n",
    "data: a\r\n\rdata: b\n\n",
    "data: a\n\rdata: b\r\r\ndata: c\n\n",
    "data: a\n\ndata: b\n\ndata: [DONE]\n\n",
    "data: a\r\n\r\ndata: b\r\n\r\ndata: [DONE]\r\n\r\n",
    "event: message_start\ndata: {\"type\":\"message_start\"}\n\n"
    "event: ping\ndata: {\"type\": \"ping\"}\n\n",
    "data: a\nevent: late\n\n",
    "event: one\nevent: two\ndata: x\n\n",
    "event: one\nevent:\ndata: x\n\n",
    "event: only\n\ndata: x\n\n",
    "data: a\ndata: b\ndata: c\n\n",
    "data: a\r\ndata:b\rdata:  c\n\n",
    "data\n\n",
    "data\ndata\n\n",
    "data:\n\n",
    "data: \ndata:\ndata:  \n\n",
    "data:a\n\n",
    "datax: a\ndat: b\nData: c\n data: d\n\n",
    ": comment\n\ndata: a\n\n",
    ": OPENROUTER PROCESSING\n\n: keep-alive\ndata: a\n: more\n\n",
    ":\n\n::\n\n",
    "\n\n\ndata: a\n\n\n\n",
    "\r\r\r\n\n\r",
    "id: 1\nretry: 5\ndata: a\nunknown: x\n\n",
    "\xef\xbb\xbf" "data: a\n\n",
    "\xef\xbb\xbf\n" "data: a\n\n",
    "\xef\xbb\xbf",
    "\xef\xbb" "data: a\n\n",
    "\xef" "data: a\n\ndata: b\n\n",
    "\xef\n\xbb\xbf\n\ndata: a\n\n",
    "\xef\xbb\xbf\xef\xbb\xbf" "data: a\n\ndata: b\n\n",
    "data: a\n\n\xef\xbb\xbf" "data: b\n\ndata: c\n\n",
    "data: caf\xc3\xa9 \xf0\x9f\x98\x80\n\n",
    "data: a\n\ndata: [DONE]",
    "data: a\n\ndata: [DONE]\n",
    "data: a\n\ndata: [DONE]\r",
    "data: a\r\n\r",
    "data: a\n\nevent: x",
    "{\"error\":{\"code\":400,\n\"message\":\"x\"}}\n",
};

#define STREAMS  (sizeof(streams) / sizeof(streams[0]))


static void
check_run(sse_run_t *r, const u_char *p, size_t len)
{
    ngx_llmops_out_t  events;

    sse_run_end(r);

    assert_true(sse_run_same(&r->raw, p, len));

    if (!r->partial) {
        ngx_llmops_out_init(&events, SSE_RUN_MAX);
        sse_plain(p, len, &events);

        assert_true(sse_run_same(&r->events, events.data, events.len));

        ngx_llmops_out_free(&events);
    }

    sse_run_free(r);
}


static void
check_stream(const char *stream, size_t max)
{
    size_t         i, j, n, len;
    sse_run_t      r;
    const u_char  *p;

    len = strlen(stream);
    p = (const u_char *) stream;

    for (i = 0; i <= len; i++) {
        for (j = i; j <= len; j++) {
            sse_run_start(&r, max);
            sse_run_feed(&r, p, i);
            sse_run_feed(&r, p + i, j - i);
            sse_run_feed(&r, p + j, len - j);
            check_run(&r, p, len);
        }
    }

    for (n = 1; n < 4; n++) {
        sse_run_start(&r, max);

        for (i = 0; i < len; i += n) {
            sse_run_feed(&r, p + i, ngx_min(n, len - i));
        }

        check_run(&r, p, len);
    }
}


static void
test_streams(void **state)
{
    ngx_uint_t  i;

    (void) state;

    for (i = 0; i < STREAMS; i++) {
        check_stream(streams[i], MAX);
    }
}


/* with every bound not a byte is lost either */

static void
test_oversize(void **state)
{
    size_t      max;
    ngx_uint_t  i;

    (void) state;

    for (i = 0; i < STREAMS; i++) {
        for (max = 0; max < 24; max += 5) {
            check_stream(streams[i], max);
        }
    }
}


static void
test_oversize_event(void **state)
{
    u_char                  *p, *last;
    ngx_llmops_sse_t         sse;
    ngx_llmops_sse_event_t   ev;

    (void) state;

    ngx_llmops_sse_init(&sse, 16);

    p = (u_char *) "data: 0123";
    last = p + 10;
    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_AGAIN);

    /* what was gathered goes first, then the piece as it is */

    p = (u_char *) "456789\n\ndata: x\n\n";
    last = p + 17;

    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_OK);
    assert_true(ev.partial && ev.copied && !ev.has_data);
    assert_str(ev.raw, "data: 0123");

    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_OK);
    assert_true(ev.partial && !ev.copied);
    assert_str(ev.raw, "456789\n\n");

    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_OK);
    assert_false(ev.partial);
    assert_str(ev.data, "x");

    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_AGAIN);
    assert_int_equal(ngx_llmops_sse_end(&sse, &ev), NGX_DONE);

    ngx_llmops_sse_free(&sse);
}


static void
test_no_copy(void **state)
{
    u_char                   stream[] = "event: e\ndata: abc\n\ndata: d\n";
    u_char                  *p, *last;
    ngx_llmops_sse_t         sse;
    ngx_llmops_sse_event_t   ev;

    (void) state;

    ngx_llmops_sse_init(&sse, MAX);

    p = stream;
    last = stream + sizeof(stream) - 1;

    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_OK);
    assert_false(ev.copied);
    assert_ptr_equal(ev.raw.data, stream);
    assert_str(ev.raw, "event: e\ndata: abc\n\n");
    assert_str(ev.name, "e");
    assert_ptr_equal(ev.data.data, stream + 15);
    assert_str(ev.data, "abc");

    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_AGAIN);
    assert_ptr_equal(p, last);

    p = (u_char *) "\n";
    last = p + 1;

    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_OK);
    assert_true(ev.copied);
    assert_str(ev.raw, "data: d\n\n");
    assert_str(ev.data, "d");

    ngx_llmops_sse_free(&sse);
}


/* an event is not held back for the LF that may follow its last CR */

static void
test_last_cr(void **state)
{
    u_char                  *p, *last;
    ngx_llmops_sse_t         sse;
    ngx_llmops_sse_event_t   ev;

    (void) state;

    ngx_llmops_sse_init(&sse, MAX);

    p = (u_char *) "data: a\r\n\r";
    last = p + 10;

    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_OK);
    assert_str(ev.raw, "data: a\r\n\r");
    assert_str(ev.data, "a");
    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_AGAIN);

    p = (u_char *) "\ndata: b\r\n\r\n";
    last = p + 12;

    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_OK);
    assert_str(ev.raw, "\ndata: b\r\n\r\n");
    assert_str(ev.data, "b");
    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_AGAIN);
    assert_int_equal(ngx_llmops_sse_end(&sse, &ev), NGX_DONE);

    ngx_llmops_sse_free(&sse);
}


static void
test_end(void **state)
{
    u_char                  *p, *last;
    ngx_llmops_sse_t         sse;
    ngx_llmops_sse_event_t   ev;

    (void) state;

    ngx_llmops_sse_init(&sse, MAX);
    assert_int_equal(ngx_llmops_sse_end(&sse, &ev), NGX_DONE);

    p = (u_char *) "data: [DONE]";
    last = p + 12;

    assert_int_equal(ngx_llmops_sse_next(&sse, &p, last, &ev), NGX_AGAIN);
    assert_int_equal(ngx_llmops_sse_end(&sse, &ev), NGX_OK);
    assert_str(ev.raw, "data: [DONE]");
    assert_str(ev.data, "[DONE]");
    assert_int_equal(ngx_llmops_sse_end(&sse, &ev), NGX_DONE);

    ngx_llmops_sse_free(&sse);
}


/*
 * A megabyte in one line, in pieces of 1 to 3 bytes, and one of lines of one
 * byte each: a parser that looks back takes minutes.
 */

static void
test_linear(void **state)
{
    size_t      i, len;
    u_char     *p;
    sse_run_t   r;

    (void) state;

    len = 1024 * 1024;
    p = malloc(len);

    memset(p, 'x', len);
    memcpy(p, "data: ", 6);
    memcpy(p + len - 2, "\n\n", 2);

    sse_run_start(&r, len);

    for (i = 0; i < len; i += 1 + i % 3) {
        sse_run_feed(&r, p + i, ngx_min(1 + i % 3, len - i));
    }

    assert_int_equal(r.raw.len, len);
    check_run(&r, p, len);

    for (i = 0; i < len; i += 2) {
        memcpy(p + i, "x\r", 2);
    }

    sse_run_start(&r, len);
    sse_run_feed(&r, p, len);
    check_run(&r, p, len);

    memset(p, '\r', len);

    sse_run_start(&r, len);
    sse_run_feed(&r, p, len);
    check_run(&r, p, len);

    free(p);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_oversize),
        cmocka_unit_test(test_oversize_event),
        cmocka_unit_test(test_no_copy),
        cmocka_unit_test(test_last_cr),
        cmocka_unit_test(test_end),
        cmocka_unit_test(test_linear),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
