
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_rules.h"


/*
 * A line of llm_rules: its word says what kind of rule it is, and which
 * parameters it may have.
 */


typedef struct {
    ngx_str_t                  name;
    ngx_llmops_rule_kind_e     kind;
    ngx_llmops_rule_action_e   action;     /* without on_fail= */
    ngx_uint_t                 params;
    unsigned                   input:1;    /* may stand there, too */
} ngx_llmops_rule_word_t;


static const ngx_llmops_rule_word_t  ngx_llmops_rule_words[] = {

    { ngx_string("json"), NGX_LLMOPS_RULE_JSON, NGX_LLMOPS_ACT_NEXT,
      NGX_LLMOPS_PARAM_JSON|NGX_LLMOPS_PARAM_ON_FAIL, 0 },

    { ngx_string("deny"), NGX_LLMOPS_RULE_PATTERN, NGX_LLMOPS_ACT_STOP,
      NGX_LLMOPS_PARAM_MATCH|NGX_LLMOPS_PARAM_IN|NGX_LLMOPS_PARAM_ON_FAIL,
      1 },

    { ngx_string("redact"), NGX_LLMOPS_RULE_PATTERN, NGX_LLMOPS_ACT_REDACT,
      NGX_LLMOPS_PARAM_MATCH|NGX_LLMOPS_PARAM_IN|NGX_LLMOPS_PARAM_WITH, 1 },

    { ngx_string("mark"), NGX_LLMOPS_RULE_PATTERN, NGX_LLMOPS_ACT_MARK,
      NGX_LLMOPS_PARAM_MATCH|NGX_LLMOPS_PARAM_IN, 1 },

    { ngx_string("require"), NGX_LLMOPS_RULE_REQUIRE, NGX_LLMOPS_ACT_NEXT,
      NGX_LLMOPS_PARAM_MATCH|NGX_LLMOPS_PARAM_ON_FAIL, 0 },

    { ngx_string("refusal"), NGX_LLMOPS_RULE_PATTERN, NGX_LLMOPS_ACT_MARK,
      NGX_LLMOPS_PARAM_ON_FAIL, 0 },

    { ngx_string("length"), NGX_LLMOPS_RULE_LENGTH, NGX_LLMOPS_ACT_STOP,
      NGX_LLMOPS_PARAM_LENGTH|NGX_LLMOPS_PARAM_ON_FAIL, 0 },

    { ngx_string("tokens"), NGX_LLMOPS_RULE_TOKENS, NGX_LLMOPS_ACT_STOP,
      NGX_LLMOPS_PARAM_LENGTH|NGX_LLMOPS_PARAM_ON_FAIL, 0 },

    { ngx_string("tools"), NGX_LLMOPS_RULE_TOOLS, NGX_LLMOPS_ACT_NEXT,
      NGX_LLMOPS_PARAM_ON_FAIL, 0 },

    { ngx_string("language"), NGX_LLMOPS_RULE_LANGUAGE, NGX_LLMOPS_ACT_MARK,
      NGX_LLMOPS_PARAM_LANGUAGE|NGX_LLMOPS_PARAM_ON_FAIL, 0 },

    { ngx_string("ground"), NGX_LLMOPS_RULE_GROUND, NGX_LLMOPS_ACT_MARK,
      NGX_LLMOPS_PARAM_SHARE|NGX_LLMOPS_PARAM_ON_FAIL, 0 },

    { ngx_null_string, 0, 0, 0, 0 }
};


static const ngx_llmops_rule_word_t *
ngx_llmops_rules_find(ngx_str_t *name)
{
    const ngx_llmops_rule_word_t  *w;

    for (w = ngx_llmops_rule_words; w->name.len; w++) {
        if (w->name.len == name->len
            && ngx_memcmp(w->name.data, name->data, name->len) == 0)
        {
            return w;
        }
    }

    return NULL;
}


static char *
ngx_llmops_rules_word(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *word)
{
    ngx_str_t                     *match;
    const ngx_llmops_rule_word_t  *w;

    w = ngx_llmops_rules_find(word);

    if (w == NULL || (line->input && !w->input)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown rule \"%V\", %s", word,
                           line->input
                           ? "\"input\" takes deny, redact, mark, limit, cap, "
                             "forbid, judge=, moderation= and webhook="
                           : "\"output\" takes json, deny, redact, mark, "
                             "require, refusal, length, tokens, tools, "
                             "language, ground, judge=, moderation= and "
                             "webhook=");
        return NGX_CONF_ERROR;
    }

    line->rule.kind = w->kind;
    line->rule.action = w->action;
    line->params = w->params;

    if (word->data[2] == 'f') {         /* refusal: a pack of patterns */

        match = ngx_array_push(&line->match);
        if (match == NULL) {
            return NGX_CONF_ERROR;
        }

        *match = *word;
        line->rule.kinds = 1 << NGX_LLMOPS_TEXT_CONTENT
                           | 1 << NGX_LLMOPS_TEXT_REFUSAL;
    }

    return NGX_CONF_OK;
}


/* the n-th of a word in a set is "SET.word-n" */

