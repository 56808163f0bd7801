
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"

#include <maxminddb.h>
#include <sys/mman.h>


/*
 * llm_geo: the country of an address, from a database in MaxMind's format.  It
 * is mapped when the configuration is read, so that all workers share it, and
 * looked up where it lies: a walk of at most 128 steps.
 *
 * What is mapped is a copy of the file that has no name.  A database that is
 * overwritten in place, as "cp" does it, would change under the workers, and
 * they would die of a bus error where it became shorter.  A new file is read
 * with the next configuration.
 *
 * A database may be broken where no check at its opening looks.  The library
 * then says so at a look-up; the country is unknown, and who may only come
 * from some countries does not come in.
 */


#define NGX_LLMOPS_GEO_PIECE    65536
#define NGX_LLMOPS_GEO_MAX      (1024 * 1024 * 1024)


struct ngx_llmops_geo_s {
    MMDB_s                     db;
    ngx_str_t                  file;
    unsigned                   open:1;
};


static char *ngx_llmops_geo_open(ngx_conf_t *cf, ngx_llmops_geo_t *geo);
static ngx_int_t ngx_llmops_geo_copy(ngx_conf_t *cf, ngx_llmops_geo_t *geo,
    ngx_fd_t fd, ngx_fd_t copy);
static void ngx_llmops_geo_close(void *data);
static ngx_int_t ngx_llmops_geo_lookup(ngx_llmops_geo_t *geo,
    struct sockaddr *sockaddr, MMDB_lookup_result_s *found);
static ngx_int_t ngx_llmops_geo_text(MMDB_lookup_result_s *found,
    const char *const *path, u_char country[2]);


/* where databases of several makers have it */

static const char *const  ngx_llmops_geo_paths[][3] = {
    { "country", "iso_code", NULL },
    { "country_code", NULL, NULL },
    { "country", NULL, NULL }
};


char *
ngx_llmops_geo_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                    *rv;
    ngx_str_t               *value;
    ngx_llmops_geo_t        *geo;
    ngx_pool_cleanup_t      *cln;
    ngx_llmops_auth_conf_t  *acf;

    acf = ngx_llmops_auth_conf(cf, conf);
    if (acf == NULL) {
        return NGX_CONF_ERROR;
    }

    if (acf->geo) {
        return "is duplicate";
    }

    geo = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_geo_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (geo == NULL || cln == NULL) {
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_llmops_geo_close;
    cln->data = geo;

    value = cf->args->elts;
    geo->file = value[1];

    if (ngx_conf_full_name(cf->cycle, &geo->file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    rv = ngx_llmops_geo_open(cf, geo);

    if (rv == NGX_CONF_OK) {
        acf->geo = geo;
    }

    return rv;
}


static char *
ngx_llmops_geo_open(ngx_conf_t *cf, ngx_llmops_geo_t *geo)
{
    int        status;
    u_char     name[sizeof("/proc/self/fd/") + NGX_INT_T_LEN];
    ngx_fd_t   fd, copy;
    ngx_int_t  rc;

    fd = ngx_open_file(geo->file.data, NGX_FILE_RDONLY|O_NONBLOCK,
                       NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "the database \"%V\" could not be opened",
                           &geo->file);
        return NGX_CONF_ERROR;
    }

    copy = memfd_create("llm_geo", MFD_CLOEXEC);

    if (copy == -1) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "memfd_create() for \"llm_geo\" failed");
        (void) ngx_close_file(fd);
        return NGX_CONF_ERROR;
    }

    rc = ngx_llmops_geo_copy(cf, geo, fd, copy);

    (void) ngx_close_file(fd);

    if (rc != NGX_OK) {
        (void) ngx_close_file(copy);
        return NGX_CONF_ERROR;
    }

    *ngx_sprintf(name, "/proc/self/fd/%d", copy) = '\0';

    status = MMDB_open((char *) name, MMDB_MODE_MMAP, &geo->db);

    (void) ngx_close_file(copy);

    if (status != MMDB_SUCCESS) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the database \"%V\" could not be read (%s): "
                           "\"llm_geo\" wants a whole file in MaxMind's "
                           "format, of countries or cities",
                           &geo->file, MMDB_strerror(status));
        return NGX_CONF_ERROR;
    }

    geo->open = 1;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_llmops_geo_copy(ngx_conf_t *cf, ngx_llmops_geo_t *geo, ngx_fd_t fd,
    ngx_fd_t copy)
{
    off_t     size;
    u_char   *piece;
    ssize_t   n;

    piece = ngx_alloc(NGX_LLMOPS_GEO_PIECE, cf->log);
    if (piece == NULL) {
        return NGX_ERROR;
    }

    size = 0;

    for ( ;; ) {
        n = ngx_read_fd(fd, piece, NGX_LLMOPS_GEO_PIECE);

        if (n <= 0) {
            break;
        }

        size += n;

        if (size > NGX_LLMOPS_GEO_MAX
            || ngx_write_fd(copy, piece, n) != n)
        {
            n = -1;
            break;
        }
    }

    if (n < 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                           "the database \"%V\" could not be copied into "
                           "memory", &geo->file);
    }

    ngx_free(piece);

    return n == 0 ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_geo_close(void *data)
{
    ngx_llmops_geo_t *geo = data;

    if (geo->open) {
        MMDB_close(&geo->db);
    }
}


