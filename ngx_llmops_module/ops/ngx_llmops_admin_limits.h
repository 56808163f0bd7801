
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_LIMITS_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_LIMITS_H_INCLUDED_


#include "ngx_llmops_admin.h"
#include "ngx_llmops_limit.h"


/* Limits: their definitions, and the levels of their counters. */


/* A rate, its unit and its limit; NULL: out of memory. */
json_t *ngx_llmops_admin_limit_rate(ngx_llmops_rate_t *rate);

/* An amount of a unit: money as a text, else a number. */
json_t *ngx_llmops_admin_limit_amount(ngx_llmops_unit_e unit, int64_t n);

/* See ngx_llmops_admin_level.c. */
ngx_int_t ngx_llmops_admin_limit_get(ngx_llmops_admin_t *a);
ngx_int_t ngx_llmops_admin_limit_reset(ngx_llmops_admin_t *a);


#endif /* _NGX_LLMOPS_ADMIN_LIMITS_H_INCLUDED_ */
