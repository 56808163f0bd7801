
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_score_check.h"

#include <math.h>


/*
 * Numbers in a text, in the manner of GSM8K (K. Cobbe et al. 2021, "Training
 * verifiers to solve math word problems"): a solution ends with "#### 42", and
 * that is what counts if it is there; otherwise the last number of the text, as
 * those do who score models that were not told so (EleutherAI's evaluation
 * harness, "flexible-extract").
 *
 * A number is written as in English: 1,234,567.89, -3, 1e6; a currency sign
 * before it and a per cent sign behind it are left out of account.  Digits that
 * are part of a word (GPT4, B2) are none.
 */


#define NGX_LLMOPS_NUMERIC_DIGITS  64


static u_char *ngx_llmops_numeric_next(u_char *start, u_char *p,
    u_char *last, double *n);
static u_char *ngx_llmops_numeric_read(u_char *p, u_char *last, double *n);
static u_char *ngx_llmops_numeric_exponent(u_char *p, u_char *last,
    char *buf, size_t *len);
static ngx_int_t ngx_llmops_numeric_take(ngx_llmops_take_e take,
    ngx_str_t *text, double *n);
static ngx_int_t ngx_llmops_numeric_expected(json_t *json, double *n);


ngx_int_t
ngx_llmops_score_read_numeric(ngx_llmops_score_reading_t *rd)
{
    json_t                   *json;
    const char               *take;
    ngx_str_t                 text;
    ngx_llmops_score_rule_t  *rule;

    rule = rd->rule;
    json = rule->json;

    if (ngx_llmops_score_number(rd, "tolerance", 0, 1e300, &rule->tolerance)
        != NGX_OK
        || ngx_llmops_score_number(rd, "relative", 0, 1, &rule->relative)
           != NGX_OK
        || ngx_llmops_score_string(rd, "take", 8, &text) == NGX_ERROR)
    {
        return NGX_ERROR;
    }

    take = text.len ? (char *) text.data : "last";

    if (strcmp(take, "last") == 0) {
        rule->take = NGX_LLMOPS_TAKE_LAST;

    } else if (strcmp(take, "first") == 0) {
        rule->take = NGX_LLMOPS_TAKE_FIRST;

    } else if (strcmp(take, "only") == 0) {
        rule->take = NGX_LLMOPS_TAKE_ONLY;

    } else {
        return ngx_llmops_score_wrong(rd, "\"take\" has to be last, first or "
                                      "only");
    }

    rule->value = json_object_get(json, "value");

    return rule->value ? ngx_llmops_score_wants_numeric(rd, NULL) : NGX_OK;
}


