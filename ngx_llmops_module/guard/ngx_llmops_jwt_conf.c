
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_jwt_set.h"
#include "ngx_llmops_arg.h"


/*
 * llm_jwt NAME jwks=file:PATH|https://... issuer= audience= algorithms=
 *     client=CLAIM tenant=CLAIM plan=CLAIM leeway= refresh= ssl_ca=
 *     secret=env:NAME|file:PATH;
 */


#define NGX_LLMOPS_JWT_LEEWAY       30     /* s */
#define NGX_LLMOPS_JWT_LEEWAY_MAX   600
#define NGX_LLMOPS_JWT_REFRESH      (5 * 60 * 1000)
#define NGX_LLMOPS_JWT_LOOK         (5 * 1000)     /* at a file */
#define NGX_LLMOPS_JWT_REFRESH_MIN  1000


typedef struct {
    ngx_str_t                  word;
    char                    *(*set)(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
                                   ngx_str_t *value);
} ngx_llmops_jwt_word_t;


static ngx_llmops_jwt_t *ngx_llmops_jwt_add(ngx_conf_t *cf,
    ngx_llmops_auth_conf_t *acf, ngx_str_t *name);
static char *ngx_llmops_jwt_param(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *param);
static char *ngx_llmops_jwt_end(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt);
static char *ngx_llmops_jwt_end_jwks(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt);
static char *ngx_llmops_jwt_set_jwks(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value);
static char *ngx_llmops_jwt_set_secret(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value);
static char *ngx_llmops_jwt_set_issuer(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value);
static char *ngx_llmops_jwt_set_audience(ngx_conf_t *cf,
    ngx_llmops_jwt_t *jwt, ngx_str_t *value);
static char *ngx_llmops_jwt_set_algorithms(ngx_conf_t *cf,
    ngx_llmops_jwt_t *jwt, ngx_str_t *value);
static ngx_uint_t ngx_llmops_jwt_alg_bit(ngx_str_t *word);
static char *ngx_llmops_jwt_set_client(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value);
static char *ngx_llmops_jwt_set_tenant(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value);
static char *ngx_llmops_jwt_set_plan(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value);
static char *ngx_llmops_jwt_set_leeway(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value);
static char *ngx_llmops_jwt_set_refresh(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value);
static char *ngx_llmops_jwt_set_ca(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value);
static void ngx_llmops_jwt_free_set(void *data);


static ngx_llmops_jwt_word_t  ngx_llmops_jwt_words[] = {
    { ngx_string("jwks="), ngx_llmops_jwt_set_jwks },
    { ngx_string("secret="), ngx_llmops_jwt_set_secret },
    { ngx_string("issuer="), ngx_llmops_jwt_set_issuer },
    { ngx_string("audience="), ngx_llmops_jwt_set_audience },
    { ngx_string("algorithms="), ngx_llmops_jwt_set_algorithms },
    { ngx_string("client="), ngx_llmops_jwt_set_client },
    { ngx_string("tenant="), ngx_llmops_jwt_set_tenant },
    { ngx_string("plan="), ngx_llmops_jwt_set_plan },
    { ngx_string("leeway="), ngx_llmops_jwt_set_leeway },
    { ngx_string("refresh="), ngx_llmops_jwt_set_refresh },
    { ngx_string("ssl_ca="), ngx_llmops_jwt_set_ca },
    { ngx_null_string, NULL }
};


char *
ngx_llmops_jwt_directive(ngx_conf_t *cf, ngx_command_t *cmd, void *conf)
{
    char                    *rv;
    ngx_str_t               *value;
    ngx_uint_t               i;
    ngx_llmops_jwt_t        *jwt;
    ngx_llmops_auth_conf_t  *acf;

    acf = ngx_llmops_auth_conf(cf, conf);
    if (acf == NULL) {
        return NGX_CONF_ERROR;
    }

    value = cf->args->elts;

    jwt = ngx_llmops_jwt_add(cf, acf, &value[1]);
    if (jwt == NULL) {
        return NGX_CONF_ERROR;
    }

    for (i = 2; i < cf->args->nelts; i++) {
        rv = ngx_llmops_jwt_param(cf, jwt, &value[i]);

        if (rv != NGX_CONF_OK) {
            return rv;
        }
    }

    return ngx_llmops_jwt_end(cf, jwt);
}


