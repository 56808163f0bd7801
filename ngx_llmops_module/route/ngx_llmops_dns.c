
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_endpoint.h"


/*
 * An endpoint's addresses, as the DNS has them.  Every worker asks for itself,
 * in the background, from its start on, and again when an answer has expired;
 * nginx's resolver keeps the times.  A request never waits for the DNS: it
 * takes the set that there is.  A set once found is used until there is
 * another, so that a DNS that is down harms nobody, and what a worker finds is
 * kept in shared memory for the workers of the next configuration.
 *
 * Only the very first requests after a cold start can come too early; for
 * them the name is not resolved, and the next target's turn comes.
 */

#define NGX_LLMOPS_DNS_TIMEOUT      30000
#define NGX_LLMOPS_DNS_MIN          1000
#define NGX_LLMOPS_DNS_MAX          (3600 * 1000)
#define NGX_LLMOPS_DNS_RETRY        5000   /* at most, while it fails */


static void ngx_llmops_dns_timer(ngx_event_t *ev);
static void ngx_llmops_dns_ask(ngx_llmops_endpoint_t *ep);
static void ngx_llmops_dns_handler(ngx_resolver_ctx_t *ctx);
static void ngx_llmops_dns_answer(ngx_llmops_endpoint_t *ep,
    ngx_resolver_ctx_t *ctx);
static void ngx_llmops_dns_failed(ngx_llmops_endpoint_t *ep, char *reason);
static ngx_llmops_addrs_t *ngx_llmops_dns_set(ngx_llmops_endpoint_t *ep,
    ngx_resolver_ctx_t *ctx);
static void ngx_llmops_dns_replace(ngx_llmops_endpoint_t *ep,
    ngx_llmops_addrs_t *set);
static void ngx_llmops_dns_keep_marks(ngx_llmops_addrs_t *set,
    ngx_llmops_addrs_t *old);
static void ngx_llmops_dns_load(ngx_llmops_endpoint_t *ep);
static void ngx_llmops_dns_store(ngx_llmops_endpoint_t *ep);
static uint32_t ngx_llmops_dns_crc(ngx_llmops_endpoint_sh_t *sh);


ngx_int_t
ngx_llmops_dns_init(ngx_conf_t *cf, ngx_llmops_provider_t *p)
{
    ngx_llmops_endpoint_t     *ep;
    ngx_http_core_loc_conf_t  *clcf;

    ep = p->endpoint;

    if (ep->fixed) {
        return NGX_OK;
    }

    clcf = ngx_http_conf_get_module_loc_conf(cf, ngx_http_core_module);

    /* nginx puts in a resolver without servers if none is configured */

    if (clcf->resolver == NULL || clcf->resolver->connections.nelts == 0) {
        ngx_log_error(NGX_LOG_EMERG, cf->log, 0,
                      "no resolver to resolve \"%V\" of upstream \"%V\" in "
                      "%V:%ui, write \"resolver ADDRESS;\" in http{}, for "
                      "example the nameserver of /etc/resolv.conf",
                      &ep->host, &p->name, &ep->place.file, ep->place.line);
        return NGX_ERROR;
    }

    ep->resolver = clcf->resolver;
    ep->resolver_timeout = clcf->resolver_timeout;

    ngx_conf_init_msec_value(ep->resolver_timeout, NGX_LLMOPS_DNS_TIMEOUT);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_dns_start(ngx_cycle_t *cycle, ngx_llmops_endpoint_t *ep)
{
    ngx_llmops_main_conf_t  *mcf;

    if (ep->fixed) {
        return NGX_OK;
    }

    mcf = ngx_http_cycle_get_module_main_conf(cycle, ngx_llmops_module);

    if (mcf->zone) {
        ep->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_ENDPOINT,
                                      &ep->name,
                                      sizeof(ngx_llmops_endpoint_sh_t));
    }

    ep->timer.handler = ngx_llmops_dns_timer;
    ep->timer.data = ep;
    ep->timer.log = cycle->log;
    ep->timer.cancelable = 1;

    ngx_llmops_dns_load(ep);

    /* the resolver's sockets cannot be made before the event loop runs */

    ngx_add_timer(&ep->timer, 0);

    return NGX_OK;
}


void
ngx_llmops_dns_stop(ngx_llmops_endpoint_t *ep)
{
    if (ep->fixed) {
        return;
    }

    if (ep->timer.timer_set) {
        ngx_del_timer(&ep->timer);
    }

    if (ep->resolving) {
        ngx_resolve_name_done(ep->resolving);
        ep->resolving = NULL;
    }

    if (ep->set) {
        ngx_free(ep->set);
        ep->set = NULL;
    }
}


static void
ngx_llmops_dns_timer(ngx_event_t *ev)
{
    if (ngx_exiting || ngx_terminate) {
        return;
    }

    ngx_llmops_dns_ask(ev->data);
}


