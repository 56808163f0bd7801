
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_own.h"
#include "ngx_llmops_cache_note.h"


/*
 * The level in Redis, as a request sees it: what shared memory does not have
 * is asked for there, together with the lease on asking a provider, and a good
 * answer is put there, which ends the lease.
 */


/* of a request: cached->levels[NGX_LLMOPS_CACHE_REDIS], in its pool */

typedef struct {
    ngx_llmops_cache_remote_t  remote;
    ngx_llmops_cache_lease_t   lease;
    ngx_llmops_cache_ask_t    *ask;
    ngx_llmops_cache_answer_t  old;        /* one that may only stand in for an
                                              error; form NONE: none */
} ngx_llmops_far_t;


static ngx_int_t ngx_llmops_far_ask(ngx_llmops_cache_ask_t *ask);
static ngx_llmops_far_t *ngx_llmops_far_create(ngx_http_request_t *r);
static void ngx_llmops_far_cleanup(void *data);
static ngx_uint_t ngx_llmops_far_useful(ngx_llmops_cache_remote_t *remote);
static void ngx_llmops_far_reply(ngx_llmops_cache_remote_t *remote);
static void ngx_llmops_far_cancel(ngx_llmops_cache_ask_t *ask);
static void ngx_llmops_far_put(ngx_llmops_ctx_t *ctx,
    ngx_llmops_cache_answer_t *answer);
static void ngx_llmops_far_done(ngx_llmops_ctx_t *ctx);
static void ngx_llmops_far_purge(ngx_llmops_main_conf_t *mcf,
    ngx_uint_t kind, uint64_t tag, u_char *key);


const ngx_llmops_cache_level_t  ngx_llmops_cache_far = {
    ngx_string("redis"),
    ngx_llmops_far_ask,
    ngx_llmops_far_cancel,
    ngx_llmops_far_put,
    ngx_llmops_far_done,
    ngx_llmops_far_purge
};


static ngx_int_t
ngx_llmops_far_ask(ngx_llmops_cache_ask_t *ask)
{
    ngx_llmops_far_t        *far;
    ngx_http_request_t      *r = ask->request;
    ngx_llmops_cached_t     *cached = ask->ctx->cached;
    ngx_llmops_main_conf_t  *mcf;
    ngx_llmops_cache_own_t  *own = ask->route->own;

    mcf = ngx_http_get_module_main_conf(r, ngx_llmops_module);

    if (mcf->redis == NULL) {
        return NGX_DECLINED;
    }

    far = ngx_llmops_far_create(r);
    if (far == NULL) {
        return NGX_DECLINED;
    }

    far->ask = ask;

    ngx_memcpy(far->remote.key, cached->key, NGX_LLMOPS_CACHE_KEY);

    far->remote.max_size = ask->route->max_size + NGX_LLMOPS_CACHE_PACKED;
    far->remote.wait = own->lease;

    /* nobody is to wait for an answer that does not come here */

    if (own->lease && ask->route->share && !cached->no_store) {
        far->remote.lease = &far->lease;
    }

    far->remote.handler = ngx_llmops_far_reply;
    far->remote.useful = ngx_llmops_far_useful;
    far->remote.data = far;
    far->remote.log = r->connection->log;

    cached->levels[NGX_LLMOPS_CACHE_REDIS] = far;

    return ngx_llmops_cache_remote_ask(mcf->store, &far->remote);
}


static ngx_llmops_far_t *
ngx_llmops_far_create(ngx_http_request_t *r)
{
    ngx_llmops_far_t    *far;
    ngx_pool_cleanup_t  *cln;

    cln = ngx_pool_cleanup_add(r->pool, sizeof(ngx_llmops_far_t));
    if (cln == NULL) {
        return NULL;
    }

    far = cln->data;
    ngx_memzero(far, sizeof(ngx_llmops_far_t));

    cln->handler = ngx_llmops_far_cleanup;

    return far;
}


/* however the request has ended, nothing points here any more */

static void
ngx_llmops_far_cleanup(void *data)
{
    ngx_llmops_far_t *far = data;

    ngx_llmops_cache_remote_forget(&far->remote);
    ngx_llmops_cache_lease_release(&far->lease);
}


/*
 * What may be given: fresh, or for a while longer if it is asked for again
 * behind the caller's back.  What is over is kept for the case that all
 * providers fail, and is a miss: somebody has to ask them, or is asking.
 */

