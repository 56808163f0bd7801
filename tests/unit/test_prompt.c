
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include <jansson.h>
#include "ngx_llmops_prompt.h"


#define TEST_SUPPORT                                                          \
    "{\"notes\": \"who answers\",\n"                                          \
    " \"model\": \"smart\",\n"                                                \
    " \"variables\": {\n"                                                     \
    "   \"product\": {\"type\": \"string\", \"max_length\": 10},\n"           \
    "   \"tone\": {\"type\": \"string\", \"default\": \"kind\",\n"            \
    "              \"enum\": [\"kind\", \"short\"]},\n"                       \
    "   \"items\": {\"type\": \"array\", \"required\": false,\n"              \
    "               \"max_length\": 3},\n"                                    \
    "   \"page\": {\"type\": \"string\", \"required\": false,\n"              \
    "              \"fence\": true}},\n"                                      \
    " \"partials\": {\"who\": \"You help with {{product}}.\"},\n"             \
    " \"messages\": [\n"                                                      \
    "   {\"role\": \"system\", \"content\": \"{{>who}} Be {{tone}}.\"},\n"    \
    "   {\"role\": \"user\", \"name\": \"ex\", \"content\": \"Hi\"},\n"       \
    "   {\"role\": \"assistant\", \"content\": [{\"type\": \"text\",\n"       \
    "      \"text\": \"Hello{{#items}}, {{.}}{{/items}}\"}]},\n"              \
    "   \"{{>messages}}\",\n"                                                 \
    "   {\"role\": \"system\", \"content\": \"{{page}}\"}],\n"                \
    " \"parameters\": {\"temperature\": 0.10, \"max_tokens\": 400,\n"         \
    "                  \"stop\": \"END\"},\n"                                 \
    " \"fixed\": {\"top_p\": 1e0}}\n"


static ngx_llmops_prompt_t *
test_parse(const char *text, ngx_llmops_prompt_error_t *err)
{
    return ngx_llmops_prompt_parse(unit_str("support"), unit_str("v1"),
                                   unit_str(text), err);
}


/* the body that a request becomes; freed by the caller */

static char *
test_body(const char *prompt, ngx_llmops_form_e form, const char *variables,
    const char *body, ngx_llmops_prompt_build_t *build,
    ngx_llmops_error_t *err)
{
    char                       *text;
    json_t                     *v;
    ngx_llmops_out_t            out;
    ngx_llmops_value_t         *given;
    ngx_llmops_arena_t          arena;
    ngx_llmops_prompt_t        *p;
    ngx_llmops_prompt_error_t   fault;

    ngx_llmops_arena_init(&arena, 1024 * 1024);
    ngx_llmops_out_init(&out, 1024 * 1024);

    p = NULL;
    text = NULL;

    if (prompt) {
        p = test_parse(prompt, &fault);

        if (p == NULL) {
            fail_msg("line %d: %s", (int) fault.line, fault.text);
        }

        given = variables ? ngx_llmops_value_parse(&arena,
                                                   unit_str(variables))
                          : NULL;

        build->values = ngx_llmops_prompt_check(p, given, &arena, err);

        if (build->values == NULL) {
            goto done;
        }
    }

    build->form = form;
    build->prompt = p;

    if (ngx_llmops_prompt_body(build, unit_str(body), &out, err) == NGX_OK) {

        text = strndup((char *) out.data, out.len);

        v = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(v);
        json_decref(v);
    }

done:

    if (text == NULL) {
        assert_int_equal(err->kind, NGX_LLMOPS_ERR_INVALID_REQUEST);
        text = strndup((char *) err->message.data, err->message.len);
    }

    ngx_llmops_out_free(&out);
    ngx_llmops_arena_free(&arena);

    if (p) {
        ngx_llmops_prompt_release(p);
    }

    return text;
}


static void
test_is(const char *prompt, ngx_llmops_form_e form, const char *variables,
    const char *body, const char *expected)
{
    char                       *text;
    ngx_llmops_error_t          err;
    ngx_llmops_prompt_build_t   build;

    memset(&build, 0, sizeof(ngx_llmops_prompt_build_t));

    text = test_body(prompt, form, variables, body, &build, &err);
    assert_string_equal(text, expected);
    free(text);
}


