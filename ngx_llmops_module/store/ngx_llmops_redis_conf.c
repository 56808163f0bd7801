
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * llm_redis ADDRESS ... [name=value ...];
 *
 * Nothing is looked up or connected here: nginx starts, and its workers look
 * for Redis by themselves.
 */

#define NGX_LLMOPS_REDIS_PORT            6379
#define NGX_LLMOPS_REDIS_SENTINEL_PORT   26379
#define NGX_LLMOPS_REDIS_TIMEOUT         50
#define NGX_LLMOPS_REDIS_HOST_MAX        253


static ngx_int_t ngx_llmops_redis_address(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *word);
static const char *ngx_llmops_redis_address_parse(ngx_str_t *word,
    ngx_llmops_redis_addr_t *addr);
static const char *ngx_llmops_redis_host_parse(ngx_str_t *word,
    ngx_str_t *host);
static ngx_int_t ngx_llmops_redis_finish(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf);
static const char *ngx_llmops_redis_conflict(ngx_llmops_redis_conf_t *conf);
static ngx_int_t ngx_llmops_redis_tls(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf);


char *
ngx_llmops_redis_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_int_t                 rc;
    ngx_str_t                *value;
    ngx_uint_t                i, seen;
    ngx_llmops_redis_conf_t  *rcf, **slot;

    slot = (ngx_llmops_redis_conf_t **) ((char *) conf + cmd->offset);

    if (*slot) {
        return "is duplicate";
    }

    rcf = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_redis_conf_t));
    if (rcf == NULL) {
        return NGX_CONF_ERROR;
    }

    rcf->nodes = ngx_array_create(cf->pool, 4,
                                  sizeof(ngx_llmops_redis_addr_t));
    if (rcf->nodes == NULL) {
        return NGX_CONF_ERROR;
    }

    rcf->timeout = NGX_LLMOPS_REDIS_TIMEOUT;
    rcf->policy = NGX_LLMOPS_DOWN_LOCAL;
    rcf->ssl_verify = 1;
    rcf->file = cf->conf_file->file.name;
    rcf->line = cf->conf_file->line;

    ngx_str_set(&rcf->prefix, "llm");

    value = cf->args->elts;
    seen = 0;

    for (i = 1; i < cf->args->nelts; i++) {
        rc = ngx_llmops_redis_param(cf, rcf, &value[i], &seen);

        if (rc == NGX_DECLINED) {
            rc = ngx_llmops_redis_address(cf, rcf, &value[i]);
        }

        if (rc != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_llmops_redis_finish(cf, rcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    *slot = rcf;

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_llmops_redis_address(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_str_t *word)
{
    size_t                    len;
    u_char                   *p;
    const char               *error;
    ngx_llmops_redis_addr_t  *addr;

    p = ngx_strlchr(word->data, word->data + word->len, '=');

    if (p && ngx_strncasecmp(word->data, (u_char *) "unix:", 5) != 0) {

        /* what follows may be a misspelled parameter's password */

        len = p + 1 - word->data;

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown parameter \"%*s\" in \"llm_redis\", "
                           "possible are ssl, ssl_ca=, ssl_verify=, ssl_name=, "
                           "ssl_cert=, ssl_key=, user=, password=, db=, "
                           "timeout=, prefix=, sentinel=, sentinel_password=, "
                           "cluster, fail=", len, word->data);
        return NGX_ERROR;
    }

    addr = ngx_array_push(conf->nodes);
    if (addr == NULL) {
        return NGX_ERROR;
    }

    error = ngx_llmops_redis_address_parse(word, addr);

    if (error) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid address \"%V\" in \"llm_redis\", %s",
                           word, error);
        return NGX_ERROR;
    }

    /* the configuration's words are terminated, parts of them are not */

    p = ngx_pnalloc(cf->pool, addr->host.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    (void) ngx_cpystrn(p, addr->host.data, addr->host.len + 1);
    addr->host.data = p;

    return NGX_OK;
}


/* what to write instead, or NULL; port 0: none was given */

static const char *
ngx_llmops_redis_address_parse(ngx_str_t *word, ngx_llmops_redis_addr_t *addr)
{
    u_char      *p, *last;
    ngx_int_t    port;
    const char  *error;

    addr->host = *word;
    addr->port = 0;

    if (ngx_strncasecmp(word->data, (u_char *) "unix:", 5) == 0) {

        if (word->len == 5
            || word->len - 5 >= sizeof(((struct sockaddr_un *) 0)->sun_path))
        {
            return "write \"unix:/PATH\" with at most 107 bytes";
        }

        return NULL;
    }

    if (ngx_strnstr(word->data, "://", word->len)) {
        return "it is no URL: write \"HOST:PORT\", and \"ssl\" for TLS";
    }

    error = ngx_llmops_redis_host_parse(word, &addr->host);

    if (error) {
        return error;
    }

    p = word->data + addr->host.len;
    last = word->data + word->len;

    if (p == last) {
        return NULL;
    }

    port = (*p == ':') ? ngx_atoi(p + 1, last - p - 1) : NGX_ERROR;

    if (port < 1 || port > 65535) {
        return "its port has to be between 1 and 65535";
    }

    addr->port = (in_port_t) port;

    return NULL;
}


/* what stands before the port; NULL, or why there is none */

static const char *
ngx_llmops_redis_host_parse(ngx_str_t *word, ngx_str_t *host)
{
    u_char  *p, *last;

    p = word->data;
    last = word->data + word->len;

    if (word->len && *p == '[') {
        p = ngx_strlchr(p, last, ']');

        if (p == NULL) {
            return "write \"[IPV6]:PORT\"";
        }

        p++;

    } else {
        p = ngx_strlchr(p, last, ':');
        p = p ? p : last;

        if (p < last && ngx_strlchr(p + 1, last, ':')) {
            return "an IPv6 address needs brackets, write \"[IPV6]:PORT\"";
        }
    }

    host->len = p - word->data;

    if (host->len == 0 || host->len > NGX_LLMOPS_REDIS_HOST_MAX) {
        return "write \"HOST:PORT\"";
    }

    return (word->data[0] == '[' && ngx_llmops_net_family(host) != AF_INET6)
           ? "write \"[IPV6]:PORT\"" : NULL;
}


static ngx_int_t
ngx_llmops_redis_finish(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf)
{
    ngx_uint_t                i;
    const char               *error;
    ngx_llmops_redis_addr_t  *addr;

    if (conf->nodes->nelts > 1 && conf->sentinel.len == 0) {
        conf->cluster = 1;
    }

    error = ngx_llmops_redis_conflict(conf);

    if (error) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "%s", error);
        return NGX_ERROR;
    }

    addr = conf->nodes->elts;

    for (i = 0; i < conf->nodes->nelts; i++) {

        if (addr[i].port == 0) {
            addr[i].port = conf->sentinel.len ? NGX_LLMOPS_REDIS_SENTINEL_PORT
                                              : NGX_LLMOPS_REDIS_PORT;
        }

        if (conf->cluster && ngx_llmops_net_family(&addr[i].host) == AF_UNIX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "a Redis Cluster cannot be reached by \"%V\" "
                               "in \"llm_redis\", write \"HOST:PORT\"",
                               &addr[i].host);
            return NGX_ERROR;
        }
    }

    return ngx_llmops_redis_tls(cf, conf);
}


