
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
 *   score_text.c     exact, contains
 *   score_regex.c    regex, length
 *   score_numeric.c  numbers in a text
 *   score_choice.c   which of several choices a text means
 *   score_json.c     json, schema
 *   score_rules.c    rule sets, ground
 *   score_judge.c    questions to a judge, and what he says
 *   score_kept.c     scores as JSON, and a person's verdict on them
 *   score_conf.c     rule sets, of the configuration
 */


#define NGX_LLMOPS_SCORE_ALL   " type name weight min "
#define NGX_LLMOPS_SCORE_NAME  64


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


static ngx_int_t ngx_llmops_score_read(ngx_llmops_score_reading_t *rd,
    json_t *json);
static ngx_int_t ngx_llmops_score_kind(ngx_llmops_score_reading_t *rd);
static ngx_uint_t ngx_llmops_score_member(const char *members,
    const char *name);
static void ngx_llmops_score_questions(ngx_llmops_scorer_t *sc,
    ngx_llmops_score_t *score);


ngx_llmops_scorer_t *
ngx_llmops_scorer_create(json_t *checks, ngx_llmops_score_rules_t *sets,
    ngx_uint_t nsets, char *err, size_t size)
{
    size_t                       i, n;
    ngx_llmops_scorer_t         *sc;
    ngx_llmops_score_reading_t   rd;

    n = json_array_size(checks);

    if (n == 0 || n > NGX_LLMOPS_SCORE_CHECKS) {
        snprintf(err, size, "\"checks\" has to be an array of 1 to %d checks",
                 NGX_LLMOPS_SCORE_CHECKS);
        return NULL;
    }

    sc = calloc(1, sizeof(ngx_llmops_scorer_t));
    if (sc == NULL) {
        snprintf(err, size, "out of memory");
        return NULL;
    }

    sc->sets = sets;
    sc->nsets = nsets;

    rd.sc = sc;
    rd.err = err;
    rd.size = size;

    for (i = 0; i < n; i++) {
        rd.rule = &sc->rules[i];
        sc->nrules++;

        if (ngx_llmops_score_read(&rd, json_array_get(checks, i)) != NGX_OK) {
            ngx_llmops_scorer_free(sc);
            return NULL;
        }
    }

    return sc;
}


void
ngx_llmops_scorer_free(ngx_llmops_scorer_t *sc)
{
    ngx_uint_t                i;
    ngx_llmops_score_rule_t  *rule;

    if (sc == NULL) {
        return;
    }

    for (i = 0; i < sc->nrules; i++) {
        rule = &sc->rules[i];

        if (rule->re) {
            pcre2_code_free(rule->re);
        }

        if (rule->schema) {
            ngx_llmops_jschema_free(rule->schema);
        }

        json_decref(rule->json);
    }

    free(sc);
}


