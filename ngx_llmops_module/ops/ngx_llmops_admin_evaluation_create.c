
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_evaluations.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_score.h"


/*
 * POST evaluations.  What can be found out at once is an error at once; what
 * takes time (a file, checks of single cases) is found out by the run, before
 * it asks anybody.  The cases and the specification are put first: a head is
 * there only with all that it needs.
 */


#define NGX_LLMOPS_ADMIN_EVAL_LAST   10000
#define NGX_LLMOPS_ADMIN_EVAL_PAGE   64


typedef struct {
    json_t                        *json;   /* the specification, kept */
    ngx_llmops_evaluation_spec_t   spec;
    ngx_llmops_dataset_t           set;    /* of cases in the body */
    ngx_uint_t                     active;
    ngx_uint_t                     pages;
    json_t                        *doc;
    char                           id[NGX_LLMOPS_EVAL_ID + 1];
    u_char                         buf[NGX_LLMOPS_DOC_ID];
} ngx_llmops_admin_create_t;


static void ngx_llmops_admin_create_free(void *data);
static ngx_int_t ngx_llmops_admin_create_read(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr);
static ngx_int_t ngx_llmops_admin_create_checks(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr);
static ngx_int_t ngx_llmops_admin_create_judges(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr);
static ngx_int_t ngx_llmops_admin_create_data(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr);
static ngx_int_t ngx_llmops_admin_create_cases(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr, json_t *cases);
static ngx_int_t ngx_llmops_admin_create_file(ngx_llmops_admin_t *a,
    ngx_str_t *file);
static ngx_int_t ngx_llmops_admin_create_samples(ngx_llmops_admin_t *a,
    json_t *samples);
static ngx_int_t ngx_llmops_admin_create_count(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_create_counted(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_create_put_data(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr);
static ngx_int_t ngx_llmops_admin_create_put_spec(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_create_put_head(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_create_done(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_create_location(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr);


ngx_int_t
ngx_llmops_admin_evaluation_create(ngx_llmops_admin_t *a)
{
    ngx_int_t                   rc;
    ngx_pool_cleanup_t         *cln;
    ngx_llmops_admin_create_t  *cr;

    cln = ngx_pool_cleanup_add(a->request->pool,
                               sizeof(ngx_llmops_admin_create_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    cr = cln->data;
    ngx_memzero(cr, sizeof(ngx_llmops_admin_create_t));

    cln->handler = ngx_llmops_admin_create_free;
    a->data = cr;

    ngx_llmops_evaluation_id(cr->id);

    rc = ngx_llmops_admin_create_read(a, cr);

    return rc == NGX_OK ? ngx_llmops_admin_create_count(a) : rc;
}


static void
ngx_llmops_admin_create_free(void *data)
{
    ngx_llmops_admin_create_t *cr = data;

    ngx_llmops_dataset_free(&cr->set);

    json_decref(cr->json);
    json_decref(cr->doc);
}


static ngx_int_t
ngx_llmops_admin_create_read(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr)
{
    char       err[NGX_LLMOPS_EVAL_TEXT];
    ngx_int_t  rc;

    cr->json = json_copy(a->body);
    if (cr->json == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_evaluation_spec(cr->json, &cr->spec, err);

    if (rc == NGX_OK) {
        rc = ngx_llmops_evaluation_names(a->mcf, &cr->spec, cr->json, err);
    }

    if (rc != NGX_OK) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "%s", err);
    }

    rc = ngx_llmops_admin_create_data(a, cr);

    if (rc != NGX_OK) {
        return rc;
    }

    ngx_llmops_admin_note(a, "candidates=%ui baseline=%i",
                          cr->spec.ncandidates, cr->spec.baseline);

    return ngx_llmops_admin_create_checks(a, cr);
}


static ngx_int_t
ngx_llmops_admin_create_checks(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr)
{
    char                       err[NGX_LLMOPS_EVAL_TEXT];
    ngx_llmops_scorer_t       *scorer;
    ngx_llmops_evaluations_t  *evs;

    if (cr->spec.checks == NULL) {
        return NGX_OK;
    }

    evs = a->mcf->evaluations;

    scorer = ngx_llmops_scorer_create(cr->spec.checks, evs->rules.elts,
                                      evs->rules.nelts, err, sizeof(err));
    if (scorer == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "%s", err);
    }

    if (ngx_llmops_scorer_pairwise(scorer) && cr->spec.baseline == -1) {
        ngx_llmops_scorer_free(scorer);

        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "a check of type \"pairwise\" needs a "
                                      "\"baseline\"");
    }

    ngx_llmops_scorer_free(scorer);

    return ngx_llmops_admin_create_judges(a, cr);
}


/* who has to be asked must be known, and his price if there is a budget */

static ngx_int_t
ngx_llmops_admin_create_judges(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr)
{
    size_t                i;
    json_t               *check;
    ngx_str_t             target;
    const char           *type;
    ngx_llmops_target_t  *t;

    json_array_foreach(cr->spec.checks, i, check) {

        type = json_string_value(json_object_get(check, "type"));

        if (type == NULL || (ngx_strcmp(type, "judge") != 0
                             && ngx_strcmp(type, "pairwise") != 0))
        {
            continue;
        }

        target = ngx_llmops_evaluation_string(check, "target");

        if (target.len == 0) {
            target = cr->spec.judge;
        }

        if (target.len == 0) {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "a check of type \"%s\" needs a "
                                          "\"judge\": UPSTREAM/MODEL", type);
        }

        t = ngx_llmops_evaluation_target(a->mcf->evaluations, &target);

        if (t == NULL || (cr->spec.budget && t->price == NULL)) {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "the judge \"%V\" is not a target of "
                                          "the configuration, or has no price "
                                          "for the budget", &target);
        }
    }

    return NGX_OK;
}


/* "dataset": {"cases": [...]}, {"file": "..."} or {"samples": {...}} */

static ngx_int_t
ngx_llmops_admin_create_data(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr)
{
    json_t     *dataset, *cases, *samples;
    ngx_str_t   file;

    dataset = json_object_get(cr->json, "dataset");
    cases = json_object_get(dataset, "cases");
    samples = json_object_get(dataset, "samples");
    file = ngx_llmops_evaluation_string(dataset, "file");

    if (json_object_size(dataset) != 1
        || (!json_is_array(cases) && !json_is_object(samples)
            && file.len == 0))
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"dataset\" must be {\"cases\": "
                                      "[...]}, {\"file\": \"NAME\"} or "
                                      "{\"samples\": {\"route\": ..., "
                                      "\"last\": N}}");
    }

    if (cases) {
        return ngx_llmops_admin_create_cases(a, cr, cases);
    }

    if (samples) {
        return ngx_llmops_admin_create_samples(a, samples);
    }

    return ngx_llmops_admin_create_file(a, &file);
}


