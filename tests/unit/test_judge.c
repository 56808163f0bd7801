
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "check_run.h"
#include "ngx_llmops_facts.h"
#include "ngx_llmops_language.h"


/* Rules that read a text as a whole: its language, what supports it, the
   tools that it calls, JSON that is mended; and values that are put back. */


#define JUDGE_RULES  4


typedef struct {
    ngx_llmops_rules_t         rules;
    ngx_llmops_rule_t          rule[JUDGE_RULES];
} judge_t;


static void
judge_init(judge_t *j, ngx_llmops_rule_kind_e kind,
    ngx_llmops_rule_action_e action)
{
    memset(j, 0, sizeof(judge_t));

    j->rules.rules = j->rule;
    j->rules.nrules = 1;
    j->rule[0].name = *unit_str("set.rule");
    j->rule[0].kind = kind;
    j->rule[0].action = action;
}


/* the content of a stream's events, which are text cut in pieces of that
   size, and what came of them */

typedef struct {
    ngx_int_t                  rc;
    uint64_t                   noted;
    char                       text[8192];
    char                       reason[512];
    ngx_llmops_rule_t         *broken;
} judged_t;


static void
judge_collect(ngx_llmops_out_t *out, ngx_uint_t tool, judged_t *got)
{
    char        *p, *end;
    json_t      *root, *delta, *v;

    got->text[0] = '\0';

    (void) ngx_llmops_out_write(out, "", 1);

    for (p = (char *) out->data; p && (p = strstr(p, "data: {")); p = end) {
        p += 6;
        end = strstr(p, "\n\n");
        assert_non_null(end);

        root = json_loadb(p, end - p, 0, NULL);
        assert_non_null(root);

        delta = json_object_get(json_array_get(json_object_get(root,
                                "choices"), 0), "delta");
        v = json_object_get(delta, "content");

        if (tool) {
            v = json_object_get(json_object_get(json_array_get(
                    json_object_get(delta, "tool_calls"), 0), "function"),
                    "arguments");
        }

        if (json_is_string(v)) {
            strcat(got->text, json_string_value(v));
        }

        json_decref(root);
    }
}


static void
judge(judge_t *j, const char *request, ngx_llmops_reverse_t *rv,
    const char *text, size_t each, const char *tool, judged_t *got)
{
    char                event[9000], *dump;
    size_t              n;
    json_t             *delta;
    ngx_str_t           body;
    ngx_llmops_out_t    out;
    ngx_llmops_check_t  *check;

    ngx_llmops_out_init(&out, 1024 * 1024);

    check = ngx_llmops_check_create(&j->rules, NGX_LLMOPS_OP_CHAT);
    assert_non_null(check);

    body = *unit_str(request);
    assert_int_equal(ngx_llmops_check_request(check, &body, rv), NGX_OK);

    got->rc = NGX_OK;

    if (tool) {
        n = sprintf(event, "data: {\"choices\":[{\"index\":0,\"delta\":{"
                    "\"tool_calls\":[{\"index\":0,\"function\":{\"name\":"
                    "\"%s\",\"arguments\":\"\"}}]}}]}\n\n", tool);
        got->rc = ngx_llmops_check_events(check, (u_char *) event, n, &out);
    }

    while (*text && got->rc == NGX_OK) {
        n = ngx_min(each, strlen(text));

        /* no half of a character */

        while (text[n] && (text[n] & 0xc0) == 0x80) {
            n++;
        }

        delta = tool ? json_pack("{s:[{s:i,s:{s:s%}}]}", "tool_calls",
                                 "index", 0, "function", "arguments", text,
                                 n)
                     : json_pack("{s:s%}", "content", text, n);
        dump = json_dumps(delta, JSON_COMPACT);
        text += n;

        n = sprintf(event, "data: {\"choices\":[{\"index\":0,\"delta\":%s}]}"
                    "\n\n", dump);
        got->rc = ngx_llmops_check_events(check, (u_char *) event, n, &out);

        free(dump);
        json_decref(delta);
    }

    if (got->rc == NGX_OK) {
        n = sprintf(event, "data: {\"choices\":[{\"index\":0,\"delta\":{},"
                    "\"finish_reason\":\"stop\"}]}\n\ndata: [DONE]\n\n");
        got->rc = ngx_llmops_check_events(check, (u_char *) event, n, &out);
    }

    if (got->rc == NGX_OK) {
        got->rc = ngx_llmops_check_end(check, &out);
    }

    got->noted = ngx_llmops_check_noted(check);
    got->broken = ngx_llmops_check_broken(check);
    judge_collect(&out, tool != NULL, got);

    ngx_llmops_out_reset(&out);
    ngx_llmops_check_reason(check, &out);
    snprintf(got->reason, sizeof(got->reason), "%.*s", (int) out.len,
             (char *) out.data);

    ngx_llmops_out_free(&out);
    ngx_llmops_check_free(check);
}


