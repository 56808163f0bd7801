
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "unit.h"
#include "ngx_llmops_report.h"


/* Reports: what they look like, and that no text breaks out of its place. */


static const char  evaluation[] =
    "{\"id\":\"eval_1\",\"name\":\"golden\",\"status\":\"completed\","
    "\"cases\":2,\"done\":2,\"cost\":0.5,\"baseline\":\"old\","
    "\"verdict\":\"fail\",\"why\":\"new: 1 of 2 cases have failed\","
    "\"candidates\":[{\"name\":\"new\",\"score\":0.5,\"interval\":[0.1,0.9],"
    "\"passed\":1,\"failed\":1,\"errors\":0,\"cost\":0.25,"
    "\"latency_p50\":120,\"latency_p95\":900,"
    "\"difference\":{\"value\":-0.5,\"interval\":[-0.9,0.1]}},"
    "{\"name\":\"old\",\"score\":1.0,\"interval\":[0.34,1],\"passed\":2,"
    "\"failed\":0,\"errors\":0,\"cost\":0.25,\"latency_p50\":null,"
    "\"latency_p95\":null}],"
    "\"slices\":[{\"name\":\"easy\",\"cases\":1,\"candidates\":["
    "{\"name\":\"new\",\"score\":1.0,\"interval\":[0.2,1],\"passed\":1,"
    "\"failed\":0,\"errors\":0,\"cost\":0.1}]}]}";

static const char  first[] =
    "{\"n\":0,\"id\":\"one\",\"slice\":\"easy\",\"input\":\"1 + 1\","
    "\"expected\":\"2\",\"results\":[{\"candidate\":\"new\",\"answer\":\"2\","
    "\"score\":1.0,\"passed\":true,\"cost\":0.1,\"latency\":120,"
    "\"checks\":[{\"type\":\"exact\",\"name\":\"exact\",\"score\":1.0,"
    "\"passed\":true}]},{\"candidate\":\"old\",\"answer\":\"2\",\"score\":1.0,"
    "\"passed\":true,\"checks\":[]}]}";

static const char  second[] =
    "{\"n\":1,\"expected\":[\"4\",\"four\"],\"results\":[{\"candidate\":"
    "\"new\",\"answer\":\"5\",\"score\":0.0,\"passed\":false,\"checks\":["
    "{\"type\":\"exact\",\"name\":\"exact\",\"score\":0.0,\"passed\":false,"
    "\"why\":\"expected \\\"4\\\"\"},{\"type\":\"length\",\"name\":\"short\","
    "\"score\":0.0,\"passed\":false}]},{\"candidate\":\"old\",\"error\":"
    "\"no answer\",\"score\":null,\"passed\":false,\"checks\":[]}]}";


static void
append(ngx_llmops_report_t *rep, const char *text, ngx_llmops_out_t *out)
{
    json_t  *kase;

    kase = json_loads(text, 0, NULL);
    assert_non_null(kase);
    assert_int_equal(ngx_llmops_report_case(rep, kase, out), NGX_OK);
    json_decref(kase);
}


/* a report of these cases, as a C string in out */

static char *
report(const char *name, const char *eval, const char *one, const char *two,
    ngx_llmops_out_t *out)
{
    json_t                      *json;
    ngx_llmops_report_t          rep;
    ngx_llmops_report_format_e   format;

    ngx_llmops_out_init(out, 1 << 20);
    json = json_loads(eval, 0, NULL);
    assert_non_null(json);

    assert_int_equal(ngx_llmops_report_format(unit_str(name), &format),
                     NGX_OK);
    assert_int_equal(ngx_llmops_report_begin(&rep, format, json, out),
                     NGX_OK);

    if (one) {
        append(&rep, one, out);
    }

    if (two) {
        append(&rep, two, out);
    }

    assert_int_equal(ngx_llmops_report_end(&rep, out), NGX_OK);
    json_decref(json);

    assert_int_equal(ngx_llmops_out_write(out, "", 1), NGX_OK);

    return (char *) out->data;
}


static void
test_json(void **state)
{
    char              *text;
    json_t            *json;
    ngx_llmops_out_t   out;

    text = report("json", evaluation, first, second, &out);
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    assert_int_equal(json_array_size(json_object_get(json, "cases")), 2);
    json_decref(json);
    ngx_llmops_out_free(&out);

    text = report("json", evaluation, NULL, NULL, &out);
    json = json_loads(text, 0, NULL);
    assert_non_null(json);
    json_decref(json);
    ngx_llmops_out_free(&out);
}


