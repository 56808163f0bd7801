
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_FEEDBACK_H_INCLUDED_
#define _NGX_LLMOPS_FEEDBACK_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * What people say of answers.  Requests are remembered by their id, for a while
 * and up to a number, in shared memory: which route, target and prompt they
 * had, and which arm of a canary.
 */


/* mcf->feedback: NULL without llm_feedback */

typedef struct {
    time_t                     valid;      /* seconds that one is remembered */
    void                      *sh;         /* of this worker, or NULL */
    ngx_uint_t                 sets;
    ngx_flag_t                 fleet;      /* requests are in Redis, too */
} ngx_llmops_feedback_t;


#define NGX_LLMOPS_FEEDBACK_PROMPT  160    /* bytes of NAME@VERSION */

/* what is known of a request; names are NULL, or empty, where nobody has them
   any longer */

typedef struct {
    ngx_llmops_route_t        *route;
    ngx_llmops_target_t       *target;
    ngx_str_t                  prompt;     /* NAME@VERSION; borrowed of the
                                              configuration, the zone, or of
                                              .name */
    struct ngx_llmops_rollout_s  *rollout; /* NULL: it was in none */
    unsigned                   candidate:1;
} ngx_llmops_feedback_about_t;


/* feedback that is being given, and may have to be asked for: the caller's
   memory, zeroed, with the first part filled in, which must stay where it is
   until the handler is called or it is cancelled */

typedef struct {
    ngx_llmops_main_conf_t    *mcf;
    ngx_str_t                  id;
    double                     score;
    void                     (*handler)(void *data);
    void                      *data;

    ngx_int_t                  rc;         /* as of ngx_llmops_feedback_ask() */
    ngx_llmops_feedback_about_t  about;
    struct ngx_llmops_redis_cmd_s  *cmd;   /* under way, or NULL */
    ngx_atomic_uint_t          found[4];   /* of a request of the fleet, */
    ngx_str_t                  name;       /* and its prompt, in .text */
    u_char                     text[NGX_LLMOPS_FEEDBACK_PROMPT];
    unsigned                   local:1;    /* this nginx knows it itself */
} ngx_llmops_feedback_giving_t;


/* llm_feedback TIME [fleet=on|off]; */
char *ngx_llmops_feedback_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

#define NGX_LLMOPS_FEEDBACK_COMMANDS                                          \
                                                                              \
    { ngx_string("llm_feedback"),                                             \
      NGX_HTTP_MAIN_CONF|NGX_CONF_TAKE12,                                     \
      ngx_llmops_feedback_directive,                                          \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL }

/* Finds the index in the zone; in each worker. */
void ngx_llmops_feedback_attach(ngx_llmops_main_conf_t *mcf);

/* A request is over: remembers it, if it has been answered.  From the log
   handler. */
void ngx_llmops_feedback_remember(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx);

/*
 * Takes a score from 0 to 1 for a request: counts it, for the guards of its
 * canary, too.  NGX_OK: .about is filled in; NGX_DECLINED: nothing is known of
 * the request (any more); NGX_BUSY: it has had its feedback; NGX_ERROR: it is
 * not one of this nginx, and Redis cannot be asked.  NGX_AGAIN: the handler
 * will be called, outside of any request, and .rc is one of these.
 */
ngx_int_t ngx_llmops_feedback_ask(ngx_llmops_feedback_giving_t *giving);

/* It is not waited for any more; nothing happens if it is not under way. */
void ngx_llmops_feedback_cancel(ngx_llmops_feedback_giving_t *giving);


/* -- private to feedback*.c ----------------------------------------------- */

/* Takes a score for a request of this nginx: NGX_OK, NGX_DECLINED, NGX_BUSY as
   above; with score -1 only says whether it is known. */
ngx_int_t ngx_llmops_feedback_give(ngx_llmops_main_conf_t *mcf,
    ngx_str_t *id, double score, ngx_llmops_feedback_about_t *about);

/* The same for a request of another gateway: words of an entry, in the order
   names, prompt, arm, rollout, and the name of its prompt, or len 0. */
void ngx_llmops_feedback_take(ngx_llmops_main_conf_t *mcf,
    const ngx_atomic_uint_t *words, ngx_str_t *prompt, double score,
    ngx_llmops_feedback_about_t *about);

/* Tells the fleet of a request. */
void ngx_llmops_feedback_tell(ngx_llmops_main_conf_t *mcf, ngx_str_t *id,
    const ngx_atomic_uint_t *words, ngx_str_t *prompt);


/* by route and arm: in the zone; scores times 10^6 */

typedef struct {
    ngx_atomic_t               n[3];       /* in no canary, stable, candidate */
    ngx_atomic_t               sum[3];
} ngx_llmops_feedback_count_sh_t;


#endif /* _NGX_LLMOPS_FEEDBACK_H_INCLUDED_ */
