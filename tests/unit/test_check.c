
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_unescape.h"
#include "check_run.h"


/*
 * Answers against their rules: what a caller reads of a stream does not depend
 * on how the text is cut into events, nor these into pieces, and is what he
 * reads of the whole answer.
 */


#define TEXT  8192


/* the events of a text, so many bytes in each; characters are not cut */

static size_t
chat_events(char *buf, const char *text, size_t each)
{
    size_t   n, len;
    json_t  *piece;
    char    *s, *p;

    p = buf;

    for (len = strlen(text); len; len -= n, text += n) {

        for (n = ngx_min(each, len);
             n < len && ((u_char) text[n] & 0xc0) == 0x80; n++)
        { /* void */ }

        piece = json_stringn(text, n);
        s = json_dumps(piece, JSON_ENCODE_ANY);
        p += sprintf(p, "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{"
                     "\"index\":0,\"delta\":{\"content\":%s},"
                     "\"finish_reason\":null}]}\n\n", s);
        free(s);
        json_decref(piece);
    }

    p += sprintf(p, "data: {\"id\":\"c1\",\"model\":\"m\",\"choices\":[{"
                 "\"index\":0,\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n"
                 "data: [DONE]\n\n");

    return p - buf;
}


static size_t
message_events(char *buf, const char *text, size_t each)
{
    size_t   n, len;
    json_t  *piece;
    char    *s, *p;

    p = buf;
    p += sprintf(p, "event: content_block_start\n"
                 "data: {\"type\":\"content_block_start\",\"index\":0,"
                 "\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n");

    for (len = strlen(text); len; len -= n, text += n) {

        for (n = ngx_min(each, len);
             n < len && ((u_char) text[n] & 0xc0) == 0x80; n++)
        { /* void */ }

        piece = json_stringn(text, n);
        s = json_dumps(piece, JSON_ENCODE_ANY|JSON_ENSURE_ASCII);
        p += sprintf(p, "event: content_block_delta\n"
                     "data: {\"type\":\"content_block_delta\",\"index\":0,"
                     "\"delta\":{\"type\":\"text_delta\",\"text\":%s}}\n\n",
                     s);
        free(s);
        json_decref(piece);
    }

    p += sprintf(p, "event: content_block_stop\n"
                 "data: {\"type\":\"content_block_stop\",\"index\":0}\n\n"
                 "event: message_delta\n"
                 "data: {\"type\":\"message_delta\",\"delta\":{"
                 "\"stop_reason\":\"end_turn\"}}\n\n"
                 "event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n");

    return p - buf;
}


/* all texts of the events that came out */

static void
said(ngx_llmops_out_t *out, ngx_llmops_op_e op, char *text)
{
    u_char                  *p, *last;
    size_t                   i;
    json_t                  *root, *v, *choice;
    ngx_llmops_sse_t         sse;
    ngx_llmops_sse_event_t   ev;

    p = out->data;
    last = p + out->len;
    *text = '\0';

    ngx_llmops_sse_init(&sse, 1024 * 1024);

    while (ngx_llmops_sse_next(&sse, &p, last, &ev) == NGX_OK) {

        root = json_loadb((char *) ev.data.data, ev.data.len, 0, NULL);

        if (root == NULL) {
            assert_true(ev.data.len == 6);              /* [DONE] */
            continue;
        }

        if (op == NGX_LLMOPS_OP_MESSAGES) {
            v = json_object_get(json_object_get(root, "delta"), "text");

            if (v) {
                strcat(text, json_string_value(v));
            }
        }

        json_array_foreach(json_object_get(root, "choices"), i, choice) {
            v = json_object_get(json_object_get(choice, "delta"), "content");

            if (v) {
                strcat(text, json_string_value(v));
            }
        }

        json_decref(root);
    }

    ngx_llmops_sse_free(&sse);
}


static void
whole(check_rules_t *c, ngx_llmops_op_e op, const char *text, char *got,
    check_result_t *r)
{
    char     buf[TEXT], *s;
    size_t   len;
    json_t  *piece, *root, *v;

    piece = json_string(text);
    s = json_dumps(piece, JSON_ENCODE_ANY);

    len = (op == NGX_LLMOPS_OP_MESSAGES)
          ? sprintf(buf, "{\"content\":[{\"type\":\"text\",\"text\":%s}],"
                    "\"stop_reason\":\"end_turn\"}", s)
          : sprintf(buf, "{\"choices\":[{\"index\":0,\"message\":{"
                    "\"content\":%s},\"finish_reason\":\"stop\"}]}", s);

    free(s);
    json_decref(piece);

    check_body(c, op, buf, len, r);

    got[0] = '\0';

    if (r->rc != NGX_OK) {
        return;
    }

    root = json_loadb((char *) r->out.data, r->out.len, 0, NULL);
    assert_non_null(root);

    v = (op == NGX_LLMOPS_OP_MESSAGES)
        ? json_object_get(json_array_get(json_object_get(root, "content"), 0),
                          "text")
        : json_object_get(json_object_get(json_array_get(
                          json_object_get(root, "choices"), 0), "message"),
                          "content");

    strcpy(got, json_string_value(v));
    json_decref(root);
}


