
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ADMIN_USAGE_H_INCLUDED_
#define _NGX_LLMOPS_ADMIN_USAGE_H_INCLUDED_


#include "ngx_llmops_admin.h"
#include "ngx_llmops_ledger.h"


/* GET usage: asking, adding up, and the two forms of the answer. */


/* what rows can be told apart by; bits of "by" are 1 << these */

typedef enum {
    NGX_LLMOPS_USAGE_DAY = 0,
    NGX_LLMOPS_USAGE_CLIENT,
    NGX_LLMOPS_USAGE_TENANT,
    NGX_LLMOPS_USAGE_ROUTE,
    NGX_LLMOPS_USAGE_MODEL,
    NGX_LLMOPS_USAGE_MAX
} ngx_llmops_usage_by_e;

extern const char  *ngx_llmops_usage_names[];

/* of ngx_llmops_ledger_e, as both forms spell them */
extern const char  *ngx_llmops_usage_sums[];

#define NGX_LLMOPS_USAGE_TEXT      32      /* bytes of a day or a cost */


typedef struct {
    uint32_t                   from;       /* 20261125 */
    uint32_t                   to;
    ngx_uint_t                 by;         /* bits */
    ngx_str_t                 *only[NGX_LLMOPS_USAGE_MAX];     /* NULL: all */
    ngx_int_t                  limit;
    ngx_llmops_ledger_row_t   *after;      /* of the cursor, or NULL */
    unsigned                   csv:1;

    ngx_array_t               *rows;       /* sorted and added up */
    int64_t                    total[NGX_LLMOPS_LEDGER_MAX];
    ngx_llmops_ledger_read_t  *read;       /* under way, or NULL */
} ngx_llmops_usage_query_t;


/* The arguments.  NGX_OK; NGX_DECLINED: the error has been set; NGX_ERROR. */
ngx_int_t ngx_llmops_usage_parse(ngx_llmops_admin_t *a,
    ngx_llmops_usage_query_t *q);

/* Drops what is not wanted from rows, adds up what is the same under "by",
   sorts; sets q->rows and q->total. */
void ngx_llmops_usage_sum(ngx_llmops_usage_query_t *q, ngx_array_t *rows);

/* The order of rows: by day, client, tenant, route, model. */
int ngx_libc_cdecl ngx_llmops_usage_cmp(const void *one, const void *two);

/* A part of a row as text: a day as "2026-11-25", in room for
   NGX_LLMOPS_USAGE_TEXT bytes. */
ngx_str_t ngx_llmops_usage_part(ngx_llmops_ledger_row_t *row,
    ngx_uint_t which, u_char *room);

/* A sum as text: cost in USD, exactly, no trailing zeros. */
ngx_str_t ngx_llmops_usage_number(int64_t *sums, ngx_uint_t which,
    u_char *room);

/* The cursor that stands for a row, in r->pool; and the row of a cursor, or
   NULL if it is none. */
ngx_int_t ngx_llmops_usage_cursor(ngx_pool_t *pool,
    ngx_llmops_ledger_row_t *row, ngx_str_t *cursor);
ngx_llmops_ledger_row_t *ngx_llmops_usage_cursor_row(ngx_pool_t *pool,
    ngx_str_t *cursor);

/* The answers. */
ngx_int_t ngx_llmops_usage_json(ngx_llmops_admin_t *a,
    ngx_llmops_usage_query_t *q);
ngx_int_t ngx_llmops_usage_csv(ngx_llmops_admin_t *a,
    ngx_llmops_usage_query_t *q);


#endif /* _NGX_LLMOPS_ADMIN_USAGE_H_INCLUDED_ */
