
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_report_text.h"


/* Markdown for people: a comment on a merge request, the page of a build. */


#define NGX_LLMOPS_REPORT_FAILED  50       /* cases that are shown */


static void ngx_llmops_markdown_candidates(json_t *list,
    ngx_llmops_out_t *out);
static void ngx_llmops_markdown_row(json_t *one, ngx_llmops_out_t *out);
static void ngx_llmops_markdown_difference(json_t *difference,
    ngx_llmops_out_t *out);
static void ngx_llmops_markdown_slices(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out);


static void
ngx_llmops_markdown_value(ngx_llmops_out_t *out, json_t *value)
{
    ngx_llmops_report_value(out, value, ngx_llmops_report_markdown_text);
}


static void
ngx_llmops_markdown_bar(ngx_llmops_out_t *out)
{
    (void) ngx_llmops_out_lit(out, " | ");
}


static void
ngx_llmops_markdown_interval(ngx_llmops_out_t *out, json_t *interval)
{
    (void) ngx_llmops_out_lit(out, "\\[");
    ngx_llmops_report_number(out, json_array_get(interval, 0), 3);
    (void) ngx_llmops_out_lit(out, ", ");
    ngx_llmops_report_number(out, json_array_get(interval, 1), 3);
    (void) ngx_llmops_out_lit(out, "\\]");
}


void
ngx_llmops_report_markdown_begin(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out)
{
    json_t  *eval;

    eval = rep->evaluation;

    (void) ngx_llmops_out_lit(out, "# Evaluation ");
    ngx_llmops_markdown_value(out, json_object_get(eval, "name"));
    (void) ngx_llmops_out_lit(out, ": ");
    ngx_llmops_markdown_value(out, json_object_get(eval, "verdict"));
    (void) ngx_llmops_out_lit(out, "\n\n");

    if (json_is_string(json_object_get(eval, "why"))) {
        (void) ngx_llmops_out_lit(out, "The reason: ");
        ngx_llmops_markdown_value(out, json_object_get(eval, "why"));
        (void) ngx_llmops_out_lit(out, ".\n\n");
    }

    (void) ngx_llmops_out_lit(out, "Status ");
    ngx_llmops_markdown_value(out, json_object_get(eval, "status"));
    (void) ngx_llmops_out_lit(out, ", ");
    ngx_llmops_markdown_value(out, json_object_get(eval, "done"));
    (void) ngx_llmops_out_lit(out, " of ");
    ngx_llmops_markdown_value(out, json_object_get(eval, "cases"));
    (void) ngx_llmops_out_lit(out, " cases, cost ");
    ngx_llmops_report_number(out, json_object_get(eval, "cost"), 4);
    (void) ngx_llmops_out_lit(out, ".\n\n");

    ngx_llmops_markdown_candidates(json_object_get(eval, "candidates"), out);
    ngx_llmops_markdown_slices(rep, out);
}


static void
ngx_llmops_markdown_candidates(json_t *list, ngx_llmops_out_t *out)
{
    size_t   i;
    json_t  *one;

    (void) ngx_llmops_out_lit(out, "| candidate | score | interval | against "
                              "the baseline | passed | failed | errors | cost "
                              "| p50 ms | p95 ms |\n"
                              "|---|---|---|---|---|---|---|---|---|---|\n");

    json_array_foreach(list, i, one) {
        (void) ngx_llmops_out_lit(out, "| ");
        ngx_llmops_markdown_value(out, json_object_get(one, "name"));
        ngx_llmops_markdown_row(one, out);
        ngx_llmops_markdown_bar(out);
        ngx_llmops_report_number(out, json_object_get(one, "latency_p50"), 0);
        ngx_llmops_markdown_bar(out);
        ngx_llmops_report_number(out, json_object_get(one, "latency_p95"), 0);
        (void) ngx_llmops_out_lit(out, " |\n");
    }

    (void) ngx_llmops_out_lit(out, "\n");
}


