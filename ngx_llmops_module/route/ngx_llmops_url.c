
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_endpoint.h"


/*
 * llm_endpoint and llm_base.  A URL gives the scheme, where to connect to, the
 * Host header, and the path in front of every request's.  A URL without a path
 * has the dialect's; one that ends right after the host's slash has none,
 * since some providers serve at their root.
 */


typedef struct {
    ngx_conf_t                *cf;
    ngx_str_t                 *text;       /* as written */
    ngx_str_t                  scheme;
    ngx_str_t                  rest;       /* what follows "://" */
    in_port_t                  port;       /* the scheme's own */
} ngx_llmops_url_t;


static ngx_int_t ngx_llmops_url_scheme(ngx_llmops_url_t *url);
static ngx_int_t ngx_llmops_url_chars(ngx_llmops_url_t *url);
static ngx_int_t ngx_llmops_url_refuse(ngx_llmops_url_t *url, char *what,
    char *advice);
static ngx_int_t ngx_llmops_url_base(ngx_llmops_url_t *url, ngx_str_t *path,
    ngx_str_t *base);
static ngx_int_t ngx_llmops_url_address(ngx_llmops_url_t *url, ngx_url_t *u);
static ngx_int_t ngx_llmops_url_names(ngx_llmops_url_t *url, ngx_url_t *u,
    ngx_llmops_provider_t *p);
static ngx_int_t ngx_llmops_url_port(ngx_llmops_url_t *url, ngx_url_t *u,
    ngx_str_t *host, ngx_str_t *name);
static ngx_int_t ngx_llmops_url_literal(ngx_llmops_url_t *url, ngx_url_t *u,
    ngx_llmops_endpoint_t *ep);
static ngx_int_t ngx_llmops_endpoint_option(ngx_conf_t *cf,
    ngx_llmops_endpoint_t *ep);


/* llm_endpoint URL [ipv6=off] */

