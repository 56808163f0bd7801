
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "check_run.h"


/*
 * Rules on answers of the Responses API, which tells each text several times:
 * all of them say the same, whatever is cut where, and what the whole answer
 * says; events are numbered without a gap.
 */


#define TEXT    8192
#define EVENTS  (64 * TEXT)


typedef struct {
    char        *p;
    ngx_uint_t   n;                        /* of the next event */
} events_t;


static char *
quoted(const char *text, size_t len)
{
    char    *s;
    json_t  *piece;

    piece = json_stringn(text, len);
    s = json_dumps(piece, JSON_ENCODE_ANY|JSON_ENSURE_ASCII);
    json_decref(piece);

    return s;
}


static void
event(events_t *e, const char *type, const char *members, ...)
{
    va_list  args;

    e->p += sprintf(e->p, "event: response.%s\ndata: {\"type\":\"response.%s\","
                    "\"sequence_number\":%zu,", type, type, e->n++);

    va_start(args, members);
    e->p += vsprintf(e->p, members, args);
    va_end(args);

    e->p += sprintf(e->p, "}\n\n");
}


#define PLACE  "\"item_id\":\"msg_1\",\"output_index\":1,\"content_index\":0"
#define ITEM                                                                  \
    "{\"id\":\"msg_1\",\"type\":\"message\",\"content\":[{\"type\":"          \
    "\"output_text\",\"annotations\":[],\"logprobs\":[],\"text\":%s}]}"
#define CALL                                                                  \
    "{\"id\":\"fc_1\",\"type\":\"function_call\",\"call_id\":\"call_1\","     \
    "\"name\":\"%s\",\"arguments\":%s}"
#define THOUGHT                                                               \
    "{\"id\":\"rs_1\",\"type\":\"reasoning\",\"summary\":[{\"type\":"         \
    "\"summary_text\",\"text\":%s}]}"


/* with each 0 there are no deltas, as of some servers */

static size_t
message_events(char *buf, const char *text, size_t each)
{
    char      *all, *s;
    size_t     n, len;
    events_t   e;

    e.p = buf;
    e.n = 0;
    all = quoted(text, strlen(text));

    event(&e, "created", "\"response\":{\"id\":\"resp_1\",\"output\":[]}");
    event(&e, "output_item.done", "\"output_index\":0,\"item\":{\"type\":"
          "\"web_search_call\"}");
    event(&e, "output_item.added", "\"output_index\":1,\"item\":{\"id\":"
          "\"msg_1\",\"type\":\"message\",\"content\":[]}");
    event(&e, "content_part.added", PLACE ",\"part\":{\"type\":"
          "\"output_text\",\"text\":\"\"}");

    for (len = each ? strlen(text) : 0; len; len -= n, text += n) {

        for (n = ngx_min(each, len);
             n < len && ((u_char) text[n] & 0xc0) == 0x80; n++)
        { /* void */ }

        s = quoted(text, n);
        event(&e, "output_text.delta", PLACE ",\"delta\":%s,\"logprobs\":[{"
              "\"token\":%s}]", s, s);
        free(s);
    }

    event(&e, "output_text.done", PLACE ",\"text\":%s", all);
    event(&e, "content_part.done", PLACE ",\"part\":{\"type\":"
          "\"output_text\",\"text\":%s}", all);
    event(&e, "output_item.done", "\"output_index\":1,\"item\":" ITEM, all);
    event(&e, "completed", "\"response\":{\"status\":\"completed\","
          "\"output\":[{\"type\":\"web_search_call\"}," ITEM "]}", all);

    free(all);

    return e.p - buf;
}


/* the texts of an output, joined */

static void
output(json_t *array, char *to)
{
    size_t   i, k;
    json_t  *item, *part;

    *to = '\0';

    json_array_foreach(array, i, item) {
        json_array_foreach(json_object_get(item, "content"), k, part)
        {
            strcat(to, json_string_value(json_object_get(part, "text")));
        }
    }
}


/* all that the events say, each time that they do so; the numbers go on */

typedef struct {
    char        deltas[TEXT];
    char        done[4][TEXT];
    ngx_uint_t  ndone;
    ngx_uint_t  odds;                      /* deltas that have some */
} said_t;


