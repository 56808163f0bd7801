
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_own.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_retrieve.h"


/*
 * From a request to its key.  The body is the one that goes to a provider: what
 * a prompt has added and a rule has redacted is in it.  Beside it stand the
 * caller's dialect, in which answers are kept, the arguments and headers that
 * a provider gets to see and may heed, the route in its present version, and
 * the scope.  So no answer crosses a scope, whatever else is equal.
 */


static ngx_int_t ngx_llmops_cache_asked(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_cached_t *cached,
    ngx_llmops_cache_question_t *q, ngx_str_t *parts);
static ngx_int_t ngx_llmops_cache_compute(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_cache_question_t *q);
static ngx_int_t ngx_llmops_cache_headers(ngx_http_request_t *r,
    size_t size, ngx_str_t *all);


/* one after the other: a worker computes one key at a time */

static ngx_llmops_cache_scratch_t  ngx_llmops_cache_scratch;


static const char *const  ngx_llmops_cache_reasons[] = {
    NULL,
    "neither temperature 0 nor a seed",
    "tools of the provider",
    "state at the provider",
    "operation",
    "a member is there twice",
    "too large or too complex"
};


ngx_int_t
ngx_llmops_cache_key(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cached_t *cached)
{
    ngx_int_t                    rc;
    ngx_str_t                    parts[NGX_LLMOPS_CACHE_PARTS];
    ngx_llmops_cache_question_t  q;

    if (ngx_llmops_rules_reverse(ctx)) {

        /* with placeholders in their place two callers' values look alike,
           and the answer has one caller's */

        cached->reason = "values that are put back";
        return NGX_DECLINED;
    }

    if (ctx->retrieved && ctx->retrieved->failed) {

        /* a poorer answer than the next one */

        cached->reason = "no context could be retrieved";
        return NGX_DECLINED;
    }

    rc = ngx_llmops_cache_asked(r, ctx, cached, &q, parts);

    if (rc == NGX_OK) {
        rc = ngx_llmops_cache_memo_find(&q);

        if (rc == NGX_AGAIN) {
            rc = ngx_llmops_cache_compute(r, ctx, &q);
        }
    }

    if (rc == NGX_ERROR) {
        return NGX_ERROR;
    }

    cached->reason = ngx_llmops_cache_reasons[q.why];

    if (rc != NGX_OK
        || (q.why != NGX_LLMOPS_CACHE_DETERMINISTIC && !cached->route->always))
    {
        return NGX_DECLINED;
    }

    cached->reason = NULL;
    ngx_memcpy(cached->key, q.key, NGX_LLMOPS_CACHE_KEY);

    return NGX_OK;
}


/* a key that is not remembered */

static ngx_int_t
ngx_llmops_cache_compute(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_question_t *q)
{
    ngx_int_t  rc;

    if (ngx_llmops_body_memory(r, ctx, &q->body) != NGX_OK) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_cache_digest(q, &ngx_llmops_cache_scratch);

    ngx_llmops_cache_scratch_trim(&ngx_llmops_cache_scratch);

    if (rc != NGX_ERROR) {
        ngx_llmops_cache_memo_keep(q, rc);
    }

    return rc;
}


void
ngx_llmops_cache_key_text(ngx_llmops_ctx_t *ctx, ngx_str_t *text)
{
    u_char                *p;
    ngx_llmops_cached_t   *cached = ctx->cached;
    static const u_char    none[NGX_LLMOPS_CACHE_KEY];

    ngx_str_null(text);

    if (cached == NULL
        || ngx_memcmp(cached->key, none, NGX_LLMOPS_CACHE_KEY) == 0)
    {
        return;
    }

    p = ngx_pnalloc(ctx->request->pool, NGX_LLMOPS_CACHE_HEX);

    if (p) {
        text->data = p;
        text->len = ngx_hex_dump(p, cached->key, NGX_LLMOPS_CACHE_KEY) - p;
    }
}


