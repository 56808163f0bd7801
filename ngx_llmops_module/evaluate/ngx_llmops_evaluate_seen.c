
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"

#include <ngx_md5.h>


/*
 * A provider may put another model behind a name.  Some say so, in "model" and
 * "system_fingerprint" of their answers: what a target has said at the end of
 * an evaluation is compared with what it said at the end of the one before.  A
 * change is said in the log and counted, by whoever puts it into the document
 * in the place of the one that he has read, and so by one gateway, once.
 */


#define NGX_LLMOPS_SEEN_MOST  32           /* waiting to be compared */
#define NGX_LLMOPS_SEEN_ID    (sizeof("seen/") - 1 + 32)


typedef struct ngx_llmops_seen_s  ngx_llmops_seen_t;

struct ngx_llmops_seen_s {
    ngx_llmops_evaluation_runner_t  *runner;
    ngx_queue_t                  queue;
    ngx_llmops_docop_t           op;
    ngx_pool_t                  *pool;     /* has all of it */
    ngx_str_t                    target;
    json_t                      *was;      /* what is in the store, or NULL */
    json_t                      *doc;
    unsigned                     put:1;
    unsigned                     waiting:1;
    char                         said[2][NGX_LLMOPS_METER_MODEL + 1];
    u_char                       id[NGX_LLMOPS_SEEN_ID];
};


static void ngx_llmops_seen_compare(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_evaluation_whom_t *whom);
static void ngx_llmops_seen_ask(ngx_llmops_seen_t *seen);
static void ngx_llmops_seen_asked(ngx_llmops_docop_t *op);
static void ngx_llmops_seen_result(ngx_llmops_seen_t *seen);
static ngx_int_t ngx_llmops_seen_got(ngx_llmops_seen_t *seen);
static void ngx_llmops_seen_tell(ngx_llmops_seen_t *seen);
static void ngx_llmops_seen_free(ngx_llmops_seen_t *seen);


static const char  *ngx_llmops_seen_names[] = { "model", "fingerprint" };


void
ngx_llmops_evaluation_compare(ngx_llmops_evaluation_run_t *run)
{
    ngx_uint_t  i;

    for (i = 0; i < run->spec.ncandidates; i++) {
        if (run->whom[i].target
            && (run->whom[i].said[0][0] || run->whom[i].said[1][0]))
        {
            ngx_llmops_seen_compare(run, &run->whom[i]);
        }
    }
}


void
ngx_llmops_evaluation_compare_stop(ngx_llmops_evaluation_runner_t *runner)
{
    ngx_queue_t        *q;
    ngx_llmops_seen_t  *seen;

    while (!ngx_queue_empty(&runner->seen_queue)) {
        q = ngx_queue_head(&runner->seen_queue);
        seen = ngx_queue_data(q, ngx_llmops_seen_t, queue);

        if (seen->waiting) {
            ngx_llmops_store_forget(runner->mcf->store, &seen->op);
        }

        ngx_llmops_seen_free(seen);
    }
}


static void
ngx_llmops_seen_compare(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_evaluation_whom_t *whom)
{
    u_char                           digest[16];
    ngx_md5_t                        md5;
    ngx_pool_t                      *pool;
    ngx_llmops_seen_t               *seen;
    ngx_llmops_evaluation_runner_t  *runner;

    runner = run->runner;

    if (runner->nseen == NGX_LLMOPS_SEEN_MOST) {
        return;
    }

    pool = ngx_create_pool(4096, ngx_cycle->log);
    if (pool == NULL) {
        return;
    }

    seen = ngx_pcalloc(pool, sizeof(ngx_llmops_seen_t));
    if (seen == NULL) {
        ngx_destroy_pool(pool);
        return;
    }

    seen->runner = runner;
    seen->pool = pool;
    seen->target = whom->target->name;

    ngx_memcpy(seen->said, whom->said, sizeof(seen->said));

    ngx_md5_init(&md5);
    ngx_md5_update(&md5, seen->target.data, seen->target.len);
    ngx_md5_final(digest, &md5);

    (void) ngx_hex_dump(ngx_cpymem(seen->id, "seen/", 5), digest, 16);

    ngx_queue_insert_tail(&runner->seen_queue, &seen->queue);
    runner->nseen++;

    ngx_llmops_seen_ask(seen);
}


