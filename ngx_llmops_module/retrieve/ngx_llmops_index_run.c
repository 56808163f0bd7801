
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_index.h"
#include "ngx_llmops_redis.h"
#include "ngx_llmops_digest.h"
#include "ngx_llmops_cache_embed.h"


/*
 * Worker 0: documents that wait are indexed, or taken out.
 *
 * Who puts a document writes down in the store what is to be done (its head
 * says "pending" or "deleting"), and adds it to a set in Redis of those that
 * wait; all else happens here, so that a caller of the admin API waits for no
 * provider, and what a dying worker leaves half done is done by the next one.
 * The set is only a hint.  What is lost of it is found again by looking through
 * all heads, which is done at the start and every hour.
 *
 * Of several gateways each takes any of the waiting ones at random; that not
 * two work on one is seen to by its claim (ngx_llmops_index_job.c).
 */


#define NGX_LLMOPS_INDEX_JOBS   32         /* documents at a time */
#define NGX_LLMOPS_INDEX_TICK   200        /* ms */
#define NGX_LLMOPS_INDEX_SCAN   3600       /* s */
#define NGX_LLMOPS_INDEX_PAGE   100        /* heads */


typedef struct {
    ngx_llmops_main_conf_t    *mcf;
    ngx_event_t                timer;
    ngx_llmops_index_job_t    *jobs[NGX_LLMOPS_INDEX_JOBS];
    ngx_uint_t                 njobs;
    ngx_llmops_redis_cmd_t    *asking;     /* who waits */
    ngx_llmops_docop_t         list;       /* under way while its pool is */
    ngx_str_t                  cursor;
    u_char                     cursor_buf[NGX_LLMOPS_DOC_ID];
    time_t                     scan;       /* the next one begins */
    ngx_queue_t                again;      /* of ngx_llmops_index_again_t */
} ngx_llmops_index_runner_t;


/* one that waits no more, looked at once more */

typedef struct {
    ngx_queue_t                queue;
    ngx_llmops_index_runner_t *runner;
    ngx_llmops_docop_t         op;
} ngx_llmops_index_again_t;


static void ngx_llmops_index_tick(ngx_event_t *ev);
static void ngx_llmops_index_soon(ngx_llmops_index_runner_t *runner);
static ngx_llmops_redis_cmd_t *ngx_llmops_index_waiting(
    ngx_llmops_main_conf_t *mcf, const char *command, ngx_str_t *arg,
    ngx_llmops_redis_pt handler, void *data);
