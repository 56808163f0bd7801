
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_ROLLOUT_DOC_H_INCLUDED_
#define _NGX_LLMOPS_ROLLOUT_DOC_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>

#include <jansson.h>


/*
 * The document of a rollout: where it stands, and how it came there.  Pure
 * functions; whoever has changed a document puts it in the place of the
 * revision that was read, so that of two who decide at once one has decided
 * nothing.
 */


#define NGX_LLMOPS_ROLLOUT_STEPS    16
#define NGX_LLMOPS_ROLLOUT_HISTORY  50
#define NGX_LLMOPS_ROLLOUT_REASON   400    /* bytes */
#define NGX_LLMOPS_ROLLOUT_NOTED    16     /* evaluations */


typedef enum {
    NGX_LLMOPS_ROLLOUT_RUNNING = 0,        /* at a step */
    NGX_LLMOPS_ROLLOUT_HOLDING,            /* the step is over: a person says
                                              what follows */
    NGX_LLMOPS_ROLLOUT_PAUSED,             /* at a step, which does not end */
    NGX_LLMOPS_ROLLOUT_PROMOTED,           /* the candidate gets all */
    NGX_LLMOPS_ROLLOUT_ROLLED_BACK,        /* the candidate gets nothing */
    NGX_LLMOPS_ROLLOUT_STATES
} ngx_llmops_rollout_state_e;


typedef enum {
    NGX_LLMOPS_ROLLOUT_START = 0,
    NGX_LLMOPS_ROLLOUT_STEP,               /* the next one, or promoted */
    NGX_LLMOPS_ROLLOUT_PROMOTE,            /* promoted at once */
    NGX_LLMOPS_ROLLOUT_HOLD,
    NGX_LLMOPS_ROLLOUT_ROLLBACK,
    NGX_LLMOPS_ROLLOUT_PAUSE,
    NGX_LLMOPS_ROLLOUT_RESUME,
    NGX_LLMOPS_ROLLOUT_RESTART,            /* from the first step */
    NGX_LLMOPS_ROLLOUT_ACTIONS
} ngx_llmops_rollout_action_e;


typedef struct {
    ngx_llmops_rollout_state_e  state;
    ngx_uint_t                 step;       /* from 0 */
    uint32_t                   epoch;      /* of steps that have begun */
    int64_t                    since;      /* ms since the epoch: of the step */
    int64_t                    ill;        /* the same: until then the stable
                                              arm is ill; 0: it is not */
} ngx_llmops_rollout_doc_t;


/* A new one, at its first step.  NULL: out of memory. */
json_t *ngx_llmops_rollout_doc_new(ngx_str_t *route, ngx_str_t *candidate,
    int64_t now);

/* Reads a document.  NULL: it is none, or out of memory. */
json_t *ngx_llmops_rollout_doc_load(ngx_str_t *text);

/* When it began, or began again last: ms of the store's time; if that is no
   longer known, when the first decision was that is. */
int64_t ngx_llmops_rollout_doc_begun(json_t *json);

/* What it says, of one that is a document. */
void ngx_llmops_rollout_doc_get(json_t *json, ngx_llmops_rollout_doc_t *doc);

/* Makes it say that.  NGX_OK or NGX_ERROR. */
ngx_int_t ngx_llmops_rollout_doc_set(json_t *json,
    const ngx_llmops_rollout_doc_t *doc);

/*
 * Changes it: steps is how many there are, by says who (a static text or a
 * name), figures (or NULL) is taken over.  NGX_OK: *entry is the new part of
 * the history, borrowed; NGX_DECLINED: the action makes no sense in this state,
 * *error says why; NGX_ERROR: out of memory.
 */
ngx_int_t ngx_llmops_rollout_doc_apply(json_t *json,
    ngx_llmops_rollout_action_e action, ngx_uint_t steps, int64_t now,
    ngx_str_t *by, ngx_str_t *reason, json_t *figures, json_t **entry,
    const char **error);


/*
 * Notes what the evaluation of that name says now: noted, which is taken over,
 * has at least "id" and "verdict".  NGX_OK; NGX_DECLINED: it is there already,
 * with that verdict, or a later one, by their ids, which sort by time;
 * NGX_ERROR: out of memory.  With a rollout that begins again they become
 * "past": those are not noted again, whatever is said of them.
 */
ngx_int_t ngx_llmops_rollout_doc_note(json_t *json, ngx_str_t *name,
    json_t *noted);

/* The first of n names of evaluations that has not passed, or NULL. */
const ngx_str_t *ngx_llmops_rollout_doc_lacks(json_t *json,
    const ngx_str_t *names, ngx_uint_t n);


extern const char  *ngx_llmops_rollout_state_names[];
extern const char  *ngx_llmops_rollout_action_names[];


#endif /* _NGX_LLMOPS_ROLLOUT_DOC_H_INCLUDED_ */
