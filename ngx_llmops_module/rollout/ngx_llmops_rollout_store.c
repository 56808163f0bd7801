
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout_run.h"


/*
 * The document of a rollout in the store, for worker 0: one operation at a
 * time, whose pool is there as long as it is under way.
 */


#define NGX_LLMOPS_ROLLOUT_RETRY   500     /* ms: the store has failed */
#define NGX_LLMOPS_ROLLOUT_QUIET   60      /* s between two complaints */
#define NGX_LLMOPS_ROLLOUT_UNSEEN  ((uint64_t) -1)


static ngx_int_t ngx_llmops_rollout_op(ngx_llmops_rollout_run_t *run,
    ngx_llmops_doc_pt handler);
static void ngx_llmops_rollout_read_done(ngx_llmops_docop_t *op);
static void ngx_llmops_rollout_create(ngx_llmops_rollout_run_t *run);
static void ngx_llmops_rollout_unreadable(ngx_llmops_rollout_run_t *run);
static void ngx_llmops_rollout_put_done(ngx_llmops_docop_t *op);


/* makes op ready, with a pool of its own; NGX_ERROR: not now */

static ngx_int_t
ngx_llmops_rollout_op(ngx_llmops_rollout_run_t *run,
    ngx_llmops_doc_pt handler)
{
    run->pool = ngx_create_pool(4096, ngx_cycle->log);

    if (run->pool == NULL) {
        ngx_llmops_rollout_later(run);
        return NGX_ERROR;
    }

    ngx_memzero(&run->op, sizeof(ngx_llmops_docop_t));

    run->op.docs = NGX_LLMOPS_DOCS_ROLLOUTS;
    run->op.id = run->ro->id;
    run->op.pool = run->pool;
    run->op.handler = handler;
    run->op.data = run;

    return NGX_OK;
}


void
ngx_llmops_rollout_over(ngx_llmops_rollout_run_t *run)
{
    ngx_destroy_pool(run->pool);
    run->pool = NULL;
}


void
ngx_llmops_rollout_later(ngx_llmops_rollout_run_t *run)
{
    run->waiting = 1;
    run->wait = ngx_current_msec + NGX_LLMOPS_ROLLOUT_RETRY;
}


void
ngx_llmops_rollout_read(ngx_llmops_rollout_run_t *run)
{
    ngx_int_t  rc;

    if (ngx_llmops_rollout_op(run, ngx_llmops_rollout_read_done) != NGX_OK) {
        return;
    }

    /* before the question: a change in between is seen at the next tick */

    run->seen = ngx_llmops_store_revision(run->mcf->store,
                                          NGX_LLMOPS_DOCS_ROLLOUTS);

    rc = ngx_llmops_store_get(run->mcf->store, &run->op);

    if (rc == NGX_OK) {
        ngx_llmops_rollout_read_done(&run->op);

    } else if (rc != NGX_AGAIN) {
        ngx_llmops_rollout_over(run);
        ngx_llmops_rollout_later(run);
    }
}


static void
ngx_llmops_rollout_read_done(ngx_llmops_docop_t *op)
{
    json_t                    *json;
    ngx_int_t                  rc;
    uint64_t                   revision;
    ngx_llmops_rollout_doc_t   doc;
    ngx_llmops_rollout_run_t  *run = op->data;

    rc = op->rc;
    revision = op->doc.revision;

    json = (rc == NGX_OK) ? ngx_llmops_rollout_doc_load(&op->doc.value)
                          : NULL;

    ngx_llmops_rollout_over(run);

    if (json) {
        json_decref(run->json);
        run->json = json;
        run->revision = revision;

        ngx_llmops_rollout_show(run, &doc);
        ngx_llmops_rollout_sent_find(run->ro, json, revision);
        return;
    }

    if (rc == NGX_DECLINED) {
        ngx_llmops_rollout_create(run);
        return;
    }

    if (rc == NGX_OK) {
        run->revision = revision;
        ngx_llmops_rollout_unreadable(run);
    }

    run->seen = NGX_LLMOPS_ROLLOUT_UNSEEN;   /* it is read again */

    ngx_llmops_rollout_later(run);
}


/* to all workers; what the process before this one has shown may be of a store
   that is no longer in use */

void
ngx_llmops_rollout_show(ngx_llmops_rollout_run_t *run,
    ngx_llmops_rollout_doc_t *doc)
{
    ngx_llmops_rollout_doc_get(run->json, doc);

    ngx_llmops_rollout_publish(run->mcf, run->ro, doc, run->revision,
                               !run->shown);
    run->shown = 1;
}


static void
ngx_llmops_rollout_unreadable(ngx_llmops_rollout_run_t *run)
{
    ngx_llmops_rollout_doc_t  doc;

    ngx_memzero(&doc, sizeof(ngx_llmops_rollout_doc_t));

    doc.state = NGX_LLMOPS_ROLLOUT_ROLLED_BACK;

    ngx_llmops_rollout_publish(run->mcf, run->ro, &doc, run->revision, 1);

    if (ngx_time() < run->complain) {
        return;
    }

    run->complain = ngx_time() + NGX_LLMOPS_ROLLOUT_QUIET;

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "the document of llm canary \"%V\" of route \"%V\" cannot "
                  "be read, the candidate gets no requests",
                  &run->ro->candidate, &run->ro->route->name);
}


