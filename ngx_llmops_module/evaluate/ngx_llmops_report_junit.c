
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_report_text.h"


/*
 * JUnit's XML as CI servers read it: a suite for the evaluation, a test for
 * each case and candidate, and one for the verdict.  A pipeline that allows
 * some cases to fail goes by the exit code of llm-eval and takes this for the
 * display.
 */


typedef struct {
    json_int_t                 tests;
    json_int_t                 failures;
    json_int_t                 errors;
} ngx_llmops_junit_t;


static void ngx_llmops_junit_count(ngx_llmops_report_t *rep,
    ngx_llmops_junit_t *count);
static void ngx_llmops_junit_properties(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out);
static void ngx_llmops_junit_test(ngx_llmops_report_t *rep, json_t *kase,
    json_t *result, ngx_llmops_out_t *out);
static void ngx_llmops_junit_outcome(json_t *result, ngx_llmops_out_t *out);


static const char *
ngx_llmops_junit_verdict(ngx_llmops_report_t *rep)
{
    const char  *verdict;

    verdict = json_string_value(json_object_get(rep->evaluation, "verdict"));

    return verdict ? verdict : "undecided";
}


static void
ngx_llmops_junit_attribute(ngx_llmops_out_t *out, const char *name,
    json_t *value)
{
    (void) ngx_llmops_out_lit(out, " ");
    (void) ngx_llmops_out_write(out, name, strlen(name));
    (void) ngx_llmops_out_lit(out, "=\"");
    ngx_llmops_report_value(out, value, ngx_llmops_report_xml_text);
    (void) ngx_llmops_out_lit(out, "\"");
}


void
ngx_llmops_report_junit_begin(ngx_llmops_report_t *rep, ngx_llmops_out_t *out)
{
    ngx_llmops_junit_t  count;

    ngx_llmops_junit_count(rep, &count);

    (void) ngx_llmops_out_lit(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>"
                              "\n<testsuites>\n<testsuite");
    ngx_llmops_junit_attribute(out, "name",
                               json_object_get(rep->evaluation, "name"));
    ngx_llmops_junit_attribute(out, "id",
                               json_object_get(rep->evaluation, "id"));
    (void) ngx_llmops_out_lit(out, " tests=\"");
    (void) ngx_llmops_out_int(out, count.tests);
    (void) ngx_llmops_out_lit(out, "\" failures=\"");
    (void) ngx_llmops_out_int(out, count.failures);
    (void) ngx_llmops_out_lit(out, "\" errors=\"");
    (void) ngx_llmops_out_int(out, count.errors);
    (void) ngx_llmops_out_lit(out, "\">\n");

    ngx_llmops_junit_properties(rep, out);
}


static void
ngx_llmops_junit_count(ngx_llmops_report_t *rep, ngx_llmops_junit_t *count)
{
    size_t       i;
    json_t      *one;
    json_int_t   passed, failed, errors;
    const char  *verdict;

    verdict = ngx_llmops_junit_verdict(rep);

    count->tests = 1;
    count->failures = (strcmp(verdict, "fail") == 0);
    count->errors = (strcmp(verdict, "undecided") == 0);

    json_array_foreach(json_object_get(rep->evaluation, "candidates"), i, one)
    {
        if (ngx_llmops_report_baseline(rep, json_object_get(one, "name"))) {
            continue;
        }

        passed = json_integer_value(json_object_get(one, "passed"));
        failed = json_integer_value(json_object_get(one, "failed"));
        errors = json_integer_value(json_object_get(one, "errors"));

        count->tests += passed + failed + errors;
        count->failures += failed;
        count->errors += errors;
    }
}


static void
ngx_llmops_junit_property(ngx_llmops_out_t *out, json_t *candidate,
    const char *name)
{
    (void) ngx_llmops_out_lit(out, "<property name=\"");
    ngx_llmops_report_value(out, json_object_get(candidate, "name"),
                            ngx_llmops_report_xml_text);
    (void) ngx_llmops_out_lit(out, ".");
    (void) ngx_llmops_out_write(out, name, strlen(name));
    (void) ngx_llmops_out_lit(out, "\"");
    ngx_llmops_junit_attribute(out, "value", json_object_get(candidate, name));
    (void) ngx_llmops_out_lit(out, "/>\n");
}


