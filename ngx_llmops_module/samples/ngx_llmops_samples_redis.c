
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_samples_redis.h"


/*
 * Samples on Redis: a record is a string that expires by itself, by the name of
 * PREFIX:sm:v:ID, and a member of two sorted sets.  In PREFIX:sm:i all have the
 * same score, so that they are in the order of their names, which begin with
 * the id, and so with the time; in PREFIX:sm:x the score is when they expire.
 * The member says of a record what questions ask, so that what does not fit is
 * not fetched:
 *
 *     ID:LENGTH:ROUTE:TENANT:CLIENT:KEY:REQUEST
 *
 * PREFIX:sm:n is the sum of all lengths: whoever takes a member out of the
 * first set, and he alone, takes its length from it.  Members are put in before
 * the record and so can only be too many: one without a record is passed over.
 *
 * Commands go to several nodes of a Cluster; nothing here needs two of them to
 * be carried out together.  Reading and changing is in
 * ngx_llmops_samples_redis_task.c.
 */


#define NGX_LLMOPS_SAMPLES_TRIM    16      /* the oldest ones, at once */


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
static size_t ngx_llmops_samples_member(ngx_llmops_record_t *rec, size_t len,
    u_char *member);
static void ngx_llmops_samples_redis_total(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_samples_redis_gone(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_samples_redis_trim(ngx_llmops_samples_t *s);
static void ngx_llmops_samples_redis_oldest(redisReply *reply,
    ngx_uint_t sent, void *data);
static void ngx_llmops_samples_redis_due(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_samples_redis_taken(redisReply *reply, ngx_uint_t sent,
    void *data);


static ngx_llmops_redis_t *
ngx_llmops_samples_redis(ngx_llmops_samples_t *s)
{
    ngx_str_t  prefix;

    return ngx_llmops_redis_of(s->mcf->store, &prefix);
}


ngx_int_t
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


ngx_int_t
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


ngx_int_t
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


u_char *
ngx_llmops_samples_left(ngx_llmops_samples_t *s, ngx_llmops_record_t *rec,
    u_char *p)
{
    int64_t  ms;

    ms = rec->expires - ngx_llmops_samples_now(s);

    return ngx_sprintf(p, "%L", ngx_max(ms, 1));
}


ngx_int_t
ngx_llmops_samples_redis_put(ngx_llmops_samples_t *s,
    ngx_llmops_record_t *rec, ngx_str_t *record)
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
        || ngx_llmops_samples_redis_key(s, gone, &get[1], "g:",
                                        rec->client, 16)
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
    set[4].len = ngx_llmops_samples_left(s, rec, number[1]) - number[1];

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


ngx_int_t
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
    ngx_llmops_samples_taken_t  *taken = data;

    ngx_str_t  argv[3] = { ngx_llmops_samples_word("DECRBY") };

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
    argv[3].len = ngx_sprintf(now, "%L", ngx_llmops_samples_now(s)) - now;

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
