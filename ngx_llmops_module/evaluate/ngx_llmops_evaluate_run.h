
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_EVALUATE_RUN_H_INCLUDED_
#define _NGX_LLMOPS_EVALUATE_RUN_H_INCLUDED_


#include "ngx_llmops_evaluate.h"
#include "ngx_llmops_score.h"
#include "ngx_llmops_summary.h"
#include "ngx_llmops_detached.h"
#include "ngx_llmops_prompt_conf.h"


/* What the files of runs share; all of it belongs to worker 0.  See
   ngx_llmops_evaluate.c. */


#define NGX_LLMOPS_EVAL_LEASE        5000   /* ms without a sign of life, and
                                              somebody else goes on */
#define NGX_LLMOPS_EVAL_FLUSH        1000   /* ms between two signs */
#define NGX_LLMOPS_EVAL_TICK         100    /* ms */
#define NGX_LLMOPS_EVAL_RETRY        500    /* ms: the store has failed */
#define NGX_LLMOPS_EVAL_BY           64


typedef struct ngx_llmops_evaluation_runner_s  ngx_llmops_evaluation_runner_t;
typedef struct ngx_llmops_evaluation_run_s     ngx_llmops_evaluation_run_t;
typedef struct ngx_llmops_evaluation_task_s    ngx_llmops_evaluation_task_t;


/* what a run does in the store; in this order, the last ones over and over */

typedef enum {
    NGX_LLMOPS_RUN_CLAIM = 0,
    NGX_LLMOPS_RUN_CLAIMED,
    NGX_LLMOPS_RUN_SPEC,
    NGX_LLMOPS_RUN_SPECIFIED,
    NGX_LLMOPS_RUN_PROMPTS,
    NGX_LLMOPS_RUN_DATA,
    NGX_LLMOPS_RUN_DATA_GOT,
    NGX_LLMOPS_RUN_FILE,
    NGX_LLMOPS_RUN_SAMPLES,
    NGX_LLMOPS_RUN_SAMPLED,
    NGX_LLMOPS_RUN_SAMPLES_PUT,
    NGX_LLMOPS_RUN_CHECK,
    NGX_LLMOPS_RUN_CHUNK,
    NGX_LLMOPS_RUN_CHUNK_GOT,
    NGX_LLMOPS_RUN_IDLE,
    NGX_LLMOPS_RUN_FLUSH,
    NGX_LLMOPS_RUN_FLUSHED,
    NGX_LLMOPS_RUN_MERGE,
    NGX_LLMOPS_RUN_HEAD,
    NGX_LLMOPS_RUN_HEAD_PUT,
    NGX_LLMOPS_RUN_REREAD,
    NGX_LLMOPS_RUN_STATES
} ngx_llmops_run_state_e;


/* of one case and candidate */

typedef enum {
    NGX_LLMOPS_ANSWER_ASK = 0,             /* is to be asked */
    NGX_LLMOPS_ANSWER_ASKING,
    NGX_LLMOPS_ANSWER_HERE,                /* may have to wait for another */
    NGX_LLMOPS_ANSWER_JUDGE,               /* a judge is to be asked */
    NGX_LLMOPS_ANSWER_JUDGING,
    NGX_LLMOPS_ANSWER_DONE
} ngx_llmops_answer_state_e;

typedef struct {
    ngx_llmops_detached_t        d;
    ngx_llmops_evaluation_task_t  *task;
    ngx_uint_t                   candidate;
    ngx_llmops_answer_state_e    state;
    ngx_uint_t                   tries;    /* of the present question */
    ngx_uint_t                   waits;    /* that its target had asked for */
    ngx_msec_t                   wait;     /* ngx_current_msec: not before */
    ngx_uint_t                   question; /* of score, JUDGE and JUDGING */
    ngx_llmops_score_t          *score;    /* NULL: there is none */
    ngx_llmops_out_t             text;     /* plain */
    ngx_llmops_out_t             body;
    ngx_llmops_out_t             request;  /* that was sent */
    int64_t                      cost;     /* 10^-12 USD; with judges */
    int64_t                      input;    /* tokens */
    int64_t                      output;
    ngx_msec_int_t               latency;  /* ms; -1: no answer */
    char                         error[NGX_LLMOPS_SCORE_WHY];  /* or empty */
} ngx_llmops_evaluation_answer_t;


/* a case that is being asked */

