
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"

#include <ngx_md5.h>


/*
 * "evaluate ... every=": a document of each such line says when it is due next
 * and which evaluation the last one was.  Who finds it due puts a later time in
 * the place of the revision that he has read, together with the id of the new
 * evaluation: so that of all gateways one begins it.  It is "pending" until the
 * evaluation's own documents are there: who finds it pending, later, makes
 * them, of whatever he who began it has left.
 *
 * One that takes longer than "every=" is not overtaken by the next: they would
 * become more and more, each slower for the others.  The next one is due when
 * it has ended.
 */


#define NGX_LLMOPS_SCHEDULE_AGAIN  5000    /* ms: the store has failed, or
                                              somebody is at it */
#define NGX_LLMOPS_SCHEDULE_MOST   60000   /* ms between two looks */
#define NGX_LLMOPS_SCHEDULE_ID     (sizeof("schedule/") - 1 + 32)


typedef enum {
    NGX_LLMOPS_SCHEDULE_GET = 0,
    NGX_LLMOPS_SCHEDULE_DUE,               /* the document is put */
    NGX_LLMOPS_SCHEDULE_SPEC,
    NGX_LLMOPS_SCHEDULE_HEAD,
    NGX_LLMOPS_SCHEDULE_DONE,
    NGX_LLMOPS_SCHEDULE_LAST               /* the last one's head is read */
} ngx_llmops_schedule_state_e;


typedef struct {
    ngx_llmops_evaluation_runner_t  *runner;
    ngx_llmops_evaluate_t       *line;
    ngx_llmops_docop_t           op;
    ngx_pool_t                  *pool;     /* of op, or NULL */
    ngx_llmops_schedule_state_e  state;
    ngx_msec_t                   look;     /* ngx_current_msec: not before */
    json_t                      *doc;
    uint64_t                     revision;
    u_char                       id[NGX_LLMOPS_SCHEDULE_ID];
    char                         job[NGX_LLMOPS_EVAL_ID + 1];
} ngx_llmops_scheduled_t;


typedef struct {
    ngx_llmops_scheduled_t      *lines;
    ngx_uint_t                   n;
} ngx_llmops_schedule_t;


static void ngx_llmops_schedule_step(ngx_llmops_scheduled_t *sc);
static void ngx_llmops_schedule_asked(ngx_llmops_docop_t *op);
static void ngx_llmops_schedule_result(ngx_llmops_scheduled_t *sc);
static void ngx_llmops_schedule_got(ngx_llmops_scheduled_t *sc);
static void ngx_llmops_schedule_last(ngx_llmops_scheduled_t *sc);
static void ngx_llmops_schedule_begin(ngx_llmops_scheduled_t *sc);
static json_t *ngx_llmops_schedule_document(ngx_llmops_scheduled_t *sc);
static ngx_int_t ngx_llmops_schedule_op(ngx_llmops_scheduled_t *sc,
    json_t **value);
static void ngx_llmops_schedule_later(ngx_llmops_scheduled_t *sc,
    ngx_msec_t wait);


ngx_int_t
ngx_llmops_evaluation_schedule_start(ngx_llmops_evaluation_runner_t *runner,
    ngx_cycle_t *cycle)
{
    u_char                   digest[16];
    ngx_md5_t                md5;
    ngx_uint_t               i;
    ngx_llmops_evaluate_t   *line;
    ngx_llmops_schedule_t   *schedule;
    ngx_llmops_scheduled_t  *sc;

    line = runner->evs->lines.elts;

    schedule = ngx_pcalloc(cycle->pool, sizeof(ngx_llmops_schedule_t));
    if (schedule == NULL) {
        return NGX_ERROR;
    }

    schedule->lines = ngx_pcalloc(cycle->pool,
                                  (runner->evs->lines.nelts + 1)
                                  * sizeof(ngx_llmops_scheduled_t));
    if (schedule->lines == NULL) {
        return NGX_ERROR;
    }

    for (i = 0; i < runner->evs->lines.nelts; i++) {

        if (line[i].every == 0) {
            continue;
        }

        sc = &schedule->lines[schedule->n++];

        sc->runner = runner;
        sc->line = &line[i];
        sc->look = ngx_current_msec;

        ngx_md5_init(&md5);
        ngx_md5_update(&md5, line[i].route->name.data,
                       line[i].route->name.len);
        ngx_md5_update(&md5, "/", 1);
        ngx_md5_update(&md5, line[i].name.data, line[i].name.len);
        ngx_md5_final(digest, &md5);

        (void) ngx_hex_dump(ngx_cpymem(sc->id, "schedule/", 9), digest, 16);
    }

    runner->schedule = schedule;

    return NGX_OK;
}


