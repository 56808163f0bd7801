
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_vectors_task.h"

#include <math.h>


/*
 * The search.  Redis's score is (1 + cosine) / 2: a caller gives and gets
 * cosines.  VSIM with attributes is of Redis 8.2: those of each hit are asked
 * for by themselves, all in one write; what has gone in between has none.
 */


/* a hit whose attributes have been asked for; in task->pool */

typedef struct {
    ngx_llmops_vectors_task_t  *task;
    ngx_llmops_vectors_hit_t   *hit;
} ngx_llmops_vectors_more_t;


static void ngx_llmops_vectors_filter(ngx_llmops_vectors_command_t *c,
    ngx_llmops_vectors_query_t *query, u_char *count, u_char *effort);
static ngx_int_t ngx_llmops_vectors_hits(ngx_llmops_vectors_task_t *task,
    redisReply *reply);
static ngx_uint_t ngx_llmops_vectors_hit(ngx_llmops_vectors_task_t *task,
    redisReply **pair, ngx_llmops_vectors_hit_t *hit);
static ngx_int_t ngx_llmops_vectors_more(ngx_llmops_vectors_task_t *task);
static ngx_int_t ngx_llmops_vectors_copy(ngx_llmops_vectors_task_t *task);
static void ngx_llmops_vectors_more_reply(redisReply *reply, ngx_uint_t sent,
    void *data);


/* a search is read and told in one go */

static ngx_llmops_vectors_hit_t  ngx_llmops_vectors_found[
                                                    NGX_LLMOPS_VECTORS_FOUND];


ngx_int_t
ngx_llmops_vectors_find(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set,
    ngx_llmops_vectors_query_t *query)
{
    u_char                         count[NGX_INT_T_LEN], effort[NGX_INT_T_LEN];
    ngx_int_t                      rc;
    ngx_str_t                      blob;
    ngx_llmops_vectors_task_t     *task;
    ngx_llmops_vectors_command_t   c;

    rc = ngx_llmops_vectors_begin(&c, store, set, "VSIM");

    if (rc != NGX_OK) {
        return rc;
    }

    if (query->vector.dims == 0
        || query->vector.dims > NGX_LLMOPS_VECTORS_DIMS
        || query->count == 0 || query->count > NGX_LLMOPS_VECTORS_FOUND
        || query->filter.len > NGX_LLMOPS_VECTORS_FILTER)
    {
        return NGX_ERROR;
    }

    blob.data = (u_char *) query->vector.v;
    blob.len = query->vector.dims * sizeof(float);

    ngx_llmops_vectors_word(&c, "FP32");
    ngx_llmops_vectors_arg(&c, &blob);
    ngx_llmops_vectors_filter(&c, query, count, effort);

    rc = ngx_llmops_vectors_send(&c, ask, NGX_LLMOPS_VECTORS_FIND,
                                 ngx_llmops_vectors_hits, &task);

    if (rc == NGX_AGAIN) {
        task->min = query->min;
        task->attributes = query->attributes;
    }

    return rc;
}


static void
ngx_llmops_vectors_filter(ngx_llmops_vectors_command_t *c,
    ngx_llmops_vectors_query_t *query, u_char *count, u_char *effort)
{
    ngx_str_t  number;

    ngx_llmops_vectors_word(c, "WITHSCORES");
    ngx_llmops_vectors_word(c, "COUNT");

    number.data = count;
    number.len = ngx_sprintf(count, "%ui", query->count) - count;
    ngx_llmops_vectors_arg(c, &number);

    if (query->effort) {
        ngx_llmops_vectors_word(c, "EF");

        number.data = effort;
        number.len = ngx_sprintf(effort, "%ui", query->effort) - effort;
        ngx_llmops_vectors_arg(c, &number);
    }

    if (query->filter.len) {
        ngx_llmops_vectors_word(c, "FILTER");
        ngx_llmops_vectors_arg(c, &query->filter);
    }

    if (query->exact) {
        ngx_llmops_vectors_word(c, "TRUTH");
    }
}


/* element, score, element, score ...; a set that is not there: nothing */

