
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include <jansson.h>
#include "ngx_llmops_dialect.h"


#define CHAT        NGX_LLMOPS_OP_CHAT
#define MESSAGES    NGX_LLMOPS_OP_MESSAGES
#define RESPONSES   NGX_LLMOPS_OP_RESPONSES
#define IMAGES      NGX_LLMOPS_OP_IMAGES
#define COMPLETIONS NGX_LLMOPS_OP_COMPLETIONS

#define MANY        NGX_LLMOPS_JSON_MAX_COUNT


/* reads body in pieces: the first of k bytes, the others of step bytes */

static ngx_int_t
envelope_read(ngx_llmops_envelope_t *env, ngx_llmops_op_e op,
    const char *body, size_t len, size_t k, size_t step,
    ngx_llmops_error_t *err)
{
    u_char                      *copy;
    size_t                       i, n;
    ngx_int_t                    rc;
    ngx_llmops_envelope_scan_t   scan;

    memset(env, 0xa5, sizeof(*env));
    memset(env, 0, offsetof(ngx_llmops_envelope_t, model_buf));
    env->op = op;

    ngx_llmops_envelope_begin(env, &scan);

    for (i = 0; i < len; i += n) {
        n = ngx_min(i ? step : k ? k : step, len - i);

        copy = malloc(n);
        memcpy(copy, body + i, n);
        rc = ngx_llmops_envelope_feed(env, &scan, copy, n, err);
        free(copy);

        if (rc != NGX_OK) {
            return rc;
        }
    }

    return ngx_llmops_envelope_end(env, &scan, err);
}


typedef struct {
    ngx_llmops_op_e  op;
    const char      *body;
    const char      *message;              /* its start */
    const char      *param;
    const char      *code;
} refused_t;


#define MODEL_257                                                             \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"        \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"        \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"        \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" "a"


