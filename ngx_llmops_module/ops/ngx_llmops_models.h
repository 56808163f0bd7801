
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_MODELS_H_INCLUDED_
#define _NGX_LLMOPS_MODELS_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * GET /v1/models and /v1/models/{id}, answered from the configuration in the
 * caller's dialect.  Returns what a content handler returns; a refusal has
 * been noted in ctx.
 */
ngx_int_t ngx_llmops_models_handler(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);


#endif /* _NGX_LLMOPS_MODELS_H_INCLUDED_ */
