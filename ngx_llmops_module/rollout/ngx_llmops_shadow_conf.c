
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_arg.h"
#include "ngx_llmops_shadow_own.h"
#include "ngx_llmops_route.h"
#include "ngx_llmops_rules.h"
#include "ngx_llmops_metrics.h"


/* shadow UPSTREAM/MODEL ...; of llm_route */


#define NGX_LLMOPS_SHADOW_MOST      (8 * sizeof(uintptr_t))
#define NGX_LLMOPS_SHADOW_TIMEOUT   60000  /* ms */


static ngx_int_t ngx_llmops_shadow_param(ngx_conf_t *cf,
    ngx_llmops_shadow_t *s, ngx_str_t *word);
static ngx_int_t ngx_llmops_shadow_rate(ngx_llmops_shadow_t *s,
    ngx_str_t *value);
static ngx_int_t ngx_llmops_shadow_budget(ngx_llmops_shadow_t *s,
    ngx_str_t *value);
static ngx_int_t ngx_llmops_shadow_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route,
    ngx_llmops_shadow_t *s);
static ngx_llmops_route_t *ngx_llmops_shadow_route(ngx_conf_t *cf,
    ngx_llmops_route_t *route, ngx_llmops_shadow_t *s,
    ngx_llmops_target_t *t);
static ngx_llmops_ruled_t *ngx_llmops_shadow_ruled(ngx_conf_t *cf,
    ngx_llmops_ruled_t *ruled);


char *
ngx_llmops_shadow_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_route_t *route = conf;

    ngx_str_t            *value;
    ngx_uint_t            i;
    ngx_llmops_shadow_t  *s;

    if (route->shadows == NULL) {
        route->shadows = ngx_array_create(cf->pool, 2,
                                          sizeof(ngx_llmops_shadow_t));
        if (route->shadows == NULL) {
            return NGX_CONF_ERROR;
        }
    }

    if (route->shadows->nelts == NGX_LLMOPS_SHADOW_MOST) {
        return "is there too often";
    }

    s = ngx_array_push(route->shadows);
    if (s == NULL) {
        return NGX_CONF_ERROR;
    }

    ngx_memzero(s, sizeof(ngx_llmops_shadow_t));

    value = cf->args->elts;

    s->name = value[1];
    s->share = NGX_CONF_UNSET_UINT;
    s->max = NGX_CONF_UNSET_UINT;
    s->timeout = NGX_CONF_UNSET_MSEC;
    s->place.file = cf->conf_file->file.name;
    s->place.line = cf->conf_file->line;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_llmops_shadow_param(cf, s, &value[i]) != NGX_OK) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid or duplicate parameter \"%V\" of "
                               "\"shadow\", it has share=10%%, max=16, "
                               "rate=5/s, budget=20usd/day, timeout=60s, "
                               "embed=openai/text-embedding-3-small, and "
                               "judge=openai/gpt-4.1 with judge_share=50%%, "
                               "judge_timeout=30s and \"rubric=TEXT\"",
                               &value[i]);
            return NGX_CONF_ERROR;
        }
    }

    ngx_conf_init_uint_value(s->share, 10000);
    ngx_conf_init_uint_value(s->max, 16);
    ngx_conf_init_msec_value(s->timeout, NGX_LLMOPS_SHADOW_TIMEOUT);

    return NGX_CONF_OK;
}


static ngx_int_t
ngx_llmops_shadow_param(ngx_conf_t *cf, ngx_llmops_shadow_t *s,
    ngx_str_t *word)
{
    ngx_int_t         n;
    ngx_llmops_arg_t  arg;

    n = ngx_llmops_shadow_judge_param(cf, s, word);

    if (n != NGX_DECLINED) {
        return n;
    }

    if (ngx_llmops_arg_read(word, &arg) != NGX_OK) {
        return NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "share") && s->share == NGX_CONF_UNSET_UINT) {
        return ngx_llmops_arg_share(&arg.value, &s->share);
    }

    if (ngx_llmops_arg_is(&arg, "max") && s->max == NGX_CONF_UNSET_UINT) {
        n = ngx_atoi(arg.value.data, arg.value.len);
        s->max = n;
        return n > 0 ? NGX_OK : NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "rate") && s->rate == 0) {
        return ngx_llmops_shadow_rate(s, &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "budget") && s->budget == 0) {
        return ngx_llmops_shadow_budget(s, &arg.value);
    }

    if (ngx_llmops_arg_is(&arg, "embed") && s->embed.len == 0) {
        s->embed = arg.value;
        return arg.value.len ? NGX_OK : NGX_ERROR;
    }

    if (ngx_llmops_arg_is(&arg, "timeout")
        && s->timeout == NGX_CONF_UNSET_MSEC)
    {
        n = ngx_parse_time(&arg.value, 0);
        s->timeout = n;
        return n > 0 ? NGX_OK : NGX_ERROR;
    }

    return NGX_ERROR;
}


