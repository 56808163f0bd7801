
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_admin_limits.h"


/*
 * Limits and quotas as the configuration has them.  The store counts money in
 * 10^-12 USD; it is shown as a decimal text, like everywhere in this API.
 */


static ngx_int_t ngx_llmops_admin_limit_list(ngx_llmops_admin_t *a);
static json_t *ngx_llmops_admin_limit_shown(ngx_llmops_limit_t *limit);
static json_t *ngx_llmops_admin_limit_rates(ngx_llmops_rate_t *rates,
    ngx_uint_t n);


const ngx_llmops_admin_call_t  ngx_llmops_admin_limits[] = {

    { NGX_HTTP_GET, "limits", "listLimits", NULL,
      ngx_llmops_admin_limit_list, 0, 0 },

    { NGX_HTTP_GET, "limits/{}", "getLimit", "key shard",
      ngx_llmops_admin_limit_get, 0, 0 },

    { NGX_HTTP_POST, "limits/{}/reset", "resetLimit", NULL,
      ngx_llmops_admin_limit_reset, 1, 1 },

    { 0, NULL, NULL, NULL, NULL, 0, 0 }
};


/* -- definitions ---------------------------------------------------------- */

static ngx_int_t
ngx_llmops_admin_limit_list(ngx_llmops_admin_t *a)
{
    json_t                    *array;
    ngx_uint_t                 i;
    ngx_llmops_limit_t       **limits;
    ngx_llmops_limits_conf_t  *lcf;

    array = json_array();
    lcf = a->mcf->limits;

    if (lcf) {
        limits = lcf->limits.elts;

        for (i = 0; i < lcf->limits.nelts; i++) {
            if (json_array_append_new(array,
                                      ngx_llmops_admin_limit_shown(limits[i]))
                != 0)
            {
                json_decref(array);
                return NGX_ERROR;
            }
        }
    }

    return ngx_llmops_admin_reply(a, NGX_HTTP_OK,
                                  json_pack("{s:o}", "limits", array));
}


static json_t *
ngx_llmops_admin_limit_shown(ngx_llmops_limit_t *limit)
{
    json_t      *warn;
    ngx_uint_t   i;

    static const char  *fail[] = { "open", "closed", "local" };

    warn = json_array();

    for (i = 0; i < limit->nwarn; i++) {
        (void) json_array_append_new(warn, json_integer(limit->warn[i]));
    }

    return json_pack("{s:o,s:s,s:o,s:o,s:o,s:b,s:b,s:s,s:o,s:I,s:o}",
                     "name", ngx_llmops_admin_string(&limit->name),
                     "kind", limit->quota ? "quota" : "limit",
                     "key", ngx_llmops_admin_string(&limit->key->value),
                     "shard", limit->shard
                              ? ngx_llmops_admin_string(&limit->shard->value)
                              : json_null(),
                     "rates", ngx_llmops_admin_limit_rates(limit->rates,
                                                           limit->nrates),
                     "soft", (int) limit->soft,
                     "dry_run", (int) limit->dry_run,
                     "fail", fail[limit->fail],
                     "warn", warn,
                     "rollover", (json_int_t) limit->rollover,
                     "time_zone", limit->tz.len
                                  ? ngx_llmops_admin_string(&limit->tz)
                                  : json_string("UTC"));
}


static json_t *
ngx_llmops_admin_limit_rates(ngx_llmops_rate_t *rates, ngx_uint_t n)
{
    json_t      *array;
    ngx_uint_t   i;

    array = json_array();

    for (i = 0; i < n; i++) {
        (void) json_array_append_new(array,
                                     ngx_llmops_admin_limit_rate(&rates[i]));
    }

    return array;
}


json_t *
ngx_llmops_admin_limit_rate(ngx_llmops_rate_t *rate)
{
    u_char     text[NGX_LLMOPS_RATE_TEXT];
    ngx_str_t  s, unit;

    s.data = text;
    s.len = ngx_llmops_rate_print(text, rate) - text;

    unit = ngx_llmops_unit_names[rate->unit];

    return json_pack("{s:o,s:o,s:o}",
                     "rate", ngx_llmops_admin_string(&s),
                     "unit", ngx_llmops_admin_string(&unit),
                     "limit", ngx_llmops_admin_limit_amount(rate->unit,
                                                            rate->limit));
}


json_t *
ngx_llmops_admin_limit_amount(ngx_llmops_unit_e unit, int64_t n)
{
    u_char     text[NGX_LLMOPS_ADMIN_MONEY];
    ngx_str_t  s;

    if (unit != NGX_LLMOPS_UNIT_COST) {
        return json_integer(n);
    }

    s.data = text;
    s.len = ngx_llmops_admin_money(text, n) - text;

    return ngx_llmops_admin_string(&s);
}
