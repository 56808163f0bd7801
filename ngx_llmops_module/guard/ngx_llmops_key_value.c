
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_guard.h"
#include "ngx_llmops_key_check.h"
#include "ngx_llmops_hint_time.h"


/*
 * What a member of a record may be.  Texts go into logs, headers and names of
 * counters, so that they have no control characters.
 */


#define NGX_LLMOPS_KEY_WORD     128        /* bytes of client, tenant, plan */
#define NGX_LLMOPS_KEY_PATTERN  256
#define NGX_LLMOPS_KEY_LIST     256        /* elements of a list */
#define NGX_LLMOPS_KEY_META     2048       /* bytes of metadata */
#define NGX_LLMOPS_KEY_TIME     253402300799   /* the end of the year 9999 */


typedef json_t *(*ngx_llmops_key_each_pt)(ngx_str_t *text,
    const char **problem);

static json_t *ngx_llmops_key_list(json_t *list, ngx_llmops_key_each_pt each,
    size_t max, const char *what, const char **problem);
static ngx_int_t ngx_llmops_key_string(json_t *value, ngx_str_t *text);
static json_t *ngx_llmops_key_pattern(ngx_str_t *text, const char **problem);
static json_t *ngx_llmops_key_limit(ngx_str_t *text, const char **problem);
static ngx_uint_t ngx_llmops_key_limits_twice(json_t *limits);
static ngx_uint_t ngx_llmops_key_limits_same(json_t *one, json_t *other);
static json_t *ngx_llmops_key_network(ngx_str_t *text, const char **problem);
static json_t *ngx_llmops_key_country(ngx_str_t *text, const char **problem);
static json_t *ngx_llmops_key_hash(json_t *hash, const char **problem);


/* a string without control characters; jansson has seen to its UTF-8 */

static ngx_int_t
ngx_llmops_key_string(json_t *value, ngx_str_t *text)
{
    size_t  i;

    if (!json_is_string(value)) {
        return NGX_DECLINED;
    }

    text->data = (u_char *) json_string_value(value);
    text->len = json_string_length(value);

    for (i = 0; i < text->len; i++) {
        if (text->data[i] < 0x20 || text->data[i] == 0x7f) {
            return NGX_DECLINED;
        }
    }

    return text->len ? NGX_OK : NGX_DECLINED;
}


json_t *
ngx_llmops_key_value_text(json_t *value, const char **problem)
{
    ngx_str_t  text;

    if (ngx_llmops_key_string(value, &text) != NGX_OK
        || text.len > NGX_LLMOPS_KEY_WORD)
    {
        *problem = "must be a string of 1 to 128 bytes without control "
                   "characters";
        return NULL;
    }

    return json_incref(value);
}


json_t *
ngx_llmops_key_value_id(json_t *value, const char **problem)
{
    size_t     i;
    ngx_str_t  text;

    if (ngx_llmops_key_string(value, &text) != NGX_OK
        || text.len > NGX_LLMOPS_KEY_ID_MAX)
    {
        goto failed;
    }

    for (i = 0; i < text.len; i++) {
        if (!((text.data[i] >= 'a' && text.data[i] <= 'z')
              || (text.data[i] >= '0' && text.data[i] <= '9')))
        {
            goto failed;
        }
    }

    return json_incref(value);

failed:

    *problem = "must be 1 to 32 characters of a-z and 0-9";
    return NULL;
}


json_t *
ngx_llmops_key_value_flag(json_t *value, const char **problem)
{
    if (!json_is_boolean(value)) {
        *problem = "must be true or false";
        return NULL;
    }

    return json_incref(value);
}


json_t *
ngx_llmops_key_value_time(json_t *value, const char **problem)
{
    int64_t    ms;
    json_int_t seconds;
    ngx_str_t  text;

    seconds = -1;

    if (json_is_integer(value)) {
        seconds = json_integer_value(value);

    } else if (ngx_llmops_key_string(value, &text) == NGX_OK
               && ngx_llmops_hint_rfc3339(&text, &ms) == NGX_OK)
    {
        seconds = ms / 1000;
    }

    if (seconds <= 0 || seconds > NGX_LLMOPS_KEY_TIME) {
        *problem = "must be seconds since 1970, or a time like "
                   "\"2027-01-31T12:00:00Z\"";
        return NULL;
    }

    return json_integer(seconds);
}