static void
check_text(check_rules_t *c, ngx_llmops_op_e op, const char *text)
{
    char            events[TEXT * 16], one[TEXT], got[TEXT], first[TEXT];
    size_t          each, len, split;
    check_result_t  w, r;

    whole(c, op, text, one, &w);
    first[0] = '\0';

    for (each = 1; each <= strlen(text) + 1; each++) {

        len = (op == NGX_LLMOPS_OP_MESSAGES)
              ? message_events(events, text, each)
              : chat_events(events, text, each);

        for (split = 1; split <= len; split = split * 5 + 2) {

            check_stream(c, op, events, len, split, &r);

            assert_int_equal(r.rc, w.rc);
            assert_ptr_equal(r.broken, w.broken);

            /* what comes behind the end is not looked at */

            if (w.rc == NGX_OK) {
                assert_int_equal(r.noted, w.noted);
            }

            said(&r.out, op, got);

            if (w.rc == NGX_OK) {
                assert_string_equal(got, one);

            } else if (r.broken == &c->rule[CHECK_SECRET]) {

                /* the same beginning, however it came */

                if (each == 1 && split == 1) {
                    strcpy(first, got);
                }

                assert_string_equal(got, first);
            }

            check_release(&r);
        }
    }

    check_release(&w);
}


static const char *const  texts[] = {
    "",
    "nothing to see here",
    "write to ann@example.org, please, it is needed",
    "ann@example.org",
    "\xc3\xa4 \"quoted\" \\ and bob@b.de\n\xf0\x9f\x98\x80 ann@b.de",
    "this text has more than forty characters in it, as was planned",
    "the key is SECRET_abcdef, and needed no more",
    "ann@example.org has SECRET_abcdef and bob@example.org has none",
    "{\"n\": \"ann@example.org\"}",
    "{\"n\": 1}",
    "{\"m\": \"x\"}",
    "{\"n\": \"x\"",
    "```json\n{\"n\": \"a needed text\"}\n```\n",
    "  {\"n\": \"x\"}  ",
};


static void
test_texts(void **state)
{
    ngx_uint_t     i, k;
    check_rules_t  c;

    for (k = 0; k < 3; k++) {
        check_setup(&c, k > 0, k > 1);

        for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            check_text(&c, NGX_LLMOPS_OP_CHAT, texts[i]);
            check_text(&c, NGX_LLMOPS_OP_MESSAGES, texts[i]);
        }

        check_teardown(&c);
    }
}