static void
test_chat(void **state)
{
    (void) state;

    /* the caller's own bytes, its limit instead of the prompt's, what is
       fixed taken out */

    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT,
            "{\"product\":\"N\\\"X\",\"items\":[\"a\",1.50]}",
            "{ \"model\": \"m\", \"max_completion_tokens\": 1E2,"
            " \"top_p\": 0.5, \"messages\": [ {\"role\":\"user\" ,"
            "\"content\":\"?\"} ],\"prompt\":{\"id\":\"support\"},"
            "\"seed\":1.0,\"variables\":{} }",
            "{\"model\":\"m\",\"max_completion_tokens\":1E2,\"seed\":1.0,"
            "\"temperature\":0.10,\"stop\":\"END\",\"top_p\":1e0,"
            "\"messages\":[{\"role\":\"system\",\"content\":\"You help with "
            "N\\\"X. Be kind.\"},{\"role\":\"user\",\"name\":\"ex\","
            "\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":[{"
            "\"type\":\"text\",\"text\":\"Hello, a, 1.50\"}]},"
            "{\"role\":\"user\" ,\"content\":\"?\"} ,"
            "{\"role\":\"system\",\"content\":\"\"}]}");

    /* nothing from the caller */

    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT,
            "{\"product\":\"a\",\"page\":\"</page>\\u003c\"}", "{}",
            "{\"temperature\":0.10,\"max_tokens\":400,\"stop\":\"END\","
            "\"top_p\":1e0,\"messages\":[{\"role\":\"system\",\"content\":"
            "\"You help with a. Be kind.\"},{\"role\":\"user\",\"name\":"
            "\"ex\",\"content\":\"Hi\"},{\"role\":\"assistant\",\"content\":[{"
            "\"type\":\"text\",\"text\":\"Hello\"}]},{\"role\":\"system\","
            "\"content\":\"<page>&lt;/page&gt;&lt;</page>\"}]}");
}


static void
test_messages(void **state)
{
    (void) state;

    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_MESSAGES, "{\"product\":\"a\"}",
            "{\"model\":\"m\",\"max_tokens\":9,\"system\":\"mine\","
            "\"messages\":[{\"role\":\"user\",\"content\":\"?\"}]}",
            "{\"model\":\"m\",\"max_tokens\":9,\"temperature\":0.10,"
            "\"stop_sequences\":[\"END\"],\"top_p\":1e0,\"system\":["
            "{\"type\":\"text\",\"text\":\"You help with a. Be kind.\"},"
            "{\"type\":\"text\",\"text\":\"\"},"
            "{\"type\":\"text\",\"text\":\"mine\"}],"
            "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"},"
            "{\"role\":\"assistant\",\"content\":[{\"type\":\"text\","
            "\"text\":\"Hello\"}]},{\"role\":\"user\",\"content\":\"?\"}]}");
}


static void
test_responses(void **state)
{
    (void) state;

    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_RESPONSES,
            "{\"product\":{\"type\":\"input_text\",\"text\":\"a\"}}",
            "{\"input\":\"?\",\"instructions\":\"i\"}",
            "{\"instructions\":\"i\",\"temperature\":0.10,"
            "\"max_output_tokens\":400,\"top_p\":1e0,\"input\":["
            "{\"role\":\"system\",\"content\":\"You help with a. Be kind.\"},"
            "{\"role\":\"user\",\"content\":\"Hi\"},{\"role\":\"assistant\","
            "\"content\":[{\"type\":\"output_text\",\"text\":\"Hello\"}]},"
            "{\"role\":\"user\",\"content\":\"?\"},"
            "{\"role\":\"system\",\"content\":\"\"}]}");
}


#define TEST_TOOLS                                                            \
    "{\"messages\": [{\"role\":\"user\",\"content\":[{\"type\":\"image_url\","\
    "\"image_url\":{\"url\":\"data:image/png;base64,QUJD\","                  \
    "\"detail\":\"low\"}}]}],\"parameters\":{\"tools\":[{\"type\":"           \
    "\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],"         \
    "\"tool_choice\":\"required\",\"reasoning_effort\":\"low\"}}"