static void
test_csv(void **state)
{
    ngx_llmops_out_t  out;

    assert_string_equal(report("csv", evaluation, first, second, &out),
        "case,id,slice,candidate,score,passed,error,cost,latency,why,input,"
        "expected,answer\r\n"
        "0,\"one\",\"easy\",\"new\",1,true,,0.1,120,\"\",\"1 + 1\",\"2\","
        "\"2\"\r\n"
        "0,\"one\",\"easy\",\"old\",1,true,,,,\"\",\"1 + 1\",\"2\",\"2\"\r\n"
        "1,,,\"new\",0,false,,,,\"exact: expected \"\"4\"\"; short\",,"
        "\"[\"\"4\"\",\"\"four\"\"]\",\"5\"\r\n"
        "1,,,\"old\",,false,\"no answer\",,,\"no answer\",,"
        "\"[\"\"4\"\",\"\"four\"\"]\",\r\n");
    ngx_llmops_out_free(&out);
}


static void
test_junit(void **state)
{
    ngx_llmops_out_t  out;

    assert_string_equal(report("junit", evaluation, first, second, &out),
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
        "<testsuites>\n"
        "<testsuite name=\"golden\" id=\"eval_1\" tests=\"3\" failures=\"2\" "
        "errors=\"0\">\n"
        "<properties>\n"
        "<property name=\"new.score\" value=\"0.5\"/>\n"
        "<property name=\"new.interval\" value=\"[0.1,0.9]\"/>\n"
        "<property name=\"new.difference\" value=\"{&quot;value&quot;:-0.5,"
        "&quot;interval&quot;:[-0.9,0.1]}\"/>\n"
        "<property name=\"old.score\" value=\"1\"/>\n"
        "<property name=\"old.interval\" value=\"[0.34,1]\"/>\n"
        "</properties>\n"
        "<testcase classname=\"golden.new\" name=\"one\" time=\"0.120\"/>\n"
        "<testcase classname=\"golden.new\" name=\"1\">\n"
        "<failure message=\"exact: expected &quot;4&quot;; short\">5"
        "</failure>\n"
        "</testcase>\n"
        "<testcase classname=\"golden\" name=\"verdict\"><failure message=\""
        "new: 1 of 2 cases have failed\"/></testcase>\n"
        "</testsuite>\n"
        "</testsuites>\n");
    ngx_llmops_out_free(&out);
}


static void
test_markdown(void **state)
{
    ngx_llmops_out_t  out;

    assert_string_equal(report("markdown", evaluation, first, second, &out),
        "# Evaluation golden: fail\n\n"
        "The reason: new: 1 of 2 cases have failed.\n\n"
        "Status completed, 2 of 2 cases, cost 0.5000.\n\n"
        "| candidate | score | interval | against the baseline | passed | "
        "failed | errors | cost | p50 ms | p95 ms |\n"
        "|---|---|---|---|---|---|---|---|---|---|\n"
        "| new | 0.500 | \\[0.100, 0.900\\] | -0.500 \\[-0.900, 0.100\\] | 1 "
        "| 1 | 0 | 0.2500 | 120 | 900 |\n"
        "| old | 1.000 | \\[0.340, 1.000\\] | - | 2 | 0 | 0 | 0.2500 | - | - "
        "|\n\n"
        "## Slices\n\n"
        "| slice | candidate | score | interval | against the baseline | "
        "passed | failed | errors | cost |\n"
        "|---|---|---|---|---|---|---|---|---|\n"
        "| easy | new | 1.000 | \\[0.200, 1.000\\] | - | 1 | 0 | 0 | 0.1000 "
        "|\n\n"
        "## Cases that are not passed\n\n"
        "| case | slice | candidate | score | why | answer |\n"
        "|---|---|---|---|---|---|\n"
        "| 1 |  | new | 0.000 | exact: expected \"4\"; short | 5 |\n"
        "| 1 |  | old | - | no answer |  |\n");
    ngx_llmops_out_free(&out);
}


/* the cells that answers make, in each format */

static void
answer(const char *format, const char *text, const char *wanted)
{
    char               eval[512], *got;
    json_t            *kase, *name;
    ngx_llmops_out_t   out;

    kase = json_pack("{si,s[{ss,ss,sf,sb}]}", "n", 7, "results", "candidate",
                     "new", "answer", text, "score", 0.0, "passed", 0);
    assert_non_null(kase);
    got = json_dumps(kase, 0);
    json_decref(kase);

    /* the name is somebody's, too */

    name = json_string(text);
    kase = json_pack("{so}", "name", name);
    assert_non_null(kase);
    assert_true(json_dumpb(kase, eval, sizeof(eval), 0) < sizeof(eval));
    eval[json_dumpb(kase, NULL, 0, 0)] = '\0';
    json_decref(kase);

    (void) report(format, eval, got, NULL, &out);

    if (strstr((char *) out.data, wanted) == NULL) {
        fail_msg("%s is not in %s", wanted, (char *) out.data);
    }

    free(got);
    ngx_llmops_out_free(&out);
}


