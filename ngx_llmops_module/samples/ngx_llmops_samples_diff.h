
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SAMPLES_DIFF_H_INCLUDED_
#define _NGX_LLMOPS_SAMPLES_DIFF_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_llmops_out.h"


/* What is made of samples for people and data sets.  Knows nothing of
   requests. */


/* {"parts": [{"is": "same" | "stable" | "shadow", "text"}], "same": share} of
   the words of two texts in UTF-8; NULL: out of memory. */
json_t *ngx_llmops_sample_diff(const char *stable, size_t stable_len,
    const char *shadow, size_t shadow_len);


typedef enum {
    NGX_LLMOPS_EXPORT_CHAT = 0,            /* {"messages"} */
    NGX_LLMOPS_EXPORT_DPO,                 /* {"prompt", "chosen",
                                              "rejected"} */
    NGX_LLMOPS_EXPORT_OPENAI_DPO           /* {"input", "preferred_output",
                                              "non_preferred_output"} */
} ngx_llmops_export_e;

/* A line of an export, with LF, appended: NGX_OK; NGX_DECLINED if the sample
   does not give one; NGX_ERROR. */
ngx_int_t ngx_llmops_sample_export(ngx_llmops_export_e format, json_t *doc,
    ngx_llmops_out_t *out);


#endif /* _NGX_LLMOPS_SAMPLES_DIFF_H_INCLUDED_ */
