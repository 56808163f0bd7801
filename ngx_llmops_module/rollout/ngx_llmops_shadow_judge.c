
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_shadow_own.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_plain.h"
#include "ngx_llmops_rules.h"

#include <openssl/rand.h>


/*
 * Which of the two answers of a pair is better: "judge=" of a shadow.  What he
 * is asked, and what is read of his answer, is the check "pairwise" of
 * evaluations (ngx_llmops_score_judge.c): twice, with the answers in either
 * order, and one is the better only if it is so both times.  So a pair has the
 * same verdict here as in an evaluation of the same rubric, and a judge who
 * prefers what stands first says nothing but "tie".
 *
 * The second question is sent when the first one is answered: a pair is never
 * more than one request, and a judge who fails is asked but once.
 *
 * Like the copy itself nobody waits for it.  The pair lives on with its texts,
 * and with the sample that will have the verdict, until the judge has spoken or
 * his time is over; how many such pairs there are is bounded, as copies are, by
 * max=, what they cost by budget=, and beside that by llm_detached.  A sample
 * is written once, with what is known then: a verdict never has to look for a
 * record, and cannot take the place of one that a person has given.
 *
 * The pair's d serves the questions as it has served the copy: a request that
 * is over may be started again from its handler.
 */


#define NGX_LLMOPS_SHADOW_INPUT    NGX_LLMOPS_SCORE_ANSWER
#define NGX_LLMOPS_SHADOW_BODY     (4 * 1024 * 1024)
#define NGX_LLMOPS_SHADOW_ANSWER   65536
#define NGX_LLMOPS_SHADOW_WAIT     30000   /* ms, of a question */


static void ngx_llmops_shadow_question(ngx_llmops_pair_t *pair);
static ngx_int_t ngx_llmops_shadow_ask(ngx_llmops_pair_t *pair);
static ngx_int_t ngx_llmops_shadow_body(ngx_llmops_pair_t *pair,
    ngx_llmops_out_t *body);
static void ngx_llmops_shadow_says(ngx_llmops_pair_t *pair,
    ngx_llmops_score_said_t *said);
static void ngx_llmops_shadow_heard(ngx_llmops_detached_t *d);
static void ngx_llmops_shadow_told(ngx_llmops_pair_t *pair);
static void ngx_llmops_shadow_verdict(ngx_llmops_pair_t *pair,
    ngx_llmops_pair_verdict_e verdict, const char *comment);
static ngx_llmops_shadow_judge_t *ngx_llmops_shadow_judge_of(ngx_conf_t *cf,
    ngx_llmops_shadow_t *s);
static ngx_int_t ngx_llmops_shadow_scorer(ngx_conf_t *cf,
    ngx_llmops_shadow_t *s);
static void ngx_llmops_shadow_scorer_free(void *data);


static const char  ngx_llmops_shadow_rubric[] =
    "The better answer is correct, does all that the request asks for and "
    "nothing else, and is clear.";


void
ngx_llmops_shadow_judge_draw(ngx_llmops_ctx_t *ctx, ngx_llmops_pair_t *pair)
{
    ngx_str_t                   body;
    ngx_llmops_shadow_judge_t  *judge;

    judge = pair->shadow->judge;

    if (judge == NULL || !pair->has_text
        || (ngx_uint_t) ngx_random() % 10000 >= judge->share)
    {
        return;
    }

    pair->judged = 1;

    /* as the rules of input and the prompt have left it, like the copy */

    ngx_llmops_out_init(&pair->input, NGX_LLMOPS_SHADOW_INPUT);

    if (ngx_llmops_body_memory(ctx->request, ctx, &body) != NGX_OK
        || ngx_llmops_plain_request(&body, &pair->input) != NGX_OK)
    {
        pair->input.failed = 1;
    }
}


