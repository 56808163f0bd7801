
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_evaluations.h"


/*
 * GET evaluations/ID/events: the document as server-sent events, each time that
 * it has changed, until it has ended: "progress", then "end".  It is the
 * document of the store, so that any worker and gateway can show it.
 *
 * Who does not read gets no more: there is one event under way at a time, and
 * the next one has what there is by then.  A worker that is leaving ends the
 * stream, and EventSource comes back to the next one.
 */


#define NGX_LLMOPS_EVENTS_PERIOD  250      /* ms */
#define NGX_LLMOPS_EVENTS_QUIET   15000    /* ms: then a comment */
#define NGX_LLMOPS_EVENTS_STALL   60000    /* ms that nothing is read */


typedef struct {
    ngx_llmops_admin_t        *a;
    ngx_event_t                timer;
    ngx_llmops_docop_t         op;
    ngx_pool_t                *pool;       /* of op, or NULL */
    uint64_t                   revision;   /* that was told */
    uint64_t                   seen;       /* of the kind */
    ngx_msec_t                 told;
    u_char                    *buf;        /* of the last event */
    size_t                     room;
    ngx_buf_t                  b;
    unsigned                   asking:1;
    unsigned                   started:1;
} ngx_llmops_admin_events_t;


static ngx_int_t ngx_llmops_admin_events_found(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_events_free(void *data);
static void ngx_llmops_admin_events_tick(ngx_event_t *ev);
static void ngx_llmops_admin_events_write(ngx_http_request_t *r);
static ngx_int_t ngx_llmops_admin_events_look(ngx_llmops_admin_events_t *es);
static void ngx_llmops_admin_events_got(ngx_llmops_docop_t *op);
static ngx_int_t ngx_llmops_admin_events_tell(ngx_llmops_admin_events_t *es);
static ngx_int_t ngx_llmops_admin_events_send(ngx_llmops_admin_events_t *es,
    const char *event, json_t *doc);
static void ngx_llmops_admin_events_end(ngx_llmops_admin_events_t *es,
    ngx_int_t rc);


ngx_int_t
ngx_llmops_admin_evaluation_events(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_evaluation_find(a, ngx_llmops_admin_events_found);
}


static ngx_int_t
ngx_llmops_admin_events_found(ngx_llmops_admin_t *a)
{
    json_t                     *doc;
    ngx_int_t                   rc;
    ngx_http_cleanup_t         *cln;
    ngx_llmops_admin_events_t  *es;

    doc = ngx_llmops_admin_evaluation_found(a, &rc);

    if (doc == NULL) {
        return rc;
    }

    json_decref(doc);

    es = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_admin_events_t));
    cln = ngx_http_cleanup_add(a->request, 0);

    if (es == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    es->a = a;
    es->told = ngx_current_msec;
    es->timer.handler = ngx_llmops_admin_events_tick;
    es->timer.data = es;
    es->timer.log = a->request->connection->log;

    cln->handler = ngx_llmops_admin_events_free;
    cln->data = es;

    a->data = es;

    /* outside of the step that the frame is making */

    ngx_add_timer(&es->timer, 1);

    return NGX_AGAIN;
}


static void
ngx_llmops_admin_events_free(void *data)
{
    ngx_llmops_admin_events_t *es = data;

    if (es->timer.timer_set) {
        ngx_del_timer(&es->timer);
    }

    if (es->asking) {
        es->asking = 0;
        ngx_llmops_store_forget(es->a->mcf->store, &es->op);
    }

    if (es->pool) {
        ngx_destroy_pool(es->pool);
        es->pool = NULL;
    }
}


static void
ngx_llmops_admin_events_tick(ngx_event_t *ev)
{
    ngx_int_t                   rc;
    ngx_str_t                   type = ngx_string("text/event-stream");
    ngx_connection_t           *c;
    ngx_http_request_t         *r;
    ngx_llmops_admin_events_t  *es = ev->data;

    r = es->a->request;
    c = r->connection;

    ngx_http_set_log_request(c->log, r);

    ngx_add_timer(ev, NGX_LLMOPS_EVENTS_PERIOD);

    if (!es->started) {
        es->started = 1;

        r->write_event_handler = ngx_llmops_admin_events_write;

        rc = ngx_llmops_admin_stream(es->a, &type);

        if (rc == NGX_ERROR || rc > NGX_OK || r->header_only) {
            ngx_llmops_admin_events_end(es, rc);
            return;
        }
    }

    if (ngx_exiting) {
        ngx_llmops_admin_events_end(es, NGX_OK);
        return;
    }

    rc = ngx_llmops_admin_events_look(es);

    if (rc != NGX_OK) {
        ngx_llmops_admin_events_end(es, rc == NGX_DONE ? NGX_OK : NGX_ERROR);
        return;
    }

    ngx_http_run_posted_requests(c);
}


static void
ngx_llmops_admin_events_write(ngx_http_request_t *r)
{
    /* an error ends it at the next tick */

    (void) ngx_http_output_filter(r, NULL);

    if (r->connection->buffered
        && ngx_handle_write_event(r->connection->write, 0) != NGX_OK)
    {
        r->connection->error = 1;
    }
}


