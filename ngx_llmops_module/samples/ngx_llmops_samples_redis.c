
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_own.h"
#include "ngx_llmops_redis.h"


/*
 * Samples on Redis: a record is a string that expires by itself, PREFIX:sm:v:ID,
 * and a member of two sorted sets.  In PREFIX:sm:i all have the same score, so
 * that they are in the order of their names, which begin with the id, and so
 * with the time; in PREFIX:sm:x the score is when they expire.  The member says
 * of a record what questions ask, so that what does not fit is not fetched:
 *
 *     ID:LENGTH:ROUTE:TENANT:CLIENT:KEY:REQUEST
 *
 * PREFIX:sm:n is the sum of all lengths: whoever takes a member out of the
 * first set, and he alone, takes its length from it.  Members are put in before
 * the record and so can only be too many: one without a record is passed over.
 *
 * Commands go to several nodes of a Cluster; nothing here needs two of them to
 * be carried out together.
 */


#define NGX_LLMOPS_SAMPLES_PAGE    32      /* members that are looked at in one
                                              go, and fetched; */
#define NGX_LLMOPS_SAMPLES_SCAN    256     /* and when nothing is fetched */
#define NGX_LLMOPS_SAMPLES_TRIM    16      /* the oldest ones, at once */
#define NGX_LLMOPS_SAMPLES_MEMBER  256
#define NGX_LLMOPS_SAMPLES_TEXT    NGX_LLMOPS_SAMPLES_MEMBER
#define NGX_LLMOPS_SAMPLES_ANNOUNCED  "3600000"    /* ms that a deletion is
                                              remembered */


typedef struct {
    ngx_llmops_samples_t      *samples;
    size_t                     len;        /* of the record */
    unsigned                   trim:1;     /* for want of room */
} ngx_llmops_samples_taken_t;

typedef struct {
    ngx_llmops_samples_t      *samples;
    int64_t                    created;
    size_t                     len;
    u_char                     member[NGX_LLMOPS_SAMPLES_MEMBER];
} ngx_llmops_samples_sent_t;


static ngx_llmops_redis_t *ngx_llmops_samples_redis(ngx_llmops_samples_t *s);
static ngx_int_t ngx_llmops_samples_redis_key(ngx_llmops_samples_t *s,
    u_char *buf, ngx_str_t *key, const char *what, const u_char *more,
    size_t len);
static ngx_int_t ngx_llmops_samples_redis_send(ngx_llmops_samples_t *s,
    ngx_uint_t argc, ngx_str_t *argv, ngx_llmops_redis_pt handler,
    void *data);
static size_t ngx_llmops_samples_member(ngx_llmops_record_t *rec, size_t len,
    u_char *member);
static ngx_int_t ngx_llmops_samples_member_read(u_char *p, size_t n,
    ngx_llmops_record_t *rec, size_t *len);
