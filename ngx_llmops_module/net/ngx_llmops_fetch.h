
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_FETCH_H_INCLUDED_
#define _NGX_LLMOPS_FETCH_H_INCLUDED_


#include "ngx_llmops_net.h"


/*
 * One HTTP/1.1 request of the gateway's own, in the background: a key set, a
 * webhook.  One connection, one exchange, "connection: close"; an answer is
 * read whole, up to a bound.  No redirects are followed, no 1xx is final.
 */


typedef struct ngx_llmops_fetch_s  ngx_llmops_fetch_t;

typedef void (*ngx_llmops_fetch_pt)(ngx_llmops_fetch_t *fetch);


/* where to; made while the configuration is read, shared by all fetches */

typedef struct {
    ngx_str_t                  url;        /* as written, for logs: without
                                              user and password */
    ngx_str_t                  host;
    ngx_str_t                  host_header;
    ngx_str_t                  uri;        /* path and arguments */
    in_port_t                  port;
    ngx_llmops_net_tls_t      *tls;        /* NULL: http */
} ngx_llmops_fetch_url_t;


/*
 * Reads "http://" and "https://" URLs; *error is set to what to write instead.
 * ca may be NULL: the system's authorities.  NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_llmops_fetch_url(ngx_conf_t *cf, ngx_str_t *url, ngx_str_t *ca,
    ngx_llmops_fetch_url_t *to, const char **error);

/*
 * Starts.  body with len 0 is a GET, else a POST of JSON; headers, raw lines
 * that each end in CRLF, may be empty; both are copied.  done() is called
 * once, later, never from within; fetch is freed when it returns.
 * NULL: out of memory, done() will not be called.
 */
ngx_llmops_fetch_t *ngx_llmops_fetch(ngx_llmops_fetch_url_t *to,
    ngx_resolver_t *resolver, ngx_str_t *headers, ngx_str_t *body,
    size_t max, ngx_msec_t timeout, ngx_llmops_fetch_pt done, void *data);

/* Stops a fetch under way; done() is not called. */
void ngx_llmops_fetch_cancel(ngx_llmops_fetch_t *fetch);

/* In done(): the status (0: none, and then the error, a static text), the
   body, what was given as data. */
ngx_uint_t ngx_llmops_fetch_status(ngx_llmops_fetch_t *fetch);
const char *ngx_llmops_fetch_error(ngx_llmops_fetch_t *fetch);
ngx_str_t *ngx_llmops_fetch_body(ngx_llmops_fetch_t *fetch);
void *ngx_llmops_fetch_data(ngx_llmops_fetch_t *fetch);


#endif /* _NGX_LLMOPS_FETCH_H_INCLUDED_ */