static void
ngx_llmops_dns_ask(ngx_llmops_endpoint_t *ep)
{
    ngx_resolver_ctx_t  *ctx;

    ctx = ngx_resolve_start(ep->resolver, NULL);

    if (ctx == NULL || ctx == NGX_NO_RESOLVER) {
        ngx_llmops_dns_failed(ep, "out of memory");
        return;
    }

    ctx->name = ep->host;
    ctx->handler = ngx_llmops_dns_handler;
    ctx->data = ep;
    ctx->timeout = ep->resolver_timeout;
    ctx->cancelable = 1;

    ep->resolving = ctx;

    /* may call the handler at once; on NGX_ERROR ctx is gone */

    if (ngx_resolve_name(ctx) != NGX_OK) {
        ep->resolving = NULL;
        ngx_llmops_dns_failed(ep, "the resolver could not be asked");
    }
}


static void
ngx_llmops_dns_handler(ngx_resolver_ctx_t *ctx)
{
    ngx_llmops_endpoint_t *ep = ctx->data;

    ep->resolving = NULL;

    if (ctx->state) {
        ngx_llmops_dns_failed(ep, ngx_resolver_strerror(ctx->state));

    } else {
        ngx_llmops_dns_answer(ep, ctx);
    }

    ngx_resolve_name_done(ctx);
}


static void
ngx_llmops_dns_answer(ngx_llmops_endpoint_t *ep, ngx_resolver_ctx_t *ctx)
{
    time_t               ttl;
    ngx_llmops_addrs_t  *set;

    set = ngx_llmops_dns_set(ep, ctx);

    if (set == NULL) {
        ngx_llmops_dns_failed(ep, "out of memory");
        return;
    }

    if (set->naddrs == 0) {
        ngx_free(set);
        ngx_llmops_dns_failed(ep, "no IPv4 address");
        return;
    }

    if (ep->failing) {
        ep->failing = 0;

        ngx_log_error(NGX_LOG_NOTICE, ep->timer.log, 0,
                      "\"%V\" of upstream \"%V\" is resolved again",
                      &ep->host, &ep->provider->name);
    }

    ngx_llmops_dns_replace(ep, set);
    ngx_llmops_dns_store(ep);

    /* the resolver serves its answer through the second in which it expires */

    ttl = ctx->valid - ngx_time() + 1;
    ttl = ngx_min(ttl, NGX_LLMOPS_DNS_MAX / 1000);

    ep->delay = 0;
    ngx_add_timer(&ep->timer,
                  ttl > 1 ? (ngx_msec_t) ttl * 1000 : NGX_LLMOPS_DNS_MIN);
}


/* once for each time that it fails: the attempts that follow are many */

static void
ngx_llmops_dns_failed(ngx_llmops_endpoint_t *ep, char *reason)
{
    if (!ep->failing) {
        ep->failing = 1;

        ngx_log_error(NGX_LOG_ERR, ep->timer.log, 0,
                      "\"%V\" of upstream \"%V\" could not be resolved (%s), "
                      "%s", &ep->host, &ep->provider->name, reason,
                      ep->set ? "its last addresses stay in use"
                              : "requests go to the next target");
    }

    if (ngx_exiting || ngx_terminate) {
        return;
    }

    ep->delay = ep->delay ? ep->delay * 2 : NGX_LLMOPS_DNS_MIN;
    ep->delay = ngx_min(ep->delay, NGX_LLMOPS_DNS_RETRY);

    ngx_add_timer(&ep->timer, ep->delay);
}


/* the answer's addresses on the worker's heap, perhaps none; NULL: no memory */

static ngx_llmops_addrs_t *
ngx_llmops_dns_set(ngx_llmops_endpoint_t *ep, ngx_resolver_ctx_t *ctx)
{
    ngx_uint_t            i;
    ngx_llmops_addrs_t   *set;
    ngx_resolver_addr_t  *addr;

    set = ngx_calloc(sizeof(ngx_llmops_addrs_t), ep->timer.log);
    if (set == NULL) {
        return NULL;
    }

    for (i = 0; i < ctx->naddrs; i++) {
        addr = &ctx->addrs[i];

        if (set->naddrs == NGX_LLMOPS_ENDPOINT_ADDRS) {
            break;
        }

        if (ep->ipv4_only && addr->sockaddr->sa_family != AF_INET) {
            continue;
        }

        ngx_llmops_addrs_push(set, addr->sockaddr, addr->socklen, ep->port);
    }

    return set;
}


