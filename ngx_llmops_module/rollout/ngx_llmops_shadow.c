
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_shadow_own.h"
#include "ngx_llmops_plain.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_samples.h"


/*
 * Shadows: a share of a route's requests is sent to a candidate as well, and
 * what it says is compared with what the caller got.
 *
 * A caller must not notice.  So a copy is made only when the request is over
 * and its answer has gone out; all that happens before is one random number
 * and, for those that are drawn, a bounded copy of the answer.  A copy is a
 * detached request that nobody waits for; how many there may be is bounded
 * here for each shadow, and for all together by llm_detached.  What is not
 * made is counted, by the bound that forbade it.
 *
 * Pairs are compared when the copy is over, in this worker, and leave nothing
 * but sums: no text outlives the comparison, unless the route has "sample".  By
 * meaning they are compared in ngx_llmops_shadow_meaning.c; which one is better
 * a judge is asked in ngx_llmops_shadow_judge.c, who keeps the pair until he
 * has spoken.
 *
 * The bounds rate= and budget= are shared by all workers.  Their words are
 * changed one by one: when a second begins, two workers may both begin it, and
 * one of them forgets what the other has just used; what is asked for is a
 * bound on load and money, not a ledger, which metering has elsewhere.
 */


#define NGX_LLMOPS_SHADOW_DAY    86400


static ngx_uint_t ngx_llmops_shadow_copies(ngx_llmops_op_e op);
static void ngx_llmops_shadow_one(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx, ngx_llmops_shadow_t *s);
static ngx_llmops_shadow_outcome_e ngx_llmops_shadow_bound(
    ngx_llmops_shadow_t *s);
static ngx_llmops_pair_t *ngx_llmops_shadow_pair(ngx_llmops_ctx_t *ctx,
    ngx_llmops_shadow_t *s);
static ngx_int_t ngx_llmops_shadow_start(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx, ngx_llmops_pair_t *pair);
static void ngx_llmops_shadow_done(ngx_llmops_detached_t *d);
static ngx_int_t ngx_llmops_shadow_compare(ngx_llmops_pair_t *pair);
static void ngx_llmops_shadow_sum(ngx_llmops_shadow_side_t *side,
    ngx_msec_t time, ngx_msec_t first_token, int64_t tokens, size_t bytes,
    int64_t cost);
static void ngx_llmops_shadow_count(ngx_llmops_shadow_t *s,
    ngx_llmops_shadow_outcome_e outcome);


ngx_int_t
ngx_llmops_shadow_draw(ngx_llmops_ctx_t *ctx)
{
    uintptr_t             drawn;
    ngx_uint_t            i;
    ngx_array_t          *shadows;
    ngx_llmops_shadow_t  *s;

    shadows = ctx->plan.route->shadows;

    if (shadows == NULL || ctx->detached || !ctx->env.json
        || !ngx_llmops_shadow_copies(ctx->env.op))
    {
        return NGX_OK;
    }

    s = shadows->elts;
    drawn = 0;

    for (i = 0; i < shadows->nelts; i++) {
        if ((ngx_uint_t) ngx_random() % 10000 < s[i].share) {
            drawn |= (uintptr_t) 1 << i;
        }
    }

    ctx->shadow = (void *) drawn;

    return drawn && ngx_llmops_check_op(ctx->env.op)
           ? ngx_llmops_keep(ctx, NGX_LLMOPS_SHADOW_KEPT) : NGX_OK;
}


/* what creates or costs nothing but its answer */

static ngx_uint_t
ngx_llmops_shadow_copies(ngx_llmops_op_e op)
{
    return (ngx_llmops_check_op(op) && op != NGX_LLMOPS_OP_RESPONSES)
           || op == NGX_LLMOPS_OP_EMBEDDINGS
           || op == NGX_LLMOPS_OP_RERANK || op == NGX_LLMOPS_OP_MODERATIONS;
}


void
ngx_llmops_shadow_cast(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx)
{
    uintptr_t             drawn;
    ngx_uint_t            i;
    ngx_llmops_shadow_t  *s;

    drawn = (uintptr_t) ctx->shadow;
    ctx->shadow = NULL;

    if (drawn == 0 || !ctx->call.committed
        || ctx->error != NGX_LLMOPS_ERR_NONE)
    {
        return;
    }

    s = ctx->plan.route->shadows->elts;

    for (i = 0; drawn >> i; i++) {
        if (drawn >> i & 1) {
            ngx_llmops_shadow_one(mcf, ctx, &s[i]);
        }
    }
}


