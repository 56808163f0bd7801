
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_limit.h"


/*
 * A request's way through its limits.
 *
 * All of them are asked in one question, which either grants all or counts
 * nothing: so a request that one limit refuses does not use up another.  What
 * is granted is held until the request is over, with a lease, and then
 * replaced by what was really used.  The answer may come later, while the
 * request waits in its content handler, where it is held by one count.
 *
 *   NEW -> ASKING -> ANSWERED -> ENTERED -> OVER
 *
 * Shared memory answers at once, without ASKING.  Whatever happens, a request
 * goes to OVER exactly once, in ngx_llmops_limits_settle(): from the end of
 * its call, or from the cleanup that nginx runs for every request.
 *
 * When the store cannot be asked, each limit does what it is told to: it lets
 * pass, it refuses, or it goes on with this machine's share in shared memory.
 * The latter is a second question, to another engine, and settled there.
 */


static ngx_int_t ngx_llmops_limits_create(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_uint_t n);
static void ngx_llmops_limits_estimate(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_limits_t *lim);
static ngx_int_t ngx_llmops_limits_charges(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_limits_t *lim);
static ngx_int_t ngx_llmops_limits_own(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_limits_t *lim);
static void ngx_llmops_limits_reserved(ngx_llmops_reservation_t *res);
static ngx_int_t ngx_llmops_limits_answered(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_limits_t *lim);
static ngx_int_t ngx_llmops_limits_away(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_limits_t *lim);
static ngx_int_t ngx_llmops_limits_local(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx, ngx_llmops_limits_t *lim, ngx_uint_t n);
static void ngx_llmops_limits_dry(ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part);


