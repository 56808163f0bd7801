
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_feedback.h"
#include "ngx_llmops_redis.h"


/*
 * With llm_redis the requests that are remembered are known to the whole fleet:
 * "PREFIX:fb:{ID}" has what an entry of the index has, and the name of the
 * prompt, which may be unknown where it has not served, as long as feedback is
 * taken.  "PREFIX:fg:{ID}" is set by whoever takes the feedback, if it is not
 * there yet, so that one of two gateways takes it; it counts for the guards
 * where it was taken, and gateways add up what they have.
 *
 * A request of this nginx is known without Redis, too: while that cannot be
 * asked its feedback is taken by its own index alone.
 */


#define NGX_LLMOPS_FEEDBACK_KEY    192


static ngx_llmops_redis_t *ngx_llmops_feedback_key(
    ngx_llmops_main_conf_t *mcf, const char *kind, ngx_str_t *id,
    u_char *text, ngx_str_t *key);
static void ngx_llmops_feedback_known(redisReply *reply, ngx_uint_t sent,
    void *data);
static ngx_int_t ngx_llmops_feedback_claim(
    ngx_llmops_feedback_giving_t *giving);
static void ngx_llmops_feedback_claimed(redisReply *reply, ngx_uint_t sent,
    void *data);
static void ngx_llmops_feedback_given(ngx_llmops_feedback_giving_t *giving,
    ngx_int_t rc);


/* NULL: there is no Redis */

static ngx_llmops_redis_t *
ngx_llmops_feedback_key(ngx_llmops_main_conf_t *mcf, const char *kind,
    ngx_str_t *id, u_char *text, ngx_str_t *key)
{
    ngx_str_t            prefix;
    ngx_llmops_redis_t  *redis;

    redis = ngx_llmops_redis_of(mcf->store, &prefix);

    if (redis) {
        key->data = text;
        key->len = ngx_snprintf(text, NGX_LLMOPS_FEEDBACK_KEY, "%V:%s:{%V}",
                                &prefix, kind, id)
                   - text;
    }

    return redis;
}


void
ngx_llmops_feedback_tell(ngx_llmops_main_conf_t *mcf, ngx_str_t *id,
    const ngx_atomic_uint_t *words, ngx_str_t *prompt)
{
    u_char                  text[NGX_LLMOPS_FEEDBACK_KEY];
    u_char                  value[4 * (NGX_INT_T_LEN + 1)
                                  + NGX_LLMOPS_FEEDBACK_PROMPT];
    ngx_str_t               none = ngx_null_string;
    u_char                  seconds[NGX_INT_T_LEN];
    ngx_str_t               argv[5];
    ngx_llmops_redis_t     *redis;
    ngx_llmops_feedback_t  *fb;

    redis = ngx_llmops_feedback_key(mcf, "fb", id, text, &argv[1]);

    if (redis == NULL) {
        return;
    }

    fb = mcf->feedback;

    ngx_str_set(&argv[0], "SET");
    ngx_str_set(&argv[3], "EX");

    argv[2].data = value;

    if (prompt->len > NGX_LLMOPS_FEEDBACK_PROMPT) {
        prompt = &none;
    }

    argv[2].len = ngx_sprintf(value, "%uA %uA %uA %uA%s%V", words[0],
                              words[1], words[2], words[3],
                              prompt->len ? " " : "", prompt)
                  - value;
    argv[4].data = seconds;
    argv[4].len = ngx_sprintf(seconds, "%T", fb->valid) - seconds;

    /* what it does not take now, this nginx knows all the same */

    (void) ngx_llmops_redis_command(redis, &argv[1], 5, argv, NULL, NULL);
}


ngx_int_t
ngx_llmops_feedback_ask(ngx_llmops_feedback_giving_t *giving)
{
    u_char                  text[NGX_LLMOPS_FEEDBACK_KEY];
    ngx_int_t               rc;
    ngx_str_t               argv[2];
    ngx_llmops_redis_t     *redis;
    ngx_llmops_feedback_t  *fb;

    fb = giving->mcf->feedback;

    /* an id of another form is nobody's */

    redis = (fb->fleet && giving->id.len == 32)
            ? ngx_llmops_feedback_key(giving->mcf, "fb", &giving->id, text,
                                      &argv[1])
            : NULL;

    if (redis == NULL) {
        return ngx_llmops_feedback_give(giving->mcf, &giving->id,
                                        giving->score, &giving->about);
    }

    rc = ngx_llmops_feedback_give(giving->mcf, &giving->id, -1,
                                  &giving->about);

    if (rc == NGX_OK) {
        giving->local = 1;
        return ngx_llmops_feedback_claim(giving);
    }

    ngx_str_set(&argv[0], "GET");

    giving->cmd = ngx_llmops_redis_command(redis, &argv[1], 2, argv,
                                           ngx_llmops_feedback_known, giving);

    return giving->cmd ? NGX_AGAIN : NGX_ERROR;
}


