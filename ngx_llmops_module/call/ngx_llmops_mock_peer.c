
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_mock.h"


/*
 * The built-in provider's connection is one end of a socket pair; the other
 * end is served here, inside the same worker.  So the gateway treats it like
 * any other provider, with no shortcut that a test would not see.
 *
 * The server knows one client, our own requests: it reads one request with a
 * content-length, answers, and closes.  Its end belongs to the pool of the
 * client's connection, whose cleanup closes it if it is still open: no end is
 * left behind when a request is aborted or the worker exits.
 */

#define NGX_LLMOPS_MOCK_HEADER      65536
#define NGX_LLMOPS_MOCK_BODY        (64 * 1024 * 1024)
#define NGX_LLMOPS_MOCK_BUFFER      8192


typedef struct {
    ngx_connection_t          *connection;
    ngx_pool_cleanup_t        *cleanup;    /* in the client's pool */

    u_char                    *request;
    size_t                     len;        /* read */
    size_t                     size;       /* allocated */
    size_t                     total;      /* header and body, once known */
    size_t                     header;     /* its length, with both CRLFs */

    ngx_llmops_mock_answer_t   answer;
    ngx_uint_t                 part;       /* to be sent up to its end */
    size_t                     sent;
    ngx_event_t                timer;

    unsigned                   answered:1;
} ngx_llmops_mock_t;


static ngx_connection_t *ngx_llmops_mock_connection(ngx_socket_t s,
    ngx_log_t *log);
static ngx_int_t ngx_llmops_mock_listen(ngx_connection_t *c);
static ngx_int_t ngx_llmops_mock_serve(ngx_socket_t s,
    ngx_connection_t *client);
static void ngx_llmops_mock_cleanup(void *data);
static void ngx_llmops_mock_close(ngx_llmops_mock_t *mock);
static void ngx_llmops_mock_read(ngx_event_t *rev);
static void ngx_llmops_mock_watch(ngx_event_t *rev);
static ngx_int_t ngx_llmops_mock_room(ngx_llmops_mock_t *mock);
static ngx_int_t ngx_llmops_mock_header(ngx_llmops_mock_t *mock);
static ngx_int_t ngx_llmops_mock_length(u_char *p, u_char *last, size_t *len);
static ngx_int_t ngx_llmops_mock_answer_request(ngx_llmops_mock_t *mock);
static void ngx_llmops_mock_send(ngx_llmops_mock_t *mock);
static void ngx_llmops_mock_write(ngx_event_t *wev);
static void ngx_llmops_mock_timer(ngx_event_t *ev);


static ngx_str_t  ngx_llmops_mock_peer_name = ngx_string("mock");


ngx_int_t
ngx_llmops_mock_connect(ngx_http_request_t *r, ngx_peer_connection_t *pc)
{
    ngx_connection_t        *c;
    ngx_socket_t             s[2];
    static struct sockaddr   sockaddr;

    if (socketpair(AF_UNIX, SOCK_STREAM, 0, s) == -1) {
        ngx_log_error(NGX_LOG_ALERT, pc->log, ngx_socket_errno,
                      "socketpair() failed");
        return NGX_ERROR;
    }

    c = ngx_llmops_mock_connection(s[0], pc->log);

    if (c == NULL) {
        (void) ngx_close_socket(s[1]);
        return NGX_ERROR;
    }

    c->pool = ngx_create_pool(256, pc->log);

    if (c->pool == NULL) {
        ngx_close_connection(c);
        (void) ngx_close_socket(s[1]);
        return NGX_ERROR;
    }

    if (ngx_llmops_mock_serve(s[1], c) != NGX_OK) {
        ngx_destroy_pool(c->pool);
        ngx_close_connection(c);
        return NGX_ERROR;
    }

    c->log_error = pc->log_error;

    sockaddr.sa_family = AF_UNIX;

    pc->sockaddr = &sockaddr;
    pc->socklen = sizeof(sockaddr.sa_family);
    pc->name = &ngx_llmops_mock_peer_name;
    pc->connection = c;
    pc->cached = 0;

    return NGX_DONE;
}


/* closes s on failure */

static ngx_connection_t *
ngx_llmops_mock_connection(ngx_socket_t s, ngx_log_t *log)
{
    ngx_connection_t  *c;

    if (ngx_nonblocking(s) == -1) {
        ngx_log_error(NGX_LOG_ALERT, log, ngx_socket_errno,
                      ngx_nonblocking_n " failed");
        (void) ngx_close_socket(s);
        return NULL;
    }

    c = ngx_get_connection(s, log);

    if (c == NULL) {
        (void) ngx_close_socket(s);
        return NULL;
    }

    c->type = SOCK_STREAM;
    c->tcp_nopush = NGX_TCP_NOPUSH_DISABLED;
    c->tcp_nodelay = NGX_TCP_NODELAY_DISABLED;
    c->sendfile = 1;

    c->recv = ngx_recv;
    c->send = ngx_send;
    c->recv_chain = ngx_recv_chain;
    c->send_chain = ngx_send_chain;

    c->log = log;
    c->read->log = log;
    c->write->log = log;

    c->number = ngx_atomic_fetch_add(ngx_connection_counter, 1);
    c->start_time = ngx_current_msec;

    if (ngx_llmops_mock_listen(c) != NGX_OK) {
        ngx_close_connection(c);
        return NULL;
    }

    c->write->ready = 1;

    return c;
}


