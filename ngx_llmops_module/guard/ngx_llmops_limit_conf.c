
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


typedef struct {
    ngx_str_t                  name;       /* with "=", if it has a value */
    ngx_uint_t                 quota;      /* llm_limit does not have it */
    ngx_int_t                (*set)(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
                                   ngx_str_t *value);
    const char                *advice;
} ngx_llmops_limit_param_t;


static ngx_llmops_limit_t *ngx_llmops_limit_add(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_str_t *name);
static ngx_int_t ngx_llmops_limit_word(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *word, ngx_uint_t *seen);
static ngx_int_t ngx_llmops_limit_rate(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *word);
static ngx_int_t ngx_llmops_limit_complete(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit);
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
static ngx_int_t ngx_llmops_limit_tz(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_webhook(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_int_t ngx_llmops_limit_secret(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *value);
static ngx_llmops_webhook_t *ngx_llmops_limit_hook(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit);
static ngx_int_t ngx_llmops_limit_zone_file(ngx_conf_t *cf,
    ngx_llmops_limit_t *limit, ngx_str_t *path);
static ngx_int_t ngx_llmops_limit_percent(ngx_str_t *value);


#define NGX_LLMOPS_ZONEINFO        "/usr/share/zoneinfo/"
#define NGX_LLMOPS_ZONEINFO_MAX    (256 * 1024)


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
ngx_llmops_limit_tz(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *value)
{
    u_char     *p;
    size_t      i;
    ngx_str_t   path;

    limit->tz = *value;

    if (ngx_llmops_calendar_fixed(&limit->calendar, value) == NGX_OK) {
        return NGX_OK;
    }

    /* a name, and nothing that leads elsewhere */

    for (i = 0; i < value->len; i++) {
        p = &value->data[i];

        if (!(*p >= 'a' && *p <= 'z') && !(*p >= 'A' && *p <= 'Z')
            && !(*p >= '0' && *p <= '9') && *p != '/' && *p != '_'
            && *p != '-' && *p != '+')
        {
            return NGX_DECLINED;
        }
    }

    if (value->len == 0 || value->len > 64 || value->data[0] == '/') {
        return NGX_DECLINED;
    }

    path.len = sizeof(NGX_LLMOPS_ZONEINFO) - 1 + value->len;
    path.data = ngx_pnalloc(cf->pool, path.len + 1);

    if (path.data == NULL) {
        return NGX_ERROR;
    }

    ngx_sprintf(path.data, NGX_LLMOPS_ZONEINFO "%V%Z", value);

    return ngx_llmops_limit_zone_file(cf, limit, &path);
}


static ngx_int_t
ngx_llmops_limit_zone_file(ngx_conf_t *cf, ngx_llmops_limit_t *limit,
    ngx_str_t *path)
{
    u_char                        *data;
    size_t                         room;
    ssize_t                        n;
    ngx_fd_t                       fd;
    ngx_int_t                      rc;
    ngx_llmops_calendar_change_t  *changes;

    fd = ngx_open_file(path->data, NGX_FILE_RDONLY, NGX_FILE_OPEN, 0);

    if (fd == NGX_INVALID_FILE) {

        if (ngx_errno != NGX_ENOENT) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, ngx_errno,
                               ngx_open_file_n " \"%V\" failed", path);
            return NGX_ERROR;
        }

        if (access(NGX_LLMOPS_ZONEINFO, X_OK) != 0) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "\"tz=%V\" needs " NGX_LLMOPS_ZONEINFO ", "
                               "which is not there: install the package "
                               "tzdata", &limit->tz);
            return NGX_ERROR;
        }

        return NGX_DECLINED;
    }

    data = ngx_palloc(cf->temp_pool, NGX_LLMOPS_ZONEINFO_MAX);
    n = data ? ngx_read_fd(fd, data, NGX_LLMOPS_ZONEINFO_MAX) : -1;

    if (ngx_close_file(fd) == NGX_FILE_ERROR) {
        ngx_conf_log_error(NGX_LOG_ALERT, cf, ngx_errno,
                           ngx_close_file_n " \"%V\" failed", path);
    }

    if (n < 0) {
        return data ? NGX_DECLINED : NGX_ERROR;        /* a directory */
    }

    room = ngx_llmops_calendar_room(data, n);

    changes = ngx_palloc(cf->pool, (room + 1)
                                   * sizeof(ngx_llmops_calendar_change_t));
    if (changes == NULL) {
        return NGX_ERROR;
    }

    rc = ngx_llmops_calendar_read(&limit->calendar, data, n, changes);

    if (rc != NGX_OK) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" is not a file of a time zone that can be "
                           "read, write another \"tz=\"", path);
        return NGX_ERROR;
    }

    return NGX_OK;
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
