
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin.h"
#include "ngx_llmops_handler.h"
#include "ngx_llmops_metrics.h"


/* llm_admin [read | write] */

char *
ngx_llmops_admin_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_loc_conf_t *llcf = conf;

    ngx_str_t                 *value;
    ngx_llmops_main_conf_t    *mcf;
    ngx_http_core_loc_conf_t  *clcf;

    if (llcf->admin) {
        return "is duplicate";
    }

    value = cf->args->elts;
    llcf->admin = NGX_LLMOPS_ADMIN_READ;

    if (cf->args->nelts == 2) {

        if (ngx_strcmp(value[1].data, "write") == 0) {
            llcf->admin = NGX_LLMOPS_ADMIN_WRITE;

        } else if (ngx_strcmp(value[1].data, "read") != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown word \"%V\" in \"llm_admin\", write "
                               "\"read\" or \"write\"", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->handler == ngx_llmops_handler
        || clcf->handler == ngx_llmops_metrics_handler)
    {
        return "needs a location of its own, without \"llm_pass\" and "
               "\"llm_metrics\"";
    }

#if (NGX_PCRE)
    if (clcf->regex) {
        return "cannot stand in a location with a regular expression, since "
               "its paths begin below the location's name; write "
               "\"location /llm/ { ... }\"";
    }
#endif

    if (clcf->named || clcf->exact_match) {
        return "needs a location of paths, write \"location /llm/ { ... }\"";
    }

    if (clcf->name.len > 1 && clcf->name.data[clcf->name.len - 1] == '/') {
        clcf->auto_redirect = 1;
    }

    clcf->handler = ngx_llmops_admin_handler;

    if (ngx_llmops_admin_page_init() != NGX_OK) {
        return "cannot be built: the status page is not as it should be";
    }

    mcf = ngx_http_conf_get_module_main_conf(cf, ngx_llmops_module);

    mcf->used = 1;
    mcf->admin = 1;

    return NGX_CONF_OK;
}


void
ngx_llmops_admin_merge(ngx_conf_t *cf, ngx_llmops_loc_conf_t *prev,
    ngx_llmops_loc_conf_t *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* a limit_except, which has the name of its location, answers the same */

    if (clcf->noname && clcf->handler == NULL && prev->admin) {
        conf->admin = prev->admin;
        clcf->handler = ngx_llmops_admin_handler;
    }

    if (!conf->admin) {
        return;
    }

    if (clcf->client_max_body_size == 0
        || clcf->client_max_body_size > NGX_LLMOPS_ADMIN_LINES)
    {
        clcf->client_max_body_size = NGX_LLMOPS_ADMIN_LINES;
    }
}
