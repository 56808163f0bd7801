
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_evaluations.h"
#include "ngx_llmops_report.h"


/*
 * Results case by case: a page of them, those that wait for a person, and all
 * as a report.  They lie in pieces, which are read one after the other, each
 * into memory that is given back before the next: a report of ten thousand
 * cases holds its own text and one piece.  One piece is read in each turn of
 * the event loop, since a store in shared memory answers at once.
 */


#define NGX_LLMOPS_ADMIN_EVAL_OUT  (64 * 1024 * 1024)


typedef struct ngx_llmops_admin_walk_s  ngx_llmops_admin_walk_t;

/* NGX_OK: go on; NGX_DONE: enough; NGX_ERROR */
typedef ngx_int_t (*ngx_llmops_admin_case_pt)(ngx_llmops_admin_walk_t *w,
    ngx_uint_t n, json_t *kase);

struct ngx_llmops_admin_walk_s {
    ngx_llmops_admin_t        *a;
    json_t                    *doc;
    ngx_pool_t                *pool;       /* of one piece */
    ngx_uint_t                 n;          /* the next case */
    ngx_uint_t                 cases;
    ngx_int_t                  limit;
    ngx_uint_t                 full;
    json_t                    *data;       /* array */
    ngx_llmops_report_t        report;
    ngx_llmops_out_t           out;
    ngx_llmops_admin_case_pt   one;
    ngx_llmops_admin_pt        end;
    ngx_event_t                event;      /* posted: the next turn goes on */
    u_char                     buf[NGX_LLMOPS_DOC_ID];
};


static ngx_int_t ngx_llmops_admin_walk(ngx_llmops_admin_t *a,
    ngx_llmops_admin_case_pt one, ngx_llmops_admin_pt end);
