
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PROVIDER_H_INCLUDED_
#define _NGX_LLMOPS_PROVIDER_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * A provider is an upstream{} with llm_* directives: where it is, what it
 * speaks, its key, its times and prices.  nginx's balancers and zones work in
 * it as always; without a "server" line, llm_endpoint gives one address that
 * follows the DNS.
 */


/* idle connections of one worker to one provider */

typedef struct {
    ngx_queue_t                idle;
    ngx_queue_t                free;
    ngx_uint_t                 max;        /* llm_keepalive, default 64 */
    ngx_uint_t                 count;
} ngx_llmops_keepalive_t;


/* where a key comes from, and what was there when it was read */

typedef struct ngx_llmops_key_source_s  ngx_llmops_key_source_t;


struct ngx_llmops_provider_s {
    ngx_str_t                      name;
    ngx_http_upstream_srv_conf_t  *uscf;
    const ngx_llmops_dialect_t    *dialect;
    ngx_llmops_place_t             place;      /* of its first directive */

    ngx_llmops_endpoint_t         *endpoint;   /* NULL: "server" lines */
    ngx_str_t                      scheme;     /* "http" or "https" */
    ngx_str_t                      host_header;    /* with the port, if not
                                                  the scheme's own */
    ngx_str_t                      host;       /* SNI, verified name */
    ngx_str_t                      base;       /* no slash at its end */

    ngx_http_complex_value_t      *key;        /* a variable's, or NULL */
    ngx_str_t                      key_value;  /* env:, file: or a literal;
                                                  DONTDUMP memory */
    ngx_llmops_key_source_t       *key_source; /* env: or file:, else NULL */

    ngx_msec_t                     connect_timeout;
    ngx_msec_t                     first_token_timeout;
    ngx_msec_t                     idle_timeout;
    ngx_msec_t                     total_timeout;

    ngx_array_t                   *prices;     /* of ngx_llmops_price_line_t */
    ngx_llmops_keepalive_t         keepalive;
    ngx_uint_t                     keepalive_max;

    /* given to nginx's upstream; stable, never copied per request */
    ngx_http_upstream_conf_t       uconf;

    ngx_flag_t                     ssl_verify;
    ngx_uint_t                     ssl_verify_depth;
    ngx_uint_t                     ssl_protocols;
    ngx_flag_t                     ssl_session_reuse;
    ngx_flag_t                     ssl_server_name;
    ngx_str_t                      ssl_ciphers;
    ngx_str_t                      ssl_name;
    ngx_str_t                      ssl_trusted_certificate;
    ngx_str_t                      ssl_crl;
    ngx_str_t                      ssl_certificate;
    ngx_str_t                      ssl_certificate_key;
    ngx_array_t                   *ssl_passwords;
    ngx_ssl_session_t             *ssl_session;    /* of this worker */

    unsigned                       ssl:1;
    unsigned                       mock:1;
    unsigned                       used:1;     /* has any llm_* directive */
};


/* the provider's directives, all of upstream{} */

char *ngx_llmops_endpoint_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_endpoint URL [ipv6=off] */
char *ngx_llmops_base_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_base scheme://-/path */
char *ngx_llmops_dialect_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_dialect NAME */
char *ngx_llmops_api_key_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_api_key env:|file:|$var */
char *ngx_llmops_timeouts_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_timeouts name=time ... */
char *ngx_llmops_ssl_password_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);                           /* llm_ssl_password_file FILE */