static void
test_language(void **state)
{
    ngx_uint_t  i;
    uint64_t    want, got;

    static const struct {
        const char  *name;
        const char  *text;
    } cases[] = {
        { "en", "The capital of France is Paris, and it has been the largest "
                "city in the country for a long time." },
        { "de", "Die Hauptstadt von Frankreich ist Paris, und sie ist auch "
                "die gr\xc3\xb6\xc3\x9fte Stadt, die es dort gibt." },
        { "fr", "La capitale de la France est Paris, qui est aussi la plus "
                "grande ville du pays et le centre des affaires." },
        { "es", "La capital de Francia es Par\xc3\xads, que es tambi\xc3\xa9n "
                "la ciudad m\xc3\xa1s grande del pa\xc3\xads y el centro de "
                "los negocios, pero no para todos." },
        { "it", "La capitale della Francia \xc3\xa8 Parigi, che \xc3\xa8 "
                "anche la citt\xc3\xa0 pi\xc3\xb9 grande del paese, e non "
                "sono in molti a saperlo." },
        { "nl", "De hoofdstad van Frankrijk is Parijs, en dat is ook de "
                "grootste stad van het land, maar niet voor iedereen." },
        { "ru", "\xd0\xa1\xd1\x82\xd0\xbe\xd0\xbb\xd0\xb8\xd1\x86\xd0\xb0 "
                "\xd0\xa4\xd1\x80\xd0\xb0\xd0\xbd\xd1\x86\xd0\xb8\xd0\xb8 "
                "\xd1\x8d\xd1\x82\xd0\xbe \xd0\x9f\xd0\xb0\xd1\x80\xd0\xb8"
                "\xd0\xb6, \xd0\xbe\xd1\x87\xd0\xb5\xd0\xbd\xd1\x8c" },
        { "ja", "\xe3\x83\x95\xe3\x83\xa9\xe3\x83\xb3\xe3\x82\xb9\xe3\x81\xae"
                "\xe9\xa6\x96\xe9\x83\xbd\xe3\x81\xaf\xe3\x83\x91\xe3\x83\xaa"
                "\xe3\x81\xa7\xe3\x81\x99\xe3\x80\x82\xe3\x81\x9d\xe3\x82\x8c"
                "\xe3\x81\xaf\xe5\xa4\xa7\xe3\x81\x8d\xe3\x81\x84" },
        { "zh", "\xe6\xb3\x95\xe5\x9b\xbd\xe7\x9a\x84\xe9\xa6\x96\xe9\x83\xbd"
                "\xe6\x98\xaf\xe5\xb7\xb4\xe9\xbb\x8e\xef\xbc\x8c\xe5\xae\x83"
                "\xe4\xb9\x9f\xe6\x98\xaf\xe8\xaf\xa5\xe5\x9b\xbd\xe6\x9c\x80"
                "\xe5\xa4\xa7\xe7\x9a\x84\xe5\x9f\x8e\xe5\xb8\x82" },

        /* what cannot be said */

        { "", "" },
        { "", "42" },
        { "", "Paris" },
        { "", "```\nif (the and for of to in is that) { the }\n```\n" },
        { "", "\xff\xfe\x80 \xc3" },
    };

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        want = ngx_llmops_language_bit(unit_str(cases[i].name));
        got = ngx_llmops_language((u_char *) cases[i].text,
                                  strlen(cases[i].text));

        if (got != want) {
            print_error("%s: %s\n", cases[i].name, cases[i].text);
        }

        assert_true(got == want);
    }

    assert_true(ngx_llmops_language_bit(unit_str("xx")) == 0);
}


