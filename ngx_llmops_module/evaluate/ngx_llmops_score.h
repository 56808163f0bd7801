
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SCORE_H_INCLUDED_
#define _NGX_LLMOPS_SCORE_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>
#include "ngx_llmops_check.h"
#include "ngx_llmops_out.h"


/*
 * What an answer is worth, by the checks of an evaluation or of a case.  It
 * asks nobody itself: what a judge is to be asked is written here, and what
 * he has said is read here; sending is the caller's.  See ngx_llmops_score.c.
 *
 * Nothing here calls a function of nginx: memory is malloc's.  Answers of
 * models and of judges are anybody's bytes.
 */


#define NGX_LLMOPS_SCORE_CHECKS     16     /* of a case */
#define NGX_LLMOPS_SCORE_QUESTIONS  (2 * NGX_LLMOPS_SCORE_CHECKS)
#define NGX_LLMOPS_SCORE_WHY        160    /* bytes, with its NUL */
#define NGX_LLMOPS_SCORE_ANSWER     (256 * 1024)  /* bytes that are read */
#define NGX_LLMOPS_SCORE_CHOICES    26
#define NGX_LLMOPS_SCORE_BOUNDARY   16


typedef struct ngx_llmops_scorer_s  ngx_llmops_scorer_t;


/* an llm_rules that checks of type "rules" may name */

typedef struct {
    ngx_str_t                  name;
    ngx_llmops_rules_t        *output;     /* nrules 0: it has none */
} ngx_llmops_score_rules_t;


/* what a candidate has answered */

typedef struct {
    ngx_str_t                  text;       /* plain, see plain.h; valid UTF-8
                                              or not */
    ngx_str_t                  body;       /* the whole chat completion, for
                                              "rules"; data NULL: only text */
    ngx_str_t                  other;      /* what the baseline has answered
                                              to the same case, for "pairwise";
                                              data NULL: there is none */
    ngx_str_t                  input;      /* the request, plain: judges read
                                              it; from ngx_llmops_score_input()
                                              or what was sent */
    ngx_str_t                  request;    /* the body that was sent, in any of
                                              the callers' APIs, for "rules" and
                                              "ground"; data NULL: the case's
                                              input is taken */
    unsigned                   baseline:1; /* it is the baseline's answer: its
                                              "pairwise" is a tie */
} ngx_llmops_score_said_t;


typedef enum {
    NGX_LLMOPS_SCORE_NONE = 0,             /* skipped: there is nothing to
                                              compare with; does not count */
    NGX_LLMOPS_SCORE_LEFT,                 /* a judge has to be asked */
    NGX_LLMOPS_SCORE_HUMAN,                /* a person has; does not count
                                              until then */
    NGX_LLMOPS_SCORE_TOLD,
    NGX_LLMOPS_SCORE_ERROR                 /* the case cannot be checked by
                                              it, or the judge was not to be
                                              understood */
} ngx_llmops_score_state_e;


/* of one check */

typedef struct {
    ngx_llmops_score_state_e   state;
    double                     value;      /* 0 to 1, if TOLD */
    double                     heard[2];   /* of a judge, in each order; -1:
                                              nothing yet */
    unsigned                   passed:1;
    char                       why[NGX_LLMOPS_SCORE_WHY];  /* UTF-8; may be
                                                              empty */
} ngx_llmops_score_check_t;


/* a question to a judge */

typedef struct {
    uint8_t                    check;
    uint8_t                    order;      /* 1: the baseline's answer first */
    uint8_t                    heard;      /* 1: there is an answer */
} ngx_llmops_score_question_t;


/* of a case and a candidate; plain data, about 4 KB */

typedef struct {
    double                     value;      /* 0 to 1: the weighted mean of the
                                              checks that are TOLD */
    ngx_uint_t                 nchecks;
    ngx_uint_t                 nquestions;
    unsigned                   passed:1;   /* all that are TOLD are */
    unsigned                   error:1;    /* a check is ERROR: no value */
    unsigned                   told:1;     /* a check at least is TOLD */
    unsigned                   human:1;    /* a check waits for a person */
    ngx_llmops_score_check_t   checks[NGX_LLMOPS_SCORE_CHECKS];
    ngx_llmops_score_question_t
                               questions[NGX_LLMOPS_SCORE_QUESTIONS];
} ngx_llmops_score_t;