static void
test_parts(void **state)
{
    (void) state;

    test_is(TEST_TOOLS, NGX_LLMOPS_FORM_CHAT, NULL, "{\"messages\":[]}",
            "{\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\","
            "\"parameters\":{}}}],\"tool_choice\":\"required\","
            "\"reasoning_effort\":\"low\",\"messages\":[{\"role\":\"user\","
            "\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":"
            "\"data:image/png;base64,QUJD\",\"detail\":\"low\"}}]}]}");

    test_is(TEST_TOOLS, NGX_LLMOPS_FORM_MESSAGES, NULL, "{}",
            "{\"tools\":[{\"name\":\"f\",\"input_schema\":{}}],"
            "\"tool_choice\":{\"type\":\"any\"},\"messages\":[{\"role\":"
            "\"user\",\"content\":[{\"type\":\"image\",\"source\":{\"type\":"
            "\"base64\",\"media_type\":\"image/png\",\"data\":\"QUJD\"}}]}]}");

    test_is(TEST_TOOLS, NGX_LLMOPS_FORM_RESPONSES, NULL, "{}",
            "{\"tools\":[{\"type\":\"function\",\"name\":\"f\","
            "\"parameters\":{}}],\"tool_choice\":\"required\","
            "\"reasoning\":{\"effort\":\"low\"},\"input\":[{\"role\":\"user\","
            "\"content\":[{\"type\":\"input_image\",\"image_url\":"
            "\"data:image/png;base64,QUJD\",\"detail\":\"low\"}]}]}");

    test_is("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
            "\"parameters\":{\"response_format\":{\"type\":\"json_schema\","
            "\"json_schema\":{\"name\":\"n\",\"schema\":{}}}}}",
            NGX_LLMOPS_FORM_RESPONSES, NULL, "{}",
            "{\"text\":{\"format\":{\"type\":\"json_schema\",\"name\":\"n\","
            "\"schema\":{}}},\"input\":[{\"role\":\"user\",\"content\":"
            "\"x\"}]}");

    test_is("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}],"
            "\"parameters\":{\"response_format\":{\"type\":\"json_object\"}}}",
            NGX_LLMOPS_FORM_MESSAGES, NULL, "{}",
            "the prompt cannot be used with this API, use chat/completions");

    test_is("{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":"
            "\"input_audio\",\"input_audio\":{}}]}]}",
            NGX_LLMOPS_FORM_RESPONSES, NULL, "{}",
            "the prompt cannot be used with this API, use chat/completions");
}


static void
test_refused(void **state)
{
    (void) state;

    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT, NULL, "{}",
            "variables of the prompt are missing: product");
    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT, "{\"product\":null}", "{}",
            "variables of the prompt are missing: product");
    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT,
            "{\"product\":\"a\",\"x\":1,\"y\":2}", "{}",
            "the prompt has no such variables: x, y");
    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT, "[]", "{}",
            "the prompt's variables are not an object, send {\"name\": "
            "value}");
    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT, "{\"product\":1}", "{}",
            "the prompt's variable \"product\" is not a string");
    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT,
            "{\"product\":\"01234567890\"}", "{}",
            "the prompt's variable \"product\" is too long, send fewer "
            "characters");
    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT,
            "{\"product\":\"a\",\"tone\":\"loud\"}", "{}",
            "the prompt's variable \"tone\" is none of the values that are "
            "allowed");
    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT,
            "{\"product\":\"a\",\"items\":[1,2,3,4]}", "{}",
            "the prompt's variable \"items\" has too many items, send fewer");
    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT, "{\"product\":\"a\"}",
            "{\"messages\":[],\"m\\u0065ssages\":[]}",
            "a parameter is in the request body more than once, maybe spelled "
            "with escapes: send it once");
    test_is(TEST_SUPPORT, NGX_LLMOPS_FORM_CHAT, "{\"product\":\"a\"}",
            "{\"messages\":{}}",
            "the messages of the request are not an array");
    test_is("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
            NGX_LLMOPS_FORM_CHAT, NULL,
            "{\"messages\":[{\"role\":\"system\",\"content\":\"!\"}]}",
            "the prompt takes no messages, only its variables");
    test_is("{\"messages\":[{\"role\":\"user\",\"content\":\"x\"}]}",
            NGX_LLMOPS_FORM_MESSAGES, NULL, "{\"system\":\"!\"}",
            "the prompt takes no messages, only its variables");
    test_is("{\"variables\":{\"n\":{\"type\":\"integer\"}},\"messages\":[{"
            "\"role\":\"user\",\"content\":\"{{n}}\"}]}",
            NGX_LLMOPS_FORM_CHAT, "{\"n\":1.0}", "{}",
            "the prompt's variable \"n\" is not a whole number");
    test_is("{\"variables\":{\"n\":{\"type\":\"array\"}},\"messages\":[{"
            "\"role\":\"user\",\"content\":\"{{#n}}{{#n}}{{#n}}{{#n}}{{/n}}"
            "{{/n}}{{/n}}{{/n}}\"}]}", NGX_LLMOPS_FORM_CHAT,
            "{\"n\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
            "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}",
            "{}", "the prompt has too much to do with these variables");
    test_is("{\"variables\":{\"n\":{\"type\":\"array\"}},\"messages\":[{"
            "\"role\":\"user\",\"content\":\"{{#n}}{{#n}}{{#n}}0123456789"
            "0123456789{{/n}}{{/n}}{{/n}}\"}]}", NGX_LLMOPS_FORM_CHAT,
            "{\"n\":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
            "1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]}",
            "{}", "the prompt becomes too large with these variables");
}


