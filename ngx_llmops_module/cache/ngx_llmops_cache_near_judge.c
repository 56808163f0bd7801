
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_near_work.h"
#include "ngx_llmops_ask.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_digest.h"
#include "ngx_llmops_plain.h"

#include <openssl/rand.h>


/*
 * A model that has the last word about what was found: whether the answer to
 * another question answers this one, too.  It sees the conversation and the
 * answer, and says yes or no; who says nothing in time has said no, as asking
 * the provider is never wrong.
 *
 * What it says about a question and an answer is remembered for a while, so
 * that who asks the same again does not wait again.
 */


#define NGX_LLMOPS_JUDGE_TEXT    65536     /* bytes of each of the texts */
#define NGX_LLMOPS_JUDGE_ANSWER  16384
#define NGX_LLMOPS_JUDGE_TABLE   512       /* verdicts that are remembered */


typedef struct {
    u_char                     digest[NGX_LLMOPS_CACHE_KEY];
    ngx_uint_t                 says;       /* ngx_llmops_says_e + 1; 0: empty */
} ngx_llmops_verdict_t;


static ngx_int_t ngx_llmops_near_verdict(ngx_llmops_near_t *near,
    ngx_llmops_says_e says);
static ngx_llmops_verdict_t *ngx_llmops_near_remembered(
    ngx_llmops_near_t *near, u_char *digest);
