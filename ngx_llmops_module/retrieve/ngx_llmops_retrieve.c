
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_index.h"
#include "ngx_llmops_lookup.h"
#include "ngx_llmops_retrieve.h"
#include "ngx_llmops_retrieve_query.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * A request's context.  It is looked for when it is known which prompt the
 * request has and that this one uses a context, and before the prompt is
 * applied: from then on it is part of the body that goes to a provider, so that
 * all that comes later (rules on the input, "ground", the cache's key, shadows)
 * sees it as if the caller had sent it.
 *
 * What is in a document is data.  It becomes a string of JSON, which nothing
 * that is in it can end; and the prompt writes it with & < > " escaped, so that
 * it cannot end an element that the template has put around it.
 *
 * It is bounded in time: what is not there in time is done without, or the
 * request is refused, as the route says.
 */


static ngx_int_t ngx_llmops_retrieve_begin(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_retrieve_conf_t *conf);
static ngx_int_t ngx_llmops_retrieve_ask(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_retrieve_conf_t *conf,
    ngx_str_t *query);
static ngx_int_t ngx_llmops_retrieve_filter(ngx_http_request_t *r,
    ngx_llmops_retrieve_conf_t *conf, ngx_str_t *filter);
static void ngx_llmops_retrieve_cleanup(void *data);
static void ngx_llmops_retrieve_found(ngx_llmops_lookup_t *l);
static ngx_int_t ngx_llmops_retrieve_end(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_retrieve_conf_t *conf,
    ngx_llmops_lookup_t *l);
static ngx_int_t ngx_llmops_retrieve_none(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_retrieve_conf_t *conf,
    ngx_llmops_retrieve_result_e result);
static void ngx_llmops_retrieve_count(ngx_llmops_retrieve_conf_t *conf,
    ngx_llmops_retrieve_result_e result);


#define NGX_LLMOPS_RETRIEVE_FILTER  2048


/* a lookup that is under way, of a request */

typedef struct {
    ngx_llmops_lookup_t        lookup;     /* first */
    ngx_http_request_t        *request;
    void                     (*resume)(ngx_http_request_t *r);
    unsigned                   found:1;
} ngx_llmops_retrieving_t;


ngx_int_t
ngx_llmops_retrieve(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    void (*resume)(ngx_http_request_t *r))
{
    ngx_int_t                    rc;
    ngx_llmops_retrieving_t     *ing;
    ngx_llmops_retrieve_conf_t  *conf = ctx->route->retrieve;

    if (conf == NULL || ctx->prompt == NULL || !ctx->prompt->context
        || (ctx->retrieved && ctx->retrieved->done))
    {
        return NGX_OK;
    }

    if (ctx->retrieved == NULL) {
        rc = ngx_llmops_retrieve_begin(r, ctx, conf);

        if (rc == NGX_AGAIN) {
            ing = ctx->retrieved->lookup;
            ing->resume = resume;
        }

        return rc;
    }

    ing = ctx->retrieved->lookup;

    return ing->found ? ngx_llmops_retrieve_end(r, ctx, conf, &ing->lookup)
                      : NGX_AGAIN;
}


static ngx_int_t
ngx_llmops_retrieve_begin(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_retrieve_conf_t *conf)
{
    ngx_int_t  rc;
    ngx_str_t  body, query;

    ctx->retrieved = ngx_pcalloc(r->pool, sizeof(ngx_llmops_retrieved_t));

    if (ctx->retrieved == NULL
        || ngx_llmops_body_memory(r, ctx, &body) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_str_set(&ctx->retrieved->context, "[]");

    rc = ngx_llmops_retrieve_query(r->pool, ctx, &body, &conf->query, &query);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED) {
        ngx_llmops_retrieve_count(conf, NGX_LLMOPS_RETRIEVE_NO_QUERY);
        ctx->retrieved->done = 1;
        return NGX_OK;
    }

    return ngx_llmops_retrieve_ask(r, ctx, conf, &query);
}


static ngx_int_t
ngx_llmops_retrieve_ask(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_retrieve_conf_t *conf, ngx_str_t *query)
{
    ngx_int_t                 rc;
    ngx_str_t                 filter;
    ngx_http_cleanup_t       *cln;
    ngx_llmops_lookup_t      *l;
    ngx_llmops_retrieving_t  *ing;

    rc = ngx_llmops_retrieve_filter(r, conf, &filter);

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED) {

        /* no document can have that value */

        ngx_llmops_retrieve_count(conf, NGX_LLMOPS_RETRIEVE_EMPTY);
        ctx->retrieved->done = 1;
        return NGX_OK;
    }

    cln = ngx_http_cleanup_add(r, sizeof(ngx_llmops_retrieving_t));
    if (cln == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ing = cln->data;
    ngx_memzero(ing, sizeof(ngx_llmops_retrieving_t));

    cln->handler = ngx_llmops_retrieve_cleanup;

    ing->request = r;
    ctx->retrieved->lookup = ing;

    l = &ing->lookup;

    l->mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);
    l->index = conf->index;
    l->from = ctx;
    l->pool = r->pool;
    l->log = r->connection->log;
    l->text = *query;
    l->top = conf->top;
    l->min = conf->min;
    l->filter = filter;
    l->timeout = conf->timeout;
    l->handler = ngx_llmops_retrieve_found;

    if (ngx_llmops_lookup(l) == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    return ngx_llmops_retrieve_end(r, ctx, conf, l);
}


/* NGX_OK, NGX_DECLINED: nothing can be found, NGX_ERROR */

static ngx_int_t
ngx_llmops_retrieve_filter(ngx_http_request_t *r,
    ngx_llmops_retrieve_conf_t *conf, ngx_str_t *filter)
{
    ngx_str_t            value;
    ngx_uint_t           i;
    ngx_llmops_where_t  *where;

    ngx_str_null(filter);

    if (conf->where.nelts == 0) {
        return NGX_OK;
    }

    filter->data = ngx_pnalloc(r->pool, NGX_LLMOPS_RETRIEVE_FILTER);
    if (filter->data == NULL) {
        return NGX_ERROR;
    }

    where = conf->where.elts;

    for (i = 0; i < conf->where.nelts; i++) {

        if (ngx_http_complex_value(r, &where[i].value, &value) != NGX_OK) {
            return NGX_ERROR;
        }

        /* a caller without a tenant is not one of the tenant "" */

        if (value.len == 0
            || ngx_llmops_lookup_where(filter, NGX_LLMOPS_RETRIEVE_FILTER,
                                       &where[i].key, &value)
               != NGX_OK)
        {
            return NGX_DECLINED;
        }
    }

    return NGX_OK;
}


static void
ngx_llmops_retrieve_cleanup(void *data)
{
    ngx_llmops_retrieving_t *ing = data;

    ngx_llmops_lookup_cancel(&ing->lookup);
}


static void
ngx_llmops_retrieve_found(ngx_llmops_lookup_t *l)
{
    ngx_connection_t         *c;
    ngx_http_request_t       *r;
    ngx_llmops_retrieving_t  *ing = (ngx_llmops_retrieving_t *) l;

    r = ing->request;
    c = r->connection;

    ing->found = 1;

    ngx_http_set_log_request(c->log, r);

    ing->resume(r);

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_llmops_retrieve_end(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_retrieve_conf_t *conf, ngx_llmops_lookup_t *l)
{
    ctx->retrieved->done = 1;

    if (l->result == NGX_LLMOPS_RETRIEVE_EMPTY) {
        return NGX_OK;
    }

    if (l->result != NGX_LLMOPS_RETRIEVE_FOUND) {
        return ngx_llmops_retrieve_none(r, ctx, conf, l->result);
    }

    return ngx_llmops_retrieve_context(r->pool, l, conf->max,
                                       &ctx->retrieved->context,
                                       &ctx->retrieved->sources)
           == NGX_OK ? NGX_OK : NGX_HTTP_INTERNAL_SERVER_ERROR;
}


static ngx_int_t
ngx_llmops_retrieve_none(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_retrieve_conf_t *conf, ngx_llmops_retrieve_result_e result)
{
    ngx_llmops_error_t  err;

    ngx_log_error(NGX_LOG_WARN, r->connection->log, 0,
                  "retrieve of llm_index \"%V\": %s, the request %s",
                  &conf->name,
                  result == NGX_LLMOPS_RETRIEVE_TIMEOUT
                  ? "nothing came in time"
                  : result == NGX_LLMOPS_RETRIEVE_UNSUPPORTED
                  ? "Redis has no vector sets, which Redis 8 has"
                  : "no vector of the query, or no Redis",
                  conf->closed ? "is refused" : "goes on without a context");

    ctx->retrieved->failed = 1;

    if (!conf->closed) {
        return NGX_OK;
    }

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    err.kind = NGX_LLMOPS_ERR_OVERLOADED;
    ngx_str_set(&err.code, "retrieval_unavailable");
    ngx_str_set(&err.message, "the documents that the answer is to be made "
                              "from cannot be searched now, retry later");

    return ngx_llmops_deny(r, ctx, &err, 1);
}


static void
ngx_llmops_retrieve_count(ngx_llmops_retrieve_conf_t *conf,
    ngx_llmops_retrieve_result_e result)
{
    if (conf->index->sh) {
        (void) ngx_atomic_fetch_add(&conf->index->sh->results[result], 1);
    }
}
