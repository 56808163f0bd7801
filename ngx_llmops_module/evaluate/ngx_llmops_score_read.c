
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_score_check.h"


/* Checks as they are given, in JSON; and what a scorer has of them. */


#define NGX_LLMOPS_SCORE_NAME  64


static ngx_int_t ngx_llmops_score_read(ngx_llmops_score_reading_t *rd,
    json_t *json);
static ngx_int_t ngx_llmops_score_kind(ngx_llmops_score_reading_t *rd);
static ngx_uint_t ngx_llmops_score_member(const char *members,
    const char *name);


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