static void
ngx_llmops_feedback_known(redisReply *reply, ngx_uint_t sent, void *data)
{
    char                          *p, *end;
    ngx_int_t                      rc;
    ngx_uint_t                     i;
    ngx_llmops_feedback_giving_t  *giving = data;

    giving->cmd = NULL;

    if (reply == NULL || reply->type == REDIS_REPLY_ERROR) {
        ngx_llmops_feedback_given(giving, NGX_ERROR);
        return;
    }

    if (reply->type != REDIS_REPLY_STRING) {
        ngx_llmops_feedback_given(giving, NGX_DECLINED);
        return;
    }

    p = reply->str;                          /* hiredis terminates it */

    for (i = 0; i < 4; i++) {
        giving->found[i] = strtoull(p, &end, 10);

        if (end == p) {
            ngx_llmops_feedback_given(giving, NGX_DECLINED);
            return;
        }

        p = end;
    }

    if (*p == ' ') {
        giving->name.data = giving->text;
        giving->name.len = ngx_min(reply->len - (p + 1 - reply->str),
                                   NGX_LLMOPS_FEEDBACK_PROMPT);
        ngx_memcpy(giving->text, p + 1, giving->name.len);
    }

    rc = ngx_llmops_feedback_claim(giving);

    if (rc != NGX_AGAIN) {
        ngx_llmops_feedback_given(giving, rc);
    }
}


/* who sets it takes the feedback */

static ngx_int_t
ngx_llmops_feedback_claim(ngx_llmops_feedback_giving_t *giving)
{
    u_char                  text[NGX_LLMOPS_FEEDBACK_KEY];
    u_char                  seconds[NGX_INT_T_LEN];
    ngx_str_t               argv[6];
    ngx_llmops_redis_t     *redis;
    ngx_llmops_feedback_t  *fb;

    fb = giving->mcf->feedback;
    redis = ngx_llmops_feedback_key(giving->mcf, "fg", &giving->id, text,
                                    &argv[1]);

    if (redis) {
        ngx_str_set(&argv[0], "SET");
        ngx_str_set(&argv[2], "1");
        ngx_str_set(&argv[3], "NX");
        ngx_str_set(&argv[4], "EX");

        argv[5].data = seconds;
        argv[5].len = ngx_sprintf(seconds, "%T", fb->valid) - seconds;

        giving->cmd = ngx_llmops_redis_command(redis, &argv[1], 6, argv,
                                               ngx_llmops_feedback_claimed,
                                               giving);
        if (giving->cmd) {
            return NGX_AGAIN;
        }
    }

    return giving->local
           ? ngx_llmops_feedback_give(giving->mcf, &giving->id,
                                      giving->score, &giving->about)
           : NGX_ERROR;
}


static void
ngx_llmops_feedback_claimed(redisReply *reply, ngx_uint_t sent, void *data)
{
    ngx_int_t                      rc;
    ngx_llmops_feedback_giving_t  *giving = data;

    giving->cmd = NULL;

    if (reply && reply->type == REDIS_REPLY_NIL) {
        ngx_llmops_feedback_given(giving, NGX_BUSY);
        return;
    }

    if (giving->local) {

        /* with or without an answer: its own index knows whether there was
           some before */

        rc = ngx_llmops_feedback_give(giving->mcf, &giving->id,
                                      giving->score, &giving->about);

    } else if (reply && reply->type == REDIS_REPLY_STATUS) {
        ngx_llmops_feedback_take(giving->mcf, giving->found, &giving->name,
                                 giving->score, &giving->about);
        rc = NGX_OK;

    } else {
        rc = NGX_ERROR;
    }

    ngx_llmops_feedback_given(giving, rc);
}


static void
ngx_llmops_feedback_given(ngx_llmops_feedback_giving_t *giving, ngx_int_t rc)
{
    giving->rc = rc;
    giving->handler(giving->data);
}


void
ngx_llmops_feedback_cancel(ngx_llmops_feedback_giving_t *giving)
{
    if (giving->cmd) {
        ngx_llmops_redis_cancel(giving->cmd);
        giving->cmd = NULL;
    }
}