static void
test_decorators(void **state)
{
    char                       *text;
    ngx_llmops_error_t          err;
    ngx_llmops_decorator_t      d[3];
    ngx_llmops_prompt_build_t   build;

    (void) state;

    memset(d, 0, sizeof(d));
    memset(&build, 0, sizeof(ngx_llmops_prompt_build_t));

    ngx_str_set(&d[0].role, "system");
    ngx_str_set(&d[0].text, "say \"no\"");
    ngx_str_set(&d[1].role, "user");
    ngx_str_set(&d[1].text, "bye");
    d[1].append = 1;
    ngx_str_set(&d[2].role, "system");

    build.decorators = d;
    build.ndecorators = 3;
    ngx_str_set(&build.model, "m");

    text = test_body(NULL, NGX_LLMOPS_FORM_CHAT, NULL,
                     "{\"variables\":1,\"messages\":[1]}", &build, &err);
    assert_string_equal(text, "{\"variables\":1,\"model\":\"m\",\"messages\":["
                        "{\"role\":\"system\",\"content\":\"say \\\"no\\\"\"},"
                        "1,{\"role\":\"user\",\"content\":\"bye\"}]}");
    free(text);

    text = test_body(NULL, NGX_LLMOPS_FORM_MESSAGES, NULL,
                     "{\"model\":\"x\",\"system\":[2],\"messages\":[]}",
                     &build, &err);
    assert_string_equal(text, "{\"model\":\"x\",\"system\":[{\"type\":\"text\""
                        ",\"text\":\"say \\\"no\\\"\"},2],\"messages\":["
                        "{\"role\":\"user\",\"content\":\"bye\"}]}");
    free(text);
}


static void
test_count(void **state)
{
    char                       *text;
    ngx_llmops_error_t          err;
    ngx_llmops_prompt_build_t   build;

    (void) state;

    memset(&build, 0, sizeof(ngx_llmops_prompt_build_t));
    build.count = 1;

    text = test_body(TEST_SUPPORT, NGX_LLMOPS_FORM_MESSAGES,
                     "{\"product\":\"a\"}", "{}", &build, &err);
    assert_non_null(strstr(text, "You help with a."));
    assert_null(strstr(text, "temperature"));
    free(text);
}


static void
test_fault(const char *text, ngx_uint_t line, const char *message)
{
    ngx_llmops_prompt_t        *p;
    ngx_llmops_prompt_error_t   err;

    p = test_parse(text, &err);
    assert_null(p);
    assert_string_equal((char *) err.text, message);
    assert_int_equal(err.line, line);
}


