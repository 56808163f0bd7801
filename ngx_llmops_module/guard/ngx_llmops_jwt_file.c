
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_jwt_set.h"


/*
 * Key sets in files: read with the configuration, and by every worker when they
 * have changed.  A worker that may not read one, or finds no key in it, keeps
 * the set that it has.
 */


static ngx_uint_t ngx_llmops_jwt_file_same(ngx_llmops_jwt_t *jwt);
static const char *ngx_llmops_jwt_file_read(ngx_llmops_jwt_t *jwt,
    ngx_fd_t fd, u_char *buf, ngx_err_t *err);


void
ngx_llmops_jwt_look(ngx_llmops_jwt_t *jwt, ngx_log_t *log)
{
    ngx_err_t    err;
    const char  *problem;

    if (ngx_llmops_jwt_file_same(jwt)) {
        jwt->failures = 0;
        return;
    }

    problem = ngx_llmops_jwt_file(jwt, log, &err);

    if (problem == NULL) {
        jwt->failures = 0;
        return;
    }

    if (jwt->failures++ == 0) {
        ngx_log_error(NGX_LOG_ERR, log, err,
                      "the key set \"%V\" of \"llm_jwt %V\" %s, the one read "
                      "before stays in use", &jwt->file, &jwt->name, problem);
    }
}


static ngx_uint_t
ngx_llmops_jwt_file_same(ngx_llmops_jwt_t *jwt)
{
    ngx_file_info_t  fi;

    if (ngx_file_info(jwt->file.data, &fi) == NGX_FILE_ERROR) {
        return 0;
    }

    /* the time has whole seconds: a young file may have changed again */

    return ngx_file_mtime(&fi) == jwt->mtime
           && ngx_file_uniq(&fi) == jwt->uniq
           && jwt->fetched / 1000 - jwt->mtime > 1;
}


const char *
ngx_llmops_jwt_file(ngx_llmops_jwt_t *jwt, ngx_log_t *log, ngx_err_t *err)
{
    u_char      *buf;
    ngx_fd_t     fd;
    const char  *problem;

    *err = 0;

    fd = ngx_open_file(jwt->file.data, NGX_FILE_RDONLY|O_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        *err = ngx_errno;
        return "could not be opened";
    }

    buf = ngx_alloc(NGX_LLMOPS_JWT_SET, log);

    problem = buf ? ngx_llmops_jwt_file_read(jwt, fd, buf, err)
                  : "could not be read: out of memory";

    if (buf) {
        ngx_free(buf);
    }

    (void) ngx_close_file(fd);

    return problem;
}


static const char *
ngx_llmops_jwt_file_read(ngx_llmops_jwt_t *jwt, ngx_fd_t fd, u_char *buf,
    ngx_err_t *err)
{
    ssize_t           n;
    ngx_str_t         text;
    ngx_file_info_t   fi;

    if (ngx_fd_info(fd, &fi) == NGX_FILE_ERROR || !ngx_is_file(&fi)) {
        return "is not a regular file";
    }

    n = ngx_read_fd(fd, buf, NGX_LLMOPS_JWT_SET);

    if (n == -1) {
        *err = ngx_errno;
        return "could not be read";
    }

    if (n == NGX_LLMOPS_JWT_SET) {
        return "is larger than 256k";
    }

    jwt->mtime = ngx_file_mtime(&fi);
    jwt->uniq = ngx_file_uniq(&fi);
    jwt->fetched = ngx_llmops_now();

    text.data = buf;
    text.len = n;

    return ngx_llmops_jwt_install(jwt, &text);
}