static void
ngx_llmops_seen_ask(ngx_llmops_seen_t *seen)
{
    ngx_int_t  rc;
    uint64_t   revision;

    revision = seen->op.doc.revision;

    ngx_memzero(&seen->op, sizeof(ngx_llmops_docop_t));

    seen->op.docs = NGX_LLMOPS_DOCS_EVALUATED;
    seen->op.id.data = seen->id;
    seen->op.id.len = NGX_LLMOPS_SEEN_ID;
    seen->op.pool = seen->pool;
    seen->op.handler = ngx_llmops_seen_asked;
    seen->op.data = seen;

    if (seen->put) {
        seen->op.expected = revision;
        seen->op.value = ngx_llmops_evaluation_text(seen->doc, seen->pool);

        rc = seen->op.value.data
             ? ngx_llmops_store_put(seen->runner->mcf->store, &seen->op)
             : NGX_ERROR;

    } else {
        rc = ngx_llmops_store_get(seen->runner->mcf->store, &seen->op);
    }

    if (rc == NGX_AGAIN) {
        seen->waiting = 1;
        return;
    }

    if (rc != NGX_OK) {
        seen->op.rc = NGX_ERROR;
    }

    ngx_llmops_seen_result(seen);
}


static void
ngx_llmops_seen_asked(ngx_llmops_docop_t *op)
{
    ngx_llmops_seen_t *seen = op->data;

    seen->waiting = 0;

    ngx_llmops_seen_result(seen);
}


/* what fails is compared after the next evaluation */

static void
ngx_llmops_seen_result(ngx_llmops_seen_t *seen)
{
    if (seen->put) {

        if (seen->op.rc == NGX_OK) {
            ngx_llmops_seen_tell(seen);
        }

        ngx_llmops_seen_free(seen);
        return;
    }

    if (ngx_llmops_seen_got(seen) != NGX_OK) {
        ngx_llmops_seen_free(seen);
        return;
    }

    seen->put = 1;

    ngx_llmops_seen_ask(seen);
}


/* NGX_OK: the document is to be written */

static ngx_int_t
ngx_llmops_seen_got(ngx_llmops_seen_t *seen)
{
    ngx_uint_t   i, same;
    const char  *was;

    if (seen->op.rc == NGX_OK) {
        seen->was = ngx_llmops_evaluation_load(&seen->op.doc.value);

    } else if (seen->op.rc != NGX_DECLINED) {
        return NGX_DECLINED;

    } else {
        seen->op.doc.revision = NGX_LLMOPS_REVISION_NONE;
    }

    same = (seen->was != NULL);

    for (i = 0; i < 2; i++) {
        was = json_string_value(json_object_get(seen->was,
                                                ngx_llmops_seen_names[i]));

        same = same && was && ngx_strcmp(was, seen->said[i]) == 0;
    }

    if (same) {
        return NGX_DECLINED;
    }

    seen->doc = json_pack("{s:s%,s:o,s:o,s:I}",
                          "target", (char *) seen->target.data,
                                    seen->target.len,
                          "model", ngx_llmops_evaluation_cut(
                                       (u_char *) seen->said[0],
                                       ngx_strlen(seen->said[0]),
                                       NGX_LLMOPS_METER_MODEL),
                          "fingerprint", ngx_llmops_evaluation_cut(
                                             (u_char *) seen->said[1],
                                             ngx_strlen(seen->said[1]),
                                             NGX_LLMOPS_METER_MODEL),
                          "since", (json_int_t) ngx_time());

    return seen->doc ? NGX_OK : NGX_DECLINED;
}


/* the first time there is nothing to compare with */

static void
ngx_llmops_seen_tell(ngx_llmops_seen_t *seen)
{
    if (seen->was == NULL) {
        return;
    }

    ngx_log_error(NGX_LOG_WARN, ngx_cycle->log, 0,
                  "llm target \"%V\" is another model now: model \"%s\", "
                  "fingerprint \"%s\"; it was \"%s\", \"%s\"",
                  &seen->target, seen->said[0], seen->said[1],
                  json_string_value(json_object_get(seen->was, "model")),
                  json_string_value(json_object_get(seen->was,
                                                    "fingerprint")));

    if (seen->runner->evs->sh) {
        (void) ngx_atomic_fetch_add(&seen->runner->evs->sh->changes, 1);
    }
}


static void
ngx_llmops_seen_free(ngx_llmops_seen_t *seen)
{
    ngx_queue_remove(&seen->queue);
    seen->runner->nseen--;

    json_decref(seen->was);
    json_decref(seen->doc);

    ngx_destroy_pool(seen->pool);
}
