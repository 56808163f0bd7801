
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_webhook.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>


/*
 * A queue for each worker and webhook, bounded, in the order of what happened.
 * The first message is under way or waits for its next try; the others wait
 * behind it, so that a receiver that is down costs one connection at a time.
 *
 * The signature is that of the time and the body, so that a message that was
 * overheard cannot be sent again later: HMAC-SHA256 of "TIMESTAMP.BODY".
 */


#define NGX_LLMOPS_WEBHOOK_QUEUE    64
#define NGX_LLMOPS_WEBHOOK_TRIES    5
#define NGX_LLMOPS_WEBHOOK_FIRST    1000   /* ms, and four times that each */
#define NGX_LLMOPS_WEBHOOK_TIMEOUT  5000
#define NGX_LLMOPS_WEBHOOK_ANSWER   4096   /* bytes that are read of one */
#define NGX_LLMOPS_WEBHOOK_HEADERS  320


typedef struct {
    ngx_queue_t                queue;
    ngx_uint_t                 tries;
    ngx_str_t                  id;
    ngx_str_t                  body;
} ngx_llmops_message_t;


static void ngx_llmops_webhook_next(ngx_llmops_webhook_t *wh);
static ngx_int_t ngx_llmops_webhook_headers(ngx_llmops_webhook_t *wh,
    ngx_llmops_message_t *m, u_char *buf, ngx_str_t *headers);
static void ngx_llmops_webhook_done(ngx_llmops_fetch_t *fetch);
static void ngx_llmops_webhook_failed(ngx_llmops_webhook_t *wh,
    ngx_llmops_message_t *m, ngx_uint_t status, const char *error);
static void ngx_llmops_webhook_timer(ngx_event_t *ev);
static void ngx_llmops_webhook_end(ngx_llmops_webhook_t *wh,
    ngx_llmops_message_t *m, ngx_uint_t sent);
static ngx_llmops_message_t *ngx_llmops_webhook_first(
    ngx_llmops_webhook_t *wh);
static void ngx_llmops_webhook_tell(ngx_llmops_webhook_t *wh,
    const char *what, ngx_uint_t status, const char *error);


void
ngx_llmops_webhook_start(ngx_llmops_webhook_t *wh)
{
    ngx_queue_init(&wh->queue);

    wh->length = 0;
    wh->fetch = NULL;

    ngx_memzero(&wh->timer, sizeof(ngx_event_t));

    wh->timer.handler = ngx_llmops_webhook_timer;
    wh->timer.data = wh;
    wh->timer.log = ngx_cycle->log;
    wh->timer.cancelable = 1;

    ngx_llmops_secret_start(&wh->secret);
}


void
ngx_llmops_webhook_stop(ngx_llmops_webhook_t *wh)
{
    if (wh->fetch) {
        ngx_llmops_fetch_cancel(wh->fetch);
        wh->fetch = NULL;
    }

    if (wh->timer.timer_set) {
        ngx_del_timer(&wh->timer);
    }

    while (wh->length) {
        ngx_llmops_webhook_end(wh, ngx_llmops_webhook_first(wh), 0);
    }
}


void
ngx_llmops_webhook_send(ngx_llmops_webhook_t *wh, ngx_str_t *id,
    ngx_str_t *body)
{
    ngx_llmops_message_t  *m;

    m = NULL;

    if (wh->length < NGX_LLMOPS_WEBHOOK_QUEUE) {
        m = ngx_alloc(sizeof(ngx_llmops_message_t) + id->len + body->len,
                      ngx_cycle->log);
    }

    if (m == NULL) {
        ngx_llmops_webhook_tell(wh, "is too slow", 0, "the queue is full");
        wh->over(wh->data, 0);
        return;
    }

    m->tries = 0;
    m->id.data = (u_char *) (m + 1);
    m->id.len = id->len;
    m->body.data = ngx_cpymem(m->id.data, id->data, id->len);
    m->body.len = body->len;

    ngx_memcpy(m->body.data, body->data, body->len);

    ngx_queue_insert_tail(&wh->queue, &m->queue);

    if (wh->length++ == 0) {
        ngx_llmops_webhook_next(wh);
    }
}


static ngx_llmops_message_t *
ngx_llmops_webhook_first(ngx_llmops_webhook_t *wh)
{
    return ngx_queue_data(ngx_queue_head(&wh->queue), ngx_llmops_message_t,
                          queue);
}


/* sends the first message; what cannot be started counts as a try */

static void
ngx_llmops_webhook_next(ngx_llmops_webhook_t *wh)
{
    u_char                 buf[NGX_LLMOPS_WEBHOOK_HEADERS];
    ngx_str_t              headers;
    ngx_llmops_message_t  *m;

    m = ngx_llmops_webhook_first(wh);

    m->tries++;

    if (ngx_llmops_webhook_headers(wh, m, buf, &headers) == NGX_OK) {
        wh->fetch = ngx_llmops_fetch(&wh->url, wh->resolver, &headers,
                                     &m->body, NGX_LLMOPS_WEBHOOK_ANSWER,
                                     NGX_LLMOPS_WEBHOOK_TIMEOUT,
                                     ngx_llmops_webhook_done, wh);
    }

    if (wh->fetch == NULL) {
        ngx_llmops_webhook_failed(wh, m, 0, "out of memory");
    }
}


