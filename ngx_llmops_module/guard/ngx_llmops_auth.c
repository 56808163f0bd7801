
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_auth.h"
#include "ngx_llmops_digest.h"


/*
 * Who calls.  A request with a credential takes the first of these ways that
 * ends:
 *
 *     its digest is in the worker's cache, and nothing has changed since
 *     it is a token: verified with a key set that the worker has
 *     its digest is a line of llm_keys
 *     it was unknown a moment ago, and nothing has changed since
 *     the store has its record
 *
 * Only the last one may wait, and only for one round trip; and a token whose
 * key is not known yet, for a new key set.  All of it comes before the body,
 * so that a stranger cannot make a worker read megabytes.
 *
 * Two things are told apart on purpose: who somebody is, which is cached, and
 * whether he may call now (expiry, network, country), which is not.
 *
 * With "satisfy any" somebody else may let the request in, so that nothing is
 * refused before the ACCESS phase.
 */


static ngx_llmops_auth_t *ngx_llmops_auth_create(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_uint_t optional);
static ngx_uint_t ngx_llmops_auth_accepted(ngx_llmops_auth_t *a);
static void ngx_llmops_auth_again(ngx_llmops_auth_t *a);
static ngx_int_t ngx_llmops_auth_decide(ngx_llmops_auth_t *a,
    ngx_llmops_main_conf_t *mcf);
static ngx_llmops_auth_entry_t *ngx_llmops_auth_remember(
    ngx_llmops_auth_t *a, ngx_llmops_main_conf_t *mcf);
static ngx_uint_t ngx_llmops_auth_unknown(ngx_llmops_auth_t *a,
    ngx_llmops_main_conf_t *mcf);
static ngx_int_t ngx_llmops_auth_token(ngx_llmops_auth_t *a,
    ngx_llmops_auth_conf_t *acf);
static ngx_int_t ngx_llmops_auth_file(ngx_llmops_auth_t *a,
    ngx_llmops_auth_conf_t *acf);
static ngx_llmops_verdict_e ngx_llmops_auth_verdict(ngx_llmops_auth_t *a,
    ngx_llmops_identity_t *identity, time_t until);
static void ngx_llmops_auth_name(ngx_llmops_auth_t *a, ngx_str_t *id);


ngx_int_t
ngx_llmops_auth_identify(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_uint_t                 mode;
    ngx_llmops_auth_t         *a;
    ngx_http_core_loc_conf_t  *clcf;

    a = ctx->auth;

    if (a == NULL) {
        mode = ngx_llmops_auth_mode(r);

        if (mode == NGX_LLMOPS_AUTH_OFF) {
            return NGX_OK;
        }

        a = ngx_llmops_auth_create(r, ctx, mode == NGX_LLMOPS_AUTH_OPTIONAL);
        if (a == NULL) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }
    }

    if (a->verdict == NGX_LLMOPS_AUTH_PENDING
        && ngx_llmops_auth_decide(a, ngx_http_get_module_main_conf(r,
                                                          ngx_llmops_module))
           == NGX_AGAIN)
    {
        return ngx_llmops_auth_suspend(a);
    }

    if (ngx_llmops_auth_accepted(a)) {
        return NGX_OK;
    }

    clcf = ngx_http_get_module_loc_conf(r, ngx_http_core_module);

    return (clcf->satisfy == NGX_HTTP_SATISFY_ANY)
           ? NGX_OK : ngx_llmops_auth_refuse(a);
}


static ngx_llmops_auth_t *
ngx_llmops_auth_create(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t optional)
{
    ngx_llmops_auth_t  *a;

    a = ngx_pcalloc(r->pool, sizeof(ngx_llmops_auth_t));
    if (a == NULL) {
        return NULL;
    }

    a->request = r;
    a->ctx = ctx;
    a->id.data = a->id_buf;

    ctx->auth = a;

    switch (ngx_llmops_auth_credential(a)) {

    case NGX_OK:
        if (ngx_llmops_sha256(a->credential.data, a->credential.len,
                                  a->digest)
            != NGX_OK)
        {
            a->verdict = NGX_LLMOPS_AUTH_FAILED;
        }

        break;

    case NGX_ABORT:
        a->verdict = NGX_LLMOPS_AUTH_TWO;
        break;

    default:
        a->verdict = optional ? NGX_LLMOPS_AUTH_ANONYMOUS
                              : NGX_LLMOPS_AUTH_MISSING;
    }

    return a;
}


static ngx_uint_t
ngx_llmops_auth_accepted(ngx_llmops_auth_t *a)
{
    return a->verdict == NGX_LLMOPS_AUTH_KNOWN
           || a->verdict == NGX_LLMOPS_AUTH_ANONYMOUS;
}


