
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SCORE_CHECK_H_INCLUDED_
#define _NGX_LLMOPS_SCORE_CHECK_H_INCLUDED_


#include "ngx_llmops_score.h"


#define PCRE2_CODE_UNIT_WIDTH  8
#include <pcre2.h>


/* The inside of a scorer.  Private to this directory. */


#define NGX_LLMOPS_SCORE_EXPECTED   64     /* texts that a case may expect */
#define NGX_LLMOPS_SCORE_PATTERN    4096
#define NGX_LLMOPS_SCORE_RUBRIC     16384
#define NGX_LLMOPS_SCORE_REPLY      65536  /* of a judge, plain */


/* how a number is taken out of an answer */

typedef enum {
    NGX_LLMOPS_TAKE_LAST = 0,
    NGX_LLMOPS_TAKE_FIRST,
    NGX_LLMOPS_TAKE_ONLY
} ngx_llmops_take_e;


typedef struct ngx_llmops_score_kind_s  ngx_llmops_score_kind_t;


/* a check, read */

typedef struct {
    ngx_llmops_score_kind_t   *kind;
    json_t                    *json;       /* as it was given */
    const char                *name;
    double                     weight;
    double                     min;        /* from which it is passed */

    json_t                    *value;      /* instead of "expected", or NULL */
    pcre2_code                *re;         /* of regex */
    ngx_llmops_jschema_t      *schema;     /* of schema, or NULL: the case's */
    ngx_llmops_score_rules_t  *set;        /* of rules */
    ngx_str_t                  rubric;     /* of judges */
    ngx_str_t                  whom;
    double                     tolerance;  /* of numeric */
    double                     relative;
    double                     low;        /* of length */
    double                     high;
    ngx_llmops_take_e          take;
    unsigned                   ignore_case:1;
    unsigned                   normalize:1;
    unsigned                   all:1;
    unsigned                   negate:1;
    unsigned                   fences:1;   /* are taken off */
} ngx_llmops_score_rule_t;


struct ngx_llmops_scorer_s {
    ngx_uint_t                 nrules;
    ngx_llmops_score_rules_t  *sets;
    ngx_uint_t                 nsets;
    ngx_llmops_score_rule_t    rules[NGX_LLMOPS_SCORE_CHECKS];
};


/* what a check is given, and where an error is told */

typedef struct {
    ngx_llmops_scorer_t       *sc;
    ngx_llmops_score_rule_t   *rule;
    char                      *err;
    size_t                     size;
} ngx_llmops_score_reading_t;


struct ngx_llmops_score_kind_s {
    const char                *name;
    const char                *members;    /* that it may have, each with a
                                              space before and behind it */
    double                     min;

    /* Reads what only this kind has; NULL: nothing.  NGX_OK, NGX_ERROR. */
    ngx_int_t                (*read)(ngx_llmops_score_reading_t *rd);

    /* Whether the case has what is wanted; NULL: anything will do. */
    ngx_int_t                (*wants)(ngx_llmops_score_reading_t *rd,
                                      json_t *kase);

    /* Sets state and value, and why.  NGX_OK, or NGX_ERROR: out of memory. */
    ngx_int_t                (*score)(ngx_llmops_score_rule_t *rule,
                                      json_t *kase,
                                      ngx_llmops_score_said_t *said,
                                      ngx_llmops_score_check_t *check);
};


/* texts that are expected: pointers into the case or the check */

typedef struct {
    ngx_str_t                  texts[NGX_LLMOPS_SCORE_EXPECTED];
    ngx_uint_t                 n;
} ngx_llmops_expected_t;


/* score.c */

