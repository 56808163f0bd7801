
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"


/*
 * A request that waits stands in its phase, as with limit_req: its events are
 * those of a client that may leave, and the handler is run again when the
 * answer has come.  The timer is no more than a net below those of the store
 * and of key sets; it also keeps a worker that exits from going before the
 * request has gone.
 */


#define NGX_LLMOPS_AUTH_WAIT    20000      /* ms: the end of all waiting */


static void ngx_llmops_auth_timeout(ngx_event_t *ev);
static void ngx_llmops_auth_stop_asking(ngx_llmops_auth_t *a);


ngx_int_t
ngx_llmops_auth_suspend(ngx_llmops_auth_t *a)
{
    ngx_event_t         *rev;
    ngx_http_request_t  *r;

    r = a->request;
    rev = r->connection->read;

    r->read_event_handler = ngx_http_test_reading;
    r->write_event_handler = ngx_http_request_empty_handler;

    if (rev->ready) {
        ngx_post_event(rev, &ngx_posted_events);

    } else if (ngx_handle_read_event(rev, 0) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (!a->timer.timer_set) {
        a->timer.handler = ngx_llmops_auth_timeout;
        a->timer.data = a;
        a->timer.log = r->connection->log;

        ngx_add_timer(&a->timer, NGX_LLMOPS_AUTH_WAIT);
    }

    return NGX_AGAIN;
}


static void
ngx_llmops_auth_timeout(ngx_event_t *ev)
{
    ngx_llmops_auth_t *a = ev->data;

    ngx_llmops_auth_stop_asking(a);

    a->verdict = NGX_LLMOPS_AUTH_UNAVAILABLE;

    ngx_llmops_auth_resume(a);
}


void
ngx_llmops_auth_resume(ngx_llmops_auth_t *a)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = a->request;
    c = r->connection;

    if (a->timer.timer_set) {
        ngx_del_timer(&a->timer);
    }

    ngx_http_set_log_request(c->log, r);

    if (ngx_handle_read_event(c->read, 0) != NGX_OK) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        ngx_http_run_posted_requests(c);
        return;
    }

    r->read_event_handler = ngx_http_block_reading;
    r->write_event_handler = ngx_http_core_run_phases;

    ngx_http_core_run_phases(r);

    ngx_http_run_posted_requests(c);
}


static void
ngx_llmops_auth_stop_asking(ngx_llmops_auth_t *a)
{
    ngx_llmops_main_conf_t  *mcf;

    if (a->asking) {
        a->asking = 0;

        mcf = ngx_http_get_module_main_conf(a->request, ngx_llmops_module);
        ngx_llmops_store_forget(mcf->store, &a->op);
    }

    if (a->waiting) {
        ngx_llmops_jwt_leave(a);
    }
}


void
ngx_llmops_auth_cleanup(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_auth_t  *a;

    a = ctx->auth;

    if (a == NULL) {
        return;
    }

    ngx_llmops_auth_stop_asking(a);

    if (a->timer.timer_set) {
        ngx_del_timer(&a->timer);
    }
}


void
ngx_llmops_auth_release(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_identity_release(ctx->identity);
    ctx->identity = NULL;

    if (ctx->auth) {
        ngx_llmops_auth_wipe(ctx->auth);
    }
}
