
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_secret.h"

#include <sys/mman.h>


static ngx_int_t ngx_llmops_secret_env(ngx_conf_t *cf, ngx_str_t *name,
    const char *what, ngx_llmops_secret_t *secret);
static ngx_int_t ngx_llmops_secret_file(ngx_conf_t *cf, ngx_str_t *path,
    const char *what, ngx_llmops_secret_t *secret);
static ngx_int_t ngx_llmops_secret_fd(ngx_conf_t *cf, ngx_fd_t fd,
    ngx_str_t *path, const char *what, ngx_llmops_secret_t *secret);
static ngx_int_t ngx_llmops_secret_set(ngx_conf_t *cf, u_char *text,
    size_t len, const char *what, ngx_llmops_secret_t *secret);
static u_char *ngx_llmops_secret_alloc(ngx_conf_t *cf);
static void ngx_llmops_secret_cleanup(void *data);


ngx_int_t
ngx_llmops_secret_read(ngx_conf_t *cf, ngx_str_t *word, const char *what,
    ngx_llmops_secret_t *secret)
{
    ngx_str_t  rest;

    ngx_memzero(secret, sizeof(ngx_llmops_secret_t));

    rest = *word;

    if (ngx_strncmp(rest.data, "env:", 4) == 0) {
        rest.data += 4;
        rest.len -= 4;
        return ngx_llmops_secret_env(cf, &rest, what, secret);
    }

    if (ngx_strncmp(rest.data, "file:", 5) == 0) {
        rest.data += 5;
        rest.len -= 5;
        return ngx_llmops_secret_file(cf, &rest, what, secret);
    }

    if (ngx_llmops_secret_set(cf, rest.data, rest.len, what, secret)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                       "a %s in the configuration can be read by all who can "
                       "read that, write \"%s=env:NAME\" or "
                       "\"%s=file:PATH\"", what, what, what);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_secret_env(ngx_conf_t *cf, ngx_str_t *name, const char *what,
    ngx_llmops_secret_t *secret)
{
    char  *text;

    if (name->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no name in \"%s=env:\", write \"%s=env:NAME\"",
                           what, what);
        return NGX_ERROR;
    }

    text = getenv((char *) name->data);

    if (text == NULL || *text == '\0') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "environment variable \"%V\" of \"%s\" is %s for "
                           "the process that reads the configuration: set it "
                           "with EnvironmentFile= of systemd, in a shell with "
                           "\"env %V=... nginx -t\", or write "
                           "\"%s=file:PATH\"",
                           name, what, text ? "empty" : "not set", name, what);
        return NGX_ERROR;
    }

    secret->env = *name;
    secret->env_value = (u_char *) text;

    return ngx_llmops_secret_set(cf, secret->env_value, ngx_strlen(text), what,
                                 secret);
}


static ngx_int_t
ngx_llmops_secret_file(ngx_conf_t *cf, ngx_str_t *path, const char *what,
    ngx_llmops_secret_t *secret)
{
    ngx_fd_t   fd;
    ngx_int_t  rc;

    if (path->len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "no path in \"%s=file:\", write \"%s=file:PATH\"",
                           what, what);
        return NGX_ERROR;
    }

    if (ngx_conf_full_name(cf->cycle, path, 1) != NGX_OK) {
        return NGX_ERROR;
    }

    /* nonblocking: a FIFO would wait for a writer */

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY|NGX_FILE_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "the file \"%V\" of \"%s\" could not be opened",
                           path, what);
        return NGX_ERROR;
    }

    rc = ngx_llmops_secret_fd(cf, fd, path, what, secret);

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", path);
    }

    return rc;
}


static ngx_int_t
ngx_llmops_secret_fd(ngx_conf_t *cf, ngx_fd_t fd, ngx_str_t *path,
    const char *what, ngx_llmops_secret_t *secret)
{
    u_char           buf[NGX_LLMOPS_SECRET_MAX + 1];
    ssize_t          n;
    ngx_int_t        rc;
    ngx_file_info_t  fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" of \"%s\" is not a regular file", path,
                           what);
        return NGX_ERROR;
    }

    if (fi.st_mode & (S_IROTH|S_IWOTH|S_IWGRP)) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the file \"%V\" of \"%s\" can be read or changed "
                           "by others, write \"chmod 640 %V\"", path, what,
                           path);
    }

    n = ngx_read_fd(fd, buf, NGX_LLMOPS_SECRET_MAX + 1);

    if (n == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "the file \"%V\" of \"%s\" could not be read",
                           path, what);
        return NGX_ERROR;
    }

    rc = ngx_llmops_secret_set(cf, buf, n, what, secret);

    ngx_explicit_memzero(buf, sizeof(buf));

    return rc;
}


static ngx_int_t
ngx_llmops_secret_set(ngx_conf_t *cf, u_char *text, size_t len,
    const char *what, ngx_llmops_secret_t *secret)
{
    const char  *error;

    while (len && (text[len - 1] == LF || text[len - 1] == CR)) {
        len--;
    }

    error = NULL;

    if (len == 0) {
        error = "is empty";

    } else if (len > NGX_LLMOPS_SECRET_MAX) {
        error = "is longer than 4k";

    } else if (ngx_strlchr(text, text + len, LF)) {
        error = "has more than one line";
    }

    if (error) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "the %s %s", what, error);
        return NGX_ERROR;
    }

    secret->value.data = ngx_llmops_secret_alloc(cf);
    if (secret->value.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(secret->value.data, text, len);
    secret->value.len = len;

    return NGX_OK;
}


static u_char *
ngx_llmops_secret_alloc(ngx_conf_t *cf)
{
    void                *memory;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NULL;
    }

    memory = mmap(NULL, NGX_LLMOPS_SECRET_MAX, PROT_READ|PROT_WRITE,
                  MAP_PRIVATE|MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "mmap() for a secret failed");
        return NULL;
    }

    cln->handler = ngx_llmops_secret_cleanup;
    cln->data = memory;

#ifdef MADV_DONTDUMP

    if (madvise(memory, NGX_LLMOPS_SECRET_MAX, MADV_DONTDUMP) == -1) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, ngx_errno,
                           "madvise(MADV_DONTDUMP) failed, a core dump would "
                           "have the secrets");
    }

#endif

    return memory;
}


static void
ngx_llmops_secret_cleanup(void *data)
{
    ngx_explicit_memzero(data, NGX_LLMOPS_SECRET_MAX);

    (void) munmap(data, NGX_LLMOPS_SECRET_MAX);
}


void
ngx_llmops_secret_start(ngx_llmops_secret_t *secret)
{
    if (ngx_process != NGX_PROCESS_WORKER
        || secret->env_value == NULL
        || getenv((char *) secret->env.data) != NULL)
    {
        return;
    }

    ngx_explicit_memzero(secret->env_value, ngx_strlen(secret->env_value));
    secret->env_value = NULL;
}
