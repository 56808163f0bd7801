
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_store.h"


/*
 * Reading the ledger of all gateways: all days are asked for at once, and what
 * comes is fields, each with one sum of one row, in no order.  They are sorted
 * by row, and then those of a row stand side by side.
 */


#define NGX_LLMOPS_REDIS_DAYS      416     /* 400, and the 31sts that are not */


typedef struct {
    ngx_llmops_ledger_read_t   read;       /* first */
    ngx_pool_t                *pool;
    ngx_llmops_ledger_pt       handler;
    void                      *data;
    ngx_array_t               *rows;       /* one of each field at first */
    ngx_uint_t                 pending;
    ngx_uint_t                 ndays;
    unsigned                   failed:1;
    struct {
        ngx_llmops_redis_cmd_t *cmd;
        uint32_t                day;
        void                   *read;
    }                          days[NGX_LLMOPS_REDIS_DAYS];
} ngx_llmops_redis_read_t;


static ngx_uint_t ngx_llmops_redis_days(ngx_llmops_redis_read_t *rr,
    uint32_t from, uint32_t to);
static ngx_int_t ngx_llmops_redis_days_ask(ngx_llmops_redis_store_t *rs,
    ngx_llmops_redis_read_t *rr);
static void ngx_llmops_redis_rows_cancel(ngx_llmops_ledger_read_t *read);
static void ngx_llmops_redis_day(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_redis_day_read(ngx_llmops_redis_read_t *rr,
    uint32_t day, redisReply *reply);
static ngx_int_t ngx_llmops_redis_field(ngx_llmops_ledger_row_t *row,
    u_char *p, u_char *last, ngx_uint_t *sum);
static void ngx_llmops_redis_rows_join(ngx_array_t *rows);
static int ngx_libc_cdecl ngx_llmops_redis_rows_cmp(const void *one,
    const void *two);


ngx_int_t
ngx_llmops_redis_rows(ngx_llmops_store_t *store, uint32_t from, uint32_t to,
    ngx_pool_t *pool, ngx_array_t **rows, ngx_llmops_ledger_pt handler,
    void *data, ngx_llmops_ledger_read_t **read)
{
    ngx_llmops_redis_read_t  *rr;

    *rows = NULL;

    rr = ngx_pcalloc(pool, sizeof(ngx_llmops_redis_read_t));
    if (rr == NULL) {
        return NGX_ERROR;
    }

    rr->read.cancel = ngx_llmops_redis_rows_cancel;
    rr->pool = pool;
    rr->handler = handler;
    rr->data = data;
    rr->rows = ngx_array_create(pool, 16, sizeof(ngx_llmops_ledger_row_t));

    if (rr->rows == NULL) {
        return NGX_ERROR;
    }

    rr->ndays = ngx_llmops_redis_days(rr, from, to);

    if (rr->ndays == 0) {
        *rows = rr->rows;
        return NGX_OK;
    }

    if (ngx_llmops_redis_days_ask(store->redis, rr) != NGX_OK) {
        ngx_llmops_redis_rows_cancel(&rr->read);
        return NGX_OK;                       /* cannot be asked */
    }

    *read = &rr->read;

    return NGX_AGAIN;
}


/* the numbers between the two that are days of a calendar, nearly: a 31st of
   February has no rows */

static ngx_uint_t
ngx_llmops_redis_days(ngx_llmops_redis_read_t *rr, uint32_t from, uint32_t to)
{
    uint32_t    day;
    ngx_uint_t  n;

    n = 0;

    for (day = from; day <= to && n < NGX_LLMOPS_REDIS_DAYS; day++) {

        if (day % 100 > 31) {
            day += 100 - day % 100;          /* the 1st after the loop's ++ */
            day -= 1;

            if (day / 100 % 100 >= 12) {
                day += 10000 - day % 10000 + 99;
            }

            continue;
        }

        if (day % 100 == 0 || day / 100 % 100 == 0 || day / 100 % 100 > 12) {
            continue;
        }

        rr->days[n++].day = day;
    }

    return n;
}


static ngx_int_t
ngx_llmops_redis_days_ask(ngx_llmops_redis_store_t *rs,
    ngx_llmops_redis_read_t *rr)
{
    u_char      text[sizeof("l:20261125")];
    ngx_str_t   argv[2] = { ngx_llmops_redis_word("HGETALL") };
    ngx_uint_t  i;

    for (i = 0; i < rr->ndays; i++) {

        argv[1] = ngx_llmops_redis_key(rs, rr->pool, (char *) text,
                                       ngx_sprintf(text, "l:%08uD",
                                                   rr->days[i].day)
                                       - text);
        if (argv[1].len == 0) {
            return NGX_ERROR;
        }

        rr->days[i].read = rr;
        rr->days[i].cmd = ngx_llmops_redis_command(rs->redis, &argv[1], 2,
                                              argv, ngx_llmops_redis_day,
                                              &rr->days[i]);
        if (rr->days[i].cmd == NULL) {
            return NGX_ERROR;
        }

        rr->pending++;
    }

    return NGX_OK;
}


static void
ngx_llmops_redis_rows_cancel(ngx_llmops_ledger_read_t *read)
{
    ngx_llmops_redis_read_t *rr = (ngx_llmops_redis_read_t *) read;

    ngx_uint_t  i;

    for (i = 0; i < rr->ndays; i++) {
        if (rr->days[i].cmd) {
            ngx_llmops_redis_cancel(rr->days[i].cmd);
            rr->days[i].cmd = NULL;
        }
    }
}


static void
ngx_llmops_redis_day(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_uint_t                i;
    ngx_llmops_redis_read_t  *rr;

    rr = *(void **) ((u_char *) data
                     + offsetof(ngx_llmops_redis_read_t, days[0].read)
                     - offsetof(ngx_llmops_redis_read_t, days[0]));

    i = ((u_char *) data - (u_char *) rr->days) / sizeof(rr->days[0]);

    rr->days[i].cmd = NULL;
    rr->pending--;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || ngx_llmops_redis_day_read(rr, rr->days[i].day, reply) != NGX_OK)
    {
        rr->failed = 1;
    }

    if (rr->pending) {
        return;
    }

    if (!rr->failed) {
        ngx_llmops_redis_rows_join(rr->rows);
    }

    rr->handler(rr->failed ? NULL : rr->rows, rr->data);
}


