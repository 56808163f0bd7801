
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _FAKE_REDIS_H_INCLUDED_
#define _FAKE_REDIS_H_INCLUDED_


#include "fake_nginx.h"
#include "ngx_llmops_redis.h"


/*
 * A server that executes the very commands that the engine sends, and
 * connections to it, of which a test decides when a command is executed, when
 * its answer arrives, and when all is cut.  A command that is not known, or
 * has the wrong number of words, fails the test.
 */


#define FAKE_FIELDS    1024
#define FAKE_KEYS      32
#define FAKE_COMMANDS  4096
#define FAKE_WORDS     80


typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  value;
} fake_field_t;

typedef struct {
    ngx_str_t                  name;
    fake_field_t               fields[FAKE_FIELDS];
    ngx_uint_t                 nfields;
    int64_t                    end;        /* ms, 0: never */
} fake_key_t;

typedef struct {
    fake_key_t                 keys[FAKE_KEYS];
    int64_t                    now;        /* ms since the epoch */
    const char                *error;      /* what writes are answered with */
    ngx_uint_t                 executed;
} fake_server_t;

struct ngx_llmops_redis_cmd_s {
    ngx_uint_t                 argc;
    ngx_str_t                  argv[FAKE_WORDS];
    ngx_llmops_redis_pt        handler;
    void                      *data;
    redisReply                *reply;      /* it has been executed */
};

struct ngx_llmops_redis_s {
    fake_server_t             *server;
    ngx_llmops_redis_cmd_t    *cmds[FAKE_COMMANDS];
    ngx_uint_t                 ncmds;      /* not answered */
    ngx_uint_t                 nexecuted;  /* of them */
    ngx_uint_t                 sent;       /* ever */
    ngx_uint_t                 up;
    ngx_uint_t                 connecting; /* for the first time */
    int64_t                    skew;       /* of what it thinks the time is */
    void                     (*on_up)(void *data);
    void                      *on_up_data;
};


static ngx_str_t
fake_str(const ngx_str_t *s)
{
    ngx_str_t  copy;

    copy.len = s->len;
    copy.data = malloc(s->len + 1);
    memcpy(copy.data, s->data, s->len);
    copy.data[s->len] = '\0';

    return copy;
}


static ngx_uint_t
fake_is(const ngx_str_t *a, const ngx_str_t *b)
{
    return a->len == b->len && memcmp(a->data, b->data, a->len) == 0;
}


static redisReply *
fake_reply(int type)
{
    redisReply  *reply;

    reply = calloc(1, sizeof(redisReply));
    reply->type = type;

    return reply;
}


static redisReply *
fake_integer(long long n)
{
    redisReply  *reply;

    reply = fake_reply(REDIS_REPLY_INTEGER);
    reply->integer = n;

    return reply;
}


static redisReply *
fake_string(int type, const ngx_str_t *s)
{
    redisReply  *reply;

    reply = fake_reply(type);
    reply->str = (char *) fake_str(s).data;
    reply->len = s->len;

    return reply;
}


static void
fake_reply_free(redisReply *reply)
{
    size_t  i;

    if (reply == NULL) {
        return;
    }

    for (i = 0; i < reply->elements; i++) {
        fake_reply_free(reply->element[i]);
    }

    free(reply->element);
    free(reply->str);
    free(reply);
}


static void
fake_delete_field(fake_key_t *key, ngx_uint_t i)
{
    free(key->fields[i].name.data);
    free(key->fields[i].value.data);

    key->nfields--;
    memmove(&key->fields[i], &key->fields[i + 1],
            (key->nfields - i) * sizeof(fake_field_t));
}


static void
fake_delete(fake_key_t *key)
{
    while (key->nfields) {
        fake_delete_field(key, 0);
    }

    free(key->name.data);
    memset(key, 0, sizeof(fake_key_t));
}


static fake_key_t *
fake_key(fake_server_t *server, const ngx_str_t *name, ngx_uint_t make)
{
    fake_key_t  *key, *empty;

    empty = NULL;

    for (key = server->keys; key < server->keys + FAKE_KEYS; key++) {

        if (key->name.data && key->end && key->end <= server->now) {
            fake_delete(key);
        }

        if (key->name.data == NULL) {
            empty = empty ? empty : key;
            continue;
        }

        if (fake_is(&key->name, name)) {
            return key;
        }
    }

    if (!make) {
        return NULL;
    }

    assert_non_null(empty);
    empty->name = fake_str(name);

    return empty;
}


static fake_field_t *
fake_field(fake_key_t *key, const ngx_str_t *name)
{
    ngx_uint_t  i;

    for (i = 0; key && i < key->nfields; i++) {

        if (fake_is(&key->fields[i].name, name)) {
            return &key->fields[i];
        }
    }

    return NULL;
}


/* 1: the field is new */

static ngx_uint_t
fake_set(fake_key_t *key, const ngx_str_t *name, const ngx_str_t *value)
{
    fake_field_t  *field;

    field = fake_field(key, name);

    if (field) {
        free(field->value.data);
        field->value = fake_str(value);
        return 0;
    }

    assert_true(key->nfields < FAKE_FIELDS);

    field = &key->fields[key->nfields++];
    field->name = fake_str(name);
    field->value = fake_str(value);

    return 1;
}


