
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin.h"
#include "ngx_llmops_call.h"


/*
 * A call of the admin API: from the request to the row that serves it, and
 * from the row's answer to the end of the request.
 *
 * What a handler needs from the store may come later, from Redis.  So a call
 * is a chain of steps, each a function that says "answered" or "later", and
 * only the frame here ends the request: in one place, once, whoever made the
 * last step.  Between two steps the request holds one count of its own, as it
 * does while a body is read.
 *
 * A caller who leaves while a change is under way does not stop it: half a
 * change that nobody hears of is worse than an answer that nobody reads.  The
 * store's timeout bounds the wait.  What only reads ends at once.
 */


static ngx_llmops_admin_t *ngx_llmops_admin_create(ngx_http_request_t *r);
static void ngx_llmops_admin_cleanup(void *data);
static ngx_int_t ngx_llmops_admin_conditions(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_content_type(ngx_llmops_admin_t *a);
static ngx_uint_t ngx_llmops_admin_is_lines(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_body_ready(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_admin_read_body(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_append(void *data, u_char *p, size_t len);
static void ngx_llmops_admin_go(ngx_llmops_admin_t *a, ngx_int_t rc);
static void ngx_llmops_admin_wait(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_done(ngx_llmops_admin_t *a);


ngx_int_t
ngx_llmops_admin_handler(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_llmops_admin_t  *a;

    if (r != r->main) {
        return NGX_HTTP_FORBIDDEN;
    }

    a = ngx_llmops_admin_create(r);
    if (a == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    rc = ngx_llmops_admin_find(a);

    if (rc == NGX_OK) {
        rc = ngx_llmops_admin_conditions(a);
    }

    if (rc == NGX_DECLINED) {
        return ngx_llmops_admin_send(a);
    }

    if (rc != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    if (a->call->change || a->call->body) {
        rc = ngx_http_read_client_request_body(r, ngx_llmops_admin_body_ready);

        return (rc >= NGX_HTTP_SPECIAL_RESPONSE) ? rc : NGX_DONE;
    }

    r->main->count++;

    ngx_llmops_admin_go(a, a->call->handler(a));

    return NGX_DONE;
}


/*
 * The context of the module belongs to llm_pass: this one is found by its
 * cleanup handler, where a function has only the request.
 */

static ngx_llmops_admin_t *
ngx_llmops_admin_create(ngx_http_request_t *r)
{
    ngx_http_cleanup_t  *cln;
    ngx_llmops_admin_t  *a;

    a = ngx_pcalloc(r->pool, sizeof(ngx_llmops_admin_t));
    cln = ngx_http_cleanup_add(r, 0);

    if (a == NULL || cln == NULL) {
        return NULL;
    }

    a->request = r;
    a->mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    ngx_llmops_page_init(&a->page, r->pool);

    cln->handler = ngx_llmops_admin_cleanup;
    cln->data = a;

    return a;
}


static void
ngx_llmops_admin_cleanup(void *data)
{
    ngx_llmops_admin_t *a = data;

    if (a->asking) {
        a->asking = 0;
        ngx_llmops_store_forget(a->mcf->store, &a->op);

        if (a->call->change) {

            /* cut off by a shutdown: nobody knows how it ended */

            a->status = NGX_HTTP_CLIENT_CLOSED_REQUEST;
            a->code = "interrupted";

            (void) ngx_llmops_admin_audit_write(a, NULL);
        }
    }

    ngx_llmops_admin_audit_leave(a);

    json_decref(a->body);
    a->body = NULL;
}


/* what has to be true before a body is read */

static ngx_int_t
ngx_llmops_admin_conditions(ngx_llmops_admin_t *a)
{
    ngx_int_t               rc;
    ngx_table_elt_t        *h;
    ngx_llmops_loc_conf_t  *llcf;

    rc = ngx_llmops_admin_query(a);

    if (rc != NGX_OK) {
        return rc;
    }

    if (!a->call->change) {
        return a->call->body ? ngx_llmops_admin_content_type(a) : NGX_OK;
    }

    llcf = ngx_http_get_module_loc_conf(a->request, ngx_llmops_module);

    if (llcf->admin != NGX_LLMOPS_ADMIN_WRITE) {
        return ngx_llmops_admin_error(a, NGX_HTTP_FORBIDDEN, "read_only",
                                      "changes are off here, the "
                                      "configuration allows them with "
                                      "\"llm_admin write\"");
    }

    h = ngx_llmops_header_in(a->request, "x-llm-action",
                             sizeof("x-llm-action") - 1);

    if (h == NULL || h->value.len != 1 || h->value.data[0] != '1') {
        return ngx_llmops_admin_error(a, NGX_HTTP_FORBIDDEN,
                                      "action_required", "a change needs the "
                                      "header \"x-llm-action: 1\"");
    }

    return ngx_llmops_admin_content_type(a);
}


static ngx_int_t
ngx_llmops_admin_content_type(ngx_llmops_admin_t *a)
{
    ngx_str_t            type;
    ngx_http_request_t  *r;

    r = a->request;

    if (!a->call->body && r->headers_in.content_length_n <= 0
        && !r->headers_in.chunked)
    {
        return NGX_OK;
    }

    ngx_str_null(&type);

    if (r->headers_in.content_type) {
        type = r->headers_in.content_type->value;
    }

    if (type.len >= 16
        && ngx_strncasecmp(type.data, (u_char *) "application/json", 16) == 0
        && (type.len == 16 || type.data[16] == ';' || type.data[16] == ' '))
    {
        return NGX_OK;
    }

    if (ngx_llmops_admin_is_lines(a)) {
        return NGX_OK;
    }

    return ngx_llmops_admin_error(a, NGX_HTTP_UNSUPPORTED_MEDIA_TYPE,
                                  "unsupported_media_type", "the body must be "
                                  "application/json%s",
                                  a->call->body == 2
                                  ? " or application/x-ndjson" : "");
}


static ngx_uint_t
ngx_llmops_admin_is_lines(ngx_llmops_admin_t *a)
{
    ngx_str_t        *type;
    ngx_table_elt_t  *h;

    static const char  name[] = "application/x-ndjson";

    h = a->request->headers_in.content_type;

    if (a->call->body != 2 || h == NULL) {
        return 0;
    }

    type = &h->value;

    return type->len >= sizeof(name) - 1
           && ngx_strncasecmp(type->data, (u_char *) name, sizeof(name) - 1)
              == 0
           && (type->len == sizeof(name) - 1
               || type->data[sizeof(name) - 1] == ';');
}


static void
ngx_llmops_admin_body_ready(ngx_http_request_t *r)
{
    ngx_int_t            rc;
    ngx_http_cleanup_t  *cln;
    ngx_llmops_admin_t  *a;

    for (cln = r->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_llmops_admin_cleanup) {
            break;
        }
    }

    if (cln == NULL) {
        ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR);
        return;
    }

    a = cln->data;

    rc = ngx_llmops_admin_read_body(a);

    ngx_llmops_admin_go(a, rc == NGX_OK ? a->call->handler(a) : rc);
}


static ngx_int_t
ngx_llmops_admin_read_body(ngx_llmops_admin_t *a)
{
    off_t         size;
    ngx_str_t     body;
    json_error_t  error;

    size = ngx_llmops_body_size(a->request);

    if (size == 0 && !a->call->body) {
        return NGX_OK;
    }

    if (size > NGX_LLMOPS_ADMIN_BODY
        && (size > NGX_LLMOPS_ADMIN_LINES || !ngx_llmops_admin_is_lines(a)))
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                      "too_large", "the body may have 1 MB");
    }

    body.len = 0;
    body.data = ngx_pnalloc(a->request->pool, (size_t) size + 1);

    if (body.data == NULL
        || ngx_llmops_body_each(a->request, ngx_llmops_admin_append, &body)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    body.data[body.len] = '\0';
    a->raw = body;

    if (ngx_llmops_admin_is_lines(a)) {
        return NGX_OK;
    }

    a->body = json_loadb((char *) body.data, body.len, JSON_REJECT_DUPLICATES,
                         &error);

    if (a->body == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid_json",
                                      "the body is not JSON: %s, in line %d",
                                      error.text, error.line);
    }

    if (!json_is_object(a->body)) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "the body must be a JSON object");
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_append(void *data, u_char *p, size_t len)
{
    ngx_str_t  *body = data;

    ngx_memcpy(body->data + body->len, p, len);
    body->len += len;

    return NGX_OK;
}


/* after a step: wait for the next one, or end.  The request may be gone. */

static void
ngx_llmops_admin_go(ngx_llmops_admin_t *a, ngx_int_t rc)
{
    ngx_http_request_t  *r;

    r = a->request;

    if (rc == NGX_AGAIN) {
        ngx_llmops_admin_wait(a);
        return;
    }

    if (rc != NGX_OK && rc != NGX_DECLINED) {
        a->status = 0;

        (void) ngx_llmops_admin_error(a, NGX_HTTP_INTERNAL_SERVER_ERROR,
                                      "internal", "the gateway could not "
                                      "handle the request");
    }

    if (a->call->change && !a->audited) {
        a->audited = 1;

        if (ngx_llmops_admin_audit_write(a, ngx_llmops_admin_done)
            == NGX_AGAIN)
        {
            return;
        }
    }

    ngx_http_finalize_request(r, ngx_llmops_admin_send(a));
}


static ngx_int_t
ngx_llmops_admin_done(ngx_llmops_admin_t *a)
{
    return NGX_OK;
}


static void
ngx_llmops_admin_wait(ngx_llmops_admin_t *a)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = a->request;
    c = r->connection;

    r->write_event_handler = ngx_http_request_empty_handler;

    if (a->call->change) {
        r->read_event_handler = ngx_http_block_reading;
        return;
    }

    r->read_event_handler = ngx_http_test_reading;

    if (c->read->ready) {
        ngx_post_event(c->read, &ngx_posted_events);

    } else if (ngx_handle_read_event(c->read, 0) != NGX_OK) {

        /* a caller who leaves will not be noticed before the answer */

        ngx_log_error(NGX_LOG_WARN, c->log, 0,
                      "llm_admin cannot watch its caller");
    }
}


void
ngx_llmops_admin_resume(ngx_llmops_admin_t *a, ngx_llmops_admin_pt next)
{
    ngx_connection_t  *c;

    c = a->request->connection;

    ngx_http_set_log_request(c->log, a->request);

    ngx_llmops_admin_go(a, next(a));

    ngx_http_run_posted_requests(c);
}