static void ngx_llmops_index_asked(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_index_begin(ngx_llmops_index_runner_t *runner,
    ngx_str_t *id);
static void ngx_llmops_index_over(ngx_llmops_index_job_t *job);
static void ngx_llmops_index_look_again(ngx_llmops_index_runner_t *runner,
    ngx_str_t *id);
static void ngx_llmops_index_looked_again(ngx_llmops_docop_t *op);
static void ngx_llmops_index_scan(ngx_llmops_index_runner_t *runner);
static void ngx_llmops_index_scanned(ngx_llmops_docop_t *op);
static ngx_uint_t ngx_llmops_index_waits(ngx_str_t *head);


ngx_int_t
ngx_llmops_indexes_start(ngx_cycle_t *cycle, ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                   i;
    ngx_llmops_index_t         **index;
    ngx_llmops_indexes_t        *indexes = mcf->indexes;
    ngx_llmops_index_runner_t   *runner;

    if (indexes == NULL) {
        return NGX_OK;
    }

    index = indexes->indexes.elts;

    for (i = 0; i < indexes->indexes.nelts; i++) {
        index[i]->sh = ngx_llmops_zone_node(mcf->zone, NGX_LLMOPS_NODE_INDEX,
                                            &index[i]->name,
                                            sizeof(ngx_llmops_index_sh_t));
    }

    if (ngx_worker != 0) {
        return NGX_OK;
    }

    runner = ngx_pcalloc(cycle->pool, sizeof(ngx_llmops_index_runner_t));
    if (runner == NULL) {
        return NGX_ERROR;
    }

    runner->mcf = mcf;
    runner->timer.handler = ngx_llmops_index_tick;
    runner->timer.data = runner;
    runner->timer.log = cycle->log;
    runner->timer.cancelable = 1;

    ngx_queue_init(&runner->again);

    indexes->runner = runner;

    ngx_add_timer(&runner->timer, NGX_LLMOPS_INDEX_TICK);

    return NGX_OK;
}


void
ngx_llmops_indexes_stop(ngx_llmops_main_conf_t *mcf)
{
    ngx_uint_t                   i;
    ngx_llmops_index_t         **index;
    ngx_llmops_indexes_t        *indexes = mcf->indexes;
    ngx_llmops_index_again_t    *again;
    ngx_llmops_index_runner_t   *runner;

    if (indexes) {
        ngx_llmops_embed_stop();             /* of queries */
    }

    if (indexes == NULL || indexes->runner == NULL) {
        return;
    }

    runner = indexes->runner;
    indexes->runner = NULL;

    if (runner->timer.timer_set) {
        ngx_del_timer(&runner->timer);
    }

    while (runner->njobs) {
        ngx_llmops_index_job_free(runner->jobs[--runner->njobs]);
    }

    if (runner->asking) {
        ngx_llmops_redis_cancel(runner->asking);
        runner->asking = NULL;
    }

    if (runner->list.pool) {
        ngx_llmops_store_forget(mcf->store, &runner->list);
        ngx_destroy_pool(runner->list.pool);
        runner->list.pool = NULL;
    }

    while (!ngx_queue_empty(&runner->again)) {
        again = ngx_queue_data(ngx_queue_head(&runner->again),
                               ngx_llmops_index_again_t, queue);

        ngx_queue_remove(&again->queue);
        ngx_llmops_store_forget(mcf->store, &again->op);
        ngx_destroy_pool(again->op.pool);
    }

    index = indexes->indexes.elts;

    for (i = 0; i < indexes->indexes.nelts; i++) {
        ngx_llmops_index_embed_stop(index[i]);
    }
}


static void
ngx_llmops_index_tick(ngx_event_t *ev)
{
    u_char                      text[NGX_INT_T_LEN];
    ngx_str_t                   count;
    ngx_llmops_index_runner_t  *runner = ev->data;

    /* the next worker 0 is there already; what is under way is brought to an
       end */

    if (ngx_exiting) {
        return;
    }

    ngx_add_timer(ev, NGX_LLMOPS_INDEX_TICK);

    if (!ngx_llmops_store_up(runner->mcf->store)) {
        return;
    }

    ngx_llmops_index_scan(runner);

    if (runner->asking || runner->njobs == NGX_LLMOPS_INDEX_JOBS) {
        return;
    }

    count.data = text;
    count.len = ngx_sprintf(text, "%d", 4 * NGX_LLMOPS_INDEX_JOBS) - text;

    runner->asking = ngx_llmops_index_waiting(runner->mcf, "SRANDMEMBER",
                                              &count, ngx_llmops_index_asked,
                                              runner);
}


static void
ngx_llmops_index_soon(ngx_llmops_index_runner_t *runner)
{
    if (!ngx_exiting) {
        ngx_add_timer(&runner->timer, 1);
    }
}


/* a command on the set of those that wait, "PREFIX:{PREFIX}:ix" */

static ngx_llmops_redis_cmd_t *
ngx_llmops_index_waiting(ngx_llmops_main_conf_t *mcf, const char *command,
    ngx_str_t *arg, ngx_llmops_redis_pt handler, void *data)
{
    u_char               key[2 * 64 + sizeof(":{}:ix")];
    ngx_str_t            prefix, argv[3];
    ngx_llmops_redis_t  *redis;

    redis = ngx_llmops_redis_of(mcf->store, &prefix);

    if (redis == NULL || prefix.len > 64) {
        return NULL;
    }

    argv[0].data = (u_char *) command;
    argv[0].len = ngx_strlen(command);
    argv[1].data = key;
    argv[1].len = ngx_sprintf(key, "%V:{%V}:ix", &prefix, &prefix) - key;
    argv[2] = *arg;

    return ngx_llmops_redis_command(redis, &argv[1], 3, argv, handler, data);
}


void
ngx_llmops_index_enqueue(ngx_llmops_main_conf_t *mcf, ngx_str_t *id)
{
    ngx_llmops_indexes_t  *indexes = mcf->indexes;

    (void) ngx_llmops_index_waiting(mcf, "SADD", id, NULL, NULL);

    if (indexes->runner) {
        ngx_llmops_index_soon(indexes->runner);
    }
}


static void
ngx_llmops_index_asked(redisReply *reply, ngx_uint_t sent, void *data)
{
    size_t                      i;
    ngx_str_t                   id;
    ngx_llmops_index_runner_t  *runner = data;

    runner->asking = NULL;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY || ngx_exiting) {
        return;
    }

    for (i = 0; i < reply->elements; i++) {
        if (reply->element[i]->type == REDIS_REPLY_STRING) {
            id.data = (u_char *) reply->element[i]->str;
            id.len = reply->element[i]->len;

            ngx_llmops_index_begin(runner, &id);
        }
    }
}