static ngx_int_t
ngx_llmops_redis_day_read(ngx_llmops_redis_read_t *rr, uint32_t day,
    redisReply *reply)
{
    u_char                   *p;
    size_t                    i;
    int64_t                   n;
    ngx_uint_t                sum;
    redisReply               *field, *value;
    ngx_llmops_ledger_row_t  *row, one;

    for (i = 0; i + 1 < reply->elements; i += 2) {
        field = reply->element[i];
        value = reply->element[i + 1];

        if (field->type != REDIS_REPLY_STRING
            || value->type != REDIS_REPLY_STRING)
        {
            return NGX_ERROR;
        }

        p = ngx_pnalloc(rr->pool, field->len);
        if (p == NULL) {
            return NGX_ERROR;
        }

        ngx_memcpy(p, field->str, field->len);
        ngx_memzero(&one, sizeof(ngx_llmops_ledger_row_t));

        one.day = day;

        n = strtoll(value->str, NULL, 10);   /* hiredis terminates strings */

        if (ngx_llmops_redis_field(&one, p, p + field->len, &sum) != NGX_OK) {
            continue;                        /* of another version */
        }

        one.sums[sum] = n;

        row = ngx_array_push(rr->rows);
        if (row == NULL) {
            return NGX_ERROR;
        }

        *row = one;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_redis_field(ngx_llmops_ledger_row_t *row, u_char *p, u_char *last,
    ngx_uint_t *sum)
{
    u_char      *colon, *letter;
    ngx_int_t    len;
    ngx_str_t   *parts[4];
    ngx_uint_t   i;

    static u_char  letters[] = NGX_LLMOPS_REDIS_SUMS;

    parts[0] = &row->client;
    parts[1] = &row->tenant;
    parts[2] = &row->route;
    parts[3] = &row->model;

    for (i = 0; i < 4; i++) {

        colon = ngx_strlchr(p, last, ':');

        if (colon == NULL) {
            return NGX_DECLINED;
        }

        len = ngx_atoi(p, colon - p);

        if (len == NGX_ERROR || len > last - colon - 1) {
            return NGX_DECLINED;
        }

        parts[i]->data = colon + 1;
        parts[i]->len = len;

        p = colon + 1 + len;
    }

    if (last - p != 1) {
        return NGX_DECLINED;
    }

    letter = ngx_strlchr(letters, letters + sizeof(letters) - 1, *p);

    if (letter == NULL) {
        return NGX_DECLINED;
    }

    *sum = letter - letters;

    return NGX_OK;
}


static void
ngx_llmops_redis_rows_join(ngx_array_t *rows)
{
    ngx_uint_t                i, k, n;
    ngx_llmops_ledger_row_t  *row;

    row = rows->elts;
    n = 0;

    qsort(row, rows->nelts, sizeof(ngx_llmops_ledger_row_t),
          ngx_llmops_redis_rows_cmp);

    for (i = 0; i < rows->nelts; i++) {

        if (n && ngx_llmops_redis_rows_cmp(&row[n - 1], &row[i]) == 0) {

            for (k = 0; k < NGX_LLMOPS_LEDGER_MAX; k++) {
                row[n - 1].sums[k] += row[i].sums[k];
            }

            continue;
        }

        row[n++] = row[i];
    }

    rows->nelts = n;
}


static int ngx_libc_cdecl
ngx_llmops_redis_rows_cmp(const void *one, const void *two)
{
    ngx_int_t                       rc;
    ngx_uint_t                      i;
    const ngx_str_t                *a[4], *b[4];
    const ngx_llmops_ledger_row_t  *x = one, *y = two;

    if (x->day != y->day) {
        return x->day < y->day ? -1 : 1;
    }

    a[0] = &x->client, b[0] = &y->client;
    a[1] = &x->tenant, b[1] = &y->tenant;
    a[2] = &x->route, b[2] = &y->route;
    a[3] = &x->model, b[3] = &y->model;

    for (i = 0; i < 4; i++) {
        rc = ngx_memn2cmp(a[i]->data, b[i]->data, a[i]->len, b[i]->len);

        if (rc) {
            return (int) rc;
        }
    }

    return 0;
}