static ngx_int_t
ngx_llmops_vectors_hits(ngx_llmops_vectors_task_t *task, redisReply *reply)
{
    size_t                     i;
    ngx_llmops_vectors_ask_t  *ask = task->ask;

    if (reply->type == REDIS_REPLY_NIL) {
        return NGX_OK;
    }

    if (reply->type != REDIS_REPLY_ARRAY) {
        return NGX_ERROR;
    }

    ask->hits = ngx_llmops_vectors_found;

    for (i = 0;
         i + 1 < reply->elements && ask->nhits < NGX_LLMOPS_VECTORS_FOUND;
         i += 2)
    {
        ask->nhits += ngx_llmops_vectors_hit(task, &reply->element[i],
                                             &ask->hits[ask->nhits]);
    }

    return (task->attributes && ask->nhits) ? ngx_llmops_vectors_more(task)
                                            : NGX_OK;
}


/* 1, or 0: it is none */

static ngx_uint_t
ngx_llmops_vectors_hit(ngx_llmops_vectors_task_t *task, redisReply **pair,
    ngx_llmops_vectors_hit_t *hit)
{
    double  score;

    if (pair[0]->type != REDIS_REPLY_STRING
        || pair[1]->type != REDIS_REPLY_STRING)
    {
        return 0;
    }

    score = 2 * strtod(pair[1]->str, NULL) - 1;

    if (!isfinite(score) || score < task->min) {
        return 0;
    }

    hit->element.data = (u_char *) pair[0]->str;
    hit->element.len = pair[0]->len;
    hit->similarity = (float) score;
    ngx_str_null(&hit->attributes);

    return 1;
}


/* asks for what the hits have as attributes */

static ngx_int_t
ngx_llmops_vectors_more(ngx_llmops_vectors_task_t *task)
{
    ngx_str_t                   argv[3];
    ngx_uint_t                  i;
    ngx_llmops_vectors_more_t  *more;

    if (ngx_llmops_vectors_copy(task) != NGX_OK) {
        return NGX_ERROR;
    }

    more = ngx_palloc(task->pool, task->ask->nhits
                                  * sizeof(ngx_llmops_vectors_more_t));
    if (more == NULL) {
        return NGX_ERROR;
    }

    ngx_str_set(&argv[0], "VGETATTR");
    argv[1].data = task->key;
    argv[1].len = task->key_len;

    for (i = 0; i < task->ask->nhits; i++) {
        more[i].task = task;
        more[i].hit = &task->ask->hits[i];
        argv[2] = more[i].hit->element;

        if (ngx_llmops_vectors_command(3, argv, ngx_llmops_vectors_more_reply,
                                       &more[i])
            == NULL)
        {
            break;
        }

        task->left++;
    }

    return task->left ? NGX_AGAIN : NGX_OK;
}


/* the reply with the hits does not stay */

static ngx_int_t
ngx_llmops_vectors_copy(ngx_llmops_vectors_task_t *task)
{
    size_t                     size;
    ngx_uint_t                 i;
    ngx_llmops_vectors_hit_t  *hits;
    ngx_llmops_vectors_ask_t  *ask = task->ask;

    task->pool = ngx_create_pool(4096, ngx_cycle->log);
    if (task->pool == NULL) {
        return NGX_ERROR;
    }

    size = ask->nhits * sizeof(ngx_llmops_vectors_hit_t);

    hits = ngx_palloc(task->pool, size);
    if (hits == NULL) {
        return NGX_ERROR;
    }

    ngx_memcpy(hits, ask->hits, size);

    for (i = 0; i < ask->nhits; i++) {
        hits[i].element.data = ngx_pstrdup(task->pool, &hits[i].element);

        if (hits[i].element.data == NULL) {
            return NGX_ERROR;
        }
    }

    ask->hits = hits;

    return NGX_OK;
}


/* without a reply nothing is known of it; who asked may have left, but not the
   task, which has the hits */

static void
ngx_llmops_vectors_more_reply(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_vectors_more_t *more = data;

    ngx_str_t                   s;
    ngx_llmops_vectors_hit_t   *hit = more->hit;
    ngx_llmops_vectors_task_t  *task = more->task;

    if (reply && reply->type == REDIS_REPLY_STRING
        && reply->len <= NGX_LLMOPS_VECTORS_ATTRIBUTES)
    {
        s.data = (u_char *) reply->str;
        s.len = reply->len;

        hit->attributes.data = ngx_pstrdup(task->pool, &s);
        hit->attributes.len = hit->attributes.data ? s.len : 0;
    }

    if (--task->left == 0) {
        ngx_llmops_vectors_done(task, NGX_OK);
    }
}
