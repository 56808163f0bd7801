
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#include "ngx_llmops_vectors_task.h"


/* Elements: how they are added, described, counted and taken out. */


static void ngx_llmops_vectors_keep(ngx_llmops_vectors_command_t *c,
    ngx_msec_t ttl);
static ngx_int_t ngx_llmops_vectors_name(ngx_llmops_vectors_command_t *c,
    ngx_str_t *element);
static ngx_int_t ngx_llmops_vectors_of(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set, ngx_str_t *element,
    const char *command, ngx_llmops_vectors_read_pt read);
static ngx_int_t ngx_llmops_vectors_number(ngx_llmops_vectors_task_t *task,
    redisReply *reply);
static ngx_int_t ngx_llmops_vectors_text(ngx_llmops_vectors_task_t *task,
    redisReply *reply);


ngx_int_t
ngx_llmops_vectors_add(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set, ngx_str_t *element,
    ngx_llmops_vector_t *vector, ngx_str_t *attributes, ngx_msec_t ttl)
{
    ngx_int_t                     rc;
    ngx_str_t                     blob;
    ngx_llmops_vectors_command_t  c;

    rc = ngx_llmops_vectors_begin(&c, store, set, "VADD");

    if (rc != NGX_OK) {
        return rc;
    }

    if (vector->dims == 0 || vector->dims > NGX_LLMOPS_VECTORS_DIMS
        || (attributes && attributes->len > NGX_LLMOPS_VECTORS_ATTRIBUTES))
    {
        return NGX_ERROR;
    }

    /* in the order of this machine's bytes, which is Redis's on all that it
       and nginx run on together */

    blob.data = (u_char *) vector->v;
    blob.len = vector->dims * sizeof(float);

    ngx_llmops_vectors_word(&c, "FP32");
    ngx_llmops_vectors_arg(&c, &blob);

    if (ngx_llmops_vectors_name(&c, element) != NGX_OK) {
        return NGX_ERROR;
    }

    ngx_llmops_vectors_word(&c, "Q8");

    if (attributes) {
        ngx_llmops_vectors_word(&c, "SETATTR");
        ngx_llmops_vectors_arg(&c, attributes);
    }

    rc = ngx_llmops_vectors_send(&c, ask, NGX_LLMOPS_VECTORS_ADD,
                                 ngx_llmops_vectors_number, NULL);

    if (rc == NGX_AGAIN && ttl) {
        ngx_llmops_vectors_keep(&c, ttl);
    }

    return rc;
}


/*
 * A key that has no end is one of infinite time for GT, which is then not less;
 * so NX is needed for those that are new, and NX does nothing for others.
 */

static void
ngx_llmops_vectors_keep(ngx_llmops_vectors_command_t *c, ngx_msec_t ttl)
{
    u_char      time[NGX_INT_T_LEN];
    ngx_str_t   argv[4];
    ngx_uint_t  i;

    ngx_str_set(&argv[0], "PEXPIRE");
    argv[1] = c->key;
    argv[2].data = time;
    argv[2].len = ngx_sprintf(time, "%M", ttl) - time;

    for (i = 0; i < 2; i++) {
        argv[3].data = (u_char *) (i ? "GT" : "NX");
        argv[3].len = 2;

        (void) ngx_llmops_redis_send(c->redis, NGX_LLMOPS_REDIS_PATIENT,
                                     &c->key, 4, argv, NULL, NULL);
    }
}


static ngx_int_t
ngx_llmops_vectors_name(ngx_llmops_vectors_command_t *c, ngx_str_t *element)
{
    if (element->len == 0 || element->len > NGX_LLMOPS_VECTORS_ELEMENT) {
        return NGX_ERROR;
    }

    ngx_llmops_vectors_arg(c, element);

    return NGX_OK;
}


/* a command that has no more than an element */

static ngx_int_t
ngx_llmops_vectors_of(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set, ngx_str_t *element,
    const char *command, ngx_llmops_vectors_read_pt read)
{
    ngx_int_t                     rc;
    ngx_llmops_vectors_command_t  c;

    rc = ngx_llmops_vectors_begin(&c, store, set, command);

    if (rc == NGX_OK) {
        rc = ngx_llmops_vectors_name(&c, element);
    }

    return rc != NGX_OK ? rc
           : ngx_llmops_vectors_send(&c, ask, NGX_LLMOPS_VECTORS_OTHER, read,
                                     NULL);
}


ngx_int_t
ngx_llmops_vectors_remove(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set, ngx_str_t *element)
{
    return ngx_llmops_vectors_of(store, ask, set, element, "VREM",
                                 ngx_llmops_vectors_number);
}


ngx_int_t
ngx_llmops_vectors_count(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set)
{
    ngx_int_t                     rc;
    ngx_llmops_vectors_command_t  c;

    rc = ngx_llmops_vectors_begin(&c, store, set, "VCARD");

    return rc != NGX_OK ? rc
           : ngx_llmops_vectors_send(&c, ask, NGX_LLMOPS_VECTORS_OTHER,
                                     ngx_llmops_vectors_number, NULL);
}


ngx_int_t
ngx_llmops_vectors_attributes(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set, ngx_str_t *element)
{
    return ngx_llmops_vectors_of(store, ask, set, element, "VGETATTR",
                                 ngx_llmops_vectors_text);
}


ngx_int_t
ngx_llmops_vectors_describe(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set, ngx_str_t *element,
    ngx_str_t *attributes)
{
    ngx_int_t                     rc;
    ngx_llmops_vectors_command_t  c;

    rc = ngx_llmops_vectors_begin(&c, store, set, "VSETATTR");

    if (rc == NGX_OK) {
        rc = ngx_llmops_vectors_name(&c, element);
    }

    if (rc != NGX_OK) {
        return rc;
    }

    if (attributes->len > NGX_LLMOPS_VECTORS_ATTRIBUTES) {
        return NGX_ERROR;
    }

    ngx_llmops_vectors_arg(&c, attributes);

    return ngx_llmops_vectors_send(&c, ask, NGX_LLMOPS_VECTORS_OTHER,
                                   ngx_llmops_vectors_number, NULL);
}


/* UNLINK: the server takes large ones apart in the background */

ngx_int_t
ngx_llmops_vectors_drop(ngx_llmops_store_t *store,
    ngx_llmops_vectors_ask_t *ask, ngx_str_t *set)
{
    ngx_int_t                     rc;
    ngx_llmops_vectors_task_t    *task;
    ngx_llmops_vectors_command_t  c;

    rc = ngx_llmops_vectors_begin(&c, store, set, "UNLINK");

    if (rc != NGX_OK) {
        return rc;
    }

    rc = ngx_llmops_vectors_send(&c, ask, NGX_LLMOPS_VECTORS_OTHER,
                                 ngx_llmops_vectors_number, &task);

    if (rc == NGX_AGAIN) {
        task->plain = 1;
    }

    return rc;
}


static ngx_int_t
ngx_llmops_vectors_number(ngx_llmops_vectors_task_t *task, redisReply *reply)
{
    if (reply->type != REDIS_REPLY_INTEGER) {
        return NGX_ERROR;
    }

    task->ask->n = reply->integer;

    return NGX_OK;
}


static ngx_int_t
ngx_llmops_vectors_text(ngx_llmops_vectors_task_t *task, redisReply *reply)
{
    if (reply->type == REDIS_REPLY_NIL) {
        return NGX_OK;
    }

    if (reply->type != REDIS_REPLY_STRING) {
        return NGX_ERROR;
    }

    task->ask->value.data = (u_char *) reply->str;
    task->ask->value.len = reply->len;

    return NGX_OK;
}