static void
said_event(said_t *said, json_t *root, const char *type)
{
    json_t  *v;

    if (strcmp(type, "response.output_text.delta") == 0) {
        v = json_object_get(root, "delta");
        assert_non_null(json_object_get(root, "item_id"));
        strcat(said->deltas, json_string_value(v));
        said->odds += json_array_size(json_object_get(root, "logprobs"));

    } else if (strcmp(type, "response.output_text.done") == 0) {
        v = json_object_get(root, "text");
        strcpy(said->done[said->ndone++], json_string_value(v));

    } else if (strcmp(type, "response.content_part.done") == 0) {
        v = json_object_get(json_object_get(root, "part"), "text");
        strcpy(said->done[said->ndone++], json_string_value(v));

    } else if (strcmp(type, "response.output_item.done") == 0
               && json_integer_value(json_object_get(root, "output_index")))
    {
        v = json_pack("[O]", json_object_get(root, "item"));
        output(v, said->done[said->ndone++]);
        json_decref(v);

    } else if (strcmp(type, "response.completed") == 0) {
        v = json_object_get(json_object_get(root, "response"), "output");
        output(v, said->done[said->ndone++]);
    }
}


static void
said_read(ngx_llmops_out_t *out, said_t *said)
{
    u_char                  *p, *last;
    json_t                  *root;
    ngx_uint_t               n;
    ngx_llmops_sse_t         sse;
    ngx_llmops_sse_event_t   ev;

    memset(said, 0, sizeof(said_t));
    n = 0;
    p = out->data;
    last = p + out->len;

    ngx_llmops_sse_init(&sse, EVENTS);

    while (ngx_llmops_sse_next(&sse, &p, last, &ev) == NGX_OK) {
        root = json_loadb((char *) ev.data.data, ev.data.len, 0, NULL);
        assert_non_null(root);

        assert_int_equal(json_integer_value(json_object_get(root,
                                                        "sequence_number")),
                         n++);
        said_event(said, root,
                   json_string_value(json_object_get(root, "type")));

        json_decref(root);
    }

    ngx_llmops_sse_free(&sse);
}


static void
whole(check_rules_t *c, const char *text, char *got, check_result_t *r)
{
    char     buf[TEXT * 2], *s;
    size_t   len;
    json_t  *root;

    s = quoted(text, strlen(text));
    len = sprintf(buf, "{\"object\":\"response\",\"status\":\"completed\","
                  "\"text\":{\"format\":{\"type\":\"text\"}},\"output\":["
                  ITEM "]}", s);
    free(s);

    check_body(c, NGX_LLMOPS_OP_RESPONSES, buf, len, r);

    got[0] = '\0';

    if (r->rc == NGX_OK) {
        root = json_loadb((char *) r->out.data, r->out.len, 0, NULL);
        assert_non_null(root);
        output(json_object_get(root, "output"), got);
        json_decref(root);
    }
}


static void
check_same(check_rules_t *c, const char *text, size_t each, size_t split,
    check_result_t *w, const char *one, char *first)
{
    static char  events[EVENTS];

    size_t           i, len;
    said_t           said;
    check_result_t   r;

    len = message_events(events, text, each);

    check_stream(c, NGX_LLMOPS_OP_RESPONSES, events, len, split, &r);

    assert_int_equal(r.rc, w->rc);
    assert_ptr_equal(r.broken, w->broken);

    said_read(&r.out, &said);

    if (w->rc == NGX_OK) {
        assert_int_equal(r.noted, w->noted);
        assert_int_equal(said.ndone, 4);

        for (i = 0; i < 4; i++) {
            assert_string_equal(said.done[i], one);
        }

        if (each) {
            assert_string_equal(said.deltas, one);
        }

        /* tokens do not tell what the text does not */

        if (each > strlen(text) && strcmp(one, text) != 0) {
            assert_int_equal(said.odds, 0);
        }

    } else if (each && r.broken == &c->rule[CHECK_SECRET]) {

        /* the same beginning, however it came, and nowhere more */

        if (*first == '\0') {
            strcpy(first, said.deltas);
        }

        assert_string_equal(said.deltas, first);
        assert_int_equal(said.ndone, 0);
    }

    check_release(&r);
}


