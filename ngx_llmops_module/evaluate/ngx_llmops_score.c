
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_score_check.h"

#include <math.h>
#include <stdarg.h>


/*
 * A check is a way to tell what an answer is worth: a number from 0 to 1, and
 * whether that is enough.  Most tell it at once; a judge has to be asked, and a
 * person takes his time.  A case's score is the weighted mean of its checks,
 * and it is passed if all of them are.
 *
 * What cannot be told is no 0: a case that a check cannot be applied to, or a
 * judge who talks nonsense, is an error, has no score and is counted apart,
 * since it says nothing of the candidate.  What an answer does to a check is
 * the candidate's: one that makes a pattern exceed its steps has failed.
 *
 *   score_read.c     checks as they are given
 *   score_text.c     exact, contains
 *   score_regex.c    regex, length
 *   score_numeric.c  numbers in a text
 *   score_choice.c   which of several choices a text means
 *   score_label.c    where it has the label of one
 *   score_json.c     json, schema
 *   score_rules.c    rule sets, ground
 *   score_judge.c    questions to a judge, and what he says
 *   score_kept.c     scores as JSON, and a person's verdict on them
 */


#define NGX_LLMOPS_SCORE_ALL   " type name weight min "


ngx_llmops_score_kind_t  ngx_llmops_score_kinds[] = {

    { "exact",
      NGX_LLMOPS_SCORE_ALL "value ignore_case normalize not ",
      1,
      ngx_llmops_score_read_text,
      ngx_llmops_score_wants_text,
      ngx_llmops_score_exact },

    { "contains",
      NGX_LLMOPS_SCORE_ALL "value ignore_case normalize all not ",
      1,
      ngx_llmops_score_read_text,
      ngx_llmops_score_wants_text,
      ngx_llmops_score_contains },

    { "regex",
      NGX_LLMOPS_SCORE_ALL "pattern ignore_case not ",
      1,
      ngx_llmops_score_read_regex,
      NULL,
      ngx_llmops_score_regex },

    { "length",
      NGX_LLMOPS_SCORE_ALL "low high ",
      1,
      ngx_llmops_score_read_length,
      NULL,
      ngx_llmops_score_length },

    { "numeric",
      NGX_LLMOPS_SCORE_ALL "value tolerance relative take ",
      1,
      ngx_llmops_score_read_numeric,
      ngx_llmops_score_wants_numeric,
      ngx_llmops_score_numeric },

    { "choice",
      NGX_LLMOPS_SCORE_ALL,
      1,
      NULL,
      ngx_llmops_score_wants_choice,
      ngx_llmops_score_choice },

    { "json",
      NGX_LLMOPS_SCORE_ALL "fences ",
      1,
      ngx_llmops_score_read_json,
      NULL,
      ngx_llmops_score_json_text },

    { "schema",
      NGX_LLMOPS_SCORE_ALL "schema fences ",
      1,
      ngx_llmops_score_read_json,
      ngx_llmops_score_wants_schema,
      ngx_llmops_score_json_text },

    { "rules",
      NGX_LLMOPS_SCORE_ALL "rules ",
      1,
      ngx_llmops_score_read_rules,
      NULL,
      ngx_llmops_score_rules },

    { "ground",
      NGX_LLMOPS_SCORE_ALL,
      0.5,
      NULL,
      NULL,
      ngx_llmops_score_ground },

    { "judge",
      NGX_LLMOPS_SCORE_ALL "rubric target ",
      0.5,
      ngx_llmops_score_read_judge,
      NULL,
      ngx_llmops_score_judge },

    { "pairwise",
      NGX_LLMOPS_SCORE_ALL "rubric target ",
      0.5,
      ngx_llmops_score_read_judge,
      NULL,
      ngx_llmops_score_pairwise },

    { "human",
      NGX_LLMOPS_SCORE_ALL,
      0.5,
      NULL,
      NULL,
      ngx_llmops_score_human },

    { NULL, NULL, 0, NULL, NULL, NULL }
};


static void ngx_llmops_score_questions(ngx_llmops_scorer_t *sc,
    ngx_llmops_score_t *score);


