
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_usage.h"


/*
 * GET usage: what was used, from the ledger.  The rows of the days asked for
 * are read, those that are not wanted dropped, and what is the same in all
 * that is asked "by" added up.  The number of rows is bounded by the ledger, so
 * that this is done in memory and at once.
 */


static ngx_int_t ngx_llmops_admin_usage_get(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_usage_cleanup(void *data);
static void ngx_llmops_admin_usage_read(ngx_array_t *rows, void *data);
static ngx_int_t ngx_llmops_admin_usage_failed(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_usage_answer(ngx_llmops_admin_t *a);
static ngx_uint_t ngx_llmops_usage_wanted(ngx_llmops_usage_query_t *q,
    ngx_llmops_ledger_row_t *row);
static void ngx_llmops_usage_strip(ngx_llmops_usage_query_t *q,
    ngx_llmops_ledger_row_t *row);
static void ngx_llmops_usage_add(int64_t *sums, int64_t *more);


const char  *ngx_llmops_usage_names[] = {
    "day", "client", "tenant", "route", "model", NULL
};


/* in the order of ngx_llmops_ledger_e */

const char  *ngx_llmops_usage_sums[] = {
    "requests", "errors", "input_tokens", "output_tokens", "cached_tokens",
    "cache_write_tokens", "reasoning_tokens", "estimated", "unpriced", "cost"
};


/* the parts that are strings */

static const size_t  ngx_llmops_usage_offsets[] = {
    0,
    offsetof(ngx_llmops_ledger_row_t, client),
    offsetof(ngx_llmops_ledger_row_t, tenant),
    offsetof(ngx_llmops_ledger_row_t, route),
    offsetof(ngx_llmops_ledger_row_t, model)
};

#define ngx_llmops_usage_str(row, which)                                      \
    ((ngx_str_t *) ((u_char *) (row) + ngx_llmops_usage_offsets[which]))


const ngx_llmops_admin_call_t  ngx_llmops_admin_usage[] = {

    { NGX_HTTP_GET, "usage", "getUsage",
      "from to by client tenant route model format limit cursor",
      ngx_llmops_admin_usage_get, 0, 0 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


static ngx_int_t
ngx_llmops_admin_usage_get(ngx_llmops_admin_t *a)
{
    ngx_int_t                  rc;
    ngx_array_t               *rows;
    ngx_http_cleanup_t        *cln;
    ngx_llmops_usage_query_t  *q;

    q = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_usage_query_t));
    cln = ngx_http_cleanup_add(a->request, 0);

    if (q == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_llmops_admin_usage_cleanup;
    cln->data = q;

    a->data = q;

    rc = ngx_llmops_usage_parse(a, q);

    if (rc != NGX_OK) {
        return rc;
    }

    if (a->mcf->store == NULL) {
        return ngx_llmops_admin_usage_failed(a);
    }

    rc = ngx_llmops_ledger_rows(a->mcf->store, q->from, q->to,
                                a->request->pool, &rows,
                                ngx_llmops_admin_usage_read, a, &q->read);

    if (rc != NGX_OK) {
        return rc;
    }

    q->read = NULL;
    q->rows = rows;

    return rows ? ngx_llmops_admin_usage_answer(a)
                : ngx_llmops_admin_usage_failed(a);
}


static void
ngx_llmops_admin_usage_cleanup(void *data)
{
    ngx_llmops_usage_query_t *q = data;

    if (q->read) {
        ngx_llmops_ledger_cancel(q->read);
        q->read = NULL;
    }
}


static void
ngx_llmops_admin_usage_read(ngx_array_t *rows, void *data)
{
    ngx_llmops_admin_t *a = data;

    ngx_llmops_usage_query_t  *q;

    q = a->data;
    q->read = NULL;
    q->rows = rows;

    ngx_llmops_admin_resume(a, rows ? ngx_llmops_admin_usage_answer
                                    : ngx_llmops_admin_usage_failed);
}


static ngx_int_t
ngx_llmops_admin_usage_failed(ngx_llmops_admin_t *a)
{
    a->op.rc = NGX_ERROR;

    return ngx_llmops_admin_store_error(a);
}


static ngx_int_t
ngx_llmops_admin_usage_answer(ngx_llmops_admin_t *a)
{
    ngx_llmops_usage_query_t *q = a->data;

    ngx_llmops_usage_sum(q, q->rows);

    return q->csv ? ngx_llmops_usage_csv(a, q) : ngx_llmops_usage_json(a, q);
}


void
ngx_llmops_usage_sum(ngx_llmops_usage_query_t *q, ngx_array_t *rows)
{
    ngx_uint_t                i, n;
    ngx_llmops_ledger_row_t  *row;

    row = rows->elts;
    n = 0;

    for (i = 0; i < rows->nelts; i++) {

        if (!ngx_llmops_usage_wanted(q, &row[i])) {
            continue;
        }

        ngx_llmops_usage_add(q->total, row[i].sums);
        ngx_llmops_usage_strip(q, &row[i]);

        row[n++] = row[i];
    }

    rows->nelts = n;
    q->rows = rows;

    if (n == 0) {
        return;
    }

    ngx_qsort(row, n, sizeof(ngx_llmops_ledger_row_t), ngx_llmops_usage_cmp);

    for (i = 1, n = 0; i < rows->nelts; i++) {

        if (ngx_llmops_usage_cmp(&row[n], &row[i]) == 0) {
            ngx_llmops_usage_add(row[n].sums, row[i].sums);

        } else {
            row[++n] = row[i];
        }
    }

    rows->nelts = n + 1;
}


static ngx_uint_t
ngx_llmops_usage_wanted(ngx_llmops_usage_query_t *q,
    ngx_llmops_ledger_row_t *row)
{
    u_char      room[NGX_LLMOPS_USAGE_TEXT];
    ngx_str_t   part;
    ngx_uint_t  i;

    for (i = NGX_LLMOPS_USAGE_CLIENT; i < NGX_LLMOPS_USAGE_MAX; i++) {

        if (q->only[i] == NULL) {
            continue;
        }

        part = ngx_llmops_usage_part(row, i, room);

        if (ngx_memn2cmp(part.data, q->only[i]->data, part.len,
                         q->only[i]->len)
            != 0)
        {
            return 0;
        }
    }

    return 1;
}


/* without what it need not be told apart by */

static void
ngx_llmops_usage_strip(ngx_llmops_usage_query_t *q,
    ngx_llmops_ledger_row_t *row)
{
    ngx_uint_t  i;

    if (!(q->by & (1 << NGX_LLMOPS_USAGE_DAY))) {
        row->day = 0;
    }

    for (i = NGX_LLMOPS_USAGE_CLIENT; i < NGX_LLMOPS_USAGE_MAX; i++) {
        if (!(q->by & ((ngx_uint_t) 1 << i))) {
            ngx_llmops_usage_str(row, i)->len = 0;
        }
    }
}


static void
ngx_llmops_usage_add(int64_t *sums, int64_t *more)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
        sums[i] += more[i];
    }
}


int ngx_libc_cdecl
ngx_llmops_usage_cmp(const void *one, const void *two)
{
    ngx_int_t                       rc;
    ngx_uint_t                      i;
    ngx_str_t                      *x, *y;
    const ngx_llmops_ledger_row_t  *a = one;
    const ngx_llmops_ledger_row_t  *b = two;

    if (a->day != b->day) {
        return (a->day < b->day) ? -1 : 1;
    }

    for (i = NGX_LLMOPS_USAGE_CLIENT; i < NGX_LLMOPS_USAGE_MAX; i++) {

        x = ngx_llmops_usage_str(a, i);
        y = ngx_llmops_usage_str(b, i);

        rc = ngx_memn2cmp(x->data, y->data, x->len, y->len);

        if (rc != 0) {
            return (rc < 0) ? -1 : 1;
        }
    }

    return 0;
}


ngx_str_t
ngx_llmops_usage_part(ngx_llmops_ledger_row_t *row, ngx_uint_t which,
    u_char *room)
{
    ngx_str_t  day;

    if (which != NGX_LLMOPS_USAGE_DAY) {
        return *ngx_llmops_usage_str(row, which);
    }

    day.data = room;
    day.len = ngx_sprintf(room, "%04uD-%02uD-%02uD", row->day / 10000,
                          row->day / 100 % 100, row->day % 100)
              - room;

    return day;
}


ngx_str_t
ngx_llmops_usage_number(int64_t *sums, ngx_uint_t which, u_char *room)
{
    u_char     *p;
    int64_t     n;
    ngx_str_t   number;

    n = sums[which];
    number.data = room;

    if (which != NGX_LLMOPS_LEDGER_COST) {
        number.len = ngx_sprintf(room, "%L", n) - room;
        return number;
    }

    p = ngx_llmops_admin_money(room, n);

    number.len = p - room;

    return number;
}