static void
test_language_rule(void **state)
{
    judge_t     j;
    judged_t    got;

    static const char  german[] =
        "Die Hauptstadt von Frankreich ist Paris, und sie ist auch die "
        "sch\xc3\xb6nste Stadt, die es dort gibt. ";
    char        text[1000];

    judge_init(&j, NGX_LLMOPS_RULE_LANGUAGE, NGX_LLMOPS_ACT_STOP);
    j.rule[0].languages = ngx_llmops_language_bit(unit_str("en"));

    judge(&j, "{}", NULL, german, 7, NULL, &got);
    assert_int_equal(got.rc, NGX_DECLINED);
    assert_non_null(strstr(got.reason, "wrong language"));

    /* long before the end */

    snprintf(text, sizeof(text), "%s%s%s%s%s%s%s%s", german, german, german,
             german, german, german, german, german);
    judge(&j, "{}", NULL, text, 10, NULL, &got);
    assert_int_equal(got.rc, NGX_DECLINED);
    assert_true(strlen(got.text) < 420);

    j.rule[0].languages |= ngx_llmops_language_bit(unit_str("de"));
    judge(&j, "{}", NULL, german, 7, NULL, &got);
    assert_int_equal(got.rc, NGX_OK);
    assert_string_equal(got.text, german);
}


static void
test_ground(void **state)
{
    ngx_uint_t             i, share;
    ngx_llmops_ground_t   *g;

    static const char  context[] =
        "Alder Ltd was founded in 1962 by Mary Quince in the town of "
        "Harrow. It has 1,250 employees and makes wooden furniture. "
        "\"Good wood takes its time,\" she said.";

    static const struct {
        const char  *text;
        ngx_uint_t   share;
    } cases[] = {
        { "Alder was founded in 1962 by Mary Quince.", 1000 },
        { "Alder was founded in 1963 by Mary Quince.", 0 },
        { "It has 1250 employees.", 1000 },
        { "It was founded by Mary Quince. It has 3000 employees.", 500 },
        { "She said \"good wood takes its time\".", 1000 },
        { "She said \"good wood takes forever\".", 0 },
        { "The moon consists of green cheese, astronomers claim.", 0 },
        { "Sure!", 1000 },
        { "", 1000 },
        { "- founded in 1962\n- makes furniture in Harrow\n- listed in "
          "Frankfurt since yesterday\n", 666 },
    };

    g = ngx_llmops_ground_create();
    assert_int_equal(ngx_llmops_ground_add(g, (u_char *) context,
                                           sizeof(context) - 1), NGX_OK);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        share = ngx_llmops_ground_share(g, (u_char *) cases[i].text,
                                        strlen(cases[i].text));

        if (share != cases[i].share) {
            print_error("%s\n", cases[i].text);
        }

        assert_int_equal(share, cases[i].share);
    }

    ngx_llmops_ground_free(g);
}


static void
test_ground_rule(void **state)
{
    judge_t   j;
    judged_t  got;

    static const char  request[] =
        "{\"messages\":[{\"role\":\"system\",\"content\":\"The shop opens at 9 "
        "in the morning.\"},{\"role\":\"user\",\"content\":[{\"type\":"
        "\"text\",\"text\":\"When does the shop close? It \\u0063loses at "
        "18.\"}]},{\"role\":\"assistant\",\"content\":\"At 23.\"}]}";

    judge_init(&j, NGX_LLMOPS_RULE_GROUND, NGX_LLMOPS_ACT_STOP);
    j.rule[0].min = 700;

    judge(&j, request, NULL, "The shop opens at 9. It closes at 18.", 3, NULL,
          &got);
    assert_int_equal(got.rc, NGX_OK);

    /* what the assistant has said supports nothing */

    judge(&j, request, NULL, "The shop opens at 9. It closes at 23.", 3, NULL,
          &got);
    assert_int_equal(got.rc, NGX_DECLINED);
    assert_non_null(strstr(got.reason, "does not support"));
}


