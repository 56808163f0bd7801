
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"
#include "ngx_llmops_route.h"


/*
 * The beginning of a run: it becomes ours, then all is read that is needed to
 * go on, of one that has just been asked for as of one that somebody else has
 * left.  The results that are there are added up; a case that is among them is
 * not asked for again.
 */


static ngx_int_t ngx_llmops_load_again(ngx_llmops_evaluation_run_t *run);
static ngx_int_t ngx_llmops_load_whom(ngx_llmops_evaluation_run_t *run);
static ngx_int_t ngx_llmops_load_dress(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_evaluation_candidate_t *c, ngx_llmops_route_t *route,
    ngx_llmops_evaluation_whom_t *whom);
static void ngx_llmops_load_model(ngx_llmops_evaluation_whom_t *whom);
static ngx_int_t ngx_llmops_load_summary(ngx_llmops_evaluation_run_t *run);
static void ngx_llmops_load_wake(void *data);
static ngx_int_t ngx_llmops_load_loaded(ngx_llmops_evaluation_run_t *run);


ngx_int_t
ngx_llmops_run_claim(ngx_llmops_evaluation_run_t *run)
{
    int64_t  now;

    now = ngx_llmops_store_now(run->mcf->store);

    if (!run->again) {
        if (json_object_set_new(run->doc, "status", json_string("running"))
            != 0
            || (json_is_null(json_object_get(run->doc, "started"))
                && json_object_set_new(run->doc, "started",
                                       json_integer(now / 1000))
                   != 0))
        {
            return NGX_DONE;
        }
    }

    if (ngx_llmops_evaluation_hold(run, run->doc, now + NGX_LLMOPS_EVAL_LEASE)
        != NGX_OK
        || ngx_llmops_evaluation_op(run, NGX_LLMOPS_DOCS_EVALUATIONS)
           != NGX_OK)
    {
        return NGX_DONE;
    }

    run->op.id.data = (u_char *) run->id;
    run->op.id.len = ngx_strlen(run->id);
    run->op.expected = run->revision;
    run->op.value = ngx_llmops_evaluation_text(run->doc, run->pool);

    if (run->op.value.data == NULL) {
        return NGX_DONE;
    }

    run->alive = ngx_current_msec;

    return ngx_llmops_evaluation_ask(run, ngx_llmops_store_put,
                                     NGX_LLMOPS_RUN_CLAIMED);
}


/* whatever has gone wrong, the next look finds it again */

