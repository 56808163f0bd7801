
/*
 * Copyright (C) 2026 The ngx_llmops_module authors
 */


#ifndef _NGX_LLMOPS_CHECK_H_INCLUDED_
#define _NGX_LLMOPS_CHECK_H_INCLUDED_


#include "ngx_llmops_dialect.h"
#include "ngx_llmops_jschema.h"
#include "ngx_llmops_patterns.h"
#include "ngx_llmops_reverse.h"
#include "ngx_llmops_texts.h"


/*
 * Rules on what a model has written.  A check is a filter of bytes: events
 * of the caller's dialect go in and come out, redacted, until a rule is
 * broken; or a whole answer does.  It knows nothing of requests.
 */


typedef enum {
    NGX_LLMOPS_RULE_PATTERN = 0,           /* mark, redact or deny */
    NGX_LLMOPS_RULE_REQUIRE,               /* a pattern that must be there */
    NGX_LLMOPS_RULE_JSON,
    NGX_LLMOPS_RULE_LENGTH,
    NGX_LLMOPS_RULE_TOKENS,
    NGX_LLMOPS_RULE_TOOLS,                 /* arguments, by the request */
    NGX_LLMOPS_RULE_LANGUAGE,
    NGX_LLMOPS_RULE_GROUND
} ngx_llmops_rule_kind_e;


/* what follows when a rule is broken */

typedef enum {
    NGX_LLMOPS_ACT_MARK = 0,              /* only noted */
    NGX_LLMOPS_ACT_REDACT,
    NGX_LLMOPS_ACT_STOP,
    NGX_LLMOPS_ACT_NEXT,                  /* another target, else stop */
    NGX_LLMOPS_ACT_RETRY,                 /* the same target, told why; else
                                             next */
    NGX_LLMOPS_ACT_REPLACE,               /* a fixed text */
    NGX_LLMOPS_ACT_REPAIR,                /* of JSON; else retry */
    NGX_LLMOPS_ACT_MAX
} ngx_llmops_rule_action_e;


typedef struct {
    ngx_str_t                  name;       /* "SET.kind", for log and metrics */
    ngx_llmops_rule_kind_e     kind;
    ngx_llmops_rule_action_e   action;
    ngx_llmops_jschema_t      *schema;     /* of JSON, or NULL: any JSON */
    size_t                     min;        /* characters, tokens; of GROUND
                                              thousandths */
    size_t                     max;        /* 0: none */
    uint64_t                   languages;  /* bits: those that are allowed */
    ngx_uint_t                 retries;
    ngx_str_t                  with;       /* of REPLACE */
    unsigned                   fences:1;   /* of JSON: are taken off */
    unsigned                   reversible:1;   /* of input: is put back */
    unsigned                   kinds;      /* bits of text kinds */
    void                      *data;       /* the owner's */
} ngx_llmops_rule_t;


/* the rules of a route; all that they point to outlives them */

typedef struct {
    ngx_llmops_rule_t         *rules;
    ngx_uint_t                 nrules;     /* at most PATTERN_RULES */
    ngx_llmops_patterns_t     *sets[NGX_LLMOPS_TEXT_MAX];  /* or NULL */
} ngx_llmops_rules_t;


typedef struct ngx_llmops_check_s  ngx_llmops_check_t;


/* A check of one answer in the caller's dialect; NULL if out of memory. */
ngx_llmops_check_t *ngx_llmops_check_create(ngx_llmops_rules_t *rules,
    ngx_llmops_op_e op);

void ngx_llmops_check_free(ngx_llmops_check_t *check);

/*
 * What the check may want to know of the request, before the first byte: its
 * body, valid JSON in the caller's API, for rules on tools and ground; and
 * what is to be put back into the answer, or NULL.  Both outlive the check.
 * NGX_OK or NGX_ERROR.
 */
ngx_int_t ngx_llmops_check_request(ngx_llmops_check_t *check,
    ngx_str_t *body, ngx_llmops_reverse_t *reverse);

/* Whether rules want the request's body. */
ngx_uint_t ngx_llmops_check_asks_request(ngx_llmops_rules_t *rules);

/*
 * The next bytes of a stream.  NGX_OK: what may go is appended to out, in
 * whole events.  NGX_DECLINED: a rule is broken, see _broken(); out has what
 * may still go.  NGX_ERROR when out of memory.
 */
ngx_int_t ngx_llmops_check_events(ngx_llmops_check_t *check, u_char *p,
    size_t len, ngx_llmops_out_t *out);

/* The stream has come to its own end: deals with an event whose blank line is
   missing, and with the end if no event has told it. */
ngx_int_t ngx_llmops_check_end(ngx_llmops_check_t *check,
    ngx_llmops_out_t *out);

/* A whole answer; it is appended to out, redacted. */
ngx_int_t ngx_llmops_check_body(ngx_llmops_check_t *check, ngx_str_t *body,
    ngx_llmops_out_t *out);

/* Bytes of text that have gone to out. */
size_t ngx_llmops_check_passed(ngx_llmops_check_t *check);

/* The rule that ended it; NULL: the answer could not be read. */
ngx_llmops_rule_t *ngx_llmops_check_broken(ngx_llmops_check_t *check);

/*
 * What the first choice has said so far, at most CHECK_SAID bytes, if a rule
 * has ACT_RETRY or ACT_REPAIR; and why the broken rule is, for the model.
 */
#define NGX_LLMOPS_CHECK_SAID  16384

ngx_str_t ngx_llmops_check_said(ngx_llmops_check_t *check);
void ngx_llmops_check_reason(ngx_llmops_check_t *check,
    ngx_llmops_out_t *out);

/* A stream's end after NGX_DECLINED with ACT_REPLACE: the fixed text in all
   choices that have not ended, and the end of the stream. */
void ngx_llmops_check_replace(ngx_llmops_check_t *check,
    ngx_llmops_out_t *out);

/* Bits of the rules that were broken or found something, in order. */
uint64_t ngx_llmops_check_noted(ngx_llmops_check_t *check);

/* Whether an operation's answers can be checked. */
ngx_uint_t ngx_llmops_check_op(ngx_llmops_op_e op);


#endif /* _NGX_LLMOPS_CHECK_H_INCLUDED_ */
