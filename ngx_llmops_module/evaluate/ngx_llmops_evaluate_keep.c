
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"


/*
 * What a run keeps.  Results lie in memory until their piece has been written;
 * of a piece that is whole nothing is kept then.  First the pieces, then the
 * head: a head never speaks of results that are not there.
 */


#define NGX_LLMOPS_KEEP_EXPIRES  86400     /* s: pieces of a lost head */


static ngx_str_t ngx_llmops_keep_piece(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_evaluation_chunk_t *chunk);
static ngx_int_t ngx_llmops_keep_final(ngx_llmops_evaluation_run_t *run);
static ngx_int_t ngx_llmops_keep_figures(ngx_llmops_evaluation_run_t *run,
    ngx_uint_t ended);
static ngx_int_t ngx_llmops_keep_status(ngx_llmops_evaluation_run_t *run);
static ngx_int_t ngx_llmops_keep_ended(ngx_llmops_evaluation_run_t *run);
static ngx_int_t ngx_llmops_keep_room(ngx_llmops_evaluation_run_t *run);
static void ngx_llmops_keep_key(char key[NGX_INT_T_LEN + 1], ngx_uint_t n);


ngx_uint_t
ngx_llmops_evaluation_chunk_size(ngx_llmops_evaluation_run_t *run,
    ngx_uint_t chunk)
{
    return ngx_min(run->set.n - chunk * NGX_LLMOPS_EVAL_CHUNK,
                   NGX_LLMOPS_EVAL_CHUNK);
}


ngx_uint_t
ngx_llmops_evaluation_has(ngx_llmops_evaluation_run_t *run, ngx_uint_t n)
{
    char                            key[NGX_INT_T_LEN + 1];
    ngx_uint_t                      k;
    ngx_llmops_evaluation_chunk_t  *chunk;

    k = n / NGX_LLMOPS_EVAL_CHUNK;
    chunk = &run->chunks[k];

    if (chunk->n == ngx_llmops_evaluation_chunk_size(run, k)) {
        return 1;
    }

    ngx_llmops_keep_key(key, n);

    return json_object_get(chunk->cases, key) != NULL;
}


static void
ngx_llmops_keep_key(char key[NGX_INT_T_LEN + 1], ngx_uint_t n)
{
    (void) ngx_sprintf((u_char *) key, "%ui%Z", n);
}


ngx_int_t
ngx_llmops_evaluation_keep(ngx_llmops_evaluation_run_t *run, ngx_uint_t n,
    json_t *kase)
{
    char                            key[NGX_INT_T_LEN + 1];
    ngx_llmops_evaluation_chunk_t  *chunk;

    chunk = &run->chunks[n / NGX_LLMOPS_EVAL_CHUNK];

    if (chunk->cases == NULL) {
        chunk->cases = json_object();
    }

    ngx_llmops_keep_key(key, n);

    if (json_object_set_new(chunk->cases, key, kase) != 0) {
        return NGX_ERROR;
    }

    chunk->n++;
    chunk->dirty = 1;

    return NGX_OK;
}


/* between two writes; the tick comes here */

ngx_int_t
ngx_llmops_run_idle(ngx_llmops_evaluation_run_t *run)
{
    uint64_t        revision;
    ngx_msec_int_t  since;

    ngx_llmops_evaluation_pump(run);

    revision = ngx_llmops_store_revision(run->mcf->store,
                                         NGX_LLMOPS_DOCS_EVALUATIONS);
    since = (ngx_msec_int_t) (ngx_current_msec - run->alive);

    if (ngx_llmops_evaluation_over(run)) {
        run->chunk = 0;
        run->state = NGX_LLMOPS_RUN_FLUSH;
        run->final = 1;
        return NGX_OK;
    }

    if (since >= NGX_LLMOPS_EVAL_FLUSH) {
        run->chunk = 0;
        run->state = NGX_LLMOPS_RUN_FLUSH;
        return NGX_OK;
    }

    if (revision != run->seen) {

        if (ngx_llmops_evaluation_op(run, NGX_LLMOPS_DOCS_EVALUATIONS)
            != NGX_OK)
        {
            return NGX_AGAIN;
        }

        run->seen = revision;
        run->op.id.data = (u_char *) run->id;
        run->op.id.len = ngx_strlen(run->id);

        return ngx_llmops_evaluation_ask(run, ngx_llmops_store_get,
                                         NGX_LLMOPS_RUN_REREAD);
    }

    return NGX_AGAIN;
}


/* the next piece with something new in it */

