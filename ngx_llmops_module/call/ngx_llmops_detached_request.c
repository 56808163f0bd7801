
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_detached_request.h"
#include "ngx_llmops_handler.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_auth.h"
#include "ngx_llmops_call.h"


/*
 * The request: from what is asked to a plan, and its end.  Its connection is
 * that of ngx_llmops_detached_connection.c.
 *
 * It runs in a copy of the first server's configuration: its logs, its pools
 * and timeouts hold, but not what concerns callers.  An error_page, an access
 * log or a post_action of the user's must not see it.
 */


static void *ngx_llmops_detached_core_conf(ngx_cycle_t *cycle, void *conf);
static void *ngx_llmops_detached_own_conf(ngx_cycle_t *cycle, void *conf);
static ngx_int_t ngx_llmops_detached_context(ngx_http_request_t *r,
    ngx_llmops_detached_engine_t *e, ngx_llmops_detached_t *d);
static ngx_int_t ngx_llmops_detached_fill(ngx_http_request_t *r,
    ngx_llmops_detached_t *d);
static ngx_int_t ngx_llmops_detached_body(ngx_http_request_t *r,
    ngx_llmops_detached_t *d);
static ngx_int_t ngx_llmops_detached_headers(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_detached_t *d);
static ngx_table_elt_t *ngx_llmops_detached_header(ngx_http_request_t *r,
    ngx_str_t *name, ngx_str_t *value);
static ngx_int_t ngx_llmops_detached_plan(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_detached_t *d);


static ngx_str_t  ngx_llmops_detached_version
    = ngx_string("anthropic-version");
static ngx_str_t  ngx_llmops_detached_version_value
    = ngx_string("2023-06-01");


ngx_int_t
ngx_llmops_detached_conf(ngx_cycle_t *cycle,
    ngx_llmops_bounds_of_detached_t *b)
{
    void                       **loc;
    ngx_uint_t                   core, own;
    ngx_http_conf_ctx_t         *http, *ctx;
    ngx_http_core_srv_conf_t   **servers;
    ngx_http_core_main_conf_t   *cmcf;

    http = (ngx_http_conf_ctx_t *) cycle->conf_ctx[ngx_http_module.index];

    core = ngx_http_core_module.ctx_index;
    own = ngx_llmops_module.ctx_index;

    cmcf = http->main_conf[core];

    if (cmcf->servers.nelts == 0) {
        return NGX_OK;
    }

    servers = cmcf->servers.elts;

    ctx = ngx_palloc(cycle->pool, sizeof(ngx_http_conf_ctx_t));
    loc = ngx_palloc(cycle->pool, ngx_http_max_module * sizeof(void *));

    b->addr_conf = ngx_pcalloc(cycle->pool, sizeof(ngx_http_addr_conf_t));

    if (ctx == NULL || loc == NULL || b->addr_conf == NULL) {
        return NGX_ERROR;
    }

    *ctx = *servers[0]->ctx;

    ngx_memcpy(loc, ctx->loc_conf, ngx_http_max_module * sizeof(void *));

    loc[core] = ngx_llmops_detached_core_conf(cycle, loc[core]);
    loc[own] = ngx_llmops_detached_own_conf(cycle, loc[own]);

    if (loc[core] == NULL || loc[own] == NULL) {
        return NGX_ERROR;
    }

    ctx->loc_conf = loc;

    b->conf_ctx = ctx;
    b->addr_conf->default_server = servers[0];

    return NGX_OK;
}


static void *
ngx_llmops_detached_core_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_http_core_loc_conf_t  *clcf;

    clcf = ngx_palloc(cycle->pool, sizeof(ngx_http_core_loc_conf_t));
    if (clcf == NULL) {
        return NULL;
    }

    *clcf = *(ngx_http_core_loc_conf_t *) conf;

    clcf->handler = NULL;
    clcf->error_pages = NULL;
    ngx_str_null(&clcf->post_action);
    clcf->lingering_close = NGX_HTTP_LINGERING_OFF;
    clcf->reset_timedout_connection = 0;
    clcf->send_lowat = 0;

    return clcf;
}


