
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_cache_key.h"

#include <jansson.h>


static ngx_llmops_cache_scratch_t  scratch;


static ngx_llmops_cache_question_t
ask(ngx_llmops_op_e op, const char *body)
{
    ngx_int_t                    rc;
    ngx_str_t                    part = ngx_string("route");
    ngx_llmops_cache_question_t  q;

    memset(&q, 0, sizeof(q));

    q.op = op;
    q.body = *unit_str(body);
    q.parts = &part;
    q.nparts = 1;

    rc = ngx_llmops_cache_digest(&q, &scratch);

    assert_int_not_equal(rc, NGX_ERROR);
    assert_int_equal(rc == NGX_OK, q.why < NGX_LLMOPS_CACHE_STATEFUL);

    if (rc != NGX_OK) {
        memset(q.key, 0, sizeof(q.key));
    }

    return q;
}


static int
same(ngx_llmops_op_e op, const char *a, const char *b)
{
    ngx_llmops_cache_question_t  one, two;

    one = ask(op, a);
    two = ask(op, b);

    assert_true(one.why < NGX_LLMOPS_CACHE_STATEFUL);
    assert_true(two.why < NGX_LLMOPS_CACHE_STATEFUL);

    return memcmp(one.key, two.key, NGX_LLMOPS_CACHE_KEY) == 0;
}


typedef struct {
    ngx_llmops_op_e  op;
    const char      *a;
    const char      *b;
} pair_t;


static const pair_t  equal[] = {

    /* order, white space */
    { NGX_LLMOPS_OP_CHAT, "{\"a\":1,\"b\":[1,2]}",
      " { \"b\" : [ 1 ,\n2 ] , \"a\" : 1 } " },
    { NGX_LLMOPS_OP_CHAT,
      "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],\"model\":\"m\"}",
      "{\"model\":\"m\",\"messages\":[{\"content\":\"x\","
      "\"role\":\"user\"}]}" },
    { NGX_LLMOPS_OP_CHAT, "{\"x\":{\"b\":{\"d\":1,\"c\":2},\"a\":{}}}",
      "{\"x\":{\"a\":{},\"b\":{\"c\":2,\"d\":1}}}" },

    /* escapes */
    { NGX_LLMOPS_OP_CHAT, "{\"a\":\"caf\xc3\xa9 \\/ \\u0041\"}",
      "{\"\\u0061\":\"caf\\u00E9 / A\"}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":\"\xf0\x9f\x98\x80\\n\\\"\\\\\"}",
      "{\"a\":\"\\uD83D\\ude00\\u000a\\u0022\\u005c\"}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":\"\\u0000x\"}",
      "{\"a\":\"\\u0000\\u0078\"}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":\"\\ud800\"}", "{\"a\":\"\\uD800\"}" },

    /* parameters are numbers */
    { NGX_LLMOPS_OP_CHAT, "{\"temperature\":0}", "{\"temperature\":0.0}" },
    { NGX_LLMOPS_OP_CHAT, "{\"temperature\":0}", "{\"temperature\":-0e5}" },
    { NGX_LLMOPS_OP_CHAT, "{\"top_p\":0.10}", "{\"top_p\":1e-1}" },
    { NGX_LLMOPS_OP_CHAT, "{\"max_tokens\":100}", "{\"max_tokens\":1.0E+2}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":[1.50]}", "{\"a\":[15e-1]}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":123.456}", "{\"a\":0.00123456e5}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":0.00100}", "{\"a\":1e-3}" },

    /* what does not matter */
    { NGX_LLMOPS_OP_CHAT, "{\"a\":1}",
      "{\"stream\":true,\"stream_options\":{\"include_usage\":true},"
      "\"user\":\"u\",\"a\":1,\"metadata\":{\"b\":\"c\"},\"store\":true,"
      "\"safety_identifier\":\"x\",\"prompt_cache_key\":\"y\"}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":1,\"s\\u0074ream\":true}", "{\"a\":1}" },
    { NGX_LLMOPS_OP_MESSAGES, "{\"a\":1,\"metadata\":{\"user_id\":\"u\"}}",
      "{\"a\":1,\"stream\":true}" },
    { NGX_LLMOPS_OP_EMBEDDINGS, "{\"input\":\"x\"}",
      "{\"input\":\"x\",\"user\":\"u\"}" },
    { NGX_LLMOPS_OP_RESPONSES, "{\"store\":false,\"input\":\"x\"}",
      "{\"input\":\"x\",\"stream\":true,\"store\":false}" }
};


