
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_evaluations.h"


/*
 * Evaluations: what there is, and stopping and removing them.  A worker that
 * answers here never runs one itself; it reads and writes documents, and worker
 * 0 of whoever runs it does the rest: see evaluate/ngx_llmops_evaluate.c.
 */


#define NGX_LLMOPS_ADMIN_EVAL_PAGE   64
#define NGX_LLMOPS_ADMIN_EVAL_TRIES  5


typedef struct {
    json_t                    *docs;       /* array: all that were listed */
    ngx_int_t                  limit;
    ngx_uint_t                 pages;
} ngx_llmops_admin_evaluations_t;


typedef struct {
    json_t                    *doc;
    ngx_uint_t                 tries;
    unsigned                   remove:1;
} ngx_llmops_admin_stop_t;


static ngx_int_t ngx_llmops_admin_evaluation_list(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_evaluation_page(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_evaluation_paged(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_evaluation_listed(ngx_llmops_admin_t *a,
    ngx_llmops_admin_evaluations_t *ls);
static ngx_uint_t ngx_llmops_admin_evaluation_wanted(ngx_llmops_admin_t *a,
    json_t *doc);
static int ngx_llmops_admin_evaluation_cmp(const void *one, const void *two);
static void ngx_llmops_admin_evaluation_free(void *data);

static ngx_int_t ngx_llmops_admin_evaluation_get(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_evaluation_got(ngx_llmops_admin_t *a);

static ngx_int_t ngx_llmops_admin_evaluation_cancel(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_evaluation_remove(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_evaluation_stop(ngx_llmops_admin_t *a,
    ngx_uint_t remove);
static ngx_int_t ngx_llmops_admin_evaluation_stop_read(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_evaluation_stopped(ngx_llmops_admin_t *a);
static void ngx_llmops_admin_evaluation_stop_free(void *data);


const ngx_llmops_admin_call_t  ngx_llmops_admin_evaluations[] = {

    { NGX_HTTP_GET, "evaluations", "listEvaluations",
      "limit cursor route status", ngx_llmops_admin_evaluation_list, 0, 0 },

    { NGX_HTTP_POST, "evaluations", "createEvaluation", NULL,
      ngx_llmops_admin_evaluation_create, 1, 1 },

    { NGX_HTTP_GET, "evaluations/{}", "getEvaluation", NULL,
      ngx_llmops_admin_evaluation_get, 0, 0 },

    { NGX_HTTP_DELETE, "evaluations/{}", "deleteEvaluation", NULL,
      ngx_llmops_admin_evaluation_remove, 1, 0 },

    { NGX_HTTP_POST, "evaluations/{}/cancel", "cancelEvaluation", NULL,
      ngx_llmops_admin_evaluation_cancel, 1, 0 },

    { NGX_HTTP_GET, "evaluations/{}/cases", "listEvaluationCases",
      "limit cursor", ngx_llmops_admin_evaluation_cases, 0, 0 },

    { NGX_HTTP_GET, "evaluations/{}/events", "streamEvaluation", NULL,
      ngx_llmops_admin_evaluation_events, 0, 0 },

    { NGX_HTTP_GET, "evaluations/{}/report", "reportEvaluation", "format",
      ngx_llmops_admin_evaluation_report, 0, 0 },

    { NGX_HTTP_GET, "evaluations/{}/queue", "listEvaluationQueue",
      "limit cursor", ngx_llmops_admin_evaluation_queue, 0, 0 },

    { NGX_HTTP_POST, "evaluations/{}/cases/{}/verdict", "judgeEvaluationCase",
      NULL, ngx_llmops_admin_evaluation_verdict, 1, 1 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


/* -- all ------------------------------------------------------------------ */

/* the store has no order: they are as many as llm_evaluations max= keeps, and
   are sorted here */

static ngx_int_t
ngx_llmops_admin_evaluation_list(ngx_llmops_admin_t *a)
{
    ngx_int_t                        rc;
    ngx_pool_cleanup_t              *cln;
    ngx_llmops_admin_evaluations_t  *ls;

    cln = ngx_pool_cleanup_add(a->request->pool,
                               sizeof(ngx_llmops_admin_evaluations_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    ls = cln->data;
    ngx_memzero(ls, sizeof(ngx_llmops_admin_evaluations_t));

    cln->handler = ngx_llmops_admin_evaluation_free;
    a->data = ls;

    rc = ngx_llmops_admin_arg_number(a, "limit", 1, 100, 20, &ls->limit);

    if (rc != NGX_OK) {
        return rc;
    }

    ls->docs = json_array();
    if (ls->docs == NULL) {
        return NGX_ERROR;
    }

    a->op.docs = NGX_LLMOPS_DOCS_EVALUATIONS;
    a->op.max = NGX_LLMOPS_ADMIN_EVAL_PAGE;

    return ngx_llmops_admin_evaluation_page(a);
}


static void
ngx_llmops_admin_evaluation_free(void *data)
{
    ngx_llmops_admin_evaluations_t *ls = data;

    json_decref(ls->docs);
}


static ngx_int_t
ngx_llmops_admin_evaluation_page(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                ngx_llmops_admin_evaluation_paged);
}


static ngx_int_t
ngx_llmops_admin_evaluation_paged(ngx_llmops_admin_t *a)
{
    json_t                          *doc;
    ngx_uint_t                       i;
    ngx_llmops_doc_t                *found;
    ngx_llmops_admin_evaluations_t  *ls = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    found = a->op.list.elts;

    for (i = 0; i < a->op.list.nelts; i++) {

        doc = ngx_llmops_evaluation_load(&found[i].value);

        if (ngx_llmops_evaluation_is_id(&found[i].id)
            && ngx_llmops_admin_evaluation_wanted(a, doc))
        {
            doc = ngx_llmops_admin_evaluation_shown(a, doc);
            (void) json_object_del(doc, "slices");

            if (json_array_append_new(ls->docs, doc) != 0) {
                return NGX_ERROR;
            }

        } else {
            json_decref(doc);
        }
    }

    if (a->op.next.len && ++ls->pages < NGX_LLMOPS_EVAL_CASES) {
        a->op.id = a->op.next;
        return ngx_llmops_admin_evaluation_page(a);
    }

    return ngx_llmops_admin_evaluation_listed(a, ls);
}


static ngx_uint_t
ngx_llmops_admin_evaluation_wanted(ngx_llmops_admin_t *a, json_t *doc)
{
    ngx_str_t   route, *want;

    if (!json_is_object(doc) || ngx_llmops_evaluation_is(doc, "deleted")) {
        return 0;
    }

    want = ngx_llmops_admin_arg(a, "route");
    route = ngx_llmops_evaluation_string(doc, "route");

    if (want && (want->len != route.len
                 || ngx_memcmp(want->data, route.data, want->len) != 0))
    {
        return 0;
    }

    want = ngx_llmops_admin_arg(a, "status");
    route = ngx_llmops_evaluation_string(doc, "status");

    return want == NULL || (want->len == route.len
                            && ngx_memcmp(want->data, route.data, want->len)
                               == 0);
}


/* newest first */

static ngx_int_t
ngx_llmops_admin_evaluation_listed(ngx_llmops_admin_t *a,
    ngx_llmops_admin_evaluations_t *ls)
{
    json_t     **sorted, *data, *next;
    ngx_str_t   *cursor, id;
    ngx_uint_t   i, n;

    n = json_array_size(ls->docs);
    sorted = ngx_palloc(a->request->pool, (n + 1) * sizeof(json_t *));
    data = json_array();

    if (sorted == NULL || data == NULL) {
        json_decref(data);
        return NGX_ERROR;
    }

    for (i = 0; i < n; i++) {
        sorted[i] = json_array_get(ls->docs, i);
    }

    ngx_qsort(sorted, n, sizeof(json_t *), ngx_llmops_admin_evaluation_cmp);

    i = 0;
    cursor = ngx_llmops_admin_arg(a, "cursor");

    if (cursor && cursor->len) {

        for ( /* void */ ; i < n; i++) {
            id = ngx_llmops_evaluation_string(sorted[i], "id");

            if (id.len == cursor->len
                && ngx_memcmp(id.data, cursor->data, id.len) == 0)
            {
                break;
            }
        }

        if (i == n) {
            json_decref(data);
            return ngx_llmops_admin_no_cursor(a);
        }

        i++;
    }

    for ( /* void */ ; i < n
                       && json_array_size(data) < (size_t) ls->limit; i++)
    {
        (void) json_array_append(data, sorted[i]);
    }

    next = (i < n && i) ? json_incref(json_object_get(sorted[i - 1], "id"))
                        : json_null();

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:s,s:o,s:b,s:o}",
                                            "object", "list", "data", data,
                                            "has_more", i < n, "next", next));
}


static int
ngx_llmops_admin_evaluation_cmp(const void *one, const void *two)
{
    json_int_t     first, second;
    json_t *const  *a = one;
    json_t *const  *b = two;

    first = json_integer_value(json_object_get(*a, "created"));
    second = json_integer_value(json_object_get(*b, "created"));

    if (first != second) {
        return first < second ? 1 : -1;
    }

    return -strcmp(json_string_value(json_object_get(*a, "id")),
                   json_string_value(json_object_get(*b, "id")));
}


/* -- one ------------------------------------------------------------------ */

ngx_int_t
ngx_llmops_admin_evaluation_find(ngx_llmops_admin_t *a,
    ngx_llmops_admin_pt next)
{
    if (!ngx_llmops_evaluation_is_id(&a->args[0])) {
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "there is no evaluation \"%V\"",
                                      &a->args[0]);
    }

    a->op.docs = NGX_LLMOPS_DOCS_EVALUATIONS;
    a->op.id = a->args[0];

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get, next);
}


json_t *
ngx_llmops_admin_evaluation_found(ngx_llmops_admin_t *a, ngx_int_t *rc)
{
    json_t  *doc;

    if (a->op.rc != NGX_OK && a->op.rc != NGX_DECLINED) {
        *rc = ngx_llmops_admin_store_error(a);
        return NULL;
    }

    doc = (a->op.rc == NGX_OK) ? ngx_llmops_evaluation_load(&a->op.doc.value)
                               : NULL;

    if (json_is_object(doc) && !ngx_llmops_evaluation_is(doc, "deleted")) {
        return doc;
    }

    json_decref(doc);

    *rc = ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                 "there is no evaluation \"%V\"",
                                 &a->args[0]);
    return NULL;
}


/* one that nobody runs just now will be run again, and is not said to be
   running */

json_t *
ngx_llmops_admin_evaluation_shown(ngx_llmops_admin_t *a, json_t *doc)
{
    if (ngx_llmops_evaluation_is(doc, "running")
        && !ngx_llmops_evaluation_held(a->mcf, doc, NULL))
    {
        (void) json_object_set_new(doc, "status", json_string("paused"));
    }

    (void) json_object_del(doc, "runner");
    (void) json_object_del(doc, "checksum");
    (void) json_object_del(doc, "recount");

    return doc;
}


static ngx_int_t
ngx_llmops_admin_evaluation_get(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_evaluation_find(a,
                                            ngx_llmops_admin_evaluation_got);
}


static ngx_int_t
ngx_llmops_admin_evaluation_got(ngx_llmops_admin_t *a)
{
    json_t     *doc;
    ngx_int_t   rc;

    doc = ngx_llmops_admin_evaluation_found(a, &rc);

    if (doc == NULL) {
        return rc;
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  ngx_llmops_admin_evaluation_shown(a, doc));
}


/* -- changes -------------------------------------------------------------- */

ngx_int_t
ngx_llmops_admin_evaluation_put(ngx_llmops_admin_t *a, json_t *doc,
    ngx_llmops_admin_pt next)
{
    a->op.docs = NGX_LLMOPS_DOCS_EVALUATIONS;
    a->op.id = a->args[0];
    a->op.expected = a->op.doc.revision;
    a->op.expires = 0;
    a->op.value = ngx_llmops_evaluation_text(doc, a->request->pool);

    return a->op.value.data
           ? ngx_llmops_admin_ask(a, ngx_llmops_store_put, next) : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_admin_evaluation_cancel(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_evaluation_stop(a, 0);
}


static ngx_int_t
ngx_llmops_admin_evaluation_remove(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_evaluation_stop(a, 1);
}


static ngx_int_t
ngx_llmops_admin_evaluation_stop(ngx_llmops_admin_t *a, ngx_uint_t remove)
{
    ngx_pool_cleanup_t       *cln;
    ngx_llmops_admin_stop_t  *stop;

    cln = ngx_pool_cleanup_add(a->request->pool,
                               sizeof(ngx_llmops_admin_stop_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    stop = cln->data;
    ngx_memzero(stop, sizeof(ngx_llmops_admin_stop_t));

    stop->remove = remove;

    cln->handler = ngx_llmops_admin_evaluation_stop_free;
    a->data = stop;

    return ngx_llmops_admin_evaluation_find(a,
                                       ngx_llmops_admin_evaluation_stop_read);
}


static void
ngx_llmops_admin_evaluation_stop_free(void *data)
{
    ngx_llmops_admin_stop_t *stop = data;

    json_decref(stop->doc);
}


static ngx_int_t
ngx_llmops_admin_evaluation_stop_read(ngx_llmops_admin_t *a)
{
    int                       rv;
    ngx_int_t                 rc;
    ngx_llmops_admin_stop_t  *stop = a->data;

    json_decref(stop->doc);
    stop->doc = ngx_llmops_admin_evaluation_found(a, &rc);

    if (stop->doc == NULL) {
        return rc;
    }

    if (ngx_llmops_evaluation_active(stop->doc) == stop->remove) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "state",
                                      stop->remove
                                      ? "it is under way, cancel it first"
                                      : "it has ended");
    }

    rv = json_object_set_new(stop->doc, "status",
                             json_string(stop->remove ? "deleted"
                                                      : "cancelled"));
    if (!stop->remove) {
        rv |= json_object_set_new(stop->doc, "ended",
                   json_integer(ngx_llmops_store_now(a->mcf->store) / 1000));
    }

    return rv ? NGX_ERROR
              : ngx_llmops_admin_evaluation_put(a, stop->doc,
                                         ngx_llmops_admin_evaluation_stopped);
}


static ngx_int_t
ngx_llmops_admin_evaluation_stopped(ngx_llmops_admin_t *a)
{
    json_t                   *shown;
    ngx_llmops_admin_stop_t  *stop = a->data;

    /* who runs it writes once a second */

    if (a->op.rc == NGX_DECLINED
        && ++stop->tries < NGX_LLMOPS_ADMIN_EVAL_TRIES)
    {
        return ngx_llmops_admin_evaluation_find(a,
                                       ngx_llmops_admin_evaluation_stop_read);
    }

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_error(a, NGX_HTTP_SERVICE_UNAVAILABLE, "busy",
                                      "the evaluation is changed by others all "
                                      "the time, try again");
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    if (stop->remove) {
        return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                      json_pack("{s:o}", "deleted",
                                          ngx_llmops_admin_string(
                                                           &a->args[0])));
    }

    shown = stop->doc;
    stop->doc = NULL;

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  ngx_llmops_admin_evaluation_shown(a, shown));
}
