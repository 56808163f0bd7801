
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_EVALUATE_H_INCLUDED_
#define _NGX_LLMOPS_EVALUATE_H_INCLUDED_


#include "ngx_llmops.h"
#include "ngx_llmops_store.h"

#include <jansson.h>


/*
 * Evaluations: candidates answer the cases of a dataset, and what they say is
 * scored.  How they run, and who runs them: ngx_llmops_evaluate.c.
 *
 *   ngx_llmops_score*, _choice, _number, _answer, _summary, _interval,
 *   _report*                        what is scored, and how it is told
 *   ngx_llmops_evaluate.c           worker 0: which evaluation is run
 *   ngx_llmops_evaluate_sweep.c     worker 0: removing what has been removed
 *   ngx_llmops_evaluate_spec.c      what is asked for
 *   ngx_llmops_evaluate_names.c     whether what it names is there
 *   ngx_llmops_evaluate_document.c  the document of it
 *   ngx_llmops_evaluate_dataset.c   cases as lines
 *   ngx_llmops_evaluate_conf.c      llm_evaluations; targets and rules by name
 *   ngx_llmops_evaluate_line.c      "evaluate" of a route
 *   ngx_llmops_evaluate_run.c       a run: its steps to and from the store
 *   ngx_llmops_evaluate_load.c      its beginning: specification, results
 *   ngx_llmops_evaluate_data.c      and its cases
 *   ngx_llmops_evaluate_samples.c   those that are samples
 *   ngx_llmops_evaluate_keep.c      what it keeps, as it goes on, and its end
 *   ngx_llmops_evaluate_case.c      its cases, and who is asked next
 *   ngx_llmops_evaluate_ask.c       one question to a candidate or a judge
 *   ngx_llmops_evaluate_result.c    what is kept of an answer
 *   ngx_llmops_evaluate_schedule.c  worker 0: "evaluate ... every="
 *   ngx_llmops_evaluate_seen.c      models that have changed behind their names
 */


/* bounds */

#define NGX_LLMOPS_EVAL_CANDIDATES   8
#define NGX_LLMOPS_EVAL_CASES        10000
#define NGX_LLMOPS_EVAL_LINE         (256 * 1024)      /* bytes of a case */
#define NGX_LLMOPS_EVAL_DATASET      (16 * 1024 * 1024)    /* of all */
#define NGX_LLMOPS_EVAL_ACTIVE       16     /* queued or running */
#define NGX_LLMOPS_EVAL_CONCURRENCY  32     /* requests of one, at the most */
#define NGX_LLMOPS_EVAL_KEPT         2048   /* bytes of an answer, an input */
#define NGX_LLMOPS_EVAL_REQUEST      (1024 * 1024)     /* bytes of a body */
#define NGX_LLMOPS_EVAL_CHUNK        16     /* cases in a document */
#define NGX_LLMOPS_EVAL_NAME         64
#define NGX_LLMOPS_EVAL_ID           37     /* "eval_" and 32 hex digits */
#define NGX_LLMOPS_EVAL_TEXT         512    /* bytes of an error */
#define NGX_LLMOPS_EVAL_VERDICT      1024   /* bytes of a person's comment */
#define NGX_LLMOPS_EVAL_TASKS        8      /* runs at a time, of a worker 0 */


/* shared by all workers: one, and one of each "evaluate" */

typedef enum {
    NGX_LLMOPS_EVAL_COMPLETED = 0,
    NGX_LLMOPS_EVAL_FAILED,
    NGX_LLMOPS_EVAL_CANCELLED,
    NGX_LLMOPS_EVAL_ENDS
} ngx_llmops_evaluation_end_e;

typedef struct {
    ngx_atomic_t               id;         /* of this nginx; 0: none yet */
    ngx_atomic_t               running;
    ngx_atomic_t               ended[NGX_LLMOPS_EVAL_ENDS];
    ngx_atomic_t               cases[2];   /* scored, failed */
    ngx_atomic_t               cost;       /* 10^-12 USD */
    ngx_atomic_t               changes;    /* of models behind their names */
} ngx_llmops_evaluations_sh_t;

typedef struct {
    ngx_atomic_t               told;       /* when it last ended: s, or 0 */
    ngx_atomic_t               score;      /* of the candidate: thousandths, */
    ngx_atomic_t               scored;     /* if 1 */
    ngx_atomic_t               verdicts[3];    /* undecided, pass, fail */
} ngx_llmops_evaluate_sh_t;


/* "evaluate" of an llm_route */

typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  file;       /* whole path */
    ngx_llmops_route_t        *route;
    time_t                     every;      /* s; 0: by nobody but the API */
    json_t                    *spec;       /* as of POST */
    ngx_llmops_evaluate_sh_t  *sh;         /* of this worker; NULL: full zone */
    ngx_llmops_place_t         place;
} ngx_llmops_evaluate_t;


/* mcf->evaluations; NULL: nobody could ask for one */

