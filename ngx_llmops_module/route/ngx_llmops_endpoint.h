
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ENDPOINT_H_INCLUDED_
#define _NGX_LLMOPS_ENDPOINT_H_INCLUDED_


#include "ngx_llmops_provider.h"


/*
 * What the files of a provider know of each other, and nobody else:
 *
 *   ngx_llmops_provider.c   directives, defaults, cross-checks
 *   ngx_llmops_url.c        llm_endpoint and llm_base: parsing
 *   ngx_llmops_endpoint.c   the balancer of an endpoint's addresses
 *   ngx_llmops_dns.c        the addresses, as the DNS has them
 *   ngx_llmops_key.c        keys
 *   ngx_llmops_key_file.c   keys in files that change
 *   ngx_llmops_tls.c        TLS
 */


#define NGX_LLMOPS_ENDPOINT_ADDRS  16      /* of one name; more are left out */


typedef struct {
    ngx_sockaddr_t             sockaddr;
    socklen_t                  socklen;
    ngx_str_t                  name;       /* points into text */
    ngx_msec_t                 failed;     /* when it last did, if down */
    unsigned                   down:1;
    u_char                     text[NGX_SOCKADDR_STRLEN];
} ngx_llmops_addr_t;


/*
 * A set never changes but for its marks of failures; a new one takes its
 * place.  Requests copy what they use of it.
 */

typedef struct {
    ngx_uint_t                 naddrs;     /* at least 1 */
    ngx_uint_t                 generation;
    ngx_llmops_addr_t          addrs[NGX_LLMOPS_ENDPOINT_ADDRS];
} ngx_llmops_addrs_t;


/*
 * The last addresses for the workers of the next configuration, which would
 * otherwise answer their first requests with an error.  Many write it and
 * nobody locks: a torn record fails its checksum and is not used.
 */

typedef struct {
    uint32_t                   crc;
    uint32_t                   naddrs;
    u_char                     addrs[NGX_LLMOPS_ENDPOINT_ADDRS]
                                    [sizeof(struct sockaddr_in6)];
} ngx_llmops_endpoint_sh_t;


struct ngx_llmops_endpoint_s {
    ngx_llmops_provider_t     *provider;
    ngx_str_t                  host;       /* lowercase, as it is resolved */
    ngx_str_t                  name;       /* host:port, for logs */
    in_port_t                  port;
    ngx_llmops_place_t         place;      /* of llm_endpoint */

    ngx_llmops_addrs_t        *set;        /* NULL: no address yet */
    ngx_uint_t                 next;       /* round robin */

    ngx_resolver_t            *resolver;
    ngx_msec_t                 resolver_timeout;
    ngx_resolver_ctx_t        *resolving;
    ngx_event_t                timer;
    ngx_msec_t                 delay;      /* before it is asked again */
    ngx_llmops_endpoint_sh_t  *sh;         /* NULL: none, or zone full */

    unsigned                   fixed:1;    /* the set is of the configuration:
                                              IP addresses, unix sockets */
    unsigned                   ipv4_only:1;
    unsigned                   failing:1;  /* the DNS did not answer last */
};


#define NGX_LLMOPS_KEY_MAX          8192

struct ngx_llmops_key_source_s {
    ngx_llmops_provider_t     *provider;
    u_char                    *memory;     /* the key, and as much again to
                                              read the next one into */

    ngx_str_t                  env;        /* env: the variable's name */
    u_char                    *env_value;  /* in the process's environment */

    ngx_str_t                  file;       /* file: NUL-terminated */
    ngx_event_t                timer;
    time_t                     mtime;
    off_t                      size;
    ngx_file_uniq_t            uniq;
    time_t                     looked;
    char                      *failed;     /* why, as it has been logged */
};


/*
 * Gives an upstream{} without "server" lines a balancer of ours.  NGX_OK, or
 * NGX_ERROR (logged) if it has servers or another balancer.
 */
ngx_int_t ngx_llmops_endpoint_add(ngx_conf_t *cf, ngx_llmops_provider_t *p,
    ngx_str_t *directive);

/* The same for the built-in provider. */
ngx_int_t ngx_llmops_endpoint_add_mock(ngx_conf_t *cf,
    ngx_llmops_provider_t *p);

/* Finds the resolver of an endpoint's name.  NGX_OK, NGX_ERROR (logged). */
ngx_int_t ngx_llmops_dns_init(ngx_conf_t *cf, ngx_llmops_provider_t *p);

/* Starts and stops following the DNS. */
ngx_int_t ngx_llmops_dns_start(ngx_cycle_t *cycle, ngx_llmops_endpoint_t *ep);
void ngx_llmops_dns_stop(ngx_llmops_endpoint_t *ep);

/* Appends an address to a set that has room, unless it is there already; port
   in host order, 0: as is. */
void ngx_llmops_addrs_push(ngx_llmops_addrs_t *set, struct sockaddr *sa,
    socklen_t socklen, in_port_t port);

/* Starts and stops what a worker does with a key: wipe it out of the
   environment, look at its file. */
void ngx_llmops_key_start(ngx_cycle_t *cycle, ngx_llmops_provider_t *p);
void ngx_llmops_key_stop(ngx_llmops_provider_t *p);

/* Makes text the key, which may lie in the second half of ks->memory.  Returns
   NULL, or what is wrong with it. */
char *ngx_llmops_key_set(ngx_llmops_key_source_t *ks, u_char *text,
    size_t len);

/* Reads the file into the key.  Returns NULL with fi, or what is wrong, with
   err; the key is then as it was. */
char *ngx_llmops_key_read(ngx_llmops_key_source_t *ks, ngx_file_info_t *fi,
    ngx_err_t *err);

/* Looks at the file from now on. */
void ngx_llmops_key_watch(ngx_cycle_t *cycle, ngx_llmops_key_source_t *ks);

/* Makes p->uconf.ssl.  NGX_OK, NGX_ERROR (logged). */
ngx_int_t ngx_llmops_tls_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_provider_t *p);
void ngx_llmops_tls_stop(ngx_llmops_provider_t *p);


#endif /* _NGX_LLMOPS_ENDPOINT_H_INCLUDED_ */
