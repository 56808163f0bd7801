
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ACCOUNT_H_INCLUDED_
#define _NGX_LLMOPS_ACCOUNT_H_INCLUDED_


#include "ngx_llmops.h"


/* Adds a request that is over to the ledger of usage: once, with the log line
   that says the same.  From the log handler; never waits. */
void ngx_llmops_account(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx);


#endif /* _NGX_LLMOPS_ACCOUNT_H_INCLUDED_ */