typedef struct {
    ngx_str_t                  dir;        /* of files that the API may name;
                                              len 0: none */
    ngx_uint_t                 max;        /* that are kept */
    time_t                     keep;       /* s after their end */
    ngx_uint_t                 concurrency;    /* requests of all runs */
    ngx_array_t                lines;      /* of ngx_llmops_evaluate_t */
    ngx_array_t                targets;    /* of ngx_llmops_target_t *: those
                                              that may be named */
    ngx_array_t                more;       /* of ngx_str_t: targets of
                                              llm_evaluations */
    ngx_array_t                rules;      /* of ngx_llmops_score_rules_t */
    ngx_llmops_place_t         place;
    ngx_llmops_evaluations_sh_t  *sh;      /* of this worker; NULL: full zone */
    void                      *runner;     /* worker 0 */
} ngx_llmops_evaluations_t;


/* -- configuration -------------------------------------------------------- */

/* llm_evaluations [dir=PATH] [max=N] [keep=TIME] [concurrency=N]
   [target=UPSTREAM/MODEL] ...; */
char *ngx_llmops_evaluations_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

/* evaluate NAME FILE [every=TIME] ...; in llm_route */
char *ngx_llmops_evaluate_directive(ngx_conf_t *cf, ngx_command_t *cmd,
    void *conf);

#define NGX_LLMOPS_EVALUATE_COMMANDS                                          \
                                                                              \
    { ngx_string("llm_evaluations"),                                          \
      NGX_HTTP_MAIN_CONF|NGX_CONF_1MORE,                                      \
      ngx_llmops_evaluations_directive,                                       \
      NGX_HTTP_MAIN_CONF_OFFSET,                                              \
      0,                                                                      \
      NULL },                                                                 \
                                                                              \
    { ngx_string("evaluate"),                                                 \
      NGX_LLMOPS_ROUTE_CONF|NGX_CONF_2MORE,                                   \
      ngx_llmops_evaluate_directive,                                          \
      NGX_HTTP_LOC_CONF_OFFSET,                                               \
      0,                                                                      \
      NULL }

/* mcf->evaluations, with its defaults; NULL: out of memory. */
ngx_llmops_evaluations_t *ngx_llmops_evaluations_conf(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);

/* Resolves what is named, once routes and rules are; reads the files of
   "evaluate".  NGX_OK, or NGX_ERROR (logged with file and line). */
ngx_int_t ngx_llmops_evaluations_init(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf);
ngx_int_t ngx_llmops_evaluate_init(ngx_conf_t *cf,
    ngx_llmops_main_conf_t *mcf, ngx_llmops_evaluate_t *ev);

/* Finds the counters of "evaluate" lines; in each worker. */
void ngx_llmops_evaluate_attach(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluations_t *evs);

/* Per worker.  stop() gives up what worker 0 runs: somebody else goes on. */
ngx_int_t ngx_llmops_evaluations_start(ngx_cycle_t *cycle,
    ngx_llmops_main_conf_t *mcf);
void ngx_llmops_evaluations_stop(ngx_llmops_main_conf_t *mcf);

/* Whether it is the file of an "evaluate". */
ngx_uint_t ngx_llmops_evaluate_file(ngx_llmops_evaluations_t *evs,
    ngx_str_t *path);

/* The target of that name that evaluations may ask, or NULL. */
ngx_llmops_target_t *ngx_llmops_evaluation_target(
    ngx_llmops_evaluations_t *evs, ngx_str_t *name);


/* an error for people, terminated: NGX_DECLINED */

#define ngx_llmops_spec_error(err, ...)                                       \
    (*ngx_snprintf((u_char *) (err), NGX_LLMOPS_EVAL_TEXT - 1, __VA_ARGS__)   \
         = '\0', NGX_DECLINED)


/* -- what is asked for ---------------------------------------------------- */

/* a candidate, as the specification has it */

typedef struct {
    ngx_str_t                  name;
    ngx_str_t                  target;     /* or len 0 */
    ngx_str_t                  prompt;     /* NAME@VERSION, or len 0 */
    ngx_str_t                  route;      /* or len 0 */
} ngx_llmops_evaluation_candidate_t;


/* its strings are those of the specification, which must outlive it */

typedef struct {
    ngx_llmops_evaluation_candidate_t
                               candidates[NGX_LLMOPS_EVAL_CANDIDATES];
    ngx_uint_t                 ncandidates;
    ngx_int_t                  baseline;   /* -1: none */
    ngx_str_t                  judge;      /* or len 0 */
    json_t                    *checks;     /* of cases without, or NULL */
    json_t                    *parameters; /* of requests, or NULL */
    ngx_uint_t                 concurrency;
    ngx_uint_t                 attempts;   /* of each question */
    ngx_msec_t                 timeout;    /* of each attempt */
    size_t                     kept;       /* bytes of each answer */
    int64_t                    budget;     /* 10^-12 USD; 0: any */
    int64_t                    tokens;     /* of input and output; 0: any */
    double                     min_score;  /* as of ngx_llmops_summary_ask_t */
    double                     margin;
    double                     max_errors;
    double                     level;
    unsigned                   strict:1;
} ngx_llmops_evaluation_spec_t;