void
ngx_llmops_evaluation_schedule_stop(ngx_llmops_evaluation_runner_t *runner)
{
    ngx_uint_t               i;
    ngx_llmops_schedule_t   *schedule;
    ngx_llmops_scheduled_t  *sc;

    schedule = runner->schedule;

    for (i = 0; i < schedule->n; i++) {
        sc = &schedule->lines[i];

        if (sc->pool) {
            ngx_llmops_store_forget(runner->mcf->store, &sc->op);
            ngx_destroy_pool(sc->pool);
            sc->pool = NULL;
        }

        json_decref(sc->doc);
        sc->doc = NULL;
    }
}


void
ngx_llmops_evaluation_schedule_tick(ngx_llmops_evaluation_runner_t *runner)
{
    ngx_uint_t               i;
    ngx_llmops_schedule_t   *schedule;
    ngx_llmops_scheduled_t  *sc;

    schedule = runner->schedule;

    for (i = 0; i < schedule->n; i++) {
        sc = &schedule->lines[i];

        if (sc->pool == NULL
            && (ngx_msec_int_t) (ngx_current_msec - sc->look) >= 0)
        {
            ngx_llmops_schedule_step(sc);
        }
    }
}


/* one question to the store */

static void
ngx_llmops_schedule_step(ngx_llmops_scheduled_t *sc)
{
    json_t     *value;
    ngx_int_t   rc;
    ngx_int_t (*call)(ngx_llmops_store_t *store, ngx_llmops_docop_t *op);

    if (!ngx_llmops_store_up(sc->runner->mcf->store)) {
        ngx_llmops_schedule_later(sc, NGX_LLMOPS_SCHEDULE_AGAIN);
        return;
    }

    call = (sc->state == NGX_LLMOPS_SCHEDULE_GET
            || sc->state == NGX_LLMOPS_SCHEDULE_LAST) ? ngx_llmops_store_get
                                                      : ngx_llmops_store_put;
    value = NULL;

    if (ngx_llmops_schedule_op(sc, &value) != NGX_OK) {

        if (sc->pool) {
            ngx_destroy_pool(sc->pool);
            sc->pool = NULL;
        }

        json_decref(value);
        ngx_llmops_schedule_later(sc, NGX_LLMOPS_SCHEDULE_AGAIN);
        return;
    }

    json_decref(value);

    rc = call(sc->runner->mcf->store, &sc->op);

    if (rc == NGX_AGAIN) {
        return;
    }

    if (rc != NGX_OK) {
        sc->op.rc = NGX_ERROR;
    }

    ngx_llmops_schedule_result(sc);
}


