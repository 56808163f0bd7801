
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_store.h"


/*
 * A document is changed as Redis means it: WATCH, read, and, if it is what is
 * expected, write and count the kind's revision up in one transaction, which
 * fails if anybody has changed the hash since.  Then it begins again.
 *
 * WATCH belongs to the connection, so that changes of one worker take turns.
 * Other commands may come between, they do no harm; but the transaction leaves
 * only on the connection that watches.  A connection that was lost after the
 * transaction had left leaves it open whether it was made: that is an error
 * for the caller, who looks and tries again.  One that is still being opened,
 * as in a worker that has just started, is waited for, as all commands do.
 *
 * In a Cluster none of these commands is redirected: a transaction is carried
 * out by one server or not at all.  Where its slot has moved meanwhile it is
 * tried again with the new map.  A try that was made all the same, though its
 * reply said otherwise, is found by the next one: its own revision, with its
 * own value, and that is success.
 *
 * The first revision of a kind is a time, so that one that was counted in a
 * server that has lost everything since does not come back.
 */


#define NGX_LLMOPS_REDIS_TRIES     16


static ngx_int_t ngx_llmops_redis_change(ngx_llmops_store_t *store,
    ngx_llmops_docop_t *op, ngx_uint_t removing);
static void ngx_llmops_redis_change_run(ngx_llmops_redis_turn_t *turn);
static void ngx_llmops_redis_change_open(ngx_llmops_redis_task_t *task,
    ngx_str_t *get);