static ngx_int_t
ngx_llmops_admin_create_cases(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr, json_t *cases)
{
    char        err[NGX_LLMOPS_EVAL_TEXT];
    size_t      i;
    json_t     *kase;
    ngx_int_t   rc;

    rc = NGX_OK;

    json_array_foreach(cases, i, kase) {
        if (!json_is_object(kase)) {
            return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                          "case %uz is not an object", i + 1);
        }

        rc = ngx_llmops_dataset_add(&cr->set, kase, err);

        if (rc != NGX_OK) {
            break;
        }
    }

    if (rc == NGX_OK) {
        rc = ngx_llmops_dataset_end(&cr->set, err);
    }

    if (rc == NGX_DECLINED) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "%s", err);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    if (cr->set.len > NGX_LLMOPS_DOC_LARGE) {
        return ngx_llmops_admin_error(a, NGX_HTTP_REQUEST_ENTITY_TOO_LARGE,
                                      "too_large", "the cases may have 1 MB, "
                                      "more of them can be a file");
    }

    return json_object_set_new(cr->json, "dataset",
                               json_pack("{s:I}", "cases",
                                         (json_int_t) cr->set.n)) == 0
           ? NGX_OK : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_admin_create_file(ngx_llmops_admin_t *a, ngx_str_t *file)
{
    u_char                     path[NGX_MAX_PATH], *last;
    ngx_file_info_t            info;
    ngx_llmops_evaluations_t  *evs;

    evs = a->mcf->evaluations;

    if (evs->dir.len == 0) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "the configuration names no directory of "
                                      "datasets, write \"llm_evaluations "
                                      "dir=PATH;\"");
    }

    if (!ngx_llmops_evaluation_is_name(file) || file->data[0] == '.') {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"file\" is the name of a file in the "
                                      "directory of llm_evaluations: letters, "
                                      "digits, \".\", \"_\" and \"-\"");
    }

    last = ngx_snprintf(path, sizeof(path) - 1, "%V/%V", &evs->dir, file);
    *last = '\0';

    if (ngx_file_info(path, &info) == NGX_FILE_ERROR || !ngx_is_file(&info)) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "there is no file \"%V\" in the "
                                      "directory of llm_evaluations", file);
    }

    if (ngx_file_size(&info) > NGX_LLMOPS_EVAL_DATASET) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"%V\" has more than 16 MB", file);
    }

    return NGX_OK;
}


/* {"route": "...", "last": N, "tenant": "..."} */

static ngx_int_t
ngx_llmops_admin_create_samples(ngx_llmops_admin_t *a, json_t *samples)
{
    json_t     *last, *tenant;
    ngx_str_t   route;

    route = ngx_llmops_evaluation_string(samples, "route");
    last = json_object_get(samples, "last");
    tenant = json_object_get(samples, "tenant");

    if (json_object_size(samples) != (size_t) 2 + (tenant != NULL)
        || !json_is_integer(last) || json_integer_value(last) < 1
        || json_integer_value(last) > NGX_LLMOPS_ADMIN_EVAL_LAST
        || (tenant && !json_is_string(tenant))
        || ngx_llmops_route_by_name(a->mcf, &route) == NULL)
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "\"samples\" is {\"route\": an llm_route "
                                      "that there is, \"last\": 1 to %d, and "
                                      "maybe \"tenant\"}",
                                      NGX_LLMOPS_ADMIN_EVAL_LAST);
    }

    return NGX_OK;
}


