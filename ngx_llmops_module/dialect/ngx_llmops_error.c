
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_llmops_cursor.h"
#include "ngx_llmops_error_read.h"


/*
 * Reading of errors.  What an error means is told by its code, type or
 * message before its status: quota that is used up comes as 429, a prompt
 * that is too long as 400, an overloaded model as an event after 200.
 */


typedef struct {
    ngx_str_t                  word;
    ngx_llmops_err_e           kind;
} ngx_llmops_error_word_t;


/* codes and types that say more than the status */

static const ngx_llmops_error_word_t  ngx_llmops_error_words[] = {
    { ngx_string("context_length_exceeded"), NGX_LLMOPS_ERR_CONTEXT_LENGTH },
    { ngx_string("string_above_max_length"), NGX_LLMOPS_ERR_INVALID_REQUEST },
    { ngx_string("content_filter"), NGX_LLMOPS_ERR_CONTENT_POLICY },
    { ngx_string("content_policy_violation"), NGX_LLMOPS_ERR_CONTENT_POLICY },
    { ngx_string("moderation_blocked"), NGX_LLMOPS_ERR_CONTENT_POLICY },
    { ngx_string("misalignment_policy_violation"),
      NGX_LLMOPS_ERR_CONTENT_POLICY },
    { ngx_string("insufficient_quota"), NGX_LLMOPS_ERR_BILLING },
    { ngx_string("billing_error"), NGX_LLMOPS_ERR_BILLING },
    { ngx_string("billing_hard_limit_reached"), NGX_LLMOPS_ERR_BILLING },
    { ngx_string("billing_not_active"), NGX_LLMOPS_ERR_BILLING },
    { ngx_string("contract_spend_limit_reached"), NGX_LLMOPS_ERR_BILLING },
    { ngx_string("enforced_spend_limit_reached"), NGX_LLMOPS_ERR_BILLING },
    { ngx_string("linked_organization_spend_limit_reached"),
      NGX_LLMOPS_ERR_BILLING },
    { ngx_string("overloaded_error"), NGX_LLMOPS_ERR_OVERLOADED },
    { ngx_string("overloaded"), NGX_LLMOPS_ERR_OVERLOADED },
    { ngx_string("rate_limit_error"), NGX_LLMOPS_ERR_RATE_LIMIT },
    { ngx_string("rate_limit_exceeded"), NGX_LLMOPS_ERR_RATE_LIMIT },
    { ngx_string("model_not_found"), NGX_LLMOPS_ERR_NOT_FOUND },
    { ngx_string("DeploymentNotFound"), NGX_LLMOPS_ERR_NOT_FOUND },
    { ngx_string("not_found_error"), NGX_LLMOPS_ERR_NOT_FOUND },
    { ngx_string("invalid_api_key"), NGX_LLMOPS_ERR_UPSTREAM_AUTH },
    { ngx_string("authentication_error"), NGX_LLMOPS_ERR_UPSTREAM_AUTH },
    { ngx_string("permission_error"), NGX_LLMOPS_ERR_PERMISSION },
    { ngx_string("request_too_large"), NGX_LLMOPS_ERR_TOO_LARGE },
    { ngx_string("timeout_error"), NGX_LLMOPS_ERR_TIMEOUT },
    { ngx_null_string, NGX_LLMOPS_ERR_NONE }
};


/* these say less than the status, but serve an event that has none */

static const ngx_llmops_error_word_t  ngx_llmops_error_vague[] = {
    { ngx_string("invalid_request_error"), NGX_LLMOPS_ERR_INVALID_REQUEST },
    { ngx_string("invalid_prompt"), NGX_LLMOPS_ERR_INVALID_REQUEST },
    { ngx_string("BadRequestError"), NGX_LLMOPS_ERR_INVALID_REQUEST },
    { ngx_string("validation"), NGX_LLMOPS_ERR_INVALID_REQUEST },
    { ngx_null_string, NGX_LLMOPS_ERR_NONE }
};


/* what messages of a prompt that is too long have in common, in lower case */

