
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"
#include "ngx_llmops_rules.h"


/*
 * What is seen of a request, once it is over, and the shared memory of a
 * rollout.
 *
 * A candidate that fails is hidden from callers by the route's own targets,
 * which are asked next: a failure is here that of the first target of the
 * plan, whatever the caller got in the end.  Times, tokens and money count only
 * where that target has answered.
 *
 * Counters are added to without a lock.  An observation is counted in "n" first
 * and in "k" afterwards, and read the other way round: a reader never sees
 * more that is bad than there have been requests.
 */


static ngx_int_t ngx_llmops_rollout_failed(ngx_llmops_ctx_t *ctx);
static void ngx_llmops_rollout_checks(ngx_llmops_ctx_t *ctx,
    ngx_uint_t *broken, ngx_uint_t *ended, ngx_uint_t *refused);
static void ngx_llmops_rollout_times(ngx_llmops_ctx_t *ctx,
    ngx_llmops_rollout_t *ro, ngx_uint_t candidate);
static void ngx_llmops_rollout_failures(ngx_llmops_rollout_guard_sh_t *sh,
    ngx_uint_t failed);
static void ngx_llmops_rollout_zero(ngx_llmops_rollout_t *ro,
    const ngx_llmops_rollout_doc_t *doc);


void
ngx_llmops_rollout_observe(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx)
{
    ngx_int_t              failed;
    ngx_uint_t             candidate, broken, ended, refused;
    ngx_llmops_rollout_t  *ro;

    if (ctx->arm == NULL || ctx->arm->cut) {
        return;
    }

    ro = ctx->arm->rollout;
    candidate = ctx->arm->candidate;

    failed = ngx_llmops_rollout_failed(ctx);

    if (failed == NGX_DECLINED) {
        return;
    }

    (void) ngx_atomic_fetch_add(&ro->sh->total[candidate][failed], 1);

    if (!ctx->arm->watched
        || (uint32_t) ro->sh->counted != ctx->arm->epoch)
    {
        return;                              /* of a step that is over */
    }

    (void) ngx_atomic_fetch_add(&ro->sh->requests[candidate], 1);

    ngx_llmops_rollout_count(ro, NGX_LLMOPS_MEASURE_ERRORS, candidate,
                             failed);
    ngx_llmops_rollout_count(ro, NGX_LLMOPS_MEASURE_FAILURES, candidate,
                             failed);

    if (failed) {
        ngx_llmops_rollout_compare(ro, ctx, 1, 0, 0);
        return;
    }

    ngx_llmops_rollout_checks(ctx, &broken, &ended, &refused);

    ngx_llmops_rollout_compare(ro, ctx, 0, broken,
                               !ended && ctx->call.cur == 0);

    if (ctx->route->ruled) {
        ngx_llmops_rollout_count(ro, NGX_LLMOPS_MEASURE_CHECKS, candidate,
                                 broken);
    }

    ngx_llmops_rollout_count(ro, NGX_LLMOPS_MEASURE_REFUSALS, candidate,
                             refused);

    if (!ended && ctx->call.cur == 0) {
        ngx_llmops_rollout_times(ctx, ro, candidate);
    }
}


/* 0, 1; NGX_DECLINED: nobody has been asked, or the caller has left */

static ngx_int_t
ngx_llmops_rollout_failed(ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t  broken, ended, refused;

    if (ctx->call.attempts == 0 && ctx->call.cur == 0) {
        return NGX_DECLINED;
    }

    /* an answer that a rule has ended or sent on is an answer */

    ngx_llmops_rollout_checks(ctx, &broken, &ended, &refused);

    if (ended) {
        return 0;
    }

    if (ctx->call.cur > 0) {
        return 1;
    }

    if (ctx->error == NGX_LLMOPS_ERR_CLIENT_ABORT) {
        return NGX_DECLINED;
    }

    return ctx->error != NGX_LLMOPS_ERR_NONE;
}


/* rules on the answer: whether one is broken, whether that was the end of it,
   and whether it is the one that knows refusals ("SET.refusal") */

static void
ngx_llmops_rollout_checks(ngx_llmops_ctx_t *ctx, ngx_uint_t *broken,
    ngx_uint_t *ended, ngx_uint_t *refused)
{
    ngx_str_t             *name;
    ngx_uint_t             i;
    ngx_llmops_checked_t  *c;

    static const ngx_str_t  refusal = ngx_string(".refusal");

    *broken = 0;
    *ended = 0;
    *refused = (ctx->meter.finish == NGX_LLMOPS_FINISH_CONTENT_FILTER);

    if (ctx->checked == NULL) {
        return;
    }

    c = ctx->checked->elts;

    for (i = 0; i < ctx->checked->nelts; i++) {

        if (c[i].input) {
            continue;
        }

        *broken = 1;

        if (c[i].action == NGX_LLMOPS_ACT_STOP
            || c[i].action == NGX_LLMOPS_ACT_NEXT)
        {
            *ended = 1;
        }

        name = &c[i].rule->name;

        if (name->len > refusal.len
            && ngx_memcmp(name->data + name->len - refusal.len, refusal.data,
                          refusal.len)
               == 0)
        {
            *refused = 1;
        }
    }
}


