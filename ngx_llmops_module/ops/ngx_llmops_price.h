
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PRICE_H_INCLUDED_
#define _NGX_LLMOPS_PRICE_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * What an answer costs.  Prices are integers, 10^-12 USD per token; a model
 * without a price has an unknown cost, which is not zero.
 *
 *   ngx_llmops_price.c         parsing, cost, printing: no function of nginx
 *   ngx_llmops_price_conf.c    llm_price, and finding a model's price
 *   ngx_llmops_price_tier.c    prices of long requests
 *   ngx_llmops_price_map.c     the file of llm_prices
 */


/* the prices of requests with more input tokens than "above"; complete, and
   in ascending order */

typedef struct {
    int64_t                    above;
    ngx_llmops_price_t         price;      /* its own tiers are NULL */
} ngx_llmops_price_tier_t;


/* llm_price MODEL input=.. output=.. ... of one upstream{} */

typedef struct {
    ngx_str_t                  model;      /* or a prefix that ends in "*" */
    ngx_llmops_price_t         price;
} ngx_llmops_price_line_t;


/* one model of the price map */

typedef struct {
    ngx_str_t                  model;
    ngx_llmops_price_t         price;
} ngx_llmops_price_entry_t;


#define NGX_LLMOPS_PRICE_DIGITS     6      /* USD per million -> our unit */
#define NGX_LLMOPS_PRICE_MAX        1000000000000000LL     /* 1000 USD each */

#define ngx_llmops_price_or(price, other)                                     \
    ((price) >= 0 ? (price) : (other))


/* Sets all prices to "not given". */
void ngx_llmops_price_clear(ngx_llmops_price_t *price);

/*
 * Reads a decimal number, exactly, and multiplies it by 10^scale.  Digits
 * beyond that are NGX_DECLINED, or rounded to the nearest if round is set,
 * when also an exponent ("3e-7") is read.  NGX_OK; NGX_ERROR if it is not a
 * number from 0 to NGX_LLMOPS_PRICE_MAX of our units.
 */
ngx_int_t ngx_llmops_price_parse(ngx_str_t *text, ngx_uint_t scale,
    ngx_uint_t round, int64_t *value);

/* If name ends in "_above_Nk_tokens": the length of what is in front of it,
   and *above = N thousand.  Else 0. */
size_t ngx_llmops_price_threshold(const char *name, int64_t *above);

/* The tier of that threshold, made (empty) if there is none; valid until the
   next one is made.  NULL: out of memory. */
ngx_llmops_price_t *ngx_llmops_price_tier(ngx_pool_t *pool,
    ngx_llmops_price_t *price, int64_t above);

/*
 * Sorts the tiers.  A price that a tier does not give is that of the tier
 * below it, so that for each price the highest threshold that has been
 * crossed counts.
 */
void ngx_llmops_price_complete(ngx_llmops_price_t *price);

/* llm_price, in upstream{}: USD per million tokens. */
char *ngx_llmops_price_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* llm_prices FILE, in http{}: reads the file. */
char *ngx_llmops_prices_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Reads mcf->prices_file into mcf->prices; errors name the file and the line
   in it.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_prices_load(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf);

/*
 * The price of a provider's model: its llm_price lines (exact, then the
 * longest prefix), then the price map under "provider/model", then
 * "model".  NULL if unknown.  Lives as long as the configuration.
 */
ngx_llmops_price_t *ngx_llmops_price_find(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_provider_t *provider, ngx_str_t *model);

/*
 * The cost of usage at a price, 10^-12 USD; saturates.  -1, unknown, when
 * tokens were used whose price is not given.  The tier is that of all input
 * tokens and holds for the whole request.
 */
int64_t ngx_llmops_price_cost(ngx_llmops_price_t *price,
    ngx_llmops_usage_t *usage);

/* Two costs together; saturates.  -1: one of them is not known. */
int64_t ngx_llmops_price_sum(int64_t a, int64_t b);

/* Writes a cost in USD, up to nine decimals, no trailing zeros: "0.00105".
   At most NGX_LLMOPS_PRICE_TEXT bytes. */
#define NGX_LLMOPS_PRICE_TEXT       24

u_char *ngx_llmops_price_print(u_char *p, int64_t cost);


#endif /* _NGX_LLMOPS_PRICE_H_INCLUDED_ */
