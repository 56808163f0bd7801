
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_VECTORS_TASK_H_INCLUDED_
#define _NGX_LLMOPS_VECTORS_TASK_H_INCLUDED_


#include "ngx_llmops_vectors.h"
#include "ngx_llmops_redis.h"


/* What the files of vector sets share; ngx_llmops_vectors.c explains it. */


#define NGX_LLMOPS_VECTORS_WAITING  4096       /* commands under way, */
#define NGX_LLMOPS_VECTORS_BYTES    (256 * 1024)   /* and their vectors and
                                                      attributes */


typedef struct ngx_llmops_vectors_task_s  ngx_llmops_vectors_task_t;

/* What a reply says, no error one, into task->ask (never NULL): NGX_OK,
   NGX_ERROR, or NGX_AGAIN: task->left more replies come. */
typedef ngx_int_t (*ngx_llmops_vectors_read_pt)(
    ngx_llmops_vectors_task_t *task, redisReply *reply);


/* a command under way; malloc()ed */

struct ngx_llmops_vectors_task_s {
    ngx_queue_t                queue;
    ngx_llmops_vectors_ask_t  *ask;        /* NULL: nobody is told */
    ngx_llmops_vectors_kind_e  kind;
    ngx_llmops_vectors_read_pt read;
    size_t                     size;       /* of the bytes under way */
    ngx_uint_t                 generation; /* it was sent on; 0: the first,
                                              which was being made */
    unsigned                   plain:1;    /* every server has this command */

    /* of a search: ngx_llmops_vectors_find.c */
    float                      min;
    ngx_uint_t                 attributes; /* are wanted */
    ngx_pool_t                *pool;       /* of hits, once attributes are
                                              being asked for */
    ngx_uint_t                 left;
    u_char                     key[NGX_LLMOPS_VECTORS_NAME + 128];
    size_t                     key_len;
};


/* a command as it is made up */

typedef struct {
    ngx_str_t                  key;
    ngx_llmops_redis_t        *redis;      /* NULL: there is none */
    ngx_uint_t                 argc;
    ngx_str_t                  argv[16];
    u_char                     buf[NGX_LLMOPS_VECTORS_NAME + 128];
} ngx_llmops_vectors_command_t;


/* -- ngx_llmops_vectors.c -------------------------------------------------- */

/* Names the set's key and begins with a command's word.  NGX_OK, NGX_DECLINED
   or NGX_ERROR as all functions return them. */
ngx_int_t ngx_llmops_vectors_begin(ngx_llmops_vectors_command_t *c,
    ngx_llmops_store_t *store, ngx_str_t *set, const char *word);

void ngx_llmops_vectors_word(ngx_llmops_vectors_command_t *c,
    const char *word);
void ngx_llmops_vectors_arg(ngx_llmops_vectors_command_t *c, ngx_str_t *arg);

/* Sends it.  As all functions return; *sent may be NULL. */
ngx_int_t ngx_llmops_vectors_send(ngx_llmops_vectors_command_t *c,
    ngx_llmops_vectors_ask_t *ask, ngx_llmops_vectors_kind_e kind,
    ngx_llmops_vectors_read_pt read, ngx_llmops_vectors_task_t **sent);

/* Sends a further command of a task, whose key is its second word. */
ngx_llmops_redis_cmd_t *ngx_llmops_vectors_command(ngx_uint_t argc,
    ngx_str_t *argv, ngx_llmops_redis_pt handler, void *data);

/* A command has ended: who asked is told, and the task is gone. */
void ngx_llmops_vectors_done(ngx_llmops_vectors_task_t *task, ngx_int_t rc);

/* At a worker's start and end. */
void ngx_llmops_vectors_tasks_start(void);
void ngx_llmops_vectors_tasks_stop(void);

/* Says once in a while what a server has said that it should not. */
void ngx_llmops_vectors_complain(ngx_log_t *log, redisReply *reply);


/* -- ngx_llmops_vectors_able.c --------------------------------------------- */

/* What is known of a connection: NGX_OK, NGX_DECLINED, or NGX_AGAIN: nothing
   yet. */
ngx_int_t ngx_llmops_vectors_known(ngx_uint_t generation);

/* A reply to one of our commands on that connection.  NGX_OK, NGX_DECLINED: it
   says that there are no vector sets; NGX_ERROR: another error. */
ngx_int_t ngx_llmops_vectors_learn(ngx_uint_t generation, redisReply *reply);

void ngx_llmops_vectors_count_result(ngx_llmops_vectors_kind_e kind,
    ngx_llmops_vectors_result_e result);


#endif /* _NGX_LLMOPS_VECTORS_TASK_H_INCLUDED_ */