static void *
ngx_llmops_detached_own_conf(ngx_cycle_t *cycle, void *conf)
{
    ngx_llmops_loc_conf_t  *llcf;

    llcf = ngx_palloc(cycle->pool, sizeof(ngx_llmops_loc_conf_t));
    if (llcf == NULL) {
        return NULL;
    }

    *llcf = *(ngx_llmops_loc_conf_t *) conf;

    llcf->route = NULL;
    llcf->fixed = NULL;
    llcf->auth = NULL;

    return llcf;
}


ngx_int_t
ngx_llmops_detached_request(ngx_llmops_detached_engine_t *e,
    ngx_llmops_detached_t *d)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    c = ngx_llmops_detached_connection(e, d);
    if (c == NULL) {
        return NGX_ERROR;
    }

    r = ngx_http_create_request(c);
    if (r == NULL) {
        ngx_llmops_detached_close(c);
        return NGX_ERROR;
    }

#if (NGX_STAT_STUB)
    (void) ngx_atomic_fetch_add(ngx_stat_active, 1);
#endif

    c->data = r;
    r->logged = 1;                              /* by none of the LOG phase */

    if (ngx_llmops_detached_fill(r, d) != NGX_OK
        || ngx_llmops_detached_context(r, e, d) != NGX_OK)
    {
        ngx_llmops_detached_abort(r);
        return NGX_ERROR;
    }

    ngx_add_timer(&e->timer, d->timeout);

    return NGX_OK;
}


void
ngx_llmops_detached_abort(ngx_http_request_t *r)
{
    ngx_connection_t  *c;

    c = r->connection;

    /* the upstream's cleanup finalizes it once more; the end is posted */

    r->main->count++;

    ngx_http_finalize_request(r, NGX_ERROR);
    ngx_http_run_posted_requests(c);
}


