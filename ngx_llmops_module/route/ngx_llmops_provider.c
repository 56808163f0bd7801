
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_endpoint.h"


/*
 * A provider's own directives are read here and in the files beside this one;
 * what they mean together is known only when all have been read, so the
 * checks and defaults follow in ngx_llmops_provider_init(), and name the
 * place of the provider's first directive.
 *
 * The times suit language models, not web servers.  An answer that is not
 * streamed may take minutes before its first byte, and so may the first token
 * of a model that reasons; the official clients wait ten minutes.  A provider
 * that has taken a connection but does not accept it in five seconds is down.
 */

#define NGX_LLMOPS_CONNECT          5000
#define NGX_LLMOPS_FIRST_TOKEN      120000
#define NGX_LLMOPS_IDLE             120000
#define NGX_LLMOPS_TOTAL            0      /* off */
#define NGX_LLMOPS_WHOLE            600000
#define NGX_LLMOPS_SEND             60000

/* our own timers act before nginx's read timeout, which cuts the client */
#define NGX_LLMOPS_GRACE            5000

#define NGX_LLMOPS_KEEPALIVE        64


typedef struct {
    ngx_str_t                  name;
    ngx_uint_t                 offset;
    ngx_uint_t                 off;        /* may be 0 or "off" */
} ngx_llmops_timeout_t;


static ngx_int_t ngx_llmops_timeout_set(ngx_conf_t *cf,
    ngx_llmops_provider_t *p, ngx_str_t *arg);
static ngx_int_t ngx_llmops_timeout_value(ngx_llmops_timeout_t *t,
    ngx_str_t *arg, ngx_msec_t *msec);
static void ngx_llmops_provider_defaults(ngx_llmops_provider_t *p);
static ngx_int_t ngx_llmops_provider_check(ngx_conf_t *cf,
    ngx_llmops_provider_t *p);
static ngx_int_t ngx_llmops_provider_check_servers(ngx_conf_t *cf,
    ngx_llmops_provider_t *p);
static ngx_int_t ngx_llmops_provider_refuse(ngx_conf_t *cf,
    ngx_llmops_provider_t *p, char *what, char *advice);
static void ngx_llmops_provider_names(ngx_llmops_provider_t *p);
static ngx_int_t ngx_llmops_provider_uconf(ngx_conf_t *cf,
    ngx_llmops_provider_t *p);
static void ngx_llmops_provider_uconf_times(ngx_llmops_provider_t *p);


static ngx_llmops_timeout_t  ngx_llmops_timeouts[] = {

    { ngx_string("connect"),
      offsetof(ngx_llmops_provider_t, connect_timeout),
      0 },

    { ngx_string("first_token"),
      offsetof(ngx_llmops_provider_t, first_token_timeout),
      1 },

    { ngx_string("idle"),
      offsetof(ngx_llmops_provider_t, idle_timeout),
      1 },

    { ngx_string("total"),
      offsetof(ngx_llmops_provider_t, total_timeout),
      1 },

    { ngx_null_string, 0, 0 }
};


/*
 * Answer headers that mean something between the provider and us only.  A
 * caller that believed Alt-Svc or Strict-Transport-Security would leave the
 * gateway, and a provider's cookies would tie all callers together.
 */

static ngx_str_t  ngx_llmops_hide_headers[] = {
    ngx_string("Date"),
    ngx_string("Server"),
    ngx_string("X-Pad"),
    ngx_string("X-Accel-Expires"),
    ngx_string("X-Accel-Redirect"),
    ngx_string("X-Accel-Limit-Rate"),
    ngx_string("X-Accel-Buffering"),
    ngx_string("X-Accel-Charset"),
    ngx_string("Alt-Svc"),
    ngx_string("Strict-Transport-Security"),
    ngx_string("Set-Cookie"),
    ngx_null_string
};


