
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ASK_EXCHANGE_H_INCLUDED_
#define _NGX_LLMOPS_ASK_EXCHANGE_H_INCLUDED_


#include "ngx_llmops_ask.h"


/* What ngx_llmops_ask.c, whose head explains it, shares with the exchanges
   that come of it. */


typedef struct {
    struct ngx_llmops_asking_s  *asking;
    ngx_llmops_ask_t          *ask;
    ngx_llmops_detached_t      d;
    ngx_llmops_fetch_t        *fetch;      /* under way, or NULL */
} ngx_llmops_asked_t;


struct ngx_llmops_asking_s {
    ngx_http_request_t        *request;    /* NULL: it is over */
    ngx_llmops_ctx_t          *ctx;        /* the same */
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_ask_pt          resume;
    ngx_llmops_rule_t         *broken;
    ngx_uint_t                 n;
    ngx_uint_t                 waiting;
    unsigned                   starting:1;
    unsigned                   silent:1;   /* broken, as nobody said anything */
    ngx_llmops_asked_t         asked[1];
};

typedef struct ngx_llmops_asking_s  ngx_llmops_asking_t;


/*
 * Asks all of asking->asked, which has been filled in; q is needed no longer
 * when it returns, and is NULL if there are no texts that could be asked
 * about.  asking->waiting is 0 if it is over already.  Otherwise
 * asking->resume(request) is called when it is, once; an asking without a
 * request frees itself instead.
 */
void ngx_llmops_ask_start(ngx_llmops_asking_t *asking, ngx_llmops_ctx_t *ctx,
    ngx_llmops_question_t *q);

/* Nobody is waited for any more; the asking is still the caller's to free. */
void ngx_llmops_ask_cancel(ngx_llmops_asking_t *asking);


#endif /* _NGX_LLMOPS_ASK_EXCHANGE_H_INCLUDED_ */
