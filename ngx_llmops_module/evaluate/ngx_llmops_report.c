
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_report.h"
#include "ngx_llmops_report_text.h"


/*
 * Reports.  What is ours is written as it is; all texts of others (names of
 * candidates and cases, inputs, answers, reasons) go through one function for
 * each format, in report_text.c, and there is no other way for them.
 *
 * The baseline is there to compare with: its failures are no failures of the
 * evaluation, so JUnit does not tell of its cases.
 */


typedef struct {
    ngx_str_t                  name;
    const char                *type;
    void                     (*begin)(ngx_llmops_report_t *rep,
                                      ngx_llmops_out_t *out);
    void                     (*kase)(ngx_llmops_report_t *rep, json_t *kase,
                                     ngx_llmops_out_t *out);
    void                     (*end)(ngx_llmops_report_t *rep,
                                    ngx_llmops_out_t *out);
} ngx_llmops_report_writer_t;


static void ngx_llmops_report_json_begin(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out);
static void ngx_llmops_report_json_case(ngx_llmops_report_t *rep,
    json_t *kase, ngx_llmops_out_t *out);
static void ngx_llmops_report_json_end(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out);
static void ngx_llmops_report_csv_begin(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out);
static void ngx_llmops_report_csv_case(ngx_llmops_report_t *rep,
    json_t *kase, ngx_llmops_out_t *out);
static void ngx_llmops_report_csv_end(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out);


static ngx_llmops_report_writer_t  ngx_llmops_report_writers[] = {

    { ngx_string("json"),
      "application/json",
      ngx_llmops_report_json_begin,
      ngx_llmops_report_json_case,
      ngx_llmops_report_json_end },

    { ngx_string("junit"),
      "application/xml",
      ngx_llmops_report_junit_begin,
      ngx_llmops_report_junit_case,
      ngx_llmops_report_junit_end },

    { ngx_string("csv"),
      "text/csv; charset=utf-8",
      ngx_llmops_report_csv_begin,
      ngx_llmops_report_csv_case,
      ngx_llmops_report_csv_end },

    { ngx_string("markdown"),
      "text/markdown; charset=utf-8",
      ngx_llmops_report_markdown_begin,
      ngx_llmops_report_markdown_case,
      ngx_llmops_report_markdown_end }
};


ngx_int_t
ngx_llmops_report_format(ngx_str_t *name, ngx_llmops_report_format_e *format)
{
    ngx_uint_t  i;
    ngx_str_t  *one;

    for (i = NGX_LLMOPS_REPORT_JSON; i <= NGX_LLMOPS_REPORT_MARKDOWN; i++) {
        one = &ngx_llmops_report_writers[i].name;

        if (one->len == name->len
            && ngx_memcmp(one->data, name->data, name->len) == 0)
        {
            *format = i;
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


const char *
ngx_llmops_report_type(ngx_llmops_report_format_e format)
{
    return ngx_llmops_report_writers[format].type;
}


ngx_int_t
ngx_llmops_report_begin(ngx_llmops_report_t *rep,
    ngx_llmops_report_format_e format, json_t *evaluation,
    ngx_llmops_out_t *out)
{
    rep->format = format;
    rep->evaluation = evaluation;
    rep->cases = 0;
    rep->told = 0;

    ngx_llmops_report_writers[format].begin(rep, out);

    return out->failed ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_llmops_report_case(ngx_llmops_report_t *rep, json_t *kase,
    ngx_llmops_out_t *out)
{
    ngx_llmops_report_writers[rep->format].kase(rep, kase, out);
    rep->cases++;

    return out->failed ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_llmops_report_end(ngx_llmops_report_t *rep, ngx_llmops_out_t *out)
{
    ngx_llmops_report_writers[rep->format].end(rep, out);

    return out->failed ? NGX_ERROR : NGX_OK;
}


/* JSON: jansson writes it, and has escaped what it writes */

static void
ngx_llmops_report_dump(json_t *json, ngx_llmops_out_t *out)
{
    char  *text;

    text = json_dumps(json, JSON_COMPACT|JSON_ENCODE_ANY
                            |JSON_REAL_PRECISION(15));

    if (text == NULL) {
        out->failed = 1;
        return;
    }

    (void) ngx_llmops_out_write(out, text, strlen(text));

    free(text);
}


static void
ngx_llmops_report_json_begin(ngx_llmops_report_t *rep, ngx_llmops_out_t *out)
{
    (void) ngx_llmops_out_lit(out, "{\"evaluation\":");
    ngx_llmops_report_dump(rep->evaluation, out);
    (void) ngx_llmops_out_lit(out, ",\n\"cases\":[");
}


static void
ngx_llmops_report_json_case(ngx_llmops_report_t *rep, json_t *kase,
    ngx_llmops_out_t *out)
{
    if (rep->cases) {
        (void) ngx_llmops_out_lit(out, ",");
    }

    (void) ngx_llmops_out_lit(out, "\n");
    ngx_llmops_report_dump(kase, out);
}


static void
ngx_llmops_report_json_end(ngx_llmops_report_t *rep, ngx_llmops_out_t *out)
{
    (void) ngx_llmops_out_lit(out, "\n]}\n");
}


/* CSV, RFC 4180 */

static void
ngx_llmops_report_csv_begin(ngx_llmops_report_t *rep, ngx_llmops_out_t *out)
{
    (void) ngx_llmops_out_lit(out, "case,id,slice,candidate,score,passed,error,"
                              "cost,latency,why,input,expected,answer\r\n");
}


static void
ngx_llmops_report_csv_case(ngx_llmops_report_t *rep, json_t *kase,
    ngx_llmops_out_t *out)
{
    size_t       i, k;
    json_t      *result;
    const char  *name;

    static const char  *of_case[] = { "id", "slice", NULL };
    static const char  *of_result[] = { "candidate", "score", "passed",
                                        "error", "cost", "latency", NULL };

    json_array_foreach(json_object_get(kase, "results"), i, result) {

        ngx_llmops_report_csv(out, json_object_get(kase, "n"));

        for (k = 0; (name = of_case[k]) != NULL; k++) {
            (void) ngx_llmops_out_lit(out, ",");
            ngx_llmops_report_csv(out, json_object_get(kase, name));
        }

        for (k = 0; (name = of_result[k]) != NULL; k++) {
            (void) ngx_llmops_out_lit(out, ",");
            ngx_llmops_report_csv(out, json_object_get(result, name));
        }

        (void) ngx_llmops_out_lit(out, ",");
        ngx_llmops_report_why(result, ngx_llmops_report_csv_text, out);

        (void) ngx_llmops_out_lit(out, ",");
        ngx_llmops_report_csv(out, json_object_get(kase, "input"));
        (void) ngx_llmops_out_lit(out, ",");
        ngx_llmops_report_csv(out, json_object_get(kase, "expected"));
        (void) ngx_llmops_out_lit(out, ",");
        ngx_llmops_report_csv(out, json_object_get(result, "answer"));
        (void) ngx_llmops_out_lit(out, "\r\n");
    }
}


static void
ngx_llmops_report_csv_end(ngx_llmops_report_t *rep, ngx_llmops_out_t *out)
{
    /* void */
}