void *
ngx_llmops_provider_create(ngx_conf_t *cf)
{
    ngx_llmops_provider_t  *p;

    p = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_provider_t));
    if (p == NULL) {
        return NULL;
    }

    p->connect_timeout = NGX_CONF_UNSET_MSEC;
    p->first_token_timeout = NGX_CONF_UNSET_MSEC;
    p->idle_timeout = NGX_CONF_UNSET_MSEC;
    p->total_timeout = NGX_CONF_UNSET_MSEC;

    p->keepalive_max = NGX_CONF_UNSET_UINT;

    p->ssl_verify = NGX_CONF_UNSET;
    p->ssl_verify_depth = NGX_CONF_UNSET_UINT;
    p->ssl_session_reuse = NGX_CONF_UNSET;
    p->ssl_server_name = NGX_CONF_UNSET;

    ngx_queue_init(&p->keepalive.idle);
    ngx_queue_init(&p->keepalive.free);

    return p;
}


void
ngx_llmops_provider_mark(ngx_conf_t *cf, ngx_llmops_provider_t *p)
{
    if (p->used) {
        return;
    }

    p->used = 1;
    p->uscf = ngx_http_conf_get_module_srv_conf(cf, ngx_http_upstream_module);
    p->name = p->uscf->host;
    p->place.file = cf->conf_file->file.name;
    p->place.line = cf->conf_file->line;
}


char *
ngx_llmops_provider_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_provider_mark(cf, conf);

    return ngx_conf_set_flag_slot(cf, cmd, conf);
}


char *
ngx_llmops_provider_num(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_provider_mark(cf, conf);

    return ngx_conf_set_num_slot(cf, cmd, conf);
}


char *
ngx_llmops_provider_str(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_provider_mark(cf, conf);

    return ngx_conf_set_str_slot(cf, cmd, conf);
}


char *
ngx_llmops_provider_bits(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_provider_mark(cf, conf);

    return ngx_conf_set_bitmask_slot(cf, cmd, conf);
}


/* llm_dialect NAME */

char *
ngx_llmops_dialect_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_provider_t *p = conf;

    u_char     *last;
    ngx_str_t  *value;
    ngx_uint_t  i;
    u_char      names[256];

    ngx_llmops_provider_mark(cf, p);

    if (p->dialect) {
        return "is duplicate";
    }

    value = cf->args->elts;

    p->dialect = ngx_llmops_dialect_find(&value[1]);

    if (p->dialect == NULL) {
        last = names;

        for (i = 0; ngx_llmops_dialects[i]; i++) {
            last = ngx_slprintf(last, names + sizeof(names), "%s%V",
                                i ? ", " : "", &ngx_llmops_dialects[i]->name);
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown dialect \"%V\", write one of: %*s",
                           &value[1], (size_t) (last - names), names);
        return NGX_CONF_ERROR;
    }

    if (p->dialect != &ngx_llmops_mock) {
        return NGX_CONF_OK;
    }

    p->mock = 1;

    if (ngx_llmops_endpoint_add_mock(cf, p) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* llm_timeouts connect=TIME first_token=TIME idle=TIME total=TIME */

char *
ngx_llmops_timeouts_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_provider_t *p = conf;

    ngx_str_t   *value;
    ngx_uint_t   i;

    ngx_llmops_provider_mark(cf, p);

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_llmops_timeout_set(cf, p, &value[i]) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_llmops_timeout_set(ngx_conf_t *cf, ngx_llmops_provider_t *p,
    ngx_str_t *arg)
{
    ngx_msec_t            *slot;
    ngx_llmops_timeout_t  *t;

    for (t = ngx_llmops_timeouts; t->name.len; t++) {

        if (arg->len <= t->name.len
            || arg->data[t->name.len] != '='
            || ngx_strncmp(arg->data, t->name.data, t->name.len) != 0)
        {
            continue;
        }

        slot = (ngx_msec_t *) ((u_char *) p + t->offset);

        if (*slot != NGX_CONF_UNSET_MSEC) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate timeout \"%V\", write it once",
                               arg);
            return NGX_ERROR;
        }

        if (ngx_llmops_timeout_value(t, arg, slot) == NGX_OK) {
            return NGX_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid timeout \"%V\", write a time%s, for "
                           "example \"%V=30s\"", arg,
                           t->off ? " or \"off\"" : "", &t->name);
        return NGX_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "unknown timeout \"%V\", write connect=TIME, "
                       "first_token=TIME, idle=TIME or total=TIME", arg);

    return NGX_ERROR;
}