ngx_int_t
ngx_llmops_cache_question(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cached_t *cached, ngx_llmops_cache_question_t *q)
{
    ngx_int_t  rc;
    ngx_str_t  parts[NGX_LLMOPS_CACHE_PARTS];

    rc = ngx_llmops_cache_asked(r, ctx, cached, q, parts);

    if (rc == NGX_OK) {
        rc = ngx_llmops_body_memory(r, ctx, &q->body);
    }

    return rc == NGX_OK ? ngx_llmops_cache_digest(q, &ngx_llmops_cache_scratch)
                        : rc;
}


/* all that a key is made of, but for the body */

static ngx_int_t
ngx_llmops_cache_asked(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_cached_t *cached, ngx_llmops_cache_question_t *q,
    ngx_str_t *parts)
{
    ngx_llmops_cache_own_t  *own = cached->route->own;

    ngx_memzero(q, sizeof(ngx_llmops_cache_question_t));
    ngx_memzero(parts, NGX_LLMOPS_CACHE_PARTS * sizeof(ngx_str_t));

    q->op = ctx->env.op;
    q->seen = ctx->env.seen;
    q->why = NGX_LLMOPS_CACHE_OPERATION;

    if (!ctx->env.json) {
        return NGX_DECLINED;
    }

    if (ctx->env.body_len > NGX_LLMOPS_CACHE_BODY) {
        q->why = NGX_LLMOPS_CACHE_COMPLEX;
        return NGX_DECLINED;
    }

    if (cached->heeded
        && ngx_llmops_cache_headers(r, cached->heeded,
                                    &parts[NGX_LLMOPS_CACHE_PART_HEADERS])
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    parts[NGX_LLMOPS_CACHE_PART_DIALECT] = ctx->env.dialect->name;
    parts[NGX_LLMOPS_CACHE_PART_PATH] = ctx->env.path;
    parts[NGX_LLMOPS_CACHE_PART_ROUTE] = ctx->route->name;
    parts[NGX_LLMOPS_CACHE_PART_VERSION].data = own->version;
    parts[NGX_LLMOPS_CACHE_PART_VERSION].len = NGX_LLMOPS_CACHE_KEY;
    parts[NGX_LLMOPS_CACHE_PART_SCOPE] = cached->scope;
    parts[NGX_LLMOPS_CACHE_PART_ARGS] = r->args;

    if (cached->pays) {
        parts[NGX_LLMOPS_CACHE_PART_PAYER].data = cached->payer;
        parts[NGX_LLMOPS_CACHE_PART_PAYER].len = NGX_LLMOPS_SHA256;
    }

    if (ctx->prompt) {
        parts[NGX_LLMOPS_CACHE_PART_PROMPT] = ctx->prompt->full;
    }

    /* what a candidate says is no answer of the stable arm */

    if (ctx->arm && ctx->arm->candidate) {
        parts[NGX_LLMOPS_CACHE_PART_ARM] = ctx->arm->rollout->candidate;
    }

    /* it is in the body too, but may be in that part of it which is compared
       by meaning */

    if (ctx->retrieved) {
        parts[NGX_LLMOPS_CACHE_PART_CONTEXT] = ctx->retrieved->context;
    }

    q->parts = parts;
    q->nparts = NGX_LLMOPS_CACHE_PARTS;

    return NGX_OK;
}


/* name and value of each header that is heeded, length first, in all */

static ngx_int_t
ngx_llmops_cache_headers(ngx_http_request_t *r, size_t size, ngx_str_t *all)
{
    u_char             *p;
    uint32_t            len;
    ngx_table_elt_t    *h;
    ngx_llmops_walk_t   w;

    all->data = ngx_pnalloc(r->pool, size);
    if (all->data == NULL) {
        return NGX_ERROR;
    }

    all->len = size;
    p = all->data;

    for (h = ngx_llmops_header_first(&w, &r->headers_in.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        if (ngx_llmops_cache_heeded(h)) {
            len = (uint32_t) h->key.len;
            p = ngx_cpymem(p, &len, sizeof(uint32_t));
            p = ngx_cpymem(p, h->lowcase_key, h->key.len);

            len = (uint32_t) h->value.len;
            p = ngx_cpymem(p, &len, sizeof(uint32_t));
            p = ngx_cpymem(p, h->value.data, h->value.len);
        }
    }

    return NGX_OK;
}
