
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_usage.h"


/*
 * Usage as JSON and as CSV.  Costs are decimal texts in both: a number with
 * twelve decimals does not survive a parser that reads it into a double.
 *
 * A spreadsheet takes a field that begins with "=", "+", "-" or "@" for a
 * formula.  Names of clients and tenants may begin with that: such a field
 * gets an apostrophe in front, as OWASP advises ("CSV Injection").
 */


static ngx_llmops_ledger_row_t *ngx_llmops_usage_json_rows(
    ngx_llmops_usage_query_t *q, json_t *array);
static json_t *ngx_llmops_usage_json_row(ngx_llmops_usage_query_t *q,
    ngx_llmops_ledger_row_t *row);
static ngx_int_t ngx_llmops_usage_json_sums(json_t *object, int64_t *sums);
static json_t *ngx_llmops_usage_json_by(ngx_llmops_usage_query_t *q);
static json_t *ngx_llmops_usage_json_day(uint32_t day);
static void ngx_llmops_usage_csv_row(ngx_llmops_page_t *page,
    ngx_llmops_usage_query_t *q, ngx_llmops_ledger_row_t *row);
static void ngx_llmops_usage_csv_field(ngx_llmops_page_t *page,
    ngx_str_t *value);


ngx_int_t
ngx_llmops_usage_json(ngx_llmops_admin_t *a, ngx_llmops_usage_query_t *q)
{
    json_t                   *rows, *total, *next;
    ngx_str_t                 cursor;
    ngx_llmops_ledger_row_t  *last;

    rows = json_array();
    total = json_object();
    next = json_null();

    last = ngx_llmops_usage_json_rows(q, rows);

    if (last) {

        if (ngx_llmops_usage_cursor(a->request->pool, last, &cursor)
            != NGX_OK)
        {
            json_decref(rows);
            json_decref(total);
            return NGX_ERROR;
        }

        next = ngx_llmops_admin_string(&cursor);
    }

    (void) ngx_llmops_usage_json_sums(total, q->total);

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
        json_pack("{s:o,s:o,s:o,s:o,s:o,s:o}",
                  "from", ngx_llmops_usage_json_day(q->from),
                  "to", ngx_llmops_usage_json_day(q->to),
                  "by", ngx_llmops_usage_json_by(q),
                  "rows", rows, "total", total, "next", next));
}


/* the rows of a page; the last of them if there are more, else NULL */

static ngx_llmops_ledger_row_t *
ngx_llmops_usage_json_rows(ngx_llmops_usage_query_t *q, json_t *array)
{
    ngx_uint_t                i;
    ngx_llmops_ledger_row_t  *row, *last;

    row = q->rows->elts;
    last = NULL;

    for (i = 0; i < q->rows->nelts; i++) {

        if (q->after && ngx_llmops_usage_cmp(&row[i], q->after) <= 0) {
            continue;
        }

        if (json_array_size(array) == (size_t) q->limit) {
            return last;
        }

        last = &row[i];

        (void) json_array_append_new(array,
                                     ngx_llmops_usage_json_row(q, last));
    }

    return NULL;
}


static json_t *
ngx_llmops_usage_json_row(ngx_llmops_usage_query_t *q,
    ngx_llmops_ledger_row_t *row)
{
    u_char       room[NGX_LLMOPS_USAGE_TEXT];
    json_t      *object;
    ngx_str_t    part;
    ngx_uint_t   i;

    object = json_object();

    for (i = 0; i < NGX_LLMOPS_USAGE_MAX; i++) {

        if (q->by & ((ngx_uint_t) 1 << i)) {
            part = ngx_llmops_usage_part(row, i, room);

            (void) json_object_set_new(object, ngx_llmops_usage_names[i],
                                       ngx_llmops_admin_string(&part));
        }
    }

    (void) ngx_llmops_usage_json_sums(object, row->sums);

    return object;
}