json_t *
ngx_llmops_key_value_metadata(json_t *value, const char **problem)
{
    char    *text;
    size_t   len;

    if (!json_is_object(value)) {
        *problem = "must be an object";
        return NULL;
    }

    text = json_dumps(value, NGX_LLMOPS_KEY_DUMP);
    if (text == NULL) {
        return NULL;
    }

    len = ngx_strlen(text);
    free(text);

    if (len > NGX_LLMOPS_KEY_META) {
        *problem = "must not have more than 2048 bytes";
        return NULL;
    }

    return json_deep_copy(value);
}


/* -- lists ----------------------------------------------------------------- */

/* each() of all strings; a string alone is a list of one */

static json_t *
ngx_llmops_key_list(json_t *list, ngx_llmops_key_each_pt each, size_t max,
    const char *what, const char **problem)
{
    size_t      i, n;
    json_t     *copy, *element;
    ngx_str_t   text;

    n = json_is_array(list) ? json_array_size(list) : 1;

    if (n == 0 || n > max) {
        *problem = what;
        return NULL;
    }

    copy = json_array();

    for (i = 0; copy && i < n; i++) {

        element = json_is_array(list) ? json_array_get(list, i) : list;

        if (ngx_llmops_key_string(element, &text) != NGX_OK) {
            *problem = what;
            goto failed;
        }

        element = each(&text, problem);

        if (element == NULL || json_array_append_new(copy, element) != 0) {
            goto failed;
        }
    }

    return copy;

failed:

    json_decref(copy);

    return NULL;
}


json_t *
ngx_llmops_key_value_patterns(json_t *value, const char **problem)
{
    return ngx_llmops_key_list(value, ngx_llmops_key_pattern,
                               NGX_LLMOPS_KEY_LIST,
                               "must be a list of 1 to 256 names; take it "
                               "away (null) to allow all", problem);
}


static json_t *
ngx_llmops_key_pattern(ngx_str_t *text, const char **problem)
{
    u_char  *star;

    star = memchr(text->data, '*', text->len);

    if (text->len > NGX_LLMOPS_KEY_PATTERN
        || (star && star != text->data + text->len - 1))
    {
        *problem = "must have names of at most 256 bytes, \"*\" may only be "
                   "their last character";
        return NULL;
    }

    return json_stringn((char *) text->data, text->len);
}


json_t *
ngx_llmops_key_value_limits(json_t *value, const char **problem)
{
    json_t  *limits;

    limits = ngx_llmops_key_list(value, ngx_llmops_key_limit,
                                 NGX_LLMOPS_COUNTER_RATES,
                                 "must be a list of 1 to 8 limits like "
                                 "\"requests=60/m\"; take it away (null) for "
                                 "none", problem);

    if (limits && ngx_llmops_key_limits_twice(limits)) {
        *problem = "must not limit the same twice";
        json_decref(limits);
        return NULL;
    }

    return limits;
}


static ngx_uint_t
ngx_llmops_key_limits_twice(json_t *limits)
{
    size_t   i, k;
    json_t  *limit;

    json_array_foreach(limits, i, limit) {
        for (k = 0; k < i; k++) {
            if (ngx_llmops_key_limits_same(limit, json_array_get(limits, k))) {
                return 1;
            }
        }
    }

    return 0;
}


static ngx_uint_t
ngx_llmops_key_limits_same(json_t *one, json_t *other)
{
    ngx_str_t           text;
    const char         *problem;
    ngx_llmops_rate_t   a, b;

    text.data = (u_char *) json_string_value(one);
    text.len = json_string_length(one);

    if (ngx_llmops_rate_parse(&text, &a, &problem) != NGX_OK) {
        return 0;
    }

    text.data = (u_char *) json_string_value(other);
    text.len = json_string_length(other);

    if (ngx_llmops_rate_parse(&text, &b, &problem) != NGX_OK) {
        return 0;
    }

    return a.unit == b.unit && a.period == b.period && a.window == b.window;
}


