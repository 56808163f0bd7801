
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_redis.h"
#include "ngx_llmops_redis.h"
#include "ngx_llmops_zone.h"


/*
 * The second level: values in Redis, for all gateways of a fleet.
 *
 * A value is read with GETRANGE up to the size that is wanted, so that what
 * somebody else has put there costs no more than that, and is checked before
 * anybody sees it: what is cut, changed, too large or lies under another's key
 * is a miss.  Redis is never waited for longer than its timeout; while it
 * cannot be reached everything is a miss at once, and what would be stored is
 * not.
 *
 * Those who wait for another gateway's flight ask again and again, ever more
 * rarely.  A message when it lands would come sooner by a few milliseconds at
 * the cost of a subscription, which Cluster sends through all nodes, and of a
 * state that is lost with each connection.
 *
 * Value and lease of a key have its digits as hash tag: in a Cluster they lie
 * on one node, whose order of commands makes a value visible before the lease
 * is free, while the keys spread over all nodes.
 */


#define NGX_LLMOPS_REMOTE_DELAY      20    /* ms until the second look, */
#define NGX_LLMOPS_REMOTE_DELAY_MAX  250   /* doubled up to that */
#define NGX_LLMOPS_REMOTE_PUTS       (2 * 1024 * 1024)  /* bytes of values
                                                            on their way */
#define NGX_LLMOPS_REMOTE_LOG        60    /* s between lines about values */


