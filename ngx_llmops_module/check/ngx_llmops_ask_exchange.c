
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_ask_exchange.h"
#include "ngx_llmops_error.h"

#include <openssl/rand.h>


/*
 * One question to all who are asked: what is sent to each, what each of them
 * says, and when it is over.
 */


#define NGX_LLMOPS_ASK_BODY     (16 * 1024 * 1024)
#define NGX_LLMOPS_ASK_ANSWER   65536
#define NGX_LLMOPS_ASK_TOKEN    "Authorization: Bearer "


static ngx_int_t ngx_llmops_ask_one(ngx_llmops_asked_t *asked,
    ngx_llmops_ctx_t *ctx, ngx_llmops_question_t *q);
static ngx_int_t ngx_llmops_ask_model(ngx_llmops_asked_t *asked,
    ngx_llmops_ctx_t *ctx, ngx_str_t *body);
static ngx_int_t ngx_llmops_ask_server(ngx_llmops_asked_t *asked,
    ngx_str_t *body);
static void ngx_llmops_ask_model_done(ngx_llmops_detached_t *d);
static void ngx_llmops_ask_server_done(ngx_llmops_fetch_t *fetch);
static void ngx_llmops_ask_said(ngx_llmops_asked_t *asked,
    ngx_llmops_says_e says, const char *why);
static void ngx_llmops_ask_failed(ngx_llmops_asking_t *asking,
    ngx_llmops_ask_t *ask);
static void ngx_llmops_ask_over(ngx_llmops_asking_t *asking);


/* q is NULL if there are no texts that could be asked about */

void
ngx_llmops_ask_start(ngx_llmops_asking_t *asking, ngx_llmops_ctx_t *ctx,
    ngx_llmops_question_t *q)
{
    ngx_uint_t           i;
    ngx_llmops_asked_t  *asked;

    asking->starting = 1;
    asking->waiting = asking->n;

    for (i = 0; i < asking->n && asking->broken == NULL; i++) {
        asked = &asking->asked[i];

        if (q == NULL) {
            ngx_llmops_ask_said(asked, NGX_LLMOPS_SAYS_NOTHING,
                                "the text is too long or cannot be read");

        } else if (ngx_llmops_ask_one(asked, ctx, q) != NGX_OK) {
            ngx_llmops_ask_said(asked, NGX_LLMOPS_SAYS_NOTHING,
                                "it could not be sent");
        }
    }

    asking->starting = 0;

    if (asking->broken) {
        ngx_llmops_ask_cancel(asking);
    }
}


static ngx_int_t
ngx_llmops_ask_one(ngx_llmops_asked_t *asked, ngx_llmops_ctx_t *ctx,
    ngx_llmops_question_t *q)
{
    u_char            random[8], boundary[16];
    ngx_int_t         rc;
    ngx_str_t         body;
    ngx_llmops_out_t  out;

    if (RAND_bytes(random, sizeof(random)) != 1) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(boundary, random, sizeof(random));

    ngx_llmops_out_init(&out, NGX_LLMOPS_ASK_BODY);
    ngx_llmops_ask_body(asked->ask, q, boundary, &out);

    body.data = out.data;
    body.len = out.len;

    if (out.failed) {
        rc = NGX_ERROR;

    } else if (asked->ask->kind == NGX_LLMOPS_ASK_WEBHOOK) {
        rc = ngx_llmops_ask_server(asked, &body);

    } else {
        rc = ngx_llmops_ask_model(asked, ctx, &body);
    }

    ngx_llmops_out_free(&out);

    return rc;
}


