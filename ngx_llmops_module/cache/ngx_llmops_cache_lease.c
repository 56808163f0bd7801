
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_cache_redis.h"
#include "ngx_llmops_redis.h"


/*
 * A lease is a key in Redis that only one gateway can have made (SET NX), and
 * that vanishes by itself (PX), so that nobody has to find out whether its
 * holder has died.  A holder makes it last while its flight does, and deletes
 * it at the end.
 *
 * Commands alone cannot delete "if it is still mine".  A holder therefore goes
 * by its own clock: after the lease's time, counted from before it was asked
 * for, it is no more the holder and touches nothing.  Should Redis have lost
 * the key meanwhile and given it to another one, that one's is deleted: two
 * gateways then ask a provider the same, which is all a lease is there to
 * avoid.
 *
 * The value is the gateway's number: among the callers of one nginx a flight is
 * shared in shared memory, live, and none of them waits here for another one.
 */


#define NGX_LLMOPS_LEASE_TIME    5000      /* ms */
#define NGX_LLMOPS_LEASE_RENEW   1500
#define NGX_LLMOPS_LEASE_MINE    4000      /* of them it is surely ours */


static void ngx_llmops_lease_reply(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_lease_holder(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_lease_renew(ngx_event_t *ev);
static void ngx_llmops_lease_renewed(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_uint_t ngx_llmops_lease_mine(ngx_llmops_cache_lease_t *lease);


ngx_int_t
ngx_llmops_cache_lease_try(ngx_llmops_store_t *store, const u_char *key,
    ngx_llmops_cache_lease_t *lease, ngx_llmops_cache_lease_pt handler,
    void *data)
{
    u_char                    time[NGX_INT_T_LEN], id[NGX_INT64_LEN];
    ngx_str_t                 argv[6];
    ngx_llmops_cache_name_t   n;

    ngx_llmops_cache_name(&n, store, key, 'l');

    if (n.redis == NULL || lease->cmd || lease->held) {
        return NGX_DECLINED;
    }

    ngx_memzero(&lease->renew, sizeof(ngx_event_t));

    lease->store = store;
    lease->sent = ngx_current_msec;
    lease->handler = handler;
    lease->data = data;
    lease->ours = 0;
    ngx_memcpy(lease->key, key, NGX_LLMOPS_CACHE_KEY);

    ngx_str_set(&argv[0], "SET");
    argv[1] = n.name;
    argv[2].data = id;
    argv[2].len = ngx_sprintf(id, "%uL", ngx_llmops_redis_gateway(store)) - id;
    ngx_str_set(&argv[3], "NX");
    ngx_str_set(&argv[4], "PX");
    argv[5].data = time;
    argv[5].len = ngx_sprintf(time, "%d", NGX_LLMOPS_LEASE_TIME) - time;

    lease->cmd = ngx_llmops_redis_command(n.redis, &n.name, 6, argv,
                                          ngx_llmops_lease_reply, lease);
    if (lease->cmd == NULL) {
        return NGX_DECLINED;
    }

    /* and whose it is, in the same write */

    ngx_str_set(&argv[0], "GET");

    lease->holder = ngx_llmops_redis_command(n.redis, &n.name, 2, argv,
                                             ngx_llmops_lease_holder, lease);
    return NGX_AGAIN;
}


static void
ngx_llmops_lease_reply(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_cache_lease_t *lease = data;

    lease->cmd = NULL;

    if (reply && reply->type == REDIS_REPLY_STATUS) {
        lease->held = 1;
        lease->taken = lease->sent;

        lease->renew.handler = ngx_llmops_lease_renew;
        lease->renew.data = lease;
        lease->renew.log = ngx_cycle->log;
        lease->renew.cancelable = 1;

        ngx_add_timer(&lease->renew, NGX_LLMOPS_LEASE_RENEW);
    }

    if (lease->holder == NULL) {
        lease->handler(lease, lease->data);
    }
}


/* replies come in order, but where one was lost on its way */

static void
ngx_llmops_lease_holder(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_cache_lease_t *lease = data;

    u_char  id[NGX_INT64_LEN];
    size_t  len;

    lease->holder = NULL;

    if (reply == NULL || reply->type != REDIS_REPLY_STRING) {
        lease->ours = 1;                     /* or nobody's: do not wait */

    } else {
        len = ngx_sprintf(id, "%uL", ngx_llmops_redis_gateway(lease->store))
              - id;
        lease->ours = ((size_t) reply->len == len
                       && ngx_memcmp(reply->str, id, len) == 0);
    }

    if (lease->cmd == NULL) {
        lease->handler(lease, lease->data);
    }
}


static void
ngx_llmops_lease_renew(ngx_event_t *ev)
{
    ngx_llmops_cache_lease_t *lease = ev->data;

    u_char                    time[NGX_INT_T_LEN];
    ngx_str_t                 argv[3];
    ngx_llmops_cache_name_t   n;

    if (!ngx_llmops_lease_mine(lease)) {
        return;
    }

    ngx_add_timer(ev, NGX_LLMOPS_LEASE_RENEW);

    ngx_llmops_cache_name(&n, lease->store, lease->key, 'l');

    if (n.redis == NULL || lease->cmd) {
        return;
    }

    ngx_str_set(&argv[0], "PEXPIRE");
    argv[1] = n.name;
    argv[2].data = time;
    argv[2].len = ngx_sprintf(time, "%d", NGX_LLMOPS_LEASE_TIME) - time;

    lease->sent = ngx_current_msec;
    lease->cmd = ngx_llmops_redis_command(n.redis, &n.name, 3, argv,
                                          ngx_llmops_lease_renewed, lease);
}


static void
ngx_llmops_lease_renewed(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_cache_lease_t *lease = data;

    lease->cmd = NULL;

    if (reply && reply->type == REDIS_REPLY_INTEGER) {

        if (reply->integer == 1) {
            lease->taken = lease->sent;

        } else {
            lease->held = 0;
        }
    }
}


void
ngx_llmops_cache_lease_release(ngx_llmops_cache_lease_t *lease)
{
    ngx_str_t                argv[2];
    ngx_uint_t               mine;
    ngx_llmops_cache_name_t  n;

    if (lease->cmd) {

        /* one that is just being given to us ends by itself */

        ngx_llmops_redis_cancel(lease->cmd);
        lease->cmd = NULL;
    }

    if (lease->holder) {
        ngx_llmops_redis_cancel(lease->holder);
        lease->holder = NULL;
    }

    mine = ngx_llmops_lease_mine(lease);

    if (lease->renew.timer_set) {
        ngx_del_timer(&lease->renew);
    }

    lease->held = 0;

    if (!mine) {
        return;
    }

    ngx_llmops_cache_name(&n, lease->store, lease->key, 'l');

    if (n.redis) {
        ngx_str_set(&argv[0], "DEL");
        argv[1] = n.name;

        (void) ngx_llmops_redis_command(n.redis, &n.name, 2, argv, NULL, NULL);
    }
}


static ngx_uint_t
ngx_llmops_lease_mine(ngx_llmops_cache_lease_t *lease)
{
    if (lease->held
        && ngx_current_msec - lease->taken >= NGX_LLMOPS_LEASE_MINE)
    {
        lease->held = 0;
    }

    return lease->held;
}
