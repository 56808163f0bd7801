
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_error.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * The prompt of a route: one version, or a share of the requests another one.
 * Both are known by their names before either is read, so that only the one
 * that is chosen is.
 */


typedef struct {
    ngx_llmops_which_t         main;
    ngx_llmops_which_t         share;      /* version.len 0: none */
} ngx_llmops_prompt_arms_t;


static void ngx_llmops_prompt_resumed(void *data);
static ngx_int_t ngx_llmops_prompt_arms(ngx_llmops_prompt_asking_t *asking,
    ngx_http_request_t *r, ngx_llmops_route_t *route,
    ngx_llmops_prompt_arms_t *arms);
static ngx_llmops_which_t *ngx_llmops_prompt_arm(ngx_http_request_t *r,
    ngx_llmops_route_prompt_t *rp, ngx_llmops_prompt_arms_t *arms);
static ngx_uint_t ngx_llmops_prompt_is(ngx_llmops_prompt_t *p,
    ngx_llmops_which_t *which);
static u_char *ngx_llmops_prompt_full(u_char *p, ngx_llmops_which_t *which);


/* "name@version" */
#define NGX_LLMOPS_PROMPT_FULL   (2 * NGX_LLMOPS_PROMPT_NAME + 1)


ngx_llmops_prompt_asking_t *
ngx_llmops_prompt_asks(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_prompt_resume_pt resume)
{
    if (ctx->prompting == NULL) {
        ctx->prompt_resume = resume;
        ctx->prompting = ngx_llmops_prompt_asking(r, ngx_llmops_prompt_resumed,
                                                  ctx);
    }

    return ctx->prompting;
}


static void
ngx_llmops_prompt_resumed(void *data)
{
    ngx_llmops_ctx_t *ctx = data;

    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = ctx->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ctx->prompt_resume(r);

    ngx_http_run_posted_requests(c);
}


ngx_int_t
ngx_llmops_prompt_away(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *name)
{
    return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_OVERLOADED,
                                "prompt_unavailable",
                                "the prompt \"%V\" cannot be read now, retry "
                                "later", name);
}


ngx_int_t
ngx_llmops_prompt_route_choose(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_route_t *route, ngx_llmops_prompt_resume_pt resume)
{
    ngx_int_t                    rc;
    ngx_llmops_prompt_arms_t     arms;
    ngx_llmops_route_prompt_t   *rp;
    ngx_llmops_prompt_asking_t  *asking;

    rp = route->prompt;

    asking = ngx_llmops_prompt_asks(r, ctx, resume);

    if (asking == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    do {
        rc = ngx_llmops_prompt_arms(asking, r, route, &arms);

        if (rc != NGX_OK) {
            break;
        }

        if (ctx->prompt && !ngx_llmops_prompt_is(ctx->prompt, &arms.main)
            && !ngx_llmops_prompt_is(ctx->prompt, &arms.share))
        {
            return ngx_llmops_deny_text(r, ctx, NGX_LLMOPS_ERR_INVALID_REQUEST,
                                        "prompt_not_allowed",
                                        "the prompt \"%V\" cannot be used "
                                        "here, only \"%V\"",
                                        &ctx->prompt->full, &rp->reference);
        }

        rc = ngx_llmops_prompt_fetch(asking,
                                     ngx_llmops_prompt_arm(r, rp, &arms),
                                     &ctx->prompt);
    } while (rc == NGX_DONE);

    if (rc == NGX_OK || rc == NGX_AGAIN) {
        return rc;
    }

    if (rc == NGX_ERROR) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "the store has no prompt \"%V\", as llm_route \"%V\" "
                      "needs it", &rp->reference, &route->name);
    }

    return ngx_llmops_prompt_away(r, ctx, &rp->name);
}


/* a share that is not there leaves all to the other one */

static ngx_int_t
ngx_llmops_prompt_arms(ngx_llmops_prompt_asking_t *asking,
    ngx_http_request_t *r, ngx_llmops_route_t *route,
    ngx_llmops_prompt_arms_t *arms)
{
    ngx_int_t                   rc;
    ngx_llmops_route_prompt_t  *rp;

    rp = route->prompt;

    rc = ngx_llmops_prompt_which(asking, &rp->name, &rp->which, &arms->main);

    ngx_memzero(&arms->share, sizeof(ngx_llmops_which_t));

    if (rc != NGX_OK || rp->other.len == 0) {
        return rc;
    }

    rc = ngx_llmops_prompt_which(asking, &rp->name, &rp->other, &arms->share);

    if (rc == NGX_DECLINED) {
        ngx_log_error(NGX_LOG_ERR, r->connection->log, 0,
                      "the store has no \"%V\" of prompt \"%V\", as \"share=\" "
                      "of llm_route \"%V\" needs it", &rp->other, &rp->name,
                      &route->name);

        ngx_memzero(&arms->share, sizeof(ngx_llmops_which_t));
        return NGX_OK;
    }

    return rc;
}


/*
 * Whose requests stay together has the same arm in each worker and on each
 * machine, and after a reload; who has no key is not in the experiment.
 */

static ngx_llmops_which_t *
ngx_llmops_prompt_arm(ngx_http_request_t *r, ngx_llmops_route_prompt_t *rp,
    ngx_llmops_prompt_arms_t *arms)
{
    u_char      full[NGX_LLMOPS_PROMPT_FULL], *last;
    uint32_t    hash;
    ngx_str_t   key;

    if (arms->share.version.len == 0
        || ngx_http_complex_value(r, rp->by, &key) != NGX_OK
        || key.len == 0)
    {
        return &arms->main;
    }

    /* experiments must not choose the same callers */

    last = ngx_llmops_prompt_full(full, &arms->share);

    hash = ngx_murmur_hash2(key.data, key.len)
           ^ ngx_murmur_hash2(full, last - full);

    hash = (hash ^ (hash >> 16)) * 0x7feb352d;
    hash = (hash ^ (hash >> 15)) * 0x846ca68b;
    hash ^= hash >> 16;

    return (hash % 10000 < rp->percent) ? &arms->share : &arms->main;
}


static ngx_uint_t
ngx_llmops_prompt_is(ngx_llmops_prompt_t *p, ngx_llmops_which_t *which)
{
    u_char  full[NGX_LLMOPS_PROMPT_FULL], *last;

    if (which->version.len == 0) {
        return 0;
    }

    last = ngx_llmops_prompt_full(full, which);

    return p->full.len == (size_t) (last - full)
           && ngx_memcmp(p->full.data, full, p->full.len) == 0;
}


/* both have been checked when they came in */

static u_char *
ngx_llmops_prompt_full(u_char *p, ngx_llmops_which_t *which)
{
    p = ngx_cpymem(p, which->name.data,
                   ngx_min(which->name.len, NGX_LLMOPS_PROMPT_NAME));
    *p++ = '@';

    return ngx_cpymem(p, which->version.data,
                      ngx_min(which->version.len, NGX_LLMOPS_PROMPT_NAME));
}