static const pair_t  different[] = {

    { NGX_LLMOPS_OP_CHAT, "{\"a\":1}", "{\"a\":2}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":1}", "{\"b\":1}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":\"1\"}", "{\"a\":1}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":null}", "{}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":[]}", "{\"a\":{}}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":[1,2]}", "{\"a\":[2,1]}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":[[1],2]}", "{\"a\":[1,[2]]}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":[\"b\",\"c\"]}", "{\"a\":[\"bc\"]}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":\"b\",\"c\":\"d\"}",
      "{\"a\":\"b\\\",\\\"c\\\":\\\"d\"}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":\"x\"}", "{\"a\":\"x \"}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":\"X\"}", "{\"a\":\"x\"}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":\"\xc3\xa9\"}", "{\"a\":\"e\xcc\x81\"}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":\"\\ud800\"}", "{\"a\":\"\\ud801\"}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":\"\\ud800\"}", "{\"a\":\"\\ufffd\"}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":true}", "{\"a\":false}" },

    /* deeper numbers may be printed */
    { NGX_LLMOPS_OP_CHAT, "{\"a\":[1]}", "{\"a\":[1.0]}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":[0]}", "{\"a\":[-0]}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":[0.0]}", "{\"a\":[-0.0]}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":0.1}", "{\"a\":0.1000000000000000055}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":9007199254740993}",
      "{\"a\":9007199254740992}" },
    { NGX_LLMOPS_OP_CHAT, "{\"a\":1e99999999999}", "{\"a\":1e99999999998}" },

    /* what only seems not to matter */
    { NGX_LLMOPS_OP_CHAT, "{\"a\":{\"stream\":true}}", "{\"a\":{}}" },
    { NGX_LLMOPS_OP_RESPONSES, "{\"store\":false,\"metadata\":{\"a\":\"b\"}}",
      "{\"store\":false}" },
    { NGX_LLMOPS_OP_CHAT, "{\"service_tier\":\"flex\"}", "{}" },
    { NGX_LLMOPS_OP_EMBEDDINGS, "{\"encoding_format\":\"base64\"}", "{}" },
    { NGX_LLMOPS_OP_EMBEDDINGS, "{\"stream\":true}", "{}" }
};


static void
test_equal(void **state)
{
    size_t  i;

    for (i = 0; i < sizeof(equal) / sizeof(equal[0]); i++) {
        if (!same(equal[i].op, equal[i].a, equal[i].b)) {
            fail_msg("not the same: %s and %s", equal[i].a, equal[i].b);
        }
    }
}


static void
test_different(void **state)
{
    size_t  i;

    for (i = 0; i < sizeof(different) / sizeof(different[0]); i++) {
        if (same(different[i].op, different[i].a, different[i].b)) {
            fail_msg("the same: %s and %s", different[i].a, different[i].b);
        }
    }
}


/* no two rows of parts are the same, however they are cut */

static void
test_parts(void **state)
{
    size_t                       i, j, n;
    ngx_llmops_cache_question_t  q[8];

    const ngx_str_t  rows[][3] = {
        { ngx_string("a"), ngx_string("b"), ngx_string("") },
        { ngx_string("ab"), ngx_string(""), ngx_string("") },
        { ngx_string(""), ngx_string("ab"), ngx_string("") },
        { ngx_string(""), ngx_string("a"), ngx_string("b") },
        { ngx_string("b"), ngx_string("a"), ngx_string("") }
    };

    n = sizeof(rows) / sizeof(rows[0]);

    for (i = 0; i < n; i++) {
        memset(&q[i], 0, sizeof(q[i]));

        q[i].op = NGX_LLMOPS_OP_CHAT;
        q[i].body = *unit_str("{}");
        q[i].parts = rows[i];
        q[i].nparts = 3;

        assert_int_equal(ngx_llmops_cache_digest(&q[i], &scratch), NGX_OK);

        for (j = 0; j < i; j++) {
            assert_memory_not_equal(q[i].key, q[j].key, NGX_LLMOPS_CACHE_KEY);
            assert_memory_not_equal(q[i].frame, q[j].frame,
                                    NGX_LLMOPS_CACHE_KEY);
        }
    }

    /* nor does an operation go for another one */

    q[0] = ask(NGX_LLMOPS_OP_CHAT, "{}");
    q[1] = ask(NGX_LLMOPS_OP_COMPLETIONS, "{}");

    assert_memory_not_equal(q[0].key, q[1].key, NGX_LLMOPS_CACHE_KEY);
}