static const refused_t  refused[] = {

    { CHAT, "", "the request body is empty", "", "invalid_json" },
    { CHAT, "  \n", "the request body is not complete JSON", "",
      "invalid_json" },
    { CHAT, "{\"model\":\"a\"", "the request body is not complete JSON: it "
      "ends at byte 12", "", "invalid_json" },
    { CHAT, "{\"model\":\"a\",}", "the request body is not JSON: unexpected "
      "character at byte 13", "", "invalid_json" },
    { CHAT, "{\"model\":\"a\"} x", "the request body is not JSON: unexpected "
      "character at byte 14", "", "invalid_json" },
    { CHAT, "nonsense", "the request body is not a JSON object", "",
      "invalid_json" },
    { CHAT, "<html>", "the request body is not", "", "invalid_json" },
    { CHAT, "[]", "the request body is not a JSON object", "",
      "invalid_json" },
    { CHAT, "\"x\"", "the request body is not a JSON object", "",
      "invalid_json" },
    { CHAT, "{\"model\":\"\xff\"}", "the request body is not UTF-8: a string "
      "has an invalid sequence at byte 10", "", "invalid_json" },

    { CHAT, "{}", "\"model\" is missing", "model",
      "missing_required_parameter" },
    { MESSAGES, "{}", "\"model\" is missing", "model",
      "missing_required_parameter" },
    { RESPONSES, "{\"prompt\":{\"id\":\"x\"}}", "\"model\" is missing",
      "model", "missing_required_parameter" },
    { NGX_LLMOPS_OP_COMPLETIONS, "{}", "\"model\" is missing", "model",
      "missing_required_parameter" },
    { NGX_LLMOPS_OP_EMBEDDINGS, "{}", "\"model\" is missing", "model",
      "missing_required_parameter" },
    { CHAT, "{\"model\":null}", "\"model\" is missing", "model",
      "missing_required_parameter" },
    { CHAT, "{\"model\":7}", "\"model\" is not a string", "model",
      "invalid_type" },
    { CHAT, "{\"model\":[\"a\"]}", "\"model\" is not a string", "model",
      "invalid_type" },
    { CHAT, "{\"model\":\"\"}", "\"model\" is empty", "model",
      "invalid_value" },
    { CHAT, "{\"model\":\"" MODEL_257 "\"}", "\"model\" is longer", "model",
      "string_above_max_length" },
    { CHAT, "{\"model\":\"" MODEL_257 MODEL_257 MODEL_257 MODEL_257
      MODEL_257 MODEL_257 "\"}", "\"model\" is longer", "model",
      "string_above_max_length" },
    { CHAT, "{\"model\":\"a\\nb\"}", "\"model\" has control characters",
      "model", "invalid_value" },
    { CHAT, "{\"model\":\"a\\u0000\"}", "\"model\" has control characters",
      "model", "invalid_value" },

    { CHAT, "{\"model\":\"a\",\"model\":\"b\"}", "a parameter is in the "
      "request body more than once", "model", "duplicate_parameter" },
    { CHAT, "{\"model\":\"a\",\"mod\\u0065l\":\"b\"}", "a parameter is in "
      "the request body more than once", "model", "duplicate_parameter" },
    { CHAT, "{\"\\u006d\\u006f\\u0064\\u0065\\u006c\":\"a\",\"x\":1,"
      "\"model\":\"a\"}", "a parameter is in the request body more than once",
      "model", "duplicate_parameter" },
    { CHAT, "{\"model\":\"a\",\"MODEL\":\"b\"}", "a parameter is in the "
      "request body more than once", "model", "duplicate_parameter" },
    { CHAT, "{\"Mod\\u0045l\":\"b\",\"model\":\"a\"}", "a parameter is in "
      "the request body more than once", "model", "duplicate_parameter" },
    { CHAT, "{\"Model\":\"a\"}", "\"model\" is missing", "model",
      "missing_required_parameter" },
    { CHAT, "{\"model\":\"a\",\"stream\":true,\"str\\u0065am\":false}",
      "a parameter is in the request body more than once", "stream",
      "duplicate_parameter" },
    { CHAT, "{\"model\":\"a\",\"stream_options\":{},\"stream_options\":null}",
      "a parameter is in the request body more than once", "stream_options",
      "duplicate_parameter" },
    { CHAT, "{\"model\":\"a\",\"max_tokens\":1,\"max_tokens\":100000}",
      "a parameter is in the request body more than once", "max_tokens",
      "duplicate_parameter" },

    { CHAT, "{\"model\":\"a\",\"stream\":1}", "\"stream\" is not a boolean",
      "stream", "invalid_type" },
    { MESSAGES, "{\"model\":\"a\",\"stream\":\"true\"}",
      "\"stream\" is not a boolean", "stream", "invalid_type" },
    { CHAT, "{\"model\":\"a\",\"stream_options\":[]}",
      "\"stream_options\" is not an object", "stream_options",
      "invalid_type" },
    { CHAT, "{\"model\":\"a\",\"stream_options\":true}",
      "\"stream_options\" is not an object", "stream_options",
      "invalid_type" },
    { CHAT, "{\"model\":\"a\",\"stream_options\":{\"include_usage\":1}}",
      "\"include_usage\" is not a boolean", "stream_options.include_usage",
      "invalid_type" },
    { CHAT, "{\"model\":\"a\",\"stream_options\":{\"include_usage\":true,"
      "\"include_us\\u0061ge\":false}}", "\"include_usage\" is there more",
      "stream_options.include_usage", "duplicate_parameter" },
    { CHAT, "{\"model\":\"a\",\"stream_options\":{\"x\":\"" MODEL_257
      MODEL_257 "\"}}", "\"stream_options\" is longer", "stream_options",
      "invalid_value" },
};


static void
check_refused(const refused_t *r, ngx_int_t rc, ngx_llmops_error_t *err)
{
    assert_int_equal(rc, NGX_DECLINED);
    assert_int_equal(err->kind, NGX_LLMOPS_ERR_INVALID_REQUEST);
    assert_int_equal(err->status, 400);
    assert_str(err->param, r->param);
    assert_str(err->code, r->code);
    assert_true(err->message.len >= strlen(r->message));
    assert_memory_equal(err->message.data, r->message, strlen(r->message));
}


static void
test_refused(void **state)
{
    size_t                  i, k, len;
    ngx_int_t               rc;
    const refused_t        *r;
    ngx_llmops_error_t      err;
    ngx_llmops_envelope_t   env;

    for (i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        r = &refused[i];
        len = strlen(r->body);

        for (k = 0; k <= ngx_min(len, 200); k++) {
            rc = envelope_read(&env, r->op, r->body, len, k, len + 1, &err);
            check_refused(r, rc, &err);
        }

        rc = envelope_read(&env, r->op, r->body, len, 1, 1, &err);
        check_refused(r, rc, &err);
    }
}


static void
test_depth(void **state)
{
    char                   body[400];
    ngx_llmops_error_t     err;
    ngx_llmops_envelope_t  env;

    memcpy(body, "{\"model\":", 9);
    memset(body + 9, '[', sizeof(body) - 9);

    assert_int_equal(envelope_read(&env, CHAT, body, sizeof(body), 0, 7,
                                   &err), NGX_DECLINED);
    assert_memory_equal(err.message.data, "the request body is nested", 26);
}


