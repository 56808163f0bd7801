
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * Prompts of the configuration.  Files are read and compiled by nginx -t; a
 * version can be given once, so that a name and version always mean the same
 * text, and what moves between reloads is a label.
 */


static ngx_llmops_prompts_t *ngx_llmops_prompts(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);
static ngx_llmops_prompt_family_t *ngx_llmops_prompt_family_add(
    ngx_conf_t *cf, ngx_llmops_prompts_t *prompts, ngx_str_t *name);
static char *ngx_llmops_prompt_label_directive(ngx_conf_t *cf,
    ngx_llmops_prompt_family_t *family, ngx_str_t *value);
static char *ngx_llmops_prompt_load_file(ngx_conf_t *cf,
    ngx_llmops_prompt_family_t *family, ngx_str_t *value);
static ngx_int_t ngx_llmops_prompt_read(ngx_conf_t *cf, ngx_str_t *name,
    ngx_str_t *text);
static ngx_int_t ngx_llmops_prompt_check_name(ngx_conf_t *cf,
    const char *what, ngx_str_t *name);
static void ngx_llmops_prompt_cleanup(void *data);
static ngx_llmops_prompt_t *ngx_llmops_prompt_find_version(
    ngx_llmops_prompt_family_t *family, ngx_str_t *version);
static ngx_llmops_prompt_label_t *ngx_llmops_prompt_find_label(
    ngx_llmops_prompt_family_t *family, ngx_str_t *label);
static ngx_int_t ngx_llmops_prompt_labels_init(ngx_conf_t *cf,
    ngx_llmops_prompt_family_t *family);


/* llm_prompt NAME VERSION FILE; llm_prompt NAME label=LABEL VERSION; */

char *
ngx_llmops_prompt_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    ngx_str_t                   *value;
    ngx_llmops_prompts_t        *prompts;
    ngx_llmops_prompt_family_t  *family;

    value = cf->args->elts;

    if (ngx_llmops_prompt_check_name(cf, "prompt", &value[1]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    prompts = ngx_llmops_prompts(cf, mcf);
    if (prompts == NULL) {
        return NGX_CONF_ERROR;
    }

    family = ngx_llmops_prompt_family_add(cf, prompts, &value[1]);
    if (family == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_strncmp(value[2].data, "label=", 6) == 0
           ? ngx_llmops_prompt_label_directive(cf, family, value)
           : ngx_llmops_prompt_load_file(cf, family, value);
}


char *
ngx_llmops_prompt_store_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    ngx_llmops_prompts_t  *prompts;

    prompts = ngx_llmops_prompts(cf, mcf);
    if (prompts == NULL) {
        return NGX_CONF_ERROR;
    }

    return ngx_conf_set_flag_slot(cf, cmd, prompts);
}


static ngx_llmops_prompts_t *
ngx_llmops_prompts(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_prompts_t  *prompts;

    if (mcf->prompts) {
        return mcf->prompts;
    }

    prompts = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_prompts_t));

    if (prompts == NULL
        || ngx_array_init(&prompts->families, cf->pool, 4,
                          sizeof(ngx_llmops_prompt_family_t))
           != NGX_OK)
    {
        return NULL;
    }

    prompts->store = NGX_CONF_UNSET;
    mcf->prompts = prompts;

    return prompts;
}


static ngx_llmops_prompt_family_t *
ngx_llmops_prompt_family_add(ngx_conf_t *cf, ngx_llmops_prompts_t *prompts,
    ngx_str_t *name)
{
    ngx_llmops_prompt_family_t  *family;

    family = ngx_llmops_prompt_family(prompts, name);
    if (family) {
        return family;
    }

    family = ngx_array_push(&prompts->families);
    if (family == NULL) {
        return NULL;
    }

    family->name = *name;

    if (ngx_array_init(&family->versions, cf->pool, 4,
                       sizeof(ngx_llmops_prompt_t *))
        != NGX_OK
        || ngx_array_init(&family->labels, cf->pool, 4,
                          sizeof(ngx_llmops_prompt_label_t))
           != NGX_OK)
    {
        return NULL;
    }

    return family;
}