static void
test_tokens(void **state)
{
    judge_t   j;
    judged_t  got;

    judge_init(&j, NGX_LLMOPS_RULE_TOKENS, NGX_LLMOPS_ACT_STOP);
    j.rule[0].max = 20;
    j.rule[0].min = 3;

    judge(&j, "{}", NULL, "some words, not many", 5, NULL, &got);
    assert_int_equal(got.rc, NGX_OK);
    judge(&j, "{}", NULL, "no", 5, NULL, &got);
    assert_int_equal(got.rc, NGX_DECLINED);
    judge(&j, "{}", NULL, "some words, and more of them, and then again some "
          "others that nobody has asked for, and so on, and on, and on", 5,
          NULL, &got);
    assert_int_equal(got.rc, NGX_DECLINED);
    assert_true(strlen(got.text) > 30 && strlen(got.text) < 110);
}


static void
test_tools(void **state)
{
    judge_t     j;
    judged_t    got;
    size_t      each;
    ngx_uint_t  i, k;

    static const char *const  requests[] = {
        "{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"other\"}},"
        "{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":"
        "{\"type\":\"object\",\"properties\":{\"n\":{\"type\":\"integer\"}},"
        "\"required\":[\"n\"]}}},"
        "{\"type\":\"function\",\"function\":{\"name\":\"none\"}}]}",
        "{\"tools\":[{\"name\":\"f\",\"input_schema\":{\"type\":\"object\","
        "\"properties\":{\"n\":{\"type\":\"integer\"}},\"required\":[\"n\"]}},"
        "{\"name\":\"none\"}]}",
    };

    static const struct {
        const char  *name;
        const char  *arguments;
        ngx_int_t    rc;
        const char  *out;
    } cases[] = {
        { "f", "{\"n\": 1}", NGX_OK, "{\"n\": 1}" },
        { "f", "{\"n\": \"1\"}", NGX_DECLINED, "{\"n\": " },
        { "f", "{\"n\": 1", NGX_DECLINED, NULL },
        { "f", "", NGX_DECLINED, "" },
        { "none", "{\"x\": [1]}", NGX_OK, NULL },
        { "none", "", NGX_OK, "" },
        { "none", "no json", NGX_DECLINED, "n" },
        { "g", "{}", NGX_DECLINED, "" },
    };

    judge_init(&j, NGX_LLMOPS_RULE_TOOLS, NGX_LLMOPS_ACT_STOP);

    for (k = 0; k < sizeof(requests) / sizeof(requests[0]); k++) {
        for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
            for (each = 1; each < 9; each += 3) {
                judge(&j, requests[k], NULL, cases[i].arguments, each,
                      cases[i].name, &got);
                assert_int_equal(got.rc, cases[i].rc);

                if (cases[i].out && each == 1) {
                    assert_string_equal(got.text, cases[i].out);
                }
            }
        }
    }

    judge(&j, requests[0], NULL, "{\"n\": \"1\"}", 1, "f", &got);
    assert_non_null(strstr(got.reason, "\"type\""));
}


/* arguments of a whole answer of messages: an object */

static void
test_tools_whole(void **state)
{
    judge_t              j;
    ngx_str_t            request, body;
    ngx_uint_t           i;
    ngx_llmops_out_t     out;
    ngx_llmops_check_t  *check;

    static const struct {
        const char  *body;
        ngx_int_t    rc;
    } cases[] = {
        { "{\"content\":[{\"type\":\"tool_use\",\"name\":\"f\",\"input\":{\"n\""
          ":1}}],\"stop_reason\":\"tool_use\"}", NGX_OK },
        { "{\"content\":[{\"type\":\"tool_use\",\"input\":{\"n\":\"x\"},"
          "\"name\":\"f\"}],\"stop_reason\":\"tool_use\"}", NGX_DECLINED },
        { "{\"content\":[{\"type\":\"server_tool_use\",\"input\":{\"n\":\"x\"},"
          "\"name\":\"web\"}],\"stop_reason\":\"tool_use\"}", NGX_OK },
    };

    judge_init(&j, NGX_LLMOPS_RULE_TOOLS, NGX_LLMOPS_ACT_STOP);
    request = *unit_str("{\"tools\":[{\"name\":\"f\",\"input_schema\":{"
                        "\"properties\":{\"n\":{\"type\":\"integer\"}}}}]}");

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check = ngx_llmops_check_create(&j.rules, NGX_LLMOPS_OP_MESSAGES);
        (void) ngx_llmops_check_request(check, &request, NULL);

        ngx_llmops_out_init(&out, 100000);
        body = *unit_str(cases[i].body);

        assert_int_equal(ngx_llmops_check_body(check, &body, &out),
                         cases[i].rc);

        ngx_llmops_out_free(&out);
        ngx_llmops_check_free(check);
    }
}