ngx_int_t
ngx_llmops_run_claimed(ngx_llmops_evaluation_run_t *run)
{
    if (run->op.rc != NGX_OK) {
        return NGX_DONE;
    }

    run->revision = run->op.doc.revision;

    /* what was spent is known of what was written */

    run->cost = (int64_t) (json_number_value(json_object_get(run->doc,
                                                             "cost"))
                           * 1e12 + 0.5);
    run->tokens = json_integer_value(json_object_get(run->doc, "tokens"));
    run->state = NGX_LLMOPS_RUN_SPEC;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_run_spec(ngx_llmops_evaluation_run_t *run)
{
    if (ngx_llmops_evaluation_op(run, NGX_LLMOPS_DOCS_EVALUATED) != NGX_OK) {
        return ngx_llmops_evaluation_later(run, run->state);
    }

    run->op.id = ngx_llmops_evaluation_part(run->buf, run->id, "spec");

    return ngx_llmops_evaluation_ask(run, ngx_llmops_store_get,
                                     NGX_LLMOPS_RUN_SPECIFIED);
}


ngx_int_t
ngx_llmops_run_specified(ngx_llmops_evaluation_run_t *run)
{
    char                       err[NGX_LLMOPS_EVAL_TEXT];
    ngx_int_t                  rc;
    ngx_llmops_evaluations_t  *evs;

    if (run->op.rc == NGX_ERROR || run->op.rc == NGX_BUSY) {
        return ngx_llmops_evaluation_later(run, NGX_LLMOPS_RUN_SPEC);
    }

    if (run->op.rc == NGX_OK) {
        run->spec_json = ngx_llmops_evaluation_load(&run->op.doc.value);
    }

    if (run->spec_json == NULL) {
        return ngx_llmops_evaluation_fail(run, "the specification is not in "
                                          "the store any more");
    }

    rc = ngx_llmops_evaluation_spec(run->spec_json, &run->spec, err);

    if (rc == NGX_OK && run->again) {
        return ngx_llmops_load_again(run);
    }

    if (rc != NGX_OK
        || ngx_llmops_evaluation_names(run->mcf, &run->spec, run->spec_json,
                                       err)
           != NGX_OK)
    {
        return ngx_llmops_evaluation_fail(run, "%s", err);
    }

    evs = run->evs;

    if (run->spec.checks) {
        run->scorer = ngx_llmops_scorer_create(run->spec.checks,
                                               evs->rules.elts,
                                               evs->rules.nelts, err,
                                               sizeof(err));
        if (run->scorer == NULL) {
            return ngx_llmops_evaluation_fail(run, "%s", err);
        }
    }

    if (ngx_llmops_load_summary(run) != NGX_OK
        || ngx_llmops_load_whom(run) != NGX_OK)
    {
        return ngx_llmops_evaluation_fail(run, "out of memory");
    }

    run->state = NGX_LLMOPS_RUN_PROMPTS;

    return NGX_OK;
}


/*
 * One that has ended is only added up anew, from what is kept: the dataset, the
 * prompts and the targets may be others by now, or gone.
 */

static ngx_int_t
ngx_llmops_load_again(ngx_llmops_evaluation_run_t *run)
{
    json_int_t  cases;

    cases = json_integer_value(json_object_get(run->doc, "cases"));

    run->set.n = (ngx_uint_t) ngx_max(0, ngx_min(cases,
                                                 NGX_LLMOPS_EVAL_CASES));

    if (ngx_llmops_load_chunks(run) != NGX_OK
        || ngx_llmops_load_summary(run) != NGX_OK)
    {
        return ngx_llmops_evaluation_fail(run, "out of memory");
    }

    run->state = NGX_LLMOPS_RUN_CHUNK;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_load_chunks(ngx_llmops_evaluation_run_t *run)
{
    ngx_uint_t  n;

    n = (run->set.n + NGX_LLMOPS_EVAL_CHUNK - 1) / NGX_LLMOPS_EVAL_CHUNK;

    run->chunks = ngx_calloc(n * sizeof(ngx_llmops_evaluation_chunk_t) + 1,
                             ngx_cycle->log);
    if (run->chunks == NULL) {
        return NGX_ERROR;
    }

    run->nchunks = n;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_load_whom(ngx_llmops_evaluation_run_t *run)
{
    ngx_uint_t                          i;
    ngx_llmops_route_t                 *route;
    ngx_llmops_evaluation_whom_t       *whom;
    ngx_llmops_evaluation_candidate_t  *c;

    for (i = 0; i < run->spec.ncandidates; i++) {
        c = &run->spec.candidates[i];
        whom = &run->whom[i];

        route = c->route.len ? ngx_llmops_route_by_name(run->mcf, &c->route)
                             : NULL;

        if (c->target.len) {
            whom->target = ngx_llmops_evaluation_target(run->evs, &c->target);

        } else {
            whom->route = route;
        }

        ngx_llmops_load_model(whom);

        if (ngx_llmops_load_dress(run, c, route, whom) != NGX_OK) {
            return NGX_ERROR;
        }

        if (whom->name.len) {
            whom->asking = ngx_llmops_prompt_asking_create(run->mcf,
                                                   ngx_llmops_load_wake, run);
            if (whom->asking == NULL) {
                return NGX_ERROR;
            }
        }
    }

    return NGX_OK;
}


/*
 * What callers of a route get with their own messages: its prompt, unless the
 * candidate has one, and the messages that it adds; but for those that have
 * variables, since there is no caller.  Samples are what was sent, and have it.
 */

static ngx_int_t
ngx_llmops_load_dress(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_evaluation_candidate_t *c, ngx_llmops_route_t *route,
    ngx_llmops_evaluation_whom_t *whom)
{
    u_char                      *at;
    ngx_uint_t                   i;
    ngx_llmops_decorator_t      *d;
    ngx_llmops_route_prompt_t   *rp;
    ngx_llmops_route_message_t  *m;

    rp = route ? route->prompt : NULL;

    if (json_object_get(json_object_get(run->spec_json, "dataset"),
                        "samples"))
    {
        rp = NULL;
    }

    if (c->prompt.len) {
        at = ngx_strlchr(c->prompt.data, c->prompt.data + c->prompt.len, '@');

        whom->name.data = c->prompt.data;
        whom->name.len = at - c->prompt.data;
        whom->which.data = at + 1;
        whom->which.len = c->prompt.data + c->prompt.len - whom->which.data;

    } else if (rp && rp->set) {
        whom->name = rp->name;
        whom->which = rp->which;
    }

    if (rp == NULL || rp->messages.nelts == 0) {
        return NGX_OK;
    }

    d = ngx_calloc(rp->messages.nelts * sizeof(ngx_llmops_decorator_t),
                   ngx_cycle->log);
    if (d == NULL) {
        return NGX_ERROR;
    }

    whom->decorators = d;
    m = rp->messages.elts;

    for (i = 0; i < rp->messages.nelts; i++) {

        if (m[i].text.lengths) {
            continue;
        }

        d[whom->ndecorators].role = m[i].role;
        d[whom->ndecorators].append = m[i].append;
        d[whom->ndecorators++].text = m[i].text.value;
    }

    return NGX_OK;
}


/* a route is asked for by the first name that leads to it */

static void
ngx_llmops_load_model(ngx_llmops_evaluation_whom_t *whom)
{
    ngx_str_t   *match;
    ngx_uint_t   i;

    if (whom->target) {
        whom->model = whom->target->model;
        return;
    }

    whom->model = whom->route->name;
    match = whom->route->matches.elts;

    for (i = 0; i < whom->route->matches.nelts; i++) {
        if (match[i].data[match[i].len - 1] != '*') {
            whom->model = match[i];
            return;
        }
    }
}


static ngx_int_t
ngx_llmops_load_summary(ngx_llmops_evaluation_run_t *run)
{
    ngx_uint_t                      i;
    ngx_llmops_summary_ask_t        ask;
    ngx_llmops_evaluation_spec_t   *spec;
    ngx_llmops_summary_candidate_t  candidates[NGX_LLMOPS_EVAL_CANDIDATES];

    spec = &run->spec;

    for (i = 0; i < spec->ncandidates; i++) {
        candidates[i].name = spec->candidates[i].name;
        candidates[i].target = spec->candidates[i].target;
        candidates[i].prompt = spec->candidates[i].prompt;
    }

    ngx_memzero(&ask, sizeof(ngx_llmops_summary_ask_t));

    ask.level = spec->level;
    ask.min_score = spec->min_score;
    ask.margin = spec->margin;
    ask.max_errors = spec->max_errors;
    ask.strict = spec->strict;

    if (run->summary) {
        ngx_llmops_summary_free(run->summary);
    }

    run->summary = ngx_llmops_summary_create(candidates, spec->ncandidates,
                                             spec->baseline, &ask);

    return run->summary ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_load_wake(void *data)
{
    ngx_llmops_evaluation_step(data);
}


/* versions of prompts, one after the other */

ngx_int_t
ngx_llmops_run_prompts(ngx_llmops_evaluation_run_t *run)
{
    ngx_llmops_which_t             found;
    ngx_llmops_evaluation_whom_t  *whom;

    if (run->ready == run->spec.ncandidates) {
        run->state = NGX_LLMOPS_RUN_DATA;
        return NGX_OK;
    }

    whom = &run->whom[run->ready];

    if (whom->asking == NULL) {
        run->ready++;
        return NGX_OK;
    }

    switch (ngx_llmops_prompt_find(whom->asking, &whom->name, &whom->which,
                                   &found, &whom->prompt))
    {
    case NGX_OK:
        run->ready++;
        return NGX_OK;

    case NGX_AGAIN:
        return NGX_AGAIN;

    case NGX_BUSY:
        return ngx_llmops_evaluation_later(run, run->state);

    default:
        return ngx_llmops_evaluation_fail(run, "there is no prompt \"%V@%V\"",
                                          &whom->name, &whom->which);
    }
}


ngx_int_t
ngx_llmops_run_chunk(ngx_llmops_evaluation_run_t *run)
{
    if (run->chunk == run->nchunks) {
        return ngx_llmops_load_loaded(run);
    }

    if (ngx_llmops_evaluation_op(run, NGX_LLMOPS_DOCS_EVALUATED) != NGX_OK) {
        return ngx_llmops_evaluation_later(run, run->state);
    }

    run->op.id = ngx_llmops_evaluation_chunk(run->buf, run->id, run->chunk);

    return ngx_llmops_evaluation_ask(run, ngx_llmops_store_get,
                                     NGX_LLMOPS_RUN_CHUNK_GOT);
}


ngx_int_t
ngx_llmops_run_chunk_got(ngx_llmops_evaluation_run_t *run)
{
    json_t                         *cases, *kase;
    const char                     *key;
    ngx_llmops_evaluation_chunk_t  *chunk;

    if (run->op.rc == NGX_ERROR || run->op.rc == NGX_BUSY) {
        return ngx_llmops_evaluation_later(run, NGX_LLMOPS_RUN_CHUNK);
    }

    chunk = &run->chunks[run->chunk];

    if (run->op.rc == NGX_OK) {
        cases = ngx_llmops_evaluation_load(&run->op.doc.value);

        json_decref(chunk->cases);

        chunk->cases = cases;
        chunk->revision = run->op.doc.revision;
        chunk->n = json_object_size(cases);

        json_object_foreach(cases, key, kase) {
            ngx_llmops_evaluation_count(run, kase);
        }

        if (chunk->n == ngx_llmops_evaluation_chunk_size(run, run->chunk)) {
            json_decref(chunk->cases);
            chunk->cases = NULL;
        }
    }

    run->chunk++;
    run->state = NGX_LLMOPS_RUN_CHUNK;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_load_loaded(ngx_llmops_evaluation_run_t *run)
{
    run->running = 1;
    run->loaded = 1;
    run->next = 0;
    run->state = NGX_LLMOPS_RUN_IDLE;

    if (run->again) {
        run->stop = 1;
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_evaluation_recount(ngx_llmops_evaluation_run_t *run)
{
    ngx_uint_t  i;

    for (i = 0; i < run->nchunks; i++) {
        json_decref(run->chunks[i].cases);
        ngx_memzero(&run->chunks[i], sizeof(ngx_llmops_evaluation_chunk_t));
    }

    run->done = 0;
    run->failed = 0;
    run->chunk = 0;
    run->state = NGX_LLMOPS_RUN_CHUNK;

    return ngx_llmops_load_summary(run);
}
