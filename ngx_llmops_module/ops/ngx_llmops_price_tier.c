
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_price.h"


/*
 * Some models cost more when a request is long: the price map has further
 * prices for requests above a number of input tokens.
 */


static void ngx_llmops_price_inherit(ngx_llmops_price_t *price,
    ngx_llmops_price_t *from);
static int ngx_libc_cdecl ngx_llmops_price_cmp(const void *one,
    const void *two);


size_t
ngx_llmops_price_threshold(const char *name, int64_t *above)
{
    size_t       len;
    int64_t      n;
    const char  *p, *end;

    static const char  head[] = "_above_";
    static const char  tail[] = "k_tokens";

    len = ngx_strlen(name);

    if (len <= sizeof(tail) - 1) {
        return 0;
    }

    end = name + len - (sizeof(tail) - 1);

    if (ngx_memcmp(end, tail, sizeof(tail) - 1) != 0) {
        return 0;
    }

    for (p = end; p > name && p[-1] >= '0' && p[-1] <= '9'; p--) { /* void */ }

    if (p == end || end - p > 9
        || (size_t) (p - name) <= sizeof(head) - 1
        || ngx_memcmp(p - (sizeof(head) - 1), head, sizeof(head) - 1) != 0)
    {
        return 0;
    }

    len = p - (sizeof(head) - 1) - name;

    for (n = 0; p < end; p++) {
        n = n * 10 + (*p - '0');
    }

    *above = n * 1000;

    return len;
}


ngx_llmops_price_t *
ngx_llmops_price_tier(ngx_pool_t *pool, ngx_llmops_price_t *price,
    int64_t above)
{
    ngx_uint_t                i;
    ngx_llmops_price_tier_t  *tier;

    if (price->tiers == NULL) {
        price->tiers = ngx_array_create(pool, 2,
                                        sizeof(ngx_llmops_price_tier_t));
        if (price->tiers == NULL) {
            return NULL;
        }
    }

    tier = price->tiers->elts;

    for (i = 0; i < price->tiers->nelts; i++) {
        if (tier[i].above == above) {
            return &tier[i].price;
        }
    }

    tier = ngx_array_push(price->tiers);
    if (tier == NULL) {
        return NULL;
    }

    tier->above = above;
    ngx_llmops_price_clear(&tier->price);

    return &tier->price;
}


void
ngx_llmops_price_complete(ngx_llmops_price_t *price)
{
    ngx_uint_t                 i;
    ngx_llmops_price_t        *prev;
    ngx_llmops_price_tier_t   *tier;

    if (price->tiers == NULL) {
        return;
    }

    tier = price->tiers->elts;

    ngx_qsort(tier, price->tiers->nelts, sizeof(ngx_llmops_price_tier_t),
              ngx_llmops_price_cmp);

    prev = price;

    for (i = 0; i < price->tiers->nelts; i++) {

        ngx_llmops_price_inherit(&tier[i].price, prev);

        prev = &tier[i].price;
    }
}


static void
ngx_llmops_price_inherit(ngx_llmops_price_t *price, ngx_llmops_price_t *from)
{
    price->input = ngx_llmops_price_or(price->input, from->input);
    price->output = ngx_llmops_price_or(price->output, from->output);
    price->cache_read = ngx_llmops_price_or(price->cache_read,
                                            from->cache_read);
    price->cache_write = ngx_llmops_price_or(price->cache_write,
                                             from->cache_write);
    price->cache_write_1h = ngx_llmops_price_or(price->cache_write_1h,
                                                from->cache_write_1h);
    price->reasoning = ngx_llmops_price_or(price->reasoning, from->reasoning);
    price->audio_in = ngx_llmops_price_or(price->audio_in, from->audio_in);
    price->audio_out = ngx_llmops_price_or(price->audio_out, from->audio_out);
    price->image_in = ngx_llmops_price_or(price->image_in, from->image_in);
    price->image_out = ngx_llmops_price_or(price->image_out, from->image_out);
}


static int ngx_libc_cdecl
ngx_llmops_price_cmp(const void *one, const void *two)
{
    const ngx_llmops_price_tier_t  *a = one;
    const ngx_llmops_price_tier_t  *b = two;

    return (a->above > b->above) - (a->above < b->above);
}
