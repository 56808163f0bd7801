
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_endpoint.h"

#include <sys/mman.h>


/*
 * A provider's key.  It lives in pages of its own, which no core dump has, and
 * is wiped when its configuration goes.  It is never logged, not even in part.
 *
 * env:NAME is read from the environment of the process that reads the
 * configuration: that is the master, which keeps the environment it was
 * started with, so that no "env" directive is needed.  A worker has a copy of
 * that environment in its memory and wipes the key out of it, unless an "env"
 * directive says that others want it.
 *
 * file:PATH is read in ngx_llmops_key_file.c.
 */


static ngx_int_t ngx_llmops_key_env(ngx_conf_t *cf, ngx_llmops_provider_t *p,
    ngx_str_t *name);
static ngx_int_t ngx_llmops_key_file(ngx_conf_t *cf, ngx_llmops_provider_t *p,
    ngx_str_t *path);
static ngx_int_t ngx_llmops_key_variable(ngx_conf_t *cf,
    ngx_llmops_provider_t *p, ngx_str_t *value);
static ngx_int_t ngx_llmops_key_literal(ngx_conf_t *cf,
    ngx_llmops_provider_t *p, ngx_str_t *value);
static ngx_llmops_key_source_t *ngx_llmops_key_alloc(ngx_conf_t *cf,
    ngx_llmops_provider_t *p);
static void ngx_llmops_key_cleanup(void *data);
static ngx_uint_t ngx_llmops_key_valid(u_char *p, size_t len);
static void ngx_llmops_key_wipe_env(ngx_llmops_key_source_t *ks);


/* llm_api_key env:NAME | file:PATH | $variable | text */

char *
ngx_llmops_api_key_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_provider_t *p = conf;

    ngx_int_t   rc;
    ngx_str_t  *value, name;

    ngx_llmops_provider_mark(cf, p);

    if (p->key || p->key_source) {
        return "is duplicate";
    }

    value = cf->args->elts;
    name = value[1];

    if (ngx_strncmp(name.data, "env:", 4) == 0) {
        name.data += 4;
        name.len -= 4;
        rc = ngx_llmops_key_env(cf, p, &name);

    } else if (ngx_strncmp(name.data, "file:", 5) == 0) {
        name.data += 5;
        name.len -= 5;
        rc = ngx_llmops_key_file(cf, p, &name);

    } else if (ngx_http_script_variables_count(&name)) {
        rc = ngx_llmops_key_variable(cf, p, &name);

    } else {
        rc = ngx_llmops_key_literal(cf, p, &name);
    }

    return (rc == NGX_OK) ? NGX_CONF_OK : NGX_CONF_ERROR;
}


static ngx_int_t
ngx_llmops_key_env(ngx_conf_t *cf, ngx_llmops_provider_t *p, ngx_str_t *name)
{
    char                     *text, *err;
    ngx_llmops_key_source_t  *ks;

    text = getenv((char *) name->data);

    if (name->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no name in \"env:\", write \"llm_api_key "
                           "env:NAME;\"");
        return NGX_ERROR;
    }

    if (text == NULL || *text == '\0') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "environment variable \"%V\" is %s for the process "
                           "that reads the configuration: set it with "
                           "EnvironmentFile= of systemd, in a shell with "
                           "\"env %V=... nginx -t\", or write \"llm_api_key "
                           "file:PATH;\"",
                           name, text ? "empty" : "not set", name);
        return NGX_ERROR;
    }

    ks = ngx_llmops_key_alloc(cf, p);
    if (ks == NULL) {
        return NGX_ERROR;
    }

    ks->env = *name;
    ks->env_value = (u_char *) text;

    err = ngx_llmops_key_set(ks, ks->env_value, ngx_strlen(text));

    if (err) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the key in environment variable \"%V\" %s",
                           name, err);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_key_file(ngx_conf_t *cf, ngx_llmops_provider_t *p, ngx_str_t *path)
{
    char                     *err;
    ngx_err_t                 code;
    ngx_file_info_t           fi;
    ngx_llmops_key_source_t  *ks;

    if (path->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no path in \"file:\", write \"llm_api_key "
                           "file:PATH;\"");
        return NGX_ERROR;
    }

    ks = ngx_llmops_key_alloc(cf, p);
    if (ks == NULL) {
        return NGX_ERROR;
    }

    ks->file = *path;

    if (ngx_conf_full_name(cf->cycle, &ks->file, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    err = ngx_llmops_key_read(ks, &fi, &code);

    if (err) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, code,
                           "the key file \"%V\" %s", &ks->file, err);
        return NGX_ERROR;
    }

    /* the group may be the workers', so that they can read a new key */

    if (fi.st_mode & (S_IROTH|S_IWOTH|S_IWGRP)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the key file \"%V\" can be read or changed by "
                           "others, write \"chmod 640 %V\"",
                           &ks->file, &ks->file);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_key_variable(ngx_conf_t *cf, ngx_llmops_provider_t *p,
    ngx_str_t *value)
{
    p->key = ngx_llmops_arg_complex(cf, value);

    return p->key ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_key_literal(ngx_conf_t *cf, ngx_llmops_provider_t *p,
    ngx_str_t *value)
{
    char                     *err;
    ngx_llmops_key_source_t  *ks;

    ks = ngx_llmops_key_alloc(cf, p);
    if (ks == NULL) {
        return NGX_ERROR;
    }

    err = ngx_llmops_key_set(ks, value->data, value->len);

    if (err) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the key %s", err);
        return NGX_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "a key in the configuration can be read by all who can "
                       "read that, write \"llm_api_key env:NAME;\" or "
                       "\"llm_api_key file:PATH;\"");

    return NGX_OK;
}


