
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"


/*
 * Where a caller stands, on every answer: x-ratelimit-* as OpenAI sends them,
 * or anthropic-ratelimit-* on Anthropic's paths, whose clients read only
 * these.  Of several limits of one unit the one that has least left speaks.
 * What the provider says of its own limits under the same names is taken out:
 * it is the gateway's account, and not the caller's.
 */


typedef struct {
    ngx_llmops_unit_e          unit;
    ngx_str_t                  openai;     /* len 0: has no such header */
    ngx_str_t                  anthropic;
} ngx_llmops_ratelimit_t;


static ngx_int_t ngx_llmops_ratelimit(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, const ngx_llmops_ratelimit_t *rl);
static ngx_llmops_level_t *ngx_llmops_ratelimit_tightest(
    ngx_llmops_limits_t *lim, ngx_llmops_unit_e unit);
static void ngx_llmops_ratelimit_part(ngx_llmops_limits_part_t *part,
    ngx_llmops_unit_e unit, ngx_llmops_level_t **tightest, int64_t *least);
static ngx_int_t ngx_llmops_ratelimit_push(ngx_http_request_t *r,
    const char *prefix, const ngx_str_t *name, const char *what,
    ngx_uint_t what_last, ngx_str_t *value);
static void ngx_llmops_ratelimit_remove(ngx_http_request_t *r,
    ngx_str_t *name);
static ngx_int_t ngx_llmops_limits_retry(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim);


static const ngx_llmops_ratelimit_t  ngx_llmops_ratelimits[] = {
    { NGX_LLMOPS_UNIT_REQUESTS, ngx_string("requests"),
      ngx_string("requests") },
    { NGX_LLMOPS_UNIT_TOKENS, ngx_string("tokens"), ngx_string("tokens") },
    { NGX_LLMOPS_UNIT_INPUT, ngx_null_string, ngx_string("input-tokens") },
    { NGX_LLMOPS_UNIT_OUTPUT, ngx_null_string, ngx_string("output-tokens") },
    { NGX_LLMOPS_UNIT_MAX, ngx_null_string, ngx_null_string }
};


