
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_ask.h"
#include "ngx_llmops_provider.h"
#include "ngx_llmops_route.h"


/* Lines of llm_rules that ask somebody. */


#define NGX_LLMOPS_ASK_TIMEOUT  5000       /* ms */


static ngx_int_t ngx_llmops_ask_name(ngx_conf_t *cf,
    ngx_llmops_ruleset_t *set, ngx_llmops_ask_t *ask);
static char *ngx_llmops_ask_end(ngx_conf_t *cf, ngx_llmops_ask_t *ask);
static ngx_int_t ngx_llmops_ask_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_ask_t *ask);
static ngx_int_t ngx_llmops_ask_resolver(ngx_conf_t *cf,
    ngx_llmops_ask_t *ask);


/* in the order of ngx_llmops_ask_kind_e */

static const ngx_str_t  ngx_llmops_ask_words[] = {
    ngx_string("judge"),
    ngx_string("moderation"),
    ngx_string("webhook"),
    ngx_null_string
};


static const ngx_str_t *
ngx_llmops_ask_word(ngx_str_t *arg)
{
    const ngx_str_t  *w;

    for (w = ngx_llmops_ask_words; w->len; w++) {
        if (arg->len > w->len && arg->data[w->len] == '='
            && ngx_memcmp(arg->data, w->data, w->len) == 0)
        {
            return w;
        }
    }

    return NULL;
}


ngx_uint_t
ngx_llmops_ask_is(ngx_str_t *word)
{
    return ngx_llmops_ask_word(word) != NULL;
}


char *
ngx_llmops_ask_line(ngx_conf_t *cf, ngx_llmops_ruleset_t *set,
    ngx_uint_t input)
{
    ngx_str_t         *value;
    ngx_uint_t         i;
    const ngx_str_t   *word;
    ngx_llmops_ask_t  *ask;

    value = cf->args->elts;
    word = ngx_llmops_ask_word(&value[1]);

    if (set->asks == NULL) {
        set->asks = ngx_array_create(cf->pool, 2, sizeof(ngx_llmops_ask_t));
        if (set->asks == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    ask = ngx_array_push(set->asks);
    if (ask == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(ask, sizeof(ngx_llmops_ask_t));

    ask->kind = word - ngx_llmops_ask_words;
    ask->input = input;
    ask->rule.action = NGX_LLMOPS_ACT_STOP;
    ask->whom.data = value[1].data + word->len + 1;
    ask->whom.len = value[1].len - word->len - 1;
    ask->place.file = cf->conf_file->file.name;
    ask->place.line = cf->conf_file->line;

    if (ngx_llmops_ask_name(cf, set, ask) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_llmops_ask_param(cf, ask, &value[i]) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\" of rule \"%V\"",
                               &value[i], &ask->rule.name);
            return NGX_CONF_ERROR;
        }
    }

    return ngx_llmops_ask_end(cf, ask);
}


static ngx_int_t
ngx_llmops_ask_name(ngx_conf_t *cf, ngx_llmops_ruleset_t *set,
    ngx_llmops_ask_t *ask)
{
    u_char            *p;
    ngx_uint_t         n;
    const ngx_str_t   *word;
    ngx_llmops_ask_t  *other;

    word = &ngx_llmops_ask_words[ask->kind];

    p = ngx_pnalloc(cf->pool, set->name.len + word->len + sizeof(".input.-")
                              + NGX_INT_T_LEN);
    if (p == NULL) {
        return NGX_ERROR;
    }

    for (n = 1, other = set->asks->elts; other < ask; other++) {
        n += (other->kind == ask->kind && other->input == ask->input);
    }

    ask->rule.name.data = p;
    p = ngx_sprintf(p, "%V.%s%V", &set->name, ask->input ? "input." : "",
                    word);

    if (n > 1) {
        p = ngx_sprintf(p, "-%ui", n);
    }

    ask->rule.name.len = p - ask->rule.name.data;

    return NGX_OK;
}


static char *
ngx_llmops_ask_end(ngx_conf_t *cf, ngx_llmops_ask_t *ask)
{
    const char  *error;

    if (ask->timeout == 0) {
        ask->timeout = NGX_LLMOPS_ASK_TIMEOUT;
    }

    if (ask->after) {
        ask->rule.action = NGX_LLMOPS_ACT_MARK;
    }

    if (ask->kind == NGX_LLMOPS_ASK_JUDGE && ask->rubric.len == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "rule \"%V\" tells the judge no criteria, add "
                           "\"rubric=TEXT\" or \"rubric=file:PATH\"",
                           &ask->rule.name);
        return NGX_CONF_ERROR;
    }

    if (ask->kind == NGX_LLMOPS_ASK_WEBHOOK
        && ngx_llmops_fetch_url(cf, &ask->whom, NULL, &ask->url, &error)
           != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid URL of rule \"%V\": %s", &ask->rule.name,
                           error);
        return NGX_CONF_ERROR;
    }

    return NGX_CONF_OK;
}


