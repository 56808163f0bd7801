
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"


/* The time zone of a quota: an offset, or a file of the system's. */


#define NGX_LLMOPS_ZONEINFO_MAX    (256 * 1024)


static ngx_int_t ngx_llmops_limit_zone_file(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *path);


ngx_int_t
ngx_llmops_limit_tz(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    u_char     *p;
    size_t      i;
    ngx_str_t   path;

    limit->tz = *value;

    if (ngx_llmops_calendar_fixed(&limit->calendar, value) == NGX_OK) {
        return NGX_OK;
    }

    /* a name, and nothing that leads elsewhere */

    for (i = 0; i < value->len; i++) {
        p = &value->data[i];

        if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z')
            && !(*p >= '0' && *p <= '9') && *p != '/' && *p != '_'
            && *p != '-' && *p != '+')
        {
            return NGX_DECLINED;
        }
    }

    if (value->len == 0 || value->len > 64 || value->data[0] == '/') {
        return NGX_DECLINED;
    }

    path.len = sizeof(NGX_LLMOPS_ZONEINFO) - 1 + value->len;
    path.data = ngx_pnalloc(cf->pool, path.len + 1);

    if (path.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(path.data, NGX_LLMOPS_ZONEINFO "%V%Z", value);

    return ngx_llmops_limit_zone_file(cf, limit, &path);
}


static ngx_int_t
ngx_llmops_limit_zone_file(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *path)
{
    u_char                        *data;
    size_t                         room;
    ssize_t                        n;
    ngx_fd_t                       fd;
    ngx_int_t                      rc;
    ngx_llmops_calendar_change_t  *changes;

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {

        if (ngx_errno != NGX_ENOENT) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                               ngx_open_file_n " \"%V\" failed", path);
            return NGX_ERROR;
        }

        if (access(NGX_LLMOPS_ZONEINFO, X_OK) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"tz=%V\" needs " NGX_LLMOPS_ZONEINFO ", "
                               "which is not there: install the package "
                               "tzdata", &limit->tz);
            return NGX_ERROR;
        }

        return NGX_DECLINED;
    }

    data = ngx_palloc(cf->temp_pool, NGX_LLMOPS_ZONEINFO_MAX);
    n = data ? ngx_read_fd(fd, data, NGX_LLMOPS_ZONEINFO_MAX) : -1;

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", path);
    }

    if (n < 0) {
        return data ? NGX_DECLINED : NGX_ERROR;        /* a directory */
    }

    room = ngx_llmops_calendar_room(data, n);

    changes = ngx_palloc(cf->pool, (room + 1)
                                   * sizeof(ngx_llmops_calendar_change_t));
    if (changes == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_calendar_read(&limit->calendar, data, n, changes);

    if (rc != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not a file of a time zone that can be "
                           "read, write another \"tz=\"", path);
        return NGX_ERROR;
    }

    return NGX_OK;
}
