
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PRICE_H_INCLUDED_
#define _NGX_LLMOPS_PRICE_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * What an answer costs.  Prices are integers, 10^-12 USD per token; a model
 * without a price has an unknown cost, which is not zero.
 */


typedef struct {
    int64_t                    above;      /* input tokens */
    ngx_llmops_price_t         price;
} ngx_llmops_price_tier_t;


/* llm_price MODEL input=.. output=.. ... of one upstream{} */

typedef struct {
    ngx_str_t                  model;      /* or a prefix that ends in "*" */
    ngx_llmops_price_t         price;
} ngx_llmops_price_line_t;


/* llm_price, in upstream{}: USD per million tokens. */
char *ngx_llmops_price_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* llm_prices FILE, in http{}. */
char *ngx_llmops_prices_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* Reads mcf->prices_file (if set) into mcf->prices; errors name the file and
   the line.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_prices_init(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf);

/*
 * The price of a provider's model: its llm_price lines (exact, then the
 * longest prefix), then the price map under "provider/model", then
 * "model".  NULL if unknown.  Lives as long as the configuration.
 */
ngx_llmops_price_t *ngx_llmops_price_find(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_provider_t *provider, ngx_str_t *model);

/* The cost of usage at a price, 10^-12 USD; saturates, never negative. */
int64_t ngx_llmops_price_cost(ngx_llmops_price_t *price,
    ngx_llmops_usage_t *usage);

/* Writes a cost in USD, up to nine decimals, no trailing zeros: "0.00105". */
u_char *ngx_llmops_price_print(u_char *p, int64_t cost);


#endif /* _NGX_LLMOPS_PRICE_H_INCLUDED_ */
