
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis.h"


/*
 * llm_redis ADDRESS ... [name=value ...];
 *
 * Nothing is looked up or connected here: nginx starts, and its workers look
 * for Redis by themselves.
 */

#define NGX_LLMOPS_REDIS_PORT            6379
#define NGX_LLMOPS_REDIS_SENTINEL_PORT   26379
#define NGX_LLMOPS_REDIS_TIMEOUT         50
#define NGX_LLMOPS_REDIS_TIMEOUT_MAX     10000
#define NGX_LLMOPS_REDIS_PREFIX_MAX      64
#define NGX_LLMOPS_REDIS_DB_MAX          65535
#define NGX_LLMOPS_REDIS_HOST_MAX        253


typedef struct {
    ngx_str_t                  name;       /* with its "=", or a bare word */
    ngx_int_t                (*set)(ngx_conf_t *cf,
                                 ngx_llmops_redis_conf_t *conf,
                                 ngx_str_t *value, void *field);
    size_t                     offset;     /* of the field */
} ngx_llmops_redis_param_t;


static ngx_int_t ngx_llmops_redis_word(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *word, ngx_uint_t *seen);
static ngx_int_t ngx_llmops_redis_address(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *word);
static const char *ngx_llmops_redis_address_parse(ngx_str_t *word,
    ngx_llmops_redis_addr_t *addr);
static ngx_int_t ngx_llmops_redis_finish(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf);
static const char *ngx_llmops_redis_conflict(ngx_llmops_redis_conf_t *conf);
static ngx_int_t ngx_llmops_redis_tls(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf);

static ngx_int_t ngx_llmops_redis_set_str(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *value, void *field);
static ngx_int_t ngx_llmops_redis_set_secret(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *value, void *field);
static ngx_int_t ngx_llmops_redis_set_db(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *value, void *field);
static ngx_int_t ngx_llmops_redis_set_timeout(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *value, void *field);
static ngx_int_t ngx_llmops_redis_set_prefix(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *value, void *field);
static ngx_int_t ngx_llmops_redis_set_policy(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *value, void *field);
static ngx_int_t ngx_llmops_redis_set_verify(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *value, void *field);
static ngx_int_t ngx_llmops_redis_set_ssl(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *value, void *field);
static ngx_int_t ngx_llmops_redis_set_cluster(ngx_conf_t *cf,
    ngx_llmops_redis_conf_t *conf, ngx_str_t *value, void *field);


#define NGX_LLMOPS_REDIS_FIELD(field)                                         \
    offsetof(ngx_llmops_redis_conf_t, field)


static const ngx_llmops_redis_param_t  ngx_llmops_redis_params[] = {

    { ngx_string("ssl"), ngx_llmops_redis_set_ssl, 0 },
    { ngx_string("ssl_verify="), ngx_llmops_redis_set_verify, 0 },
    { ngx_string("ssl_ca="), ngx_llmops_redis_set_str,
      NGX_LLMOPS_REDIS_FIELD(ssl_ca) },
    { ngx_string("ssl_name="), ngx_llmops_redis_set_str,
      NGX_LLMOPS_REDIS_FIELD(server) },
    { ngx_string("ssl_cert="), ngx_llmops_redis_set_str,
      NGX_LLMOPS_REDIS_FIELD(ssl_cert) },
    { ngx_string("ssl_key="), ngx_llmops_redis_set_str,
      NGX_LLMOPS_REDIS_FIELD(ssl_key) },
    { ngx_string("user="), ngx_llmops_redis_set_str,
      NGX_LLMOPS_REDIS_FIELD(user) },
    { ngx_string("password="), ngx_llmops_redis_set_secret,
      NGX_LLMOPS_REDIS_FIELD(password) },
    { ngx_string("db="), ngx_llmops_redis_set_db, 0 },
    { ngx_string("timeout="), ngx_llmops_redis_set_timeout, 0 },
    { ngx_string("prefix="), ngx_llmops_redis_set_prefix, 0 },
    { ngx_string("sentinel="), ngx_llmops_redis_set_str,
      NGX_LLMOPS_REDIS_FIELD(sentinel) },
    { ngx_string("sentinel_password="), ngx_llmops_redis_set_secret,
      NGX_LLMOPS_REDIS_FIELD(sentinel_password) },
    { ngx_string("cluster"), ngx_llmops_redis_set_cluster, 0 },
    { ngx_string("fail="), ngx_llmops_redis_set_policy, 0 },
    { ngx_null_string, NULL, 0 }
};