void
ngx_llmops_detached_go(ngx_llmops_detached_engine_t *e)
{
    ngx_int_t            rc;
    ngx_connection_t    *c;
    ngx_llmops_ctx_t    *ctx;
    ngx_http_request_t  *r;

    r = e->request;
    c = r->connection;
    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    rc = ngx_llmops_handler_targets(r, ctx);

    if (rc == NGX_OK) {
        ngx_llmops_call_start(r, ctx);

    } else {
        ngx_http_finalize_request(r, rc);
    }

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_llmops_detached_fill(ngx_http_request_t *r, ngx_llmops_detached_t *d)
{
    ngx_http_core_srv_conf_t  *cscf;

    r->uri.len = d->path.len;
    r->uri.data = ngx_pstrdup(r->pool, &d->path);
    r->request_line.len = sizeof("POST ") - 1 + d->path.len;
    r->request_line.data = ngx_pnalloc(r->pool, r->request_line.len);

    if (r->uri.data == NULL || r->request_line.data == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(ngx_cpymem(r->request_line.data, "POST ", 5), d->path.data,
               d->path.len);

    if (d->from && d->headers && d->from->request->args.len) {
        r->args.len = d->from->request->args.len;
        r->args.data = ngx_pstrdup(r->pool, &d->from->request->args);

        if (r->args.data == NULL) {
            return NGX_ERROR;
        }
    }

    cscf = ngx_http_get_module_srv_conf(r, ngx_http_core_module);

    r->unparsed_uri = r->uri;
    r->method = NGX_HTTP_POST;
    ngx_str_set(&r->method_name, "POST");
    ngx_str_set(&r->http_protocol, "HTTP/1.1");
    r->http_version = NGX_HTTP_VERSION_11;
    r->headers_in.server = cscf->server_name;
    r->headers_in.content_length_n = d->body.len;

    r->http_state = NGX_HTTP_PROCESS_REQUEST_STATE;
    r->internal = 1;
    r->write_event_handler = ngx_http_request_empty_handler;

    return ngx_llmops_detached_body(r, d);
}


static ngx_int_t
ngx_llmops_detached_body(ngx_http_request_t *r, ngx_llmops_detached_t *d)
{
    ngx_buf_t                *b;
    ngx_chain_t              *cl;
    ngx_http_request_body_t  *rb;

    rb = ngx_pcalloc(r->pool, sizeof(ngx_http_request_body_t));
    cl = ngx_alloc_chain_link(r->pool);
    b = ngx_create_temp_buf(r->pool, d->body.len + 1);

    if (rb == NULL || cl == NULL || b == NULL) {
        return NGX_ERROR;
    }

    b->last = ngx_cpymem(b->pos, d->body.data, d->body.len);
    b->last_buf = 1;

    cl->buf = b;
    cl->next = NULL;

    rb->bufs = cl;
    rb->received = d->body.len;

    r->request_body = rb;
    r->preserve_body = 1;

    return NGX_OK;
}


/* from here on e->request is set, and the request's end is the engine's */

static ngx_int_t
ngx_llmops_detached_context(ngx_http_request_t *r,
    ngx_llmops_detached_engine_t *e, ngx_llmops_detached_t *d)
{
    ngx_llmops_ctx_t    *ctx;
    ngx_http_cleanup_t  *cln;

    cln = ngx_http_cleanup_add(r, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    ctx = ngx_llmops_ctx_create(r);
    if (ctx == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_ctx_left(r, ctx);        /* it is no caller's */

    ctx->detached = e;
    e->request = r;

    cln->handler = ngx_llmops_detached_over;
    cln->data = ctx;

    if (d->from && d->from->identity) {
        ctx->identity = ngx_llmops_identity_hold(d->from->identity);
    }

    if (ngx_llmops_detached_headers(r, ctx, d) == NGX_OK
        && ngx_llmops_read_detached(r, ctx) == NGX_OK
        && ngx_llmops_detached_plan(r, ctx, d) == NGX_OK)
    {
        return NGX_OK;
    }

    ctx->accounted = 1;

    ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                  "detached request could not be made: %V",
                  ctx->refusal ? &ctx->refusal->message : &d->path);

    return NGX_ERROR;
}


static ngx_int_t
ngx_llmops_detached_headers(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_detached_t *d)
{
    ngx_table_elt_t    *h, *copy;
    ngx_llmops_walk_t   w;

    if (ngx_list_init(&r->headers_in.headers, r->pool, 8,
                      sizeof(ngx_table_elt_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (d->from == NULL || !d->headers) {
        return NGX_OK;
    }

    for (h = ngx_llmops_header_first(&w,
                                     &d->from->request->headers_in.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        copy = ngx_llmops_detached_header(r, &h->key, &h->value);
        if (copy == NULL) {
            return NGX_ERROR;
        }

        if (h == d->from->request->headers_in.content_type) {
            r->headers_in.content_type = copy;
        }
    }

    return NGX_OK;
}


static ngx_table_elt_t *
ngx_llmops_detached_header(ngx_http_request_t *r, ngx_str_t *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_in.headers);
    if (h == NULL) {
        return NULL;
    }

    ngx_memzero(h, sizeof(ngx_table_elt_t));

    h->key.len = name->len;
    h->key.data = ngx_pstrdup(r->pool, name);
    h->value.len = value->len;
    h->value.data = ngx_pnalloc(r->pool, value->len + 1);
    h->lowcase_key = ngx_pnalloc(r->pool, name->len);

    if (h->key.data == NULL || h->value.data == NULL
        || h->lowcase_key == NULL)
    {
        return NULL;
    }

    *ngx_cpymem(h->value.data, value->data, value->len) = '\0';

    h->hash = ngx_hash_strlow(h->lowcase_key, h->key.data, h->key.len);

    return h;
}


static ngx_int_t
ngx_llmops_detached_plan(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_detached_t *d)
{
    /* their SDKs send it, their API demands it */

    if (ctx->env.dialect == &ngx_llmops_anthropic
        && ngx_llmops_header_in(r, "anthropic-version",
                                sizeof("anthropic-version") - 1)
           == NULL
        && ngx_llmops_detached_header(r, &ngx_llmops_detached_version,
                                      &ngx_llmops_detached_version_value)
           == NULL)
    {
        return NGX_ERROR;
    }

    ctx->route = d->target ? d->target->route : d->route;

    return d->target ? ngx_llmops_plan_target(r, ctx, d->target)
                     : ngx_llmops_plan_make(r, ctx, d->route);
}