static void
ngx_llmops_rollout_times(ngx_llmops_ctx_t *ctx, ngx_llmops_rollout_t *ro,
    ngx_uint_t candidate)
{
    ngx_msec_t  total;

    total = ngx_llmops_ctx_total(ctx);

    ngx_llmops_rollout_count(ro, NGX_LLMOPS_MEASURE_LATENCY, candidate,
                             (double) total);

    if (ctx->cost >= 0) {
        ngx_llmops_rollout_count(ro, NGX_LLMOPS_MEASURE_COST, candidate,
                                 (double) ctx->cost / 1e12);
    }

    /* a whole answer comes at once: its first byte is not its first token */

    if (!ctx->call.streaming || ctx->first_token == (ngx_msec_t) -1) {
        return;
    }

    ngx_llmops_rollout_count(ro, NGX_LLMOPS_MEASURE_FIRST_TOKEN, candidate,
                             (double) ctx->first_token);

    if (ctx->meter.usage.output > 1 && total > ctx->first_token) {
        ngx_llmops_rollout_count(ro, NGX_LLMOPS_MEASURE_SPEED, candidate,
                                 (double) (ctx->meter.usage.output - 1) * 1000
                                 / (double) (total - ctx->first_token));
    }
}


void
ngx_llmops_rollout_count(ngx_llmops_rollout_t *ro,
    ngx_llmops_measure_e measure, ngx_uint_t candidate, double value)
{
    double                          x;
    ngx_uint_t                      i;
    ngx_llmops_guard_t             *guard;
    ngx_llmops_rollout_guard_sh_t  *sh;

    if ((ro->measures & ((ngx_uint_t) 1 << measure)) == 0) {
        return;
    }

    for (i = 0; i < ro->nguards; i++) {

        guard = &ro->guards[i];
        sh = ro->guard_sh[i];

        if (guard->measure != measure || sh == NULL) {
            continue;
        }

        if (guard->mode == NGX_LLMOPS_GUARD_ROW) {
            if (candidate) {
                ngx_llmops_rollout_failures(sh, value > 0);
            }

            continue;
        }

        (void) ngx_atomic_fetch_add(&sh->n[candidate], 1);

        if (ngx_llmops_guard_binned(guard)) {
            (void) ngx_atomic_fetch_add(
                   &sh->bins[candidate][ngx_llmops_guard_bin(guard, value)],
                   1);
            continue;
        }

        x = ngx_llmops_guard_x(guard, value);

        if (x > 0) {
            (void) ngx_atomic_fetch_add(&sh->k[candidate],
                            (ngx_atomic_int_t) (x * NGX_LLMOPS_ROLLOUT_MICRO));
        }
    }
}


/* a success ends a row; the longest one is what counts, since the end of it may
   come before anybody has looked */

static void
ngx_llmops_rollout_failures(ngx_llmops_rollout_guard_sh_t *sh,
    ngx_uint_t failed)
{
    ngx_atomic_uint_t  n, most;

    (void) ngx_atomic_fetch_add(&sh->n[1], 1);

    if (!failed) {

        if (sh->in_row) {
            sh->in_row = 0;
        }

        return;
    }

    (void) ngx_atomic_fetch_add(&sh->k[1], NGX_LLMOPS_ROLLOUT_MICRO);

    n = ngx_atomic_fetch_add(&sh->in_row, 1) + 1;

    for (most = sh->row; most < n; most = sh->row) {
        if (ngx_atomic_cmp_set(&sh->row, most, n)) {
            break;
        }
    }
}


void
ngx_llmops_rollout_seen(ngx_llmops_rollout_t *ro, ngx_uint_t guard,
    ngx_llmops_guard_seen_t *seen)
{
    ngx_uint_t                      i, arm;
    ngx_llmops_rollout_guard_sh_t  *sh;

    ngx_memzero(seen, sizeof(ngx_llmops_guard_seen_t));

    sh = ro->guard_sh[guard];

    if (sh == NULL) {
        return;
    }

    seen->row = sh->row;

    for (arm = 0; arm < 2; arm++) {

        seen->arm[arm].k = (double) sh->k[arm] / NGX_LLMOPS_ROLLOUT_MICRO;

        ngx_memory_barrier();

        seen->arm[arm].n = (double) sh->n[arm];

        if (!ngx_llmops_guard_binned(&ro->guards[guard])) {
            continue;
        }

        for (i = 0; i < NGX_LLMOPS_SEQ_BINS; i++) {
            seen->bins[arm][i] = sh->bins[arm][i];
        }
    }
}


