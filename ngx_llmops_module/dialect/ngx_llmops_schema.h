
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SCHEMA_H_INCLUDED_
#define _NGX_LLMOPS_SCHEMA_H_INCLUDED_


#include "ngx_llmops_codec.h"


/*
 * JSON Schemas as providers accept them for structured output.  Both change
 * the tree in place and return whether a constraint was lost.
 */


/* Anthropic: limits become part of the description, objects are closed. */
ngx_uint_t ngx_llmops_schema_anthropic(ngx_llmops_xlate_t *x, json_t *schema);

/* OpenAI, strict: objects are closed and all their members required. */
ngx_uint_t ngx_llmops_schema_openai(ngx_llmops_xlate_t *x, json_t *schema);


#endif /* _NGX_LLMOPS_SCHEMA_H_INCLUDED_ */