static void ngx_llmops_samples_redis_total(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_samples_redis_gone(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_samples_redis_trim(ngx_llmops_samples_t *s);
static void ngx_llmops_samples_redis_oldest(redisReply *reply,
    ngx_uint_t sent, void *data);
static void ngx_llmops_samples_redis_due(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_samples_redis_drop(ngx_llmops_samples_t *s,
    u_char *member, size_t n, ngx_uint_t trim, ngx_llmops_redis_pt handler,
    void *data);
static void ngx_llmops_samples_redis_taken(redisReply *reply, ngx_uint_t sent,
    void *data);
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


#define ngx_llmops_samples_word(text)  { sizeof(text) - 1, (u_char *) text }


static ngx_llmops_redis_t *
ngx_llmops_samples_redis(ngx_llmops_samples_t *s)
{
    ngx_str_t  prefix;

    return ngx_llmops_redis_of(s->mcf->store, &prefix);
}


/* a key in buf[SAMPLES_TEXT] */

static ngx_int_t
ngx_llmops_samples_redis_key(ngx_llmops_samples_t *s, u_char *buf,
    ngx_str_t *key, const char *what, const u_char *more, size_t len)
{
    ngx_str_t  prefix;

    if (ngx_llmops_redis_of(s->mcf->store, &prefix) == NULL
        || prefix.len + sizeof(":sm:v:") + 2 * len > NGX_LLMOPS_SAMPLES_TEXT)
    {
        return NGX_ERROR;
    }

    key->data = buf;
    key->len = ngx_sprintf(buf, "%V:sm:%s", &prefix, what) - buf;

    if (len) {
        key->len = ngx_hex_dump(buf + key->len, (u_char *) more, len) - buf;
    }

    return NGX_OK;
}


/* argv[1] is the key */

static ngx_int_t
ngx_llmops_samples_redis_send(ngx_llmops_samples_t *s, ngx_uint_t argc,
    ngx_str_t *argv, ngx_llmops_redis_pt handler, void *data)
{
    ngx_llmops_redis_t  *redis;

    redis = ngx_llmops_samples_redis(s);

    return (redis && ngx_llmops_redis_command(redis, &argv[1], argc, argv,
                                              handler, data))
           ? NGX_OK : NGX_ERROR;
}


static size_t
ngx_llmops_samples_member(ngx_llmops_record_t *rec, size_t len,
    u_char *member)
{
    u_char      *p;
    ngx_uint_t   i;

    u_char  *tags[] = { rec->route, rec->tenant, rec->client };

    p = ngx_hex_dump(member, rec->id, 16);
    p = ngx_sprintf(p, ":%uz", len);

    for (i = 0; i < 3; i++) {
        *p++ = ':';
        p = ngx_hex_dump(p, tags[i], 16);
    }

    *p++ = ':';
    p = ngx_hex_dump(p, rec->key, 8);
    *p++ = ':';
    p = ngx_hex_dump(p, rec->request, 16);

    return p - member;
}


static u_char *
ngx_llmops_samples_hex(u_char *p, u_char *last, u_char *to, ngx_uint_t n)
{
    ngx_int_t  byte;

    if (p == NULL || (size_t) (last - p) < 2 * n) {
        return NULL;
    }

    for ( /* void */ ; n; n--, p += 2) {
        byte = ngx_hextoi(p, 2);

        if (byte == NGX_ERROR) {
            return NULL;
        }

        *to++ = (u_char) byte;
    }

    return (p < last && *p == ':') ? p + 1 : p == last ? p : NULL;
}


static ngx_int_t
ngx_llmops_samples_member_read(u_char *p, size_t n, ngx_llmops_record_t *rec,
    size_t *len)
{
    u_char     *last, *colon;
    ngx_int_t   size;

    ngx_memzero(rec, sizeof(ngx_llmops_record_t));

    last = p + n;

    p = ngx_llmops_samples_hex(p, last, rec->id, 16);
    colon = p ? ngx_strlchr(p, last, ':') : NULL;

    if (colon == NULL) {
        return NGX_DECLINED;
    }

    size = ngx_atoi(p, colon - p);

    p = ngx_llmops_samples_hex(colon + 1, last, rec->route, 16);
    p = ngx_llmops_samples_hex(p, last, rec->tenant, 16);
    p = ngx_llmops_samples_hex(p, last, rec->client, 16);
    p = ngx_llmops_samples_hex(p, last, rec->key, 8);
    p = ngx_llmops_samples_hex(p, last, rec->request, 16);

    if (p != last || size == NGX_ERROR) {
        return NGX_DECLINED;
    }

    *len = size;

    /* what a member does not tell fits all questions */

    rec->flags = NGX_LLMOPS_RECORD_PAIR|NGX_LLMOPS_RECORD_JUDGED;
    rec->expires = NGX_MAX_INT_T_VALUE;

    return NGX_OK;
}


/* -- writing --------------------------------------------------------------- */

ngx_int_t
ngx_llmops_samples_redis_put(ngx_llmops_samples_t *s,
    ngx_llmops_record_t *rec, ngx_str_t *record, u_char *client)
{
    u_char                      index[NGX_LLMOPS_SAMPLES_TEXT];
    u_char                      expiry[NGX_LLMOPS_SAMPLES_TEXT];
    u_char                      value[NGX_LLMOPS_SAMPLES_TEXT];
    u_char                      sum[NGX_LLMOPS_SAMPLES_TEXT];
    u_char                      gone[NGX_LLMOPS_SAMPLES_TEXT];
    u_char                      number[3][NGX_INT64_LEN + 1];
    ngx_str_t                   member;
    ngx_llmops_samples_sent_t  *sent;

    ngx_str_t  add[4] = { ngx_llmops_samples_word("ZADD"), ngx_null_string,
                          ngx_llmops_samples_word("0") };
    ngx_str_t  due[4] = { ngx_llmops_samples_word("ZADD") };
    ngx_str_t  set[5] = { ngx_llmops_samples_word("SET"), ngx_null_string,
                          ngx_null_string, ngx_llmops_samples_word("PX") };
    ngx_str_t  incr[3] = { ngx_llmops_samples_word("INCRBY") };
    ngx_str_t  get[2] = { ngx_llmops_samples_word("GET") };

    sent = ngx_alloc(sizeof(ngx_llmops_samples_sent_t), ngx_cycle->log);

    if (sent == NULL
        || ngx_llmops_samples_redis_key(s, index, &add[1], "i", NULL, 0)
           != NGX_OK
        || ngx_llmops_samples_redis_key(s, expiry, &due[1], "x", NULL, 0)
           != NGX_OK
        || ngx_llmops_samples_redis_key(s, value, &set[1], "v:", rec->id, 16)
           != NGX_OK
        || ngx_llmops_samples_redis_key(s, sum, &incr[1], "n", NULL, 0)
           != NGX_OK
        || ngx_llmops_samples_redis_key(s, gone, &get[1], "g:", client, 16)
           != NGX_OK)
    {
        ngx_free(sent);
        return NGX_ERROR;
    }

    sent->samples = s;
    sent->created = rec->created;
    sent->len = ngx_llmops_samples_member(rec, record->len, sent->member);

    member.data = sent->member;
    member.len = sent->len;

    add[3] = member;
    due[3] = member;

    due[2].data = number[0];
    due[2].len = ngx_sprintf(number[0], "%L", rec->expires) - number[0];

    set[2] = *record;
    set[4].data = number[1];
    set[4].len = ngx_sprintf(number[1], "%L",
                             ngx_max(rec->expires - ngx_llmops_samples_now(), 1))
                 - number[1];

    incr[2].data = number[2];
    incr[2].len = ngx_sprintf(number[2], "%uz", record->len) - number[2];

    if (ngx_llmops_samples_redis_send(s, 4, add, NULL, NULL) != NGX_OK
        || ngx_llmops_samples_redis_send(s, 4, due, NULL, NULL) != NGX_OK
        || ngx_llmops_samples_redis_send(s, 5, set, NULL, NULL) != NGX_OK
        || ngx_llmops_samples_redis_send(s, 3, incr,
                                         ngx_llmops_samples_redis_total, s)
           != NGX_OK
        || ngx_llmops_samples_redis_send(s, 2, get,
                                         ngx_llmops_samples_redis_gone, sent)
           != NGX_OK)
    {
        ngx_free(sent);
        return NGX_ERROR;
    }

    return NGX_OK;
}


static void
ngx_llmops_samples_redis_total(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_samples_t *s = data;

    if (reply == NULL || reply->type != REDIS_REPLY_INTEGER) {
        if (ngx_llmops_samples_complain(s)) {
            ngx_log_error(NGX_LOG_ERR, ngx_cycle->log, 0,
                          "samples may be lost: Redis has not answered");
        }

        return;
    }

    s->used = reply->integer;

    if (s->used > (int64_t) s->size) {
        ngx_llmops_samples_redis_trim(s);
    }
}


/* deleted while it was being made: so is this one */

static void
ngx_llmops_samples_redis_gone(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_samples_sent_t *own = data;

    if (reply && reply->type == REDIS_REPLY_STRING
        && strtoll(reply->str, NULL, 10) >= own->created)
    {
        (void) ngx_llmops_samples_redis_drop(own->samples, own->member,
                                             own->len, 0, NULL, NULL);
    }

    ngx_free(own);
}


static void
ngx_llmops_samples_redis_trim(ngx_llmops_samples_t *s)
{
    u_char     key[NGX_LLMOPS_SAMPLES_TEXT];
    u_char     n[NGX_INT_T_LEN];
    ngx_str_t  argv[7] = { ngx_llmops_samples_word("ZRANGEBYLEX"),
                           ngx_null_string, ngx_llmops_samples_word("-"),
                           ngx_llmops_samples_word("+"),
                           ngx_llmops_samples_word("LIMIT"),
                           ngx_llmops_samples_word("0") };

    if (s->trimming
        || ngx_llmops_samples_redis_key(s, key, &argv[1], "i", NULL, 0)
           != NGX_OK)
    {
        return;
    }

    argv[6].data = n;
    argv[6].len = ngx_sprintf(n, "%d", NGX_LLMOPS_SAMPLES_TRIM) - n;

    if (ngx_llmops_samples_redis_send(s, 7, argv,
                                      ngx_llmops_samples_redis_oldest, s)
        == NGX_OK)
    {
        s->trimming++;
    }
}


/*
 * As many as are too many, and no more before they have left the sum: until
 * then it would say that still more have to go.
 */

static void
ngx_llmops_samples_redis_oldest(redisReply *reply, ngx_uint_t sent, void *data)
{
    size_t                 i, len;
    int64_t                excess;
    redisReply            *member;
    ngx_llmops_record_t    rec;
    ngx_llmops_samples_t  *s = data;

    s->trimming--;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY) {
        return;
    }

    excess = s->used - (int64_t) s->size;

    for (i = 0; i < reply->elements && excess > 0; i++) {
        member = reply->element[i];

        if (member->type == REDIS_REPLY_STRING
            && ngx_llmops_samples_member_read((u_char *) member->str,
                                              member->len, &rec, &len)
               == NGX_OK
            && ngx_llmops_samples_redis_drop(s, (u_char *) member->str,
                                             member->len, 1, NULL, NULL)
               == NGX_OK)
        {
            excess -= (int64_t) len;
        }
    }
}


/* the record of a member, and the member; handler is of DEL */

static ngx_int_t
ngx_llmops_samples_redis_drop(ngx_llmops_samples_t *s, u_char *member,
    size_t n, ngx_uint_t trim, ngx_llmops_redis_pt handler, void *data)
{
    size_t                       len;
    u_char                       value[NGX_LLMOPS_SAMPLES_TEXT];
    u_char                       index[NGX_LLMOPS_SAMPLES_TEXT];
    u_char                       expiry[NGX_LLMOPS_SAMPLES_TEXT];
    ngx_llmops_record_t          rec;
    ngx_llmops_samples_taken_t  *taken;

    ngx_str_t  del[2] = { ngx_llmops_samples_word("DEL") };
    ngx_str_t  rem[3] = { ngx_llmops_samples_word("ZREM") };
    ngx_str_t  due[3] = { ngx_llmops_samples_word("ZREM") };

    if (ngx_llmops_samples_member_read(member, n, &rec, &len) != NGX_OK
        || ngx_llmops_samples_redis_key(s, value, &del[1], "v:", rec.id, 16)
           != NGX_OK
        || ngx_llmops_samples_redis_key(s, index, &rem[1], "i", NULL, 0)
           != NGX_OK
        || ngx_llmops_samples_redis_key(s, expiry, &due[1], "x", NULL, 0)
           != NGX_OK)
    {
        return NGX_ERROR;
    }

    taken = ngx_alloc(sizeof(ngx_llmops_samples_taken_t), ngx_cycle->log);
    if (taken == NULL) {
        return NGX_ERROR;
    }

    taken->samples = s;
    taken->len = len;
    taken->trim = trim;

    rem[2].data = member;
    rem[2].len = n;
    due[2] = rem[2];

    /* the record first, and what names it last: it can be tried again */

    if (ngx_llmops_samples_redis_send(s, 2, del, handler, data) != NGX_OK) {
        ngx_free(taken);
        return NGX_ERROR;
    }

    (void) ngx_llmops_samples_redis_send(s, 3, due, NULL, NULL);

    if (ngx_llmops_samples_redis_send(s, 3, rem,
                                      ngx_llmops_samples_redis_taken, taken)
        != NGX_OK)
    {
        ngx_free(taken);
        return NGX_OK;
    }

    s->trimming += trim;

    return NGX_OK;
}


static void
ngx_llmops_samples_redis_taken(redisReply *reply, ngx_uint_t sent, void *data)
{
    u_char                       key[NGX_LLMOPS_SAMPLES_TEXT];
    u_char                       n[NGX_INT64_LEN];
    ngx_str_t                    argv[3] = { ngx_llmops_samples_word("DECRBY") };
    ngx_llmops_samples_taken_t  *taken = data;

    taken->samples->trimming -= taken->trim;

    if (reply && reply->type == REDIS_REPLY_INTEGER && reply->integer == 1
        && ngx_llmops_samples_redis_key(taken->samples, key, &argv[1], "n",
                                        NULL, 0)
           == NGX_OK)
    {
        argv[2].data = n;
        argv[2].len = ngx_sprintf(n, "%uz", taken->len) - n;

        (void) ngx_llmops_samples_redis_send(taken->samples, 3, argv, NULL,
                                             NULL);
    }

    ngx_free(taken);
}


/* what has expired has no record any more, but still is in the sets */

void
ngx_llmops_samples_redis_sweep(ngx_llmops_samples_t *s)
{
    u_char     key[NGX_LLMOPS_SAMPLES_TEXT];
    u_char     now[NGX_INT64_LEN];
    ngx_str_t  argv[7] = { ngx_llmops_samples_word("ZRANGEBYSCORE"),
                           ngx_null_string, ngx_llmops_samples_word("-inf"),
                           ngx_null_string, ngx_llmops_samples_word("LIMIT"),
                           ngx_llmops_samples_word("0"),
                           ngx_llmops_samples_word("256") };

    if (ngx_llmops_samples_redis_key(s, key, &argv[1], "x", NULL, 0)
        != NGX_OK)
    {
        return;
    }

    argv[3].data = now;
    argv[3].len = ngx_sprintf(now, "%L", ngx_llmops_samples_now()) - now;

    (void) ngx_llmops_samples_redis_send(s, 7, argv,
                                         ngx_llmops_samples_redis_due, s);
}


static void
ngx_llmops_samples_redis_due(redisReply *reply, ngx_uint_t sent, void *data)
{
    size_t                 i;
    redisReply            *member;
    ngx_llmops_samples_t  *s = data;

    if (reply == NULL || reply->type != REDIS_REPLY_ARRAY
        || reply->elements == 0)
    {
        return;
    }

    for (i = 0; i < reply->elements; i++) {
        member = reply->element[i];

        if (member->type == REDIS_REPLY_STRING) {
            (void) ngx_llmops_samples_redis_drop(s, (u_char *) member->str,
                                                 member->len, 0, NULL, NULL);
        }
    }

    if (reply->elements == NGX_LLMOPS_SAMPLES_SCAN) {
        ngx_llmops_samples_redis_sweep(s);       /* there are more */
    }
}


/* -- going through them ---------------------------------------------------- */

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


static ngx_int_t
ngx_llmops_samples_redis_announce(ngx_llmops_samples_task_t *task)
{
    u_char     key[NGX_LLMOPS_SAMPLES_TEXT];
    u_char     now[NGX_INT64_LEN];
    ngx_str_t  argv[5] = { ngx_llmops_samples_word("SET"), ngx_null_string,
                           ngx_null_string, ngx_llmops_samples_word("PX"),
                           ngx_llmops_samples_word(
                                             NGX_LLMOPS_SAMPLES_ANNOUNCED) };

    task->began = 1;

    if (ngx_llmops_samples_redis_key(task->samples, key, &argv[1], "g:",
                                     task->client_tag, 16)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    argv[2].data = now;
    argv[2].len = ngx_sprintf(now, "%L", ngx_llmops_samples_now()) - now;

    if (ngx_llmops_samples_redis_send(task->samples, 5, argv,
                                      ngx_llmops_samples_redis_said, task)
        != NGX_OK)
    {
        return NGX_ERROR;
    }

    task->pending++;

    return NGX_AGAIN;
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
    size_t                i, len;
    ngx_int_t             rc;
    redisReply           *member;
    ngx_llmops_record_t   rec;

    if (task->member.data == NULL) {
        task->member.data = ngx_pnalloc(task->pool,
                                        NGX_LLMOPS_SAMPLES_MEMBER);
        if (task->member.data == NULL) {
            return NGX_ERROR;
        }
    }

    task->ended = (reply->elements == 0);

    for (i = 0; i < reply->elements; i++) {
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
    argv[5].len = ngx_sprintf(left, "%L",
                              ngx_max(rec.expires - ngx_llmops_samples_now(), 1))
                  - left;

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
