
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_LIMIT_SH_H_INCLUDED_
#define _NGX_LLMOPS_LIMIT_SH_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include "ngx_llmops_store.h"


/*
 * What is counted of a limit in the zone, for the metrics: a node by the
 * limit's name, whatever the values of its key.  A change of this layout needs
 * another NGX_LLMOPS_ZONE_LAYOUT.
 */


#define NGX_LLMOPS_LIMIT_WARN      4       /* thresholds of a quota */


/* how full the fullest of all keys is, of one rate */

typedef struct {
    ngx_atomic_t               id;         /* unit, period, window; 0: free */
    ngx_atomic_t               end;        /* ms: of the period it is about */
    ngx_atomic_t               used;       /* in 1/10000 */
} ngx_llmops_fill_sh_t;

#define ngx_llmops_fill_id(rate)                                              \
    (((uint64_t) (rate)->unit + 1) << 56 | (uint64_t) (rate)->period << 48    \
     | ((uint64_t) (rate)->window & 0xffffffffffffULL))


typedef struct {
    ngx_atomic_t               denied[NGX_LLMOPS_UNIT_MAX];
    ngx_atomic_t               dry_run[NGX_LLMOPS_UNIT_MAX];
    ngx_atomic_t               ended[NGX_LLMOPS_UNIT_MAX];     /* streams */
    ngx_atomic_t               failed;     /* not asked, or could not be */
    ngx_atomic_t               warned;     /* thresholds that were passed */
    ngx_atomic_t               told[2];    /* webhook: given up, sent */
    ngx_llmops_fill_sh_t       fill[NGX_LLMOPS_COUNTER_RATES];
} ngx_llmops_limit_sh_t;


/*
 * Thresholds that have been passed, so that each is told once: hashes of
 * limit, key, rate, threshold and period.  When it is full the oldest are not
 * known, so that one may be told twice.
 */

#define NGX_LLMOPS_WARNED          1024
#define NGX_LLMOPS_WARNED_NEAR     8       /* slots in which one may be */

typedef struct {
    ngx_atomic_t               slots[NGX_LLMOPS_WARNED
                                     + NGX_LLMOPS_WARNED_NEAR];
} ngx_llmops_warned_sh_t;


#endif /* _NGX_LLMOPS_LIMIT_SH_H_INCLUDED_ */
