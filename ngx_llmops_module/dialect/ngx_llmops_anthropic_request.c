
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_anthropic_codec.h"


/*
 * A neutral request as a body of the Messages API: everything but messages
 * and tools.
 *
 * The version 2026-10-21 refuses sampling parameters, so that 2023-06-01 is
 * sent when there are some, and the model takes them.
 */


/*
 * max_tokens is required there.  Every model can write so many tokens, and
 * an answer that is cut is better seen than one that costs 128k tokens.
 */
#define NGX_LLMOPS_ANTHROPIC_MAX_TOKENS  4096


static void ngx_llmops_anthropic_refuse(ngx_llmops_xlate_t *x, json_t *in);
static void ngx_llmops_anthropic_dropped(ngx_llmops_xlate_t *x, json_t *in);
static ngx_uint_t ngx_llmops_anthropic_is_default(const char *key, json_t *v);
static void ngx_llmops_anthropic_limit(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r);
static void ngx_llmops_anthropic_stop(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r);
static void ngx_llmops_anthropic_misc(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r);
static void ngx_llmops_anthropic_sampling(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r);


static ngx_str_t  ngx_llmops_anthropic_current =
    ngx_string("anthropic-version: 2026-10-21" CRLF);

static ngx_str_t  ngx_llmops_anthropic_sampled =
    ngx_string("anthropic-version: 2023-06-01" CRLF);


/* members that are read somewhere below, or mean nothing to a provider */

static const char *const  ngx_llmops_anthropic_read[] = {
    "model", "messages", "stream", "stream_options", "max_tokens",
    "max_completion_tokens", "temperature", "top_p", "top_k", "stop",
    "tools", "tool_choice", "parallel_tool_calls", "response_format",
    "reasoning_effort", "user", "safety_identifier", "service_tier", "n",
    "logprobs", "top_logprobs", "modalities", "audio", NULL
};


json_t *
ngx_llmops_anthropic_request_out(ngx_llmops_xlate_t *x, json_t *neutral,
    const char *target)
{
    ngx_llmops_anthropic_request_t  r;

    memset(&r, 0, sizeof(ngx_llmops_anthropic_request_t));

    r.in = neutral;
    r.out = ngx_llmops_object(x);
    r.system = ngx_llmops_array(x);

    ngx_llmops_anthropic_model(target, &r.model);

    x->headers = ngx_llmops_anthropic_current;

    ngx_llmops_anthropic_refuse(x, neutral);
    ngx_llmops_anthropic_dropped(x, neutral);

    ngx_llmops_set(x, r.out, "model", json_string(target));

    ngx_llmops_anthropic_limit(x, &r);
    ngx_llmops_anthropic_stop(x, &r);
    ngx_llmops_anthropic_misc(x, &r);
    ngx_llmops_anthropic_tools_out(x, &r);
    ngx_llmops_anthropic_effort(x, &r);
    ngx_llmops_anthropic_sampling(x, &r);
    ngx_llmops_anthropic_messages_out(x, &r);

    ngx_llmops_set(x, r.out, "max_tokens", json_integer(r.max_tokens));

    if (x->stream) {
        ngx_llmops_set(x, r.out, "stream", json_true());
    }

    json_decref(r.system);

    return r.out;
}


/* an answer without these would be wrong, not only different */

static void
ngx_llmops_anthropic_refuse(ngx_llmops_xlate_t *x, json_t *in)
{
    size_t   i;
    double   n;
    json_t  *v;

    if (ngx_llmops_tree_number(json_object_get(in, "n"), &n) == NGX_OK
        && n > 1)
    {
        ngx_llmops_unsupported(x, "n", "\"n\" above 1");
    }

    if (json_is_true(json_object_get(in, "logprobs"))) {
        ngx_llmops_unsupported(x, "logprobs", "\"logprobs\"");
    }

    v = json_object_get(in, "top_logprobs");

    if (ngx_llmops_tree_number(v, &n) == NGX_OK && n > 0) {
        ngx_llmops_unsupported(x, "top_logprobs", "\"top_logprobs\"");
    }

    json_array_foreach(json_object_get(in, "modalities"), i, v) {
        if (ngx_llmops_tree_is_string(v)
            && strcmp(json_string_value(v), "text") != 0)
        {
            ngx_llmops_unsupported(x, "modalities", "audio output");
        }
    }

    if (json_is_object(json_object_get(in, "audio"))) {
        ngx_llmops_unsupported(x, "audio", "audio output");
    }
}


static void
ngx_llmops_anthropic_dropped(ngx_llmops_xlate_t *x, json_t *in)
{
    json_t      *v;
    ngx_uint_t   i;
    const char  *key;

    json_object_foreach(in, key, v) {

        for (i = 0; ngx_llmops_anthropic_read[i]; i++) {
            if (strcmp(ngx_llmops_anthropic_read[i], key) == 0) {
                break;
            }
        }

        if (ngx_llmops_anthropic_read[i] == NULL
            && !ngx_llmops_anthropic_is_default(key, v))
        {
            ngx_llmops_drop(x, key);
        }
    }
}


