
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_redis.h"


/*
 * Going through samples on Redis, from the newest to the oldest: a page of
 * members, of which those that fit are fetched, removed or changed; when all
 * replies are there, the next one.  A step is made from an event of its own.
 */


#define NGX_LLMOPS_SAMPLES_FETCH   (256 * 1024)    /* bytes or a little more:
                                              the connection has others'
                                              replies to carry as well */
#define NGX_LLMOPS_SAMPLES_ANNOUNCED  "3600000"    /* ms that a deletion is
                                              remembered */


static void ngx_llmops_samples_redis_event(ngx_event_t *ev);
static ngx_int_t ngx_llmops_samples_redis_announce(
    ngx_llmops_samples_task_t *task);
static void ngx_llmops_samples_redis_said(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_samples_redis_ask(
    ngx_llmops_samples_task_t *task);
static void ngx_llmops_samples_redis_page(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_samples_redis_members(
    ngx_llmops_samples_task_t *task, redisReply *reply);
static ngx_int_t ngx_llmops_samples_redis_fetch(
    ngx_llmops_samples_task_t *task, u_char *id);
static void ngx_llmops_samples_redis_got(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_samples_redis_removed(redisReply *reply,
    ngx_uint_t sent, void *data);
static ngx_int_t ngx_llmops_samples_redis_edit(
    ngx_llmops_samples_task_t *task);
static void ngx_llmops_samples_redis_edited(redisReply *reply,
    ngx_uint_t sent, void *data);
static void ngx_llmops_samples_redis_reply(ngx_llmops_samples_task_t *task,
    ngx_uint_t failed);


void
ngx_llmops_samples_redis_run(ngx_llmops_samples_task_t *task)
{
    task->event.handler = ngx_llmops_samples_redis_event;

    ngx_post_event(&task->event, &ngx_posted_next_events);
}


static void
ngx_llmops_samples_redis_event(ngx_event_t *ev)
{
    ngx_int_t                   rc;
    ngx_llmops_samples_task_t  *task = ev->data;

    if (task->failed
        || (task->done == NULL && task->what == NGX_LLMOPS_SAMPLES_READ))
    {
        ngx_llmops_samples_end(task, NGX_ERROR);
        return;
    }

    if (!task->began && task->by_client
        && task->what == NGX_LLMOPS_SAMPLES_REMOVE)
    {
        rc = ngx_llmops_samples_redis_announce(task);

    } else if (task->what == NGX_LLMOPS_SAMPLES_EDIT && task->hits.nelts) {
        rc = task->edited ? NGX_OK : ngx_llmops_samples_redis_edit(task);

        if (rc == NGX_OK && task->edited) {
            ngx_llmops_samples_end(task, task->removed ? NGX_OK
                                                       : NGX_DECLINED);
            return;
        }

    } else if (task->what == NGX_LLMOPS_SAMPLES_READ
               && (task->ended || task->more
                   || task->hits.nelts > task->n))
    {
        ngx_llmops_samples_open(task);
        return;

    } else if (task->ended) {
        ngx_llmops_samples_end(task, task->removed ? NGX_OK : NGX_DECLINED);
        return;

    } else {
        rc = ngx_llmops_samples_redis_ask(task);
    }

    if (rc != NGX_AGAIN) {
        ngx_llmops_samples_end(task, rc == NGX_DECLINED ? rc : NGX_ERROR);
    }
}


/* a reply has come: when it is the last one, another step is made */

static void
ngx_llmops_samples_redis_reply(ngx_llmops_samples_task_t *task,
    ngx_uint_t failed)
{
    task->failed |= failed;

    if (--task->pending == 0) {
        ngx_post_event(&task->event, &ngx_posted_next_events);
    }
}


/* under the tag that a client has with each key: whoever records uses one */

static ngx_int_t
ngx_llmops_samples_redis_announce(ngx_llmops_samples_task_t *task)
{
    u_char      key[NGX_LLMOPS_SAMPLES_TEXT];
    u_char      now[NGX_INT64_LEN];
    ngx_str_t   argv[5] = { ngx_llmops_samples_word("SET"), ngx_null_string,
                            ngx_null_string, ngx_llmops_samples_word("PX"),
                            ngx_llmops_samples_word(
                                             NGX_LLMOPS_SAMPLES_ANNOUNCED) };
    ngx_uint_t  i;

    task->began = 1;

    argv[2].data = now;
    argv[2].len = ngx_sprintf(now, "%L",
                              ngx_llmops_samples_now(task->samples)) - now;

    for (i = 0; i < task->client.n; i++) {

        if (ngx_llmops_samples_redis_key(task->samples, key, &argv[1], "g:",
                                         task->client.tag[i], 16)
            != NGX_OK
            || ngx_llmops_samples_redis_send(task->samples, 5, argv,
                                             ngx_llmops_samples_redis_said,
                                             task)
               != NGX_OK)
        {
            task->failed = 1;
            break;
        }

        task->pending++;
    }

    return task->pending ? NGX_AGAIN : NGX_ERROR;
}


static void
ngx_llmops_samples_redis_said(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_samples_redis_reply(data, reply == NULL
                                         || reply->type
                                            != REDIS_REPLY_STATUS);
}


/* the next page of members, from the newest to the oldest */

static ngx_int_t
ngx_llmops_samples_redis_ask(ngx_llmops_samples_task_t *task)
{
    u_char     *p, key[NGX_LLMOPS_SAMPLES_TEXT];
    u_char      max[NGX_LLMOPS_SAMPLES_MEMBER + 2], min[64], n[NGX_INT_T_LEN];
    ngx_str_t   argv[7] = { ngx_llmops_samples_word("ZREVRANGEBYLEX"),
                            ngx_null_string, ngx_llmops_samples_word("+"),
                            ngx_llmops_samples_word("-"),
                            ngx_llmops_samples_word("LIMIT"),
                            ngx_llmops_samples_word("0") };

    if (ngx_llmops_samples_redis_key(task->samples, key, &argv[1], "i", NULL,
                                     0)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    if (task->by_id) {
        *max = '[';
        *min = '[';

        p = ngx_hex_dump(max + 1, task->id, 16);
        *p++ = '~';                          /* behind all that begins so */

        argv[2].data = max;
        argv[2].len = p - max;
        argv[3].data = min;
        argv[3].len = ngx_hex_dump(min + 1, task->id, 16) - min;
    }

    if (task->member.len) {
        *max = '(';

        argv[2].data = max;
        argv[2].len = ngx_cpymem(max + 1, task->member.data, task->member.len)
                      - max;

    } else if (task->by_before) {
        *max = '(';

        argv[2].data = max;
        argv[2].len = ngx_hex_dump(max + 1, task->before, 16) - max;
    }

    argv[6].data = n;
    argv[6].len = ngx_sprintf(n, "%d",
                              task->what == NGX_LLMOPS_SAMPLES_READ
                              ? NGX_LLMOPS_SAMPLES_PAGE
                              : NGX_LLMOPS_SAMPLES_SCAN) - n;

    if (ngx_llmops_samples_redis_send(task->samples, 7, argv,
                                      ngx_llmops_samples_redis_page, task)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    task->pending++;

    return NGX_AGAIN;
}


static void
ngx_llmops_samples_redis_page(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_samples_task_t *task = data;

    ngx_llmops_samples_redis_reply(task,
        reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || ngx_llmops_samples_redis_members(task, reply) != NGX_OK);
}


static ngx_int_t
ngx_llmops_samples_redis_members(ngx_llmops_samples_task_t *task,
    redisReply *reply)
{
    size_t                i, len, fetched;
    ngx_int_t             rc;
    redisReply           *member;
    ngx_llmops_record_t   rec;

    fetched = 0;

    if (task->member.data == NULL) {
        task->member.data = ngx_pnalloc(task->pool,
                                        NGX_LLMOPS_SAMPLES_MEMBER);
        if (task->member.data == NULL) {
            return NGX_ERROR;
        }
    }

    task->ended = (reply->elements == 0);

    for (i = 0;
         i < reply->elements && fetched < NGX_LLMOPS_SAMPLES_FETCH;
         i++)
    {
        member = reply->element[i];

        if (member->type != REDIS_REPLY_STRING
            || member->len > NGX_LLMOPS_SAMPLES_MEMBER)
        {
            return NGX_ERROR;
        }

        ngx_memcpy(task->member.data, member->str, member->len);
        task->member.len = member->len;

        if (ngx_llmops_samples_member_read((u_char *) member->str, member->len,
                                           &rec, &len)
            != NGX_OK
            || !ngx_llmops_samples_fits(task, &rec))
        {
            continue;
        }

        if (task->what == NGX_LLMOPS_SAMPLES_REMOVE) {
            rc = ngx_llmops_samples_redis_drop(task->samples,
                                            (u_char *) member->str,
                                            member->len, 0,
                                            ngx_llmops_samples_redis_removed,
                                            task);
        } else {
            rc = ngx_llmops_samples_redis_fetch(task, rec.id);
            fetched += len;
        }

        if (rc != NGX_OK) {
            return NGX_ERROR;
        }

        task->pending++;
    }

    return NGX_OK;
}


static void
ngx_llmops_samples_redis_removed(redisReply *reply, ngx_uint_t sent,
    void *data)
{
    ngx_llmops_samples_task_t *task = data;

    if (reply && reply->type == REDIS_REPLY_INTEGER) {
        task->removed += reply->integer;
        ngx_llmops_samples_redis_reply(task, 0);
        return;
    }

    ngx_llmops_samples_redis_reply(task, 1);
}


static ngx_int_t
ngx_llmops_samples_redis_fetch(ngx_llmops_samples_task_t *task, u_char *id)
{
    u_char     key[NGX_LLMOPS_SAMPLES_TEXT];
    ngx_str_t  argv[2] = { ngx_llmops_samples_word("GET") };

    if (ngx_llmops_samples_redis_key(task->samples, key, &argv[1], "v:", id,
                                     16)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    return ngx_llmops_samples_redis_send(task->samples, 2, argv,
                                         ngx_llmops_samples_redis_got, task);
}


static void
ngx_llmops_samples_redis_got(redisReply *reply, ngx_uint_t sent, void *data)
{
    size_t                      size;
    ngx_uint_t                  failed;
    ngx_llmops_record_t         rec;
    ngx_llmops_samples_task_t  *task = data;

    failed = (reply == NULL || reply->type == REDIS_REPLY_ERROR);

    if (!failed && reply->type == REDIS_REPLY_STRING
        && ngx_llmops_record_read((u_char *) reply->str, reply->len, &rec,
                                  &size)
           == NGX_OK
        && size == reply->len
        && ngx_llmops_record_sound((u_char *) reply->str, &rec)
        && ngx_llmops_samples_fits(task, &rec))
    {
        failed = (ngx_llmops_samples_hit(task, &rec, (u_char *) reply->str,
                                         size, NULL, 0)
                  != NGX_OK);
    }

    ngx_llmops_samples_redis_reply(task, failed);
}


/* XX: one that has been deleted meanwhile stays so */

static ngx_int_t
ngx_llmops_samples_redis_edit(ngx_llmops_samples_task_t *task)
{
    u_char                     key[NGX_LLMOPS_SAMPLES_TEXT];
    u_char                     left[NGX_INT64_LEN];
    ngx_int_t                  rc;
    ngx_str_t                  argv[6] = { ngx_llmops_samples_word("SET"),
                                           ngx_null_string, ngx_null_string,
                                           ngx_llmops_samples_word("XX"),
                                           ngx_llmops_samples_word("PX") };
    ngx_llmops_out_t           out;
    ngx_llmops_record_t        rec;
    ngx_llmops_samples_hit_t  *hit;

    hit = task->hits.elts;
    task->edited = 1;

    ngx_llmops_out_init(&out, 2 * NGX_LLMOPS_RECORD_MAX);

    rc = ngx_llmops_samples_edited(task, hit, &rec, &out);

    if (rc != NGX_OK) {
        ngx_llmops_out_free(&out);
        return rc;
    }

    argv[2].data = out.data;
    argv[2].len = out.len;
    argv[5].data = left;
    argv[5].len = ngx_llmops_samples_left(task->samples, &rec, left) - left;

    rc = NGX_ERROR;

    if (ngx_llmops_samples_redis_key(task->samples, key, &argv[1], "v:",
                                     rec.id, 16)
        == NGX_OK
        && ngx_llmops_samples_redis_send(task->samples, 6, argv,
                                         ngx_llmops_samples_redis_edited, task)
           == NGX_OK)
    {
        task->pending++;
        rc = NGX_AGAIN;
    }

    ngx_llmops_out_free(&out);

    return rc;
}


static void
ngx_llmops_samples_redis_edited(redisReply *reply, ngx_uint_t sent,
    void *data)
{
    ngx_llmops_samples_task_t *task = data;

    if (reply && reply->type == REDIS_REPLY_STATUS) {
        task->removed = 1;                   /* it has been put in place */
    }

    ngx_llmops_samples_redis_reply(task, reply == NULL
                                         || reply->type == REDIS_REPLY_ERROR);
}
