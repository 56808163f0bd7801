
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_redis_node.h"


/*
 * What a connection begins with, all in one write: who we are, which database,
 * what time it is there, and last a PING, whose reply says that the server
 * does its work: while it loads, or has lost its master, it answers that with
 * an error, other than AUTH or TIME.
 */


#define NGX_LLMOPS_REDIS_SLACK  2          /* ms: how coarse our clock is */


static void ngx_llmops_redis_auth_reply(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_redis_select_reply(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_redis_role_reply(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_redis_time_reply(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_redis_ping_reply(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_redis_greeted(ngx_llmops_redis_node_t *node,
    redisReply *reply, const char *command);


void
ngx_llmops_redis_greet(ngx_llmops_redis_node_t *node, ngx_str_t *user,
    ngx_str_t *password, ngx_uint_t db, ngx_uint_t role)
{
    u_char      text[NGX_INT_T_LEN];
    ngx_str_t   argv[3];
    ngx_uint_t  n;

    if (password->len) {
        n = 0;
        ngx_str_set(&argv[n], "AUTH");

        if (user->len) {
            argv[++n] = *user;
        }

        argv[++n] = *password;

        ngx_llmops_redis_node_ask(node, ngx_llmops_redis_auth_reply, n + 1,
                                  argv);
    }

    if (db) {
        ngx_str_set(&argv[0], "SELECT");
        argv[1].data = text;
        argv[1].len = ngx_sprintf(text, "%ui", db) - text;

        ngx_llmops_redis_node_ask(node, ngx_llmops_redis_select_reply, 2,
                                  argv);
    }

    if (role) {
        ngx_str_set(&argv[0], "ROLE");
        ngx_llmops_redis_node_ask(node, ngx_llmops_redis_role_reply, 1, argv);
    }

    ngx_llmops_redis_time(node);

    ngx_str_set(&argv[0], "PING");
    ngx_llmops_redis_node_ask(node, ngx_llmops_redis_ping_reply, 1, argv);
}


void
ngx_llmops_redis_time(ngx_llmops_redis_node_t *node)
{
    ngx_str_t            argv[1];
    ngx_llmops_redis_t  *redis;

    redis = node->redis;

    if (node != ngx_llmops_redis_clock(redis)) {
        return;
    }

    redis->asked = ngx_current_msec;

    ngx_str_set(&argv[0], "TIME");
    ngx_llmops_redis_node_ask(node, ngx_llmops_redis_time_reply, 1, argv);
}


void
ngx_llmops_redis_look(ngx_llmops_redis_node_t *node)
{
    ngx_str_t  argv[1];

    if (node->state != NGX_LLMOPS_REDIS_UP
        || !ngx_llmops_redis_node_accepts(node))
    {
        return;
    }

    if (node == ngx_llmops_redis_clock(node->redis)) {
        ngx_llmops_redis_time(node);
        return;
    }

    ngx_str_set(&argv[0], "PING");
    ngx_llmops_redis_node_ask(node, NULL, 1, argv);
}


static void
ngx_llmops_redis_auth_reply(redisReply *reply, ngx_uint_t sent, void *data)
{
    (void) ngx_llmops_redis_greeted(data, reply, "AUTH");
}


static void
ngx_llmops_redis_select_reply(redisReply *reply, ngx_uint_t sent, void *data)
{
    (void) ngx_llmops_redis_greeted(data, reply, "SELECT");
}


/* an account that may not ask for the role finds out when it writes */

static void
ngx_llmops_redis_role_reply(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_node_t *node = data;

    if (reply && ngx_llmops_redis_is(reply, "NOPERM")) {
        return;
    }

    if (ngx_llmops_redis_greeted(node, reply, "ROLE") != NGX_OK) {
        return;
    }

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements == 0
        || reply->element[0]->type != REDIS_REPLY_STRING
        || ngx_strcmp(reply->element[0]->str, "master") != 0)
    {
        ngx_llmops_redis_node_doom(node, "it is not a master");
    }
}


/*
 * The server looked at its clock between our asking and now; what we know of
 * the difference of the two clocks is right as long as it fits that.
 */

static void
ngx_llmops_redis_time_reply(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_node_t *node = data;

    int64_t              server, least, most;
    ngx_llmops_redis_t  *redis;

    if (reply == NULL
        || reply->type != REDIS_REPLY_ARRAY
        || reply->elements != 2
        || reply->element[0]->type != REDIS_REPLY_STRING
        || reply->element[1]->type != REDIS_REPLY_STRING)
    {
        return;
    }

    redis = node->redis;

    server = (int64_t) strtoll(reply->element[0]->str, NULL, 10) * 1000
             + strtoll(reply->element[1]->str, NULL, 10) / 1000;

    least = server - (int64_t) ngx_current_msec - NGX_LLMOPS_REDIS_SLACK;
    most = server - (int64_t) redis->asked + NGX_LLMOPS_REDIS_SLACK;

    if (!redis->timed) {
        redis->timed = 1;
        redis->offset = least + (most - least) / 2;
        return;
    }

    redis->offset = ngx_max(redis->offset, least);
    redis->offset = ngx_min(redis->offset, most);
}


static void
ngx_llmops_redis_ping_reply(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_llmops_redis_node_t *node = data;

    if ((reply == NULL || !ngx_llmops_redis_is(reply, "NOPERM"))
        && ngx_llmops_redis_greeted(node, reply, "PING") != NGX_OK)
    {
        return;
    }

    if (!node->doom) {
        ngx_llmops_redis_node_ready(node);
    }
}


/* an error text of the server's is safe: it never repeats a password */

static ngx_int_t
ngx_llmops_redis_greeted(ngx_llmops_redis_node_t *node, redisReply *reply,
    const char *command)
{
    if (reply == NULL) {
        ngx_llmops_redis_node_doom(node, "no reply to %s", command);
        return NGX_ERROR;
    }

    if (reply->type == REDIS_REPLY_ERROR) {
        ngx_llmops_redis_node_doom(node, "%s: %s", command, reply->str);
        return NGX_ERROR;
    }

    return NGX_OK;
}


const char *
ngx_llmops_redis_unusable(redisReply *reply)
{
    if (ngx_llmops_redis_is(reply, "LOADING ")) {
        return "LOADING";
    }

    if (ngx_llmops_redis_is(reply, "READONLY ")) {
        return "READONLY";
    }

    if (ngx_llmops_redis_is(reply, "MASTERDOWN ")) {
        return "MASTERDOWN";
    }

    if (ngx_llmops_redis_is(reply, "BUSY ")) {
        return "BUSY";
    }

    if (ngx_llmops_redis_is(reply, "NOAUTH ")) {
        return "NOAUTH";
    }

    return NULL;
}