static ngx_llmops_jwt_t *
ngx_llmops_jwt_add(ngx_conf_t *cf, ngx_llmops_auth_conf_t *acf,
    ngx_str_t *name)
{
    ngx_uint_t            i;
    ngx_llmops_jwt_t     *jwt, **slot;
    ngx_pool_cleanup_t   *cln;

    slot = acf->jwts.elts;

    for (i = 0; i < acf->jwts.nelts; i++) {
        if (slot[i]->name.len == name->len
            && ngx_strcmp(slot[i]->name.data, name->data) == 0)
        {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                               "duplicate \"llm_jwt %V\", give it another "
                               "name", name);
            return NULL;
        }
    }

    jwt = ngx_pcalloc(cf->pool, sizeof(ngx_llmops_jwt_t));
    cln = ngx_pool_cleanup_add(cf->pool, 0);
    slot = ngx_array_push(&acf->jwts);

    if (jwt == NULL || cln == NULL || slot == NULL
        || ngx_array_init(&jwt->audiences, cf->pool, 1, sizeof(ngx_str_t))
           != NGX_OK)
    {
        return NULL;
    }

    *slot = jwt;

    cln->handler = ngx_llmops_jwt_free_set;
    cln->data = jwt;

    jwt->name = *name;
    jwt->place.file = cf->conf_file->file.name;
    jwt->place.line = cf->conf_file->line;
    jwt->rules.leeway = NGX_CONF_UNSET;
    jwt->refresh = NGX_CONF_UNSET_MSEC;

    ngx_queue_init(&jwt->waiting);

    jwt->id.len = sizeof("jwt:") - 1 + name->len;
    jwt->id.data = ngx_pnalloc(cf->pool, jwt->id.len);
    if (jwt->id.data == NULL) {
        return NULL;
    }

    ngx_memcpy(ngx_cpymem(jwt->id.data, "jwt:", 4), name->data, name->len);

    return jwt;
}


static char *
ngx_llmops_jwt_param(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt, ngx_str_t *param)
{
    char                   *rv;
    ngx_str_t               value;
    ngx_llmops_jwt_word_t  *w;

    for (w = ngx_llmops_jwt_words; w->set; w++) {

        if (ngx_strncmp(param->data, w->word.data, w->word.len) != 0) {
            continue;
        }

        value.data = param->data + w->word.len;
        value.len = param->len - w->word.len;

        rv = value.len ? w->set(cf, jwt, &value) : "is empty";

        if (rv == NGX_CONF_OK || rv == NGX_CONF_ERROR) {
            return rv;
        }

        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0, "\"%V\" of \"llm_jwt\" %s",
                           &w->word, rv);
        return NGX_CONF_ERROR;
    }

    ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                       "invalid parameter \"%V\", \"llm_jwt\" has \"jwks=\", "
                       "\"secret=\", \"issuer=\", \"audience=\", "
                       "\"algorithms=\", \"client=\", \"tenant=\", \"plan=\", "
                       "\"leeway=\", \"refresh=\" and \"ssl_ca=\"", param);
    return NGX_CONF_ERROR;
}


