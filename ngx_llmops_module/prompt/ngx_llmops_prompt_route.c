
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * What llm_route{} says of prompts.  Names are resolved when all has been
 * read, since an llm_prompt may stand further down.
 */


static ngx_llmops_route_prompt_t *ngx_llmops_route_prompt(ngx_conf_t *cf,
    ngx_llmops_route_t *route);
static char *ngx_llmops_route_prompt_param(ngx_conf_t *cf,
    ngx_llmops_route_prompt_t *rp, ngx_str_t *arg);
static char *ngx_llmops_route_share(ngx_conf_t *cf,
    ngx_llmops_route_prompt_t *rp, ngx_str_t *arg);


/* a name that the configuration does not have is one of the store, if that is
   on: what is there is known only when it is asked */

ngx_int_t
ngx_llmops_prompt_route_init(ngx_conf_t *cf, ngx_llmops_prompts_t *prompts,
    ngx_llmops_route_t *route)
{
    ngx_llmops_route_prompt_t   *rp;
    ngx_llmops_prompt_family_t  *family;

    rp = route->prompt;

    if (rp->reference.len == 0) {
        return NGX_OK;
    }

    family = ngx_llmops_prompt_family(prompts, &rp->name);

    if (family == NULL && prompts->store) {
        return NGX_OK;
    }

    if (family == NULL
        || ngx_llmops_prompt_version(family, &rp->which) == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown prompt \"%V\" in llm_route \"%V\" in %V:%ui, "
                      "write \"llm_prompt %V %V FILE;\" or \"llm_prompt %V "
                      "label=%V VERSION;\" in http{}", &rp->reference,
                      &route->name, &rp->place.file, rp->place.line, &rp->name,
                      &rp->which, &rp->name, &rp->which);
        return NGX_ERROR;
    }

    if (rp->other.len
        && ngx_llmops_prompt_version(family, &rp->other) == NULL)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown version \"%V\" in \"share=\" of llm_route "
                      "\"%V\" in %V:%ui, write \"llm_prompt %V %V FILE;\" in "
                      "http{}", &rp->other, &route->name, &rp->place.file,
                      rp->place.line, &rp->name, &rp->other);
        return NGX_ERROR;
    }

    return NGX_OK;
}


ngx_llmops_route_t *
ngx_llmops_prompt_used(ngx_llmops_main_conf_t *mcf, ngx_str_t *name,
    ngx_str_t *which)
{
    ngx_uint_t                   i;
    ngx_llmops_route_t         **routes;
    ngx_llmops_route_prompt_t   *rp;

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts; i++) {
        rp = routes[i]->prompt;

        if (rp && ngx_llmops_same(&rp->name, name)
            && (which == NULL || ngx_llmops_same(&rp->which, which)
                || ngx_llmops_same(&rp->other, which)))
        {
            return routes[i];
        }
    }

    return NULL;
}


static ngx_llmops_route_prompt_t *
ngx_llmops_route_prompt(ngx_conf_t *cf, ngx_llmops_route_t *route)
{
    ngx_llmops_route_prompt_t  *rp;

    if (route->prompt) {
        return route->prompt;
    }

    rp = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_route_prompt_t));

    if (rp == NULL
        || ngx_array_init(&rp->messages, cf->pool, 2,
                          sizeof(ngx_llmops_route_message_t))
           != NGX_OK)
    {
        return NULL;
    }

    route->prompt = rp;

    return rp;
}


/* prompt [NAME@VERSION] [only] [share=5%:VERSION by=$variable]; */