static void
test_results(void **state)
{
    char            got[TEXT];
    ngx_uint_t      i;
    check_rules_t   c;
    check_result_t  r;

    static const struct {
        ngx_uint_t   json;
        ngx_uint_t   fences;
        const char  *text;
        ngx_int_t    rc;
        ngx_int_t    broken;
        const char  *out;
    } cases[] = {
        { 0, 0, "to ann@b.de!", NGX_OK, -1, "to [MAIL]!" },
        { 0, 0, "SECRET_abcdef", NGX_DECLINED, CHECK_SECRET, "" },
        { 1, 0, "{\"n\": \"x\"}", NGX_OK, -1, "{\"n\": \"x\"}" },
        { 1, 0, "{\"n\": \"a@b.de\"}", NGX_OK, -1, "{\"n\": \"[MAIL]\"}" },
        { 1, 0, "{\"n\": 1}", NGX_DECLINED, CHECK_JSON, "" },
        { 1, 0, "{\"n\": \"x\"", NGX_DECLINED, CHECK_JSON, "" },
        { 1, 0, "", NGX_DECLINED, CHECK_JSON, "" },
        { 1, 0, "```\n{\"n\": \"x\"}```", NGX_DECLINED, CHECK_JSON, "" },
        { 1, 1, "```\n{\"n\": \"x\"}```", NGX_OK, -1, "{\"n\": \"x\"}" },
        { 1, 1, "```\n{\"n\": \"x\"}``` and", NGX_DECLINED, CHECK_JSON, "" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_setup(&c, cases[i].json, cases[i].fences);

        whole(&c, NGX_LLMOPS_OP_CHAT, cases[i].text, got, &r);

        assert_int_equal(r.rc, cases[i].rc);
        assert_string_equal(got, cases[i].out);
        assert_ptr_equal(r.broken, cases[i].broken < 0
                                   ? NULL : &c.rule[cases[i].broken]);

        check_release(&r);
        check_teardown(&c);
    }
}


/* events that change nothing pass byte by byte; others, as well */

static void
test_bytes(void **state)
{
    char            buf[TEXT * 16];
    size_t          len;
    check_rules_t   c;
    check_result_t  r;

    static const char  odd[] =
        ": comment\n\nevent: ping\ndata: {\"type\": \"ping\"}\n\n"
        "data: {\"choices\":[],\"usage\":{\"x\":1.50}}\r\n\r\n"
        "data: {\"choices\":[{\"delta\":{\"content\":\"\\u0061 \"}}]}\n\n"
        "data:[DONE]\n\n";

    check_setup(&c, 0, 0);

    check_stream(&c, NGX_LLMOPS_OP_CHAT, odd, sizeof(odd) - 1, 3, &r);
    assert_int_equal(r.rc, NGX_OK);

    assert_int_equal(r.out.len, sizeof(odd) - 1);
    assert_memory_equal(r.out.data, odd, r.out.len);
    check_release(&r);

    len = chat_events(buf, "plain text. ", 12);
    check_stream(&c, NGX_LLMOPS_OP_CHAT, buf, len, 5, &r);
    assert_int_equal(r.out.len, len);
    assert_memory_equal(r.out.data, buf, len);
    check_release(&r);

    check_teardown(&c);
}


/* wherever a CRLF is cut, its LF goes out, also before what is refused or
   written anew */

static void
test_crlf(void **state)
{
    size_t          each;
    ngx_uint_t      i;
    check_rules_t   c;
    check_result_t  r, want;

    static const char *const  cases[] = {
        "data: {\"choices\":[]}\r\n\r\ndata: {",
        "data: {\"choices\":[]}\r\n\r\ndata: {\"choices\":[{\"delta\":{\r\n"
        "data: \"content\":\"a@b.c \"}}]}\r\n\r\n",
        ": x\r\r\ndata: [DONE]\r\n\r\n\r\n",
    };

    check_setup(&c, 0, 0);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_stream(&c, NGX_LLMOPS_OP_CHAT, cases[i], strlen(cases[i]),
                     strlen(cases[i]), &want);

        for (each = 1; each < strlen(cases[i]); each++) {
            check_stream(&c, NGX_LLMOPS_OP_CHAT, cases[i], strlen(cases[i]),
                         each, &r);
            assert_int_equal(r.rc, want.rc);
            assert_int_equal(r.out.len, want.out.len);
            assert_memory_equal(r.out.data, want.out.data, r.out.len);
            check_release(&r);
        }

        check_release(&want);
    }

    check_teardown(&c);
}


/* the number of a choice counts wherever it stands, the last one if there are
   several */

static void
test_index(void **state)
{
    ngx_uint_t      i;
    check_rules_t   c;
    check_result_t  r;

    static const char *const  cases[] = {
        "data: {\"choices\":[{\"delta\":{\"content\":\"SECRET_\"},\"index\":1},"
        "{\"delta\":{\"content\":\"SECRET_\"},\"index\":0}]}\n\n"
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}},"
        "{\"index\":1,\"delta\":{\"content\":\"abcdef \"}}]}\n\n",
        "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"SECRET_\"},"
        "\"index\":1}]}\n\n"
        "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":"
        "\"abcdef \"}}]}\n\n",
    };

    check_setup(&c, 0, 0);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_stream(&c, NGX_LLMOPS_OP_CHAT, cases[i], strlen(cases[i]), 500,
                     &r);
        assert_int_equal(r.rc, NGX_DECLINED);
        assert_ptr_equal(r.broken, &c.rule[CHECK_SECRET]);
        check_release(&r);
    }

    check_teardown(&c);
}


/* strings end where they end: an escape at every place of a long one */