static char *
ngx_llmops_prompt_label_directive(ngx_conf_t *cf,
    ngx_llmops_prompt_family_t *family, ngx_str_t *value)
{
    ngx_str_t                   name;
    ngx_llmops_prompt_label_t  *label;

    name.data = value[2].data + 6;
    name.len = value[2].len - 6;

    if (ngx_llmops_prompt_check_name(cf, "label", &name) != NGX_OK
        || ngx_llmops_prompt_check_name(cf, "version", &value[3]) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    if (ngx_llmops_prompt_find_label(family, &name)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate label \"%V\" of prompt \"%V\", a label "
                           "leads to one version", &name, &family->name);
        return NGX_CONF_ERROR;
    }

    label = ngx_array_push(&family->labels);
    if (label == NULL) {
        return NGX_CONF_ERROR;
    }

    label->name = name;
    label->version = value[3];
    label->prompt = NULL;
    label->place.file = cf->conf_file->file.name;
    label->place.line = cf->conf_file->line;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_prompt_load_file(ngx_conf_t *cf,
    ngx_llmops_prompt_family_t *family, ngx_str_t *value)
{
    ngx_str_t                   name, text;
    ngx_pool_cleanup_t         *cln;
    ngx_llmops_prompt_t        *prompt, **slot;
    ngx_llmops_prompt_error_t   err;

    if (ngx_llmops_prompt_check_name(cf, "version", &value[2]) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (ngx_llmops_prompt_find_version(family, &value[2])) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "duplicate version \"%V\" of prompt \"%V\", give "
                           "the new text another version", &value[2],
                           &family->name);
        return NGX_CONF_ERROR;
    }

    name = value[3];

    if (ngx_conf_full_name(cf->cycle, &name, 1) != NGX_OK
        || ngx_llmops_prompt_read(cf, &name, &text) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    slot = ngx_array_push(&family->versions);

    if (cln == NULL || slot == NULL) {
        return NGX_CONF_ERROR;
    }

    prompt = ngx_llmops_prompt_parse(&value[1], &value[2], &text, &err);

    if (prompt == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid prompt in %V:%ui: %s", &name, err.line,
                           err.text);
        return NGX_CONF_ERROR;
    }

    *slot = prompt;

    cln->handler = ngx_llmops_prompt_cleanup;
    cln->data = prompt;

    return (ngx_llmops_prompt_identify(prompt) == NGX_OK) ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


static void
ngx_llmops_prompt_cleanup(void *data)
{
    ngx_llmops_prompt_release(data);
}


static ngx_int_t
ngx_llmops_prompt_read(ngx_conf_t *cf, ngx_str_t *name, ngx_str_t *text)
{
    off_t       size;
    ssize_t     n;
    ngx_fd_t    fd;
    ngx_int_t   rc;
    ngx_file_t  file;

    fd = ngx_open_file(name->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_open_file_n " \"%V\" failed", name);
        return NGX_ERROR;
    }

    rc = NGX_ERROR;

    ngx_memzero(&file, sizeof(ngx_file_t));

    file.fd = fd;
    file.name = *name;
    file.log = cf->log;

    if (ngx_fd_info(fd, &file.info) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           ngx_fd_info_n " \"%V\" failed", name);
        goto done;
    }

    size = ngx_file_size(&file.info);

    if (!ngx_is_file(&file.info) || size > NGX_LLMOPS_PROMPT_FILE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not a file of at most 1 megabyte",
                           name);
        goto done;
    }

    text->data = ngx_pnalloc(cf->temp_pool, size + 1);
    if (text->data == NULL) {
        goto done;
    }

    n = ngx_read_file(&file, text->data, size, 0);

    if (n != size) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" could not be read whole", name);
        goto done;
    }

    text->len = size;
    rc = NGX_OK;

done:

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", name);
    }

    return rc;
}


static ngx_int_t
ngx_llmops_prompt_check_name(ngx_conf_t *cf, const char *what,
    ngx_str_t *name)
{
    if (ngx_llmops_prompt_name(name)) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid %s \"%V\", write 1 to %d letters, digits, "
                       "\".\", \"_\" and \"-\"", what, name,
                       NGX_LLMOPS_PROMPT_NAME);
    return NGX_ERROR;
}


