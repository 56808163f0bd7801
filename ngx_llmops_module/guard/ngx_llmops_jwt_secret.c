
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_jwt_set.h"

#include <sys/mman.h>


/*
 * The secret of HS256: whoever has it can make tokens.  It lives as a
 * provider's key does: in pages of its own, which no core dump has, wiped when
 * its configuration goes, and never logged.
 */


#define NGX_LLMOPS_SECRET_MAX   4096


static ngx_int_t ngx_llmops_jwt_secret_env(ngx_conf_t *cf,
    ngx_llmops_jwt_secret_t *secret, ngx_str_t *name);
static ngx_int_t ngx_llmops_jwt_secret_file(ngx_conf_t *cf,
    ngx_llmops_jwt_secret_t *secret, ngx_str_t *path);
static ngx_int_t ngx_llmops_jwt_secret_read(ngx_conf_t *cf,
    ngx_llmops_jwt_secret_t *secret, ngx_str_t *file);
static ngx_llmops_jwt_secret_t *ngx_llmops_jwt_secret_alloc(ngx_conf_t *cf);
static void ngx_llmops_jwt_secret_cleanup(void *data);


ngx_llmops_jwt_secret_t *
ngx_llmops_jwt_secret(ngx_conf_t *cf, ngx_str_t *source)
{
    ngx_int_t                 rc;
    ngx_str_t                 name;
    ngx_llmops_jwt_secret_t  *secret;

    secret = ngx_llmops_jwt_secret_alloc(cf);
    if (secret == NULL) {
        return NULL;
    }

    name = *source;

    if (ngx_strncmp(name.data, "env:", 4) == 0) {
        name.data += 4;
        name.len -= 4;
        rc = ngx_llmops_jwt_secret_env(cf, secret, &name);

    } else if (ngx_strncmp(name.data, "file:", 5) == 0) {
        name.data += 5;
        name.len -= 5;
        rc = ngx_llmops_jwt_secret_file(cf, secret, &name);

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "a secret has no place in the configuration, write "
                           "\"secret=env:NAME\" or \"secret=file:PATH\"");
        return NULL;
    }

    if (rc != NGX_OK) {
        return NULL;
    }

    if (secret->value.len < NGX_LLMOPS_JWT_SECRET) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the secret of \"llm_jwt\" in \"%V\" is shorter "
                           "than %d bytes, make one with \"openssl rand -hex "
                           "32\"", source, NGX_LLMOPS_JWT_SECRET);
        return NULL;
    }

    return secret;
}


static ngx_int_t
ngx_llmops_jwt_secret_env(ngx_conf_t *cf, ngx_llmops_jwt_secret_t *secret,
    ngx_str_t *name)
{
    char    *text;
    size_t   len;

    text = name->len ? getenv((char *) name->data) : NULL;

    if (text == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "environment variable \"%V\" is not set for the "
                           "process that reads the configuration, set it or "
                           "write \"secret=file:PATH\"", name);
        return NGX_ERROR;
    }

    len = ngx_strlen(text);

    if (len >= NGX_LLMOPS_SECRET_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the secret in environment variable \"%V\" is not "
                           "shorter than %d bytes", name,
                           NGX_LLMOPS_SECRET_MAX);
        return NGX_ERROR;
    }

    ngx_memcpy(secret->memory, text, len);

    secret->value.len = len;
    secret->env = *name;
    secret->env_value = (u_char *) text;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_jwt_secret_file(ngx_conf_t *cf, ngx_llmops_jwt_secret_t *secret,
    ngx_str_t *path)
{
    ngx_str_t  file;

    file = *path;

    if (file.len == 0 || ngx_conf_full_name(cf->cycle, &file, 1) != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no path in \"file:\", write "
                           "\"secret=file:PATH\"");
        return NGX_ERROR;
    }

    return ngx_llmops_jwt_secret_read(cf, secret, &file);
}


static ngx_int_t
ngx_llmops_jwt_secret_read(ngx_conf_t *cf, ngx_llmops_jwt_secret_t *secret,
    ngx_str_t *file)
{
    ssize_t           n;
    ngx_fd_t          fd;
    ngx_file_info_t   fi;

    fd = ngx_open_file(file->data, NGX_FILE_RDONLY|O_NONBLOCK, NGX_FILE_OPEN,
                       0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "the secret's file \"%V\" could not be opened",
                           file);
        return NGX_ERROR;
    }

    n = ngx_read_fd(fd, secret->memory, NGX_LLMOPS_SECRET_MAX);

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "the secret's file \"%V\" could not be read",
                           file);
        (void) ngx_close_file(fd);
        return NGX_ERROR;
    }

    if (ngx_fd_info(fd, &fi) != NGX_FILE_ERROR
        && (fi.st_mode & (S_IROTH|S_IWOTH|S_IWGRP)))
    {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the secret's file \"%V\" can be read or changed by "
                           "others, write \"chmod 640 %V\"", file, file);
    }

    (void) ngx_close_file(fd);

    if (n == NGX_LLMOPS_SECRET_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the secret in \"%V\" is not shorter than %d bytes",
                           file, NGX_LLMOPS_SECRET_MAX);
        return NGX_ERROR;
    }

    while (n && (secret->memory[n - 1] == LF || secret->memory[n - 1] == CR)) {
        n--;
    }

    secret->value.len = n;

    return NGX_OK;
}


static ngx_llmops_jwt_secret_t *
ngx_llmops_jwt_secret_alloc(ngx_conf_t *cf)
{
    ngx_pool_cleanup_t       *cln;
    ngx_llmops_jwt_secret_t  *secret;

    secret = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_jwt_secret_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);

    if (secret == NULL || cln == NULL) {
        return NULL;
    }

    secret->memory = mmap(NULL, NGX_LLMOPS_SECRET_MAX, PROT_READ|PROT_WRITE,
                          MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    if (secret->memory == MAP_FAILED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "mmap() for a secret failed");
        return NULL;
    }

    cln->handler = ngx_llmops_jwt_secret_cleanup;
    cln->data = secret;

#ifdef MADV_DONTDUMP

    if (madvise(secret->memory, NGX_LLMOPS_SECRET_MAX, MADV_DONTDUMP) == -1) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, ngx_errno,
                           "madvise(MADV_DONTDUMP) failed, a core dump would "
                           "have the secret");
    }

#endif

    secret->value.data = secret->memory;

    return secret;
}


static void
ngx_llmops_jwt_secret_cleanup(void *data)
{
    ngx_llmops_jwt_secret_t *secret = data;

    ngx_explicit_memzero(secret->memory, NGX_LLMOPS_SECRET_MAX);

    (void) munmap(secret->memory, NGX_LLMOPS_SECRET_MAX);
}


/* as a provider's key: what no "env" directive lists, nobody asks for again */

void
ngx_llmops_jwt_secret_start(ngx_llmops_jwt_secret_t *secret)
{
    if (ngx_process != NGX_PROCESS_WORKER
        || secret->env_value == NULL
        || getenv((char *) secret->env.data) != NULL)
    {
        return;
    }

    ngx_explicit_memzero(secret->env_value,
                         ngx_strlen(secret->env_value));
    secret->env_value = NULL;
}
