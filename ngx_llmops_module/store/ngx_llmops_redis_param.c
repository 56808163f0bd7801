
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/* the parameters of llm_redis: their names, and what they may be */


#define NGX_LLMOPS_REDIS_TIMEOUT_MAX     10000
#define NGX_LLMOPS_REDIS_PREFIX_MAX      64
#define NGX_LLMOPS_REDIS_DB_MAX          65535


typedef struct {
    ngx_str_t                  name;       /* with its "=", or a bare word */
    ngx_int_t                (*set)(ngx_conf_t *cf,
                                 ngx_llmops_redis_conf_t *conf,
                                 ngx_str_t *value, void *field);
    size_t                     offset;     /* of the field */
} ngx_llmops_redis_param_t;


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


ngx_int_t
ngx_llmops_redis_param(ngx_conf_t *cf, ngx_llmops_redis_conf_t *conf,
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

    return NGX_DECLINED;
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
