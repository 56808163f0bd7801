
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_evaluate_run.h"
#include "ngx_llmops_plain.h"
#include "ngx_llmops_value.h"


/*
 * One question: the case to a candidate, or what he has said to a judge.  It is
 * a detached request that nobody waits for, with half of its bounds, counted
 * under "evaluation".  What fails and may do better later is asked again, after
 * a while that doubles; the case keeps its place meanwhile.
 */


#define NGX_LLMOPS_ASK_PATH   "/v1/chat/completions"
#define NGX_LLMOPS_ASK_BUSY   200          /* ms: the bounds are reached */
#define NGX_LLMOPS_ASK_AGAIN  500          /* ms: the first time */
#define NGX_LLMOPS_ASK_MOST   8000         /* ms: the last ones */
#define NGX_LLMOPS_ASK_WAIT   1000         /* ms: a target wants to be left
                                              alone */
#define NGX_LLMOPS_ASK_WAITS  900


static ngx_int_t ngx_llmops_ask_start(ngx_llmops_evaluation_answer_t *an,
    ngx_llmops_target_t *target, ngx_llmops_route_t *route,
    ngx_llmops_out_t *body);
static ngx_int_t ngx_llmops_ask_request(ngx_llmops_evaluation_answer_t *an,
    ngx_llmops_out_t *out);
static json_t *ngx_llmops_ask_json(ngx_llmops_evaluation_answer_t *an);
static ngx_int_t ngx_llmops_ask_prompt(ngx_llmops_evaluation_answer_t *an,
    ngx_llmops_evaluation_whom_t *whom, ngx_str_t *request,
    ngx_llmops_out_t *out);
static ngx_int_t ngx_llmops_ask_judge(ngx_llmops_evaluation_answer_t *an,
    ngx_llmops_out_t *out, ngx_llmops_target_t **target);
static void ngx_llmops_ask_answered(ngx_llmops_detached_t *d);
static void ngx_llmops_ask_spent(ngx_llmops_evaluation_answer_t *an);
static ngx_uint_t ngx_llmops_ask_again(ngx_llmops_evaluation_answer_t *an);
static void ngx_llmops_ask_said(ngx_llmops_evaluation_answer_t *an);
static void ngx_llmops_ask_model(ngx_llmops_evaluation_answer_t *an);
static void ngx_llmops_ask_failed(ngx_llmops_evaluation_answer_t *an);
static void ngx_llmops_ask_heard(ngx_llmops_evaluation_answer_t *an);


#define ngx_llmops_ask_error(an, ...)                                         \
    (*ngx_snprintf((u_char *) (an)->error, sizeof((an)->error) - 1,           \
                   __VA_ARGS__) = '\0')


ngx_int_t
ngx_llmops_evaluation_question(ngx_llmops_evaluation_answer_t *an)
{
    ngx_int_t                      rc;
    ngx_llmops_out_t               body;
    ngx_llmops_target_t           *target;
    ngx_llmops_evaluation_whom_t  *whom;

    if (an->state == NGX_LLMOPS_ANSWER_ASK) {
        whom = &an->task->run->whom[an->candidate];

        /* it is the same when it is asked again, and some checks read it */

        rc = an->request.len ? NGX_OK
                             : ngx_llmops_ask_request(an, &an->request);

        return rc == NGX_OK ? ngx_llmops_ask_start(an, whom->target,
                                                   whom->route, &an->request)
                            : rc;
    }

    ngx_llmops_out_init(&body, NGX_LLMOPS_EVAL_REQUEST);

    rc = ngx_llmops_ask_judge(an, &body, &target);

    if (rc == NGX_OK) {
        rc = ngx_llmops_ask_start(an, target, NULL, &body);
    }

    ngx_llmops_out_free(&body);

    return rc;
}


static ngx_int_t
ngx_llmops_ask_start(ngx_llmops_evaluation_answer_t *an,
    ngx_llmops_target_t *target, ngx_llmops_route_t *route,
    ngx_llmops_out_t *body)
{
    ngx_int_t                     rc;
    ngx_llmops_detached_t        *d;
    ngx_llmops_evaluation_run_t  *run;

    d = &an->d;
    run = an->task->run;

    ngx_memzero(d, sizeof(ngx_llmops_detached_t));

    d->target = target;
    d->route = route;
    ngx_str_set(&d->path, NGX_LLMOPS_ASK_PATH);
    d->body.data = body->data;
    d->body.len = body->len;
    d->purpose = "evaluation";
    d->max = NGX_LLMOPS_SCORE_ANSWER;
    d->timeout = run->spec.timeout;
    d->background = 1;
    d->handler = ngx_llmops_ask_answered;
    d->data = an;

    rc = ngx_llmops_detached_start(run->mcf, d);

    if (rc == NGX_OK) {
        an->tries++;
        an->state = (an->state == NGX_LLMOPS_ANSWER_ASK)
                    ? NGX_LLMOPS_ANSWER_ASKING : NGX_LLMOPS_ANSWER_JUDGING;
        run->asking++;
        run->runner->asking++;

        return NGX_OK;
    }

    if (rc == NGX_BUSY) {
        an->wait = ngx_current_msec + NGX_LLMOPS_ASK_BUSY;
        return NGX_BUSY;
    }

    ngx_llmops_ask_error(an, "the request could not be made");

    return NGX_DECLINED;
}