static ngx_int_t
ngx_llmops_admin_events_look(ngx_llmops_admin_events_t *es)
{
    ngx_int_t            rc;
    uint64_t             revision;
    ngx_msec_t           quiet;
    ngx_connection_t    *c;
    ngx_llmops_store_t  *store;

    c = es->a->request->connection;
    store = es->a->mcf->store;
    quiet = ngx_current_msec - es->told;

    if (c->error || (c->buffered && quiet > NGX_LLMOPS_EVENTS_STALL)) {
        return NGX_ERROR;
    }

    if (es->asking || c->buffered) {
        return NGX_OK;
    }

    revision = ngx_llmops_store_revision(store, NGX_LLMOPS_DOCS_EVALUATIONS);

    if (es->revision && revision == es->seen
        && quiet < NGX_LLMOPS_EVENTS_QUIET)
    {
        return NGX_OK;
    }

    es->pool = ngx_create_pool(4096, c->log);
    if (es->pool == NULL) {
        return NGX_ERROR;
    }

    es->seen = revision;

    ngx_memzero(&es->op, sizeof(ngx_llmops_docop_t));

    es->op.docs = NGX_LLMOPS_DOCS_EVALUATIONS;
    es->op.id = es->a->args[0];
    es->op.pool = es->pool;
    es->op.handler = ngx_llmops_admin_events_got;
    es->op.data = es;

    rc = ngx_llmops_store_get(store, &es->op);

    if (rc == NGX_OK) {
        return ngx_llmops_admin_events_tell(es);
    }

    es->asking = (rc == NGX_AGAIN);

    return es->asking ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_admin_events_got(ngx_llmops_docop_t *op)
{
    ngx_int_t                   rc;
    ngx_connection_t           *c;
    ngx_llmops_admin_events_t  *es = op->data;

    c = es->a->request->connection;

    ngx_http_set_log_request(c->log, es->a->request);

    es->asking = 0;

    rc = ngx_llmops_admin_events_tell(es);

    if (rc != NGX_OK) {
        ngx_llmops_admin_events_end(es, rc == NGX_DONE ? NGX_OK : NGX_ERROR);
        return;
    }

    ngx_http_run_posted_requests(c);
}


/* what has been read, or a comment.  NGX_DONE: that was the last one */

static ngx_int_t
ngx_llmops_admin_events_tell(ngx_llmops_admin_events_t *es)
{
    json_t     *doc;
    ngx_int_t   rc;
    ngx_uint_t  active;

    rc = NGX_OK;

    if (es->op.rc == NGX_OK && es->op.doc.revision != es->revision) {

        es->revision = es->op.doc.revision;

        doc = ngx_llmops_evaluation_load(&es->op.doc.value);
        active = ngx_llmops_evaluation_active(doc)
                 || json_is_true(json_object_get(doc, "recount"));

        doc = ngx_llmops_admin_evaluation_shown(es->a, doc);

        rc = ngx_llmops_admin_events_send(es, active ? "progress" : "end",
                                          doc);
        json_decref(doc);

        if (rc == NGX_OK && !active) {
            rc = NGX_DONE;
        }

    } else if (es->op.rc == NGX_DECLINED) {
        rc = NGX_DONE;                       /* it has been removed */

    } else if (ngx_current_msec - es->told >= NGX_LLMOPS_EVENTS_QUIET) {
        rc = ngx_llmops_admin_events_send(es, NULL, NULL);
    }

    ngx_destroy_pool(es->pool);
    es->pool = NULL;

    return rc;
}


static ngx_int_t
ngx_llmops_admin_events_send(ngx_llmops_admin_events_t *es,
    const char *event, json_t *doc)
{
    char                *text;
    size_t               len;
    ngx_buf_t           *b;
    ngx_chain_t          out;
    ngx_http_request_t  *r;

    r = es->a->request;

    text = doc ? json_dumps(doc, JSON_COMPACT|JSON_REAL_PRECISION(15)) : NULL;

    if (doc && text == NULL) {
        return NGX_ERROR;
    }

    len = text ? ngx_strlen(text) : 0;

    /* as long as the request is there, however many there have been: it is
       given back with the next one */

    if (es->room < len + 64) {

        if (es->buf) {
            (void) ngx_pfree(r->pool, es->buf);
        }

        es->room = 2 * len + 1024;
        es->buf = ngx_palloc(r->pool, es->room);

        if (es->buf == NULL) {
            free(text);
            return NGX_ERROR;
        }
    }

    b = &es->b;

    ngx_memzero(b, sizeof(ngx_buf_t));

    b->pos = es->buf;
    b->last = es->buf;
    b->memory = 1;
    b->flush = 1;

    if (text) {
        b->last = ngx_sprintf(b->last, "event: %s\ndata: ", event);
        b->last = ngx_cpymem(b->last, text, len);
        b->last = ngx_cpymem(b->last, "\n\n", 2);

    } else {
        b->last = ngx_cpymem(b->last, ":\n\n", 3);
    }

    free(text);

    out.buf = b;
    out.next = NULL;

    es->told = ngx_current_msec;

    return ngx_http_output_filter(r, &out) == NGX_ERROR ? NGX_ERROR : NGX_OK;
}


/* the frame has nothing to say any more */

static void
ngx_llmops_admin_events_end(ngx_llmops_admin_events_t *es, ngx_int_t rc)
{
    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = es->a->request;
    c = r->connection;

    if (es->timer.timer_set) {
        ngx_del_timer(&es->timer);
    }

    if (rc == NGX_OK && !r->header_only) {
        rc = ngx_http_send_special(r, NGX_HTTP_LAST);
    }

    ngx_http_finalize_request(r, rc);
    ngx_http_run_posted_requests(c);
}