void
ngx_llmops_addrs_push(ngx_llmops_addrs_t *set, struct sockaddr *sa,
    socklen_t socklen, in_port_t port)
{
    ngx_uint_t          i;
    ngx_llmops_addr_t  *addr;

    addr = &set->addrs[set->naddrs];

    ngx_memcpy(&addr->sockaddr, sa, socklen);
    addr->socklen = socklen;

    if (port) {
        ngx_inet_set_port(&addr->sockaddr.sockaddr, port);
    }

    for (i = 0; i < set->naddrs; i++) {
        if (ngx_memn2cmp((u_char *) &set->addrs[i].sockaddr,
                         (u_char *) &addr->sockaddr,
                         set->addrs[i].socklen, socklen)
            == 0)
        {
            return;
        }
    }

    set->naddrs++;

    addr->name.data = addr->text;
    addr->name.len = ngx_sock_ntop(&addr->sockaddr.sockaddr, socklen,
                                   addr->text, NGX_SOCKADDR_STRLEN, 1);
}


static void
ngx_llmops_dns_replace(ngx_llmops_endpoint_t *ep, ngx_llmops_addrs_t *set)
{
    ngx_llmops_addrs_t  *old;

    old = ep->set;

    if (old) {
        set->generation = old->generation + 1;
        ngx_llmops_dns_keep_marks(set, old);

    } else {

        /* not every worker shall begin with the same address */

        set->generation = 1;
        ep->next = ngx_random() % set->naddrs;
    }

    ngx_log_debug3(NGX_LOG_DEBUG_HTTP, ep->timer.log, 0,
                   "llm endpoint \"%V\": %ui addresses, first %V",
                   &ep->host, set->naddrs, &set->addrs[0].name);

    ep->set = set;

    if (old) {
        ngx_free(old);
    }
}


/* a new answer of the DNS does not bring up an address that is down */

static void
ngx_llmops_dns_keep_marks(ngx_llmops_addrs_t *set, ngx_llmops_addrs_t *old)
{
    ngx_uint_t          i, k;
    ngx_llmops_addr_t  *a, *b;

    for (i = 0; i < set->naddrs; i++) {
        a = &set->addrs[i];

        for (k = 0; k < old->naddrs; k++) {
            b = &old->addrs[k];

            if (b->down
                && ngx_memn2cmp((u_char *) &a->sockaddr,
                                (u_char *) &b->sockaddr,
                                a->socklen, b->socklen)
                   == 0)
            {
                a->down = 1;
                a->failed = b->failed;
            }
        }
    }
}


static void
ngx_llmops_dns_load(ngx_llmops_endpoint_t *ep)
{
    socklen_t                  socklen;
    ngx_uint_t                 i;
    struct sockaddr           *sa;
    ngx_llmops_addrs_t        *set;
    ngx_llmops_endpoint_sh_t   sh;

    if (ep->sh == NULL) {
        return;
    }

    sh = *ep->sh;

    if (sh.naddrs == 0
        || sh.naddrs > NGX_LLMOPS_ENDPOINT_ADDRS
        || sh.crc != ngx_llmops_dns_crc(&sh))
    {
        return;
    }

    set = ngx_calloc(sizeof(ngx_llmops_addrs_t), ep->timer.log);
    if (set == NULL) {
        return;
    }

    for (i = 0; i < sh.naddrs; i++) {
        sa = (struct sockaddr *) sh.addrs[i];

        if (ep->ipv4_only && sa->sa_family != AF_INET) {
            continue;
        }

        socklen = (sa->sa_family == AF_INET) ? sizeof(struct sockaddr_in)
                                             : sizeof(struct sockaddr_in6);

        ngx_llmops_addrs_push(set, sa, socklen, ep->port);
    }

    if (set->naddrs == 0) {
        ngx_free(set);
        return;
    }

    ngx_llmops_dns_replace(ep, set);
}


static void
ngx_llmops_dns_store(ngx_llmops_endpoint_t *ep)
{
    ngx_uint_t                 i;
    ngx_llmops_addr_t         *addr;
    ngx_llmops_endpoint_sh_t   sh;

    if (ep->sh == NULL) {
        return;
    }

    ngx_memzero(&sh, sizeof(ngx_llmops_endpoint_sh_t));

    for (i = 0; i < ep->set->naddrs; i++) {
        addr = &ep->set->addrs[i];
        ngx_memcpy(sh.addrs[i], &addr->sockaddr, addr->socklen);
    }

    sh.naddrs = ep->set->naddrs;
    sh.crc = ngx_llmops_dns_crc(&sh);

    if (ep->sh->crc != sh.crc) {
        *ep->sh = sh;
    }
}


static uint32_t
ngx_llmops_dns_crc(ngx_llmops_endpoint_sh_t *sh)
{
    return ngx_crc32_long((u_char *) &sh->naddrs,
                          sizeof(ngx_llmops_endpoint_sh_t)
                          - offsetof(ngx_llmops_endpoint_sh_t, naddrs));
}
