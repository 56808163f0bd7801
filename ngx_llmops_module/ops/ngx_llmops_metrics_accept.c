
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_metrics_print.h"


/*
 * Whether a scraper prefers OpenMetrics.  Only what it names counts: "*" in
 * either place is a browser's or a script's, which get the older format.
 */


static ngx_uint_t ngx_llmops_accept_range(u_char *p, u_char *last,
    ngx_uint_t *openmetrics);
static ngx_uint_t ngx_llmops_accept_q(u_char *p, u_char *last);
static u_char *ngx_llmops_accept_end(u_char *p, u_char *last, u_char c);


ngx_uint_t
ngx_llmops_openmetrics(ngx_str_t *accept)
{
    u_char      *p, *end, *last;
    ngx_uint_t   q, best[2], openmetrics;

    best[0] = 0;
    best[1] = 0;

    last = accept->data + accept->len;

    for (p = accept->data; p < last; p = end + 1) {

        end = ngx_llmops_accept_end(p, last, ',');

        q = ngx_llmops_accept_range(p, end, &openmetrics);

        best[openmetrics] = ngx_max(best[openmetrics], q);
    }

    return best[1] && best[1] >= best[0];
}


/* one media range of Accept: its quality, 0 ... 1000 */

static ngx_uint_t
ngx_llmops_accept_range(u_char *p, u_char *last, ngx_uint_t *openmetrics)
{
    size_t       len;
    u_char      *end;
    ngx_uint_t   q;

    static const char  om[] = "application/openmetrics-text";
    static const char  text[] = "text/plain";

    while (p < last && *p == ' ') {
        p++;
    }

    end = ngx_llmops_accept_end(p, last, ';');

    for (len = end - p; len && p[len - 1] == ' '; len--) { /* void */ }

    *openmetrics = (len == sizeof(om) - 1
                    && ngx_strncasecmp(p, (u_char *) om, len) == 0);

    if (!*openmetrics
        && (len != sizeof(text) - 1
            || ngx_strncasecmp(p, (u_char *) text, len) != 0))
    {
        return 0;
    }

    q = 1000;

    while (end < last) {

        p = end + 1;
        end = ngx_llmops_accept_end(p, last, ';');

        while (p < end && *p == ' ') {
            p++;
        }

        if (end - p > 2 && ngx_strncasecmp(p, (u_char *) "q=", 2) == 0) {
            q = ngx_llmops_accept_q(p + 2, end);

        } else if (*openmetrics && end - p > 8
                   && ngx_strncasecmp(p, (u_char *) "version=0", 9) == 0)
        {
            return 0;                        /* a draft of the format */
        }
    }

    return q;
}


static ngx_uint_t
ngx_llmops_accept_q(u_char *p, u_char *last)
{
    ngx_uint_t  q, digit;

    q = (*p == '1') ? 1000 : 0;

    if (p + 1 >= last || p[1] != '.') {
        return q;
    }

    p += 2;

    for (digit = 100; digit && p < last && *p >= '0' && *p <= '9'; p++) {
        q += (*p - '0') * digit;
        digit /= 10;
    }

    return ngx_min(q, 1000);
}


static u_char *
ngx_llmops_accept_end(u_char *p, u_char *last, u_char c)
{
    u_char  *end;

    end = ngx_strlchr(p, last, c);

    return end ? end : last;
}
