
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_score_check.h"


/* Answers that have to be JSON, by a schema of the check or of the case. */


static ngx_str_t ngx_llmops_score_document(ngx_str_t text);


ngx_int_t
ngx_llmops_score_read_json(ngx_llmops_score_reading_t *rd)
{
    char                      why[NGX_LLMOPS_SCORE_WHY];
    json_t                   *schema;
    ngx_llmops_score_rule_t  *rule;

    rule = rd->rule;
    rule->fences = !json_is_false(json_object_get(rule->json, "fences"));

    schema = json_object_get(rule->json, "schema");

    if (schema) {
        rule->schema = ngx_llmops_jschema_compile(schema, NULL, why,
                                                  sizeof(why));
        if (rule->schema == NULL) {
            return ngx_llmops_score_wrong(rd, "\"schema\": %s", why);
        }
    }

    return NGX_OK;
}


ngx_int_t
ngx_llmops_score_wants_schema(ngx_llmops_score_reading_t *rd, json_t *kase)
{
    char                   why[NGX_LLMOPS_SCORE_WHY];
    json_t                *json;
    ngx_llmops_jschema_t  *schema;

    if (rd->rule->schema) {
        return NGX_OK;
    }

    json = json_object_get(kase, "schema");

    if (json == NULL) {
        return ngx_llmops_score_wrong(rd, "\"schema\" wants a \"schema\" of "
                                      "the check or of the case");
    }

    schema = ngx_llmops_jschema_compile(json, NULL, why, sizeof(why));

    if (schema == NULL) {
        return ngx_llmops_score_wrong(rd, "\"schema\" of the case: %.100s",
                                      why);
    }

    ngx_llmops_jschema_free(schema);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_score_json_text(ngx_llmops_score_rule_t *rule, json_t *kase,
    ngx_llmops_score_said_t *said, ngx_llmops_score_check_t *check)
{
    char                   why[NGX_LLMOPS_SCORE_WHY];
    ngx_str_t              text;
    const char            *keyword;
    ngx_llmops_jcheck_t   *doc;
    ngx_llmops_jschema_t  *own, *schema;

    own = NULL;
    schema = rule->schema;

    if (rule->kind->wants && schema == NULL) {
        own = ngx_llmops_jschema_compile(json_object_get(kase, "schema"), NULL,
                                         why, sizeof(why));
        schema = own;

        if (own == NULL) {
            ngx_llmops_score_fault(check, "%.150s", why);
            return NGX_OK;
        }
    }

    doc = ngx_llmops_jcheck_create(schema);

    if (doc == NULL) {

        if (own) {
            ngx_llmops_jschema_free(own);
        }

        return NGX_ERROR;
    }

    text = rule->fences ? ngx_llmops_score_document(said->text) : said->text;

    if (ngx_llmops_jcheck_feed(doc, text.data, text.len) == NGX_OK
        && ngx_llmops_jcheck_finish(doc) == NGX_OK)
    {
        ngx_llmops_score_told(rule, check, 1, "%s", "");

    } else {
        keyword = ngx_llmops_jcheck_keyword(doc);

        if (*keyword == '\0') {
            ngx_llmops_score_told(rule, check, 0, "no valid JSON, at byte %d",
                                  (int) ngx_llmops_jcheck_offset(doc) + 1);

        } else {
            ngx_llmops_score_told(rule, check, 0, "does not fit the schema: "
                                  "\"%s\", at byte %d", keyword,
                                  (int) ngx_llmops_jcheck_offset(doc) + 1);
        }
    }

    ngx_llmops_jcheck_free(doc);

    if (own) {
        ngx_llmops_jschema_free(own);
    }

    return NGX_OK;
}


/* out of a fence, if all of the text is in one */

static ngx_str_t
ngx_llmops_score_document(ngx_str_t text)
{
    u_char     *p;
    ngx_str_t   inner;

    text = ngx_llmops_score_trim(text);

    if (text.len < 6 || ngx_memcmp(text.data, "```", 3) != 0
        || ngx_memcmp(text.data + text.len - 3, "```", 3) != 0)
    {
        return text;
    }

    p = memchr(text.data, '\n', text.len);

    if (p == NULL || p >= text.data + text.len - 3) {
        return text;
    }

    inner.data = p + 1;
    inner.len = text.data + text.len - 3 - inner.data;

    return inner;
}
