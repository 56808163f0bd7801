
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_store.h"


/*
 * The ledger's way to Redis.  What has been counted in shared memory and is
 * not there yet is carried over twice a second, in batches, by one worker of
 * each gateway: all sums, and the number of the batch as the gateway's last
 * one, in one transaction.  A batch whose reply was lost is kept; the next
 * time its number tells whether it had arrived.  If the worker dies the next
 * one gets the same batch, from shared memory.
 *
 * A day is one hash.  A field is the row's parts, each with its length before
 * it, and a letter that says which of its sums this is.
 */


#define NGX_LLMOPS_REDIS_BATCH     64      /* rows */
#define NGX_LLMOPS_REDIS_CARRY     500     /* ms */
#define NGX_LLMOPS_REDIS_HURRY     20      /* ms: there is more; or it ends */
#define NGX_LLMOPS_REDIS_LAST      10      /* tries of a worker that ends */
#define NGX_LLMOPS_REDIS_KEPT      (400 * 86400)   /* s that a day is kept */
#define NGX_LLMOPS_REDIS_FIELD     (4 * (NGX_LLMOPS_LEDGER_PART + 4) + 1)


typedef struct {
    ngx_llmops_redis_turn_t    turn;       /* first */
    ngx_llmops_redis_store_t  *rs;
    ngx_pool_t                *pool;
    ngx_array_t               *rows;       /* of ngx_llmops_ledger_row_t */
    uint64_t                   number;
    ngx_str_t                  last;       /* key of the gateway's last one */
} ngx_llmops_redis_batch_t;


static void ngx_llmops_redis_carry(ngx_event_t *ev);
static ngx_llmops_redis_batch_t *ngx_llmops_redis_batch(
    ngx_llmops_redis_store_t *rs);
static void ngx_llmops_redis_carry_again(ngx_llmops_redis_store_t *rs,
    ngx_msec_t ms);