typedef struct {
    ngx_llmops_op_e         op;
    ngx_llmops_cache_why_e  why;
    const char             *body;
} kind_t;


static const kind_t  kinds[] = {
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_SAMPLED, "{}" },
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_SAMPLED, "{\"temperature\":0.1}" },
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_SAMPLED, "{\"temperature\":null}" },
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_SAMPLED, "{\"temperature\":\"0\"}" },
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_SAMPLED,
      "{\"x\":{\"temperature\":0}}" },
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_DETERMINISTIC,
      "{\"temperature\":0}" },
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_DETERMINISTIC,
      "{\"temperature\":0.0}" },
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_DETERMINISTIC, "{\"seed\":42}" },
    { NGX_LLMOPS_OP_MESSAGES, NGX_LLMOPS_CACHE_SAMPLED, "{\"seed\":42}" },
    { NGX_LLMOPS_OP_EMBEDDINGS, NGX_LLMOPS_CACHE_DETERMINISTIC,
      "{\"input\":\"x\"}" },
    { NGX_LLMOPS_OP_RERANK, NGX_LLMOPS_CACHE_DETERMINISTIC, "{}" },
    { NGX_LLMOPS_OP_IMAGES, NGX_LLMOPS_CACHE_OPERATION, "{}" },
    { NGX_LLMOPS_OP_OTHER, NGX_LLMOPS_CACHE_OPERATION, "{}" },
    { NGX_LLMOPS_OP_RESPONSES, NGX_LLMOPS_CACHE_STATEFUL,
      "{\"temperature\":0}" },
    { NGX_LLMOPS_OP_RESPONSES, NGX_LLMOPS_CACHE_STATEFUL,
      "{\"temperature\":0,\"store\":true}" },
    { NGX_LLMOPS_OP_RESPONSES, NGX_LLMOPS_CACHE_DETERMINISTIC,
      "{\"temperature\":0,\"store\":false}" },
    { NGX_LLMOPS_OP_RESPONSES, NGX_LLMOPS_CACHE_STATEFUL,
      "{\"temperature\":0,\"store\":false,\"previous_response_id\":\"r\"}" },
    { NGX_LLMOPS_OP_RESPONSES, NGX_LLMOPS_CACHE_STATEFUL,
      "{\"temperature\":0,\"store\":false,\"background\":true}" },
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_OUTSIDE,
      "{\"temperature\":0,\"web_search_options\":{}}" },
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_DETERMINISTIC,
      "{\"temperature\":0,\"tools\":[{\"type\":\"function\"}]}" },
    { NGX_LLMOPS_OP_RESPONSES, NGX_LLMOPS_CACHE_OUTSIDE,
      "{\"temperature\":0,\"store\":false,"
      "\"tools\":[{\"type\":\"function\"},{\"type\":\"web_search\"}]}" },
    { NGX_LLMOPS_OP_MESSAGES, NGX_LLMOPS_CACHE_DETERMINISTIC,
      "{\"temperature\":0,\"tools\":[{\"name\":\"x\"}]}" },
    { NGX_LLMOPS_OP_MESSAGES, NGX_LLMOPS_CACHE_OUTSIDE,
      "{\"temperature\":0,\"tools\":[{\"type\":\"web_search_20250305\"}]}" },
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_DUPLICATE,
      "{\"temperature\":0,\"temperature\":1}" },
    { NGX_LLMOPS_OP_CHAT, NGX_LLMOPS_CACHE_DUPLICATE,
      "{\"temperature\":0,\"a\":[{\"b\":1,\"c\":2,\"\\u0062\":3}]}" }
};


