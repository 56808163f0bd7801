
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin.h"
#include "ngx_llmops_rollout.h"


/*
 * Canaries: where they stand, and what a person decides about them.  They are
 * named by their route, which has one at a time.
 *
 * A decision is a document that takes the place of the revision which was read;
 * when somebody else has been faster it is read again, and the decision looked
 * at anew, a few times.  This worker then shows the new document to all workers
 * itself: the answer is not sent before that.
 */


#define NGX_LLMOPS_ADMIN_ROLLOUT_TRIES  5


typedef struct {
    ngx_llmops_rollout_t        *ro;
    ngx_llmops_rollout_action_e  action;
    ngx_uint_t                   force;    /* whatever evaluations say */
    ngx_str_t                    reason;
    json_t                      *json;     /* being put */
    json_t                      *entry;    /* of its history, borrowed */
    uint64_t                     number;   /* of the decision, or 0 */
    ngx_uint_t                   tries;
} ngx_llmops_admin_rollout_t;


static ngx_int_t ngx_llmops_admin_rollout_list(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_rollout_get(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_rollout_got(ngx_llmops_admin_t *a);
static ngx_llmops_rollout_t *ngx_llmops_admin_rollout_named(
    ngx_llmops_admin_t *a, ngx_int_t *rc);
static json_t *ngx_llmops_admin_rollout_evaluations(ngx_llmops_rollout_t *ro,
    json_t *doc);
static json_t *ngx_llmops_admin_rollout_steps(ngx_llmops_rollout_t *ro);
static json_t *ngx_llmops_admin_rollout_guards(ngx_llmops_rollout_t *ro);

static ngx_int_t ngx_llmops_admin_rollout_promote(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_rollout_rollback(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_rollout_pause(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_rollout_resume(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_rollout_restart(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_rollout_change(ngx_llmops_admin_t *a,
    ngx_llmops_rollout_action_e action);
static ngx_int_t ngx_llmops_admin_rollout_body(ngx_llmops_admin_t *a,
    ngx_llmops_admin_rollout_t *ch);
static void ngx_llmops_admin_rollout_free(void *data);
static ngx_int_t ngx_llmops_admin_rollout_ask(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_rollout_read(ngx_llmops_admin_t *a);
static ngx_int_t ngx_llmops_admin_rollout_apply(ngx_llmops_admin_t *a,
    ngx_llmops_admin_rollout_t *ch);
static ngx_int_t ngx_llmops_admin_rollout_done(ngx_llmops_admin_t *a);


const ngx_llmops_admin_call_t  ngx_llmops_admin_rollouts[] = {

    { NGX_HTTP_GET, "rollouts", "listRollouts", NULL,
      ngx_llmops_admin_rollout_list, 0, 0 },

    { NGX_HTTP_GET, "rollouts/{}", "getRollout", NULL,
      ngx_llmops_admin_rollout_get, 0, 0 },

    { NGX_HTTP_POST, "rollouts/{}/promote", "promoteRollout", NULL,
      ngx_llmops_admin_rollout_promote, 1, 1 },

    { NGX_HTTP_POST, "rollouts/{}/rollback", "rollBackRollout", NULL,
      ngx_llmops_admin_rollout_rollback, 1, 1 },

    { NGX_HTTP_POST, "rollouts/{}/pause", "pauseRollout", NULL,
      ngx_llmops_admin_rollout_pause, 1, 1 },

    { NGX_HTTP_POST, "rollouts/{}/resume", "resumeRollout", NULL,
      ngx_llmops_admin_rollout_resume, 1, 1 },

    { NGX_HTTP_POST, "rollouts/{}/restart", "restartRollout", NULL,
      ngx_llmops_admin_rollout_restart, 1, 1 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


/* -- what there is -------------------------------------------------------- */

static ngx_int_t
ngx_llmops_admin_rollout_list(ngx_llmops_admin_t *a)
{
    json_t                  *array;
    ngx_uint_t               i;
    ngx_llmops_rollout_t   **ro;
    ngx_llmops_rollouts_t   *rollouts;

    array = json_array();
    rollouts = a->mcf->rollouts;

    if (rollouts) {
        ro = rollouts->rollouts.elts;

        for (i = 0; i < rollouts->rollouts.nelts; i++) {
            if (json_array_append_new(array,
                                 ngx_llmops_admin_rollout_shown(ro[i], NULL))
                != 0)
            {
                json_decref(array);
                return NGX_ERROR;
            }
        }
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:o}", "rollouts", array));
}


static ngx_llmops_rollout_t *
ngx_llmops_admin_rollout_named(ngx_llmops_admin_t *a, ngx_int_t *rc)
{
    ngx_llmops_rollout_t  *ro;

    ro = ngx_llmops_rollout_named(a->mcf, &a->args[0]);

    if (ro == NULL) {
        *rc = ngx_llmops_admin_error(a, NGX_HTTP_NOT_FOUND, "not_found",
                                     "there is no route \"%V\" with a canary",
                                     &a->args[0]);
        return NULL;
    }

    a->op.docs = NGX_LLMOPS_DOCS_ROLLOUTS;
    a->op.id = ro->id;

    return ro;
}


static ngx_int_t
ngx_llmops_admin_rollout_get(ngx_llmops_admin_t *a)
{
    ngx_int_t  rc;

    a->data = ngx_llmops_admin_rollout_named(a, &rc);

    if (a->data == NULL) {
        return rc;
    }

    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_admin_rollout_got);
}


static ngx_int_t
ngx_llmops_admin_rollout_got(ngx_llmops_admin_t *a)
{
    json_t  *doc, *shown;

    doc = NULL;

    if (a->op.rc == NGX_OK) {
        doc = ngx_llmops_rollout_doc_load(&a->op.doc.value);

    } else if (a->op.rc != NGX_DECLINED) {
        return ngx_llmops_admin_store_error(a);
    }

    shown = ngx_llmops_admin_rollout_shown(a->data, doc);

    json_decref(doc);

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:o}", "rollout", shown));
}


json_t *
ngx_llmops_admin_rollout_shown(ngx_llmops_rollout_t *ro, json_t *doc)
{
    json_t                    *shown;
    ngx_llmops_rollout_doc_t   d;

    ngx_memzero(&d, sizeof(ngx_llmops_rollout_doc_t));

    if (doc) {
        ngx_llmops_rollout_doc_get(doc, &d);

    } else if (ro->sh) {
        d.state = ngx_llmops_rollout_state(ro->sh->word);
        d.step = ngx_llmops_rollout_step(ro->sh->word);
        d.since = (int64_t) ro->sh->since;
        d.ill = (int64_t) ro->sh->ill;
    }

    shown = json_pack("{s:o,s:o,s:s,s:i,s:f,s:I,s:b,s:o,s:I,s:i,s:s,s:o,s:f,"
                      "s:{s:I,s:I},s:o}",
                      "route", ngx_llmops_admin_string(&ro->route->name),
                      "candidate", ngx_llmops_admin_string(&ro->candidate),
                      "state", ngx_llmops_rollout_state_names[d.state],
                      "step", (int) d.step + 1,
                      "share", (double) (ro->sh && ro->sh->word
                                      ? ngx_llmops_rollout_doc_share(ro, &d)
                                      : 0) / 10000,
                      "since", (json_int_t) d.since,
                      "stale", ro->sh ? (int) ro->sh->stale : 1,
                      "steps", ngx_llmops_admin_rollout_steps(ro),
                      "hold", (json_int_t) ro->hold,
                      "min", (int) ro->min,
                      "promote", ro->manual ? "manual" : "auto",
                      "ill_until", d.ill ? json_integer(d.ill) : json_null(),
                      "alpha", ro->alpha,
                      "requests",
                          "candidate",
                              (json_int_t) (ro->sh ? ro->sh->seen[1] : 0),
                          "stable",
                              (json_int_t) (ro->sh ? ro->sh->seen[0] : 0),
                      "guards", ngx_llmops_admin_rollout_guards(ro));

    (void) json_object_set_new(shown, "arms",
                               ngx_llmops_admin_rollout_arms(ro));

    if (doc
        && (json_object_set(shown, "history", json_object_get(doc, "history"))
            != 0
            || json_object_set_new(shown, "evaluations",
                              ngx_llmops_admin_rollout_evaluations(ro, doc))
               != 0))
    {
        json_decref(shown);
        return NULL;
    }

    return shown;
}


/* those that are known, and null for those that are still to come */

static json_t *
ngx_llmops_admin_rollout_evaluations(ngx_llmops_rollout_t *ro, json_t *doc)
{
    json_t      *all;
    ngx_uint_t   i;

    all = json_object_get(doc, "evaluations");
    all = all ? json_copy(all) : json_object();

    for (i = 0; i < ro->nevaluations; i++) {
        if (json_object_getn(all, (char *) ro->evaluations[i].data,
                             ro->evaluations[i].len)
            == NULL)
        {
            (void) json_object_setn_new(all,
                                        (char *) ro->evaluations[i].data,
                                        ro->evaluations[i].len, json_null());
        }
    }

    return all;
}


static json_t *
ngx_llmops_admin_rollout_steps(ngx_llmops_rollout_t *ro)
{
    json_t      *array;
    ngx_uint_t   i;

    array = json_array();

    for (i = 0; i < ro->nsteps; i++) {
        (void) json_array_append_new(array,
                                     json_real((double) ro->steps[i] / 10000));
    }

    return array;
}


static json_t *
ngx_llmops_admin_rollout_guards(ngx_llmops_rollout_t *ro)
{
    json_t      *array;
    ngx_uint_t   i;

    array = json_array();

    for (i = 0; i < ro->nguards; i++) {
        (void) json_array_append_new(array,
                                     ngx_llmops_rollout_figures(ro, i));
    }

    return array;
}


/* -- decisions ------------------------------------------------------------ */

static ngx_int_t
ngx_llmops_admin_rollout_promote(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_rollout_change(a,
               json_is_true(json_object_get(a->body, "all"))
               ? NGX_LLMOPS_ROLLOUT_PROMOTE : NGX_LLMOPS_ROLLOUT_STEP);
}


static ngx_int_t
ngx_llmops_admin_rollout_rollback(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_rollout_change(a, NGX_LLMOPS_ROLLOUT_ROLLBACK);
}


static ngx_int_t
ngx_llmops_admin_rollout_pause(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_rollout_change(a, NGX_LLMOPS_ROLLOUT_PAUSE);
}


static ngx_int_t
ngx_llmops_admin_rollout_resume(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_rollout_change(a, NGX_LLMOPS_ROLLOUT_RESUME);
}


static ngx_int_t
ngx_llmops_admin_rollout_restart(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_rollout_change(a, NGX_LLMOPS_ROLLOUT_RESTART);
}


static ngx_int_t
ngx_llmops_admin_rollout_change(ngx_llmops_admin_t *a,
    ngx_llmops_rollout_action_e action)
{
    ngx_int_t                    rc;
    ngx_pool_cleanup_t          *cln;
    ngx_llmops_admin_rollout_t  *ch;

    ch = ngx_pcalloc(a->request->pool, sizeof(ngx_llmops_admin_rollout_t));
    cln = ngx_pool_cleanup_add(a->request->pool, 0);

    if (ch == NULL || cln == NULL) {
        return NGX_ERROR;
    }

    cln->handler = ngx_llmops_admin_rollout_free;
    cln->data = ch;

    a->data = ch;
    ch->action = action;

    ch->ro = ngx_llmops_admin_rollout_named(a, &rc);

    if (ch->ro == NULL) {
        return rc;
    }

    rc = ngx_llmops_admin_rollout_body(a, ch);

    return rc == NGX_OK ? ngx_llmops_admin_rollout_ask(a) : rc;
}


static void
ngx_llmops_admin_rollout_free(void *data)
{
    ngx_llmops_admin_rollout_t *ch = data;

    json_decref(ch->json);
}


/* {"reason": "...", "all": true, "force": true}; the last two of a promotion */

static ngx_int_t
ngx_llmops_admin_rollout_body(ngx_llmops_admin_t *a,
    ngx_llmops_admin_rollout_t *ch)
{
    size_t       len;
    json_t      *reason, *all, *force;
    ngx_uint_t   promotion;
    const char  *text;

    reason = json_object_get(a->body, "reason");
    all = json_object_get(a->body, "all");
    force = json_object_get(a->body, "force");

    promotion = (ch->action == NGX_LLMOPS_ROLLOUT_STEP
                 || ch->action == NGX_LLMOPS_ROLLOUT_PROMOTE);

    text = json_string_value(reason);
    len = json_string_length(reason);

    if (text == NULL || len == 0 || len > NGX_LLMOPS_ROLLOUT_REASON) {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "say why: \"reason\" is a text of 1 to "
                                      "%d bytes", NGX_LLMOPS_ROLLOUT_REASON);
    }

    if (json_object_size(a->body)
        != (size_t) 1 + (all != NULL) + (force != NULL)
        || (all && !(promotion && json_is_boolean(all)))
        || (force && !(promotion && json_is_boolean(force))))
    {
        return ngx_llmops_admin_error(a, NGX_HTTP_BAD_REQUEST, "invalid",
                                      "the body has \"reason\", and that of a "
                                      "promotion may have \"all\" and "
                                      "\"force\", true or false");
    }

    ch->force = !promotion || json_is_true(force);

    ch->reason.len = len;
    ch->reason.data = (u_char *) text;     /* lives as long as a->body */

    ngx_llmops_admin_note(a, "candidate=%V reason=%V", &ch->ro->candidate,
                          &ch->reason);
    return NGX_OK;
}


static ngx_int_t
ngx_llmops_admin_rollout_ask(ngx_llmops_admin_t *a)
{
    return ngx_llmops_admin_ask(a, ngx_llmops_store_get,
                                ngx_llmops_admin_rollout_read);
}


static ngx_int_t
ngx_llmops_admin_rollout_read(ngx_llmops_admin_t *a)
{
    uint64_t                     expected;
    ngx_llmops_admin_rollout_t  *ch = a->data;

    json_decref(ch->json);
    ch->json = NULL;

    expected = NGX_LLMOPS_REVISION_NONE;

    if (a->op.rc == NGX_OK) {
        ch->json = ngx_llmops_rollout_doc_load(&a->op.doc.value);
        expected = a->op.doc.revision;

    } else if (a->op.rc != NGX_DECLINED) {
        return ngx_llmops_admin_store_error(a);
    }

    /* one that is not there yet, or cannot be read, begins here */

    if (ch->json == NULL) {
        ch->json = ngx_llmops_rollout_doc_new(&ch->ro->route->name,
                                              &ch->ro->candidate,
                                        ngx_llmops_store_now(a->mcf->store));
    }

    if (ch->json == NULL) {
        return NGX_ERROR;
    }

    a->op.expected = expected;

    return ngx_llmops_admin_rollout_apply(a, ch);
}


static ngx_int_t
ngx_llmops_admin_rollout_apply(ngx_llmops_admin_t *a,
    ngx_llmops_admin_rollout_t *ch)
{
    char             *text;
    size_t            len;
    ngx_int_t         rc;
    ngx_str_t         by;
    const char       *error;
    const ngx_str_t  *lacks;

    lacks = ch->force ? NULL : ngx_llmops_rollout_lacks(ch->ro, ch->json);

    if (lacks) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "evaluation",
                                      "evaluation \"%V\" of the candidate has "
                                      "not passed; run it, or promote with "
                                      "\"force\": true", lacks);
    }

    ngx_str_set(&by, "admin");

    if (a->request->headers_in.user.len) {
        by = a->request->headers_in.user;
    }

    rc = ngx_llmops_rollout_doc_apply(ch->json, ch->action, ch->ro->nsteps,
                                      ngx_llmops_store_now(a->mcf->store),
                                      &by, &ch->reason, NULL, &ch->entry,
                                      &error);
    if (rc == NGX_DECLINED) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "state",
                                      "the canary of route \"%V\": %s",
                                      &ch->ro->route->name, error);
    }

    if (rc != NGX_OK) {
        return NGX_ERROR;
    }

    ch->number = ngx_llmops_rollout_sent(ch->ro, ch->entry, a->op.expected);

    text = json_dumps(ch->json, JSON_COMPACT);

    if (text == NULL) {
        goto failed;
    }

    len = ngx_strlen(text);

    a->op.value.len = len;
    a->op.value.data = ngx_pnalloc(a->request->pool, len);

    if (a->op.value.data) {
        ngx_memcpy(a->op.value.data, text, len);
    }

    free(text);

    if (a->op.value.data) {
        return ngx_llmops_admin_ask(a, ngx_llmops_store_put,
                                    ngx_llmops_admin_rollout_done);
    }

failed:

    (void) ngx_llmops_rollout_sent_over(ch->ro, ch->number);

    return NGX_ERROR;
}


static ngx_int_t
ngx_llmops_admin_rollout_done(ngx_llmops_admin_t *a)
{
    ngx_llmops_rollout_doc_t     doc;
    ngx_llmops_admin_rollout_t  *ch = a->data;

    if (a->op.rc == NGX_DECLINED) {
        (void) ngx_llmops_rollout_sent_over(ch->ro, ch->number);
    }

    if (a->op.rc == NGX_DECLINED
        && ++ch->tries < NGX_LLMOPS_ADMIN_ROLLOUT_TRIES)
    {
        return ngx_llmops_admin_rollout_ask(a);
    }

    if (a->op.rc == NGX_DECLINED) {
        return ngx_llmops_admin_error(a, NGX_HTTP_CONFLICT, "state",
                                      "the canary of route \"%V\" is changed "
                                      "by others all the time, try again",
                                      &ch->ro->route->name);
    }

    if (a->op.rc != NGX_OK) {
        return ngx_llmops_admin_store_error(a);
    }

    ngx_llmops_rollout_doc_get(ch->json, &doc);

    ngx_llmops_rollout_publish(a->mcf, ch->ro, &doc, a->op.doc.revision, 0);

    if (ngx_llmops_rollout_sent_over(ch->ro, ch->number)) {
        ngx_llmops_rollout_tell(ch->ro, ch->action, &doc, ch->entry);
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:o}", "rollout",
                                            ngx_llmops_admin_rollout_shown(
                                                         ch->ro, ch->json)));
}
