
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CONF_H_INCLUDED_
#define _NGX_LLMOPS_CONF_H_INCLUDED_


#include "ngx_llmops.h"


/* The configuration's structures: made, completed, inherited; and the
   directives that belong to no other room.  All as ngx_http_module_t and
   ngx_command_t have it. */

void *ngx_llmops_create_main_conf(ngx_conf_t *cf);
char *ngx_llmops_init_main_conf(ngx_conf_t *cf, void *conf);
void *ngx_llmops_create_loc_conf(ngx_conf_t *cf);
char *ngx_llmops_merge_loc_conf(ngx_conf_t *cf, void *parent, void *child);

char *ngx_llmops_zone_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_zone NAME:SIZE */
char *ngx_llmops_pass_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_pass [ROUTE | $variable] */
char *ngx_llmops_metrics_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_metrics */


#endif /* _NGX_LLMOPS_CONF_H_INCLUDED_ */
