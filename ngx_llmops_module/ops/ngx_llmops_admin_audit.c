
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
} ngx_llmops_admin_audit_t;


static json_t *ngx_llmops_admin_audit_record(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_audit_text(json_t *record,
    const char *name, ngx_str_t *value);
static ngx_int_t ngx_llmops_admin_audit_put(ngx_llmops_admin_t *a,
    const char *text, ngx_llmops_admin_pt next);
static ngx_int_t ngx_llmops_admin_audit_id(ngx_pool_t *pool, ngx_str_t *id);
static void ngx_llmops_admin_audit_done(ngx_llmops_docop_t *op);
static void ngx_llmops_admin_audit_end(ngx_llmops_admin_audit_t *audit);
static void ngx_llmops_admin_audit_again(void *data);


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
    ngx_str_t                  s;
    ngx_int_t                  rc;
    ngx_pool_t                *pool;
    ngx_llmops_admin_audit_t  *audit;

    if (a->mcf->store == NULL) {
        return NGX_OK;
    }

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return NGX_OK;
    }

    audit = ngx_pcalloc(pool, sizeof(ngx_llmops_admin_audit_t));

    s.data = (u_char *) text;
    s.len = ngx_strlen(text);

    if (audit == NULL
        || (audit->op.value.data = ngx_pstrdup(pool, &s)) == NULL
        || ngx_llmops_admin_audit_id(pool, &audit->op.id) != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NGX_OK;
    }

    audit->pool = pool;
    audit->store = a->mcf->store;

    audit->op.docs = NGX_LLMOPS_DOCS_AUDIT;
    audit->op.value.len = s.len;
    audit->op.expected = NGX_LLMOPS_REVISION_NONE;
    audit->op.expires = ngx_time() + NGX_LLMOPS_AUDIT_TIME;
    audit->op.pool = pool;
    audit->op.handler = ngx_llmops_admin_audit_done;
    audit->op.data = audit;

    rc = ngx_llmops_store_put(a->mcf->store, &audit->op);

    if (rc == NGX_AGAIN && next) {
        audit->waiting = a;
        audit->next = next;
        a->audit = audit;

        return NGX_AGAIN;
    }

    if (rc != NGX_AGAIN) {
        audit->op.rc = (rc == NGX_OK) ? audit->op.rc : NGX_ERROR;
        ngx_llmops_admin_audit_end(audit);
    }

    return NGX_OK;
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


static void
ngx_llmops_admin_audit_done(ngx_llmops_docop_t *op)
{
    ngx_llmops_admin_t        *a;
    ngx_llmops_admin_pt        next;
    ngx_llmops_admin_audit_t  *audit = op->data;

    a = audit->waiting;
    next = audit->next;

    ngx_llmops_admin_audit_end(audit);

    if (a) {
        a->audit = NULL;
        ngx_llmops_admin_resume(a, next);
    }
}


/* the record has been written, or not; without room the oldest give way */

static void
ngx_llmops_admin_audit_end(ngx_llmops_admin_audit_t *audit)
{
    audit->waiting = NULL;

    if (audit->op.rc == NGX_BUSY && !audit->retried) {
        audit->retried = 1;

        if (ngx_llmops_admin_audit_drop(audit->store,
                                        ngx_llmops_admin_audit_again, audit)
            == NGX_OK)
        {
            return;
        }
    }

    if (audit->op.rc != NGX_OK) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "llm_admin: the audit record of a change could not be "
                      "stored: %s", audit->op.rc == NGX_BUSY
                                    ? "there is no room"
                                    : "the store did not answer");
    }

    ngx_llmops_admin_audit_trim(audit->store);

    ngx_destroy_pool(audit->pool);
}


static void
ngx_llmops_admin_audit_again(void *data)
{
    ngx_int_t                  rc;
    ngx_llmops_admin_audit_t  *audit = data;

    rc = ngx_llmops_store_put(audit->store, &audit->op);

    if (rc != NGX_AGAIN) {
        audit->op.rc = (rc == NGX_OK) ? audit->op.rc : NGX_ERROR;
        ngx_llmops_admin_audit_end(audit);
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