static void ngx_llmops_redis_carry_run(ngx_llmops_redis_turn_t *turn);
static void ngx_llmops_redis_carry_last(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_redis_carry_send(ngx_llmops_redis_batch_t *b);
static ngx_llmops_redis_cmd_t *ngx_llmops_redis_carry_ask(
    ngx_llmops_redis_batch_t *b, ngx_uint_t argc, ngx_str_t *argv,
    ngx_llmops_redis_pt handler);
static ngx_int_t ngx_llmops_redis_carry_row(ngx_llmops_redis_batch_t *b,
    ngx_llmops_ledger_row_t *row, ngx_str_t *day);
static ngx_int_t ngx_llmops_redis_carry_day(ngx_llmops_redis_batch_t *b,
    ngx_str_t *day);
static void ngx_llmops_redis_carried(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_redis_carry_done(ngx_llmops_redis_batch_t *b);


ngx_int_t
ngx_llmops_redis_carry_start(ngx_llmops_redis_store_t *rs)
{
    rs->carry.handler = ngx_llmops_redis_carry;
    rs->carry.data = rs;
    rs->carry.log = rs->log;

    ngx_add_timer(&rs->carry, NGX_LLMOPS_REDIS_CARRY);

    return NGX_OK;
}


void
ngx_llmops_redis_carry_stop(ngx_llmops_redis_store_t *rs)
{
    ngx_llmops_redis_batch_t *b = rs->batch;

    if (rs->carry.timer_set) {
        ngx_del_timer(&rs->carry);
    }

    if (b) {                                 /* another worker gets it again */
        rs->batch = NULL;
        ngx_destroy_pool(b->pool);
    }
}


static void
ngx_llmops_redis_carry(ngx_event_t *ev)
{
    ngx_llmops_redis_store_t  *rs = ev->data;
    ngx_llmops_redis_batch_t  *b;

    b = rs->batch;

    if (b == NULL && ngx_llmops_redis_up(rs->redis, &rs->revisions)) {
        b = ngx_llmops_redis_batch(rs);
        rs->batch = b;
    }

    if (b && !b->turn.waiting && rs->carry_tries < NGX_LLMOPS_REDIS_LAST) {
        rs->carry_tries += ngx_exiting ? 1 : 0;
        ngx_llmops_redis_turn_take(rs, &b->turn);
    }

    if (!ngx_exiting) {
        ngx_llmops_redis_carry_again(rs, NGX_LLMOPS_REDIS_CARRY);
        return;
    }

    /* what its last requests have used shall not stay behind, if there is
       somebody to take it: who only refuses it does not keep a worker from
       ending, the next one finds it in shared memory.  Our own timer does not
       count, it has just fired */

    if (ngx_event_no_timers_left() != NGX_OK
        || (rs->batch && rs->carry_tries < NGX_LLMOPS_REDIS_LAST
            && ngx_llmops_redis_up(rs->redis, &rs->revisions)))
    {
        ngx_llmops_redis_carry_again(rs, NGX_LLMOPS_REDIS_HURRY);
    }
}


static void
ngx_llmops_redis_carry_again(ngx_llmops_redis_store_t *rs, ngx_msec_t ms)
{
    if (rs->carry.timer_set) {
        ngx_del_timer(&rs->carry);
    }

    ngx_add_timer(&rs->carry, ms);
}


static ngx_llmops_redis_batch_t *
ngx_llmops_redis_batch(ngx_llmops_redis_store_t *rs)
{
    u_char                     text[sizeof("l:last:") + 16];
    ngx_pool_t                *pool;
    ngx_llmops_redis_batch_t  *b;

    pool = ngx_create_pool(4096, rs->log);
    if (pool == NULL) {
        return NULL;
    }

    b = ngx_pcalloc(pool, sizeof(ngx_llmops_redis_batch_t));

    if (b) {
        b->rs = rs;
        b->pool = pool;
        b->turn.run = ngx_llmops_redis_carry_run;
        b->last = ngx_llmops_redis_key(rs, pool, (char *) text,
                             ngx_sprintf(text, "l:last:%016xL",
                                         (int64_t) rs->sh->id)
                             - text);

        if (b->last.len
            && ngx_llmops_ledger_take(rs->store, NGX_LLMOPS_REDIS_BATCH, pool,
                                      &b->rows, &b->number)
               == NGX_OK)
        {
            return b;
        }
    }

    ngx_destroy_pool(pool);

    return NULL;
}


static void
ngx_llmops_redis_carry_run(ngx_llmops_redis_turn_t *turn)
{
    ngx_str_t                  argv[2] = { ngx_llmops_redis_word("GET") };
    ngx_llmops_redis_batch_t  *b = (ngx_llmops_redis_batch_t *) turn;

    argv[1] = b->last;

    if (ngx_llmops_redis_command(b->rs->redis, &b->last, 2, argv,
                                 ngx_llmops_redis_carry_last, b)
        == NULL)
    {
        ngx_llmops_redis_turn_end(b->rs, turn);
    }
}


static void
ngx_llmops_redis_carry_last(redisReply *reply, ngx_uint_t sent, void *data)
{
    u_char                     number[NGX_INT64_LEN];
    size_t                     len;
    ngx_llmops_redis_batch_t  *b = data;

    len = ngx_sprintf(number, "%uL", b->number) - number;

    if (reply && reply->type == REDIS_REPLY_STRING
        && (size_t) reply->len == len
        && ngx_memcmp(reply->str, number, len) == 0)
    {
        ngx_llmops_redis_carry_done(b);      /* it had arrived */
        return;
    }

    if (reply == NULL || (reply->type != REDIS_REPLY_STRING
                          && reply->type != REDIS_REPLY_NIL))
    {
        /* the next tick tries again */

        ngx_llmops_redis_turn_end(b->rs, &b->turn);
        return;
    }

    if (ngx_llmops_redis_carry_send(b) != NGX_OK) {
        ngx_llmops_redis_discard(b->rs);
        ngx_llmops_redis_turn_end(b->rs, &b->turn);
    }
}


static ngx_int_t
ngx_llmops_redis_carry_send(ngx_llmops_redis_batch_t *b)
{
    u_char                    number[NGX_INT64_LEN], day[sizeof("l:20261125")];
    uint32_t                  last;
    ngx_str_t                 key, set[5];
    ngx_str_t                 multi = ngx_llmops_redis_word("MULTI");
    ngx_str_t                 exec = ngx_llmops_redis_word("EXEC");
    ngx_uint_t                i;
    ngx_llmops_ledger_row_t  *row;

    ngx_str_set(&set[0], "SET");
    set[1] = b->last;
    set[2].data = number;
    set[2].len = ngx_sprintf(number, "%uL", b->number) - number;
    ngx_str_set(&set[3], "EX");
    ngx_str_set(&set[4], "34560000");

    if (ngx_llmops_redis_carry_ask(b, 1, &multi, NULL) == NULL) {
        return NGX_ERROR;
    }

    row = b->rows->elts;
    last = 0;
    ngx_str_null(&key);

    for (i = 0; i < b->rows->nelts; i++) {

        if (row[i].day != last) {
            last = row[i].day;
            key = ngx_llmops_redis_key(b->rs, b->pool, (char *) day,
                                       ngx_sprintf(day, "l:%08uD", last)
                                       - day);

            if (key.len == 0
                || ngx_llmops_redis_carry_day(b, &key) != NGX_OK)
            {
                return NGX_ERROR;
            }
        }

        if (ngx_llmops_redis_carry_row(b, &row[i], &key) != NGX_OK) {
            return NGX_ERROR;
        }
    }

    return ngx_llmops_redis_carry_ask(b, 5, set, NULL)
           && ngx_llmops_redis_carry_ask(b, 1, &exec,
                                         ngx_llmops_redis_carried)
           ? NGX_OK : NGX_ERROR;
}


/* never redirected, so that the whole is carried out by one server or none */

static ngx_llmops_redis_cmd_t *
ngx_llmops_redis_carry_ask(ngx_llmops_redis_batch_t *b, ngx_uint_t argc,
    ngx_str_t *argv, ngx_llmops_redis_pt handler)
{
    return ngx_llmops_redis_send(b->rs->redis, NGX_LLMOPS_REDIS_PINNED,
                                 &b->last, argc, argv, handler,
                                 handler ? b : NULL);
}


static ngx_int_t
ngx_llmops_redis_carry_row(ngx_llmops_redis_batch_t *b,
    ngx_llmops_ledger_row_t *row, ngx_str_t *day)
{
    u_char      field[NGX_LLMOPS_REDIS_FIELD], number[NGX_INT64_LEN], *p;
    ngx_str_t  *parts[4], argv[4] = { ngx_llmops_redis_word("HINCRBY") };
    ngx_uint_t  i;

    parts[0] = &row->client;
    parts[1] = &row->tenant;
    parts[2] = &row->route;
    parts[3] = &row->model;

    p = field;

    for (i = 0; i < 4; i++) {
        p = ngx_sprintf(p, "%uz:%V", parts[i]->len, parts[i]);
    }

    argv[1] = *day;
    argv[2].data = field;
    argv[2].len = p - field + 1;
    argv[3].data = number;

    for (i = 0; i < NGX_LLMOPS_LEDGER_MAX; i++) {

        if (row->sums[i] == 0) {
            continue;
        }

        *p = NGX_LLMOPS_REDIS_SUMS[i];
        argv[3].len = ngx_sprintf(number, "%L", row->sums[i]) - number;

        if (ngx_llmops_redis_carry_ask(b, 4, argv, NULL) == NULL) {
            return NGX_ERROR;
        }
    }

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_redis_carry_day(ngx_llmops_redis_batch_t *b, ngx_str_t *day)
{
    u_char     number[NGX_TIME_T_LEN];
    ngx_str_t  argv[3] = { ngx_llmops_redis_word("EXPIREAT") };

    argv[1] = *day;
    argv[2].data = number;
    argv[2].len = ngx_sprintf(number, "%T", ngx_time() + NGX_LLMOPS_REDIS_KEPT)
                  - number;

    return ngx_llmops_redis_carry_ask(b, 3, argv, NULL) ? NGX_OK : NGX_ERROR;
}


static void
ngx_llmops_redis_carried(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_batch_t *b = data;

    ngx_llmops_redis_store_t  *rs = b->rs;

    if (reply && reply->type == REDIS_REPLY_ARRAY) {
        ngx_llmops_redis_carry_done(b);
        return;
    }

    /* it is tried twice a second, and said once a minute */

    if (reply && reply->type == REDIS_REPLY_ERROR
        && ngx_time() >= rs->carry_logged + 60)
    {
        rs->carry_logged = ngx_time();
        ngx_log_error(NGX_LOG_ERR, rs->log, 0,
                      "redis refuses the usage ledger, it is kept and tried "
                      "again: %s", reply->str);
    }

    ngx_llmops_redis_turn_end(rs, &b->turn);
}


static void
ngx_llmops_redis_carry_done(ngx_llmops_redis_batch_t *b)
{
    ngx_uint_t                 more;
    ngx_llmops_redis_store_t  *rs = b->rs;

    more = (b->rows->nelts >= NGX_LLMOPS_REDIS_BATCH);

    ngx_llmops_ledger_done(rs->store, b->number, 1);

    rs->batch = NULL;
    rs->carry_tries = 0;

    ngx_llmops_redis_turn_end(rs, &b->turn);
    ngx_destroy_pool(b->pool);

    if (more) {
        ngx_llmops_redis_carry_again(rs, NGX_LLMOPS_REDIS_HURRY);
    }
}