struct ngx_llmops_evaluation_task_s {
    ngx_queue_t                  queue;
    ngx_llmops_evaluation_run_t  *run;
    ngx_uint_t                   n;
    json_t                      *kase;
    ngx_llmops_scorer_t         *scorer;   /* the run's, or */
    ngx_llmops_scorer_t         *own;      /* of this case, or NULL */
    ngx_llmops_out_t             input;    /* plain */
    ngx_llmops_evaluation_answer_t  answers[1];    /* of each candidate */
};


/* results of EVAL_CHUNK cases */

typedef struct {
    json_t                      *cases;    /* object by number, NULL: all are in
                                              the store, or none is there */
    uint64_t                     revision;
    ngx_uint_t                   n;        /* cases that have ended */
    unsigned                     dirty:1;
} ngx_llmops_evaluation_chunk_t;


/* of a candidate, once its names are resolved */

typedef struct {
    ngx_llmops_target_t         *target;   /* who is asked, or */
    ngx_llmops_route_t          *route;
    ngx_str_t                    name;     /* of its prompt, or len 0 */
    ngx_str_t                    which;    /* version or label of that */
    ngx_llmops_prompt_asking_t  *asking;
    ngx_llmops_prompt_t         *prompt;
    ngx_llmops_decorator_t      *decorators;   /* messages of the route */
    ngx_uint_t                   ndecorators;
    ngx_str_t                    model;    /* that requests name */
    char                         said[2][NGX_LLMOPS_METER_MODEL + 1];
                                           /* model, fingerprint of the last
                                              answer; empty: none */
} ngx_llmops_evaluation_whom_t;


struct ngx_llmops_evaluation_run_s {
    ngx_queue_t                  queue;
    ngx_llmops_evaluation_runner_t  *runner;
    ngx_llmops_main_conf_t      *mcf;
    ngx_llmops_evaluations_t    *evs;
    char                         id[NGX_LLMOPS_EVAL_ID + 1];

    ngx_llmops_run_state_e       state;
    ngx_llmops_run_state_e       back;     /* from the head, unless it is
                                              running */
    ngx_llmops_docop_t           op;
    ngx_pool_t                  *pool;     /* of op, or NULL */
    ngx_msec_t                   wait;     /* ngx_current_msec: not before */
    u_char                       buf[NGX_LLMOPS_DOC_ID];   /* op.id */

    json_t                      *doc;
    uint64_t                     revision;
    uint64_t                     seen;     /* the store's: of the documents */
    ngx_msec_t                   alive;    /* when doc was put last */
    json_t                      *spec_json;
    ngx_llmops_evaluation_spec_t  spec;
    ngx_llmops_scorer_t         *scorer;   /* NULL: cases have their own */
    ngx_llmops_summary_t        *summary;
    ngx_llmops_evaluation_whom_t  whom[NGX_LLMOPS_EVAL_CANDIDATES];
    ngx_uint_t                   ready;    /* prompts that have been found */

    ngx_llmops_dataset_t         set;
    int                          fd;       /* of a file being read, or -1 */
    void                        *samples;  /* being read, or NULL */
    ngx_uint_t                   checked;  /* cases */

    ngx_llmops_evaluation_chunk_t  *chunks;
    ngx_uint_t                   nchunks;
    ngx_uint_t                   chunk;    /* being read or written */
    ngx_uint_t                   next;     /* case to begin with */
    ngx_uint_t                   done;
    ngx_uint_t                   failed;
    int64_t                      cost;
    int64_t                      tokens;
    int64_t                      most_cost;    /* of one request; -1: none has
                                              ended yet */
    int64_t                      most_tokens;

    ngx_queue_t                  tasks;
    ngx_uint_t                   ntasks;
    ngx_uint_t                   asking;   /* requests under way */

    char                         error[NGX_LLMOPS_EVAL_TEXT];  /* or empty */
    ngx_msec_t                   put;      /* when the present one was */
    unsigned                     running:1;
    unsigned                     loaded:1; /* all that was kept is counted */
    unsigned                     stepping:1;
    unsigned                     stop:1;   /* nobody is asked any more */
    unsigned                     failed_run:1;     /* error says why */
    unsigned                     cancelled:1;
    unsigned                     over:1;   /* the budget */
    unsigned                     recount:1;    /* a person has judged */
    unsigned                     again:1;  /* it had ended before */
    unsigned                     final:1;  /* the document being put ends it */
    unsigned                     waiting:1;    /* op is under way */
    unsigned                     leaving:1;    /* this worker is */
};