/* -- what is asked -------------------------------------------------------- */

static ngx_int_t
ngx_llmops_ask_request(ngx_llmops_evaluation_answer_t *an,
    ngx_llmops_out_t *out)
{
    char                          *text;
    json_t                        *json;
    ngx_int_t                      rc;
    ngx_str_t                      request;
    ngx_llmops_evaluation_whom_t  *whom;

    whom = &an->task->run->whom[an->candidate];

    json = ngx_llmops_ask_json(an);
    text = json ? json_dumps(json, JSON_COMPACT|JSON_REAL_PRECISION(15)) : NULL;

    json_decref(json);

    if (text == NULL) {
        ngx_llmops_ask_error(an, "out of memory");
        return NGX_DECLINED;
    }

    request.data = (u_char *) text;
    request.len = ngx_strlen(text);

    rc = whom->prompt || whom->ndecorators
         ? ngx_llmops_ask_prompt(an, whom, &request, out)
         : ngx_llmops_out_str(out, &request);
    free(text);

    if (rc == NGX_OK) {
        return NGX_OK;
    }

    if (an->error[0] == '\0') {
        ngx_llmops_ask_error(an, "the request has more than 1 MB");
    }

    return NGX_DECLINED;
}


static json_t *
ngx_llmops_ask_json(ngx_llmops_evaluation_answer_t *an)
{
    int                            rc;
    json_t                        *json, *input, *messages;
    ngx_llmops_evaluation_run_t   *run;
    ngx_llmops_evaluation_whom_t  *whom;

    run = an->task->run;
    whom = &run->whom[an->candidate];

    json = json_object();

    rc = json_object_set_new(json, "model",
                             json_stringn((char *) whom->model.data,
                                          whom->model.len));

    input = json_object_get(an->task->kase, "input");

    if (json_is_array(input)) {
        messages = json_incref(input);

    } else if (input) {
        messages = json_pack("[{s:s,s:O}]", "role", "user", "content", input);

    } else {
        messages = json_array();             /* the prompt says it all */
    }

    rc |= json_object_set_new(json, "messages", messages);

    if (run->spec.parameters) {
        rc |= json_object_update(json, run->spec.parameters);
    }

    if (rc) {
        json_decref(json);
        return NULL;
    }

    return json;
}


static ngx_int_t
ngx_llmops_ask_prompt(ngx_llmops_evaluation_answer_t *an,
    ngx_llmops_evaluation_whom_t *whom, ngx_str_t *request,
    ngx_llmops_out_t *out)
{
    char                       *text;
    json_t                     *variables;
    ngx_int_t                   rc;
    ngx_str_t                   s;
    ngx_llmops_arena_t          arena;
    ngx_llmops_error_t          err;
    ngx_llmops_value_t         *given;
    ngx_llmops_prompt_build_t   build;

    rc = NGX_ERROR;
    text = NULL;
    given = NULL;

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));
    ngx_memzero(&build, sizeof(ngx_llmops_prompt_build_t));
    ngx_llmops_arena_init(&arena, NGX_LLMOPS_PROMPT_VARIABLES);

    variables = json_object_get(an->task->kase, "variables");

    if (variables && whom->prompt) {
        /* the prompt has them as they are spelled here */

        text = json_dumps(variables, JSON_COMPACT|JSON_REAL_PRECISION(15));

        if (text) {
            s.data = (u_char *) text;
            s.len = ngx_strlen(text);

            given = ngx_llmops_value_parse(&arena, &s);
        }

        if (given == NULL) {
            ngx_llmops_ask_error(an, "the case's variables are too large");
            goto done;
        }
    }

    build.form = NGX_LLMOPS_FORM_CHAT;
    build.prompt = whom->prompt;
    build.decorators = whom->decorators;
    build.ndecorators = whom->ndecorators;

    if (whom->prompt) {
        build.values = ngx_llmops_prompt_check(whom->prompt, given, &arena,
                                               &err);
    }

    if (build.values || whom->prompt == NULL) {
        rc = ngx_llmops_prompt_body(&build, request, out, &err);
    }

    if (rc != NGX_OK && err.kind != NGX_LLMOPS_ERR_NONE) {
        ngx_llmops_ask_error(an, "prompt: %V", &err.message);
    }

