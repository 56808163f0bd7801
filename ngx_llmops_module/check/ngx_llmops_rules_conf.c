
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_ask.h"


/*
 * llm_pattern, llm_rules { ... } and rules.  A line is read and checked where
 * it stands; patterns are compiled for each route, since all that a route
 * has are matched in one go.
 *
 *   rules_conf.c     the blocks, and bounds on requests
 *   rules_line.c     a line of rules
 *   rules_param.c    its parameters
 *   rules_resolve.c  the rules of a route
 */


/* half of what is held at the most, with the events around it */
#define NGX_LLMOPS_HOLD_SIZE_MAX  (32 * 1024 * 1024)


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

    ngx_str_t  *value;

    if (ngx_llmops_rules_write_down(cf, set) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    return ngx_llmops_ask_is(&value[1]) ? ngx_llmops_ask_line(cf, set, 0)
                                        : ngx_llmops_rules_line(cf, set, 0);
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

    ngx_str_t  *value;

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

    if (ngx_llmops_ask_is(&value[1])) {
        return ngx_llmops_ask_line(cf, set, 1);
    }

    return ngx_llmops_rules_line(cf, set, 1);
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

    if (size == NGX_ERROR || size == 0 || size > NGX_LLMOPS_HOLD_SIZE_MAX) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"hold %V\", it takes \"first\", \"all\" "
                           "or a size of at most 32m", &value[1]);
        return NGX_CONF_ERROR;
    }

    set->hold = NGX_LLMOPS_HOLD_SIZE;
    set->hold_size = size;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_pattern_param(ngx_conf_t *cf, ngx_llmops_pattern_t *p,
    ngx_str_t *arg)
{
    ngx_str_t  text;

    if (ngx_strcmp(arg->data, "nocase") == 0) {
        p->nocase = 1;
        return NGX_CONF_OK;
    }

    if (ngx_strcmp(arg->data, "word") == 0) {
        p->word = 1;
        return NGX_CONF_OK;
    }

    if (ngx_llmops_rules_arg(arg, "scan=", &text)) {
        p->scan = text;
        return NGX_CONF_OK;
    }

    if (ngx_llmops_rules_arg(arg, "width=", &text)) {

        if (ngx_llmops_rules_number(cf, arg, &text, &p->width) != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }

        if (p->width > NGX_LLMOPS_PATTERN_MAX) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"%V\" is above %d", arg,
                               NGX_LLMOPS_PATTERN_MAX);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    if (ngx_llmops_rules_arg(arg, "proof=", &text)) {
        p->proof = ngx_llmops_proof_find(&text);

        if (p->proof) {
            return NGX_CONF_OK;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "unknown proof \"%V\", it knows luhn, iban, ssn, "
                           "nir, steuerid, dni, codice, pesel, cpf, aadhaar "
                           "and cnid", &text);
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", a pattern has \"nocase\", "
                       "\"word\", \"width=\", \"scan=\" and \"proof=\"", arg);
    return NGX_CONF_ERROR;
}


/* llm_pattern NAME REGEX [nocase] [word] [proof=NAME] [scan=REGEX]
   [width=N] */

char *
ngx_llmops_pattern_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    ngx_str_t           *value;
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
        if (ngx_llmops_pattern_param(cf, &named->pattern, &value[i])
            != NGX_CONF_OK)
        {
            return NGX_CONF_ERROR;
        }
    }

    return NGX_CONF_OK;
}


/* a set of that name, new and empty */

static ngx_llmops_ruleset_t *
ngx_llmops_rules_set(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_str_t *name)
{
    ngx_uint_t              i;
    ngx_llmops_ruleset_t   *set, **slot;

    if (mcf->rulesets == NULL) {
        mcf->rulesets = ngx_array_create(cf->pool, 4,
                                         sizeof(ngx_llmops_ruleset_t *));
        if (mcf->rulesets == NULL) {
            return NULL;
        }
    }

    slot = mcf->rulesets->elts;

    for (i = 0; i < mcf->rulesets->nelts; i++) {
        if (slot[i]->name.len == name->len
            && ngx_memcmp(slot[i]->name.data, name->data, name->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate llm_rules \"%V\"", name);
            return NULL;
        }
    }

    set = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_ruleset_t));
    slot = ngx_array_push(mcf->rulesets);

    if (set == NULL || slot == NULL
        || ngx_array_init(&set->lines, cf->pool, 8,
                          sizeof(ngx_llmops_rule_line_t))
           != NGX_OK
        || ngx_array_init(&set->forbidden, cf->pool, 4, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NULL;
    }

    *slot = set;

    set->name = *name;
    set->hold = NGX_CONF_UNSET_UINT;
    set->place.file = cf->conf_file->file.name;
    set->place.line = cf->conf_file->line;

    return set;
}


char *
ngx_llmops_rules_block(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                   *rv;
    ngx_str_t              *value;
    ngx_conf_t              save;
    ngx_llmops_ruleset_t   *set;
    ngx_http_conf_ctx_t    *ctx;

    value = cf->args->elts;

    set = ngx_llmops_rules_set(cf, conf, &value[1]);
    ctx = ngx_palloc(cf->pool, sizeof(ngx_http_conf_ctx_t));

    if (set == NULL || ctx == NULL) {
        return NGX_CONF_ERROR;
    }

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
