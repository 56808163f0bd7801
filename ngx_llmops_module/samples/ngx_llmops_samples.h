
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SAMPLES_H_INCLUDED_
#define _NGX_LLMOPS_SAMPLES_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * Samples: a share of a route's requests and answers, and of its pairs of
 * answers with a shadow, is recorded, redacted, for a while.  Nothing is
 * recorded on a route without "sample".  See ngx_llmops_samples.c.
 */


#define NGX_LLMOPS_SAMPLE_ID       36      /* "smp_" and 32 hex digits: they
                                              sort by time */
#define NGX_LLMOPS_SAMPLE_READ     10000   /* samples of one read, at most */


typedef struct ngx_llmops_samples_read_s  ngx_llmops_samples_read_t;

typedef void (*ngx_llmops_samples_pt)(ngx_llmops_samples_read_t *rd);


/* a sample that was read; the text is in the reader's pool */

typedef struct {
    ngx_str_t                  id;
    ngx_str_t                  text;       /* a JSON object, as the admin API
                                              shows it */
} ngx_llmops_sample_t;


/*
 * One question.  Zeroed and filled in by the caller, to whom it belongs: but
 * from a call that returned NGX_AGAIN until the handler is called, or forget()
 * has returned, it must stay where it is.
 *
 * The text of a sample is {"id", "object": "sample", "created" (seconds),
 * "route", "arm", "target", "model", "prompt", "client", "tenant",
 * "request_id", "request": {"messages": [...] in the form of OpenAI's chat
 * completions, and what else the request said: "tools", "temperature", ...},
 * "answer": {"text", "message" (the assistant's, as in "messages"),
 * "finish"}, "usage", "cost" (USD, or null), "first_token", "total" (ms),
 * "checks", "shadow": {"target", "answer", "usage", ...} or null, "verdict",
 * "feedback"}.
 */

struct ngx_llmops_samples_read_s {

    /* what is asked: all that is not len 0 must fit */

    ngx_str_t                  id;         /* this one alone */
    ngx_str_t                  route;
    ngx_str_t                  tenant;
    ngx_str_t                  client;
    ngx_str_t                  cursor;     /* an id: older ones alone */
    ngx_uint_t                 n;          /* so many, 1 to SAMPLE_READ */
    size_t                     bytes;      /* of texts, at most; 0: any */
    unsigned                   pairs:1;    /* with an answer of a shadow */
    unsigned                   judged:1;   /* with a verdict */
    ngx_pool_t                *pool;       /* of the results */

    /* Called once, later, never from within the call and outside of any
       request: who resumes one calls ngx_http_run_posted_requests() behind
       it. */

    ngx_llmops_samples_pt      handler;
    void                      *data;

    /* results */

    ngx_int_t                  rc;         /* NGX_OK; NGX_DECLINED: some cannot
                                              be read, see .error; NGX_ERROR:
                                              the store cannot be asked now */
    const char                *error;      /* static, for people, or NULL */
    ngx_array_t                samples;    /* of ngx_llmops_sample_t, newest
                                              first */
    ngx_str_t                  last;       /* id of the oldest one that was
                                              found, be it not readable */
    unsigned                   more:1;     /* there are older ones */

    void                      *job;        /* own; NULL: not under way */
};


/*
 * The last rd->n samples of a route (and tenant, ...), newest first.  Of all
 * gateways with llm_redis, else of this nginx.  NGX_AGAIN: the handler will be
 * called; NGX_DECLINED: no route has "sample"; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_llmops_samples_last(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_samples_read_t *rd);

/* The handler of a read under way will not be called; any number of times. */
void ngx_llmops_samples_forget(ngx_llmops_samples_read_t *rd);


/* -- recording ------------------------------------------------------------- */

/* Before a request is sent, and behind the draw of its shadows: draws whether
   it will be recorded, and has its answer kept.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_sample_draw(ngx_llmops_ctx_t *ctx);

/* It has had a good answer, its caller is served, and its shadows have begun:
   records it, unless a shadow's pair does.  ctx->sampled is set. */
void ngx_llmops_sample_cast(ngx_llmops_ctx_t *ctx);

/*
 * What will be recorded with the answer of a shadow, or NULL.  Exactly one
 * _close() follows, which records it; before that a _pair() with the shadow's
 * request when that is over: d->answer and what else is known of it must still
 * be there.  winner is what a judge has said of the two, "stable", "shadow" or
 * "tie", or NULL; comment why, which is redacted as the sample is, or NULL.
 */
struct ngx_llmops_detached_s;

struct ngx_llmops_sample_draft_s *ngx_llmops_sample_draft(
    ngx_llmops_ctx_t *ctx);
void ngx_llmops_sample_pair(struct ngx_llmops_sample_draft_s *draft,
    struct ngx_llmops_detached_s *d, ngx_int_t similar);
void ngx_llmops_sample_close(struct ngx_llmops_sample_draft_s *draft,
    const char *winner, const char *comment);

/* Somebody has judged a request, from 0 to 1: its sample remembers it, if
   there is one.  Nobody waits for that. */
void ngx_llmops_sample_feedback(ngx_llmops_main_conf_t *mcf, ngx_str_t *id,
    double score, const char *comment);


/* -- configuration and processes ------------------------------------------- */

/* llm_samples [size=SIZE] [key=SECRET ...]; */
char *ngx_llmops_samples_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* sample [share=P%] [pairs=P%] [max_size=SIZE] [keep=TIME]
   redact=RULES|off ...; of llm_route */
char *ngx_llmops_sample_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* When all is read, and the zone and Redis are known.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_samples_init(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);

/* Of a worker; start: NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_samples_start(ngx_cycle_t *cycle,
    ngx_llmops_main_conf_t *mcf);
void ngx_llmops_samples_stop(ngx_llmops_main_conf_t *mcf);


#define NGX_LLMOPS_SAMPLES_COMMANDS                                           \
                                                                              \
    { ngx_string("llm_samples"),                                              \
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,                                      \
      ngx_llmops_samples_directive,                                           \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL },                                                                 \
                                                                              \
    { ngx_string("sample"),                                                   \
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,                                   \
      ngx_llmops_sample_directive,                                            \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL }


#endif /* _NGX_LLMOPS_SAMPLES_H_INCLUDED_ */
