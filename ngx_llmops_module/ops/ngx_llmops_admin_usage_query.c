
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_usage.h"


/*
 * The arguments of GET usage.  Days are those of UTC, as in the ledger.
 *
 * A cursor is the row that a page has ended with, so that rows which come
 * meanwhile are neither missed behind it nor move the others.
 */


#define NGX_LLMOPS_USAGE_DAYS      400     /* at the most */
#define NGX_LLMOPS_USAGE_DEFAULT   30


static ngx_int_t ngx_llmops_usage_days(ngx_llmops_admin_t *a,
    ngx_llmops_usage_query_t *q);
static ngx_int_t ngx_llmops_usage_day(ngx_llmops_admin_t *a,
    const char *name, time_t *day);
static ngx_int_t ngx_llmops_usage_read_day(ngx_str_t *text, time_t *day);
static uint32_t ngx_llmops_usage_number_of(time_t day);
static ngx_int_t ngx_llmops_usage_by(ngx_llmops_admin_t *a,
    ngx_llmops_usage_query_t *q);
static ngx_uint_t ngx_llmops_usage_by_name(u_char *p, size_t len);
static ngx_int_t ngx_llmops_usage_form(ngx_llmops_admin_t *a,
    ngx_llmops_usage_query_t *q);


ngx_int_t
ngx_llmops_usage_parse(ngx_llmops_admin_t *a, ngx_llmops_usage_query_t *q)
{
    ngx_int_t   rc;
    ngx_uint_t  i;

    for (i = NGX_LLMOPS_USAGE_CLIENT; i < NGX_LLMOPS_USAGE_MAX; i++) {
        q->only[i] = ngx_llmops_admin_arg(a, ngx_llmops_usage_names[i]);
    }

    rc = ngx_llmops_usage_days(a, q);

    if (rc == NGX_OK) {
        rc = ngx_llmops_usage_by(a, q);
    }

    return rc == NGX_OK ? ngx_llmops_usage_form(a, q) : rc;
}


static ngx_int_t
ngx_llmops_usage_days(ngx_llmops_admin_t *a, ngx_llmops_usage_query_t *q)
{
    time_t     from, to;
    ngx_int_t  rc;

    to = ngx_time() / 86400;

    rc = ngx_llmops_usage_day(a, "to", &to);

    if (rc != NGX_OK) {
        return rc;
    }

    from = to - (NGX_LLMOPS_USAGE_DEFAULT - 1);

    rc = ngx_llmops_usage_day(a, "from", &from);

    if (rc != NGX_OK) {
        return rc;
    }

    if (from > to || to - from >= NGX_LLMOPS_USAGE_DAYS) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"from\" must not be later than \"to\" "
                                      "nor more than %d days before it",
                                      NGX_LLMOPS_USAGE_DAYS - 1);
    }

    q->from = ngx_llmops_usage_number_of(from);
    q->to = ngx_llmops_usage_number_of(to);

    return NGX_OK;
}


/* days since 1970; as it is where the argument is not given */

static ngx_int_t
ngx_llmops_usage_day(ngx_llmops_admin_t *a, const char *name, time_t *day)
{
    ngx_str_t  *arg;

    arg = ngx_llmops_admin_arg(a, name);

    if (arg == NULL || ngx_llmops_usage_read_day(arg, day) == NGX_OK) {
        return NGX_OK;
    }

    return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                  "\"%s\" must be a day like 2026-11-25",
                                  name);
}


/* the days from 0000-03-01 on, less those until 1970 */

static ngx_int_t
ngx_llmops_usage_read_day(ngx_str_t *text, time_t *day)
{
    u_char     *p;
    ngx_int_t   y, m, d, year, month;

    p = text->data;

    if (text->len != 10 || p[4] != '-' || p[7] != '-') {
        return NGX_DECLINED;
    }

    y = ngx_atoi(p, 4);
    m = ngx_atoi(p + 5, 2);
    d = ngx_atoi(p + 8, 2);

    if (y < 1970 || m < 1 || m > 12 || d < 1) {
        return NGX_DECLINED;
    }

    year = (m <= 2) ? y - 1 : y;
    month = (m + 9) % 12;

    *day = year * 365 + year / 4 - year / 100 + year / 400
           + (month * 306 + 5) / 10 + d - 1 - 719468;

    /* no 31st of April, which would be the 1st of May */

    return ngx_llmops_usage_number_of(*day)
           == (uint32_t) (y * 10000 + m * 100 + d) ? NGX_OK : NGX_DECLINED;
}


static uint32_t
ngx_llmops_usage_number_of(time_t day)
{
    ngx_tm_t  tm;

    ngx_gmtime(day * 86400, &tm);

    return tm.ngx_tm_year * 10000 + tm.ngx_tm_mon * 100 + tm.ngx_tm_mday;
}


