
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_evaluations.h"
#include "ngx_llmops_score.h"


/*
 * POST evaluations/ID/cases/N/verdict: what a person thinks of an answer.  It
 * takes its place in the piece that has the case, and the head says that sums
 * have to be made anew; whoever claims that head does so.  The first of the two
 * is what counts: a verdict is in the store before anybody is told so.
 */


#define NGX_LLMOPS_ADMIN_JUDGE_TRIES  5


typedef struct {
    ngx_uint_t                 n;          /* the case */
    ngx_uint_t                 tries;
    double                     score;
    ngx_str_t                  candidate;
    const char                *comment;    /* or NULL */
    json_t                    *cases;      /* the piece */
    json_t                    *result;     /* borrowed */
    json_t                    *doc;
    u_char                     buf[NGX_LLMOPS_DOC_ID];
} ngx_llmops_admin_judge_t;


static void ngx_llmops_admin_judge_free(void *data);
static ngx_int_t ngx_llmops_admin_judge_body(ngx_llmops_admin_t *a,
    ngx_llmops_admin_judge_t *ju);
static ngx_int_t ngx_llmops_admin_judge_found(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_judge_ask(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_judge_read(ngx_llmops_admin_t *a);
static json_t *ngx_llmops_admin_judge_result(ngx_llmops_admin_judge_t *ju);
static ngx_int_t ngx_llmops_admin_judge_put(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_judge_head(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_judge_done(ngx_llmops_admin_t *a);


ngx_int_t
ngx_llmops_admin_evaluation_verdict(ngx_llmops_admin_t *a)
{
    ngx_int_t                  rc;
    ngx_pool_cleanup_t        *cln;
    ngx_llmops_admin_judge_t  *ju;

    cln = ngx_pool_cleanup_add(a->request->pool,
                               sizeof(ngx_llmops_admin_judge_t));
    if (cln == NULL) {
        return NGX_ERROR;
    }

    ju = cln->data;
    ngx_memzero(ju, sizeof(ngx_llmops_admin_judge_t));

    cln->handler = ngx_llmops_admin_judge_free;
    a->data = ju;

    rc = ngx_llmops_admin_judge_body(a, ju);

    return rc == NGX_OK
           ? ngx_llmops_admin_evaluation_find(a, ngx_llmops_admin_judge_found)
           : rc;
}


static void
ngx_llmops_admin_judge_free(void *data)
{
    ngx_llmops_admin_judge_t *ju = data;

    json_decref(ju->cases);
    json_decref(ju->doc);
}


/* {"candidate": "...", "score": 0 to 1, "comment": "..."} */

static ngx_int_t
ngx_llmops_admin_judge_body(ngx_llmops_admin_t *a,
    ngx_llmops_admin_judge_t *ju)
{
    json_t     *score, *comment;
    ngx_int_t   n;

    n = ngx_atoi(a->args[1].data, a->args[1].len);

    if (n == NGX_ERROR || n >= NGX_LLMOPS_EVAL_CASES) {
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "there is no case \"%V\"", &a->args[1]);
    }

    score = json_object_get(a->body, "score");
    comment = json_object_get(a->body, "comment");

    ju->n = n;
    ju->score = json_number_value(score);
    ju->candidate = ngx_llmops_evaluation_string(a->body, "candidate");
    ju->comment = json_string_value(comment);

    if (!json_is_number(score) || ju->score < 0 || ju->score > 1
        || ju->candidate.len == 0
        || (comment && (ju->comment == NULL
                        || ngx_strlen(ju->comment) > NGX_LLMOPS_EVAL_VERDICT))
        || json_object_size(a->body) != (size_t) 2 + (comment != NULL))
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "the body has \"candidate\", its name, "
                                      "and \"score\", a number from 0 to 1, "
                                      "and may have \"comment\", up to %d "
                                      "bytes", NGX_LLMOPS_EVAL_VERDICT);
    }

    ngx_llmops_admin_note(a, "case=%ui score=%d%%", ju->n,
                          (int) (ju->score * 100 + 0.5));

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_judge_found(ngx_llmops_admin_t *a)
{
    json_t     *doc;
    ngx_int_t   rc;

    doc = ngx_llmops_admin_evaluation_found(a, &rc);

    if (doc == NULL) {
        return rc;
    }

    json_decref(doc);

    return ngx_llmops_admin_judge_ask(a);
}


static ngx_int_t
ngx_llmops_admin_judge_ask(ngx_llmops_admin_t *a)
{
    u_char                    *id;
    ngx_llmops_admin_judge_t  *ju = a->data;

    id = ngx_pnalloc(a->request->pool, NGX_LLMOPS_EVAL_ID + 1);
    if (id == NULL) {
        return NGX_ERROR;
    }

    ngx_cpystrn(id, a->args[0].data, NGX_LLMOPS_EVAL_ID + 1);

    a->op.docs = NGX_LLMOPS_DOCS_EVALUATED;
    a->op.id = ngx_llmops_evaluation_chunk(ju->buf, (char *) id,
                                           ju->n / NGX_LLMOPS_EVAL_CHUNK);

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_admin_judge_read);
}


static ngx_int_t
ngx_llmops_admin_judge_read(ngx_llmops_admin_t *a)
{
    ngx_llmops_evaluations_t  *evs;
    ngx_llmops_admin_judge_t  *ju = a->data;

    if (a->op.rc != NGX_OK && a->op.rc != NGX_DECLINED) {
        return ngx_llmops_admin_store_error(a);
    }

    json_decref(ju->cases);

    ju->cases = (a->op.rc == NGX_OK)
                ? ngx_llmops_evaluation_load(&a->op.doc.value) : NULL;
    ju->result = ngx_llmops_admin_judge_result(ju);

    if (ju->result == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "there is no answer of \"%V\" to case "
                                      "%ui, or not yet", &ju->candidate,
                                      ju->n);
    }

    switch (ngx_llmops_score_verdict(ju->result, ju->score, ju->comment)) {

    case NGX_OK:
        break;

    case NGX_DECLINED:
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "the candidate has no answer to this "
                                      "case that could be judged");
    default:
        return NGX_ERROR;
    }

    evs = a->mcf->evaluations;

    a->op.expected = a->op.doc.revision;
    a->op.expires = ngx_time() + evs->keep + 86400;
    a->op.value = ngx_llmops_evaluation_text(ju->cases, a->request->pool);

    return a->op.value.data
           ? ngx_llmops_admin_ask(a, ngx_llmops_store_put,
                                  ngx_llmops_admin_judge_put)
           : NGX_ERROR;
}


