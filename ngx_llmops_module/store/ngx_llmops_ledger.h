
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_LEDGER_H_INCLUDED_
#define _NGX_LLMOPS_LEDGER_H_INCLUDED_


#include "ngx_llmops_store.h"


/*
 * What was used, by day, client, tenant, route and model: exact sums of what
 * the access log says line by line.  Counted in shared memory, where no dying
 * worker takes it away; with Redis one worker carries the differences there
 * every second, so that a fleet has one ledger.
 */


typedef enum {
    NGX_LLMOPS_LEDGER_REQUESTS = 0,
    NGX_LLMOPS_LEDGER_ERRORS,              /* requests that ended in one */
    NGX_LLMOPS_LEDGER_INPUT,
    NGX_LLMOPS_LEDGER_OUTPUT,
    NGX_LLMOPS_LEDGER_CACHE_READ,
    NGX_LLMOPS_LEDGER_CACHE_WRITE,
    NGX_LLMOPS_LEDGER_REASONING,
    NGX_LLMOPS_LEDGER_ESTIMATED,           /* requests whose usage is */
    NGX_LLMOPS_LEDGER_UNPRICED,            /* requests without a known cost */
    NGX_LLMOPS_LEDGER_COST,                /* 10^-12 USD */
    NGX_LLMOPS_LEDGER_MAX
} ngx_llmops_ledger_e;


/* parts longer than this are cut and end in "*" */
#define NGX_LLMOPS_LEDGER_PART     64

typedef struct {
    uint32_t                   day;        /* 20261125, UTC */
    ngx_str_t                  client;
    ngx_str_t                  tenant;
    ngx_str_t                  route;
    ngx_str_t                  model;      /* of the configuration: a target's,
                                              never a caller's word */
    int64_t                    sums[NGX_LLMOPS_LEDGER_MAX];
} ngx_llmops_ledger_row_t;


/* Adds row->sums to the row of that identity.  When there is no room for a
   new row it is added to the row of the same day with all parts "other", and
   that is logged once a minute. */
void ngx_llmops_ledger_add(ngx_llmops_store_t *store,
    ngx_llmops_ledger_row_t *row);


typedef struct ngx_llmops_ledger_read_s  ngx_llmops_ledger_read_t;

/* rows: of ngx_llmops_ledger_row_t, in pool; NULL: could not be asked */
typedef void (*ngx_llmops_ledger_pt)(ngx_array_t *rows, void *data);

/*
 * Reads all rows of the days [from, to] (at most 400 days), of all gateways.
 * NGX_OK: *rows; NGX_AGAIN: handler is called later, unless cancelled through
 * *read; NGX_ERROR.  What has been added more than two seconds ago is in it.
 */
ngx_int_t ngx_llmops_ledger_rows(ngx_llmops_store_t *store, uint32_t from,
    uint32_t to, ngx_pool_t *pool, ngx_array_t **rows,
    ngx_llmops_ledger_pt handler, void *data,
    ngx_llmops_ledger_read_t **read);
void ngx_llmops_ledger_cancel(ngx_llmops_ledger_read_t *read);


#endif /* _NGX_LLMOPS_LEDGER_H_INCLUDED_ */