static void
test_escapes(void **state)
{
    char            buf[512];
    size_t          len, at, k;
    check_rules_t   c;
    check_result_t  r;

    check_setup(&c, 0, 0);

    for (k = 1; k < 4; k++) {
        for (at = 0; at < 150; at++) {
            len = sprintf(buf, "data: {\"choices\":[{\"delta\":{\"content\":"
                          "\"%.*s%.*s%.*s SECRET_abcdef \"}}]}\n\n",
                          (int) at,
                          "................................................"
                          "................................................"
                          "................................................"
                          "......", (int) k * 2, "\\\"\\\\\\\"", 40,
                          "........................................");

            check_stream(&c, NGX_LLMOPS_OP_CHAT, buf, len, len, &r);
            assert_int_equal(r.rc, NGX_DECLINED);
            assert_ptr_equal(r.broken, &c.rule[CHECK_SECRET]);
            check_release(&r);
        }
    }

    check_teardown(&c);
}


/* what cannot be read is refused: broken JSON, too many texts, a key spelled
   with escapes and one that is there twice */

static void
test_unreadable(void **state)
{
    char            buf[TEXT * 2], *p;
    ngx_uint_t      i;
    check_rules_t   c;
    check_result_t  r;

    static const struct {
        const char  *text;
        ngx_int_t    rc;
    } cases[] = {
        { "data: {\"choices\":[\n\n", NGX_DECLINED },
        { "data: text\n\n", NGX_DECLINED },
        { "data: {\"choices\":[{\"delta\":{\"content\":\"\\u12\"}}]}\n\n",
          NGX_DECLINED },
        { "data: {\"choices\":[{\"delta\":{\"c\\u006fntent\":"
          "\"SECRET_abcdef \"}}]}\n\n", NGX_DECLINED },
        { "data: {\"choices\":[{\"delta\":{\"content\":\"x\",\"content\":"
          "\"SECRET_abcdef \"}}]}\n\n", NGX_DECLINED },
        { "data: {\"ch\\u006fices\":[{\"delta\":{\"content\":"
          "\"SECRET_abcdef \"}}]}\n\n", NGX_DECLINED },
        { "data: {\"error\":{\"message\":\"x\"}}\n\n", NGX_OK },
    };

    check_setup(&c, 0, 0);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_stream(&c, NGX_LLMOPS_OP_CHAT, cases[i].text,
                     strlen(cases[i].text), 7, &r);
        assert_int_equal(r.rc, cases[i].rc);
        check_release(&r);
    }

    p = buf + sprintf(buf, "{\"choices\":[");

    for (i = 0; i < 200; i++) {
        p += sprintf(p, "%s{\"index\":%zu,\"text\":\"x\"}", i ? "," : "", i);
    }

    p += sprintf(p, "]}");

    check_body(&c, NGX_LLMOPS_OP_COMPLETIONS, buf, p - buf, &r);
    assert_int_equal(r.rc, NGX_DECLINED);
    check_release(&r);

    check_teardown(&c);
}


static void
test_unescape(void **state)
{
    size_t                 at, len;
    ngx_uint_t             i;
    ngx_llmops_out_t       out;
    ngx_llmops_unescape_t  u;

    static const char *const  cases[][2] = {
        { "plain", "plain" },
        { "{\"a\":\"\\u0061\\u0062\"}", "{\"a\":\"ab\"}" },
        { "\\u00e4\\u20ac\\ud83d\\ude00",
          "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80" },
        { "\\u0022\\u005c\\u000a\\u007f", "\\u0022\\u005c\\u000a\\u007f" },
        { "\\\\u0061\\n\\\"", "\\\\u0061\\n\\\"" },
        { "\\ud83d\\u0061\\ude00x\\ud83dx", "\\ud83da\\ude00x\\ud83dx" },
        { "\\u00\\u0061\\u12x4", "\\u00a\\u12x4" },
        { "end \\u00", "end \\u00" },
        { "\\ud83d\\ud83d\\ude00", "\\ud83d\xf0\x9f\x98\x80" },
    };

    ngx_llmops_out_init(&out, 4096);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        len = strlen(cases[i][0]);

        for (at = 0; at <= len; at++) {
            memset(&u, 0, sizeof(u));
            ngx_llmops_out_reset(&out);

            ngx_llmops_unescape(&u, (u_char *) cases[i][0], at, 0, &out);
            ngx_llmops_unescape(&u, (u_char *) cases[i][0] + at, len - at, 1,
                                &out);

            assert_int_equal(out.len, strlen(cases[i][1]));
            assert_memory_equal(out.data, cases[i][1], out.len);
        }
    }

    ngx_llmops_out_free(&out);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
#if (NGX_LLMOPS_HYPERSCAN)
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_results),
        cmocka_unit_test(test_bytes),
        cmocka_unit_test(test_crlf),
        cmocka_unit_test(test_index),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_unreadable),
#endif
        cmocka_unit_test(test_unescape),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