ngx_int_t
ngx_llmops_score_wants_numeric(ngx_llmops_score_reading_t *rd, json_t *kase)
{
    double   number;
    size_t   i, n;
    json_t  *json;

    json = rd->rule->value ? rd->rule->value
                           : json_object_get(kase, "expected");

    n = json_is_array(json) ? json_array_size(json) : 1;

    for (i = 0; i < n && n <= NGX_LLMOPS_SCORE_EXPECTED; i++) {
        if (ngx_llmops_numeric_expected(json_is_array(json)
                                        ? json_array_get(json, i) : json,
                                        &number)
            != NGX_OK)
        {
            break;
        }
    }

    if (n == 0 || i < n) {
        return ngx_llmops_score_wrong(rd, "\"numeric\" wants \"%s\": a number, "
                                      "a string with one, or an array of 1 to "
                                      "%d of them",
                                      rd->rule->value ? "value" : "expected",
                                      NGX_LLMOPS_SCORE_EXPECTED);
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_numeric_expected(json_t *json, double *n)
{
    ngx_str_t  text;

    if (json_is_number(json)) {
        *n = json_number_value(json);
        return NGX_OK;
    }

    if (!json_is_string(json)) {
        return NGX_DECLINED;
    }

    text.data = (u_char *) json_string_value(json);
    text.len = ngx_min(json_string_length(json), NGX_LLMOPS_SCORE_ANSWER);

    return ngx_llmops_numeric_take(NGX_LLMOPS_TAKE_LAST, &text, n);
}


ngx_int_t
ngx_llmops_score_numeric(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check)
{
    double   got, want, off;
    size_t   i, n;
    json_t  *json;

    if (ngx_llmops_numeric_take(rule->take, &said->text, &got) != NGX_OK) {
        ngx_llmops_score_told(rule, check, 0, "%s",
                              rule->take == NGX_LLMOPS_TAKE_ONLY
                              ? "there is not exactly one number"
                              : "there is no number");
        return NGX_OK;
    }

    json = rule->value ? rule->value : json_object_get(kase, "expected");
    n = json_is_array(json) ? json_array_size(json) : 1;

    for (want = 0, i = 0; i < n; i++) {
        (void) ngx_llmops_numeric_expected(json_is_array(json)
                                           ? json_array_get(json, i) : json,
                                           &want);

        off = fabs(got - want);

        /* 0.1 + 0.2: what is not there in decimal is not asked for */

        if (off <= rule->tolerance || off <= rule->relative * fabs(want)
            || off <= 1e-12 * fabs(want))
        {
            ngx_llmops_score_told(rule, check, 1, "%.10g", got);
            return NGX_OK;
        }
    }

    ngx_llmops_score_told(rule, check, 0, "%.10g, expected %.10g", got, want);

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_numeric_take(ngx_llmops_take_e take, ngx_str_t *text, double *n)
{
    u_char      *p, *start, *last;
    double       one;
    ngx_uint_t   found;

    start = text->data;
    last = start + text->len;
    found = 0;

    if (text->len == 0) {
        return NGX_DECLINED;
    }

    if (take == NGX_LLMOPS_TAKE_LAST) {

        for (p = last - 4; p >= start && text->len >= 4; p--) {
            if (ngx_memcmp(p, "####", 4) == 0) {
                start = p + 4;
                take = NGX_LLMOPS_TAKE_FIRST;
                break;
            }
        }
    }

    for (p = start;
         (p = ngx_llmops_numeric_next(start, p, last, &one)) != NULL; )
    {
        *n = one;
        found++;

        if (take == NGX_LLMOPS_TAKE_FIRST) {
            break;
        }
    }

    return found && (take != NGX_LLMOPS_TAKE_ONLY || found == 1)
           ? NGX_OK : NGX_DECLINED;
}


static ngx_uint_t
ngx_llmops_numeric_letter(u_char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}


/* the next number from p on; returns what is behind it, or NULL */

static u_char *
ngx_llmops_numeric_next(u_char *start, u_char *p, u_char *last, double *n)
{
    u_char      *end, *sign;
    ngx_uint_t   negative;

    for ( /* void */ ; p < last; p++) {

        if (!(*p >= '0' && *p <= '9')
            && !(*p == '.' && p + 1 < last && p[1] >= '0' && p[1] <= '9'))
        {
            continue;
        }

        sign = p;
        negative = 0;

        /* a hyphen, or U+2212; between two numbers it is none of either's */

        if (p > start && p[-1] == '-') {
            sign = p - 1;

        } else if (p - start >= 3 && ngx_memcmp(p - 3, "\xe2\x88\x92", 3) == 0)
        {
            sign = p - 3;
        }

        if (sign < p && (sign == start || sign[-1] < '0' || sign[-1] > '9')) {
            negative = 1;
        }

        end = ngx_llmops_numeric_read(p, last, n);

        if (p > start && ngx_llmops_numeric_letter(p[-1])) {
            p = end - 1;                /* part of a word */
            continue;
        }

        if (negative) {
            *n = -*n;
        }

        return end;
    }

    return NULL;
}


static u_char *
ngx_llmops_numeric_read(u_char *p, u_char *last, double *n)
{
    char        buf[NGX_LLMOPS_NUMERIC_DIGITS + 1];
    u_char     *end;
    size_t      len;
    ngx_uint_t  point, digits, over;

    len = 0;
    point = 0;
    digits = 0;
    over = 0;

    for (end = p; end < last; end++) {

        if (*end >= '0' && *end <= '9') {
            digits++;

        } else if (*end == '.' && !point && last - end > 1
                   && end[1] >= '0' && end[1] <= '9')
        {
            point = 1;

        } else if (*end == ',' && !point && digits && last - end > 3
                   && end[1] >= '0' && end[1] <= '9'
                   && end[2] >= '0' && end[2] <= '9'
                   && end[3] >= '0' && end[3] <= '9'
                   && !(last - end > 4 && end[4] >= '0' && end[4] <= '9'))
        {
            continue;                   /* between thousands */

        } else {
            break;
        }

        if (len < NGX_LLMOPS_NUMERIC_DIGITS - 8) {
            buf[len++] = *end;

        } else if (!point) {
            over = 1;                   /* nobody expects such a number */
        }
    }

    /* an exponent, and no word that begins with an e */

    if (last - end > 1 && (*end | 0x20) == 'e') {
        end = ngx_llmops_numeric_exponent(end, last, buf, &len);
    }

    buf[len] = '\0';
    *n = strtod(buf, NULL);

    if (over) {
        *n = HUGE_VAL;
    }

    return end;
}


/* from the e at p on; at most 6 bytes go to buf, none if no digits follow */

static u_char *
ngx_llmops_numeric_exponent(u_char *p, u_char *last, char *buf, size_t *len)
{
    u_char  *end, *digits;

    digits = p + 1 + (p[1] == '-' || p[1] == '+');

    if (digits >= last || *digits < '0' || *digits > '9') {
        return p;
    }

    buf[(*len)++] = 'e';

    if (p[1] == '-') {
        buf[(*len)++] = '-';
    }

    for (end = digits; end < last && *end >= '0' && *end <= '9'; end++) {
        if (end - digits < 4) {
            buf[(*len)++] = *end;
        }
    }

    return end;
}
