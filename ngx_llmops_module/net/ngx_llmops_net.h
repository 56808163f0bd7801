
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_NET_H_INCLUDED_
#define _NGX_LLMOPS_NET_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <ngx_event.h>
#include <ngx_event_connect.h>


/*
 * Connections that the gateway itself opens, apart from requests to providers:
 * to Redis, for key sets (JWKS), for webhooks.  One connection, its name
 * looked up by nginx's resolver, TLS with verification where wanted, never
 * blocking.  What is spoken on it is the owner's affair.
 *
 * All memory is the worker's heap.  An owner embeds ngx_llmops_net_t, zeroed,
 * and sets the first part; it may be opened again after close().
 *
 * Nothing is logged here but what is wrong with this machine: what nginx would
 * say of a connection that fails is kept as net->error, so that the owner,
 * who alone knows how often it has said so already, can log it.
 *
 *   ngx_llmops_net.c      lookup, connect, read, write, close
 *   ngx_llmops_net_tls.c  certificates, handshake, verification
 */


#define NGX_LLMOPS_NET_ADDRS  8            /* of a name, that are tried */
#define NGX_LLMOPS_NET_TEXT   256


typedef struct ngx_llmops_net_s  ngx_llmops_net_t;

typedef void (*ngx_llmops_net_pt)(ngx_llmops_net_t *net);
typedef void (*ngx_llmops_net_done_pt)(ngx_llmops_net_t *net, ngx_int_t rc,
    const char *error);


/* how to speak TLS; made while the configuration is read */

typedef struct {
    ngx_ssl_t                  ssl;
    unsigned                   verify:1;
} ngx_llmops_net_tls_t;


typedef struct {
    ngx_sockaddr_t             sockaddr;
    socklen_t                  socklen;
} ngx_llmops_net_addr_t;


struct ngx_llmops_net_s {
    ngx_str_t                  host;       /* a name, an address (that of IPv6
                                              with or without brackets), or
                                              "unix:/path"; terminated */
    in_port_t                  port;
    ngx_str_t                  server;     /* TLS: name that is verified; len
                                              0: host; terminated */
    ngx_llmops_net_tls_t      *tls;        /* NULL: plain */
    ngx_resolver_t            *resolver;   /* for names; may be NULL */
    ngx_msec_t                 resolver_timeout;
    ngx_msec_t                 timeout;    /* lookup, connect and handshake
                                              together */
    ngx_log_t                 *log;

    ngx_llmops_net_pt          opened;     /* it can be written */
    ngx_llmops_net_pt          readable;   /* read until NGX_AGAIN */
    ngx_llmops_net_pt          writable;   /* after a write was NGX_AGAIN */
    ngx_llmops_net_pt          failed;     /* lookup, connect, handshake,
                                              timeout: has been closed;
                                              net->error says what */
    void                      *data;

    const char                *error;      /* in failed(), or when recv() or
                                              send() said NGX_ERROR: why; kept
                                              until it is opened again */
    ngx_connection_t          *connection; /* NULL unless open(ing) */
    ngx_resolver_ctx_t        *lookup;
    ngx_event_t                timer;      /* the deadline, or ... */
    ngx_llmops_net_pt          step;       /* ... what is due in the next turn
                                              of the event loop */
    ngx_llmops_net_done_pt     handshaken;
    ngx_msec_t                 deadline;
    ngx_pool_t                *pool;       /* of the connection */
    ngx_llmops_net_addr_t     *addrs;      /* in pool */
    ngx_uint_t                 naddrs;
    ngx_uint_t                 turn;       /* the next one to be tried */
    ngx_log_t                  quiet;      /* of the connection: goes to ... */
    u_char                     text[NGX_LLMOPS_NET_TEXT];
    unsigned                   open:1;
    unsigned                   blocked:1;  /* writable() is due */
};


/*
 * Prepares TLS: certificates are verified against ca (PEM file; len 0: the
 * system's), unless verify is 0; cert and key, with len 0 for none, are the
 * client's.  A name is verified as a name, an address as an address.  Called
 * while the configuration is read; NULL (logged) on failure.
 */
ngx_llmops_net_tls_t *ngx_llmops_net_tls(ngx_conf_t *cf, ngx_str_t *ca,
    ngx_str_t *cert, ngx_str_t *key, unsigned verify);

/* The file with the certificates that this system trusts, or NULL. */
char *ngx_llmops_net_system_ca(void);

/* The address family of a literal: AF_INET, AF_INET6, AF_UNIX; AF_UNSPEC if
   it is none, but perhaps a name. */
ngx_int_t ngx_llmops_net_family(ngx_str_t *host);

/*
 * Starts to open.  opened() or failed() is called later, never from within.
 * NGX_OK, or NGX_ERROR (out of memory or descriptors), when neither will be.
 * Neither handler is called after close().
 */
ngx_int_t ngx_llmops_net_open(ngx_llmops_net_t *net);

/* Closes, in any state; any handler of net may call it.  Afterwards the memory
   of net is the owner's again. */
void ngx_llmops_net_close(ngx_llmops_net_t *net);

/*
 * Reads and writes as recv(2) and send(2): a count, NGX_AGAIN (events are
 * armed), 0 for the end, NGX_ERROR.  After NGX_AGAIN of a write, writable()
 * will be called.
 */
ssize_t ngx_llmops_net_recv(ngx_llmops_net_t *net, u_char *buf, size_t size);
ssize_t ngx_llmops_net_send(ngx_llmops_net_t *net, u_char *buf, size_t size);


/* -- between the files of this room --------------------------------------- */

/* Starts TLS on a connection that stands; done() is called at its end, perhaps
   at once: NGX_OK, or NGX_ERROR, with the text of the error if nginx had none
   of its own. */
void ngx_llmops_net_handshake(ngx_llmops_net_t *net,
    ngx_llmops_net_done_pt done);
void ngx_llmops_net_handshake_close(ngx_connection_t *c);


#endif /* _NGX_LLMOPS_NET_H_INCLUDED_ */
