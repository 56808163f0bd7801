
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin.h"
#include "ngx_llmops_admin_audit.h"


/*
 * Who has changed what: one record for each change that was tried, as a line
 * of the error log and as a document.  The line cannot be lost with the store,
 * the document can be read through the API.
 *
 * A record outlives its request: it has a pool of its own, and a request that
 * ends first only stops waiting for it.  Its id begins with the time, so that
 * the order of ids is that of time.
 *
 * Texts come from callers (a user's name, a path), so that both forms are
 * written by jansson: no control character gets into the log.
 */


typedef struct {
    ngx_llmops_docop_t         op;
    ngx_llmops_store_t        *store;
    ngx_pool_t                *pool;
    ngx_llmops_admin_t        *waiting;    /* the call that waits, or NULL */
    ngx_llmops_admin_pt        next;
    unsigned                   retried:1;
    unsigned                   inside:1;   /* the call is still in here */
} ngx_llmops_admin_audit_t;


static json_t *ngx_llmops_admin_audit_record(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_audit_text(json_t *record,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_llmops_admin_audit_put(ngx_llmops_admin_t *a,
    const char *text, ngx_llmops_admin_pt next);
static ngx_llmops_admin_audit_t *ngx_llmops_admin_audit_create(
    ngx_llmops_store_t *store, const char *text);
static ngx_int_t ngx_llmops_admin_audit_id(ngx_pool_t *pool, ngx_str_t *id);
static void ngx_llmops_admin_audit_store(void *data);
static void ngx_llmops_admin_audit_done(ngx_llmops_docop_t *op);
static void ngx_llmops_admin_audit_end(ngx_llmops_admin_audit_t *audit);


ngx_int_t
ngx_llmops_admin_audit_write(ngx_llmops_admin_t *a, ngx_llmops_admin_pt next)
{
    char       *text;
    json_t     *record;
    ngx_int_t   rc;

    record = ngx_llmops_admin_audit_record(a);
    text = json_dumps(record, JSON_COMPACT);

    json_decref(record);

    if (text == NULL) {
        ngx_log_error(NGX_LOG_ALERT, a->request->connection->log, 0,
                      "llm_admin could not write what has been changed: no "
                      "memory");
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_NOTICE, a->request->connection->log, 0,
                  "llm_admin: %s", text);

    rc = ngx_llmops_admin_audit_put(a, text, next);

    free(text);

    return rc;
}


static json_t *
ngx_llmops_admin_audit_record(ngx_llmops_admin_t *a)
{
    json_t              *record;
    ngx_str_t           *object;
    ngx_http_request_t  *r;

    r = a->request;
    object = a->object.len ? &a->object : &a->args[0];

    /* $remote_user, where the location has a password */

    (void) ngx_http_auth_basic_user(r);

    record = json_pack("{s:I,s:s,s:I}",
                       "time", (json_int_t) ngx_time(),
                       "action", a->call->name,
                       "status", (json_int_t) a->status);

    if (record == NULL
        || ngx_llmops_admin_audit_text(record, "object", object) != NGX_OK
        || ngx_llmops_admin_audit_text(record, "user", &r->headers_in.user)
           != NGX_OK
        || ngx_llmops_admin_audit_text(record, "address",
                                       &r->connection->addr_text)
           != NGX_OK
        || ngx_llmops_admin_audit_text(record, "detail", &a->detail) != NGX_OK
        || (a->code
            && json_object_set_new(record, "error", json_string(a->code))
               != 0))
    {
        json_decref(record);
        return NULL;
    }

    return record;
}


static ngx_int_t
ngx_llmops_admin_audit_text(json_t *record, const char *name,
    ngx_str_t *value)
{
    ngx_str_t  text;

    if (value->len == 0) {
        return NGX_OK;
    }

    text = *value;
    text.len = ngx_min(text.len, NGX_LLMOPS_ADMIN_TEXT);

    return json_object_set_new(record, name, ngx_llmops_admin_string(&text))
           == 0 ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_admin_audit_put(ngx_llmops_admin_t *a, const char *text,
    ngx_llmops_admin_pt next)
{
    ngx_llmops_admin_audit_t  *audit;

    if (a->mcf->store == NULL) {
        return NGX_OK;
    }

    audit = ngx_llmops_admin_audit_create(a->mcf->store, text);

    if (audit == NULL) {
        return NGX_OK;
    }

    if (next) {
        audit->waiting = a;
        audit->next = next;
        audit->inside = 1;

        a->audit = audit;
    }

    ngx_llmops_admin_audit_store(audit);

    if (a->audit == NULL) {
        return NGX_OK;
    }

    audit->inside = 0;

    return NGX_AGAIN;
}


/* NULL: out of memory */

static ngx_llmops_admin_audit_t *
ngx_llmops_admin_audit_create(ngx_llmops_store_t *store, const char *text)
{
    ngx_str_t                  s;
    ngx_pool_t                *pool;
    ngx_llmops_docop_t        *op;
    ngx_llmops_admin_audit_t  *audit;

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    audit = ngx_pcalloc(pool, sizeof(ngx_llmops_admin_audit_t));
    if (audit == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    audit->pool = pool;
    audit->store = store;

    s.data = (u_char *) text;
    s.len = ngx_strlen(text);

    op = &audit->op;

    op->docs = NGX_LLMOPS_DOCS_AUDIT;
    op->expected = NGX_LLMOPS_REVISION_NONE;
    op->expires = ngx_time() + NGX_LLMOPS_AUDIT_TIME;
    op->pool = pool;
    op->handler = ngx_llmops_admin_audit_done;
    op->data = audit;

    op->value.len = s.len;
    op->value.data = ngx_pstrdup(pool, &s);

    if (op->value.data == NULL
        || ngx_llmops_admin_audit_id(pool, &op->id) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    return audit;
}


static void
ngx_llmops_admin_audit_store(void *data)
{
    ngx_int_t                  rc;
    ngx_llmops_admin_audit_t  *audit = data;

    rc = ngx_llmops_store_put(audit->store, &audit->op);

    if (rc != NGX_AGAIN) {
        audit->op.rc = (rc == NGX_OK) ? audit->op.rc : NGX_ERROR;
        ngx_llmops_admin_audit_done(&audit->op);
    }
}


/*
 * 12 hex digits of milliseconds since the epoch, 4 that count what a worker
 * has written in the same one, 4 by chance against another worker's.
 */

static ngx_int_t
ngx_llmops_admin_audit_id(ngx_pool_t *pool, ngx_str_t *id)
{
    int64_t    now;
    ngx_str_t  random;

    static int64_t   last;
    static uint32_t  count;

    id->data = ngx_pnalloc(pool, NGX_LLMOPS_AUDIT_ID + 4);

    if (id->data == NULL || ngx_llmops_id(pool, &random) != NGX_OK) {
        return NGX_ERROR;
    }

    now = ngx_llmops_now();
    count = (now == last) ? count + 1 : 0;
    last = now;

    ngx_sprintf(id->data, "%012xL%04xD%*s", last, count & 0xffff, (size_t) 4,
                random.data);
    id->len = NGX_LLMOPS_AUDIT_ID;

    return NGX_OK;
}


/* the record has been written, or not; without room the oldest give way */

static void
ngx_llmops_admin_audit_done(ngx_llmops_docop_t *op)
{
    ngx_llmops_admin_audit_t  *audit = op->data;

    if (op->rc == NGX_BUSY && !audit->retried) {
        audit->retried = 1;

        if (ngx_llmops_admin_audit_drop(audit->store,
                                        ngx_llmops_admin_audit_store, audit)
            == NGX_OK)
        {
            return;
        }
    }

    if (op->rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "llm_admin: the audit record of a change could not be "
                      "stored: %s", op->rc == NGX_BUSY ? "there is no room"
                                                      : "the store did not "
                                                        "answer");
    }

    ngx_llmops_admin_audit_end(audit);
}


static void
ngx_llmops_admin_audit_end(ngx_llmops_admin_audit_t *audit)
{
    ngx_uint_t            inside;
    ngx_llmops_admin_t   *a;
    ngx_llmops_store_t   *store;
    ngx_llmops_admin_pt   next;

    a = audit->waiting;
    next = audit->next;
    store = audit->store;
    inside = audit->inside;

    ngx_destroy_pool(audit->pool);

    ngx_llmops_admin_audit_trim(store);

    if (a) {
        a->audit = NULL;

        if (!inside) {
            ngx_llmops_admin_resume(a, next);
        }
    }
}


void
ngx_llmops_admin_audit_leave(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_audit_t  *audit = a->audit;

    if (audit) {
        audit->waiting = NULL;
        a->audit = NULL;
    }
}
