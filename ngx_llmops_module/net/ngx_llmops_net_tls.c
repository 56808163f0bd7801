
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_net.h"


/*
 * TLS as a client: the server's certificate is verified, and that it is the
 * server's that was meant.  OpenSSL says of a certificate whether someone
 * trusted has signed it; whose it is has to be asked for.  Names and addresses
 * are different things in a certificate, and many a Redis is reached by its
 * address.
 */


#define NGX_LLMOPS_NET_DEPTH  5            /* some chains have two or three */


static ngx_int_t ngx_llmops_net_tls_create(ngx_conf_t *cf, ngx_ssl_t *ssl);
static ngx_int_t ngx_llmops_net_tls_trust(ngx_conf_t *cf, ngx_ssl_t *ssl,
    ngx_str_t *ca);
static void ngx_llmops_net_handshake_done(ngx_connection_t *c);
static const char *ngx_llmops_net_verify(ngx_llmops_net_t *net);
static ngx_int_t ngx_llmops_net_verify_host(ngx_connection_t *c,
    ngx_str_t *name);
static ngx_str_t *ngx_llmops_net_server(ngx_llmops_net_t *net);


/* where systems keep the certificates that they trust */

static char  *ngx_llmops_net_ca_files[] = {
    "/etc/ssl/certs/ca-certificates.crt",               /* Debian, Alpine */
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",    /* Fedora, RHEL */
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",                           /* SUSE */
    "/etc/ssl/cert.pem",                                /* BSD, macOS */
    "/usr/local/share/certs/ca-root-nss.crt",
    NULL
};


char *
ngx_llmops_net_system_ca(void)
{
    char             **name;
    ngx_file_info_t    fi;

    for (name = ngx_llmops_net_ca_files; *name; name++) {

        if (ngx_file_info((u_char *) *name, &fi) != NGX_FILE_ERROR
            && ngx_is_file(&fi))
        {
            return *name;
        }
    }

    return NULL;
}


ngx_llmops_net_tls_t *
ngx_llmops_net_tls(ngx_conf_t *cf, ngx_str_t *ca, ngx_str_t *cert,
    ngx_str_t *key, unsigned verify)
{
    ngx_llmops_net_tls_t  *tls;

    tls = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_net_tls_t));
    if (tls == NULL) {
        return NULL;
    }

    tls->ssl.log = cf->log;
    tls->verify = verify;

    if (ngx_llmops_net_tls_create(cf, &tls->ssl) != NGX_OK) {
        return NULL;
    }

    if (cert->len
        && ngx_ssl_certificate(cf, &tls->ssl, cert, key, NULL) != NGX_OK)
    {
        return NULL;
    }

    if (verify && ngx_llmops_net_tls_trust(cf, &tls->ssl, ca) != NGX_OK) {
        return NULL;
    }

    return tls;
}


static ngx_int_t
ngx_llmops_net_tls_create(ngx_conf_t *cf, ngx_ssl_t *ssl)
{
    ngx_str_t            ciphers;
    ngx_pool_cleanup_t  *cln;

    if (ngx_ssl_create(ssl, NGX_SSL_TLSv1_2|NGX_SSL_TLSv1_3, NULL) != NGX_OK) {
        return NGX_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        ngx_ssl_cleanup_ctx(ssl);
        return NGX_ERROR;
    }

    cln->handler = ngx_ssl_cleanup_ctx;
    cln->data = ssl;

    ngx_str_set(&ciphers, "DEFAULT");

    return ngx_ssl_ciphers(cf, ssl, &ciphers, 0);
}


static ngx_int_t
ngx_llmops_net_tls_trust(ngx_conf_t *cf, ngx_ssl_t *ssl, ngx_str_t *ca)
{
    char       *file;
    ngx_str_t   name;

    name = *ca;

    if (name.len == 0) {
        file = ngx_llmops_net_system_ca();

        if (file == NULL) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "no file with the system's trusted "
                               "certificates, install the package "
                               "ca-certificates or name a file");
            return NGX_ERROR;
        }

        name.data = (u_char *) file;
        name.len = ngx_strlen(file);
    }

    return ngx_ssl_trusted_certificate(cf, ssl, &name, NGX_LLMOPS_NET_DEPTH);
}