static void ngx_llmops_admin_walk_free(void *data);
static ngx_int_t ngx_llmops_admin_walk_found(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_walk_on(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_walk_event(ngx_event_t *ev);
static ngx_int_t ngx_llmops_admin_walk_ask(ngx_llmops_admin_t *a,
    ngx_llmops_admin_walk_t *w);
static void ngx_llmops_admin_walk_asked(ngx_llmops_docop_t *op);
static ngx_int_t ngx_llmops_admin_walk_resumed(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_walk_chunk(ngx_llmops_admin_walk_t *w);

static ngx_int_t ngx_llmops_admin_cases_one(ngx_llmops_admin_walk_t *w,
    ngx_uint_t n, json_t *kase);
static ngx_int_t ngx_llmops_admin_queue_one(ngx_llmops_admin_walk_t *w,
    ngx_uint_t n, json_t *kase);
static ngx_int_t ngx_llmops_admin_cases_end(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_report_one(ngx_llmops_admin_walk_t *w,
    ngx_uint_t n, json_t *kase);
static ngx_int_t ngx_llmops_admin_report_flush(ngx_llmops_admin_walk_t *w);
static ngx_int_t ngx_llmops_admin_report_end(ngx_llmops_admin_t *a);


ngx_int_t
ngx_llmops_admin_evaluation_cases(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_walk(a, ngx_llmops_admin_cases_one,
                                 ngx_llmops_admin_cases_end);
}


ngx_int_t
ngx_llmops_admin_evaluation_queue(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_walk(a, ngx_llmops_admin_queue_one,
                                 ngx_llmops_admin_cases_end);
}


ngx_int_t
ngx_llmops_admin_evaluation_report(ngx_llmops_admin_t *a)
{
    ngx_str_t                   json = ngx_string("json"), *name;
    ngx_llmops_report_format_e  format;

    name = ngx_llmops_admin_arg(a, "format");

    if (ngx_llmops_report_format(name ? name : &json, &format) != NGX_OK) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"format\" must be json, junit, csv or "
                                      "markdown");
    }

    return ngx_llmops_admin_walk(a, ngx_llmops_admin_report_one,
                                 ngx_llmops_admin_report_end);
}


/* -- walking -------------------------------------------------------------- */

static ngx_int_t
ngx_llmops_admin_walk(ngx_llmops_admin_t *a, ngx_llmops_admin_case_pt one,
    ngx_llmops_admin_pt end)
{
    ngx_int_t                 rc, cursor;
    ngx_pool_cleanup_t       *cln;
    ngx_llmops_admin_walk_t  *w;

    cln = ngx_pool_cleanup_add(a->request->pool,
                               sizeof(ngx_llmops_admin_walk_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    w = cln->data;
    ngx_memzero(w, sizeof(ngx_llmops_admin_walk_t));

    w->a = a;
    w->one = one;
    w->end = end;
    w->event.handler = ngx_llmops_admin_walk_event;
    w->event.data = w;
    w->event.log = a->request->connection->log;

    ngx_llmops_out_init(&w->out, NGX_LLMOPS_ADMIN_EVAL_OUT);

    cln->handler = ngx_llmops_admin_walk_free;
    a->data = w;

    rc = ngx_llmops_admin_arg_number(a, "limit", 1, 100, 20, &w->limit);

    if (rc == NGX_OK) {
        rc = ngx_llmops_admin_arg_number(a, "cursor", 0,
                                         NGX_LLMOPS_EVAL_CASES, 0, &cursor);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    w->n = cursor;
    w->data = json_array();

    return w->data ? ngx_llmops_admin_evaluation_find(a,
                                                  ngx_llmops_admin_walk_found)
                   : NGX_ERROR;
}


static void
ngx_llmops_admin_walk_free(void *data)
{
    ngx_llmops_admin_walk_t *w = data;

    if (w->event.posted) {
        ngx_delete_posted_event(&w->event);
    }

    json_decref(w->doc);
    json_decref(w->data);

    ngx_llmops_out_free(&w->out);

    if (w->pool) {
        ngx_destroy_pool(w->pool);
    }
}


static ngx_int_t
ngx_llmops_admin_walk_found(ngx_llmops_admin_t *a)
{
    ngx_int_t                   rc;
    ngx_str_t                   json = ngx_string("json"), *name;
    ngx_llmops_admin_walk_t    *w = a->data;
    ngx_llmops_report_format_e  format;

    w->doc = ngx_llmops_admin_evaluation_found(a, &rc);

    if (w->doc == NULL) {
        return rc;
    }

    w->doc = ngx_llmops_admin_evaluation_shown(a, w->doc);
    w->cases = json_integer_value(json_object_get(w->doc, "cases"));

    if (w->end == ngx_llmops_admin_report_end) {
        name = ngx_llmops_admin_arg(a, "format");

        (void) ngx_llmops_report_format(name ? name : &json, &format);

        ngx_llmops_page_init(&a->page, a->request->pool);

        if (ngx_llmops_report_begin(&w->report, format, w->doc, &w->out)
            != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return ngx_llmops_admin_walk_on(a);
}


static ngx_int_t
ngx_llmops_admin_walk_on(ngx_llmops_admin_t *a)
{
    ngx_int_t                 rc;
    ngx_llmops_admin_walk_t  *w = a->data;

    if (w->n >= w->cases || w->full) {
        return w->end(a);
    }

    rc = ngx_llmops_admin_walk_ask(a, w);

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_llmops_admin_walk_chunk(w);

    if (rc != NGX_OK) {
        return rc;
    }

    if (w->n >= w->cases || w->full) {
        return w->end(a);
    }

    ngx_post_event(&w->event, &ngx_posted_next_events);

    return NGX_AGAIN;
}


static void
ngx_llmops_admin_walk_event(ngx_event_t *ev)
{
    ngx_llmops_admin_walk_t *w = ev->data;

    ngx_llmops_admin_resume(w->a, ngx_llmops_admin_walk_on);
}


static ngx_int_t
ngx_llmops_admin_walk_ask(ngx_llmops_admin_t *a, ngx_llmops_admin_walk_t *w)
{
    ngx_int_t  rc;

    if (w->pool) {
        ngx_destroy_pool(w->pool);
    }

    w->pool = ngx_create_pool(4096, a->request->connection->log);
    if (w->pool == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&a->op, sizeof(ngx_llmops_docop_t));

    a->op.docs = NGX_LLMOPS_DOCS_EVALUATED;
    a->op.id = ngx_llmops_evaluation_chunk(w->buf,
                      json_string_value(json_object_get(w->doc, "id")),
                      w->n / NGX_LLMOPS_EVAL_CHUNK);
    a->op.pool = w->pool;
    a->op.handler = ngx_llmops_admin_walk_asked;
    a->op.data = a;

    rc = ngx_llmops_store_get(a->mcf->store, &a->op);

    a->asking = (rc == NGX_AGAIN);

    return rc;
}


static void
ngx_llmops_admin_walk_asked(ngx_llmops_docop_t *op)
{
    ngx_llmops_admin_t *a = op->data;

    a->asking = 0;

    ngx_llmops_admin_resume(a, ngx_llmops_admin_walk_resumed);
}


static ngx_int_t
ngx_llmops_admin_walk_resumed(ngx_llmops_admin_t *a)
{
    ngx_int_t  rc;

    rc = ngx_llmops_admin_walk_chunk(a->data);

    return (rc == NGX_OK) ? ngx_llmops_admin_walk_on(a) : rc;
}


/* the cases of one piece, from w->n on */

static ngx_int_t
ngx_llmops_admin_walk_chunk(ngx_llmops_admin_walk_t *w)
{
    char         key[NGX_INT_T_LEN + 1];
    json_t      *cases, *kase;
    ngx_int_t    rc;
    ngx_uint_t   last;

    if (w->a->op.rc != NGX_OK && w->a->op.rc != NGX_DECLINED) {
        return ngx_llmops_admin_store_error(w->a);
    }

    cases = (w->a->op.rc == NGX_OK)
            ? ngx_llmops_evaluation_load(&w->a->op.doc.value) : NULL;

    last = (w->n / NGX_LLMOPS_EVAL_CHUNK + 1) * NGX_LLMOPS_EVAL_CHUNK;
    last = ngx_min(last, w->cases);
    rc = NGX_OK;

    for ( /* void */ ; w->n < last; w->n++) {

        (void) ngx_sprintf((u_char *) key, "%ui%Z", w->n);

        kase = json_object_get(cases, key);

        if (kase == NULL) {
            continue;                        /* it has not ended yet */
        }

        rc = w->one(w, w->n, kase);

        if (rc != NGX_OK) {
            break;
        }
    }

    json_decref(cases);

    if (rc == NGX_DONE) {
        w->full = 1;
        return NGX_OK;
    }

    return rc;
}


/* -- pages ---------------------------------------------------------------- */

static ngx_int_t
ngx_llmops_admin_cases_one(ngx_llmops_admin_walk_t *w, ngx_uint_t n,
    json_t *kase)
{
    if (json_array_size(w->data) == (size_t) w->limit) {
        return NGX_DONE;
    }

    return json_array_append(w->data, kase) == 0 ? NGX_OK : NGX_ERROR;
}


/* an entry for each answer that a person is waited for.  Those of a case are on
   one page, since the next one begins with a case: a page has at most "limit"
   of them, or those of one case */

static ngx_int_t
ngx_llmops_admin_queue_one(ngx_llmops_admin_walk_t *w, ngx_uint_t n,
    json_t *kase)
{
    int       rv;
    size_t    i, waiting;
    json_t   *result, *results, *entry;

    waiting = 0;
    results = json_object_get(kase, "results");

    json_array_foreach(results, i, result) {
        waiting += json_is_true(json_object_get(result, "human"));
    }

    if (waiting && json_array_size(w->data)
        && json_array_size(w->data) + waiting > (size_t) w->limit)
    {
        return NGX_DONE;
    }

    json_array_foreach(results, i, result) {

        if (!json_is_true(json_object_get(result, "human"))) {
            continue;
        }

        entry = json_copy(kase);

        rv = json_object_del(entry, "results");
        rv |= json_object_set(entry, "candidate",
                              json_object_get(result, "candidate"));
        rv |= json_object_set(entry, "answer",
                              json_object_get(result, "answer"));
        rv |= json_array_append_new(w->data, entry);

        if (rv) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_cases_end(ngx_llmops_admin_t *a)
{
    json_t                   *data;
    ngx_llmops_admin_walk_t  *w = a->data;

    data = w->data;
    w->data = NULL;

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
               json_pack("{s:s,s:o,s:b,s:o}", "object", "list", "data", data,
                         "has_more", (int) w->full,
                         "next", w->full ? json_integer((json_int_t) w->n)
                                         : json_null()));
}


/* -- report --------------------------------------------------------------- */

static ngx_int_t
ngx_llmops_admin_report_one(ngx_llmops_admin_walk_t *w, ngx_uint_t n,
    json_t *kase)
{
    if (ngx_llmops_report_case(&w->report, kase, &w->out) != NGX_OK) {
        return NGX_ERROR;
    }

    return ngx_llmops_admin_report_flush(w);
}


static ngx_int_t
ngx_llmops_admin_report_flush(ngx_llmops_admin_walk_t *w)
{
    ngx_llmops_page_write(&w->a->page, w->out.data, w->out.len);
    ngx_llmops_out_reset(&w->out);

    return (w->a->page.failed || w->a->page.size > NGX_LLMOPS_ADMIN_EVAL_OUT)
           ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_report_end(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_walk_t  *w = a->data;

    if (ngx_llmops_report_end(&w->report, &w->out) != NGX_OK
        || ngx_llmops_admin_report_flush(w) != NGX_OK)
    {
        return NGX_ERROR;
    }

    a->type.data = (u_char *) ngx_llmops_report_type(w->report.format);
    a->type.len = ngx_strlen(a->type.data);
    a->status = NGX_HTTP_OK;

    return NGX_OK;
}
