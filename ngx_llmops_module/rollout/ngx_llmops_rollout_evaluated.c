
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout_evaluated.h"
#include "ngx_llmops_rollout_run.h"
#include "ngx_llmops_prompt_conf.h"


/*
 * What evaluations say of a candidate, on its way into the document of the
 * rollout: it is read, changed, and put in the place of what was read, until
 * nobody else was faster; a failure that takes the candidate back is a decision
 * like that of a guard, made by whoever has got it into the store.
 *
 * Evaluations are over in any worker, and worker 0 may be deciding at the same
 * moment: the store says who was first.  It is tried again as long as the store
 * cannot be asked; a worker that exits meanwhile forgets it, and whoever has
 * made the evaluation tells it once more.
 */


#define NGX_LLMOPS_TOLD_RETRY    500       /* ms */
#define NGX_LLMOPS_TOLD_REASON   200       /* bytes */
#define NGX_LLMOPS_TOLD_MAX      64        /* under way in a worker, before the
                                              later of a name come first */


typedef struct {
    ngx_queue_t                queue;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_rollout_t      *ro;
    ngx_pool_t                *pool;       /* it lies in it itself */
    ngx_pool_t                *asked;      /* of op, or NULL */
    ngx_llmops_docop_t         op;
    ngx_event_t                timer;
    ngx_llmops_rollout_evaluation_t  ev;
    json_t                    *json;       /* the document, or NULL */
    json_t                    *entry;      /* of its history, borrowed; NULL: no
                                              decision */
    uint64_t                   number;     /* of that, or 0 */
    unsigned                   sent:1;     /* and what became of it is not
                                              known */
    unsigned                   stale:1;    /* another verdict has come since */
} ngx_llmops_told_t;


static ngx_uint_t ngx_llmops_told_is(ngx_llmops_rollout_t *ro,
    const ngx_llmops_rollout_evaluation_t *ev);
static ngx_uint_t ngx_llmops_told_wanted(ngx_llmops_rollout_t *ro,
    const ngx_llmops_rollout_evaluation_t *ev);
static ngx_uint_t ngx_llmops_told_full(ngx_llmops_rollouts_t *rollouts);
static ngx_uint_t ngx_llmops_told_newer(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro, const ngx_llmops_rollout_evaluation_t *ev);
static void ngx_llmops_told_before(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro, const ngx_llmops_rollout_evaluation_t *ev);
static ngx_llmops_told_t *ngx_llmops_told_create(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro, const ngx_llmops_rollout_evaluation_t *ev);
static ngx_int_t ngx_llmops_told_copy(ngx_pool_t *pool, ngx_str_t *s,
    size_t max);
static void ngx_llmops_told_free(ngx_llmops_told_t *told);
static void ngx_llmops_told_timer(ngx_event_t *ev);
static void ngx_llmops_told_later(ngx_llmops_told_t *told, ngx_msec_t delay);
static ngx_int_t ngx_llmops_told_op(ngx_llmops_told_t *told,
    ngx_llmops_doc_pt handler);
static void ngx_llmops_told_over(ngx_llmops_told_t *told);
static void ngx_llmops_told_read(ngx_llmops_docop_t *op);
static ngx_int_t ngx_llmops_told_change(ngx_llmops_told_t *told);
static ngx_int_t ngx_llmops_told_rollback(ngx_llmops_told_t *told,
    json_t *noted);
static void ngx_llmops_told_put(ngx_llmops_told_t *told, uint64_t expected);
static void ngx_llmops_told_done(ngx_llmops_docop_t *op);
static void ngx_llmops_told_say(ngx_llmops_told_t *told);


static const char  *ngx_llmops_evaluation_names[] = {
    "fail", "pass", "undecided"
};


ngx_uint_t
ngx_llmops_rollout_evaluates(ngx_llmops_main_conf_t *mcf,
    const ngx_llmops_rollout_evaluation_t *ev)
{
    ngx_str_t              route;
    ngx_llmops_rollout_t  *ro;

    route = ev->route;
    ro = ngx_llmops_rollout_named(mcf, &route);

    return ro != NULL && ngx_llmops_told_is(ro, ev);
}


