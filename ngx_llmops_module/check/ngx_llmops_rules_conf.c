
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_rules.h"

#include <openssl/rand.h>


/*
 * llm_pattern, llm_rules { ... } and rules.  A line is read and checked where
 * it stands; patterns are compiled for each route, since all that a route
 * has are matched in one go.
 */


#define NGX_LLMOPS_SCHEMA_MAX  (8 * 1024 * 1024)


static ngx_llmops_rule_line_t *ngx_llmops_rules_line(ngx_conf_t *cf,
    ngx_llmops_ruleset_t *set, ngx_uint_t input);
static char *ngx_llmops_rules_word(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *word);
static char *ngx_llmops_rules_param(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *arg);
static char *ngx_llmops_rules_match(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *list);
static char *ngx_llmops_rules_kinds(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *list);
static char *ngx_llmops_rules_action(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *word);
static char *ngx_llmops_rules_schema(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *file);
static char *ngx_llmops_rules_with(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line, ngx_str_t *text);
static char *ngx_llmops_rules_line_end(ngx_conf_t *cf,
    ngx_llmops_rule_line_t *line);


/* which parameters a line may have */

#define NGX_LLMOPS_PARAM_MATCH     0x01
#define NGX_LLMOPS_PARAM_IN        0x02
#define NGX_LLMOPS_PARAM_ON_FAIL   0x04
#define NGX_LLMOPS_PARAM_WITH      0x08
#define NGX_LLMOPS_PARAM_JSON      0x10
#define NGX_LLMOPS_PARAM_LENGTH    0x20


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
                           ? "\"input\" takes deny, redact, mark, limit, cap "
                             "and forbid"
                           : "\"output\" takes json, deny, redact, mark, "
                             "require, refusal and length");
        return NGX_CONF_ERROR;
    }

    line->rule.kind = w->kind;
    line->rule.action = w->action;

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
ngx_llmops_rules_line(ngx_conf_t *cf, ngx_llmops_ruleset_t *set,
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
    ngx_str_set(&line->with, "[REDACTED]");

    if (ngx_array_init(&line->match, cf->pool, 4, sizeof(ngx_str_t))
        != NGX_OK
        || ngx_llmops_rules_name(cf, set, line, &value[1]) != NGX_OK
        || ngx_llmops_rules_word(cf, line, &value[1]) != NGX_CONF_OK)
    {
        return NULL;
    }

    return line;
}


/* what the rules say is part of what an answer depends on */