/* nginx's slots, which also note that the upstream{} is a provider */
char *ngx_llmops_provider_flag(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_llmops_provider_num(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_llmops_provider_str(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);
char *ngx_llmops_provider_bits(ngx_conf_t *cf, ngx_command_t *cmd, void *conf);

/* To be called first by every directive of upstream{}: this is a provider. */
void ngx_llmops_provider_mark(ngx_conf_t *cf, ngx_llmops_provider_t *p);

extern ngx_conf_bitmask_t  ngx_llmops_ssl_protocols[];


#define NGX_LLMOPS_PROVIDER_COMMAND(name, args, set, offset, post)            \
    { ngx_string(name),                                                       \
      NGX_HTTP_UPS_CONF|args,                                                 \
      set,                                                                    \
      NGX_HTTP_SRV_CONF_OFFSET,                                               \
      offset,                                                                 \
      post }

#define NGX_LLMOPS_PROVIDER_SLOT(name, args, type, field, post)               \
    NGX_LLMOPS_PROVIDER_COMMAND(name, args, ngx_llmops_provider_##type,       \
                                offsetof(ngx_llmops_provider_t, field), post)

#define NGX_LLMOPS_PROVIDER_COMMANDS                                          \
    NGX_LLMOPS_PROVIDER_COMMAND("llm_endpoint", NGX_CONF_TAKE12,              \
                                ngx_llmops_endpoint_directive, 0, NULL),      \
    NGX_LLMOPS_PROVIDER_COMMAND("llm_base", NGX_CONF_TAKE1,                   \
                                ngx_llmops_base_directive, 0, NULL),          \
    NGX_LLMOPS_PROVIDER_COMMAND("llm_dialect", NGX_CONF_TAKE1,                \
                                ngx_llmops_dialect_directive, 0, NULL),       \
    NGX_LLMOPS_PROVIDER_COMMAND("llm_api_key", NGX_CONF_TAKE1,                \
                                ngx_llmops_api_key_directive, 0, NULL),       \
    NGX_LLMOPS_PROVIDER_COMMAND("llm_timeouts", NGX_CONF_1MORE,               \
                                ngx_llmops_timeouts_directive, 0, NULL),      \
    NGX_LLMOPS_PROVIDER_SLOT("llm_keepalive", NGX_CONF_TAKE1, num,            \
                             keepalive_max, NULL),                            \
    NGX_LLMOPS_PROVIDER_SLOT("llm_ssl_verify", NGX_CONF_FLAG, flag,           \
                             ssl_verify, NULL),                               \
    NGX_LLMOPS_PROVIDER_SLOT("llm_ssl_verify_depth", NGX_CONF_TAKE1, num,     \
                             ssl_verify_depth, NULL),                         \
    NGX_LLMOPS_PROVIDER_SLOT("llm_ssl_trusted_certificate", NGX_CONF_TAKE1,   \
                             str, ssl_trusted_certificate, NULL),             \
    NGX_LLMOPS_PROVIDER_SLOT("llm_ssl_crl", NGX_CONF_TAKE1, str, ssl_crl,     \
                             NULL),                                           \
    NGX_LLMOPS_PROVIDER_SLOT("llm_ssl_name", NGX_CONF_TAKE1, str, ssl_name,   \
                             NULL),                                           \
    NGX_LLMOPS_PROVIDER_SLOT("llm_ssl_server_name", NGX_CONF_FLAG, flag,      \
                             ssl_server_name, NULL),                          \
    NGX_LLMOPS_PROVIDER_SLOT("llm_ssl_session_reuse", NGX_CONF_FLAG, flag,    \
                             ssl_session_reuse, NULL),                        \
    NGX_LLMOPS_PROVIDER_SLOT("llm_ssl_protocols", NGX_CONF_1MORE, bits,       \
                             ssl_protocols, &ngx_llmops_ssl_protocols),       \
    NGX_LLMOPS_PROVIDER_SLOT("llm_ssl_ciphers", NGX_CONF_TAKE1, str,          \
                             ssl_ciphers, NULL),                              \
    NGX_LLMOPS_PROVIDER_SLOT("llm_ssl_certificate", NGX_CONF_TAKE1, str,      \
                             ssl_certificate, NULL),                          \
    NGX_LLMOPS_PROVIDER_SLOT("llm_ssl_certificate_key", NGX_CONF_TAKE1, str,  \
                             ssl_certificate_key, NULL),                      \
    NGX_LLMOPS_PROVIDER_COMMAND("llm_ssl_password_file", NGX_CONF_TAKE1,      \
                                ngx_llmops_ssl_password_directive, 0, NULL)


/* Makes the srv conf of an upstream{} (or server{}): all UNSET. */
void *ngx_llmops_provider_create(ngx_conf_t *cf);

/*
 * Completes a provider after the whole configuration has been read, called
 * from init_main_conf for every upstream{} with an llm_* directive: defaults,
 * cross-checks (each error with the place and what to write instead), uconf,
 * TLS context.  NGX_OK or NGX_ERROR (logged).
 */
ngx_int_t ngx_llmops_provider_init(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_provider_t *p);

/* Starts a worker's timers (DNS, key files) and caches for one provider. */
ngx_int_t ngx_llmops_provider_start(ngx_cycle_t *cycle,
    ngx_llmops_provider_t *p);

/* Closes what a worker holds for it: idle connections, TLS sessions. */
void ngx_llmops_provider_stop(ngx_cycle_t *cycle, ngx_llmops_provider_t *p);

/*
 * The provider's key for this request: NGX_OK and key (len 0: none is to be
 * sent); with a variable its value, without "Bearer ".  NGX_ERROR.
 */
ngx_int_t ngx_llmops_provider_key(ngx_http_request_t *r,
    ngx_llmops_provider_t *p, ngx_str_t *key);


/*
 * TLS sessions: one per provider and worker.  For a balancer's set_session
 * (NGX_OK, NGX_ERROR) and save_session.
 */
ngx_int_t ngx_llmops_tls_set_session(ngx_peer_connection_t *pc,
    ngx_llmops_provider_t *p);
void ngx_llmops_tls_save_session(ngx_peer_connection_t *pc,
    ngx_llmops_provider_t *p);


/*
 * Idle connections.  Only for providers whose balancer has no cache of its
 * own: after the inner balancer has chosen an address (pc->sockaddr) and left
 * pc->connection NULL, _get() puts a cached connection into pc and returns
 * NGX_DONE, or NGX_DECLINED.  After the inner free has left pc->connection,
 * _put() takes it (pc->connection = NULL) if it may be used again: u->keepalive
 * is set, no error, read event clean.
 */
ngx_int_t ngx_llmops_keepalive_get(ngx_llmops_provider_t *p,
    ngx_peer_connection_t *pc);
void ngx_llmops_keepalive_put(ngx_llmops_provider_t *p,
    ngx_http_upstream_t *u, ngx_peer_connection_t *pc, ngx_uint_t state);

/* Closes them all: the worker exits. */
void ngx_llmops_keepalive_stop(ngx_llmops_provider_t *p);


/*
 * The built-in provider's connection: one end of a socket pair becomes
 * pc->connection (as of a cached one, but pc->cached is 0), the other end is
 * served inside this worker.  NGX_DONE, NGX_ERROR.  Both ends close with the
 * request.
 */
ngx_int_t ngx_llmops_mock_connect(ngx_http_request_t *r,
    ngx_peer_connection_t *pc);


#endif /* _NGX_LLMOPS_PROVIDER_H_INCLUDED_ */
