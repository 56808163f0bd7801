
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_store.h"


/*
 * Documents on Redis: a hash of each kind, whose field is the id and whose
 * value is "REVISION EXPIRES\n" and the document.  Fields do not expire by
 * themselves: what has expired is not seen, and a list removes what it comes
 * upon.
 *
 * Reading is one command.  Changing is in ngx_llmops_redis_change.c.
 */


#define NGX_LLMOPS_REDIS_SWEPT     4       /* expired ones removed by a page */


static ngx_int_t ngx_llmops_redis_ask(ngx_llmops_redis_task_t *task,
    ngx_uint_t argc, ngx_str_t *argv, ngx_llmops_redis_pt handler);
static void ngx_llmops_redis_got(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_redis_copy(ngx_pool_t *pool,
    ngx_llmops_doc_t *doc, ngx_str_t *id, ngx_llmops_doc_t *from);
static void ngx_llmops_redis_listed(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_redis_page(ngx_llmops_redis_task_t *task,
    redisReply *reply);
static void ngx_llmops_redis_sweep(ngx_llmops_redis_store_t *rs,
    ngx_llmops_docs_e docs, ngx_str_t *id, uint64_t revision);
static void ngx_llmops_redis_swept(ngx_llmops_docop_t *op);


ngx_llmops_redis_task_t *
ngx_llmops_redis_task(ngx_llmops_redis_store_t *rs, ngx_llmops_docop_t *op)
{
    ngx_llmops_redis_task_t  *task;

    task = ngx_calloc(sizeof(ngx_llmops_redis_task_t), rs->log);
    if (task == NULL) {
        return NULL;
    }

    task->rs = rs;
    task->op = op;
    op->engine = task;

    ngx_queue_insert_tail(&rs->tasks, &task->queue);

    return task;
}


void
ngx_llmops_redis_task_done(ngx_llmops_redis_task_t *task, ngx_int_t rc)
{
    ngx_str_t            unwatch = ngx_llmops_redis_word("UNWATCH");
    ngx_uint_t           later;
    ngx_llmops_docop_t  *op;

    op = task->op;
    later = task->later;

    if (task->watching) {
        (void) ngx_llmops_redis_command(task->rs->redis,
                                        &task->rs->docs[op->docs], 1,
                                        &unwatch, NULL, NULL);
    }

    ngx_queue_remove(&task->queue);
    ngx_llmops_redis_turn_end(task->rs, &task->turn);
    ngx_free(task);

    op->engine = NULL;
    op->rc = rc;

    if (later && op->handler) {
        op->handler(op);
    }
}


void
ngx_llmops_redis_forget(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    ngx_llmops_redis_task_t  *task = op->engine;

    if (task == NULL) {
        return;
    }

    if (task->cmd) {
        ngx_llmops_redis_cancel(task->cmd);
    }

    task->later = 0;

    ngx_llmops_redis_task_done(task, NGX_ERROR);
}


void
ngx_llmops_redis_docs_stop(ngx_llmops_redis_store_t *rs)
{
    ngx_queue_t              *q;
    ngx_llmops_redis_task_t  *task;

    ngx_queue_init(&rs->turns);              /* nobody's turn comes now */

    while (!ngx_queue_empty(&rs->tasks)) {
        q = ngx_queue_head(&rs->tasks);
        task = ngx_queue_data(q, ngx_llmops_redis_task_t, queue);

        ngx_queue_remove(q);
        task->op->engine = NULL;
        ngx_free(task);
    }
}


/* NGX_AGAIN, or NGX_OK with the operation failed */

static ngx_int_t
ngx_llmops_redis_ask(ngx_llmops_redis_task_t *task, ngx_uint_t argc,
    ngx_str_t *argv, ngx_llmops_redis_pt handler)
{
    task->cmd = ngx_llmops_redis_command(task->rs->redis, &argv[1], argc, argv,
                                         handler, task);
    if (task->cmd == NULL) {
        ngx_llmops_redis_task_done(task, NGX_ERROR);
        return NGX_OK;
    }

    task->later = 1;

    return NGX_AGAIN;
}


ngx_int_t
ngx_llmops_redis_get(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    ngx_str_t                  argv[3] = { ngx_llmops_redis_word("HGET") };
    ngx_llmops_redis_task_t   *task;
    ngx_llmops_redis_store_t  *rs = store->redis;

    task = ngx_llmops_redis_task(rs, op);
    if (task == NULL) {
        return NGX_ERROR;
    }

    argv[1] = rs->docs[op->docs];
    argv[2] = op->id;

    return ngx_llmops_redis_ask(task, 3, argv, ngx_llmops_redis_got);
}


static void
ngx_llmops_redis_got(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_task_t *task = data;

    ngx_int_t            rc;
    ngx_str_t            field;
    ngx_llmops_doc_t     doc;
    ngx_llmops_docop_t  *op;

    op = task->op;
    rc = NGX_ERROR;

    if (reply && reply->type == REDIS_REPLY_NIL) {
        rc = NGX_DECLINED;

    } else if (reply && reply->type == REDIS_REPLY_STRING) {

        field.data = (u_char *) reply->str;
        field.len = reply->len;

        rc = ngx_llmops_redis_doc_parse(&field, &doc, ngx_time());

        if (rc == NGX_OK) {
            rc = ngx_llmops_redis_copy(op->pool, &op->doc, &op->id, &doc);
        }
    }

    ngx_llmops_redis_task_done(task, rc);
}


ngx_int_t
ngx_llmops_redis_doc_parse(ngx_str_t *field, ngx_llmops_doc_t *doc, time_t now)
{
    u_char     *space, *end, *last;
    time_t      expires;
    ngx_int_t   revision;

    last = field->data + field->len;
    end = ngx_strlchr(field->data, last, LF);

    if (end == NULL) {
        return NGX_DECLINED;
    }

    space = ngx_strlchr(field->data, end, ' ');

    if (space == NULL) {
        return NGX_DECLINED;
    }

    revision = ngx_atoi(field->data, space - field->data);
    expires = ngx_atotm(space + 1, end - space - 1);

    if (revision <= 0 || expires == (time_t) NGX_ERROR) {
        return NGX_DECLINED;
    }

    doc->revision = revision;
    doc->value.data = end + 1;
    doc->value.len = last - end - 1;

    return (expires && expires <= now) ? NGX_DECLINED : NGX_OK;
}


static ngx_int_t
ngx_llmops_redis_copy(ngx_pool_t *pool, ngx_llmops_doc_t *doc, ngx_str_t *id,
    ngx_llmops_doc_t *from)
{
    u_char  *p;

    p = ngx_pnalloc(pool, id->len + from->value.len + 1);
    if (p == NULL) {
        return NGX_ERROR;
    }

    doc->revision = from->revision;

    doc->id.len = id->len;
    doc->id.data = p;
    p = ngx_cpymem(p, id->data, id->len);

    doc->value.len = from->value.len;
    doc->value.data = p;
    ngx_memcpy(p, from->value.data, from->value.len);

    return NGX_OK;
}


ngx_int_t
ngx_llmops_redis_list(ngx_llmops_store_t *store, ngx_llmops_docop_t *op)
{
    u_char                     number[NGX_INT_T_LEN];
    ngx_str_t                  argv[5] = { ngx_llmops_redis_word("HSCAN") };
    ngx_llmops_redis_task_t   *task;
    ngx_llmops_redis_store_t  *rs = store->redis;

    task = ngx_llmops_redis_task(rs, op);
    if (task == NULL) {
        return NGX_ERROR;
    }

    argv[1] = rs->docs[op->docs];
    argv[2] = op->id;

    if (op->id.len == 0) {
        ngx_str_set(&argv[2], "0");
    }

    ngx_str_set(&argv[3], "COUNT");
    argv[4].data = number;
    argv[4].len = ngx_sprintf(number, "%ui", ngx_max(op->max, 1)) - number;

    return ngx_llmops_redis_ask(task, 5, argv, ngx_llmops_redis_listed);
}


static void
ngx_llmops_redis_listed(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_task_t *task = data;

    ngx_int_t  rc;

    rc = NGX_ERROR;

    if (reply && reply->type == REDIS_REPLY_ARRAY && reply->elements == 2
        && reply->element[0]->type == REDIS_REPLY_STRING
        && reply->element[1]->type == REDIS_REPLY_ARRAY)
    {
        rc = ngx_llmops_redis_page(task, reply);

    } else if (reply && reply->type == REDIS_REPLY_ERROR
               && ngx_strstr(reply->str, "invalid cursor"))
    {
        rc = NGX_DECLINED;
    }

    ngx_llmops_redis_task_done(task, rc);
}


static ngx_int_t
ngx_llmops_redis_page(ngx_llmops_redis_task_t *task, redisReply *reply)
{
    size_t                i, n;
    ngx_str_t             id, field, next;
    ngx_uint_t            swept;
    redisReply          **el;
    ngx_llmops_doc_t      doc, *slot;
    ngx_llmops_docop_t   *op;

    op = task->op;

    n = reply->element[1]->elements;
    el = reply->element[1]->element;
    swept = 0;

    if (ngx_array_init(&op->list, op->pool, ngx_max(n / 2, 1),
                       sizeof(ngx_llmops_doc_t))
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    for (i = 0; i + 1 < n; i += 2) {

        if (el[i]->type != REDIS_REPLY_STRING
            || el[i + 1]->type != REDIS_REPLY_STRING)
        {
            return NGX_ERROR;
        }

        id.data = (u_char *) el[i]->str;
        id.len = el[i]->len;
        field.data = (u_char *) el[i + 1]->str;
        field.len = el[i + 1]->len;

        doc.revision = 0;

        if (ngx_llmops_redis_doc_parse(&field, &doc, ngx_time()) != NGX_OK) {

            if (doc.revision && swept++ < NGX_LLMOPS_REDIS_SWEPT) {
                ngx_llmops_redis_sweep(task->rs, op->docs, &id, doc.revision);
            }

            continue;
        }

        slot = ngx_array_push(&op->list);

        if (slot == NULL
            || ngx_llmops_redis_copy(op->pool, slot, &id, &doc) != NGX_OK)
        {
            return NGX_ERROR;
        }
    }

    next.data = (u_char *) reply->element[0]->str;
    next.len = reply->element[0]->len;

    ngx_str_null(&op->next);

    if (next.len == 1 && next.data[0] == '0') {
        return NGX_OK;
    }

    op->next.len = next.len;
    op->next.data = ngx_pstrdup(op->pool, &next);

    return op->next.data ? NGX_OK : NGX_ERROR;
}


/* an operation of our own, in a pool of its own */

static void
ngx_llmops_redis_sweep(ngx_llmops_redis_store_t *rs, ngx_llmops_docs_e docs,
    ngx_str_t *id, uint64_t revision)
{
    ngx_pool_t          *pool;
    ngx_llmops_docop_t  *op;

    pool = ngx_create_pool(512, rs->log);
    if (pool == NULL) {
        return;
    }

    op = ngx_pcalloc(pool, sizeof(ngx_llmops_docop_t));

    if (op) {
        op->docs = docs;
        op->id.len = id->len;
        op->id.data = ngx_pstrdup(pool, id);
        op->expected = revision;
        op->pool = pool;
        op->handler = ngx_llmops_redis_swept;

        if (op->id.data && ngx_llmops_redis_remove(rs->store, op) == NGX_AGAIN)
        {
            return;
        }
    }

    ngx_destroy_pool(pool);
}


static void
ngx_llmops_redis_swept(ngx_llmops_docop_t *op)
{
    ngx_destroy_pool(op->pool);
}


uint64_t
ngx_llmops_redis_revision(ngx_llmops_store_t *store, ngx_llmops_docs_e docs)
{
    ngx_llmops_redis_store_t  *rs = store->redis;

    return rs->sh->revisions[docs];
}