static ngx_int_t
ngx_llmops_webhook_headers(ngx_llmops_webhook_t *wh, ngx_llmops_message_t *m,
    u_char *buf, ngx_str_t *headers)
{
    u_char     *p, *text, time[NGX_TIME_T_LEN + 1], mac[EVP_MAX_MD_SIZE];
    size_t      len;
    unsigned    size;

    p = ngx_sprintf(time, "%T", ngx_time());
    len = p - time;

    p = ngx_sprintf(buf, NGX_LLMOPS_WEBHOOK_ID ": %V" CRLF
                    NGX_LLMOPS_WEBHOOK_TIMESTAMP ": %*s" CRLF, &m->id, len,
                    time);

    headers->data = buf;
    headers->len = p - buf;

    if (wh->secret.value.len == 0) {
        return NGX_OK;
    }

    text = ngx_alloc(len + 1 + m->body.len, ngx_cycle->log);
    if (text == NULL) {
        return NGX_ERROR;
    }

    p = ngx_cpymem(text, time, len);
    *p++ = '.';
    p = ngx_cpymem(p, m->body.data, m->body.len);

    if (HMAC(EVP_sha256(), wh->secret.value.data,
             (int) wh->secret.value.len, text, p - text, mac, &size)
        == NULL)
    {
        ngx_free(text);
        return NGX_ERROR;
    }

    ngx_free(text);

    p = buf + headers->len;
    p = ngx_cpymem(p, NGX_LLMOPS_WEBHOOK_SIGNATURE ": sha256=",
                   sizeof(NGX_LLMOPS_WEBHOOK_SIGNATURE ": sha256=") - 1);
    p = ngx_hex_dump(p, mac, size);
    p = ngx_cpymem(p, CRLF, 2);

    headers->len = p - buf;

    return NGX_OK;
}


static void
ngx_llmops_webhook_done(ngx_llmops_fetch_t *fetch)
{
    ngx_uint_t             status;
    ngx_llmops_message_t  *m;
    ngx_llmops_webhook_t  *wh;

    wh = ngx_llmops_fetch_data(fetch);
    wh->fetch = NULL;

    m = ngx_llmops_webhook_first(wh);
    status = ngx_llmops_fetch_status(fetch);

    if (status < 200 || status >= 300) {
        ngx_llmops_webhook_failed(wh, m, status,
                                  ngx_llmops_fetch_error(fetch));
        return;
    }

    ngx_llmops_webhook_end(wh, m, 1);

    if (wh->length) {
        ngx_llmops_webhook_next(wh);
    }
}


/* not within a call of send(): the next one is sent by the timer */

static void
ngx_llmops_webhook_failed(ngx_llmops_webhook_t *wh, ngx_llmops_message_t *m,
    ngx_uint_t status, const char *error)
{
    ngx_uint_t  i;
    ngx_msec_t  wait;

    /* what the receiver refuses it will refuse again */

    if (m->tries < NGX_LLMOPS_WEBHOOK_TRIES
        && (status < 400 || status >= 500 || status == 408 || status == 429))
    {
        ngx_llmops_webhook_tell(wh, "has not taken a message, it is sent "
                                    "again", status, error);

        wait = NGX_LLMOPS_WEBHOOK_FIRST;

        for (i = 1; i < m->tries; i++) {
            wait *= 4;
        }

        ngx_add_timer(&wh->timer, wait);
        return;
    }

    ngx_llmops_webhook_tell(wh, "has not taken a message, it is given up",
                            status, error);

    ngx_llmops_webhook_end(wh, m, 0);

    if (wh->length) {
        ngx_add_timer(&wh->timer, 1);
    }
}


static void
ngx_llmops_webhook_timer(ngx_event_t *ev)
{
    ngx_llmops_webhook_t  *wh = ev->data;

    if (wh->length && wh->fetch == NULL) {
        ngx_llmops_webhook_next(wh);
    }
}


static void
ngx_llmops_webhook_end(ngx_llmops_webhook_t *wh, ngx_llmops_message_t *m,
    ngx_uint_t sent)
{
    ngx_queue_remove(&m->queue);
    wh->length--;

    ngx_free(m);

    wh->over(wh->data, sent);
}


/* once a minute */

static void
ngx_llmops_webhook_tell(ngx_llmops_webhook_t *wh, const char *what,
    ngx_uint_t status, const char *error)
{
    if (ngx_time() < wh->told + 60) {
        return;
    }

    wh->told = ngx_time();

    if (status) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "webhook \"%V\" %s: it answered %ui", &wh->url.url, what,
                      status);
        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0, "webhook \"%V\" %s: %s",
                  &wh->url.url, what, error ? error : "no answer");
}