void
ngx_llmops_net_handshake(ngx_llmops_net_t *net, ngx_llmops_net_done_pt done)
{
    ngx_int_t          rc;
    ngx_str_t         *name;
    ngx_connection_t  *c;

    c = net->connection;
    net->handshaken = done;

    if (ngx_ssl_create_connection(&net->tls->ssl, c, NGX_SSL_CLIENT)
        != NGX_OK)
    {
        done(net, NGX_ERROR, NULL);
        return;
    }

    name = ngx_llmops_net_server(net);

    /* RFC 6066: a name that is sent is never an address */

    if (ngx_llmops_net_family(name) == AF_UNSPEC
        && SSL_set_tlsext_host_name(c->ssl->connection, (char *) name->data)
           == 0)
    {
        done(net, NGX_ERROR, "the name cannot be sent with TLS");
        return;
    }

    rc = ngx_ssl_handshake(c);

    if (rc == NGX_AGAIN) {
        c->ssl->handler = ngx_llmops_net_handshake_done;
        return;
    }

    ngx_llmops_net_handshake_done(c);
}


static void
ngx_llmops_net_handshake_done(ngx_connection_t *c)
{
    const char        *error;
    ngx_llmops_net_t  *net;

    net = c->data;

    if (!c->ssl->handshaked) {
        net->handshaken(net, NGX_ERROR,
                        net->error ? NULL : "TLS handshake failed");
        return;
    }

    error = net->tls->verify ? ngx_llmops_net_verify(net) : NULL;

    net->handshaken(net, error ? NGX_ERROR : NGX_OK, error);
}


/* what is wrong with the server's certificate, or NULL */

static const char *
ngx_llmops_net_verify(ngx_llmops_net_t *net)
{
    long               rc;
    ngx_connection_t  *c;

    c = net->connection;

    rc = SSL_get_verify_result(c->ssl->connection);

    if (rc != X509_V_OK) {
        return X509_verify_cert_error_string(rc);
    }

    if (ngx_llmops_net_verify_host(c, ngx_llmops_net_server(net)) != NGX_OK) {
        return "the server's certificate is not for that name";
    }

    return NULL;
}


static ngx_int_t
ngx_llmops_net_verify_host(ngx_connection_t *c, ngx_str_t *name)
{
    int        rc;
    X509      *cert;
    u_char     text[NGX_INET6_ADDRSTRLEN + 1];
    ngx_str_t  bare;

    if (ngx_llmops_net_family(name) == AF_UNSPEC) {
        return ngx_ssl_check_host(c, name);
    }

    bare = *name;

    if (bare.data[0] == '[') {
        bare.data++;
        bare.len -= 2;
    }

    if (bare.len > NGX_INET6_ADDRSTRLEN) {
        return NGX_ERROR;
    }

    *ngx_cpymem(text, bare.data, bare.len) = '\0';

    cert = SSL_get_peer_certificate(c->ssl->connection);
    if (cert == NULL) {
        return NGX_ERROR;
    }

    rc = X509_check_ip_asc(cert, (char *) text, 0);

    X509_free(cert);

    return (rc == 1) ? NGX_OK : NGX_ERROR;
}


static ngx_str_t *
ngx_llmops_net_server(ngx_llmops_net_t *net)
{
    return net->server.len ? &net->server : &net->host;
}


/*
 * Says goodbye and waits for none.  If even that cannot be written now, the
 * connection is given up without: ngx_ssl_shutdown() would keep it for an
 * event that never comes.
 */

void
ngx_llmops_net_handshake_close(ngx_connection_t *c)
{
    c->ssl->no_wait_shutdown = 1;

    if (ngx_ssl_shutdown(c) == NGX_AGAIN) {
        c->error = 1;
        (void) ngx_ssl_shutdown(c);
    }
}
