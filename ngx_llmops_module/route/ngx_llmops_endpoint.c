
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops.h"
#include "ngx_llmops_endpoint.h"


/*
 * The balancer of an upstream{} with llm_endpoint: round robin over the
 * addresses that the name has now.  It knows nothing of weights and shares
 * nothing between workers.  An address that did not answer at all is left
 * alone for ten seconds as long as there is another; if all are down they are
 * all tried, since whether a provider is to be asked is the route's decision.
 *
 * nginx wants a server in every upstream{}; ours is a placeholder without an
 * address, which a foreign balancer refuses and nobody can connect to.
 */

#define NGX_LLMOPS_DOWN             10000


typedef struct {
    ngx_http_request_t        *request;
    ngx_llmops_endpoint_t     *endpoint;
    ngx_uint_t                 generation; /* of the set that tried is of */
    ngx_uint_t                 tried;      /* bits */
    ngx_sockaddr_t             sockaddr;   /* pc->sockaddr points here */
} ngx_llmops_peer_t;


static ngx_int_t ngx_llmops_endpoint_init(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_llmops_endpoint_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_llmops_endpoint_get(ngx_peer_connection_t *pc,
    void *data);
static ngx_uint_t ngx_llmops_endpoint_choose(ngx_llmops_endpoint_t *ep,
    ngx_uint_t tried);
static ngx_int_t ngx_llmops_endpoint_take(ngx_peer_connection_t *pc,
    ngx_llmops_peer_t *peer, ngx_llmops_addr_t *addr);
static void ngx_llmops_endpoint_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);
static void ngx_llmops_endpoint_failed(ngx_peer_connection_t *pc,
    ngx_llmops_peer_t *peer);
static ngx_int_t ngx_llmops_endpoint_set_session(ngx_peer_connection_t *pc,
    void *data);
static void ngx_llmops_endpoint_save_session(ngx_peer_connection_t *pc,
    void *data);
static ngx_int_t ngx_llmops_endpoint_placeholder(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us, ngx_str_t *name);
static ngx_int_t ngx_llmops_mock_init(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_llmops_mock_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us);
static ngx_int_t ngx_llmops_mock_get(ngx_peer_connection_t *pc, void *data);
static void ngx_llmops_mock_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state);


ngx_int_t
ngx_llmops_endpoint_add(ngx_conf_t *cf, ngx_llmops_provider_t *p,
    ngx_str_t *directive)
{
    ngx_http_upstream_srv_conf_t  *us;

    us = p->uscf;

    if (us->servers->nelts && !p->mock) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "\"%V\" and \"server\" exclude each other, write "
                           "\"llm_base https://-/v1;\" beside the \"server\" "
                           "lines, or remove them", directive);
        return NGX_ERROR;
    }

    if (us->peer.init_upstream && !p->mock) {
        ngx_conf_log_error(NGX_LOG_EMERG, cf, 0,
                           "the balancer of upstream \"%V\" is already set: "
                           "write \"%V\" as its first directive, before "
                           "\"keepalive\", and no other balancer",
                           &us->host, directive);
        return NGX_ERROR;
    }

    us->peer.init_upstream = ngx_llmops_endpoint_init;
    us->flags = NGX_HTTP_UPSTREAM_CREATE;

    return ngx_llmops_endpoint_placeholder(cf, us, &p->name);
}