/*
 * There is none.  If the workers have been shown one, the store has lost it, or
 * is another one since a reload: a candidate that was taken back must not begin
 * anew for that.  It is put back as it was, with what is known of its history.
 */

static void
ngx_llmops_rollout_create(ngx_llmops_rollout_run_t *run)
{
    ngx_atomic_uint_t         word;
    ngx_llmops_rollout_doc_t  doc;

    word = run->ro->sh->word;

    run->shown = 0;                          /* revisions begin anew */
    run->quiet = (word != 0);
    run->action = NGX_LLMOPS_ROLLOUT_START;

    if (run->json && word) {
        run->next = json_deep_copy(run->json);

    } else {
        run->next = ngx_llmops_rollout_doc_new(&run->ro->route->name,
                                               &run->ro->candidate,
                                      ngx_llmops_store_now(run->mcf->store));
    }

    if (run->next && word) {
        doc.state = ngx_llmops_rollout_state(word);
        doc.step = ngx_llmops_rollout_step(word);
        doc.epoch = ngx_llmops_rollout_epoch(word);
        doc.since = (int64_t) run->ro->sh->since;
        doc.ill = (int64_t) run->ro->sh->ill;

        if (ngx_llmops_rollout_doc_set(run->next, &doc) != NGX_OK) {
            json_decref(run->next);
            run->next = NULL;
        }
    }

    run->entry = json_array_get(json_object_get(run->next, "history"), 0);

    ngx_llmops_rollout_put(run, NGX_LLMOPS_REVISION_NONE);
}


ngx_int_t
ngx_llmops_rollout_value(ngx_llmops_docop_t *op, ngx_pool_t *pool,
    json_t *doc)
{
    char  *text;

    text = json_dumps(doc, JSON_COMPACT);
    if (text == NULL) {
        return NGX_ERROR;
    }

    op->value.len = ngx_strlen(text);
    op->value.data = ngx_pnalloc(pool, op->value.len);

    if (op->value.data) {
        ngx_memcpy(op->value.data, text, op->value.len);
    }

    free(text);

    return op->value.data ? NGX_OK : NGX_ERROR;
}


void
ngx_llmops_rollout_put(ngx_llmops_rollout_run_t *run, uint64_t expected)
{
    ngx_int_t  rc;

    rc = NGX_ERROR;
    run->number = 0;

    if (run->next && !run->quiet) {
        run->number = ngx_llmops_rollout_sent(run->ro, run->entry, expected);
    }

    if (run->next
        && ngx_llmops_rollout_op(run, ngx_llmops_rollout_put_done) == NGX_OK
        && ngx_llmops_rollout_value(&run->op, run->pool, run->next) == NGX_OK)
    {
        run->op.expected = expected;
        rc = ngx_llmops_store_put(run->mcf->store, &run->op);
    }

    if (rc == NGX_OK) {
        ngx_llmops_rollout_put_done(&run->op);

    } else if (rc != NGX_AGAIN) {

        if (run->pool) {
            ngx_llmops_rollout_over(run);
        }

        (void) ngx_llmops_rollout_sent_over(run->ro, run->number);

        json_decref(run->next);
        run->next = NULL;

        ngx_llmops_rollout_later(run);
    }
}


static void
ngx_llmops_rollout_put_done(ngx_llmops_docop_t *op)
{
    ngx_int_t                  rc;
    uint64_t                   revision;
    ngx_llmops_rollout_doc_t   doc;
    ngx_llmops_rollout_run_t  *run = op->data;

    rc = op->rc;
    revision = op->doc.revision;

    ngx_llmops_rollout_over(run);

    if (rc == NGX_OK) {
        json_decref(run->json);

        run->json = run->next;
        run->next = NULL;
        run->revision = revision;

        ngx_llmops_rollout_show(run, &doc);

        if (run->quiet) {
            run->quiet = 0;

            ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                          "%V did not have llm canary \"%V\" of route "
                          "\"%V\", it is put back: %s",
                          &run->mcf->store->engine->name, &run->ro->candidate,
                          &run->ro->route->name,
                          ngx_llmops_rollout_state_names[doc.state]);
            return;
        }

        if (ngx_llmops_rollout_sent_over(run->ro, run->number)) {
            ngx_llmops_rollout_tell(run->ro, run->action, &doc, run->entry);
        }

        return;
    }

    json_decref(run->next);
    run->next = NULL;

    if (rc == NGX_DECLINED) {

        /* somebody else was faster: what has he decided? */

        (void) ngx_llmops_rollout_sent_over(run->ro, run->number);

        run->seen = NGX_LLMOPS_ROLLOUT_UNSEEN;
        run->quiet = 0;

        return;
    }

    ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                  "\"%s\" of llm canary \"%V\" of route \"%V\" cannot be "
                  "stored, it is tried again",
                  ngx_llmops_rollout_action_names[run->action],
                  &run->ro->candidate, &run->ro->route->name);

    ngx_llmops_rollout_later(run);
}
