
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


#define NGX_LLMOPS_RATELIMIT_UNITS  4      /* at the most, of a dialect */


typedef struct {
    ngx_llmops_unit_e          unit;
    ngx_str_t                  limit;
    ngx_str_t                  remaining;
    ngx_str_t                  reset;
} ngx_llmops_ratelimit_t;


/* the headers of a dialect */

typedef struct {
    ngx_str_t                  prefix;     /* of all their names */
    ngx_uint_t                 nunits;
    ngx_llmops_ratelimit_t     units[NGX_LLMOPS_RATELIMIT_UNITS];
} ngx_llmops_ratelimits_t;


static ngx_int_t ngx_llmops_ratelimit(ngx_http_request_t *r,
    const ngx_llmops_ratelimit_t *rl, ngx_llmops_level_t *level,
    ngx_uint_t date);
static ngx_llmops_level_t *ngx_llmops_ratelimit_tightest(
    ngx_llmops_limits_t *lim, ngx_llmops_unit_e unit);
static void ngx_llmops_ratelimit_part(ngx_llmops_limits_part_t *part,
    ngx_llmops_unit_e unit, ngx_llmops_level_t **tightest, int64_t *least);
static ngx_int_t ngx_llmops_ratelimit_push(ngx_http_request_t *r,
    const ngx_str_t *name, u_char *value, u_char *last);
static void ngx_llmops_ratelimit_clear(ngx_http_request_t *r,
    const ngx_llmops_ratelimits_t *rls, ngx_llmops_level_t **levels);
static ngx_uint_t ngx_llmops_ratelimit_is(ngx_table_elt_t *h,
    const ngx_str_t *name);
static ngx_int_t ngx_llmops_limits_retry(ngx_http_request_t *r,
    ngx_llmops_limits_t *lim);


/* written out: every request of a limited caller has six of them */

static const ngx_llmops_ratelimits_t  ngx_llmops_ratelimits_openai = {
    ngx_string("x-ratelimit-"), 2, {
        { NGX_LLMOPS_UNIT_REQUESTS,
          ngx_string("x-ratelimit-limit-requests"),
          ngx_string("x-ratelimit-remaining-requests"),
          ngx_string("x-ratelimit-reset-requests") },
        { NGX_LLMOPS_UNIT_TOKENS,
          ngx_string("x-ratelimit-limit-tokens"),
          ngx_string("x-ratelimit-remaining-tokens"),
          ngx_string("x-ratelimit-reset-tokens") }
    }
};


static const ngx_llmops_ratelimits_t  ngx_llmops_ratelimits_anthropic = {
    ngx_string("anthropic-ratelimit-"), 4, {
        { NGX_LLMOPS_UNIT_REQUESTS,
          ngx_string("anthropic-ratelimit-requests-limit"),
          ngx_string("anthropic-ratelimit-requests-remaining"),
          ngx_string("anthropic-ratelimit-requests-reset") },
        { NGX_LLMOPS_UNIT_TOKENS,
          ngx_string("anthropic-ratelimit-tokens-limit"),
          ngx_string("anthropic-ratelimit-tokens-remaining"),
          ngx_string("anthropic-ratelimit-tokens-reset") },
        { NGX_LLMOPS_UNIT_INPUT,
          ngx_string("anthropic-ratelimit-input-tokens-limit"),
          ngx_string("anthropic-ratelimit-input-tokens-remaining"),
          ngx_string("anthropic-ratelimit-input-tokens-reset") },
        { NGX_LLMOPS_UNIT_OUTPUT,
          ngx_string("anthropic-ratelimit-output-tokens-limit"),
          ngx_string("anthropic-ratelimit-output-tokens-remaining"),
          ngx_string("anthropic-ratelimit-output-tokens-reset") }
    }
};


static const ngx_str_t  ngx_llmops_retry_after_ms =
    ngx_string("retry-after-ms");