static void
test_repair(void **state)
{
    judge_t     j;
    json_t     *root;
    size_t      each;
    judged_t    got;
    ngx_uint_t  i;
    char        err[256];

    static const struct {
        const char  *text;
        ngx_int_t    rc;
        ngx_uint_t   noted;
        const char  *out;
    } cases[] = {
        { "{\"n\": \"x\"}", NGX_OK, 0, "{\"n\": \"x\"}" },
        { " \n{\"n\": \"x\"}\n", NGX_OK, 0, "{\"n\": \"x\"}" },
        { "```json\n{\"n\": \"x\"}\n```", NGX_OK, 1, "{\"n\": \"x\"}" },
        { "Here it is:\n```\n{\"n\": \"x\"}\n```\nHope it helps {}.", NGX_OK,
          1, "{\"n\": \"x\"}" },
        { "{\"n\": \"x", NGX_OK, 1, "{\"n\": \"x\"}" },
        { "{\"n\": \"x\", ", NGX_OK, 1, "{\"n\": \"x\"}" },
        { "{\"n\": \"x\", \"m\": [1, {\"a\": tr", NGX_OK, 1,
          "{\"n\": \"x\", \"m\": [1, {\"a\": true}]}" },
        { "{\"n\": \"x\", \"m\": -", NGX_OK, 1,
          "{\"n\": \"x\", \"m\": -0}" },
        { "{\"n\": \"x\", \"m", NGX_OK, 1, "{\"n\": \"x\", \"m\":null}" },
        { "{\"n\": \"x\", \"m\"", NGX_OK, 1, "{\"n\": \"x\", \"m\":null}" },
        { "{\"n\": \"x\", \"m\": ", NGX_OK, 1,
          "{\"n\": \"x\", \"m\": null}" },
        { "{\"n\": \"x\\", NGX_OK, 1, "{\"n\": \"x\\\\\"}" },
        { "{\"n\": \"x\\u00", NGX_OK, 1, "{\"n\": \"x\\u0000\"}" },
        { "{\"n\": \"x\", \"m\": [1, 2, ], }", NGX_OK, 1,
          "{\"n\": \"x\", \"m\": [1, 2]}" },
        { "{\"n\": \"a, b\" ,\n  \"m\": 1}", NGX_OK, 0,
          "{\"n\": \"a, b\" ,\n  \"m\": 1}" },

        /* what cannot be */

        { "{\"n\": ", NGX_DECLINED, 1, NULL },
        { "{\"n\": 1}", NGX_DECLINED, 1, NULL },
        { "{\"m\": 1", NGX_DECLINED, 1, NULL },
        { "{n: 1}", NGX_DECLINED, 1, NULL },
        { "I cannot do that.", NGX_DECLINED, 1, NULL },
    };

    root = json_loads("{\"type\":\"object\",\"required\":[\"n\"],"
                      "\"properties\":{\"n\":{\"type\":\"string\"}}}", 0,
                      NULL);

    judge_init(&j, NGX_LLMOPS_RULE_JSON, NGX_LLMOPS_ACT_REPAIR);
    j.rule[0].schema = ngx_llmops_jschema_compile(root, NULL, err,
                                                  sizeof(err));
    json_decref(root);
    assert_non_null(j.rule[0].schema);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (each = 1; each < 100; each = each * 2 + 1) {
            judge(&j, "{}", NULL, cases[i].text, each, NULL, &got);

            if (got.rc != cases[i].rc) {
                print_error("%s\n", cases[i].text);
            }

            assert_int_equal(got.rc, cases[i].rc);
            assert_int_equal(got.noted, cases[i].noted);

            if (cases[i].out) {
                assert_string_equal(got.text, cases[i].out);
            }
        }
    }

    ngx_llmops_jschema_free(j.rule[0].schema);
}


