
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_endpoint.h"
#include "ngx_llmops_net.h"


/*
 * TLS to a provider: its certificate is verified against the certificates of
 * the system, and its name is sent and checked, unless the configuration says
 * otherwise.  These certificates take a megabyte and some milliseconds to
 * parse, so that providers with the same file share one store.
 */

#define NGX_LLMOPS_TLS_DEPTH        5      /* some chains have two or three */


static ngx_int_t ngx_llmops_tls_context(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_provider_t *p);
static u_char *ngx_llmops_tls_log(ngx_log_t *log, u_char *buf, size_t len);
static ngx_int_t ngx_llmops_tls_create(ngx_conf_t *cf,
    ngx_llmops_provider_t *p);
static ngx_int_t ngx_llmops_tls_certificate(ngx_conf_t *cf,
    ngx_llmops_provider_t *p);
static ngx_int_t ngx_llmops_tls_verify(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_provider_t *p);
static ngx_int_t ngx_llmops_tls_system_file(ngx_conf_t *cf,
    ngx_llmops_provider_t *p);
static ngx_llmops_provider_t *ngx_llmops_tls_same_store(
    ngx_llmops_main_conf_t *mcf, ngx_llmops_provider_t *p);


ngx_conf_bitmask_t  ngx_llmops_ssl_protocols[] = {
    { ngx_string("TLSv1"), NGX_SSL_TLSv1 },
    { ngx_string("TLSv1.1"), NGX_SSL_TLSv1_1 },
    { ngx_string("TLSv1.2"), NGX_SSL_TLSv1_2 },
    { ngx_string("TLSv1.3"), NGX_SSL_TLSv1_3 },
    { ngx_null_string, 0 }
};


char *
ngx_llmops_ssl_password_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf)
{
    ngx_llmops_provider_t *p = conf;

    ngx_str_t  *value;

    ngx_llmops_provider_mark(cf, p);

    if (p->ssl_passwords) {
        return "is duplicate";
    }

    value = cf->args->elts;

    p->ssl_passwords = ngx_ssl_read_password_file(cf, &value[1]);

    return p->ssl_passwords ? NGX_CONF_OK : NGX_CONF_ERROR;
}


ngx_int_t
ngx_llmops_tls_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_provider_t *p)
{
    ngx_int_t                  rc;
    ngx_log_t                  log;
    ngx_http_upstream_conf_t  *conf;

    ngx_conf_init_value(p->ssl_verify, 1);
    ngx_conf_init_uint_value(p->ssl_verify_depth, NGX_LLMOPS_TLS_DEPTH);
    ngx_conf_init_value(p->ssl_server_name, 1);
    ngx_conf_init_value(p->ssl_session_reuse, 1);

    if (p->ssl_protocols == 0) {
        p->ssl_protocols = NGX_CONF_BITMASK_SET|NGX_SSL_TLSv1_2
                           |NGX_SSL_TLSv1_3;
    }

    if (p->ssl_ciphers.len == 0) {
        ngx_str_set(&p->ssl_ciphers, "DEFAULT");
    }

    conf = &p->uconf;

    conf->ssl_verify = p->ssl_verify;
    conf->ssl_server_name = p->ssl_server_name;
    conf->ssl_session_reuse = p->ssl_session_reuse;

    conf->ssl = ngx_pcalloc(cf->pool, sizeof(ngx_ssl_t));
    if (conf->ssl == NULL) {
        return NGX_ERROR;
    }

    /* nginx's own messages do not say which provider they are about */

    log = *cf->log;
    log.handler = ngx_llmops_tls_log;
    log.data = p;

    conf->ssl->log = &log;

    rc = ngx_llmops_tls_context(cf, mcf, p);

    conf->ssl->log = cf->log;

    return rc;
}


static u_char *
ngx_llmops_tls_log(ngx_log_t *log, u_char *buf, size_t len)
{
    ngx_llmops_provider_t *p = log->data;

    return ngx_snprintf(buf, len, ", for upstream \"%V\" in %V:%ui",
                        &p->name, &p->place.file, p->place.line);
}