void
ngx_llmops_shadow_judge(ngx_llmops_pair_t *pair)
{
    ngx_int_t                   rc;
    ngx_llmops_shadow_t        *s;
    ngx_llmops_score_said_t     said;
    ngx_llmops_shadow_judge_t  *judge;

    s = pair->shadow;
    judge = s->judge;

    if (judge->n >= s->max || ngx_exiting) {
        ngx_llmops_shadow_verdict(pair, NGX_LLMOPS_PAIR_MAX, NULL);
        return;
    }

    if (ngx_llmops_shadow_is_spent(s)) {
        ngx_llmops_shadow_verdict(pair, NGX_LLMOPS_PAIR_BUDGET, NULL);
        return;
    }

    pair->score = ngx_alloc(sizeof(ngx_llmops_score_t), ngx_cycle->log);

    if (pair->score == NULL || pair->input.failed) {
        ngx_llmops_shadow_verdict(pair, NGX_LLMOPS_PAIR_NONE, NULL);
        return;
    }

    ngx_llmops_shadow_says(pair, &said);

    rc = ngx_llmops_score(judge->scorer, NULL, &said, pair->score);

    if (rc != NGX_AGAIN) {
        ngx_llmops_shadow_told(pair);       /* the same answer */
        return;
    }

    ngx_llmops_shadow_question(pair);
}


/* asks the next one, or ends */

static void
ngx_llmops_shadow_question(ngx_llmops_pair_t *pair)
{
    ngx_int_t  rc;

    rc = ngx_llmops_shadow_ask(pair);

    if (rc == NGX_OK) {
        pair->shadow->judge->n++;
        return;
    }

    ngx_llmops_shadow_verdict(pair, rc == NGX_BUSY && pair->question == 0
                                    ? NGX_LLMOPS_PAIR_MAX
                                    : NGX_LLMOPS_PAIR_NONE, NULL);
}


/* NGX_OK: it is under way; NGX_BUSY: there are too many detached requests;
   NGX_ERROR */

static ngx_int_t
ngx_llmops_shadow_ask(ngx_llmops_pair_t *pair)
{
    ngx_int_t                   rc;
    ngx_llmops_out_t            body;
    ngx_llmops_detached_t      *d;
    ngx_llmops_shadow_judge_t  *judge;

    judge = pair->shadow->judge;

    ngx_llmops_out_init(&body, NGX_LLMOPS_SHADOW_BODY);

    rc = ngx_llmops_shadow_body(pair, &body);

    if (rc == NGX_OK) {
        d = &pair->d;

        ngx_memzero(d, sizeof(ngx_llmops_detached_t));

        d->route = pair->shadow->route;
        d->target = judge->ask.target;
        ngx_str_set(&d->path, "/v1/chat/completions");
        d->body.data = body.data;
        d->body.len = body.len;
        d->purpose = "shadow_judge";
        d->max = NGX_LLMOPS_SHADOW_ANSWER;
        d->timeout = judge->ask.timeout;
        d->background = 1;
        d->handler = ngx_llmops_shadow_heard;
        d->data = pair;

        rc = ngx_llmops_detached_start(pair->mcf, d);
    }

    ngx_llmops_out_free(&body);

    return rc;
}


static ngx_int_t
ngx_llmops_shadow_body(ngx_llmops_pair_t *pair, ngx_llmops_out_t *body)
{
    u_char                    random[NGX_LLMOPS_SCORE_BOUNDARY / 2];
    u_char                    boundary[NGX_LLMOPS_SCORE_BOUNDARY];
    ngx_str_t                 whom;
    ngx_llmops_score_said_t   said;

    if (RAND_bytes(random, sizeof(random)) != 1) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(boundary, random, sizeof(random));

    ngx_llmops_shadow_says(pair, &said);

    return ngx_llmops_score_ask(pair->shadow->judge->scorer, NULL, &said,
                                pair->score, pair->question, boundary, body,
                                &whom);
}


/* the shadow is the candidate, the stable answer what it is compared with */

