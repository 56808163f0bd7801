
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_score_check.h"


/*
 * Texts that are there, or not.  "normalize" is for models that say the right
 * thing in another dress: case, punctuation and white space do not count.
 * Letters beyond ASCII are compared as they are.
 */


static ngx_int_t ngx_llmops_score_match(ngx_llmops_score_rule_t *rule,
    json_t *kase, ngx_llmops_score_said_t *said,
    ngx_llmops_score_check_t *check, ngx_uint_t whole);
static ngx_int_t ngx_llmops_score_dress(ngx_llmops_score_rule_t *rule,
    ngx_str_t *text, ngx_llmops_out_t *out);
static void ngx_llmops_score_matched(ngx_llmops_score_rule_t *rule,
    ngx_llmops_score_check_t *check, ngx_uint_t found,
    ngx_llmops_expected_t *expected, ngx_str_t *missing);


ngx_int_t
ngx_llmops_score_read_text(ngx_llmops_score_reading_t *rd)
{
    json_t                   *json, *value;
    ngx_llmops_expected_t     expected;
    ngx_llmops_score_rule_t  *rule;

    rule = rd->rule;
    json = rule->json;

    rule->ignore_case = json_is_true(json_object_get(json, "ignore_case"));
    rule->normalize = json_is_true(json_object_get(json, "normalize"));
    rule->all = json_is_true(json_object_get(json, "all"));
    rule->negate = json_is_true(json_object_get(json, "not"));

    value = json_object_get(json, "value");

    if (value) {
        rule->value = value;

        if (ngx_llmops_score_expected(rule, NULL, &expected) != NGX_OK) {
            return ngx_llmops_score_wrong(rd, "\"value\" has to be a string "
                                          "that is not empty, or an array of "
                                          "1 to %d of them",
                                          NGX_LLMOPS_SCORE_EXPECTED);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_score_wants_text(ngx_llmops_score_reading_t *rd, json_t *kase)
{
    ngx_llmops_expected_t  expected;

    if (ngx_llmops_score_expected(rd->rule, kase, &expected) == NGX_OK) {
        return NGX_OK;
    }

    return ngx_llmops_score_wrong(rd, "\"%s\" wants \"expected\" of the case: "
                                  "a string that is not empty, or an array of "
                                  "1 to %d of them", rd->rule->kind->name,
                                  NGX_LLMOPS_SCORE_EXPECTED);
}


ngx_int_t
ngx_llmops_score_expected(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_expected_t *expected)
{
    size_t   i, n;
    json_t  *json, *one;

    json = rule->value ? rule->value : json_object_get(kase, "expected");
    n = json_is_array(json) ? json_array_size(json) : 1;

    if (n == 0 || n > NGX_LLMOPS_SCORE_EXPECTED) {
        return NGX_DECLINED;
    }

    for (i = 0; i < n; i++) {
        one = json_is_array(json) ? json_array_get(json, i) : json;

        expected->texts[i].data = (u_char *) json_string_value(one);
        expected->texts[i].len = json_string_length(one);

        if (expected->texts[i].len == 0) {
            return NGX_DECLINED;
        }
    }

    expected->n = n;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_score_exact(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check)
{
    return ngx_llmops_score_match(rule, kase, said, check, 1);
}


ngx_int_t
ngx_llmops_score_contains(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check)
{
    return ngx_llmops_score_match(rule, kase, said, check, 0);
}


static ngx_int_t
ngx_llmops_score_match(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check,
    ngx_uint_t whole)
{
    ngx_str_t              missing;
    ngx_uint_t             i, found, same;
    ngx_llmops_out_t       text, want;
    ngx_llmops_expected_t  expected;

    if (ngx_llmops_score_expected(rule, kase, &expected) != NGX_OK) {
        ngx_llmops_score_fault(check, "nothing is expected");
        return NGX_OK;
    }

    ngx_llmops_out_init(&text, NGX_LLMOPS_SCORE_ANSWER + 1);
    ngx_llmops_out_init(&want, NGX_LLMOPS_SCORE_ANSWER + 1);
    ngx_str_null(&missing);

    (void) ngx_llmops_score_dress(rule, &said->text, &text);

    for (found = 0, i = 0; i < expected.n && !text.failed; i++) {
        ngx_llmops_out_reset(&want);

        if (expected.texts[i].len > NGX_LLMOPS_SCORE_ANSWER) {
            same = 0;

        } else if (ngx_llmops_score_dress(rule, &expected.texts[i], &want)
                   != NGX_OK)
        {
            break;

        } else if (whole) {
            same = text.len == want.len
                   && (want.len == 0
                       || ngx_memcmp(text.data, want.data, want.len) == 0);

        } else {
            same = want.len && text.len >= want.len
                   && memmem(text.data, text.len, want.data, want.len);
        }

        if (same) {
            found++;

        } else if (missing.data == NULL) {
            missing = expected.texts[i];
        }
    }

    same = text.failed || want.failed;

    ngx_llmops_out_free(&text);
    ngx_llmops_out_free(&want);

    if (same) {
        return NGX_ERROR;
    }

    ngx_llmops_score_matched(rule, check, found, &expected, &missing);

    return NGX_OK;
}


static void
ngx_llmops_score_matched(ngx_llmops_score_rule_t *rule,
    ngx_llmops_score_check_t *check, ngx_uint_t found,
    ngx_llmops_expected_t *expected, ngx_str_t *missing)
{
    double  value;

    if (rule->negate) {
        ngx_llmops_score_told(rule, check, found == 0, "%s",
                              found ? "has what it must not have" : "");
        return;
    }

    value = rule->all ? (double) found / expected->n : (found > 0);

    if (value == 1) {
        ngx_llmops_score_told(rule, check, 1, "%s", "");
        return;
    }

    ngx_llmops_score_told(rule, check, value, "%s \"%.*s\"",
                          rule->all ? "lacks" : "expected",
                          (int) ngx_min(missing->len, 100),
                          (char *) missing->data);
}


ngx_uint_t
ngx_llmops_score_same(const void *one, const void *two, size_t n)
{
    size_t         i;
    const u_char  *p, *q;

    p = one;
    q = two;

    for (i = 0; i < n; i++) {
        if (ngx_tolower(p[i]) != ngx_tolower(q[i])) {
            return 0;
        }
    }

    return 1;
}


ngx_str_t
ngx_llmops_score_trim(ngx_str_t text)
{
    while (text.len && text.data[0] <= ' ') {
        text.data++;
        text.len--;
    }

    while (text.len && text.data[text.len - 1] <= ' ') {
        text.len--;
    }

    return text;
}


/* a text as it is compared */

static ngx_int_t
ngx_llmops_score_dress(ngx_llmops_score_rule_t *rule, ngx_str_t *text,
    ngx_llmops_out_t *out)
{
    size_t     i;
    ngx_str_t  trimmed;

    if (rule->normalize) {
        return ngx_llmops_score_normal(text, out);
    }

    trimmed = ngx_llmops_score_trim(*text);

    if (ngx_llmops_out_str(out, &trimmed) != NGX_OK) {
        return NGX_ERROR;
    }

    for (i = 0; rule->ignore_case && i < out->len; i++) {
        out->data[i] = ngx_tolower(out->data[i]);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_score_normal(ngx_str_t *text, ngx_llmops_out_t *out)
{
    size_t  i;
    u_char  c;

    for (i = 0; i < text->len; i++) {
        c = ngx_tolower(text->data[i]);

        if (c < 0x80 && (c < '0' || (c > '9' && c < 'a') || c > 'z')) {
            c = ' ';
        }

        if (c == ' ' && (out->len == 0 || out->data[out->len - 1] == ' ')) {
            continue;
        }

        if (ngx_llmops_out_write(out, &c, 1) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    if (out->len && out->data[out->len - 1] == ' ') {
        out->len--;
    }

    return NGX_OK;
}