ngx_int_t
ngx_llmops_limits_enter(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    void (*next)(ngx_http_request_t *r))
{
    ngx_int_t                rc;
    ngx_uint_t               n;
    ngx_llmops_limits_t     *lim;
    ngx_llmops_main_conf_t  *mcf;

    lim = ctx->limits;

    if (lim) {
        return ngx_llmops_limits_answered(r, ctx, lim);
    }

    n = ctx->plan.route->limits ? ctx->plan.route->limits->nelts : 0;

    if (ctx->identity && ctx->identity->nrates) {
        n++;
    }

    if (n == 0) {
        return NGX_OK;
    }

    rc = ngx_llmops_limits_create(r, ctx, n);

    if (rc != NGX_OK) {
        return rc == NGX_DECLINED ? NGX_OK : rc;
    }

    lim = ctx->limits;
    lim->next = next;
    lim->state = NGX_LLMOPS_LIMITS_ASKING;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    rc = ngx_llmops_store_reserve(mcf->store, &lim->store.res);

    if (rc == NGX_AGAIN) {
        return NGX_AGAIN;
    }

    if (rc != NGX_OK) {
        lim->state = NGX_LLMOPS_LIMITS_OVER;
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    return ngx_llmops_limits_answered(r, ctx, lim);
}


/* NGX_DECLINED: of n limits none has a value for this request */

static ngx_int_t
ngx_llmops_limits_create(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_uint_t n)
{
    size_t                size;
    ngx_int_t             rc;
    ngx_llmops_limits_t  *lim;

    size = sizeof(ngx_llmops_limits_t) + n * sizeof(ngx_llmops_limit_t *);

    lim = ngx_palloc(r->pool, size + n * sizeof(ngx_llmops_charge_t));
    if (lim == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    ngx_memzero(lim, size);

    lim->ctx = ctx;
    lim->store.limits = (ngx_llmops_limit_t **) (lim + 1);
    lim->store.res.charges = (ngx_llmops_charge_t *) ((u_char *) lim + size);
    lim->store.res.handler = ngx_llmops_limits_reserved;
    lim->store.res.data = lim;
    lim->store.res.log = r->connection->log;

    ngx_llmops_limits_estimate(r, ctx, lim);

    rc = ngx_llmops_limits_charges(r, ctx, lim);

    if (rc == NGX_OK) {
        rc = ngx_llmops_limits_own(r, ctx, lim);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (lim->store.res.ncharges == 0) {
        return NGX_DECLINED;
    }

    ctx->limits = lim;

    return NGX_OK;
}


/* how many tokens it may be about; looks into the body only if some limit
   counts them */

static void
ngx_llmops_limits_estimate(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_t *lim)
{
    ngx_uint_t               i, units;
    ngx_llmops_limit_ref_t  *ref;

    units = 0;

    if (ctx->plan.route->limits) {
        ref = ctx->plan.route->limits->elts;

        for (i = 0; i < ctx->plan.route->limits->nelts; i++) {
            units |= ref[i].limit->units;
        }
    }

    if (ctx->identity) {
        for (i = 0; i < ctx->identity->nrates; i++) {
            units |= (ngx_uint_t) 1 << ctx->identity->rates[i].unit;
        }
    }

    lim->choices = ngx_llmops_limit_choices(r, ctx);

    switch (ctx->env.op) {

    case NGX_LLMOPS_OP_CHAT:
    case NGX_LLMOPS_OP_MESSAGES:
    case NGX_LLMOPS_OP_COMPLETIONS:
    case NGX_LLMOPS_OP_RESPONSES:
        lim->output = (ctx->env.max_tokens < 0)
                      ? -1 : ngx_llmops_limit_times(ctx->env.max_tokens,
                                                    lim->choices);
        break;

    case NGX_LLMOPS_OP_COUNT_TOKENS:
    case NGX_LLMOPS_OP_MODERATIONS:
        return;                              /* nobody pays for these */

    default:
        break;
    }

    if (units & NGX_LLMOPS_LIMIT_COUNTED) {
        lim->input = ngx_max(ngx_llmops_estimate_request(r, ctx), 0);
    }
}


static ngx_int_t
ngx_llmops_limits_charges(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_t *lim)
{
    ngx_int_t                rc;
    ngx_uint_t               i;
    ngx_llmops_charge_t     *charge;
    ngx_llmops_limit_ref_t  *ref;

    if (ctx->plan.route->limits == NULL) {
        return NGX_OK;
    }

    ref = ctx->plan.route->limits->elts;

    for (i = 0; i < ctx->plan.route->limits->nelts; i++) {

        charge = &lim->store.res.charges[lim->store.res.ncharges];
        ngx_memzero(charge, sizeof(ngx_llmops_charge_t));

        rc = ngx_llmops_limit_charge(r, lim, ref[i].limit, charge);

        if (rc == NGX_DECLINED) {
            continue;
        }

        if (rc == NGX_ABORT) {
            return ngx_llmops_limit_unpriced(r, ctx, ref[i].limit);
        }

        if (rc != NGX_OK) {
            return NGX_HTTP_INTERNAL_SERVER_ERROR;
        }

        lim->store.limits[lim->store.res.ncharges++] = ref[i].limit;
    }

    return NGX_OK;
}


/* those that came with the caller's key */

static ngx_int_t
ngx_llmops_limits_own(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_t *lim)
{
    ngx_int_t                  rc;
    ngx_llmops_charge_t       *charge;
    ngx_llmops_identity_t     *identity;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_limits_conf_t  *lcf;

    identity = ctx->identity;

    if (identity == NULL || identity->nrates == 0) {
        return NGX_OK;
    }

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);
    lcf = mcf->limits;

    charge = &lim->store.res.charges[lim->store.res.ncharges];
    ngx_memzero(charge, sizeof(ngx_llmops_charge_t));

    charge->key = identity->id;
    charge->nrates = identity->nrates;

    ngx_memcpy(charge->rates, identity->rates,
               identity->nrates * sizeof(ngx_llmops_rate_t));

    rc = ngx_llmops_limit_fill(r, lim, &lcf->own, charge);

    if (rc == NGX_ABORT) {
        return ngx_llmops_limit_unpriced(r, ctx, &lcf->own);
    }

    lim->store.limits[lim->store.res.ncharges++] = &lcf->own;

    return NGX_OK;
}


/* from the store, in a later turn of the event loop */

static void
ngx_llmops_limits_reserved(ngx_llmops_reservation_t *res)
{
    ngx_llmops_limits_t *lim = res->data;

    ngx_connection_t    *c;
    ngx_http_request_t  *r;

    r = lim->ctx->request;
    c = r->connection;

    if (lim->state == NGX_LLMOPS_LIMITS_ENTERED) {
        ngx_llmops_limits_extended(lim);

    } else {
        lim->state = NGX_LLMOPS_LIMITS_ANSWERED;
        lim->next(r);
    }

    ngx_http_run_posted_requests(c);
}


static ngx_int_t
ngx_llmops_limits_answered(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_t *lim)
{
    ngx_int_t  rc;

    lim->store.held = lim->store.res.held;
    lim->state = NGX_LLMOPS_LIMITS_ANSWERED;

    if (lim->store.res.denied) {
        rc = ngx_llmops_limit_deny(r, ctx, &lim->store);

    } else if (lim->store.res.failed) {
        rc = ngx_llmops_limits_away(r, ctx, lim);

    } else {
        rc = NGX_OK;
    }

    if (rc != NGX_OK) {

        /* a budget may be used up with one request: nobody comes to be told
           of its thresholds but those that it refuses */

        ngx_llmops_limit_warn(r, ctx, lim);
        ngx_llmops_limits_release(r, lim);
        return rc;
    }

    lim->state = NGX_LLMOPS_LIMITS_ENTERED;
    lim->reserved = ngx_llmops_limits_granted(lim, NGX_LLMOPS_UNIT_TOKENS);

    ngx_llmops_limits_dry(lim, &lim->store);
    ngx_llmops_limits_dry(lim, &lim->local);

    ngx_llmops_limit_warn(r, ctx, lim);

    ngx_llmops_limits_watch(ctx, lim);

    return NGX_OK;
}


/* some limits could not be asked for */

static ngx_int_t
ngx_llmops_limits_away(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_t *lim)
{
    ngx_uint_t           i, local;
    ngx_llmops_limit_t  *limit;

    local = 0;

    for (i = 0; i < lim->store.res.ncharges; i++) {

        if (!lim->store.res.charges[i].failed) {
            continue;
        }

        lim->store.away |= (uint32_t) 1 << i;
        limit = lim->store.limits[i];

        ngx_llmops_limit_count(limit, failed);

        if (limit->fail == NGX_LLMOPS_DOWN_CLOSED
            && !limit->dry_run && !limit->soft)
        {
            return ngx_llmops_limit_unknown(r, ctx, limit);
        }

        local += (limit->fail == NGX_LLMOPS_DOWN_LOCAL);
    }

    return local ? ngx_llmops_limits_local(r, ctx, lim, local) : NGX_OK;
}


/* n limits go on with this machine's share */

static ngx_int_t
ngx_llmops_limits_local(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_llmops_limits_t *lim, ngx_uint_t n)
{
    size_t                    size;
    ngx_uint_t                i;
    ngx_llmops_charge_t      *from, *to;
    ngx_llmops_main_conf_t   *mcf;
    ngx_llmops_limits_part_t *part;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    if (mcf->store->engine == mcf->store->local) {
        return NGX_OK;                       /* the zone is full */
    }

    part = &lim->local;
    size = n * sizeof(ngx_llmops_limit_t *);

    part->limits = ngx_pcalloc(r->pool,
                               size + n * sizeof(ngx_llmops_charge_t));
    if (part->limits == NULL) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    part->res.charges = (ngx_llmops_charge_t *) ((u_char *) part->limits
                                                 + size);
    part->res.log = r->connection->log;

    for (i = 0; i < lim->store.res.ncharges; i++) {
        from = &lim->store.res.charges[i];

        if (!(lim->store.away >> i & 1)
            || lim->store.limits[i]->fail != NGX_LLMOPS_DOWN_LOCAL)
        {
            continue;
        }

        part->limits[part->res.ncharges] = lim->store.limits[i];

        to = &part->res.charges[part->res.ncharges++];

        *to = *from;
        to->local = 1;
        to->failed = 0;
        to->data = NULL;
        to->divisor = mcf->store->gateways ? *mcf->store->gateways : 1;
    }

    if (ngx_llmops_store_reserve(mcf->store, &part->res) != NGX_OK) {
        return NGX_HTTP_INTERNAL_SERVER_ERROR;
    }

    part->held = part->res.held;

    for (i = 0; i < part->res.ncharges; i++) {
        part->away |= (uint32_t) part->res.charges[i].failed << i;
    }

    return part->res.denied ? ngx_llmops_limit_deny(r, ctx, part) : NGX_OK;
}


/* what would have been refused, if it were not for dry_run */

static void
ngx_llmops_limits_dry(ngx_llmops_limits_t *lim,
    ngx_llmops_limits_part_t *part)
{
    ngx_uint_t            i, k;
    ngx_llmops_limit_t   *limit;
    ngx_llmops_charge_t  *charge;

    for (i = 0; i < part->res.ncharges; i++) {
        charge = &part->res.charges[i];
        limit = part->limits[i];

        if (!limit->dry_run || charge->denied == 0) {
            continue;
        }

        for (k = 0; !(charge->denied >> k & 1); k++) { /* void */ }

        ngx_llmops_limit_count(limit, dry_run[charge->rates[k].unit]);

        if (lim->dry == NULL) {
            lim->dry = limit;
        }
    }
}