static ngx_int_t ngx_llmops_remote_look(ngx_llmops_cache_remote_t *remote);
static void ngx_llmops_remote_reply(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_llmops_cache_redis_event_e ngx_llmops_remote_read(
    ngx_llmops_cache_remote_t *remote, redisReply *reply);
static void ngx_llmops_remote_missed(ngx_llmops_cache_remote_t *remote);
static void ngx_llmops_remote_leased(ngx_llmops_cache_lease_t *lease,
    void *data);
static void ngx_llmops_remote_again(ngx_event_t *ev);
static void ngx_llmops_remote_done(ngx_llmops_cache_remote_t *remote,
    ngx_int_t rc);
static void ngx_llmops_remote_stored(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_remote_invalid(ngx_llmops_cache_remote_t *remote,
    const char *error);


const ngx_str_t  ngx_llmops_cache_redis_events[] = {
    ngx_string("hit"),
    ngx_string("miss"),
    ngx_string("invalid"),
    ngx_string("down"),
    ngx_string("waited"),
    ngx_string("stored"),
    ngx_string("dropped")
};


/* of this worker */

static ngx_llmops_cache_redis_sh_t  *ngx_llmops_remote_sh;
static ngx_llmops_out_t              ngx_llmops_remote_out;
static size_t                        ngx_llmops_remote_puts;
static time_t                        ngx_llmops_remote_logged;


void
ngx_llmops_cache_redis_start(ngx_shm_zone_t *zone)
{
    ngx_str_t  name = ngx_string("redis");

    ngx_llmops_remote_sh = zone
        ? ngx_llmops_zone_node(zone, NGX_LLMOPS_NODE_CACHE_REDIS, &name,
                               sizeof(ngx_llmops_cache_redis_sh_t))
        : NULL;

    ngx_llmops_out_init(&ngx_llmops_remote_out,
                        NGX_LLMOPS_CACHE_VALUE + NGX_LLMOPS_CACHE_SEAL);
}


void
ngx_llmops_cache_redis_count(ngx_llmops_cache_redis_event_e event)
{
    if (ngx_llmops_remote_sh) {
        (void) ngx_atomic_fetch_add(&ngx_llmops_remote_sh->events[event], 1);
    }
}


/* "PREFIX:c:{HEX}" */

void
ngx_llmops_cache_name(ngx_llmops_cache_name_t *n, ngx_llmops_store_t *store,
    const u_char *key, u_char kind)
{
    u_char     *p;
    ngx_str_t   prefix;

    n->redis = ngx_llmops_redis_of(store, &prefix);

    if (n->redis == NULL) {
        return;
    }

    p = ngx_snprintf(n->buf, 120, "%V:%c:{", &prefix, kind);
    p = ngx_hex_dump(p, (u_char *) key, NGX_LLMOPS_CACHE_KEY);
    *p++ = '}';

    n->name.data = n->buf;
    n->name.len = p - n->buf;
}


ngx_int_t
ngx_llmops_cache_remote_ask(ngx_llmops_store_t *store,
    ngx_llmops_cache_remote_t *remote)
{
    remote->store = store;
    remote->started = ngx_current_msec;
    remote->delay = NGX_LLMOPS_REMOTE_DELAY;
    remote->rc = NGX_DECLINED;
    remote->waited = 0;
    remote->last = 0;

    remote->timer.handler = ngx_llmops_remote_again;
    remote->timer.data = remote;
    remote->timer.log = remote->log;

    return ngx_llmops_remote_look(remote);
}


static ngx_int_t
ngx_llmops_remote_look(ngx_llmops_cache_remote_t *remote)
{
    u_char                    end[NGX_SIZE_T_LEN];
    ngx_str_t                 argv[4];
    ngx_llmops_cache_name_t   n;

    ngx_llmops_cache_name(&n, remote->store, remote->key, 'c');

    if (n.redis == NULL) {
        return NGX_DECLINED;
    }

    /* one byte more than there may be: then it is too large */

    ngx_str_set(&argv[0], "GETRANGE");
    argv[1] = n.name;
    ngx_str_set(&argv[2], "0");
    argv[3].data = end;
    argv[3].len = ngx_sprintf(end, "%uz",
                              ngx_min(remote->max_size, NGX_LLMOPS_CACHE_VALUE)
                              + NGX_LLMOPS_CACHE_SEAL)
                  - end;

    remote->cmd = ngx_llmops_redis_command(n.redis, &n.name, 4, argv,
                                           ngx_llmops_remote_reply, remote);
    if (remote->cmd) {
        return NGX_AGAIN;
    }

    ngx_llmops_cache_redis_count(NGX_LLMOPS_CACHE_REDIS_DOWN);

    return NGX_DECLINED;
}


static void
ngx_llmops_remote_reply(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_cache_remote_t *remote = data;

    ngx_llmops_cache_redis_event_e  event;

    remote->cmd = NULL;

    event = ngx_llmops_remote_read(remote, reply);

    if (event == NGX_LLMOPS_CACHE_REDIS_HIT) {
        remote->rc = NGX_OK;

        if (remote->useful && !remote->useful(remote)) {
            event = NGX_LLMOPS_CACHE_REDIS_MISS;
        }
    }

    switch (event) {

    case NGX_LLMOPS_CACHE_REDIS_HIT:
        ngx_llmops_cache_redis_count(event);

        if (remote->lease && remote->lease->held) {
            ngx_llmops_cache_lease_release(remote->lease);
        }

        ngx_llmops_remote_done(remote, NGX_OK);
        return;

    case NGX_LLMOPS_CACHE_REDIS_DOWN:
        ngx_llmops_cache_redis_count(event);
        ngx_llmops_remote_done(remote, NGX_DECLINED);
        return;

    default:
        if (!remote->waited || event == NGX_LLMOPS_CACHE_REDIS_INVALID) {
            ngx_llmops_cache_redis_count(event);
        }

        ngx_llmops_remote_missed(remote);
    }
}


static ngx_llmops_cache_redis_event_e
ngx_llmops_remote_read(ngx_llmops_cache_remote_t *remote, redisReply *reply)
{
    ngx_int_t    rc;
    ngx_str_t    data;
    const char  *error;

    if (reply == NULL) {
        return NGX_LLMOPS_CACHE_REDIS_DOWN;
    }

    if (reply->type != REDIS_REPLY_STRING) {
        ngx_llmops_remote_invalid(remote, "no string");
        return NGX_LLMOPS_CACHE_REDIS_INVALID;
    }

    if (reply->len == 0) {
        return NGX_LLMOPS_CACHE_REDIS_MISS;
    }

    data.data = (u_char *) reply->str;
    data.len = reply->len;

    rc = ngx_llmops_cache_open(remote->key, &data,
                               ngx_min(remote->max_size,
                                       NGX_LLMOPS_CACHE_VALUE),
                               &ngx_llmops_remote_out, &remote->value,
                               &error);
    if (rc == NGX_OK) {
        return NGX_LLMOPS_CACHE_REDIS_HIT;
    }

    if (rc == NGX_DECLINED) {
        ngx_llmops_remote_invalid(remote, error);
    }

    return NGX_LLMOPS_CACHE_REDIS_INVALID;
}


static void
ngx_llmops_remote_missed(ngx_llmops_cache_remote_t *remote)
{
    if (remote->lease && !remote->last
        && ngx_llmops_cache_lease_try(remote->store, remote->key,
                                      remote->lease,
                                      ngx_llmops_remote_leased, remote)
           == NGX_AGAIN)
    {
        return;
    }

    ngx_llmops_remote_done(remote, NGX_DECLINED);
}


static void
ngx_llmops_remote_leased(ngx_llmops_cache_lease_t *lease, void *data)
{
    ngx_llmops_cache_remote_t *remote = data;

    ngx_msec_t  left;

    if (lease->held || lease->ours) {

        if (!remote->waited) {
            ngx_llmops_remote_done(remote, NGX_DECLINED);
            return;
        }

        /* its value may have come between our look and the lease's end, after
           which this caller, or another one of this nginx, has got it */

        remote->last = 1;

        if (ngx_llmops_remote_look(remote) != NGX_AGAIN) {
            ngx_llmops_remote_done(remote, NGX_DECLINED);
        }

        return;
    }

    if (!remote->waited) {
        remote->waited = 1;
        ngx_llmops_cache_redis_count(NGX_LLMOPS_CACHE_REDIS_WAITED);
    }

    left = ngx_current_msec - remote->started;

    if (left >= remote->wait) {
        ngx_llmops_remote_done(remote, NGX_DECLINED);
        return;
    }

    left = remote->wait - left;

    ngx_add_timer(&remote->timer, ngx_min(remote->delay, left));

    remote->delay = ngx_min(2 * remote->delay, NGX_LLMOPS_REMOTE_DELAY_MAX);
}


static void
ngx_llmops_remote_again(ngx_event_t *ev)
{
    ngx_llmops_cache_remote_t *remote = ev->data;

    if (ngx_llmops_remote_look(remote) != NGX_AGAIN) {
        ngx_llmops_remote_done(remote, NGX_DECLINED);
    }
}


static void
ngx_llmops_remote_done(ngx_llmops_cache_remote_t *remote, ngx_int_t rc)
{
    remote->rc = rc;

    if (rc != NGX_OK) {
        ngx_str_null(&remote->value);
    }

    remote->handler(remote);

    /* large ones are rare, and would stay for ever */

    if (ngx_llmops_remote_out.size > NGX_LLMOPS_CACHE_KEEP) {
        ngx_llmops_out_free(&ngx_llmops_remote_out);
    }
}


void
ngx_llmops_cache_remote_forget(ngx_llmops_cache_remote_t *remote)
{
    if (remote->cmd) {
        ngx_llmops_redis_cancel(remote->cmd);
        remote->cmd = NULL;
    }

    if (remote->timer.timer_set) {
        ngx_del_timer(&remote->timer);
    }
}


void
ngx_llmops_cache_remote_put(ngx_llmops_store_t *store, const u_char *key,
    ngx_str_t *value, ngx_msec_t ttl)
{
    size_t                    size;
    u_char                    time[NGX_INT_T_LEN];
    ngx_str_t                 argv[5];
    ngx_llmops_out_t         *out = &ngx_llmops_remote_out;
    ngx_llmops_cache_name_t   n;

    ngx_llmops_cache_name(&n, store, key, 'c');

    if (n.redis == NULL || ttl == 0 || value->len == 0) {
        return;
    }

    if (value->len > NGX_LLMOPS_CACHE_VALUE
        || ngx_llmops_cache_seal(key, value, out) != NGX_OK
        || ngx_llmops_remote_puts + out->len > NGX_LLMOPS_REMOTE_PUTS)
    {
        ngx_llmops_cache_redis_count(NGX_LLMOPS_CACHE_REDIS_DROPPED);
        return;
    }

    ngx_str_set(&argv[0], "SET");
    argv[1] = n.name;
    argv[2].data = out->data;
    argv[2].len = out->len;
    ngx_str_set(&argv[3], "PX");
    argv[4].data = time;
    argv[4].len = ngx_sprintf(time, "%M", ttl) - time;

    size = out->len;

    if (ngx_llmops_redis_command(n.redis, &n.name, 5, argv,
                                 ngx_llmops_remote_stored, (void *) size))
    {
        ngx_llmops_remote_puts += size;

    } else {
        ngx_llmops_cache_redis_count(NGX_LLMOPS_CACHE_REDIS_DROPPED);
    }

    if (out->size > NGX_LLMOPS_CACHE_KEEP) {
        ngx_llmops_out_free(out);
    }
}


static void
ngx_llmops_remote_stored(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_remote_puts -= (size_t) data;

    ngx_llmops_cache_redis_count(reply && reply->type == REDIS_REPLY_STATUS
                                 ? NGX_LLMOPS_CACHE_REDIS_STORED
                                 : NGX_LLMOPS_CACHE_REDIS_DROPPED);
}


void
ngx_llmops_cache_remote_drop(ngx_llmops_store_t *store, const u_char *key)
{
    ngx_str_t                argv[2];
    ngx_llmops_cache_name_t  n;

    ngx_llmops_cache_name(&n, store, key, 'c');

    if (n.redis) {
        ngx_str_set(&argv[0], "DEL");
        argv[1] = n.name;

        (void) ngx_llmops_redis_command(n.redis, &n.name, 2, argv, NULL, NULL);
    }
}


/* said once in a while: a flood of them is one fault */

static void
ngx_llmops_remote_invalid(ngx_llmops_cache_remote_t *remote,
    const char *error)
{
    if (ngx_llmops_remote_logged
        && ngx_time() - ngx_llmops_remote_logged < NGX_LLMOPS_REMOTE_LOG)
    {
        return;
    }

    ngx_llmops_remote_logged = ngx_time();

    ngx_log_error(NGX_LOG_WARN, remote->log, 0,
                  "a cached answer in redis is %s, taken for a miss", error);
}
