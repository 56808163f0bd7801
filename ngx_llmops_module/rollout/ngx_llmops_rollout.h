
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ROLLOUT_H_INCLUDED_
#define _NGX_LLMOPS_ROLLOUT_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_rollout_guard.h"
#include "ngx_llmops_rollout_doc.h"
#include "ngx_llmops_webhook.h"


/*
 * Rollouts: a candidate takes over a route's requests step by step.
 *
 *   ngx_llmops_sequential.c        tests that may be looked at all the time
 *   ngx_llmops_rollout_guard.c     guards, reduced to them
 *   ngx_llmops_rollout_doc.c       the document of a rollout, its states
 *   ngx_llmops_rollout_conf.c      the directive "canary"
 *   ngx_llmops_rollout_param.c     its parameters
 *   ngx_llmops_rollout_resolve.c   what it names
 *   ngx_llmops_rollout_arm.c       the arm of a request
 *   ngx_llmops_rollout_cut.c       streams that a rollback ends
 *   ngx_llmops_rollout_observe.c   what is seen of it, in shared memory
 *   ngx_llmops_rollout_compare.c   both arms side by side, to be looked at
 *   ngx_llmops_rollout_judge.c     what a model thinks of answers
 *   ngx_llmops_rollout_run.c       worker 0: when something is to be done
 *   ngx_llmops_rollout_store.c     worker 0: the document in the store
 *   ngx_llmops_rollout_sent.c      decisions whose answer may be lost
 *   ngx_llmops_rollout_decide.c    worker 0: decisions
 *   ngx_llmops_rollout_fleet.c     what other gateways have seen
 *   ngx_llmops_rollout_evaluated.c what evaluations say of the candidate
 *   ngx_llmops_rollout_tell.c      decisions in log, metrics and webhook
 *   ngx_llmops_feedback.c          which request was which, and human judgement
 */


#define NGX_LLMOPS_ROLLOUT_GUARDS  8
#define NGX_LLMOPS_ROLLOUT_EVALUATIONS  8
#define NGX_LLMOPS_ROLLOUT_MICRO   1000000
#define NGX_LLMOPS_ROLLOUT_SENT    16      /* on their way at a time */
#define NGX_LLMOPS_ROLLOUT_ID      16      /* bytes, of a decision's "id" */


/* what has become of an answer that was drawn to be judged */

typedef enum {
    NGX_LLMOPS_JUDGED_SCORED = 0,
    NGX_LLMOPS_JUDGED_FAILED,              /* no verdict, or none to be read */
    NGX_LLMOPS_JUDGED_DROPPED,             /* too many are under way */
    NGX_LLMOPS_JUDGED_MAX
} ngx_llmops_judged_e;


/* -- shared memory -------------------------------------------------------- */

/* One of each guard of each rollout; all but the last group are zeroed when a
   step begins. */

typedef struct {
    ngx_atomic_t               epoch;      /* that it counts */
    ngx_atomic_t               n[2];       /* observations by arm */
    ngx_atomic_t               k[2];       /* sum of x, times 10^6 */
    ngx_atomic_t               in_row;     /* failures, now, of the candidate */
    ngx_atomic_t               row;        /* the most so far */
    ngx_atomic_t               bins[2][NGX_LLMOPS_SEQ_BINS];

    /* by worker 0, of all gateways, for those who show it */
    ngx_atomic_t               seen_n[2];
    ngx_atomic_t               seen_k[2];
    ngx_atomic_t               evidence;   /* logarithm, times 10^3, + 10^9 */
} ngx_llmops_rollout_guard_sh_t;


/*
 * What both arms have done at this step, for those who compare them: all that
 * decides is in the guards.  One of each rollout, counted and zeroed as they
 * are, but of this nginx alone.
 */

#define NGX_LLMOPS_ROLLOUT_BOUNDS  16

