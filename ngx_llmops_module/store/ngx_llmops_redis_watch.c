
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_store.h"


/*
 * What happens elsewhere: which kinds of documents have changed, and how many
 * gateways there are.  It is looked at several times a second by one worker,
 * whichever comes first, for all workers of this nginx; the request path only
 * reads words in shared memory.  While Redis cannot be asked they stay as they
 * are.
 *
 * A gateway says that it lives in a sorted set, by the server's clock; one
 * that has said nothing for long is counted out by whoever comes by.
 */


#define NGX_LLMOPS_REDIS_LOOK      250     /* ms between two looks */
#define NGX_LLMOPS_REDIS_GLANCE    100     /* ms: whether it is time */
#define NGX_LLMOPS_REDIS_GATEWAYS  8       /* looks between two counts */
#define NGX_LLMOPS_REDIS_LIVES     10000   /* ms that a gateway is believed */


static void ngx_llmops_redis_look(ngx_event_t *ev);
static ngx_uint_t ngx_llmops_redis_look_due(ngx_llmops_redis_store_t *rs);
static void ngx_llmops_redis_looked(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_redis_revised(ngx_llmops_redis_store_t *rs,
    const uint64_t *revisions);
static void ngx_llmops_redis_count(ngx_llmops_redis_store_t *rs);
static void ngx_llmops_redis_counted(redisReply *reply, ngx_uint_t sent,
    void *data);


void
ngx_llmops_redis_watch_start(ngx_llmops_redis_store_t *rs)
{
    uint64_t  id;

    id = ngx_llmops_redis_random();

    /* the first worker of all names the gateway */

    (void) ngx_atomic_cmp_set(&rs->sh->id, 0, (ngx_atomic_uint_t) id | 1);

    rs->look.handler = ngx_llmops_redis_look;
    rs->look.data = rs;
    rs->look.log = rs->log;
    rs->look.cancelable = 1;

    ngx_add_timer(&rs->look, NGX_LLMOPS_REDIS_GLANCE);
}


void
ngx_llmops_redis_watch_stop(ngx_llmops_redis_store_t *rs)
{
    if (rs->look.timer_set) {
        ngx_del_timer(&rs->look);
    }
}


static void
ngx_llmops_redis_look(ngx_event_t *ev)
{
    ngx_llmops_redis_store_t *rs = ev->data;

    ngx_str_t  argv[2] = { ngx_llmops_redis_word("HGETALL") };

    ngx_add_timer(ev, NGX_LLMOPS_REDIS_GLANCE);

    if (rs->stuck) {
        ngx_llmops_redis_discard(rs);
    }

    if (rs->looking || !ngx_llmops_redis_look_due(rs)) {
        return;
    }

    argv[1] = rs->revisions;

    rs->looking = ngx_llmops_redis_command(rs->redis, &argv[1], 2, argv,
                                           ngx_llmops_redis_looked, rs);

    if (rs->looks++ % NGX_LLMOPS_REDIS_GATEWAYS == 0 && !rs->counting) {
        ngx_llmops_redis_count(rs);
    }
}


/* one of the workers that find it due takes it, by changing the word */

static ngx_uint_t
ngx_llmops_redis_look_due(ngx_llmops_redis_store_t *rs)
{
    ngx_atomic_uint_t  looked, now;

    looked = rs->sh->looked;
    now = (ngx_atomic_uint_t) ngx_current_msec;

    if (looked && (ngx_msec_int_t) (now - looked) < NGX_LLMOPS_REDIS_LOOK) {
        return 0;
    }

    return ngx_atomic_cmp_set(&rs->sh->looked, looked, now);
}


static void
ngx_llmops_redis_looked(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_store_t *rs = data;

    size_t      i;
    uint64_t    revisions[NGX_LLMOPS_DOCS_MAX];
    ngx_int_t   kind, n;

    rs->looking = NULL;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }

    ngx_memzero(revisions, sizeof(revisions));

    for (i = 0; i + 1 < reply->elements; i += 2) {

        if (reply->element[i]->type != REDIS_REPLY_STRING
            || reply->element[i + 1]->type != REDIS_REPLY_STRING)
        {
            return;
        }

        kind = ngx_atoi((u_char *) reply->element[i]->str,
                        reply->element[i]->len);
        n = ngx_atoi((u_char *) reply->element[i + 1]->str,
                     reply->element[i + 1]->len);

        if (kind >= 0 && kind < NGX_LLMOPS_DOCS_MAX && n > 0) {
            revisions[kind] = n;
        }
    }

    ngx_llmops_redis_revised(rs, revisions);
}


/*
 * A reply may be older than a change that was made from here since, so that
 * revisions only grow: they begin with a time, also in a server that has lost
 * everything.  None at all is such a server, and that counts.
 */

static void
ngx_llmops_redis_revised(ngx_llmops_redis_store_t *rs,
    const uint64_t *revisions)
{
    ngx_uint_t         i;
    ngx_atomic_uint_t  old, revision;

    for (i = 0; i < NGX_LLMOPS_DOCS_MAX; i++) {
        old = rs->sh->revisions[i];
        revision = (ngx_atomic_uint_t) revisions[i];

        if (revision > old || revision == 0) {
            (void) ngx_atomic_cmp_set(&rs->sh->revisions[i], old, revision);
        }
    }
}


static void
ngx_llmops_redis_count(ngx_llmops_redis_store_t *rs)
{
    u_char     now[NGX_INT64_LEN], until[NGX_INT64_LEN], id[17];
    int64_t    time;
    ngx_str_t  add[4] = { ngx_llmops_redis_word("ZADD") };
    ngx_str_t  drop[4] = { ngx_llmops_redis_word("ZREMRANGEBYSCORE") };
    ngx_str_t  card[2] = { ngx_llmops_redis_word("ZCARD") };

    time = ngx_llmops_redis_now(rs->redis);

    add[1] = rs->gateways;
    add[2].data = until;
    add[2].len = ngx_sprintf(until, "%L", time + NGX_LLMOPS_REDIS_LIVES)
                 - until;
    add[3].data = id;
    add[3].len = ngx_sprintf(id, "%016xL", (int64_t) rs->sh->id) - id;

    drop[1] = rs->gateways;
    ngx_str_set(&drop[2], "-inf");
    drop[3].data = now;
    drop[3].len = ngx_sprintf(now, "%L", time) - now;

    card[1] = rs->gateways;

    if (ngx_llmops_redis_command(rs->redis, &add[1], 4, add, NULL, NULL)
        && ngx_llmops_redis_command(rs->redis, &drop[1], 4, drop, NULL, NULL))
    {
        rs->counting = ngx_llmops_redis_command(rs->redis, &card[1], 2, card,
                                                ngx_llmops_redis_counted, rs);
    }
}


static void
ngx_llmops_redis_counted(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_store_t *rs = data;

    rs->counting = NULL;

    if (reply && reply->type == REDIS_REPLY_INTEGER && reply->integer > 0) {
        *rs->store->gateways = (ngx_atomic_uint_t) reply->integer;
    }
}