static ngx_llmops_key_source_t *
ngx_llmops_key_alloc(ngx_conf_t *cf, ngx_llmops_provider_t *p)
{
    ngx_pool_cleanup_t       *cln;
    ngx_llmops_key_source_t  *ks;

    ks = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_key_source_t));
    if (ks == NULL) {
        return NULL;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    ks->memory = mmap(NULL, 2 * NGX_LLMOPS_KEY_MAX, PROT_READ|PROT_WRITE,
                      MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    if (ks->memory == MAP_FAILED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "mmap() for a key failed");
        return NULL;
    }

    cln->handler = ngx_llmops_key_cleanup;
    cln->data = ks;

#ifdef MADV_DONTDUMP

    if (madvise(ks->memory, 2 * NGX_LLMOPS_KEY_MAX, MADV_DONTDUMP) == -1) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, ngx_errno,
                           "madvise(MADV_DONTDUMP) failed, a core dump would "
                           "have the keys");
    }

#endif

    ks->provider = p;
    p->key_source = ks;

    return ks;
}


static void
ngx_llmops_key_cleanup(void *data)
{
    ngx_llmops_key_source_t *ks = data;

    ngx_explicit_memzero(ks->memory, 2 * NGX_LLMOPS_KEY_MAX);

    (void) munmap(ks->memory, 2 * NGX_LLMOPS_KEY_MAX);
}


char *
ngx_llmops_key_set(ngx_llmops_key_source_t *ks, u_char *text, size_t len)
{
    while (len && (text[len - 1] == LF || text[len - 1] == CR
                   || text[len - 1] == ' '))
    {
        len--;
    }

    if (len == 0) {
        return "is empty";
    }

    if (len > NGX_LLMOPS_KEY_MAX) {
        return "is longer than 8k";
    }

    if (len > 7 && ngx_strncasecmp(text, (u_char *) "Bearer ", 7) == 0) {
        return "begins with \"Bearer \", write only what follows it";
    }

    if (!ngx_llmops_key_valid(text, len)) {
        return "has spaces or characters that a header cannot have";
    }

    ngx_memcpy(ks->memory, text, len);

    ks->provider->key_value.data = ks->memory;
    ks->provider->key_value.len = len;

    return NULL;
}


static ngx_uint_t
ngx_llmops_key_valid(u_char *p, size_t len)
{
    u_char  *last;

    for (last = p + len; p < last; p++) {
        if (*p <= 0x20 || *p >= 0x7f) {
            return 0;
        }
    }

    return 1;
}


void
ngx_llmops_key_start(ngx_cycle_t *cycle, ngx_llmops_provider_t *p)
{
    ngx_llmops_key_source_t  *ks;

    ks = p->key_source;

    if (ks == NULL) {
        return;
    }

    if (ks->env.len) {
        ngx_llmops_key_wipe_env(ks);
    }

    if (ks->file.len) {
        ngx_llmops_key_watch(cycle, ks);
    }
}


void
ngx_llmops_key_stop(ngx_llmops_provider_t *p)
{
    ngx_llmops_key_source_t  *ks;

    ks = p->key_source;

    if (ks && ks->timer.timer_set) {
        ngx_del_timer(&ks->timer);
    }
}


/*
 * By now nginx has given the worker an environment of the variables that are
 * listed in "env" directives.  What is not listed nobody can ask for any more,
 * but the text is still in memory, at the address where the master found it.
 */

static void
ngx_llmops_key_wipe_env(ngx_llmops_key_source_t *ks)
{
    if (ngx_process != NGX_PROCESS_WORKER
        || ks->env_value == NULL
        || getenv((char *) ks->env.data) != NULL)
    {
        return;
    }

    ngx_explicit_memzero(ks->env_value, ngx_strlen(ks->env_value));
    ks->env_value = NULL;
}


ngx_int_t
ngx_llmops_provider_key(ngx_http_request_t *r, ngx_llmops_provider_t *p,
    ngx_str_t *key)
{
    if (p->key == NULL) {
        *key = p->key_value;
        return NGX_OK;
    }

    if (ngx_http_complex_value(r, p->key, key) != NGX_OK) {
        return NGX_ERROR;
    }

    if (key->len >= 7
        && ngx_strncasecmp(key->data, (u_char *) "Bearer ", 7) == 0)
    {
        key->data += 7;
        key->len -= 7;
    }

    while (key->len && *key->data == ' ') {
        key->data++;
        key->len--;
    }

    if (!ngx_llmops_key_valid(key->data, key->len)) {
        ngx_log_error(NGX_LOG_INFO, r->connection->log, 0,
                      "invalid key in the variable of upstream \"%V\", none "
                      "is sent", &p->name);
        key->len = 0;
    }

    return NGX_OK;
}