static void ngx_llmops_redis_change_opened(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_llmops_redis_cmd_t *ngx_llmops_redis_change_ask(
    ngx_llmops_redis_task_t *task, ngx_uint_t argc, ngx_str_t *argv,
    ngx_llmops_redis_pt handler);
static void ngx_llmops_redis_change_read(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_redis_change_write(ngx_llmops_redis_task_t *task,
    uint64_t revision);
static ngx_uint_t ngx_llmops_redis_change_sent(ngx_llmops_redis_task_t *task,
    ngx_str_t *field);
static void ngx_llmops_redis_change_made(redisReply *reply, ngx_uint_t sent,
    void *data);


ngx_int_t
ngx_llmops_redis_put(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    if (op->id.len > NGX_LLMOPS_DOC_ID
        || op->value.len > ngx_llmops_doc_max(op->docs))
    {
        op->rc = NGX_BUSY;
        return NGX_OK;
    }

    return ngx_llmops_redis_change(store, op, 0);
}


ngx_int_t
ngx_llmops_redis_remove(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    return ngx_llmops_redis_change(store, op, 1);
}


static ngx_int_t
ngx_llmops_redis_change(ngx_llmops_store_t *store, ngx_llmops_docop_t *op,
    ngx_uint_t removing)
{
    ngx_llmops_redis_task_t   *task;
    ngx_llmops_redis_store_t  *rs = store->redis;

    if (!ngx_llmops_redis_takes(rs->redis, &rs->docs[op->docs])) {
        op->rc = NGX_ERROR;
        return NGX_OK;
    }

    task = ngx_llmops_redis_task(rs, op);
    if (task == NULL) {
        return NGX_ERROR;
    }

    task->removing = removing;
    task->turn.run = ngx_llmops_redis_change_run;

    ngx_llmops_redis_turn_take(rs, &task->turn);

    /* it may be over by now, and the task gone */

    if (op->engine == NULL) {
        return NGX_OK;
    }

    task->later = 1;

    return NGX_AGAIN;
}


static void
ngx_llmops_redis_change_run(ngx_llmops_redis_turn_t *turn)
{
    ngx_str_t                 *key;
    ngx_str_t                  watch[2] = { ngx_llmops_redis_word("WATCH") };
    ngx_str_t                  get[3] = { ngx_llmops_redis_word("HGET") };
    ngx_llmops_redis_task_t   *task = (ngx_llmops_redis_task_t *) turn;
    ngx_llmops_redis_store_t  *rs = task->rs;

    key = &rs->docs[task->op->docs];

    watch[1] = *key;
    get[1] = *key;
    get[2] = task->op->id;

    task->generation = ngx_llmops_redis_generation(rs->redis, key);
    task->cmd = NULL;

    if (task->generation == 0) {
        ngx_llmops_redis_change_open(task, get);
        return;
    }

    if (ngx_llmops_redis_change_ask(task, 2, watch, NULL)) {
        task->watching = 1;
        task->cmd = ngx_llmops_redis_change_ask(task, 3, get,
                                                ngx_llmops_redis_change_read);
    }

    if (task->cmd == NULL) {
        ngx_llmops_redis_task_done(task, NGX_ERROR);
    }
}


/* what WATCH would belong to is not there yet: the reply to a command that
   does no harm says when it is */

static void
ngx_llmops_redis_change_open(ngx_llmops_redis_task_t *task, ngx_str_t *get)
{
    ngx_llmops_redis_store_t  *rs = task->rs;

    if (task->tries++ < NGX_LLMOPS_REDIS_TRIES) {
        task->cmd = ngx_llmops_redis_command(rs->redis,
                                             &rs->docs[task->op->docs], 3, get,
                                             ngx_llmops_redis_change_opened,
                                             task);
    }

    if (task->cmd == NULL) {
        ngx_llmops_redis_task_done(task, NGX_ERROR);
    }
}


static void
ngx_llmops_redis_change_opened(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_task_t *task = data;

    task->cmd = NULL;

    if (reply == NULL) {
        ngx_llmops_redis_task_done(task, NGX_ERROR);
        return;
    }

    ngx_llmops_redis_change_run(&task->turn);
}


/* never redirected: it is carried out where the others are, or not at all */

static ngx_llmops_redis_cmd_t *
ngx_llmops_redis_change_ask(ngx_llmops_redis_task_t *task, ngx_uint_t argc,
    ngx_str_t *argv, ngx_llmops_redis_pt handler)
{
    ngx_llmops_redis_store_t  *rs = task->rs;

    return ngx_llmops_redis_send(rs->redis, NGX_LLMOPS_REDIS_PINNED,
                                 &rs->docs[task->op->docs], argc, argv,
                                 handler, handler ? task : NULL);
}


static void
ngx_llmops_redis_change_read(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_task_t *task = data;

    uint64_t             revision;
    ngx_str_t            field;
    ngx_llmops_doc_t     doc;
    ngx_llmops_docop_t  *op;

    op = task->op;
    task->cmd = NULL;

    if (reply && reply->type == REDIS_REPLY_ERROR && task->rs->conf->cluster
        && ++task->tries < NGX_LLMOPS_REDIS_TRIES)
    {
        ngx_llmops_redis_change_run(&task->turn);       /* it has moved */
        return;
    }

    if (reply == NULL || (reply->type != REDIS_REPLY_STRING
                          && reply->type != REDIS_REPLY_NIL))
    {
        ngx_llmops_redis_task_done(task, NGX_ERROR);
        return;
    }

    revision = 0;
    doc.revision = 0;

    if (reply->type == REDIS_REPLY_STRING) {
        field.data = (u_char *) reply->str;
        field.len = reply->len;

        if (ngx_llmops_redis_doc_parse(&field, &doc, ngx_time()) == NGX_OK) {
            revision = doc.revision;
        }

        /* revisions go on behind one that has expired, but a sweep is meant
           for just that one */

        if (task->removing && op->expected == doc.revision) {
            revision = doc.revision;
        }
    }

    if (task->written && revision == task->written
        && doc.value.len == op->value.len
        && ngx_memcmp(doc.value.data, op->value.data, op->value.len) == 0)
    {
        op->doc.revision = revision;
        ngx_llmops_redis_task_done(task, NGX_OK);
        return;
    }

    if ((op->expected != NGX_LLMOPS_REVISION_ANY && op->expected != revision)
        || (task->removing && revision == 0))
    {
        ngx_llmops_redis_task_done(task, NGX_DECLINED);
        return;
    }

    ngx_llmops_redis_change_write(task, doc.revision);
}


static void
ngx_llmops_redis_change_write(ngx_llmops_redis_task_t *task, uint64_t revision)
{
    u_char                    *p;
    ngx_str_t                  field;
    ngx_llmops_docop_t        *op;
    ngx_llmops_redis_store_t  *rs = task->rs;

    op = task->op;

    if (task->generation
        != ngx_llmops_redis_generation(rs->redis, &rs->docs[op->docs]))
    {
        ngx_llmops_redis_task_done(task, NGX_ERROR);
        return;
    }

    field.data = ngx_alloc(2 * NGX_INT64_LEN + 2 + op->value.len, rs->log);

    if (field.data == NULL) {
        ngx_llmops_redis_task_done(task, NGX_ERROR);
        return;
    }

    task->written = task->removing ? 0 : revision + 1;

    p = ngx_sprintf(field.data, "%uL %T\n", revision + 1, op->expires);
    p = ngx_cpymem(p, op->value.data, op->value.len);
    field.len = p - field.data;

    /* the transaction ends the watching, whatever becomes of it */

    task->watching = 0;

    if (!ngx_llmops_redis_change_sent(task, &field)) {
        ngx_llmops_redis_discard(rs);
        ngx_llmops_redis_task_done(task, NGX_ERROR);
    }

    ngx_free(field.data);
}


/* all in one turn, so that nothing comes between them */

static ngx_uint_t
ngx_llmops_redis_change_sent(ngx_llmops_redis_task_t *task, ngx_str_t *field)
{
    u_char                     number[NGX_INT64_LEN], kind[NGX_INT_T_LEN];
    ngx_str_t                 *key, set[4], first[4], count[4];
    ngx_str_t                  multi = ngx_llmops_redis_word("MULTI");
    ngx_str_t                  exec = ngx_llmops_redis_word("EXEC");
    ngx_llmops_redis_store_t  *rs = task->rs;

    key = &rs->docs[task->op->docs];

    ngx_str_set(&set[0], "HSET");
    set[1] = *key;
    set[2] = task->op->id;
    set[3] = *field;

    if (task->removing) {
        ngx_str_set(&set[0], "HDEL");
    }

    ngx_str_set(&first[0], "HSETNX");
    first[1] = rs->revisions;
    first[2].data = kind;
    first[2].len = ngx_sprintf(kind, "%ui", (ngx_uint_t) task->op->docs) - kind;
    first[3].data = number;
    first[3].len = ngx_sprintf(number, "%L", ngx_llmops_redis_now(rs->redis))
                   - number;

    ngx_str_set(&count[0], "HINCRBY");
    count[1] = first[1];
    count[2] = first[2];
    ngx_str_set(&count[3], "1");

    if (ngx_llmops_redis_change_ask(task, 1, &multi, NULL) == NULL
        || ngx_llmops_redis_change_ask(task, task->removing ? 3 : 4, set, NULL)
           == NULL
        || ngx_llmops_redis_change_ask(task, 4, first, NULL) == NULL
        || ngx_llmops_redis_change_ask(task, 4, count, NULL) == NULL)
    {
        return 0;
    }

    task->cmd = ngx_llmops_redis_change_ask(task, 1, &exec,
                                            ngx_llmops_redis_change_made);

    return task->cmd != NULL;
}


static void
ngx_llmops_redis_change_made(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_task_t *task = data;

    redisReply                *count;
    ngx_llmops_docop_t        *op;
    ngx_llmops_redis_store_t  *rs = task->rs;

    op = task->op;
    task->cmd = NULL;

    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 3
        && reply->element[0]->type == REDIS_REPLY_INTEGER)
    {
        count = reply->element[2];

        if (count->type == REDIS_REPLY_INTEGER) {
            rs->sh->revisions[op->docs] = (ngx_atomic_uint_t) count->integer;
        }

        op->doc.revision = task->written;
        ngx_llmops_redis_task_done(task, NGX_OK);
        return;
    }

    /* nil: somebody was faster; an error: a slot is on its way, or what was
       sent has been refused and will be again */

    if (reply && (reply->type == REDIS_REPLY_NIL
                  || (reply->type == REDIS_REPLY_ERROR && rs->conf->cluster))
        && ++task->tries < NGX_LLMOPS_REDIS_TRIES)
    {
        if (reply->type == REDIS_REPLY_NIL) {

            /* nothing was written: the same value there is another's */

            task->written = 0;
        }

        ngx_llmops_redis_change_run(&task->turn);
        return;
    }

    ngx_llmops_redis_task_done(task, NGX_ERROR);
}