static ngx_int_t ngx_llmops_near_judge_body(ngx_llmops_near_t *near,
    ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_near_judge_texts(ngx_llmops_near_t *near,
    ngx_llmops_out_t *input, ngx_llmops_out_t *output);
static ngx_int_t ngx_llmops_near_judge_start(ngx_llmops_near_t *near,
    ngx_llmops_out_t *out);
static void ngx_llmops_near_judged(ngx_llmops_detached_t *d);
static void ngx_llmops_near_count(ngx_llmops_near_t *near,
    ngx_llmops_says_e says);


/* what is asked; of all routes the same */

static ngx_llmops_ask_t  ngx_llmops_near_asks = {
    .kind = NGX_LLMOPS_ASK_JUDGE,
    .rubric = ngx_string(
        "The answer was written for an earlier request that was worded "
        "differently.  It passes only if it is a correct and complete answer "
        "to the last message of the present request as well: the same thing "
        "is asked for, about the same names, numbers, dates, places, units "
        "and conditions, in the same language.  If anything of that differs, "
        "or you are not sure, it fails.")
};


/* of this worker */

static ngx_llmops_verdict_t  ngx_llmops_near_verdicts[NGX_LLMOPS_JUDGE_TABLE];


ngx_int_t
ngx_llmops_near_judge(ngx_llmops_near_t *near)
{
    u_char                 digest[NGX_LLMOPS_CACHE_KEY];
    ngx_int_t              rc;
    ngx_llmops_out_t       out;
    ngx_llmops_verdict_t  *known;

    known = ngx_llmops_near_remembered(near, digest);

    if (known && known->says
        && ngx_memcmp(known->digest, digest, NGX_LLMOPS_CACHE_KEY) == 0)
    {
        return ngx_llmops_near_serve(near,
                                 known->says - 1 == NGX_LLMOPS_SAYS_PASS);
    }

    ngx_llmops_out_init(&out, 16 * NGX_LLMOPS_JUDGE_TEXT);

    rc = ngx_llmops_near_judge_body(near, &out);

    if (rc == NGX_OK) {
        rc = ngx_llmops_near_judge_start(near, &out);
    }

    ngx_llmops_out_free(&out);

    return rc == NGX_OK ? NGX_AGAIN
                        : ngx_llmops_near_verdict(near,
                                                  NGX_LLMOPS_SAYS_NOTHING);
}


static ngx_int_t
ngx_llmops_near_verdict(ngx_llmops_near_t *near, ngx_llmops_says_e says)
{
    ngx_llmops_near_count(near, says);

    return ngx_llmops_near_serve(near, says == NGX_LLMOPS_SAYS_PASS);
}


/* the place of what the judge says about this question and that answer; NULL:
   cannot be told */

static ngx_llmops_verdict_t *
ngx_llmops_near_remembered(ngx_llmops_near_t *near, u_char *digest)
{
    u_char                *p, all[2 * NGX_LLMOPS_CACHE_KEY + 2 * 8];
    uint32_t               n;
    ngx_llmops_target_t   *judge = near->conf->judge_target;

    p = ngx_cpymem(all, near->ask->ctx->cached->key, NGX_LLMOPS_CACHE_KEY);
    p = ngx_cpymem(p, near->hit.key, NGX_LLMOPS_CACHE_KEY);
    p = ngx_cpymem(p, &near->ask->answer.created, 8);
    p = ngx_cpymem(p, &judge, sizeof(void *));

    if (ngx_llmops_sha256(all, p - all, digest) != NGX_OK) {
        return NULL;
    }

    ngx_memcpy(&n, digest, sizeof(uint32_t));

    return &ngx_llmops_near_verdicts[n % NGX_LLMOPS_JUDGE_TABLE];
}


static ngx_int_t
ngx_llmops_near_judge_body(ngx_llmops_near_t *near, ngx_llmops_out_t *out)
{
    u_char                 random[8], boundary[16];
    ngx_int_t              rc;
    ngx_llmops_out_t       input, output;
    ngx_llmops_question_t  q;

    if (RAND_bytes(random, sizeof(random)) != 1) {
        return NGX_ERROR;
    }

    (void) ngx_hex_dump(boundary, random, sizeof(random));

    ngx_llmops_out_init(&input, NGX_LLMOPS_JUDGE_TEXT);
    ngx_llmops_out_init(&output, NGX_LLMOPS_JUDGE_TEXT);

    rc = ngx_llmops_near_judge_texts(near, &input, &output);

    if (rc == NGX_OK) {
        ngx_memzero(&q, sizeof(ngx_llmops_question_t));

        q.input.data = input.data;
        q.input.len = input.len;
        q.output.data = output.data;
        q.output.len = output.len;

        ngx_llmops_ask_body(&ngx_llmops_near_asks, &q, boundary, out);

        rc = out->failed ? NGX_ERROR : NGX_OK;
    }

    ngx_llmops_out_free(&input);
    ngx_llmops_out_free(&output);

    return rc;
}


/* NGX_OK, or nobody could judge: too long, or an answer without a text */

static ngx_int_t
ngx_llmops_near_judge_texts(ngx_llmops_near_t *near, ngx_llmops_out_t *input,
    ngx_llmops_out_t *output)
{
    ngx_str_t                   body;
    ngx_llmops_ctx_t           *ctx = near->ask->ctx;
    ngx_llmops_cache_answer_t  *answer = &near->ask->answer;

    if (ngx_llmops_body_memory(near->ask->request, ctx, &body) != NGX_OK
        || ngx_llmops_plain_request(&body, input) != NGX_OK
        || ngx_llmops_plain_answer(ctx->env.op, &answer->body,
                               answer->form == NGX_LLMOPS_CACHE_FORM_STREAM,
                                   output)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    return output->len ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_near_judge_start(ngx_llmops_near_t *near, ngx_llmops_out_t *out)
{
    ngx_llmops_detached_t   *d = &near->judge;
    ngx_llmops_main_conf_t  *mcf;

    mcf = ngx_http_get_module_main_conf(near->ask->request, ngx_llmops_module);

    d->target = near->conf->judge_target;
    d->from = near->ask->ctx;
    ngx_str_set(&d->path, "/v1/chat/completions");
    d->body.data = out->data;
    d->body.len = out->len;
    d->purpose = "cache_judge";
    d->max = NGX_LLMOPS_JUDGE_ANSWER;
    d->timeout = near->conf->judge_timeout;
    d->handler = ngx_llmops_near_judged;
    d->data = near;

    return ngx_llmops_detached_start(mcf, d) == NGX_OK ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_near_judged(ngx_llmops_detached_t *d)
{
    u_char                 digest[NGX_LLMOPS_CACHE_KEY];
    ngx_llmops_says_e      says;
    ngx_llmops_near_t     *near = d->data;
    ngx_llmops_verdict_t  *known;

    says = (d->error == NGX_LLMOPS_ERR_NONE && !d->truncated)
           ? ngx_llmops_ask_says(&ngx_llmops_near_asks, &d->answer)
           : NGX_LLMOPS_SAYS_NOTHING;

    known = (says == NGX_LLMOPS_SAYS_NOTHING)
            ? NULL : ngx_llmops_near_remembered(near, digest);

    if (known) {
        known->says = says + 1;
        ngx_memcpy(known->digest, digest, NGX_LLMOPS_CACHE_KEY);
    }

    ngx_llmops_near_finish(near, ngx_llmops_near_verdict(near, says));
}


static void
ngx_llmops_near_count(ngx_llmops_near_t *near, ngx_llmops_says_e says)
{
    ngx_llmops_cache_own_t  *own = near->ask->route->own;

    if (own->sh) {
        (void) ngx_atomic_fetch_add(&own->sh->judged[says], 1);
    }
}
