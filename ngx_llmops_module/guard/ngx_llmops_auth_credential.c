
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"


/*
 * Callers send their key as their SDK has it: OpenAI's and most others as
 * "authorization: Bearer", Anthropic's as "x-api-key", Azure's as "api-key",
 * Google's as "x-goog-api-key".  All four are read, whatever the API.  The
 * same key may come in several, as some SDKs send it; two different ones are
 * refused, since nobody could tell whose request it is.  Other schemes of
 * "authorization" are those of others (auth_basic).
 */


typedef struct {
    ngx_str_t                  name;
    unsigned                   bearer:1;
} ngx_llmops_credential_header_t;


static ngx_llmops_credential_header_t *ngx_llmops_credential_header(
    ngx_table_elt_t *h);
static ngx_int_t ngx_llmops_credential_value(ngx_table_elt_t *h,
    ngx_uint_t bearer, ngx_str_t *value);
static ngx_int_t ngx_llmops_credential_add(ngx_llmops_auth_t *a,
    ngx_str_t *value);


static ngx_llmops_credential_header_t  ngx_llmops_credential_headers[] = {
    { ngx_string("authorization"), 1 },
    { ngx_string("x-api-key"), 0 },
    { ngx_string("api-key"), 0 },
    { ngx_string("x-goog-api-key"), 0 },
    { ngx_null_string, 0 }
};


ngx_int_t
ngx_llmops_auth_credential(ngx_llmops_auth_t *a)
{
    ngx_str_t                        value;
    ngx_table_elt_t                 *h;
    ngx_llmops_walk_t                walk;
    ngx_llmops_credential_header_t  *header;

    for (h = ngx_llmops_header_first(&walk, &a->request->headers_in.headers);
         h;
         h = ngx_llmops_header_next(&walk))
    {
        header = ngx_llmops_credential_header(h);

        if (header == NULL
            || ngx_llmops_credential_value(h, header->bearer, &value)
               != NGX_OK)
        {
            continue;
        }

        if (ngx_llmops_credential_add(a, &value) != NGX_OK) {
            return NGX_ABORT;
        }
    }

    return a->nheaders ? NGX_OK : NGX_DECLINED;
}


static ngx_llmops_credential_header_t *
ngx_llmops_credential_header(ngx_table_elt_t *h)
{
    ngx_llmops_credential_header_t  *header;

    for (header = ngx_llmops_credential_headers; header->name.len; header++) {
        if (h->key.len == header->name.len
            && ngx_memcmp(h->lowcase_key, header->name.data, h->key.len) == 0)
        {
            return header;
        }
    }

    return NULL;
}


/* without "Bearer" and the blanks around it; NGX_DECLINED: nothing is left */

static ngx_int_t
ngx_llmops_credential_value(ngx_table_elt_t *h, ngx_uint_t bearer,
    ngx_str_t *value)
{
    *value = h->value;

    if (bearer) {
        if (value->len < 7
            || ngx_strncasecmp(value->data, (u_char *) "Bearer ", 7) != 0)
        {
            return NGX_DECLINED;
        }

        value->data += 7;
        value->len -= 7;
    }

    while (value->len && *value->data == ' ') {
        value->data++;
        value->len--;
    }

    while (value->len && value->data[value->len - 1] == ' ') {
        value->len--;
    }

    return value->len ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_credential_add(ngx_llmops_auth_t *a, ngx_str_t *value)
{
    if (a->nheaders == NGX_LLMOPS_CREDENTIALS) {
        return NGX_DECLINED;
    }

    a->headers[a->nheaders++] = *value;

    if (a->nheaders == 1) {
        a->credential = *value;
        return NGX_OK;
    }

    return (value->len == a->credential.len
            && ngx_memcmp(value->data, a->credential.data, value->len) == 0)
           ? NGX_OK : NGX_DECLINED;
}


/*
 * The headers of a request lie in buffers that are freed with the request or
 * its connection, but not cleared.  A core dump may be made any time later.
 */

void
ngx_llmops_auth_wipe(ngx_llmops_auth_t *a)
{
    ngx_uint_t  i;

    for (i = 0; i < a->nheaders; i++) {
        ngx_explicit_memzero(a->headers[i].data, a->headers[i].len);
    }

    a->nheaders = 0;
}