ngx_int_t
ngx_llmops_auth_access(ngx_http_request_t *r)
{
    ngx_llmops_ctx_t   *ctx;
    ngx_llmops_auth_t  *a;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ctx == NULL || ctx->auth == NULL) {
        return NGX_DECLINED;
    }

    a = ctx->auth;

    ngx_llmops_auth_again(a);

    if (a->verdict == NGX_LLMOPS_AUTH_KNOWN) {
        return NGX_OK;
    }

    if (a->verdict == NGX_LLMOPS_AUTH_ANONYMOUS) {
        return NGX_DECLINED;
    }

    /* nginx asks the others only after these two; the status is the
       refusal's */

    return (ngx_llmops_auth_refuse(a) == NGX_HTTP_UNAUTHORIZED)
           ? NGX_HTTP_UNAUTHORIZED : NGX_HTTP_FORBIDDEN;
}


/*
 * Where a location has set_real_ip_from, nginx puts the caller's address in the
 * proxy's place after we have been asked who calls: what was allowed to the
 * proxy may not be to him.
 */

static void
ngx_llmops_auth_again(ngx_llmops_auth_t *a)
{
    ngx_llmops_identity_t  *identity;

    identity = a->ctx->identity;

    if (a->verdict != NGX_LLMOPS_AUTH_KNOWN
        || (identity->networks == NULL && identity->countries == NULL))
    {
        return;
    }

    a->verdict = ngx_llmops_auth_verdict(a, identity, 0);

    if (a->verdict != NGX_LLMOPS_AUTH_KNOWN) {
        a->ctx->identity = NULL;
        ngx_llmops_identity_release(identity);
    }
}


void
ngx_llmops_auth_passed(ngx_llmops_ctx_t *ctx)
{
    if (ctx->auth && ctx->refusal) {

        /* ours, and somebody else has let the request in */

        ctx->refusal = NULL;
        ctx->error = NGX_LLMOPS_ERR_NONE;
    }
}


/* NGX_OK when there is a verdict, NGX_AGAIN */

static ngx_int_t
ngx_llmops_auth_decide(ngx_llmops_auth_t *a, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_auth_conf_t   *acf;
    ngx_llmops_auth_entry_t  *entry;

    acf = mcf->keys;

    if (a->asking || a->waiting) {
        return NGX_AGAIN;
    }

    if (a->answered) {
        ngx_llmops_auth_answer(a, acf);
        return NGX_OK;
    }

    entry = ngx_llmops_auth_remember(a, mcf);

    if (entry) {
        ngx_llmops_auth_judge(a, entry->identity, entry->until);
        return NGX_OK;
    }

    if (acf->jwts.nelts && ngx_llmops_jwt_form(&a->credential)) {
        return ngx_llmops_auth_token(a, acf);
    }

    if (ngx_llmops_auth_file(a, acf) == NGX_OK) {
        return NGX_OK;
    }

    if (ngx_llmops_auth_unknown(a, mcf)) {
        a->verdict = NGX_LLMOPS_AUTH_UNKNOWN;
        return NGX_OK;
    }

    return ngx_llmops_auth_ask(a, mcf);
}


/* the entry of a credential that was good, if nothing has changed since */

static ngx_llmops_auth_entry_t *
ngx_llmops_auth_remember(ngx_llmops_auth_t *a, ngx_llmops_main_conf_t *mcf)
{
    uint64_t                  revision;
    ngx_llmops_auth_conf_t   *acf;
    ngx_llmops_auth_entry_t  *entry;

    acf = mcf->keys;

    entry = ngx_llmops_auth_cache_find(acf->known, a->digest);

    if (entry == NULL || entry->fixed) {
        return entry;
    }

    if (entry->jwt) {

        /* a token that has expired is read again, for the reason */

        return (entry->revision == ngx_llmops_jwt_revision(entry->jwt)
                && entry->until > ngx_time())
               ? entry : NULL;
    }

    revision = ngx_llmops_store_revision(mcf->store, NGX_LLMOPS_DOCS_KEYS);

    /* where there is a record there is a revision: 0 is that of a store that
       has not told it yet, or has lost everything */

    if (entry->revision != revision || revision == 0) {
        return NULL;
    }

    entry->checked = ngx_time();

    return entry;
}