/* nothing is lost with what says what is so anyway */

static ngx_uint_t
ngx_llmops_anthropic_is_default(const char *key, json_t *v)
{
    double  n;

    if (json_is_null(v)) {
        return 1;
    }

    if (strcmp(key, "presence_penalty") == 0
        || strcmp(key, "frequency_penalty") == 0)
    {
        return ngx_llmops_tree_number(v, &n) == NGX_OK && n == 0;
    }

    if (strcmp(key, "store") == 0) {
        return json_is_false(v);
    }

    return strcmp(key, "logit_bias") == 0 && json_is_object(v)
           && json_object_size(v) == 0;
}


static void
ngx_llmops_anthropic_limit(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r)
{
    double   n;
    json_t  *v;

    r->max_tokens = NGX_LLMOPS_ANTHROPIC_MAX_TOKENS;

    v = json_object_get(r->in, "max_completion_tokens");

    if (v == NULL || json_is_null(v)) {
        v = json_object_get(r->in, "max_tokens");
    }

    if (v == NULL || json_is_null(v)) {
        return;
    }

    if (ngx_llmops_tree_number(v, &n) != NGX_OK || n < 0 || n > 1e9) {
        ngx_llmops_refuse(x, "max_tokens", "invalid_value",
                          "the limit of tokens is not a positive integer");
        return;
    }

    r->max_tokens = (int64_t) n;
}


static void
ngx_llmops_anthropic_stop(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r)
{
    size_t       i, n;
    json_t      *stop, *list, *v;
    const char  *s;

    stop = json_object_get(r->in, "stop");
    list = ngx_llmops_array(x);
    n = json_is_array(stop) ? json_array_size(stop) : 1;

    for (i = 0; i < n; i++) {
        v = json_is_array(stop) ? json_array_get(stop, i) : stop;

        if (!ngx_llmops_tree_is_string(v)) {
            continue;
        }

        s = json_string_value(v);

        /* refused there when nothing but white space */

        if (s[strspn(s, " \t\r\n")] == '\0') {
            ngx_llmops_drop(x, "stop");
            continue;
        }

        ngx_llmops_append(x, list, json_incref(v));
    }

    if (json_array_size(list) > 0) {
        ngx_llmops_set(x, r->out, "stop_sequences", json_incref(list));
    }

    json_decref(list);
}


static void
ngx_llmops_anthropic_misc(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r)
{
    json_t      *metadata;
    const char  *user, *tier;

    user = ngx_llmops_tree_str(r->in, "safety_identifier");

    if (user == NULL) {
        user = ngx_llmops_tree_str(r->in, "user");
    }

    if (user != NULL && user[0] != '\0') {
        metadata = ngx_llmops_object(x);
        ngx_llmops_set(x, metadata, "user_id", json_string(user));
        ngx_llmops_set(x, r->out, "metadata", metadata);
    }

    tier = ngx_llmops_tree_str(r->in, "service_tier");

    if (tier == NULL) {
        return;
    }

    if (strcmp(tier, "auto") == 0) {
        ngx_llmops_set(x, r->out, "service_tier", json_string("auto"));

    } else if (strcmp(tier, "default") == 0) {
        ngx_llmops_set(x, r->out, "service_tier",
                       json_string("standard_only"));

    } else {
        ngx_llmops_drop(x, "service_tier");
    }
}


static void
ngx_llmops_anthropic_sampling(ngx_llmops_xlate_t *x,
    ngx_llmops_anthropic_request_t *r)
{
    double        n;
    json_t       *v;
    ngx_uint_t    i, sent;
    const char   *key;

    static const char *const  keys[] = { "temperature", "top_p", "top_k" };

    sent = 0;

    for (i = 0; i < 3; i++) {
        key = keys[i];
        v = json_object_get(r->in, key);

        if (ngx_llmops_tree_number(v, &n) != NGX_OK) {
            continue;
        }

        /* many models refuse temperature and top_p together */

        if (!r->model.sampling || r->thinking || (i == 1 && sent)) {

            /* the default need not be said */

            if (i == 2 || n != 1) {
                ngx_llmops_drop(x, key);
            }

            continue;
        }

        sent = 1;

        if (i == 0 && n > 1) {
            ngx_llmops_approx(x, key, "1");
            ngx_llmops_set(x, r->out, key, json_integer(1));
            continue;
        }

        ngx_llmops_set(x, r->out, key, json_incref(v));
    }

    if (sent) {
        x->headers = ngx_llmops_anthropic_sampled;
    }
}