static ngx_int_t
ngx_llmops_ask_model(ngx_llmops_asked_t *asked, ngx_llmops_ctx_t *ctx,
    ngx_str_t *body)
{
    ngx_llmops_detached_t  *d;

    d = &asked->d;

    d->target = asked->ask->target;
    d->from = ctx;
    d->body = *body;
    d->max = NGX_LLMOPS_ASK_ANSWER;
    d->timeout = asked->ask->timeout;
    d->background = asked->ask->after;
    d->handler = ngx_llmops_ask_model_done;
    d->data = asked;

    if (asked->ask->kind == NGX_LLMOPS_ASK_JUDGE) {
        ngx_str_set(&d->path, "/v1/chat/completions");
        d->purpose = "judge";

    } else {
        ngx_str_set(&d->path, "/v1/moderations");
        d->purpose = "moderation";
    }

    return ngx_llmops_detached_start(asked->asking->mcf, d) == NGX_OK
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_ask_server(ngx_llmops_asked_t *asked, ngx_str_t *body)
{
    u_char             line[sizeof(NGX_LLMOPS_ASK_TOKEN CRLF)
                            + NGX_LLMOPS_SECRET_MAX];
    ngx_str_t          headers;
    ngx_llmops_ask_t  *ask;

    ask = asked->ask;

    headers.data = line;
    headers.len = 0;

    if (ask->token.value.len) {
        headers.len = ngx_snprintf(line, sizeof(line), "%s%V" CRLF,
                                   NGX_LLMOPS_ASK_TOKEN, &ask->token.value)
                      - line;
    }

    asked->fetch = ngx_llmops_fetch(&ask->url, ask->resolver, &headers, body,
                                    NGX_LLMOPS_ASK_ANSWER, ask->timeout,
                                    ngx_llmops_ask_server_done, asked);

    ngx_explicit_memzero(line, sizeof(line));

    return asked->fetch ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_ask_model_done(ngx_llmops_detached_t *d)
{
    ngx_llmops_asked_t  *asked = d->data;

    if (d->error != NGX_LLMOPS_ERR_NONE || d->truncated) {
        ngx_llmops_ask_said(asked, NGX_LLMOPS_SAYS_NOTHING,
                            d->truncated ? "its answer is too long"
                            : (char *) ngx_llmops_error_names[d->error].data);
        return;
    }

    ngx_llmops_ask_said(asked, ngx_llmops_ask_says(asked->ask, &d->answer),
                        "its answer is no verdict");
}


static void
ngx_llmops_ask_server_done(ngx_llmops_fetch_t *fetch)
{
    const char          *error;
    ngx_uint_t           status;
    ngx_llmops_asked_t  *asked;

    asked = ngx_llmops_fetch_data(fetch);
    asked->fetch = NULL;

    status = ngx_llmops_fetch_status(fetch);

    if (status != NGX_HTTP_OK) {
        error = status ? "its status is not 200"
                       : ngx_llmops_fetch_error(fetch);

        ngx_llmops_ask_said(asked, NGX_LLMOPS_SAYS_NOTHING, error);
        return;
    }

    ngx_llmops_ask_said(asked,
                        ngx_llmops_ask_says(asked->ask,
                                            ngx_llmops_fetch_body(fetch)),
                        "its answer is no verdict");
}


/* asking, and the request, may be gone when it returns */

static void
ngx_llmops_ask_said(ngx_llmops_asked_t *asked, ngx_llmops_says_e says,
    const char *why)
{
    ngx_llmops_ask_t     *ask;
    ngx_llmops_asking_t  *asking;

    ask = asked->ask;
    asking = asked->asking;

    asking->waiting--;

    if (ask->sh) {
        (void) ngx_atomic_fetch_add(&ask->sh->says[says], 1);
    }

    if (says == NGX_LLMOPS_SAYS_NOTHING) {
        ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                      "rule \"%V\" asked \"%V\" in vain: %s", &ask->rule.name,
                      &ask->whom, why);
    }

    if (says == NGX_LLMOPS_SAYS_FAIL
        || (says == NGX_LLMOPS_SAYS_NOTHING && !ask->fail_open
            && !ask->after))
    {
        asking->silent = (says == NGX_LLMOPS_SAYS_NOTHING);
        ngx_llmops_ask_failed(asking, ask);
    }

    if (!asking->starting && (asking->broken || asking->waiting == 0)) {
        ngx_llmops_ask_over(asking);
    }
}


static void
ngx_llmops_ask_failed(ngx_llmops_asking_t *asking, ngx_llmops_ask_t *ask)
{
    ngx_llmops_rule_sh_t  *sh;

    if (ask->rule.action != NGX_LLMOPS_ACT_MARK) {
        asking->broken = &ask->rule;
        return;
    }

    if (asking->ctx) {
        ngx_llmops_rules_note(asking->ctx, &ask->rule, NGX_LLMOPS_ACT_MARK,
                              ask->input);
        return;
    }

    sh = ask->rule.data;

    if (sh) {
        (void) ngx_atomic_fetch_add(&sh->count[NGX_LLMOPS_ACT_MARK], 1);
    }
}


static void
ngx_llmops_ask_over(ngx_llmops_asking_t *asking)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    ngx_llmops_ask_cancel(asking);

    r = asking->request;

    if (r == NULL) {
        ngx_free(asking);
        return;
    }

    c = r->connection;

    asking->resume(r);
    ngx_http_run_posted_requests(c);
}


void
ngx_llmops_ask_cancel(ngx_llmops_asking_t *asking)
{
    ngx_uint_t  i;

    for (i = 0; i < asking->n; i++) {
        ngx_llmops_detached_cancel(&asking->asked[i].d);

        if (asking->asked[i].fetch) {
            ngx_llmops_fetch_cancel(asking->asked[i].fetch);
            asking->asked[i].fetch = NULL;
        }
    }

    asking->waiting = 0;
}