ngx_int_t
ngx_llmops_ask_take(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ruled_t *ruled, ngx_llmops_ruleset_t *set)
{
    ngx_uint_t         i;
    ngx_llmops_ask_t  *asks, *ask;

    if (set->asks == NULL) {
        return NGX_OK;
    }

    if (ruled->asks == NULL) {
        ruled->asks = ngx_array_create(cf->pool, 4, sizeof(ngx_llmops_ask_t));
        if (ruled->asks == NULL) {
            return NGX_ERROR;
        }
    }

    asks = set->asks->elts;

    for (i = 0; i < set->asks->nelts; i++) {

        if (ngx_llmops_ask_resolve(cf, mcf, &asks[i]) != NGX_OK) {
            return NGX_ERROR;
        }

        ask = ngx_array_push(ruled->asks);
        if (ask == NULL) {
            return NGX_ERROR;
        }

        *ask = asks[i];

        if (ask->input) {
            ruled->ask_input = 1;

        } else if (ask->after) {
            ruled->ask_after = 1;

        } else {
            ruled->ask_output = 1;
            ruled->hold = NGX_LLMOPS_HOLD_ALL;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_ask_resolve(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ask_t *ask)
{
    ngx_llmops_provider_t  *p;

    if (ask->kind == NGX_LLMOPS_ASK_WEBHOOK) {
        return ngx_llmops_ask_resolver(cf, ask);
    }

    ask->target = ngx_llmops_target_named(cf, mcf, &ask->whom, &ask->place);

    if (ask->target == NULL) {
        return NGX_ERROR;
    }

    if (ask->target->model.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "rule \"%V\" names no model, write \"%V=%V/MODEL\" in "
                      "%V:%ui", &ask->rule.name,
                      &ngx_llmops_ask_words[ask->kind], &ask->whom,
                      &ask->place.file, ask->place.line);
        return NGX_ERROR;
    }

    p = ask->target->provider;

    if (ask->kind == NGX_LLMOPS_ASK_MODERATION && !p->mock
        && !(p->dialect->ops >> NGX_LLMOPS_OP_MODERATIONS & 1))
    {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "provider \"%V\" of rule \"%V\" has no moderation "
                      "endpoint, ask one with \"llm_dialect openai;\", or "
                      "\"judge=\", in %V:%ui", &p->name, &ask->rule.name,
                      &ask->place.file, ask->place.line);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_ask_resolver(ngx_conf_t *cf, ngx_llmops_ask_t *ask)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (ngx_llmops_net_family(&ask->url.host) != AF_UNSPEC) {
        return NGX_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->resolver == NULL || clcf->resolver->connections.nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no resolver to resolve \"%V\" of rule \"%V\" in "
                      "%V:%ui, write \"resolver ADDRESS;\" in http{}",
                      &ask->url.host, &ask->rule.name, &ask->place.file,
                      ask->place.line);
        return NGX_ERROR;
    }

    ask->resolver = clcf->resolver;

    return NGX_OK;
}


void
ngx_llmops_ask_attach(ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route)
{
    u_char            *p;
    ngx_str_t          name;
    ngx_uint_t         i;
    ngx_llmops_ask_t  *asks;

    if (route->ruled == NULL || route->ruled->asks == NULL) {
        return;
    }

    asks = route->ruled->asks->elts;

    for (i = 0; i < route->ruled->asks->nelts; i++) {

        name.len = route->name.len + 1 + asks[i].rule.name.len;
        name.data = ngx_pnalloc(ngx_cycle->pool, name.len);

        if (name.data == NULL) {
            return;
        }

        p = ngx_cpymem(name.data, route->name.data, route->name.len);
        *p++ = '\0';
        ngx_memcpy(p, asks[i].rule.name.data, asks[i].rule.name.len);

        asks[i].rule.data = ngx_llmops_zone_node(mcf->zone,
                                                 NGX_LLMOPS_NODE_RULE, &name,
                                                 sizeof(ngx_llmops_rule_sh_t));
        asks[i].sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_ASK,
                                          &name, sizeof(ngx_llmops_ask_sh_t));

        if (asks[i].token.value.len) {
            ngx_llmops_secret_start(&asks[i].token);
        }
    }
}