static ngx_int_t
ngx_llmops_score_read(ngx_llmops_score_reading_t *rd, json_t *json)
{
    json_t                   *value;
    const char               *name;
    ngx_str_t                 text;
    ngx_llmops_score_rule_t  *rule;

    rule = rd->rule;

    if (!json_is_object(json)) {
        return ngx_llmops_score_wrong(rd, "has to be an object");
    }

    rule->json = json_incref(json);

    if (ngx_llmops_score_kind(rd) != NGX_OK) {
        return NGX_ERROR;
    }

    json_object_foreach(json, name, value) {
        if (!ngx_llmops_score_member(rule->kind->members, name)) {
            return ngx_llmops_score_wrong(rd, "unknown member \"%.40s\" of "
                                          "\"%s\"", name, rule->kind->name);
        }
    }

    rule->name = rule->kind->name;
    rule->weight = 1;
    rule->min = rule->kind->min;

    if (ngx_llmops_score_string(rd, "name", NGX_LLMOPS_SCORE_NAME, &text)
        == NGX_ERROR
        || ngx_llmops_score_number(rd, "weight", 1e-6, 1e6, &rule->weight)
           != NGX_OK
        || ngx_llmops_score_number(rd, "min", 0, 1, &rule->min) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (text.len) {
        rule->name = json_string_value(json_object_get(json, "name"));
    }

    return rule->kind->read ? rule->kind->read(rd) : NGX_OK;
}


static ngx_int_t
ngx_llmops_score_kind(ngx_llmops_score_reading_t *rd)
{
    const char               *type;
    ngx_llmops_score_kind_t  *kind;

    type = json_string_value(json_object_get(rd->rule->json, "type"));

    for (kind = ngx_llmops_score_kinds; type && kind->name; kind++) {
        if (strcmp(kind->name, type) == 0) {
            rd->rule->kind = kind;
            return NGX_OK;
        }
    }

    return ngx_llmops_score_wrong(rd, "\"type\" has to be one of exact, "
                                  "contains, regex, length, numeric, choice, "
                                  "json, schema, rules, ground, judge, "
                                  "pairwise, human");
}


static ngx_uint_t
ngx_llmops_score_member(const char *members, const char *name)
{
    size_t       len;
    const char  *p;

    len = strlen(name);

    if (len == 0) {
        return 0;
    }

    for (p = members; (p = strstr(p, name)) != NULL; p++) {
        if (p[-1] == ' ' && p[len] == ' ') {
            return 1;
        }
    }

    return 0;
}


ngx_int_t
ngx_llmops_score_wrong(ngx_llmops_score_reading_t *rd, const char *fmt, ...)
{
    int      n;
    va_list  args;

    n = snprintf(rd->err, rd->size, "check %d: ",
                 (int) (rd->rule - rd->sc->rules) + 1);

    if (n > 0 && (size_t) n < rd->size) {
        va_start(args, fmt);
        (void) vsnprintf(rd->err + n, rd->size - n, fmt, args);
        va_end(args);
    }

    return NGX_ERROR;
}


ngx_int_t
ngx_llmops_score_string(ngx_llmops_score_reading_t *rd, const char *name,
    size_t max, ngx_str_t *value)
{
    json_t  *json;

    ngx_str_null(value);

    json = json_object_get(rd->rule->json, name);

    if (json == NULL) {
        return NGX_DECLINED;
    }

    value->data = (u_char *) json_string_value(json);
    value->len = json_string_length(json);

    if (value->len == 0 || value->len > max) {
        return ngx_llmops_score_wrong(rd, "\"%s\" has to be a string of 1 to "
                                      "%d bytes", name, (int) max);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_score_number(ngx_llmops_score_reading_t *rd, const char *name,
    double low, double high, double *value)
{
    double   n;
    json_t  *json;

    json = json_object_get(rd->rule->json, name);

    if (json == NULL) {
        return NGX_OK;
    }

    n = json_number_value(json);

    if (!json_is_number(json) || !(n >= low && n <= high)) {
        return ngx_llmops_score_wrong(rd, "\"%s\" has to be a number from %g "
                                      "to %g", name, low, high);
    }

    *value = n;

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_scorer_has(ngx_llmops_scorer_t *sc, const char *name)
{
    ngx_uint_t  i;

    for (i = 0; i < sc->nrules; i++) {
        if (strcmp(sc->rules[i].kind->name, name) == 0) {
            return 1;
        }
    }

    return 0;
}


ngx_uint_t
ngx_llmops_scorer_judges(ngx_llmops_scorer_t *sc)
{
    return ngx_llmops_scorer_has(sc, "judge")
           || ngx_llmops_scorer_has(sc, "pairwise");
}


ngx_uint_t
ngx_llmops_scorer_pairwise(ngx_llmops_scorer_t *sc)
{
    return ngx_llmops_scorer_has(sc, "pairwise");
}


ngx_uint_t
ngx_llmops_scorer_human(ngx_llmops_scorer_t *sc)
{
    return ngx_llmops_scorer_has(sc, "human");
}


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
    size_t  len;

    (void) vsnprintf(check->why, sizeof(check->why), fmt, args);

    len = strlen(check->why);

    /* no half of a character at the end, where it was cut off */

    if (len == sizeof(check->why) - 1) {
        while (len && ((u_char) check->why[len - 1] & 0xc0) == 0x80) {
            len--;
        }

        if (len && ((u_char) check->why[len - 1] & 0x80)) {
            len--;
        }

        check->why[len] = '\0';
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
