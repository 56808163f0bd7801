
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_net.h"


/* where a connection goes: to an address as it was written, or to those that
   nginx's resolver knows for a name */


static ngx_int_t ngx_llmops_net_unix(ngx_llmops_net_addr_t *addr,
    ngx_str_t *host);
static ngx_str_t ngx_llmops_net_bare(ngx_str_t *host);
static void ngx_llmops_net_found(ngx_resolver_ctx_t *ctx);
static void ngx_llmops_net_address(ngx_llmops_net_t *net,
    struct sockaddr *sockaddr, socklen_t socklen);


/* NGX_OK: it is an address; NGX_DECLINED: a name */

ngx_int_t
ngx_llmops_net_literal(ngx_llmops_net_t *net)
{
    ngx_str_t               host;
    struct sockaddr_in     *sin;
    ngx_llmops_net_addr_t  *addr;
#if (NGX_HAVE_INET6)
    struct sockaddr_in6    *sin6;
#endif

    addr = net->addrs;
    host = ngx_llmops_net_bare(&net->host);

    ngx_memzero(addr, sizeof(ngx_llmops_net_addr_t));

    switch (ngx_llmops_net_family(&net->host)) {

    case AF_UNIX:
        net->naddrs = 1;
        return ngx_llmops_net_unix(addr, &host);

#if (NGX_HAVE_INET6)
    case AF_INET6:
        sin6 = &addr->sockaddr.sockaddr_in6;
        sin6->sin6_family = AF_INET6;
        (void) ngx_inet6_addr(host.data, host.len, sin6->sin6_addr.s6_addr);
        addr->socklen = sizeof(struct sockaddr_in6);
        break;
#endif

    case AF_INET:
        sin = &addr->sockaddr.sockaddr_in;
        sin->sin_family = AF_INET;
        sin->sin_addr.s_addr = ngx_inet_addr(host.data, host.len);
        addr->socklen = sizeof(struct sockaddr_in);
        break;

    default:
        return NGX_DECLINED;
    }

    ngx_inet_set_port(&addr->sockaddr.sockaddr, net->port);
    net->naddrs = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_net_unix(ngx_llmops_net_addr_t *addr, ngx_str_t *host)
{
    struct sockaddr_un  *sun;

    sun = &addr->sockaddr.sockaddr_un;

    sun->sun_family = AF_UNIX;
    (void) ngx_cpystrn((u_char *) sun->sun_path, host->data,
                       ngx_min(host->len + 1, sizeof(sun->sun_path)));

    addr->socklen = sizeof(struct sockaddr_un);

    return NGX_OK;
}


/* without "unix:" or brackets */

static ngx_str_t
ngx_llmops_net_bare(ngx_str_t *host)
{
    ngx_str_t  bare;

    bare = *host;

    if (bare.len > 5 && ngx_strncasecmp(bare.data, (u_char *) "unix:", 5) == 0)
    {
        bare.data += 5;
        bare.len -= 5;

    } else if (bare.len > 2 && bare.data[0] == '['
               && bare.data[bare.len - 1] == ']')
    {
        bare.data += 1;
        bare.len -= 2;
    }

    return bare;
}


ngx_int_t
ngx_llmops_net_family(ngx_str_t *host)
{
    ngx_str_t  bare;
#if (NGX_HAVE_INET6)
    u_char     addr[16];
#endif

    if (host->len >= 5
        && ngx_strncasecmp(host->data, (u_char *) "unix:", 5) == 0)
    {
        return AF_UNIX;
    }

    bare = ngx_llmops_net_bare(host);

    if (ngx_inet_addr(bare.data, bare.len) != INADDR_NONE) {
        return AF_INET;
    }

#if (NGX_HAVE_INET6)

    if (ngx_inet6_addr(bare.data, bare.len, addr) == NGX_OK) {
        return AF_INET6;
    }

#endif

    return AF_UNSPEC;
}


ngx_int_t
ngx_llmops_net_lookup(ngx_llmops_net_t *net)
{
    ngx_resolver_ctx_t  *ctx;

    if (net->resolver == NULL) {
        ngx_llmops_net_later(net, ngx_llmops_net_fail,
                             "no resolver is configured");
        return NGX_OK;
    }

    ctx = ngx_resolve_start(net->resolver, NULL);

    if (ctx == NULL) {
        return NGX_ERROR;
    }

    if (ctx == NGX_NO_RESOLVER) {
        ngx_llmops_net_later(net, ngx_llmops_net_fail,
                             "no resolver is configured");
        return NGX_OK;
    }

    ctx->name = net->host;
    ctx->handler = ngx_llmops_net_found;
    ctx->data = net;
    ctx->timeout = net->resolver_timeout ? net->resolver_timeout
                                         : net->timeout;
    ctx->cancelable = 1;

    net->lookup = ctx;
    ngx_llmops_net_arm(net, 1);

    /* may call the handler at once; on NGX_ERROR ctx is gone */

    if (ngx_resolve_name(ctx) != NGX_OK) {
        net->lookup = NULL;
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_llmops_net_found(ngx_resolver_ctx_t *ctx)
{
    ngx_llmops_net_t *net = ctx->data;

    ngx_uint_t   i;
    const char  *error;

    net->lookup = NULL;
    error = "the name could not be resolved";

    if (ctx->state) {
        error = ngx_resolver_strerror(ctx->state);

    } else {
        for (i = 0; i < ctx->naddrs; i++) {
            ngx_llmops_net_address(net, ctx->addrs[i].sockaddr,
                                   ctx->addrs[i].socklen);
        }
    }

    ngx_resolve_name_done(ctx);

    if (net->naddrs == 0) {
        ngx_llmops_net_later(net, ngx_llmops_net_fail, error);
        return;
    }

    if (ngx_llmops_net_connect(net) != NGX_OK) {
        ngx_llmops_net_later(net, ngx_llmops_net_fail,
                             "no connection of worker_connections is free");
    }
}


static void
ngx_llmops_net_address(ngx_llmops_net_t *net, struct sockaddr *sockaddr,
    socklen_t socklen)
{
    ngx_llmops_net_addr_t  *addr;

    if (net->naddrs == NGX_LLMOPS_NET_ADDRS) {
        return;
    }

    addr = &net->addrs[net->naddrs++];

    ngx_memcpy(&addr->sockaddr, sockaddr, socklen);
    addr->socklen = socklen;

    ngx_inet_set_port(&addr->sockaddr.sockaddr, net->port);
}