char *
ngx_llmops_redis_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
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
        if (ngx_llmops_redis_word(cf, rcf, &value[i], &seen) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    if (ngx_llmops_redis_finish(cf, rcf) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    *slot = rcf;

    return NGX_CONF_OK;
}


/* seen: a bit of each parameter that has been there */

static ngx_int_t
ngx_llmops_redis_word(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_str_t *word, ngx_uint_t *seen)
{
    ngx_str_t                        value;
    ngx_uint_t                       i, exact;
    const ngx_llmops_redis_param_t  *p;

    for (i = 0; ngx_llmops_redis_params[i].name.len; i++) {
        p = &ngx_llmops_redis_params[i];

        exact = (p->name.data[p->name.len - 1] != '=');

        if (word->len < p->name.len
            || (exact && word->len != p->name.len)
            || ngx_strncmp(word->data, p->name.data, p->name.len) != 0)
        {
            continue;
        }

        if (*seen & ((ngx_uint_t) 1 << i)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\" in \"llm_redis\"",
                               &p->name);
            return NGX_ERROR;
        }

        *seen |= (ngx_uint_t) 1 << i;

        value.data = word->data + p->name.len;
        value.len = word->len - p->name.len;

        if (!exact && value.len == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "no value in \"%V\" of \"llm_redis\"", word);
            return NGX_ERROR;
        }

        return p->set(cf, conf, &value, (u_char *) conf + p->offset);
    }

    return ngx_llmops_redis_address(cf, conf, word);
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
    u_char     *p, *last;
    ngx_int_t   port;

    addr->host = *word;
    addr->port = 0;

    last = word->data + word->len;

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

    p = word->data;

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

    addr->host.len = p - word->data;

    if (addr->host.len == 0 || addr->host.len > NGX_LLMOPS_REDIS_HOST_MAX) {
        return "write \"HOST:PORT\"";
    }

    if (word->data[0] == '['
        && ngx_llmops_net_family(&addr->host) != AF_INET6)
    {
        return "write \"[IPV6]:PORT\"";
    }

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
    ngx_resolver_t *resolver)
{
    ngx_uint_t                i;
    ngx_llmops_redis_addr_t  *addr;

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


static ngx_int_t
ngx_llmops_redis_set_str(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_str_t *value, void *field)
{
    *(ngx_str_t *) field = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_redis_set_secret(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_str_t *value, void *field)
{
    return ngx_llmops_secret_read(cf, value,
                                  (field == &conf->password)
                                  ? "password" : "sentinel_password", field);
}


static ngx_int_t
ngx_llmops_redis_set_db(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_str_t *value, void *field)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n > NGX_LLMOPS_REDIS_DB_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"db=%V\" of \"llm_redis\", write a "
                           "number, for example db=1", value);
        return NGX_ERROR;
    }

    conf->db = n;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_redis_set_timeout(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_str_t *value, void *field)
{
    ngx_int_t  n;

    n = ngx_parse_time(value, 0);

    if (n == NGX_ERROR || n < 1 || n > NGX_LLMOPS_REDIS_TIMEOUT_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"timeout=%V\" of \"llm_redis\", write a "
                           "time from 1ms to 10s, for example timeout=50ms",
                           value);
        return NGX_ERROR;
    }

    conf->timeout = n;

    return NGX_OK;
}


/* part of a hash tag, so that it must not have one in it */

static ngx_int_t
ngx_llmops_redis_set_prefix(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_str_t *value, void *field)
{
    size_t      i;
    u_char      c;
    ngx_uint_t  bad;

    if (value->data[value->len - 1] == ':') {
        value->len--;
    }

    bad = (value->len == 0 || value->len > NGX_LLMOPS_REDIS_PREFIX_MAX);

    for (i = 0; i < value->len; i++) {
        c = value->data[i];

        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')
              || (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.'
              || c == ':' || c == '/'))
        {
            bad = 1;
        }
    }

    if (bad) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"prefix=%V\" of \"llm_redis\", write at "
                           "most 64 of A-Z a-z 0-9 _ - . : /", value);
        return NGX_ERROR;
    }

    conf->prefix = *value;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_redis_set_policy(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_str_t *value, void *field)
{
    ngx_uint_t  i;

    static const char  *names[] = { "open", "closed", "local" };

    for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        if (ngx_strcmp(value->data, names[i]) == 0) {
            conf->policy = i;
            return NGX_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"fail=%V\" of \"llm_redis\", write open, "
                       "closed or local", value);
    return NGX_ERROR;
}


static ngx_int_t
ngx_llmops_redis_set_verify(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_str_t *value, void *field)
{
    if (ngx_strcmp(value->data, "off") == 0) {
        conf->ssl_verify = 0;
        return NGX_OK;
    }

    if (ngx_strcmp(value->data, "on") == 0) {
        return NGX_OK;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid \"ssl_verify=%V\" of \"llm_redis\", write on "
                       "or off", value);
    return NGX_ERROR;
}


static ngx_int_t
ngx_llmops_redis_set_ssl(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_str_t *value, void *field)
{
    conf->ssl = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_redis_set_cluster(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
    ngx_str_t *value, void *field)
{
    conf->cluster = 1;

    return NGX_OK;
}