static char *
ngx_llmops_jwt_end(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt)
{
    ngx_uint_t  secret, usable;

    secret = (jwt->secret.value.len != 0);

    if ((jwt->source.len != 0) == secret) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"llm_jwt\" needs either \"jwks=\", for tokens "
                           "that are signed, or \"secret=\", for HS256");
        return NGX_CONF_ERROR;
    }

    usable = secret ? (ngx_uint_t) 1 << NGX_LLMOPS_JWT_HS256
                    : NGX_LLMOPS_JWT_ASYMMETRIC;

    if (jwt->algs & ~usable) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "%s", secret
                           ? "\"secret=\" is for HS256 alone, write "
                             "\"jwks=\" for the other algorithms"
                           : "HS256 needs a secret, which a key set does not "
                             "have, write \"secret=env:NAME\"");
        return NGX_CONF_ERROR;
    }

    if (jwt->algs == 0) {
        jwt->algs = usable;
    }

    if (jwt->client.len == 0) {
        ngx_str_set(&jwt->client, "sub");
    }

    if (jwt->rules.leeway == NGX_CONF_UNSET) {
        jwt->rules.leeway = NGX_LLMOPS_JWT_LEEWAY;
    }

    jwt->rules.audiences = jwt->audiences.elts;
    jwt->rules.naudiences = jwt->audiences.nelts;

    return secret ? NGX_CONF_OK : ngx_llmops_jwt_end_jwks(cf, jwt);
}


