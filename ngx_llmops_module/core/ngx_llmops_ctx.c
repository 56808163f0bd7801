
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_call.h"
#include "ngx_llmops_metrics.h"

#include <openssl/rand.h>


typedef signed char  ngx_llmops_id_t __attribute__ ((vector_size(16)));


static ngx_inline ngx_llmops_id_t ngx_llmops_id_hex(ngx_llmops_id_t v);
static uint64_t ngx_llmops_id_next(void);


ngx_llmops_ctx_t *
ngx_llmops_ctx_create(ngx_http_request_t *r)
{
    ngx_llmops_ctx_t    *ctx;
    ngx_http_cleanup_t  *cln;
    ngx_pool_cleanup_t  *pcln;

    ctx = ngx_palloc(r->pool, sizeof(ngx_llmops_ctx_t));
    cln = ngx_http_cleanup_add(r, 0);
    pcln = ngx_pool_cleanup_add(r->pool, 0);

    if (ctx == NULL || cln == NULL || pcln == NULL) {
        return NULL;
    }

    /* the buffers at its end need no zeroes, and are half of it */

    ngx_memzero(ctx, offsetof(ngx_llmops_ctx_t, env)
                     + offsetof(ngx_llmops_envelope_t, model_buf));

    if (ngx_llmops_id(r->pool, &ctx->id) != NGX_OK) {
        return NULL;
    }

    cln->handler = ngx_llmops_cleanup;
    cln->data = ctx;

    pcln->handler = ngx_llmops_pool_cleanup;
    pcln->data = ctx;

    ctx->request = r;
    ctx->start = ngx_current_msec;
    ctx->first_token = (ngx_msec_t) -1;
    ctx->total = (ngx_msec_t) -1;
    ctx->cost = -1;
    ctx->limits_at = (size_t) -1;

    ngx_http_set_ctx(r, ctx, ngx_llmops_module);

    ngx_llmops_ctx_entered(r, ctx);

    return ctx;
}


ngx_msec_t
ngx_llmops_ctx_total(ngx_llmops_ctx_t *ctx)
{
    return (ctx->total != (ngx_msec_t) -1) ? ctx->total
                                           : ngx_current_msec - ctx->start;
}


/*
 * An internal redirect (error_page, try_files) forgets the contexts of all
 * modules, but the log line still wants our variables: the context is then
 * found through the pool's cleanup handler, which runs after that line.
 */

ngx_llmops_ctx_t *
ngx_llmops_ctx(ngx_http_request_t *r)
{
    ngx_llmops_ctx_t    *ctx;
    ngx_pool_cleanup_t  *cln;

    r = r->main;

    ctx = ngx_http_get_module_ctx(r, ngx_llmops_module);

    if (ctx || !(r->internal || r->filter_finalize)) {
        return ctx;
    }

    for (cln = r->pool->cleanup; cln; cln = cln->next) {
        if (cln->handler == ngx_llmops_pool_cleanup) {
            return cln->data;
        }
    }

    return NULL;
}


void
ngx_llmops_ctx_entered(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    ngx_llmops_metrics_enter(ngx_http_get_module_main_conf(r,
                                                         ngx_llmops_module));
}


void
ngx_llmops_ctx_left(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx)
{
    if (ctx->detached) {
        return;                                 /* it has left at its start */
    }

    ngx_llmops_metrics_leave(ngx_http_get_module_main_conf(r,
                                                         ngx_llmops_module));
}


ngx_int_t
ngx_llmops_set_warnings(ngx_http_request_t *r, ngx_llmops_ctx_t *ctx,
    ngx_str_t *warnings)
{
    ctx->warnings.len = warnings->len;

    if (warnings->len == 0) {
        return NGX_OK;
    }

    ctx->warnings.data = ngx_pstrdup(r->pool, warnings);

    return ctx->warnings.data ? NGX_OK : NGX_ERROR;
}


ngx_table_elt_t *
ngx_llmops_header_in(ngx_http_request_t *r, const char *name, size_t len)
{
    ngx_table_elt_t    *h;
    ngx_llmops_walk_t   w;

    for (h = ngx_llmops_header_first(&w, &r->headers_in.headers);
         h;
         h = ngx_llmops_header_next(&w))
    {
        if (h->key.len == len && ngx_memcmp(h->lowcase_key, name, len) == 0) {
            break;
        }
    }

    return h;
}


ngx_table_elt_t *
ngx_llmops_header_out(ngx_http_request_t *r, const char *name,
    ngx_str_t *value)
{
    ngx_table_elt_t  *h;

    h = ngx_list_push(&r->headers_out.headers);
    if (h == NULL) {
        return NULL;
    }

    h->hash = 1;
#if (nginx_version >= 1023000)
    h->next = NULL;
#endif
    h->key.data = (u_char *) name;
    h->key.len = ngx_strlen(name);
    h->value = *value;

    return h;
}


ngx_int_t
ngx_llmops_id(ngx_pool_t *pool, ngx_str_t *id)
{
    uint64_t         n[2];
    ngx_llmops_id_t  v, digits;

    id->data = ngx_pnalloc(pool, 2 * sizeof(n));
    if (id->data == NULL) {
        return NGX_ERROR;
    }

    n[0] = ngx_llmops_id_next();
    n[1] = ngx_llmops_id_next();

    ngx_memcpy(&v, n, sizeof(v));

    digits = ngx_llmops_id_hex(v & 15);
    ngx_memcpy(id->data, &digits, sizeof(v));

    digits = ngx_llmops_id_hex(v >> 4 & 15);
    ngx_memcpy(id->data + sizeof(v), &digits, sizeof(v));

    id->len = 2 * sizeof(n);

    return NGX_OK;
}


/* sixteen digits at once, in whatever order the processor has: what is above 9
   is moved on to the letters */

static ngx_inline ngx_llmops_id_t
ngx_llmops_id_hex(ngx_llmops_id_t v)
{
    return v + '0' + ((v > 9) & ('a' - '9' - 1));
}


/*
 * A worker's own sequence (the finalizer of splitmix64 over a counter from a
 * random start): ids must not collide, they need not be secret.
 */

static uint64_t
ngx_llmops_id_next(void)
{
    uint64_t  z;

    static uint64_t    state;
    static ngx_pid_t   pid;

    if (pid != ngx_pid) {
        pid = ngx_pid;

        if (RAND_bytes((u_char *) &state, sizeof(state)) != 1) {
            state = ((uint64_t) ngx_pid << 32) ^ (uint64_t) ngx_random()
                    ^ ((uint64_t) ngx_time() << 16);
        }
    }

    state += 0x9e3779b97f4a7c15ULL;

    z = state;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;

    return z ^ (z >> 31);
}
