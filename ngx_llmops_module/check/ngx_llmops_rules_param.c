
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_language.h"

#include <openssl/rand.h>


/*
 * The parameters of a rule, by name.  Each is checked where it stands; what is
 * allowed for which rule is in the table of rules_line.c.
 */


typedef char *(*ngx_llmops_param_pt)(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *value);


typedef struct {
    ngx_str_t                  name;       /* with "=" if it has a value */
    ngx_uint_t                 bit;
    unsigned                   output:1;   /* of output only */
    unsigned                   input:1;
    ngx_llmops_param_pt        set;
} ngx_llmops_param_t;


static char *ngx_llmops_param_match(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *list);
static char *ngx_llmops_param_regex(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *value);
static char *ngx_llmops_param_kinds(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *list);
static char *ngx_llmops_param_action(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *word);
static char *ngx_llmops_param_with(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *text);
static char *ngx_llmops_param_schema(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *file);
static char *ngx_llmops_param_fences(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *value);
static char *ngx_llmops_param_min(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *value);
static char *ngx_llmops_param_max(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *value);
static char *ngx_llmops_param_share(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *value);
static char *ngx_llmops_param_languages(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *list);
static char *ngx_llmops_param_reversible(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *value);


static const ngx_llmops_param_t  ngx_llmops_params[] = {

    { ngx_string("match="), NGX_LLMOPS_PARAM_MATCH, 0, 0,
      ngx_llmops_param_match },

    { ngx_string("regex="), NGX_LLMOPS_PARAM_MATCH, 0, 0,
      ngx_llmops_param_regex },

    { ngx_string("in="), NGX_LLMOPS_PARAM_IN, 1, 0,
      ngx_llmops_param_kinds },

    { ngx_string("on_fail="), NGX_LLMOPS_PARAM_ON_FAIL, 1, 0,
      ngx_llmops_param_action },

    { ngx_string("with="), NGX_LLMOPS_PARAM_WITH, 0, 0,
      ngx_llmops_param_with },

    { ngx_string("with="), NGX_LLMOPS_PARAM_ON_FAIL, 1, 0,
      ngx_llmops_param_with },

    { ngx_string("schema="), NGX_LLMOPS_PARAM_JSON, 0, 0,
      ngx_llmops_param_schema },

    { ngx_string("fences="), NGX_LLMOPS_PARAM_JSON, 0, 0,
      ngx_llmops_param_fences },

    { ngx_string("min="), NGX_LLMOPS_PARAM_LENGTH, 0, 0,
      ngx_llmops_param_min },

    { ngx_string("max="), NGX_LLMOPS_PARAM_LENGTH, 0, 0,
      ngx_llmops_param_max },

    { ngx_string("min="), NGX_LLMOPS_PARAM_SHARE, 0, 0,
      ngx_llmops_param_share },

    { ngx_string("is="), NGX_LLMOPS_PARAM_LANGUAGE, 0, 0,
      ngx_llmops_param_languages },

    { ngx_string("reversible"), NGX_LLMOPS_PARAM_WITH, 0, 1,
      ngx_llmops_param_reversible },

    { ngx_null_string, 0, 0, 0, NULL }
};


static ngx_uint_t
ngx_llmops_param_is(const ngx_llmops_param_t *p, ngx_str_t *arg)
{
    if (p->name.data[p->name.len - 1] != '=') {
        return arg->len == p->name.len
               && ngx_memcmp(arg->data, p->name.data, arg->len) == 0;
    }

    return arg->len >= p->name.len
           && ngx_memcmp(arg->data, p->name.data, p->name.len) == 0;
}


char *
ngx_llmops_rules_param(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_uint_t params, ngx_str_t *arg)
{
    ngx_str_t                 *value;
    const ngx_llmops_param_t  *p;

    for (p = ngx_llmops_params; p->name.len; p++) {

        if (!(params & p->bit) || (p->output && line->input)
            || (p->input && !line->input) || !ngx_llmops_param_is(p, arg))
        {
            continue;
        }

        value = ngx_palloc(cf->pool, sizeof(ngx_str_t));
        if (value == NULL) {
            return NGX_CONF_ERROR;
        }

        value->data = arg->data + p->name.len;
        value->len = arg->len - p->name.len;

        return p->set(cf, line, value);
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\" of rule \"%V\"", arg,
                       &line->rule.name);
    return NGX_CONF_ERROR;
}