static ngx_int_t
ngx_llmops_schedule_op(ngx_llmops_scheduled_t *sc, json_t **value)
{
    u_char  *p;

    sc->pool = ngx_create_pool(4096, ngx_cycle->log);
    p = sc->pool ? ngx_pnalloc(sc->pool, NGX_LLMOPS_DOC_ID) : NULL;

    if (p == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&sc->op, sizeof(ngx_llmops_docop_t));

    sc->op.docs = NGX_LLMOPS_DOCS_EVALUATED;
    sc->op.id.data = sc->id;
    sc->op.id.len = NGX_LLMOPS_SCHEDULE_ID;
    sc->op.pool = sc->pool;
    sc->op.handler = ngx_llmops_schedule_asked;
    sc->op.data = sc;

    switch (sc->state) {

    case NGX_LLMOPS_SCHEDULE_GET:
        return NGX_OK;

    case NGX_LLMOPS_SCHEDULE_LAST:
        sc->op.docs = NGX_LLMOPS_DOCS_EVALUATIONS;
        sc->op.id.data = (u_char *) sc->job;
        sc->op.id.len = ngx_strlen(sc->job);
        return NGX_OK;

    case NGX_LLMOPS_SCHEDULE_DUE:
    case NGX_LLMOPS_SCHEDULE_DONE:
        *value = json_incref(sc->doc);
        sc->op.expected = sc->revision;
        break;

    case NGX_LLMOPS_SCHEDULE_SPEC:
        *value = json_incref(sc->line->spec);
        sc->op.id = ngx_llmops_evaluation_part(p, sc->job, "spec");
        sc->op.expected = NGX_LLMOPS_REVISION_ANY;
        break;

    case NGX_LLMOPS_SCHEDULE_HEAD:
        *value = ngx_llmops_schedule_document(sc);
        sc->op.docs = NGX_LLMOPS_DOCS_EVALUATIONS;
        sc->op.id.data = (u_char *) sc->job;
        sc->op.id.len = NGX_LLMOPS_EVAL_ID;
        sc->op.expected = NGX_LLMOPS_REVISION_NONE;
        break;
    }

    sc->op.value = ngx_llmops_evaluation_text(*value, sc->pool);

    return sc->op.value.data ? NGX_OK : NGX_ERROR;
}


static json_t *
ngx_llmops_schedule_document(ngx_llmops_scheduled_t *sc)
{
    char                          err[NGX_LLMOPS_EVAL_TEXT];
    ngx_llmops_evaluation_spec_t  spec;

    if (ngx_llmops_evaluation_spec(sc->line->spec, &spec, err) != NGX_OK) {
        return NULL;                         /* it was read with the line */
    }

    return ngx_llmops_evaluation_document(&spec, sc->line->spec, sc->job, 0,
                         ngx_llmops_store_now(sc->runner->mcf->store) / 1000,
                         "schedule");
}


static void
ngx_llmops_schedule_asked(ngx_llmops_docop_t *op)
{
    ngx_llmops_schedule_result(op->data);
}


static void
ngx_llmops_schedule_result(ngx_llmops_scheduled_t *sc)
{
    ngx_int_t                    rc;
    ngx_llmops_schedule_state_e  state;

    rc = sc->op.rc;
    state = sc->state;

    if (rc == NGX_OK && (state == NGX_LLMOPS_SCHEDULE_DUE
                         || state == NGX_LLMOPS_SCHEDULE_DONE))
    {
        sc->revision = sc->op.doc.revision;
    }

    if (state == NGX_LLMOPS_SCHEDULE_GET) {
        ngx_llmops_schedule_got(sc);

    } else if (state == NGX_LLMOPS_SCHEDULE_LAST) {
        ngx_llmops_schedule_last(sc);

    } else if (rc == NGX_OK
               || (rc == NGX_DECLINED && state == NGX_LLMOPS_SCHEDULE_HEAD))
    {
        /* a head that is there has been made by somebody else */

        if (state == NGX_LLMOPS_SCHEDULE_HEAD) {
            (void) json_object_del(sc->doc, "pending");
        }

        if (state == NGX_LLMOPS_SCHEDULE_DONE) {
            sc->state = NGX_LLMOPS_SCHEDULE_GET;
            ngx_llmops_schedule_later(sc, NGX_LLMOPS_SCHEDULE_AGAIN);

        } else {
            sc->state = state + 1;
        }

    } else {
        sc->state = NGX_LLMOPS_SCHEDULE_GET;
        ngx_llmops_schedule_later(sc, NGX_LLMOPS_SCHEDULE_AGAIN);
    }

    ngx_destroy_pool(sc->pool);
    sc->pool = NULL;
}