/* A value is told: from 0 to 1, and why, if there is something to say. */
void ngx_llmops_score_told(ngx_llmops_score_rule_t *rule,
    ngx_llmops_score_check_t *check, double value, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

/* It cannot be told. */
void ngx_llmops_score_fault(ngx_llmops_score_check_t *check, const char *fmt,
    ...) __attribute__((format(printf, 2, 3)));

/* An error of reading: NGX_ERROR. */
ngx_int_t ngx_llmops_score_wrong(ngx_llmops_score_reading_t *rd,
    const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* All questions heard?  Sums the checks up.  NGX_OK or NGX_AGAIN. */
ngx_int_t ngx_llmops_score_sum(ngx_llmops_scorer_t *sc,
    ngx_llmops_score_t *score);

/* A string member: NGX_OK, NGX_DECLINED if there is none, NGX_ERROR if it is
   no string of 1 to max bytes. */
ngx_int_t ngx_llmops_score_string(ngx_llmops_score_reading_t *rd,
    const char *name, size_t max, ngx_str_t *value);

/* A number member, from low to high, or absent; NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_score_number(ngx_llmops_score_reading_t *rd,
    const char *name, double low, double high, double *value);

/* The kinds, the last with a name of NULL. */
extern ngx_llmops_score_kind_t  ngx_llmops_score_kinds[];


/* score_text.c */

/* What is expected of a text: the check's value, or the case's.  NGX_OK,
   NGX_DECLINED: nothing that can be used. */
ngx_int_t ngx_llmops_score_expected(ngx_llmops_score_rule_t *rule,
    json_t *kase, ngx_llmops_expected_t *expected);

/* Whether n bytes are the same but for the case of ASCII's letters. */
ngx_uint_t ngx_llmops_score_same(const void *one, const void *two, size_t n);

/* Without white space at its ends. */
ngx_str_t ngx_llmops_score_trim(ngx_str_t text);

/* Appends text: lower case, ASCII punctuation as white space, runs of white
   space as one space, none at the ends. */
ngx_int_t ngx_llmops_score_normal(ngx_str_t *text, ngx_llmops_out_t *out);

ngx_int_t ngx_llmops_score_read_text(ngx_llmops_score_reading_t *rd);
ngx_int_t ngx_llmops_score_wants_text(ngx_llmops_score_reading_t *rd,
    json_t *kase);
ngx_int_t ngx_llmops_score_exact(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check);
ngx_int_t ngx_llmops_score_contains(ngx_llmops_score_rule_t *rule,
    json_t *kase, ngx_llmops_score_said_t *said,
    ngx_llmops_score_check_t *check);


/* score_regex.c: patterns, and how long a text is */

ngx_int_t ngx_llmops_score_read_regex(ngx_llmops_score_reading_t *rd);
ngx_int_t ngx_llmops_score_regex(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check);
ngx_int_t ngx_llmops_score_read_length(ngx_llmops_score_reading_t *rd);
ngx_int_t ngx_llmops_score_length(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check);


/* score_numeric.c */

ngx_int_t ngx_llmops_score_read_numeric(ngx_llmops_score_reading_t *rd);
ngx_int_t ngx_llmops_score_wants_numeric(ngx_llmops_score_reading_t *rd,
    json_t *kase);
ngx_int_t ngx_llmops_score_numeric(ngx_llmops_score_rule_t *rule,
    json_t *kase, ngx_llmops_score_said_t *said,
    ngx_llmops_score_check_t *check);


/* score_choice.c */

ngx_int_t ngx_llmops_score_wants_choice(ngx_llmops_score_reading_t *rd,
    json_t *kase);
ngx_int_t ngx_llmops_score_choice(ngx_llmops_score_rule_t *rule,
    json_t *kase, ngx_llmops_score_said_t *said,
    ngx_llmops_score_check_t *check);


/* score_json.c */

ngx_int_t ngx_llmops_score_read_json(ngx_llmops_score_reading_t *rd);
ngx_int_t ngx_llmops_score_wants_schema(ngx_llmops_score_reading_t *rd,
    json_t *kase);
ngx_int_t ngx_llmops_score_json_text(ngx_llmops_score_rule_t *rule,
    json_t *kase, ngx_llmops_score_said_t *said,
    ngx_llmops_score_check_t *check);


/* score_rules.c: rule sets, and what supports an answer */

ngx_int_t ngx_llmops_score_read_rules(ngx_llmops_score_reading_t *rd);
ngx_int_t ngx_llmops_score_rules(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check);
ngx_int_t ngx_llmops_score_ground(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check);


/* score_judge.c */

ngx_int_t ngx_llmops_score_read_judge(ngx_llmops_score_reading_t *rd);
ngx_int_t ngx_llmops_score_judge(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check);
ngx_int_t ngx_llmops_score_pairwise(ngx_llmops_score_rule_t *rule,
    json_t *kase, ngx_llmops_score_said_t *said,
    ngx_llmops_score_check_t *check);
ngx_int_t ngx_llmops_score_human(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check);


#endif /* _NGX_LLMOPS_SCORE_CHECK_H_INCLUDED_ */