static void
test_restore(void **state)
{
    judge_t                j;
    judged_t               got;
    size_t                 each;
    ngx_str_t              body, name;
    ngx_llmops_out_t       out;
    ngx_llmops_reverse_t  *rv;

    body = *unit_str("{\"x\":\"[EMAIL_1] is taken\"}");
    name = *unit_str("personal.email");

    rv = ngx_llmops_reverse_create(&body);
    ngx_llmops_out_init(&out, 1000);

    assert_false(ngx_llmops_reverse_used(rv));

    ngx_llmops_reverse_put(rv, &name, (u_char *) "a\"b@c.de", 8, &out);
    ngx_llmops_reverse_put(rv, &name, (u_char *) "x@y.z", 5, &out);
    ngx_llmops_reverse_put(rv, &name, (u_char *) "a\"b@c.de", 8, &out);
    (void) ngx_llmops_out_write(&out, "", 1);

    assert_string_equal((char *) out.data, "[EMAIL_2][EMAIL_3][EMAIL_2]");
    assert_true(ngx_llmops_reverse_used(rv));
    assert_false(ngx_llmops_reverse_failed(rv));

    judge_init(&j, NGX_LLMOPS_RULE_TOKENS, NGX_LLMOPS_ACT_MARK);
    j.rules.nrules = 0;

    for (each = 1; each < 60; each++) {
        judge(&j, "{}", rv, "to [EMAIL_2] and [EMAIL_3]! [[EMAIL_2] [EMAIL_1] "
              "[EMAIL_2 [EMAI", each, NULL, &got);
        assert_int_equal(got.rc, NGX_OK);
        assert_string_equal(got.text, "to a\"b@c.de and x@y.z! [a\"b@c.de "
                            "[EMAIL_1] [EMAIL_2 [EMAI");

        /* in arguments, as JSON has it */

        judge(&j, "{}", rv, "{\"to\": \"[EMAIL_2]\"}", each, "f", &got);
        assert_string_equal(got.text, "{\"to\": \"a\\\"b@c.de\"}");
    }

    ngx_llmops_out_free(&out);
    ngx_llmops_reverse_free(rv);
}


static void
test_hide(void **state)
{
    size_t                 i;
    ngx_str_t              body = ngx_string("{}");
    ngx_str_t              name = ngx_string("personal.email");
    ngx_llmops_out_t       out;
    ngx_llmops_reverse_t  *rv;

    (void) state;

    rv = ngx_llmops_reverse_create(&body);
    ngx_llmops_out_init(&out, 1 << 20);

    /* nothing to hide */

    (void) ngx_llmops_out_lit(&out, "a@b.c");
    assert_int_equal(ngx_llmops_reverse_hide(rv, &out), NGX_OK);
    assert_memory_equal(out.data, "a@b.c", 5);

    ngx_llmops_out_reset(&out);
    ngx_llmops_reverse_put(rv, &name, (u_char *) "a@b.c", 5, &out);
    ngx_llmops_reverse_put(rv, &name, (u_char *) "aa@b.c", 6, &out);
    ngx_llmops_out_reset(&out);

    (void) ngx_llmops_out_lit(&out, "a@b.c, aa@b.c: a@b.ca@b.c a@b.");
    assert_int_equal(ngx_llmops_reverse_hide(rv, &out), NGX_OK);
    assert_int_equal(out.len, 45);
    assert_memory_equal(out.data,
                        "[EMAIL_1], [EMAIL_2]: [EMAIL_1][EMAIL_1] a@b.", 45);

    ngx_llmops_out_free(&out);

    /* more than may be compared */

    ngx_llmops_out_init(&out, 64 << 20);

    for (i = 0; i < 33; i++) {
        assert_int_equal(ngx_llmops_out_write(&out,
                             (u_char[1 << 20]) { 0 }, 1 << 20), NGX_OK);
    }

    assert_int_equal(ngx_llmops_reverse_hide(rv, &out), NGX_ERROR);

    ngx_llmops_out_free(&out);
    ngx_llmops_reverse_free(rv);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_language),
        cmocka_unit_test(test_language_rule),
        cmocka_unit_test(test_ground),
        cmocka_unit_test(test_ground_rule),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_tools),
        cmocka_unit_test(test_tools_whole),
        cmocka_unit_test(test_repair),
        cmocka_unit_test(test_restore),
        cmocka_unit_test(test_hide),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