static void
ngx_llmops_shadow_says(ngx_llmops_pair_t *pair, ngx_llmops_score_said_t *said)
{
    ngx_uint_t  i;

    struct {
        ngx_str_t         *text;
        ngx_llmops_out_t  *out;
    } texts[] = {
        { &said->input, &pair->input },
        { &said->text, &pair->said },
        { &said->other, &pair->text }
    };

    ngx_memzero(said, sizeof(ngx_llmops_score_said_t));

    for (i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        texts[i].text->len = texts[i].out->len;
        texts[i].text->data = texts[i].out->data ? texts[i].out->data
                                                 : (u_char *) "";
    }
}


static void
ngx_llmops_shadow_heard(ngx_llmops_detached_t *d)
{
    ngx_int_t             rc;
    ngx_uint_t            good;
    ngx_llmops_pair_t    *pair = d->data;
    ngx_llmops_shadow_t  *s;

    s = pair->shadow;
    s->judge->n--;

    ngx_llmops_shadow_spend(s, d->cost);

    good = (d->error == NGX_LLMOPS_ERR_NONE && !d->truncated);

    rc = ngx_llmops_score_hear(s->judge->scorer, pair->score, pair->question,
                               good ? &d->answer : NULL);

    if (rc != NGX_AGAIN) {
        ngx_llmops_shadow_told(pair);
        return;
    }

    /* a pair that has been begun is judged, whatever that costs and whoever
       else waits */

    pair->question++;

    ngx_llmops_shadow_question(pair);
}


static void
ngx_llmops_shadow_told(ngx_llmops_pair_t *pair)
{
    const char                 *reason;
    ngx_llmops_score_check_t   *check;
    ngx_llmops_pair_verdict_e   verdict;

    check = &pair->score->checks[0];

    if (check->state != NGX_LLMOPS_SCORE_TOLD) {
        ngx_llmops_shadow_verdict(pair, NGX_LLMOPS_PAIR_NONE, NULL);
        return;
    }

    verdict = check->value > 0.5 ? NGX_LLMOPS_PAIR_SHADOW
              : check->value < 0.5 ? NGX_LLMOPS_PAIR_STABLE
                                   : NGX_LLMOPS_PAIR_TIE;

    /* "better: REASON", of the candidate: the verdict has another name here */

    reason = strstr(check->why, ": ");
    reason = reason ? reason + 2 : check->why;

    ngx_llmops_shadow_verdict(pair, verdict, *reason ? reason : NULL);
}


/* the pair is gone afterwards */

static void
ngx_llmops_shadow_verdict(ngx_llmops_pair_t *pair,
    ngx_llmops_pair_verdict_e verdict, const char *comment)
{
    ngx_llmops_score_t   *score;
    ngx_llmops_shadow_t  *s;

    static const char  *winners[NGX_LLMOPS_PAIR_VERDICTS] = {
        "shadow", "stable", "tie", NULL, NULL, NULL
    };

    s = pair->shadow;
    score = pair->score;

    if (s->sh) {
        (void) ngx_atomic_fetch_add(&s->sh->verdicts[verdict], 1);
    }

    ngx_llmops_shadow_end(pair, winners[verdict], comment);

    ngx_free(score);
}


/* -- configuration -------------------------------------------------------- */

/* whichever of its parameters comes first */

static ngx_llmops_shadow_judge_t *
ngx_llmops_shadow_judge_of(ngx_conf_t *cf, ngx_llmops_shadow_t *s)
{
    ngx_llmops_shadow_judge_t  *judge;

    if (s->judge == NULL) {
        judge = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_shadow_judge_t));

        if (judge) {
            judge->ask.kind = NGX_LLMOPS_ASK_JUDGE;
            judge->ask.place = s->place;
        }

        s->judge = judge;
    }

    return s->judge;
}