static int64_t
fake_number(const ngx_str_t *s)
{
    char  *end;
    char   buf[32];

    assert_true(s->len > 0 && s->len < sizeof(buf));
    memcpy(buf, s->data, s->len);
    buf[s->len] = '\0';

    return strtoll(buf, &end, 10);
}


static redisReply *
fake_hincrby(fake_server_t *server, ngx_llmops_redis_cmd_t *cmd)
{
    char           buf[32];
    int64_t        n;
    ngx_str_t      value;
    fake_key_t    *key;
    fake_field_t  *field;

    assert_int_equal(cmd->argc, 4);

    key = fake_key(server, &cmd->argv[1], 1);
    field = fake_field(key, &cmd->argv[2]);
    n = (field ? fake_number(&field->value) : 0) + fake_number(&cmd->argv[3]);

    value.len = sprintf(buf, "%lld", (long long) n);
    value.data = (u_char *) buf;
    (void) fake_set(key, &cmd->argv[2], &value);

    return fake_integer(n);
}


static redisReply *
fake_hdel(fake_server_t *server, ngx_llmops_redis_cmd_t *cmd)
{
    ngx_uint_t     i, n;
    fake_key_t    *key;
    fake_field_t  *field;

    assert_true(cmd->argc >= 3);

    key = fake_key(server, &cmd->argv[1], 0);

    for (n = 0, i = 2; key && i < cmd->argc; i++) {
        field = fake_field(key, &cmd->argv[i]);

        if (field) {
            fake_delete_field(key, field - key->fields);
            n++;
        }
    }

    if (key && key->nfields == 0) {
        fake_delete(key);
    }

    return fake_integer(n);
}


static redisReply *
fake_hgetall(fake_server_t *server, ngx_llmops_redis_cmd_t *cmd,
    ngx_uint_t names)
{
    size_t       n;
    ngx_uint_t   i;
    fake_key_t  *key;
    redisReply  *reply;

    assert_int_equal(cmd->argc, 2);

    key = fake_key(server, &cmd->argv[1], 0);
    reply = fake_reply(REDIS_REPLY_ARRAY);

    if (key == NULL) {
        return reply;
    }

    reply->element = calloc(2 * key->nfields, sizeof(redisReply *));

    for (n = 0, i = 0; i < key->nfields; i++) {

        if (names) {
            reply->element[n++] = fake_string(REDIS_REPLY_STRING,
                                              &key->fields[i].name);
        }

        reply->element[n++] = fake_string(REDIS_REPLY_STRING,
                                          &key->fields[i].value);
    }

    reply->elements = n;

    return reply;
}


static redisReply *
fake_run(fake_server_t *server, ngx_llmops_redis_cmd_t *cmd)
{
    const char  *name;
    fake_key_t  *key;

    name = (const char *) cmd->argv[0].data;
    server->executed++;

    if (strcmp(name, "EXISTS") == 0) {
        assert_int_equal(cmd->argc, 2);
        return fake_integer(fake_key(server, &cmd->argv[1], 0) != NULL);
    }

    if (strcmp(name, "HVALS") == 0) {
        return fake_hgetall(server, cmd, 0);
    }

    if (strcmp(name, "HGETALL") == 0) {
        return fake_hgetall(server, cmd, 1);
    }

    if (server->error) {
        return fake_string(REDIS_REPLY_ERROR, unit_str(server->error));
    }

    if (strcmp(name, "HSET") == 0) {
        assert_int_equal(cmd->argc, 4);
        return fake_integer(fake_set(fake_key(server, &cmd->argv[1], 1),
                                     &cmd->argv[2], &cmd->argv[3]));
    }

    if (strcmp(name, "HINCRBY") == 0) {
        return fake_hincrby(server, cmd);
    }

    if (strcmp(name, "HDEL") == 0) {
        return fake_hdel(server, cmd);
    }

    key = fake_key(server, &cmd->argv[1], 0);

    if (strcmp(name, "DEL") == 0) {
        assert_int_equal(cmd->argc, 2);

        if (key) {
            fake_delete(key);
        }

        return fake_integer(key != NULL);
    }

    if (strcmp(name, "PEXPIREAT") == 0) {
        assert_int_equal(cmd->argc, 3);

        if (key) {
            key->end = fake_number(&cmd->argv[2]);
            assert_true(key->end > server->now);
        }

        return fake_integer(key != NULL);
    }

    fail_msg("command \"%s\"", name);
    return NULL;
}


static void
fake_flush(fake_server_t *server)
{
    fake_key_t  *key;

    for (key = server->keys; key < server->keys + FAKE_KEYS; key++) {

        if (key->name.data) {
            fake_delete(key);
        }
    }
}


/* the next command is executed; 0: there is none */