char *
ngx_llmops_route_prompt_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_llmops_route_t *route = conf;

    ngx_str_t                  *value;
    ngx_uint_t                  i;
    ngx_llmops_route_prompt_t  *rp;

    rp = ngx_llmops_route_prompt(cf, route);
    if (rp == NULL) {
        return NGX_CONF_ERROR;
    }

    if (rp->set) {
        return "is duplicate";
    }

    rp->set = 1;
    rp->place.file = cf->conf_file->file.name;
    rp->place.line = cf->conf_file->line;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_llmops_route_prompt_param(cf, rp, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (rp->other.len && (rp->by == NULL || rp->reference.len == 0)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"share=\" needs a prompt and whose requests stay "
                           "together, write \"prompt NAME@LABEL "
                           "share=5%%:VERSION by=$remote_addr;\"");
        return NGX_CONF_ERROR;
    }

    if (rp->by && rp->other.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"by=\" without \"share=\", add "
                           "\"share=5%%:VERSION\"");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_route_prompt_param(ngx_conf_t *cf, ngx_llmops_route_prompt_t *rp,
    ngx_str_t *arg)
{
    u_char     *at;
    ngx_str_t   by, name, which;

    if (ngx_strcmp(arg->data, "only") == 0) {
        rp->only = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strncmp(arg->data, "share=", 6) == 0) {
        return ngx_llmops_route_share(cf, rp, arg);
    }

    if (ngx_strncmp(arg->data, "by=", 3) == 0) {

        by.data = arg->data + 3;
        by.len = arg->len - 3;

        rp->by = ngx_llmops_arg_complex(cf, &by);

        return rp->by ? NGX_CONF_OK : NGX_CONF_ERROR;
    }

    at = ngx_strlchr(arg->data, arg->data + arg->len, '@');

    name.data = arg->data;
    name.len = at ? (size_t) (at - arg->data) : 0;

    which.data = at ? at + 1 : NULL;
    which.len = at ? arg->len - name.len - 1 : 0;

    if (rp->reference.len || !ngx_llmops_prompt_name(&name)
        || !ngx_llmops_prompt_name(&which))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", write \"prompt "
                           "NAME@LABEL [only] [share=5%%:VERSION "
                           "by=$variable];\" or \"prompt only;\"", arg);
        return NGX_CONF_ERROR;
    }

    rp->reference = *arg;
    rp->name = name;
    rp->which = which;

    return NGX_CONF_OK;
}


/* share=5%:VERSION, with up to two decimals */

static char *
ngx_llmops_route_share(ngx_conf_t *cf, ngx_llmops_route_prompt_t *rp,
    ngx_str_t *arg)
{
    u_char     *p, *last, *percent;
    ngx_int_t   n;
    ngx_str_t   version;

    p = arg->data + 6;
    last = arg->data + arg->len;
    percent = ngx_strlchr(p, last, '%');

    if (percent && percent + 2 < last && percent[1] == ':') {

        n = ngx_atofp(p, percent - p, 2);

        version.data = percent + 2;
        version.len = last - version.data;

        if (n != NGX_ERROR && n <= 10000 && ngx_llmops_prompt_name(&version)) {
            rp->percent = n;
            rp->other = version;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"%V\", write for example "
                       "\"share=5%%:v4\", with at most two decimals", arg);
    return NGX_CONF_ERROR;
}


/* prepend_message ROLE TEXT; append_message ROLE TEXT; */

char *
ngx_llmops_route_message_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_llmops_route_t *route = conf;

    ngx_str_t                   *value;
    ngx_llmops_route_prompt_t   *rp;
    ngx_llmops_route_message_t  *m;

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "system") != 0
        && ngx_strcmp(value[1].data, "user") != 0
        && ngx_strcmp(value[1].data, "assistant") != 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid role \"%V\" in \"%V\", write \"system\", "
                           "\"user\" or \"assistant\"", &value[1],
                           &cmd->name);
        return NGX_CONF_ERROR;
    }

    rp = ngx_llmops_route_prompt(cf, route);
    if (rp == NULL) {
        return NGX_CONF_ERROR;
    }

    m = ngx_array_push(&rp->messages);
    if (m == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(m, sizeof(ngx_llmops_route_message_t));

    m->role = value[1];
    m->append = (cmd->name.data[0] == 'a');

    return ngx_llmops_arg_compile(cf, &value[2], &m->text) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}