static const ngx_str_t  ngx_llmops_error_long[] = {
    ngx_string("prompt is too long"),
    ngx_string("maximum context length"),
    ngx_string("context_length"),
    ngx_string("context window"),
    ngx_string("exceeds the available context size"),
    ngx_null_string
};


/* by ngx_llmops_err_e */

static const ngx_uint_t  ngx_llmops_error_statuses[] = {
    500, 400, 400, 400, 401, 402, 403, 404, 405, 413, 415, 429, 502, 502,
    503, 504, 500, 499
};


ngx_uint_t
ngx_llmops_error_status(const ngx_llmops_dialect_t *d,
    ngx_llmops_err_e kind)
{
    if (kind == NGX_LLMOPS_ERR_OVERLOADED && d == &ngx_llmops_anthropic) {
        return 529;
    }

    if (kind == NGX_LLMOPS_ERR_BILLING && d != &ngx_llmops_anthropic) {
        return 429;
    }

    return ngx_llmops_error_statuses[kind];
}


static ngx_llmops_err_e
ngx_llmops_error_kind(ngx_uint_t status)
{
    switch (status) {

    case 401:
        return NGX_LLMOPS_ERR_UPSTREAM_AUTH;

    case 402:
        return NGX_LLMOPS_ERR_BILLING;

    case 403:
        return NGX_LLMOPS_ERR_PERMISSION;

    case 404:
        return NGX_LLMOPS_ERR_NOT_FOUND;

    case 405:
        return NGX_LLMOPS_ERR_METHOD;

    case 408:
    case 504:
        return NGX_LLMOPS_ERR_TIMEOUT;

    case 409:
    case 424:
    case 425:
        return NGX_LLMOPS_ERR_UPSTREAM;

    case 413:
        return NGX_LLMOPS_ERR_TOO_LARGE;

    case 415:
        return NGX_LLMOPS_ERR_MEDIA_TYPE;

    case 429:
        return NGX_LLMOPS_ERR_RATE_LIMIT;

    case 498:
    case 503:
    case 529:
        return NGX_LLMOPS_ERR_OVERLOADED;
    }

    return (status >= 400 && status < 500) ? NGX_LLMOPS_ERR_INVALID_REQUEST
                                           : NGX_LLMOPS_ERR_UPSTREAM;
}


static ngx_llmops_err_e
ngx_llmops_error_word(const ngx_llmops_error_word_t *w, ngx_str_t *word)
{
    for ( /* void */ ; w->word.len; w++) {

        if (w->word.len == word->len
            && ngx_memcmp(w->word.data, word->data, word->len) == 0)
        {
            return w->kind;
        }
    }

    return NGX_LLMOPS_ERR_NONE;
}


static ngx_uint_t
ngx_llmops_error_too_long(ngx_str_t *message)
{
    const ngx_str_t  *s;

    for (s = ngx_llmops_error_long; s->len; s++) {
        if (ngx_llmops_error_find(message, s)) {
            return 1;
        }
    }

    return 0;
}


/*
 * The status of an answer counts if it is one of an error; else the words of
 * an event, or the number in its code, have to do.
 */

static ngx_llmops_err_e
ngx_llmops_error_classify(ngx_uint_t status, ngx_llmops_error_reader_t *r,
    ngx_llmops_error_t *err)
{
    ngx_uint_t        i;
    ngx_str_t        *words[3];
    ngx_llmops_err_e  kind;

    words[0] = &r->details;
    words[1] = &err->code;
    words[2] = &err->type;

    for (i = 0; i < 3; i++) {
        kind = ngx_llmops_error_word(ngx_llmops_error_words, words[i]);

        if (kind != NGX_LLMOPS_ERR_NONE) {
            return kind;
        }
    }

    if (status < 500 && ngx_llmops_error_too_long(&err->message)) {
        return NGX_LLMOPS_ERR_CONTEXT_LENGTH;
    }

    if (status < 400) {

        kind = ngx_llmops_error_word(ngx_llmops_error_vague, &err->type);

        if (kind != NGX_LLMOPS_ERR_NONE) {
            return kind;
        }

        status = r->number;
    }

    return ngx_llmops_error_kind(status);
}