ngx_int_t
ngx_llmops_limits_headers(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t                      i, anthropic;
    ngx_llmops_level_t             *levels[NGX_LLMOPS_RATELIMIT_UNITS];
    const ngx_llmops_ratelimits_t  *rls;

    if (ctx->limits == NULL) {
        return NGX_OK;
    }

    anthropic = (ctx->env.dialect == &ngx_llmops_anthropic);

    rls = anthropic ? &ngx_llmops_ratelimits_anthropic
                    : &ngx_llmops_ratelimits_openai;

    for (i = 0; i < rls->nunits; i++) {
        levels[i] = ngx_llmops_ratelimit_tightest(ctx->limits,
                                                  rls->units[i].unit);
    }

    ngx_llmops_ratelimit_clear(r, rls, levels);

    for (i = 0; i < rls->nunits; i++) {
        if (levels[i] && ngx_llmops_ratelimit(r, &rls->units[i], levels[i],
                                              anthropic)
                         != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_llmops_limits_retry(r, ctx->limits);
}


/* date: when it is reset, and not after which time */

static ngx_int_t
ngx_llmops_ratelimit(ngx_http_request_t *r, const ngx_llmops_ratelimit_t *rl,
    ngx_llmops_level_t *level, ngx_uint_t date)
{
    u_char  *limit, *remaining, *reset, *last;

    limit = ngx_pnalloc(r->pool, 2 * NGX_INT64_LEN + NGX_LLMOPS_LIMIT_TIME);
    if (limit == NULL) {
        return NGX_ERROR;
    }

    remaining = ngx_llmops_print_int(limit, level->limit);

    reset = ngx_llmops_print_int(remaining, ngx_max(level->limit - level->used
                                                    - level->reserved, 0));

    last = date ? ngx_llmops_limit_date(reset, ngx_llmops_now()
                                               + level->reset)
                : ngx_llmops_limit_time(reset, level->reset);

    if (ngx_llmops_ratelimit_push(r, &rl->limit, limit, remaining) != NGX_OK
        || ngx_llmops_ratelimit_push(r, &rl->remaining, remaining, reset)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_llmops_ratelimit_push(r, &rl->reset, reset, last);
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


static ngx_int_t
ngx_llmops_ratelimit_push(ngx_http_request_t *r, const ngx_str_t *name,
    u_char *value, u_char *last)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NGX_ERROR;
    }

    h->hash = 1;
    h->key = *name;
    h->lowcase_key = name->data;
    h->value.data = value;
    h->value.len = last - value;

#if (nginx_version >= 1023000)
    h->next = NULL;
#endif

    return NGX_OK;
}


/* takes out the provider's headers of those units that have a level */

static void
ngx_llmops_ratelimit_clear(ngx_http_request_t *r,
    const ngx_llmops_ratelimits_t *rls, ngx_llmops_level_t **levels)
{
    ngx_uint_t                     i;
    ngx_table_elt_t               *h;
    ngx_llmops_walk_t              w;
    const ngx_llmops_ratelimit_t  *rl;

    for (h = ngx_llmops_header_first(&w, &r->headers_out.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        if (h->hash == 0 || h->key.len <= rls->prefix.len
            || ngx_strncasecmp(h->key.data, rls->prefix.data, rls->prefix.len)
               != 0)
        {
            continue;
        }

        for (i = 0; i < rls->nunits; i++) {
            rl = &rls->units[i];

            if (levels[i] && (ngx_llmops_ratelimit_is(h, &rl->limit)
                              || ngx_llmops_ratelimit_is(h, &rl->remaining)
                              || ngx_llmops_ratelimit_is(h, &rl->reset)))
            {
                h->hash = 0;
            }
        }
    }
}


static ngx_uint_t
ngx_llmops_ratelimit_is(ngx_table_elt_t *h, const ngx_str_t *name)
{
    return h->key.len == name->len
           && ngx_strncasecmp(h->key.data, name->data, name->len) == 0;
}


/* to the millisecond, for the clients that read it */

static ngx_int_t
ngx_llmops_limits_retry(ngx_http_request_t *r, ngx_llmops_limits_t *lim)
{
    u_char   *p;
    int64_t   retry;

    if (lim->ctx->retry == 0 || lim->charge == NULL || lim->ended) {
        return NGX_OK;
    }

    retry = lim->charge->levels[lim->rate].retry;

    if (retry <= 0) {
        return NGX_OK;
    }

    p = ngx_pnalloc(r->pool, NGX_INT64_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    /* the answer is ours: no provider has sent one */

    return ngx_llmops_ratelimit_push(r, &ngx_llmops_retry_after_ms, p,
                                     ngx_llmops_print_int(p, retry));
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