typedef struct {
    ngx_atomic_t               requests;
    ngx_atomic_t               errors;
    ngx_atomic_t               broken;     /* a rule was */
    ngx_atomic_t               priced;     /* requests that cost is of */
    ngx_atomic_t               cost;       /* 10^-12 USD */
    ngx_atomic_t               answered;   /* by the target, with tokens */
    ngx_atomic_t               input;      /* tokens of those */
    ngx_atomic_t               output;
    ngx_atomic_t               first_token[NGX_LLMOPS_ROLLOUT_BOUNDS + 1];
    ngx_atomic_t               total[NGX_LLMOPS_ROLLOUT_BOUNDS + 1];
} ngx_llmops_rollout_arm_sh_t;

typedef struct {
    ngx_llmops_rollout_arm_sh_t  arm[2];   /* stable, candidate */
} ngx_llmops_rollout_arms_sh_t;

/* upper bounds of the buckets, inclusive, ms; each bucket counts only its own,
   the last one what is beyond */
extern const ngx_uint_t  ngx_llmops_rollout_bounds[NGX_LLMOPS_ROLLOUT_BOUNDS];


/*
 * One of each rollout.  The request path reads .word alone: epoch, state and
 * share in one.  It is written by whoever has put or read a document, under
 * the zone's mutex, never for an older revision than the one it shows.
 *
 * With a new epoch the word comes first, then the counters are zeroed, then
 * .counted becomes that epoch: observations are added, and decisions made, only
 * for the epoch that is there.  Whoever dies in between leaves an epoch that is
 * not counted, and worker 0 ends the work.
 */

typedef struct {
    ngx_atomic_t               word;
    ngx_atomic_t               revision;   /* of the document that it shows */
    ngx_atomic_t               counted;    /* epoch of the counters */
    ngx_atomic_t               since;      /* ms since the epoch: of the step */
    ngx_atomic_t               stale;      /* the store cannot be asked */
    ngx_atomic_t               ill;        /* ms since the epoch: until then the
                                              stable arm is */
    ngx_atomic_t               requests[2];    /* of the step, by arm */
    ngx_atomic_t               seen[2];    /* the same, of all gateways */
    ngx_atomic_t               total[2][2];    /* ever: by arm; ok, failed */
    ngx_atomic_t               decided[NGX_LLMOPS_ROLLOUT_ACTIONS];
    ngx_atomic_t               told[2];    /* webhook: given up, sent */
    ngx_atomic_t               sent[NGX_LLMOPS_ROLLOUT_SENT];  /* numbers, see
                                              ngx_llmops_rollout_sent() */
    ngx_atomic_t               judged[NGX_LLMOPS_JUDGED_MAX];
    ngx_atomic_t               score[2];   /* ever: by arm, times 10^6, of */
    ngx_atomic_t               scored[2];  /* so many */
} ngx_llmops_rollout_sh_t;


#define ngx_llmops_rollout_word(epoch, step, state, share)                    \
    ((ngx_atomic_uint_t) (epoch) << 32 | (ngx_atomic_uint_t) (step) << 24     \
     | (ngx_atomic_uint_t) (state) << 16 | (ngx_atomic_uint_t) (share))

#define ngx_llmops_rollout_epoch(word)  ((uint32_t) ((word) >> 32))
#define ngx_llmops_rollout_step(word)   ((ngx_uint_t) ((word) >> 24 & 0xff))
#define ngx_llmops_rollout_state(word)                                        \
    ((ngx_llmops_rollout_state_e) ((word) >> 16 & 0xff))
#define ngx_llmops_rollout_share(word)  ((ngx_uint_t) ((word) & 0xffff))


/* -- configuration -------------------------------------------------------- */

typedef struct ngx_llmops_rollout_run_s  ngx_llmops_rollout_run_t;
typedef struct ngx_llmops_rollout_s      ngx_llmops_rollout_t;

/* "canary": route->rollout */