/* worker 0 */

struct ngx_llmops_evaluation_runner_s {
    ngx_llmops_main_conf_t      *mcf;
    ngx_llmops_evaluations_t    *evs;
    ngx_event_t                  timer;
    ngx_queue_t                  runs;
    ngx_uint_t                   nruns;
    ngx_uint_t                   asking;   /* requests of all runs */
    char                         by[NGX_LLMOPS_EVAL_BY];   /* GATEWAY-PID */

    /* looking for work */
    ngx_llmops_docop_t           op;
    ngx_pool_t                  *pool;
    uint64_t                     seen;
    ngx_msec_t                   look;     /* not before */
    ngx_uint_t                   kept;     /* ended ones, of this look */
    unsigned                     told:1;   /* rollouts, of what has ended
                                              before this worker began */
    char                         oldest[NGX_LLMOPS_EVAL_ID + 1];
    int64_t                      oldest_ended;
    ngx_uint_t                   oldest_cases;

    /* removing one */
    ngx_llmops_docop_t           remove;
    ngx_pool_t                  *remove_pool;
    char                         removed[NGX_LLMOPS_EVAL_ID + 1];  /* or "" */
    ngx_uint_t                   removed_part;
    ngx_uint_t                   removed_parts;

    void                        *schedule;
    ngx_queue_t                  seen_queue;   /* models to be compared */
    ngx_uint_t                   nseen;
};


/* sweep.c */

/* Removes an evaluation with all of its parts, unless another one is being
   removed; _sweep() does so, a few parts each time. */
void ngx_llmops_evaluations_remove(ngx_llmops_evaluation_runner_t *runner,
    const char *id, ngx_uint_t cases);
void ngx_llmops_evaluations_sweep(ngx_llmops_evaluation_runner_t *runner);
void ngx_llmops_evaluations_sweep_stop(
    ngx_llmops_evaluation_runner_t *runner);


/* run.c */

/* Begins with a document that has been found.  doc is taken over. */
void ngx_llmops_evaluation_run(ngx_llmops_evaluation_runner_t *runner,
    json_t *doc, uint64_t revision);

/* Makes the steps that can be made.  The run may be gone then. */
void ngx_llmops_evaluation_step(ngx_llmops_evaluation_run_t *run);

/* Gives up all that is under way, and frees it. */
void ngx_llmops_evaluation_drop(ngx_llmops_evaluation_run_t *run);

/*
 * Asks the store: run->op.id and value are set up by _op(), next is the state
 * in which the result is looked at.  NGX_OK: it is there; NGX_AGAIN; NGX_ERROR
 * (out of memory) has been taken for NGX_AGAIN, the present state comes again.
 */
ngx_int_t ngx_llmops_evaluation_op(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_docs_e docs);
ngx_int_t ngx_llmops_evaluation_ask(ngx_llmops_evaluation_run_t *run,
    ngx_int_t (*call)(ngx_llmops_store_t *store, ngx_llmops_docop_t *op),
    ngx_llmops_run_state_e next);

/* The same state again, later.  NGX_AGAIN. */
ngx_int_t ngx_llmops_evaluation_later(ngx_llmops_evaluation_run_t *run,
    ngx_llmops_run_state_e state);

/* It has failed: its document will say so.  NGX_OK. */
ngx_int_t ngx_llmops_evaluation_fail(ngx_llmops_evaluation_run_t *run,
    const char *fmt, ...);


/* Steps: NGX_OK: make the next one; NGX_AGAIN: later; NGX_DONE: it is over. */