static const char *
ngx_llmops_redis_conflict(ngx_llmops_redis_conf_t *conf)
{
    if (conf->nodes->nelts == 0) {
        return "no address in \"llm_redis\", write \"llm_redis HOST:PORT;\"";
    }

    if (conf->sentinel.len > NGX_LLMOPS_REDIS_HOST_MAX) {
        return "the name in \"sentinel=\" of \"llm_redis\" is too long";
    }

    if (conf->cluster && conf->sentinel.len) {
        return "\"llm_redis\" with \"sentinel=\" cannot be a \"cluster\"";
    }

    if (conf->cluster && conf->db) {
        return "a Redis Cluster has no databases, leave out \"db=\" of "
               "\"llm_redis\" (several addresses without \"sentinel=\" are a "
               "Cluster)";
    }

    if (conf->user.len && conf->password.value.len == 0) {
        return "\"user=\" of \"llm_redis\" needs a \"password=\"";
    }

    if (conf->sentinel_password.value.len && conf->sentinel.len == 0) {
        return "\"sentinel_password=\" of \"llm_redis\" needs \"sentinel=\"";
    }

    if ((conf->ssl_cert.len == 0) != (conf->ssl_key.len == 0)) {
        return "\"ssl_cert=\" and \"ssl_key=\" of \"llm_redis\" need each "
               "other";
    }

    if (!conf->ssl && (conf->ssl_ca.len || conf->server.len
                       || conf->ssl_cert.len || !conf->ssl_verify))
    {
        return "\"ssl_...=\" of \"llm_redis\" needs \"ssl\"";
    }

    if (!conf->ssl_verify && (conf->ssl_ca.len || conf->server.len)) {
        return "\"ssl_ca=\" and \"ssl_name=\" of \"llm_redis\" have no use "
               "with \"ssl_verify=off\"";
    }

    return NULL;
}


static ngx_int_t
ngx_llmops_redis_tls(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf)
{
    ngx_uint_t                i;
    ngx_llmops_redis_addr_t  *addr;

    if (!conf->ssl) {
        return NGX_OK;
    }

    addr = conf->nodes->elts;

    for (i = 0; i < conf->nodes->nelts; i++) {
        if (conf->ssl_verify && conf->server.len == 0
            && ngx_llmops_net_family(&addr[i].host) == AF_UNIX)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"ssl\" over a unix socket needs the name in "
                               "the server's certificate, add "
                               "\"ssl_name=NAME\" to \"llm_redis\"");
            return NGX_ERROR;
        }
    }

    conf->tls = ngx_llmops_net_tls(cf, &conf->ssl_ca, &conf->ssl_cert,
                                   &conf->ssl_key, conf->ssl_verify);

    return conf->tls ? NGX_OK : NGX_ERROR;
}


ngx_int_t
ngx_llmops_redis_init(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_resolver_t *resolver, ngx_shm_zone_t *zone)
{
    ngx_uint_t                i;
    ngx_llmops_redis_addr_t  *addr;

    conf->zone = zone;

    /* nginx puts in a resolver without servers if none is configured */

    if (resolver && resolver->connections.nelts) {
        conf->resolver = resolver;
        return NGX_OK;
    }

    addr = conf->nodes->elts;

    for (i = 0; i < conf->nodes->nelts; i++) {
        if (ngx_llmops_net_family(&addr[i].host) != AF_UNSPEC) {
            continue;
        }

        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no resolver to resolve \"%V\" of \"llm_redis\" in "
                      "%V:%ui, write \"resolver ADDRESS;\" in http{}, for "
                      "example the nameserver of /etc/resolv.conf, or an "
                      "address instead of the name",
                      &addr[i].host, &conf->file, conf->line);
        return NGX_ERROR;
    }

    return NGX_OK;
}
