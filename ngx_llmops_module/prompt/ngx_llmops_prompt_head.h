
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_PROMPT_HEAD_H_INCLUDED_
#define _NGX_LLMOPS_PROMPT_HEAD_H_INCLUDED_


#include <ngx_config.h>
#include <ngx_core.h>
#include <jansson.h>


/*
 * A prompt that is kept in the store is a head, a document of kind
 * NGX_LLMOPS_DOCS_PROMPTS under the prompt's name:
 *
 *   {"name": NAME, "created": SECONDS,
 *    "versions": {VERSION: {"text": ID, "sha256": HEX, "size": BYTES,
 *                           "created": SECONDS, "by": WHO}},
 *    "labels":   {LABEL: {"version": VERSION, "moved": SECONDS, "by": WHO,
 *                         "reason": WHY, "previous": [VERSION, ...]}},
 *    "history":  [{"time": SECONDS, "by": WHO, "action": ACTION, ...}, ...],
 *    "gone":     {VERSION: HEX}}
 *
 * and the texts of its versions, documents of kind NGX_LLMOPS_DOCS_TEXTS.  A
 * text's id is made anew each time, so that what is under an id never changes
 * and a worker may keep what it has read for as long as it likes; what moves
 * is in the head, which is replaced as a whole, if nobody has been faster.
 *
 * Nothing here asks the store or knows of requests.
 *
 *   ngx_llmops_prompt_head.c         reading a head
 *   ngx_llmops_prompt_head_change.c  changing it
 */


#define NGX_LLMOPS_HEAD_VERSIONS   100
#define NGX_LLMOPS_HEAD_LABELS     20
#define NGX_LLMOPS_HEAD_HISTORY    100     /* changes that are remembered */
#define NGX_LLMOPS_HEAD_PREVIOUS   16      /* of a label: for rollbacks */
#define NGX_LLMOPS_HEAD_GONE       200     /* versions that were deleted */
#define NGX_LLMOPS_HEAD_WHO        64      /* bytes of "by" at the most, */
#define NGX_LLMOPS_HEAD_REASON     200     /* and of "reason" */
#define NGX_LLMOPS_HEAD_SHA256     64      /* hex digits */


/* who changes something, when and why */

typedef struct {
    time_t                     time;
    ngx_str_t                  by;
    ngx_str_t                  reason;     /* len 0: not said */
} ngx_llmops_head_act_t;


/* why a change is refused */

typedef struct {
    const char                *code;       /* "not_found", or of a conflict:
                                              "immutable", "in_use", "full",
                                              "name_taken", "no_previous" */
    char                       text[256];
} ngx_llmops_head_fault_t;


/* A head without versions; NULL: out of memory. */
json_t *ngx_llmops_head_create(ngx_str_t *name, time_t now);

/* A document's value as a head; NULL: it is none. */
json_t *ngx_llmops_head_load(ngx_str_t *value);

/* The version's members; NULL: there is no such version. */
json_t *ngx_llmops_head_version(json_t *head, ngx_str_t *version);

/*
 * The name of the version that a version's or a label's name means; which of
 * len 0 is the label "production", or the only version there is.  NULL if
 * there is none.  It lives as long as head.
 */
const char *ngx_llmops_head_find(json_t *head, ngx_str_t *which);

/*
 * Changes of a head.  NGX_OK: made, and in the history; NGX_DONE: it is so
 * already; NGX_DECLINED: refused, *fault says why; NGX_ERROR: out of memory.
 * But for NGX_OK the head must not be used any more.
 *
 * _put(): a new version, whose text is at id.  A version that is there, or was
 * there once, keeps its text.
 * _remove(): no label may lead to it.  Its text is the caller's to remove.
 * _label(): lets a label, which may be new, lead to a version.
 * _rollback(): lets it lead to where it led before; again, to the one before
 * that.
 */
ngx_int_t ngx_llmops_head_put(json_t *head, ngx_str_t *version,
    ngx_str_t *id, const char *sha256, size_t size,
    ngx_llmops_head_act_t *act, ngx_llmops_head_fault_t *fault);
ngx_int_t ngx_llmops_head_remove(json_t *head, ngx_str_t *version,
    ngx_llmops_head_act_t *act, ngx_llmops_head_fault_t *fault);
ngx_int_t ngx_llmops_head_label(json_t *head, ngx_str_t *label,
    ngx_str_t *version, ngx_llmops_head_act_t *act,
    ngx_llmops_head_fault_t *fault);
ngx_int_t ngx_llmops_head_unlabel(json_t *head, ngx_str_t *label,
    ngx_llmops_head_act_t *act, ngx_llmops_head_fault_t *fault);
ngx_int_t ngx_llmops_head_rollback(json_t *head, ngx_str_t *label,
    ngx_llmops_head_act_t *act, ngx_llmops_head_fault_t *fault);


/* private to the two files of heads */

#define NGX_LLMOPS_HEAD_KEY  (NGX_LLMOPS_HEAD_WHO + 1)   /* of a name */

/* Terminates a name; 0: it is too long to be one. */
ngx_uint_t ngx_llmops_head_key(char *key, ngx_str_t *name);

/* A member of head's object group; NULL if there is none. */
json_t *ngx_llmops_head_get(json_t *head, const char *group,
    ngx_str_t *name);


#endif /* _NGX_LLMOPS_PROMPT_HEAD_H_INCLUDED_ */
