
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_score_check.h"


/*
 * Patterns of an evaluation come by the admin API and answers from anybody, so
 * that neither may stall a worker: the steps and the memory of a search are
 * limited, and a search that reaches the limit has found nothing, whatever was
 * asked for.
 */


#define NGX_LLMOPS_SCORE_STEPS  500000
#define NGX_LLMOPS_SCORE_HEAP   4096       /* KB */
#define NGX_LLMOPS_SCORE_DEEP   10000


static int ngx_llmops_score_search(pcre2_code *re, ngx_str_t *text);


ngx_int_t
ngx_llmops_score_read_regex(ngx_llmops_score_reading_t *rd)
{
    int                       code;
    size_t                    offset;
    uint32_t                  options;
    ngx_str_t                 pattern;
    PCRE2_UCHAR               why[100];
    ngx_llmops_score_rule_t  *rule;

    rule = rd->rule;

    rule->ignore_case = json_is_true(json_object_get(rule->json,
                                                     "ignore_case"));
    rule->negate = json_is_true(json_object_get(rule->json, "not"));

    switch (ngx_llmops_score_string(rd, "pattern", NGX_LLMOPS_SCORE_PATTERN,
                                    &pattern))
    {
    case NGX_OK:
        break;

    case NGX_DECLINED:
        return ngx_llmops_score_wrong(rd, "\"regex\" wants a \"pattern\"");

    default: /* NGX_ERROR */
        return NGX_ERROR;
    }

    /* an answer that is no UTF-8 is searched up to there and behind it */

    options = PCRE2_UTF|PCRE2_MATCH_INVALID_UTF|PCRE2_NEVER_BACKSLASH_C
              |PCRE2_MULTILINE|(rule->ignore_case ? PCRE2_CASELESS : 0);

    rule->re = pcre2_compile((PCRE2_SPTR) pattern.data, pattern.len, options,
                             &code, &offset, NULL);

    if (rule->re == NULL) {
        (void) pcre2_get_error_message(code, why, sizeof(why));

        return ngx_llmops_score_wrong(rd, "\"pattern\" is no regular "
                                      "expression: %s at byte %d",
                                      (char *) why, (int) offset);
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_score_regex(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check)
{
    int  rc;

    rc = ngx_llmops_score_search(rule->re, &said->text);

    if (rc == PCRE2_ERROR_NOMEMORY) {
        return NGX_ERROR;
    }

    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
        ngx_llmops_score_told(rule, check, 0, "the pattern takes too many "
                              "steps on this answer");
        return NGX_OK;
    }

    if (rule->negate) {
        ngx_llmops_score_told(rule, check, rc < 0, "%s",
                              rc < 0 ? "" : "the pattern matches");
        return NGX_OK;
    }

    ngx_llmops_score_told(rule, check, rc >= 0, "%s",
                          rc < 0 ? "the pattern does not match" : "");
    return NGX_OK;
}


static int
ngx_llmops_score_search(pcre2_code *re, ngx_str_t *text)
{
    int                   rc;
    pcre2_match_data     *data;
    pcre2_match_context  *context;

    context = pcre2_match_context_create(NULL);
    data = pcre2_match_data_create(1, NULL);

    if (context == NULL || data == NULL) {
        rc = PCRE2_ERROR_NOMEMORY;

    } else {
        (void) pcre2_set_match_limit(context, NGX_LLMOPS_SCORE_STEPS);
        (void) pcre2_set_heap_limit(context, NGX_LLMOPS_SCORE_HEAP);
        (void) pcre2_set_depth_limit(context, NGX_LLMOPS_SCORE_DEEP);

        rc = pcre2_match(re, text->data ? text->data : (u_char *) "",
                         text->len, 0, 0, data, context);
    }

    pcre2_match_data_free(data);
    pcre2_match_context_free(context);

    return rc;
}


ngx_int_t
ngx_llmops_score_read_length(ngx_llmops_score_reading_t *rd)
{
    ngx_llmops_score_rule_t  *rule;

    rule = rd->rule;
    rule->low = 0;
    rule->high = 1e9;

    if (ngx_llmops_score_number(rd, "low", 0, 1e9, &rule->low) != NGX_OK
        || ngx_llmops_score_number(rd, "high", 0, 1e9, &rule->high) != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (rule->low > rule->high) {
        return ngx_llmops_score_wrong(rd, "\"low\" is above \"high\"");
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_score_length(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check)
{
    size_t  i, chars;

    for (chars = 0, i = 0; i < said->text.len; i++) {
        chars += ((said->text.data[i] & 0xc0) != 0x80);
    }

    if (chars < rule->low) {
        ngx_llmops_score_told(rule, check, 0, "%d characters, wanted %.0f at "
                              "least", (int) chars, rule->low);

    } else if (chars > rule->high) {
        ngx_llmops_score_told(rule, check, 0, "%d characters, wanted %.0f at "
                              "most", (int) chars, rule->high);

    } else {
        ngx_llmops_score_told(rule, check, 1, "%s", "");
    }

    return NGX_OK;
}
