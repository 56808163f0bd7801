
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_plain.h"


typedef struct {
    ngx_llmops_op_e   op;
    ngx_uint_t        stream;
    const char       *answer;
    const char       *text;                /* NULL: declined */
} plain_case_t;


static const plain_case_t  answers[] = {

    { NGX_LLMOPS_OP_CHAT, 0,
      "{\"choices\":[{\"index\":0,\"message\":{\"role\":\"assistant\","
      "\"content\":\"a\\u0041\\n\"},\"finish_reason\":\"stop\"}]}",
      "aA\n" },

    { NGX_LLMOPS_OP_CHAT, 0,
      "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"one\"}},"
      "{\"index\":1,\"message\":{\"content\":\"two\"}}]}",
      "one\n\ntwo" },

    { NGX_LLMOPS_OP_CHAT, 0,
      "{\"choices\":[{\"index\":0,\"message\":{\"reasoning\":\"think\","
      "\"content\":null,\"refusal\":\"no\"}}]}",
      "no" },

    { NGX_LLMOPS_OP_CHAT, 1,
      "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"x\"}}]}\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"a\"}}]}\n\n"
      ": comment\n\n"
      "data: {\"choices\":[{\"index\":1,\"delta\":{\"content\":\"y\"}}]}\n\n"
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"b\"}}]}\n\n"
      "data: {\"choices\":[],\"usage\":{}}\n\n"
      "data: [DONE]\n\n",
      "ab\n\nxy" },

    { NGX_LLMOPS_OP_MESSAGES, 0,
      "{\"type\":\"message\",\"content\":[{\"type\":\"thinking\","
      "\"thinking\":\"hm\"},{\"type\":\"text\",\"text\":\"hi\"},"
      "{\"type\":\"tool_use\",\"id\":\"t\",\"name\":\"f\","
      "\"input\":{\"a\":1}}]}",
      "hi{\"a\":1}" },

    { NGX_LLMOPS_OP_MESSAGES, 1,
      "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
      "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"h\"}}\n\n"
      "event: content_block_delta\ndata: {\"type\":\"content_block_delta\","
      "\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"i\"}}\n\n",
      "hi" },

    /* what is told by pieces is not told again; else the end tells it */

    { NGX_LLMOPS_OP_RESPONSES, 0,
      "{\"output\":[{\"type\":\"reasoning\",\"summary\":[{\"text\":\"hm\"}]},"
      "{\"type\":\"message\",\"content\":[{\"text\":\"h\"},{\"text\":"
      "\"i\"}]}]}", "hi" },

    { NGX_LLMOPS_OP_RESPONSES, 1,
      "data: {\"type\":\"response.output_text.delta\",\"delta\":\"h\"}\n\n"
      "data: {\"type\":\"response.output_text.delta\",\"delta\":\"i\"}\n\n"
      "data: {\"type\":\"response.output_text.done\",\"text\":\"hi\"}\n\n"
      "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{"
      "\"content\":[{\"text\":\"hi\"}]}]}}\n\n", "hi" },

    { NGX_LLMOPS_OP_RESPONSES, 1,
      "data: {\"type\":\"response.output_item.done\",\"item\":{\"content\":"
      "[{\"text\":\"hi\"}]}}\n\n"
      "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{"
      "\"content\":[{\"text\":\"hi\"}]}]}}\n\n", "hi" },

    /* not what was asked for */

    { NGX_LLMOPS_OP_CHAT, 1,
      "\n{\"choices\":[{\"index\":0,\"message\":{\"content\":\"x\"}}]}",
      "x" },

    { NGX_LLMOPS_OP_CHAT, 0,
      "data: {\"choices\":[{\"index\":0,\"delta\":{\"content\":\"x\"}}]}\n\n",
      "x" },

    { NGX_LLMOPS_OP_COMPLETIONS, 0,
      "{\"choices\":[{\"index\":0,\"text\":\"t\"}]}", "t" },

    { NGX_LLMOPS_OP_CHAT, 0, "not json", NULL },
    { NGX_LLMOPS_OP_CHAT, 0, "", NULL },
    { NGX_LLMOPS_OP_CHAT, 1, "", NULL },

    { NGX_LLMOPS_OP_CHAT, 0,
      "{\"choices\":[{\"index\":99,\"message\":{\"content\":\"one\"}}]}",
      NULL }
};