static void
ngx_llmops_shadow_one(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx,
    ngx_llmops_shadow_t *s)
{
    ngx_int_t                     rc;
    ngx_llmops_pair_t            *pair;
    ngx_llmops_shadow_outcome_e   outcome;

    outcome = ngx_llmops_shadow_bound(s);

    if (outcome != NGX_LLMOPS_SHADOW_COMPARED) {
        ngx_llmops_shadow_count(s, outcome);
        return;
    }

    pair = ngx_llmops_shadow_pair(ctx, s);
    if (pair == NULL) {
        ngx_llmops_shadow_count(s, NGX_LLMOPS_SHADOW_FAILED);
        return;
    }

    s->n++;

    rc = ngx_llmops_shadow_start(mcf, ctx, pair);

    if (rc != NGX_OK) {
        ngx_llmops_shadow_count(s, rc == NGX_BUSY ? NGX_LLMOPS_SHADOW_MAX
                                                  : NGX_LLMOPS_SHADOW_FAILED);
        s->n--;
        ngx_llmops_shadow_end(pair, NULL, NULL);
        return;
    }

    pair->sample = ngx_llmops_sample_draft(ctx);
}


/* COMPARED: none forbids it */

static ngx_llmops_shadow_outcome_e
ngx_llmops_shadow_bound(ngx_llmops_shadow_t *s)
{
    ngx_atomic_uint_t        window, was;
    ngx_llmops_shadow_sh_t  *sh;

    if (s->n >= s->max || ngx_exiting) {
        return NGX_LLMOPS_SHADOW_MAX;           /* nobody would wait for it */
    }

    sh = s->sh;

    if (sh == NULL) {
        return s->rate || s->budget ? NGX_LLMOPS_SHADOW_MAX
                                    : NGX_LLMOPS_SHADOW_COMPARED;
    }

    if (ngx_llmops_shadow_is_spent(s)) {
        return NGX_LLMOPS_SHADOW_BUDGET;
    }

    if (s->rate) {
        window = ngx_time() / s->period;
        was = sh->window;

        if (was != window && ngx_atomic_cmp_set(&sh->window, was, window)) {
            sh->used = 0;
        }

        if ((ngx_uint_t) ngx_atomic_fetch_add(&sh->used, 1) >= s->rate) {
            return NGX_LLMOPS_SHADOW_RATE;
        }
    }

    return NGX_LLMOPS_SHADOW_COMPARED;
}


ngx_uint_t
ngx_llmops_shadow_is_spent(ngx_llmops_shadow_t *s)
{
    ngx_atomic_uint_t        day, was;
    ngx_llmops_shadow_sh_t  *sh;

    sh = s->sh;

    if (s->budget == 0 || sh == NULL) {
        return 0;
    }

    day = ngx_time() / NGX_LLMOPS_SHADOW_DAY;
    was = sh->day;

    if (was != day && ngx_atomic_cmp_set(&sh->day, was, day)) {
        sh->spent = 0;
    }

    return (int64_t) sh->spent >= s->budget;
}


void
ngx_llmops_shadow_spend(ngx_llmops_shadow_t *s, int64_t cost)
{
    if (s->sh && cost > 0) {
        (void) ngx_atomic_fetch_add(&s->sh->spent, (ngx_atomic_int_t) cost);
    }
}


static ngx_llmops_pair_t *
ngx_llmops_shadow_pair(ngx_llmops_ctx_t *ctx, ngx_llmops_shadow_t *s)
{
    ngx_str_t              answer;
    ngx_llmops_pair_t     *pair;
    ngx_llmops_reverse_t  *reverse;

    pair = ngx_calloc(sizeof(ngx_llmops_pair_t), ngx_cycle->log);
    if (pair == NULL) {
        return NULL;
    }

    pair->shadow = s;
    pair->op = ctx->env.op;
    pair->stream = ctx->env.stream;
    pair->time = ngx_llmops_ctx_total(ctx);
    pair->first_token = ctx->call.streaming ? ctx->first_token
                                            : (ngx_msec_t) -1;
    pair->tokens = ctx->meter.usage.output;
    pair->cost = ctx->cost;

    ngx_llmops_out_init(&pair->text, NGX_LLMOPS_SHADOW_KEPT);
    ngx_llmops_out_init(&pair->said, NGX_LLMOPS_SHADOW_KEPT);

    if (ctx->kept && !ctx->kept->failed) {
        answer.data = ctx->kept->data;
        answer.len = ctx->kept->len;

        pair->has_text = (ngx_llmops_plain_answer(pair->op, &answer,
                                                  pair->stream, &pair->text)
                          == NGX_OK);

        /* the candidate knows placeholders alone */

        reverse = ngx_llmops_rules_reverse(ctx);

        if (reverse
            && ngx_llmops_reverse_hide(reverse, &pair->text) != NGX_OK)
        {
            pair->has_text = 0;
        }
    }

    ngx_llmops_shadow_judge_draw(ctx, pair);

    return pair;
}


static ngx_int_t
ngx_llmops_shadow_start(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx,
    ngx_llmops_pair_t *pair)
{
    ngx_llmops_detached_t  *d;

    d = &pair->d;
    pair->mcf = mcf;

    /* as the rules of input and the prompt have left it */

    if (ngx_llmops_body_memory(ctx->request, ctx, &d->body) != NGX_OK) {
        return NGX_ERROR;
    }

    d->target = pair->shadow->target;
    d->from = ctx;
    d->path = ctx->request->uri;
    d->purpose = "shadow";
    d->max = NGX_LLMOPS_SHADOW_KEPT;
    d->timeout = pair->shadow->timeout;
    d->headers = 1;
    d->background = 1;
    d->handler = ngx_llmops_shadow_done;
    d->data = pair;

    return ngx_llmops_detached_start(mcf, d);
}