char *
ngx_llmops_endpoint_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_provider_t *p = conf;

    ngx_url_t               u;
    ngx_str_t              *value;
    ngx_llmops_url_t        url;
    ngx_llmops_endpoint_t  *ep;

    ngx_llmops_provider_mark(cf, p);

    if (p->endpoint) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (p->scheme.len) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"llm_base\" is for \"server\" lines: remove it "
                           "and write its path into \"llm_endpoint\"");
        return NGX_CONF_ERROR;
    }

    ep = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_endpoint_t));
    if (ep == NULL) {
        return NGX_CONF_ERROR;
    }

    ep->provider = p;
    ep->place.file = cf->conf_file->file.name;
    ep->place.line = cf->conf_file->line;

    url.cf = cf;
    url.text = &value[1];

    if (ngx_llmops_url_scheme(&url) != NGX_OK
        || ngx_llmops_url_address(&url, &u) != NGX_OK
        || ngx_llmops_url_names(&url, &u, p) != NGX_OK
        || ngx_llmops_url_base(&url, &u.uri, &p->base) != NGX_OK
        || ngx_llmops_url_literal(&url, &u, ep) != NGX_OK
        || ngx_llmops_endpoint_option(cf, ep) != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    p->scheme = url.scheme;
    p->ssl = (url.scheme.len == 5);

    if (ngx_llmops_endpoint_add(cf, p, &cmd->name) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    p->endpoint = ep;

    return NGX_CONF_OK;
}


/* llm_base scheme://-/path */

char *
ngx_llmops_base_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_provider_t *p = conf;

    ngx_str_t         *value, path;
    ngx_llmops_url_t   url;

    ngx_llmops_provider_mark(cf, p);

    value = cf->args->elts;

    if (p->endpoint) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"llm_base\" is for \"server\" lines: remove it "
                           "and write its path into \"llm_endpoint\"");
        return NGX_CONF_ERROR;
    }

    if (p->scheme.len) {
        return "is duplicate";
    }

    url.cf = cf;
    url.text = &value[1];

    if (ngx_llmops_url_scheme(&url) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    path = url.rest;

    if (path.len == 0 || path.data[0] != '-'
        || (path.len > 1 && path.data[1] != '/'))
    {
        (void) ngx_llmops_url_refuse(&url, "invalid base",
                                     "write \"-\" for the host, which the "
                                     "\"server\" lines give, for example "
                                     "\"llm_base https://-/v1;\"");
        return NGX_CONF_ERROR;
    }

    path.data++;
    path.len--;

    if (ngx_llmops_url_base(&url, &path, &p->base) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    p->scheme = url.scheme;
    p->ssl = (url.scheme.len == 5);

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_llmops_url_scheme(ngx_llmops_url_t *url)
{
    size_t      len;
    ngx_str_t  *text;

    text = url->text;

    if (ngx_llmops_url_chars(url) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_strncasecmp(text->data, (u_char *) "https://", 8) == 0) {
        ngx_str_set(&url->scheme, "https");
        url->port = 443;
        len = 8;

    } else if (ngx_strncasecmp(text->data, (u_char *) "http://", 7) == 0) {
        ngx_str_set(&url->scheme, "http");
        url->port = 80;
        len = 7;

    } else {
        return ngx_llmops_url_refuse(url, "invalid URL",
                          "write it with \"https://\" or \"http://\", for "
                          "example https://api.example.com/v1");
    }

    url->rest.data = text->data + len;
    url->rest.len = text->len - len;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_url_chars(ngx_llmops_url_t *url)
{
    u_char  *p, *last;

    last = url->text->data + url->text->len;

    for (p = url->text->data; p < last; p++) {

        if (*p <= 0x20 || *p >= 0x7f) {
            return ngx_llmops_url_refuse(url, "invalid character in URL",
                          "write it as %XX in a path, and a host as \"xn--\"");
        }

        switch (*p) {

        case '$':
            return ngx_llmops_url_refuse(url, "variables are not possible in",
                          "write one upstream{} for each host and choose by "
                          "route");

        /* these may be secrets: they are not repeated */

        case '@':
            ngx_conf_log_error(NGX_LOG_EMERG, url->cf, 0,
                               "credentials or \"@\" in a URL, write the key "
                               "with \"llm_api_key\"");
            return NGX_ERROR;

        case '?':
        case '#':
            ngx_conf_log_error(NGX_LOG_EMERG, url->cf, 0,
                               "arguments in a URL, end it with the path that "
                               "stands in front of \"/chat/completions\"");
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_url_refuse(ngx_llmops_url_t *url, char *what, char *advice)
{
    ngx_conf_log_error(NGX_LOG_EMERG, url->cf, 0, "%s \"%V\", %s",
                       what, url->text, advice);

    return NGX_ERROR;
}


/* a base without slashes at its end; NULL data: the dialect's */

static ngx_int_t
ngx_llmops_url_base(ngx_llmops_url_t *url, ngx_str_t *path, ngx_str_t *base)
{
    static u_char  root[] = "";

    if (path->len == 0) {
        return NGX_OK;
    }

    if (path->data[0] != '/') {
        return ngx_llmops_url_refuse(url, "invalid path in URL",
                                     "begin it with a slash");
    }

    *base = *path;

    while (base->len && base->data[base->len - 1] == '/') {
        base->len--;
    }

    if (base->len == 0) {
        base->data = root;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_url_address(ngx_llmops_url_t *url, ngx_url_t *u)
{
    char  *err;

    ngx_memzero(u, sizeof(ngx_url_t));

    u->url = url->rest;
    u->default_port = url->port;
    u->uri_part = 1;
    u->no_resolve = 1;

    if (ngx_parse_url(url->cf->pool, u) != NGX_OK) {
        err = u->err ? u->err : "out of memory";

        ngx_conf_log_error(NGX_LOG_EMERG, url->cf, 0,
                           "%s in \"%V\", write for example "
                           "https://api.example.com/v1, or "
                           "http://unix:/path/to/socket:/v1", err, url->text);
        return NGX_ERROR;
    }

    if (u->family != AF_UNIX && u->wildcard) {
        return ngx_llmops_url_refuse(url, "no host to connect to in",
                          "write 127.0.0.1 for this machine");
    }

    return NGX_OK;
}


/* what goes into the Host header, SNI, and the certificate's check */

static ngx_int_t
ngx_llmops_url_names(ngx_llmops_url_t *url, ngx_url_t *u,
    ngx_llmops_provider_t *p)
{
    if (u->family == AF_UNIX) {
        ngx_str_set(&p->host, "localhost");
        p->host_header = p->host;
        return NGX_OK;
    }

    p->host.len = u->host.len;
    p->host.data = ngx_pnalloc(url->cf->pool, u->host.len);
    if (p->host.data == NULL) {
        return NGX_ERROR;
    }

    ngx_strlow(p->host.data, u->host.data, u->host.len);

    if (u->no_port || u->port == url->port) {
        p->host_header = p->host;
        return NGX_OK;
    }

    return ngx_llmops_url_port(url, u, &p->host, &p->host_header);
}


static ngx_int_t
ngx_llmops_url_port(ngx_llmops_url_t *url, ngx_url_t *u, ngx_str_t *host,
    ngx_str_t *name)
{
    u_char  *p;

    name->data = ngx_pnalloc(url->cf->pool,
                             host->len + sizeof(":65535") - 1);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(name->data, "%V:%ui", host, (ngx_uint_t) u->port);
    name->len = p - name->data;

    return NGX_OK;
}


/*
 * An address that needs no DNS.  "localhost" is one of these: it is in no DNS
 * (RFC 6761, 6.3), and a resolver in front of a local model server would be
 * asked too much of a beginner.
 */

static ngx_int_t
ngx_llmops_url_literal(ngx_llmops_url_t *url, ngx_url_t *u,
    ngx_llmops_endpoint_t *ep)
{
    ngx_uint_t           i;
    struct sockaddr_in   sin;
    ngx_llmops_addrs_t  *set;

    ep->port = u->port;
    ep->host = ep->provider->host;

    if (u->family == AF_UNIX) {
        ep->name = u->addrs[0].name;

    } else if (ngx_llmops_url_port(url, u, &ep->host, &ep->name) != NGX_OK) {
        return NGX_ERROR;
    }

    if (u->naddrs == 0
        && !(ep->host.len == 9
             && ngx_strncmp(ep->host.data, "localhost", 9) == 0))
    {
        return NGX_OK;
    }

    set = ngx_pcalloc(url->cf->pool, sizeof(ngx_llmops_addrs_t));
    if (set == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < u->naddrs; i++) {
        ngx_llmops_addrs_push(set, u->addrs[i].sockaddr, u->addrs[i].socklen,
                              0);
    }

    if (u->naddrs == 0) {
        ngx_memzero(&sin, sizeof(struct sockaddr_in));
        sin.sin_family = AF_INET;
        sin.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

        ngx_llmops_addrs_push(set, (struct sockaddr *) &sin,
                              sizeof(struct sockaddr_in), u->port);
    }

    ep->set = set;
    ep->fixed = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_endpoint_option(ngx_conf_t *cf, ngx_llmops_endpoint_t *ep)
{
    ngx_str_t  *value;

    if (cf->args->nelts == 2) {
        return NGX_OK;
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[2].data, "ipv6=off") == 0) {
        ep->ipv4_only = 1;
        return NGX_OK;
    }

    if (ngx_strcmp(value[2].data, "ipv6=on") == 0) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" of \"llm_endpoint\", the only "
                       "one is \"ipv6=off\"", &value[2]);

    return NGX_ERROR;
}
