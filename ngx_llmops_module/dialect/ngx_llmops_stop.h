
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_STOP_H_INCLUDED_
#define _NGX_LLMOPS_STOP_H_INCLUDED_


#include "ngx_llmops_dialect.h"


/* Ends of streams that we write.  Private to this directory. */


/* dialect->write_stop of those that callers speak */
void ngx_llmops_openai_write_stop(ngx_llmops_out_t *out,
    ngx_llmops_stop_t *stop);
void ngx_llmops_anthropic_write_stop(ngx_llmops_out_t *out,
    ngx_llmops_stop_t *stop);

/* The same of a stream of Responses. */
void ngx_llmops_responses_write_stop(ngx_llmops_out_t *out,
    ngx_llmops_stop_t *stop);

/* ,"llm_limit":{"name":...,"rate":...} */
void ngx_llmops_stop_mark(ngx_llmops_out_t *out, ngx_llmops_stop_t *stop);


#endif /* _NGX_LLMOPS_STOP_H_INCLUDED_ */