struct ngx_llmops_rollout_s {
    ngx_str_t                  id;         /* of document and shared node */
    ngx_str_t                  candidate;  /* as written: target, prompt,
                                              rules */
    ngx_str_t                  model;      /* UPSTREAM/MODEL, or len 0 */
    ngx_str_t                  reference;  /* NAME@VERSION, or len 0 */
    ngx_llmops_route_t        *route;
    ngx_llmops_target_t       *target;     /* NULL: the route's */
    struct ngx_llmops_prompt_s  *prompt;   /* NULL: the route's */
    ngx_str_t                  rules;      /* NAME,NAME...; or len 0 */
    ngx_llmops_route_t        *other;      /* the route with these rules; NULL:
                                              with its own */
    ngx_http_complex_value_t  *by;         /* NULL: at random */
    ngx_uint_t                 steps[NGX_LLMOPS_ROLLOUT_STEPS];    /* shares, in
                                              hundredths of a per cent */
    ngx_uint_t                 nsteps;
    ngx_msec_t                 hold;
    ngx_uint_t                 min;        /* requests of a step */
    double                     alpha;
    double                     needed;     /* evidence: its logarithm */
    ngx_flag_t                 manual;
    ngx_flag_t                 cut;        /* streams, at a rollback */
    ngx_msec_t                 fallback;   /* for so long fallbacks come first
                                              when the stable arm is ill, too;
                                              0: never */
    ngx_llmops_guard_t         guards[NGX_LLMOPS_ROLLOUT_GUARDS];
    ngx_uint_t                 nguards;
    ngx_uint_t                 measures;   /* bits: those that guards need */
    ngx_str_t                  evaluations[NGX_LLMOPS_ROLLOUT_EVALUATIONS];
    ngx_uint_t                 nevaluations;   /* that have to pass */
    struct ngx_llmops_judge_s  *judge;     /* or NULL */
    ngx_llmops_webhook_t      *webhook;    /* or NULL */
    ngx_llmops_place_t         place;

    /* of this worker */
    ngx_llmops_rollout_sh_t   *sh;         /* NULL: the zone is full: all
                                              requests are the stable arm's */
    ngx_llmops_rollout_guard_sh_t  *guard_sh[NGX_LLMOPS_ROLLOUT_GUARDS];
    ngx_llmops_rollout_arms_sh_t   *arms;  /* or NULL: nothing to compare */
    ngx_llmops_rollout_run_t  *run;        /* worker 0 */
    ngx_queue_t                streams;    /* of ngx_llmops_arm_t: those that a
                                              rollback cuts */
    ngx_event_t                cutter;     /* while there are some */
};


/* mcf->rollouts: NULL if no route has a "canary" */

typedef struct {
    ngx_array_t                rollouts;   /* of ngx_llmops_rollout_t * */
    void                      *runner;     /* worker 0 */
    void                      *fleet;      /* worker 0, with llm_redis */
    ngx_queue_t                told;       /* of this worker: what evaluations
                                              say, on its way to the store */
} ngx_llmops_rollouts_t;


/* canary [UPSTREAM/MODEL] [prompt=NAME@VERSION] guard=... ...; */
char *ngx_llmops_rollout_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

#define NGX_LLMOPS_ROLLOUT_COMMANDS                                           \
                                                                              \
    { ngx_string("canary"),                                                   \
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_1MORE,                                   \
      ngx_llmops_rollout_directive,                                           \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL }

/* Resolves targets, prompts, rules, after those of routes.  NGX_OK, NGX_ERROR
   (logged with file and line). */
ngx_int_t ngx_llmops_rollouts_init(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);

/* Per worker.  stop() cancels what worker 0 has under way. */
ngx_int_t ngx_llmops_rollouts_start(ngx_cycle_t *cycle,
    ngx_llmops_main_conf_t *mcf);
void ngx_llmops_rollouts_stop(ngx_llmops_main_conf_t *mcf);

/* The rollout of the route of that name, or NULL. */
ngx_llmops_rollout_t *ngx_llmops_rollout_named(ngx_llmops_main_conf_t *mcf,
    ngx_str_t *route);


/* -- a request ------------------------------------------------------------ */

/* ctx->arm, NULL: the request is in no rollout */

typedef struct ngx_llmops_arm_s {
    ngx_llmops_rollout_t      *rollout;
    ngx_llmops_ctx_t          *ctx;
    ngx_queue_t                queue;      /* of .streams, if queued */
    uint32_t                   epoch;      /* of the word that chose it */
    unsigned                   candidate:1;
    unsigned                   watched:1;  /* decisions are still to come */
    unsigned                   queued:1;
    unsigned                   cut:1;      /* by a rollback */
    unsigned                   judged:1;   /* its answer is kept for that */
} ngx_llmops_arm_t;