/* rate=N/s, rate=N/m */

static ngx_int_t
ngx_llmops_shadow_rate(ngx_llmops_shadow_t *s, ngx_str_t *value)
{
    u_char     *end;
    ngx_int_t   n;

    end = value->data + value->len;

    if (value->len < 3 || end[-2] != '/'
        || (end[-1] != 's' && end[-1] != 'm'))
    {
        return NGX_ERROR;
    }

    n = ngx_atoi(value->data, value->len - 2);

    if (n == NGX_ERROR || n == 0) {
        return NGX_ERROR;
    }

    s->rate = n;
    s->period = (end[-1] == 's') ? 1 : 60;

    return NGX_OK;
}


/* budget=12.50usd/day */

static ngx_int_t
ngx_llmops_shadow_budget(ngx_llmops_shadow_t *s, ngx_str_t *value)
{
    ngx_int_t  n;

    static ngx_str_t  unit = ngx_string("usd/day");

    if (value->len <= unit.len
        || ngx_memcmp(value->data + value->len - unit.len, unit.data,
                      unit.len)
           != 0)
    {
        return NGX_ERROR;
    }

    n = ngx_atofp(value->data, value->len - unit.len, 6);

    if (n == NGX_ERROR || n == 0
        || n > (ngx_int_t) (NGX_MAX_INT_T_VALUE / 1000000))
    {
        return NGX_ERROR;
    }

    s->budget = (int64_t) n * 1000000;

    return NGX_OK;
}


ngx_int_t
ngx_llmops_shadows_resolve(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route)
{
    ngx_uint_t            i;
    ngx_llmops_shadow_t  *s;

    if (route->shadows == NULL) {
        return NGX_OK;
    }

    s = route->shadows->elts;

    for (i = 0; i < route->shadows->nelts; i++) {
        if (ngx_llmops_shadow_resolve(cf, mcf, route, &s[i]) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_shadow_resolve(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route, ngx_llmops_shadow_t *s)
{
    ngx_llmops_route_t   *own;
    ngx_llmops_target_t  *t;

    t = ngx_llmops_target_named(cf, mcf, &s->name, &s->place);

    if (t == NULL || ngx_llmops_shadow_priced(cf, s, t) != NGX_OK) {
        return NGX_ERROR;
    }

    own = ngx_llmops_shadow_route(cf, route, s, t);
    if (own == NULL) {
        return NGX_ERROR;
    }

    s->target = own->targets.elts;
    s->route = route;

    if (s->embed.len) {
        s->embed_target = ngx_llmops_shadow_named(cf, mcf, s, "embed",
                                                  &s->embed);
        if (s->embed_target == NULL) {
            return NGX_ERROR;
        }
    }

    return ngx_llmops_shadow_judge_resolve(cf, mcf, s);
}


ngx_int_t
ngx_llmops_shadow_priced(ngx_conf_t *cf, ngx_llmops_shadow_t *s,
    ngx_llmops_target_t *t)
{
    if (s->budget == 0 || t->price) {
        return NGX_OK;
    }

    ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                  "the price of \"%V\" is not known, so that \"budget=\" "
                  "would bound nothing, add \"llm_price\" or \"llm_prices\" "
                  "in %V:%ui", &t->name, &s->place.file, s->place.line);

    return NGX_ERROR;
}


ngx_llmops_target_t *
ngx_llmops_shadow_named(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_llmops_shadow_t *s, const char *param, ngx_str_t *name)
{
    ngx_llmops_target_t  *t;

    t = ngx_llmops_target_named(cf, mcf, name, &s->place);

    if (t && t->model.len == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "\"%s=%V\" names no model, write \"%s=%V/MODEL\" in "
                      "%V:%ui", param, name, param, name, &s->place.file,
                      s->place.line);
        return NULL;
    }

    return t;
}


/*
 * A route like the caller's, with the same rules, but with the candidate alone
 * and counters of its own.
 */

static ngx_llmops_route_t *
ngx_llmops_shadow_route(ngx_conf_t *cf, ngx_llmops_route_t *route,
    ngx_llmops_shadow_t *s, ngx_llmops_target_t *t)
{
    u_char               *p;
    ngx_llmops_route_t   *own;
    ngx_llmops_target_t  *target;

    own = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_route_t));
    p = ngx_pnalloc(cf->pool, route->name.len + sizeof(":shadow") - 1);

    if (own == NULL || p == NULL
        || ngx_array_init(&own->targets, cf->pool, 1,
                          sizeof(ngx_llmops_target_t))
           != NGX_OK)
    {
        return NULL;
    }

    target = ngx_array_push(&own->targets);
    if (target == NULL) {
        return NULL;
    }

    own->name.data = p;
    own->name.len = ngx_sprintf(p, "%V:shadow", &route->name) - p;
    own->matches = route->matches;
    own->ntargets = 1;
    own->total_weight = 1;
    own->attempts = 1;
    own->retry_on = NGX_LLMOPS_ON_DEFAULT|NGX_LLMOPS_ON_CHECK;
    own->strict = route->strict;
    own->place = s->place;

    if (route->ruled) {
        own->ruled = ngx_llmops_shadow_ruled(cf, route->ruled);
        if (own->ruled == NULL) {
            return NULL;
        }
    }

    *target = *t;
    target->route = own;

    return own;
}