static void
check_text(check_rules_t *c, const char *text)
{
    char            one[TEXT], first[TEXT];
    size_t          each, split;
    check_result_t  w;

    whole(c, text, one, &w);
    first[0] = '\0';

    for (each = 0; each <= strlen(text) + 1; each++) {
        for (split = 1; split < EVENTS; split = split * 7 + 2) {
            check_same(c, text, each, split, &w, one, first);
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
    "{\"n\": \"ann@example.org\"}",
    "{\"n\": 1}",
    "{\"n\": \"x\"",
    "```json\n{\"n\": \"a needed text\"}\n```\n",
};


static void
test_texts(void **state)
{
    ngx_uint_t     i, k;
    check_rules_t  c;

    for (k = 0; k < 4; k++) {
        check_setup(&c, k > 0, k ? k - 1 : 0);

        for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
            check_text(&c, texts[i]);
        }

        check_teardown(&c);
    }
}


/* arguments against the request's tools; they and reasoning have patterns */

static size_t
call_events(char *buf, const char *name, const char *arguments,
    const char *thought)
{
    char      *all, *summary, *s;
    size_t     i;
    events_t   e;

    e.p = buf;
    e.n = 0;
    all = quoted(arguments, strlen(arguments));
    summary = quoted(thought, strlen(thought));

    event(&e, "created", "\"response\":{\"id\":\"resp_1\",\"output\":[]}");
    event(&e, "reasoning_summary_part.added", "\"item_id\":\"rs_1\","
          "\"output_index\":0,\"summary_index\":0,\"part\":{\"type\":"
          "\"summary_text\",\"text\":\"\"}");

    for (i = 0; thought[i]; i++) {
        s = quoted(thought + i, 1);
        event(&e, "reasoning_summary_text.delta", "\"item_id\":\"rs_1\","
              "\"output_index\":0,\"summary_index\":0,\"delta\":%s", s);
        free(s);
    }

    event(&e, "reasoning_summary_text.done", "\"item_id\":\"rs_1\","
          "\"output_index\":0,\"summary_index\":0,\"text\":%s", summary);
    event(&e, "output_item.done", "\"output_index\":0,\"item\":" THOUGHT,
          summary);
    event(&e, "output_item.added", "\"output_index\":1,\"item\":" CALL, name,
          "\"\"");

    for (i = 0; arguments[i]; i++) {
        s = quoted(arguments + i, 1);
        event(&e, "function_call_arguments.delta", "\"item_id\":\"fc_1\","
              "\"output_index\":1,\"delta\":%s", s);
        free(s);
    }

    event(&e, "function_call_arguments.done", "\"item_id\":\"fc_1\","
          "\"output_index\":1,\"arguments\":%s", all);
    event(&e, "output_item.done", "\"output_index\":1,\"item\":" CALL, name,
          all);
    event(&e, "completed", "\"response\":{\"status\":\"completed\","
          "\"output\":[" THOUGHT "," CALL "]}", summary, name, all);

    free(all);
    free(summary);

    return e.p - buf;
}


static void
test_calls(void **state)
{
    static char  events[EVENTS];

    char            thoughts[TEXT];
    size_t          len, split;
    said_t          said;
    ngx_uint_t      i;
    check_rules_t   c;
    check_result_t  r, w;

    static const struct {
        const char  *name;
        const char  *arguments;
        ngx_int_t    rc;
        ngx_int_t    broken;
    } cases[] = {
        { "f", "{\"n\": 12}", NGX_OK, -1 },
        { "f", "{\"n\": \"12\"}", NGX_DECLINED, CHECK_TOOLS },
        { "f", "{\"n\": 1", NGX_DECLINED, CHECK_TOOLS },
        { "f", "", NGX_OK, -1 },
        { "g", "{\"mail\": \"ann@b.de\"}", NGX_OK, -1 },
        { "g", "{\"key\": \"SECRET_\\u0061bcdef\"}", NGX_DECLINED,
          CHECK_SECRET },
        { "h", "{}", NGX_DECLINED, CHECK_TOOLS },
    };

    check_setup(&c, 0, 0);
    c.rule[CHECK_TOOLS].action = NGX_LLMOPS_ACT_NEXT;

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        len = call_events(events, cases[i].name, cases[i].arguments,
                          "ask ann@b.de first");

        for (split = 1; split < EVENTS; split = split * 7 + 2) {
            check_stream(&c, NGX_LLMOPS_OP_RESPONSES, events, len, split, &r);

            assert_int_equal(r.rc, cases[i].rc);
            assert_ptr_equal(r.broken, cases[i].broken < 0
                                       ? NULL : &c.rule[cases[i].broken]);
            said_read(&r.out, &said);

            /* neither piece by piece nor whole */

            r.out.data[r.out.len - 1] = '\0';
            assert_null(strstr((char *) r.out.data, "SECRET_abcdef"));
            assert_null(strstr((char *) r.out.data, "ann@b.de"));
            assert_non_null(strstr((char *) r.out.data, "ask [MAIL] first"));

            check_release(&r);
        }

        len = sprintf(thoughts, "{\"status\":\"completed\",\"output\":["
                      THOUGHT ",", "\"to ann@b.de\"");
        len += sprintf(thoughts + len, CALL "]}", cases[i].name,
                       cases[i].arguments[0] ? "\"{\\\"n\\\":1}\"" : "\"\"");

        check_body(&c, NGX_LLMOPS_OP_RESPONSES, thoughts, len, &w);
        assert_int_equal(w.rc, cases[i].name[0] == 'h' ? NGX_DECLINED
                                                       : NGX_OK);
        check_release(&w);
    }

    check_teardown(&c);
}


