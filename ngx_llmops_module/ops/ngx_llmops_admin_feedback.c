
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin.h"
#include "ngx_llmops_feedback.h"
#include "ngx_llmops_rollout.h"
#include "ngx_llmops_prompt.h"
#include "ngx_llmops_samples.h"


/*
 * POST feedback {"request_id": ..., "score": 0.8 | "label": "good",
 * "comment": ...}.  It changes nothing of the gateway, so that it needs neither
 * "write" nor an audit record: applications send it for their users.  What was
 * said goes to the error log, beside what it was said of.
 */


#define NGX_LLMOPS_ADMIN_COMMENT  1000     /* bytes */


typedef struct {
    ngx_llmops_feedback_giving_t  giving;
    const char                *comment;
} ngx_llmops_admin_feedback_t;


static ngx_int_t ngx_llmops_admin_feedback_give(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_feedback_read(ngx_llmops_admin_t *a,
    ngx_str_t *id, double *score, const char **comment);
static ngx_int_t ngx_llmops_admin_feedback_score(json_t *body,
    double *score);
static void ngx_llmops_admin_feedback_leave(void *data);
static void ngx_llmops_admin_feedback_asked(void *data);
static ngx_int_t ngx_llmops_admin_feedback_given(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_feedback_reply(ngx_llmops_admin_t *a,
    ngx_str_t *id, double score, const char *comment,
    ngx_llmops_feedback_about_t *about);


const ngx_llmops_admin_call_t  ngx_llmops_admin_feedback[] = {

    { NGX_HTTP_POST, "feedback", "giveFeedback", NULL,
      ngx_llmops_admin_feedback_give, 0, 1 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


static ngx_int_t
ngx_llmops_admin_feedback_give(ngx_llmops_admin_t *a)
{
    ngx_int_t                        rc;
    ngx_http_cleanup_t              *cln;
    ngx_llmops_admin_feedback_t     *given;
    ngx_llmops_feedback_giving_t    *giving;

    if (a->mcf->feedback == NULL) {
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "feedback is off, the configuration "
                                      "turns it on with \"llm_feedback "
                                      "24h;\"");
    }

    given = ngx_pcalloc(a->request->pool,
                        sizeof(ngx_llmops_admin_feedback_t));
    cln = ngx_http_cleanup_add(a->request, 0);

    if (given == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    giving = &given->giving;

    giving->mcf = a->mcf;
    giving->handler = ngx_llmops_admin_feedback_asked;
    giving->data = a;

    cln->handler = ngx_llmops_admin_feedback_leave;
    cln->data = giving;

    a->data = given;

    rc = ngx_llmops_admin_feedback_read(a, &giving->id, &giving->score,
                                        &given->comment);

    if (rc != NGX_OK) {
        return rc;
    }

    giving->rc = ngx_llmops_feedback_ask(giving);

    return giving->rc == NGX_AGAIN ? NGX_AGAIN
                                   : ngx_llmops_admin_feedback_given(a);
}


static void
ngx_llmops_admin_feedback_leave(void *data)
{
    ngx_llmops_feedback_cancel(data);
}


static void
ngx_llmops_admin_feedback_asked(void *data)
{
    ngx_llmops_admin_resume(data, ngx_llmops_admin_feedback_given);
}


static ngx_int_t
ngx_llmops_admin_feedback_given(ngx_llmops_admin_t *a)
{
    ngx_llmops_admin_feedback_t  *given = a->data;

    switch (given->giving.rc) {

    case NGX_OK:
        ngx_llmops_sample_feedback(a->mcf, &given->giving.id,
                                   given->giving.score, given->comment);

        return ngx_llmops_admin_feedback_reply(a, &given->giving.id,
                                               given->giving.score,
                                               given->comment,
                                               &given->giving.about);

    case NGX_BUSY:
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "exists",
                                      "there is feedback on this request "
                                      "already");

    case NGX_DECLINED:
        return ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                      "there is no such request, or no "
                                      "longer, or it is one of another nginx");

    default:
        a->op.rc = NGX_ERROR;
        return ngx_llmops_admin_store_error(a);
    }
}


static ngx_int_t
ngx_llmops_admin_feedback_read(ngx_llmops_admin_t *a, ngx_str_t *id,
    double *score, const char **comment)
{
    json_t  *value, *text;

    value = json_object_get(a->body, "request_id");
    text = json_object_get(a->body, "comment");

    id->data = (u_char *) json_string_value(value);
    id->len = json_string_length(value);

    *comment = text ? json_string_value(text) : "";

    if (id->len == 0 || *comment == NULL
        || json_string_length(text) > NGX_LLMOPS_ADMIN_COMMENT
        || json_object_size(a->body) != (size_t) 2 + (text != NULL)
        || ngx_llmops_admin_feedback_score(a->body, score) != NGX_OK)
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "send {\"request_id\": the id from "
                                      "x-llm-request-id, and \"score\": 0 to "
                                      "1, or \"label\": \"good\" or \"bad\"; "
                                      "\"comment\" may be a text of up to %d "
                                      "bytes}", NGX_LLMOPS_ADMIN_COMMENT);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_feedback_score(json_t *body, double *score)
{
    json_t      *value;
    const char  *label;

    value = json_object_get(body, "score");

    if (value) {
        *score = json_number_value(value);

        return (json_is_number(value) && *score >= 0 && *score <= 1)
               ? NGX_OK : NGX_DECLINED;
    }

    label = json_string_value(json_object_get(body, "label"));

    if (label == NULL) {
        return NGX_DECLINED;
    }

    *score = (ngx_strcmp(label, "good") == 0);

    return (*score > 0 || ngx_strcmp(label, "bad") == 0) ? NGX_OK
                                                          : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_admin_feedback_reply(ngx_llmops_admin_t *a, ngx_str_t *id,
    double score, const char *comment, ngx_llmops_feedback_about_t *about)
{
    char        *text;
    json_t      *told;
    const char  *arm;

    arm = about->candidate ? "candidate" : "stable";

    told = json_pack("{s:o,s:o,s:o,s:o,s:o,s:f}",
                     "request_id", ngx_llmops_admin_string(id),
                     "route", about->route
                              ? ngx_llmops_admin_string(&about->route->name)
                              : json_null(),
                     "target", about->target
                               ? ngx_llmops_admin_string(&about->target->name)
                               : json_null(),
                     "prompt", about->prompt.len
                               ? ngx_llmops_admin_string(&about->prompt)
                               : json_null(),
                     "arm", about->rollout ? json_string(arm) : json_null(),
                     "score", score);

    /* one line of JSON: nothing in a comment can look like another line */

    if (json_object_set_new(told, "comment", json_string(comment)) != 0) {
        json_decref(told);
        return NGX_ERROR;
    }

    text = json_dumps(told, JSON_COMPACT|JSON_ENSURE_ASCII);

    if (text) {
        ngx_log_error(NGX_LOG_NOTICE, a->request->connection->log, 0,
                      "llm feedback %s", text);
    }

    free(text);

    (void) json_object_del(told, "comment");

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:o}", "feedback", told));
}