static void
ngx_llmops_schedule_got(ngx_llmops_scheduled_t *sc)
{
    int64_t      now, next;
    const char  *id;

    if (sc->op.rc != NGX_OK && sc->op.rc != NGX_DECLINED) {
        ngx_llmops_schedule_later(sc, NGX_LLMOPS_SCHEDULE_AGAIN);
        return;
    }

    json_decref(sc->doc);

    sc->doc = NULL;
    sc->revision = NGX_LLMOPS_REVISION_NONE;

    if (sc->op.rc == NGX_OK) {
        sc->doc = ngx_llmops_evaluation_load(&sc->op.doc.value);
        sc->revision = sc->op.doc.revision;
    }

    now = ngx_llmops_store_now(sc->runner->mcf->store);
    next = json_integer_value(json_object_get(sc->doc, "next"));
    id = json_string_value(json_object_get(sc->doc, "evaluation"));

    /* a shorter "every=" than that of the configuration before */

    next = ngx_min(next, now + (int64_t) sc->line->every * 1000);

    if (id && json_is_true(json_object_get(sc->doc, "pending"))) {
        ngx_cpystrn((u_char *) sc->job, (u_char *) id, sizeof(sc->job));
        sc->state = NGX_LLMOPS_SCHEDULE_SPEC;
        return;
    }

    if (next > now) {
        ngx_llmops_schedule_later(sc, (ngx_msec_t)
                               ngx_min(next - now, NGX_LLMOPS_SCHEDULE_MOST));
        return;
    }

    if (id && ngx_strlen(id) == NGX_LLMOPS_EVAL_ID) {
        ngx_cpystrn((u_char *) sc->job, (u_char *) id, sizeof(sc->job));
        sc->state = NGX_LLMOPS_SCHEDULE_LAST;
        return;
    }

    ngx_llmops_schedule_begin(sc);
}


/* it is due; whether the one before has ended, or has been removed */

static void
ngx_llmops_schedule_last(ngx_llmops_scheduled_t *sc)
{
    json_t      *doc;
    ngx_uint_t   ended;

    doc = (sc->op.rc == NGX_OK) ? ngx_llmops_evaluation_load(&sc->op.doc.value)
                                : NULL;

    ended = (sc->op.rc == NGX_DECLINED
             || (doc && !ngx_llmops_evaluation_active(doc)));

    json_decref(doc);

    sc->state = NGX_LLMOPS_SCHEDULE_GET;

    if (ended) {
        ngx_llmops_schedule_begin(sc);

    } else {
        ngx_llmops_schedule_later(sc, NGX_LLMOPS_SCHEDULE_AGAIN);
    }
}


static void
ngx_llmops_schedule_begin(ngx_llmops_scheduled_t *sc)
{
    int64_t  now;

    now = ngx_llmops_store_now(sc->runner->mcf->store);

    ngx_llmops_evaluation_id(sc->job);

    json_decref(sc->doc);

    sc->doc = json_pack("{s:I,s:s,s:b,s:s%,s:s%}",
                        "next", (json_int_t) (now + (int64_t) sc->line->every
                                                    * 1000),
                        "evaluation", sc->job, "pending", 1,
                        "route", (char *) sc->line->route->name.data,
                                 sc->line->route->name.len,
                        "name", (char *) sc->line->name.data,
                                sc->line->name.len);
    if (sc->doc) {
        sc->state = NGX_LLMOPS_SCHEDULE_DUE;
    }
}


static void
ngx_llmops_schedule_later(ngx_llmops_scheduled_t *sc, ngx_msec_t wait)
{
    sc->look = ngx_current_msec + wait;
}