static void
test_kinds(void **state)
{
    size_t                       i;
    ngx_llmops_cache_question_t  q;

    for (i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        q = ask(kinds[i].op, kinds[i].body);

        if (q.why != kinds[i].why) {
            fail_msg("%s: %s", kinds[i].body,
                     ngx_llmops_cache_why_names[q.why].data);
        }
    }
}


typedef struct {
    ngx_llmops_op_e  op;
    const char      *body;
    const char      *text;                  /* NULL: none */
} text_t;


static const text_t  texts[] = {
    { NGX_LLMOPS_OP_CHAT, "{\"messages\":[{\"role\":\"system\",\"content\":"
      "\"s\"},{\"role\":\"user\",\"content\":\"one \\u0041\"}]}", "one A" },
    { NGX_LLMOPS_OP_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":"
      "[{\"type\":\"text\",\"text\":\"two\"},{\"type\":\"image_url\"}]}]}",
      "two" },
    { NGX_LLMOPS_OP_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":"
      "[{\"text\":\"two\"},{\"text\":\"three\"}]}]}", NULL },
    { NGX_LLMOPS_OP_CHAT, "{\"messages\":[{\"role\":\"user\",\"content\":"
      "\"q\"},{\"role\":\"assistant\",\"content\":\"a\"}]}", NULL },
    { NGX_LLMOPS_OP_CHAT, "{\"messages\":[]}", NULL },
    { NGX_LLMOPS_OP_CHAT, "{\"messages\":[1]}", NULL },
    { NGX_LLMOPS_OP_CHAT, "{}", NULL },
    { NGX_LLMOPS_OP_MESSAGES, "{\"messages\":[{\"role\":\"user\",\"content\":"
      "\"m\"}]}", "m" },
    { NGX_LLMOPS_OP_RESPONSES, "{\"store\":false,\"input\":\"i\"}", "i" },
    { NGX_LLMOPS_OP_RESPONSES, "{\"store\":false,\"input\":[{\"role\":\"user\","
      "\"content\":[{\"type\":\"input_text\",\"text\":\"j\"}]}]}", "j" },
    { NGX_LLMOPS_OP_COMPLETIONS, "{\"prompt\":\"p\"}", "p" },
    { NGX_LLMOPS_OP_COMPLETIONS, "{\"prompt\":[1,2]}", NULL },
    { NGX_LLMOPS_OP_EMBEDDINGS, "{\"input\":\"p\"}", NULL }
};


static void
test_texts(void **state)
{
    size_t                       i;
    ngx_llmops_cache_question_t  q;

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        q = ask(texts[i].op, texts[i].body);

        if (texts[i].text == NULL) {
            assert_null(q.text.data);

        } else {
            assert_str(q.text, texts[i].text);
        }
    }
}


/* frames differ in all but the text, and keys in the text too */

static void
test_frames(void **state)
{
    size_t                       i;
    ngx_llmops_cache_question_t  q, base;

    static const char  *others[] = {
        "{\"model\":\"n\",\"messages\":[{\"role\":\"system\",\"content\":"
        "\"s\"},{\"role\":\"user\",\"content\":\"q\"}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":"
        "\"S\"},{\"role\":\"user\",\"content\":\"q\"}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"user\",\"content\":"
        "\"q\"}]}",
        "{\"model\":\"m\",\"tools\":[],\"messages\":[{\"role\":\"system\","
        "\"content\":\"s\"},{\"role\":\"user\",\"content\":\"q\"}]}",
        "{\"model\":\"m\",\"messages\":[{\"role\":\"system\",\"content\":"
        "\"s\"},{\"role\":\"user\",\"content\":[{\"text\":\"q\"}]}]}"
    };

    base = ask(NGX_LLMOPS_OP_CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":"
               "\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
               "\"q\"}]}");

    q = ask(NGX_LLMOPS_OP_CHAT, "{\"model\":\"m\",\"messages\":[{\"role\":"
            "\"system\",\"content\":\"s\"},{\"role\":\"user\",\"content\":"
            "\"a question that is much longer\"}]}");

    assert_memory_equal(q.frame, base.frame, NGX_LLMOPS_CACHE_KEY);
    assert_memory_not_equal(q.key, base.key, NGX_LLMOPS_CACHE_KEY);

    for (i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
        q = ask(NGX_LLMOPS_OP_CHAT, others[i]);
        assert_memory_not_equal(q.frame, base.frame, NGX_LLMOPS_CACHE_KEY);
    }
}