ngx_int_t
ngx_llmops_geo_country(ngx_llmops_geo_t *geo, struct sockaddr *sockaddr,
    u_char country[2])
{
    ngx_uint_t            i;
    MMDB_lookup_result_s  found;

    if (geo == NULL
        || ngx_llmops_geo_lookup(geo, sockaddr, &found) != NGX_OK)
    {
        return NGX_DECLINED;
    }

    for (i = 0; i < sizeof(ngx_llmops_geo_paths)
                    / sizeof(ngx_llmops_geo_paths[0]); i++)
    {
        if (ngx_llmops_geo_text(&found, ngx_llmops_geo_paths[i], country)
            == NGX_OK)
        {
            return NGX_OK;
        }
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_geo_lookup(ngx_llmops_geo_t *geo, struct sockaddr *sockaddr,
    MMDB_lookup_result_s *found)
{
    int                   error;
    struct sockaddr_in    sin;
#if (NGX_HAVE_INET6)
    struct in6_addr      *addr;
#endif

    switch (sockaddr->sa_family) {

    case AF_INET:
        break;

#if (NGX_HAVE_INET6)
    case AF_INET6:
        addr = &((struct sockaddr_in6 *) sockaddr)->sin6_addr;

        if (IN6_IS_ADDR_V4MAPPED(addr)) {

            /* a socket for both; not all databases have these addresses */

            ngx_memzero(&sin, sizeof(struct sockaddr_in));
            sin.sin_family = AF_INET;
            ngx_memcpy(&sin.sin_addr, &addr->s6_addr[12], 4);

            sockaddr = (struct sockaddr *) &sin;
        }

        break;
#endif

    default:
        return NGX_DECLINED;
    }

    *found = MMDB_lookup_sockaddr(&geo->db, sockaddr, &error);

    return (error == MMDB_SUCCESS && found->found_entry) ? NGX_OK
                                                         : NGX_DECLINED;
}


/* two capital letters at a path */

static ngx_int_t
ngx_llmops_geo_text(MMDB_lookup_result_s *found, const char *const *path,
    u_char country[2])
{
    MMDB_entry_data_s  data;

    if (MMDB_aget_value(&found->entry, &data, path) != MMDB_SUCCESS
        || !data.has_data
        || data.type != MMDB_DATA_TYPE_UTF8_STRING
        || data.data_size != 2)
    {
        return NGX_DECLINED;
    }

    country[0] = (u_char) data.utf8_string[0];
    country[1] = (u_char) data.utf8_string[1];

    return (country[0] >= 'A' && country[0] <= 'Z'
            && country[1] >= 'A' && country[1] <= 'Z')
           ? NGX_OK : NGX_DECLINED;
}


ngx_uint_t
ngx_llmops_geo_allowed(ngx_http_request_t *r, ngx_array_t *countries)
{
    u_char                   country[2];
    ngx_str_t               *c;
    ngx_uint_t               i;
    ngx_llmops_main_conf_t  *mcf;
    ngx_llmops_auth_conf_t  *acf;

    if (countries == NULL) {
        return 1;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);
    acf = mcf->keys;

    if (acf == NULL
        || ngx_llmops_geo_country(acf->geo, r->connection->sockaddr, country)
           != NGX_OK)
    {
        return 0;
    }

    c = countries->elts;

    for (i = 0; i < countries->nelts; i++) {
        if (ngx_memcmp(c[i].data, country, 2) == 0) {
            return 1;
        }
    }

    return 0;
}
