
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_rollout.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_registry.h"
#include "ngx_llmops_prompt_conf.h"
#include "ngx_llmops_ask.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_route.h"

#include <openssl/rand.h>


/*
 * What a model thinks of the answers of both arms: "judge=" of a canary, for
 * guards "judge>...".  A share of the answers is drawn before they are sent,
 * the same of each arm, and kept while they go out; when the caller has been
 * served the judge is asked by a detached request, and what it says is counted
 * for the arm, if the step that the answer belongs to still lasts.
 *
 * The judge is told what the rule of the same name tells it, and has never been
 * told which arm it is.  What it does not answer, or not so that it can be
 * read, is not counted: it must not be taken for a bad answer, nor for a good
 * one.  How many may be under way is bounded, beside the bounds of all detached
 * requests; what is beyond is dropped.
 */


#define NGX_LLMOPS_JUDGE_SHARE    1000     /* of 10000 */
#define NGX_LLMOPS_JUDGE_TIMEOUT  30000    /* ms */
#define NGX_LLMOPS_JUDGE_TEXT     (256 * 1024)
#define NGX_LLMOPS_JUDGE_BODY     (4 * 1024 * 1024)
#define NGX_LLMOPS_JUDGE_ANSWER   65536
#define NGX_LLMOPS_JUDGE_MAX      16       /* of a canary, in a worker */


struct ngx_llmops_judge_s {
    ngx_llmops_ask_t           ask;        /* a score, by .rubric, of .target */
    ngx_uint_t                 share;      /* of 10000; 0: not given */
    ngx_uint_t                 n;          /* under way in this worker */
};

typedef struct ngx_llmops_judge_s  ngx_llmops_judge_t;


/* what has to be known of a request when the verdict comes */

typedef struct {
    ngx_llmops_detached_t      d;
    ngx_llmops_rollout_t      *ro;
    uint32_t                   epoch;
    ngx_uint_t                 candidate;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_target_t       *target;     /* whose answer it is */
    ngx_str_t                  prompt;     /* NAME@VERSION, behind this, or
                                              len 0 */
} ngx_llmops_judging_t;


static ngx_llmops_judge_t *ngx_llmops_judge_of(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro);
static ngx_int_t ngx_llmops_judge_ask(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx, ngx_llmops_judge_t *judge);
static ngx_int_t ngx_llmops_judge_body(ngx_llmops_ctx_t *ctx,
    ngx_llmops_judge_t *judge, ngx_llmops_out_t *body);
static ngx_int_t ngx_llmops_judge_start(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx, ngx_llmops_judge_t *judge, ngx_str_t *body);
static void ngx_llmops_judge_said(ngx_llmops_detached_t *d);
static void ngx_llmops_judge_count(ngx_llmops_rollout_t *ro,
    ngx_llmops_judged_e what);


ngx_int_t
ngx_llmops_rollout_judge_draw(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_arm_t    *arm;
    ngx_llmops_judge_t  *judge;

    arm = ctx->arm;

    if (arm == NULL || !arm->watched || arm->rollout->judge == NULL
        || ctx->detached || !ctx->env.json
        || !ngx_llmops_check_op(ctx->env.op))
    {
        return NGX_OK;
    }

    judge = arm->rollout->judge;

    if ((ngx_uint_t) ngx_random() % 10000 >= judge->share) {
        return NGX_OK;
    }

    arm->judged = 1;

    return ngx_llmops_keep(ctx, NGX_LLMOPS_JUDGE_TEXT);
}


void
ngx_llmops_rollout_judge(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_judge_t    *judge;
    ngx_llmops_rollout_t  *ro;

    if (!ctx->arm->judged || ctx->call.cur > 0 || ctx->kept == NULL
        || ctx->kept->failed)
    {
        return;
    }

    ro = ctx->arm->rollout;
    judge = ro->judge;

    if (judge->n >= NGX_LLMOPS_JUDGE_MAX || ngx_exiting) {
        ngx_llmops_judge_count(ro, NGX_LLMOPS_JUDGED_DROPPED);
        return;
    }

    switch (ngx_llmops_judge_ask(mcf, ctx, judge)) {

    case NGX_OK:
        break;

    case NGX_BUSY:
        ngx_llmops_judge_count(ro, NGX_LLMOPS_JUDGED_DROPPED);
        break;

    default:
        ngx_llmops_judge_count(ro, NGX_LLMOPS_JUDGED_FAILED);
    }
}


/* NGX_OK: it is under way; NGX_BUSY: there are too many detached requests;
   NGX_ERROR */

