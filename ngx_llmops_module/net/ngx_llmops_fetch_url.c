
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_fetch.h"


/*
 * Where a fetch goes: read with the configuration.
 */


static ngx_int_t ngx_llmops_fetch_scheme(ngx_conf_t *cf, ngx_str_t *url,
    ngx_str_t *ca, ngx_llmops_fetch_url_t *to, ngx_str_t *rest);
static ngx_int_t ngx_llmops_fetch_names(ngx_conf_t *cf, ngx_url_t *u,
    ngx_llmops_fetch_url_t *to);
static ngx_int_t ngx_llmops_fetch_copy(ngx_conf_t *cf, ngx_str_t *to,
    const u_char *p, size_t len);


ngx_int_t
ngx_llmops_fetch_url(ngx_conf_t *cf, ngx_str_t *url, ngx_str_t *ca,
    ngx_llmops_fetch_url_t *to, const char **error)
{
    size_t     i;
    ngx_str_t  rest;
    ngx_url_t  u;

    *error = "write a URL like \"https://idp.example.com/keys\"";

    for (i = 0; i < url->len; i++) {

        if (url->data[i] <= 0x20 || url->data[i] >= 0x7f
            || url->data[i] == '#')
        {
            return NGX_ERROR;
        }

        if (url->data[i] == '@') {
            *error = "write the URL without user and password";
            return NGX_ERROR;
        }
    }

    ngx_memzero(to, sizeof(ngx_llmops_fetch_url_t));

    to->url = *url;

    switch (ngx_llmops_fetch_scheme(cf, url, ca, to, &rest)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return NGX_ERROR;

    default:
        *error = "TLS could not be set up for it";
        return NGX_ERROR;
    }

    ngx_memzero(&u, sizeof(ngx_url_t));

    u.url = rest;
    u.default_port = to->port;
    u.uri_part = 1;
    u.no_resolve = 1;

    if (ngx_parse_url(cf->pool, &u) != NGX_OK || u.family == AF_UNIX
        || u.host.len == 0 || u.wildcard)
    {
        return NGX_ERROR;
    }

    to->port = u.port;

    return ngx_llmops_fetch_names(cf, &u, to);
}


/* NGX_DECLINED: it is neither; NGX_ERROR: no TLS (logged) */

static ngx_int_t
ngx_llmops_fetch_scheme(ngx_conf_t *cf, ngx_str_t *url, ngx_str_t *ca,
    ngx_llmops_fetch_url_t *to, ngx_str_t *rest)
{
    size_t     len;
    ngx_str_t  none;

    ngx_str_null(&none);

    if (ngx_strncasecmp(url->data, (u_char *) "https://", 8) == 0) {
        len = 8;
        to->port = 443;

        to->tls = ngx_llmops_net_tls(cf, ca ? ca : &none, &none, &none, 1);
        if (to->tls == NULL) {
            return NGX_ERROR;
        }

    } else if (ngx_strncasecmp(url->data, (u_char *) "http://", 7) == 0) {
        len = 7;
        to->port = 80;

    } else {
        return NGX_DECLINED;
    }

    rest->data = url->data + len;
    rest->len = url->len - len;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_fetch_names(ngx_conf_t *cf, ngx_url_t *u,
    ngx_llmops_fetch_url_t *to)
{
    u_char     *end;
    ngx_str_t   authority;

    /* what stands between the scheme and the path, without the scheme's own
       port */

    authority.data = u->url.data;
    end = u->uri.len ? u->uri.data : u->url.data + u->url.len;
    authority.len = end - authority.data;

    if (u->no_port || u->port == u->default_port) {
        authority.len = u->host.data + u->host.len - authority.data;

        if (authority.data + authority.len < end
            && authority.data[authority.len] == ']')
        {
            authority.len++;
        }
    }

    if (ngx_llmops_fetch_copy(cf, &to->host, u->host.data, u->host.len)
        != NGX_OK
        || ngx_llmops_fetch_copy(cf, &to->host_header, authority.data,
                                 authority.len)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (u->uri.len == 0) {
        ngx_str_set(&to->uri, "/");
        return NGX_OK;
    }

    if (u->uri.data[0] == '/') {
        to->uri = u->uri;
        return NGX_OK;
    }

    /* "?" right behind the host */

    to->uri.len = u->uri.len + 1;
    to->uri.data = ngx_pnalloc(cf->pool, to->uri.len);
    if (to->uri.data == NULL) {
        return NGX_ERROR;
    }

    to->uri.data[0] = '/';
    ngx_memcpy(to->uri.data + 1, u->uri.data, u->uri.len);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_fetch_copy(ngx_conf_t *cf, ngx_str_t *to, const u_char *p,
    size_t len)
{
    to->data = ngx_pnalloc(cf->pool, len + 1);
    if (to->data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(to->data, p, len);
    to->data[len] = '\0';
    to->len = len;

    return NGX_OK;
}