/* -- a text, spelled at random -------------------------------------------- */


static void
spell_space(ngx_llmops_out_t *out)
{
    while (rand() % 4 == 0) {
        ngx_llmops_out_write(out, &" \n\t\r"[rand() % 4], 1);
    }
}


static void
spell_string(ngx_llmops_out_t *out, const char *s, size_t len)
{
    char    buf[8];
    size_t  i;

    ngx_llmops_out_lit(out, "\"");

    for (i = 0; i < len; i++) {

        if ((u_char) s[i] < 0x80
            && (rand() % 3 == 0 || s[i] < 0x20 || s[i] == '"'
                || s[i] == '\\'))
        {
            snprintf(buf, sizeof(buf), rand() % 2 ? "\\u%04x" : "\\u%04X",
                     s[i]);
            ngx_llmops_out_write(out, buf, 6);

        } else {
            ngx_llmops_out_write(out, &s[i], 1);
        }
    }

    ngx_llmops_out_lit(out, "\"");
}


static void  spell(ngx_llmops_out_t *out, json_t *v);


/* from a random member on, around */

static void
spell_members(ngx_llmops_out_t *out, json_t *v)
{
    void        *it;
    size_t       i, n, first;
    const char  *name;

    n = json_object_size(v);
    first = n ? rand() % n : 0;
    it = json_object_iter(v);

    for (i = 0; i < first; i++) {
        it = json_object_iter_next(v, it);
    }

    for (i = 0; i < n; i++) {
        if (it == NULL) {
            it = json_object_iter(v);
        }

        if (i) {
            ngx_llmops_out_lit(out, ",");
        }

        name = json_object_iter_key(it);

        spell_space(out);
        spell_string(out, name, strlen(name));
        spell_space(out);
        ngx_llmops_out_lit(out, ":");
        spell(out, json_object_iter_value(it));

        it = json_object_iter_next(v, it);
    }
}


static void
spell(ngx_llmops_out_t *out, json_t *v)
{
    char     buf[32];
    size_t   i;
    json_t  *item;

    spell_space(out);

    switch (json_typeof(v)) {

    case JSON_OBJECT:
        ngx_llmops_out_lit(out, "{");
        spell_members(out, v);
        ngx_llmops_out_lit(out, "}");
        break;

    case JSON_ARRAY:
        ngx_llmops_out_lit(out, "[");

        json_array_foreach(v, i, item) {
            if (i) {
                ngx_llmops_out_lit(out, ",");
            }

            spell(out, item);
        }

        spell_space(out);
        ngx_llmops_out_lit(out, "]");
        break;

    case JSON_STRING:
        spell_string(out, json_string_value(v), json_string_length(v));
        break;

    case JSON_INTEGER:
        ngx_llmops_out_int(out, json_integer_value(v));
        break;

    case JSON_REAL:
        snprintf(buf, sizeof(buf), rand() % 2 ? "%.17e" : "%.17E",
                 json_real_value(v));
        ngx_llmops_out_write(out, buf, strlen(buf));
        break;

    case JSON_TRUE:
        ngx_llmops_out_lit(out, "true");
        break;

    case JSON_FALSE:
        ngx_llmops_out_lit(out, "false");
        break;

    default:
        ngx_llmops_out_lit(out, "null");
        break;
    }

    spell_space(out);
}


