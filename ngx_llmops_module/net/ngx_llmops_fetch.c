
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_fetch.h"
#include "ngx_llmops_fetch_answer.h"


/*
 * One request, one answer, one connection.  It ends in one function, whatever
 * ended it: an answer, an error, or the time, which a timer of its own keeps,
 * since a server that sends a byte now and then is not too slow for anybody
 * else.
 */


#define NGX_LLMOPS_FETCH_PIECE  8192


struct ngx_llmops_fetch_s {
    ngx_llmops_net_t           net;
    ngx_llmops_fetch_answer_t  answer;
    ngx_llmops_out_t           request;
    size_t                     sent;
    ngx_str_t                  body;       /* of the answer */
    ngx_event_t                timer;
    ngx_llmops_fetch_pt        done;
    void                      *data;
    const char                *error;
    unsigned                   finished:1;
};


static void ngx_llmops_fetch_write(ngx_llmops_fetch_t *fetch,
    ngx_llmops_fetch_url_t *to, ngx_str_t *headers, ngx_str_t *body,
    size_t max);
static void ngx_llmops_fetch_line(ngx_llmops_out_t *out, const char *name,
    ngx_str_t *value);
static ngx_int_t ngx_llmops_fetch_open(ngx_llmops_fetch_t *fetch,
    ngx_llmops_fetch_url_t *to, ngx_resolver_t *resolver,
    ngx_msec_t timeout);
static void ngx_llmops_fetch_send(ngx_llmops_net_t *net);
static void ngx_llmops_fetch_read(ngx_llmops_net_t *net);
static void ngx_llmops_fetch_failed(ngx_llmops_net_t *net);
static void ngx_llmops_fetch_timeout(ngx_event_t *ev);
static void ngx_llmops_fetch_finish(ngx_llmops_fetch_t *fetch,
    const char *error);
static void ngx_llmops_fetch_free(ngx_llmops_fetch_t *fetch);


ngx_llmops_fetch_t *
ngx_llmops_fetch(ngx_llmops_fetch_url_t *to, ngx_resolver_t *resolver,
    ngx_str_t *headers, ngx_str_t *body, size_t max, ngx_msec_t timeout,
    ngx_llmops_fetch_pt done, void *data)
{
    ngx_llmops_fetch_t  *fetch;

    fetch = ngx_calloc(sizeof(ngx_llmops_fetch_t), ngx_cycle->log);
    if (fetch == NULL) {
        return NULL;
    }

    fetch->done = done;
    fetch->data = data;

    ngx_llmops_fetch_write(fetch, to, headers, body, max);

    if (fetch->request.failed
        || ngx_llmops_fetch_open(fetch, to, resolver, timeout) != NGX_OK)
    {
        ngx_llmops_out_free(&fetch->request);
        ngx_free(fetch);
        return NULL;
    }

    return fetch;
}


static void
ngx_llmops_fetch_write(ngx_llmops_fetch_t *fetch, ngx_llmops_fetch_url_t *to,
    ngx_str_t *headers, ngx_str_t *body, size_t max)
{
    ngx_llmops_out_t  *out;

    out = &fetch->request;

    ngx_llmops_fetch_answer_init(&fetch->answer, max);
    ngx_llmops_out_init(out, NGX_MAX_INT32_VALUE);

    if (body->len) {
        (void) ngx_llmops_out_lit(out, "POST ");

    } else {
        (void) ngx_llmops_out_lit(out, "GET ");
    }

    (void) ngx_llmops_out_str(out, &to->uri);
    (void) ngx_llmops_out_lit(out, " HTTP/1.1\r\n");

    ngx_llmops_fetch_line(out, "Host: ", &to->host_header);

    (void) ngx_llmops_out_lit(out, "User-Agent: ngx_llmops_module\r\n"
                                   "Accept: application/json\r\n"
                                   "Accept-Encoding: identity\r\n"
                                   "Connection: close\r\n");

    (void) ngx_llmops_out_str(out, headers);

    if (body->len) {
        (void) ngx_llmops_out_lit(out, "Content-Type: application/json\r\n"
                                       "Content-Length: ");
        (void) ngx_llmops_out_int(out, (int64_t) body->len);
        (void) ngx_llmops_out_lit(out, "\r\n");
    }

    (void) ngx_llmops_out_lit(out, "\r\n");
    (void) ngx_llmops_out_str(out, body);
}


static void
ngx_llmops_fetch_line(ngx_llmops_out_t *out, const char *name,
    ngx_str_t *value)
{
    (void) ngx_llmops_out_write(out, name, ngx_strlen(name));
    (void) ngx_llmops_out_str(out, value);
    (void) ngx_llmops_out_lit(out, "\r\n");
}


