
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


#endif /* _NGX_LLMOPS_SAMPLES_H_INCLUDED_ */