static json_t *
any(int depth)
{
    int      n;
    char     name[8];
    json_t  *v;

    switch (rand() % (depth ? 8 : 6)) {

    case 0:
        return json_integer(rand() % 5);

    case 1:
        return json_real((rand() % 5) / 4.0 + 0.125);

    case 2:
        return json_boolean(rand() % 2);

    case 3:
        return json_null();

    case 4:
        return json_string("");

    case 5:
        return json_string("\"a\\\xc3\xa9\n" + rand() % 4);

    case 6:
        v = json_array();

        for (n = rand() % 4; n; n--) {
            json_array_append_new(v, any(depth - 1));
        }

        return v;

    default:
        v = json_object();

        for (n = rand() % 4; n; n--) {
            snprintf(name, sizeof(name), "%c%c", "ab\"A"[rand() % 4],
                     "\0bc"[rand() % 3]);
            json_object_set_new(v, name, any(depth - 1));
        }

        return v;
    }
}


/*
 * Of many random pairs, those that jansson finds equal, and only those, have
 * the same key, however they are spelled.
 */

static void
test_property(void **state)
{
    int                          i, equals;
    json_t                      *a, *b;
    ngx_str_t                    text;
    ngx_llmops_out_t             one, two;
    ngx_llmops_cache_question_t  q, p;

    ngx_llmops_out_init(&one, 65536);
    ngx_llmops_out_init(&two, 65536);

    srand(7);
    equals = 0;

    for (i = 0; i < 20000; i++) {

        a = json_object();
        b = json_object();

        json_object_set_new(a, "v", any(i % 4));
        json_object_set_new(b, "v", rand() % 3 ? any(i % 4)
                                   : json_deep_copy(json_object_get(a, "v")));

        /* a number of the outermost object is compared by its value */

        if (json_is_number(json_object_get(a, "v"))
            && json_is_number(json_object_get(b, "v")))
        {
            json_object_set_new(a, "v", json_null());
        }

        ngx_llmops_out_reset(&one);
        ngx_llmops_out_reset(&two);
        spell(&one, a);
        spell(&two, b);

        text.data = one.data;
        text.len = one.len;
        memset(&q, 0, sizeof(q));
        q.op = NGX_LLMOPS_OP_CHAT;
        q.body = text;
        assert_int_equal(ngx_llmops_cache_digest(&q, &scratch), NGX_OK);

        p = q;
        p.body.data = two.data;
        p.body.len = two.len;
        assert_int_equal(ngx_llmops_cache_digest(&p, &scratch), NGX_OK);

        if (json_equal(a, b)) {
            equals++;
            assert_memory_equal(p.key, q.key, NGX_LLMOPS_CACHE_KEY);

        } else {
            assert_memory_not_equal(p.key, q.key, NGX_LLMOPS_CACHE_KEY);
        }

        json_decref(a);
        json_decref(b);
    }

    assert_true(equals > 5000 && equals < 15000);

    ngx_llmops_out_free(&one);
    ngx_llmops_out_free(&two);
}


/* -- bounds --------------------------------------------------------------- */


static void
nested(ngx_llmops_out_t *out, int depth, const char *open, const char *close)
{
    int  i;

    ngx_llmops_out_reset(out);
    ngx_llmops_out_lit(out, "{\"a\":");

    for (i = 1; i < depth; i++) {
        ngx_llmops_out_write(out, open, strlen(open));
    }

    ngx_llmops_out_lit(out, "1");

    for (i = 1; i < depth; i++) {
        ngx_llmops_out_write(out, close, strlen(close));
    }

    ngx_llmops_out_lit(out, "}");
}


static ngx_int_t
ask_out(ngx_llmops_out_t *out, ngx_llmops_cache_why_e *why)
{
    ngx_int_t                    rc;
    ngx_llmops_cache_question_t  q;

    memset(&q, 0, sizeof(q));
    q.op = NGX_LLMOPS_OP_CHAT;
    q.body.data = out->data;
    q.body.len = out->len;

    rc = ngx_llmops_cache_digest(&q, &scratch);
    *why = q.why;

    return rc;
}