done:

    ngx_llmops_arena_free(&arena);
    free(text);

    return rc;
}


static ngx_int_t
ngx_llmops_ask_judge(ngx_llmops_evaluation_answer_t *an,
    ngx_llmops_out_t *out, ngx_llmops_target_t **target)
{
    u_char                         boundary[NGX_LLMOPS_SCORE_BOUNDARY];
    uint32_t                       n[2];
    ngx_int_t                      rc;
    ngx_str_t                      whom;
    ngx_llmops_score_said_t        said;
    ngx_llmops_evaluation_task_t  *task;

    task = an->task;

    n[0] = (uint32_t) ngx_random() ^ (uint32_t) ngx_random() << 16;
    n[1] = (uint32_t) ngx_random() ^ (uint32_t) ngx_random() << 16;

    (void) ngx_hex_dump(boundary, (u_char *) n, sizeof(n));

    ngx_str_null(&whom);
    ngx_llmops_evaluation_said(an, &said);

    rc = ngx_llmops_score_ask(task->scorer, task->kase, &said, an->score,
                              an->question, boundary, out, &whom);

    *target = ngx_llmops_evaluation_target(task->run->evs,
                                           whom.len ? &whom
                                                    : &task->run->spec.judge);
    if (rc != NGX_OK) {
        ngx_llmops_ask_error(an, "the judge's question has more than 1 MB");
        return NGX_DECLINED;
    }

    if (*target == NULL) {
        ngx_llmops_ask_error(an, "there is no judge, or none that may be "
                             "asked");
        return NGX_DECLINED;
    }

    return NGX_OK;
}


/* -- what is answered ----------------------------------------------------- */

static void
ngx_llmops_ask_answered(ngx_llmops_detached_t *d)
{
    ngx_llmops_evaluation_answer_t *an = d->data;

    ngx_llmops_evaluation_run_t  *run;

    run = an->task->run;

    run->asking--;
    run->runner->asking--;

    ngx_llmops_ask_spent(an);

    if (!ngx_llmops_ask_again(an)) {

        if (an->state == NGX_LLMOPS_ANSWER_JUDGING) {
            ngx_llmops_ask_heard(an);

        } else if (d->error == NGX_LLMOPS_ERR_NONE && !d->truncated) {
            ngx_llmops_ask_said(an);

        } else {
            ngx_llmops_ask_failed(an);
        }

        ngx_llmops_evaluation_advance(an->task);
    }

    /* the case may be gone, the run is there */

    ngx_llmops_evaluation_pump(run);
}


static void
ngx_llmops_ask_spent(ngx_llmops_evaluation_answer_t *an)
{
    int64_t                       cost, tokens;
    ngx_llmops_detached_t        *d;
    ngx_llmops_evaluation_run_t  *run;

    d = &an->d;
    run = an->task->run;

    cost = ngx_max(d->cost, 0);
    tokens = ngx_max(d->meter.usage.input, 0)
             + ngx_max(d->meter.usage.output, 0);

    an->cost += cost;
    an->input += ngx_max(d->meter.usage.input, 0);
    an->output += ngx_max(d->meter.usage.output, 0);

    run->cost += cost;
    run->tokens += tokens;

    /* of one that has cost something: failures say nothing */

    if (tokens) {
        run->most_cost = ngx_max(run->most_cost, cost);
        run->most_tokens = ngx_max(run->most_tokens, tokens);
    }

    if (run->evs->sh) {
        (void) ngx_atomic_fetch_add(&run->evs->sh->cost,
                                    (ngx_atomic_int_t) cost);
    }
}


/* whether it will be asked once more */

