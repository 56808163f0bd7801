
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_REPORT_H_INCLUDED_
#define _NGX_LLMOPS_REPORT_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_llmops_out.h"


/*
 * An evaluation as a document: written in pieces, a case at a time, so that one
 * of many cases needs no more memory than one of few.  Names, inputs and
 * answers are anybody's: they cannot break out of their place in any of the
 * formats, nor become a formula in a spreadsheet.  See ngx_llmops_report.c.
 *
 * A case is what GET /llm/evaluations/ID/cases lists: {"n", "id"?, "slice"?,
 * "input"?, "expected"?, "results": [{"candidate", "answer"?, "error"?,
 * "cost"?, "latency"?, and what ngx_llmops_score_json() gives: "score",
 * "passed", "checks"}]}.  An evaluation is what GET /llm/evaluations/ID shows,
 * with what ngx_llmops_summary_json() gives.  Members that are missing are left
 * out.
 */


typedef enum {
    NGX_LLMOPS_REPORT_JSON = 0,            /* {"evaluation", "cases": []} */
    NGX_LLMOPS_REPORT_JUNIT,               /* one testsuite */
    NGX_LLMOPS_REPORT_CSV,                 /* a line a case and candidate */
    NGX_LLMOPS_REPORT_MARKDOWN             /* tables, and the failed cases */
} ngx_llmops_report_format_e;


typedef struct {
    ngx_llmops_report_format_e   format;
    json_t                      *evaluation;   /* outlives the report */
    ngx_uint_t                   cases;        /* written so far */
    ngx_uint_t                   told;         /* of Markdown: failed ones */
} ngx_llmops_report_t;


/* json, junit, csv, markdown: NGX_OK or NGX_DECLINED.  The Content-Type. */
ngx_int_t ngx_llmops_report_format(ngx_str_t *name,
    ngx_llmops_report_format_e *format);
const char *ngx_llmops_report_type(ngx_llmops_report_format_e format);

/*
 * All of a report is _begin(), _case() for each case in order, and _end();
 * each appends to out, which may be emptied between them.  A case appends at
 * most a few times its own size.  NGX_OK, or NGX_ERROR if out is full or
 * memory is.
 */
ngx_int_t ngx_llmops_report_begin(ngx_llmops_report_t *rep,
    ngx_llmops_report_format_e format, json_t *evaluation,
    ngx_llmops_out_t *out);
ngx_int_t ngx_llmops_report_case(ngx_llmops_report_t *rep, json_t *kase,
    ngx_llmops_out_t *out);
ngx_int_t ngx_llmops_report_end(ngx_llmops_report_t *rep,
    ngx_llmops_out_t *out);


#endif /* _NGX_LLMOPS_REPORT_H_INCLUDED_ */