static void
ngx_llmops_junit_properties(ngx_llmops_report_t *rep, ngx_llmops_out_t *out)
{
    size_t   i;
    json_t  *one;

    (void) ngx_llmops_out_lit(out, "<properties>\n");

    json_array_foreach(json_object_get(rep->evaluation, "candidates"), i, one)
    {
        ngx_llmops_junit_property(out, one, "score");
        ngx_llmops_junit_property(out, one, "interval");

        if (json_object_get(one, "difference")) {
            ngx_llmops_junit_property(out, one, "difference");
        }
    }

    (void) ngx_llmops_out_lit(out, "</properties>\n");
}


void
ngx_llmops_report_junit_case(ngx_llmops_report_t *rep, json_t *kase,
    ngx_llmops_out_t *out)
{
    size_t   i;
    json_t  *result;

    json_array_foreach(json_object_get(kase, "results"), i, result) {
        if (!ngx_llmops_report_baseline(rep, json_object_get(result,
                                                             "candidate")))
        {
            ngx_llmops_junit_test(rep, kase, result, out);
        }
    }
}


static void
ngx_llmops_junit_test(ngx_llmops_report_t *rep, json_t *kase, json_t *result,
    ngx_llmops_out_t *out)
{
    char     buf[64];
    json_t  *id, *latency;

    (void) ngx_llmops_out_lit(out, "<testcase classname=\"");
    ngx_llmops_report_value(out, json_object_get(rep->evaluation, "name"),
                            ngx_llmops_report_xml_text);
    (void) ngx_llmops_out_lit(out, ".");
    ngx_llmops_report_value(out, json_object_get(result, "candidate"),
                            ngx_llmops_report_xml_text);
    (void) ngx_llmops_out_lit(out, "\"");

    id = json_object_get(kase, "id");
    ngx_llmops_junit_attribute(out, "name",
                               id ? id : json_object_get(kase, "n"));

    latency = json_object_get(result, "latency");

    if (json_is_number(latency)) {
        (void) ngx_llmops_out_write(out, buf,
                                    snprintf(buf, sizeof(buf),
                                             " time=\"%.3f\"",
                                             json_number_value(latency)
                                             / 1000));
    }

    ngx_llmops_junit_outcome(result, out);
}


static void
ngx_llmops_junit_outcome(json_t *result, ngx_llmops_out_t *out)
{
    ngx_uint_t   error;
    const char  *what;

    error = json_is_string(json_object_get(result, "error"));

    if (!error && json_is_true(json_object_get(result, "passed"))) {
        (void) ngx_llmops_out_lit(out, "/>\n");
        return;
    }

    /* nothing was asked, or nobody has told yet */

    if (!error && !json_is_number(json_object_get(result, "score"))) {
        (void) ngx_llmops_out_lit(out, "><skipped/></testcase>\n");
        return;
    }

    what = error ? "error" : "failure";

    (void) ngx_llmops_out_lit(out, ">\n<");
    (void) ngx_llmops_out_write(out, what, strlen(what));
    (void) ngx_llmops_out_lit(out, " message=\"");
    ngx_llmops_report_why(result, ngx_llmops_report_xml_text, out);
    (void) ngx_llmops_out_lit(out, "\">");
    ngx_llmops_report_value(out, json_object_get(result, "answer"),
                            ngx_llmops_report_xml_text);
    (void) ngx_llmops_out_lit(out, "</");
    (void) ngx_llmops_out_write(out, what, strlen(what));
    (void) ngx_llmops_out_lit(out, ">\n</testcase>\n");
}


void
ngx_llmops_report_junit_end(ngx_llmops_report_t *rep, ngx_llmops_out_t *out)
{
    const char  *verdict, *what;

    verdict = ngx_llmops_junit_verdict(rep);

    (void) ngx_llmops_out_lit(out, "<testcase classname=\"");
    ngx_llmops_report_value(out, json_object_get(rep->evaluation, "name"),
                            ngx_llmops_report_xml_text);
    (void) ngx_llmops_out_lit(out, "\" name=\"verdict\"");

    if (strcmp(verdict, "pass") == 0) {
        (void) ngx_llmops_out_lit(out, "/>\n");

    } else {
        what = strcmp(verdict, "fail") == 0 ? "failure" : "error";

        (void) ngx_llmops_out_lit(out, "><");
        (void) ngx_llmops_out_write(out, what, strlen(what));
        ngx_llmops_junit_attribute(out, "message",
                                   json_object_get(rep->evaluation, "why"));
        (void) ngx_llmops_out_lit(out, "/></testcase>\n");
    }

    (void) ngx_llmops_out_lit(out, "</testsuite>\n</testsuites>\n");
}