static json_t *
ngx_llmops_admin_judge_result(ngx_llmops_admin_judge_t *ju)
{
    char        key[NGX_INT_T_LEN + 1];
    size_t      i;
    json_t     *kase, *result;
    ngx_str_t   name;

    (void) ngx_sprintf((u_char *) key, "%ui%Z", ju->n);

    kase = json_object_get(ju->cases, key);

    json_array_foreach(json_object_get(kase, "results"), i, result) {
        name = ngx_llmops_evaluation_string(result, "candidate");

        if (name.len == ju->candidate.len
            && ngx_memcmp(name.data, ju->candidate.data, name.len) == 0)
        {
            return result;
        }
    }

    return NULL;
}


static ngx_int_t
ngx_llmops_admin_judge_put(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_judge_t  *ju = a->data;

    if (a->op.rc == NGX_DECLINED
        && ++ju->tries < NGX_LLMOPS_ADMIN_JUDGE_TRIES)
    {
        return ngx_llmops_admin_judge_ask(a);
    }

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_error(a, NGX_HTTP_SERVICE_UNAVAILABLE, "busy",
                                      "the case is changed by others all the "
                                      "time, try again");
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    ju->tries = 0;
    a->op.expires = 0;

    return ngx_llmops_admin_evaluation_find(a, ngx_llmops_admin_judge_head);
}


static ngx_int_t
ngx_llmops_admin_judge_head(ngx_llmops_admin_t *a)
{
    ngx_int_t                  rc;
    ngx_llmops_admin_judge_t  *ju = a->data;

    json_decref(ju->doc);
    ju->doc = ngx_llmops_admin_evaluation_found(a, &rc);

    if (ju->doc == NULL) {
        return rc;
    }

    if (json_object_set_new(ju->doc, "recount", json_true()) != 0) {
        return NGX_ERROR;
    }

    return ngx_llmops_admin_evaluation_put(a, ju->doc,
                                           ngx_llmops_admin_judge_done);
}


static ngx_int_t
ngx_llmops_admin_judge_done(ngx_llmops_admin_t *a)
{
    json_t                    *answer;
    ngx_llmops_admin_judge_t  *ju = a->data;

    if (a->op.rc == NGX_DECLINED
        && ++ju->tries < NGX_LLMOPS_ADMIN_JUDGE_TRIES)
    {
        return ngx_llmops_admin_evaluation_find(a,
                                                ngx_llmops_admin_judge_head);
    }

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_error(a, NGX_HTTP_SERVICE_UNAVAILABLE, "busy",
                                      "the verdict is kept, but the sums are "
                                      "not made anew: judge again");
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    answer = json_copy(ju->result);

    if (json_object_set_new(answer, "n", json_integer((json_int_t) ju->n))
        != 0)
    {
        json_decref(answer);
        return NGX_ERROR;
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK, answer);
}