typedef struct {
    ngx_llmops_op_e  op;
    const char      *body;
    const char      *model;
    int              stream;
    int              usage;
    int64_t          max_tokens;
    int64_t          n;
    int              images;
} read_t;


static const read_t  good[] = {
    { CHAT, "{\"model\":\"gpt\"}", "gpt", 0, 0, -1, 1, 0 },
    { CHAT, " \r\n{ \"stream\" : true , \"model\" : \"g\\u0070t\\/x\" } \n",
      "gpt/x", 1, 0, -1, 1, 0 },
    { CHAT, "{\"mod\\u0065l\":\"caf\xc3\xa9\",\"stream\":null,"
      "\"max_tokens\":5,\"n\":3}", "caf\xc3\xa9", 0, 0, 5, 3, 0 },
    { CHAT, "{\"model\":\"a\",\"stream\":true,\"stream_options\":{"
      "\"include_usage\":true}}", "a", 1, 1, -1, 1, 0 },
    { CHAT, "{\"model\":\"a\",\"stream\":true,\"stream_options\":{"
      "\"include_\\u0075sage\":true}}", "a", 1, 1, -1, 1, 0 },
    { CHAT, "{\"model\":\"a\",\"stream_options\":null}", "a", 0, 0, -1, 1,
      0 },
    { CHAT, "{\"model\":\"a\",\"max_tokens\":5,\"max_completion_tokens\":7,"
      "\"n\":0}", "a", 0, 0, 7, 1, 0 },

    /* numbers to lax readers, and what no reader takes for one */
    { CHAT, "{\"model\":\"a\",\"max_tokens\":\"x\",\"n\":\"4\"}", "a", 0, 0,
      -1, 4, 0 },
    { CHAT, "{\"model\":\"a\",\"max_tokens\":\"4000\"}", "a", 0, 0, 4000, 1,
      0 },
    { CHAT, "{\"model\":\"a\",\"max_tokens\":\" 4_000\",\"n\":-2}", "a", 0, 0,
      MANY, 1, 0 },
    { CHAT, "{\"model\":\"a\",\"max_tokens\":\"\\u0034000\"}", "a", 0, 0,
      MANY, 1, 0 },
    { CHAT, "{\"model\":\"a\",\"max_tokens\":9e99,\"n\":1e400}", "a", 0, 0,
      MANY, MANY, 0 },
    { CHAT, "{\"model\":\"a\",\"max_tokens\":4000."
      "0000000000000000000000000000000000000000}", "a", 0, 0, MANY, 1, 0 },
    { CHAT, "{\"model\":\"a\",\"max_tokens\":-1}", "a", 0, 0, -1, 1, 0 },
    { CHAT, "{\"model\":\"a\",\"max_tokens\":\"-1\",\"best_of\":9}", "a", 0,
      0, -1, 1, 0 },
    { COMPLETIONS, "{\"model\":\"a\",\"prompt\":[\"\"],\"n\":2,\"best_of\":9}",
      "a", 0, 0, -1, 9, 0 },
    { COMPLETIONS, "{\"model\":\"a\",\"n\":5,\"best_of\":2}", "a", 0, 0, -1, 5,
      0 },
    { CHAT, "{\"model\":\"a\",\"messages\":[{\"content\":[{\"url\":"
      "\"data:image/png;base64,AAAA\"},{\"url\":\"https://a/b.png\"}]}]}",
      "a", 0, 0, -1, 1, 1 },
    { RESPONSES, "{\"model\":\"a\",\"max_output_tokens\":9,"
      "\"stream_options\":{\"include_obfuscation\":false}}", "a", 0, 0, 9, 1,
      0 },
    { MESSAGES, "{\"model\":\"a\",\"max_tokens\":9,\"stream\":true,"
      "\"stream_options\":7}", "a", 1, 0, 9, 1, 0 },
    { IMAGES, "{\"prompt\":\"a\"}", "", 0, 0, -1, 1, 0 },
    { IMAGES, "{\"prompt\":\"a\",\"model\":null}", "", 0, 0, -1, 1, 0 },
    { NGX_LLMOPS_OP_MODERATIONS, "{}", "", 0, 0, -1, 1, 0 },
    { CHAT, "{\"model\":\"x\",\"nested\":{\"model\":\"y\",\"stream\":true}}",
      "x", 0, 0, -1, 1, 0 },
};


