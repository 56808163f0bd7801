
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_vectors_task.h"


/*
 * Vector sets of Redis 8.  Their commands have a connection of their own:
 * vectors are large, and adding one to a large set takes the server a
 * millisecond, while one command that is late stops all others of its
 * connection (ngx_llmops_redis_deadline.c), which must not happen to limits.
 *
 * A command is sent before anybody knows whether the server has vector sets:
 * its reply tells, and from then on commands for servers that have none are
 * not sent.  So nothing is asked at a connection's beginning by those who never
 * need them.
 *
 * What is under way is bounded, so that searches do not wait for long behind a
 * flood of new vectors; who is told NGX_BUSY tries again when he has heard of
 * what he sent before.  A change that is late is waited for, as it will be
 * carried out, whatever is thought of it here.
 *
 * A search is carried out by a thread of the server's, during which only this
 * connection's next commands wait: less than 1 ms for a thousand vectors (see
 * bench/cache_redis.py).  Additions are made in the server's own thread (no
 * CAS), so that a search that follows finds them.
 */


#define NGX_LLMOPS_VECTORS_LOG       60    /* s between lines about errors */


static ngx_llmops_vectors_task_t *ngx_llmops_vectors_task(
    ngx_llmops_vectors_command_t *c, ngx_llmops_vectors_ask_t *ask,
    ngx_llmops_vectors_kind_e kind);
