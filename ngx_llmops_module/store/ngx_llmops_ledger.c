
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_shm.h"


/*
 * The ledger as the other rooms see it.  Adding is always in shared memory, at
 * the cost of a look-up; reading asks the engine that has the whole.
 */


void
ngx_llmops_ledger_add(ngx_llmops_store_t *store, ngx_llmops_ledger_row_t *row)
{
    ngx_llmops_shm_ledger_add(store->shm, row);
}


ngx_int_t
ngx_llmops_ledger_rows(ngx_llmops_store_t *store, uint32_t from, uint32_t to,
    ngx_pool_t *pool, ngx_array_t **rows, ngx_llmops_ledger_pt handler,
    void *data, ngx_llmops_ledger_read_t **read)
{
    return store->engine->rows(store, from, to, pool, rows, handler, data,
                               read);
}


void
ngx_llmops_ledger_cancel(ngx_llmops_ledger_read_t *read)
{
    read->cancel(read);
}
