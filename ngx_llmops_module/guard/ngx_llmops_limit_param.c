
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"


/*
 * The parameters of llm_limit and llm_quota.  One sets what it says, and
 * returns NGX_DECLINED for a value that is refused with the advice of the
 * table, NGX_ERROR if it has said why.
 */


typedef struct {
    ngx_str_t                  name;       /* with "=", if it has a value */
    ngx_uint_t                 quota;      /* llm_limit does not have it */
    ngx_int_t                (*set)(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
                                   ngx_str_t *value);
    const char                *advice;
} ngx_llmops_limit_param_t;


static ngx_int_t ngx_llmops_limit_rate(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *word);
static ngx_int_t ngx_llmops_limit_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv);
static ngx_int_t ngx_llmops_limit_key(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_shard(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_fail(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_reserve(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_dry_run(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_soft(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_hard(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_warns(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_rollover(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_webhook(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_secret(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_llmops_webhook_t *ngx_llmops_limit_hook(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit);
static ngx_int_t ngx_llmops_limit_percent(ngx_str_t *value);


static const ngx_llmops_limit_param_t  ngx_llmops_limit_params[] = {

    { ngx_string("key="), 0, ngx_llmops_limit_key,
      "write what is counted separately, for example \"key=$remote_addr\", or "
      "\"key=all\" for one counter" },

    { ngx_string("shard="), 0, ngx_llmops_limit_shard,
      "write a value, for example \"shard=$remote_addr\"" },

    { ngx_string("fail="), 0, ngx_llmops_limit_fail,
      "write \"fail=open\", \"fail=closed\" or \"fail=local\"" },

    { ngx_string("reserve="), 0, ngx_llmops_limit_reserve,
      "write a number of tokens from 1 to 1000000" },

    { ngx_string("dry_run"), 0, ngx_llmops_limit_dry_run, NULL },

    { ngx_string("soft"), 1, ngx_llmops_limit_soft,
      NULL },

    { ngx_string("hard"), 1, ngx_llmops_limit_hard,
      NULL },

    { ngx_string("warn="), 1, ngx_llmops_limit_warns,
      "write at most four percentages from 1% to 100%, the lowest first, for "
      "example \"warn=80%,95%\"" },

    { ngx_string("rollover="), 1,
      ngx_llmops_limit_rollover,
      "write a percentage from 1% to 100%" },

    { ngx_string("tz="), 1, ngx_llmops_limit_tz,
      "write a name of " NGX_LLMOPS_ZONEINFO ", for example "
      "\"tz=Europe/Berlin\", or a fixed offset, for example \"tz=+02:00\"" },

    { ngx_string("webhook="), 1, ngx_llmops_limit_webhook,
      "write a URL, for example \"webhook=https://ops.example.com/budgets\", "
      "without user and password" },

    { ngx_string("webhook_secret="), 1, ngx_llmops_limit_secret, NULL },

    { ngx_null_string, 0, NULL, NULL }
};


ngx_int_t
ngx_llmops_limit_word(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *word, ngx_uint_t *seen)
{
    ngx_str_t                        value;
    ngx_int_t                        rc;
    ngx_uint_t                       i;
    const ngx_llmops_limit_param_t  *p;

    for (i = 0; ngx_llmops_limit_params[i].name.len; i++) {
        p = &ngx_llmops_limit_params[i];

        if (word->len < p->name.len
            || ngx_memcmp(word->data, p->name.data, p->name.len) != 0
            || (p->name.data[p->name.len - 1] != '='
                && word->len != p->name.len))
        {
            continue;
        }

        if (p->quota && !limit->quota) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "invalid parameter \"%V\", only \"llm_quota\" "
                               "has it", word);
            return NGX_ERROR;
        }

        if (*seen & ((ngx_uint_t) 1 << i)) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate parameter \"%V\"", word);
            return NGX_ERROR;
        }

        *seen |= (ngx_uint_t) 1 << i;

        value.data = word->data + p->name.len;
        value.len = word->len - p->name.len;

        rc = p->set(cf, limit, &value);

        if (rc == NGX_DECLINED) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid \"%V\", %s",
                               word, p->advice);
        }

        return rc == NGX_OK ? NGX_OK : NGX_ERROR;
    }

    return ngx_llmops_limit_rate(cf, limit, word);
}


static ngx_int_t
ngx_llmops_limit_rate(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *word)
{
    ngx_int_t           rc;
    ngx_uint_t          i;
    const char         *error;
    ngx_llmops_rate_t   rate;

    rc = ngx_llmops_rate_parse(word, &rate, &error);

    if (rc == NGX_DECLINED) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", there are \"key=\", "
                           "\"requests=\", \"tokens=\", \"input=\", "
                           "\"output=\", \"cost=\", %s\"fail=\", \"reserve=\", "
                           "\"shard=\" and \"dry_run\"", word,
                           limit->quota
                           ? "\"warn=\", \"soft\", \"hard\", \"tz=\", "
                             "\"rollover=\", \"webhook=\", "
                             "\"webhook_secret=\", "
                           : "\"concurrent=\", ");
        return NGX_ERROR;
    }

    if (rc != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "invalid \"%V\", %s", word,
                           error);
        return NGX_ERROR;
    }

    if (limit->quota && rate.period == NGX_LLMOPS_PERIOD_HELD) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid parameter \"%V\", only \"llm_limit\" has "
                           "it", word);
        return NGX_ERROR;
    }

    if (!limit->quota && rate.period == NGX_LLMOPS_PERIOD_CALENDAR) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is a period of the calendar, write it in "
                           "\"llm_quota\", or a window that slides, for "
                           "example \"/d\"", word);
        return NGX_ERROR;
    }

    for (i = 0; i < limit->nrates; i++) {
        if (limit->rates[i].unit == rate.unit
            && limit->rates[i].period == rate.period
            && limit->rates[i].window == rate.window)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate \"%V\", one amount for each period "
                               "is enough", word);
            return NGX_ERROR;
        }
    }

    if (limit->nrates == NGX_LLMOPS_COUNTER_RATES) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is one amount too many, a limit has %d at "
                           "the most", word, NGX_LLMOPS_COUNTER_RATES);
        return NGX_ERROR;
    }

    limit->rates[limit->nrates++] = rate;
    limit->units |= (ngx_uint_t) 1 << rate.unit;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_limit_value(ngx_conf_t *cf, ngx_str_t *value,
    ngx_http_complex_value_t **cv)
{
    ngx_http_compile_complex_value_t  ccv;

    if (value->len == 0) {
        return NGX_DECLINED;
    }

    *cv = ngx_palloc(cf->pool, sizeof(ngx_http_complex_value_t));
    if (*cv == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(&ccv, sizeof(ngx_http_compile_complex_value_t));

    ccv.cf = cf;
    ccv.value = value;
    ccv.complex_value = *cv;

    return ngx_http_compile_complex_value(&ccv) == NGX_OK ? NGX_OK
                                                          : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_limit_key(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    return ngx_llmops_limit_value(cf, value, &limit->key);
}


static ngx_int_t
ngx_llmops_limit_shard(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    return ngx_llmops_limit_value(cf, value, &limit->shard);
}


static ngx_int_t
ngx_llmops_limit_fail(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    if (ngx_strcmp(value->data, "open") == 0) {
        limit->fail = NGX_LLMOPS_DOWN_OPEN;

    } else if (ngx_strcmp(value->data, "closed") == 0) {
        limit->fail = NGX_LLMOPS_DOWN_CLOSED;

    } else if (ngx_strcmp(value->data, "local") == 0) {
        limit->fail = NGX_LLMOPS_DOWN_LOCAL;

    } else {
        return NGX_DECLINED;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_limit_reserve(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_atoi(value->data, value->len);

    if (n == NGX_ERROR || n == 0 || n > 1000000) {
        return NGX_DECLINED;
    }

    limit->reserve = n;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_limit_dry_run(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    limit->dry_run = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_limit_soft(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    limit->soft = 1;

    return NGX_OK;
}


/* the default, for those who like to see it */

static ngx_int_t
ngx_llmops_limit_hard(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    if (limit->soft) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "llm_quota \"%V\" is \"soft\" and \"hard\", one of "
                           "them has to go", &limit->name);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_limit_warns(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    u_char     *p, *last, *comma;
    ngx_str_t   word;
    ngx_int_t   n;

    p = value->data;
    last = p + value->len;

    for ( ;; ) {
        comma = ngx_strlchr(p, last, ',');

        word.data = p;
        word.len = (comma ? comma : last) - p;

        n = ngx_llmops_limit_percent(&word);

        if (n == NGX_ERROR || limit->nwarn == NGX_LLMOPS_LIMIT_WARN
            || (limit->nwarn
                && (ngx_uint_t) n <= limit->warn[limit->nwarn - 1]))
        {
            return NGX_DECLINED;
        }

        limit->warn[limit->nwarn++] = n;

        if (comma == NULL) {
            return NGX_OK;
        }

        p = comma + 1;
    }
}


static ngx_int_t
ngx_llmops_limit_rollover(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    ngx_int_t  n;

    n = ngx_llmops_limit_percent(value);

    if (n == NGX_ERROR) {
        return NGX_DECLINED;
    }

    limit->rollover = n;

    return NGX_OK;
}


/* "80%" */

static ngx_int_t
ngx_llmops_limit_percent(ngx_str_t *value)
{
    ngx_int_t  n;

    if (value->len < 2 || value->data[value->len - 1] != '%') {
        return NGX_ERROR;
    }

    n = ngx_atoi(value->data, value->len - 1);

    return (n >= 1 && n <= 100) ? n : NGX_ERROR;
}


static ngx_int_t
ngx_llmops_limit_webhook(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    const char            *error;
    ngx_llmops_webhook_t  *wh;

    wh = ngx_llmops_limit_hook(cf, limit);
    if (wh == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_fetch_url(cf, value, NULL, &wh->url, &error) == NGX_OK
           ? NGX_OK : NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_limit_secret(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    ngx_llmops_webhook_t  *wh;

    wh = ngx_llmops_limit_hook(cf, limit);
    if (wh == NULL) {
        return NGX_ERROR;
    }

    return ngx_llmops_secret_read(cf, value, "webhook_secret", &wh->secret);
}


/* whichever of its parameters comes first */

static ngx_llmops_webhook_t *
ngx_llmops_limit_hook(ngx_conf_t *cf, ngx_llmops_limit_t *limit)
{
    if (limit->webhook == NULL) {
        limit->webhook = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_webhook_t));
    }

    return limit->webhook;
}