static ngx_int_t
ngx_llmops_rules_name(ngx_conf_t *cf, ngx_llmops_ruleset_t *set,
    ngx_llmops_rule_line_t *line, ngx_str_t *word)
{
    u_char                  *p;
    ngx_uint_t               i, n;
    ngx_str_t               *name;
    ngx_llmops_rule_line_t  *lines;

    lines = set->lines.elts;
    name = &line->rule.name;

    name->data = ngx_pnalloc(cf->pool, set->name.len + word->len
                                       + sizeof(".input.-") + NGX_INT_T_LEN);
    if (name->data == NULL) {
        return NGX_ERROR;
    }

    p = ngx_sprintf(name->data, "%V.%s%V", &set->name,
                    line->input ? "input." : "", word);
    name->len = p - name->data;

    for (n = 1, i = 0; &lines[i] < line; i++) {
        if (lines[i].rule.name.len >= name->len
            && ngx_memcmp(lines[i].rule.name.data, name->data, name->len) == 0
            && (lines[i].rule.name.len == name->len
                || lines[i].rule.name.data[name->len] == '-'))
        {
            n++;
        }
    }

    if (n > 1) {
        p = ngx_sprintf(p, "-%ui", n);
        name->len = p - name->data;
    }

    return NGX_OK;
}


static ngx_llmops_rule_line_t *
ngx_llmops_rules_new(ngx_conf_t *cf, ngx_llmops_ruleset_t *set,
    ngx_uint_t input)
{
    ngx_str_t               *value;
    ngx_llmops_rule_line_t  *line;

    value = cf->args->elts;

    line = ngx_array_push(&set->lines);
    if (line == NULL) {
        return NULL;
    }

    ngx_memzero(line, sizeof(ngx_llmops_rule_line_t));

    line->input = input;
    line->place.file = cf->conf_file->file.name;
    line->place.line = cf->conf_file->line;

    if (ngx_array_init(&line->match, cf->pool, 4, sizeof(ngx_str_t))
        != NGX_OK
        || ngx_llmops_rules_name(cf, set, line, &value[1]) != NGX_OK
        || ngx_llmops_rules_word(cf, line, &value[1]) != NGX_CONF_OK)
    {
        return NULL;
    }

    return line;
}


static char *
ngx_llmops_rules_lacks(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    const char *what)
{
    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "rule \"%V\" has %s",
                       &line->rule.name, what);
    return NGX_CONF_ERROR;
}


/* what only all parameters together can tell */

static char *
ngx_llmops_rules_line_end(ngx_conf_t *cf, ngx_llmops_rule_line_t *line)
{
    ngx_llmops_rule_t  *rule;

    rule = &line->rule;

    if (rule->kinds == 0) {
        rule->kinds = (rule->kind == NGX_LLMOPS_RULE_REQUIRE)
                      ? 1 << NGX_LLMOPS_TEXT_CONTENT
                      : (1 << NGX_LLMOPS_TEXT_MAX) - 1;
    }

    if ((rule->kind == NGX_LLMOPS_RULE_PATTERN
         || rule->kind == NGX_LLMOPS_RULE_REQUIRE)
        && line->match.nelts == 0 && line->regex.data == NULL)
    {
        return ngx_llmops_rules_lacks(cf, line, "nothing to look for, add "
                                      "\"match=NAME,...\" or \"regex=...\"");
    }

    if ((line->params & NGX_LLMOPS_PARAM_LENGTH)
        && rule->min == 0 && rule->max == 0)
    {
        return ngx_llmops_rules_lacks(cf, line, "no bound, add \"min=N\" or "
                                      "\"max=N\"");
    }

    if (rule->max && rule->min > rule->max) {
        return ngx_llmops_rules_lacks(cf, line, "a \"min=\" above its "
                                      "\"max=\", which no answer has");
    }

    if (line->with_set && rule->reversible) {
        return ngx_llmops_rules_lacks(cf, line, "\"with=\" and "
                                      "\"reversible\", keep one of them");
    }

    if ((line->params & NGX_LLMOPS_PARAM_SHARE) && rule->min == 0) {
        return ngx_llmops_rules_lacks(cf, line, "no bound, add \"min=0.5\"");
    }

    if ((line->params & NGX_LLMOPS_PARAM_LANGUAGE) && rule->languages == 0) {
        return ngx_llmops_rules_lacks(cf, line, "no language, add "
                                      "\"is=en,...\"");
    }

    if (line->with_set && (line->params & NGX_LLMOPS_PARAM_ON_FAIL)
        && rule->action != NGX_LLMOPS_ACT_REPLACE)
    {
        return ngx_llmops_rules_lacks(cf, line, "\"with=\", which is of "
                                      "\"on_fail=replace\"");
    }

    if (!line->with_set) {

        if (rule->action == NGX_LLMOPS_ACT_REPLACE) {
            ngx_str_set(&line->with, "The answer was withheld.");

        } else {
            ngx_str_set(&line->with, "[REDACTED]");
        }
    }

    rule->with = line->with;

    return NGX_CONF_OK;
}


char *
ngx_llmops_rules_line(ngx_conf_t *cf, ngx_llmops_ruleset_t *set,
    ngx_uint_t input)
{
    ngx_str_t               *value;
    ngx_uint_t               i;
    ngx_llmops_rule_line_t  *line;

    value = cf->args->elts;

    line = ngx_llmops_rules_new(cf, set, input);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_llmops_rules_param(cf, line, line->params, &value[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_llmops_rules_line_end(cf, line);
}
