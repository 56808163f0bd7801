
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"
#include "ngx_llmops_error.h"


/*
 * What is said of a verdict: to the caller, in its dialect, and in the log.
 * Whoever has a key may know that it has expired; whoever has none learns
 * nothing.  Of a credential only the id is logged, which is no secret.
 */


typedef struct {
    ngx_llmops_err_e           kind;
    const char                *code;       /* OpenAI's; "": the kind's */
    const char                *text;
    const char                *challenge;  /* www-authenticate, or NULL */
} ngx_llmops_verdict_t;


static ngx_int_t ngx_llmops_auth_challenge(ngx_http_request_t *r,
    const char *challenge);
static void ngx_llmops_auth_log(ngx_llmops_auth_t *a, const char *text);


/* RFC 6750, 3: no error where nothing was sent */

static const char  ngx_llmops_challenge[] = "Bearer realm=\"llm\"";
static const char  ngx_llmops_challenge_invalid[] =
    "Bearer realm=\"llm\", error=\"invalid_token\"";


/* by ngx_llmops_verdict_e */

static const ngx_llmops_verdict_t  ngx_llmops_verdicts[] = {

    { NGX_LLMOPS_ERR_INTERNAL, "", "not decided", NULL },
    { NGX_LLMOPS_ERR_NONE, "", "known", NULL },
    { NGX_LLMOPS_ERR_NONE, "", "anonymous", NULL },

    { NGX_LLMOPS_ERR_AUTH, "",
      "no API key was sent, send it as \"authorization: Bearer KEY\" or "
      "\"x-api-key: KEY\"",
      ngx_llmops_challenge },

    { NGX_LLMOPS_ERR_AUTH, "",
      "two different API keys were sent, send one of them",
      ngx_llmops_challenge_invalid },

    { NGX_LLMOPS_ERR_AUTH, "",
      "the API key is not valid",
      ngx_llmops_challenge_invalid },

    { NGX_LLMOPS_ERR_AUTH, "",
      "the API key has been disabled",
      ngx_llmops_challenge_invalid },

    { NGX_LLMOPS_ERR_AUTH, "",
      "the API key has expired",
      ngx_llmops_challenge_invalid },

    { NGX_LLMOPS_ERR_AUTH, "",
      "the token is not valid",
      ngx_llmops_challenge_invalid },

    { NGX_LLMOPS_ERR_PERMISSION, "network_not_allowed",
      "the API key may not be used from this network address",
      NULL },

    { NGX_LLMOPS_ERR_PERMISSION, "country_not_allowed",
      "the API key may not be used from this country",
      NULL },

    { NGX_LLMOPS_ERR_OVERLOADED, "auth_unavailable",
      "the API key cannot be checked now, retry later",
      NULL },

    { NGX_LLMOPS_ERR_INTERNAL, "",
      "the gateway could not handle the request",
      NULL }
};


ngx_int_t
ngx_llmops_auth_refuse(ngx_llmops_auth_t *a)
{
    const char                  *text;
    ngx_llmops_error_t           err;
    const ngx_llmops_verdict_t  *v;

    v = &ngx_llmops_verdicts[a->verdict];
    text = a->reason ? a->reason : v->text;

    ngx_llmops_auth_log(a, text);

    if (v->challenge
        && ngx_llmops_auth_challenge(a->request, v->challenge) != NGX_OK)
    {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(&err, sizeof(ngx_llmops_error_t));

    err.kind = v->kind;
    err.message.data = (u_char *) text;
    err.message.len = ngx_strlen(text);
    err.code.data = (u_char *) v->code;
    err.code.len = ngx_strlen(v->code);

    return ngx_llmops_deny(a->request, a->ctx, &err,
                           a->verdict == NGX_LLMOPS_AUTH_UNAVAILABLE);
}


static ngx_int_t
ngx_llmops_auth_challenge(ngx_http_request_t *r, const char *challenge)
{
    ngx_str_t         value;
    ngx_table_elt_t  *h;

    value.data = (u_char *) challenge;
    value.len = ngx_strlen(challenge);

    h = ngx_llmops_header_out(r, "WWW-Authenticate", &value);
    if (h == NULL) {
        return NGX_ERROR;
    }

    /* nginx takes it back if something else satisfies */

    r->headers_out.www_authenticate = h;

    return NGX_OK;
}


static void
ngx_llmops_auth_log(ngx_llmops_auth_t *a, const char *text)
{
    ngx_log_t  *log;

    log = a->request->connection->log;

    if (a->named) {
        ngx_log_error(NGX_LOG_INFO, log, 0, "llm_auth: key \"%V\": %s", &a->id,
                      text);

    } else {
        ngx_log_error(NGX_LOG_INFO, log, 0, "llm_auth: %s", text);
    }
}