/* the next of a comma-separated list, which is moved on; 0: none is left */

static ngx_uint_t
ngx_llmops_rules_next(ngx_str_t *list, ngx_str_t *word)
{
    u_char  *comma;

    if (list->len == 0) {
        return 0;
    }

    comma = ngx_strlchr(list->data, list->data + list->len, ',');

    word->data = list->data;
    word->len = comma ? (size_t) (comma - list->data) : list->len;

    list->data += word->len + (comma != NULL);
    list->len -= word->len + (comma != NULL);

    return 1;
}


static char *
ngx_llmops_param_match(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *list)
{
    ngx_str_t  word, *match;

    while (ngx_llmops_rules_next(list, &word)) {

        match = ngx_array_push(&line->match);
        if (match == NULL) {
            return NGX_CONF_ERROR;
        }

        *match = word;
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_param_regex(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *value)
{
    if (value->len == 0 || value->data[0] == '"' || value->data[0] == '\'') {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"regex=%V\", put the quotes around all "
                           "of it: \"regex=...\"", value);
        return NGX_CONF_ERROR;
    }

    line->regex = *value;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_param_kinds(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *list)
{
    ngx_str_t   word;
    ngx_uint_t  kinds;

    while (ngx_llmops_rules_next(list, &word)) {

        if (word.len == 7 && ngx_memcmp(word.data, "content", 7) == 0) {
            kinds = 1 << NGX_LLMOPS_TEXT_CONTENT | 1 << NGX_LLMOPS_TEXT_REFUSAL;

        } else if (word.len == 9 && ngx_memcmp(word.data, "reasoning", 9)
                                    == 0)
        {
            kinds = 1 << NGX_LLMOPS_TEXT_REASONING;

        } else if (word.len == 5 && ngx_memcmp(word.data, "tools", 5) == 0) {
            kinds = 1 << NGX_LLMOPS_TEXT_TOOL;

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\" in \"in=\", it knows content, "
                               "reasoning and tools", &word);
            return NGX_CONF_ERROR;
        }

        line->rule.kinds |= kinds;
    }

    return NGX_CONF_OK;
}


/* retry, or retry=N */

static ngx_uint_t
ngx_llmops_param_retry(ngx_llmops_rule_line_t *line, ngx_str_t *word)
{
    ngx_int_t  n;

    if (word->len < 5 || ngx_memcmp(word->data, "retry", 5) != 0) {
        return 0;
    }

    n = 1;

    if (word->len > 5) {
        n = (word->data[5] == '=')
            ? ngx_atoi(word->data + 6, word->len - 6) : NGX_ERROR;
    }

    if (n < 1 || n > NGX_LLMOPS_RETRIES_MAX) {
        return 0;
    }

    line->rule.action = NGX_LLMOPS_ACT_RETRY;
    line->rule.retries = n;

    return 1;
}


static char *
ngx_llmops_param_action(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *word)
{
    if (ngx_strcmp(word->data, "next") == 0) {
        line->rule.action = NGX_LLMOPS_ACT_NEXT;

    } else if (ngx_strcmp(word->data, "stop") == 0) {
        line->rule.action = NGX_LLMOPS_ACT_STOP;

    } else if (ngx_strcmp(word->data, "mark") == 0) {
        line->rule.action = NGX_LLMOPS_ACT_MARK;

    } else if (ngx_strcmp(word->data, "replace") == 0) {
        line->rule.action = NGX_LLMOPS_ACT_REPLACE;

    } else if (ngx_strcmp(word->data, "repair") == 0
               && line->rule.kind == NGX_LLMOPS_RULE_JSON)
    {
        line->rule.action = NGX_LLMOPS_ACT_REPAIR;
        line->rule.retries = 1;

    } else if (!ngx_llmops_param_retry(line, word)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"on_fail=%V\", it takes next, stop, "
                           "mark, replace, retry, retry=2 (up to %d)%s", word,
                           NGX_LLMOPS_RETRIES_MAX,
                           line->rule.kind == NGX_LLMOPS_RULE_JSON
                           ? " and repair" : "");
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* it may get into the JSON of a tool's arguments */

static char *
ngx_llmops_param_with(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *text)
{
    size_t  i;

    for (i = 0; i < text->len; i++) {
        if (text->data[i] == '"' || text->data[i] == '\\'
            || text->data[i] < 0x20)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"with=\" may have no quote, backslash or "
                               "control character");
            return NGX_CONF_ERROR;
        }
    }

    line->with = *text;
    line->with_set = 1;

    return NGX_CONF_OK;
}