ngx_int_t
ngx_llmops_shadow_judge_param(ngx_conf_t *cf, ngx_llmops_shadow_t *s,
    ngx_str_t *word)
{
    ngx_int_t                   n;
    ngx_llmops_arg_t            arg;
    ngx_llmops_shadow_judge_t  *judge;

    if (ngx_llmops_arg_read(word, &arg) != NGX_OK
        || (!ngx_llmops_arg_is(&arg, "judge")
            && !ngx_llmops_arg_is(&arg, "judge_share")
            && !ngx_llmops_arg_is(&arg, "judge_timeout")
            && !ngx_llmops_arg_is(&arg, "rubric")))
    {
        return NGX_DECLINED;
    }

    judge = ngx_llmops_shadow_judge_of(cf, s);
    if (judge == NULL) {
        return NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "judge")) {
        n = judge->ask.whom.len == 0 && arg.value.len;
        judge->ask.whom = arg.value;
        return n ? NGX_OK : NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "judge_share")) {
        return judge->share == 0
               && ngx_llmops_arg_share(&arg.value, &judge->share) == NGX_OK
               && judge->share
               ? NGX_OK : NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "judge_timeout")) {
        n = judge->ask.timeout ? NGX_ERROR : ngx_parse_time(&arg.value, 0);
        judge->ask.timeout = n;
        return n > 0 ? NGX_OK : NGX_ERROR;
    }

    return judge->ask.rubric.len == 0 && arg.value.len
           ? ngx_llmops_ask_param(cf, &judge->ask, word) : NGX_ERROR;
}


ngx_int_t
ngx_llmops_shadow_judge_resolve(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_shadow_t *s)
{
    ngx_llmops_ask_t           *ask;
    ngx_llmops_shadow_judge_t  *judge;

    judge = s->judge;

    if (judge == NULL) {
        return NGX_OK;
    }

    ask = &judge->ask;

    if (ask->whom.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"shadow\" says how to judge, but not who does, add "
                      "\"judge=UPSTREAM/MODEL\" in %V:%ui", &s->place.file,
                      s->place.line);
        return NGX_ERROR;
    }

    ask->target = ngx_llmops_shadow_named(cf, mcf, s, "judge", &ask->whom);

    if (ask->target == NULL
        || ngx_llmops_shadow_priced(cf, s, ask->target) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (judge->share == 0) {
        judge->share = 10000;
    }

    if (ask->timeout == 0) {
        ask->timeout = NGX_LLMOPS_SHADOW_WAIT;
    }

    if (ask->rubric.len == 0) {
        ask->rubric.data = (u_char *) ngx_llmops_shadow_rubric;
        ask->rubric.len = sizeof(ngx_llmops_shadow_rubric) - 1;
    }

    return ngx_llmops_shadow_scorer(cf, s);
}


/* lives as long as the configuration */

static ngx_int_t
ngx_llmops_shadow_scorer(ngx_conf_t *cf, ngx_llmops_shadow_t *s)
{
    char                        err[256];
    json_t                     *checks;
    ngx_pool_cleanup_t         *cln;
    ngx_llmops_shadow_judge_t  *judge;

    judge = s->judge;

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_ERROR;
    }

    checks = json_pack("[{s:s,s:s%}]", "type", "pairwise", "rubric",
                       (char *) judge->ask.rubric.data,
                       judge->ask.rubric.len);

    ngx_cpystrn((u_char *) err, (u_char *) "it is not valid UTF-8",
                sizeof(err));

    judge->scorer = checks ? ngx_llmops_scorer_create(checks, NULL, 0, err,
                                                      sizeof(err))
                           : NULL;
    json_decref(checks);

    if (judge->scorer == NULL) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "a judge cannot go by the \"rubric=\" of \"shadow\" in "
                      "%V:%ui: %s", &s->place.file, s->place.line, err);
        return NGX_ERROR;
    }

    cln->handler = ngx_llmops_shadow_scorer_free;
    cln->data = judge->scorer;

    return NGX_OK;
}


static void
ngx_llmops_shadow_scorer_free(void *data)
{
    ngx_llmops_scorer_free(data);
}