static ngx_int_t
ngx_llmops_judge_ask(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx,
    ngx_llmops_judge_t *judge)
{
    ngx_int_t         rc;
    ngx_str_t         text;
    ngx_llmops_out_t  body;

    ngx_llmops_out_init(&body, NGX_LLMOPS_JUDGE_BODY);

    rc = ngx_llmops_judge_body(ctx, judge, &body);

    if (rc == NGX_OK) {
        text.data = body.data;
        text.len = body.len;

        rc = ngx_llmops_judge_start(mcf, ctx, judge, &text);
    }

    ngx_llmops_out_free(&body);

    return rc;
}


static ngx_int_t
ngx_llmops_judge_body(ngx_llmops_ctx_t *ctx, ngx_llmops_judge_t *judge,
    ngx_llmops_out_t *body)
{
    u_char                  random[8], boundary[16];
    ngx_int_t               rc;
    ngx_str_t               answer;
    ngx_llmops_out_t        input, output;
    ngx_llmops_question_t   q;

    if (RAND_bytes(random, sizeof(random)) != 1) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(boundary, random, sizeof(random));

    ngx_llmops_out_init(&input, NGX_LLMOPS_JUDGE_TEXT);
    ngx_llmops_out_init(&output, NGX_LLMOPS_JUDGE_TEXT);

    answer.data = ctx->kept->data;
    answer.len = ctx->kept->len;

    rc = ngx_llmops_ask_texts(ctx, &answer,
                              ctx->call.streaming && !ctx->call.hold, &input,
                              &output);

    if (rc == NGX_OK) {
        ngx_memzero(&q, sizeof(ngx_llmops_question_t));

        q.input.data = input.data;
        q.input.len = input.len;
        q.output.data = output.data ? output.data : (u_char *) "";
        q.output.len = output.len;

        ngx_llmops_ask_body(&judge->ask, &q, boundary, body);

        rc = body->failed ? NGX_ERROR : NGX_OK;
    }

    ngx_llmops_out_free(&input);
    ngx_llmops_out_free(&output);

    return rc;
}


static ngx_int_t
ngx_llmops_judge_start(ngx_llmops_main_conf_t *mcf, ngx_llmops_ctx_t *ctx,
    ngx_llmops_judge_t *judge, ngx_str_t *body)
{
    ngx_int_t              rc;
    ngx_str_t              prompt;
    ngx_llmops_judging_t  *j;

    ngx_str_null(&prompt);

    if (ctx->prompt) {
        prompt = ctx->prompt->full;
    }

    j = ngx_calloc(sizeof(ngx_llmops_judging_t) + prompt.len, ngx_cycle->log);
    if (j == NULL) {
        return NGX_ERROR;
    }

    /* one of the store does not live as long */

    j->prompt.len = prompt.len;
    j->prompt.data = (u_char *) j + sizeof(ngx_llmops_judging_t);

    if (prompt.len) {
        ngx_memcpy(j->prompt.data, prompt.data, prompt.len);
    }

    j->ro = ctx->arm->rollout;
    j->epoch = ctx->arm->epoch;
    j->candidate = ctx->arm->candidate;
    j->mcf = mcf;
    j->target = ctx->target;

    j->d.target = judge->ask.target;
    j->d.from = ctx;
    j->d.body = *body;
    j->d.purpose = "judge";
    j->d.max = NGX_LLMOPS_JUDGE_ANSWER;
    j->d.timeout = judge->ask.timeout;
    j->d.background = 1;
    j->d.handler = ngx_llmops_judge_said;
    j->d.data = j;

    ngx_str_set(&j->d.path, "/v1/chat/completions");

    rc = ngx_llmops_detached_start(mcf, &j->d);

    if (rc != NGX_OK) {
        ngx_free(j);
        return rc;
    }

    judge->n++;

    return NGX_OK;
}


static void
ngx_llmops_judge_said(ngx_llmops_detached_t *d)
{
    double                    score;
    ngx_llmops_judging_t     *j = d->data;
    ngx_llmops_rollout_t     *ro;
    ngx_llmops_rollout_sh_t  *sh;

    ro = j->ro;
    sh = ro->sh;

    ro->judge->n--;

    if (d->error != NGX_LLMOPS_ERR_NONE || d->truncated
        || ngx_llmops_ask_score(&d->answer, &score) != NGX_OK || score > 1)
    {
        ngx_llmops_judge_count(ro, NGX_LLMOPS_JUDGED_FAILED);
        ngx_free(j);
        return;
    }

    ngx_llmops_judge_count(ro, NGX_LLMOPS_JUDGED_SCORED);

    ngx_llmops_registry_score(j->mcf, &ro->route->name, &j->target->name,
                              j->prompt.len ? &j->prompt : NULL,
                              NGX_LLMOPS_REGISTRY_JUDGED, score);

    if (sh) {
        (void) ngx_atomic_fetch_add(&sh->scored[j->candidate], 1);
        (void) ngx_atomic_fetch_add(&sh->score[j->candidate],
                        (ngx_atomic_int_t) (score * NGX_LLMOPS_ROLLOUT_MICRO));

        /* of a step that is over it comes too late for the guards */

        if ((uint32_t) sh->counted == j->epoch) {
            ngx_llmops_rollout_count(ro, NGX_LLMOPS_MEASURE_JUDGE,
                                     j->candidate, score);
        }
    }

    ngx_free(j);
}


