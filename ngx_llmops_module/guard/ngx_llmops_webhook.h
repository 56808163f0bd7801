
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_WEBHOOK_H_INCLUDED_
#define _NGX_LLMOPS_WEBHOOK_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_fetch.h"
#include "ngx_llmops_secret.h"


/*
 * Messages to a URL of the operator's, as JSON, signed.  They leave one after
 * the other, in the background; one that is not taken is sent again after a
 * while, and given up after a few times.
 */


/* headers of a message */
#define NGX_LLMOPS_WEBHOOK_ID         "x-llm-webhook-id"
#define NGX_LLMOPS_WEBHOOK_TIMESTAMP  "x-llm-webhook-timestamp"
#define NGX_LLMOPS_WEBHOOK_SIGNATURE  "x-llm-webhook-signature"


typedef struct ngx_llmops_webhook_s  ngx_llmops_webhook_t;

/* one counted for each message: sent, or given up */
typedef void (*ngx_llmops_webhook_pt)(void *data, ngx_uint_t sent);

struct ngx_llmops_webhook_s {
    ngx_llmops_fetch_url_t     url;
    ngx_llmops_secret_t        secret;     /* value.len 0: not signed */
    ngx_resolver_t            *resolver;
    ngx_llmops_webhook_pt      over;
    void                      *data;

    /* of this worker */
    ngx_queue_t                queue;      /* the first one is under way */
    ngx_uint_t                 length;
    ngx_llmops_fetch_t        *fetch;
    ngx_event_t                timer;      /* until the next try */
    time_t                     told;       /* when a failure was logged */
};


/* Per worker.  stop() forgets what has not been sent. */
void ngx_llmops_webhook_start(ngx_llmops_webhook_t *wh);
void ngx_llmops_webhook_stop(ngx_llmops_webhook_t *wh);

/* Queues a message, copied; id is the same for what says the same.  When the
   queue is full the message is given up. */
void ngx_llmops_webhook_send(ngx_llmops_webhook_t *wh, ngx_str_t *id,
    ngx_str_t *body);


#endif /* _NGX_LLMOPS_WEBHOOK_H_INCLUDED_ */