static void
test_bounds(void **state)
{
    int                     i;
    ngx_llmops_out_t        out;
    ngx_llmops_cache_why_e  why;

    ngx_llmops_out_init(&out, 4 * NGX_LLMOPS_CACHE_BODY);

    nested(&out, NGX_LLMOPS_CACHE_DEPTH, "[", "]");
    assert_int_equal(ask_out(&out, &why), NGX_OK);

    nested(&out, NGX_LLMOPS_CACHE_DEPTH + 1, "[", "]");
    assert_int_equal(ask_out(&out, &why), NGX_DECLINED);
    assert_int_equal(why, NGX_LLMOPS_CACHE_COMPLEX);

    /* each level would be moved: deep inside is the bulk of it */

    ngx_llmops_out_reset(&out);

    for (i = 0; i < 50; i++) {
        ngx_llmops_out_lit(&out, "{\"b\":1,\"a\":");
    }

    ngx_llmops_out_lit(&out, "\"");

    for (i = 0; i < 100000; i++) {
        ngx_llmops_out_lit(&out, "0123456");
    }

    ngx_llmops_out_lit(&out, "\"");

    for (i = 0; i < 50; i++) {
        ngx_llmops_out_lit(&out, "}");
    }

    assert_int_equal(ask_out(&out, &why), NGX_DECLINED);
    assert_int_equal(why, NGX_LLMOPS_CACHE_COMPLEX);

    ngx_llmops_out_free(&out);
}


/* as many members as there may be, and one more */

static void
test_members(void **state)
{
    int                     i, j;
    char                    name[32];
    ngx_llmops_out_t        out;
    ngx_llmops_cache_why_e  why;

    ngx_llmops_out_init(&out, 4 * NGX_LLMOPS_CACHE_BODY);

    for (i = 65536; i <= 65537; i++) {

        ngx_llmops_out_reset(&out);
        ngx_llmops_out_lit(&out, "{");

        for (j = 0; j < i; j++) {
            snprintf(name, sizeof(name), "%s\"%x\":1", j ? "," : "", j);
            ngx_llmops_out_write(&out, name, strlen(name));
        }

        ngx_llmops_out_lit(&out, "}");

        assert_int_equal(ask_out(&out, &why),
                         i == 65536 ? NGX_OK : NGX_DECLINED);
    }

    ngx_llmops_out_free(&out);
}


/* as large a body as there may be, and a larger one */

static void
test_size(void **state)
{
    int                     i;
    ngx_llmops_out_t        out;
    ngx_llmops_cache_why_e  why;

    ngx_llmops_out_init(&out, 4 * NGX_LLMOPS_CACHE_BODY);

    for (i = 0; i < 2; i++) {
        ngx_llmops_out_reset(&out);
        ngx_llmops_out_lit(&out, "{\"a\":[");

        while (out.len < NGX_LLMOPS_CACHE_BODY - 4) {
            ngx_llmops_out_lit(&out, "1,");
        }

        ngx_llmops_out_lit(&out, "1]}");

        if (i) {
            ngx_llmops_out_lit(&out, "  ");
        }

        while (!i && out.len < NGX_LLMOPS_CACHE_BODY) {
            ngx_llmops_out_lit(&out, " ");
        }

        assert_int_equal(ask_out(&out, &why), i ? NGX_DECLINED : NGX_OK);
    }

    ngx_llmops_cache_scratch_trim(&scratch);
    assert_null(scratch.out.data);

    ngx_llmops_out_free(&out);
}


/* a text of many escapes is read once, not again for each of them */

static void
test_escapes(void **state)
{
    int                     i;
    clock_t                 start;
    ngx_llmops_out_t        out;
    ngx_llmops_cache_why_e  why;

    ngx_llmops_out_init(&out, 4 * NGX_LLMOPS_CACHE_BODY);
    ngx_llmops_out_lit(&out, "{\"a\":\"");

    for (i = 0; i < 100000; i++) {
        ngx_llmops_out_lit(&out, "word\\n\\\"");
    }

    ngx_llmops_out_lit(&out, "\"}");

    start = clock();
    assert_int_equal(ask_out(&out, &why), NGX_OK);
    assert_true(clock() - start < CLOCKS_PER_SEC);

    ngx_llmops_out_free(&out);
}


int
main(void)
{
    int  rc;

    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_equal),
        cmocka_unit_test(test_different),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_texts),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_property),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_members),
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_escapes)
    };

    rc = cmocka_run_group_tests(tests, NULL, NULL);

    ngx_llmops_cache_scratch_free(&scratch);

    return rc;
}