static void
ngx_llmops_judge_count(ngx_llmops_rollout_t *ro, ngx_llmops_judged_e what)
{
    if (ro->sh) {
        (void) ngx_atomic_fetch_add(&ro->sh->judged[what], 1);
    }
}


/* -- configuration -------------------------------------------------------- */

/* whichever of its parameters comes first */

static ngx_llmops_judge_t *
ngx_llmops_judge_of(ngx_conf_t *cf, ngx_llmops_rollout_t *ro)
{
    ngx_llmops_judge_t  *judge;

    if (ro->judge == NULL) {
        judge = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_judge_t));

        if (judge) {
            judge->ask.kind = NGX_LLMOPS_ASK_JUDGE;
            judge->ask.min = 1;              /* it is asked for a score */
            judge->ask.place = ro->place;
        }

        ro->judge = judge;
    }

    return ro->judge;
}


ngx_int_t
ngx_llmops_judge_set(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_llmops_judge_t  *judge;

    judge = ngx_llmops_judge_of(cf, ro);
    if (judge == NULL) {
        return NGX_ERROR;
    }

    judge->ask.whom = *value;

    return ngx_strlchr(value->data, value->data + value->len, '/')
           ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_llmops_judge_set_share(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_int_t            n;
    ngx_llmops_judge_t  *judge;

    judge = ngx_llmops_judge_of(cf, ro);
    if (judge == NULL) {
        return NGX_ERROR;
    }

    n = ngx_llmops_arg_percent(value);
    judge->share = n;

    return n > 0 ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_llmops_judge_set_rubric(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_str_t            arg;
    ngx_llmops_judge_t  *judge;

    judge = ngx_llmops_judge_of(cf, ro);
    if (judge == NULL) {
        return NGX_ERROR;
    }

    if (value->len == 0) {
        return NGX_DECLINED;
    }

    arg.data = value->data - (sizeof("rubric=") - 1);
    arg.len = value->len + sizeof("rubric=") - 1;

    return ngx_llmops_ask_param(cf, &judge->ask, &arg) == NGX_OK
           ? NGX_OK : NGX_DECLINED;
}


ngx_int_t
ngx_llmops_judge_set_timeout(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value)
{
    ngx_int_t            n;
    ngx_llmops_judge_t  *judge;

    judge = ngx_llmops_judge_of(cf, ro);
    if (judge == NULL) {
        return NGX_ERROR;
    }

    n = ngx_parse_time(value, 0);

    if (n == NGX_ERROR || n == 0) {
        return NGX_DECLINED;
    }

    judge->ask.timeout = n;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_judge_resolve(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro)
{
    ngx_uint_t           wanted;
    ngx_llmops_ask_t    *ask;
    ngx_llmops_judge_t  *judge;

    judge = ro->judge;
    wanted = (ro->measures & (1 << NGX_LLMOPS_MEASURE_JUDGE)) != 0;

    if (judge == NULL && !wanted) {
        return NGX_OK;
    }

    if (judge == NULL || !wanted || judge->ask.whom.len == 0
        || judge->ask.rubric.len == 0)
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"canary\" in %V:%ui has its answers judged with "
                      "\"judge=UPSTREAM/MODEL\", \"rubric=TEXT\" and a guard, "
                      "for example \"guard=judge>0.8\": all three or none",
                      &ro->place.file, ro->place.line);
        return NGX_ERROR;
    }

    if (judge->share == 0) {
        judge->share = NGX_LLMOPS_JUDGE_SHARE;
    }

    ask = &judge->ask;

    if (ask->timeout == 0) {
        ask->timeout = NGX_LLMOPS_JUDGE_TIMEOUT;
    }

    ask->target = ngx_llmops_target_named(cf, mcf, &ask->whom, &ask->place);

    if (ask->target == NULL) {
        return NGX_ERROR;
    }

    if (ask->target->model.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"judge=%V\" of \"canary\" in %V:%ui names no model, "
                      "write \"judge=%V/MODEL\"", &ask->whom,
                      &ro->place.file, ro->place.line, &ask->whom);
        return NGX_ERROR;
    }

    return NGX_OK;
}
