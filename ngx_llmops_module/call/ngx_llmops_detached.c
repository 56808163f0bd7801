
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_detached_request.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_metrics.h"
#include "ngx_llmops_account.h"
#include "ngx_llmops_call.h"


/*
 * Requests of the gateway's own.  Such a request is a main request of nginx on
 * a connection without a socket (ngx_llmops_detached_connection.c), so that
 * all of the call works on it as on any other, and nothing of it depends on
 * the request that caused it: neither a subrequest, which would have to end
 * before its parent, nor nginx's mirror, which gives the answer up at its
 * header and leaves its tokens paid for and uncounted.
 *
 * The engine below is what outlives the request: it keeps the answer and the
 * results, in memory of its own, until the handler has seen them.  Its ends:
 *
 *   the request is over     cleanup: results are taken, the event posted
 *   its time is up          the request is finalized, which leads there
 *   cancel()                d is forgotten, the event posted, and that event
 *                           finalizes the request
 *   worker_shutdown_timeout nginx calls the connection's handlers: the same
 *
 * The handler runs from a posted event: never inside the request that ended,
 * nor inside another one, nor before start() has returned.  The timer stays
 * set until then, so that a worker that is leaving waits for it.
 *
 * Invariants:  engine->request is set from a good start until the cleanup;
 * d->engine is set from a good start until the handler is called, or cancel();
 * bounds->n counts engines.
 */


#define NGX_LLMOPS_DETACHED_REQUESTS   256
#define NGX_LLMOPS_DETACHED_MEMORY     (64 * 1024 * 1024)
#define NGX_LLMOPS_DETACHED_SHARE      8       /* of worker_connections */


static ngx_int_t ngx_llmops_detached_admit(ngx_llmops_bounds_of_detached_t *b,
    ngx_llmops_detached_t *d, size_t bytes);
static ngx_llmops_purpose_t *ngx_llmops_detached_purpose(
    ngx_llmops_main_conf_t *mcf, ngx_llmops_detached_t *d);
static ngx_llmops_purpose_t *ngx_llmops_detached_purpose_add(
    ngx_llmops_main_conf_t *mcf, ngx_str_t *route, const char *purpose);
static ngx_llmops_detached_engine_t *ngx_llmops_detached_engine(
    ngx_llmops_main_conf_t *mcf, ngx_llmops_detached_t *d,
    ngx_llmops_purpose_t *purpose, size_t bytes);
static void ngx_llmops_detached_leave(ngx_llmops_detached_engine_t *e);
static void ngx_llmops_detached_free(ngx_llmops_detached_engine_t *e);
static void ngx_llmops_detached_results(ngx_llmops_detached_engine_t *e,
    ngx_llmops_ctx_t *ctx);
static void ngx_llmops_detached_timer(ngx_event_t *ev);
static void ngx_llmops_detached_expire(ngx_llmops_detached_engine_t *e);
static void ngx_llmops_detached_event(ngx_event_t *ev);
static char *ngx_llmops_detached_word(ngx_conf_t *cf,
    ngx_llmops_bounds_of_detached_t *b, ngx_str_t *word);