static ngx_int_t
ngx_llmops_tls_context(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_provider_t *p)
{
    if (ngx_llmops_tls_create(cf, p) != NGX_OK
        || ngx_llmops_tls_certificate(cf, p) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (p->ssl_verify && ngx_llmops_tls_verify(cf, mcf, p) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_ssl_client_session_cache(cf, p->uconf.ssl,
                                        p->ssl_session_reuse);
}


static ngx_int_t
ngx_llmops_tls_create(ngx_conf_t *cf, ngx_llmops_provider_t *p)
{
    ngx_ssl_t           *ssl;
    ngx_pool_cleanup_t  *cln;

    ssl = p->uconf.ssl;

    if (ngx_ssl_create(ssl, p->ssl_protocols, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    return ngx_ssl_ciphers(cf, ssl, &p->ssl_ciphers, 0);
}


static ngx_int_t
ngx_llmops_tls_certificate(ngx_conf_t *cf, ngx_llmops_provider_t *p)
{
    if (p->ssl_certificate.len == 0) {
        return NGX_OK;
    }

    return ngx_ssl_certificate(cf, p->uconf.ssl, &p->ssl_certificate,
                               &p->ssl_certificate_key, p->ssl_passwords);
}


static ngx_int_t
ngx_llmops_tls_verify(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_provider_t *p)
{
    X509_STORE             *store;
    ngx_str_t               none;
    ngx_ssl_t              *ssl;
    ngx_llmops_provider_t  *same;

    if (p->endpoint && p->endpoint->fixed && p->ssl_name.len == 0
        && (p->host.data[0] == '['
            || ngx_inet_addr(p->host.data, p->host.len) != INADDR_NONE))
    {
        ngx_log_error(NGX_LOG_WARN, cf->log, 0,
                      "nginx cannot verify a certificate for an address: "
                      "upstream \"%V\" in %V:%ui; add \"llm_ssl_name NAME;\" "
                      "with the certificate's name", &p->name,
                      &p->place.file, p->place.line);
    }

    if (p->ssl_trusted_certificate.len == 0
        && ngx_llmops_tls_system_file(cf, p) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ssl = p->uconf.ssl;
    same = ngx_llmops_tls_same_store(mcf, p);

    if (same == NULL) {
        return (ngx_ssl_trusted_certificate(cf, ssl,
                                            &p->ssl_trusted_certificate,
                                            p->ssl_verify_depth)
                == NGX_OK)
               ? ngx_ssl_crl(cf, ssl, &p->ssl_crl) : NGX_ERROR;
    }

    ngx_str_null(&none);

    if (ngx_ssl_trusted_certificate(cf, ssl, &none, p->ssl_verify_depth)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    store = SSL_CTX_get_cert_store(same->uconf.ssl->ctx);

    if (X509_STORE_up_ref(store) != 1) {
        return NGX_ERROR;
    }

    SSL_CTX_set_cert_store(ssl->ctx, store);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_tls_system_file(ngx_conf_t *cf, ngx_llmops_provider_t *p)
{
    char  *name;

    name = ngx_llmops_net_system_ca();

    if (name) {
        p->ssl_trusted_certificate.data = (u_char *) name;
        p->ssl_trusted_certificate.len = ngx_strlen(name);
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "no file with the system's trusted certificates: upstream "
                  "\"%V\" in %V:%ui; install the package ca-certificates, or "
                  "write \"llm_ssl_trusted_certificate FILE;\"",
                  &p->name, &p->place.file, p->place.line);

    return NGX_ERROR;
}


/*
 * A provider before this one that trusts the same file.  A revocation list
 * becomes part of a store, so that with one there is no sharing.
 */

static ngx_llmops_provider_t *
ngx_llmops_tls_same_store(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_provider_t *p)
{
    ngx_str_t               *a, *b;
    ngx_uint_t               i;
    ngx_llmops_provider_t  **other;

    if (p->ssl_crl.len) {
        return NULL;
    }

    other = mcf->providers.elts;
    a = &p->ssl_trusted_certificate;

    for (i = 0; i < mcf->providers.nelts; i++) {
        b = &other[i]->ssl_trusted_certificate;

        if (other[i]->ssl
            && other[i]->ssl_verify
            && other[i]->ssl_crl.len == 0
            && a->len == b->len
            && ngx_strncmp(a->data, b->data, a->len) == 0)
        {
            return other[i];
        }
    }

    return NULL;
}


ngx_int_t
ngx_llmops_tls_set_session(ngx_peer_connection_t *pc, ngx_llmops_provider_t *p)
{
    return ngx_ssl_set_session(pc->connection, p->ssl_session);
}


void
ngx_llmops_tls_save_session(ngx_peer_connection_t *pc,
    ngx_llmops_provider_t *p)
{
    ngx_ssl_session_t  *old, *session;

    session = ngx_ssl_get_session(pc->connection);

    if (session == NULL) {
        return;
    }

    old = p->ssl_session;
    p->ssl_session = session;

    if (old) {
        ngx_ssl_free_session(old);
    }
}


void
ngx_llmops_tls_stop(ngx_llmops_provider_t *p)
{
    if (p->ssl_session) {
        ngx_ssl_free_session(p->ssl_session);
        p->ssl_session = NULL;
    }
}