static void
ngx_llmops_index_begin(ngx_llmops_index_runner_t *runner, ngx_str_t *id)
{
    ngx_str_t               *other;
    ngx_uint_t               i;
    ngx_llmops_index_t      *index;
    ngx_llmops_index_job_t  *job;

    index = ngx_llmops_index_of(runner->mcf, id);

    if (index == NULL || runner->njobs == NGX_LLMOPS_INDEX_JOBS
        || ngx_llmops_vectors_able(runner->mcf->store, &index->set) != NGX_OK)
    {
        return;
    }

    for (i = 0; i < runner->njobs; i++) {
        other = ngx_llmops_index_job_id(runner->jobs[i]);

        if (other->len == id->len
            && ngx_memcmp(other->data, id->data, id->len) == 0)
        {
            return;
        }
    }

    job = ngx_llmops_index_job(runner->mcf, index, id, ngx_llmops_index_over,
                               runner);
    if (job) {
        runner->jobs[runner->njobs++] = job;
    }
}


static void
ngx_llmops_index_over(ngx_llmops_index_job_t *job)
{
    ngx_uint_t                  i;
    ngx_llmops_index_runner_t  *runner;

    runner = ngx_llmops_index_job_data(job);

    for (i = 0; i < runner->njobs; i++) {
        if (runner->jobs[i] == job) {
            runner->jobs[i] = runner->jobs[--runner->njobs];
            break;
        }
    }

    if (ngx_llmops_index_job_done(job)) {
        (void) ngx_llmops_index_waiting(runner->mcf, "SREM",
                                        ngx_llmops_index_job_id(job), NULL,
                                        NULL);

        ngx_llmops_index_look_again(runner, ngx_llmops_index_job_id(job));
        ngx_llmops_index_soon(runner);
    }

    ngx_llmops_index_job_free(job);
}


/*
 * Who has put it again in the meantime has added it to the set before it was
 * taken out; then its head, which is older than that, says so.
 */

static void
ngx_llmops_index_look_again(ngx_llmops_index_runner_t *runner, ngx_str_t *id)
{
    ngx_pool_t                *pool;
    ngx_llmops_index_again_t  *again;

    pool = ngx_create_pool(1024, ngx_cycle->log);
    if (pool == NULL) {
        return;
    }

    again = ngx_pcalloc(pool, sizeof(ngx_llmops_index_again_t));

    if (again) {
        again->runner = runner;
        again->op.docs = NGX_LLMOPS_DOCS_INDEXED;
        again->op.pool = pool;
        again->op.handler = ngx_llmops_index_looked_again;
        again->op.data = again;
        again->op.id.len = id->len;
        again->op.id.data = ngx_pstrdup(pool, id);

        if (again->op.id.data
            && ngx_llmops_store_get(runner->mcf->store, &again->op)
               == NGX_AGAIN)
        {
            ngx_queue_insert_tail(&runner->again, &again->queue);
            return;
        }
    }

    ngx_destroy_pool(pool);
}