ngx_int_t
ngx_llmops_rollout_evaluated(ngx_llmops_main_conf_t *mcf,
    const ngx_llmops_rollout_evaluation_t *ev)
{
    ngx_str_t              route;
    ngx_llmops_told_t     *told;
    ngx_llmops_rollout_t  *ro;

    route = ev->route;
    ro = ngx_llmops_rollout_named(mcf, &route);

    if (ro == NULL || !ngx_llmops_told_is(ro, ev)
        || !(ev->guard || ngx_llmops_told_wanted(ro, ev)))
    {
        return NGX_DECLINED;
    }

    if ((ev->ended || ngx_llmops_told_full(mcf->rollouts))
        && ngx_llmops_told_newer(mcf, ro, ev))
    {
        return NGX_OK;
    }

    ngx_llmops_told_before(mcf, ro, ev);

    told = ngx_llmops_told_create(mcf, ro, ev);

    if (told == NULL) {
        return NGX_ERROR;
    }

    ngx_llmops_told_later(told, 1);

    return NGX_OK;
}


/* a version of a prompt may have been tried with any target */

static ngx_uint_t
ngx_llmops_told_is(ngx_llmops_rollout_t *ro,
    const ngx_llmops_rollout_evaluation_t *ev)
{
    if (ro->model.len
        && (ro->model.len != ev->target.len
            || ngx_memcmp(ro->model.data, ev->target.data, ro->model.len)
               != 0))
    {
        return 0;
    }

    return (ro->model.len || ro->reference.len)
           && ro->reference.len == ev->prompt.len
           && (ro->reference.len == 0
               || ngx_memcmp(ro->reference.data, ev->prompt.data,
                             ro->reference.len)
                  == 0);
}


static ngx_uint_t
ngx_llmops_told_wanted(ngx_llmops_rollout_t *ro,
    const ngx_llmops_rollout_evaluation_t *ev)
{
    ngx_uint_t  i;

    for (i = 0; i < ro->nevaluations; i++) {
        if (ro->evaluations[i].len == ev->name.len
            && ngx_memcmp(ro->evaluations[i].data, ev->name.data,
                          ev->name.len)
               == 0)
        {
            return 1;
        }
    }

    return 0;
}


/* the store has been away long */

static ngx_uint_t
ngx_llmops_told_full(ngx_llmops_rollouts_t *rollouts)
{
    ngx_uint_t    n;
    ngx_queue_t  *q;

    n = 0;

    for (q = ngx_queue_head(&rollouts->told);
         q != ngx_queue_sentinel(&rollouts->told);
         q = ngx_queue_next(q))
    {
        n++;
    }

    return n >= NGX_LLMOPS_TOLD_MAX;
}


/*
 * Of those of a name that may have been told before only the last one is told
 * again, and of all others if there are too many: whether a later one is on its
 * way.  An earlier one is forgotten, the first of them.  So there are never
 * more than may be under way, and one of each name that a rollout listens to,
 * and the last of none is lost; however many have ended while the store was
 * away, and however many canaries are told at a start.
 */

static ngx_uint_t
ngx_llmops_told_newer(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro, const ngx_llmops_rollout_evaluation_t *ev)
{
    ngx_queue_t            *q;
    ngx_llmops_told_t      *told;
    ngx_llmops_rollouts_t  *rollouts;

    rollouts = mcf->rollouts;

    for (q = ngx_queue_head(&rollouts->told);
         q != ngx_queue_sentinel(&rollouts->told);
         q = ngx_queue_next(q))
    {
        told = ngx_queue_data(q, ngx_llmops_told_t, queue);

        if (told->ro != ro
            || (ev->ended && told->ev.ended == 0)
            || told->ev.name.len != ev->name.len
            || ngx_memcmp(told->ev.name.data, ev->name.data, ev->name.len)
               != 0)
        {
            continue;
        }

        if (ngx_memn2cmp(told->ev.id.data, ev->id.data, told->ev.id.len,
                         ev->id.len)
            >= 0)
        {
            return 1;
        }

        ngx_llmops_told_free(told);

        return 0;
    }

    return 0;
}


