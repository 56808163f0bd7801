
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_SHADOW_H_INCLUDED_
#define _NGX_LLMOPS_SHADOW_H_INCLUDED_


#include "ngx_llmops.h"


/* Copies of requests to a candidate, whose answers nobody gets.  See
   ngx_llmops_shadow.c. */


/* what became of a copy */

typedef enum {
    NGX_LLMOPS_SHADOW_COMPARED = 0,
    NGX_LLMOPS_SHADOW_FAILED,              /* no good answer */
    NGX_LLMOPS_SHADOW_REFUSED,             /* by a rule of the route */
    NGX_LLMOPS_SHADOW_MAX,                 /* not made: max=, or the bounds of
                                              llm_detached */
    NGX_LLMOPS_SHADOW_RATE,                /* not made: rate= */
    NGX_LLMOPS_SHADOW_BUDGET,              /* not made: budget= */
    NGX_LLMOPS_SHADOW_OUTCOMES
} ngx_llmops_shadow_outcome_e;


/* what a judge says of a pair */

typedef enum {
    NGX_LLMOPS_PAIR_SHADOW = 0,            /* is better, in both orders */
    NGX_LLMOPS_PAIR_STABLE,
    NGX_LLMOPS_PAIR_TIE,
    NGX_LLMOPS_PAIR_NONE,                  /* nothing, or not to be read */
    NGX_LLMOPS_PAIR_MAX,                   /* not asked: max=, or the bounds of
                                              llm_detached */
    NGX_LLMOPS_PAIR_BUDGET,                /* not asked: budget= */
    NGX_LLMOPS_PAIR_VERDICTS
} ngx_llmops_pair_verdict_e;


/* of both sides of the pairs that were compared */

typedef struct {
    ngx_atomic_t               time;       /* ms */
    ngx_atomic_t               first_token;    /* ms, of streams */
    ngx_atomic_t               tokens;     /* of output */
    ngx_atomic_t               bytes;      /* of text */
    ngx_atomic_t               cost;       /* 10^-12 USD */
} ngx_llmops_shadow_side_t;


#define NGX_LLMOPS_SHADOW_BUCKETS  10      /* of similarity: tenths */


/* similarities, each in thousandths */

typedef struct {
    ngx_atomic_t               counts[NGX_LLMOPS_SHADOW_BUCKETS];
    ngx_atomic_t               sum;
} ngx_llmops_shadow_similar_t;


/* shared by all workers: one of each "shadow" line, named by its route and
   target */

typedef struct {
    ngx_atomic_t               outcomes[NGX_LLMOPS_SHADOW_OUTCOMES];
    ngx_atomic_t               verdicts[NGX_LLMOPS_PAIR_VERDICTS];
    ngx_llmops_shadow_similar_t  words;    /* by words */
    ngx_llmops_shadow_similar_t  meaning;  /* by embeddings, with embed= */
    ngx_llmops_shadow_side_t   sides[2];   /* stable, shadow */
    ngx_atomic_t               window;     /* second or minute of rate= */
    ngx_atomic_t               used;       /* in it */
    ngx_atomic_t               day;        /* of budget= */
    ngx_atomic_t               spent;      /* on it, 10^-12 USD */
} ngx_llmops_shadow_sh_t;


typedef struct ngx_llmops_shadow_judge_s  ngx_llmops_shadow_judge_t;


/* a line "shadow" of an llm_route */

typedef struct {
    ngx_str_t                  name;       /* UPSTREAM/MODEL */
    ngx_llmops_target_t       *target;     /* of a copy of the route that has
                                              no other */
    ngx_uint_t                 share;      /* of 10000 */
    ngx_uint_t                 max;        /* under way in a worker */
    ngx_uint_t                 rate;       /* 0: any */
    ngx_uint_t                 period;     /* s, of rate */
    int64_t                    budget;     /* 10^-12 USD a day; 0: any */
    ngx_msec_t                 timeout;
    ngx_str_t                  embed;      /* UPSTREAM/MODEL, or len 0 */
    ngx_llmops_target_t       *embed_target;   /* NULL: compared by words
                                              alone */
    ngx_llmops_shadow_judge_t *judge;      /* NULL: nobody judges */
    ngx_llmops_route_t        *route;      /* that it is a shadow of */
    ngx_uint_t                 n;          /* under way in this worker */
    ngx_llmops_shadow_sh_t    *sh;         /* NULL: the zone is full */
    ngx_llmops_place_t         place;
} ngx_llmops_shadow_t;


/* Before a request is sent: draws which shadows it will have, and has its
   answer kept for them.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_shadow_draw(ngx_llmops_ctx_t *ctx);

/* The request is over, and its caller served: makes the copies that were
   drawn, if it has had a good answer. */
void ngx_llmops_shadow_cast(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx);

/* Counts one. */
void ngx_llmops_shadow_similar(ngx_llmops_shadow_similar_t *similar,
    ngx_uint_t thousandths);

/* Resolves the shadows of a route, when all is read; and finds their counters,
   in each worker. */
ngx_int_t ngx_llmops_shadows_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_route_t *route);
void ngx_llmops_shadows_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_route_t *route);

/* shadow UPSTREAM/MODEL [share=P%] [max=N] [rate=N/s] [budget=NUSD/day]
   [timeout=TIME] [embed=UPSTREAM/MODEL] [judge=UPSTREAM/MODEL [rubric=TEXT]
   [judge_share=P%] [judge_timeout=TIME]]; in llm_route */
char *ngx_llmops_shadow_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);


#define NGX_LLMOPS_SHADOW_COMMANDS                                            \
    { ngx_string("shadow"),                                                   \
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,                                   \
      ngx_llmops_shadow_directive,                                            \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL }


#endif /* _NGX_LLMOPS_SHADOW_H_INCLUDED_ */
