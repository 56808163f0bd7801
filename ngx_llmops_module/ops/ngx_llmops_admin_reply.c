
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin.h"


/*
 * Answers.  They are made whole before a byte is sent, so that an error is
 * never half an answer, and are never kept by anybody on the way: they say how
 * things stand, and one of them has a secret in it.
 *
 * What nginx itself refuses in a location of llm_admin (an address that is
 * denied, a password, a body too large) is answered in the same form.  Those
 * pages depend on nothing but the status, so that the filters need no memory
 * of the request.
 */


static ngx_int_t ngx_llmops_admin_headers(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_common_headers(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_admin_header(ngx_http_request_t *r,
    const char *name, ngx_str_t *value);
static int ngx_llmops_admin_dump(const char *p, size_t len, void *data);
static ngx_int_t ngx_llmops_admin_header_filter(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_admin_body_filter(ngx_http_request_t *r,
    ngx_chain_t *in);
static const ngx_str_t *ngx_llmops_admin_error_page(ngx_http_request_t *r);


typedef struct {
    ngx_uint_t                 status;
    ngx_str_t                  body;
} ngx_llmops_admin_page_t;


#define ngx_llmops_admin_page(status, code, message)                          \
    { status, ngx_string("{\"v\":1,\"error\":{\"message\":\"" message         \
                         "\",\"code\":\"" code "\"}}\n") }

/* the first one whose status is not less than that of the answer */

static const ngx_llmops_admin_page_t  ngx_llmops_admin_pages[] = {
    ngx_llmops_admin_page(400, "invalid", "the request is not valid"),
    ngx_llmops_admin_page(401, "unauthorized", "authentication is required"),
    ngx_llmops_admin_page(403, "forbidden", "access is not allowed"),
    ngx_llmops_admin_page(404, "not_found", "there is nothing at this path"),
    ngx_llmops_admin_page(405, "method_not_allowed",
                          "the method is not allowed"),
    ngx_llmops_admin_page(412, "invalid", "the request is not valid"),
    ngx_llmops_admin_page(413, "too_large", "the body may have 1 MB"),
    ngx_llmops_admin_page(428, "invalid", "the request is not valid"),
    ngx_llmops_admin_page(429, "too_many_requests",
                          "too many requests, retry later"),
    ngx_llmops_admin_page(499, "invalid", "the request is not valid"),
    ngx_llmops_admin_page(502, "internal",
                          "the gateway could not handle the request"),
    ngx_llmops_admin_page(503, "unavailable",
                          "the gateway is overloaded, retry later"),
    ngx_llmops_admin_page(0, "internal",
                          "the gateway could not handle the request")
};


static ngx_http_output_header_filter_pt  ngx_http_next_header_filter;
static ngx_http_output_body_filter_pt    ngx_http_next_body_filter;


ngx_int_t
ngx_llmops_admin_reply(ngx_llmops_admin_t *a, ngx_uint_t status,
    json_t *value)
{
    int      rc;
    json_t  *answer;

    answer = json_object();

    rc = json_object_set_new(answer, "v", json_integer(1));

    if (rc == 0) {
        rc = json_object_update(answer, value);
    }

    if (rc == 0) {
        ngx_llmops_page_init(&a->page, a->request->pool);

        rc = json_dump_callback(answer, ngx_llmops_admin_dump, &a->page,
                                JSON_COMPACT|JSON_REAL_PRECISION(15));
        ngx_llmops_page_lit(&a->page, "\n");
    }

    json_decref(answer);
    json_decref(value);

    if (rc != 0 || a->page.failed) {
        return NGX_ERROR;
    }

    ngx_str_set(&a->type, "application/json");
    a->status = status;

    return NGX_OK;
}


static int
ngx_llmops_admin_dump(const char *p, size_t len, void *data)
{
    ngx_llmops_page_t *page = data;

    ngx_llmops_page_write(page, p, len);

    return page->failed ? -1 : 0;
}


ngx_int_t
ngx_llmops_admin_error(ngx_llmops_admin_t *a, ngx_uint_t status,
    const char *code, const char *fmt, ...)
{
    u_char     text[NGX_LLMOPS_ADMIN_TEXT];
    va_list    args;
    ngx_str_t  message;
    json_t    *value;

    va_start(args, fmt);
    message.len = ngx_vslprintf(text, text + sizeof(text), fmt, args) - text;
    va_end(args);

    message.data = text;
    a->code = code;

    value = json_pack("{s:{s:o,s:s}}", "error",
                      "message", ngx_llmops_admin_string(&message),
                      "code", code);

    return ngx_llmops_admin_reply(a, status, value) == NGX_OK ? NGX_DECLINED
                                                              : NGX_ERROR;
}


ngx_int_t
ngx_llmops_admin_store_error(ngx_llmops_admin_t *a)
{
    switch (a->op.rc) {

    case NGX_DECLINED:
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "there is no \"%V\"", &a->args[0]);

    case NGX_BUSY:
        return ngx_llmops_admin_error(a, NGX_HTTP_INSUFFICIENT_STORAGE,
                                      "no_room", "the store is full, make "
                                      "llm_zone larger");

    default:
        return ngx_llmops_admin_error(a, NGX_HTTP_SERVICE_UNAVAILABLE,
                                      "store_unavailable", "the store cannot "
                                      "be asked now, retry later");
    }
}


ngx_int_t
ngx_llmops_admin_etag(ngx_llmops_admin_t *a, uint64_t revision)
{
    u_char  *p;

    p = ngx_pnalloc(a->request->pool, NGX_INT64_LEN + 2);
    if (p == NULL) {
        return NGX_ERROR;
    }

    a->etag.data = p;
    a->etag.len = ngx_sprintf(p, "\"%uL\"", revision) - p;

    return NGX_OK;
}


void
ngx_llmops_admin_note(ngx_llmops_admin_t *a, const char *fmt, ...)
{
    u_char   *p;
    va_list   args;

    p = ngx_pnalloc(a->request->pool, NGX_LLMOPS_ADMIN_TEXT);
    if (p == NULL) {
        return;
    }

    va_start(args, fmt);
    a->detail.len = ngx_vslprintf(p, p + NGX_LLMOPS_ADMIN_TEXT, fmt, args) - p;
    va_end(args);

    a->detail.data = p;
}


u_char *
ngx_llmops_admin_money(u_char *p, int64_t amount)
{
    if (amount < 0) {
        *p++ = '-';
        amount = -amount;
    }

    p = ngx_sprintf(p, "%L.%012L", amount / 1000000000000,
                    amount % 1000000000000);

    while (p[-1] == '0') {
        p--;
    }

    return p[-1] == '.' ? p - 1 : p;
}


ngx_int_t
ngx_llmops_admin_send(ngx_llmops_admin_t *a)
{
    ngx_http_request_t  *r;

    r = a->request;

    if (a->status == 0) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    r->headers_out.status = a->status;

    /* conditions are ours: the entity tag of an answer to PUT is the new one,
       nginx would compare If-Match with it */

    r->disable_not_modified = 1;
    r->allow_ranges = 0;

    if (ngx_llmops_admin_headers(a) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_llmops_page_send(r, &a->page, &a->type);
}


ngx_int_t
ngx_llmops_admin_stream(ngx_llmops_admin_t *a, ngx_str_t *type)
{
    ngx_http_request_t  *r;

    r = a->request;

    r->headers_out.status = NGX_HTTP_OK;
    r->headers_out.content_type = *type;
    r->headers_out.content_type_len = type->len;
    r->headers_out.content_type_lowcase = NULL;

    ngx_http_clear_content_length(r);
    ngx_http_clear_accept_ranges(r);

    r->disable_not_modified = 1;

    return ngx_llmops_admin_headers(a) == NGX_OK ? ngx_http_send_header(r)
                                                 : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_admin_headers(ngx_llmops_admin_t *a)
{
    ngx_str_t  no_referrer = ngx_string("no-referrer");

    if (ngx_llmops_admin_common_headers(a->request) != NGX_OK
        || ngx_llmops_admin_header(a->request, "ETag", &a->etag) != NGX_OK
        || ngx_llmops_admin_header(a->request, "Location", &a->location)
           != NGX_OK
        || ngx_llmops_admin_header(a->request, "Allow", &a->allow) != NGX_OK
        || ngx_llmops_admin_header(a->request, "Content-Disposition",
                                   &a->disposition)
           != NGX_OK
        || ngx_llmops_admin_header(a->request, "Link", &a->link) != NGX_OK
        || ngx_llmops_admin_header(a->request, "Content-Security-Policy",
                                   &a->policy)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (a->policy.len) {
        return ngx_llmops_admin_header(a->request, "Referrer-Policy",
                                       &no_referrer);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_common_headers(ngx_http_request_t *r)
{
    ngx_str_t  no_store = ngx_string("no-store");
    ngx_str_t  nosniff = ngx_string("nosniff");

    if (ngx_llmops_admin_header(r, "Cache-Control", &no_store) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_admin_header(r, "X-Content-Type-Options", &nosniff);
}


static ngx_int_t
ngx_llmops_admin_header(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    return value->len == 0 || ngx_llmops_header_out(r, name, value)
           ? NGX_OK : NGX_ERROR;
}


void
ngx_llmops_admin_filters(void)
{
    ngx_http_next_header_filter = ngx_http_top_header_filter;
    ngx_http_top_header_filter = ngx_llmops_admin_header_filter;

    ngx_http_next_body_filter = ngx_http_top_body_filter;
    ngx_http_top_body_filter = ngx_llmops_admin_body_filter;
}


static ngx_int_t
ngx_llmops_admin_header_filter(ngx_http_request_t *r)
{
    const ngx_str_t  *body;

    body = ngx_llmops_admin_error_page(r);

    if (body == NULL) {
        return ngx_http_next_header_filter(r);
    }

    ngx_str_set(&r->headers_out.content_type, "application/json");
    r->headers_out.content_type_len = r->headers_out.content_type.len;
    r->headers_out.content_type_lowcase = NULL;

    r->headers_out.content_length_n = body->len;

    if (r->headers_out.content_length) {
        r->headers_out.content_length->hash = 0;
        r->headers_out.content_length = NULL;
    }

    if (ngx_llmops_admin_common_headers(r) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_http_next_header_filter(r);
}


static ngx_int_t
ngx_llmops_admin_body_filter(ngx_http_request_t *r, ngx_chain_t *in)
{
    ngx_buf_t        *b;
    ngx_chain_t       out;
    const ngx_str_t  *body;

    if (in == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    body = ngx_llmops_admin_error_page(r);

    if (body == NULL) {
        return ngx_http_next_body_filter(r, in);
    }

    /* nginx sends its own page in one piece */

    b = ngx_calloc_buf(r->pool);
    if (b == NULL) {
        return NGX_ERROR;
    }

    b->pos = body->data;
    b->last = b->pos + body->len;
    b->memory = 1;
    b->last_buf = 1;
    b->last_in_chain = 1;

    out.buf = b;
    out.next = NULL;

    return ngx_http_next_body_filter(r, &out);
}


/* what stands in place of nginx's built-in page, NULL if this is none: a page
   that error_page has put there is that of another location */

static const ngx_str_t *
ngx_llmops_admin_error_page(ngx_http_request_t *r)
{
    ngx_llmops_loc_conf_t          *llcf;
    const ngx_llmops_admin_page_t  *page;

    if (r->err_status < NGX_HTTP_BAD_REQUEST || r != r->main) {
        return NULL;
    }

    llcf = ngx_http_get_module_loc_conf(r, ngx_llmops_module);

    if (llcf->admin == NGX_LLMOPS_ADMIN_OFF) {
        return NULL;
    }

    page = ngx_llmops_admin_pages;

    while (page->status && page->status < r->err_status) {
        page++;
    }

    return &page->body;
}