static ngx_int_t
ngx_llmops_usage_json_sums(json_t *object, int64_t *sums)
{
    u_char       room[NGX_LLMOPS_USAGE_TEXT];
    json_t      *value;
    ngx_str_t    text;
    ngx_uint_t   i;

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {

        if (i == NGX_LLMOPS_LEDGER_COST) {
            text = ngx_llmops_usage_number(sums, i, room);
            value = ngx_llmops_admin_string(&text);

        } else {
            value = json_integer(sums[i]);
        }

        if (json_object_set_new(object, ngx_llmops_usage_sums[i], value)
            != 0)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static json_t *
ngx_llmops_usage_json_by(ngx_llmops_usage_query_t *q)
{
    json_t      *array;
    ngx_uint_t   i;

    array = json_array();

    for (i = 0; i < NGX_LLMOPS_USAGE_MAX; i++) {
        if (q->by & ((ngx_uint_t) 1 << i)) {
            (void) json_array_append_new(array,
                                      json_string(ngx_llmops_usage_names[i]));
        }
    }

    return array;
}


static json_t *
ngx_llmops_usage_json_day(uint32_t day)
{
    u_char                    room[NGX_LLMOPS_USAGE_TEXT];
    ngx_str_t                 text;
    ngx_llmops_ledger_row_t   row;

    row.day = day;

    text = ngx_llmops_usage_part(&row, NGX_LLMOPS_USAGE_DAY, room);

    return ngx_llmops_admin_string(&text);
}


/* -- CSV (RFC 4180) ------------------------------------------------------- */

ngx_int_t
ngx_llmops_usage_csv(ngx_llmops_admin_t *a, ngx_llmops_usage_query_t *q)
{
    ngx_uint_t                i;
    ngx_llmops_page_t        *page;
    ngx_llmops_ledger_row_t  *row;

    page = &a->page;
    row = q->rows->elts;

    for (i = 0; i < NGX_LLMOPS_USAGE_MAX; i++) {
        if (q->by & ((ngx_uint_t) 1 << i)) {
            ngx_llmops_page_printf(page, "%s,", ngx_llmops_usage_names[i]);
        }
    }

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
        ngx_llmops_page_printf(page, "%s%s", ngx_llmops_usage_sums[i],
                               i + 1 < NGX_LLMOPS_LEDGER_MAX ? "," : "\r\n");
    }

    for (i = 0; i < q->rows->nelts; i++) {
        ngx_llmops_usage_csv_row(page, q, &row[i]);
    }

    if (page->failed) {
        return NGX_ERROR;
    }

    ngx_str_set(&a->type, "text/csv; charset=utf-8; header=present");
    ngx_str_set(&a->disposition, "attachment; filename=\"usage.csv\"");
    a->status = NGX_HTTP_OK;

    return NGX_OK;
}


static void
ngx_llmops_usage_csv_row(ngx_llmops_page_t *page,
    ngx_llmops_usage_query_t *q, ngx_llmops_ledger_row_t *row)
{
    u_char      room[NGX_LLMOPS_USAGE_TEXT];
    ngx_str_t   text;
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_USAGE_MAX; i++) {

        if (q->by & ((ngx_uint_t) 1 << i)) {
            text = ngx_llmops_usage_part(row, i, room);

            ngx_llmops_usage_csv_field(page, &text);
            ngx_llmops_page_lit(page, ",");
        }
    }

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {
        text = ngx_llmops_usage_number(row->sums, i, room);

        ngx_llmops_page_str(page, &text);
        ngx_llmops_page_write(page, i + 1 < NGX_LLMOPS_LEDGER_MAX ? ","
                                                                  : "\r\n",
                              i + 1 < NGX_LLMOPS_LEDGER_MAX ? 1 : 2);
    }
}


static void
ngx_llmops_usage_csv_field(ngx_llmops_page_t *page, ngx_str_t *value)
{
    size_t      i;
    ngx_uint_t  quote, formula;

    formula = value->len && strchr("=+-@\t\r\n", value->data[0]) != NULL;
    quote = formula;

    for (i = 0; i < value->len; i++) {
        quote |= (value->data[i] == '"' || value->data[i] == ','
                  || value->data[i] == ';' || value->data[i] < ' ');
    }

    if (!quote) {
        ngx_llmops_page_str(page, value);
        return;
    }

    ngx_llmops_page_write(page, formula ? "\"'" : "\"", formula ? 2 : 1);

    for (i = 0; i < value->len; i++) {

        if (value->data[i] == '"') {
            ngx_llmops_page_lit(page, "\"");
        }

        ngx_llmops_page_write(page, &value->data[i], 1);
    }

    ngx_llmops_page_lit(page, "\"");
}