static ngx_int_t
ngx_llmops_endpoint_placeholder(ngx_conf_t *cf,
    ngx_http_upstream_srv_conf_t *us, ngx_str_t *name)
{
    ngx_http_upstream_server_t  *server;

    server = ngx_array_push(us->servers);
    if (server == NULL) {
        return NGX_ERROR;
    }

    ngx_memzero(server, sizeof(ngx_http_upstream_server_t));

    server->name = *name;
    server->weight = 1;
    server->down = 1;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_endpoint_init(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *us)
{
    us->peer.init = ngx_llmops_endpoint_init_peer;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_endpoint_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_llmops_peer_t      *peer;
    ngx_llmops_provider_t  *p;
    ngx_peer_connection_t  *pc;

    p = ngx_http_conf_upstream_srv_conf(us, ngx_llmops_module);

    peer = ngx_palloc(r->pool, sizeof(ngx_llmops_peer_t));
    if (peer == NULL) {
        return NGX_ERROR;
    }

    peer->request = r;
    peer->endpoint = p->endpoint;
    peer->generation = 0;
    peer->tried = 0;

    pc = &r->upstream->peer;

    pc->data = peer;
    pc->get = ngx_llmops_endpoint_get;
    pc->free = ngx_llmops_endpoint_free;
    pc->tries = p->endpoint->set ? p->endpoint->set->naddrs : 1;
    pc->set_session = ngx_llmops_endpoint_set_session;
    pc->save_session = ngx_llmops_endpoint_save_session;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_endpoint_get(ngx_peer_connection_t *pc, void *data)
{
    ngx_llmops_peer_t *peer = data;

    ngx_uint_t              i;
    ngx_llmops_addrs_t     *set;
    ngx_llmops_endpoint_t  *ep;

    ep = peer->endpoint;
    set = ep->set;

    pc->cached = 0;
    pc->connection = NULL;
    pc->name = &ep->name;

    if (set == NULL) {
        ngx_log_error(NGX_LOG_ERR, pc->log, 0,
                      "upstream \"%V\" has no address yet: \"%V\" has not "
                      "been resolved", &ep->provider->name, &ep->host);
        return NGX_BUSY;
    }

    if (peer->generation != set->generation) {
        peer->generation = set->generation;
        peer->tried = 0;
    }

    i = ngx_llmops_endpoint_choose(ep, peer->tried);

    if (i == set->naddrs) {
        return NGX_BUSY;
    }

    ngx_log_debug2(NGX_LOG_DEBUG_HTTP, pc->log, 0,
                   "llm endpoint address: %ui %V", i, &set->addrs[i].name);

    return ngx_llmops_endpoint_take(pc, peer, &set->addrs[i]);
}


/* the next address that is up, else the next one; naddrs: all are tried */

static ngx_uint_t
ngx_llmops_endpoint_choose(ngx_llmops_endpoint_t *ep, ngx_uint_t tried)
{
    ngx_uint_t           i, k, best;
    ngx_llmops_addr_t   *addr;
    ngx_llmops_addrs_t  *set;

    set = ep->set;
    best = set->naddrs;

    for (k = 0; k < set->naddrs; k++) {
        i = (ep->next + k) % set->naddrs;
        addr = &set->addrs[i];

        if (tried & ((ngx_uint_t) 1 << i)) {
            continue;
        }

        if (addr->down
            && ngx_current_msec - addr->failed >= NGX_LLMOPS_DOWN)
        {
            addr->down = 0;
        }

        if (!addr->down) {
            best = i;
            break;
        }

        if (best == set->naddrs) {
            best = i;
        }
    }

    if (best < set->naddrs) {
        ep->next = (best + 1) % set->naddrs;
    }

    return best;
}


/* copies: the set may be replaced while the request runs, and the log wants
   the name of every attempt */

static ngx_int_t
ngx_llmops_endpoint_take(ngx_peer_connection_t *pc, ngx_llmops_peer_t *peer,
    ngx_llmops_addr_t *addr)
{
    ngx_str_t  *name;

    name = ngx_palloc(peer->request->pool,
                      sizeof(ngx_str_t) + addr->name.len);
    if (name == NULL) {
        return NGX_ERROR;
    }

    name->len = addr->name.len;
    name->data = (u_char *) (name + 1);
    ngx_memcpy(name->data, addr->name.data, name->len);

    ngx_memcpy(&peer->sockaddr, &addr->sockaddr, addr->socklen);

    pc->name = name;
    pc->sockaddr = &peer->sockaddr.sockaddr;
    pc->socklen = addr->socklen;

    return NGX_OK;
}


static void
ngx_llmops_endpoint_free(ngx_peer_connection_t *pc, void *data,
    ngx_uint_t state)
{
    ngx_llmops_peer_t *peer = data;

    ngx_connection_t           *c;
    ngx_http_upstream_state_t  *us;

    c = pc->connection;
    us = peer->request->upstream->state;

    if (pc->tries) {
        pc->tries--;
    }

    if (!(state & NGX_PEER_FAILED) || (us && us->bytes_received)) {
        return;                             /* it did answer, badly perhaps */
    }

    if (pc->cached && !(c && (c->read->timedout || c->write->timedout))) {
        return;                             /* the connection was stale */
    }

    ngx_llmops_endpoint_failed(pc, peer);
}


static void
ngx_llmops_endpoint_failed(ngx_peer_connection_t *pc, ngx_llmops_peer_t *peer)
{
    ngx_uint_t           i;
    ngx_llmops_addr_t   *addr;
    ngx_llmops_addrs_t  *set;

    set = peer->endpoint->set;

    if (set == NULL) {
        return;
    }

    for (i = 0; i < set->naddrs; i++) {
        addr = &set->addrs[i];

        if (ngx_memn2cmp((u_char *) &addr->sockaddr, (u_char *) pc->sockaddr,
                         addr->socklen, pc->socklen)
            != 0)
        {
            continue;
        }

        addr->down = 1;
        addr->failed = ngx_current_msec;

        if (peer->generation == set->generation) {
            peer->tried |= (ngx_uint_t) 1 << i;
        }
    }
}


static ngx_int_t
ngx_llmops_endpoint_set_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_llmops_peer_t *peer = data;

    return ngx_llmops_tls_set_session(pc, peer->endpoint->provider);
}


static void
ngx_llmops_endpoint_save_session(ngx_peer_connection_t *pc, void *data)
{
    ngx_llmops_peer_t *peer = data;

    ngx_llmops_tls_save_session(pc, peer->endpoint->provider);
}


/*
 * The built-in provider needs a placeholder too.  Its balancer is for those
 * who name the upstream{} in a proxy_pass; llm_pass connects by itself.
 */

ngx_int_t
ngx_llmops_endpoint_add_mock(ngx_conf_t *cf, ngx_llmops_provider_t *p)
{
    ngx_http_upstream_srv_conf_t  *us;

    us = p->uscf;

    us->peer.init_upstream = ngx_llmops_mock_init;
    us->flags = NGX_HTTP_UPSTREAM_CREATE;

    return ngx_llmops_endpoint_placeholder(cf, us, &p->name);
}


static ngx_int_t
ngx_llmops_mock_init(ngx_conf_t *cf, ngx_http_upstream_srv_conf_t *us)
{
    us->peer.init = ngx_llmops_mock_init_peer;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_mock_init_peer(ngx_http_request_t *r,
    ngx_http_upstream_srv_conf_t *us)
{
    ngx_llmops_provider_t  *p;
    ngx_peer_connection_t  *pc;

    p = ngx_http_conf_upstream_srv_conf(us, ngx_llmops_module);
    pc = &r->upstream->peer;

    pc->data = r;
    pc->name = &p->name;
    pc->get = ngx_llmops_mock_get;
    pc->free = ngx_llmops_mock_free;
    pc->tries = 1;
    pc->set_session = NULL;
    pc->save_session = NULL;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_mock_get(ngx_peer_connection_t *pc, void *data)
{
    return ngx_llmops_mock_connect(data, pc);
}


static void
ngx_llmops_mock_free(ngx_peer_connection_t *pc, void *data, ngx_uint_t state)
{
    pc->tries = 0;
}