static ngx_llmops_ruled_t *
ngx_llmops_shadow_ruled(ngx_conf_t *cf, ngx_llmops_ruled_t *ruled)
{
    ngx_uint_t           n;
    ngx_llmops_ruled_t  *own;

    own = ngx_palloc(cf->pool, sizeof(ngx_llmops_ruled_t));
    if (own == NULL) {
        return NULL;
    }

    *own = *ruled;

    /* a request's rules have done their work */

    ngx_memzero(&own->input, sizeof(ngx_llmops_rules_t));
    own->ask_input = 0;
    own->ask_after = 0;

    n = ruled->output.nrules;

    if (n) {
        own->output.rules = ngx_palloc(cf->pool,
                                       n * sizeof(ngx_llmops_rule_t));
        if (own->output.rules == NULL) {
            return NULL;
        }

        ngx_memcpy(own->output.rules, ruled->output.rules,
                   n * sizeof(ngx_llmops_rule_t));
    }

    if (ruled->asks) {
        own->asks = ngx_array_create(cf->pool, ruled->asks->nelts,
                                     sizeof(ngx_llmops_ask_t));
        if (own->asks == NULL) {
            return NULL;
        }

        own->asks->nelts = ruled->asks->nelts;

        ngx_memcpy(own->asks->elts, ruled->asks->elts,
                   ruled->asks->nelts * sizeof(ngx_llmops_ask_t));
    }

    return own;
}


void
ngx_llmops_shadows_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route)
{
    u_char               *p;
    ngx_str_t             name;
    ngx_uint_t            i;
    ngx_llmops_shadow_t  *s;

    if (route->shadows == NULL) {
        return;
    }

    s = route->shadows->elts;

    for (i = 0; i < route->shadows->nelts; i++) {

        s[i].n = 0;

        ngx_llmops_rules_attach(mcf, s[i].target->route);
        ngx_llmops_metrics_attach(mcf, s[i].target);

        name.len = route->name.len + 1 + s[i].name.len;
        name.data = ngx_pnalloc(ngx_cycle->pool, name.len);

        if (name.data == NULL) {
            return;
        }

        p = ngx_cpymem(name.data, route->name.data, route->name.len);
        *p++ = '\0';
        ngx_memcpy(p, s[i].name.data, s[i].name.len);

        s[i].sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_SHADOW,
                                       &name, sizeof(ngx_llmops_shadow_sh_t));
    }
}