static ngx_int_t
ngx_llmops_fetch_open(ngx_llmops_fetch_t *fetch, ngx_llmops_fetch_url_t *to,
    ngx_resolver_t *resolver, ngx_msec_t timeout)
{
    ngx_llmops_net_t  *net;

    net = &fetch->net;

    net->host = to->host;
    net->port = to->port;
    net->tls = to->tls;
    net->resolver = resolver;
    net->resolver_timeout = timeout;
    net->timeout = timeout;
    net->log = ngx_cycle->log;

    net->opened = ngx_llmops_fetch_send;
    net->writable = ngx_llmops_fetch_send;
    net->readable = ngx_llmops_fetch_read;
    net->failed = ngx_llmops_fetch_failed;
    net->data = fetch;

    if (ngx_llmops_net_open(net) != NGX_OK) {
        return NGX_ERROR;
    }

    fetch->timer.handler = ngx_llmops_fetch_timeout;
    fetch->timer.data = fetch;
    fetch->timer.log = ngx_cycle->log;
    fetch->timer.cancelable = 1;

    ngx_add_timer(&fetch->timer, timeout);

    return NGX_OK;
}


static void
ngx_llmops_fetch_send(ngx_llmops_net_t *net)
{
    ssize_t             n;
    ngx_llmops_fetch_t  *fetch = net->data;

    while (fetch->sent < fetch->request.len) {

        n = ngx_llmops_net_send(net, fetch->request.data + fetch->sent,
                                fetch->request.len - fetch->sent);

        if (n == NGX_AGAIN) {
            return;
        }

        if (n <= 0) {

            /* there may be an answer nevertheless: it comes to be read */

            return;
        }

        fetch->sent += n;
    }
}


static void
ngx_llmops_fetch_read(ngx_llmops_net_t *net)
{
    u_char               buf[NGX_LLMOPS_FETCH_PIECE];
    ssize_t              n;
    ngx_int_t            rc;
    ngx_llmops_fetch_t  *fetch = net->data;

    for ( ;; ) {
        n = ngx_llmops_net_recv(net, buf, sizeof(buf));

        if (n == NGX_AGAIN) {
            return;
        }

        if (n == NGX_ERROR) {
            ngx_llmops_fetch_finish(fetch, net->error ? net->error
                                                      : "the connection broke "
                                                        "off");
            return;
        }

        rc = n ? ngx_llmops_fetch_answer_feed(&fetch->answer, buf, n)
               : ngx_llmops_fetch_answer_end(&fetch->answer);

        if (rc != NGX_AGAIN) {
            ngx_llmops_fetch_finish(fetch, fetch->answer.error);
            return;
        }
    }
}


static void
ngx_llmops_fetch_failed(ngx_llmops_net_t *net)
{
    ngx_llmops_fetch_finish(net->data, net->error ? net->error
                                                  : "connection failed");
}


static void
ngx_llmops_fetch_timeout(ngx_event_t *ev)
{
    ngx_llmops_fetch_finish(ev->data, "there was no whole answer in time");
}


/* error NULL: there is an answer */

static void
ngx_llmops_fetch_finish(ngx_llmops_fetch_t *fetch, const char *error)
{
    fetch->finished = 1;
    fetch->error = error;

    if (error) {
        fetch->answer.status = 0;
    }

    fetch->body.data = fetch->answer.body.data;
    fetch->body.len = fetch->answer.body.len;

    ngx_llmops_net_close(&fetch->net);

    if (fetch->timer.timer_set) {
        ngx_del_timer(&fetch->timer);
    }

    fetch->done(fetch);

    ngx_llmops_fetch_free(fetch);
}


static void
ngx_llmops_fetch_free(ngx_llmops_fetch_t *fetch)
{
    ngx_llmops_fetch_answer_free(&fetch->answer);
    ngx_llmops_out_free(&fetch->request);

    ngx_free(fetch);
}


void
ngx_llmops_fetch_cancel(ngx_llmops_fetch_t *fetch)
{
    if (fetch->finished) {
        return;                                /* it is freed after done() */
    }

    ngx_llmops_net_close(&fetch->net);

    if (fetch->timer.timer_set) {
        ngx_del_timer(&fetch->timer);
    }

    ngx_llmops_fetch_free(fetch);
}


ngx_uint_t
ngx_llmops_fetch_status(ngx_llmops_fetch_t *fetch)
{
    return fetch->answer.status;
}


const char *
ngx_llmops_fetch_error(ngx_llmops_fetch_t *fetch)
{
    return fetch->error;
}


ngx_str_t *
ngx_llmops_fetch_body(ngx_llmops_fetch_t *fetch)
{
    return &fetch->body;
}


void *
ngx_llmops_fetch_data(ngx_llmops_fetch_t *fetch)
{
    return fetch->data;
}
