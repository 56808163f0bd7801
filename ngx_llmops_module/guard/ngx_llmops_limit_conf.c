
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"


/*
 * llm_limit and llm_quota as they are read.  A limit bounds how fast, and its
 * windows slide; a quota bounds how much, and most of its periods are those of
 * the calendar.  They have the same form, and a parameter that only the other
 * one has is an error that names it.
 */


static ngx_llmops_limit_t *ngx_llmops_limit_add(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_str_t *name);
static ngx_int_t ngx_llmops_limit_complete(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit);


/* llm_limit NAME key=VALUE RATE ... ; llm_quota NAME key=VALUE RATE ... ; */

char *
ngx_llmops_limit_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    ngx_llmops_main_conf_t *mcf = conf;

    ngx_str_t           *value;
    ngx_uint_t           i, seen;
    ngx_llmops_limit_t  *limit;

    value = cf->args->elts;

    limit = ngx_llmops_limit_add(cf, mcf, &value[1]);
    if (limit == NULL) {
        return NGX_CONF_ERROR;
    }

    limit->quota = (value[0].len == sizeof("llm_quota") - 1
                    && ngx_memcmp(value[0].data, "llm_quota", 9) == 0);

    seen = 0;

    for (i = 2; i < cf->args->nelts; i++) {
        if (ngx_llmops_limit_word(cf, limit, &value[i], &seen) != NGX_OK) {
            return NGX_CONF_ERROR;
        }
    }

    return ngx_llmops_limit_complete(cf, limit) == NGX_OK ? NGX_CONF_OK
                                                          : NGX_CONF_ERROR;
}


static ngx_llmops_limit_t *
ngx_llmops_limit_add(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf,
    ngx_str_t *name)
{
    ngx_uint_t                 i;
    ngx_llmops_limit_t        *limit, **slot, **have;
    ngx_llmops_limits_conf_t  *lcf;

    for (i = 0; i < name->len; i++) {
        if (name->data[i] <= ' ' || name->data[i] == '"'
            || name->data[i] == '\\' || name->data[i] == '='
            || name->data[i] >= 0x7f)
        {
            break;
        }
    }

    if (i < name->len || name->len == 0 || name->len > NGX_LLMOPS_LIMIT_NAME
        || (name->len == 3 && ngx_memcmp(name->data, "key", 3) == 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid name \"%V\" of a limit, it must have 1 to "
                           "%d printable characters without spaces, quotes, "
                           "\"=\" and backslashes, and not be \"key\"",
                           name, NGX_LLMOPS_LIMIT_NAME);
        return NULL;
    }

    lcf = ngx_llmops_limits_conf(cf, mcf);
    if (lcf == NULL) {
        return NULL;
    }

    have = lcf->limits.elts;

    for (i = 0; i < lcf->limits.nelts; i++) {
        if (have[i]->name.len == name->len
            && ngx_memcmp(have[i]->name.data, name->data, name->len) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate limit \"%V\", it is in %V:%ui; "
                               "llm_limit and llm_quota share their names",
                               name, &have[i]->place.file,
                               have[i]->place.line);
            return NULL;
        }
    }

    limit = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_limit_t));
    slot = ngx_array_push(&lcf->limits);

    if (limit == NULL || slot == NULL) {
        return NULL;
    }

    *slot = limit;

    limit->name = *name;
    limit->fail = NGX_CONF_UNSET_UINT;
    limit->place.file = cf->conf_file->file.name;
    limit->place.line = cf->conf_file->line;

    return limit;
}


ngx_llmops_limits_conf_t *
ngx_llmops_limits_conf(ngx_conf_t *cf, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_limits_conf_t  *lcf;

    if (mcf->limits) {
        return mcf->limits;
    }

    lcf = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_limits_conf_t));

    if (lcf == NULL
        || ngx_array_init(&lcf->limits, cf->pool, 4,
                          sizeof(ngx_llmops_limit_t *))
           != NGX_OK)
    {
        return NULL;
    }

    ngx_str_set(&lcf->own.name, "key");
    lcf->own.fail = NGX_CONF_UNSET_UINT;

    mcf->limits = lcf;

    return lcf;
}


static ngx_int_t
ngx_llmops_limit_complete(ngx_conf_t *cf, ngx_llmops_limit_t *limit)
{
    const char          *what;
    ngx_uint_t           i, calendar;
    ngx_llmops_rate_t   *rate;

    what = ngx_llmops_limit_directive_name(limit);

    if (limit->key == NULL) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s \"%V\" has no key, add \"key=VALUE\", for "
                           "example \"key=$remote_addr\", or \"key=all\" for "
                           "one counter", what, &limit->name);
        return NGX_ERROR;
    }

    if (limit->nrates == 0) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s \"%V\" limits nothing, add an amount, for "
                           "example \"%s\"", what, &limit->name,
                           limit->quota ? "cost=400usd/month"
                                        : "requests=600/m");
        return NGX_ERROR;
    }

    calendar = 0;

    for (i = 0; i < limit->nrates; i++) {
        rate = &limit->rates[i];

        if (rate->period != NGX_LLMOPS_PERIOD_CALENDAR) {
            continue;
        }

        calendar = 1;
        rate->carry = (int64_t) ((double) rate->limit * limit->rollover / 100);
    }

    if (limit->webhook
        && (limit->webhook->url.host.len == 0 || limit->nwarn == 0))
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "llm_quota \"%V\" has a webhook without %s",
                           &limit->name, limit->nwarn
                           ? "a URL, add \"webhook=https://...\""
                           : "thresholds, add for example \"warn=80%\"");
        return NGX_ERROR;
    }

    if (!calendar && (limit->rollover || limit->tz.len)) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s \"%V\" has no period of the calendar, for which "
                           "\"rollover=\" and \"tz=\" are; write \"/day\", "
                           "\"/week\" or \"/month\"", what, &limit->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}