ngx_int_t
ngx_llmops_detached_start(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_detached_t *d)
{
    size_t                            bytes;
    ngx_int_t                         rc;
    ngx_llmops_purpose_t             *purpose;
    ngx_llmops_detached_engine_t     *e;
    ngx_llmops_bounds_of_detached_t  *b;

    b = mcf->detached;

    if (b == NULL || b->conf_ctx == NULL || ngx_terminate
        || (ngx_exiting && d->background))
    {
        return NGX_ERROR;
    }

    purpose = ngx_llmops_detached_purpose(mcf, d);
    if (purpose == NULL) {
        return NGX_ERROR;
    }

    bytes = d->body.len + d->max;

    if (ngx_llmops_detached_admit(b, d, bytes) != NGX_OK) {
        if (purpose->sh) {
            (void) ngx_atomic_fetch_add(&purpose->sh->dropped, 1);
        }

        return NGX_BUSY;
    }

    e = ngx_llmops_detached_engine(mcf, d, purpose, bytes);
    if (e == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_detached_request(e, d);

    if (rc != NGX_OK) {

        /* with a request its end frees the engine */

        d->engine = NULL;
        e->d = NULL;

        if (e->request == NULL && !e->event.posted) {
            ngx_llmops_detached_leave(e);
            ngx_llmops_detached_free(e);
        }

        return NGX_ERROR;
    }

    e->starting = 1;

    ngx_llmops_detached_go(e);

    e->starting = 0;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_detached_admit(ngx_llmops_bounds_of_detached_t *b,
    ngx_llmops_detached_t *d, size_t bytes)
{
    size_t      memory;
    ngx_uint_t  requests;

    requests = b->max_requests;
    memory = b->max_bytes;

    if (d->background) {
        requests = (requests + 1) / 2;
        memory /= 2;
    }

    return b->n < requests && bytes <= memory && b->bytes <= memory - bytes
           ? NGX_OK : NGX_BUSY;
}


static ngx_llmops_purpose_t *
ngx_llmops_detached_purpose(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_detached_t *d)
{
    ngx_str_t                         route;
    ngx_llmops_purpose_t             *p;
    ngx_llmops_bounds_of_detached_t  *b;

    b = mcf->detached;

    ngx_str_null(&route);

    if (d->route) {
        route = d->route->name;

    } else if (d->from && d->from->route) {
        route = d->from->route->name;

    } else if (d->target) {
        route = d->target->route->name;
    }

    for (p = b->purposes; p; p = p->next) {
        if (p->purpose == d->purpose && p->route.data == route.data
            && p->route.len == route.len)
        {
            return p;
        }
    }

    return ngx_llmops_detached_purpose_add(mcf, &route, d->purpose);
}


/* names of routes and purposes are of the configuration: a bounded number */

static ngx_llmops_purpose_t *
ngx_llmops_detached_purpose_add(ngx_llmops_main_conf_t *mcf, ngx_str_t *route,
    const char *purpose)
{
    u_char                           *p;
    ngx_llmops_purpose_t             *added;
    ngx_llmops_bounds_of_detached_t  *b;

    b = mcf->detached;

    added = ngx_pcalloc(ngx_cycle->pool, sizeof(ngx_llmops_purpose_t));
    p = ngx_pnalloc(ngx_cycle->pool,
                    route->len + 1 + ngx_strlen(purpose));
    if (added == NULL || p == NULL) {
        return NULL;
    }

    added->route = *route;
    added->purpose = purpose;
    added->label.data = p;

    if (route->len) {
        p = ngx_cpymem(p, route->data, route->len);
        *p++ = ':';
    }

    p = ngx_cpymem(p, purpose, ngx_strlen(purpose));
    added->label.len = p - added->label.data;

    added->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_PURPOSE,
                                     &added->label,
                                     sizeof(ngx_llmops_purpose_sh_t));

    added->next = b->purposes;
    b->purposes = added;

    return added;
}


static ngx_llmops_detached_engine_t *
ngx_llmops_detached_engine(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_detached_t *d, ngx_llmops_purpose_t *purpose, size_t bytes)
{
    ngx_llmops_detached_engine_t     *e;
    ngx_llmops_bounds_of_detached_t  *b;

    e = ngx_calloc(sizeof(ngx_llmops_detached_engine_t), ngx_cycle->log);
    if (e == NULL) {
        return NULL;
    }

    e->d = d;
    e->mcf = mcf;
    e->purpose = purpose;
    e->bytes = bytes;

    ngx_llmops_out_init(&e->answer, d->max);

    e->timer.handler = ngx_llmops_detached_timer;
    e->timer.data = e;
    e->timer.log = ngx_cycle->log;

    e->event.handler = ngx_llmops_detached_event;
    e->event.data = e;
    e->event.log = ngx_cycle->log;

    b = mcf->detached;
    b->n++;
    b->bytes += bytes;

    ngx_llmops_metrics_detached(mcf, b->n);

    d->engine = e;

    return e;
}


/* it counts no more; d may be started anew */

static void
ngx_llmops_detached_leave(ngx_llmops_detached_engine_t *e)
{
    ngx_llmops_bounds_of_detached_t  *b;

    b = e->mcf->detached;
    b->n--;
    b->bytes -= e->bytes;

    ngx_llmops_metrics_detached(e->mcf, b->n);

    if (e->timer.timer_set) {
        ngx_del_timer(&e->timer);
    }

    if (e->event.posted) {
        ngx_delete_posted_event(&e->event);
    }
}


static void
ngx_llmops_detached_free(ngx_llmops_detached_engine_t *e)
{
    ngx_llmops_out_free(&e->answer);
    ngx_free(e);
}


void
ngx_llmops_detached_cancel(ngx_llmops_detached_t *d)
{
    ngx_llmops_detached_engine_t  *e;

    e = d->engine;

    if (e == NULL) {
        return;
    }

    d->engine = NULL;
    e->d = NULL;

    if (!e->event.posted) {
        ngx_post_event(&e->event, &ngx_posted_events);
    }
}


/* the request's first cleanup handler, hence the last to be called */

void
ngx_llmops_detached_over(void *data)
{
    ngx_llmops_ctx_t *ctx = data;

    ngx_llmops_detached_engine_t  *e;

    e = ctx->detached;

    if (e == NULL) {
        return;
    }

    if (!ctx->accounted) {
        ngx_llmops_account(e->mcf, ctx);
        ngx_llmops_metrics_account(e->mcf, ctx);
    }

    if (e->d) {
        ngx_llmops_detached_results(e, ctx);
    }

    ctx->accounted = 1;
    ctx->detached = NULL;
    e->request = NULL;

    if (e->starting) {

        /*
         * It has failed at once.  Not posted: who tries again from the
         * handler, and fails again, must not keep the event loop from turning.
         */

        if (e->timer.timer_set) {
            ngx_del_timer(&e->timer);
        }

        ngx_add_timer(&e->timer, 1);
        return;
    }

    if (!e->event.posted) {
        ngx_post_event(&e->event, &ngx_posted_events);
    }
}


static void
ngx_llmops_detached_results(ngx_llmops_detached_engine_t *e,
    ngx_llmops_ctx_t *ctx)
{
    ngx_http_request_t     *r;
    ngx_llmops_detached_t  *d;

    d = e->d;
    r = e->request;

    d->status = r->header_sent ? r->headers_out.status : 0;
    d->error = ctx->error;

    if (e->timedout) {
        d->error = NGX_LLMOPS_ERR_TIMEOUT;

    } else if (d->error == NGX_LLMOPS_ERR_NONE
               && (d->status == 0 || d->status >= NGX_HTTP_SPECIAL_RESPONSE))
    {
        d->error = NGX_LLMOPS_ERR_UPSTREAM;
    }

    d->meter = ctx->meter;
    d->cost = ctx->cost;
    d->first_token = ctx->call.streaming ? ctx->first_token : (ngx_msec_t) -1;
    d->total = ngx_current_msec - ctx->start;
    d->attempts = ctx->call.attempts;
    d->answered = ctx->target;
    d->broken = (ctx->call.fail == NGX_LLMOPS_FAIL_CHECK);
    d->truncated = e->truncated;

    d->answer.data = e->answer.data;
    d->answer.len = e->answer.len;
}


static void
ngx_llmops_detached_timer(ngx_event_t *ev)
{
    ngx_llmops_detached_engine_t *e = ev->data;

    if (e->request == NULL) {
        ngx_llmops_detached_event(&e->event);
        return;
    }

    ngx_llmops_detached_expire(e);
}


/*
 * Its time is up.  A provider that has let it pass without a byte has failed,
 * as one that its own timeouts end.
 */

static void
ngx_llmops_detached_expire(ngx_llmops_detached_engine_t *e)
{
    ngx_llmops_ctx_t  *ctx;

    ctx = ngx_http_get_module_ctx(e->request, ngx_llmops_module);

    e->timedout = 1;
    ctx->error = NGX_LLMOPS_ERR_TIMEOUT;

    if (ctx->call.counted && !ctx->call.committed) {
        ctx->call.fail = NGX_LLMOPS_FAIL_TOTAL;

        ngx_llmops_target_failed(ctx->target, 0, 0);
        ngx_llmops_metrics_attempt(ctx, ctx->target, 0,
                                   NGX_LLMOPS_FAIL_TOTAL);
    }

    ngx_llmops_detached_abort(e->request);
}


/* what is left to do: to abort the request, or to hand the results over */

static void
ngx_llmops_detached_event(ngx_event_t *ev)
{
    ngx_llmops_detached_t         *d;
    ngx_llmops_detached_engine_t  *e = ev->data;

    if (e->request) {

        /* cancelled; its end posts the event again */

        ngx_llmops_detached_abort(e->request);
        return;
    }

    ngx_llmops_detached_leave(e);

    d = e->d;

    if (d) {
        d->engine = NULL;
        d->handler(d);
    }

    ngx_llmops_detached_free(e);
}


ngx_int_t
ngx_llmops_detached_init(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                        most;
    ngx_llmops_bounds_of_detached_t  *b;

    b = mcf->detached;

    if (b == NULL) {
        b = ngx_pcalloc(cycle->pool, sizeof(ngx_llmops_bounds_of_detached_t));
        if (b == NULL) {
            return NGX_ERROR;
        }

        mcf->detached = b;
    }

    if (b->max_requests == 0) {
        most = ngx_max(cycle->connection_n / NGX_LLMOPS_DETACHED_SHARE, 1);
        b->max_requests = ngx_min(most, NGX_LLMOPS_DETACHED_REQUESTS);
    }

    if (b->max_bytes == 0) {
        b->max_bytes = NGX_LLMOPS_DETACHED_MEMORY;
    }

    return ngx_llmops_detached_conf(cycle, b);
}


char *
ngx_llmops_detached_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    ngx_str_t                        *value;
    ngx_uint_t                        i;
    ngx_llmops_bounds_of_detached_t  *b;

    if (mcf->detached) {
        return "is duplicate";
    }

    b = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_bounds_of_detached_t));
    if (b == NULL) {
        return NGX_CONF_ERROR;
    }

    mcf->detached = b;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {
        if (ngx_llmops_detached_word(cf, b, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_detached_word(ngx_conf_t *cf, ngx_llmops_bounds_of_detached_t *b,
    ngx_str_t *word)
{
    ssize_t           n;
    ngx_llmops_arg_t  arg;

    if (ngx_llmops_arg_read(word, &arg) != NGX_OK) {
        ngx_str_null(&arg.name);
    }

    if (ngx_llmops_arg_is(&arg, "requests") && b->max_requests == 0) {
        n = ngx_atoi(arg.value.data, arg.value.len);

        if (n > 0) {
            b->max_requests = n;
            return NGX_CONF_OK;
        }

    } else if (ngx_llmops_arg_is(&arg, "memory") && b->max_bytes == 0) {
        n = ngx_parse_size(&arg.value);

        if (n > 0) {
            b->max_bytes = n;
            return NGX_CONF_OK;
        }
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid or duplicate parameter \"%V\", write "
                       "\"llm_detached requests=256 memory=64m;\"", word);
    return NGX_CONF_ERROR;
}