static const plain_case_t  requests[] = {

    { 0, 0,
      " {\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":"
      "\"be kind\"},{\"content\":[{\"type\":\"text\",\"text\":\"hi\"},"
      "{\"type\":\"image_url\",\"image_url\":{\"url\":\"data:x\"}}],"
      "\"role\":\"user\"}],\"temperature\":0}",
      "[system]\nbe kind\n[user]\nhi\n" },

    { 0, 0, "{\"model\":\"m\",\"input\":[\"a\",\"b\"],\"user\":\"u\"}",
      "a\nb\n" },

    { 0, 0, "{\"system\":[{\"type\":\"text\",\"text\":\"s\"}],"
      "\"messages\":[{\"role\":\"user\",\"con\\u0074ent\":\"x\"}]}",
      "s\n[user]\nx\n" },

    { 0, 0, "{\"prompt\":\"p\"}", "p\n" },
    { 0, 0, "{}", "" },
    { 0, 0, "[]", NULL },
    { 0, 0, "", NULL },
    { 0, 0, "{\"a\":", NULL }
};


static void
check(const plain_case_t *c, ngx_int_t rc, ngx_llmops_out_t *out)
{
    if (c->text == NULL) {
        assert_int_not_equal(rc, NGX_OK);

    } else {
        assert_int_equal(rc, NGX_OK);
        assert_int_equal(out->len, strlen(c->text));
        assert_memory_equal(out->data, c->text, out->len);
    }

    ngx_llmops_out_free(out);
}


/* in memory that ends where the text does, so that ASAN sees any step over */

static ngx_str_t
exact(const char *text)
{
    ngx_str_t  s;

    s.len = strlen(text);
    s.data = malloc(s.len ? s.len : 1);
    memcpy(s.data, text, s.len);

    return s;
}


static void
test_answers(void **state)
{
    size_t            i;
    ngx_int_t         rc;
    ngx_str_t         answer;
    ngx_llmops_out_t  out;

    (void) state;

    for (i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        answer = exact(answers[i].answer);

        ngx_llmops_out_init(&out, 65536);
        rc = ngx_llmops_plain_answer(answers[i].op, &answer,
                                     answers[i].stream, &out);
        check(&answers[i], rc, &out);

        free(answer.data);
    }
}


static void
test_requests(void **state)
{
    size_t            i;
    ngx_int_t         rc;
    ngx_str_t         body;
    ngx_llmops_out_t  out;

    (void) state;

    for (i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        body = exact(requests[i].answer);

        ngx_llmops_out_init(&out, 65536);
        rc = ngx_llmops_plain_request(&body, &out);
        check(&requests[i], rc, &out);

        free(body.data);
    }
}


static void
test_bound(void **state)
{
    ngx_str_t         body = ngx_string("{\"prompt\":\"0123456789\"}");
    ngx_llmops_out_t  out;

    (void) state;

    ngx_llmops_out_init(&out, 8);
    assert_int_not_equal(ngx_llmops_plain_request(&body, &out), NGX_OK);
    assert_true(out.size <= 8);
    ngx_llmops_out_free(&out);
}


static ngx_int_t
similar(const char *a, const char *b)
{
    ngx_int_t  n, m;
    ngx_str_t  s, t;

    s = exact(a);
    t = exact(b);

    n = ngx_llmops_plain_similar(&s, &t);
    m = ngx_llmops_plain_similar(&t, &s);

    assert_int_equal(n, m);

    free(s.data);
    free(t.data);

    return n;
}


static void
test_similar(void **state)
{
    size_t      i;
    char       *longer;
    ngx_str_t   s;

    (void) state;

    assert_int_equal(similar("", ""), 1000);
    assert_int_equal(similar("...", "!"), 1000);
    assert_int_equal(similar("a", ""), 0);
    assert_int_equal(similar("One two.", "two, ONE!"), 1000);
    assert_int_equal(similar("a a a b", "a b b b"), 500);
    assert_int_equal(similar("one two three four", "one two three five"),
                     750);
    assert_int_equal(similar("w\xc3\xb6rld", "w\xc3\xb6rld x"), 666);
    assert_int_equal(similar("abc", "ab c"), 0);

    /* more words than are looked at */

    longer = malloc(300000);

    for (i = 0; i < 300000; i++) {
        longer[i] = (i & 1) ? ' ' : 'a';
    }

    s.data = (u_char *) longer;
    s.len = 300000;

    assert_int_equal(ngx_llmops_plain_similar(&s, &s), 1000);

    free(longer);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_answers),
        cmocka_unit_test(test_requests),
        cmocka_unit_test(test_bound),
        cmocka_unit_test(test_similar)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