static ngx_int_t
ngx_llmops_usage_by(ngx_llmops_admin_t *a, ngx_llmops_usage_query_t *q)
{
    u_char      *p, *end, *last;
    ngx_str_t   *arg;
    ngx_uint_t   which;

    arg = ngx_llmops_admin_arg(a, "by");

    if (arg == NULL) {
        q->by = 1 << NGX_LLMOPS_USAGE_DAY;
        return NGX_OK;
    }

    last = arg->data + arg->len;

    for (p = arg->data; p < last; p = end + 1) {

        end = ngx_strlchr(p, last, ',');
        end = end ? end : last;

        which = ngx_llmops_usage_by_name(p, end - p);

        if (which == NGX_LLMOPS_USAGE_MAX) {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "\"by\" must be some of day, "
                                          "client, tenant, route and model, "
                                          "with commas");
        }

        q->by |= (ngx_uint_t) 1 << which;
    }

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_usage_by_name(u_char *p, size_t len)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_USAGE_MAX; i++) {
        if (ngx_strlen(ngx_llmops_usage_names[i]) == len
            && ngx_memcmp(ngx_llmops_usage_names[i], p, len) == 0)
        {
            break;
        }
    }

    return i;
}


/* how it is answered */

static ngx_int_t
ngx_llmops_usage_form(ngx_llmops_admin_t *a, ngx_llmops_usage_query_t *q)
{
    ngx_int_t   rc;
    ngx_str_t  *format, *cursor;

    format = ngx_llmops_admin_arg(a, "format");
    cursor = ngx_llmops_admin_arg(a, "cursor");

    q->csv = (format && format->len == 3
              && ngx_memcmp(format->data, "csv", 3) == 0);

    if (format && !q->csv
        && (format->len != 4 || ngx_memcmp(format->data, "json", 4) != 0))
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"format\" must be json or csv");
    }

    if (q->csv && (cursor || ngx_llmops_admin_arg(a, "limit"))) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "with \"format=csv\" there are no "
                                      "pages");
    }

    rc = ngx_llmops_admin_arg_number(a, "limit", 1, 10000, 1000, &q->limit);

    if (rc != NGX_OK || cursor == NULL) {
        return rc;
    }

    q->after = ngx_llmops_usage_cursor_row(a->request->pool, cursor);

    if (q->after == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"cursor\" must be the \"next\" of an "
                                      "answer");
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_usage_cursor(ngx_pool_t *pool, ngx_llmops_ledger_row_t *row,
    ngx_str_t *cursor)
{
    u_char      *p, room[NGX_LLMOPS_USAGE_TEXT];
    ngx_str_t    text, part;
    ngx_uint_t   i;

    text.data = ngx_pnalloc(pool, row->client.len + row->tenant.len
                                  + row->route.len + row->model.len + 16);
    if (text.data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(text.data, "%08uD", row->day);

    for (i = NGX_LLMOPS_USAGE_CLIENT; i < NGX_LLMOPS_USAGE_MAX; i++) {
        part = ngx_llmops_usage_part(row, i, room);

        *p++ = '\0';
        p = ngx_cpymem(p, part.data, part.len);
    }

    text.len = p - text.data;

    cursor->data = ngx_pnalloc(pool, ngx_base64_encoded_length(text.len));
    if (cursor->data == NULL) {
        return NGX_ERROR;
    }

    ngx_encode_base64url(cursor, &text);

    return NGX_OK;
}


ngx_llmops_ledger_row_t *
ngx_llmops_usage_cursor_row(ngx_pool_t *pool, ngx_str_t *cursor)
{
    u_char                   *p, *end, *last;
    ngx_int_t                 day;
    ngx_str_t                 text, part[NGX_LLMOPS_USAGE_MAX];
    ngx_uint_t                i;
    ngx_llmops_ledger_row_t  *row;

    row = ngx_pcalloc(pool, sizeof(ngx_llmops_ledger_row_t));
    text.data = ngx_pnalloc(pool, ngx_base64_decoded_length(cursor->len) + 1);

    if (row == NULL || text.data == NULL
        || ngx_decode_base64url(&text, cursor) != NGX_OK)
    {
        return NULL;
    }

    p = text.data;
    last = p + text.len;

    for (i = 0; i < NGX_LLMOPS_USAGE_MAX; i++) {

        if (p > last) {
            return NULL;                     /* fewer parts */
        }

        end = ngx_strlchr(p, last, '\0');
        end = end ? end : last;

        part[i].data = p;
        part[i].len = end - p;

        p = end + 1;
    }

    day = ngx_atoi(part[0].data, part[0].len);

    if (p <= last || day == NGX_ERROR || day > 99999999) {
        return NULL;
    }

    row->day = (uint32_t) day;
    row->client = part[NGX_LLMOPS_USAGE_CLIENT];
    row->tenant = part[NGX_LLMOPS_USAGE_TENANT];
    row->route = part[NGX_LLMOPS_USAGE_ROUTE];
    row->model = part[NGX_LLMOPS_USAGE_MODEL];

    return row;
}