static void
ngx_llmops_index_looked_again(ngx_llmops_docop_t *op)
{
    ngx_llmops_index_again_t *again = op->data;

    ngx_queue_remove(&again->queue);

    if (op->rc == NGX_OK && ngx_llmops_index_waits(&op->doc.value)) {
        ngx_llmops_index_enqueue(again->runner->mcf, &op->id);
    }

    ngx_destroy_pool(op->pool);
}


/* a page at a time */

static void
ngx_llmops_index_scan(ngx_llmops_index_runner_t *runner)
{
    ngx_llmops_docop_t  *op = &runner->list;

    if (op->pool || ngx_time() < runner->scan) {
        return;
    }

    ngx_memzero(op, sizeof(ngx_llmops_docop_t));

    op->pool = ngx_create_pool(4096, ngx_cycle->log);
    if (op->pool == NULL) {
        return;
    }

    op->docs = NGX_LLMOPS_DOCS_INDEXED;
    op->id = runner->cursor;
    op->max = NGX_LLMOPS_INDEX_PAGE;
    op->handler = ngx_llmops_index_scanned;
    op->data = runner;

    if (ngx_llmops_store_list(runner->mcf->store, op) != NGX_AGAIN) {
        ngx_destroy_pool(op->pool);
        op->pool = NULL;
    }
}


static void
ngx_llmops_index_scanned(ngx_llmops_docop_t *op)
{
    ngx_uint_t                  i;
    ngx_llmops_doc_t           *docs;
    ngx_llmops_index_runner_t  *runner = op->data;

    runner->cursor.len = 0;

    if (op->rc == NGX_OK) {
        docs = op->list.elts;

        for (i = 0; i < op->list.nelts; i++) {
            if (ngx_llmops_index_waits(&docs[i].value)) {
                (void) ngx_llmops_index_waiting(runner->mcf, "SADD",
                                                &docs[i].id, NULL, NULL);
            }
        }

        if (op->next.len && op->next.len <= NGX_LLMOPS_DOC_ID) {
            runner->cursor.data = runner->cursor_buf;
            runner->cursor.len = op->next.len;
            ngx_memcpy(runner->cursor_buf, op->next.data, op->next.len);

        } else {
            runner->scan = ngx_time() + NGX_LLMOPS_INDEX_SCAN;
        }
    }

    ngx_destroy_pool(op->pool);
    op->pool = NULL;
}


static ngx_uint_t
ngx_llmops_index_waits(ngx_str_t *value)
{
    json_t      *head;
    ngx_uint_t   waits;
    const char  *state;

    head = ngx_llmops_doc_load(value);
    state = ngx_llmops_doc_string(head, "state");

    waits = (ngx_strcmp(state, "pending") == 0
             || ngx_strcmp(state, "deleting") == 0);

    json_decref(head);

    return waits;
}


/* -- names ----------------------------------------------------------------- */

ngx_int_t
ngx_llmops_index_id(ngx_llmops_index_t *index, const char *doc,
    u_char p[NGX_LLMOPS_INDEX_ID + 1])
{
    u_char  digest[32], text[NGX_LLMOPS_INDEX_CHUNK + 1];

    if (ngx_llmops_sha256((u_char *) doc, ngx_strlen(doc), digest)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    ngx_llmops_doc_chunk(digest, text);

    (void) ngx_sprintf(p, "%V/%s%Z", &index->name, text);

    return NGX_OK;
}


ngx_llmops_index_t *
ngx_llmops_index_of(ngx_llmops_main_conf_t *mcf, ngx_str_t *id)
{
    ngx_str_t  name;

    if (id->len <= NGX_LLMOPS_INDEX_CHUNK + 1
        || id->data[id->len - NGX_LLMOPS_INDEX_CHUNK - 1] != '/')
    {
        return NULL;
    }

    name.data = id->data;
    name.len = id->len - NGX_LLMOPS_INDEX_CHUNK - 1;

    return ngx_llmops_index_named(mcf, &name);
}