static void ngx_llmops_vectors_reply(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_vectors_judge(ngx_llmops_vectors_task_t *task,
    redisReply *reply);


/* of this worker */

static ngx_llmops_redis_t  *ngx_llmops_vectors_redis;  /* NULL: not used */
static ngx_queue_t          ngx_llmops_vectors_tasks;
static ngx_uint_t           ngx_llmops_vectors_waiting;
static size_t               ngx_llmops_vectors_bytes;
static time_t               ngx_llmops_vectors_logged;


ngx_int_t
ngx_llmops_vectors_begin(ngx_llmops_vectors_command_t *c,
    ngx_llmops_store_t *store, ngx_str_t *set, const char *word)
{
    ngx_str_t  prefix;

    c->argc = 0;

    if (ngx_llmops_redis_of(store, &prefix) == NULL) {
        return NGX_DECLINED;
    }

    if (ngx_llmops_vectors_redis == NULL) {
        ngx_llmops_vectors_redis = ngx_llmops_redis_another(store);
    }

    c->redis = ngx_llmops_vectors_redis;

    if (c->redis == NULL) {
        return NGX_DECLINED;
    }

    if (set->len == 0 || set->len > NGX_LLMOPS_VECTORS_NAME
        || prefix.len > sizeof(c->buf) - NGX_LLMOPS_VECTORS_NAME - 8
        || ngx_strlchr(set->data, set->data + set->len, '{')
        || ngx_strlchr(set->data, set->data + set->len, '}'))
    {
        return NGX_ERROR;
    }

    c->key.data = c->buf;
    c->key.len = ngx_sprintf(c->buf, "%V:v:{%V}", &prefix, set) - c->buf;

    ngx_llmops_vectors_word(c, word);
    ngx_llmops_vectors_arg(c, &c->key);

    return NGX_OK;
}


void
ngx_llmops_vectors_word(ngx_llmops_vectors_command_t *c, const char *word)
{
    c->argv[c->argc].data = (u_char *) word;
    c->argv[c->argc++].len = ngx_strlen(word);
}


void
ngx_llmops_vectors_arg(ngx_llmops_vectors_command_t *c, ngx_str_t *arg)
{
    c->argv[c->argc++] = *arg;
}


ngx_int_t
ngx_llmops_vectors_send(ngx_llmops_vectors_command_t *c,
    ngx_llmops_vectors_ask_t *ask, ngx_llmops_vectors_kind_e kind,
    ngx_llmops_vectors_read_pt read, ngx_llmops_vectors_task_t **sent)
{
    size_t                      size;
    ngx_uint_t                  i, flags, generation;
    ngx_llmops_vectors_task_t  *task;

    generation = ngx_llmops_redis_generation(c->redis, &c->key);

    if (ngx_llmops_vectors_known(generation) == NGX_DECLINED) {
        ngx_llmops_vectors_count_result(kind, NGX_LLMOPS_VECTORS_NONE);
        return NGX_DECLINED;
    }

    size = 0;

    for (i = 0; i < c->argc; i++) {
        size += c->argv[i].len;
    }

    if (ngx_llmops_vectors_waiting == NGX_LLMOPS_VECTORS_WAITING
        || ngx_llmops_vectors_bytes + size > NGX_LLMOPS_VECTORS_BYTES)
    {
        ngx_llmops_vectors_count_result(kind, NGX_LLMOPS_VECTORS_BUSY);
        return NGX_BUSY;
    }

    task = ngx_llmops_vectors_task(c, ask, kind);
    if (task == NULL) {
        return NGX_ERROR;
    }

    task->read = read;
    task->size = size;
    task->generation = generation;

    flags = (kind == NGX_LLMOPS_VECTORS_FIND) ? 0 : NGX_LLMOPS_REDIS_PATIENT;

    if (ngx_llmops_redis_send(c->redis, flags, &c->key, c->argc, c->argv,
                              ngx_llmops_vectors_reply, task)
        == NULL)
    {
        ngx_free(task);
        ngx_llmops_vectors_count_result(kind, NGX_LLMOPS_VECTORS_FAILED);
        return NGX_DECLINED;
    }

    ngx_queue_insert_tail(&ngx_llmops_vectors_tasks, &task->queue);
    ngx_llmops_vectors_waiting++;
    ngx_llmops_vectors_bytes += size;

    if (ask) {
        ask->rc = NGX_ERROR;
        ask->n = 0;
        ngx_str_null(&ask->value);
        ask->hits = NULL;
        ask->nhits = 0;
        ask->task = task;
    }

    if (sent) {
        *sent = task;
    }

    return NGX_AGAIN;
}


static ngx_llmops_vectors_task_t *
ngx_llmops_vectors_task(ngx_llmops_vectors_command_t *c,
    ngx_llmops_vectors_ask_t *ask, ngx_llmops_vectors_kind_e kind)
{
    ngx_llmops_vectors_task_t  *task;

    task = ngx_calloc(sizeof(ngx_llmops_vectors_task_t), ngx_cycle->log);

    if (task) {
        task->ask = ask;
        task->kind = kind;
        task->key_len = c->key.len;
        ngx_memcpy(task->key, c->key.data, c->key.len);
    }

    return task;
}


static void
ngx_llmops_vectors_reply(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_vectors_task_t *task = data;

    ngx_int_t  rc;

    if (reply == NULL) {
        ngx_llmops_vectors_done(task, NGX_ERROR);
        return;
    }

    rc = ngx_llmops_vectors_judge(task, reply);

    if (rc == NGX_ERROR) {
        ngx_llmops_vectors_complain(task->ask ? task->ask->log
                                              : ngx_cycle->log, reply);
    }

    if (rc == NGX_OK && task->ask) {
        rc = task->read(task, reply);
    }

    if (rc != NGX_AGAIN) {
        ngx_llmops_vectors_done(task, rc);
    }
}


/* NGX_OK; NGX_DECLINED: there are no vector sets; NGX_ERROR */

static ngx_int_t
ngx_llmops_vectors_judge(ngx_llmops_vectors_task_t *task, redisReply *reply)
{
    ngx_str_t  key;

    if (task->plain) {
        return reply->type == REDIS_REPLY_ERROR ? NGX_ERROR : NGX_OK;
    }

    if (task->generation == 0) {
        key.data = task->key;
        key.len = task->key_len;

        task->generation = ngx_llmops_redis_generation(
                               ngx_llmops_vectors_redis, &key);
    }

    return ngx_llmops_vectors_learn(task->generation, reply);
}


void
ngx_llmops_vectors_done(ngx_llmops_vectors_task_t *task, ngx_int_t rc)
{
    ngx_llmops_vectors_ask_t *ask = task->ask;

    ngx_queue_remove(&task->queue);
    ngx_llmops_vectors_waiting--;
    ngx_llmops_vectors_bytes -= task->size;

    ngx_llmops_vectors_count_result(task->kind,
                               rc == NGX_OK ? NGX_LLMOPS_VECTORS_DONE
                               : rc == NGX_DECLINED ? NGX_LLMOPS_VECTORS_NONE
                               : NGX_LLMOPS_VECTORS_FAILED);

    if (ask) {
        ask->task = NULL;
        ask->rc = rc;

        if (rc != NGX_OK) {
            ask->nhits = 0;
        }

        ask->handler(ask);
    }

    if (task->pool) {
        ngx_destroy_pool(task->pool);
    }

    ngx_free(task);
}


void
ngx_llmops_vectors_forget(ngx_llmops_vectors_ask_t *ask)
{
    ngx_llmops_vectors_task_t *task = ask->task;

    if (task) {
        task->ask = NULL;
        ask->task = NULL;
    }
}


/* said once in a while: a flood of them is one fault */

void
ngx_llmops_vectors_complain(ngx_log_t *log, redisReply *reply)
{
    if (ngx_llmops_vectors_logged
        && ngx_time() - ngx_llmops_vectors_logged < NGX_LLMOPS_VECTORS_LOG)
    {
        return;
    }

    ngx_llmops_vectors_logged = ngx_time();

    ngx_log_error(NGX_LOG_WARN, log, 0, "vectors in redis: %*s",
                  (size_t) ngx_min(reply->len, 200), reply->str);
}


ngx_llmops_redis_cmd_t *
ngx_llmops_vectors_command(ngx_uint_t argc, ngx_str_t *argv,
    ngx_llmops_redis_pt handler, void *data)
{
    return ngx_llmops_redis_command(ngx_llmops_vectors_redis, &argv[1], argc,
                                    argv, handler, data);
}


void
ngx_llmops_vectors_tasks_start(void)
{
    ngx_queue_init(&ngx_llmops_vectors_tasks);
    ngx_llmops_vectors_waiting = 0;
    ngx_llmops_vectors_bytes = 0;
}


/* the transport calls no handlers any more */

void
ngx_llmops_vectors_tasks_stop(void)
{
    ngx_queue_t                *q;
    ngx_llmops_vectors_task_t  *task;

    if (ngx_llmops_vectors_redis) {
        ngx_llmops_redis_stop(ngx_llmops_vectors_redis);
        ngx_llmops_vectors_redis = NULL;
    }

    while (!ngx_queue_empty(&ngx_llmops_vectors_tasks)) {
        q = ngx_queue_head(&ngx_llmops_vectors_tasks);
        task = ngx_queue_data(q, ngx_llmops_vectors_task_t, queue);

        ngx_queue_remove(q);

        if (task->ask) {
            task->ask->task = NULL;
        }

        if (task->pool) {
            ngx_destroy_pool(task->pool);
        }

        ngx_free(task);
    }
}