static json_t *
ngx_llmops_key_limit(ngx_str_t *text, const char **problem)
{
    ngx_llmops_rate_t  rate;

    *problem = "must have limits like \"requests=60/m\", \"tokens=90k/m\", "
               "\"concurrent=8\" or \"cost=20usd/month\"";

    if (ngx_llmops_rate_parse(text, &rate, problem) != NGX_OK) {
        return NULL;
    }

    *problem = NULL;

    return json_stringn((char *) text->data, text->len);
}


json_t *
ngx_llmops_key_value_countries(json_t *value, const char **problem)
{
    return ngx_llmops_key_list(value, ngx_llmops_key_country,
                               NGX_LLMOPS_KEY_LIST,
                               "must be a list of countries like \"DE\"; take "
                               "it away (null) to allow all", problem);
}


static json_t *
ngx_llmops_key_country(ngx_str_t *text, const char **problem)
{
    char  code[2];

    if (text->len == 2) {
        code[0] = (char) (text->data[0] & ~0x20);
        code[1] = (char) (text->data[1] & ~0x20);

        if (code[0] >= 'A' && code[0] <= 'Z'
            && code[1] >= 'A' && code[1] <= 'Z')
        {
            return json_stringn(code, 2);
        }
    }

    *problem = "must have countries of two letters (ISO 3166), like \"DE\"";

    return NULL;
}


json_t *
ngx_llmops_key_value_networks(json_t *value, const char **problem)
{
    return ngx_llmops_key_list(value, ngx_llmops_key_network,
                               NGX_LLMOPS_KEY_LIST,
                               "must be a list of networks like "
                               "\"10.0.0.0/8\"; take it away (null) to allow "
                               "all", problem);
}


static json_t *
ngx_llmops_key_network(ngx_str_t *text, const char **problem)
{
    ngx_cidr_t  cidr;

    if (ngx_llmops_key_cidr(text, &cidr) != NGX_OK) {
        *problem = "must have networks like \"10.0.0.0/8\", \"192.0.2.7\" or "
                   "\"2001:db8::/32\"";
        return NULL;
    }

    return json_stringn((char *) text->data, text->len);
}


/* -- digests --------------------------------------------------------------- */

json_t *
ngx_llmops_key_value_hashes(json_t *value, const char **problem)
{
    size_t   i;
    json_t  *copy, *hash;

    if (!json_is_array(value) || json_array_size(value) == 0
        || json_array_size(value) > NGX_LLMOPS_KEY_HASHES)
    {
        *problem = "must be a list of 1 to 4 digests";
        return NULL;
    }

    copy = json_array();

    json_array_foreach(value, i, hash) {

        hash = ngx_llmops_key_hash(hash, problem);

        if (hash == NULL || json_array_append_new(copy, hash) != 0) {
            json_decref(copy);
            return NULL;
        }
    }

    return copy;
}


/* {"sha256": HEX, "until": SECONDS}, the second may be missing */

static json_t *
ngx_llmops_key_hash(json_t *hash, const char **problem)
{
    char        digits[NGX_LLMOPS_KEY_HEX];
    u_char      digest[NGX_LLMOPS_KEY_DIGEST];
    json_t     *until, *copy;
    ngx_str_t   hex;

    if (ngx_llmops_key_string(json_object_get(hash, "sha256"), &hex) != NGX_OK
        || ngx_llmops_key_unhex(&hex, digest) != NGX_OK)
    {
        *problem = "must have \"sha256\", 64 hex digits";
        return NULL;
    }

    (void) ngx_llmops_key_hex((u_char *) digits, digest, sizeof(digest));

    copy = json_object();

    if (json_object_set_new(copy, "sha256",
                            json_stringn(digits, sizeof(digits)))
        != 0)
    {
        goto failed;
    }

    until = json_object_get(hash, "until");

    if (until) {
        until = ngx_llmops_key_value_time(until, problem);

        if (until == NULL || json_object_set_new(copy, "until", until) != 0) {
            goto failed;
        }
    }

    return copy;

failed:

    json_decref(copy);

    return NULL;
}