static ngx_uint_t
ngx_llmops_auth_unknown(ngx_llmops_auth_t *a, ngx_llmops_main_conf_t *mcf)
{
    ngx_llmops_auth_conf_t   *acf;
    ngx_llmops_auth_entry_t  *entry;

    if (mcf->store == NULL) {
        return 1;
    }

    acf = mcf->keys;

    entry = ngx_llmops_auth_cache_find(acf->unknown, a->digest);

    return entry
           && entry->revision == ngx_llmops_store_revision(mcf->store,
                                                       NGX_LLMOPS_DOCS_KEYS);
}


/* -- tokens and files ------------------------------------------------------ */

static ngx_int_t
ngx_llmops_auth_token(ngx_llmops_auth_t *a, ngx_llmops_auth_conf_t *acf)
{
    ngx_llmops_auth_entry_t  found;

    ngx_memzero(&found, sizeof(ngx_llmops_auth_entry_t));

    switch (ngx_llmops_jwt_identify(acf, a, &found)) {

    case NGX_OK:
        ngx_llmops_auth_learn(a, acf, &found);
        break;

    case NGX_AGAIN:
        return NGX_AGAIN;

    case NGX_BUSY:
        a->verdict = NGX_LLMOPS_AUTH_UNAVAILABLE;
        break;

    case NGX_DECLINED:
        a->verdict = NGX_LLMOPS_AUTH_TOKEN;
        break;

    default:
        a->verdict = NGX_LLMOPS_AUTH_FAILED;
    }

    return NGX_OK;
}


/* NGX_DECLINED: it is not there */

static ngx_int_t
ngx_llmops_auth_file(ngx_llmops_auth_t *a, ngx_llmops_auth_conf_t *acf)
{
    ngx_int_t                rc;
    ngx_llmops_auth_entry_t  found;

    ngx_memzero(&found, sizeof(ngx_llmops_auth_entry_t));

    rc = ngx_llmops_key_table_find(acf->table, a->digest, &found.identity,
                                   ngx_cycle->log);

    if (rc == NGX_OK) {
        found.fixed = 1;
        ngx_llmops_auth_learn(a, acf, &found);

    } else if (rc == NGX_ERROR) {
        a->verdict = NGX_LLMOPS_AUTH_FAILED;
        rc = NGX_OK;
    }

    return rc;
}


/* -- results --------------------------------------------------------------- */

void
ngx_llmops_auth_learn(ngx_llmops_auth_t *a, ngx_llmops_auth_conf_t *acf,
    ngx_llmops_auth_entry_t *found)
{
    ngx_llmops_auth_entry_t  *entry;

    entry = ngx_llmops_auth_cache_add(acf->known, a->digest);

    if (entry) {
        entry->identity = ngx_llmops_identity_hold(found->identity);
        entry->jwt = found->jwt;
        entry->revision = found->revision;
        entry->until = found->until;
        entry->checked = found->checked;
        entry->fixed = found->fixed;
    }

    ngx_llmops_auth_judge(a, found->identity, found->until);

    ngx_llmops_identity_release(found->identity);
}


void
ngx_llmops_auth_judge(ngx_llmops_auth_t *a, ngx_llmops_identity_t *identity,
    time_t until)
{
    a->verdict = ngx_llmops_auth_verdict(a, identity, until);

    ngx_llmops_auth_name(a, &identity->id);

    /* who is refused is nobody, also where somebody else lets him in */

    if (a->verdict == NGX_LLMOPS_AUTH_KNOWN) {
        a->ctx->identity = ngx_llmops_identity_hold(identity);
    }
}


static ngx_llmops_verdict_e
ngx_llmops_auth_verdict(ngx_llmops_auth_t *a, ngx_llmops_identity_t *identity,
    time_t until)
{
    ngx_llmops_auth_data_t  *data;

    data = identity->data;

    if (data->disabled) {
        return NGX_LLMOPS_AUTH_DISABLED;
    }

    if ((until && until <= ngx_time())
        || (identity->expires && identity->expires <= ngx_time()))
    {
        return NGX_LLMOPS_AUTH_EXPIRED;
    }

    if (identity->networks
        && ngx_cidr_match(a->request->connection->sockaddr,
                          identity->networks)
           != NGX_OK)
    {
        return NGX_LLMOPS_AUTH_NETWORK;
    }

    if (!ngx_llmops_geo_allowed(a->request, identity->countries)) {
        return NGX_LLMOPS_AUTH_COUNTRY;
    }

    return NGX_LLMOPS_AUTH_KNOWN;
}


static void
ngx_llmops_auth_name(ngx_llmops_auth_t *a, ngx_str_t *id)
{
    a->id.len = ngx_min(id->len, NGX_LLMOPS_KEY_ID_MAX);
    ngx_memcpy(a->id.data, id->data, a->id.len);
    a->named = 1;
}