static void
ngx_llmops_shadow_done(ngx_llmops_detached_t *d)
{
    ngx_int_t             similar;
    ngx_uint_t            judged;
    ngx_llmops_pair_t    *pair = d->data;
    ngx_llmops_shadow_t  *s;

    s = pair->shadow;
    s->n--;

    similar = NGX_ERROR;
    judged = 0;

    ngx_llmops_shadow_spend(s, d->cost);

    if (d->broken) {
        ngx_llmops_shadow_count(s, NGX_LLMOPS_SHADOW_REFUSED);

    } else if (d->error != NGX_LLMOPS_ERR_NONE) {
        ngx_llmops_shadow_count(s, NGX_LLMOPS_SHADOW_FAILED);

    } else {
        ngx_llmops_shadow_count(s, NGX_LLMOPS_SHADOW_COMPARED);
        similar = ngx_llmops_shadow_compare(pair);
        judged = pair->judged && pair->has_said;
    }

    if (pair->sample) {
        ngx_llmops_sample_pair(pair->sample, d, similar);
    }

    if (judged) {
        ngx_llmops_shadow_judge(pair);

    } else {
        ngx_llmops_shadow_end(pair, NULL, NULL);
    }
}


/* how similar they are, in thousandths; NGX_ERROR: nobody knows */

static ngx_int_t
ngx_llmops_shadow_compare(ngx_llmops_pair_t *pair)
{
    ngx_int_t                similar;
    ngx_str_t                stable, shadow;
    ngx_llmops_detached_t   *d;
    ngx_llmops_shadow_sh_t  *sh;

    d = &pair->d;
    sh = pair->shadow->sh;
    similar = NGX_ERROR;

    if (sh == NULL) {
        return NGX_ERROR;
    }

    if (pair->has_text && !d->truncated
        && ngx_llmops_plain_answer(pair->op, &d->answer, pair->stream,
                                   &pair->said)
           == NGX_OK)
    {
        pair->has_said = 1;

        stable.data = pair->text.data;
        stable.len = pair->text.len;
        shadow.data = pair->said.data;
        shadow.len = pair->said.len;

        similar = ngx_llmops_plain_similar(&stable, &shadow);

        if (similar != NGX_ERROR) {
            ngx_llmops_shadow_similar(&sh->words, similar);
        }

        ngx_llmops_shadow_meaning(pair->mcf, pair->shadow, &stable, &shadow);
    }

    ngx_llmops_shadow_sum(&sh->sides[0], pair->time, pair->first_token,
                          pair->tokens, pair->text.len, pair->cost);
    ngx_llmops_shadow_sum(&sh->sides[1], d->total, d->first_token,
                          d->meter.usage.output, pair->said.len, d->cost);

    return similar;
}


void
ngx_llmops_shadow_similar(ngx_llmops_shadow_similar_t *similar,
    ngx_uint_t thousandths)
{
    ngx_uint_t  i;

    i = ngx_min(thousandths / 100, NGX_LLMOPS_SHADOW_BUCKETS - 1);

    (void) ngx_atomic_fetch_add(&similar->counts[i], 1);
    (void) ngx_atomic_fetch_add(&similar->sum, ngx_min(thousandths, 1000));
}


static void
ngx_llmops_shadow_sum(ngx_llmops_shadow_side_t *side, ngx_msec_t time,
    ngx_msec_t first_token, int64_t tokens, size_t bytes, int64_t cost)
{
    (void) ngx_atomic_fetch_add(&side->time, time);
    (void) ngx_atomic_fetch_add(&side->bytes, bytes);

    if (first_token != (ngx_msec_t) -1) {
        (void) ngx_atomic_fetch_add(&side->first_token, first_token);
    }

    if (tokens > 0) {
        (void) ngx_atomic_fetch_add(&side->tokens, (ngx_atomic_int_t) tokens);
    }

    if (cost > 0) {
        (void) ngx_atomic_fetch_add(&side->cost, (ngx_atomic_int_t) cost);
    }
}


void
ngx_llmops_shadow_end(ngx_llmops_pair_t *pair, const char *winner,
    const char *comment)
{
    if (pair->sample) {
        ngx_llmops_sample_close(pair->sample, winner, comment);
    }

    ngx_llmops_out_free(&pair->text);
    ngx_llmops_out_free(&pair->said);
    ngx_llmops_out_free(&pair->input);
    ngx_free(pair);
}


static void
ngx_llmops_shadow_count(ngx_llmops_shadow_t *s,
    ngx_llmops_shadow_outcome_e outcome)
{
    if (s->sh) {
        (void) ngx_atomic_fetch_add(&s->sh->outcomes[outcome], 1);
    }
}