static ngx_int_t
ngx_llmops_timeout_value(ngx_llmops_timeout_t *t, ngx_str_t *arg,
    ngx_msec_t *msec)
{
    ngx_int_t  n;
    ngx_str_t  s;

    s.data = arg->data + t->name.len + 1;
    s.len = arg->len - t->name.len - 1;

    if (t->off && s.len == 3 && ngx_strncmp(s.data, "off", 3) == 0) {
        *msec = 0;
        return NGX_OK;
    }

    n = ngx_parse_time(&s, 0);

    if (n == NGX_ERROR || (n == 0 && !t->off)) {
        return NGX_ERROR;
    }

    *msec = n;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_provider_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_provider_t *p)
{
    if (ngx_llmops_provider_check(cf, p) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_llmops_provider_defaults(p);
    ngx_llmops_provider_names(p);

    if (p->endpoint && ngx_llmops_dns_init(cf, p) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_provider_uconf(cf, p) != NGX_OK) {
        return NGX_ERROR;
    }

    if (p->ssl && ngx_llmops_tls_init(cf, mcf, p) != NGX_OK) {
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_llmops_provider_defaults(ngx_llmops_provider_t *p)
{
    ngx_conf_init_msec_value(p->connect_timeout, NGX_LLMOPS_CONNECT);
    ngx_conf_init_msec_value(p->first_token_timeout, NGX_LLMOPS_FIRST_TOKEN);
    ngx_conf_init_msec_value(p->idle_timeout, NGX_LLMOPS_IDLE);
    ngx_conf_init_msec_value(p->total_timeout, NGX_LLMOPS_TOTAL);

    ngx_conf_init_uint_value(p->keepalive_max, NGX_LLMOPS_KEEPALIVE);
    p->keepalive.max = p->mock ? 0 : p->keepalive_max;
}


static ngx_int_t
ngx_llmops_provider_check(ngx_conf_t *cf, ngx_llmops_provider_t *p)
{
    if (p->dialect == NULL) {
        return ngx_llmops_provider_refuse(cf, p,
                          "what it speaks is not known",
                          "add \"llm_dialect openai;\" or another dialect");
    }

    if (p->mock && (p->endpoint || p->scheme.len)) {
        return ngx_llmops_provider_refuse(cf, p,
                          "the dialect \"mock\" is built in and has no address",
                          "remove \"llm_endpoint\" and \"llm_base\", or name "
                          "the dialect of the server");
    }

    if (p->ssl_certificate.len && p->ssl_certificate_key.len == 0) {
        return ngx_llmops_provider_refuse(cf, p,
                          "\"llm_ssl_certificate\" has no key",
                          "add \"llm_ssl_certificate_key FILE;\"");
    }

    if (p->ssl_certificate_key.len && p->ssl_certificate.len == 0) {
        return ngx_llmops_provider_refuse(cf, p,
                          "\"llm_ssl_certificate_key\" has no certificate",
                          "add \"llm_ssl_certificate FILE;\"");
    }

    if (p->endpoint || p->mock) {
        return ngx_llmops_provider_check_servers(cf, p);
    }

    return NGX_OK;
}


/* with our balancer only the placeholder may be among the servers */

static ngx_int_t
ngx_llmops_provider_check_servers(ngx_conf_t *cf, ngx_llmops_provider_t *p)
{
    if (p->uscf->servers->nelts != 1) {
        return ngx_llmops_provider_refuse(cf, p,
                          p->mock ? "the dialect \"mock\" is built in and "
                                    "needs no \"server\""
                                  : "\"llm_endpoint\" and \"server\" exclude "
                                    "each other",
                          p->mock ? "remove the \"server\" lines"
                                  : "remove \"llm_endpoint\" and write "
                                    "\"llm_base https://-/v1;\" beside the "
                                    "\"server\" lines, or remove them");
    }

#if (NGX_HTTP_UPSTREAM_ZONE)

    /* it would take our addresses for round robin's */

    if (p->uscf->shm_zone) {
        return ngx_llmops_provider_refuse(cf, p,
                          "\"zone\" is for \"server\" lines, which this "
                          "upstream has not",
                          "remove \"zone\"");
    }

#endif

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_provider_refuse(ngx_conf_t *cf, ngx_llmops_provider_t *p,
    char *what, char *advice)
{
    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "%s: upstream \"%V\" in %V:%ui; %s", what, &p->name,
                  &p->place.file, p->place.line, advice);

    return NGX_ERROR;
}


/* the names that an endpoint's URL gives; "server" lines give the upstream's */

static void
ngx_llmops_provider_names(ngx_llmops_provider_t *p)
{
    if (p->scheme.len == 0) {
        ngx_str_set(&p->scheme, "http");
    }

    if (p->base.data == NULL) {
        p->base = p->dialect->base;
    }

    if (p->host.len == 0) {
        p->host = p->ssl_name.len ? p->ssl_name : p->name;
        p->host_header = p->host;

    } else if (p->ssl_name.len) {
        p->host = p->ssl_name;
    }
}


static ngx_int_t
ngx_llmops_provider_uconf(ngx_conf_t *cf, ngx_llmops_provider_t *p)
{
    ngx_hash_init_t            hash;
    ngx_http_upstream_conf_t  *conf, none;

    conf = &p->uconf;

    ngx_llmops_provider_uconf_times(p);

    conf->upstream = p->uscf;
    conf->buffer_size = ngx_pagesize;
    conf->buffering = 0;
    conf->pass_request_headers = 1;
    conf->pass_request_body = 1;
    ngx_str_set(&conf->module, "llm");

    /* for request bodies that are sent from a file over TLS */

    conf->bufs.num = 4;
    conf->bufs.size = 32768;

    /* a provider's X-Accel-Redirect would redirect us internally */

    conf->ignore_headers = NGX_CONF_BITMASK_SET|0x3fe;

    /*
     * Without NON_IDEMPOTENT no POST would be tried again once it is sent.
     * What is a failure, and whether another target may be asked, we decide
     * ourselves.
     */

    conf->next_upstream = NGX_CONF_BITMASK_SET
                          |NGX_HTTP_UPSTREAM_FT_ERROR
                          |NGX_HTTP_UPSTREAM_FT_TIMEOUT
                          |NGX_HTTP_UPSTREAM_FT_INVALID_HEADER
                          |NGX_HTTP_UPSTREAM_FT_NON_IDEMPOTENT;

    conf->hide_headers = NGX_CONF_UNSET_PTR;
    conf->pass_headers = NGX_CONF_UNSET_PTR;

    ngx_memzero(&none, sizeof(ngx_http_upstream_conf_t));
    none.hide_headers = NGX_CONF_UNSET_PTR;
    none.pass_headers = NGX_CONF_UNSET_PTR;

    hash.max_size = 512;
    hash.bucket_size = ngx_align(64, ngx_cacheline_size);
    hash.name = "llm_hide_headers_hash";

    return ngx_http_upstream_hide_headers_hash(cf, conf, &none,
                                               ngx_llmops_hide_headers, &hash);
}


/*
 * nginx's read timeout is the last resort: in the header stage it bounds the
 * whole wait for an answer that is not streamed, later the time between two
 * reads.  It must expire after ours.
 */

static void
ngx_llmops_provider_uconf_times(ngx_llmops_provider_t *p)
{
    ngx_msec_t                 read;
    ngx_http_upstream_conf_t  *conf;

    conf = &p->uconf;

    conf->connect_timeout = p->connect_timeout;
    conf->send_timeout = ngx_max(p->connect_timeout, NGX_LLMOPS_SEND);

    read = p->total_timeout ? p->total_timeout : NGX_LLMOPS_WHOLE;
    read = ngx_max(read, p->first_token_timeout);
    read = ngx_max(read, p->idle_timeout);

    conf->read_timeout = read + NGX_LLMOPS_GRACE;
}


ngx_int_t
ngx_llmops_provider_start(ngx_cycle_t *cycle, ngx_llmops_provider_t *p)
{
    ngx_llmops_key_start(cycle, p);

    if (p->endpoint) {
        return ngx_llmops_dns_start(cycle, p->endpoint);
    }

    return NGX_OK;
}


void
ngx_llmops_provider_stop(ngx_cycle_t *cycle, ngx_llmops_provider_t *p)
{
    ngx_llmops_key_stop(p);

    if (p->endpoint) {
        ngx_llmops_dns_stop(p->endpoint);
    }

    ngx_llmops_keepalive_stop(p);
    ngx_llmops_tls_stop(p);
}