/* both events, as ngx_event_connect_peer() adds them */

static ngx_int_t
ngx_llmops_mock_listen(ngx_connection_t *c)
{
    ngx_int_t  event;

    if (ngx_add_conn) {
        return ngx_add_conn(c);
    }

    event = (ngx_event_flags & NGX_USE_CLEAR_EVENT) ? NGX_CLEAR_EVENT
                                                    : NGX_LEVEL_EVENT;

    return ngx_add_event(c->read, NGX_READ_EVENT, event);
}


/* takes s over, also on failure; the server ends with the client */

static ngx_int_t
ngx_llmops_mock_serve(ngx_socket_t s, ngx_connection_t *client)
{
    ngx_log_t           *log;
    ngx_connection_t    *c;
    ngx_llmops_mock_t   *mock;
    ngx_pool_cleanup_t  *cln;

    log = ngx_cycle->log;

    cln = ngx_pool_cleanup_add(client->pool, 0);
    mock = ngx_calloc(sizeof(ngx_llmops_mock_t), log);

    if (cln == NULL || mock == NULL) {
        (void) ngx_close_socket(s);
        goto failed;
    }

    c = ngx_llmops_mock_connection(s, log);

    if (c == NULL) {
        goto failed;
    }

    c->data = mock;
    c->log_error = NGX_ERROR_INFO;
    c->read->handler = ngx_llmops_mock_read;
    c->write->handler = ngx_llmops_mock_write;

    mock->connection = c;
    mock->cleanup = cln;

    cln->handler = ngx_llmops_mock_cleanup;
    cln->data = mock;

    return NGX_OK;

failed:

    if (mock) {
        ngx_free(mock);
    }

    return NGX_ERROR;
}


static void
ngx_llmops_mock_cleanup(void *data)
{
    ngx_llmops_mock_t *mock = data;

    ngx_llmops_mock_close(mock);
}


static void
ngx_llmops_mock_close(ngx_llmops_mock_t *mock)
{
    mock->cleanup->handler = NULL;

    if (mock->timer.timer_set) {
        ngx_del_timer(&mock->timer);
    }

    ngx_close_connection(mock->connection);

    if (mock->request) {
        ngx_free(mock->request);
    }

    ngx_llmops_out_free(&mock->answer.out);

    ngx_free(mock);
}


static void
ngx_llmops_mock_read(ngx_event_t *rev)
{
    ssize_t             n;
    ngx_connection_t   *c;
    ngx_llmops_mock_t  *mock;

    c = rev->data;
    mock = c->data;

    if (c->close) {
        goto close;
    }

    for ( ;; ) {
        if (ngx_llmops_mock_room(mock) != NGX_OK) {
            goto close;
        }

        n = c->recv(c, mock->request + mock->len, mock->size - mock->len);

        if (n == NGX_AGAIN) {
            break;
        }

        if (n == NGX_ERROR || n == 0) {
            goto close;
        }

        mock->len += n;

        if (mock->total == 0 && ngx_llmops_mock_header(mock) == NGX_ERROR) {
            goto close;
        }

        if (mock->total && mock->len >= mock->total) {

            if (ngx_llmops_mock_answer_request(mock) != NGX_OK) {
                goto close;
            }

            return;
        }
    }

    if (ngx_handle_read_event(rev, 0) == NGX_OK) {
        return;
    }

close:

    ngx_llmops_mock_close(mock);
}


/* the header in a small buffer, the body in one of its size */

static ngx_int_t
ngx_llmops_mock_room(ngx_llmops_mock_t *mock)
{
    u_char  *p;
    size_t   size;

    if (mock->total) {
        size = mock->total;

    } else if (mock->len == mock->size) {
        size = mock->size ? mock->size * 2 : NGX_LLMOPS_MOCK_BUFFER;

    } else {
        return NGX_OK;
    }

    if (size <= mock->size) {
        return NGX_OK;
    }

    p = ngx_alloc(size, mock->connection->log);
    if (p == NULL) {
        return NGX_ERROR;
    }

    if (mock->request) {
        ngx_memcpy(p, mock->request, mock->len);
        ngx_free(mock->request);
    }

    mock->request = p;
    mock->size = size;

    return NGX_OK;
}


/* NGX_OK: total is known; NGX_AGAIN: the header is not whole yet */

