
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_FACTS_H_INCLUDED_
#define _NGX_LLMOPS_FACTS_H_INCLUDED_


#include "ngx_llmops_jschema.h"
#include "ngx_llmops_ground.h"


/*
 * What a request says that its answer is checked by: the schemas of the tools
 * that it offers, and the texts that it gives.  Reads chat/completions,
 * completions, messages and responses.
 */


/*
 * The tool of that name: NGX_OK with *schema set to its parameters' JSON, len
 * 0 if it has none; NGX_DECLINED if the request has no such tool.
 */
ngx_int_t ngx_llmops_facts_tool(ngx_str_t *body, ngx_str_t *name,
    ngx_str_t *schema);

/* Compiles one, or NULL: it is not understood, or too large to be. */
ngx_llmops_jschema_t *ngx_llmops_facts_schema(ngx_str_t *json);

/* Adds the texts of all turns but the assistant's to g.  NGX_OK, NGX_ERROR. */
ngx_int_t ngx_llmops_facts_ground(ngx_str_t *body, ngx_llmops_ground_t *g);


#endif /* _NGX_LLMOPS_FACTS_H_INCLUDED_ */