ngx_int_t
ngx_llmops_score_case(ngx_llmops_scorer_t *sc, json_t *kase, char *err,
    size_t size)
{
    ngx_uint_t                   i;
    ngx_llmops_score_reading_t   rd;

    rd.sc = sc;
    rd.err = err;
    rd.size = size;

    for (i = 0; i < sc->nrules; i++) {
        rd.rule = &sc->rules[i];

        if (rd.rule->kind->wants
            && rd.rule->kind->wants(&rd, kase) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_score(ngx_llmops_scorer_t *sc, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_t *score)
{
    char                         err[NGX_LLMOPS_SCORE_WHY];
    ngx_uint_t                   i;
    ngx_llmops_score_said_t      cut;
    ngx_llmops_score_check_t    *check;
    ngx_llmops_score_reading_t   rd;

    ngx_memzero(score, sizeof(ngx_llmops_score_t));
    score->nchecks = sc->nrules;

    cut = *said;
    cut.text.len = ngx_min(cut.text.len, NGX_LLMOPS_SCORE_ANSWER);
    cut.other.len = ngx_min(cut.other.len, NGX_LLMOPS_SCORE_ANSWER);

    rd.sc = sc;
    rd.err = err;
    rd.size = sizeof(err);

    for (i = 0; i < sc->nrules; i++) {
        rd.rule = &sc->rules[i];
        check = &score->checks[i];
        check->heard[0] = -1;
        check->heard[1] = -1;

        if (rd.rule->kind->wants
            && rd.rule->kind->wants(&rd, kase) != NGX_OK)
        {
            ngx_llmops_score_fault(check, "%s", err);
            continue;
        }

        if (rd.rule->kind->score(rd.rule, kase, &cut, check) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    ngx_llmops_score_questions(sc, score);

    return ngx_llmops_score_sum(sc, score);
}


static void
ngx_llmops_score_questions(ngx_llmops_scorer_t *sc, ngx_llmops_score_t *score)
{
    ngx_uint_t                    i, order, orders;
    ngx_llmops_score_question_t  *q;

    for (i = 0; i < score->nchecks; i++) {

        if (score->checks[i].state != NGX_LLMOPS_SCORE_LEFT) {
            continue;
        }

        orders = (sc->rules[i].kind->score == ngx_llmops_score_pairwise)
                 ? 2 : 1;

        for (order = 0; order < orders; order++) {
            q = &score->questions[score->nquestions++];
            q->check = i;
            q->order = order;
        }
    }
}


ngx_int_t
ngx_llmops_score_sum(ngx_llmops_scorer_t *sc, ngx_llmops_score_t *score)
{
    double                     sum, weight;
    ngx_int_t                  rc;
    ngx_uint_t                 i;
    ngx_llmops_score_check_t  *check;

    rc = NGX_OK;
    sum = 0;
    weight = 0;

    score->passed = 1;
    score->error = 0;
    score->told = 0;
    score->human = 0;

    for (i = 0; i < score->nchecks; i++) {
        check = &score->checks[i];

        switch (check->state) {

        case NGX_LLMOPS_SCORE_LEFT:
            rc = NGX_AGAIN;
            break;

        case NGX_LLMOPS_SCORE_HUMAN:
            score->human = 1;
            break;

        case NGX_LLMOPS_SCORE_ERROR:
            score->error = 1;
            break;

        case NGX_LLMOPS_SCORE_TOLD:
            score->told = 1;
            sum += check->value * sc->rules[i].weight;
            weight += sc->rules[i].weight;

            if (!check->passed) {
                score->passed = 0;
            }

            break;

        default: /* NGX_LLMOPS_SCORE_NONE */
            break;
        }
    }

    score->value = (weight > 0) ? sum / weight : 0;

    if (!score->told || score->error) {
        score->passed = 0;
    }

    return rc;
}


static void
ngx_llmops_score_why(ngx_llmops_score_check_t *check, const char *fmt,
    va_list args)
{
    size_t  len, last, n;
    u_char  lead;

    (void) vsnprintf(check->why, sizeof(check->why), fmt, args);

    len = strlen(check->why);

    /* no part of a character at the end, where it was cut off: by its size, or
       by a precision of the format */

    for (last = len;
         last && ((u_char) check->why[last - 1] & 0xc0) == 0x80;
         last--)
    { /* void */ }

    lead = last ? (u_char) check->why[last - 1] : 0;
    n = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;

    if (n > 1 && len - (last - 1) < n) {
        check->why[last - 1] = '\0';
    }
}


void
ngx_llmops_score_told(ngx_llmops_score_rule_t *rule,
    ngx_llmops_score_check_t *check, double value, const char *fmt, ...)
{
    va_list  args;

    check->state = NGX_LLMOPS_SCORE_TOLD;
    check->value = (value > 1) ? 1 : (value > 0) ? value : 0;

    /* three judges' thirds are one, but for the rounding */
    check->passed = (check->value >= rule->min - 1e-9);

    va_start(args, fmt);
    ngx_llmops_score_why(check, fmt, args);
    va_end(args);
}


void
ngx_llmops_score_fault(ngx_llmops_score_check_t *check, const char *fmt, ...)
{
    va_list  args;

    check->state = NGX_LLMOPS_SCORE_ERROR;
    check->value = 0;
    check->passed = 0;

    va_start(args, fmt);
    ngx_llmops_score_why(check, fmt, args);
    va_end(args);
}
