
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_json.h"
#include "ngx_llmops_json_text.h"
#include "ngx_llmops_score_check.h"


/*
 * A score as JSON: what is kept of a case, listed, and put into reports.  It
 * has all that a person's verdict needs to change it later, when the scorer is
 * long gone.
 */


static json_t *ngx_llmops_kept_check(ngx_llmops_score_rule_t *rule,
    ngx_llmops_score_check_t *check);
static json_t *ngx_llmops_kept_text(const char *text);
static json_t *ngx_llmops_kept_human(json_t *checks);
static ngx_int_t ngx_llmops_kept_sum(json_t *kept, json_t *checks);


json_t *
ngx_llmops_score_json(ngx_llmops_scorer_t *sc, ngx_llmops_score_t *score)
{
    json_t      *kept, *checks;
    ngx_uint_t   i;

    kept = json_object();
    checks = json_array();

    if (json_object_set_new(kept, "checks", checks) != 0) {
        json_decref(kept);
        return NULL;
    }

    for (i = 0; i < score->nchecks; i++) {
        if (json_array_append_new(checks,
                                  ngx_llmops_kept_check(&sc->rules[i],
                                                        &score->checks[i]))
            != 0)
        {
            json_decref(kept);
            return NULL;
        }
    }

    if (ngx_llmops_kept_sum(kept, checks) != NGX_OK) {
        json_decref(kept);
        return NULL;
    }

    return kept;
}


static json_t *
ngx_llmops_kept_check(ngx_llmops_score_rule_t *rule,
    ngx_llmops_score_check_t *check)
{
    int      failed;
    json_t  *json;

    json = json_object();

    failed = json_object_set_new(json, "type",
                                 json_string(rule->kind->name))
             | json_object_set_new(json, "name", json_string(rule->name));

    if (rule->weight != 1) {
        failed |= json_object_set_new(json, "weight",
                                      json_real(rule->weight));
    }

    if (rule->min != rule->kind->min) {
        failed |= json_object_set_new(json, "min", json_real(rule->min));
    }

    switch (check->state) {

    case NGX_LLMOPS_SCORE_TOLD:
        failed |= json_object_set_new(json, "score", json_real(check->value))
                  | json_object_set_new(json, "passed",
                                        json_boolean(check->passed));

        if (check->why[0]) {
            failed |= json_object_set_new(json, "why",
                                          ngx_llmops_kept_text(check->why));
        }

        break;

    case NGX_LLMOPS_SCORE_HUMAN:
        failed |= json_object_set_new(json, "pending", json_true());
        break;

    case NGX_LLMOPS_SCORE_NONE:
        failed |= json_object_set_new(json, "skipped", json_true());
        break;

    default: /* LEFT: nobody was asked; ERROR */
        failed |= json_object_set_new(json, "error",
                                      ngx_llmops_kept_text(check->why[0]
                                                           ? check->why
                                                           : "not asked"));
    }

    if (failed) {
        json_decref(json);
        return NULL;
    }

    return json;
}


/* a text without what is no UTF-8, and of bounded length */

static json_t *
ngx_llmops_kept_text(const char *text)
{
    char           buf[NGX_LLMOPS_SCORE_WHY];
    size_t         len, n;
    const u_char  *p, *last;

    p = (const u_char *) text;
    last = p + strlen(text);

    for (len = 0; p < last; p += n) {
        n = (*p < 0x80) ? 1 : ngx_llmops_utf8_len(p, last);

        if (n == 0) {
            n = 1;

            if (len + 1 > sizeof(buf) - 1) {
                break;
            }

            buf[len++] = '?';
            continue;
        }

        if (len + n > sizeof(buf) - 1) {
            break;
        }

        ngx_memcpy(buf + len, p, n);
        len += n;
    }

    return json_stringn(buf, len);
}


/* "score", "passed", "error", "human" of what the checks say */

static ngx_int_t
ngx_llmops_kept_sum(json_t *kept, json_t *checks)
{
    int          failed;
    double       sum, weight, one;
    size_t       i;
    json_t      *check, *score, *json, *error;
    ngx_uint_t   passed, human;

    sum = 0;
    weight = 0;
    passed = 1;
    human = 0;
    error = NULL;

    json_array_foreach(checks, i, check) {
        score = json_object_get(check, "score");
        json = json_object_get(check, "weight");
        one = json_is_number(json) ? json_number_value(json) : 1;

        if (json_is_number(score) && one > 0) {
            sum += one * json_number_value(score);
            weight += one;
            passed &= json_is_true(json_object_get(check, "passed"));
        }

        human |= (json_object_get(check, "pending") != NULL);

        if (error == NULL) {
            error = json_object_get(check, "error");
        }
    }

    passed &= (weight > 0 && error == NULL);

    failed = json_object_set_new(kept, "score",
                                 weight > 0 && error == NULL
                                 ? json_real(sum / weight) : json_null())
             | json_object_set_new(kept, "passed", json_boolean(passed));

    (void) json_object_del(kept, "human");
    (void) json_object_del(kept, "error");

    if (human) {
        failed |= json_object_set_new(kept, "human", json_true());
    }

    if (error) {
        failed |= json_object_set(kept, "error", error);
    }

    return failed ? NGX_ERROR : NGX_OK;
}


ngx_int_t
ngx_llmops_score_verdict(json_t *kept, double value, const char *comment)
{
    int      failed;
    double   min;
    json_t  *checks, *check, *json;

    checks = json_object_get(kept, "checks");

    if (!json_is_array(checks) || !(value >= 0 && value <= 1)) {
        return NGX_DECLINED;
    }

    check = ngx_llmops_kept_human(checks);

    if (check == NULL) {
        return NGX_ERROR;
    }

    json = json_object_get(check, "min");
    min = json_is_number(json) ? json_number_value(json) : 0.5;

    (void) json_object_del(check, "pending");
    (void) json_object_del(check, "why");

    failed = json_object_set_new(check, "score", json_real(value))
             | json_object_set_new(check, "passed",
                                   json_boolean(value >= min - 1e-9));

    if (comment && *comment) {
        failed |= json_object_set_new(check, "why",
                                      ngx_llmops_kept_text(comment));
    }

    return failed ? NGX_ERROR : ngx_llmops_kept_sum(kept, checks);
}


/* the first such check, or a new one; NULL: out of memory */

static json_t *
ngx_llmops_kept_human(json_t *checks)
{
    size_t       i;
    json_t      *check;
    const char  *type;

    json_array_foreach(checks, i, check) {
        type = json_string_value(json_object_get(check, "type"));

        if (type && strcmp(type, "human") == 0) {
            return check;
        }
    }

    check = json_pack("{ss,ss}", "type", "human", "name", "human");

    if (check == NULL || json_array_append_new(checks, check) != 0) {
        return NULL;
    }

    return check;
}