/* -- shared memory -------------------------------------------------------- */

void
ngx_llmops_rollout_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro)
{
    ngx_str_t   name;
    ngx_uint_t  i;

    ro->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_ROLLOUT, &ro->id,
                                  sizeof(ngx_llmops_rollout_sh_t));

    for (i = 0; i < ro->nguards; i++) {

        /* by its text: a reload may reorder guards */

        name.len = ro->id.len + 1 + ro->guards[i].text.len;
        name.data = ngx_alloc(name.len, ngx_cycle->log);

        if (name.data == NULL) {
            ro->sh = NULL;
            return;
        }

        ngx_sprintf(name.data, "%V\n%V", &ro->id, &ro->guards[i].text);

        ro->guard_sh[i] = ngx_llmops_zone_node(mcf->zone,
                                      NGX_LLMOPS_NODE_GUARD, &name,
                                      sizeof(ngx_llmops_rollout_guard_sh_t));
        ngx_free(name.data);

        /* a candidate that nobody can watch gets nothing */

        if (ro->guard_sh[i] == NULL) {
            ro->sh = NULL;
            return;
        }
    }

    ro->arms = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_ARMS, &ro->id,
                                    sizeof(ngx_llmops_rollout_arms_sh_t));
}


ngx_uint_t
ngx_llmops_rollout_doc_share(ngx_llmops_rollout_t *ro,
    const ngx_llmops_rollout_doc_t *doc)
{
    switch (doc->state) {

    case NGX_LLMOPS_ROLLOUT_PROMOTED:
        return 10000;

    case NGX_LLMOPS_ROLLOUT_ROLLED_BACK:
        return 0;

    default:
        return ro->steps[ngx_min(doc->step, ro->nsteps - 1)];
    }
}


void
ngx_llmops_rollout_publish(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro, const ngx_llmops_rollout_doc_t *doc,
    uint64_t revision, ngx_uint_t force)
{
    ngx_slab_pool_t          *shpool;
    ngx_llmops_rollout_sh_t  *sh;

    sh = ro->sh;

    if (sh == NULL) {
        return;
    }

    shpool = (ngx_slab_pool_t *) mcf->zone->shm.addr;

    ngx_shmtx_lock(&shpool->mutex);

    if (force || revision >= sh->revision) {

        sh->revision = revision;
        sh->since = (ngx_atomic_uint_t) doc->since;
        sh->ill = (ngx_atomic_uint_t) doc->ill;
        sh->word = ngx_llmops_rollout_word(doc->epoch, doc->step, doc->state,
                                      ngx_llmops_rollout_doc_share(ro, doc));
        ngx_memory_barrier();

        if (!ngx_llmops_rollout_counts(ro, doc->epoch)) {
            ngx_llmops_rollout_zero(ro, doc);

            ngx_memory_barrier();

            sh->counted = doc->epoch;
        }
    }

    ngx_shmtx_unlock(&shpool->mutex);
}


/* with another epoch all of it, else what is left of an older one; what has led
   to the end of a canary can still be looked at */

static void
ngx_llmops_rollout_zero(ngx_llmops_rollout_t *ro,
    const ngx_llmops_rollout_doc_t *doc)
{
    uint32_t                        epoch;
    ngx_uint_t                      i, all;
    ngx_llmops_rollout_guard_sh_t  *sh;

    epoch = doc->epoch;
    all = ((uint32_t) ro->sh->counted != epoch);

    if (all) {
        ngx_memzero((void *) ro->sh->requests, sizeof(ro->sh->requests));
        ngx_memzero((void *) ro->sh->seen, sizeof(ro->sh->seen));

        if (ro->arms && doc->state == NGX_LLMOPS_ROLLOUT_RUNNING) {
            ngx_memzero(ro->arms, sizeof(ngx_llmops_rollout_arms_sh_t));
        }
    }

    for (i = 0; i < ro->nguards; i++) {

        sh = ro->guard_sh[i];

        if (all || (uint32_t) sh->epoch != epoch) {
            ngx_memzero(sh, sizeof(ngx_llmops_rollout_guard_sh_t));
            sh->epoch = epoch;
        }
    }
}


ngx_uint_t
ngx_llmops_rollout_counts(ngx_llmops_rollout_t *ro, uint32_t epoch)
{
    ngx_uint_t  i;

    for (i = 0; i < ro->nguards; i++) {
        if ((uint32_t) ro->guard_sh[i]->epoch != epoch) {
            return 0;
        }
    }

    return (uint32_t) ro->sh->counted == epoch;
}