/* Chooses ctx->arm, once the route is known and before its prompt is.  NGX_OK,
   or NGX_ERROR when out of memory. */
ngx_int_t ngx_llmops_rollout_arm(ngx_http_request_t *r,
    ngx_llmops_ctx_t *ctx);

/* The candidate's prompt takes the place of the route's; before it is applied,
   if the request can have a prompt. */
void ngx_llmops_rollout_prompt(ngx_llmops_ctx_t *ctx);

/* The target that comes first, or NULL: the arm is not the candidate's, or it
   is one with the targets of the route. */
ngx_llmops_target_t *ngx_llmops_rollout_target(ngx_llmops_ctx_t *ctx);

/* Whether the route's fallbacks come before its targets now: the candidate has
   been taken back, and they were no better. */
ngx_uint_t ngx_llmops_rollout_ill(ngx_llmops_route_t *route);

/* The candidate cannot serve this request: it is in no rollout. */
void ngx_llmops_rollout_leave(ngx_llmops_ctx_t *ctx);

/* The request is over, or its pool about to go: nothing is left of it here. */
void ngx_llmops_rollout_gone(ngx_llmops_ctx_t *ctx);

/* "stable", "candidate", or len 0. */
void ngx_llmops_rollout_arm_name(ngx_llmops_ctx_t *ctx, ngx_str_t *name);

/* Before a request is sent: draws whether its answer will be judged, and has it
   kept then.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_rollout_judge_draw(ngx_llmops_ctx_t *ctx);

/* The request is over, and its caller served: has its answer judged, if it was
   drawn and is one of its arm's first target. */
void ngx_llmops_rollout_judge(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx);

/* A request is over: counts what the guards need.  Once, from the log
   handler. */
void ngx_llmops_rollout_observe(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_ctx_t *ctx);


/* -- shared memory of a rollout ------------------------------------------- */

/* Finds the nodes in the zone. */
void ngx_llmops_rollout_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro);

/*
 * Shows a document to all workers: its word, and with a new step counters of 0.
 * An older revision than the one that is shown is not, unless force.
 */
void ngx_llmops_rollout_publish(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro, const ngx_llmops_rollout_doc_t *doc,
    uint64_t revision, ngx_uint_t force);

/* Whether the counters are those of that epoch, of guards that a reload has
   brought back, too. */
ngx_uint_t ngx_llmops_rollout_counts(ngx_llmops_rollout_t *ro,
    uint32_t epoch);

/* Adds an observation of a guard's measure for an arm; value as for
   ngx_llmops_guard_x(). */
void ngx_llmops_rollout_count(ngx_llmops_rollout_t *ro,
    ngx_llmops_measure_e measure, ngx_uint_t candidate, double value);

/* Adds a request of an arm, for those who compare: failed as for the guards,
   broken: a rule on the answer was.  Tokens, cost and times only count with
   timed: the arm's target has answered. */
void ngx_llmops_rollout_compare(ngx_llmops_rollout_t *ro,
    ngx_llmops_ctx_t *ctx, ngx_uint_t failed, ngx_uint_t broken,
    ngx_uint_t timed);

/* What this nginx has seen, for a guard. */
void ngx_llmops_rollout_seen(ngx_llmops_rollout_t *ro, ngx_uint_t guard,
    ngx_llmops_guard_seen_t *seen);


/* -- decisions ------------------------------------------------------------ */

/* The share of a document's state, in hundredths of a per cent. */
ngx_uint_t ngx_llmops_rollout_doc_share(ngx_llmops_rollout_t *ro,
    const ngx_llmops_rollout_doc_t *doc);

/* An evaluation that has to pass before there is another step, and has not; or
   NULL. */
#define ngx_llmops_rollout_lacks(ro, json)                                    \
    ngx_llmops_rollout_doc_lacks(json, (ro)->evaluations, (ro)->nevaluations)

/* Begins, and ends in each worker, what is told of evaluations. */
void ngx_llmops_rollout_evaluated_start(ngx_llmops_rollouts_t *rollouts);
void ngx_llmops_rollout_evaluated_stop(ngx_llmops_main_conf_t *mcf);

