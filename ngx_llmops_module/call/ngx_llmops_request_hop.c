
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"


/* What a caller's Connection headers name: none of that is for a provider. */


static ngx_uint_t ngx_llmops_request_named(ngx_str_t *list,
    ngx_str_t *names, ngx_uint_t n);


ngx_uint_t
ngx_llmops_request_hops(ngx_http_request_t *r,
    ngx_str_t names[NGX_LLMOPS_HOPS])
{
    ngx_uint_t          n;
    ngx_table_elt_t    *h;
    ngx_llmops_walk_t   w;

    n = 0;

    for (h = ngx_llmops_header_first(&w, &r->headers_in.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        if (ngx_llmops_header_is(h, "connection")) {
            n = ngx_llmops_request_named(&h->value, names, n);
        }
    }

    return n;
}


/* adds the names of a comma-separated list to n others */

static ngx_uint_t
ngx_llmops_request_named(ngx_str_t *list, ngx_str_t *names, ngx_uint_t n)
{
    u_char  *p, *last, *end, *next;

    last = list->data + list->len;

    for (p = list->data; p < last; p = next + 1) {

        for (next = p; next < last && *next != ','; next++) { /* void */ }

        end = next;

        while (p < end && (*p == ' ' || *p == '\t')) {
            p++;
        }

        while (end > p && (end[-1] == ' ' || end[-1] == '\t')) {
            end--;
        }

        if (end == p) {
            continue;
        }

        if (n < NGX_LLMOPS_HOPS) {
            names[n].data = p;
            names[n].len = end - p;
        }

        n++;
    }

    return n;
}