/* load.c */
ngx_int_t ngx_llmops_run_claim(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_claimed(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_spec(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_specified(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_prompts(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_chunk(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_chunk_got(ngx_llmops_evaluation_run_t *run);

/* Makes run->chunks of all cases.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_load_chunks(ngx_llmops_evaluation_run_t *run);

/* All results are read and added up anew.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_evaluation_recount(ngx_llmops_evaluation_run_t *run);

/* data.c */
ngx_int_t ngx_llmops_run_data(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_data_got(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_file(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_check(ngx_llmops_evaluation_run_t *run);

/* samples.c */
ngx_int_t ngx_llmops_run_samples(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_sampled(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_samples_put(ngx_llmops_evaluation_run_t *run);
void ngx_llmops_run_samples_drop(ngx_llmops_evaluation_run_t *run);

/* keep.c */
ngx_int_t ngx_llmops_run_idle(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_flush(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_flushed(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_merge(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_head(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_head_put(ngx_llmops_evaluation_run_t *run);
ngx_int_t ngx_llmops_run_reread(ngx_llmops_evaluation_run_t *run);

/* Cases of a piece; whether a case's result is there. */
ngx_uint_t ngx_llmops_evaluation_chunk_size(ngx_llmops_evaluation_run_t *run,
    ngx_uint_t chunk);
ngx_uint_t ngx_llmops_evaluation_has(ngx_llmops_evaluation_run_t *run,
    ngx_uint_t n);

/* Adds a case's result, which is taken over.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_evaluation_keep(ngx_llmops_evaluation_run_t *run,
    ngx_uint_t n, json_t *kase);

/* Who runs it, empty: nobody. */
const char *ngx_llmops_evaluation_by(json_t *doc);

/* Sets who runs it, and until when; until 0: nobody.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_evaluation_hold(ngx_llmops_evaluation_run_t *run,
    json_t *doc, int64_t until);


/* case.c */

/* Asks whom there is to ask, within bounds. */
void ngx_llmops_evaluation_pump(ngx_llmops_evaluation_run_t *run);

/* An answer has got further: scores it, and ends the case if it can. */
void ngx_llmops_evaluation_advance(ngx_llmops_evaluation_task_t *task);

/* What is scored of an answer that is here; good until it changes. */
void ngx_llmops_evaluation_said(ngx_llmops_evaluation_answer_t *an,
    ngx_llmops_score_said_t *said);

/* Forgets a case that has not ended; all of them. */
void ngx_llmops_evaluation_task_free(ngx_llmops_evaluation_task_t *task);
void ngx_llmops_evaluation_abandon(ngx_llmops_evaluation_run_t *run);

/* Whether all has been asked that will be. */
ngx_uint_t ngx_llmops_evaluation_over(ngx_llmops_evaluation_run_t *run);


/* ask.c */

/* Asks the candidate, or the judge, by an->state.  NGX_OK; NGX_BUSY: not now;
   NGX_DECLINED: never, an->error says why. */
ngx_int_t ngx_llmops_evaluation_question(ngx_llmops_evaluation_answer_t *an);


/* result.c */

/* The case as it is kept, NULL: out of memory. */
json_t *ngx_llmops_evaluation_result(ngx_llmops_evaluation_task_t *task);

/* What a kept case says of each candidate; the number of errors. */
ngx_uint_t ngx_llmops_evaluation_outcomes(json_t *kase, ngx_uint_t n,
    ngx_llmops_summary_outcome_t *row);

/* Adds a kept case to run->summary, and counts it. */
void ngx_llmops_evaluation_count(ngx_llmops_evaluation_run_t *run,
    json_t *kase);

/* Cuts the inputs and answers of kept cases at max bytes.  NGX_OK or
   NGX_ERROR. */
ngx_int_t ngx_llmops_evaluation_shorten(json_t *cases, size_t max);

/* Texts of anybody's bytes as JSON, cut at max bytes. */
json_t *ngx_llmops_evaluation_cut(u_char *p, size_t len, size_t max);


/* schedule.c */
ngx_int_t ngx_llmops_evaluation_schedule_start(
    ngx_llmops_evaluation_runner_t *runner, ngx_cycle_t *cycle);
void ngx_llmops_evaluation_schedule_stop(
    ngx_llmops_evaluation_runner_t *runner);
void ngx_llmops_evaluation_schedule_tick(
    ngx_llmops_evaluation_runner_t *runner);


/* told.c */

/* A run has ended, and its document is in the store: rollout, log, metrics. */
void ngx_llmops_evaluation_told(ngx_llmops_evaluation_run_t *run);

/* The rollout again, of a document as it is kept, which may have ended or
   not: nobody knows whether the worker before this one has told it. */
void ngx_llmops_evaluation_told_again(ngx_llmops_evaluation_runner_t *runner,
    ngx_str_t *value);


/* seen.c */

/* Compares what the candidates' models say of themselves with what they said
   last time; in the background, of runner's memory. */
void ngx_llmops_evaluation_compare(ngx_llmops_evaluation_run_t *run);
void ngx_llmops_evaluation_compare_stop(
    ngx_llmops_evaluation_runner_t *runner);


#endif /* _NGX_LLMOPS_EVALUATE_RUN_H_INCLUDED_ */