static void
test_escapes(void **state)
{
    ngx_uint_t  i;

    static const char  *formulas[] = {
        "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1",
        "\xef\xbc\x9d" "1", "\xef\xbc\x8b" "1", "\xef\xbc\x8d" "1",
        "\xef\xbc\xa0" "1"
    };

    for (i = 0; i < sizeof(formulas) / sizeof(formulas[0]); i++) {
        char  cell[64];

        snprintf(cell, sizeof(cell), ",\"'%s\"\r\n", formulas[i]);
        answer("csv", formulas[i], cell);
    }

    answer("csv", "a=1", ",\"a=1\"\r\n");
    answer("csv", "a\",\"b\r\nc", ",\"a\"\",\"\"b\r\nc\"\r\n");
    answer("csv", "=cmd|' /C calc'!A0\"", ",\"'=cmd|' /C calc'!A0\"\"\"\r\n");
    answer("csv", "bell \x07", ",\"bell \xef\xbf\xbd\"\r\n");

    answer("junit", "</failure><x a=\"1\">&lt;]]>",
           ">&lt;/failure&gt;&lt;x a=&quot;1&quot;&gt;&amp;lt;]]&gt;<");
    answer("junit", "\" onload=\"", "<testsuite name=\"&quot; onload=&quot;\"");
    answer("junit", "esc \x1b[31m\x01 \xef\xbf\xbf",
           "esc \xef\xbf\xbd[31m\xef\xbf\xbd \xef\xbf\xbd");
    answer("junit", "a\nb\tc", "a&#10;b&#9;c");

    answer("markdown", "<img src=x onerror=1>",
           "| \\<img src=x onerror=1\\> |");
    answer("markdown", "a | b\n| c", "| a \\| b \\| c |");
    answer("markdown", "[x](javascript:1) ![y](z)",
           "\\[x\\](javascript:1) \\!\\[y\\](z)");
    answer("markdown", "`code` **b** _i_ ~~s~~ # h",
           "\\`code\\` \\*\\*b\\*\\* \\_i\\_ \\~\\~s\\~\\~ \\# h");
    answer("markdown", "https://evil.example www.evil.example",
           "https\\://evil.example www\\.evil.example");
    answer("markdown", "@everyone", "@\xe2\x80\x8b" "everyone");
    answer("markdown", "&lt;b&gt; \\| \\", "\\&lt;b\\&gt; \\\\\\| \\\\ |");
    answer("markdown", "\n# title", "|  \\# title |");
    answer("markdown", "\x1b[2J", "| \xef\xbf\xbd\\[2J |");
}


/* a long answer is cut between characters, many cases are counted */

static void
test_bounds(void **state)
{
    char                         big[4001], eval[] = "{\"name\":\"x\"}";
    json_t                      *kase, *json;
    ngx_uint_t                   i;
    ngx_llmops_out_t             out;
    ngx_llmops_report_t          rep;
    ngx_llmops_report_format_e   format;

    for (i = 0; i < 4000; i += 2) {
        memcpy(big + i, "\xc3\xa4", 2);
    }

    big[4000] = '\0';

    assert_int_equal(ngx_llmops_report_format(unit_str("xml"), &format),
                     NGX_DECLINED);
    assert_int_equal(ngx_llmops_report_format(unit_str("markdown"), &format),
                     NGX_OK);
    assert_string_equal(ngx_llmops_report_type(format),
                        "text/markdown; charset=utf-8");

    ngx_llmops_out_init(&out, 1 << 20);
    json = json_loads(eval, 0, NULL);
    kase = json_pack("{si,s[{ss,ss,sf,sb}]}", "n", 7, "results", "candidate",
                     "new", "answer", big, "score", 0.0, "passed", 0);
    assert_non_null(kase);

    assert_int_equal(ngx_llmops_report_begin(&rep, format, json, &out),
                     NGX_OK);

    for (i = 0; i < 1000; i++) {
        assert_int_equal(ngx_llmops_report_case(&rep, kase, &out), NGX_OK);
    }

    assert_int_equal(ngx_llmops_report_end(&rep, &out), NGX_OK);
    assert_int_equal(ngx_llmops_out_write(&out, "", 1), NGX_OK);
    assert_in_range(out.len, 50 * 200, 50 * 260);
    assert_non_null(strstr((char *) out.data, "\xc3\xa4... |\n"));
    assert_non_null(strstr((char *) out.data, "There are 950 more."));

    /* no more than out holds */

    ngx_llmops_out_free(&out);
    ngx_llmops_out_init(&out, 16);
    assert_int_equal(ngx_llmops_report_begin(&rep, NGX_LLMOPS_REPORT_JSON,
                                             kase, &out),
                     NGX_ERROR);

    json_decref(json);
    json_decref(kase);
    ngx_llmops_out_free(&out);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_junit),
        cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