static void
test_read(void **state)
{
    size_t                  i, k, len;
    const read_t           *r;
    ngx_llmops_error_t      err;
    ngx_llmops_envelope_t   env;

    for (i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        r = &good[i];
        len = strlen(r->body);

        for (k = 0; k <= len; k++) {
            assert_int_equal(envelope_read(&env, r->op, r->body, len, k,
                                           len + 1, &err), NGX_OK);
            assert_str(env.model, r->model);
            assert_int_equal(env.json, 1);
            assert_int_equal(env.stream, r->stream);
            assert_int_equal(env.include_usage, r->usage);
            assert_int_equal(env.max_tokens, r->max_tokens);
            assert_int_equal(env.n, r->n);
            assert_int_equal(env.images, r->images);
            assert_int_equal(env.body_len, len);
            assert_int_equal(r->body[env.open], '{');
            assert_int_equal(r->body[env.close], '}');
        }
    }
}


/* edits */

typedef struct {
    const ngx_llmops_dialect_t  *dialect;
    ngx_llmops_op_e              op;
    const char                  *body;
    const char                  *model;
    const char                  *expected;
} edit_t;

#define OPENAI     &ngx_llmops_openai
#define ANTHROPIC  &ngx_llmops_anthropic


static const edit_t  edits[] = {

    { OPENAI, CHAT, "{\"model\":\"a\",\"x\":1.50}", "b",
      "{\"model\":\"b\",\"x\":1.50}" },
    { OPENAI, CHAT, "{\"model\":\"a\"}", "", "{\"model\":\"a\"}" },
    { OPENAI, CHAT, "{\"model\":\"\\u0061\"}", "a",
      "{\"model\":\"\\u0061\"}" },
    { OPENAI, CHAT, "{\"model\" : \"a\" }", "q\"\\\n",
      "{\"model\" : \"q\\\"\\\\\\n\" }" },

    /* include_usage, where it is absent, null, false, true */

    { OPENAI, CHAT, "{\"model\":\"a\",\"stream\":true}", "a",
      "{\"model\":\"a\",\"stream\":true,"
      "\"stream_options\":{\"include_usage\":true}}" },
    { OPENAI, CHAT, " { \"stream\":true, \"model\":\"a\" \n} \n", "bb",
      " { \"stream\":true, \"model\":\"bb\" \n,"
      "\"stream_options\":{\"include_usage\":true}} \n" },
    { OPENAI, CHAT, "{\"stream_options\":null,\"model\":\"a\","
      "\"stream\":true}", "b",
      "{\"stream_options\":{\"include_usage\":true},\"model\":\"b\","
      "\"stream\":true}" },
    { OPENAI, CHAT, "{\"stream_options\":{},\"model\":\"a\","
      "\"stream\":true}", "b",
      "{\"stream_options\":{\"include_usage\":true},\"model\":\"b\","
      "\"stream\":true}" },
    { OPENAI, CHAT, "{\"model\":\"a\",\"stream\":true,"
      "\"stream_options\":{ \"include_obfuscation\" : false }}", "b",
      "{\"model\":\"b\",\"stream\":true,"
      "\"stream_options\":{\"include_usage\":true,"
      " \"include_obfuscation\" : false }}" },
    { OPENAI, CHAT, "{\"model\":\"a\",\"stream\":true,"
      "\"stream_options\":{\"x\":{\"include_usage\":true},"
      "\"include_us\\u0061ge\": false ,\"y\":1}}", "b",
      "{\"model\":\"b\",\"stream\":true,"
      "\"stream_options\":{\"x\":{\"include_usage\":true},"
      "\"include_us\\u0061ge\": true ,\"y\":1}}" },
    { OPENAI, CHAT, "{\"model\":\"a\",\"stream\":true,"
      "\"stream_options\":{\"include_usage\":null}}", "a",
      "{\"model\":\"a\",\"stream\":true,"
      "\"stream_options\":{\"include_usage\":true}}" },
    { OPENAI, CHAT, "{\"model\":\"a\",\"stream\":true,"
      "\"stream_options\":{\"include_usage\":true}}", "a",
      "{\"model\":\"a\",\"stream\":true,"
      "\"stream_options\":{\"include_usage\":true}}" },
    { OPENAI, NGX_LLMOPS_OP_COMPLETIONS,
      "{\"model\":\"a\",\"stream\":true}", "a",
      "{\"model\":\"a\",\"stream\":true,"
      "\"stream_options\":{\"include_usage\":true}}" },

    /* where it is not wanted */

    { OPENAI, CHAT, "{\"model\":\"a\",\"stream\":false,"
      "\"stream_options\":{\"include_usage\":false}}", "a",
      "{\"model\":\"a\",\"stream\":false,"
      "\"stream_options\":{\"include_usage\":false}}" },
    { OPENAI, RESPONSES, "{\"model\":\"a\",\"stream\":true}", "b",
      "{\"model\":\"b\",\"stream\":true}" },
    { ANTHROPIC, MESSAGES, "{\"model\":\"a\",\"stream\":true}", "b",
      "{\"model\":\"b\",\"stream\":true}" },
    { &ngx_llmops_mock, MESSAGES, "{\"model\":\"a\",\"stream\":true}", "b",
      "{\"model\":\"b\",\"stream\":true}" },
    { &ngx_llmops_mock, CHAT, "{\"model\":\"a\",\"stream\":true}", "b",
      "{\"model\":\"b\",\"stream\":true,"
      "\"stream_options\":{\"include_usage\":true}}" },

    /* a model where there was none */

    { OPENAI, IMAGES, "{\"prompt\":\"p\"}", "b",
      "{\"model\":\"b\",\"prompt\":\"p\"}" },
    { OPENAI, IMAGES, " { } ", "b", " {\"model\":\"b\" } " },
    { OPENAI, IMAGES, "{\"model\":null}", "b", "{\"model\":\"b\"}" },
    { OPENAI, IMAGES, "{\"prompt\":\"p\"}", "", "{\"prompt\":\"p\"}" },
};