ngx_int_t
ngx_llmops_limits_headers(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    const ngx_llmops_ratelimit_t  *rl;

    if (ctx->limits == NULL) {
        return NGX_OK;
    }

    for (rl = ngx_llmops_ratelimits; rl->unit != NGX_LLMOPS_UNIT_MAX; rl++) {
        if (ngx_llmops_ratelimit(r, ctx, rl) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_llmops_limits_retry(r, ctx->limits);
}


static ngx_int_t
ngx_llmops_ratelimit(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    const ngx_llmops_ratelimit_t *rl)
{
    u_char              *p, text[NGX_INT64_LEN + NGX_LLMOPS_LIMIT_TIME];
    ngx_str_t            value;
    ngx_uint_t           anthropic;
    const char          *prefix;
    const ngx_str_t     *name;
    ngx_llmops_level_t  *level;

    anthropic = (ctx->env.dialect == &ngx_llmops_anthropic);

    prefix = anthropic ? "anthropic-ratelimit-" : "x-ratelimit-";
    name = anthropic ? &rl->anthropic : &rl->openai;

    if (name->len == 0) {
        return NGX_OK;
    }

    level = ngx_llmops_ratelimit_tightest(ctx->limits, rl->unit);

    if (level == NULL) {
        return NGX_OK;
    }

    value.data = text;
    value.len = ngx_sprintf(text, "%L", level->limit) - text;

    if (ngx_llmops_ratelimit_push(r, prefix, name, "limit", anthropic, &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    value.len = ngx_sprintf(text, "%L", ngx_max(level->limit - level->used
                                                - level->reserved, 0))
                - text;

    if (ngx_llmops_ratelimit_push(r, prefix, name, "remaining", anthropic,
                                  &value)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    p = anthropic ? ngx_llmops_limit_date(text, ngx_llmops_now()
                                                + level->reset)
                  : ngx_llmops_limit_time(text, level->reset);

    value.len = p - text;

    return ngx_llmops_ratelimit_push(r, prefix, name, "reset", anthropic,
                                     &value);
}


static ngx_llmops_level_t *
ngx_llmops_ratelimit_tightest(ngx_llmops_limits_t *lim,
    ngx_llmops_unit_e unit)
{
    int64_t              least;
    ngx_llmops_level_t  *tightest;

    tightest = NULL;
    least = 0;

    ngx_llmops_ratelimit_part(&lim->store, unit, &tightest, &least);
    ngx_llmops_ratelimit_part(&lim->local, unit, &tightest, &least);

    return tightest;
}


static void
ngx_llmops_ratelimit_part(ngx_llmops_limits_part_t *part,
    ngx_llmops_unit_e unit, ngx_llmops_level_t **tightest, int64_t *least)
{
    int64_t               left;
    ngx_uint_t            i, k;
    ngx_llmops_level_t   *level;
    ngx_llmops_charge_t  *charge;

    for (i = 0; i < part->res.ncharges; i++) {
        charge = &part->res.charges[i];

        /* what refuses nothing is nothing that a caller has to keep to */

        if (charge->dry_run || (part->away >> i & 1)) {
            continue;
        }

        for (k = 0; k < charge->nrates; k++) {

            if (charge->rates[k].unit != unit) {
                continue;
            }

            level = &charge->levels[k];
            left = level->limit - level->used - level->reserved;

            if (*tightest == NULL || left < *least) {
                *tightest = level;
                *least = left;
            }
        }
    }
}


/* "x-ratelimit-limit-requests", "anthropic-ratelimit-requests-limit" */

static ngx_int_t
ngx_llmops_ratelimit_push(ngx_http_request_t *r, const char *prefix,
    const ngx_str_t *name, const char *what, ngx_uint_t what_last,
    ngx_str_t *value)
{
    u_char           *p;
    size_t            len;
    ngx_str_t         key, last;
    ngx_table_elt_t  *h;

    last.data = (u_char *) what;
    last.len = ngx_strlen(what);
    len = ngx_strlen(prefix);

    p = ngx_pnalloc(r->pool, len + name->len + last.len + 1 + value->len);
    if (p == NULL) {
        return NGX_ERROR;
    }

    key.data = p;

    /* six of them a request: no format is read for that */

    p = ngx_cpymem(p, prefix, len);
    p = what_last ? ngx_cpymem(p, name->data, name->len)
                  : ngx_cpymem(p, last.data, last.len);
    *p++ = '-';
    p = what_last ? ngx_cpymem(p, last.data, last.len)
                  : ngx_cpymem(p, name->data, name->len);

    key.len = p - key.data;

    ngx_llmops_ratelimit_remove(r, &key);

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key = key;
    h->lowcase_key = key.data;
    h->value.data = ngx_cpymem(p, value->data, value->len) - value->len;
    h->value.len = value->len;

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


static void
ngx_llmops_ratelimit_remove(ngx_http_request_t *r, ngx_str_t *name)
{
    ngx_table_elt_t    *h;
    ngx_llmops_walk_t   w;

    for (h = ngx_llmops_header_first(&w, &r->headers_out.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        if (h->hash && h->key.len == name->len
            && ngx_strncasecmp(h->key.data, name->data, name->len) == 0)
        {
            h->hash = 0;
        }
    }
}


/* to the millisecond, for the clients that read it */

static ngx_int_t
ngx_llmops_limits_retry(ngx_http_request_t *r, ngx_llmops_limits_t *lim)
{
    u_char     text[NGX_INT64_LEN];
    int64_t    retry;
    ngx_str_t  value, name = ngx_string("ms");

    if (lim->ctx->retry == 0 || lim->charge == NULL || lim->ended) {
        return NGX_OK;
    }

    retry = lim->charge->levels[lim->rate].retry;

    if (retry <= 0) {
        return NGX_OK;
    }

    value.data = text;
    value.len = ngx_sprintf(text, "%L", retry) - text;

    return ngx_llmops_ratelimit_push(r, "retry-", &name, "after", 0, &value);
}


u_char *
ngx_llmops_limit_date(u_char *p, int64_t ms)
{
    ngx_tm_t  tm;

    ngx_gmtime((time_t) ((ms + 999) / 1000), &tm);

    return ngx_sprintf(p, "%4d-%02d-%02dT%02d:%02d:%02dZ", tm.ngx_tm_year,
                       tm.ngx_tm_mon, tm.ngx_tm_mday, tm.ngx_tm_hour,
                       tm.ngx_tm_min, tm.ngx_tm_sec);
}


void
ngx_llmops_limits_warnings(ngx_llmops_ctx_t *ctx, ngx_str_t *value)
{
    if (ctx->limits) {
        *value = ctx->limits->warnings;
    }
}


void
ngx_llmops_limits_name(ngx_llmops_ctx_t *ctx, ngx_str_t *value)
{
    if (ctx->limits && ctx->limits->limit) {
        *value = ctx->limits->limit->name;
    }
}


void
ngx_llmops_limits_dry_name(ngx_llmops_ctx_t *ctx, ngx_str_t *value)
{
    if (ctx->limits && ctx->limits->dry) {
        *value = ctx->limits->dry->name;
    }
}


void
ngx_llmops_limits_ended(ngx_llmops_ctx_t *ctx, u_char *text,
    ngx_str_t *value)
{
    ngx_llmops_limits_t  *lim;

    lim = ctx->limits;
    value->len = 0;

    if (lim && lim->ended) {
        value->data = text;
        value->len = ngx_llmops_rate_print(text,
                                           &lim->charge->rates[lim->rate])
                     - text;
    }
}


int64_t
ngx_llmops_limits_reserved_tokens(ngx_llmops_ctx_t *ctx)
{
    return ctx->limits ? ctx->limits->reserved : -1;
}