static ngx_uint_t
ngx_llmops_far_useful(ngx_llmops_cache_remote_t *remote)
{
    ngx_uint_t                  over;
    ngx_llmops_far_t           *far = remote->data;
    ngx_llmops_cache_ask_t     *ask = far->ask;
    ngx_llmops_cache_answer_t   answer;

    if (ngx_llmops_cache_unpack(&remote->value, &answer) != NGX_OK) {
        return 0;
    }

    over = ngx_llmops_store_now(remote->store)
           >= answer.expires + (int64_t) ask->route->stale;

    if (over && far->old.form != NGX_LLMOPS_CACHE_FORM_NONE) {
        return 0;                          /* the same as at the last look */
    }

    if (ngx_llmops_cache_far_answer(remote, ask) != NGX_OK) {
        return 0;
    }

    if (over) {
        far->old = ask->answer;
        ask->answer.form = NGX_LLMOPS_CACHE_FORM_NONE;
    }

    return !over;
}


static void
ngx_llmops_far_reply(ngx_llmops_cache_remote_t *remote)
{
    ngx_llmops_far_t        *far = remote->data;
    ngx_llmops_cache_ask_t  *ask = far->ask;

    if (remote->rc != NGX_OK) {
        ask->answer = far->old;

    } else if (remote->waited) {
        ask->status = NGX_LLMOPS_CACHE_SHARED;
    }

    ask->handler(ask);
}


ngx_int_t
ngx_llmops_cache_far_answer(ngx_llmops_cache_remote_t *remote,
    ngx_llmops_cache_ask_t *ask)
{
    ngx_str_t                value;
    ngx_llmops_main_conf_t  *mcf;

    ask->answer.form = NGX_LLMOPS_CACHE_FORM_NONE;

    if (remote->rc != NGX_OK) {
        return NGX_DECLINED;
    }

    value.len = remote->value.len;
    value.data = ngx_pnalloc(ask->request->pool, value.len);

    if (value.data == NULL) {
        return NGX_DECLINED;
    }

    ngx_memcpy(value.data, remote->value.data, value.len);

    mcf = ngx_http_get_module_main_conf(ask->request, ngx_llmops_module);

    if (ngx_llmops_cache_unpack(&value, &ask->answer) != NGX_OK
        || !ngx_llmops_cache_stands(mcf, remote->key, ask->answer.tags,
                                    ask->answer.created))
    {
        ask->answer.form = NGX_LLMOPS_CACHE_FORM_NONE;
        return NGX_DECLINED;
    }

    /* gateways need not agree about the time */

    ask->answer.expires += (int64_t) ngx_llmops_now()
                           - ngx_llmops_store_now(mcf->store);

    return NGX_OK;
}


static void
ngx_llmops_far_cancel(ngx_llmops_cache_ask_t *ask)
{
    ngx_llmops_far_t  *far;

    far = ask->ctx->cached->levels[NGX_LLMOPS_CACHE_REDIS];

    ngx_llmops_cache_remote_forget(&far->remote);
    ngx_llmops_cache_lease_release(&far->lease);
}


static void
ngx_llmops_far_put(ngx_llmops_ctx_t *ctx, ngx_llmops_cache_answer_t *answer)
{
    int64_t                    ttl, now;
    ngx_str_t                  value;
    ngx_llmops_out_t           out;
    ngx_llmops_cached_t       *cached = ctx->cached;
    ngx_llmops_cache_answer_t  packed;
    ngx_llmops_main_conf_t    *mcf;
    ngx_llmops_cache_route_t  *cr = cached->route;

    mcf = ngx_http_get_module_main_conf(ctx->request, ngx_llmops_module);

    if (mcf->redis == NULL) {
        return;
    }

    /* in Redis a time is by its clock */

    now = ngx_llmops_now();

    packed = *answer;
    packed.expires += ngx_llmops_store_now(mcf->store) - now;

    ttl = answer->expires + (int64_t) ngx_max(cr->stale, cr->stale_error)
          - now;

    ttl = ngx_min(ttl, (int64_t) NGX_LLMOPS_CACHE_NOTE_TIME * 1000);

    if (ttl > 0) {
        ngx_llmops_out_init(&out, NGX_LLMOPS_CACHE_VALUE);
        ngx_llmops_cache_pack(&packed, &out);

        if (!out.failed) {
            value.data = out.data;
            value.len = out.len;

            ngx_llmops_cache_remote_put(mcf->store, cached->key, &value,
                                        (ngx_msec_t) ttl);
        }

        ngx_llmops_out_free(&out);
    }

    ngx_llmops_far_done(ctx);
}


static void
ngx_llmops_far_done(ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_far_t  *far;

    far = ctx->cached->levels[NGX_LLMOPS_CACHE_REDIS];

    if (far) {
        ngx_llmops_cache_lease_release(&far->lease);
    }
}


/* a single entry is taken out; notes keep all others from being served */

static void
ngx_llmops_far_purge(ngx_llmops_main_conf_t *mcf, ngx_uint_t kind,
    uint64_t tag, u_char *key)
{
    if (kind == NGX_LLMOPS_CACHE_TAG_KEY && mcf->redis) {
        ngx_llmops_cache_remote_drop(mcf->store, key);
    }
}
