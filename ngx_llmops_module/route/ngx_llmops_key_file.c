
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_endpoint.h"


/*
 * Keys in files.  A file is read with the configuration, by root as a rule,
 * and again by every worker when it has changed.  A worker that may not read
 * it, or finds no key in it, keeps the key that it has and goes on looking.
 */

#define NGX_LLMOPS_KEY_TICK         2000   /* ms between looks at a file */


static char *ngx_llmops_key_read_fd(ngx_llmops_key_source_t *ks, ngx_fd_t fd,
    ngx_file_info_t *fi, ngx_err_t *err);
static void ngx_llmops_key_note(ngx_llmops_key_source_t *ks,
    ngx_file_info_t *fi);
static void ngx_llmops_key_timer(ngx_event_t *ev);
static void ngx_llmops_key_look(ngx_llmops_key_source_t *ks, ngx_log_t *log);


char *
ngx_llmops_key_read(ngx_llmops_key_source_t *ks, ngx_file_info_t *fi,
    ngx_err_t *err)
{
    char      *text;
    u_char    *scratch;
    ngx_fd_t   fd;

    *err = 0;

    /* without waiting, if it is a pipe */

    fd = ngx_open_file(ks->file.data, NGX_FILE_RDONLY|O_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        *err = ngx_errno;
        return "could not be opened";
    }

    text = ngx_llmops_key_read_fd(ks, fd, fi, err);

    scratch = ks->memory + NGX_LLMOPS_KEY_MAX;
    ngx_explicit_memzero(scratch, NGX_LLMOPS_KEY_MAX);

    (void) ngx_close_file(fd);

    return text;
}


static char *
ngx_llmops_key_read_fd(ngx_llmops_key_source_t *ks, ngx_fd_t fd,
    ngx_file_info_t *fi, ngx_err_t *err)
{
    u_char   *scratch;
    ssize_t   n;

    if (ngx_fd_info(fd, fi) == NGX_FILE_ERROR) {
        *err = ngx_errno;
        return "could not be examined";
    }

    if (!ngx_is_file(fi)) {
        return "is not a regular file";
    }

    if (ngx_file_size(fi) > NGX_LLMOPS_KEY_MAX) {
        return "is longer than 8k";
    }

    scratch = ks->memory + NGX_LLMOPS_KEY_MAX;

    n = ngx_read_fd(fd, scratch, NGX_LLMOPS_KEY_MAX);

    if (n == -1) {
        *err = ngx_errno;
        return "could not be read";
    }

    ngx_llmops_key_note(ks, fi);

    return ngx_llmops_key_set(ks, scratch, n);
}


static void
ngx_llmops_key_note(ngx_llmops_key_source_t *ks, ngx_file_info_t *fi)
{
    ks->mtime = ngx_file_mtime(fi);
    ks->size = ngx_file_size(fi);
    ks->uniq = ngx_file_uniq(fi);
    ks->looked = ngx_time();
}


void
ngx_llmops_key_watch(ngx_cycle_t *cycle, ngx_llmops_key_source_t *ks)
{
    ks->timer.handler = ngx_llmops_key_timer;
    ks->timer.data = ks;
    ks->timer.log = cycle->log;
    ks->timer.cancelable = 1;

    ngx_add_timer(&ks->timer, NGX_LLMOPS_KEY_TICK);
}


static void
ngx_llmops_key_timer(ngx_event_t *ev)
{
    if (ngx_exiting || ngx_terminate) {
        return;
    }

    ngx_add_timer(ev, NGX_LLMOPS_KEY_TICK);

    ngx_llmops_key_look(ev->data, ev->log);
}


static void
ngx_llmops_key_look(ngx_llmops_key_source_t *ks, ngx_log_t *log)
{
    char             *text;
    ngx_err_t         err;
    ngx_file_info_t   fi;

    if (ngx_file_info(ks->file.data, &fi) == NGX_FILE_ERROR) {
        err = ngx_errno;
        text = "is not there";
        goto failed;
    }

    /*
     * The time has whole seconds: a file that was young when it was read last
     * may have changed since without a sign.
     */

    if (ngx_file_mtime(&fi) == ks->mtime
        && ngx_file_size(&fi) == ks->size
        && ngx_file_uniq(&fi) == ks->uniq
        && ks->looked - ks->mtime > 1)
    {
        ks->failed = NULL;
        return;
    }

    text = ngx_llmops_key_read(ks, &fi, &err);

    if (text == NULL) {
        ks->failed = NULL;
        return;
    }

failed:

    if (ks->failed == text) {
        return;
    }

    ks->failed = text;

    ngx_log_error(NGX_LOG_ERR, log, err,
                  "the key file \"%V\" of upstream \"%V\" %s, the key read "
                  "before stays in use%s", &ks->file, &ks->provider->name, text,
                  (err == NGX_EACCES) ? "; let the group of the workers read "
                                        "it (chgrp, chmod 640), or reload nginx"
                                      : "");
}