/*
 * A decision is put in the place of that revision (NGX_LLMOPS_REVISION_NONE: of
 * none): gives entry, its part of the history, an "id", and returns its number,
 * by which worker 0 finds it if nobody hears of it; 0: it cannot.  In any
 * worker, before the document becomes a text.
 */
uint64_t ngx_llmops_rollout_sent(ngx_llmops_rollout_t *ro, json_t *entry,
    uint64_t expected);

/* What has become of it is known, or it was not sent: whether it is for the
   caller to tell, if it is in force.  Not where the store has failed: that says
   nothing. */
ngx_uint_t ngx_llmops_rollout_sent_over(ngx_llmops_rollout_t *ro,
    uint64_t number);

/* Worker 0 has read the document: tells decisions in it that nobody has heard
   of. */
void ngx_llmops_rollout_sent_find(ngx_llmops_rollout_t *ro, json_t *json,
    uint64_t revision);

/* Says what has been decided and is in the store: log, metric, webhook; in any
   worker, once: see ngx_llmops_rollout_sent_over(). */
void ngx_llmops_rollout_tell(ngx_llmops_rollout_t *ro,
    ngx_llmops_rollout_action_e action, const ngx_llmops_rollout_doc_t *doc,
    json_t *entry);

/* Makes ro->other what the route is, but for its rules; in each worker. */
void ngx_llmops_rollout_rules(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro);

/* Streams of the candidate, in each worker: prepares, adds one that begins, and
   takes one out. */
void ngx_llmops_rollout_cut_init(ngx_llmops_rollout_t *ro);
void ngx_llmops_rollout_cut_add(ngx_llmops_arm_t *arm);
void ngx_llmops_rollout_cut_remove(ngx_llmops_arm_t *arm);

/* Begins to send its messages; in each worker. */
void ngx_llmops_rollout_webhook(ngx_llmops_rollout_t *ro);

/* {"guard":..., "candidate":{...}, ...}: a guard's figures as worker 0 has last
   seen them; NULL: out of memory. */
json_t *ngx_llmops_rollout_figures(ngx_llmops_rollout_t *ro,
    ngx_uint_t guard);


/* -- private to the configuration ----------------------------------------- */

/* A parameter of "canary"; *seen has a bit for each that has been read.
   NGX_CONF_OK, or NGX_CONF_ERROR (logged). */
char *ngx_llmops_rollout_param(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *arg, ngx_uint_t *seen);


/* "judge=", "judge_share=", "rubric=", "judge_timeout=": as handlers of
   parameters; and what they name, when all is read (logged). */
ngx_int_t ngx_llmops_judge_set(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value);
ngx_int_t ngx_llmops_judge_set_share(ngx_conf_t *cf, ngx_llmops_rollout_t *ro,
    ngx_str_t *value);
ngx_int_t ngx_llmops_judge_set_rubric(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
ngx_int_t ngx_llmops_judge_set_timeout(ngx_conf_t *cf,
    ngx_llmops_rollout_t *ro, ngx_str_t *value);
ngx_int_t ngx_llmops_judge_resolve(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_rollout_t *ro);


/* -- private to worker 0 -------------------------------------------------- */

ngx_int_t ngx_llmops_rollout_run_start(ngx_cycle_t *cycle,
    ngx_llmops_main_conf_t *mcf);
void ngx_llmops_rollout_run_stop(ngx_llmops_main_conf_t *mcf);

/*
 * With llm_redis: what the other gateways have seen is asked for and told once
 * a second.  _add() adds what they have last said of a guard in that epoch, or,
 * with guard ROLLOUT_GUARDS, of the requests of both arms in seen->arm[].n.
 */
ngx_int_t ngx_llmops_rollout_fleet_start(ngx_cycle_t *cycle,
    ngx_llmops_main_conf_t *mcf);
void ngx_llmops_rollout_fleet_stop(ngx_llmops_main_conf_t *mcf);
void ngx_llmops_rollout_fleet_add(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_rollout_t *ro, ngx_uint_t guard, uint32_t epoch,
    ngx_llmops_guard_seen_t *seen);


#endif /* _NGX_LLMOPS_ROLLOUT_H_INCLUDED_ */