/*
 * Reads a specification, the body of POST but for what is in its dataset.
 * NGX_OK, or NGX_DECLINED: err[NGX_LLMOPS_EVAL_TEXT] says what to write
 * instead.
 */
ngx_int_t ngx_llmops_evaluation_spec(json_t *json,
    ngx_llmops_evaluation_spec_t *spec, char *err);

/* Whether all that it names is there.  As _spec(). */
ngx_int_t ngx_llmops_evaluation_names(ngx_llmops_main_conf_t *mcf,
    ngx_llmops_evaluation_spec_t *spec, json_t *json, char *err);

/*
 * The document of an evaluation, as GET shows it: a new reference, NULL if out
 * of memory.  now: s since the epoch.
 */
json_t *ngx_llmops_evaluation_document(ngx_llmops_evaluation_spec_t *spec,
    json_t *json, const char *id, ngx_uint_t cases, int64_t now,
    const char *by);

/* A new id, terminated. */
void ngx_llmops_evaluation_id(char id[NGX_LLMOPS_EVAL_ID + 1]);

/* Whether s may be such an id; whether it may be a name. */
ngx_uint_t ngx_llmops_evaluation_is_id(ngx_str_t *s);
ngx_uint_t ngx_llmops_evaluation_is_name(ngx_str_t *s);

/* "queued" or "running"; that status. */
ngx_uint_t ngx_llmops_evaluation_active(json_t *doc);
ngx_uint_t ngx_llmops_evaluation_is(json_t *doc, const char *status);

/* Whether somebody is alive who runs it, other than own, which may be NULL. */
ngx_uint_t ngx_llmops_evaluation_held(ngx_llmops_main_conf_t *mcf,
    json_t *doc, const char *own);

/* The ids of its documents: "ID/spec", "ID/data", "ID/7"; p has room for
   NGX_LLMOPS_DOC_ID bytes. */
ngx_str_t ngx_llmops_evaluation_part(u_char *p, const char *id,
    const char *part);
ngx_str_t ngx_llmops_evaluation_chunk(u_char *p, const char *id,
    ngx_uint_t chunk);

/* A document as text in pool; data NULL if out of memory. */
ngx_str_t ngx_llmops_evaluation_text(json_t *json, ngx_pool_t *pool);

/* What is in "s" as JSON of any kind, NULL if it is none. */
json_t *ngx_llmops_evaluation_load(ngx_str_t *s);

/* A member that is a string; len 0 if there is none. */
ngx_str_t ngx_llmops_evaluation_string(json_t *json, const char *name);


/* -- datasets ------------------------------------------------------------- */

/* lines of JSON, of malloc */

typedef struct {
    u_char                    *data;
    size_t                     len;
    size_t                     size;
    uint32_t                  *ends;       /* behind the last byte of each */
    ngx_uint_t                 n;
    ngx_uint_t                 room;       /* in ends */
    ngx_uint_t                 line;       /* of the file, for errors */
    size_t                     part;       /* bytes of a line that has no end
                                              yet, behind the last one */
} ngx_llmops_dataset_t;


void ngx_llmops_dataset_free(ngx_llmops_dataset_t *set);

/*
 * Adds bytes of a file, cut anywhere; _end() its end.  NGX_OK; NGX_DECLINED:
 * err[NGX_LLMOPS_EVAL_TEXT] says which line is too long, or not a case, or the
 * first that is too many; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_llmops_dataset_feed(ngx_llmops_dataset_t *set, u_char *p,
    size_t len, char *err);
ngx_int_t ngx_llmops_dataset_end(ngx_llmops_dataset_t *set, char *err);

/* Adds a case.  As _feed(). */
ngx_int_t ngx_llmops_dataset_add(ngx_llmops_dataset_t *set, json_t *kase,
    char *err);

/* Case n: a new reference; NULL: out of memory. */
json_t *ngx_llmops_dataset_case(ngx_llmops_dataset_t *set, ngx_uint_t n);

/* Whether an object is a case: "input" and so on.  NGX_OK, or NGX_DECLINED. */
ngx_int_t ngx_llmops_dataset_check(json_t *kase, ngx_uint_t n, char *err);

/* All lines, with "\n" behind each; good until it changes. */
ngx_str_t ngx_llmops_dataset_text(ngx_llmops_dataset_t *set);

/* The case that a sample makes: its conversation, and with expected what was
   answered; NULL: it cannot be one. */
json_t *ngx_llmops_dataset_sample(json_t *sample);

/* A file, read at once: at configuration time only.  As _feed(). */
ngx_int_t ngx_llmops_dataset_file(ngx_llmops_dataset_t *set, ngx_str_t *path,
    ngx_log_t *log, char *err);


#endif /* _NGX_LLMOPS_EVALUATE_H_INCLUDED_ */