/* what some servers do, and what nobody should */

static const struct {
    const char  *text;
    ngx_int_t    rc;
    const char  *has;
} odd[] = {

    /* nothing is told but at the end */
    { "data: {\"type\":\"response.completed\",\"response\":{\"output\":[{"
      "\"type\":\"message\",\"content\":[{\"text\":\"ann@b.de \"}]}]}}\n\n",
      NGX_OK, "\"[MAIL] \"" },

    /* one text in two items is two texts */
    { "data: {\"type\":\"response.output_text.delta\",\"output_index\":0,"
      "\"delta\":\"SECRET_\"}\n\n"
      "data: {\"type\":\"response.output_text.delta\",\"output_index\":1,"
      "\"delta\":\"abcdef \"}\n\n", NGX_OK, "abcdef " },

    /* the end says what the pieces did not */
    { "data: {\"type\":\"response.output_text.delta\",\"delta\":\"a\"}\n\n"
      "data: {\"type\":\"response.output_text.done\",\"text\":"
      "\"SECRET_abcdef \"}\n\n", NGX_DECLINED, NULL },

    /* a type that is spelled with escapes, and one that nobody knows */
    { "data: {\"type\":\"response.output_te\\u0078t.delta\",\"delta\":"
      "\"SECRET_abcdef \"}\n\n", NGX_DECLINED, NULL },
    { "data: {\"type\":\"response.new_text.delta\",\"delta\":"
      "\"ann@b.de \"}\n\n", NGX_OK, "[MAIL] " },
    { "data: {\"delta\":\"ann@b.de \"}\n\n", NGX_OK, "[MAIL] " },
    { "data: {\"type\":\"response.output_text.delta\",\"delta\":{"
      "\"text\":\"ann@b.de \"}}\n\n", NGX_OK, "[MAIL] " },

    /* strings of an object, in an item that has an id */
    { "data: {\"type\":\"response.function_call_arguments.delta\","
      "\"item_id\":\"fc_1\",\"delta\":{\"a\":\"ann@b.de \"}}\n\n", NGX_OK,
      "[MAIL] " },

    /* a free text is no JSON */
    { "data: {\"type\":\"response.custom_tool_call_input.delta\","
      "\"delta\":\"\\\\u0061nn@b.de C:\\\\new \"}\n\n", NGX_OK,
      "\\\\u0061" },

    /* refusals, code, what a tool has said */
    { "data: {\"type\":\"response.refusal.delta\",\"delta\":"
      "\"SECRET_abcdef \"}\n\n", NGX_DECLINED, NULL },
    { "data: {\"type\":\"response.output_item.done\",\"item\":{\"type\":"
      "\"mcp_call\",\"output\":\"SECRET_abcdef \"}}\n\n", NGX_DECLINED,
      NULL },
    { "data: {\"type\":\"response.output_item.done\",\"item\":{\"type\":"
      "\"code_interpreter_call\",\"code\":\"ann@b.de \"}}\n\n", NGX_OK,
      "[MAIL]" },

    /* sounds and errors pass */
    { "data: {\"type\":\"response.audio.delta\",\"delta\":"
      "\"SECRET_abcdef \"}\n\n", NGX_OK, "SECRET_abcdef" },
    { "data: {\"type\":\"error\",\"message\":\"x\"}\n\n", NGX_OK,
      "\"x\"" },
    { "data: {\"type\":\"response.failed\",\"response\":{\"output\":[{"
      "\"type\":\"message\",\"content\":[{\"text\":\"ann@b.de \"}]}]}}\n\n",
      NGX_OK, "[MAIL]" },
};


static void
test_odd(void **state)
{
    ngx_uint_t      i;
    check_rules_t   c;
    check_result_t  r;

    check_setup(&c, 0, 0);

    for (i = 0; i < sizeof(odd) / sizeof(odd[0]); i++) {
        check_stream(&c, NGX_LLMOPS_OP_RESPONSES, odd[i].text,
                     strlen(odd[i].text), 11, &r);
        assert_int_equal(r.rc, odd[i].rc);

        if (odd[i].has) {
            (void) ngx_llmops_out_lit(&r.out, "\0");
            assert_non_null(strstr((char *) r.out.data, odd[i].has));
        }

        check_release(&r);
    }

    check_teardown(&c);
}


/* each text is a document of its own; a response that fails owes none */

