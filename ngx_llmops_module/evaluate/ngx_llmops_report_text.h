
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REPORT_TEXT_H_INCLUDED_
#define _NGX_LLMOPS_REPORT_TEXT_H_INCLUDED_


#include "ngx_llmops_report.h"


/* The inside of a report.  Private to this directory. */


/* Appends a text of anybody's, made harmless for a format. */
typedef void (*ngx_llmops_report_text_pt)(ngx_llmops_out_t *out,
    const char *p, size_t len);

/* Inside an attribute's quotes or an element; what XML 1.0 does not allow
   becomes U+FFFD. */
void ngx_llmops_report_xml_text(ngx_llmops_out_t *out, const char *p,
    size_t len);

/* A field with its quotes, that no spreadsheet takes for a formula. */
void ngx_llmops_report_csv_text(ngx_llmops_out_t *out, const char *p,
    size_t len);

/* A piece of a line, or a cell of a table, without markup of its own: at most
   the first 200 bytes. */
void ngx_llmops_report_markdown_text(ngx_llmops_out_t *out, const char *p,
    size_t len);

/* A string by that function; an array or object as JSON, by it, too; numbers,
   true and false as they are; nothing for null and NULL. */
void ngx_llmops_report_value(ngx_llmops_out_t *out, json_t *value,
    ngx_llmops_report_text_pt text);

/* The same as a field of CSV; one that is not there is empty. */
void ngx_llmops_report_csv(ngx_llmops_out_t *out, json_t *value);

/* A number with so many decimals; "-" if it is none. */
void ngx_llmops_report_number(ngx_llmops_out_t *out, json_t *value,
    int decimals);

/* Why a result is not passed: the checks that say so, or its error. */
void ngx_llmops_report_why(json_t *result, ngx_llmops_report_text_pt text,
    ngx_llmops_out_t *out);

/* Whether a candidate of that name is the baseline. */
ngx_uint_t ngx_llmops_report_baseline(ngx_llmops_report_t *rep,
    json_t *name);


/* report_junit.c */

void ngx_llmops_report_junit_begin(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out);
void ngx_llmops_report_junit_case(ngx_llmops_report_t *rep, json_t *kase,
    ngx_llmops_out_t *out);
void ngx_llmops_report_junit_end(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out);


/* report_markdown.c */

void ngx_llmops_report_markdown_begin(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out);
void ngx_llmops_report_markdown_case(ngx_llmops_report_t *rep, json_t *kase,
    ngx_llmops_out_t *out);
void ngx_llmops_report_markdown_end(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out);


#endif /* _NGX_LLMOPS_REPORT_TEXT_H_INCLUDED_ */