static ngx_uint_t
ngx_llmops_ask_again(ngx_llmops_evaluation_answer_t *an)
{
    ngx_msec_t              wait;
    ngx_llmops_detached_t  *d;

    d = &an->d;

    if (d->error != NGX_LLMOPS_ERR_NONE && (ngx_exiting || ngx_terminate)) {

        /* it says nothing of the candidate: the next worker asks again */

        an->state = (an->state == NGX_LLMOPS_ANSWER_ASKING)
                    ? NGX_LLMOPS_ANSWER_ASK : NGX_LLMOPS_ANSWER_JUDGE;
        return 1;
    }

    if (d->error != NGX_LLMOPS_ERR_NONE && d->attempts == 0
        && (d->status == NGX_HTTP_TOO_MANY_REQUESTS
            || d->status == NGX_HTTP_SERVICE_UNAVAILABLE)
        && ++an->waits <= NGX_LLMOPS_ASK_WAITS && !an->task->run->stop)
    {
        /* its provider has asked for a while, and was not asked */

        an->tries--;
        an->wait = ngx_current_msec + NGX_LLMOPS_ASK_WAIT;
        an->state = (an->state == NGX_LLMOPS_ANSWER_ASKING)
                    ? NGX_LLMOPS_ANSWER_ASK : NGX_LLMOPS_ANSWER_JUDGE;
        return 1;
    }

    if (d->error == NGX_LLMOPS_ERR_NONE || d->broken || d->truncated
        || an->tries >= an->task->run->spec.attempts
        || an->task->run->stop
        || (d->status >= 400 && d->status < 500 && d->status != 408
            && d->status != 409 && d->status != 425 && d->status != 429))
    {
        return 0;
    }

    an->state = (an->state == NGX_LLMOPS_ANSWER_ASKING)
                ? NGX_LLMOPS_ANSWER_ASK : NGX_LLMOPS_ANSWER_JUDGE;

    wait = NGX_LLMOPS_ASK_AGAIN << ngx_min(an->tries - 1, 8);
    an->wait = ngx_current_msec + ngx_min(wait, NGX_LLMOPS_ASK_MOST);

    return 1;
}


static void
ngx_llmops_ask_said(ngx_llmops_evaluation_answer_t *an)
{
    ngx_llmops_detached_t  *d;

    d = &an->d;

    if (ngx_llmops_plain_answer(NGX_LLMOPS_OP_CHAT, &d->answer, 0, &an->text)
        != NGX_OK
        || ngx_llmops_out_str(&an->body, &d->answer) != NGX_OK)
    {
        ngx_llmops_ask_error(an, "the answer cannot be read");
        an->state = NGX_LLMOPS_ANSWER_DONE;
        return;
    }

    an->latency = (ngx_msec_int_t) d->total;
    an->state = NGX_LLMOPS_ANSWER_HERE;

    ngx_llmops_ask_model(an);
}


/* what the provider says that has answered */

static void
ngx_llmops_ask_model(ngx_llmops_evaluation_answer_t *an)
{
    u_char                        *p;
    json_t                        *json;
    const char                    *text;
    ngx_uint_t                     i;
    ngx_llmops_evaluation_whom_t  *whom;

    static const char  *names[] = { "model", "system_fingerprint" };

    whom = &an->task->run->whom[an->candidate];

    if (whom->target == NULL) {
        return;                              /* any of a route's */
    }

    json = ngx_llmops_evaluation_load(&an->d.answer);

    for (i = 0; i < 2; i++) {
        text = json_string_value(json_object_get(json, names[i]));

        if (text) {
            ngx_cpystrn((u_char *) whom->said[i], (u_char *) text,
                        sizeof(whom->said[i]));
        }

        /* it goes to the log */

        for (p = (u_char *) whom->said[i]; *p; p++) {
            if (*p < ' ' || *p >= 0x7f) {
                *p = '?';
            }
        }
    }

    json_decref(json);
}


static void
ngx_llmops_ask_failed(ngx_llmops_evaluation_answer_t *an)
{
    ngx_llmops_detached_t  *d;

    d = &an->d;
    an->state = NGX_LLMOPS_ANSWER_DONE;

    if (d->truncated) {
        ngx_llmops_ask_error(an, "the answer has more than %d KB",
                             NGX_LLMOPS_SCORE_ANSWER / 1024);

    } else if (d->broken) {
        ngx_llmops_ask_error(an, "a rule of the route has not let it pass");

    } else if (d->error == NGX_LLMOPS_ERR_TIMEOUT) {
        ngx_llmops_ask_error(an, "no answer in time, asked %ui times",
                             an->tries);

    } else {
        ngx_llmops_ask_error(an, "status %ui, asked %ui times", d->status,
                             an->tries);
    }
}


static void
ngx_llmops_ask_heard(ngx_llmops_evaluation_answer_t *an)
{
    ngx_int_t               rc;
    ngx_llmops_detached_t  *d;

    d = &an->d;

    rc = ngx_llmops_score_hear(an->task->scorer, an->score, an->question,
                               d->error == NGX_LLMOPS_ERR_NONE && !d->truncated
                               ? &d->answer : NULL);

    if (rc == NGX_OK) {
        an->state = NGX_LLMOPS_ANSWER_DONE;
        return;
    }

    do {
        an->question++;

    } while (an->question < an->score->nquestions
             && an->score->questions[an->question].heard);

    an->tries = 0;
    an->wait = ngx_current_msec;
    an->state = (an->question < an->score->nquestions)
                ? NGX_LLMOPS_ANSWER_JUDGE : NGX_LLMOPS_ANSWER_DONE;
}
