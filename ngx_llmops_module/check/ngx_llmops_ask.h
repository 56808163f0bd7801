
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ASK_H_INCLUDED_
#define _NGX_LLMOPS_ASK_H_INCLUDED_


#include "ngx_llmops_rules.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_fetch.h"
#include "ngx_llmops_secret.h"


/*
 * Rules that ask somebody: another model as a judge, a moderation endpoint, a
 * guardrail server.  See ngx_llmops_ask.c.
 */


typedef enum {
    NGX_LLMOPS_ASK_JUDGE = 0,
    NGX_LLMOPS_ASK_MODERATION,
    NGX_LLMOPS_ASK_WEBHOOK
} ngx_llmops_ask_kind_e;


typedef enum {
    NGX_LLMOPS_SAYS_PASS = 0,
    NGX_LLMOPS_SAYS_FAIL,
    NGX_LLMOPS_SAYS_NOTHING,               /* or nothing that can be read */
    NGX_LLMOPS_SAYS_MAX
} ngx_llmops_says_e;


/* a category of moderation and the score from which it counts */

typedef struct {
    ngx_str_t                  category;
    double                     score;
} ngx_llmops_threshold_t;


/* shared by all workers: one of each such rule of each route */

typedef struct {
    ngx_atomic_t               says[NGX_LLMOPS_SAYS_MAX];
} ngx_llmops_ask_sh_t;


/* a line "judge=", "moderation=" or "webhook=" */

typedef struct {
    ngx_llmops_rule_t          rule;       /* its name, action, counters */
    ngx_llmops_ask_kind_e      kind;
    ngx_str_t                  whom;       /* UPSTREAM/MODEL, or the URL */
    ngx_llmops_target_t       *target;
    ngx_llmops_fetch_url_t     url;
    ngx_resolver_t            *resolver;
    ngx_llmops_secret_t        token;      /* of a webhook; may be empty */
    ngx_str_t                  rubric;     /* of a judge */
    double                     min;        /* its score; 0: says yes or no */
    ngx_array_t               *over;       /* of ngx_llmops_threshold_t, or
                                              NULL: what is flagged */
    ngx_msec_t                 timeout;
    ngx_llmops_ask_sh_t       *sh;         /* of this worker: NULL: full zone */
    ngx_llmops_place_t         place;
    unsigned                   input:1;
    unsigned                   after:1;    /* the answer has gone out by then */
    unsigned                   fail_open:1;
} ngx_llmops_ask_t;


/* what somebody is asked about; texts are plain */

typedef struct {
    ngx_str_t                  id;
    ngx_str_t                  route;
    ngx_str_t                  model;
    ngx_str_t                  client;
    ngx_str_t                  tenant;
    ngx_str_t                  input;
    ngx_str_t                  output;     /* data NULL: there is none yet */
} ngx_llmops_question_t;


/* ask_conf.c */

/* Whether a word of a rule is one of these. */
ngx_uint_t ngx_llmops_ask_is(ngx_str_t *word);

/* Reads such a line into set->asks. */
char *ngx_llmops_ask_line(ngx_conf_t *cf, ngx_llmops_ruleset_t *set,
    ngx_uint_t input);

/* Adds those of a set to the ones of a route; when all is read.  NGX_OK or
   NGX_ERROR (logged). */
ngx_int_t ngx_llmops_ask_take(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ruled_t *ruled, ngx_llmops_ruleset_t *set);

/* Finds their counters; in each worker. */
void ngx_llmops_ask_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route);


/* ask_param.c */

/* A parameter of such a line.  NGX_OK, or NGX_ERROR. */
ngx_int_t ngx_llmops_ask_param(ngx_conf_t *cf, ngx_llmops_ask_t *ask,
    ngx_str_t *word);


/* ask_body.c: knows nothing of requests */

/* Appends what is sent.  boundary is 16 characters that nobody can guess. */
void ngx_llmops_ask_body(ngx_llmops_ask_t *ask, ngx_llmops_question_t *q,
    u_char *boundary, ngx_llmops_out_t *out);

/* The score in a judge's answer with status 200, at least 0.  NGX_OK, or
   NGX_DECLINED: it says none. */
ngx_int_t ngx_llmops_ask_score(ngx_str_t *answer, double *score);

/* What an answer with status 200 says. */
ngx_llmops_says_e ngx_llmops_ask_says(ngx_llmops_ask_t *ask,
    ngx_str_t *answer);


/* ask.c */

typedef void (*ngx_llmops_ask_pt)(ngx_http_request_t *r);

/*
 * Asks about a request: a stage of the content handler.  NGX_OK: it may go on;
 * NGX_AGAIN: resume(r) is called later, and then this again; else the status
 * to answer with.
 */
ngx_int_t ngx_llmops_ask_request(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_ask_pt resume);

/*
 * Asks about an answer, which is in the caller's dialect, whole or as events.
 * NGX_OK: it may go; NGX_AGAIN: resume(r) is called later, and
 * ngx_llmops_ask_broken() knows then; NGX_DECLINED: it may not; NGX_ERROR.
 */
ngx_int_t ngx_llmops_ask_answer(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *answer, ngx_uint_t stream, ngx_llmops_ask_pt resume);

/* The rule that somebody has found broken in the present answer, or NULL. */
ngx_llmops_rule_t *ngx_llmops_ask_broken(ngx_llmops_ctx_t *ctx);

/* The answer has gone out, as ctx->kept has it: asks those who are asked
   afterwards.  What they say is counted and logged. */
void ngx_llmops_ask_afterwards(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx);

/*
 * The plain texts of a request and, if answer is not NULL, of its answer, which
 * is in the caller's dialect, whole or as events; what rules have taken out of
 * the request is in neither.  NGX_OK; NGX_ERROR: too long, or not to be read.
 */
ngx_int_t ngx_llmops_ask_texts(ngx_llmops_ctx_t *ctx, ngx_str_t *answer,
    ngx_uint_t stream, ngx_llmops_out_t *input, ngx_llmops_out_t *output);

/* Nobody is asked any more about this attempt, or request. */
void ngx_llmops_ask_forget(ngx_llmops_ctx_t *ctx);


#endif /* _NGX_LLMOPS_ASK_H_INCLUDED_ */
