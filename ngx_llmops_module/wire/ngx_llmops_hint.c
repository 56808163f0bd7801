
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_hint.h"
#include "ngx_llmops_hint_time.h"
#include "ngx_llmops_json.h"


/* from here on a plain number is the time of day, in seconds, then ms */
#define NGX_LLMOPS_HINT_EPOCH      (30 * 86400)
#define NGX_LLMOPS_HINT_EPOCH_MS   ((int64_t) 100000000000)


/* a plain number: relative seconds, or the time of day in seconds or ms */

static ngx_int_t
ngx_llmops_hint_plain(ngx_str_t *value, int64_t now, int64_t *wait)
{
    u_char                *p, *last;
    ngx_llmops_decimal_t   d;

    last = value->data + value->len;
    p = ngx_llmops_hint_decimal(value->data, last, &d);

    if (p != last) {
        return NGX_DECLINED;
    }

    if (d.whole >= NGX_LLMOPS_HINT_EPOCH_MS) {
        *wait = ngx_llmops_hint_ms(ngx_llmops_hint_scale(&d, NGX_LLMOPS_MS))
                - now;
        return NGX_OK;
    }

    *wait = ngx_llmops_hint_ms(ngx_llmops_hint_scale(&d, NGX_LLMOPS_NS));

    if (d.whole >= NGX_LLMOPS_HINT_EPOCH) {
        *wait -= now;
    }

    return NGX_OK;
}


/* any of the ways to tell when a window ends */

static ngx_int_t
ngx_llmops_hint_reset(ngx_str_t *value, int64_t now, int64_t *wait)
{
    int64_t  time;

    if (ngx_llmops_hint_plain(value, now, wait) == NGX_OK
        || ngx_llmops_duration(value, wait) == NGX_OK)
    {
        return NGX_OK;
    }

    if (ngx_llmops_hint_rfc3339(value, &time) == NGX_OK) {
        *wait = time - now;
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_hint_retry(ngx_str_t *value, int64_t now, int64_t *wait)
{
    int64_t  time;

    if (ngx_llmops_duration(value, wait) == NGX_OK) {
        return NGX_OK;
    }

    if (ngx_llmops_hint_http_date(value, &time) == NGX_OK) {
        *wait = time - now;
        return NGX_OK;
    }

    return NGX_DECLINED;
}


static ngx_int_t
ngx_llmops_hint_retry_ms(ngx_str_t *value, int64_t *wait)
{
    u_char                *p, *last;
    ngx_llmops_decimal_t   d;

    last = value->data + value->len;
    p = ngx_llmops_hint_decimal(value->data, last, &d);

    if (p != last) {
        return NGX_DECLINED;
    }

    *wait = ngx_llmops_hint_ms(ngx_llmops_hint_scale(&d, NGX_LLMOPS_MS));

    return NGX_OK;
}


static ngx_uint_t
ngx_llmops_hint_is(ngx_str_t *name, const char *s)
{
    return name->len == ngx_strlen(s)
           && ngx_memcmp(name->data, s, name->len) == 0;
}


static ngx_uint_t
ngx_llmops_hint_is_reset(ngx_str_t *name)
{
    static const char  prefix[] = "anthropic-ratelimit-";
    static const char  suffix[] = "-reset";

    if (ngx_llmops_hint_is(name, "x-ratelimit-reset")
        || ngx_llmops_hint_is(name, "x-ratelimit-reset-requests")
        || ngx_llmops_hint_is(name, "x-ratelimit-reset-tokens"))
    {
        return 1;
    }

    return name->len > sizeof(prefix) - 1 + sizeof(suffix) - 1
           && ngx_memcmp(name->data, prefix, sizeof(prefix) - 1) == 0
           && ngx_memcmp(name->data + name->len - (sizeof(suffix) - 1),
                         suffix, sizeof(suffix) - 1)
              == 0;
}


static ngx_llmops_hint_e
ngx_llmops_hint_cut(ngx_llmops_hint_e kind, int64_t ms, int64_t *wait)
{
    *wait = (ms < 0) ? 0 : ngx_min(ms, NGX_LLMOPS_HINT_MAX);

    return kind;
}


ngx_llmops_hint_e
ngx_llmops_hint_header(ngx_str_t *name, ngx_str_t *value, int64_t now,
    int64_t *wait)
{
    int64_t             ms;
    ngx_int_t           rc;
    ngx_str_t           v;
    ngx_llmops_hint_e   kind;

    kind = NGX_LLMOPS_HINT_RETRY;
    v = ngx_llmops_hint_trim(value);

    if (v.len == 0) {
        return NGX_LLMOPS_HINT_NONE;
    }

    if (ngx_llmops_hint_is(name, "retry-after")) {
        rc = ngx_llmops_hint_retry(&v, now, &ms);

    } else if (ngx_llmops_hint_is(name, "retry-after-ms")
               || ngx_llmops_hint_is(name, "x-ms-retry-after-ms"))
    {
        rc = ngx_llmops_hint_retry_ms(&v, &ms);

    } else if (ngx_llmops_hint_is_reset(name)) {
        kind = NGX_LLMOPS_HINT_RESET;
        rc = ngx_llmops_hint_reset(&v, now, &ms);

    } else {
        return NGX_LLMOPS_HINT_NONE;
    }

    if (rc != NGX_OK) {
        return NGX_LLMOPS_HINT_NONE;
    }

    return ngx_llmops_hint_cut(kind, ms, wait);
}


ngx_llmops_hint_e
ngx_llmops_hint_body(ngx_str_t *body, int64_t *wait)
{
    int64_t                 ms;
    ngx_str_t               object, details, detail, delay;
    ngx_llmops_json_iter_t  it;

    object = *body;

    /* Gemini wraps the error in an array if the stream was to be one */

    if (ngx_llmops_json_array(&it, body) == NGX_OK
        && ngx_llmops_json_next(&it, NULL, &object) != NGX_OK)
    {
        return NGX_LLMOPS_HINT_NONE;
    }

    if (ngx_llmops_json_get(&object, "error.details", &details) != NGX_OK
        || ngx_llmops_json_array(&it, &details) != NGX_OK)
    {
        return NGX_LLMOPS_HINT_NONE;
    }

    while (ngx_llmops_json_next(&it, NULL, &detail) == NGX_OK) {

        if (ngx_llmops_json_get(&detail, "retryDelay", &delay) != NGX_OK
            || ngx_llmops_json_type(&delay) != NGX_LLMOPS_JSON_STRING)
        {
            continue;
        }

        delay.data++;
        delay.len -= 2;

        if (ngx_llmops_duration(&delay, &ms) == NGX_OK) {
            return ngx_llmops_hint_cut(NGX_LLMOPS_HINT_RETRY, ms, wait);
        }
    }

    return NGX_LLMOPS_HINT_NONE;
}