/* what was said of the same one before, and is still on its way, must not come
   after what is said of it now: one that is being written is not tried again */

static void
ngx_llmops_told_before(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro, const ngx_llmops_rollout_evaluation_t *ev)
{
    ngx_queue_t            *q;
    ngx_llmops_told_t      *told;
    ngx_llmops_rollouts_t  *rollouts;

    rollouts = mcf->rollouts;

    for (q = ngx_queue_head(&rollouts->told);
         q != ngx_queue_sentinel(&rollouts->told);
         q = ngx_queue_next(q))
    {
        told = ngx_queue_data(q, ngx_llmops_told_t, queue);

        if (told->ro == ro
            && ngx_llmops_same(&told->ev.name, &ev->name)
            && ngx_llmops_same(&told->ev.id, &ev->id))
        {
            told->stale = 1;
        }
    }
}


/* -- one that is on its way ----------------------------------------------- */

void
ngx_llmops_rollout_evaluated_start(ngx_llmops_rollouts_t *rollouts)
{
    ngx_queue_init(&rollouts->told);
}


void
ngx_llmops_rollout_evaluated_stop(ngx_llmops_main_conf_t *mcf)
{
    ngx_queue_t            *q;
    ngx_llmops_rollouts_t  *rollouts;

    rollouts = mcf->rollouts;

    while (!ngx_queue_empty(&rollouts->told)) {
        q = ngx_queue_head(&rollouts->told);
        ngx_llmops_told_free(ngx_queue_data(q, ngx_llmops_told_t, queue));
    }
}


static ngx_llmops_told_t *
ngx_llmops_told_create(ngx_llmops_main_conf_t *mcf, ngx_llmops_rollout_t *ro,
    const ngx_llmops_rollout_evaluation_t *ev)
{
    ngx_pool_t             *pool;
    ngx_llmops_told_t      *told;
    ngx_llmops_rollouts_t  *rollouts;

    rollouts = mcf->rollouts;

    pool = ngx_create_pool(2048, ngx_cycle->log);
    if (pool == NULL) {
        return NULL;
    }

    told = ngx_pcalloc(pool, sizeof(ngx_llmops_told_t));

    if (told == NULL) {
        ngx_destroy_pool(pool);
        return NULL;
    }

    told->mcf = mcf;
    told->ro = ro;
    told->pool = pool;
    told->ev = *ev;

    told->timer.handler = ngx_llmops_told_timer;
    told->timer.data = told;
    told->timer.log = ngx_cycle->log;
    told->timer.cancelable = 1;

    if (ngx_llmops_told_copy(pool, &told->ev.name, NGX_LLMOPS_DOC_ID) != NGX_OK
        || ngx_llmops_told_copy(pool, &told->ev.id, NGX_LLMOPS_DOC_ID)
           != NGX_OK
        || ngx_llmops_told_copy(pool, &told->ev.reason,
                                NGX_LLMOPS_TOLD_REASON)
           != NGX_OK)
    {
        ngx_destroy_pool(pool);
        return NULL;
    }

    ngx_queue_insert_tail(&rollouts->told, &told->queue);

    return told;
}