ngx_int_t
ngx_llmops_run_flush(ngx_llmops_evaluation_run_t *run)
{
    ngx_llmops_evaluation_chunk_t  *chunk;

    while (run->chunk < run->nchunks && !run->chunks[run->chunk].dirty) {
        run->chunk++;
    }

    if (run->chunk == run->nchunks) {
        return ngx_llmops_keep_final(run);
    }

    if (ngx_llmops_evaluation_op(run, NGX_LLMOPS_DOCS_EVALUATED) != NGX_OK) {
        return ngx_llmops_evaluation_later(run, run->state);
    }

    chunk = &run->chunks[run->chunk];

    run->op.id = ngx_llmops_evaluation_chunk(run->buf, run->id, run->chunk);
    run->op.value = ngx_llmops_keep_piece(run, chunk);
    run->op.expected = chunk->revision;
    run->op.expires = ngx_time() + run->evs->keep + NGX_LLMOPS_KEEP_EXPIRES;

    if (run->op.value.data == NULL
        || run->op.value.len > NGX_LLMOPS_DOC_LARGE)
    {
        return ngx_llmops_keep_room(run);
    }

    chunk->dirty = 0;

    return ngx_llmops_evaluation_ask(run, ngx_llmops_store_put,
                                     NGX_LLMOPS_RUN_FLUSHED);
}


/* as much of the texts as a document has room for: what was answered has been
   paid for, and a score is worth more than the end of an answer */

static ngx_str_t
ngx_llmops_keep_piece(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_evaluation_chunk_t *chunk)
{
    size_t     max;
    ngx_str_t  text;

    text = ngx_llmops_evaluation_text(chunk->cases, run->pool);

    for (max = run->spec.kept / 2;
         max && text.len > NGX_LLMOPS_DOC_LARGE;
         max /= 2)
    {
        if (ngx_llmops_evaluation_shorten(chunk->cases, max) != NGX_OK) {
            ngx_str_null(&text);
            break;
        }

        text = ngx_llmops_evaluation_text(chunk->cases, run->pool);
    }

    return text;
}


ngx_int_t
ngx_llmops_run_flushed(ngx_llmops_evaluation_run_t *run)
{
    ngx_int_t                       rc;
    ngx_llmops_evaluation_chunk_t  *chunk;

    chunk = &run->chunks[run->chunk];
    rc = run->op.rc;

    if (rc == NGX_OK) {
        chunk->revision = run->op.doc.revision;

        if (!chunk->dirty
            && chunk->n == ngx_llmops_evaluation_chunk_size(run, run->chunk))
        {
            json_decref(chunk->cases);
            chunk->cases = NULL;
        }

        run->chunk++;
        run->state = NGX_LLMOPS_RUN_FLUSH;

        return NGX_OK;
    }

    chunk->dirty = 1;

    if (rc == NGX_BUSY) {
        return ngx_llmops_keep_room(run);
    }

    if (rc != NGX_DECLINED) {
        return ngx_llmops_evaluation_later(run, NGX_LLMOPS_RUN_FLUSH);
    }

    /* it has been changed: what is there wins, and ours is added to it */

    if (ngx_llmops_evaluation_op(run, NGX_LLMOPS_DOCS_EVALUATED) != NGX_OK) {
        return ngx_llmops_evaluation_later(run, NGX_LLMOPS_RUN_FLUSH);
    }

    run->op.id = ngx_llmops_evaluation_chunk(run->buf, run->id, run->chunk);

    return ngx_llmops_evaluation_ask(run, ngx_llmops_store_get,
                                     NGX_LLMOPS_RUN_MERGE);
}


ngx_int_t
ngx_llmops_run_merge(ngx_llmops_evaluation_run_t *run)
{
    json_t                         *cases;
    ngx_llmops_evaluation_chunk_t  *chunk;

    chunk = &run->chunks[run->chunk];
    run->state = NGX_LLMOPS_RUN_FLUSH;

    if (run->op.rc == NGX_DECLINED) {
        chunk->revision = NGX_LLMOPS_REVISION_NONE;
        return NGX_OK;
    }

    if (run->op.rc != NGX_OK) {
        return ngx_llmops_evaluation_later(run, NGX_LLMOPS_RUN_FLUSH);
    }

    cases = ngx_llmops_evaluation_load(&run->op.doc.value);

    if (cases && json_object_update(chunk->cases, cases) == 0) {
        chunk->revision = run->op.doc.revision;
        chunk->n = json_object_size(chunk->cases);
        run->recount = 1;
    }

    json_decref(cases);

    return NGX_OK;
}


/* a result that cannot be kept is none */