ngx_llmops_prompt_family_t *
ngx_llmops_prompt_family(ngx_llmops_prompts_t *prompts, ngx_str_t *name)
{
    ngx_uint_t                   i;
    ngx_llmops_prompt_family_t  *family;

    family = prompts->families.elts;

    for (i = 0; i < prompts->families.nelts; i++) {
        if (ngx_llmops_same(&family[i].name, name)) {
            return &family[i];
        }
    }

    return NULL;
}


static ngx_llmops_prompt_t *
ngx_llmops_prompt_find_version(ngx_llmops_prompt_family_t *family,
    ngx_str_t *version)
{
    ngx_uint_t             i;
    ngx_llmops_prompt_t  **p;

    p = family->versions.elts;

    for (i = 0; i < family->versions.nelts; i++) {
        if (ngx_llmops_same(&p[i]->version, version)) {
            return p[i];
        }
    }

    return NULL;
}


static ngx_llmops_prompt_label_t *
ngx_llmops_prompt_find_label(ngx_llmops_prompt_family_t *family,
    ngx_str_t *name)
{
    ngx_uint_t                  i;
    ngx_llmops_prompt_label_t  *label;

    label = family->labels.elts;

    for (i = 0; i < family->labels.nelts; i++) {
        if (ngx_llmops_same(&label[i].name, name)) {
            return &label[i];
        }
    }

    return NULL;
}


ngx_llmops_prompt_t *
ngx_llmops_prompt_version(ngx_llmops_prompt_family_t *family,
    ngx_str_t *which)
{
    ngx_str_t                   name;
    ngx_llmops_prompt_label_t  *label;

    name = *which;

    if (name.len == 0) {
        ngx_str_set(&name, "production");
    }

    label = ngx_llmops_prompt_find_label(family, &name);

    if (label) {
        return label->prompt;
    }

    if (which->len) {
        return ngx_llmops_prompt_find_version(family, which);
    }

    return (family->versions.nelts == 1)
           ? *(ngx_llmops_prompt_t **) family->versions.elts : NULL;
}


ngx_int_t
ngx_llmops_prompts_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                    i;
    ngx_llmops_route_t          **routes;
    ngx_llmops_prompts_t         *prompts;
    ngx_llmops_prompt_family_t   *family;

    routes = mcf->routes.elts;

    for (i = 0; i < mcf->routes.nelts && mcf->prompts == NULL; i++) {
        if (routes[i]->prompt && ngx_llmops_prompts(cf, mcf) == NULL) {
            return NGX_ERROR;
        }
    }

    prompts = mcf->prompts;

    if (prompts == NULL) {
        return NGX_OK;
    }

    ngx_conf_init_value(prompts->store, 0);

    family = prompts->families.elts;

    for (i = 0; i < prompts->families.nelts; i++) {
        if (ngx_llmops_prompt_labels_init(cf, &family[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    for (i = 0; i < mcf->routes.nelts; i++) {
        if (routes[i]->prompt
            && ngx_llmops_prompt_route_init(cf, prompts, routes[i]) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_prompt_labels_init(ngx_conf_t *cf,
    ngx_llmops_prompt_family_t *family)
{
    ngx_uint_t                  i;
    ngx_llmops_prompt_label_t  *label;

    label = family->labels.elts;

    for (i = 0; i < family->labels.nelts; i++) {

        if (ngx_llmops_prompt_find_version(family, &label[i].name)) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "label \"%V\" in %V:%ui is also a version of prompt "
                          "\"%V\", name one of them otherwise",
                          &label[i].name, &label[i].place.file,
                          label[i].place.line, &family->name);
            return NGX_ERROR;
        }

        label[i].prompt = ngx_llmops_prompt_find_version(family,
                                                         &label[i].version);

        if (label[i].prompt == NULL) {
            ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                          "unknown version \"%V\" of prompt \"%V\" in %V:%ui, "
                          "write \"llm_prompt %V %V FILE;\"",
                          &label[i].version, &family->name,
                          &label[i].place.file, label[i].place.line,
                          &family->name, &label[i].version);
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}