static ngx_int_t
ngx_llmops_told_copy(ngx_pool_t *pool, ngx_str_t *s, size_t max)
{
    ngx_str_t  from;

    from.data = s->data;
    from.len = ngx_min(s->len, max);

    s->len = from.len;
    s->data = ngx_pstrdup(pool, &from);

    return (s->data || s->len == 0) ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_told_free(ngx_llmops_told_t *told)
{
    if (told->timer.timer_set) {
        ngx_del_timer(&told->timer);
    }

    if (told->asked) {
        ngx_llmops_store_forget(told->mcf->store, &told->op);
        ngx_llmops_told_over(told);
    }

    json_decref(told->json);
    ngx_queue_remove(&told->queue);
    ngx_destroy_pool(told->pool);
}


static void
ngx_llmops_told_later(ngx_llmops_told_t *told, ngx_msec_t delay)
{
    json_decref(told->json);

    told->json = NULL;
    told->entry = NULL;

    ngx_add_timer(&told->timer, delay);
}


/* -- the document --------------------------------------------------------- */

static ngx_int_t
ngx_llmops_told_op(ngx_llmops_told_t *told, ngx_llmops_doc_pt handler)
{
    told->asked = ngx_create_pool(4096, ngx_cycle->log);

    if (told->asked == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&told->op, sizeof(ngx_llmops_docop_t));

    told->op.docs = NGX_LLMOPS_DOCS_ROLLOUTS;
    told->op.id = told->ro->id;
    told->op.pool = told->asked;
    told->op.handler = handler;
    told->op.data = told;

    return NGX_OK;
}


static void
ngx_llmops_told_over(ngx_llmops_told_t *told)
{
    ngx_destroy_pool(told->asked);
    told->asked = NULL;
}


static void
ngx_llmops_told_timer(ngx_event_t *ev)
{
    ngx_int_t           rc;
    ngx_llmops_told_t  *told = ev->data;

    rc = ngx_llmops_told_op(told, ngx_llmops_told_read);

    if (rc == NGX_OK) {
        rc = ngx_llmops_store_get(told->mcf->store, &told->op);
    }

    if (rc == NGX_OK) {
        ngx_llmops_told_read(&told->op);

    } else if (rc != NGX_AGAIN) {

        if (told->asked) {
            ngx_llmops_told_over(told);
        }

        ngx_llmops_told_later(told, NGX_LLMOPS_TOLD_RETRY);
    }
}


/* one that is not there yet is made by worker 0 */

static void
ngx_llmops_told_read(ngx_llmops_docop_t *op)
{
    ngx_int_t           rc;
    uint64_t            revision;
    ngx_llmops_told_t  *told = op->data;

    revision = op->doc.revision;

    told->json = (op->rc == NGX_OK)
                 ? ngx_llmops_rollout_doc_load(&op->doc.value) : NULL;

    ngx_llmops_told_over(told);

    if (told->stale) {
        ngx_llmops_told_free(told);
        return;
    }

    rc = told->json ? ngx_llmops_told_change(told) : NGX_ERROR;

    if (rc == NGX_OK) {
        ngx_llmops_told_put(told, revision);

    } else if (rc == NGX_DECLINED) {            /* it is there already */

        if (told->sent) {
            ngx_llmops_told_say(told);
        }

        ngx_llmops_told_free(told);

    } else {
        ngx_llmops_told_later(told, NGX_LLMOPS_TOLD_RETRY);
    }
}


static ngx_int_t
ngx_llmops_told_change(ngx_llmops_told_t *told)
{
    json_t                           *noted;
    ngx_int_t                         rc;
    ngx_llmops_rollout_doc_t          doc;
    ngx_llmops_rollout_evaluation_t  *ev;

    ev = &told->ev;

    if (ev->ended
        && ev->ended * 1000 + 999 < ngx_llmops_rollout_doc_begun(told->json))
    {
        return NGX_DECLINED;
    }

    noted = json_pack("{s:s%,s:s,s:f,s:[f,f],s:I,s:I}",
                      "id", (char *) ev->id.data, ev->id.len,
                      "verdict", ngx_llmops_evaluation_names[ev->verdict],
                      "score", ev->score,
                      "interval", ev->low, ev->high,
                      "cases", (json_int_t) ev->cases,
                      "time", (json_int_t) ngx_llmops_store_now(
                                                        told->mcf->store));
    if (noted == NULL) {
        return NGX_ERROR;
    }

    json_incref(noted);

    rc = ngx_llmops_rollout_doc_note(told->json, &ev->name, noted);

    ngx_llmops_rollout_doc_get(told->json, &doc);

    if (rc == NGX_OK && ev->verdict == NGX_LLMOPS_EVALUATION_FAIL
        && doc.state != NGX_LLMOPS_ROLLOUT_ROLLED_BACK)
    {
        rc = ngx_llmops_told_rollback(told, noted);
    }

    json_decref(noted);

    return rc;
}


static ngx_int_t
ngx_llmops_told_rollback(ngx_llmops_told_t *told, json_t *noted)
{
    u_char                            text[NGX_LLMOPS_ROLLOUT_REASON];
    json_t                           *figures;
    ngx_str_t                         reason, by;
    const char                       *error;
    ngx_llmops_rollout_evaluation_t  *ev;

    ev = &told->ev;

    ngx_str_set(&by, "evaluation");

    reason.data = text;
    reason.len = ngx_snprintf(text, sizeof(text),
                              "evaluation \"%V\" has failed: score %.3f (%.3f "
                              "to %.3f) of %ui cases, %V%s%V", &ev->name,
                              ev->score, ev->low, ev->high, ev->cases,
                              &ev->id, ev->reason.len ? ": " : "",
                              &ev->reason)
                 - text;

    figures = json_copy(noted);

    if (figures == NULL
        || json_object_set_new(figures, "evaluation",
                               json_stringn((char *) ev->name.data,
                                            ev->name.len))
           != 0)
    {
        json_decref(figures);
        return NGX_ERROR;
    }

    return ngx_llmops_rollout_doc_apply(told->json,
                                        NGX_LLMOPS_ROLLOUT_ROLLBACK,
                                        told->ro->nsteps,
                                        ngx_llmops_store_now(told->mcf->store),
                                        &by, &reason, figures, &told->entry,
                                        &error)
           == NGX_OK ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_told_put(ngx_llmops_told_t *told, uint64_t expected)
{
    ngx_int_t  rc;

    rc = NGX_ERROR;
    told->number = 0;

    if (told->entry) {
        told->number = ngx_llmops_rollout_sent(told->ro, told->entry,
                                               expected);
    }

    if (ngx_llmops_told_op(told, ngx_llmops_told_done) == NGX_OK
        && ngx_llmops_rollout_value(&told->op, told->asked, told->json)
           == NGX_OK)
    {
        told->op.expected = expected;
        rc = ngx_llmops_store_put(told->mcf->store, &told->op);
    }

    if (rc == NGX_OK) {
        ngx_llmops_told_done(&told->op);

    } else if (rc != NGX_AGAIN) {

        if (told->asked) {
            ngx_llmops_told_over(told);
        }

        (void) ngx_llmops_rollout_sent_over(told->ro, told->number);

        ngx_llmops_told_later(told, NGX_LLMOPS_TOLD_RETRY);
    }
}


static void
ngx_llmops_told_done(ngx_llmops_docop_t *op)
{
    ngx_int_t                  rc;
    uint64_t                   revision;
    ngx_llmops_told_t         *told = op->data;
    ngx_llmops_rollout_doc_t   doc;

    rc = op->rc;
    revision = op->doc.revision;

    ngx_llmops_told_over(told);

    if (rc == NGX_DECLINED) {                   /* somebody else was faster */
        (void) ngx_llmops_rollout_sent_over(told->ro, told->number);

        ngx_llmops_told_later(told, 1);
        return;
    }

    if (rc != NGX_OK) {
        told->sent = 1;

        ngx_llmops_told_later(told, NGX_LLMOPS_TOLD_RETRY);
        return;
    }

    ngx_llmops_told_say(told);

    if (told->entry) {
        ngx_llmops_rollout_doc_get(told->json, &doc);
        ngx_llmops_rollout_publish(told->mcf, told->ro, &doc, revision, 0);

        if (ngx_llmops_rollout_sent_over(told->ro, told->number)) {
            ngx_llmops_rollout_tell(told->ro, NGX_LLMOPS_ROLLOUT_ROLLBACK,
                                    &doc, told->entry);
        }
    }

    ngx_llmops_told_free(told);
}


static void
ngx_llmops_told_say(ngx_llmops_told_t *told)
{
    ngx_llmops_rollout_evaluation_t  *ev;

    ev = &told->ev;

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "llm canary \"%V\" of route \"%V\": evaluation \"%V\" %V "
                  "says %s, score %.3f (%.3f to %.3f) of %ui cases",
                  &told->ro->candidate, &told->ro->route->name, &ev->name,
                  &ev->id, ngx_llmops_evaluation_names[ev->verdict],
                  ev->score, ev->low, ev->high, ev->cases);
}
