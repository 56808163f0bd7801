
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


/*
 * Adds row->sums to the row of that identity.  When there is no room for a new
 * row the oldest days lose their detail first, as long as they are more than
 * 32 days back: their rows become one, with all parts "other".  Then it is
 * added to the row "other" of its own day, and that is logged once a minute.
 * Days that are more than 400 days back are forgotten.
 */
void ngx_llmops_ledger_add(ngx_llmops_store_t *store,
    ngx_llmops_ledger_row_t *row);


/*
 * Reads all rows of the days [from, to] (at most 400 days), of all gateways.
 * NGX_OK: *rows, of ngx_llmops_ledger_row_t, in pool; NGX_AGAIN: handler is
 * called with them later, unless cancelled through *read; NGX_ERROR.  Rows that
 * are NULL, in either way: the engine cannot be asked.  What has been added
 * more than two seconds ago is in it.
 */
ngx_int_t ngx_llmops_ledger_rows(ngx_llmops_store_t *store, uint32_t from,
    uint32_t to, ngx_pool_t *pool, ngx_array_t **rows,
    ngx_llmops_ledger_pt handler, void *data,
    ngx_llmops_ledger_read_t **read);
void ngx_llmops_ledger_cancel(ngx_llmops_ledger_read_t *read);

/* a reading under way: an engine's own begins with this */
struct ngx_llmops_ledger_read_s {
    void                     (*cancel)(ngx_llmops_ledger_read_t *read);
};


/*
 * For the engine that keeps the ledger elsewhere: what has been added here and
 * not carried there yet.
 *
 * take() marks up to max rows as being carried and gives them out, with the
 * amounts to add there, in pool; the batch gets a number that no other batch
 * has, on any gateway, but for chance in 2^62.  NGX_OK; NGX_DECLINED: there is
 * nothing, or another worker is carrying; NGX_ERROR: out of memory.  When
 * the worker that had taken a batch is gone, the next one to call gets exactly
 * that batch, of the same number, whatever max is: who notes beside the sums
 * which number was added last, in one transaction, adds nothing twice.
 *
 * done() ends it: with ok the amounts are subtracted here, and rows that are
 * empty by that vanish; without it they are as if they had not been taken.
 */
ngx_int_t ngx_llmops_ledger_take(ngx_llmops_store_t *store, ngx_uint_t max,
    ngx_pool_t *pool, ngx_array_t **rows, uint64_t *batch);
void ngx_llmops_ledger_done(ngx_llmops_store_t *store, uint64_t batch,
    ngx_uint_t ok);


#endif /* _NGX_LLMOPS_LEDGER_H_INCLUDED_ */