/*
 * A scorer by an array of checks, as in the guide: 1 to SCORE_CHECKS of them.
 * checks is not needed afterwards.  sets are those that "rules" may name, nsets
 * may be 0; they outlive the scorer.  Compiles patterns and schemas: below a
 * millisecond for what is usual; once for a job, and for each case that has
 * checks of its own.  NULL: err[size] says what is wrong with which check.
 */
ngx_llmops_scorer_t *ngx_llmops_scorer_create(json_t *checks,
    ngx_llmops_score_rules_t *sets, ngx_uint_t nsets, char *err, size_t size);

void ngx_llmops_scorer_free(ngx_llmops_scorer_t *sc);

/* Whether a check is of that kind: somebody has to be asked, a baseline has to
   have answered before, or a person has to. */
ngx_uint_t ngx_llmops_scorer_judges(ngx_llmops_scorer_t *sc);
ngx_uint_t ngx_llmops_scorer_pairwise(ngx_llmops_scorer_t *sc);
ngx_uint_t ngx_llmops_scorer_human(ngx_llmops_scorer_t *sc);

/*
 * Whether a case has all that the checks want of it (expected, choices, ...),
 * to be asked when a dataset comes in.  NGX_OK, or NGX_ERROR: err[size].
 */
ngx_int_t ngx_llmops_score_case(ngx_llmops_scorer_t *sc, json_t *kase,
    char *err, size_t size);

/*
 * Appends what a judge reads as the request: the case's "input", be it text or
 * messages, each behind its role; bounded by SCORE_ANSWER.  NGX_OK, NGX_ERROR.
 */
ngx_int_t ngx_llmops_score_input(json_t *kase, ngx_llmops_out_t *out);

/*
 * Scores all that can be told at once.  NGX_OK: all is told; NGX_AGAIN: all of
 * score->questions are left; NGX_ERROR: out of memory.  Takes time in
 * proportion to the answer, with patterns bounded by match limits; some
 * milliseconds at the most.  kase may be NULL, here and in _ask(), for checks
 * that want nothing of it: "pairwise" and "judge" do not.
 */
ngx_int_t ngx_llmops_score(ngx_llmops_scorer_t *sc, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_t *score);

/*
 * Appends the body of a chat completion that asks question n.  boundary is
 * SCORE_BOUNDARY characters of hexadecimal that nobody can guess.  NGX_OK, or
 * NGX_ERROR: out is full or memory is.  whom: the check's "target"
 * (UPSTREAM/MODEL), len 0 if it has none and the job's judge is asked; lives as
 * long as the scorer.
 */
ngx_int_t ngx_llmops_score_ask(ngx_llmops_scorer_t *sc, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_t *score, ngx_uint_t n,
    u_char *boundary, ngx_llmops_out_t *out, ngx_str_t *whom);

/*
 * The answer to question n: the body of a chat completion with status 200, or
 * NULL if there is none.  NGX_OK: all is told; NGX_AGAIN: others are left.
 */
ngx_int_t ngx_llmops_score_hear(ngx_llmops_scorer_t *sc,
    ngx_llmops_score_t *score, ngx_uint_t n, ngx_str_t *answer);

/*
 * A score as it is kept and shown: {"score", "passed", "error"?, "human"?,
 * "checks": [{"type", "name", "score", "passed", "why", "weight"?, ...}]}; a
 * new reference, NULL if out of memory.  Invalid UTF-8 is replaced.
 */
json_t *ngx_llmops_score_json(ngx_llmops_scorer_t *sc,
    ngx_llmops_score_t *score);

/*
 * A person's verdict, 0 to 1, on a score that was kept in that form: becomes
 * the check of type "human" (a new one, if there is none), and "score" and
 * "passed" are told again.  comment may be NULL; UTF-8 of any length, of which
 * the start is kept.  NGX_OK, NGX_DECLINED: it is not of that form,
 * NGX_ERROR: out of memory.
 */
ngx_int_t ngx_llmops_score_verdict(json_t *kept, double value,
    const char *comment);


#endif /* _NGX_LLMOPS_SCORE_H_INCLUDED_ */