static char *
ngx_llmops_jwt_end_jwks(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt)
{
    ngx_err_t    err;
    const char  *problem;

    if (ngx_strncmp(jwt->source.data, "file:", 5) == 0) {

        jwt->file.data = jwt->source.data + 5;
        jwt->file.len = jwt->source.len - 5;

        ngx_conf_init_msec_value(jwt->refresh, NGX_LLMOPS_JWT_LOOK);

        if (jwt->file.len == 0
            || ngx_conf_full_name(cf->cycle, &jwt->file, 1) != NGX_OK)
        {
            return "has no path in \"jwks=file:\"";
        }

        problem = ngx_llmops_jwt_file(jwt, cf->log, &err);

        if (problem) {
            ngx_conf_log_error(NGX_LOG_EMERG, cf, err, "\"%V\" %s",
                               &jwt->file, problem);
            return NGX_CONF_ERROR;
        }

        return NGX_CONF_OK;
    }

    ngx_conf_init_msec_value(jwt->refresh, NGX_LLMOPS_JWT_REFRESH);

    if (ngx_llmops_fetch_url(cf, &jwt->source, &jwt->ca, &jwt->url, &problem)
        != NGX_OK)
    {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "invalid \"jwks=\", %s, or \"jwks=file:PATH\"",
                           problem);
        return NGX_CONF_ERROR;
    }

    if (jwt->url.tls == NULL) {
        ngx_conf_log_error(NGX_LOG_WARN, cf, 0,
                           "the key set of \"llm_jwt %V\" comes without TLS: "
                           "whoever sits in between can make tokens",
                           &jwt->name);
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_jwt_set_jwks(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value)
{
    if (jwt->source.len) {
        return "is duplicate";
    }

    jwt->source = *value;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_jwt_set_secret(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value)
{
    if (jwt->secret.value.len) {
        return "is duplicate";
    }

    if (ngx_strncmp(value->data, "env:", 4) != 0
        && ngx_strncmp(value->data, "file:", 5) != 0)
    {
        return "has no place in the configuration, write \"secret=env:NAME\" "
               "or \"secret=file:PATH\"";
    }

    if (ngx_llmops_secret_read(cf, value, "secret", &jwt->secret) != NGX_OK) {
        return NGX_CONF_ERROR;
    }

    if (jwt->secret.value.len < NGX_LLMOPS_JWT_SECRET) {
        return "must have at least 32 bytes, make one with \"openssl rand -hex "
               "32\"";
    }

    return NGX_CONF_OK;
}


static char *
ngx_llmops_jwt_set_issuer(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value)
{
    if (jwt->rules.issuer.len) {
        return "is duplicate";
    }

    jwt->rules.issuer = *value;

    return NGX_CONF_OK;
}


/* may come several times */

static char *
ngx_llmops_jwt_set_audience(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value)
{
    ngx_str_t  *audience;

    audience = ngx_array_push(&jwt->audiences);
    if (audience == NULL) {
        return NGX_CONF_ERROR;
    }

    *audience = *value;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_jwt_set_algorithms(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value)
{
    ngx_str_t   list, word;
    ngx_uint_t  bit;

    if (jwt->algs) {
        return "is duplicate";
    }

    list = *value;

    while (ngx_llmops_arg_next(&list, &word)) {

        bit = ngx_llmops_jwt_alg_bit(&word);

        if (bit == 0) {
            return "knows RS256, RS384, RS512, PS256, ES256, EdDSA and HS256, "
                   "write for example \"algorithms=RS256,ES256\"";
        }

        jwt->algs |= bit;
    }

    return NGX_CONF_OK;
}


static ngx_uint_t
ngx_llmops_jwt_alg_bit(ngx_str_t *word)
{
    ngx_uint_t  i;

    for (i = 0; i < NGX_LLMOPS_JWT_ALGS; i++) {
        if (ngx_llmops_jwt_algs[i].len == word->len
            && ngx_memcmp(ngx_llmops_jwt_algs[i].data, word->data, word->len)
               == 0)
        {
            return (ngx_uint_t) 1 << i;
        }
    }

    return 0;
}


static char *
ngx_llmops_jwt_set_client(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value)
{
    if (jwt->client.len) {
        return "is duplicate";
    }

    jwt->client = *value;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_jwt_set_tenant(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value)
{
    if (jwt->tenant.len) {
        return "is duplicate";
    }

    jwt->tenant = *value;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_jwt_set_plan(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value)
{
    if (jwt->plan.len) {
        return "is duplicate";
    }

    jwt->plan = *value;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_jwt_set_leeway(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value)
{
    ngx_int_t  seconds;

    if (jwt->rules.leeway != NGX_CONF_UNSET) {
        return "is duplicate";
    }

    seconds = ngx_parse_time(value, 1);

    if (seconds == NGX_ERROR || seconds > NGX_LLMOPS_JWT_LEEWAY_MAX) {
        return "must be a time from 0 to 10m, for example \"leeway=30s\"";
    }

    jwt->rules.leeway = seconds;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_jwt_set_refresh(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt,
    ngx_str_t *value)
{
    ngx_int_t  ms;

    if (jwt->refresh != NGX_CONF_UNSET_MSEC) {
        return "is duplicate";
    }

    ms = ngx_parse_time(value, 0);

    if (ms == NGX_ERROR || ms < NGX_LLMOPS_JWT_REFRESH_MIN) {
        return "must be a time from 1s on, for example \"refresh=5m\"";
    }

    jwt->refresh = ms;

    return NGX_CONF_OK;
}


static char *
ngx_llmops_jwt_set_ca(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt, ngx_str_t *value)
{
    if (jwt->ca.len) {
        return "is duplicate";
    }

    jwt->ca = *value;

    return ngx_conf_full_name(cf->cycle, &jwt->ca, 1) == NGX_OK
           ? NGX_CONF_OK : NGX_CONF_ERROR;
}


/* the set of a file, read with the configuration; a worker's last one goes
   with it */

static void
ngx_llmops_jwt_free_set(void *data)
{
    ngx_llmops_jwt_t *jwt = data;

    ngx_llmops_jwks_free(jwt->set);
    jwt->set = NULL;
}


ngx_int_t
ngx_llmops_jwt_init(ngx_conf_t *cf, ngx_llmops_jwt_t *jwt)
{
    ngx_http_core_loc_conf_t  *clcf;

    if (jwt->url.host.len == 0
        || ngx_llmops_net_family(&jwt->url.host) != AF_UNSPEC)
    {
        return NGX_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    if (clcf->resolver == NULL || clcf->resolver->connections.nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no resolver to resolve \"%V\" of \"llm_jwt %V\" in "
                      "%V:%ui, write \"resolver ADDRESS;\" in http{}",
                      &jwt->url.host, &jwt->name, &jwt->place.file,
                      jwt->place.line);
        return NGX_ERROR;
    }

    jwt->resolver = clcf->resolver;

    return NGX_OK;
}