static void
test_faults(void **state)
{
    (void) state;

    test_fault("{\"a\":\n1,,}", 2, "it is not JSON: string or '}' expected "
               "near ','");
    test_fault("[\n]", 1, "it is not an object, write {\"messages\": [ ... "
               "]}");
    test_fault("{\n\n\"mesages\": []}", 3, "unknown member \"mesages\", there "
               "are messages, variables, partials, parameters, fixed, model, "
               "escape and notes");
    test_fault("{\"messages\":\n{}}", 2, "\"messages\" is not an array");
    test_fault("{\"messages\":\n[]}", 2, "there are no messages, write "
               "\"messages\": [{\"role\": \"system\", \"content\": "
               "\"...\"}]");
    test_fault("{\"messages\":[\n\"hello\"]}", 2, "a message is {\"role\": "
               "..., \"content\": ...}, or \"{{>messages}}\" where the "
               "caller's come");
    test_fault("{\"messages\":[{\"role\":\n\"tool\",\"content\":\"\"}]}", 2,
               "a message needs \"role\": \"system\", \"developer\", \"user\" "
               "or \"assistant\"");
    test_fault("{\"messages\":[{\"role\":\"user\",\n\"content\":1}]}", 2,
               "a message needs \"content\", a string or an array of parts");
    test_fault("{\"messages\":[{\"role\":\"user\",\"content\":\"\",\n"
               "\"tool_calls\":[]}]}", 2, "unknown member \"tool_calls\" of a "
               "message, there are role, content and name");
    test_fault("{\"messages\":[{\"role\":\"user\",\"content\":\n"
               "\"{{name}}\"}]}", 2, "unknown variable \"name\", add it to "
               "\"variables\"");
    test_fault("{\"messages\":[{\"role\":\"user\",\"content\":\n"
               "\"{{#name}}\"}]}", 2, "the section \"name\" is not closed, "
               "write its closing tag");
    test_fault("{\"messages\":[\"{{>messages}}\",\n\"{{>messages}}\"]}", 2,
               "the caller's messages have more than one place, keep one "
               "\"{{>messages}}\"");
    test_fault("{\"partials\":{\n\"a\":\"{{>b}}\"}}", 2,
               "unknown partial \"b\", add it to \"partials\"");
    test_fault("{\"variables\":{\"a\":\n{\"type\":\"text\"}}}", 2,
               "the variable \"a\" needs \"type\": \"string\", \"number\", "
               "\"integer\", \"boolean\", \"array\" or \"object\"");
    test_fault("{\"variables\":{\"a\":{\"type\":\"string\",\n\"default\":1}}}",
               2, "the default of \"a\" is none of the values that its type, "
               "max_length and enum allow");
    test_fault("{\"variables\":{\"a\":{\"type\":\"string\",\n"
               "\"required\":true,\"default\":\"\"}}}",
               2, "the variable \"a\" is required and has a default, take one "
               "away");
    test_fault("{\"variables\":{\"a\":{\"type\":\"number\",\n"
               "\"max_length\":1}}}", 2, "\"max_length\" is a whole number of "
               "characters of a string, or of items of an array");
    test_fault("{\"variables\":{\n\"a.b\":{}}}", 2, "\"a.b\" cannot be the "
               "name of a variable: it begins with a letter or \"_\" and has "
               "up to 64 letters, digits, \"_\" and \"-\"");
    test_fault("{\"escape\":\n\"html\"}", 2, "invalid \"escape\", write "
               "\"none\" or \"xml\"");
    test_fault("{\"messages\":[{\"role\":\"user\",\"content\":\"\"}],"
               "\"parameters\":{\n\"stream\":true}}", 2, "\"stream\" cannot be "
               "among the parameters: the model and the messages are members "
               "of the prompt, the rest is the caller's");
    test_fault("{\"messages\":[{\"role\":\"user\",\"content\":\"\"}],"
               "\"parameters\":{\"max_tokens\":1},\"fixed\":{\n"
               "\"max_completion_tokens\":1}}", 2, "the parameter "
               "\"max_completion_tokens\" is given twice, keep one of them");
    test_fault("{\"model\":\n\"\"}", 2, "the model's name must have 1 to 256 "
               "bytes");
}


/* looked through once, however often they lead to each other */

static void
test_partials_without_end(void **state)
{
    ngx_llmops_prompt_t        *p;
    ngx_llmops_prompt_error_t   err;

    alarm(20);

    p = test_parse("{\"partials\":{\"a\":\"{{>b}}{{>b}}\","
                   "\"b\":\"{{>a}}{{>a}}{{>b}}\"},\"messages\":["
                   "{\"role\":\"user\",\"content\":\"{{>a}}\"}]}", &err);
    alarm(0);

    assert_non_null(p);
    ngx_llmops_prompt_release(p);
}


static void
test_name(void **state)
{
    (void) state;

    assert_true(ngx_llmops_prompt_name(unit_str("a.B_9-")));
    assert_false(ngx_llmops_prompt_name(unit_str("")));
    assert_false(ngx_llmops_prompt_name(unit_str("a b")));
    assert_false(ngx_llmops_prompt_name(unit_str("a@b")));
    assert_false(ngx_llmops_prompt_name(unit_str(
        "01234567890123456789012345678901234567890123456789012345678901234")));
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_chat),
        cmocka_unit_test(test_messages),
        cmocka_unit_test(test_responses),
        cmocka_unit_test(test_parts),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_decorators),
        cmocka_unit_test(test_count),
        cmocka_unit_test(test_faults),
        cmocka_unit_test(test_partials_without_end),
        cmocka_unit_test(test_name)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
