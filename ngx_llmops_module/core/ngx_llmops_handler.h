
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_HANDLER_H_INCLUDED_
#define _NGX_LLMOPS_HANDLER_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * The content handler of llm_pass: from the envelope to a route, from the
 * route to a plan, from the plan to a call.
 */
ngx_int_t ngx_llmops_handler(ngx_http_request_t *r);

/* NGX_OK if the plan has a target at all, or a status to answer with. */
ngx_int_t ngx_llmops_handler_targets(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


#endif /* _NGX_LLMOPS_HANDLER_H_INCLUDED_ */