static ngx_int_t
ngx_llmops_rules_write_down(ngx_conf_t *cf, ngx_llmops_ruleset_t *set)
{
    ngx_str_t  *words;

    if (set->words.elts == NULL
        && ngx_array_init(&set->words, cf->pool, 16, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    words = ngx_array_push_n(&set->words, cf->args->nelts + 1);
    if (words == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(words, cf->args->elts, cf->args->nelts * sizeof(ngx_str_t));
    ngx_str_null(&words[cf->args->nelts]);

    return NGX_OK;
}


char *
ngx_llmops_rules_output(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_ruleset_t *set = conf;

    ngx_str_t               *value;
    ngx_uint_t               i;
    ngx_llmops_rule_line_t  *line;

    if (ngx_llmops_rules_write_down(cf, set) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    line = ngx_llmops_rules_line(cf, set, 0);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_llmops_rules_param(cf, line, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_llmops_rules_line_end(cf, line);
}


/* NAME= at the start of an argument; *value is what follows */

static ngx_uint_t
ngx_llmops_rules_arg(ngx_str_t *arg, const char *name, ngx_str_t *value)
{
    size_t  len;

    len = ngx_strlen(name);

    if (arg->len < len || ngx_memcmp(arg->data, name, len) != 0) {
        return 0;
    }

    value->data = arg->data + len;
    value->len = arg->len - len;

    return 1;
}


static ngx_uint_t
ngx_llmops_rules_params(ngx_llmops_rule_line_t *line)
{
    ngx_str_t                      word;
    u_char                        *last, *p;
    const ngx_llmops_rule_word_t  *w;

    /* the word is the end of the name, but for "-2" */

    last = line->rule.name.data + line->rule.name.len;

    for (p = last; p > line->rule.name.data && p[-1] != '.'; p--) {
        if (p[-1] == '-') {
            last = p - 1;
        }
    }

    word.data = p;
    word.len = last - p;

    w = ngx_llmops_rules_find(&word);

    return w ? w->params : 0;
}


static char *
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
ngx_llmops_rules_param(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *arg)
{
    ngx_str_t   value;
    ngx_uint_t  params;

    params = ngx_llmops_rules_params(line);

    if ((params & NGX_LLMOPS_PARAM_MATCH)
        && ngx_llmops_rules_arg(arg, "match=", &value))
    {
        return ngx_llmops_rules_match(cf, line, &value);
    }

    if ((params & NGX_LLMOPS_PARAM_MATCH)
        && ngx_llmops_rules_arg(arg, "regex=", &value))
    {
        if (value.len == 0 || value.data[0] == '"' || value.data[0] == '\'')
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid \"%V\", put the quotes around all of "
                               "it: \"regex=...\"", arg);
            return NGX_CONF_ERROR;
        }

        line->regex = value;
        return NGX_CONF_OK;
    }

    if ((params & NGX_LLMOPS_PARAM_IN) && !line->input
        && ngx_llmops_rules_arg(arg, "in=", &value))
    {
        return ngx_llmops_rules_kinds(cf, line, &value);
    }

    if ((params & NGX_LLMOPS_PARAM_ON_FAIL) && !line->input
        && ngx_llmops_rules_arg(arg, "on_fail=", &value))
    {
        return ngx_llmops_rules_action(cf, line, &value);
    }

    if ((params & NGX_LLMOPS_PARAM_WITH)
        && ngx_llmops_rules_arg(arg, "with=", &value))
    {
        return ngx_llmops_rules_with(cf, line, &value);
    }

    if ((params & NGX_LLMOPS_PARAM_JSON)
        && ngx_llmops_rules_arg(arg, "schema=", &value))
    {
        return ngx_llmops_rules_schema(cf, line, &value);
    }

    if ((params & NGX_LLMOPS_PARAM_JSON)
        && ngx_strcmp(arg->data, "fences=strip") == 0)
    {
        line->rule.fences = 1;
        return NGX_CONF_OK;
    }

    if ((params & NGX_LLMOPS_PARAM_LENGTH)
        && ngx_llmops_rules_arg(arg, "min=", &value))
    {
        return ngx_llmops_rules_number(cf, arg, &value, &line->rule.min);
    }

    if ((params & NGX_LLMOPS_PARAM_LENGTH)
        && ngx_llmops_rules_arg(arg, "max=", &value))
    {
        return ngx_llmops_rules_number(cf, arg, &value, &line->rule.max);
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
ngx_llmops_rules_match(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
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
ngx_llmops_rules_kinds(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
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


static char *
ngx_llmops_rules_action(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
    ngx_str_t *word)
{
    if (ngx_strcmp(word->data, "next") == 0) {
        line->rule.action = NGX_LLMOPS_ACT_NEXT;

    } else if (ngx_strcmp(word->data, "stop") == 0) {
        line->rule.action = NGX_LLMOPS_ACT_STOP;

    } else if (ngx_strcmp(word->data, "mark") == 0) {
        line->rule.action = NGX_LLMOPS_ACT_MARK;

    } else {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"on_fail=%V\", it takes next, stop or "
                           "mark", word);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* it may get into the JSON of a tool's arguments */

static char *
ngx_llmops_rules_with(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
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

    return NGX_CONF_OK;
}


static void
ngx_llmops_rules_schema_free(void *data)
{
    ngx_llmops_jschema_free(data);
}


static char *
ngx_llmops_rules_schema(ngx_conf_t *cf, ngx_llmops_rule_line_t *line,
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

    cln->handler = ngx_llmops_rules_schema_free;
    cln->data = line->rule.schema;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_rules_line_end(ngx_conf_t *cf, ngx_llmops_rule_line_t *line)
{
    if (line->rule.kinds == 0) {
        line->rule.kinds = (line->rule.kind == NGX_LLMOPS_RULE_REQUIRE)
                           ? 1 << NGX_LLMOPS_TEXT_CONTENT
                           : (1 << NGX_LLMOPS_TEXT_MAX) - 1;
    }

    if ((line->rule.kind == NGX_LLMOPS_RULE_PATTERN
         || line->rule.kind == NGX_LLMOPS_RULE_REQUIRE)
        && line->match.nelts == 0 && line->regex.data == NULL)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "rule \"%V\" has nothing to look for, add "
                           "\"match=NAME,...\" or \"regex=...\"",
                           &line->rule.name);
        return NGX_CONF_ERROR;
    }

    if (line->rule.kind == NGX_LLMOPS_RULE_LENGTH
        && line->rule.min == 0 && line->rule.max == 0)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "rule \"%V\" has no bound, add \"min=N\" or "
                           "\"max=N\"", &line->rule.name);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


/* input limit size=SIZE tokens=N; input cap max_tokens=N */

static char *
ngx_llmops_rules_limit(ngx_conf_t *cf, ngx_llmops_ruleset_t *set)
{
    size_t       n;
    ssize_t      size;
    ngx_str_t   *value, text;
    ngx_uint_t   i, cap;

    value = cf->args->elts;
    cap = (value[1].data[0] == 'c');

    for (i = 2; i < cf->args->nelts; i++) {

        if (!cap && ngx_llmops_rules_arg(&value[i], "size=", &text)) {
            size = ngx_parse_size(&text);

            if (size == NGX_ERROR || size == 0) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "invalid size in \"%V\"", &value[i]);
                return NGX_CONF_ERROR;
            }

            set->max_size = size;
            continue;
        }

        if (!ngx_llmops_rules_arg(&value[i], cap ? "max_tokens=" : "tokens=",
                                  &text))
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", \"input %V\" has "
                               "%s", &value[i], &value[1],
                               cap ? "\"max_tokens=N\""
                                   : "\"size=SIZE\" and \"tokens=N\"");
            return NGX_CONF_ERROR;
        }

        if (ngx_llmops_rules_number(cf, &value[i], &text, &n) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        if (cap) {
            set->max_tokens = n;

        } else {
            set->max_input = n;
        }
    }

    return i > 2 ? NGX_CONF_OK : "has no parameter";
}


static char *
ngx_llmops_rules_forbid(ngx_conf_t *cf, ngx_llmops_ruleset_t *set)
{
    ngx_str_t   *value, *name;
    ngx_uint_t   i;

    value = cf->args->elts;

    for (i = 2; i < cf->args->nelts; i++) {

        name = ngx_array_push(&set->forbidden);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    return i > 2 ? NGX_CONF_OK : "names no parameter of a request";
}


char *
ngx_llmops_rules_input(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_ruleset_t *set = conf;

    ngx_str_t               *value;
    ngx_uint_t               i;
    ngx_llmops_rule_line_t  *line;

    if (ngx_llmops_rules_write_down(cf, set) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "limit") == 0
        || ngx_strcmp(value[1].data, "cap") == 0)
    {
        return ngx_llmops_rules_limit(cf, set);
    }

    if (ngx_strcmp(value[1].data, "forbid") == 0) {
        return ngx_llmops_rules_forbid(cf, set);
    }

    line = ngx_llmops_rules_line(cf, set, 1);
    if (line == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_llmops_rules_param(cf, line, &value[i]) != NGX_CONF_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_llmops_rules_line_end(cf, line);
}


/* hold first | all | SIZE */

char *
ngx_llmops_rules_hold(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_ruleset_t *set = conf;

    ssize_t     size;
    ngx_str_t  *value;

    if (ngx_llmops_rules_write_down(cf, set) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (set->hold != NGX_CONF_UNSET_UINT) {
        return "is duplicate";
    }

    value = cf->args->elts;

    if (ngx_strcmp(value[1].data, "first") == 0) {
        set->hold = NGX_LLMOPS_HOLD_FIRST;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(value[1].data, "all") == 0) {
        set->hold = NGX_LLMOPS_HOLD_ALL;
        return NGX_CONF_OK;
    }

    size = ngx_parse_size(&value[1]);

    if (size == NGX_ERROR || size == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"hold %V\", it takes \"first\", \"all\" "
                           "or a size", &value[1]);
        return NGX_CONF_ERROR;
    }

    set->hold = NGX_LLMOPS_HOLD_SIZE;
    set->hold_size = size;

    return NGX_CONF_OK;
}


/* llm_pattern NAME REGEX [nocase] [word] [proof=NAME] [scan=REGEX] */

char *
ngx_llmops_pattern_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    ngx_str_t           *value, text;
    ngx_uint_t           i;
    ngx_llmops_named_t  *named;

    if (mcf->patterns == NULL) {
        mcf->patterns = ngx_array_create(cf->pool, 16,
                                         sizeof(ngx_llmops_named_t));
        if (mcf->patterns == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    named = ngx_array_push(mcf->patterns);
    if (named == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(named, sizeof(ngx_llmops_named_t));

    value = cf->args->elts;

    named->name = value[1];
    named->pattern.regex = value[2];

    for (i = 3; i < cf->args->nelts; i++) {

        if (ngx_strcmp(value[i].data, "nocase") == 0) {
            named->pattern.nocase = 1;

        } else if (ngx_strcmp(value[i].data, "word") == 0) {
            named->pattern.word = 1;

        } else if (ngx_llmops_rules_arg(&value[i], "scan=", &text)) {
            named->pattern.scan = text;

        } else if (ngx_llmops_rules_arg(&value[i], "proof=", &text)) {
            named->pattern.proof = ngx_llmops_proof_find(&text);

            if (named->pattern.proof == NULL) {
                ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                                   "unknown proof \"%V\", it knows luhn, "
                                   "iban, ssn, nir, steuerid, dni, codice, "
                                   "pesel, cpf, aadhaar and cnid",
                                   &text);
                return NGX_CONF_ERROR;
            }

        } else {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", a pattern has "
                               "\"nocase\", \"word\", \"scan=\" and "
                               "\"proof=\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


char *
ngx_llmops_rules_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    char                   *rv;
    ngx_str_t              *value;
    ngx_conf_t              save;
    ngx_uint_t              i;
    ngx_llmops_ruleset_t   *set, **slot;
    ngx_http_conf_ctx_t    *ctx;

    value = cf->args->elts;

    if (mcf->rulesets == NULL) {
        mcf->rulesets = ngx_array_create(cf->pool, 4,
                                         sizeof(ngx_llmops_ruleset_t *));
        if (mcf->rulesets == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    slot = mcf->rulesets->elts;

    for (i = 0; i < mcf->rulesets->nelts; i++) {
        if (slot[i]->name.len == value[1].len
            && ngx_memcmp(slot[i]->name.data, value[1].data, value[1].len)
               == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate llm_rules \"%V\"", &value[1]);
            return NGX_CONF_ERROR;
        }
    }

    set = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_ruleset_t));
    slot = ngx_array_push(mcf->rulesets);
    ctx = ngx_palloc(cf->pool, sizeof(ngx_http_conf_ctx_t));

    if (set == NULL || slot == NULL || ctx == NULL
        || ngx_array_init(&set->lines, cf->pool, 8,
                          sizeof(ngx_llmops_rule_line_t))
           != NGX_OK
        || ngx_array_init(&set->forbidden, cf->pool, 4, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NGX_CONF_ERROR;
    }

    *slot = set;

    set->name = value[1];
    set->hold = NGX_CONF_UNSET_UINT;
    set->place.file = cf->conf_file->file.name;
    set->place.line = cf->conf_file->line;

    *ctx = *(ngx_http_conf_ctx_t *) cf->ctx;

    ctx->loc_conf = ngx_pcalloc(cf->pool, sizeof(void *) * ngx_http_max_module);
    if (ctx->loc_conf == NULL) {
        return NGX_CONF_ERROR;
    }

    ctx->loc_conf[ngx_llmops_module.ctx_index] = set;

    save = *cf;
    cf->ctx = ctx;
    cf->cmd_type = cmd->offset;

    rv = ngx_conf_parse(cf, NULL);

    *cf = save;

    ngx_conf_init_uint_value(set->hold, NGX_LLMOPS_HOLD_FIRST);

    return rv;
}


/* rules NAME ...; of llm_route */

char *
ngx_llmops_route_rules(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_route_t *route = conf;

    ngx_str_t   *value, *name;
    ngx_uint_t   i;

    if (route->rules) {
        return "is duplicate";
    }

    route->rules = ngx_array_create(cf->pool, 2, sizeof(ngx_str_t));
    if (route->rules == NULL) {
        return NGX_CONF_ERROR;
    }

    route->rules_place.file = cf->conf_file->file.name;
    route->rules_place.line = cf->conf_file->line;

    value = cf->args->elts;

    for (i = 1; i < cf->args->nelts; i++) {

        name = ngx_array_push(route->rules);
        if (name == NULL) {
            return NGX_CONF_ERROR;
        }

        *name = value[i];
    }

    return NGX_CONF_OK;
}