static void
test_documents(void **state)
{
    ngx_uint_t      i;
    check_rules_t   c;
    check_result_t  r;

    static const struct {
        const char  *text;
        ngx_int_t    rc;
    } cases[] = {
        { "{\"output\":[{\"type\":\"message\",\"content\":[{\"text\":"
          "\"{\\\"n\\\":\\\"x\\\"}\"},{\"text\":\"{\\\"n\\\":\\\"y\\\"}\"}]}]}",
          NGX_OK },
        { "{\"output\":[{\"type\":\"message\",\"content\":[{\"text\":"
          "\"{\\\"n\\\":\\\"x\\\"}\"},{\"text\":\"{\\\"n\\\":1}\"}]}]}",
          NGX_DECLINED },
        { "{\"output\":[{\"type\":\"message\",\"content\":[{\"text\":"
          "\"{\\\"n\\\":\"}]}]}", NGX_DECLINED },
        { "{\"status\":\"failed\",\"output\":[{\"type\":\"message\","
          "\"content\":[]}]}", NGX_OK },
        { "{\"output\":[]}", NGX_DECLINED },
        { "{\"output\":[{\"type\":\"function_call\",\"name\":\"g\","
          "\"arguments\":\"{}\"}]}", NGX_OK },
    };

    check_setup(&c, 1, 0);

    for (i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_body(&c, NGX_LLMOPS_OP_RESPONSES, cases[i].text,
                   strlen(cases[i].text), &r);
        assert_int_equal(r.rc, cases[i].rc);
        check_release(&r);
    }

    check_teardown(&c);
}


/* the end of a stream whose rest is replaced */

static void
test_replace(void **state)
{
    static char  events[EVENTS];

    char                *text;
    size_t               len;
    ngx_str_t            with;
    ngx_llmops_out_t     out;
    check_rules_t        c;
    ngx_llmops_check_t  *check;

    check_setup(&c, 0, 0);
    c.rule[CHECK_SECRET].action = NGX_LLMOPS_ACT_REPLACE;

    len = message_events(events, "write to ann@b.de: SECRET_abcdef !", 3);
    ngx_llmops_out_init(&out, EVENTS);

    check = ngx_llmops_check_create(&c.rules, NGX_LLMOPS_OP_RESPONSES);
    assert_int_equal(ngx_llmops_check_events(check, (u_char *) events, len,
                                             &out),
                     NGX_DECLINED);

    ngx_str_set(&with, "That is all.");
    ngx_llmops_check_replace(check, &with, &out);
    ngx_llmops_check_free(check);

    assert_false(out.failed);
    (void) ngx_llmops_out_lit(&out, "\0");
    text = (char *) out.data;

    assert_null(strstr(text, "SECRET_abcdef"));
    assert_null(strstr(text, "ann@b.de"));
    text = strstr(text, "response.output_text.done");
    assert_non_null(text);
    assert_non_null(strstr(text, "write to [MAIL]: "));
    assert_non_null(strstr(text, "\"content_filter\""));
    text = strstr(text, "event: response.incomplete");
    assert_non_null(text);
    assert_non_null(strstr(text, "write to [MAIL]: "));
    assert_non_null(strstr(text, "That is all."));

    ngx_llmops_out_free(&out);
    check_teardown(&c);
}


/* in the other APIs, too: of the choice that has changed, and of no other */

static void
test_odds(void **state)
{
    check_rules_t   c;
    check_result_t  r;

    static const char  chat[] =
        "{\"choices\":[{\"index\":0,\"message\":{\"content\":\"ann@b.de\"},"
        "\"logprobs\":{\"content\":[{\"token\":\"ann@\"}]}},{\"index\":1,"
        "\"logprobs\":{\"content\":[{\"token\":\"fine\"}]},\"message\":{"
        "\"content\":\"fine\"}}]}";

    check_setup(&c, 0, 0);
    check_body(&c, NGX_LLMOPS_OP_CHAT, chat, sizeof(chat) - 1, &r);
    assert_int_equal(r.rc, NGX_OK);

    (void) ngx_llmops_out_lit(&r.out, "\0");
    assert_null(strstr((char *) r.out.data, "ann@"));
    assert_non_null(strstr((char *) r.out.data, "\"logprobs\":null"));
    assert_non_null(strstr((char *) r.out.data, "\"token\":\"fine\""));

    check_release(&r);
    check_teardown(&c);
}


int
main(void)
{
#if (NGX_LLMOPS_HYPERSCAN)

    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_odd),
        cmocka_unit_test(test_documents),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_odds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);

#else
    return 0;
#endif
}
