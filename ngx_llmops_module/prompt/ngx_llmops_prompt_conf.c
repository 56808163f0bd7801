
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
static ngx_int_t ngx_llmops_prompt_route_init(ngx_conf_t *cf,
    ngx_llmops_prompts_t *prompts, ngx_llmops_route_t *route);
static ngx_llmops_route_prompt_t *ngx_llmops_route_prompt(ngx_conf_t *cf,
    ngx_llmops_route_t *route);
static char *ngx_llmops_route_prompt_param(ngx_conf_t *cf,
    ngx_llmops_route_prompt_t *rp, ngx_str_t *arg);
static char *ngx_llmops_route_share(ngx_conf_t *cf,
    ngx_llmops_route_prompt_t *rp, ngx_str_t *arg);


#define ngx_llmops_same(a, b)                                                 \
    ((a)->len == (b)->len && ngx_memcmp((a)->data, (b)->data, (a)->len) == 0)


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

    return NGX_CONF_OK;
}


static void
ngx_llmops_prompt_cleanup(void *data)
{
    ngx_llmops_prompt_free(data);
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


static ngx_int_t
ngx_llmops_prompt_route_init(ngx_conf_t *cf, ngx_llmops_prompts_t *prompts,
    ngx_llmops_route_t *route)
{
    u_char                     *at, *last;
    ngx_str_t                   name, which;
    ngx_llmops_route_prompt_t  *rp;

    rp = route->prompt;

    if (rp->reference.len == 0) {
        return NGX_OK;
    }

    name = rp->reference;
    last = name.data + name.len;
    at = ngx_strlchr(name.data, last, '@');

    which.data = at + 1;
    which.len = last - which.data;
    name.len = at - name.data;

    rp->family = ngx_llmops_prompt_family(prompts, &name);

    if (rp->family) {
        rp->prompt = ngx_llmops_prompt_version(rp->family, &which);
    }

    if (rp->prompt == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown prompt \"%V\" in llm_route \"%V\" in %V:%ui, "
                      "write \"llm_prompt %V %V FILE;\" or \"llm_prompt %V "
                      "label=%V VERSION;\" in http{}", &rp->reference,
                      &route->name, &rp->place.file, rp->place.line, &name,
                      &which, &name, &which);
        return NGX_ERROR;
    }

    if (rp->other.len == 0) {
        return NGX_OK;
    }

    rp->share = ngx_llmops_prompt_version(rp->family, &rp->other);

    if (rp->share == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "unknown version \"%V\" in \"share=\" of llm_route "
                      "\"%V\" in %V:%ui, write \"llm_prompt %V %V FILE;\" in "
                      "http{}", &rp->other, &route->name, &rp->place.file,
                      rp->place.line, &name, &rp->other);
        return NGX_ERROR;
    }

    return NGX_OK;
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
    u_char                            *at;
    ngx_str_t                          by, name, which;
    ngx_http_compile_complex_value_t   ccv;

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

        rp->by = ngx_pcalloc(cf->pool, sizeof(ngx_http_complex_value_t));
        if (rp->by == NULL) {
            return NGX_CONF_ERROR;
        }

        ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

        ccv.cf = cf;
        ccv.value = &by;
        ccv.complex_value = rp->by;

        return ngx_http_compile_complex_value(&ccv) == NGX_OK
               ? NGX_CONF_OK : NGX_CONF_ERROR;
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

    ngx_str_t                         *value;
    ngx_llmops_route_prompt_t         *rp;
    ngx_llmops_route_message_t        *m;
    ngx_http_compile_complex_value_t   ccv;

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

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = &value[2];
    ccv.complex_value = &m->text;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}
