
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_HEADERS_H_INCLUDED_
#define _NGX_LLMOPS_HEADERS_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * The x-llm-* headers of an answer, and which of them leave the house.
 */

/* llm_response_headers on | off | NAME ...; in http, server, location */
char *ngx_llmops_response_headers_directive(ngx_conf_t *cf,
    ngx_command_t *cmd, void *conf);

/* conf->response_headers: unset; inherited, all by default */
void ngx_llmops_response_headers_create(ngx_llmops_loc_conf_t *conf);
void ngx_llmops_response_headers_merge(ngx_llmops_loc_conf_t *conf,
    ngx_llmops_loc_conf_t *prev);

/* Puts the header filter in front of nginx's: called at postconfiguration. */
ngx_int_t ngx_llmops_headers_init(ngx_conf_t *cf);


#endif /* _NGX_LLMOPS_HEADERS_H_INCLUDED_ */