static ngx_int_t
ngx_llmops_keep_room(ngx_llmops_evaluation_run_t *run)
{
    ngx_uint_t  i;

    for (i = 0; i < run->nchunks; i++) {
        run->chunks[i].dirty = 0;
    }

    run->state = NGX_LLMOPS_RUN_IDLE;

    return ngx_llmops_evaluation_fail(run, "the store has no room for the "
                                      "results, make llm_zone larger or keep "
                                      "less of each answer: \"answer_bytes\"");
}


/* all pieces are written */

static ngx_int_t
ngx_llmops_keep_final(ngx_llmops_evaluation_run_t *run)
{
    if (run->final && run->recount && !run->leaving && !run->failed_run) {

        run->recount = 0;

        if (ngx_llmops_evaluation_recount(run) != NGX_OK) {
            run->state = NGX_LLMOPS_RUN_IDLE;
            return ngx_llmops_evaluation_fail(run, "out of memory");
        }

        run->stop = 1;                       /* it comes back to here */

        return NGX_OK;
    }

    run->state = NGX_LLMOPS_RUN_HEAD;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_run_head(ngx_llmops_evaluation_run_t *run)
{
    int64_t    until;
    ngx_int_t  rc;

    until = run->final ? 0 : ngx_llmops_store_now(run->mcf->store)
                             + NGX_LLMOPS_EVAL_LEASE;

    rc = ngx_llmops_keep_figures(run, run->final && !run->leaving);

    if (rc == NGX_OK && run->final && !run->leaving) {
        rc = ngx_llmops_keep_status(run);
    }

    if (rc != NGX_OK
        || ngx_llmops_evaluation_hold(run, run->doc, until) != NGX_OK
        || ngx_llmops_evaluation_op(run, NGX_LLMOPS_DOCS_EVALUATIONS)
           != NGX_OK)
    {
        return ngx_llmops_evaluation_later(run, run->state);
    }

    run->op.id.data = (u_char *) run->id;
    run->op.id.len = ngx_strlen(run->id);
    run->op.expected = run->revision;
    run->op.value = ngx_llmops_evaluation_text(run->doc, run->pool);

    if (run->op.value.data == NULL) {
        return ngx_llmops_evaluation_later(run, run->state);
    }

    run->put = ngx_current_msec;

    return ngx_llmops_evaluation_ask(run, ngx_llmops_store_put,
                                     NGX_LLMOPS_RUN_HEAD_PUT);
}


static ngx_int_t
ngx_llmops_keep_figures(ngx_llmops_evaluation_run_t *run, ngx_uint_t ended)
{
    int      rc;
    json_t  *told;

    if (!run->loaded) {
        return NGX_OK;                       /* what is there stands */
    }

    rc = json_object_set_new(run->doc, "done",
                             json_integer((json_int_t) run->done));
    rc |= json_object_set_new(run->doc, "failed",
                              json_integer((json_int_t) run->failed));
    rc |= json_object_set_new(run->doc, "cost",
                              json_real((double) run->cost / 1e12));
    rc |= json_object_set_new(run->doc, "tokens",
                              json_integer((json_int_t) run->tokens));

    /* a person may judge answers of one that was cut short: no verdict */

    told = ngx_llmops_summary_json(run->summary,
                                   ended && !run->failed_run
                                   && !run->cancelled
                                   && (!run->again
                                       || ngx_llmops_evaluation_is(run->doc,
                                                             "completed")));

    rc |= told ? json_object_update(run->doc, told) : -1;

    json_decref(told);

    return rc ? NGX_ERROR : NGX_OK;
}


static ngx_int_t
ngx_llmops_keep_status(ngx_llmops_evaluation_run_t *run)
{
    int          rc;
    const char  *status;

    rc = 0;

    (void) json_object_del(run->doc, "recount");

    if (run->again) {
        return NGX_OK;                       /* it has one */
    }

    status = run->cancelled ? "cancelled"
                            : run->failed_run ? "failed" : "completed";

    rc = json_object_set_new(run->doc, "status", json_string(status));
    rc |= json_object_set_new(run->doc, "ended",
                 json_integer(ngx_llmops_store_now(run->mcf->store) / 1000));

    if (run->error[0]) {
        rc |= json_object_set_new(run->doc, "error",
                                  ngx_llmops_evaluation_cut(
                                      (u_char *) run->error,
                                      ngx_strlen(run->error),
                                      sizeof(run->error)));
    }

    return rc ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_llmops_run_head_put(ngx_llmops_evaluation_run_t *run)
{
    if (run->op.rc == NGX_OK) {
        run->revision = run->op.doc.revision;
        run->alive = run->put;
        run->seen = ngx_llmops_store_revision(run->mcf->store,
                                              NGX_LLMOPS_DOCS_EVALUATIONS);

        if (run->final) {
            return ngx_llmops_keep_ended(run);
        }

        run->state = run->running ? NGX_LLMOPS_RUN_IDLE : run->back;

        return NGX_OK;
    }

    if (run->op.rc == NGX_BUSY) {
        ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                      "llm evaluation \"%s\" cannot be written, llm_zone has "
                      "no room", run->id);
    }

    if (run->op.rc != NGX_DECLINED) {
        return ngx_llmops_evaluation_later(run, NGX_LLMOPS_RUN_HEAD);
    }

    if (ngx_llmops_evaluation_op(run, NGX_LLMOPS_DOCS_EVALUATIONS) != NGX_OK) {
        return ngx_llmops_evaluation_later(run, NGX_LLMOPS_RUN_HEAD);
    }

    run->op.id.data = (u_char *) run->id;
    run->op.id.len = ngx_strlen(run->id);

    return ngx_llmops_evaluation_ask(run, ngx_llmops_store_get,
                                     NGX_LLMOPS_RUN_REREAD);
}


/* somebody has changed it: cancelled, judged, removed, or taken it */

ngx_int_t
ngx_llmops_run_reread(ngx_llmops_evaluation_run_t *run)
{
    json_t  *doc;

    run->state = run->running ? NGX_LLMOPS_RUN_IDLE : run->back;

    if (run->op.rc == NGX_DECLINED) {
        return NGX_DONE;
    }

    if (run->op.rc != NGX_OK) {
        return ngx_llmops_evaluation_later(run, run->state);
    }

    if (run->op.doc.revision == run->revision) {
        return NGX_OK;
    }

    doc = ngx_llmops_evaluation_load(&run->op.doc.value);

    if (doc == NULL || ngx_llmops_evaluation_is(doc, "deleted")
        || ngx_strcmp(ngx_llmops_evaluation_by(doc), run->runner->by) != 0)
    {
        json_decref(doc);

        ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                      "llm evaluation \"%s\" is run by somebody else now",
                      run->id);
        return NGX_DONE;
    }

    json_decref(run->doc);

    run->doc = doc;
    run->revision = run->op.doc.revision;
    run->final = 0;

    if (!run->again && !ngx_llmops_evaluation_active(doc)) {
        run->cancelled = 1;
        run->stop = 1;
        run->running = 1;
        run->state = NGX_LLMOPS_RUN_IDLE;

        ngx_llmops_evaluation_abandon(run);
    }

    if (json_is_true(json_object_get(doc, "recount"))) {
        run->recount = 1;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_keep_ended(ngx_llmops_evaluation_run_t *run)
{
    const char  *status;

    if (run->leaving) {
        return NGX_DONE;
    }

    status = json_string_value(json_object_get(run->doc, "status"));

    ngx_log_error(NGX_LOG_NOTICE, ngx_cycle->log, 0,
                  "llm evaluation \"%s\": %s, %ui of %ui cases, verdict %s%s%s",
                  run->id, status, run->done, run->set.n,
                  json_string_value(json_object_get(run->doc, "verdict")),
                  run->error[0] ? ": " : "", run->error);

    if (!run->again && run->evs->sh) {
        (void) ngx_atomic_fetch_add(
                   &run->evs->sh->ended[run->cancelled
                                        ? NGX_LLMOPS_EVAL_CANCELLED
                                        : run->failed_run
                                          ? NGX_LLMOPS_EVAL_FAILED
                                          : NGX_LLMOPS_EVAL_COMPLETED], 1);
    }

    ngx_llmops_evaluation_told(run);

    if (!run->again) {
        ngx_llmops_evaluation_compare(run);
    }

    return NGX_DONE;
}


const char *
ngx_llmops_evaluation_by(json_t *doc)
{
    const char  *by;

    by = json_string_value(json_object_get(json_object_get(doc, "runner"),
                                           "by"));
    return by ? by : "";
}


ngx_int_t
ngx_llmops_evaluation_hold(ngx_llmops_evaluation_run_t *run, json_t *doc,
    int64_t until)
{
    if (until == 0) {
        (void) json_object_del(doc, "runner");
        return NGX_OK;
    }

    return json_object_set_new(doc, "runner",
                               json_pack("{s:s,s:I}", "by", run->runner->by,
                                         "until", (json_int_t) until))
           == 0 ? NGX_OK : NGX_ERROR;
}