static ngx_uint_t
fake_execute(ngx_llmops_redis_t *redis)
{
    ngx_llmops_redis_cmd_t  *cmd;

    if (!redis->up || redis->nexecuted == redis->ncmds) {
        return 0;
    }

    cmd = redis->cmds[redis->nexecuted++];
    cmd->reply = fake_run(redis->server, cmd);

    return 1;
}


static void
fake_cmd_free(ngx_llmops_redis_cmd_t *cmd)
{
    ngx_uint_t  i;

    for (i = 0; i < cmd->argc; i++) {
        free(cmd->argv[i].data);
    }

    fake_reply_free(cmd->reply);
    free(cmd);
}


static ngx_llmops_redis_cmd_t *
fake_shift(ngx_llmops_redis_t *redis)
{
    ngx_llmops_redis_cmd_t  *cmd;

    cmd = redis->cmds[0];

    redis->ncmds--;
    memmove(redis->cmds, redis->cmds + 1,
            redis->ncmds * sizeof(ngx_llmops_redis_cmd_t *));

    return cmd;
}


/* the next answer arrives; 0: there is none */

static ngx_uint_t
fake_deliver(ngx_llmops_redis_t *redis)
{
    ngx_llmops_redis_cmd_t  *cmd;

    if (redis->nexecuted == 0) {
        return 0;
    }

    cmd = fake_shift(redis);
    redis->nexecuted--;

    if (cmd->handler) {
        cmd->handler(cmd->reply, 1, cmd->data);
    }

    fake_cmd_free(cmd);
    fake_nginx_turn();

    return 1;
}


/* the connection is lost: the first n of what was sent are executed still, no
   answer arrives */

static void
fake_cut(ngx_llmops_redis_t *redis, ngx_uint_t n)
{
    ngx_llmops_redis_cmd_t  *cmd;

    while (n-- && fake_execute(redis)) { /* void */ }

    redis->up = 0;
    redis->connecting = 0;
    redis->nexecuted = 0;

    while (redis->ncmds) {
        cmd = fake_shift(redis);

        if (cmd->handler) {
            cmd->handler(NULL, 1, cmd->data);
        }

        fake_cmd_free(cmd);
    }

    fake_nginx_turn();
}


static void
fake_connect(ngx_llmops_redis_t *redis)
{
    redis->up = 1;
    redis->connecting = 0;

    if (redis->on_up) {
        redis->on_up(redis->on_up_data);
    }

    fake_nginx_turn();
}


/* all that has been sent is executed, all answers arrive */

static void
fake_settle(ngx_llmops_redis_t *redis)
{
    while (fake_execute(redis) || fake_deliver(redis)) { /* void */ }
}


static fake_field_t *
fake_find(fake_server_t *server, const char *name, const char *field)
{
    fake_key_t  *key;

    key = fake_key(server, unit_str(name), 0);

    return key ? fake_field(key, unit_str(field)) : NULL;
}


/* what the engine calls */

ngx_llmops_redis_cmd_t *
ngx_llmops_redis_send(ngx_llmops_redis_t *redis, ngx_uint_t flags,
    ngx_str_t *key, ngx_uint_t argc, const ngx_str_t *argv,
    ngx_llmops_redis_pt handler, void *data)
{
    ngx_uint_t               i;
    ngx_llmops_redis_cmd_t  *cmd;

    if (!redis->up && !redis->connecting) {
        return NULL;
    }

    assert_true(argc <= FAKE_WORDS && redis->ncmds < FAKE_COMMANDS);
    assert_true(fake_is(key, &argv[1]));

    cmd = calloc(1, sizeof(ngx_llmops_redis_cmd_t));

    for (i = 0; i < argc; i++) {
        cmd->argv[i] = fake_str(&argv[i]);
    }

    cmd->argc = argc;
    cmd->handler = handler;
    cmd->data = data;

    redis->cmds[redis->ncmds++] = cmd;
    redis->sent++;

    return cmd;
}


ngx_llmops_redis_cmd_t *
ngx_llmops_redis_command(ngx_llmops_redis_t *redis, ngx_str_t *key,
    ngx_uint_t argc, const ngx_str_t *argv, ngx_llmops_redis_pt handler,
    void *data)
{
    return ngx_llmops_redis_send(redis, 0, key, argc, argv, handler, data);
}


ngx_uint_t
ngx_llmops_redis_takes(ngx_llmops_redis_t *redis, ngx_str_t *key)
{
    return redis->up || redis->connecting;
}


void
ngx_llmops_redis_cancel(ngx_llmops_redis_cmd_t *cmd)
{
    cmd->handler = NULL;
}


ngx_uint_t
ngx_llmops_redis_up(ngx_llmops_redis_t *redis, ngx_str_t *key)
{
    return redis->up;
}


int64_t
ngx_llmops_redis_now(ngx_llmops_redis_t *redis)
{
    return redis->server->now + redis->skew;
}


ngx_int_t
ngx_llmops_redis_on_up(ngx_llmops_redis_t *redis, void (*handler)(void *data),
    void *data)
{
    redis->on_up = handler;
    redis->on_up_data = data;

    return NGX_OK;
}


#endif /* _FAKE_REDIS_H_INCLUDED_ */