/* -- into the store ------------------------------------------------------- */

/* how many are under way; two at once may both be let in */

static ngx_int_t
ngx_llmops_admin_create_count(ngx_llmops_admin_t *a)
{
    a->op.docs = NGX_LLMOPS_DOCS_EVALUATIONS;
    a->op.max = NGX_LLMOPS_ADMIN_EVAL_PAGE;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_list,
                                ngx_llmops_admin_create_counted);
}


static ngx_int_t
ngx_llmops_admin_create_counted(ngx_llmops_admin_t *a)
{
    json_t                     *doc;
    ngx_uint_t                  i;
    ngx_llmops_doc_t           *found;
    ngx_llmops_admin_create_t  *cr = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    found = a->op.list.elts;

    for (i = 0; i < a->op.list.nelts; i++) {
        doc = ngx_llmops_evaluation_load(&found[i].value);
        cr->active += ngx_llmops_evaluation_active(doc);
        json_decref(doc);
    }

    if (cr->active >= NGX_LLMOPS_EVAL_ACTIVE) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "full",
                                      "%ui evaluations are under way, wait for "
                                      "one to end", cr->active);
    }

    if (a->op.next.len && ++cr->pages < NGX_LLMOPS_EVAL_CASES) {
        a->op.id = a->op.next;
        return ngx_llmops_admin_create_count(a);
    }

    return ngx_llmops_admin_create_put_data(a, cr);
}


static ngx_int_t
ngx_llmops_admin_create_put_data(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr)
{
    a->op.rc = NGX_OK;

    if (cr->set.n == 0) {
        return ngx_llmops_admin_create_put_spec(a);
    }

    a->op.docs = NGX_LLMOPS_DOCS_EVALUATED;
    a->op.id = ngx_llmops_evaluation_part(cr->buf, cr->id, "data");
    a->op.value = ngx_llmops_dataset_text(&cr->set);
    a->op.expected = NGX_LLMOPS_REVISION_NONE;

    return ngx_llmops_admin_ask(a, ngx_llmops_store_put,
                                ngx_llmops_admin_create_put_spec);
}


static ngx_int_t
ngx_llmops_admin_create_put_spec(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_create_t  *cr = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    a->op.docs = NGX_LLMOPS_DOCS_EVALUATED;
    a->op.id = ngx_llmops_evaluation_part(cr->buf, cr->id, "spec");
    a->op.value = ngx_llmops_evaluation_text(cr->json, a->request->pool);
    a->op.expected = NGX_LLMOPS_REVISION_NONE;

    return a->op.value.data
           ? ngx_llmops_admin_ask(a, ngx_llmops_store_put,
                                  ngx_llmops_admin_create_put_head)
           : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_admin_create_put_head(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_create_t  *cr = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    cr->doc = ngx_llmops_evaluation_document(&cr->spec, cr->json, cr->id,
                               cr->set.n,
                               ngx_llmops_store_now(a->mcf->store) / 1000,
                               "admin");

    a->op.docs = NGX_LLMOPS_DOCS_EVALUATIONS;
    a->op.id.data = (u_char *) cr->id;
    a->op.id.len = NGX_LLMOPS_EVAL_ID;
    a->op.value = ngx_llmops_evaluation_text(cr->doc, a->request->pool);
    a->op.expected = NGX_LLMOPS_REVISION_NONE;

    a->object = a->op.id;

    if (a->op.value.len > NGX_LLMOPS_DOC_HEAD / 4) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "what is said of the candidates is too "
                                      "long");
    }

    return a->op.value.data
           ? ngx_llmops_admin_ask(a, ngx_llmops_store_put,
                                  ngx_llmops_admin_create_done)
           : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_admin_create_done(ngx_llmops_admin_t *a)
{
    json_t                     *doc;
    ngx_llmops_admin_create_t  *cr = a->data;

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    if (ngx_llmops_admin_create_location(a, cr) != NGX_OK) {
        return NGX_ERROR;
    }

    doc = cr->doc;
    cr->doc = NULL;

    return ngx_llmops_admin_reply(a, NGX_HTTP_CREATED,
                                  ngx_llmops_admin_evaluation_shown(a, doc));
}


static ngx_int_t
ngx_llmops_admin_create_location(ngx_llmops_admin_t *a,
    ngx_llmops_admin_create_t *cr)
{
    u_char     *p;
    ngx_str_t  *uri;

    uri = &a->request->uri;

    p = ngx_pnalloc(a->request->pool, uri->len + 1 + NGX_LLMOPS_EVAL_ID);
    if (p == NULL) {
        return NGX_ERROR;
    }

    a->location.data = p;
    a->location.len = ngx_sprintf(p, "%V/%s", uri, cr->id) - p;

    return NGX_OK;
}