static void
ngx_llmops_error_default(ngx_llmops_error_t *err)
{
    switch (err->kind) {

    case NGX_LLMOPS_ERR_UPSTREAM_AUTH:
        ngx_str_set(&err->message, "the provider does not accept the key of "
                                   "this gateway");
        break;

    case NGX_LLMOPS_ERR_NOT_FOUND:
        ngx_str_set(&err->message, "the provider does not know this model or "
                                   "path");
        break;

    case NGX_LLMOPS_ERR_TOO_LARGE:
        ngx_str_set(&err->message, "the request is too large for the "
                                   "provider");
        break;

    case NGX_LLMOPS_ERR_RATE_LIMIT:
        ngx_str_set(&err->message, "the provider's rate limit is reached: "
                                   "try again later");
        break;

    case NGX_LLMOPS_ERR_OVERLOADED:
        ngx_str_set(&err->message, "the provider is overloaded: "
                                   "try again later");
        break;

    case NGX_LLMOPS_ERR_TIMEOUT:
        ngx_str_set(&err->message, "the provider did not answer in time");
        break;

    case NGX_LLMOPS_ERR_UPSTREAM:
        ngx_str_set(&err->message, "the provider failed");
        break;

    default:
        ngx_str_set(&err->message, "the provider refused the request");
    }
}


/* the status that a caller may see: not one that is about our own key */

static ngx_uint_t
ngx_llmops_error_shown(ngx_uint_t status, ngx_llmops_err_e kind)
{
    if (status < 400 || kind == NGX_LLMOPS_ERR_UPSTREAM_AUTH
        || kind == NGX_LLMOPS_ERR_OVERLOADED)
    {
        return 0;
    }

    return status;
}


void
ngx_llmops_error_read(ngx_uint_t status, ngx_str_t *body, u_char *scratch,
    size_t size, ngx_llmops_error_t *err)
{
    ngx_llmops_error_reader_t  r;

    ngx_memzero(err, sizeof(ngx_llmops_error_t));
    ngx_memzero(&r, sizeof(ngx_llmops_error_reader_t));

    r.pos = scratch;
    r.last = scratch + size;

    ngx_llmops_error_body_read(&r, body, err);

    err->kind = ngx_llmops_error_classify(status, &r, err);
    err->status = ngx_llmops_error_shown(status, err->kind);

    if (err->message.len == 0) {
        ngx_llmops_error_default(err);
    }
}


static u_char *
ngx_llmops_error_space(u_char *p, u_char *last)
{
    while (p < last && *p <= ' ') {
        p++;
    }

    return p;
}


/* one past key and colon, if the text at p is that; NULL */

static u_char *
ngx_llmops_error_key(u_char *p, u_char *last, const char *key, size_t len)
{
    if ((size_t) (last - p) < len || ngx_memcmp(p, key, len) != 0) {
        return NULL;
    }

    p = ngx_llmops_error_space(p + len, last);

    if (p == last || *p != ':') {
        return NULL;
    }

    return ngx_llmops_error_space(p + 1, last);
}


ngx_uint_t
ngx_llmops_error_body(ngx_str_t *body)
{
    u_char                  *p, *v, *last;
    ngx_llmops_json_iter_t   it;

    static const char  error[] = "\"error\"";
    static const char  type[] = "\"type\"";

    if (ngx_llmops_json_object(&it, body) != NGX_OK) {
        return 0;
    }

    last = it.last;
    p = ngx_llmops_error_space(it.pos, last);

    v = ngx_llmops_error_key(p, last, error, sizeof(error) - 1);

    if (v) {
        return v < last && *v != 'n';       /* null */
    }

    /* as Anthropic's begin */

    v = ngx_llmops_error_key(p, last, type, sizeof(type) - 1);

    return v && (size_t) (last - v) >= sizeof(error) - 1
           && ngx_memcmp(v, error, sizeof(error) - 1) == 0;
}