static void
apply(ngx_llmops_out_t *out, const char *body, ngx_llmops_edit_t *e,
    ngx_int_t n)
{
    size_t     at;
    ngx_int_t  i;

    for (at = 0, i = 0; i < n; i++) {
        assert_true(e[i].start >= at && e[i].end >= e[i].start);
        ngx_llmops_out_write(out, body + at, e[i].start - at);
        ngx_llmops_out_str(out, &e[i].text);
        at = e[i].end;
    }

    assert_true(at <= strlen(body));
    ngx_llmops_out_write(out, body + at, strlen(body) - at);
}


static void
check_json(const ngx_llmops_out_t *out, const char *expected)
{
    json_t  *a, *b;

    a = json_loadb((char *) out->data, out->len, 0, NULL);
    b = json_loads(expected, 0, NULL);

    assert_non_null(a);
    assert_non_null(b);
    assert_true(json_equal(a, b));

    json_decref(a);
    json_decref(b);
}


static void
test_edits(void **state)
{
    size_t                  i, len;
    ngx_int_t               n;
    const edit_t           *t;
    ngx_llmops_out_t        out, result;
    ngx_llmops_edit_t       e[NGX_LLMOPS_MAX_EDITS];
    ngx_llmops_error_t      err;
    ngx_llmops_envelope_t   env;

    for (i = 0; i < sizeof(edits) / sizeof(edits[0]); i++) {
        t = &edits[i];
        len = strlen(t->body);

        assert_int_equal(envelope_read(&env, t->op, t->body, len, 0, 3,
                                       &err), NGX_OK);

        ngx_llmops_out_init(&out, 1 << 16);
        ngx_llmops_out_init(&result, 1 << 16);

        /* out may hold something already */
        ngx_llmops_out_lit(&out, "before");

        n = t->dialect->edits(&env, unit_str(t->model), &out, e);
        assert_in_range(n, 0, NGX_LLMOPS_MAX_EDITS);

        apply(&result, t->body, e, n);

        assert_int_equal(result.len, strlen(t->expected));
        assert_memory_equal(result.data, t->expected, result.len);
        check_json(&result, t->expected);

        if (strcmp(t->body, t->expected) == 0) {
            assert_int_equal(n, 0);
        }

        ngx_llmops_out_free(&out);
        ngx_llmops_out_free(&result);
    }
}


static void
test_edits_memory(void **state)
{
    ngx_llmops_out_t        out;
    ngx_llmops_edit_t       e[NGX_LLMOPS_MAX_EDITS];
    ngx_llmops_error_t      err;
    ngx_llmops_envelope_t   env;
    static const char       body[] = "{\"model\":\"a\",\"stream\":true}";

    assert_int_equal(envelope_read(&env, CHAT, body, sizeof(body) - 1, 0, 64,
                                   &err), NGX_OK);

    ngx_llmops_out_init(&out, 8);

    assert_int_equal(ngx_llmops_openai.edits(&env, unit_str("b"), &out, e),
                     NGX_ERROR);

    ngx_llmops_out_free(&out);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_depth),
        cmocka_unit_test(test_read),
        cmocka_unit_test(test_edits),
        cmocka_unit_test(test_edits_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