static ngx_int_t
ngx_llmops_mock_header(ngx_llmops_mock_t *mock)
{
    size_t   length;
    u_char  *p, *last;

    last = mock->request + mock->len;

    for (p = mock->request; last - p >= 4; p++) {
        p = ngx_strlchr(p, last, CR);

        if (p == NULL || last - p < 4) {
            break;
        }

        if (p[1] == LF && p[2] == CR && p[3] == LF) {
            mock->header = p + 4 - mock->request;

            if (ngx_llmops_mock_length(mock->request, p + 2, &length)
                != NGX_OK)
            {
                return NGX_ERROR;
            }

            mock->total = mock->header + length;
            return NGX_OK;
        }
    }

    return (mock->len > NGX_LLMOPS_MOCK_HEADER) ? NGX_ERROR : NGX_AGAIN;
}


/* content-length in header lines that end at last; 0 if there is none */

static ngx_int_t
ngx_llmops_mock_length(u_char *p, u_char *last, size_t *len)
{
    u_char  *end;
    off_t    n;

    *len = 0;

    for ( ;; ) {
        end = ngx_strlchr(p, last, LF);

        if (end == NULL) {
            return NGX_OK;
        }

        if (end - p > 16
            && ngx_strncasecmp(p, (u_char *) "content-length:", 15) == 0)
        {
            p += 15;

            while (*p == ' ') {
                p++;
            }

            n = ngx_atoof(p, end - p - 1);

            if (n == NGX_ERROR || n > NGX_LLMOPS_MOCK_BODY) {
                return NGX_ERROR;
            }

            *len = (size_t) n;
            return NGX_OK;
        }

        p = end + 1;
    }
}


static ngx_int_t
ngx_llmops_mock_answer_request(ngx_llmops_mock_t *mock)
{
    u_char     *p, *last;
    ngx_str_t   method, path, body;

    last = mock->request + mock->header;

    method.data = mock->request;
    p = ngx_strlchr(method.data, last, ' ');

    if (p == NULL) {
        return NGX_ERROR;
    }

    method.len = p - method.data;

    path.data = p + 1;
    p = ngx_strlchr(path.data, last, ' ');

    if (p == NULL) {
        return NGX_ERROR;
    }

    path.len = p - path.data;

    body.data = last;
    body.len = mock->total - mock->header;

    if (ngx_llmops_mock_answer(&method, &path, &body, &mock->answer) != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_free(mock->request);
    mock->request = NULL;

    /* from now on only the client's close is of interest */

    mock->connection->read->handler = ngx_llmops_mock_watch;

    if (mock->answer.hang) {
        ngx_llmops_mock_watch(mock->connection->read);
        return NGX_OK;
    }

    mock->answered = 1;

    mock->timer.handler = ngx_llmops_mock_timer;
    mock->timer.data = mock;
    mock->timer.log = mock->connection->log;
    mock->timer.cancelable = 1;

    if (mock->answer.first_delay) {
        ngx_add_timer(&mock->timer, mock->answer.first_delay);
        return NGX_OK;
    }

    ngx_llmops_mock_send(mock);

    return NGX_OK;
}


static void
ngx_llmops_mock_watch(ngx_event_t *rev)
{
    u_char             byte[16];
    ssize_t            n;
    ngx_connection_t  *c;

    c = rev->data;

    if (c->close) {
        ngx_llmops_mock_close(c->data);
        return;
    }

    do {
        n = c->recv(c, byte, sizeof(byte));
    } while (n > 0);

    if (n == NGX_AGAIN && ngx_handle_read_event(rev, 0) == NGX_OK) {
        return;
    }

    ngx_llmops_mock_close(c->data);
}


/* sends what is due; may close */

static void
ngx_llmops_mock_send(ngx_llmops_mock_t *mock)
{
    size_t                     end;
    ssize_t                    n;
    ngx_connection_t          *c;
    ngx_llmops_mock_answer_t  *a;

    c = mock->connection;
    a = &mock->answer;

    while (mock->part < a->nchunks) {

        /* parts without a delay between them need no write of their own */

        end = a->chunk[a->delay ? mock->part : a->nchunks - 1];

        while (mock->sent < end) {
            n = c->send(c, a->out.data + mock->sent, end - mock->sent);

            if (n == NGX_ERROR) {
                ngx_llmops_mock_close(mock);
                return;
            }

            if (n == NGX_AGAIN) {
                if (ngx_handle_write_event(c->write, 0) != NGX_OK) {
                    ngx_llmops_mock_close(mock);
                }

                return;
            }

            mock->sent += n;
        }

        if (a->delay == 0) {
            break;
        }

        if (++mock->part < a->nchunks) {
            ngx_add_timer(&mock->timer, a->delay);
            return;
        }
    }

    ngx_llmops_mock_close(mock);
}


static void
ngx_llmops_mock_write(ngx_event_t *wev)
{
    ngx_connection_t   *c;
    ngx_llmops_mock_t  *mock;

    c = wev->data;
    mock = c->data;

    if (mock->answered && !mock->timer.timer_set) {
        ngx_llmops_mock_send(mock);
    }
}


static void
ngx_llmops_mock_timer(ngx_event_t *ev)
{
    ngx_llmops_mock_send(ev->data);
}