static void
ngx_llmops_markdown_row(json_t *one, ngx_llmops_out_t *out)
{
    ngx_llmops_markdown_bar(out);
    ngx_llmops_report_number(out, json_object_get(one, "score"), 3);
    ngx_llmops_markdown_bar(out);
    ngx_llmops_markdown_interval(out, json_object_get(one, "interval"));
    ngx_llmops_markdown_bar(out);
    ngx_llmops_markdown_difference(json_object_get(one, "difference"), out);
    ngx_llmops_markdown_bar(out);
    ngx_llmops_report_number(out, json_object_get(one, "passed"), 0);
    ngx_llmops_markdown_bar(out);
    ngx_llmops_report_number(out, json_object_get(one, "failed"), 0);
    ngx_llmops_markdown_bar(out);
    ngx_llmops_report_number(out, json_object_get(one, "errors"), 0);
    ngx_llmops_markdown_bar(out);
    ngx_llmops_report_number(out, json_object_get(one, "cost"), 4);
}


static void
ngx_llmops_markdown_difference(json_t *difference, ngx_llmops_out_t *out)
{
    json_t  *value;

    value = json_object_get(difference, "value");

    if (!json_is_number(value)) {
        (void) ngx_llmops_out_lit(out, "-");
        return;
    }

    if (json_number_value(value) > 0) {
        (void) ngx_llmops_out_lit(out, "+");
    }

    ngx_llmops_report_number(out, value, 3);
    (void) ngx_llmops_out_lit(out, " ");
    ngx_llmops_markdown_interval(out, json_object_get(difference,
                                                      "interval"));
}


static void
ngx_llmops_markdown_slices(ngx_llmops_report_t *rep, ngx_llmops_out_t *out)
{
    size_t   i, k;
    json_t  *slices, *slice, *one;

    slices = json_object_get(rep->evaluation, "slices");

    if (json_array_size(slices) == 0) {
        return;
    }

    (void) ngx_llmops_out_lit(out, "## Slices\n\n"
                              "| slice | candidate | score | interval | "
                              "against the baseline | passed | failed | errors "
                              "| cost |\n"
                              "|---|---|---|---|---|---|---|---|---|\n");

    json_array_foreach(slices, i, slice) {
        json_array_foreach(json_object_get(slice, "candidates"), k, one) {
            (void) ngx_llmops_out_lit(out, "| ");
            ngx_llmops_markdown_value(out, json_object_get(slice, "name"));
            ngx_llmops_markdown_bar(out);
            ngx_llmops_markdown_value(out, json_object_get(one, "name"));
            ngx_llmops_markdown_row(one, out);
            (void) ngx_llmops_out_lit(out, " |\n");
        }
    }

    (void) ngx_llmops_out_lit(out, "\n");
}


void
ngx_llmops_report_markdown_case(ngx_llmops_report_t *rep, json_t *kase,
    ngx_llmops_out_t *out)
{
    size_t   i;
    json_t  *result, *id;

    id = json_object_get(kase, "id");

    json_array_foreach(json_object_get(kase, "results"), i, result) {

        if (json_is_true(json_object_get(result, "passed"))
            || (!json_is_number(json_object_get(result, "score"))
                && !json_is_string(json_object_get(result, "error"))))
        {
            continue;
        }

        rep->told++;

        if (rep->told > NGX_LLMOPS_REPORT_FAILED) {
            continue;
        }

        if (rep->told == 1) {
            (void) ngx_llmops_out_lit(out, "## Cases that are not passed\n\n"
                                      "| case | slice | candidate | score | "
                                      "why | answer |\n"
                                      "|---|---|---|---|---|---|\n");
        }

        (void) ngx_llmops_out_lit(out, "| ");
        ngx_llmops_markdown_value(out, id ? id : json_object_get(kase, "n"));
        ngx_llmops_markdown_bar(out);
        ngx_llmops_markdown_value(out, json_object_get(kase, "slice"));
        ngx_llmops_markdown_bar(out);
        ngx_llmops_markdown_value(out, json_object_get(result, "candidate"));
        ngx_llmops_markdown_bar(out);
        ngx_llmops_report_number(out, json_object_get(result, "score"), 3);
        ngx_llmops_markdown_bar(out);
        ngx_llmops_report_why(result, ngx_llmops_report_markdown_text, out);
        ngx_llmops_markdown_bar(out);
        ngx_llmops_markdown_value(out, json_object_get(result, "answer"));
        (void) ngx_llmops_out_lit(out, " |\n");
    }
}


void
ngx_llmops_report_markdown_end(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out)
{
    if (rep->told > NGX_LLMOPS_REPORT_FAILED) {
        (void) ngx_llmops_out_lit(out, "\nThere are ");
        (void) ngx_llmops_out_int(out, rep->told - NGX_LLMOPS_REPORT_FAILED);
        (void) ngx_llmops_out_lit(out, " more.\n");
    }
}