static void
ngx_llmops_param_schema_free(void *data)
{
    ngx_llmops_jschema_free(data);
}


static char *
ngx_llmops_param_schema(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *file)
{
    char                           err[256];
    json_t                        *root;
    json_error_t                   error;
    ngx_pool_cleanup_t            *cln;
    ngx_llmops_jschema_options_t   options;

    if (line->rule.schema) {
        return "has \"schema=\" twice";
    }

    if (ngx_conf_full_name(cf->cycle, file, 1) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    cln = ngx_pool_cleanup_add(cf->pool, 0);
    if (cln == NULL) {
        return NGX_CONF_ERROR;
    }

    root = json_load_file((char *) file->data,
                          JSON_DECODE_ANY|JSON_REJECT_DUPLICATES, &error);
    if (root == NULL) {
        if (error.line < 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "schema: %s", error.text);
            return NGX_CONF_ERROR;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "schema \"%V\", line %d: %s", file, error.line,
                           error.text);
        return NGX_CONF_ERROR;
    }

    ngx_memzero(&options, sizeof(ngx_llmops_jschema_options_t));

    if (RAND_bytes((u_char *) &options.seed, sizeof(uint64_t)) != 1) {
        options.seed = ngx_random();
    }

    line->rule.schema = ngx_llmops_jschema_compile(root, &options, err,
                                                   sizeof(err));
    json_decref(root);

    if (line->rule.schema == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "schema \"%V\": %s", file,
                           err);
        return NGX_CONF_ERROR;
    }

    cln->handler = ngx_llmops_param_schema_free;
    cln->data = line->rule.schema;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_param_fences(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *value)
{
    if (ngx_strcmp(value->data, "strip") != 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"fences=%V\", it takes strip", value);
        return NGX_CONF_ERROR;
    }

    line->rule.fences = 1;

    return NGX_CONF_OK;
}


char *
ngx_llmops_rules_number(ngx_conf_t *cf, ngx_str_t *arg, ngx_str_t *text,
    size_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(text->data, text->len);

    if (n == NGX_ERROR || n == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid number in \"%V\"", arg);
        return NGX_CONF_ERROR;
    }

    *value = n;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_param_min(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *value)
{
    return ngx_llmops_rules_number(cf, value, value, &line->rule.min);
}


static char *
ngx_llmops_param_max(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *value)
{
    return ngx_llmops_rules_number(cf, value, value, &line->rule.max);
}


/* a part of 1: "0.5", as thousandths */

static char *
ngx_llmops_param_share(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atofp(value->data, value->len, 3);

    if (n == NGX_ERROR || n == 0 || n > 1000) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"min=%V\", it takes a part of 1 such as "
                           "0.5", value);
        return NGX_CONF_ERROR;
    }

    line->rule.min = n;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_param_languages(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *list)
{
    uint64_t   bit;
    ngx_str_t  word;

    while (ngx_llmops_rules_next(list, &word)) {

        bit = ngx_llmops_language_bit(&word);

        if (bit == 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "unknown language \"%V\", it knows %s", &word,
                               ngx_llmops_language_names);
            return NGX_CONF_ERROR;
        }

        line->rule.languages |= bit;
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_param_reversible(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *value)
{
    line->rule.reversible = 1;

    return NGX_CONF_OK;
}
