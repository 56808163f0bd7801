
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ROLLOUT_EVALUATED_H_INCLUDED_
#define _NGX_LLMOPS_ROLLOUT_EVALUATED_H_INCLUDED_


#include "ngx_llmops.h"


/*
 * What an evaluation says of a candidate, for the rollout of its route.
 *
 * It is noted in the document of the rollout, so that all workers and gateways
 * know of it, also after a restart; a "canary" with "evaluation=NAME" gets no
 * larger share before the last evaluation of that name has passed.  One that
 * has failed takes the candidate back, if the canary asks for that name or if
 * .guard is set.
 */


typedef enum {
    NGX_LLMOPS_EVALUATION_FAIL = 0,
    NGX_LLMOPS_EVALUATION_PASS,
    NGX_LLMOPS_EVALUATION_UNDECIDED        /* also: cancelled, out of budget,
                                              the provider was down */
} ngx_llmops_evaluation_e;


typedef struct {
    ngx_str_t                  route;      /* its name */
    ngx_str_t                  target;     /* "UPSTREAM/MODEL" as the candidate
                                              names it; len 0: the route's */
    ngx_str_t                  prompt;     /* "NAME@VERSION"; len 0: the
                                              route's, or none */
    ngx_str_t                  name;       /* of the evaluation: "golden" */
    ngx_str_t                  id;         /* "eval_...", sorts by time */
    ngx_str_t                  reason;     /* for people, with figures, up to
                                              200 bytes; may be empty */
    ngx_llmops_evaluation_e    verdict;
    double                     score;      /* 0 ... 1 */
    double                     low;        /* its interval */
    double                     high;
    ngx_uint_t                 cases;      /* that it is made of */
    int64_t                    ended;      /* 0: now; else the store's second,
                                              of one that may have been told
                                              before */
    unsigned                   guard:1;    /* a failure takes the candidate back
                                              even if no "evaluation=" asks for
                                              it: "evaluate" in the route */
} ngx_llmops_rollout_evaluation_t;


/*
 * To be called when an evaluation is over, and again if people have changed its
 * verdict, by any worker, outside of any lock; all of ev is copied.  What is
 * not the candidate of the route's rollout is passed over: target and prompt
 * are compared, but the target not if only a prompt is let in.  Several of one
 * evaluation may be it then: of those the worst is told.  The store is
 * written to in the background, and again until it can be, as long as this
 * worker lives.  What is told again, with the same verdict, or is older than
 * what is noted by that name, is passed over: ids sort by when the evaluation
 * was begun.  Who is not
 * sure that he has told it tells it once more, with .ended: then it is passed
 * over, too, if the rollout has begun, or begun again, after that.
 *
 * NGX_OK: it is on its way, or noted; NGX_DECLINED: the route has no rollout,
 * or of another candidate; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_llmops_rollout_evaluated(ngx_llmops_main_conf_t *mcf,
    const ngx_llmops_rollout_evaluation_t *ev);


/* Whether it is of the candidate of the route's rollout; looks at .route,
   .target and .prompt. */
ngx_uint_t ngx_llmops_rollout_evaluates(ngx_llmops_main_conf_t *mcf,
    const ngx_llmops_rollout_evaluation_t *ev);


#endif /* _NGX_LLMOPS_ROLLOUT_EVALUATED_H_INCLUDED_ */
