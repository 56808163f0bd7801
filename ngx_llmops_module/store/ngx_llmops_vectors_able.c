
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_vectors_task.h"
#include "ngx_llmops_zone.h"


/*
 * What servers can do, by connection: the same address may be another version
 * tomorrow, and the nodes of a Cluster may be of two while it is upgraded.  Of
 * each connection that was asked something the answer is kept, of as many as
 * there may be nodes of interest; who has forgotten asks again.
 *
 * "ERR unknown command" is what Redis 7 and Valkey say, NOPERM a server whose
 * account may not.
 */


#define NGX_LLMOPS_VECTORS_KNOWN  64


typedef struct {
    ngx_uint_t                 generation; /* 0: empty */
    ngx_int_t                  able;       /* as _known() */
    unsigned                   asking:1;
} ngx_llmops_vectors_known_t;


static ngx_llmops_vectors_known_t *ngx_llmops_vectors_slot(
    ngx_uint_t generation);
static ngx_llmops_vectors_known_t *ngx_llmops_vectors_slot_new(
    ngx_uint_t generation);
static void ngx_llmops_vectors_probed(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_uint_t ngx_llmops_vectors_unknown(redisReply *reply);
static void ngx_llmops_vectors_tell(ngx_int_t able, redisReply *reply);


const ngx_str_t  ngx_llmops_vectors_kinds[] = {
    ngx_string("find"),
    ngx_string("add"),
    ngx_string("other")
};


const ngx_str_t  ngx_llmops_vectors_results[] = {
    ngx_string("ok"),
    ngx_string("failed"),
    ngx_string("busy"),
    ngx_string("unsupported")
};


/* of this worker */

static ngx_llmops_vectors_known_t  ngx_llmops_vectors_all[
                                                    NGX_LLMOPS_VECTORS_KNOWN];
static ngx_uint_t                  ngx_llmops_vectors_hand;
static ngx_llmops_vectors_sh_t    *ngx_llmops_vectors_sh;
static ngx_llmops_vectors_sh_t     ngx_llmops_vectors_own;
static ngx_log_t                  *ngx_llmops_vectors_log;


void
ngx_llmops_vectors_start(ngx_shm_zone_t *zone, ngx_log_t *log)
{
    ngx_str_t  name = ngx_string("redis");

    ngx_llmops_vectors_sh = zone
        ? ngx_llmops_zone_node(zone, NGX_LLMOPS_NODE_VECTORS, &name,
                               sizeof(ngx_llmops_vectors_sh_t))
        : NULL;

    if (ngx_llmops_vectors_sh == NULL) {
        ngx_llmops_vectors_sh = &ngx_llmops_vectors_own;
    }

    ngx_llmops_vectors_log = log;

    ngx_memzero(ngx_llmops_vectors_all, sizeof(ngx_llmops_vectors_all));
    ngx_llmops_vectors_tasks_start();
}


void
ngx_llmops_vectors_stop(void)
{
    ngx_llmops_vectors_tasks_stop();
}


void
ngx_llmops_vectors_count_result(ngx_llmops_vectors_kind_e kind,
    ngx_llmops_vectors_result_e result)
{
    (void) ngx_atomic_fetch_add(&ngx_llmops_vectors_sh->counts[kind][result],
                                1);
}


ngx_int_t
ngx_llmops_vectors_able(ngx_llmops_store_t *store, ngx_str_t *set)
{
    ngx_int_t                      rc;
    ngx_uint_t                     generation;
    ngx_llmops_vectors_known_t    *known;
    ngx_llmops_vectors_command_t   c;

    rc = ngx_llmops_vectors_begin(&c, store, set, "VCARD");

    if (rc != NGX_OK) {
        return NGX_DECLINED;
    }

    generation = ngx_llmops_redis_generation(c.redis, &c.key);

    if (generation == 0) {
        return NGX_AGAIN;
    }

    known = ngx_llmops_vectors_slot(generation);

    if (known == NULL) {
        known = ngx_llmops_vectors_slot_new(generation);
    }

    if (known->able != NGX_AGAIN || known->asking) {
        return known->able;
    }

    /* on this connection, or not at all */

    known->asking = (ngx_llmops_redis_send(c.redis, NGX_LLMOPS_REDIS_PINNED,
                                           &c.key, c.argc, c.argv,
                                           ngx_llmops_vectors_probed,
                                           (void *) generation)
                     != NULL);

    return NGX_AGAIN;
}


static void
ngx_llmops_vectors_probed(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_uint_t generation = (ngx_uint_t) data;

    ngx_llmops_vectors_known_t  *known;

    known = ngx_llmops_vectors_slot(generation);

    if (known) {
        known->asking = 0;
    }

    if (reply) {
        (void) ngx_llmops_vectors_learn(generation, reply);
    }
}


ngx_int_t
ngx_llmops_vectors_known(ngx_uint_t generation)
{
    ngx_llmops_vectors_known_t  *known;

    known = ngx_llmops_vectors_slot(generation);

    return known ? known->able : NGX_AGAIN;
}


ngx_int_t
ngx_llmops_vectors_learn(ngx_uint_t generation, redisReply *reply)
{
    ngx_int_t                    able;
    ngx_llmops_vectors_known_t  *known;

    if (reply->type != REDIS_REPLY_ERROR) {
        able = NGX_OK;

    } else if (ngx_llmops_vectors_unknown(reply)) {
        able = NGX_DECLINED;

    } else {
        return NGX_ERROR;
    }

    if (generation == 0) {
        return able;                   /* it is gone already */
    }

    known = ngx_llmops_vectors_slot(generation);

    if (known == NULL) {
        known = ngx_llmops_vectors_slot_new(generation);
    }

    if (known->able != able) {
        known->able = able;
        ngx_llmops_vectors_tell(able, reply);
    }

    return able;
}


static ngx_uint_t
ngx_llmops_vectors_unknown(redisReply *reply)
{
    return ngx_strncmp(reply->str, "ERR unknown command", 19) == 0
           || ngx_strncmp(reply->str, "NOPERM", 6) == 0;
}


/* once for all workers, until there is one that has them */

static void
ngx_llmops_vectors_tell(ngx_int_t able, redisReply *reply)
{
    u_char  *p, *last;

    if (able == NGX_OK) {
        ngx_llmops_vectors_sh->told = 0;
        return;
    }

    if (!ngx_atomic_cmp_set(&ngx_llmops_vectors_sh->told, 0, 1)) {
        return;
    }

    /* what follows is the command's arguments */

    last = (u_char *) reply->str + ngx_min(reply->len, 120);
    p = ngx_strlchr((u_char *) reply->str, last, ',');

    ngx_log_error(NGX_LOG_NOTICE, ngx_llmops_vectors_log, 0,
                  "redis has no vector sets, which come with Redis 8 "
                  "(\"%*s\"): vectors stay in the memory of this nginx",
                  (size_t) ((p ? p : last) - (u_char *) reply->str),
                  reply->str);
}


static ngx_llmops_vectors_known_t *
ngx_llmops_vectors_slot(ngx_uint_t generation)
{
    ngx_uint_t  i;

    if (generation == 0) {
        return NULL;
    }

    for (i = 0; i < NGX_LLMOPS_VECTORS_KNOWN; i++) {
        if (ngx_llmops_vectors_all[i].generation == generation) {
            return &ngx_llmops_vectors_all[i];
        }
    }

    return NULL;
}


static ngx_llmops_vectors_known_t *
ngx_llmops_vectors_slot_new(ngx_uint_t generation)
{
    ngx_llmops_vectors_known_t  *known;

    known = &ngx_llmops_vectors_all[ngx_llmops_vectors_hand];

    ngx_llmops_vectors_hand = (ngx_llmops_vectors_hand + 1)
                              % NGX_LLMOPS_VECTORS_KNOWN;

    known->generation = generation;
    known->able = NGX_AGAIN;
    known->asking = 0;

    return known;
}
